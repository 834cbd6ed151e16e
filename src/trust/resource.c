/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Protected resource metadata (RFC 9728). See resource.h.
 */
#include "trust/resource.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/http.h"
#include "base/json.h"
#include "base/text.h"

/* ---- the line ----------------------------------------------------------- */

static const char *parse_scopes(bearer_resource_t *resource, const char *list,
                                apr_pool_t *p)
{
    int i;

    resource->scopes = bearer_text_split(p, list, ",");
    for (i = 0; i < resource->scopes->nelts; i++) {
        const char *scope = APR_ARRAY_IDX(resource->scopes, i, const char *);

        if (!bearer_text_is_scope(scope)) {
            return apr_psprintf(p, "%s is not the name of a scope",
                                bearer_text_quote(p, scope));
        }
        if (!strcmp(scope, "offline_access")) {
            return "offline_access is between client and issuer, and a resource does not advertise "
                   "it; remove it";
        }
    }
    return i ? NULL : "scopes= is empty";
}

static const char *parse_name(bearer_resource_t *resource, const char *value,
                              apr_pool_t *p)
{
    resource->name = apr_pstrdup(p, value);
    return *value && bearer_text_is_utf8(value, strlen(value))
        ? NULL : "name= is empty, or is not UTF-8";
}

static const char *parse_doc(bearer_resource_t *resource, const char *value,
                             apr_pool_t *p)
{
    bearer_http_url_t parts;
    const char *error = bearer_http_url_split(&parts, value, p);

    resource->doc = apr_pstrdup(p, value);
    return error ? apr_psprintf(p, "doc=%s cannot be used: %s",
                                bearer_http_url_shown(value, p), error) : NULL;
}

static const struct {
    const char *key;
    const char *(*parse)(bearer_resource_t *resource, const char *value,
                         apr_pool_t *p);
} options[] = {
    { "name=", parse_name }, { "doc=", parse_doc }, { "scopes=", parse_scopes }
};

static const char *parse_option(bearer_resource_t *resource, const char *word,
                                apr_pool_t *p)
{
    apr_size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        apr_size_t len = strlen(options[i].key);

        if (!strncmp(word, options[i].key, len)) {
            return options[i].parse(resource, word + len, p);
        }
    }
    return apr_psprintf(p, "unknown argument %s; expected name=STR, doc=URL or scopes=a,b",
                        bearer_text_quote(p, word));
}

/* RFC 9728 section 3.1: a slash that is the whole path is removed. */
static const char *parse_url(bearer_resource_t *resource, const char *url,
                             apr_pool_t *p)
{
    bearer_http_url_t parts;
    const char *error = bearer_http_url_split(&parts, url, p);

    if (error) {
        return apr_psprintf(p, "%s cannot be used: %s",
                            bearer_http_url_shown(url, p), error);
    }
    if (strchr(parts.path, '?')) {
        return "the URL of a resource must not have a query (RFC 9728 section 1.2)";
    }
    if (!parts.https && !bearer_http_is_loopback(parts.host)) {
        return apr_psprintf(p, "%s is not https, which clients require (RFC 9728 section 1.2)",
                            bearer_http_url_shown(url, p));
    }
    resource->url = apr_pstrdup(p, url);
    resource->host = parts.host;
    resource->port = parts.port;
    resource->path = apr_pstrcat(p, BEARER_RESOURCE_WELL_KNOWN,
                                 strcmp(parts.path, "/") ? parts.path : "", NULL);
    resource->metadata = apr_pstrcat(
        p, apr_pstrmemdup(p, url, strlen(url) - strlen(parts.path)),
        resource->path, NULL);
    return NULL;
}

/* key="two words" is one word to a person, but two to httpd. Joins the words from
 * i on that belong together, without the quotes; *i is the last of them. */
static const char *unquoted(const apr_array_header_t *words, int *i,
                            apr_pool_t *p)
{
    const char *word = APR_ARRAY_IDX(words, *i, const char *);
    const char *quote = strstr(word, "=\"");
    apr_size_t head, len;

    if (!quote) {
        return word;
    }
    head = (apr_size_t)(quote + 1 - word);
    for (len = strlen(word); len < head + 2 || word[len - 1] != '"';
         len = strlen(word)) {
        if (*i + 1 >= words->nelts) {
            return word;
        }
        word = apr_pstrcat(p, word, " ", APR_ARRAY_IDX(words, ++*i, const char *),
                           NULL);
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, word, head),
                       apr_pstrmemdup(p, word + head + 1, len - head - 2), NULL);
}

