# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What configtest finds, with file, line and the mend; where each directive may
stand; what the dump shows."""
import json
import os
import re

import pytest

from support import secrets
from support.directives import DIRECTIVES
from support.expect import issuer_conf, location
from support.messages import message
from support.tokens import jwks, key, mint

ISSUER = issuer_conf()
KEYS = {"jwks.json": jwks("rs256")}


def keys_of(inside, source='"file:@ROOT@/k"', url="https://i.test/"):
    return ('<AuthBearerIssuer "%s">\nAuthBearerKeys %s\n%s\n'
            "</AuthBearerIssuer>\n" % (url, source, inside)
            + location("/a"))


def weak(**over):
    return json.dumps({"keys": [dict(key("rs256").jwk(), **over)]})


TWO = (issuer_conf() + issuer_conf(url="https://two.test/", name="two"))
TENANT = "https://login.test/{tenant}/v2"
CORP = (issuer_conf(url="https://corp.test/", name="corp")
        + issuer_conf(url="https://eu.test/", name="corp-eu"))

def proof(words, more=""):
    return ISSUER + location("/a", "AuthBearerProof %s\n%s" % (words, more))


SECRET = 'AuthBearerSecretFile "@ROOT@/secret"\n'
SECRETS = {"secret": ("s" * 48, 0o600)}

# name, configuration, extra files, number and values of the message
ERRORS = [
    # --- audience
    ("no-audience", ISSUER + location("/a", audience=None), {},
     ["AB0713", "AuthBearerAudience"]),
    ("no-audience-in-directory", ISSUER + """
<Directory "@ROOT@/htdocs/files">
    AuthType Bearer
    Require valid-user
</Directory>
""", {}, ["AB0713", "AuthBearerAudience"]),
    ("no-audience-in-vhost", """
