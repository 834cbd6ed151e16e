/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * An AuthBearerSessionCheck line: parsing, printing, and checking for mistakes. See
 * session_check_line.h.
 */
#include "trust/session_check_line.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "base/text.h"
#include "trust/hints.h"

/** A line being parsed. */
typedef struct line_t {
    bearer_session_check_t *check;
    unsigned seen;           /* 1 << KEY_... */
    const struct line_key_t *key;  /* the key being parsed */
    apr_table_t *add;
    apr_pool_t *p;
} line_t;

/* ---- words --------------------------------------------------------------- */

/* Header fields for framing or for one connection (RFC 9110 section 7.6.1): a
 * client's value would change where the request ends. */
static int is_framing(const char *name)
{
    static const char *const names[] = {
        "Host", "Content-Length", "Content-Encoding", "Transfer-Encoding",
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization",
        "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "Expect", NULL
    };
    const char *const *one = names;

    while (*one && strcasecmp(*one, name) != 0) {
        one++;
    }
    return *one != NULL;
}

static const char *quoted(const line_t *line, const char *s)
{
    return bearer_text_quote(line->p, s);
}

/** A key of the line: how it is parsed, how it is printed (NULL: omitted), and its member. */
typedef struct line_key_t {
    const char *name;
    const char *(*parse)(line_t *line, const char *value);
    const char *(*print)(const bearer_session_check_t *check,
                         const struct line_key_t *key, apr_pool_t *p);
    apr_size_t offset;
    const char *absent;  /* text printed for NULL */
    int many;            /* may occur more than once */
} line_key_t;

#define MEMBER(check, key, type) \
    (*(type *)(void *)((char *)(apr_uintptr_t)(check) + (key)->offset))

/* ---- send= ----------------------------------------------------------------- */

static const struct {
    const char *word;
    int named;           /* a name follows */
    const char *field;   /* the header it uses; NULL: the one of that name */
} sends[] = {
#define X(symbol, word, named, field) { word, named, field },
    BEARER_SENDS(X)
#undef X
};

#define SENDS ((int)(sizeof(sends) / sizeof(sends[0])))

const char *bearer_session_check_field(const bearer_session_check_t *check)
{
    return sends[check->send].field ? sends[check->send].field : check->name;
}

static const char *parse_send(line_t *line, const char *value)
{
    const char *colon = strchr(value, ':');
    apr_size_t len = strcspn(value, ":");
    int i;

    for (i = 0; i < SENDS; i++) {
        if (strlen(sends[i].word) == len && !strncmp(value, sends[i].word, len)
            && !colon == !sends[i].named && (!colon || colon[1])
            && (i != BEARER_SEND_HEADER || bearer_text_is_token(colon + 1))) {
            line->check->send = (bearer_send_t)i;
            line->check->name = colon ? colon + 1 : NULL;
            return NULL;
        }
    }
    return apr_psprintf(line->p, "unknown send=%s; expected send=authorization, send=form:NAME, "
                        "send=header:NAME or send=cookie",
                        quoted(line, value));
}

static const char *print_send(const bearer_session_check_t *check,
                              const line_key_t *key, apr_pool_t *p)
{
    const char *word = sends[check->send].word;

    (void)key;
    return check->cookies ? NULL
        : sends[check->send].named ? apr_pstrcat(p, word, ":", check->name, NULL)
                                   : word;
}

/* ---- lists of names --------------------------------------------------------- */

/* a,b,c */
static const char *split(const line_t *line, const char *value, const char *what,
                         const apr_array_header_t **list)
{
    int i;

    *list = bearer_text_split(line->p, value, ",");
    for (i = 0; i < (*list)->nelts; i++) {
        const char *name = APR_ARRAY_IDX(*list, i, const char *);

        if (!bearer_text_is_token(name)) {
            return apr_psprintf(line->p, "%s is not the name of a %s",
                                quoted(line, name), what);
        }
    }
    return i ? NULL : apr_psprintf(line->p, "the list of %ss is empty", what);
}

