/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Endpoints of an issuer by hand (AuthBearerEndpoint). Declared in issuer.h.
 * Thread-safe: no state.
 */
#include "trust/issuer.h"

#include <apr_strings.h>

#include <string.h>

static const char *const names[] = {
#define X(symbol, name, member) name,
    BEARER_HAND_ENDPOINTS(X)
#undef X
};

const char *bearer_endpoint_name(int endpoint)
{
    return endpoint >= 0 && endpoint < BEARER_HAND_COUNT ? names[endpoint] : NULL;
}

int bearer_endpoint_any(const bearer_issuer_t *issuer)
{
    int i, any = 0;

    for (i = 0; i < BEARER_HAND_COUNT; i++) {
        any |= issuer->endpoints[i].kind == BEARER_SOURCE_URL;
    }
    return any;
}

int bearer_endpoint_possible(const bearer_issuer_t *issuer, bearer_hand_endpoint_t endpoint)
{
    bearer_source_kind_t kind = issuer->endpoints[endpoint].kind;

    return kind == BEARER_SOURCE_URL
        || (kind == BEARER_SOURCE_DISCOVER && bearer_issuer_has_metadata(issuer));
}

const char *bearer_endpoint_tenant(const bearer_issuer_t *issuer)
{
    const char *name = NULL;
    int i;

    for (i = 0; !name && i < BEARER_HAND_COUNT; i++) {
        const bearer_source_t *source = &issuer->endpoints[i];

        name = source->kind == BEARER_SOURCE_URL && strstr(source->value, "{tenant}")
            ? names[i] : NULL;
    }
    return name;
}

const char *bearer_endpoint_error(const bearer_issuer_t *issuer,
                                  const apr_array_header_t *plain_http, apr_pool_t *p)
{
    const char *error = NULL;
    int i;

    for (i = 0; !error && i < BEARER_HAND_COUNT; i++) {
        const bearer_source_t *source = &issuer->endpoints[i];

        if (source->kind == BEARER_SOURCE_URL) {
            error = bearer_http_url_error(source->value, NULL, plain_http, p);
            error = error ? apr_pstrcat(p, "AuthBearerEndpoint ", names[i], ": ", error, NULL)
                          : NULL;
        }
    }
    return error;
}

static const char *by_hand(const bearer_source_t *source, const char *found)
{
    return source->kind == BEARER_SOURCE_DISCOVER ? found : source->value;
}

const bearer_metadata_t *bearer_endpoint_apply(const bearer_metadata_t *metadata,
                                               const bearer_issuer_t *issuer,
                                               apr_pool_t *p)
{
    bearer_metadata_t *m = apr_pcalloc(p, sizeof(*m));

    if (metadata) {
        *m = *metadata;
    } else {
        m->issuer = issuer->url;
    }
#define X(symbol, name, member) \
    m->member = by_hand(&issuer->endpoints[BEARER_HAND_##symbol], m->member);
    BEARER_HAND_ENDPOINTS(X)
#undef X
    return m;
}
