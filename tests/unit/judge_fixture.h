/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file judge_fixture.h
 * A small world to judge in: one issuer with two P-256 keys, a place with one
 * audience, a clock that stands still, tokens made to measure.
 */
#pragma once

#include "claims.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/b64url.h"
#include "judge/judge.h"

/** 2026-01-01T00:00:00Z */
#define NOW 1767225600

#define ISS "https://idp.example/"
#define AUD "api://orders"

/** In a patch: this member is removed. */
#define ABSENT "'<absent>'"

typedef struct judge_fixture_t {
    apr_pool_t *p;
    bearer_judgement_t j;
    bearer_issuers_t *issuers;
    bearer_issuer_t *issuer;     /**< ISS; change it before the first token */
    bearer_settings_t server, dir;
    EVP_PKEY *keys[2];           /**< kid "one", "two"; the set has only "one" */
    bearer_jwks_t *set;
    bearer_jwks_t *newer;        /**< what a refresh brings; NULL: nothing new */
    bearer_reason_t keys_answer; /**< of keys() */
    int at_hand;
    int asked, refreshed, replaced; /**< calls of keys() */
    const char *last_jti, *last_iss;
    bearer_reason_t revoked;
    const apr_array_header_t *file_tenants;
} judge_fixture_t;

static inline apr_status_t unit_free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static inline EVP_PKEY *unit_new_key(apr_pool_t *p)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(key);
    apr_pool_cleanup_register(p, key, unit_free_key, apr_pool_cleanup_null);
    return key;
}

static inline apr_status_t unit_release_set(void *set)
{
    bearer_jwks_release(set);
    return APR_SUCCESS;
}

/** A key set of some keys, with kids. */
static inline bearer_jwks_t *unit_key_set(apr_pool_t *p, EVP_PKEY **keys,
                                          const char **kids, int n)
{
    json_t *document = json_object();
    json_t *list = json_array();
    bearer_jwks_t *set = NULL;
    const char *error = NULL;
    char *text;
    int i;

    bearer_json_tie(document, p);
    json_object_set_new(document, "keys", list);
    for (i = 0; i < n; i++) {
        json_t *jwk = NULL;

        assert_int_equal(bearer_jwk_from_pkey(&jwk, keys[i], 0, p),
                         APR_SUCCESS);
        json_object_set_new(jwk, "kid", json_string(kids[i]));
        json_array_append(list, jwk);
    }
    text = json_dumps(document, 0);
    assert_int_equal(bearer_jwks_parse(&set, text, strlen(text),
                                       BEARER_JWKS_REMOTE, NULL, &error, p),
                     APR_SUCCESS);
    free(text);
    assert_int_equal(bearer_jwks_count(set), n);
    apr_pool_cleanup_register(p, set, unit_release_set, apr_pool_cleanup_null);
    return set;
}

static inline bearer_reason_t judge_keys(void *baton,
                                         const bearer_issuer_t *issuer,
                                         bearer_wish_t *wish, bearer_jwks_t **set,
                                         bearer_refusal_t *why, apr_pool_t *p)
{
    judge_fixture_t *f = baton;

    assert_non_null(issuer);
    f->asked += wish->kind == BEARER_WISH_KEYS;
    f->refreshed += wish->kind == BEARER_WISH_KID;
    f->replaced += wish->kind == BEARER_WISH_REPLACED;
    if (f->keys_answer != BEARER_OK) {
        return bearer_refuse(why, p, f->keys_answer, "no keys today");
    }
    if (wish->kind == BEARER_WISH_KEYS) {
        *set = bearer_jwks_retain(f->set);
        return BEARER_OK;
    }
    assert_ptr_equal(*set, f->set);
    if (wish->kind == BEARER_WISH_REPLACED && !f->newer) {
        return BEARER_SIGNATURE;
    }
    if (!f->newer) {
        return bearer_refuse(why, p, BEARER_KEY, "nothing newer");
    }
    bearer_jwks_release(*set);
    *set = bearer_jwks_retain(f->newer);
    return BEARER_OK;
}

static inline int judge_at_hand(void *baton, const bearer_issuer_t *issuer)
{
    judge_fixture_t *f = baton;

    assert_non_null(issuer);
    return f->at_hand;
}

static inline bearer_reason_t judge_revoked(void *baton, const char *iss,
                                            const char *jti, const char *token,
                                            apr_size_t len,
                                            bearer_refusal_t *why,
                                            apr_pool_t *p)
{
    judge_fixture_t *f = baton;

    assert_true(!token || len == strlen(token));
    f->last_jti = jti;
    f->last_iss = iss;
    return f->revoked == BEARER_OK
               ? BEARER_OK : bearer_refuse(why, p, f->revoked, "on the list");
}

static inline const apr_array_header_t *
judge_tenants(void *baton, const bearer_issuer_t *issuer, apr_pool_t *p)
{
    judge_fixture_t *f = baton;

    (void)p;
    assert_non_null(issuer->tenants_file);
    return f->file_tenants;
}

/** An issuer with the defaults of a declaration. */
static inline bearer_issuer_t *judge_issuer(apr_pool_t *p, const char *url)
{
    bearer_issuer_t *issuer = apr_pcalloc(p, sizeof(*issuer));

    issuer->url = issuer->name = url;
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    issuer->introspection_ttl = apr_time_from_sec(60);
    return issuer;
}

