# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Statements of the documents, drawn at random, tried with tokens. Further
ones: test_statements_config.py, test_statements_issuers.py."""
import time

import pytest

from support import tokens
from support.expect import (granted, invalid, issuer_conf, key_files, location,
                            refused)
from support.issuer import headers_of
from support.statements import STATUS, samples, statement

DIRECTIVES = "docs/reference/directives.md"
REQUIRE = "docs/reference/require.md"
RESPONSES = "docs/reference/responses.md"
VARIABLES = "docs/reference/variables.md"
METRICS = "docs/reference/metrics.md"
RECIPES = "docs/guide/recipes.md"
TROUBLE = "docs/guide/troubleshooting.md"
SECURITY = "docs/security.md"

VHOST = """
<VirtualHost *:@PORT@>
ServerName %s
%s
</VirtualHost>
"""

PLACES = {
    "/a": "",
    "/all": "AuthBearerAcceptIssuer https://issuer.test/",
    "/employee": "AuthBearerUserClaim employee",
    "/percent": 'AuthBearerUserFormat "%u%%%i"',
    "/whole": "AuthBearerUserClaim a.b",
    "/staff": r'AuthBearerUserClaim sub "^auth0\|(.+)$" "$1"',
    "/profile": "AuthBearerTokenProfile rfc9068",
    "/header": 'Header set X-Sub "expr=%{claim:sub}"\n'
               'Header set X-Too "%{BEARER_CLAIM_sub}e"',
    "/quiet": "AuthBearerChallenge Off",
    "/scopes": "AuthBearerScopeClaim scope permissions more\n"
               "<RequireAll>\nRequire scope one\nRequire scope two\n"
               "Require scope three\nRequire scope four\n</RequireAll>",
    "/shop": "AuthBearerExport headers header-prefix=X-Shop- claims=department\n"
             'RequestHeader set Department "expr=%{claim:department}"',
    "/shop/careless": 'RequestHeader setifempty Role "expr=%{claim:role}"\n'
                      'RequestHeader add Level "expr=%{claim:level}"',
    "/cgi-without": "AuthBearerForward token",
    "/cgi-with": "AuthBearerForward token\nCGIPassAuth On",
    "/t1": "AuthBearerThrottle threshold=3",
    "/t2": "AuthBearerThrottle threshold=3",
}
RULES = {
    "/word": "claim scope:orders.read",
    "/element": "claim departments:7",
    "/colon": r"claim urn\:shop:yes",
    "/tilde": r"claim home\~x:yes",
    "/dot": r"claim a\.b:yes",
    "/value": "claim sub:%{req:X-Who}",
    "/regex": "claim sub~^%{req:X-Who}$",
    "/outer": "role admin",
    "/quiet/scope": "scope admin",
}

LARGE = "LimitRequestFieldSize 32768\n"

CONF = LARGE + VHOST % ("server.test", LARGE) + VHOST % ("orders.test", """
AuthBearerAudience api://orders
<Location "/v">
    AuthType Bearer
    Require valid-user
</Location>
""") + VHOST % ("billing.test", """
AuthBearerAudience api://billing
<Location "/v">
    AuthType Bearer
    Require valid-user
</Location>
""") + VHOST % ("own.test", issuer_conf("AuthBearerAudience api://section",
                                        "https://own.test/", "") + """
AuthBearerAudience api://host
<Location "/v">
    AuthType Bearer
    Require valid-user
</Location>
""") + issuer_conf() + STATUS + "AuthBearerTokenCache entries=128\n" + "".join(
    location(path, inside, None if "Require" in inside else "valid-user")
    for path, inside in PLACES.items()) + "".join(
    location(path, require=rule) for path, rule in RULES.items()) + """
<Location "/outer/inner">
    AuthType Bearer
    Require valid-user
</Location>
<Location "/unnamed">
    AuthType Bearer
    AuthBearerAudience api://test
    Require valid-user
</Location>
<Location "/unprotected">
    CGIPassAuth On
