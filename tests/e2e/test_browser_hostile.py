# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Browsers: an issuer that answers badly on purpose, and clients that send more
than one credential, or parts of several."""
import json

import pytest

from support import tokens
from support.browsing import (backchannel, callback, no_session,  # noqa: F401
                              op, session_cookie, signed_in, site, store)
from support.expect import refused
from support.httpd import wait_until
from support.issuer import headers_of
from support.op import NAVIGATE, Browser, Provider

pytestmark = pytest.mark.allow_log("AB0763")

EVIL = "https://evil.example"
EVIL_TEXT = "gotcha"


def random_text(n):
    import random
    return "".join(random.choice("abcdefghijklmnop0123456789XYZ")
                   for _ in range(n))


# -- what the issuer answers -----------------------------------------------------

#: Answers that are none, whoever was asked.
USELESS = {
    "html": dict(body="<h1>%s</h1>" % EVIL_TEXT),
    "a list": dict(body="[1]"),
    "twice": dict(body='{"access_token":"a","access_token":"b",'
                       '"token_type":"Bearer","request_uri":"urn:a",'
                       '"request_uri":"urn:b"}'),
    "deep": dict(body='{"a":' * 100 + "1" + "}" * 100),
    "NUL": dict(body='{"access_token":"a\\u0000b","request_uri":"a\\u0000b"}'),
    "huge": dict(body='{"x":"%s"}' % ("y" * 70000)),
    "redirect": dict(status=302, body="{}", headers={"Location": "@THERE@"}),
    "500": dict(status=500, body='{"error":"%s"}' % EVIL_TEXT),
}


def useless(op, name):
    answer = dict(USELESS[name])
    if "headers" in answer:
        answer["headers"] = {"Location": op.url + "/elsewhere"}
    return answer


def nothing_leaked(res, *texts):
    for text in (EVIL_TEXT, "evil.example", "invalid_", *texts):
        assert text not in res.text
        for line in res.all("Set-Cookie") + [res.get("Location") or ""]:
            assert text not in line


@pytest.mark.parametrize("name", sorted(USELESS))
@pytest.mark.parametrize("kind", ["token", "userinfo", "par"])
def test_useless_answers(site, op, kind, name):
    """No session, an explanation, no loop, and nobody else is asked."""
    op.user = {"sub": "alice"}      # so that userinfo is wanted
    op.offer(userinfo_endpoint="userinfo",
             pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    op.script(kind, **useless(op, name))
    server = site()
    browser = Browser(server)
    res = no_session(browser, browser.go("/app/x"), 503, "login_issuer")
    nothing_leaked(res)
    assert op.count(kind) == 1 and op.count("elsewhere") == 0
    assert not [n for n in browser.cookies if "login" in n], browser.cookies
    op.script(kind)
    op.user = {**op.user, "email": "alice@example.test", "email_verified": True}
    signed_in(browser)              # an issuer that is well again


@pytest.mark.parametrize("status", [500, 302, 202, 403])
@pytest.mark.parametrize("kind", ["token", "userinfo", "par"])
def test_good_words_with_a_bad_status(site, op, kind, status):
    op.user = {"sub": "alice"}
    op.userinfo = {"sub": "alice", "email": "alice@example.test",
                   "email_verified": True}
    op.offer(userinfo_endpoint="userinfo",
             pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    good = getattr(op, "_" + kind)
    op.script(kind, status=status, body=lambda request: good(request)[1])
    server = site()
    browser = Browser(server)
    no_session(browser, browser.go("/app/x"), 503, "login_issuer")
    op.script(kind)
    signed_in(browser)


@pytest.mark.parametrize("kind", ["token", "par"])
def test_an_issuer_that_drips(site, op, kind):
    op.offer(pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    op.script(kind, body='{"x":"%s"}' % ("y" * 200), trickle=0.2)
    server = site("AuthBearerTimeout connect=1s total=1s")
    browser = Browser(server)
    no_session(browser, browser.go("/app/x"), 503, "login_issuer")


@pytest.mark.parametrize("uri", ["a b\r\nX-Evil: 1", "x&redirect_uri=" + EVIL,
                                 EVIL + "/#", "\u00e9\u202e", "x" * 511])
def test_request_uri_goes_nowhere_else(site, op, uri):
    """The name of a pushed request is a parameter, whatever is in it."""
    op.offer(pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    op.script("par", status=201, body=json.dumps({"request_uri": uri}))
    res = Browser(site()).navigate("/app/x")
    assert res.status == 302 and not res.get("X-Evil")
    start = op.url + "/authorize?client_id=app&request_uri="
    url = res.get("Location")
    assert url.startswith(start)
    assert not set(url[len(start):]) & set("&#/?: \r\n")


@pytest.mark.parametrize("uri", ["", "x" * 512, 7, None, ["x"]], ids=repr)
def test_request_uri_that_is_none(site, op, uri):
    op.offer(pushed_authorization_request_endpoint="par",
             require_pushed_authorization_requests=True)
    op.script("par", status=201, body=json.dumps({"request_uri": uri}))
    browser = Browser(site())
    no_session(browser, browser.navigate("/app/x"), 503, "login_issuer")


@pytest.mark.allow_log("AB0208")
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://evil.example/a",
                                 "//evil.example/", "https://a@evil.example/",
                                 "data:text/html,x", "/authorize"])
def test_endpoints_that_are_none(site, op, name, url):
    op.metadata[name] = url
    browser = Browser(site())
    res = no_session(browser, browser.navigate("/app/x"), 503, "login_issuer")
    nothing_leaked(res)


@pytest.mark.parametrize("email", [
    "alice@example.test\nX: y", "alice\u202e@example.test", " alice@example.test",
    "alice@example.test,bob@example.test", "a" * 250 + "@example.test", "", 1.5,
    ["alice@example.test"], "alice\u0000@example.test"], ids=range(9))
def test_users_that_are_none(site, op, email):
    """Who it is, is checked by the same rule as a token's user."""
    op.user["email"] = email
    browser = Browser(site())
    res = browser.go("/app/x")
    assert res.status in (401, 403, 503), res
    no_session(browser, res, res.status)
    assert not res.user


