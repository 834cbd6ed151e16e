/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file environment.h
 * Writes to a request's environment, for several files. The values live as long as the
 * request. Any thread may call these functions for the request that it serves.
 */
#pragma once

#include "request.h"

/** Sets BEARER_ERROR and BEARER_ERROR_CHECK. */
void ab_environment_refusal(request_rec *r, bearer_reason_t reason);
/** Sets BEARER_TOKEN_ID if the request has a token, and returns it; otherwise NULL. */
const char *ab_environment_token_id(request_rec *r, const credential_t *credential);
/** Sets BEARER_PROOF to what the client has proven (BEARER_BOUND_ bits), if anything. */
void ab_environment_proven(request_rec *r, unsigned proven);
/** Logs which claims are not passed to the application, and why. */
void ab_environment_left_out(request_rec *r, const apr_array_header_t *left_out);
