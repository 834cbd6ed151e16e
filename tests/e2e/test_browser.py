# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Browsers: login, callback, sessions in both stores, logout."""
import json
import re
import time

import pytest

from support.browsing import (SECRETS, backchannel, callback, conf,  # noqa: F401
                              no_session, op, session_cookie, signed_in, site,
                              store)
from support.expect import refused
from support.httpd import wait_until
from support.issuer import headers_of
from support.op import NAVIGATE, Browser
from support.tokens import digest8

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")

# -- login --------------------------------------------------------------------

def test_login_deep_link(site, op, store):
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser, "/app/deep/link?a=1&b=%2Fx")
    assert browser.trail[-1] == server.url + "/app/deep/link?a=1&b=%2Fx"
    assert len(browser.trail) == 4
    asked = op.asked
    assert asked["response_type"] == "code"
    assert asked["response_mode"] == "query"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile email"
    assert asked["redirect_uri"] == server.url + "/.auth/callback"
    # and from there on without the provider
    before = op.count()
    res = browser.navigate("/app/y")
    assert res.status == 200 and res.user == "alice@example.test"
    assert op.count() == before


def test_environment(site, op, store):
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    browser.go("/app/x")
    env = browser.get("/app/env").env
    assert env["REMOTE_USER"] == "alice@example.test"
    assert env["AUTH_TYPE"] == "Bearer"
    assert env["BEARER_METHOD"] == "cookie"
    assert env["BEARER_ISSUER"] == op.url
    assert env["BEARER_ISSUER_NAME"] == "main"
    assert env["BEARER_SCOPE"] == "openid profile email"
    assert env["BEARER_CLAIM_name"] == "Alice"
    assert not [k for k in env if "bearer_" in env[k]], "own cookies seen"


def test_only_a_navigation_is_redirected(site, op):
    server = site()
    for method, headers in [
            ("GET", {}), ("GET", {"Accept": "*/*"}),
            ("GET", {"Accept": "text/html", "Sec-Fetch-Mode": "cors"}),
            ("GET", {"Accept": "text/html",
                     "X-Requested-With": "XMLHttpRequest"}),
            ("GET", {**NAVIGATE, "Sec-Purpose": "prefetch"}),
            ("POST", NAVIGATE), ("HEAD", NAVIGATE)]:
        res = server.request(method, "/app/x", headers=headers)
        refused(res, 401)
        assert not res.all("Set-Cookie")
    assert server.get("/app/x", headers={"Accept": "text/html"}).status == 302


def test_the_headers_of_a_navigation(site, op):
    """Sec-Fetch-Mode decides where it is sent; else X-Requested-With speaks of a script
    with one value only: the WebViews of apps name the app in each navigation."""
    server = site()
    scripts = ("XMLHttpRequest", "xmlhttprequest")
    for mode in (None, "navigate", "Navigate", "cors", "no-cors", "same-origin",
                 "websocket", "navigate, cors", ""):
        for by in (None, "com.example.app", "", "XMLHttpRequest2", *scripts):
            for accept in ("text/html,*/*;q=0.8", "*/*", None):
                fields = {"Sec-Fetch-Mode": mode, "X-Requested-With": by,
                          "Accept": accept}
                res = server.get("/app/x", headers={
                    name: value for name, value in fields.items() if value is not None})
                goes = mode.lower() == "navigate" if mode is not None else \
                    by not in scripts and accept is not None and "html" in accept
                assert res.status == (302 if goes else 401), (fields, res)


@pytest.mark.core
def test_the_log_says_what_is_missing(site, op):
    """Where sessions alone count, nobody looks for a token."""
    server = site(end="""
<Location "/only">
    AuthType Bearer
    AuthName "only"
    AuthBearerSession On
    Require valid-user
</Location>
<Location "/tokens">
    AuthType Bearer
    AuthName "tokens"
    AuthBearerAudience api://test
    Require valid-user
</Location>
""")
    for cookie in ({}, {"Cookie": "bearer_session_%d=%s" % (server.port, "A" * 43)}):
        for path, session, token in (("only", 1, 0), ("app", 1, 1), ("tokens", 0, 1)):
            res = server.get("/%s/x" % path, headers=cookie)
            line, = res.logged("AB0002", "no_credential/no_credential")
            assert ("AuthBearerSession)" in line.text) == bool(session), line
            assert ("AuthBearerTokenFrom header)" in line.text) == bool(token), line
            assert ("no session cookie" in line.text) == (session and not cookie), line


@pytest.mark.parametrize("source,off,page,script", [
    ("basic", "", ["Basic", "Bearer"], ["Bearer"]),
    ("basic", "AuthBearerChallenge Off", ["Basic"], ["Bearer"]),
    ("header basic", "", ["Bearer", "Basic"], ["Bearer"]),
])
def test_scripts_beside_sessions_open_no_password_window(site, op, source, off, page,
                                                         script):
    server = site(end="""
<Location "/git">
    AuthType Bearer
    AuthName "git"
    AuthBearerAudience api://test
    AuthBearerSession On
    AuthBearerTokenFrom %s
    %s
    Require valid-user
</Location>
""" % (source, off))

    def offered(**fields):
        res = server.get("/git", headers={
            name.replace("_", "-"): value for name, value in fields.items()})
        assert res.status == 401
        return [value.split(" ")[0] for value in res.all("WWW-Authenticate")]
    assert offered() == offered(Sec_Fetch_Mode="navigate") == page
    assert offered(X_Requested_With="com.example.app") == page
    for fields in ({"Sec_Fetch_Mode": "cors"}, {"Sec_Fetch_Mode": "no-cors"},
                   {"X_Requested_With": "XMLHttpRequest"}):
        assert offered(**fields) == script


