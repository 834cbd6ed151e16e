/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Proving who we are at an issuer's endpoint. See client_auth.h. Each method is
 * a row of one table: what it needs of the configuration, and what it adds to a
 * request.
 */
#include "bearer/client_auth.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "bearer/b64url.h"
#include "bearer/json.h"
#include "bearer/jwk.h"
#include "bearer/jws.h"
#include "bearer/text.h"

#define JWT_BEARER "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define FORM_TYPE "application/x-www-form-urlencoded"

/** After a failed renewal the token that is still good serves so long. */
#define RENEW_AGAIN apr_time_from_sec(5)
/** A token is renewed when this part of its life is left. */
#define RENEW_PART 5
#define ERROR_MAX 512

struct bearer_client_t {
    bearer_issuer_access_t access;
    bearer_client_auth_t method;
    bearer_client_config_t config;
    bearer_secret_watch_t *secret;   /* NULL: none is configured */
    bearer_secret_watch_t *key;
    /* a token by client_credentials; all under mutex */
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *landed;
    char *token;                     /* malloc'd; NULL: none */
    apr_time_t expires, renew;
    int flying;
    char error[ERROR_MAX];           /* of the last flight; "" it went well */
};

/** A request being built; all that is secret in it is wiped afterwards. */
typedef struct post_t {
    bearer_client_t *client;
    bearer_client_auth_t method;
    const char *endpoint;
    bearer_http_request_t request;
    apr_table_t *headers;
    apr_table_t *form;
    apr_array_header_t *secrets;     /* char *: wiped at the end */
    const char *bearer;              /* the token that was sent, or NULL */
    const char *error;
    apr_pool_t *p;
} post_t;

static const bearer_settings_t *settings_of(const bearer_client_t *client)
{
    return client->access.settings;
}

/* ---- what is secret ----------------------------------------------------- */

static char *keep_secret(post_t *post, char *text)
{
    APR_ARRAY_PUSH(post->secrets, char *) = text;
    return text;
}

static const char *escape(post_t *post, const char *text)
{
    return keep_secret(post, (char *)(apr_uintptr_t)
                             bearer_http_form_escape(post->p, text));
}

static void wipe_secrets(post_t *post)
{
    int i;

    for (i = 0; i < post->secrets->nelts; i++) {
        char *text = APR_ARRAY_IDX(post->secrets, i, char *);

        bearer_secret_wipe(text, strlen(text));
    }
}

static apr_status_t secret_of(post_t *post, char **value)
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
        keep_secret(post, *value);
    }
    return rv;
}

/* ---- the methods' part of a request ------------------------------------- */

static void add_client_id(post_t *post)
{
    const char *id = settings_of(post->client)->client_id;

    if (id) {
        apr_table_setn(post->form, "client_id", id);
    }
}

/* RFC 6749 section 2.3.1: both are form-encoded before they are joined, so a
 * colon in the id, or a percent sign in the secret, arrives as it is. */
static apr_status_t prove_basic(post_t *post)
{
    char *secret, *pair, *encoded;
    apr_status_t rv = secret_of(post, &secret);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    pair = keep_secret(post, apr_pstrcat(post->p,
        escape(post, settings_of(post->client)->client_id), ":",
        escape(post, secret), NULL));
    encoded = apr_palloc(post->p, 4 * (strlen(pair) / 3 + 1) + 1);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)pair,
                    (int)strlen(pair));
    keep_secret(post, encoded);
    apr_table_setn(post->headers, "Authorization",
                   keep_secret(post, apr_pstrcat(post->p, "Basic ", encoded,
                                                 NULL)));
    return APR_SUCCESS;
}

static apr_status_t prove_post(post_t *post)
{
    char *secret;
    apr_status_t rv = secret_of(post, &secret);

    if (rv == APR_SUCCESS) {
        add_client_id(post);
        apr_table_setn(post->form, "client_secret", secret);
    }
    return rv;
}

