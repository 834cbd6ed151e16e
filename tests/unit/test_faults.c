/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * OpenSSL, the random source or the allocator fails, at each call in turn: nothing is
 * accepted, nothing is sealed with less than it needs, and afterwards everything works
 * as before. (Issuers and session services: test_introspect.c, test_session_check.c,
 * test_client_auth.c.)
 */
#include "unit_fault.h"
#include "unit_jose.h"
#include "unit_session.h"

#include <openssl/err.h>

#include "base/localcache.h"
#include "base/sha256.h"
#include "jose/headers.h"
#include "jose/jwk_inside.h"
#include "jose/signature.h"
#include "login/login.h"
#include "state/revocation.h"
#include "state/tokencache.h"
#include "trust/settings.h"

static const char data[] = "what was signed";

/* ---- signatures --------------------------------------------------------- */

typedef struct pair_t {
    const bearer_alg_t *alg;
    EVP_PKEY *pkey;
    const unsigned char *oct;
    unsigned char *signature;
    apr_size_t len;
} pair_t;

static pair_t pair_for(apr_pool_t *p, const bearer_alg_t *alg)
{
    static const unsigned char oct[64] = "sixty-four octets of no secret";
    pair_t pair = { alg, NULL, oct, NULL, 0 };
    const char *error = "";

    if (alg->kty != BEARER_KTY_OCT
        && bearer_jwk_private(&pair.pkey, unit_key_for(p, alg->name), &error, p)
               != APR_SUCCESS) {
        UNIT_FAIL("%s: %s", alg->name, error);
    }
    assert_int_equal(bearer_signature_make(&pair.signature, &pair.len, alg, pair.pkey,
                                           oct, sizeof(oct), data, sizeof(data), p),
                     APR_SUCCESS);
    return pair;
}

static bearer_verifier_t *verifier_of(const pair_t *pair)
{
    return bearer_verifier_create(pair->alg, pair->pkey, pair->oct, 64);
}

/* The signature as it is, or with its last byte changed. */
static bearer_verify_t check(bearer_verifier_t *v, const pair_t *pair, int good)
{
    unsigned char bytes[1024];

    assert_true(pair->len <= sizeof(bytes));
    memcpy(bytes, pair->signature, pair->len);
    bytes[pair->len - 1] ^= good ? 0 : 1;
    return bearer_verifier_check(v, data, sizeof(data), bytes, pair->len);
}

static void each_algorithm(void **state, void (*test)(const pair_t *pair,
                                                      apr_pool_t *p))
{
    apr_pool_t *p = unit_pool(state);
    const bearer_alg_t *alg;
    bearer_algs_t all = BEARER_ALGS_ALL;
    unsigned i;

    unit_fault.pairs_are_good = 1;
    for (i = 0; (alg = bearer_alg_next(&all)) != NULL; i++) {
        pair_t pair = pair_for(p, alg);

        test(&pair, p);
    }
    assert_true(i > 10);
    unit_no_fault();
}

static void first_check(const pair_t *pair, apr_pool_t *p)
{
    int n, good;

    (void)p;
    for (good = 0; good < 2; good++) {
        UNIT_FAULTS(n) {
            bearer_verifier_t *v = verifier_of(pair);
            bearer_verify_t result = v ? check(v, pair, good) : BEARER_VERIFY_BROKEN;

            bearer_verifier_free(v);
            UNIT_CHECK((result == BEARER_VERIFY_OK) == (good && !unit_fault_happened()),
                       "%s: %d, %s", pair->alg->name, result, unit_fault_name());
        }
        UNIT_CHECK(n > 4, "%s", pair->alg->name);
    }
}

static void test_first_check(void **state)
{
    each_algorithm(state, first_check);
}

/* With what earlier checks have left; and the next one is right again. */
static void later_check(const pair_t *pair, apr_pool_t *p)
{
    bearer_verifier_t *v = verifier_of(pair);
    int n, good;

    (void)p;
    for (good = 0; good < 2; good++) {
        assert_int_equal(check(v, pair, 1), BEARER_VERIFY_OK);
        UNIT_FAULTS(n) {
            bearer_verify_t result = check(v, pair, good);

            UNIT_CHECK((result == BEARER_VERIFY_OK) == (good && !unit_fault_happened()),
                       "%s: %d, %s", pair->alg->name, result, unit_fault_name());
            unit_fault.failing = 0;
            UNIT_CHECK(check(v, pair, 1) == BEARER_VERIFY_OK
                       && check(v, pair, 0) == BEARER_VERIFY_BAD,
                       "%s: after %s", pair->alg->name, unit_fault_name());
        }
        UNIT_CHECK(n > 1, "%s", pair->alg->name);
    }
    bearer_verifier_free(v);
}

