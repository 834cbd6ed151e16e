# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A virtual host that logs in with several issuers: each has its own callback, and
none gets a code of another one (RFC 9700 section 4.4)."""
import urllib.parse

import pytest

from support.browsing import (SECRETS, no_session, op, signed_in,  # noqa: F401
                              site)
from support.expect import location
from support.op import FROM_HERE, Browser, Provider

#: configtest says so at start
pytestmark = pytest.mark.allow_log("the redirect URI http")
SECOND = """
<AuthBearerIssuer "%s" second>
</AuthBearerIssuer>
AuthBearerLoginIssuer %s
AuthBearerUserFormat %%u@%%i
<Location "/app/second">
    AuthBearerLoginIssuer %s
</Location>
"""


@pytest.fixture
def second(issuers, op):
    return Provider(issuers, "second-" + op.name, "es256")


@pytest.fixture
def both(site, op, second):
    def start(**kw):
        return site(end=SECOND % (second.url, op.url, second.url), **kw)
    return start


def began(browser, path):
    """A login that has begun: the parameters of its way to the issuer."""
    res = browser.navigate(path)
    assert res.status == 302, res
    return dict(urllib.parse.parse_qsl(
        urllib.parse.urlsplit(res.get("Location")).query))


@pytest.mark.core
def test_each_issuer_has_its_own_callback(both, op, second, wire):
    server = both(h2=wire)
    for path, issuer, name in (("/app/x", op, "main"),
                               ("/app/second/x", second, "second")):
        browser = Browser(server, h2=wire)
        signed_in(browser, path, "alice@example.test@" + name)
        assert issuer.asked["redirect_uri"] == \
            server.url + "/.auth/callback/" + name
        assert browser.navigate(path).status == 200


#: Where a code of the honest issuer may be brought, with the attempt of another.
ELSEWHERE = ["/callback/main", "/callback", "/callback/", "/callback/second/",
             "/callback/Second", "/callback/secon", "/callback/none",
             "/callback/second/x"]


@pytest.mark.core
@pytest.mark.parametrize("at", ELSEWHERE, ids=[p.replace("/", "-")
                                               for p in ELSEWHERE])
@pytest.mark.parametrize("what", ["code", "error"])
def test_an_answer_at_another_callback(both, op, second, at, what, wire):
    """The issuer that the browser was sent to has it come back with a code of the
    other one, to be sent it with the token request."""
    server = both(h2=wire)
    browser = Browser(server, h2=wire)
    asked = began(browser, "/app/second/x")
    assert asked["redirect_uri"].endswith("/.auth/callback/second")
    back = {"code": {"code": "code_of_the_honest_one", "iss": op.url},
            "error": {"error": "access_denied"}}[what]
    res = no_session(browser, browser.navigate("/.auth%s?%s" % (
        at, urllib.parse.urlencode({"state": asked["state"], **back}))), 400,
        "login_response")
    assert res.logged("which answers at .*/.auth/callback/second")
    assert op.count("token") == second.count("token") == 0
    # its cookie has served
    no_session(browser, browser.navigate("/.auth/callback/second?" +
               urllib.parse.urlencode({"state": asked["state"], "code": "x"})),
               400, "login_state")


@pytest.mark.core
@pytest.mark.parametrize("promised,iss,status", [
    (True, None, 400), (True, "second", 303), (True, "other", 400),
    (False, None, 303), (False, "second", 303), (False, "other", 400),
    (False, "", 400)])
def test_iss_of_the_answer(both, op, second, promised, iss, status, wire):
    """RFC 9207: demanded where it is promised, compared wherever it is."""
    if promised:
        second.offer(authorization_response_iss_parameter_supported=True)
    second.response = {"iss": {"second": second.url, "other": op.url}.get(iss, iss)}
    browser = Browser(both(h2=wire), h2=wire)
    res = browser.navigate("/app/second/x")
    res = browser.navigate(browser.path_of(browser.provider(
        res.get("Location")).get("Location")))
    assert res.status == status, res
    if status == 400:
        no_session(browser, res, 400, "login_response")
        assert second.count("token") == 0


def test_pushed_and_refreshed(both, op, second):
    """The URL is the same wherever it is said, or the issuer refuses the code."""
    second.offer(pushed_authorization_request_endpoint="par",
                 end_session_endpoint="end")
    second.refresh, second.expires_in = True, 5
    server = both()
    browser = Browser(server)
    signed_in(browser, "/app/second/x", "alice@example.test@second")
    assert second.last("par").form["redirect_uri"] == \
        server.url + "/.auth/callback/second"
    assert second.last("token").form.get("redirect_uri", "").endswith("/second") \
        or second.count("token") > 1
    res = browser.go("/.auth/logout", headers=FROM_HERE)
    assert "signed out" in res.text
    assert second.ended["post_logout_redirect_uri"] == server.url + "/.auth/logout"


def test_one_login_issuer_keeps_its_callback(site, op, second):
    """Others may be trusted, and may have a client id, without a login there."""
    server = site(end="""
