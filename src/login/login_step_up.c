/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Locations that require more than others (RFC 9470): checks whether the login of a
 * session suffices. See login.h.
 */
#include "login/login_inside.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "judge/principal.h"

#define MAX_AGE (366 * 24 * 3600)  /* in seconds */
#define ACR_MAX 500                /* bytes of all values */

/* Returns the value of a parameter, or NULL if it has another name. */
static const char *value_of(const char *parameter, const char *name)
{
    apr_size_t len = strlen(name);

    return strncmp(parameter, name, len) == 0 && parameter[len] == '='
               ? parameter + len + 1 : NULL;
}

/* Seconds, or a number with s, min or h. Returns 0 for anything else. */
static int seconds_of(const char *text, apr_int64_t *seconds)
{
    static const struct {
        const char *unit;
        int seconds;
    } units[] = { { "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 3600 } };
    char *end;
    apr_size_t i;

    *seconds = apr_strtoi64(text, &end, 10);
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!strcmp(end, units[i].unit)) {
            *seconds = *seconds <= MAX_AGE ? *seconds * units[i].seconds : -1;
            return apr_isdigit(*text) && *seconds >= 0 && *seconds <= MAX_AGE;
        }
    }
    return 0;
}

const char *bearer_login_parse_required(const apr_array_header_t **parameters,
                                        const apr_array_header_t *words, int from,
                                        apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    const char *acr = NULL, *age = NULL, *value;
    apr_int64_t seconds;
    int i;

    *parameters = list;
    for (i = from; i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);

        if (!acr && (value = value_of(word, "acr")) != NULL) {
            acr = apr_array_pstrcat(p, bearer_text_split(p, value, ","), ' ');
            if (!*acr || strlen(acr) > ACR_MAX || bearer_text_has_control(acr, strlen(acr))) {
                return "acr= needs values, separated by commas";
            }
            APR_ARRAY_PUSH(list, const char *) = apr_pstrcat(p, "acr_values=", acr, NULL);
        } else if (!age && (value = value_of(word, "max-age")) != NULL) {
            age = word;
            if (!seconds_of(value, &seconds)) {
                return "max-age= needs a time, e.g. 600s, 10min or 8h";
            }
            APR_ARRAY_PUSH(list, const char *) =
                apr_psprintf(p, "max_age=%" APR_INT64_T_FMT, seconds);
        } else {
            return apr_psprintf(p, "%s is neither acr=A,B nor max-age=TIME, or occurs before",
                                bearer_text_quote(p, word));
        }
    }
    return list->nelts ? NULL : "it needs acr=A,B, max-age=TIME or both";
}

static bearer_reason_t acr_suffices(const char *wanted, const json_t *claims,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    const apr_array_header_t *list = bearer_text_split(p, wanted, " ");

    return bearer_principal_acr_among(claims, list) ? BEARER_OK
        : bearer_refuse(why, p, BEARER_ACR,
                        "the user authenticated with acr %s, but one of %s is needed here "
                        "(AuthBearerLogin acr_values=, Require authentication acr=)",
                        bearer_principal_acr_text(claims, p),
                        bearer_text_quote_list(p, list));
}

static bearer_reason_t age_suffices(const char *wanted, const json_t *claims,
                                    apr_time_t now, apr_interval_time_t skew,
                                    bearer_refusal_t *why, apr_pool_t *p)
{
    apr_time_t when;

    if (bearer_json_date(&when, claims, "auth_time") == APR_SUCCESS
        && now - when <= apr_time_from_sec(atoi(wanted)) + skew) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_ACR,
                         "the user's authentication is older than %s s, or the token had no "
                         "auth_time (AuthBearerLogin max_age=, Require authentication max-age=)",
                         wanted);
}

bearer_reason_t bearer_login_suffices(const apr_array_header_t *parameters,
                                      const json_t *claims, apr_time_t now,
                                      apr_interval_time_t skew,
                                      bearer_refusal_t *why, apr_pool_t *p)
{
    bearer_reason_t reason = BEARER_OK;
    int i;

    for (i = 0; parameters && reason == BEARER_OK && i < parameters->nelts; i++) {
        const char *one = APR_ARRAY_IDX(parameters, i, const char *), *value;

        if ((value = value_of(one, "acr_values")) != NULL) {
            reason = acr_suffices(value, claims, why, p);
        } else if ((value = value_of(one, "max_age")) != NULL) {
            reason = age_suffices(value, claims, now, skew, why, p);
        }
    }
    return reason;
}
