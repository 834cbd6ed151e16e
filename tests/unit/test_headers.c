/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Headers of tokens that were verified: what is known of one, and what a token
 * that brings one has still to show. With it what they lie on, and SHA-256. */
#include "unit_jose.h"

#include "base/sha256.h"
#include "base/shelf.h"
#include "jose/headers.h"

static const char good[] = "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}";

static const char *token_of(apr_pool_t *p, const char *header)
{
    return unit_raw_token(p, header, "{\"sub\":\"a\"}", "x", 1);
}

/* Checks 2 to 4. */
static bearer_reason_t open_known(bearer_jws_t *jws, bearer_headers_t *headers,
                                  const char *token, bearer_algs_t allowed,
                                  apr_pool_t *p)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason = bearer_jws_parse_known(jws, headers, token,
                                                    strlen(token), &why, p);

    if (reason == BEARER_OK) {
        reason = bearer_jws_check_header(jws, allowed, &why, p);
    }
    return reason == BEARER_OK ? bearer_jws_check_kid(jws, &why, p) : reason;
}

static bearer_headers_t *with_good(apr_pool_t *p)
{
    bearer_headers_t *headers = bearer_headers_create(p);
    bearer_jws_t jws;

    assert_int_equal(open_known(&jws, headers, token_of(p, good),
                                bearer_alg_defaults(), p), BEARER_OK);
    assert_non_null(jws.header);
    bearer_jws_remember_header(&jws, headers);
    return headers;
}

static void test_a_known_header_says_the_same_unparsed(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_headers_t *headers = with_good(p);
    bearer_jws_t jws;

    assert_int_equal(open_known(&jws, headers, token_of(p, good),
                                bearer_alg_defaults(), p), BEARER_OK);
    assert_null(jws.header);
    assert_string_equal(jws.facts.alg->name, "RS256");
    assert_string_equal(jws.facts.kid, "k1");
    assert_string_equal(jws.facts.typ, "at+jwt");
    assert_string_equal(jws.payload, "{\"sub\":\"a\"}");
}

static void test_kid_and_typ_may_be_absent(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_headers_t *headers = bearer_headers_create(p);
    const char *token = token_of(p, "{\"alg\":\"ES256\"}");
    bearer_jws_t jws;

    open_known(&jws, headers, token, bearer_alg_defaults(), p);
    bearer_jws_remember_header(&jws, headers);
    assert_int_equal(open_known(&jws, headers, token, bearer_alg_defaults(), p),
                     BEARER_OK);
    assert_null(jws.header);
    assert_null(jws.facts.kid);
    assert_null(jws.facts.typ);
}

static void test_one_byte_more_is_another_header(void **state)
{
    static const char *const others[] = {
        "{\"alg\":\"RS256\",\"kid\":\"k2\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"} ",
        "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"crit\":[]}",
    };
    apr_pool_t *p = unit_pool(state);
    bearer_headers_t *headers = with_good(p);
    bearer_jws_t jws;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(others); i++) {
        open_known(&jws, headers, token_of(p, others[i]), bearer_alg_defaults(),
                   p);
        assert_non_null(jws.header);
    }
    assert_int_equal(open_known(&jws, headers, token_of(p, others[2]),
                                bearer_alg_defaults(), p), BEARER_CRIT);
}

/* What is not the header's is looked at as ever. */
static void test_a_known_header_vouches_for_nothing_else(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_headers_t *headers = with_good(p);
    const char *token = token_of(p, good);
    const char *head = apr_pstrmemdup(p, token,
                                      (apr_size_t)(strchr(token, '.') - token));
    const struct { const char *rest; bearer_reason_t reason; } cases[] = {
        { ".e30.", BEARER_SIGNATURE }, { ".e30", BEARER_SEGMENTS },
        { ".e3_.eA", BEARER_BASE64URL }, { ".e30.e", BEARER_BASE64URL },
        { ".e30.eA.eA", BEARER_SEGMENTS }
    };
    bearer_jws_t jws;
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        assert_int_equal(open_known(&jws, headers,
                                    apr_pstrcat(p, head, cases[i].rest, NULL),
                                    bearer_alg_defaults(), p), cases[i].reason);
    }
    assert_int_equal(open_known(&jws, headers, token,
                                bearer_alg_find("ES256")->bit, p), BEARER_ALG);
}

static void keep(bearer_headers_t *headers, const char *text, const char *kid)
{
    const bearer_header_facts_t facts = { bearer_alg_find("RS256"), kid, NULL };

    bearer_headers_keep(headers, text, strlen(text), &facts);
}

static int knows(bearer_headers_t *headers, const char *text, apr_pool_t *p)
{
    bearer_header_facts_t facts;

    return bearer_headers_find(headers, &facts, text, strlen(text), p);
}

