# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Every directive of the module, as its row in the sources says."""
import os
import re

SRC = os.path.join(os.path.dirname(__file__), "..", "..", "..", "src")

#: A value, where that of its kind will not do.
VALUES = {
    "AuthBearerAcceptIssuer": "https://issuer.test/",
    "AuthBearerAlgorithms": "RS256",
    "AuthBearerBaseURL": "https://server.test",
    "AuthBearerCAFile": '"@ROOT@/ca.pem"',
    "AuthBearerClientAuth": "client_secret_post",
    "AuthBearerClientCert": '"@ROOT@/cert.pem"',
    "AuthBearerClientID": "me",
    "AuthBearerClientKey": '"@ROOT@/key.pem"',
    "AuthBearerClientSecret": '"file:@ROOT@/secret"',
    "AuthBearerClients": "client-1",
    "AuthBearerExport": "env",
    "AuthBearerEndpoint": "token https://idp.example.com/token",
    "AuthBearerFetchAuth": '"file:@ROOT@/token"',
    "AuthBearerForward": "identity",
    "AuthBearerHTTPProxy": "none",
    "AuthBearerIDTokens": "refuse",
    "AuthBearerIntrospection": "off",
    "AuthBearerIntrospectionTTL": "60s",
    "AuthBearerIssuer": "https://one.test/",
    "AuthBearerIssuerAlias": "b.test",
    "AuthBearerKeys": '"file:@ROOT@/jwks.json"',
    "AuthBearerKeysRefresh": "min=60s max=24h stale=24h",
    "AuthBearerLogin": "Off",
    "AuthBearerLoginIssuer": "https://issuer.test/",
    "AuthBearerLoginPath": "/.auth",
    "AuthBearerLoginScopes": "openid",
    "AuthBearerLoginURL": "https://login.test/",
    "AuthBearerLogout": "issuer=on",
    "AuthBearerMetadata": "discover",
    "AuthBearerNoAudience": "refuse",
    "AuthBearerPlainHTTP": "127.0.0.1:81",
    "AuthBearerPrefer": "cookie",
    "AuthBearerPreflight": "off",
    "AuthBearerProof": "auto",
    "AuthBearerProvider": "jwt",
    "AuthBearerPushed": "auto",
    "AuthBearerResource": "https://server.test/a",
    "AuthBearerRevocations": '"file:@ROOT@/revocations"',
    "AuthBearerSOCache": "shmcb",
    "AuthBearerScopeStrategy": "exact",
    "AuthBearerSecretFile": '"@ROOT@/secret"',
    "AuthBearerSessionCheck": "https://h.test/whoami",
    "AuthBearerSessionClaims": "!picture",
    "AuthBearerSessionDomain": "site.test",
    "AuthBearerSessionLifetime": "max=8h idle=30min persist=on",
    "AuthBearerSessionStore": "cache",
    "AuthBearerSessionUserClaim": "email",
    "AuthBearerTenants": "t-1",
    "AuthBearerThrottle": "off",
    "AuthBearerTimeout": "connect=1s total=2s",
    "AuthBearerTokenCache": "entries=16",
    "AuthBearerTokenFrom": "header",
    "AuthBearerTokenPrefix": "ory_at_",
    "AuthBearerTokenProfile": "auto",
    "AuthBearerTokenTypes": "wit+jwt",
    "AuthBearerUserChars": "strict",
    "AuthBearerUserClaim": "sub",
    "AuthBearerUserFormat": "%u",
    "AuthBearerUserinfo": "missing",
}

#: kind of value: a value
KINDS = {
    "onoff": "Off",
    "time": "60s",
    "skew": "30s",
    "list": "x",
    "claims": "roles",
    "challenge": "On service=x",
}


def _rows(name, pattern):
    with open(os.path.join(SRC, name), encoding="utf-8") as file:
        return re.findall(pattern, file.read(), re.M)


def _listed():
    """name: (where, kind). S: server and vhost; G: server only; I; D; H."""
    found = {"AuthBearerIssuer": ("S", ""), "AuthBearerSecretFile": ("S", ""),
             "AuthBearerSOCache": ("G", "")}
    for kind, name, where in _rows(
            "trust/settings_rows.h",
            r'^    X\(\w+, \w+, (\w+),\s*\\?\s*"(AuthBearer\w+)", ([SIDH|]+),'):
        found[name] = (where.replace("|", ""), kind)
    for name, function in _rows("httpd/directives.h", r'^    X\("(\w+)", (\w+),'):
        where = {"issuer": "I", "login": "S", "global": "G"}
        found[name] = (where[function.partition("_")[0]], "")
    return found


#: name: (where, a value)
DIRECTIVES = {name: (where, VALUES.get(name) or KINDS[kind])
              for name, (where, kind) in _listed().items()}
