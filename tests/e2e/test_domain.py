# Licensed under the Apache License, Version 2.0; see LICENSE.
"""One session for the hosts of a domain: what one host begins counts at another only if
it could have begun there, and what other hosts of the domain put into the browser opens
nothing."""
import json
import re
import time
import urllib.parse

import pytest

from support.backends import OwnRedis
from support.browsing import SECRETS, op, store  # noqa: F401
from support.httpd import wait_until
from support.op import NAVIGATE, Browser, Provider

pytestmark = pytest.mark.allow_log("AB0835", "AB0763")

NAME = "__Secure-bearer_session"
HEAD = """
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
%s
<AuthBearerIssuer "%s" main>
</AuthBearerIssuer>
"""
HOST = """
<VirtualHost *:@PORT@>
    ServerName {host}
    AuthBearerBaseURL https://{host}
    {more}
    <Location "/app">
        AuthType Bearer
        AuthName app
        AuthBearerAudience api://test
        AuthBearerSession On
        AuthBearerLogin On
        Require valid-user
        {inside}
    </Location>
</VirtualHost>
"""
DOMAIN = "AuthBearerSessionDomain Site.test"


def host(name, more=DOMAIN, inside=""):
    return HOST.format(host=name, more=more, inside=inside)


class Window(Browser):
    """A browser that keeps cookies by name, Domain and host, and knows several hosts of
    the server, all known outside by https."""

    def __init__(self, server, hosts):
        super().__init__(server, "https://" + hosts[0])
        self.hosts = hosts
        self.jar = {}          # (Domain or host, is it Domain?, name): value

    def at(self, name):
        """The same browser at another host."""
        self.origin = "https://" + name
        return self

    def send(self, method, path, headers=None, body=b"", **kw):
        where = self.origin[len("https://"):]
        sent = [(key, value) for key, value in self.jar.items()
                if key[0] == where or (key[1] and where.endswith("." + key[0]))]
        self.cookies = {}
        headers = dict(headers or {})
        headers["Cookie"] = "; ".join("%s=%s" % (key[2], value) for key, value in sent)
        res = super().send(method, path, headers, body, host=where, **kw)
        for cookie in self.set:
            domain = cookie.attributes.get("domain")
            if domain:
                assert ("." + where).endswith("." + domain), cookie.line
                assert cookie.name.startswith("__Secure-") and "secure" in cookie.attributes
            key = (domain or where, domain is not None, cookie.name)
            self.jar.pop(key, None)
            if not cookie.gone:
                self.jar[key] = cookie.value
        return res

    def path_of(self, url):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or parts.netloc not in self.hosts:
            return None
        self.at(parts.netloc)
        return url[len(self.origin):]

    def session(self):
        """The value of the domain's cookie."""
        value, = [v for k, v in self.jar.items() if k[2] == NAME]
        return value


@pytest.fixture
def other(issuers, op):  # noqa: F811
    """The issuer of the strong host."""
    provider = Provider(issuers, "strong-" + op.name, client_id="strong")
    provider.user = {**provider.user, "email": "admin@example.test"}
    return provider


@pytest.fixture
def domain(one_server, op, backend):  # noqa: F811
    def start(*hosts, more="", **kw):
        server = one_server(HEAD % (more, op.url) + "".join(hosts), files=SECRETS,
                            backend=backend, **kw)
        return Window(server, ["a.site.test", "b.site.test", "strong.site.test",
                               "login.site.test", "a.other.test"])
    return start


def admitted(window, name, user="alice@example.test", path="/app/x"):
    res = window.at(name).navigate(path)
    assert res.status == 200 and res.user == user, res
    return res


def signed_in(window, name, user="alice@example.test", path="/app/x"):
    res = window.at(name).go(path)
    assert res.status == 200 and res.user == user, res
    assert window.trail[-1] == "https://" + name + path, window.trail
    return res


def sent_to_sign_in(window, name, op, path="/app/x"):  # noqa: F811
    """No session counts there: a page leads to that issuer, a script gets 401."""
    res = window.at(name).get(path)
    assert res.status == 401 and res.check == "no_credential", res
    page = window.navigate(path)
    assert page.status == 302 and page.get("Location").startswith(op.url), page
    return res


