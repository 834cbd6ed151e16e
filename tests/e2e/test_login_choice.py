# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Locations where people of several issuers log in: whose sessions count, and which
issuer a session belongs to."""
import urllib.parse

import pytest

from support.browsing import (SECRETS, backchannel, callback, conf,  # noqa: F401
                              no_session, op, signed_in, site, store)
from support.op import FROM_HERE, Browser, Provider

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0762", "AB0763")
BOTH = """
<AuthBearerIssuer "{second}" second>
</AuthBearerIssuer>
AuthBearerLoginIssuer {op} {second}
AuthBearerUserFormat %u@%i
<Location "/app/main">
    AuthBearerLoginIssuer {op}
</Location>
<Location "/app/second">
    AuthBearerLoginIssuer {second}
</Location>
<Location "/app/gold">
    AuthBearerLogin On acr_values=gold
</Location>
"""


@pytest.fixture
def second(issuers, op):  # noqa: F811
    return Provider(issuers, "second-" + op.name, "es256")


@pytest.fixture
def both(site, op, second):  # noqa: F811
    def start(more="", end="", **kw):
        return site(more, end=BOTH.format(op=op.url, second=second.url) + end, **kw)
    return start


def at(issuer, res):
    """The parameters of a login with this issuer that has begun."""
    assert res.status == 302, res
    url = urllib.parse.urlsplit(res.get("Location"))
    assert url._replace(query="").geturl() == issuer.url + "/authorize", res
    return dict(urllib.parse.parse_qsl(url.query))


# ---- whose sessions count ---------------------------------------------------

@pytest.mark.core
def test_a_location_accepts_sessions_of_its_issuers(both, op, second, wire):  # noqa: F811
    """The session of another issuer of this server begins a login there, not a loop."""
    browser = Browser(both(h2=wire), h2=wire)
    for path, name in (("/app/main/x", "main"), ("/app/second/x", "second"),
                       ("/app/main/x", "main")):
        assert browser.get(path).status == 401, "a script is not sent anywhere"
        signed_in(browser, path, "alice@example.test@" + name)
        assert browser.navigate("/app/x").user == "alice@example.test@" + name
        assert browser.get(path).status == 200
    assert (op.count("token"), second.count("token")) == (2, 1)


def test_a_location_narrows_the_issuers(both, op, second):  # noqa: F811
    """AuthBearerAcceptIssuer, too, says with whom people can log in."""
    server = both(end="""
<Location "/app/narrow">
    AuthBearerAcceptIssuer %s
</Location>
""" % second.url)
    assert at(second, Browser(server).navigate("/app/narrow/x"))


# ---- the issuer of a session -------------------------------------------------

def test_a_session_belongs_to_its_issuer(both, op, second, store):  # noqa: F811
    """A stronger login, a refresh and the logout are asked of the issuer that the person
    logged in with; the other one gets no request."""
    second.offer(end_session_endpoint="end", revocation_endpoint="revoke")
    second.refresh, second.expires_in = True, 5
    second.id_token["acr"] = "gold"
    browser = Browser(both("AuthBearerSessionStore " + store))
    signed_in(browser, "/app/second/x", "alice@example.test@second")
    del second.id_token["acr"]
    assert browser.get("/app/env").env["BEARER_ISSUER"] == second.url
    signed_in(browser, "/app/gold", "alice@example.test@second")
    browser.cookies.clear()
    signed_in(browser, "/app/second/x", "alice@example.test@second")
    asked = at(second, browser.navigate("/app/gold"))
    assert asked["acr_values"] == "gold"
    res = browser.go("/.auth/logout", headers=FROM_HERE)
    assert "signed out" in res.text
    assert second.ended["id_token_hint"]
    assert [r.form["grant_type"] for r in second.requests if r.kind == "token"].count(
        "refresh_token") >= 2
    assert op.count("authorize") == op.count("token") == 0


def test_a_logout_of_one_issuer(both, op, second):  # noqa: F811
    """The same sid and sub of another issuer is another session."""
    server = both()
    second.sid = op.sid
    one, other = Browser(server), Browser(server)
    signed_in(one, "/app/main/x", "alice@example.test@main")
    signed_in(other, "/app/second/x", "alice@example.test@second")
    assert backchannel(server, second.logout_token(iss=op.url)).status == 400
    assert backchannel(server, op.logout_token()).status == 200
    assert one.navigate("/app/main/x").status == 302
    assert other.navigate("/app/second/x").status == 200
    assert backchannel(server, second.logout_token(sid=None, sub="alice")).status == 200
    assert other.navigate("/app/second/x").status == 302


def test_one_of_them_has_tenants(site, op, second):  # noqa: F811
    """People of an admitted tenant get in, others do not."""
    second.metadata["issuer"] = second.url + "/{tenantid}"
    template = second.url + "/{tenant}"
    server = site(end="""
<AuthBearerIssuer "%s" many>
    AuthBearerTenants t-1
    AuthBearerMetadata %s/.well-known/openid-configuration
    AuthBearerKeys %s
</AuthBearerIssuer>
AuthBearerUserFormat %%u@%%i@%%t
AuthBearerLoginIssuer %s %s
<Location "/app/many">
    AuthBearerLoginIssuer %s
</Location>
""" % (template, second.url, second.jwks_url, op.url, template, template))
    browser = Browser(server)
    second.id_token["iss"] = second.url + "/t-1"
    signed_in(browser, "/app/many/x", "alice@example.test@many@t-1")
    assert second.asked["redirect_uri"] == server.url + "/.auth/callback/many"
    assert browser.navigate("/app/x").status == 200
    second.id_token["iss"] = second.url + "/t-2"
    other = Browser(server)
    no_session(other, other.go("/app/many/x"), 401, "tenant")


# ---- responses ----------------------------------------------------------------

def test_iss_is_given_twice(both, op, second):  # noqa: F811
    browser = Browser(both())
    second.response = {"iss": second.url}
    path = callback(browser, second, "/app/second/x")
    for extra in (second.url, op.url):
        again = browser.clone()
        res = again.navigate(path + "&iss=" + urllib.parse.quote(extra, safe=""))
        no_session(again, res, 400, "login_response")
    assert second.count("token") == 0


# ---- configtest -----------------------------------------------------------------

@pytest.mark.parametrize("line,number", [
    ("AuthBearerLoginIssuer {op} {second}", None),
    ("AuthBearerLoginIssuer {op} {second} {op}", None),
    ("AuthBearerLoginIssuer {op} https://other.test/", "AB0705"),
    ("AuthBearerLoginIssuer {op}\n<Location /app>\nAuthBearerLoginIssuer {op}\n"
     "AuthBearerLoginIssuer {second}\n</Location>", "AB0811"),
    ("AuthBearerLoginIssuer {op}\n<Location /app>\nAuthType Bearer\n"
     "AuthBearerLogin On\nAuthBearerAcceptIssuer {second}\n</Location>", "AB0705"),
    ("", "AB0705")])
def test_configtest(checker, op, second, line, number):  # noqa: F811
    done = checker(conf(op, end="""
<AuthBearerIssuer "%s" second>
</AuthBearerIssuer>
AuthBearerUserFormat %%u@%%i
%s
""" % (second.url, line.format(op=op.url, second=second.url))), files=SECRETS)
    assert done.status == (1 if number else 0), done
    assert done.says(number) if number else done.says(
        "AB0762", "2 issuers", second.url, "/.auth/callback/second"), done