<VirtualHost *:@PORT@>
ServerName a.test
%s
%s
</VirtualHost>
""" % (ISSUER, location("/a", audience=None)), {}, ["AB0713", "AuthBearerAudience"]),
    ("no-issuer-at-all", location("/a"), {}, ["AB0703", "AuthBearerIssuer"]),
    # --- who
    ("keys-path-without-file", issuer_conf(keys="x").replace("file:@ROOT@", "@ROOT@")
     + location("/a"), {}, ["AB0532", "AuthBearerKeys", "file:"]),
    ("metadata-file", issuer_conf("AuthBearerMetadata file:@ROOT@/m.json")
     + location("/a"), {}, ["AB0533", "AuthBearerMetadata"]),
    ("introspection-file", issuer_conf("AuthBearerIntrospection file:@ROOT@/m.json")
     + location("/a"), {}, ["AB0533", "AuthBearerIntrospection"]),
    ("email-as-user", ISSUER + location("/a", "AuthBearerUserClaim email"), {},
     ["AB0586", "AuthBearerUserClaim"]),
    ("email-as-user-server", ISSUER + "AuthBearerUserClaim email\n"
     + location("/a"), {}, ["AB0586", "AuthBearerUserClaim"]),
    ("email-as-user-issuer", issuer_conf("AuthBearerUserClaim email")
     + location("/a"), {}, ["AB0586", "AuthBearerUserClaim"]),
    ("two-issuers", TWO + location("/a"), {}, ["AB0717", "AuthBearerUserFormat"]),
    ("two-issuers-accepted", TWO + issuer_conf(
        url="https://three.test/", name="three") + location(
        "/a", "AuthBearerAcceptIssuer https://two.test/ https://three.test/"),
     {}, ["AB0717", "AuthBearerUserFormat"]),
    ("two-tenants", issuer_conf("AuthBearerTenants a b", url=TENANT)
     + location("/a"), {}, ["AB0717", "AuthBearerUserFormat", "%t"]),
    ("two-tenants-user", issuer_conf("AuthBearerTenants a b", url=TENANT)
     + location("/a", "AuthBearerUserFormat %u"), {}, ["AB0717", "%t"]),
    ("two-tenants-issuer", TWO + issuer_conf(
        "AuthBearerTenants a b", url=TENANT, name="t")
     + location("/a", "AuthBearerUserFormat %u@%i"), {}, ["AB0717", "%t", "%i/%t/%u"]),
    ("tenants-of-a-file", issuer_conf(
        "AuthBearerTenants file:@ROOT@/tenants", url=TENANT)
     + location("/a", "AuthBearerUserFormat %u"), {"tenants": "a\n"}, ["AB0717", "%t"]),
    ("any-tenant", issuer_conf("AuthBearerTenants *", url=TENANT)
     + location("/a"), {}, ["AB0717", "AuthBearerUserFormat", "%t"]),
    ("user-format-without-user", ISSUER + location(
        "/a", 'AuthBearerUserFormat "%%u@%i"'), {}, ["AB0589", "AuthBearerUserFormat"]),
    ("user-format-unknown", ISSUER + location(
        "/a", 'AuthBearerUserFormat "%x"'), {}, ["AB0589", "AuthBearerUserFormat"]),
    ("user-regex", ISSUER + location(
        "/a", 'AuthBearerUserClaim sub "(" "$1"'), {},
     ["AB0588", "AuthBearerUserClaim"]),
    # --- issuers
    ("issuer-twice", ISSUER + issuer_conf(name="other") + location("/a"), {},
     ["AB0560", "https://issuer.test/"]),
    ("issuer-name-twice", ISSUER + issuer_conf(url="https://b.test/")
     + location("/a", 'AuthBearerUserFormat "%i/%u"'), {}, ["AB0521", "main"]),
    ("alias-twice", issuer_conf("AuthBearerIssuerAlias https://b.test/")
     + issuer_conf(url="https://b.test/", name="b") + location(
         "/a", "AuthBearerUserFormat %u"), {}, ["AB0560", "https://b.test/"]),
    ("undeclared-accepted", ISSUER + location(
        "/a", "AuthBearerAcceptIssuer https://nobody.test/"), {},
     ["AB0712", "AuthBearerAcceptIssuer", "https://nobody.test/"]),
    ("plain-http-issuer", "AuthBearerIssuer http://idp.example/\n"
     + location("/a"), {}, ["AB0788", "AuthBearerPlainHTTP"]),
    ("plain-http-keys", keys_of("", "http://idp.example/jwks"), {},
     ["AB0788", "AuthBearerPlainHTTP"]),
    ("plain-http-metadata", '<AuthBearerIssuer "https://i.test/">\n'
     "AuthBearerMetadata http://idp.example/meta\n</AuthBearerIssuer>\n"
     + location("/a"), {}, ["AB0788", "AuthBearerPlainHTTP"]),
    ("plain-http-other-port", "AuthBearerPlainHTTP idp.example:81\n"
     + keys_of("", "http://idp.example:80/jwks"), {},
     ["AB0788", "http://idp.example:80/jwks", "AuthBearerPlainHTTP"]),
    ("plain-http-by-url", "AuthBearerPlainHTTP http://idp.example:80\n" + keys_of(
        "", "http://idp.example/jwks"), {},
     ["AB0611", "AuthBearerPlainHTTP", "HOST:PORT"]),
    ("plain-http-with-path", "AuthBearerPlainHTTP idp.example/jwks\n" + keys_of(
        "", "http://idp.example/jwks"), {}, ["AB0611", "HOST:PORT"]),
    ("ftp-keys", keys_of("", "ftp://idp.example/jwks"), {},
     ["AB0527", "AuthBearerKeys", "ftp://idp.example/jwks"]),
    ("key-path-as-url", keys_of("", "/etc/keys.json"), {},
     ["AB0532", "/etc/keys.json", "file:"]),
    ("client-key-twice", issuer_conf('AuthBearerClientKey "@ROOT@/a" b')
     + location("/a"), {}, ["AB0502", "AuthBearerClientKey"]),
    ("discover-of-no-url", "AuthBearerIssuer urn:x\n" + location("/a"), {},
     ["AB0788", "AuthBearerKeys"]),
    ("metadata-off-discover", '<AuthBearerIssuer "https://i.test/">\n'
     "AuthBearerMetadata off\n</AuthBearerIssuer>\n" + location("/a"), {},
     ["AB0556", "AuthBearerMetadata", "AuthBearerKeys"]),
    # --- tenants
    ("template-without-tenants", issuer_conf(url=TENANT) + location("/a"), {},
     ["AB0548", "AuthBearerTenants"]),
    ("template-by-discovery", '<AuthBearerIssuer "%s">\nAuthBearerTenants a\n'
     "</AuthBearerIssuer>\n" % TENANT + location("/a"), {},
     ["AB0549", "AuthBearerKeys"]),
    ("star-with-template-keys", '<AuthBearerIssuer "%s">\n'
     'AuthBearerTenants *\nAuthBearerKeys "https://login.test/{tenant}/keys"\n'
     "</AuthBearerIssuer>\n" % TENANT + location("/a"), {},
     ["AB0552", "AuthBearerTenants"]),
    ("tenants-without-template", issuer_conf("AuthBearerTenants a")
     + location("/a"), {}, ["AB0553", "AuthBearerTenants", "tenant"]),
    ("tenant-not-a-segment", issuer_conf("AuthBearerTenants a/b", url=TENANT)
     + location("/a"), {}, ["AB0546", "AuthBearerTenants"]),
    ("tenants-file-missing", issuer_conf(
        "AuthBearerTenants file:@ROOT@/missing", url=TENANT) + location("/a"),
     {}, ["AB0791", "missing"]),
    # --- algorithms and keys
    ("alg-none", issuer_conf("AuthBearerAlgorithms none") + location("/a"), {},
     ["AB0573", "AuthBearerAlgorithms", "none"]),
    ("alg-none-case", "AuthBearerAlgorithms RS256 NoNe\n" + ISSUER
     + location("/a"), {}, ["AB0573", "AuthBearerAlgorithms"]),
    ("alg-unknown", issuer_conf("AuthBearerAlgorithms RS257")
     + location("/a"), {}, ["AB0574", "AuthBearerAlgorithms", "RS257"]),
    ("hs-by-url", keys_of("AuthBearerAlgorithms HS256",
                          "https://i.test/jwks"), {},
     ["AB0787", "HS256", "AuthBearerKeys"]),
    ("hs-without-oct", keys_of("AuthBearerAlgorithms HS256"),
     {"k": jwks("rs256")}, ["AB0781", "HS256"]),
    ("algorithm-without-keys", keys_of("AuthBearerAlgorithms ES256"),
     {"k": jwks("rs256")}, ["AB0781", "AuthBearerAlgorithms", "ES256"]),
    ("key-file-missing", keys_of("", '"file:@ROOT@/missing"'), {},
     ["AB0783", "AuthBearerKeys", "missing"]),
    ("key-file-garbage", keys_of(""), {"k": "garbage"}, ["AB0783", "AuthBearerKeys"]),
    ("key-file-empty-set", keys_of(""), {"k": '{"keys":[]}'},
     ["AB0785", "AuthBearerKeys"]),
    ("key-file-no-keys", keys_of(""), {"k": '{"a":1}'}, ["AB0783", "AuthBearerKeys"]),
    ("key-file-duplicates", keys_of(""), {"k": '{"keys":[],"keys":[]}'},
     ["AB0783", "AuthBearerKeys"]),
    ("key-file-weak", keys_of(""), {"k": jwks("rsa1024")}, ["AB0784", "1024"]),
    ("key-file-e1", keys_of(""), {"k": weak(e="AQ")}, ["AB0784", "AuthBearerKeys"]),
    ("key-file-even-e", keys_of(""), {"k": weak(e="AQAA")},
     ["AB0784", "AuthBearerKeys"]),
    ("key-pem-weak", keys_of(""), {"k": key("rsa1024").public_pem()},
     ["AB0783", "1024"]),
    ("key-pem-private", keys_of(""), {"k": key("rs256").private_pem()},
     ["AB0783", "AuthBearerKeys"]),
    ("key-pem-broken", keys_of(""),
     {"k": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
     ["AB0783", "AuthBearerKeys"]),
    ("hmac-short", keys_of("AuthBearerAlgorithms HS512"),
     {"k": jwks(key("hs256").jwk(alg="HS512"))},
     ["AB0782", "HS512", "AuthBearerKeys"]),
    # --- values
    ("skew-over-5min", ISSUER + location("/a", "AuthBearerClockSkew 6min"), {},
     ["AB0575", "AuthBearerClockSkew"]),
    ("skew-negative", ISSUER + location("/a", "AuthBearerClockSkew -1"), {},
     ["AB0504", "AuthBearerClockSkew"]),
    ("skew-word", ISSUER + location("/a", "AuthBearerClockSkew soon"), {},
     ["AB0504", "AuthBearerClockSkew"]),
    ("age-word", ISSUER + location("/a", "AuthBearerMaxTokenAge never"), {},
     ["AB0504", "AuthBearerMaxTokenAge"]),
    ("profile", ISSUER + location("/a", "AuthBearerTokenProfile rfc9999"), {},
     ["AB0503", "AuthBearerTokenProfile"]),
    ("token-type-dpop", ISSUER + location("/a", "AuthBearerTokenTypes wit+jwt dpop+jwt"),
     {}, ["AB0607", "AuthBearerTokenTypes", "'dpop+jwt'"]),
    ("token-type-logout", ISSUER + location(
        "/a", "AuthBearerTokenTypes application/Logout+JWT"), {},
     ["AB0607", "AuthBearerTokenTypes"]),
    ("token-type-secevent", ISSUER + location("/a", "AuthBearerTokenTypes secevent+jwt"),
     {}, ["AB0607", "AuthBearerTokenTypes"]),
    ("token-type-introspection", ISSUER + location(
        "/a", "AuthBearerTokenTypes token-introspection+jwt"), {},
     ["AB0607", "AuthBearerTokenTypes"]),
    ("token-type-of-two-words", ISSUER + location("/a", 'AuthBearerTokenTypes "a b"'),
     {}, ["AB0606", "AuthBearerTokenTypes"]),
    ("user-claim-list-with-email", ISSUER + location(
        "/a", "AuthBearerUserClaim sub,email"), {}, ["AB0586", "AuthBearerUserClaim"]),
    ("no-audience-word", ISSUER + location("/a", "AuthBearerNoAudience maybe"),
     {}, ["AB0503", "AuthBearerNoAudience"]),
    ("preflight-word", ISSUER + location("/a", "AuthBearerPreflight On"), {},
     ["AB0503", "AuthBearerPreflight"]),
    ("optional-word", ISSUER + location("/a", "AuthBearerOptional perhaps"),
     {}, ["AB0503", "AuthBearerOptional"]),
    ("challenge-word", ISSUER + location("/a", "AuthBearerChallenge some"),
     {}, ["AB0503", "AuthBearerChallenge"]),
    ("challenge-name", ISSUER + location("/a", 'AuthBearerChallenge On "a b=c"'),
     {}, ["AB0598", "AuthBearerChallenge"]),
    ("challenge-own", ISSUER + location("/a", "AuthBearerChallenge On Realm=x"),
     {}, ["AB0598", "AuthBearerChallenge", "realm"]),
    ("challenge-twice", ISSUER + location("/a", "AuthBearerChallenge On a=x A=y"),
     {}, ["AB0598", "AuthBearerChallenge", "A"]),
    ("strategy-word", ISSUER + location("/a", "AuthBearerScopeStrategy fuzzy"),
     {}, ["AB0503", "AuthBearerScopeStrategy"]),
    ("user-chars-word", issuer_conf("AuthBearerUserChars any")
     + location("/a"), {}, ["AB0503", "AuthBearerUserChars"]),
    ("proof-word", proof("spiffe"), {}, ["AB0503", "AuthBearerProof", "'spiffe'", "mtls"]),
    ("proof-option", proof("dpop jti=on"), {}, ["AB0503", "AuthBearerProof", "'jti=on'"]),
    ("proof-auto-and-dpop", proof("auto dpop"), {}, ["AB0623", "AuthBearerProof", "'dpop'"]),
    ("proof-dpop-and-ignore", proof("dpop ignore"), {}, ["AB0623", "'ignore'"]),
    ("proof-dpop-twice", proof("dpop dpop"), {}, ["AB0623", "'dpop'"]),
    ("proof-ignore-options", proof("window=5s ignore"), {}, ["AB0625", "AuthBearerProof"]),
    ("proof-window-short", proof("window=999ms"), {}, ["AB0622", "'999ms'", "10min"]),
    ("proof-window-long", proof("window=601s"), {}, ["AB0622", "'601s'"]),
    ("proof-window-word", proof("window=soon"), {}, ["AB0504", "'soon'"]),
    ("proof-nonce-word", proof("nonce=1"), {}, ["AB0503", "AuthBearerProof", "'1'"]),
    ("proof-nonce-without-secret", proof("nonce=on"), {},
     ["AB0756", "AuthBearerProof", "AuthBearerSecretFile"]),
    ("proof-nonce-for-a-nested-section", ISSUER + "<Location />\nAuthBearerProof nonce=on\n"
     "</Location>\n" + location("/a"), {}, ["AB0756", "AuthBearerSecretFile"]),
    ("proof-certificate-from-anybody", proof("certificate=X-Cert"), {},
     ["AB0624", "AuthBearerProof"]),
    ("proof-from-without-certificate", proof("from=10.0.0.0/8"), {}, ["AB0624"]),
    ("proof-certificate-no-name", proof('"certificate=X Cert" from=::1'), {},
     ["AB0620", "'X Cert'"]),
    ("proof-certificate-taken", proof("certificate=dpop from=::1"), {}, ["AB0620", "'dpop'"]),
    ("proof-certificate-taken-as-folded", proof("certificate=Proxy_Authorization from=::1"), {},
     ["AB0620", "'Proxy_Authorization'"]),
    ("proof-from-a-name", proof("certificate=X-Cert from=localhost"), {},
     ["AB0621", "'localhost'"]),
    ("proof-from-bits", proof("certificate=X-Cert from=::1,10.0.0.0/33"), {},
     ["AB0621", "'10.0.0.0/33'"]),
    ("proof-from-without-bits", proof("certificate=X-Cert from=10.0.0.0/"), {},
     ["AB0621", "'10.0.0.0/'"]),
    ("proof-from-nothing", proof("certificate=X-Cert from="), {}, ["AB0621"]),
    ("proof-from-a-part", proof("certificate=X-Cert from=::1,10"), {}, ["AB0621", "'10'"]),
    ("proof-from-a-part-with-dot", proof("certificate=X-Cert from=10.0.0."), {},
     ["AB0621", "'10.0.0.'"]),
    ("proof-from-a-part-with-bits", proof("certificate=X-Cert from=10.1/16"), {},
     ["AB0621", "'10.1/16'"]),
    ("proof-certificate-is-a-token", proof("certificate=X-Cert from=::1",
                                           "AuthBearerTokenFrom header header:x_cert"),
     {}, ["AB0738", "X-Cert", "x_cert"]),
    ("proof-of-cookies", proof("dpop", "AuthBearerTokenFrom cookie:at header:Authorisation"), {},
     ["AB0739", "AuthBearerProof", "AuthBearerTokenFrom"]),
    ("proof-twice", proof("dpop", "AuthBearerProof window=5s"), {},
     ["AB0811", "AuthBearerProof"]),
    ("provider-word", ISSUER + location("/a", "AuthBearerProvider jwt saml"),
     {}, ["AB0503", "AuthBearerProvider", "saml"]),
    ("provider-twice", ISSUER + location("/a", "AuthBearerProvider jwt jwt"),
     {}, ["AB0582", "AuthBearerProvider"]),
    ("from-word", ISSUER + location("/a", "AuthBearerTokenFrom body:x"), {},
     ["AB0583", "AuthBearerTokenFrom"]),
    ("from-without-name", ISSUER + location("/a", "AuthBearerTokenFrom query"),
     {}, ["AB0583", "AuthBearerTokenFrom"]),
    ("from-bad-header", ISSUER + location(
        "/a", 'AuthBearerTokenFrom "header:a b"'), {},
     ["AB0583", "AuthBearerTokenFrom"]),
    ("export-word", ISSUER + location("/a", "AuthBearerExport files"), {},
     ["AB0503", "AuthBearerExport"]),
    ("export-key", ISSUER + location("/a", "AuthBearerExport env x=y"), {},
     ["AB0503", "AuthBearerExport"]),
    ("forward-word", ISSUER + location("/a", "AuthBearerForward everything"),
     {}, ["AB0503", "AuthBearerForward"]),
    ("forward-reserved", ISSUER + location("/a", "AuthBearerForward exchange"),
     {}, ["AB0503", "AuthBearerForward"]),
    ("forward-none-and", ISSUER + location(
        "/a", "AuthBearerForward none token"), {}, ["AB0594", "AuthBearerForward"]),
    ("timeout-key", "AuthBearerTimeout read=5s\n" + ISSUER + location("/a"),
     {}, ["AB0505", "AuthBearerTimeout"]),
    ("refresh-order", "AuthBearerKeysRefresh min=2h max=1h\n" + ISSUER
     + location("/a"), {}, ["AB0578", "AuthBearerKeysRefresh"]),
    ("refresh-key", "AuthBearerKeysRefresh every=2h\n" + ISSUER
     + location("/a"), {}, ["AB0505", "AuthBearerKeysRefresh"]),
    ("cafile-missing", 'AuthBearerCAFile "@ROOT@/nope.pem"\n' + ISSUER
     + location("/a"), {}, ["AB0790", "AuthBearerCAFile"]),
    ("cafile-garbage", 'AuthBearerCAFile "@ROOT@/bad.pem"\n' + ISSUER
     + location("/a"), {"bad.pem": "x"}, ["AB0790", "AuthBearerCAFile"]),
    ("socache-unknown", "AuthBearerSOCache nosuch\n" + ISSUER + location("/a"),
     {}, ["AB0632", "AuthBearerSOCache", "nosuch"]),
    ("token-from-all-cookies", ISSUER + location(
        "/a", "AuthBearerTokenFrom header:cookie"), {},
     ["AB0584", "AuthBearerTokenFrom", "header:cookie", "cookie:NAME"]),
    ("socache-without-a-name", "AuthBearerSOCache for=nosuch\n" + ISSUER
     + location("/a"), {}, ["AB0632", "AuthBearerSOCache", "for=nosuch"]),
    ("socache-kind-unknown", "AuthBearerSOCache shmcb for=keys,tokens\n" + ISSUER
     + location("/a"), {}, ["AB0631", "AuthBearerSOCache", "for=tokens", "proofs",
                            "throttle"]),
    ("tokencache-negative", "AuthBearerTokenCache entries=-1\n" + ISSUER
     + location("/a"), {}, ["AB0613", "AuthBearerTokenCache"]),
    ("fetchauth-inline", issuer_conf("AuthBearerFetchAuth some-token")
     + location("/a"), {}, ["AB0528", "AuthBearerFetchAuth", "file:"]),
] + [("env-prefix-%d" % i, ISSUER + location(
    "/a", 'AuthBearerExport env "env-prefix=%s"' % prefix), {},
    ["AB0590|AB0591", "AuthBearerExport", "env-prefix"]) for i, prefix in enumerate(
        ["X", "HTTP_", "HTTP_X_", "REDIRECT_A", "REMOTE_", "REMOTE_X",
         "SSL_CLAIM_", "lower_", "A-B_", "X" * 65, ""])] + [
    # --- Require
    ("require-claim-empty", ISSUER + location("/a", require="claim"), {},
     ["AB0661", "Require claim"]),
    ("require-regex", ISSUER + location("/a", require="claim sub~("), {},
     ["AB0663", "sub~("]),
    ("require-no-name", ISSUER + location("/a", require="claim :x"), {},
     ["AB0663", "claim"]),
    ("require-scope-empty", ISSUER + location("/a", require="scope"), {},
     ["AB0661", "scope"]),
    ("require-actor-empty", ISSUER + location("/a", require="actor"), {},
     ["AB0661", "actor"]),
    ("require-authentication-empty", ISSUER + location("/a", require="authentication"), {},
     ["AB0670", "acr=A,B"]),
    ("require-authentication-time", ISSUER + location(
        "/a", require="authentication acr=x max-age=10d"), {}, ["AB0670", "max-age="]),
    ("require-authentication-twice", ISSUER + location(
        "/a", require="authentication acr=x acr=y"), {}, ["AB0670", "acr=y"]),
    ("require-authentication-acr", ISSUER + location(
        "/a", require="authentication acr=,"), {}, ["AB0670", "acr="]),
    ("require-details-empty", ISSUER + location("/a", require="authorization-details"), {},
     ["AB0669", "type"]),
    ("require-details-option", ISSUER + location(
        "/a", require="authorization-details payment action=read"), {}, ["AB0669", "action=read"]),
    ("require-expr", ISSUER + location(
        "/a", require="bearer-expr \"nofunc('x')\""), {}, ["AB0665", "bearer-expr"]),
    ("require-expr-empty", ISSUER + location("/a", require="bearer-expr"), {},
     ["AB0665", "bearer-expr"]),
    # --- secrets and clients
    ("secret-in-plain-text", issuer_conf("AuthBearerClientID a\n"
                                         "AuthBearerClientSecret hunter2hunter")
     + location("/a"), {}, ["AB0596", "AuthBearerClientSecret", "file:"]),
    ("secret-file-missing", issuer_conf(
        "AuthBearerClientSecret file:@ROOT@/none") + location("/a"), {},
     ["AB0752", "AuthBearerClientSecret"]),
    ("secret-env-missing", issuer_conf(
        "AuthBearerClientSecret env:NO_SUCH_VARIABLE_X") + location("/a"), {},
     ["AB0752", "AuthBearerClientSecret", "NO_SUCH_VARIABLE_X"]),
    ("client-auth-word", issuer_conf("AuthBearerClientAuth magic")
     + location("/a"), {}, ["AB0503", "AuthBearerClientAuth"]),
    # --- introspection and session checks
    ("two-endpoints", "".join(
        '<AuthBearerIssuer "https://%s.test/">\n'
        'AuthBearerKeys "file:@ROOT@/jwks.json"\nAuthBearerClientID x\n'
        "AuthBearerClientAuth none\n"
        "AuthBearerIntrospection https://%s.test/introspect\n"
        "</AuthBearerIssuer>\n" % (n, n) for n in "ab") + location(
            "/a", "AuthBearerUserFormat %u"), {},
     ["AB0721", "AuthBearerTokenPrefix"]),
    ("plain-http-introspection", issuer_conf(
        "AuthBearerClientAuth none\n"
        "AuthBearerIntrospection http://idp.example/introspect")
     + location("/a"), {}, ["AB0788", "AuthBearerPlainHTTP"]),
    ("session-check-introspect", ISSUER + location(
        "/a", "AuthBearerProvider session\n"
        "AuthBearerSessionCheck https://h.test/oauth2/introspect"), {},
     ["AB0602", "introspection", "AuthBearerProvider"]),
    ("session-check-http", ISSUER + location(
        "/a", "AuthBearerProvider session\n"
        "AuthBearerSessionCheck http://h.test/whoami"), {},
     ["AB0731", "AuthBearerPlainHTTP"]),
    ("session-check-missing", ISSUER + location(
        "/a", "AuthBearerProvider session jwt"), {},
     ["AB0723", "AuthBearerSessionCheck"]),
    ("session-check-key", ISSUER + location(
        "/a", "AuthBearerProvider session\n"
        "AuthBearerSessionCheck https://h.test/whoami color=red"), {},
     ["AB0602", "AuthBearerSessionCheck"]),
    # --- revocation, throttle
    ("revocations-corrupt", 'AuthBearerRevocations "file:@ROOT@/rev"\n'
     + ISSUER + location("/a"), {"rev": "not a revocation list\n"},
     ["AB0770", "AuthBearerRevocations"]),
    ("revocations-missing", 'AuthBearerRevocations "file:@ROOT@/none"\n'
     + ISSUER + location("/a"), {}, ["AB0770", "AuthBearerRevocations"]),
    ("revocations-inline", "AuthBearerRevocations x\n" + ISSUER
     + location("/a"), {}, ["AB0614", "AuthBearerRevocations", "file:"]),
    ("throttle-key", "AuthBearerThrottle limit=5\n" + ISSUER + location("/a"),
     {}, ["AB0505", "AuthBearerThrottle"]),
    ("throttle-zero", "AuthBearerThrottle threshold=0\n" + ISSUER
     + location("/a"), {}, ["AB0579", "AuthBearerThrottle"]),
    ("session-without-a-secret", issuer_conf("AuthBearerClientID x\n"
                                             "AuthBearerClientAuth none")
     + location("/a", "AuthBearerSession On"), {}, ["AB0701", "AuthBearerSecretFile"]),
    ("session-around-without-a-secret", issuer_conf(
        "AuthBearerClientID x\nAuthBearerClientAuth none")
     + '<Location "/">\nAuthBearerSession On\nAuthBearerLogin On\n</Location>\n'
     + location("/a"), {}, ["AB0701", "AuthBearerSecretFile"]),
    ("secret-short", 'AuthBearerSecretFile "@ROOT@/short"\n' + ISSUER
     + location("/a"), {"short": (b"too short", 0o600)},
     ["AB0755", "AuthBearerSecretFile", "32"]),
] + [("login-path-" + name, "AuthBearerLoginPath %s\n" % path + ISSUER
      + location("/a"), {}, ["AB0615", "AuthBearerLoginPath"])
     for name, path in [("relative", "auth"), ("root", "/"), ("long", "/" + "a" * 128),
                        ("ends-in-a-slash", "/auth/"), ("empty-part", "/a//b"),
                        ("upwards", "/a/../b"), ("strange", "/a?b")]
] + [("lifetime-" + value, "AuthBearerSessionLifetime %s\n" % value + ISSUER
      + location("/a"), {}, ["AB0617", "AuthBearerSessionLifetime"])
     for value in ("max=697h", "max=500ms", "idle=500ms")
] + [("lifetime-persist", "AuthBearerSessionLifetime persist=yes\n" + ISSUER
      + location("/a"), {}, ["AB0503", "AuthBearerSessionLifetime", "off, on"])]


@pytest.mark.parametrize("name,conf,files,words", ERRORS,
                         ids=[row[0] for row in ERRORS])
def test_error(checker, name, conf, files, words):
    done = checker(conf, files=dict(KEYS, **files))
    assert done.status != 0, done
    assert done.says(*words), (words, done)
    assert re.search(r"(line |:)\d+", done.output), done
    assert "httpd.conf" in done.output, done


def test_an_unknown_directive_in_an_issuer(checker):
    done = checker(issuer_conf("AuthBearerNonsense x") + location("/a"), files=KEYS)
    assert done.status != 0 and "AuthBearerNonsense" in done.output, done


def bearer_directory(override):
    return ISSUER + """
