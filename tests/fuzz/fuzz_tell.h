/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file fuzz_tell.h
 * What htbearer prints about a stranger's documents and tokens: nothing in it
 * may steer a terminal. For the fuzzers of explain and discover; brings their
 * room of the companion with it.
 */
#pragma once

#include "fuzz.h"

#include "../../tools/tell.c"

/** Prints value by `print` and looks at what came out. */
static void fuzz_told(void (*print)(FILE *, const json_t *, apr_pool_t *),
                      const json_t *value, apr_pool_t *p)
{
    char *text = NULL;
    size_t len = 0, i;
    FILE *out = open_memstream(&text, &len);

    FUZZ_CHECK(out);
    print(out, value, p);
    FUZZ_CHECK(fclose(out) == 0);
    for (i = 0; i < len; i++) {
        FUZZ_CHECK(text[i] == '\n' || (text[i] >= 0x20 && text[i] <= 0x7e));
    }
    free(text);
}
