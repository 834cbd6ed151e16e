/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What is sealed, derived and digested has the bytes that others computed
 * (tests/vectors/known_answers.py): keys are derived from the secret and from nothing
 * less, and servers of two versions understand each other.
 */
#include "unit_jose.h"
#include "unit_session.h"

#include "base/sha256.h"
#include "keys/keyset_record.h"
#include "login/login_inside.h"
#include "state/throttle.h"

#define ISSUER "https://idp.example/"

static const unsigned char *bytes_of(apr_pool_t *p, const char *hex)
{
    apr_size_t n = strlen(hex) / 2, i;
    unsigned char *bytes = apr_palloc(p, n);

    for (i = 0; i < n; i++) {
        bytes[i] = (unsigned char)(bearer_text_hex_digit(hex[2 * i]) << 4
                                   | bearer_text_hex_digit(hex[2 * i + 1]));
    }
    return bytes;
}

/* ---- seals -------------------------------------------------------------- */

static void test_seal(void **state)
{
    static const struct {
        const char *purpose, *sealed;
    } cases[] = {
        { "session", "01273be878000102030405060708090a0b"
          "688545efed7a1c0b7e34b609e60015201b7d7cc85c" },
        { "keys", "0130c64c0c000102030405060708090a0b"
          "c0de2186a53fd02f33f397ee1e366b025098dbf8f9" }
    };
    apr_pool_t *p = unit_pool(state);
    unsigned char *sealed, *value;
    apr_size_t len, i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        bearer_seal_t *seal = unit_seal(p, "one", cases[i].purpose);
        unit_world_t *w = unit_world(p);

        assert_int_equal(bearer_seal_close(&sealed, &len, seal, "context", 7, "value",
                                           5, &w->world, p), APR_SUCCESS);
        assert_string_equal(bearer_text_hex(p, sealed, len), cases[i].sealed);
        assert_int_equal(bearer_seal_open(&value, &len, seal, "context", 7,
                                          bytes_of(p, cases[i].sealed),
                                          strlen(cases[i].sealed) / 2, p), APR_SUCCESS);
        assert_string_equal((const char *)value, "value");
        assert_int_equal(len, 5);
    }
    /* another secret of the same purpose */
    assert_int_equal(bearer_seal_open(&value, &len, unit_seal(p, "two", "session"),
                                      "context", 7, bytes_of(p, cases[0].sealed),
                                      strlen(cases[0].sealed) / 2, p), APR_NOTFOUND);
}

#define ID "112UHJg3uoD1oWGamQXF6Z2d12uGB1YNv3RUoEiuUrfI"
#define ID_0_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define ATTEMPT \
    "187UCIj9Uuj4YXd3NRX3vX5OewroxSGsACvVBt1wn1z7A7qoNIgGmNUC1Fcz2CMsJYMUgzbxpU3X" \
    "2OaRbWjw54UJGGNYLWaBdBHNOdqLpwUWczA1h7ALNVoM9EcaDPrufUIT2HbihQnuog17BVZyPz7G" \
    "VQ8lONPgkFVYO3IfAxTwZSh6LCfmT7Zj2mTB8uuPgz2zJO3J"
/* as version 0.1.0 wrote it */
#define ATTEMPT_0_1 \
    "ASc76HhgYWJjZGVmZ2hpamscxhyuOpagBiJofsf9QwvY70Igki32rz7cNJjqcXjkZGfx0qiq8xFx" \
    "exWqS7WEWDBNc25LVeGcpGcXvXM3CT3h-R_iI_j-moYGnnURHiiyVGVMbriT8ehnPVm7K0QaSTiW" \
    "XWx5HGuWXRLTVjaUMvGWvXQs3DhY1DeaTLBUDLZq1ZAlE_zoxSXRBuLARXZdAYKgiKiJ-s4w29ox" \
    "TfkzBriju3bzVKi0afdpQA4n0KfKhNsprbw6zvvRu8jzW3vkL9E2t3dbg17U6qHkPlp_OzBiq8gZ" \
    "Q64IQdc7PEu_GLT073ELZt76Xsv8GsVS"

