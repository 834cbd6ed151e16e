# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the application gets: environment, headers, subrequests, internal
redirects; and what it must never get."""
import re
from urllib.parse import unquote

import pytest

from support import client
from support.expect import (anonymous, granted, invalid, issuer_conf,
                            key_files, location, refused)
from support.httpd import wait_until
from support.issuer import headers_of
from support.tokens import ISS, mint

pytestmark = [pytest.mark.core, pytest.mark.allow_log("AB0704")]


@pytest.fixture(scope="module")
def server(new_server, backend):
    aud = "AuthBearerAudience api://test"
    return new_server(issuer_conf() + """
SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1
SetEnvIf Authorization "(.*)" REDIRECT_HTTP_AUTHORIZATION=$1
CustomLog "@ROOT@/logs/alice.log" "%>s %U" "expr=claim('sub') == 'alice'"
"""
        + location("/env")
        + location("/headers", "AuthBearerExport headers")
        + location("/both", "AuthBearerExport both")
        + location("/none", "AuthBearerExport none")
        + location("/prefix", "AuthBearerExport both env-prefix=OIDC_CLAIM_ "
                   "header-prefix=OIDC-CLAIM-")
        + location("/some", "AuthBearerExport both claims=email,roles")
        + location("/all", "AuthBearerExport both claims=*")
        + location("/f-none", "AuthBearerForward none")
        + location("/f-identity", "AuthBearerForward identity")
        + location("/f-token", "AuthBearerForward token")
        + location("/f-both", "AuthBearerForward identity token")
        + location("/f-cgi", "CGIPassAuth On")
        + location("/f-cgi-token", "CGIPassAuth On\nAuthBearerForward token")
        + location("/optional", "AuthBearerOptional On\n"
                   "AuthBearerExport headers", "all granted")
        + location("/open", require="all granted")
        + location("/open-h", "AuthBearerExport headers", "all granted")
        + location("/query", "AuthBearerTokenFrom query:access_token")
        + location("/cookie", "AuthBearerTokenFrom cookie:tok")
        + location("/xheader", "AuthBearerTokenFrom header:X-Token")
        + location("/printable", "AuthBearerExport both")
        + location("/ssi")
        + """
<Location "/page">
    SetOutputFilter INCLUDES
</Location>
<Location "/hdr">
    AuthType Bearer
    {aud}
    Require valid-user
    Header always set X-Env "%{{BEARER_CLAIM_email}}e"
    Header always set X-Fn "expr=%{{claim:a.b}}"
    Header always set X-List "expr=%{{reqenv:BEARER_ROLES}}"
    Header always set X-Admin yes "expr='admin' in claims('roles')"
    Header always set X-Method "expr=%{{reqenv:BEARER_METHOD}}"
    RequestHeader set X-From-Fixup "expr=%{{claim:email}}"
</Location>
<Location "/if">
    AuthType Bearer
    {aud}
    Require valid-user
    <If "claim('sub') == 'alice'">
        Header always set X-If alice
    </If>
</Location>
<Location "/if-opens">
    AuthType Bearer
    {aud}
    Require scope admin
    <If "'staff' in claims('roles')">
        Require all granted
    </If>
</Location>
<Location "/if-narrows">
    AuthType Bearer
    {aud}
    Require valid-user
    <If "claim('sub') == 'alice'">
        AuthBearerAudience api://other
    </If>
</Location>
<Location "/expr">
    AuthType Bearer
    {aud}
    Require expr "claim('sub') == 'alice'"
</Location>
<Location "/setenvif">
    AuthType Bearer
    {aud}
    Require valid-user
    SetEnvIfExpr "claim('sub') == 'alice'" FROM_EXPR=yes
</Location>
<Directory "@ROOT@/htdocs/files/rw">
    AuthType Bearer
    {aud}
    Require valid-user
    RewriteEngine On
    RewriteBase /files/rw
    RewriteCond %{{ENV:BEARER_CLAIM_sub}} ^alice$
    RewriteRule ^who$ /files/rw/alice.txt [L]
    RewriteCond %{{ENV:BEARER_CLAIM_sub}} ^bob$
    RewriteRule ^who$ /files/rw/bob.txt [L]
    RewriteRule ^inner$ /files/rw/env.shtml [L]
    RewriteRule ^pt$ /files/rw/env.shtml [PT]
    ErrorDocument 404 /files/rw/env.shtml