def test_cookie_attributes_on_https(site, op, store):
    server = site("AuthBearerSessionStore " + store,
                  base="https://app.example.test")
    browser = Browser(server, "https://app.example.test")
    browser.navigate("/app/x")
    seen = list(browser.set)
    signed_in(browser)
    seen += browser.set
    assert "__Host-bearer_session" in browser.cookies
    # behind what ends TLS: the outside's address everywhere, whatever is sent
    assert op.asked["redirect_uri"] == "https://app.example.test/.auth/callback"
    assert browser.trail[-1] == "https://app.example.test/app/x"
    for cookie in seen:
        assert cookie.name.startswith("__Host-bearer_"), cookie.line
        assert set(cookie.attributes) >= {"path", "httponly", "secure",
                                          "samesite"}, cookie.line
        assert cookie.attributes["path"] == "/"
        assert cookie.attributes["samesite"] == "Lax"
        assert "domain" not in cookie.attributes


def test_two_tabs_at_once(site, op):
    server = site()
    browser = Browser(server)
    first = browser.navigate("/app/one")
    second = browser.navigate("/app/two")
    ends = []
    for res in (first, second):
        back = browser.path_of(browser.provider(res.get("Location"))
                               .get("Location"))
        res = browser.navigate(back)
        assert res.status == 303, res
        ends.append(res.get("Location"))
    assert ends == [server.url + "/app/one", server.url + "/app/two"]
    assert browser.navigate("/app/one").status == 200


def test_a_handful_of_attempts(site, op):
    server = site()
    browser = Browser(server)
    for i in range(36):
        browser.navigate("/app/%d" % i)
        alive = [n for n in browser.cookies if "login" in n]
        assert len(alive) <= 32
    assert len(alive) >= 20


def test_new_session_id_at_every_login(site, op):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    name = [n for n in browser.cookies if "session" in n][0]
    before = browser.cookies[name]
    other = browser.clone()
    res = browser.navigate("/app/x")
    browser.cookies.pop(name)
    browser.cookies["x"] = "y"
    signed_in(browser)
    assert browser.cookies[name] != before
    # a login over an old session ends the old one
    again = browser.clone()
    start = Browser(server)
    start.cookies = {}
    res = start.navigate("/app/x")
    start.cookies.update(again.cookies)
    back = start.path_of(start.provider(res.get("Location")).get("Location"))
    assert start.navigate(back).status == 303
    assert again.navigate("/app/x").status == 302
    assert other.navigate("/app/x").status == 200


# -- what comes back ----------------------------------------------------------

@pytest.mark.parametrize("change", ["state", "no-state", "code", "no-code",
                                    "twice", "other-browser", "iss", "long"])
def test_wrong_answers(site, op, change):
    server = site()
    browser = Browser(server)
    back = callback(browser, op)
    if change == "state":
        back = back.replace("state=", "state=A")
    elif change == "no-state":
        back = back[:back.index("&state=")]
    elif change == "code":
        back = back.replace("code=", "code=x")
    elif change == "no-code":
        back = "/.auth/callback?" + back[back.index("state="):]
    elif change == "twice":
        back += "&code=again"
    elif change == "other-browser":
        browser = Browser(server)
    elif change == "iss":
        back += "&iss=https%3A%2F%2Fevil.example%2F"
    elif change == "long":
        back += "&x=" + "a" * 5000
    res = no_session(browser, browser.navigate(back), 400)
    assert "evil" not in res.text and "code_" not in res.text


def test_replayed_callback(site, op):
    server = site()
    browser = Browser(server)
    back = callback(browser, op)
    before = browser.clone()
    assert browser.navigate(back).status == 303
    no_session(before, before.navigate(back), 400)       # code used
    assert browser.navigate(back).status == 400          # cookie used
    assert browser.navigate("/app/x").status == 200      # session unharmed


def test_iss_parameter_missing_although_promised(site, op):
    op.offer(authorization_response_iss_parameter_supported=True)
    server = site()
    browser = Browser(server)
    no_session(browser, browser.go("/app/x"), 400)
    op.response = {"iss": op.url}
    signed_in(browser)


@pytest.mark.parametrize("error,status", [
    ("access_denied", 403), ("login_required", 403), ("server_error", 503),
    ("temporarily_unavailable", 503), ("invalid_request", 400),
    ("<script>alert(1)</script>", 400)])
def test_error_responses(site, op, error, status):
    op.response = {"code": None, "error": error,
                   "error_description": "<b>no</b>\r\nX: y"}
    server = site()
    browser = Browser(server)
    res = no_session(browser, browser.go("/app/x"), status)
    assert "<script>" not in res.text and "<b>no" not in res.text
    assert "access_denied" not in res.text
    assert not res.get("X")


NOW = 1000


@pytest.mark.parametrize("claims,check", [
    ({"nonce": "other"}, "nonce"), ({"nonce": None}, "nonce"),
    ({"iss": "https://evil.example/"}, "iss"), ({"iss": None}, "iss"),
    ({"aud": "other"}, "aud"), ({"aud": ["other", "more"]}, "aud"),
    ({"aud": ["app", "other"]}, "azp"), ({"azp": "other"}, "azp"),
    ({"exp": 1000}, "exp"), ({"exp": None}, "exp_type"),
    ({"iat": None}, "iat_type"), ({"iat": 4102444800}, "iat"),
    ({"iat": 1000}, "age"), ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
    ({"sub": None}, "user_claim"), ({"sub": 7}, "user_claim"),
    ({"events": {}}, "type")])
def test_id_token_rules(site, op, claims, check):
    op.id_token = claims
    server = site()
    browser = Browser(server)
    no_session(browser, browser.go("/app/x"), 401, check)


def test_id_token_by_somebody_else(site, op):
    server = site()
    op.keys = ["rs256-thief"]
    op.script("jwks", body=lambda r: __import__("support.tokens").tokens.jwks(
        "rs256"))
    op.id_token_header = {"kid": "rs256"}
    browser = Browser(server)
    no_session(browser, browser.go("/app/x"), 401, "signature")


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "logout+jwt"},
                                    {"alg": "none"}])
def test_id_token_of_another_kind(site, op, header):
    op.id_token_header = header
    browser = Browser(site())
    no_session(browser, browser.go("/app/x"), 401)


@pytest.mark.parametrize("answer", [
    dict(status=500, body="oops"), dict(body="<html>"), dict(body="[1]"),
    dict(body="{}"), dict(status=400, body='{"error":"invalid_client"}'),
    dict(cut=True), dict(body='{"access_token":"a","token_type":"mac"}')])
