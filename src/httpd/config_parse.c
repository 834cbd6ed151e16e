/* Licensed under the Apache License, Version 2.0; see LICENSE. */
#include "config_parse.h"

#include <apr_lib.h>

void ab_parse_begin(parse_t *in, cmd_parms *cmd, const char *args)
{
    in->cmd = cmd;
    in->p = cmd->pool;
    in->out = NULL;
    in->words = ab_config_words(cmd->pool, args);
}

const char *ab_parse_complain(const parse_t *in, const char *format, const char *a)
{
    return bearer_message_with(in->p, apr_psprintf(in->p, format, a),
                               apr_pstrcat(in->p, in->cmd->cmd->name, ": ", NULL));
}

const char *ab_parse_want(const parse_t *in, int min, int max)
{
    if (in->words->nelts < min) {
        return ab_parse_complain(in, AB(0501) "a value is missing%s", "");
    }
    return in->words->nelts > max
        ? ab_parse_complain(in,
                            AB(0502) "unexpected %s", bearer_text_quote(in->p, WORD(in, max)))
        : NULL;
}

const char *ab_parse_one_of(const parse_t *in, const word_t *words,
                          const char *given, int *value)
{
    const char *known = "";
    const word_t *w;

    for (w = words; w->word; w++) {
        if (!ap_cstr_casecmp(w->word, given)) {
            *value = w->value;
            return NULL;
        }
        known = apr_pstrcat(in->p, known, *known ? ", " : "", w->word, NULL);
    }
    return apr_psprintf(in->p, AB(0503) "%s: %s is none of: %s", in->cmd->cmd->name,
                        bearer_text_quote(in->p, given), known);
}

const char *ab_parse_duration(const parse_t *in, const char *text,
                            apr_interval_time_t *out)
{
    if (!apr_isdigit(*text)
        || ap_timeout_parameter_parse(text, out, "s") != APR_SUCCESS) {
        return ab_parse_complain(in,
                        AB(0504) "%s is not a time; write a number with ms, s, min "
                        "or h, e.g. 60s", bearer_text_quote(in->p, text));
    }
    return NULL;
}

/* key=value; *value is what is behind the `=`, or NULL */
int ab_parse_keyed(const char *word, const char *key, const char **value)
{
    apr_size_t len = strlen(key);

    *value = strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1
                                                               : NULL;
    return *value != NULL;
}

const char *ab_parse_times(const parse_t *in, const time_key_t *keys)
{
    const char *error = ab_parse_want(in, 1, 3), *value;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const time_key_t *k = keys;

        while (k->key && !ab_parse_keyed(WORD(in, i), k->key, &value)) {
            k++;
        }
        error = k->key ? ab_parse_duration(in, value, k->into)
                       : ab_parse_complain(in, AB(0505) "%s is not known here",
                                  bearer_text_quote(in->p, WORD(in, i)));
    }
    return error;
}

void ab_parse_note_secret(const parse_t *in, bearer_secret_t *secret)
{
    configured_secret_t *noted = apr_array_push(ab_config_current()->secrets);

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
