/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file b64url.h
 * Strict base64url without padding (RFC 7515 section 2, RFC 4648 section 5): no `=`,
 * no white space, no other alphabet, unused bits zero.
 *
 * Pure functions, thread-safe.
 */
#pragma once

#include <apr_pools.h>

/** Upper bound for the bytes that len characters decode to. */
#define BEARER_B64URL_DECODED_MAX(len) (((len) / 4) * 3 + 3)

/**
 * Decodes into out, which must hold BEARER_B64URL_DECODED_MAX(len) bytes.
 * @return APR_SUCCESS, or APR_EINVAL if the text is not canonical
 */
apr_status_t bearer_b64url_decode(unsigned char *out, apr_size_t *out_len,
                                  const char *in, apr_size_t len);

/** Like bearer_b64url_decode(), into memory of p, with a NUL after out_len bytes. */
apr_status_t bearer_b64url_decode_p(unsigned char **out, apr_size_t *out_len,
                                    const char *in, apr_size_t len,
                                    apr_pool_t *p);

/** Encodes len bytes; the result is NUL-terminated, in p. */
char *bearer_b64url_encode(apr_pool_t *p, const void *in, apr_size_t len);
