# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Statements of the documents, drawn at random, tried with issuers and browsers."""
import secrets as random
import time
import urllib.parse

import pytest

from support import tokens
from support.browsing import SECRETS, conf, session_cookie, signed_in
from support.expect import granted, key_files, location
from support.httpd import wait_until
from support.op import NAVIGATE, Browser, Provider
from support.statements import STATUS, samples, statement

#: The issuer that does not answer is tried again beside any test; virtual hosts log in
#: beside a main server with AuthBearerBaseURL.
pytestmark = pytest.mark.allow_log("AB0205", "AB0821")

METRICS = "docs/reference/metrics.md"
DIRECTIVES = "docs/reference/directives.md"
BROWSERS = "docs/guide/browsers.md"

ISSUERS = """
<AuthBearerIssuer "%s" asked>
    AuthBearerIntrospection discover
    AuthBearerClientAuth none
</AuthBearerIssuer>
<AuthBearerIssuer "%s" down>
</AuthBearerIssuer>
<AuthBearerIssuer "https://one.test/" same>
    AuthBearerKeys file:@ROOT@/jwks.json
</AuthBearerIssuer>
<VirtualHost *:@PORT@>
    ServerName server.test
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName two.test
    <AuthBearerIssuer "https://two.test/" same>
        AuthBearerKeys file:@ROOT@/jwks.json
    </AuthBearerIssuer>
</VirtualHost>
""" + STATUS + location("/a", "AuthBearerUserFormat %%u")


# -- figures of issuers --------------------------------------------------------------

@pytest.fixture(scope="module")
def asked(issuers):
    return issuers.issuer("statements-asked", "es256", "rs256")


@pytest.fixture(scope="module")
def down(issuers):
    one = issuers.issuer("statements-down", "es256-2")
    for kind in one.KINDS:
        one.script(kind, status=500)
    return one


@pytest.fixture(scope="module")
def server(new_server, asked, down):
    return new_server(ISSUERS % (asked.url, down.url), files=key_files("es256"))


def opaque(issuer):
    """A new token that this issuer knows."""
    token = random.token_urlsafe(24)
    issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test",
                            "client_id": "c"}
    return token


@statement(METRICS, "| `auth_bearer_keys` | `issuer` | usable keys; 0 before they are first needed")
def test_usable_keys(new_server, asked, down):
    server = new_server(ISSUERS % (asked.url, down.url), files=key_files("es256"))
    name = 'auth_bearer_keys{issuer="asked"}'
    assert samples(server)[name] == 0
    granted(server.get("/a", asked.mint("es256", aud="api://test")))
    assert samples(server)[name] == 2


@statement(METRICS, "| `auth_bearer_fetches_total` | `issuer`, `result` | key set fetches, "
                    "`ok` or `failed` |")
def test_fetches(new_server, asked, down):
    server = new_server(ISSUERS % (asked.url, down.url), files=key_files("es256"))
    before = asked.count("jwks")
    granted(server.get("/a", asked.mint("es256", aud="api://test")))
    assert server.get("/a", down.mint("es256-2", aud="api://test")).status == 503
    now = samples(server)
    name = 'auth_bearer_fetches_total{issuer="%s",result="%s"}'
    assert now[name % ("asked", "ok")] == asked.count("jwks") - before == 1
    assert now.get(name % ("asked", "failed"), 0) == 0
    assert now[name % ("down", "failed")] >= 1
    assert now.get(name % ("down", "ok"), 0) == 0


@statement(METRICS, "cached responses used; a token that the child has verified counts as a "
                    "token cache hit instead")
@pytest.mark.parametrize("cache,kept,verified", [("off", 2, 0), ("entries=64", 0, 2)])
def test_cached_responses(new_server, asked, down, cache, kept, verified):
    server = new_server("AuthBearerTokenCache %s\n" % cache + ISSUERS % (asked.url, down.url),
                        files=key_files("es256"))
    token = opaque(asked)
    before = asked.count("introspect")
    for _ in range(3):
        granted(server.get("/a", token))
    assert asked.count("introspect") == before + 1
    now = samples(server)
    assert now['auth_bearer_introspection_cache_hits_total{issuer="asked"}'] == kept
    assert now["auth_bearer_token_cache_hits_total"] == verified


@statement(METRICS, "| `auth_bearer_introspection_seconds` | `issuer`, `le` | their duration, "
                    "a histogram |")
def test_the_duration_of_introspection(server, asked):
    for _ in range(2):
        granted(server.get("/a", opaque(asked)))
    now = samples(server)
    name = 'auth_bearer_introspection_seconds_%s{issuer="asked"'
    buckets = [value for one, value in now.items() if one.startswith(name % "bucket")]
    assert buckets == sorted(buckets) and len(buckets) > 5
    assert buckets[-1] == now[name % "count" + "}"] == 2


@statement(METRICS, "Issuers of different virtual hosts with the same NAME share a label.",
           "| `auth_bearer_granted_total` | `issuer` | granted requests |")
def test_issuers_of_one_name(server):
    name = 'auth_bearer_granted_total{issuer="same"}'
    before = samples(server).get(name, 0)
    for iss, host in (("one", "server.test"), ("two", "two.test"), ("two", "two.test")):
        token = tokens.mint("es256", iss="https://%s.test/" % iss)
        granted(server.get("/a", token, host=host))
    assert server.get("/a", tokens.mint("es256", iss="https://one.test/",
                                        aud="other")).status == 401
    assert samples(server)[name] == before + 3


# -- browsers --------------------------------------------------------------------------

BROWSER = """
AuthBearerSOCache shm:1M for=sessions
LogFormat "%{Location}o" location
CustomLog logs/location.log location
"""

