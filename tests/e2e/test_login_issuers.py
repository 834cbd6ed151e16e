# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A virtual host that logs in with several issuers: each has its own callback, and
none gets a code of another one (RFC 9700 section 4.4)."""
import urllib.parse

import pytest

from support import certs, clientcert
from support.browsing import (SECRETS, no_session, op, second,  # noqa: F401
                              signed_in, site)
from support.clientcert import ClientCert
from support.expect import location
from support.op import Browser, Cookie

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0762")
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
@pytest.mark.parametrize("what", ["code", "code without iss", "error"])
def test_an_answer_at_another_callback(both, op, second, at, what, wire):
    """The issuer that the browser was sent to has it come back with a code of the
    other one, to be sent it with the token request."""
    server = both(h2=wire)
    browser = Browser(server, h2=wire)
    asked = began(browser, "/app/second/x")
    assert asked["redirect_uri"].endswith("/.auth/callback/second")
    back = {"code": {"code": "code_of_the_honest_one", "iss": op.url},
            "code without iss": {"code": "code_of_the_honest_one"},
            "error": {"error": "access_denied"}}[what]
    res = no_session(browser, browser.navigate("/.auth%s?%s" % (
        at, urllib.parse.urlencode({"state": asked["state"], **back}))), 400,
        "login_response")
    assert res.logged("AB0044", second.url, "/.auth/callback/second")
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
    asked = [r.form["redirect_uri"] for r in second.requests
             if r.form.get("grant_type") == "authorization_code"]
    assert asked == [server.url + "/.auth/callback/second"]
    res = browser.sign_out()
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


VHOST = """
<VirtualHost {address}>
ServerName {server}
{base}
<AuthBearerIssuer "{url}" {name}>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
{inside}
{place}
</VirtualHost>
"""
#: An issuer more, which sections can name.
ANOTHER = """
AuthBearerUserFormat %%u
AuthBearerLoginIssuer %s
<AuthBearerIssuer "%s" %s>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
"""
NAMED = """
<Location "/app/second">
    AuthBearerLoginIssuer %s
