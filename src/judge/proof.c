/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Judges DPoP proofs. See proof.h.
 */
#include "judge/proof.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#define TYP "dpop+jwt"

/** Characters of the base64url of a SHA-256. */
#define DIGEST_TEXT 43

struct bearer_proof_key_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    bearer_verifier_t *verifier;
    char thumbprint[DIGEST_TEXT + 1];
    apr_size_t header_len;
    char header[];          /* base64url: typ, alg and jwk that have passed the checks */
};

/* A proof while it is judged. */
typedef struct work_t {
    bearer_proof_t *proof;
    apr_pool_t *p;
    unsigned has;           /* HAS(...) */
    bearer_jws_t jws;
    const bearer_proof_key_t *key;  /* known, if the header is the same */
    const bearer_alg_t *alg;
    const json_t *jwk;
    const char *thumbprint;
    json_t *claims;
    const char *jti;
    apr_size_t jti_len;
    apr_time_t iat;
} work_t;

/** X(name, directive, needs, gives, function). The order is that in which they run. */
#define CHECKS(X) \
    X("proof form", NULL, 0, HAS(FORM), form) \
    X("proof type", NULL, HAS(FORM), 0, type) \
    X("proof algorithm", NULL, HAS(FORM), HAS(ALG), alg) \
    X("proof header", NULL, HAS(ALG), 0, header) \
    X("proof key", NULL, HAS(ALG), HAS(KEY), key) \
    X("proof claims", NULL, HAS(FORM), HAS(CLAIMS), claims) \
    X("proof identifier", NULL, HAS(CLAIMS), 0, jti) \
    X("proof method", NULL, HAS(CLAIMS), 0, htm) \
    X("proof URL", "AuthBearerBaseURL", HAS(CLAIMS), 0, htu) \
    X("proof token", NULL, HAS(CLAIMS), 0, ath) \
    X("proof binding", "AuthBearerProof", HAS(KEY), 0, binding) \
    X("proof time", "AuthBearerProof", HAS(CLAIMS), 0, iat) \
    X("proof nonce", "AuthBearerProof", HAS(CLAIMS), 0, nonce) \
    X("proof signature", NULL, HAS(KEY), 0, signature)

enum { FORM, ALG, KEY, CLAIMS };

#define HAS(symbol) (1u << (symbol))

