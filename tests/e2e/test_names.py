# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A server with several names: which one is in force in a request, and what becomes of
a request with another Host. The client decides what Host says, so nothing of it may
come back in an address, but for the label of a wildcard."""
import urllib.parse

import pytest

from support.browsing import SECRETS, conf, op, session_cookie  # noqa: F401
from support.op import FROM_HERE, NAVIGATE, Browser

pytestmark = pytest.mark.allow_log("AB0762")

NAMES = "http://www.site.test http://Other.Site.test:8080/ https://safe.site.test " \
        "http://*.shops.test https://safe.shops.test"
#: Host of a request, and the name that it stands for.
IN_FORCE = [
    ("www.site.test", "http://www.site.test"),
    ("WWW.Site.Test:80", "http://www.site.test"),
    ("other.site.test:8080", "http://other.site.test:8080"),
    ("safe.site.test", "https://safe.site.test"),
    ("safe.site.test:443", "https://safe.site.test"),
    ("a.shops.test", "http://a.shops.test"),
    ("B-2.shops.test:80", "http://b-2.shops.test"),
    ("safe.shops.test", "https://safe.shops.test"),
]
ELSEWHERE = [
    "evil.test", "other.site.test", "www.site.test:8080", "www.site.test:443",
    "safe.site.test:80", "x.www.site.test", "www.site.test.evil.test", "shops.test",
    "a.b.shops.test", "-a.shops.test", "a_b.shops.test", "a.shops.test.evil.test",
    "xshops.test", "127.0.0.1", "[::1]",
]


@pytest.fixture
def named(one_server, op, backend):  # noqa: F811
    def start(names=NAMES, more="", end=""):
        return one_server(conf(op, more, base=names, end=end), files=SECRETS, backend=backend)
    return start


def asked_for(res):
    """The redirect_uri that the issuer is told."""
    assert res.status == 302, res
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(res.get("Location")).query)
    uri, = query["redirect_uri"]
    return uri


def test_the_name_in_host_is_in_force(named):
    server = named()
    for host, name in IN_FORCE:
        browser = Browser(server)
        assert asked_for(browser.navigate("/app/x", host=host)) == name + "/.auth/callback", host
        attempt, = [c for c in browser.set if "login" in c.name]
        assert attempt.name.startswith("__Host-") == name.startswith("https"), host
        assert ("_8080" in attempt.name) == ("8080" in name), host


@pytest.mark.core
@pytest.mark.parametrize("host", ["www.site.test", "other.site.test:8080", "a.shops.test"])
def test_a_login_returns_to_its_name(named, op, host):  # noqa: F811
    server = named()
    browser = Browser(server, "http://" + host)
    assert browser.go("/app/x?y=1", host=host).status == 200
    assert browser.trail[-1] == "http://%s/app/x?y=1" % host
    session = session_cookie(browser)
    other = "b.shops.test"
    browser.cookies = {session: browser.cookies[session],
                       "bearer_session": browser.cookies[session]}
    asked_for(browser.navigate("/app/x", host=other))


def test_an_attempt_is_for_one_name(named, op):  # noqa: F811
    server = named()
    browser = Browser(server, "http://a.shops.test")
    res = browser.navigate("/app/x", host="a.shops.test")
    back = browser.path_of(browser.provider(res.get("Location")).get("Location"))
    res = browser.clone().navigate(back, host="b.shops.test")
    assert res.status == 400 and res.check == "login_state", res
    assert op.count("token") == 0
    assert browser.navigate(back, host="a.shops.test").status == 303


def test_another_host_is_redirected_once(named):
    server = named("http://*.shops.test http://www.site.test http://b.site.test")
    for host in ELSEWHERE:
        if host == "other.site.test":
            continue
        browser = Browser(server)
        res = browser.navigate("/app/x?y=1", host=host)
        assert res.status == 302, (host, res)
        assert res.get("Location") == "http://www.site.test/app/x?y=1", (host, res)
        assert "no-store" in res.get("Cache-Control")
        assert not [c for c in browser.set if "login" in c.name]
        again = browser.navigate("/app/x?y=1", host=host)
        assert again.status == 421 and again.check == "misdirected", (host, again)
        assert again.logged("AB0064", "http://www.site.test")
        assert asked_for(browser.navigate("/app/x", host="www.site.test"))


def test_what_else_needs_the_name(named, op):  # noqa: F811
    server = named(end='<Location "/app/token">\n AuthBearerAudience api://test\n</Location>')
    host = "evil.test"
    script = {"Sec-Fetch-Mode": "cors", "Accept": "*/*"}
    for headers in ({}, script):
        res = server.get("/app/x", headers=headers, host=host)
        assert res.status == 421 and res.check == "misdirected", res
    res = server.get("/.auth/callback?code=SECRET&state=" + "A" * 43, headers=NAVIGATE, host=host)
    assert res.status == 421 and not res.get("Location"), res
    assert "evil" not in res.text and "http://www.site.test/" in res.text
    res = server.get("/.auth/logout", headers=FROM_HERE, host=host)
    assert (res.status, res.get("Location")) == (302, "http://www.site.test/.auth/logout"), res
    res = server.request("POST", "/.auth/logout", headers=FROM_HERE, host=host)
    assert res.status == 421, res
    token = op.sign({**op.claims(), "aud": "api://test"}, {"typ": "at+jwt"})
    assert server.get("/app/x", token, host=host).status == 200


def test_one_name_does_not_look_at_host(named):
    server = named("http://www.site.test")
    for host in ELSEWHERE:
        assert asked_for(server.get("/app/x", headers=NAVIGATE, host=host)) \
            == "http://www.site.test/.auth/callback", host


PATHS = ["//evil.test/x", "/\\evil.test", "/%5cevil.test", "/%2f%2fevil.test",
         "/app/..//evil.test", "/app/x@evil.test", "/app/x?next=//evil.test",
         "http://evil.test/app/x", "http://evil.test//evil.test/app/x", "/app//evil.test"]
HOSTS = ["evil.test", "evil.test:80@www.site.test", "www.site.test.", "evil.test#.shops.test",
         "evil.test/.shops.test", "evil.test%2f.shops.test", "evil.test\\.shops.test"]


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_and_no_path_leads_away(named, host):
    """The open-redirect corpus, by Host and by path."""
    server = named(end='<Location "/">\n AuthType Bearer\n AuthName app\n'
                   ' AuthBearerAudience api://test\n AuthBearerSession On\n'
                   ' AuthBearerLogin On\n Require valid-user\n</Location>')
    for path in PATHS:
        res = server.get(path, headers=NAVIGATE, host=host)
        where = res.get("Location")
        assert res.status in (302, 400, 403, 404, 421), res
        if where:
            parts = urllib.parse.urlsplit(where)
            assert "redirect_uri" not in where, where
            assert parts[:2] == ("http", "www.site.test"), where
            assert not parts.path.startswith("//"), where


BAD = [
    ("http://*.test http://a.test", "'http://*.test'"),
    ("http://*.shops.test", None),
    ("http://a.*.test http://a.test", "'http://a.*.test'"),
    ("http://a.test http://A.test:80/", "http://a.test"),
    ("http://a.test https://a.test", "https://a.test"),
    ("http://a.test http://b.test/path", "'http://b.test/path'"),
]


@pytest.mark.parametrize("names,value", BAD)
def test_configtest_refuses(checker, op, names, value):  # noqa: F811
    done = checker(conf(op, base=names), files=SECRETS)
    assert done.status == 1 and done.says("AB0616", *[value] if value else []), done


def test_configtest_lists_what_to_register(checker, op):  # noqa: F811
    done = checker(conf(op, base=NAMES), "-D", "DUMP_BEARER", files=SECRETS)
    assert done.status == 0, done
    for name in ("http://www.site.test", "http://other.site.test:8080",
                 "https://safe.site.test", "http://*.shops.test", "https://safe.shops.test"):
        assert done.says("AB0762", op.url, name + "/.auth/callback"), (name, done)
    assert "    AuthBearerBaseURL http://www.site.test http://other.site.test:8080 " \
        "https://safe.site.test http://*.shops.test https://safe.shops.test\n" in done.output, done


@pytest.mark.parametrize("inside,warns", [
    ("", True), ("AuthBearerBaseURL http://b.test", False)])
def test_configtest_warns_of_a_name_that_is_not_inherited(checker, op, inside,  # noqa: F811
                                                          warns):
    done = checker(conf(op, base="http://a.test") + """
<VirtualHost *:8081>
    ServerName b.test
    %s
</VirtualHost>
""" % inside, files=SECRETS)
    assert done.status == 0, done
    assert bool(done.says("AB0821", "b.test")) == warns, done
