/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file foreign_user.h
 * r->user, where other modules may have written it. Any thread, on its own request.
 */
#pragma once

#include <httpd.h>

/** Where AuthType Bearer is in force: makes r->user (and ap_auth_type) the user
 *  that this module established for r, or none. A hook, too: DECLINED. */
int ab_foreign_user_settle(request_rec *r);
/** The same for a user that is not as this module left him. */
void ab_foreign_user_put_right(request_rec *r);
/** r was redirected to a location of AuthType Bearer: its user stays if this module
 *  established it. 1: there is none now. */
int ab_foreign_user_forget(request_rec *r);
void ab_foreign_user_register(void);
