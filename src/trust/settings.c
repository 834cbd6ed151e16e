/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Layers of settings: merged, resolved and printed by walking one table that
 * BEARER_SETTINGS of settings.h fills. Pure functions over the caller's
 * structs; thread-safe.
 */
#include "trust/settings.h"

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "base/http.h"
#include "trust/resource.h"
#include "trust/session_check_line.h"

typedef struct setting_row_t {
    const char *directive;
    int where;
    apr_size_t offset;
    apr_size_t size;
} setting_row_t;

#define MEMBER_SIZE(member) sizeof(((bearer_settings_t *)0)->member)

static const setting_row_t rows[] = {
#define X(symbol, member, type, directive, where) \
    { directive, where, offsetof(bearer_settings_t, member), \
      MEMBER_SIZE(member) },
    BEARER_SETTINGS(X)
#undef X
};

_Static_assert(BEARER_SETTING_COUNT <= 64, "one bit per setting");

/* ---- defaults ---------------------------------------------------------- */

static const apr_array_header_t *strings(apr_pool_t *p, const char *const *list)
{
    apr_array_header_t *array = apr_array_make(p, 4, sizeof(const char *));

    for (; *list; list++) {
        APR_ARRAY_PUSH(array, const char *) = *list;
    }
    return array;
}

static const apr_array_header_t *paths(apr_pool_t *p, const char *const *list)
{
    apr_array_header_t *array = apr_array_make(p, 2,
                                               sizeof(const bearer_path_t *));

    for (; *list; list++) {
        APR_ARRAY_PUSH(array, const bearer_path_t *) =
            bearer_path_compile(*list, p);
    }
    return array;
}

static const apr_array_header_t *default_providers(apr_pool_t *p)
{
    apr_array_header_t *array = apr_array_make(p, 2, sizeof(int));

    APR_ARRAY_PUSH(array, int) = BEARER_PROVIDER_JWT;
    APR_ARRAY_PUSH(array, int) = BEARER_PROVIDER_INTROSPECTION;
    return array;
}

static const apr_array_header_t *default_token_from(apr_pool_t *p)
{
    apr_array_header_t *array = apr_array_make(p, 1, sizeof(bearer_from_t));
    bearer_from_t *from = apr_array_push(array);

    from->kind = BEARER_FROM_HEADER;
    from->name = NULL;
    return array;
}

/* Lists, claims and names; whatever is not named in these two functions is off,
 * empty or the first word of its list. */
static void default_names(bearer_settings_t *s, apr_pool_t *p)
{
    static const char *const roles[] = { "roles", NULL };
    static const char *const groups[] = { "groups", NULL };
    static const char *const scopes[] = { "scope", "scp", NULL };
    static const char *const login[] = { "openid", "profile", "email", NULL };

    s->algorithms = bearer_alg_supported(bearer_alg_defaults());
    s->providers = default_providers(p);
    s->token_from = default_token_from(p);
    s->user_claim.path = bearer_path_compile("sub", p);
    s->session_user_claim.path = bearer_path_compile("email", p);
    s->user_format = "%u";
    s->roles_claim = paths(p, roles);
    s->groups_claim = paths(p, groups);
    s->scope_claim = paths(p, scopes);
    s->login_scopes = strings(p, login);
    s->exports.mode = BEARER_EXPORT_ENV;
    s->exports.env_prefix = "BEARER_CLAIM_";
    s->exports.header_prefix = "X-Claim-";
    s->forward = BEARER_FORWARD_IDENTITY;
    s->challenge = 1;
    s->strip_cookies = 1;
}

static void default_limits(bearer_settings_t *s)
{
    s->timeout.connect = apr_time_from_sec(2);
    s->timeout.total = apr_time_from_sec(5);
    s->keys_refresh.min = apr_time_from_sec(60);
    s->keys_refresh.max = apr_time_from_sec(24 * 3600);
    s->keys_refresh.stale = apr_time_from_sec(24 * 3600);
    s->max_token_age = apr_time_from_sec(25 * 3600);
    s->clock_skew = apr_time_from_sec(60);
    s->throttle.on = 1;
    s->throttle.threshold = 20;
    s->throttle.window = apr_time_from_sec(60);
    s->throttle.penalty = apr_time_from_sec(60);
}

