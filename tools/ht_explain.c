/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer explain: why a token is accepted or refused, check by check. With -f, the
 * server's own httpd judges it, as a request to a path of that configuration. Without
 * -f, the library does, with the issuer and audience of the options. In both cases the
 * result is one JSON object, from which the text is made.
 */
#include "ht.h"

#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/claim.h"
#include "judge/details.h"
#include "judge/exports.h"
#include "keys/keyset.h"
#include "login/login.h"
#include "report/explain.h"
#include "state/revocation.h"
#include "tell.h"

static int report(const ht_call_t *call, const json_t *answer)
{
    const char *error = bearer_json_string(answer, "error");
    int status;

    if (error) {
        return ht_fail(call, HT_USAGE, "%s", tell_shown(error, call->p));
    }
    status = ht_report(call, answer, tell_answer);
    return status != HT_OK ? status
         : json_is_true(json_object_get(answer, "granted")) ? HT_OK : HT_REFUSED;
}

/* ---- asking the server ------------------------------------------------------- */

static json_t *question_of(const ht_call_t *call, const ht_evidence_t *evidence,
                           const char *token, apr_size_t len)
{
    json_t *question = json_pack(
        "{s:o s:s s:b s:b s:s* s:s* s:s* s:s* s:s*}", "token", json_stringn(token, len),
        "path", APR_ARRAY_IDX(call->operands, 0, const char *),
        "offline", ht_has(call, "offline"), "translate", 1,
        "host", ht_value(call, "host"), "method", ht_value(call, "method"),
        "address", ht_value(call, "address"), "proof", evidence->proof,
        "certificate", evidence->certificate);

    ht_wipe_json(call, question);
    json_decref(question);  /* the pool holds it */
    return question;
}

static int ask(const ht_call_t *call, const json_t *question, json_t **answer,
               int *died)
{
    return ht_httpd_ask(call, ht_value(call, "httpd"), ht_value(call, "f"),
                        ht_values(call, "D"), question, answer, died);
}

/* Modules that were never started may not be able to map a path to a file. */
static int with_server(const ht_call_t *call, const ht_evidence_t *evidence,
                       const char *token, apr_size_t len)
{
    json_t *question = question_of(call, evidence, token, len), *answer = NULL;
    int died, status;

    if (!question) {
        return ht_usage(call, "PATH, --host, --method or --address is not UTF-8");
    }
    status = ask(call, question, &answer, &died);
    if (status != HT_OK && died) {
        ht_say(call, "httpd was ended by signal %d; repeating without <Directory>, "
               "<Files> and .htaccess (the path is not mapped to a file)",
               died);
        json_object_set_new(question, "translate", json_false());
        status = ask(call, question, &answer, &died);
    }
    if (status != HT_OK && died) {
        return ht_fail(call, HT_USAGE, "httpd was ended by signal %d", died);
    }
    return status == HT_OK ? report(call, answer) : status;
}

/* ---- without a server: settings ------------------------------------------------ */

/** The data for an explanation without a server. */
typedef struct inquiry_t {
    const ht_call_t *call;
    apr_pool_t *p;
    const char *proven;              /**< ways in which possession was proven, or NULL */
    bearer_settings_t settings;      /**< of the server layer */
    bearer_issuer_t issuer;
    bearer_settings_t resolved;
    bearer_world_t world;
    bearer_issuer_access_t access;
    bearer_keypool_t *keys;
    bearer_revocation_t *revocations;
    bearer_explain_t *explain;
    bearer_judgement_t j;
} inquiry_t;

static int read_user_claim(inquiry_t *q)
{
    const char *name = ht_value(q->call, "user-claim");
    bearer_user_claim_t claim = { NULL, NULL, NULL, NULL };
    int read = name && bearer_user_claim_parse(&claim, name, q->p);

    if (read) {
        bearer_settings_put(&q->settings, USER_CLAIM, user_claim, claim);
    }
    return !name || read ? HT_OK
        : ht_usage(q->call, "--user-claim %s is not the name of a claim",
                   bearer_text_quote(q->p, name));
}