static apr_status_t prove_tls(post_t *post)
{
    const bearer_settings_t *s = settings_of(post->client);

    add_client_id(post);   /* RFC 8705 section 2: it says whose certificate */
    post->request.client_cert = s->client_cert;
    post->request.client_key = s->client_key;
    return APR_SUCCESS;
}

static apr_status_t prove_none(post_t *post)
{
    add_client_id(post);
    return APR_SUCCESS;
}

/* ---- assertions (RFC 7521, RFC 7523) ------------------------------------ */

static const char *audience(const post_t *post)
{
    const bearer_issuer_t *issuer = post->client->access.issuer;

    return (settings_of(post->client)->client_auth & BEARER_CLIENT_AUD_ENDPOINT)
                   || bearer_issuer_is_template(issuer)
               ? post->endpoint : issuer->url;
}

static char *assertion_claims(post_t *post)
{
    const bearer_world_t *world = post->client->access.world;
    const char *id = settings_of(post->client)->client_id;
    apr_time_t now = bearer_world_now(world);
    unsigned char jti[16];
    json_t *claims;
    char *text, *copy = NULL;

    if (bearer_world_random(world, jti, sizeof(jti)) != APR_SUCCESS) {
        return NULL;
    }
    claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", id, "sub", id,
                       "aud", audience(post), "jti",
                       bearer_b64url_encode(post->p, jti, sizeof(jti)), "iat",
                       (json_int_t)apr_time_sec(now), "exp", (json_int_t)
                       apr_time_sec(now + BEARER_CLIENT_ASSERTION_LIFE));
    text = claims ? json_dumps(claims, JSON_COMPACT) : NULL;
    json_decref(claims);
    if (text) {
        copy = apr_pstrdup(post->p, text);
        free(text);
    }
    return copy;
}

/** Whatever signs an assertion: a private key, or a shared secret. */
typedef struct signer_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    const char *secret;
    json_t *header;
} signer_t;

static apr_status_t add_assertion(post_t *post, const char *assertion)
{
    apr_table_setn(post->form, "client_assertion_type", JWT_BEARER);
    apr_table_setn(post->form, "client_assertion", assertion);
    return APR_SUCCESS;
}

static apr_status_t sign_assertion(post_t *post, const signer_t *signer)
{
    char *claims = assertion_claims(post), *assertion = NULL;
    apr_status_t rv;

    if (!claims
        || json_object_set_new(signer->header, "typ", json_string("JWT"))) {
        post->error = "no assertion could be made: no random bytes, or no "
                      "memory";
        return APR_EGENERAL;
    }
    rv = bearer_jws_sign(&assertion, signer->header, claims, strlen(claims),
                         signer->alg, signer->pkey,
                         (const unsigned char *)signer->secret,
                         signer->secret ? strlen(signer->secret) : 0,
                         &post->error, post->p);
    if (rv != APR_SUCCESS) {
        post->error = apr_psprintf(post->p, "no assertion could be signed "
                                   "(AuthBearerClientAuth): %s", post->error);
        return rv;
    }
    add_client_id(post);
    return add_assertion(post, keep_secret(post, assertion));
}

static json_t *new_header(post_t *post)
{
    json_t *header = json_object();

    bearer_json_tie(header, post->p);
    return header;
}

static apr_status_t prove_secret_jwt(post_t *post)
{
    signer_t signer = { bearer_alg_find("HS256"), NULL, NULL, NULL };
    char *secret;
    apr_status_t rv = secret_of(post, &secret);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    signer.secret = secret;
    signer.header = new_header(post);
    return sign_assertion(post, &signer);
}

static apr_status_t prove_jwt_file(post_t *post)
{
    char *assertion;
    apr_status_t rv = secret_of(post, &assertion);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    add_client_id(post);
    return add_assertion(post, assertion);
}

/* ---- private keys ------------------------------------------------------- */

static int no_passphrase(char *buffer, int size, int writing, void *baton)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)baton;
    return -1;   /* a server has nobody to ask */
}

static apr_status_t free_pkey(void *pkey)
{
    EVP_PKEY_free(pkey);
    return APR_SUCCESS;
}

