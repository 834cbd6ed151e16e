/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file asking.h
 * What a child needs to ask issuers and session stores who the caller is. Called once
 * in each child, after its clients are made.
 */
#pragma once

#include "process.h"

apr_status_t ab_asking_create(process_t *process);
