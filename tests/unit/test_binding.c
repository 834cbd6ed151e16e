/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* How a token is bound, and how it is presented (AuthBearerProof). */
#include "claims.h"

#include "judge/binding.h"

#define DPOP BEARER_BOUND_DPOP
#define MTLS BEARER_BOUND_MTLS
#define OTHER BEARER_BOUND_OTHER

/* Each way to bind a token, by each mode and each scheme. */
static void test_every_way(void **state)
{
    static const struct {
        int mode;
        unsigned bound;
        int dpop;
        const char *detail;    /* NULL: accepted */
    } cases[] = {
        { BEARER_PROOF_AUTO, 0, 0, NULL },
        { BEARER_PROOF_AUTO, 0, 1, "scheme DPoP" },
        { BEARER_PROOF_AUTO, DPOP, 0, "without a proof" },
        { BEARER_PROOF_AUTO, DPOP, 1, NULL },
        { BEARER_PROOF_AUTO, MTLS, 0, NULL },
        { BEARER_PROOF_AUTO, MTLS, 1, "scheme DPoP" },
        { BEARER_PROOF_AUTO, DPOP | MTLS, 0, "without a proof" },
        { BEARER_PROOF_AUTO, DPOP | MTLS, 1, NULL },
        { BEARER_PROOF_AUTO, OTHER, 0, "neither" },
        { BEARER_PROOF_AUTO, OTHER, 1, "neither" },
        { BEARER_PROOF_AUTO, OTHER | DPOP, 1, "neither" },
        { BEARER_PROOF_AUTO, OTHER | MTLS, 0, "neither" },
        { BEARER_PROOF_DPOP, 0, 0, "AuthBearerProof is dpop" },
        { BEARER_PROOF_DPOP, 0, 1, "AuthBearerProof is dpop" },
        { BEARER_PROOF_DPOP, DPOP, 0, "without a proof" },
        { BEARER_PROOF_DPOP, DPOP, 1, NULL },
        { BEARER_PROOF_DPOP, MTLS, 0, "bound to a client certificate" },
        { BEARER_PROOF_DPOP, MTLS | DPOP, 1, NULL },
        { BEARER_PROOF_DPOP, OTHER | DPOP, 1, "neither" },
        { BEARER_PROOF_MTLS, 0, 0, "AuthBearerProof is mtls" },
        { BEARER_PROOF_MTLS, MTLS, 0, NULL },
        { BEARER_PROOF_MTLS, MTLS, 1, "scheme DPoP" },
        { BEARER_PROOF_MTLS, DPOP, 1, "bound to a DPoP key" },
        { BEARER_PROOF_MTLS, MTLS | DPOP, 0, "without a proof" },
        { BEARER_PROOF_MTLS | BEARER_PROOF_DPOP, 0, 0, "is dpop mtls" },
        { BEARER_PROOF_MTLS | BEARER_PROOF_DPOP, MTLS, 0, NULL },
        { BEARER_PROOF_MTLS | BEARER_PROOF_DPOP, DPOP, 1, NULL },
        { BEARER_PROOF_MTLS | BEARER_PROOF_DPOP, MTLS | DPOP, 1, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    bearer_settings_t settings = *bearer_settings_defaults(p);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const bearer_principal_t principal = { .bound = cases[i].bound };
        bearer_refusal_t why = { BEARER_OK, NULL };
        bearer_reason_t reason;

        settings.proof.mode = cases[i].mode;
        reason = bearer_binding_check(&principal, &settings, cases[i].dpop, &why, p);
        UNIT_CHECK(cases[i].detail ? reason == BEARER_BINDING && why.reason == reason
                                         && unit_contains(why.detail, cases[i].detail)
                                   : reason == BEARER_OK,
                   "mode %d, bound %u, dpop %d: %s", cases[i].mode, cases[i].bound,
                   cases[i].dpop, why.detail);
    }
}

static void test_certificate(void **state)
{
    static const char a[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    static const char b[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE";
    apr_pool_t *p = unit_pool(state);
    bearer_principal_t principal = {
        .bound = MTLS, .claims = unit_claims(p, apr_pstrcat(p, "{'cnf':{'x5t#S256':'", a, "'}}",
                                                            NULL))
    };
    bearer_refusal_t why = { BEARER_OK, NULL };

    assert_int_equal(bearer_binding_certificate(&principal, a, NULL, &why, p), BEARER_OK);
    assert_int_equal(bearer_binding_certificate(&principal, b, NULL, &why, p), BEARER_BINDING);
    assert_true(unit_contains(why.detail, a) && unit_contains(why.detail, b));
    assert_int_equal(bearer_binding_certificate(&principal, NULL, "there is none", &why, p),
                     BEARER_BINDING);
    assert_true(unit_contains(why.detail, "there is none"));
    principal.bound = OTHER;  /* a member that cannot be compared matches nothing */
    assert_int_equal(bearer_binding_certificate(&principal, a, NULL, &why, p), BEARER_BINDING);
}

static void test_proven(void **state)
{
    (void)state;
    assert_null(bearer_binding_proven(0));
    assert_null(bearer_binding_proven(OTHER));
    assert_string_equal(bearer_binding_proven(DPOP), "dpop");
    assert_string_equal(bearer_binding_proven(MTLS), "mtls");
    assert_string_equal(bearer_binding_proven(MTLS | DPOP), "dpop,mtls");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_every_way),
        UNIT_TEST(test_certificate),
        UNIT_TEST(test_proven),
    };

    return UNIT_RUN("binding", tests);
}
