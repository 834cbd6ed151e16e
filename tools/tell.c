/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Results as text. See tell.h.
 */
#include "tell.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "report/explain.h"

const char *tell_shown(const char *s, apr_pool_t *p)
{
    const char *c;

    for (c = s; c && *c; c++) {
        if (*c < ' ' || *c > '~') {
            return bearer_text_quote(p, s);
        }
    }
    return s ? s : "(none)";
}

/* Returns a string member in a printable form. */
static const char *shown(const json_t *object, const char *name, apr_pool_t *p)
{
    return tell_shown(bearer_json_string(object, name), p);
}

/* Prints a line with the member, if there is one. */
static void tell_string(FILE *out, const char *title, const json_t *object,
                        const char *name, apr_pool_t *p)
{
    if (bearer_json_string(object, name)) {
        fprintf(out, "%s%s\n", title, shown(object, name, p));
    }
}

static int whole(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

/* ---- a token explained ------------------------------------------------------- */

json_t *tell_find_answer(const char *text, apr_pool_t *p)
{
    const char *line = text, *found = NULL;
    json_t *answer = NULL;

    while ((line = strstr(line, BEARER_EXPLAIN_MARK)) != NULL) {
        found = line += strlen(BEARER_EXPLAIN_MARK);
    }
    if (found) {
        answer = json_loadb(found, strcspn(found, "\n"), 0, NULL);
    }
    if (answer) {
        bearer_json_tie(answer, p);
    }
    return answer;
}

static void tell_check(FILE *out, const json_t *check, apr_pool_t *p)
{
    const char *result = bearer_json_string(check, "result");
    int failed = result && !strcmp(result, "failed");
    int number = whole(check, "number");  /* 0: not one of the token checks */

    fprintf(out, "  %2s  %-16s%s\n", number ? apr_itoa(p, number) : "",
            shown(check, "check", p), failed ? "FAILED" : tell_shown(result, p));
    if (failed) {
        tell_string(out, "      ", check, "detail", p);
        tell_string(out, "      directive: ", check, "directive", p);
    }
}

static void tell_require(FILE *out, const json_t *rule, apr_pool_t *p)
{
    fprintf(out, "  %s: %s\n", shown(rule, "line", p), shown(rule, "result", p));
}

static void tell_line(FILE *out, const json_t *line, apr_pool_t *p)
{
    fprintf(out, "  %s\n", tell_shown(json_string_value(line), p));
}

/* Prints a title and the list below it, if the list is not empty. */
static void tell_each(FILE *out, const char *title, const json_t *list,
                      void (*tell)(FILE *out, const json_t *one, apr_pool_t *p),
                      apr_pool_t *p)
{
    const json_t *one;
    size_t i;

    if (json_array_size(list)) {
        fprintf(out, "%s\n", title);
    }
    json_array_foreach(list, i, one) {
        tell(out, one, p);
    }
}

static void tell_members(FILE *out, const char *title, const char *sign,
                         const json_t *object, apr_pool_t *p)
{
    const char *name;
    const json_t *value;

    if (json_object_size(object)) {
        fprintf(out, "%s\n", title);
    }
    json_object_foreach((json_t *)(apr_uintptr_t)object, name, value) {
        char *text = json_is_string(value) ? NULL
            : json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII
                                | JSON_ENCODE_ANY);

        fprintf(out, "  %s%s%s\n", tell_shown(name, p), sign,
                tell_shown(text ? text : json_string_value(value), p));
        free(text);
    }
}

static void tell_verdict(FILE *out, const json_t *answer, apr_pool_t *p)
{
    if (json_is_true(json_object_get(answer, "open"))) {
        fprintf(out, "Note: the Require lines here match without a token.\n");
    }
    if (json_is_true(json_object_get(answer, "granted"))) {
        fprintf(out, "GRANTED\n");
        return;
    }
    fprintf(out, "REFUSED, status %d: %s\n", whole(answer, "status"),
            bearer_json_string(answer, "refusal") ? shown(answer, "refusal", p)
                                                  : "");
    tell_string(out, "WWW-Authenticate: ", answer, "challenge", p);
}