<Directory "@ROOT@/htdocs/files">
    %s
    AuthType Bearer
    Require valid-user
</Directory>
""" % override


VALID = [
    ("smallest", ISSUER + location("/a"), {}),
    ("proof-auto", proof("auto"), {}),
    ("proof-ignore", proof("IGNORE"), {}),
    ("proof-options", proof("window=30s"), {}),
    ("proof-window-bounds", proof("mtls dpop window=1s") + location(
        "/b", "AuthBearerProof dpop window=10min"), {}),
    ("proof-nonce", SECRET + proof("nonce=on"), SECRETS),
    ("proof-certificate", proof(
        "mtls certificate=X-SSL-Cert from=192.0.2.7,10.0.0.0/8,2001:db8::/32"), {}),
    ("proof-of-sessions-beside", SECRET + issuer_conf(
        'AuthBearerClientID me\nAuthBearerClientSecret "file:@ROOT@/secret"')
     + location("/a", "AuthBearerProof dpop\nAuthBearerTokenFrom cookie:at\n"
                "AuthBearerSession On"), SECRETS),
    ("login-path-longest", "AuthBearerLoginPath /%s\n" % ("a" * 127) + ISSUER
     + location("/a"), {}),
    ("lifetime-bounds", "AuthBearerSessionLifetime max=696h idle=1s\n" + ISSUER
     + location("/a"), {}),
    ("audience-at-server", ISSUER + "AuthBearerAudience x\n" + location(
        "/a", audience=None), {}),
    ("audience-at-issuer", issuer_conf("AuthBearerAudience x") + location(
        "/a", audience=None), {}),
    ("audience-outer", ISSUER + location("/a") + "<Location /a/b>\n"
     "AuthType Bearer\nRequire valid-user\n</Location>\n", {}),
    ("htaccess-could-supply", bearer_directory("AllowOverride AuthConfig"),
     {}),
    ("two-issuers-format", TWO + location("/a", "AuthBearerUserFormat %u"),
     {}),
    ("two-issuers-one-accepted", TWO + location(
        "/a", "AuthBearerAcceptIssuer https://two.test/"), {}),
    ("other-auth-type", "<Location /a>\nAuthType Basic\n</Location>\n", {}),
    ("plain-http-listed", "AuthBearerPlainHTTP idp.example:8080\n" + keys_of(
        "", "http://idp.example:8080/jwks"), {}),
    ("plain-http-loopback", keys_of("", "http://127.0.0.1:8080/jwks"), {}),
    ("plain-http-localhost", keys_of("", "http://localhost/jwks"), {}),
    ("plain-http-v6", keys_of("", "http://[::1]/jwks"), {}),
    ("loopback-listed", "AuthBearerPlainHTTP 127.0.0.1:80 localhost:81 ::1 [::1]"
     " [::1]:80\n" + ISSUER + location("/a"), {}),
    ("weak-beside-good", keys_of(""), {"k": jwks("rs256", "rsa1024")}),
    ("times", ISSUER + "AuthBearerClockSkew 300\nAuthBearerMaxTokenAge 12h\n"
     "AuthBearerTimeout connect=500ms total=3s\n"
     "AuthBearerKeysRefresh min=30s max=2h stale=10min\n" + location("/a"),
     {}),
    ("socache-kinds", "AuthBearerSOCache shmcb for=keys,introspection,sessions,"
     "throttle\n" + ISSUER + location("/a"), {}),
    ("forward-none-no-proxy", "RewriteEngine On\nRewriteRule ^/p /a [PT,L]\n"
     + ISSUER + location("/a", "AuthBearerForward none\nSetHandler status"), {}),
    ("email-verified-elsewhere", ISSUER + location(
        "/a", "AuthBearerUserClaim preferred_username"), {}),
    ("forward-both", ISSUER + location("/a", "AuthBearerForward identity "
                                       "token"), {}),
    ("from-all", ISSUER + location(
        "/a", "AuthBearerTokenFrom header header:X-A cookie:c query:q env:E "
        "basic basic:git"), {}),
    ("tenant-list", issuer_conf("AuthBearerTenants a b.c-d_e", url=TENANT)
     + location("/a", "AuthBearerUserFormat %u@%t"), {}),
    ("one-tenant", issuer_conf("AuthBearerTenants a a", url=TENANT)
     + location("/a"), {}),
    ("format-of-tenants-and-issuers", TWO + issuer_conf(
        "AuthBearerTenants a b a-b", url=TENANT, name="t") + location(
            "/a", "AuthBearerUserFormat %i/%t/%u"), {}),
    ("format-that-splits-one-way", CORP + location(
        "/a", "AuthBearerUserFormat %u@%i") + location(
            "/b", "AuthBearerUserFormat %i/%u"), {}),
    ("shared-users", CORP + location("/a", "AuthBearerUserFormat corp-%u"), {}),
]


@pytest.mark.parametrize("name,conf,files", VALID,
                         ids=[row[0] for row in VALID])
def test_valid(checker, name, conf, files):
    done = checker(conf, files=dict(KEYS, **files))
    assert done.status == 0, done


WARNINGS = [
    ("no-audience-without-clients", ISSUER + location(
        "/a", "AuthBearerNoAudience accept"), {},
     ["AB0718", "AuthBearerNoAudience", "AuthBearerClients"]),
    ("id-tokens-without-clients", ISSUER + location(
        "/a", "AuthBearerIDTokens accept"), {},
     ["AB0736", "AuthBearerIDTokens", "AuthBearerClients"]),
    ("proof-nonce-without-challenge", SECRET + proof(
        "nonce=on", "AuthBearerChallenge Off"), SECRETS,
     ["AB0740", "AuthBearerProof", "AuthBearerChallenge"]),
    ("tenants-star", issuer_conf("AuthBearerTenants *", url=TENANT)
     + location("/a", "AuthBearerUserFormat %u@%t"), {}, ["AB0794",
                                                          "AuthBearerTenants"]),
    ("separator-in-a-name", CORP + location(
        "/a", "AuthBearerUserFormat %i-%u"), {},
     ["AB0727", "AuthBearerUserFormat", "'%i-%u'", "'corp'", "'corp-eu'"]),
    ("separator-in-a-tenant", issuer_conf(
        "AuthBearerTenants file:@ROOT@/tenants", url=TENANT) + location(
            "/a", "AuthBearerUserFormat %t-%u"), {"tenants": "a\n"},
     ["AB0727", "AuthBearerUserFormat", "'%t-%u'"]),
    ("name-of-the-session-service", issuer_conf(name="session") + location(
        "/a", "AuthBearerUserFormat %u@%i\nAuthBearerProvider session jwt\n"
        "AuthBearerSessionCheck http://127.0.0.1:9/ prefix=s_"), {},
     ["AB0727", "AuthBearerUserFormat", "'%u@%i'", "'session'", "'session'"]),
    ("secret-file-readable", 'AuthBearerSecretFile "@ROOT@/open"\n' + ISSUER
     + location("/a"), {"open": ("x" * 40, 0o644)}, ["AB0751", "AuthBearerSecretFile"]),
    ("secret-readable", issuer_conf(
        "AuthBearerClientSecret file:@ROOT@/open.secret") + location("/a"),
     {"open.secret": ("some-secret-value-1", 0o644)}, ["AB0753", "open.secret"]),
    ("secret-file-of-a-vhost", """