const bearer_settings_t *bearer_settings_defaults(apr_pool_t *p)
{
    bearer_settings_t *s = apr_pcalloc(p, sizeof(*s));

    default_names(s, p);
    default_limits(s);
    return s;
}

/* ---- layers ------------------------------------------------------------ */

static int lowest_bit(apr_uint64_t set)
{
    return __builtin_ctzll(set);
}

static void overlay(bearer_settings_t *out, const bearer_settings_t *over)
{
    apr_uint64_t left;

    for (left = over->set; left; left &= left - 1) {
        const setting_row_t *row = &rows[lowest_bit(left)];

        memcpy((char *)out + row->offset, (const char *)over + row->offset,
               row->size);
    }
    out->set |= over->set;
}

void bearer_settings_merge(bearer_settings_t *out, const bearer_settings_t *base,
                           const bearer_settings_t *over)
{
    if (out == over) {
        bearer_settings_t copy = *over;

        *out = *base;
        overlay(out, &copy);
        return;
    }
    if (out != base) {
        *out = *base;
    }
    overlay(out, over);
}

void bearer_settings_resolve(bearer_settings_t *out,
                             const bearer_settings_t *defaults,
                             const bearer_settings_t *server,
                             const bearer_settings_t *issuer,
                             const bearer_settings_t *dir)
{
    const bearer_settings_t *const layers[] = { server, issuer, dir };
    unsigned i;

    *out = *defaults;
    out->set = 0;
    for (i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        if (layers[i]) {
            overlay(out, layers[i]);
        }
    }
}

const char *bearer_settings_directive(bearer_setting_t setting)
{
    return (unsigned)setting < BEARER_SETTING_COUNT ? rows[setting].directive
                                                    : NULL;
}

int bearer_settings_where(bearer_setting_t setting)
{
    return (unsigned)setting < BEARER_SETTING_COUNT ? rows[setting].where : 0;
}

/* ---- printing ---------------------------------------------------------- */

/* What httpd's configuration reader would make one word with these very
 * characters of (ap_getword_conf): quotes only where it needs them. */
static const char *word(const char *s, apr_pool_t *p)
{
    int quoted = !*s || *s == '"' || *s == '\'' || *s == '#'
                 || s[strcspn(s, " \t\r\n\f\v")];
    char *text = apr_palloc(p, 2 * strlen(s) + 3);
    char *out = text;

    if (quoted) {
        *out++ = '"';
    }
    for (; *s; s++) {
        if ((quoted && *s == '"')
            || (*s == '\\'
                && (s[1] == '\\' || (quoted && (s[1] == '"' || !s[1]))))) {
            *out++ = '\\';
        }
        *out++ = *s;
    }
    if (quoted) {
        *out++ = '"';
    }
    *out = '\0';
    return text;
}

/* The largest unit that leaves no rest; one minute is written as 60s. */
static const char *duration(apr_interval_time_t t, apr_pool_t *p)
{
    static const struct {
        apr_interval_time_t unit, least;
        const char *suffix;
    } units[] = {
        { apr_time_from_sec(3600), apr_time_from_sec(3600), "h" },
        { apr_time_from_sec(60), apr_time_from_sec(120), "min" },
        { apr_time_from_sec(1), 0, "s" },
    };
    unsigned i;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (t >= units[i].least && t % units[i].unit == 0) {
            return apr_psprintf(p, "%" APR_TIME_T_FMT "%s", t / units[i].unit,
                                units[i].suffix);
        }
    }
    return apr_psprintf(p, "%" APR_TIME_T_FMT "ms", t / 1000);
}

typedef struct printer_t printer_t;
struct printer_t {
    const char *(*print)(const void *value, const printer_t *self,
                         apr_pool_t *p);
    const char *const *words;  /* for numbers: value i is words[i] */
    const char *absent;        /* for pointers: what NULL means */
};

static const char *join(const apr_array_header_t *words, apr_pool_t *p)
{
    return apr_array_pstrcat(p, words, ' ');
}

