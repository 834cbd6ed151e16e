/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_login_path.c
 * PATH/login: begins a login for a page that is open to all, or with another account or
 * issuer; also at the request of an issuer or a portal (OpenID Connect Core section 4).
 *
 * Anyone can send a browser here. So the parameters lead to pages and issuers of this
 * virtual host only; what else they say goes to the issuer, which shows it to the user.
 * A session is not replaced without a page of the issuer.
 */
#include "browser_domain.h"
#include "browser_login.h"
#include "browser_session.h"
#include "page.h"
#include "trace.h"

#include <apr_strings.h>

#include "base/http.h"
#include "base/text.h"
#include "login/return_url.h"
#include "trust/issuer.h"

APLOG_USE_MODULE(auth_bearer);

/** A request to PATH/login. */
typedef struct wish_t {
    request_rec *r;
    const browser_t *browser;
    apr_table_t *parameters;
    const char *target;            /**< the page that it leads to: path and query, or a URL */
    const char *page;              /**< its URL */
    const bearer_issuer_t *issuer; /**< NULL: not named */
    int prompts;                   /**< 1: the issuer must show a page */
    bearer_settings_t settings;    /**< of this path, with the parameters */
    bearer_refusal_t why;
} wish_t;

/* ---- the parameters ------------------------------------------------------ */

/* For the log: the query of a page may contain a secret. */
static const char *shown(const wish_t *w, const char *value)
{
    return bearer_text_quote(w->r->pool, apr_pstrmemdup(w->r->pool, value,
                                                        strcspn(value, "?")));
}

static bearer_reason_t refuse_value(wish_t *w, const char *name, const char *expected)
{
    return bearer_refuse(&w->why, w->r->pool, BEARER_CREDENTIAL_SYNTAX,
                         "a login cannot begin with %s=%s: %s", name,
                         shown(w, apr_table_get(w->parameters, name)), expected);
}

/* The parameter of links on the page with several issuers: see browser_choice.c. */
static bearer_reason_t take_page(wish_t *w, const char *sealed)
{
    w->target = ab_browser_sealed_page(w->r, sealed, &w->settings.login.parameters);
    w->page = apr_pstrcat(w->r->pool, w->browser->origin, w->target, NULL);
    return w->target ? BEARER_OK
        : refuse_value(w, "page", "this server did not make it, or has another "
                       "AuthBearerSecretFile now; open the page and choose again");
}

/* target_link_uri is a URL; what follows this server's name in it is a target, and so is
 * `return`. */
static bearer_reason_t take_target(wish_t *w)
{
    const char *origin = w->browser->origin, *name = "return";
    const apr_size_t len = strlen(origin);
    const char *target = apr_table_get(w->parameters, name);
    const char *sealed = apr_table_get(w->parameters, "page");

    if (sealed) {
        return take_page(w, sealed);
    }
    if (!target) {
        name = "target_link_uri";
        target = apr_table_get(w->parameters, name);
        if (target && !ap_cstr_casecmpn(target, origin, len)) {
            target = target[len] ? target + len : "/";
        }
    }
    w->target = target && *target ? bearer_return_escape(target, w->r->pool) : "/";
    w->page = ab_browser_page(w->r, w->target);
    return w->page ? BEARER_OK
        : refuse_value(w, name, apr_psprintf(
              w->r->pool, "it is not a page of %s, or a proxy or an application could read "
              "it as one of another host; write /PATH?QUERY, percent-encoded", origin));
}

/* A URL from outside is only compared, never requested. */
static bearer_reason_t take_issuer(wish_t *w)
{
    const char *iss = apr_table_get(w->parameters, "iss");
    const apr_array_header_t *all = iss ? ab_browser_issuers(w->r->server, w->r->pool) : NULL;
    const char *known = "it is none of the issuers that log in here (AuthBearerLoginIssuer):";
    int i;

    for (i = 0; iss && !w->issuer && i < all->nelts; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(all, i, const bearer_issuer_t *);

        known = apr_pstrcat(w->r->pool, known, " ", issuer->url, NULL);
        if (!strcmp(issuer->url, iss) || bearer_issuer_tenant_of(issuer, iss, w->r->pool)) {
            w->issuer = issuer;
        }
    }
    return !iss || w->issuer ? BEARER_OK : refuse_value(w, "iss", known);
}

static void add_parameter(wish_t *w, const char *name, const char *value)
{
    bearer_settings_t *s = &w->settings;
    apr_array_header_t *all = s->login.parameters
        ? apr_array_copy(w->r->pool, s->login.parameters)
        : apr_array_make(w->r->pool, 2, sizeof(const char *));

    APR_ARRAY_PUSH(all, const char *) = apr_pstrcat(w->r->pool, name, "=", value, NULL);
    s->login.parameters = all;
}