static const char *parse_cookies(line_t *line, const char *value)
{
    return split(line, value, "cookie", &line->check->cookies);
}

static const char *parse_headers(line_t *line, const char *value)
{
    const apr_array_header_t *list = NULL;
    const char *error = split(line, value, "header", &list);
    int i;

    for (i = 0; !error && list && i < list->nelts; i++) {
        const char *name = APR_ARRAY_IDX(list, i, const char *);

        if (!strcasecmp(name, "Authorization")) {
            error = "headers=Authorization would send the token twice, or another token; use send= "
                    "for the token";
        } else if (!strcasecmp(name, "Cookie")) {
            error = "headers=Cookie would send every cookie; name those that the session service "
                    "needs with cookies=a,b";
        } else if (is_framing(name)) {
            error = apr_psprintf(line->p, "headers=%s: this header belongs to the client's "
                                 "connection and is not forwarded%s",
                                 name, strcasecmp(name, "Host") ? ""
                                       : "; host=request sends the client's host");
        }
    }
    line->check->headers = list;
    return error;
}

static const char *print_list(const bearer_session_check_t *check,
                              const line_key_t *key, apr_pool_t *p)
{
    const apr_array_header_t *list = MEMBER(check, key, const apr_array_header_t *);

    return list ? apr_array_pstrcat(p, list, ',') : NULL;
}

/* ---- texts ------------------------------------------------------------------ */

static const char *parse_prefix(line_t *line, const char *value)
{
    line->check->prefix = value;
    return *value ? NULL : "prefix= is empty; for all tokens, remove it";
}

static const char *print_text(const bearer_session_check_t *check,
                              const line_key_t *key, apr_pool_t *p)
{
    const char *text = MEMBER(check, key, const char *);

    (void)p;
    return text ? text : key->absent;
}

static const char *parse_method(line_t *line, const char *value)
{
    if (!strcmp(value, "same")) {
        line->check->method = NULL;
        return NULL;
    }
    if (!*value || value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")]) {
        return apr_psprintf(line->p, "method=%s is not a method; write GET, POST or another in "
                            "capitals, or same for the client's",
                            quoted(line, value));
    }
    if (!bearer_session_check_answers(value)) {
        return apr_psprintf(line->p, "method=%s gives no response that identifies the user; use "
                            "GET", value);
    }
    line->check->method = value;
    return NULL;
}

/* ---- origin of parts of the URL: request or url ----------------------------- */

static const char *parse_whose(line_t *line, const char *value)
{
    const char *key = line->key->name;
    int clients = !strcmp(value, "request");

    MEMBER(line->check, line->key, int) = clients;
    return clients || !strcmp(value, "url") ? NULL
        : apr_psprintf(line->p, "unknown %s=%s; expected %s=url (as configured) or %s=request (the "
                       "client's)", key, quoted(line, value), key,
                       key);
}

static const char *print_whose(const bearer_session_check_t *check,
                               const line_key_t *key, apr_pool_t *p)
{
    (void)p;
    return MEMBER(check, key, int) ? "request" : "url";
}

/* ---- add= ------------------------------------------------------------------- */

static const char *parse_add(line_t *line, const char *value)
{
    const char *colon = strchr(value, ':'), *name;

    if (!colon) {
        return "add= needs a name, a colon and a value: add=X-Api-Key:abc; with blanks, quote it "
               "as a whole ('add=X-Of: two words')";
    }
    name = apr_pstrmemdup(line->p, value, (apr_size_t)(colon - value));
    if (!bearer_text_is_token(name) || is_framing(name)) {
        return apr_psprintf(line->p, "add=%s: %s", quoted(line, name),
                            bearer_text_is_token(name)
                            ? "this header cannot be configured"
                            : "this is not the name of a header");
    }
    for (colon++; *colon == ' '; colon++) {
    }
    if (bearer_text_has_control(colon, strlen(colon))) {
        return "add=: the value has a control character";
    }
    apr_table_setn(line->add, name, colon);
    line->check->add = line->add;
    return NULL;
}

