/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See cookie.h. */
#include "base/cookie.h"

#include <string.h>

#include <apr_strings.h>

#include "base/http.h"

/* ---- names ------------------------------------------------------------- */

/* All names: PREFIX on https, STEM, the word, `_PORT`, the end.
 * X(member of bearer_cookie_names_t, word, end) */
#define PREFIX "__Host-"
#define SHARED "__Secure-"  /* of a cookie with Domain */
#define STEM "bearer_"
#define NAMES(X) \
    X(session, "session", "") \
    X(login, "login", ".") \
    X(tries, "tries", "") \
    X(sent, "sent", "") \
    X(issuer, "issuer", "")

/* How many characters a word has. */
#define LENGTH(word) (sizeof(word) - 1)

void bearer_cookie_names(bearer_cookie_names_t *names, const char *base_url,
                         apr_pool_t *p)
{
    bearer_http_url_t url = { 0, "", 80, "" };
    const char *prefix, *port = "";

    bearer_http_url_split(&url, base_url, p);
    if (url.port != (url.https ? 443 : 80)) {
        port = apr_psprintf(p, "_%d", url.port);
    }
    prefix = url.https ? PREFIX : "";
    names->secure = url.https;
    names->domain = NULL;
#define X(member, word, end) \
    names->member = apr_pstrcat(p, prefix, STEM word, port, end, NULL);
    NAMES(X)
#undef X
}

void bearer_cookie_share(bearer_cookie_names_t *names, const char *domain)
{
    names->session = SHARED STEM "session";
    names->domain = domain;
}

/* ---- the Cookie field -------------------------------------------------- */

#define BLANKS " \t"
#define SEPARATORS ";,"

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void cut_blanks(const char *start, char *end)
{
    while (end > start && is_blank(end[-1])) {
        end--;
    }
    *end = '\0';
}

int bearer_cookie_counts(char before, const char *name)
{
    return before != ',' || (strncmp(name, PREFIX, LENGTH(PREFIX)) != 0
                             && strncmp(name, SHARED, LENGTH(SHARED)) != 0);
}

/* Accepts RFC 6265 section 4.2.1 and common deviations: pairs separated by
 * semicolons, spaces around them, an optionally quoted value. */
void bearer_cookie_each(const char *field, bearer_cookie_fn fn, void *baton,
                        apr_pool_t *p)
{
    char *rest = field ? apr_pstrdup(p, field) : NULL;
    char before = '\0';

    while (rest) {
        char *pair = rest + strspn(rest, BLANKS), *value, *end;
        char separator;

        end = pair + strcspn(pair, SEPARATORS);
        separator = *end;
        rest = separator ? end + 1 : NULL;
        *end = '\0';
        value = strchr(pair, '=');
        if (value && value > pair && bearer_cookie_counts(before, pair)) {
            cut_blanks(pair, value);
            value += 1 + strspn(value + 1, BLANKS);
            cut_blanks(value, end);
            if (!fn(baton, pair, value)) {
                return;
            }
        }
        before = separator;
    }
}

/* Returns 1 if a pair that counts begins at this position. */
static int begins_pair(const char *field, const char *at)
{
    const char *name = at;

    while (at > field && is_blank(at[-1])) {
        at--;
    }
    return at == field || at[-1] == ';'
        || (at[-1] == ',' && bearer_cookie_counts(',', name));
}

/* Returns the value if the name ends here, or NULL if the name continues. */
static const char *value_at(const char *end)
{
    end += strspn(end, BLANKS);
    return *end == '=' ? end + 1 + strspn(end + 1, BLANKS) : NULL;
}

/* Runs in every request: reads the field like bearer_cookie_each(), but does not copy it.
 * Stores where up to `most` values begin, and returns their number. */
static int find_values(const char **found, int most, const char *field, const char *name)
{
    const char *at = field, *value;
    apr_size_t len = strlen(name);
    int n = 0;

    while (at && n < most && (at = strstr(at, name)) != NULL) {
        value = begins_pair(field, at) ? value_at(at + len) : NULL;
        if (value) {
            found[n++] = value;
        }
        at += len;
    }
    return n;
}

/* Returns NULL if the value is empty. */
static const char *copy_value(const char *found, apr_pool_t *p)
{
    apr_size_t len;

    for (len = strcspn(found, SEPARATORS); len && is_blank(found[len - 1]); len--) {
    }
    return len ? apr_pstrmemdup(p, found, len) : NULL;
}

const char *bearer_cookie_get(const char *field, const char *name,
                              apr_pool_t *p)
{
    const char *found[2];

    return find_values(found, 2, field, name) == 1 ? copy_value(found[0], p) : NULL;
}

static const char *chunk_name(const char *name, int i, apr_pool_t *p)
{
    return i ? apr_psprintf(p, "%s.%d", name, i) : name;
}

/* Adds what `begun` may become with chunk i and those after it. */
static int add_values(const char **values, int n, const char *field, const char *name,
                      const char *begun, int i, apr_pool_t *p)
{
    const char *found[BEARER_COOKIE_VALUES], *part;
    int k, before, count = find_values(found, BEARER_COOKIE_VALUES, field,
                                       chunk_name(name, i, p));

    for (k = 0; k < count && n < BEARER_COOKIE_VALUES; k++) {
        if (!(part = copy_value(found[k], p))) {
            continue;
        }
        values[n] = i ? apr_pstrcat(p, begun, part, NULL) : part;
        before = n;
        /* a chunk that is not full is the last one */
        n = strlen(part) == BEARER_COOKIE_CHUNK && i + 1 < BEARER_COOKIE_CHUNKS
            ? add_values(values, n, field, name, values[n], i + 1, p) : n + 1;
        n += n == before;  /* nor is one without a next one */
    }
    return n;
}

