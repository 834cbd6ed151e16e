/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file explain.h
 * A judgement put down as JSON for a person to read: each check with its
 * result, the principal, what the application gets. `htbearer explain` and the
 * server's own side of it (src/httpd/explain.c) write with this, so that both
 * say the same.
 *
 * Nothing of a token's signature gets in here: details are the log's (see
 * bearer_refusal_t), claims are what the application would see.
 *
 * One explanation belongs to one thread. The JSON values are the caller's
 * references.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>
#include <jansson.h>

#include "base/http.h"
#include "judge/judge.h"
#include "state/revocation.h"

/** Begins each line that a server which was asked writes for htbearer. */
#define BEARER_EXPLAIN_MARK "htbearer explain: "

/** Gets one line for the person who asked. */
typedef void (*bearer_explain_say_fn)(void *baton, const char *line);

typedef struct bearer_explain_t bearer_explain_t;

bearer_explain_t *bearer_explain_create(apr_pool_t *p);

/**
 * A token that check 11 lets pass is then looked for by the SHA-256 of the whole token,
 * which people write into the list by hand and which is the digest of no JWT there.
 * @param list  that check 11 asks; NULL: there is none
 * @param say   gets one line if that digest is in it
 */
void bearer_explain_revocations(bearer_explain_t *explain, bearer_revocation_t *list,
                                bearer_explain_say_fn say, void *baton);

/**
 * For bearer_judgement_t.observe, with the explanation as baton and keep_going
 * set. Where several providers judge, the last one's checks count. A check that
 * is not of the judge's table (a session store was asked) comes behind it.
 */
void bearer_explain_observe(void *explain, const bearer_check_t *check,
                            bearer_reason_t reason,
                            const bearer_judgement_t *j);

/**
 * Every check of product order as an object: number, check, result ("passed",
 * "failed", "not reached"); where it failed also reason, category, detail, and
 * directive where one would change it.
 */
json_t *bearer_explain_checks(const bearer_explain_t *explain);

/** user, method, issuer, client, expires, scopes, roles, groups, claims. */
json_t *bearer_explain_principal(const bearer_principal_t *principal, apr_pool_t *p);

/** Names and values; bytes that are no UTF-8 as `%NN`. */
json_t *bearer_explain_table(const apr_table_t *table, apr_pool_t *p);

/** A string for JSON whatever bytes are in it. */
json_t *bearer_explain_string(const char *s, apr_pool_t *p);

/** The settings that were written somewhere, as lines of a configuration. */
json_t *bearer_explain_settings(const bearer_settings_t *settings, apr_pool_t *p);

/**
 * A client that names each request before it is made.
 * @param client  who makes it; NULL: nobody, every request fails ("offline")
 * @param say     gets one line; may be NULL
 */
const bearer_http_client_t *bearer_explain_http(const bearer_http_client_t *client,
                                                bearer_explain_say_fn say, void *baton,
                                                apr_pool_t *p);
