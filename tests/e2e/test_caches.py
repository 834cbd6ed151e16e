# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What caches are told: a response that was granted to a credential is private,
whatever the application and mod_headers say; in one field."""
import base64
import os

import pytest

from support.browsing import (SECRETS, conf, op, signed_in)  # noqa: F401
from support.expect import anonymous, granted, issuer_conf, key_files, location
from support.op import Browser
from support.tokens import mint

pytestmark = pytest.mark.core

#: An application that says of caches what it is told to say.
CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n'
test -z "$HTTP_X_APP" || printf 'Cache-Control: %s\\r\\n' "$HTTP_X_APP"
test -z "$HTTP_X_VARY" || printf 'Vary: %s\\r\\n' "$HTTP_X_VARY"
printf '\\r\\n'
exec env
"""
CONF = """
AliasMatch "^/.*/app$" "@ROOT@/htdocs/app.cgi"
AliasMatch "^/.*/missing$" "@ROOT@/htdocs/nothing"
RewriteEngine On
RewriteRule "^/(?!raw/).*/proxied$" "http://127.0.0.1:@PORT@/raw/app" [P]
<Files "app.cgi">
    SetHandler cgi-script
</Files>
<LocationMatch "^/(?!raw/).*/(app|proxied|moved|missing|static)$">
    Header set Cache-Control "expr=%{req_novary:X-Set}" \
        "expr=-n req_novary('X-Set')"
    Header always set Cache-Control "expr=%{req_novary:X-Always}" \
        "expr=-n req_novary('X-Always')"
</LocationMatch>
<LocationMatch "/moved$">
    RewriteEngine On
    RewriteRule "^" "/elsewhere" [R=302,L]
</LocationMatch>
FileETag Size
"""
SOURCES = "header header:X-Token cookie:tok query:tok basic"


@pytest.fixture(scope="module")
def server(new_server):
    return new_server(
        issuer_conf() + location("/in", "AuthBearerTokenFrom " + SOURCES)
        + location("/env", 'SetEnvIf X-Via "(.+)" TOK=$1\n'
                   "AuthBearerTokenFrom env:TOK")
        + location("/optional", "AuthBearerOptional On", "all granted")
        + location("/free", "AuthBearerTokenFrom " + SOURCES, "all granted")
        + location("/documented/missing", "ErrorDocument 404 /documents/app"),
        files={**key_files(), "htdocs/app.cgi": (CGI, 0o755)}, early=CONF,
        h2=True)


def ways(token):
    text = base64.b64encode(("git:" + token).encode()).decode()
    return {"header": ([("Authorization", "Bearer " + token)], ""),
            "named": ([("X-Token", token)], ""),
            "cookie": ([("Cookie", "tok=" + token)], ""),
            "query": ([], "?tok=" + token),
            "basic": ([("Authorization", "Basic " + text)], ""),
            "env": ([("X-Via", token)], "")}


def control(res):
    """The one field, as a list of directives."""
    fields = res.all("Cache-Control")
    assert len(fields) == 1, fields
    out, quoted, text = [], False, ""
    for char in fields[0] + ",":
        quoted ^= char == '"'
        if char == "," and not quoted:
            out.append(text.strip())
            text = ""
        else:
            text += char
    return sorted(filter(None, out)) if not quoted else fields


#: What is said, and what a shared cache must be told instead.
SAID = [
    (None, ["private"]),
    ("public", ["private"]),
    ("public, max-age=600", ["max-age=600", "private"]),
    ("max-age=600, s-maxage=9, proxy-revalidate, must-revalidate",
     ["max-age=600", "must-revalidate", "private"]),
    ("no-store", ["no-store", "private"]),
    ("private", ["private"]),
    ('private="x-a", public', ["private"]),
    ("PUBLIC,S-MaxAge=9 ,no-cache=\"Set-Cookie, X\"",
     ['no-cache="Set-Cookie, X"', "private"]),
    ("public ; x, max-age=5", ["max-age=5", "private"]),
]
WAYS = sorted(ways(""))
HOW = ["app", "proxied", "set", "always"]


