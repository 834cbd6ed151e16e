/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file ht.h
 * Shared by the commands of htbearer: the structure of a command, its options,
 * messages, input and output. Each process runs one command in one thread. Everything
 * is allocated in the pool of the call.
 *
 * To add a command: write ht_NAME.c with a ht_command_t, declare it below, and add a
 * row in htbearer.c. Parsing and help use its option table.
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
    HT_REFUSED = 1,  /**< the token is refused */
    HT_USAGE = 2     /**< usage, or a file that cannot be read or written */
};

/** Properties of an option. */
#define HT_REQUIRED 1
#define HT_REPEAT 2  /**< may be given more than once */
/* For ht_misplaced(): the option has no meaning in this case. */
#define HT_CLAIMS 4      /**< if there are no claims */
#define HT_SERVER 8      /**< without a server's configuration */
#define HT_NO_SERVER 16  /**< with a server's configuration */

typedef struct ht_option_t {
    const char *name;      /**< without the dashes (a letter has one, a word two); NULL
                            *   ends a table */
    const char *argument;  /**< as shown in the help; NULL: a switch */
    int flags;
    const char *help;      /**< names the corresponding directive, if any */
} ht_option_t;

/** Maximum number of rows in an option table. */
#define HT_OPTIONS_MAX 32

typedef struct ht_call_t ht_call_t;

typedef struct ht_command_t {
    const char *name;
    const char *operands;  /**< as shown in the help; NULL: takes none */
    int reads_token;       /**< from standard input */
    const char *summary;   /**< one line, for the list of commands */
    const char *help;      /**< further text for the help, or NULL */
    const ht_option_t *options;  /**< NULL: takes none */
    int (*run)(const ht_call_t *call);
} ht_command_t;

/** A command with its arguments. */
struct ht_call_t {
    const ht_command_t *command;
    apr_array_header_t *values[HT_OPTIONS_MAX]; /**< by row: const char * */
    apr_array_header_t *operands;  /**< const char * */
    apr_pool_t *p;
};

extern const ht_command_t ht_keygen, ht_jwks, ht_sign, ht_decode, ht_verify,
    ht_proof, ht_revoke, ht_explain, ht_discover;

/* ---- options (ht_options.c) --------------------------------------------- */

/** Parses the arguments after the command's name. Returns HT_OK; HT_USAGE after a
 *  message; -1 if help was requested and printed. */
int ht_parse(ht_call_t *call, int argc, const char *const *argv);

/** Prints usage and options of a command, from its table. */
void ht_print_help(const ht_command_t *command, apr_pool_t *p);

/** Does the argument look like a token? Messages must not repeat tokens. */
int ht_looks_like_token(const char *argument);

/** Returns the value of an option, or NULL. The name must be in the table. */
const char *ht_value(const ht_call_t *call, const char *name);

/** Returns all values of an option (const char *). */
const apr_array_header_t *ht_values(const ht_call_t *call, const char *name);

int ht_has(const ht_call_t *call, const char *name);

/** Returns HT_OK, or HT_USAGE if an option with that property is given, after a message
 *  with its name and why it is misplaced. */
int ht_misplaced(const ht_call_t *call, int property, const char *why);

/** Replaces directive names in a message of the library with the corresponding options.
 *  With -f, the text is unchanged. */
const char *ht_own_words(const ht_call_t *call, const char *text);

/** Parses an integer within min..max. *number is unchanged if the option is absent.
 *  Returns HT_OK, or HT_USAGE after a message. */
int ht_number(const ht_call_t *call, const char *name, apr_int64_t min,
              apr_int64_t max, apr_int64_t *number);

/** The limit in seconds for times before or after 1970, and for time spans. */
#define HT_SECONDS_MAX APR_INT64_C(1000000000000)

/** Returns the time of --now, or the current time. HT_OK, or HT_USAGE after a message. */
int ht_now(const ht_call_t *call, apr_time_t *now);

/** Finds the row of an algorithm. Returns HT_OK, or HT_USAGE after a message. */
int ht_alg(const ht_call_t *call, const char *name, const bearer_alg_t **alg);

/* ---- messages (ht_io.c) -------------------------------------------------- */

/** Prints `htbearer COMMAND: ...` on standard error. Pass external values through
 *  bearer_text_quote(). */
