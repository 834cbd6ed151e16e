/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file waiting.h
 * Limits how many workers may wait for external servers (base/gate.h). Called while the
 * server and its children start.
 */
#pragma once

#include "process.h"

/** Numbers the servers that the gate distinguishes. */
void ab_waiting_post_config(server_rec *s, apr_pool_t *ptemp);
/** Returns the number of workers of a child, at least 1. */
int ab_waiting_threads(void);
/** Creates the gate of this child and wraps the HTTP client with it. Call it after the
 *  client is created. */
apr_status_t ab_waiting_create(process_t *process);
