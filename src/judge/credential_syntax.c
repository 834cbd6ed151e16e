/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * See credential_syntax.h. Names are compared in the same way for reading and for
 * removing a token, so that no spelling works for only one of them.
 */
#include "judge/credential_syntax.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <openssl/evp.h>

#include "base/cookie.h"
#include "base/text.h"

#define MASK "***"
#define BLANKS " \t"

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void add(bearer_found_t *found, const char *token, const char *error)
{
    if (found->count++ == 0) {
        found->token = token;
        found->error = error;
    }
}

/* ---- Authorization ------------------------------------------------------ */

const char *bearer_syntax_after_scheme(const char *field, const char *scheme)
{
    apr_size_t len = strlen(scheme);

    if (strncasecmp(field, scheme, len) != 0
        || (field[len] && !is_blank(field[len]))) {
        return NULL;
    }
    return field + len + strspn(field + len, " ");
}

/* Returns the next element of a list, after a comma outside quoted strings (RFC
 * 9110 section 5.6.4), or NULL. */
static const char *next_element(const char *s)
{
    int quoted = 0;

    for (; *s; s++) {
        if (quoted && *s == '\\' && s[1]) {
            s++;
        } else if (*s == '"') {
            quoted = !quoted;
        } else if (*s == ',' && !quoted) {
            return s + 1 + strspn(s + 1, BLANKS);
        }
    }
    return NULL;
}

/* Returns what follows a scheme of tokens, or NULL for another scheme. */
static const char *after_token_scheme(const char *field, int *dpop)
{
    const char *token = bearer_syntax_after_scheme(field, "Bearer");

    *dpop = 0;
    if (!token) {
        token = bearer_syntax_after_scheme(field, "DPoP");
        *dpop = token != NULL;
    }
    return token;
}

static int has_token_behind(const char *field)
{
    int dpop;

    while ((field = next_element(field)) != NULL) {
        if (after_token_scheme(field, &dpop)) {
            return 1;
        }
    }
    return 0;
}

int bearer_syntax_is_token(const char *field)
{
    int dpop;

    return after_token_scheme(field, &dpop) != NULL;
}

void bearer_syntax_authorization(bearer_found_t *found, const char *field)
{
    int dpop;
    const char *token = after_token_scheme(field, &dpop);

    if (token) {
        found->dpop |= dpop && !found->count;
        add(found, token, NULL);
    } else if (has_token_behind(field)) {
        add(found, "", NULL);
        add(found, "", NULL);
    }
}

void bearer_syntax_bare(bearer_found_t *found, const char *field)
{
    const char *token = bearer_syntax_after_scheme(field, "Bearer");

    add(found, token ? token : field, NULL);
}

/* RFC 4648 section 4; missing padding is accepted. NULL: invalid, or it contains a
 * NUL, after which something could be hidden. */
static char *decode_base64(const char *text, apr_pool_t *p)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";
    apr_size_t len = strspn(text, alphabet);
    apr_size_t padding = (4 - len % 4) % 4;
    apr_size_t rest = strspn(text + len, "=");
    unsigned char *plain;
    char *whole;

    if (text[len + rest] || len % 4 == 1 || (rest && rest != padding)) {
        return NULL;
    }
    whole = apr_pstrcat(p, apr_pstrmemdup(p, text, len),
                        &"=="[2 - padding], NULL);
    plain = apr_palloc(p, len + padding + 1);
    if (EVP_DecodeBlock(plain, (const unsigned char *)whole,
                        (int)(len + padding)) < 0) {
        return NULL;
    }
    len = (len + padding) / 4 * 3 - padding;
    plain[len] = '\0';
    return memchr(plain, '\0', len) ? NULL : (char *)plain;
}

void bearer_syntax_basic(bearer_found_t *found, const char *field,
                         const char *user, apr_pool_t *p)
{
    const char *encoded = bearer_syntax_after_scheme(field, "Basic");
    char *plain, *colon;

    if (!encoded) {
        return;
    }
    plain = decode_base64(encoded, p);
    colon = plain ? strchr(plain, ':') : NULL;
    if (!colon) {
        add(found, "", "the Basic credentials are not the base64 of a user name, a colon and the "
            "token");
        return;
    }
    *colon = '\0';
    if (!user || strcmp(plain, user) == 0) {
        add(found, colon + 1, NULL);
    }
}

/* ---- cookies ------------------------------------------------------------ */

/* One piece of a list and the separator before it. */
typedef struct piece_t {
    const char *text;
    apr_size_t len;
    char before;          /* '\0': the first piece */
} piece_t;

