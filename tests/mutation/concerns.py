# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The end-to-end tests that concern each file of the glue: files of tests/e2e
without test_ and .py, the fast and near ones first."""

CONCERNS = {
    "answer": "answers results smoke table browser_pages",
    "asking": "introspection session_check waits",
    "authn": "smoke table credentials attacks vhosts identity introspection "
             "session_check throttle results status keys",
    "authz": "require rules results attacks caches identity",
    "authz_decision": "require results attacks caches identity",
    "authz_provider": "require rules config beside_openidc",
    "browser": "browser login_path browser_pages browser_cookies browser_limits "
               "config resource",
    "browser_callback": "browser browser_cookies browser_limits browser_hostile "
                        "login_issuers answer_leaks login_client_auth",
    "browser_choice": "login_choice",
    "browser_client": "browser browser_hostile login_issuers login_client_auth "
                      "login_metadata login_tenants "
                      "browser_children",
    "browser_claims": "session_claims",
    "browser_cookies": "browser browser_cookies browser_hostile ambient silence "
                       "browser_limits",
    "browser_domain": "domain browser browser_cookies",
    "browser_hide": "browser browser_hostile browser_cookies answer_leaks "
                    "ambient silence",
    "browser_room": "browser_cookies login_choice",
    "browser_status": "session_status",
    "browser_userinfo": "userinfo identity",
    "browser_login_path": "login_path login_choice",
    "browser_login_url": "login_url",
    "browser_login": "browser browser_cookies browser_limits browser_pages "
                     "login_issuers login_choice browser_hostile",
    "browser_logout": "sign_out frontchannel browser browser_limits browser_children browser_pages "
                      "browser_hostile lasting sessions",
    "browser_names": "names",
    "browser_revoke": "browser browser_hostile redis",
    "browser_session": "browser browser_hostile browser_children "
                       "browser_limits browser_cookies lasting caches "
                       "sessions_fleet sessions",
    "browser_site": "login_issuers login_choice browser config ambient",
    "caches": "caches browser introspection results",
    "check": "config foreign_config broken docs",
    "check_domain": "domain",
    "check_foreign": "foreign_config foreign_user config broken",
    "check_issuer": "config broken docs",
    "check_proofs": "proof_memory",
    "check_say": "config without_effect broken docs",
    "check_server": "config broken memory docs login_issuers",
    "check_tree": "config without_effect foreign_config broken",
    "check_vhost": "without_effect config docs",
    "config": "config htaccess docs broken vhosts introspection caches",
    "config_issuer": "config keys docs vhosts",
    "config_parse": "config docs foreign_config without_effect login_issuers",
    "config_server": "config throttle memory docs browser",
    "config_proof": "config docs",
    "config_service": "session_check login_url sign_out config docs",
    "config_settings": "config credentials docs htaccess export "
                       "introspection",
    "credential": "credentials ambient scrub excluded hardening attacks "
                  "silence proof_fields",
    "dump": "config secret_env docs",
    "environment": "results export browser_pages identity",
    "explain": "explain config docs",
    "export": "export scrub excluded identity require hardening revocation "
              "silence ambient foreign_user",
    "foreign_user": "foreign_user excluded scrub",
    "functions": "require rules export",
    "handover": "keysets keys lasting",
    "page": "browser_pages login_path browser browser_hostile results",
    "page_texts": "browser_pages browser",
    "process": "smoke keys introspection keysets login_client_auth "
               "login_metadata",
    "proof": "proof proof_clients",
    "provider": "smoke table attacks revocation introspection session_check keysets",
    "provider_introspection": "introspection attacks session_check",
    "provider_jwt": "smoke table attacks keysets",
    "provider_session_check": "session_check attacks waits",
    "records": "vhosts config htaccess docs introspection without_effect",
    "refresh": "keysets revocation keys lasting status",
    "refuse": "smoke results table resource browser_pages attacks",
    "regex": "rules session_check config",
    "remote": "cache_away fleet introspection",
    "request": "export caches browser hardening excluded",
    "resource": "resource config results mcp",
    "scrub": "scrub excluded export hardening htaccess credentials "
             "proof_fields",
    "session_cookies": "session_check scrub attacks config",
    "shared": "throttle_shared keysets waits lasting status memory upgrade",
    "start": "smoke keys revocation introspection keysets status foreign_user config "
             "browser login_issuers login_metadata login_client_auth",
    "status": "status messages throttle memory htaccess",
    "status_collect": "status messages throttle memory lasting",
    "store": "introspection config lasting fleet cache_away memory",
    "store_line": "config lasting redis memory",
    "store_own": "lasting memory introspection config status",
    "store_proofs": "proof_memory",
    "store_redis": "redis fleet config",
    "store_value": "introspection lasting fleet cache_away memory redis",
    "throttling": "throttle throttle_shared table",
    "trace": "status silence introspection",
    "verified": "smoke caches revocation introspection throttle vhosts export",
    "waiting": "waits session_check neighbours status",
}
