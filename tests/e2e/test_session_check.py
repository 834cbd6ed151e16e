# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Session checks: a session service identifies the caller by a token or by its own
cookie. The service is scripted and records the requests that it gets."""
import hashlib
import json
import re
import subprocess
import threading
import time
import uuid

import pytest

from support import client, secrets, tokens
from support.expect import (anonymous, granted, invalid, issuer_conf, key_files,
                            location, refused)
from support.httpd import HTBEARER, HTTPD, SLOW, free_port, wait_until
from support.issuer import headers_of
from support.messages import (CLOSED, COMPRESSED, NOT_A_USER, NOT_JSON, NOTHING_LISTENS,
                              TOO_LARGE)
from support.service import SessionService

pytestmark = pytest.mark.allow_log("AB0724", "AB0735")


@pytest.fixture(scope="module")
def store():
    made = SessionService()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh(store):
    store.reset()


def secret(prefix="ory_st_"):
    text = prefix + uuid.uuid4().hex
    secrets.register(text)
    return text


def known(store, prefix="ory_st_", **answer):
    """A session that the service knows."""
    credential = secret(prefix)
    store.known[credential] = dict({"sub": "alice"}, **answer)
    return credential


def check(path, store, keys="", inside="", provider="session", require="valid-user",
          audience=None, url="/whoami"):
    return location(path, "AuthBearerProvider %s\nAuthBearerSessionCheck %s%s %s\n%s"
                    % (provider, store.url, url, keys, inside), require, audience)


#: What a place of the server is called, and the keys of its check.
PLACES = {
    "/plain": "",
    "/form": "send=form:token",
    "/form-put": "send=form:session method=PUT",
    "/header": "send=header:X-Session-Token",
    "/cookie": "cookies=sid,other",
    "/any-cookie": "send=cookie",
    "/get": "method=GET",
    "/post": "method=POST",
    "/path": "path=request",
    "/query": "query=request",
    "/query-token": ("query=request", "AuthBearerTokenFrom header query:access_token"),
    "/query-cookie": ("query=request cookies=sid",
                      "AuthBearerTokenFrom header query:access_token"),
    "/both": "path=request query=request",
    "/host": "host=request",
    "/headers": "headers=X-Tenant,Accept-Language",
    "/add": '"add=X-Api-Key: key one" add=X-Of:b:c',
    "/prefix": "prefix=ory_st_",
    "/kratos": "subject=identity.id extra=identity.traits",
    "/this": "extra=@this",
}


@pytest.fixture(scope="module")
def server(new_server, store, backend):
    conf = ""
    for path, keys in PLACES.items():
        keys, inside = (keys, "") if isinstance(keys, str) else keys
        conf += check(path, store, keys, inside, url="/whoami?from=conf")
    return new_server(conf, backend=backend)


def ask(server, store, path, method="GET", headers=(), body=b"", **answer):
    """A granted request with a known token, and the request that the service got."""
    token = known(store, **answer)
    res = granted(server.request(method, path, token, headers=headers, body=body),
                  None)
    assert store.count == 1, res
    return res, store.last, token


# --- the question --------------------------------------------------------------

@pytest.mark.core
def test_question(server, store):
    """A server without any issuer, and the defaults of every key."""
    res, asked, token = ask(server, store, "/plain/x?a=b")
    assert res.user == "alice"
    assert (asked.method, asked.path) == ("GET", "/whoami?from=conf")
    assert asked.header("Authorization") == "Bearer " + token
    assert asked.header("Host") == "127.0.0.1:%d" % store.port
    assert asked.header("Accept") == "application/json"
    assert asked.header("Cookie") is None
    assert asked.body == b""


def test_only_what_is_needed_is_sent(server, store):
    _, asked, _ = ask(server, store, "/plain", headers=[
        ("Cookie", "sid=1"), ("X-Forwarded-For", "192.0.2.1"), ("X-Tenant", "t"),
        ("User-Agent", "client"), ("Accept", "text/html"), ("Referer", "http://r/")])
    assert {n.lower() for n in asked.headers} == {
        "host", "user-agent", "accept", "authorization"}
    assert asked.header("User-Agent") != "client"


@pytest.mark.core
def test_send_form(server, store):
    _, asked, token = ask(server, store, "/form")
    assert asked.method == "POST"
    assert asked.body == b"token=" + token.encode()
    assert asked.header("Content-Type") == "application/x-www-form-urlencoded"
    assert asked.header("Authorization") is None


def test_send_form_is_encoded(server, store):
    token = secret("a+b/c~") + "=="
    store.known[token] = {"sub": "alice"}
    granted(server.get("/form-put", token))
    assert store.last.method == "PUT"
    assert store.last.form == {"session": token}
    assert b"a%2Bb%2Fc" in store.last.body


def test_send_header(server, store):
    _, asked, token = ask(server, store, "/header")
    assert asked.header("X-Session-Token") == token
    assert asked.header("Authorization") is None


@pytest.mark.core
def test_send_cookies(server, store):
    sid = known(store)
    res = granted(server.get("/cookie", headers=[
        ("Cookie", "x=1; sid=%s; theme=dark" % sid)]))
    assert store.last.header("Cookie") == "sid=" + sid
    assert store.last.header("Authorization") is None
    assert res.user == "alice"
    other = known(store)
    granted(server.get("/cookie", headers=[("Cookie", "other=%s; sid=%s" % (
        other, sid))]))
    assert store.last.header("Cookie") == "other=%s; sid=%s" % (other, sid)


@pytest.mark.core
def test_not_responsible_without_its_cookies(server, store):
    for fields in ([], [("Cookie", "x=1; Sid=2; sid=")]):
        anonymous(server.get("/cookie", headers=fields))
        assert server.wait_log("AB0002", "(sid, other)")
    res = invalid(server.get("/cookie", secret()), "issuer", "chain",
                  log=["sid", "other"])
    assert res.challenge["error"] == "invalid_token"
    assert store.count == 0


def test_send_any_cookie(server, store):
    sid = known(store)
    granted(server.get("/any-cookie", headers=[("Cookie", "x=1; sid=%s" % sid)]))
    assert store.last.header("Cookie") == "x=1; sid=" + sid
    anonymous(server.get("/any-cookie"))


@pytest.mark.core
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH",
                                    "OPTIONS", "REPORT"])
def test_method_same(server, store, method):
    """The client's method, without its body."""
    token = known(store)
    body = b"x" * 1000 if method in ("POST", "PUT", "PATCH") else b""
    server.request(method, "/plain/be/x" if method != "REPORT" else "/plain",
                   token, body=body)
    assert (store.last.method, store.last.body) == (method, b"")
    assert store.last.header("Content-Length") in (None, "0")
    assert store.last.header("Transfer-Encoding") is None


