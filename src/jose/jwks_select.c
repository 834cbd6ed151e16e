/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Check 6: selects the key that a token names, or the only one that fits, or says why
 * there is none. A set is constant: thread-safe.
 */
#include "jose/jwk_inside.h"

#include <string.h>

#include <apr_strings.h>

/* Returns the index of the first key with that kid in by_kid, or of the next greater one. */
static int find_kid(const bearer_jwks_t *set, const char *kid)
{
    int low = 0, high = set->named;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (strcmp(set->by_kid[middle]->kid, kid) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Entra's keys name their issuer. "{tenantid}" stands for any tenant of the
 * issuer: the token's tenant or, for a single-tenant issuer, the text at that
 * position in iss. A key without the member belongs to its set's issuer. */
static int issuer_fits(const bearer_jwk_t *key, const char *iss,
                       const char *tenant)
{
    static const char placeholder[] = "{tenantid}";
    const char *rest;
    apr_size_t before, middle;

    if (!key->issuer || !iss) {
        return 1;
    }
    rest = strstr(key->issuer, placeholder);
    if (!rest) {
        return strcmp(key->issuer, iss) == 0;
    }
    before = (apr_size_t)(rest - key->issuer);
    rest += sizeof(placeholder) - 1;
    if (strncmp(iss, key->issuer, before) != 0) {
        return 0;
    }
    iss += before;
    middle = tenant ? strlen(tenant) : strcspn(iss, "/");
    return middle > 0 && (!tenant || strncmp(iss, tenant, middle) == 0)
           && strcmp(iss + middle, rest) == 0;
}

static int eligible(const bearer_jwk_t *key, const bearer_alg_t *alg,
                    const char *iss, const char *tenant)
{
    return (key->algs & alg->bit) && issuer_fits(key, iss, tenant);
}

/* Says why the named key is not eligible: type, curve, use, ... */
static bearer_reason_t refuse_key(bearer_refusal_t *why, apr_pool_t *p,
                                  const bearer_jwk_t *key,
                                  const bearer_alg_t *alg, const char *iss)
{
    const char *kid, *because;

    if (!why) {
        return BEARER_KEY;
    }
    kid = bearer_text_quote(p, key->kid);
    if (key->algs & alg->bit) {
        because = apr_psprintf(p, "it belongs to issuer %s, not to %s",
                               bearer_text_quote(p, key->issuer),
                               bearer_text_quote(p, iss));
    } else if (key->unfit
               && (!key->thumbprint
                   || (bearer_alg_for_key(key->kty, key->curve) & alg->bit))) {
        because = key->unfit;
    } else {
        because = apr_pstrcat(p, "it is ", bearer_jwk_describe(key, p), NULL);
    }
    return bearer_refuse(why, p, BEARER_KEY, "key %s cannot verify %s: %s", kid,
                         alg->name, because);
}

static bearer_reason_t select_by_kid(const bearer_jwk_t **key, int *unknown_kid,
                                     const bearer_jwks_t *set,
                                     const bearer_alg_t *alg, const char *kid,
                                     const char *iss, const char *tenant,
                                     bearer_refusal_t *why, apr_pool_t *p)
{
    int first = find_kid(set, kid);
    int i;

    for (i = first; i < set->named && strcmp(set->by_kid[i]->kid, kid) == 0;
         i++) {
        if (eligible(set->by_kid[i], alg, iss, tenant)) {
            *key = set->by_kid[i];
            return BEARER_OK;
        }
    }
    if (i > first) {
        return refuse_key(why, p, set->by_kid[first], alg, iss);
    }
    *unknown_kid = 1;
    return bearer_refuse(why, p, BEARER_KEY,
                         "key %s is not among the issuer's usable keys, %d in all",
                         bearer_text_quote(p, kid), set->usable);
}

static bearer_reason_t select_only(const bearer_jwk_t **key, int *unknown_kid,
                                   const bearer_jwks_t *set,
                                   const bearer_alg_t *alg, const char *iss,
                                   const char *tenant, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const bearer_jwk_t *only = NULL;
    int i, n = 0;

    for (i = 0; i < set->usable; i++) {
        if (eligible(&set->keys[i], alg, iss, tenant)) {
            only = &set->keys[i];
            n++;
        }
    }
    if (n == 1) {
        *key = only;
        return BEARER_OK;
    }
    if (n > 1) {
        return bearer_refuse(why, p, BEARER_KID,
                             "the token has no kid, and %d keys of the issuer "
                             "can verify %s", n, alg->name);
    }
    *unknown_kid = 1;
    return bearer_refuse(why, p, BEARER_KEY,
                         "the token has no kid, and no usable key of the issuer, %d in all, can "
                         "verify %s", set->usable, alg->name);
}

bearer_reason_t bearer_jwks_select(const bearer_jwk_t **key, int *unknown_kid,
                                   const bearer_jwks_t *set,
                                   const bearer_alg_t *alg, const char *kid,
                                   const char *iss, const char *tenant,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    *key = NULL;
    *unknown_kid = 0;
    /* If no key of the set has a kid (PEM), the token's kid is ignored. */
    return kid && set->named ? select_by_kid(key, unknown_kid, set, alg, kid, iss, tenant,
                               why, p)
               : select_only(key, unknown_kid, set, alg, iss, tenant, why, p);
}
