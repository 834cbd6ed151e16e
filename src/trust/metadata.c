/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * An issuer's metadata (RFC 8414, OpenID Connect Discovery), and bounded requests to
 * the issuer. Declared in issuer.h. Thread-safe: no state.
 */
#include "trust/issuer.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

#include "base/json.h"
#include "base/text.h"

/** Maximum size of an AuthBearerFetchAuth file, in bytes. */
#define FETCH_AUTH_MAX (16 * 1024)
/** Maximum number of words that are read of a list. */
#define LIST_MAX 200

/* ---- metadata URLs ----------------------------------------------------- */

static void push(apr_array_header_t *list, const char *s)
{
    APR_ARRAY_PUSH(list, const char *) = s;
}

/* RFC 8414 section 3.1 and Discovery section 4: an issuer with a query or a
 * fragment does not support discovery; a final slash is ignored. */
static void push_well_known(apr_array_header_t *urls, const char *issuer,
                            apr_pool_t *p)
{
    bearer_http_url_t parts;
    apr_size_t len = strlen(issuer);
    apr_size_t path_len;

    if (bearer_http_url_split(&parts, issuer, p) || strchr(issuer, '?')) {
        return;
    }
    path_len = strlen(parts.path);
    if (path_len && parts.path[path_len - 1] == '/') {
        path_len--;
        len--;
    }
    issuer = apr_pstrmemdup(p, issuer, len);
    push(urls, apr_pstrcat(p, apr_pstrmemdup(p, issuer, len - path_len),
                           "/.well-known/oauth-authorization-server",
                           issuer + len - path_len, NULL));
    push(urls, apr_pstrcat(p, issuer, "/.well-known/openid-configuration",
                           NULL));
}

const apr_array_header_t *bearer_issuer_metadata_urls(const bearer_issuer_t *issuer,
                                                      apr_pool_t *p)
{
    apr_array_header_t *urls = apr_array_make(p, 2, sizeof(const char *));

    if (issuer->metadata.kind == BEARER_SOURCE_URL) {
        push(urls, issuer->metadata.value);
    } else if (issuer->metadata.kind == BEARER_SOURCE_DISCOVER
               && !bearer_issuer_is_template(issuer)) {
        push_well_known(urls, issuer->url, p);
    }
    return urls;
}

/* ---- URLs in a configuration ------------------------------------------- */

/* Returns the URL to fetch, for any tenant, or NULL. {tenant} contains characters
 * that a URL cannot have, and is never part of the host. */
static const char *url_of(const bearer_source_t *source, apr_pool_t *p)
{
    return source->kind == BEARER_SOURCE_URL || source->kind == BEARER_SOURCE_SPIFFE_URL
        ? bearer_issuer_expand(source->value, "t", p) : NULL;
}

static const char *source_error(const bearer_source_t *source, const char *directive,
                                const apr_array_header_t *plain_http, apr_pool_t *p)
{
    const char *url = url_of(source, p);
    const char *error = url ? bearer_http_url_error(url, NULL, plain_http, p) : NULL;

    return error ? apr_pstrcat(p, directive, ": ", error, NULL) : NULL;
}

static int discovers(const bearer_issuer_t *issuer)
{
    return issuer->metadata.kind == BEARER_SOURCE_DISCOVER
           && (bearer_issuer_has_keys(issuer, BEARER_SOURCE_DISCOVER)
               || issuer->introspection.kind == BEARER_SOURCE_DISCOVER);
}

const char *bearer_issuer_fetch_error(const bearer_issuer_t *issuer,
                                      const apr_array_header_t *plain_http,
                                      apr_pool_t *p)
{
    const char *error = source_error(&issuer->metadata, "AuthBearerMetadata", plain_http, p);
    int i;

    for (i = 0; !error && i < bearer_issuer_key_sources(issuer); i++) {
        error = source_error(&issuer->keys[i], "AuthBearerKeys", plain_http, p);
    }
    error = error ? error : source_error(&issuer->introspection, "AuthBearerIntrospection",
                                         plain_http, p);
    error = error ? error : bearer_endpoint_error(issuer, plain_http, p);
    if (error || !discovers(issuer)) {
        return error;
    }
    error = bearer_http_url_error(issuer->url, NULL, plain_http, p);
    if (!error && strchr(issuer->url, '?')) {
        error = "an issuer with a query cannot be discovered";
    }
    return error ? apr_pstrcat(p, "AuthBearerIssuer: ", error,
                               "; or name the keys (AuthBearerKeys URL or file:PATH): then the "
                               "issuer may be any string",
                               NULL)
                 : NULL;
}