void ht_say(const ht_call_t *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Prints one line, as a callback with the call as its baton. */
void ht_say_line(void *call, const char *line);

/** Like ht_say(); returns status, so that a command can `return ht_fail(...)`. */
int ht_fail(const ht_call_t *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Like ht_say(), with a hint to use the help; returns HT_USAGE. */
int ht_usage(const ht_call_t *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Prints `refused: CHECK: detail`; returns HT_REFUSED. */
int ht_refused(const ht_call_t *call, bearer_reason_t reason,
               const bearer_refusal_t *why);

/* ---- input and output (ht_io.c) ------------------------------------------ */

/**
 * Reads the token from standard input, without one trailing LF or CRLF. The token is
 * wiped when the pool is destroyed. Returns HT_OK; after a message, HT_REFUSED (too
 * large for a token) or HT_USAGE (cannot be read).
 */
int ht_read_token(const ht_call_t *call, const char **token, apr_size_t *len);

/** Reads a whole file of at most max bytes; "-" is standard input. The data is
 *  NUL-terminated and wiped when the pool is destroyed. Returns HT_OK, or HT_USAGE
 *  after a message. */
int ht_read_file(const ht_call_t *call, const char *path, apr_size_t max,
                 const char **data, apr_size_t *len);

/** Writes bytes to standard output. Returns HT_OK, or HT_USAGE after a message. */
int ht_write(const ht_call_t *call, const char *data, apr_size_t len);

/** Returns indented ASCII JSON and a newline. It contains no control characters for a
 *  terminal and is wiped when the pool is destroyed. */
char *ht_json_text(const json_t *value, apr_size_t *len, apr_pool_t *p);

/** Writes ht_json_text() to standard output. Returns HT_OK, or HT_USAGE after a
 *  message. */
int ht_write_json(const ht_call_t *call, const json_t *value);

/** With --json, writes JSON; otherwise calls `tell` to write text. */
int ht_report(const ht_call_t *call, const json_t *value,
              void (*tell)(FILE *out, const json_t *value, apr_pool_t *p));

/**
 * Creates a JSON file. Without `force`, an existing file is an error; with it, the file
 * is replaced atomically.
 * @param mode  permission bits
 * @return HT_OK, or HT_USAGE after a message, with no file created
 */
int ht_create_json(const ht_call_t *call, const char *path, int mode,
                   int force, const json_t *value);

/** Wipes every string of a JSON value with secrets when the pool is destroyed. */
void ht_wipe_json(const ht_call_t *call, json_t *value);

/* ---- keys (ht_key.c) ------------------------------------------------------ */

/**
 * Reads the private key of --key (a JWK Set, a JWK, or PEM), as selected by --kid and
 * --alg. Warns if other users can read the file.
 * @param wanted  algorithms to choose from
 * @param jwk     released with the pool, and wiped then
 * @param alg     to sign with
 * @return HT_OK, or HT_USAGE after a message
 */
int ht_signing_key(const ht_call_t *call, bearer_algs_t wanted, json_t **jwk,
                   const bearer_alg_t **alg);

/** Returns the RFC 7638 thumbprint of the only key of a file: a JWK or PEM, private or
 *  public; not a shared secret. HT_OK, or HT_USAGE after a message. */
int ht_thumbprint(const ht_call_t *call, const char *path, const char **thumbprint);

/* ---- judging (ht_judge.c) ------------------------------------------------- */

/** Reads the algorithms of --alg (lists separated by commas), or the accepted defaults.
 *  Returns HT_OK, or HT_USAGE after a message. */
int ht_algs(const ht_call_t *call, bearer_algs_t *algs);

/** Reads --alg, --audience, --clock-skew, --max-age and --now into server and j.
 *  Returns HT_OK, or HT_USAGE after a message. */
int ht_judgement(const ht_call_t *call, bearer_judgement_t *j,
                 bearer_settings_t *server);

/** Declares the only issuer of j; its URL and keys must be set. Returns HT_OK, or
 *  HT_USAGE after a message. */
int ht_declare(const ht_call_t *call, bearer_judgement_t *j,
               bearer_issuer_t *issuer);

/** Returns the unverified claims of a JWT; NULL for any other token. Anyone may have
 *  written them. */
json_t *ht_unverified_claims(const char *token, apr_size_t len, apr_pool_t *p);

/* ---- proof of possession (ht_binding.c) ------------------------------------ */

/** What the client proves besides its token. */
typedef struct ht_evidence_t {
    const char *proof;         /**< a DPoP proof, printable ASCII; NULL: none */
    const char *method, *url;  /**< of the request; url is set if there is a proof */
    const char *certificate;   /**< PEM; NULL: none */
    const char *thumbprint;    /**< x5t#S256 of the certificate */
} ht_evidence_t;

/** Reads the first certificate of a PEM file; also returns its x5t#S256 (RFC 8705 section
 *  3.1). HT_OK, or HT_USAGE after a message. */
int ht_certificate(const ht_call_t *call, const char *path, const char **pem,
                   const char **thumbprint);

/** Checks that --proof, --url and --method come together, for a command without -f.
 *  Returns HT_OK, or HT_USAGE after a message. */
int ht_check_evidence(const ht_call_t *call);

/** Reads --proof, --method, --url and --certificate. Returns HT_OK, or HT_USAGE after a
 *  message. */
int ht_evidence(const ht_call_t *call, ht_evidence_t *evidence);

/** Reads --binding into server. Returns HT_OK, or HT_USAGE after a message. */
int ht_binding(const ht_call_t *call, bearer_settings_t *server);

/** Judges the evidence for a granted token as a server does; j->observe gets each check.
 *  Returns BEARER_OK with *proven as in BEARER_PROOF (may be NULL), or the reason with
 *  j->why. */
bearer_reason_t ht_prove(const ht_evidence_t *evidence, bearer_judgement_t *j,
                         const char **proven);

/* ---- the network (ht_net.c) ---------------------------------------------- */

/** Creates a world that announces each request on standard error before sending it.
 *  With offline, its requests fail. Returns HT_OK, or HT_USAGE after a message. */
int ht_world(const ht_call_t *call, bearer_world_t *world, int offline);

/* ---- the server's own answer (ht_httpd.c) -------------------------------- */

/**
 * Runs `httpd -t -f config -D BEARER_EXPLAIN` on this machine and sends it a question.
 * Its lines about requests to issuers are copied to standard error immediately. Ends
 * httpd after HT_HTTPD_SECONDS.
 * @param httpd  the program, or NULL to search for it
 * @param defines  const char *, one for each -D
 * @param answer  released with the pool
 * @param signal  the signal that ended httpd, else 0
 * @return HT_OK, or HT_USAGE after a message (no message if a signal ended httpd)
 */
int ht_httpd_ask(const ht_call_t *call, const char *httpd, const char *config,
                 const apr_array_header_t *defines, const json_t *question,
                 json_t **answer, int *signal);
#define HT_HTTPD_SECONDS 60
