/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What is made once of a configuration, so that a request need not walk through
 * all issuers: the algorithms and prefixes of all together. See judge.h.
 */
#include "judge/judge.h"

#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/text.h"

/* ---- algorithms and prefixes ------------------------------------------- */

static bearer_algs_t all_algorithms(const bearer_issuers_t *issuers,
                                    const bearer_settings_t *defaults,
                                    const bearer_settings_t *server)
{
    bearer_settings_t s;
    bearer_algs_t all;
    int i;

    bearer_settings_resolve(&s, defaults, server, NULL, NULL);
    /* HS* is up to an issuer with a key file */
    all = s.algorithms & ~bearer_alg_symmetric();
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        bearer_settings_resolve(&s, defaults, server, &issuer->settings, NULL);
        all |= bearer_judge_algorithms(&s, issuer);
    }
    return all;
}

static void add_prefixes(bearer_judge_common_t *common,
                         const apr_array_header_t *prefixes, apr_pool_t *p)
{
    apr_array_header_t *all;
    int i;

    for (i = 0; prefixes && i < prefixes->nelts; i++) {
        const char *prefix = APR_ARRAY_IDX(prefixes, i, const char *);

        if (*prefix) {
            common->first[(unsigned char)*prefix] = 1;
        }
    }
    if (!prefixes || !prefixes->nelts) {
        return;
    }
    all = common->prefixes ? apr_array_copy(p, common->prefixes)
                           : apr_array_make(p, 4, sizeof(const char *));
    apr_array_cat(all, prefixes);
    common->prefixes = all;
}

const bearer_judge_common_t *
bearer_judge_prepare(const bearer_issuers_t *issuers,
                     const bearer_settings_t *defaults,
                     const bearer_settings_t *server, apr_pool_t *p)
{
    bearer_judge_common_t *common = apr_pcalloc(p, sizeof(*common));
    int i;

    common->algorithms = all_algorithms(issuers, defaults, server);
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        add_prefixes(common, bearer_issuers_at(issuers, i)->token_prefixes, p);
    }
    return common;
}
