# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Credentials that a browser adds by itself: two Cookie lines in one request, which
httpd joins with a comma, and Basic credentials in a request from another site."""
import base64

import pytest

from support.browsing import (SECRETS, callback, conf, op,  # noqa: F401
                              session_cookie, signed_in)
from support.expect import (granted, issuer_conf, key_files, location, refused)
from support.issuer import headers_of
from support.op import NAVIGATE, Browser
from support.service import SessionService
from support.tokens import mint

pytestmark = pytest.mark.core

LOG = 'CustomLog "@ROOT@/logs/all.log" "%{Cookie}i|%{Authorization}i"\n'


@pytest.fixture
def log_of():
    def read(server):
        with open(server.path("logs/all.log"), errors="surrogateescape") as f:
            return f.read()
    return read


# -- two Cookie lines ----------------------------------------------------------

def lines(*pairs):
    return [("Cookie", pair) for pair in pairs]


def test_token_in_the_second_line(new_server, wire, backend, log_of):
    server = new_server(issuer_conf() + LOG + location(
        "/cookie", "AuthBearerTokenFrom cookie:tok"), files=key_files(),
                        backend=backend, h2=True)
    token = mint()
    for fields in (lines("a=1", "tok=" + token), lines("tok=" + token, "a=1")):
        res = server.get("/cookie/be/x", headers=fields, h2=wire)
        granted(res)
        assert headers_of(res)["cookie"] == ["a=1"]
    assert token not in log_of(server)
    refused(server.get("/cookie", headers=lines("tok=" + token, "tok=" + token),
                       h2=wire), 400, "invalid_request", "request",
            "credential_count")


def test_own_cookies_in_the_second_line(one_server, op, wire, backend, log_of):
    """Read, and seen neither by the application nor in a log."""
    server = one_server(conf(op, LOG), files=SECRETS, backend=backend, h2=True)
    browser = Browser(server, h2=wire)
    back = callback(browser, op)
    attempt, = browser.cookies.items()
    res = server.get(back, headers=[*NAVIGATE.items(),
                                    *lines("a=1", "%s=%s" % attempt)], h2=wire)
    assert res.status == 303, res
    line = [c for c in res.all("Set-Cookie") if "session" in c][0].split(";")[0]
    for fields in (lines("a=1", line), lines(line, "a=1"),
                   lines("a=1", line, "b=2"), lines("a=x, y", line)):
        res = server.get("/app/be/x", headers=fields, h2=wire)
        assert granted(res, "alice@example.test")
        cookie = headers_of(res)["cookie"][0].replace("; b=2", "").replace(
            ", b=2", "")
        assert cookie in ("a=1", "a=x, y"), cookie
    value = line.partition("=")[2]
    granted(server.get("/app/x", headers=lines(line, line), h2=wire), "alice@example.test")
    refused(server.get("/app/x", headers=lines("a=1", line[:-4]), h2=wire), 401)
    server.get("/ok", headers=lines("a=1", line), h2=wire)
    assert value[:16] not in log_of(server)
    assert attempt[1][:16] not in log_of(server)


def test_a_neighbour_plants_no_protected_cookie(one_server, op):
    """A browser lets another host of the domain set `x=1, __Host-...`."""
    server = one_server(conf(op, base="https://www.example.test"), files=SECRETS)
    browser = Browser(server, "https://www.example.test")
    signed_in(browser)
    name = session_cookie(browser)
    assert name == "__Host-bearer_session"
    value = browser.cookies[name]
    for planted in ("x=1, %s=%s", "x=1,%s=%s"):
        field = planted % (name, value)
        refused(server.get("/app/x", headers={"Cookie": field}), 401)
        field += "; %s=%s" % (name, value)
        granted(server.get("/app/x", headers={"Cookie": field}),
                "alice@example.test")


def test_session_check_in_the_second_line(one_server, backend, wire):
    store = SessionService()
    store.known["good-session-value"] = {"sub": "alice"}
    try:
        server = one_server(LOG + location("/check", """
    AuthBearerProvider session
    AuthBearerSessionCheck %s/whoami cookies=s subject=sub
""" % store.url, audience=None), backend=backend, h2=True)
        for fields in (lines("a=1", "s=good-session-value"),
                       lines("s=good-session-value", "a=1")):
            res = server.get("/check/be/x", headers=fields, h2=wire)
            granted(res)
            assert headers_of(res)["cookie"] == ["a=1"]
    finally:
        store.close()


# -- Basic from another site ---------------------------------------------------

FOREIGN = [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"},
           {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.test"},
           {"Origin": "null"}]
OWN = [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://server.test"}]


def basic(token):
    text = base64.b64encode(("git:" + token).encode()).decode()
    return {"Authorization": "Basic " + text}


@pytest.fixture(scope="module")
def server(new_server, backend):
    return new_server(
        "AuthBearerThrottle threshold=2 window=60s penalty=60s\n" + issuer_conf()
        + location("/basic", "AuthBearerTokenFrom header basic")
        + location("/git", "AuthBearerTokenFrom basic:git"),
        files=key_files(), backend=backend, h2=True, throttle=True)


@pytest.mark.parametrize("path", ["/basic", "/git"])
def test_cross_site_basic(server, wire, path):
    token = mint()
    for _ in range(2):  # they do not count
        for headers in FOREIGN:
            refused(server.request("POST", path + "/be/x", headers={
                **basic(token), **headers}, h2=wire), 403, None, "cross_site",
                    log="Basic")
    for headers in OWN:
        granted(server.request("POST", path + "/be/x", headers={
            **basic(token), **headers}, h2=wire))
    for headers in FOREIGN:
        granted(server.get(path, headers={**basic(token), **headers}, h2=wire))


def test_cross_site_cookie_is_not_even_looked_into(one_server):
    """An <If> is evaluated ahead: it is told of nobody then."""
    server = one_server(issuer_conf() + location("/if", """
    AuthBearerTokenFrom cookie:tok
    <If "claim('sub') == 'alice'">
        Header always set X-Alice yes
    </If>"""), files=key_files())
    cookie = {"Cookie": "tok=" + mint()}
    for headers in OWN:
        res = server.request("POST", "/if/cgi", headers={**cookie, **headers})
        assert granted(res).get("X-Alice") == "yes"
    for headers in FOREIGN:
        res = refused(server.request("POST", "/if/cgi", headers={
            **cookie, **headers}), 403, None, "cross_site")
        assert res.get("X-Alice") is None


def test_cross_site_header_is_no_browsers_doing(server, wire):
    for headers in FOREIGN:
        granted(server.request("POST", "/basic/be/x", mint(), headers=headers,
                               h2=wire))


def test_websocket_by_basic_from_elsewhere(server):
    """RFC 6455 section 10.2: any page may open one."""
    headers = {**basic(mint()), "Upgrade": "websocket", "Connection": "Upgrade"}
    refused(server.get("/basic", headers={**headers, **FOREIGN[1]}), 403, None,
            "cross_site")
    granted(server.get("/basic", headers={**headers, **OWN[2]}))
