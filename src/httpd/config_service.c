/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_service.c
 * The directives for an external session service: the service itself, and the page where
 * its users sign in; and for what follows a sign-out.
 */
#include "config_parse.h"

#include "judge/credential_syntax.h"
#include "login/login.h"
#include "login/return_url.h"

APLOG_USE_MODULE(auth_bearer);

/* RFC 3986 section 2.3: characters that need no percent-encoding. */
static int is_parameter(const char *name)
{
    return *name && !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "abcdefghijklmnopqrstuvwxyz0123456789-._~")];
}

/* Does the query of the URL have this parameter? */
static int has_parameter(const parse_t *in, const char *url, const char *name)
{
    bearer_found_t found = { NULL, NULL, 0, 0 };
    const char *query = strchr(url, '?');

    if (query) {
        bearer_syntax_query(&found, query + 1, name, in->p);
    }
    return found.count > 0;
}

const char *ab_parse_login_url(const parse_t *in, void *record)
{
    bearer_login_url_t *login = apr_pcalloc(in->p, sizeof(*login));
    bearer_http_url_t parts;
    const char *wrong;

    login->url = WORD(in, 0);
    login->parameter = "return_to";
    *(const bearer_login_url_t **)record = login;
    wrong = bearer_http_url_split(&parts, login->url, in->p);
    if (wrong) {
        return ab_parse_complain(in, AB(0603) "%s cannot be used: %s; expected the URL of a page "
                                 "where browsers sign in",
                                 bearer_http_url_shown(login->url, in->p), wrong);
    }
    if (in->words->nelts > 1 && (!ab_parse_keyed(WORD(in, 1), "return", &login->parameter)
                                 || !is_parameter(login->parameter))) {
        return ab_parse_complain(in, AB(0604) "expected URL return=NAME, NAME the parameter that "
                                 "the login page reads, e.g. return=return_to");
    }
    return has_parameter(in, login->url, login->parameter)
        ? ab_parse_complain(in, AB(0605) "the URL already has the parameter %s; remove it, or name "
                            "another with return=", login->parameter) : NULL;
}

static const char *parse_to(const parse_t *in, const char *to)
{
    bearer_http_url_t parts;
    const char *wrong = *to != '/' ? bearer_http_url_split(&parts, to, in->p)
        : bearer_return_url("", to, in->p) ? NULL : "characters that a path cannot contain";

    return !wrong ? NULL
        : ab_parse_complain(in, AB(0667) "to=%s cannot be used: %s; expected a path of this "
                            "server, or the URL of a page elsewhere",
                            bearer_http_url_shown(to, in->p), wrong);
}

const char *ab_parse_logout(const parse_t *in, void *record)
{
    bearer_logout_t *logout = record;
    apr_array_header_t *list = apr_array_make(in->p, 2, sizeof(const char *));
    const char *error = NULL, *value;
    int i, off = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (ab_parse_keyed(WORD(in, i), "to", &value)) {
            error = parse_to(in, logout->to = value);
        } else if (ab_parse_keyed(WORD(in, i), "issuer", &value)) {
            error = ab_parse_one_of(in, "on off", value, &off);
            logout->issuer = !off;
        } else {
            error = bearer_logout_parameter_error(WORD(in, i), in->p);
            error = error ? ab_parse_complain(in, AB(0668) "%s", error) : NULL;
            APR_ARRAY_PUSH(list, const char *) = WORD(in, i);
        }
    }
    logout->parameters = list->nelts ? list : NULL;
    return error;
}

/* Parses ttl= as httpd parses times; the library parses the rest. */
static const char *take_ttl(const parse_t *in, apr_array_header_t *rest,
                            apr_interval_time_t *ttl)
{
    const char *error = NULL, *value;
    int i, seen = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!ab_parse_keyed(WORD(in, i), "ttl", &value)) {
            APR_ARRAY_PUSH(rest, const char *) = WORD(in, i);
        } else if (seen++) {
            error = ab_parse_complain(in, AB(0601) "ttl= is given twice");
        } else {
            error = ab_parse_duration(in, value, ttl);
        }
    }
    return error;
}

const char *ab_parse_session_checks(const parse_t *in, void *record)
{
    const apr_array_header_t **list = record;
    apr_array_header_t *rest = apr_array_make(in->p, 8, sizeof(const char *)), *all;
    bearer_session_check_t *check = NULL;
    apr_interval_time_t ttl = 0;
    const char *error = take_ttl(in, rest, &ttl);
    configured_check_t *noted;

    if (error) {
        return error;
    }
    error = bearer_session_check_parse(&check, rest, in->p);
    if (error) {
        return ab_parse_complain(in, AB(0602) "%s", error);
    }
    check->ttl = ttl;
    all = *list ? apr_array_copy(in->p, *list)
                : apr_array_make(in->p, 1, sizeof(const bearer_session_check_t *));
    APR_ARRAY_PUSH(all, const bearer_session_check_t *) = check;
    *list = all;
    noted = apr_array_push(ab_config_current()->session_checks);
    noted->check = check;
    noted->node = in->cmd->directive;
    return NULL;
}