static void test_few_are_kept_the_newest(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_headers_t *headers = bearer_headers_create(p);
    int i;

    assert_false(knows(headers, "", p));
    keep(headers, "", "k");
    assert_false(knows(headers, "", p));
    for (i = 0; i < 100; i++) {
        keep(headers, apr_itoa(p, 1000 + i), "k");
        keep(headers, apr_itoa(p, 1000 + i), "k");  /* takes no second place */
        assert_true(knows(headers, apr_itoa(p, 1000 + i), p));
    }
    assert_false(knows(headers, "1000", p));
    assert_true(knows(headers, "1093", p));
    assert_false(knows(headers, "109", p));
}

static void test_what_is_too_long_is_not_kept(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_headers_t *headers = bearer_headers_create(p);
    char text[BEARER_HEADERS_TEXT_MAX + 2], kid[BEARER_HEADERS_NAME_MAX + 1];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    keep(headers, text, "k");
    assert_false(knows(headers, text, p));
    text[BEARER_HEADERS_TEXT_MAX] = '\0';
    keep(headers, text, "k");
    assert_true(knows(headers, text, p));

    memset(kid, 'k', sizeof(kid));
    kid[BEARER_HEADERS_NAME_MAX] = '\0';
    keep(headers, "long", kid);
    assert_false(knows(headers, "long", p));
    kid[BEARER_HEADERS_NAME_MAX - 1] = '\0';
    keep(headers, "long", kid);
    assert_true(knows(headers, "long", p));
}

static void test_without_a_place_nothing_is_known(void **state)
{
    apr_pool_t *p = unit_pool(state);

    keep(NULL, "a", "k");
    assert_false(knows(NULL, "a", p));
}

/* ---- the shelf ----------------------------------------------------------- */

static int released;

static void release(void *thing)
{
    (void)thing;
    released++;
}

static void test_a_shelf_gives_each_thing_once(void **state)
{
    bearer_shelf_t shelf = { { NULL } };
    char things[BEARER_SHELF_PLACES + 1];
    char taken[sizeof(things)] = { 0 };
    unsigned i;

    (void)state;
    assert_null(bearer_shelf_take(&shelf));
    for (i = 0; i < BEARER_SHELF_PLACES; i++) {
        bearer_shelf_give(&shelf, &things[i], release);
    }
    assert_int_equal(released, 0);
    bearer_shelf_give(&shelf, &things[i], release);
    assert_int_equal(released, 1);
    for (i = 0; i < BEARER_SHELF_PLACES; i++) {
        char *thing = bearer_shelf_take(&shelf);

        assert_int_equal(taken[thing - things]++, 0);
    }
    assert_null(bearer_shelf_take(&shelf));

    bearer_shelf_give(&shelf, &things[0], release);
    bearer_shelf_clear(&shelf, release);
    assert_int_equal(released, 2);
    assert_null(bearer_shelf_take(&shelf));
}

/* ---- SHA-256 ------------------------------------------------------------- */

static void test_sha256_of_pieces(void **state)
{
    const bearer_sha256_piece_t pieces[] = { {"a", 1}, {NULL, 0}, {"bc", 2} };
    unsigned char whole[BEARER_SHA256_SIZE], pieced[BEARER_SHA256_SIZE];
    bearer_sha256_t *sha256;
    int i;

    assert_int_equal(bearer_sha256_create(&sha256, unit_pool(state)), APR_SUCCESS);
    assert_int_equal(bearer_text_sha256("abc", 3, whole), APR_SUCCESS);
    for (i = 0; i < 3; i++) {  /* the second time with the first one's context */
        memset(pieced, 0, sizeof(pieced));
        assert_int_equal(bearer_sha256_of(i < 2 ? sha256 : NULL, pieced, pieces, 3),
                         APR_SUCCESS);
        assert_memory_equal(whole, pieced, sizeof(whole));
    }
}

/* In an OpenSSL whose configuration leaves none over. */
static void test_without_sha256(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_sha256_t *sha256;

    assert_int_equal(EVP_set_default_properties(NULL, "provider=none"), 1);
    assert_int_equal(bearer_sha256_create(&sha256, p), APR_EGENERAL);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    assert_int_equal(bearer_sha256_create(&sha256, p), APR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_a_known_header_says_the_same_unparsed),
        UNIT_TEST(test_kid_and_typ_may_be_absent),
        UNIT_TEST(test_one_byte_more_is_another_header),
        UNIT_TEST(test_a_known_header_vouches_for_nothing_else),
        UNIT_TEST(test_few_are_kept_the_newest),
        UNIT_TEST(test_what_is_too_long_is_not_kept),
        UNIT_TEST(test_without_a_place_nothing_is_known),
        UNIT_TEST(test_a_shelf_gives_each_thing_once),
        UNIT_TEST(test_sha256_of_pieces),
        UNIT_TEST(test_without_sha256),
    };

    return UNIT_RUN("headers", tests);
}