/* ---- one request ------------------------------------------------------- */

static int is_own_host(const bearer_issuer_access_t *access, const char *url,
                       apr_pool_t *p)
{
    const bearer_issuer_t *issuer = access->issuer;
    int i, own = bearer_http_same_origin(bearer_issuer_expand(issuer->url, "t", p), url, p)
        || bearer_http_same_origin(url_of(&issuer->metadata, p), url, p);

    for (i = 0; !own && i < bearer_issuer_key_sources(issuer); i++) {
        own = bearer_http_same_origin(url_of(&issuer->keys[i], p), url, p);
    }
    return own;
}

/* Read at each fetch, because Kubernetes rotates the file. */
static apr_status_t add_fetch_auth(apr_table_t *headers, const char *path,
                                   const char **error, apr_pool_t *p)
{
    const char *text, *token;
    char *end;
    apr_size_t len;
    apr_status_t rv = bearer_text_read_file(&text, &len, path, FETCH_AUTH_MAX,
                                            error, p);

    if (rv != APR_SUCCESS) {
        *error = apr_psprintf(p, "AuthBearerFetchAuth: %s: %s",
                              bearer_text_quote(p, path), *error);
        return rv;
    }
    token = text + strspn(text, " \t\r\n");
    end = (char *)(apr_uintptr_t)token + strcspn(token, " \t\r\n");
    if (end == token || end[strspn(end, " \t\r\n")]) {
        *error = apr_psprintf(p, "AuthBearerFetchAuth: %s does not contain exactly one token",
                              bearer_text_quote(p, path));
        rv = APR_EINVAL;
    } else {
        *end = '\0';
        apr_table_setn(headers, "Authorization", apr_pstrcat(p, "Bearer ", token, NULL));
    }
    OPENSSL_cleanse((void *)(apr_uintptr_t)text, len);
    return rv;
}

static void wipe_fetch_auth(const bearer_http_request_t *r)
{
    const char *field = apr_table_get(r->headers, "Authorization");

    if (field) {
        OPENSSL_cleanse((void *)(apr_uintptr_t)field, strlen(field));
    }
}

void bearer_request_bound(bearer_http_request_t *r, const bearer_settings_t *settings,
                          int party, apr_size_t max)
{
    memset(r, 0, sizeof(*r));
    r->connect_timeout = settings->timeout.connect;
    r->total_timeout = settings->timeout.total;
    r->max_body = max;
    r->ca_file = settings->ca_file;
    r->proxy = settings->http_proxy;
    r->party = party;
}

apr_status_t bearer_issuer_request(bearer_http_request_t *r,
                                   const bearer_issuer_access_t *access,
                                   const char *method, const char *url,
                                   const apr_table_t *headers, apr_size_t max,
                                   const char **error, apr_pool_t *p)
{
    bearer_request_bound(r, access->settings, access->issuer->party, max);
    r->method = method;
    r->url = url;
    r->headers = headers;
    *error = bearer_http_url_error(url, NULL, access->plain_http, p);
    if (*error) {
        return APR_EINVAL;
    }
    if (!access->world->http) {
        *error = "no requests are possible here";
        return APR_ENOTIMPL;
    }
    if (access->deadline) {
        apr_interval_time_t left = access->deadline
                                   - bearer_world_now(access->world);

        if (left <= 0) {
            *error = "no time is left (AuthBearerTimeout total=)";
            return APR_TIMEUP;
        }
        r->total_timeout = left < r->total_timeout ? left : r->total_timeout;
    }
    return APR_SUCCESS;
}

apr_status_t bearer_issuer_perform(bearer_http_response_t **response,
                                   const bearer_issuer_access_t *access,
                                   const bearer_http_request_t *r,
                                   const char **error, apr_pool_t *p)
{
    const bearer_http_client_t *http = access->world->http;
    apr_status_t rv = http->perform(http, r, response, error, p);

    rv = rv == APR_SUCCESS && !*response ? APR_EGENERAL : rv;
    if (rv != APR_SUCCESS && !*error) {
        *error = apr_psprintf(p, "%s: no response", bearer_http_url_shown(r->url, p));
    }
    return rv;
}