static const char *print_word(const void *value, const printer_t *self,
                              apr_pool_t *p)
{
    int wanted = *(const int *)value;
    int i;

    for (i = 0; self->words[i]; i++) {
        if (i == wanted) {
            return self->words[i];
        }
    }
    return apr_psprintf(p, "(%d)", wanted);
}

static const char *print_string(const void *value, const printer_t *self,
                                apr_pool_t *p)
{
    const char *s = *(const char *const *)value;

    return s ? word(s, p) : self->absent;
}

/* A proxy's password is nobody's business. */
static const char *print_proxy(const void *value, const printer_t *self,
                               apr_pool_t *p)
{
    const char *url = *(const char *const *)value;

    return url ? word(bearer_http_url_masked(url, p), p) : self->absent;
}

static const char *print_list(const void *value, const printer_t *self,
                              apr_pool_t *p)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)value;
    apr_array_header_t *words;
    int i;

    if (!list || !list->nelts) {
        return self->absent;
    }
    words = apr_array_make(p, list->nelts, sizeof(const char *));
    for (i = 0; i < list->nelts; i++) {
        APR_ARRAY_PUSH(words, const char *) =
            word(APR_ARRAY_IDX(list, i, const char *), p);
    }
    return join(words, p);
}

static const char *print_paths(const void *value, const printer_t *self,
                               apr_pool_t *p)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)value;
    apr_array_header_t *words;
    int i;

    if (!list || !list->nelts) {
        return self->absent;
    }
    words = apr_array_make(p, list->nelts, sizeof(const char *));
    for (i = 0; i < list->nelts; i++) {
        const bearer_path_t *path = APR_ARRAY_IDX(list, i,
                                                  const bearer_path_t *);

        APR_ARRAY_PUSH(words, const char *) = word(bearer_path_text(path), p);
    }
    return join(words, p);
}

static const char *print_providers(const void *value, const printer_t *self,
                                   apr_pool_t *p)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)value;
    apr_array_header_t *words = apr_array_make(p, 3, sizeof(const char *));
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        APR_ARRAY_PUSH(words, const char *) =
            print_word(&APR_ARRAY_IDX(list, i, int), self, p);
    }
    return words->nelts ? join(words, p) : self->absent;
}

static const char *print_token_from(const void *value, const printer_t *self,
                                    apr_pool_t *p)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)value;
    apr_array_header_t *words = apr_array_make(p, 2, sizeof(const char *));
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(list, i, bearer_from_t);
        int kind = (int)from->kind;
        const char *name = print_word(&kind, self, p);

        if (from->name) {
            name = word(apr_pstrcat(p, name, ":", from->name, NULL), p);
        }
        APR_ARRAY_PUSH(words, const char *) = name;
    }
    return words->nelts ? join(words, p) : self->absent;
}

static const char *print_algorithms(const void *value, const printer_t *self,
                                    apr_pool_t *p)
{
    const char *names = bearer_alg_names(*(const bearer_algs_t *)value, p);

    return *names ? names : self->absent;
}

static const char *print_time(const void *value, const printer_t *self,
                              apr_pool_t *p)
{
    apr_interval_time_t t = *(const apr_interval_time_t *)value;

    return t == 0 && self->absent ? self->absent : duration(t, p);
}

static const char *print_timeout(const void *value, const printer_t *self,
                                 apr_pool_t *p)
{
    const bearer_timeout_t *t = value;

    (void)self;
    return apr_psprintf(p, "connect=%s total=%s", duration(t->connect, p),
                        duration(t->total, p));
}

static const char *print_refresh(const void *value, const printer_t *self,
                                 apr_pool_t *p)
{
    const bearer_refresh_t *r = value;

    (void)self;
    return apr_psprintf(p, "min=%s max=%s stale=%s", duration(r->min, p),
                        duration(r->max, p), duration(r->stale, p));
}

static const char *print_throttle(const void *value, const printer_t *self,
                                  apr_pool_t *p)
{
    const bearer_throttle_settings_t *t = value;

    if (!t->on) {
        return self->absent;
    }
    return apr_psprintf(p, "threshold=%d window=%s penalty=%s", t->threshold,
                        duration(t->window, p), duration(t->penalty, p));
}

