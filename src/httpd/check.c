/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file check.c
 * What the configuration contradicts itself in, found by `apachectl configtest`
 * (which never runs post_config), with file, line and the mend; and the dump.
 *
 * `AuthType Bearer` is another module's directive, and a section that has only
 * that has no record of ours. So the tree of directives is walked: each section
 * with that line is judged with the layers that reach it.
 */
#include "glue.h"

APLOG_USE_MODULE(auth_bearer);

/** A section with AuthType Bearer. */
typedef struct bearer_section_t {
    server_rec *server;
    const ap_directive_t *node;       /**< <Location ...> */
    const ap_directive_t *auth_type;
    bearer_settings_t settings;       /**< D as far as the tree shows it */
} bearer_section_t;

typedef struct walk_t {
    apr_pool_t *p;
    server_rec *main;
    global_config_t *global;
    apr_array_header_t *sections;     /**< bearer_section_t */
    int htaccess;                     /**< some AllowOverride lets AuthConfig in */
    int errors;
    int told_secret;                  /**< no_secret was said of some section */
} walk_t;

static void report(walk_t *w, int level, const ap_directive_t *at,
                   const char *text)
{
    if (level <= APLOG_ERR) {
        w->errors++;
    }
    if (at) {
        ap_log_error(APLOG_MARK, level | APLOG_STARTUP, 0, w->main,
                     "%s:%d: %s", at->filename, at->line_num, text);
    }
    else {
        ap_log_error(APLOG_MARK, level | APLOG_STARTUP, 0, w->main,
                     "%s", text);
    }
}

/* The first directive of that name, for messages; or NULL. */
static const ap_directive_t *find(const ap_directive_t *node, const char *name)
{
    const ap_directive_t *found;

    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, name)) {
            return node;
        }
        if (node->first_child && (found = find(node->first_child, name))) {
            return found;
        }
    }
    return NULL;
}

static int names_path(const walk_t *w, const ap_directive_t *node, const char *path)
{
    const char *args = node->args;

    while (*args) {
        const char *word = ap_server_root_relative(w->p,
                                                   ap_getword_conf(w->p, &args));

        if (word && !strcmp(word, path)) {
            return 1;
        }
    }
    return 0;
}

/* The directive of that name that names this file, or NULL. */
static const ap_directive_t *find_file(const walk_t *w, const ap_directive_t *node,
                                       const char *name, const char *path)
{
    const ap_directive_t *found = NULL;

    for (; node && !found; node = node->next) {
        if (!strcasecmp(node->directive, name) && names_path(w, node, path)) {
            found = node;
        }
        else if (node->first_child) {
            found = find_file(w, node->first_child, name, path);
        }
    }
    return found;
}

/* Does anything here hand requests to another server? */
static int proxies(const ap_directive_t *node)
{
    static const char *const names[][2] = {  /* and what the arguments have */
        { "ProxyPass", "" }, { "ProxyPassMatch", "" }, { "SetHandler", "proxy:" },
        { "RewriteRule", "[P]" }, { "RewriteRule", "[P," },
        { "RewriteRule", ",P]" }, { "RewriteRule", ",P," },
    };
    unsigned i;

    for (; node; node = node->next) {
        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (!strcasecmp(node->directive, names[i][0])
                && ap_strcasestr(node->args, names[i][1])) {
                return 1;
            }
        }
        if (node->first_child && proxies(node->first_child)) {
            return 1;
        }
    }
    return 0;
}

/* ---- the tree ----------------------------------------------------------- */

static int is_section(const ap_directive_t *node, const char *name)
{
    return node->directive[0] == '<' && !strncasecmp(node->directive + 1, name,
                                                     strlen(name));
}

static server_rec *vhost_of(const walk_t *w, const ap_directive_t *node)
{
    server_rec *s;

    for (s = w->main; s; s = s->next) {
        if (s->is_virtual && s->defn_line_number == (unsigned)node->line_num
            && s->defn_name && !strcmp(s->defn_name, node->filename)) {
            return s;
        }
    }
    return w->main;
}

static const dir_config_t *record_of(const walk_t *w, const ap_directive_t *node)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *s = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (s->node == node) {
            return s->dir;
        }
    }
    return NULL;
}

