/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_server.c
 * Directives of the whole server and of a virtual host: settings shared by all issuers
 * and sections.
 */
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
static const char *login_base_url(const parse_t *in, void *record)
{
    login_config_t *login = record;
    bearer_http_url_t url;
    const char *wrong = bearer_http_url_split(&url, WORD(in, 0), in->p);

    if (wrong || (*url.path && strcmp(url.path, "/") != 0)) {
        return ab_parse_complain(in, AB(0616) "%s is not SCHEME://HOST[:PORT], this server as "
                        "browsers see it",
                        bearer_http_url_shown(WORD(in, 0), in->p));
    }
    login->base_url = apr_psprintf(in->p, "%s://%s%s%s", url.https ? "https"
                                                                   : "http",
                                   strchr(url.host, ':') ? "[" : "", url.host,
                                   strchr(url.host, ':') ? "]" : "");
    if (url.port != (url.https ? 443 : 80)) {
        login->base_url = apr_psprintf(in->p, "%s:%d", login->base_url, url.port);
    }
    return NULL;
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
    const char *error = ab_parse_times(in, "max idle", times);

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