/* Not `none`: the issuer answers it with an error unless the user is signed in there, so
 * that a page that sends its visitors here would do so again and again. */
static bearer_reason_t take_prompt(wish_t *w)
{
    static const char *const words[] = { "login", "select_account", "consent", "create" };
    const char *prompt = apr_table_get(w->parameters, "prompt");
    apr_size_t i;

    for (i = 0; prompt && i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strcmp(words[i], prompt)) {
            w->prompts = 1;
            add_parameter(w, "prompt", prompt);
        }
    }
    return !prompt || w->prompts ? BEARER_OK
        : refuse_value(w, "prompt", "it must be login, select_account, consent or create");
}

static bearer_reason_t take_hint(wish_t *w)
{
    const char *hint = apr_table_get(w->parameters, "login_hint");
    const char *error = hint ? bearer_text_identifier_error(hint, strlen(hint), 1) : NULL;

    if (hint && !error) {
        add_parameter(w, "login_hint", hint);
    }
    return error ? refuse_value(w, "login_hint", error) : BEARER_OK;
}

/* What another host of the domain wants. It never replaces what is configured here. */
static bearer_reason_t take_passed(wish_t *w)
{
    apr_pool_t *p = w->r->pool;
    const apr_array_header_t *own = w->settings.login.parameters;
    const char *error = NULL;
    int i;

    w->settings.login.parameters = NULL;
    for (i = 0; ab_browser_passed[i]; i++) {
        const char *name = ab_browser_passed[i], *value = apr_table_get(w->parameters, name);

        if (value) {
            error = bearer_text_identifier_error(value, strlen(value), 1);
            error = error ? error
                : bearer_login_parameter_error(apr_pstrcat(p, name, "=", value, NULL), p);
            add_parameter(w, name, value);
        }
        if (error) {
            return refuse_value(w, name, error);
        }
    }
    if (own) {
        w->settings.login.parameters = w->settings.login.parameters
            ? apr_array_append(p, w->settings.login.parameters, own) : own;
    }
    return BEARER_OK;
}

static bearer_reason_t read_wish(wish_t *w)
{
    static bearer_reason_t (*const steps[])(wish_t *w) = {
        take_target, take_issuer, take_passed, take_prompt, take_hint
    };
    const char *text = w->r->method_number == M_POST ? ab_browser_form(w->r) : w->r->args;
    bearer_reason_t reason = BEARER_OK;
    apr_size_t i;

    if ((!text && w->r->method_number == M_POST)
        || bearer_login_parse(&w->parameters, text, &w->why, w->r->pool) != BEARER_OK) {
        return bearer_refuse(&w->why, w->r->pool, BEARER_CREDENTIAL_SYNTAX,
                             "a login cannot begin: %s", text ? w->why.detail
                                                              : "the body is not a form");
    }
    for (i = 0; reason == BEARER_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        reason = steps[i](w);
    }
    return reason;
}

/* ---- the answer ---------------------------------------------------------- */

/* Returns the query of this login, made of the accepted parameters. */
static const char *query_of(const wish_t *w)
{
    static const char *const own[] = { "iss", "login_hint", "prompt", NULL };
    const char *const *const names[] = { own, ab_browser_passed };
    apr_pool_t *p = w->r->pool;
    const char *page = apr_table_get(w->parameters, "page");
    const char *target = page ? page : ab_browser_is_guest(w->browser) ? w->page : w->target;
    const char *query = apr_pstrcat(p, page ? "page=" : "return=",
                                    bearer_http_form_escape(p, target), NULL);
    const char *const *name;
    int i;

    for (i = 0; i < 2; i++) {
        for (name = names[i]; *name; name++) {
            const char *value = apr_table_get(w->parameters, *name);

            query = value ? apr_pstrcat(p, query, "&", *name, "=",
                                        bearer_http_form_escape(p, value), NULL) : query;
        }
    }
    return query;
}

static const char *again(const wish_t *w)
{
    return apr_pstrcat(w->r->pool, ab_browser_is_guest(w->browser) ? w->browser->login
                       : w->browser->origin, w->r->uri, "?", query_of(w), NULL);
}

/* The same at the host of login=, which does not know what this one needs. */
static const char *there(const wish_t *w)
{
    const char *error;
    const bearer_issuer_t *only = w->issuer ? NULL
        : ab_browser_only_issuer(w->r, &w->settings, &error);

    if (only) {
        apr_table_setn(w->parameters, "iss", only->url);
    }
    if (!w->prompts && ab_request(w->r)->unfit) {
        apr_table_setn(w->parameters, "prompt", "login");
    }
    return again(w);
}

