/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The HTTP client over libcurl. See http.h for its guarantees. Thread-safe: an easy
 * handle belongs to one transfer at a time; a shelf stores idle handles.
 *
 * Everything that libcurl would take from its environment is set explicitly: proxies,
 * redirects, protocols, .netrc. Compiles with libcurl 7.76.
 */
#include "base/http.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

#include "base/http_explain.h"
#include "base/shelf.h"

/** Connections that an idle handle keeps open. */
#define CONNECTIONS_PER_HANDLE 4L
/** Maximum age in seconds of a connection and of a resolved address, so that a
 *  server may move. */
#define AGE_MAX 30L
/** libcurl that has CURLOPT_MAXLIFETIME_CONN: 7.80. */
#ifndef CURL_WITH_LIFETIME
#define CURL_WITH_LIFETIME 0x075000
#endif
/** Limits for the header section of a response: bytes and lines. */
#define FIELDS_MAX_BYTES (64 * 1024)
#define FIELDS_MAX_LINES 200
/** A response that stalls for this time is abandoned. A response that has not
 *  begun has all the time of AuthBearerTimeout; libcurl's own limit
 *  (LOW_SPEED_TIME) does not distinguish the two. */
#define STANDSTILL apr_time_from_sec(5)

typedef struct client_t {
    bearer_http_client_t client;   /* must be first: callers get a pointer to it */
    const char *user_agent;
    bearer_shelf_t idle;           /* handle_t, each with its connections */
    int (*stopping)(void);         /* or NULL */
} client_t;

typedef struct handle_t {
    CURL *curl;
    apr_time_t made;
} handle_t;

typedef struct transfer_t {
    client_t *client;
    const bearer_http_request_t *request;
    CURL *curl;
    struct curl_slist *fields;
    apr_pool_t *p;
    const char *host;              /* host:port, for messages */
    apr_table_t *headers;
    apr_size_t field_bytes;
    int field_lines;
    char *body;
    apr_size_t len, size;
    apr_time_t moved;              /* when part of the response last arrived; 0: not yet */
    const char *refusal;           /* why a callback of this file ended the transfer */
    apr_status_t refusal_status;
    char message[CURL_ERROR_SIZE];
} transfer_t;

/* ---- idle handles ------------------------------------------------------ */

static void handle_free(void *handle)
{
    curl_easy_cleanup(((handle_t *)handle)->curl);
    free(handle);
}

/* libcurl before 7.80 does not limit the age of connections. The handle, which
 * holds connections and addresses, is then limited instead. */
static int is_old(const handle_t *handle)
{
#if LIBCURL_VERSION_NUM < CURL_WITH_LIFETIME
    apr_interval_time_t age = apr_time_now() - handle->made;

    return age < 0 || age > apr_time_from_sec(AGE_MAX);
#else
    (void)handle;
    return 0;
#endif
}

static handle_t *handle_take(client_t *client)
{
    handle_t *handle = bearer_shelf_take(&client->idle);

    while (handle && is_old(handle)) {
        handle_free(handle);
        handle = bearer_shelf_take(&client->idle);
    }
    if (!handle && (handle = malloc(sizeof(*handle))) != NULL) {
        handle->made = apr_time_now();
        handle->curl = curl_easy_init();
        if (!handle->curl) {
            free(handle);
            return NULL;
        }
    }
    return handle;
}

/* Reset keeps connections and TLS sessions but nothing of the request. After an
 * error a handle may have a connection in an unknown state. */
static void handle_return(client_t *client, handle_t *handle, int sound)
{
    if (sound) {
        curl_easy_reset(handle->curl);
        bearer_shelf_give(&client->idle, handle, handle_free);
    } else {
        handle_free(handle);
    }
}

static apr_status_t release_handles(void *data)
{
    bearer_shelf_clear(&((client_t *)data)->idle, handle_free);
    return APR_SUCCESS;
}

/* ---- callbacks of libcurl ---------------------------------------------- */

/* Returns 0, which any callback may return to end the transfer. */
static size_t end_transfer(transfer_t *t, apr_status_t status, const char *why)
{
    t->refusal = why;
    t->refusal_status = status;
    return 0;
}