/* Prints all of them, with the key in between; values may be secret. */
static const char *print_add(const bearer_session_check_t *check,
                             const line_key_t *key, apr_pool_t *p)
{
    const apr_array_header_t *rows = check->add ? apr_table_elts(check->add) : NULL;
    const char *text = NULL;
    int i;

    for (i = 0; rows && i < rows->nelts; i++) {
        const char *one = apr_pstrcat(p, APR_ARRAY_IDX(rows, i, apr_table_entry_t).key,
                                      ":***", NULL);

        text = text ? apr_pstrcat(p, text, " ", key->name, "=", one, NULL) : one;
    }
    return text;
}

/* ---- paths in the response -------------------------------------------------- */

static const char *parse_subject(line_t *line, const char *value)
{
    line->check->subject = bearer_path_compile(value, line->p);
    line->check->subject_written = 1;
    return line->check->subject && strcmp(value, "@this") ? NULL
        : apr_psprintf(line->p, "subject=%s does not name a place in the response; write e.g. "
                       "subject=identity.id", quoted(line, value));
}

static const char *parse_extra(line_t *line, const char *value)
{
    line->check->extra = bearer_path_compile(value, line->p);
    return line->check->extra ? NULL
        : "extra= does not name a place in the response; write e.g. extra=identity.traits, or "
          "@this for all of it";
}

static const char *print_path(const bearer_session_check_t *check,
                              const line_key_t *key, apr_pool_t *p)
{
    (void)p;
    return bearer_path_text(MEMBER(check, key, const bearer_path_t *));
}

/* ---- the line --------------------------------------------------------------- */

/* X(key, parse, print, member, absent, many), in the order of printing */
#define KEYS(X) \
    X(send, parse_send, print_send, send, NULL, 0) \
    X(cookies, parse_cookies, print_list, cookies, NULL, 0) \
    X(prefix, parse_prefix, print_text, prefix, NULL, 0) \
    X(method, parse_method, print_text, method, "same", 0) \
    X(path, parse_whose, print_whose, client_path, NULL, 0) \
    X(query, parse_whose, print_whose, client_query, NULL, 0) \
    X(host, parse_whose, print_whose, client_host, NULL, 0) \
    X(headers, parse_headers, print_list, headers, NULL, 0) \
    X(add, parse_add, print_add, add, NULL, 1) \
    X(subject, parse_subject, print_path, subject, NULL, 0) \
    X(extra, parse_extra, print_path, extra, NULL, 0)

enum {
#define X(key, parse, print, member, absent, many) KEY_##key,
    KEYS(X)
#undef X
    KEY_COUNT
};

