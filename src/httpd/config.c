/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config.c
 * Directives into records. A directive of a layer (S, I, D, H) is a row in
 * `parsers`: what reads its words and where the value goes. Which layer it is
 * written to follows from where it stands; which layer counts is the library's
 * matter (settings.h).
 */
#include "glue.h"

#include <limits.h>

#include "bearer/login.h"

#include <apr_lib.h>
#include <apr_uri.h>

#include "bearer/resource.h"

APLOG_USE_MODULE(auth_bearer);

#define DEFAULT_TOKEN_CACHE 1024
#define MAX_TOKEN_CACHE 1000000
#define MAX_SKEW apr_time_from_sec(300)

static global_config_t *current; /* the configuration being read */

/* ---- records ------------------------------------------------------------ */

/* As soon as the module is loaded, because httpd makes the main server's record
 * then, before pre_config. */
void bearer_config_begin(apr_pool_t *pconf)
{
    current = apr_pcalloc(pconf, sizeof(*current));
    current->plain_http = apr_array_make(pconf, 2, sizeof(const char *));
    current->issuers = apr_array_make(pconf, 4, sizeof(bearer_issuer_t *));
    current->issuer_servers = apr_array_make(pconf, 4, sizeof(server_rec *));
    current->sections = apr_array_make(pconf, 8, sizeof(section_t));
    current->secrets = apr_array_make(pconf, 2, sizeof(configured_secret_t));
    current->token_cache_entries = DEFAULT_TOKEN_CACHE;
    current->defaults = bearer_settings_defaults(pconf);
}

int bearer_config_pre(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    bearer_authz_pre_config(pconf);
    return bearer_store_pre_config(pconf);
}

void *bearer_config_create_server(apr_pool_t *p, server_rec *s)
{
    server_config_t *server = apr_pcalloc(p, sizeof(*server));

    (void)s;
    server->global = current;
    return server;
}

/* SHA-256 over what was there and what comes: order counts. */
static void digest_add(unsigned char *digest, const void *more, apr_size_t len,
                       apr_pool_t *p)
{
    unsigned char *all = apr_palloc(p, BEARER_SHA256_SIZE + len);

    memcpy(all, digest, BEARER_SHA256_SIZE);
    memcpy(all + BEARER_SHA256_SIZE, more, len);
    bearer_text_sha256(all, BEARER_SHA256_SIZE + len, digest);
}

static void merge_login(login_config_t *login, const login_config_t *over)
{
    login->path = over->path ? over->path : login->path;
    login->base_url = over->base_url ? over->base_url : NULL; /* its own name */
    login->store = over->store ? over->store : login->store;
    login->max = over->max ? over->max : login->max;
    login->idle = over->idle ? over->idle : login->idle;
    login->used |= over->used;
}

void *bearer_config_merge_server(apr_pool_t *p, void *base_, void *over_)
{
    const server_config_t *base = base_, *over = over_;
    server_config_t *server = apr_pmemdup(p, base, sizeof(*base));

    bearer_settings_merge(&server->settings, &base->settings, &over->settings);
    if (over->issuers) {
        server->issuers = over->issuers;
    }
    if (over->secret_files) {
        server->secret_files = over->secret_files;
    }
    merge_login(&server->login, &over->login);
    digest_add(server->digest, over->digest, BEARER_SHA256_SIZE, p);
    return server;
}

void *bearer_config_create_dir(apr_pool_t *p, char *path)
{
    (void)path;
    return apr_pcalloc(p, sizeof(dir_config_t));
}

void *bearer_config_merge_dir(apr_pool_t *p, void *base_, void *over_)
{
    const dir_config_t *base = base_, *over = over_;
    dir_config_t *dir;

    if (!over->settings.set) {
        return base_;
    }
    if (!base->settings.set) {
        return over_;
    }
    dir = apr_pmemdup(p, base, sizeof(*base));
    bearer_settings_merge(&dir->settings, &base->settings, &over->settings);
    dir->from_htaccess = base->from_htaccess || over->from_htaccess;
    dir->has_digest = 1;
    digest_add(dir->digest, over->digest, BEARER_SHA256_SIZE, p);
    return dir;
}

server_config_t *bearer_config_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &auth_bearer_module);
}

const dir_config_t *bearer_config_dir(const request_rec *r)
{
    static const dir_config_t nothing;
    const dir_config_t *dir = ap_get_module_config(r->per_dir_config,
                                                   &auth_bearer_module);

    return dir ? dir : &nothing;
}

const bearer_settings_t *bearer_config_of(request_rec *r)
{
    request_t *own = bearer_request(r);
    const server_config_t *server = bearer_config_server(r->server);
    bearer_settings_t *resolved;

    /* <AuthzProviderAlias> swaps the configuration around a call */
    if (own->location_of != r->per_dir_config) {
        resolved = apr_palloc(r->pool, sizeof(*resolved));
        bearer_settings_resolve(resolved, server->global->defaults,
                                &server->settings, NULL,
                                &bearer_config_dir(r)->settings);
        own->location = resolved;
        own->location_of = r->per_dir_config;
    }
    return own->location;
}

int bearer_config_in_force(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type && !ap_cstr_casecmp(type, "Bearer");
}

/* ---- regular expressions ------------------------------------------------ */

static int match_regex(const void *compiled, const char *subject, int *starts,
                       int *ends, int n)
{
    ap_regmatch_t groups[10];
    int i;

    if (ap_regexec(compiled, subject, n > 10 ? 10 : (apr_size_t)n, groups, 0)) {
        return 0;
    }
    for (i = 0; i < n && i < 10; i++) {
        starts[i] = groups[i].rm_so;
        ends[i] = groups[i].rm_eo;
    }
    return 1;
}

const bearer_regex_t *bearer_config_regex(const char *pattern,
                                          const char **error, apr_pool_t *p)
{
    bearer_regex_t *regex = apr_pcalloc(p, sizeof(*regex));

    regex->pattern = apr_pstrdup(p, pattern);
    regex->match = match_regex;
    regex->compiled = ap_pregcomp(p, pattern, AP_REG_EXTENDED);
    if (!regex->compiled) {
        *error = apr_psprintf(p, "%s is not a regular expression",
                              bearer_text_quote(p, pattern));
        return NULL;
    }
    return regex;
}

/* ---- words -------------------------------------------------------------- */

apr_array_header_t *bearer_config_words(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(const char *));

    while (*args) {
        const char *word = ap_getword_conf(p, &args);

        if (*word || *args) {
            APR_ARRAY_PUSH(words, const char *) = word;
        }
    }
    return words;
}