/* `return REFUSE(w, PROOF, "the DPoP proof ...", ...);` */
#define REFUSE(w, symbol, ...) \
    bearer_refuse(&(w)->proof->why, (w)->p, BEARER_##symbol, __VA_ARGS__)

/* ---- the key of a proof -------------------------------------------------- */

void bearer_proof_key_free(void *key_)
{
    bearer_proof_key_t *key = key_;

    if (key) {
        bearer_verifier_free(key->verifier);
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

/* Makes the key of this proof. Returns NULL and an error message if it is refused. */
static bearer_proof_key_t *make_key(const work_t *w, const char **error)
{
    const apr_size_t len = w->jws.segment_len[0];
    bearer_proof_key_t *key = calloc(1, sizeof(*key) + len);

    *error = key ? bearer_jwk_public(&key->pkey, &key->verifier, w->jwk, w->alg, w->p)
                 : "there is no memory for it";
    if (*error) {
        free(key);
        return NULL;
    }
    key->alg = w->alg;
    apr_cpystrn(key->thumbprint, w->thumbprint, sizeof(key->thumbprint));
    key->header_len = len;
    memcpy(key->header, w->jws.segment[0], len);
    return key;
}

/* ---- the header (RFC 9449 section 4.3, checks 1 to 6) --------------------- */

static bearer_reason_t check_form(work_t *w)
{
    const bearer_proof_key_t *known = w->proof->known;
    const char *field = w->proof->field;
    apr_size_t len = field ? strlen(field) : 0;
    bearer_refusal_t why;

    if (!len) {
        return REFUSE(w, PROOF, "the request has no DPoP proof, which the token needs "
                      "(AuthBearerProof)");
    }
    if (len > BEARER_PROOF_MAX) {
        return REFUSE(w, PROOF, "the DPoP proof has %lu bytes; at most %d are accepted",
                      (unsigned long)len, BEARER_PROOF_MAX);
    }
    if (strchr(field, ',')) {
        return REFUSE(w, PROOF, "the request has several DPoP proofs; it must have one");
    }
    if (bearer_jws_parse_same(&w->jws, known ? known->header : NULL,
                              known ? known->header_len : 0, field, len, &why, w->p)
        != BEARER_OK) {
        return REFUSE(w, PROOF, "the DPoP proof is not a signed JWT: %s", why.detail);
    }
    if (known && !w->jws.header) {
        w->key = known;
        w->alg = known->alg;
        w->thumbprint = apr_pstrmemdup(w->p, known->thumbprint, DIGEST_TEXT);
    }
    return BEARER_OK;
}

static bearer_reason_t check_type(work_t *w)
{
    const char *typ = bearer_json_string(w->jws.header, "typ");

    return w->key || (typ && bearer_jws_is_typ(typ, TYP)) ? BEARER_OK
        : REFUSE(w, PROOF, "the DPoP proof has the typ %s, not '" TYP "'",
                 bearer_text_quote(w->p, typ));
}

static bearer_reason_t check_alg(work_t *w)
{
    const char *name = bearer_json_string(w->jws.header, "alg");

    if (w->key) {
        return BEARER_OK;
    }
    w->alg = bearer_alg_find(name);
    return w->alg && w->alg->kty != BEARER_KTY_OCT ? BEARER_OK
        : REFUSE(w, PROOF, "the DPoP proof has the algorithm %s; only asymmetric ones are accepted",
                 bearer_text_quote(w->p, name));
}

static bearer_reason_t check_header(work_t *w)
{
    bearer_refusal_t why;

    return w->key || bearer_jws_check_header(&w->jws, w->alg->bit, &why, w->p) == BEARER_OK
        ? BEARER_OK : REFUSE(w, PROOF, "the DPoP proof is refused: %s", why.detail);
}

static bearer_reason_t check_key(work_t *w)
{
    const char *member;

    if (w->key) {
        return BEARER_OK;
    }
    w->jwk = bearer_json_member(w->jws.header, "jwk");
    if (!json_is_object(w->jwk)) {
        return REFUSE(w, PROOF, "the header of the DPoP proof has no jwk that is an object");
    }
    member = bearer_jwk_private_member(w->jwk);
    if (member) {
        return REFUSE(w, PROOF, "the jwk of the DPoP proof has the private member '%s'; the key "
                      "is compromised", member);
    }
    if (!(bearer_jwk_algs(w->jwk) & w->alg->bit)) {
        return REFUSE(w, PROOF, "the jwk of the DPoP proof, of type %s, is not a key for %s",
                      bearer_text_quote(w->p, bearer_json_string(w->jwk, "kty")), w->alg->name);
    }
    w->thumbprint = bearer_jwk_thumbprint(w->jwk, w->p);
    return w->thumbprint ? BEARER_OK
        : REFUSE(w, PROOF, "the jwk of the DPoP proof lacks members, or they are not base64url");
}

/* ---- the claims (checks 3 and 8 to 11, 12a) ------------------------------- */

static bearer_reason_t check_claims(work_t *w)
{
    const char *error;

    return bearer_json_parse(&w->claims, w->jws.payload, w->jws.payload_len, &error, w->p)
               == APR_SUCCESS ? BEARER_OK
        : REFUSE(w, PROOF, "the claims of the DPoP proof are not a strict JSON object: %s", error);
}

static bearer_reason_t check_jti(work_t *w)
{
    const json_t *jti = json_object_get(w->claims, "jti");

    w->jti = json_string_value(jti);
    w->jti_len = json_string_length(jti);
    return w->jti_len >= 1 && w->jti_len <= BEARER_PROOF_JTI_MAX ? BEARER_OK
        : REFUSE(w, PROOF, "the DPoP proof's jti is not a string of 1 to %d bytes",
                 BEARER_PROOF_JTI_MAX);
}

static bearer_reason_t check_htm(work_t *w)
{
    const char *htm = bearer_json_string(w->claims, "htm");

    return htm && strcmp(htm, w->proof->method) == 0 ? BEARER_OK
        : REFUSE(w, PROOF_REQUEST, "the DPoP proof is for the method %s, but the request has %s",
                 bearer_text_quote(w->p, htm), bearer_text_quote(w->p, w->proof->method));
}

static bearer_reason_t check_htu(work_t *w)
{
    const char *htu = bearer_json_string(w->claims, "htu");
    const char *theirs = bearer_proof_url(htu, w->p);
    const char *ours = bearer_proof_url(w->proof->url, w->p);

    if (theirs && ours && strcmp(theirs, ours) == 0) {
        return BEARER_OK;
    }
    return REFUSE(w, PROOF_REQUEST, "the DPoP proof is for the URL %s, but the request's URL is "
                  "%s; if that is not the URL that clients use, set AuthBearerBaseURL, or "
                  "ServerName with scheme and port", bearer_text_quote(w->p, htu),
                  bearer_text_quote(w->p, ours ? ours : w->proof->url));
}

static bearer_reason_t check_ath(work_t *w)
{
    const bearer_sha256_piece_t token = { w->proof->token, w->proof->token_len };
    unsigned char digest[BEARER_SHA256_SIZE];
    const char *ath;

    if (!w->proof->token) {
        return BEARER_OK;
    }
    ath = bearer_json_string(w->claims, "ath");
    if (!ath) {
        return REFUSE(w, PROOF_REQUEST, "the DPoP proof has no ath, the SHA-256 of the token");
    }
    if (bearer_sha256_of(w->proof->sha256, digest, &token, 1) != APR_SUCCESS) {
        return REFUSE(w, INTERNAL, "OpenSSL has no SHA-256");
    }
    return strcmp(ath, bearer_b64url_encode(w->p, digest, sizeof(digest))) == 0 ? BEARER_OK
        : REFUSE(w, PROOF_REQUEST, "the DPoP proof is for another token: its ath is %s",
                 bearer_text_quote(w->p, ath));
}

/* Check 12b. */
static bearer_reason_t check_binding(work_t *w)
{
    return !w->proof->jkt || strcmp(w->thumbprint, w->proof->jkt) == 0 ? BEARER_OK
        : REFUSE(w, BINDING, "the token is bound to the key with the thumbprint %s (jkt), but the "
                 "DPoP proof is signed with %s", bearer_text_quote(w->p, w->proof->jkt),
                 bearer_text_quote(w->p, w->thumbprint));
}

static bearer_reason_t check_iat(work_t *w)
{
    const bearer_proof_t *proof = w->proof;
    apr_interval_time_t age;

    if (bearer_json_date(&w->iat, w->claims, "iat") != APR_SUCCESS) {
        return REFUSE(w, PROOF, "the DPoP proof's iat is missing or is not a date");
    }
    age = proof->now - w->iat;
    if (age > proof->window) {
        return REFUSE(w, PROOF_TIME, "the DPoP proof was made %" APR_TIME_T_FMT " s ago; at most %"
                      APR_TIME_T_FMT " s are accepted (AuthBearerProof window=)",
                      apr_time_sec(age), apr_time_sec(proof->window));
    }
    if (-age > proof->skew) {
        return REFUSE(w, PROOF_TIME, "the DPoP proof's iat is %" APR_TIME_T_FMT " s in the future; "
                      "at most %" APR_TIME_T_FMT " s are accepted (AuthBearerClockSkew)",
                      apr_time_sec(-age), apr_time_sec(proof->skew));
    }
    return BEARER_OK;
}

static bearer_reason_t check_nonce(work_t *w)
{
    const json_t *nonce = json_object_get(w->claims, "nonce");
    const char *text = json_string_value(nonce);

    if (!w->proof->nonce) {
        return BEARER_OK;
    }
    if (nonce && !text) {
        return REFUSE(w, PROOF, "the DPoP proof's nonce is not a string");
    }
    if (!text) {
        return REFUSE(w, PROOF_NONCE, "the DPoP proof has no nonce (AuthBearerProof nonce=on)");
    }
    return json_string_length(nonce) <= BEARER_PROOF_NONCE_MAX
           && w->proof->nonce(w->proof->baton, text) == BEARER_OK ? BEARER_OK
        : REFUSE(w, PROOF_NONCE, "the DPoP proof's nonce is not from this server, or old "
                 "(AuthBearerProof nonce=on, AuthBearerSecretFile)");
}

/* ---- the signature (check 7) ---------------------------------------------- */

static bearer_reason_t check_signature(work_t *w)
{
    const bearer_proof_key_t *key = w->key;
    bearer_proof_key_t *made = NULL;
    bearer_verify_t result;
    const char *error;

    if (!key) {
        key = made = make_key(w, &error);
    }
    if (!key) {
        return REFUSE(w, PROOF, "the jwk of the DPoP proof is refused: %s", error);
    }
    result = bearer_verifier_check(key->verifier, w->jws.token, w->jws.signing_input_len,
                                   w->jws.signature, w->jws.signature_len);
    if (result == BEARER_VERIFY_OK) {
        w->proof->made = made;
        return BEARER_OK;
    }
    bearer_proof_key_free(made);
    return result == BEARER_VERIFY_BAD
        ? REFUSE(w, PROOF, "the %s signature of the DPoP proof does not match its jwk",
                 w->alg->name)
        : REFUSE(w, INTERNAL, "OpenSSL failed to verify the DPoP proof (%s)", w->alg->name);
}

/* ---- all checks ------------------------------------------------------------ */

typedef struct row_t {
    bearer_proof_check_t check;
    unsigned needs, gives;
    bearer_reason_t (*run)(work_t *w);
} row_t;

static const row_t rows[] = {
#define X(name, directive, needs, gives, function) \
    { { name, directive }, needs, gives, check_##function },
    CHECKS(X)
#undef X
};

#define ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

const bearer_proof_check_t *bearer_proof_check(int i)
{
    return i >= 0 && i < ROWS ? &rows[i].check : NULL;
}

/* Runs the checks; with an observer also those after the first refusal, which counts. */
static bearer_reason_t run_checks(work_t *w)
{
    bearer_proof_t *proof = w->proof;
    bearer_refusal_t first = { BEARER_OK, NULL };
    int i;

    for (i = 0; i < ROWS && (first.reason == BEARER_OK || proof->observe); i++) {
        bearer_reason_t reason;

        if (rows[i].needs & ~w->has) {
            continue;
        }
        proof->why.reason = BEARER_OK;
        proof->why.detail = NULL;
        reason = rows[i].run(w);
        if (reason == BEARER_OK) {
            w->has |= rows[i].gives;
        }
        if (proof->observe) {
            proof->observe(proof->observe_baton, &rows[i].check, &proof->why);
        }
        if (first.reason == BEARER_OK) {
            first = proof->why;
        }
    }
    proof->why = first;
    return first.reason;
}

/* The name in the memory of used proofs. A jti is unique for its key only. */
static bearer_reason_t fill(work_t *w)
{
    bearer_proof_t *proof = w->proof;
    const bearer_sha256_piece_t pieces[] = {
        { w->thumbprint, DIGEST_TEXT }, { ".", 1 }, { w->jti, w->jti_len }
    };

    proof->thumbprint = w->thumbprint;
    proof->expires = w->iat + proof->window + proof->skew;
    return bearer_sha256_of(proof->sha256, proof->id, pieces, 3) == APR_SUCCESS ? BEARER_OK
        : REFUSE(w, INTERNAL, "OpenSSL has no SHA-256");
}

bearer_reason_t bearer_proof_judge(bearer_proof_t *proof, apr_pool_t *p)
{
    work_t w;
    bearer_reason_t reason;

    memset(&w, 0, sizeof(w));
    w.proof = proof;
    w.p = p;
    proof->thumbprint = NULL;
    proof->made = NULL;
    proof->expires = 0;
    memset(proof->id, 0, sizeof(proof->id));
    reason = run_checks(&w);
    if (reason == BEARER_OK) {
        reason = fill(&w);
    }
    if (reason != BEARER_OK) {
        bearer_proof_key_free(proof->made);
        proof->made = NULL;
        proof->thumbprint = NULL;
    }
    return reason;
}

const char *bearer_proof_algs(apr_pool_t *p)
{
    return bearer_alg_names(bearer_alg_supported(BEARER_ALGS_ALL & ~bearer_alg_symmetric()), p);
}