@pytest.mark.core
def test_head(server, store, backend):
    """HEAD has no answer to read; the application still gets HEAD."""
    token = known(store)
    res = granted(server.request("HEAD", "/plain/be/x", token), None)
    assert res.body == b""
    assert store.last.method == "GET"
    assert backend.requests[-1]["method"] == "HEAD"


@pytest.mark.core
def test_body_reaches_the_application(server, store):
    body = bytes(range(256)) * 300
    res, asked, _ = ask(server, store, "/plain/be/x?a=b", "POST", body=body)
    assert res.json()["method"] == "POST"
    assert res.json()["body"] == body.decode("latin-1")
    assert res.json()["path"] == "/plain/be/x?a=b"
    assert asked.body == b""


def test_chunked_body_reaches_the_application(server, store):
    token = known(store)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (
        b"a" * 5000, b"b" * 3, b"c" * 9000)) + b"0\r\n\r\n"
    res = granted(server.raw(
        b"POST /form/be/x HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + chunks), None)
    assert res.json()["body"] == "a" * 5000 + "bbb" + "c" * 9000


@pytest.mark.parametrize("path,client,sent", [
    ("/get", "POST", "GET"), ("/get", "GET", "GET"), ("/post", "GET", "POST"),
    ("/post", "HEAD", "POST")])
def test_method(server, store, path, client, sent):
    _, asked, _ = ask(server, store, path, client)
    assert asked.method == sent


@pytest.mark.parametrize("path,sent", [
    ("/path/x", "/path/x?from=conf"),
    ("/path/x?a=b", "/path/x?from=conf"),
    ("/path/a%20b%3Fc%23d", "/path/a%20b%3fc%23d?from=conf"),
    ("/path/./y/../x", "/path/x?from=conf"),
    ("/path//x", "/path/x?from=conf"),
    ("/query/x?a=b&c=%20d", "/whoami?a=b&c=%20d"),
    ("/query/x", "/whoami"),
    ("/both/x?a=b", "/both/x?a=b"),
    ("/both/x", "/both/x"),
    ("/plain/x?a=b", "/whoami?from=conf"),
])
def test_path_and_query(server, store, path, sent):
    token = known(store)
    server.get(path, token)
    assert store.last.path.lower() == sent.lower()
    assert store.last.header("Host") == "127.0.0.1:%d" % store.port


@pytest.mark.core
@pytest.mark.parametrize("query,sent", [
    ("access_token=%s", ""), ("a=1&access_token=%s&b=2", "a=1&b=2"),
    ("a=1&%%61ccess_token=%s", "a=1"), ("access_token=%s&Access_Token=x", "Access_Token=x"),
])
def test_a_token_in_the_query_leaves_only_as_the_credential(server, store, query, sent):
    """Not in the query: neither itself nor the mask that others see."""
    token = known(store)
    granted(server.get("/query-token/x?" + query % token))
    assert store.last.url.query == sent
    assert store.last.header("Authorization") == "Bearer " + token


def test_a_token_beside_the_cookie_does_not_leave(server, store):
    sid, token = known(store), secret()
    granted(server.get("/query-cookie/x?a=1&access_token=" + token, headers=[
        ("Cookie", "sid=" + sid)]))
    assert store.last.url.query == "a=1"
    assert store.last.header("Authorization") is None


@pytest.mark.parametrize("line", [
    b"GET http://evil.test/both/x?a=b HTTP/1.1",
    b"GET //evil.test/both/x HTTP/1.1",
    b"GET /both/@evil.test/x HTTP/1.1",
    b"GET /both/%2e/x HTTP/1.1",
])
def test_a_client_never_chooses_who_is_asked(server, store, line):
    token = known(store)
    server.raw(line + b"\r\nHost: server.test\r\nConnection: close\r\n"
               b"Authorization: Bearer " + token.encode() + b"\r\n\r\n")
    for asked in store.questions:
        assert asked.header("Host") == "127.0.0.1:%d" % store.port
        assert asked.path.startswith("/both/")


def test_long_query(server, store):
    token = known(store)
    granted(server.get("/both/x?" + "q" * 7000, token))
    assert store.last.url.query == "q" * 7000


def test_odd_bytes_in_the_query(server, store):
    token = known(store)
    res = server.raw(b"GET /both/x?a=\xc3\xa4 HTTP/1.1\r\nHost: server.test\r\n"
                     b"Connection: close\r\nAuthorization: Bearer "
                     + token.encode() + b"\r\n\r\n")
    if res.status != 400:  # httpd itself may refuse it
        granted(res)
        assert store.last.url.query == "a=%C3%A4"


def test_host(server, store):
    _, asked, _ = ask(server, store, "/host/x", headers=[
        ("Host", "api.example.test:8443")])
    assert asked.header("Host") == "api.example.test:8443"
    assert asked.header("X-Forwarded-Host") == "api.example.test:8443"
    assert asked.path == "/whoami?from=conf"


def test_headers(server, store):
    _, asked, _ = ask(server, store, "/headers", headers=[
        ("x-tenant", "t-1"), ("X-Other", "no"), ("X-Tenant", "t-2")])
    assert asked.header("X-Tenant") == "t-1, t-2"
    assert asked.header("X-Other") is None
    assert asked.header("Accept-Language") is None


def test_add(server, store):
    _, asked, _ = ask(server, store, "/add", headers=[("X-Api-Key", "client's")])
    assert asked.header("X-Api-Key") == "key one"
    assert asked.header("X-Of") == "b:c"


def test_prefix(server, store):
    _, asked, _ = ask(server, store, "/prefix")
    res = invalid(server.get("/prefix", known(store, prefix="other_")), "issuer",
                  "chain", log=["'ory_st_'", "prefix="])
    assert store.count == 1, res


# --- the principal ---------------------------------------------------------------

WHOAMI = {
    "id": "s-1", "active": True, "expires_at": "2038-01-19T03:14:07Z",
    "authenticated_at": "2026-01-01T00:00:00Z",
    "identity": {"id": "9f425a8d", "schema_id": "default",
                 "traits": {"email": "ann@example.com", "roles": ["admin", "dev"],
                            "name": {"first": "Ann"}}}}


@pytest.mark.core
def test_kratos(server, store):
    token = secret()
    store.known[token] = WHOAMI
    env = granted(server.get("/kratos/env", token), None).env
    assert env["REMOTE_USER"] == env["BEARER_CLAIM_sub"] == "9f425a8d"
    assert env["AUTH_TYPE"] == "Bearer"
    assert env["BEARER_METHOD"] == "session"
    assert env["BEARER_CLAIM_email"] == "ann@example.com"
    assert json.loads(env["BEARER_CLAIM_name"]) == {"first": "Ann"}
    assert env["BEARER_ROLES"] == "admin,dev"
    for name in ("BEARER_ISSUER", "BEARER_ISSUER_NAME", "BEARER_EXPIRES",
                 "BEARER_CLAIM_id", "BEARER_CLAIM_active"):
        assert name not in env


def test_extra(server, store):
    token = known(store, extra={"team": "a", "sub": "root"}, other=1)
    env = granted(server.get("/plain/env", token), None).env
    assert env["BEARER_CLAIM_team"] == "a"
    assert env["REMOTE_USER"] == env["BEARER_CLAIM_sub"] == "alice"
    assert "BEARER_CLAIM_other" not in env


def test_extra_is_the_whole(server, store):
    token = known(store, a=[1, 2], active=True)
    env = granted(server.get("/this/env", token), None).env
    assert env["BEARER_CLAIM_a"] == "1,2"
    assert env["BEARER_CLAIM_active"] == "true"


def test_require(new_server, store):
    server = new_server(
        check("/claim", store, require="claim team:a")
        + check("/role", store, require="role admin")
        + check("/scope", store, require="scope orders.read")
        + check("/issuer", store, require="issuer https://issuer.test/"))
    token = known(store, extra={"team": "a", "roles": ["admin"],
                                "scope": "orders.write"})
    granted(server.get("/claim", token))
    granted(server.get("/role", token))
    refused(server.get("/scope", token), 403, "insufficient_scope")
    refused(server.get("/issuer", token), 403)


# --- what an answer is worth -------------------------------------------------------

def answer(**over):
    out = {"sub": "alice"}
    out.update(over)
    return dict(body=json.dumps({k: v for k, v in out.items() if v is not None}))


DENIED = [("401", dict(status=401)), ("401-good", dict(status=401, **answer()))]


@pytest.mark.core
@pytest.mark.parametrize("name,script", DENIED, ids=[row[0] for row in DENIED])
def test_denied(server, store, name, script):
    token = known(store)
    store.script(**script)
    invalid(server.get("/plain", token), "inactive", "session_denied",
            log=[name[:3], re.compile("token [0-9a-f]{8}$")])
    store.script()
    granted(server.get("/plain", token))


@pytest.mark.core
@pytest.mark.parametrize("script", [dict(status=403), dict(status=403, **answer())])
def test_a_session_that_does_not_suffice(server, store, script):
    """Kratos answers 403 session_aal2_required: a second factor is missing."""
    sid = known(store)
    field = [("Cookie", "sid=" + sid)]
    store.script(**script)
    for path, token, headers, what in (("/plain", known(store), [], "token"),
                                       ("/cookie", None, field, "cookies")):
        res = refused(server.get(path, token, headers=headers), 403, None,
                      "session_insufficient", "session_insufficient",
                      log=["403", re.compile("%s [0-9a-f]{8}" % what)])
        assert res.logged("AB0062"), res
        assert res.get("WWW-Authenticate") is None
        assert res.get("Set-Cookie") is None
    store.script()
    granted(server.get("/cookie", headers=field))


def test_a_session_that_does_not_suffice_is_no_failure(new_server, store):
    """People reload the page before they have their code."""
    server = new_server(check("/t", store, "", "AuthBearerThrottle threshold=2 "
                              "window=60s penalty=60s"))
    store.script(status=403)
    for _ in range(6):
        refused(server.get("/t", known(store)), 403, None, "session_insufficient")
    store.script()
    granted(server.get("/t", known(store)))


UNAVAILABLE = [
    ("empty", dict(body=""), NOT_JSON),
    ("no-json", dict(body="<html>"), NOT_JSON),
    ("array", dict(body="[]"), NOT_JSON),
    ("duplicate", dict(body='{"sub": "alice", "sub": "bob"}'), NOT_JSON),
    ("latin-1", dict(body=b'{"sub": "\xe4"}'), NOT_JSON),
    ("deep", dict(body='{"sub": "alice", "x": %s}' % ("[" * 40 + "]" * 40)),
     NOT_JSON),
    ("no-subject", answer(sub=None), ["'sub'", "subject=", "AuthBearerSessionCheck"]),
    ("subject-number", answer(sub=7), ["'sub'", "subject=", "AuthBearerSessionCheck"]),
    ("subject-empty", answer(sub=""), ["'sub'", "subject=", "AuthBearerSessionCheck"]),
    ("subject-newline", answer(sub="a\nb"), ["'sub'", NOT_A_USER]),
    ("subject-comma", answer(sub="a,b"), ["'sub'", NOT_A_USER]),
    ("subject-bidi", answer(sub="a\u202eb"), ["'sub'", NOT_A_USER]),
    ("subject-nul", answer(sub="a\0b"), NOT_JSON),
    ("active-false", answer(active=False), "'active'"),
    ("active-string", answer(active="true"), "'active'"),
    ("active-number", answer(active=1), "'active'"),
    ("extra-string", answer(extra="x"), ["'extra'", "extra=", "AuthBearerSessionCheck"]),
    ("500", dict(status=500, **answer()), "500"),
    ("503", dict(status=503, **answer()), "503"),
    ("400", dict(status=400), ["400", "AuthBearerProvider"]),
    ("404", dict(status=404), ["404", "AuthBearerSessionCheck"]),
    ("405", dict(status=405), ["405", "method="]),
    ("302", dict(status=302, headers={"Location": "/moved"}, **answer()), "302"),
    ("307", dict(status=307, headers={"Location": "/moved"}, **answer()), "307"),
    ("204", dict(status=204, body="", headers={"Content-Length": None}),
     ["204", "200"]),
    ("201", dict(status=201, **answer()), ["201", "200"]),
    ("gzip", dict(headers={"Content-Encoding": "gzip"}, **answer()), COMPRESSED),
    ("cut", dict(cut=True), CLOSED),
]


@pytest.mark.parametrize("name,script,log", UNAVAILABLE,
                         ids=[row[0] for row in UNAVAILABLE])
def test_no_usable_answer(server, store, name, script, log):
    token = known(store)
    store.script(**script)
    res = refused(server.get("/plain", token), 503, None, "unavailable",
                  "session_check", log=log)
    assert res.get("WWW-Authenticate") is None
    assert store.count == 1  # no redirect was followed
    store.script()
    granted(server.get("/plain", token))  # nothing was kept, nothing was lost


def test_upper_bound_of_the_answer(server, store):
    text = json.dumps({"sub": "alice", "pad": ""})
    fits = text[:-2] + "x" * (64 * 1024 - len(text)) + text[-2:]
    assert len(fits) == 64 * 1024
    store.script(body=fits)
    granted(server.get("/plain", secret()))
    store.script(body=fits + " ")
    refused(server.get("/plain", secret()), 503, None, "unavailable",
            "session_check", log=TOO_LARGE)


@pytest.mark.core
@pytest.mark.parametrize("field,sent", [("17", "17"), (None, "5"), ("x", "5"),
                                        ("99999999", "86400")])
def test_limited_by_the_service(server, store, field, sent):
    token = known(store)
    store.script(status=429, headers={"Retry-After": field})
    res = refused(server.get("/plain", token), 429, None, "throttled",
                  "session_limit", log="ttl=")
    assert res.get("Retry-After") == sent
    store.script()
    granted(server.get("/plain", token))


@pytest.fixture(scope="module")
def impatient(new_server, store):
    return new_server("AuthBearerTimeout connect=200ms total=300ms\n"
                      + check("/", store))


def test_slow_answer(impatient, store):
    token = known(store)
    hold = threading.Event()
    store.script(hold=hold)
    refused(impatient.get("/", token), 503, None, "unavailable", "session_check",
            log="AuthBearerTimeout")
    store.script()
    hold.set()
    granted(impatient.get("/", token))


@pytest.mark.core
def test_service_down(new_server):
    class Nobody:
        url = "http://127.0.0.1:%d" % free_port()
    server = new_server(check("/", Nobody) + check("/cookie", Nobody, "cookies=a"))
    res = refused(server.get("/", secret()), 503, None, "unavailable",
                  "session_check", log=NOTHING_LISTENS)
    assert int(res.get("Retry-After")) >= 1
    refused(server.get("/cookie", headers=[("Cookie", "a=" + secret())]), 503, None,
            "unavailable", "session_check")


def test_nothing_is_asked_for_a_bad_request(server, store):
    token = secret()
    for raw in (b"Bearer a, Bearer b", b"Bearer ", b"Bearer a b"):
        res = server.raw(b"GET /plain HTTP/1.1\r\nHost: server.test\r\n"
                         b"Connection: close\r\nAuthorization: " + raw
                         + b"\r\n\r\n")
        refused(res, 400, "invalid_request")
    refused(server.get("/cookie", headers=[
        ("Cookie", "sid=" + token), ("Authorization", "Bearer a, Bearer b")]), 400,
        "invalid_request")
    anonymous(server.get("/plain"))
    assert store.count == 0


# --- cookies as credentials ----------------------------------------------------------

@pytest.fixture(scope="module")
def cookies(new_server, store, backend):
    return new_server(
        check("/strip", store, "cookies=sid,other")
        + check("/keep", store, "cookies=sid", "AuthBearerForward token identity")
        + check("/any", store, "send=cookie")
        + check("/ttl", store, "cookies=sid ttl=60s"),
        backend=backend)


@pytest.mark.core
def test_cookie_is_taken_away(cookies, store):
    """Whatever carried the credential does not reach the application."""
    sid = known(store)
    field = [("Cookie", "a=1; sid=%s; b=2" % sid)]
    headers = headers_of(granted(cookies.get("/strip/be/x", headers=field), None))
    assert headers["cookie"] == ["a=1; b=2"]
    assert headers["x-forwarded-user"] == ["alice"]
    env = granted(cookies.get("/strip/cgi", headers=field), None).env
    assert env["HTTP_COOKIE"] == "a=1; b=2"
    headers = headers_of(granted(cookies.get("/strip/be/x", headers=[
        ("Cookie", "sid=" + sid)]), None))
    assert "cookie" not in headers


def test_cookie_is_kept_with_forward_token(cookies, store):
    sid = known(store)
    headers = headers_of(granted(cookies.get("/keep/be/x", headers=[
        ("Cookie", "a=1; sid=%s" % sid)]), None))
    assert headers["cookie"] == ["a=1; sid=" + sid]
    assert "authorization" not in headers


def test_a_token_beside_the_cookie_is_not_passed_on(cookies, store):
    """Nobody has looked at it."""
    sid = known(store)
    headers = headers_of(granted(cookies.get("/keep/be/x", secret(), headers=[
        ("Cookie", "sid=" + sid)]), None))
    assert "authorization" not in headers


def test_cookies_without_names(cookies, store):
    sid = known(store)
    headers = headers_of(granted(cookies.get("/any/be/x", headers=[
        ("Cookie", "a=1; sid=%s" % sid)]), None))
    assert "cookie" not in headers


def test_refused_cookie_does_not_reach_an_error_document(new_server, store, backend):
    server = new_server("ErrorDocument 401 /be/error\n"
                        + check("/strip", store, "cookies=sid"), backend=backend)
    client.exchange(server.port, client.build("GET", "/strip", [
        ("Cookie", "sid=%s; a=1" % secret())]))
    seen = dict((n.lower(), v) for n, v in backend.requests[-1]["headers"])
    assert seen.get("cookie") == "a=1"


@pytest.mark.core
def test_cross_site(cookies, store):
    sid = known(store)
    field = ("Cookie", "sid=" + sid)
    foreign = [field, ("Origin", "https://evil.test")]
    res = refused(cookies.request("POST", "/strip/be/x", headers=foreign), 403,
                  None, "cross_site", "cross_site")
    assert store.count == 0, res
    refused(cookies.request("DELETE", "/strip/be/x", headers=[
        field, ("Sec-Fetch-Site", "cross-site")]), 403, None, "cross_site")
    granted(cookies.request("GET", "/strip/be/x", headers=foreign), None)
    granted(cookies.request("POST", "/strip/be/x", headers=[
        field, ("Origin", "http://server.test")]), None)


def test_cross_site_is_a_matter_of_cookies(server, store):
    granted(server.request("POST", "/plain/be/x", known(store), headers=[
        ("Origin", "https://other.test")]), None)


def test_session_over(cookies, store):
    sid = known(store)
    field = [("Cookie", "sid=" + sid)]
    granted(cookies.get("/strip", headers=field))
    del store.known[sid]
    invalid(cookies.get("/strip", headers=field), "inactive", "session_denied",
            log=re.compile("cookies [0-9a-f]{8}"))


def test_internal_redirect_and_subrequest(new_server, store):
    """The cookie is gone by then; who it was is not."""
    server = new_server(
        check("/a", store, "cookies=sid",
              "RewriteEngine On\nRewriteRule ^ /b/env [L]")
        + check("/b", store, "cookies=sid", "AuthBearerExport env env-prefix=C_"))
    sid = known(store)
    env = granted(server.get("/a", headers=[("Cookie", "sid=" + sid)]), None).env
    assert env["REMOTE_USER"] == "alice"
    assert env["C_sub"] == "alice"


def test_asked_once_in_a_request(new_server, store):
    """Also where an <If> wants to know before."""
    server = new_server(check("/", store, "cookies=sid") + """
<If "claim('team') == 'a'">
    Header set X-Team a
</If>
""")
    sid = known(store, extra={"team": "a"})
    res = granted(server.get("/", headers=[("Cookie", "sid=" + sid)]))
    assert res.get("X-Team") == "a"
    assert store.count == 1


# --- kept, limited, throttled -------------------------------------------------------------

def test_not_kept_by_default(server, store):
    token = known(store)
    for _ in range(3):
        granted(server.get("/plain", token))
    assert store.count == 3


@pytest.mark.core
def test_ttl(new_server, store):
    server = new_server(check("/", store, "ttl=60s path=request")
                        + check("/short", store, "ttl=300ms"), children=2)
    token, other = known(store), known(store, sub="bob")
    store.known[other]["sub"] = "bob"
    for _ in range(8):
        granted(server.get("/x", token))
    assert store.count == 1
    granted(server.get("/y", token))       # path=request: another question
    granted(server.get("/x", other), "bob")
    assert store.count == 3
    granted(server.get("/short", token))
    granted(server.get("/short", token))
    count = store.count
    end = time.monotonic() + 10
    while store.count == count and time.monotonic() < end:
        granted(server.get("/short", token))
    assert store.count == count + 1


def test_ttl_by_cookie(cookies, store):
    sid = known(store)
    for noise in "abc":
        granted(cookies.get("/ttl", headers=[("Cookie", "n=%s; sid=%s" % (
            noise, sid))]))
    assert store.count == 1


def test_refusals_are_not_kept(cookies, store):
    sid = secret()
    field = [("Cookie", "sid=" + sid)]
    invalid(cookies.get("/ttl", headers=field), "inactive", "session_denied")
    store.known[sid] = {"sub": "alice"}
    granted(cookies.get("/ttl", headers=field))


def test_each_place_judges_for_itself(new_server, store):
    server = new_server(check("/a", store, "ttl=60s")
                        + check("/b", store, "ttl=60s subject=extra.name"))
    token = known(store, extra={"name": "al"})
    granted(server.get("/a", token), "alice")
    granted(server.get("/b", token), "al")
    granted(server.get("/a", token), "alice")


def _at_once(n, call):
    results = []
    threads = [threading.Thread(target=lambda: results.append(call()))
               for _ in range(n)]
    for t in threads:
        t.start()
    return threads, results


def test_one_flight(server, store):
    """The same question at once is one."""
    token = known(store)
    hold = threading.Event()
    store.script(hold=hold)
    threads, results = _at_once(4, lambda: server.get("/plain", token))
    end = time.monotonic() + 10
    while not store.count and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.3)
    hold.set()
    for t in threads:
        t.join()
    assert [r.status for r in results] == [200] * 4
    assert store.count == 1


@pytest.mark.core
def test_cap_on_waiting_workers(new_server, store):
    """A service that does not answer does not occupy every worker."""
    server = new_server("AuthBearerTimeout connect=5s total=20s\n"
                        + check("/slow", store) + '<Location "/free">\n'
                        "Require all granted\n</Location>\n")
    hold = threading.Event()
    known_tokens = [known(store) for _ in range(12)]
    store.script(hold=hold)
    queue = list(known_tokens)
    threads, results = _at_once(12, lambda: server.get("/slow", queue.pop()))
    wait_until(lambda: results, 15, "an answer")
    assert server.get("/free").status == 200
    early = list(results)
    hold.set()
    for t in threads:
        t.join()
    assert early and all(r.status == 503 for r in early)
    assert server.wait_log("AB0252", store.url, "AuthBearerTimeout total=")
    assert 200 in [r.status for r in results]


def test_throttle(new_server, store):
    server = new_server(check("/t", store, "", "AuthBearerThrottle threshold=3 "
                              "window=60s penalty=60s")
                        + check("/c", store, "cookies=sid", "AuthBearerThrottle "
                                "threshold=3 window=60s penalty=60s"))
    good = known(store)
    stale = [("Cookie", "sid=" + secret())]
    for _ in range(5):  # the same one again: once
        invalid(server.get("/c", headers=stale), "inactive", "session_denied")
    invalid(server.get("/t", secret()), "inactive", "session_denied")
    invalid(server.get("/t", secret()), "inactive", "session_denied")
    count = store.count
    refused(server.get("/t", good), 429, None, "throttled", "throttled")
    refused(server.get("/c", headers=[("Cookie", "sid=" + good)]), 429, None,
            "throttled", "throttled")
    assert store.count == count


def test_what_stands_beside_the_cookie_stays_here(new_server, store, backend):
    """A password that nobody looked at is not what the application is to see."""
    server = new_server(check("/c", store, "cookies=sid",
                              "AuthBearerForward identity token"), backend=backend)
    for value in ("Basic YWxpY2U6eA==", "Bearer a.b.c", "Other x"):
        seen = headers_of(granted(server.get("/c/be/1", headers=[
            ("Cookie", "sid=" + known(store)), ("Authorization", value)])))
        assert seen["x-forwarded-user"] == ["alice"]
        assert "authorization" not in seen, value


@pytest.mark.core
@pytest.mark.parametrize("keys", ["", "cookies=sid"])
def test_a_refusal_that_the_next_login_undoes(new_server, store, keys):
    """A throttle remembers refused tokens; but a service that refuses now may have
    signed the same cookie in tomorrow."""
    server = new_server(check("/t", store, keys, "AuthBearerThrottle threshold=20"))
    credential = secret()
    fields = [("Cookie", "sid=" + credential)] if keys \
        else [("Authorization", "Bearer " + credential)]
    for n in (1, 2):
        invalid(server.get("/t", headers=fields), "inactive", "session_denied")
        assert store.count == n
    store.known[credential] = {"sub": "alice"}
    granted(server.get("/t", headers=fields))


# --- several checks at one place ----------------------------------------------------------

def lines(store, *keys):
    """AuthBearerSessionCheck lines; which of them asked is seen by the path."""
    return "".join("AuthBearerSessionCheck %s/whoami/%d %s\n" % (store.url, n, one)
                   for n, one in enumerate(keys))


def several(path, store, *keys, inside="", provider="session"):
    return location(path, "AuthBearerProvider %s\n%s%s" % (
        provider, lines(store, *keys), inside), audience=None)


@pytest.fixture(scope="module")
def both(new_server, store, backend):
    """Oathkeeper's cookie_session plus bearer_token, of one store at one place."""
    return new_server(
        several("/both", store, "cookies=sid", "prefix=ory_st_", "send=header:X-Other",
                inside="AuthBearerForward token identity")
        + '<Location "/both/inner">\n%s</Location>\n' % lines(store, "cookies=other")
        + several("/token-first", store, "prefix=ory_st_", "cookies=sid")
        + several("/two", store, "cookies=one subject=extra.name", "cookies=two",
                  inside="AuthBearerForward token"), backend=backend)


@pytest.mark.core
def test_cookie_and_token_of_one_store(both, store):
    sid, token, other = known(store), known(store), known(store, prefix="x_")
    field = [("Cookie", "sid=" + sid)]
    granted(both.get("/both", headers=field))
    assert (store.last.path, store.last.header("Cookie")) == ("/whoami/0", "sid=" + sid)
    assert store.last.header("Authorization") is None
    granted(both.get("/both", token))
    assert (store.last.path, store.last.header("Authorization")) == (
        "/whoami/1", "Bearer " + token)
    assert store.last.header("Cookie") is None
    granted(both.get("/both", other))
    assert (store.last.path, store.last.header("X-Other")) == ("/whoami/2", other)
    assert store.count == 3


def test_the_first_that_is_responsible_decides(both, store):
    """An answer is final: the next check is not asked."""
    sid, token = known(store), known(store)
    stale = [("Cookie", "sid=" + secret())]
    invalid(both.get("/both", token, headers=stale), "inactive", "session_denied",
            log=re.compile("cookies [0-9a-f]{8}"))
    assert [q.path for q in store.questions] == ["/whoami/0"]
    store.reset()
    granted(both.get("/token-first", token, headers=stale))
    invalid(both.get("/token-first", secret(), headers=[("Cookie", "sid=" + sid)]),
            "inactive", "session_denied", log=re.compile("token [0-9a-f]{8}$"))
    assert [q.path for q in store.questions] == ["/whoami/0"] * 2
    granted(both.get("/token-first", headers=[("Cookie", "sid=" + sid)]))
    assert store.last.path == "/whoami/1"


def test_nobody_is_responsible(both, store):
    anonymous(both.get("/token-first"))
    assert both.wait_log("AB0002", "(sid)")
    anonymous(both.get("/two", headers=[("Cookie", "sid=1")]))
    assert both.wait_log("AB0002", "(one, two)")
    invalid(both.get("/token-first", secret("x_")), "issuer", "chain",
            log=["'ory_st_'", "(sid)"])
    assert store.count == 0


def test_the_checks_of_an_inner_section_replace_the_outer_ones(both, store):
    sid = known(store)
    anonymous(both.get("/both/inner", headers=[("Cookie", "sid=" + sid)]))
    granted(both.get("/both/inner", headers=[("Cookie", "other=" + sid)]))
    assert [q.path for q in store.questions] == ["/whoami/0"]


@pytest.mark.core
def test_each_check_has_its_own_keys_and_cookies(both, store):
    """Only the cookie that was looked at reaches the application."""
    one, two = known(store, extra={"name": "al"}), known(store)
    seen = headers_of(granted(both.get("/two/be/x", headers=[
        ("Cookie", "a=1; two=%s; one=%s" % (two, one))]), None))
    assert seen["cookie"] == ["a=1; one=" + one]
    assert store.last.header("Cookie") == "one=" + one
    env = granted(both.get("/two/env", headers=[("Cookie", "one=" + one)]), None).env
    assert env["REMOTE_USER"] == "al"
    seen = headers_of(granted(both.get("/two/be/x", headers=[
        ("Cookie", "a=1; two=" + two)]), None))
    assert seen["cookie"] == ["a=1; two=" + two]
    seen = headers_of(granted(both.get("/both/be/x", known(store), headers=[
        ("Cookie", "a=1; other=2")]), None))
    assert seen["cookie"] == ["a=1; other=2"]


def test_cookies_of_no_check_that_was_asked_are_taken_away(both, store):
    seen = headers_of(granted(both.get("/token-first/be/x", known(store), headers=[
        ("Cookie", "a=1; sid=" + secret())]), None))
    assert seen["cookie"] == ["a=1"]


def test_dump_of_several(checker):
    done = checker(several("/a", At, "cookies=a", "prefix=b"), "-D", "DUMP_BEARER")
    found = re.findall(r"(?m)^    AuthBearerSessionCheck (\S+) .*(cookies|prefix)=", done.output)
    assert found == [("https://store.test/whoami/0", "cookies"),
                     ("https://store.test/whoami/1", "prefix")], done


@pytest.mark.parametrize("first,second", [
    ("", "prefix=x"), ("", ""), ("prefix=x", "prefix=xy"), ("cookies=a,b", "cookies=b"),
    ("send=cookie", "cookies=a")])
def test_a_check_that_is_never_used(checker, first, second):
    done = checker(several("/a", At, first, second))
    assert done.status != 0, done
    assert done.says("AB0730", "/whoami/1"), done
    done = checker(several("/a", At, second, first) if first != second
                   else several("/a", At, first))
    assert done.status == 0, done


# --- the chain ---------------------------------------------------------------------------

@pytest.fixture(scope="module")
def issuer(issuers):
    return issuers.issuer("beside-a-store", "rs256")


@pytest.fixture(scope="module")
def chain(new_server, store, issuer, backend):
    """jwt, introspection and session in every order, and the chain of Oathkeeper's
    rules: cookie_session, jwt, anonymous."""
    conf = """
<AuthBearerIssuer "%s" main>
    AuthBearerKeys %s
    AuthBearerIntrospection %s
    AuthBearerClientAuth none
    AuthBearerTokenPrefix ory_at_
</AuthBearerIssuer>
""" % (issuer.url, issuer.jwks_url, issuer.introspect_url)
    for order in ORDERS:
        conf += check("/" + order.replace(" ", "-"), store, "prefix=ory_st_",
                      provider=order, audience="api://test")
    for order in ("session jwt", "jwt session"):
        conf += check("/cookie-" + order.replace(" ", "-"), store, "cookies=sid",
                      provider=order, audience="api://test")
    conf += check("/passed-on", store, "cookies=sid", "AuthBearerForward token",
                  "jwt session", audience="api://test")
    conf += check("/rules", store, "cookies=sid", "AuthBearerOptional On",
                  "session jwt", "all granted", "api://test")
    return new_server(conf, backend=backend)


ORDERS = ["jwt introspection session", "jwt session introspection",
          "session jwt introspection", "session introspection jwt",
          "introspection session jwt", "introspection jwt session"]


def opaque(issuer):
    token = secret("ory_at_")
    issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test",
                            "client_id": "client-1"}
    return token


