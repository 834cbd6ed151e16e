/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Contradictions of AuthBearerSessionDomain: a session of a domain is the same in all of
 * its virtual hosts. See check.c.
 */
#include "browser_domain.h"
#include "browser_site.h"
#include "check_inside.h"

#include "trust/issuer.h"
#include "trust/settings.h"

/** A virtual host with AuthBearerSessionDomain. */
typedef struct member_t {
    walk_t *w;
    server_rec *s;
    const server_config_t *server;
    const login_config_t *login;
    const ap_directive_t *line;
    const char *name;            /**< of the virtual host, for messages */
} member_t;

static const char *name_of(const server_rec *s)
{
    return s->server_hostname ? s->server_hostname : "(main)";
}

/* Cookies of a domain begin with __Secure-, which browsers accept over https only. */
static void check_names(const member_t *m)
{
    const apr_array_header_t *names = m->login->names;
    int i;

    if (!names) {
        ab_check_say(m->w, BEARER_LOG_ERROR, m->line,
                     AB(0831) "AuthBearerSessionDomain %s: server %s has no AuthBearerBaseURL; "
                     "write AuthBearerBaseURL https://HOST there, HOST in the domain",
                     m->login->domain, m->name);
    }
    for (i = 0; names && i < names->nelts; i++) {
        const base_name_t *name = &APR_ARRAY_IDX(names, i, base_name_t);

        if (!name->https || !ab_browser_within(name->host, m->login->domain)) {
            ab_check_say(m->w, BEARER_LOG_ERROR, m->line,
                         AB(0832) "AuthBearerSessionDomain %s: AuthBearerBaseURL %s of server %s "
                         "is not https in this domain; change it, or write "
                         "AuthBearerSessionDomain in the virtual hosts of the domain only",
                         m->login->domain, name->origin, m->name);
        }
    }
}

static int same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static const char *files_of(const member_t *m)
{
    return m->server->secret_files ? apr_array_pstrcat(m->w->p, m->server->secret_files, ' ')
                                   : NULL;
}

/* One of them would not find the session, or end it for the others. */
static void compare(const member_t *m, const member_t *other)
{
    const login_config_t *a = m->login, *b = other->login;
    const char *directive = !same_text(files_of(m), files_of(other)) ? "AuthBearerSecretFile"
        : (a->store == SESSIONS_IN_COOKIE) != (b->store == SESSIONS_IN_COOKIE)
        ? "AuthBearerSessionStore"
        : a->max != b->max || a->idle != b->idle
          || (a->persist == AB_PERSIST_ON) != (b->persist == AB_PERSIST_ON)
        ? "AuthBearerSessionLifetime"
        : !same_text(a->domain_login, b->domain_login) ? "AuthBearerSessionDomain login="
        : a->domain_login && strcmp(ab_browser_path(m->s), ab_browser_path(other->s))
        ? "AuthBearerLoginPath" : NULL;

    if (directive) {
        ab_check_say(m->w, BEARER_LOG_ERROR, m->line,
                     AB(0833) "AuthBearerSessionDomain %s: the servers %s and %s differ in %s, "
                     "but share their sessions; write the same in both", a->domain, other->name,
                     m->name, directive);
    }
}

/* Every login of this server must be possible at the host of login=. */
static void check_login_host(const member_t *m, const member_t *host)
{
    const apr_array_header_t *list = ab_browser_issuers(m->s, m->w->p);
    const apr_array_header_t *there = ab_browser_issuers(host->s, m->w->p);
    bearer_settings_t own, its;
    int i, k;

    for (i = 0; i < list->nelts; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(list, i, const bearer_issuer_t *);

        ab_config_resolve(&own, m->server, issuer, NULL);
        for (k = 0; k < there->nelts; k++) {
            const bearer_issuer_t *same = APR_ARRAY_IDX(there, k, const bearer_issuer_t *);

            ab_config_resolve(&its, host->server, same, NULL);
            if (!strcmp(issuer->url, same->url)
                && same_text(own.client_id, its.client_id)) {
                break;
            }
        }
        if (k == there->nelts) {
            ab_check_say(m->w, BEARER_LOG_ERROR, m->line,
                         AB(0834) "AuthBearerSessionDomain login=%s: server %s does not log in "
                         "with issuer %s and client ID %s, as %s needs; write "
                         "AuthBearerLoginIssuer and AuthBearerClientID there",
                         m->login->domain_login, host->name, issuer->url, own.client_id, m->name);
        }
    }
}