def say(how, value):
    """Path and fields with which that is said."""
    if value is None:
        return "/app" if how != "proxied" else "/proxied", []
    if how in ("app", "proxied"):
        return "/" + how, [("X-App", value)]
    return "/app", [("X-" + how.capitalize(), value)]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("way", WAYS)
def test_one_private_field(server, wire, way, how):
    """A token in Authorization is known to shared caches: what the application says
    of such a response stands (RFC 9111 section 3.5)."""
    place = "/env" if way == "env" else "/in"
    headers, query = ways(mint())[way]
    for value, wanted in SAID:
        path, more = say(how, value)
        res = server.get(place + path + query, headers=headers + more, h2=wire)
        granted(res)
        if way == "header" and value:
            assert res.all("Cache-Control") == [value.strip()], (value, res)
        else:
            assert control(res) == wanted, (value, res.headers)
        assert not res.get("Vary")


@pytest.mark.parametrize("way", ["header", "cookie", "query"])
def test_two_fields_become_one(server, wire, way):
    headers, query = ways(mint())[way]
    res = server.get("/in/app" + query, headers=headers + [
        ("X-App", "max-age=5"), ("X-Set", "public")], h2=wire)
    granted(res)
    assert control(res) == (["max-age=5", "public"] if way == "header"
                            else ["max-age=5", "private"])


def test_no_quote_hides_it(server, wire):
    headers, _ = ways(mint())["cookie"]
    res = server.get("/in/app", headers=headers + [
        ("X-App", 'max-age=5, no-cache="x, public')], h2=wire)
    assert res.get("Cache-Control").startswith("private,")


@pytest.mark.parametrize("way", ["header", "cookie", "query"])
def test_whatever_the_status(server, wire, way):
    headers, query = ways(mint())[way]
    public = [("X-Always", "public, max-age=9")]

    def ask(path, more=(), method="GET"):
        return server.request(method, path + query, headers=headers + list(more),
                              h2=wire)
    wanted = ["max-age=9", "private"] if way != "header" else \
        ["max-age=9", "public"]
    for path, status in (("/in/static", 200), ("/in/moved", 302),
                         ("/in/missing", 404)):
        res = ask(path)
        assert res.status == status and control(res) == ["private"], res.headers
        res = ask(path, public)
        assert control(res) == wanted, res.headers
    assert control(ask("/in/static", method="HEAD")) == ["private"]
    assert control(ask("/in/static", public, "HEAD")) == wanted
    etag = ask("/in/static").get("ETag")
    res = ask("/in/static", [("If-None-Match", etag)])
    assert res.status == 304 and control(res) == ["private"], res.headers
    res = ask("/in/static", [("If-None-Match", etag), *public])
    assert res.status == 304 and control(res) == wanted, res.headers


def test_error_document(server, wire):
    """It is the response to the request that was granted."""
    token = mint()
    res = server.get("/documented/missing", token, headers=[], h2=wire)
    assert res.status == 404 and control(res) == ["private"], res
    assert "REDIRECT_STATUS=404" in res.text


def test_nothing_is_said_of_others(server, wire):
    for path in ("/open/app", "/free/app", "/optional/app", "/open/proxied"):
        assert not server.get(path, h2=wire).get("Cache-Control")
        for said in (("X-App", "public, max-age=1"), ("X-Set", "s-maxage=3"),
                     ("X-Always", "public")):
            res = server.get(path, headers=[said], h2=wire)
            assert res.status == 200
            assert res.all("Cache-Control") == [said[1]] or "proxied" in path
            assert not res.get("Vary")
    res = server.get("/in/app", headers=[("X-Always", "max-age=1")], h2=wire)
    anonymous(res)
    assert res.all("Cache-Control") == ["max-age=1"]
    # RFC 6750 section 2.3
    res = server.get("/free/app?tok=" + mint(), headers=[("X-App", "public")],
                     h2=wire)
    assert control(res) == ["private"]