static int read_settings(inquiry_t *q)
{
    const ht_call_t *call = q->call;
    bearer_settings_t *s = &q->settings;

    if (ht_judgement(call, &q->j, s) != HT_OK || read_user_claim(q) != HT_OK
        || ht_binding(call, s) != HT_OK) {
        return HT_USAGE;
    }
    bearer_settings_put(s, CLIENTS, clients, ht_values(call, "client"));
    bearer_settings_put(s, CLIENT_ID, client_id, ht_value(call, "client-id"));
    bearer_settings_put(s, CA_FILE, ca_file, ht_value(call, "ca-file"));
    bearer_settings_put(s, HTTP_PROXY, http_proxy, ht_value(call, "http-proxy"));
    bearer_settings_put(s, NO_AUDIENCE, no_audience_accept, ht_has(call, "no-audience"));
    if (ht_values(call, "tenant")->nelts > 1) {
        bearer_settings_put(s, USER_FORMAT, user_format, "%u@%t");
    }
    return HT_OK;
}

/* As AuthBearerKeys does, but a file needs no word before its path. */
static void read_source(bearer_source_t *source, const char *word)
{
    int spiffe = !strncmp(word, "spiffe:", 7);

    if (!strcmp(word, "discover")) {
        source->kind = BEARER_SOURCE_DISCOVER;
        source->value = NULL;
        return;
    }
    word += spiffe ? 7 : 0;
    if (!strncmp(word, "https:", 6) || !strncmp(word, "http:", 5)) {
        source->kind = spiffe ? BEARER_SOURCE_SPIFFE_URL : BEARER_SOURCE_URL;
    } else {
        source->kind = spiffe ? BEARER_SOURCE_SPIFFE_FILE : BEARER_SOURCE_FILE;
        word += strncmp(word, "file:", 5) ? 0 : 5;
    }
    source->value = word;
}

static int read_keys(inquiry_t *q)
{
    const apr_array_header_t *sources = ht_values(q->call, "keys");
    int i;

    if (sources->nelts > BEARER_KEY_SOURCES_MAX) {
        return ht_usage(q->call, "at most %d --keys are possible", BEARER_KEY_SOURCES_MAX);
    }
    for (i = 0; i < sources->nelts; i++) {
        read_source(&q->issuer.keys[i], APR_ARRAY_IDX(sources, i, const char *));
    }
    q->issuer.key_sources = sources->nelts;
    return HT_OK;
}

static int declare_issuer(inquiry_t *q)
{
    bearer_issuer_t *issuer = &q->issuer;
    const char *error;

    issuer->url = ht_value(q->call, "issuer");
    issuer->tenants = ht_has(q->call, "tenant") ? ht_values(q->call, "tenant") : NULL;
    if (read_keys(q) != HT_OK || ht_declare(q->call, &q->j, issuer) != HT_OK) {
        return HT_USAGE;
    }
    error = bearer_issuer_fetch_error(issuer, q->access.plain_http, q->p);
    return error ? ht_usage(q->call, "%s", error) : HT_OK;
}

/* Prints what configtest would report for a configuration with these options. */
static int lint(const inquiry_t *q)
{
    apr_array_header_t *findings = bearer_findings_create(q->p);
    const bearer_finding_t *error;

    bearer_judge_lint(findings, q->j.issuers, q->j.defaults, &q->settings, NULL,
                      q->p);
    error = bearer_findings_error(findings);
    return error ? ht_usage(q->call, "%s", error->text) : HT_OK;
}

/* ---- without a server: the world ------------------------------------------------ */

static apr_time_t world_now(void *inquiry)
{
    return ((const inquiry_t *)inquiry)->j.now;
}

static int make_world(inquiry_t *q)
{
    if (ht_world(q->call, &q->world, ht_has(q->call, "offline")) != HT_OK) {
        return HT_USAGE;
    }
    q->world.now = world_now;
    q->world.now_baton = q;
    bearer_settings_resolve(&q->resolved, q->j.defaults, &q->settings, NULL, NULL);
    q->access.issuer = &q->issuer;
    q->access.settings = &q->resolved;
    q->access.world = &q->world;
    return bearer_keypool_create(&q->keys, &q->access, q->p) == APR_SUCCESS
               ? HT_OK : ht_fail(q->call, HT_USAGE, "out of memory");
}

static bearer_reason_t keys_of(void *inquiry, const bearer_issuer_t *issuer,
                               bearer_wish_t *wish, bearer_jwks_t **set,
                               bearer_refusal_t *why, apr_pool_t *p)
{
    const inquiry_t *q = inquiry;
    const char *tenant = q->j.tenant;

    return bearer_keypool_get(q->keys, tenant
                              && bearer_issuer_tenant_admitted(issuer, tenant, NULL)
                              ? tenant : NULL, wish, set, why, p);
}

static bearer_reason_t ask_revoked(void *inquiry, const char *iss,
                                   const char *jti, const char *token,
                                   apr_size_t len, bearer_refusal_t *why,
                                   apr_pool_t *p)
{
    const inquiry_t *q = inquiry;
    unsigned char digest[BEARER_SHA256_SIZE];

    return bearer_revocation_ask_token(q->revocations, iss, jti, token, len, digest, why,
                                       p);
}

