/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Two users must not get the same user name: what AuthBearerUserFormat must contain
 * if several issuers or tenants are accepted. See judge.h.
 */
#include "judge/judge.h"

#include <string.h>

#include <apr_strings.h>

#include "base/text.h"
#include "judge/user_format.h"

/** Maximum number of an issuer's listed tenants that are compared one by one; more
 *  count as any. */
#define TENANTS_MAX 64

static int has_several(const apr_array_header_t *list)
{
    int i;

    for (i = 1; list && i < list->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(list, i, const char *),
                   APR_ARRAY_IDX(list, 0, const char *)) != 0) {
            return 1;
        }
    }
    return 0;
}

/* A tenants file may grow at any time. */
static int has_tenants(const bearer_issuer_t *issuer)
{
    return issuer->tenants_any || issuer->tenants_file
        || has_several(issuer->tenants);
}

/* If no token counts, AuthBearerLoginIssuer limits the issuers of sessions. */
static int several_issuers(const bearer_issuers_t *issuers,
                           const bearer_settings_t *here)
{
    const apr_array_header_t *list = here->accept_issuer;

    if (here->login_issuer && !has_several(here->login_issuer)
        && !bearer_judge_provides(here, BEARER_PROVIDER_JWT)
        && !bearer_judge_provides(here, BEARER_PROVIDER_INTROSPECTION)) {
        return 0;
    }
    return apr_is_empty_array(list) ? bearer_issuers_count(issuers) > 1
                                    : has_several(list);
}

const char *bearer_judge_names_error(const bearer_issuers_t *issuers,
                                     const bearer_settings_t *here,
                                     const bearer_issuer_t *issuer,
                                     apr_pool_t *p)
{
    int several = several_issuers(issuers, here);

    if (issuer && has_tenants(issuer)
        && !bearer_user_format_has(here->user_format, 't')) {
        return apr_psprintf(p, "issuer %s has several tenants, which may use the same sub for "
                            "different users; write AuthBearerUserFormat with %%t (the tenant), "
                            "e.g. '%s'", bearer_text_quote(p, issuer->url),
                            several ? "%i/%t/%u" : "%u@%t");
    }
    if (several && !bearer_settings_has(here, USER_FORMAT)) {
        return "several issuers are accepted, and may use the same sub for different users; write "
               "AuthBearerUserFormat ('%u@%i', or '%u' if they share users), or narrow with "
               "AuthBearerAcceptIssuer";
    }
    return NULL;
}

/* ---- separators that are part of a name ----------------------------------- */

static void add(apr_array_header_t *sources, const char *name, const char *tenant,
                int printable)
{
    APR_ARRAY_PUSH(sources, bearer_user_source_t) =
        (bearer_user_source_t){ name, tenant, printable };
}

static void add_issuer(apr_array_header_t *sources, const bearer_issuer_t *issuer,
                       int printable)
{
    const apr_array_header_t *tenants = issuer->tenants;
    int i;

    if (!bearer_issuer_is_template(issuer)) {
        add(sources, issuer->name, "", printable);
    } else if (!tenants || tenants->nelts > TENANTS_MAX) {
        add(sources, issuer->name, NULL, printable);
    }
    for (i = 0; tenants && i < tenants->nelts && tenants->nelts <= TENANTS_MAX;
         i++) {
        add(sources, issuer->name, APR_ARRAY_IDX(tenants, i, const char *),
            printable);
    }
}

static const char *describe(const bearer_user_source_t *source, apr_pool_t *p)
{
    const char *name = bearer_text_quote(p, source->name);

    return source->tenant && !*source->tenant ? name
        : apr_psprintf(p, "%s (tenant %s)", name,
                       source->tenant ? bearer_text_quote(p, source->tenant)
                                      : "any");
}

void bearer_judge_lint_names(apr_array_header_t *findings,
                             const bearer_issuers_t *issuers,
                             const bearer_settings_t *defaults,
                             const bearer_settings_t *server,
                             const bearer_settings_t *dir, apr_pool_t *p)
{
    apr_array_header_t *sources = apr_array_make(p, 4,
                                                 sizeof(bearer_user_source_t));
    const bearer_user_source_t *a, *b;
    bearer_settings_t here, own;
    int i;

    bearer_settings_resolve(&here, defaults, server, NULL, dir);
    if (strcmp(here.user_format, "%u") == 0
        || bearer_user_format_error(here.user_format)) {
        return;
    }
    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *issuer = bearer_issuers_at(issuers, i);

        if (bearer_judge_accepts(&here, issuer)) {
            bearer_settings_resolve(&own, defaults, server, &issuer->settings,
                                    dir);
            add_issuer(sources, issuer, own.user_chars_printable);
        }
    }
    if (bearer_judge_provides(&here, BEARER_PROVIDER_SESSION)) {
        add(sources, "session", "", here.user_chars_printable);
    }
    if (bearer_user_format_collides(here.user_format, sources, &a, &b, p)) {
        bearer_findings_add(
            findings, BEARER_LOG_WARNING, bearer_settings_directive(BEARER_SET_USER_FORMAT),
            AB(0727) "AuthBearerUserFormat %s can give a user of %s and a user of %s the same "
            "name%s", bearer_text_quote(p, here.user_format),
            describe(b, p), describe(a, p),
            a != b && strcmp(a->name, b->name) == 0
                && strcmp(a->name, "session") == 0
                ? ": for users of a session service, %i is 'session'; give the issuer another NAME"
                : ": the separator may occur in a name; use another, as in '%u@%i' or '%i/%t/%u'");
    }
}
