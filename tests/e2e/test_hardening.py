# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Ways past the module that a reader of its source would try: two readings of
one request, a token that stays where others see it, a fetch for nothing."""
import base64
import socket
import time

import pytest

from support.expect import (anonymous, granted, invalid, issuer_conf,
                            key_files, location, refused)
from support.httpd import wait_until
from support.issuer import headers_of
from support.tokens import jwks, mint

# CGI joins two challenges in one line; hence not where there are two.
ERROR_PAGES = """
<LocationMatch "^/(?!basic)">
    ErrorDocument 400 /errors/400/cgi
    ErrorDocument 401 /errors/401/cgi
    ErrorDocument 403 /errors/403/cgi
</LocationMatch>
<Location "/errors">
    CGIPassAuth On
</Location>
"""
CONF = ('AuthBearerUserFormat "%u"\n' + issuer_conf() + ERROR_PAGES
        + location("/header")
        + location("/cookie", "AuthBearerTokenFrom cookie:tok")
        + location("/query", "AuthBearerTokenFrom query:tok")
        + location("/basic", "AuthBearerTokenFrom header basic")
        + location("/named", "AuthBearerTokenFrom header:X-Token", "claim no")
        + location("/scope", require="scope nobody-has-it")
        + location("/forward", "AuthBearerTokenFrom cookie:tok\n"
                   "AuthBearerOptional On\nAuthBearerForward token",
                   "all granted")
        + location("/forward-header", "AuthBearerForward token")
        + location("/elsewhere", "<RequireAll>\nRequire ip 203.0.113.1\n"
                   "Require valid-user\n</RequireAll>", None)
        + location("/open/query", "AuthBearerTokenFrom query:tok",
                   "all granted")
        + """
<Location "/server-status">
    SetHandler server-status
    Require all granted
</Location>
ExtendedStatus On
RewriteEngine On
RewriteRule "^/rewritten/(.*)$" "/query/$1?extra=1" [QSA,PT]
RewriteRule "^/query/forbidden$" "-" [F]
<Directory "@ROOT@/htdocs/files/from">
    RewriteEngine On
    RewriteRule "^here$" "/query/env" [QSA]
</Directory>
CustomLog "@ROOT@/logs/all.log" "%r|%q|%U|%{Referer}i|%{Authorization}i|%{Cookie}i|%{X-Token}i"
""")


@pytest.fixture(scope="module")
def server(new_server, backend):
    conf = CONF + """
AllowEncodedSlashes NoDecode
<Location "/raw">
    ProxyPass "%s/raw" nocanon
