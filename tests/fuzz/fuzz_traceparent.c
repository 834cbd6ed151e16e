/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A client's traceparent, some of which goes on to issuers. */
#include "fuzz.h"

#include "base/traceparent.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const char *out = bearer_traceparent(text, p);

    (void)len;
    if (!out) {
        return;
    }
    FUZZ_CHECK(strlen(out) == BEARER_TRACEPARENT_LEN);
    FUZZ_CHECK(strncmp(out, text, BEARER_TRACEPARENT_LEN) == 0);
    FUZZ_CHECK(strspn(out, "0123456789abcdef-") == BEARER_TRACEPARENT_LEN);
    FUZZ_CHECK(strncmp(out, "ff", 2) != 0);
    FUZZ_CHECK(strspn(out + 3, "0") < 32 && strspn(out + 36, "0") < 16);
    FUZZ_CHECK(bearer_traceparent(out, p) != NULL);
}