# -- sessions ----------------------------------------------------------------------

PLACES = """
<Location "/mixed">
    AuthType Bearer
    AuthBearerAudience api://test
    AuthBearerSession On
    AuthBearerOptional On
    Require all granted
    ErrorDocument 404 /documents/app
</Location>
"""


@pytest.fixture
def site(one_server, op):
    return one_server(conf(op, "LogLevel info\n", end=PLACES), early=CONF, h2=True,
                      files={**SECRETS, "htdocs/app.cgi": (CGI, 0o755)})


def test_sessions(site, op, wire):
    browser = Browser(site, h2=wire)
    signed_in(browser)
    for value, wanted in SAID:
        for how in HOW:
            path, more = say(how, value)
            res = granted(browser.get("/app" + path, dict(more)),
                          "alice@example.test")
            assert control(res) == wanted, (value, res.headers)
            assert not res.get("Vary")


def test_vary_where_a_session_may_be(site, op, wire):
    """Every response does, of whom nothing is known too; and no other."""
    nobody, browser = Browser(site, h2=wire), Browser(site, h2=wire)
    signed_in(browser)
    for client in (nobody, browser):
        for path, method, status in (
                ("/mixed/app", "GET", 200), ("/mixed/proxied", "GET", 200),
                ("/mixed/static", "HEAD", 200), ("/mixed/moved", "GET", 302),
                ("/mixed/missing", "GET", 404)):
            res = client.send(method, path)
            assert res.status == status and res.all("Vary") == ["Cookie"], (
                path, res.headers)
        etag = client.get("/mixed/static").get("ETag")
        res = client.get("/mixed/static", {"If-None-Match": etag})
        assert res.status == 304 and res.all("Vary") == ["Cookie"]
        for said, wanted in (("Accept", "Accept, Cookie"), ("cookie", "cookie"),
                             ("*", "*"), ("Accept, COOKIE", "Accept, COOKIE")):
            res = client.get("/mixed/app", {"X-Vary": said})
            assert ", ".join(res.all("Vary")).replace(" ", "") == \
                wanted.replace(" ", "")
    assert control(browser.get("/mixed/app")) == ["private"]
    assert not nobody.get("/mixed/app").get("Cache-Control")
    for path in ("/app/app", "/app", "/raw/app"):
        assert not browser.get(path).get("Vary")
    assert not nobody.get("/app/app").get("Vary")


# -- a cache in front ----------------------------------------------------------------

DISK = """
CacheEnable disk /
CacheRoot "@ROOT@/cache"
CacheDetailHeader on
"""
CACHE = ["cache", "cache_disk"]


@pytest.fixture
def caching(one_server):
    """caching(conf, ...): a server with a place to keep what it caches."""
    def make(conf, **kw):
        server = one_server(conf, start=False, **kw)
        os.mkdir(server.path("cache"))
        os.chmod(server.path("cache"), 0o777)
        return server.start()
    return make


def front_of(caching, server):
    """A shared cache: httpd's own, in a server of its own."""
    return caching("ProxyPreserveHost On\n" + DISK, module=False, modules=CACHE,
                   early='ProxyPass / "%s/"\n' % server.url)


def is_hit(res):
    return "cache hit" in res.get("X-Cache-Detail", "")


@pytest.mark.parametrize("quick", ["On", "Off"])
def test_a_cache_that_keeps_what_is_private(caching, quick):
    """CacheStorePrivate is for those who know whose it is; nobody here does."""
    server = caching(issuer_conf() + DISK + "CacheStorePrivate On\nCacheQuickHandler "
                     "%s\n" % quick + location("/in", "AuthBearerTokenFrom cookie:tok"),
                     modules=CACHE, early=CONF,
                     files={**key_files(), "htdocs/app.cgi": (CGI, 0o755)})
    for said in ("max-age=600", "public, max-age=600"):
        for sub in ("alice", "bob"):
            res = server.get("/in/app", headers=[
                ("Cookie", "tok=" + mint(sub=sub)), ("X-App", said)])
            assert granted(res, None).env["REMOTE_USER"] == sub
        anonymous(server.get("/in/app"))


