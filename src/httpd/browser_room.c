/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file browser_room.c
 * Addresses of pages that are too long for the cookie of a login: kept on this host,
 * sealed, under a digest of the login's state. Any client can begin logins, so the
 * memory has a fixed size of its own, and the oldest address makes room. It survives a
 * graceful restart.
 */
#include "browser.h"
#include "process.h"
#include "shared.h"
#include "trace.h"

#include <apr_strings.h>

#include "base/sha256.h"
#include "base/text.h"
#include "state/room.h"

APLOG_USE_MODULE(auth_bearer);

/** Bytes of a path that a login leads to if the whole address is gone. */
#define PATH_MAX_KEPT 100
/** Change it whenever the layout of bearer_room_t changes. */
#define LAYOUT "mod_auth_bearer room 1"

static bearer_room_t *room;        /* NULL: no memory */

void ab_browser_room_create(apr_pool_t *pconf, server_rec *s)
{
    apr_status_t rv;
    int made;

    room = ab_shared_keep(LAYOUT, "auth_bearer_room", sizeof(*room), &made, pconf, s,
                          &rv);
}

static const char *context_of(request_rec *r, const char *state, unsigned char *key)
{
    bearer_text_sha256(state, strlen(state), key);
    return apr_pstrcat(r->pool, "login target ", ab_browser_of(r)->origin, " ", state,
                       NULL);
}

/* Returns NULL, or why it is not kept. */
static const char *put(request_rec *r, const bearer_attempt_t *attempt)
{
    unsigned char key[BEARER_SHA256_SIZE], *sealed;
    const char *context = context_of(r, attempt->state, key);
    apr_size_t len;

    _Static_assert(BEARER_ROOM_KEY <= BEARER_SHA256_SIZE, "part of a digest");
    if (!room) {
        return "there is no shared memory";
    }
    if (bearer_seal_close(&sealed, &len, ab_browser_of(r)->login_seal, context,
                          strlen(context), attempt->target, strlen(attempt->target),
                          &ab_process()->world, r->pool) != APR_SUCCESS) {
        return "it cannot be encrypted";
    }
    return bearer_room_put(room, key, sealed, len) ? NULL : "it is longer than 8 KiB";
}

/* NULL: it is not kept here. */
static const char *get(request_rec *r, const bearer_attempt_t *attempt)
{
    unsigned char key[BEARER_SHA256_SIZE], *target, *sealed;
    const char *context = context_of(r, attempt->state, key);
    apr_size_t len;

    sealed = room ? bearer_room_get(room, key, &len, r->pool) : NULL;
    return sealed && bearer_seal_open(&target, &len, ab_browser_of(r)->login_seal,
                                      context, strlen(context), sealed, len, r->pool)
                     == APR_SUCCESS ? (const char *)target : NULL;
}

void ab_browser_room_move(request_rec *r, bearer_attempt_t *attempt)
{
    const apr_size_t len = strcspn(attempt->target, "?");
    const char *error = put(r, attempt);
    const char *rest = len <= PATH_MAX_KEPT ? apr_pstrmemdup(r->pool, attempt->target, len)
                                            : "/";

    if (error) {
        ab_log(APLOG_INFO, r, AB(0306) "the login will lead to %s, not to the page that was "
               "requested: its address of %" APR_SIZE_T_FMT " bytes is not kept: %s",
               bearer_text_quote(r->pool, rest), strlen(attempt->target), error);
    }
    attempt->elsewhere = !error;
    attempt->target = rest;
}

const char *ab_browser_room_target(request_rec *r, const bearer_attempt_t *attempt)
{
    const char *whole = attempt->elsewhere ? get(r, attempt) : attempt->target;

    if (!whole) {
        ab_log(APLOG_INFO, r, AB(0307) "the login leads to %s, not to the page that was "
               "requested: its address is no longer kept on this host, because other "
               "long addresses came, or the login began on another host",
               bearer_text_quote(r->pool, attempt->target));
    }
    return whole ? whole : attempt->target;
}
