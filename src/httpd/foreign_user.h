/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file foreign_user.h
 * Handles r->user if other modules may have set it. Any thread may call these functions
 * for the request that it serves.
 */
#pragma once

#include <httpd.h>

/** If AuthType Bearer is in force, sets r->user and ap_auth_type to the user that this
 *  module established for r, or to none. Also used as a hook: returns DECLINED. */
int ab_foreign_user_settle(request_rec *r);
/** Does the same, but only if r->user differs from what this module set. */
void ab_foreign_user_put_right(request_rec *r);
/** After an internal redirect to a location with AuthType Bearer, keeps the user only
 *  if this module established it. Returns 1 if r has no user now. */
int ab_foreign_user_forget(request_rec *r);
/** Registers ab_foreign_user_settle() around the fixups that read r->user. */
void ab_foreign_user_register(void);