def test_hostile_token_endpoint(site, op, answer):
    server = site()
    op.script("token", **answer)
    browser = Browser(server)
    no_session(browser, browser.go("/app/x"), 503, "login_issuer")


@pytest.mark.allow_log("AB0205", "AB0208")
def test_provider_down_at_login(site, op):
    for kind in ("oauth", "oidc"):
        op.script(kind, status=500)
    server = site()
    res = Browser(server).navigate("/app/x")
    assert res.status == 503, res
    assert "<h1>" in res.text


def test_page_has_a_reference_that_the_log_has(site, op):
    server = site()
    res = Browser(server).navigate("/.auth/callback?state=AAAAAAAAAAAA&code=x")
    import re
    ref = re.search(r"<code>([0-9a-f]{10})</code>", res.text).group(1)
    assert res.logged("AB0043", ref), res


def test_json_by_accept(site, op):
    server = site()
    res = server.get("/.auth/callback?state=AAAAAAAAAAAA&code=x",
                     headers={"Accept": "application/json"})
    assert res.status == 400 and res.json()["error"] == "login_state"


def test_error_document_goes_first(site, op):
    server = site('ErrorDocument 400 "my own page"')
    res = Browser(server).navigate("/.auth/callback?state=AAAAAAAAAAAA&code=x")
    assert res.status == 400 and res.text == "my own page"


def test_methods_of_the_endpoints(site, op):
    server = site()
    assert server.request("POST", "/.auth/callback").status == 405
    assert server.get("/.auth/backchannel-logout").status == 405
    assert server.request("DELETE", "/.auth/logout").status == 405


# -- who it is ----------------------------------------------------------------

@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_email_not_verified(site, op, verified):
    op.user["email_verified"] = verified
    server = site()
    browser = Browser(server)
    res = no_session(browser, browser.go("/app/x"), 403, "session_user")
    assert res.logged("AB0053", "AuthBearerSessionUserClaim")


def test_another_user_claim(site, op):
    op.user = {"sub": "alice", "groups": ["a", "b"]}
    server = site("AuthBearerSessionUserClaim sub")
    browser = Browser(server)
    signed_in(browser, user="alice")
    assert browser.get("/app/env").env["BEARER_GROUPS"] == "a,b"


def test_userinfo_fills_in(site, op):
    op.offer(userinfo_endpoint="userinfo")
    op.userinfo = {"sub": "alice", "email": "a@example.test",
                   "email_verified": True, "iss": "https://evil.example/",
                   "nick": "ali"}
    op.user = {"sub": "alice"}
    server = site()
    browser = Browser(server)
    signed_in(browser, user="a@example.test")
    env = browser.get("/app/env").env
    assert env["BEARER_CLAIM_nick"] == "ali"
    assert env["BEARER_ISSUER"] == op.url
    assert env["BEARER_CLAIM_iss"] == op.url


@pytest.mark.allow_log("AB0304")
def test_userinfo_about_somebody_else(site, op):
    op.offer(userinfo_endpoint="userinfo")
    op.userinfo = {"sub": "bob", "email": "b@example.test",
                   "email_verified": True}
    op.user = {"sub": "alice"}
    browser = Browser(site())
    no_session(browser, browser.go("/app/x"), 503)


# -- sessions -----------------------------------------------------------------

@pytest.mark.parametrize("value", ["x", "A" * 43, "A" * 3000, "", "%00", "a.b",
                                   "A" * 44, "-" * 43],
                         ids=lambda value: value[:8] or "empty")
def test_junk_cookie_is_no_credential(site, op, store, value):
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    name = session_cookie(browser)
    browser.cookies[name] = value
    assert browser.navigate("/app/x").status == 302
    refused(browser.get("/app/x"), 401)
    # beside it a token counts
    res = browser.send("GET", "/app/x", {"Authorization": "Bearer "
                                         + op.mint(aud="api://test")})
    assert res.status == 200 and res.user == "alice"


