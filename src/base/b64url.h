/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file b64url.h
 * base64url without padding, strict (RFC 7515 section 2, RFC 4648 section 5):
 * no `=`, no white space, no other alphabet, canonical last bits.
 */
#pragma once

#include <apr_pools.h>

/** Bytes needed to decode len characters (an upper bound). */
#define BEARER_B64URL_DECODED_MAX(len) (((len) / 4) * 3 + 3)

/**
 * Decodes into out, which holds BEARER_B64URL_DECODED_MAX(len) bytes.
 * @return APR_SUCCESS, or APR_EINVAL for anything not canonical
 */
apr_status_t bearer_b64url_decode(unsigned char *out, apr_size_t *out_len,
                                  const char *in, apr_size_t len);

/** The same into memory of p, NUL-terminated behind out_len. */
apr_status_t bearer_b64url_decode_p(unsigned char **out, apr_size_t *out_len,
                                    const char *in, apr_size_t len,
                                    apr_pool_t *p);

/** Encodes len bytes, NUL-terminated, in p. */
char *bearer_b64url_encode(apr_pool_t *p, const void *in, apr_size_t len);
