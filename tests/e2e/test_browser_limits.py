# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Browsers: what a client can make the issuer be asked, and what it is told when
that is refused."""
import re
import threading
import time

import pytest

from support.browsing import (callback, no_session, op,  # noqa: F401
                              session_cookie, signed_in, site, store)
from support.expect import invalid, issuer_conf, key_files, location, refused
from support.httpd import wait_until
from support.op import NAVIGATE, Browser
from support.tokens import claims, mint

pytestmark = pytest.mark.allow_log("AB0763")
PREFETCH = [{"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"},
            {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}]


# -- one attempt, one code -----------------------------------------------------

def test_an_attempt_serves_once(site, op):
    server = site()
    browser = Browser(server)
    back = callback(browser, op)
    kept = browser.clone()
    assert browser.navigate(back).status == 303
    asked = op.count("token")
    for i in range(5):
        other = re.sub(r"code=[^&]*", "code=guess%d" % i, back)
        res = no_session(kept, kept.clone().navigate(other), 400, "login_state")
        assert res.logged("AB0043", "request/login_state")
    assert op.count("token") == asked


def test_an_attempt_that_failed_is_over(site, op):
    server = site()
    browser = Browser(server)
    back = callback(browser, op)
    kept = browser.clone()
    no_session(browser, browser.navigate(back.replace("code=", "code=x")), 400,
               "login_response")
    asked = op.count("token")
    no_session(kept, kept.navigate(back), 400, "login_state")
    assert op.count("token") == asked


def test_an_attempt_in_parallel(site, op):
    server = site(children=2)
    browser = Browser(server)
    back = callback(browser, op)
    results = []

    def one(i):
        results.append(browser.clone().navigate(
            re.sub(r"code=[^&]*", "code=guess%d" % i, back)).status)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [400] * 8
    assert op.count("token") == 1


def test_refused_codes_are_throttled(site, op, store):
    server = site("AuthBearerSessionStore %s\n"
                  "AuthBearerThrottle threshold=3 window=60 penalty=60" % store)
    good = Browser(server)
    ready = callback(good, op)
    for _ in range(3):
        browser = Browser(server)
        back = callback(browser, op)
        res = browser.navigate(back.replace("code=", "code=x"))
        no_session(browser, res, 400, "login_response")
    asked = op.count("token")
    browser = Browser(server)
    res = no_session(browser, browser.navigate(callback(browser, op)), 429,
                     "throttled")
    assert 0 < int(res.get("Retry-After")) <= 60
    no_session(good, good.navigate(ready), 429, "throttled")
    assert op.count("token") == asked


@pytest.mark.core
@pytest.mark.parametrize("silent", [False, True], ids=["error", "silence"])
def test_an_attempt_without_an_answer_is_over(site, op, store, silent):
    """The issuer was asked about one code: however that ended, the attempt's cookie
    is worth nothing any more, with this code or another."""
    hold = threading.Event()
    server = site("AuthBearerTimeout total=1s\nAuthBearerSessionStore " + store)
    browser = Browser(server)
    back = callback(browser, op)
    kept = browser.clone()
    op.script("token", **({"hold": hold} if silent else
                          {"status": 503, "body": "{}"}))
    try:
        no_session(browser, browser.navigate(back), 503, "login_issuer")
        op.script("token")
        for url in (back, re.sub(r"code=[^&]*", "code=guess", back)):
            no_session(kept, kept.clone().navigate(url), 400, "login_state")
        assert op.count("token") == 1
    finally:
        hold.set()


@pytest.mark.core
def test_logins_without_an_answer_are_throttled(site, op, store):
    """A client may not have the issuer asked on and on while it is in trouble. What
    was refused for that is no lost login."""
    server = site("AuthBearerSessionStore %s\n"
                  "AuthBearerThrottle threshold=3 window=60 penalty=2" % store)
    op.script("token", status=503, body="{}")
    good = Browser(server)
    ready = callback(good, op)
    for _ in range(3):
        browser = Browser(server)
        no_session(browser, browser.navigate(callback(browser, op)), 503,
                   "login_issuer")
    asked = op.count("token")
    op.script("token")
    res = no_session(good, good.navigate(ready), 429, "throttled")
    assert 0 < int(res.get("Retry-After")) <= 2
    assert op.count("token") == asked
    wait_until(lambda: good.navigate(ready).status == 303, 10, "the login")
    assert op.count("token") == asked + 1


# -- pushed authorization requests -----------------------------------------------

PAR = {"pushed_authorization_request_endpoint": "par"}


def test_pushes_are_bounded(site, op):
    """An issuer that only offers PAR is sent browsers the plain way then."""
    op.offer(**PAR)
    server = site("AuthBearerThrottle threshold=3 window=60 penalty=60")
    urls = [Browser(server).navigate("/app/x").get("Location") for _ in range(8)]
    assert op.count("par") == 3
    assert ["request_uri=" in url for url in urls] == [True] * 3 + [False] * 5
    assert "code_challenge=" in urls[-1]
    browser = Browser(server)
    signed_in(browser)


def test_pushes_that_are_required_are_bounded(site, op):
    op.offer(require_pushed_authorization_requests=True, **PAR)
    server = site("AuthBearerThrottle threshold=3 window=60 penalty=60")
    for _ in range(3):
        assert Browser(server).navigate("/app/x").status == 302
    res = Browser(server).navigate("/app/x")
    assert res.status == 429 and res.check == "throttled", res
    assert 0 < int(res.get("Retry-After")) <= 60
    assert "<h1>Too many attempts</h1>" in res.text
    assert op.count("par") == 3


def flood(server, n=140):
    """So many browsers that nobody knows; each one's answer, and the seconds."""
    began = time.monotonic()
    answers = [Browser(server).navigate("/app/x") for _ in range(n)]
    return answers, time.monotonic() - began


