/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Compact tokens: the published vectors, and what attackers send instead. */
#include "unit_jose.h"

#include <openssl/x509.h>

typedef struct outcome_t {
    bearer_reason_t reason;
    const char *detail;
    bearer_jws_t jws;
} outcome_t;

/* Is name a word of names? */
static int is_word(const char *names, const char *name)
{
    apr_size_t n = 0;

    for (; *names; names += n + strspn(names + n, " ")) {
        n = strcspn(names, " ");
        if (n == strlen(name) && memcmp(names, name, n) == 0) {
            return 1;
        }
    }
    return 0;
}

static bearer_algs_t set_of(const char *names)
{
    bearer_algs_t set = 0;
    const bearer_alg_t *row;
    bearer_algs_t all = BEARER_ALGS_ALL;

    while ((row = bearer_alg_next(&all)) != NULL) {
        set |= is_word(names, row->name) ? row->bit : 0;
    }
    return set;
}

/* Checks 2 to 4. */
static outcome_t open_n(apr_pool_t *p, const char *token, apr_size_t len,
                        bearer_algs_t allowed)
{
    bearer_refusal_t why = { BEARER_OK, "" };
    outcome_t o;

    o.reason = bearer_jws_parse(&o.jws, token, len, &why, p);
    if (o.reason == BEARER_OK) {
        o.reason = bearer_jws_check_header(&o.jws, allowed, &why, p);
    }
    if (o.reason == BEARER_OK) {
        o.reason = bearer_jws_check_kid(&o.jws, &why, p);
    }
    assert_int_equal(o.reason, why.reason);
    o.detail = why.detail;
    return o;
}

static outcome_t open_token(apr_pool_t *p, const char *token)
{
    return open_n(p, token, strlen(token), bearer_alg_defaults());
}

/* Checks 6 and 7 for a token that is open. */
static void verify(apr_pool_t *p, outcome_t *o, const bearer_jwks_t *set)
{
    bearer_refusal_t why = { BEARER_OK, "" };
    const bearer_jwk_t *key;
    int unknown;

    o->reason = bearer_jwks_select(&key, &unknown, set, o->jws.facts.alg, o->jws.facts.kid,
                                   NULL, NULL, &why, p);
    if (o->reason == BEARER_OK) {
        o->reason = bearer_jws_verify(&o->jws, key, &why, p);
    }
    o->detail = why.detail;
}

/* Checks 2 to 7 with a set. */
static outcome_t judge(apr_pool_t *p, const char *token, bearer_algs_t allowed,
                       const bearer_jwks_t *set)
{
    outcome_t o = open_n(p, token, strlen(token), allowed);

    if (o.reason == BEARER_OK) {
        verify(p, &o, set);
    }
    return o;
}

static const char *with_header(apr_pool_t *p, const char *header)
{
    return unit_raw_token(p, header, "{}", "x", 1);
}

/* ---- published vectors ------------------------------------------------- */

/* Without check 4: RFC 7520's kid has an `@`, which is outside the characters
 * of a JWT's that this product takes (see test_kid_characters). */
static outcome_t judge_vector(apr_pool_t *p, const char *token,
                              const char *alg, const json_t *jwk)
{
    outcome_t o = { BEARER_OK, "", { 0 } };
    bearer_refusal_t why = { BEARER_OK, "" };

    o.reason = bearer_jws_parse(&o.jws, token, strlen(token), &why, p);
    if (o.reason == BEARER_OK) {
        o.reason = bearer_jws_check_header(&o.jws, set_of(alg), &why, p);
    }
    if (o.reason == BEARER_OK) {
        o.reason = bearer_jws_read_kid(&o.jws, &why, p);
    }
    if (o.reason == BEARER_OK) {
        verify(p, &o, unit_set(p, jwk));
    }
    return o;
}