HOSTS = STATUS + """
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
    Require all granted
</Directory>
<VirtualHost *:@PORT@>
    ServerName server.test
    AuthBearerBaseURL http://127.0.0.1:@PORT@
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName http://other.test
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName third.test
</VirtualHost>
"""


@pytest.fixture(scope="module")
def op(issuers):
    return Provider(issuers, "statements-op")


@pytest.fixture(scope="module")
def site(new_server, op):
    return new_server(conf(op, BROWSER, end=HOSTS), files=SECRETS)


def asked_for(browser, **kw):
    """The parameters of a login that begins."""
    res = browser.navigate("/app/x", **kw)
    assert res.status == 302, res
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(res.get("Location")).query))


@statement(METRICS, "| `auth_bearer_sessions` | | sessions in the session cache shm,",
           "| `auth_bearer_sessions_bytes` | | size of shm |",
           "| `auth_bearer_sessions_used_bytes` | | used part of it |")
def test_sessions_in_figures(site):
    before = samples(site)
    assert before["auth_bearer_sessions_bytes"] == 1 << 20
    browser = Browser(site)
    signed_in(browser)
    signed_in(Browser(site))
    after = samples(site)
    assert after["auth_bearer_sessions"] == before["auth_bearer_sessions"] + 2
    assert before["auth_bearer_sessions_used_bytes"] \
        < after["auth_bearer_sessions_used_bytes"] < 1 << 20


@statement(BROWSERS, "A new session begins and an older one of this browser ends, unless the "
                     "same user has meanwhile signed in using another tab. The browser returns "
                     "to the page that it requested.")
@pytest.mark.parametrize("same", [True, False])
def test_the_older_session_of_a_browser(site, op, same):
    browser = Browser(site)
    back = browser.path_of(browser.provider(browser.navigate("/app/y?z=1").get("Location"))
                           .get("Location"))
    user = op.user
    if not same:
        op.user = {**user, "sub": "bob"}
    signed_in(browser)
    op.user = user
    older = browser.clone()
    assert older.navigate("/app/x").status == 200
    res = browser.navigate(back)
    assert res.status == 303 and res.get("Location") == site.url + "/app/y?z=1", res
    assert same == (browser.cookies[session_cookie(browser)]
                    == older.cookies[session_cookie(older)])
    assert browser.navigate("/app/y").status == 200
    assert older.navigate("/app/x").status == (200 if same else 302)


@statement(BROWSERS, "A plain redirect carries the parameters in the URL, without a request")
def test_a_plain_redirect(site, op):
    signed_in(Browser(site))  # the metadata are known
    before = len(op.requests)
    query = asked_for(Browser(site))
    assert len(op.requests) == before
    assert {"client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
            "response_type"} <= set(query)


@statement(DIRECTIVES, "Virtual hosts do not inherit it.",
           "`X-Forwarded-*` is never used.", "With one name, `Host` is not used either.")
def test_the_base_url_of_a_virtual_host(site):
    headers = dict(NAVIGATE, **{"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https"})
    for host in ("other.test", "third.test"):  # no directive of the module in them
        query = asked_for(Browser(site), host=host, headers=headers)
        assert query["redirect_uri"] == "http://%s:%d/.auth/callback" % (host, site.port)
    for host in ("server.test", "evil.test"):
        query = asked_for(Browser(site), host=host, headers=headers)
        assert query["redirect_uri"] == site.url + "/.auth/callback"


@statement("docs/security.md", "`%{Location}o` contains the `state` of a login, which is useless "
                               "without the browser's cookie.")
def test_the_state_in_a_log(site, op):
    browser = Browser(site)
    res = browser.navigate("/app/state")
    with open(site.path("logs/location.log")) as f:
        assert res.get("Location") in f.read()
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    assert Browser(site).navigate(back).status == 400
    assert browser.navigate(back).status == 303


@statement(DIRECTIVES, "exist in virtual hosts where some section enables sessions or logins. "
                       "If only .htaccess files do, set this directive.")
def test_endpoints_for_htaccess(new_server, op):
    text = conf(op, end=HOSTS.replace("http://other.test", "http://other.test\n"
                                      "    AuthBearerLoginPath /.auth"))
    server = new_server(text.replace("AuthBearerSession On", "").replace(
        "AuthBearerLogin On", ""), files=dict(SECRETS, **{
            "htdocs/files/.htaccess": "AuthType Bearer\nAuthBearerSession On\n"
                                      "AuthBearerLogin On\nAuthBearerAudience a\n"
                                      "Require valid-user\n"}))
    assert server.get("/.auth/callback", headers=NAVIGATE, host="server.test").status == 404
    assert server.get("/.auth/callback", headers=NAVIGATE, host="other.test").status == 400
    assert server.get("/files/x", headers=NAVIGATE, host="other.test").status == 302


@statement(DIRECTIVES, "A virtual host inherits each value.")
def test_lifetimes_of_a_virtual_host(new_server, op):
    server = new_server(conf(op, "AuthBearerSessionLifetime max=1s\n", end="""
<VirtualHost *:@PORT@>
    ServerName http://other.test:@PORT@
    AuthBearerSessionLifetime idle=1h
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName http://longer.test:@PORT@
    AuthBearerSessionLifetime max=1h idle=1h
</VirtualHost>
"""), files=SECRETS)
    browsers = {}
    for name in ("other.test", "longer.test"):
        browsers[name] = Browser(server, "http://%s:%d" % (name, server.port))
        assert browsers[name].go("/app/x", host=name).status == 200
    begun = time.monotonic()
    wait_until(lambda: browsers["other.test"].clone().navigate(
        "/app/x", host="other.test").status == 302, 5)
    assert time.monotonic() - begun < 4
    assert browsers["longer.test"].navigate("/app/x", host="longer.test").status == 200
