/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file explain.h
 * Writes a judgement as JSON for people to read: each check with its result, the
 * principal, and what the application receives. `htbearer explain` and the server's
 * part of it (src/httpd/explain.c) both use this, so that their output is the same.
 *
 * The output contains no part of a token's signature. Details are those of the log
 * (see bearer_refusal_t); claims are those that the application sees.
 *
 * One explanation belongs to one thread. The caller owns the returned JSON
 * references.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "base/http.h"
#include "judge/judge.h"
#include "judge/proof.h"
#include "state/revocation.h"

/** Begins each line that a server writes for htbearer. */
#define BEARER_EXPLAIN_MARK "htbearer explain: "

/** Receives one line for the user of htbearer. */
typedef void (*bearer_explain_say_fn)(void *baton, const char *line);

typedef struct bearer_explain_t bearer_explain_t;

/** Creates an empty explanation in p. */
bearer_explain_t *bearer_explain_create(apr_pool_t *p);

/**
 * If check 11 accepts a token, looks also for the SHA-256 of the whole token. People
 * write it into the list by hand, but the list does not identify a JWT by it.
 * @param list  the list of check 11; NULL: none
 * @param say   gets one line if the list has that digest
 */
void bearer_explain_revocations(bearer_explain_t *explain, bearer_revocation_t *list,
                                bearer_explain_say_fn say, void *baton);

/**
 * For bearer_judgement_t.observe, with the explanation as baton and keep_going set.
 * If several providers judge, the checks of the last one count. Checks that are not in
 * the judge's table (a session service, proof of possession) come after it, in the order
 * in which they were first observed.
 */
void bearer_explain_observe(void *explain, const bearer_check_t *check,
                            bearer_reason_t reason,
                            const bearer_judgement_t *j);

/** Number of the checks of proof of possession in docs/architecture.md. */
#define BEARER_EXPLAIN_PROOF 11

/** The checks of bearer_binding_check() and bearer_binding_certificate(), for
 *  bearer_explain_observe(). */
extern const bearer_check_t bearer_explain_binding, bearer_explain_certificate;

/** For bearer_proof_t.observe, with the explanation as baton. */
void bearer_explain_observe_proof(void *explain, const bearer_proof_check_t *check,
                                  const bearer_refusal_t *why);

/**
 * Returns all checks in product order, each as an object: number, check, result
 * ("passed", "failed", "not reached"). A failed check also has reason, category,
 * detail, and the directive to change, if any.
 */
json_t *bearer_explain_checks(const bearer_explain_t *explain);

/** Returns an object with user, method, issuer, client, expires, scopes, roles,
 *  groups, claims. */
json_t *bearer_explain_principal(const bearer_principal_t *principal, apr_pool_t *p);

/** Returns an object of names and values; bytes that are not UTF-8 become `%NN`. */
json_t *bearer_explain_table(const apr_table_t *table, apr_pool_t *p);

/** Returns a JSON string for any bytes. */
json_t *bearer_explain_string(const char *s, apr_pool_t *p);

/** Returns the settings that are set anywhere, as configuration lines. */
json_t *bearer_explain_settings(const bearer_settings_t *settings, apr_pool_t *p);

/**
 * Returns a client that reports each request before it is sent.
 * @param client  sends the requests; NULL: every request fails ("offline")
 * @param say     gets one line; may be NULL
 */
const bearer_http_client_t *bearer_explain_http(const bearer_http_client_t *client,
                                                bearer_explain_say_fn say, void *baton,
                                                apr_pool_t *p);