static void test_later_check(void **state)
{
    each_algorithm(state, later_check);
}

static void make(const pair_t *pair, apr_pool_t *p)
{
    unsigned char *signature;
    apr_size_t len;
    int n;

    UNIT_FAULTS(n) {
        apr_status_t rv = bearer_signature_make(&signature, &len, pair->alg, pair->pkey,
                                                pair->oct, 64, data, sizeof(data), p);

        UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%s: %d, %s",
                   pair->alg->name, rv, unit_fault_name());
    }
    UNIT_CHECK(n > 4, "%s", pair->alg->name);
}

static void test_signing(void **state)
{
    each_algorithm(state, make);
}

static void probe(const pair_t *pair, apr_pool_t *p)
{
    int n;

    (void)p;
    UNIT_FAULTS(n) {
        int can = bearer_signature_probe(pair->alg);

        UNIT_CHECK(can == !unit_fault_happened(), "%s: %s", pair->alg->name,
                   unit_fault_name());
    }
}

static void test_probing(void **state)
{
    each_algorithm(state, probe);
}

/* What the check of a token says of it: nothing of it is an OK. */
static void test_token(void **state)
{
    static const char *const algs[] = { "RS256", "PS384", "ES256", "EdDSA", "HS512" };
    apr_pool_t *p = unit_pool(state);
    size_t i;
    int n;

    for (i = 0; i < UNIT_COUNT(algs); i++) {
        json_t *key = unit_key_for(p, algs[i]);
        bearer_jwks_t *set = unit_set(p, key);
        const char *token = unit_sign(p, algs[i], key, NULL, "{}");

        UNIT_FAULTS(n) {
            bearer_refusal_t why = { BEARER_OK, NULL };
            bearer_jws_t jws;
            bearer_reason_t reason;

            assert_int_equal(bearer_jws_parse(&jws, token, strlen(token), &why, p),
                             BEARER_OK);
            assert_int_equal(bearer_jws_check_header(&jws, ~(bearer_algs_t)0, &why, p),
                             BEARER_OK);
            reason = bearer_jws_verify(&jws, bearer_jwks_at(set, 0), &why, p);
            UNIT_CHECK((reason == BEARER_OK) == !unit_fault_happened(), "%s: %s, %s",
                       algs[i], bearer_reason_name(reason), unit_fault_name());
            assert_int_equal(reason, why.reason);
            UNIT_CHECK(reason == BEARER_OK || reason == BEARER_INTERNAL
                       || reason == BEARER_SIGNATURE, "%s", bearer_reason_name(reason));
            UNIT_CHECK(!unit_fault_happened() || why.detail, "%s", algs[i]);
        }
        UNIT_CHECK(n > 4, "%s", algs[i]);
    }
}

/* A context that cannot be made is no fault of the token: 503, not 401. */
static void test_no_memory_for_a_check(void **state)
{
    apr_pool_t *p = unit_pool(state);
    json_t *key = unit_key_for(p, "ES256");
    bearer_jwks_t *set = unit_set(p, key);
    const char *token = unit_sign(p, "ES256", key, NULL, "{}");
    bearer_refusal_t why;
    bearer_jws_t jws;

    assert_int_equal(bearer_jws_parse(&jws, token, strlen(token), &why, p), BEARER_OK);
    assert_int_equal(bearer_jws_check_header(&jws, ~(bearer_algs_t)0, &why, p),
                     BEARER_OK);
    unit_fault_next(1);
    assert_int_equal(bearer_jws_verify(&jws, bearer_jwks_at(set, 0), &why, p),
                     BEARER_INTERNAL);
    assert_string_equal(unit_fault_name(), "calloc");
    assert_int_equal(bearer_reason_category(BEARER_INTERNAL),
                     BEARER_CATEGORY_UNAVAILABLE);
    assert_true(unit_contains(why.detail, "OpenSSL failed in ES256"));
    unit_no_fault();
}

