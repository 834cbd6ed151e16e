/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check_inside.h
 * Shared by the check_*.c files and dump.c. Other files must not include it.
 */
#pragma once

#include "config_parse.h"

#include "base/finding.h"

/** A section with AuthType Bearer. */
typedef struct ab_section_t {
    server_rec *server;
    const ap_directive_t *node;       /**< <Location ...> */
    const ap_directive_t *auth_type;
    bearer_settings_t settings;       /**< layer D, as far as the tree shows it */
} ab_section_t;

/** A finding and its place in the configuration. */
typedef struct place_finding_t {
    bearer_finding_t finding;
    const char *file;                 /**< NULL: not tied to a directive */
    int line;
} place_finding_t;

typedef struct walk_t {
    apr_pool_t *p;
    server_rec *main;
    global_config_t *global;
    apr_array_header_t *sections;     /**< ab_section_t */
    int htaccess;                     /**< 1 if some AllowOverride permits AuthConfig */
    apr_array_header_t *findings;     /**< place_finding_t */
} walk_t;

/* ---- check_say.c ---- */

/** Adds a finding. */
void ab_check_add(walk_t *w, const ap_directive_t *at,
                  const bearer_finding_t *finding);

/** Adds a finding about a directive (NULL: about none). A finding of level error
 *  prevents the start. */
void ab_check_say(walk_t *w, bearer_log_level_t level, const ap_directive_t *at,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Was a finding with this number added for that directive (NULL: for any)? */
int ab_check_said(const walk_t *w, int number, const ap_directive_t *at);

/** Adds the finding that AuthBearerSecretFile is missing (AB0701). */
#define AB_FINDING_NO_SECRET 701
void ab_check_no_secret(walk_t *w, const ap_directive_t *at);

/** Prints all findings, errors last. Returns the status for httpd. */
int ab_check_print(const walk_t *w);

/* ---- check_tree.c ---- */

/** Returns the first directive with that name at or after node, for messages; or NULL.
 *  @param path  only a directive that names this file; NULL: any */
const ap_directive_t *ab_check_find(const walk_t *w, const ap_directive_t *node,
                                    const char *name, const char *path);

/** Does the name of this section begin with `name`? */
int ab_check_is_section(const ap_directive_t *node, const char *name);

/** Returns the server of a <VirtualHost> section. */
server_rec *ab_check_vhost_of(const walk_t *w, const ap_directive_t *node);

/** Merges into *out what the section and its enclosing sections set. */
void ab_check_collect(const walk_t *w, const ap_directive_t *node,
                      bearer_settings_t *out);

/** Merges into *out what the <Location>s set that each request of this one matches. */
void ab_check_collect_path(const walk_t *w, const section_t *inner,
                           bearer_settings_t *out);

/**
 * Could the section `other` apply to requests of the section `node`? If both are paths
 * and neither is a prefix of the other, it cannot. A pattern, a <Directory> next to a
 * <Location>, an <If> or <Files> might.
 */
int ab_check_may_reach(const walk_t *w, const ap_directive_t *other,
                       const ap_directive_t *node);

/** Could another section that sets `setting` apply to requests of this one? */
int ab_check_reached(const walk_t *w, const ap_directive_t *node,
                     bearer_setting_t setting);

/* ---- check.c and the others ---- */

/** Finds the sections. The results are allocated in p. */
void ab_check_begin(walk_t *w, apr_pool_t *p, server_rec *s);

/** check_foreign.c: checks directives of other modules. */
void ab_check_foreign(walk_t *w);

/** check_domain.c: checks the AuthBearerSessionDomain of a server. */
void ab_check_domain(walk_t *w, server_rec *s);
/** Has a server the name in login=? */
int ab_check_is_login_host(const login_config_t *login, apr_pool_t *p);

/** check_vhost.c: reports directives that have no effect. */
void ab_check_without_effect(walk_t *w);

/** check_issuer.c: checks one issuer, by its index. */
void ab_check_one_issuer(walk_t *w, int index);
/** check_server.c: checks all servers and the global settings. */
void ab_check_one_server(walk_t *w);
/** A size of memory, as in AuthBearerSOCache. */
const char *ab_check_size_text(apr_uint64_t size, apr_pool_t *p);
/** Says that sessions or proofs are not in the file of a shmcb, if the line names one. */
void ab_check_shmcb(walk_t *w, store_kind_t kind);

/** check_proofs.c: sets what the sections need of the memory of used proofs, and reports
 *  how many requests it is sufficient for. */
void ab_check_proofs(walk_t *w);
/** Prints the same for -D DUMP_BEARER. */
void ab_check_proofs_dump(apr_file_t *out, const walk_t *w);
