/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file export.h
 * The hooks that remove the token from the request and add the principal for the
 * application and for other modules (variables.md). Any thread may call them for the
 * request that it serves. The hooks return DECLINED, or the status of a refusal.
 */
#pragma once

#include <httpd.h>

/** Cleans the request before the hooks of other modules, see ab_scrub(). */
int ab_export_header_parser(request_rec *r);
/** Removes tokens and cookies from the request before it is logged. */
int ab_export_log_transaction(request_rec *r);
/** Removes the token and exports the principal, before mod_rewrite's fixups. */
int ab_export_fixups(request_rec *r);
/** Called from the last hook before a request is served, for requests that the earlier
 *  hooks did not see. */
void ab_export_catch_up(request_rec *r);