/* ---- keys --------------------------------------------------------------- */

static const char *const kinds[] = { "RS256", "ES256", "ES384", "ES512", "EdDSA",
                                     "HS256" };

/* For an algorithm that OpenSSL does not carry out a key has no verifier, and does not
 * serve: what fails while verifiers are made costs the algorithm, not the key. */
static int is_of_a_verifier(const char *name)
{
    static const char *const names[] = { "calloc", "EVP_MD_fetch", "EVP_PKEY_get_size",
                                         "EVP_PKEY_get_bn_param", "BN_bn2binpad" };
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

static void check_key(const bearer_jwk_t *key)
{
    const bearer_alg_t *alg;
    bearer_algs_t all = BEARER_ALGS_ALL;

    UNIT_CHECK(!unit_fault_happened()
               || (key->unfit && is_of_a_verifier(unit_fault_name())), "%s",
               unit_fault_name());
    while ((alg = bearer_alg_next(&all)) != NULL) {
        assert_int_equal((key->algs & alg->bit) != 0,
                         bearer_jwk_verifier(key, alg) != NULL);
    }
}

/* A key is whole, or it is none: never one whose check was left out. */
static void test_key_sets(void **state)
{
    apr_pool_t *p = unit_pool(state);
    size_t i;
    int n;

    for (i = 0; i < UNIT_COUNT(kinds); i++) {
        const char *text = unit_jwks_text(p, unit_key_for(p, kinds[i]));

        UNIT_FAULTS(n) {
            bearer_jwks_t *set = NULL;
            const char *error = NULL;
            apr_status_t rv = bearer_jwks_parse(&set, text, strlen(text),
                                                BEARER_JWKS_LOCAL, NULL, &error, p);
            int keys = rv == APR_SUCCESS ? bearer_jwks_count(set) : 0;

            UNIT_CHECK(keys || unit_fault_happened(), "%s: no key", kinds[i]);
            if (keys) {
                check_key(bearer_jwks_at(set, 0));
            }
            if (rv == APR_SUCCESS) {
                bearer_jwks_release(set);
            } else {
                UNIT_CHECK(error != NULL, "%s: %s", kinds[i], unit_fault_name());
            }
        }
        UNIT_CHECK(n > 3, "%s", kinds[i]);
    }
}

static void test_private_keys(void **state)
{
    apr_pool_t *p = unit_pool(state);
    size_t i;
    int n;

    for (i = 0; i + 1 < UNIT_COUNT(kinds); i++) {
        json_t *jwk = unit_key_for(p, kinds[i]), *back;
        EVP_PKEY *key = NULL;

        unit_fault.pairs_are_good = i == 0;
        UNIT_FAULTS(n) {
            const char *error = NULL;
            apr_status_t rv = bearer_jwk_private(&key, jwk, &error, p);

            UNIT_CHECK(rv != APR_SUCCESS ? unit_fault_happened() && error
                       : !unit_fault_happened()
                             || is_of_a_verifier(unit_fault_name())
                             || strcmp(unit_fault_name(), "BN_secure_new") == 0,
                       "%s: %s", kinds[i], unit_fault_name());
        }
        assert_true(n > 3);
        UNIT_FAULTS(n) {
            apr_status_t rv = bearer_jwk_from_pkey(&back, key, 1, p);

            UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%s: %s",
                       kinds[i], unit_fault_name());
        }
        assert_true(n > 3);
        assert_string_equal(bearer_json_string(back, "kid"),
                            bearer_jwk_thumbprint(jwk, p));
    }
}

/* ---- encryption --------------------------------------------------------- */

static apr_array_header_t *secret_files(apr_pool_t *p)
{
    apr_array_header_t *files = apr_array_make(p, 1, sizeof(const char *));
    char *name = apr_pstrdup(p, "/tmp/unit-fault-XXXXXX");
    int fd = mkstemp(name);

    assert_true(fd >= 0 && write(fd, "forty-eight bytes, of which each is known here:"
                                     " x", 48) == 48);
    close(fd);
    APR_ARRAY_PUSH(files, const char *) = name;
    return files;
}

