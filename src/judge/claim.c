/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The matcher of `Require claim`. See claim.h. Matching allocates nothing.
 */
#include "judge/claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

typedef enum { PRESENT, EQUAL, MATCHES } form_t;

struct bearer_claim_rule_t {
    const char *name;
    const bearer_path_t *path;
    form_t form;
    const char *value;
    const bearer_regex_t *regex;
};

/* ---- parsing a SPEC ---------------------------------------------------- */

/* Removes the backslash of `\:` and `\~` anywhere, and of `\.` on request. In a
 * name, `\.` stays for the path parser. */
static const char *unescape(const char *s, apr_size_t len, int dots,
                            apr_pool_t *p)
{
    char *text = apr_palloc(p, len + 1);
    char *out = text;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        if (s[i] == '\\' && i + 1 < len
            && (s[i + 1] == ':' || s[i + 1] == '~'
                || (dots && s[i + 1] == '.'))) {
            i++;
        }
        *out++ = s[i];
    }
    *out = '\0';
    return text;
}

/* Returns the first unescaped `:` or `~`, except a `:` before `//`, because names
 * of claims are often URLs. NULL: none. */
static const char *separator(const char *spec)
{
    const char *s;

    for (s = spec; *s; s++) {
        if (*s == '\\' && s[1]) {
            s++;
        } else if (*s == '~' || (*s == ':' && !(s[1] == '/' && s[2] == '/'))) {
            return s;
        }
    }
    return NULL;
}

static const char *compile_regex(bearer_claim_rule_t *rule, const char *spec,
                                 const char *pattern,
                                 bearer_regex_compile_fn compile, apr_pool_t *p)
{
    const char *error = NULL;

    if (!*pattern) {
        return apr_psprintf(p, "'%s': the regular expression after ~ is empty and would match "
                            "every value; to require only that the claim exists, write '%s'",
                            spec, rule->name);
    }
    if (!compile) {
        return apr_psprintf(p, "'%s': regular expressions are not supported here", spec);
    }
    rule->regex = compile(pattern, &error, p);
    if (!rule->regex) {
        return apr_psprintf(p, "'%s': %s is not a valid regular expression: %s",
                            spec, pattern,
                            error ? error : "it does not compile");
    }
    return NULL;
}

const bearer_claim_rule_t *bearer_claim_compile(const char *spec,
                                                bearer_regex_compile_fn compile,
                                                const char **error,
                                                apr_pool_t *p)
{
    bearer_claim_rule_t *rule = apr_pcalloc(p, sizeof(*rule));
    const char *at = separator(spec);
    apr_size_t len = at ? (apr_size_t)(at - spec) : strlen(spec);

    *error = NULL;
    rule->name = unescape(spec, len, 0, p);
    rule->path = bearer_path_compile(rule->name, p);
    if (!rule->path) {
        *error = apr_psprintf(p, "'%s' does not name a claim; write name:value, name~regex or name "
                              "(at most 256 bytes)", spec);
        return NULL;
    }
    if (rule->name[strspn(rule->name, "=!<>")] == '\0') {
        /* in `dept == shop`, the first word alone would accept anyone with any dept */
        *error = apr_psprintf(p, "'%s' is not a claim, and there are no operators; write "
                              "name:value or name~regex, in one word", spec);
        return NULL;
    }
    if (at && *at == ':') {
        rule->form = EQUAL;
        rule->value = unescape(at + 1, strlen(at + 1), 1, p);
    } else if (at) {
        rule->form = MATCHES;
        *error = compile_regex(rule, spec, at + 1, compile, p);
    }
    return *error ? NULL : rule;
}

const char *bearer_claim_value(const bearer_claim_rule_t *rule)
{
    return rule->value;
}

const bearer_path_t *bearer_claim_path(const bearer_claim_rule_t *rule)
{
    return rule->path;
}

int bearer_claim_is_at(const bearer_claim_rule_t *rule, const apr_array_header_t *paths)
{
    int i = 0;

    while (i < paths->nelts && strcmp(bearer_path_text(APR_ARRAY_IDX(
                                   paths, i, const bearer_path_t *)), rule->name) != 0) {
        i++;
    }
    return i < paths->nelts;
}

/* ---- typed equality ---------------------------------------------------- */

#define DIGITS "0123456789"

/* RFC 8259 section 6. Clears *integer for a fraction or an exponent. */
static int is_json_number(const char *s, int *integer)
{
    apr_size_t n;

    s += *s == '-';
    n = strspn(s, DIGITS);
    if (!n || (*s == '0' && n > 1)) {
        return 0;
    }
    s += n;
    *integer = !*s;
    if (*s == '.') {
        n = strspn(++s, DIGITS);
        if (!n) {
            return 0;
        }
        s += n;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        n = strspn(s, DIGITS);
        if (!n) {
            return 0;
        }
        s += n;
    }
    return *s == '\0';
}

