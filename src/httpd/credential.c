/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file credential.c
 * Check 1: exactly one token, by one method (RFC 6750 sections 2 and 3.1); and
 * afterwards its removal from whatever others see of the request.
 *
 * A token is looked for once per chain of requests: what carried it is gone by
 * the time a subrequest or an internal redirect is judged, so those take it
 * from the record of the request they came from.
 */
#include "glue.h"

#include <apr_lib.h>
#include <apr_uri.h>

APLOG_USE_MODULE(auth_bearer);

#define MASK "***"

/* RFC 6750 section 2.1: b64token. Returns the number of leading bytes that
 * belong to one. */
static apr_size_t b64token_span(const char *s)
{
    apr_size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "abcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    return n ? n + strspn(s + n, "=") : 0;
}

/** Tokens found so far. */
typedef struct search_t {
    request_rec *r;
    credential_t *found;
    int count;
} search_t;

static void fail(search_t *s, bearer_reason_t reason, const char *detail)
{
    s->found->reason = reason;
    s->found->detail = detail;
}

static void take(search_t *s, const bearer_from_t *from, const char *token)
{
    apr_size_t span = b64token_span(token);

    if (++s->count > 1) {
        fail(s, BEARER_CREDENTIAL_COUNT, "the request carries more than one "
             "token; one must be sent, by one of the ways of "
             "AuthBearerTokenFrom");
        return;
    }
    s->found->from = from;
    s->found->token = token;
    s->found->len = strlen(token);
    if (!*token) {
        fail(s, BEARER_CREDENTIAL_SYNTAX, "the token is empty");
    }
    else if (token[span]) {
        fail(s, BEARER_CREDENTIAL_SYNTAX,
             strchr(token + span, ',')
             ? "there is a comma behind the token: two Authorization lines, or "
               "two credentials in one; one must be sent"
             : apr_psprintf(s->r->pool, "byte %" APR_SIZE_T_FMT " of the "
                            "token is not one that RFC 6750 allows "
                            "(A-Z a-z 0-9 - . _ ~ + / and = at the end)",
                            span + 1));
    }
    else {
        s->found->reason = BEARER_OK;
    }
}

/* scheme 1*SP rest; rest, or NULL when the scheme is another */
static const char *after_scheme(const char *field, const char *scheme)
{
    apr_size_t len = strlen(scheme);

    if (strncasecmp(field, scheme, len) != 0
        || (field[len] && field[len] != ' ' && field[len] != '\t')) {
        return NULL;
    }
    field += len;
    while (*field == ' ') {
        field++;
    }
    return field;
}

static void from_header(search_t *s, const bearer_from_t *from)
{
    const char *field = apr_table_get(s->r->headers_in,
                                      from->name ? from->name : "Authorization");
    const char *token = field ? after_scheme(field, "Bearer") : NULL;

    if (token) {
        take(s, from, token);
    }
    else if (field && from->name) {
        take(s, from, field);  /* a header of one's own: the bare token */
    }
}

/* Calls take() for each cookie of that name. */
static void from_cookie(search_t *s, const bearer_from_t *from)
{
    const char *field = apr_table_get(s->r->headers_in, "Cookie");
    char *rest, *pair;

    if (!field) {
        return;
    }
    pair = apr_strtok(apr_pstrdup(s->r->pool, field), ";", &rest);
    for (; pair; pair = apr_strtok(NULL, ";", &rest)) {
        char *equals = strchr(pair, '=');

        while (*pair == ' ' || *pair == '\t') {
            pair++;
        }
        if (equals) {
            *equals = '\0';
            apr_collapse_spaces(pair, pair);
            if (strcmp(pair, from->name) == 0 && equals[1]) {
                take(s, from, equals + 1);
            }
        }
    }
}