static const char *print_user_claim(const void *value, const printer_t *self,
                                    apr_pool_t *p)
{
    const bearer_user_claim_t *claim = value;
    const char *path;

    if (!claim->path) {
        return self->absent;
    }
    path = word(bearer_path_text(claim->path), p);
    if (!claim->regex) {
        return path;
    }
    return apr_psprintf(p, "%s %s %s", path, word(claim->regex->pattern, p),
                        word(claim->substitution ? claim->substitution : "", p));
}

static const char *print_export(const void *value, const printer_t *self,
                                apr_pool_t *p)
{
    const bearer_export_settings_t *e = value;
    const char *claims = e->claims ? apr_array_pstrcat(p, e->claims, ',') : "*";

    return apr_psprintf(p, "%s %s %s %s", print_word(&e->mode, self, p),
                        word(apr_pstrcat(p, "env-prefix=",
                                         e->env_prefix ? e->env_prefix : "",
                                         NULL), p),
                        word(apr_pstrcat(p, "header-prefix=",
                                         e->header_prefix ? e->header_prefix
                                                          : "", NULL), p),
                        word(apr_pstrcat(p, "claims=", claims, NULL), p));
}

static const char *print_forward(const void *value, const printer_t *self,
                                 apr_pool_t *p)
{
    /* a set of bits, every combination of which has a spelling */
    return print_word(value, self, p);
}

/* A method, and with it whom an assertion is for. */
static const char *print_client_auth(const void *value, const printer_t *self,
                                     apr_pool_t *p)
{
    int all = *(const int *)value;
    int method = all & ~BEARER_CLIENT_AUD_ENDPOINT;
    const char *word = print_word(&method, self, p);

    return all == method ? word : apr_pstrcat(p, word, " aud=endpoint", NULL);
}

static const char *print_login(const void *value, const printer_t *self,
                               apr_pool_t *p)
{
    const bearer_login_settings_t *login = value;
    const char *text = print_word(&login->on, self, p);

    return login->parameters && login->parameters->nelts
               ? apr_pstrcat(p, text, " ",
                             print_list(&login->parameters, self, p), NULL)
               : text;
}

/* What may hold a secret, or is known to another room only. */
static const char *print_masked(const void *value, const printer_t *self,
                                apr_pool_t *p)
{
    (void)p;
    return *(const void *const *)value ? "***" : self->absent;
}

static const char *print_resource(const void *value, const printer_t *self,
                                  apr_pool_t *p)
{
    const bearer_resource_t *resource = *(const bearer_resource_t *const *)value;

    return resource ? bearer_resource_print(resource, p) : self->absent;
}

static const char *print_session_check(const void *value,
                                       const printer_t *self, apr_pool_t *p)
{
    const bearer_session_check_t *check = *(const bearer_session_check_t *const *)
        value;

    return check ? bearer_session_check_print(check, p) : self->absent;
}

static const char *const on_off[] = { "Off", "On", NULL };
static const char *const off_pass[] = { "off", "pass", NULL };
static const char *const refuse_accept[] = { "refuse", "accept", NULL };
static const char *const profiles[] = { "auto", "rfc9068", NULL };
static const char *const user_chars[] = { "strict", "printable", NULL };
static const char *const strategies[] = { "exact", "hierarchic", "wildcard",
                                          NULL };
static const char *const prefer[] = { "cookie", "bearer", NULL };
#define X(symbol, word) word,
static const char *const providers[] = { BEARER_PROVIDERS(X) NULL };
#undef X
#define X(symbol, word, named) word,
static const char *const token_from[] = { BEARER_FROM_KINDS(X) NULL };
#undef X
static const char *const export_modes[] = { "none", "env", "headers", "both",
                                            NULL };
static const char *const forward[] = { "none", "identity", "token",
                                       "identity token", NULL };
static const char *const client_auth[] = {
    "client_secret_basic", "client_secret_post", "client_secret_jwt",
    "private_key_jwt", "jwt_file", "tls_client_auth", "bearer", "none", NULL
};

/* A value in parentheses is no configuration text: it says what the absence of
 * the directive means. */
