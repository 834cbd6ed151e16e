# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Browsers: cookies that somebody has had in his hands, and addresses that would
like to be gone to after a login."""
import os

import pytest

from support.browsing import (SECRETS, callback, conf, no_session,  # noqa: F401
                              op, session_cookie, signed_in, site, store)
from support.client import build
from support.httpd import wait_until
from support.op import NAVIGATE, Browser

pytestmark = pytest.mark.allow_log("AB0763")


def attempt_cookie(browser):
    return [n for n in browser.cookies if "login" in n][0]


# -- a cookie that outlives the window ----------------------------------------------

def ages(cookies):
    return {c.name: c.attributes.get("max-age") for c in cookies if "session" in c.name}


@pytest.mark.core
def test_persist(site, op, store):
    """As long as the session: prolonged with it, at most until max, and deleted as ever."""
    op.user["blob"] = os.urandom(1600).hex()  # two cookies where they hold the session
    server = site("AuthBearerSessionStore %s\n"
                  "AuthBearerSessionLifetime max=1h idle=16s persist=on" % store)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    first = ages(browser.set)
    assert len(first) == (2 if store == "cookie" else 1) and set(first.values()) == {"16"}
    assert browser.navigate("/app/x").status == 200 and not browser.set
    wait_until(lambda: browser.navigate("/app/x").status == 200 and browser.set,
               what="prolonged")
    assert ages(browser.set) == first
    browser.sign_out()
    assert not [name for name in browser.cookies if "session" in name]
    server.rewrite("max=1h", "max=4s")
    server.graceful()
    assert browser.navigate(callback(browser, op)).status == 303
    assert set(ages(browser.set).values()) <= {"3", "4"}
    server.rewrite(" persist=on", "")
    server.graceful()
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    assert set(ages(browser.set).values()) == {None}


# -- logins under way ------------------------------------------------------------

@pytest.mark.parametrize("change", [
    "forged", "truncated", "longer", "empty", "oversized", "not-base64", "padding",
    "session-instead", "another-attempt", "twice", "renamed"])
def test_attempt_cookies(site, op, change):
    server = site()
    browser = Browser(server)
    if change == "session-instead":
        signed_in(browser)
        session = browser.cookies.pop(session_cookie(browser))
    back = callback(browser, op)
    name = attempt_cookie(browser)
    good = browser.cookies[name]
    field = None
    if change == "forged":
        at = len(good) // 2
        browser.cookies[name] = (good[:at] + ("A" if good[at] != "A" else "B")
                                 + good[at + 1:])
    elif change == "truncated":
        browser.cookies[name] = good[:-5]
    elif change == "longer":
        browser.cookies[name] = good + "A"
    elif change == "empty":
        browser.cookies[name] = ""
    elif change == "oversized":
        browser.cookies[name] = "A" * 6000
    elif change == "not-base64":
        browser.cookies[name] = good[:20] + "%00" + good[23:]
    elif change == "padding":
        browser.cookies[name] = good + "=="
    elif change == "session-instead":
        browser.cookies[name] = session
    elif change == "another-attempt":
        other = Browser(server)
        other.navigate("/app/other")
        browser.cookies[name] = other.cookies[attempt_cookie(other)]
    elif change == "twice":
        field = "%s=%s; %s=%s" % (name, good, name, good)
    elif change == "renamed":
        other = name[:-1] + ("A" if name[-1] != "A" else "B")
        browser.cookies[other] = browser.cookies.pop(name)
    asked = op.count("token")
    res = browser.get(back, {**NAVIGATE, "Cookie": field} if field else NAVIGATE)
    browser.cookies.pop(name, None)
    no_session(browser, res, 400, "login_state")
    assert op.count("token") == asked
    assert good not in res.text


def test_a_login_cookie_is_no_session(site, op, store):
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    name = session_cookie(browser)
    browser.cookies.pop(name)
    browser.navigate("/app/x")
    browser.cookies[name] = browser.cookies[attempt_cookie(browser)]
    assert browser.navigate("/app/x").status == 302


def test_attempt_of_another_vhost(one_server, op):
    vhosts = "".join("""