def test_changed_cookie(site, op, store):
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    name = session_cookie(browser)
    good = browser.cookies[name]
    for at in (0, len(good) // 2, len(good) - 2):
        browser.cookies[name] = good[:at] + (
            "A" if good[at] != "A" else "B") + good[at + 1:]
        assert browser.navigate("/app/x").status == 302, at
    for cut in (good[:-1], good[:20], good + "A"):
        browser.cookies[name] = cut
        assert browser.navigate("/app/x").status == 302
    browser.cookies = {name: good}
    assert browser.navigate("/app/x").status == 200


def test_two_sessions_are_none(site, op):
    """What opens no session is passed over; of two that do, neither counts."""
    server = site()
    one, two = Browser(server), Browser(server)
    signed_in(one)
    signed_in(two)
    name = session_cookie(one)
    for value, status in (("A" * 43, 200), (one.cookies[name], 200), (two.cookies[name], 302)):
        for pair in ((value, one.cookies[name]), (one.cookies[name], value)):
            field = "%s=%s; %s=%s" % (name, pair[0], name, pair[1])
            res = server.get("/app/x", headers={**NAVIGATE, "Cookie": field})
            assert res.status == status, (pair, res)


def test_cookie_of_another_vhost(one_server, op, store):
    vhosts = ""
    for name in ("a", "b"):
        vhosts += """
<VirtualHost *>
    ServerName %s.example.test
    %s
</VirtualHost>
""" % (name, conf(op, "AuthBearerSessionStore " + store,
                  base="http://%s.example.test" % name))
    server = one_server(vhosts, files=SECRETS)
    browser = Browser(server, "http://a.example.test")
    res = browser.navigate("/app/x", host="a.example.test")
    back = browser.provider(res.get("Location")).get("Location")
    res = browser.navigate(browser.path_of(back), host="a.example.test")
    assert res.status == 303, res
    assert browser.navigate("/app/x", host="a.example.test").status == 200
    assert browser.navigate("/app/x", host="b.example.test").status == 302


def test_secret_rotation(site, op, store):
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    text = server.path("httpd.conf")
    with open(text) as f:
        old = f.read()
    new = old.replace('"@ROOT@/secret"', "").replace(
        'AuthBearerSecretFile "%s/secret"' % server.root,
        'AuthBearerSecretFile "%s/newer" "%s/secret"' % (server.root,
                                                         server.root))
    assert new != old
    with open(text, "w") as f:
        f.write(new)
    if store == "cookie":       # shmcb is emptied by a restart of the server
        server.graceful()
        assert browser.navigate("/app/x").status == 200
        only = new.replace(' "%s/secret"' % server.root, "")
        with open(text, "w") as f:
            f.write(only)
        server.graceful()
        assert browser.navigate("/app/x").status == 302


def test_idle_and_absolute_lifetime(site, op, store):
    from support.httpd import wait_until
    server = site("AuthBearerSessionStore %s\n"
                  "AuthBearerSessionLifetime max=3s idle=1s" % store)
    browser = Browser(server)
    signed_in(browser)
    # used all the time: ends at max; an earlier end would be idleness
    import time
    start = time.monotonic()
    wait_until(lambda: browser.navigate("/app/x").status == 302, 10)
    assert 1.5 < time.monotonic() - start < 6
    signed_in(browser)
    idle = browser.clone()
    wait_until(lambda: idle.clone().navigate("/app/x").status == 302
               if time.monotonic() - start > 0 and sleep_idle() else False, 10)


def sleep_idle(state={}):
    """True once a second, so that a session is left alone in between."""
    import time
    now = time.monotonic()
    if now - state.get("last", now - 9) > 1.3:
        state["last"] = now
        return True
    return False


@pytest.mark.allow_log("AB0055")
def test_too_big_for_cookies(site, op):
    import random
    op.user["blob"] = "".join(random.choice("abcdefghijklmnop0123456789XYZ")
                              for _ in range(12000))
    server = site("AuthBearerSessionStore cookie")
    browser = Browser(server)
    res = no_session(browser, browser.go("/app/x"), 500, "session_size")
    assert "too large" in res.text
    assert res.logged("AB0055", "AuthBearerSessionStore cache")


def test_chunks(site, op):
    import random
    op.user["blob"] = "".join(random.choice("abcdefghijklmnop0123456789XYZ")
                              for _ in range(2600))
    server = site("AuthBearerSessionStore cookie")
    browser = Browser(server)
    signed_in(browser)
    names = [n for n in browser.cookies if "session" in n]
    assert len(names) == 2, names
    swapped = browser.clone()
    a, b = names
    swapped.cookies[a], swapped.cookies[b] = browser.cookies[b], \
        browser.cookies[a]
    assert swapped.navigate("/app/x").status == 302
    del swapped.cookies[b]
    assert swapped.navigate("/app/x").status == 302


# -- both credentials ---------------------------------------------------------

def test_prefer(site, op, store):
    server = site("AuthBearerSessionStore " + store, end="""
<Location "/app/bearer">
    AuthBearerPrefer bearer
</Location>
""")
    browser = Browser(server)
    signed_in(browser)
    token = {"Authorization": "Bearer " + op.mint(aud="api://test", sub="bob")}
    assert browser.get("/app/x", token).user == "alice@example.test"
    assert browser.get("/app/bearer/x", token).user == "bob"
    assert browser.get("/app/bearer/x").user == "alice@example.test"
    bad = {"Authorization": "Bearer " + op.mint(aud="other")}
    assert browser.get("/app/x", bad).user == "alice@example.test"
    refused(browser.get("/app/bearer/x", bad), 401, "invalid_token")


def test_forwarding(site, op, store):
    server = site("AuthBearerSessionStore " + store, end="""
<Location "/app/token">
    AuthBearerForward token
</Location>
<Location "/app/places">
    AuthBearerTokenFrom header header:X-Token cookie:tok
    AuthBearerForward token
</Location>
<Location "/app/cookies">
    AuthBearerStripCookies Off
</Location>
""")
    browser = Browser(server)
    signed_in(browser)
    browser.cookies["other"] = "1"
    losing = {"Authorization": "Bearer " + op.mint(aud="api://test")}
    seen = headers_of(browser.get("/app/be/1", losing))
    assert seen["x-forwarded-user"] == ["alice@example.test"]
    assert "authorization" not in seen
    assert seen["cookie"] == ["other=1"]
    seen = headers_of(browser.get("/app/token/be/1", losing))
    assert seen["authorization"][0].startswith("Bearer at_")
    browser.cookies["tok"] = "nobody-looked"
    seen = headers_of(browser.get("/app/places/be/1", {"X-Token": "at.this.one"}))
    assert seen["authorization"][0].startswith("Bearer at_")
    assert "x-token" not in seen and seen["cookie"] == ["other=1"]
    seen = headers_of(browser.get("/app/cookies/be/1"))
    assert "bearer_session" in seen["cookie"][0]


def test_cross_site(site, op):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    for headers in ({"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site",
                     "Origin": "http://evil.example"},
                    {"Origin": "http://evil.example"}, {"Origin": "null"}):
        res = browser.send("POST", "/app/be/1", headers)
        refused(res, 403, None, "cross_site")
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {},
                    {"Origin": server.url}):
        assert browser.send("POST", "/app/be/1", headers).status == 200, headers
    assert browser.send("GET", "/app/x",
                        {"Sec-Fetch-Site": "cross-site"}).status == 200


def test_post_after_expiry(site, op):
    server = site()
    res = Browser(server).send("POST", "/app/be/1",
                               {**NAVIGATE, "Origin": server.url}, b"a=1")
    refused(res, 401)
    assert "<h1>" in res.text


# -- the paths ----------------------------------------------------------------

PATHS = {
    "protected": '<Location "/">\nAuthType Bearer\nAuthBearerAudience x\n'
                 'AuthBearerSession On\nAuthBearerLogin On\n'
                 'Require valid-user\n</Location>',
    "denied": '<Location "/.auth">\nRequire all denied\n</Location>',
    "rewrite": 'RewriteEngine On\nRewriteRule ^ /gone [R=410,L]',
    "rewrite-location": '<Location "/">\nRewriteEngine On\n'
                        'RewriteRule ^ - [F]\n</Location>',
    "redirect": "Redirect 410 /",
}


