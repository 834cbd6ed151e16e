/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/** @file fuzz_entry.h
 * The two functions that libFuzzer and replay.c call; fuzz.h defines them. */
#ifndef BEARER_TESTS_FUZZ_ENTRY_H
#define BEARER_TESTS_FUZZ_ENTRY_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
