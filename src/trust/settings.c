/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Layers of settings: merged, resolved and printed from one table, which
 * BEARER_SETTINGS of settings_rows.h fills. Pure functions over the caller's structs;
 * thread-safe.
 */
#include "trust/settings.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/http.h"
#include "base/text.h"
#include "trust/resource.h"
#include "trust/session_check_line.h"

typedef bearer_setting_row_t row_t;

#define MEMBER_SIZE(member) sizeof(((bearer_settings_t *)0)->member)

/* where a directive is allowed, as the rows name it */
enum { S = BEARER_WHERE_S, I = BEARER_WHERE_I, D = BEARER_WHERE_D,
       H = BEARER_WHERE_H };

static const row_t rows[] = {
#define X(symbol, member, kind, name, where, words, value, help) \
    { name, words, where, BEARER_KIND_##kind, offsetof(bearer_settings_t, member), \
      MEMBER_SIZE(member) },
    BEARER_SETTINGS(X)
#undef X
};

_Static_assert(BEARER_SETTING_COUNT <= 64, "one bit per setting");

/* ---- defaults ---------------------------------------------------------- */

static const apr_array_header_t *array(apr_pool_t *p, const void *elements, int count,
                                       apr_size_t size)
{
    apr_array_header_t *made = apr_array_make(p, count, (int)size);

    memcpy(made->elts, elements, (apr_size_t)count * size);
    made->nelts = count;
    return made;
}

#define ARRAY(type, ...) \
    array(p, (type[]){ __VA_ARGS__ }, \
          (int)(sizeof((type[]){ __VA_ARGS__ }) / sizeof(type)), sizeof(type))
#define PATH(claim) bearer_path_compile(claim, p)
#define SECONDS(n) apr_time_from_sec(n)

const bearer_settings_t *bearer_settings_defaults(apr_pool_t *p)
{
    bearer_settings_t *s = apr_pcalloc(p, sizeof(*s));

#define X(symbol, member, kind, name, where, words, value, help) s->member = value;
    BEARER_SETTINGS(X)
#undef X
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
        const row_t *row = &rows[lowest_bit(left)];

        memcpy((char *)out + row->offset, (const char *)over + row->offset,
               row->size);
    }
    out->set |= over->set;
}