/* Says how to authenticate a request that the issuer refused. */
static const char *auth_remedy(const bearer_issuer_access_t *access,
                               const char *url, apr_pool_t *p)
{
    if (!access->issuer->fetch_auth_file) {
        return "; AuthBearerFetchAuth can send a token";
    }
    return is_own_host(access, url, p)
        ? ": it does not accept the token of AuthBearerFetchAuth"
        : ": the token of AuthBearerFetchAuth is only sent to configured hosts; name this URL in "
          "AuthBearerKeys";
}

static apr_status_t status_error(const bearer_http_response_t *response,
                                 const bearer_issuer_access_t *access,
                                 const char *url, const char **error,
                                 apr_pool_t *p)
{
    const char *remedy = "";

    if (response->status == 200) {
        return APR_SUCCESS;
    }
    if (response->status / 100 == 3) {
        remedy = ": redirects are not followed; configure the final URL";
    } else if (response->status == 401 || response->status == 403) {
        remedy = auth_remedy(access, url, p);
    }
    *error = apr_psprintf(p, "%s answered %d%s", bearer_http_url_shown(url, p),
                          response->status, remedy);
    return response->status == 404 || response->status == 410 ? APR_NOTFOUND
                                                              : APR_EGENERAL;
}

apr_status_t bearer_issuer_get(bearer_http_response_t **response,
                               const bearer_issuer_access_t *access,
                               const char *url, apr_size_t max,
                               const char **error, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 2);
    bearer_http_request_t request;
    apr_status_t rv = bearer_issuer_request(&request, access, "GET", url, headers, max,
                                            error, p);

    *response = NULL;
    apr_table_setn(headers, "Accept", "application/json, */*;q=0.1");
    if (rv == APR_SUCCESS && access->issuer->fetch_auth_file
        && is_own_host(access, url, p)) {
        rv = add_fetch_auth(headers, access->issuer->fetch_auth_file, error, p);
    }
    if (rv == APR_SUCCESS) {
        rv = bearer_issuer_perform(response, access, &request, error, p);
        wipe_fetch_auth(&request);
    }
    return rv == APR_SUCCESS ? status_error(*response, access, url, error, p) : rv;
}

/* ---- one document ------------------------------------------------------ */

/* Returns NULL if the endpoint is absent or ignored. */
static const char *endpoint_in(const json_t *object, const char *name,
                               const bearer_metadata_t *metadata,
                               const apr_array_header_t *plain_http,
                               apr_array_header_t *left_out, apr_pool_t *p)
{
    const char *url = bearer_json_string(object, name);
    const char *error = url ? bearer_http_url_error(url, metadata->source, plain_http, p)
                            : NULL;

    if (error) {
        push(left_out, apr_pstrcat(p, name, ": ", error, NULL));
    }
    return error ? NULL : apr_pstrdup(p, url);
}

static const apr_array_header_t *take_list(const json_t *object, const char *name,
                                           apr_pool_t *p)
{
    const json_t *all = json_object_get(object, name);
    apr_array_header_t *list;
    size_t i;

    if (!json_is_array(all)) {
        return NULL;
    }
    list = apr_array_make(p, 8, sizeof(const char *));
    for (i = 0; i < json_array_size(all) && i < LIST_MAX; i++) {
        const char *one = json_string_value(json_array_get(all, i));

        if (one) {
            push(list, apr_pstrdup(p, one));
        }
    }
    return list;
}

/* RFC 8414 section 3.3: otherwise one issuer could replace another's metadata. Entra
 * ID's document for all tenants writes {tenantid}. */
static const char *issuer_error(const json_t *object, const char *issuer,
                                apr_pool_t *p)
{
    const char *found = bearer_json_string(object, "issuer");
    const char *id = found && strstr(issuer, "{tenant}") ? strstr(found, "{tenantid}") : NULL;
    const char *same = id ? apr_pstrcat(p, apr_pstrmemdup(p, found, (apr_size_t)(id - found)),
                                        "{tenant}", id + strlen("{tenantid}"), NULL) : found;

    if (same && strcmp(same, issuer) == 0) {
        return NULL;
    }
    return apr_psprintf(p, "its issuer is %s, not %s as configured; the two must be identical, "
                        "including a final slash",
                        bearer_text_quote(p, found),
                        bearer_text_quote(p, issuer));
}

