/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Claims as environment variables and headers. See exports.h. Pure functions;
 * thread-safe on an immutable principal.
 */
#include "judge/exports.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

/* The variables of a principal. X(name, value) may use principal, issuer and p. */
#define VARIABLES(X) \
    X("BEARER_METHOD", principal->method) \
    X("BEARER_ISSUER", !*principal->iss && issuer ? issuer->url : principal->iss) \
    X("BEARER_ISSUER_NAME", issuer ? issuer->name : NULL) \
    X("BEARER_EXPIRES", principal->expires ? bearer_exports_number( \
          p, apr_time_sec(principal->expires)) : NULL) \
    X("BEARER_CLIENT", plain(principal->client)) \
    X("BEARER_SCOPE", name_list(p, principal->scopes, ' ')) \
    X("BEARER_ROLES", name_list(p, principal->roles, BEARER_NAMES_SEPARATOR)) \
    X("BEARER_GROUPS", name_list(p, principal->groups, BEARER_NAMES_SEPARATOR))

/* The headers that carry an identity to a backend, if there is a user. */
#define IDENTITY(X) \
    X("X-Forwarded-User", principal->user) \
    X("X-User-Roles", name_list(p, principal->roles, BEARER_NAMES_SEPARATOR)) \
    X("X-User-Groups", name_list(p, principal->groups, BEARER_NAMES_SEPARATOR))

/* No claim may replace these, whatever the prefix. */
#define X(name, value) name,
static const char *const identity_headers[] = { IDENTITY(X) NULL };
static const char *const fixed_variables[] = {
    VARIABLES(X) "BEARER_TOKEN_ID", "BEARER_PROOF", "BEARER_ERROR", "BEARER_ERROR_CHECK",
    "REMOTE_USER", "AUTH_TYPE", NULL
};
#undef X

/* ---- names ------------------------------------------------------------- */

/* Letters (in lower case) and digits; 0: any other character. */
static const char alnums[256] = {
    ['0'] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ['A'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
    'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
    ['a'] = 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
    'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z'
};

static int is_alnum(char c)
{
    return alnums[(unsigned char)c] != 0;
}

/* Maps a character of a name as backends may do: CGI, WSGI, PHP and others ignore
 * case and replace all other characters with `_`. */
static char fold(char c)
{
    return is_alnum(c) ? alnums[(unsigned char)c] : '_';
}

/* Compares the first n characters, folded (both ends included). */
static int same_folded(const char *a, const char *b, apr_size_t n)
{
    for (; n && *a && *b && fold(*a) == fold(*b); n--) {
        a++;
        b++;
    }
    return !n || (!*a && !*b);
}

static int is_reserved(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (same_folded(*names, name, (apr_size_t)-1)) {
            return 1;
        }
    }
    return 0;
}

/* Returns 1 if it is one of names, or begins with prefix (which may be NULL). */
static int is_ours(const char *const *names, const char *prefix, const char *name)
{
    return is_reserved(names, name)
           || (prefix && *prefix && same_folded(prefix, name, strlen(prefix)));
}

/* Returns 1 if a name that begins with prefix may be one of names. This is rare,
 * so most exports need not compare each name. */
static int may_be_reserved(const char *const *names, const char *prefix)
{
    const apr_size_t len = strlen(prefix);

    while (*names && !same_folded(*names, prefix, len)) {
        names++;
    }
    return *names != NULL;
}

/* RFC 9110 section 5.6.2. */
static int is_tchar(char c)
{
    return c && (is_alnum(c) || strchr("!#$%&'*+-.^_`|~", c));
}

static const char *mapped(const char *prefix, const char *name, int header,
                          apr_pool_t *p)
{
    const apr_size_t before = strlen(prefix), len = strlen(name);
    char *text = apr_palloc(p, before + len + 1);
    char *out = apr_cpystrn(text, prefix, before + 1);
    apr_size_t i;

    for (i = 0; i < len; i++) {
        const char c = name[i];

        out[i] = is_alnum(c) || (header && is_tchar(c)) ? c : '_';
    }
    out[len] = '\0';
    return text;
}

bearer_prefix_t bearer_exports_env_prefix(const char *prefix)
{
    static const char *const taken[] = { "HTTP_", "REDIRECT_", "REMOTE_", "SSL_" };
    const apr_size_t len = strlen(prefix);
    unsigned i;

    if (len < 2 || len > 64
        || strspn(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != len) {
        return BEARER_PREFIX_MISSPELT;
    }
    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strncmp(prefix, taken[i], strlen(taken[i])) == 0) {
            return BEARER_PREFIX_TAKEN;
        }
    }
    return BEARER_PREFIX_GOOD;
}

int bearer_exports_same_name(const char *a, const char *b)
{
    return same_folded(a, b, (apr_size_t)-1);
}

int bearer_exports_reserved_variable(const char *name,
                                     const bearer_settings_t *settings)
{
    return is_ours(fixed_variables, settings->exports.env_prefix, name);
}

int bearer_exports_reserved_header(const char *name,
                                   const bearer_settings_t *settings)
{
    return is_ours(identity_headers, settings->exports.header_prefix, name);
}

