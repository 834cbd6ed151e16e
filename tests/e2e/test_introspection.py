# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Introspection (RFC 7662): opaque tokens, and JWTs whose issuer wants to be
asked about all of them. The issuer is scripted and records what it is asked."""
import hashlib
import json
import shutil
import socket
import subprocess
import threading
import time
import uuid

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_der_x509_certificate

from support import certs, missing, proofs, secrets, tokens
from support.assertions import LONG_SECRET, private_jwk, verify_assertion
from support.expect import granted, invalid, key_files, location, refused
from support.httpd import LogLine, free_port, wait_until
from support.issuer import IssuerHost, headers_of
from support.messages import (CLOSED, COMPRESSED, NO_ENDPOINT, NOT_JSON, NOTHING_LISTENS,
                              TOO_LARGE)
from support.pace import Stopwatch

#: A prefix of an issuer that cannot be asked is worth a warning.
pytestmark = pytest.mark.allow_log("AB0792")

SECRET = "s3cret%of+the:client &c"


def opaque(prefix="opaque-"):
    token = prefix + uuid.uuid4().hex
    secrets.register(token)
    return token


def answer(**over):
    """A good answer; a member given as None is left out."""
    out = {"active": True, "sub": "alice", "aud": ["api://test"],
           "client_id": "client-1", "scope": "orders.read orders.write",
           "exp": int(time.time()) + 600, "token_type": "Bearer"}
    out.update(over)
    return {k: v for k, v in out.items() if v is not None}


def known(issuer, prefix="opaque-", **over):
    """A token that the issuer knows."""
    token = opaque(prefix)
    issuer.active[token] = answer(**over)
    return token


def asks(issuer, inside="", name="main", endpoint=None, keys=None):
    """An issuer that is asked about tokens, without authentication."""
    return """
<AuthBearerIssuer "%s" %s>
    AuthBearerKeys %s
    AuthBearerIntrospection %s
    %s
