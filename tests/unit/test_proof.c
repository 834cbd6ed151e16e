/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* DPoP proofs: RFC 9449's own, each thing that must be refused, and the URLs. */
#include "claims.h"
#include "unit_jose.h"

#include <openssl/rsa.h>

#include "judge/proof.h"

#define NOW 1767225600
#define URL "https://api.example.com/orders"
#define TOKEN "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
/* its SHA-256: RFC 9449 section 7.1 */
#define ATH "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"

/* ---- RFC 9449's own -------------------------------------------------------- */

#define RFC_HEADER \
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgt" \
    "MzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VO" \
    "SmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
/* figure 2 */
#define RFC_TOKEN_REQUEST RFC_HEADER \
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4" \
    "YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvq" \
    "RMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
/* figure 13 */
#define RFC_RESOURCE RFC_HEADER \
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5l" \
    "eGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJa" \
    "M0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPT" \
    "oA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
/* figure 9 */
#define RFC_JKT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

/* What a server asks of a request like those of this file. */
static bearer_proof_t request_of(const char *field)
{
    bearer_proof_t proof;

    memset(&proof, 0, sizeof(proof));
    proof.field = field;
    proof.method = "GET";
    proof.url = URL;
    proof.token = TOKEN;
    proof.token_len = strlen(TOKEN);
    proof.now = apr_time_from_sec(NOW);
    proof.window = apr_time_from_sec(60);
    proof.skew = apr_time_from_sec(5);
    return proof;
}

/* Judges, and sees that nothing is left of a refusal. */
static bearer_reason_t judge(bearer_proof_t *proof, apr_pool_t *p)
{
    static const unsigned char none[BEARER_PROOF_ID_SIZE];
    bearer_reason_t reason = bearer_proof_judge(proof, p);

    assert_int_equal(reason, proof->why.reason);
    if (reason == BEARER_OK) {
        assert_null(proof->why.detail);
        assert_int_equal(strlen(proof->thumbprint), 43);
        assert_memory_not_equal(proof->id, none, sizeof(none));
        assert_true(proof->expires >= proof->now);
    } else {
        assert_true(strlen(proof->why.detail) > 20);
        assert_null(proof->thumbprint);
        assert_null(proof->made);
        assert_memory_equal(proof->id, none, sizeof(none));
    }
    return reason;
}

/* The same, and frees the key. */
static bearer_reason_t judge_once(bearer_proof_t *proof, apr_pool_t *p)
{
    bearer_reason_t reason = judge(proof, p);

    bearer_proof_key_free(proof->made);
    proof->made = NULL;
    return reason;
}

static void test_rfc_resource_request(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_proof_t proof = request_of(RFC_RESOURCE);

    proof.url = "https://resource.example.org/protectedresource";
    proof.now = apr_time_from_sec(1562262618);
    proof.jkt = RFC_JKT;
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
    assert_string_equal(proof.thumbprint, RFC_JKT);
    assert_true(proof.expires == apr_time_from_sec(1562262618 + 60 + 5));
    /* each thing of the request counts */
    proof.token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV";
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_REQUEST);
    proof.token = TOKEN;
    proof.method = "POST";
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_REQUEST);
    proof.method = "GET";
    proof.url = "https://resource.example.org/other";
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_REQUEST);
    proof.url = "https://resource.example.org/protectedresource?page=2#x";
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
    proof.jkt = ATH;
    assert_int_equal(judge_once(&proof, p), BEARER_BINDING);
}

static void test_rfc_token_request(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_proof_t proof = request_of(RFC_TOKEN_REQUEST);

    proof.url = "https://server.example.com/token";
    proof.method = "POST";
    proof.now = apr_time_from_sec(1562262616);
    /* it has no ath */
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_REQUEST);
    proof.token = NULL;
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
    assert_string_equal(proof.thumbprint, RFC_JKT);
}

/* ---- proofs of our own ------------------------------------------------------- */

/* The members that a good proof has, with one changed: value NULL removes it. */
static json_t *object_of(apr_pool_t *p, const char *good, const char *member,
                         const char *value)
{
    return member ? unit_with(p, unit_claims(p, good), member,
                              value ? json_deep_copy(unit_value(p, value)) : NULL)
                  : unit_claims(p, good);
}

static const char good_claims[] =
    "{'jti':'id-1','htm':'GET','htu':'" URL "','iat':1767225600,'ath':'" ATH "'}";

/* A proof whose header and claims differ from good ones in a member each. */
static const char *proof_of(apr_pool_t *p, const char *alg, const json_t *jwk,
                            const char *header, const char *header_value, const char *claim,
                            const char *claim_value)
{
    json_t *head = object_of(p, "{'typ':'dpop+jwt'}", header, header_value);

    if (!header || strcmp(header, "jwk") != 0) {
        json_object_set(head, "jwk", unit_public(p, jwk));
    }
    return unit_sign(p, alg, jwk, unit_json(p, head),
                     unit_json(p, object_of(p, good_claims, claim, claim_value)));
}

static const char *good_proof(apr_pool_t *p, const json_t *jwk)
{
    return proof_of(p, "ES256", jwk, NULL, NULL, NULL, NULL);
}