static const printer_t printers[BEARER_SETTING_COUNT] = {
    [BEARER_SET_ALGORITHMS] = { print_algorithms, NULL, "(none)" },
    [BEARER_SET_CLIENT_ID] = { print_string, NULL, "(none)" },
    [BEARER_SET_CLIENT_SECRET] = { print_masked, NULL, "(none)" },
    [BEARER_SET_CLIENT_AUTH] = { print_client_auth, client_auth, NULL },
    [BEARER_SET_CLIENT_KEY] = { print_string, NULL, "(none)" },
    [BEARER_SET_CLIENT_CERT] = { print_string, NULL, "(none)" },
    [BEARER_SET_CA_FILE] = { print_string, NULL, "(system)" },
    [BEARER_SET_HTTP_PROXY] = { print_proxy, NULL, "none" },
    [BEARER_SET_TIMEOUT] = { print_timeout, NULL, NULL },
    [BEARER_SET_KEYS_REFRESH] = { print_refresh, NULL, NULL },
    [BEARER_SET_PROVIDERS] = { print_providers, providers, "(none)" },
    [BEARER_SET_ACCEPT_ISSUER] = { print_list, NULL, "(all declared)" },
    [BEARER_SET_AUDIENCE] = { print_list, NULL, "(none)" },
    [BEARER_SET_NO_AUDIENCE] = { print_word, refuse_accept, NULL },
    [BEARER_SET_CLIENTS] = { print_list, NULL, "(any)" },
    [BEARER_SET_TOKEN_FROM] = { print_token_from, token_from, "(none)" },
    [BEARER_SET_MAX_TOKEN_AGE] = { print_time, NULL, "off" },
    [BEARER_SET_CLOCK_SKEW] = { print_time, NULL, NULL },
    [BEARER_SET_TOKEN_PROFILE] = { print_word, profiles, NULL },
    [BEARER_SET_THROTTLE] = { print_throttle, NULL, "off" },
    [BEARER_SET_CHALLENGE] = { print_word, on_off, NULL },
    [BEARER_SET_OPTIONAL] = { print_word, on_off, NULL },
    [BEARER_SET_PREFLIGHT] = { print_word, off_pass, NULL },
    [BEARER_SET_SESSION_CHECK] = { print_session_check, NULL, "(none)" },
    [BEARER_SET_USER_CLAIM] = { print_user_claim, NULL, "(none)" },
    [BEARER_SET_USER_FORMAT] = { print_string, NULL, "(none)" },
    [BEARER_SET_USER_CHARS] = { print_word, user_chars, NULL },
    [BEARER_SET_ROLES_CLAIM] = { print_paths, NULL, "(none)" },
    [BEARER_SET_GROUPS_CLAIM] = { print_paths, NULL, "(none)" },
    [BEARER_SET_SCOPE_CLAIM] = { print_paths, NULL, "(none)" },
    [BEARER_SET_SCOPE_STRATEGY] = { print_word, strategies, NULL },
    [BEARER_SET_EXPORT] = { print_export, export_modes, NULL },
    [BEARER_SET_FORWARD] = { print_forward, forward, NULL },
    [BEARER_SET_STRIP_COOKIES] = { print_word, on_off, NULL },
    [BEARER_SET_SESSION] = { print_word, on_off, NULL },
    [BEARER_SET_LOGIN] = { print_login, on_off, NULL },
    [BEARER_SET_PREFER_BEARER] = { print_word, prefer, NULL },
    [BEARER_SET_LOGIN_ISSUER] = { print_string, NULL,
                                  "(the only one with a client id)" },
    [BEARER_SET_LOGIN_SCOPES] = { print_list, NULL, "(none)" },
    [BEARER_SET_SESSION_USER_CLAIM] = { print_user_claim, NULL, "(none)" },
    [BEARER_SET_RESOURCE] = { print_resource, NULL, "(none)" },
};

const char *bearer_settings_print(const bearer_settings_t *s,
                                  bearer_setting_t setting, apr_pool_t *p)
{
    const printer_t *printer;

    if ((unsigned)setting >= BEARER_SETTING_COUNT) {
        return "";
    }
    printer = &printers[setting];
    return printer->print((const char *)s + rows[setting].offset, printer, p);
}
