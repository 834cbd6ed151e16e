/* Licensed under the Apache License, Version 2.0; see LICENSE. */
#include "config_parse.h"

#include <stdarg.h>

#include <apr_lib.h>

void ab_parse_begin(parse_t *in, cmd_parms *cmd, const char *args)
{
    in->cmd = cmd;
    in->p = cmd->pool;
    in->row = NULL;
    in->words = ab_config_words(cmd->pool, args);
}

const char *ab_parse_complain(const parse_t *in, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = apr_pvsprintf(in->p, format, args);
    va_end(args);
    return bearer_message_with(in->p, text,
                               apr_pstrcat(in->p, in->cmd->cmd->name, ": ", NULL));
}

const char *ab_parse_run(const parse_t *in, int most, ab_parser_t *parse, void *record)
{
    if (most >= 0 && !in->words->nelts) {
        return ab_parse_complain(in, AB(0501) "a value is missing");
    }
    return most > 0 && in->words->nelts > most
        ? ab_parse_complain(in, AB(0502) "unexpected %s",
                            bearer_text_quote(in->p, WORD(in, most)))
        : parse(in, record);
}

const char *ab_parse_line(cmd_parms *cmd, const char *args, const ab_line_t *lines,
                          void *record)
{
    parse_t in;

    while (strcasecmp(lines->name, cmd->cmd->name) != 0) {
        lines++;
    }
    ab_parse_begin(&in, cmd, args);
    return ab_parse_run(&in, lines->most, lines->parse, record);
}

const char *ab_parse_one_of(const parse_t *in, const char *words, const char *given,
                            int *value)
{
    const char *known = "";
    apr_size_t len;
    int i;

    for (i = 0; *words; i++, words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        if (!ap_cstr_casecmpn(words, given, len) && !given[len]) {
            *value = i;
            return NULL;
        }
        known = apr_psprintf(in->p, "%s%s%.*s", known, *known ? ", " : "", (int)len,
                             words);
    }
    return apr_psprintf(in->p, AB(0503) "%s: unknown value %s; expected one of: %s",
                        in->cmd->cmd->name,
                        bearer_text_quote(in->p, given), known);
}

const char *ab_parse_duration(const parse_t *in, const char *text,
                            apr_interval_time_t *out)
{
    if (!apr_isdigit(*text)
        || ap_timeout_parameter_parse(text, out, "s") != APR_SUCCESS) {
        return ab_parse_complain(in, AB(0504) "%s is not a time; write a number with ms, "
                                 "s, min or h, e.g. 60s", bearer_text_quote(in->p, text));
    }
    return NULL;
}

int ab_parse_number(const char *text, int min, int max, int *number)
{
    char *end;
    const apr_int64_t n = apr_strtoi64(text, &end, 10);

    *number = (int)n;
    return apr_isdigit(*text) && !*end && n >= min && n <= max;
}

int ab_parse_keyed(const char *word, const char *key, const char **value)
{
    apr_size_t len = strlen(key);

    *value = strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1
                                                               : NULL;
    return *value != NULL;
}

const char *ab_parse_times(const parse_t *in, const char *keys,
                           apr_interval_time_t *times)
{
    const char *error = NULL;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i), *key = keys;
        apr_interval_time_t *into = times;
        apr_size_t len;

        while ((len = strcspn(key, " ")) > 0
               && (strncmp(word, key, len) != 0 || word[len] != '=')) {
            key += len + (key[len] == ' ');
            into++;
        }
        error = len ? ab_parse_duration(in, word + len + 1, into)
                    : ab_parse_complain(in, AB(0505) "unknown argument %s; expected %s",
                                        bearer_text_quote(in->p, word),
                                        in->cmd->cmd->errmsg);
    }
    return error;
}

void ab_parse_note_secret(const parse_t *in, bearer_secret_t *secret)
{
    configured_secret_t *noted = apr_array_push(ab_config_current()->secrets);

    if (secret->kind == BEARER_SECRET_FILE) {
        secret->source = ap_server_root_relative(in->p, secret->source);
    }
    bearer_secret_take(secret, in->cmd->server->process->pool, in->cmd->temp_pool);
    noted->secret = secret;
    noted->node = in->cmd->directive;
}

apr_array_header_t *ab_config_words(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(const char *));

    while (*args) {
        const char *word = ap_getword_conf(p, &args);

        if (*word || *args) {
            APR_ARRAY_PUSH(words, const char *) = word;
        }
    }
    return words;
}

/* ---- the tree ----------------------------------------------------------- */

int ab_config_first_is(const ap_directive_t *node, const char *word, apr_pool_t *p)
{
    const char *args = node->args;

    return !strcasecmp(ap_getword_conf(p, &args), word);
}

const ap_directive_t *ab_config_beside(const ap_directive_t *node, const char *name)
{
    while (node && strcasecmp(node->directive, name) != 0) {
        node = node->next;
    }
    return node;
}

const char *ab_config_path(const ap_directive_t *section, apr_pool_t *p)
{
    const char *args = section->args, *end = strrchr(args, '>');

    args = apr_pstrmemdup(p, args, end ? (apr_size_t)(end - args) : strlen(args));
    return ap_getword_conf(p, &args);
}

int ab_config_is_vhost(const ap_directive_t *node, const server_rec *s)
{
    return s->is_virtual && s->defn_line_number == (unsigned)node->line_num
        && s->defn_name && !strcmp(s->defn_name, node->filename)
        && !strcasecmp(node->directive, "<VirtualHost");
}

const ap_directive_t *ab_config_inside(const server_rec *s)
{
    const ap_directive_t *node = ap_conftree;

    while (s->is_virtual && node && !ab_config_is_vhost(node, s)) {
        node = node->next;
    }
    return s->is_virtual && node ? node->first_child : node;
}

static const ap_directive_t *last(const ap_directive_t *node, const char *name)
{
    const ap_directive_t *found = NULL;

    for (; (node = ab_config_beside(node, name)) != NULL; node = node->next) {
        found = node;
    }
    return found;
}

const ap_directive_t *ab_config_switched_on(const server_rec *s, const char *name,
                                            apr_pool_t *p)
{
    const ap_directive_t *found = last(ab_config_inside(s), name);

    found = found ? found : last(ap_conftree, name);
    return found && ab_config_first_is(found, "on", p) ? found : NULL;
}
