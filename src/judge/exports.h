/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file exports.h
 * What the application gets of a principal (product.md 3.5): names and values,
 * already safe to put into an environment or a header. Also: which request
 * headers must be removed because only this module may set them.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "judge/principal.h"
#include "trust/settings.h"

/** At most so many claims of one token are exported. */
#define BEARER_EXPORT_MAX_CLAIMS 200
/** A claim's exported value is at most so many bytes; longer ones are left out. */
#define BEARER_EXPORT_MAX_VALUE 8192

/**
 * What the application gets, worked out: BEARER_METHOD ... and <prefix><claim>
 * for the environment, the header forms, and X-Forwarded-User, X-User-Roles and
 * X-User-Groups for forward=identity. Kept in principal->exported_env and
 * exported_headers, for a principal that will be exported many times under the
 * same settings. Claims follow settings->exports.mode; JSON null and empty fixed
 * names are not set. Values may point into the principal.
 *
 * Two claims collide when a backend could take their names for one: compared
 * without case and with every character but letters and digits as `_`. Of those
 * the one that is spelled [A-Za-z0-9_] throughout is exported, if there is
 * exactly one such; else none is. A claim never takes the place of one of the
 * fixed names.
 * @param left_out  one line for the log per claim not exported (CR, LF, NUL,
 *                  collision, comma in a role); const char *; may be NULL
 */
void bearer_exports_prepare(bearer_principal_t *principal,
                            const bearer_settings_t *settings,
                            apr_array_header_t *left_out, apr_pool_t *p);

/** The same into tables, prepared or not; entries of the same name are replaced,
 *  others stay. Values may point into the principal. left_out stays empty for a
 *  prepared one: its preparation told. */
void bearer_exports_apply(apr_table_t *env, apr_table_t *headers,
                          const bearer_principal_t *principal,
                          const bearer_settings_t *settings,
                          apr_array_header_t *left_out, apr_pool_t *p);

/** 1 if a client's header must be removed where these settings are in force:
 *  an identity name or the claim prefix, in every spelling that a backend folds
 *  to the same name (case, `-` and `_`). No allocation. */
int bearer_exports_reserved_header(const char *name,
                                   const bearer_settings_t *settings);

/** 1 if a backend could take one header's name for the other's. */
int bearer_exports_same_name(const char *a, const char *b);

/** 1 for a variable that says who the user is: the prefix of claims and the fixed
 *  names. */
int bearer_exports_reserved_variable(const char *name,
                                     const bearer_settings_t *settings);

/** An env-prefix of AuthBearerExport: 2-64 of [A-Z0-9_], and variables of that name
 *  are no others' (HTTP_, REDIRECT_, REMOTE_, SSL_). */
typedef enum { BEARER_PREFIX_GOOD, BEARER_PREFIX_MISSPELT,
               BEARER_PREFIX_TAKEN } bearer_prefix_t;
bearer_prefix_t bearer_exports_env_prefix(const char *prefix);

/** One claim as exported text (scalar, array joined, compact JSON), or NULL when
 *  it holds CR, LF or NUL or is too long. */
const char *bearer_exports_value(const json_t *value, apr_pool_t *p);

/** A number as text. */
const char *bearer_exports_number(apr_pool_t *p, json_int_t n);

/** What is shown of a claim: where roles or groups are found, without those that the
 *  principal left out. NULL: nothing. Compact JSON of an object is as it is. */
const json_t *bearer_exports_shown(const json_t *value, const char *name,
                                   const bearer_settings_t *settings,
                                   apr_pool_t *p);

/** Percent-encodes bytes outside printable ASCII, `%`, and a blank at an end. */
const char *bearer_exports_header_value(const char *value, apr_pool_t *p);