</AuthBearerIssuer>
""" % (issuer.url, name, keys or issuer.jwks_url, endpoint or issuer.introspect_url,
       inside)


NO_AUTH = "AuthBearerClientAuth none"
ALL = location("/", "AuthBearerUserFormat %u")


@pytest.fixture(scope="module")
def issuer(issuers):
    return issuers.issuer("introspection", "rs256", "es256")


@pytest.fixture(scope="module")
def server(new_server, issuer, backend):
    return new_server(asks(issuer, NO_AUTH) + ALL + location(
        "/scoped", require="scope orders.read") + location(
        "/other", audience="api://other") + location(
        "/clients", "AuthBearerClients client-2") + location(
        "/noaud", "AuthBearerNoAudience accept\nAuthBearerClients client-1"),
        backend=backend)


@pytest.fixture(autouse=True)
def fresh(issuer):
    issuer.reset()


# --- question and principal --------------------------------------------------

@pytest.mark.core
def test_question(server, issuer):
    """RFC 7662 section 2.1: the token in a form, and no more."""
    token = known(issuer)
    granted(server.get("/", token))
    asked = issuer.last("introspect")
    assert asked.method == "POST"
    assert asked.body == b"token=" + token.encode()
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["Accept"] == "application/json"
    assert asked.headers["Authorization"] is None
    assert issuer.count("introspect") == 1


@pytest.mark.core
def test_principal(server, issuer):
    token = known(issuer, exp=4102444800, roles=["admin"], username="al")
    env = granted(server.get("/env", token), None).env
    assert env["REMOTE_USER"] == "alice"
    assert env["AUTH_TYPE"] == "Bearer"
    assert env["BEARER_METHOD"] == "introspection"
    assert env["BEARER_ISSUER"] == issuer.url
    assert env["BEARER_ISSUER_NAME"] == "main"
    assert env["BEARER_SCOPE"] == "orders.read orders.write"
    assert env["BEARER_EXPIRES"] == "4102444800"
    assert env["BEARER_ROLES"] == "admin"
    assert env["BEARER_CLAIM_username"] == "al"


def test_same_principal_as_a_jwt(server, issuer):
    """What comes after the credential does not know where it came from."""
    def principal(token):
        env = granted(server.get("/env", token), None).env
        return {k: v for k, v in env.items() if k in (
            "REMOTE_USER", "BEARER_ISSUER", "BEARER_SCOPE", "BEARER_CLAIM_sub",
            "BEARER_CLAIM_client_id", "BEARER_CLAIM_aud")}
    claims = tokens.claims(iss=issuer.url, aud=["api://test"])
    jwt = issuer.mint(payload=claims)
    token = opaque()
    issuer.active[token] = dict(claims, active=True)
    assert principal(token) == principal(jwt)
    assert issuer.count("introspect") == 1


def test_scope(server, issuer):
    granted(server.get("/scoped", known(issuer)))
    refused(server.get("/scoped", known(issuer, scope="other")), 403,
            "insufficient_scope", "scope", "scope", scope="orders.read")


@pytest.mark.core
def test_backend_gets_the_body(server, issuer):
    token = known(issuer)
    body = bytes(range(256)) * 300
    seen = granted(server.request("POST", "/be/x?a=b", token, body=body), None)
    assert seen.json()["body"] == body.decode("latin-1")
    assert seen.json()["path"] == "/be/x?a=b"
    headers = headers_of(seen)
    assert headers["x-forwarded-user"] == ["alice"]
    assert "authorization" not in headers
    res = granted(server.request("HEAD", "/be/x", token), None)
    assert res.body == b""
    assert issuer.count("introspect") == 1


def test_upper_bound_of_the_answer(server, issuer):
    """64 KiB are read, a byte more is not."""
    text = json.dumps(answer(pad=""))
    fits = text.replace('"pad": ""', '"pad": "%s"' % (
        "x" * (64 * 1024 - len(text))))
    issuer.script("introspect", body=fits)
    assert len(fits) == 64 * 1024
    granted(server.get("/", opaque()))
    issuer.script("introspect", body=fits + " ")
    refused(server.get("/", opaque()), 503, None, "unavailable",
            "introspection", log=TOO_LARGE)


NULLS = ["exp", "nbf", "iat", "iss", "azp", "username", "token_type", "token_use",
         "typ", "nonce", "cnf"]


@pytest.mark.parametrize("aud", [None, [], ""], ids=["null", "array", "string"])
def test_null_and_empty_are_absent(server, issuer, aud):
    """Hydra writes `"aud": null` and `"nbf": 0`; others every member they have."""
    token = opaque()
    body = dict(answer(), aud=["api://test"], **{name: None for name in NULLS})
    issuer.active[token] = body
    res = server.get("/", token)
    granted(res)
    bare = opaque()
    issuer.active[bare] = dict(body, aud=aud)
    refused(server.get("/", bare), 401, "invalid_token", "audience", "aud")
    granted(server.get("/noaud", bare))


# --- bad input ---------------------------------------------------------------

def _answer(**over):
    return dict(body=lambda _: json.dumps(answer(**over)))


INVALID = [
    ("inactive", dict(body='{"active": false}'), "inactive", "inactive"),
    ("active-string", _answer(active="true"), "inactive", "inactive"),
    ("active-number", _answer(active=1), "inactive", "inactive"),
    ("active-missing", _answer(active=None), "inactive", "inactive"),
    ("active-null", dict(body='{"active": null, "sub": "alice"}'), "inactive",
     "inactive"),
    ("another-issuer", _answer(iss="https://other.test/"), "issuer", "iss"),
    ("issuer-array", _answer(iss=["https://other.test/"]), "issuer", "iss"),
    ("another-audience", _answer(aud="account"), "audience", "aud"),
    ("no-audience", _answer(aud=None), "audience", "aud"),
    ("empty-audience", _answer(aud=[]), "audience", "aud"),
    ("audience-number", _answer(aud=[1]), "malformed", "aud_type"),
    ("expired", lambda: _answer(exp=int(time.time()) - 300), "expired", "exp"),
    ("exp-string", _answer(exp="4102444800"), "malformed", "exp_type"),
    ("not-yet", lambda: _answer(nbf=int(time.time()) + 300), "not_yet_valid",
     "nbf"),
    ("id-token", _answer(nonce="n-1", scope=None), "type", "type"),
    ("id-token-hash", _answer(at_hash="x", scope=None), "type", "type"),
    ("refresh-token", _answer(token_use="refresh_token"), "type", "type"),
    ("refresh-token-type", _answer(token_type="refresh_token"), "type", "type"),
    ("offline-token", _answer(typ="Offline"), "type", "type"),
    ("no-sub", _answer(sub=None), "identifier", "user_claim"),
    ("bad-sub", _answer(sub="a,b"), "identifier", "identifier"),
    ("newline-sub", _answer(sub="a\nb"), "identifier", "identifier"),
]


@pytest.mark.parametrize("name,script,category,check", INVALID,
                         ids=[row[0] for row in INVALID])
def test_refused_answer(server, issuer, name, script, category, check):
    token = known(issuer)
    issuer.script("introspect", **(script() if callable(script) else script))
    invalid(server.get("/", token), category, check)
    issuer.script("introspect")
    granted(server.get("/", token))  # nothing was kept, nothing was lost
    assert issuer.count("introspect") == 2


UNAVAILABLE = [
    ("no-json", dict(body="<html>no</html>"), NOT_JSON),
    ("empty", dict(body=""), NOT_JSON),
    ("array", dict(body="[true]"), NOT_JSON),
    ("duplicate", dict(body='{"active": false, "active": true}'),
     NOT_JSON),
    ("trailing", dict(body='{"active": true}x'), NOT_JSON),
    ("latin-1", dict(body=b'{"active": true, "sub": "\xe4"}'),
     NOT_JSON),
    ("500", dict(status=500), "500"),
    ("503", dict(status=503), "503"),
    ("400", dict(status=400), "400"),
    ("401", dict(status=401), ["401", "AuthBearerClientAuth"]),
    ("403", dict(status=403), ["403", "AuthBearerClientAuth"]),
    ("404", dict(status=404), ["404", "AuthBearerIntrospection"]),
    ("429", dict(status=429), "429"),
    ("302", dict(status=302, headers={"Location": "/t/introspection/ok"}),
     ["302", "AuthBearerIntrospection"]),
    ("307", dict(status=307, headers={"Location": "/t/introspection/ok"}),
     ["307", "AuthBearerIntrospection"]),
    ("204", dict(status=204, body="", headers={"Content-Length": None}),
     "204"),
    ("gzip", dict(headers={"Content-Encoding": "gzip"}), COMPRESSED),
    ("cut", dict(cut=True), CLOSED),
    ("jwt", dict(body="eyJh.eyJh.c2ln",
                 headers={"Content-Type":
                          "application/token-introspection+jwt"}),
     NOT_JSON),
]


@pytest.mark.parametrize("name,script,log", UNAVAILABLE,
                         ids=[row[0] for row in UNAVAILABLE])
def test_no_usable_answer(server, issuer, name, script, log):
    token = known(issuer)
    issuer.script("introspect", **script)
    res = refused(server.get("/", token), 503, None, "unavailable",
                  "introspection", log=log)
    assert res.get("WWW-Authenticate") is None
    assert issuer.count("introspect") == 1
    assert issuer.count("ok") == 0  # the redirect was not followed
    issuer.script("introspect")
    granted(server.get("/", token))


@pytest.fixture(scope="module")
def impatient(new_server, issuer):
    return new_server(asks(issuer, NO_AUTH + "\nAuthBearerTimeout "
                           "connect=200ms total=300ms",
                           keys='"file:@ROOT@/jwks.json"') + ALL,
                      files=key_files())


def test_slow_answer(impatient, issuer):
    token = known(issuer)
    hold = threading.Event()
    issuer.script("introspect", hold=hold)
    refused(impatient.get("/", token), 503, None, "unavailable",
            "introspection", log="AuthBearerTimeout")
    issuer.script("introspect")
    hold.set()
    granted(impatient.get("/", token))


def test_one_byte_at_a_time(impatient, issuer):
    issuer.script("introspect", trickle=0.05)
    refused(impatient.get("/", known(issuer)), 503, None, "unavailable",
            "introspection")


@pytest.mark.core
def test_issuer_down(new_server, issuer):
    server = new_server(asks(issuer, NO_AUTH, endpoint="http://127.0.0.1:%d/"
                             % free_port()) + ALL)
    res = refused(server.get("/", opaque()), 503, None, "unavailable",
                  "introspection", log=NOTHING_LISTENS)
    assert int(res.get("Retry-After")) >= 1


def test_an_issuer_that_is_down_shows_at_the_usual_log_level(one_server, issuer):
    """Once, not for each request; what is said of a request is at info."""
    server = one_server(asks(issuer, NO_AUTH, endpoint="http://127.0.0.1:%d/"
                             % free_port()) + ALL, loglevel="warn",
                        mpm="event")
    for _ in range(3):
        refused(server.get("/", opaque()), 503)
    lines = [line for line in server.error_log().splitlines()
             if "|auth_bearer|" in line]
    assert len(lines) == 1 and "|warn|" in lines[0], lines
    assert LogLine(lines[0]).says("AB0253", "introspection", NOTHING_LISTENS)


def test_nothing_is_asked_for_a_bad_request(server, issuer):
    token = opaque()
    refused(server.raw(b"GET / HTTP/1.1\r\nHost: server.test\r\n"
                       b"Connection: close\r\n"
                       b"Authorization: Bearer " + token.encode() + b"\r\n"
                       b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"),
            400, "invalid_request")
    assert issuer.count("introspect") == 0


# --- who the client is -------------------------------------------------------

def conf_for(issuer, lines):
    return asks(issuer, "\n    ".join(lines)) + ALL


def asked_once(new_server, issuer, lines, files):
    """The recorded question of one good request."""
    server = new_server(conf_for(issuer, lines), start=False)
    for name, content in files.items():
        server.write(name, *content) if isinstance(content, tuple) \
            else server.write(name, content, 0o600)
    server.start()
    token = known(issuer)
    granted(server.get("/", token))
    request = issuer.last("introspect")
    assert request.form["token"] == token
    return request


@pytest.mark.parametrize("auth", ["", "AuthBearerClientAuth client_secret_basic"],
                         ids=["default", "written"])
def test_client_secret_basic(new_server, issuer, auth):
    secrets.register(SECRET)
    request = asked_once(new_server, issuer, [
        'AuthBearerClientID "my client:1"',
        'AuthBearerClientSecret "file:@ROOT@/secret"', auth],
        {"secret": SECRET + "\n"})
    assert request.basic == ("my client:1", SECRET)
    assert "client_secret" not in request.form


def test_client_secret_post(new_server, issuer):
    secrets.register(SECRET)
    request = asked_once(new_server, issuer, [
        "AuthBearerClientID me", "AuthBearerClientAuth client_secret_post",
        'AuthBearerClientSecret "file:@ROOT@/secret"'], {"secret": SECRET})
    assert request.form["client_id"] == "me"
    assert request.form["client_secret"] == SECRET
    assert request.headers["Authorization"] is None


def test_client_secret_jwt(new_server, issuer):
    secrets.register(LONG_SECRET)
    request = asked_once(new_server, issuer, [
        "AuthBearerClientID me", "AuthBearerClientAuth client_secret_jwt",
        'AuthBearerClientSecret "file:@ROOT@/secret"'], {"secret": LONG_SECRET})
    key = tokens.Key(LONG_SECRET.encode(), "HS256", "x", "oct")
    verify_assertion(issuer, request.form, key)


@pytest.mark.parametrize("kind", ["pem", "jwk", "es256", "with-cert"])
def test_private_key_jwt(new_server, issuer, kind):
    key = tokens.key("es256-client" if kind == "es256" else "rs256-client")
    pem = key.private_pem()
    files = {"key": pem}
    lines = ["AuthBearerClientID me", "AuthBearerClientAuth private_key_jwt",
             'AuthBearerClientKey "@ROOT@/key"']
    if kind == "jwk":
        files["key"] = json.dumps(private_jwk(key))
    if kind == "with-cert":
        files["cert"] = (certs.signing_certificate(key), 0o644)
        lines.append('AuthBearerClientCert "@ROOT@/cert"')
    request = asked_once(new_server, issuer, lines, files)
    header, _ = verify_assertion(issuer, request.form, key)
    assert header.get("kid") == (key.kid if kind == "jwk" else None)
    assert ("x5t#S256" in header) == (kind == "with-cert")


def test_a_client_key_is_of_one_issuer(new_server, issuer, issuers):
    """Another one that this server has no key for is asked all the same."""
    other = issuers.issuer("introspection-without-a-key")
    server = new_server(asks(other, NO_AUTH + "\nAuthBearerTokenPrefix other-",
                             name="other")
                        + asks(issuer, "AuthBearerClientID me\nAuthBearerClientAuth "
                               "private_key_jwt\nAuthBearerClientKey \"@ROOT@/key\""
                               "\nAuthBearerTokenPrefix keyed-") + ALL,
                        files={"key": (tokens.key("es256-client").private_pem(),
                                       0o600)})
    for one, prefix in ((issuer, "keyed-"), (other, "other-")):
        granted(server.get("/", known(one, prefix)))
        assert ("client_assertion" in one.last("introspect").form) == (
            one is issuer)


def test_assertions_differ(new_server, issuer):
    server = new_server(conf_for(issuer, [
        "AuthBearerClientID me",
        "AuthBearerClientAuth client_secret_jwt aud=endpoint",
        'AuthBearerClientSecret "exec:/bin/echo %s"' % LONG_SECRET]))
    secrets.register(LONG_SECRET)
    key = tokens.Key(LONG_SECRET.encode(), "HS256", "x", "oct")
    seen = set()
    for _ in range(2):
        granted(server.get("/", known(issuer)))
        _, claims = verify_assertion(issuer, issuer.last("introspect").form, key,
                                     issuer.introspect_url)
        seen.add(claims["jti"])
    assert len(seen) == 2


def test_jwt_file(new_server, issuer):
    assertion = issuer.mint(sub="me")
    request = asked_once(new_server, issuer, [
        "AuthBearerClientAuth jwt_file",
        'AuthBearerClientSecret "file:@ROOT@/assertion"'],
        {"assertion": assertion + "\n"})
    assert request.form["client_assertion"] == assertion
    assert "client_id" not in request.form


def test_bearer_from_a_file(new_server, issuer):
    mine = opaque("file-token-")
    request = asked_once(new_server, issuer, [
        "AuthBearerClientAuth bearer",
        'AuthBearerClientSecret "file:@ROOT@/token"'], {"token": mine})
    assert request.headers["Authorization"] == "Bearer " + mine


def test_bearer_by_client_credentials(one_server, issuer):
    mine = opaque("granted-")
    issuer.script("token", body=json.dumps(
        {"access_token": mine, "token_type": "Bearer", "expires_in": 3600}))
    server = one_server(conf_for(issuer, [
        "AuthBearerClientID me", "AuthBearerClientAuth bearer",
        'AuthBearerClientSecret "exec:/bin/echo our-client-secret"']))
    secrets.register("our-client-secret")
    for _ in range(3):
        granted(server.get("/", known(issuer)))
        assert issuer.last("introspect").headers["Authorization"] == (
            "Bearer " + mine)
    assert issuer.count("token") == 1
    request = issuer.last("token")
    assert request.form == {"grant_type": "client_credentials"}
    assert request.basic == ("me", "our-client-secret")
    # revoked before its time: another is fetched, and nobody notices
    second = opaque("granted-")
    issuer.script("token", body=json.dumps(
        {"access_token": second, "token_type": "Bearer"}))
    issuer.script("introspect", status=401, times=1)
    granted(server.get("/", known(issuer)))
    assert issuer.last("introspect").headers["Authorization"] == (
        "Bearer " + second)


@pytest.mark.allow_log("AB0251")
def test_no_token_for_the_question(new_server, issuer):
    issuer.script("token", status=401, body="{}")
    server = new_server(conf_for(issuer, [
        "AuthBearerClientID me", "AuthBearerClientAuth bearer",
        'AuthBearerClientSecret "exec:/bin/echo our-client-secret"']))
    refused(server.get("/", known(issuer)), 503, None, "unavailable",
            "introspection", log="client_credentials")
    assert issuer.count("introspect") == 0


def test_tls_client_auth(new_server):
    key = tokens.key("es256-tls-client")
    cert = certs.signing_certificate(key)
    host = IssuerHost(tls="good", clients=cert.decode())
    try:
        issuer = host.issuer("mtls", "rs256")
        request = asked_once(new_server, issuer, [
            "AuthBearerClientID me", "AuthBearerClientAuth tls_client_auth",
            'AuthBearerClientCert "@ROOT@/cert"',
            'AuthBearerClientKey "@ROOT@/key"',
            'AuthBearerCAFile "@ROOT@/ca"'],
            {"cert": (cert, 0o644), "key": (key.private_pem(), 0o644),
             "ca": (certs.authority_pem(), 0o644)})
        shown = load_der_x509_certificate(request.peer)
        assert shown.public_bytes(serialization.Encoding.PEM) == cert
        assert request.form["client_id"] == "me"
    finally:
        host.close()


def test_none(new_server, issuer):
    request = asked_once(new_server, issuer, [
        "AuthBearerClientID me", "AuthBearerClientAuth none"], {})
    assert request.form["client_id"] == "me"
    assert request.headers["Authorization"] is None


def test_secret_from_the_environment(new_server, issuer, monkeypatch):
    monkeypatch.setenv("ORDERS_SECRET", "from-the-environment")
    secrets.register("from-the-environment")
    request = asked_once(new_server, issuer, [
        "AuthBearerClientID me", "AuthBearerClientSecret env:ORDERS_SECRET"], {})
    assert request.basic == ("me", "from-the-environment")


# --- what is kept ------------------------------------------------------------

@pytest.mark.core
def test_asked_once_for_all_children(new_server, issuer):
    """The shared cache: with prefork each request may meet another child."""
    server = new_server("AuthBearerTokenCache off\n" + asks(issuer, NO_AUTH)
                        + ALL)
    token = known(issuer)
    for _ in range(8):
        granted(server.get("/", token))
    assert issuer.count("introspect") == 1


def test_without_shared_cache(new_server, issuer):
    server = new_server("AuthBearerTokenCache off\n" + asks(issuer, NO_AUTH)
                        + ALL, without=("socache_shmcb",), mpm="event")
    token = known(issuer)
    for _ in range(8):
        granted(server.get("/", token))
    assert issuer.count("introspect") == 1  # one child


def test_revoked_at_the_issuer(new_server, issuer):
    """Ends within the TTL."""
    server = new_server(asks(issuer, NO_AUTH
                             + "\nAuthBearerIntrospectionTTL 1500ms") + ALL)
    token = known(issuer)
    granted(server.get("/", token))
    del issuer.active[token]
    watch = Stopwatch(server)
    wait_until(lambda: server.get("/", token).status == 401, 10,
               "the end of a revoked token")
    assert watch.seconds < 5
    invalid(server.get("/", token), "inactive", "inactive")


@pytest.mark.parametrize("ttl", ["0", "500ms"])
def test_a_ttl_that_keeps_nothing(new_server, issuer, ttl):
    """Shared caches count in seconds: what lives for less stays in its child."""
    server = new_server("AuthBearerTokenCache off\n" + asks(
        issuer, NO_AUTH + "\nAuthBearerIntrospectionTTL " + ttl) + ALL)
    token = known(issuer)
    for n in range(1, 4):
        granted(server.get("/", token))
        assert issuer.count("introspect") == n
    del issuer.active[token]
    invalid(server.get("/", token), "inactive", "inactive")


def test_asked_once_in_a_request(new_server, issuer):
    """An <If> is evaluated more than once ahead of authentication."""
    server = new_server(asks(issuer, NO_AUTH + "\nAuthBearerIntrospectionTTL 0")
                        + location("/", '<If "claim(\'sub\') == \'alice\'">\n'
                                   "Header always set X-Alice yes\n</If>"),
                        modules=["headers"])
    token = known(issuer)
    assert granted(server.get("/", token)).get("X-Alice") == "yes"
    assert issuer.count("introspect") == 1
    granted(server.get("/", token))  # each request asks
    invalid(server.get("/", opaque()), "inactive", "inactive")
    assert issuer.count("introspect") == 3
    issuer.script("introspect", status=500)
    refused(server.get("/", opaque()), 503, None, "unavailable", "introspection")
    assert issuer.count("introspect") == 4


def test_never_past_exp(new_server, issuer):
    """A TTL of an hour, a token of two seconds (and no skew)."""
    server = new_server("AuthBearerClockSkew 0\n" + asks(
        issuer, NO_AUTH + "\nAuthBearerIntrospectionTTL 1h") + ALL)
    token = known(issuer, exp=int(time.time()) + 2)
    granted(server.get("/", token))
    issuer.active[token]["exp"] += 600  # were it asked again, it would be good
    wait_until(lambda: (server.get("/", token), issuer.count("introspect"))[1]
               > 1, 10, "the second question")


def test_each_place_judges_for_itself(server, issuer):
    """And asks for itself: an answer is kept for those rules it was asked for."""
    token = known(issuer)
    granted(server.get("/", token))
    invalid(server.get("/other", token), "audience", "aud",
            log="AuthBearerAudience")
    invalid(server.get("/clients", token), "client", "clients")
    granted(server.get("/", token))
    assert issuer.count("introspect") == 3
    granted(server.get("/noaud", known(issuer, aud=None)))


@pytest.mark.allow_log("AB0261")
def test_what_is_on_the_revocation_list_is_not_asked_about(new_server, issuer):
    """What is known here is looked at first; so is a list that cannot be read."""
    token, other = known(issuer), known(issuer)
    server = new_server('AuthBearerRevocations "file:@ROOT@/revoked"\n'
                        + asks(issuer, NO_AUTH) + ALL, files={
                            "revoked": "token %s 0\n" % hashlib.sha256(
                                token.encode()).hexdigest()})
    for _ in range(2):
        invalid(server.get("/", token), "revoked", "revoked")
    assert issuer.count("introspect") == 0
    granted(server.get("/", other))
    server.write("revoked", "no such line\n")
    wait_until(lambda: server.get("/", other).status == 503, 10, "the list")
    asked = issuer.count("introspect")
    refused(server.get("/", known(issuer)), 503, None, "unavailable",
            "revocation_list")
    assert issuer.count("introspect") == asked


def test_revocation_list_counts_for_what_is_kept(new_server, issuer):
    server = new_server('AuthBearerRevocations "file:@ROOT@/revoked"\n'
                        + asks(issuer, NO_AUTH) + ALL, start=False)
    server.write("revoked", "")
    server.start()
    token = known(issuer)
    granted(server.get("/", token))
    server.write("revoked", "token %s 0\n"
                 % hashlib.sha256(token.encode()).hexdigest())
    wait_until(lambda: server.get("/", token).status == 401, 10, "revocation")
    invalid(server.get("/", token), "revoked", "revoked")
    assert issuer.count("introspect") == 1


@pytest.fixture(scope="module")
def redis():
    program = shutil.which("redis-server")
    missing.need("redis-server", program)
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
         "--appendonly", "no"], stdout=subprocess.DEVNULL)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10,
               "redis")
    yield port
    process.terminate()
    process.wait()


def test_one_connection_serves_many_requests(new_server, issuer, redis):
    """httpd's provider keeps connections; another one for each request would be
    lost on it, and on the cache."""
    import redis as client
    server = new_server(
        'AuthBearerSOCache redis:127.0.0.1:%d for=introspection\n'
        'AuthBearerSecretFile "@ROOT@/secret"\nAuthBearerTokenCache off\n'
        % redis + asks(issuer, NO_AUTH) + ALL, modules=("socache_redis",),
        files={"secret": (b"k" * 40 + b"0123456789", 0o600)})
    db, token = client.Redis("127.0.0.1", redis), known(issuer)
    granted(server.get("/", token))
    before = db.info()["total_connections_received"]
    for _ in range(40):
        granted(server.get("/", token))
    assert db.info()["total_connections_received"] - before <= 8  # threads
    assert issuer.count("introspect") == 1


def test_what_leaves_the_host_is_sealed(new_server, issuer, redis):
    import redis as client
    secrets.register("k" * 32)
    server = new_server(
        'AuthBearerSOCache redis:127.0.0.1:%d for=introspection\n'
        'AuthBearerSecretFile "@ROOT@/secret"\nAuthBearerTokenCache off\n'
        % redis + asks(issuer, NO_AUTH) + ALL, start=False,
        modules=("socache_redis",))
    server.write("secret", "".join(chr(65 + i % 26) for i in range(48)), 0o600)
    server.start()
    token = known(issuer, sub="alice", note="visible-nowhere")
    for _ in range(3):
        granted(server.get("/", token))
    assert issuer.count("introspect") == 1
    db = client.Redis("127.0.0.1", redis)
    keys = db.keys("*")
    assert keys
    for key in keys:
        value = db.get(key)
        assert b"visible-nowhere" not in value and b"alice" not in value
        assert token.encode() not in key + value
        db.set(key, value[:-1] + bytes([value[-1] ^ 1]))  # forged
    granted(server.get("/", token))
    assert issuer.count("introspect") == 2


# --- many at once ------------------------------------------------------------

def together(count, work):
    """Runs work(i) in threads; a list of results."""
    results = [None] * count

    def run(i):
        results[i] = work(i)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def test_one_flight_per_token(server, issuer):
    token = known(issuer)
    hold = threading.Event()
    issuer.script("introspect", hold=hold)
    raw = ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
           "Authorization: Bearer %s\r\n\r\n" % token).encode()
    from support import client
    threads, results = together(
        4, lambda i: client.Response(client.exchange(server.port, raw)))
    wait_until(lambda: issuer.count("introspect"), 10, "the question")
    hold.set()
    for thread in threads:
        thread.join(30)
    assert [r.status for r in results] == [200] * 4
    assert issuer.count("introspect") in (1, 2)  # one per child


@pytest.mark.core
def test_cap_on_waiting_workers(new_server, issuer, mpm):
    """An issuer that does not answer takes half of the workers at most; who
    comes then gets 503 at once, and everything else is served."""
    from support import client
    server = new_server(asks(issuer, NO_AUTH + "\nAuthBearerTimeout connect=5s "
                             "total=20s") + location("/a"))
    hold = threading.Event()
    issuer.script("introspect", hold=hold)
    full = threading.Event()
    statuses = []

    def ask(_):
        raw = ("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Authorization: Bearer %s\r\n\r\n" % known(issuer)).encode()
        res = client.Response(client.exchange(server.port, raw))
        statuses.append(res.status)
        if res.status == 503:
            assert res.get("Retry-After")
            full.set()
        return res
    threads, results = together(14, ask)
    try:
        assert full.wait(15), "nobody was turned away: %r" % statuses
        assert set(statuses) == {503}
        raw = client.exchange(server.port, b"GET /free HTTP/1.1\r\nHost: x\r\n"
                              b"Connection: close\r\n\r\n", 10)
        assert b"200 OK" in raw
    finally:
        hold.set()
    for thread in threads:
        thread.join(40)
    assert sorted({r.status for r in results}) == [200, 503]
    assert server.wait_log("AB0252", issuer.url, "AuthBearerTimeout total=")


# --- whose token it is -------------------------------------------------------

@pytest.fixture(scope="module")
def three(new_server, issuers):
    """Hydra by its prefix, another by a longer one, one for the rest, and one
    that is declared but has no endpoint."""
    hydra = issuers.issuer("hydra", "rs256")
    special = issuers.issuer("special", "es256-special")
    rest = issuers.issuer("rest", "es256-rest")
    mute = issuers.issuer("mute", "es256-mute")
    server = new_server(
        asks(hydra, NO_AUTH + "\nAuthBearerTokenPrefix ory_at_ ory_rt_", "hydra")
        + asks(special, NO_AUTH + "\nAuthBearerTokenPrefix ory_at_special_",
               "special")
        + asks(rest, NO_AUTH, "rest")
        + asks(mute, "AuthBearerTokenPrefix mute_", "mute", endpoint="off")
        + 'AuthBearerUserFormat "%u@%i"\n' + location("/all")
        + location("/hydra", "AuthBearerAcceptIssuer " + hydra.url)
        + location("/narrow", "AuthBearerAcceptIssuer %s %s"
                   % (hydra.url, mute.url))
        + location("/jwt", "AuthBearerProvider jwt"))
    return server, hydra, special, rest, mute


@pytest.fixture()
def several(three):
    for issuer in three[1:]:
        issuer.reset()
    return three


def test_by_prefix(several):
    server, hydra, special, rest, mute = several
    for issuer, prefix, user in ((hydra, "ory_at_", "alice@hydra"),
                                 (special, "ory_at_special_", "alice@special"),
                                 (rest, "anything-", "alice@rest")):
        granted(server.get("/all", known(issuer, prefix)), user)
        assert [i.count("introspect") for i in (hydra, special, rest)] == [
            int(i is issuer) for i in (hydra, special, rest)]
        for one in (hydra, special, rest):
            one.reset()


def test_never_shown_to_a_second_issuer(several):
    """Unknown at its issuer is final, although another would know it."""
    server, hydra, special, rest, mute = several
    token = opaque("ory_at_")
    rest.active[token] = special.active[token] = answer()
    invalid(server.get("/all", token), "inactive", "inactive")
    token = opaque("mute_")
    rest.active[token] = answer()
    invalid(server.get("/all", token), "issuer", "chain",
            log="AuthBearerIntrospection")
    assert [i.count("introspect") for i in several[1:]] == [1, 0, 0, 0]


def test_issuer_that_is_not_accepted_is_not_asked(several):
    server, hydra, special, rest, mute = several
    token = opaque("ory_at_special_")
    hydra.active[token] = special.active[token] = answer()
    invalid(server.get("/hydra", token), "issuer", "chain",
            log="AuthBearerAcceptIssuer")
    token = opaque()
    hydra.active[token] = rest.active[token] = answer()
    invalid(server.get("/narrow", token), "issuer", "chain",
            log="AuthBearerTokenPrefix")
    assert sum(i.count("introspect") for i in several[1:]) == 0


def test_chain_without_introspection(several):
    server, hydra, special, rest, mute = several
    invalid(server.get("/jwt", known(rest)), "malformed", "segments")
    assert sum(i.count("introspect") for i in several[1:]) == 0


def test_without_an_endpoint_nobody_is_asked(new_server, issuer):
    server = new_server(asks(issuer, endpoint="off") + ALL)
    invalid(server.get("/", known(issuer)), "malformed", "segments")
    assert issuer.count("introspect") == 0


def test_token_with_prefix_is_opaque_whatever_it_looks_like(several):
    server, hydra, special, rest, mute = several
    token = "ory_at_" + hydra.mint()
    secrets.register(token)
    hydra.active[token] = answer()
    granted(server.get("/all", token), "alice@hydra")


# --- JWTs --------------------------------------------------------------------

@pytest.fixture(scope="module")
def everything(new_server, issuer, issuers):
    other = issuers.issuer("local", "es256-local")
    server = new_server(
        asks(issuer, NO_AUTH, endpoint=issuer.introspect_url + " for=all")
        + '<AuthBearerIssuer "%s">\nAuthBearerKeys %s\n</AuthBearerIssuer>\n'
        % (other.url, other.jwks_url) + ALL
        + location("/only", "AuthBearerProvider introspection\n"
                   "AuthBearerUserFormat %u"))
    return server, other


def test_jwt_is_asked_about(everything, issuer):
    server, other = everything
    token = issuer.mint()
    issuer.active[token] = answer(sub="bob")
    env = granted(server.get("/env", token), None).env
    assert (env["REMOTE_USER"], env["BEARER_METHOD"]) == ("bob",
                                                          "introspection")
    revoked = issuer.mint(sub="eve")
    invalid(server.get("/", revoked), "inactive", "inactive")
    assert issuer.count("introspect") == 2


def test_jwt_stays_bound(new_server, issuer):
    """Its own cnf counts if the response has none, from the cache, too."""
    server = new_server(
        "AuthBearerBaseURL http://server.test\n"
        + asks(issuer, NO_AUTH, endpoint=issuer.introspect_url + " for=all") + ALL)
    token = issuer.mint(cnf={"jkt": proofs.jkt("es256-dpop")})
    for over in ({}, {"cnf": None}):
        issuer.active[token] = answer() | over
        for _ in range(3):
            invalid(server.get("/", token), "binding", "binding")
            granted(server.get("/", headers=proofs.fields(
                token, proofs.proof("http://server.test/", token))))
        server.restart()
    issuer.active[token] = answer(cnf={"jkt": proofs.jkt("es256-new")})
    granted(server.get("/", headers=proofs.fields(
        token, proofs.proof("http://server.test/", token, name="es256-new"))))


def test_jwt_of_the_others_is_verified_here(everything, issuer):
    server, other = everything
    assert granted(server.get("/env", other.mint()),
                   None).env["BEARER_METHOD"] == "jwt"
    forged = issuer.mint(iss="https://unknown.test/")
    invalid(server.get("/", forged), "issuer", "iss")
    # nor is it shown to anybody where only introspection may answer
    invalid(server.get("/only", other.mint()), "issuer", "chain", log="for=all")
    invalid(server.get("/only", forged), "issuer", "chain")
    assert issuer.count("introspect") == 0


def test_jwt_is_verified_here_without_for_all(server, issuer):
    granted(server.get("/", issuer.mint()))
    assert issuer.count("introspect") == 0


def test_malformed_jwt_is_not_shown_to_anybody(everything, issuer):
    server, other = everything
    token = issuer.mint()
    for bad in (token + ".x.y", token.rsplit(".", 1)[0] + "."):
        res = server.get("/", bad)
        assert res.status == 401, res
    assert issuer.count("introspect") == 0


# --- where the endpoint is ---------------------------------------------------

def test_discovered_endpoint(new_server, issuer):
    server = new_server(asks(issuer, NO_AUTH, endpoint="discover") + ALL)
    granted(server.get("/", known(issuer)))
    assert issuer.count("introspect") == 1


def test_no_endpoint_in_the_metadata(new_server, issuers):
    poor = issuers.issuer("poor", "rs256")
    del poor.metadata["introspection_endpoint"]
    server = new_server(asks(poor, NO_AUTH, endpoint="discover") + ALL)
    refused(server.get("/", known(poor)), 503, None, "unavailable",
            "introspection", log=NO_ENDPOINT)


def test_addresses_of_the_seed_load(checker):
    """http://hydra:4444 and its admin port, as containers name them."""
    done = checker("""
AuthBearerPlainHTTP hydra
<AuthBearerIssuer "http://hydra:4444" hydra>
    AuthBearerIntrospection http://hydra:4445/admin/oauth2/introspect
    AuthBearerTokenPrefix ory_at_
    AuthBearerClientAuth none
</AuthBearerIssuer>
<Location "/user">
    AuthType Bearer
    AuthBearerAudience api://user
    Require scope user.read
</Location>
""")
    assert done.status == 0, done


