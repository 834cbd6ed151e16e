# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A gateway in front of a provider and the APIs, as people run Oathkeeper in
front of Hydra: a client gets its token through the gateway (client_credentials)
and uses it there, be it opaque or a JWT. The provider is a real one.
"""
import base64
import os
import re
import time
import urllib.parse

import pytest

from support import node, secrets
from support.client import build
from support.expect import anonymous, granted, invalid, refused
from support.httpd import TOP, wait_until
from support.issuer import headers_of
from support.service import SessionService

CLIENT, SECRET = "batch", "the-secret-of-the-batch-client"
GATEWAY, GATEWAY_SECRET = "gateway", "the-secret-of-the-gateway-itself"
SCOPE = "user.read"

#: The gateway: everything is protected, the provider's own paths are not.
CONF = """
ProxyPass "/oauth2/token" "{issuer}/token"
ProxyPass "/oauth2/revoke" "{issuer}/token/revocation"
<AuthBearerIssuer "{issuer}" provider>
    AuthBearerIntrospection discover
    AuthBearerIntrospectionTTL {ttl}
    AuthBearerClientID {gateway}
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
<Location "/">
    AuthType Bearer
    AuthName "gateway"
    AuthBearerAudience api://user
    AuthBearerNoAudience accept
    AuthBearerClients {client}
    AuthBearerExport both
    Require scope {scope}
</Location>
<Location "/admin">
    Require scope admin.write
</Location>
<LocationMatch "^/oauth2/(token|revoke)$">
    AuthType None
    Require all granted
</LocationMatch>
"""

#: What differs between two tokens of one client, or says which kind it is.
OWN = ("aud", "exp", "iat", "jti", "token_type", "active", "nbf")

#: httpd's own words about a provider that does not answer.
pytestmark = pytest.mark.allow_log("AH00957", "AH01114", "AB0205", "AB0208")


@pytest.fixture(scope="module")
def node_is_there():
    node.need()


def real_provider(node_client=CLIENT):
    """A provider that gives this client opaque tokens, and JWTs when it names a
    resource."""
    secrets.register(SECRET, GATEWAY_SECRET)
    return node.RealProvider(
        [{"client_id": node_client, "client_secret": SECRET,
          "grant_types": ["client_credentials"], "redirect_uris": [],
          "response_types": [], "scope": "user.read admin.write"},
         {"client_id": GATEWAY, "client_secret": GATEWAY_SECRET,
          "grant_types": [], "redirect_uris": [], "response_types": []}],
        scopes=["openid", "user.read", "admin.write"],
        resources={name: {"scope": "user.read admin.write",
                          "accessTokenFormat": "jwt"}
                   for name in ("api://user", "api://other", "api://gateway")})


@pytest.fixture
def gateway(one_server, backend, node_is_there):
    """gateway(ttl, up) gives a server and its provider."""
    made = []

    def make(ttl="60s", up=True):
        provider = real_provider()
        made.append(provider)
        if not up:
            provider.close()
        server = one_server(CONF.format(
            issuer=provider.url, ttl=ttl, gateway=GATEWAY, client=CLIENT,
            scope=SCOPE), backend=backend,
            files={"client": (GATEWAY_SECRET + "\n", 0o600)})
        return server, provider
    yield make
    for provider in made:
        provider.close()


def form(server, path, client=CLIENT, **fields):
    """A form from the client, authenticated as RFC 6749 section 2.3.1 says."""
    basic = base64.b64encode(("%s:%s" % (client, SECRET)).encode()).decode()
    return server.raw(build("POST", path, {
        "Authorization": "Basic " + basic,
        "Content-Type": "application/x-www-form-urlencoded"},
        urllib.parse.urlencode(fields).encode()))


def token_of(server, scope=SCOPE, **fields):
    """The client's way to a token, through httpd."""
    res = form(server, "/oauth2/token", grant_type="client_credentials",
               scope=scope, **fields)
    assert res.status == 200, res
    token = res.json()["access_token"]
    secrets.register(token)
    return token


def jwt_of(server, resource="api://user", **fields):
    return token_of(server, resource=resource, **fields)


def principal(values, prefix):
    """Everything that is said of the caller, less what is the token's own."""
    own = [prefix + name for name in OWN]
    return {k: v for k, v in values.items()
            if k.startswith(prefix) and k not in own}