static void test_secret(void **state)
{
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *files = secret_files(p);
    int n;

    UNIT_FAULTS(n) {
        bearer_seal_t *seal = NULL;
        const char *error = NULL;
        apr_status_t rv = bearer_seal_create(&seal, files, "session", &error, p);

        UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%s",
                   unit_fault_name());
        assert_true((rv == APR_SUCCESS) == (seal != NULL));
        assert_true(rv == APR_SUCCESS || error);
    }
    assert_true(n > 4);
    unlink(APR_ARRAY_IDX(files, 0, const char *));
}

static void test_sealing(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_seal_t *seal = unit_seal(p, "one", "session");
    unsigned char *sealed, *value;
    apr_size_t len, n_value;
    int n;

    UNIT_FAULTS(n) {
        apr_status_t rv = bearer_seal_close(&sealed, &len, seal, "context", 7, data,
                                            sizeof(data), NULL, p);

        UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%s",
                   unit_fault_name());
    }
    assert_true(n > 10);
    UNIT_FAULTS(n) {
        apr_status_t rv = bearer_seal_open(&value, &n_value, seal, "context", 7, sealed,
                                           len, p);

        UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%s",
                   unit_fault_name());
    }
    assert_true(n > 10);
    assert_memory_equal(value, data, sizeof(data));
    /* and what was changed is not opened, whatever fails */
    sealed[len - 1] ^= 1;
    UNIT_FAULTS(n) {
        UNIT_CHECK(bearer_seal_open(&value, &n_value, seal, "context", 7, sealed, len, p)
                       != APR_SUCCESS, "%s", unit_fault_name());
    }
}

/* ---- digests and random bytes ------------------------------------------- */

static apr_status_t no_random(void *baton, unsigned char *bytes, apr_size_t len)
{
    int *left = baton;

    memset(bytes, 'r', len);
    return (*left)-- > 0 ? APR_SUCCESS : APR_EGENERAL;
}

static void test_world_without_random_bytes(void **state)
{
    unsigned char bytes[16];
    int n;

    (void)state;
    UNIT_FAULTS(n) {
        UNIT_CHECK((bearer_world_random(NULL, bytes, sizeof(bytes)) == APR_SUCCESS)
                   == !unit_fault_happened(), "%d", n);
    }
    assert_int_equal(n, 4);
    assert_int_equal(bearer_world_random(NULL, bytes, (apr_size_t)INT_MAX + 1),
                     APR_EGENERAL);
}

static void test_digests(void **state)
{
    static const bearer_sha256_piece_t pieces[] = {
        { "a", 1 }, { NULL, 0 }, { "bc", 2 }
    };
    apr_pool_t *p = unit_pool(state);
    bearer_sha256_t *sha256;
    unsigned char out[32];
    int n, which;

    assert_int_equal(bearer_sha256_create(&sha256, p), APR_SUCCESS);
    for (which = 0; which < 2; which++) {
        UNIT_FAULTS(n) {
            apr_status_t rv = bearer_sha256_of(which ? sha256 : NULL, out, pieces, 3);

            UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%s",
                       unit_fault_name());
        }
        assert_true(n > 4);
        assert_string_equal(bearer_text_hex(p, out, 4), "ba7816bf"); /* of "abc" */
    }
    UNIT_FAULTS(n) {
        UNIT_CHECK((bearer_text_sha256("abc", 3, out) == APR_SUCCESS)
                   == !unit_fault_happened(), "%s", unit_fault_name());
    }
    UNIT_FAULTS(n) {
        const char *print = bearer_text_fingerprint(p, "abc", 3);

        assert_string_equal(print, unit_fault_happened() ? "????????" : "ba7816bf");
    }
    UNIT_FAULTS(n) {
        UNIT_CHECK((bearer_sha256_create(&sha256, p) == APR_SUCCESS)
                   == !unit_fault_happened(), "%s", unit_fault_name());
    }
}

/* ---- sessions ----------------------------------------------------------- */

static bearer_session_store_t store_of(unit_world_t *w, int in_cookie, int own)
{
    return unit_store(w, own ? &unit_own(w, 128 * 1024)->cache : &unit_cache(w)->cache,
                      in_cookie);
}

