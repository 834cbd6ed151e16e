# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Browsers: what one child has done counts in every other one at once."""
import threading

import pytest

from support.browsing import (backchannel, callback, op, session_cookie,  # noqa: F401
                              signed_in, site, store)
from support.httpd import wait_until
from support.op import Browser

pytestmark = pytest.mark.allow_log("AB0763")


#: Who answered.
LOG = 'CustomLog "@ROOT@/logs/children.log" "%P"\n'


def children_log(server):
    with open(server.path("logs/children.log")) as file:
        return file.read().split()


def answers_of_all(server, browser, status):
    """Asks, several at once, until each child has answered; each time that."""
    begin = len(children_log(server))
    bad = []

    def one():
        res = browser.clone().navigate("/app/x")
        if res.status != status:
            bad.append(res)

    def all_have():
        threads = [threading.Thread(target=one) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not bad, bad
        seen = {int(pid) for pid in children_log(server)[begin:]}
        return len(seen) >= 2 and seen >= set(server.children())
    wait_until(all_have, 20, "an answer of each child")


@pytest.mark.parametrize("by", ["sid", "sub"])
def test_the_issuer_ends_it_in_every_child(site, op, by):
    server = site(end=LOG, children=3)
    browser = Browser(server)
    signed_in(browser)
    answers_of_all(server, browser, 200)    # each child has had the session
    over = {"sub": {"sid": None, "sub": "alice"}, "sid": {}}[by]
    assert backchannel(server, op.logout_token(**over)).status == 200
    answers_of_all(server, browser, 302)


def test_the_person_ends_it_in_every_child(site, op, store):
    server = site("AuthBearerSessionStore " + store, end=LOG, children=3)
    browser = Browser(server)
    signed_in(browser)
    kept = browser.clone()
    answers_of_all(server, kept, 200)
    assert browser.sign_out().status == 200
    answers_of_all(server, kept, 302)


def test_a_refresh_counts_in_every_child(site, op, store):
    """The token that was rotated away is never sent again."""
    op.refresh, op.expires_in = True, 5     # within the 30 s: due at once
    server = site("AuthBearerSessionStore " + store, end=LOG, children=3)
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.expires_in = 3600
    asked = op.count("token")
    answers_of_all(server, browser, 200)    # all with the cookie of the login
    assert op.count("token") == asked + 1
    assert session_cookie(browser)
