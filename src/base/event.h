/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file event.h
 * What is counted, besides requests. Counters of all processes are kept by the number of
 * the event, also by a later version: new events come last.
 */
#pragma once

/**
 * Counts of the whole server, in groups. A group is an object of the status, a metric
 * auth_bearer_NAME_total with one label, and a row of the status page.
 * X(symbol, name, label, title on the page, help of the metric)
 */
#define BEARER_COUNT_GROUPS(X) \
    X(LOGINS, "logins", "result", "Logins", "Logins, by result") \
    X(SESSIONS_BEGUN, "sessions_begun", "store", "Sessions begun", \
      "Sessions begun, by store") \
    X(SESSIONS_ENDED, "sessions_ended", "reason", "Sessions ended", \
      "Sessions ended, by reason") \
    X(REFRESHES, "session_refreshes", "result", "Refreshes of sessions", \
      "Refreshes of sessions, by result") \
    X(SESSION_CHECKS, "session_checks", "result", "Session checks", \
      "Requests to session services, by result") \
    X(CACHE_ERRORS, "cache_errors", "cache", "Cache errors", \
      "Cache operations that failed")

/** The counts of each group. X(symbol, group, value of the label) */
#define BEARER_COUNTS(X) \
    X(LOGIN_OK, LOGINS, "ok") \
    X(LOGIN_STALE, LOGINS, "stale")              /* no login is under way for it */ \
    X(LOGIN_REFUSED, LOGINS, "refused") \
    X(LOGIN_UNAVAILABLE, LOGINS, "unavailable")  /* 503 */ \
    X(BEGUN_CACHE, SESSIONS_BEGUN, "cache") \
    X(BEGUN_COOKIE, SESSIONS_BEGUN, "cookie") \
    X(ENDED_LOGOUT, SESSIONS_ENDED, "logout")    /* by the person */ \
    X(ENDED_ISSUER, SESSIONS_ENDED, "issuer")    /* by a logout token */ \
    X(ENDED_REFRESH, SESSIONS_ENDED, "refresh")  /* the issuer refused to refresh it */ \
    X(ENDED_LOGIN, SESSIONS_ENDED, "login")      /* by the next login of the browser */ \
    X(ENDED_EXPIRED, SESSIONS_ENDED, "expired")  /* noticed when it was used again */ \
    X(REFRESH_OK, REFRESHES, "ok") \
    X(REFRESH_REFUSED, REFRESHES, "refused") \
    X(REFRESH_FAILED, REFRESHES, "failed") \
    X(SESSION_CHECK_OK, SESSION_CHECKS, "ok") \
    X(SESSION_CHECK_REFUSED, SESSION_CHECKS, "refused") \
    X(SESSION_CHECK_FAILED, SESSION_CHECKS, "failed") \
    X(CACHE_KEYS, CACHE_ERRORS, "keys") \
    X(CACHE_INTROSPECTION, CACHE_ERRORS, "introspection") \
    X(CACHE_SESSIONS, CACHE_ERRORS, "sessions") \
    X(CACHE_PROOFS, CACHE_ERRORS, "proofs")

#define X(symbol, name, label, title, help) BEARER_GROUP_##symbol,
typedef enum { BEARER_COUNT_GROUPS(X) BEARER_GROUPS } bearer_group_t;
#undef X

/** Events to count. */
typedef enum {
    BEARER_EVENT_FETCHED,              /**< a key set, from the issuer */
    BEARER_EVENT_FETCH_FAILED,
    BEARER_EVENT_UNKNOWN_KID,          /**< a key set was requested because of an unknown kid */
    BEARER_EVENT_INTROSPECTED,         /**< a usable response, whatever it says */
    BEARER_EVENT_INTROSPECTION_FAILED, /**< no usable response */
    BEARER_EVENT_ANSWER_KEPT,          /**< a cached answer was used */
    BEARER_EVENT_NO_PLACE,             /**< the gate refused a wait for this issuer */
    BEARER_EVENT_NO_PLACE_SERVICE,     /**< the same for a session service */
    BEARER_EVENT_NO_PLACE_CACHE,       /**< the same for a cache */
#define X(symbol, group, value) BEARER_EVENT_##symbol,
    BEARER_COUNTS(X)
#undef X
    BEARER_EVENTS
} bearer_event_t;
