/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_status.c
 * PATH/session: tells scripts of this origin who is signed in, and for how long.
 */
#include "browser_session.h"
#include "browser_status.h"
#include "config_parse.h"
#include "page.h"
#include "process.h"

#include "judge/exports.h"
#include "trust/settings.h"

/* ---- what a script is told ------------------------------------------------ */

const apr_array_header_t *ab_browser_told_claims(const server_rec *s, const char *path,
                                                 apr_pool_t *p)
{
    const apr_array_header_t *sections = ab_config_server(s)->global->sections, *told = NULL;
    const server_rec *by = NULL;
    int i;

    for (i = 0; i < sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(sections, i, section_t);

        if ((section->server == s || (!section->server->is_virtual && by != s))
            && bearer_settings_has(&section->dir->settings, EXPORT)
            && !strcasecmp(section->node->directive, "<Location")
            && !strcmp(ab_config_path(section->node, p), path)) {
            told = section->dir->settings.exports.claims;
            by = section->server;
        }
    }
    return told;
}

static json_t *claims_of(request_rec *r, const bearer_principal_t *principal)
{
    const apr_array_header_t *names = ab_browser_of(r)->told;
    json_t *claims = json_object();
    bearer_settings_t settings;
    int i;

    ab_config_resolve(&settings, ab_config_server(r->server), principal->issuer,
                      &ab_config_dir(r)->settings);
    for (i = 0; names && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const json_t *value = json_object_get(principal->claims, name);

        value = value ? bearer_exports_shown(value, name, &settings, r->pool) : NULL;
        if (value) {
            json_object_set_new(claims, name, json_deep_copy(value));
        }
    }
    return claims;
}

static json_int_t seconds(apr_interval_time_t left)
{
    return left > 0 ? apr_time_sec(left) : 0;
}

static int tell(request_rec *r, const bearer_session_t *session,
                const bearer_principal_t *principal)
{
    bearer_session_store_t store;
    apr_time_t end;

    ab_browser_store(&store, r);
    end = session->created + store.max;
    end = end < session->ends ? end : session->ends;
    return ab_page_json(r, json_pack(
        "{s:s,s:o,s:I,s:I}", "user", principal->user, "claims", claims_of(r, principal),
        "idle_ends_in", seconds(bearer_session_left(session, &store)),
        "ends_in", seconds(end - bearer_world_now(store.world))));
}

/* ---- the endpoint --------------------------------------------------------- */

int ab_browser_status(request_rec *r)
{
    const int extend = !r->args
        || !bearer_text_among(bearer_text_split(r->pool, r->args, "&"), "extend=off");
    const bearer_principal_t *principal = NULL;
    const bearer_session_t *session;
    const credential_t *credential;
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_reason_t reason;

    apr_table_setn(r->headers_in, "Accept", "application/json"); /* of refusals too */
    apr_table_setn(r->err_headers_out, "Cross-Origin-Resource-Policy", "same-origin");
    /* no other origin, also of the same site, and no page that opens the address; a browser
     * that states nothing reads no response of another origin: there is no CORS */
    if (!ab_browser_is_same_origin(r, 1)) {
        return ab_page_refusal(r, BEARER_CROSS_SITE,
                               "the request for the session did not come from a script of this "
                               "origin (Sec-Fetch-Site, Origin)", NULL);
    }
    session = ab_browser_session(r, extend);
    reason = ab_browser_principal(r, ab_config_of(r), &principal, &credential, &why);
    return reason == BEARER_OK ? tell(r, session, principal)
                               : ab_page_refusal(r, reason, why.detail, NULL);
}
