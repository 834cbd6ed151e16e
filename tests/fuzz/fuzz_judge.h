/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file fuzz_judge.h
 * A vhost with three issuers, places with different policies, and what must
 * hold of everybody who is let in. For the fuzzers that judge.
 */
#pragma once

#include "fuzz.h"

#include "base/json.h"
#include "base/text.h"
#include "judge/exports.h"
#include "judge/judge.h"

#define ISS "https://idp.example/"
#define ISS_TENANT "https://tenants.example/{tenant}/v2.0"
#define AUD "api://orders"
#define LOGOUT "http://schemas.openid.net/event/backchannel-logout"
/** 2026-01-01T00:00:00Z */
#define NOW 1767225600

/* oct: 64 bytes of 'k'. The others are keys of RFC 7515 A.3 and RFC 8037 A.1. */
#define SECRET \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
static const char fuzz_keys[] =
    "{\"keys\":["
    "{\"kty\":\"oct\",\"kid\":\"h\",\"k\":\"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"
    "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2traw\"},"
    "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"kid\":\"o\",\"crv\":\"Ed25519\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static bearer_jwks_t *fuzz_set;
static bearer_issuers_t *fuzz_issuers;
static bearer_issuer_t fuzz_issuer[2];
static bearer_settings_t fuzz_server, fuzz_place[3];
static const bearer_settings_t *fuzz_defaults;

static apr_array_header_t *fuzz_list(apr_pool_t *p, const char *word)
{
    apr_array_header_t *list = apr_array_make(p, 1, sizeof(const char *));

    APR_ARRAY_PUSH(list, const char *) = word;
    return list;
}

static void fuzz_declare(bearer_issuer_t *issuer, const char *url,
                         const char *name)
{
    issuer->url = url;
    issuer->name = name;
    issuer->keys[0].kind = BEARER_SOURCE_FILE;
    issuer->keys[0].value = "keys";
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    FUZZ_CHECK(!bearer_issuers_add(fuzz_issuers, issuer));
}

static void fuzz_release(void)
{
    bearer_jwks_release(fuzz_set);
}

static void fuzz_setup(apr_pool_t *p)
{
    const char *error;
    int i;

    FUZZ_CHECK(bearer_jwks_parse(&fuzz_set, fuzz_keys, strlen(fuzz_keys),
                                 BEARER_JWKS_LOCAL, NULL, &error, p)
               == APR_SUCCESS);
    FUZZ_CHECK(bearer_jwks_count(fuzz_set) == 3);
    FUZZ_CHECK(atexit(fuzz_release) == 0);
    fuzz_issuers = bearer_issuers_create(p);
    fuzz_issuer[1].tenants = fuzz_list(p, "t-1");
    fuzz_declare(&fuzz_issuer[0], ISS, "idp");
    fuzz_declare(&fuzz_issuer[1], ISS_TENANT, "tenants");
    fuzz_defaults = bearer_settings_defaults(p);
    bearer_settings_put(&fuzz_server, ALGORITHMS, algorithms,
                        bearer_alg_defaults() | bearer_alg_symmetric());
    bearer_settings_put(&fuzz_server, CLIENT_ID, client_id, "me");
    for (i = 0; i < 3; i++) {
        bearer_settings_put(&fuzz_place[i], AUDIENCE, audience,
                            fuzz_list(p, AUD));
        bearer_settings_put(&fuzz_place[i], USER_FORMAT, user_format, "%i:%u");
        fuzz_place[i].exports = fuzz_defaults->exports;
        fuzz_place[i].exports.mode = BEARER_EXPORT_BOTH;
        fuzz_place[i].set |= (apr_uint64_t)1 << BEARER_SET_EXPORT;
    }
    bearer_settings_put(&fuzz_place[1], TOKEN_PROFILE, token_profile,
                        BEARER_PROFILE_RFC9068);
    bearer_settings_put(&fuzz_place[1], CLIENTS, clients, fuzz_list(p, "c"));
    bearer_settings_put(&fuzz_place[2], NO_AUDIENCE, no_audience_accept, 1);
    bearer_settings_put(&fuzz_place[2], USER_CHARS, user_chars_printable, 1);
    fuzz_place[2].user_claim.path = bearer_path_compile("a.b", p);
    fuzz_place[2].set |= (apr_uint64_t)1 << BEARER_SET_USER_CLAIM;
}

static bearer_reason_t fuzz_keys_of(void *baton, const bearer_issuer_t *issuer,
                                    bearer_wish_t *wish, bearer_jwks_t **set,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    (void)baton;
    FUZZ_CHECK(issuer == &fuzz_issuer[0] || issuer == &fuzz_issuer[1]);
    if (wish->kind == BEARER_WISH_REPLACED) {
        return BEARER_SIGNATURE;
    }
    if (wish->kind == BEARER_WISH_KID) {
        return bearer_refuse(why, p, BEARER_KEY, "nothing newer");
    }
    *set = bearer_jwks_retain(fuzz_set);
    return BEARER_OK;
}

static int fuzz_at_hand(void *baton, const bearer_issuer_t *issuer)
{
    (void)issuer;
    return *(int *)baton;
}

