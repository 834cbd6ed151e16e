/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file settings_rows.h
 * One row for each directive that is allowed in more than one place. The rows
 * generate the struct and the bits of settings.h, the defaults, the parsing and
 * printing of values, httpd's table of directives, and the test cases.
 *
 * To add a directive, add a row to BEARER_SETTINGS and describe it in
 * docs/reference/directives.md. To add a kind of value, add a row to
 * BEARER_SETTING_KINDS, a printer in settings.c and a parse_ function in the glue's
 * config_settings.c; neither compiles without them.
 */
#pragma once

/** Joins words to one text, separated by spaces; the value of a word is its index
 *  in the text. For the X macros below. */
#define BEARER_WORD(symbol, word) word " "
#define BEARER_SYMBOL(symbol, word) symbol,
#define BEARER_WORD_OF_3(symbol, word, more) word " "
#define BEARER_WORD_OF_4(symbol, word, more, still) word " "

/** X(symbol, the word of AuthBearerProvider). Each has a function PROVIDER_symbol
 *  in the glue. */
#define BEARER_PROVIDERS(X) \
    X(JWT, "jwt") \
    X(INTROSPECTION, "introspection") \
    X(SESSION, "session")

/** X(symbol, the word of AuthBearerTokenFrom, whether a name must follow). Each
 *  has a case in the glue's credential.c. */
#define BEARER_FROM_KINDS(X) \
    X(HEADER, "header", 0) \
    X(COOKIE, "cookie", 1) \
    X(QUERY, "query", 1) \
    X(ENV, "env", 1) \
    X(BASIC, "basic", 0)

#define BEARER_PROFILES(X) \
    X(BEARER_PROFILE_AUTO, "auto") X(BEARER_PROFILE_RFC9068, "rfc9068")

/** What becomes of a token with the marks of an ID token. */
#define BEARER_ID_TOKEN_MODES(X) \
    X(BEARER_ID_TOKENS_REFUSE, "refuse") X(BEARER_ID_TOKENS_SCOPED, "scoped") \
    X(BEARER_ID_TOKENS_ACCEPT, "accept")

#define BEARER_PUSHED(X) \
    X(BEARER_PUSHED_AUTO, "auto") X(BEARER_PUSHED_REQUIRED, "required") \
    X(BEARER_PUSHED_OFF, "off")

/** X(SYMBOL, the word of AuthBearerProof, its bits). DPOP and MTLS can be combined;
 *  their bits are those of `bound` in judge/principal.h. */
#define BEARER_PROOF_MODES(X) \
    X(BEARER_PROOF_AUTO, "auto", 0) X(BEARER_PROOF_DPOP, "dpop", 1) \
    X(BEARER_PROOF_MTLS, "mtls", 2) X(BEARER_PROOF_IGNORE, "ignore", 4)

#define BEARER_SCOPE_STRATEGIES(X) \
    X(EXACT, "exact") X(HIERARCHIC, "hierarchic") X(WILDCARD, "wildcard")

/** When a login asks the userinfo endpoint. */
#define BEARER_USERINFO_MODES(X) \
    X(BEARER_USERINFO_MISSING, "missing") X(BEARER_USERINFO_ALWAYS, "always") \
    X(BEARER_USERINFO_NEVER, "never")

/** Bit sets: BOTH is ENV plus HEADERS; IDENTITY and TOKEN can be combined. */
#define BEARER_EXPORT_MODES(X) \
    X(BEARER_EXPORT_NONE, "none") X(BEARER_EXPORT_ENV, "env") \
    X(BEARER_EXPORT_HEADERS, "headers") X(BEARER_EXPORT_BOTH, "both")
#define BEARER_FORWARD_BITS(X) \
    X(BEARER_FORWARD_NONE, "none") X(BEARER_FORWARD_IDENTITY, "identity") \
    X(BEARER_FORWARD_TOKEN, "token")

/**
 * Methods of client authentication with an issuer. X(SYMBOL, word, needs, prove)
 *     needs  what the configuration must contain, as named in client_auth.c
 *     prove  the suffix of bearer_prove_...(), which adds it to a request
 */
#define BEARER_CLIENT_METHODS(X) \
    X(SECRET_BASIC, "client_secret_basic", NEEDS_ID | NEEDS_SECRET, basic) \
    X(SECRET_POST, "client_secret_post", NEEDS_ID | NEEDS_SECRET, post) \
    X(SECRET_JWT, "client_secret_jwt", NEEDS_ID | NEEDS_SECRET, secret_jwt) \
    X(PRIVATE_KEY_JWT, "private_key_jwt", NEEDS_ID | NEEDS_KEY, private_key_jwt) \
    X(JWT_FILE, "jwt_file", NEEDS_SECRET, jwt_file) \
    X(TLS, "tls_client_auth", NEEDS_ID | NEEDS_CERT, tls) \
    X(BEARER, "bearer", 0, bearer) \
    X(NONE, "none", 0, none)

