# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The table of results: situation -> status, challenge, environment, log.

Situations that need a session or a throttle have files of their own.
"""
import re
import time

import pytest

from support.expect import (anonymous, granted, invalid, issuer_conf,
                            key_files, location, refused)
from support.tokens import claims, compact, digest8, mint

pytestmark = [pytest.mark.core, pytest.mark.allow_log("AB0205 /t/dead", "AB0729")]
NOW = int(time.time())


@pytest.fixture(scope="module")
def dead(issuers):
    issuer = issuers.issuer("dead")
    for kind in issuer.KINDS:
        issuer.script(kind, status=500, body="down")
    return issuer


@pytest.fixture(scope="module")
def server(new_server, dead, backend):
    return new_server(issuer_conf() + """
<AuthBearerIssuer "%s" dead>
</AuthBearerIssuer>
AuthBearerUserFormat %%u
""" % dead.url
        + location("/any")
        + location("/two", require="scope orders.read orders.write")
        + location("/scopes", require="scope orders.read\n"
                   "Require scope orders.admin")
        + location("/all", require=None, inside="<RequireAll>\n"
                   "Require scope a\nRequire scope b\nRequire scope c\n"
                   "</RequireAll>")
        + location("/scopeclaim", require="claim scope:orders.admin")
        + location("/scpclaim", require="claim scp:orders.admin")
        + location("/role", require="role admin")
        + location("/claim", require="claim email:a@b.c")
        + location("/user", require="user bob")
        + location("/mixed", require="role admin\nRequire scope orders.admin")
        + location("/bare", "AuthBearerChallenge Off", "scope orders.read")
        + location("/more", "AuthBearerChallenge On "
                   "authorization_uri=https://idp.example/a?b=c,d "
                   '"service=a \\"b\\" \\\\c"', "scope orders.read")
        + location("/more/inside", "AuthBearerChallenge On")
        + location("/bare-more", "AuthBearerChallenge Off service=x")
        + location("/query", "AuthBearerTokenFrom header query:token")
        + location("/clients", "AuthBearerClients client-1 client-2")
        + location("/optional", "AuthBearerOptional On", "all granted")
        + location("/page", "ErrorDocument 401 /err/env\n"
                   "ErrorDocument 403 /err/env\nErrorDocument 400 /err/env",
                   "scope orders.admin")
        + """
<Location "/unnamed">
    AuthType Bearer
    AuthBearerAudience api://test
    Require valid-user
</Location>
<Location "/quoted">
    AuthType Bearer
    AuthName "a \\"quoted\\" realm"
    AuthBearerAudience api://test
    Require valid-user
</Location>
<Location "/free">
    Require all granted