static void test_every_algorithm(void **state)
{
    static const char *const names[] = { "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                                         "ES256", "ES384", "ES512", "ES256K", "EdDSA",
                                         "Ed25519", "Ed448" };
    apr_pool_t *p = unit_pool(state);
    const char *algs = bearer_proof_algs(p);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        json_t *jwk = unit_key_for(p, names[i]);
        bearer_proof_t proof = request_of(proof_of(p, names[i], jwk, NULL, NULL, NULL, NULL));

        proof.jkt = bearer_jwk_thumbprint(jwk, p);
        UNIT_CHECK(judge_once(&proof, p) == BEARER_OK, "%s: %s", names[i], proof.why.detail);
        UNIT_CHECK(unit_contains(apr_pstrcat(p, " ", algs, " ", NULL),
                                 apr_pstrcat(p, " ", names[i], " ", NULL)), "%s", names[i]);
    }
    assert_null(strstr(algs, "HS"));
    assert_null(strstr(algs, "none"));
}

static void test_claims(void **state)
{
    static const struct {
        const char *claim, *value;
        bearer_reason_t reason;
        const char *detail;
    } cases[] = {
        { "more", "{'a':[1]}", BEARER_OK, NULL },
        { "exp", "1", BEARER_OK, NULL },  /* not a claim of proofs */
        { "jti", NULL, BEARER_PROOF, "jti" },
        { "jti", "''", BEARER_PROOF, "jti" },
        { "jti", "7", BEARER_PROOF, "jti" },
        { "jti", "null", BEARER_PROOF, "jti" },
        { "jti", "['id-1']", BEARER_PROOF, "jti" },
        { "htm", NULL, BEARER_PROOF_REQUEST, "(none)" },
        { "htm", "'POST'", BEARER_PROOF_REQUEST, "'POST', but the request has 'GET'" },
        { "htm", "'get'", BEARER_PROOF_REQUEST, "'get'" },
        { "htm", "'GET '", BEARER_PROOF_REQUEST, "'GET '" },
        { "htm", "['GET']", BEARER_PROOF_REQUEST, "(none)" },
        { "htu", NULL, BEARER_PROOF_REQUEST, "(none)" },
        { "htu", "'" URL "?a=1#b'", BEARER_OK, NULL },
        { "htu", "'HTTPS://API.example.com:443/x/../%6frders'", BEARER_OK, NULL },
        { "htu", "'http://api.example.com/orders'", BEARER_PROOF_REQUEST, "AuthBearerBaseURL" },
        { "htu", "'https://api.example.com:8443/orders'", BEARER_PROOF_REQUEST, "8443" },
        { "htu", "'https://api.example.com/orders/'", BEARER_PROOF_REQUEST, "orders/'" },
        { "htu", "'https://api.example.com/Orders'", BEARER_PROOF_REQUEST, "Orders" },
        { "htu", "'https://api.example.com.evil.example/orders'", BEARER_PROOF_REQUEST, "evil" },
        { "htu", "'/orders'", BEARER_PROOF_REQUEST, "'/orders'" },
        { "htu", "['" URL "']", BEARER_PROOF_REQUEST, "(none)" },
        { "ath", NULL, BEARER_PROOF_REQUEST, "no ath" },
        { "ath", "''", BEARER_PROOF_REQUEST, "another token" },
        { "ath", "'" RFC_JKT "'", BEARER_PROOF_REQUEST, "another token" },
        { "ath", "'" ATH "='", BEARER_PROOF_REQUEST, "another token" },
        { "ath", "['" ATH "']", BEARER_PROOF_REQUEST, "no ath" },
        { "iat", NULL, BEARER_PROOF, "iat" },
        { "iat", "'1767225600'", BEARER_PROOF, "iat" },
        { "iat", "-1", BEARER_PROOF, "iat" },
        { "iat", "1767225600.5", BEARER_OK, NULL },
        { "iat", "1767225540", BEARER_OK, NULL },
        { "iat", "1767225539", BEARER_PROOF_TIME, "61 s ago; at most 60 s" },
        { "iat", "1767225605", BEARER_OK, NULL },
        { "iat", "1767225606", BEARER_PROOF_TIME, "6 s in the future; at most 5 s" },
        { "iat", "0", BEARER_PROOF_TIME, "ago" },
        { "iat", "1e300", BEARER_PROOF_TIME, "future" },
        { "iat", "1767225600000", BEARER_PROOF_TIME, "future" },
        /* nonces are not asked for */
        { "nonce", "7", BEARER_OK, NULL },
    };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_proof_t proof = request_of(proof_of(p, "ES256", jwk, NULL, NULL, cases[i].claim,
                                                   cases[i].value));
        bearer_reason_t reason = judge_once(&proof, p);

        UNIT_CHECK(reason == cases[i].reason, "%s %s: %s, %s", cases[i].claim, cases[i].value,
                   bearer_reason_name(reason), proof.why.detail);
        UNIT_CHECK(!cases[i].detail || unit_contains(proof.why.detail, cases[i].detail),
                   "%s %s: %s", cases[i].claim, cases[i].value, proof.why.detail);
    }
}

static void test_jti_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    char text[BEARER_PROOF_JTI_MAX + 2];
    bearer_proof_t proof;

    memset(text, 'x', sizeof(text));
    text[BEARER_PROOF_JTI_MAX] = '\0';
    proof = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "jti",
                                apr_psprintf(p, "'%s'", text)));
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
    proof = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "jti",
                                apr_psprintf(p, "'x%s'", text)));
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
}