<VirtualHost *:@PORT@>
ServerName a.test
AuthBearerSecretFile "@ROOT@/open"
%s
</VirtualHost>
""" % (ISSUER + location("/a")), {"open": ("x" * 40, 0o644)},
     ["AB0751", "AuthBearerSecretFile", "open"]),
    ("plain-http-elsewhere", "AuthBearerPlainHTTP hydra:4444\n" + ISSUER
     + location("/a"), {}, ["AB0769", "AuthBearerPlainHTTP", "hydra:4444"]),
    ("plain-http-almost-127", "AuthBearerPlainHTTP 127.example\n" + ISSUER
     + location("/a"), {}, ["AB0769", "AuthBearerPlainHTTP", "127.example"]),
    ("plain-http-almost-loopback", "AuthBearerPlainHTTP localhost.example\n" + ISSUER
     + location("/a"), {},
     ["AB0769", "AuthBearerPlainHTTP", "localhost.example"]),
    ("proxied-forward-none", ISSUER + location(
        "/a", "AuthBearerForward none\nProxyPass http://127.0.0.1:9/"), {},
     ["AB0704", "AuthBearerForward"]),
    ("proxied-elsewhere-forward-none", "ProxyPass /a http://127.0.0.1:9/\n"
     + ISSUER + location("/a", "AuthBearerForward none"), {},
     ["AB0704", "AuthBearerForward"]),
    ("rewritten-forward-none", "RewriteEngine On\n"
     "RewriteRule ^/a http://127.0.0.1:9/ [L,P]\n"
     + ISSUER + location("/a", "AuthBearerForward none"), {},
     ["AB0704", "AuthBearerForward"]),
]


@pytest.mark.parametrize("name,conf,files,words", WARNINGS,
                         ids=[row[0] for row in WARNINGS])
def test_warning(checker, name, conf, files, words):
    done = checker(conf, files=dict(KEYS, **files))
    assert done.status == 0, done
    assert done.says(*words), (words, done)


def test_the_throttle_stays_on_its_host(checker):
    done = checker("AuthBearerSOCache redis:127.0.0.1:9 for=throttle\n" + ISSUER
                   + location("/a"), files=KEYS, modules=["socache_redis"])
    assert done.status == 0, done
    assert done.says("AB0768", "for=throttle"), done


def test_each_warning_comes_once(checker):
    done = checker('AuthBearerUserFormat "%u@%t"\n'
                   + issuer_conf("AuthBearerTenants *", url=TENANT)
                   + location("/a") + location("/b"), files=KEYS)
    assert done.output.count("AB0794: ") == 1, done


def test_no_warning_without_reason(checker):
    for _, conf, files in VALID:
        if "weak" in _ or "plain" in _:
            continue
        done = checker(conf, files=dict(KEYS, **files))
        assert "[auth_bearer:" not in done.output, done


def test_error_names_the_line(checker):
    conf = ISSUER + "\n\n\n" + location("/a", "AuthBearerUserClaim email")
    done = checker(conf, files=KEYS)
    assert done.status != 0
    root = done.root
    lines = open(os.path.join(root, "httpd.conf")).read().split("\n")
    number = 1 + [i for i, line in enumerate(lines)
                  if "AuthBearerUserClaim email" in line][0]
    section = 1 + [i for i, line in enumerate(lines)
                   if line.startswith('<Location "/a">')][0]
    assert re.search(r"\b(%d|%d)\b" % (number, section), done.output), done


# --- where directives may stand ---------------------------------------------


FILES = {"token": "fetch-token-1234\n",
         "secret": ("s" * 16 + "0123456789abcdef", 0o600),
         "revocations": "", "jwks.json": jwks("rs256")}


def more_files():
    from support import certs
    return dict(FILES, **{
        "ca.pem": certs.authority_pem(),
        "cert.pem": certs.signing_certificate(key("es256-client")),
        "key.pem": (key("es256-client").private_pem(), 0o600)})


def standing(where, line):
    """A whole configuration with the line in that place."""
    server = ISSUER + location("/a", "AuthBearerUserFormat %u")
    if where == "G":
        return line + "\n" + server
    if where == "S":
        return ("<VirtualHost *:@PORT@>\nServerName a.test\n%s\n%s\n"
                "</VirtualHost>\n" % (line, server))
    if where == "I":
        if line.startswith("AuthBearerKeys"):
            return ('<AuthBearerIssuer "https://issuer.test/">\n%s\n'
                    "</AuthBearerIssuer>\n" % line + location("/a"))
        url = TENANT if line.startswith("AuthBearerTenants") else \
            "https://issuer.test/"
        return issuer_conf(line, url) + location("/a")
    place = location("/a", "AuthBearerUserFormat %u\n" + line)
    if line.startswith("AuthBearerAudience"):  # twice is an error
        place = place.replace("AuthBearerAudience", "#", 1)
    return ISSUER + place


def may_stand(allowed, where):
    if where == "G":
        return "S" in allowed or "G" in allowed
    if where == "D":
        return "D" in allowed
    return where in allowed


@pytest.mark.parametrize("name", sorted(DIRECTIVES))
def test_places(checker, name):
    allowed, value = DIRECTIVES[name]
    for where in "GSID":
        done = checker(standing(where, "%s %s" % (name, value)),
                       files=more_files())
        if may_stand(allowed, where):
            assert done.status == 0, (where, done)
        else:
            assert done.status != 0, (where, done)
            assert name in done.output, (where, done)


@pytest.mark.parametrize("name", sorted(DIRECTIVES))
@pytest.mark.parametrize("value", ["", ' ""'], ids=["none", "empty"])
def test_without_a_value(checker, name, value):
    """An error that names it, not a default, and not what stands in memory there."""
    where = [w for w in "IDSG" if may_stand(DIRECTIVES[name][0], w)][0]
    done = checker(standing(where, name + value), files=more_files())
    assert done.status == 1 and name in done.output, done


def test_every_directive_of_the_module_is_in_the_table(checker):
    done = checker(ISSUER + location("/a"), "-L", files=KEYS)
    known = set(re.findall(r"(?m)^<?(AuthBearer\w+)", done.output))
    assert known, done
    assert known - set(DIRECTIVES) == set()


@pytest.fixture(scope="module")
def htaccess(new_server):
    """For each directive a directory with it in .htaccess, once under
    AllowOverride AuthConfig, once named by AllowOverrideList."""
    conf, files = ISSUER, dict(more_files())
    base = "AuthType Bearer\nAuthBearerAudience api://test\n" \
           "Require valid-user\n"
    names = sorted(DIRECTIVES)
    for name in names:
        allowed, value = DIRECTIVES[name]
        for kind in ("conf", "list"):
            place = "htdocs/files/%s-%s/" % (kind, name)
            files[place + "page"] = "page\n"
            line = "%s %s\n" % (name, value.replace("@ROOT@", "/etc"))
            files[place + ".htaccess"] = base + line
            conf += '<Directory "@ROOT@/%s">\n' % place
            if kind == "conf":
                conf += "AllowOverride AuthConfig\n</Directory>\n"
            else:
                conf += ("AllowOverride None\nAllowOverrideList AuthType "
                         "Require AuthBearerAudience %s\n</Directory>\n" % name)
    return new_server(conf, files={
        n: c for n, c in files.items() if not isinstance(c, tuple)})


@pytest.mark.allow_log("AB0515", "no number: AuthBearer")
@pytest.mark.parametrize("name", sorted(DIRECTIVES))
@pytest.mark.parametrize("kind", ["conf", "list"])
def test_htaccess_places(htaccess, name, kind):
    res = htaccess.get("/files/%s-%s/page" % (kind, name), mint())
    if "H" in DIRECTIVES[name][0]:
        # another audience than the token's is seen to have taken effect
        assert res.status == (401 if name == "AuthBearerAudience" else 200), res
    else:
        assert res.status == 500, res
        assert [line for line in res.log if name in line.text], res


# --- which value counts ------------------------------------------------------

PRECEDENCE = [
    # server, issuer, outer location, inner location -> who counts
    ("s", None, None, None, "s"), ("s", "i", None, None, "i"),
    ("s", "i", "o", None, "o"), ("s", "i", "o", "n", "n"),
    (None, "i", None, None, "i"), ("s", None, "o", None, "o"),
    (None, "i", None, "n", "n"), ("s", "i", None, "n", "n"),
]


@pytest.fixture(scope="module")
def precedence(new_server):
    conf = ""
    for i, (s, issuer, outer, inner, _) in enumerate(PRECEDENCE):
        def line(value):
            return "AuthBearerAudience %s\n" % value if value else ""
        conf += ("<VirtualHost *:@PORT@>\nServerName p%d.test\n%s%s"
                 "<Location /o>\nAuthType Bearer\n%sRequire valid-user\n"
                 "</Location>\n<Location /o/n>\n%sRequire valid-user\n"
                 "</Location>\n</VirtualHost>\n" % (
                     i, line(s), issuer_conf(line(issuer)), line(outer),
                     line(inner)))
    return new_server(conf, files=KEYS)


@pytest.mark.parametrize("i", range(len(PRECEDENCE)))
def test_innermost_counts_and_lists_replace(precedence, i):
    row = PRECEDENCE[i]
    for value in "sion":
        res = precedence.get("/o/n", mint(aud=value), host="p%d.test" % i)
        assert res.status == (200 if value == row[4] else 401), (value, res)


def test_back_to_the_default(new_server):
    server = new_server(ISSUER + location(
        "/a", "AuthBearerScopeStrategy hierarchic", "scope foo.bar")
        + "<Location /a/b>\nAuthBearerScopeStrategy exact\n</Location>\n",
        files=KEYS)
    assert server.get("/a", mint(scope="foo")).status == 200
    assert server.get("/a/b", mint(scope="foo")).status == 403


# --- the dump ----------------------------------------------------------------

def test_dump(checker):
    secrets.register("dump-client-secret-0001")
    done = checker("""