/** What a parser gets: the words, and where it may put things. */
typedef struct parse_t {
    cmd_parms *cmd;
    apr_pool_t *p;
    apr_array_header_t *words;
    bearer_settings_t *out;
} parse_t;

typedef struct word_t {
    const char *word;
    int value;
} word_t;

/** A directive of a layer. `offset` is its member, `words` its keywords. */
typedef struct parser_t {
    bearer_setting_t setting;
    const char *(*parse)(const parse_t *in, const struct parser_t *row);
    apr_size_t offset;
    const word_t *words;
} parser_t;

#define MEMBER(in, row, type) \
    (*(type *)(void *)((char *)(in)->out + (row)->offset))
#define WORD(in, i) APR_ARRAY_IDX((in)->words, i, const char *)

static const char *complain(const parse_t *in, const char *format, const char *a)
{
    return apr_psprintf(in->p, "%s: %s", in->cmd->cmd->name,
                        apr_psprintf(in->p, format, a));
}

static const char *want(const parse_t *in, int min, int max)
{
    if (in->words->nelts < min) {
        return complain(in, "a value is missing%s", "");
    }
    return in->words->nelts > max
        ? complain(in, "unexpected %s", bearer_text_quote(in->p, WORD(in, max)))
        : NULL;
}

static const char *one_of(const parse_t *in, const word_t *words,
                          const char *given, int *value)
{
    const char *known = "";
    const word_t *w;

    for (w = words; w->word; w++) {
        if (!ap_cstr_casecmp(w->word, given)) {
            *value = w->value;
            return NULL;
        }
        known = apr_pstrcat(in->p, known, *known ? ", " : "", w->word, NULL);
    }
    return apr_psprintf(in->p, "%s: %s is none of: %s", in->cmd->cmd->name,
                        bearer_text_quote(in->p, given), known);
}

static const char *duration(const parse_t *in, const char *text,
                            apr_interval_time_t *out)
{
    if (!apr_isdigit(*text)
        || ap_timeout_parameter_parse(text, out, "s") != APR_SUCCESS) {
        return complain(in, "%s is not a time; write a number with ms, s, min "
                        "or h, e.g. 60s", bearer_text_quote(in->p, text));
    }
    return NULL;
}

/* key=value; *value is what is behind the `=`, or NULL */
static int keyed(const char *word, const char *key, const char **value)
{
    apr_size_t len = strlen(key);

    *value = strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1
                                                               : NULL;
    return *value != NULL;
}

/* ---- parsers ------------------------------------------------------------ */

static const word_t on_off[] = { {"On", 1}, {"Off", 0}, {NULL, 0} };
static const word_t refuse_accept[] = { {"refuse", 0}, {"accept", 1}, {NULL, 0} };
static const word_t off_pass[] = { {"off", 0}, {"pass", 1}, {NULL, 0} };
static const word_t strict_printable[] = {
    {"strict", 0}, {"printable", 1}, {NULL, 0}
};
static const word_t prefers[] = { {"cookie", 0}, {"bearer", 1}, {NULL, 0} };
static const word_t client_auths[] = {
    {"client_secret_basic", BEARER_CLIENT_SECRET_BASIC},
    {"client_secret_post", BEARER_CLIENT_SECRET_POST},
    {"client_secret_jwt", BEARER_CLIENT_SECRET_JWT},
    {"private_key_jwt", BEARER_CLIENT_PRIVATE_KEY_JWT},
    {"jwt_file", BEARER_CLIENT_JWT_FILE}, {"tls_client_auth", BEARER_CLIENT_TLS},
    {"bearer", BEARER_CLIENT_BEARER}, {"none", BEARER_CLIENT_NONE}, {NULL, 0}
};
static const word_t assertion_audiences[] = {
    {"issuer", 0}, {"endpoint", BEARER_CLIENT_AUD_ENDPOINT}, {NULL, 0}
};
static const word_t profiles[] = {
    {"auto", BEARER_PROFILE_AUTO}, {"rfc9068", BEARER_PROFILE_RFC9068}, {NULL, 0}
};
static const word_t strategies[] = {
    {"exact", BEARER_SCOPE_EXACT}, {"hierarchic", BEARER_SCOPE_HIERARCHIC},
    {"wildcard", BEARER_SCOPE_WILDCARD}, {NULL, 0}
};
static const word_t exports[] = {
    {"none", BEARER_EXPORT_NONE}, {"env", BEARER_EXPORT_ENV},
    {"headers", BEARER_EXPORT_HEADERS}, {"both", BEARER_EXPORT_BOTH}, {NULL, 0}
};
static const word_t forwards[] = {
    {"none", BEARER_FORWARD_NONE}, {"identity", BEARER_FORWARD_IDENTITY},
    {"token", BEARER_FORWARD_TOKEN}, {NULL, 0}
};
static const word_t providers[] = {
    {"jwt", BEARER_PROVIDER_JWT},
    {"introspection", BEARER_PROVIDER_INTROSPECTION}, {NULL, 0}
};

static const char *parse_word(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 1);

    return error ? error
                 : one_of(in, row->words, WORD(in, 0), &MEMBER(in, row, int));
}

static const char *parse_string(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 1);

    if (!error) {
        MEMBER(in, row, const char *) = WORD(in, 0);
    }
    return error;
}

static const char *parse_file(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 1);

    if (!error) {
        MEMBER(in, row, const char *) = ap_server_root_relative(in->p, WORD(in, 0));
    }
    return error;
}

static const char *parse_list(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, INT_MAX);
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!*WORD(in, i)) {
            error = complain(in, "an empty value means nothing here%s", "");
        }
    }
    if (!error) {
        MEMBER(in, row, const apr_array_header_t *) = in->words;
    }
    return error;
}

static const char *parse_paths(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, INT_MAX);
    apr_array_header_t *paths = apr_array_make(in->p, 2, sizeof(bearer_path_t *));
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const bearer_path_t *path = bearer_path_compile(WORD(in, i), in->p);

        if (!path) {
            return complain(in, "%s is not the name of a claim",
                            bearer_text_quote(in->p, WORD(in, i)));
        }
        APR_ARRAY_PUSH(paths, const bearer_path_t *) = path;
    }
    MEMBER(in, row, const apr_array_header_t *) = paths;
    return error;
}

static const char *parse_algorithms(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, INT_MAX);
    bearer_algs_t set = 0;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const bearer_alg_t *alg = bearer_alg_find(WORD(in, i));

        if (!ap_cstr_casecmp(WORD(in, i), "none")) {
            return complain(in, "a token without a signature proves nothing; "
                            "remove \"none\"%s", "");
        }
        if (!alg) {
            return complain(in, "%s is not a JWS algorithm; known are "
                            "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 "
                            "ES512 EdDSA Ed25519 Ed448 ES256K HS256 HS384 HS512",
                            bearer_text_quote(in->p, WORD(in, i)));
        }
        set |= alg->bit;
    }
    MEMBER(in, row, bearer_algs_t) = set;
    return error;
}

