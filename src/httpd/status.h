/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.h
 * Counters, and the status page. The counters are in shared memory; any process and any
 * thread may update them.
 */
#pragma once

#include "process.h"

void ab_status_post_config(apr_pool_t *pconf, server_rec *s);
void ab_status_child_init(process_t *process);
void ab_status_register(void);
int ab_status_handler(request_rec *r);
/** issuer may be NULL if it is not known. */
void ab_status_granted(const bearer_issuer_t *issuer);
void ab_status_refused(const bearer_issuer_t *issuer, bearer_reason_t reason);
void ab_status_throttled(void);
/** Called from the watchdog thread. Maintains the session memory and regularly adds
 *  this child's cache figures to the shared counters. */
void ab_status_tick(const process_t *process);
/** Called after the last thread of this child has stopped. */
void ab_status_child_ends(const process_t *process);