static inline void judge_declare(judge_fixture_t *f, bearer_issuer_t *issuer)
{
    const char *error = bearer_issuers_add(f->issuers, issuer);

    UNIT_CHECK(!error, "%s", error);
}

static inline judge_fixture_t *judge_fixture(apr_pool_t *p)
{
    static const char *const kids[] = { "one", "two" };
    judge_fixture_t *f = apr_pcalloc(p, sizeof(*f));
    const char *kid[1];
    int i;

    f->p = p;
    for (i = 0; i < 2; i++) {
        f->keys[i] = unit_new_key(p);
    }
    kid[0] = kids[0];
    f->set = unit_key_set(p, &f->keys[0], kid, 1);
    f->at_hand = 1;
    f->issuers = bearer_issuers_create(p);
    f->issuer = judge_issuer(p, ISS);
    f->issuer->name = "idp";
    judge_declare(f, f->issuer);
    bearer_settings_put(&f->dir, AUDIENCE, audience, unit_list(p, AUD));
    return f;
}

/** base with the members of a patch ("{'a':1}"); NULL: base as it is. */
static inline json_t *judge_patched(apr_pool_t *p, json_t *base,
                                    const char *patch)
{
    json_t *members = patch ? unit_claims(p, patch) : NULL;
    const char *name;
    json_t *value;

    json_object_foreach(members, name, value) {
        if (json_is_string(value)
            && !strcmp(json_string_value(value), "<absent>")) {
            json_object_del(base, name);
        } else {
            json_object_set(base, name, value);
        }
    }
    return base;
}

/** A token's claims, all good but for the patch. */
static inline json_t *judge_claims(apr_pool_t *p, const char *patch)
{
    return judge_patched(p, unit_claims(p, apr_psprintf(p,
        "{'iss':'" ISS "','sub':'ann','aud':'" AUD "','exp':%d,'iat':%d}",
        NOW + 300, NOW - 10)), patch);
}

/** Signed with a key of the fixture. alg ES256. */
static inline const char *judge_sign(judge_fixture_t *f, int key,
                                     const char *header, const char *patch)
{
    json_t *head = judge_patched(f->p, unit_claims(f->p, key
                                                   ? "{'kid':'two'}"
                                                   : "{'kid':'one'}"), header);
    char *text = json_dumps(judge_claims(f->p, patch), 0);
    const char *error = NULL;
    char *token = NULL;

    assert_int_equal(bearer_jws_sign(&token, head, text, strlen(text),
                                     bearer_alg_find("ES256"), f->keys[key],
                                     NULL, 0, &error, f->p), APR_SUCCESS);
    free(text);
    return token;
}

static inline const char *judge_token(judge_fixture_t *f, const char *patch)
{
    return judge_sign(f, 0, NULL, patch);
}

/** Ready to be judged once. */
static inline bearer_judgement_t *judge_begin(judge_fixture_t *f)
{
    bearer_judgement_t *j = &f->j;

    memset(j, 0, sizeof(*j));
    j->p = f->p;
    j->now = apr_time_from_sec(NOW);
    j->issuers = f->issuers;
    j->defaults = bearer_settings_defaults(f->p);
    j->server = &f->server;
    j->dir = &f->dir;
    j->method = "jwt";
    j->keys = judge_keys;
    j->baton = f;
    j->keys_at_hand = judge_at_hand;
    j->revoked = judge_revoked;
    j->tenants = judge_tenants;
    return j;
}

static inline bearer_verdict_t judge_it(judge_fixture_t *f, const char *token)
{
    bearer_verdict_t verdict = bearer_judge_jwt(judge_begin(f), token,
                                                strlen(token));

    assert_true((verdict == BEARER_GRANTED) == (f->j.principal != NULL));
    assert_true((verdict == BEARER_GRANTED) == (f->j.why.reason == BEARER_OK));
    assert_true((verdict == BEARER_GRANTED) == (f->j.why.detail == NULL));
    assert_null(f->j.set);
    assert_null(f->j.key);
    return verdict;
}

/** Judges and compares; detail: a part of it, or NULL. */
static inline void judge_expect(judge_fixture_t *f, const char *token,
                                bearer_verdict_t verdict,
                                bearer_reason_t reason, const char *detail,
                                const char *what)
{
    bearer_verdict_t seen = judge_it(f, token);

    UNIT_CHECK(seen == verdict && f->j.why.reason == reason,
               "%s: verdict %d, %s: %s", what, seen,
               bearer_reason_name(f->j.why.reason),
               f->j.why.detail ? f->j.why.detail : "-");
    UNIT_CHECK(!detail || unit_contains(f->j.why.detail, detail),
               "%s: %s does not say %s", what, f->j.why.detail, detail);
}

/** A table of patches to the claims, each with what becomes of the token. */
typedef struct judge_case_t {
    const char *patch;
    bearer_reason_t reason;
    const char *detail;
} judge_case_t;

static inline void judge_cases(judge_fixture_t *f, const judge_case_t *cases,
                               size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        judge_expect(f, judge_token(f, cases[i].patch),
                     cases[i].reason == BEARER_OK ? BEARER_GRANTED
                                                  : BEARER_DENIED,
                     cases[i].reason, cases[i].detail,
                     cases[i].patch ? cases[i].patch : "-");
    }
}
