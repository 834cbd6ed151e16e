/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/** @file fuzz_entry.h
 * The two functions that libFuzzer and replay.c call; fuzz.h defines them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