</Location>
""", files=key_files("rs256"), backend=backend)


def broken_signature():
    return mint()[:-8] + "AAAAAAAA"


ROWS = [
    # name, path, token, status, error, category, check, log
    ("malformed", "/any", lambda: "eyJhbGciOiJSUzI1NiJ9.e30", 401,
     "invalid_token", None, None, None),
    ("not-json", "/any", lambda: compact({"alg": "RS256", "kid": "rs256"},
                                         "{", b"x" * 256),
     401, "invalid_token", "malformed", "json", None),
    ("algorithm", "/any", lambda: mint(alg="RS256", header={"alg": "HS256"}),
     401, "invalid_token", "algorithm", "alg", "AuthBearerAlgorithms"),
    ("key", "/any", lambda: mint("rs256-stranger"), 401, "invalid_token",
     "key", None, "rs256-stranger"),
    ("signature", "/any", broken_signature, 401, "invalid_token", "signature",
     "signature", "signature"),
    ("issuer", "/any", lambda: mint(iss="https://evil.test/"), 401,
     "invalid_token", "issuer", None, "https://evil.test/"),
    ("type", "/any", lambda: mint(nonce="n", scope=None), 401, "invalid_token", "type",
     None, "nonce"),
    ("client", "/clients", lambda: mint(client_id="other"), 401,
     "invalid_token", "client", "clients", ["'other'", "AuthBearerClients"]),
    ("identifier", "/any", lambda: mint(sub="a,b"), 401, "invalid_token",
     "identifier", None, "AuthBearerUserChars"),
    ("expired", "/any", lambda: mint(exp=NOW - 7200, iat=NOW - 9000), 401,
     "invalid_token", "expired", "exp", "AuthBearerClockSkew"),
    ("not-yet", "/any", lambda: mint(nbf=NOW + 7200), 401, "invalid_token",
     "not_yet_valid", "nbf", "nbf"),
    ("age", "/any", lambda: mint(iat=NOW - 200000), 401, "invalid_token",
     "age", "age", "AuthBearerMaxTokenAge"),
    ("audience", "/any", lambda: mint(aud="account"), 401, "invalid_token",
     "audience", "aud",
     ["'account'", "AuthBearerAudience", "(api://test)"]),
    ("opaque", "/any", lambda: "opaque-token-of-nobody", 401, "invalid_token",
     "malformed", "segments", None),
    ("junk", "/any", lambda: "a.b.c", 401, "invalid_token", "malformed",
     "segments", None),
    ("junk-dots", "/any", lambda: "....", 401, "invalid_token", "malformed",
     "segments", None),
    ("junk-base64url", "/any", lambda: "Zm9v.Zm9v.Zm9v", 401, "invalid_token",
     "malformed", "segments", None),
    ("scope", "/two", lambda: mint(scope="x"), 403, "insufficient_scope",
     "scope", "scope", "orders.read"),
    ("scope-none", "/two", lambda: mint(scope=None), 403,
     "insufficient_scope", "scope", "scope", None),
    ("scope-claim", "/scopeclaim", mint, 403, "insufficient_scope", "scope",
     "scope", None),
    ("scope-claim-scp", "/scpclaim", mint, 403, "insufficient_scope", "scope",
     "scope", None),
    ("role", "/role", mint, 403, None, "require", "require", "admin"),
    ("claim", "/claim", mint, 403, None, "require", "require", "email"),
    ("user", "/user", mint, 403, None, "require", "require", None),
    ("unavailable", "/any", None, 503, None, "unavailable", "keys", None),
]


@pytest.mark.parametrize(
    "name,path,make,status,error,category,check,log", ROWS,
    ids=[row[0] for row in ROWS])
def test_row(server, dead, name, path, make, status, error, category, check,
             log):
    token = make() if make else dead.mint()
    res = refused(server.get(path, token), status, error, category, check, log)
    assert [line for line in res.log if line.module == "auth_bearer"
            and line.level == "info"], res
    # The same for a HEAD and for a proxied POST.
    refused(server.request("HEAD", path, token), status, error, category,
            check)
    refused(server.request("POST", path + "/be", token, body=b"x"), status,
            error, category, check)


def test_no_credential(server):
    res = anonymous(server.get("/any"))
    assert res.challenge == {"realm": "test"}
    assert (res.error, res.check) == ("no_credential", "no_credential")


def test_no_credential_names_scopes(server):
    anonymous(server.get("/two"), scope="orders.read orders.write")
    anonymous(server.get("/all"), scope="a b c")


def test_realms(server):
    assert server.get("/unnamed").challenge == {"realm": "server.test"}
    assert server.get("/unnamed", headers={"Host": "mine.test"}).challenge == {
        "realm": "server.test"}, "not what the client calls it"
    assert server.get("/quoted").challenge == {
        "realm": 'a "quoted" realm'}


def test_all_unmet_scopes_at_once(server):
    refused(server.get("/all", mint(scope="b")), 403, "insufficient_scope",
            scope="a c")
    refused(server.get("/all", mint(scope="x")), 403, "insufficient_scope",
            scope="a b c")
    granted(server.get("/all", mint(scope="c b a")))


def test_other_requirements_need_no_scope_challenge(server):
    refused(server.get("/role", mint(scope="orders.admin")), 403)


def test_scope_that_would_have_helped(server):
    """Either line would do: the scope is worth telling."""
    refused(server.get("/mixed", mint()), 403, "insufficient_scope",
            scope="orders.admin")


def test_challenge_off(server):
    for token in (None, mint(scope="x"), broken_signature()):
        res = server.get("/bare", token)
        if res.status == 401:
            assert res.challenge == {"realm": "test"}
        else:
            assert res.status == 403
            assert res.challenge in (None, {"realm": "test"})


def test_challenge_with_parameters_of_ones_own(server):
    more = {"authorization_uri": "https://idp.example/a?b=c,d",
            "service": 'a "b" \\c'}
    res = anonymous(server.get("/more"), scope="orders.read")
    assert res.challenge == {"realm": "test", "scope": "orders.read", **more}
    for token, status in ((mint(scope="x"), 403), (broken_signature(), 401), ("{", 400)):
        res = server.get("/more", token)
        assert res.status == status and res.challenge["error"]
        assert res.challenge.items() >= more.items(), res
    assert not granted(server.get("/more", mint())).challenges
    assert server.get("/more/inside").challenge == {"realm": "test"}
    assert server.get("/bare-more").challenge == {"realm": "test"}


def test_description_does_not_say_more_than_the_category(server):
    seen = {}
    for _, path, make, status, error, category, _, _ in ROWS:
        if error and make:
            res = server.get(path, make())
            seen.setdefault(res.error, set()).add(
                res.challenge.get("error_description"))
    assert seen
    assert all(len(texts) == 1 and None not in texts for texts in seen.values()), seen


def test_cors_can_read_the_challenge(server, dead):
    for path, token in (("/any", None), ("/any", "x"), ("/two", mint(scope="")),
                        ("/any", "{bad")):
        res = server.get(path, token, headers={"Origin": "https://app.test"})
        assert res.status >= 400
        exposed = ",".join(res.all("Access-Control-Expose-Headers"))
        assert "www-authenticate" in exposed.lower(), res
        assert not server.get(path, token).all("Access-Control-Expose-Headers")
    res = granted(server.get("/any", mint(),
                             headers={"Origin": "https://app.test"}))
    assert not res.all("Access-Control-Expose-Headers")


def test_log_line_says_everything(server):
    """Check, value, wanted, directive; issuer, kid, digests of token and
    user."""
    token = mint(aud="account")
    res = invalid(server.get("/any", token), "audience")
    line, = res.logged("AB0019", "audience/aud", "'account'", "AuthBearerAudience",
                       "(api://test)", "'https://issuer.test/'", "'rs256'",
                       digest8(token), level="info")
    assert "alice" not in line.text


def test_log_line_of_a_403_names_the_user_by_digest(server):
    token = mint()
    for path in ("/role", "/two"):
        res = server.get(path, mint(scope="x"))
        lines = [line.text for line in res.log if line.level == "info"
                 and line.module == "auth_bearer"]
        assert any(digest8("alice") in line for line in lines), res
        assert not any("alice" in line for line in lines), res
    assert server.get("/role", token).logged("AB0059", digest8(token), digest8("alice"))


def test_log_values_are_bounded_and_escaped(server):
    for value in ("x" * 3000, "a\x1b[31mred\n\r\x07", "\u202e\u00e9", "\\x1b",
                  'a"b\\c'):
        res = invalid(server.get("/any", mint(aud=value)), "audience")
        for line in res.log:
            assert len(line.raw) < 1500, len(line.raw)
            assert re.fullmatch(r"[\x20-\x7e]*", line.raw), line.raw
            # fit for an ErrorLogFormat of JSON
            assert line.module != "auth_bearer" \
                or not re.search(r'["\\]', line.raw), line.raw


def test_error_document_knows_why(server):
    for token, status, category, check in (
            (None, 401, "no_credential", "no_credential"),
            (mint(aud="account"), 401, "audience", "aud"),
            (mint(), 403, "scope", "scope"),
            ("{", 400, "request", "credential_syntax")):
        res = server.get("/page", token)
        assert res.status == status, res
        env = res.env
        assert category in (env.get("BEARER_ERROR"),
                            env.get("REDIRECT_BEARER_ERROR")), res
        assert check in (env.get("BEARER_ERROR_CHECK"),
                         env.get("REDIRECT_BEARER_ERROR_CHECK")), res
        assert res.challenge is not None and res.challenge["realm"] == "test"


def test_error_document_shows_the_principal_of_a_403(server):
    res = server.get("/page", mint(email="a@b.c"))
    assert res.status == 403
    assert "a@b.c" in (res.env.get("BEARER_CLAIM_email"),
                       res.env.get("REDIRECT_BEARER_CLAIM_email")), res


def test_optional(server):
    res = server.get("/optional/env")
    assert res.status == 200
    assert res.env["BEARER_METHOD"] == "anonymous"
    assert "REMOTE_USER" not in res.env
    assert "BEARER_ERROR" not in res.env
    granted(server.get("/optional", mint()))
    invalid(server.get("/optional", mint(aud="x")), "audience")
    refused(server.get("/optional", "{"), 400, "invalid_request")


def test_place_without_bearer_is_not_touched(server):
    res = granted(server.get("/free/env", "token-that-nobody-reads", headers={"X-A": "b"}),
                  None)
    assert "BEARER_METHOD" not in res.env


def test_same_answer_on_a_kept_connection(server):
    """Nothing of one request is left for the next of the same connection."""
    token = mint()
    one = ("GET /any HTTP/1.1\r\nHost: server.test\r\n"
           "Authorization: Bearer %s\r\n\r\n" % token)
    two = "GET /any HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n\r\n"
    from support.client import exchange
    answer = exchange(server.port, (one + two).encode())
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"401"]
    assert b"error=" not in answer.split(b"HTTP/1.1 401")[1]


def test_times_at_their_edges(new_server, server):
    """Default skew 60 s: 45 s inside it is fine, 75 s is not."""
    now = int(time.time())
    granted(server.get("/any", mint(exp=now - 45)))
    invalid(server.get("/any", mint(exp=now - 75)), "expired")
    granted(server.get("/any", mint(nbf=now + 45)))
    invalid(server.get("/any", mint(nbf=now + 75)), "not_yet_valid")
    granted(server.get("/any", mint(iat=now + 45)))
    invalid(server.get("/any", mint(iat=now + 75)), "not_yet_valid")
    granted(server.get("/any", mint(iat=now - 25 * 3600 - 45)))
    invalid(server.get("/any", mint(iat=now - 25 * 3600 - 75)), "age")
    # A missing iat is refused only where AuthBearerMaxTokenAge is written.
    granted(server.get("/any", mint(iat=None)))
    assert claims()["exp"] > now