static void check_vector(apr_pool_t *p, const json_t *row)
{
    const char *name = bearer_json_string(row, "name");
    const char *token = bearer_json_string(row, "token");
    const char *alg = bearer_json_string(row, "alg");
    const char *payload = bearer_json_string(row, "payload");
    const json_t *jwk = json_object_get(row, "key");
    const char *kid = bearer_json_string(jwk, "kid");
    outcome_t o = judge_vector(p, token, alg, jwk);
    char *changed = apr_pstrdup(p, token);
    json_t *other;

    UNIT_CHECK(o.reason == BEARER_OK, "%s: %s", name, o.detail);
    assert_string_equal(o.jws.facts.alg->name, alg);
    assert_int_equal(o.jws.payload_len, strlen(payload));
    assert_string_equal(o.jws.payload, payload);
    UNIT_CHECK(bearer_jws_looks_like(token, strlen(token), p), "%s", name);
    /* one bit of the payload */
    changed[strcspn(token, ".") + 3] ^= 1;
    assert_int_equal(judge_vector(p, changed, alg, jwk).reason,
                     BEARER_SIGNATURE);
    /* another key of the same kind and name */
    if (bearer_alg_find(alg)->kty == BEARER_KTY_RSA) {
        other = unit_rfc_key(p, strcmp(name, "RFC 7515 A.2") == 0
                                    ? "RFC 7520 4.1" : "RFC 7515 A.2");
    } else if (bearer_alg_find(alg)->kty == BEARER_KTY_OCT) {
        other = unit_with(p, jwk, "k", json_string(
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    } else {
        other = unit_key_for(p, alg);
    }
    assert_int_equal(judge_vector(p, token, alg, unit_with(
        p, other, "kid", kid ? json_string(kid) : NULL)).reason,
        BEARER_SIGNATURE);
}

static void test_published_tokens_verify(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *rows = json_object_get(unit_vector_json(p, "jose.json"), "jws");
    json_t *row;
    size_t i;

    assert_int_equal(json_array_size(rows), 9);
    assert_true(json_array_size(rows) > 0);
    json_array_foreach(rows, i, row) {
        check_vector(p, row);
    }
}

/* RFC 7515 A.1 and A.5: not with the default allow-list. */
static void test_default_list_refuses_hmac_and_none(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *file = unit_vector_json(p, "jose.json");
    json_t *rows = json_object_get(file, "jws");
    json_t *a1 = json_array_get(rows, 0);
    const char *token = bearer_json_string(a1, "token");
    outcome_t o;

    assert_string_equal(bearer_json_string(a1, "name"), "RFC 7515 A.1");
    o = judge(p, token, bearer_alg_defaults(),
              unit_set(p, json_object_get(a1, "key")));
    assert_int_equal(o.reason, BEARER_ALG);
    assert_true(unit_contains(o.detail, "'HS256' is not in "
                              "AuthBearerAlgorithms (RS256 RS384"));
    o = open_token(p, bearer_json_string(json_object_get(file, "none"),
                                         "token"));
    assert_int_equal(o.reason, BEARER_ALG);
    /* not even if everything that exists were allowed */
    token = bearer_json_string(json_object_get(file, "none"), "token");
    assert_int_equal(open_n(p, token, strlen(token), ~0U).reason, BEARER_ALG);
}

static void test_every_algorithm_round_trip(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_alg_t *alg;
    bearer_algs_t all = BEARER_ALGS_ALL;

    while ((alg = bearer_alg_next(&all)) != NULL) {
        json_t *jwk = unit_with(p, unit_key_for(p, alg->name), "kid",
                                json_string("k"));
        const char *token = unit_sign(p, alg->name, jwk,
                                      "{\"typ\":\"at+jwt\",\"kid\":\"k\"}",
                                      "{\"sub\":\"a\"}");
        outcome_t o = judge(p, token, alg->bit, unit_set(p, jwk));

        UNIT_CHECK(o.reason == BEARER_OK, "%s: %s", alg->name, o.detail);
        assert_string_equal(o.jws.facts.typ, "at+jwt");
        assert_string_equal(o.jws.facts.kid, "k");
        assert_string_equal(o.jws.payload, "{\"sub\":\"a\"}");
    }
}

/* RFC 9864: the fully specified names, and the old one for both curves. */
static void test_eddsa_names_and_curves(void **state)
{
    static const struct {
        const char *signed_as, *key_of;
        const char *presented_as;
        bearer_reason_t reason;
    } cases[] = {
        { "EdDSA", "Ed25519", "EdDSA", BEARER_OK },
        { "EdDSA", "Ed448", "EdDSA", BEARER_OK },
        { "Ed25519", "Ed25519", "Ed25519", BEARER_OK },
        { "Ed448", "Ed448", "Ed448", BEARER_OK },
    };
    apr_pool_t *p = unit_pool(state);
    json_t *ed448 = unit_with(p, unit_key_for(p, "Ed448"), "kid", NULL);
    json_t *ed25519 = unit_with(p, unit_key_for(p, "Ed25519"), "kid", NULL);
    const char *token;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        json_t *jwk = unit_with(p, unit_key_for(p, cases[i].key_of), "kid",
                                NULL);

        token = unit_sign(p, cases[i].signed_as, jwk, NULL, "x");
        assert_int_equal(judge(p, token, bearer_alg_defaults(),
                               unit_set(p, jwk)).reason, cases[i].reason);
    }
    /* an Ed25519 header never meets an Ed448 key, nor the reverse */
    token = unit_sign(p, "Ed25519", ed25519, NULL, "x");
    assert_int_equal(judge(p, token, bearer_alg_defaults(),
                           unit_set(p, ed448)).reason, BEARER_KEY);
    token = unit_sign(p, "Ed448", ed448, NULL, "x");
    assert_int_equal(judge(p, token, bearer_alg_defaults(),
                           unit_set(p, ed25519)).reason, BEARER_KEY);
    token = unit_sign(p, "EdDSA", ed448, NULL, "x");
    assert_int_equal(judge(p, token, bearer_alg_defaults(),
                           unit_set(p, ed25519)).reason, BEARER_SIGNATURE);
}

/* ---- check 2: shape ---------------------------------------------------- */

static void test_attack_segments(void **state)
{
    static const char *const bad[] = {
        "", ".", "a", "a.b", "..", "...", "....", "e30.e30.e30.", "e30.e30",
        ".e30.e30.e30", "e30.e30.e30.e30",
        "eyJhbGciOiJSU0EtT0FFUCIsInAyYyI6MjE0NzQ4MzY0OH0.a.b.c.d", /* JWE */
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        outcome_t o = open_token(p, bad[i]);

        /* ".." has three (empty) segments, of which the header is no JSON */
        UNIT_CHECK(o.reason == (strcmp(bad[i], "..") == 0 ? BEARER_JSON
                                                          : BEARER_SEGMENTS),
                   "%s: %s", bad[i], bearer_reason_name(o.reason));
    }
}

/* RFC 7516 section 3.1 */
static void test_an_encrypted_token_is_named(void **state)
{
    static const char *const tokens[] = { "e30.e30.e30.e30.e30", "e30.e30.e30.e30" };
    apr_pool_t *p = unit_pool(state);
    bearer_refusal_t why;
    bearer_jws_t jws;
    size_t i;

    for (i = 0; i < UNIT_COUNT(tokens); i++) {
        assert_int_equal(bearer_jws_parse(&jws, tokens[i], strlen(tokens[i]), &why, p),
                         BEARER_SEGMENTS);
        assert_true(unit_contains(why.detail, "JWE") == (i == 0));
    }
}

/* CVE-2025-30204: 8 KB of dots were split into as many strings. */
static void test_attack_dots_allocate_nothing(void **state)
{
    apr_pool_t *p;
    char dots[8192];
    bearer_jws_t jws;
    char *before;

    assert_int_equal(apr_pool_create(&p, unit_pool(state)), APR_SUCCESS);
    memset(dots, '.', sizeof(dots));
    /* two neighbours in a pool: nobody took anything in between */
    before = apr_palloc(p, 8);
    assert_int_equal(bearer_jws_parse(&jws, dots, sizeof(dots), NULL, p),
                     BEARER_SEGMENTS);
    assert_false(bearer_jws_looks_like(dots, sizeof(dots), p));
    assert_ptr_equal(apr_palloc(p, 8), before + 8);
}

/* A header is the same only byte for byte; then it is not parsed. */
static void test_same_header_is_not_parsed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *token = unit_raw_token(p, "{\"alg\":\"ES256\"}", "{}", "x", 1);
    const char *other = unit_raw_token(p, "{\"alg\":\"ES384\"}", "{}", "x", 1);
    const apr_size_t len = strcspn(token, ".");
    bearer_jws_t jws;

    assert_int_equal(bearer_jws_parse_same(&jws, token, len, token, strlen(token), NULL, p),
                     BEARER_OK);
    assert_null(jws.header);
    assert_string_equal(jws.payload, "{}");
    assert_int_equal(bearer_jws_parse_same(&jws, token, len, other, strlen(other), NULL, p),
                     BEARER_OK);
    assert_string_equal(bearer_json_string(jws.header, "alg"), "ES384");
    assert_int_equal(bearer_jws_parse_same(&jws, token, len - 1, token, strlen(token), NULL, p),
                     BEARER_OK);
    assert_non_null(jws.header);
    assert_int_equal(bearer_jws_parse_same(&jws, NULL, 0, token, strlen(token), NULL, p),
                     BEARER_OK);
    assert_non_null(jws.header);
    /* everything else is read */
    assert_int_equal(bearer_jws_parse_same(&jws, token, len, token, strlen(token) - 3, NULL, p),
                     BEARER_SEGMENTS);
    assert_int_equal(bearer_jws_parse_same(&jws, token, len, apr_pstrcat(p, token, "=", NULL),
                                           strlen(token) + 1, NULL, p), BEARER_BASE64URL);
}