void bearer_settings_merge(bearer_settings_t *out, const bearer_settings_t *base,
                           const bearer_settings_t *over)
{
    bearer_settings_t merged = *base;

    overlay(&merged, over);
    *out = merged;
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

const bearer_setting_row_t *bearer_settings_row(bearer_setting_t setting)
{
    return (unsigned)setting < BEARER_SETTING_COUNT ? &rows[setting] : NULL;
}

bearer_setting_t bearer_settings_find(const char *directive)
{
    int i = 0;

    while (i < BEARER_SETTING_COUNT && strcasecmp(rows[i].directive, directive) != 0) {
        i++;
    }
    return (bearer_setting_t)i;
}

const char *bearer_settings_directive(bearer_setting_t setting)
{
    const row_t *row = bearer_settings_row(setting);

    return row ? row->directive : NULL;
}

int bearer_settings_where(bearer_setting_t setting)
{
    const row_t *row = bearer_settings_row(setting);

    return row ? row->where : 0;
}

/* ---- the user claim ---------------------------------------------------- */

int bearer_user_claim_parse(bearer_user_claim_t *claim, const char *text,
                            apr_pool_t *p)
{
    const apr_array_header_t *words = bearer_text_split(p, text, ",");
    apr_array_header_t *further = apr_array_make(p, 1, sizeof(const bearer_path_t *));
    int i;

    claim->path = NULL;
    for (i = 0; i < words->nelts; i++) {
        const bearer_path_t *path =
            bearer_path_compile(APR_ARRAY_IDX(words, i, const char *), p);

        if (!path) {
            return 0;
        }
        if (i == 0) {
            claim->path = path;
        } else {
            APR_ARRAY_PUSH(further, const bearer_path_t *) = path;
        }
    }
    claim->further = further->nelts ? further : NULL;
    return claim->path != NULL;
}

const bearer_path_t *bearer_user_claim_at(const bearer_user_claim_t *claim, int i)
{
    return i == 0 ? claim->path
         : claim->further && i <= claim->further->nelts
             ? APR_ARRAY_IDX(claim->further, i - 1, const bearer_path_t *) : NULL;
}

const char *bearer_user_claim_text(const bearer_user_claim_t *claim, apr_pool_t *p)
{
    const char *text = bearer_path_text(claim->path);
    int i;

    for (i = 1; bearer_user_claim_at(claim, i); i++) {
        text = apr_pstrcat(p, text, ",", bearer_path_text(bearer_user_claim_at(claim, i)),
                           NULL);
    }
    return text;
}

int bearer_user_claim_is_email(const bearer_user_claim_t *claim)
{
    const bearer_path_t *path;
    int i;

    for (i = 0; (path = bearer_user_claim_at(claim, i)) != NULL; i++) {
        if (strcmp(bearer_path_text(path), "email") == 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- printing ---------------------------------------------------------- */

const char *bearer_settings_word(const char *s, int quoted, apr_pool_t *p)
{
    char *text = apr_palloc(p, 2 * strlen(s) + 3);
    char *out = text;

    quoted = quoted || !*s || *s == '"' || *s == '\'' || *s == '#'
             || s[strcspn(s, " \t\r\n\f\v")];
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

static const char *word(const char *s, apr_pool_t *p)
{
    return bearer_settings_word(s, 0, p);
}

/* Uses the largest unit without a remainder; one minute is written as 60s. */
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

typedef const char *printer_t(const void *value, const row_t *row, apr_pool_t *p);

/* Returns the next word of a text; NULL after the last. */
static const char *next_word(const char **rest, apr_pool_t *p)
{
    const char *start = *rest;
    apr_size_t len = strcspn(start, " ");

    *rest += len + (start[len] == ' ');
    return len ? apr_pstrmemdup(p, start, len) : NULL;
}

/* Returns the word for this value. */
static const char *word_of(int value, const row_t *row, apr_pool_t *p)
{
    const char *rest = row->words, *found;
    int i = 0;

    while ((found = next_word(&rest, p)) != NULL && i != value) {
        i++;
    }
    return found ? found : apr_psprintf(p, "(%d)", value);
}

static const char *print_word(const void *value, const row_t *row, apr_pool_t *p)
{
    return word_of(*(const int *)value, row, p);
}

/* "On Off" */
static const char *print_onoff(const void *value, const row_t *row, apr_pool_t *p)
{
    return word_of(!*(const int *)value, row, p);
}

static const char *print_string(const void *value, const row_t *row, apr_pool_t *p)
{
    const char *s = *(const char *const *)value;

    return s ? word(s, p) : row->words;
}

/* Masks a proxy's password. */
static const char *print_proxy(const void *value, const row_t *row, apr_pool_t *p)
{
    const char *url = *(const char *const *)value;

    return url ? word(bearer_http_url_masked(url, p), p) : row->words;
}

/* Prints an array, each element with the given printer. */
static const char *print_array(const void *value, const row_t *row, printer_t *print,
                               const char *absent, apr_pool_t *p)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)value;
    apr_array_header_t *words;
    int i;

    if (!list || !list->nelts) {
        return absent;
    }
    words = apr_array_make(p, list->nelts, sizeof(const char *));
    for (i = 0; i < list->nelts; i++) {
        APR_ARRAY_PUSH(words, const char *) = print(list->elts + i * list->elt_size,
                                                    row, p);
    }
    return apr_array_pstrcat(p, words, ' ');
}

static const char *print_list(const void *value, const row_t *row, apr_pool_t *p)
{
    return print_array(value, row, print_string, row->words, p);
}

static const char *print_path(const void *value, const row_t *row, apr_pool_t *p)
{
    (void)row;
    return word(bearer_path_text(*(const bearer_path_t *const *)value), p);
}

static const char *print_claims(const void *value, const row_t *row, apr_pool_t *p)
{
    return print_array(value, row, print_path, row->words, p);
}

static const char *print_providers(const void *value, const row_t *row, apr_pool_t *p)
{
    return print_array(value, row, print_word, "(none)", p);
}

static const char *print_from(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_from_t *from = value;
    const char *kind = word_of((int)from->kind, row, p);

    return from->name ? word(apr_pstrcat(p, kind, ":", from->name, NULL), p) : kind;
}

static const char *print_token_from(const void *value, const row_t *row, apr_pool_t *p)
{
    return print_array(value, row, print_from, "(none)", p);
}

static const char *print_algorithms(const void *value, const row_t *row, apr_pool_t *p)
{
    const char *names = bearer_alg_names(*(const bearer_algs_t *)value, p);

    return *names ? names : row->words;
}

static const char *print_time(const void *value, const row_t *row, apr_pool_t *p)
{
    apr_interval_time_t t = *(const apr_interval_time_t *)value;

    return t == 0 && row->words ? row->words : duration(t, p);
}

/* Prints times in the order of the row's words. */
static const char *print_times(const void *value, const row_t *row, apr_pool_t *p)
{
    const apr_interval_time_t *t = value;
    const char *rest = row->words, *text = "", *key;

    for (; (key = next_word(&rest, p)) != NULL; t++) {
        text = apr_pstrcat(p, text, *text ? " " : "", key, "=", duration(*t, p), NULL);
    }
    return text;
}

static const char *print_throttle(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_throttle_settings_t *t = value;

    return !t->on ? "off"
        : apr_psprintf(p, "threshold=%d %s", t->threshold,
                       print_times(&t->window, row, p));
}

static const char *print_user_claim(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_user_claim_t *claim = value;
    const char *path = claim->path ? word(bearer_user_claim_text(claim, p), p)
                                   : row->words;

    if (!claim->path || !claim->regex) {
        return path;
    }
    return apr_psprintf(p, "%s %s %s", path, word(claim->regex->pattern, p),
                        word(claim->substitution ? claim->substitution : "", p));
}

static const char *print_exports(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_export_settings_t *e = value;
    const char *env = e->env_prefix ? e->env_prefix : "";
    const char *header = e->header_prefix ? e->header_prefix : "";
    const char *claims = e->claims ? apr_array_pstrcat(p, e->claims, ',') : "*";

    return apr_psprintf(p, "%s %s %s %s", print_word(&e->mode, row, p),
                        word(apr_pstrcat(p, "env-prefix=", env, NULL), p),
                        word(apr_pstrcat(p, "header-prefix=", header, NULL), p),
                        word(apr_pstrcat(p, "claims=", claims, NULL), p));
}

static const char *print_forward(const void *value, const row_t *row, apr_pool_t *p)
{
    int bits = *(const int *)value;

    return bits != (BEARER_FORWARD_IDENTITY | BEARER_FORWARD_TOKEN)
        ? word_of(bits, row, p)
        : apr_pstrcat(p, word_of(BEARER_FORWARD_IDENTITY, row, p), " ",
                      word_of(BEARER_FORWARD_TOKEN, row, p), NULL);
}

static const char *print_proof(const void *value, const row_t *row, apr_pool_t *p)
{
    static const struct {
        int bits;
        const char *word;
    } modes[] = {
#define X(symbol, text, value) { symbol, text },
        BEARER_PROOF_MODES(X)
#undef X
    };
    const bearer_proof_rule_t *rule = value;
    const char *text = rule->mode == BEARER_PROOF_AUTO ? modes[0].word : "";
    unsigned i;

    (void)row;
    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (rule->mode & modes[i].bits) {
            text = apr_pstrcat(p, text, *text ? " " : "", modes[i].word, NULL);
        }
    }
    if (rule->mode == BEARER_PROOF_IGNORE) {
        return text;
    }
    text = apr_pstrcat(p, text, " window=", duration(rule->window, p),
                       rule->nonce ? " nonce=on" : " nonce=off", NULL);
    return !rule->certificate ? text
        : apr_pstrcat(p, text, " ", word(apr_pstrcat(p, "certificate=", rule->certificate,
                                                     NULL), p),
                      " from=", apr_array_pstrcat(p, rule->from_text, ','), NULL);
}

/* Prints a method, and the audience of its assertion. */
static const char *print_client_auth(const void *value, const row_t *row, apr_pool_t *p)
{
    int all = *(const int *)value, method = all & ~BEARER_CLIENT_AUD_ENDPOINT;
    const char *name = word_of(method, row, p);

    return all == method ? name : apr_pstrcat(p, name, " aud=endpoint", NULL);
}

static const char *print_switch(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_switch_t *s = value;
    const char *text = print_onoff(&s->on, row, p);
    const char *parameters = print_array(&s->parameters, row, print_string, NULL, p);

    return parameters ? apr_pstrcat(p, text, " ", parameters, NULL) : text;
}

static const char *print_login_url(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_login_url_t *login = *(const bearer_login_url_t *const *)value;

    return login ? apr_pstrcat(p, word(bearer_http_url_masked(login->url, p), p), " return=",
                               login->parameter, NULL)
                 : row->words;
}

static const char *print_logout(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_logout_t *logout = value;
    const char *parameters = print_array(&logout->parameters, row, print_string, NULL, p);

    return apr_pstrcat(p, logout->to ? word(apr_pstrcat(p, "to=", logout->to, NULL), p) : "",
                       logout->to ? " " : "", logout->issuer ? "issuer=on" : "issuer=off",
                       parameters ? " " : NULL, parameters, NULL);
}

/* For values that may contain a secret, or that only another folder can print. */
static const char *print_masked(const void *value, const row_t *row, apr_pool_t *p)
{
    (void)p;
    return *(const void *const *)value ? "***" : row->words;
}

static const char *print_resource(const void *value, const row_t *row, apr_pool_t *p)
{
    const bearer_resource_t *resource = *(const bearer_resource_t *const *)value;

    return resource ? bearer_resource_print(resource, p) : row->words;
}

static const char *print_session_checks(const void *value, const row_t *row, apr_pool_t *p)
{
    const apr_array_header_t *checks = *(const apr_array_header_t *const *)value;
    apr_array_header_t *lines;
    int i;

    if (!checks || !checks->nelts) {
        return row->words;
    }
    lines = apr_array_make(p, checks->nelts, sizeof(const char *));
    for (i = 0; i < checks->nelts; i++) {
        APR_ARRAY_PUSH(lines, const char *) = bearer_session_check_print(
            APR_ARRAY_IDX(checks, i, const bearer_session_check_t *), p);
    }
    return apr_array_pstrcat(p, lines, '\n');
}

const char *bearer_settings_print(const bearer_settings_t *s,
                                  bearer_setting_t setting, apr_pool_t *p)
{
    static printer_t *const printers[] = {
#define X(kind, type, printer, list, most) print_##printer,
        BEARER_SETTING_KINDS(X)
#undef X
    };
    const row_t *row = bearer_settings_row(setting);

    return row ? printers[row->kind]((const char *)s + row->offset, row, p) : "";
}
