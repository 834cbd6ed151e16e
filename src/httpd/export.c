/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file export.c
 * What others see of the request (product.md 3.5): what carried the token is
 * removed, and the principal is written into environment and headers.
 *
 * The fixup runs before mod_rewrite's, so that `RewriteCond %{ENV:...}` in a
 * directory sees the variables; it walks back to the main or the previous
 * request, because those were authenticated and this one was not.
 */
#include "export.h"
#include "browser.h"
#include "credential.h"
#include "environment.h"
#include "foreign_user.h"
#include "request.h"
#include "scrub.h"

#include <apr_strings.h>
#include <http_core.h>

#include "base/text.h"
#include "judge/credential_syntax.h"
#include "judge/exports.h"
#include "state/revocation.h"

/* ---- before the request is served --------------------------------------- */

/* A request that was made of one that was refused before it came to fixups, by
 * whomever: an error document elsewhere. */
static void strip_what_was_left(request_rec *r)
{
    request_rec *q;

    for (q = r->prev; q; q = q->prev) {
        const request_t *own = ab_request_peek(q);

        if (ab_config_in_force(q) && !(own && own->principal)) {
            ab_scrub_credential(r, ab_config_of(q), 0);
            ab_scrub_environment(r, ab_config_of(q), 0);
        }
    }
}

int ab_export_header_parser(request_rec *r)
{
    request_rec *q;

    /* A request that was refused by its address came to no other hook of ours; its
     * error document is told of its user (REDIRECT_REMOTE_USER). */
    for (q = r->prev; q; q = q->prev) {
        ab_foreign_user_settle(q);
    }
    if (r->prev && !ab_config_in_force(r)) {
        strip_what_was_left(r);
    }
    return ab_scrub(r);
}

/* The headers once more: mod_cache for one brings back those of before. */
static void strip_for_logs(request_rec *r)
{
    const bearer_settings_t *settings = ab_config_of(r);
    const request_t *own = ab_request_peek(r);

    ab_scrub_credential(r, settings, 0);
    if (!own || !own->principal || own->reason != BEARER_OK
        || (settings->forward & BEARER_FORWARD_TOKEN)) {
        ab_scrub_environment(r, settings, 0);
    }
}

/* What was kept for the application is not for the access log: it shows headers
 * where it is told to. */
int ab_export_log_transaction(request_rec *r)
{
    for (; r; r = r->next) {
        ab_foreign_user_settle(r);
        ab_browser_hide(r);
        if (ab_config_in_force(r)) {
            strip_for_logs(r);
        }
    }
    return DECLINED;
}

/* ---- export ------------------------------------------------------------- */

/* What a cache knows need not be worked out. */
static void export_known_token_id(request_rec *r, const request_t *record)
{
    static const unsigned char unknown[BEARER_SHA256_SIZE];
    const unsigned char *digest = record->principal->token_digest;

    if (memcmp(digest, unknown, sizeof(unknown)) != 0) {
        apr_table_setn(r->subprocess_env, "BEARER_TOKEN_ID",
                       bearer_text_hex(r->pool, digest, BEARER_REVOCATION_ID_SIZE));
    } else {
        ab_environment_token_id(r, record->winner);
    }
}

static void export_principal(request_rec *r, const request_t *record)
{
    const bearer_settings_t *settings = record->settings;
    const bearer_principal_t *principal = record->principal;
    apr_array_header_t *left_out = apr_array_make(r->pool, 1, sizeof(const char *));

    bearer_exports_apply(r->subprocess_env, r->headers_in, principal, settings,
                         left_out, r->pool);
    export_known_token_id(r, record);
    ab_environment_left_out(r, left_out);
}

/* An error document shows why: httpd renamed the variables of the refused
 * request to REDIRECT_*. */
static void export_refusal(request_rec *r)
{
    const request_rec *from;

    for (from = r; from; from = ab_request_parent(from)) {
        const request_t *record = ab_request_peek(from);

        if (record && record->reason != BEARER_OK) {
            ab_environment_refusal(r, record->reason);
            return;
        }
    }
}

/* The token goes on in Authorization, wherever it came from; Basic stays. A
 * token in Authorization that nobody looked at does not: the application would
 * take it for one that was verified. */
static void forward_token(request_rec *r, const credential_t *credential)
{
    const bearer_from_t *from = credential->from;
    const char *field = apr_table_get(r->headers_in, "Authorization");

    if (credential->reason != BEARER_OK) {
        if (field && (bearer_syntax_after_scheme(field, "Bearer")
                      || (from && from->kind == BEARER_FROM_COOKIE))) {
            apr_table_unset(r->headers_in, "Authorization");
        }
    } else if ((from->kind != BEARER_FROM_HEADER || from->name)
             && from->kind != BEARER_FROM_BASIC) {
        apr_table_setn(r->headers_in, "Authorization",
                       apr_pstrcat(r->pool, "Bearer ", credential->token, NULL));
    }
}

/* An upgrade to h2c is httpd's first handler: it goes through the request once
 * more, as HTTP/2 and as it finds it then, without the token. A server may leave
 * an upgrade alone (RFC 9110 section 7.8). */
static void leave_upgrade(request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "Upgrade");

    if (field && ap_find_token(r->pool, field, "h2c")) {
        apr_table_unset(r->headers_in, "Upgrade");
    }
}

int ab_export_fixups(request_rec *r)
{
    const char *type = ap_auth_type(r);
    int in_force = type && !ap_cstr_casecmp(type, "Bearer"), keep;
    const credential_t *credential;
    const request_t *record;
    const bearer_settings_t *settings;

    ab_browser_strip(r);
    if (type && !in_force) {
        return DECLINED;  /* another scheme says who the user is here */
    }
    record = ab_request_principal(r);
    if (r->user != (record ? record->user : NULL)) {
        ab_foreign_user_settle(r);
    }
    if (in_force) {
        ab_scrub(r);
        leave_upgrade(r);
        settings = ab_config_of(r);
        credential = ab_credential_get(r);
        keep = settings->forward & BEARER_FORWARD_TOKEN;
        if (keep) {
            forward_token(r, record && record->winner ? record->winner
                                                      : credential);
        }
        ab_scrub_credential(r, settings, keep);
        ab_scrub_environment(r, settings, keep);
    }
    export_refusal(r);
    if (record) {
        if (r->main && !in_force) {
            r->headers_in = apr_table_copy(r->pool, r->headers_in);
        }
        export_principal(r, record);
        if (r->main && record == ab_request_peek(r)
            && !ab_request_borrows(r)) {
            ab_request_lend(r);
        }
    }
    return DECLINED;
}

/* mod_dir sends a request for a directory on as one for its index, after fixups
 * and by no way that asks a hook of ours again. */
void ab_export_catch_up(request_rec *r)
{
    const request_t *own = ab_request_peek(r);

    if (!(own && own->scrubbed) && ab_config_in_force(r)) {
        ab_export_fixups(r);
    }
    if (r->main && ab_config_in_force(r)) {
        ab_scrub_includer(r);
    }
}
