# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Being found: the documents of RFC 9728 and what points at them."""
import json

import pytest

from support import tokens
from support.expect import issuer_conf, location, refused
from support.httpd import Httpd

WELL_KNOWN = "/.well-known/oauth-protected-resource"
TWO = "https://two.test/"

CONF = (issuer_conf() + issuer_conf(url=TWO, name="two")
        + issuer_conf(url="urn:no-url", name="three") + """
AuthBearerUserFormat %%i/%%u
<Location "/">
    AuthType Bearer
    AuthName "all"
    AuthBearerAudience %(aud)s
    AuthBearerAcceptIssuer %(iss)s urn:no-url
    Require scope base.read base.write
</Location>
<Location "/orders">
    AuthBearerResource https://api.test/orders name="All orders" doc=https://docs.test/o
    <RequireAll>
        <RequireAny>
            Require scope orders.read
            Require claim x:y
        </RequireAny>
        <RequireNone>
            Require scope orders.banned
        </RequireNone>
    </RequireAll>
</Location>
<Location "/mcp">
    AuthBearerResource https://api.test/mcp scopes=a,b
    AuthBearerTokenFrom header query:access_token
    AuthBearerAcceptIssuer %(two)s
</Location>
<Location "/inherits">
    AuthBearerResource https://api.test/long/inherits
</Location>
<Location "/inherits/deep">
    Require scope deep.read
</Location>
<Location "/inher">
    AuthBearerAcceptIssuer %(two)s
    Require scope another.place
</Location>
<Directory "/inherits">
    AuthBearerAcceptIssuer %(two)s
    Require scope of.a.directory
</Directory>
<Location "/outer/">
    AuthBearerAcceptIssuer %(two)s
    AuthBearerTokenFrom header query:t
    Require scope outer.read
</Location>
<Location "/outer/inner">
    AuthBearerResource https://api.test/outer/inner
    AuthBearerTokenFrom header
</Location>
<Location "/outer/inner/most">
    AuthBearerResource https://api.test/outer/inner/most
    <IfModule mod_headers.c>
        Require scope most.read most.write
    </IfModule>
</Location>
<Location "/bare">
    AuthBearerResource https://api.test/bare
    AuthBearerChallenge Off
</Location>
ProxyPass "/" "http://127.0.0.1:9/"
""" % {"aud": tokens.AUD, "iss": tokens.ISS, "two": TWO})


@pytest.fixture(scope="module")
def server(new_server):
    return new_server(CONF, files={"jwks.json": tokens.jwks("rs256")})


def document(server, path, **kw):
    res = server.get(WELL_KNOWN + path, **kw)
    assert res.status == 200, res
    assert res.get("Content-Type") == "application/json"
    return json.loads(res.body)