static void test_attack_size(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *token = apr_palloc(p, BEARER_TOKEN_MAX + 1);
    static const char start[] = "eyJhbGciOiJSUzI1NiJ9.";
    outcome_t o;

    memset(token, 'A', BEARER_TOKEN_MAX + 1);
    memcpy(token, start, sizeof(start) - 1);
    token[BEARER_TOKEN_MAX - 401] = '.';
    o = open_n(p, token, BEARER_TOKEN_MAX + 1, bearer_alg_defaults());
    assert_int_equal(o.reason, BEARER_SIZE);
    /* ... and is not an opaque token, which an issuer would be asked about */
    assert_true(bearer_jws_looks_like(token, BEARER_TOKEN_MAX + 1, p));
    memset(token, 'A', BEARER_TOKEN_MAX + 1);
    assert_false(bearer_jws_looks_like(token, BEARER_TOKEN_MAX + 1, p));
    memcpy(token, start, sizeof(start) - 1);
    token[BEARER_TOKEN_MAX - 401] = '.';
    /* at the limit it is judged: 400 characters of signature */
    o = open_n(p, token, BEARER_TOKEN_MAX, bearer_alg_defaults());
    assert_int_not_equal(o.reason, BEARER_SIZE);
}

static void test_attack_base64url(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *good = with_header(p, "{\"alg\":\"RS256\"}");
    static const char *const other[] = { "=", "+", "/", " ", "\r", "\n", "{",
                                         "\"", "\xc3", "%", ",", "\t" };
    static const char with_nul[] = "eyJhbGciOiJSUzI1NiJ9.e30.AA\0A";
    apr_size_t first = strcspn(good, ".");
    size_t i;
    int at;

    assert_int_equal(open_token(p, good).reason, BEARER_OK);
    for (i = 0; i < UNIT_COUNT(other); i++) {
        /* in each of the segments, and behind the last */
        apr_size_t places[] = { 0, first - 1, first + 1, strlen(good) - 1 };

        for (at = 0; at < 4; at++) {
            char *bad = apr_pstrdup(p, good);

            bad[places[at]] = other[i][0];
            UNIT_CHECK(open_token(p, bad).reason == BEARER_BASE64URL,
                       "%02x at %d", (unsigned char)other[i][0], at);
        }
        assert_int_equal(open_token(p, apr_pstrcat(p, good, other[i],
                                                   NULL)).reason,
                         BEARER_BASE64URL);
    }
    /* last bits, length 1 mod 4, NUL */
    assert_int_equal(open_token(p, "eyJhbGciOiJSUzI1NiJ9.e31.AA").reason,
                     BEARER_BASE64URL);
    assert_int_equal(open_token(p, "eyJhbGciOiJSUzI1NiJ9.e30.AB").reason,
                     BEARER_BASE64URL);
    assert_int_equal(open_token(p, "eyJhbGciOiJSUzI1NiJ9.e30.AAAAA").reason,
                     BEARER_BASE64URL);
    assert_int_equal(open_n(p, with_nul, sizeof(with_nul) - 1,
                            bearer_alg_defaults()).reason, BEARER_BASE64URL);
}