/* What the section and those around it wrote. */
static void collect_settings(const walk_t *w, const ap_directive_t *node,
                             bearer_settings_t *out)
{
    const dir_config_t *dir;

    if (node->parent) {
        collect_settings(w, node->parent, out);
    }
    dir = record_of(w, node);
    if (dir) {
        bearer_settings_merge(out, out, &dir->settings);
    }
}

static int lets_auth_config_in(const char *args)
{
    return ap_strcasestr(args, "AuthConfig") || ap_strcasestr(args, "All");
}

static void walk(walk_t *w, const ap_directive_t *node, server_rec *server)
{
    for (; node; node = node->next) {
        if (!strcasecmp(node->directive, "AuthType")) {
            const char *args = node->args;

            if (!strcasecmp(ap_getword_conf(w->p, &args), "Bearer")
                && node->parent) {
                bearer_section_t *s = apr_array_push(w->sections);

                memset(s, 0, sizeof(*s));
                s->server = server;
                s->node = node->parent;
                s->auth_type = node;
                collect_settings(w, node->parent, &s->settings);
            }
        }
        else if (!strncasecmp(node->directive, "AllowOverride", 13)
                 && (!strcasecmp(node->directive, "AllowOverrideList")
                     || lets_auth_config_in(node->args))) {
            w->htaccess = 1;
        }
        if (node->first_child) {
            walk(w, node->first_child, is_section(node, "VirtualHost")
                                       ? vhost_of(w, node) : server);
        }
    }
}

/* The path of a section as it was written, quotes undone. */
static const char *path_of(const walk_t *w, const ap_directive_t *node)
{
    const char *args = node->args, *end = strrchr(args, '>');

    args = apr_pstrmemdup(w->p, args, end ? (apr_size_t)(end - args)
                                          : strlen(args));
    return ap_getword_conf(w->p, &args);
}

/* Could some other section still reach this one with the setting? One whose
 * path is not a prefix of this one's cannot; a pattern, a <Directory> beside a
 * <Location>, an <If> or <Files> might. */
static int reached_from_elsewhere(const walk_t *w, const bearer_section_t *s,
                                  bearer_setting_t setting)
{
    const char *own = path_of(w, s->node), *path;
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *other = &APR_ARRAY_IDX(w->global->sections, i, section_t);

        if (!((other->dir->settings.set >> setting) & 1u)) {
            continue;
        }
        path = path_of(w, other->node);
        if (strcasecmp(other->node->directive, "<Location") != 0
            || strcasecmp(s->node->directive, "<Location") != 0
            || *path == '~' || *own == '~' || strpbrk(path, "*?[")
            || !strncmp(own, path, strlen(path))) {
            return 1;
        }
    }
    return 0;
}

/* ---- sections ----------------------------------------------------------- */

/* An error that another section, or .htaccess, may still mend. */
static int is_pardoned(const walk_t *w, const bearer_section_t *s,
                       const bearer_issuers_t *issuers, const char *error)
{
    const server_config_t *server = bearer_config_server(s->server);
    const char *audience;

    if (!strcmp(error, bearer_judge_no_session_check)) {
        return reached_from_elsewhere(w, s, BEARER_SET_SESSION_CHECK);
    }
    if (!w->htaccess && !reached_from_elsewhere(w, s, BEARER_SET_AUDIENCE)) {
        return 0;
    }
    audience = bearer_judge_audience_error(issuers, w->global->defaults,
                                           &server->settings, &s->settings, w->p);
    return audience && !strcmp(error, audience);
}

static const char no_secret[] = "sessions and logins are sealed with a secret: "
    "AuthBearerSecretFile PATH (openssl rand -out PATH 48)";

/* What a session or a login needs besides. */
static void check_browser_section(walk_t *w, const bearer_section_t *s,
                                  const server_config_t *server,
                                  const bearer_settings_t *settings)
{
    const bearer_issuer_t *issuer;
    const char *error;

    if (!settings->session && !settings->login.on) {
        return;
    }
    if (!server->secret_files) {
        report(w, APLOG_ERR, s->auth_type, no_secret);
        w->told_secret = 1;
    }
    if (server->login.store != 2
        && !bearer_store_can_keep(w->global, STORE_SESSIONS)) {
        report(w, APLOG_ERR, s->auth_type, "there is no cache to keep sessions in: "
               "load mod_socache_shmcb (a2enmod socache_shmcb), or write "
               "AuthBearerSOCache, or AuthBearerSessionStore cookie");
    }
    issuer = bearer_browser_issuer(server, settings, &error, w->p);
    if (issuer) {
        bearer_settings_t own;

        bearer_settings_resolve(&own, w->global->defaults, &server->settings,
                                &issuer->settings, NULL);
        error = bearer_client_lint(&own, issuer, w->p);
    }
    if (error) {
        report(w, APLOG_ERR, s->auth_type, error);
    }
    if (settings->login.on && !settings->session) {
        report(w, APLOG_ERR, s->auth_type, "AuthBearerLogin On without "
               "AuthBearerSession On: whoever has logged in would not be known "
               "afterwards, and be sent to log in again");
    }
}