@pytest.mark.core
@pytest.mark.parametrize("order", ORDERS)
def test_any_order(chain, store, issuer, order):
    issuer.reset()
    path = "/" + order.replace(" ", "-") + "/env"
    seen = [granted(chain.get(path, token), None).env["BEARER_METHOD"]
            for token in (issuer.mint(), opaque(issuer), known(store))]
    assert seen == ["jwt", "introspection", "session"]
    assert (store.count, issuer.count("introspect")) == (1, 1)
    store.reset()
    invalid(chain.get(path, secret("nobody_")), "issuer", "chain")
    assert (store.count, issuer.count("introspect")) == (0, 1)


def test_denied_is_final(chain, store, issuer):
    """What one provider has refused is not shown to the next."""
    issuer.reset()
    path = "/jwt-introspection-session"
    invalid(chain.get(path, issuer.mint(aud="api://other")), "audience", "aud")
    invalid(chain.get(path, secret("ory_at_")), "inactive", "inactive")
    assert store.count == 0
    invalid(chain.get("/session-jwt-introspection", secret()), "inactive",
            "session_denied")
    assert issuer.count("introspect") == 1


@pytest.mark.core
def test_cookie_session_then_jwt(chain, store, issuer):
    """The chain of Oathkeeper's rules, side by side on one location."""
    sid, path = known(store), "/cookie-session-jwt/env"
    by_cookie = granted(chain.get(path, headers=[("Cookie", "sid=" + sid)]),
                        None).env
    by_token = granted(chain.get(path, issuer.mint()), None).env
    assert by_cookie["REMOTE_USER"] == by_token["REMOTE_USER"] == "alice"
    assert (by_cookie["BEARER_METHOD"], by_token["BEARER_METHOD"]) == (
        "session", "jwt")
    anonymous(chain.get(path))
    invalid(chain.get(path, headers=[("Cookie", "sid=" + secret())]), "inactive",
            "session_denied")


