/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What each method of AuthBearerClientAuth adds to a request. See client_auth.h.
 */
#include "ask/client_auth_inside.h"

#include <string.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/json.h"
#include "jose/jws.h"

#define JWT_BEARER "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* ---- secrets ------------------------------------------------------------ */

char *bearer_post_keep(bearer_post_t *post, char *text)
{
    APR_ARRAY_PUSH(post->secrets, char *) = text;
    return text;
}

const char *bearer_post_escape(bearer_post_t *post, const char *text)
{
    return bearer_post_keep(post, (char *)(apr_uintptr_t)
                                  bearer_http_form_escape(post->p, text));
}

void bearer_post_wipe(bearer_post_t *post)
{
    int i;

    for (i = 0; i < post->secrets->nelts; i++) {
        char *text = APR_ARRAY_IDX(post->secrets, i, char *);

        bearer_secret_wipe(text, strlen(text));
    }
}

static apr_status_t secret_of(bearer_post_t *post, char **value)
{
    apr_size_t len;
    apr_status_t rv;

    if (!post->client->secret) {
        post->error = "AuthBearerClientSecret is not configured";
        return APR_NOTFOUND;
    }
    rv = bearer_secret_get(value, &len, post->client->secret, &post->error,
                           post->p);
    if (rv == APR_SUCCESS) {
        bearer_post_keep(post, *value);
    }
    return rv;
}

/* ---- the methods' part of a request ------------------------------------- */

static void add_client_id(bearer_post_t *post)
{
    const char *id = bearer_client_settings(post->client)->client_id;

    if (id) {
        apr_table_setn(post->form, "client_id", id);
    }
}

/* RFC 6749 section 2.3.1: both are form-encoded before they are joined, so that a
 * colon in the id or a percent sign in the secret is preserved. */
apr_status_t bearer_prove_basic(bearer_post_t *post)
{
    char *secret, *pair, *encoded;
    apr_status_t rv = secret_of(post, &secret);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    pair = bearer_post_keep(post, apr_pstrcat(post->p,
        bearer_post_escape(post, bearer_client_settings(post->client)->client_id), ":",
        bearer_post_escape(post, secret), NULL));
    encoded = apr_palloc(post->p, 4 * (strlen(pair) / 3 + 1) + 1);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)pair,
                    (int)strlen(pair));
    bearer_post_keep(post, encoded);
    apr_table_setn(post->headers, "Authorization",
                   bearer_post_keep(post, apr_pstrcat(post->p, "Basic ", encoded,
                                                      NULL)));
    return APR_SUCCESS;
}

apr_status_t bearer_prove_post(bearer_post_t *post)
{
    char *secret;
    apr_status_t rv = secret_of(post, &secret);

    if (rv == APR_SUCCESS) {
        add_client_id(post);
        apr_table_setn(post->form, "client_secret", secret);
    }
    return rv;
}

apr_status_t bearer_prove_tls(bearer_post_t *post)
{
    const bearer_settings_t *s = bearer_client_settings(post->client);

    add_client_id(post);   /* RFC 8705 section 2: identifies the client of the certificate */
    post->request.client_cert = s->client_cert;
    post->request.client_key = s->client_key;
    return APR_SUCCESS;
}

apr_status_t bearer_prove_none(bearer_post_t *post)
{
    add_client_id(post);
    return APR_SUCCESS;
}

/* ---- assertions (RFC 7521, RFC 7523) ------------------------------------ */

static const char *audience(const bearer_post_t *post)
{
    const bearer_issuer_t *issuer = post->client->access.issuer;
    const bearer_settings_t *s = bearer_client_settings(post->client);

    return (s->client_auth & BEARER_CLIENT_AUD_ENDPOINT)
                   || bearer_issuer_is_template(issuer)
               ? post->endpoint : issuer->url;
}

