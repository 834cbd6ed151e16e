/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What an issuer offers. See offer.h.
 */
#include "offer.h"

#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

#include "base/http.h"
#include "base/json.h"
#include "base/text.h"
#include "jose/alg.h"
#include "report/explain.h"

/** Maximum number of members of a list that are shown, and maximum bytes of each. */
#define LIST_MAX 100
#define WORD_MAX 256

#define AUTH_METHODS "introspection_endpoint_auth_methods_supported"
#define DPOP_ALGS "dpop_signing_alg_values_supported"

void offer_odd(offer_t *offer, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (offer->odd->nelts < LIST_MAX) {
        APR_ARRAY_PUSH(offer->odd, const char *) = apr_pvsprintf(offer->p, fmt, args);
    }
    va_end(args);
}

offer_t *offer_create(const char *asked, const apr_array_header_t *plain_http,
                      apr_pool_t *p)
{
    offer_t *offer = apr_pcalloc(p, sizeof(*offer));

    offer->p = p;
    offer->asked = asked;
    offer->plain_http = plain_http;
    offer->odd = apr_array_make(p, 4, sizeof(const char *));
    return offer;
}

int offer_key_count(const offer_t *offer)
{
    return offer->keys ? bearer_jwks_count(offer->keys) : 0;
}

/* ---- metadata ----------------------------------------------------------------- */

/* Entra ID's common endpoints: https://login.example/{tenantid}/v2.0 */
static const char *name_error(const offer_t *offer, const char *source,
                              const char *named)
{
    const char *shown = bearer_text_quote(offer->p, named);
    const char *error;

    if (!named) {
        return "the metadata does not name an issuer";
    }
    if (strchr(named, '{')) {
        return apr_psprintf(offer->p, "the metadata is for several tenants (%s); write "
                            "the ID of one tenant in the URL, or see AuthBearerTenants", shown);
    }
    error = bearer_http_url_error(named, source, offer->plain_http, offer->p);
    return error ? apr_psprintf(offer->p, "the issuer that the metadata names cannot "
                                "be used: %s", error) : NULL;
}

static const char *read_document(offer_t *offer, const char *source,
                                 const char *text, apr_size_t len)
{
    const char *error = NULL, *named;
    bearer_metadata_t *metadata;
    json_t *document;

    if (bearer_json_parse(&document, text, len, &error, offer->p) != APR_SUCCESS) {
        return error;
    }
    named = bearer_json_string(document, "issuer");
    error = name_error(offer, source, named);
    if (error) {
        return error;
    }
    if (bearer_metadata_parse(&metadata, text, len, named, source,
                              offer->plain_http, &error, offer->p) != APR_SUCCESS) {
        return error;
    }
    offer->document = document;
    offer->named = named;
    offer->metadata = metadata;
    return NULL;
}

/* Takes the members that the first document lacks; null is absent. */
static const char *merge_document(offer_t *offer, const char *text, apr_size_t len)
{
    const char *error = NULL, *name, *named;
    bearer_metadata_t *metadata;
    json_t *second, *value;
    char *both;

    if (bearer_json_parse(&second, text, len, &error, offer->p) != APR_SUCCESS) {
        return error;
    }
    named = bearer_json_string(second, "issuer");
    if (!named || strcmp(named, offer->named) != 0) {
        return apr_psprintf(offer->p, "ignored: it names another issuer (%s)",
                            bearer_text_quote(offer->p, named));
    }
    json_object_foreach(second, name, value) {
        const json_t *known = json_object_get(offer->document, name);

        if (!known || json_is_null(known)) {
            json_object_set(offer->document, name, value);
        }
    }
    both = bearer_json_text(offer->document, offer->p);
    if (!both || bearer_metadata_parse(&metadata, both, strlen(both), named, offer->source,
                                       offer->plain_http, &error, offer->p) != APR_SUCCESS) {
        return error ? error : "out of memory";
    }
    offer->metadata = metadata;
    return NULL;
}

apr_status_t offer_read_metadata(offer_t *offer, const char *source,
                                 const char *text, apr_size_t len,
                                 const char **error)
{
    int again = offer->metadata && !strcmp(offer->named, offer->asked);
    const char *problem = again ? merge_document(offer, text, len)
                                : read_document(offer, source, text, len);

    *error = NULL;
    if (problem) {
        *error = apr_psprintf(offer->p, "%s: %s",
                              bearer_http_url_shown(source, offer->p), problem);
        return APR_EINVAL;
    }
    offer->source = again ? offer->source : source;
    return APR_SUCCESS;
}

/* ---- keys --------------------------------------------------------------------- */