/* Two spellings of one signature would be two tokens for a revocation list. */
static void test_attack_respelled_signature(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_with(p, unit_rfc_key(p, "RFC 7520 4.1"), "kid", NULL);
    const char *token = unit_sign(p, "RS256", jwk, NULL, "x");
    bearer_jwks_t *set = unit_set(p, jwk);
    apr_size_t last = strlen(token) - 1;
    char c;

    assert_int_equal(judge(p, token, bearer_alg_defaults(), set).reason,
                     BEARER_OK);
    for (c = '-'; c <= 'z'; c++) {
        char *other = apr_pstrdup(p, token);

        other[last] = c;
        if (c != token[last]) {
            assert_int_not_equal(judge(p, other, bearer_alg_defaults(),
                                       set).reason, BEARER_OK);
        }
    }
}

static void test_attack_header_json(void **state)
{
    static const char *const bad[] = {
        "", "x", "[]", "null", "\"RS256\"", "[{\"alg\":\"RS256\"}]",
        "{\"alg\":\"RS256\"", "{\"alg\":\"RS256\"} ,", "{\"alg\":\"RS256\"}{}",
        "{\"alg\":\"RS256\",\"alg\":\"none\"}",
        "{\"alg\":\"RS256\",\"\\u0061lg\":\"none\"}",
        "{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"b\"}",
        "{\"alg\":\"RS256\",\"kid\":\"a\\u0000b\"}",
        "{\"alg\":\"RS256\",\"x\":\"\xff\"}",
        "{\"alg\":\"RS256\",\"x\":\"\\ud800\"}",
        "{\"alg\":\"RS256\",\"x\":1e400}", "{\"alg\":\"RS256\",\"x\":NaN}",
        "\xef\xbb\xbf{\"alg\":\"RS256\"}",
        /* 33 levels with the object itself */
        "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        outcome_t o = open_token(p, with_header(p, bad[i]));

        UNIT_CHECK(o.reason == BEARER_JSON, "%s: %s", bad[i],
                   bearer_reason_name(o.reason));
        UNIT_CHECK(unit_contains(o.detail, "not a strict JSON object"), "%s",
                   o.detail);
    }
}

