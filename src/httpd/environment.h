/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file environment.h
 * What several rooms write into a request's environment. Nothing here asks another
 * room; values live as long as the request.
 */
#pragma once

#include "request.h"

/** Sets BEARER_ERROR and BEARER_ERROR_CHECK. */
void ab_environment_refusal(request_rec *r, bearer_reason_t reason);
/** Sets BEARER_TOKEN_ID, if there is a token, and returns it; or NULL. */
const char *ab_environment_token_id(request_rec *r, const credential_t *credential);
/** Logs which claims the application does not get, and why. */
void ab_environment_left_out(request_rec *r, const apr_array_header_t *left_out);