</Directory>
<Directory "@ROOT@/htdocs/files/fb">
    AuthType Bearer
    {aud}
    Require valid-user
    FallbackResource /files/fb/env.shtml
</Directory>
<Directory "@ROOT@/htdocs/files/narrow">
    AuthType Bearer
    {aud}
    Require claim sub:bob
</Directory>
<Directory "@ROOT@/htdocs/files/wide">
    AuthType Bearer
    {aud}
    Require valid-user
    RewriteEngine On
    RewriteBase /files/wide
    RewriteRule ^jump$ /files/narrow/env.shtml [L]
    RewriteRule ^other$ /files/otheraud/env.shtml [L]
    SetOutputFilter INCLUDES
</Directory>
<Directory "@ROOT@/htdocs/files/otheraud">
    AuthType Bearer
    AuthBearerAudience api://other
    Require valid-user
</Directory>
""".format(aud=aud), files=dict(key_files("rs256"), **{
        "htdocs/files/rw/alice.txt": "for alice\n",
        "htdocs/files/rw/bob.txt": "for bob\n",
        "htdocs/files/rw/env.shtml": "<!--#printenv -->\n",
        "htdocs/files/fb/env.shtml": "<!--#printenv -->\n",
        "htdocs/files/narrow/env.shtml": "<!--#printenv -->\n",
        "htdocs/files/narrow/part.txt": "narrow part\n",
        "htdocs/files/otheraud/env.shtml": "<!--#printenv -->\n",
        "htdocs/files/wide/outer.shtml":
            "[<!--#include virtual=\"/ssi/env\" -->]\n",
        "htdocs/files/wide/peek.shtml":
            "[<!--#include virtual=\"/files/narrow/part.txt\" -->]\n",
    }), backend=backend)


def env(server, path, **over):
    return granted(server.get(path + "/env", mint(**over)), None).env


def upstream(server, path, headers=(), token=True, **over):
    token = mint(**over) if token is True else token
    res = server.get(path + "/be/x", token, headers=headers)
    return headers_of(granted(res, None))


RICH = {"email": "a@b.c", "a": {"b": "c"}, "n": 5, "f": 1.5, "t": True,
        "no": False, "arr": ["x", "y,z", "back\\slash", 7, True],
        "roles": ["admin", "dev"], "groups": ["g1"], "name": "Jörg Ü",
        "https://x.test/y": "url", "dash-name": "d", "nl": "a\nb",
        "cr": "a\rb", "esc": "a\x1bb", "empty": "", "deep": {"x": [1, {"y": None}]}}


def test_values(server):
    got = env(server, "/env", **RICH)
    assert got["BEARER_CLAIM_email"] == "a@b.c"
    assert got["BEARER_CLAIM_n"] == "5"
    assert got["BEARER_CLAIM_f"] == "1.5"
    assert got["BEARER_CLAIM_t"] == "true"
    assert got["BEARER_CLAIM_no"] == "false"
    assert got["BEARER_CLAIM_arr"] == "x,y\\,z,back\\\\slash,7,true"
    assert got["BEARER_CLAIM_a"] == '{"b":"c"}'
    assert got["BEARER_CLAIM_deep"] == '{"x":[1,{}]}'
    assert got["BEARER_CLAIM_name"] == "Jörg Ü"
    assert got["BEARER_CLAIM_https___x_test_y"] == "url"
    assert got["BEARER_CLAIM_dash_name"] == "d"
    assert got["BEARER_CLAIM_empty"] == ""
    assert got["BEARER_CLAIM_iss"] == ISS
    assert "BEARER_CLAIM_nl" not in got and "BEARER_CLAIM_cr" not in got


def test_fixed_names(server):
    got = env(server, "/env", roles=["admin", "a,b", "c\x01"],
              groups=["g1", "g2"], scope=["s1", "s2"], exp=4102444800.5)
    assert got["BEARER_METHOD"] == "jwt"
    assert got["BEARER_ISSUER"] == ISS
    assert got["BEARER_ISSUER_NAME"] == "main"
    assert got["BEARER_EXPIRES"] == "4102444800"
    assert got["BEARER_SCOPE"] == "s1 s2"
    assert got["BEARER_ROLES"] == "admin"
    assert got["BEARER_GROUPS"] == "g1,g2"
    assert "BEARER_ERROR" not in got and "BEARER_ERROR_CHECK" not in got


def test_left_out_is_logged(server):
    res = granted(server.get("/env", mint(nl="a\nb", roles=["a,b"])))
    assert res.logged("AB0105", "'nl'"), res
    assert res.logged("AB0105", "role 'a,b'"), res


def test_nul_in_claims_kills_the_token(server):
    invalid(server.get("/env", mint(x="a\0b")), "malformed")


COLLISIONS = [
    ({"a-b": "1", "a_b": "2"}, "BEARER_CLAIM_a_b", "2"),
    ({"a-b": "1", "a.b": "2"}, "BEARER_CLAIM_a_b", None),
    ({"a:b": "1"}, "BEARER_CLAIM_a_b", "1"),
    ({"x": "1", "X": "2"}, "BEARER_CLAIM_x", None),
]


@pytest.mark.parametrize("claims,name,value", COLLISIONS)
def test_collisions(server, claims, name, value):
    assert env(server, "/env", **claims).get(name) == value


def test_headers(server):
    seen = upstream(server, "/headers", **RICH)
    assert seen["x-claim-email"] == ["a@b.c"]
    assert seen["x-claim-n"] == ["5"]
    assert seen["x-claim-arr"] == ["x,y\\,z,back\\\\slash,7,true"]
    assert unquote(seen["x-claim-name"][0]) == "Jörg Ü"
    assert re.fullmatch(r"[\x20-\x7e]*", seen["x-claim-name"][0])
    assert seen["x-claim-dash-name"] == ["d"]
    assert "x-claim-nl" not in seen and "x-claim-cr" not in seen
    assert "%1B" in seen["x-claim-esc"][0].upper()
    assert seen["x-forwarded-user"] == ["alice"]
    assert seen["x-user-roles"] == ["admin,dev"]
    assert seen["x-user-groups"] == ["g1"]
    assert all(len(values) == 1 for name, values in seen.items()
               if name.startswith("x-claim-"))


def test_percent_is_encoded_in_headers(server):
    seen = upstream(server, "/headers", pct="100%41")
    assert seen["x-claim-pct"] == ["100%2541"]


def test_bidi_is_never_raw_in_headers(server):
    seen = upstream(server, "/headers", display="a\u202eb")
    assert seen["x-claim-display"] == ["a%E2%80%AEb"]


def test_user_header_is_encoded(server):
    seen = upstream(server, "/env", sub="Jörg")
    assert seen["x-forwarded-user"] == ["J%C3%B6rg"]


def test_export_modes(server):
    assert "BEARER_CLAIM_sub" not in env(server, "/headers")
    assert env(server, "/both")["BEARER_CLAIM_sub"] == "alice"
    none = env(server, "/none")
    assert not [n for n in none if n.startswith("BEARER_CLAIM_")]
    assert none["REMOTE_USER"] == "alice"
    assert not [n for n in upstream(server, "/none") if "x-claim" in n]
    assert not [n for n in upstream(server, "/env") if "x-claim" in n]
    assert upstream(server, "/both")["x-claim-sub"] == ["alice"]


def test_prefixes_are_taken_as_written(server):
    assert env(server, "/prefix")["OIDC_CLAIM_sub"] == "alice"
    assert upstream(server, "/prefix")["oidc-claim-sub"] == ["alice"]
    assert "BEARER_CLAIM_sub" not in env(server, "/prefix")


def test_chosen_claims(server):
    got = env(server, "/some", email="a@b.c", roles=["x"], inner="s")
    assert got["BEARER_CLAIM_email"] == "a@b.c"
    assert got["BEARER_CLAIM_roles"] == "x"
    assert "BEARER_CLAIM_inner" not in got and "BEARER_CLAIM_sub" not in got


def test_many_claims_are_bounded(server):
    many = {"c%03d" % i: "v" for i in range(300)}
    got = env(server, "/env", **many)
    assert len([n for n in got if n.startswith("BEARER_CLAIM_")]) == 200


# --- Forward, and what is removed -------------------------------------------

def test_forward(server):
    assert "authorization" not in upstream(server, "/env")
    none = upstream(server, "/f-none")
    assert "authorization" not in none and "x-forwarded-user" not in none
    identity = upstream(server, "/f-identity", roles=["r"])
    assert identity["x-forwarded-user"] == ["alice"]
    assert identity["x-user-roles"] == ["r"]
    token = mint()
    seen = upstream(server, "/f-token", token=token)
    assert seen["authorization"] == ["Bearer " + token]
    assert "x-forwarded-user" not in seen
    seen = upstream(server, "/f-both", token=token)
    assert seen["authorization"] == ["Bearer " + token]
    assert seen["x-forwarded-user"] == ["alice"]


def test_identity_headers_are_absent_without_a_value(server):
    seen = upstream(server, "/env", headers={
        "X-User-Roles": "root", "X-User-Groups": "wheel"})
    assert "x-user-roles" not in seen or seen["x-user-roles"] == [""]
    assert "root" not in str(seen) and "wheel" not in str(seen)


SPELLINGS = ["X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User",
             "X-Forwarded_User", "x_forwarded_user", "X-User-Roles",
             "X_USER_ROLES", "x-user_groups", "X-User-Groups"]
CLAIM_SPELLINGS = ["X-Claim-email", "X_Claim_email", "x-claim_email",
                   "X-CLAIM-ANYTHING", "x_claim-x"]


def folded(seen):
    """Names as a WSGI, Rack or PHP backend folds them."""
    return {name.replace("_", "-"): values for name, values in seen.items()}


@pytest.mark.parametrize("path", ["/env", "/headers", "/f-none", "/f-token",
                                  "/open", "/open-h", "/optional"])
def test_identity_headers_are_scrubbed(server, path):
    """With a token, without one where that is allowed; whatever the claims."""
    tokens = [mint()]
    if path in ("/open", "/open-h", "/optional"):
        tokens.append(None)
    for token in tokens:
        for name in SPELLINGS:
            seen = folded(upstream(server, path, headers=[(name, "evil")],
                                   token=token))
            assert "evil" not in str(seen), (name, seen)


@pytest.mark.parametrize("path", ["/headers", "/open-h", "/optional", "/both"])
def test_claim_headers_are_scrubbed(server, path):
    for token in [mint()] + ([None] if path in ("/open-h", "/optional")
                             else []):
        for name in CLAIM_SPELLINGS:
            seen = upstream(server, path, headers=[(name, "evil")],
                            token=token)
            assert "evil" not in str(seen), (name, seen)


def test_other_prefix_is_scrubbed(server):
    for name in ("OIDC-CLAIM-email", "OIDC_CLAIM_email", "oidc-claim_sub"):
        seen = upstream(server, "/prefix", headers=[(name, "evil")])
        assert "evil" not in str(seen)


def test_scrubbed_for_cgi_too(server):
    for path in ("/headers", "/open-h"):
        res = server.get(path + "/cgi", mint(), headers=[
            ("X-Forwarded-User", "evil"), ("X-Claim-Admin", "evil")])
        assert "evil" not in granted(res, None).text


def test_other_headers_pass(server):
    seen = upstream(server, "/env", headers=[
        ("X-Other", "1"), ("X-User", "u"), ("X-Forwarded-For", "192.0.2.1")])
    assert seen["x-other"] == ["1"]


@pytest.mark.parametrize("path", ["/env", "/open", "/f-none", "/f-cgi",
                                  "/optional"])
def test_no_token_in_the_environment(server, path):
    """SetEnvIf has copied the header before; CGIPassAuth would pass it."""
    token = mint()
    for face in ("/cgi", "/env"):
        res = granted(server.get(path + face, token), None)
        assert token not in res.text, res.text
        assert "HTTP_AUTHORIZATION" not in res.env or \
            res.env["HTTP_AUTHORIZATION"] == "", res.text


def test_token_in_the_environment_where_forwarded(server):
    token = mint()
    res = granted(server.get("/f-cgi-token/cgi", token), None)
    assert res.env["HTTP_AUTHORIZATION"] == "Bearer " + token


@pytest.mark.parametrize("path", ["/open", "/open-h"])
def test_open_place_strips_and_scrubs(server, path):
    for token in ("x" * 30, mint(), mint(aud="other")):
        seen = upstream(server, path, token=token)
        assert "authorization" not in seen
        assert "x-forwarded-user" not in seen or \
            seen["x-forwarded-user"] == ["alice"]


def test_basic_credentials_of_others_do_not_reach_the_backend(server):
    """Stripping is about Authorization, whatever is in it."""
    res = server.get("/open/be", headers={
        "Authorization": "Basic dXNlcjpwYXNzd29yZA=="})
    assert "authorization" not in headers_of(granted(res, None))


def test_query_token_is_masked_everywhere(server):
    token = mint()
    res = granted(server.get("/query/be/x?a=1&access_token=%s&b=2" % token),
                  None)
    path = res.json()["path"]
    assert token not in path and "a=1" in path and "b=2" in path
    assert "private" in ",".join(res.all("Cache-Control"))
    for face in ("/env", "/cgi"):
        res = granted(server.get("/query%s?access_token=%s&b=2"
                                 % (face, token)), None)
        assert token not in res.text, res.text
        assert token.split(".")[2] not in res.text
        assert "b=2" in res.env["QUERY_STRING"]
    refused(server.get("/query?access_token=" + mint(aud="x")), 401,
            "invalid_token")
    assert token not in server.access_log()
    assert token.split(".")[2][:20] not in server.access_log()


def test_cookie_token_is_removed(server):
    token = mint()
    res = server.get("/cookie/be", headers={
        "Cookie": "a=b; tok=%s; c=d" % token})
    cookie = headers_of(granted(res, None))["cookie"][0]
    assert token not in cookie and "a=b" in cookie and "c=d" in cookie
    res = server.get("/cookie/be", headers={"Cookie": "tok=" + token})
    assert "cookie" not in headers_of(granted(res, None))


def test_header_token_is_removed(server):
    token = mint()
    for name in ("X-Token", "x-token"):
        res = server.get("/xheader/be", headers={name: token})
        assert "x-token" not in headers_of(granted(res, None))


# --- requests inside requests ------------------------------------------------

def test_subrequest(server):
    res = server.get("/files/wide/outer.shtml", mint(email="a@b.c"))
    granted(res, None)
    inner = res.text
    assert "BEARER_CLAIM_email=a@b.c" in inner, inner
    assert "BEARER_METHOD=jwt" in inner
    assert "REMOTE_USER=alice" in inner


@pytest.mark.allow_log('no number: unable to include "/files/narrow/part.txt"')
def test_subrequest_into_a_narrower_place(server):
    """The parent's user is not enough where the rules differ."""
    res = server.get("/files/wide/peek.shtml", mint())
    assert "narrow part" not in res.text
    res = server.get("/files/wide/peek.shtml", mint(sub="bob"))
    assert "narrow part" in res.text, res


