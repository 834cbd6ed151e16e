# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Logins, sessions, refreshes, session checks and cache errors are counted: each in JSON,
as a metric and on the page."""
import re
import time

import pytest

from support.backends import OwnRedis
from support.browsing import (SECRETS, backchannel, callback, op, redis,  # noqa: F401
                              signed_in, site, store)
from support.expect import location
from support.httpd import wait_until
from support.op import Browser
from support.service import SessionService

pytestmark = pytest.mark.allow_log("AB0763", "AB0054", "AB0316", "AB0724", "AB0735",
                                   "AB0431 AuthBearerSOCache", "AB0433 AuthBearerSOCache")

STATUS = """
<Location "/bearer-status">
    SetHandler bearer-status
    Require all granted
</Location>
"""
LABELS = {"logins": "result", "sessions_begun": "store", "sessions_ended": "reason",
          "session_refreshes": "result", "session_checks": "result",
          "cache_errors": "cache"}


def counts(server):
    """{(group, value): number} of what was counted; the three formats agree."""
    groups = server.get("/bearer-status?format=json").json()["counts"]
    assert set(groups) == set(LABELS)
    text = server.get("/bearer-status?format=prometheus").text
    page = server.get("/bearer-status").text
    shown = page.partition('<table id="counts">')[2].partition("</table>")[0]
    for group, values in groups.items():
        for value, number in values.items():
            assert 'auth_bearer_%s_total{%s="%s"} %d\n' % (
                group, LABELS[group], value, number) in text
            assert not number or re.search(r"\b%s %d\b" % (value, number), shown), shown
    return {(group, value): number for group, values in groups.items()
            for value, number in values.items() if number}


def test_logins_and_ends(site, op, store):  # noqa: F811
    server = site("AuthBearerSessionStore " + store, end=STATUS)
    assert counts(server) == {}
    browser = Browser(server)
    signed_in(browser)
    expected = {("logins", "ok"): 1, ("sessions_begun", store): 1}
    assert counts(server) == expected
    assert browser.sign_out().status == 200
    expected["sessions_ended", "logout"] = 1
    assert counts(server) == expected
    browser = Browser(server)
    back = callback(browser, op)
    assert Browser(server).navigate(back).status == 400
    expected["logins", "stale"] = 1
    assert counts(server) == expected
    op.id_token = {"aud": "other"}
    assert browser.navigate(back).status >= 400
    expected["logins", "refused"] = 1
    assert counts(server) == expected
    server.graceful()
    assert counts(server) == expected, "kept by a graceful restart"


def test_an_issuer_without_answer(site, op):  # noqa: F811
    server = site(end=STATUS)
    browser = Browser(server)
    back = callback(browser, op)
    op.script("token", status=500)
    assert browser.navigate(back).status == 503
    assert counts(server) == {("logins", "unavailable"): 1}


def test_a_login_ends_the_session_before(site, op):  # noqa: F811
    server = site(end=STATUS)
    browser = Browser(server)
    signed_in(browser)
    op.id_token = {"sub": "somebody-else"}
    op.user["sub"] = "somebody-else"
    assert browser.navigate(callback(browser, op, "/.auth/login?prompt=login")).status == 303
    assert counts(server) == {("logins", "ok"): 2, ("sessions_begun", "cache"): 2,
                              ("sessions_ended", "login"): 1}


def test_an_issuer_ends_sessions(site, op):  # noqa: F811
    server = site(end=STATUS)
    for _ in range(2):
        signed_in(Browser(server))
    assert backchannel(server, op.logout_token()).status == 200
    assert counts(server)["sessions_ended", "issuer"] == 2


def test_expired(site, op):  # noqa: F811
    server = site("AuthBearerSessionLifetime max=60s idle=2s", end=STATUS)
    browser = Browser(server)
    signed_in(browser)
    time.sleep(2.1)
    assert browser.navigate("/app/x").status == 302
    assert counts(server)["sessions_ended", "expired"] == 1


@pytest.mark.parametrize("result,ended", [("ok", 0), ("refused", 1), ("failed", 0)])
def test_refreshes(site, op, result, ended):  # noqa: F811
    server = site(end=STATUS)
    browser = Browser(server)
    op.refresh, op.expires_in = True, 5
    assert browser.navigate(callback(browser, op)).status == 303
    op.expires_in = 3600
    if result == "refused":
        op.refresh_tokens.clear()
    elif result == "failed":
        op.script("token", status=500)
    browser.navigate("/app/x")
    now = counts(server)
    assert now["session_refreshes", result] == 1
    assert now.get(("sessions_ended", "refresh"), 0) == ended


def test_session_checks(one_server):
    service = SessionService()
    server = one_server(location(
        "/a", "AuthBearerThrottle off\nAuthBearerProvider session\n"
        "AuthBearerSessionCheck %s/whoami" % service.url, audience=None) + STATUS)
    service.known["ory_st_known"] = {"sub": "alice"}
    assert server.get("/a", "ory_st_known").status == 200
    assert server.get("/a", "ory_st_unknown").status == 401
    service.close()
    assert server.get("/a", "ory_st_other").status == 503
    assert counts(server) == {("session_checks", "ok"): 1, ("session_checks", "refused"): 1,
                              ("session_checks", "failed"): 1}


def test_cache_errors(site, op, redis):  # noqa: F811
    server = site(redis.conf, end=STATUS)
    browser = Browser(server)
    signed_in(browser)
    assert ("cache_errors", "sessions") not in counts(server)
    redis.stop()
    wait_until(lambda: browser.navigate("/app/x").status == 503, what="503")
    assert counts(server)["cache_errors", "sessions"] >= 1


def test_cache_errors_of_keys_and_introspection(one_server, op):  # noqa: F811
    cache = OwnRedis(words=["for=keys,introspection"])
    try:
        server = one_server("""
%s
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerUserFormat "%%u@%%i"
<AuthBearerIssuer "%s" op>
    AuthBearerKeys %s
    AuthBearerIntrospection %s
    AuthBearerTokenPrefix a_
    AuthBearerClientAuth none
</AuthBearerIssuer>
""" % (cache.conf, op.url, op.jwks_url, op.introspect_url) + location("/a") + STATUS,
            files=SECRETS, start=False)
        cache.stop()
        server.start()
        op.active["a_1"] = {"active": True, "sub": "alice", "aud": "api://test",
                            "client_id": "c"}
        assert server.get("/a", "a_1").status == 200
        assert server.get("/a", op.access_token(aud="api://test")).status == 200
        wait_until(lambda: {c for g, c in counts(server) if g == "cache_errors"}
                   == {"keys", "introspection"}, what="both are counted")
    finally:
        cache.close()
