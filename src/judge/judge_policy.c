/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Computed once per configuration, so that a request need not walk all issuers: the
 * algorithms and prefixes of all issuers. See judge.h.
 */
#include "judge/judge.h"

const bearer_judge_common_t *
bearer_judge_prepare(const bearer_issuers_t *issuers,
                     const bearer_settings_t *defaults,
                     const bearer_settings_t *server, apr_pool_t *p)
{
    bearer_judge_common_t *common = apr_pcalloc(p, sizeof(*common));
    apr_array_header_t *prefixes = apr_array_make(p, 4, sizeof(const char *));
    bearer_settings_t s;
    int i;

    bearer_settings_resolve(&s, defaults, server, NULL, NULL);
    /* HS* depends on the issuer having a key file */
    common->algorithms = s.algorithms & ~bearer_alg_symmetric();
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        bearer_settings_resolve(&s, defaults, server, &issuer->settings, NULL);
        common->algorithms |= bearer_judge_algorithms(&s, issuer);
        if (issuer->token_prefixes) {
            apr_array_cat(prefixes, issuer->token_prefixes);
        }
    }
    for (i = 0; i < prefixes->nelts; i++) {
        common->first[(unsigned char)*APR_ARRAY_IDX(prefixes, i, const char *)] = 1;
    }
    common->prefixes = prefixes;
    return common;
}