@pytest.mark.core
def test_both_kinds_of_token_are_one_principal(gateway):
    server, _ = gateway()
    opaque, jwt = token_of(server), jwt_of(server)
    assert "." not in opaque and jwt.count(".") == 2
    envs = [granted(server.get("/user/env", token), CLIENT).env
            for token in (opaque, jwt)]
    assert [env["BEARER_METHOD"] for env in envs] == ["introspection", "jwt"]
    claims = [principal(env, "BEARER_CLAIM_") for env in envs]
    assert claims[0] == claims[1]
    assert claims[0]["BEARER_CLAIM_sub"] == CLIENT
    assert claims[0]["BEARER_CLAIM_client_id"] == CLIENT
    for name in ("REMOTE_USER", "AUTH_TYPE", "BEARER_ISSUER",
                 "BEARER_ISSUER_NAME", "BEARER_SCOPE"):
        assert envs[0][name] == envs[1][name]
    assert envs[0]["BEARER_SCOPE"] == SCOPE
    seen = [headers_of(granted(server.get("/user/be/me", token), CLIENT))
            for token in (opaque, jwt)]
    claims = [principal(headers, "x-claim-") for headers in seen]
    assert claims[0] == claims[1]
    assert claims[0]["x-claim-sub"] == [CLIENT]
    for headers in seen:
        assert headers["x-forwarded-user"] == [CLIENT]
        assert "authorization" not in headers


def test_refused_alike(gateway):
    """Neither kind gets where its scope does not reach."""
    server, _ = gateway()
    anonymous(server.get("/user/be/me"), scope=SCOPE)
    for get in (token_of, jwt_of):
        refused(server.get("/admin/be/x", get(server)), 403,
                "insufficient_scope", "scope", "scope", scope="admin.write")
        granted(server.get("/admin/be/x", get(server, scope="admin.write")),
                CLIENT)
    invalid(server.get("/user/be/me", jwt_of(server, "api://other")),
            "audience", "aud")
    invalid(server.get("/user/be/me", "x" * 43), "inactive", "inactive")


def test_bodies_pass(gateway):
    server, _ = gateway()
    body = bytes(range(256)) * 64
    for token in (token_of(server), jwt_of(server)):
        seen = granted(server.request("POST", "/user/be/me?a=b", token,
                                      body=body), CLIENT).json()
        assert seen["method"] == "POST" and seen["path"] == "/user/be/me?a=b"
        assert seen["body"].encode("latin-1") == body


def test_revoked_at_the_provider(gateway):
    """Ends within the TTL; another token of the same client does not."""
    server, _ = gateway(ttl="1500ms")
    token, other = token_of(server), token_of(server)
    for one in (token, other):
        granted(server.get("/user/be/me", one), CLIENT)
    assert form(server, "/oauth2/revoke", token=token).status == 200
    start = time.monotonic()
    wait_until(lambda: server.get("/user/be/me", token).status == 401, 10,
               "the end of a revoked token")
    assert time.monotonic() - start < 5
    invalid(server.get("/user/be/me", token), "inactive", "inactive")
    granted(server.get("/user/be/me", other), CLIENT)


def test_provider_goes_down_and_comes_back(gateway):
    server, provider = gateway(ttl="0")
    opaque, jwt = token_of(server), jwt_of(server)
    fresh = jwt_of(server)
    for token in (opaque, jwt):
        granted(server.get("/user/be/me", token), CLIENT)
    provider.close()
    refused(server.get("/user/be/me", opaque), 503, None, "unavailable",
            "introspection")
    for token in (jwt, fresh):  # its keys are known
        granted(server.get("/user/be/me", token), CLIENT)
    provider.start()
    granted(server.get("/user/be/me", fresh), CLIENT)
    wait_until(lambda: server.get("/user/be/me", opaque).status != 503, 10,
               "the provider is asked again")
    invalid(server.get("/user/be/me", opaque), "inactive", "inactive")
    granted(server.get("/user/be/me", token_of(server)), CLIENT)


def test_what_was_learned_lasts_for_its_time(gateway):
    """Within the TTL an answer stands although the provider is down."""
    server, provider = gateway(ttl="1h")
    token = token_of(server)
    granted(server.get("/user/be/me", token), CLIENT)
    provider.close()
    granted(server.get("/user/be/me", token), CLIENT)


def test_started_without_the_provider(gateway):
    """Nothing is known yet: 503 for both kinds, until it is there."""
    server, provider = gateway(up=False)
    provider.start()
    jwt = jwt_of(server)
    provider.close()
    refused(server.get("/user/be/me", jwt), 503, None, "unavailable")
    refused(server.get("/user/be/me", "x" * 43), 503, None, "unavailable",
            "introspection")


# --- the configuration of docs/guide/migrating/oathkeeper.md --------------------------

def example(language):
    """The blocks in this language below "Example"."""
    with open(os.path.join(TOP, "docs/guide/migrating/oathkeeper.md"),
              encoding="utf-8") as f:
        text = f.read().partition("\n## Example\n")[2]
    return re.findall(r"^```%s\n(.*?)^```" % language, text, re.M | re.S)