/* A JWT or an opaque token? (check 3.1, last paragraph) */
static void test_looks_like(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const struct {
        const char *token;
        int is;
    } cases[] = {
        { with_header(p, "{\"alg\":\"RS256\"}"), 1 },
        { with_header(p, "{}"), 1 },
        { with_header(p, " { } "), 1 },
        { with_header(p, "{\"alg\":\"none\",\"alg\":\"none\"}"), 1 },
        { "e30.e30.e30.e30.e30", 1 },  /* JWE: denied, not passed on */
        { "e30..", 1 },
        { "e30.!!.", 1 },
        { "e30.e30", 0 },              /* one dot */
        { "e30", 0 },
        { "", 0 },
        { "..", 0 },
        { "ory_at_abc.def.ghi", 0 },
        { with_header(p, "[]"), 0 },
        { with_header(p, "{not json}"), 0 },
        { with_header(p, "\"x\""), 0 },
        { "e30=.e30.e30", 0 },
        { "e31.e30.e30", 0 },          /* last bits not zero */
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(bearer_jws_looks_like(cases[i].token,
                                         strlen(cases[i].token), p)
                       == cases[i].is, "%s", cases[i].token);
    }
}

/* ---- check 3: header --------------------------------------------------- */

static void test_attack_algorithm(void **state)
{
    static const char *const bad[] = {
        "{}", "{\"alg\":null}", "{\"alg\":1}", "{\"alg\":[\"RS256\"]}",
        "{\"alg\":{}}", "{\"alg\":\"\"}", "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}", "{\"alg\":\"nOnE\"}", "{\"alg\":\"NONE\"}",
        "{\"alg\":\"rs256\"}", "{\"alg\":\"RS256 \"}", "{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"ES256K\"}",
        "{\"alg\":\"RS1\"}", "{\"alg\":\"RSA-OAEP\"}", "{\"alg\":\"dir\"}",
        "{\"alg\":\"A\\nB\"}", "{\"ALG\":\"RS256\"}",
    };
    apr_pool_t *p = unit_pool(state);
    const char *rs256;
    outcome_t o;
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        o = open_token(p, with_header(p, bad[i]));
        UNIT_CHECK(o.reason == BEARER_ALG, "%s: %s", bad[i],
                   bearer_reason_name(o.reason));
        assert_null(strchr(o.detail, '\n'));
        assert_null(o.jws.facts.alg);
    }
    /* none with an empty signature, and with an empty payload */
    assert_int_equal(open_token(p, "eyJhbGciOiJub25lIn0.e30.").reason,
                     BEARER_ALG);
    assert_int_equal(open_token(p, "eyJhbGciOiJub25lIn0..").reason, BEARER_ALG);
    /* an allow-list of one is a list of one */
    rs256 = with_header(p, "{\"alg\":\"RS256\"}");
    assert_int_equal(open_n(p, rs256, strlen(rs256), set_of("ES256")).reason,
                     BEARER_ALG);
}

static void test_attack_crit(void **state)
{
    static const char *const values[] = {
        "[\"exp\"]", "[\"x-unknown\"]", "[]", "\"b64\"", "null", "true", "{}",
        "[1]", "[\"alg\"]", "[\"b64\"]", "[\"x\",\"x\"]",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        const char *header = apr_pstrcat(p, "{\"alg\":\"RS256\",\"exp\":1,"
                                         "\"crit\":", values[i], "}", NULL);

        UNIT_CHECK(open_token(p, with_header(p, header)).reason == BEARER_CRIT,
                   "%s", values[i]);
    }
}

