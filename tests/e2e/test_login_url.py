# Licensed under the Apache License, Version 2.0; see LICENSE.
"""AuthBearerLoginURL: browsers without a session of the service are sent to its
own login page; nobody else, nowhere else, and not in circles."""
import os
import re
import time
import urllib.parse
import uuid

import pytest

from support import secrets
from support.client import build
from support.expect import anonymous, granted, invalid, location, refused
from support.httpd import TOP
from support.issuer import headers_of
from support.op import NAVIGATE, Browser
from support.service import SessionService
from test_browser_cookies import TARGETS

pytestmark = pytest.mark.allow_log("AB0724")

LOGIN = "https://login.test/self-service/login/browser"

#: name -> (lines of the place, keys of its check)
PLACES = {
    "/app": ("AuthBearerLoginURL " + LOGIN, "cookies=sid"),
    "/named": ("AuthBearerLoginURL %s?aal=aal2 return=rd" % LOGIN, "cookies=sid"),
    "/query": ("AuthBearerLoginURL %s\nAuthBearerTokenFrom header query:access_token" % LOGIN,
               "cookies=sid"),
    "/strip": ("AuthBearerLoginURL %s\nAuthBearerOptional On" % LOGIN, "cookies=sid"),
    "/tokens": ("AuthBearerLoginURL " + LOGIN, "prefix=ory_st_"),
    "/none": ("", "cookies=sid"),
}


def conf(store, base="AuthBearerBaseURL https://www.example.test\n"):
    return base + "".join(
        location(path, "AuthBearerProvider session\nAuthBearerSessionCheck %s/whoami %s\n%s"
                 % (store.url, keys, lines),
                 "all granted" if "Optional" in lines else "valid-user", None)
        for path, (lines, keys) in PLACES.items())


@pytest.fixture(scope="module")
def store():
    made = SessionService()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh(store):
    store.reset()


@pytest.fixture(scope="module")
def server(new_server, store, backend):
    return new_server(conf(store), backend=backend)


def secret():
    text = "ory_st_" + uuid.uuid4().hex
    secrets.register(text)
    return text


def known(store):
    sid = secret()
    store.known[sid] = {"sub": "alice"}
    return sid


def sent(res, url=LOGIN, name="return_to"):
    """The address that the login page is given."""
    assert res.status == 302, res
    where = res.get("Location")
    assert where.startswith(url + ("&" if "?" in url else "?") + name + "="), where
    assert "no-store" in res.get("Cache-Control")
    assert res.challenge is None
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)
    assert len(query[name]) == 1
    return query[name][0]


# --- who is sent -----------------------------------------------------------------

@pytest.mark.core
def test_without_a_session(server, store):
    res = server.get("/app/x?a=1&b=c%20d", headers=NAVIGATE.items())
    assert sent(res) == "https://www.example.test/app/x?a=1&b=c%20d"
    assert store.count == 0
    assert res.logged("AB0308", LOGIN.join("''"), "(sid)")
    res = server.get("/app", headers=[("Accept", "text/html,*/*")])  # an old browser
    assert sent(res) == "https://www.example.test/app"


@pytest.mark.core
def test_whose_session_has_ended(server, store):
    """The store answers 401; whatever the cookie was worth, it stays here."""
    field = ("Cookie", "sid=" + secret())
    res = server.get("/app/x", headers=[*NAVIGATE.items(), field])
    assert sent(res) == "https://www.example.test/app/x"
    assert store.count == 1
    assert res.logged("AB0308", "401", "cookies ")
    assert field[1][4:] not in res.get("Location")
    invalid(server.get("/app/x", headers=[field]), "inactive", "session_denied")
    assert sent(server.get("/strip", headers=[*NAVIGATE.items(), field]))


def test_who_has_a_session_is_let_in(server, store):
    granted(server.get("/app", headers=[*NAVIGATE.items(), ("Cookie", "sid=" + known(store))]))
    granted(server.get("/strip", headers=NAVIGATE.items()), None)


NO_NAVIGATION = [
    {}, {"Accept": "*/*"}, {"Accept": "application/json"},
    {"Accept": "text/html", "Sec-Fetch-Mode": "cors"},
    {"Accept": "text/html", "Sec-Fetch-Mode": "no-cors"},
    {"Accept": "text/html", "Sec-Fetch-Mode": "same-origin"},
    {"Accept": "text/html", "Sec-Fetch-Mode": "websocket"},
    {"Accept": "text/html", "X-Requested-With": "XMLHttpRequest"},
    {**NAVIGATE, "Sec-Purpose": "prefetch;prerender"}, {**NAVIGATE, "Purpose": "prefetch"},
]