@pytest.mark.core
def test_the_chain_decides_when_there_are_two(chain, store, issuer):
    """Also for a token that was verified before."""
    token, both = issuer.mint(sub="bob"), known(store)
    field = [("Cookie", "sid=" + both)]
    for _ in range(3):
        granted(chain.get("/cookie-session-jwt", token, headers=field), "alice")
        granted(chain.get("/cookie-session-jwt", token), "bob")
        granted(chain.get("/cookie-jwt-session", token, headers=field), "bob")
    assert store.count == 3


def test_a_cookie_beside_the_token_is_not_passed_on(chain, store, issuer):
    """Nobody has looked at it."""
    headers = headers_of(granted(chain.get(
        "/passed-on/be/x", issuer.mint(), headers=[("Cookie", "a=1; sid=%s"
                                                    % known(store))]), None))
    assert headers["cookie"] == ["a=1"]
    assert headers["authorization"]
    assert store.count == 0


@pytest.mark.core
def test_anonymous_at_the_end(chain, store, issuer):
    env = granted(chain.get("/rules/env"), None).env
    assert env["BEARER_METHOD"] == "anonymous"
    assert "REMOTE_USER" not in env
    granted(chain.get("/rules", headers=[("Cookie", "sid=" + known(store))]))
    granted(chain.get("/rules", issuer.mint()))
    invalid(chain.get("/rules", headers=[("Cookie", "sid=" + secret())]),
            "inactive", "session_denied")
    invalid(chain.get("/rules", secret()), "issuer", "chain")


