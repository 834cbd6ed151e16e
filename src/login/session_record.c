/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A session's record as bytes. See session_inside.h. */
#include "login/session_inside.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <zlib.h>

#include "base/b64url.h"
#include "base/json.h"

#define VERSION 1
/** The members of the head in their order, between the version and the length of the
 *  issuer: BYTES(member), TIME(member). */
#define HEAD(BYTES, TIME) \
    BYTES(id) BYTES(revision) TIME(created) TIME(ends) TIME(seen) TIME(access_expires) \
    TIME(retry) BYTES(by_sid) BYTES(by_sub)
#define BYTES_SIZE(member) sizeof(((bearer_session_t *)0)->member) +
#define TIME_SIZE(member) 8 +
#define HEAD_SIZE (1 + HEAD(BYTES_SIZE, TIME_SIZE) 2)

/* ---- numbers, most significant byte first ------------------------------- */

static unsigned char *put_number(unsigned char *at, apr_uint64_t n, int bytes)
{
    while (bytes-- > 0) {
        *at++ = (unsigned char)(n >> 8 * bytes);
    }
    return at;
}

static apr_uint64_t take_number(const unsigned char **at, int bytes)
{
    apr_uint64_t n = 0;

    while (bytes-- > 0) {
        n = n << 8 | *(*at)++;
    }
    return n;
}

unsigned char *bearer_session_put_time(unsigned char *at, apr_time_t t)
{
    return put_number(at, (apr_uint64_t)t, 8);
}

const unsigned char *bearer_session_take_time(const unsigned char *at, apr_time_t *t)
{
    *t = (apr_time_t)take_number(&at, 8);
    return at;
}

/* ---- the body ---------------------------------------------------------- */

static apr_status_t deflate_body(unsigned char **out, apr_size_t *out_len,
                                 const char *text, apr_size_t len,
                                 apr_pool_t *p)
{
    uLongf n = compressBound((uLong)len);
    unsigned char *to = apr_palloc(p, n + 4);

    if (len > BEARER_SESSION_BODY_MAX
        || compress2(to + 4, &n, (const Bytef *)text, (uLong)len, 6) != Z_OK) {
        return APR_ENOSPC;
    }
    put_number(to, len, 4);
    *out = to;
    *out_len = n + 4;
    return APR_SUCCESS;
}

/* Only data sealed by this server is inflated; the limit is an additional safeguard. */
static char *inflate_body(apr_size_t *len, const unsigned char *in,
                          apr_size_t in_len, apr_pool_t *p)
{
    uLongf n;
    char *text;

    if (in_len < 4) {
        return NULL;
    }
    n = (uLongf)take_number(&in, 4);
    if (n > BEARER_SESSION_BODY_MAX) {
        return NULL;
    }
    text = apr_palloc(p, n + 1);
    if (uncompress((Bytef *)text, &n, in, (uLong)(in_len - 4)) != Z_OK) {
        return NULL;
    }
    text[n] = '\0';
    *len = n;
    return text;
}

/* Returns the claims of a token of the body, unverified: the ID token was judged when it
 * arrived. NULL: it is absent, or not a JWT. */
static json_t *payload_of(const json_t *body, const char *member, apr_pool_t *p)
{
    const char *token = bearer_json_string(body, member);
    const char *start = token ? strchr(token, '.') : NULL;
    const char *end = start ? strchr(start + 1, '.') : NULL;
    unsigned char *text;
    apr_size_t len;
    json_t *claims = NULL;

    if (end && bearer_b64url_decode_p(&text, &len, start + 1, (apr_size_t)(end - start - 1), p)
               == APR_SUCCESS) {
        (void)bearer_json_parse(&claims, (const char *)text, len, NULL, p);
    }
    return claims;
}

json_t *bearer_session_said_in(const json_t *body, apr_pool_t *p)
{
    json_t *said = payload_of(body, BEARER_SESSION_ID_TOKEN, p);

    return said ? said
        : bearer_json_tie(json_copy(json_object_get(body, BEARER_SESSION_SAID)), p);
}

/* Returns the body without the claims that its ID token also has. */
static json_t *slim(const json_t *body, apr_pool_t *p)
{
    json_t *out = json_deep_copy(body);
    json_t *said = bearer_session_said_in(body, p);
    json_t *claims = json_object_get(out, BEARER_SESSION_CLAIMS), *value;
    const char *name;

    bearer_json_tie(out, p);
    json_object_foreach(said, name, value) {
        if (json_equal(json_object_get(claims, name), value)) {
            json_object_del(claims, name);
        }
    }
    return out;
}

/* The reverse of slim(). */
static void fill(json_t *body, apr_pool_t *p)
{
    json_t *said = bearer_session_said_in(body, p);
    json_t *claims = json_object_get(body, BEARER_SESSION_CLAIMS);

    if (said && claims) {
        json_object_update(said, claims);
        json_object_set(body, BEARER_SESSION_CLAIMS, said);
    }
}