@pytest.mark.core
@pytest.mark.parametrize("headers", NO_NAVIGATION, ids=range(len(NO_NAVIGATION)))
def test_a_script_is_never_sent(server, store, headers):
    res = anonymous(server.get("/app/x", headers=headers.items()))
    assert not res.get("Location") and not res.get("Set-Cookie"), res
    stale = [*headers.items(), ("Cookie", "sid=" + secret())]
    res = invalid(server.get("/app/x", headers=stale), "inactive", "session_denied")
    assert not res.get("Location") and not res.get("Set-Cookie"), res


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_no_other_method(server, method):
    res = server.request(method, "/app/x", headers=NAVIGATE.items())
    assert res.status == 401 and not res.get("Location"), res


def test_refusals_of_other_kinds_stay(server, store):
    """A token of a program, a second factor, a store that is away, bad requests."""
    invalid(server.get("/tokens", secret(), headers=NAVIGATE.items()), "inactive",
            "session_denied")
    field = ("Cookie", "sid=" + known(store))
    for status, want in ((403, 403), (429, 429), (500, 503), (302, 503)):
        store.script(status=status)
        refused(server.get("/app", headers=[*NAVIGATE.items(), field]), want)
    store.script()
    refused(server.get("/app", headers=[*NAVIGATE.items(),
                                        ("Authorization", "Bearer a, Bearer b")]),
            400, "invalid_request")
    anonymous(server.get("/none", headers=NAVIGATE.items()))


def test_a_stale_cookie_is_counted_by_the_throttle(new_server, store):
    """Guessing is guessing, whoever is sent to a login for it."""
    server = new_server(conf(store) + '<Location "/app">\nAuthBearerThrottle threshold=2 '
                        "window=60s penalty=60s\n</Location>\n")
    for want in (302, 302, 429):
        res = server.get("/app", headers=[*NAVIGATE.items(), ("Cookie", "sid=" + secret())])
        assert res.status == want, res
    assert store.count == 2


# --- where to ----------------------------------------------------------------------

def test_name_and_query_of_the_login_page(server):
    res = server.get("/named/x", headers=NAVIGATE.items())
    assert sent(res, LOGIN + "?aal=aal2", "rd") == "https://www.example.test/named/x"


def test_tokens_in_the_query_do_not_leave(server, store):
    """The cookie decides; what stands beside it in the query is somebody's token."""
    token = secret()
    res = server.get("/query/x?a=1&access_token=%s&b=2" % token, headers=[
        *NAVIGATE.items(), ("Cookie", "sid=" + secret())])
    assert sent(res) == "https://www.example.test/query/x?a=1&access_token=***&b=2"
    assert token not in str(res.headers)


def test_base_url_by_default(new_server, store):
    server = new_server(conf(store, base=""))
    assert sent(server.get("/app/x", headers=NAVIGATE.items())) == "http://server.test/app/x"


@pytest.fixture(scope="module")
def whole(new_server, store):
    """A server with nothing but protected pages."""
    return new_server(conf(store) + location(
        "/", "AuthBearerLoginURL " + LOGIN + "\nAuthBearerProvider session\n"
        "AuthBearerSessionCheck %s/whoami cookies=sid" % store.url, audience=None))


@pytest.mark.core
@pytest.mark.allow_log("AH00127", "AH00026", "AH10244")
@pytest.mark.parametrize("target", TARGETS)
def test_nowhere_else(whole, target):
    """Whatever is asked for: the login page gets an address of this server."""
    request = build("GET", "/", {**NAVIGATE, "X-Forwarded-Host": "evil.example",
                                 "X-Forwarded-Proto": "http",
                                 "Forwarded": "host=evil.example"}, host="evil.example")
    res = whole.raw(request.replace(b"GET / ", b"GET " + target.encode("latin-1") + b" ", 1))
    if res.status != 302:
        assert res.status in (400, 403, 404) and not res.get("Location"), res
        return
    origin = "https://www.example.test"
    address = sent(res)
    rest = address[len(origin):]
    assert address.startswith(origin + "/"), address
    assert not rest.startswith("//") and "\\" not in rest, address
    assert not any(ord(c) <= 0x20 or ord(c) > 0x7e for c in rest), address
    assert res.get("Location").count("login.test") == 1


