/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What is made once of a configuration, so that a request need not walk through
 * all issuers: the algorithms and prefixes of all together, and the fingerprint
 * of a policy. See judge.h.
 */
#include "bearer/judge.h"

#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "bearer/text.h"

/* ---- algorithms and prefixes ------------------------------------------- */

static bearer_algs_t all_algorithms(const bearer_issuers_t *issuers,
                                    const bearer_settings_t *defaults,
                                    const bearer_settings_t *server)
{
    bearer_settings_t s;
    bearer_algs_t all;
    int i;

    bearer_settings_resolve(&s, defaults, server, NULL, NULL);
    /* HS* is up to an issuer with a key file */
    all = s.algorithms & ~bearer_alg_symmetric();
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        bearer_settings_resolve(&s, defaults, server, &issuer->settings, NULL);
        all |= bearer_judge_algorithms(&s, issuer);
    }
    return all;
}

static void add_prefixes(bearer_judge_common_t *common,
                         const apr_array_header_t *prefixes, apr_pool_t *p)
{
    apr_array_header_t *all;
    int i;

    for (i = 0; prefixes && i < prefixes->nelts; i++) {
        const char *prefix = APR_ARRAY_IDX(prefixes, i, const char *);

        if (*prefix) {
            common->first[(unsigned char)*prefix] = 1;
        }
    }
    if (!prefixes || !prefixes->nelts) {
        return;
    }
    all = common->prefixes ? apr_array_copy(p, common->prefixes)
                           : apr_array_make(p, 4, sizeof(const char *));
    apr_array_cat(all, prefixes);
    common->prefixes = all;
}

const bearer_judge_common_t *
bearer_judge_prepare(const bearer_issuers_t *issuers,
                     const bearer_settings_t *defaults,
                     const bearer_settings_t *server, apr_pool_t *p)
{
    bearer_judge_common_t *common = apr_pcalloc(p, sizeof(*common));
    int i;

    common->algorithms = all_algorithms(issuers, defaults, server);
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        add_prefixes(common, bearer_issuers_at(issuers, i)->token_prefixes, p);
    }
    return common;
}

/* ---- fingerprint ------------------------------------------------------- */

/* What decides a judgement, or what the principal consists of. A setting that
 * is missing here is one that every request looks at afresh. */
static const bearer_setting_t deciding[] = {
    BEARER_SET_ALGORITHMS, BEARER_SET_CLIENT_ID, BEARER_SET_PROVIDERS,
    BEARER_SET_ACCEPT_ISSUER, BEARER_SET_AUDIENCE, BEARER_SET_NO_AUDIENCE,
    BEARER_SET_CLIENTS, BEARER_SET_MAX_TOKEN_AGE, BEARER_SET_CLOCK_SKEW,
    BEARER_SET_TOKEN_PROFILE, BEARER_SET_USER_CLAIM, BEARER_SET_USER_FORMAT,
    BEARER_SET_USER_CHARS, BEARER_SET_ROLES_CLAIM, BEARER_SET_GROUPS_CLAIM,
    BEARER_SET_SCOPE_CLAIM, BEARER_SET_SESSION_USER_CLAIM
};

/* Texts one behind the other, each with its length, so that no two sequences
 * read the same. */
static void note(apr_array_header_t *text, const char *s)
{
    APR_ARRAY_PUSH(text, const char *) =
        s ? apr_psprintf(text->pool, "%" APR_SIZE_T_FMT ":%s", strlen(s), s)
          : "-";
}

static void note_int(apr_array_header_t *text, apr_int64_t n)
{
    APR_ARRAY_PUSH(text, const char *) =
        apr_psprintf(text->pool, "%" APR_INT64_T_FMT, n);
}

static void note_list(apr_array_header_t *text, const apr_array_header_t *list)
{
    int i;

    note_int(text, list ? list->nelts : -1);
    for (i = 0; list && i < list->nelts; i++) {
        note(text, APR_ARRAY_IDX(list, i, const char *));
    }
}

static void note_layer(apr_array_header_t *text, const bearer_settings_t *layer)
{
    unsigned i;

    for (i = 0; layer && i < sizeof(deciding) / sizeof(deciding[0]); i++) {
        if (layer->set >> deciding[i] & 1) {
            note(text, bearer_settings_directive(deciding[i]));
            note(text, bearer_settings_print(layer, deciding[i], text->pool));
        }
    }
    /* a pointer is enough: it names a session store of this process */
    if (layer && bearer_settings_has(layer, SESSION_CHECK)) {
        note(text, apr_psprintf(text->pool, "%pp",
                                (const void *)layer->session_check));
    }
    note(text, ".");
}

static void note_source(apr_array_header_t *text, const bearer_source_t *source)
{
    note_int(text, source->kind);
    note(text, source->value);
}

static void note_issuer(apr_array_header_t *text, const bearer_issuer_t *issuer)
{
    note(text, issuer->url);
    note(text, issuer->name);
    note_int(text, issuer->index);
    note_list(text, issuer->aliases);
    note_list(text, issuer->tenants);
    note(text, issuer->tenants_file);
    note_int(text, issuer->tenants_any);
    note_source(text, &issuer->metadata);
    note_source(text, &issuer->keys);
    note_source(text, &issuer->introspection);
    note_int(text, issuer->introspect_all);
    note_int(text, issuer->introspection_ttl);
    note_list(text, issuer->token_prefixes);
    note_layer(text, &issuer->settings);
}

static apr_array_header_t *new_text(const char *what, apr_pool_t *ptemp)
{
    apr_array_header_t *text = apr_array_make(ptemp, 64, sizeof(const char *));

    note(text, what);
    return text;
}

static void digest(unsigned char out[32], const apr_array_header_t *text)
{
    const char *whole = apr_array_pstrcat(text->pool, text, ',');

    if (bearer_text_sha256(whole, strlen(whole), out) != APR_SUCCESS) {
        /* not the same twice: nothing is shared */
        apr_generate_random_bytes(out, 32);
    }
}

void bearer_judge_fingerprint_server(unsigned char out[32],
                                     const bearer_issuers_t *issuers,
                                     const bearer_settings_t *defaults,
                                     const bearer_settings_t *server,
                                     apr_pool_t *ptemp)
{
    apr_array_header_t *text = new_text("server", ptemp);
    bearer_settings_t all = *defaults;
    int i;

    /* the defaults depend on what this OpenSSL offers */
    all.set = (apr_uint64_t)1 << BEARER_SET_ALGORITHMS;
    note_layer(text, &all);
    note_layer(text, server);
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        note_issuer(text, bearer_issuers_at(issuers, i));
    }
    digest(out, text);
}

void bearer_judge_fingerprint_dir(unsigned char out[32],
                                  const unsigned char server[32],
                                  const bearer_settings_t *dir,
                                  apr_pool_t *ptemp)
{
    apr_array_header_t *text = new_text("dir", ptemp);

    note(text, bearer_text_hex(ptemp, server, 32));
    note_layer(text, dir);
    digest(out, text);
}

void bearer_judge_fingerprint(unsigned char out[32],
                              const bearer_issuers_t *issuers,
                              const bearer_settings_t *defaults,
                              const bearer_settings_t *server,
                              const bearer_settings_t *dir, apr_pool_t *ptemp)
{
    unsigned char vhost[32];

    bearer_judge_fingerprint_server(vhost, issuers, defaults, server, ptemp);
    bearer_judge_fingerprint_dir(out, vhost, dir, ptemp);
}
