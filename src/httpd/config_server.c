/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_server.c
 * Directives of the whole server and of a virtual host: settings shared by all issuers
 * and sections.
 */
#include "browser_site.h"
#include "config_parse.h"
#include "directives.h"
#include "handlers.h"

APLOG_USE_MODULE(auth_bearer);

#define MAX_TOKEN_CACHE 1000000

/* ---- global directives -------------------------------------------------- */

static int is_host(const char *text, apr_pool_t *p)
{
    bearer_http_url_t url;
    const char *whole = apr_pstrcat(p, "http://", text, "/", NULL);

    return !bearer_http_url_split(&url, whole, p) && !strcmp(url.path, "/");
}

static const char *global_plain_http(const parse_t *in, void *record)
{
    const char *error = NULL;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *entry = WORD(in, i);

        if (!is_host(entry, in->p)
            && !is_host(apr_pstrcat(in->p, "[", entry, "]", NULL), in->p)) {
            error = ab_parse_complain(in, AB(0611) "%s is not HOST or HOST:PORT; omit the scheme "
                                      "and the path",
                             bearer_text_quote(in->p, entry));
        }
    }
    apr_array_cat(((global_config_t *)record)->plain_http, in->words);
    return error;
}

static const char *global_token_cache(const parse_t *in, void *record)
{
    global_config_t *global = record;
    int alone = in->words->nelts == 1, n;
    const char *value;

    if (alone && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        global->token_cache_entries = 0;
        return NULL;
    }
    if (!alone || !ab_parse_keyed(WORD(in, 0), "entries", &value)) {
        return ab_parse_complain(in, AB(0612) "expected entries=N or off");
    }
    if (!ab_parse_number(value, 1, MAX_TOKEN_CACHE, &n)) {
        return ab_parse_complain(in, AB(0613) "entries must be a number from 1 to 1000000");
    }
    global->token_cache_entries = (unsigned)n;
    return NULL;
}

static const char *global_revocations(const parse_t *in, void *record)
{
    if (strncmp(WORD(in, 0), "file:", 5)) {
        return ab_parse_complain(in, AB(0614) "expected file:PATH");
    }
    ((global_config_t *)record)->revocations =
        ap_server_root_relative(in->p, WORD(in, 0) + 5);
    return NULL;
}

const char *ab_config_global(cmd_parms *cmd, void *dir, const char *args)
{
    static const ab_line_t lines[] = { AB_GLOBAL_DIRECTIVES(AB_LINE) };
    const char *error = ab_config_not_inside(cmd, GLOBAL_ONLY);

    (void)dir;
    return error ? error : ab_parse_line(cmd, args, lines, ab_config_current());
}

/* ---- browsers: directives of a virtual host ------------------------------ */

static const char *login_path(const parse_t *in, void *record)
{
    login_config_t *login = record;
    const char *error = NULL, *path = WORD(in, 0);
    apr_size_t len = strlen(path);

    if ((len < 2 || len > 128 || *path != '/' || path[len - 1] == '/'
                   || strstr(path, "//") || strstr(path, "/..")
                   || path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789"
                                    "-._~/")])) {
        error = ab_parse_complain(in, AB(0615) "%s is not a path such as /.auth (letters, digits, "
                                  "- . _ ~, no slash at the end)",
                                  bearer_text_quote(in->p, path));
    }
    login->path = path;
    login->used = 1;
    return error;
}

/* Accepts the origin only: cookies and redirects to a page use no path prefix. */
static int read_name(base_name_t *name, const char *text, apr_pool_t *p)
{
    const char *star = strstr(text, "://*."), *host;
    bearer_http_url_t url;
    int v6;

    /* the label that * stands for is as good as any other */
    if (bearer_http_url_split(&url, star ? apr_psprintf(
            p, "%.*s://x%s", (int)(star - text), text, star + 4) : text, p)
        || (*url.path && strcmp(url.path, "/") != 0)) {
        return 0;
    }
    name->wild = star != NULL;
    name->host = url.host + name->wild;
    name->https = url.https;
    name->port = url.port;
    if (star && !strchr(name->host + 1, '.')) {
        return 0;  /* of *.com, everybody can have one */
    }
    host = name->host;
    v6 = strchr(host, ':') != NULL;
    name->origin = apr_psprintf(p, "%s://%s%s%s%s", url.https ? "https" : "http",
                                star ? "*" : "", v6 ? "[" : "", host, v6 ? "]" : "");
    if (url.port != (url.https ? 443 : 80)) {
        name->origin = apr_psprintf(p, "%s:%d", name->origin, url.port);
    }
    return 1;
}

/* Could one Host name both? A Host without a port has the port of either scheme. */
static int alike(const base_name_t *a, const base_name_t *b)
{
    return a->wild == b->wild && !strcmp(a->host, b->host)
        && (a->port == b->port || (a->port == (a->https ? 443 : 80)
                                   && b->port == (b->https ? 443 : 80)));
}

/* Sets *wrong if the last name cannot be used. */
static void check_last(const char **wrong, const apr_array_header_t *names, int read,
                       const char *text, apr_pool_t *p)
{
    const base_name_t *last = &APR_ARRAY_IDX(names, names->nelts - 1, base_name_t);
    int i;

    if (!read) {
        *wrong = apr_pstrcat(p, bearer_http_url_shown(text, p), " is not SCHEME://HOST[:PORT], "
                             "this server as browsers see it (HOST may be *.DOMAIN)", NULL);
    }
    for (i = 0; !*wrong && i < names->nelts - 1; i++) {
        const base_name_t *other = &APR_ARRAY_IDX(names, i, base_name_t);

        if (alike(last, other)) {
            *wrong = apr_pstrcat(p, "Host does not tell ", last->origin, " from ",
                                 other->origin, "; remove one", NULL);
        }
    }
}

