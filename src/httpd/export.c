/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file export.c
 * What others see of the request (variables.md): the token is removed, and the
 * principal is written to environment and headers.
 *
 * The fixup runs before mod_rewrite's, so that `RewriteCond %{ENV:...}` in a directory
 * sees the variables. The fixup looks for a principal in the main and previous
 * requests, because those were authenticated and the current one was not.
 */
#include "export.h"
#include "authz.h"
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

/* Cleans a request created from one that was refused before fixups, by any module: an
 * error document elsewhere. */
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

    /* A request refused because of its address reached no other hook of this module.
     * Its error document would get its user (REDIRECT_REMOTE_USER). */
    for (q = r->prev; q; q = q->prev) {
        ab_foreign_user_settle(q);
    }
    if (r->prev && !ab_config_in_force(r)) {
        strip_what_was_left(r);
    }
    return ab_scrub(r);
}

/* Cleans the headers again: mod_cache, for one, restores earlier ones. */
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

/* A token left in place for the application must not appear in the access log, which
 * can be configured to show headers. */
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

/* Uses the token id from the cache if there is one; otherwise computes it. */
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

/* An application or mod_rewrite may decide by what a list names. */
static void note_lost(request_rec *r, const request_t *record)
{
    const apr_array_header_t *names = record->settings->exports.claims;
    int i;

    for (i = 0; record->principal->dropped && names && i < names->nelts; i++) {
        ab_authz_note_lost(r, record->principal, bearer_path_of_member(
            APR_ARRAY_IDX(names, i, const char *), r->pool));
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
    ab_environment_proven(r, record->proven);
    note_lost(r, record);
    ab_environment_left_out(r, left_out);
}

/* Tells an error document the reason: httpd has renamed the variables of the refused
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

/* Forwards the token in Authorization, whatever its source; Basic is left unchanged. A
 * token in Authorization that was not verified is removed: the application would take
 * it for a verified one. */
static void forward_token(request_rec *r, const credential_t *credential)
{
    const bearer_from_t *from = credential->from;
    const char *field = apr_table_get(r->headers_in, "Authorization");

    if (credential->reason != BEARER_OK) {
        if (field && (bearer_syntax_is_token(field)
                      || (from && from->kind == BEARER_FROM_COOKIE))) {
            apr_table_unset(r->headers_in, "Authorization");
        }
    } else if ((from->kind != BEARER_FROM_HEADER || from->name)
             && from->kind != BEARER_FROM_BASIC) {
        apr_table_setn(r->headers_in, "Authorization",
                       apr_pstrcat(r->pool, "Bearer ", credential->token, NULL));
    }
}

/* httpd's first handler performs an upgrade to h2c: it processes the request again as
 * HTTP/2, in its current state, without the token. A server may ignore an upgrade (RFC
 * 9110 section 7.8). */
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
        return DECLINED;  /* another scheme authenticates the user here */
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

/* mod_dir redirects a request for a directory to its index after fixups, without
 * calling another hook of this module. */
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