def strong(op, more="", inside="", client="strong"):  # noqa: F811
    return host("strong.site.test", """%s
    AuthBearerClientID %s
    %s
    <AuthBearerIssuer "%s" strong>
    </AuthBearerIssuer>""" % (DOMAIN, client, more, op.url), inside)


# ---- one session ------------------------------------------------------------------


@pytest.mark.core
def test_one_session_for_two_hosts(domain, op, store):  # noqa: F811
    window = domain(host("a.site.test"), host("b.site.test"),
                    "<VirtualHost *:@PORT@>\nServerName c.site.test\n</VirtualHost>",
                    more="AuthBearerSessionStore " + store)
    signed_in(window, "a.site.test")
    assert [k for k in window.jar if "session" in k[2]][0] == ("site.test", True, NAME), window.jar
    assert all(not k[1] for k in window.jar if "session" not in k[2]), window.jar
    admitted(window, "b.site.test")
    # a virtual host without sessions, too, hides it from applications
    for name in ("a.site.test", "b.site.test", "c.site.test"):
        window.jar[(name, False, "mine")] = "1"
        seen = window.at(name).get("/app/be/x").json()
        assert dict(seen["headers"])["Cookie"] == "mine=1", (name, seen)
    # a sibling is another site
    post = {"Sec-Fetch-Site": "same-site", "Origin": "https://c.site.test"}
    res = window.at("b.site.test").send("POST", "/app/x", post)
    assert res.status == 403 and res.check == "cross_site", res
    # the end at one host is the end at all
    value = window.session()
    res = window.at("b.site.test").sign_out()
    assert res.status == 200 and "signed out" in res.text, res
    assert not [k for k in window.jar if "session" in k[2]], window.jar
    window.jar[("site.test", True, NAME)] = value
    sent_to_sign_in(window, "a.site.test", op)


def test_the_issuer_ends_it_at_any_host(domain, op):  # noqa: F811
    window = domain(host("a.site.test"), host("b.site.test"))
    signed_in(window, "a.site.test")
    res = window.at("b.site.test").send(
        "POST", "/.auth/backchannel-logout",
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"logout_token=" + op.logout_token().encode())
    assert res.status == 200, res
    sent_to_sign_in(window, "a.site.test", op)
    signed_in(window, "b.site.test")
    admitted(window, "a.site.test")


# ---- what could not have begun here --------------------------------------------------


@pytest.mark.core
def test_another_issuer(domain, op, other, store):  # noqa: F811
    window = domain(host("a.site.test"), strong(other), more="AuthBearerSessionStore " + store)
    signed_in(window, "a.site.test")
    res = sent_to_sign_in(window, "strong.site.test", other)
    assert res.logged("AB0002", op.url), res
    signed_in(window, "strong.site.test", "admin@example.test")
    # nor does the strong host's session open the other one
    sent_to_sign_in(window, "a.site.test", op)


def test_another_client(domain, op):  # noqa: F811
    """The refresh token is that of a client, too: the other one never presents it."""
    op.refresh, op.expires_in = True, 5
    window = domain(host("a.site.test"), strong(op, client="second"))
    signed_in(window, "a.site.test")
    del op.requests[:]
    res = sent_to_sign_in(window, "strong.site.test", op)
    assert res.logged("AB0002", "AuthBearerClientID"), res
    res = window.at("strong.site.test").sign_out()
    assert op.count("token") == 0 and not op.revoked, op.requests
    sent_to_sign_in(window, "a.site.test", op)


def test_another_user_claim(domain, op):  # noqa: F811
    op.user = {**op.user, "email_verified": False}
    window = domain(host("a.site.test", DOMAIN + "\nAuthBearerSessionUserClaim sub"),
                    host("b.site.test"))
    signed_in(window, "a.site.test", "alice")
    for _ in range(2):
        res = sent_to_sign_in(window, "b.site.test", op)
        assert res.logged("AB0002", "email_verified"), res
        window.jar = {k: v for k, v in window.jar.items() if "tries" not in k[2]}
    admitted(window, "a.site.test", "alice")