# --- the throttle ------------------------------------------------------------

def test_throttle(new_server, issuer):
    """Inactive tokens count, an issuer that is down does not, and during a
    penalty nobody is asked, but who was let in before stays in."""
    server = new_server(asks(issuer, NO_AUTH) + location(
        "/", "AuthBearerThrottle threshold=3 window=60s penalty=60s"),
        throttle=True)
    honest = known(issuer)
    granted(server.get("/", honest))
    issuer.script("introspect", status=500)
    for _ in range(4):
        refused(server.get("/", opaque()), 503)
    issuer.script("introspect")
    for _ in range(3):
        invalid(server.get("/", opaque()), "inactive", "inactive")
    before = issuer.count("introspect")
    refused(server.get("/", opaque()), 429)
    refused(server.get("/", known(issuer)), 429)
    granted(server.get("/", honest))
    assert issuer.count("introspect") == before


def test_the_same_inactive_token_is_asked_about_once(new_server, issuer):
    """It counts once only, so nothing else would bound what one client can make
    the issuer answer. Another token, and another place, are asked about."""
    server = new_server(asks(issuer, NO_AUTH) + location(
        "/", "AuthBearerThrottle threshold=5 window=60s penalty=60s") + location(
        "/other", audience="api://other"), throttle=True)
    token, honest = opaque(), known(issuer)
    for _ in range(12):
        invalid(server.get("/", token), "inactive", "inactive")
    assert issuer.count("introspect") == 1
    invalid(server.get("/other", token), "inactive", "inactive")
    granted(server.get("/", honest))
    assert issuer.count("introspect") == 3


