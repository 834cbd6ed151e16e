# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Locations where people of several issuers log in: whose sessions count, which issuer
a session belongs to, and the page that asks for one."""
import html
import re
import urllib.parse

import pytest

from support.browsing import (SECRETS, backchannel, begun, callback, conf,  # noqa: F401
                              forget_session, no_session, op, second, signed_in, site, store)
from support.issuer import Answer, headers_of
from support.op import NAVIGATE, Browser
from test_login_path import corpus

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0762", "AB0763")
BOTH = """
<AuthBearerIssuer "{second}" second>
</AuthBearerIssuer>
AuthBearerLoginIssuer {op} {second}
AuthBearerUserFormat %u@%i
<Location "/app/main">
    AuthBearerLoginIssuer {op}
</Location>
<Location "/app/second">
    AuthBearerLoginIssuer {second}
</Location>
<Location "/app/gold">
    AuthBearerLogin On acr_values=gold
</Location>
"""


@pytest.fixture
def both(site, op, second):  # noqa: F811
    def start(more="", end="", **kw):
        return site(more, end=BOTH.format(op=op.url, second=second.url) + end, **kw)
    return start


# ---- whose sessions count ---------------------------------------------------

@pytest.mark.core
def test_a_location_accepts_sessions_of_its_issuers(both, op, second, wire):  # noqa: F811
    """The session of another issuer of this server begins a login there, not a loop."""
    browser = Browser(both(h2=wire), h2=wire)
    for path, name in (("/app/main/x", "main"), ("/app/second/x", "second"),
                       ("/app/main/x", "main")):
        assert browser.get(path).status == 401, "a script is not sent anywhere"
        signed_in(browser, path, "alice@example.test@" + name)
        assert browser.navigate("/app/x").user == "alice@example.test@" + name
        assert browser.get(path).status == 200
    assert (op.count("token"), second.count("token")) == (2, 1)


def test_a_location_narrows_the_issuers(both, op, second):  # noqa: F811
    """AuthBearerAcceptIssuer, too, says with whom people can log in."""
    server = both(end="""
<Location "/app/narrow">
    AuthBearerAcceptIssuer %s
</Location>
""" % second.url)
    assert begun(Browser(server).navigate("/app/narrow/x"), second)


# ---- the issuer of a session -------------------------------------------------

def test_a_session_belongs_to_its_issuer(both, op, second, store):  # noqa: F811
    """A stronger login, a refresh and the logout are asked of the issuer that the person
    logged in with; the other one gets no request."""
    second.offer(end_session_endpoint="end", revocation_endpoint="revoke")
    second.refresh, second.expires_in = True, 5
    second.id_token["acr"] = "gold"
    browser = Browser(both("AuthBearerSessionStore " + store))
    signed_in(browser, "/app/second/x", "alice@example.test@second")
    del second.id_token["acr"]
    assert browser.get("/app/env").env["BEARER_ISSUER"] == second.url
    signed_in(browser, "/app/gold", "alice@example.test@second")
    browser.cookies.clear()
    signed_in(browser, "/app/second/x", "alice@example.test@second")
    asked = begun(browser.navigate("/app/gold"), second)
    assert asked["acr_values"] == "gold"
    res = browser.sign_out()
    assert "signed out" in res.text
    assert second.ended["id_token_hint"]
    assert [r.form["grant_type"] for r in second.requests if r.kind == "token"].count(
        "refresh_token") >= 2
    assert op.count("authorize") == op.count("token") == 0


def test_a_logout_of_one_issuer(both, op, second):  # noqa: F811
    """The same sid and sub of another issuer is another session."""
    server = both()
    second.sid = op.sid
    one, other = Browser(server), Browser(server)
    signed_in(one, "/app/main/x", "alice@example.test@main")
    signed_in(other, "/app/second/x", "alice@example.test@second")
    assert backchannel(server, second.logout_token(iss=op.url)).status == 400
    assert backchannel(server, op.logout_token()).status == 200
    assert one.navigate("/app/main/x").status == 302
    assert other.navigate("/app/second/x").status == 200
    assert backchannel(server, second.logout_token(sid=None, sub="alice")).status == 200
    assert other.navigate("/app/second/x").status == 302


def test_one_of_them_has_tenants(site, op, second):  # noqa: F811
    """People of an admitted tenant get in, others do not."""
    second.metadata["issuer"] = second.url + "/{tenantid}"
    template = second.url + "/{tenant}"
    server = site(end="""
<AuthBearerIssuer "%s" m.a~n-y_1>
    AuthBearerTenants t-1
    AuthBearerMetadata %s/.well-known/openid-configuration
    AuthBearerKeys %s