def test_document_of_a_protected_proxied_location(server):
    assert document(server, "/orders") == {
        "resource": "https://api.test/orders",
        "authorization_servers": [tokens.ISS],
        "scopes_supported": ["orders.read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "All orders",
        "resource_documentation": "https://docs.test/o"}


def test_options_and_settings_of_the_location_count(server):
    assert document(server, "/mcp") == {
        "resource": "https://api.test/mcp", "authorization_servers": [TWO],
        "scopes_supported": ["a", "b"],
        "bearer_methods_supported": ["header", "query"]}


def test_settings_and_scopes_of_the_location_around_count(server):
    assert document(server, "/long/inherits") == {
        "resource": "https://api.test/long/inherits",
        "authorization_servers": [tokens.ISS],
        "scopes_supported": ["base.read", "base.write"],
        "bearer_methods_supported": ["header"]}


def test_locations_around_each_other(server):
    """What is around counts, segment by segment; what is inside or beside does not."""
    assert document(server, "/outer/inner") == {
        "resource": "https://api.test/outer/inner",
        "authorization_servers": [TWO], "scopes_supported": ["outer.read"],
        "bearer_methods_supported": ["header"]}
    assert document(server, "/outer/inner/most") == {
        "resource": "https://api.test/outer/inner/most",
        "authorization_servers": [TWO],
        "scopes_supported": ["most.read", "most.write"],
        "bearer_methods_supported": ["header"]}
    url = "https://api.test" + WELL_KNOWN + "/outer/inner"
    for path, most in (("/outer/inner/x", ""), ("/outer/inner/most/x", "/most")):
        assert server.get(path).challenge["resource_metadata"] == url + most


def test_root_form_is_the_shortest_path(server):
    assert document(server, "")["resource"] == "https://api.test/mcp"


def test_host_does_not_matter(server):
    assert document(server, "/mcp", host="evil.test") == document(
        server, "/mcp")


def test_browsers_may_read_it(server):
    res = server.get(WELL_KNOWN + "/mcp", headers={"Origin": "https://x.test"})
    assert res.get("Access-Control-Allow-Origin") == "*"
    res = server.request("OPTIONS", WELL_KNOWN + "/mcp", headers={
        "Origin": "https://x.test", "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version"})
    assert res.status == 204
    assert res.get("Access-Control-Allow-Headers") == "*"


def test_head_and_other_methods(server):
    res = server.request("HEAD", WELL_KNOWN + "/mcp")
    assert res.status == 200 and not res.body
    assert server.request("POST", WELL_KNOWN + "/mcp").status == 405


@pytest.mark.parametrize("path", ["/nothing", "/mcp/", "/MCP", "/orders/x",
                                  "x", "/%6dcp"])
def test_other_paths_are_protected_as_ever(server, path):
    assert server.get(WELL_KNOWN + path).status == 401


def test_challenges_point_at_it(server):
    url = "https://api.test" + WELL_KNOWN
    res = server.get("/orders/1")
    assert res.challenge["resource_metadata"] == url + "/orders"
    assert res.challenge["scope"] == "orders.read"
    res = server.get("/orders/1", tokens.mint(exp=1000))
    refused(res, 401, "invalid_token")
    assert res.challenge["resource_metadata"] == url + "/orders"
    res = server.get("/orders/1", tokens.mint(scope="x"))
    refused(res, 403, "insufficient_scope", scope="orders.read")
    assert res.challenge["resource_metadata"] == url + "/orders"
    assert server.get("/inherits").challenge["resource_metadata"] == (
        url + "/long/inherits")
    res = server.get("/orders/1", headers={"Authorization": "Bearer"})
    assert res.status == 400
    assert "resource_metadata" not in res.challenge
    assert "resource_metadata" not in server.get("/other").challenge
    assert server.get("/bare").challenge == {"realm": "all"}


def test_vhosts_have_their_own():
    made = Httpd(issuer_conf() + "".join("""
<VirtualHost *:@PORT@>
    ServerName %s.test
    %s
</VirtualHost>
""" % (name, location("/x", "AuthBearerResource https://%s.test/x" % name)
       + location("/only", "AuthBearerResource https://api.test/only-" + name))
        for name in ("one", "two")), files={"jwks.json": tokens.jwks("rs256")})
    try:
        made.start()
        for name in ("one", "two"):
            assert document(made, "/x", host=name + ".test")["resource"] == (
                "https://%s.test/x" % name)
            document(made, "/only-" + name, host=name + ".test")
        for name, other in (("one", "two"), ("two", "one")):
            res = made.get(WELL_KNOWN + "/only-" + other, host=name + ".test")
            assert res.status == 404, res
    finally:
        made.close()


@pytest.mark.parametrize("line, number, value", [
    ("https://a.test/x?y", "AB0599", "query"), ("http://a.test/x", "AB0599", "https"),
    ("https://a.test/x scopes=offline_access", "AB0599", "offline_access"),
    ("https://a.test/x colour=red", "AB0599", "name=STR"), ("", "AB0501", ""),
])
def test_configtest_names_the_mend(checker, line, number, value):
    done = checker(issuer_conf() + location("/x", "AuthBearerResource " + line),
                   files={"jwks.json": tokens.jwks("rs256")})
    assert done.status != 0
    assert done.says(number, "AuthBearerResource", value), done