STORABLE = [("X-Set", "public, max-age=600")]


@pytest.mark.allow_log("AH01092")
def test_a_cache_in_front(caching, server):
    front = front_of(caching, server)
    for way in ("cookie", "named"):  # a query is part of what is asked for
        headers, _ = ways(mint())[way]
        for path in ("/in/app", "/in/static"):
            for fields in (STORABLE, [("X-Set", "s-maxage=600")],
                           [("X-Set", "max-age=600")]):
                fields = fields + [("X-App", "public")]
                res = granted(front.get(path, headers=headers + fields), None)
                assert not is_hit(res)
                anonymous(front.get(path, headers=fields))
    # what is for everybody is kept
    for path, hits in (("/open/app", 0), ("/open/app", 1)):
        assert is_hit(front.get(path, headers=STORABLE)) == bool(hits)


@pytest.mark.allow_log("AH01092")
def test_sessions_behind_a_cache(caching, site, op):
    """Who is signed in does not get the page for all others, nor the other way."""
    front = front_of(caching, site)
    nobody, browser = Browser(front, site.url), Browser(site)
    signed_in(browser)
    browser.server = front
    fields = dict(STORABLE)
    for path in ("/mixed/app", "/mixed/static"):
        assert not any(nobody.get(path, fields).all("X-Test-User"))
        assert is_hit(nobody.get(path, fields))
        for _ in range(2):
            res = browser.get(path, fields)
            assert "alice@example.test" in res.all("X-Test-User"), res.headers
            assert not is_hit(res)
        assert not any(nobody.get(path, fields).all("X-Test-User"))
        assert browser.get("/app" + path, fields).status == 200
        assert nobody.get("/app" + path, fields).status == 401


# -- a cache in this server ------------------------------------------------------------

PAGE = 'A page.\n<!--#include virtual="%s" -->\n'
INSIDE = DISK + """
CacheQuickHandler %s
<Files "*.shtml">
    ForceType text/html
    SetOutputFilter INCLUDES
    Header set Cache-Control "max-age=600"
</Files>
<IfModule filter_module>
    <Files "*.html">
        ForceType text/html
        AddOutputFilterByType INCLUDES text/html
        Header set Cache-Control "max-age=600"
    </Files>
</IfModule>
"""


@pytest.fixture(params=["on", "off"])
def quick(request):
    """CacheQuickHandler"""
    return request.param


def test_a_cache_inside(caching, quick):
    server = caching(
        issuer_conf() + INSIDE % quick + location(
            "/in", "AuthBearerTokenFrom header cookie:tok"),
        files={**key_files(), "htdocs/app.cgi": (CGI, 0o755)}, early=CONF,
        modules=CACHE)
    said = [*STORABLE, ("X-App", "max-age=600")]
    for path in ("/in/app", "/in/static"):
        for fields in (said, said[1:], [("X-Set", "max-age=600")]):
            headers, _ = ways(mint())["cookie"]
            granted(server.get(path, headers=headers + fields))
            anonymous(server.get(path, headers=fields))
            token = mint(sub="bob")
            headers, _ = ways(token)["cookie"]
            res = granted(server.get(path, headers=headers + fields), "bob")
            assert not is_hit(res) and "alice" not in res.text
    # by Authorization, where the application lets others have it
    token = mint()
    granted(server.get("/in/shared/app", token, headers=STORABLE))
    res = server.get("/in/shared/app", token)
    # its quick handler leaves requests with Authorization alone
    assert res.status == 200 and is_hit(res) == (quick == "off")