/* Takes a document of this issuer. */
static apr_status_t take_document(bearer_metadata_t **metadata, const json_t *object,
                                  const char *issuer, const char *source,
                                  const apr_array_header_t *plain_http,
                                  const char **error, apr_pool_t *p)
{
    apr_array_header_t *left_out = apr_array_make(p, 2, sizeof(const char *));
    bearer_metadata_t *m = apr_pcalloc(p, sizeof(*m));

    *metadata = NULL;
    m->issuer = apr_pstrdup(p, issuer);
    m->source = apr_pstrdup(p, source);
#define X(name) m->name = endpoint_in(object, #name, m, plain_http, left_out, p);
    BEARER_ENDPOINTS(X)
#undef X
    if (!m->jwks_uri && json_object_get(object, "jwks_uri")) {
        *error = left_out->nelts ? APR_ARRAY_IDX(left_out, 0, const char *)
                                 : "jwks_uri is not a string";
        return APR_EINVAL;
    }
    m->require_pushed_authorization_requests = json_is_true(
        json_object_get(object, "require_pushed_authorization_requests"));
    m->authorization_response_iss_parameter_supported =
        json_is_true(json_object_get(
            object, "authorization_response_iss_parameter_supported"));
#define X(name) m->name = take_list(object, #name, p);
    BEARER_METADATA_LISTS(X)
#undef X
    m->left_out = left_out->nelts ? left_out : NULL;
    *metadata = m;
    return APR_SUCCESS;
}

/* Also returns the document itself, which lives as long as p. */
static apr_status_t read_document(bearer_metadata_t **metadata, json_t **object,
                                  const char *text, apr_size_t len,
                                  const char *issuer, const char *source,
                                  const apr_array_header_t *plain_http,
                                  const char **error, apr_pool_t *p)
{
    *metadata = NULL;
    if (bearer_json_parse(object, text, len, error, p) != APR_SUCCESS) {
        return APR_EINVAL;
    }
    *error = issuer_error(*object, issuer, p);
    return *error ? APR_EINVAL : take_document(metadata, *object, issuer, source, plain_http,
                                               error, p);
}

apr_status_t bearer_metadata_parse(bearer_metadata_t **metadata,
                                   const char *text, apr_size_t len,
                                   const char *issuer, const char *source,
                                   const apr_array_header_t *plain_http,
                                   const char **error, apr_pool_t *p)
{
    json_t *object;

    return read_document(metadata, &object, text, len, issuer, source, plain_http, error, p);
}

/* ---- copies ------------------------------------------------------------ */

static const apr_array_header_t *copy_list(const apr_array_header_t *list,
                                           apr_pool_t *p)
{
    apr_array_header_t *copy;
    int i;

    if (!list) {
        return NULL;
    }
    copy = apr_array_make(p, list->nelts, sizeof(const char *));
    for (i = 0; i < list->nelts; i++) {
        push(copy, apr_pstrdup(p, APR_ARRAY_IDX(list, i, const char *)));
    }
    return copy;
}

bearer_metadata_t *bearer_metadata_copy(const bearer_metadata_t *metadata,
                                        apr_pool_t *p)
{
    bearer_metadata_t *copy = apr_pmemdup(p, metadata, sizeof(*metadata));

#define X(name) copy->name = apr_pstrdup(p, metadata->name);
    BEARER_ENDPOINTS(X)
#undef X
    copy->issuer = apr_pstrdup(p, metadata->issuer);
    copy->source = apr_pstrdup(p, metadata->source);
#define X(name) copy->name = copy_list(metadata->name, p);
    BEARER_METADATA_LISTS(X)
#undef X
    copy->left_out = copy_list(metadata->left_out, p);
    return copy;
}

json_t *bearer_metadata_json(const bearer_metadata_t *m)
{
#define FORMAT(name) "ss*"
#define VALUE(name) #name, m->name,
#define LIST_FORMAT(name) "so*"
#define LIST(name) , #name, m->name ? bearer_json_strings(m->name) : NULL
    return json_pack("{ss" BEARER_ENDPOINTS(FORMAT) "sb sb" BEARER_METADATA_LISTS(LIST_FORMAT)
                     "}", "issuer", m->issuer,
                     BEARER_ENDPOINTS(VALUE) "require_pushed_authorization_requests",
                     m->require_pushed_authorization_requests,
                     "authorization_response_iss_parameter_supported",
                     m->authorization_response_iss_parameter_supported
                     BEARER_METADATA_LISTS(LIST));
#undef LIST
#undef LIST_FORMAT
#undef VALUE
#undef FORMAT
}

