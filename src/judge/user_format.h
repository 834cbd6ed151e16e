/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file user_format.h
 * AuthBearerUserFormat: builds a user name from the user claim (%u), the issuer's
 * name (%i) and its tenant (%t), and finds out whether two users can get the same
 * name. Pure functions.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

/** Returns an error message about a format, or NULL. Static string. */
const char *bearer_user_format_error(const char *format);

/** Returns 1 if the format contains %what ('i' or 't'). */
int bearer_user_format_has(const char *format, char what);

/** Returns the user name, in p; tenant may be NULL. */
const char *bearer_user_format_apply(const char *format, const char *user,
                                     const char *name, const char *tenant,
                                     apr_pool_t *p);

/** The source of a user: an issuer, or one of its tenants. */
typedef struct bearer_user_source_t {
    const char *name;      /**< %i */
    const char *tenant;    /**< %t: "" for an issuer without tenants; NULL: any */
    int printable;         /**< AuthBearerUserChars printable */
} bearer_user_source_t;

/**
 * Checks whether users of two sources can get the same name because a name may
 * contain a separator. A format without %i states that the issuers share their users.
 * @param sources  array of bearer_user_source_t
 * @param a, b     set to two such sources; equal: two tenants of one issuer
 * @return 1 if there are two such sources, whatever users really exist
 */
int bearer_user_format_collides(const char *format,
                                const apr_array_header_t *sources,
                                const bearer_user_source_t **a,
                                const bearer_user_source_t **b, apr_pool_t *p);
