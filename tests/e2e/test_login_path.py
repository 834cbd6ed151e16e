# Licensed under the Apache License, Version 2.0; see LICENSE.
"""PATH/login, which begins a login for a page that is open to all; and the endpoints
as locations: which directives apply there.

Anyone can make a browser open PATH/login, so most cases here are attacks: nothing may
lead to another site, to another issuer, or to a session that the user did not begin."""
import html
import os
import re
import urllib.parse

import pytest

from support import secrets
from support.browsing import (SECRETS, backchannel, begun, callback, conf,  # noqa: F401
                              op, second, session_cookie, signed_in, site)
from support.op import NAVIGATE, Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0762", "AB0763")

FOREIGN = {**NAVIGATE, "Sec-Fetch-Site": "cross-site"}
FORM = {**FOREIGN, "Content-Type": "application/x-www-form-urlencoded"}
OTHER = """
<AuthBearerIssuer "%s" second>
</AuthBearerIssuer>
<AuthBearerIssuer "%s/third" third>
    AuthBearerMetadata off
    AuthBearerKeys %s
</AuthBearerIssuer>
AuthBearerLoginIssuer %s
AuthBearerUserFormat %%u@%%i
<Location "/app/second">
    AuthBearerLoginIssuer %s
</Location>
<Location "/open">
    Require all granted
</Location>
"""


@pytest.fixture
def both(site, op, second):  # noqa: F811
    """Two issuers that log in, and one that does not."""
    def start(more="", end="", **kw):
        return site(more, end=OTHER % (second.url, op.url, op.metadata["jwks_uri"], op.url,
                                       second.url) + end, **kw)
    return start


def path(**parameters):
    return "/.auth/login?" + urllib.parse.urlencode(parameters)


def refused(res, *values):
    """The page says that the link is wrong; nothing else comes of it."""
    assert res.status == 400 and res.check == "credential_syntax", res
    assert "This request cannot be understood" in res.text
    assert not res.get("Location") and not res.all("Set-Cookie"), res
    assert res.logged("AB0003", *values), res


def corpus():
    """Lines of tests/vectors/open-redirect.txt: the target, and whether it is accepted."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "vectors", "open-redirect.txt"), "rb") as f:
        lines = [line for line in f.read().split(b"\n") if line and line[:2] != b"# "]
    for line in lines:
        ok = line.startswith(b"ok ")
        yield ok, re.sub(rb"\\x(..)", lambda m: bytes.fromhex(m[1].decode()),
                         line[3:] if ok else line)


# -- where it leads -------------------------------------------------------------

@pytest.mark.core
def test_sign_in_from_an_open_page(both, op, second, wire):  # noqa: F811
    """With a page to come back to, or without; with an issuer, or the usual one."""
    server = both(h2=wire)
    secret = "a-secret-in-the-query"
    secrets.register(secret)
    for to, issuer, more in (("/open?a=1&b=%2F" + secret, op, {}), ("/open", second,
                             {"iss": second.url}), ("/caf\u00e9", op, {"iss": op.url})):
        browser = Browser(server, h2=wire)
        assert browser.go(path(**{"return": to}, **more)).status in (200, 404)
        assert issuer.asked["redirect_uri"].startswith(server.url + "/.auth/callback/")
        assert "prompt" not in issuer.asked and "login_hint" not in issuer.asked
        assert browser.trail[-1] == server.url + to.replace("\u00e9", "%C3%A9")
        session_cookie(browser)
    refused(server.get(path(**{"return": "//evil?" + secret}), headers=NAVIGATE), "'//evil'")
    browser = Browser(server, h2=wire)
    browser.go("/.auth/login?return=")
    assert browser.trail[-1] == server.url + "/"
    assert browser.navigate("/app/x").status == 200


@pytest.mark.parametrize("name", ["return", "target_link_uri"])
def test_no_address_leads_away(site, op, name):  # noqa: F811
    """The corpus, once before the issuer is involved and once, with a session, as the
    Location itself."""
    server = site()
    known = Browser(server)
    signed_in(known)
    for base in (b"", server.url.encode()) if name == "target_link_uri" else (b"",):
        for ok, target in corpus():
            if base and not ok and not target.startswith((b"/", b"\\", b"@", b".", b":")):
                continue
            # sent by browsers as they are, and encoded here: the same page
            kept = re.sub(b"['\x80-\xff]", lambda m: b"%%%02X" % m[0][0], target)
            url = "/.auth/login?%s=%s" % (name, urllib.parse.quote(base + target, safe=""))
            new, res = server.get(url, headers=FOREIGN), known.navigate(url, FOREIGN)
            if ok or kept != target:
                begun(new, op)
                assert (res.status, res.get("Location")) \
                    == (302, server.url + kept.decode()), target
            else:
                refused(res)
                refused(new)
    for other in (server.url + ".evil.example/", server.url + "@evil.example/",
                  server.url + ":80/", "https" + server.url[4:] + "/", "http:/app"):
        refused(known.navigate(path(**{name: other})), name)
    assert op.count("token") == 1


def test_an_issuer_that_is_none_of_ours(both, op, second):  # noqa: F811
    """It is not asked, and nobody is sent there; nor to one that has no client here."""
    server = both()
    before = op.count(), second.count()
    for iss in ("https://evil.example/", op.url + "/third", second.url + "/",
                second.url.upper(), "", "//", op.url[:-1], second.url + "?x", "x" * 4000):
        refused(server.get(path(iss=iss, **{"return": "/app/x"}), headers=FOREIGN),
                "iss=", op.url, second.url)
    assert (op.count(), second.count()) == before


# -- what the issuer is told ------------------------------------------------------

def test_prompt_and_hint(both, op, second):  # noqa: F811
    """Of the directive if the link does not say so; what protects the login cannot be
    set."""
    server = both(end="""
