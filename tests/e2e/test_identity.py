# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Who a user is: people of two issuers or tenants that are known there by the same
claim are two, and what one source says of a person is not believed of another."""
import time
import uuid

import pytest

from support import secrets
from support.browsing import (SECRETS, conf, no_session, op,  # noqa: F401
                              signed_in, site, store)
from support.expect import granted, issuer_conf, location, refused
from support.op import Browser
from support.tokens import jwks, mint

#: configtest says so at start; what it could not see is an error at the request
pytestmark = pytest.mark.allow_log("AB0763", "AB0060")
TENANT = "https://login.test/%s/v2.0"
TENANTS = """
<AuthBearerIssuer "https://login.test/{tenant}/v2.0" login>
    AuthBearerTenants t-1 t-2
    AuthBearerKeys "file:@ROOT@/jwks.json"
    %s
</AuthBearerIssuer>
"""


#: What the log must name.
TENANTS_ALIKE = ("'https://login.test/{tenant}/v2.0'", "AuthBearerUserFormat", "%t")
ISSUERS_ALIKE = ("AuthBearerUserFormat", "'%u@%i'", "'%u'")


def misconfigured(res, values):
    refused(res, 500, None, "misconfigured", "configuration")
    assert res.logged("AB0060", *values), res


# -- tenants, issuers --------------------------------------------------------------

@pytest.mark.core
def test_the_same_sub_of_two_tenants(one_server, wire):
    server = one_server(TENANTS % "" + location("/a", "AuthBearerUserFormat %u@%t")
                        + location("/b", "AuthBearerUserFormat %i/%t/%u",
                                   require="user login/t-1/alice"),
                        files={"jwks.json": jwks("rs256")}, h2=wire)
    for name in ("t-1", "t-2"):
        token = mint(iss=TENANT % name)
        granted(server.get("/a", token, h2=wire), "alice@" + name)
        res = server.get("/b", token, h2=wire)
        if name == "t-1":
            granted(res, "login/t-1/alice")
        else:
            refused(res, 403, None, "require")


@pytest.mark.core
def test_the_same_sub_of_two_tenants_by_introspection(one_server, issuers, wire):
    """An answer names its tenant in iss or in tid."""
    issuer = issuers.issuer("tenants-introspected", "rs256")
    server = one_server(
        TENANTS % ("AuthBearerIntrospection %s\nAuthBearerClientAuth none"
                   % issuer.introspect_url)
        + location("/a", "AuthBearerUserFormat %u@%t"),
        files={"jwks.json": jwks("rs256")}, h2=wire)
    for name, over in (("t-1", {"iss": TENANT % "t-1"}), ("t-2", {"tid": "t-2"})):
        token = "opaque-" + uuid.uuid4().hex
        secrets.register(token)
        issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test",
                                "exp": int(time.time()) + 600, **over}
        for _ in range(2):
            granted(server.get("/a", token, h2=wire), "alice@" + name)
    token = "opaque-" + uuid.uuid4().hex
    secrets.register(token)
    issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test"}
    refused(server.get("/a", token, h2=wire), 401, "invalid_token", "issuer",
            "tenant")


#: Sections that configtest does not see as one: a path below, a pattern, an <If>.
BELOW = ['<Location "/a/b">\n%s\n</Location>',
         '<LocationMatch "^/a/b">\n%s\n</LocationMatch>',
         '<Location "/a">\n<If "%%{REQUEST_URI} =~ m#^/a/b#">\n%s\n</If>\n'
         '</Location>']


@pytest.mark.core
@pytest.mark.parametrize("section", BELOW, ids=["path", "pattern", "if"])
def test_a_section_that_makes_two_people_one(one_server, section, wire):
    """What configtest could not see is 500 at the request, with the same words."""
    server = one_server(
        TENANTS % "" + issuer_conf() + location(
            "/a", "AuthBearerUserFormat %i/%t/%u")
        + section % 'AuthBearerUserFormat "%u"',
        files={"jwks.json": jwks("rs256")}, h2=wire)
    token = mint(iss=TENANT % "t-1")
    granted(server.get("/a/x", token, h2=wire), "login/t-1/alice")
    for _ in range(2):
        misconfigured(server.get("/a/b/x", token, h2=wire), TENANTS_ALIKE)
    granted(server.get("/a/b/x", mint(), h2=wire), "alice")


@pytest.mark.core
@pytest.mark.parametrize("section", BELOW, ids=["path", "pattern", "if"])
def test_a_section_that_accepts_a_second_issuer(one_server, section, wire):
    second = "https://second.test/"
    server = one_server(
        issuer_conf() + issuer_conf(url=second, name="second")
        + location("/a", "AuthBearerAcceptIssuer https://issuer.test/")
        + section % "AuthBearerAcceptIssuer https://issuer.test/ https://second.test/",
        files={"jwks.json": jwks("rs256")}, h2=wire)
    granted(server.get("/a/x", mint(), h2=wire))
    for iss in ("https://issuer.test/", second):
        misconfigured(server.get("/a/b/x", mint(iss=iss), h2=wire),
                      ISSUERS_ALIKE)


@pytest.mark.core
def test_a_session_where_a_second_issuer_is_accepted(one_server, op, wire):
    text = conf(
        op, issuer_conf(url="https://second.test/", name="second")
        + "AuthBearerSessionUserClaim sub\nAuthBearerLoginIssuer " + op.url, end="""