</Location>
RewriteRule "^/handed/(.*)$" "%s/handed/$1" [P,NE]
""" % (backend.url, backend.url)
    for path in ("/raw/q", "/handed/q"):
        conf += location(path, "AuthBearerTokenFrom query:tok")
    return new_server(conf, files=dict(key_files("rs256"),
                                       **{"htdocs/files/from/x": "x"}),
                      backend=backend, modules=["status"])


def basic(user, password):
    text = "%s:%s" % (user, password)
    return "Basic " + base64.b64encode(text.encode()).decode()


def seen(res):
    """Everything that the backend was given, as one text."""
    return str(res.json())


def request_log(server):
    with open(server.path("logs/all.log"), errors="surrogateescape") as f:
        return f.read()


# -- two readings of one request ---------------------------------------------

@pytest.mark.parametrize("cookie", [
    "tok=%s", "tok =%s", "a=1; tok =%s", "a=1, tok=%s", "a=1; \ttok\t=%s",
    "tok=%s; b=2", "tok=%s;b=2"])
def test_a_cookie_that_is_read_is_removed(server, cookie):
    token = mint()
    res = server.get("/cookie/be/x", headers={"Cookie": cookie % token})
    granted(res)
    assert token not in seen(res)


@pytest.mark.parametrize("cookie", ["tok=%s; tok=%s", "tok=%s, tok =%s"])
def test_two_cookies_are_two_tokens(server, cookie):
    token = mint()
    refused(server.get("/cookie", headers={"Cookie": cookie % (token, token)}),
            400, "invalid_request", "request", "credential_count")


@pytest.mark.parametrize("path", ["/header", "/basic"])
def test_second_line_of_another_scheme(server, path):
    """httpd joins the lines; whichever comes first, there are two."""
    token = mint()
    for lines in ([basic("x", "y"), "Bearer " + token],
                  [basic("x", token), "Bearer " + token],
                  ["Bearer " + token, basic("x", token)]):
        res = server.get(path, headers=[("Authorization", line)
                                        for line in lines])
        refused(res, 400, "invalid_request", "request")


def test_behind_a_nul_in_basic_credentials(server):
    token = mint()
    text = base64.b64encode(b"x:%s\0hidden" % token.encode()).decode()
    res = server.get("/basic", headers={"Authorization": "Basic " + text})
    refused(res, 400, "invalid_request", "request", "credential_syntax")


# -- a token that stays where others see it ----------------------------------

@pytest.mark.parametrize("uri", [
    "/query/be/x?tok=%s", "/query/be/x?a=1&tok=%s&b=2",
    "/query/be/x?%%74ok=%s", "/query/be/tok=x?tok=%s",
    "/raw/q/x?a=1&tok=%s", "/raw/q/a%%2Fb?tok=%s", "/handed/q/x?tok=%s&b=2",
    "/rewritten/be/x?tok=%s", "/rewritten/be/x?a=1&%%74ok=%s"])
def test_query_token_is_masked_in_every_copy(server, uri):
    token = mint()
    res = server.get(uri % token, headers={
        "Referer": "https://server.test/query?tok=" + token})
    granted(res)
    assert token not in seen(res)
    assert "tok=***" in seen(res) or "%74ok=***" in seen(res)
    assert res.get("Cache-Control") == "private"
    wait_until(lambda: "***" in request_log(server).splitlines()[-1],
               what="line in the access log")
    log = request_log(server).splitlines()[-1]
    assert token.split(".")[2] not in log


def test_query_token_of_an_internal_redirect(server):
    token = mint()
    res = server.get("/files/from/here?tok=" + token)
    granted(res)
    assert token not in res.text
    assert token.split(".")[2] not in request_log(server)


def test_query_token_in_an_open_place(server):
    token = mint()
    res = server.get("/open/query/be/x?tok=" + token)
    assert res.status == 200 and token not in seen(res)
    assert token.split(".")[2] not in request_log(server)


def test_query_token_of_a_request_that_ends_early(server):
    """mod_rewrite refuses it before this module has seen the request."""
    token = mint()
    before = len(request_log(server).splitlines())
    assert server.get("/query/forbidden?tok=" + token, headers={
        "Authorization": "Bearer " + token}).status == 403
    wait_until(lambda: len(request_log(server).splitlines()) > before,
               what="line in the access log")
    assert token.split(".")[2] not in request_log(server)


@pytest.mark.http1("mod_http2 shows a copy of its own, see security.md")
@pytest.mark.allow_log("AH02651", "AH01225")
def test_query_token_in_server_status(server):
    """The scoreboard had its copy before anybody looked at the token; a request
    that waits for its body shows it for long."""
    token = mint()
    for i, uri in enumerate(("/query/cgi?tok=", "/open/query/cgi?tok=",
                             "/query/cgi?%74ok=")):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(("POST %s%s&n=%d HTTP/1.1\r\nHost: server.test\r\n"
                          "Content-Length: 9\r\n\r\n"
                          % (uri, token, i)).encode())
            wait_until(lambda: "ok=***&amp;n=%d" % i
                       in server.get("/server-status").text, 5,
                       "the request in the status")
            text = server.get("/server-status").text
            assert "ok=" + token[:8] not in text
            sock.sendall(b"123456789")
            assert b" 200 " in sock.recv(100)


@pytest.mark.allow_log("AH01630")
@pytest.mark.parametrize("path,headers,status", [
    ("/header", {"Authorization": "Bearer %s"}, 401),
    ("/header", {"Authorization": "Bearer %s x"}, 400),
    ("/forward-header", {"Authorization": "Bearer %s"}, 401),
    ("/elsewhere", {"Authorization": "Bearer %s"}, 403),
    ("/cookie", {"Cookie": "tok=%s"}, 401),
    ("/cookie", {"Cookie": "tok=%s; tok=%s", "Authorization": "x"}, 400),
])
def test_error_document_elsewhere_sees_no_bad_token(server, path, headers,
                                                    status):
    token = mint("rs256-forger", header={"kid": "rs256"})
    res = server.get(path, headers={name: value.replace("%s", token)
                                    for name, value in headers.items()})
    assert res.status == status
    assert res.env["REQUEST_URI"] == path and "cgi" in res.env["SCRIPT_NAME"]
    assert token not in res.text and "HTTP_AUTHORIZATION" not in res.env


@pytest.mark.parametrize("path,name", [("/scope", "Authorization"),
                                       ("/named", "X-Token")])
def test_error_document_elsewhere_sees_no_good_token(server, path, name):
    token = mint()
    res = server.get(path, headers={name: "Bearer " + token})
    assert res.status == 403 and res.env["REQUEST_URI"] == path
    assert token not in res.text and token not in request_log(server)


def test_forward_only_what_was_looked_at(server):
    """A token in a place where nobody looks must not pass for a verified
    one."""
    token, forged = mint(), mint("rs256-forger")
    res = server.get("/forward/be/x", headers={
        "Authorization": "Bearer " + forged})
    assert res.status == 200 and forged not in seen(res)
    res = server.get("/forward/be/x", headers={
        "Authorization": "Bearer " + forged, "Cookie": "tok=" + token})
    granted(res)
    assert headers_of(res)["authorization"] == ["Bearer " + token]
    other = {"Authorization": basic("a", "b")}
    assert headers_of(server.get("/forward/be/x", headers=other))[
        "authorization"] == [other["Authorization"]]


@pytest.mark.parametrize("field", [
    "X-Forwarded-User", "close, x-forwarded-user", "keep-alive X-User-Roles",
    "close;X-Forwarded-User,x_user_roles", "Authorization, X-User-Roles"])
def test_no_client_takes_our_headers_off(server, field):
    """RFC 9110 section 7.6.1: a proxy drops the fields that Connection names,
    whoever set them; then the application would know of nobody."""
    token = mint(roles=["staff"])
    res = server.get("/forward-header/be/x", token,
                     headers={"Connection": field})
    granted(res)
    got = headers_of(res)
    assert got["authorization"] == ["Bearer " + token]
    both = server.get("/header/be/x", token, headers={"Connection": field})
    granted(both)
    assert headers_of(both)["x-forwarded-user"] == ["alice"]
    assert headers_of(both)["x-user-roles"] == ["staff"]


@pytest.mark.allow_log("AH00687")
@pytest.mark.parametrize("uri", ["/files/index/", "/files/index/page",
                                 "/files/index/page.cgi"])
def test_a_page_that_stands_for_another(one_server, uri):
    """mod_dir and mod_negotiation find it by a request of their own, which is
    let in, and go on with the client's in its place: with its headers."""
    page = ("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
            "exec env\n", 0o755)
    server = one_server(issuer_conf() + """
DirectoryIndex missing.html page.cgi
AddHandler cgi-script .cgi
AddType text/plain .cgi
<Directory "@ROOT@/htdocs/files/index">
    Options +ExecCGI +MultiViews
    CGIPassAuth On
    <Files "page.cgi">
        AuthType Bearer
        AuthName "test"
        AuthBearerAudience api://test
        Require valid-user
    </Files>
</Directory>
TypesConfig @ROOT@/mime.types
""", files=dict(key_files("rs256"), **{"htdocs/files/index/page.cgi": page,
                                       "mime.types": ""}),
                        modules=["mime", "negotiation"])
    ours = {"X-Forwarded-User": "admin", "X_User_Roles": "root"}
    res = server.get(uri, mint(), headers=ours)
    assert res.status == 200
    assert res.env["REMOTE_USER"] == res.env["HTTP_X_FORWARDED_USER"] == "alice"
    assert res.env["BEARER_CLAIM_sub"] == "alice"
    assert res.env["AUTH_TYPE"] == "Bearer"
    assert "HTTP_X_USER_ROLES" not in res.env
    assert "HTTP_AUTHORIZATION" not in res.env
    assert server.get(uri, headers=ours).status in (401, 404)