def documented(provider, store, backend):
    """The rewritten Oathkeeper configuration, at the addresses of this test.
    This provider wants to know who asks, Hydra does not."""
    conf, = example("apache")
    for old, new in (
            ("http://hydra:4444/.well-known/jwks.json", provider.url + "/jwks"),
            ("http://hydra:4445/admin/oauth2/introspect",
             provider.url + "/token/introspection"),
            ("http://hydra:4444/oauth2/token", provider.url + "/token"),
            ("http://hydra:4444", provider.url),
            ("http://kratos:4433", store.url),
            ("http://app-user:8082", backend.url),
            ("http://app-admin:8081", backend.url),
            ("Listen 127.0.0.1:4455\n", ""),
            ("127.0.0.1:4455", "127.0.0.1:@PORT@"),
            ("    AuthBearerTokenPrefix ory_at_\n", ""),
            ("    AuthBearerClientAuth none\n",
             "    AuthBearerClientID %s\n    AuthBearerClientSecret "
             '"file:@ROOT@/client"\n' % GATEWAY)):
        assert old in conf, old
        conf = conf.replace(old, new)
    return conf


@pytest.fixture
def migrated(one_server, backend, node_is_there):
    """The server of the document, and its session service."""
    provider, store = real_provider("api-client"), SessionService()
    yield one_server(documented(provider, store, backend), children=2, files={
        "client": (GATEWAY_SECRET + "\n", 0o600)}), store
    store.close()
    provider.close()


@pytest.mark.allow_log("AB0769 hydra", "AB0769 kratos",
                       "AH01630: client denied by server configuration")
def test_configuration_of_the_document(migrated):
    server, store = migrated
    tokens = []
    for resource in ({}, {"resource": "api://gateway"}):
        res = form(server, "/oauth2/token", "api-client",
                   grant_type="client_credentials", scope=SCOPE, **resource)
        assert res.status == 200, res
        tokens.append(res.json()["access_token"])
        secrets.register(tokens[-1])
    cookie = "kratos-session-of-alice"
    secrets.register(cookie)
    store.known[cookie] = {"identity": {"id": "alice"}, "active": True}
    for path in ("/user/me", "/admin/x"):
        for token in tokens:
            seen = granted(server.get(path, token), "api-client")
            assert headers_of(seen)["x-forwarded-user"] == ["api-client"]
            assert seen.json()["path"] == path
        seen = granted(server.get(path, headers={
            "Cookie": "ory_kratos_session=%s; theme=dark" % cookie}), "alice")
        assert headers_of(seen)["x-forwarded-user"] == ["alice"]
        assert headers_of(seen)["cookie"] == ["theme=dark"]
        anonymous(server.get(path))
        invalid(server.get(path, "x" * 43), "inactive", "inactive")
        refused(server.request("DELETE", path, tokens[0]), 403)
    for question in store.questions:  # never about a token
        assert question.url.path == "/sessions/whoami"
        assert question.cookies == {"ory_kratos_session": cookie}
        assert question.header("Authorization") is None
    assert store.count
    gone = {"Cookie": "ory_kratos_session=gone"}
    assert server.get("/user/me", headers=gone).status == 401
    res = server.get("/user/me?a=b", headers={**gone, "Accept": "text/html"})
    assert res.status == 302, res
    assert res.get("Location") == (
        "https://gateway.example.com/self-service/login/browser?return_to="
        + urllib.parse.quote("http://gateway.example.com:%d/user/me?a=b" % server.port, "."))


def names(text):
    return set(re.findall(r"[\w-]+", text))


def test_oathkeeper_starts_with_the_files_of_the_document():
    """Rules are loaded, each names all that Oathkeeper demands, and every handler in
    them is enabled."""
    main, rules = example("yaml")
    enabled = {}
    for part in re.split(r"^(?=\w)", main, flags=re.M):
        kind, _, body = part.partition(":")
        enabled[kind] = set(re.findall(r"^  (\w+):(?: \{|\n +)(?: *)enabled: true", body, re.M))
    assert re.search(r"^access_rules:\n  repositories: \[ \S+rules\.yml\S* \]$", main, re.M)
    listed = re.split(r"^- ", rules, flags=re.M)[1:]
    used = {"authenticators": set(), "authorizers": set(), "mutators": set()}
    for rule in listed:
        rows = dict(re.findall(r"^ *(\w+): (.*)$", rule, re.M))
        assert {"id", "match", "upstream", "authenticators", "authorizer",
                "mutators"} == set(rows)
        for kind in used:
            row = rows.get(kind) or rows[kind[:-1]]
            used[kind] |= set(re.findall(r"handler: (\w+)", row))
    assert len(listed) == 2 and used == {kind: enabled[kind] for kind in used}


def test_every_word_with_a_hint_has_a_row():
    """Words of Oathkeeper that configtest answers with this module's own."""
    with open(os.path.join(TOP, "src/trust/hints.c"), encoding="utf-8") as f:
        hints = set(re.findall(r'{ (?:CHECK|PROVIDER), "(\w+)"', f.read()))
    with open(os.path.join(TOP, "docs/guide/migrating/oathkeeper.md"),
              encoding="utf-8") as f:
        rows = set().union(*(names(cell) for cell in re.findall(r"^\|([^|]+)\|", f.read(), re.M)))
    assert len(hints) > 15 and hints <= rows