/**
 * X(kind, type, printer, list, most)
 *     printer  the suffix of print_... in settings.c
 *     list     1: a second line in a section would replace the first, which is an error;
 *              2: it is added to the first
 *     most     maximum number of words, at least one; 0: no maximum
 *
 * Arrays hold const char * unless stated otherwise, and are replaced as a whole.
 */
#define BEARER_SETTING_KINDS(X) \
    X(onoff, int, onoff, 0, 1) \
    X(word, int, word, 0, 1) /* one of the row's words */ \
    X(string, const char *, string, 0, 1) \
    X(file, const char *, string, 0, 1) /* relative to ServerRoot */ \
    X(time, apr_interval_time_t, time, 0, 1) /* if the row has a word, 0 means that word */ \
    X(list, const apr_array_header_t *, list, 1, 0) \
    X(claims, const apr_array_header_t *, claims, 1, 0) /* const bearer_path_t * */ \
    X(token_types, const apr_array_header_t *, list, 1, 0) \
    X(kept_claims, const apr_array_header_t *, list, 1, 0) /* NULL: all */ \
    X(algorithms, bearer_algs_t, algorithms, 1, 0) \
    X(providers, const apr_array_header_t *, providers, 1, BEARER_PROVIDER_COUNT) /* int */ \
    X(token_from, const apr_array_header_t *, token_from, 1, 16) /* bearer_from_t */ \
    X(proof, bearer_proof_rule_t, proof, 1, 6) \
    X(secret, bearer_secret_t *, masked, 0, 0) \
    X(client_auth, int, client_auth, 0, 2) \
    X(client_key, const char *, string, 0, 1) \
    X(http_proxy, const char *, proxy, 0, 1) \
    X(timeout, bearer_timeout_t, times, 0, 3) \
    X(refresh, bearer_refresh_t, times, 0, 3) \
    X(skew, apr_interval_time_t, time, 0, 1) \
    X(throttle, bearer_throttle_settings_t, throttle, 0, 3) \
    X(session_checks, const apr_array_header_t *, session_checks, 2, 64) /* of checks */ \
    X(user_claim, bearer_user_claim_t, user_claim, 0, 3) \
    X(session_claim, bearer_user_claim_t, user_claim, 0, 3) \
    X(user_format, const char *, string, 0, 1) \
    X(exports, bearer_export_settings_t, exports, 0, 4) \
    X(forward, int, forward, 0, 2) \
    X(login, bearer_switch_t, switch, 0, 16) \
    X(challenge, bearer_switch_t, switch, 0, 16) \
    X(login_url, const bearer_login_url_t *, login_url, 0, 2) \
    X(logout, bearer_logout_t, logout, 0, 16) \
    X(resource, const bearer_resource_t *, resource, 0, 64)

/**
 * X(SYMBOL, member, kind, directive, where, words, default, help)
 *     where    S vhost, I issuer, D directory, H .htaccess
 *     words    the words of the value, the first is 0; else the text printed if there
 *              is no value, in parentheses if it cannot be written
 *     default  an expression; p is the pool, and settings.c has ARRAY, PATH, SECONDS
 *     help     for `httpd -L`
 */