@pytest.mark.parametrize("quick", ["on", "off"])
def test_answers_are_not_kept_for_others(one_server, quick):
    """RFC 9111 section 3.5: what was answered to a request with credentials is
    for nobody else, unless it says so. mod_cache cannot see them any more."""
    server = one_server(issuer_conf() + """
CacheQuickHandler %s
CacheEnable socache /
CacheSocache shmcb
CacheDetailHeader on
Header set Cache-Control "max-age=600"
<LocationMatch "^/public">
    Header set Cache-Control "max-age=600, public"
</LocationMatch>
""" % quick + "".join(location(path, "AuthBearerTokenFrom header cookie:tok")
                      for path in ("/x", "/public")),
                        files=key_files("rs256"),
                        modules=["cache", "cache_socache"])

    def ask(uri, user, by_cookie):
        token = mint(sub=user)
        return granted(server.get(uri, headers={"Cookie": "tok=" + token})
                       if by_cookie else server.get(uri, token), user)

    for uri in ("/x", "/x/env", "/x/cgi"):
        for by_cookie in (True, False):
            ask(uri, "alice", by_cookie)
            anonymous(server.get(uri))
            res = ask(uri, "bob", by_cookie)
            assert "hit" not in res.get("X-Cache-Detail", ""), res.headers
            assert "alice" not in res.text
    ask("/public", "alice", True)
    res = ask("/public", "bob", True)
    assert "hit" not in res.get("X-Cache-Detail"), res.headers
    # what a shared cache in front would do, with a token that it knows for one
    ask("/public", "alice", False)
    res = server.get("/public", mint())
    assert ("cache hit" in res.get("X-Cache-Detail", "")) == (quick == "off"), \
        res.headers


