# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Front-channel logout: a frame in the issuer's page ends the session that iss and sid
name, and nothing else."""
import urllib.parse

import pytest

from support import node
from support.browsing import (SECRETS, callback, conf, op, redis, signed_in,  # noqa: F401
                              site)
from support.expect import refused
from support.httpd import wait_until
from support.op import Browser
from test_status_counts import STATUS

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")

PATH = "/.auth/frontchannel-logout"


@pytest.fixture(params=["shm", "redis"])
def where(request):
    """Lines for the place of the sessions."""
    return "" if request.param == "shm" else request.getfixturevalue("redis").conf


def query(iss, sid, **more):
    return "?" + urllib.parse.urlencode({"iss": iss, "sid": sid, **more})


def frame(server, asked, frames="'none'"):
    """What the browser gets in the frame, without a cookie."""
    res = server.get(PATH + asked, headers={"Sec-Fetch-Site": "cross-site",
                                            "Sec-Fetch-Dest": "iframe"})
    assert res.status == 200 and not res.body, res
    assert res.get("Cache-Control") == "no-store"
    assert res.get("Content-Security-Policy") == \
        "default-src 'none'; frame-ancestors " + frames
    assert not res.get("X-Frame-Options") and not res.all("Set-Cookie")
    return res


def origin(url):
    return "%s://%s" % urllib.parse.urlsplit(url)[:2]


def ended(server):
    counts = server.get("/bearer-status?format=json").json()["counts"]
    return counts["sessions_ended"]["issuer"]


def test_it_ends_one_session(where, site, op):  # noqa: F811
    """In every child, with its access token; the same again does nothing."""
    server = site(where, end=STATUS, children=2)
    one, other = Browser(server), Browser(server)
    used = op.access_token()
    op.give(used)
    signed_in(one)
    assert server.get("/app/x", used).status == 200
    sid, op.sid = op.sid, "another"
    op.give(op.access_token())
    signed_in(other)
    for _ in range(2):
        frame(server, query(op.url, sid, state="x"), origin(op.url))
        assert ended(server) == 1
        for _ in range(4):
            assert one.clone().navigate("/app/x").status == 302
            refused(server.get("/app/x", used), 401, "invalid_token", check="revoked")
    assert other.navigate("/app/x").status == 200
    assert server.log_says("AB0331")
    op.sid = sid
    signed_in(one)  # a new login counts, although the sid is the same


def test_a_refreshed_session(where, site, op):  # noqa: F811
    """Its sid is that of the login."""
    server = site(where)
    op.refresh, op.expires_in = True, 5
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.expires_in, op.id_token = 3600, {"sid": None}
    assert browser.navigate("/app/x").status == 200
    frame(server, query(op.url, op.sid), origin(op.url))
    assert browser.navigate("/app/x").status == 302


def test_what_ends_nothing(where, site, op):  # noqa: F811
    """Both are needed, once, and of this issuer. Nothing is kept of others."""
    server = site(where, inside="AuthBearerIssuerAlias https://alias.test/", end=STATUS)
    browser = Browser(server)
    signed_in(browser)
    own = origin(op.url)
    for asked, frames in (
            ("", "'none'"), ("?sid=" + op.sid, "'none'"), (query("", op.sid), "'none'"),
            (query(op.url, ""), own), (query(op.url, op.sid + "x"), own),
            (query(op.url, op.sid.upper()), own), (query(op.url, "x" * 5000), "'none'"),
            (query(op.url + "/", op.sid), "'none'"), (query("https://evil.test/", op.sid), "'none'"),
            (query("https://evil.test/;script-src *", op.sid), "'none'"),
            (query(op.url, op.sid) + "&sid=y", "'none'"),
            (query(op.url, op.sid) + "&iss=https://evil.test/", "'none'"),
            ("?iss=%s&sub=alice" % op.url, own), (query(op.url, "alice"), own)):
        frame(server, asked, frames)
        assert browser.navigate("/app/x").status == 200, asked
    assert ended(server) == 0
    assert server.request("POST", PATH + query(op.url, op.sid)).status == 405
    assert browser.navigate("/app/x").status == 200
    frame(server, query("https://alias.test/", op.sid), own)
    assert browser.navigate("/app/x").status == 302


def test_nothing_is_kept_of_others(redis, site, op):  # noqa: F811
    server = site(redis.conf)
    signed_in(Browser(server))
    client = redis.client()
    before = set(client.keys())
    for n in range(20):
        frame(server, query(op.url, "sid-%d" % n), origin(op.url))
    assert set(client.keys()) == before


@pytest.mark.allow_log("AB0431", "AB0332")
def test_a_cache_that_is_away(redis, site, op):  # noqa: F811
    server = site(redis.conf)
    signed_in(Browser(server))
    redis.close()
    frame(server, query(op.url, op.sid), origin(op.url))
    assert server.log_says("AB0332")


def test_sessions_that_cannot_be_found(site, op):  # noqa: F811
    server = site("AuthBearerSessionStore cookie")
    browser = Browser(server)
    signed_in(browser)
    assert browser.get(PATH + query(op.url, op.sid)).status == 404
    assert browser.navigate("/app/x").status == 200


def test_the_address_to_register(checker, op):  # noqa: F811
    for store, said in (("cache", "AB0842"), ("cookie", "AB0763")):
        done = checker(conf(op, "AuthBearerLoginPath /login\nAuthBearerSessionStore " + store,
                            base="https://www.example.com"), files=SECRETS)
        assert done.status == 0 and done.says(said), done
        assert ("https://www.example.com/login/frontchannel-logout"
                in done.output) == (store == "cache")


@node.needs_browser
def test_real_frame(site, op):  # noqa: F811
    """The browser shows the frame in the issuer's page only."""
    node.need()
    server = site()
    html = '<title>out</title><iframe src="%s%s%s"></iframe>'
    for name, sid in (("frame", op.sid), ("strange", "another")):
        op.script(name, headers={"Content-Type": "text/html"},
                  body=html % (server.url, PATH, query(op.url, sid)))
    node.run_browser("frame", base=server.url, issuer=op.url,
                     stranger=op.url.replace("127.0.0.1", "localhost"))
    wait_until(lambda: server.log_says("AB0331"), 5, "the session ended")
