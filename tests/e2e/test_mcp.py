# Licensed under the Apache License, Version 2.0; see LICENSE.
"""An MCP server behind httpd, met by the MCP SDK's own client, which knows its
URL and nothing else: it is refused, discovers, gets a token, calls a tool."""
import hashlib
import json
import os
import shutil
import subprocess
import time
import urllib.parse

import pytest

from support import missing, node, tokens
from support.httpd import SLOW

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mcp")
WELL_KNOWN = "/.well-known/oauth-protected-resource"

pytestmark = missing.needs("npm", shutil.which("npm"))


@pytest.fixture(scope="module")
def sdk():
    """The locked versions of package-lock.json, installed once."""
    node.need(HERE)
    return HERE


@pytest.fixture(scope="module")
def mcp(sdk):
    process = subprocess.Popen(["node", "server.mjs"], cwd=sdk,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = int(process.stdout.readline())
    yield "http://127.0.0.1:%d" % port
    process.stdin.close()
    process.wait(20)


class Provider:
    """Authorization and token endpoint: a code for whoever asks, the audience
    is the resource (RFC 8707), PKCE (RFC 7636)."""

    def __init__(self, issuer):
        self.issuer, self.asked, self.forms = issuer, [], []
        self.grant_less = 0
        issuer.metadata.update({
            "authorization_endpoint": issuer.url + "/authorize",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"]})
        issuer.script("authorize", body=self.authorize)
        issuer.script("token", body=self.token)

    def authorize(self, request):
        """In place of a page and a redirect: the code itself."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        self.asked.append({k: v[0] for k, v in query.items()})
        return json.dumps({"code": "code-%d" % len(self.asked)})

    def token(self, request):
        form = request.form
        asked = self.asked[-1]
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert tokens.b64(digest) == asked["code_challenge"]
        assert form["code"] == "code-%d" % len(self.asked)
        self.forms.append(form)
        scope = asked.get("scope", "")
        if self.grant_less:
            self.grant_less -= 1
            scope = "other"
        now = int(time.time())
        return json.dumps({
            "token_type": "Bearer", "expires_in": 300,
            "access_token": self.issuer.mint(
                aud=form.get("resource", "nobody"), sub="agent", iat=now,
                exp=now + 300, client_id="mcp-client", scope=scope)})


@pytest.fixture
def provider(issuers):
    name = "mcp-%d" % len(issuers.issuers)
    return Provider(issuers.issuer(name, "es256"))


@pytest.fixture
def server(one_server, provider, mcp):
    return one_server("""
AuthBearerIssuer %s
<Location "/">
    AuthType Bearer
    AuthName "mcp"
    AuthBearerAudience nobody-comes-in-here
    Require valid-user
</Location>
<Location "/mcp">
    AuthBearerResource http://127.0.0.1:@PORT@/mcp "name=Orders for agents"
    AuthBearerAudience http://127.0.0.1:@PORT@/mcp
    Require scope orders.read
</Location>
ProxyPass "/mcp" "%s/mcp"
ProxyPass "/" "%s/"
""" % (provider.issuer.url, mcp, mcp), modules=("proxy", "proxy_http"))


def client(sdk, url, *credentials):
    done = subprocess.run(["node", "client.mjs", url, *credentials], cwd=sdk,
                          capture_output=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def login(sdk, server):
    return client(sdk, server.url + "/mcp", "mcp-client", "s3cret-of-mcp")


def test_discovers_gets_a_token_and_calls_a_tool(sdk, server, provider):
    out = login(sdk, server)
    assert "error" not in out, out
    assert out["tools"] == ["whoami"]
    first = out["requests"][0]
    assert first["status"] == 401
    assert ('resource_metadata="%s%s/mcp"' % (server.url, WELL_KNOWN)
            in first["challenge"])
    assert 'scope="orders.read"' in first["challenge"]
    second = out["requests"][1]
    assert second["url"] == server.url + WELL_KNOWN + "/mcp"
    assert second["status"] == 200
    assert provider.forms[0]["resource"] == server.url + "/mcp"
    assert provider.asked[0]["scope"] == "orders.read"
    assert provider.asked[0]["resource"] == server.url + "/mcp"
    assert out["headers"]["x-forwarded-user"] == "agent"


def test_the_token_is_not_passed_on(sdk, server, provider):
    out = login(sdk, server)
    assert "error" not in out, out
    assert "authorization" not in out["headers"]


def test_too_little_scope_is_asked_for_again(sdk, server, provider):
    provider.grant_less = 1
    out = login(sdk, server)
    assert "error" not in out, out
    refused = [r for r in out["requests"] if r["status"] == 403]
    assert len(refused) == 1
    assert 'error="insufficient_scope"' in refused[0]["challenge"]
    assert "resource_metadata=" in refused[0]["challenge"]
    assert provider.asked[1]["scope"] == "orders.read"


def test_a_client_without_credentials_stays_outside(sdk, server):
    out = client(sdk, server.url + "/mcp")
    assert "401" in out["error"] or "Unauthorized" in out["error"], out


def test_a_token_for_another_resource_is_refused(server, provider):
    res = server.request("POST", "/mcp", provider.issuer.mint(
        aud="http://127.0.0.1:1/mcp", scope="orders.read"), body=b"{}")
    assert res.status == 401
    assert res.challenge["error"] == "invalid_token"
    assert res.challenge["resource_metadata"].startswith(server.url)


def test_lock_file_names_no_host():
    with open(os.path.join(HERE, "package-lock.json")) as f:
        lock = json.load(f)
    assert lock["packages"]
    assert not [name for name, package in lock["packages"].items()
                if "resolved" in package]
    assert all("integrity" in package for name, package
               in lock["packages"].items() if name)