AuthBearerClockSkew 42s
%s
%s
<Location "/inner">
    AuthType Bearer
    AuthBearerAudience api://inner
    AuthBearerScopeStrategy wildcard
    Require valid-user
</Location>
""" % (issuer_conf("AuthBearerClientID me\n"
                   'AuthBearerClientSecret "file:@ROOT@/s"\n'
                   "AuthBearerUserChars printable"), location("/a")),
        "-D", "DUMP_BEARER", files=dict(KEYS, s=("dump-client-secret-0001\n",
                                                 0o600)))
    assert done.status == 0, done
    for word in ("/a", "/inner", "api://test", "api://inner", "wildcard",
                 "https://issuer.test/", "main", "AuthBearerClockSkew", "42",
                 "AuthBearerUserChars", "printable", "AuthBearerMaxTokenAge",
                 "25h"):
        assert word in done.output, (word, done)
    assert "dump-client-secret" not in done.output
    assert "AuthBearerProof auto window=60s nonce=off   # default\n" in done.output


def test_dump_of_proofs(checker):
    done = checker(proof("Mtls DPoP window=90 certificate=X-Cert from=::1,192.0.2.0/24"),
                   "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0, done
    assert re.findall("^    AuthBearerProof (.*)$", done.output, re.MULTILINE) == [
        "dpop mtls window=90s nonce=off certificate=X-Cert from=::1,192.0.2.0/24"], done


def test_dump_only_when_asked(checker):
    done = checker(ISSUER + location("/a"), files=KEYS)
    assert "AuthBearerClockSkew" not in done.output


# --- what sessions need ------------------------------------------------------

BROWSERS = """
AuthBearerSecretFile "@ROOT@/session.secret"
%s
<Location "/app">
    AuthType Bearer
    AuthBearerSession On
    Require valid-user
