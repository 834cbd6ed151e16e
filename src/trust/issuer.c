/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The table of trusted issuers, searched by `iss`. See issuer.h. One thread fills it
 * at configuration time; it is read-only afterwards.
 *
 * A plain `iss` needs one hash look-up. So does an `iss` that a {tenant} template
 * covers. Templates are stored under their own text. For the look-up, the token's
 * segment at a position where some template has {tenant} is replaced with {tenant}.
 */
#include "trust/issuer.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

#define PLACEHOLDER "{tenant}"
#define PLACEHOLDER_LEN (sizeof(PLACEHOLDER) - 1)
#define TENANT_MAX 64
/** Maximum number of slashes before {tenant} in a template. */
#define SEGMENTS_MAX 16
#define SPIFFE_SCHEME "spiffe://"
#define SPIFFE_SCHEME_LEN (sizeof(SPIFFE_SCHEME) - 1)

struct bearer_issuers_t {
    apr_pool_t *p;
    apr_array_header_t *all;        /* const bearer_issuer_t * */
    apr_hash_t *by_iss;             /* url or alias, templates included */
    apr_hash_t *by_url;
    apr_hash_t *by_trust_domain;
    unsigned positions;             /* bit n: a template has {tenant} after n slashes */
};

bearer_issuers_t *bearer_issuers_create(apr_pool_t *p)
{
    bearer_issuers_t *issuers = apr_pcalloc(p, sizeof(*issuers));

    issuers->p = p;
    issuers->all = apr_array_make(p, 4, sizeof(const bearer_issuer_t *));
    issuers->by_iss = apr_hash_make(p);
    issuers->by_url = apr_hash_make(p);
    issuers->by_trust_domain = apr_hash_make(p);
    return issuers;
}

int bearer_issuers_count(const bearer_issuers_t *issuers)
{
    return issuers->all->nelts;
}

const bearer_issuer_t *bearer_issuers_at(const bearer_issuers_t *issuers, int i)
{
    return i >= 0 && i < issuers->all->nelts
               ? APR_ARRAY_IDX(issuers->all, i, const bearer_issuer_t *)
               : NULL;
}

const bearer_issuer_t *bearer_issuers_by_url(const bearer_issuers_t *issuers,
                                             const char *url)
{
    return apr_hash_get(issuers->by_url, url, APR_HASH_KEY_STRING);
}

/* ---- sources of keys ---------------------------------------------------- */

int bearer_issuer_key_sources(const bearer_issuer_t *issuer)
{
    return issuer->key_sources > 1 ? issuer->key_sources : 1;
}

int bearer_issuer_has_keys(const bearer_issuer_t *issuer, bearer_source_kind_t kind)
{
    int i, has = 0;

    for (i = 0; i < bearer_issuer_key_sources(issuer); i++) {
        has |= issuer->keys[i].kind == kind;
    }
    return has;
}

int bearer_issuer_has_tenant_keys(const bearer_issuer_t *issuer)
{
    int i, has = 0;

    for (i = 0; i < bearer_issuer_key_sources(issuer); i++) {
        has |= issuer->keys[i].value && strstr(issuer->keys[i].value, PLACEHOLDER);
    }
    return has;
}

int bearer_issuer_source_is_file(const bearer_source_t *source)
{
    return source->kind == BEARER_SOURCE_FILE || source->kind == BEARER_SOURCE_SPIFFE_FILE;
}

const char *bearer_issuer_source_shown(const bearer_source_t *source, apr_pool_t *p)
{
    static const char *const kinds[] = {
#define X(symbol, word) word,
        BEARER_SOURCES(X)
#undef X
    };
    const char *value = source->value ? source->value : "";

    return apr_pstrcat(p, kinds[source->kind],
                       *value && !bearer_issuer_source_is_file(source)
                           ? bearer_http_url_masked(value, p) : value, NULL);
}

/* ---- tenants ----------------------------------------------------------- */

static int is_template(const char *s)
{
    return s && strstr(s, PLACEHOLDER) != NULL;
}

int bearer_issuer_is_template(const bearer_issuer_t *issuer)
{
    return is_template(issuer->url);
}

