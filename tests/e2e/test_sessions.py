# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Sessions: where they count, and what a refresh, a logout and a change of the
configuration make of one."""
import threading
import time

import pytest

from support.browsing import (SECRETS, backchannel, callback, conf,  # noqa: F401
                              no_session, op, redis, session_cookie,
                              signed_in, site, store)
from support.expect import anonymous, granted, location
from support.httpd import wait_until
from support.issuer import headers_of
from support.op import Browser

pytestmark = pytest.mark.allow_log("AB0763")


# -- where they count ------------------------------------------------------------

@pytest.mark.core
def test_only_where_they_are_on(site, op, store, wire):
    """The cookie is for the whole host, and no credential where AuthBearerSession is
    not On: there it opens nothing, and tells nobody who comes."""
    server = site("AuthBearerSessionStore " + store, h2=wire, end=location("/api")
                  + location("/open", "AuthBearerOptional On", "all granted")
                  + '<Location "/app/off">\nAuthBearerSession Off\n'
                    "AuthBearerLogin Off\n</Location>\n")
    browser = Browser(server, h2=wire)
    signed_in(browser)
    for path in ("/api/x", "/app/off/x"):
        anonymous(browser.get(path))
        granted(browser.get(path, {"Authorization": "Bearer " + op.mint(
            aud="api://test", sub="bob")}), "bob")
    env = browser.get("/open/env").env
    assert env["BEARER_METHOD"] == "anonymous" and not env.get("REMOTE_USER")
    signed_in(browser)


@pytest.mark.core
def test_a_token_beside_it_is_passed_on_by_nobody(site, op, store):
    """It was not looked at: the application would take it for one that was."""
    server = site("AuthBearerSessionStore " + store, end="""
SetEnvIf X-Via "(.+)" TOK=$1
<Location "/app/places">
    AuthBearerTokenFrom header env:TOK
    AuthBearerForward identity token
</Location>
""")
    browser = Browser(server)
    signed_in(browser)
    token = op.mint(aud="api://test", sub="bob")
    for face in ("env", "cgi"):
        env = granted(server.get("/app/places/" + face, headers={"X-Via": token}),
                      None).env
        assert env["REMOTE_USER"] == "bob" and env["TOK"] == token
        env = browser.get("/app/places/" + face, {"X-Via": token}).env
        assert env["REMOTE_USER"] == "alice@example.test" and "TOK" not in env


# -- refreshing ------------------------------------------------------------------

def due(op, browser, seconds=5):
    """A session whose access token is to be refreshed by the next request."""
    op.refresh, op.expires_in = True, seconds
    res = browser.navigate(callback(browser, op))
    assert res.status == 303, res
    op.expires_in = 3600
    return browser


@pytest.mark.core
@pytest.mark.allow_log("AB0316")
@pytest.mark.parametrize("claims", [
    {"sub": "bob"}, {"iss": "https://evil.example/"}, {"aud": "other"},
    {"azp": "other"}, {"exp": 1000}, {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}],
    ids=lambda claims: "".join(claims))
def test_refreshed_by_an_id_token_that_is_not_this_ones(site, op, claims):
    """Nothing of that answer is taken, neither who it is nor its tokens."""
    server = site(end='<Location "/app/token">\nAuthBearerForward identity token\n'
                      "</Location>\n")
    browser = due(op, Browser(server))
    before = op.count("token")
    op.id_token = {"name": "Mallory", **claims}
    op.tokens = {"access_token": "at_" + "stolen" * 5}
    if "at_hash" not in claims:
        op.id_token["at_hash"] = None
    seen = headers_of(browser.get("/app/token/be/1"))
    assert op.count("token") == before + 1
    assert seen["x-forwarded-user"] == ["alice@example.test"]
    assert "stolen" not in seen["authorization"][0]
    env = browser.get("/app/env").env
    assert env["BEARER_CLAIM_sub"] == "alice"
    assert env["BEARER_CLAIM_name"] == "Alice"
    assert op.count("token") == before + 1, "not again within the next seconds"


class Held:
    """Requests for new tokens, which the provider leaves without an answer until
    release(). ask() starts a request that is waited for by join()."""

    def __init__(self, op):
        self.op, self.hold, self.results = op, threading.Event(), []
        self.threads, self.issue = [], op._token
        self.asked = op.count("token")
        op._token = self._token

    def _token(self, request):
        self.hold.wait(20)
        return self.issue(request)

    def ask(self, what):
        thread = threading.Thread(
            target=lambda: self.results.append(what()), daemon=True)
        thread.start()
        self.threads.append(thread)

    def under_way(self):
        wait_until(lambda: self.op.count("token") == self.asked + 1, 10,
                   "the issuer is asked")

    def release(self):
        self.hold.set()
        for thread in self.threads:
            thread.join(60)
        self.op._token = self.issue
        return self.results


@pytest.mark.core
@pytest.mark.parametrize("where,by", [
    ("cache", "person"), ("cookie", "person"), ("cache", "issuer")])
def test_a_logout_during_a_refresh(site, op, where, by):
    """It ended: the answer that arrives afterwards does not bring it back, neither
    for the request that asked nor for a later one."""
    server = site("AuthBearerSessionStore " + where, children=2)
    browser = due(op, Browser(server))
    copy = browser.clone()
    held = Held(op)
    held.ask(lambda: copy.navigate("/app/x"))
    held.under_way()
    if by == "person":
        # still good: nobody waits for the refresh of another
        res = browser.sign_out()
        assert res.status == 200 and "signed out" in res.text, res
    else:
        assert backchannel(server, op.logout_token()).status == 200
    (res,) = held.release()
    assert res.status == 302, res
    assert copy.clone().navigate("/app/x").status == 302
    assert browser.navigate("/app/x").status == 302


@pytest.mark.core
def test_those_who_wait_for_a_refresh(site, op, store):
    """The token has expired: who comes meanwhile waits, and gets what was got."""
    server = site("AuthBearerSessionStore " + store, children=3)
    browser = due(op, Browser(server), 0.5)  # in whole seconds that is at once
    op.user["name"] = "Alice the Second"
    held = Held(op)
    held.ask(lambda: browser.clone().get("/app/env"))
    held.under_way()
    for _ in range(3):
        held.ask(lambda: browser.clone().get("/app/env"))
    time.sleep(0.2)   # who comes later finds the same
    results = held.release()
    assert [res.status for res in results] == [200] * 4
    assert {res.env["BEARER_CLAIM_name"] for res in results} == {
        "Alice the Second"}
    assert op.count("token") == held.asked + 1


@pytest.mark.core
def test_a_logout_while_others_wait_for_the_refresh(site, op):
    """The issuer is not asked for them: there is nothing to refresh any more."""
    server = site(children=4)
    browser = due(op, Browser(server), 0.5)
    copy, held = browser.clone(), Held(op)
    for _ in range(3):
        held.ask(lambda: copy.clone().navigate("/app/x"))
        held.under_way()
    time.sleep(0.2)   # who comes later finds the same
    assert browser.sign_out().status == 200
    assert [res.status for res in held.release()] == [302] * 3
    assert op.count("token") == held.asked + 1


# -- an issuer that is no longer declared --------------------------------------------

@pytest.mark.core
@pytest.mark.allow_log("AB0316", "AB0054")
def test_an_issuer_that_is_no_longer_declared(site, op, store):
    """Its sessions open nothing, its logins are not completed, and who signs out is
    signed out all the same."""
    op.offer(end_session_endpoint="end", revocation_endpoint="revoke")
    server = site("AuthBearerSessionStore " + store, end="""
