/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Searches of the tree of directives, for the check_*.c files.
 */
#include "check_inside.h"

#include "trust/settings.h"

static int names_path(const walk_t *w, const ap_directive_t *node, const char *path)
{
    const char *args = node->args;

    while (*args) {
        const char *word = ap_server_root_relative(w->p, ap_getword_conf(w->p, &args));

        if (word && !strcmp(word, path)) {
            return 1;
        }
    }
    return 0;
}

const ap_directive_t *ab_check_find(const walk_t *w, const ap_directive_t *node,
                                    const char *name, const char *path)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        found = !strcasecmp(node->directive, name) && (!path || names_path(w, node, path))
                    ? node
                    : ab_check_find(w, node->first_child, name, path);
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
    server_rec *s = w->main;

    while (s && !ab_config_is_vhost(node, s)) {
        s = s->next;
    }
    return s ? s : w->main;
}

void ab_check_collect(const walk_t *w, const ap_directive_t *node, bearer_settings_t *out)
{
    int i;

    if (node->parent) {
        ab_check_collect(w, node->parent, out);
    }
    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (section->node == node) {
            bearer_settings_merge(out, out, &section->dir->settings);
            return;
        }
    }
}

static int is_pattern(const char *path)
{
    return *path == '~' || strpbrk(path, "*?[") != NULL;
}

static int is_inside(const walk_t *w, const section_t *inner, const section_t *outer)
{
    const char *own = ab_config_path(inner->node, w->p);
    const char *path = ab_config_path(outer->node, w->p);
    apr_size_t len = strlen(path);

    return !strcasecmp(inner->node->directive, "<Location")
        && !strcasecmp(outer->node->directive, "<Location")
        && !is_pattern(own) && !is_pattern(path) && !strncmp(own, path, len)
        && (!own[len] || own[len] == '/' || (len && own[len - 1] == '/'));
}

/* The main server's sections come first. */
void ab_check_collect_path(const walk_t *w, const section_t *inner,
                           bearer_settings_t *out)
{
    const server_rec *servers[] = { w->main, inner->server };
    int i, k;

    for (k = inner->server == w->main; k < 2; k++) {
        for (i = 0; i < w->global->sections->nelts; i++) {
            const section_t *outer = &APR_ARRAY_IDX(w->global->sections, i, section_t);

            if (outer->server == servers[k] && is_inside(w, inner, outer)) {
                bearer_settings_merge(out, out, &outer->dir->settings);
            }
        }
    }
}

int ab_check_may_reach(const walk_t *w, const ap_directive_t *other,
                       const ap_directive_t *node)
{
    const char *own = ab_config_path(node, w->p);
    const char *path = ab_config_path(other, w->p);

    return strcasecmp(other->directive, "<Location") != 0
        || strcasecmp(node->directive, "<Location") != 0
        || *own == '~' || is_pattern(path)
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