static void test_header(void **state)
{
    static const struct {
        const char *member, *value, *detail;  /* detail NULL: accepted */
    } cases[] = {
        { "kid", "'k1'", NULL },
        { "jku", "'https://evil.example/keys'", NULL },
        { "x5c", "['x']", NULL },
        { "typ", "'DPoP+JWT'", NULL },
        { "typ", "'application/dpop+jwt'", NULL },
        { "typ", NULL, "typ (none)" },
        { "typ", "null", "typ (none)" },
        { "typ", "'JWT'", "typ 'JWT'" },
        { "typ", "'at+jwt'", "typ 'at+jwt'" },
        { "typ", "'dpop+jwt '", "typ" },
        { "typ", "['dpop+jwt']", "typ" },
        { "crit", "['exp']", "crit" },
        { "crit", "null", "crit" },
        { "b64", "true", "b64" },
        { "jwk", NULL, "no jwk" },
        { "jwk", "null", "no jwk" },
        { "jwk", "'x'", "no jwk" },
        { "jwk", "[{}]", "no jwk" },
        { "jwk", "{}", "is not a key for ES256" },
        { "jwk", "{'kty':'oct','k':'AAAA'}", "'oct', is not a key for ES256" },
        { "jwk", "{'kty':'RSA','n':'AQ','e':'AQAB'}", "'RSA', is not a key for ES256" },
        { "jwk", "{'kty':'EC','crv':'P-256'}", "lacks members" },
        { "jwk", "{'kty':'EC','crv':'P-256','x':'','y':''}", "lacks members" },
        { "jwk", "{'kty':'EC','crv':'P-256','x':'AQ','y':'AQ'}", "refused: member 'x'" },
        { "jwk", "{'kty':'EC','crv':'P-384','x':'AQ','y':'AQ'}", "is not a key for ES256" },
        { "jwk", "{'kty':'EC','crv':'P-256',"
                 "'x':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',"
                 "'y':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}", "not on the curve" },
    };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_proof_t proof = request_of(proof_of(p, "ES256", jwk, cases[i].member,
                                                   cases[i].value, NULL, NULL));
        bearer_reason_t reason = judge_once(&proof, p);

        UNIT_CHECK(reason == (cases[i].detail ? BEARER_PROOF : BEARER_OK), "%s %s: %s",
                   cases[i].member, cases[i].value, proof.why.detail);
        UNIT_CHECK(!cases[i].detail || unit_contains(proof.why.detail, cases[i].detail),
                   "%s %s: %s", cases[i].member, cases[i].value, proof.why.detail);
    }
}

/* A proof with the jwk as it is. */
static bearer_reason_t judge_jwk(const char **detail, const char *alg, const json_t *jwk,
                                 const json_t *shown, apr_pool_t *p)
{
    json_t *header = json_pack("{s:s, s:O}", "typ", "dpop+jwt", "jwk", shown);
    bearer_proof_t proof;

    bearer_json_tie(header, p);
    proof = request_of(unit_sign(p, alg, jwk, unit_json(p, header),
                                 unit_json(p, unit_claims(p, good_claims))));
    *detail = NULL;
    judge_once(&proof, p);
    *detail = proof.why.detail;
    return proof.why.reason;
}

static void test_private_keys_are_refused(void **state)
{
    static const char *const algs[] = { "ES256", "RS256", "EdDSA" };
    static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "oth" };
    apr_pool_t *p = unit_pool(state);
    json_t *ec = unit_new_key(p, "EC", "P-256"), *jwk;
    const char *detail;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(algs); i++) {
        jwk = unit_key_for(p, algs[i]);
        assert_int_equal(judge_jwk(&detail, algs[i], jwk, jwk, p), BEARER_PROOF);
        UNIT_CHECK(unit_contains(detail, "private member 'd'; the key is compromised"), "%s",
                   detail);
        assert_int_equal(judge_jwk(&detail, algs[i], jwk, unit_public(p, jwk), p), BEARER_OK);
    }
    for (i = 0; i < UNIT_COUNT(members); i++) {
        jwk = unit_with(p, unit_public(p, ec), members[i], json_string("AQ"));
        UNIT_CHECK(judge_jwk(&detail, "ES256", ec, jwk, p) == BEARER_PROOF
                       && unit_contains(detail, "private member"), "%s: %s", members[i], detail);
    }
}