def test_issuer_and_service_can_be_distinguished(new_server, store):
    server = new_server(issuer_conf() + check(
        "/", store, "prefix=ory_st_", 'AuthBearerUserFormat "%u@%i"',
        "session jwt", audience="api://test"), files=key_files())
    granted(server.get("/", known(store)), "alice@session")
    granted(server.get("/", tokens.mint()), "alice@main")


def test_revocation_list(new_server, store):
    """What is on the list is not asked about; a list that cannot be read closes."""
    token, other = known(store), known(store)
    line = hashlib.sha256(token.encode()).hexdigest()
    server = new_server('AuthBearerRevocations "file:@ROOT@/revoked"\n'
                        + check("/", store) + check("/c", store, "cookies=sid"),
                        files={"revoked": "token %s 4102444800\n" % line})
    invalid(server.get("/", token), "revoked", "revoked")
    assert store.count == 0
    granted(server.get("/", other))
    granted(server.get("/c", headers=[("Cookie", "sid=" + other)]))


def test_explain(new_server, store, issuer):
    server = new_server(check("/a", store) + check("/c", store, "cookies=sid"))

    def explain(token, path, *options):
        done = subprocess.run(
            [HTBEARER, "explain", "-f", server.path("httpd.conf"), "--httpd", HTTPD,
             *options, path], input=token.encode(), capture_output=True,
            timeout=90 * SLOW)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    status, out, err = explain(known(store), "/a")
    assert status == 0, (out, err)
    assert re.search(r"(?m)^ +session service +passed$", out), out
    assert "requesting" in err and "/whoami" in err
    assert "not reached" not in out and "method: session" in out
    status, out, err = explain(secret(), "/a")
    assert status == 1 and "session service FAILED" in out, out
    assert "directive: AuthBearerSessionCheck" in out and "answered 401" in out
    count = store.count
    status, out, err = explain(secret(), "/a", "--offline")
    assert status == 1 and "offline" in out
    status, out, err = explain(secret(), "/c")
    assert status == 1 and "needs one of the cookies (sid)" in out, out
    assert store.count == count