static void check_section(walk_t *w, const bearer_section_t *s)
{
    const server_config_t *server = bearer_config_server(s->server);
    apr_array_header_t *errors = apr_array_make(w->p, 2, sizeof(const char *));
    apr_array_header_t *warnings = apr_array_make(w->p, 2, sizeof(const char *));
    const bearer_issuers_t *issuers = server->issuers;
    bearer_settings_t settings;
    int i;

    bearer_settings_resolve(&settings, w->global->defaults, &server->settings,
                            NULL, &s->settings);
    if (!issuers && !bearer_session_in_chain(&settings)) {
        report(w, APLOG_ERR, s->auth_type, "AuthType Bearer, but no issuer is "
               "trusted in this server; declare one: AuthBearerIssuer URL");
        return;
    }
    if (!issuers) {
        issuers = bearer_issuers_create(w->p);
    }
    bearer_judge_lint(errors, warnings, issuers, w->global->defaults,
                      &server->settings, &s->settings, w->p);
    for (i = 0; i < errors->nelts; i++) {
        const char *error = APR_ARRAY_IDX(errors, i, const char *);

        if (!is_pardoned(w, s, issuers, error)) {
            report(w, APLOG_ERR, s->auth_type, error);
        }
    }
    for (i = 0; i < warnings->nelts; i++) {
        report(w, APLOG_WARNING, s->auth_type,
               APR_ARRAY_IDX(warnings, i, const char *));
    }
    check_browser_section(w, s, server, &settings);
    if (settings.forward == BEARER_FORWARD_NONE && proxies(ap_conftree)) {
        report(w, APLOG_NOTICE, s->auth_type, "AuthBearerForward none: a proxied "
               "application learns nothing of the user; AuthBearerForward "
               "identity tells it");
    }
}

/* ---- issuers ------------------------------------------------------------ */

/* An allow-list that no key of the file can serve refuses every token. */
static void check_served(walk_t *w, const ap_directive_t *at,
                         const bearer_issuer_t *issuer,
                         const bearer_settings_t *settings,
                         const bearer_jwks_t *set)
{
    bearer_algs_t served = 0, symmetric;
    int i;

    for (i = 0; i < bearer_jwks_count(set); i++) {
        served |= bearer_jwks_at(set, i)->algs;
    }
    symmetric = settings->algorithms & bearer_alg_symmetric();
    if (served && !(served & settings->algorithms)) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "issuer %s: no key of "
               "AuthBearerKeys file:%s fits AuthBearerAlgorithms %s; they fit %s",
               issuer->url, issuer->keys.value,
               bearer_alg_names(settings->algorithms, w->p),
               bearer_alg_names(served, w->p)));
    }
    else if (symmetric && !(served & symmetric)) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "issuer %s: "
               "AuthBearerAlgorithms names %s, but AuthBearerKeys file:%s has no "
               "key of kty oct", issuer->url, bearer_alg_names(symmetric, w->p),
               issuer->keys.value));
    }
}