<VirtualHost *>
    ServerName %s.example.test
    %s
</VirtualHost>
""" % (name, conf(op, base="http://%s.example.test" % name)) for name in "ab")
    server = one_server(vhosts, files=SECRETS)
    browser = Browser(server, "http://a.example.test")
    res = browser.navigate("/app/x", host="a.example.test")
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    no_session(browser.clone(), browser.clone().navigate(
        back, host="b.example.test"), 400, "login_state")
    assert browser.navigate(back, host="a.example.test").status == 303


OWN_CLIENTS = """
AuthBearerSecretFile "@ROOT@/secret"
<AuthBearerIssuer "%s" main>
</AuthBearerIssuer>
"""
OWN_CLIENT = """
<VirtualHost *>
    ServerName {0}.example.test
    AuthBearerBaseURL http://{0}.example.test
    AuthBearerClientID app-{0}
    AuthBearerClientSecret "file:@ROOT@/client-{0}"
    <Location "/app">
        AuthType Bearer
        AuthBearerSession On
        AuthBearerLogin On
        Require valid-user
    </Location>
</VirtualHost>
"""


def test_each_vhost_is_a_client_of_its_own(one_server, op):
    """One issuer, declared once: at its endpoints each vhost is who its own
    directives say."""
    op.refresh, op.expires_in = True, 5
    op.offer(revocation_endpoint="revoke",
             pushed_authorization_request_endpoint="par")
    server = one_server(
        OWN_CLIENTS % op.url + "".join(OWN_CLIENT.format(n) for n in "ab"),
        files={**SECRETS, "client-a": ("the-secret-of-client-a\n", 0o600),
               "client-b": ("the-secret-of-client-b\n", 0o600)})
    for name in "ab":
        host = name + ".example.test"
        who = ("app-" + name, "the-secret-of-client-" + name)
        op.client_id = who[0]
        browser = Browser(server, "http://" + host)
        res = browser.navigate("/app/x", host=host)
        assert res.status == 302 and op.last("par").basic == who
        back = browser.provider(res.get("Location")).get("Location")
        res = browser.navigate(browser.path_of(back), host=host)
        assert res.status == 303 and op.last("token").basic == who, res
        n = op.count("token")
        assert browser.navigate("/app/x", host=host).status == 200
        assert op.count("token") == n + 1 and op.last("token").basic == who
        n = op.count("revoke")
        assert browser.sign_out(host=host).status == 200
        wait_until(lambda: op.count("revoke") > n, 20, "the revocation, in the background")
        assert op.last("revoke").basic == who


def test_cookies_of_other_servers_of_the_host(one_server, op, backend):
    """A browser sends them to every port: what lies behind one server does not
    get what opens a session at another, whether it has sessions or not."""
    server = one_server("""
<VirtualHost *>
    ServerName a.example.test
    %s
</VirtualHost>
<VirtualHost *>
    ServerName b.example.test
</VirtualHost>
""" % conf(op, base="http://a.example.test"), files=SECRETS, backend=backend)
    browser = Browser(server, "http://a.example.test")
    res = browser.navigate("/app/x", host="a.example.test")
    back = browser.provider(res.get("Location")).get("Location")
    browser.navigate(browser.path_of(back), host="a.example.test")
    browser.cookies.update({"__Host-bearer_session": "A" * 43, "mine": "1",
                            "bearer_session_8443": "B" * 43,
                            "__Host-bearer_login_8443.abcdefgh": "C" * 43})
    for host in ("a", "b"):
        res = browser.get("/app/be/x", host=host + ".example.test")
        assert res.status == 200, res
        assert dict(res.json()["headers"])["Cookie"] == "mine=1", res


def test_an_access_log_that_shows_cookies(site, op):
    """It shows an application's. Refused or answered at the endpoints, the session
    lives on, and so does what would open it."""
    server = site(end="""
CustomLog "@ROOT@/logs/cookies.log" "%r|%{Cookie}i"
<Location "/app/bob">
    Require user bob
    AuthMerging And
</Location>
<Location "/app/debug">
    AuthBearerStripCookies Off
