/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check_inside.h
 * What the files of check.c and the dump share; nobody else includes this.
 */
#pragma once

#include "config_parse.h"

#include "base/finding.h"

/** A section with AuthType Bearer. */
typedef struct ab_section_t {
    server_rec *server;
    const ap_directive_t *node;       /**< <Location ...> */
    const ap_directive_t *auth_type;
    bearer_settings_t settings;       /**< D as far as the tree shows it */
} ab_section_t;

/** A finding, and where in the configuration. */
typedef struct place_finding_t {
    bearer_finding_t finding;
    const char *file;                 /**< NULL: at no directive */
    int line;
} place_finding_t;

typedef struct walk_t {
    apr_pool_t *p;
    server_rec *main;
    global_config_t *global;
    apr_array_header_t *sections;     /**< ab_section_t */
    int htaccess;                     /**< some AllowOverride lets AuthConfig in */
    apr_array_header_t *findings;     /**< place_finding_t */
} walk_t;

/* ---- check_say.c ---- */

/** Adds a finding. */
void ab_check_add(walk_t *w, const ap_directive_t *at,
                  const bearer_finding_t *finding);

/** Makes a finding of the directive (NULL: of none); an error prevents the start. */
void ab_check_say(walk_t *w, bearer_log_level_t level, const ap_directive_t *at,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Was there a finding of that number, at that directive (NULL: at any)? */
int ab_check_said(const walk_t *w, int number, const ap_directive_t *at);

/** AuthBearerSecretFile is missing (AB0701). */
#define AB_FINDING_NO_SECRET 701
void ab_check_no_secret(walk_t *w, const ap_directive_t *at);

/** Prints all findings, errors last. The status for httpd. */
int ab_check_print(const walk_t *w);

/* ---- check_tree.c ---- */

/** The first directive of that name from node on, for messages, or NULL.
 *  @param path  the one that names this file; NULL: any */
const ap_directive_t *ab_check_find(const walk_t *w, const ap_directive_t *node,
                                    const char *name, const char *path);

/** Is this a section whose name begins so? */
int ab_check_is_section(const ap_directive_t *node, const char *name);

/** The server of a <VirtualHost>. */
server_rec *ab_check_vhost_of(const walk_t *w, const ap_directive_t *node);

/** What the section and those around it wrote, over *out. */
void ab_check_collect(const walk_t *w, const ap_directive_t *node,
                      bearer_settings_t *out);

/**
 * Could the section `other` still reach the section `node`? One whose path is
 * not a prefix of the other's cannot; a pattern, a <Directory> beside a
 * <Location>, an <If> or <Files> might.
 */
int ab_check_may_reach(const walk_t *w, const ap_directive_t *other,
                       const ap_directive_t *node);

/** Could some other section reach this one with the setting? */
int ab_check_reached(const walk_t *w, const ap_directive_t *node,
                     bearer_setting_t setting);

/* ---- check.c and the others ---- */

/** Finds the sections; p holds what is found. */
void ab_check_begin(walk_t *w, apr_pool_t *p, server_rec *s);

/** check_foreign.c: other modules' directives. */
void ab_check_foreign(walk_t *w);

/** check_vhost.c: directives that are written and do not count. */
void ab_check_without_effect(walk_t *w);

void ab_check_one_issuer(walk_t *w, int index);
void ab_check_one_server(walk_t *w);
