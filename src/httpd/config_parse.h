/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_parse.h
 * What the readers of directives share: the words, how to complain of them, and
 * questions to the tree of all that was written.
 * In one thread, while the configuration (or an .htaccess) is read.
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

/** What a parser gets: the words, and for a setting its row. */
typedef struct parse_t {
    cmd_parms *cmd;
    apr_pool_t *p;
    apr_array_header_t *words;
    const bearer_setting_row_t *row;
} parse_t;

#define WORD(in, i) APR_ARRAY_IDX((in)->words, i, const char *)

/** Reads the words into a record; what is wrong with them, or NULL. */
typedef const char *ab_parser_t(const parse_t *in, void *record);

/** A row of directives.h. */
typedef struct ab_line_t {
    const char *name;
    ab_parser_t *parse;
    int most;
} ab_line_t;
#define AB_LINE(name, parse, most, list, help) { name, parse, most },

/** The words of a directive that belongs to no layer. */
void ab_parse_begin(parse_t *in, cmd_parms *cmd, const char *args);
/** "AB0000: DIRECTIVE: text". The format begins with AB(). */
const char *ab_parse_complain(const parse_t *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The number of words, as the row says it; then the parser. */
const char *ab_parse_run(const parse_t *in, int most, ab_parser_t *parse, void *record);
/** The row of the directive, run. */
const char *ab_parse_line(cmd_parms *cmd, const char *args, const ab_line_t *lines,
                          void *record);
/** The place of a word in a text of words, or which there are. */
const char *ab_parse_one_of(const parse_t *in, const char *words, const char *given,
                            int *value);
const char *ab_parse_duration(const parse_t *in, const char *text,
                              apr_interval_time_t *out);
/** 1: it is a number from min to max. */
int ab_parse_number(const char *text, int min, int max, int *number);
/** key=value: 1, and *value is what is behind the `=`; else 0 and NULL. */
int ab_parse_keyed(const char *word, const char *key, const char **value);

/** key=TIME words into times that stand in the order of a text of keys; all are
 *  optional, none may be unknown. */
const char *ab_parse_times(const parse_t *in, const char *keys,
                           apr_interval_time_t *times);

/** A secret that a directive points to: read when the server starts, and by children
 *  when it changes; a `file:` is below ServerRoot, the variable of an `env:` is taken
 *  at once. */
void ab_parse_note_secret(const parse_t *in, bearer_secret_t *secret);

/** Words of a directive's arguments, quotes undone; const char *. */
apr_array_header_t *ab_config_words(apr_pool_t *p, const char *args);

/* Questions to the tree, in which Include, <IfModule> and the like are resolved. */

/** Is that the first word of its arguments, in whichever case? */
int ab_config_first_is(const ap_directive_t *node, const char *word, apr_pool_t *p);
/** The first of that name from node on, in the same section; or NULL. */
const ap_directive_t *ab_config_beside(const ap_directive_t *node, const char *name);
/** The path of a section as it was written, quotes undone. */
const char *ab_config_path(const ap_directive_t *section, apr_pool_t *p);
/** Is this the <VirtualHost> of the server? */
int ab_config_is_vhost(const ap_directive_t *node, const server_rec *s);
/** The first directive that stands in the main server, or in this virtual host. */
const ap_directive_t *ab_config_inside(const server_rec *s);
/** Where a directive is switched on for a server: its own counts, else the main
 *  server's, of several the last; NULL: it is off. */
const ap_directive_t *ab_config_switched_on(const server_rec *s, const char *name,
                                            apr_pool_t *p);

/** That the directive stands where it may not; "%s" in the text is its name. */
const char *ab_config_misplaced(cmd_parms *cmd, const char *text);
/** NULL, or that the directive is not in this context, or inside <AuthBearerIssuer>. */
const char *ab_config_not_inside(cmd_parms *cmd, unsigned context);
/** The context of a server or a virtual host. */
#define IN_SERVER (NOT_IN_DIR_LOC_FILE | NOT_IN_HTACCESS)

/** The configuration being read. */
global_config_t *ab_config_current(void);
/** digest = SHA-256(digest, more): order counts. */
void ab_config_digest(unsigned char *digest, const void *more,
                      apr_size_t len, apr_pool_t *p);
/** The words of a setting into the layer that writes it. */
const char *ab_config_read(parse_t *in, bearer_setting_t setting,
                           bearer_settings_t *out);
