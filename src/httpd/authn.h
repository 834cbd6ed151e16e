/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file authn.h
 * Authentication: who sent the request. Any thread, on its own request.
 */
#pragma once

#include <httpd.h>

#include "judge/principal.h"

int ab_authn_check_user_id(request_rec *r);
int ab_authn_log_transaction(request_rec *r);
/**
 * Who it will be, for expressions that are evaluated before authentication
 * (<If>, SetEnvIfExpr): the token is judged by the configuration that is known
 * so far, and nothing comes of it, neither a user nor a refusal nor a count.
 * The real judgement follows. NULL: the request has no user yet, or authentication is
 * over.
 */
const bearer_principal_t *ab_authn_ahead(request_rec *r);