</Location>
"""


@pytest.fixture(scope="module")
def server(new_server, backend):
    return new_server(CONF, files=key_files("es256"), backend=backend)


def mint(**over):
    return tokens.mint("es256", **over)


# -- which tokens are accepted -----------------------------------------------------

@statement(DIRECTIVES, "The comparison is exact: case, port and a trailing slash count.")
def test_an_audience_is_compared_exactly(server):
    granted(server.get("/a", mint(aud=["other", "api://test"])))
    for aud in ("api://Test", "api://test/", "api://test:443", "API://test"):
        invalid(server.get("/a", mint(aud=aud)), "audience", "aud")


@statement(RECIPES, '-H "Authorization: Bearer $TOKEN" https://billing.example.com/ HTTP/1.1 401')
def test_an_audience_of_each_host(server):
    token = mint(aud="api://orders")
    granted(server.get("/v/x", token, host="orders.test"))
    invalid(server.get("/v/x", token, host="billing.test"), "audience", "aud")


@statement(DIRECTIVES, "An `<AuthBearerIssuer>` section overrides a virtual host.")
def test_a_section_of_an_issuer_overrides_the_virtual_host(server):
    token = mint(iss="https://own.test/", aud="api://section")
    granted(server.get("/v/x", token, host="own.test"))
    token = mint(iss="https://own.test/", aud="api://host")
    invalid(server.get("/v/x", token, host="own.test"), "audience", "aud")


@statement(TROUBLE, "a virtual host with its own issuers does not inherit others")
def test_a_host_with_its_own_issuers(server):
    token = mint(aud="api://section")
    invalid(server.get("/v/x", token, host="own.test"), "issuer")


@statement(DIRECTIVES, "requires header `typ` `at+jwt`, and `iss`, `exp`, `aud`, `sub`, "
                       "`client_id`, `iat`, `jti`.")
def test_what_rfc9068_requires(server):
    header = {"typ": "at+jwt"}
    granted(server.get("/profile", mint(header=header, jti="1")))
    for claim in ("iss", "exp", "aud", "sub", "client_id", "iat", "jti"):
        over = {"jti": "1", claim: None}
        invalid(server.get("/profile", mint(header=header, **over)))
    invalid(server.get("/profile", mint(jti="1")), "type", "profile")


@statement(DIRECTIVES, "All locations and virtual hosts share the count.")
@statement(METRICS, "| `auth_bearer_throttled_addresses` | | addresses under a penalty |",
           "| `auth_bearer_throttle_started_total` | | penalties started |")
def test_the_throttle_counts_for_all_locations(server):
    token = mint()
    before = samples(server)
    assert before["auth_bearer_throttled_addresses"] == 0
    for path in ("/t1", "/t2", "/t1"):
        granted(server.get(path, token))
        invalid(server.get(path, mint(iss="https://issuer.test/") + "AAAA"))
    # a token that was verified before still passes
    granted(server.get("/t1", token))
    assert samples(server)["auth_bearer_throttled_addresses"] == 0
    for path in ("/t1", "/t2", "/t1"):
        invalid(server.get(path, mint(jti=path) + "AAAA"))
    refused(server.get("/t2", mint(jti="new")), 429)
    after = samples(server)
    assert after["auth_bearer_throttled_addresses"] == 1
    name = "auth_bearer_throttle_started_total"
    assert after[name] == before[name] + 1


# -- the user ----------------------------------------------------------------------

@statement(DIRECTIVES, "A string (or, except for `sub`, an integer) of 1 to 256 bytes")
def test_what_a_user_may_be(server):
    granted(server.get("/employee", mint(employee=42)), "42")
    granted(server.get("/employee", mint(employee="x" * 256)), "x" * 256)
    granted(server.get("/employee", mint(employee="x")), "x")
    for claim in ("x" * 257, "", True, 1.5, ["x"], None):
        assert server.get("/employee", mint(employee=claim)).status == 401, claim
    assert server.get("/a", mint(sub=42)).status == 401


@statement(DIRECTIVES, "the tenant or empty, `%%` a percent sign.")
def test_a_percent_sign_in_a_user(server):
    granted(server.get("/percent", mint()), "alice%main")


@statement(DIRECTIVES, "a value that does not match is refused; SUBSTITUTION may")
def test_a_user_that_does_not_match(server):
    granted(server.get("/staff", mint(sub="auth0|bob")), "bob")
    invalid(server.get("/staff", mint(sub="google|bob")))


@statement(DIRECTIVES, "`a.b` is member `b` of `a`; at every level, the whole name is tried first.")
def test_the_whole_name_first(server):
    part = {"b": "part"}
    granted(server.get("/whole", mint(a=part)), "part")
    granted(server.get("/whole", mint(**{"a": part, "a.b": "whole"})), "whole")


# -- rules -------------------------------------------------------------------------

@statement(REQUIRE, "An array matches by any scalar element, a scope claim also by any of")
def test_elements_and_words(server):
    granted(server.get("/element", mint(departments=[["a"], "shop", 7])))
    refused(server.get("/element", mint(departments=["8", [7]])), 403)
    granted(server.get("/word", mint(scope="x orders.read y")))
    refused(server.get("/word", mint(scope="x orders.read.y")), 403, "insufficient_scope")


@statement(REQUIRE, r"`\:`, `\~` and `\.` are literal.")
@pytest.mark.parametrize("path,claims,others", [
    ("/colon", {"urn:shop": "yes"}, {"urn": "shop:yes"}),
    ("/tilde", {"home~x": "yes"}, {"home": "x:yes"}),
    ("/dot", {"a.b": "yes"}, {"a": {"b": "yes"}})])
def test_characters_with_a_backslash(server, path, claims, others):
    granted(server.get(path, mint(**claims)))
    refused(server.get(path, mint(**others)), 403)


@statement(REQUIRE, "`%{…}` is expanded in values, not in a regex")
def test_what_is_expanded(server):
    granted(server.get("/value", mint(), {"X-Who": "alice"}))
    refused(server.get("/value", mint(), {"X-Who": "bob"}), 403)
    refused(server.get("/regex", mint(), {"X-Who": "alice"}), 403)


@statement(DIRECTIVES, "Space-separated strings or arrays; several paths are combined.")
def test_scopes_of_several_claims(server):
    granted(server.get("/scopes", mint(scope="one two", permissions=["three"],
                                       more="four")))
    refused(server.get("/scopes", mint(scope="one two", permissions=["three"])),
            403, "insufficient_scope")


@statement(TROUBLE, "An inner section replaces `AuthType` and `Require`.")
def test_an_inner_section_replaces_the_rules(server):
    refused(server.get("/outer/x", mint()), 403)
    granted(server.get("/outer/inner/x", mint()))


# -- responses ---------------------------------------------------------------------

@statement(RESPONSES, "The realm is `AuthName`, else the server's name.")
def test_the_realm(server):
    assert server.get("/a").challenge["realm"] == "test"
    assert server.get("/unnamed").challenge["realm"] == "server.test"


@statement(DIRECTIVES, "`Off` reduces every [challenge](responses.md#statuses), of 403 too,",
           "Statuses do not change.")
def test_a_challenge_without_details(server):
    for path, token, status in (("/quiet", None, 401), ("/quiet", "x y", 400),
                                ("/quiet", mint(aud="other"), 401),
                                ("/quiet", mint(exp=1), 401)):
        res = server.get(path, token)
        assert res.status == status, res
        assert res.challenge == {"realm": "test"}, res


@statement(TROUBLE, "raise the limit in the main server and the first virtual host of the address:")
def test_a_token_longer_than_a_usual_field(server):
    granted(server.get("/a", mint(groups=["g" * 1000] * 12)))
    granted(server.get("/v/x", mint(aud="api://orders", groups=["g" * 1000] * 12),
                       host="orders.test"))
    assert server.get("/a", "x" * 33000).status == 400


# -- what the application gets -------------------------------------------------------

@statement(VARIABLES, '`Header set X-Sub "expr=%{claim:sub}"`')
def test_a_claim_in_an_expression_of_header(server):
    assert granted(server.get("/header", mint())).get("X-Sub") == "alice"


@statement(VARIABLES, "do not know them: use `%{BEARER_CLAIM_sub}e`.")
def test_a_claim_in_a_format_of_header(server):
    assert granted(server.get("/header", mint())).get("X-Too") == "alice"


@statement(VARIABLES, "NAME of `<AuthBearerIssuer>`; not with `session`")
@statement(DIRECTIVES, "NAME, by default URL, is used in")
def test_the_name_of_an_issuer(server):
    env = granted(server.get("/a/env", mint())).env
    assert env["BEARER_ISSUER_NAME"] == "main"
    env = granted(server.get("/v/env", mint(iss="https://own.test/", aud="api://section"),
                             host="own.test")).env
    assert env["BEARER_ISSUER_NAME"] == "https://own.test/"


@statement("docs/reference/limits.md", "|claims exported|200, each of 8 KiB|")
def test_how_many_claims_are_exported(server):
    token = mint(**{"c%03d" % i: "x" for i in range(230)})
    env = granted(server.get("/a/env", token)).env
    names = [n for n in env if n.startswith("BEARER_CLAIM_")]
    assert len(names) == 200
    env = granted(server.get("/a/env", mint(fits="x" * 8192, large="x" * 8193))).env
    assert len(env["BEARER_CLAIM_fits"]) == 8192
    assert "BEARER_CLAIM_large" not in env


@statement(RECIPES, "the module removes `X-Shop-…` from clients' requests, but not `Department`.")
def test_headers_of_the_clients(server):
    forged = {"X-Shop-department": "forged", "Department": "forged", "Role": "forged"}
    seen = headers_of(server.get("/shop/be/1", mint(department="books"), forged))
    assert seen["x-shop-department"] == ["books"] and seen["department"] == ["books"]
    assert seen["role"] == ["forged"]
    seen = headers_of(server.get("/shop/be/1", mint(), forged))
    assert "x-shop-department" not in seen


@statement(RECIPES, "Always use `set`; with `add` or `setifempty`, clients can forge the header.")
def test_headers_that_clients_can_forge(server):
    seen = headers_of(server.get("/shop/careless/be/1", mint(role="r", level="l"),
                                 {"Role": "forged", "Level": "forged"}))
    assert seen["role"] == ["forged"]
    assert "forged" in ",".join(seen["level"])


@statement(TROUBLE, "CGI programs also need `CGIPassAuth On`.")
def test_a_token_for_a_cgi_program(server):
    token = mint()
    assert "HTTP_AUTHORIZATION" not in server.get("/cgi-without/cgi", token).env
    assert server.get("/cgi-with/cgi", token).env["HTTP_AUTHORIZATION"] == "Bearer " + token


# -- security ----------------------------------------------------------------------

@statement(SECURITY, "httpd returns the request with its token before authentication.")
def test_trace(server):
    token = mint(exp=1)
    res = server.request("TRACE", "/a", token)
    assert res.status == 200 and token in res.text


@statement(SECURITY, "So can `CGIPassAuth` in a directory without `AuthType Bearer`.")
def test_cgipassauth_without_authtype(server):
    token = mint()
    assert server.get("/unprotected/cgi", token).env["HTTP_AUTHORIZATION"] == "Bearer " + token
    assert "HTTP_AUTHORIZATION" not in server.get("/other/cgi", token).env


# -- figures -----------------------------------------------------------------------

@statement(METRICS, "| `auth_bearer_start_time_seconds` | | when counting began |")
def test_when_counting_began(server):
    assert 0 <= time.time() - samples(server)["auth_bearer_start_time_seconds"] < 600


@statement(METRICS, "| `auth_bearer_token_cache_entries` | | capacity for verified tokens, all")
def test_the_capacity_for_tokens(server):
    assert samples(server)["auth_bearer_token_cache_entries"] == 128 * len(server.children())


@statement(METRICS, "Each request counts under one label, so sums are exact.")
def test_sums_of_requests(server):
    def total(kind):
        return sum(value for name, value in samples(server).items()
                   if name.startswith("auth_bearer_%s_total{" % kind))
    before = total("granted"), total("refused")
    for _ in range(3):
        granted(server.get("/a", mint()))
    for token in (None, "x y", "opaque", mint(aud="other"), mint(iss="https://no.test/")):
        assert server.get("/a", token).status in (400, 401)
    refused(server.get("/outer", mint()), 403)
    assert (total("granted"), total("refused")) == (before[0] + 3, before[1] + 6)
