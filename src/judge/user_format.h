/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file user_format.h
 * AuthBearerUserFormat: how a user name is made of the user claim (%u), the
 * issuer's name (%i) and its tenant (%t), and whether two users can get one name.
 * Pure functions.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

/** What is wrong with a format, or NULL. Static string. */
const char *bearer_user_format_error(const char *format);

/** 1: the format contains %what ('i' or 't'). */
int bearer_user_format_has(const char *format, char what);

/** The user name; tenant may be NULL. */
const char *bearer_user_format_apply(const char *format, const char *user,
                                     const char *name, const char *tenant,
                                     apr_pool_t *p);

/** Who a user can be of: an issuer, or one of its tenants. */
typedef struct bearer_user_source_t {
    const char *name;      /**< %i */
    const char *tenant;    /**< %t: "" for an issuer without tenants; NULL: any */
    int printable;         /**< AuthBearerUserChars printable */
} bearer_user_source_t;

/**
 * Can a user of each of two sources get the same name, because a separator is
 * part of a name? A format without %i says that the issuers share their users.
 * @param sources  bearer_user_source_t
 * @param a, b     two such sources; equal: two tenants of the one
 * @return 1: there are two such users, no matter what users there really are
 */
int bearer_user_format_collides(const char *format,
                                const apr_array_header_t *sources,
                                const bearer_user_source_t **a,
                                const bearer_user_source_t **b, apr_pool_t *p);
