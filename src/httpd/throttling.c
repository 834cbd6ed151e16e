/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file throttling.c
 * Applies the throttle to requests (AuthBearerThrottle): the address that a request
 * counts for, what is counted, and the log line. The table is in the library
 * (throttle.h). Any thread may call these functions.
 */
#include "throttling.h"
#include "process.h"
#include "shared.h"
#include "status.h"
#include "trace.h"

#include "base/sha256.h"
#include "base/text.h"

APLOG_USE_MODULE(auth_bearer);

/* RFC 1918, 4193, 3927, 4291, 6598: addresses that a site's own load balancer may have. */
static int is_private(request_rec *r)
{
    static const char *const nets[][2] = {
        {"10.0.0.0", "8"}, {"172.16.0.0", "12"}, {"192.168.0.0", "16"},
        {"127.0.0.0", "8"}, {"169.254.0.0", "16"}, {"100.64.0.0", "10"},
        {"fc00::", "7"}, {"fe80::", "10"}, {"::1", "128"}
    };
    apr_ipsubnet_t *net;
    apr_size_t i;

    for (i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        if (apr_ipsubnet_create(&net, nets[i][0], nets[i][1], r->pool)
            == APR_SUCCESS
            && apr_ipsubnet_test(net, r->connection->client_addr)) {
            return 1;
        }
    }
    return 0;
}

/* Behind a load balancer that mod_remoteip does not know, all clients share one
 * address. A throttle would lock out everyone for the failures of one. */
static int behind_balancer(request_rec *r)
{
    if (!apr_table_get(r->headers_in, "X-Forwarded-For")
        || strcmp(r->useragent_ip, r->connection->client_ip) != 0
        || !is_private(r)) {
        return 0;
    }
    if (ab_shared_first(SHARED_WARN_FORWARDED_FOR)) {
        ab_log(APLOG_WARNING, r,
               AB(0103) "requests come from a proxy (%s) with X-Forwarded-For, so all clients "
               "share its address and throttling is off; configure mod_remoteip (RemoteIPHeader, "
               "RemoteIPInternalProxy), or AuthBearerThrottle off", r->connection->client_ip);
    }
    return 1;
}

int ab_throttling_address(unsigned char *address, request_rec *r,
                          const bearer_settings_t *settings)
{
    return settings->throttle.on && ab_process()->throttle
        && bearer_throttle_address(address, r->useragent_ip) == APR_SUCCESS
        && !behind_balancer(r);
}

void ab_throttling_failure(request_rec *r, const bearer_settings_t *settings,
                           const unsigned char *address,
                           const bearer_throttle_token_t *token,
                           bearer_reason_t reason)
{
    if (!bearer_category(bearer_reason_category(reason))->counted) {
        return;
    }
    if (bearer_throttle_failure(ab_process()->throttle, address, token, reason,
                                &settings->throttle, apr_time_now())) {
        ab_status_throttled();
        ab_log(APLOG_NOTICE, r,
               AB(0104) "address %s is throttled for %d s; refused tokens: %d (AuthBearerThrottle)",
               r->useragent_ip,
               (int)apr_time_sec(settings->throttle.penalty),
               settings->throttle.threshold);
    }
}

/* ---- logins ------------------------------------------------------------- */

/** Logins are not failures: they have their own counters. */
static const char begun[] = "login";        /* requests were pushed to the issuer */
static const char unanswered[] = "callback"; /* the issuer did not answer */

static int login_key(unsigned char *key, const unsigned char *address,
                     const char *name)
{
    const bearer_sha256_piece_t pieces[] = {
        { name, strlen(name) }, { address, BEARER_THROTTLE_KEY_SIZE }
    };
    unsigned char hash[BEARER_SHA256_SIZE];

    if (bearer_sha256_of(ab_process()->sha256, hash, pieces, 2)
        != APR_SUCCESS) {
        return 0;
    }
    memcpy(key, hash, BEARER_THROTTLE_KEY_SIZE);
    return 1;
}

static unsigned login_wait(request_rec *r, const bearer_settings_t *settings,
                           const char *name, int count)
{
    static const bearer_throttle_token_t each = { 0, 0 };
    bearer_throttle_t *throttle = ab_process()->throttle;
    unsigned char address[BEARER_THROTTLE_KEY_SIZE], key[BEARER_THROTTLE_KEY_SIZE];
    apr_time_t now = apr_time_now();
    unsigned wait;

    if (!ab_throttling_address(address, r, settings)
        || !login_key(key, address, name)) {
        return 0;
    }
    wait = bearer_throttle_check(throttle, address, now);
    if (!wait) {
        wait = bearer_throttle_check(throttle, key, now);
    }
    if (!wait && count) {
        bearer_throttle_failure(throttle, key, &each, BEARER_THROTTLED,
                                &settings->throttle, now);
    }
    return wait;
}

unsigned ab_throttling_login(request_rec *r, const bearer_settings_t *settings)
{
    return login_wait(r, settings, begun, 1);
}

unsigned ab_throttling_callback(request_rec *r,
                                const bearer_settings_t *settings)
{
    return login_wait(r, settings, unanswered, 0);
}

void ab_throttling_unanswered(request_rec *r,
                              const bearer_settings_t *settings)
{
    login_wait(r, settings, begun, 1);
    login_wait(r, settings, unanswered, 1);
}

void ab_throttling_logged_in(request_rec *r, const bearer_settings_t *settings)
{
    bearer_throttle_t *throttle = ab_process()->throttle;
    unsigned char address[BEARER_THROTTLE_KEY_SIZE], key[BEARER_THROTTLE_KEY_SIZE];

    if (!ab_throttling_address(address, r, settings)) {
        return;
    }
    bearer_throttle_success(throttle, address, apr_time_now());
    if (login_key(key, address, begun)) {
        bearer_throttle_success(throttle, key, apr_time_now());
    }
    if (login_key(key, address, unanswered)) {
        bearer_throttle_success(throttle, key, apr_time_now());
    }
}