static void test_key_serves_only_what_its_jwk_allows(void **state)
{
    static const struct {
        const char *alg, *member, *value, *detail;
    } cases[] = {
        { "ES256", "use", "'sig'", NULL },
        { "ES256", "alg", "'ES256'", NULL },
        { "ES256", "key_ops", "['verify']", NULL },
        { "ES256", "ext", "true", NULL },
        { "ES256", "use", "'enc'", "its use is 'enc'" },
        { "ES256", "use", "7", "'use' is not a string" },
        { "ES256", "alg", "'ES384'", "its alg is 'ES384'" },
        { "ES256", "alg", "'HS256'", "its alg is 'HS256'" },
        { "ES256", "key_ops", "['encrypt']", "key_ops" },
        { "PS256", "alg", "'PS256'", NULL },
        { "RS256", "alg", "'PS256'", "its alg is 'PS256'" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *jwk = unit_key_for(p, cases[i].alg);
        json_t *shown = unit_with(p, unit_public(p, jwk), cases[i].member,
                                  json_deep_copy(unit_value(p, cases[i].value)));
        const char *detail;
        bearer_reason_t reason = judge_jwk(&detail, cases[i].alg, jwk, shown, p);

        UNIT_CHECK(reason == (cases[i].detail ? BEARER_PROOF : BEARER_OK), "%s %s: %s",
                   cases[i].alg, cases[i].value, detail);
        UNIT_CHECK(!cases[i].detail || unit_contains(detail, cases[i].detail), "%s %s: %s",
                   cases[i].alg, cases[i].value, detail);
    }
}

/* Anybody may name the key of somebody else. */
static void test_signature(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256"), *other = unit_new_key(p, "EC", "P-256");
    const char *good = good_proof(p, jwk), *detail;
    bearer_proof_t proof;
    char *bad;

    assert_int_equal(judge_jwk(&detail, "ES256", other, unit_public(p, jwk), p), BEARER_PROOF);
    assert_non_null(strstr(detail, "signature"));
    /* another digit of the signature, and of the claims */
    bad = apr_pstrdup(p, good);
    bad[strlen(bad) - 20] = bad[strlen(bad) - 20] == 'A' ? 'B' : 'A';
    proof = request_of(bad);
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
    assert_non_null(strstr(proof.why.detail, "signature"));
    /* none */
    proof = request_of(apr_pstrmemdup(p, good, (apr_size_t)(strrchr(good, '.') + 1 - good)));
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
    assert_non_null(strstr(proof.why.detail, "no signature"));
    proof = request_of(good);
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
}

static void test_symmetric_and_unknown_algorithms(void **state)
{
    static const char *const algs[] = { "none", "None", "HS256", "HS512", "ES257", "es256", "" };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    json_t *oct = unit_rfc_key(p, "RFC 7515 A.1");
    bearer_proof_t proof;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(algs); i++) {
        const char *header = apr_psprintf(p, "{\"typ\":\"dpop+jwt\",\"alg\":\"%s\",\"jwk\":%s}",
                                          algs[i], unit_json(p, unit_public(p, jwk)));

        proof = request_of(unit_raw_token(p, header, unit_json(p, unit_claims(p, good_claims)),
                                          "x", 1));
        UNIT_CHECK(judge_once(&proof, p) == BEARER_PROOF
                       && unit_contains(proof.why.detail, "asymmetric"), "%s: %s", algs[i],
                   proof.why.detail);
    }
    /* a client that knows the key of the MAC has shown it to everybody */
    proof = request_of(proof_of(p, "HS256", oct, NULL, NULL, NULL, NULL));
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
    /* no alg, and one that is not a string */
    proof = request_of(unit_raw_token(p, "{\"typ\":\"dpop+jwt\",\"jwk\":{}}", "{}", "x", 1));
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
    proof = request_of(unit_raw_token(p, "{\"typ\":\"dpop+jwt\",\"alg\":[\"ES256\"]}", "{}", "x",
                                      1));
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
}

static void test_weak_rsa_is_refused(void **state)
{
    apr_pool_t *p = unit_pool(state);
    EVP_PKEY *pkey = EVP_RSA_gen(1024);
    const char *claims = unit_json(p, unit_claims(p, good_claims)), *error;
    bearer_proof_t proof;
    json_t *header, *jwk;
    char *field;

    assert_int_equal(bearer_jwk_from_pkey(&jwk, pkey, 0, p), APR_SUCCESS);
    header = bearer_json_tie(json_pack("{s:s, s:O}", "typ", "dpop+jwt", "jwk", jwk), p);
    assert_int_equal(bearer_jws_sign(&field, header, claims, strlen(claims),
                                     bearer_alg_find("RS256"), pkey, NULL, 0, &error, p),
                     APR_SUCCESS);
    EVP_PKEY_free(pkey);
    proof = request_of(field);
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
    UNIT_CHECK(unit_contains(proof.why.detail, "RSA 1024 bits"), "%s", proof.why.detail);
}

/* ---- the field --------------------------------------------------------------- */

static void test_field(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *good = good_proof(p, unit_new_key(p, "EC", "P-256"));
    const struct {
        const char *field, *detail;
    } cases[] = {
        { NULL, "no DPoP proof" },
        { "", "no DPoP proof" },
        { apr_pstrcat(p, good, ", ", good, NULL), "several" },
        { apr_pstrcat(p, good, ",", NULL), "several" },
        { apr_pstrcat(p, ",", good, NULL), "several" },
        { apr_pstrcat(p, good, " ", NULL), "base64url" },
        { apr_pstrcat(p, " ", good, NULL), "base64url" },
        { apr_pstrcat(p, good, "\n", NULL), "base64url" },
        { apr_pstrcat(p, good, "=", NULL), "base64url" },
        { apr_pstrcat(p, good, ".", NULL), "three segments" },
        { "a.b", "three segments" },
        { "..", "JSON" },
        { "e30.e30.", "typ" },
        { apr_pstrcat(p, "DPoP ", good, NULL), "base64url" },
    };
    bearer_proof_t proof;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        proof = request_of(cases[i].field);
        UNIT_CHECK(judge_once(&proof, p) == BEARER_PROOF
                       && unit_contains(proof.why.detail, cases[i].detail), "%s: %s",
                   cases[i].field, proof.why.detail);
    }
    proof = request_of(good);
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
}