</AuthBearerIssuer>
AuthBearerUserFormat %%u@%%i@%%t
AuthBearerLoginIssuer %s %s
<Location "/app/many">
    AuthBearerLoginIssuer %s
</Location>
""" % (template, second.url, second.jwks_url, op.url, template, template))
    second.id_token["iss"] = second.url + "/t-1"
    browser = Browser(server)
    assert browser.go(choices(browser.navigate("/app/x"))["m.a~n-y_1"]).user \
        == "alice@example.test@m.a~n-y_1@t-1"
    assert remembered(browser) == "m.a~n-y_1"
    browser = Browser(server)
    signed_in(browser, "/app/many/x", "alice@example.test@m.a~n-y_1@t-1")
    assert second.asked["redirect_uri"] == server.url + "/.auth/callback/m.a~n-y_1"
    assert browser.navigate("/app/x").status == 200
    second.id_token["iss"] = second.url + "/t-2"
    other = Browser(server)
    no_session(other, other.go("/app/many/x"), 401, "tenant")


# ---- the page that asks ---------------------------------------------------------

def choices(res, status=401):
    """The page: {NAME: path of its link}."""
    assert res.status == status, res
    assert res.get("Content-Type").startswith("text/html")
    assert "no-store" in res.get("Cache-Control")
    assert res.get("Referrer-Policy") == "no-referrer"
    assert "<h1>Choose how to sign in</h1>" in res.text and '<html lang="en">' in res.text
    assert not re.search("<script|<img|<link|src=|url\\(|style=", res.text)
    found = re.findall('<p><a href="([^"]*)">([^<]*)</a></p>', res.text)
    assert len(found) == res.text.count("<a "), res.text
    return {html.unescape(name): html.unescape(path) for path, name in found}


def remembered(browser):
    name, = [n for n in browser.cookies if "issuer" in n] or [None]
    return browser.cookies.get(name)


@pytest.mark.core
def test_a_page_asks(both, op, second, store, wire):  # noqa: F811
    """Once; then the browser is sent to the issuer of its latest login, until the person
    signs out."""
    server = both("AuthBearerSessionStore " + store, h2=wire)
    browser = Browser(server, h2=wire)
    wanted = "/app/x?a=1&b=%26+c;d"
    res = browser.navigate(wanted)
    assert res.get("WWW-Authenticate").startswith("Bearer realm="), res
    assert not res.all("Set-Cookie")
    links = choices(res)
    assert list(links) == ["main", "second"]
    for path in links.values():
        assert path.startswith("/.auth/login?iss=") and "return=" in path
    assert op.count() + second.count() == 0, "nobody is asked for a page"
    for name, issuer in (("second", second), ("main", op)):
        browser = Browser(server, h2=wire)
        res = browser.go(links[name])
        assert res.user == "alice@example.test@" + name, res
        assert browser.trail[-1] == server.url + wanted
        assert issuer.asked["redirect_uri"] == server.url + "/.auth/callback/" + name
        assert len([c for c in browser.set if "issuer" in c.name]) <= 1, browser.set
        assert remembered(browser) == name
        session = {n: v for n, v in browser.cookies.items() if "session" in n}
        for gone in session:
            del browser.cookies[gone]
        begun(browser.navigate("/app/y"), issuer)
        browser.cookies.update(session)
        browser.sign_out()
        assert remembered(browser) is None
        choices(browser.navigate("/app/y"))


def test_the_cookie(both, second):  # noqa: F811
    browser = Browser(both())
    link = choices(browser.navigate("/app/x"))["second"]
    res = browser.navigate(callback(browser, second, link))
    assert res.status == 303, res
    cookie, = [c for c in browser.set if "issuer" in c.name]
    assert cookie.name.startswith("bearer_issuer_") and cookie.value == "second"
    assert cookie.attributes == {"path": "/", "max-age": "2592000", "httponly": "",
                                 "samesite": "Lax"}
    assert not headers_of(browser.navigate("/app/be/x")).get("cookie"), "it is not for others"


def test_what_a_browser_remembers_is_compared(both, op, second):  # noqa: F811
    """With the names of the issuers of the location; whatever else it sends is nothing."""
    server = both()
    name = "bearer_issuer_%d" % server.port
    for value in ("", "Second", "secon", "second.", "third", "*", "0", second.url, "a" * 3000,
                  "<b>", "main; %s=second" % name):
        choices(server.get("/app/x", headers={**NAVIGATE, "Cookie": name + "=" + value}))
    for value, path, issuer in (("main", "/app/x", op), ("second", "/app/x", second),
                                ("main", "/app/second/x", second),
                                ("other", "/app/main/x", op)):
        begun(server.get(path, headers={**NAVIGATE, "Cookie": name + "=" + value}), issuer)


def test_only_a_navigation_gets_the_page(both):  # noqa: F811
    """An ErrorDocument is for the others: without the links nobody could sign in."""
    server = both(end='ErrorDocument 401 "of the administrator"\n')
    choices(server.get("/app/x", headers=NAVIGATE))
    for method, headers in (
            ("GET", {"Accept": "*/*"}), ("GET", {**NAVIGATE, "Sec-Fetch-Mode": "cors"}),
            ("GET", {**NAVIGATE, "Accept": "application/json"}), ("HEAD", NAVIGATE),
            ("GET", {**NAVIGATE, "Sec-Purpose": "prefetch"}), ("POST", NAVIGATE),
            ("GET", {"Accept": "text/html", "X-Requested-With": "XMLHttpRequest"})):
        res = server.request(method, "/app/x", headers=headers)
        assert res.status == 401, res
        assert res.text == ("" if method == "HEAD" else "of the administrator"), res
        assert res.check == "no_credential", res


#: What a parameter cannot carry back: too long, or what it must not contain from others.
WANTED = ["/app/x?" + "%41" * 1300, "/app/x?" + "a" * 7900, "/app//x", "/app/%5Cx?y",
          "/app/x?%2F%2F", "/app/" + "b" * 3000, "/app/x?\u00e9"]


@pytest.mark.core
def test_the_page_that_was_wanted_comes_back(both, second):  # noqa: F811
    """Whatever its length, and whatever legal characters it has."""
    server = both()
    for wanted in WANTED:
        browser = Browser(server)
        wanted = urllib.parse.quote(wanted, safe="/%?=&")
        path = choices(browser.navigate(wanted))["second"]
        assert len(path) < 8000, len(path)
        browser.go(path)
        assert browser.trail[-1] == server.url + wanted
        assert browser.navigate("/app/x").user == "alice@example.test@second"


def test_the_location_says_how(both, second, op):  # noqa: F811
    """The parameters of its logins go to the issuer that is chosen, and no others."""
    server = both(end="""