@pytest.mark.allow_log("no number: unable to include")
def test_parts_in_a_cache(caching, op, quick):
    """An open page with a part that is not: its header is sent before the part is
    asked for."""
    server = caching(
        conf(op, INSIDE % quick, end=location("/in")), h2=True, early=CONF, files={
            **SECRETS, **key_files(), "htdocs/app.cgi": (CGI, 0o755),
            "htdocs/files/part.shtml": PAGE % "/app/app",
            "htdocs/files/first.shtml": (PAGE % "/app/app")[8:],
            "htdocs/files/typed.html": PAGE % "/app/app"},
        modules=[*CACHE, "filter"])
    browser, nobody = Browser(server), Browser(server)
    signed_in(browser)
    for page in ("/files/part.shtml", "/files/first.shtml", "/files/typed.html"):
        res = browser.get(page)
        assert "REMOTE_USER=alice@example.test" in res.text
        assert control(res) == ["max-age=600", "private"], res.headers
        res = nobody.get(page)
        assert "alice" not in res.text and not is_hit(res)
        assert res.all("Cache-Control") == ["max-age=600"]
        assert is_hit(nobody.get(page))


@pytest.mark.allow_log("no number: unable to include")
def test_parts_by_other_credentials_in_a_cache(caching, quick):
    """Nothing about the page says that a part takes a token from this cookie."""
    server = caching(
        issuer_conf() + INSIDE % quick
        + location("/in", "AuthBearerTokenFrom cookie:tok"), early=CONF, files={
            **key_files(), "htdocs/app.cgi": (CGI, 0o755),
            "htdocs/files/inner.shtml": PAGE % "/in/app",
            "htdocs/files/part.shtml": PAGE % "/files/inner.shtml",
            "htdocs/files/first.shtml": (PAGE % "/in/app")[8:]}, modules=CACHE)
    headers, _ = ways(mint())["cookie"]
    # nested pages end mod_cache_disk without its quick handler, with this module
    # and without it
    for page in ("part", "first", "inner") if quick == "on" else ("first", "inner"):
        page = "/files/%s.shtml" % page
        assert "REMOTE_USER=alice" in server.get(page, headers=headers).text
        res = server.get(page)
        assert "alice" not in res.text and not is_hit(res)
        assert is_hit(server.get(page))


def test_a_page_for_all_is_not_the_signed_in_ones(caching, op, quick):
    """mod_cache looks when own cookies and tokens are gone from the request."""
    server = caching(conf(op, INSIDE % quick, end=PLACES), early=CONF, files={
        **SECRETS, "htdocs/app.cgi": (CGI, 0o755)}, modules=CACHE)
    nobody, browser = Browser(server), Browser(server)
    signed_in(browser)
    fields = {"X-Set": "max-age=600"}
    for path in ("/mixed/app", "/mixed/static"):
        assert not nobody.get(path, fields).user
        assert is_hit(nobody.get(path, fields))
        for _ in range(2):
            res = granted(browser.get(path, fields), "alice@example.test")
            assert not is_hit(res) and control(res) == ["max-age=600", "private"]
            assert not nobody.get(path, fields).user
    assert is_hit(nobody.get("/mixed/app", fields))


def test_nor_is_it_the_one_for_a_token(caching, quick):
    server = caching(issuer_conf() + INSIDE % quick + location(
        "/optional", "AuthBearerOptional On", "all granted"), early=CONF,
        files={**key_files(), "htdocs/app.cgi": (CGI, 0o755)}, modules=CACHE)
    fields = {"X-Set": "max-age=600"}
    assert is_hit(server.get("/optional/app", headers=fields)) is False
    for said in (None, "max-stale=5"):
        more = {**fields, "Authorization": "Bearer " + mint()}
        if said:
            more["Cache-Control"] = said  # stays as it was
        res = granted(server.get("/optional/app", headers=more))
        assert not is_hit(res) and res.env.get("HTTP_CACHE_CONTROL") == said
    assert is_hit(server.get("/optional/app", headers=fields))