int bearer_issuer_has_metadata(const bearer_issuer_t *issuer)
{
    return issuer->metadata.kind == BEARER_SOURCE_URL
        || (issuer->metadata.kind == BEARER_SOURCE_DISCOVER
            && !bearer_issuer_is_template(issuer));
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789._-"

/* For a string that may continue after len. */
static int tenant_valid(const char *tenant, apr_size_t len)
{
    return len && len <= TENANT_MAX
        && strspn(tenant, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= len
        && (len > 2 || strspn(tenant, ".") < len);
}

int bearer_issuer_tenant_valid(const char *tenant)
{
    return tenant && tenant_valid(tenant, strlen(tenant));
}

/* Returns the text in iss at the position of {tenant} in template; NULL if they
 * differ elsewhere. */
static const char *tenant_in(const char *template, const char *iss, apr_pool_t *p)
{
    const char *at = strstr(template, PLACEHOLDER);
    apr_size_t before = at ? (apr_size_t)(at - template) : 0;
    apr_size_t len;

    if (!at || strncmp(template, iss, before) != 0) {
        return NULL;
    }
    iss += before;
    len = strcspn(iss, "/");
    return tenant_valid(iss, len) && strcmp(iss + len, at + PLACEHOLDER_LEN) == 0
               ? apr_pstrmemdup(p, iss, len) : NULL;
}

const char *bearer_issuer_tenant_of(const bearer_issuer_t *issuer,
                                    const char *iss, apr_pool_t *p)
{
    const char *tenant = tenant_in(issuer->url, iss, p);
    int i;

    for (i = 0; !tenant && issuer->aliases && i < issuer->aliases->nelts; i++) {
        tenant = tenant_in(APR_ARRAY_IDX(issuer->aliases, i, const char *), iss, p);
    }
    return tenant;
}

const char *bearer_issuer_expand(const char *url, const char *tenant,
                                 apr_pool_t *p)
{
    const char *at = url ? strstr(url, PLACEHOLDER) : NULL;

    if (!at || !tenant) {
        return url;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(at - url)),
                       tenant, at + PLACEHOLDER_LEN, NULL);
}

static int compare_tenants(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

apr_status_t bearer_issuer_tenants_parse(const apr_array_header_t **tenants,
                                         const char *text, apr_size_t len,
                                         const char **error, apr_pool_t *p)
{
    static const char blank[] = " \t\r";
    apr_array_header_t *list = apr_array_make(p, 16, sizeof(const char *));
    char *line = apr_pstrmemdup(p, text, len);
    int number = 1;

    for (; line; number++) {
        char *next = strchr(line, '\n');

        if (next) {
            *next++ = '\0';
        }
        line[strcspn(line, "#")] = '\0';
        line += strspn(line, blank);
        line[strcspn(line, blank)] = '\0';
        if (*line && !bearer_issuer_tenant_valid(line)) {
            *error = apr_psprintf(p, "line %d: %s is not a tenant; expected 1-64 characters of A-Z "
                                  "a-z 0-9 . _ -",
                                  number, bearer_text_quote(p, line));
            return APR_EINVAL;
        }
        if (*line) {
            APR_ARRAY_PUSH(list, const char *) = line;
        }
        line = next;
    }
    if (list->nelts) {
        qsort(list->elts, (size_t)list->nelts, sizeof(const char *),
              compare_tenants);
    }
    *tenants = list;
    return APR_SUCCESS;
}

int bearer_issuer_tenant_admitted(const bearer_issuer_t *issuer,
                                  const char *tenant,
                                  const apr_array_header_t *file_tenants)
{
    if (!bearer_issuer_tenant_valid(tenant)) {
        return 0;
    }
    if (issuer->tenants_any || bearer_text_among(issuer->tenants, tenant)) {
        return 1;
    }
    return file_tenants && file_tenants->nelts
           && bsearch(&tenant, file_tenants->elts, (size_t)file_tenants->nelts,
                      sizeof(const char *), compare_tenants) != NULL;
}

/* ---- checks of a declaration ------------------------------------------- */

static const char *text_error(const char *iss)
{
    if (!iss || !*iss) {
        return AB(0541) "the issuer is empty; write a URL";
    }
    if (strlen(iss) > BEARER_HTTP_URL_MAX) {
        return AB(0542) "the issuer is longer than 2048 bytes";
    }
    return bearer_text_has_control(iss, strlen(iss))
        ? AB(0543) "the issuer contains a control character" : NULL;
}

/* Returns the number of slashes before {tenant}, which must be a whole path
 * segment; else -1. */
static int tenant_position(const char *template)
{
    const char *at = strstr(template, PLACEHOLDER);
    const char *scheme = strstr(template, "://"), *c;
    int slashes = 0;

    if (!at || at == template || at[-1] != '/'
        || (scheme && scheme + 3 == at)  /* a tenant must not determine the host */
        || (at[PLACEHOLDER_LEN] && at[PLACEHOLDER_LEN] != '/')
        || strstr(at + PLACEHOLDER_LEN, PLACEHOLDER)) {
        return -1;
    }
    for (c = template; c < at; c++) {
        slashes += *c == '/';
    }
    return slashes < SEGMENTS_MAX ? slashes : -1;
}

static const char *aliases_error(const bearer_issuer_t *issuer)
{
    int template = bearer_issuer_is_template(issuer);
    int i;

    for (i = 0; issuer->aliases && i < issuer->aliases->nelts; i++) {
        const char *alias = APR_ARRAY_IDX(issuer->aliases, i, const char *);
        const char *error = text_error(alias);

        if (error) {
            return error;
        }
        if (is_template(alias) != template) {
            return AB(0544) "AuthBearerIssuerAlias: either all or none of the issuer and its "
                   "aliases must contain {tenant}";
        }
        if (template && tenant_position(alias) < 0) {
            return AB(0545) "AuthBearerIssuerAlias: {tenant} must be one whole segment"
                   " of the path";
        }
    }
    return NULL;
}

static const char *listed_tenants_error(const bearer_issuer_t *issuer,
                                        apr_pool_t *p)
{
    int i;

    for (i = 0; issuer->tenants && i < issuer->tenants->nelts; i++) {
        const char *tenant = APR_ARRAY_IDX(issuer->tenants, i, const char *);

        if (!bearer_issuer_tenant_valid(tenant)) {
            return apr_psprintf(p, AB(0546) "AuthBearerTenants: %s is not a tenant; expected 1-64 "
                                "characters of A-Z a-z 0-9 . _ -",
                                bearer_text_quote(p, tenant));
        }
    }
    return NULL;
}

static const char *template_error(const bearer_issuer_t *issuer, apr_pool_t *p)
{
    if (tenant_position(issuer->url) < 0) {
        return AB(0547) "{tenant} must be one whole segment of the issuer's path, and appear once";
    }
    if (!issuer->tenants && !issuer->tenants_file && !issuer->tenants_any) {
        return AB(0548) "an issuer with {tenant} needs AuthBearerTenants: the tenants to trust, or "
               "* for any tenant";
    }
    if (bearer_issuer_has_keys(issuer, BEARER_SOURCE_DISCOVER)) {
        return AB(0549) "the keys of an issuer with {tenant} cannot be discovered; name their URL "
               "or file in AuthBearerKeys";
    }
    if (issuer->metadata.kind == BEARER_SOURCE_URL && is_template(issuer->metadata.value)) {
        return AB(0550) "AuthBearerMetadata URL cannot contain {tenant}: before a login, the "
               "tenant is not known; name the metadata for all tenants";
    }
    if (bearer_endpoint_tenant(issuer)) {
        return apr_psprintf(p, AB(0562) "AuthBearerEndpoint %s cannot contain {tenant}: before a "
                            "login, the tenant is not known; name an endpoint for all tenants",
                            bearer_endpoint_tenant(issuer));
    }
    if (issuer->introspection.kind == BEARER_SOURCE_DISCOVER
        && issuer->endpoints[BEARER_HAND_INTROSPECTION].kind != BEARER_SOURCE_URL) {
        return AB(0551) "the introspection endpoint of an issuer with {tenant} cannot be "
               "discovered; name its URL in AuthBearerIntrospection";
    }
    if (issuer->tenants_any && bearer_issuer_has_tenant_keys(issuer)) {
        return AB(0552) "AuthBearerKeys with {tenant} and AuthBearerTenants * would let a token "
               "choose the URL to fetch; list the tenants, or name one URL for all";
    }
    return listed_tenants_error(issuer, p);
}

static const char *plain_error(const bearer_issuer_t *issuer)
{
    if (issuer->tenants || issuer->tenants_file || issuer->tenants_any) {
        return AB(0553) "AuthBearerTenants needs {tenant} in the issuer's URL";
    }
    if (bearer_issuer_has_tenant_keys(issuer)) {
        return AB(0554) "AuthBearerKeys contains {tenant}, but the issuer does not";
    }
    return NULL;
}

static const char *sources_error(const bearer_issuer_t *issuer)
{
    if (bearer_issuer_has_keys(issuer, BEARER_SOURCE_OFF)) {
        return AB(0555) "AuthBearerKeys cannot be off; write discover, a URL or file:PATH";
    }
    if (issuer->metadata.kind != BEARER_SOURCE_OFF) {
        return NULL;
    }
    if (bearer_issuer_has_keys(issuer, BEARER_SOURCE_DISCOVER)) {
        return AB(0556) "with AuthBearerMetadata off, keys cannot be discovered; name their URL or "
               "file in AuthBearerKeys";
    }
    if (issuer->introspection.kind == BEARER_SOURCE_DISCOVER
        && !bearer_endpoint_possible(issuer, BEARER_HAND_INTROSPECTION)) {
        return AB(0557) "with AuthBearerMetadata off, the introspection endpoint cannot be "
               "discovered; name its URL in AuthBearerIntrospection";
    }
    return NULL;
}

/* ---- SPIFFE ------------------------------------------------------------ */

int bearer_issuer_is_spiffe(const bearer_issuer_t *issuer)
{
    return bearer_issuer_has_keys(issuer, BEARER_SOURCE_SPIFFE_URL)
           || bearer_issuer_has_keys(issuer, BEARER_SOURCE_SPIFFE_FILE);
}

/* Returns the trust domain of a SPIFFE ID (SPIFFE-ID section 2.1: lower-case
 * letters, digits, . - _) and the text after it; NULL if it is not a SPIFFE ID. */
static const char *trust_domain(const char *id, const char **path, apr_pool_t *p)
{
    const char *start, *end;

    if (strncmp(id, SPIFFE_SCHEME, SPIFFE_SCHEME_LEN) != 0) {
        return NULL;
    }
    start = id + SPIFFE_SCHEME_LEN;
    end = start + strspn(start, LOWER);
    if (end == start || end - start > 255 || (*end && *end != '/')) {
        return NULL;
    }
    *path = end;
    return apr_pstrmemdup(p, start, (apr_size_t)(end - start));
}

static const char *add_trust_domain(bearer_issuers_t *issuers,
                                    const bearer_issuer_t *issuer)
{
    const char *path;
    const char *domain = trust_domain(issuer->url, &path, issuers->p);

    if (!domain || *path) {
        return AB(0558) "an issuer with AuthBearerKeys spiffe: must be its trust domain, e.g. "
               "spiffe://example.org";
    }
    if (apr_hash_get(issuers->by_trust_domain, domain, APR_HASH_KEY_STRING)) {
        return AB(0559) "this trust domain is configured twice";
    }
    apr_hash_set(issuers->by_trust_domain, domain, APR_HASH_KEY_STRING, issuer);
    return NULL;
}

const bearer_issuer_t *bearer_issuers_find_spiffe(const bearer_issuers_t *issuers,
                                                  const char *sub, apr_pool_t *p)
{
    const char *path;
    const char *domain = sub ? trust_domain(sub, &path, p) : NULL;

    return domain ? apr_hash_get(issuers->by_trust_domain, domain,
                                 APR_HASH_KEY_STRING)
                  : NULL;
}

/* ---- adding ------------------------------------------------------------ */

static const char *declaration_error(const bearer_issuer_t *issuer, apr_pool_t *p)
{
    const char *error = text_error(issuer->url);

    error = error ? error : bearer_issuer_is_template(issuer) ? template_error(issuer, p)
                                                              : plain_error(issuer);
    error = error ? error : aliases_error(issuer);
    return error ? error : sources_error(issuer);
}

static const char *declared_already(const bearer_issuers_t *issuers,
                                    const char *iss)
{
    const bearer_issuer_t *other = apr_hash_get(issuers->by_iss, iss,
                                                APR_HASH_KEY_STRING);

    if (!other) {
        return NULL;
    }
    return apr_psprintf(issuers->p, AB(0560) "%s is already configured%s%s",
                        bearer_text_quote(issuers->p, iss),
                        other->file ? apr_psprintf(issuers->p, ", at %s:%d",
                                                   other->file, other->line)
                                    : "",
                        strcmp(other->url, iss) == 0 ? "" : ", as an alias");
}

static void add_iss(bearer_issuers_t *issuers, const bearer_issuer_t *issuer,
                    const char *iss)
{
    int position = tenant_position(iss);

    apr_hash_set(issuers->by_iss, iss, APR_HASH_KEY_STRING, issuer);
    if (position >= 0) {
        issuers->positions |= 1u << position;
    }
}

const char *bearer_issuers_add(bearer_issuers_t *issuers, const bearer_issuer_t *issuer)
{
    const apr_array_header_t *aliases = issuer->aliases;
    const char *error = declaration_error(issuer, issuers->p);
    int i;

    error = error ? error : declared_already(issuers, issuer->url);
    for (i = 0; !error && aliases && i < aliases->nelts; i++) {
        error = declared_already(issuers, APR_ARRAY_IDX(aliases, i, const char *));
    }
    if (!error && bearer_issuer_is_spiffe(issuer)) {
        error = add_trust_domain(issuers, issuer);
    }
    if (error) {
        return error;
    }
    add_iss(issuers, issuer, issuer->url);
    for (i = 0; aliases && i < aliases->nelts; i++) {
        add_iss(issuers, issuer, APR_ARRAY_IDX(aliases, i, const char *));
    }
    apr_hash_set(issuers->by_url, issuer->url, APR_HASH_KEY_STRING, issuer);
    APR_ARRAY_PUSH(issuers->all, const bearer_issuer_t *) = issuer;
    return NULL;
}

/* ---- finding ----------------------------------------------------------- */

/* Returns the segment of iss after n slashes, and its length. */
static const char *segment(const char *iss, int n, apr_size_t *len)
{
    for (; n > 0; n--) {
        iss = strchr(iss, '/');
        if (!iss) {
            return NULL;
        }
        iss++;
    }
    *len = strcspn(iss, "/");
    return iss;
}

static const bearer_issuer_t *find_template(const bearer_issuers_t *issuers,
                                            const char *iss, int position,
                                            const char **tenant, apr_pool_t *p)
{
    const bearer_issuer_t *issuer;
    apr_size_t len;
    const char *at = segment(iss, position, &len);
    const char *template;

    if (!at || !tenant_valid(at, len)) {
        return NULL;
    }
    template = apr_pstrcat(p, apr_pstrmemdup(p, iss, (apr_size_t)(at - iss)),
                           PLACEHOLDER, at + len, NULL);
    issuer = apr_hash_get(issuers->by_iss, template, APR_HASH_KEY_STRING);
    if (issuer) {
        *tenant = apr_pstrmemdup(p, at, len);
    }
    return issuer;
}

const bearer_issuer_t *bearer_issuers_find(const bearer_issuers_t *issuers,
                                           const char *iss, const char **tenant,
                                           apr_pool_t *p)
{
    const bearer_issuer_t *issuer;
    int position;

    *tenant = NULL;
    /* a token with a literal "{tenant}" matches no issuer; a text longer than any
     * declared issuer is not copied */
    if (!iss || strlen(iss) > BEARER_HTTP_URL_MAX || is_template(iss)) {
        return NULL;
    }
    issuer = apr_hash_get(issuers->by_iss, iss, APR_HASH_KEY_STRING);
    for (position = 0; !issuer && position < SEGMENTS_MAX; position++) {
        if (issuers->positions & 1u << position) {
            issuer = find_template(issuers, iss, position, tenant, p);
        }
    }
    return issuer;
}
