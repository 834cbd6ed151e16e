/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file ht.h
 * What the commands of htbearer share: the shape of a command, its options,
 * messages, input and output. One thread, one command a process; everything
 * lives in the pool of the call.
 *
 * To add a command: a file ht_NAME.c with a ht_command_t, its declaration
 * below, and a row in htbearer.c. Parsing and help follow its option table.
 */
#pragma once

#include <stdio.h>

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "base/reason.h"
#include "base/world.h"
#include "judge/judge.h"

/** Exit statuses, the same for every command. */
enum {
    HT_OK = 0,
    HT_REFUSED = 1,  /**< the token is not good */
    HT_USAGE = 2     /**< usage, or a file that cannot be read or written */
};

/** Properties of an option. */
#define HT_REQUIRED 1
#define HT_REPEAT 2  /**< may be given more than once */
/* For ht_misplaced(): means nothing in one of the ways to call the command. */
#define HT_CLAIMS 4      /**< where there are no claims */
#define HT_SERVER 8      /**< without a server's configuration */
#define HT_NO_SERVER 16  /**< with a server's configuration */

typedef struct ht_option_t {
    const char *name;      /**< without the dashes (one for a letter, two for
                                a word); NULL ends a table */
    const char *argument;  /**< as the help names it; NULL: a switch */
    int flags;
    const char *help;      /**< names the directive that it stands for, if any */
} ht_option_t;

/** Rows of an option table at most. */
#define HT_OPTIONS_MAX 32

typedef struct ht_call_t ht_call_t;

typedef struct ht_command_t {
    const char *name;
    const char *operands;  /**< as the help names them; NULL: takes none */
    int reads_token;       /**< from standard input */
    const char *summary;   /**< one line, for the list of commands */
    const char *help;      /**< what else to know, or NULL */
    const ht_option_t *options;  /**< NULL: takes none */
    int (*run)(const ht_call_t *call);
} ht_command_t;

/** One command with what was written behind it. */
struct ht_call_t {
    const ht_command_t *command;
    apr_array_header_t *values[HT_OPTIONS_MAX]; /**< by row: const char * */
    apr_array_header_t *operands;  /**< const char * */
    apr_pool_t *p;
};

extern const ht_command_t ht_keygen, ht_jwks, ht_sign, ht_decode, ht_verify,
    ht_revoke, ht_explain, ht_discover;

/* ---- options (ht_options.c) --------------------------------------------- */

/** Reads the arguments behind the command's name. HT_OK; HT_USAGE after a
 *  message; -1 when help was asked for and printed. */
int ht_parse(ht_call_t *call, int argc, const char *const *argv);

/** Usage and options of a command, from its table. */
void ht_print_help(const ht_command_t *command, apr_pool_t *p);

/** Does this look like a token? Then it must not be repeated in a message. */
int ht_looks_like_token(const char *argument);

/** The value of an option, or NULL. The name must be one of the table. */
const char *ht_value(const ht_call_t *call, const char *name);

/** All values of an option (const char *). */
const apr_array_header_t *ht_values(const ht_call_t *call, const char *name);

int ht_has(const ht_call_t *call, const char *name);

/** HT_OK, or HT_USAGE if an option with that property is given, after a message:
 *  its name, and why it is misplaced. */
int ht_misplaced(const ht_call_t *call, int property, const char *why);

/** What the library says of directives, with the options that stand for them;
 *  unchanged where a server's configuration (-f) has them. */
const char *ht_own_words(const ht_call_t *call, const char *text);

/** A whole number within min..max into *number, which keeps what it holds when
 *  the option is absent. HT_OK, or HT_USAGE after a message. */
int ht_number(const ht_call_t *call, const char *name, apr_int64_t min,
              apr_int64_t max, apr_int64_t *number);

/** A time in seconds within SECONDS of 1970, or 0, or a span of them. */
#define HT_SECONDS_MAX APR_INT64_C(1000000000000)

/** The time of --now, or the clock's. HT_OK, or HT_USAGE after a message. */
int ht_now(const ht_call_t *call, apr_time_t *now);

/** The row of one algorithm. HT_OK, or HT_USAGE after a message. */
int ht_alg(const ht_call_t *call, const char *name, const bearer_alg_t **alg);

/* ---- messages (ht_io.c) -------------------------------------------------- */

