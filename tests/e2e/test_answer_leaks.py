# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The code and the state that an issuer's answer brings are in the URL: no log, no
page of mod_status, no error document and no later Referer has them."""
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from support.browsing import (SECRETS, callback, conf, op,  # noqa: F401
                              signed_in)
from support.httpd import wait_until
from support.issuer import headers_of
from support.op import NAVIGATE, Browser

pytestmark = pytest.mark.core

LOG = ('CustomLog "@ROOT@/logs/all.log" "%r|%q|%U|%{Referer}i|%{QUERY_STRING}e|'
       '%{REDIRECT_QUERY_STRING}e|%{REQUEST_URI}e|%{HTTP_REFERER}e"\n')
STATUS = """
ExtendedStatus On
<Location "/server-status">
    SetHandler server-status
    Require all granted
</Location>
"""
PATHS = {"default": ("", "/.auth"), "own": ("AuthBearerLoginPath /sign/in\n",
                                            "/sign/in")}


@pytest.fixture(params=sorted(PATHS))
def place(request):
    return PATHS[request.param]


@pytest.fixture
def start(one_server, op, backend, place):
    def make(more="", **kw):
        return one_server(conf(op, LOG + place[0] + more), files=SECRETS,
                          backend=backend, h2=True, **kw)
    return make


def secrets_of(back):
    query = parse_qs(urlsplit(back).query)
    return query["code"][0], query["state"][0]


def everything(server):
    text = server.access_log() + server.error_log()
    with open(server.path("logs/all.log"), errors="surrogateescape") as f:
        return text + f.read()


def silent(server, *values):
    """httpd writes the line of a request after its answer: what was asked last
    comes last."""
    server.get("/marker")
    wait_until(lambda: "/marker" in server.access_log(), what="the marker")
    text = everything(server)
    for value in values:
        assert value not in text, text[text.index(value) - 200:][:400]


def arrived(server, browser, op, path="/app/x"):
    """Just before the answer is brought: its URL, code and state."""
    back = callback(browser, op, path)
    return back, secrets_of(back)


def test_a_login(start, op, wire, place):
    server = start()
    browser = Browser(server, h2=wire)
    back, values = arrived(server, browser, op)
    assert back.startswith(place[1] + "/callback?")
    res = browser.navigate(back, {**NAVIGATE, "Referer": op.url + "/?state=%s"
                                  % values[1]})
    assert res.status == 303 and browser.go("/app/x").status == 200
    wait_until(lambda: "/callback?" in everything(server), what="the log line")
    assert "code=***" in everything(server)
    silent(server, *values)


def test_an_answer_that_fails(start, op, wire):
    """The page says so; and so does an ErrorDocument, which sees no more."""
    server = start("ErrorDocument 400 /errors/cgi\n")
    browser = Browser(server, h2=wire)
    back, values = arrived(server, browser, op)
    browser.cookies.clear()
    res = browser.navigate(back)
    assert res.status == 400 and res.env["REDIRECT_STATUS"] == "400", res
    assert "***" in res.env["REDIRECT_QUERY_STRING"]
    for value in values:
        assert value not in res.text, res.text
    assert res.get("Referrer-Policy") == "no-referrer"
    silent(server, *values)


@pytest.mark.parametrize("how", ["POST", "HEAD", "spelled", "below", "error"])
def test_other_requests_with_an_answer(start, op, wire, how, place):
    server = start()
    browser = Browser(server, h2=wire)
    back, values = arrived(server, browser, op)
    method = how if how in ("POST", "HEAD") else "GET"
    if how == "spelled":
        back = back.replace("callback", "%63all%62ack")
    elif how == "below":
        back = back.replace("callback", "callback/of-somebody")
    elif how == "error":
        back = back.replace("code=", "error=access_denied&code=")
    res = server.request(method, back, h2=wire)
    assert res.status in (200, 400, 404, 405), res  # 200: nobody is asked
    silent(server, *values)


@pytest.mark.allow_log("AH00565")
def test_requests_that_httpd_refuses(start, op, mpm):
    server = start()
    back, values = arrived(server, Browser(server), op)
    for line, status in (("GET http://server.test%s HTTP/1.1" % back, 400),
                         ("GET %s&%s HTTP/1.1" % (back, "x" * 9000), 414),
                         ("GET %s HTTP/1.1\r\nHost: a b" % back, 400)):
        res = server.raw(("%s\r\nHost: server.test\r\nConnection: close\r\n\r\n"
                          % line).encode())
        assert res.status == status, res
    silent(server, *values)


def test_no_later_referer(start, op, wire):
    """Nor does the application get it."""
    server = start()
    browser = Browser(server, h2=wire)
    back, values = arrived(server, browser, op)
    assert browser.navigate(back).status == 303
    for path in ("/ok", "/app/be/x", "/be/x", "/app/cgi"):
        res = browser.get(path, {"Referer": server.url + back})
        assert res.status == 200
        for value in values:
            assert value not in res.text
        if path.endswith("/be/x"):
            assert "code=***" in headers_of(res)["referer"][0]
    other = server.url + "/elsewhere?code=1234567&state=7654321"
    seen = headers_of(browser.get("/app/be/x", {"Referer": other}))
    assert seen["referer"] == [other]
    silent(server, *values)


def test_server_status(start, op, mpm):
    """The scoreboard had its copy before anybody looked at it; the issuer takes
    its time."""
    hold = threading.Event()
    server = start(STATUS, modules=["status"], children=2)
    browser = Browser(server)
    back, values = arrived(server, browser, op)
    op.script("token", hold=hold)
    thread = threading.Thread(target=browser.navigate, args=(back,))
    thread.start()
    try:
        wait_until(lambda: "/callback?" in server.get("/server-status").text, 5,
                   "the request in the status")
        text = server.get("/server-status").text
        assert "code=***" in text
        assert values[0][:8] not in text and values[1][:8] not in text
    finally:
        hold.set()
        thread.join()