# -- what a client puts together -------------------------------------------------

def chunked(site, op):
    op.user["blob"] = random_text(2600)
    return site("AuthBearerSessionStore cookie")


def test_parts_of_two_sessions(site, op):
    server = chunked(site, op)
    one, two = Browser(server), Browser(server)
    signed_in(one)
    signed_in(two)
    first, second = [n for n in one.cookies if "session" in n]
    for a, b in ((one, two), (two, one)):
        mixed = a.clone()
        mixed.cookies[second] = b.cookies[second]
        assert mixed.navigate("/app/x").status == 302
    assert one.navigate("/app/x").status == two.navigate("/app/x").status == 200


def test_more_parts_than_there_are(site, op):
    server = chunked(site, op)
    browser = Browser(server)
    signed_in(browser)
    first, second = [n for n in browser.cookies if "session" in n]
    browser.cookies[second[:-1] + "2"] = browser.cookies[second]
    assert browser.get("/app/x").status == 200
    for i in range(2, 10):
        browser.cookies["%s.%d" % (first, i)] = "A"
    browser.cookies.pop(second)
    refused(browser.get("/app/x"), 401)


def test_a_cookie_larger_than_any(site, op, store):
    server = site("AuthBearerSessionStore " + store,
                  early="LimitRequestFieldSize 200000\n")
    browser = Browser(server)
    signed_in(browser)
    name = session_cookie(browser)
    for value in ("A" * 100000, browser.cookies[name] + "A" * 100000):
        browser.cookies[name] = value
        refused(browser.get("/app/x"), 401)
    browser.cookies = {"x": "y" * 9000, **{name: "A" * 43}}
    assert browser.navigate("/app/x").status == 302


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND", "ODD"])
def test_cross_site_whatever_the_method(site, op, method):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    refused(browser.send(method, "/app/be/1", foreign), 403, None, "cross_site")
    res = browser.send(method, "/app/be/1", {"Sec-Fetch-Site": "same-origin"})
    assert res.status != 403 and res.user == "alice@example.test", res


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_cross_site_without_a_change(site, op, method):
    browser = Browser(site())
    signed_in(browser)
    assert browser.send(method, "/app/be/1",
                        {"Sec-Fetch-Site": "cross-site"}).status == 200


def test_cross_site_is_a_matter_of_the_credential_that_counts(site, op):
    """A token is put there by a program; no site can make a browser do it."""
    server = site(end='<Location "/app/be/bearer">\nAuthBearerPrefer bearer\n'
                  "</Location>")
    browser = Browser(server)
    signed_in(browser)
    foreign = {"Origin": EVIL,
               "Authorization": "Bearer " + op.mint(aud="api://test")}
    res = browser.send("POST", "/app/be/bearer/1", foreign)
    assert res.status == 200, res
    assert headers_of(res)["x-forwarded-user"] == ["alice"]
    refused(browser.send("POST", "/app/be/1", foreign), 403, None, "cross_site")
    browser.cookies[session_cookie(browser)] = "A" * 43
    assert browser.send("POST", "/app/be/1", foreign).status == 200


def test_a_session_beside_what_is_no_token(site, op, store):
    """Whatever stands in Authorization is not looked at, and not passed on."""
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    for value in ("Bearer a,b", "Bearer a b", "Bearer", "Bearer \u00e9",
                  "Bearer " + "." * 3000):
        res = browser.get("/app/be/1", {"Authorization": value})
        assert res.status == 200, (value, res)
        assert headers_of(res)["x-forwarded-user"] == ["alice@example.test"]
        assert "authorization" not in headers_of(res)


def test_names_that_a_client_would_like_to_set(site, op):
    """What the session does not have comes from nowhere else."""
    server = site(end='<Location "/app">\nAuthBearerExport headers '
                  "header-prefix=X-Claim- claims=name,roles\n</Location>")
    browser = Browser(server)
    signed_in(browser)
    seen = headers_of(browser.get("/app/be/1", {
        "X-Claim-Roles": "admin", "X_Claim_Roles": "admin",
        "X-Claim-Name": "Mallory", "X-Forwarded-User": "root",
        "x_forwarded_user": "root", "X-Other": "kept"}))
    assert seen["x-claim-name"] == ["Alice"]
    assert seen["x-forwarded-user"] == ["alice@example.test"]
    assert seen["x-other"] == ["kept"]
    assert not [n for n in seen if n.replace("_", "-") == "x-claim-roles"]
    assert "x_forwarded_user" not in seen