static apr_status_t key_from_pem(signer_t *signer, const char *text,
                                 apr_size_t len, const char **error,
                                 apr_pool_t *p)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);

    signer->pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                       : NULL;
    BIO_free(bio);
    if (!signer->pkey) {
        *error = "it holds no PEM private key without a passphrase";
        return APR_EINVAL;
    }
    apr_pool_cleanup_register(p, signer->pkey, free_pkey,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

/* One JWK, or the first private one of a set. */
static const json_t *private_jwk(const json_t *document)
{
    const json_t *keys = json_object_get(document, "keys");
    apr_size_t i;

    for (i = 0; i < json_array_size(keys); i++) {
        if (json_object_get(json_array_get(keys, i), "d")) {
            return json_array_get(keys, i);
        }
    }
    return document;
}

static apr_status_t key_from_jwk(signer_t *signer, const char *text,
                                 apr_size_t len, const char **error,
                                 apr_pool_t *p)
{
    const json_t *jwk;
    const char *kid, *alg;
    json_t *document;
    apr_status_t rv = bearer_json_parse(&document, text, len, error, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    jwk = private_jwk(document);
    rv = bearer_jwk_private(&signer->pkey, jwk, error, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    kid = bearer_json_string(jwk, "kid");
    alg = bearer_json_string(jwk, "alg");
    if (kid) {
        json_object_set_new(signer->header, "kid", json_string(kid));
    }
    signer->alg = alg ? bearer_alg_find(alg) : NULL;
    if (alg && !signer->alg) {
        *error = "its alg is not a signature algorithm";
        return APR_EINVAL;
    }
    return APR_SUCCESS;
}

/* The first algorithm of the table that fits: RS256, ES256, ES384, EdDSA ... */
static const bearer_alg_t *usual_alg(EVP_PKEY *pkey, apr_pool_t *p)
{
    const char *kty;
    bearer_algs_t fit;
    json_t *jwk;
    unsigned i;

    if (bearer_jwk_from_pkey(&jwk, pkey, 0, p) != APR_SUCCESS) {
        return NULL;
    }
    kty = bearer_json_string(jwk, "kty");
    fit = bearer_alg_for_key(strcmp(kty, "RSA") == 0   ? BEARER_KTY_RSA
                             : strcmp(kty, "EC") == 0 ? BEARER_KTY_EC
                                                      : BEARER_KTY_OKP,
                             bearer_json_string(jwk, "crv"));
    for (i = 0; bearer_alg_at(i); i++) {
        if (bearer_alg_at(i)->bit & fit) {
            return bearer_alg_at(i);
        }
    }
    return NULL;
}

static apr_status_t load_key(signer_t *signer, const char *text, apr_size_t len,
                             const char **error, apr_pool_t *p)
{
    const char *start = text + strspn(text, " \t\r\n");
    apr_status_t rv = *start == '{' ? key_from_jwk(signer, text, len, error, p)
                                    : key_from_pem(signer, text, len, error, p);

    if (rv == APR_SUCCESS && !signer->alg) {
        signer->alg = usual_alg(signer->pkey, p);
    }
    if (rv == APR_SUCCESS && !signer->alg) {
        *error = "no JWS algorithm signs with a key of that type";
        rv = APR_EINVAL;
    }
    return rv;
}

static X509 *read_cert(const char *path)
{
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    return cert;
}

/* Entra ID knows a key by its certificate: RFC 7515 sections 4.1.7, 4.1.8. */
static apr_status_t add_thumbprints(post_t *post, const signer_t *signer)
{
    static const struct {
        const char *name, *digest;
    } members[] = { { "x5t", "SHA1" }, { "x5t#S256", "SHA256" } };
    const char *path = settings_of(post->client)->client_cert;
    X509 *cert = path ? read_cert(path) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned i, len;

    if (path && !cert) {
        post->error = apr_psprintf(post->p, "AuthBearerClientCert %s holds no "
                                   "PEM certificate, or cannot be read",
                                   bearer_text_quote(post->p, path));
        return APR_EINVAL;
    }
    for (i = 0; cert && i < 2; i++) {
        if (X509_digest(cert, EVP_get_digestbyname(members[i].digest), digest,
                        &len)) {
            json_object_set_new(signer->header, members[i].name, json_string(
                bearer_b64url_encode(post->p, digest, len)));
        }
    }
    X509_free(cert);
    return APR_SUCCESS;
}

static apr_status_t prove_private_key_jwt(post_t *post)
{
    signer_t signer = { NULL, NULL, NULL, NULL };
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
    signer.header = new_header(post);
    rv = load_key(&signer, text, len, &problem, post->p);
    bearer_secret_wipe(text, len);
    if (rv != APR_SUCCESS) {
        post->error = apr_psprintf(post->p, "AuthBearerClientKey: %s",
                                   problem ? problem : "no usable key");
        return rv;
    }
    rv = add_thumbprints(post, &signer);
    return rv == APR_SUCCESS ? sign_assertion(post, &signer) : rv;
}

/* ---- bearer ------------------------------------------------------------- */

static apr_status_t granted_token(bearer_client_t *client, char **token,
                                  const char **error, apr_pool_t *p);

static int by_client_credentials(const bearer_client_t *client)
{
    return client->method == BEARER_CLIENT_BEARER
           && settings_of(client)->client_id != NULL;
}

static apr_status_t prove_bearer(post_t *post)
{
    char *token = NULL;
    apr_status_t rv;

    if (by_client_credentials(post->client)) {
        rv = granted_token(post->client, &token, &post->error, post->p);
        if (rv == APR_SUCCESS) {
            post->bearer = keep_secret(post, token);
        }
    } else {
        rv = secret_of(post, &token);
    }
    if (rv == APR_SUCCESS) {
        apr_table_setn(post->headers, "Authorization",
                       keep_secret(post, apr_pstrcat(post->p, "Bearer ", token,
                                                     NULL)));
    }
    return rv;
}

/* ---- the table ---------------------------------------------------------- */

#define NEEDS_ID 1
#define NEEDS_SECRET 2
#define NEEDS_KEY 4
#define NEEDS_CERT 8

static const struct {
    const char *name;
    int needs;
    apr_status_t (*prove)(post_t *post);
} methods[] = {
    [BEARER_CLIENT_SECRET_BASIC] = { "client_secret_basic",
                                     NEEDS_ID | NEEDS_SECRET, prove_basic },
    [BEARER_CLIENT_SECRET_POST] = { "client_secret_post",
                                    NEEDS_ID | NEEDS_SECRET, prove_post },
    [BEARER_CLIENT_SECRET_JWT] = { "client_secret_jwt",
                                   NEEDS_ID | NEEDS_SECRET, prove_secret_jwt },
    [BEARER_CLIENT_PRIVATE_KEY_JWT] = { "private_key_jwt", NEEDS_ID | NEEDS_KEY,
                                        prove_private_key_jwt },
    [BEARER_CLIENT_JWT_FILE] = { "jwt_file", NEEDS_SECRET, prove_jwt_file },
    [BEARER_CLIENT_TLS] = { "tls_client_auth", NEEDS_ID | NEEDS_CERT,
                            prove_tls },
    [BEARER_CLIENT_BEARER] = { "bearer", 0, prove_bearer },
    [BEARER_CLIENT_NONE] = { "none", 0, prove_none },
};

bearer_client_auth_t bearer_client_method(const bearer_settings_t *s)
{
    if (!bearer_settings_has(s, CLIENT_AUTH) && !s->client_id
        && !s->client_secret && !s->client_key) {
        return BEARER_CLIENT_NONE;
    }
    return (bearer_client_auth_t)(s->client_auth & ~BEARER_CLIENT_AUD_ENDPOINT);
}

/* ---- what is missing ---------------------------------------------------- */

static const char *missing(const bearer_settings_t *s, int needs)
{
    if ((needs & NEEDS_ID) && !s->client_id) {
        return "AuthBearerClientID";
    }
    if ((needs & NEEDS_SECRET) && !s->client_secret) {
        return "AuthBearerClientSecret";
    }
    if ((needs & NEEDS_KEY) && !s->client_key) {
        return "AuthBearerClientKey";
    }
    return (needs & NEEDS_CERT) && !s->client_cert ? "AuthBearerClientCert"
                                                   : NULL;
}

/* The files can be looked at before anybody needs them. */
static const char *lint_key(const bearer_settings_t *s, apr_pool_t *p)
{
    signer_t signer = { NULL, NULL, NULL, json_object() };
    bearer_secret_t *key = bearer_secret_of_file(s->client_key,
                                                 "AuthBearerClientKey", p);
    const char *problem = NULL, *error;

    bearer_json_tie(signer.header, p);
    if (bearer_secret_start(key, &error, p) != APR_SUCCESS) {
        return error;
    }
    return load_key(&signer, key->value, key->len, &problem, p) == APR_SUCCESS
               ? NULL
               : apr_psprintf(p, "AuthBearerClientKey %s: %s", s->client_key,
                              problem ? problem : "no usable key");
}

static const char *lint_cert(const bearer_settings_t *s, apr_pool_t *p)
{
    X509 *cert = read_cert(s->client_cert);

    X509_free(cert);
    return cert ? NULL
                : apr_psprintf(p, "AuthBearerClientCert %s holds no PEM "
                               "certificate, or cannot be read",
                               s->client_cert);
}

static const char *lint_files(const bearer_settings_t *s,
                              bearer_client_auth_t method, apr_pool_t *p)
{
    const char *error = NULL;
    int signs = method == BEARER_CLIENT_PRIVATE_KEY_JWT
                || method == BEARER_CLIENT_BEARER;

    if (s->client_key && (signs || method == BEARER_CLIENT_TLS)) {
        error = lint_key(s, p);
    }
    if (!error && s->client_cert && (signs || method == BEARER_CLIENT_TLS)) {
        error = lint_cert(s, p);
    }
    return error;
}

static const char *lint_bearer(const bearer_settings_t *s,
                               const bearer_issuer_t *issuer, apr_pool_t *p)
{
    if (!s->client_secret && !(s->client_id && s->client_key)) {
        return "AuthBearerClientAuth bearer needs AuthBearerClientSecret: the "
               "token itself (file:PATH), or with AuthBearerClientID the secret"
               " that a token is obtained with";
    }
    if (s->client_id && issuer->metadata.kind == BEARER_SOURCE_OFF) {
        return apr_psprintf(p, "AuthBearerClientAuth bearer with "
                            "AuthBearerClientID asks the token endpoint of "
                            "issuer %s for a token, which AuthBearerMetadata "
                            "off leaves unknown", issuer->url);
    }
    return NULL;
}

const char *bearer_client_lint(const bearer_settings_t *s,
                               const bearer_issuer_t *issuer, apr_pool_t *p)
{
    bearer_client_auth_t method = bearer_client_method(s);
    const char *lacking = missing(s, methods[method].needs);

    if (lacking) {
        return apr_psprintf(p, "issuer %s: AuthBearerClientAuth %s needs %s%s",
                            issuer->url, methods[method].name, lacking,
                            bearer_settings_has(s, CLIENT_AUTH) ? ""
                            : "; write it, or AuthBearerClientAuth none if the "
                              "endpoint asks for no authentication");
    }
    if (method == BEARER_CLIENT_JWT_FILE
        && s->client_secret->kind != BEARER_SECRET_FILE) {
        return "AuthBearerClientAuth jwt_file needs AuthBearerClientSecret "
               "file:PATH, the file in which the assertion rotates";
    }
    lacking = method == BEARER_CLIENT_BEARER ? lint_bearer(s, issuer, p) : NULL;
    return lacking ? lacking : lint_files(s, method, p);
}

/* ---- one request -------------------------------------------------------- */

static const char *encode_form(post_t *post)
{
    const apr_array_header_t *fields = apr_table_elts(post->form);
    apr_array_header_t *parts = apr_array_make(post->p, 8, sizeof(char *));
    int i;

    for (i = 0; i < fields->nelts; i++) {
        const apr_table_entry_t *field = &APR_ARRAY_IDX(fields, i,
                                                        apr_table_entry_t);

        APR_ARRAY_PUSH(parts, const char *) = i ? "&" : "";
        APR_ARRAY_PUSH(parts, const char *) =
            bearer_http_form_escape(post->p, field->key);
        APR_ARRAY_PUSH(parts, const char *) = "=";
        APR_ARRAY_PUSH(parts, const char *) = escape(post, field->val);
    }
    return keep_secret(post, apr_array_pstrcat(post->p, parts, 0));
}

static void address_request(post_t *post, const char *accept, apr_size_t max)
{
    const bearer_settings_t *s = settings_of(post->client);

    post->request.method = "POST";
    post->request.url = post->endpoint;
    post->request.headers = post->headers;
    post->request.connect_timeout = s->timeout.connect;
    post->request.total_timeout = s->timeout.total;
    post->request.max_body = max;
    post->request.ca_file = s->ca_file;
    post->request.proxy = s->http_proxy;
    apr_table_setn(post->headers, "Content-Type", FORM_TYPE);
    apr_table_setn(post->headers, "Accept", accept);
}

static apr_status_t perform(post_t *post, bearer_http_response_t **response)
{
    const bearer_http_client_t *http = post->client->access.world->http;
    apr_status_t rv;

    post->error = bearer_http_url_error(post->endpoint,
                                        post->client->access.plain_http,
                                        post->p);
    if (post->error) {
        return APR_EINVAL;
    }
    if (!http) {
        post->error = "nothing may be asked here";
        return APR_ENOTIMPL;
    }
    rv = methods[post->method].prove(post);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    post->request.body = encode_form(post);
    post->request.body_len = strlen(post->request.body);
    return http->perform(http, &post->request, response, &post->error, post->p);
}

/* *sent: the bearer token of ours that went with it, in p, to be wiped. */
static apr_status_t post_with(bearer_http_response_t **response,
                              bearer_client_t *client,
                              bearer_client_auth_t method, const char *endpoint,
                              const apr_table_t *form, const char *accept,
                              apr_size_t max, char **sent, const char **error,
                              apr_pool_t *p)
{
    post_t post;
    apr_status_t rv;

    memset(&post, 0, sizeof(post));
    post.client = client;
    post.method = method;
    post.endpoint = endpoint;
    post.headers = apr_table_make(p, 4);
    post.form = apr_table_clone(p, form);
    post.secrets = apr_array_make(p, 8, sizeof(char *));
    post.p = p;
    *response = NULL;
    address_request(&post, accept, max);
    rv = perform(&post, response);
    *sent = post.bearer ? apr_pstrdup(p, post.bearer) : NULL;
    wipe_secrets(&post);
    *error = post.error;
    if (rv != APR_SUCCESS && !*error) {
        *error = apr_psprintf(p, "%s: no answer",
                              bearer_http_url_shown(endpoint, p));
    }
    return rv;
}

/* ---- a token by client_credentials -------------------------------------- */

/* RFC 6749 section 5.1 */
static apr_status_t read_grant(char **token, apr_interval_time_t *life,
                               const bearer_http_response_t *response,
                               const char *endpoint, const char **error,
                               apr_pool_t *p)
{
    const char *url = bearer_http_url_shown(endpoint, p), *text, *type;
    const json_t *expires_in;
    json_t *answer;

    if (response->status != 200) {
        *error = apr_psprintf(p, "%s answered %d to client_credentials: "
                              "AuthBearerClientID, AuthBearerClientSecret, and "
                              "whether that client may use this grant", url,
                              response->status);
        return APR_EGENERAL;
    }
    if (bearer_json_parse(&answer, response->body, response->body_len, &text, p)
        != APR_SUCCESS) {
        *error = apr_psprintf(p, "%s: the answer is not JSON: %s", url, text);
        return APR_EGENERAL;
    }
    text = bearer_json_string(answer, "access_token");
    type = bearer_json_string(answer, "token_type");
    if (!text || !*text || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkl"
                                  "mnopqrstuvwxyz0123456789-._~+/=")
                               != strlen(text)
        || (type && strcasecmp(type, "Bearer") != 0)) {
        *error = apr_psprintf(p, "%s: the answer holds no bearer token", url);
        return APR_EGENERAL;
    }
    expires_in = json_object_get(answer, "expires_in");
    *life = json_is_integer(expires_in) && json_integer_value(expires_in) > 0
                && json_integer_value(expires_in) < 366 * 86400
            ? apr_time_from_sec((apr_time_t)json_integer_value(expires_in))
            : BEARER_CLIENT_TOKEN_LIFE;
    *token = apr_pstrdup(p, text);
    return APR_SUCCESS;
}

static apr_status_t fetch_token(bearer_client_t *client, char **token,
                                apr_interval_time_t *life, const char **error,
                                apr_pool_t *p)
{
    apr_table_t *form = apr_table_make(p, 1);
    bearer_http_response_t *response;
    const char *endpoint;
    char *sent;
    apr_status_t rv;

    *error = NULL;
    endpoint = client->config.token_endpoint
        ? client->config.token_endpoint(client->config.baton, error, p) : NULL;
    if (!endpoint) {
        *error = *error ? *error : "the issuer names no token endpoint";
        return APR_NOTFOUND;
    }
    apr_table_setn(form, "grant_type", "client_credentials");
    rv = post_with(&response, client,
                   client->key ? BEARER_CLIENT_PRIVATE_KEY_JWT
                               : BEARER_CLIENT_SECRET_BASIC,
                   endpoint, form, "application/json", BEARER_CLIENT_TOKEN_MAX,
                   &sent, error, p);
    if (rv == APR_SUCCESS) {
        rv = read_grant(token, life, response, endpoint, error, p);
        bearer_secret_wipe((char *)(apr_uintptr_t)response->body,
                           response->body_len);
    }
    return rv;
}

static void drop_token(bearer_client_t *client)
{
    if (client->token) {
        bearer_secret_wipe(client->token, strlen(client->token));
        free(client->token);
        client->token = NULL;
    }
}

/* The flight is over; under mutex. */
static void land(bearer_client_t *client, apr_status_t rv, const char *token,
                 apr_interval_time_t life, const char *error, apr_time_t now)
{
    client->flying = 0;
    apr_cpystrn(client->error, rv == APR_SUCCESS ? "" : error, ERROR_MAX);
    if (rv == APR_SUCCESS) {
        drop_token(client);
        client->token = strdup(token);
        client->expires = now + life;
        client->renew = now + life - life / RENEW_PART;
    } else {
        client->renew = now + RENEW_AGAIN;
    }
    apr_thread_cond_broadcast(client->landed);
}

/* Called with the mutex held, which is released over the network. */
static void fly(bearer_client_t *client, apr_pool_t *p)
{
    apr_interval_time_t life = 0;
    const char *error = "";
    char *token = NULL;
    apr_status_t rv;

    client->flying = 1;
    apr_thread_mutex_unlock(client->mutex);
    rv = fetch_token(client, &token, &life, &error, p);
    apr_thread_mutex_lock(client->mutex);
    land(client, rv, token, life, error, bearer_world_now(client->access.world));
    if (token) {
        bearer_secret_wipe(token, strlen(token));
    }
    if (rv != APR_SUCCESS) {
        bearer_world_log(client->access.world, BEARER_LOG_WARNING,
                         "no token for requests to issuer %s: %s",
                         bearer_text_quote(p, client->access.issuer->url),
                         error);
    }
}

static int is_good(const bearer_client_t *client, apr_time_t now)
{
    return client->token && now < client->expires;
}

/* 1: somebody ought to fetch one now. */
static int is_wanted(const bearer_client_t *client, apr_time_t now)
{
    return !client->flying && (!is_good(client, now) || now >= client->renew);
}

/* Waits for the one in flight, for one request's time at most. */
static void wait_for_flight(bearer_client_t *client)
{
    apr_time_t end = apr_time_now() + settings_of(client)->timeout.total;

    while (client->flying && apr_time_now() < end) {
        apr_thread_cond_timedwait(client->landed, client->mutex,
                                  end - apr_time_now());
    }
}

static apr_status_t granted_token(bearer_client_t *client, char **token,
                                  const char **error, apr_pool_t *p)
{
    apr_time_t now = bearer_world_now(client->access.world);
    apr_status_t rv = APR_SUCCESS;

    apr_thread_mutex_lock(client->mutex);
    if (is_wanted(client, now)) {
        fly(client, p);
    } else if (!is_good(client, now)) {
        wait_for_flight(client);
    }
    if (is_good(client, now)) {
        *token = apr_pstrdup(p, client->token);
    } else {
        *error = apr_psprintf(p, "no token for the request: %s",
                              client->error[0] ? client->error
                                               : "none came in time");
        rv = APR_NOTFOUND;
    }
    apr_thread_mutex_unlock(client->mutex);
    return rv;
}

/* It was refused: the next request gets another, unless one has come already. */
static void refuse_token(bearer_client_t *client, const char *token)
{
    apr_thread_mutex_lock(client->mutex);
    if (client->token && strcmp(client->token, token) == 0) {
        drop_token(client);
    }
    apr_thread_mutex_unlock(client->mutex);
}

void bearer_client_maintain(bearer_client_t *client, apr_pool_t *ptemp)
{
    apr_time_t now = bearer_world_now(client->access.world);

    if (!by_client_credentials(client)) {
        return;
    }
    apr_thread_mutex_lock(client->mutex);
    if (client->token && is_wanted(client, now)) {
        fly(client, ptemp);
    }
    apr_thread_mutex_unlock(client->mutex);
}

/* ---- the whole ---------------------------------------------------------- */

apr_status_t bearer_client_post(bearer_http_response_t **response,
                                bearer_client_t *client, const char *endpoint,
                                const apr_table_t *form, const char *accept,
                                apr_size_t max, const char **error,
                                apr_pool_t *p)
{
    char *sent = NULL;
    apr_status_t rv;
    int tries;

    for (tries = 0; tries < 2; tries++) {
        rv = post_with(response, client, client->method, endpoint, form, accept,
                       max, &sent, error, p);
        if (rv != APR_SUCCESS || !sent || (*response)->status != 401) {
            break;
        }
        refuse_token(client, sent);   /* revoked before its time */
        bearer_secret_wipe(sent, strlen(sent));
    }
    if (sent) {
        bearer_secret_wipe(sent, strlen(sent));
    }
    return rv;
}

static apr_status_t forget(void *baton)
{
    drop_token(baton);
    return APR_SUCCESS;
}

static apr_status_t watch_secrets(bearer_client_t *client, apr_pool_t *p)
{
    const bearer_settings_t *s = settings_of(client);
    const bearer_secret_t *key = client->config.key;
    apr_status_t rv = APR_SUCCESS;

    if (s->client_secret) {
        rv = bearer_secret_watch(&client->secret, s->client_secret,
                                 client->access.world, p);
    }
    if (rv == APR_SUCCESS && s->client_key
        && client->method != BEARER_CLIENT_TLS) {
        key = key ? key : bearer_secret_of_file(s->client_key,
                                                "AuthBearerClientKey", p);
        rv = bearer_secret_watch(&client->key, key, client->access.world, p);
    }
    return rv;
}

apr_status_t bearer_client_create(bearer_client_t **out,
                                  const bearer_client_config_t *config,
                                  apr_pool_t *p)
{
    bearer_client_t *client = apr_pcalloc(p, sizeof(*client));
    apr_status_t rv;

    *out = client;
    client->config = *config;
    client->access = *config->access;
    client->method = bearer_client_method(client->access.settings);
    rv = apr_thread_mutex_create(&client->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&client->landed, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, client, forget, apr_pool_cleanup_null);
    return watch_secrets(client, p);
}
