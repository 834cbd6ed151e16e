/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file hooks.h
 * Rooms that only the door knows: each takes its hooks itself, or is one.
 */
#pragma once

#include <httpd.h>
#include <ap_expr.h>

/* caches.c: what caches are told of a response */
void ab_caches_register(void);

/* functions.c: claim() and claims() in expressions */
int ab_functions_lookup(ap_expr_lookup_parms *parms);

/* explain.c: the server's side of htbearer explain, when it was started so */
void ab_explain_register(void);
