/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file credential.c
 * Check 1: exactly one token, by one method (RFC 6750 sections 2 and 3.1). Afterwards
 * the token is removed from everything that others see of the request.
 *
 * A token is searched for once per chain of requests. When a subrequest or an internal
 * redirect is judged, the header with the token is already removed. So these requests
 * take the token from the record of the request that created them.
 */
#include "credential.h"
#include "browser.h"
#include "records.h"

#include <apr_strings.h>
#include <http_core.h>
#include <scoreboard.h>

#include "base/reason.h"
#include "judge/credential_syntax.h"
#include "trust/settings.h"

/* Each kind of source needs a case; the compiler warns if one is missing. */
static void look(bearer_found_t *found, const bearer_from_t *from, request_rec *r)
{
    const char *name = from->kind == BEARER_FROM_COOKIE ? "Cookie"
                     : from->kind == BEARER_FROM_HEADER && from->name ? from->name
                                                                      : "Authorization";
    const char *text = from->kind == BEARER_FROM_QUERY ? r->args
                     : from->kind == BEARER_FROM_ENV
                         ? apr_table_get(r->subprocess_env, from->name)
                         : apr_table_get(r->headers_in, name);

    if (!text) {
        return;
    }
    switch (from->kind) {
    case BEARER_FROM_HEADER:
        if (!from->name) {
            bearer_syntax_authorization(found, text);
        } else {
            bearer_syntax_bare(found, text);
        }
        break;
    case BEARER_FROM_COOKIE:
        bearer_syntax_cookie(found, text, from->name, r->pool);
        break;
    case BEARER_FROM_QUERY:
        bearer_syntax_query(found, text, from->name, r->pool);
        break;
    case BEARER_FROM_ENV:
        if (*text) {
            bearer_syntax_bare(found, text);
        }
        break;
    case BEARER_FROM_BASIC:
        bearer_syntax_basic(found, text, from->name, r->pool);
        break;
    case BEARER_FROM_COUNT:
        break;
    }
}

/* Searches all sources: two tokens are an error, wherever they are. */
static credential_t *search(request_rec *r)
{
    credential_t *credential = apr_pcalloc(r->pool, sizeof(*credential));
    bearer_refusal_t why = { BEARER_OK, NULL };
    const bearer_settings_t *settings = ab_config_of(r);
    bearer_found_t found = { NULL, NULL, 0, 0 };
    int i;

    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i, bearer_from_t);

        look(&found, from, r);
        if (found.count && !credential->from) {
            credential->from = from;
            credential->token = found.token;
            credential->len = strlen(found.token);
        }
    }
    credential->reason = bearer_syntax_judge(&found, &why, r->pool);
    credential->detail = why.detail;
    credential->dpop = found.dpop;
    return credential;
}

const credential_t *ab_credential_get(request_rec *r)
{
    request_t *own = ab_request(r);
    const request_rec *q = r;

    while (!own->credential && (q = ab_request_parent(q)) != NULL) {
        const request_t *earlier = ab_request_peek(q);

        if (earlier && earlier->credential
            && earlier->credential->reason != BEARER_NO_CREDENTIAL) {
            own->credential = earlier->credential;
        }
    }
    if (!own->credential) {
        own->credential = search(r);
    }
    return own->credential;
}

int ab_credential_from(const bearer_settings_t *settings,
                       bearer_from_kind_t kind)
{
    int i;

    for (i = 0; i < settings->token_from->nelts; i++) {
        if (APR_ARRAY_IDX(settings->token_from, i, bearer_from_t).kind == kind) {
            return 1;
        }
    }
    return 0;
}

int ab_credential_from_other(const bearer_settings_t *settings,
                            bearer_from_kind_t kind)
{
    int i = 0;

    while (i < settings->token_from->nelts
           && APR_ARRAY_IDX(settings->token_from, i, bearer_from_t).kind == kind) {
        i++;
    }
    return i < settings->token_from->nelts;
}

/* ---- proofs of possession ------------------------------------------------ */

const char *ab_credential_proof(request_rec *r)
{
    const char *field = NULL;
    const request_rec *q;

    for (q = r; q && !field; q = ab_request_parent(q)) {
        const request_t *record = ab_request_peek(q);

        field = record ? record->proof_field : NULL;
    }
    field = field ? field : apr_table_get(r->headers_in, "DPoP");
    return field && *field ? field : NULL;
}

const char *ab_credential_certificate(request_rec *r)
{
    const char *name = ab_config_of(r)->proof.certificate, *field = NULL;
    const request_rec *q;

    for (q = r; name && q && !field; q = ab_request_parent(q)) {
        const request_t *record = ab_request_peek(q);

        if (record && record->certificate_name
            && !ap_cstr_casecmp(record->certificate_name, name)) {
            field = record->certificate_field;
        }
    }
    field = field || !name ? field : apr_table_get(r->headers_in, name);
    return field && *field ? field : NULL;
}