/* The cookie of a login under way. */
static void test_attempt(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    bearer_seal_t *seal = unit_seal(p, "one", "session");
    bearer_issuer_t issuer = { .url = ISSUER, .name = ISSUER };
    bearer_issuer_access_t access = { .issuer = &issuer, .world = &w->world };
    bearer_login_t login = { .access = &access };
    bearer_attempt_t *a = bearer_attempt_new(&login, "/x?y=1", p), *back;

    assert_non_null(a);
    assert_string_equal(bearer_attempt_seal(a, seal, UNIT_SERVER, &w->world, p), ATTEMPT);
    assert_int_equal(bearer_attempt_open(&back, ATTEMPT, seal, UNIT_SERVER, &w->world, p),
                     APR_SUCCESS);
    assert_string_equal(back->state, "7z1v4lG3vheBEYGfrAY3J35VfkDYfdLAUABCGZt764Cj");
    assert_string_equal(back->nonce, "CGV5ad7TEJY_DuoV9TubExIVJZey6OldCiZoT6f5bjY");
    assert_string_equal(back->verifier, ID_0_1);
    assert_string_equal(back->issuer, ISSUER);
    assert_string_equal(back->target, "/x?y=1");
    assert_int_equal(back->max_age, -1);
    assert_int_equal(back->created, w->now);
    assert_int_equal(bearer_attempt_open(&back, ATTEMPT_0_1, seal, UNIT_SERVER, &w->world,
                                         p), APR_SUCCESS);
    assert_string_equal(back->state, ID_0_1);
}

/* ---- sessions ----------------------------------------------------------- */

#define COOKIE \
    "187UCIizE7N1JaWlUSbmn628YR3cY6YFA88ej7R3ImSELBmpZrIbado8Mg2hN4nYtoORMJWFjk5F" \
    "AMiXMXH226Ei75btECCQlNs9bcIeMYlKMzK5drafm42Gg5dsXCvOtKTlOZhK397zgEZCTpDJJalD" \
    "Y21UOiA1as9zzQWCDCiUm2TcO4t2nKujicePZqK1uv7Hc31vZXmr4HblbHV5JV47tievODaR3zOO" \
    "Ngb8gaqCMXLGNDKbJqXGkhp3BIKElwlA9B568iI74mkYeigHjcbh5qIgcO9q3nPjOdUIEDt5rBct" \
    "dYA6Cw7svhiGUc5GEJj6lja19JEgsZxaagBkw9WQdEAEKUmaPr2AB8RxEZD7hn"
#define COOKIE_0_1 \
    "ASc76HgAAQIDBAUGBwgJCgsf5CiYi6dcRon_hQgN1W_HvhjuTOWmxEjQh7RfoB-R5_etCbMQMX3W" \
    "9OBf2WCsTDwlIHViHFS5VSN57UNXQ4W82GlKz93Qby3oaluVyFIs6VJaItPUnTpxks_41RdKjATE" \
    "-rBfqTcU_I0hbA6zvj_kUmhzfQ5RFvM-yOOKDle4CS4YnjRpqPajRijIDo0YQ-W7puF5pxr3TAvq" \
    "TfZvfw_B_D-Vac__OKtp54TffQlOTFI-boCckqSlontDahXhBFd7K9H7OUn5f5Js_hucWNR2KiRq" \
    "qpYe8ZanZV6LXEmWh33P8NZqM9ZUS82fXRMZk_YIcqXzfVGGYWg"
#define RECORD "e9f9cb5764975b216c93e693dbc999d3665f81405318de46dec2ffad222e416a"
#define LEASE "0797f8b626d034917c4e68f2c8f5b8c4bb2536decb032aaf50674962789453b2"
#define DEAD "4c4365e1e0cf97427bfdf87592a63ddb17c8e2f3e305666dac61f9938a803a73"
#define SUCCESSOR "188b80c1841dd62d5179623bba3736011e645fd18ac096912b0556ade2f20546"
#define ONCE "cae8e7ee94ae9f07c34a74abd74113f8b86b40852a866924c54a69e0709ca12e"
#define BY_SID "731eb9ea206064d06d6586bd7ec9652864b2b44d868230ab24867a5d7aa0c15f"
#define BY_SUB "7a090f01d2ca9ccb4c4e9c9e9889b0d0d31db6f8d2716d7699fd3ac3a461cdc7"