<Location "/.auth/login">
    AuthBearerLoginIssuer %s
    AuthBearerLogin Off prompt=login ui_locales=de
</Location>
""" % second.url)
    for word in ("login", "select_account", "consent", "create"):
        sent = begun(server.get(path(prompt=word, state="x", scope="y", claims="z"),
                                headers=NAVIGATE), second)
        assert (sent["prompt"], sent["ui_locales"]) == (word, "de")
        assert sent["state"] != "x" and sent["scope"] != "y" and "claims" not in sent
    sent = begun(server.get(path(login_hint="\u00e4nne+x@example.test &a=b"),
                            headers=NAVIGATE), second)
    assert sent["login_hint"] == "\u00e4nne+x@example.test &a=b"
    assert sent["prompt"] == "login"
    for bad in ("none", "Login", "login consent", "", "login\n", "x" * 4000):
        refused(server.get(path(prompt=bad), headers=NAVIGATE), "prompt=")
    for bad in ("", "a" * 257, "a\nb", "a\u202eb", " a", "\ud800"):
        url = "/.auth/login?login_hint=" + urllib.parse.quote(bad, errors="surrogatepass")
        refused(server.get(url, headers=NAVIGATE), "login_hint=")
    for bad in ("return=/a&return=/b", "iss=%zz", "login_hint=%00", "&".join("a%d=" % i
                for i in range(40)), "return=/" + "a" * 4096):
        refused(server.get("/.auth/login?" + bad, headers=NAVIGATE))


def test_an_issuer_that_lists_its_prompts(site, op):  # noqa: F811
    """It would ignore or refuse another, and the account would stay the same."""
    op.metadata["prompt_values_supported"] = ["none", "login", "consent"]
    server = site()
    for given, sent in (("select_account", "login"), ("consent", "consent"),
                        ("create", "create")):
        assert begun(server.get(path(prompt=given), headers=NAVIGATE), op)["prompt"] == sent


# -- who asks ---------------------------------------------------------------------

NO_PAGE = [
    ("GET", {"Accept": "*/*"}), ("GET", {**NAVIGATE, "Sec-Fetch-Mode": "cors"}),
    ("GET", {**NAVIGATE, "Sec-Fetch-Mode": "no-cors"}),
    ("GET", {"Accept": "text/html", "X-Requested-With": "XMLHttpRequest"}),
    ("GET", {**NAVIGATE, "Sec-Purpose": "prefetch;prerender"}),
    ("GET", {**NAVIGATE, "Purpose": "prefetch"}), ("HEAD", NAVIGATE),
    *(("GET", {**FOREIGN, "Sec-Fetch-Dest": what})
      for what in ("iframe", "frame", "embed", "object", "fencedframe")),
    ("POST", {**FORM, "Sec-Fetch-Dest": "iframe"}), ("POST", {**FORM, "Sec-Fetch-Mode": "cors"}),
]


@pytest.mark.core
def test_only_a_page_begins_a_login(site, op):  # noqa: F811
    """With a session or without."""
    server = site()
    known = Browser(server)
    signed_in(known)
    before = op.count()
    for method, headers in NO_PAGE:
        for browser in (known, Browser(server)):
            for prompt in ("", "?prompt=login"):
                res = browser.send(method, "/.auth/login" + prompt, headers, b"")
                assert res.status == 401 and res.check == "no_credential", (headers, res)
                assert not res.get("Location") and not res.all("Set-Cookie"), res
    for method in ("PUT", "DELETE", "OPTIONS"):
        res = server.request(method, "/.auth/login", headers=NAVIGATE)
        assert res.status == 405 and {"GET", "POST"} <= set(res.get("Allow").split(",")), res
    assert op.count() == before
    begun(server.get("/.auth/login", headers={"Accept": "text/html"}), op)
    begun(server.get("/.auth/login", headers={**NAVIGATE, "Sec-Fetch-Dest": "document"}), op)


@pytest.mark.core
def test_a_form_of_another_site(both, op, second):  # noqa: F811
    """OpenID Connect Core section 4. Its POST has no cookies, because they are SameSite;
    the GET that it becomes has them, so that nothing is begun twice."""
    server = both()
    body = urllib.parse.urlencode({"iss": second.url, "login_hint": "a&b", "x": "y",
                                   "target_link_uri": server.url + "/app/second/x?y=1&z=2"})
    res = server.request("POST", "/.auth/login?return=/ignored", headers=FORM,
                         body=body.encode())
    assert res.status == 303 and not res.all("Set-Cookie"), res
    assert res.get("Location") == server.url + path(
        **{"return": "/app/second/x?y=1&z=2"}, iss=second.url, login_hint="a&b")
    browser = Browser(server)
    browser.go(browser.path_of(res.get("Location")), headers=FOREIGN)
    assert browser.trail[-1] == server.url + "/app/second/x?y=1&z=2"
    assert second.asked["login_hint"] == "a&b"
    for bad in (b"iss=https://evil.example/", b"return=//evil.example", b"prompt=none",
                b"iss=a&iss=b", b"login_hint=%ff"):
        refused(server.request("POST", "/.auth/login", headers=FORM, body=bad))
    for kind, bad in (("text/plain", b""), (FORM["Content-Type"], b"a=" + b"b" * 40000)):
        refused(server.request("POST", "/.auth/login", body=bad,
                               headers={**FORM, "Content-Type": kind}), "not a form")


def test_another_host(one_server, op, backend):  # noqa: F811
    """The name of the server is in the login's address, so it must be the right one."""
    server = one_server(conf(op, base="http://www.site.test http://*.shops.test"),
                        files=SECRETS, backend=backend)
    res = server.get("/.auth/login?return=/a", headers=NAVIGATE, host="evil.test")
    assert (res.status, res.get("Location")) \
        == (302, "http://www.site.test/.auth/login?return=/a"), res
    for method, headers in (("GET", {}), ("POST", FORM)):
        res = server.request(method, "/.auth/login", headers=headers, host="evil.test")
        assert res.status == 421 and not res.get("Location"), res
    for host in ("www.site.test", "a.shops.test"):
        sent = begun(server.get("/.auth/login", headers=NAVIGATE, host=host), op)
        assert sent["redirect_uri"] == "http://%s/.auth/callback" % host
    res = server.get(path(target_link_uri="http://www.site.test/x"), headers=NAVIGATE,
                     host="a.shops.test")
    refused(res, "target_link_uri=")