void tell_answer(FILE *out, const json_t *answer, apr_pool_t *p)
{
    tell_string(out, "Server  ", answer, "server", p);
    tell_string(out, "File    ", answer, "file", p);
    tell_each(out, "Checks", json_object_get(answer, "checks"), tell_check, p);
    tell_members(out, "Principal", ": ", json_object_get(answer, "principal"), p);
    tell_members(out, "Environment", "=", json_object_get(answer, "environment"),
                 p);
    tell_members(out, "Headers to the application", ": ",
                 json_object_get(answer, "headers"), p);
    tell_each(out, "Settings in force", json_object_get(answer, "settings"), tell_line, p);
    tell_each(out, "Authorization", json_object_get(answer, "requires"), tell_require, p);
    tell_verdict(out, answer, p);
}

/* ---- an issuer discovered ------------------------------------------------------ */

static void tell_keys(FILE *out, const json_t *keys, apr_pool_t *p)
{
    const json_t *key;
    size_t i;

    fprintf(out, "Keys           %d usable\n", (int)json_array_size(keys));
    json_array_foreach(keys, i, key) {
        const char *kid = bearer_json_string(key, "kid");

        fprintf(out, "  %-24s %s, %d bits: %s\n",
                kid ? tell_shown(kid, p) : "(no kid)", shown(key, "type", p),
                whole(key, "bits"), shown(key, "algorithms", p));
    }
}

static void tell_odd(FILE *out, const json_t *line, apr_pool_t *p)
{
    fprintf(out, "  - %s\n", tell_shown(json_string_value(line), p));
}

static void tell_words(FILE *out, const char *title, const json_t *words,
                       apr_pool_t *p)
{
    const json_t *word;
    size_t i;

    if (json_array_size(words)) {
        fprintf(out, "%-14s", title);
        json_array_foreach(words, i, word) {
            fprintf(out, " %s", tell_shown(json_string_value(word), p));
        }
        fprintf(out, "\n");
    }
}

static void tell_url(FILE *out, const char *title, const json_t *offer,
                     const char *name, apr_pool_t *p)
{
    fprintf(out, "%-15s%s\n", title, bearer_json_string(offer, name)
                                         ? shown(offer, name, p)
                                         : "(not offered)");
}

/* Says how tokens can be bound to a client. */
static void tell_proofs(FILE *out, const json_t *offer, apr_pool_t *p)
{
    const json_t *algorithms = json_object_get(offer, "dpop_algorithms");

    if (json_array_size(algorithms)) {
        tell_words(out, "DPoP", algorithms, p);
    } else {
        fprintf(out, "DPoP           (not offered)\n");
    }
    fprintf(out, "Mutual TLS     %s\n",
            json_is_true(json_object_get(offer, "certificate_bound"))
                ? "certificate-bound tokens" : "(not offered)");
}

void tell_offer(FILE *out, const json_t *offer, apr_pool_t *p)
{
    const json_t *odd = json_object_get(offer, "odd");
    const char *configuration = bearer_json_string(offer, "configuration");
    const char *login = bearer_json_string(offer, "login_configuration");

    tell_url(out, "Issuer", offer, "issuer", p);
    tell_url(out, "Metadata", offer, "metadata", p);
    tell_url(out, "Key set", offer, "jwks_uri", p);
    tell_keys(out, json_object_get(offer, "keys"), p);
    tell_url(out, "Introspection", offer, "introspection_endpoint", p);
    tell_words(out, "Client auth", json_object_get(offer, "client_auth"), p);
    tell_url(out, "Token endpoint", offer, "token_endpoint", p);
    tell_url(out, "Login", offer, "authorization_endpoint", p);
    tell_words(out, "Login auth", json_object_get(offer, "login_auth"), p);
    tell_url(out, "Userinfo", offer, "userinfo_endpoint", p);
    tell_url(out, "Pushed (PAR)", offer, "pushed_authorization_request_endpoint", p);
    tell_url(out, "End of session", offer, "end_session_endpoint", p);
    fprintf(out, "Back-channel   %s\n", json_is_true(json_object_get(offer, "back_channel"))
                                            ? "logout tokens" : "(not offered)");
    tell_url(out, "Revocation", offer, "revocation_endpoint", p);
    tell_proofs(out, offer, p);
    tell_words(out, "Scopes", json_object_get(offer, "scopes"), p);
    tell_each(out, "\nWarnings", odd, tell_odd, p);
    if (!json_array_size(odd)) {
        fprintf(out, "\nWarnings       none\n");
    }
    fprintf(out, "\n# --- configuration ---\n%s",
            configuration ? configuration : "");
    if (login) {
        fprintf(out, "\n# --- configuration for logins ---\n%s", login);
    }
}