static const char *parse_duration(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 1);

    if (error) {
        return error;
    }
    if (row->setting == BEARER_SET_MAX_TOKEN_AGE
        && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        MEMBER(in, row, apr_interval_time_t) = 0;
        return NULL;
    }
    error = duration(in, WORD(in, 0), &MEMBER(in, row, apr_interval_time_t));
    if (error) {
        return error;
    }
    if (row->setting == BEARER_SET_CLOCK_SKEW && in->out->clock_skew > MAX_SKEW) {
        return complain(in, "at most 5min; set the clocks (NTP) rather than "
                        "this%s", "");
    }
    if (row->setting == BEARER_SET_MAX_TOKEN_AGE && in->out->max_token_age == 0) {
        return complain(in, "write off for no bound%s", "");
    }
    return NULL;
}

/* key=TIME words into the times they name; all keys are optional, none may be
 * unknown */
typedef struct time_key_t {
    const char *key;
    apr_interval_time_t *into;
} time_key_t;

static const char *parse_times(const parse_t *in, const time_key_t *keys)
{
    const char *error = want(in, 1, 3), *value;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const time_key_t *k = keys;

        while (k->key && !keyed(WORD(in, i), k->key, &value)) {
            k++;
        }
        error = k->key ? duration(in, value, k->into)
                       : complain(in, "%s is not known here",
                                  bearer_text_quote(in->p, WORD(in, i)));
    }
    return error;
}

static const char *parse_timeout(const parse_t *in, const parser_t *row)
{
    bearer_timeout_t *t = &MEMBER(in, row, bearer_timeout_t);
    const time_key_t keys[] = {
        {"connect", &t->connect}, {"total", &t->total}, {NULL, NULL}
    };
    const char *error;

    *t = current->defaults->timeout;
    error = parse_times(in, keys);
    if (!error && (t->connect <= 0 || t->total <= 0)) {
        error = complain(in, "a time must be above 0%s", "");
    }
    return error;
}

static const char *parse_refresh(const parse_t *in, const parser_t *row)
{
    bearer_refresh_t *t = &MEMBER(in, row, bearer_refresh_t);
    const time_key_t keys[] = {
        {"min", &t->min}, {"max", &t->max}, {"stale", &t->stale}, {NULL, NULL}
    };
    const char *error;

    *t = current->defaults->keys_refresh;
    error = parse_times(in, keys);
    if (!error && (t->min <= 0 || t->max < t->min)) {
        error = complain(in, "min must be above 0 and max not below min%s", "");
    }
    return error;
}

static const char *parse_throttle(const parse_t *in, const parser_t *row)
{
    bearer_throttle_settings_t *t = &MEMBER(in, row, bearer_throttle_settings_t);
    apr_array_header_t *times = apr_array_make(in->p, 2, sizeof(const char *));
    const time_key_t keys[] = {
        {"window", &t->window}, {"penalty", &t->penalty}, {NULL, NULL}
    };
    parse_t rest = *in;
    const char *error = want(in, 1, 3), *value;
    int i;

    *t = current->defaults->throttle;
    if (!error && in->words->nelts == 1
        && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        t->on = 0;
        return NULL;
    }
    for (i = 0; !error && i < in->words->nelts; i++) {
        char *end;

        if (!keyed(WORD(in, i), "threshold", &value)) {
            APR_ARRAY_PUSH(times, const char *) = WORD(in, i);
            continue;
        }
        t->threshold = (int)apr_strtoi64(value, &end, 10);
        if (!apr_isdigit(*value) || *end || t->threshold < 1
            || t->threshold > 100000) {
            error = complain(in, "threshold is a number from 1 to 100000%s", "");
        }
    }
    rest.words = times;
    if (!error && times->nelts) {
        error = parse_times(&rest, keys);
    }
    if (!error && (t->window <= 0 || t->penalty <= 0)) {
        error = complain(in, "window and penalty must be above 0%s", "");
    }
    t->on = 1;
    return error;
}

static const char *parse_providers(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 3);
    apr_array_header_t *chain = apr_array_make(in->p, 3, sizeof(int));
    int i, k, id = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        error = one_of(in, row->words, WORD(in, i), &id);
        for (k = 0; !error && k < chain->nelts; k++) {
            if (APR_ARRAY_IDX(chain, k, int) == id) {
                error = complain(in, "%s stands twice", WORD(in, i));
            }
        }
        APR_ARRAY_PUSH(chain, int) = id;
    }
    MEMBER(in, row, const apr_array_header_t *) = chain;
    return error;
}

static int is_token(const char *s)
{
    apr_size_t n = strspn(s, "!#$%&'*+-.^_`|~0123456789"
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return n > 0 && s[n] == '\0';
}

static const char *parse_token_from(const parse_t *in, const parser_t *row)
{
    static const struct {
        const char *word;
        bearer_from_kind_t kind;
        int named;  /* 1: a name must follow, 0: it may */
    } kinds[] = {
        {"header", BEARER_FROM_HEADER, 0}, {"cookie", BEARER_FROM_COOKIE, 1},
        {"query", BEARER_FROM_QUERY, 1},   {"env", BEARER_FROM_ENV, 1},
        {"basic", BEARER_FROM_BASIC, 0},   {NULL, 0, 0}
    };
    const char *error = want(in, 1, 16);
    apr_array_header_t *list = apr_array_make(in->p, 2, sizeof(bearer_from_t));
    int i, k;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i), *colon = strchr(word, ':');
        const char *name = colon ? colon + 1 : NULL;
        bearer_from_t *from = apr_array_push(list);

        if (colon) {
            word = apr_pstrmemdup(in->p, word, (apr_size_t)(colon - word));
        }
        for (k = 0; kinds[k].word && strcmp(kinds[k].word, word) != 0; k++) {
        }
        if (!kinds[k].word || (kinds[k].named && !name) || (name && !*name)
            || (name && kinds[k].kind != BEARER_FROM_BASIC && !is_token(name))) {
            return complain(in, "%s is none of: header, header:NAME, "
                            "cookie:NAME, query:NAME, env:NAME, basic, "
                            "basic:USER", bearer_text_quote(in->p, WORD(in, i)));
        }
        from->kind = kinds[k].kind;
        from->name = name;
        if (from->kind == BEARER_FROM_HEADER && name
            && !ap_cstr_casecmp(name, "Authorization")) {
            from->name = NULL;
        }
    }
    MEMBER(in, row, const apr_array_header_t *) = list;
    return error;
}