# -- who is signed in already -------------------------------------------------------

@pytest.mark.core
def test_a_session_is_enough(both, op, second):  # noqa: F811
    """It is not replaced, except after a page of the issuer."""
    server = both()
    browser = Browser(server)
    signed_in(browser, user="alice@example.test@main")
    kept = browser.cookies[session_cookie(browser)]
    before = op.count()
    for more in ({}, {"iss": op.url}, {"login_hint": "mallory"}):
        res = browser.navigate(path(**{"return": "/app/x?" + str(len(more))}, **more), FOREIGN)
        assert res.get("Location") == server.url + "/app/x?" + str(len(more)), res
        assert browser.navigate("/app/x").status == 200
    assert op.count() == before
    for more, issuer in (({"prompt": "consent"}, op), ({"iss": second.url}, second),
                         ({"iss": second.url, "prompt": "login"}, second)):
        sent = begun(browser.navigate(path(**more), FOREIGN), issuer)
        assert sent["prompt"] == more.get("prompt", "select_account"), more
        assert browser.cookies[session_cookie(browser)] == kept
    assert browser.navigate("/app/x").status == 200
    other = Browser(server)
    signed_in(other, "/app/second/x", "alice@example.test@second")
    res = other.navigate(path(iss=second.url, **{"return": "/open"}), FOREIGN)
    assert res.get("Location") == server.url + "/open", res
    # another account: the new session replaces the old one
    before = browser.clone()
    op.user = {**op.user, "sub": "bob", "email": "bob@example.test"}
    res = browser.go(path(prompt="select_account", **{"return": "/app/x"}))
    assert res.user == "bob@example.test@main", res
    assert before.navigate("/app/x").status == 302