static void fuzz_begin(bearer_judgement_t *j, int place, int *at_hand,
                       apr_pool_t *p)
{
    memset(j, 0, sizeof(*j));
    j->p = p;
    j->now = apr_time_from_sec(NOW);
    j->issuers = fuzz_issuers;
    j->defaults = fuzz_defaults;
    j->server = &fuzz_server;
    j->dir = &fuzz_place[place];
    j->method = "jwt";
    j->keys = fuzz_keys_of;
    j->keys_at_hand = fuzz_at_hand;
    j->baton = at_hand;
}

/* ---- what must hold ------------------------------------------------------ */

static int fuzz_names(const json_t *aud, const char *wanted)
{
    json_t *member;
    size_t i;

    if (json_is_string(aud)) {
        return strcmp(json_string_value(aud), wanted) == 0;
    }
    json_array_foreach(aud, i, member) {
        if (json_is_string(member)
            && strcmp(json_string_value(member), wanted) == 0) {
            return 1;
        }
    }
    return 0;
}

static int fuzz_env(void *baton, const char *name, const char *value)
{
    (void)baton;
    FUZZ_CHECK(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvw"
                            "xyz0123456789_") == strlen(name));
    FUZZ_CHECK(!strpbrk(value, "\r\n"));
    return 1;
}

static int fuzz_header(void *baton, const char *name, const char *value)
{
    (void)baton;
    FUZZ_CHECK(!strpbrk(name, " \t\r\n:(),/;<=>?@[\\]{}\""));
    for (; *value; value++) {
        FUZZ_CHECK(*value >= 0x20 && *value <= 0x7e);
    }
    return 1;
}

static void fuzz_check_exports(const bearer_judgement_t *j, apr_pool_t *p)
{
    apr_table_t *env = apr_table_make(p, 8), *headers = apr_table_make(p, 8);
    apr_array_header_t *lines = apr_array_make(p, 1, sizeof(const char *));
    int i;

    bearer_exports_apply(env, headers, j->principal, &j->settings, lines, p);
    apr_table_do(fuzz_env, NULL, env, NULL);
    apr_table_do(fuzz_header, NULL, headers, NULL);
    for (i = 0; i < lines->nelts; i++) {
        fuzz_check_line(APR_ARRAY_IDX(lines, i, const char *));
    }
}

/* May a granted token have the marks of an ID token? */
static int fuzz_shows_access_token(const bearer_judgement_t *j)
{
    static const char *const clients[] = { "azp", "client_id", "appid", "cid" };
    const json_t *claims = j->claims;
    const char *use = json_string_value(json_object_get(claims, "token_use"));
    const char *kind = json_string_value(json_object_get(claims, "typ"));
    const char *client = NULL;
    size_t i;

    for (i = 0; i < 4 && !client; i++) {
        client = json_string_value(json_object_get(claims, clients[i]));
    }
    return (use && strncmp(use, "access", 6) == 0) || (kind && strcmp(kind, "Bearer") == 0)
        || (j->jws.facts.typ && strstr(j->jws.facts.typ, "+"))
        || (client && !fuzz_names(json_object_get(claims, "aud"), client)
            && (json_object_get(claims, "scope") || json_object_get(claims, "scp")));
}

/* Who is let in has these, whatever else he brings. A second opinion, written
 * without a look at the checks. */
static void fuzz_check_granted(const bearer_judgement_t *j, int place,
                               apr_pool_t *p)
{
    const json_t *claims = j->claims, *aud = json_object_get(claims, "aud");
    const json_t *exp = json_object_get(claims, "exp");
    const bearer_principal_t *principal = j->principal;

    FUZZ_CHECK(principal && principal->user && principal->issuer);
    FUZZ_CHECK(!bearer_text_identifier_error(principal->user_value,
                                             strlen(principal->user_value),
                                             place == 2));
    FUZZ_CHECK(fuzz_names(aud, AUD)
               || (place == 2 && (!aud || (json_array_size(aud) == 0
                                           && json_string_length(aud) == 0))));
    FUZZ_CHECK(!exp || (json_is_number(exp)
                        && json_number_value(exp) > NOW - 61));
    FUZZ_CHECK(!json_object_get(json_object_get(claims, "events"), LOGOUT));
    FUZZ_CHECK((!json_object_get(claims, "nonce") && !json_object_get(claims, "at_hash")
                && !json_object_get(claims, "c_hash")) || fuzz_shows_access_token(j));
    FUZZ_CHECK(place != 1
               || strcmp(bearer_principal_client(claims, &j->settings), "c") == 0);
    fuzz_check_exports(j, p);
}

static void fuzz_check_verdict(const bearer_judgement_t *j,
                               bearer_verdict_t verdict)
{
    FUZZ_CHECK((verdict == BEARER_GRANTED) == (j->principal != NULL));
    FUZZ_CHECK((verdict == BEARER_GRANTED) == (j->why.reason == BEARER_OK));
    FUZZ_CHECK(!j->set);
    if (verdict != BEARER_GRANTED) {
        fuzz_check_line(j->why.detail);
        FUZZ_CHECK(j->why.reason != BEARER_INTERNAL);
    }
}
