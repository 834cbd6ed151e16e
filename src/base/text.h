/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file text.h
 * Functions for untrusted strings: UTF-8, escaping for the log, constant-time
 * comparison, digests. Pure functions, thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#define BEARER_SHA256_SIZE 32

/** Maximum number of bytes of a value that a log line shows. */
#define BEARER_QUOTE_MAX 128

/**
 * Returns a value for the log: in single quotes, as printable ASCII. Other bytes,
 * quotes and `\` become %NN, so that a JSON log needs no escapes. The value is cut at
 * BEARER_QUOTE_MAX bytes and ends with "..." then. NULL gives `(none)`.
 */
const char *bearer_text_quote(apr_pool_t *p, const char *s);
const char *bearer_text_quote_n(apr_pool_t *p, const char *s, apr_size_t len);

/** The same for the text of an error of an issuer, which may begin with boilerplate: cut
 *  at BEARER_QUOTE_LONG_MAX bytes. */
#define BEARER_QUOTE_LONG_MAX 640
const char *bearer_text_quote_long(apr_pool_t *p, const char *s);

/** Returns 1 if s contains the beginning of a secret of len bytes: 16 bytes, or all if
 *  it is shorter. */
int bearer_text_repeats(const char *s, const char *secret, apr_size_t len);

/** Returns a list of strings for the log: `(a, b, c)`, escaped, bounded. */
const char *bearer_text_quote_list(apr_pool_t *p, const apr_array_header_t *list);

/** Returns the first 8 hex digits of the SHA-256 of len bytes. The log identifies
 *  tokens and users by it. */
const char *bearer_text_fingerprint(apr_pool_t *p, const void *data, apr_size_t len);

/** Computes the SHA-256 (FIPS 180-4) of len bytes into out[32]. Returns
 *  APR_SUCCESS or APR_EGENERAL. It fetches the algorithm each time; code that runs
 *  in each request uses sha256.h. */
apr_status_t bearer_text_sha256(const void *data, apr_size_t len, unsigned char *out);

/** Returns how many leading bytes are a b64token (RFC 6750 section 2.1); 0: none. */
apr_size_t bearer_text_b64token(const char *s, apr_size_t len);

/** Returns 1 if s is a scope token (RFC 6749 section 3.3). */
int bearer_text_is_scope(const char *s);

/** Returns 1 if s is an HTTP token, such as a header name (RFC 9110 section 5.6.2). */
int bearer_text_is_token(const char *s);

/** Returns the bytes as lower-case hex. */
const char *bearer_text_hex(apr_pool_t *p, const void *data, apr_size_t len);

/** Returns the text of apr_strerror() for a status, which may be an errno. */
const char *bearer_text_status(apr_pool_t *p, apr_status_t status);

/** Returns 1 if s contains a control character (C0, DEL). */
int bearer_text_has_control(const char *s, apr_size_t len);

/** Returns a text as HTML, in ASCII whatever its characters. A control character, or an
 *  octet that is not UTF-8, becomes a question mark. */
const char *bearer_text_html(apr_pool_t *p, const char *s);

/** Returns 1 if len bytes are valid UTF-8 (RFC 3629: no overlong forms, no surrogates). */
int bearer_text_is_utf8(const char *s, apr_size_t len);

/** Returns the value of a hex digit in either case, or -1. */
int bearer_text_hex_digit(char c);

/**
 * Decodes one character of application/x-www-form-urlencoded text (also a query) at
 * *s and advances *s.
 * @param end  end of the text; *s < end
 * @return 1 to 255; -1 for an invalid escape or a NUL
 */
int bearer_text_form_next(const char **s, const char *end);

/** Decodes such text into p, NUL-terminated. NULL if an escape is invalid or there is a NUL. */
char *bearer_text_form_decode(apr_pool_t *p, const char *s, apr_size_t len);

/** Returns 1 if a and b are equal. The time depends on the length only. */
int bearer_text_equal_ct(const void *a, const void *b, apr_size_t len);

/** Like bearer_text_equal_ct(), for two strings. */
int bearer_text_same_ct(const char *a, const char *b);

/** Returns the non-empty words between separators, in p: const char *. */
apr_array_header_t *bearer_text_split(apr_pool_t *p, const char *text,
                                      const char *separators);

/** Returns 1 if s is in list (const char *). list may be NULL. */
int bearer_text_among(const apr_array_header_t *list, const char *s);

/**
 * Check 12: returns an error message about an identifier for r->user, or NULL. It must
 * have 1 to 256 bytes of valid UTF-8, without leading or trailing white space, C0,
 * DEL, C1, and bidirectional overrides or isolates (U+202A-202E, U+2066-2069). Unless
 * printable is set, it must not contain `,`, `;` or `=`.
 */
const char *bearer_text_identifier_error(const char *s, apr_size_t len, int printable);

/** Separator of names in BEARER_ROLES, BEARER_GROUPS and their headers, and of the
 *  values of a claim that is an array; and what a message calls it. */
#define BEARER_NAMES_SEPARATOR ','
#define BEARER_NAMES_SEPARATOR_IS "a comma"

/**
 * Returns an error message about a member of a list (a role, a scope), or NULL. Readers
 * split lists at the separator, and many strip white space, so they would read
 * another name. Control characters, the separator, and white space at either end are
 * refused. If the separator is a space, all white space is refused. Invalid UTF-8 is
 * refused too.
 */
const char *bearer_text_member_error(const char *s, char separator);

/** Reads until the end, or at most *len bytes; sets *len to the number. Returns 0 or errno. */
int bearer_text_read_fd(int fd, char *to, apr_size_t *len);

/** Writes len bytes. Returns 0 or errno. */
int bearer_text_write_fd(int fd, const char *data, apr_size_t len);

/**
 * Reads a whole file of at most max bytes; the data is NUL-terminated, in p.
 * @param error  why the file could not be read, without the path ("it ...");
 *               unchanged on success
 * @return APR_SUCCESS; APR_ENOSPC if the file is larger; else another status
 */
apr_status_t bearer_text_read_file(const char **data, apr_size_t *len,
                                   const char *path, apr_size_t max,
                                   const char **error, apr_pool_t *p);