<Location "/app/loud">
    AuthBearerLogin On "audience=https://api.test/ &x" max_age=9 acr_values=gold
</Location>
""")
    browser = Browser(server)
    path = choices(browser.navigate("/app/loud/x?y"))["second"]
    asked = begun(browser.navigate(path), second)
    assert (asked["audience"], asked["max_age"], asked["acr_values"]) \
        == ("https://api.test/ &x", "9", "gold")
    second.id_token["acr"] = "gold"
    assert browser.go(path).status == 200
    assert browser.trail[-1] == server.url + "/app/loud/x?y"
    sealed = re.search("page=([^&]*)", path).group(1)
    start = "/.auth/login?iss=%s&page=" % urllib.parse.quote(second.url, safe="")
    for bad in ("", "x", sealed[:-1], sealed[1:], sealed + "a", sealed[:20] + "0" + sealed[21:],
                "/app/x", "//evil.test", "x" * 4096):
        res = server.get(start + bad, headers=NAVIGATE)
        assert res.status == 400 and res.check == "credential_syntax", (bad, res)
    other = both()
    assert other.get(start + sealed, headers=NAVIGATE).status == 400, "another server's"


def test_no_address_leads_away(both):  # noqa: F811
    """The corpus, as the page has it in its links, and in place of a sealed page."""
    server = both()
    for good, target in corpus():
        # sent by browsers as they are, and encoded here: the same page
        kept = re.sub(b"['\x80-\xff]", lambda m: b"%%%02X" % m[0][0], target)
        quoted = urllib.parse.quote(target, safe="")
        res = server.get("/.auth/login?return=" + quoted, headers=NAVIGATE)
        if good or kept != target:
            for link in choices(res, 200).values():
                query = urllib.parse.parse_qs(link.partition("?")[2], keep_blank_values=True)
                assert query["return"] == [kept.decode()] or not target, link
        else:
            assert res.status == 400 and "<a " not in res.text, target
        if quoted:
            res = server.get("/.auth/login?return=/app/x&page=" + quoted, headers=NAVIGATE)
            assert res.status == 400 and "<a " not in res.text, target


def test_another_account(both, op, second):  # noqa: F811
    """It may be one of another issuer, so the page asks again; whatever else was wanted of
    the login stays."""
    server = both()
    browser = Browser(server)
    browser.go(choices(browser.navigate("/app/x"))["second"])
    for more in ("", "&login_hint=a%26b"):
        res = browser.navigate("/.auth/login?return=/app/y%3Fz&prompt=select_account" + more)
        links = choices(res, 200)
        asked = begun(browser.navigate(links["main"]), op)
        assert asked["prompt"] == "select_account"
        assert asked.get("login_hint") == ("a&b" if more else None)
    op.user = {**op.user, "email": "bob@example.test"}
    assert browser.go(links["main"]).user == "bob@example.test@main"
    assert browser.trail[-1] == server.url + "/app/y?z"
    assert remembered(browser) == "main"
    # the page that is open to all: what is remembered, or the page
    forget_session(browser)
    begun(browser.navigate("/.auth/login?return=/open"), op)
    res = Browser(server).navigate("/.auth/login?return=/open")
    assert "return=%2Fopen" in choices(res, 200)["second"]


def test_a_login_that_fails_is_not_remembered(both, op, second):  # noqa: F811
    """Who tries again can choose again."""
    server = both()
    browser = Browser(server)
    link = choices(browser.navigate("/app/x"))["second"]
    second.response = {"error": "access_denied", "code": None}
    res = browser.go(link)
    assert res.status in (401, 403) and remembered(browser) is None, res
    choices(browser.navigate("/app/x"))
    second.response = {}
    browser.go(link)
    assert remembered(browser) == "second"
    forget_session(browser)
    # a stale response says nothing about the issuer
    browser.navigate("/.auth/callback/second?code=x&state=" + "A" * 43)
    assert remembered(browser) == "second"
    second.response = {"error": "access_denied", "code": None}
    browser.go("/app/x")
    choices(browser.navigate("/app/x"))


@pytest.mark.allow_log("AB0252", "AB0208", "AB0205")
def test_an_issuer_that_does_not_answer(both, op, second):  # noqa: F811
    """Another one may, so the browser asks again."""
    for kind in ("oauth", "oidc"):
        second.script(kind, status=500)
    server = both()
    browser = Browser(server)
    name = "bearer_issuer_%d" % server.port
    browser.cookies[name] = "second"
    res = browser.navigate("/app/x")
    assert res.status == 503 and remembered(browser) is None, res
    op.script("token", status=500)
    browser.cookies[name] = "main"
    res = browser.go("/app/x")
    assert res.status == 503 and remembered(browser) is None, res
    choices(browser.navigate("/app/x"))


# ---- responses ----------------------------------------------------------------

def test_iss_is_given_twice(both, op, second):  # noqa: F811
    browser = Browser(both())
    second.response = {"iss": second.url}
    path = callback(browser, second, "/app/second/x")
    for extra in (second.url, op.url):
        again = browser.clone()
        res = again.navigate(path + "&iss=" + urllib.parse.quote(extra, safe=""))
        no_session(again, res, 400, "login_response")
    assert second.count("token") == 0


@pytest.mark.core
@pytest.mark.parametrize("says_iss", [True, False])
def test_mix_up(both, op, second, says_iss):  # noqa: F811
    """A dishonest issuer sends the browser on to an honest one, as if this server had: the
    honest issuer's code comes back, and neither is asked to redeem it (RFC 9700 section
    4.4). Also with the honest issuer's parameter of RFC 9207, or when it sends the browser
    wherever the request says."""
    server = both()
    op.response = {"iss": op.url} if says_iss else {}
    for name in ("main", "second") if says_iss else ("main",):
        def onwards(request, name=name):
            asked = {**second._query(request),
                     "redirect_uri": server.url + "/.auth/callback/" + name}
            return Answer(302, headers={"Location": op.url + "/authorize?"
                                        + urllib.parse.urlencode(asked)}), b""
        second._authorize = onwards
        browser = Browser(server)
        res = browser.go(choices(browser.navigate("/app/x"))["second"])
        no_session(browser, res, 400, "login_response")
        assert op.codes and remembered(browser) is None
    assert op.count("token") == second.count("token") == 0


# ---- configtest -----------------------------------------------------------------

@pytest.mark.parametrize("line,number", [
    ("AuthBearerLoginIssuer {op} {second}", None),
    ("AuthBearerLoginIssuer {op} {second} {op}", None),
    ("AuthBearerLoginIssuer {op} https://other.test/", "AB0705"),
    ("AuthBearerLoginIssuer {op}\n<Location /app>\nAuthBearerLoginIssuer {op}\n"
     "AuthBearerLoginIssuer {second}\n</Location>", "AB0811"),
    ("AuthBearerLoginIssuer {op}\n<Location /app>\nAuthType Bearer\n"
     "AuthBearerLogin On\nAuthBearerAcceptIssuer {second}\n</Location>", "AB0705"),
    ("", "AB0705")])
def test_configtest(checker, op, second, line, number):  # noqa: F811
    done = checker(conf(op, end="""
<AuthBearerIssuer "%s" second>
</AuthBearerIssuer>
AuthBearerUserFormat %%u@%%i
%s
""" % (second.url, line.format(op=op.url, second=second.url))), files=SECRETS)
    assert done.status == (1 if number else 0), done
    assert done.says(number) if number else done.says(
        "AB0762", "2 issuers", second.url, "/.auth/callback/second"), done