/* ---- without a server: Require ---------------------------------------------------- */

static int met_claim(const inquiry_t *q, const char *spec, const char **error)
{
    const bearer_claim_rule_t *rule = bearer_claim_compile(spec, NULL, error, q->p);

    return rule && bearer_claim_match(rule, q->j.principal->claims, NULL,
                                      bearer_claim_is_at(rule, q->j.settings.scope_claim),
                                      NULL);
}

static int met_word(const inquiry_t *q, bearer_require_t kind, const char *word,
                    const char **error)
{
    const bearer_principal_t *principal = q->j.principal;

    switch (kind) {
    case BEARER_REQUIRE_SCOPE:
        return bearer_principal_has_scope(
            principal, word, (bearer_scope_strategy_t)q->j.settings.scope_strategy);
    case BEARER_REQUIRE_ROLE:
        return bearer_principal_has_role(principal, word);
    case BEARER_REQUIRE_ISSUER:
        return bearer_principal_is_of(principal, word);
    case BEARER_REQUIRE_CLAIM:
    case BEARER_REQUIRE_BEARER_CLAIM:
        return met_claim(q, word, error);
    case BEARER_REQUIRE_ACTOR:
        return bearer_principal_has_actor(principal, word) > 0;
    case BEARER_REQUIRE_DETAILS: /* met_together() */
    case BEARER_REQUIRE_AUTHENTICATION:
    case BEARER_REQUIRE_EXPR:
    case BEARER_REQUIRE_COUNT:
        break;
    }
    return 0;
}

/* For kinds of which the words of a line belong together. */
static int met_together(inquiry_t *q, bearer_require_t kind,
                        const apr_array_header_t *words, const char **error)
{
    const json_t *claims = q->j.principal->claims;
    const apr_array_header_t *parameters;
    bearer_details_rule_t rule;

    if (kind == BEARER_REQUIRE_DETAILS) {
        *error = bearer_details_parse(&rule, words, 1, q->p);
        return *error ? -1 : bearer_details_match(&rule, claims) > 0;
    }
    *error = bearer_login_parse_required(&parameters, words, 1, q->p);
    return *error ? -1 : bearer_login_suffices(parameters, claims, q->j.now,
                                               q->j.settings.clock_skew, &q->j.why, q->p)
                           == BEARER_OK;
}

/* As everywhere in httpd, one matching word of a line is enough. Returns 1, 0, or -1
 * with *error. */
static int met_line(inquiry_t *q, const apr_array_header_t *words,
                    const char **error)
{
    static const char *const kinds[] = {
#define X(symbol, word) word,
        BEARER_REQUIRES(X)
#undef X
    };
    const char *name = words->nelts ? APR_ARRAY_IDX(words, 0, const char *) : "";
    int i, met = 0, kind = 0;

    if (!strcmp(name, "valid-user")) {
        return 1;
    }
    while (kind < BEARER_REQUIRE_COUNT && strcmp(kinds[kind], name) != 0) {
        kind++;
    }
    if (kind == BEARER_REQUIRE_EXPR || kind == BEARER_REQUIRE_COUNT) {
        *error = "without -f, bearer-expr and rules of other modules are not evaluated";
    }
    if (kind == BEARER_REQUIRE_DETAILS || kind == BEARER_REQUIRE_AUTHENTICATION) {
        return met_together(q, (bearer_require_t)kind, words, error);
    }
    for (i = 1; i < words->nelts && !*error; i++) {
        met |= met_word(q, (bearer_require_t)kind, APR_ARRAY_IDX(words, i, const char *), error);
    }
    return *error ? -1 : met;
}

/* One matching line is enough, as in httpd without a container. */
static int authorize(inquiry_t *q, json_t *out)
{
    const apr_array_header_t *lines = ht_values(q->call, "require");
    int i, any = !lines->nelts;

    for (i = 0; i < lines->nelts; i++) {
        const char *line = APR_ARRAY_IDX(lines, i, const char *), *error = NULL;
        int met = q->j.principal ? met_line(q, bearer_text_split(q->p, line, " \t"), &error) : 0;

        any |= met > 0;
        json_array_append_new(out, json_pack(
            "{s:o, s:s}", "line",
            bearer_explain_string(apr_pstrcat(q->p, "Require ", line, NULL), q->p),
            "result", !q->j.principal ? "not reached"
                      : met < 0 ? error : met ? "granted" : "denied"));
    }
    return any;
}