static const line_key_t keys[] = {
#define X(key, parse, print, member, absent, many) \
    { #key, parse, print, offsetof(bearer_session_check_t, member), absent, many },
    KEYS(X)
#undef X
};

static const char *unknown(const line_t *line, const char *word)
{
    const char *hint = bearer_hint("AuthBearerSessionCheck", word, strcspn(word, "=:"),
                                   line->p);

#define X(key, parse, print, member, absent, many) #key "=, "
    return hint ? hint : apr_psprintf(line->p, "unknown argument %s; expected one of: "
                                      KEYS(X) "ttl=", quoted(line, word));
#undef X
}

static const char *parse_word(line_t *line, const char *word)
{
    apr_size_t len = strcspn(word, "=");
    int i;

    for (i = 0; word[len] && i < KEY_COUNT; i++) {
        if (strlen(keys[i].name) != len || strncmp(word, keys[i].name, len) != 0) {
            continue;
        }
        if ((line->seen & 1u << i) && !keys[i].many) {
            return apr_psprintf(line->p, "%s= is given twice", keys[i].name);
        }
        line->seen |= 1u << i;
        line->key = &keys[i];
        return keys[i].parse(line, apr_pstrdup(line->p, word + len + 1));
    }
    return unknown(line, word);
}

/* ---- consistency ----------------------------------------------------------- */

#define SEEN(line, key) ((line)->seen & 1u << KEY_##key)

static const char *check_send(const line_t *line)
{
    bearer_session_check_t *check = line->check;

    if (check->cookies && SEEN(line, send)
        && check->send != BEARER_SEND_COOKIE) {
        return "cookies= sends these cookies unchanged; it cannot be combined with send=";
    }
    if (check->cookies) {
        check->send = BEARER_SEND_COOKIE;
    }
    if (check->send == BEARER_SEND_COOKIE && check->prefix) {
        return "prefix= is for tokens, but cookies are sent here; name them with cookies=a,b";
    }
    if (check->send == BEARER_SEND_HEADER
        && (is_framing(check->name) || !strcasecmp(check->name, "Cookie")
            || !strcasecmp(check->name, "Authorization"))) {
        return apr_psprintf(line->p, "send=header:%s cannot be used; for Authorization, write "
                            "send=authorization, for cookies, cookies=a,b", check->name);
    }
    return NULL;
}

/* RFC 9110 section 9.3.1: a body with GET has no meaning. */
static const char *check_method(const line_t *line)
{
    bearer_session_check_t *check = line->check;

    if (check->send != BEARER_SEND_FORM) {
        return NULL;
    }
    if (!SEEN(line, method)) {
        check->method = "POST";
    }
    return check->method && strcmp(check->method, "GET") ? NULL
        : "send=form: needs a method with a body; remove method=, or write method=POST";
}

static const char *check_add(const line_t *line)
{
    const char *taken = bearer_session_check_field(line->check);

    return apr_table_get(line->add, taken)
        ? apr_psprintf(line->p, "add=%s: this header carries the credential, or belongs to it "
                       "(send=)", taken) : NULL;
}

/* Returns the last segment of the URL's path as the server reads it: percent-decoded
 * and without dot segments (RFC 3986 sections 2.4 and 5.2.4). */
static const char *last_segment(const char *url, apr_pool_t *p)
{
    bearer_http_url_t parts = { 0, "", 0, "" };
    apr_array_header_t *names;
    const char *path;
    int i, depth = 0;

    bearer_http_url_split(&parts, url, p);
    path = bearer_text_form_decode(p, parts.path, strcspn(parts.path, "?"));
    names = bearer_text_split(p, path ? path : parts.path, "/");
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (!strcmp(name, "..")) {
            depth -= depth > 0;
        } else if (strcmp(name, ".") != 0) {
            APR_ARRAY_IDX(names, depth++, const char *) = name;
        }
    }
    return depth ? APR_ARRAY_IDX(names, depth - 1, const char *) : "";
}

static int is_introspection(const bearer_session_check_t *check, apr_pool_t *p)
{
    return !strncasecmp(last_segment(check->url, p), "introspect", 10);
}

static const char *check_endpoint(const line_t *line)
{
    return is_introspection(line->check, line->p)
           && line->check->send != BEARER_SEND_FORM
        ? apr_psprintf(line->p, "%s is an introspection endpoint (RFC 7662), not a session check; "
                       "write AuthBearerProvider introspection here, and AuthBearerIntrospection "
                       "%s in <AuthBearerIssuer>",
                       bearer_http_url_shown(line->check->url, line->p),
                       bearer_http_url_masked(line->check->url, line->p)) : NULL;
}

static const char *check_whole(const line_t *line)
{
    const char *error = check_send(line);

    error = error ? error : check_method(line);
    error = error ? error : check_add(line);
    return error ? error : check_endpoint(line);
}

