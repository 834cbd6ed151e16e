/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file directives.h
 * Directives that are allowed in one kind of context only. Each row produces an entry
 * in httpd's table and names the function that parses it. Directives allowed in several
 * contexts are in trust/settings_rows.h.
 *
 * X(name, function, most, list, help)
 *
 * most: the maximum number of words (the minimum is 1); 0: no maximum; -1: the function
 * checks it. list: 1 if a second line in a section would replace the first, which is an
 * error.
 */
#pragma once

/** Allowed inside <AuthBearerIssuer>; functions in config_issuer.c. */
#define AB_ISSUER_DIRECTIVES(X) \
    X("AuthBearerIssuerAlias", issuer_alias, 0, 1, \
      "further iss values of this issuer") \
    X("AuthBearerTenants", issuer_tenants, 0, 1, \
      "ID ... | file:PATH | *: accepted values of {tenant}") \
    X("AuthBearerMetadata", issuer_metadata, 1, 0, "URL | discover | off") \
    X("AuthBearerKeys", issuer_keys, 0, 1, \
      "discover | URL | file:PATH | spiffe:URL|PATH ...") \
    X("AuthBearerEndpoint", issuer_endpoint, 2, 0, \
      "NAME URL|off: an endpoint, instead of the metadata's") \
    X("AuthBearerFetchAuth", issuer_fetch_auth, 1, 0, \
      "file:PATH of a token for requests to the issuer") \
    X("AuthBearerIntrospection", issuer_introspection, 2, 0, \
      "URL | discover | off [for=opaque|all]") \
    X("AuthBearerIntrospectionTTL", issuer_introspection_ttl, 1, 0, \
      "TIME that positive responses are cached; 0: none") \
    X("AuthBearerTokenPrefix", issuer_token_prefix, 0, 1, \
      "prefixes of this issuer's opaque tokens")

/** Allowed in a server or virtual host; functions in config_server.c. */
#define AB_LOGIN_DIRECTIVES(X) \
    X("AuthBearerLoginPath", login_path, 1, 0, \
      "PATH of callback, logout, backchannel-logout") \
    X("AuthBearerBaseURL", login_base_url, 0, 1, \
      "SCHEME://HOST[:PORT] ... as browsers see this server; HOST may be *.DOMAIN") \
    X("AuthBearerSessionDomain", login_domain, 2, 0, \
      "DOMAIN [login=URL]: one session for all hosts of a domain") \
    X("AuthBearerSessionStore", login_store, 1, 0, "cache | cookie") \
    X("AuthBearerSessionLifetime", login_lifetime, 3, 0, \
      "max=TIME idle=TIME persist=on|off")

/** Allowed outside all sections only; functions in config_server.c. */
#define AB_GLOBAL_DIRECTIVES(X) \
    X("AuthBearerPlainHTTP", global_plain_http, 0, 0, \
      "HOST[:PORT] ... that may be contacted over http") \
    X("AuthBearerTokenCache", global_token_cache, -1, 0, "entries=N | off") \
    X("AuthBearerRevocations", global_revocations, 1, 0, \
      "file:PATH of the list of revoked tokens")
