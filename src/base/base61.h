/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file base61.h
 * Bytes as letters and the digits 1 to 9: for values in this server's cookies and in
 * URLs that lead back to it. Web application firewalls (the OWASP rule set) read
 * attacks into other alphabets: `--` is a comment of SQL, `0xfda` a number, `.nsr` a
 * file.
 *
 * Each 8 bytes are 11 characters, as a number with the most significant digit first.
 * The 1 to 7 bytes of the last group are 2, 3, 5, 6, 7, 9 or 10 characters. Each value
 * has one spelling. Pure functions, thread-safe.
 */
#pragma once

#include <apr_pools.h>

/** Encodes len bytes; the result is NUL-terminated, in p. */
char *bearer_base61_encode(apr_pool_t *p, const void *in, apr_size_t len);

/**
 * Decodes into memory of p, with a NUL after *out_len bytes.
 * @return APR_SUCCESS, or APR_EINVAL (with *out NULL) if no bytes are spelled so
 */
apr_status_t bearer_base61_decode(unsigned char **out, apr_size_t *out_len,
                                  const char *in, apr_size_t len, apr_pool_t *p);