/* ---- fetching ---------------------------------------------------------- */

/** What has been read of the documents so far. */
typedef struct reading_t {
    bearer_metadata_t *metadata;   /* NULL: nothing yet */
    json_t *document;              /* of the metadata; merged */
    apr_array_header_t *failures;  /* const char *; a missing document is the last resort */
    apr_status_t rv;               /* of the last document */
    int answered;                  /* the host answers */
} reading_t;

/* A member that only one of the documents has counts. Of one that both have, the first
 * document's counts. */
static apr_status_t merge(reading_t *reading, json_t *second,
                          const bearer_issuer_access_t *access, const char **error,
                          apr_pool_t *p)
{
    bearer_metadata_t *both;
    json_t *value;
    const char *name;
    apr_status_t rv;

    json_object_foreach(second, name, value) {
        if (!json_object_get(reading->document, name)) {
            json_object_set(reading->document, name, value);
        }
    }
    rv = take_document(&both, reading->document, access->issuer->url,
                       reading->metadata->source, access->plain_http, error, p);
    reading->metadata = rv == APR_SUCCESS ? both : reading->metadata;
    return rv;
}

static apr_status_t fetch_one(reading_t *reading, const bearer_issuer_access_t *access,
                              const char *url, const char **error, apr_pool_t *p)
{
    bearer_http_response_t *response;
    bearer_metadata_t *found;
    json_t *document;
    apr_status_t rv = bearer_issuer_get(&response, access, url,
                                        BEARER_METADATA_MAX, error, p);

    reading->answered = response || rv == APR_ENOSPC;
    if (!response || rv != APR_SUCCESS) {
        return rv;
    }
    rv = read_document(&found, &document, response->body, response->body_len,
                       access->issuer->url, url, access->plain_http, error, p);
    if (rv == APR_SUCCESS && reading->metadata) {
        rv = merge(reading, document, access, error, p);
    } else if (rv == APR_SUCCESS) {
        reading->metadata = found;
        reading->document = document;
    }
    if (rv != APR_SUCCESS) {
        *error = apr_psprintf(p, "the metadata at %s cannot be used: %s",
                              bearer_http_url_shown(url, p), *error);
    }
    return rv;
}

/* The second document must not use up the time that the keys need. */
static void leave_time(bearer_issuer_access_t *access)
{
    apr_time_t now = bearer_world_now(access->world);

    if (access->deadline > now) {
        access->deadline = now + (access->deadline - now) / 2;
    }
}

/* Says in the log which document is missing in the result, and why. */
static void note_failures(reading_t *reading, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 2, sizeof(const char *));

    if (!apr_is_empty_array(reading->failures)) {
        if (reading->metadata->left_out) {
            apr_array_cat(all, reading->metadata->left_out);
        }
        apr_array_cat(all, reading->failures);
        reading->metadata->left_out = all;
    }
}

apr_status_t bearer_metadata_fetch(bearer_metadata_t **metadata,
                                   const bearer_issuer_access_t *access,
                                   const char **error, apr_pool_t *p)
{
    const apr_array_header_t *urls = bearer_issuer_metadata_urls(access->issuer,
                                                                 p);
    reading_t reading = { .failures = apr_array_make(p, 2, sizeof(const char *)),
                          .rv = APR_NOTFOUND, .answered = 1 };
    bearer_issuer_access_t next = *access;
    const char *errors = NULL;
    int i;

    *error = NULL;
    /* all are on one host: if it does not answer, the next request would fail too */
    for (i = 0; i < urls->nelts && reading.answered
                && (!reading.metadata || access->for_login); i++) {
        reading.rv = fetch_one(&reading, &next, APR_ARRAY_IDX(urls, i, const char *), error, p);
        if (reading.rv == APR_SUCCESS) {
            leave_time(&next);
            continue;
        }
        errors = errors ? apr_pstrcat(p, errors, "; ", *error, NULL) : *error;
        if (reading.rv != APR_NOTFOUND) {
            push(reading.failures, *error);
        }
    }
    *metadata = reading.metadata;
    if (reading.metadata) {
        note_failures(&reading, p);
        *error = NULL;
        return APR_SUCCESS;
    }
    *error = errors ? errors : "this issuer's metadata cannot be discovered";
    return reading.rv;
}