static void check_key_file(walk_t *w, const ap_directive_t *at,
                           const bearer_issuer_t *issuer,
                           const bearer_settings_t *settings)
{
    bearer_jwks_origin_t origin = issuer->keys.kind == BEARER_SOURCE_FILE
                                  ? BEARER_JWKS_LOCAL : BEARER_JWKS_SPIFFE;
    bearer_jwks_report_t found;
    bearer_jwks_t *set;
    const char *error = NULL;
    int i;

    if (issuer->keys.kind != BEARER_SOURCE_FILE
        && issuer->keys.kind != BEARER_SOURCE_SPIFFE_FILE) {
        return;
    }
    memset(&found, 0, sizeof(found));
    if (bearer_jwks_load(&set, issuer->keys.value, origin, &found, &error, w->p)
        != APR_SUCCESS) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "AuthBearerKeys file:%s: %s",
                                              issuer->keys.value, error));
        return;
    }
    for (i = 0; found.lines && i < found.lines->nelts; i++) {
        report(w, bearer_jwks_count(set) ? APLOG_WARNING : APLOG_ERR, at,
               apr_psprintf(w->p, "AuthBearerKeys file:%s: %s",
                            issuer->keys.value,
                            APR_ARRAY_IDX(found.lines, i, const char *)));
    }
    check_served(w, at, issuer, settings, set);
    if (!bearer_jwks_count(set) && !found.skipped) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "AuthBearerKeys file:%s: no "
               "usable key in it; make one: htbearer keygen",
               issuer->keys.value));
    }
    bearer_jwks_release(set);
}

static void check_algorithms(walk_t *w, const ap_directive_t *at,
                             const bearer_issuer_t *issuer,
                             const bearer_settings_t *settings)
{
    bearer_algs_t lacking = settings->algorithms
        & ~bearer_alg_supported(settings->algorithms);

    if (lacking) {
        report(w, bearer_settings_has(settings, ALGORITHMS) ? APLOG_WARNING
                                                            : APLOG_NOTICE, at,
               apr_psprintf(w->p, "this OpenSSL refuses %s; tokens signed so are "
                            "refused", bearer_alg_names(lacking, w->p)));
    }
    if ((settings->algorithms & bearer_alg_symmetric())
        && issuer->keys.kind != BEARER_SOURCE_FILE) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "issuer %s: %s of "
               "AuthBearerAlgorithms needs AuthBearerKeys file:PATH with a key "
               "of kty oct; a shared secret never comes from a URL", issuer->url,
               bearer_alg_names(settings->algorithms & bearer_alg_symmetric(),
                                w->p)));
    }
}

static void check_urls(walk_t *w, const ap_directive_t *at,
                       const bearer_issuer_t *issuer)
{
    const char *error = bearer_issuer_fetch_error(issuer, w->global->plain_http,
                                                  w->p);

    if (error) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "issuer %s: %s", issuer->url,
                                              error));
    }
    if (issuer->keys.kind == BEARER_SOURCE_DISCOVER
        && issuer->metadata.kind == BEARER_SOURCE_OFF) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "issuer %s: AuthBearerMetadata "
               "off leaves its keys unknown; name them: AuthBearerKeys URL or "
               "file:PATH", issuer->url));
    }
}

static void check_files(walk_t *w, const ap_directive_t *at,
                        const bearer_issuer_t *issuer,
                        const bearer_settings_t *settings)
{
    const char *error;

    if (settings->ca_file
        && (error = bearer_http_ca_file_error(settings->ca_file, w->p))) {
        report(w, APLOG_ERR, at, apr_psprintf(w->p, "AuthBearerCAFile %s: %s",
                                              settings->ca_file, error));
    }
    if (issuer->tenants_file
        && (error = bearer_tenants_file_error(issuer->tenants_file, w->p))) {
        report(w, APLOG_ERR, at, apr_pstrcat(w->p, "AuthBearerTenants: ", error,
                                             NULL));
    }
}

static void check_introspection(walk_t *w, const ap_directive_t *at,
                                const bearer_issuer_t *issuer,
                                const bearer_settings_t *settings)
{
    const char *error;

    if (issuer->introspection.kind == BEARER_SOURCE_OFF) {
        if (issuer->token_prefixes) {
            report(w, APLOG_WARNING, at, apr_psprintf(w->p, "issuer %s: "
                   "AuthBearerTokenPrefix says whose an opaque token is, but "
                   "nobody can be asked about it; write AuthBearerIntrospection",
                   issuer->url));
        }
        return;
    }
    error = bearer_client_lint(settings, issuer, w->p);
    if (error) {
        report(w, APLOG_ERR, at, error);
    }
    else if (bearer_client_method(settings) == BEARER_CLIENT_NONE
             && !bearer_settings_has(settings, CLIENT_AUTH)) {
        report(w, APLOG_NOTICE, at, apr_psprintf(w->p, "issuer %s is asked about "
               "tokens without authentication; if it wants some: "
               "AuthBearerClientID and AuthBearerClientSecret, else "
               "AuthBearerClientAuth none says that this is meant", issuer->url));
    }
}

