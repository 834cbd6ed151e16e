/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file mod_auth_bearer.c
 * The module's entry point: the table of directives, built from their rows
 * (trust/settings_rows.h, httpd/directives.h), and the hooks with their order. The
 * hooks are implemented in src/httpd/, one file per step. The other folders of src/
 * verify tokens and do not depend on httpd.
 */
#include "src/httpd/authn.h"
#include "src/httpd/authz.h"
#include "src/httpd/browser.h"
#include "src/httpd/check.h"
#include "src/httpd/directives.h"
#include "src/httpd/export.h"
#include "src/httpd/foreign_user.h"
#include "src/httpd/handlers.h"
#include "src/httpd/hooks.h"
#include "src/httpd/page.h"
#include "src/httpd/records.h"
#include "src/httpd/refresh.h"
#include "src/httpd/resource.h"
#include "src/httpd/scrub.h"
#include "src/httpd/start.h"
#include "src/httpd/status.h"
#include "src/trust/settings.h"

#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

/* The contexts of a directive, as the rows name them: S server and virtual host, I
 * inside <AuthBearerIssuer>, D sections, H sections and .htaccess. The handler of a
 * directive checks the rest. */
#define S RSRC_CONF
#define I RSRC_CONF
#define D ACCESS_CONF
#define H OR_AUTHCFG

/* Marks directives that must not be repeated in a section, because the second line
 * would replace the first. check_vhost.c reports a repetition. */
static char list_mark[] = "list";
#define MARK(list) ((list) ? list_mark : NULL)

enum {
#define X(kind, type, printer, list, most) IS_LIST_##kind = (list) == 1,
    BEARER_SETTING_KINDS(X)
#undef X
};

#define SETTING(symbol, member, kind, name, where, words, value, help) \
    AP_INIT_RAW_ARGS(name, ab_config_setting, MARK(IS_LIST_##kind), where, help),
#define IN_ISSUER(name, parse, most, list, help) \
    AP_INIT_RAW_ARGS(name, ab_config_in_issuer, MARK(list), I, help),
#define LOGIN(name, parse, most, list, help) \
    AP_INIT_RAW_ARGS(name, ab_config_login, MARK(list), S, help),
#define GLOBAL(name, parse, most, list, help) \
    AP_INIT_RAW_ARGS(name, ab_config_global, MARK(list), S, help),

static const command_rec directives[] = {
    AP_INIT_RAW_ARGS("AuthBearerIssuer", ab_config_issuer, NULL, S,
                     "URL of a trusted issuer, identical to iss in its tokens"),
    AP_INIT_RAW_ARGS("<AuthBearerIssuer", ab_config_issuer_section, NULL, S,
                     "URL [NAME] of a trusted issuer, with its own directives"),
    AB_ISSUER_DIRECTIVES(IN_ISSUER)
    BEARER_SETTINGS(SETTING)
    AB_LOGIN_DIRECTIVES(LOGIN)
    AP_INIT_RAW_ARGS("AuthBearerSOCache", ab_store_directive, NULL, S,
                     "PROVIDER[:ARGS] [OPTION ...] [for=keys,introspection,sessions]"),
    AP_INIT_RAW_ARGS("AuthBearerSecretFile", ab_config_secret_file, MARK(1), S,
                     "PATH ... of 32 random bytes or more; the first encrypts, all decrypt"),
    AB_GLOBAL_DIRECTIVES(GLOBAL)
    AP_INIT_RAW_ARGS(AB_AUTHZ_WRAP, ab_authz_wrap, NULL, S,
                     "internal: added after <AuthzProviderAlias>"),
    { .name = NULL }
};

#undef S
#undef I
#undef D
#undef H

static void register_hooks(apr_pool_t *p)
{
    static const char *const before_rewrite[] = { "mod_rewrite.c", NULL };
    const int per_conf = AP_AUTH_INTERNAL_PER_CONF;

    ab_config_begin(p);
    /* last: by then, other modules have registered their `Require claim` */
    ap_hook_pre_config(ab_start_pre_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_check_config(ab_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(ab_check_dump, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(ab_start_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(ab_start_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(ab_refresh_child_init, NULL, NULL, APR_HOOK_LAST);

    /* before any hook that could answer or refuse; see browser.c */
    ap_hook_quick_handler(ab_browser_quick, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_quick_handler(ab_resource_quick, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(ab_browser_map_to_storage, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
    ap_hook_header_parser(ab_export_header_parser, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_check_access(ab_scrub, NULL, NULL,
                         APR_HOOK_REALLY_FIRST, per_conf);
    ap_hook_check_authn(ab_authn_check_user_id, NULL, NULL, APR_HOOK_MIDDLE,
                        per_conf);
    ap_hook_force_authn(ab_authz_force, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_authz(ab_authz_checker, NULL, NULL, APR_HOOK_FIRST, per_conf);
    ap_hook_fixups(ab_export_fixups, NULL, before_rewrite,
                   APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(ab_authz_lost, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_log_transaction(ab_export_log_transaction, NULL, NULL,
                            APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(ab_authn_log_transaction, NULL, NULL,
                            APR_HOOK_MIDDLE);
    ap_hook_expr_lookup(ab_functions_lookup, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(ab_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ab_status_register();
    ab_page_register();
    ab_caches_register();
    ab_browser_register();
    ab_foreign_user_register();
    ab_start_register();
    ab_authz_register(p);
    ab_explain_register();
}

AP_DECLARE_MODULE(auth_bearer) = {
    STANDARD20_MODULE_STUFF,
    ab_config_create_dir,
    ab_config_merge_dir,
    ab_config_create_server,
    ab_config_merge_server,
    directives,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
