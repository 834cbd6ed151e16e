/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A DPoP field. Text that begins with `{` is not one: it is a header and, on the next
 * line, claims, which are signed here with the key of RFC 8037 appendix A.1, so that the
 * fuzzer gets past the signature. Text that begins with `u` is a URL.
 */
#include "fuzz.h"

#include <apr_time.h>

#include "base/b64url.h"
#include "base/json.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "judge/proof.h"

/** 2026-01-01T00:00:00Z */
#define NOW 1767225600
#define URL "https://api.example/orders"
#define TOKEN "token"
/** base64url of its SHA-256 */
#define ATH "PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A"
#define KEY "\"kty\":\"OKP\",\"crv\":\"Ed25519\"," \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define JKT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

/* The header and claims of a proof that is accepted. */
static const char good[] =
    "{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":{" KEY "}}\n"
    "{\"jti\":\"seed\",\"htm\":\"GET\",\"htu\":\"" URL "\",\"iat\":1767225600,"
    "\"ath\":\"" ATH "\",\"nonce\":\"n\"}";

static EVP_PKEY *fuzz_key;
static bearer_proof_key_t *fuzz_known;

static const char *sign(const char *text, apr_pool_t *p)
{
    const char *header = fuzz_part(&text, '\n', p);
    const char *input = apr_pstrcat(p, bearer_b64url_encode(p, header, strlen(header)), ".",
                                    bearer_b64url_encode(p, text, strlen(text)), NULL);
    unsigned char *signature;
    apr_size_t len;

    FUZZ_CHECK(bearer_signature_make(&signature, &len, bearer_alg_find("EdDSA"), fuzz_key, NULL,
                                     0, input, strlen(input), p) == APR_SUCCESS);
    return apr_pstrcat(p, input, ".", bearer_b64url_encode(p, signature, len), NULL);
}

static bearer_reason_t take_nonce(void *baton, const char *nonce)
{
    (void)baton;
    FUZZ_CHECK(nonce && strlen(nonce) <= BEARER_PROOF_NONCE_MAX);
    return strcmp(nonce, "n") == 0 ? BEARER_OK : BEARER_PROOF_NONCE;
}

/* everything: with token, jkt and nonce */
static bearer_proof_t request_of(const char *field, int everything)
{
    bearer_proof_t proof;

    memset(&proof, 0, sizeof(proof));
    proof.field = field;
    proof.method = "GET";
    proof.url = URL;
    proof.now = apr_time_from_sec(NOW);
    proof.window = apr_time_from_sec(60);
    proof.skew = apr_time_from_sec(5);
    if (everything) {
        proof.token = TOKEN;
        proof.token_len = strlen(TOKEN);
        proof.jkt = JKT;
        proof.nonce = take_nonce;
    }
    return proof;
}

static void release(void)
{
    bearer_proof_key_free(fuzz_known);
    EVP_PKEY_free(fuzz_key);
}

static void fuzz_setup(apr_pool_t *p)
{
    static const char d[] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    unsigned char *bytes;
    apr_size_t len;
    bearer_proof_t proof;

    FUZZ_CHECK(bearer_b64url_decode_p(&bytes, &len, d, strlen(d), p) == APR_SUCCESS);
    fuzz_key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, bytes, len);
    proof = request_of(sign(good, p), 1);
FUZZ_CHECK(fuzz_key && bearer_proof_judge(&proof, p) == BEARER_OK);
    fuzz_known = proof.made;
    FUZZ_CHECK(fuzz_known && atexit(release) == 0);
}

static int is_one_of_ours(bearer_reason_t reason)
{
    return reason == BEARER_PROOF || reason == BEARER_PROOF_REQUEST || reason == BEARER_BINDING
        || reason == BEARER_PROOF_TIME || reason == BEARER_PROOF_NONCE;
}