static void check_issuer(walk_t *w, int index)
{
    const bearer_issuer_t *issuer = APR_ARRAY_IDX(w->global->issuers, index,
                                                  const bearer_issuer_t *);
    const server_rec *s = APR_ARRAY_IDX(w->global->issuer_servers, index,
                                        const server_rec *);
    ap_directive_t at = { 0 };
    bearer_settings_t settings;

    at.filename = issuer->file;
    at.line_num = issuer->line;
    bearer_settings_resolve(&settings, w->global->defaults,
                            &bearer_config_server(s)->settings, &issuer->settings,
                            NULL);
    check_key_file(w, &at, issuer, &settings);
    check_algorithms(w, &at, issuer, &settings);
    check_urls(w, &at, issuer);
    check_files(w, &at, issuer, &settings);
    check_introspection(w, &at, issuer, &settings);
    if (issuer->tenants_any) {
        report(w, APLOG_WARNING, &at, apr_psprintf(w->p, "issuer %s: "
               "AuthBearerTenants * trusts every tenant in the world; name "
               "yours unless that is meant", issuer->url));
    }
}

/* ---- session stores ------------------------------------------------------ */

static void check_session_check(walk_t *w, const configured_check_t *noted)
{
    const bearer_session_check_t *check = noted->check;
    apr_array_header_t *warnings = apr_array_make(w->p, 1, sizeof(const char *));
    const char *error = bearer_session_check_error(check, w->global->plain_http,
                                                   w->p);
    int i;

    if (error) {
        report(w, APLOG_ERR, noted->node, error);
    }
    bearer_session_check_lint(warnings, check);
    for (i = 0; i < warnings->nelts; i++) {
        report(w, APLOG_WARNING, noted->node,
               APR_ARRAY_IDX(warnings, i, const char *));
    }
    if (bearer_session_check_by_cookie(check) && !check->cookies) {
        report(w, APLOG_NOTICE, noted->node, "AuthBearerSessionCheck send=cookie: "
               "every cookie of the client goes to the session store, and none "
               "reaches the application; name the session's: cookies=a,b");
    }
}

/* ---- the server --------------------------------------------------------- */

static void check_secret_permissions(walk_t *w, const apr_array_header_t *files)
{
    apr_finfo_t info;
    int i;

    for (i = 0; files && i < files->nelts; i++) {
        const char *path = APR_ARRAY_IDX(files, i, const char *);

        if (apr_stat(&info, path, APR_FINFO_PROT, w->p) == APR_SUCCESS
            && (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE))) {
            report(w, APLOG_WARNING, find_file(w, ap_conftree,
                                               "AuthBearerSecretFile", path),
                   apr_psprintf(w->p, "AuthBearerSecretFile: secret file %s can "
                   "be read by others: chmod o-rwx %s", path, path));
        }
    }
}

static void check_secrets(walk_t *w)
{
    int i;

    for (i = 0; i < w->global->secrets->nelts; i++) {
        const configured_secret_t *noted = &APR_ARRAY_IDX(w->global->secrets, i,
                                                          configured_secret_t);
        const char *warning, *error = bearer_secret_lint(noted->secret, &warning,
                                                         w->p);

        if (error || warning) {
            report(w, error ? APLOG_ERR : APLOG_WARNING, noted->node,
                   error ? error : warning);
        }
    }
}

static void check_login(walk_t *w, server_rec *s)
{
    const server_config_t *server = bearer_config_server(s);
    bearer_seal_t *seal;
    const char *error;

    if (server->secret_files != w->global->secret_files) {
        check_secret_permissions(w, server->secret_files);
    }
    if (!server->login.used) {
        return;
    }
    /* the section with AuthType and the one with the session need not be one */
    if (server->login.on && server->issuers && !server->secret_files
        && !w->told_secret) {
        report(w, APLOG_ERR, find(ap_conftree, "AuthBearerSession"), no_secret);
        w->told_secret = 1;
    }
    if (server->login.store == 2) {
        report(w, APLOG_NOTICE, NULL, apr_psprintf(w->p, "server %s: "
               "AuthBearerSessionStore cookie: the issuer cannot end a session "
               "(back-channel logout answers 404)", s->server_hostname
               ? s->server_hostname : "(main)"));
    }
    if (server->secret_files
        && server->secret_files != w->global->secret_files
        && bearer_seal_create(&seal, server->secret_files, "check", &error, w->p)
           != APR_SUCCESS) {
        report(w, APLOG_ERR, NULL, apr_psprintf(w->p, "AuthBearerSecretFile: %s",
                                                error));
    }
}

