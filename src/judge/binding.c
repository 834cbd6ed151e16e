/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Tokens that are bound to a key. See binding.h.
 */
#include "judge/binding.h"

#include <string.h>

#define BINDING(why, p, ...) bearer_refuse(why, p, BEARER_BINDING, __VA_ARGS__)

static const char *ways(unsigned bound)
{
    return bound == (BEARER_BOUND_DPOP | BEARER_BOUND_MTLS)
        ? "to a DPoP key and a client certificate"
        : bound & BEARER_BOUND_DPOP ? "to a DPoP key (cnf.jkt)"
                                    : "to a client certificate (cnf.x5t#S256)";
}

static bearer_reason_t check_scheme(unsigned bound, int dpop, bearer_refusal_t *why,
                                    apr_pool_t *p)
{
    if ((bound & BEARER_BOUND_DPOP) && !dpop) {
        return BINDING(why, p, "the token is bound to a DPoP key (cnf.jkt), but was presented "
                       "without a proof: the client must send `Authorization: DPoP` and a proof "
                       "in the DPoP header (RFC 9449); AuthBearerProof ignore would accept the "
                       "token from anyone who has it");
    }
    return !dpop || (bound & BEARER_BOUND_DPOP) ? BEARER_OK
        : BINDING(why, p, "the token came with the scheme DPoP, but is not bound to a DPoP key: "
                  "it has no cnf.jkt (RFC 9449 section 7.1)");
}

bearer_reason_t bearer_binding_check(const bearer_principal_t *principal,
                                     const bearer_settings_t *settings, int dpop,
                                     bearer_refusal_t *why, apr_pool_t *p)
{
    const unsigned bound = principal->bound;
    const int mode = settings->proof.mode;

    if (bound & BEARER_BOUND_OTHER) {
        return BINDING(why, p, "the token is bound in a way that this server cannot check: its "
                       "cnf has neither a valid jkt nor a valid x5t#S256; AuthBearerProof ignore "
                       "would accept it without a check");
    }
    if (mode && !(bound & (unsigned)mode)) {
        const char *wanted = bearer_settings_print(settings, BEARER_SET_PROOF, p);

        return bound
            ? BINDING(why, p, "the token is bound %s, but AuthBearerProof is %s", ways(bound),
                      wanted)
            : BINDING(why, p, "the token is not bound to a key (it has no cnf), but "
                      "AuthBearerProof is %s", wanted);
    }
    return check_scheme(bound, dpop, why, p);
}

bearer_reason_t bearer_binding_certificate(const bearer_principal_t *principal,
                                           const char *seen, const char *missing,
                                           bearer_refusal_t *why, apr_pool_t *p)
{
    const char *wanted = bearer_principal_x5t(principal);

    if (!seen) {
        return BINDING(why, p, "the token is bound to a client certificate (cnf.x5t#S256), but "
                       "%s", missing);
    }
    return wanted && strcmp(seen, wanted) == 0 ? BEARER_OK
        : BINDING(why, p, "the token is bound to the client certificate %s (x5t#S256), but the "
                  "client has %s", wanted, seen);
}

const char *bearer_binding_proven(unsigned proven)
{
    static const char *const words[] = { NULL, "dpop", "mtls", "dpop,mtls" };

    return words[proven & (BEARER_BOUND_DPOP | BEARER_BOUND_MTLS)];
}
