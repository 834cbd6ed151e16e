/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Contradictions in the configuration of an issuer: keys, algorithms, files, endpoints.
 * See check.c.
 */
#include "check_inside.h"

#include "ask/client_auth.h"
#include "jose/alg.h"
#include "jose/jwk.h"
#include "trust/issuer.h"
#include "trust/settings.h"
#include "trust/tenants.h"

/* If no key of the file fits the allowed algorithms, it is useless; if it is the only
 * source, every token is refused. */
static void check_served(walk_t *w, const ap_directive_t *at,
                         const bearer_issuer_t *issuer, const char *source,
                         const bearer_settings_t *settings, bearer_algs_t served)
{
    int only = bearer_issuer_key_sources(issuer) == 1;

    if (served && !(served & settings->algorithms)) {
        ab_check_say(w, only ? BEARER_LOG_ERROR : BEARER_LOG_WARNING, at,
                     AB(0781) "issuer %s: no key of AuthBearerKeys %s fits "
                     "AuthBearerAlgorithms %s; the keys fit %s",
                     issuer->url, source,
                     bearer_alg_names(settings->algorithms, w->p),
                     bearer_alg_names(served, w->p));
    }
}

/* Adds the algorithms of the keys in the file. Returns 1 if it can be read. */
static int check_key_file(walk_t *w, const ap_directive_t *at,
                          const bearer_issuer_t *issuer, const bearer_source_t *keys,
                          const bearer_settings_t *settings, bearer_algs_t *all)
{
    bearer_jwks_origin_t origin = keys->kind == BEARER_SOURCE_FILE
                                  ? BEARER_JWKS_LOCAL : BEARER_JWKS_SPIFFE;
    const char *source = bearer_issuer_source_shown(keys, w->p), *error = NULL;
    bearer_jwks_report_t found;
    bearer_algs_t served = 0;
    bearer_jwks_t *set;
    int i;

    memset(&found, 0, sizeof(found));
    if (bearer_jwks_load(&set, keys->value, origin, &found, &error, w->p)
        != APR_SUCCESS) {
        ab_check_say(w, BEARER_LOG_ERROR, at, AB(0783) "AuthBearerKeys %s: %s",
                     source, error);
        return 0;
    }
    for (i = 0; found.lines && i < found.lines->nelts; i++) {
        ab_check_say(w, bearer_jwks_count(set) ? BEARER_LOG_WARNING : BEARER_LOG_ERROR, at,
                     AB(0784) "AuthBearerKeys %s: %s", source,
                     APR_ARRAY_IDX(found.lines, i, const char *));
    }
    for (i = 0; i < bearer_jwks_count(set); i++) {
        served |= bearer_jwks_at(set, i)->algs;
    }
    check_served(w, at, issuer, source, settings, served);
    if (!bearer_jwks_count(set) && !found.skipped) {
        ab_check_say(w, BEARER_LOG_ERROR, at,
                     AB(0785) "AuthBearerKeys %s: no usable key; create one with: htbearer "
                     "keygen", source);
    }
    bearer_jwks_release(set);
    *all |= served;
    return 1;
}

static void check_keys(walk_t *w, const ap_directive_t *at,
                       const bearer_issuer_t *issuer, const bearer_settings_t *settings)
{
    bearer_algs_t symmetric = settings->algorithms & bearer_alg_symmetric(), served = 0;
    int i, k, files = 0;

    for (i = 0; i < bearer_issuer_key_sources(issuer); i++) {
        const bearer_source_t *keys = &issuer->keys[i];

        if (bearer_issuer_source_is_file(keys)) {
            files += check_key_file(w, at, issuer, keys, settings, &served);
        }
        for (k = 0; k < i; k++) {
            if (keys->kind == issuer->keys[k].kind
                && (!keys->value || !strcmp(keys->value, issuer->keys[k].value))) {
                ab_check_say(w, BEARER_LOG_WARNING, at,
                             AB(0817) "issuer %s: AuthBearerKeys names %s twice; remove one",
                             issuer->url, bearer_issuer_source_shown(keys, w->p));
                break;
            }
        }
    }
    if (files && symmetric && !(served & symmetric)
        && (!served || served & settings->algorithms)) {
        ab_check_say(w, BEARER_LOG_ERROR, at, AB(0782) "issuer %s: AuthBearerAlgorithms names "
                     "%s, but no file of AuthBearerKeys has a key of kty oct",
                     issuer->url, bearer_alg_names(symmetric, w->p));
    }
}

static void check_algorithms(walk_t *w, const ap_directive_t *at,
                             const bearer_issuer_t *issuer,
                             const bearer_settings_t *settings)
{
    bearer_algs_t named = settings->algorithms;
    bearer_algs_t lacking = named & ~bearer_alg_supported(named);
    bearer_algs_t symmetric = named & bearer_alg_symmetric();

    if (lacking) {
        ab_check_say(w, bearer_settings_has(settings, ALGORITHMS)
                            ? BEARER_LOG_WARNING : BEARER_LOG_NOTICE,
                     at,
                     AB(0786) "this OpenSSL does not support %s; tokens signed with it are refused",
                     bearer_alg_names(lacking, w->p));
    }
    if (symmetric && !bearer_issuer_has_keys(issuer, BEARER_SOURCE_FILE)) {
        ab_check_say(w, BEARER_LOG_ERROR, at,
                     AB(0787) "issuer %s: %s in AuthBearerAlgorithms needs AuthBearerKeys "
                     "file:PATH with a key of kty oct; a shared secret is never fetched from a URL",
                     issuer->url,
                     bearer_alg_names(symmetric, w->p));
    }
}

