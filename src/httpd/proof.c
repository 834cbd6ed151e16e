/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file proof.c
 * Proof of possession. The token has been judged, now or earlier; only its proof is new
 * with each request. So nothing here is cached but the key of the proof, which the token
 * determines (jkt).
 *
 * The order is: what the token is bound to; the certificate of the connection; the DPoP
 * proof; the memory of used proofs. Nothing is written there for a request that is
 * refused for another reason.
 */
#include "proof.h"
#include "browser_site.h"
#include "credential.h"
#include "store_proofs.h"
#include "trace.h"

#include <apr_strings.h>
#include <http_ssl.h>

#include "base/seal.h"
#include "judge/binding.h"
#include "judge/certificate.h"
#include "judge/proof.h"
#include "report/explain.h"
#include "state/tokencache.h"

APLOG_USE_MODULE(auth_bearer);

/** How long a nonce may be used. A client gets the next one after half of it. */
#define NONCE_LIFE apr_time_from_sec(300)
/** The purpose of its seal. */
#define NONCE "dpop-nonce"

#define FIELD "DPoP-Nonce"

/* ---- configuration ------------------------------------------------------ */

static int wants_nonces(const global_config_t *global)
{
    int i;

    for (i = 0; i < global->sections->nelts; i++) {
        if (APR_ARRAY_IDX(global->sections, i, section_t).dir->settings.proof.nonce) {
            return 1;
        }
    }
    return 0;
}