/* An untrusted document must not choose URLs on this host. */
static int is_inside(const offer_t *offer, const char *url)
{
    bearer_http_url_t asked, other;

    return !bearer_http_url_split(&other, url, offer->p)
           && bearer_http_is_loopback(other.host)
           && !bearer_http_url_split(&asked, offer->asked, offer->p)
           && !bearer_http_is_loopback(asked.host);
}

const char *offer_keys_url(offer_t *offer)
{
    const char *url = offer->metadata->jwks_uri;

    if (!url) {
        offer_odd(offer, "the metadata has no jwks_uri; set AuthBearerKeys URL, or "
                  "introspect the tokens (AuthBearerIntrospection)");
        return NULL;
    }
    if (is_inside(offer, url)) {
        offer_odd(offer, "jwks_uri %s is on this host; it was not requested",
                  bearer_http_url_shown(url, offer->p));
        return NULL;
    }
    return url;
}

static apr_status_t release_keys(void *keys)
{
    bearer_jwks_release(keys);
    return APR_SUCCESS;
}

/* Looks for private keys in the public key set: they are compromised. */
static void look_for_private_keys(offer_t *offer, const char *text, apr_size_t len)
{
    json_t *document, *key;
    size_t i;

    if (bearer_json_parse(&document, text, len, NULL, offer->p) != APR_SUCCESS) {
        return;
    }
    json_array_foreach(json_object_get(document, "keys"), i, key) {
        if (json_object_get(key, "d") || json_object_get(key, "k")) {
            offer_odd(offer, "DANGER: key %d of the key set contains its private key; "
                      "anyone can sign tokens with it", (int)i + 1);
            return;
        }
    }
}

void offer_read_keys(offer_t *offer, const char *text, apr_size_t len)
{
    bearer_jwks_report_t report = { 0, 0, NULL };
    const char *error = NULL;
    int i;

    if (bearer_jwks_parse(&offer->keys, text, len, BEARER_JWKS_REMOTE, &report,
                          &error, offer->p) != APR_SUCCESS) {
        offer->keys = NULL;
        offer_odd(offer, "the key set cannot be used: %s", error);
        return;
    }
    apr_pool_cleanup_register(offer->p, offer->keys, release_keys,
                              apr_pool_cleanup_null);
    look_for_private_keys(offer, text, len);
    for (i = 0; i < report.lines->nelts; i++) {
        offer_odd(offer, "%s", APR_ARRAY_IDX(report.lines, i, const char *));
    }
    if (!offer_key_count(offer)) {
        offer_odd(offer, "the key set has no usable keys");
    }
}

/* ---- warnings ------------------------------------------------------------------ */

int offer_lists(const offer_t *offer, const char *name, const char *value)
{
    const json_t *member;
    size_t i;

    json_array_foreach(json_object_get(offer->document, name), i, member) {
        if (json_is_string(member) && !strcmp(json_string_value(member), value)) {
            return 1;
        }
    }
    return 0;
}

static int of_that_kid(const offer_t *offer, const char *kid, int end)
{
    int i, n = 0;

    for (i = 0; i < end; i++) {
        const char *other = bearer_jwks_at(offer->keys, i)->kid;

        n += other && !strcmp(other, kid);
    }
    return n;
}

static void look_at_names_of_keys(offer_t *offer)
{
    int i, n = offer_key_count(offer), nameless = 0;

    for (i = 0; i < n; i++) {
        const char *kid = bearer_jwks_at(offer->keys, i)->kid;

        nameless += !kid;
        if (kid && !of_that_kid(offer, kid, i) && of_that_kid(offer, kid, n) > 1) {
            offer_odd(offer, "%d keys have the same kid %s; the first one that fits "
                      "the token's algorithm is used",
                      of_that_kid(offer, kid, n), bearer_text_quote(offer->p, kid));
        }
    }
    if (nameless && n > 1) {
        offer_odd(offer, "%d of %d keys have no kid; tokens cannot name the key that "
                  "signed them", nameless, n);
    }
}

static void look_at_host(offer_t *offer, const char *what, const char *url,
                         const char *consequence)
{
    if (url && !bearer_http_same_origin(url, offer->asked, offer->p)) {
        offer_odd(offer, "%s is on another host than the issuer: %s%s", what,
                  bearer_http_url_shown(url, offer->p), consequence);
    }
}

static int is_discovered(const offer_t *offer)
{
    bearer_issuer_t issuer = { .url = offer->named };

    return bearer_text_among(bearer_issuer_metadata_urls(&issuer, offer->p),
                             offer->source);
}

