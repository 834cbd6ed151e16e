# Licensed under the Apache License, Version 2.0; see LICENSE.
"""htbearer discover: what an issuer offers, warnings about it, and a
configuration that works as it was printed.

The issuers are strangers: whatever they answer, discover ends in time, follows
nothing, and prints nothing that steers a terminal.
"""
import gzip
import json
import os
import re
import subprocess
import time

import pytest
import requests

from support import certs, node, secrets, tokens
from support.httpd import HTBEARER, SLOW, free_port
from support.issuer import IssuerHost
from support.op import Browser, Provider
from support.proxy import Proxy

#: Two documents and a key set, five seconds each.
SECONDS_AT_MOST = 16


class Discovered:
    def __init__(self, done, seconds):
        self.status, self.seconds = done.returncode, seconds
        self.raw = done.stdout + done.stderr
        self.out, self.err = done.stdout.decode(), done.stderr.decode()
        assert self.status in (0, 1, 2), self
        assert "Sanitizer" not in self.err, self
        assert not re.search(rb"[^\n\x20-\x7e]", self.raw), self
        assert seconds < SECONDS_AT_MOST * SLOW, self

    def __repr__(self):
        return "<%d after %.1f s>\n%s\n--\n%s" % (
            self.status, self.seconds, self.out, self.err)

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def configuration(self):
        return self.out.partition("# --- configuration ---\n")[2].partition(
            "\n# --- configuration for logins ---\n")[0]

    @property
    def odd(self):
        return "\n".join(self.json["odd"])


def discover(url, *args, as_json=True):
    start = time.monotonic()
    done = subprocess.run(
        [HTBEARER, "discover", *args, *(["--json"] if as_json else []), url],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SLOW)
    return Discovered(done, time.monotonic() - start)


@pytest.fixture
def issuer(issuers):
    return issuers.issuer("discover-%d" % len(issuers.issuers), "rs256", "es256",
                          "ed25519")


# ---- what it offers ---------------------------------------------------------

def test_what_an_issuer_offers(issuer):
    issuer.metadata.update(
        authorization_endpoint=issuer.url + "/authorize",
        revocation_endpoint=issuer.url + "/revoke",
        scopes_supported=["openid", "orders.read"],
        introspection_endpoint_auth_methods_supported=["client_secret_post"])
    said = discover(issuer.url)
    assert said.status == 0, said
    offer = said.json
    assert offer["issuer"] == issuer.url
    assert offer["metadata"].endswith(
        "/.well-known/oauth-authorization-server" + issuer.path)
    assert offer["jwks_uri"] == issuer.jwks_url
    assert offer["introspection_endpoint"] == issuer.introspect_url
    assert offer["scopes"] == ["openid", "orders.read"]
    assert offer["client_auth"] == ["client_secret_post"]
    assert [(k["kid"], k["type"], k["bits"]) for k in offer["keys"]] == [
        ("rs256", "RSA", 2048), ("es256", "P-256", 256),
        ("ed25519", "Ed25519", 256)]
    assert offer["keys"][0]["algorithms"] == "RS256"
    assert offer["end_session_endpoint"] is None
    assert issuer.count("introspect") == 0


def test_the_same_as_text(issuer):
    issuer.metadata["scopes_supported"] = ["openid", "orders.read"]
    said = discover(issuer.url, as_json=False)
    assert said.status == 0, said
    assert "Keys           3 usable\n  rs256" in said.out
    assert "RSA, 2048 bits: RS256" in said.out
    assert "Introspection  %s\n" % issuer.introspect_url in said.out
    assert "Scopes         openid orders.read\n" in said.out
    assert "Revocation     (not offered)\n" in said.out


def test_every_request_is_announced_and_counted(issuer):
    said = discover(issuer.url)
    assert len(re.findall("requesting ", said.err)) == issuer.count() == 3
    issuer.reset()
    issuer.script("oauth", status=404, body="{}")
    said = discover(issuer.url)
    assert said.status == 0
    assert said.json["metadata"].endswith("/.well-known/openid-configuration")
    assert len(re.findall("requesting ", said.err)) == issuer.count() == 3


@pytest.mark.parametrize("form", [
    "%(host)s/.well-known/oauth-authorization-server%(path)s",
    "%(host)s%(path)s/.well-known/openid-configuration"])
def test_the_address_of_the_metadata_will_do(issuer, form):
    said = discover(form % {"host": issuer.host.url, "path": issuer.path})
    assert said.status == 0, said
    assert said.json["issuer"] == issuer.url
    assert "names the issuer" not in said.odd