# -- logout tokens ----------------------------------------------------------------

def test_logout_tokens_of_others(site, op, issuers):
    """The same sid and sub, of another issuer or by another's key: nothing."""
    second = Provider(issuers, "second-logout", "es256")
    second.sid = op.sid
    server = site(end='<AuthBearerIssuer "%s" second>\n</AuthBearerIssuer>\n'
                  "AuthBearerLoginIssuer %s\nAuthBearerUserFormat %%u\n"
                  % (second.url, op.url))
    browser = Browser(server)
    signed_in(browser)
    assert backchannel(server, second.logout_token(sub="alice")).status == 200
    assert browser.navigate("/app/x").status == 200
    payload = json.loads(tokens.unb64(op.logout_token().split(".")[1]))
    thief = tokens.mint("rs256-thief", payload=payload,
                        header={"typ": "logout+jwt", "kid": "rs256"})
    assert backchannel(server, thief).status == 400
    assert browser.navigate("/app/x").status == 200
    assert backchannel(server, op.logout_token()).status == 200
    assert browser.navigate("/app/x").status == 302


@pytest.mark.parametrize("what", ["type", "twice", "empty", "long", "NUL",
                                  "query"])
def test_logout_forms(site, op, what):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    token = op.logout_token()
    body, path = "logout_token=" + token, "/.auth/backchannel-logout"
    kind = "application/x-www-form-urlencoded"
    if what == "type":
        kind = "application/json"
    elif what == "twice":
        body += "&" + body
    elif what == "empty":
        body = "logout_token="
    elif what == "long":
        body += "&x=" + "y" * 40000
    elif what == "NUL":
        body += "%00"
    elif what == "query":
        body, path = "", path + "?" + body
    res = server.request("POST", path, headers={"Content-Type": kind},
                         body=body.encode())
    assert res.status == 400 and res.json()["error"] == "invalid_request", res
    assert browser.navigate("/app/x").status == 200


@pytest.mark.parametrize("over", [{"aud": "another"}, {"exp": 1}, {"events": {}}],
                         ids=["audience", "expired", "events"])
def test_logout_tokens_fetch_no_keys(site, op, over):
    """Anybody can send one: no key is fetched for a token that is refused anyway."""
    server = site()
    signed_in(Browser(server))
    before = op.count("jwks")
    token = op.logout_token(header={"kid": "unknown"}, **over)
    assert backchannel(server, token).status == 400
    assert op.count("jwks") == before
    assert backchannel(server, op.logout_token(header={"kid": "unknown"})).status == 400
    assert op.count("jwks") == before + 1


# -- revocation, and pages ---------------------------------------------------------

def test_an_access_token_is_revoked_where_there_is_no_other(site, op, store):
    op.offer(revocation_endpoint="revoke")
    server = site("AuthBearerSessionStore " + store)
    browser = Browser(server)
    signed_in(browser)
    assert browser.sign_out().status == 200
    wait_until(lambda: op.revoked, what="the revocation")
    assert [r["token_type_hint"] for r in op.revoked] == ["access_token"]
    assert op.revoked[0]["token"].startswith("at_")


@pytest.mark.parametrize("answer", [dict(status=500), dict(body="<html>"),
                                    dict(cut=True)], ids=["500", "html", "cut"])
def test_logout_whatever_the_issuer_says(site, op, answer):
    op.offer(revocation_endpoint="revoke")
    op.script("revoke", **answer)
    browser = Browser(site())
    signed_in(browser)
    kept = browser.clone()
    res = browser.sign_out()
    assert res.status == 200 and "signed out" in res.text
    assert kept.navigate("/app/x").status == 302


def test_an_administrators_page_at_the_endpoints(site, op):
    """A document of one's own is told what happened, also there."""
    server = site("ErrorDocument 400 /why/env\nErrorDocument 403 /why/env\n"
                  "ErrorDocument 503 /why/env")
    res = Browser(server).navigate("/.auth/callback?state=AAAAAAAAAAAA&code=x")
    assert res.status == 400, res
    assert "REDIRECT_BEARER_ERROR=request" in res.text
    assert "no-store" in res.get("Cache-Control")
    assert res.get("Referrer-Policy") == "no-referrer"
    assert "REDIRECT_BEARER_ERROR_CHECK=login_state" in res.text
    for error, status, check in (("access_denied", 403, "login_denied"),
                                 ("server_error", 503, "login_issuer")):
        op.response = {"code": None, "error": error}
        browser = Browser(server)
        res = browser.go("/app/x")
        assert res.status == status, res
        assert "REDIRECT_BEARER_ERROR_CHECK=" + check in res.text
        assert not [n for n in browser.cookies if "session" in n]
        assert server.get("/.auth/callback?x", headers=NAVIGATE).status == 400
