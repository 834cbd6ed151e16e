# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Logins with an issuer that has {tenant}."""
import json
import urllib.parse

import pytest

from support.browsing import (SECRETS, backchannel, callback, conf,  # noqa: F401
                              no_session, op, signed_in, store)
from support.op import NAVIGATE, Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")

TENANTS = """
    AuthBearerTenants {tenants}
    {metadata}
    AuthBearerKeys {keys}
"""

BY_HAND = """AuthBearerEndpoint authorization {url}/authorize
    AuthBearerEndpoint token {url}/token"""


@pytest.fixture
def site(one_server, op, backend):
    """A server that logs in at {url of op}/{tenant}; the metadata is one for all."""
    def start(more="", tenants="t-1 t-2", name="{tenantid}", keys=None, files=None,
              metadata="AuthBearerMetadata {url}/common", inside="", **kw):
        url = op.url
        op.metadata["issuer"] = url + "/" + name
        op.script("common", body=lambda request: json.dumps(op.metadata))
        for tenant in ("t-1", "t-2", "t-3"):
            op.script(tenant + "/jwks", body=lambda request: op._normal(
                type("", (), {"kind": "jwks"})))
        op.tenant = lambda tenant: op.id_token.update(iss=url + "/" + tenant)
        op.tenant("t-1")
        text = conf(op, "AuthBearerUserFormat %u@%t\n" + more, inside=inside + TENANTS.format(
            tenants=tenants, metadata=metadata.format(url=url),
            keys=keys or url + "/{tenant}/jwks"), **kw)
        text = text.replace('<AuthBearerIssuer "%s"' % url,
                            '<AuthBearerIssuer "%s/{tenant}"' % url)
        return one_server(text, files={**SECRETS, **(files or {})}, backend=backend)
    return start


@pytest.mark.parametrize("name", ["{tenantid}", "{tenant}"])
def test_login(site, op, store, name):
    server = site("AuthBearerSessionStore " + store, name=name)
    browser = Browser(server)
    signed_in(browser, user="alice@example.test@t-1")
    op.tenant("t-2")
    other = Browser(server)
    signed_in(other, user="alice@example.test@t-2")
    assert op.count("t-1/jwks") == op.count("t-2/jwks") == 1, "keys of each tenant"
    assert browser.navigate("/app/x").user == "alice@example.test@t-1"


@pytest.mark.parametrize("more", ["", "\nAuthBearerMetadata off"])
def test_login_without_metadata(site, op, more):
    server = site(metadata=BY_HAND + more)
    signed_in(Browser(server), user="alice@example.test@t-1")
    assert op.count("common") == 0


@pytest.mark.core
@pytest.mark.parametrize("iss", ["/t-3", "/..", "/t-1/", "", "/{tenant}", "x/t-1"])
def test_a_tenant_that_is_not_admitted(site, op, iss):
    """And its keys are not asked for."""
    browser = Browser(site())
    op.id_token["iss"] = op.url + iss
    res = browser.go("/app/x")
    no_session(browser, res, res.status)
    assert res.status in (401, 403) and res.check in ("tenant", "iss"), res
    assert op.count("t-3/jwks") == 0


def test_tid_is_that_of_iss(site, op):
    browser = Browser(site())
    op.id_token["tid"] = "t-2"
    res = browser.go("/app/x")
    no_session(browser, res, res.status, "tenant")


@pytest.mark.allow_log("AB0205")
def test_the_keys_of_another_tenant(site, op):
    server = site()
    op.script("t-2/jwks", body=json.dumps({"keys": []}))
    op.tenant("t-2")
    browser = Browser(server)
    res = browser.go("/app/x")
    assert res.status == 503, res


@pytest.mark.allow_log("AB0316")
def test_a_refresh_stays_in_its_tenant(site, op, store):
    op.refresh, op.expires_in = True, 5
    browser = Browser(site("AuthBearerSessionStore " + store))
    assert browser.navigate(callback(browser, op)).status == 303
    op.tenant("t-2")
    op.user["name"] = "Another Alice"
    env = browser.get("/app/env").env
    assert env["BEARER_CLAIM_name"] == "Alice"
    assert env["REMOTE_USER"] == "alice@example.test@t-1"