static void test_attack_b64(void **state)
{
    static const char *const values[] = { "false", "true", "null", "\"x\"" };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        const char *header = apr_pstrcat(p, "{\"alg\":\"RS256\",\"b64\":",
                                         values[i], "}", NULL);

        assert_int_equal(open_token(p, with_header(p, header)).reason,
                         BEARER_B64);
    }
}

static void test_typ_is_a_string(void **state)
{
    static const char *const bad[] = { "1", "[\"JWT\"]", "{}" };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        const char *header = apr_pstrcat(p, "{\"alg\":\"RS256\",\"typ\":",
                                         bad[i], "}", NULL);

        assert_int_equal(open_token(p, with_header(p, header)).reason,
                         BEARER_HEADER);
    }
    assert_null(open_token(p, with_header(p, "{\"alg\":\"RS256\"}")).jws.facts.typ);
    assert_int_equal(open_token(p, with_header(
        p, "{\"alg\":\"RS256\",\"typ\":null,\"kid\":null}")).reason, BEARER_OK);
}

/* A key in the header, or where to get one, counts for nothing: a token that
 * its own embedded key verifies is not by the issuer's. */
static void test_attack_embedded_key(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *theirs = unit_with(p, unit_key_for(p, "ES256"), "kid", NULL);
    json_t *ours = unit_with(p, unit_key_for(p, "ES256"), "kid", NULL);
    char *dump = json_dumps(unit_public(p, theirs), JSON_COMPACT);
    const char *header = apr_pstrcat(
        p, "{\"jwk\":", dump, ",\"jku\":\"http://127.0.0.1:9/keys\","
        "\"x5u\":\"http://127.0.0.1:9/cert\",\"x5c\":[\"AAAA\"]}", NULL);
    bearer_jwks_t *set = unit_set(p, ours);

    free(dump);
    assert_int_equal(judge(p, unit_sign(p, "ES256", theirs, header, "x"),
                           bearer_alg_defaults(), set).reason,
                     BEARER_SIGNATURE);
    /* nor do they spoil a good one, whatever their type */
    assert_int_equal(judge(p, unit_sign(p, "ES256", ours, header, "x"),
                           bearer_alg_defaults(), set).reason, BEARER_OK);
    assert_int_equal(judge(p, unit_sign(p, "ES256", ours,
                                        "{\"jwk\":1,\"jku\":[],\"x5u\":{},"
                                        "\"x5c\":null}", "x"),
                           bearer_alg_defaults(), set).reason, BEARER_OK);
}

/* ---- check 4: kid ------------------------------------------------------ */

static bearer_reason_t kid_reason(apr_pool_t *p, const char *json_value)
{
    return open_token(p, with_header(p, apr_pstrcat(
        p, "{\"alg\":\"RS256\",\"kid\":", json_value, "}", NULL))).reason;
}

static void test_kid_characters(void **state)
{
    static const char *const good[] = {
        "\"a\"", "\"2011-04-29\"", "\"nOo3ZDrODXEK1jKWhXslHR_KXEg=\"",
        "\"public:hydra.openid.id-token\"", "\"a/b+c~d._e:f-g\"",
    };
    static const char *const bad[] = {
        "\"\"", "1", "[\"a\"]", "{}", "\"a b\"", "\"a\\nb\"",
        "\"' OR 1=1 --\"", "\"..\\\\..\\\\x\"", "\"a;b\"", "\"a%2f\"",
        "\"\xc3\xa4\"", "\"a\\\"b\"", "\"<x>\"", "\"a?b\"", "\"a#b\"",
        "\"a@b\"", "\"\\u007f\"",
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        UNIT_CHECK(kid_reason(p, good[i]) == BEARER_OK, "%s", good[i]);
    }
    for (i = 0; i < UNIT_COUNT(bad); i++) {
        UNIT_CHECK(kid_reason(p, bad[i]) == BEARER_KID, "%s", bad[i]);
    }
    /* NUL never gets as far as a kid */
    assert_int_equal(kid_reason(p, "\"a\\u0000b\""), BEARER_JSON);
}

static void test_attack_kid_length(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *kid = apr_palloc(p, 10 * 1024 + 3);
    static const apr_size_t lengths[] = { 256, 257, 10 * 1024 };
    size_t i;

    for (i = 0; i < UNIT_COUNT(lengths); i++) {
        memset(kid, 'k', lengths[i] + 2);
        kid[0] = kid[lengths[i] + 1] = '"';
        kid[lengths[i] + 2] = '\0';
        assert_int_equal(kid_reason(p, kid), i ? BEARER_KID : BEARER_OK);
    }
}

