# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The smallest configuration, from no token to a forbidden one."""
import pytest

from support.expect import anonymous, granted, invalid, refused
from support.httpd import wait_until
from support.issuer import headers_of

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def issuer(issuers):
    return issuers.issuer("smoke", "rs256", "es256")


@pytest.fixture(scope="module")
def server(new_server, issuer, backend):
    return new_server("""
AuthBearerIssuer %s
<Location "/orders">
    AuthType Bearer
    AuthName "orders"
    AuthBearerAudience api://orders
    Require scope orders.read
</Location>
<Location "/admin">
    AuthType Bearer
    AuthBearerAudience api://orders
    Require role admin
</Location>
""" % issuer.url, backend=backend)


def good(issuer, **over):
    return issuer.mint(aud="api://orders", **over)


def test_no_token(server):
    res = anonymous(server.get("/orders"), scope="orders.read")
    assert res.challenge["realm"] == "orders"


def test_realm_is_server_name_without_authname(server):
    res = anonymous(server.get("/admin"))
    assert res.challenge == {"realm": "server.test"}


def test_good_token(server, issuer):
    granted(server.get("/orders", good(issuer)))


def test_both_keys_of_the_set(server, issuer):
    granted(server.get("/orders", good(issuer, signer="es256")))


def test_environment(server, issuer):
    token = good(issuer, roles=["admin", "dev"], groups=["staff"], exp=4102444800,
                 iat=None)
    env = granted(server.get("/orders/env", token), user=None).env
    assert env["REMOTE_USER"] == "alice"
    assert env["AUTH_TYPE"] == "Bearer"
    assert env["BEARER_METHOD"] == "jwt"
    assert env["BEARER_ISSUER"] == issuer.url
    assert env["BEARER_EXPIRES"] == "4102444800"
    assert env["BEARER_SCOPE"] == "orders.read"
    assert env["BEARER_ROLES"] == "admin,dev"
    assert env["BEARER_GROUPS"] == "staff"
    assert env["BEARER_CLAIM_sub"] == "alice"
    assert env["BEARER_CLAIM_roles"] == "admin,dev"
    assert env["BEARER_CLAIM_exp"] == "4102444800"


def test_backend(server, issuer):
    seen = headers_of(granted(server.get("/orders/be/1", good(issuer)), None))
    assert seen["x-forwarded-user"] == ["alice"]
    assert "authorization" not in seen


def test_scope_missing(server, issuer):
    refused(server.get("/orders", good(issuer, scope="orders.write")), 403,
            "insufficient_scope", "scope", "scope", log="orders.read",
            scope="orders.read")


def test_role_missing(server, issuer):
    refused(server.get("/admin", good(issuer)), 403, None, "require",
            log="admin")


def test_wrong_audience(server, issuer):
    invalid(server.get("/orders", issuer.mint(aud="account")), "audience",
            "aud", ["'account'", "AuthBearerAudience", "(api://orders)"])


def test_forged(server, issuer):
    token = good(issuer)
    forged = token[:-20] + good(issuer, sub="bob")[-20:]
    invalid(server.get("/orders", forged), "signature", "signature")


def test_head_and_post(server, issuer):
    granted(server.request("HEAD", "/orders", good(issuer)))
    seen = server.request("POST", "/orders/be/new", good(issuer),
                          body=b"a=1&b=2")
    assert granted(seen, None).json()["body"] == "a=1&b=2"


@pytest.mark.http1("the lines name the protocol")
def test_access_log_has_user_and_error(server, issuer):
    server.get("/orders?granted", good(issuer))
    server.get("/orders?wrong", issuer.mint(aud="x"))
    wait_until(lambda: "?wrong" in server.access_log(), what="access log")
    log = server.access_log()
    assert '200 "GET /orders?granted HTTP/1.1" user=alice error=- check=-' \
        in log
    assert "user=- error=audience check=aud" in log


def test_two_fetches_of_keys_at_most(server, issuer, mpm):
    """One set serves all requests; discovery and keys once each (per child,
    or shared), for this server."""
    assert issuer.count("jwks") <= 2 * len(("event", "prefork"))
    assert 0 < issuer.count("oauth")


@pytest.fixture(scope="module")
def vhosts(new_server, issuer, issuers):
    """Every vhost has its own issuers: the other's are unknown there."""
    other = issuers.issuer("smoke-other", "es256-other")
    server = new_server("""
<VirtualHost *:@PORT@>
    ServerName a.test
    AuthBearerIssuer {0}
    <Location "/v">
        AuthType Bearer
        AuthBearerAudience api://test
        Require valid-user
    </Location>
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName b.test
    AuthBearerIssuer {1}
    <Location "/v">
        AuthType Bearer
        AuthBearerAudience api://test
        Require valid-user
    </Location>
</VirtualHost>
""".format(issuer.url, other.url))
    return server, issuer, other


def test_vhosts_keep_their_issuers(vhosts):
    server, a, b = vhosts
    assert server.get("/v", a.mint(), host="a.test").status == 200
    assert server.get("/v", b.mint(), host="b.test").status == 200
    for host, issuer in (("a.test", b), ("b.test", a)):
        res = server.get("/v", issuer.mint(), host=host)
        assert res.status == 401 and res.challenge["error"] == "invalid_token"
        assert res.challenge["realm"] == host