@pytest.mark.parametrize("what", sorted(PATHS))
def test_paths_answer_whatever_else_is_configured(site, op, what):
    server = site(end=PATHS[what])
    res = server.get("/.auth/callback", headers=NAVIGATE)
    assert res.status == 400 and "<h1>" in res.text, res
    assert server.get("/.auth/logout", headers=NAVIGATE).status == 200
    assert server.request("POST", "/.auth/backchannel-logout").status == 400


def test_paths_before_proxypass(site, op, backend):
    server = site("AuthBearerLoginPath /auth", early="ProxyPass / %s/\n"
                  % backend.url)
    assert server.get("/auth/callback", headers=NAVIGATE).status == 400
    browser = Browser(server)
    res = browser.go("/app/x")
    assert res.status == 200, res
    assert headers_of(res)["x-forwarded-user"] == ["alice@example.test"]
    assert "cookie" not in headers_of(res)


@pytest.mark.allow_log("AH01630", "AH01797")
def test_paths_and_htaccess(site, op):
    server = site(end='<Directory "@ROOT@/htdocs">\nAllowOverride All\n'
                  '</Directory>', files={
                      "htdocs/.htaccess": "RewriteEngine On\n"
                                          "RewriteRule ^ - [F]\n"
                                          "Require all denied\n"})
    assert server.get("/.auth/callback", headers=NAVIGATE).status == 400


def test_no_paths_without_login(one_server):
    from support.expect import issuer_conf, key_files, location
    server = one_server(issuer_conf() + location("/x"), files=key_files())
    assert server.get("/.auth/logout").status in (403, 404)


# -- logout -------------------------------------------------------------------

def test_logout(site, op, store):
    op.offer(end_session_endpoint="end", revocation_endpoint="revoke")
    op.refresh = True
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    kept = browser.clone()
    res = browser.sign_out()
    assert res.status == 200 and "signed out" in res.text, res
    assert not [n for n in browser.cookies if "session" in n]
    assert op.ended["id_token_hint"].count(".") == 2
    assert op.ended["client_id"] == "app"
    assert op.ended["post_logout_redirect_uri"] == server.url + "/.auth/logout"
    assert op.revoked_at_end == [], "the issuer's session would have ended with it"
    framed = 1 if store == "cache" else 0
    if framed:  # the other way to sign out does the same
        signed_in(Browser(server))
        server.get("/.auth/frontchannel-logout?sid=%s&iss=%s" % (op.sid, op.url))
    wait_until(lambda: len(op.revoked) > framed, 25, "the revocation, in the background")
    assert [r["token_type_hint"] for r in op.revoked] == ["refresh_token"] * (1 + framed)
    assert not op.refresh_tokens
    assert browser.navigate("/app/x").status == 302
    assert kept.navigate("/app/x").status == 302  # in the other tab, too


@pytest.mark.core
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_logout_that_no_page_of_this_site_began(site, op, method, wire):
    """A link in an e-mail is `none`, as a typed address is: the user confirms."""
    browser = Browser(site(h2=wire), h2=wire)
    signed_in(browser)
    res = browser.send(method, "/.auth/logout", NAVIGATE)
    assert res.status == 200 and "Sign out?" in res.text, res
    token = re.search(r'value="([0-9a-f]+)"', res.text).group(1)
    assert browser.navigate("/app/x").status == 200
    form = {**NAVIGATE, "Content-Type": "application/x-www-form-urlencoded"}
    res = browser.send("POST", "/.auth/logout", form, b"token=wrong")
    assert "signed out" not in res.text
    assert browser.navigate("/app/x").status == 200
    res = browser.send("POST", "/.auth/logout", {**form, "Sec-Fetch-Site":
                                                 "same-origin"},
                       b"token=" + token.encode())
    assert res.status == 200 and "signed out" in res.text
    assert browser.navigate("/app/x").status == 302


@pytest.mark.core
def test_signing_out_ends_the_access_token(site, op, store):
    """Whether it was verified before or not, in every child, over a reload, and with
    whatever signature; no other token."""
    server = site("AuthBearerSessionStore " + store, children=2)
    used, unused, other = (op.access_token() for _ in range(3))
    for _ in range(12):
        assert server.get("/app/x", used).status == 200
    for token in (used, unused):
        op.give(token)
        browser = Browser(server)
        signed_in(browser)
        assert browser.sign_out().status == 200

    def ended():
        for token in (used, unused):
            for _ in range(6):
                refused(server.get("/app/x", token), 401, "invalid_token",
                        check="revoked")
        assert server.get("/app/x", other).status == 200

    ended()
    server.graceful()
    ended()


def test_an_access_token_that_introspection_confirms(site, op):
    op.offer(introspection_endpoint="introspect")
    server = site(inside="AuthBearerIntrospection discover\n"
                  "AuthBearerIntrospectionTTL 60s")
    op.script("introspect", body=json.dumps({
        "active": True, "sub": "alice", "aud": "api://test", "client_id": "app",
        "exp": int(time.time()) + 300}))
    op.give("at_" + "x" * 30)
    browser = Browser(server)
    signed_in(browser)
    assert server.get("/app/x", op.tokens["access_token"]).status == 200
    assert browser.sign_out().status == 200
    refused(server.get("/app/x", op.tokens["access_token"]), 401, "invalid_token",
            check="revoked")
    assert server.get("/app/x", "at_" + "y" * 30).status == 200


def test_logout_by_another_site(site, op):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    cross = {**NAVIGATE, "Sec-Fetch-Site": "cross-site"}
    res = browser.send("GET", "/.auth/logout", cross)
    assert res.status == 200 and "<form" in res.text
    assert browser.navigate("/app/x").status == 200
    res = browser.send("POST", "/.auth/logout", cross)
    assert res.status == 403
    assert browser.navigate("/app/x").status == 200
    page = browser.send("GET", "/.auth/logout", cross).text
    token = re.search(r'value="([0-9a-f]+)"', page).group(1)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    res = browser.send("POST", "/.auth/logout", form, b"token=wrong")
    assert res.status == 403
    res = browser.send("POST", "/.auth/logout", form,
                       b"token=" + token.encode())
    assert res.status == 200 and "signed out" in res.text
    assert browser.navigate("/app/x").status == 302