def test_an_inactive_token_is_asked_about_again_after_the_window(new_server,
                                                                issuer):
    server = new_server(asks(issuer, NO_AUTH) + location(
        "/", "AuthBearerThrottle threshold=5 window=1s penalty=60s"),
        throttle=True)
    token = opaque()
    invalid(server.get("/", token), "inactive", "inactive")
    issuer.active[token] = answer()  # by a replica that has heard of it
    wait_until(lambda: server.get("/", token).status == 200, 10,
               "the end of the window")
    assert issuer.count("introspect") == 2


# --- configtest --------------------------------------------------------------

def test_what_is_missing(checker, issuer):
    for lines, words in (
            (["AuthBearerClientID me"],
             ["AB0743", "client_secret_basic", "AuthBearerClientSecret",
              "AuthBearerClientAuth none"]),
            (["AuthBearerClientAuth client_secret_post"],
             ["AB0743", "client_secret_post", "AuthBearerClientID"]),
            (["AuthBearerClientID me", "AuthBearerClientAuth private_key_jwt"],
             ["AB0743", "private_key_jwt", "AuthBearerClientKey"]),
            (["AuthBearerClientID me", "AuthBearerClientAuth tls_client_auth"],
             ["AB0743", "tls_client_auth", "AuthBearerClientCert"]),
            (["AuthBearerClientAuth jwt_file"],
             ["AB0743", "jwt_file", "AuthBearerClientSecret"]),
            (["AuthBearerClientAuth jwt_file",
              "AuthBearerClientSecret exec:/bin/true"],
             ["AB0744", "jwt_file", "file:PATH"]),
            (["AuthBearerClientAuth bearer"],
             ["AB0741", "bearer", "AuthBearerClientSecret"]),
            (["AuthBearerClientID me", "AuthBearerMetadata off",
              "AuthBearerClientAuth bearer",
              "AuthBearerClientSecret exec:/bin/true"],
             ["AB0742", issuer.url, "AuthBearerMetadata"]),
            (["AuthBearerClientAuth none aud=both"],
             ["AB0503", "AuthBearerClientAuth", "'both'", "endpoint"]),
            (["AuthBearerIntrospection file:/x"],
             ["AB0533", "AuthBearerIntrospection", "file:/x"]),
            (["AuthBearerIntrospection discover for=some"],
             ["AB0503", "AuthBearerIntrospection", "'some'", "opaque"]),
            (["AuthBearerIntrospectionTTL never"],
             ["AB0504", "AuthBearerIntrospectionTTL", "'never'"]),
            (['AuthBearerTokenPrefix ""'], ["AB0501", "AuthBearerTokenPrefix"])):
        done = checker(conf_for(issuer, lines))
        assert done.status != 0, (lines, done)
        assert "httpd.conf:" in done.output or "line" in done.output, done
        assert done.says(*words), (words, done)