/* An entry is HOST or HOST:PORT (config_server.c), IPv6 with or without []. */
static int is_loopback(const char *entry, apr_pool_t *p)
{
    bearer_http_url_t url;

    return bearer_http_is_loopback(entry)
        || (!bearer_http_url_split(&url, apr_pstrcat(p, "http://", entry, "/",
                                                     NULL), p)
            && bearer_http_is_loopback(url.host));
}

static void check_global(walk_t *w)
{
    const global_config_t *global = w->global;
    bearer_seal_t *seal;
    const char *error;
    int i, foreign = 0;

    for (i = 0; i < global->plain_http->nelts; i++) {
        const char *host = APR_ARRAY_IDX(global->plain_http, i, const char *);

        if (!is_loopback(host, w->p)) {
            report(w, APLOG_WARNING, find(ap_conftree, "AuthBearerPlainHTTP"),
                   apr_psprintf(w->p, "AuthBearerPlainHTTP "
                   "%s: whoever is on the way to that host can give you keys of "
                   "his own; use https", host));
        }
    }
    if (global->revocations
        && (error = bearer_revocation_file_error(global->revocations, w->p))) {
        report(w, APLOG_ERR, find(ap_conftree, "AuthBearerRevocations"),
               apr_psprintf(w->p, "AuthBearerRevocations: %s", error));
    }
    for (i = 0; i < STORE_KINDS; i++) {
        foreign |= bearer_store_is_foreign(&global->stores[i]);
    }
    if (foreign && !global->secret_files) {
        report(w, APLOG_ERR, find(ap_conftree, "AuthBearerSOCache"),
               "AuthBearerSOCache: whoever can write to this "
               "cache could add a key; values are sealed with a secret: "
               "AuthBearerSecretFile PATH (openssl rand -out PATH 48), in the "
               "main server");
    }
    if (global->throttle_store) {
        report(w, APLOG_NOTICE, global->throttle_store, "AuthBearerSOCache "
               "for=throttle: the throttle counts in memory of this host, whatever "
               "the cache: an address with bad tokens must not cause calls over "
               "the network; each host of a fleet has its own count");
    }
    check_secret_permissions(w, global->secret_files);
    if (global->secret_files
        && bearer_seal_create(&seal, global->secret_files, "check", &error, w->p)
           != APR_SUCCESS) {
        report(w, APLOG_ERR, find(ap_conftree, "AuthBearerSecretFile"),
               apr_psprintf(w->p, "AuthBearerSecretFile: %s", error));
    }
}

static void note_environment(walk_t *w)
{
    static const char *const names[] = {
        "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL
    };
    int i;

    for (i = 0; names[i]; i++) {
        if (getenv(names[i])) {
            report(w, APLOG_NOTICE, NULL, apr_psprintf(w->p, "the environment's %s "
                   "is not used for requests to issuers; write "
                   "AuthBearerHTTPProxy if it is needed", names[i]));
            return;
        }
    }
}

static void begin(walk_t *w, apr_pool_t *p, server_rec *s)
{
    memset(w, 0, sizeof(*w));
    w->p = p;
    w->main = s;
    w->global = bearer_config_server(s)->global;
    w->sections = apr_array_make(p, 8, sizeof(bearer_section_t));
    walk(w, ap_conftree, s);
}

int bearer_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    server_rec *vhost;
    walk_t w;
    int i;

    (void)pconf;
    (void)plog;
    begin(&w, ptemp, s);
    for (i = 0; i < w.sections->nelts; i++) {
        check_section(&w, &APR_ARRAY_IDX(w.sections, i, bearer_section_t));
    }
    for (i = 0; i < w.global->issuers->nelts; i++) {
        check_issuer(&w, i);
    }
    for (i = 0; i < w.global->session_checks->nelts; i++) {
        check_session_check(&w, &APR_ARRAY_IDX(w.global->session_checks, i,
                                               configured_check_t));
    }
    for (vhost = s; vhost; vhost = vhost->next) {
        check_login(&w, vhost);
    }
    check_secrets(&w);
    check_global(&w);
    if (bearer_config_is_used(w.global)) {
        note_environment(&w);
    }
    return w.errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