@pytest.mark.http1("is an upgrade")
def test_a_client_that_would_rather_speak_http2(one_server):
    """httpd goes through a request that asks for h2c twice; the second time the
    token is gone. It is answered as it came."""
    server = one_server("Protocols h2c http/1.1\nTimeout 1\n" + issuer_conf()
                        + location("/x", "AuthBearerTokenFrom header query:tok"),
                        files=key_files("rs256"), modules=["http2"],
                        mpm="event")  # mod_http2 is not for prefork
    h2c = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
           ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]
    granted(server.get("/x", mint(), headers=h2c))
    granted(server.get("/x?tok=" + mint(), headers=h2c))
    anonymous(server.get("/x", headers=h2c))
    assert server.get("/elsewhere", headers=h2c).status == 101


# -- other sites -------------------------------------------------------------

@pytest.mark.http1("is an upgrade")
def test_websocket_by_cookie_from_elsewhere(server):
    """A page of any site may open one; the browser adds the cookie."""
    headers = {"Cookie": "tok=" + mint(), "Upgrade": "websocket",
               "Connection": "Upgrade", "Origin": "https://evil.test"}
    refused(server.get("/cookie", headers=headers), 403, None, "cross_site")
    headers["Origin"] = "https://server.test"
    granted(server.get("/cookie", headers=headers))
    del headers["Upgrade"]
    headers["Origin"] = "https://evil.test"
    granted(server.get("/cookie", headers=headers))


