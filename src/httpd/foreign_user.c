/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file foreign_user.c
 * If AuthType Bearer is in force, r->user is exactly the user that this module
 * established. Another module can set it early. mod_ssl does (SSLUserName), in its
 * access checker and again in its fixup, from a certificate that may be unsigned
 * (SSLVerifyClient optional_no_ca). Such a user would pass `Require valid-user` in the
 * round before authentication, and reach the application.
 *
 * So this module corrects r->user before that round, around the fixups that read it,
 * and before logging; also in subrequests and internal redirects. If one of these
 * reaches a location without an AuthType, the user is the one exported there.
 */
#include "foreign_user.h"
#include "request.h"

#include <http_config.h>
#include <http_core.h>
#include <http_request.h>

/* Returns the record with the principal that is the user of r, or NULL. httpd passes a
 * user on to a request with the same configuration and calls no hook then. This
 * function follows the same rule. */
static const request_t *established(const request_rec *r)
{
    do {
        const request_t *own = ab_request_peek(r);

        if (own && own->principal) {
            return own;
        }
        if (ab_request_borrows(r)) {
            return own->lent;
        }
        r = r->prev && r->prev->per_dir_config == r->per_dir_config ? r->prev
          : r->main && r->main->per_dir_config == r->per_dir_config ? r->main : NULL;
    } while (r);
    return NULL;
}

/* Not inlined: this is rare, and ab_foreign_user_settle() runs several times for each
 * request. */
__attribute__((noinline)) void ab_foreign_user_put_right(request_rec *r)
{
    static char bearer[] = "Bearer";
    const char *type = ap_auth_type(r);
    /* without a type: the user exported there was authenticated before (export.c) */
    const request_t *record = type ? established(r) : ab_request_principal(r);

    if (type ? !ap_cstr_casecmp(type, bearer) : record != NULL) {
        r->user = record ? record->user : NULL;
        r->ap_auth_type = r->user ? bearer : NULL;
    }
}

int ab_foreign_user_settle(request_rec *r)
{
    const request_t *own = ap_get_module_config(r->request_config,
                                                &auth_bearer_module);

    /* not if it is unchanged since this module set it or first saw it */
    if (r->user != (own ? own->user : NULL) || (own && own->lent)
        || (!r->user && r->ap_auth_type)) {
        ab_foreign_user_put_right(r);
    }
    return DECLINED;
}

int ab_foreign_user_forget(request_rec *r)
{
    const request_t *record = established(r);

    if (record && record->user) {
        return 0;
    }
    r->user = NULL;
    r->ap_auth_type = NULL;
    return 1;
}

void ab_foreign_user_register(void)
{
    static const char *const ssl[] = { "mod_ssl.c", NULL };
    static const char *const readers[] = { "mod_session.c", NULL };

    /* mod_headers' fixup, which puts the user into headers, is one of the last */
    ap_hook_fixups(ab_foreign_user_settle, ssl, readers, APR_HOOK_MIDDLE);
    ap_hook_fixups(ab_foreign_user_settle, NULL, NULL, APR_HOOK_REALLY_LAST);
}