/* Allowed by its characters, it is still compared as bytes and nothing else. */
static void test_attack_kid_as_a_path(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_with(p, unit_key_for(p, "ES256"), "kid",
                            json_string("k"));
    const char *token = unit_sign(p, "ES256", jwk,
                                  "{\"kid\":\"../../dev/null\"}", "x");
    outcome_t o = judge(p, token, bearer_alg_defaults(), unit_set(p, jwk));

    assert_int_equal(o.reason, BEARER_KEY);
    assert_true(unit_contains(o.detail, "key '../../dev/null'"));
}

/* ---- checks 6 and 7 ---------------------------------------------------- */

/* The classic: an RSA public key taken for an HMAC secret, in whatever form. */
static void test_attack_rs_to_hs(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_with(p, unit_rfc_key(p, "RFC 7520 4.1"), "kid",
                            json_string("k"));
    bearer_jwks_t *set = unit_set_text(
        p, unit_jwks_text(p, unit_public(p, jwk)), BEARER_JWKS_REMOTE, NULL);
    unsigned char *der = NULL;
    int der_len = i2d_PUBKEY(bearer_jwks_at(set, 0)->pkey, &der);
    char *dump = json_dumps(unit_public(p, jwk), JSON_COMPACT);
    const struct {
        const void *bytes;
        apr_size_t len;
    } secrets[] = {
        { der, (apr_size_t)der_len },
        { dump, strlen(dump) },
        { bearer_json_string(jwk, "n"), strlen(bearer_json_string(jwk, "n")) },
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(secrets); i++) {
        json_t *oct = json_pack("{s:s,s:s}", "kty", "oct", "k",
                                bearer_b64url_encode(p, secrets[i].bytes,
                                                     secrets[i].len));
        const char *token = unit_sign(p, "HS256", oct, "{\"kid\":\"k\"}", "x");

        assert_int_equal(judge(p, token, bearer_alg_defaults(), set).reason,
                         BEARER_ALG);
        /* and where HS256 was named as well, the key is of another type */
        assert_int_equal(judge(p, token, ~0U, set).reason, BEARER_KEY);
        json_decref(oct);
    }
    OPENSSL_free(der);
    free(dump);
}

static void test_attack_signature_of_another_length(void **state)
{
    static const char *const names[] = { "RS256", "PS256", "ES256", "ES512",
                                         "Ed25519", "HS256" };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        json_t *jwk = unit_with(p, unit_key_for(p, names[i]), "kid", NULL);
        bearer_jwks_t *set = unit_set(p, jwk);
        const char *token = unit_sign(p, names[i], jwk, NULL, "x");
        const char *signature = strrchr(token, '.') + 1;
        const char *input = apr_pstrndup(p, token,
                                         (apr_size_t)(signature - token));
        unsigned char bytes[1024] = { 0 };
        apr_size_t len;
        apr_size_t other;

        assert_int_equal(bearer_b64url_decode(bytes, &len, signature,
                                              strlen(signature)), APR_SUCCESS);
        for (other = 0; other < len + 20; other++) {
            bearer_reason_t reason = judge(p, apr_pstrcat(
                p, input, bearer_b64url_encode(p, bytes, other), NULL), ~0U,
                set).reason;

            UNIT_CHECK(reason == (other == len ? BEARER_OK : BEARER_SIGNATURE),
                       "%s, %u octets", names[i], (unsigned)other);
        }
    }
}

/* Verification does not take the caller's word that alg and key fit. */
static void test_verify_checks_that_key_and_alg_fit(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_jwks_t *ec = unit_set(p, unit_key_for(p, "ES256"));
    json_t *rsa = unit_rfc_key(p, "RFC 7520 4.1");
    bearer_jwks_t *ps = unit_set(p, unit_with(p, rsa, "alg",
                                              json_string("PS256")));
    outcome_t o = open_token(p, unit_sign(p, "RS256", rsa, NULL, "x"));
    bearer_refusal_t why;

    assert_int_equal(o.reason, BEARER_OK);
    assert_int_equal(bearer_jws_verify(&o.jws, bearer_jwks_at(ec, 0), &why, p),
                     BEARER_KEY);
    assert_true(unit_contains(why.detail, "EC P-256"));
    assert_int_equal(bearer_jws_verify(&o.jws, bearer_jwks_at(ps, 0), NULL, p),
                     BEARER_KEY);
    o.jws.facts.alg = NULL;
    assert_int_equal(bearer_jws_verify(&o.jws, bearer_jwks_at(ps, 0), NULL, p),
                     BEARER_KEY);
}