@pytest.mark.core
def test_logout_by_a_picture_of_this_site(site, op, wire):
    """What others may write into a page signs nobody out who reads it; a script of
    this site may, and so may a beacon."""
    browser = Browser(site(h2=wire), h2=wire)
    signed_in(browser)
    part = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}
    for dest in ("image", "script", "style"):
        browser.send("GET", "/.auth/logout", {**part, "Sec-Fetch-Dest": dest})
        assert browser.navigate("/app/x").status == 200
    for method, fields in (("GET", {**part, "Sec-Fetch-Mode": "cors"}),
                           ("POST", part)):
        assert browser.send(method, "/.auth/logout", fields).status == 200
        assert browser.navigate("/app/x").status == 302
        signed_in(browser)


def test_logout_without_a_session(site, op):
    res = Browser(site()).navigate("/.auth/logout")
    assert res.status == 200 and "signed out" in res.text


# -- loops --------------------------------------------------------------------

def test_a_loop_ends_in_an_explanation(site, op):
    server = site()
    browser = Browser(server)
    for i in range(10):
        res = browser.go("/app/x")
        if res.status != 200:
            break
        browser.cookies.pop(session_cookie(browser))  # a browser that loses it
    assert res.status == 403 and i == 3, (i, res)
    assert "cookies" in res.text
    assert Browser(server).go("/app/x").status == 200
    assert browser.go("/app/other").status == 200


def test_a_loop_is_one_however_often_it_went_round(site, op):
    """The count stays at its largest: it does not begin again."""
    browser = Browser(site())
    back = callback(browser, op)
    browser.cookies["bearer_tries_%d" % browser.server.port] = \
        digest8("/app/x") + "-9"
    assert browser.navigate(back).status == 303
    browser.cookies.pop(session_cookie(browser))
    res = browser.navigate("/app/x")
    assert res.status == 403 and res.check == "login_loop", res


def test_signing_out_and_in_again_is_no_loop(site, op):
    browser = Browser(site())
    for _ in range(5):
        signed_in(browser)
        assert browser.sign_out().status == 200


# -- back-channel logout ------------------------------------------------------

@pytest.mark.parametrize("by", ["sid", "sub", "both"])
def test_backchannel(site, op, by):
    server = site(children=2)
    browser, other = Browser(server), Browser(server)
    signed_in(browser)
    op.sid, sid = "another", op.sid
    op.user = {**op.user, "sub": "bob"}
    signed_in(other)
    over = {"sid": {"sid": sid, "sub": None}, "sub": {"sid": None,
            "sub": "alice"}, "both": {"sid": sid, "sub": "alice"}}[by]
    res = backchannel(server, op.logout_token(**over))
    assert res.status == 200, res
    assert res.get("Cache-Control") == "no-store"
    for _ in range(6):
        assert browser.clone().navigate("/app/x").status == 302
        assert other.navigate("/app/x").status == 200
    signed_in(browser, user="alice@example.test")  # a new login counts


@pytest.mark.parametrize("over", [
    {"nonce": "x"}, {"events": None}, {"events": {}}, {"jti": None},
    {"sid": None}, {"aud": "other"}, {"iss": "https://evil.example/"},
    {"exp": 1000}, {"exp": "soon"}, {"exp": None, "iat": None},
    {"exp": None, "iat": 1000}, {"iat": None}, {"header": {"typ": "at+jwt"}},
    {"header": {"alg": "none"}}])
def test_backchannel_refuses(site, op, over):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    over = dict(over)
    res = backchannel(server, op.logout_token(**over))
    assert res.status == 400, res
    assert res.get("Cache-Control") == "no-store"
    assert res.json()["error"] == "invalid_request"
    assert browser.navigate("/app/x").status == 200


def test_backchannel_jti_once(site, op):
    server = site()
    token = op.logout_token()
    assert backchannel(server, token).status == 200
    assert backchannel(server, token).status == 400


def test_backchannel_without_exp(site, op):
    """Hydra, LemonLDAP and older releases of authentik send none."""
    server = site()
    browser = Browser(server)
    signed_in(browser)
    token = op.logout_token(exp=None)
    assert backchannel(server, token).status == 200
    assert browser.navigate("/app/x").status == 302
    assert backchannel(server, token).status == 400, "a jti counts once"


def test_backchannel_needs_the_cache(site, op):
    server = site("AuthBearerSessionStore cookie")
    assert backchannel(server, op.logout_token()).status == 404


def test_backchannel_id_token_is_no_logout_token(site, op):
    server = site()
    res = backchannel(server, op.sign(op.claims()))
    assert res.status == 400


# -- refresh ------------------------------------------------------------------

def test_refresh(site, op, store):
    op.refresh, op.expires_in = True, 5     # within the 30 s: due at once
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.user["name"] = "Alice the Second"
    op.expires_in = 3600
    assert browser.navigate("/app/x").status == 200
    assert op.count("token") >= 2
    n = op.count("token")
    env = browser.get("/app/env").env
    assert env["BEARER_CLAIM_name"] == "Alice the Second"
    assert op.count("token") == n


def test_refresh_takes_roles_away(site, op, store):
    """An issuer that leaves out what somebody has no longer is believed."""
    op.refresh, op.expires_in = True, 5
    op.user["roles"] = ["admin"]
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    del op.user["roles"]
    op.expires_in = 3600
    assert browser.navigate("/app/x").status == 200
    env = browser.get("/app/env").env
    assert env["REMOTE_USER"] == "alice@example.test"
    assert not [name for name in env if "roles" in name.lower()], env


def test_refresh_once_for_parallel_requests(site, op, store):
    import threading
    op.refresh, op.expires_in = True, 5
    server = site("AuthBearerSessionStore " + store, children=2)
    browser = Browser(server)
    callback_path = callback(browser, op)
    assert browser.navigate(callback_path).status == 303
    op.expires_in = 3600
    n = op.count("token")
    results = []

    def one():
        results.append(browser.clone().navigate("/app/x").status)
    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [200] * 8
    assert op.count("token") == n + 1
    assert browser.navigate("/app/x").status == 200
    assert op.count("token") == n + 1