/* A session is begun whole or not at all, and found whole or not at all. */
static void test_sessions(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    json_t *body = unit_session_body(p);
    int n, kind;

    for (kind = 0; kind < 4; kind++) {
        bearer_session_store_t store = store_of(w, kind & 1, kind & 2);
        bearer_session_t *s;
        const char *cookie;

        UNIT_FAULTS(n) {
            apr_status_t rv;

            cookie = NULL;
            rv = bearer_session_new(&s, &store, "https://idp.example/", body, p);
            if (rv == APR_SUCCESS) {
                rv = bearer_session_begin(&cookie, s, &store, NULL, p);
            }
            UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%d: %s", kind,
                       unit_fault_name());
        }
        assert_true(n > 4);
        UNIT_FAULTS(n) {
            apr_status_t rv = bearer_session_load(&s, &store, cookie, p);

            UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%d: %s", kind,
                       unit_fault_name());
            assert_true((rv == APR_SUCCESS) == (s != NULL));
        }
        assert_true(n > 4);
    }
}

/* An end that could not be written down is no end; one that was said is kept. */
static void test_ends_of_sessions(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    int n, kind;

    for (kind = 0; kind < 4; kind++) {
        bearer_session_store_t store = store_of(w, kind & 1, kind & 2);
        bearer_session_t *s, *found;
        const char *cookie;

        UNIT_FAULTS(n) {
            int failing = unit_fault.failing;
            apr_status_t rv;

            unit_fault.failing = 0;
            assert_int_equal(bearer_session_new(&s, &store, "https://idp.example/",
                                                unit_session_body(p), p), APR_SUCCESS);
            assert_int_equal(bearer_session_begin(&cookie, s, &store, NULL, p),
                             APR_SUCCESS);
            unit_fault.calls = 0;
            unit_fault.failing = failing;
            rv = bearer_session_end(s, &store, p);
            unit_fault.failing = 0;
            UNIT_CHECK(rv == APR_SUCCESS || unit_fault_happened(), "%d", kind);
            UNIT_CHECK(rv != APR_SUCCESS
                       || bearer_session_load(&found, &store, cookie, p) != APR_SUCCESS,
                       "%d: ended and there, %s", kind, unit_fault_name());
        }
        assert_true(n > 1);
        UNIT_FAULTS(n) {
            apr_status_t rv = bearer_session_once(
                &store, "jti", "https://idp.example/",
                apr_psprintf(p, "id %d", n), w->now + apr_time_from_sec(60), p);

            UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened(), "%d: %s", kind,
                       unit_fault_name());
        }
        assert_true(n > 1);
    }
}

static void test_sessions_without_random_bytes(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    bearer_session_store_t store = store_of(w, 1, 0);
    int left, asked, good = 0;

    w->world.random = no_random;
    w->world.random_baton = &left;
    for (asked = 0; asked < 10 && !good; asked++) {
        const char *cookie = NULL;
        bearer_session_t *s;
        apr_status_t rv;

        left = asked;
        rv = bearer_session_new(&s, &store, "https://idp.example/", unit_session_body(p), p);
        if (rv == APR_SUCCESS) {
            rv = bearer_session_begin(&cookie, s, &store, NULL, p);
        }
        good = left >= 0;
        UNIT_CHECK((rv == APR_SUCCESS) == good, "%d: %d", asked, rv);
        if (good) {
            unsigned char before[BEARER_SESSION_REVISION_SIZE];

            memcpy(before, s->revision, sizeof(before));
            left = 0;
            assert_int_equal(bearer_session_renew(s, &store, unit_session_body(p), p),
                             APR_EGENERAL);
        }
    }
    assert_int_equal(asked, 4);  /* an id, a revision, a nonce */
}

/* ---- logins ------------------------------------------------------------- */