TENANTS = """
    <AuthBearerIssuer "%s/{tenant}" tenants>
        AuthBearerTenants %s
        AuthBearerMetadata %s/common
        AuthBearerKeys %s
    </AuthBearerIssuer>
    AuthBearerLoginIssuer %s/{tenant}
    AuthBearerUserFormat %%t:%%u"""


def test_another_tenant(domain, op):  # noqa: F811
    op.script("common", body=lambda request: json.dumps(
        {**op.metadata, "issuer": op.url + "/{tenantid}"}))
    op.id_token = {"iss": op.url + "/t-1"}
    window = domain(*(host(name, DOMAIN + TENANTS % (
        op.url, tenants, op.url, op.jwks_url, op.url)) for name, tenants in (
            ("a.site.test", "t-1 t-2"), ("b.site.test", "t-2 t-3"))))
    signed_in(window, "a.site.test", "t-1:alice@example.test")
    res = sent_to_sign_in(window, "b.site.test", op)
    assert res.logged("AB0002", "AuthBearerTenants"), res
    op.id_token = {"iss": op.url + "/t-2"}
    signed_in(window, "b.site.test", "t-2:alice@example.test")
    admitted(window, "a.site.test", "t-2:alice@example.test")


BADGE = '</Location>\n<Location "/app/badge">\nRequire claim badge:7'


def test_claims_that_another_host_names(domain, op):  # noqa: F811
    """A login asks userinfo for what any host of the domain needs."""
    op.offer(userinfo_endpoint="userinfo")
    op.userinfo = {**op.user, "badge": "7"}
    op.id_token = {"email": None, "email_verified": None, "badge": "7"}
    window = domain(host("a.site.test", DOMAIN + "\nAuthBearerSessionUserClaim sub"),
                    host("b.site.test"),
                    host("strong.site.test", inside=BADGE))
    signed_in(window, "a.site.test", "alice")
    admitted(window, "b.site.test")
    op.id_token = {}
    second = Window(window.server, window.hosts)
    signed_in(second, "a.site.test", "alice")
    admitted(second, "strong.site.test", path="/app/badge")


def test_claims_that_are_kept_for_another_host(domain, op):  # noqa: F811
    """AuthBearerSessionClaims drops nothing that another host of the domain names."""
    op.user.update(badge="7", dept="x")
    window = domain(host("a.site.test", DOMAIN + "\nAuthBearerSessionUserClaim sub\n"
                         "AuthBearerSessionClaims sid"),
                    host("b.site.test"),
                    host("strong.site.test", inside=BADGE))
    signed_in(window, "a.site.test", "alice")
    assert "BEARER_CLAIM_dept" not in window.get("/app/env").env
    admitted(window, "b.site.test")
    admitted(window, "strong.site.test", path="/app/badge")


# ---- one callback ---------------------------------------------------------------------

LOGIN = DOMAIN + " login=https://login.site.test"
ISSUER = """
    <AuthBearerIssuer "%s" %s>
        AuthBearerClientID %s
    </AuthBearerIssuer>"""


def hosts_with_login(op, other, a="", b="", s="", login=""):  # noqa: F811
    """Three hosts that log in at a fourth, one of them with an issuer of its own."""
    return (host("a.site.test", LOGIN + "\n" + a), host("b.site.test", LOGIN + "\n" + b),
            host("strong.site.test", LOGIN + ISSUER % (other.url, "strong", "strong") + s),
            host("login.site.test", """%s
    AuthBearerLoginIssuer %s %s
    AuthBearerUserFormat %%u%s%s
    %s""" % (LOGIN, op.url, other.url, ISSUER % (op.url, "main", "app"),
             ISSUER % (other.url, "strong", "strong"), login)))


