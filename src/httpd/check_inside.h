/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check_inside.h
 * What the files of check.c and the dump share; nobody else includes this.
 */
#ifndef BEARER_CHECK_INSIDE_H
#define BEARER_CHECK_INSIDE_H

#include "glue.h"

/** A section with AuthType Bearer. */
typedef struct bearer_section_t {
    server_rec *server;
    const ap_directive_t *node;       /**< <Location ...> */
    const ap_directive_t *auth_type;
    bearer_settings_t settings;       /**< D as far as the tree shows it */
} bearer_section_t;

typedef struct walk_t {
    apr_pool_t *p;
    server_rec *main;
    global_config_t *global;
    apr_array_header_t *sections;     /**< bearer_section_t */
    int htaccess;                     /**< some AllowOverride lets AuthConfig in */
    int errors;
    int told_secret;                  /**< that a secret lacks was said */
} walk_t;

/**
 * Says something with the directive's file and line (NULL: of none); an error
 * counts.
 * @param level  APLOG_ERR, APLOG_WARNING, APLOG_NOTICE
 */
void bearer_check_say(walk_t *w, int level, const ap_directive_t *at,
                      const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** That AuthBearerSecretFile lacks. */
void bearer_check_no_secret(walk_t *w, const ap_directive_t *at);

/** The first directive of that name from node on, for messages; or NULL. */
const ap_directive_t *bearer_check_find(const ap_directive_t *node,
                                        const char *name);

/** The one of them that names this file. */
const ap_directive_t *bearer_check_find_file(const walk_t *w,
                                             const ap_directive_t *node,
                                             const char *name, const char *path);

/** Finds the sections; p holds what is found. */
void bearer_check_begin(walk_t *w, apr_pool_t *p, server_rec *s);

/** Is this a section whose name begins so? */
int bearer_check_is_section(const ap_directive_t *node, const char *name);

/** The server of a <VirtualHost>. */
server_rec *bearer_check_vhost_of(const walk_t *w, const ap_directive_t *node);

/** The path of a section as it was written, quotes undone. */
const char *bearer_check_path_of(const walk_t *w, const ap_directive_t *node);

/** check_foreign.c: other modules' directives. */
void bearer_check_foreign(walk_t *w);

void bearer_check_one_issuer(walk_t *w, int index);
void bearer_check_one_server(walk_t *w);

#endif