# --- circles -------------------------------------------------------------------------

def sents(browser, n, path="/app/x"):
    return [browser.navigate(path).status for _ in range(n)]


@pytest.mark.core
def test_three_times_and_then_the_page(server):
    browser = Browser(server)
    assert sents(browser, 2) == [302, 302]
    assert sents(browser, 1, "/named") == [302]
    res = browser.navigate("/app/y")
    anonymous(res)
    assert res.logged("AB0309", LOGIN.join("''"), "3", "30"), res
    assert "<h1>" in res.text and not res.get("Set-Cookie"), res
    assert sents(Browser(server), 1) == [302]


def test_a_stale_cookie_goes_in_no_circle_either(server, store):
    browser = Browser(server)
    browser.cookies["sid"] = secret()
    assert sents(browser, 3) == [302] * 3
    invalid(browser.navigate("/app/x"), "inactive", "session_denied")


def test_cookie_of_the_count(server):
    browser = Browser(server)
    browser.navigate("/app")
    cookie = browser.set[0]
    assert cookie.name == "__Host-bearer_sent"
    assert cookie.attributes == {"max-age": "30", "path": "/", "httponly": "", "secure": "",
                                 "samesite": "Lax"}


def count(browser, *ages, now=None):
    now = int(time.time()) if now is None else now
    browser.cookies["__Host-bearer_sent"] = ".".join(str(now - age) for age in ages)


@pytest.mark.parametrize("ages,status", [
    ((0, 0, 0), 401), ((25, 20, 1), 401), ((0, 0, 31), 302), ((31, 60, 90), 302),
    ((-3, 0, 0), 401),       # another server of the group has another clock
    ((-9999, 0, 0), 302), ((0, 0), 302), ((31, 1, 1, 1), 401)])
def test_only_the_last_half_minute_counts(server, ages, status):
    browser = Browser(server)
    count(browser, *ages)
    assert browser.navigate("/app").status == status


@pytest.mark.parametrize("value", ["x", "." * 500, "1" * 500, "-1.-1.-1", "%00", "0x1.1.1",
                                   ".".join(["9" * 12] * 200)], ids=range(7))
def test_a_count_that_nobody_set(server, value):
    browser = Browser(server)
    browser.cookies["__Host-bearer_sent"] = value
    assert browser.navigate("/app").status == 302
    assert len(browser.cookies["__Host-bearer_sent"]) < 50


def test_the_count_does_not_reach_the_application(server, store):
    browser = Browser(server)
    browser.navigate("/strip")
    browser.navigate("/app")
    assert browser.cookies
    browser.cookies.update(sid=known(store), a="1")
    headers = headers_of(granted(browser.get("/app/be/x"), None))
    assert headers["cookie"] == ["a=1"]


# --- the page --------------------------------------------------------------------------

def test_refusals_have_a_page(server, store):
    store.script(status=403)
    res = refused(server.get("/app", headers=[*NAVIGATE.items(), ("Cookie", "sid=" + secret())]),
                  403, None, "session_insufficient")
    assert "<h1>A stronger sign-in is needed</h1>" in res.text
    res = anonymous(server.get("/app", headers=[("Accept", "application/json")]))
    assert res.json()["error"] == "no_credential"
    res = anonymous(server.get("/none", headers=NAVIGATE.items()))
    assert "Reference" not in res.text


# --- configuration ----------------------------------------------------------------------

def place(lines):
    return location("/a", "AuthBearerProvider session\nAuthBearerSessionCheck "
                    "https://store.test/whoami cookies=sid\n" + lines, audience=None)


@pytest.mark.parametrize("line,words", [
    ("AuthBearerLoginURL /login", ["AB0603", "'/login'"]),
    ("AuthBearerLoginURL javascript:alert(1)", ["AB0603"]),
    ("AuthBearerLoginURL https://u:p@login.test/", ["AB0603"]),
    ("AuthBearerLoginURL https://login.test/#x", ["AB0603"]),
    ("AuthBearerLoginURL https://login.test/ to=x", ["AB0604", "return=NAME"]),
    ("AuthBearerLoginURL https://login.test/ return=", ["AB0604"]),
    ("AuthBearerLoginURL https://login.test/ return=a&b", ["AB0604"]),
    ("AuthBearerLoginURL https://login.test/ return=a b", ["AB0502"]),
    ("AuthBearerLoginURL https://login.test/?return_to=x", ["AB0605", "return_to"]),
    ("AuthBearerLoginURL http://login.test/", ["AB0708", "AuthBearerPlainHTTP"]),
    ("AuthBearerLoginURL https://login.test/\nAuthBearerLogin On",
     ["AB0709", "AuthBearerLogin"]),
])
def test_mistakes(checker, line, words):
    done = checker(place(line))
    assert done.status != 0, done
    assert done.says(*words), (words, done)