int bearer_cookie_values(const char **values, const char *field, const char *name,
                         apr_pool_t *p)
{
    return add_values(values, 0, field, name, NULL, 0, p);
}

/* ---- the Set-Cookie field ---------------------------------------------- */

const char *bearer_cookie_set(const bearer_cookie_names_t *names,
                              const char *name, const char *value, int max_age,
                              apr_pool_t *p)
{
    const char *age = max_age < 0 ? ""
        : apr_psprintf(p, "; Max-Age=%d%s", max_age, max_age ? ""
                       : "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");

    const int shared = names->domain && !strncmp(name, SHARED, LENGTH(SHARED));

    return apr_pstrcat(p, name, "=", value, "; Path=/", shared ? "; Domain=" : "",
                       shared ? names->domain : "", age, "; HttpOnly",
                       names->secure ? "; Secure" : "", "; SameSite=Lax", NULL);
}

const apr_array_header_t *bearer_cookie_split(const bearer_cookie_names_t *names,
                                              const char *name,
                                              const char *value, int max_age,
                                              const char *field, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, 2, sizeof(const char *));
    apr_size_t left = value ? strlen(value) : 0;
    int i;

    if (left > BEARER_COOKIE_MAX) {
        return NULL;
    }
    for (i = 0; i < BEARER_COOKIE_CHUNKS; i++) {
        const char *chunk = chunk_name(name, i, p);
        apr_size_t n = left < BEARER_COOKIE_CHUNK ? left : BEARER_COOKIE_CHUNK;

        if (n) {
            APR_ARRAY_PUSH(lines, const char *) = bearer_cookie_set(
                names, chunk, apr_pstrmemdup(p, value, n), max_age, p);
            value += n;
            left -= n;
        } else if (i == 0 || (field && strstr(field, chunk))) {
            APR_ARRAY_PUSH(lines, const char *) =
                bearer_cookie_set(names, chunk, "", 0, p);
        }
    }
    return lines;
}

/* ---- cookies for the application --------------------------------------- */

/* Includes cookies of a server on another port or scheme of this host: the browser
 * sends them here too, and this application must not see them. */
static int is_own(const char *name)
{
#define X(member, word, end) STEM word,
    static const char *const words[] = { NAMES(X) };
#undef X
    apr_size_t i, len;

    name += strncmp(name, PREFIX, LENGTH(PREFIX)) == 0 ? LENGTH(PREFIX)
          : strncmp(name, SHARED, LENGTH(SHARED)) == 0 ? LENGTH(SHARED) : 0;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        len = strlen(words[i]);
        if (strncmp(name, words[i], len) == 0) {
            name += len;
            name += *name == '_' ? 1 + strspn(name + 1, "0123456789") : 0;
            return *name == '.' || value_at(name) != NULL;
        }
    }
    return 0;
}

/* Returns the end of a pair. A comma may be part of a value, unless `bare` is set. */
static const char *end_of(const char *pair, int bare)
{
    const char *end = pair + strcspn(pair, SEPARATORS);

    while (*end == ',' && !bare && !is_blank(end[1])) {
        end += 1 + strcspn(end + 1, SEPARATORS);
    }
    return end;
}

const char *bearer_cookie_choose(const char *field, int bare,
                                 bearer_cookie_choice_fn stays, const void *baton,
                                 apr_pool_t *p)
{
    char *kept = apr_palloc(p, 2 * strlen(field) + 1), *out = kept;
    const char *at = field, *pair, *end;
    int some = 0, dropped = 0;  /* pairs that do not stay; the last pair did not stay */
    char before = '\0';

    for (; *at; at = *end ? end + 1 : end) {
        pair = at + strspn(at, BLANKS);
        end = end_of(pair, bare);
        if (!stays(baton, pair) || (dropped && !bearer_cookie_counts(before, pair))) {
            some = dropped = 1;
        } else if (before == ',' && !dropped) {
            *out++ = ',';  /* unchanged, because it may be part of a value */
            memcpy(out, at, (apr_size_t)(end - at));
            out += end - at;
        } else {
            if (out > kept && end > pair) {
                *out++ = ';';
                *out++ = ' ';
            }
            memcpy(out, pair, (apr_size_t)(end - pair));
            out += end - pair;
            dropped = 0;
        }
        before = *end;
    }
    *out = '\0';
    return !some ? field : *kept ? kept : NULL;
}

static int is_chosen(const void *own, const char *pair)
{
    return is_own(pair) == (own != NULL);
}

const char *bearer_cookie_strip(const char *field, apr_pool_t *p)
{
    return strstr(field, STEM)
        ? bearer_cookie_choose(field, 1, is_chosen, NULL, p) : field;
}

const char *bearer_cookie_own(const char *field, apr_pool_t *p)
{
    return bearer_cookie_choose(field, 1, is_chosen, field, p);
}