static const char *parse_user_claim(const parse_t *in, const parser_t *row)
{
    bearer_user_claim_t *claim = &MEMBER(in, row, bearer_user_claim_t);
    const char *error = want(in, 1, 3);

    if (error) {
        return error;
    }
    memset(claim, 0, sizeof(*claim));
    claim->path = bearer_path_compile(WORD(in, 0), in->p);
    if (!claim->path) {
        return complain(in, "%s is not the name of a claim",
                        bearer_text_quote(in->p, WORD(in, 0)));
    }
    if (!strcmp(WORD(in, 0), "email") && row->setting == BEARER_SET_USER_CLAIM) {
        return complain(in, "an e-mail address in a token need not be verified, "
                        "so another person's can be claimed (spoofing); use "
                        "sub, or a claim that only your issuer can set%s", "");
    }
    if (in->words->nelts == 2) {
        return complain(in, "a REGEX needs a SUBST behind it, e.g. "
                        "AuthBearerUserClaim sub \"^auth0\\|(.+)$\" $1%s", "");
    }
    if (in->words->nelts == 3) {
        claim->regex = bearer_config_regex(WORD(in, 1), &error, in->p);
        claim->substitution = WORD(in, 2);
        return claim->regex ? NULL : complain(in, "%s", error);
    }
    return NULL;
}

static const char *parse_user_format(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 1), *c;

    for (c = error ? "" : WORD(in, 0); *c; c++) {
        if (*c == '%' && !strchr("ui%", *++c)) {
            return complain(in, "only %%u (the user claim), %%i (the issuer's "
                            "NAME) and %%%% are known in %s", WORD(in, 0));
        }
    }
    if (!error && !strstr(WORD(in, 0), "%u")) {
        return complain(in, "without %%u everybody would be the same user: %s",
                        WORD(in, 0));
    }
    return error ? error : parse_string(in, row);
}

static int has_prefix(const char *s, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (!strncmp(s, *prefixes, strlen(*prefixes))) {
            return 1;
        }
    }
    return 0;
}

static const char *check_env_prefix(const parse_t *in, const char *prefix)
{
    static const char *const taken[] = {
        "HTTP_", "REDIRECT_", "REMOTE_", "SSL_", NULL
    };
    apr_size_t n = strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    if (prefix[n] || n < 2 || n > 64) {
        return complain(in, "env-prefix is 2 to 64 characters of A-Z, 0-9, _; "
                        "not %s", bearer_text_quote(in->p, prefix));
    }
    if (has_prefix(prefix, taken)) {
        return complain(in, "env-prefix %s would overwrite variables of httpd; "
                        "HTTP_, REDIRECT_, REMOTE_ and SSL_ are taken", prefix);
    }
    return NULL;
}

static const char *split_commas(const parse_t *in, const char *text,
                                const apr_array_header_t **list)
{
    apr_array_header_t *names = apr_array_make(in->p, 4, sizeof(const char *));
    char *rest, *name = apr_strtok(apr_pstrdup(in->p, text), ",", &rest);

    for (; name; name = apr_strtok(NULL, ",", &rest)) {
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    *list = names;
    return names->nelts ? NULL : complain(in, "claims= names no claim%s", "");
}

static const char *parse_export(const parse_t *in, const parser_t *row)
{
    bearer_export_settings_t *e = &MEMBER(in, row, bearer_export_settings_t);
    const char *error = want(in, 1, 4), *value;
    int i;

    *e = current->defaults->exports;
    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i);

        if (keyed(word, "env-prefix", &value)) {
            e->env_prefix = value;
            error = check_env_prefix(in, value);
        }
        else if (keyed(word, "header-prefix", &value)) {
            e->header_prefix = value;
            if (!is_token(value) || strlen(value) < 2 || strlen(value) > 64) {
                error = complain(in, "header-prefix is 2 to 64 characters that "
                                 "a header name can have; not %s",
                                 bearer_text_quote(in->p, value));
            }
        }
        else if (keyed(word, "claims", &value)) {
            e->claims = NULL;
            if (strcmp(value, "*") != 0) {
                error = split_commas(in, value, &e->claims);
            }
        }
        else {
            error = one_of(in, row->words, word, &e->mode);
        }
    }
    return error;
}

static const char *parse_forward(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 2);
    int i, bits = 0, bit = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        error = one_of(in, row->words, WORD(in, i), &bit);
        bits |= bit;
        if (!error && bit == BEARER_FORWARD_NONE && in->words->nelts > 1) {
            error = complain(in, "none stands alone%s", "");
        }
    }
    if (!error && (bits & BEARER_FORWARD_TOKEN)
        && ap_check_cmd_context(in->cmd, NOT_IN_HTACCESS)) {
        error = complain(in, "token is not allowed in .htaccess: who may write "
                         "there must not collect tokens; write it in a "
                         "<Directory> or <Location>%s", "");
    }
    MEMBER(in, row, int) = bits;
    return error;
}

/* Read when the server starts, and by children when it changes. */
static void note_secret(const parse_t *in, bearer_secret_t *secret)
{
    configured_secret_t *noted = apr_array_push(current->secrets);

    noted->secret = secret;
    noted->node = in->cmd->directive;
}

static const char *parse_client_secret(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 1);
    bearer_secret_t *secret = NULL;

    if (!error) {
        error = bearer_secret_parse(&secret, WORD(in, 0), "AuthBearerClientSecret",
                                    in->p);
        error = error ? complain(in, "%s", error) : NULL;
    }
    if (!error && secret->kind == BEARER_SECRET_FILE) {
        secret->source = ap_server_root_relative(in->p, secret->source);
    }
    if (!error) {
        note_secret(in, secret);
        MEMBER(in, row, bearer_secret_t *) = secret;
    }
    return error;
}

static const char *parse_client_key(const parse_t *in, const parser_t *row)
{
    const char *error = parse_file(in, row);

    if (!error) {
        note_secret(in, bearer_secret_of_file(MEMBER(in, row, const char *),
                                              "AuthBearerClientKey", in->p));
    }
    return error;
}

static const char *parse_client_auth(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 2), *value;
    int method = 0, audience = 0;

    if (!error) {
        error = one_of(in, row->words, WORD(in, 0), &method);
    }
    if (!error && in->words->nelts == 2) {
        error = keyed(WORD(in, 1), "aud", &value)
            ? one_of(in, assertion_audiences, value, &audience)
            : complain(in, "the second word is aud=issuer or aud=endpoint%s", "");
    }
    MEMBER(in, row, int) = method | audience;
    return error;
}