static void test_field_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    char *more = apr_palloc(p, BEARER_PROOF_MAX + 1);
    apr_size_t len = 0, i, lengths = 0;
    bearer_proof_t proof;

    /* 3 bytes of claims are 4 of the field */
    for (i = (BEARER_PROOF_MAX - strlen(good_proof(p, jwk)) - 32) / 4 * 3;
         len < BEARER_PROOF_MAX + 8; i++) {
        const char *field;

        memset(more, 'x', BEARER_PROOF_MAX);
        more[i] = '\0';
        field = proof_of(p, "ES256", jwk, NULL, NULL, "x", apr_psprintf(p, "'%s'", more));
        len = strlen(field);
        lengths += len > BEARER_PROOF_MAX - 2 && len < BEARER_PROOF_MAX + 3;
        proof = request_of(field);
        judge_once(&proof, p);
        UNIT_CHECK(proof.why.reason == (len > BEARER_PROOF_MAX ? BEARER_PROOF : BEARER_OK),
                   "%lu: %s", (unsigned long)len, proof.why.detail);
    }
    assert_in_range(lengths, 2, 4);
}

static void test_json_is_strict(void **state)
{
    static const char *const claims[] = {
        "", "[]", "\"x\"", "{\"jti\":\"a\",\"jti\":\"b\"}", "{} x", "{\"jti\":\"\xff\"}",
    };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    const char *header = apr_psprintf(p, "{\"typ\":\"dpop+jwt\",\"jwk\":%s}",
                                      unit_json(p, unit_public(p, jwk)));
    bearer_proof_t proof;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(claims); i++) {
        proof = request_of(unit_sign(p, "ES256", jwk, header, claims[i]));
        UNIT_CHECK(judge_once(&proof, p) == BEARER_PROOF
                       && unit_contains(proof.why.detail, "strict JSON"), "%s: %s", claims[i],
                   proof.why.detail);
    }
    proof = request_of(unit_raw_token(p, "{\"typ\":\"dpop+jwt\",\"typ\":\"dpop+jwt\"}", "{}",
                                      "x", 1));
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF);
    assert_non_null(strstr(proof.why.detail, "duplicate"));
}

/* ---- nonces -------------------------------------------------------------------- */

static bearer_reason_t take_nonce(void *asked, const char *nonce)
{
    ++*(int *)asked;
    assert_non_null(nonce);
    return strcmp(nonce, "n-1") == 0 ? BEARER_OK : BEARER_PROOF_NONCE;
}

static void test_nonce(void **state)
{
    static const struct {
        const char *value;
        bearer_reason_t reason;
        int asked;
    } cases[] = {
        { "'n-1'", BEARER_OK, 1 },
        { "'n-2'", BEARER_PROOF_NONCE, 1 },
        { "''", BEARER_PROOF_NONCE, 1 },
        { NULL, BEARER_PROOF_NONCE, 0 },
        { "null", BEARER_PROOF_NONCE, 0 },
        { "7", BEARER_PROOF, 0 },
        { "['n-1']", BEARER_PROOF, 0 },
    };
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    char more[BEARER_PROOF_NONCE_MAX + 2];
    bearer_proof_t proof;
    int asked;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        asked = 0;
        proof = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "nonce", cases[i].value));
        proof.nonce = take_nonce;
        proof.baton = &asked;
        UNIT_CHECK(judge_once(&proof, p) == cases[i].reason, "%s: %s", cases[i].value,
                   proof.why.detail);
        UNIT_CHECK(asked == cases[i].asked, "%s: %d", cases[i].value, asked);
    }
    for (i = BEARER_PROOF_NONCE_MAX; i <= BEARER_PROOF_NONCE_MAX + 1; i++) {
        memset(more, 'n', i);
        more[i] = '\0';
        asked = 0;
        proof = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "nonce",
                                    apr_psprintf(p, "'%s'", more)));
        proof.nonce = take_nonce;
        proof.baton = &asked;
        assert_int_equal(judge_once(&proof, p), BEARER_PROOF_NONCE);
        assert_int_equal(asked, i == BEARER_PROOF_NONCE_MAX);
    }
}

/* What is counted comes first: an accident is only what is right but for that. */
static void test_accidents_come_last(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    bearer_proof_t proof = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "iat", "1"));
    int asked = 0;

    proof.nonce = take_nonce;
    proof.baton = &asked;
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_TIME);
    proof.jkt = RFC_JKT;
    assert_int_equal(judge_once(&proof, p), BEARER_BINDING);
    proof.jkt = NULL;
    proof.method = "PUT";
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_REQUEST);
    assert_int_equal(asked, 0);
}

/* ---- identifiers ---------------------------------------------------------------- */