/* Where no issuer is trusted: NULL if there is a session store, else what lacks. */
static const char *nobody_to_ask(const bearer_settings_t *settings)
{
    if (!bearer_session_in_chain(settings)) {
        return "no issuer is trusted in this server; declare one: "
               "AuthBearerIssuer URL";
    }
    return settings->session_check ? NULL : bearer_judge_no_session_check;
}

const char *bearer_check_request(request_rec *r)
{
    const server_config_t *server = bearer_config_server(r->server);
    const dir_config_t *dir = bearer_config_dir(r);
    apr_array_header_t *errors, *warnings;
    const char *error;

    if (!server->issuers && (error = nobody_to_ask(bearer_config_of(r)))) {
        return error;
    }
    if (!bearer_process()) {
        return "this child could not be started; the log of its start says why";
    }
    if (!server->issuers) {
        return NULL;  /* there are no tokens to be judged */
    }
    if (!dir->from_htaccess) {  /* configtest has judged the rest */
        return bearer_settings_has(&dir->settings, AUDIENCE)
            || bearer_settings_has(&server->settings, AUDIENCE) ? NULL
            : bearer_judge_audience_error(server->issuers,
                                          server->global->defaults,
                                          &server->settings, &dir->settings,
                                          r->pool);
    }
    errors = apr_array_make(r->pool, 1, sizeof(const char *));
    warnings = apr_array_make(r->pool, 1, sizeof(const char *));
    bearer_judge_lint(errors, warnings, server->issuers, server->global->defaults,
                      &server->settings, &dir->settings, r->pool);
    return errors->nelts ? APR_ARRAY_IDX(errors, 0, const char *) : NULL;
}

/* ---- httpd -t -D DUMP_BEARER -------------------------------------------- */

static int has(const bearer_settings_t *settings, bearer_setting_t setting)
{
    return (int)((settings->set >> setting) & 1u);
}

static int may_stand(bearer_setting_t setting, int where)
{
    return (bearer_settings_where(setting) & where)
        && ap_find_command(bearer_settings_directive(setting),
                           auth_bearer_module.cmds);
}

static void dump_setting(apr_file_t *out, const bearer_settings_t *settings,
                         bearer_setting_t setting, apr_pool_t *p)
{
    apr_file_printf(out, "    %s %s%s\n", bearer_settings_directive(setting),
                    bearer_settings_print(settings, setting, p),
                    has(settings, setting) ? "" : "   # default");
}

/* What counts for the tokens of an issuer that has a value of its own. Not 0: so
 * have all that are accepted, and what else there is counts for nobody. */
static int dump_issuers(apr_file_t *out, const bearer_issuers_t *issuers,
                        const bearer_settings_t *here, bearer_setting_t setting,
                        apr_pool_t *p)
{
    int i, own = 0, others = 0;

    for (i = 0; issuers && i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        if (!bearer_judge_accepts(here, issuer)) {
            continue;
        }
        if (!has(&issuer->settings, setting)) {
            others++;
            continue;
        }
        own++;
        apr_file_printf(out, "    %s %s   # tokens of issuer %s\n",
                        bearer_settings_directive(setting),
                        bearer_settings_print(&issuer->settings, setting, p),
                        issuer->name);
    }
    return own && !others;
}

static void dump_section(apr_file_t *out, const bearer_section_t *section,
                         const walk_t *w)
{
    const server_config_t *server = bearer_config_server(section->server);
    bearer_settings_t here;
    int i;

    bearer_settings_resolve(&here, w->global->defaults, &server->settings, NULL,
                            &section->settings);
    apr_file_printf(out, "%s %s   # %s:%d, server %s\n",
                    section->node->directive, section->node->args,
                    section->node->filename, section->node->line_num,
                    section->server->server_hostname
                    ? section->server->server_hostname : "(main)");
    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        bearer_setting_t setting = (bearer_setting_t)i;

        if (may_stand(setting, BEARER_WHERE_D | BEARER_WHERE_H)
            && (has(&section->settings, setting)
                || !dump_issuers(out, server->issuers, &here, setting, w->p))) {
            dump_setting(out, &here, setting, w->p);
        }
    }
}