def test_status_page(new_server, store):
    """A server without any issuer shows its counters, too."""
    server = new_server(check("/", store) + """
<Location "/status">
    AuthType None
    Require all granted
    SetHandler bearer-status
</Location>
""")
    granted(server.get("/", known(store)))
    assert server.get("/status?format=json").json()["issuers"] == []
    assert "<html" in server.get("/status").text
    assert "bearer" in server.get("/status?format=prometheus").text


# --- configuration --------------------------------------------------------------------------

class At:
    url = "https://store.test"


MISTAKES = [
    # the configuration of the report that this module grew out of
    ("introspection-endpoint", "AuthBearerSessionCheck "
     "http://hydra:4445/admin/oauth2/introspect method=POST subject=sub extra=@this",
     ["AB0602", "AuthBearerProvider",
      "AuthBearerIntrospection http://hydra:4445/admin/oauth2/introspect"]),
    ("plain-http", "AuthBearerSessionCheck http://kratos:4433/sessions/whoami "
     "subject=identity.id", ["AB0731", "kratos", "AuthBearerPlainHTTP"]),
    ("subject-from", "AuthBearerSessionCheck https://h.test/w subject_from=sub",
     ["AB0602", "subject_from", "subject="]),
    ("token-from", "AuthBearerSessionCheck https://h.test/w token_from=x",
     ["AB0602", "AuthBearerTokenFrom"]),
    ("unknown-key", "AuthBearerSessionCheck https://h.test/w color=red",
     ["AB0602", "'color=red'", "send=", "cookies=", "prefix="]),
    ("no-url", "AuthBearerSessionCheck send=cookie", ["AB0602", "'send=cookie'"]),
    ("ttl", "AuthBearerSessionCheck https://h.test/w ttl=soon", ["AB0504",
                                                                 "AuthBearerSessionCheck",
                                                                 "'soon'"]),
    ("ttl-twice", "AuthBearerSessionCheck https://h.test/w ttl=1s ttl=2s",
     ["AB0601", "ttl="]),
    ("no-check", "", ["AB0723", "AuthBearerProvider", "AuthBearerSessionCheck"]),
    ("bearer-token", "AuthBearerProvider bearer_token", ["AB0581",
                                                         "AuthBearerSessionCheck"]),
    ("cookie-session", "AuthBearerProvider cookie_session jwt", ["AB0581", "cookies="]),
    ("oauth2-introspection", "AuthBearerProvider oauth2_introspection",
     ["AB0581", "AuthBearerIntrospection"]),
    ("anonymous", "AuthBearerProvider jwt anonymous", ["AB0581", "anonymous",
                                                       "AuthBearerOptional"]),
]