@pytest.mark.parametrize("path", ["/files/rw/inner", "/files/rw/pt",
                                  "/files/fb/nothing-here"])
def test_internal_redirect(server, path):
    res = granted(server.get(path, mint(email="a@b.c")), None)
    assert res.env["BEARER_CLAIM_email"] == "a@b.c"
    assert res.env["BEARER_METHOD"] == "jwt"
    assert res.env["REMOTE_USER"] == "alice"
    assert "Authorization" not in res.text
    anonymous(server.get(path))


def test_internal_redirect_with_other_rules_is_judged_again(server):
    refused(server.get("/files/wide/jump", mint()), 403)
    res = granted(server.get("/files/wide/jump", mint(sub="bob")), None)
    assert res.env["REMOTE_USER"] == "bob"
    invalid(server.get("/files/wide/other", mint()), "audience")


def test_error_document(server):
    res = server.get("/files/rw/missing", mint(email="a@b.c"))
    assert res.status == 404
    assert res.env["BEARER_CLAIM_email"] == "a@b.c", res
    assert res.env["BEARER_METHOD"] == "jwt"


def test_rewrite_conditions_see_the_environment(server):
    assert server.get("/files/rw/who", mint()).text == "for alice\n"
    assert server.get("/files/rw/who", mint(sub="bob")).text == "for bob\n"
    assert server.get("/files/rw/who", mint(sub="eve")).status == 404


