/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer proof: makes a DPoP proof (RFC 9449 section 4.2), for tests.
 */
#include "ht.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"
#include "jose/jwk.h"
#include "judge/proof.h"

/* Returns the algorithms of proofs: a shared secret proves nothing to a server. */
static bearer_algs_t asymmetric(void)
{
    bearer_algs_t rest = BEARER_ALGS_ALL, all = 0;
    const bearer_alg_t *alg;

    while ((alg = bearer_alg_next(&rest)) != NULL) {
        all |= alg->kty != BEARER_KTY_OCT ? alg->bit : 0;
    }
    return all;
}

/* A wrong method, URL or nonce is possible: tests need proofs that are refused. */
static int read_claims(const ht_call_t *call, bearer_proof_claims_t *claims)
{
    const char *method = ht_value(call, "method");

    claims->method = method ? method : "GET";
    claims->url = ht_value(call, "url");
    claims->nonce = ht_value(call, "nonce");
    return ht_now(call, &claims->now);
}

static int read_token(const ht_call_t *call, bearer_proof_claims_t *claims)
{
    int status = HT_OK;

    if (!ht_has(call, "no-token")) {
        status = ht_read_token(call, &claims->token, &claims->token_len);
        if (status == HT_OK && !claims->token_len) {
            status = ht_usage(call, "there is no token on standard input; for a proof without "
                              "ath, use --no-token");
        }
    }
    return status;
}

static int run(const ht_call_t *call)
{
    bearer_proof_claims_t claims = { 0 };
    const bearer_alg_t *alg = NULL;
    const char *error = NULL;
    EVP_PKEY *pkey = NULL;
    json_t *jwk = NULL;
    char *proof;
    int status;

    if (read_claims(call, &claims) != HT_OK
        || ht_signing_key(call, asymmetric(), &jwk, &alg) != HT_OK) {
        return HT_USAGE;
    }
    status = read_token(call, &claims);
    if (status != HT_OK) {
        return status;
    }
    if (bearer_jwk_private(&pkey, jwk, &error, call->p) != APR_SUCCESS
        || bearer_proof_sign(&proof, &claims, pkey, alg, &error, call->p) != APR_SUCCESS) {
        return ht_fail(call, HT_USAGE, "%s: %s", bearer_text_quote(call->p, ht_value(call, "key")),
                       error ? error : "OpenSSL did not sign");
    }
    return ht_write(call, apr_pstrcat(call->p, proof, "\n", NULL), strlen(proof) + 1);
}

static const ht_option_t options[] = {
    { "key", "FILE", HT_REQUIRED, "private JWK (also a set of one) or PEM of the client" },
    { "url", "URL", HT_REQUIRED, "of the request; query and fragment are left out" },
    { "method", "METHOD", 0, "of the request (default GET)" },
    { "nonce", "NONCE", 0, "from the server's DPoP-Nonce" },
    { "no-token", NULL, 0, "read no token, and leave ath out" },
    { "kid", "KID", 0, "key of the set, if several fit" },
    { "alg", "ALG", 0, "algorithm, if the key allows several" },
    { "now", "EPOCH", 0, "time to assume, in seconds since 1970" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_proof = {
    "proof", NULL, 1, "Make a DPoP proof for one request.",
    "Send the proof in the header DPoP, and the token as Authorization: DPoP TOKEN. A server "
    "accepts each proof once.",
    options, run
};
