/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* `Require claim SPEC`: a SPEC, an expanded value and claims, one a line. */
#include "fuzz.h"

#include "../unit/posix_regex.h"

#include "base/json.h"
#include "judge/claim.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

/* The engine is not what is tested here, and POSIX's own can take for ever. */
static const bearer_regex_t *compile(const char *pattern, const char **error,
                                     apr_pool_t *p)
{
    if (strlen(pattern) > 16 || strpbrk(pattern, "*+{?")) {
        *error = "not here";
        return NULL;
    }
    return posix_regex_compile(pattern, error, p);
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const char *spec = fuzz_part(&text, '\n', p);
    const char *value = fuzz_part(&text, '\n', p);
    const char *error = NULL;
    const bearer_claim_rule_t *rule = bearer_claim_compile(spec, compile,
                                                           &error, p);
    json_t *claims = NULL;

    (void)len;
    if (!rule) {
        FUZZ_CHECK(error && *error);
        return;
    }
    FUZZ_CHECK(!bearer_claim_is_at(rule, apr_array_make(p, 1, sizeof(const bearer_path_t *))));
    if (bearer_json_parse(&claims, text, strlen(text), &error, p)
        != APR_SUCCESS) {
        claims = json_object();
        bearer_json_tie(claims, p);
    }
    (void)bearer_claim_match(rule, claims, NULL, 0, NULL);
    if (bearer_claim_value(rule)) {
        int met = bearer_claim_match(rule, claims, value, 1, NULL);

        FUZZ_CHECK(met == bearer_claim_match(rule, claims, value, 1, NULL));
        FUZZ_CHECK(!met || json_object_size(claims));
    }
}