/* Reads the next piece at *at and advances it; returns 0 after the last. */
static int next_piece(piece_t *piece, const char *list, const char **at,
                      const char *separators)
{
    if (!*at) {
        return 0;
    }
    piece->text = *at;
    piece->len = strcspn(*at, separators);
    piece->before = *at > list ? (*at)[-1] : '\0';
    *at += piece->len;
    *at = **at ? *at + 1 : NULL;
    return 1;
}

/* Returns the value of a piece `name=value`, with spaces allowed around name; else
 * NULL. A name is an HTTP token, so it cannot match beyond the separator that ends
 * the piece. */
static const char *value_of_cookie(const piece_t *piece, const char *name)
{
    const char *s = piece->text + strspn(piece->text, BLANKS);
    apr_size_t len = strlen(name);

    if (strncmp(s, name, len) != 0) {
        return NULL;
    }
    s += len + strspn(s + len, BLANKS);
    return s < piece->text + piece->len && *s == '=' ? s + 1 : NULL;
}

#define COOKIE_SEPARATORS ";,"

void bearer_syntax_cookie(bearer_found_t *found, const char *field,
                          const char *name, apr_pool_t *p)
{
    const char *at = field, *value;
    piece_t piece;

    while (next_piece(&piece, field, &at, COOKIE_SEPARATORS)) {
        apr_size_t len;

        value = value_of_cookie(&piece, name);
        if (!value || value == piece.text + piece.len
            || !bearer_cookie_counts(piece.before, name)) {
            continue;
        }
        len = (apr_size_t)(piece.text + piece.len - value);
        add(found, found->count ? "" : apr_pstrmemdup(p, value, len), NULL);
    }
}

/* Reads a pair of a Cookie field up to `;` or `, `. */
static int next_pair(piece_t *pair, const char *field, const char **at)
{
    const char *s = *at, *end;

    if (!s) {
        return 0;
    }
    pair->before = s > field ? s[-1] : '\0';
    s += strspn(s, BLANKS);
    for (end = s; *end && *end != ';' && !(*end == ',' && is_blank(end[1]));
         end++) {
    }
    *at = *end ? end + 1 : NULL;
    pair->text = s;
    for (; end > s && is_blank(end[-1]); end--) {
    }
    pair->len = (apr_size_t)(end - s);
    return 1;
}

