/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Proof of possession for verify and explain: what the client proves besides its token,
 * judged as a server does. The memory of used proofs is the server's, so a proof can be
 * judged here any number of times.
 */
#include "ht.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"
#include "judge/binding.h"
#include "judge/certificate.h"
#include "judge/proof.h"
#include "report/explain.h"

/* ---- options --------------------------------------------------------------- */

/* Returns the bits of a word; -1: it is not one. */
static int mode_of(const char *word)
{
    static const struct {
        const char *word;
        int bits;
    } modes[] = {
#define X(symbol, word, bits) { word, bits },
        BEARER_PROOF_MODES(X)
#undef X
    };
    unsigned i;

    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].word, word) == 0) {
            return modes[i].bits;
        }
    }
    return -1;
}

static int read_window(const ht_call_t *call, const char *text, bearer_proof_rule_t *rule)
{
    char *end;
    apr_int64_t seconds = apr_strtoi64(text, &end, 10);

    rule->window = apr_time_from_sec(seconds);
    return *text && !*end && seconds >= apr_time_sec(BEARER_PROOF_WINDOW_MIN)
           && seconds <= apr_time_sec(BEARER_PROOF_WINDOW_MAX)
               ? HT_OK : ht_usage(call, "--binding window=%s: expected 1 to 600 seconds",
                                  bearer_text_quote(call->p, text));
}

int ht_binding(const ht_call_t *call, bearer_settings_t *server)
{
    bearer_proof_rule_t rule = bearer_settings_defaults(call->p)->proof;
    const char *text = ht_value(call, "binding");
    const apr_array_header_t *words = bearer_text_split(call->p, text ? text : "", ", ");
    int i, modes = 0, alone = 0, status = HT_OK;

    for (i = 0; i < words->nelts && status == HT_OK; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);
        int bits = mode_of(word);

        if (!strncmp(word, "window=", 7)) {
            status = read_window(call, word + 7, &rule);
            continue;
        }
        if (bits < 0) {
            return ht_usage(call, "--binding %s is not auto, ignore, dpop, mtls or "
                            "window=SECONDS", bearer_text_quote(call->p, word));
        }
        rule.mode |= bits;
        alone |= !(bits & (BEARER_PROOF_DPOP | BEARER_PROOF_MTLS));
        modes++;
    }
    if (text && (!words->nelts || (alone && modes > 1))) {
        return ht_usage(call, "--binding is one of auto, ignore, dpop, mtls, or dpop,mtls");
    }
    bearer_settings_put(server, PROOF, proof, rule);
    return status;
}

static int read_proof(const ht_call_t *call, ht_evidence_t *evidence)
{
    const char *path = ht_value(call, "proof"), *text;
    apr_size_t len, i;

    if (!path) {
        return HT_OK;
    }
    if (!strcmp(path, "-")) {
        return ht_usage(call, "--proof: standard input is for the token; use a file or "
                        "/dev/fd/3");
    }
    if (ht_read_file(call, path, 2 * BEARER_PROOF_MAX, &text, &len) != HT_OK) {
        return HT_USAGE;
    }
    len = strcspn(text, "\r\n") == len ? len
        : text[len - 1] == '\n' ? len - 1 - (len > 1 && text[len - 2] == '\r') : len;
    for (i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return ht_fail(call, HT_USAGE, "%s is not a DPoP proof: it has a byte that is not "
                           "printable ASCII", bearer_text_quote(call->p, path));
        }
    }
    evidence->proof = apr_pstrmemdup(call->p, text, len);
    return HT_OK;
}

static int read_request(const ht_call_t *call, ht_evidence_t *evidence)
{
    const char *method = ht_value(call, "method");

    evidence->method = method ? method : "GET";
    evidence->url = ht_value(call, "url");
    if (evidence->url && !bearer_proof_url(evidence->url, call->p)) {
        return ht_usage(call, "--url %s is not the URL of an HTTP request",
                        bearer_text_quote(call->p, evidence->url));
    }
    return HT_OK;
}

/* Returns the first certificate of a file: that of the client. Others are its issuers, and
 * OpenSSL may have written text before it. */
