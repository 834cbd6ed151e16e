/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file scrub.c
 * RFC 9700 section 4.13: only this module determines the user. Data that a client sent
 * under this module's names is removed from the request. It is also removed from an
 * environment created earlier: by a request that includes this one, or one that was
 * redirected here.
 */
#include "scrub.h"
#include "credential.h"
#include "foreign_user.h"
#include "request.h"
#include "session_cookies.h"

#include <apr_strings.h>

#include "judge/credential_syntax.h"
#include "judge/exports.h"

/* ---- headers ------------------------------------------------------------ */

/* Is it the header of a proof of possession, as a backend may spell it? A backend must
 * not get a proof, which it could use, nor anybody's word about a certificate. */
static int is_proof(const char *header, const bearer_settings_t *settings)
{
    return ((*header | 0x20) == 'd' && bearer_exports_same_name("DPoP", header))
        || (settings->proof.certificate
            && bearer_exports_same_name(settings->proof.certificate, header));
}

/* The same, and keeps the proofs for the judgement, before the first one is removed. */
static int is_kept_proof(request_rec *r, const bearer_settings_t *settings,
                         const char *header)
{
    if (!is_proof(header, settings)) {
        return 0;
    }
    ab_credential_keep_proof(r, settings);
    return 1;
}

/* Without a name, removes the headers that only this module may set, and proofs. With a
 * name, removes that header in every spelling that a backend maps to it. With keep, the
 * exact name stays. */
static void remove_headers(request_rec *r, const bearer_settings_t *settings,
                           const char *name, int keep)
{
    const apr_array_header_t *fields = apr_table_elts(r->headers_in);
    int i = 0;

    while (i < fields->nelts) {
        const char *field = APR_ARRAY_IDX(fields, i, apr_table_entry_t).key;

        if (name ? bearer_exports_same_name(name, field)
                       && !(keep && !ap_cstr_casecmp(name, field))
                 : bearer_exports_reserved_header(field, settings)
                       || is_kept_proof(r, settings, field)) {
            apr_table_unset(r->headers_in, field);
        } else {
            i++;
        }
    }
}

/* RFC 9110 section 7.6.1: mod_proxy removes the headers that the client's Connection
 * header names, including those set by this module. The application would then see no
 * user. */
static void scrub_connection(request_rec *r, const bearer_settings_t *settings)
{
    const char *field = apr_table_get(r->headers_in, "Connection");
    char *kept, *out, *words, *last, *word;
    int ours = 0;

    if (!field) {
        return;
    }
    words = apr_pstrdup(r->pool, field);
    kept = out = apr_palloc(r->pool, 2 * strlen(field) + 1);
    for (word = apr_strtok(words, " \t,;", &last); word;
         word = apr_strtok(NULL, " \t,;", &last)) {
        if (bearer_exports_reserved_header(word, settings) || is_proof(word, settings)
            || !ap_cstr_casecmp(word, "Authorization")) {
            ours = 1;
        } else {
            if (out > kept) {
                out = apr_cpystrn(out, ", ", sizeof(", "));
            }
            out = apr_cpystrn(out, word, strlen(word) + 1);
        }
    }
    if (ours) {
        *out = '\0';
        apr_table_setn(r->headers_in, "Connection", kept);
    }
}

/* ---- the credential -------------------------------------------------------- */

static void strip_source(request_rec *r, const bearer_settings_t *settings,
                         const bearer_from_t *from, int keep)
{
    if (from->kind == BEARER_FROM_HEADER && from->name) {
        remove_headers(r, settings, from->name, keep);
    } else if (from->kind == BEARER_FROM_COOKIE && !keep) {
        const char *field = apr_table_get(r->headers_in, "Cookie");

        ab_request_set_field(r, "Cookie", field ? bearer_syntax_without_cookie(
            field, from->name, r->pool) : NULL);
    }
}

void ab_scrub_credential(request_rec *r, const bearer_settings_t *settings,
                         int keep)
{
    int i;

    ab_credential_hide_query(r, settings); /* even with keep */
    ab_session_strip(r, settings, keep);
    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i,
                                                   bearer_from_t);

        strip_source(r, settings, from,
                     keep && ab_credential_verified_from(r, from));
    }
    if (settings->proof.certificate) {
        remove_headers(r, settings, settings->proof.certificate, 0);
    }
    apr_table_unset(r->headers_in, "DPoP");
    if (!keep) {
        apr_table_unset(r->headers_in, "Authorization");
    }
}

/* ---- the environment ------------------------------------------------------ */

typedef struct cleaning_t {
    request_rec *r;
    const bearer_settings_t *settings;
    int step;                          /* one of: */
    int keep;                          /* the token is forwarded to the application */
    int trusted;                       /* this module has set these names */
    int foreign;                       /* this module did not set the user before the
                                        * redirect */
} cleaning_t;

enum { CLEAN_NAMES, CLEAN_USER, CLEAN_COOKIES, CLEAN_CREDENTIALS };

/* Returns a variable's name as it was before internal redirects. */
static const char *first_name(const char *name)
{
    while (!ap_cstr_casecmpn(name, "REDIRECT_", 9)) {
        name += 9;
    }
    return name;
}

/* Returns the rest of a variable that contained a token, or NULL to remove it. */
static const char *without_token(const cleaning_t *c, const char *name,
                                 const char *header, const char *value)
{
    int i;

    for (i = 0; i < c->settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(c->settings->token_from, i,
                                                   bearer_from_t);

        if (from->kind == BEARER_FROM_QUERY) {  /* in any variable */
            value = bearer_syntax_mask_url(value, from->name, c->r->pool);
            value = bearer_syntax_mask_query(value, from->name, c->r->pool);
        } else if ((from->kind == BEARER_FROM_ENV && !ap_cstr_casecmp(name, from->name))
                 || (from->kind == BEARER_FROM_HEADER && from->name && header
                     && bearer_exports_same_name(header, from->name))) {
            return c->keep && ab_credential_verified_from(c->r, from) ? value
                                                                          : NULL;
        }
    }
    return value;
}

