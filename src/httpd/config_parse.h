/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_parse.h
 * Shared by the directive parsers: splitting into words, reporting errors, and
 * searching the configuration tree. Called in one thread, while httpd reads the
 * configuration or an .htaccess.
 */
#pragma once

#include "records.h"
#include "regex.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "base/http.h"
#include "base/message.h"
#include "base/secret.h"
#include "base/text.h"

/** The input of a parser: the words and, for a setting, its row. */
typedef struct parse_t {
    cmd_parms *cmd;
    apr_pool_t *p;
    apr_array_header_t *words;
    const bearer_setting_row_t *row;
} parse_t;

#define WORD(in, i) APR_ARRAY_IDX((in)->words, i, const char *)

/** Parses the words into a record. Returns NULL, or an error message. */
typedef const char *ab_parser_t(const parse_t *in, void *record);

/** A row of directives.h. */
typedef struct ab_line_t {
    const char *name;
    ab_parser_t *parse;
    int most;
} ab_line_t;
#define AB_LINE(name, parse, most, list, help) { name, parse, most },

/** Prepares `in` for a directive that is not a layered setting. */
void ab_parse_begin(parse_t *in, cmd_parms *cmd, const char *args);
/** Returns the message "AB0000: DIRECTIVE: text". The format begins with AB(). */
const char *ab_parse_complain(const parse_t *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Checks the number of words against the row, then calls the parser. */
const char *ab_parse_run(const parse_t *in, int most, ab_parser_t *parse, void *record);
/** Finds the directive's row in `lines` and runs its parser. */
const char *ab_parse_line(cmd_parms *cmd, const char *args, const ab_line_t *lines,
                          void *record);
/** Finds `given` in a list of words separated by spaces. On failure, the message lists
 *  them.
 *  @param value  receives the index of the word */
const char *ab_parse_one_of(const parse_t *in, const char *words, const char *given,
                            int *value);
/** Parses a time with ms, s, min or h; without a unit, in seconds. Returns NULL, or an
 *  error message. */
const char *ab_parse_duration(const parse_t *in, const char *text,
                              apr_interval_time_t *out);
/** Returns 1 if the text is a number between min and max. */
int ab_parse_number(const char *text, int min, int max, int *number);
/** If the word is key=value, returns 1 and sets *value to the text after the `=`.
 *  Otherwise returns 0 and sets *value to NULL. */
int ab_parse_keyed(const char *word, const char *key, const char **value);

/** Parses key=TIME words into an array of times, in the order of `keys`. Every key is
 *  optional; an unknown key is an error. */
const char *ab_parse_times(const parse_t *in, const char *keys,
                           apr_interval_time_t *times);

/** Records a secret that a directive names. It is read when the server starts, and
 *  again by children when it changes. A relative `file:` path is below ServerRoot. The
 *  variable of `env:` is read immediately. */
void ab_parse_note_secret(const parse_t *in, bearer_secret_t *secret);

/** The parsers of AuthBearerProof, AuthBearerLoginURL, AuthBearerLogout and
 *  AuthBearerSessionCheck. */
const char *ab_parse_proof(const parse_t *in, void *record);
const char *ab_parse_login_url(const parse_t *in, void *record);
const char *ab_parse_logout(const parse_t *in, void *record);
const char *ab_parse_session_checks(const parse_t *in, void *record);

/** Splits the arguments of a directive into words and removes quotes (const char *). */
apr_array_header_t *ab_config_words(apr_pool_t *p, const char *args);

/* Searches of the configuration tree. Include, <IfModule> and the like are already
 * resolved in it. */

/** Is `word` the first argument of the directive? Case is ignored. */
int ab_config_first_is(const ap_directive_t *node, const char *word, apr_pool_t *p);
/** Returns the first directive with that name at or after node, in the same section; or
 *  NULL. */
const ap_directive_t *ab_config_beside(const ap_directive_t *node, const char *name);
/** Returns the path of a section as written, without quotes. */
const char *ab_config_path(const ap_directive_t *section, apr_pool_t *p);
/** Is this the <VirtualHost> of the server? */
int ab_config_is_vhost(const ap_directive_t *node, const server_rec *s);
/** Returns the first directive of the main server or of this virtual host. */
const ap_directive_t *ab_config_inside(const server_rec *s);
/** Returns the directive that switches a feature on for a server. The virtual host's
 *  own line overrides the main server's; of several lines, the last counts. NULL: off. */
const ap_directive_t *ab_config_switched_on(const server_rec *s, const char *name,
                                            apr_pool_t *p);

/** Returns the error that a directive is not allowed here. "%s" in the text is its
 *  name. */
const char *ab_config_misplaced(cmd_parms *cmd, const char *text);
/** Returns an error if the directive is not allowed in this context or is inside
 *  <AuthBearerIssuer>, else NULL. */
const char *ab_config_not_inside(cmd_parms *cmd, unsigned context);
/** The context of a server or a virtual host. */
#define IN_SERVER (NOT_IN_DIR_LOC_FILE | NOT_IN_HTACCESS)

/** Returns the configuration that is being read. */
global_config_t *ab_config_current(void);
/** Sets digest = SHA-256(digest, more). The order of calls matters. */
void ab_config_digest(unsigned char *digest, const void *more,
                      apr_size_t len, apr_pool_t *p);
/** Parses the words of a setting into a layer. */
const char *ab_config_read(parse_t *in, bearer_setting_t setting,
                           bearer_settings_t *out);
