# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Browser sessions on several hosts: two servers with one name, one secret and
one redis or memcached, and nothing else in common.
"""
import json
import re
import threading

import pytest

from support.backends import Redis
from support.browsing import backchannel
from support.expect import refused
from support.fleet import (BASE, at, cache, host, op, overwrite,  # noqa: F401
                           somebody_else, statuses, stored, visitor)
from support.httpd import wait_until
from support.op import Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0764")

#: What httpd and we may say while the backend is away.
AWAY = pytest.mark.allow_log("AH0347[89]", "AH0079", "AB0316", "AB0421 for=keys:",
                             "AB0421 for=sessions:")


# --- one session, every host ---------------------------------------------------

def test_session_of_another_host(host, op):
    a, b = host(), host()
    browser = visitor(a)
    asked = op.count()
    res = at(browser, b).navigate("/app/be/x")
    assert res.status == 200 and res.user == "alice@example.test", res
    assert statuses(browser, a, b) == {200}
    assert op.count() == asked, "nobody was asked again"


def test_login_from_host_to_host(host):
    """Each step of a login meets another host."""
    a, b = host(), host()
    browser = Browser(a, BASE)
    res = browser.go("/app/x", stop=r"/\.auth/callback")
    browser.server = b
    res = browser.navigate(browser.path_of(res.get("Location")))
    assert res.status == 303 and res.get("Location") == BASE + "/app/x", res
    browser.server = a
    assert statuses(browser, a, b) == {200}


def test_rotated_secret(host):
    """The first seals, all open."""
    a, b = host(), host(names=("newer", "secret"))
    assert statuses(visitor(a), a, b) == {200}
    c = host(names=("secret", "newer"))
    assert statuses(visitor(b), b, c) == {200}


def test_another_secret(host):
    """Nothing in common but the cache: no session, and nothing breaks."""
    a, b = host(), host(names=("newer",))
    browser = visitor(a)
    assert statuses(browser, b) == {302}
    assert statuses(browser, a) == {200}


def test_refreshed_on_one_host(host, op):
    """The other one uses the new tokens; the old refresh token is never
    shown again."""
    op.refresh, op.expires_in = True, 5     # within the 30 s: due at once
    a, b = host(), host()
    browser = Browser(a, BASE)
    res = browser.go("/app/x", stop="/app/x$")
    assert res.status == 303, res
    op.expires_in = 3600
    assert at(browser, a).navigate("/app/be/x").status == 200
    asked = op.count("token")
    shown = set()
    for server in (a, b, a, b):
        seen = at(browser, server).navigate("/app/be/x").json()
        shown.add(dict(seen["headers"])["Authorization"])
    assert len(shown) == 1
    assert op.count("token") == asked


def test_refreshed_on_two_hosts_at_once(host, op):
    """An issuer that rotates takes the refresh token once; the session goes on."""
    op.refresh, op.expires_in = True, 5
    a, b = host(), host()
    browser = Browser(a, BASE)
    res = browser.go("/app/x", stop="/app/x$")
    assert res.status == 303, res
    op.expires_in = 3600
    at_once, one = threading.Barrier(2), threading.Lock()
    issue = op._token

    def token(request):
        at_once.wait(20)        # both have asked before either is answered
        with one:
            return issue(request)
    op._token = token
    asked, results = op.count("token"), []
    threads = [threading.Thread(target=lambda s=server: results.append(
        at(browser, s).navigate("/app/x").status)) for server in (a, b)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [200, 200]
    assert op.count("token") == asked + 2
    op._token = issue
    assert statuses(browser, a, b) == {200}
    assert op.count("token") == asked + 2


# --- the end of a session ------------------------------------------------------

def test_logout_counts_everywhere(host):
    a, b = host(), host()
    browser = visitor(a)
    copy = browser.clone()
    res = browser.sign_out()
    assert res.status == 200, res
    assert "__Host-bearer_session" not in browser.cookies
    assert statuses(copy, a, b) == {302}


@pytest.mark.parametrize("by", ["sid", "sub"])
def test_backchannel_logout_counts_everywhere(host, op, by):
    """With the answer, although the issuer told only one host."""
    a, b = host(), host()
    browsers = [visitor(a), visitor(b)]
    token = op.logout_token(**({"sub": None} if by == "sid" else
                               {"sub": "alice", "sid": None}))
    other = somebody_else(op, a)
    assert backchannel(b, token).status == 200
    for browser in browsers:
        assert statuses(browser, a, b) == {302}
    assert statuses(other, a, b) == {200}
    assert backchannel(a, token).status == 400, "a jti counts once"


def test_lifetime(host):
    more = "AuthBearerSessionLifetime max=2s"
    a, b = host(more), host(more)
    browser = visitor(a)
    wait_until(lambda: statuses(browser, a, n=1) == {302}, 10, "the end")
    assert statuses(browser, a, b) == {302}


# --- who reads or writes the cache ---------------------------------------------

def records(cache):
    """What is kept for sessions: {key: value}."""
    return {key: value for key, value in stored(cache).items()
            if b"sess" in key}


def test_nothing_in_clear(host, op, cache):
    op.refresh = True
    a = host()
    op.user["name"] = "Alice in clear"
    browser = visitor(a)
    found = records(cache)
    assert found
    cookie = browser.cookies["__Host-bearer_session"].encode()
    for key, value in found.items():
        for word in (b"alice", b"Alice", b"sub", op.url.encode(), b"eyJ",
                     b"at_", b"rt_", cookie, cookie[:12]):
            assert word not in value and word not in key, word
        if isinstance(cache, Redis):
            assert 0 < cache.client().ttl(key) <= 8 * 3600 + 60


def _json(value):
    return json.dumps({"sub": "mallory", "email": "mallory@example.test",
                       "email_verified": True}).encode()


FORGERIES = {
    "json": _json,
    "bent": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
    "bent-nonce": lambda value: bytes([value[0] ^ 1]) + value[1:],
    "longer": lambda value: value + b"x",
    "short": lambda value: value[:20],
    "empty": lambda value: b"",
    "huge": lambda value: value * 8,
}


@pytest.mark.parametrize("how", sorted(FORGERIES))
@pytest.mark.allow_log("AH0347[89]", "AH0079")
def test_foreign_records_are_ignored(host, cache, how):
    a, b = host(), host()
    browser = visitor(a)
    overwrite(cache, {key: FORGERIES[how](value)
                      for key, value in records(cache).items()})
    for server in (a, b):
        res = at(browser, server).navigate("/app/x")
        assert res.status in (302, 503) and res.user is None, res
    if how in ("json", "bent", "bent-nonce"):
        assert statuses(browser, a, b) == {302}
    assert statuses(visitor(b), a, b) == {200}


def test_records_cannot_change_places(host, op, cache):
    """A record that we sealed is good for its own session only."""
    a = host()
    alice = visitor(a)
    of_alice = records(cache)
    bob = somebody_else(op, a)
    values = records(cache)
    of_bob = {key: value for key, value in values.items()
              if key not in of_alice}
    assert of_alice and of_bob
    for key in of_alice:
        overwrite(cache, {key: value for value in of_bob.values()})
    res = at(alice, a).navigate("/app/x")
    assert res.status == 302 and res.user is None, res
    assert at(bob, a).navigate("/app/x").user == "bob@example.test"


# --- the cache is down ---------------------------------------------------------

def signed_in_again(*servers):
    """Each child finds out for itself that the cache is back."""
    def works():
        browser = Browser(servers[0], BASE)
        return browser.go("/app/x").status == 200 and \
            statuses(browser, *servers) == {200}
    wait_until(works, 60, "logins and sessions work again")


@AWAY
def test_cache_down(host, op, cache):
    """503, and nobody is sent to the issuer because of it; a login says what
    is wrong; the issuer is told that its logout was not kept."""
    a, b = host(), host()
    browser = visitor(a)
    cache.stop()
    asked = op.count()
    for server in (a, b):
        res = refused(at(browser, server).navigate("/app/x"), 503, None,
                      "unavailable", "session_store")
        assert "text/html" in res.get("Content-Type")
        assert not res.all("Set-Cookie"), "the cookie is still good"
    assert op.count() == asked
    res = Browser(a, BASE).go("/app/x")
    assert res.status == 503, res
    assert not [c for c in res.all("Set-Cookie")
                if re.match(r"__Host-bearer_session=[^;]", c)]
    assert backchannel(b, op.logout_token()).status == 503
    cache.start()                           # and has forgotten everything
    wait_until(lambda: statuses(browser, a, b) == {302}, 30,
               "the cache answers")
    signed_in_again(a, b)


@AWAY
def test_cache_restarts_under_a_session(host, cache):
    """A cache that forgot: the browser signs in again, by itself."""
    a = host()
    browser = visitor(a)
    cache.stop()
    cache.start()
    wait_until(lambda: statuses(browser, a) == {302}, 30, "the cache answers")
    signed_in_again(a)