static int is_named(const piece_t *pair, const apr_array_header_t *names)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (value_of_cookie(pair, APR_ARRAY_IDX(names, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

static int has_value(const piece_t *pair)
{
    const char *equals = memchr(pair->text, '=', pair->len);

    return equals && equals > pair->text
        && equals + 1 < pair->text + pair->len;
}

const char *bearer_syntax_cookies(const char *field,
                                  const apr_array_header_t *names, apr_pool_t *p)
{
    apr_array_header_t *pairs = apr_array_make(p, 4, sizeof(const char *));
    const char *at = field;
    piece_t pair;

    while (next_pair(&pair, field, &at)) {
        if (has_value(&pair) && (!names || is_named(&pair, names))
            && bearer_cookie_counts(pair.before, pair.text)) {
            if (pairs->nelts) {
                APR_ARRAY_PUSH(pairs, const char *) = "; ";
            }
            APR_ARRAY_PUSH(pairs, const char *) = apr_pstrmemdup(p, pair.text,
                                                                 pair.len);
        }
    }
    return pairs->nelts ? apr_array_pstrcat(p, pairs, 0) : NULL;
}

static int is_not_the_one(const void *name, const char *pair)
{
    const piece_t whole = { pair, strcspn(pair, COOKIE_SEPARATORS), '\0' };

    return !value_of_cookie(&whole, name);
}

const char *bearer_syntax_without_cookie(const char *field, const char *name,
                                         apr_pool_t *p)
{
    return bearer_cookie_choose(field, 1, is_not_the_one, name, p);
}

static int is_none_of(const void *names, const char *pair)
{
    const piece_t whole = { pair, strcspn(pair, COOKIE_SEPARATORS), '\0' };

    return !is_named(&whole, names);
}

/* A value may contain commas and is removed as a whole. A comma without a space
 * may also have joined two fields on the way. */
const char *bearer_syntax_without_cookies(const char *field,
                                          const apr_array_header_t *names,
                                          apr_pool_t *p)
{
    field = bearer_cookie_choose(field, 0, is_none_of, names, p);
    return field ? bearer_cookie_choose(field, 1, is_none_of, names, p) : NULL;
}

/* ---- queries ------------------------------------------------------------ */

/* Returns the value of a piece `name=value`, where name may be percent-encoded; else NULL. */
static const char *value_of_parameter(const piece_t *piece, const char *name)
{
    const char *s = piece->text;
    const char *end = memchr(s, '=', piece->len);

    if (!end) {
        return NULL;
    }
    while (s < end && *name) {
        if (bearer_text_form_next(&s, end) != (unsigned char)*name++) {
            return NULL;
        }
    }
    return s == end && !*name ? end + 1 : NULL;
}

void bearer_syntax_query(bearer_found_t *found, const char *query,
                         const char *name, apr_pool_t *p)
{
    const char *at = query;
    piece_t piece;

    while (next_piece(&piece, query, &at, "&")) {
        const char *value = value_of_parameter(&piece, name);
        const char *token;

        if (!value) {
            continue;
        }
        token = found->count ? "" : bearer_text_form_decode(
            p, value, (apr_size_t)(piece.text + piece.len - value));
        add(found, token ? token : "",
            token ? NULL : "the query parameter has an invalid percent-encoding");
    }
}

const char *bearer_syntax_without_parameter(const char *query, const char *name,
                                            apr_pool_t *p)
{
    const char *at = query;
    char *kept, *out;
    piece_t piece;

    kept = out = apr_palloc(p, strlen(query) + 1);
    while (next_piece(&piece, query, &at, "&;")) {
        if (value_of_parameter(&piece, name)) {
            continue;
        }
        if (out > kept) {
            *out++ = piece.before;
        }
        memcpy(out, piece.text, piece.len);
        out += piece.len;
    }
    *out = '\0';
    return *kept ? kept : NULL;
}

const char *bearer_syntax_mask_query(const char *query, const char *name,
                                     apr_pool_t *p)
{
    const char *at = query, *value;
    char *masked, *out;
    piece_t piece;

    /* the shortest `n=` becomes `n=***` */
    masked = out = apr_palloc(p, 3 * strlen(query) + sizeof(MASK));
    while (next_piece(&piece, query, &at, "&;")) {
        value = value_of_parameter(&piece, name);
        if (piece.before) {
            *out++ = piece.before;
        }
        if (value) {
            piece.len = (apr_size_t)(value - piece.text);
        }
        memcpy(out, piece.text, piece.len);
        out += piece.len;
        if (value) {
            memcpy(out, MASK, sizeof(MASK) - 1);
            out += sizeof(MASK) - 1;
        }
    }
    *out = '\0';
    return strcmp(masked, query) ? masked : query;
}

const char *bearer_syntax_mask_url(const char *text, const char *name,
                                   apr_pool_t *p)
{
    const char *query = strchr(text, '?'), *masked, *plain;
    apr_size_t len;

    if (!query) {
        return text;
    }
    len = strcspn(++query, " #");
    plain = apr_pstrmemdup(p, query, len);
    masked = bearer_syntax_mask_query(plain, name, p);
    if (masked == plain) {
        return text;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, text, (apr_size_t)(query - text)),
                       masked, query + len, NULL);
}

/* ---- check 1 ------------------------------------------------------------ */

bearer_reason_t bearer_syntax_judge(const bearer_found_t *found,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    apr_size_t span;

    if (!found->count) {
        return BEARER_NO_CREDENTIAL;
    }
    if (found->count > 1) {
        return bearer_refuse(why, p, BEARER_CREDENTIAL_COUNT,
                             "the request has more than one token; send one, in one way of "
                             "AuthBearerTokenFrom");
    }
    if (found->error) {
        return bearer_refuse(why, p, BEARER_CREDENTIAL_SYNTAX, "%s",
                             found->error);
    }
    if (!*found->token) {
        return bearer_refuse(why, p, BEARER_CREDENTIAL_SYNTAX, "the token is "
                             "empty");
    }
    span = bearer_text_b64token(found->token, strlen(found->token));
    if (!found->token[span]) {
        return BEARER_OK;
    }
    if (strchr(found->token + span, ',')) {
        return bearer_refuse(why, p, BEARER_CREDENTIAL_SYNTAX,
                             "a comma follows the token: two Authorization headers, or two "
                             "credentials in one; send one");
    }
    return bearer_refuse(why, p, BEARER_CREDENTIAL_SYNTAX,
                         "byte %lu of the token is not allowed by RFC 6750 (A-Z a-z 0-9 - . _ ~ + "
                         "/ and = at the end)",
                         (unsigned long)span + 1);
}