/* Compares exactly, also beyond 2^53. */
static int integer_equals_real(json_int_t i, double d)
{
    /* -2^63 .. 2^63, the range in which the conversion is defined */
    return d >= -9223372036854775808.0 && d < 9223372036854775808.0
           && (double)(json_int_t)d == d && (json_int_t)d == i;
}

static int number_equals(const json_t *number, const char *text)
{
    int integer;
    char *end;
    double d;

    if (!is_json_number(text, &integer)) {
        return 0;
    }
    if (integer) {
        json_int_t i;

        errno = 0;
        i = strtoll(text, NULL, 10);
        if (errno) {
            return 0;
        }
        return json_is_integer(number)
                   ? json_integer_value(number) == i
                   : integer_equals_real(i, json_real_value(number));
    }
    d = strtod(text, &end);
    if (*end) {
        return 0;
    }
    return json_is_integer(number)
               ? integer_equals_real(json_integer_value(number), d)
               : !(json_real_value(number) < d || json_real_value(number) > d);
}

/* Many issuers write the booleans as "true" and "false". JSON null means absence,
 * so the word null only matches a string. */
static int scalar_equals(const json_t *value, const char *text)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return strcmp(json_string_value(value), text) == 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return number_equals(value, text);
    case JSON_TRUE:
        return strcmp(text, "true") == 0;
    case JSON_FALSE:
        return strcmp(text, "false") == 0;
    default:
        return 0;
    }
}

/* ---- regular expressions ----------------------------------------------- */

/** A rule and the data to match. */
typedef struct question_t {
    const bearer_claim_rule_t *rule;
    const char *wanted;
    const bearer_claim_effort_t *effort;
} question_t;

static int regex_matches(const question_t *q, const char *text, apr_size_t len)
{
    const bearer_regex_t *regex = q->rule->regex;

    if (len > BEARER_REGEX_MAX_VALUE) {
        return BEARER_REGEX_TOO_LONG;
    }
    if (q->effort && q->effort->spent(q->effort->baton)) {
        return BEARER_REGEX_SPENT;
    }
    return regex->match(regex->compiled, text, NULL, NULL, 0);
}

static int scalar_matches(const question_t *q, const json_t *value)
{
    char number[64];
    const char *text = number;

    switch (json_typeof(value)) {
    case JSON_STRING:
        text = json_string_value(value);
        break;
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(number, sizeof(number), "%.15g", json_real_value(value));
        break;
    case JSON_TRUE:
        text = "true";
        break;
    case JSON_FALSE:
        text = "false";
        break;
    default:
        return 0;
    }
    return regex_matches(q, text, strlen(text));
}

/* ---- matching ---------------------------------------------------------- */

static int member_matches(const question_t *q, const char *member,
                          apr_size_t len)
{
    char text[BEARER_REGEX_MAX_VALUE + 1];

    if (q->rule->form == EQUAL) {
        return strlen(q->wanted) == len && memcmp(member, q->wanted, len) == 0;
    }
    if (len > BEARER_REGEX_MAX_VALUE) {
        return BEARER_REGEX_TOO_LONG;
    }
    memcpy(text, member, len);
    text[len] = '\0';
    return regex_matches(q, text, len);
}

/* RFC 6749 section 3.3: names separated by single spaces. */
static int any_member_matches(const question_t *q, const char *scopes)
{
    while (*scopes) {
        apr_size_t len = strcspn(scopes, " ");
        int met = len ? member_matches(q, scopes, len) : 0;

        if (met) {
            return met;
        }
        scopes += len;
        scopes += strspn(scopes, " ");
    }
    return 0;
}

static int scalar_fits(const question_t *q, const json_t *value)
{
    return q->rule->form == EQUAL ? scalar_equals(value, q->wanted)
                                  : scalar_matches(q, value);
}

int bearer_claim_match(const bearer_claim_rule_t *rule, const json_t *claims,
                       const char *value, int is_scope,
                       const bearer_claim_effort_t *effort)
{
    const question_t q = { rule, value ? value : rule->value, effort };
    const json_t *found = bearer_path_find(rule->path, claims);
    int met = 0;
    apr_size_t i;

    if (!found) {
        return 0;
    }
    if (rule->form == PRESENT) {
        return !json_is_null(found) && !scalar_equals(found, "false");
    }
    if (json_is_array(found)) {
        for (i = 0; !met && i < json_array_size(found); i++) {
            met = scalar_fits(&q, json_array_get(found, i));
        }
        return met;
    }
    if (is_scope && json_is_string(found)) {
        /* the whole text may exceed the limit for regular expressions */
        met = any_member_matches(&q, json_string_value(found));
    }
    return met ? met : scalar_fits(&q, found);
}