#define BEARER_SETTINGS(X) \
    X(ALGORITHMS, algorithms, algorithms, "AuthBearerAlgorithms", S|I, "(none)", \
      bearer_alg_supported(bearer_alg_defaults()), \
      "accepted signature algorithms") \
    X(CLIENT_ID, client_id, string, "AuthBearerClientID", S|I, "(none)", NULL, \
      "this server's client ID with the issuer") \
    X(CLIENT_SECRET, client_secret, secret, "AuthBearerClientSecret", S|I, "(none)", \
      NULL, "file:PATH | exec:COMMAND | env:NAME") \
    X(CLIENT_AUTH, client_auth, client_auth, "AuthBearerClientAuth", S|I, \
      BEARER_CLIENT_METHODS(BEARER_WORD_OF_4), 0, \
      "METHOD of authentication with the issuer [aud=issuer|endpoint]") \
    X(CLIENT_KEY, client_key, client_key, "AuthBearerClientKey", S|I, "(none)", NULL, \
      "private key (PEM, JWK) for private_key_jwt or tls_client_auth") \
    X(CLIENT_CERT, client_cert, file, "AuthBearerClientCert", S|I, "(none)", NULL, \
      "PEM certificate for tls_client_auth or private_key_jwt") \
    X(CA_FILE, ca_file, file, "AuthBearerCAFile", S|I, "(system)", NULL, \
      "PEM file of certificate authorities for requests to issuers") \
    X(HTTP_PROXY, http_proxy, http_proxy, "AuthBearerHTTPProxy", S|I, "none", NULL, \
      "URL of a proxy, or none") \
    X(TIMEOUT, timeout, timeout, "AuthBearerTimeout", S|I, "connect total", \
      ((bearer_timeout_t){ SECONDS(2), SECONDS(5) }), "connect=TIME total=TIME") \
    X(KEYS_REFRESH, keys_refresh, refresh, "AuthBearerKeysRefresh", S|I, \
      "min max stale", \
      ((bearer_refresh_t){ SECONDS(60), SECONDS(24 * 3600), SECONDS(24 * 3600) }), \
      "min=TIME max=TIME stale=TIME") \
    X(PROVIDERS, providers, providers, "AuthBearerProvider", D|H, \
      BEARER_PROVIDERS(BEARER_WORD), \
      ARRAY(int, BEARER_PROVIDER_JWT, BEARER_PROVIDER_INTROSPECTION), \
      "providers, in the order in which they are tried") \
    X(ACCEPT_ISSUER, accept_issuer, list, "AuthBearerAcceptIssuer", D|H, \
      "(all declared)", NULL, "accepted issuers") \
    X(AUDIENCE, audience, list, "AuthBearerAudience", S|I|D|H, "(none)", NULL, \
      "accepted audiences") \
    X(NO_AUDIENCE, no_audience_accept, word, "AuthBearerNoAudience", S|I|D, \
      "refuse accept", 0, "refuse | accept tokens without an audience") \
    X(CLIENTS, clients, list, "AuthBearerClients", S|I|D|H, "(any)", NULL, \
      "accepted calling clients") \
    X(TOKEN_FROM, token_from, token_from, "AuthBearerTokenFrom", D, \
      BEARER_FROM_KINDS(BEARER_WORD_OF_3), \
      ARRAY(bearer_from_t, { BEARER_FROM_HEADER, NULL }), \
      "header, header:NAME, cookie:NAME, query:NAME, env:NAME, basic[:USER]") \
    X(PROOF, proof, proof, "AuthBearerProof", D, \
      BEARER_PROOF_MODES(BEARER_WORD_OF_3), \
      ((bearer_proof_rule_t){ BEARER_PROOF_AUTO, SECONDS(60), 0, NULL, NULL, NULL }), \
      "auto | ignore | dpop | mtls [window=TIME] [nonce=on|off] " \
      "[certificate=HEADER from=ADDR[/BITS],...]") \
    X(MAX_TOKEN_AGE, max_token_age, time, "AuthBearerMaxTokenAge", S|I|D, "off", \
      SECONDS(25 * 3600), "TIME since iat, or off") \
    X(CLOCK_SKEW, clock_skew, skew, "AuthBearerClockSkew", S|I|D, NULL, SECONDS(60), \
      "TIME: how far clocks may differ") \
    X(TOKEN_PROFILE, token_profile, word, "AuthBearerTokenProfile", S|I|D, \
      BEARER_PROFILES(BEARER_WORD), BEARER_PROFILE_AUTO, "auto | rfc9068") \
    X(ID_TOKENS, id_tokens, word, "AuthBearerIDTokens", S|I|D, \
      BEARER_ID_TOKEN_MODES(BEARER_WORD), BEARER_ID_TOKENS_REFUSE, \
      "refuse | scoped | accept tokens that look like ID tokens") \
    X(TOKEN_TYPES, token_types, token_types, "AuthBearerTokenTypes", S|I|D, "(none)", \
      NULL, "further values of the header's typ") \
    X(THROTTLE, throttle, throttle, "AuthBearerThrottle", S|D, "window penalty", \
      ((bearer_throttle_settings_t){ 1, 20, SECONDS(60), SECONDS(60) }), \
      "threshold=N window=TIME penalty=TIME | off") \
    X(CHALLENGE, challenge, challenge, "AuthBearerChallenge", D|H, "On Off", \
      ((bearer_switch_t){ 1, NULL }), \
      "On|Off [NAME=VALUE ...]: Off: challenges without details; or more parameters") \
    X(OPTIONAL, optional, onoff, "AuthBearerOptional", D|H, "On Off", 0, \
      "On: requests without a credential have no user") \
    X(PREFLIGHT, preflight_pass, word, "AuthBearerPreflight", D|H, "off pass", 0, \
      "pass: CORS preflights have no user") \
    X(SESSION_CHECK, session_checks, session_checks, "AuthBearerSessionCheck", D, \
      "(none)", NULL, "URL [key=value ...] of the session service that identifies users") \
    X(USER_CLAIM, user_claim, user_claim, "AuthBearerUserClaim", S|I|D|H, "(none)", \
      ((bearer_user_claim_t){ PATH("sub"), NULL, NULL, NULL }), \
      "PATH[,PATH...] [REGEX SUBST] of the user name") \
    X(USER_FORMAT, user_format, user_format, "AuthBearerUserFormat", S|D|H, "(none)", \
      "%u", "%u the claim, %i the issuer's name") \
    X(USER_CHARS, user_chars_printable, word, "AuthBearerUserChars", S|I, \
      "strict printable", 0, "strict | printable") \
    X(ROLES_CLAIM, roles_claim, claims, "AuthBearerRolesClaim", S|I|D, "(none)", \
      ARRAY(const bearer_path_t *, PATH("roles")), "PATH ... of the claims with roles") \
    X(GROUPS_CLAIM, groups_claim, claims, "AuthBearerGroupsClaim", S|I|D, "(none)", \
      ARRAY(const bearer_path_t *, PATH("groups")), "PATH ... of the claims with groups") \
    X(SCOPE_CLAIM, scope_claim, claims, "AuthBearerScopeClaim", S|I|D, "(none)", \
      ARRAY(const bearer_path_t *, PATH("scope"), PATH("scp")), \
      "PATH ... of the claims with scopes") \
    X(SCOPE_STRATEGY, scope_strategy, word, "AuthBearerScopeStrategy", S|D|H, \
      BEARER_SCOPE_STRATEGIES(BEARER_WORD), BEARER_SCOPE_EXACT, \
      "exact | hierarchic | wildcard") \
    X(EXPORT, exports, exports, "AuthBearerExport", D|H, \
      BEARER_EXPORT_MODES(BEARER_WORD), \
      ((bearer_export_settings_t){ BEARER_EXPORT_ENV, "BEARER_CLAIM_", "X-Claim-", \
                                   NULL }), \
      "env|headers|both|none [env-prefix=P] [header-prefix=P] [claims=a,b|*]") \
    X(FORWARD, forward, forward, "AuthBearerForward", D|H, \
      BEARER_FORWARD_BITS(BEARER_WORD), BEARER_FORWARD_IDENTITY, \
      "none | identity | token") \
    X(STRIP_COOKIES, strip_cookies, onoff, "AuthBearerStripCookies", D, "On Off", 1, \
      "Off: the application gets this module's cookies") \
    X(SESSION, session, onoff, "AuthBearerSession", D|H, "On Off", 0, \
      "On: session cookies are accepted") \
    X(LOGIN, login, login, "AuthBearerLogin", D|H, "On Off", \
      ((bearer_switch_t){ 0, NULL }), \
      "On|Off [NAME=VALUE ...]: browsers are sent to the issuer to log in") \
    X(LOGIN_URL, login_url, login_url, "AuthBearerLoginURL", D, "(none)", NULL, \
      "URL [return=NAME] of a page where browsers sign in elsewhere") \
    X(LOGOUT, logout, logout, "AuthBearerLogout", S|D, NULL, \
      ((bearer_logout_t){ NULL, 1, NULL }), \
      "[to=PATH|URL] [issuer=on|off] [NAME=VALUE ...]: what follows a sign-out") \
    X(PREFER_BEARER, prefer_bearer, word, "AuthBearerPrefer", D|H, "cookie bearer", 0, \
      "cookie | bearer: which one counts if both are present") \
    X(LOGIN_ISSUER, login_issuer, list, "AuthBearerLoginIssuer", S|D, \
      "(the only one with a client id)", NULL, "URL ... of the issuers for logins") \
    X(LOGIN_SCOPES, login_scopes, list, "AuthBearerLoginScopes", S|I, "(none)", \
      ARRAY(const char *, "openid", "profile", "email"), \
      "scopes that a login requests") \
    X(USERINFO, userinfo, word, "AuthBearerUserinfo", S|I, \
      BEARER_USERINFO_MODES(BEARER_WORD), BEARER_USERINFO_MISSING, \
      "missing | always | never: when a login requests userinfo") \
    X(PUSHED, pushed, word, "AuthBearerPushed", S|I, BEARER_PUSHED(BEARER_WORD), \
      BEARER_PUSHED_AUTO, "auto | required | off: pushed authorization requests") \
    X(SESSION_USER_CLAIM, session_user_claim, session_claim, \
      "AuthBearerSessionUserClaim", S|I, "(none)", \
      ((bearer_user_claim_t){ PATH("email"), NULL, NULL, NULL }), \
      "PATH [REGEX SUBST] of a session's user name") \
    X(SESSION_CLAIMS, session_claims, kept_claims, "AuthBearerSessionClaims", S|I, "*", \
      NULL, "* | NAME ... | !NAME ...: claims that sessions keep") \
    X(RESOURCE, resource, resource, "AuthBearerResource", D, "(none)", NULL, \
      "URL [name=STR] [doc=URL] [scopes=a,b]")