static void test_id_names_key_and_jti(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256"), *other = unit_new_key(p, "EC", "P-256");
    bearer_proof_t a = request_of(good_proof(p, jwk));
    bearer_proof_t again = request_of(proof_of(p, "ES256", jwk, "kid", "'k'", "iat",
                                               "1767225601"));
    bearer_proof_t b = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "jti", "'id-2'"));
    bearer_proof_t c = request_of(good_proof(p, other));

    assert_int_equal(judge_once(&a, p), BEARER_OK);
    assert_int_equal(judge_once(&again, p), BEARER_OK);
    assert_int_equal(judge_once(&b, p), BEARER_OK);
    assert_int_equal(judge_once(&c, p), BEARER_OK);
    assert_memory_equal(a.id, again.id, sizeof(a.id));
    assert_memory_not_equal(a.id, b.id, sizeof(a.id));
    assert_memory_not_equal(a.id, c.id, sizeof(a.id));
    assert_true(a.expires == apr_time_from_sec(NOW + 65));
    assert_true(again.expires == apr_time_from_sec(NOW + 66));
}

/* ---- kept keys ------------------------------------------------------------------- */

static void test_known_key_is_used(void **state)
{
    apr_pool_t *p = unit_pool(state), *request;
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    bearer_proof_t first, second;
    const char *thumbprint = bearer_jwk_thumbprint(jwk, p);

    apr_pool_create(&request, p);
    first = request_of(good_proof(request, jwk));
    assert_int_equal(judge(&first, request), BEARER_OK);
    assert_non_null(first.made);
    apr_pool_destroy(request);
    /* the same header: no key is made */
    second = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "jti", "'id-2'"));
    second.known = first.made;
    second.jkt = thumbprint;
    assert_int_equal(judge(&second, p), BEARER_OK);
    assert_null(second.made);
    assert_string_equal(second.thumbprint, thumbprint);
    /* everything else is judged */
    second.jkt = RFC_JKT;
    assert_int_equal(judge(&second, p), BEARER_BINDING);
    second = request_of(proof_of(p, "ES256", jwk, NULL, NULL, "htm", "'PUT'"));
    second.known = first.made;
    assert_int_equal(judge(&second, p), BEARER_PROOF_REQUEST);
    second = request_of(apr_pstrcat(p, good_proof(p, jwk), "AA", NULL));
    second.known = first.made;
    assert_int_equal(judge(&second, p), BEARER_PROOF);
    second = request_of(unit_sign(p, "ES256", unit_new_key(p, "EC", "P-256"),
                                  unit_json(p, object_of(p, "{'typ':'dpop+jwt'}", "jwk",
                                                         unit_json(p, unit_public(p, jwk)))),
                                  unit_json(p, unit_claims(p, good_claims))));
    second.known = first.made;
    assert_int_equal(judge(&second, p), BEARER_PROOF);
    assert_non_null(strstr(second.why.detail, "signature"));
    bearer_proof_key_free(first.made);
    bearer_proof_key_free(NULL);
}

static void test_other_header_is_read(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256"), *other = unit_new_key(p, "EC", "P-256");
    bearer_proof_t first = request_of(good_proof(p, jwk)), second;

    assert_int_equal(judge(&first, p), BEARER_OK);
    second = request_of(good_proof(p, other));
    second.known = first.made;
    assert_int_equal(judge(&second, p), BEARER_OK);
    assert_non_null(second.made);
    assert_string_equal(second.thumbprint, bearer_jwk_thumbprint(other, p));
    bearer_proof_key_free(second.made);
    second = request_of(proof_of(p, "ES256", jwk, "crit", "['x']", NULL, NULL));
    second.known = first.made;
    assert_int_equal(judge(&second, p), BEARER_PROOF);
    second = request_of(proof_of(p, "ES256", jwk, "typ", "'JWT'", NULL, NULL));
    second.known = first.made;
    assert_int_equal(judge(&second, p), BEARER_PROOF);
    bearer_proof_key_free(first.made);
}

/* ---- the observer ----------------------------------------------------------------- */

typedef struct seen_t {
    apr_pool_t *p;
    const char *text;
} seen_t;

static void observe(void *seen_, const bearer_proof_check_t *check,
                    const bearer_refusal_t *why)
{
    seen_t *seen = seen_;

    assert_true((why->detail != NULL) == (why->reason != BEARER_OK));
    seen->text = apr_pstrcat(seen->p, seen->text, check->name + strlen("proof "),
                             why->reason == BEARER_OK ? " " : "! ", NULL);
}

static const char *observed(bearer_proof_t *proof, apr_pool_t *p)
{
    seen_t seen = { p, "" };

    proof->observe = observe;
    proof->observe_baton = &seen;
    judge_once(proof, p);
    return seen.text;
}

static void test_observer_sees_each_check(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_new_key(p, "EC", "P-256");
    bearer_proof_t proof = request_of(good_proof(p, jwk));
    int i = 0;

    assert_string_equal(observed(&proof, p),
                        "form type algorithm header key claims identifier method URL token "
                        "binding time nonce signature ");
    proof = request_of("x");
    assert_string_equal(observed(&proof, p), "form! ");
    /* the first refusal counts, whatever follows */
    proof = request_of(proof_of(p, "ES256", jwk, "typ", "'JWT'", "htm", "'PUT'"));
    assert_string_equal(observed(&proof, p),
                        "form type! algorithm header key claims identifier method! URL token "
                        "binding time nonce signature ");
    assert_int_equal(proof.why.reason, BEARER_PROOF);
    proof = request_of(unit_raw_token(p, "{\"typ\":\"dpop+jwt\"}",
                                      unit_json(p, unit_claims(p, good_claims)), "x", 1));
    assert_string_equal(observed(&proof, p),
                        "form type algorithm! claims identifier method URL token time nonce ");
    for (i = 0; bearer_proof_check(i); i++) {
        assert_int_equal(strncmp(bearer_proof_check(i)->name, "proof ", 6), 0);
    }
    assert_int_equal(i, 14);
    assert_null(bearer_proof_check(-1));
}