@pytest.mark.parametrize("path,inner,outer", [
    ("/a/b", "AuthBearerLogin On", "AuthBearerLoginURL https://login.test/"),
    ("/a/b/", "AuthBearerLoginURL https://login.test/", "AuthBearerLogin On"),
    ("/a/", "AuthBearerLogin On", "AuthBearerLoginURL https://login.test/"),
])
@pytest.mark.parametrize("order", [1, -1], ids=["outer-first", "inner-first"])
def test_two_logins_in_nested_locations(checker, path, inner, outer, order):
    sections = [place(outer), '<Location "%s">\n%s\n</Location>\n' % (path, inner)]
    done = checker("".join(sections[::order]))
    assert done.status != 0 and done.says("AB0709"), done


@pytest.mark.parametrize("path,inner", [
    ("/ab", "AuthBearerLogin On"), ("/a/b", "AuthBearerLogin Off"), ("/", "AuthBearerSession On"),
    ("/a/b", "AuthBearerLoginURL https://other.test/")])
def test_two_logins_that_do_not_meet(checker, path, inner):
    done = checker(place("AuthBearerLoginURL https://login.test/")
                   + '<Location "%s">\n%s\n</Location>\n' % (path, inner))
    assert not done.says("AB0709"), done


@pytest.mark.parametrize("line", [
    "AuthBearerLoginURL https://login.test", "AuthBearerLoginURL http://127.0.0.1:4433/login",
    "AuthBearerLoginURL https://login.test/?return_to\nAuthBearerLogin Off"])
def test_no_mistakes(checker, line):
    done = checker(place(line))
    assert done.status == 0 and "AB0" not in done.output, done


def test_plain_http_by_name(checker):
    done = checker("AuthBearerPlainHTTP login.test\n"
                   + place("AuthBearerLoginURL http://login.test/"))
    assert done.status == 0, done


def test_dump(checker):
    done = checker(place("AuthBearerLoginURL https://login.test/?key=hunter2"), "-D",
                   "DUMP_BEARER")
    assert "    AuthBearerLoginURL https://login.test/?*** return=return_to\n" in done.output
    assert "hunter2" not in done.output


# --- the configuration of docs/providers/kratos.md -----------------------------------------

KRATOS = "https://kratos.example.com"


def section(title):
    with open(os.path.join(TOP, "docs/providers/kratos.md"), encoding="utf-8") as file:
        return file.read().partition("\n## %s\n" % title)[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def documented(new_server, store):
    """Browsers, and in the same section the line for native applications."""
    conf, = re.findall(r"^```apache\n(.*?)^```", section("Browsers"), re.M | re.S)
    keys, = re.findall(r"`(send=header:[^`]+)`", section("Native applications"))
    line, = re.findall(r"^ *AuthBearerSessionCheck .*\n", conf, re.M)
    conf = conf.replace(line, line + re.sub(r"cookies=\S+", keys, line))
    return new_server("AuthBearerBaseURL https://www.example.com\n"
                      + conf.replace(KRATOS + "/sessions", store.url + "/sessions"))


def test_configuration_of_kratos(documented, store):
    sid, token = secret(), secret()
    store.known[sid] = store.known[token] = {"identity": {"id": "alice", "traits": {}}}
    field = ("Cookie", "ory_kratos_session=" + sid)
    granted(documented.get("/orders", headers=[field]))
    granted(documented.get("/orders", token))
    assert store.last.header("X-Session-Token") == token
    page = KRATOS + "/self-service/login/browser"
    res = documented.get("/orders/7", headers=NAVIGATE.items())
    assert sent(res, page) == "https://www.example.com/orders/7"
    store.script(status=403)  # a second factor is missing
    res = documented.get("/orders", headers=[*NAVIGATE.items(), field])
    assert res.status == 302, res
    assert res.get("Location") == (
        page + "?aal=aal2&return_to=https://www.example.com/orders")
    store.script()
    anonymous(documented.get("/orders"))