/** `htbearer COMMAND: ...` on standard error. Values from outside go through
 *  bearer_text_quote(). */
void ht_say(const ht_call_t *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** The same of one line, for what calls back with call as its baton. */
void ht_say_line(void *call, const char *line);

/** The same; returns status, so that a command can `return ht_fail(...)`. */
int ht_fail(const ht_call_t *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** The same with a hint at the help; returns HT_USAGE. */
int ht_usage(const ht_call_t *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** `refused: CHECK: detail`; returns HT_REFUSED. */
int ht_refused(const ht_call_t *call, bearer_reason_t reason,
               const bearer_refusal_t *why);

/* ---- input and output (ht_io.c) ------------------------------------------ */

/**
 * The token on standard input, without one trailing LF or CRLF. Wiped with the
 * pool. HT_OK; HT_REFUSED (larger than a token may be) or HT_USAGE (cannot be
 * read) after a message.
 */
int ht_read_token(const ht_call_t *call, const char **token, apr_size_t *len);

/** A whole file, or standard input for "-", of at most max bytes;
 *  NUL-terminated, wiped with the pool. HT_OK, or HT_USAGE after a message. */
int ht_read_file(const ht_call_t *call, const char *path, apr_size_t max,
                 const char **data, apr_size_t *len);

/** Bytes to standard output. HT_OK, or HT_USAGE after a message. */
int ht_write(const ht_call_t *call, const char *data, apr_size_t len);

/** Indented ASCII JSON (nothing in it can steer a terminal) and a newline; wiped with
 *  the pool. */
char *ht_json_text(const json_t *value, apr_size_t *len, apr_pool_t *p);

/** That to standard output. HT_OK, or HT_USAGE after a message. */
int ht_write_json(const ht_call_t *call, const json_t *value);

/** The same with --json, else what tell makes of it. */
int ht_report(const ht_call_t *call, const json_t *value,
              void (*tell)(FILE *out, const json_t *value, apr_pool_t *p));

/**
 * Creates a file with JSON in it. One that is there is refused without force,
 * else replaced in one step. HT_OK, or HT_USAGE after a message; then there is
 * no new file.
 */
int ht_create_json(const ht_call_t *call, const char *path, int mode,
                   int force, const json_t *value);

/** Wipes every string of a JSON value with secrets in it when the pool goes. */
void ht_wipe_json(const ht_call_t *call, json_t *value);

/* ---- judging (ht_judge.c) ------------------------------------------------- */

/** The algorithms of --alg, lists by comma, or those that are accepted by default.
 *  HT_OK, or HT_USAGE after a message. */
int ht_algs(const ht_call_t *call, bearer_algs_t *algs);

/** Reads --alg, --audience, --clock-skew, --max-age and --now into server and j.
 *  HT_OK, or HT_USAGE after a message. */
int ht_judgement(const ht_call_t *call, bearer_judgement_t *j,
                 bearer_settings_t *server);

/** Declares the only issuer of j; its url and its keys are set. HT_OK, or HT_USAGE
 *  after a message. */
int ht_declare(const ht_call_t *call, bearer_judgement_t *j,
               bearer_issuer_t *issuer);

/** The claims of a JWT, which anyone may have written; NULL for any other token. */
json_t *ht_unverified_claims(const char *token, apr_size_t len, apr_pool_t *p);

/* ---- the network (ht_net.c) ---------------------------------------------- */

/** A world whose requests are announced on standard error before they are made,
 *  or fail (offline). HT_OK, or HT_USAGE after a message. */
int ht_world(const ht_call_t *call, bearer_world_t *world, int offline);

/* ---- the server's own answer (ht_httpd.c) -------------------------------- */

/**
 * Runs `httpd -t -f config -D BEARER_EXPLAIN` of this machine and asks it;
 * what it says about requests to issuers goes to standard error at once. Ends
 * it after HT_HTTPD_SECONDS.
 * @param httpd    the program, or NULL: the one that is found
 * @param defines  const char *, each for -D
 * @param answer   released with the pool
 * @param signal   the signal that ended it, else 0
 * @return HT_OK, or HT_USAGE after a message (none where a signal ended it)
 */
int ht_httpd_ask(const ht_call_t *call, const char *httpd, const char *config,
                 const apr_array_header_t *defines, const json_t *question,
                 json_t **answer, int *signal);
#define HT_HTTPD_SECONDS 60