/* ---- URLs --------------------------------------------------------------------------- */

static void test_urls(void **state)
{
    static const char *const cases[][2] = {
        { "https://a.example/", "https://a.example/" },
        { "https://a.example", "https://a.example/" },
        { "https://a.example?q", "https://a.example/" },
        { "https://a.example#f", "https://a.example/" },
        { "https://a.example/p?q=/../x", "https://a.example/p" },
        { "https://a.example/p#f?q", "https://a.example/p" },
        { "HTTPS://A.Example/P", "https://a.example/P" },
        { "https://a.example:443/", "https://a.example/" },
        { "https://a.example:0443/", "https://a.example/" },
        { "https://a.example:/", "https://a.example/" },
        { "https://a.example:80/", "https://a.example:80/" },
        { "https://a.example:08443/", "https://a.example:8443/" },
        { "https://a.example:65535", "https://a.example:65535/" },
        { "http://a.example:80/", "http://a.example/" },
        { "http://a.example:443/", "http://a.example:443/" },
        { "wss://a.example:443/s", "https://a.example/s" },
        { "ws://a.example:80/s", "http://a.example/s" },
        { "Ws://a.example:8080/s", "http://a.example:8080/s" },
        { "https://[2001:DB8::1]:443/", "https://[2001:db8::1]/" },
        { "https://[::1]:8443", "https://[::1]:8443/" },
        { "https://127.0.0.1/", "https://127.0.0.1/" },
        { "https://b%C3%BCcher.example/", "https://b%C3%BCcher.example/" },
        { "https://B%c3%bccher.%45xample/", "https://b%C3%BCcher.example/" },
        { "https://a/%7euser/%41%2d", "https://a/~user/A-" },
        { "https://a/%2f%3a%3A", "https://a/%2F%3A%3A" },
        { "https://a/%25%37%45", "https://a/%257E" },
        { "https://a/x%3Fy%23z", "https://a/x%3Fy%23z" },
        { "https://a/a|b\"<>^`{}[]", "https://a/a%7Cb%22%3C%3E%5E%60%7B%7D%5B%5D" },
        { "https://a/\xc3\xa4", "https://a/%C3%A4" },
        { "https://a/!$&'()*+,;=:@-._~", "https://a/!$&'()*+,;=:@-._~" },
        { "https://a//b///", "https://a//b///" },
        { "https://a/b/./c", "https://a/b/c" },
        { "https://a/b/../c", "https://a/c" },
        { "https://a/b/%2e%2E/c", "https://a/c" },
        { "https://a/b/c/..", "https://a/b/" },
        { "https://a/b/c/.", "https://a/b/c/" },
        { "https://a/..", "https://a/" },
        { "https://a/../../x", "https://a/x" },
        { "https://a//../x", "https://a/x" },
        { "https://a/.../.x/..y", "https://a/.../.x/..y" },
        { "https://a/mid/content=5/../6", "https://a/mid/6" },
        { "https://a/a/b/c/./../../g", "https://a/a/g" },
        /* no requests have these */
        { NULL, NULL },
        { "", NULL },
        { "/path", NULL },
        { "//a.example/", NULL },
        { "https:/a.example/", NULL },
        { "https:a.example", NULL },
        { "https:///path", NULL },
        { "https://", NULL },
        { "https://?q", NULL },
        { "https://:443/", NULL },
        { "ftp://a.example/", NULL },
        { "httpsx://a.example/", NULL },
        { " https://a.example/", NULL },
        { "https://user@a.example/", NULL },
        { "https://user:pass@a.example/", NULL },
        { "https://@a.example/", NULL },
        { "https://a.example:65536/", NULL },
        { "https://a.example:0/", NULL },
        { "https://a.example:44a/", NULL },
        { "https://a.example:-1/", NULL },
        { "https://a.example:100000000000000000443/", NULL },
        { "https://[::1/", NULL },
        { "https://[::1]x/", NULL },
        { "https://[]/", NULL },
        { "https://[fe80::1%25eth0]/", NULL },
        { "https://a b/", NULL },
        { "https://a/b c", NULL },
        { "https://a/b\\c", NULL },
        { "https://a\\b/", NULL },
        { "https://a/b\tc", NULL },
        { "https://a/b\x7f", NULL },
        { "https://a/%", NULL },
        { "https://a/%4", NULL },
        { "https://a/%4?1", NULL },
        { "https://a/%zz", NULL },
        { "https://a%/", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *url = bearer_proof_url(cases[i][0], p);

        UNIT_CHECK(cases[i][1] ? url && !strcmp(url, cases[i][1]) : !url, "%s: %s",
                   cases[i][0] ? cases[i][0] : "NULL", url ? url : "NULL");
        /* the normal form is its own */
        UNIT_CHECK(!url || !strcmp(bearer_proof_url(url, p), url), "%s", url);
    }
}

/* ---- signing ---------------------------------------------------------------------- */

static void test_signed_proofs_are_accepted(void **state)
{
    static const char *const algs[] = { "ES256", "ES384", "EdDSA", "RS256" };
    apr_pool_t *p = unit_pool(state);
    bearer_proof_claims_t claims = { "GET", URL "?page=2#top", TOKEN, strlen(TOKEN), "n-1",
                                     NULL, apr_time_from_sec(NOW) };
    char *field, *second;
    const char *error;
    bearer_jws_t jws;
    json_t *written;
    bearer_proof_t proof;
    EVP_PKEY *pkey;
    unsigned i;
    int asked = 0;

    for (i = 0; i < UNIT_COUNT(algs); i++) {
        json_t *jwk = unit_key_for(p, algs[i]);

        assert_int_equal(bearer_jwk_private(&pkey, jwk, &error, p), APR_SUCCESS);
        assert_int_equal(bearer_proof_sign(&field, &claims, pkey, NULL, &error, p), APR_SUCCESS);
        assert_int_equal(bearer_proof_sign(&second, &claims, pkey, NULL, &error, p),
                         APR_SUCCESS);
        proof = request_of(field);
        proof.nonce = take_nonce;
        proof.baton = &asked;
        proof.jkt = bearer_jwk_thumbprint(jwk, p);
        UNIT_CHECK(judge_once(&proof, p) == BEARER_OK, "%s: %s", algs[i], proof.why.detail);
        /* a jti of its own each time */
        asked = (int)proof.id[0];
        proof.field = second;
        assert_int_equal(judge_once(&proof, p), BEARER_OK);
        assert_string_not_equal(field, second);
    }
    /* RFC 9449 section 4.2: the public key alone, no query, no fragment */
    assert_int_equal(bearer_jws_parse(&jws, field, strlen(field), NULL, p), BEARER_OK);
    assert_int_equal(json_object_size(json_object_get(jws.header, "jwk")), 3);
    assert_int_equal(json_object_size(jws.header), 3);
    assert_int_equal(bearer_json_parse(&written, jws.payload, jws.payload_len, NULL, p),
                     APR_SUCCESS);
    assert_string_equal(bearer_json_string(written, "htu"), URL);
    assert_int_equal(json_object_size(written), 6);
    claims.jti = "fixed";
    claims.nonce = NULL;
    claims.token = NULL;
    assert_int_equal(bearer_proof_sign(&field, &claims, pkey, bearer_alg_find("PS384"), &error,
                                       p), APR_SUCCESS);
    proof = request_of(field);
    assert_int_equal(judge_once(&proof, p), BEARER_PROOF_REQUEST);
    proof.token = NULL;
    assert_int_equal(judge_once(&proof, p), BEARER_OK);
}

static void test_signing_refuses(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_proof_claims_t claims = { "GET", "/path", NULL, 0, NULL, NULL, 0 };
    const char *error;
    EVP_PKEY *pkey;
    char *field;

    assert_int_equal(bearer_jwk_private(&pkey, unit_new_key(p, "EC", "P-256"), &error, p),
                     APR_SUCCESS);
    assert_int_equal(bearer_proof_sign(&field, &claims, pkey, NULL, &error, p), APR_EINVAL);
    assert_string_equal(error, "'/path' is not the URL of an HTTP request");
    assert_null(field);
    claims.url = URL;
    assert_int_equal(bearer_proof_sign(&field, &claims, pkey, bearer_alg_find("RS256"), &error,
                                       p), APR_EINVAL);
    assert_null(field);
    assert_int_equal(bearer_proof_sign(&field, &claims, NULL, NULL, &error, p), APR_EINVAL);
    assert_null(field);
    claims.nonce = "\xff";
    assert_int_equal(bearer_proof_sign(&field, &claims, pkey, NULL, &error, p), APR_EINVAL);
    assert_null(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_rfc_resource_request),
        UNIT_TEST(test_rfc_token_request),
        UNIT_TEST(test_every_algorithm),
        UNIT_TEST(test_claims),
        UNIT_TEST(test_jti_is_bounded),
        UNIT_TEST(test_header),
        UNIT_TEST(test_private_keys_are_refused),
        UNIT_TEST(test_key_serves_only_what_its_jwk_allows),
        UNIT_TEST(test_signature),
        UNIT_TEST(test_symmetric_and_unknown_algorithms),
        UNIT_TEST(test_weak_rsa_is_refused),
        UNIT_TEST(test_field),
        UNIT_TEST(test_field_is_bounded),
        UNIT_TEST(test_json_is_strict),
        UNIT_TEST(test_nonce),
        UNIT_TEST(test_accidents_come_last),
        UNIT_TEST(test_id_names_key_and_jti),
        UNIT_TEST(test_known_key_is_used),
        UNIT_TEST(test_other_header_is_read),
        UNIT_TEST(test_observer_sees_each_check),
        UNIT_TEST(test_urls),
        UNIT_TEST(test_signed_proofs_are_accepted),
        UNIT_TEST(test_signing_refuses),
    };

    return UNIT_RUN("proof", tests);
}