def test_pushes_are_bounded_without_a_throttle(site, op):
    """A hundred at once, then ten a second, whoever asks and however many
    children there are; the others go there the plain way."""
    op.offer(**PAR)
    server = site("AuthBearerThrottle off", children=2)
    answers, seconds = flood(server)
    assert [a.status for a in answers] == [302] * 140
    pushed = sum("request_uri=" in a.get("Location") for a in answers)
    assert 100 <= pushed <= 101 + 10 * seconds and pushed < 140
    assert op.count("par") == pushed
    assert server.wait_log("AB0302")
    plain = [a for a in answers if "request_uri=" not in a.get("Location")]
    assert all("code_challenge=" in a.get("Location") for a in plain)
    browser = Browser(server)
    signed_in(browser)


def test_required_pushes_are_bounded_without_a_throttle(site, op):
    op.offer(require_pushed_authorization_requests=True, **PAR)
    server = site("AuthBearerThrottle off", children=2)
    answers, seconds = flood(server)
    refused_ = [a for a in answers if a.status == 503]
    assert op.count("par") == 140 - len(refused_)
    assert 100 <= op.count("par") <= 101 + 10 * seconds and refused_
    res = refused_[0]
    assert res.check == "login_limit" and res.error == "unavailable"
    assert int(res.get("Retry-After")) > 0
    assert not res.all("Set-Cookie")
    assert "<h1>Many people are signing in</h1>" in res.text
    assert res.logged("AB0048", "AuthBearerThrottle")
    # who is signed in does not notice, and a script gets what it always gets
    refused(server.get("/app/x"), 401)


def test_pushes_under_way_leave_half_of_the_workers(site, op):
    """An issuer that does not answer holds up half of each child's workers at
    most, not everybody; which child gets how many is the kernel's choice."""
    op.offer(require_pushed_authorization_requests=True, **PAR)
    hold = threading.Event()
    op.script("par", status=201, body='{"request_uri":"urn:x"}', hold=hold)
    server = site("AuthBearerThrottle off\nAuthBearerTimeout total=30s",
                  children=2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(
        Browser(server).navigate("/app/x").status)) for _ in range(12)]
    try:
        for t in threads:
            t.start()
        wait_until(lambda: len(results) + op.count("par") == 12, 20)
        pushed = op.count("par")
        assert 4 <= pushed <= 8 and results == [503] * (12 - pushed)
        refused(server.get("/app/x"), 401)
    finally:
        hold.set()
        for t in threads:
            t.join()
    assert sorted(results) == [302] * pushed + [503] * (12 - pushed)
    assert Browser(server).navigate("/app/x").status == 302


def test_logins_that_end_well_are_no_flood(site, op):
    op.offer(require_pushed_authorization_requests=True, **PAR)
    server = site("AuthBearerThrottle threshold=3 window=60 penalty=60")
    for _ in range(6):
        signed_in(Browser(server))


# -- what is fetched ahead ---------------------------------------------------------

@pytest.mark.parametrize("header", PREFETCH, ids=lambda h: str(h))
def test_prefetch_does_nothing(site, op, header):
    server = site()
    browser = Browser(server)
    signed_in(browser)
    ahead = {**NAVIGATE, "Sec-Fetch-Site": "same-origin", **header}
    res = browser.send("GET", "/.auth/logout", ahead)
    assert res.status == 403, res
    assert not res.all("Set-Cookie")
    assert browser.navigate("/app/x").status == 200
    refused(server.get("/app/x", headers=ahead), 401)
    res = browser.send("GET", "/.auth/logout",
                       {**NAVIGATE, "Sec-Fetch-Site": "same-origin"})
    assert res.status == 200 and "signed out" in res.text