</Location>
"""
SECRET = 'AuthBearerSecretFile "@ROOT@/secret"\n'


def vhost(name, op, inside="", address="*:@PORT@", server=None,
          base="AuthBearerBaseURL http://%s.test"):
    return VHOST.format(
        address=address, server=server or name + ".test", name=name, url=op.url,
        base=base % name if "%" in base else base, inside=inside,
        place=location("/app", "AuthBearerSession On\nAuthBearerLogin On"))


def two(op, second, name="second", **kw):
    """A virtual host that logs in with both."""
    return SECRET + vhost("a", op, ANOTHER % (op.url, second.url, name)
                          + NAMED % second.url, **kw)


def callback_of(res):
    """Where the issuer is asked to send this browser back to."""
    assert res.status == 302, res
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(
        res.get("Location")).query)
    uri, = query["redirect_uri"]
    return uri


def test_virtual_hosts_with_one_issuer_each(one_server, op, second):
    server = one_server(SECRET + vhost("a", op) + vhost("b", second),
                        files=SECRETS)
    for name in ("a", "b"):
        res = server.get("/app/x", headers={"Accept": "text/html"},
                         host=name + ".test")
        assert callback_of(res) == "http://%s.test/.auth/callback" % name


def test_a_section_of_the_main_server_counts_in_virtual_hosts(one_server, op,
                                                              second):
    server = one_server(
        SECRET + NAMED % second.url
        + vhost("a", op, ANOTHER % (op.url, second.url, "second")), files=SECRETS)
    for path, name in (("/app/x", "a"), ("/app/second/x", "second")):
        res = server.get(path, headers={"Accept": "text/html"}, host="a.test")
        assert callback_of(res) == "http://a.test/.auth/callback/" + name


@pytest.mark.parametrize("name", ["", "a/b", "a%20b", "..", "a b", "a?b"])
def test_configtest_wants_a_name(checker, op, second, name):
    done = checker(two(op, second, '"%s"' % name if name else ""), files=SECRETS)
    assert done.status == 1, done
    assert done.says("AB0761", "/.auth/callback/NAME",
                     "<AuthBearerIssuer '%s' NAME>" % second.url), done


def test_configtest_says_what_to_register(checker, op, second):
    done = checker("AuthBearerLoginPath /in\n" + two(op, second), files=SECRETS)
    assert done.status == 0, done
    for issuer, name in ((op, "a"), (second, "second")):
        assert done.says("AB0762", issuer.url, "http://a.test/in/callback/" + name), done


#: <VirtualHost>, its ServerName, and the server as browsers see it.
BASES = [
    ("*:8443", "www.test", "http://www.test:8443"),
    ("*:80", "www.test", "http://www.test"),
    ("*:443", "www.test", "http://www.test:443"),
    ("*", "www.test", "http://www.test"),
    ("*:8443", "www.test:9000", "http://www.test:9000"),
    ("*:8443", "www.test:80", "http://www.test"),
    ("*:8443", "https://www.test", "https://www.test:8443"),
    ("*:443", "https://www.test", "https://www.test"),
    ("*:80", "https://www.test:443", "https://www.test"),
    ("*:443", "https://www.test:80", "https://www.test:80"),
]


@pytest.mark.parametrize("address,server,base", BASES,
                         ids=["%s-%s" % row[:2] for row in BASES])
def test_base_url_by_server_name(checker, op, second, address, server, base):
    """Without AuthBearerBaseURL: an issuer compares every byte of it."""
    done = checker(two(op, second, address=address, server=server, base=""),
                   files=SECRETS)
    assert done.status == 0, done
    assert done.says("AB0762", " %s/.auth/callback/second" % base), done


#: What stands in the main server, in the virtual host, and its scheme.
ENGINES = [
    ("", "SSLEngine On", "https"), ("", "sslengine on", "https"),
    ("", '<IfModule mod_ssl.c>\nSSLEngine "On"\n</IfModule>', "https"),
    ("", "SSLEngine Off\nSSLEngine On", "https"), ("", "SSLEngine Off", "http"),
    ("", "SSLEngine Optional", "http"), ("SSLEngine On", "", "https"),
    ("SSLEngine On", "SSLEngine Off", "http"),
    ("<VirtualHost *:8444>\nServerName other.test\nSSLEngine On\n"
     'SSLCertificateFile "@ROOT@/tls.pem"\n</VirtualHost>', "", "http")]


@pytest.mark.parametrize("outside,inside,scheme", ENGINES)
def test_base_url_of_a_server_that_speaks_tls(checker, op, second, outside, inside,
                                              scheme):
    done = checker('SSLCertificateFile "@ROOT@/tls.pem"\n' + outside + "\n" + two(
        op, second, address="*:8443", server="www.test", base=inside),
        modules=("ssl",), files={**SECRETS, "tls.pem": certs.server("good")})
    assert done.status == 0, done
    assert done.says("AB0762", scheme + "://www.test:8443/.auth/callback/second"), done


@pytest.mark.core
@pytest.mark.allow_log(*clientcert.WARNINGS)
def test_a_login_over_tls(one_server, op):
    """Its own address is https, so the cookies are for https only."""
    tls = ClientCert("""
<AuthBearerIssuer "%s" a>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
""" % op.url + location("/app", "AuthBearerSession On\nAuthBearerLogin On"))
    server = one_server(SECRET + tls.conf, files={**SECRETS, **tls.files},
                        modules=clientcert.MODULES)
    res = tls.request(server, "GET", "/app/x", headers=[("Accept", "text/html")])
    assert callback_of(res) == "https://server.test:%d/.auth/callback" % tls.port
    cookie, = [Cookie(line) for line in res.all("Set-Cookie")]
    assert cookie.name.startswith("__Host-bearer_")
    assert "secure" in cookie.attributes


def test_base_url_by_the_main_servers_name(checker, op, second):
    """A virtual host has its own name, not the one that is written outside."""
    done = checker("AuthBearerBaseURL https://outside.test\n" + two(
        op, second, address="*:8080", base=""), files=SECRETS)
    assert done.says("AB0762", "http://a.test:8080/.auth/callback/second"), done