<AuthBearerIssuer "%s">
</AuthBearerIssuer>
AuthBearerUserFormat %%u
AuthBearerLoginIssuer %s
<Location "/app/same">
    AuthBearerLoginIssuer %s
</Location>
""" % (second.url, op.url, op.url))
    signed_in(Browser(server))
    assert op.asked["redirect_uri"] == server.url + "/.auth/callback"
    assert server.get("/.auth/callback/main?code=x&state=" + "A" * 43).status == 404


def vhost(name, op, inside=""):
    return """
<VirtualHost *:@PORT@>
ServerName %s.test
AuthBearerBaseURL http://%s.test
<AuthBearerIssuer "%s" %s>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
%s
%s
</VirtualHost>
""" % (name, name, op.url, name, inside, location(
        "/app", "AuthBearerSession On\nAuthBearerLogin On"))


def test_virtual_hosts_with_one_issuer_each(one_server, op, second):
    server = one_server('AuthBearerSecretFile "@ROOT@/secret"\n'
                        + vhost("a", op) + vhost("b", second), files=SECRETS)
    for name, issuer in (("a", op), ("b", second)):
        res = server.get("/app/x", headers={"Accept": "text/html"},
                         host=name + ".test")
        assert res.status == 302, res
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(
            res.get("Location")).query)
        assert query["redirect_uri"] == ["http://%s.test/.auth/callback" % name]


def test_a_section_of_the_main_server_counts_in_virtual_hosts(one_server, op,
                                                              second):
    server = one_server(
        'AuthBearerSecretFile "@ROOT@/secret"\n'
        '<Location "/app/second">\nAuthBearerLoginIssuer %s\n</Location>\n'
        % second.url + vhost("a", op, """
AuthBearerUserFormat %%u
AuthBearerLoginIssuer %s
<AuthBearerIssuer "%s" second>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
""" % (op.url, second.url)), files=SECRETS)
    for path, name in (("/app/x", "a"), ("/app/second/x", "second")):
        res = server.get(path, headers={"Accept": "text/html"}, host="a.test")
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(
            res.get("Location")).query)
        assert query["redirect_uri"] == ["http://a.test/.auth/callback/" + name]


@pytest.mark.parametrize("name", ["", "a/b", "a%20b", "..", "a b", "a?b"])
def test_configtest_wants_a_name(checker, op, second, name):
    conf = ('AuthBearerSecretFile "@ROOT@/secret"\n' + vhost("a", op, """
AuthBearerUserFormat %%u
AuthBearerLoginIssuer %s
<AuthBearerIssuer "%s" %s>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
<Location "/app/second">
AuthBearerLoginIssuer %s
</Location>
""" % (op.url, second.url, '"%s"' % name if name else "", second.url)))
    done = checker(conf, files=SECRETS)
    assert done.status == 1, done
    assert "/.auth/callback/NAME" in done.output, done
    assert '<AuthBearerIssuer "%s" NAME>' % second.url in done.output, done


def test_configtest_says_what_to_register(checker, op, second):
    conf = ('AuthBearerSecretFile "@ROOT@/secret"\nAuthBearerLoginPath /in\n'
            + vhost("a", op, """
AuthBearerUserFormat %%u
AuthBearerLoginIssuer %s
<AuthBearerIssuer "%s" second>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
<Location "/app/second">
AuthBearerLoginIssuer %s
</Location>
""" % (op.url, second.url, second.url)))
    done = checker(conf, files=SECRETS)
    assert done.status == 0, done
    for issuer, name in ((op, "a"), (second, "second")):
        assert ("register with issuer %s the redirect URI "
                "http://a.test/in/callback/%s" % (issuer.url, name)) \
            in done.output, done