int ab_proof_post_config(apr_pool_t *pconf, server_rec *s)
{
    const int nonces = wants_nonces(ab_config_server(s)->global);
    const char *error;

    for (; s; s = s->next) {
        server_config_t *server = ab_config_server(s);

        server->nonces = NULL;
        if (!server->issuers) {
            continue;
        }
        server->origin = ab_browser_base(s, pconf);
        if (nonces && server->secret_files
            && bearer_seal_create(&server->nonces, server->secret_files, NONCE, &error,
                                  pconf) != APR_SUCCESS) {
            ab_log_server(APLOG_EMERG, 0, s, AB(0908) "%s (AuthBearerSecretFile)", error);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* ---- the certificate ---------------------------------------------------- */

/* The peer of the connection, whatever mod_remoteip says. */
static int is_from_peer(const attempt_t *a)
{
    const apr_array_header_t *from = a->settings->proof.from;
    int i;

    for (i = 0; from && i < from->nelts; i++) {
        if (apr_ipsubnet_test(APR_ARRAY_IDX(from, i, apr_ipsubnet_t *),
                              a->r->connection->client_addr)) {
            return 1;
        }
    }
    return 0;
}

/* Returns the thumbprint of the client's certificate; NULL: *error says why there is none. */
static const char *thumbprint_of_client(const attempt_t *a, const char **error)
{
    const bearer_proof_rule_t *rule = &a->settings->proof;
    request_rec *r = a->r;
    const char *text;

    if (rule->certificate && is_from_peer(a)) {
        text = ab_credential_certificate(r);
        *error = apr_psprintf(r->pool, "the header %s (AuthBearerProof certificate=) is missing",
                              rule->certificate);
        return text ? bearer_certificate_of_field(text, error, r->pool) : NULL;
    }
    text = ap_ssl_var_lookup(r->pool, r->server, r->connection, r, "SSL_CLIENT_CERT");
    *error = rule->certificate
        ? "the connection has no client certificate (SSLVerifyClient), and its peer is not in "
          "from= of AuthBearerProof certificate="
        : "the connection has no client certificate (SSLVerifyClient optional_no_ca requests "
          "one; behind a proxy: AuthBearerProof certificate=)";
    return text && *text ? bearer_certificate_of_pem(text, error, r->pool) : NULL;
}

/* ---- nonces ------------------------------------------------------------- */

static void send_nonce(const attempt_t *a)
{
    const process_t *process = a->process;
    const apr_time_t now = bearer_world_now(&process->world);
    const char *nonce = bearer_seal_text(a->server->nonces, NONCE, &now, sizeof(now),
                                         &process->world, a->r->pool);

    if (nonce && !a->ahead) {
        apr_table_setn(a->r->err_headers_out, FIELD, nonce);
        apr_table_unset(a->r->headers_out, FIELD);
        if (apr_table_get(a->r->headers_in, "Origin")) {
            apr_table_mergen(a->r->err_headers_out, "Access-Control-Expose-Headers", FIELD);
        }
    }
}

/* Returns when this server made the nonce; 0: it did not. */
static apr_time_t nonce_made(const attempt_t *a, const char *nonce)
{
    unsigned char *value;
    apr_time_t made = 0;
    apr_size_t len;

    if (bearer_seal_read(&value, &len, a->server->nonces, NONCE, nonce, a->r->pool)
            == APR_SUCCESS && len == sizeof(made)) {
        memcpy(&made, value, sizeof(made));
    }
    return made;
}

static bearer_reason_t check_nonce(void *baton, const char *nonce)
{
    attempt_t *a = baton;
    const apr_time_t now = bearer_world_now(&a->process->world);
    const apr_time_t made = nonce ? nonce_made(a, nonce) : 0;

    if (!made || now - made > NONCE_LIFE || made - now > a->settings->clock_skew) {
        return BEARER_PROOF_NONCE;
    }
    a->renew_nonce = now - made > NONCE_LIFE / 2;
    return BEARER_OK;
}

/* ---- the DPoP proof ----------------------------------------------------- */

/* Returns the URL that the client requested, by this server's own name; NULL: its Host is
 * none of the names. */
static const char *own_url(const attempt_t *a)
{
    const apr_array_header_t *names = a->server->login.names;
    request_rec *first = ab_request_first(a->r);
    const char *origin = a->server->origin, *path = first->unparsed_uri, *scheme;

    if (names && names->nelts > 1) {
        origin = ab_browser_origin_of(names, apr_table_get(first->headers_in, "Host"),
                                      a->r->pool);
    }
    scheme = *path == '/' ? NULL : strstr(path, "://");
    if (scheme) {  /* RFC 9112 section 3.2.2 */
        path = scheme + 3 + strcspn(scheme + 3, "/?#");
    }
    return origin ? apr_pstrcat(a->r->pool, origin, path, NULL) : NULL;
}

/* A query, a method or an <If> may choose between sections with other windows for one
 * URL, and a proof is once in all of them. */
static apr_time_t kept_until(const attempt_t *a, const bearer_proof_t *proof)
{
    const apr_interval_time_t here = proof->window + proof->skew;
    const apr_interval_time_t longest = a->process->global->proofs.life;

    return proof->expires + (longest > here ? longest - here : 0);
}

/* The same proof may be judged again for the client's request: ahead, for a subrequest,
 * after an internal redirect. */
static bearer_reason_t check_unused(attempt_t *a, const bearer_proof_t *proof,
                                    bearer_refusal_t *why)
{
    const bearer_sha256_piece_t token = { proof->token, proof->token_len };
    request_t *first = ab_request(ab_request_first(a->r));
    unsigned char digest[BEARER_SHA256_SIZE];
    apr_pool_t *p = a->r->pool;
    apr_status_t rv;

    if (a->process->observe) {
        return BEARER_OK;  /* htbearer explain, which has no memory and uses no proof up */
    }
    if (first->used_proof && !memcmp(first->used_proof, proof->id, sizeof(proof->id))) {
        return BEARER_OK;
    }
    /* by token, not by key: a client may have one key for the tokens of many users */
    rv = bearer_sha256_of(proof->sha256, digest, &token, 1);
    rv = rv == APR_SUCCESS ? ab_store_use_proof(proof->id, digest, kept_until(a, proof), p)
                           : rv;
    switch (rv) {
    case APR_SUCCESS:
        first->used_proof = apr_pmemdup(ab_request_first(a->r)->pool, proof->id,
                                        sizeof(proof->id));
        return BEARER_OK;
    case APR_EEXIST:
        return bearer_refuse(why, p, BEARER_PROOF_REPLAY, "the DPoP proof was used before: "
                             "each request needs a proof with its own jti");
    case APR_ENOSPC:
        return bearer_refuse(why, p, BEARER_PROOF_MEMORY, "the memory of used DPoP proofs is "
                             "full, or this token has used up its share "
                             "(AuthBearerSOCache ... for=proofs)");
    default:
        return bearer_refuse(why, p, BEARER_PROOF_MEMORY, "the memory of used DPoP proofs "
                             "is unavailable (AuthBearerSOCache ... for=proofs)");
    }
}

/* Keeps the key with the verified token, so that the next proof finds it. */
static void keep_key(attempt_t *a, bearer_proof_key_t *key)
{
    if (key && !(a->entry && bearer_tokencache_attach(a->entry, key, bearer_proof_key_free))) {
        bearer_proof_key_free(key);
    }
}

static bearer_reason_t check_proof(attempt_t *a, const bearer_principal_t *principal,
                                   bearer_refusal_t *why)
{
    const bearer_proof_rule_t *rule = &a->settings->proof;
    bearer_proof_t proof = { 0 };
    bearer_reason_t reason;

    proof.field = ab_credential_proof(a->r);
    proof.method = ab_request_first(a->r)->method;
    proof.url = own_url(a);
    proof.token = a->credential->token;
    proof.token_len = a->credential->len;
    proof.jkt = bearer_principal_jkt(principal);
    proof.now = bearer_world_now(&a->process->world);
    proof.window = rule->window;
    proof.skew = ab_provider_settings(a, principal->issuer)->clock_skew;
    proof.sha256 = a->process->sha256;
    proof.known = a->entry ? bearer_tokencache_attached(a->entry) : NULL;
    proof.baton = a;
    proof.nonce = rule->nonce ? check_nonce : NULL;
    if (rule->nonce && !a->server->nonces) {
        return bearer_refuse(why, a->r->pool, BEARER_CONFIGURATION, "AuthBearerProof nonce=on "
                             "needs AuthBearerSecretFile");
    }
    if (!proof.url) {
        return bearer_refuse(why, a->r->pool, BEARER_PROOF_REQUEST, "the Host of the request is "
                             "not a name in AuthBearerBaseURL, so the proof cannot be for this "
                             "server");
    }
    if (a->process->observe) {
        proof.observe = bearer_explain_observe_proof;
        proof.observe_baton = a->process->observe_baton;
    }
    reason = bearer_proof_judge(&proof, a->r->pool);
    *why = proof.why;
    keep_key(a, proof.made);
    if (reason == BEARER_OK) {
        reason = check_unused(a, &proof, why);
    }
    if (rule->nonce && (reason == BEARER_PROOF_NONCE
                        || (reason == BEARER_OK && a->renew_nonce))) {
        send_nonce(a);
    }
    return reason;
}

/* ---- all of it ---------------------------------------------------------- */

/* For htbearer explain. */
static void observe(attempt_t *a, const bearer_check_t *check, const bearer_refusal_t *why)
{
    if (a->process->observe) {
        a->judgement.why = *why;
        a->process->observe(a->process->observe_baton, check, why->reason, &a->judgement);
    }
}

bearer_reason_t ab_proof_judge(attempt_t *a, const bearer_principal_t *principal,
                               bearer_refusal_t *why)
{
    const unsigned bound = principal->bound;
    const char *seen, *missing = NULL;
    bearer_reason_t reason;

    if (a->settings->proof.mode == BEARER_PROOF_IGNORE) {
        return BEARER_OK;
    }
    a->own->unproven = bound | (unsigned)a->settings->proof.mode;
    reason = bearer_binding_check(principal, a->settings, a->credential->dpop, why,
                                  a->r->pool);
    observe(a, &bearer_explain_binding, why);
    if (reason == BEARER_OK && (bound & BEARER_BOUND_MTLS)) {
        seen = thumbprint_of_client(a, &missing);
        reason = bearer_binding_certificate(principal, seen, missing, why, a->r->pool);
        observe(a, &bearer_explain_certificate, why);
    }
    if (reason == BEARER_OK && (bound & BEARER_BOUND_DPOP)) {
        reason = check_proof(a, principal, why);
    }
    if (reason == BEARER_OK) {
        a->proven = bound;
    }
    return reason;
}
