/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file stress.h
 * What the stress_*.c share: a check that counts, from any thread, and lets the others
 * go on. A program ends with 0 if `wrong` is 0.
 */
#pragma once

#include <stdatomic.h>
#include <stdio.h>

static _Atomic unsigned wrong;

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
            atomic_fetch_add(&wrong, 1); \
        } \
    } while (0)