static void test_logins(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    bearer_settings_t settings = *bearer_settings_defaults(p);
    bearer_issuer_t issuer = { .url = "https://idp.example/",
                               .name = "https://idp.example/" };
    bearer_issuer_access_t access = { .issuer = &issuer, .settings = &settings,
                                      .world = &w->world };
    bearer_metadata_t metadata = {
        .authorization_endpoint = "https://idp.example/auth",
        .token_endpoint = "https://idp.example/token"
    };
    bearer_login_t login = { .access = &access, .metadata = &metadata,
                             .redirect_uri = "https://app.example/.auth/callback" };
    int n, left;

    settings.client_id = "app";
    w->world.random = no_random;
    w->world.random_baton = &left;
    for (n = 0; n < 2; n++) {  /* the verifier; the rest are its digests */
        bearer_refusal_t why = { BEARER_OK, NULL };
        bearer_attempt_t *a;
        const char *url;

        left = n;
        assert_int_equal(bearer_login_begin(&a, &url, &login, NULL, "/", &why, p),
                         n < 1 ? BEARER_INTERNAL : BEARER_OK);
    }
    w->world.random = NULL;
    UNIT_FAULTS(n) {
        bearer_refusal_t why = { BEARER_OK, NULL };
        bearer_attempt_t *a;
        const char *url;
        bearer_reason_t reason = bearer_login_begin(&a, &url, &login, NULL, "/", &why, p);

        UNIT_CHECK(reason == (unit_fault_happened() ? BEARER_INTERNAL : BEARER_OK),
                   "%s: %s", bearer_reason_name(reason), unit_fault_name());
    }
    assert_true(n > 4);
}

/* ---- the revocation list ------------------------------------------------ */

#define SHA256_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* What is on the list stays revoked, and what is not is not granted unseen. */
static void test_revocations(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    char *path = apr_pstrdup(p, "/tmp/unit-fault-XXXXXX");
    int fd = mkstemp(path), n;
    bearer_revocation_t *list;
    unsigned char digest[32];

    assert_true(fd >= 0 && write(fd, "token " SHA256_OF_ABC " 0\njti " SHA256_OF_ABC
                                     " 0\n", 2 * 64 + 16) == 2 * 64 + 16);
    close(fd);
    UNIT_FAULTS(n) {
        bearer_reason_t reason = BEARER_REVOCATION_LIST;

        memset(digest, 0, sizeof(digest));
        if (bearer_revocation_create(&list, path, &w->world, p) == APR_SUCCESS) {
            reason = bearer_revocation_ask_token(list, "i", "j", "abc", 3, digest, NULL,
                                                 p);
        }
        UNIT_CHECK(reason == (unit_fault_happened() ? BEARER_REVOCATION_LIST
                                                    : BEARER_REVOKED),
                   "%s: %s", bearer_reason_name(reason), unit_fault_name());
    }
    assert_true(n > 4);
    UNIT_FAULTS(n) {
        bearer_refusal_t why = { BEARER_OK, NULL };
        bearer_reason_t reason = bearer_revocation_ask_token(list, "i", "j", "abd", 3,
                                                             digest, &why, p);

        UNIT_CHECK(reason == (unit_fault_happened() ? BEARER_REVOCATION_LIST
                                                    : BEARER_OK),
                   "%s: %s", bearer_reason_name(reason), unit_fault_name());
        assert_int_equal(why.reason, reason);
    }
    assert_true(n > 4);
    /* a change that cannot be read closes until it can */
    n = 0;
    do {
        w->now += BEARER_REVOCATION_LOOK;
        unit_fault_next(1);
        unit_fault.failing = ++n;
        UNIT_CHECK(bearer_revocation_ask_token(list, "i", "j", "abc", 3, digest, NULL, p)
                       != BEARER_OK, "%s", unit_fault_name());
    } while (unit_fault_happened());
    assert_true(n > 4);
    unit_no_fault();
    assert_int_equal(bearer_revocation_ask_token(NULL, "i", "j", "abc", 3, digest, NULL,
                                                 p), BEARER_OK);
    unlink(path);
}

static void test_revoking(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *dir = apr_pstrdup(p, "/tmp/unit-fault-XXXXXX");
    const char *path;
    int n;

    assert_non_null(mkdtemp(dir));
    path = apr_pstrcat(p, dir, "/list", NULL);
    UNIT_FAULTS(n) {
        const char *error = NULL;
        apr_status_t rv = bearer_revocation_append_token(path, "abc", 3, 0, 0, &error, p);

        UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened() && !rv == !error,
                   "%s", unit_fault_name());
    }
    assert_true(n > 4);
    UNIT_FAULTS(n) {
        const char *error = NULL;
        apr_status_t rv = bearer_revocation_append_jti(path, "i", "j", 0, 0, &error, p);

        UNIT_CHECK((rv == APR_SUCCESS) == !unit_fault_happened() && !rv == !error,
                   "%s", unit_fault_name());
    }
    assert_true(n > 4);
    unlink(path);
    unlink(apr_pstrcat(p, path, ".lock", NULL));
    assert_int_equal(rmdir(dir), 0);
}