@pytest.fixture
def unverified(domain, op, other, store):  # noqa: F811
    """Who is signed in at a, with an address that is not verified, as b wants it."""
    op.user = {**op.user, "email_verified": False}
    sub = "AuthBearerSessionUserClaim sub"
    window = domain(*hosts_with_login(op, other, a=sub, login=sub),
                    more="AuthBearerSessionStore " + store)
    signed_in(window, "a.site.test", "alice")
    return window


def login_url(window):
    return [url for url in window.trail if url.startswith("https://login.site.test/.auth/login?")]


@pytest.mark.core
@pytest.mark.allow_log("AB0762")
def test_one_callback(domain, op, other, store):  # noqa: F811
    op.offer(end_session_endpoint="end")
    window = domain(*hosts_with_login(op, other), more="AuthBearerSessionStore " + store)
    signed_in(window, "a.site.test", path="/app/x?y=%26&z=1")
    assert op.asked["redirect_uri"] == "https://login.site.test/.auth/callback/main"
    assert "prompt" not in op.asked
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(login_url(window)[0]).query)
    assert query == {"return": ["https://a.site.test/app/x?y=%26&z=1"], "iss": [op.url]}
    assert {k[:2] for k in window.jar if "session" not in k[2]} == {("login.site.test", False)}
    admitted(window, "b.site.test")
    # the strong host has an issuer of its own, also at the common callback
    page = window.at("strong.site.test").navigate("/app/x")
    assert page.status == 302, page
    window.jar = {k: v for k, v in window.jar.items() if "sent" not in k[2]}
    signed_in(window, "strong.site.test", "admin@example.test")
    assert other.asked["redirect_uri"] == "https://login.site.test/.auth/callback/strong"
    assert other.asked["prompt"] == "login"
    assert not [k for k in window.jar if "sent" in k[2]], window.jar
    signed_in(window, "a.site.test")
    # one address to return to after signing out
    res = window.at("b.site.test").sign_out()
    assert res.status == 200, res
    assert op.ended["post_logout_redirect_uri"] == "https://login.site.test/.auth/logout"
    for name in ("a.site.test", "b.site.test"):
        assert window.at(name).get("/app/x").status == 401


@pytest.mark.allow_log("AB0762")
def test_the_same_person_again(unverified, op):  # noqa: F811
    """A login that brings a session that does not count either: 403, no loop."""
    window = unverified
    for _ in range(2):
        res = window.at("b.site.test").go("/app/x")
        assert res.status == 403 and res.check == "session_user", res
        assert res.logged("AB0053", "email_verified"), res
        assert "<h1>You do not have access to this page</h1>" in res.text, res.text
        assert len(login_url(window)) == 1 and op.asked["prompt"] == "login"
        assert window.get("/app/x").status == 401
    admitted(window, "a.site.test", "alice")
    # the user verified the address meanwhile
    op.user = {**op.user, "email_verified": True}
    signed_in(window, "b.site.test")


@pytest.mark.allow_log("AB0762")
def test_somebody_else_is_sent_to_sign_in(unverified, op):  # noqa: F811
    """What an earlier person's session was refused for does not concern the next one."""
    window = unverified
    assert window.at("b.site.test").navigate("/app/x").status == 302
    assert window.at("a.site.test").sign_out().status == 200
    op.user = {**op.user, "sub": "bob"}
    signed_in(window, "a.site.test", "bob")
    assert window.at("b.site.test").navigate("/app/x").status == 302