static size_t on_body(char *data, size_t one, size_t n, void *baton)
{
    transfer_t *t = baton;
    apr_size_t add = one * n;

    t->moved = apr_time_now();
    if (add > t->request->max_body - t->len) {
        return end_transfer(t, APR_ENOSPC,
                            apr_psprintf(t->p, "the response is larger than %lu bytes",
                                         (unsigned long)t->request->max_body));
    }
    if (t->len + add >= t->size) {
        char *larger;

        t->size = 2 * (t->len + add) + 1;
        larger = apr_palloc(t->p, t->size);
        memcpy(larger, t->body, t->len);
        t->body = larger;
    }
    memcpy(t->body + t->len, data, add);
    t->len += add;
    t->body[t->len] = '\0';
    return add;
}

/* Refuses content codings: a few compressed KB can become gigabytes. */
static const char *coding_error(const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Encoding") == 0
        && strcasecmp(value, "identity") != 0 && *value) {
        return "the response is compressed (Content-Encoding)";
    }
    if (strcasecmp(name, "Transfer-Encoding") == 0
        && strcasecmp(value, "chunked") != 0) {
        return "the response is compressed (Transfer-Encoding)";
    }
    return NULL;
}

static size_t on_field(char *line, size_t one, size_t n, void *baton)
{
    transfer_t *t = baton;
    apr_size_t len = one * n;
    char *name, *value;
    const char *error;

    t->moved = apr_time_now();
    t->field_bytes += len;
    if (t->field_bytes > FIELDS_MAX_BYTES
        || ++t->field_lines > FIELDS_MAX_LINES) {
        return end_transfer(t, APR_EGENERAL, "the response has too many headers");
    }
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        apr_table_clear(t->headers);   /* a 1xx response preceded this one */
        return len;
    }
    name = apr_pstrmemdup(t->p, line, len);
    value = strchr(name, ':');
    if (!value) {
        return len;
    }
    *value++ = '\0';
    apr_collapse_spaces(name, name);
    value[strcspn(value, "\r\n")] = '\0';
    value += strspn(value, " \t");
    for (len = strlen(value); len && strchr(" \t", value[len - 1]); len--) {
        value[len - 1] = '\0';
    }
    error = coding_error(name, value);
    if (error) {
        return end_transfer(t, APR_EGENERAL, error);
    }
    apr_table_setn(t->headers, name, value);
    return one * n;
}

static int on_progress(void *baton, curl_off_t dltotal, curl_off_t dlnow,
                       curl_off_t ultotal, curl_off_t ulnow)
{
    transfer_t *t = baton;

    (void)dltotal;
    (void)dlnow;
    (void)ultotal;
    (void)ulnow;
    if (t->client->stopping && t->client->stopping()) {
        end_transfer(t, APR_EINTR, "the server is stopping");
        return 1;
    }
    if (t->moved && apr_time_now() - t->moved >= STANDSTILL) {
        end_transfer(t, APR_TIMEUP, "the response stopped before its end");
        return 1;
    }
    return 0;
}

/* ---- options of libcurl ------------------------------------------------ */

/* Returns 1 if libcurl accepts the option. */
#define SET(curl, option, value) (curl_easy_setopt(curl, option, value) == CURLE_OK)

static const struct {
    CURLoption option;
    long value;
} fixed_options[] = {
    { CURLOPT_NOSIGNAL, 1L },           /* threads: no SIGALRM for DNS */
    { CURLOPT_NOPROGRESS, 0L },         /* the stop hook */
    { CURLOPT_FOLLOWLOCATION, 0L },
    { CURLOPT_SSL_VERIFYPEER, 1L },
    { CURLOPT_SSL_VERIFYHOST, 2L },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },
    { CURLOPT_DISALLOW_USERNAME_IN_URL, 1L },
    { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
    { CURLOPT_HEADEROPT, CURLHEADER_SEPARATE },
    { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L },
    { CURLOPT_MAXCONNECTS, CONNECTIONS_PER_HANDLE },
    { CURLOPT_DNS_CACHE_TIMEOUT, AGE_MAX },
#if LIBCURL_VERSION_NUM >= CURL_WITH_LIFETIME
    { CURLOPT_MAXLIFETIME_CONN, AGE_MAX },
#endif
};

/*
 * libcurl runs getaddrinfo() in its own thread. Without QUICK_EXIT, a transfer that
 * timed out still waits for that thread: ten seconds and more if a resolver does not
 * answer. With it, the thread is abandoned.
 */
static int set_resolver(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075700
    return SET(curl, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)curl;
    return 1;
#endif
}

