/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer discover: prints what an issuer offers, warnings about it, and a
 * configuration for it. It sends the requests that a server would send, within a
 * server's limits. Of the URLs in a document, it requests only the key set. It does not
 * follow redirects. offer.c judges the documents.
 */
#include "ht.h"

#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>

#include "base/http.h"
#include "offer.h"
#include "tell.h"

/** A larger difference of the clocks is reported: the default of AuthBearerClockSkew. */
#define CLOCK_SECONDS 60

/** One examination of an issuer. */
typedef struct look_t {
    const ht_call_t *call;
    apr_pool_t *p;
    offer_t *offer;
    bearer_issuer_t issuer;
    bearer_settings_t settings;
    bearer_world_t world;
    bearer_issuer_access_t access;
} look_t;

/* ---- the issuer ------------------------------------------------------------- */

/* A user who pastes the URL of the document means the issuer. */
static const char *without_well_known(const char *url, apr_pool_t *p)
{
    static const char oidc[] = "/.well-known/openid-configuration";
    static const char oauth[] = "/.well-known/oauth-authorization-server";
    const char *at = strstr(url, oidc);

    if (at && !at[strlen(oidc)]) {
        return apr_pstrmemdup(p, url, (apr_size_t)(at - url));
    }
    at = strstr(url, oauth);
    return at ? apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(at - url)),
                            at + strlen(oauth), NULL) : url;
}

static const char *absolute(const char *path, apr_pool_t *p)
{
    char *out;

    return path && apr_filepath_merge(&out, NULL, path, 0, p) == APR_SUCCESS
               ? out : path;
}

static int prepare(look_t *l)
{
    const ht_call_t *call = l->call;
    const char *error;

    l->access.plain_http = ht_values(call, "plain-http");
    l->issuer.url = l->issuer.name = without_well_known(
        APR_ARRAY_IDX(call->operands, 0, const char *), l->p);
    error = bearer_http_url_error(l->issuer.url, NULL, l->access.plain_http,
                                  l->p);
    if (error) {
        return ht_usage(call, "%s", error);
    }
    if (strchr(l->issuer.url, '?')) {
        return ht_usage(call, "the URL of an issuer cannot have a query");
    }
    l->settings = *bearer_settings_defaults(l->p);
    l->settings.ca_file = absolute(ht_value(call, "ca-file"), l->p);
    l->settings.http_proxy = ht_value(call, "http-proxy");
    l->access.issuer = &l->issuer;
    l->access.settings = &l->settings;
    l->access.world = &l->world;
    l->offer = offer_create(l->issuer.url, l->access.plain_http, l->p);
    l->offer->ca_file = l->settings.ca_file;
    l->offer->http_proxy = l->settings.http_proxy;
    return ht_world(call, &l->world, 0);
}

/* ---- requests ---------------------------------------------------------------- */

/* Returns 1 if there is a usable document. */
static int ask_for_metadata(look_t *l, const char *url, int *answered)
{
    bearer_http_response_t *response;
    const char *error;
    apr_status_t rv = bearer_issuer_get(&response, &l->access, url,
                                        BEARER_METADATA_MAX, &error, l->p);

    *answered = response || rv == APR_ENOSPC;
    if (rv == APR_SUCCESS) {
        rv = offer_read_metadata(l->offer, url, response->body,
                                 response->body_len, &error);
    }
    if (rv != APR_SUCCESS && !(rv == APR_NOTFOUND && l->offer->metadata)) {
        ht_say(l->call, "%s", error);
    }
    return rv == APR_SUCCESS;
}

/* All addresses are on one host: if it does not answer, the next address would fail
 * too. Like a login, this reads both documents. */
static int find_metadata(look_t *l)
{
    const apr_array_header_t *urls = bearer_issuer_metadata_urls(&l->issuer, l->p);
    int i, answered = 1, found = 0;

    for (i = 0; answered && i < urls->nelts; i++) {
        found |= ask_for_metadata(l, APR_ARRAY_IDX(urls, i, const char *), &answered);
    }
    return found ? HT_OK
         : ht_fail(l->call, HT_REFUSED, "no metadata found; check that %s is the claim "
                   "iss of the issuer's tokens; if the issuer has no metadata, set "
                   "AuthBearerKeys", bearer_http_url_shown(l->issuer.url, l->p));
}

static void look_at_answer(look_t *l, const bearer_http_response_t *response)
{
    const char *date = apr_table_get(response->headers, "Date");
    apr_time_t theirs = date ? bearer_http_date(date) : 0;
    apr_int64_t ahead = apr_time_sec(theirs) - apr_time_sec(apr_time_now());

    if (!apr_table_get(response->headers, "Cache-Control")
        && !apr_table_get(response->headers, "Expires")) {
        offer_odd(l->offer, "the key set has no cache headers; it is fetched once an "
                  "hour (AuthBearerKeysRefresh)");
    }
    if (theirs && (ahead > CLOCK_SECONDS || ahead < -CLOCK_SECONDS)) {
        offer_odd(l->offer, "the issuer's clock is %" APR_INT64_T_FMT " s %s this "
                  "host's, so tokens appear %s; correct the clocks (allowed difference: "
                  "AuthBearerClockSkew)",
                  ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead of" : "behind",
                  ahead > 0 ? "not yet valid" : "expired");
    }
}

static void ask_for_keys(look_t *l)
{
    const char *url = offer_keys_url(l->offer), *error;
    bearer_http_response_t *response;

    if (!url) {
        return;
    }
    if (bearer_issuer_get(&response, &l->access, url, BEARER_JWKS_MAX_BYTES,
                          &error, l->p) != APR_SUCCESS) {
        offer_odd(l->offer, "the key set is unavailable: %s", error);
        return;
    }
    offer_read_keys(l->offer, response->body, response->body_len);
    look_at_answer(l, response);
}

/* ---- output ------------------------------------------------------------------- */

static int report(const look_t *l)
{
    int status = ht_report(l->call, offer_json(l->offer), tell_offer);

    return status != HT_OK ? status
         : offer_key_count(l->offer) ? HT_OK
         : ht_fail(l->call, HT_REFUSED, "the issuer has no usable keys; its JWTs "
                   "cannot be verified");
}

static int run(const ht_call_t *call)
{
    look_t *l = apr_pcalloc(call->p, sizeof(*l));
    int status;

    l->call = call;
    l->p = call->p;
    if (call->operands->nelts != 1) {
        return ht_usage(call, "expected the URL of one issuer");
    }
    status = prepare(l);
    if (status == HT_OK) {
        status = find_metadata(l);
    }
    if (status != HT_OK) {
        return status;
    }
    ask_for_keys(l);
    return report(l);
}

static const ht_option_t options[] = {
    { "ca-file", "FILE", 0, "AuthBearerCAFile" },
    { "http-proxy", "URL", 0, "AuthBearerHTTPProxy" },
    { "plain-http", "HOST", HT_REPEAT, "AuthBearerPlainHTTP" },
    { "json", NULL, 0, "print one JSON object" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_discover = {
    "discover", "URL", 0,
    "Show what an issuer offers, and print a configuration for it.",
    "URL is the claim iss of the issuer's tokens, or the URL of its metadata. Only "
    "metadata and keys are requested; each request is announced on standard error. "
    "Redirects are not followed. Exit status 1: no usable keys or metadata.",
    options, run
};