</Location>
""" % issuer_conf('AuthBearerClientID me\nAuthBearerClientSecret '
                  '"file:@ROOT@/client.secret"')
BROWSER_FILES = dict(KEYS, **{"session.secret": ("x" * 40, 0o600),
                              "client.secret": ("y" * 40, 0o600)})


def room(done):
    """What configtest says of the memory for sessions."""
    found = re.search(message("AB0766", re.compile(r"shm:(\w+)"),
                              re.compile(r"\b(\d+)\b")), done.output)
    return found and (found.group(1), int(found.group(2)))


@pytest.mark.parametrize("store", ["cache", "cookie"])
def test_sessions_need_no_cache_of_httpd(checker, store):
    done = checker("AuthBearerSessionStore %s\n" % store + BROWSERS,
                   files=BROWSER_FILES, without=("socache_shmcb",))
    assert done.status == 0, done
    size, sessions = room(done)
    assert size == "8M" and sessions >= 2000, done


@pytest.mark.parametrize("line,size,sessions", [
    ("shm", "8M", 2000), ("shm:8M for=sessions", "8M", 2000),
    ("shm:64M for=sessions", "64M", 10000), ("shm:64m", "64M", 10000),
    ("shm:1G for=sessions,proofs", "1024M", 160000),
    ("shm:10000000 for=sessions", "10000000", 2000),
    ("shm:256K", "262144", 30), ("shmcb", "8M", 2000),
    ("shmcb for=sessions,proofs", "8M", 2000),
    ('"shmcb:@ROOT@/run/cache(16777216)" for=sessions', "16M", 4000),
    ('"shmcb:@ROOT@/run/cache(9000)"', "65536", 1)])
def test_memory_for_sessions(checker, line, size, sessions):
    done = checker("AuthBearerSOCache %s\n" % line + BROWSERS, files=BROWSER_FILES)
    assert done.status == 0, done
    found = room(done)
    assert found[0] == size and found[1] >= sessions, done
    assert bool(done.says("AB0765", "shm:" + size, "/run/cache")) == ("@ROOT@" in line), done
    # nobody is told who has no sessions
    done = checker("AuthBearerSOCache %s\n" % line + ISSUER + location("/a"),
                   files=KEYS)
    assert done.status == 0 and not done.says("AB0765|AB0766"), done


@pytest.mark.parametrize("line,words", [
    ("shm:8X", ["AB0637", "'shm:8X'"]), ("shm:", ["AB0637", "'shm:'"]),
    ("shm:63K", ["AB0637", "'shm:63K'", "64K", "16G"]),
    ("shm:17G", ["AB0637", "'shm:17G'", "64K", "16G"]),
    ("shm:99999999999999999999", ["AB0637", "'shm:99999999999999999999'"]),
    ("shm:-1", ["AB0637", "'shm:-1'"]), ("shm:8MB", ["AB0637", "'shm:8MB'"]),
    ("shm for=keys", ["AB0634", "shm:", "shmcb"]),
    ("shm for=sessions,introspection", ["AB0634", "shm:", "shmcb"]),
    ("memcache:127.0.0.1:9 for=proofs", ["AB0635", "for=proofs", "shm"]),
    ("shm for=sessions more", ["AB0633", "PROVIDER[:ARGS]"])])
def test_memory_that_cannot_be(checker, line, words):
    done = checker("AuthBearerSOCache %s\n" % line + BROWSERS, files=BROWSER_FILES,
                   modules=["socache_memcache"])
    assert done.status != 0, done
    assert done.says(*words), (words, done)


@pytest.mark.parametrize("store", ["cache", "cookie"])
@pytest.mark.parametrize("kind", ["redis", "memcache"])
def test_marks_may_be_lost(checker, kind, store):
    """With a cache of httpd's that other hosts share."""
    line = "AuthBearerSessionStore %s\nAuthBearerSOCache %s:127.0.0.1:9\n" % (store, kind)
    done = checker(line + BROWSERS, files=BROWSER_FILES,
                   modules=["socache_" + kind])
    assert done.status == 0 and room(done) is None, done
    assert done.says("AB0764", kind), done
    done = checker(line.rstrip() + " for=keys,introspection\n" + BROWSERS,
                   files=BROWSER_FILES, modules=["socache_" + kind])
    assert not done.says("AB0764") and room(done), done