const char *bearer_resource_parse(const bearer_resource_t **out,
                                  const apr_array_header_t *words,
                                  apr_pool_t *p)
{
    bearer_resource_t *resource = apr_pcalloc(p, sizeof(*resource));
    const char *error;
    int i;

    if (!words->nelts) {
        return "the resource's URL is missing";
    }
    error = parse_url(resource, APR_ARRAY_IDX(words, 0, const char *), p);
    for (i = 1; !error && i < words->nelts; i++) {
        error = parse_option(resource, unquoted(words, &i, p), p);
    }
    *out = resource;
    return error;
}

const char *bearer_resource_print(const bearer_resource_t *resource,
                                  apr_pool_t *p)
{
    const char *line = resource->url;

    if (resource->name) {
        line = apr_pstrcat(p, line, " \"name=", resource->name, "\"", NULL);
    }
    if (resource->doc) {
        line = apr_pstrcat(p, line, " doc=", resource->doc, NULL);
    }
    if (resource->scopes) {
        line = apr_pstrcat(p, line, " scopes=",
                           apr_array_pstrcat(p, resource->scopes, ','), NULL);
    }
    return line;
}

/* ---- the document ------------------------------------------------------- */

static json_t *strings(const apr_array_header_t *list)
{
    return list && list->nelts ? bearer_json_strings(list) : NULL;
}

/* RFC 9728 section 2 knows header, body and query, as in RFC 6750. */
static const apr_array_header_t *methods(const apr_array_header_t *token_from,
                                         apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    int i;

    for (i = 0; token_from && i < token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(token_from, i, bearer_from_t);

        if (from->kind == BEARER_FROM_HEADER && !from->name) {
            APR_ARRAY_PUSH(list, const char *) = "header";
        }
        if (from->kind == BEARER_FROM_QUERY && from->name
            && !strcmp(from->name, "access_token")) {
            APR_ARRAY_PUSH(list, const char *) = "query";
        }
    }
    return list;
}

const char *bearer_resource_document(const bearer_resource_t *resource,
                                     const apr_array_header_t *issuers,
                                     const apr_array_header_t *scopes,
                                     const apr_array_header_t *token_from,
                                     apr_pool_t *p)
{
    json_t *out = json_pack(
        "{ss so* so* so* ss* ss*}", "resource", resource->url,
        "authorization_servers", strings(issuers),
        "scopes_supported", strings(resource->scopes ? resource->scopes : scopes),
        "bearer_methods_supported", strings(methods(token_from, p)),
        "resource_name", resource->name, "resource_documentation", resource->doc);
    const char *text = bearer_json_text(out, p);

    json_decref(out);
    return text;
}

/* ---- selection ---------------------------------------------------------- */

static const bearer_resource_t *at(const apr_array_header_t *resources, int i)
{
    return APR_ARRAY_IDX(resources, i, const bearer_resource_t *);
}

/* Returns 1 if one fits this host better than best. A shorter path has priority. */
static int is_better(const bearer_resource_t *one, const bearer_resource_t *best,
                     const char *host)
{
    apr_size_t length = strlen(one->path), best_length = strlen(best->path);
    int fits = host && !strcasecmp(one->host, host);
    int best_fits = host && !strcasecmp(best->host, host);

    return fits != best_fits ? fits : length < best_length;
}

int bearer_resource_find(const apr_array_header_t *resources, const char *path,
                         const char *host)
{
    int root = !strcmp(path, BEARER_RESOURCE_WELL_KNOWN)
               || !strcmp(path, BEARER_RESOURCE_WELL_KNOWN "/");
    int i, best = -1;

    for (i = 0; resources && i < resources->nelts; i++) {
        if (!root && strcmp(at(resources, i)->path, path) != 0) {
            continue;
        }
        if (best < 0 || is_better(at(resources, i), at(resources, best), host)) {
            best = i;
        }
    }
    return best;
}