static const char *first_certificate(const char *text, apr_pool_t *p)
{
    static const char end[] = "-----END CERTIFICATE-----";
    const char *begin = strstr(text, "-----BEGIN CERTIFICATE-----");
    const char *last = begin ? strstr(begin, end) : NULL;

    return last ? apr_pstrmemdup(p, begin, (apr_size_t)(last - begin) + sizeof(end) - 1) : text;
}

int ht_certificate(const ht_call_t *call, const char *path, const char **pem,
                   const char **thumbprint)
{
    const char *error = NULL;
    apr_size_t len;

    if (ht_read_file(call, path, BEARER_CERTIFICATE_MAX, pem, &len) != HT_OK) {
        return HT_USAGE;
    }
    *pem = first_certificate(*pem, call->p);
    *thumbprint = bearer_certificate_of_pem(*pem, &error, call->p);
    return *thumbprint ? HT_OK
        : ht_fail(call, HT_USAGE, "%s: %s", bearer_text_quote(call->p, path), error);
}

int ht_evidence(const ht_call_t *call, ht_evidence_t *evidence)
{
    const char *path = ht_value(call, "certificate");

    return read_proof(call, evidence) == HT_OK && read_request(call, evidence) == HT_OK
           && (!path || ht_certificate(call, path, &evidence->certificate,
                                       &evidence->thumbprint) == HT_OK) ? HT_OK : HT_USAGE;
}

int ht_check_evidence(const ht_call_t *call)
{
    if (ht_has(call, "proof")) {
        return ht_has(call, "url") ? HT_OK
            : ht_usage(call, "--proof needs --url URL: a proof is for one request");
    }
    return ht_has(call, "url") ? ht_usage(call, "--url needs --proof")
         : ht_has(call, "method") ? ht_usage(call, "--method needs --proof") : HT_OK;
}

/* ---- judging --------------------------------------------------------------- */

static void report(const bearer_judgement_t *j, const bearer_check_t *check,
                   bearer_reason_t reason)
{
    if (j->observe) {
        j->observe(j->observe_baton, check, reason, j);
    }
}

static bearer_reason_t judge_proof(const ht_evidence_t *evidence, bearer_judgement_t *j)
{
    bearer_proof_t proof = { 0 };

    proof.field = evidence->proof;
    proof.method = evidence->method;
    proof.url = evidence->url;
    proof.token = j->token;
    proof.token_len = j->token_len;
    proof.jkt = bearer_principal_jkt(j->principal);
    proof.now = j->now;
    proof.window = j->settings.proof.window;
    proof.skew = j->settings.clock_skew;
    if (j->observe) {
        proof.observe = bearer_explain_observe_proof;
        proof.observe_baton = j->observe_baton;
    }
    bearer_proof_judge(&proof, j->p);
    bearer_proof_key_free(proof.made);
    j->why = proof.why;
    return proof.why.reason;
}

bearer_reason_t ht_prove(const ht_evidence_t *evidence, bearer_judgement_t *j,
                         const char **proven)
{
    const bearer_principal_t *principal = j->principal;
    bearer_reason_t reason;

    if (j->settings.proof.mode == BEARER_PROOF_IGNORE
        || (!principal->bound && !j->settings.proof.mode && !evidence->proof)) {
        return BEARER_OK;
    }
    reason = bearer_binding_check(principal, &j->settings, evidence->proof != NULL, &j->why,
                                  j->p);
    report(j, &bearer_explain_binding, reason);
    if (reason == BEARER_OK && (principal->bound & BEARER_BOUND_MTLS)) {
        reason = bearer_binding_certificate(principal, evidence->thumbprint,
                                            "--certificate is not given", &j->why, j->p);
        report(j, &bearer_explain_certificate, reason);
    }
    if (reason == BEARER_OK && (principal->bound & BEARER_BOUND_DPOP)) {
        reason = judge_proof(evidence, j);
    }
    if (reason == BEARER_OK && proven) {
        *proven = bearer_binding_proven(principal->bound);
    }
    return reason;
}
