/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_client.c
 * This server as a client of its issuers, for logins and sessions.
 */
#include "browser.h"
#include "process.h"
#include "shared.h"

#include <apr_strings.h>

#include "base/http.h"
#include "base/reason.h"
#include "base/text.h"
#include "jose/jwk.h"
#include "judge/judge.h"
#include "trust/issuer.h"
#include "trust/settings.h"
#include "trust/tenants.h"

static apr_status_t post(void *baton, bearer_http_response_t **response,
                         const char *endpoint, const apr_table_t *form,
                         const char **error, apr_pool_t *p)
{
    return bearer_client_post(response, baton, endpoint, form, error, p);
}

bearer_reason_t ab_browser_client_of(bearer_login_t *login, process_t *process,
                                     const server_rec *s,
                                     const bearer_issuer_t *issuer,
                                     bearer_refusal_t *why, apr_pool_t *p)
{
    const server_config_t *server = ab_config_server(s);
    const char *error = NULL;

    memset(login, 0, sizeof(*login));
    login->access = ab_process_access_of(process, issuer, server, p);
    login->post = post;
    login->post_baton = ab_process_client(process, server, issuer->index);
    login->pushes = ab_shared_pushes(issuer->index);
    login->flying = process->waiting;
    login->metadata = bearer_keypool_metadata(process->keys[issuer->index],
                                             &error, p);
    if (!login->metadata) {
        return bearer_refuse(why, p, BEARER_LOGIN_ISSUER,
                             "the metadata of issuer %s is unavailable: %s",
                             bearer_text_quote(p, issuer->url),
                             error ? error : "check whether AuthBearerMetadata off is set");
    }
    return BEARER_OK;
}

bearer_reason_t ab_browser_client(bearer_login_t *login, request_rec *r,
                                  const bearer_issuer_t *issuer, bearer_refusal_t *why)
{
    bearer_reason_t reason = ab_browser_client_of(login, ab_process(), r->server, issuer, why,
                                                  r->pool);

    login->redirect_uri = ab_browser_own_callback(r, issuer);
    return reason;
}

static const apr_array_header_t *tenants_of(void *baton, const bearer_issuer_t *issuer,
                                            apr_pool_t *p)
{
    bearer_tenants_t *tenants = ab_process()->tenants[issuer->index];

    (void)baton;
    return tenants ? bearer_tenants_get(tenants, p) : NULL;
}

const char *ab_browser_tenant(const bearer_issuer_t *issuer, const json_t *claims,
                              apr_pool_t *p)
{
    const char *iss = bearer_json_string(claims, "iss");

    return iss ? bearer_issuer_tenant_of(issuer, iss, p) : NULL;
}

int ab_browser_admits(const bearer_issuer_t *issuer, const json_t *claims, apr_pool_t *p)
{
    const char *tenant = ab_browser_tenant(issuer, claims, p);

    return !bearer_issuer_is_template(issuer)
        || (tenant && bearer_issuer_tenant_admitted(issuer, tenant,
                                                    tenants_of(NULL, issuer, p)));
}

/* The judge has checked that the tenant is admitted. */
static bearer_reason_t keys_of(void *judgement, const bearer_issuer_t *issuer,
                               bearer_wish_t *wish, bearer_jwks_t **set,
                               bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_judgement_t *j = judgement;

    return bearer_keypool_get(ab_process()->keys[issuer->index], j->tenant, wish, set, why,
                              p);
}

static int keys_at_hand(void *judgement, const bearer_issuer_t *issuer)
{
    const bearer_judgement_t *j = judgement;

    return bearer_keypool_at_hand(ab_process()->keys[issuer->index], j->tenant);
}

void ab_browser_judgement(bearer_judgement_t *j, request_rec *r,
                          const bearer_expected_t *expected)
{
    const server_config_t *server = ab_config_server(r->server);

    memset(j, 0, sizeof(*j));
    j->p = r->pool;
    j->now = bearer_world_now(&ab_process()->world);
    j->issuers = server->issuers;
    j->defaults = server->global->defaults;
    j->server = &server->settings;
    j->method = "cookie";
    j->keys = keys_of;
    j->tenants = tenants_of;
    j->baton = j;
    j->expected = expected;
    if (!expected->issuer) {
        /* a logout token, which any client can send; other tokens are the issuer's
         * response to this server */
        j->keys_at_hand = keys_at_hand;
    }
}

json_t *ab_browser_body(const bearer_login_t *login, const bearer_tokens_t *tokens,
                        json_t *claims, json_t *userinfo, apr_pool_t *p)
{
    const char *tenant = ab_browser_tenant(login->access->issuer, claims, p);
    char text[32];
    const char *ends = !tokens->access_expires ? NULL
        : (apr_snprintf(text, sizeof(text), "%" APR_TIME_T_FMT,
                        apr_time_sec(tokens->access_expires)), text);
    const struct {
        const char *name, *value;
    } rows[] = {
        { BEARER_SESSION_CLIENT, login->access->settings->client_id },
        { BEARER_SESSION_TENANT, tenant },
        { BEARER_SESSION_ID_TOKEN, tokens->id_token },
        { BEARER_SESSION_ACCESS_TOKEN, tokens->access_token },
        { BEARER_SESSION_REFRESH_TOKEN, tokens->refresh_token },
        { BEARER_SESSION_SCOPE, tokens->scope },
        { BEARER_SESSION_ACCESS_ENDS, ends },
    };
    json_t *body = json_object();
    apr_size_t i;

    for (i = 0; body && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value) {
            json_object_set_new(body, rows[i].name, json_string(rows[i].value));
        }
    }
    if (body) {
        /* so that `Require scope` means the same for sessions and tokens */
        if (tokens->scope && !json_object_get(claims, "scope")) {
            json_object_set_new(claims, "scope", json_string(tokens->scope));
        }
        json_object_set(body, BEARER_SESSION_CLAIMS, claims);
        if (userinfo) {
            json_object_set(body, BEARER_SESSION_USERINFO, userinfo);
        }
    }
    return body;
}
