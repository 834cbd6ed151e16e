/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file refuse.c
 * Refuses a request: the status from the table in answer.c, and the headers, the
 * environment and the log line.
 */
#include "refuse.h"
#include "answer.h"
#include "credential.h"
#include "environment.h"
#include "page.h"
#include "request.h"
#include "scrub.h"
#include "status.h"
#include "trace.h"

#include <apr_strings.h>
#include <http_core.h>

#include "base/text.h"
#include "judge/challenge.h"
#include "trust/resource.h"

APLOG_USE_MODULE(auth_bearer);

/* Browsers answer Basic with a window that asks for a password. A page of people who
 * have sessions must not open one for what its script sent. */
static int offers_basic(const request_rec *r, const bearer_settings_t *settings)
{
    return ab_credential_from(settings, BEARER_FROM_BASIC)
        && !(settings->session && ab_request_by_script(r));
}

/* Where Basic is the only source it comes first: git, pip and container clients use the
 * first challenge they know. */
static void send_challenges(request_rec *r, const bearer_settings_t *settings,
                            const char *bearer, const char *basic)
{
    static const char field[] = "WWW-Authenticate";
    apr_table_t *out = r->err_headers_out;

    if (!offers_basic(r, settings)) {
        apr_table_setn(out, field, bearer);
    } else if (ab_credential_from_other(settings, BEARER_FROM_BASIC)) {
        apr_table_setn(out, field, bearer);
        apr_table_addn(out, field, basic);
    } else {
        apr_table_setn(out, field, basic);
        if (settings->challenge.on) {
            apr_table_addn(out, field, bearer);
        }
    }
}

static void challenge(request_rec *r, bearer_category_t category, const ab_refused_t *more)
{
    const bearer_settings_t *settings = ab_config_of(r);
    bearer_challenge_t c = { ab_page_site(r), category, NULL, NULL, NULL,
                             settings->challenge.parameters, !settings->challenge.on };

    if (category != BEARER_CATEGORY_REQUEST) {  /* 401, or 403 because of a scope */
        c.resource_metadata = settings->resource ? settings->resource->metadata
                                                 : NULL;
    }
    if (category == BEARER_CATEGORY_SCOPE || category == BEARER_CATEGORY_NO_CREDENTIAL) {
        c.scopes = more->scopes;
    }
    if (category == BEARER_CATEGORY_AUTHENTICATION) {
        c.login = more->login ? more->login : settings->login.parameters;
    }
    send_challenges(r, settings, bearer_challenge_write(&c, r->pool),
                    bearer_challenge_basic(c.realm, r->pool));
}

/* Returns what is known of the token and may be logged. */
static const char *about(request_rec *r, const char *token, const bearer_judgement_t *j)
{
    const char *text = "";

    if (j && j->issuer) {
        text = apr_psprintf(r->pool, ", issuer %s",
                            bearer_text_quote(r->pool, j->iss));
    }
    if (j && j->jws.facts.kid) {
        text = apr_psprintf(r->pool, "%s, kid %s", text,
                            bearer_text_quote(r->pool, j->jws.facts.kid));
    }
    if (token) {
        text = apr_psprintf(r->pool, "%s, token %s", text, token);
    }
    if (r->user && *r->user) {
        text = apr_psprintf(r->pool, "%s, user %s", text,
                            bearer_text_fingerprint(r->pool, r->user,
                                                    strlen(r->user)));
    }
    return text;
}

int ab_refuse(request_rec *r, bearer_reason_t reason, const char *detail,
              const ab_refused_t *more)
{
    static const ab_refused_t nothing;
    bearer_category_t category = bearer_reason_category(reason);
    const ab_answer_t *answer = ab_answer_of(reason);
    request_t *own = ab_request(r);
    const char *token;

    more = more ? more : &nothing;
    own->reason = reason;
    ab_status_refused(more->j && more->j->issuer ? more->j->issuer
                      : own->principal ? own->principal->issuer : NULL,
                      reason);
    ab_environment_refusal(r, reason);
    token = ab_environment_token_id(r, own->credential);
    if (answer->challenge) {
        challenge(r, category, more);
    }
    if (ab_page_waits(r, reason)) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%u",
                                    more->retry ? more->retry
                                                : ANSWER_RETRY_AFTER));
    }
    if (apr_table_get(r->headers_in, "Origin")) {
        apr_table_mergen(r->err_headers_out, "Access-Control-Expose-Headers",
                         "WWW-Authenticate");
    }
    ab_log(answer->level, r,
           "%srefused, %s/%s: %s%s", bearer_reason_number(reason),
           bearer_category(category)->name, bearer_reason_name(reason),
           detail ? detail : "no detail", about(r, token, more->j));
    ab_page_prepare(r, reason);
    /* the error document may belong to anyone, and fixups no longer run */
    ab_credential_get(r);
    ab_scrub_credential(r, own->settings ? own->settings
                                             : ab_config_of(r), 0);
    return answer->status;
}