/* Are there any that the host of login= does not take? */
static int has_others(const apr_array_header_t *all)
{
    int i, n = 0;

    for (i = 0; all && i < all->nelts; i++) {
        n += ab_browser_passes(APR_ARRAY_IDX(all, i, const char *)) < 0;
    }
    return n;
}

/* The host of login= does not see the parameters of this server's sections. */
static void check_parameters(const member_t *m)
{
    const apr_array_header_t *sections = m->w->global->sections;
    int i;

    for (i = 0; i < sections->nelts; i++) {
        const section_t *section = &APR_ARRAY_IDX(sections, i, section_t);

        if (section->server == m->s && has_others(section->dir->settings.login.parameters)) {
            ab_check_say(m->w, BEARER_LOG_WARNING,
                         ab_check_find(m->w, section->node->first_child, "AuthBearerLogin", NULL),
                         AB(0837) "AuthBearerLogin: its parameters, except acr_values and max_age, "
                         "are not sent to the issuer, because browsers log in at %s; write them "
                         "there, in a <Location> of %s/login",
                         m->login->domain_login, ab_browser_path(m->s));
        }
    }
}

/* Fills the member; returns 0 if the server uses no sessions of a domain. */
static int is_member(member_t *m, walk_t *w, server_rec *s)
{
    const ap_directive_t *own = ab_config_beside(ab_config_inside(s),
                                                 "AuthBearerSessionDomain");

    m->w = w;
    m->s = s;
    m->server = ab_config_server(s);
    m->login = &m->server->login;
    m->line = own ? own : ab_config_beside(ap_conftree, "AuthBearerSessionDomain");
    m->name = name_of(s);
    return m->login->domain && m->login->on;
}

int ab_check_is_login_host(const login_config_t *login, apr_pool_t *p)
{
    const char *url = login->domain_login;

    return url && login->names
        && same_text(ab_browser_origin_of(login->names, url + strlen("https://"), p), url);
}

void ab_check_domain(walk_t *w, server_rec *s)
{
    member_t m, other, first = { 0 }, host = { 0 };
    server_rec *one;

    if (!is_member(&m, w, s)) {
        return;
    }
    check_names(&m);
    for (one = w->main; one; one = one->next) {
        if (is_member(&other, w, one) && !strcmp(other.login->domain, m.login->domain)) {
            first = first.s ? first : other;
            host = ab_check_is_login_host(other.login, w->p) ? other : host;
        }
    }
    if (first.s != s) {
        compare(&m, &first);
    } else {
        ab_check_say(w, BEARER_LOG_NOTICE, m.line,
                     AB(0835) "AuthBearerSessionDomain %s: every host of this domain, also on "
                     "other servers, receives the session cookie and can set one. A host that you "
                     "do not trust could use a session, or sign a browser in as another user",
                     m.login->domain);
        if (m.login->domain_login && !host.s) {
            ab_check_say(w, BEARER_LOG_NOTICE, m.line,
                         AB(0836) "AuthBearerSessionDomain login=%s: no virtual host of the domain "
                         "in this server has this AuthBearerBaseURL; another server must have it, "
                         "with the same secret, session cache and AuthBearerSessionDomain",
                         m.login->domain_login);
        }
    }
    if (m.login->domain_login && host.s != s) {
        check_parameters(&m);
        if (host.s) {
            check_login_host(&m, &host);
        }
    }
}