static void check_urls(walk_t *w, const ap_directive_t *at,
                       const bearer_issuer_t *issuer)
{
    const char *error = bearer_issuer_fetch_error(issuer, w->global->plain_http,
                                                  w->p);

    if (error) {
        ab_check_say(w, BEARER_LOG_ERROR, at, AB(0788) "issuer %s: %s", issuer->url, error);
    }
    if (bearer_issuer_has_keys(issuer, BEARER_SOURCE_DISCOVER)
        && issuer->metadata.kind == BEARER_SOURCE_OFF) {
        ab_check_say(w, BEARER_LOG_ERROR, at,
                     AB(0789) "issuer %s: with AuthBearerMetadata off, its keys are unknown; write "
                     "AuthBearerKeys URL or file:PATH",
                     issuer->url);
    }
}

static void check_files(walk_t *w, const ap_directive_t *at,
                        const bearer_issuer_t *issuer,
                        const bearer_settings_t *settings)
{
    const char *error;

    if (settings->ca_file
        && (error = bearer_http_ca_file_error(settings->ca_file, w->p))) {
        ab_check_say(w, BEARER_LOG_ERROR, at, AB(0790) "AuthBearerCAFile %s: %s", settings->ca_file,
                     error);
    }
    if (issuer->tenants_file
        && (error = bearer_tenants_file_error(issuer->tenants_file, w->p))) {
        ab_check_say(w, BEARER_LOG_ERROR, at, AB(0791) "AuthBearerTenants: %s", error);
    }
}

static void check_introspection(walk_t *w, const ap_directive_t *at,
                                const bearer_issuer_t *issuer,
                                const bearer_settings_t *settings)
{
    const char *error;

    if (issuer->introspection.kind == BEARER_SOURCE_OFF) {
        if (issuer->token_prefixes) {
            ab_check_say(w, BEARER_LOG_WARNING, at,
                         AB(0792) "issuer %s: AuthBearerTokenPrefix is set, but the issuer has no "
                         "introspection endpoint; write AuthBearerIntrospection", issuer->url);
        }
        return;
    }
    error = bearer_client_lint(settings, issuer, w->p);
    if (error) {
        ab_check_say(w, BEARER_LOG_ERROR, at, "%s", error);
    } else if (bearer_client_method(settings) == BEARER_CLIENT_NONE
             && !bearer_settings_has(settings, CLIENT_AUTH)) {
        ab_check_say(w, BEARER_LOG_NOTICE, at,
                     AB(0793) "issuer %s: introspection requests are not authenticated; write "
                     "AuthBearerClientID and AuthBearerClientSecret, or AuthBearerClientAuth none "
                     "if this is intended", issuer->url);
    }
}

static void check_endpoints(walk_t *w, const ap_directive_t *at,
                            const bearer_issuer_t *issuer)
{
    if (issuer->endpoints[BEARER_HAND_INTROSPECTION].kind != BEARER_SOURCE_DISCOVER
        && issuer->introspection.kind != BEARER_SOURCE_DISCOVER) {
        ab_check_say(w, BEARER_LOG_WARNING, at,
                     AB(0818) "issuer %s: AuthBearerEndpoint introspection has no effect without "
                     "AuthBearerIntrospection discover", issuer->url);
    } else if (issuer->introspection.kind == BEARER_SOURCE_DISCOVER
               && !bearer_endpoint_possible(issuer, BEARER_HAND_INTROSPECTION)) {
        ab_check_say(w, BEARER_LOG_ERROR, at,
                     AB(0819) "issuer %s: AuthBearerEndpoint introspection off contradicts "
                     "AuthBearerIntrospection discover; remove one", issuer->url);
    }
}

void ab_check_one_issuer(walk_t *w, int index)
{
    const bearer_issuer_t *issuer = ab_config_issuer_at(w->global, index);
    const server_rec *s = APR_ARRAY_IDX(w->global->issuer_servers, index,
                                        const server_rec *);
    ap_directive_t at = { 0 };
    bearer_settings_t settings;

    at.filename = issuer->file;
    at.line_num = issuer->line;
    ab_config_resolve(&settings, ab_config_server(s), issuer, NULL);
    check_keys(w, &at, issuer, &settings);
    check_algorithms(w, &at, issuer, &settings);
    check_urls(w, &at, issuer);
    check_files(w, &at, issuer, &settings);
    check_introspection(w, &at, issuer, &settings);
    check_endpoints(w, &at, issuer);
    if (issuer->tenants_any) {
        ab_check_say(w, BEARER_LOG_WARNING, &at,
                     AB(0794) "issuer %s: AuthBearerTenants * accepts any tenant, and anyone can "
                     "create one; list your tenants, unless this is intended",
                     issuer->url);
    }
}