# -- tokens that are looked at before anybody is asked for one -----------------------

def test_tokens_judged_for_an_expression_count(one_server):
    """`claim()` under `Require all granted`: nobody is asked who he is, but the
    token is verified, so a flood of bad ones ends as it does elsewhere."""
    server = one_server("AuthBearerThrottle threshold=3 window=60 "
                        "penalty=60\n" + issuer_conf() + location("/open", "<If \"claim('sub') == 'alice'\">\n"
                                   "Header set X-Known yes\n</If>",
                                   require="all granted")
                        + location("/shut"), files=key_files())
    good = mint("rs256")
    assert server.get("/open/x", good).get("X-Known") == "yes"
    bad = mint("rs256", payload=claims(jti="same"))[:-8] + "AAAAAAAA"
    for _ in range(5):      # the same one counts once
        assert server.get("/open/x", bad).status == 200
    invalid(server.get("/shut/x", mint("rs256")[:-8] + "AAAAAAAA"), "signature")
    assert server.get("/open/x", mint("rs256", payload=claims(jti="3"))[:-8]
                      + "AAAAAAAA").status == 200
    server.wait_log("AB0104", "60 s")
    refused(server.get("/shut/x", mint("rs256", payload=claims(jti="new"))), 429)


# -- a place that asks for more --------------------------------------------------

STEP_UP = "insufficient_user_authentication"
ADMIN = """
<Location "/app/admin">
    AuthBearerLogin On acr_values=gold
</Location>
<Location "/app/soon">
    AuthBearerLogin On max_age=100
</Location>
"""


def test_step_up(site, op, store):
    op.id_token = {"acr": "silver"}
    server = site("AuthBearerSessionStore " + store, end=ADMIN)
    browser = Browser(server)
    signed_in(browser)
    weak = browser.clone()
    # a program is told what is missing (RFC 9470)
    res = refused(browser.get("/app/admin/x"), 401, STEP_UP, "authentication",
                  "acr", log="acr_values=")
    assert 'acr_values="gold"' in res.get("WWW-Authenticate")
    assert not res.user
    refused(browser.send("POST", "/app/admin/be/1",
                         {"Sec-Fetch-Site": "same-origin"}), 401, STEP_UP)
    assert browser.send("POST", "/app/admin/be/1",
                        {"Sec-Fetch-Site": "cross-site"}).status == 403
    # a browser is sent to the issuer
    op.id_token = {"acr": "gold"}
    res = browser.go("/app/admin/x")
    assert res.status == 200 and len(browser.trail) == 4
    assert op.asked["acr_values"] == "gold"
    assert browser.get("/app/admin/x").status == 200
    assert browser.get("/app/x").status == 200
    if store == "cache":
        refused(weak.get("/app/admin/x"), 401)  # ended by that login


def test_step_up_by_age(site, op):
    op.id_token = {"auth_time": int(time.time()) - 1000}
    server = site("AuthBearerClockSkew 0", end=ADMIN)
    browser = Browser(server)
    signed_in(browser)
    res = refused(browser.get("/app/soon/x"), 401, STEP_UP)
    assert 'max_age="100"' in res.get("WWW-Authenticate")
    op.id_token = {}
    assert browser.go("/app/soon/x").status == 200
    assert op.asked["max_age"] == "100"
    assert browser.get("/app/soon/x").status == 200


def test_step_up_that_fails_is_no_loop(site, op):
    op.id_token = {"acr": "silver"}
    server = site(end=ADMIN)
    browser = Browser(server)
    signed_in(browser)
    res = browser.go("/app/admin/x")
    assert res.status == 403 and res.check == "login_weak"
    assert "stronger sign-in" in res.text
    assert browser.get("/app/x").status == 200      # what there was is still there


def test_step_up_survives_a_refresh(site, op, store):
    op.refresh, op.expires_in = True, 5
    op.id_token = {"acr": "gold"}
    server = site("AuthBearerSessionStore " + store, end=ADMIN)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op, "/app/admin/x")).status == 303
    op.id_token = {"acr": None, "auth_time": None}
    op.expires_in = 3600
    n = op.count("token")
    assert browser.navigate("/app/admin/x").status == 200
    assert op.count("token") == n + 1
    assert browser.get("/app/admin/x").status == 200
    assert browser.get("/app/soon/x").status == 200