const bearer_secret_t *bearer_config_key(const global_config_t *global,
                                         const char *path)
{
    int i;

    for (i = 0; path && i < global->secrets->nelts; i++) {
        const bearer_secret_t *secret = APR_ARRAY_IDX(global->secrets, i,
                                                      configured_secret_t).secret;

        if (secret->whole && !strcmp(secret->source, path)) {
            return secret;
        }
    }
    return NULL;
}

static const char *parse_login(const parse_t *in, const parser_t *row)
{
    bearer_login_settings_t *login = &MEMBER(in, row, bearer_login_settings_t);
    apr_array_header_t *list = apr_array_make(in->p, 2, sizeof(const char *));
    const char *error = want(in, 1, 16);
    int i;

    if (!error) {
        error = one_of(in, row->words, WORD(in, 0), &login->on);
    }
    for (i = 1; !error && i < in->words->nelts; i++) {
        error = bearer_login_parameter_error(WORD(in, i), in->p);
        error = error ? complain(in, "%s", error) : NULL;
        APR_ARRAY_PUSH(list, const char *) = WORD(in, i);
    }
    login->parameters = list->nelts ? list : NULL;
    return error;
}

static const char *parse_resource(const parse_t *in, const parser_t *row)
{
    const char *error = want(in, 1, 64);

    if (!error) {
        error = bearer_resource_parse(&MEMBER(in, row, const bearer_resource_t *),
                                      in->words, in->p);
        error = error ? complain(in, "%s", error) : NULL;
    }
    return error;
}

static const char *parse_http_proxy(const parse_t *in, const parser_t *row)
{
    const char *error = parse_string(in, row);
    apr_uri_t uri;

    if (!error && !ap_cstr_casecmp(WORD(in, 0), "none")) {
        MEMBER(in, row, const char *) = NULL;
    }
    else if (!error
             && (apr_uri_parse(in->p, WORD(in, 0), &uri) != APR_SUCCESS
                 || !uri.scheme || !uri.hostname
                 || (strcmp(uri.scheme, "http") && strcmp(uri.scheme, "https")))) {
        error = complain(in, "%s is not the URL of a proxy, e.g. "
                         "http://proxy.example.com:3128",
                         bearer_text_quote(in->p, WORD(in, 0)));
    }
    return error;
}

int bearer_config_keeps_answers(const global_config_t *global)
{
    int i;

    for (i = 0; i < global->issuers->nelts; i++) {
        const bearer_issuer_t *issuer = APR_ARRAY_IDX(global->issuers, i,
                                                      const bearer_issuer_t *);

        if (issuer->introspection.kind != BEARER_SOURCE_OFF
            && issuer->introspection_ttl) {
            return 1;
        }
    }
    return 0;
}

#define ROW(symbol, parse, member, words) \
    { BEARER_SET_##symbol, parse, offsetof(bearer_settings_t, member), words }

static const parser_t parsers[] = {
    ROW(ALGORITHMS, parse_algorithms, algorithms, NULL),
    ROW(CLIENT_ID, parse_string, client_id, NULL),
    ROW(CLIENT_SECRET, parse_client_secret, client_secret, NULL),
    ROW(CLIENT_AUTH, parse_client_auth, client_auth, client_auths),
    ROW(CLIENT_KEY, parse_client_key, client_key, NULL),
    ROW(CLIENT_CERT, parse_file, client_cert, NULL),
    ROW(CA_FILE, parse_file, ca_file, NULL),
    ROW(HTTP_PROXY, parse_http_proxy, http_proxy, NULL),
    ROW(TIMEOUT, parse_timeout, timeout, NULL),
    ROW(KEYS_REFRESH, parse_refresh, keys_refresh, NULL),
    ROW(PROVIDERS, parse_providers, providers, providers),
    ROW(ACCEPT_ISSUER, parse_list, accept_issuer, NULL),
    ROW(AUDIENCE, parse_list, audience, NULL),
    ROW(NO_AUDIENCE, parse_word, no_audience_accept, refuse_accept),
    ROW(CLIENTS, parse_list, clients, NULL),
    ROW(TOKEN_FROM, parse_token_from, token_from, NULL),
    ROW(MAX_TOKEN_AGE, parse_duration, max_token_age, NULL),
    ROW(CLOCK_SKEW, parse_duration, clock_skew, NULL),
    ROW(TOKEN_PROFILE, parse_word, token_profile, profiles),
    ROW(THROTTLE, parse_throttle, throttle, NULL),
    ROW(CHALLENGE, parse_word, challenge, on_off),
    ROW(OPTIONAL, parse_word, optional, on_off),
    ROW(PREFLIGHT, parse_word, preflight_pass, off_pass),
    ROW(USER_CLAIM, parse_user_claim, user_claim, NULL),
    ROW(USER_FORMAT, parse_user_format, user_format, NULL),
    ROW(USER_CHARS, parse_word, user_chars_printable, strict_printable),
    ROW(ROLES_CLAIM, parse_paths, roles_claim, NULL),
    ROW(GROUPS_CLAIM, parse_paths, groups_claim, NULL),
    ROW(SCOPE_CLAIM, parse_paths, scope_claim, NULL),
    ROW(SCOPE_STRATEGY, parse_word, scope_strategy, strategies),
    ROW(EXPORT, parse_export, exports, exports),
    ROW(FORWARD, parse_forward, forward, forwards),
    ROW(STRIP_COOKIES, parse_word, strip_cookies, on_off),
    ROW(SESSION, parse_word, session, on_off),
    ROW(LOGIN, parse_login, login, on_off),
    ROW(PREFER_BEARER, parse_word, prefer_bearer, prefers),
    ROW(LOGIN_ISSUER, parse_string, login_issuer, NULL),
    ROW(LOGIN_SCOPES, parse_list, login_scopes, NULL),
    ROW(SESSION_USER_CLAIM, parse_user_claim, session_user_claim, NULL),
    ROW(RESOURCE, parse_resource, resource, NULL),
};

static const parser_t *parser_find(const char *directive)
{
    apr_size_t i;

    for (i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
        if (!strcasecmp(bearer_settings_directive(parsers[i].setting), directive)) {
            return &parsers[i];
        }
    }
    return NULL;
}

/* ---- layers ------------------------------------------------------------- */

static server_config_t *server_of(cmd_parms *cmd)
{
    return bearer_config_server(cmd->server);
}

static void remember_section(cmd_parms *cmd, dir_config_t *dir)
{
    const apr_array_header_t *all = current->sections;
    section_t *section;

    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        dir->from_htaccess = 1;  /* its directives are gone after the request */
        return;
    }
    if (all->nelts
        && APR_ARRAY_IDX(all, all->nelts - 1, section_t).dir == dir) {
        return;
    }
    section = apr_array_push(current->sections);
    section->server = cmd->server;
    section->node = cmd->directive->parent;
    section->dir = dir;
}