/* What a proof must have, read once more by other means. */
static void check_accepted(const char *field, const bearer_proof_t *proof, int is_signed,
                           apr_pool_t *p)
{
    bearer_jws_t jws;
    const json_t *jwk;
    const char *jti, *alg;
    apr_time_t iat;
    json_t *claims;

    FUZZ_CHECK(strlen(field) <= BEARER_PROOF_MAX && !strchr(field, ','));
    FUZZ_CHECK(bearer_jws_parse(&jws, field, strlen(field), NULL, p) == BEARER_OK);
    alg = bearer_json_string(jws.header, "alg");
    jwk = json_object_get(jws.header, "jwk");
    FUZZ_CHECK(strcasecmp(bearer_json_string(jws.header, "typ"), "dpop+jwt") == 0
               || strcasecmp(bearer_json_string(jws.header, "typ"), "application/dpop+jwt") == 0);
    FUZZ_CHECK(alg && strncmp(alg, "HS", 2) != 0 && strcmp(alg, "none") != 0);
    FUZZ_CHECK(!json_object_get(jws.header, "crit") && !json_object_get(jws.header, "b64"));
    FUZZ_CHECK(json_is_object(jwk) && !json_object_get(jwk, "d") && !json_object_get(jwk, "p"));
    FUZZ_CHECK(strcmp(bearer_jwk_thumbprint(jwk, p), proof->thumbprint) == 0);
    FUZZ_CHECK(!proof->jkt || strcmp(proof->thumbprint, JKT) == 0);
    FUZZ_CHECK(bearer_json_parse(&claims, jws.payload, jws.payload_len, NULL, p) == APR_SUCCESS);
    jti = bearer_json_string(claims, "jti");
    FUZZ_CHECK(jti && *jti && strlen(jti) <= BEARER_PROOF_JTI_MAX);
    FUZZ_CHECK(is_signed || strcmp(jti, "seed") == 0);
    FUZZ_CHECK(strcmp(bearer_json_string(claims, "htm"), "GET") == 0);
    FUZZ_CHECK(strcmp(bearer_proof_url(bearer_json_string(claims, "htu"), p), URL) == 0);
    FUZZ_CHECK(!proof->token || strcmp(bearer_json_string(claims, "ath"), ATH) == 0);
    FUZZ_CHECK(!proof->nonce || strcmp(bearer_json_string(claims, "nonce"), "n") == 0);
    FUZZ_CHECK(bearer_json_date(&iat, claims, "iat") == APR_SUCCESS);
    FUZZ_CHECK(iat >= proof->now - proof->window && iat <= proof->now + proof->skew);
    FUZZ_CHECK(proof->expires >= proof->now && proof->expires >= iat + proof->window);
}

static void judge(const char *field, int everything, int is_signed, apr_pool_t *p)
{
    bearer_proof_t proof = request_of(field, everything), again;
    bearer_reason_t reason = bearer_proof_judge(&proof, p);

    FUZZ_CHECK(reason == proof.why.reason);
    if (reason == BEARER_OK) {
        FUZZ_CHECK(proof.made);
        check_accepted(field, &proof, is_signed, p);
    } else {
        FUZZ_CHECK(is_one_of_ours(reason) && !proof.made && !proof.thumbprint);
        fuzz_check_line(proof.why.detail);
    }
    /* a known key changes nothing */
    again = request_of(field, everything);
    again.known = fuzz_known;
    FUZZ_CHECK(bearer_proof_judge(&again, p) == reason);
    FUZZ_CHECK(memcmp(again.id, proof.id, sizeof(proof.id)) == 0);
    FUZZ_CHECK(again.expires == proof.expires);
    bearer_proof_key_free(again.made);
    bearer_proof_key_free(proof.made);
}

static void check_url(const char *text, apr_pool_t *p)
{
    const char *url = bearer_proof_url(text, p), *path, *c;

    if (url) {
        FUZZ_CHECK(strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0);
        path = strchr(strstr(url, "//") + 2, '/');
        FUZZ_CHECK(path && !strstr(path, "/./") && !strstr(path, "/../"));
        for (c = url; *c; c++) {
            FUZZ_CHECK(*c > ' ' && *c < 0x7f && !strchr("?#\\@\"<>", *c == '@' ? 'x' : *c));
        }
        FUZZ_CHECK(strlen(url) <= 3 * strlen(text) + 4);
        FUZZ_CHECK(strcmp(bearer_proof_url(url, p), url) == 0);
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const int is_signed = *text == '{';

    (void)len;
    if (*text == 'u') {
        check_url(text + 1, p);
        return;
    }
    if (is_signed) {
        text = sign(text, p);
    }
    judge(text, 1, is_signed, p);
    judge(text, 0, is_signed, p);
}