def test_refresh_refused_ends_the_session(site, op, store):
    op.refresh, op.expires_in = True, 5
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.refresh_tokens.clear()
    assert browser.clone().navigate("/app/x").status == 302
    assert browser.clone().navigate("/app/x").status == 302


@pytest.mark.allow_log("AB0316")
def test_refresh_of_an_issuer_that_is_down(site, op, store):
    op.refresh, op.expires_in = True, 5
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.script("token", status=500, body="{}")
    n = op.count("token")
    for _ in range(3):
        assert browser.navigate("/app/x").status == 200
    assert op.count("token") == n + 1


@pytest.mark.parametrize("jwks", [{"status": 500}, {
    "body": lambda r: __import__("support.tokens").tokens.jwks("rs256")}],
    ids=["down", "old"])
@pytest.mark.allow_log("AB0312", "AB0205")
def test_refresh_with_a_key_that_is_not_known_yet(site, op, store, jwks):
    """The issuer has rotated key and refresh token: the new token is kept, the old
    one would end the session."""
    op.offer(revocation_endpoint="revoke")
    op.refresh, op.expires_in = True, 5
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.script("jwks", **jwks)
    op.keys = ["es256"]
    op.expires_in = 3600
    op.user["name"] = "Not Read"
    assert browser.navigate("/app/x").status == 200
    assert browser.get("/app/env").env["BEARER_CLAIM_name"] == "Alice"
    assert len(op.refresh_tokens) == 1
    assert browser.sign_out().status == 200
    wait_until(lambda: not op.refresh_tokens, what="the last one is revoked")


# -- requests to the provider -------------------------------------------------