def test_usage():
    for args in ([], ["https://a.test/", "https://b.test/"]):
        done = subprocess.run([HTBEARER, "discover", *args],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60 * SLOW)
        assert done.returncode == 2
    for url, word in (("idp.example.com", "absolute"), ("ftp://x.test/", "http"),
                      ("https://x.test/?a=1", "query"),
                      ("https://u:p@x.test/", "credentials"),
                      ("https://x.test/\x1b[31m", "character"),
                      ("http://idp.example.com/", "--plain-http")):
        said = discover(url)
        assert said.status == 2 and word in said.err, said


# ---- the configuration ------------------------------------------------------

def works(one_server, configuration, token):
    """Pasted and started, it lets the token in, and no other."""
    server = one_server(configuration, start=False)
    checked = server.configtest()
    assert checked.status == 0, checked
    server.start()
    assert server.get("/orders", token).status == 200
    assert server.get("/orders", token[:-9] + "A" * 9).status == 401
    assert server.get("/orders").status == 401


def test_the_configuration_works_as_it_was_printed(one_server, issuer):
    said = discover(issuer.url, as_json=False)
    works(one_server, said.configuration, issuer.mint(aud="api://orders"))
    assert discover(issuer.url).json["configuration"] == said.configuration


# ---- bound tokens -----------------------------------------------------------

@pytest.mark.parametrize("algorithms, certificates, line", [
    (["ES256", "EdDSA"], True, "dpop mtls"), (["RS256"], False, "dpop"),
    (None, True, "mtls"), (["HS256", "none", "XS256"], None, None), ([], "yes", None)])
def test_how_tokens_can_be_bound(one_server, issuer, algorithms, certificates, line):
    """An algorithm that no server accepts in a proof binds nothing here."""
    for name, value in (("dpop_signing_alg_values_supported", algorithms),
                        ("tls_client_certificate_bound_access_tokens", certificates)):
        if value is not None:
            issuer.metadata[name] = value
    said = discover(issuer.url, as_json=False)
    assert said.status == 0, said
    assert re.search(r"^DPoP +%s$" % (re.escape(" ".join(algorithms or ["(not offered)"]))),
                     said.out, re.M), said
    assert re.search(r"^Mutual TLS +%s$" % ("certificate-bound tokens" if certificates is True
                                            else r"\(not offered\)"), said.out, re.M), said
    assert re.findall(r"^    # AuthBearerProof (.*)$", said.out, re.M) == [line] * bool(line)
    assert ("optional_no_ca" in said.out) == (certificates is True)
    offer = discover(issuer.url).json
    assert offer["dpop_algorithms"] == (algorithms or [])
    assert offer["certificate_bound"] is (certificates is True)
    works(one_server, said.configuration, issuer.mint(aud="api://orders"))


# ---- logins -----------------------------------------------------------------

ENDPOINTS = {"authorization_endpoint": "authorize", "end_session_endpoint": "end",
             "userinfo_endpoint": "userinfo",
             "pushed_authorization_request_endpoint": "par"}


@pytest.fixture
def provider(issuers, request):
    op = Provider(issuers, "discover-login-%d" % len(issuers.issuers), "rs256",
                  client_id="orders-web")
    op.offer(**ENDPOINTS)
    op.metadata["backchannel_logout_supported"] = True
    return op


def logs_in(one_server, tmp_path, said):
    """The printed configuration loads, with the files that it names; then a browser
    logs in. Returns the browser."""
    text = said.json["login_configuration"]
    for name, content in (("client-secret", b"the-secret-of-the-client\n"),
                          ("secret", os.urandom(48)),
                          ("client-key.pem", tokens.key("es256").private_pem())):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    text = text.replace("/etc/apache2/bearer/", "%s/" % tmp_path)
    server = one_server("AuthBearerBaseURL http://127.0.0.1:@PORT@\n" + text, start=False)
    checked = server.configtest()
    assert checked.status == 0, checked
    server.start()
    browser = Browser(server)
    assert browser.go("/app/x").status == 200
    return browser


@pytest.mark.allow_log("AB0763")
def test_the_login_configuration_works_as_it_was_printed(one_server, provider, tmp_path):
    said = discover(provider.url)
    browser = logs_in(one_server, tmp_path, said)
    assert browser.navigate("/app/x").user == "alice@example.test"
    assert provider.count("par") == 1
    assert discover(provider.url, as_json=False).out.partition(
        "# --- configuration for logins ---\n")[2] == said.json["login_configuration"]
    assert "/.auth/callback\n" in said.json["login_configuration"]
    assert "/.auth/callback/idp)\n" in said.json["login_configuration"]