def test_expression_functions_in_headers(server):
    res = granted(server.get("/hdr", mint(**RICH)))
    assert res.get("X-Env") == "a@b.c"
    assert res.get("X-Fn") == "c"
    assert res.get("X-List") == "admin,dev"
    assert res.get("X-Admin") == "yes"
    assert res.get("X-Method") == "jwt"
    res = granted(server.get("/hdr", mint()))
    assert not res.get("X-Admin") and not res.get("X-Fn")
    seen = headers_of(granted(server.get("/hdr/be", mint(**RICH)), None))
    assert seen["x-from-fixup"] == ["a@b.c"]


def test_expression_functions_without_a_principal(server):
    assert server.get("/hdr").status == 401
    assert not server.get("/hdr").get("X-Fn")


def test_expression_functions_in_if(server):
    assert granted(server.get("/if", mint())).get("X-If") == "alice"
    assert not granted(server.get("/if", mint(sub="bob")), "bob").get("X-If")


def test_expression_functions_in_logs(server):
    def log():
        with open(server.path("logs/alice.log")) as f:
            return f.read()
    granted(server.get("/env/of-bob", mint(sub="bob")), "bob")
    granted(server.get("/env/of-alice", mint()))
    wait_until(lambda: "/env/of-alice" in log(), what="the log line")
    assert "/env/of-bob" not in log()


