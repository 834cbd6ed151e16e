# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Who the client is, at the token endpoint: each method of
AuthBearerClientAuth when a login's code is redeemed, when tokens are refreshed
and when one is revoked.
"""
import json
import urllib.parse

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_der_x509_certificate

from support import certs, secrets, tokens
from support.assertions import LONG_SECRET, private_jwk, verify_assertion
from support.expect import refused
from support.httpd import wait_until
from support.issuer import IssuerHost, Request
from support.op import Browser, Provider

SECRET = "s3cret%of+the:login client &c"

CONF = """
AuthBearerSecretFile "@ROOT@/sealing"
AuthBearerBaseURL http://127.0.0.1:@PORT@
AuthBearerLoginScopes openid email offline_access
<AuthBearerIssuer "{issuer}" main>
{lines}
</AuthBearerIssuer>
<Location "/app">
    AuthType Bearer
    AuthName "app"
    AuthBearerSession On
    AuthBearerLogin On
    Require valid-user
</Location>
"""


@pytest.fixture
def op(issuers, request):
    return Provider(issuers, "auth-" + "".join(
        c if c.isalnum() else "-" for c in request.node.name), client_id="me")


@pytest.fixture
def site(one_server):
    """site(op, lines, files) starts a server that is this client."""
    def start(op, lines, files):
        secrets.register(SECRET, LONG_SECRET)
        return one_server(
            CONF.format(issuer=op.url, lines="\n".join(lines)),
            files={"sealing": ("s" * 48 + "\n", 0o600),
                   **{name: text if isinstance(text, tuple)
                      else (text, 0o600) for name, text in files.items()}})
    return start


def questions(op, server):
    """A login, a refresh and a logout: what the token endpoint was asked for
    each grant, and what the revocation endpoint was asked."""
    op.refresh, op.expires_in = True, 5     # within the 30 s: due at once
    op.offer(revocation_endpoint="revoke")
    browser = Browser(server)
    res = browser.go("/app/x")
    assert res.status == 200 and res.user == "alice@example.test", res
    assert browser.sign_out().status == 200
    asked = {r.form["grant_type"]: r for r in op.requests if r.kind == "token"}
    assert set(asked) == {"authorization_code", "refresh_token"}
    wait_until(lambda: op.count("revoke"), 20, "the revocation, in the background")
    asked["revocation"] = op.last("revoke")
    return asked


@pytest.mark.parametrize("auth", ["", "AuthBearerClientAuth client_secret_basic"],
                         ids=["default", "written"])
def test_client_secret_basic(site, op, auth):
    op.client_id = "my client:1"
    server = site(op, ['AuthBearerClientID "my client:1"', auth,
                       'AuthBearerClientSecret "file:@ROOT@/secret"'],
                  {"secret": SECRET + "\n"})
    for asked in questions(op, server).values():
        assert asked.basic == ("my client:1", SECRET)
        assert "client_secret" not in asked.form


def test_client_secret_post(site, op):
    server = site(op, ["AuthBearerClientID me",
                       "AuthBearerClientAuth client_secret_post",
                       'AuthBearerClientSecret "file:@ROOT@/secret"'],
                  {"secret": SECRET})
    for asked in questions(op, server).values():
        assert asked.form["client_id"] == "me"
        assert asked.form["client_secret"] == SECRET
        assert asked.headers["Authorization"] is None


@pytest.mark.parametrize("aud", ["issuer", "endpoint"])
def test_client_secret_jwt(site, op, aud):
    server = site(op, ["AuthBearerClientID me",
                       "AuthBearerClientAuth client_secret_jwt aud=" + aud,
                       'AuthBearerClientSecret "file:@ROOT@/secret"'],
                  {"secret": LONG_SECRET})
    key = tokens.Key(LONG_SECRET.encode(), "HS256", "x", "oct")
    seen = set()
    for name, asked in questions(op, server).items():
        assert asked.headers["Authorization"] is None
        assert "client_secret" not in asked.form
        _, claims = verify_assertion(
            op, asked.form, key, None if aud == "issuer" else
            op.url + ("/revoke" if name == "revocation" else "/token"))
        seen.add(claims["jti"])
    assert len(seen) == 3, "an assertion serves once"


@pytest.mark.parametrize("kind", ["rs256", "es256", "jwk", "with-cert"])
def test_private_key_jwt(site, op, kind):
    key = tokens.key("es256-login" if kind == "es256" else "rs256-login")
    files = {"key": json.dumps(private_jwk(key)) if kind == "jwk"
             else key.private_pem()}
    lines = ["AuthBearerClientID me", "AuthBearerClientAuth private_key_jwt",
             'AuthBearerClientKey "@ROOT@/key"']
    if kind == "with-cert":
        files["cert"] = (certs.signing_certificate(key), 0o644)
        lines.append('AuthBearerClientCert "@ROOT@/cert"')
    for asked in questions(op, site(op, lines, files)).values():
        header, _ = verify_assertion(op, asked.form, key)
        assert header.get("kid") == (key.kid if kind == "jwk" else None)
        assert ("x5t#S256" in header) == (kind == "with-cert")
        assert asked.headers["Authorization"] is None


def test_jwt_file(site, op):
    """An assertion that somebody else rotates."""
    assertion = op.mint(sub="me")
    server = site(op, ["AuthBearerClientID me", "AuthBearerClientAuth jwt_file",
                       'AuthBearerClientSecret "file:@ROOT@/assertion"'],
                  {"assertion": assertion + "\n"})
    for asked in questions(op, server).values():
        assert asked.form["client_assertion"] == assertion
        assert asked.form["client_id"] == "me"


@pytest.mark.allow_log("AB0753")  # the children must
def test_tls_client_auth(site):
    key = tokens.key("es256-tls-login")
    cert = certs.signing_certificate(key)
    host = IssuerHost(tls="good", clients=cert.decode())
    try:
        op = Provider(host, "mtls-login", client_id="me")
        op.refresh, op.expires_in = True, 5
        server = site(op, ["AuthBearerClientID me",
                           "AuthBearerClientAuth tls_client_auth",
                           'AuthBearerClientCert "@ROOT@/cert"',
                           'AuthBearerClientKey "@ROOT@/key"',
                           'AuthBearerCAFile "@ROOT@/ca"'],
                      {"cert": (cert, 0o644),
                       "key": (key.private_pem(), 0o644),
                       "ca": (certs.authority_pem(), 0o644)})
        browser = Browser(server)
        browser.go("/app/x", stop="^https:")
        # the browser has no certificate and does not ask the issuer itself
        assert server.get(_back(op, browser), headers={
            "Cookie": browser.field(), "Accept": "text/html",
            "Sec-Fetch-Mode": "navigate"}).status == 303
        asked = op.last("token")
        shown = load_der_x509_certificate(asked.peer)
        assert shown.public_bytes(serialization.Encoding.PEM) == cert
        assert asked.form["client_id"] == "me"
        assert asked.headers["Authorization"] is None
    finally:
        host.close()


def _back(op, browser):
    """The callback's path, as the provider would send the browser there."""
    path = browser.trail[-1][len(op.host.url):]
    answer, _ = op.answer(Request("authorize", "GET", path, {}, b""))
    url = urllib.parse.urlsplit(answer.headers["Location"])
    return url.path + "?" + url.query


def test_none(site, op):
    """A public client: PKCE is all there is."""
    server = site(op, ["AuthBearerClientID me", "AuthBearerClientAuth none"], {})
    for asked in questions(op, server).values():
        assert asked.form["client_id"] == "me"
        assert asked.headers["Authorization"] is None
        assert "client_secret" not in asked.form


@pytest.mark.parametrize("status", [401, 400])
def test_refused_as_a_client(site, op, status):
    """The person reads that it is not her fault, the log which directive."""
    op.script("token", status=status, body='{"error": "invalid_client"}')
    server = site(op, ["AuthBearerClientID me",
                       'AuthBearerClientSecret "file:@ROOT@/secret"'],
                  {"secret": SECRET})
    browser = Browser(server)
    refused(browser.go("/app/x"), 503, None, "unavailable", "login_issuer",
            log=["'invalid_client'", "AuthBearerClientID", "AuthBearerClientSecret"])
    assert "bearer_session" not in browser.field()