static const char *login_base_url(const parse_t *in, void *record)
{
    apr_array_header_t *names = apr_array_make(in->p, 2, sizeof(base_name_t));
    const char *wrong = NULL;
    int i, plain = 0;

    for (i = 0; !wrong && i < in->words->nelts; i++) {
        base_name_t *name = apr_array_push(names);
        int read = read_name(name, WORD(in, i), in->p);

        check_last(&wrong, names, read, WORD(in, i), in->p);
        plain += !name->wild;
    }
    if (!wrong && !plain) {
        wrong = "no name is without *; add the one to which browsers with other names are "
                "redirected";
    }
    ((login_config_t *)record)->names = names;
    return wrong ? ab_parse_complain(in, AB(0616) "%s", wrong) : NULL;
}

/* A name of two labels at least: a cookie of one label would be everybody's. An address
 * has no hosts. */
static int is_domain(const char *text)
{
    const char *label = text, *end;
    int labels = 0;

    do {
        end = label + strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-");
        if (end == label || *label == '-' || end[-1] == '-' || (*end && *end != '.')) {
            return 0;
        }
        labels++;
        label = end + 1;
    } while (*end);
    return labels > 1 && (end[-1] < '0' || end[-1] > '9');
}

static const char *login_domain(const parse_t *in, void *record)
{
    login_config_t *login = record;
    const char *url = NULL, *wrong = NULL;
    char *domain = apr_pstrdup(in->p, WORD(in, 0));
    base_name_t name = { 0 };

    ap_str_tolower(domain);
    if (!is_domain(domain)) {
        wrong = apr_pstrcat(in->p, bearer_text_quote(in->p, domain), " is not a domain of two "
                            "labels or more, e.g. example.com", NULL);
    } else if (in->words->nelts > 1
               && (!ab_parse_keyed(WORD(in, 1), "login", &url) || !read_name(&name, url, in->p)
                   || name.wild || !name.https || !ab_browser_within(name.host, domain))) {
        wrong = apr_pstrcat(in->p, "expected login=https://HOST[:PORT], HOST in ", domain, NULL);
    }
    login->domain = domain;
    login->domain_login = name.origin;
    return wrong ? ab_parse_complain(in, AB(0619) "%s", wrong) : NULL;
}

static const char *login_store(const parse_t *in, void *record)
{
    int place = 0;
    const char *error = ab_parse_one_of(in, "cache cookie", WORD(in, 0), &place);

    ((login_config_t *)record)->store = place ? SESSIONS_IN_COOKIE : SESSIONS_IN_CACHE;
    return error;
}

static const char *login_lifetime(const parse_t *in, void *record)
{
    login_config_t *login = record;
    apr_interval_time_t times[] = { login->max, login->idle };
    parse_t rest = *in;
    const char *error = NULL, *value;
    int i, on;

    rest.words = apr_array_make(in->p, in->words->nelts, sizeof(const char *));
    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!ab_parse_keyed(WORD(in, i), "persist", &value)) {
            APR_ARRAY_PUSH(rest.words, const char *) = WORD(in, i);
        } else if (!(error = ab_parse_one_of(in, "off on", value, &on))) {
            login->persist = on ? AB_PERSIST_ON : AB_PERSIST_OFF;
        }
    }
    error = error ? error : ab_parse_times(&rest, "max idle", times);
    login->max = times[0];
    login->idle = times[1];
    if (!error && ((login->max && login->max < apr_time_from_sec(1))
                   || (login->idle && login->idle < apr_time_from_sec(1))
                   || login->max > apr_time_from_sec(29 * 24 * 3600))) {
        error = ab_parse_complain(in, AB(0617) "max and idle must be at least 1s, max at most "
                                  "696h");
    }
    return error;
}

const char *ab_config_login(cmd_parms *cmd, void *dir, const char *args)
{
    static const ab_line_t lines[] = { AB_LOGIN_DIRECTIVES(AB_LINE) };
    server_config_t *server = ab_config_server(cmd->server);
    const char *error = ap_check_cmd_context(cmd, IN_SERVER);

    (void)dir;
    return error ? error
         : server->open
         ? ab_config_misplaced(cmd, AB(0519) "%s is only allowed in the server or a <VirtualHost>")
         : ab_parse_line(cmd, args, lines, &server->login);
}

const char *ab_config_secret_file(cmd_parms *cmd, void *dir, const char *args)
{
    apr_array_header_t *words = ab_config_words(cmd->pool, args);
    const char *error = ab_config_not_inside(cmd, IN_SERVER);
    int i;

    (void)dir;
    if (error) {
        return error;
    }
    if (!words->nelts) {
        return AB(0618) "AuthBearerSecretFile: the path is missing";
    }
    for (i = 0; i < words->nelts; i++) {
        const char **path = &APR_ARRAY_IDX(words, i, const char *);

        *path = ap_server_root_relative(cmd->pool, *path);
    }
    ab_config_server(cmd->server)->secret_files = words;
    if (!cmd->server->is_virtual) {
        ab_config_current()->secret_files = words;
    }
    return NULL;
}
