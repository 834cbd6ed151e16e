# Licensed under the Apache License, Version 2.0; see LICENSE.
"""mod_auth_openidc in the same server, loaded before and after: each has a
`Require claim` of its own, decided by AuthType, over graceful and full restarts.
(test_require.py has the plain case.)"""
import os
import re

import pytest

from support import certs, missing
from support.expect import (anonymous, granted, invalid, issuer_conf,
                            key_files, location, refused)
from support.httpd import MODULES
from support.issuer import headers_of
from support.tokens import key, mint

pytestmark = [
    missing.needs("mod_auth_openidc",
                  os.path.exists(MODULES + "/mod_auth_openidc.so")),
    pytest.mark.allow_log("no number: auth_openidc", "no number: oidc_", "AH01630")]

CONF = """
OIDCOAuthVerifyCertFiles theirs#@ROOT@/theirs.pem
OIDCCryptoPassphrase not-a-secret
OIDCOAuthRemoteUserClaim sub
OIDCProviderIssuer https://op.test/
OIDCProviderAuthorizationEndpoint https://op.test/authorize
OIDCProviderTokenEndpoint https://op.test/token
OIDCProviderJwksUri https://op.test/jwks
OIDCClientID client
OIDCClientSecret not-a-secret
OIDCRedirectURI http://server.test/browser/callback
<Location "/browser">
    AuthType openid-connect
    Require claim sub:carol
</Location>
<Location "/theirs">
    AuthType oauth20
    Require claim sub:carol
</Location>
<Location "/theirs-regex">
    AuthType oauth20
    Require claim sub~^car
</Location>
<Location "/theirs-any">
    AuthType oauth20
    <RequireAny>
        Require claim sub:carol
        Require user dave
    </RequireAny>
</Location>
<Location "/theirs-not">
    AuthType oauth20
    <RequireAll>
        Require valid-user
        Require not claim sub:carol
    </RequireAll>
</Location>
""" + issuer_conf() + "".join(
    location("/ours" + path, require=rule) for path, rule in (
        ("", "claim sub:alice"), ("-path", "claim realm_access.roles:admin"),
        ("-number", "claim level:3"), ("-own", "bearer-claim sub:alice"),
        ("-two", "claim sub:nobody sub:alice"))) + """
<AuthzProviderAlias claim is-alice "sub:alice">
</AuthzProviderAlias>
""" + location("/ours-alias", require="is-alice") + location(
    "/ours-not", "<RequireAll>\nRequire all granted\n"
    "Require not claim sub:alice\n</RequireAll>", None) + """
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
</Directory>
"""
HTACCESS = """AuthType Bearer
AuthName "x"
AuthBearerAudience api://test
Require claim sub:alice
"""
THEIR_HTACCESS = "AuthType oauth20\nRequire claim sub:carol\n"
ORDERS = {"theirs-first": {"modules": ["auth_openidc"]},
          "ours-first": {"after_module": ["auth_openidc"]}}


def their_token(sub):
    return mint("rs256-theirs", header={"kid": "theirs"}, sub=sub)


def files():
    return dict(key_files("rs256"),
                **{"theirs.pem": certs.signing_certificate(key("rs256-theirs"))})


@pytest.fixture(scope="module", params=sorted(ORDERS))
def server(request, new_server, backend):
    return new_server(CONF, files=dict(
        files(), **{
            "htdocs/files/ours/.htaccess": HTACCESS,
            "htdocs/files/theirs/.htaccess": THEIR_HTACCESS,
            "htdocs/files/ours/x": "x", "htdocs/files/theirs/x": "x"}),
        backend=backend, children=2, **ORDERS[request.param])


def ours_works(server):
    roles = {"realm_access": {"roles": ["admin"]}, "level": 3}
    for path in ("", "-path", "-number", "-own", "-two", "-alias"):
        granted(server.get("/ours" + path, mint(**roles)))
        refused(server.get("/ours" + path, mint(sub="carol", level=4)), 403,
                None, "require")
        anonymous(server.get("/ours" + path))
    anonymous(server.get("/ours-not"))
    refused(server.get("/ours-not", mint()), 403)
    granted(server.get("/ours-not", mint(sub="carol")), "carol")
    granted(server.get("/files/ours/x", mint()), None)
    refused(server.get("/files/ours/x", mint(sub="carol")), 403)


def theirs_works(server):
    carol, dave = their_token("carol"), their_token("dave")
    for path in ("/theirs", "/theirs-regex", "/theirs-any", "/files/theirs/x"):
        assert server.get(path, carol).status == 200, path
        assert server.get(path).status == 401, path
    for path in ("/theirs", "/theirs-regex", "/theirs-not", "/files/theirs/x"):
        assert server.get(path, dave).status == (
            200 if path == "/theirs-not" else 401), path
    assert server.get("/theirs-any", dave).status == 200
    assert server.get("/theirs-not", carol).status in (401, 403)
    res = server.get("/browser", headers={"Accept": "text/html"})
    assert res.status == 302
    assert res.get("Location").startswith("https://op.test/authorize?")


def test_each_its_own(server):
    ours_works(server)
    theirs_works(server)


def test_over_restarts(server):
    server.graceful()
    ours_works(server)
    theirs_works(server)
    server.restart()
    ours_works(server)
    theirs_works(server)


def test_the_order_changes_over_a_graceful_restart(server):
    """DSOs are loaded anew: what was found first before is second now."""
    text = server._text
    line = re.search(r"LoadModule auth_openidc_module .*\n", text).group()
    own = re.search(r"LoadModule auth_bearer_module .*\n?", text).group()
    swapped = text.replace(line, "").replace(
        own, own.rstrip("\n") + "\n" + line) if text.index(line) < text.index(
            own) else text.replace(line, "").replace(own, line + own)
    for now in (swapped, text):
        server._text = now
        server.configure(CONF)
        server.graceful()
        ours_works(server)
        theirs_works(server)


def test_neither_takes_the_others_tokens(server):
    assert server.get("/theirs", mint(sub="carol")).status == 401
    invalid(server.get("/ours", their_token("alice")))


def test_its_requests_are_left_alone(server):
    """Nothing is stripped or scrubbed where AuthType is another."""
    token = their_token("carol")
    res = server.get("/theirs/be/x", token, {"X-Forwarded-User": "proxy",
                                             "X-Claim-Sub": "x"})
    seen = headers_of(res)
    assert seen["authorization"] == ["Bearer " + token]
    assert seen["x-forwarded-user"] == ["proxy"]
    assert seen["x-claim-sub"] == ["x"]


def test_without_it_after_a_graceful_restart(new_server):
    """It is taken away while the server runs: ours alone is left."""
    server = new_server(CONF, files=files(),
                        modules=["auth_openidc"])
    granted(server.get("/ours", mint()))
    server._text = re.sub(r"LoadModule auth_openidc_module .*\n", "",
                          server._text)
    server.configure(issuer_conf() + location("/ours",
                                              require="claim sub:alice"))
    server.graceful()
    granted(server.get("/ours", mint()))
    refused(server.get("/ours", mint(sub="carol")), 403)
    anonymous(server.get("/ours"))