/** Which layer a directive is written to here, or why it may not stand here. */
static const char *layer(cmd_parms *cmd, void *dir_, int where,
                         bearer_settings_t **out, unsigned char **digest)
{
    server_config_t *server = server_of(cmd);
    dir_config_t *dir = dir_;

    if (server->open) {
        *out = &server->open->settings;
        *digest = server->digest;
        return where & BEARER_WHERE_I ? NULL
            : apr_psprintf(cmd->pool, "%s does not belong into "
                           "<AuthBearerIssuer>", cmd->cmd->name);
    }
    if (!cmd->path) {
        *out = &server->settings;
        *digest = server->digest;
        return where & BEARER_WHERE_S ? NULL
            : apr_psprintf(cmd->pool, "%s belongs into %s", cmd->cmd->name,
                           where & BEARER_WHERE_D
                           ? "a <Location> or <Directory>"
                           : "<AuthBearerIssuer>");
    }
    if (!(where & BEARER_WHERE_D)) {
        return apr_psprintf(cmd->pool, "%s belongs into the server or a "
                            "<VirtualHost>, not into a section", cmd->cmd->name);
    }
    if (!(where & BEARER_WHERE_H) && ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        return apr_psprintf(cmd->pool, "%s is not allowed in .htaccess; write it "
                            "in a <Directory> or <Location> of the server's "
                            "configuration", cmd->cmd->name);
    }
    remember_section(cmd, dir);
    dir->has_digest = 1;
    *out = &dir->settings;
    *digest = dir->digest;
    return NULL;
}

const char *bearer_config_setting(cmd_parms *cmd, void *dir, const char *args)
{
    const parser_t *row = parser_find(cmd->cmd->name);
    unsigned char *digest = NULL;
    parse_t in;
    const char *error, *text;

    if (!row) {
        return "has no parser in this version";
    }
    in.cmd = cmd;
    in.p = cmd->pool;
    error = layer(cmd, dir, bearer_settings_where(row->setting), &in.out, &digest);
    if (error) {
        return error;
    }
    in.words = bearer_config_words(cmd->pool, args);
    error = row->parse(&in, row);
    in.out->set |= (apr_uint64_t)1 << row->setting;
    if (!error && !ap_check_cmd_context(cmd, NOT_IN_HTACCESS)
        && ((row->setting == BEARER_SET_SESSION && in.out->session)
            || (row->setting == BEARER_SET_LOGIN && in.out->login.on))) {
        server_of(cmd)->login.used = 1;
    }
    text = apr_pstrcat(cmd->temp_pool, cmd->cmd->name, " ", args, NULL);
    digest_add(digest, text, strlen(text), cmd->temp_pool);
    return error;
}

/* ---- issuers ------------------------------------------------------------ */

const char *bearer_config_not_inside(cmd_parms *cmd)
{
    return !server_of(cmd)->open ? NULL
        : apr_psprintf(cmd->pool, "%s does not belong into <AuthBearerIssuer>",
                       cmd->cmd->name);
}

/* %i of AuthBearerUserFormat must tell the issuers of a server apart. */
static const char *name_taken(const bearer_issuers_t *issuers,
                              const bearer_issuer_t *issuer, apr_pool_t *p)
{
    int i;

    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *other = bearer_issuers_at(issuers, i);

        if (!strcmp(other->name, issuer->name)
            && strcmp(other->url, issuer->url) != 0) {
            return apr_psprintf(p, "the name %s is taken by issuer %s: their users "
                                "would be the same people; choose another NAME",
                                bearer_text_quote(p, issuer->name), other->url);
        }
    }
    return NULL;
}

static const char *declare_issuer(cmd_parms *cmd, bearer_issuer_t *issuer)
{
    server_config_t *server = server_of(cmd);
    const char *error;

    if (!server->issuers) {
        server->issuers = bearer_issuers_create(cmd->pool);
    }
    issuer->index = current->issuers->nelts;
    error = name_taken(server->issuers, issuer, cmd->pool);
    if (!error) {
        error = bearer_issuers_add(server->issuers, issuer);
    }
    if (error) {
        return apr_psprintf(cmd->pool, "AuthBearerIssuer: %s", error);
    }
    APR_ARRAY_PUSH(current->issuers, bearer_issuer_t *) = issuer;
    APR_ARRAY_PUSH(current->issuer_servers, server_rec *) = cmd->server;
    /* its own number: what another vhost declares alike is another issuer, with
     * another NAME perhaps, and verified tokens are not shared with it */
    digest_add(server->digest, &issuer->index, sizeof(issuer->index),
               cmd->temp_pool);
    digest_add(server->digest, issuer->url, strlen(issuer->url), cmd->temp_pool);
    return NULL;
}

static const char *new_issuer(cmd_parms *cmd, const char *args,
                              bearer_issuer_t **out, int named)
{
    apr_array_header_t *words = bearer_config_words(cmd->pool, args);
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_LOC_FILE
                                                  | NOT_IN_HTACCESS);
    bearer_issuer_t *issuer;

    if (error || (error = bearer_config_not_inside(cmd))) {
        return error;
    }
    if (words->nelts < 1 || words->nelts > (named ? 2 : 1)) {
        return named ? "<AuthBearerIssuer URL [NAME]> names one issuer"
                     : "AuthBearerIssuer names one issuer; repeat the directive "
                       "for each, or use <AuthBearerIssuer URL NAME>";
    }
    issuer = apr_pcalloc(cmd->pool, sizeof(*issuer));
    issuer->url = APR_ARRAY_IDX(words, 0, const char *);
    issuer->name = APR_ARRAY_IDX(words, words->nelts - 1, const char *);
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    issuer->introspection_ttl = apr_time_from_sec(60);
    issuer->file = cmd->directive->filename;
    issuer->line = cmd->directive->line_num;
    *out = issuer;
    return *issuer->url ? NULL : "AuthBearerIssuer: the name is empty";
}

const char *bearer_config_issuer(cmd_parms *cmd, void *dir, const char *args)
{
    bearer_issuer_t *issuer;
    const char *error = new_issuer(cmd, args, &issuer, 0);

    (void)dir;
    return error ? error : declare_issuer(cmd, issuer);
}