/* What an earlier version has put into a browser opens. */
static void test_session_cookie(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    unit_cache_t *cache = unit_cache(w);
    bearer_session_store_t store = unit_store(w, &cache->cache, 1);
    bearer_session_t *s;
    const char *again;

    assert_int_equal(bearer_session_load(&s, &store, COOKIE, p), APR_SUCCESS);
    assert_int_equal(bearer_session_load(&s, &store, COOKIE_0_1, p), APR_SUCCESS);
    assert_string_equal(bearer_text_hex(p, s->id, 2), "0001");
    assert_string_equal(bearer_text_hex(p, s->revision, 16),
                        "202122232425262728292a2b2c2d2e2f");
    assert_int_equal(s->created, w->now);
    assert_int_equal(s->seen, w->now);
    assert_int_equal(s->ends, w->now + store.max);
    assert_int_equal(s->access_expires, 0);
    assert_int_equal(s->retry, 0);
    assert_string_equal(s->issuer, ISSUER);
    assert_string_equal(bearer_text_hex(p, s->by_sid, 32), BY_SID);
    assert_string_equal(bearer_text_hex(p, s->by_sub, 32), BY_SUB);
    assert_string_equal(bearer_session_string(s, "client", p), "app");
    /* and is written in letters and digits */
    w->next_random = 0;
    assert_int_equal(bearer_session_cookie(&again, s, &store, p), APR_SUCCESS);
    assert_string_equal(again, COOKIE);
    /* elsewhere it is nothing */
    store.server = "https://other.example";
    assert_int_equal(bearer_session_load(&s, &store, COOKIE, p), APR_NOTFOUND);
}

static int is_there(apr_hash_t *in, apr_pool_t *p, const char *hex)
{
    return apr_hash_get(in, bytes_of(p, hex), BEARER_CACHE_KEY_SIZE) != NULL;
}

/* Under which names the parts of a session are in a cache. */
static void test_names(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    unit_cache_t *cache = unit_cache(w);
    bearer_session_store_t store = unit_store(w, &cache->cache, 0);
    bearer_session_t *s;
    const char *cookie;

    assert_int_equal(bearer_session_new(&s, &store, ISSUER, unit_session_body(p), p), APR_SUCCESS);
    assert_string_equal(bearer_text_hex(p, s->by_sid, 32), BY_SID);
    assert_string_equal(bearer_text_hex(p, s->by_sub, 32), BY_SUB);
    assert_int_equal(bearer_session_begin(&cookie, s, &store, NULL, p), APR_SUCCESS);
    assert_string_equal(cookie, ID);
    assert_int_equal(bearer_session_load(&s, &store, ID_0_1, p), APR_SUCCESS);
    assert_int_equal(bearer_session_load(&s, &store, ID, p), APR_SUCCESS);
    assert_true(is_there(cache->values, p, RECORD));
    assert_int_equal(bearer_session_lease(s, &store, w->now + 1, p), APR_SUCCESS);
    assert_true(is_there(cache->leases, p, LEASE));
    bearer_session_unlease(s, &store, p);
    assert_false(is_there(cache->leases, p, LEASE));
    assert_int_equal(bearer_session_once(&store, "jti", ISSUER, "id-1", w->now + 1000,
                                         p), APR_SUCCESS);
    assert_true(is_there(cache->values, p, ONCE));
    assert_int_equal(bearer_session_end(s, &store, p), APR_SUCCESS);
    assert_true(is_there(cache->values, p, DEAD));
    assert_false(is_there(cache->values, p, RECORD));
    store.in_cookie = 1;
    assert_int_equal(bearer_session_replace(&cookie, s, s->revision, &store, p),
                     APR_EOF);
    assert_true(is_there(cache->values, p, SUCCESSOR));
    assert_int_equal(bearer_session_logout(&store, ISSUER, "app", "s1", NULL, p),
                     APR_SUCCESS);
    assert_true(is_there(cache->values, p, BY_SID));
}

