/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * A session's record as it comes out of its seal, and the parameters that an
 * issuer sends a browser back with (or who says that he is one): the first byte
 * says which.
 */
#include "fuzz.h"

#include "base/json.h"
#include "login/login.h"
#include "login/session_inside.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

static void record(const unsigned char *in, size_t len, apr_pool_t *p)
{
    bearer_session_t *s = bearer_session_decode(in, len, p);
    const json_t *body;
    unsigned char *again;
    apr_size_t again_len;

    if (!s) {
        return;
    }
    FUZZ_CHECK(s->packed + s->packed_len == in + len);
    again = bearer_session_encode(s, &again_len, p);
    /* an issuer with a NUL in it is cut there: never one of ours */
    FUZZ_CHECK(again_len < len || memcmp(again, in, len) == 0);
    body = bearer_session_body(s, p);
    FUZZ_CHECK(!body || json_is_object(body));
    bearer_session_string(s, BEARER_SESSION_ID_TOKEN, p);
    FUZZ_CHECK(!body || bearer_session_body(s, p) == body);
    bearer_session_lasting(s, "sub", p);
}

static int bounded(void *baton, const char *name, const char *value)
{
    int *count = baton;

    FUZZ_CHECK(strlen(value) <= BEARER_LOGIN_PARAMETER_MAX);
    FUZZ_CHECK(strlen(name) <= 3 * BEARER_LOGIN_PARAMETER_MAX * 32);
    ++*count;
    return 1;
}

static void parameters(const char *text, apr_pool_t *p)
{
    bearer_attempt_t attempt = { .state = "s", .nonce = "n", .verifier = "v",
                                 .issuer = "https://idp.example/", .target = "/x",
                                 .max_age = -1 };
    bearer_metadata_t metadata;
    apr_table_t *table = NULL;
    const char *code = NULL;
    int count = 0;

    memset(&metadata, 0, sizeof(metadata));
    if (bearer_login_parse(&table, text, NULL, p) != BEARER_OK) {
        return;
    }
    apr_table_do(bounded, &count, table, NULL);
    FUZZ_CHECK(count <= 32);
    if (bearer_login_response(&code, &attempt, table, &metadata, NULL, p)
        == BEARER_OK) {
        FUZZ_CHECK(code && *code);
        FUZZ_CHECK(strcmp(apr_table_get(table, "state"), "s") == 0);
        FUZZ_CHECK(!apr_table_get(table, "error"));
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    if (len && text[0] == 'r') {
        record((const unsigned char *)text + 1, len - 1, p);
    } else if (len && strlen(text) == len) {
        parameters(text + 1, p);
    }
}