</Location>
""")
    browser = Browser(server)
    browser.cookies["app"] = "its-own"
    signed_in(browser)
    assert browser.get("/app/bob/x").status == 403
    assert browser.get("/app/debug/x").status == 200
    assert browser.get("/open/x").status == 200
    res = browser.send("GET", "/.auth/logout", {
        **NAVIGATE, "Sec-Fetch-Site": "cross-site"})
    assert "Sign out?" in res.text
    server.stop()
    text = open(server.path("logs/cookies.log")).read()
    assert text.count("|app=its-own") >= 6, text
    assert "bearer_" not in text, text


# -- how much room logins take ---------------------------------------------------

FIELD = 8190    # LimitRequestFieldSize


def test_tabs_with_long_addresses(site, op):
    """All that is under way fits into the one field that httpd takes."""
    server = site()
    browser = Browser(server)
    for i in range(6):
        path = "/app/%d?%s" % (i, "a" * 1900)
        res = browser.navigate(path)
        assert res.status == 302, res
        assert len(browser.field()) < FIELD - 300
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    res = browser.navigate(back)
    assert res.status == 303 and res.get("Location") == server.url + path, res
    assert browser.navigate("/app/x").status == 200


def test_a_long_address_beside_an_applications_cookies(site, op, store):
    """Where it does not fit into the cookie, the server keeps it."""
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    browser.cookies["app"] = "x" * 5600
    assert browser.go("/app/x?" + "a" * 1900).status == 200
    assert browser.trail[-1] == server.url + "/app/x?" + "a" * 1900


#: Pages that a person may ask for; what Location says if it is not the same.
PAGES = [
    ("/app/x?" + "q=%5C%2F%2F&" * 180, None), ("/app/" + "deep/" * 700 + "x?y=1", None),
    ("/app/x?" + "a" * 7800, None), ("/app//x", None), ("/app//evil.example//x?a=b", None),
    ("//app/x", "/app/x"), ("///app//x?y=//z", "/app//x?y=//z"),
    ("/app/a%5Cb", None),
    ("/app/%0d%0aSet-Cookie:%20a=b", None), ("/app/.//x", None), ("/app/;@evil.example//x", None),
    ("/app/x?next=//evil.example", None), ("/app/x?q='\"<>`", "/app/x?q=%27%22%3C%3E%60"),
    ("/app/it's", "/app/it%27s"),
]


@pytest.mark.parametrize("path,wanted", PAGES, ids=range(len(PAGES)))
def test_the_page_that_was_asked_for(site, op, store, path, wanted):
    """Whatever its length and its legal characters; always base URL and path."""
    server = site("AuthBearerSessionStore %s\nMergeSlashes On" % store)
    browser = Browser(server)
    res = browser.navigate(path)
    assert res.status == 302, res
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    res = browser.navigate(back)
    assert res.status == 303 and res.get("Location") == server.url + (wanted or path), res
    assert not res.logged("AB0305") and not res.logged("AB0306")


@pytest.mark.parametrize("path,to", [
    ("/app/x\\y", "/"), ("/app/x?a=" + "'" * 2800, "/app/x"), ("/app/x{\"}", "/"),
], ids=["backslash", "long", "quote"])
def test_a_page_that_cannot_be_come_back_to(site, op, path, to):
    server = site()
    browser = Browser(server)
    res = browser.navigate(path)
    assert res.status == 302 and res.logged("AB0305", "'%s'" % to), res
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    assert browser.navigate(back).get("Location") == server.url + to


def test_the_room_of_long_addresses_is_bounded(site, op):
    """Other people's long addresses push it out; the page without its query is left,
    and the log says why. A graceful restart does not."""
    server = site()
    browser, late = Browser(server), Browser(server)
    path = "/app/x?" + "a" * 500
    first = browser.navigate(path).get("Location")
    for i in range(256):
        assert Browser(server).navigate("/app/%d?%s" % (i, "b" * 500)).status == 302
    second = late.navigate(path).get("Location")
    server.graceful()
    for client, url, to in ((browser, first, "/app/x"), (late, second, path)):
        back = client.path_of(client.provider(url).get("Location"))
        res = client.navigate(back)
        assert res.status == 303 and res.get("Location") == server.url + to, res
        assert bool(res.logged("AB0307", "'/app/x'")) == (to != path), res


@pytest.mark.parametrize("kept,long", [
    ("cache", 0), ("cache", 1500),
    ("cookie", 0)])  # long ones stay in cookies: they may end on another host
@pytest.mark.parametrize("order", ["one by one", "at once"])
def test_twenty_tabs(site, op, kept, long, order):
    """A restored window: all tabs ask before any has a cookie; the person signs in in
    one of them, and the others are let through by the provider."""
    server = site("AuthBearerSessionStore " + kept)
    browser = Browser(server)
    pages = ["/app/%d?%s" % (i, "a" * (long if i % 2 else 20)) for i in range(20)]
    tabs = []
    for page in pages:
        tab = Browser(server)
        tabs.append((page, tab.navigate(page).get("Location")))
        browser.cookies.update(tab.cookies)
    assert len(browser.field()) < FIELD - 300
    backs = [browser.path_of(browser.provider(url).get("Location")) for _, url in tabs]
    snapshot = browser.clone()
    ends = []
    for page, back in zip(pages, backs):
        tab = browser if order == "one by one" else snapshot.clone()
        res = tab.navigate(back)
        assert res.status == 303 and res.get("Location") == server.url + page, res
        before = dict(tab.cookies)
        browser.cookies.update(tab.cookies)
        ends.append((page, before))
    # each asks for its page with the cookies of that moment, or with the last
    for page, cookies in ends:
        for jar in (cookies, browser.cookies):
            tab = Browser(server)
            tab.cookies = dict(jar)
            assert tab.navigate(page).status == 200, page
    assert op.count("token") == 20


def test_another_account_in_another_tab(site, op):
    """A session is kept for the same person only."""
    server = site()
    browser = Browser(server)
    first, second = (browser.navigate("/app/%d" % i).get("Location") for i in range(2))
    back = browser.path_of(browser.provider(first).get("Location"))
    assert browser.navigate(back).status == 303
    assert browser.navigate("/app/x").user == "alice@example.test"
    op.user.update(sub="bob", email="bob@example.test")
    back = browser.path_of(browser.provider(second).get("Location"))
    assert browser.navigate(back).status == 303
    assert browser.navigate("/app/x").user == "bob@example.test"


def test_a_login_takes_half_an_hour(site, op):
    browser = Browser(site())
    browser.navigate("/app/x")
    assert [cookie.attributes["max-age"] for cookie in browser.set] == ["1800"]


def test_a_large_session_beside_other_tabs(site, op):
    """A session in cookies takes the room of logins that are under way."""
    server = site("AuthBearerSessionStore cookie")
    op.user["blob"] = os.urandom(1700).hex()
    browser = Browser(server)
    for i in range(3):
        browser.navigate("/app/%d?%s" % (i, "a" * 600))
    assert browser.go("/app/x").status == 200
    assert browser.navigate("/app/y").status == 200


def test_sessions_of_another_kind(site, op):
    """A session from a cookie is not accepted as a name in the cache."""
    server = site("AuthBearerSessionStore cookie")
    browser = Browser(server)
    signed_in(browser)
    server.rewrite("AuthBearerSessionStore cookie", "")
    server.graceful()
    assert browser.navigate("/app/x").status == 302
    signed_in(browser)


@pytest.mark.allow_log("AB0762")
def test_sessions_of_another_issuer(site, issuers, op):
    """Where another issuer logs in, a session of this one is no credential."""
    from support.op import Provider
    second = Provider(issuers, "second-op", "es256")
    server = site(end="""
