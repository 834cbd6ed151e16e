/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file fuzz_sign.h
 * Signs what a fuzzer made, so that it gets past the signature. For those that
 * judge with the keys of fuzz_judge.h.
 */
#pragma once

#include "fuzz_judge.h"

#include "base/b64url.h"
#include "jose/signature.h"

/** A header and, on the next line, a payload: a token signed with SECRET. */
static const char *fuzz_sign(const char *text, apr_pool_t *p)
{
    const char *header = fuzz_part(&text, '\n', p);
    const char *input = apr_pstrcat(p,
        bearer_b64url_encode(p, header, strlen(header)), ".",
        bearer_b64url_encode(p, text, strlen(text)), NULL);
    unsigned char *signature;
    apr_size_t len;

    FUZZ_CHECK(bearer_signature_make(&signature, &len, bearer_alg_find("HS256"),
                                     NULL, (const unsigned char *)SECRET,
                                     strlen(SECRET), input, strlen(input), p)
               == APR_SUCCESS);
    return apr_pstrcat(p, input, ".", bearer_b64url_encode(p, signature, len),
                       NULL);
}
