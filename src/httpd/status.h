/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.h
 * Counters, and the status page. The counters are in shared memory; any process and any
 * thread may update them.
 */
#pragma once

#include "process.h"

/** Creates the counters, or finds those of the previous generation. */
void ab_status_post_config(apr_pool_t *pconf, server_rec *s);
/** Prepares counting in a child. */
void ab_status_child_init(process_t *process);
/** Registers the section of mod_status. */
void ab_status_register(void);
/** Handler bearer-status. Returns DECLINED for other handlers. */
int ab_status_handler(request_rec *r);
/** Count an accepted and a refused request.
 *  @param issuer  NULL if it is not known */
void ab_status_granted(const bearer_issuer_t *issuer);
void ab_status_refused(const bearer_issuer_t *issuer, bearer_reason_t reason);
/** Counts a throttled request. */
void ab_status_throttled(void);
/** Called from the watchdog thread. Maintains the session memory and regularly adds
 *  this child's cache figures to the shared counters. */
void ab_status_tick(const process_t *process);
/** Called after the last thread of this child has stopped. */
void ab_status_child_ends(const process_t *process);