static void from_query(search_t *s, const bearer_from_t *from)
{
    char *rest, *pair;

    if (!s->r->args) {
        return;
    }
    pair = apr_strtok(apr_pstrdup(s->r->pool, s->r->args), "&", &rest);
    for (; pair; pair = apr_strtok(NULL, "&", &rest)) {
        char *equals = strchr(pair, '=');

        if (!equals) {
            continue;
        }
        *equals++ = '\0';
        if (strcmp(pair, from->name) == 0) {
            take(s, from, ap_unescape_urlencoded(equals) == OK ? equals : "%");
        }
    }
}

static void from_env(search_t *s, const bearer_from_t *from)
{
    const char *value = apr_table_get(s->r->subprocess_env, from->name);
    const char *token;

    if (value && *value) {
        token = after_scheme(value, "Bearer");
        take(s, from, token ? token : value);
    }
}

static void from_basic(search_t *s, const bearer_from_t *from)
{
    const char *field = apr_table_get(s->r->headers_in, "Authorization");
    const char *encoded = field ? after_scheme(field, "Basic") : NULL;
    char *plain, *colon;

    if (!encoded) {
        return;
    }
    plain = ap_pbase64decode(s->r->pool, encoded);
    colon = strchr(plain, ':');
    if (!colon) {
        take(s, from, "");
        return;
    }
    *colon = '\0';
    if (from->name && strcmp(plain, from->name) != 0) {
        return;  /* somebody else's user name: not a credential for us */
    }
    take(s, from, colon + 1);
}

static void (*const readers[])(search_t *s, const bearer_from_t *from) = {
    [BEARER_FROM_HEADER] = from_header, [BEARER_FROM_COOKIE] = from_cookie,
    [BEARER_FROM_QUERY] = from_query,   [BEARER_FROM_ENV] = from_env,
    [BEARER_FROM_BASIC] = from_basic
};

static credential_t *inherited(const request_rec *r)
{
    while ((r = bearer_request_parent(r)) != NULL) {
        const request_t *earlier = bearer_request_peek(r);

        if (earlier && earlier->credential
            && earlier->credential->reason != BEARER_NO_CREDENTIAL) {
            return earlier->credential;
        }
    }
    return NULL;
}

const credential_t *bearer_credential_get(request_rec *r)
{
    request_t *own = bearer_request(r);
    bearer_settings_t settings;
    search_t s = { r, NULL, 0 };
    int i;

    if (own->credential) {
        return own->credential;
    }
    own->credential = inherited(r);
    if (own->credential) {
        return own->credential;
    }
    own->credential = s.found = apr_pcalloc(r->pool, sizeof(*s.found));
    s.found->reason = BEARER_NO_CREDENTIAL;
    bearer_config_resolve(&settings, r);
    for (i = 0; i < settings.token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings.token_from, i,
                                                   bearer_from_t);
        readers[from->kind](&s, from);
    }
    return own->credential;
}