static int redirect(const wish_t *w, int status, const char *url)
{
    ab_log(APLOG_DEBUG, w->r, AB(0327) "the login for %s leads to %s",
           shown(w, w->target), bearer_http_url_shown(url, w->r->pool));
    return ab_page_redirect(w->r, status, url);
}

/* Does a session of this issuer suffice? NULL: unknown, since only some pages accept it. */
static int serves(const wish_t *w, const bearer_issuer_t *issuer)
{
    const apr_array_header_t *all = w->settings.login_issuer;

    return w->issuer ? issuer == w->issuer
         : !issuer || !all || bearer_text_among(all, issuer->url);
}

/* Does the browser have a session that suffices? If this cannot be known, sets *reason.
 * With a session of another issuer, the user must see a page of this one. */
static int is_signed_in(wish_t *w, bearer_reason_t *reason)
{
    bearer_settings_t any = w->settings;
    const bearer_principal_t *principal = NULL;
    const credential_t *credential;
    bearer_reason_t found;
    int same;

    any.login_issuer = NULL;
    found = ab_browser_principal(w->r, &any, &principal, &credential, &w->why);
    same = serves(w, principal ? principal->issuer : NULL);
    if (bearer_reason_category(found) == BEARER_CATEGORY_UNAVAILABLE) {
        *reason = found;
    } else if (found != BEARER_NO_CREDENTIAL && !same) {
        add_parameter(w, "prompt", "select_account");
    }
    return found != BEARER_NO_CREDENTIAL && found != BEARER_ACR && same
        && *reason == BEARER_OK && !ab_browser_loops(w->r, w->target);
}

/* Returns the issuers of which the user must choose one. NULL: w->issuer is set, or none
 * logs in here. Another account may be one of another issuer. */
static const apr_array_header_t *to_choose(wish_t *w)
{
    request_rec *r = w->r;
    const char *prompt = apr_table_get(w->parameters, "prompt");
    const apr_array_header_t *possible;

    if (w->issuer) {
        return NULL;
    }
    possible = ab_browser_possible(ab_config_server(r->server), &w->settings, &w->why.detail,
                                   r->pool);
    if (!possible) {
        possible = ab_browser_issuers(r->server, r->pool);  /* those of sections */
    }
    if (possible->nelts == 1 || !prompt || strcmp(prompt, "select_account") != 0) {
        w->issuer = ab_browser_chosen(r, possible);
    }
    return w->issuer || !possible->nelts ? NULL : possible;
}

/* Only a page that the user opens: in a frame, another site could hide it. */
static int is_asked_for(request_rec *r)
{
    const char *destination = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    return ab_browser_opens_page(r)
        && (!destination || !ap_cstr_casecmp(destination, "document"));
}

int ab_browser_login_path(request_rec *r)
{
    wish_t w = { .r = r, .browser = ab_browser_of(r), .settings = *ab_config_of(r) };
    const apr_array_header_t *possible;
    const char *url = NULL;
    bearer_reason_t reason;
    unsigned wait = 0;

    if (!is_asked_for(r)) {
        return ab_page_refusal(r, BEARER_NO_CREDENTIAL, "only a page that the user opens begins a "
                               "login: not a script, a prefetch, a frame or HEAD", NULL);
    }
    reason = read_wish(&w);
    if (reason != BEARER_OK) {
        return ab_page_refusal(r, reason, w.why.detail, NULL);
    }
    if (r->method_number == M_POST) {
        /* another site's form comes without cookies (SameSite), its redirect with them */
        return redirect(&w, HTTP_SEE_OTHER, again(&w));
    }
    if (!w.prompts && is_signed_in(&w, &reason)) {
        ab_browser_count_try(r, w.target);
        return redirect(&w, HTTP_MOVED_TEMPORARILY, w.page);
    }
    if (reason == BEARER_OK && ab_browser_is_guest(w.browser)) {
        return redirect(&w, HTTP_MOVED_TEMPORARILY, there(&w));
    }
    possible = to_choose(&w);
    if (reason == BEARER_OK && possible) {
        return ab_page_say(r, AB_PAGE_CHOICE, ab_browser_choices(r, possible, query_of(&w)));
    }
    if (reason == BEARER_OK && !w.issuer) {
        reason = BEARER_CONFIGURATION;
    }
    if (reason == BEARER_OK) {
        reason = ab_browser_begin(r, &w.settings, w.issuer, w.target, &url, &wait, &w.why);
    }
    if (reason == BEARER_OK) {
        return redirect(&w, HTTP_MOVED_TEMPORARILY, url);
    }
    if (wait) {
        apr_table_setn(r->err_headers_out, "Retry-After", apr_psprintf(r->pool, "%u", wait));
    }
    return ab_page_refusal(r, reason, w.why.detail, again(&w));
}