static char *assertion_claims(bearer_post_t *post)
{
    const bearer_world_t *world = post->client->access.world;
    const char *id = bearer_client_settings(post->client)->client_id;
    apr_time_t now = bearer_world_now(world);
    unsigned char jti[16];
    json_t *claims;
    char *text;

    if (bearer_world_random(world, jti, sizeof(jti)) != APR_SUCCESS) {
        return NULL;
    }
    claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", id, "sub", id,
                       "aud", audience(post), "jti",
                       bearer_b64url_encode(post->p, jti, sizeof(jti)), "iat",
                       (json_int_t)apr_time_sec(now), "exp", (json_int_t)
                       apr_time_sec(now + BEARER_CLIENT_ASSERTION_LIFE));
    text = bearer_json_text(claims, post->p);
    json_decref(claims);
    return text;
}

static apr_status_t add_assertion(bearer_post_t *post, const char *assertion)
{
    add_client_id(post);
    apr_table_setn(post->form, "client_assertion_type", JWT_BEARER);
    apr_table_setn(post->form, "client_assertion", assertion);
    return APR_SUCCESS;
}

static apr_status_t sign_assertion(bearer_post_t *post, const bearer_signer_t *signer)
{
    char *claims = assertion_claims(post), *assertion = NULL;
    apr_status_t rv;

    if (!claims
        || json_object_set_new(signer->header, "typ", json_string("JWT"))) {
        post->error = "the assertion cannot be created: no random bytes, or no memory";
        return APR_EGENERAL;
    }
    rv = bearer_jws_sign(&assertion, signer->header, claims, strlen(claims),
                         signer->alg, signer->pkey,
                         (const unsigned char *)signer->secret,
                         signer->secret ? strlen(signer->secret) : 0,
                         &post->error, post->p);
    if (rv != APR_SUCCESS) {
        post->error = apr_psprintf(post->p, "the assertion cannot be signed "
                                   "(AuthBearerClientAuth): %s", post->error);
        return rv;
    }
    return add_assertion(post, bearer_post_keep(post, assertion));
}

apr_status_t bearer_prove_secret_jwt(bearer_post_t *post)
{
    bearer_signer_t signer = { bearer_alg_find("HS256"), NULL, NULL, NULL };
    char *secret;
    apr_status_t rv = secret_of(post, &secret);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    signer.secret = secret;
    signer.header = bearer_json_tie(json_object(), post->p);
    return sign_assertion(post, &signer);
}

apr_status_t bearer_prove_jwt_file(bearer_post_t *post)
{
    char *assertion;
    apr_status_t rv = secret_of(post, &assertion);

    return rv == APR_SUCCESS ? add_assertion(post, assertion) : rv;
}

apr_status_t bearer_prove_private_key_jwt(bearer_post_t *post)
{
    bearer_signer_t signer = { NULL, NULL, NULL, NULL };
    const char *problem = NULL;
    apr_size_t len;
    char *text;
    apr_status_t rv;

    if (!post->client->key) {
        post->error = "AuthBearerClientKey is not configured";
        return APR_NOTFOUND;
    }
    rv = bearer_secret_get(&text, &len, post->client->key, &post->error,
                           post->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    signer.header = bearer_json_tie(json_object(), post->p);
    rv = bearer_signer_load(&signer, text, len, &problem, post->p);
    bearer_secret_wipe(text, len);
    if (rv != APR_SUCCESS) {
        post->error = apr_psprintf(post->p, "AuthBearerClientKey: %s",
                                   problem ? problem : "no usable key");
        return rv;
    }
    rv = bearer_signer_thumbprints(post, &signer);
    return rv == APR_SUCCESS ? sign_assertion(post, &signer) : rv;
}

/* ---- bearer ------------------------------------------------------------- */

apr_status_t bearer_prove_bearer(bearer_post_t *post)
{
    char *token = NULL;
    apr_status_t rv;

    if (bearer_client_by_credentials(post->client)) {
        rv = bearer_client_token(post->client, &token, &post->error, post->p);
        if (rv == APR_SUCCESS) {
            post->bearer = bearer_post_keep(post, token);
        }
    } else {
        rv = secret_of(post, &token);
    }
    if (rv == APR_SUCCESS) {
        apr_table_setn(post->headers, "Authorization",
                       bearer_post_keep(post, apr_pstrcat(post->p, "Bearer ",
                                                          token, NULL)));
    }
    return rv;
}