@pytest.mark.allow_log("AB0763")
def test_a_login_by_what_the_issuer_lists(one_server, provider, tmp_path):
    provider.user = {"sub": "alice"}
    provider.metadata.update(
        claims_supported=["sub", "name"],
        scopes_supported=["openid", "email", "offline_access"],
        token_endpoint_auth_methods_supported=["private_key_jwt"])
    said = discover(provider.url)
    text = said.json["login_configuration"]
    for line in ("AuthBearerClientAuth private_key_jwt", "AuthBearerSessionUserClaim sub",
                 "AuthBearerLoginScopes openid email",
                 "# AuthBearerLoginScopes openid email offline_access"):
        assert "    %s\n" % line in text, text
    assert "AuthBearerClientSecret" not in text
    browser = logs_in(one_server, tmp_path, said)
    assert browser.navigate("/app/x").user == "alice"


def test_what_a_login_can_have(provider):
    provider.metadata["require_pushed_authorization_requests"] = True
    said = discover(provider.url, as_json=False)
    for name, value in (("Userinfo", provider.url + "/userinfo"),
                        ("Pushed (PAR)", provider.url + "/par"),
                        ("End of session", provider.url + "/end"),
                        ("Back-channel", "logout tokens")):
        assert re.search(r"^%s +%s$" % (re.escape(name), re.escape(value)), said.out,
                         re.M), (name, said)
    assert "/.auth/backchannel-logout" in said.out and "/.auth/logout" in said.out
    assert "/.auth/frontchannel-logout" not in said.out
    provider.metadata["frontchannel_logout_session_supported"] = True
    assert "/.auth/frontchannel-logout" in discover(provider.url, as_json=False).out
    assert discover(provider.url).json["pushed_required"] is True
    for name in ENDPOINTS:
        del provider.metadata[name]
    provider.metadata["backchannel_logout_supported"] = False
    said = discover(provider.url, as_json=False)
    assert len(re.findall(r"^(?:Login|Userinfo|Pushed \(PAR\)|End of session|Back-channel)"
                          r" +\(not offered\)$", said.out, re.M)) == 5, said
    assert "configuration for logins" not in said.out
    assert discover(provider.url).json["login_configuration"] is None


def test_both_documents(provider):
    """As Spring Authorization Server; null is absent."""
    provider.script("oauth", body=json.dumps({
        **{k: v for k, v in provider.metadata.items() if k != "end_session_endpoint"},
        "userinfo_endpoint": None, "token_endpoint": provider.url + "/first"}))
    said = discover(provider.url)
    assert said.json["end_session_endpoint"] == provider.url + "/end"
    assert said.json["userinfo_endpoint"] == provider.url + "/userinfo"
    assert said.json["token_endpoint"] == provider.url + "/first"
    assert "oauth-authorization-server" in said.json["metadata"]
    provider.script("oidc", body=json.dumps({**provider.metadata, "issuer":
                                             "https://mallory.example/"}))
    said = discover(provider.url)
    assert said.json["end_session_endpoint"] is None
    assert "mallory" in said.err


def test_the_configuration_of_an_issuer_by_another_name(one_server, issuer):
    """Entra ID's v1 tokens: the metadata is not where the issuer's name says."""
    other = issuer.host.url + "/named/elsewhere"
    issuer.metadata["issuer"] = other
    said = discover(issuer.url)
    assert said.status == 0, said
    assert "names the issuer" in said.odd and "standard URL" in said.odd
    assert 'AuthBearerMetadata "' in said.json["configuration"]
    works(one_server, said.json["configuration"],
          issuer.mint(aud="api://orders", iss=other))


def test_a_slash_too_many_is_mended(one_server, issuer):
    said = discover(issuer.url + "/")
    assert said.status == 0
    assert "names the issuer" in said.odd and "AuthBearerMetadata" not in said.out
    works(one_server, said.json["configuration"],
          issuer.mint(aud="api://orders"))


def test_an_algorithm_that_must_be_named_is(one_server, issuers):
    issuer = issuers.issuer("discover-k", "es256k")
    said = discover(issuer.url)
    assert "AuthBearerAlgorithms ES256K\n" in said.json["configuration"]
    works(one_server, said.json["configuration"],
          issuer.mint(aud="api://orders"))


