/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer revoke: adds entries to the list of AuthBearerRevocations.
 */
#include "ht.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>
#include <apr_time.h>

#include "base/json.h"
#include "base/text.h"
#include "state/revocation.h"

/* "2030-01-31T12:00:00Z" (RFC 3339 section 5.6, UTC). */
static int parse_date(const char *text, apr_time_t *when)
{
    struct tm date = { 0 };
    const char *end = strspn(text, "0123456789-T:Z") == 20
                          ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &date) : NULL;
    apr_int64_t seconds = end && !*end ? timegm(&date) : -1;

    *when = apr_time_from_sec(seconds);
    return seconds >= 0;
}

/* 0: no limit. */
static int read_until(const ht_call_t *call, apr_time_t *until)
{
    const char *text = ht_value(call, "until");
    apr_int64_t seconds = 0;

    *until = 0;
    if (!text || !strcmp(text, "never") || parse_date(text, until)) {
        return HT_OK;
    }
    if (strspn(text, "0123456789") != strlen(text)) {
        return ht_usage(call, "--until %s is not a time; expected seconds since 1970, "
                        "2030-01-31T12:00:00Z, or never",
                        bearer_text_quote(call->p, text));
    }
    if (ht_number(call, "until", 1, HT_SECONDS_MAX, &seconds) != HT_OK) {
        return HT_USAGE;
    }
    *until = apr_time_from_sec(seconds);
    return HT_OK;
}

/* Servers no longer accept the token, whatever their clock skew. The list would drop
 * the entry immediately. */
static int is_over(const ht_call_t *call, apr_time_t until)
{
    if (!until || until + BEARER_REVOCATION_GRACE > apr_time_now()) {
        return 0;
    }
    ht_say(call, "already expired; no entry is needed");
    return 1;
}

/* Adds the entry of a token or, if the token is NULL, of its iss and jti. */
static int add(const ht_call_t *call, const char *token, apr_size_t len,
               const char *iss, const char *jti, apr_time_t until)
{
    const char *file = ht_value(call, "file"), *error = NULL;
    apr_time_t now = apr_time_now();
    apr_status_t rv =
        token ? bearer_revocation_append_token(file, token, len, until, now, &error,
                                               call->p)
              : bearer_revocation_append_jti(file, iss, jti, until, now, &error,
                                             call->p);

    return rv == APR_SUCCESS
               ? HT_OK : ht_fail(call, HT_USAGE, "%s", error ? error : "not added");
}

static int revoke_token(const ht_call_t *call, apr_time_t until)
{
    const char *token, *iss, *jti;
    json_t *claims;
    apr_size_t len;
    apr_time_t exp;
    int status = ht_read_token(call, &token, &len);

    if (status != HT_OK) {
        return status;
    }
    /* RFC 6750 section 2.1: only such a token fits in the Authorization header */
    if (!len || bearer_text_b64token(token, len) != len) {
        return ht_fail(call, HT_REFUSED, "refused: standard input is not a token");
    }
    claims = ht_unverified_claims(token, len, call->p);
    iss = bearer_json_string(claims, "iss");
    jti = bearer_json_string(claims, "jti");
    if (!ht_has(call, "until")
        && bearer_json_date(&exp, claims, "exp") == APR_SUCCESS) {
        until = exp;
    }
    if (is_over(call, until)) {
        return HT_OK;
    }
    status = add(call, token, len, NULL, NULL, until);
    /* An ECDSA signature has a second valid form (r, n - s). With it, the token has
     * another digest, but the same jti. */
    if (status == HT_OK && iss && jti) {
        status = add(call, NULL, 0, iss, jti, until);
    }
    return status;
}

/* Prints an entry in the format of the list, with a readable date. */
static void print_entry(void *baton, const bearer_revocation_listed_t *entry)
{
    const ht_call_t *call = baton;
    apr_time_exp_t date;
    char until[APR_RFC822_DATE_LEN] = "never";
    apr_size_t len;
    const char *line;

    if (entry->until && entry->until <= HT_SECONDS_MAX
        && apr_time_exp_gmt(&date, apr_time_from_sec(entry->until)) == APR_SUCCESS) {
        apr_strftime(until, &len, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &date);
    }
    line = apr_psprintf(call->p, "%s %s %s%s\n", entry->kind,
                        bearer_text_hex(call->p, entry->digest, BEARER_SHA256_SIZE),
                        until, entry->is_live ? "" : " (expired)");
    ht_write(call, line, strlen(line));
}

static int list(const ht_call_t *call)
{
    const char *error = NULL;

    return bearer_revocation_list_entries(ht_value(call, "file"), apr_time_now(),
                                          print_entry, (void *)(apr_uintptr_t)call,
                                          &error, call->p) == APR_SUCCESS
               ? HT_OK : ht_fail(call, HT_USAGE, "%s", error);
}

static int run(const ht_call_t *call)
{
    const char *jti = ht_value(call, "jti");
    const char *issuer = ht_value(call, "issuer");
    apr_time_t until;

    if (ht_has(call, "list")) {
        return jti || issuer || ht_has(call, "until")
            ? ht_usage(call, "--list can only be combined with --file") : list(call);
    }
    if (read_until(call, &until) != HT_OK) {
        return HT_USAGE;
    }
    if (!jti && !issuer) {
        return revoke_token(call, until);
    }
    if (!jti || !issuer || !ht_has(call, "until")) {
        return ht_usage(call, "--jti, --issuer and --until must be used together");
    }
    return is_over(call, until) ? HT_OK : add(call, NULL, 0, issuer, jti, until);
}

static const ht_option_t options[] = {
    { "file", "PATH", HT_REQUIRED, "the list, readable by the server's user; created "
      "if missing" },
    { "list", NULL, 0, "print the entries: kind, digest, expiry" },
    { "jti", "JTI", 0, "revoke this jti instead of a token; needs --issuer and --until" },
    { "issuer", "ISS", 0, "claim iss of the tokens with this jti" },
    { "until", "TIME", 0, "expiry: seconds since 1970, 2030-01-31T12:00:00Z or never "
      "(default: the token's exp, else never)" },
    { NULL, NULL, 0, NULL }
};

const ht_command_t ht_revoke = {
    "revoke", NULL, 1, "Add a token to the list of AuthBearerRevocations.",
    "--jti and --list read no token. The file is replaced in one step; entries are "
    "removed five minutes after they expire. Servers apply changes within a second.",
    options, run
};