static int set_fixed(CURL *curl)
{
    apr_size_t i;
    int ok = 1;

    for (i = 0; i < sizeof(fixed_options) / sizeof(fixed_options[0]); i++) {
        ok &= SET(curl, fixed_options[i].option, fixed_options[i].value);
    }
#if LIBCURL_VERSION_NUM >= 0x075500
    ok &= SET(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    ok &= SET(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    return ok && set_resolver(curl);
}

static long milliseconds(apr_interval_time_t t)
{
    return t < 1000 ? 1 : (long)(t / 1000);
}

static int set_callbacks(transfer_t *t)
{
    CURL *curl = t->curl;

    return SET(curl, CURLOPT_WRITEFUNCTION, on_body)
           && SET(curl, CURLOPT_WRITEDATA, t)
           && SET(curl, CURLOPT_HEADERFUNCTION, on_field)
           && SET(curl, CURLOPT_HEADERDATA, t)
           && SET(curl, CURLOPT_XFERINFOFUNCTION, on_progress)
           && SET(curl, CURLOPT_XFERINFODATA, t)
           && SET(curl, CURLOPT_ERRORBUFFER, t->message);
}

static int set_url(transfer_t *t)
{
    const char *url = bearer_http_url_to(t->request->url, t->request->target, t->p);

    if (!url) {
        end_transfer(t, APR_EGENERAL,
                     "the requested path and query are too long, or have characters that a URL "
                     "cannot have");
    }
    return url && SET(t->curl, CURLOPT_URL, url)
        && SET(t->curl, CURLOPT_PATH_AS_IS, 1L);
}

static int set_peer(transfer_t *t)
{
    const bearer_http_request_t *r = t->request;
    CURL *curl = t->curl;

    return set_url(t)
           && SET(curl, CURLOPT_USERAGENT, t->client->user_agent)
           /* "" instead of NULL, which would mean the environment's proxy */
           && SET(curl, CURLOPT_PROXY, r->proxy ? r->proxy : "")
           && SET(curl, CURLOPT_NOPROXY, "")
           && SET(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(r->connect_timeout))
           && SET(curl, CURLOPT_TIMEOUT_MS, milliseconds(r->total_timeout))
           && SET(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->max_body)
           /* libcurl would also trust its default directory */
           && (!r->ca_file || (SET(curl, CURLOPT_CAINFO, r->ca_file)
                               && SET(curl, CURLOPT_CAPATH, NULL)))
           && (!r->client_cert || SET(curl, CURLOPT_SSLCERT, r->client_cert))
           && (!r->client_key || SET(curl, CURLOPT_SSLKEY, r->client_key));
}

static int set_method(transfer_t *t)
{
    const bearer_http_request_t *r = t->request;
    CURL *curl = t->curl;
    int ok = 1;

    if (strcmp(r->method, "HEAD") == 0) {
        return SET(curl, CURLOPT_NOBODY, 1L);
    }
    if (r->body || strcmp(r->method, "POST") == 0) {
        ok = SET(curl, CURLOPT_POST, 1L)
             && SET(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                    (curl_off_t)(r->body ? r->body_len : 0))
             && SET(curl, CURLOPT_POSTFIELDS, r->body ? r->body : "");
    }
    if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "POST") != 0) {
        ok = ok && SET(curl, CURLOPT_CUSTOMREQUEST, r->method);
    }
    return ok;
}

/* One of the header fields may be Authorization. */
static void forget_fields(transfer_t *t)
{
    struct curl_slist *field;

    for (field = t->fields; field; field = field->next) {
        OPENSSL_cleanse(field->data, strlen(field->data));
    }
    curl_slist_free_all(t->fields);
}

static int add_field(transfer_t *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->fields, line);

    if (longer) {
        t->fields = longer;
    }
    return longer != NULL;
}

/* Returns 0 if a field would not stay one line, so that no field can be injected. */
static int field_is_clean(const char *name, const char *value)
{
    const unsigned char *c;

    if (!*name || strpbrk(name, ": \t\r\n;")) {
        return 0;
    }
    for (c = (const unsigned char *)value; *c; c++) {
        if ((*c < 0x20 && *c != '\t') || *c == 0x7f) {
            return 0;
        }
    }
    return 1;
}