/* ---- without a server: the answer -------------------------------------------------- */

/* Returns the refusal as the server would log it. */
static json_t *refusal_of(const inquiry_t *q)
{
    const bearer_refusal_t *why = &q->j.why;
    bearer_category_t category = bearer_reason_category(why->reason);

    return bearer_explain_string(
        apr_psprintf(q->p, "refused, %s/%s: %s", bearer_category(category)->name,
                     bearer_reason_name(why->reason), why->detail ? why->detail : "no detail"),
        q->p);
}

static json_t *answer_of(inquiry_t *q, bearer_verdict_t verdict)
{
    apr_table_t *env = apr_table_make(q->p, 16), *headers = apr_table_make(q->p, 4);
    json_t *rules = json_array(), *answer;
    int authenticated = verdict == BEARER_GRANTED;
    int granted = authorize(q, rules) && authenticated;

    if (granted) {
        bearer_exports_apply(env, headers, q->j.principal, &q->j.settings, NULL, q->p);
        apr_table_set(env, "REMOTE_USER", q->j.principal->user);
        if (q->proven) {
            apr_table_setn(env, "BEARER_PROOF", q->proven);
        }
    } else if (authenticated && q->j.why.reason == BEARER_OK) {
        bearer_refuse(&q->j.why, q->p, BEARER_REQUIRE, "the token is valid, but no "
                      "Require line matches");
    }
    answer = json_pack(
        "{s:o s:o* s:o s:b s:o* s:o* s:i s:o*}", "checks", bearer_explain_checks(q->explain),
        "principal", authenticated ? bearer_explain_principal(q->j.principal, q->p) : NULL,
        "requires", rules, "granted", granted,
        "environment", granted ? bearer_explain_table(env, q->p) : NULL,
        "headers", granted ? bearer_explain_table(headers, q->p) : NULL,
        "status", granted ? 200 : bearer_category(bearer_reason_category(
                                       q->j.why.reason))->status,
        "refusal", granted ? NULL : refusal_of(q));
    bearer_json_tie(answer, q->p);
    return answer;
}

static int prepare(inquiry_t *q)
{
    const char *path = ht_value(q->call, "revocations");

    q->access.plain_http = ht_values(q->call, "plain-http");
    if (read_settings(q) != HT_OK || declare_issuer(q) != HT_OK || lint(q) != HT_OK
        || make_world(q) != HT_OK) {
        return HT_USAGE;
    }
    if (path && bearer_revocation_create(&q->revocations, path, &q->world, q->p)
                != APR_SUCCESS) {
        return ht_fail(q->call, HT_USAGE, "out of memory");
    }
    return HT_OK;
}

static int by_options(const ht_call_t *call, const ht_evidence_t *evidence,
                      const char *token, apr_size_t len)
{
    inquiry_t *q = apr_pcalloc(call->p, sizeof(*q));
    bearer_verdict_t verdict;

    q->call = call;
    q->p = call->p;
    if (prepare(q) != HT_OK) {
        return HT_USAGE;
    }
    q->explain = bearer_explain_create(q->p);
    bearer_explain_revocations(q->explain, q->revocations, ht_say_line,
                               (void *)(apr_uintptr_t)call);
    q->j.keys = keys_of;
    q->j.baton = q;
    q->j.revoked = q->revocations ? ask_revoked : NULL;
    q->j.observe = bearer_explain_observe;
    q->j.observe_baton = q->explain;
    q->j.keep_going = 1;
    verdict = bearer_judge_jwt(&q->j, token, len);
    if (verdict == BEARER_GRANTED && ht_prove(evidence, &q->j, &q->proven) != BEARER_OK) {
        verdict = BEARER_DENIED;
    }
    return report(call, answer_of(q, verdict));
}

/* ---- the command ---------------------------------------------------------------- */

static int check_options(const ht_call_t *call)
{
    if (!ht_has(call, "f")) {
        if (call->operands->nelts) {
            return ht_usage(call, "PATH needs -f FILE; the token is read from standard "
                            "input");
        }
        return !ht_has(call, "issuer")
                   ? ht_usage(call, "-f FILE PATH or --issuer URL is missing")
             : ht_misplaced(call, HT_SERVER, "needs -f") == HT_OK
                   ? ht_check_evidence(call) : HT_USAGE;
    }
    if (call->operands->nelts != 1
        || *APR_ARRAY_IDX(call->operands, 0, const char *) != '/') {
        return ht_usage(call, "expected one path, e.g. -f httpd.conf /orders; the "
                        "token is read from standard input");
    }
    return ht_misplaced(call, HT_NO_SERVER, "cannot be combined with -f");
}