def test_a_tenant_taken_off_the_list(site, op):
    """Its sessions count no longer."""
    server = site(tenants="file:@ROOT@/tenants", files={"tenants": "t-1\nt-2\n"})
    browser = Browser(server)
    signed_in(browser, user="alice@example.test@t-1")
    server.write("tenants", "t-2\n")
    assert server.wait_log("AB0255")
    assert browser.navigate("/app/x").status == 302


@pytest.mark.parametrize("by", ["sid", "sub"])
def test_a_logout_of_one_tenant(site, op, by):
    """The same sid or sub in another tenant is another session."""
    server = site()
    browsers = {}
    for tenant in ("t-1", "t-2"):
        op.tenant(tenant)
        browsers[tenant] = Browser(server)
        signed_in(browsers[tenant], user="alice@example.test@" + tenant)
    over = {"sid": None, "sub": "alice"} if by == "sub" else {}
    res = backchannel(server, op.logout_token(iss=op.url + "/t-3", **over))
    assert res.status == 400, res
    res = backchannel(server, op.logout_token(iss=op.url + "/t-2", **over))
    assert res.status == 200, res
    assert browsers["t-1"].navigate("/app/x").status == 200
    assert browsers["t-2"].navigate("/app/x").status == 302


@pytest.mark.parametrize("iss,status", [("/t-1", 303), ("/{tenant}", 303), ("/t-1/x", 400),
                                        ("x", 400)])
def test_iss_of_the_response(site, op, iss, status):
    browser = Browser(site())
    op.response["iss"] = op.url + iss
    assert browser.navigate(callback(browser, op)).status == status


@pytest.mark.allow_log("AB0208")
def test_metadata_of_one_tenant_is_not_that_of_all(site, op):
    browser = Browser(site(name="t-1"))
    assert browser.navigate("/app/x").status == 503


@pytest.mark.parametrize("metadata,number", [
    ("AuthBearerMetadata https://idp.test/common", None), ("", "AB0707"),
    ("AuthBearerMetadata off", "AB0707"),
    (BY_HAND.format(url="https://idp.test"), None),
    ("AuthBearerMetadata off\n" + BY_HAND.format(url="https://idp.test"), None),
    ("AuthBearerEndpoint authorization https://idp.test/a", "AB0707"),
    ("AuthBearerEndpoint token https://idp.test/{tenant}/t", "AB0562"),
    ("AuthBearerMetadata https://idp.test/{tenant}/m", "AB0550"),
])
def test_configtest(checker, op, metadata, number):
    """It no longer asks for the client ID, which is there."""
    done = checker(conf(op, "AuthBearerUserFormat %u@%t", inside="""
        AuthBearerTenants t-1 t-2
        AuthBearerKeys https://idp.test/keys
        """ + metadata).replace(op.url, "https://idp.test/{tenant}"), files=SECRETS)
    assert done.status == (1 if number else 0), done
    assert not done.says("AB0705")
    assert not number or done.says(number)


def test_a_logout_of_a_tenant_by_its_alias(site, op):
    """One session, whichever name of the issuer its tokens have."""
    server = site(inside="AuthBearerIssuerAlias %s/v1/{tenant}" % op.url)
    for session, logout in (("/v1/t-1", "/t-1"), ("/t-1", "/v1/t-1"), ("/v1/t-1", "/v1/t-1")):
        op.id_token.update(iss=op.url + session)
        browser = Browser(server)
        signed_in(browser, user="alice@example.test@t-1")
        res = backchannel(server, op.logout_token(iss=op.url + logout))
        assert res.status == 200, res
        assert browser.navigate("/app/x").status == 302, (session, logout)


def test_a_login_that_an_issuer_begins(site, op):
    """It names itself with the tenant of the person (OpenID Connect Core section 4)."""
    server = site()
    for iss, status in (("/t-1", 302), ("/{tenant}", 302), ("/t-1/x", 400), ("/", 400)):
        res = server.get("/.auth/login?iss=" + urllib.parse.quote(op.url + iss),
                         headers=NAVIGATE)
        assert res.status == status, (iss, res)