<Location "/app/named">
    AuthBearerAcceptIssuer %s
    AuthBearerLoginIssuer %s
</Location>
""" % (op.url, op.url))
    people = [due(op, Browser(server), seconds) for seconds in (3600, 5)]
    late = Browser(server)
    back = callback(late, op)
    with open(server.path("httpd.conf")) as f:
        text = f.read()
    server.write("httpd.conf", text.replace(
        op.url, "https://older.example.test/"))
    server.graceful()
    asked = op.count()
    copies = [browser.clone() for browser in people]
    for browser in people:
        anonymous(browser.clone().get("/app/x"))
        anonymous(browser.clone().get("/app/named/x"))
    no_session(late, late.navigate(back), 400, "login_state")
    for browser in people:
        res = browser.sign_out()
        assert res.status == 200 and "signed out" in res.text, res
        assert browser.trail == [server.url + "/.auth/logout"]
    assert op.count() == asked
    # declared again: what was ended meanwhile stays ended
    server.write("httpd.conf", text)
    server.graceful()
    assert [b.navigate("/app/x").status for b in copies] == [302, 302]


# -- a logout token ------------------------------------------------------------------

@pytest.mark.core
def test_a_logout_token_is_remembered_for_a_time(site, op, redis):
    """As long as it could be used again: until it is ten minutes old, or its exp, and
    the clocks may differ. Its exp may be of any year or missing, and memory is not the
    issuer's to fill."""
    server = site(redis.conf
                  + "AuthBearerSessionLifetime max=100s idle=50s\n"
                  "AuthBearerClockSkew 10s")
    client = redis.client()
    for seconds, wanted in ((4 * 10 ** 8, 620), (None, 620), (30, 50)):
        client.flushdb()
        token = op.logout_token(exp=seconds and int(time.time()) + seconds,
                                sid="another", sub=None)
        assert backchannel(server, token).status == 200
        assert backchannel(server, token).status == 400
        # the mark of the logout, as long as a session lasts, and the jti
        lives = [client.ttl(key) for key in client.keys()]
        assert len(lives) == 2 and max(lives) <= max(wanted, 100), lives
        assert [n for n in lives if wanted - 20 < n <= wanted], lives