static void test_header_is_part_of_what_is_signed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_with(p, unit_key_for(p, "ES256"), "kid", NULL);
    const char *token = unit_sign(p, "ES256", jwk, "{\"typ\":\"JWT\"}", "x");
    const char *rest = strchr(token, '.');
    static const char other[] = "{\"typ\":\"jwt\",\"alg\":\"ES256\"}";

    assert_int_equal(judge(p, apr_pstrcat(p, bearer_b64url_encode(
        p, other, sizeof(other) - 1), rest, NULL), bearer_alg_defaults(),
        unit_set(p, jwk)).reason, BEARER_SIGNATURE);
}

/* Nothing of a token's payload or signature is in any detail. */
static void test_details_show_no_token(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *jwk = unit_with(p, unit_key_for(p, "ES256"), "kid", NULL);
    const char *token = unit_sign(p, "ES256", unit_with(p,
        unit_key_for(p, "ES256"), "kid", NULL), NULL, "SECRETPAYLOAD");
    outcome_t o = judge(p, token, bearer_alg_defaults(), unit_set(p, jwk));

    assert_int_equal(o.reason, BEARER_SIGNATURE);
    assert_false(unit_contains(o.detail, "SECRET"));
    assert_false(unit_contains(o.detail, strrchr(token, '.') + 1));
    assert_string_equal(o.detail, "the ES256 signature does not match key (none) (EC P-256): the "
                                  "token was altered, or signed by another environment of the "
                                  "issuer");
}

/* ---- signing ----------------------------------------------------------- */

static void test_signing_refuses_what_does_not_fit(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *header = json_object();
    const char *error;
    char *token;
    EVP_PKEY *pkey;

    bearer_json_tie(header, p);
    assert_int_equal(bearer_jwk_private(&pkey, unit_key_for(p, "ES256"), &error,
                                        p), APR_SUCCESS);
    assert_int_equal(bearer_jws_sign(&token, header, "x", 1,
                                     bearer_alg_find("RS256"), pkey, NULL, 0,
                                     &error, p), APR_EINVAL);
    assert_true(unit_contains(error, "does not sign RS256"));
    assert_int_equal(bearer_jws_sign(&token, header, "x", 1,
                                     bearer_alg_find("ES384"), pkey, NULL, 0,
                                     &error, p), APR_EINVAL);
    assert_int_equal(bearer_jws_sign(&token, header, "x", 1,
                                     bearer_alg_find("ES256"), NULL, NULL, 0,
                                     &error, p), APR_EINVAL);
    assert_int_equal(bearer_jws_sign(&token, header, "x", 1,
                                     bearer_alg_find("HS256"), NULL,
                                     (const unsigned char *)"short", 5, &error,
                                     p), APR_EINVAL);
    assert_true(unit_contains(error, "shorter than the hash"));
    assert_null(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_published_tokens_verify),
        UNIT_TEST(test_default_list_refuses_hmac_and_none),
        UNIT_TEST(test_every_algorithm_round_trip),
        UNIT_TEST(test_eddsa_names_and_curves),
        UNIT_TEST(test_attack_segments),
        UNIT_TEST(test_an_encrypted_token_is_named),
        UNIT_TEST(test_attack_dots_allocate_nothing),
        UNIT_TEST(test_same_header_is_not_parsed),
        UNIT_TEST(test_attack_size),
        UNIT_TEST(test_attack_base64url),
        UNIT_TEST(test_attack_respelled_signature),
        UNIT_TEST(test_attack_header_json),
        UNIT_TEST(test_looks_like),
        UNIT_TEST(test_attack_algorithm),
        UNIT_TEST(test_attack_crit),
        UNIT_TEST(test_attack_b64),
        UNIT_TEST(test_typ_is_a_string),
        UNIT_TEST(test_attack_embedded_key),
        UNIT_TEST(test_kid_characters),
        UNIT_TEST(test_attack_kid_length),
        UNIT_TEST(test_attack_kid_as_a_path),
        UNIT_TEST(test_attack_rs_to_hs),
        UNIT_TEST(test_attack_signature_of_another_length),
        UNIT_TEST(test_verify_checks_that_key_and_alg_fit),
        UNIT_TEST(test_header_is_part_of_what_is_signed),
        UNIT_TEST(test_details_show_no_token),
        UNIT_TEST(test_signing_refuses_what_does_not_fit),
    };

    return UNIT_RUN("jws", tests);
}