static int set_fields(transfer_t *t)
{
    const apr_array_header_t *fields;
    char *line;
    int i, ok = add_field(t, "Expect:");   /* no 100-continue round trip */

    fields = t->request->headers ? apr_table_elts(t->request->headers) : NULL;
    for (i = 0; ok && fields && i < fields->nelts; i++) {
        apr_table_entry_t *e = &APR_ARRAY_IDX(fields, i, apr_table_entry_t);

        if (!field_is_clean(e->key, e->val)) {
            end_transfer(t, APR_EGENERAL, "a header cannot be sent: it contains"
                                          " control characters");
            return 0;
        }
        /* libcurl writes an empty value as "Name;" */
        line = apr_pstrcat(t->p, e->key, *e->val ? ": " : ";", e->val, NULL);
        ok = add_field(t, line);
        OPENSSL_cleanse(line, strlen(line));
    }
    return ok && SET(t->curl, CURLOPT_HTTPHEADER, t->fields);
}

/* ---- one request ------------------------------------------------------- */

static apr_status_t explain(transfer_t *t, CURLcode code, const char **error)
{
    const bearer_http_failure_t failure = {
        t->curl, code, t->message, t->request, t->host
    };

    if (!t->refusal) {
        return bearer_http_explain(&failure, error, t->p);
    }
    *error = apr_psprintf(t->p, "%s: %s", bearer_http_url_shown(t->request->url, t->p),
                          t->refusal);
    return t->refusal_status;
}

/* Returns 0 if the request cannot be sent; t->refusal says why. */
static int prepare(transfer_t *t)
{
    bearer_http_url_t parts;

    t->refusal = bearer_http_url_split(&parts, t->request->url, t->p);
    t->refusal_status = APR_EGENERAL;
    if (t->refusal) {
        return 0;
    }
    t->host = apr_psprintf(t->p, strchr(parts.host, ':') ? "[%s]:%d" : "%s:%d",
                           parts.host, parts.port);
    if (set_fixed(t->curl) && set_callbacks(t) && set_peer(t) && set_method(t)
        && set_fields(t)) {
        return 1;
    }
    t->refusal = t->refusal ? t->refusal : "libcurl does not accept its options";
    return 0;
}

static apr_status_t run(transfer_t *t, bearer_http_response_t *r, const char **error)
{
    CURLcode code = prepare(t) ? curl_easy_perform(t->curl) : CURLE_FAILED_INIT;
    long status = 0;

    if (code != CURLE_OK) {
        return explain(t, code, error);
    }
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 100 || status > 599) {
        end_transfer(t, APR_EGENERAL, "the response has no HTTP status");
        return explain(t, code, error);
    }
    r->status = (int)status;
    r->headers = t->headers;
    r->body = t->body;
    r->body_len = t->len;
    return APR_SUCCESS;
}

static apr_status_t perform(const bearer_http_client_t *client,
                            const bearer_http_request_t *request,
                            bearer_http_response_t **response,
                            const char **error, apr_pool_t *p)
{
    handle_t *handle = handle_take(client->baton);
    bearer_http_response_t *r = apr_pcalloc(p, sizeof(*r));
    transfer_t t = { .client = client->baton, .request = request, .p = p, .size = 1 };
    apr_status_t rv;

    *response = NULL;
    *error = NULL;
    if (!handle) {
        *error = "out of memory";
        return APR_EGENERAL;
    }
    t.headers = apr_table_make(p, 16);
    t.body = apr_pstrdup(p, "");
    t.curl = handle->curl;
    rv = run(&t, r, error);
    *response = rv == APR_SUCCESS ? r : NULL;
    handle_return(t.client, handle, rv == APR_SUCCESS);
    forget_fields(&t);
    return rv;
}

/* ---- creation ---------------------------------------------------------- */

/* An abandoned resolver thread returns into libcurl, so libcurl must not be
 * unmapped with the module when the process ends. */
static void keep_libcurl_mapped(void)
{
#ifdef RTLD_NODELETE
    CURL *(*function)(void) = curl_easy_init;
    void *address;
    Dl_info info;

    memcpy(&address, &function, sizeof(address));
    if (dladdr(address, &info) && info.dli_fname) {
        void *library = dlopen(info.dli_fname,
                               RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);

        if (library) {
            dlclose(library);
        }
    }
#endif
}

const bearer_http_client_t *bearer_http_curl_create(const char *user_agent,
                                                    int (*stopping)(void), apr_pool_t *p)
{
    client_t *c = apr_pcalloc(p, sizeof(*c));

    c->client.perform = perform;
    c->client.baton = c;
    c->user_agent = apr_pstrdup(p, user_agent);
    c->stopping = stopping;
    apr_pool_cleanup_register(p, c, release_handles, apr_pool_cleanup_null);
    keep_libcurl_mapped();
    return &c->client;
}
