/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file status.h
 * What is counted, and how it is shown. Counters are in shared memory: any process,
 * any thread.
 */
#pragma once

#include "process.h"

void ab_status_post_config(apr_pool_t *pconf, server_rec *s);
void ab_status_child_init(process_t *process);
void ab_status_register(void);
int ab_status_handler(request_rec *r);
/** issuer may be NULL: none is known. */
void ab_status_granted(const bearer_issuer_t *issuer);
void ab_status_refused(const bearer_issuer_t *issuer, bearer_reason_t reason);
void ab_status_throttled(void);
/** From the watchdog's thread. */
void ab_status_tick(const process_t *process);
/** No thread of this child serves or ticks any longer. */
void ab_status_child_ends(const process_t *process);
