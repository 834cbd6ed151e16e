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

/* What a token wants. */
typedef struct wanted_t {
    const bearer_alg_t *alg;
    const char *kid, *iss, *tenant;
} wanted_t;

int bearer_jwks_names(const bearer_jwks_t *set, const char *kid)
{
    int at = kid ? find_kid(set, kid) : set->named;
    int i;

    for (i = 0; i < set->part_count; i++) {
        if (bearer_jwks_names(set->parts[i], kid)) {
            return 1;
        }
    }
    return at < set->named && strcmp(set->by_kid[at]->kid, kid) == 0;
}

int bearer_jwks_guesses(const bearer_jwks_t *set, const char *kid)
{
    int i, named = 0;

    for (i = 0; kid && i < set->part_count; i++) {
        named |= set->parts[i]->usable_named;
    }
    return named && !bearer_jwks_names(set, kid);
}

static bearer_reason_t not_among(const bearer_jwks_t *set, const wanted_t *wanted,
                                 bearer_refusal_t *why, apr_pool_t *p)
{
    return why ? bearer_refuse(why, p, BEARER_KEY,
                               "key %s is not among the issuer's usable keys, %d in all",
                               bearer_text_quote(p, wanted->kid), set->usable)
               : BEARER_KEY;
}

static bearer_reason_t select_by_kid(const bearer_jwk_t **key, int *unknown_kid,
                                     const bearer_jwks_t *set, const wanted_t *wanted,
                                     bearer_refusal_t *why, apr_pool_t *p)
{
    int first = find_kid(set, wanted->kid);
    int i;

    for (i = first;
         i < set->named && strcmp(set->by_kid[i]->kid, wanted->kid) == 0; i++) {
        if (eligible(set->by_kid[i], wanted->alg, wanted->iss, wanted->tenant)) {
            *key = set->by_kid[i];
            return BEARER_OK;
        }
    }
    if (i > first) {
        return refuse_key(why, p, set->by_kid[first], wanted->alg, wanted->iss);
    }
    *unknown_kid = 1;
    return not_among(set, wanted, why, p);
}

static bearer_reason_t select_only(const bearer_jwk_t **key, int *unknown_kid,
                                   const bearer_jwks_t *set, const wanted_t *wanted,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_jwk_t *only = NULL;
    int i, n = 0;

    for (i = 0; i < set->usable; i++) {
        if (eligible(&set->keys[i], wanted->alg, wanted->iss, wanted->tenant)) {
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
                             "can verify %s", n, wanted->alg->name);
    }
    *unknown_kid = 1;
    return bearer_refuse(why, p, BEARER_KEY,
                         "the token has no kid, and no usable key of the issuer, %d in all, can "
                         "verify %s", set->usable, wanted->alg->name);
}

/* If no usable key has a kid (PEM), the token's kid counts only if it names one that
 * is not usable. */
static bearer_reason_t select_in(const bearer_jwk_t **key, int *unknown_kid,
                                 const bearer_jwks_t *set, const wanted_t *wanted,
                                 bearer_refusal_t *why, apr_pool_t *p)
{
    *key = NULL;
    *unknown_kid = 0;
    return wanted->kid && (set->usable_named || bearer_jwks_names(set, wanted->kid))
        ? select_by_kid(key, unknown_kid, set, wanted, why, p)
        : select_only(key, unknown_kid, set, wanted, why, p);
}

/* ---- pools --------------------------------------------------------------- */

/* Finds the keys to try in the parts that have that kid, or in those that do not. */
static int add_candidates(const bearer_jwk_t *found[2], int n, const bearer_jwks_t *set,
                          const wanted_t *wanted, int named)
{
    int i, unknown;

    for (i = 0; i < set->part_count && n < 2; i++) {
        if (bearer_jwks_names(set->parts[i], wanted->kid) == named
            && select_in(&found[n], &unknown, set->parts[i], wanted, NULL, NULL)
                   == BEARER_OK
            && (n == 0 || strcmp(found[0]->thumbprint, found[n]->thumbprint) != 0)) {
            n++;
        }
    }
    return n;
}

static int candidates(const bearer_jwk_t *found[2], const bearer_jwks_t *set,
                      const wanted_t *wanted)
{
    int n = add_candidates(found, 0, set, wanted, 1);

    return add_candidates(found, n, set, wanted, 0);
}

/* A part that has the key, but cannot use it, says why; else none knows it. */
static bearer_reason_t refuse_pool(int *unknown_kid, const bearer_jwks_t *set,
                                   const wanted_t *wanted, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const bearer_jwk_t *none;
    int i;

    for (i = 0; i < set->part_count; i++) {
        bearer_reason_t reason = select_in(&none, unknown_kid, set->parts[i], wanted,
                                           why, p);

        if (!*unknown_kid) {
            return reason;
        }
    }
    return not_among(set, wanted, why, p);
}

bearer_reason_t bearer_jwks_select(const bearer_jwk_t **key, int *unknown_kid,
                                   const bearer_jwks_t *set,
                                   const bearer_alg_t *alg, const char *kid,
                                   const char *iss, const char *tenant,
                                   bearer_refusal_t *why, apr_pool_t *p)
{
    const wanted_t wanted = { alg, kid, iss, tenant };
    const bearer_jwk_t *found[2];

    if (!set->parts) {
        return select_in(key, unknown_kid, set, &wanted, why, p);
    }
    *unknown_kid = 0;
    *key = candidates(found, set, &wanted) ? found[0] : NULL;
    return *key ? BEARER_OK : refuse_pool(unknown_kid, set, &wanted, why, p);
}

const bearer_jwk_t *bearer_jwks_second(const bearer_jwks_t *set, const bearer_alg_t *alg,
                                       const char *kid, const char *iss,
                                       const char *tenant)
{
    const wanted_t wanted = { alg, kid, iss, tenant };
    const bearer_jwk_t *found[2];

    return set->parts && candidates(found, set, &wanted) > 1 ? found[1] : NULL;
}
