/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file text.h
 * Strings that came from outside: UTF-8, escaping for the log, constant-time
 * comparison, digests. Leaf room, pure functions, thread-safe.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#define BEARER_SHA256_SIZE 32

/** A value in a log line shows at most so many bytes of itself. */
#define BEARER_QUOTE_MAX 128

/**
 * A value for the log: in single quotes, printable ASCII, everything else (and
 * quotes and `\`) as %NN, cut at BEARER_QUOTE_MAX bytes with "..." behind: what
 * needs no escaping in a log of JSON.
 * NULL gives `(none)`.
 */
const char *bearer_text_quote(apr_pool_t *p, const char *s);
const char *bearer_text_quote_n(apr_pool_t *p, const char *s, apr_size_t len);

/** A list of strings for the log: `(a, b, c)`, escaped, bounded. */
const char *bearer_text_quote_list(apr_pool_t *p, const apr_array_header_t *list);

/** First 8 hex digits of the SHA-256 of len bytes: how the log names tokens
 *  and users. */
const char *bearer_text_fingerprint(apr_pool_t *p, const void *data, apr_size_t len);

/** SHA-256 (FIPS 180-4) of len bytes into out[32]. APR_SUCCESS or APR_EGENERAL.
 *  Looks its algorithm up; what each request needs takes sha256.h. */
apr_status_t bearer_text_sha256(const void *data, apr_size_t len, unsigned char *out);

/** How many leading bytes are a b64token (RFC 6750 section 2.1), 0 if it does not
 *  begin with one. */
apr_size_t bearer_text_b64token(const char *s, apr_size_t len);

/** 1: s is the name of a scope (RFC 6749 section 3.3). */
int bearer_text_is_scope(const char *s);

/** 1: s is a token of HTTP, such as a header's name (RFC 9110 section 5.6.2). */
int bearer_text_is_token(const char *s);

/** Lower-case hex. */
const char *bearer_text_hex(apr_pool_t *p, const void *data, apr_size_t len);

/** What apr_strerror() says of a status; errno is one. */
const char *bearer_text_status(apr_pool_t *p, apr_status_t status);

/** 1: a control character (C0, DEL) is in it. */
int bearer_text_has_control(const char *s, apr_size_t len);

/** 1 if len bytes are valid UTF-8 (RFC 3629: no overlong, no surrogates). */
int bearer_text_is_utf8(const char *s, apr_size_t len);

/** The value of a hex digit, either case; -1: it is none. */
int bearer_text_hex_digit(char c);

/**
 * One character of application/x-www-form-urlencoded text (a query's, too) at *s,
 * decoded; *s moves on.
 * @param end  behind the text; *s < end
 * @return 1 to 255; -1: no such escape, or a NUL
 */
int bearer_text_form_next(const char **s, const char *end);

/** Such text decoded in p, NUL-terminated. NULL: it is not well encoded. */
char *bearer_text_form_decode(apr_pool_t *p, const char *s, apr_size_t len);

/** 1 if a and b are equal; time depends on the length only. */
int bearer_text_equal_ct(const void *a, const void *b, apr_size_t len);

/** The same for two strings. */
int bearer_text_same_ct(const char *a, const char *b);

/** The words between separators, each not empty, in p: const char *. */
apr_array_header_t *bearer_text_split(apr_pool_t *p, const char *text,
                                      const char *separators);

/** Is s one of list (const char *)? NULL: no. */
int bearer_text_among(const apr_array_header_t *list, const char *s);

/**
 * Check 12: what is wrong with an identifier that is to become r->user, or
 * NULL. 1-256 bytes of valid UTF-8, no leading or trailing white space, no C0,
 * DEL, C1, no bidirectional overrides or isolates (U+202A-202E, U+2066-2069),
 * and unless printable none of `,` `;` `=`.
 */
const char *bearer_text_identifier_error(const char *s, apr_size_t len, int printable);

/**
 * What is wrong with a name that goes on in a list of such (a role, a scope), or
 * NULL: readers split lists at the separator and many take white space off, so that
 * another name would be read. Valid UTF-8, no control characters, no separator, no
 * white space at either end; where the separator is a blank, none at all.
 */
const char *bearer_text_member_error(const char *s, char separator);

/** Reads until the end, or *len bytes; *len: how many. 0, or errno. */
int bearer_text_read_fd(int fd, char *to, apr_size_t *len);

/** 0, or errno. */
int bearer_text_write_fd(int fd, const char *data, apr_size_t len);

/**
 * Reads a whole file of at most max bytes; NUL-terminated in p.
 * @param error  why not, without the path ("it ..."); untouched on success
 * @return APR_ENOSPC when it is larger
 */
apr_status_t bearer_text_read_file(const char **data, apr_size_t *len,
                                   const char *path, apr_size_t max,
                                   const char **error, apr_pool_t *p);