def test_a_private_authority(one_server, tmp_path):
    host = IssuerHost(tls="127.0.0.1")
    try:
        issuer = host.issuer("tls", "es256")
        said = discover(issuer.url)
        assert said.status == 1 and "--ca-file" in said.err, said
        authority = tmp_path / 'an "odd" name.pem'
        authority.write_bytes(certs.authority_pem())
        tmp_path.chmod(0o755)
        said = discover(issuer.url, "--ca-file", str(authority))
        assert said.status == 0, said
        assert "AuthBearerCAFile" in said.json["configuration"]
    finally:
        host.close()


def real_token(provider, resource):
    answer = requests.post(provider.url + "/token", {
        "grant_type": "client_credentials", "resource": resource,
        "scope": "orders.read"}, auth=("app", "the-secret-of-the-client"),
        timeout=30)
    token = answer.json()["access_token"]
    secrets.register(token)
    return token


def test_real_provider(one_server):
    node.need()
    provider = node.RealProvider(
        [{"client_id": "app", "client_secret": "the-secret-of-the-client",
          "redirect_uris": [], "response_types": [],
          "grant_types": ["client_credentials"]}], port=free_port(),
        resources={"api://orders": {"scope": "orders.read",
                                    "accessTokenFormat": "jwt"}})
    try:
        said = discover(provider.url)
        assert said.status == 0, said
        assert said.json["issuer"] == provider.url
        assert said.json["introspection_endpoint"].startswith(provider.url)
        assert said.json["keys"] and said.json["scopes"]
        works(one_server, said.json["configuration"],
              real_token(provider, "api://orders"))
    finally:
        provider.close()


# ---- what is odd ------------------------------------------------------------

def test_nothing_odd_is_called_odd(issuer):
    issuer.script("jwks", headers={"Cache-Control": "max-age=600"})
    said = discover(issuer.url)
    assert said.json["odd"] == [
        "the issuer uses http; except on loopback, anyone on the network path can "
        "replace its keys"]


def _metadata(**over):
    return lambda issuer: issuer.metadata.update(over)


def _keys(*keys):
    def script(issuer):
        issuer.script("jwks", body=tokens.jwks(*keys))
    return script


def _rs(**over):
    return tokens.key("rs256").jwk(**over)


