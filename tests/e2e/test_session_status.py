# Licensed under the Apache License, Version 2.0; see LICENSE.
"""PATH/session: what a script of this origin learns of the session, and nobody else."""
import pytest

from support.browsing import callback, op, redis, signed_in, site, store  # noqa: F401
from support.expect import section
from support.httpd import wait_until
from support.op import Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")

PATH = "/.auth/session"
SCRIPT = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Accept": "*/*"}


def ask(browser, query="", headers=SCRIPT, **kw):
    return browser.send("GET", PATH + query, headers, **kw)


def refused(res, status):
    """JSON whatever the script accepts, kept by no cache."""
    assert res.status == status, res
    assert res.get("Content-Type") == "application/json" and res.json()["error"]
    assert res.get("Cache-Control") == "no-store"
    return res


def test_what_a_script_learns(site, op, store):  # noqa: F811
    """Claims as they are, those that the section of this very path names."""
    op.user.update(roles=["a", "b"], level=3, nested={"x": [True]})
    op.give(op.access_token())
    server = site("AuthBearerSessionStore " + store, end=section(
        PATH, "AuthBearerExport env claims=name,roles,level,nested,absent,access_token,id_token")
        + section("/", "AuthBearerExport claims=sub,email"))
    browser = Browser(server)
    assert "realm" in refused(ask(browser), 401).challenge
    signed_in(browser)
    res = ask(browser)
    said = res.json()
    assert res.status == 200 and res.get("Cache-Control") == "no-store"
    assert res.get("Content-Type") == "application/json"
    assert res.get("Cross-Origin-Resource-Policy") == "same-origin"
    assert not res.get("Access-Control-Allow-Origin")
    assert 1790 < said.pop("idle_ends_in") <= 1800 and 28790 < said.pop("ends_in") <= 28800
    assert said == {"user": "alice@example.test", "claims": {
        "name": "Alice", "roles": ["a", "b"], "level": 3, "nested": {"x": [True]}}}
    res = browser.send("HEAD", PATH, SCRIPT)
    assert res.status == 200 and not res.body
    assert browser.send("POST", PATH, SCRIPT).status == 405
    browser.sign_out()
    refused(ask(browser), 401)


@pytest.mark.parametrize("sections", [
    "", section("/", "AuthBearerExport claims=name"),
    section("/.auth", "AuthBearerExport claims=name"),
    '<LocationMatch "/.auth/session">\nAuthBearerExport claims=name\n</LocationMatch>\n',
    section(PATH, "AuthBearerExport both"), section(PATH, "AuthBearerExport claims=*")],
    ids=["none", "root", "path", "pattern", "mode", "all"])
def test_claims_that_nobody_named_here(site, op, sections):  # noqa: F811
    browser = Browser(site(end=sections))
    signed_in(browser)
    assert ask(browser).json()["claims"] == {}


def test_who_may_ask(site, op):  # noqa: F811
    """Not a sibling, another site, a foreign page that was opened, or a typed address."""
    server = site()
    browser = Browser(server)
    signed_in(browser)
    own = {"Origin": server.url}
    for value in ("cross-site", "same-site", "none", "", "same-origin, none"):
        for more in ({}, own):
            refused(ask(browser, headers={"Sec-Fetch-Site": value, **more}), 403)
    for origin in ("http://evil.test", "null", server.url + "0", "https" + server.url[4:]):
        res = refused(ask(browser, headers={"Origin": origin}), 403)
        assert res.check == "cross_site"
        assert not res.get("Access-Control-Allow-Origin")
    for headers in ({}, own, {**SCRIPT, "Origin": "null"}, {"Sec-Fetch-Site": "Same-Origin"}):
        assert ask(browser, headers=headers).status == 200


def test_to_look_does_not_prolong(site, op, store):  # noqa: F811
    server = site("AuthBearerSessionStore %s\n"
                  "AuthBearerSessionLifetime max=1h idle=16s" % store)
    browser = Browser(server)
    signed_in(browser)

    def left(query):
        return ask(browser, query).json()["idle_ends_in"]

    wait_until(lambda: left("?x=1&extend=off") <= 13, 15, "the session is idle")
    assert left("") >= 15
    assert left("?extend=off") >= 15, "it was kept"


def test_a_session_that_is_to_be_refreshed(site, op, store):  # noqa: F811
    """Who looks asks nobody; who uses it gets what is new."""
    server = site("AuthBearerSessionStore " + store,
                  end=section(PATH, "AuthBearerExport claims=name"))
    op.refresh, op.expires_in = True, 5
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    asked, op.user["name"], op.expires_in = op.count("token"), "Alice the Second", 3600
    assert ask(browser, "?extend=off").json()["claims"] == {"name": "Alice"}
    assert not browser.set and op.count("token") == asked
    assert ask(browser).json()["claims"] == {"name": "Alice the Second"}
    assert op.count("token") == asked + 1
    assert ask(browser, "?extend=off").json()["claims"] == {"name": "Alice the Second"}


def test_a_session_that_the_issuer_no_longer_refreshes(site, op, store):  # noqa: F811
    server = site("AuthBearerSessionStore " + store)
    op.refresh, op.expires_in = True, 5
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.refresh_tokens.clear()
    refused(ask(browser.clone()), 401)
    refused(ask(browser.clone(), "?extend=off"), 401)


def test_a_session_that_counts_elsewhere_only(site, op):  # noqa: F811
    """As at any location: every issuer's by default, else those that it accepts."""
    other = '<AuthBearerIssuer "https://other.test/" other>\n' \
            "AuthBearerKeys https://other.test/jwks\n</AuthBearerIssuer>\n"
    more = other + "AuthBearerLoginIssuer %s\nAuthBearerUserFormat %%u" % op.url
    server = site(more)
    browser = Browser(server)
    signed_in(browser)
    assert ask(browser).status == 200
    server = site(more, end=section(PATH, "AuthBearerAcceptIssuer https://other.test/"))
    browser = Browser(server)
    signed_in(browser)
    refused(ask(browser), 401)


@pytest.mark.allow_log("AB0431")
def test_a_store_that_cannot_be_asked(site, op, redis):  # noqa: F811
    browser = Browser(site(redis.conf))
    signed_in(browser)
    assert ask(browser).status == 200
    redis.close()
    for query in ("", "?extend=off"):
        assert refused(ask(browser, query), 503).get("Retry-After")
    assert browser.cookies