@pytest.mark.parametrize("name,line,words", MISTAKES,
                         ids=[row[0] for row in MISTAKES])
def test_mistakes(checker, name, line, words):
    if not line.startswith("AuthBearerProvider"):
        line = "AuthBearerProvider session\n" + line
    done = checker(location("/a", line, audience=None))
    assert done.status != 0
    assert done.says(*words), (words, done)
    assert "httpd.conf" in done.output, done


def test_no_audience_and_no_issuer_is_needed(checker):
    done = checker(check("/a", At))
    assert done.status == 0, done
    assert "Syntax OK" in done.output and "auth_bearer" not in done.output, done


@pytest.mark.parametrize("line,words", [
    (check("/a", At, provider="session jwt"), ["AB0724", "AuthBearerSessionCheck"]),
    (check("/a", At, provider="jwt session"), ["AB0726", "AuthBearerProvider"]),
    (check("/a", At, "subject=identity.traits.email"),
     ["AB0734", "subject=identity.traits.email", "subject=identity.id"]),
    (check("/a", At, url="/sessions/whoami"), ["AB0733", "subject=identity.id"]),
    (check("/a", At, "send=form:token", url="/introspect"),
     ["AB0732", "AuthBearerProvider introspection"]),
    (check("/a", At, "send=cookie"), ["AB0735", "send=cookie", "cookies=a,b"]),
    (issuer_conf() + check("/a", At, provider="jwt", audience="x"),
     ["AB0725", "AuthBearerSessionCheck", "AuthBearerProvider"]),
])
def test_warnings(checker, line, words):
    done = checker(line, files=key_files())
    assert done.status == 0, done
    assert done.says(*words), (words, done)