static void look_at_name(offer_t *offer)
{
    if (!strcmp(offer->named, offer->asked)) {
        return;
    }
    offer_odd(offer, "the metadata names the issuer %s, not %s; tokens must contain "
              "exactly this name, and the configuration below has it",
              bearer_text_quote(offer->p, offer->named),
              bearer_text_quote(offer->p, offer->asked));
    if (!is_discovered(offer)) {
        offer_odd(offer, "this is not the standard URL of that issuer's metadata; use "
                  "it only if you trust its host");
    }
}

static void look_around(offer_t *offer)
{
    const bearer_metadata_t *m = offer->metadata;
    int i;

    look_at_name(offer);
    for (i = 0; m->left_out && i < m->left_out->nelts; i++) {
        offer_odd(offer, "ignored: %s", APR_ARRAY_IDX(m->left_out, i,
                                                       const char *));
    }
    look_at_host(offer, "the key set", m->jwks_uri, "");
    look_at_host(offer, "the introspection endpoint", m->introspection_endpoint,
                 "; tokens and this server's secret are sent there");
    look_at_names_of_keys(offer);
    if (offer_lists(offer, "id_token_signing_alg_values_supported", "none")) {
        offer_odd(offer, "the issuer offers ID tokens without a signature (none); the "
                  "module refuses them");
    }
    if (!strncmp(offer->named, "http:", 5)) {
        offer_odd(offer, "the issuer uses http; except on loopback, anyone on the "
                  "network path can replace its keys");
    }
}

/* ---- a configuration -------------------------------------------------------------- */

static bearer_algs_t algorithms_of(const offer_t *offer)
{
    bearer_algs_t all = 0;
    int i;

    for (i = 0; i < offer_key_count(offer); i++) {
        all |= bearer_jwks_at(offer->keys, i)->algs;
    }
    return all;
}

void offer_line(const offer_t *offer, const char **conf, const char *directive,
                const char *value)
{
    *conf = apr_pstrcat(offer->p, *conf, "    ", directive, " ", value, "\n", NULL);
}

/* RFC 8414: client_secret_basic if the metadata names no method. */
const char *offer_client_auth(const offer_t *offer, const char *name)
{
    static const char *const known[] = {
        "client_secret_basic", "client_secret_post", "client_secret_jwt",
        "private_key_jwt", "tls_client_auth", NULL
    };
    int i;

    for (i = 0; known[i]; i++) {
        if (offer_lists(offer, name, known[i])) {
            return known[i];
        }
    }
    return known[0];
}

static const char *around(const offer_t *offer)
{
    bearer_http_url_t parts;

    return !strncmp(offer->named, "http:", 5)
           && !bearer_http_url_split(&parts, offer->named, offer->p)
           && !bearer_http_is_loopback(parts.host)
               ? apr_psprintf(offer->p, "AuthBearerPlainHTTP %s:%d\n", parts.host,
                              parts.port)
               : "";
}

static const char *inside(const offer_t *offer)
{
    bearer_algs_t algs = algorithms_of(offer);
    const char *conf = "";

    if (!is_discovered(offer)) {
        offer_line(offer, &conf, "AuthBearerMetadata",
                 bearer_settings_word(offer->source, 1, offer->p));
    }
    if (algs && !(algs & bearer_alg_defaults())) {
        offer_line(offer, &conf, "AuthBearerAlgorithms",
                 bearer_alg_names(algs, offer->p));
    }
    if (!offer->metadata->jwks_uri) {
        offer_line(offer, &conf, "# AuthBearerKeys", "https://...");
    }
    if (offer->ca_file) {
        offer_line(offer, &conf, "AuthBearerCAFile",
                 bearer_settings_word(offer->ca_file, 1, offer->p));
    }
    if (offer->http_proxy) {
        offer_line(offer, &conf, "AuthBearerHTTPProxy",
                 bearer_settings_word(offer->http_proxy, 1, offer->p));
    }
    return conf;
}

static const char *introspection(const offer_t *offer)
{
    const char *conf = "";

    if (offer->metadata->introspection_endpoint) {
        offer_line(offer, &conf, "# For opaque tokens:\n    # AuthBearerIntrospection "
                 "discover\n    # AuthBearerClientID orders-api\n    # "
                 "AuthBearerClientSecret file:/etc/apache2/bearer/client-secret\n    # "
                 "AuthBearerClientAuth", offer_client_auth(offer, AUTH_METHODS));
    }
    return conf;
}

/* RFC 8705 section 3.3. */
static int binds_to_certificates(const offer_t *offer)
{
    return json_is_true(json_object_get(offer->document,
                                        "tls_client_certificate_bound_access_tokens"));
}

/* Is there an algorithm that clients of this issuer and this server know (RFC 9449
 * section 5.1)? */