/* Returns the value that the variable keeps, a new value, or NULL to remove it. */
static const char *cleaned(const cleaning_t *c, const char *variable,
                           const char *value)
{
    const char *name = first_name(variable), *field;
    const char *header = ap_cstr_casecmpn(name, "HTTP_", 5) ? NULL : name + 5;

    if (c->foreign && name != variable && (!ap_cstr_casecmp(name, "REMOTE_USER")
                                           || !ap_cstr_casecmp(name, "AUTH_TYPE"))) {
        return NULL;
    }
    if (c->step == CLEAN_USER) {
        return bearer_exports_reserved_variable(variable, c->settings) ? NULL : value;
    }
    if (header && c->step >= CLEAN_COOKIES && (!ap_cstr_casecmp(header, "COOKIE")
                                               || !ap_cstr_casecmp(header, "REFERER"))) {
        return apr_table_get(c->r->headers_in, header);
    }
    if (c->step == CLEAN_COOKIES) {
        return value;
    }
    if (header && is_proof(header, c->settings)) {
        return NULL;
    }
    if (header && !c->trusted && bearer_exports_reserved_header(header, c->settings)) {
        return NULL;
    }
    if (c->step == CLEAN_NAMES) {
        return value;
    }
    if (header && !ap_cstr_casecmp(header, "AUTHORIZATION")) {
        field = apr_table_get(c->r->headers_in, header);
        return c->keep && field && !strcmp(field, value) ? value : NULL;
    }
    return without_token(c, name, header, value);
}

/* Are only HTTP_ and REDIRECT_ names affected? */
static int is_about_headers(const cleaning_t *c)
{
    return c->step != CLEAN_USER
        && (c->step != CLEAN_CREDENTIALS
            || !(ab_credential_from(c->settings, BEARER_FROM_ENV)
                 || ab_credential_from(c->settings, BEARER_FROM_QUERY)));
}

static void clean(const cleaning_t *c, apr_table_t *env)
{
    const apr_array_header_t *entries = apr_table_elts(env);
    const int about_headers = is_about_headers(c);
    int i = 0;

    while (i < entries->nelts) {
        apr_table_entry_t *entry = (apr_table_entry_t *)(void *)entries->elts + i;
        const char first = (char)(*entry->key | 0x20);
        const char *value = about_headers && first != 'h' && first != 'r'
                            ? entry->val : cleaned(c, entry->key, entry->val);

        if (value) {
            entry->val = (char *)(apr_uintptr_t)value;
            i++;
        } else {
            apr_table_unset(env, entry->key);
        }
    }
}

void ab_scrub_environment(request_rec *r, const bearer_settings_t *settings,
                          int keep)
{
    const cleaning_t c = { r, settings, CLEAN_CREDENTIALS, keep, 0, 0 };

    if (!apr_is_empty_table(r->subprocess_env)) {
        clean(&c, r->subprocess_env);
    }
}

void ab_scrub_cookies(request_rec *r)
{
    const cleaning_t c = { r, NULL, CLEAN_COOKIES, 0, 0, 0 };

    clean(&c, r->subprocess_env);
}

void ab_scrub_includer(request_rec *r)
{
    const bearer_settings_t *settings = ab_config_of(r);
    cleaning_t c = { r, settings, CLEAN_CREDENTIALS,
                     settings->forward & BEARER_FORWARD_TOKEN, 0, 0 };
    request_rec *q;

    for (q = r->main; q; q = q->main) {
        c.trusted = ab_config_in_force(q);
        clean(&c, q->subprocess_env);
    }
}

/* ---- the request ------------------------------------------------------------ */

/* Cleans the user and the headers in an environment that was created earlier. */
static void scrub_environment(request_rec *r, const bearer_settings_t *settings)
{
    cleaning_t c = { r, settings, CLEAN_NAMES, 0, 0, 0 };
    request_rec *q;

    /* applications fall back to REDIRECT_REMOTE_USER, which httpd takes from the
     * variables and from the user of the request before the redirect */
    for (q = r->prev; q; q = q->prev) {
        c.foreign |= ab_foreign_user_forget(q);
    }
    clean(&c, r->subprocess_env);
    if (r->main) {  /* the user of a subrequest is that of the main request alone */
        c.step = CLEAN_USER;
        clean(&c, r->subprocess_env);
    }
}

int ab_scrub(request_rec *r)
{
    request_t *own = ab_request(r);
    const bearer_settings_t *settings;

    if (own->scrubbed || !ab_config_in_force(r)) {
        return DECLINED;
    }
    own->scrubbed = 1;
    /* an <If> with claims has searched for the token under an earlier configuration;
     * the final one determines the sources */
    own->credential = NULL;
    settings = ab_config_of(r);
    if (r->main) {
        /* the table belongs to the main request, which may have headers of this module
         * in it */
        r->headers_in = apr_table_copy(r->pool, r->headers_in);
    }
    remove_headers(r, settings, NULL, 0);
    scrub_connection(r, settings);
    if (r->main || r->prev) {
        scrub_environment(r, settings);
    }
    if (ab_credential_from(settings, BEARER_FROM_QUERY)) {
        /* hide it now, because the request is logged in any case */
        ab_credential_get(r);
        ab_credential_hide_query(r, settings);
    }
    return DECLINED;
}