int bearer_credential_from(const bearer_settings_t *settings,
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

/* ---- removal ------------------------------------------------------------ */

/* `a=1; name=2; b=3` without name; NULL when nothing is left */
static const char *without_cookie(apr_pool_t *p, const char *field,
                                  const char *name)
{
    const char *kept = NULL;
    char *rest, *pair = apr_strtok(apr_pstrdup(p, field), ";", &rest);

    for (; pair; pair = apr_strtok(NULL, ";", &rest)) {
        apr_size_t len = strlen(name);

        while (apr_isspace(*pair)) {
            pair++;
        }
        if (*pair && !(strncmp(pair, name, len) == 0 && pair[len] == '=')) {
            kept = kept ? apr_pstrcat(p, kept, "; ", pair, NULL) : pair;
        }
    }
    return kept;
}

static void strip_cookie(request_rec *r, const char *name)
{
    const char *field = apr_table_get(r->headers_in, "Cookie");
    const char *kept = field ? without_cookie(r->pool, field, name) : NULL;

    if (kept) {
        apr_table_setn(r->headers_in, "Cookie", kept);
    }
    else {
        apr_table_unset(r->headers_in, "Cookie");
    }
}

/* The value of each `name=` of a query, replaced. */
static const char *masked_query(apr_pool_t *p, const char *query,
                                const char *name, int *hit)
{
    const char *out = "";
    char *rest, *pair = apr_strtok(apr_pstrdup(p, query), "&", &rest);

    for (; pair; pair = apr_strtok(NULL, "&", &rest)) {
        apr_size_t len = strlen(name);

        if (strncmp(pair, name, len) == 0 && pair[len] == '=') {
            pair = apr_pstrcat(p, name, "=" MASK, NULL);
            *hit = 1;
        }
        out = apr_pstrcat(p, out, *out ? "&" : "", pair, NULL);
    }
    return out;
}

/* the_request and unparsed_uri hold `...?query...`: put the masked one there */
static char *with_query(apr_pool_t *p, const char *text, const char *old,
                        const char *masked)
{
    const char *at = text ? strstr(text, old) : NULL;

    return at ? apr_pstrcat(p, apr_pstrmemdup(p, text, (apr_size_t)(at - text)),
                            masked, at + strlen(old), NULL)
              : (char *)(apr_uintptr_t)text;
}

/* RFC 6750 section 5.3: a token in a URL ends up in logs and Referer fields. */
static void mask_query(request_rec *r, const char *name)
{
    const char *old = r->args, *masked;
    int hit = 0;

    if (!old) {
        return;
    }
    masked = masked_query(r->pool, old, name, &hit);
    if (!hit) {
        return;
    }
    r->the_request = with_query(r->pool, r->the_request, old, masked);
    r->unparsed_uri = with_query(r->pool, r->unparsed_uri, old, masked);
    r->parsed_uri.query = r->args = apr_pstrdup(r->pool, masked);
    /* RFC 6750 section 2.3: not into a shared cache */
    apr_table_mergen(r->headers_out, "Cache-Control", "private");
}

void bearer_credential_hide_query(request_rec *r,
                                  const bearer_settings_t *settings)
{
    int i;

    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i,
                                                   bearer_from_t);
        if (from->kind == BEARER_FROM_QUERY) {
            mask_query(r, from->name);
        }
    }
}

void bearer_credential_strip(request_rec *r, const bearer_settings_t *settings)
{
    static const char *const copies[] = {
        "HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION", NULL
    };
    int i, keep = settings->forward & BEARER_FORWARD_TOKEN;

    bearer_credential_hide_query(r, settings); /* whatever is forwarded */
    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i,
                                                   bearer_from_t);
        switch (from->kind) {
        case BEARER_FROM_COOKIE:
            if (!keep) {
                strip_cookie(r, from->name);
            }
            break;
        case BEARER_FROM_ENV:
            if (!keep) {
                apr_table_unset(r->subprocess_env, from->name);
            }
            break;
        case BEARER_FROM_HEADER:
            if (!keep && from->name) {
                apr_table_unset(r->headers_in, from->name);
            }
            break;
        case BEARER_FROM_QUERY:
        case BEARER_FROM_BASIC:
            break;
        }
    }
    if (!keep) {
        apr_table_unset(r->headers_in, "Authorization");
        for (i = 0; copies[i]; i++) {
            apr_table_unset(r->subprocess_env, copies[i]);
        }
    }
}

/* ---- cross-site requests ------------------------------------------------ */

/* Is this Origin the server that was asked? The scheme is left aside: behind a
 * TLS-terminating proxy it differs. */
static int own_origin(request_rec *r, const char *origin)
{
    const char *authority = strstr(origin, "://");
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *name;

    if (!authority) {
        return 0;  /* "null" is nobody's */
    }
    authority += 3;
    if (host && !ap_cstr_casecmp(authority, host)) {
        return 1;
    }
    name = ap_construct_url(r->pool, "", r);
    name = strstr(name, "://");
    return name && !ap_cstr_casecmp(authority, name + 3);
}

int bearer_credential_cross_site(request_rec *r, const credential_t *credential)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (!credential->from || credential->from->kind != BEARER_FROM_COOKIE
        || r->method_number == M_GET || r->method_number == M_OPTIONS
        || r->method_number == M_TRACE) {  /* HEAD is M_GET */
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