static int binds_to_keys(const offer_t *offer)
{
    bearer_algs_t all = bearer_alg_supported(BEARER_ALGS_ALL);
    const bearer_alg_t *alg;

    while ((alg = bearer_alg_next(&all)) != NULL) {
        if (alg->kty != BEARER_KTY_OCT && offer_lists(offer, DPOP_ALGS, alg->name)) {
            return 1;
        }
    }
    return 0;
}

/* A comment: which tokens are bound is each client's choice. */
static const char *proof(const offer_t *offer)
{
    int key = binds_to_keys(offer), certificate = binds_to_certificates(offer);

    return !key && !certificate ? "" : apr_pstrcat(
        offer->p,
        "    # A token that is bound to a client's key or certificate needs its proof.\n"
        "    # To refuse tokens that are not bound:\n    # AuthBearerProof",
        key ? " dpop" : "", certificate ? " mtls" : "", "\n",
        certificate ? "    # Client certificates need, in the virtual host:\n"
                      "    # SSLVerifyClient optional_no_ca\n" : "", NULL);
}

/* The URLs have been checked: they contain nothing that ends a line or a quoted word. */
static const char *configuration(const offer_t *offer)
{
    return apr_pstrcat(offer->p, around(offer),
                       "<AuthBearerIssuer \"", offer->named, "\">\n",
                       inside(offer), introspection(offer),
                       "</AuthBearerIssuer>\n"
                       "<Location \"/orders\">\n"
                       "    AuthType Bearer\n"
                       "    AuthName \"orders\"\n"
                       "    # The claim aud of tokens for this API:\n"
                       "    AuthBearerAudience api://orders\n", proof(offer),
                       "    Require valid-user\n"
                       "</Location>\n", NULL);
}

/* ---- as JSON -------------------------------------------------------------------- */

static json_t *word_json(const char *s, apr_pool_t *p)
{
    return !s ? json_null()
         : json_string(bearer_text_is_utf8(s, strlen(s)) && strlen(s) <= WORD_MAX
                       ? s : bearer_text_quote(p, s));
}

/* Returns the strings of an array in the document. */
static json_t *words_json(const offer_t *offer, const char *name)
{
    json_t *out = json_array(), *word;
    size_t i;

    json_array_foreach(json_object_get(offer->document, name), i, word) {
        if (json_is_string(word) && i < LIST_MAX) {
            json_array_append_new(out, word_json(json_string_value(word), offer->p));
        }
    }
    return out;
}

static const char *type_of(const bearer_jwk_t *key)
{
    return key->curve ? key->curve : key->kty == BEARER_KTY_RSA ? "RSA" : "oct";
}

static json_t *keys_json(const offer_t *offer)
{
    json_t *out = json_array();
    int i;

    for (i = 0; i < offer_key_count(offer); i++) {
        const bearer_jwk_t *key = bearer_jwks_at(offer->keys, i);

        json_array_append_new(out, json_pack(
            "{s:o s:s s:i s:s}", "kid", word_json(key->kid, offer->p), "type", type_of(key),
            "bits", key->bits, "algorithms", bearer_alg_names(key->algs, offer->p)));
    }
    return out;
}

json_t *offer_json(offer_t *offer)
{
    const bearer_metadata_t *m = offer->metadata;
    const char *login = offer_login(offer, around(offer), inside(offer));
    json_t *out;

    look_around(offer);
    out = json_pack(
        "{s:s s:s s:s? s:s? s:s? s:s? s:s? s:s? s:s? s:s? s:b s:b s:o s:b s:o s:o s:o s:o s:o s:o"
        " s:o?}",
        "issuer", offer->named, "metadata", offer->source, "jwks_uri", m->jwks_uri,
        "introspection_endpoint", m->introspection_endpoint,
        "authorization_endpoint", m->authorization_endpoint,
        "token_endpoint", m->token_endpoint, "userinfo_endpoint", m->userinfo_endpoint,
        "revocation_endpoint", m->revocation_endpoint,
        "end_session_endpoint", m->end_session_endpoint,
        "pushed_authorization_request_endpoint", m->pushed_authorization_request_endpoint,
        "pushed_required", m->require_pushed_authorization_requests,
        "back_channel", json_is_true(json_object_get(offer->document,
                                                     "backchannel_logout_supported")),
        "dpop_algorithms", words_json(offer, DPOP_ALGS),
        "certificate_bound", binds_to_certificates(offer),
        "client_auth", words_json(offer, AUTH_METHODS),
        "login_auth", words_json(offer, OFFER_LOGIN_AUTH),
        "scopes", words_json(offer, "scopes_supported"), "keys", keys_json(offer),
        "odd", bearer_json_strings(offer->odd),
        "configuration", bearer_explain_string(configuration(offer), offer->p),
        "login_configuration",
        login ? bearer_explain_string(login, offer->p) : NULL);
    bearer_json_tie(out, offer->p);
    return out;
}