def test_check_of_an_outer_section(checker):
    conf = check("/a", At) + location("/a/b", "AuthBearerProvider session",
                                      audience=None)
    assert checker(conf).status == 0


def test_issuer_of_the_seed_by_plain_http(checker):
    done = checker("AuthBearerPlainHTTP kratos\n" + location(
        "/a", "AuthBearerProvider session\nAuthBearerSessionCheck "
        "http://kratos:4433/sessions/whoami cookies=ory_kratos_session "
        "subject=identity.id extra=identity.traits", audience=None))
    assert done.status == 0, done
    assert done.says("AB0769", "kratos"), done


def test_dump(checker):
    done = checker(check("/a", At, "cookies=a add=X-Key:hunter2"), "-D",
                   "DUMP_BEARER")
    assert ("AuthBearerSessionCheck https://store.test/whoami cookies=a "
            "method=same path=url query=url host=url add=X-Key:*** subject=sub "
            "extra=extra ttl=0s") in done.output, done
    assert "hunter2" not in done.output


@pytest.mark.core
@pytest.mark.allow_log("AB0060 AuthBearerSessionCheck")
def test_a_provider_without_a_service_is_not_open(new_server, store):
    """What only .htaccess shows is a 500 at the request."""
    server = new_server("""
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
</Directory>
""" + check("/elsewhere", store), files={
        "htdocs/files/.htaccess": "AuthType Bearer\nAuthBearerProvider session\n"
                                  "Require valid-user\n",
        "htdocs/files/x.txt": "x\n"})
    refused(server.get("/files/x.txt", secret()), 500)
    assert store.count == 0