/* ---- one export -------------------------------------------------------- */

/* Alternating names and values; no name occurs twice, see collisions. */
typedef apr_array_header_t pairs_t;

static void pair(pairs_t *pairs, const char *name, const char *value)
{
    APR_ARRAY_PUSH(pairs, const char *) = name;
    APR_ARRAY_PUSH(pairs, const char *) = value;
}

typedef struct export_t {
    pairs_t *env;           /* NULL: no claims in the environment */
    pairs_t *headers;       /* NULL: no claims in headers */
    int env_clash, header_clash;  /* 1: a claim could have the name of a fixed variable */
    const bearer_export_settings_t *settings;
    const bearer_settings_t *odd;  /* NULL: the principal omits nothing */
    apr_array_header_t *left_out;
    apr_pool_t *p;
} export_t;

static void leave_out(const export_t *x, const char *what, const char *name,
                      const char *why)
{
    if (x->left_out) {
        APR_ARRAY_PUSH(x->left_out, const char *) =
            apr_psprintf(x->left_out->pool, "%s %s is not exported: %s", what,
                         bearer_text_quote(x->left_out->pool, name), why);
    }
}

/* Returns the names in one line; NULL: none. */
static const char *name_list(apr_pool_t *p, const apr_array_header_t *names,
                             char separator)
{
    return names->nelts ? apr_array_pstrcat(p, names, separator) : NULL;
}

/* Returns the text, or NULL if an application could read more than one value in it. */
static const char *plain(const char *text)
{
    return text && !bearer_text_has_control(text, strlen(text)) ? text : NULL;
}

static void set(pairs_t *pairs, const char *name, const char *value)
{
    if (value && *value) {
        pair(pairs, name, value);
    }
}

static void export_fixed(pairs_t *env, const bearer_principal_t *principal,
                         apr_pool_t *p)
{
    const bearer_issuer_t *issuer = principal->issuer;

#define X(name, value) set(env, name, value);
    VARIABLES(X)
#undef X
}

static void export_identity(pairs_t *headers,
                            const bearer_principal_t *principal, apr_pool_t *p)
{
    const char *text;

    if (principal->user) {
#define X(name, value) \
        text = value; \
        set(headers, name, text ? bearer_exports_header_value(text, p) : NULL);
        IDENTITY(X)
#undef X
    }
}

/* ---- collisions -------------------------------------------------------- */

#define TABLE_SIZE 512   /* a power of two, more than twice the number of claims */

_Static_assert(TABLE_SIZE >= 2 * BEARER_EXPORT_MAX_CLAIMS, "room to probe");

typedef struct candidate_t {
    const char *name;
    const json_t *value;
    unsigned exact : 1;     /* spelled [A-Za-z0-9_] throughout */
    unsigned collided : 1;
} candidate_t;

typedef struct candidates_t {
    candidate_t list[BEARER_EXPORT_MAX_CLAIMS];
    int count;
    int beyond;                           /* number of claims without room */
    short slots[TABLE_SIZE];              /* index + 1 by folded name */
} candidates_t;

static int is_exact(const char *name)
{
    for (; *name; name++) {
        if (!is_alnum(*name) && *name != '_') {
            return 0;
        }
    }
    return 1;
}

static short *slot_of(candidates_t *all, const char *name)
{
    unsigned h = 2166136261u;   /* FNV-1a */
    const char *s;

    for (s = name; *s; s++) {
        h = (h ^ (unsigned char)fold(*s)) * 16777619u;
    }
    for (;; h++) {
        short *slot = &all->slots[h & (TABLE_SIZE - 1)];

        if (!*slot || same_folded(all->list[*slot - 1].name, name,
                                  (apr_size_t)-1)) {
            return slot;
        }
    }
}

/* If a name has an exact spelling, its slot holds that one. Only another exact
 * spelling can collide with it. */
static void collide(candidates_t *all, short *slot, short newcomer)
{
    candidate_t *holder = &all->list[*slot - 1];
    candidate_t *other = &all->list[newcomer];

    other->collided = !other->exact || holder->exact;
    holder->collided |= !holder->exact || other->exact;
    if (other->exact && !holder->exact) {
        *slot = (short)(newcomer + 1);
    }
}

static void add_candidate(candidates_t *all, const char *name,
                          const json_t *value)
{
    candidate_t *c = &all->list[all->count];
    short *slot;

    if (all->count == BEARER_EXPORT_MAX_CLAIMS) {
        all->beyond++;
        return;
    }
    *c = (candidate_t){ name, value, is_exact(name) != 0, 0 };
    slot = slot_of(all, name);
    if (*slot) {
        collide(all, slot, (short)all->count);
    } else {
        *slot = (short)(all->count + 1);
    }
    all->count++;
}

