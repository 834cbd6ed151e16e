/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file waiting.h
 * How many workers may wait for servers outside (base/gate.h). Called while the server
 * and its children start.
 */
#pragma once

#include "process.h"

/** Tells apart who is waited for. */
void ab_waiting_post_config(server_rec *s, apr_pool_t *ptemp);
/** Workers of a child, at least 1. */
int ab_waiting_threads(void);
/** The gate of this child, and the HTTP client behind it; after that client. */
apr_status_t ab_waiting_create(process_t *process);
