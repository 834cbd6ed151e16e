/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file mod_auth_bearer.c
 * The door: which directives there are and where they may stand, which hooks
 * are taken and when. What they do is in src/httpd/, one room per step; what a
 * token is, is in the other folders of src/.
 */
#include "src/httpd/authn.h"
#include "src/httpd/authz.h"
#include "src/httpd/browser.h"
#include "src/httpd/check.h"
#include "src/httpd/export.h"
#include "src/httpd/foreign_user.h"
#include "src/httpd/handlers.h"
#include "src/httpd/hooks.h"
#include "src/httpd/page.h"
#include "src/httpd/records.h"
#include "src/httpd/refresh.h"
#include "src/httpd/resource.h"
#include "src/httpd/start.h"
#include "src/httpd/status.h"

#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

/* Where a directive may stand: S server and vhost, I inside <AuthBearerIssuer>,
 * D sections, H also .htaccess. Its handler checks the rest. */
#define S RSRC_CONF
#define I RSRC_CONF
#define D ACCESS_CONF
#define H OR_AUTHCFG

#define SETTING(name, where, help) \
    AP_INIT_RAW_ARGS(name, ab_config_setting, NULL, where, help)
#define IN_ISSUER(name, help) \
    AP_INIT_RAW_ARGS(name, ab_config_in_issuer, NULL, I, help)
#define LOGIN(name, help) \
    AP_INIT_RAW_ARGS(name, ab_config_login, NULL, S, help)
#define GLOBAL(name, help) \
    AP_INIT_RAW_ARGS(name, ab_config_global, NULL, S, help)