const char *bearer_session_check_parse(bearer_session_check_t **out,
                                       const apr_array_header_t *words,
                                       apr_pool_t *p)
{
    bearer_session_check_t *check = apr_pcalloc(p, sizeof(*check));
    line_t line = { check, 0, NULL, apr_table_make(p, 2), p };
    bearer_http_url_t parts;
    const char *error;
    int i;

    *out = check;
    check->subject = check->user = bearer_path_compile("sub", p);
    check->extra = bearer_path_compile("extra", p);
    if (!words->nelts) {
        return "the URL of the session service is missing";
    }
    check->url = apr_pstrdup(p, APR_ARRAY_IDX(words, 0, const char *));
    error = bearer_http_url_split(&parts, check->url, p);
    if (error) {
        return apr_psprintf(p, "%s cannot be used: %s; the first argument must be the URL of the "
                            "session service",
                            bearer_http_url_shown(check->url, p), error);
    }
    for (i = 1; !error && i < words->nelts; i++) {
        error = parse_word(&line, APR_ARRAY_IDX(words, i, const char *));
    }
    return error ? error : check_whole(&line);
}

const char *bearer_session_check_print(const bearer_session_check_t *check,
                                       apr_pool_t *p)
{
    const char *text = bearer_http_url_masked(check->url, p), *value;
    int i;

    for (i = 0; i < KEY_COUNT; i++) {
        value = keys[i].print(check, &keys[i], p);
        if (value) {
            text = apr_pstrcat(p, text, " ", keys[i].name, "=", value, NULL);
        }
    }
    return check->ttl % APR_USEC_PER_SEC
        ? apr_psprintf(p, "%s ttl=%" APR_TIME_T_FMT "ms", text, check->ttl / 1000)
        : apr_psprintf(p, "%s ttl=%" APR_TIME_T_FMT "s", text,
                       apr_time_sec(check->ttl));
}

/* ---- likely mistakes ------------------------------------------------------- */

const char *bearer_session_check_error(const bearer_session_check_t *check,
                                       const apr_array_header_t *plain_http,
                                       apr_pool_t *p)
{
    const char *error = bearer_http_url_error(check->url, NULL, plain_http, p);

    return error ? apr_pstrcat(p, "AuthBearerSessionCheck: ", error, NULL) : NULL;
}

static int ends_in(const char *url, const char *path)
{
    apr_size_t end = strcspn(url, "?"), len = strlen(path);

    return end >= len && !strncmp(url + end - len, path, len);
}

static int is_email(const char *path)
{
    const char *dot = strrchr(path, '.');

    return !strcasecmp(dot ? dot + 1 : path, "email");
}

void bearer_session_check_lint(apr_array_header_t *findings,
                               const bearer_session_check_t *check)
{
    const char *directive = bearer_settings_directive(BEARER_SET_SESSION_CHECK);

    if (is_introspection(check, findings->pool)) {
        bearer_findings_add(findings, BEARER_LOG_WARNING, directive,
            AB(0732) "AuthBearerSessionCheck names an introspection endpoint: audience, issuer and "
            "times are not checked, and this server is not authenticated; use AuthBearerProvider "
            "introspection");
    }
    if (ends_in(check->url, "/sessions/whoami") && !check->subject_written) {
        bearer_findings_add(findings, BEARER_LOG_WARNING, directive,
            AB(0733) "AuthBearerSessionCheck: the response of Ory Kratos has no sub, so every user "
            "is refused; write subject=identity.id extra=identity.traits");
    }
    if (is_email(bearer_path_text(check->subject))) {
        bearer_findings_add(findings, BEARER_LOG_WARNING, directive,
            AB(0734) "AuthBearerSessionCheck subject=%s: if users can change their address, they "
            "can become other users; use an identifier, e.g. subject=identity.id",
                         bearer_path_text(check->subject));
    }
}

int bearer_session_check_answers(const char *method)
{
    return strcmp(method, "HEAD") != 0 && strcmp(method, "CONNECT") != 0
           && strcmp(method, "TRACE") != 0;
}

int bearer_session_check_by_cookie(const bearer_session_check_t *check)
{
    return check->send == BEARER_SEND_COOKIE;
}