apr_status_t bearer_session_pack(bearer_session_t *session, json_t *body,
                                 apr_pool_t *p)
{
    char *text = json_dumps(slim(body, p), JSON_COMPACT);
    unsigned char *packed;
    apr_status_t rv = APR_EGENERAL;

    if (text) {
        rv = deflate_body(&packed, &session->packed_len, text, strlen(text), p);
        memset(text, 0, strlen(text));
        free(text);
    }
    if (rv == APR_SUCCESS) {
        session->packed = packed;
        session->body = json_incref(body);
        bearer_json_tie(session->body, p);
    }
    return rv;
}

const json_t *bearer_session_body(bearer_session_t *session, apr_pool_t *p)
{
    apr_size_t len = 0;
    char *text;

    if (!session->body) {
        text = inflate_body(&len, session->packed, session->packed_len, p);
        if (text && bearer_json_parse(&session->body, text, len, NULL, p) == APR_SUCCESS) {
            fill(session->body, p);
        }
    }
    return session->body;
}

json_t *bearer_session_lasting(bearer_session_t *session,
                               const char *user_claim, apr_pool_t *p)
{
    const json_t *body = bearer_session_body(session, p);
    const json_t *all = json_object_get(body, BEARER_SESSION_CLAIMS);
    const char *const who[] = { "email", "email_verified", user_claim };
    json_t *kept = all ? json_object() : NULL;
    apr_size_t i;

    if (!kept) {
        return NULL;
    }
    bearer_json_tie(kept, p);
    for (i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
        if (json_object_get(all, who[i])) {
            json_object_set(kept, who[i], json_object_get(all, who[i]));
        }
    }
    return kept;
}

json_t *bearer_session_said(bearer_session_t *session, apr_pool_t *p)
{
    return bearer_session_said_in(bearer_session_body(session, p), p);
}

apr_time_t bearer_session_access_ends(bearer_session_t *session, apr_pool_t *p)
{
    const json_t *claims = payload_of(bearer_session_body(session, p),
                                      BEARER_SESSION_ACCESS_TOKEN, p);
    const char *stated = bearer_session_string(session, BEARER_SESSION_ACCESS_ENDS, p);
    apr_time_t said = stated ? apr_time_from_sec(apr_atoi64(stated)) : 0, exp;

    bearer_json_date(&exp, claims, "exp");
    return exp > said ? exp : said;
}

const char *bearer_session_string(bearer_session_t *session, const char *member,
                                  apr_pool_t *p)
{
    return bearer_json_string(bearer_session_body(session, p), member);
}

/* ---- the record -------------------------------------------------------- */

static unsigned char *put_bytes(unsigned char *at, const void *from, apr_size_t n)
{
    memcpy(at, from, n);
    return at + n;
}

static const unsigned char *take_bytes(const unsigned char *at, void *to, apr_size_t n)
{
    memcpy(to, at, n);
    return at + n;
}

unsigned char *bearer_session_encode(const bearer_session_t *s, apr_size_t *len,
                                     apr_pool_t *p)
{
    apr_size_t issuer = strlen(s->issuer);
    unsigned char *out = apr_palloc(p, HEAD_SIZE + issuer + s->packed_len);
    unsigned char *at = out;

    *at++ = VERSION;
#define BYTES(member) at = put_bytes(at, s->member, sizeof(s->member));
#define TIME(member) at = bearer_session_put_time(at, s->member);
    HEAD(BYTES, TIME)
#undef BYTES
#undef TIME
    at = put_number(at, issuer, 2);
    at = put_bytes(at, s->issuer, issuer);
    at = put_bytes(at, s->packed, s->packed_len);
    *len = (apr_size_t)(at - out);
    return out;
}

bearer_session_t *bearer_session_decode(const unsigned char *in, apr_size_t len,
                                        apr_pool_t *p)
{
    bearer_session_t *s = apr_pcalloc(p, sizeof(*s));
    const unsigned char *at = in + 1;
    apr_size_t issuer;

    if (len < HEAD_SIZE || in[0] != VERSION) {
        return NULL;
    }
#define BYTES(member) at = take_bytes(at, s->member, sizeof(s->member));
#define TIME(member) at = bearer_session_take_time(at, &s->member);
    HEAD(BYTES, TIME)
#undef BYTES
#undef TIME
    issuer = (apr_size_t)take_number(&at, 2);
    if (len - HEAD_SIZE < issuer) {
        return NULL;
    }
    s->issuer = apr_pstrmemdup(p, (const char *)at, issuer);
    s->packed = at + issuer;
    s->packed_len = len - HEAD_SIZE - issuer;
    return s;
}