/* ---- memories that may forget, but never say what is not so ------------- */

static void test_caches(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unit_world_t *w = unit_world(p);
    const bearer_cache_t *cache;
    unsigned char key[32] = { 1 }, *value;
    apr_size_t len;
    int n;

    UNIT_FAULTS(n) {
        apr_status_t rv = bearer_localcache_create(&cache, 16, 100, &w->world, p);
        int kept;

        if (rv != APR_SUCCESS) {
            assert_true(unit_fault_happened());
            continue;
        }
        rv = cache->put(cache, key, (const unsigned char *)"v", 1,
                        w->now + apr_time_from_sec(9), p);
        kept = cache->get(cache, key, &value, &len, p) == APR_SUCCESS;
        UNIT_CHECK(kept == !unit_fault_happened(), "%s", unit_fault_name());
        assert_true(!kept || (len == 1 && *value == 'v'));
        assert_true(rv != APR_SUCCESS || kept);
    }
    assert_true(n > 2);
}

static void test_headers_cache(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const bearer_header_facts_t facts = { bearer_alg_find("ES256"), "k", NULL };
    int n;

    UNIT_FAULTS(n) {
        bearer_headers_t *headers = bearer_headers_create(p);
        bearer_header_facts_t found = { NULL, NULL, NULL };
        int is;

        bearer_headers_keep(headers, "abc", 3, &facts);
        is = bearer_headers_find(headers, &found, "abc", 3, p);
        UNIT_CHECK(is == !unit_fault_happened(), "%s", unit_fault_name());
        UNIT_CHECK(!is || (found.alg == facts.alg && !strcmp(found.kid, "k")), "%d", n);
    }
    assert_true(n > 2);
}

static void test_tokencache(void **state)
{
    apr_pool_t *p = unit_pool(state);
    bearer_issuer_t issuer = { .url = "https://idp.example/" };
    bearer_principal_t *principal = apr_pcalloc(p, sizeof(*principal));
    unsigned char key[32] = { 1 };
    int n;

    principal->issuer = &issuer;
    principal->user = "ann";
    principal->method = "jwt";
    principal->iss = issuer.url;
    principal->scope = "";
    principal->scopes = principal->roles = principal->groups =
        apr_array_make(p, 1, sizeof(const char *));
    principal->claims = json_object();
    bearer_json_tie(principal->claims, p);
    UNIT_FAULTS(n) {
        const bearer_principal_t *found = NULL;
        bearer_tokencache_entry_t *entry = NULL;
        bearer_tokencache_t *cache;

        if (bearer_tokencache_create(&cache, 16, p) != APR_SUCCESS) {
            assert_true(unit_fault_happened());
            continue;
        }
        bearer_tokencache_put(cache, key, principal, 1, apr_time_from_sec(100));
        found = bearer_tokencache_get(cache, &entry, key, apr_time_from_sec(1), 0);
        UNIT_CHECK((found == NULL) == unit_fault_happened(), "%s", unit_fault_name());
        if (found) {
            assert_string_equal(found->user, "ann");
            bearer_tokencache_release(entry);
        }
    }
    assert_true(n > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_first_check),
        UNIT_TEST(test_later_check),
        UNIT_TEST(test_signing),
        UNIT_TEST(test_probing),
        UNIT_TEST(test_token),
        UNIT_TEST(test_no_memory_for_a_check),
        UNIT_TEST(test_key_sets),
        UNIT_TEST(test_private_keys),
        UNIT_TEST(test_secret),
        UNIT_TEST(test_sealing),
        UNIT_TEST(test_world_without_random_bytes),
        UNIT_TEST(test_digests),
        UNIT_TEST(test_sessions),
        UNIT_TEST(test_ends_of_sessions),
        UNIT_TEST(test_sessions_without_random_bytes),
        UNIT_TEST(test_logins),
        UNIT_TEST(test_revocations),
        UNIT_TEST(test_revoking),
        UNIT_TEST(test_caches),
        UNIT_TEST(test_headers_cache),
        UNIT_TEST(test_tokencache),
    };

    return UNIT_RUN("faults", tests);
}