# -- work for nothing --------------------------------------------------------

def test_long_lists_cost_no_squares(server):
    """Cookies and queries of as many pieces as fit are taken apart in no
    time and memory worth mentioning."""
    token = mint()
    start = time.monotonic()
    for _ in range(20):
        granted(server.get("/cookie", headers={
            "Cookie": "a=;" * 2200 + "tok=" + token}))
        granted(server.get("/query?" + "a&" * 3000 + "tok=" + token))
    assert time.monotonic() - start < 20


LOST = {
    "expired": dict(exp=1), "audience": dict(aud="x"), "type": dict(nonce="n", scope=None),
    "identifier": dict(sub="a,b"), "client": dict(azp="", aud=["api://test",
                                                               "x"],
                                                  client_id=None)}


@pytest.mark.parametrize("name", sorted(LOST))
def test_no_fetch_for_a_token_that_is_lost_anyway(one_server, issuers, name):
    """An unknown kid makes the server look for newer keys, once; a token that
    is refused whoever signed it does not spend that."""
    issuer = issuers.issuer("lost-" + name)
    server = one_server('<AuthBearerIssuer "%s">\n</AuthBearerIssuer>\n'
                        % issuer.url + location("/a"))
    granted(server.get("/a", issuer.mint()))
    before = len(issuers.requests)
    for i in range(3):
        invalid(server.get("/a", issuer.mint(
            header={"kid": "unknown-%d" % i}, **LOST[name])), "key", "key",
            log="'unknown-%d'" % i)
    assert len(issuers.requests) == before

    def asked():
        res = server.get("/a", issuer.mint(header={"kid": "unknown"}))
        invalid(res, "key")
        return len(issuers.requests) > before
    wait_until(asked, 5, "a look for newer keys")


def test_a_tenants_keys_are_his_own(one_server, issuers):
    """Where the keys' URL has {tenant}, one tenant's key does not sign for
    another, and no token decides what is fetched."""
    one = issuers.issuer("one", "rs256")
    issuers.issuer("two", "rs256-2")
    base = one.url.rpartition("/")[0]
    server = one_server("""
<AuthBearerIssuer "%s/{tenant}">
    AuthBearerTenants one two
    AuthBearerKeys "%s/{tenant}/jwks"
</AuthBearerIssuer>
""" % (base, base) + 'AuthBearerUserFormat "%u@%t"\n' + location("/a"))

    def token(tenant, key, **over):
        return mint(key, iss="%s/%s" % (base, tenant), **over)
    granted(server.get("/a", token("one", "rs256")), "alice@one")
    granted(server.get("/a", token("two", "rs256-2")), "alice@two")
    for tenant, key, kid in (("one", "rs256-2", "rs256"),
                             ("two", "rs256", "rs256-2")):
        invalid(server.get("/a", token(tenant, key, header={"kid": kid})),
                "signature")
    before = len(issuers.requests)
    invalid(server.get("/a", token("three", "rs256")), "issuer", "tenant")
    invalid(server.get("/a", token("..", "rs256")), "issuer")
    assert len(issuers.requests) == before


def test_anonymous_is_asked(server):
    """Nothing of the above lets anybody in without a token."""
    for path in ("/header", "/cookie", "/query", "/basic", "/named", "/scope"):
        anonymous(server.get(path), scope="nobody-has-it"
                  if path == "/scope" else None)
    assert server.get("/forward").status == 200


def test_trace_is_answered_before_authentication(one_server):
    """As documented: only TraceEnable keeps the token out of the response."""
    conf = issuer_conf() + location("/a")
    files, token = {"jwks.json": jwks("rs256")}, mint()
    on, off = (one_server(conf + "TraceEnable %s\n" % value, files=files)
               for value in ("On", "Off"))
    res = on.request("TRACE", "/a", token)
    assert res.status == 200 and token.encode() in res.body
    res = off.request("TRACE", "/a", token)
    assert res.status == 405 and token.encode() not in res.body