def test_nothing_about_the_client_is_noticed(checker, issuer):
    done = checker(conf_for(issuer, []))
    assert done.status == 0, done
    assert done.says("AB0793", issuer.url), done
    assert not checker(conf_for(issuer, [NO_AUTH])).says("AB0793")


def test_prefix_of_two(checker, issuers):
    a, b = issuers.issuer("pa", "rs256"), issuers.issuer("pb", "rs256")
    done = checker(asks(a, NO_AUTH + "\nAuthBearerTokenPrefix x_ y_", "a")
                   + asks(b, NO_AUTH + "\nAuthBearerTokenPrefix y_", "b") + ALL)
    assert done.status != 0, done
    assert done.says("AB0728", a.url, b.url, "'y_'", "AuthBearerAcceptIssuer"), done


def test_prefix_of_two_in_different_places(one_server, issuers):
    """Each place asks its own issuer."""
    a, b = issuers.issuer("da", "rs256"), issuers.issuer("db", "rs256")
    conf = "".join(asks(i, NO_AUTH + "\nAuthBearerTokenPrefix y_", i.name)
                   for i in (a, b))
    server = one_server(conf + "".join(
        location("/" + i.name, "AuthBearerAcceptIssuer " + i.url) for i in (a, b)))
    a.active["y_token"] = {"active": True, "sub": "alice", "aud": "api://test",
                           "client_id": "c"}
    granted(server.get("/da", "y_token"))
    assert server.get("/db", "y_token").status == 401
    assert (a.count("introspect"), b.count("introspect")) == (1, 1)


def test_prefix_of_nobody(checker, issuer):
    done = checker(asks(issuer, "AuthBearerTokenPrefix x_", endpoint="off")
                   + ALL)
    assert done.status == 0, done
    assert done.says("AB0792", issuer.url, "AuthBearerIntrospection"), done


def test_dump(checker, issuer):
    done = checker(asks(issuer, "AuthBearerClientID me\n"
                        "AuthBearerClientSecret exec:/bin/echo\n"
                        "AuthBearerTokenPrefix ory_at_ ory_rt_\n"
                        "AuthBearerIntrospectionTTL 5min\n"
                        "AuthBearerClientAuth client_secret_jwt aud=endpoint",
                        endpoint=issuer.introspect_url + " for=all") + ALL,
                   "-D", "DUMP_BEARER")
    for line in ("AuthBearerIntrospection %s for=all" % issuer.introspect_url,
                 "AuthBearerIntrospectionTTL 300s",
                 "AuthBearerTokenPrefix ory_at_ ory_rt_",
                 "AuthBearerClientSecret ***",
                 "AuthBearerClientAuth client_secret_jwt aud=endpoint"):
        assert line in done.output, (line, done)
