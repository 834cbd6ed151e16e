/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_kinds.h
 * What is kept where (AuthBearerSOCache), as far as the configuration says it: a part of
 * the records (records.h).
 */
#pragma once

#include <httpd.h>
#include <http_config.h>
#include <ap_socache.h>

/** The kinds of values kept in a socache: the words of for= in AuthBearerSOCache. */
#define AB_STORES(X) \
    X(KEYS, "keys") \
    X(INTROSPECTION, "introspection") \
    X(SESSIONS, "sessions") \
    X(PROOFS, "proofs")

typedef enum {
#define X(symbol, word) STORE_##symbol,
    AB_STORES(X)
#undef X
    STORE_KINDS,
    STORE_SOCACHES = STORE_PROOFS  /**< the kinds that httpd's caches can keep: those before */
} store_kind_t;

/** One AuthBearerSOCache line, or the default. */
typedef struct store_config_t {
    apr_uint64_t own;            /**< size in bytes of the module's own memory; 0: not
                                  *   used, unless it is the default */
    const ap_directive_t *node;  /**< NULL: the default */
    int named;                   /**< 1: its for= names the kind */
    const ap_socache_provider_t *provider;
    const char *name;            /**< provider name, e.g. "shmcb" */
    const char *args;
    ap_socache_instance_t *instance;
} store_config_t;

/** What the sections need of the memory of used proofs. */
typedef struct proof_needs_t {
    int possible;                /**< 0: no section can meet a proof */
    int told;                    /**< 1: a section demands proofs, or for=proofs is written */
    apr_interval_time_t life;    /**< longest window and skew of a section */
} proof_needs_t;