static void find_candidates(candidates_t *all, json_t *claims,
                            const apr_array_header_t *wanted)
{
    int i;

    all->count = all->beyond = 0;
    memset(all->slots, 0, sizeof(all->slots));
    if (!wanted) {
        const char *name;
        json_t *value;

        json_object_foreach(claims, name, value) {
            add_candidate(all, name, value);
        }
        return;
    }
    for (i = 0; i < wanted->nelts; i++) {
        const char *name = APR_ARRAY_IDX(wanted, i, const char *);
        const json_t *value = json_object_get(claims, name);

        if (value) {
            add_candidate(all, name, value);
        }
    }
}

/* ---- the claims -------------------------------------------------------- */

static void export_claim(const export_t *x, const candidate_t *c)
{
    const json_t *shown = x->odd ? bearer_exports_shown(c->value, c->name, x->odd,
                                                        x->p) : c->value;
    const char *value = bearer_exports_value(shown, x->p);
    const char *name;

    if (!shown || json_is_null(shown)) {
        return;
    }
    if (!value) {
        leave_out(x, "claim", c->name,
                  "it has CR, LF or NUL, or is over 8192 bytes");
        return;
    }
    if (x->env) {
        name = mapped(x->settings->env_prefix, c->name, 0, x->p);
        if (x->env_clash && is_reserved(fixed_variables, name)) {
            leave_out(x, "claim", c->name, "its variable already has another meaning");
        } else {
            pair(x->env, name, value);
        }
    }
    if (x->headers) {
        name = mapped(x->settings->header_prefix, c->name, 1, x->p);
        if (x->header_clash && is_reserved(identity_headers, name)) {
            leave_out(x, "claim", c->name, "its header already has another meaning");
        } else {
            pair(x->headers, name, bearer_exports_header_value(value, x->p));
        }
    }
}

static void export_claims(const export_t *x, json_t *claims)
{
    candidates_t all;
    int i;

    find_candidates(&all, claims, x->settings->claims);
    for (i = 0; i < all.count; i++) {
        if (all.list[i].collided) {
            leave_out(x, "claim", all.list[i].name,
                      "another claim would get the same name");
        } else {
            export_claim(x, &all.list[i]);
        }
    }
    if (all.beyond && x->left_out) {
        APR_ARRAY_PUSH(x->left_out, const char *) =
            apr_psprintf(x->left_out->pool,
                         "claims not exported: %d; at most %d are exported; name those you need "
                         "with claims= of AuthBearerExport", all.beyond,
                         BEARER_EXPORT_MAX_CLAIMS);
    }
}

/* ---- all exports ------------------------------------------------------- */

static void build(pairs_t *env, pairs_t *headers,
                  const bearer_principal_t *principal,
                  const bearer_settings_t *settings,
                  apr_array_header_t *left_out, apr_pool_t *p)
{
    const bearer_export_settings_t *e = &settings->exports;
    export_t x = { NULL, NULL, 0, 0, e, principal->left_out ? settings : NULL,
                   left_out, p };

    export_fixed(env, principal, p);
    if (left_out && principal->left_out) {
        apr_array_cat(left_out, principal->left_out);
    }
    if ((e->mode & BEARER_EXPORT_ENV) && e->env_prefix && *e->env_prefix) {
        x.env = env;
        x.env_clash = may_be_reserved(fixed_variables, e->env_prefix);
    }
    if ((e->mode & BEARER_EXPORT_HEADERS) && e->header_prefix
        && *e->header_prefix) {
        x.headers = headers;
        x.header_clash = may_be_reserved(identity_headers,
                                         e->header_prefix);
    }
    if (x.env || x.headers) {
        export_claims(&x, principal->claims);
    }
    if (settings->forward & BEARER_FORWARD_IDENTITY) {
        export_identity(headers, principal, p);
    }
}

void bearer_exports_prepare(bearer_principal_t *principal,
                            const bearer_settings_t *settings,
                            apr_array_header_t *left_out, apr_pool_t *p)
{
    pairs_t *env = apr_array_make(p, 64, sizeof(const char *));
    pairs_t *headers = apr_array_make(p, 8, sizeof(const char *));

    build(env, headers, principal, settings, left_out, p);
    principal->exported_env = env;
    principal->exported_headers = headers;
}

/* Names that the table does not have (the usual case) are added without searching
 * the names added before. */
static void overlay(apr_table_t *table, const apr_array_header_t *pairs)
{
    const char *const *first = (const char *const *)(const void *)pairs->elts;
    const char *const *end = first + pairs->nelts;
    const char *const *pair;

    for (pair = first; pair < end; pair += 2) {
        if (apr_table_get(table, pair[0])) {
            apr_table_unset(table, pair[0]);
        }
    }
    for (pair = first; pair < end; pair += 2) {
        apr_table_addn(table, pair[0], pair[1]);
    }
}

void bearer_exports_apply(apr_table_t *env, apr_table_t *headers,
                          const bearer_principal_t *principal,
                          const bearer_settings_t *settings,
                          apr_array_header_t *left_out, apr_pool_t *p)
{
    bearer_principal_t prepared;

    if (!principal->exported_env || !principal->exported_headers) {
        prepared = *principal;
        bearer_exports_prepare(&prepared, settings, left_out, p);
        principal = &prepared;
    }
    overlay(env, principal->exported_env);
    overlay(headers, principal->exported_headers);
}