<AuthBearerIssuer "%s" second>
</AuthBearerIssuer>
AuthBearerLoginIssuer %s
<Location "/app/second">
    AuthBearerLoginIssuer %s
    AuthBearerUserFormat %%u
</Location>
<Location "/app/narrow">
    AuthBearerAcceptIssuer %s
</Location>
AuthBearerUserFormat %%u
""" % (second.url, op.url, second.url, second.url))
    browser = Browser(server)
    signed_in(browser)
    res = browser.navigate("/app/second/x")
    assert res.status == 302 and res.get("Location").startswith(second.url)
    assert browser.get("/app/narrow/x").status == 401


@pytest.mark.parametrize("value", ["x", "A" * 200, "aaaaaaaa-9.bbbbbbbb-9",
                                   "%00", "aaaaaaaa-0", "-" * 60],
                         ids=range(6))
def test_tries_cookie(site, op, value):
    server = site()
    browser = Browser(server)
    browser.cookies["bearer_tries_%d" % server.port] = value
    signed_in(browser)


# -- where to after a login -------------------------------------------------------

TARGETS = [
    "//evil.example/app/x", "///evil.example/app", "/\\evil.example/app",
    "/%5Cevil.example", "/%2F%2Fevil.example/", "/app/..//evil.example",
    "/app/%2e%2e//evil.example/", "/app/x?next=//evil.example/",
    "/app/x?a=https://evil.example/#f", "/app/;//evil.example",
    "/app/x%0d%0aLocation:%20//evil.example", "/app/x%09y", "/@evil.example/",
    "/app/x?" + "a" * 3000, "/app/%00", "/app/%zz", "/.evil.example",
    "http://evil.example/app/x", "http://evil.example//app/x",
    "http://evil.example@other.example/app/x", "/app/x\u00e9",
]


def lands(server, op, target):
    """Where a login ends that began with this request line, or None: nobody was
    sent to the issuer."""
    browser = Browser(server)
    request = build("GET", "/", {**NAVIGATE, "X-Forwarded-Host": "evil.example",
                                 "X-Forwarded-Proto": "https",
                                 "Forwarded": "host=evil.example"},
                    host="evil.example")
    res = server.raw(request.replace(
        b"GET / ", b"GET " + target.encode("latin-1") + b" ", 1))
    if res.status != 302:
        assert res.status in (400, 403, 404), res
        assert not res.get("Location")
        return None
    assert res.get("Location").startswith(op.url + "/")
    assert "evil" not in res.get("Location")
    line = [c for c in res.all("Set-Cookie") if "login" in c][0].split(";")[0]
    browser.cookies[line.partition("=")[0]] = line.partition("=")[2]
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    assert back, "the issuer was given another address to come back to"
    res = browser.navigate(back)
    assert res.status == 303, res
    return res.get("Location")


def test_back_to_the_page_whatever_its_name(site, op):
    """Browsers do not encode all that a target may not have."""
    server = site()
    browser = Browser(server)
    assert browser.go("/app/Moore's_law?q='x'&d=C:\\y&b=`").status == 200
    assert browser.trail[-1] == \
        server.url + "/app/Moore%27s_law?q=%27x%27&d=C:%5Cy&b=%60"


@pytest.mark.allow_log("AH00127", "AH00026", "AH10244")
def test_nowhere_else_after_login(site, op):
    """Whatever is asked for: back to this server, or no login at all."""
    server = site(end='<Location "/">\nAuthType Bearer\nAuthBearerSession On\n'
                  "AuthBearerLogin On\nRequire valid-user\n</Location>")
    ends = {}
    for target in TARGETS:
        end = ends[target] = lands(server, op, target)
        if end:
            rest = end[len(server.url):]
            assert end.startswith(server.url + "/"), (target, end)
            assert not rest.startswith("//") and "\\" not in rest, (target, end)
            assert not any(ord(c) <= 0x20 or ord(c) > 0x7e for c in rest), target
    assert sum(end is not None for end in ends.values()) > len(TARGETS) / 2
    assert ends["http://evil.example/app/x"] == server.url + "/app/x"


# -- .htaccess -----------------------------------------------------------------------

def test_htaccess_turns_it_on(site, op):
    server = site("AuthBearerLoginPath /.auth", end="""
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
</Directory>
""", files={"htdocs/files/x.txt": "a file\n", "htdocs/files/.htaccess":
            "AuthType Bearer\nAuthBearerSession On\nAuthBearerLogin On\n"
            "Require claim name:Alice\n"})
    browser = Browser(server)
    res = browser.go("/files/x.txt")
    assert res.status == 200 and res.user == "alice@example.test", res