/* Whose session a table has: what a logout finds it by, and what bounds a user's. */
static void test_owners(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    unit_own_t *own = unit_own(w, 128 * 1024);
    bearer_session_store_t store = unit_store(w, &own->cache, 0);
    static const struct {
        bearer_owner_t by;
        const char *hex;
    } owners[] = {
        { BEARER_OWNER_SID, BY_SID }, { BEARER_OWNER_SUB, BY_SUB },
        { BEARER_OWNER_SUBJECT, "c2e6d269791dea55ba01e7f800ad3665" },
        { BEARER_OWNER_ADDRESS, "0102030405060708090a0b0c0d0e0f10" }
    };
    bearer_session_t *s, *found;
    const char *cookie;
    size_t i;

    for (i = 0; i < UNIT_COUNT(owners); i++) {
        unsigned char address[16], another[16] = { 0 };

        memcpy(address, bytes_of(p, owners[3].hex), 16);
        assert_int_equal(bearer_session_new(&s, &store, ISSUER, unit_session_body(p), p),
                         APR_SUCCESS);
        assert_int_equal(bearer_session_begin(&cookie, s, &store, address, p),
                         APR_SUCCESS);
        assert_int_equal(own->cache.end(&own->cache, owners[i].by, another, p),
                         APR_SUCCESS);
        assert_int_equal(bearer_session_load(&found, &store, cookie, p), APR_SUCCESS);
        assert_int_equal(own->cache.end(&own->cache, owners[i].by,
                                        bytes_of(p, owners[i].hex), p), APR_SUCCESS);
        UNIT_CHECK(bearer_session_load(&found, &store, cookie, p) == APR_NOTFOUND,
                   "owner %d", (int)i);
    }
}

/* ---- logins ------------------------------------------------------------- */

/* RFC 7636, appendix B. */
static apr_status_t random_of_the_rfc(void *baton, unsigned char *bytes, apr_size_t len)
{
    static const unsigned char octets[32] = {
        116, 24,  223, 180, 151, 153, 224, 37,  79, 250, 96,  125, 216, 173, 187, 186,
        22,  212, 37,  77,  105, 214, 191, 240, 91, 88,  5,   88,  83,  132, 141, 121
    };

    (void)baton;
    assert_int_equal(len, sizeof(octets));
    memcpy(bytes, octets, len);
    return APR_SUCCESS;
}