const char *bearer_config_issuer_section(cmd_parms *cmd, void *dir,
                                         const char *args)
{
    const char *end = strrchr(args, '>'), *error;
    server_config_t *server = server_of(cmd);
    bearer_issuer_t *issuer;

    (void)dir;
    if (!end) {
        return "<AuthBearerIssuer> lacks its closing >";
    }
    error = new_issuer(cmd, apr_pstrmemdup(cmd->temp_pool, args,
                                           (apr_size_t)(end - args)),
                       &issuer, 1);
    if (error) {
        return error;
    }
    server->open = issuer;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    server->open = NULL;
    return error ? error : declare_issuer(cmd, issuer);
}

static const char *source(const parse_t *in, bearer_source_t *out, int spiffe)
{
    const char *word = WORD(in, 0);
    int is_spiffe = spiffe && !strncmp(word, "spiffe:", 7);

    if (is_spiffe) {
        word += 7;
    }
    if (!strncmp(word, "file:", 5) || (is_spiffe && *word == '/')) {
        out->kind = is_spiffe ? BEARER_SOURCE_SPIFFE_FILE : BEARER_SOURCE_FILE;
        out->value = ap_server_root_relative(in->p, word
                                             + (*word == '/' ? 0 : 5));
        return out->value ? NULL : complain(in, "%s is not a path", word);
    }
    if (strncmp(word, "https:", 6) && strncmp(word, "http:", 5)) {
        return complain(in, "%s is neither a URL nor one of this directive's "
                        "words", bearer_text_quote(in->p, word));
    }
    out->kind = is_spiffe ? BEARER_SOURCE_SPIFFE_URL : BEARER_SOURCE_URL;
    out->value = word;
    return NULL;
}

static const char *issuer_alias(const parse_t *in, bearer_issuer_t *issuer)
{
    issuer->aliases = in->words;
    return want(in, 1, INT_MAX);
}

static const char *issuer_tenants(const parse_t *in, bearer_issuer_t *issuer)
{
    const char *error = want(in, 1, INT_MAX);

    if (error) {
        return error;
    }
    if (!strcmp(WORD(in, 0), "*") && in->words->nelts == 1) {
        issuer->tenants_any = 1;
    }
    else if (!strncmp(WORD(in, 0), "file:", 5) && in->words->nelts == 1) {
        issuer->tenants_file = ap_server_root_relative(in->p, WORD(in, 0) + 5);
    }
    else {
        issuer->tenants = in->words;
    }
    return NULL;
}

static const char *issuer_metadata(const parse_t *in, bearer_issuer_t *issuer)
{
    static const word_t words[] = {
        {"discover", BEARER_SOURCE_DISCOVER}, {"off", BEARER_SOURCE_OFF}, {NULL, 0}
    };
    const char *error = want(in, 1, 1);
    int kind = 0;

    if (!error && !one_of(in, words, WORD(in, 0), &kind)) {
        issuer->metadata.kind = (bearer_source_kind_t)kind;
        return NULL;
    }
    return error ? error : source(in, &issuer->metadata, 0);
}

static const char *issuer_keys(const parse_t *in, bearer_issuer_t *issuer)
{
    const char *error = want(in, 1, 1);

    if (!error && !ap_cstr_casecmp(WORD(in, 0), "discover")) {
        issuer->keys.kind = BEARER_SOURCE_DISCOVER;
        return NULL;
    }
    return error ? error : source(in, &issuer->keys, 1);
}

static const char *issuer_fetch_auth(const parse_t *in, bearer_issuer_t *issuer)
{
    const char *error = want(in, 1, 1);

    if (error || strncmp(WORD(in, 0), "file:", 5)) {
        return error ? error
                     : complain(in, "write file:PATH; a token does not belong "
                                "into the configuration%s", "");
    }
    issuer->fetch_auth_file = ap_server_root_relative(in->p, WORD(in, 0) + 5);
    return NULL;
}

static const char *issuer_introspection(const parse_t *in,
                                        bearer_issuer_t *issuer)
{
    static const word_t words[] = {
        {"discover", BEARER_SOURCE_DISCOVER}, {"off", BEARER_SOURCE_OFF}, {NULL, 0}
    };
    static const word_t whom[] = { {"opaque", 0}, {"all", 1}, {NULL, 0} };
    const char *error = want(in, 1, 2), *value;
    int kind = 0;

    if (!error && !one_of(in, words, WORD(in, 0), &kind)) {
        issuer->introspection.kind = (bearer_source_kind_t)kind;
    }
    else if (!error) {
        error = source(in, &issuer->introspection, 0);
    }
    if (!error && issuer->introspection.kind == BEARER_SOURCE_FILE) {
        error = complain(in, "a file cannot be asked; write the endpoint's URL%s",
                         "");
    }
    if (error || in->words->nelts == 1) {
        return error;
    }
    return keyed(WORD(in, 1), "for", &value)
        ? one_of(in, whom, value, &issuer->introspect_all)
        : complain(in, "the second word is for=opaque or for=all%s", "");
}

static const char *issuer_introspection_ttl(const parse_t *in,
                                            bearer_issuer_t *issuer)
{
    const char *error = want(in, 1, 1);

    return error ? error : duration(in, WORD(in, 0), &issuer->introspection_ttl);
}

static const char *issuer_token_prefix(const parse_t *in, bearer_issuer_t *issuer)
{
    const char *error = want(in, 1, INT_MAX);
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!*WORD(in, i)) {
            error = complain(in, "an empty prefix would be every token's%s", "");
        }
    }
    issuer->token_prefixes = in->words;
    return error;
}

/** Directives that only an issuer has. */
static const struct {
    const char *name;
    const char *(*parse)(const parse_t *in, bearer_issuer_t *issuer);
} issuer_parsers[] = {
    {"AuthBearerIssuerAlias", issuer_alias},
    {"AuthBearerTenants", issuer_tenants},
    {"AuthBearerMetadata", issuer_metadata},
    {"AuthBearerKeys", issuer_keys},
    {"AuthBearerFetchAuth", issuer_fetch_auth},
    {"AuthBearerIntrospection", issuer_introspection},
    {"AuthBearerIntrospectionTTL", issuer_introspection_ttl},
    {"AuthBearerTokenPrefix", issuer_token_prefix},
};

