/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file exports.h
 * What the application receives from a principal (variables.md): names and values
 * that are safe for an environment or a header. Also: which request headers must be
 * removed because only this module may set them. Thread-safe, but
 * bearer_exports_prepare() needs its own principal.
 */
#pragma once

#include <apr_pools.h>
#include <apr_tables.h>

#include "judge/principal.h"
#include "trust/settings.h"

/** Maximum number of claims of one token that are exported. */
#define BEARER_EXPORT_MAX_CLAIMS 200
/** Maximum length of an exported claim value, in bytes; longer values are omitted. */
#define BEARER_EXPORT_MAX_VALUE 8192

/**
 * Computes what the application receives: BEARER_METHOD ... and <prefix><claim> for
 * the environment, the header forms, and X-Forwarded-User, X-User-Roles and
 * X-User-Groups for forward=identity. The result is stored in principal->exported_env
 * and exported_headers, for a principal that is exported many times under the same
 * settings. Claims follow settings->exports.mode; JSON null and empty fixed names are
 * not set. Values may point into the principal.
 *
 * Two claims collide if a backend could confuse their names: compared without case,
 * and with every character except letters and digits as `_`. If exactly one of them
 * is spelled with [A-Za-z0-9_] only, that one is exported; otherwise none. A claim
 * never replaces a fixed name.
 * @param left_out  one log line per claim that is not exported (CR, LF, NUL,
 *                  collision, comma in a role); const char *; may be NULL
 */
void bearer_exports_prepare(bearer_principal_t *principal,
                            const bearer_settings_t *settings,
                            apr_array_header_t *left_out, apr_pool_t *p);

/** Writes the same into tables, for any principal. Entries of the same name are
 *  replaced, others stay. Values may point into the principal. For a prepared
 *  principal, left_out stays empty: the preparation has reported the lines. */
void bearer_exports_apply(apr_table_t *env, apr_table_t *headers,
                          const bearer_principal_t *principal,
                          const bearer_settings_t *settings,
                          apr_array_header_t *left_out, apr_pool_t *p);

/** Returns 1 if a client's header must be removed under these settings: it has an
 *  identity name or the claim prefix, in any spelling that a backend maps to the
 *  same name (case, `-` and `_`). Does not allocate. */
int bearer_exports_reserved_header(const char *name,
                                   const bearer_settings_t *settings);

/** Returns 1 if a backend could confuse the two header names. */
int bearer_exports_same_name(const char *a, const char *b);

/** Returns 1 for a variable that identifies the user: a fixed name or one with the
 *  prefix of claims. */
int bearer_exports_reserved_variable(const char *name,
                                     const bearer_settings_t *settings);

/** The result of checking an env-prefix of AuthBearerExport. It must be 2-64 of
 *  [A-Z0-9_] and must not belong to other variables (HTTP_, REDIRECT_, REMOTE_,
 *  SSL_). */
typedef enum { BEARER_PREFIX_GOOD, BEARER_PREFIX_MISSPELT,
               BEARER_PREFIX_TAKEN } bearer_prefix_t;
bearer_prefix_t bearer_exports_env_prefix(const char *prefix);

/** Returns one claim as exported text (scalar, joined array, compact JSON), or
 *  NULL if it contains CR, LF or NUL or is too long. */
const char *bearer_exports_value(const json_t *value, apr_pool_t *p);

/** Returns a number as text. */
const char *bearer_exports_number(apr_pool_t *p, json_int_t n);

/** Returns the part of a claim that is exported. If roles or groups are read from
 *  the claim, those that the principal omits are left out. NULL: nothing. Objects
 *  are unchanged. */
const json_t *bearer_exports_shown(const json_t *value, const char *name,
                                   const bearer_settings_t *settings,
                                   apr_pool_t *p);

/** Percent-encodes bytes outside printable ASCII, `%`, and a space at either end. */
const char *bearer_exports_header_value(const char *value, apr_pool_t *p);
