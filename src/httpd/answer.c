/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file answer.c
 * Results into statuses, headers, environment and the log: the table of
 * product.md 3.2, and nothing else decides a status.
 */
#include "glue.h"

#include "judge/challenge.h"

APLOG_USE_MODULE(auth_bearer);

/** What a category becomes. */
typedef struct answer_t {
    int status;
    int challenge;   /**< WWW-Authenticate is sent */
    int retry;       /**< Retry-After is sent */
    int level;       /**< of the log line */
} answer_t;

/* One row for each category, by the category's name: the table is written by the
 * list of categories, so one without its row does not compile. */
#define ANSWER(status, challenge, retry) { status, challenge, retry, APLOG_INFO }
#define ANSWER_INVALID_TOKEN  ANSWER(HTTP_UNAUTHORIZED, 1, 0)

#define ANSWER_OK             { OK, 0, 0, APLOG_ERR }
#define ANSWER_NO_CREDENTIAL  ANSWER(HTTP_UNAUTHORIZED, 1, 0)
#define ANSWER_REQUEST        ANSWER(HTTP_BAD_REQUEST, 1, 0)
#define ANSWER_MALFORMED      ANSWER_INVALID_TOKEN
#define ANSWER_ALGORITHM      ANSWER_INVALID_TOKEN
#define ANSWER_KEY            ANSWER_INVALID_TOKEN
#define ANSWER_SIGNATURE      ANSWER_INVALID_TOKEN
#define ANSWER_ISSUER         ANSWER_INVALID_TOKEN
#define ANSWER_TYPE           ANSWER_INVALID_TOKEN
#define ANSWER_CLIENT         ANSWER_INVALID_TOKEN
#define ANSWER_IDENTIFIER     ANSWER_INVALID_TOKEN
#define ANSWER_INACTIVE       ANSWER_INVALID_TOKEN
#define ANSWER_REVOKED        ANSWER_INVALID_TOKEN
#define ANSWER_EXPIRED        ANSWER_INVALID_TOKEN
#define ANSWER_NOT_YET_VALID  ANSWER_INVALID_TOKEN
#define ANSWER_AGE            ANSWER_INVALID_TOKEN
#define ANSWER_AUDIENCE       ANSWER_INVALID_TOKEN
#define ANSWER_AUTHENTICATION ANSWER(HTTP_UNAUTHORIZED, 1, 0)
#define ANSWER_SCOPE          ANSWER(HTTP_FORBIDDEN, 1, 0)
#define ANSWER_REQUIRE        ANSWER(HTTP_FORBIDDEN, 0, 0)
#define ANSWER_CROSS_SITE     ANSWER(HTTP_FORBIDDEN, 0, 0)
#define ANSWER_THROTTLED      ANSWER(HTTP_TOO_MANY_REQUESTS, 0, 1)
#define ANSWER_UNAVAILABLE    ANSWER(HTTP_SERVICE_UNAVAILABLE, 0, 1)
#define ANSWER_MISCONFIGURED  { HTTP_INTERNAL_SERVER_ERROR, 0, 0, APLOG_ERR }

