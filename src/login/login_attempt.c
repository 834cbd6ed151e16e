/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A pending login, and its form in the browser's cookie: sealed, valid for one server
 * and for BEARER_LOGIN_LIFE. See login.h.
 */
#include "login/login_inside.h"

#include <string.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/base61.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/text.h"

/** 256 bits (RFC 7636 section 4.1: 43 characters). */
#define RANDOM_SIZE 32
/** A login may begin on one host and end on another whose clock is behind. */
#define CLOCKS_DIFFER apr_time_from_sec(60)

static const char *random_text(const bearer_world_t *world, apr_pool_t *p)
{
    unsigned char bytes[RANDOM_SIZE];

    return bearer_world_random(world, bytes, sizeof(bytes)) == APR_SUCCESS
               ? bearer_b64url_encode(p, bytes, sizeof(bytes)) : NULL;
}

/* A digest does not tell the verifier, which stays secret until the code is redeemed. */
static const char *digest_of(const bearer_attempt_t *a, const char *what,
                             char *(*encode)(apr_pool_t *, const void *, apr_size_t),
                             apr_pool_t *p)
{
    const char *text = apr_pstrcat(p, "login ", what, " ", a->verifier, NULL);
    unsigned char hash[BEARER_SHA256_SIZE];

    return bearer_text_sha256(text, strlen(text), hash) == APR_SUCCESS
        ? encode(p, hash, sizeof(hash)) : NULL;
}

static void derive(bearer_attempt_t *a, apr_pool_t *p)
{
    a->state = digest_of(a, "state", bearer_base61_encode, p);  /* returns in a URL */
    a->nonce = digest_of(a, "nonce", bearer_b64url_encode, p);
}

bearer_attempt_t *bearer_attempt_new(const bearer_login_t *login,
                                     const char *target, apr_pool_t *p)
{
    const bearer_world_t *world = login->access->world;
    bearer_attempt_t *a = apr_pcalloc(p, sizeof(*a));

    a->verifier = random_text(world, p);
    if (a->verifier) {
        derive(a, p);
    }
    a->issuer = login->access->issuer->url;
    a->target = target;
    a->created = bearer_world_now(world);
    a->max_age = -1;
    return a->state && a->nonce && a->verifier ? a : NULL;
}

static const char *attempt_context(const char *server, apr_pool_t *p)
{
    return apr_pstrcat(p, "login attempt ", server, NULL);
}

const char *bearer_attempt_seal(const bearer_attempt_t *a,
                                const bearer_seal_t *seal, const char *server,
                                const bearer_world_t *world, apr_pool_t *p)
{
    json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:s*}", "v", a->verifier, "i", a->issuer,
                          "t", a->target, "c", (json_int_t)a->created, "a",
                          a->acr_values ? apr_array_pstrcat(p, a->acr_values, ' ') : NULL);
    const char *text;

    if (o && a->max_age >= 0) {
        json_object_set_new(o, "m", json_integer(a->max_age));
    }
    if (o && a->elsewhere) {
        json_object_set_new(o, "e", json_true());
    }
    text = bearer_json_text(o, p);
    json_decref(o);
    return text ? bearer_seal_text(seal, attempt_context(server, p), text, strlen(text),
                                   world, p) : NULL;
}

static int attempt_from(bearer_attempt_t *a, const json_t *o, apr_pool_t *p)
{
    const char *acr = bearer_json_string(o, "a");
    const json_t *max_age = json_object_get(o, "m");

    a->verifier = bearer_json_string(o, "v");
    a->state = bearer_json_string(o, "s");  /* with "n", as version 0.1.0 wrote it */
    a->nonce = bearer_json_string(o, "n");
    if (a->verifier && !a->state) {
        derive(a, p);
    }
    a->issuer = bearer_json_string(o, "i");
    a->target = bearer_json_string(o, "t");
    a->created = json_integer_value(json_object_get(o, "c"));
    a->max_age = max_age ? json_integer_value(max_age) : -1;
    a->elsewhere = json_is_true(json_object_get(o, "e"));
    a->acr_values = acr ? bearer_text_split(p, acr, " ") : NULL;
    return a->state && a->nonce && a->verifier && a->issuer && a->target;
}

apr_status_t bearer_attempt_open(bearer_attempt_t **attempt, const char *value,
                                 const bearer_seal_t *seal, const char *server,
                                 const bearer_world_t *world, apr_pool_t *p)
{
    bearer_attempt_t *a = apr_pcalloc(p, sizeof(*a));
    unsigned char *text;
    apr_size_t len;
    apr_time_t now = bearer_world_now(world);
    json_t *o;

    *attempt = NULL;
    if (strlen(value) > 8192
        || bearer_seal_read(&text, &len, seal, attempt_context(server, p), value, p)
           != APR_SUCCESS
        || bearer_json_parse(&o, (const char *)text, len, NULL, p) != APR_SUCCESS
        || !attempt_from(a, o, p)) {
        return APR_NOTFOUND;
    }
    *attempt = a;
    return now - a->created < BEARER_LOGIN_LIFE && a->created - now < CLOCKS_DIFFER
               ? APR_SUCCESS : APR_TIMEUP;
}
