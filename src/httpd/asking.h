/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file asking.h
 * Creates what a child process needs for introspection requests and session checks.
 * Called once per child, after its HTTP clients are created and before it serves
 * requests.
 */
#pragma once

#include "process.h"

/** Sets the members answers, introspects, refreshes and sessions of *process. */
apr_status_t ab_asking_create(process_t *process);