static void test_pkce(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    bearer_settings_t settings = *bearer_settings_defaults(p);
    bearer_issuer_t issuer = { .url = ISSUER, .name = ISSUER };
    bearer_issuer_access_t access = { .issuer = &issuer, .settings = &settings,
                                      .world = &w->world };
    bearer_metadata_t metadata = { .authorization_endpoint = ISSUER "auth",
                                   .token_endpoint = ISSUER "token" };
    bearer_login_t login = { .access = &access, .metadata = &metadata,
                             .redirect_uri = UNIT_SERVER "/.auth/callback" };
    bearer_attempt_t *a;
    const char *url;

    settings.client_id = "app";
    w->world.random = random_of_the_rfc;
    assert_int_equal(bearer_login_begin(&a, &url, &login, NULL, "/", NULL, p),
                     BEARER_OK);
    assert_string_equal(a->verifier, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_true(unit_contains(url, "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJ"
                                   "Sstw-cM&"));
}

/* ---- the throttle ------------------------------------------------------- */

/* SipHash-2-4 of the address 192.0.2.1, by a secret of 00 to 0f. */
static void test_keyed_hash(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    static const uint32_t tag = 0x565f3a67;
    static const bearer_throttle_token_t token = { 1, 7 };
    static const bearer_throttle_settings_t settings = { 1, 20, apr_time_from_sec(60),
                                                         apr_time_from_sec(60) };
    apr_size_t size = bearer_throttle_size(1), i;
    apr_uintptr_t at = (apr_uintptr_t)apr_pcalloc(p, size + 128);
    unsigned char *block = (unsigned char *)((at + 127) / 128 * 128);
    unsigned char key[BEARER_THROTTLE_KEY_SIZE];
    bearer_throttle_t *throttle;
    int found = 0;

    assert_int_equal(bearer_throttle_attach(&throttle, block, size, 1, &w->world, p),
                     APR_SUCCESS);
    assert_int_equal(bearer_throttle_address(key, "192.0.2.1"), APR_SUCCESS);
    assert_int_equal(bearer_throttle_failure(throttle, key, &token, BEARER_SIGNATURE,
                                             &settings, w->now), 0);
    for (i = 0; i + 4 <= size; i += 4) {
        found += memcmp(block + i, &tag, 4) == 0;
    }
    assert_int_equal(found, 1);
}

/* ---- key sets in the cache and in what is handed over --------------------- */

#define KEYS_NAME "a1f286841ec19334b2b1a3eed3bca09e78237299793c95cfd0c7e17c38f19dc6"
#define ATTEMPT_NAME "b115d8f28c0a5ed131d34724f70f22a00b34cb31b3c8610da669a9ae403bf86b"
#define LEASE_NAME "c29ca84783c10358e7a3bb31ea6d2a52a7acd827ed0a375557ab7737dc4e367b"
/* As version 0.1.0 wrote it. */
#define KEYS_HEADER \
    "{\"place\":\"" KEYS_NAME "\",\"fetched\":1700000000000000," \
    "\"life\":3600000000,\"source\":\"https://idp.example/jwks\"," \
    "\"metadata\":{\"issuer\":\"https://idp.example/\"," \
    "\"jwks_uri\":\"https://idp.example/jwks\"," \
    "\"require_pushed_authorization_requests\":false," \
    "\"authorization_response_iss_parameter_supported\":false}," \
    "\"metadata_fetched\":1700000000000001," \
    "\"metadata_source\":\"https://idp.example/meta\"}"
#define KEYS_DOCUMENT "{\"keys\":[]}"

/* A version that changes any of these does not find, or cannot read, what the
 * one before left: it reads that as well, or an upgrade loses keys. */
static void test_key_sets(void **state)
{
    static const char document[] = "{\"issuer\":\"" ISSUER "\","
        "\"jwks_uri\":\"" ISSUER "jwks\"}";
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    bearer_issuer_t issuer = { .url = ISSUER };
    bearer_settings_t settings = { .keys_refresh = {
        apr_time_from_sec(300), apr_time_from_sec(86400), apr_time_from_sec(86400)
    } };
    bearer_issuer_access_t access = { &issuer, &settings, NULL, &w->world, NULL, NULL, 0, 0 };
    bearer_keyset_record_t record = {
        apr_time_from_sec(1700000000), apr_time_from_sec(3600), ISSUER "jwks", NULL,
        apr_time_from_sec(1700000000) + 1, KEYS_DOCUMENT, sizeof(KEYS_DOCUMENT) - 1
    };
    const char *wanted = apr_psprintf(p, "BEARER-KEYS-1 %d\n" KEYS_HEADER KEYS_DOCUMENT,
                                      (int)sizeof(KEYS_HEADER) - 1);
    bearer_keyset_record_t read;
    bearer_keyset_place_t place;
    bearer_metadata_t *metadata;
    unsigned char *value;
    const char *error;
    apr_size_t len;

    assert_int_equal(bearer_keyset_place_init(&place, &access, p), APR_SUCCESS);
    assert_string_equal(bearer_text_hex(p, place.record, 32), KEYS_NAME);
    assert_string_equal(bearer_text_hex(p, place.attempt, 32), ATTEMPT_NAME);
    assert_string_equal(bearer_text_hex(p, place.lease, 32), LEASE_NAME);
    assert_int_equal(bearer_metadata_parse(&metadata, document, sizeof(document) - 1,
                                           ISSUER, ISSUER "meta", NULL, &error, p),
                     APR_SUCCESS);
    record.metadata = metadata;
    assert_int_equal(bearer_keyset_record_encode(&value, &len, &place, &record, p),
                     APR_SUCCESS);
    assert_string_equal(apr_pstrmemdup(p, (char *)value, len), wanted);
    assert_int_equal(bearer_keyset_record_decode(
        &read, &place, &access, (const unsigned char *)wanted, strlen(wanted), p),
        APR_SUCCESS);
    assert_int_equal(read.fetched, record.fetched);
    assert_int_equal(read.life, record.life);
    assert_string_equal(read.source, record.source);
    assert_string_equal(read.metadata->jwks_uri, ISSUER "jwks");
    assert_string_equal(read.metadata->source, ISSUER "meta");
    assert_int_equal(read.metadata_fetched, record.metadata_fetched);
    assert_string_equal(apr_pstrmemdup(p, read.document, read.len), KEYS_DOCUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_seal),
        UNIT_TEST(test_attempt),
        UNIT_TEST(test_session_cookie),
        UNIT_TEST(test_names),
        UNIT_TEST(test_owners),
        UNIT_TEST(test_pkce),
        UNIT_TEST(test_keyed_hash),
        UNIT_TEST(test_key_sets),
    };

    return UNIT_RUN("known_answers", tests);
}