def test_a_session_of_another_issuer_than_the_usual(both, op, second):  # noqa: F811
    server = both(end='<Location "/.auth/login">\n AuthBearerLoginIssuer %s\n</Location>'
                  % second.url)
    browser = Browser(server)
    signed_in(browser, user="alice@example.test@main")
    assert begun(browser.navigate("/.auth/login"), second)["prompt"] == "select_account"
    signed_in(browser, "/app/second/x", "alice@example.test@second")
    assert browser.navigate("/.auth/login").get("Location") == server.url + "/"


def test_logins_are_bounded(site, op):  # noqa: F811
    """As those of other pages; by the directives of this path."""
    op.offer(pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    server = site("AuthBearerThrottle off", end="""
<Location "/.auth/login">
    AuthBearerThrottle threshold=3 window=60 penalty=60
</Location>
""")
    for _ in range(3):
        assert server.get("/.auth/login", headers=FOREIGN).status == 302
    res = server.get("/.auth/login", headers=FOREIGN)
    assert res.status == 429 and 0 < int(res.get("Retry-After")) <= 60, res
    assert op.count("par") == 3


def test_a_page_that_does_not_accept_the_session(both, op):  # noqa: F811
    """It may send its visitors here and have them sent back: not for ever."""
    server = both()
    browser = Browser(server)
    signed_in(browser, user="alice@example.test@main")
    url = path(**{"return": "/never"})
    for _ in range(3):
        assert browser.navigate(url).get("Location") == server.url + "/never"
    res = browser.navigate(url)
    assert res.status == 403 and res.check == "login_loop", res
    assert browser.navigate(path(**{"return": "/other"})).status == 302


def test_a_stronger_login(site, op):  # noqa: F811
    """A session that does not suffice for the <Location> is no reason not to log in."""
    server = site(end='<Location "/.auth/login">\n AuthBearerSession On\n'
                  ' AuthBearerLogin On acr_values=gold\n</Location>')
    browser = Browser(server)
    signed_in(browser)
    sent = begun(browser.navigate("/.auth/login"), op)
    assert sent["acr_values"] == "gold" and "prompt" not in sent
    op.id_token = {"acr": "gold"}
    browser.go("/.auth/login?return=/app/x")
    assert browser.trail[-1] == server.url + "/app/x"
    browser.trail = []
    assert browser.navigate("/.auth/login?return=/app/y").get("Location") \
        == server.url + "/app/y"


# -- the link on pages ----------------------------------------------------------------

ONLY_BOB = """
<Location "/app/bob">
    Require user bob@example.test@main
    AuthMerging And
</Location>
"""


def link(res):
    """The link to another account on this page; None: there is none."""
    found = re.search('<a href="([^"]*)">Use another account</a>', res.text)
    return found and html.unescape(found.group(1))


@pytest.mark.core
@pytest.mark.allow_log("AH01629")
def test_another_account(both, op):  # noqa: F811
    """From the page that is for others, by its link, back to it."""
    server = both(end=ONLY_BOB + "AuthBearerAudience api://test\n")
    browser = Browser(server)
    signed_in(browser, user="alice@example.test@main")
    for to, back in (("/app/bob/x?y=1&z=%2F", "/app/bob/x?y=1&z=%2F"), ("/app/bob//x", "/"),
                     ('/app/bob/"><script>', "/"), ("/app/bob/" + "%20" * 1000, "/"),
                     ("/app/bob/x?'" + '"><script>', "/app/bob/x?%27%22%3E%3Cscript%3E")):
        res = browser.navigate(to)
        assert res.status == 403 and res.check == "require", res
        assert "<script" not in res.text
        assert urllib.parse.parse_qs(link(res).partition("?")[2]) == {
            "prompt": ["select_account"], "return": [back], "iss": [op.url]}, to
    there = link(browser.navigate("/app/bob/x?y=1&z=%2F"))
    assert begun(browser.navigate(there), op)["prompt"] == "select_account"
    op.user = {**op.user, "sub": "bob", "email": "bob@example.test"}
    res = browser.go(there)
    assert (res.status, res.user) == (200, "bob@example.test@main"), res
    assert browser.trail[-1] == server.url + "/app/bob/x?y=1&z=%2F"
    # programs, and people who are not told that their account may not
    token = op.sign({**op.claims(), "aud": "api://test"}, {"typ": "at+jwt"})
    assert link(server.get("/app/bob/x", token, headers=NAVIGATE)) is None
    res = Browser(server).navigate("/.auth/callback")
    assert res.status == 400 and link(res) is None


def test_another_account_after_a_login_that_failed(both, second):  # noqa: F811
    server = both()
    browser = Browser(server)
    wanted = path(prompt="select_account", **{"return": "/app/second/x?y=1"}, iss=second.url)
    for change in ({"response": {"code": None, "error": "access_denied"}},
                   {"user": {"sub": "carol"}}):
        vars(second).update(change)
        res = browser.go("/app/second/x?y=1")
        assert res.status == 403 and link(res) == wanted, res
        second.response = {}
    second.user = {"sub": "carol", "email": "carol@example.test", "email_verified": True}
    assert browser.go(link(res)).user == "carol@example.test@second"


@pytest.mark.allow_log("AH01629")
def test_an_administrators_page_has_no_link(site, op):  # noqa: F811
    server = site('ErrorDocument 403 "ask us"', end=ONLY_BOB)
    browser = Browser(server)
    signed_in(browser)
    assert browser.navigate("/app/bob/x").text == "ask us"
    op.response = {"code": None, "error": "access_denied"}
    assert Browser(server).go("/app/x").text == "ask us"


# -- attacks on the login itself -----------------------------------------------------

@pytest.mark.core
def test_a_login_of_somebody_else(site, op):  # noqa: F811
    """Login CSRF: a browser finishes only what it began itself."""
    server = site()
    mallory, alice = Browser(server), Browser(server)
    theirs = callback(mallory, op, path(**{"return": "/app/x"}))
    for began in ("/.auth/login", path(prompt="login")):
        mine = callback(alice, op, began)
        state = re.search("state=([^&]*)", mine).group(1)
        asked = op.count("token")
        # another browser's response; its code with the own state, which the issuer knows
        # as another login's
        for more, back in ((0, theirs), (1, re.sub("state=[^&]*", "state=" + state, theirs))):
            other = alice.clone()
            res = other.navigate(back, FOREIGN)
            assert res.status == 400 and not [n for n in other.cookies if "session" in n], res
            assert op.count("token") == asked + more


# -- the endpoints as locations -------------------------------------------------------

def test_directives_of_a_location_apply_to_an_endpoint(site, op):  # noqa: F811
    """Those of this module and of others, as everywhere else: from the shortest
    to the longest path."""
    server = site("AuthBearerThrottle threshold=1 window=60 penalty=60\n", end="""
<Location "/">
    Header always set X-Where everywhere
    ErrorDocument 400 "the site's own words"
</Location>
<Location "/.auth/callback">
    Header always set X-Where callback
    AuthBearerThrottle off
    ErrorDocument 405 "no such method here"
</Location>
""", modules=["headers"])
    for _ in range(3):
        browser = Browser(server)
        res = browser.navigate(callback(browser, op).replace("code=", "code=x"))
        assert res.status == 400 and res.check == "login_response", res
        assert (res.get("X-Where"), res.text) == ("callback", "the site's own words")
    signed_in(Browser(server))
    res = server.request("POST", "/.auth/callback")
    assert (res.status, res.text) == (405, "no such method here"), res
    for where in ("/.auth/logout", "/.auth/callback/no/such"):
        assert server.get(where, headers=NAVIGATE).get("X-Where") \
            == ("callback" if "callback" in where else "everywhere"), where
    assert backchannel(server, "x").get("X-Where") == "everywhere"