static void dump_list(apr_file_t *out, const char *directive,
                      const apr_array_header_t *words, apr_pool_t *p)
{
    if (words) {
        apr_file_printf(out, "    %s %s\n", directive,
                        apr_array_pstrcat(p, words, ' '));
    }
}

static void dump_issuer(apr_file_t *out, const walk_t *w, int index)
{
    const bearer_issuer_t *issuer = APR_ARRAY_IDX(w->global->issuers, index,
                                                  const bearer_issuer_t *);
    const server_rec *s = APR_ARRAY_IDX(w->global->issuer_servers, index,
                                        const server_rec *);
    static const char *const kinds[] = {
        [BEARER_SOURCE_DISCOVER] = "discover", [BEARER_SOURCE_OFF] = "off",
        [BEARER_SOURCE_URL] = "", [BEARER_SOURCE_FILE] = "file:",
        [BEARER_SOURCE_SPIFFE_URL] = "spiffe:", [BEARER_SOURCE_SPIFFE_FILE] = "spiffe:"
    };
    bearer_settings_t settings;
    int i;

    bearer_settings_resolve(&settings, w->global->defaults,
                            &bearer_config_server(s)->settings, &issuer->settings,
                            NULL);
    apr_file_printf(out, "<AuthBearerIssuer %s %s>   # %s:%d\n", issuer->url,
                    issuer->name, issuer->file, issuer->line);
    apr_file_printf(out, "    AuthBearerKeys %s%s\n", kinds[issuer->keys.kind],
                    issuer->keys.value ? issuer->keys.value : "");
    apr_file_printf(out, "    AuthBearerMetadata %s%s\n",
                    kinds[issuer->metadata.kind],
                    issuer->metadata.value ? issuer->metadata.value : "");
    apr_file_printf(out, "    AuthBearerIntrospection %s%s%s\n",
                    kinds[issuer->introspection.kind],
                    issuer->introspection.value ? issuer->introspection.value : "",
                    issuer->introspect_all ? " for=all" : "");
    apr_file_printf(out, "    AuthBearerIntrospectionTTL %" APR_TIME_T_FMT "%s\n",
                    apr_time_usec(issuer->introspection_ttl)
                    ? apr_time_as_msec(issuer->introspection_ttl)
                    : apr_time_sec(issuer->introspection_ttl),
                    apr_time_usec(issuer->introspection_ttl) ? "ms" : "s");
    dump_list(out, "AuthBearerTokenPrefix", issuer->token_prefixes, w->p);
    dump_list(out, "AuthBearerIssuerAlias", issuer->aliases, w->p);
    dump_list(out, "AuthBearerTenants", issuer->tenants, w->p);
    if (issuer->tenants_any || issuer->tenants_file) {
        apr_file_printf(out, "    AuthBearerTenants %s%s\n",
                        issuer->tenants_any ? "*" : "file:",
                        issuer->tenants_any ? "" : issuer->tenants_file);
    }
    if (issuer->fetch_auth_file) {
        apr_file_printf(out, "    AuthBearerFetchAuth file:%s\n",
                        issuer->fetch_auth_file);
    }
    for (i = 0; i < BEARER_SETTING_COUNT; i++) {
        if (may_stand((bearer_setting_t)i, BEARER_WHERE_I)) {
            dump_setting(out, &settings, (bearer_setting_t)i, w->p);
        }
    }
    apr_file_printf(out, "</AuthBearerIssuer>\n");
}

void bearer_check_dump(apr_pool_t *p, server_rec *s)
{
    apr_file_t *out = NULL;
    walk_t w;
    int i;

    if (!ap_exists_config_define("DUMP_BEARER")) {
        return;
    }
    apr_file_open_stdout(&out, p);
    begin(&w, p, s);
    apr_file_printf(out, "mod_auth_bearer: issuers\n");
    for (i = 0; i < w.global->issuers->nelts; i++) {
        dump_issuer(out, &w, i);
    }
    apr_file_printf(out, "mod_auth_bearer: sections with AuthType Bearer\n");
    for (i = 0; i < w.sections->nelts; i++) {
        dump_section(out, &APR_ARRAY_IDX(w.sections, i, bearer_section_t), &w);
    }
}