static const answer_t answers[] = {
#define X(symbol, name, error, description, counted) \
    [BEARER_CATEGORY_##symbol] = ANSWER_##symbol,
    BEARER_CATEGORIES(X)
#undef X
};

/* httpd takes a status of 0 for OK: where a refusal is answered, that is a fault of
 * this module and ends in 500. */
static const answer_t *answer_of(bearer_reason_t reason)
{
    static const answer_t fault = ANSWER_MISCONFIGURED;
    const answer_t *answer = &answers[bearer_reason_category(reason)];

    return answer->status < HTTP_BAD_REQUEST ? &fault : answer;
}

int ab_answer_status(bearer_reason_t reason)
{
    return answer_of(reason)->status;
}

int ab_answer_level(bearer_reason_t reason)
{
    return answer_of(reason)->level;
}

/* httpd keeps AuthName ready to stand between quotes, with its own quotes
 * escaped; the challenge does its own quoting. */
static const char *realm(request_rec *r)
{
    const char *name = ap_auth_name(r);
    char *plain, *to;

    if (!name || !*name) {
        return r->server->server_hostname;
    }
    plain = to = apr_palloc(r->pool, strlen(name) + 1);
    for (; *name; name++) {
        if (name[0] != '\\' || name[1] != '"') {
            *to++ = *name;
        }
    }
    *to = '\0';
    return plain;
}

static void challenge(request_rec *r, bearer_category_t category)
{
    const bearer_settings_t *settings = ab_config_of(r);
    bearer_challenge_t c = { NULL, category, NULL, NULL, NULL, 0 };
    const request_t *own = ab_request(r);

    c.realm = realm(r);
    c.bare = !settings->challenge;
    if (category != BEARER_CATEGORY_REQUEST) {  /* 401, and 403 for a scope */
        c.resource_metadata = ab_resource_metadata(settings);
    }
    if (category == BEARER_CATEGORY_SCOPE || category == BEARER_CATEGORY_NO_CREDENTIAL) {
        c.scopes = ab_authz_scopes(r, own->principal, own->settings);
    }
    if (category == BEARER_CATEGORY_AUTHENTICATION) {
        c.login = settings->login.parameters;
    }
    apr_table_setn(r->err_headers_out, "WWW-Authenticate",
                   bearer_challenge_write(&c, r->pool));
    if (ab_credential_from(settings, BEARER_FROM_BASIC)) {
        apr_table_addn(r->err_headers_out, "WWW-Authenticate",
                       bearer_challenge_basic(c.realm, r->pool));
    }
}

/* What is known of the token, as far as it may be logged. */
static const char *about(request_rec *r, const credential_t *credential,
                         const bearer_judgement_t *j)
{
    const char *text = "";

    if (j && j->issuer) {
        text = apr_psprintf(r->pool, ", issuer %s",
                            bearer_text_quote(r->pool, j->iss));
    }
    if (j && j->jws.kid) {
        text = apr_psprintf(r->pool, "%s, kid %s", text,
                            bearer_text_quote(r->pool, j->jws.kid));
    }
    if (credential && credential->token && credential->len) {
        text = apr_psprintf(r->pool, "%s, token %s", text,
                            bearer_revocation_token_id(NULL, credential->token,
                                                       credential->len, r->pool));
    }
    if (r->user && *r->user) {
        text = apr_psprintf(r->pool, "%s, user %s", text,
                            bearer_text_fingerprint(r->pool, r->user,
                                                    strlen(r->user)));
    }
    return text;
}

int ab_answer_refuse(request_rec *r, bearer_reason_t reason,
                     const char *detail, unsigned retry,
                     const bearer_judgement_t *j)
{
    bearer_category_t category = bearer_reason_category(reason);
    const answer_t *answer = answer_of(reason);
    request_t *own = ab_request(r);

    own->reason = reason;
    ab_status_refused(j && j->issuer ? j->issuer
                      : own->principal ? own->principal->issuer : NULL,
                      reason);
    apr_table_setn(r->subprocess_env, "BEARER_ERROR",
                   bearer_category_name(category));
    apr_table_setn(r->subprocess_env, "BEARER_ERROR_CHECK",
                   bearer_reason_name(reason));
    ab_export_token_id(r, own->credential);
    if (answer->challenge) {
        challenge(r, category);
    }
    if (answer->retry) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%u",
                                    retry ? retry : ANSWER_RETRY_AFTER));
    }
    if (apr_table_get(r->headers_in, "Origin")) {
        apr_table_mergen(r->err_headers_out, "Access-Control-Expose-Headers",
                         "WWW-Authenticate");
    }
    ab_log(answer->level, r,
           "%srefused, %s/%s: %s%s", bearer_reason_number(reason),
           bearer_category_name(category), bearer_reason_name(reason),
           detail ? detail : "no detail",
           about(r, own->credential, j));
    ab_page_prepare(r, answer->status, reason);
    /* an error document may be anybody's; fixups are not reached any more */
    ab_credential_get(r);
    ab_credential_strip(r, own->settings ? own->settings
                                             : ab_config_of(r), 0);
    return answer->status;
}