@pytest.mark.allow_log("AB0762")
def test_a_stronger_login(domain, op, other):  # noqa: F811
    """The issuer is asked for what a page of another host wants, and its answer judged."""
    rules = "".join("<Location /app/%s>\n%s\n</Location>\n" % at for at in (
        ("login", "AuthBearerLogin On acr_values=gold"),
        ("acr", "Require authentication acr=gold"),
        ("age", "Require authentication max-age=10min")))
    first, *rest = hosts_with_login(op, other)
    window = domain(first.replace("</VirtualHost>", rules + "</VirtualHost>"), *rest)
    for page, name, value in (("login", "acr_values", "gold"), ("acr", "acr_values", "gold"),
                              ("age", "max_age", "600")):
        window.jar, op.id_token = {}, {"auth_time": int(time.time()) - 3600}
        signed_in(window, "a.site.test")
        res = window.at("a.site.test").go("/app/" + page)
        assert res.status in (401, 403) and res.check != "login_loop", (page, res)
        assert len(login_url(window)) == 1, window.trail
        assert op.asked[name] == value and op.asked["prompt"] == "login", op.asked
        op.id_token = {"acr": "gold", "auth_time": int(time.time())}
        signed_in(window, "a.site.test", path="/app/" + page)
    # what anyone can send
    for query in ("max_age=x", "max_age=-1", "max_age=999999999", "acr_values=",
                  "acr_values=a%0Ab", "acr_values=" + 300 * "a"):
        res = window.at("login.site.test").navigate("/.auth/login?return=/app/x&" + query)
        assert res.status == 400, (query, res)


@pytest.mark.allow_log("AB0762")
def test_the_path_of_a_host_that_logs_in_elsewhere(domain, op, other):  # noqa: F811
    window = domain(*hosts_with_login(op, other))
    res = window.at("a.site.test").go("/.auth/login?return=/app/y")
    assert res.status == 200 and window.trail[-1] == "https://a.site.test/app/y", window.trail
    assert op.asked["redirect_uri"] == "https://login.site.test/.auth/callback/main"
    res = window.at("a.site.test").navigate("/.auth/login?return=/app/y")
    assert res.get("Location") == "https://a.site.test/app/y", res
    res = window.at("strong.site.test").navigate("/.auth/login")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(res.get("Location")).query)
    assert query == {"return": ["https://strong.site.test/"], "iss": [other.url],
                     "prompt": ["login"]}, res
    # what is too long, or what a proxy might read as another host, does not go there
    window.jar = {}
    for path, leads in (("/app/x?" + "q=%26" * 1500, "/app/x"), ("/app//evil.test?x", "/"),
                        ("/app/%5cevil.test", "/")):
        res = window.at("b.site.test").navigate(path)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(res.get("Location")).query)
        assert query["return"] == ["https://b.site.test" + leads], res
        assert res.logged("AB0330", "https://b.site.test" + leads), res


MAY = [
    "https://a.site.test", "https://a.site.test/app/x?y=//evil.test", "https://b.site.test:443/",
    "https://wild1.w.site.test/x", "https://A.Site.Test/x", "/app/x",
    "https://login.site.test/app/x",
]
MAY_NOT = [
    "https://evil.test/", "https://c.site.test/", "https://site.test/", "https://a.other.test/",
    "https://plain.site.test/", "http://a.site.test/", "https://a.site.test:8443/",
    "//a.site.test/", "https:a.site.test/", "https:/a.site.test/", "https:///a.site.test/",
    "https://a.site.test//x", "https://a.site.test@evil.test/", "https://evil.test@a.site.test/",
    "https://a.site.test.evil.test/", "https://evil.test#.w.site.test/",
    "https://evil.test/.w.site.test/", "https://evil.test?.w.site.test", "https://a.site.test?x",
    "https://a.site.test#x", "https://evil.test\\.w.site.test/",
    "https://a.site.test\\@evil.test/", "https://a.site.test/\\evil.test",
    "https://a.site.test/%5cx", "https://a.site.test/..//x", "https://a.site.test/%2f%2fx",
    "https://w.site.test/", "https://x.y.w.site.test/", "https://-x.w.site.test/",
    "https://%61.site.test/", "https://a.site.test./", " https://a.site.test/",
    "https://a.site.test/\r\nX: y", "javascript:x", "HTTPS://a.site.test/", "https://",
    "https://a_b.w.site.test/", "https://[::1]/",
]