def section_of(output, path):
    """What the dump says of a section, line by line."""
    lines = output.split("\n")
    start = [i for i, line in enumerate(lines) if line.startswith(
        '<Location "%s">' % path)][0]
    out = []
    for line in lines[start + 1:]:
        if not line.startswith("    "):
            break
        out.append(line.strip())
    return out


def test_dump_says_what_counts_for_whose_tokens(checker):
    """The issuer's value stands between the section's and the server's."""
    done = checker("""
AuthBearerMaxTokenAge 2h
%s
%s
<Location "/two">
    AuthType Bearer
    AuthBearerUserFormat %%u
    AuthBearerClockSkew 5s
    Require valid-user
</Location>
<Location "/one">
    AuthType Bearer
    AuthBearerAcceptIssuer https://issuer.test/
    Require valid-user
</Location>
""" % (issuer_conf("AuthBearerAudience api://main\nAuthBearerMaxTokenAge 1h\n"
                   "AuthBearerClockSkew 7s"),
       issuer_conf("AuthBearerAudience api://two", "https://two.test/", "two")),
                   "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0, done
    two = section_of(done.output, "/two")
    assert "AuthBearerAudience api://main   # tokens of issuer main" in two
    assert "AuthBearerAudience api://two   # tokens of issuer two" in two
    assert not [line for line in two if line.startswith(
        "AuthBearerAudience (none)")], two
    assert "AuthBearerMaxTokenAge 1h   # tokens of issuer main" in two
    assert "AuthBearerMaxTokenAge 2h" in two
    assert "AuthBearerClockSkew 5s" in two
    one = section_of(done.output, "/one")
    assert "AuthBearerAudience api://main   # tokens of issuer main" in one
    assert not [line for line in one if "api://two" in line], one


def test_dump_of_lifetimes(checker):
    """Each virtual host inherits each value; without sessions there is no line."""
    session = "AuthBearerSession On\n"
    secret = {"secret": (os.urandom(48), 0o600)}
    more = ('AuthBearerSecretFile "@ROOT@/secret"\nAuthBearerClientID x\n'
            "AuthBearerClientAuth none\nAuthBearerSessionLifetime idle=1h persist=on\n")
    done = checker(ISSUER + more + """
<VirtualHost *:8081>
    ServerName a.test
    AuthBearerBaseURL http://a.test
    AuthBearerSessionLifetime max=2h
    %s</VirtualHost>
<VirtualHost *:8082>
    ServerName b.test
    AuthBearerBaseURL http://b.test
    AuthBearerSessionLifetime persist=off
    %s</VirtualHost>
""" % (2 * (location("/a", session),)), "-D", "DUMP_BEARER", files=dict(KEYS, **secret))
    assert done.status == 0, done
    assert sorted(re.findall("AuthBearerSessionLifetime (.*)", done.output)) == [
        "max=28800s idle=3600s persist=off", "max=7200s idle=3600s persist=on"], done


def test_dump_of_an_issuer(checker):
    secrets.register("proxy-password-0001")
    done = checker("""
<AuthBearerIssuer "https://login.test/{tenant}/v2" entra>
    AuthBearerTenants t-1 t-2
    AuthBearerIssuerAlias alias.test/{tenant}
    AuthBearerKeys "file:@ROOT@/jwks.json"
    AuthBearerIntrospectionTTL 1500ms
    AuthBearerHTTPProxy http://me:proxy-password-0001@proxy.test:3128
</AuthBearerIssuer>
AuthBearerUserFormat "%u@%t"
""" + location("/a"), "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0, done
    for line in ("AuthBearerTenants t-1 t-2",
                 "AuthBearerIssuerAlias alias.test/{tenant}",
                 "AuthBearerIntrospectionTTL 1500ms",
                 "AuthBearerHTTPProxy http://***@proxy.test:3128"):
        assert line in done.output, (line, done)
    assert "proxy-password" not in done.output


def test_dump_masks_queries_and_credentials(checker):
    """An address may carry a key of its owner (?api_key=...)."""
    secrets.register("hidden-in-a-url-0001")
    done = checker("""
<AuthBearerIssuer "https://one.test/" one>
    AuthBearerKeys "https://one.test/k?s=hidden-in-a-url-0001"
    AuthBearerMetadata "https://one.test/m?hidden-in-a-url-0001"
    AuthBearerIntrospection "https://one.test/i?s=hidden-in-a-url-0001" for=all
    AuthBearerClientAuth none
    AuthBearerHTTPProxy "http://u:hidden-in-a-url-0001@proxy.test/?hidden-in-a-url-0001"
</AuthBearerIssuer>
<AuthBearerIssuer "spiffe://two.test" two>
    AuthBearerKeys "spiffe:https://two.test/k?s=hidden-in-a-url-0001"
</AuthBearerIssuer>
AuthBearerUserFormat %u
""" + location("/a", 'AuthBearerProvider jwt session\nAuthBearerSessionCheck '
               '"https://store.test/who?k=hidden-in-a-url-0001" query=url'),
                   "-D", "DUMP_BEARER")
    assert done.status == 0, done
    for line in ("AuthBearerKeys https://one.test/k?***",
                 "AuthBearerMetadata https://one.test/m?***",
                 "AuthBearerIntrospection https://one.test/i?*** for=all",
                 "AuthBearerHTTPProxy http://***@proxy.test/?***",
                 "AuthBearerKeys spiffe:https://two.test/k?***",
                 "AuthBearerSessionCheck https://store.test/who?*** "):
        assert line in done.output, (line, done)
    assert "hidden-in-a-url" not in done.output, done


@pytest.mark.parametrize("line,number,value", [
    ("AuthBearerHTTPProxy socks5://u:PASS@proxy.test", "AB0600", "'socks5://proxy.test'"),
    # libcurl's own words about these would have the password in them
    ("AuthBearerHTTPProxy http://u:PASS@proxy.test:99999", "AB0600",
     "'http://proxy.test:99999'"),
    ("AuthBearerHTTPProxy http://u:PASS/x@proxy.test", "AB0600", "'http://proxy.test'"),
    ("AuthBearerHTTPProxy http://u:PASS#x@proxy.test", "AB0600", "'http://proxy.test'"),
    ("AuthBearerClientSecret PASS", "AB0596", "file:PATH"),
    ("AuthBearerClientSecret my PASS", "AB0596", "file:PATH"),
    ("AuthBearerBaseURL https://u:PASS@www.test/", "AB0616", "'https://www.test/'"),
    ("AuthBearerKeys ftp://u:PASS@one.test/k?PASS", "AB0527", "'ftp://one.test/k'"),
    ("AuthBearerKeys https://u:PASS@one.test/k?PASS", "AB0788", "'https://one.test/k'"),
    ("AuthBearerSessionCheck https://store.test/introspect?PASS", "AB0602",
     "'https://store.test/introspect'"),
])
def test_a_mistake_does_not_repeat_a_secret(checker, line, number, value):
    line = line.replace("PASS", "hidden-in-a-url-0002")
    secrets.register("hidden-in-a-url-0002")
    inside = line if "Keys" in line else ""
    place = line if "SessionCheck" in line else ""
    done = checker(("" if inside or place else line + "\n") + issuer_conf(inside)
                   + location("/a", place), files=KEYS)
    assert done.status and done.says(number, value), done
    assert "hidden-in-a-url" not in done.output, done