def test_pushed_authorization_request(site, op):
    op.offer(pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    browser = Browser(site())
    signed_in(browser)
    assert "request_uri=" in browser.trail[1]
    assert "nonce=" not in browser.trail[1]


def test_a_client_with_pushed_requests_only(site, op):
    """Keycloak can require them of one client, which its metadata does not show."""
    op.offer(pushed_authorization_request_endpoint="par")
    op.pushed_only = True
    browser = Browser(site(inside="AuthBearerPushed required"))
    signed_in(browser)
    assert re.search(r"\?client_id=app&request_uri=[^&]*$", browser.trail[1])
    assert op.last("par").basic[0] == "app"
    assert not op.pushed, "each request_uri is used"
    browser = Browser(site(inside="AuthBearerPushed off"))
    res = browser.go("/app/x")
    assert op.count("par") == 1
    assert res.status == 400 and res.check == "login_response"


def test_request_uri_once(site, op):
    op.offer(pushed_authorization_request_endpoint="par")
    server = site("AuthBearerPushed required")
    browser = Browser(server)
    urls = {browser.navigate("/app/x").get("Location") for _ in range(3)}
    assert len(urls) == op.count("par") == 3


@pytest.mark.parametrize("value, metadata, pushes", [
    ("auto", {}, 0), ("off", {"require_pushed_authorization_requests": True}, 0),
    ("off", {"pushed_authorization_request_endpoint": "par"}, 0),
    ("auto", {"pushed_authorization_request_endpoint": "par"}, 1)])
def test_pushed_or_not(site, op, value, metadata, pushes):
    op.offer(**metadata)
    browser = Browser(site("AuthBearerPushed " + value))
    signed_in(browser)
    assert op.count("par") == pushes
    assert ("code_challenge=" in browser.trail[1]) == (not pushes)


def test_pushed_without_an_endpoint(site, op):
    browser = Browser(site("AuthBearerPushed required"))
    res = no_session(browser, browser.navigate("/app/x"), 503, "login_issuer")
    assert res.logged("AB0047", "AuthBearerPushed required", op.url)


@pytest.mark.parametrize("value", ["auto", "required"])
@pytest.mark.parametrize("status, answer, named", [
    (400, {"error": "invalid_request", "error_description": "no such <b>thing"},
     "invalid_request"),
    (401, {"error": "invalid_client"}, "invalid_client"),
    (403, {"error": "<script>"}, None), (400, {"error": "server_error"}, None),
    (500, {"error": "invalid_request"}, None)])
def test_pushed_and_refused(site, op, value, status, answer, named):
    """Log and page name the error; where the plain way is allowed, it is taken."""
    op.offer(pushed_authorization_request_endpoint="par")
    op.script("par", status=status, body=json.dumps(answer))
    browser = Browser(site("AuthBearerPushed " + value))
    if value == "auto" and status < 500:
        signed_in(browser)
        assert browser.server.wait_log("AB0302", status, answer["error"])
        return
    res = no_session(browser, browser.navigate("/app/x"), 503, "login_issuer")
    assert res.logged("AB0047", status, answer["error"])
    assert "script" not in res.text and "thing" not in res.text
    assert ("Trying again does not help" in res.text) == bool(named)
    assert ("Its answer was %s." % named in res.text) == bool(named)
    res = browser.navigate("/app/x", {"Accept": "application/json",
                                      "Sec-Fetch-Mode": "navigate"})
    assert ("Its answer was" in res.json()["error_description"]) == bool(named)


def test_parameters_of_a_location(site, op):
    server = site(end="""
<Location "/app/admin">
    AuthBearerLogin On prompt=login acr_values=gold login_hint=x@y max_age=60 "ui=a b&c"
</Location>
""")
    browser = Browser(server)
    no_session(browser, browser.go("/app/admin"), 403, "login_weak")
    asked = op.asked
    assert (asked["prompt"], asked["acr_values"], asked["login_hint"],
            asked["ui"]) == ("login", "gold", "x@y", "a b&c")
    op.id_token = {"acr": "gold", "auth_time": 1000}
    no_session(browser, browser.go("/app/admin"), 403, "login_weak")
    op.id_token = {"acr": "gold"}
    signed_in(browser, "/app/admin")


# -- one house ----------------------------------------------------------------

REQUIRES = [
    "valid-user", "user alice", "user bob", "scope orders.read", "scope other",
    "scope other orders.read", "claim groups:a", "claim groups:z",
    "claim name~^Ali", "claim name~^ali$", "claim nothing", "claim level:3",
    "claim level:03", "claim scope:orders.read", "role a", "role z",
    "issuer @ISS@", "issuer https://other.example/",
    "bearer-expr \"claim('name') == 'Alice'\"",
    "bearer-expr \"'b' in claims('groups')\"",
    "bearer-expr \"claim('name') == 'Bob'\"", "claim address.city:Bonn",
]
#: Whole containers: {a} is met, {b} is not.
CONTAINERS = [
    "<RequireAll>\nRequire {a}\nRequire {a}\n</RequireAll>",
    "<RequireAll>\nRequire {a}\nRequire {b}\n</RequireAll>",
    "<RequireAny>\nRequire {b}\nRequire {a}\n</RequireAny>",
    "<RequireAny>\nRequire {b}\nRequire {b}\n</RequireAny>",
    "<RequireAll>\nRequire all granted\nRequire not {a}\n</RequireAll>",
    "<RequireAll>\nRequire all granted\nRequire not {b}\n</RequireAll>",
    "<RequireAll>\n<RequireNone>\nRequire {b}\n</RequireNone>\nRequire {a}\n"
    "</RequireAll>",
]
#: What decides and what is said depends on settings, on both paths alike.
SETTINGS = [
    ("AuthBearerScopeStrategy hierarchic", "scope orders.read.all"),
    ("AuthBearerScopeStrategy exact", "scope orders.read.all"),
    ("AuthBearerScopeStrategy wildcard", "scope orders.*"),
    ("AuthBearerRolesClaim address.city", "role Bonn"),
    ("AuthBearerGroupsClaim nothing", "role a"),
    ("AuthBearerScopeClaim groups", "scope a"),
    ("AuthBearerUserFormat %i/%u", "user main/alice"),
    ("AuthzSendForbiddenOnFailure On", "scope other"),
    ("AuthBearerChallenge Off", "scope other"),
]
EXPORTS = ["", "AuthBearerExport both claims=name,groups,address",
           "AuthBearerExport headers header-prefix=OIDC-", "AuthBearerExport none",
           "AuthBearerForward none", "AuthBearerUserFormat %u@%i",
           "AuthBearerGroupsClaim level groups",
           "AuthBearerForward identity",
           "AuthBearerExport env env-prefix=OIDC_CLAIM_ claims=*",
           "AuthBearerExport both env-prefix=C_ header-prefix=X-C- claims=odd,level",
           "RequestHeader set X-Said \"expr=%{base64:%{REMOTE_USER}}\"",
           "<If \"claim('name') == 'Alice'\">\nRequestHeader set X-If yes\n</If>",
           "RewriteEngine On\nRewriteCond %{ENV:BEARER_CLAIM_level} =3\n"
           "RewriteRule ^ - [E=REWRITTEN:yes]"]


def test_the_same_house(site, op):
    """Whoever comes, by a token or with a session, meets the same rules and is
    described to the application in the same words."""
    op.user = {"sub": "alice", "name": "Alice", "groups": ["a", "b"], "level": 3,
               "address": {"city": "Bonn"}, "odd": "a,b=\u00e9\n", "none": None}
    end = ""
    for i, line in enumerate(REQUIRES):
        end += ('<Location "/app/r%d">\nRequire %s\n</Location>\n'
                % (i, line.replace("@ISS@", op.url)))
    for i, text in enumerate(CONTAINERS):
        end += '<Location "/app/c%d">\n%s\n</Location>\n' % (
            i, text.format(a="claim groups:a", b="role z"))
    for i, (line, require) in enumerate(SETTINGS):
        end += '<Location "/app/s%d">\n%s\nRequire %s\n</Location>\n' % (
            i, line, require)
    for i, line in enumerate(EXPORTS):
        end += '<Location "/app/e%d">\n%s\n</Location>\n' % (i, line)
    op.id_token = {"azp": "app"}     # BEARER_CLIENT
    server = site("AuthBearerSessionUserClaim sub\n"
                  "AuthBearerLoginScopes openid orders.read", end=end)
    browser = Browser(server)
    signed_in(browser, user="alice")
    token = {"Authorization": "Bearer " + op.mint(
        aud="api://test", client_id=None, azp="app", scope="openid orders.read",
        **{k: v for k, v in op.user.items() if v is not None})}
    statuses = set()
    places = [("r", REQUIRES), ("c", CONTAINERS), ("s", SETTINGS)]
    for letter, i, line in [(letter, i, line) for letter, table in places
                            for i, line in enumerate(table)]:
        path = "/app/%s%d/x" % (letter, i)
        ours, theirs = browser.get(path), server.get(path, headers=token)
        assert (ours.status, ours.user, ours.error, ours.check,
                ours.challenges) == (theirs.status, theirs.user, theirs.error,
                                     theirs.check, theirs.challenges), line
        statuses.add((letter, ours.status))
    assert statuses == {(c, n) for c in "rcs" for n in (200, 403)}
    for i, line in enumerate(EXPORTS):
        for face in ("env", "be/1"):
            ours = browser.get("/app/e%d/%s" % (i, face))
            theirs = server.get("/app/e%d/%s" % (i, face), headers=token)
            assert ours.status == theirs.status == 200
            assert described(ours, face) == described(theirs, face), line


def described(res, face):
    """What the application learns, without what only one of the two has."""
    own = re.compile(r"(?i)(BEARER_(METHOD|EXPIRES|TOKEN_ID)|.*[_-](nonce|at_?hash|sid|"
                     r"auth_?time|iat|exp|aud|azp|at-hash|auth-time|jti)$|HTTP_.*|"
                     r"REMOTE_PORT|UNIQUE_ID|x-forwarded-(for|host|server)|"
                     r"REQUEST_.*|DATE_.*|.*odd$)")
    seen = res.env if face == "env" else headers_of(res)
    return {k: v for k, v in seen.items() if not own.fullmatch(k)}