@pytest.mark.allow_log("AB0762", "AB0836")
def test_where_a_login_may_lead(domain, op, other):  # noqa: F811
    """The open-redirect corpus: to a page of a virtual host of this domain, or nowhere."""
    wild = host("x.site.test", LOGIN).replace("https://x", "https://x.site.test https://*.w", 1)
    window = domain(*hosts_with_login(op, other), wild, host("plain.site.test", ""),
                    host("a.other.test", "AuthBearerSessionDomain other.test"))
    path = "/.auth/login?" + urllib.parse.urlencode({"iss": op.url}) + "&"
    window.at("login.site.test")
    for target in MAY:
        res = window.navigate(path + urllib.parse.urlencode({"return": target}))
        assert res.status == 302 and res.get("Location").startswith(op.url), (target, res)
        window.jar = {}
    window.hosts += ["wild1.w.site.test"]
    for name in ("return", "target_link_uri"):
        for target in MAY_NOT:
            res = window.navigate(path + urllib.parse.urlencode({name: target}))
            assert res.status == 400 and not res.get("Location"), (target, res)
            assert not [c for c in window.set if "login" in c.name], target
    # nor does the other host, and without login= no host takes a URL of another
    res = window.at("a.other.test").navigate(
        "/.auth/login?" + urllib.parse.urlencode({"return": "https://b.other.test/"}))
    assert res.status == 400, res
    window.at("login.site.test").jar = {}
    res = window.go(path + "return=https://wild1.w.site.test/x", stop="wild1")
    assert res.get("Location") == "https://wild1.w.site.test/x", res
    # signed in, it leads there at once, but not elsewhere
    res = window.at("login.site.test").navigate(path + "return=https://a.site.test/app/z")
    assert res.get("Location") == "https://a.site.test/app/z", res
    res = window.navigate(path + "return=https://evil.test/")
    assert res.status == 400, res


@pytest.mark.allow_log("AB0762")
def test_an_attempt_is_that_of_the_host_of_login(domain, op, other):  # noqa: F811
    """Another host of the domain can neither take over an attempt nor plant one."""
    window = domain(*hosts_with_login(op, other))
    res = window.at("a.site.test").go("/app/x", stop="/callback/main")
    back = urllib.parse.urlsplit(res.get("Location"))
    for name in ("a.site.test", "b.site.test"):
        moved = Window(window.server, window.hosts).at(name)
        moved.jar = {(name, False, k[2]): v for k, v in window.jar.items()}
        res = moved.navigate(back.path + "?" + back.query)
        assert res.status in (400, 404), res
    assert op.count("token") == 0
    planted = Window(window.server, window.hosts).at("login.site.test")
    res = planted.navigate(back.path + "?" + back.query)
    assert res.status == 400 and res.check == "login_state", res
    res = window.at("login.site.test").navigate(back.path + "?" + back.query)
    assert res.get("Location") == "https://a.site.test/app/x", res


@pytest.mark.allow_log("AB0836")
def test_another_server(one_server, op, other, backend):  # noqa: F811
    """Two servers, one of them with the callback, that share a redis and the secret."""
    cache = OwnRedis()
    try:
        servers = [one_server(cache.conf + HEAD % ("", op.url) + conf, files=SECRETS,
                              backend=backend) for conf in (
            host("a.site.test", LOGIN),
            # the name of the other one, for `return`
            host("login.site.test", LOGIN) + host("a.site.test", LOGIN))]
        window = Window(servers[1], ["a.site.test", "login.site.test"])
        send = window.send

        def routed(*args, **kw):
            window.server = servers[window.origin == "https://login.site.test"]
            return send(*args, **kw)
        window.send = routed
        signed_in(window, "a.site.test")
        assert window.at("a.site.test").sign_out().status == 200
        assert window.at("login.site.test").get("/app/x").status == 401
    finally:
        cache.close()


# ---- what is not one of the domain ------------------------------------------------------


@pytest.mark.core
def test_a_value_opens_nothing_outside_its_domain(domain, op, store):  # noqa: F811
    """Neither a session of one host nor one of another domain is one of this domain, and
    the other way round."""
    window = domain(host("a.site.test"), host("b.site.test", ""),
                    host("a.other.test", "AuthBearerSessionDomain other.test"),
                    more="AuthBearerSessionStore " + store)
    values = {}
    for name in ("a.site.test", "b.site.test", "a.other.test"):
        window.jar = {}
        signed_in(window, name)
        values[name], = [v for k, v in window.jar.items() if "session" in k[2]]
    for name in values:
        for origin, value in values.items():
            window.jar = {(name, False, cookie): value for cookie in (
                NAME, "__Host-bearer_session", "bearer_session")}
            if name == origin:
                admitted(window, name)
            else:
                sent_to_sign_in(window, name, op)


