/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Questions to the tree of directives, for the files of check.c.
 */
#include "check_inside.h"

#include <apr_strings.h>
#include <http_config.h>

#include "trust/settings.h"

const ap_directive_t *ab_check_find(const ap_directive_t *node, const char *name)
{
    const ap_directive_t *found;

    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, name)) {
            return node;
        }
        if (node->first_child && (found = ab_check_find(node->first_child, name))) {
            return found;
        }
    }
    return NULL;
}

static int names_path(const walk_t *w, const ap_directive_t *node, const char *path)
{
    const char *args = node->args;

    while (*args) {
        const char *word = ap_server_root_relative(w->p,
                                                   ap_getword_conf(w->p, &args));

        if (word && !strcmp(word, path)) {
            return 1;
        }
    }
    return 0;
}

/* The directive of that name that names this file, or NULL. */
const ap_directive_t *ab_check_find_file(const walk_t *w,
                                         const ap_directive_t *node,
                                         const char *name, const char *path)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        if (!strcasecmp(node->directive, name) && names_path(w, node, path)) {
            found = node;
        } else if (node->first_child) {
            found = ab_check_find_file(w, node->first_child, name, path);
        }
    }
    return found;
}

/* ---- the tree ----------------------------------------------------------- */

int ab_check_is_section(const ap_directive_t *node, const char *name)
{
    return node->directive[0] == '<' && !strncasecmp(node->directive + 1, name,
                                                     strlen(name));
}

server_rec *ab_check_vhost_of(const walk_t *w, const ap_directive_t *node)
{
    server_rec *s;

    for (s = w->main; s; s = s->next) {
        if (s->is_virtual && s->defn_line_number == (unsigned)node->line_num
            && s->defn_name && !strcmp(s->defn_name, node->filename)) {
            return s;
        }
    }
    return w->main;
}

const ap_directive_t *ab_check_inside(const walk_t *w, const server_rec *s)
{
    const ap_directive_t *node = ap_conftree;

    while (s != w->main && node
           && !(ab_check_is_section(node, "VirtualHost")
                && ab_check_vhost_of(w, node) == s)) {
        node = node->next;
    }
    return s == w->main ? node : node ? node->first_child : NULL;
}

static const dir_config_t *record_of(const walk_t *w, const ap_directive_t *node)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *s = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (s->node == node) {
            return s->dir;
        }
    }
    return NULL;
}

/* What the section and those around it wrote. */
void ab_check_collect(const walk_t *w, const ap_directive_t *node,
                      bearer_settings_t *out)
{
    const dir_config_t *dir;

    if (node->parent) {
        ab_check_collect(w, node->parent, out);
    }
    dir = record_of(w, node);
    if (dir) {
        bearer_settings_merge(out, out, &dir->settings);
    }
}

const char *ab_check_path_of(const walk_t *w, const ap_directive_t *node)
{
    const char *args = node->args, *end = strrchr(args, '>');

    args = apr_pstrmemdup(w->p, args, end ? (apr_size_t)(end - args)
                                          : strlen(args));
    return ap_getword_conf(w->p, &args);
}

int ab_check_may_reach(const walk_t *w, const ap_directive_t *other,
                       const ap_directive_t *node)
{
    const char *own = ab_check_path_of(w, node);
    const char *path = ab_check_path_of(w, other);

    return strcasecmp(other->directive, "<Location") != 0
        || strcasecmp(node->directive, "<Location") != 0
        || *path == '~' || *own == '~' || strpbrk(path, "*?[")
        || !strncmp(own, path, strlen(path));
}

int ab_check_reached(const walk_t *w, const ap_directive_t *node,
                     bearer_setting_t setting)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *other = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (bearer_settings_wrote(&other->dir->settings, setting)
            && ab_check_may_reach(w, other->node, node)) {
            return 1;
        }
    }
    return 0;
}
