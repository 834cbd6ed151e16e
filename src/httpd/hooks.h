/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file hooks.h
 * Functions that only mod_auth_bearer.c calls. Each registers its hooks, or is itself a
 * hook.
 */
#pragma once

#include <httpd.h>
#include <ap_expr.h>

/* caches.c: the response headers that control caching */
void ab_caches_register(void);

/* functions.c: claim() and claims() in expressions */
int ab_functions_lookup(ap_expr_lookup_parms *parms);

/* explain.c: the server side of htbearer explain; active only if httpd was started for
 * it */
void ab_explain_register(void);