def test_if_decides_by_verified_claims_only(server):
    staff = dict(roles=["staff"])
    res = granted(server.get("/if-opens/env", mint(**staff)), None)
    assert res.env["REMOTE_USER"] == "alice"
    for bad in (mint("rs256-forger", header={"kid": "rs256"}, **staff),
                mint(exp=1, **staff), mint(aud="x", **staff)):
        assert server.get("/if-opens", bad).status == 401
    refused(server.get("/if-opens", mint()), 403, "insufficient_scope")
    anonymous(server.get("/if-opens"), scope="admin")


def test_if_may_change_what_the_token_is_judged_by(server):
    invalid(server.get("/if-narrows", mint()), "audience",
            log="api://other")
    granted(server.get("/if-narrows", mint(sub="bob")), "bob")


@pytest.mark.allow_log("AH01630")
def test_httpds_own_require_expr(server):
    """It is asked before authentication, and authentication follows."""
    res = granted(server.get("/expr/env", mint()), None)
    assert res.env["REMOTE_USER"] == "alice"
    assert res.env["BEARER_METHOD"] == "jwt"
    assert server.get("/expr", mint(sub="bob")).status == 403


def test_expression_functions_in_setenvifexpr(server):
    assert env(server, "/setenvif").get("FROM_EXPR") == "yes"
    assert "FROM_EXPR" not in env(server, "/setenvif", sub="bob")


def test_user_claim_with_substitution(new_server):
    server = new_server(issuer_conf() + location(
        "/upn", 'AuthBearerUserClaim upn "^([^@]+)@corp[.]test$" "$1"')
        + location("/path", "AuthBearerUserClaim user.login"),
        files=key_files("rs256"))
    granted(server.get("/upn", mint(upn="jane@corp.test")), "jane")
    invalid(server.get("/upn", mint(upn="jane@evil.test")), "identifier",
            log="AuthBearerUserClaim")
    granted(server.get("/path", mint(user={"login": "joe"})), "joe")


def test_two_identity_headers_from_client_and_us(server):
    raw = client.build("GET", "/env/be", [
        ("Authorization", "Bearer " + mint()), ("X-Forwarded-User", "a"),
        ("X-Forwarded-User", "b")])
    seen = headers_of(granted(server.raw(raw), None))
    assert seen["x-forwarded-user"] == ["alice"]