static const command_rec directives[] = {
    /* who is trusted */
    AP_INIT_RAW_ARGS("AuthBearerIssuer", ab_config_issuer, NULL, S,
                     "URL of an issuer to trust, equal to the tokens' iss"),
    AP_INIT_RAW_ARGS("<AuthBearerIssuer", ab_config_issuer_section, NULL, S,
                     "URL [NAME]: an issuer to trust, with directives of its own"),
    IN_ISSUER("AuthBearerIssuerAlias", "further iss values of this issuer"),
    IN_ISSUER("AuthBearerTenants", "ID ... | file:PATH | *: what {tenant} may be"),
    IN_ISSUER("AuthBearerMetadata", "URL | discover | off"),
    IN_ISSUER("AuthBearerKeys", "discover | URL | file:PATH | spiffe:URL|PATH"),
    IN_ISSUER("AuthBearerFetchAuth", "file:PATH of a token for requests to the "
              "issuer"),
    IN_ISSUER("AuthBearerIntrospection", "URL | discover | off "
              "[for=opaque|all]"),
    IN_ISSUER("AuthBearerIntrospectionTTL", "TIME that positive answers are "
              "kept; 0: none is"),
    IN_ISSUER("AuthBearerTokenPrefix", "what this issuer's opaque tokens begin "
              "with"),
    SETTING("AuthBearerAlgorithms", S|I, "signature algorithms that are accepted"),
    SETTING("AuthBearerClientID", S|I, "this server's own client id"),
    SETTING("AuthBearerClientSecret", S|I, "file:PATH | exec:COMMAND | env:NAME"),
    SETTING("AuthBearerClientAuth", S|I, "METHOD [aud=issuer|endpoint] of "
            "authentication at the issuer"),
    SETTING("AuthBearerClientKey", S|I, "private key (PEM, JWK) for "
            "private_key_jwt or tls_client_auth"),
    SETTING("AuthBearerClientCert", S|I, "PEM certificate for tls_client_auth or "
            "private_key_jwt"),
    SETTING("AuthBearerCAFile", S|I, "PEM file of CAs for requests to issuers"),
    SETTING("AuthBearerHTTPProxy", S|I, "URL of a proxy, or none"),
    SETTING("AuthBearerTimeout", S|I, "connect=TIME total=TIME"),
    SETTING("AuthBearerKeysRefresh", S|I, "min=TIME max=TIME stale=TIME"),
    GLOBAL("AuthBearerPlainHTTP", "HOST[:PORT] ... that may be asked over http"),

    /* which credentials, and how they are judged */
    SETTING("AuthBearerProvider", D|H, "the chain of providers, in order"),
    SETTING("AuthBearerAcceptIssuer", D|H, "issuers accepted here"),
    SETTING("AuthBearerAudience", S|I|D|H, "audiences accepted here"),
    SETTING("AuthBearerNoAudience", S|I|D, "refuse | accept tokens without one"),
    SETTING("AuthBearerClients", S|I|D|H, "calling clients accepted here"),
    SETTING("AuthBearerTokenFrom", D, "header, header:NAME, cookie:NAME, "
            "query:NAME, env:NAME, basic[:USER]"),
    SETTING("AuthBearerMaxTokenAge", S|I|D, "TIME since iat, or off"),
    SETTING("AuthBearerClockSkew", S|I|D, "TIME that clocks may differ by"),
    SETTING("AuthBearerTokenProfile", S|I|D, "auto | rfc9068"),
    SETTING("AuthBearerThrottle", S|D, "threshold=N window=TIME penalty=TIME | off"),
    SETTING("AuthBearerChallenge", D|H, "Off: a bare challenge"),
    SETTING("AuthBearerOptional", D|H, "On: requests without a token go on"),
    SETTING("AuthBearerPreflight", D|H, "pass: CORS preflights go on"),
    SETTING("AuthBearerSessionCheck", D, "URL [key=value ...]: asks a session store"
            " who the caller is"),

    /* who it is, and what is passed on */
    SETTING("AuthBearerUserClaim", S|I|D|H, "PATH [REGEX SUBST] of the user name"),
    SETTING("AuthBearerUserFormat", S|D|H, "%u the claim, %i the issuer's name"),
    SETTING("AuthBearerUserChars", S|I, "strict | printable"),
    SETTING("AuthBearerRolesClaim", S|I|D, "where roles are found"),
    SETTING("AuthBearerGroupsClaim", S|I|D, "where groups are found"),
    SETTING("AuthBearerScopeClaim", S|I|D, "where scopes are found"),
    SETTING("AuthBearerScopeStrategy", S|D|H, "exact | hierarchic | wildcard"),
    SETTING("AuthBearerExport", D|H, "env|headers|both|none [env-prefix=P] "
            "[header-prefix=P] [claims=a,b|*]"),
    SETTING("AuthBearerForward", D|H, "none | identity | token"),
    SETTING("AuthBearerResource", D, "URL [name=STR] [doc=URL] [scopes=a,b]"),

    /* browsers */
    SETTING("AuthBearerSession", D|H, "On: a session cookie is a credential"),
    SETTING("AuthBearerLogin", D|H, "On|Off [NAME=VALUE ...]: browsers without a "
            "credential are sent to the issuer"),
    SETTING("AuthBearerPrefer", D|H, "cookie | bearer, where both are present"),
    SETTING("AuthBearerLoginIssuer", S|D, "URL of the issuer that logs in"),
    SETTING("AuthBearerLoginScopes", S|I, "scopes that a login asks for"),
    SETTING("AuthBearerSessionUserClaim", S|I, "PATH [REGEX SUBST] of a session's "
            "user name"),
    SETTING("AuthBearerStripCookies", D, "Off: the application sees this module's "
            "own cookies"),
    LOGIN("AuthBearerLoginPath", "PATH of callback, logout, backchannel-logout"),
    LOGIN("AuthBearerBaseURL", "SCHEME://HOST[:PORT] as browsers see this server"),
    LOGIN("AuthBearerSessionStore", "cache | cookie"),
    LOGIN("AuthBearerSessionLifetime", "max=TIME idle=TIME"),

    /* the server */
    AP_INIT_RAW_ARGS("AuthBearerSOCache", ab_store_directive, NULL, S,
                     "PROVIDER[:ARGS] [for=keys,introspection,sessions]"),
    AP_INIT_RAW_ARGS("AuthBearerSecretFile", ab_config_secret_file, NULL, S,
                     "PATH ... of >= 32 random bytes; the first seals, all open"),
    GLOBAL("AuthBearerTokenCache", "entries=N | off"),
    GLOBAL("AuthBearerRevocations", "file:PATH of the list of revoked tokens"),
    AP_INIT_RAW_ARGS(AB_AUTHZ_WRAP, ab_authz_wrap, NULL, S,
                     "internal: put behind <AuthzProviderAlias>"),
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
    /* last: another module's `Require claim` is known by then */
    ap_hook_pre_config(ab_start_pre_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_check_config(ab_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(ab_check_dump, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(ab_start_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(ab_start_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(ab_refresh_child_init, NULL, NULL, APR_HOOK_LAST);

    /* before everything that could answer or refuse: see browser.c */
    ap_hook_quick_handler(ab_browser_quick, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_quick_handler(ab_resource_quick, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(ab_browser_map_to_storage, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
    ap_hook_header_parser(ab_export_header_parser, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_check_access(ab_export_access_checker, NULL, NULL,
                         APR_HOOK_REALLY_FIRST, per_conf);
    ap_hook_check_authn(ab_authn_check_user_id, NULL, NULL, APR_HOOK_MIDDLE,
                        per_conf);
    ap_hook_force_authn(ab_authz_force, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_authz(ab_authz_checker, NULL, NULL, APR_HOOK_FIRST, per_conf);
    ap_hook_fixups(ab_export_fixups, NULL, before_rewrite,
                   APR_HOOK_REALLY_FIRST);
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