# ---- cookies that another host of the domain sets ------------------------------------------


@pytest.mark.core
def test_each_value_is_tried(domain, op, store):  # noqa: F811
    op.offer(revocation_endpoint="revoke")
    window = domain(host("a.site.test"), more="AuthBearerSessionStore " + store)
    signed_in(window, "a.site.test")
    good, junk = window.session(), ["A" * 43, "B" * 43, "x"]
    fields = [[good], [*junk, good], [good, *junk], [junk[0], good, junk[1]], [good, good],
              ["", good], [good[:-2], good]]

    def ask(values, **extra):
        field = "; ".join("%s=%s" % (NAME, value) for value in values)
        return window.server.get("/app/x", headers={"Cookie": field, **extra},
                                 host="a.site.test")
    for values in fields:
        assert ask(values).status == 200, values
    # at most four, not behind a comma, not by another name
    assert ask([*junk, "y", good]).status == 401
    for field in ("x=1, %s=%s" % (NAME, good), "__Host-bearer_session=" + good,
                  "__Secure-bearer_session_443=" + good, NAME + "x=" + good):
        res = window.server.get("/app/x", headers={"Cookie": field}, host="a.site.test")
        assert res.status == 401, field
    # a session of somebody else beside it: none counts, and signing in ends both
    second = Window(window.server, window.hosts)
    op.user = {**op.user, "email": "mallory@example.test", "sub": "mallory"}
    signed_in(second, "a.site.test", "mallory@example.test")
    tossed = second.session()
    for values in ([tossed, good], [good, tossed], [tossed, "x", good]):
        res = ask(values)
        assert res.status == 401 and res.logged("AB0002", "2"), res
    op.user = {**op.user, "email": "alice@example.test", "sub": "alice"}
    window.jar[("a.site.test", True, NAME)] = tossed
    signed_in(window.at("a.site.test"), "a.site.test")
    window.jar.pop(("a.site.test", True, NAME))
    admitted(window, "a.site.test")
    for value in (good, tossed):
        assert ask([value]).status == 401
    # so does signing out
    third = window.session()
    signed_in(second, "a.site.test")
    fourth = second.session()
    # the other one's form does not sign the user out
    form = {"Cookie": "%s=%s" % (NAME, fourth)}
    mine = window.server.get("/.auth/logout", headers={**NAVIGATE, **form}, host="a.site.test")
    token = re.search('name="token" value="([0-9a-f]+)"', mine.text).group(1)
    window.jar = {("a.site.test", True, NAME): fourth, **window.jar}
    res = window.at("a.site.test").send(
        "POST", "/.auth/logout", {"Content-Type": "application/x-www-form-urlencoded",
                                  "Sec-Fetch-Site": "same-site"}, b"token=" + token.encode())
    assert res.status == 403 and res.check == "cross_site", res
    assert ask([third]).status == 200
    del op.revoked[:]
    window.at("a.site.test").sign_out()
    for value in (third, fourth):
        assert ask([value]).status == 401
    wait_until(lambda: len({form["token"] for form in op.revoked}) >= 2,
               what="the revocation of both")


# ---- configtest ---------------------------------------------------------------------------