const char *bearer_config_in_issuer(cmd_parms *cmd, void *dir, const char *args)
{
    server_config_t *server = server_of(cmd);
    const char *text;
    parse_t in;
    int i = 0;

    (void)dir;
    if (!server->open) {
        return apr_psprintf(cmd->pool, "%s belongs into <AuthBearerIssuer URL> "
                            "... </AuthBearerIssuer>", cmd->cmd->name);
    }
    while (strcasecmp(issuer_parsers[i].name, cmd->cmd->name) != 0) {
        i++;
    }
    in.cmd = cmd;
    in.p = cmd->pool;
    in.out = NULL;
    in.words = bearer_config_words(cmd->pool, args);
    text = apr_pstrcat(cmd->temp_pool, cmd->cmd->name, " ", args, NULL);
    digest_add(server->digest, text, strlen(text), cmd->temp_pool);
    return issuer_parsers[i].parse(&in, server->open);
}

/* ---- global directives -------------------------------------------------- */

static const char *global_plain_http(const parse_t *in)
{
    apr_array_cat(current->plain_http, in->words);
    return want(in, 1, INT_MAX);
}

static const char *global_token_cache(const parse_t *in)
{
    const char *error = want(in, 1, 1), *value;
    char *end;
    apr_int64_t n;

    if (!error && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        current->token_cache_entries = 0;
        return NULL;
    }
    if (error || !keyed(WORD(in, 0), "entries", &value)) {
        return complain(in, "write entries=N or off%s", "");
    }
    n = apr_strtoi64(value, &end, 10);
    if (!apr_isdigit(*value) || *end || n < 1 || n > MAX_TOKEN_CACHE) {
        return complain(in, "entries is a number from 1 to 1000000%s", "");
    }
    current->token_cache_entries = (unsigned)n;
    return NULL;
}

static const char *global_revocations(const parse_t *in)
{
    const char *error = want(in, 1, 1);

    if (error || strncmp(WORD(in, 0), "file:", 5)) {
        return error ? error : complain(in, "write file:PATH%s", "");
    }
    current->revocations = ap_server_root_relative(in->p, WORD(in, 0) + 5);
    return NULL;
}

static const struct {
    const char *name;
    const char *(*parse)(const parse_t *in);
} global_parsers[] = {
    {"AuthBearerPlainHTTP", global_plain_http},
    {"AuthBearerTokenCache", global_token_cache},
    {"AuthBearerRevocations", global_revocations},
};

const char *bearer_config_global(cmd_parms *cmd, void *dir, const char *args)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    parse_t in;
    int i = 0;

    (void)dir;
    if (error || (error = bearer_config_not_inside(cmd))) {
        return error;
    }
    while (strcasecmp(global_parsers[i].name, cmd->cmd->name) != 0) {
        i++;
    }
    in.cmd = cmd;
    in.p = cmd->pool;
    in.out = NULL;
    in.words = bearer_config_words(cmd->pool, args);
    return global_parsers[i].parse(&in);
}

/* ---- browsers: directives of a vhost ------------------------------------- */

static const char *login_path(const parse_t *in, login_config_t *login)
{
    const char *error = want(in, 1, 1), *path = error ? "" : WORD(in, 0);
    apr_size_t len = strlen(path);

    if (!error && (len < 2 || len > 128 || *path != '/' || path[len - 1] == '/'
                   || strstr(path, "//") || strstr(path, "/.."
                   ) || path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz0123456789"
                                    "-._~/")])) {
        error = complain(in, "%s is not a path such as /.auth (letters, digits, "
                         "- . _ ~, no slash at its end)",
                         bearer_text_quote(in->p, path));
    }
    login->path = path;
    login->used = 1;
    return error;
}

/* The origin alone: cookies and the return to a page know no path before it. */
static const char *login_base_url(const parse_t *in, login_config_t *login)
{
    const char *error = want(in, 1, 1), *wrong;
    bearer_http_url_t url;

    if (error) {
        return error;
    }
    wrong = bearer_http_url_split(&url, WORD(in, 0), in->p);
    if (wrong || (*url.path && strcmp(url.path, "/") != 0)) {
        return complain(in, "%s is not SCHEME://HOST[:PORT], this server as "
                        "browsers see it",
                        bearer_text_quote(in->p, WORD(in, 0)));
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

static const char *login_store(const parse_t *in, login_config_t *login)
{
    static const word_t stores[] = { {"cache", 1}, {"cookie", 2}, {NULL, 0} };
    const char *error = want(in, 1, 1);

    return error ? error : one_of(in, stores, WORD(in, 0), &login->store);
}

static const char *login_lifetime(const parse_t *in, login_config_t *login)
{
    const time_key_t keys[] = {
        {"max", &login->max}, {"idle", &login->idle}, {NULL, NULL}
    };
    const char *error = parse_times(in, keys);

    if (!error && ((login->max && login->max < apr_time_from_sec(1))
                   || (login->idle && login->idle < apr_time_from_sec(1))
                   || login->max > apr_time_from_sec(29 * 24 * 3600))) {
        error = complain(in, "max and idle are at least 1s, max at most 696h%s",
                         "");
    }
    return error;
}

static const struct {
    const char *name;
    const char *(*parse)(const parse_t *in, login_config_t *login);
} login_parsers[] = {
    {"AuthBearerLoginPath", login_path},
    {"AuthBearerBaseURL", login_base_url},
    {"AuthBearerSessionStore", login_store},
    {"AuthBearerSessionLifetime", login_lifetime},
};

const char *bearer_config_login(cmd_parms *cmd, void *dir, const char *args)
{
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_LOC_FILE
                                                  | NOT_IN_HTACCESS);
    parse_t in;
    int i = 0;

    (void)dir;
    if (error || server_of(cmd)->open) {
        return error ? error : apr_psprintf(cmd->pool, "%s belongs into the "
                                            "server or a <VirtualHost>",
                                            cmd->cmd->name);
    }
    while (strcasecmp(login_parsers[i].name, cmd->cmd->name) != 0) {
        i++;
    }
    in.cmd = cmd;
    in.p = cmd->pool;
    in.out = NULL;
    in.words = bearer_config_words(cmd->pool, args);
    return login_parsers[i].parse(&in, &server_of(cmd)->login);
}

const char *bearer_config_secret_file(cmd_parms *cmd, void *dir,
                                      const char *args)
{
    apr_array_header_t *words = bearer_config_words(cmd->pool, args);
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_LOC_FILE
                                                  | NOT_IN_HTACCESS);
    int i;

    (void)dir;
    if (error || (error = bearer_config_not_inside(cmd))) {
        return error;
    }
    if (!words->nelts) {
        return "AuthBearerSecretFile: a path is missing";
    }
    for (i = 0; i < words->nelts; i++) {
        const char **path = &APR_ARRAY_IDX(words, i, const char *);

        *path = ap_server_root_relative(cmd->pool, *path);
    }
    server_of(cmd)->secret_files = words;
    if (!cmd->server->is_virtual) {
        current->secret_files = words;
    }
    return NULL;
}