void ab_credential_keep_proof(request_rec *r, const bearer_settings_t *settings)
{
    const char *name = settings->proof.certificate;

    if (apr_table_get(r->headers_in, "DPoP")) {
        ab_request(r)->proof_field = ab_credential_proof(r);
    }
    if (name && apr_table_get(r->headers_in, name)) {
        request_t *own = ab_request(r);

        own->certificate_field = ab_credential_certificate(r);
        own->certificate_name = name;
    }
}

/* ---- removal ------------------------------------------------------------ */

static const char *masked(request_rec *r, const char *text, const char *name)
{
    return text ? bearer_syntax_mask_url(text, name, r->pool) : NULL;
}

/* The scoreboard, and so mod_status, holds the first bytes of the request line. A
 * shorter line would leave the old end in place. */
static void show_in_scoreboard(request_rec *r, char *line)
{
    r->the_request = line;
    ap_update_child_status(r->connection->sbh, SERVER_BUSY_WRITE, r);
}

/* RFC 6750 section 5.3: a token in a URL ends up in logs and Referer headers. Each copy
 * is searched separately, because another module may have rewritten one. */
void ab_credential_mask(request_rec *r, const char *name)
{
    const char *referer = masked(r, apr_table_get(r->headers_in, "Referer"), name);
    const char *line = masked(r, r->the_request, name);
    const char *args = r->args ? bearer_syntax_mask_query(r->args, name, r->pool)
                               : NULL;

    if (args != r->args) {
        r->args = apr_pstrdup(r->pool, args);
    }
    r->parsed_uri.query = r->args;
    if (line != r->the_request) {
        show_in_scoreboard(r, apr_psprintf(r->pool, "%255s", ""));
        show_in_scoreboard(r, apr_pstrdup(r->pool, line));
    }
    r->unparsed_uri = apr_pstrdup(r->pool, masked(r, r->unparsed_uri, name));
    if (r->proxyreq) {  /* ProxyPass ... nocanon has added the query */
        r->filename = apr_pstrdup(r->pool, masked(r, r->filename, name));
    }
    if (referer) {
        apr_table_setn(r->headers_in, "Referer", referer);
    }
}

void ab_credential_hide_query(request_rec *r,
                              const bearer_settings_t *settings)
{
    int i;

    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i,
                                                   bearer_from_t);
        request_rec *q = from->kind == BEARER_FROM_QUERY ? r : NULL;

        /* the request that is logged in the end is the client's */
        for (; q; q = q->prev) {
            ab_credential_mask(q, from->name);
        }
    }
}

/* If a session was used, another source may contain a token that was not verified. */
int ab_credential_verified_from(const request_rec *r,
                                const bearer_from_t *from)
{
    const request_t *record = ab_request_principal(r);
    const credential_t *winner = record ? record->winner : NULL;

    return winner && winner->reason == BEARER_OK
        && winner->from->kind == from->kind
        && !strcmp(winner->from->name ? winner->from->name : "",
                   from->name ? from->name : "");
}

/* ---- cross-site requests ------------------------------------------------ */

/* Does this Origin name the requested server? The scheme is ignored, because it differs
 * behind a proxy that terminates TLS. */
static int own_origin(request_rec *r, const char *origin)
{
    const char *authority = strstr(origin, "://");
    const char *host = apr_table_get(r->headers_in, "Host");
    const browser_t *browser = ab_browser_of(r);
    const char *name;

    if (browser && !ap_cstr_casecmp(browser->origin, origin)) {
        return 1;  /* AuthBearerBaseURL */
    }
    if (!authority) {
        return 0;  /* "null" is not an origin */
    }
    authority += 3;
    if (host && !ap_cstr_casecmp(authority, host)) {
        return 1;
    }
    name = ap_construct_url(r->pool, "", r);
    name = strstr(name, "://");
    return name && !ap_cstr_casecmp(authority, name + 3);
}

/* RFC 9110 section 9.2.1. WebSockets count too: any page may open one and then send
 * messages over it (RFC 6455 section 10.2). */
static int changes_state(request_rec *r)
{
    const char *upgrade = apr_table_get(r->headers_in, "Upgrade");

    return (r->method_number != M_GET && r->method_number != M_OPTIONS
            && r->method_number != M_TRACE)  /* HEAD is M_GET */
        || (upgrade && ap_cstr_casecmpn(upgrade, "websocket", 9) == 0);
}

/* Is it a credential that browsers add to a request automatically, even if another site
 * caused the request? */
static int is_ambient(bearer_from_kind_t kind)
{
    return kind == BEARER_FROM_COOKIE || kind == BEARER_FROM_BASIC;
}

int ab_credential_cross_site(request_rec *r, const credential_t *credential)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (!credential->from || !is_ambient(credential->from->kind)
        || !changes_state(r)) {
        return 0;
    }
    if (site && !ap_cstr_casecmp(site, "cross-site")) {
        return 1;
    }
    if (site && !ap_cstr_casecmp(site, "same-origin")) {
        return 0;
    }
    return origin && !own_origin(r, origin);
}
