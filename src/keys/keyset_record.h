/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file keyset_record.h
 * What processes share about a key set through world->keys_cache: the document (a
 * record), the last attempt to fetch it, and which process is fetching (the lease).
 * For keyset.c only.
 *
 * The name of a cache entry is a SHA-256 over the issuer and the policy for fetching.
 * Two virtual hosts that trust the same issuer with different CA files share nothing.
 */
#pragma once

#include "base/world.h"
#include "trust/issuer.h"

/** A fetched document. */
typedef struct bearer_keyset_record_t {
    apr_time_t fetched;
    apr_interval_time_t life;            /**< clamped */
    const char *source;                  /**< URL of the document */
    const bearer_metadata_t *metadata;   /**< NULL: keys were not discovered */
    apr_time_t metadata_fetched;
    const char *document;
    apr_size_t len;
} bearer_keyset_record_t;

/** The last attempt to fetch. */
typedef struct bearer_keyset_attempt_t {
    apr_time_t when;        /**< 0: never */
    int failed;
    int failures;           /**< consecutive failures */
    apr_time_t retry_at;    /**< after a failure, no attempt before this time */
    apr_time_t kid_when;    /**< the last attempt for an unknown kid */
    apr_time_t fetched;     /**< when the record in force at that time was fetched */
    const char *error;      /**< NULL unless failed */
} bearer_keyset_attempt_t;

/** The cache entries of a key set. */
typedef struct bearer_keyset_place_t {
    const bearer_cache_t *cache;   /**< NULL: nothing is shared */
    unsigned char record[BEARER_CACHE_KEY_SIZE];
    unsigned char attempt[BEARER_CACHE_KEY_SIZE];
    unsigned char lease[BEARER_CACHE_KEY_SIZE];
} bearer_keyset_place_t;

/** A deep copy in p. */
void bearer_keyset_record_copy(bearer_keyset_record_t *to,
                               const bearer_keyset_record_t *from, apr_pool_t *p);

/** Computes the names of the entries for the issuer in access. */
apr_status_t bearer_keyset_place_init(bearer_keyset_place_t *place,
                                      const bearer_issuer_access_t *access,
                                      apr_pool_t *p);

/** Encodes a record as bytes in p, valid for this place only. */
apr_status_t bearer_keyset_record_encode(unsigned char **value, apr_size_t *len,
                                         const bearer_keyset_place_t *place,
                                         const bearer_keyset_record_t *record,
                                         apr_pool_t *p);

/** Decodes strictly: returns APR_EINVAL for anything that encode did not write. */
apr_status_t bearer_keyset_record_decode(bearer_keyset_record_t *record,
                                         const bearer_keyset_place_t *place,
                                         const bearer_issuer_access_t *access,
                                         const unsigned char *value,
                                         apr_size_t len, apr_pool_t *p);

/* Access through the cache. "Not found" may also mean that the cache is down. */
apr_status_t bearer_keyset_record_get(bearer_keyset_record_t *record,
                                      const bearer_keyset_place_t *place,
                                      const bearer_issuer_access_t *access,
                                      apr_pool_t *p);
void bearer_keyset_record_put(const bearer_keyset_place_t *place,
                              const bearer_keyset_record_t *record,
                              apr_time_t expires, apr_pool_t *p);
apr_status_t bearer_keyset_attempt_get(bearer_keyset_attempt_t *attempt,
                                       const bearer_keyset_place_t *place,
                                       apr_pool_t *p);
void bearer_keyset_attempt_put(const bearer_keyset_place_t *place,
                               const bearer_keyset_attempt_t *attempt,
                               apr_time_t expires, apr_pool_t *p);