A, B = "a.site.test", "b.site.test"
AT = DOMAIN + " login=https://"
BAD = [
    ("AB0619", [host(A, "AuthBearerSessionDomain test")]),
    ("AB0619", [host(A, "AuthBearerSessionDomain .site.test")]),
    ("AB0619", [host(A, "AuthBearerSessionDomain site..test")]),
    ("AB0619", [host(A, "AuthBearerSessionDomain -site.test")]),
    ("AB0619", [host(A, "AuthBearerSessionDomain 127.0.0.1")]),
    ("AB0619", [host(A, "AuthBearerSessionDomain site.test;x=y")]),
    ("AB0619", [host(A, DOMAIN + " https://a.site.test")]),
    ("AB0619", [host(A, AT + "a.site.test/x")]),
    ("AB0619", [host(A, AT + "*.site.test")]),
    ("AB0619", [host(A, AT + "a.evilsite.test")]),
    ("AB0619", [host(A, DOMAIN + " login=http://a.site.test")]),
    ("AB0831", [host(A).replace("AuthBearerBaseURL", "#")]),
    ("AB0832", [host(A).replace("https://", "http://")]),
    ("AB0832", [host("a.evilsite.test")]),
    ("AB0832", [host(A).replace("https://a.site.test", "https://a.site.test https://*.b.test")]),
    ("AB0833", [host(A), host(B, DOMAIN + "\nAuthBearerSessionStore cookie")]),
    ("AB0833", [host(A), host(B, DOMAIN + "\nAuthBearerSessionLifetime idle=1s")]),
    ("AB0833", [host(A), host(B, DOMAIN + '\nAuthBearerSecretFile "@ROOT@/newer"')]),
    ("AB0833", [host(A), host(B, AT + A)]),
    ("AB0833", [host(A, AT + A), host(B, AT + A + "\nAuthBearerLoginPath /x")]),
    ("AB0834", [host(A, AT + A), host(B, AT + A + "\nAuthBearerClientID other")]),
]
GOOD = [
    [host(A), host(B)],
    [host(A), host("x.site.test", ""), host("a.other.test", "AuthBearerSessionDomain other.test")],
    [host(A, DOMAIN.replace("Site", "a.Site")),
     host(B, DOMAIN + "\nAuthBearerSessionStore cookie")],
    [host("site.test"), host(A, DOMAIN).replace("https://a", "https://a.site.test https://*")],
    [host(A, AT + A), host(B, AT + "A.site.test:443/")],
    [host(A, AT + "x.b.site.test"),
     host(B, AT + "x.b.site.test").replace("https://b", "https://b.site.test https://*.b", 1)],
]


@pytest.mark.parametrize("number,hosts", BAD)
def test_configtest_refuses(checker, op, number, hosts):  # noqa: F811
    done = checker(HEAD % ("", op.url) + "".join(hosts), files=SECRETS)
    assert done.status == 1 and done.says(number), done


@pytest.mark.parametrize("hosts", GOOD)
def test_configtest_accepts(checker, op, hosts):  # noqa: F811
    done = checker(HEAD % ("", op.url) + "".join(hosts), files=SECRETS)
    assert done.status == 0, done
    assert done.says("AB0835", "site.test"), done
    assert not done.says("AB0836"), done


def test_configtest_says_what_to_register(checker, op):  # noqa: F811
    conf = HEAD % ("", op.url) + host(A, AT + "login.site.test") + host(
        B, AT + "login.site.test")
    done = checker(conf, "-D", "DUMP_BEARER", files=SECRETS)
    assert done.status == 0 and done.says("AB0836", "login=https://login.site.test"), done
    assert done.output.count("AB0835") == done.output.count("AB0836") == 1, done
    assert not done.says("AB0762"), done
    assert "    AuthBearerSessionDomain site.test login=https://login.site.test\n" \
        in done.output, done


@pytest.mark.parametrize("parameters,told", [("prompt=login", 1), ("acr_values=gold", 0),
                                             ("max_age=60", 0), ("", 0)])
def test_parameters_that_stay_here(checker, op, parameters, told):  # noqa: F811
    """What the host of login= does not get to know is said."""
    there = "<Location /app/one>\nAuthBearerLogin On %s\n</Location>\n</VirtualHost>" % parameters
    done = checker(HEAD % ("", op.url) + host(A, AT + A)
                   + host(B, AT + A).replace("</VirtualHost>", there), files=SECRETS)
    assert done.status == 0 and done.output.count("AB0837") == told, done