static int run(const ht_call_t *call)
{
    ht_evidence_t evidence = { 0 };
    const char *token;
    apr_size_t len;
    int status = check_options(call);

    if (status == HT_OK) {
        status = ht_evidence(call, &evidence);
    }
    if (status == HT_OK) {
        status = ht_read_token(call, &token, &len);
    }
    if (status != HT_OK) {
        return status;
    }
    if (memchr(token, '\0', len) || !bearer_text_is_utf8(token, len)) {
        return ht_fail(call, HT_REFUSED, "refused: credential_syntax: the token "
                       "contains invalid bytes");
    }
    return ht_has(call, "f") ? with_server(call, &evidence, token, len)
                             : by_options(call, &evidence, token, len);
}

static const ht_option_t options[] = {
    { "f", "FILE", 0, "configuration of httpd, for a request to PATH" },
    { "httpd", "PATH", HT_SERVER, "program to run (default: apache2ctl, httpd or apache2)" },
    { "D", "NAME", HT_REPEAT, "passed to httpd" },
    { "host", "NAME", HT_SERVER, "virtual host, if several protect the path" },
    { "method", "METHOD", 0, "of the request (default GET)" },
    { "address", "IP", HT_SERVER, "of the client (default 127.0.0.1)" },
    { "issuer", "URL", HT_NO_SERVER, "without -f: AuthBearerIssuer" },
    { "keys", "SOURCE", HT_REPEAT | HT_NO_SERVER, "AuthBearerKeys: file, URL, spiffe:SOURCE or "
      "discover (default: discover)" },
    { "audience", "AUD", HT_REPEAT | HT_NO_SERVER, "AuthBearerAudience" },
    { "no-audience", NULL, HT_NO_SERVER, "AuthBearerNoAudience accept" },
    { "client", "ID", HT_REPEAT | HT_NO_SERVER, "AuthBearerClients" },
    { "client-id", "ID", HT_NO_SERVER, "AuthBearerClientID" },
    { "alg", "ALG", HT_REPEAT | HT_NO_SERVER, "AuthBearerAlgorithms" },
    { "id-tokens", "MODE", HT_NO_SERVER, "AuthBearerIDTokens: refuse, scoped or accept" },
    { "token-type", "TYPE", HT_REPEAT | HT_NO_SERVER, "AuthBearerTokenTypes" },
    { "user-claim", "PATH", HT_NO_SERVER, "AuthBearerUserClaim" },
    { "clock-skew", "SECONDS", HT_NO_SERVER, "AuthBearerClockSkew (default 60)" },
    { "max-age", "SECONDS", HT_NO_SERVER, "AuthBearerMaxTokenAge (default 90000; 0: "
      "off)" },
    { "proof", "FILE", 0, "DPoP proof of the client" },
    { "url", "URL", HT_NO_SERVER, "of the request, for --proof (AuthBearerBaseURL)" },
    { "certificate", "FILE", 0, "certificate of the client (PEM)" },
    { "binding", "LIST", HT_NO_SERVER, "AuthBearerProof: auto (default), ignore, dpop, "
      "mtls; window=SECONDS" },
    { "tenant", "ID", HT_REPEAT | HT_NO_SERVER, "AuthBearerTenants" },
    { "revocations", "FILE", HT_NO_SERVER, "AuthBearerRevocations" },
    { "require", "LINE", HT_REPEAT | HT_NO_SERVER, "a Require line, e.g. \"scope "
      "orders.read\"; one must match" },
    { "ca-file", "FILE", HT_NO_SERVER, "AuthBearerCAFile" },
    { "http-proxy", "URL", HT_NO_SERVER, "AuthBearerHTTPProxy" },
    { "plain-http", "HOST", HT_REPEAT | HT_NO_SERVER, "AuthBearerPlainHTTP" },
    { "offline", NULL, 0, "send no requests" },
    { "now", "EPOCH", HT_NO_SERVER, "time to assume, in seconds since 1970" },
    { "json", NULL, 0, "print one JSON object" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_explain = {
    "explain", "[PATH]", 1,
    "Show why a token is accepted or refused, check by check.",
    "With -f, httpd reads its configuration and merges the sections for a request to "
    "PATH; it opens no port. Caches, the throttle and SetEnvIf are ignored. Run the "
    "command as a user who can read the files that the configuration names. Without "
    "-f, options replace the configuration. Each request to the issuer is announced "
    "on standard error.",
    options, run
};
