/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer decode: prints the unverified content of a token. The signature is not
 * printed, so that the output cannot be used as a token.
 */
#include "ht.h"

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "jose/jws.h"
#include "judge/judge.h"

/* Says what a token is that is not an access token, and of a DPoP proof, to which key a
 * token must be bound (RFC 9449 section 6). */
static void say_kind(const ht_call_t *call, const bearer_jws_t *jws)
{
    const char *typ = bearer_json_string(jws->header, "typ");
    const char *kind = typ ? bearer_judge_other_kind(typ) : NULL;
    const json_t *jwk = json_object_get(jws->header, "jwk");
    const char *jkt = kind && json_is_object(jwk) ? bearer_jwk_thumbprint(jwk, call->p) : NULL;

    if (kind) {
        ht_say(call, "this is %s, not an access token%s%s", kind,
               jkt ? "; the thumbprint of its key (jkt) is " : "", jkt ? jkt : "");
    }
}

/* Prints a payload that is not a JSON object: as a string, or in base64url if it cannot
 * be one. */
static int write_other_payload(const ht_call_t *call, const bearer_jws_t *jws,
                               const char *error)
{
    int is_text = bearer_text_is_utf8(jws->payload, jws->payload_len);
    json_t *value;

    ht_say(call, "the payload is not an object of claims (%s); it is printed as %s", error,
           is_text ? "a string" : "base64url");
    if (is_text) {
        value = json_stringn(jws->payload, jws->payload_len);
    } else {
        value = json_string(bearer_b64url_encode(call->p, jws->payload,
                                                 jws->payload_len));
    }
    bearer_json_tie(value, call->p);
    return ht_write_json(call, value);
}

static int run(const ht_call_t *call)
{
    bearer_refusal_t why = { BEARER_OK, NULL };
    bearer_jws_t jws = { 0 };
    const char *token, *error = NULL;
    bearer_reason_t reason;
    json_t *claims;
    apr_size_t len;
    int status = ht_read_token(call, &token, &len);

    if (status != HT_OK) {
        return status;
    }
    ht_say(call, "nothing was verified; anyone can create such a token");
    reason = bearer_jws_parse(&jws, token, len, &why, call->p);
    if (reason != BEARER_OK) {
        return ht_refused(call, reason, &why);
    }
    say_kind(call, &jws);
    status = ht_write_json(call, jws.header);
    if (status != HT_OK) {
        return status;
    }
    if (bearer_json_parse_whole(&claims, jws.payload, jws.payload_len, &error,
                          call->p) != APR_SUCCESS) {
        return write_other_payload(call, &jws, error);
    }
    return ht_write_json(call, claims);
}

const ht_command_t ht_decode = {
    "decode", NULL, 1, "Print header and payload of a token, unverified.",
    "Do not trust the output; to check a token, use verify.",
    NULL, run
};