ODD = {
    "weak": (_keys("rs256", "rsa1024"), ["rsa1024", "1024", "2048"]),
    "exponent": (_keys("rs256", _rs(kid="e1", e="AQ")), ["e1", "exponent"]),
    "twins": (_keys("rs256", tokens.key("es256").jwk(kid="rs256")),
              ["2 keys have the same kid"]),
    "nameless": (_keys(_rs(kid=None), tokens.key("es256").jwk(kid=None)),
                 ["2 of 2 keys have no kid"]),
    "private": (_keys("es256", _rs(d="AQAB")),
                ["DANGER", "anyone can sign"]),
    "shared": (_keys("es256", tokens.key("hs256").jwk()),
               ["DANGER", "anyone can sign"]),
    "unsigned": (_metadata(id_token_signing_alg_values_supported=["none"]),
                 ["without a signature"]),
    "elsewhere": (_metadata(introspection_endpoint="https://evil.test/i"),
                  ["introspection endpoint is on another host", "secret"]),
    "not-https": (_metadata(introspection_endpoint="http://evil.test/i"),
                  ["ignored: introspection_endpoint", "not https"]),
    "no-cache": (lambda issuer: None, ["no cache headers"]),
    "clock": (lambda issuer: issuer.script("jwks", headers={
        "Date": "Mon, 01 Jan 2024 00:00:00 GMT"}), ["clock", "behind"]),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_odd(issuers, name):
    issuer = issuers.issuer("odd-" + name, "rs256")
    change, words = ODD[name]
    change(issuer)
    said = discover(issuer.url)
    assert said.status == 0, said
    for word in words:
        assert word in said.odd, (word, said)


def test_no_introspection(issuer):
    del issuer.metadata["introspection_endpoint"]
    said = discover(issuer.url)
    assert said.json["introspection_endpoint"] is None
    assert "Introspection" not in said.json["configuration"]


def test_no_usable_key(issuers):
    issuer = issuers.issuer("odd-none", "rsa1024")
    said = discover(issuer.url)
    assert said.status == 1 and said.json["keys"] == []
    assert "no usable keys" in said.odd
    assert "no usable keys" in said.err
    del issuer.metadata["jwks_uri"]
    said = discover(issuer.url)
    assert said.status == 1 and "no jwks_uri" in said.odd


def test_many_tenants(issuer):
    issuer.metadata["issuer"] = "https://login.test/{tenantid}/v2.0"
    said = discover(issuer.url)
    assert said.status == 1 and "AuthBearerTenants" in said.err


# ---- strangers --------------------------------------------------------------

BAD = {
    "not-json": dict(body="<html>\x1b[31mred</html>"),
    "not-object": dict(body="[1,2]"),
    "nothing": dict(body=""),
    "garbage": dict(body=b"\x00\xff\x1b]0;x\x07" * 99),
    "deep": dict(body='{"issuer":' + "[" * 5000 + "]" * 5000 + "}"),
    "twice": dict(body='{"issuer":"a","issuer":"b"}'),
    "other-types": dict(body='{"issuer":1,"jwks_uri":[]}'),
    "huge": dict(body="{" + " " * 3000000 + "}"),
    "gzip-bomb": dict(body=gzip.compress(b" " * 30000000),
                      headers={"Content-Encoding": "gzip"}),
    "trickle": dict(body="{" + " " * 5000 + "}", trickle=0.2),
    "silence": dict(delay=30),
    "redirect": dict(status=302, body="",
                     headers={"Location": "http://127.0.0.1:1/evil"}),
    "forbidden": dict(status=403, body="{}"),
    "cut": dict(cut=True),
}


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("kinds", ["metadata", "jwks"])
def test_strangers(issuers, name, kinds):
    issuer = issuers.issuer("bad-%s-%s" % (kinds, name), "rs256")
    for kind in ["oauth", "oidc"] if kinds == "metadata" else ["jwks"]:
        issuer.script(kind, **BAD[name])
    before = len(issuer.host.requests)
    said = discover(issuer.url)
    assert said.status == 1, said
    if kinds == "metadata":
        assert "no metadata found" in said.err and not said.out
    else:
        assert "key set" in said.odd and said.json["keys"] == []
    assert not [r for r in issuer.host.requests[before:] if "evil" in r.path]


def test_escapes_never_reach_the_terminal(issuer):
    evil = "\x1b[2J\x1b]0;owned\x07\u202e\n# --- configuration ---\nLoadModule x"
    issuer.metadata.update(
        scopes_supported=[evil, "ok"],
        introspection_endpoint_auth_methods_supported=[evil],
        authorization_endpoint="https://x.test/" + evil,
        revocation_endpoint=evil)
    issuer.script("jwks", body=tokens.jwks(
        "rs256", tokens.key("es256").jwk(kid=evil),
        tokens.key("rsa1024").jwk(kid=evil)))
    said = discover(issuer.url, as_json=False)
    assert said.status == 0, said
    assert said.out.count("\n# --- configuration ---\n") == 1
    assert "LoadModule" not in said.configuration
    assert "%1b" in said.out
    said = discover(issuer.url)
    assert "LoadModule" not in said.json["configuration"]


@pytest.mark.parametrize("name", [
    "https://x.test/\"\nInclude /etc/passwd\n", "https://x.test/ y",
    "https://x.test/\x1b[0m", "javascript:alert(1)", "", "http://evil.test/"])
def test_a_name_that_would_end_the_line(issuer, name):
    issuer.metadata["issuer"] = name
    said = discover(issuer.url)
    assert said.status == 1 and not said.out, said


def test_a_stranger_does_not_choose_what_is_asked_here(issuers):
    """An issuer elsewhere that names a jwks_uri on this very host."""
    issuer = issuers.issuer("elsewhere", "rs256")
    proxy = Proxy(issuers.port)
    issuer.metadata["issuer"] = "http://idp.test" + issuer.path
    options = ("http://idp.test" + issuer.path, "--plain-http", "idp.test",
               "--http-proxy", proxy.url)
    try:
        said = discover(*options)
        assert said.status == 1 and "jwks_uri" in said.err, said
        assert "from another host" in said.err and issuer.count("jwks") == 0
        issuer.reset()
        issuer.metadata["jwks_uri"] = issuer.jwks_url.replace("http:", "https:")
        said = discover(*options)
        assert said.status == 1 and "on this host" in said.odd, said
        assert "AuthBearerPlainHTTP idp.test:80\n" in said.json["configuration"]
        assert "AuthBearerHTTPProxy \"%s\"\n" % proxy.url in \
            said.json["configuration"]
        assert issuer.count("oauth") == 1 and issuer.count("jwks") == 0
    finally:
        proxy.close()


def test_nobody_is_there():
    said = discover("http://127.0.0.1:1/")
    assert said.status == 1 and "refused the connection" in said.err
    assert said.err.count("requesting") == 1
    said = discover("https://no-such-host.invalid/")
    assert said.status == 1 and "resolve" in said.err