<Location "/app/both">
    AuthBearerAcceptIssuer %s https://second.test/
</Location>
<Location "/app/both/told-apart">
    AuthBearerUserFormat %%u@%%i
</Location>
""" % op.url)
    server = one_server(
        text.replace('"app"', '"app"\nAuthBearerAcceptIssuer ' + op.url), h2=wire,
        files={**SECRETS, "jwks.json": jwks("rs256")})
    browser = Browser(server, h2=wire)
    signed_in(browser, user="alice")
    for _ in range(2):
        misconfigured(browser.navigate("/app/both/x"), ISSUERS_ALIKE)
    signed_in(browser, "/app/both/told-apart/x", "alice@main")


@pytest.mark.core
def test_an_htaccess_that_makes_two_people_one(one_server, wire):
    server = one_server(
        TENANTS % "" + """
<Directory "@ROOT@/htdocs/files">
    AuthType Bearer
    AuthBearerAudience api://test
    AuthBearerUserFormat %u@%t
    AllowOverride AuthConfig
    Require valid-user
</Directory>
""", files={"jwks.json": jwks("rs256"), "htdocs/files/x": "x",
            "htdocs/files/sub/x": "x",
            "htdocs/files/sub/.htaccess": "AuthBearerUserFormat %u\n"}, h2=wire)
    token = mint(iss=TENANT % "t-1")
    assert server.get("/files/x", token, h2=wire).status == 200
    misconfigured(server.get("/files/sub/x", token, h2=wire), TENANTS_ALIKE)


# -- an address and who vouches for it ---------------------------------------------

@pytest.mark.core
@pytest.mark.parametrize("mixed", [
    ({"email_verified": True}, {"email": "bob@example.test"}),
    ({"email_verified": True}, {"email": "bob@example.test",
                                "email_verified": False}),
    ({"email": "bob@example.test"}, {"email_verified": True}),
    ({"email": "bob@example.test"}, {"email": "alice@example.test",
                                     "email_verified": True}),
    ({"email": None, "email_verified": True}, {"email": "bob@example.test"}),
], ids=["id-token", "id-token-over-userinfo", "userinfo", "another-address",
        "null"])
def test_email_and_verified_are_of_one_source(site, op, mixed, wire):
    """One who may choose the address in one source is not the person whose
    address another source has verified."""
    op.offer(userinfo_endpoint="userinfo")
    op.user = {"sub": "mallory", **mixed[0]}
    op.userinfo = {"sub": "mallory", **mixed[1]}
    browser = Browser(site(h2=wire), h2=wire)
    res = no_session(browser, browser.go("/app/x"), 403, "session_user")
    assert res.logged("AB0053", "email_verified")


@pytest.mark.parametrize("pair", [
    ({}, {"email": "a@example.test", "email_verified": True}),
    ({"email_verified": False}, {"email": "a@example.test",
                                 "email_verified": True}),
    ({"email": "a@example.test"}, {"email": "a@example.test",
                                   "email_verified": True}),
    ({"email": "a@example.test", "email_verified": True}, {}),
], ids=["userinfo", "said-of-no-address", "the-same-address", "id-token"])
def test_email_verified_by_its_own_source(site, op, store, pair):
    op.offer(userinfo_endpoint="userinfo")
    op.user = {"sub": "alice", **pair[0]}
    op.userinfo = {"sub": "alice", **pair[1]}
    server = site("AuthBearerSessionStore " + store)
    signed_in(Browser(server), user="a@example.test")
