# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Logins with endpoints that the configuration names (AuthBearerEndpoint)."""
import pytest

from support.browsing import conf, op, signed_in, site, SECRETS, store  # noqa: F401
from support.expect import granted, location
from support.httpd import wait_until
from support.op import Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")


def by_hand(op, *names):
    return "\n".join("AuthBearerEndpoint %s %s" % (
        name, op.metadata[name + "_endpoint"]) for name in names)


def without_metadata(op, *names):
    return "AuthBearerMetadata off\nAuthBearerKeys %s\n%s" % (
        op.metadata["jwks_uri"], by_hand(op, *names))


def test_login_without_metadata(site, op):
    op.offer(end_session_endpoint="end", userinfo_endpoint="userinfo")
    op.userinfo, op.user = op.user, {"sub": "alice"}
    browser = Browser(site(inside=without_metadata(
        op, "authorization", "token", "userinfo", "end_session")))
    signed_in(browser)
    browser.sign_out()
    assert op.count("end") == 1
    assert op.count("oauth") == op.count("oidc") == 0


def test_endpoint_instead_of_the_metadatas(site, op):
    """The outer name is in the metadata, and cannot be reached from here."""
    op.offer(end_session_endpoint="end")
    inside = by_hand(op, "token") + "\nAuthBearerEndpoint end_session off"
    op.metadata["token_endpoint"] = "https://outer.example.test/token"
    browser = Browser(site(inside=inside))
    signed_in(browser)
    browser.sign_out()
    assert op.count("end") == 0


def test_pushed_request(site, op):
    op.offer(pushed_authorization_request_endpoint="par")
    inside = "AuthBearerPushed required\nAuthBearerEndpoint par %s/par" % op.url
    del op.metadata["pushed_authorization_request_endpoint"]
    browser = Browser(site(inside=inside))
    signed_in(browser)
    assert op.count("par") == 1
    assert "request_uri=" in browser.trail[1] and "nonce=" not in browser.trail[1]


def test_no_pushed_request(site, op):
    op.offer(pushed_authorization_request_endpoint="par")
    browser = Browser(site(inside="AuthBearerEndpoint par off"))
    signed_in(browser)
    assert op.count("par") == 0


def test_revocation(site, op):
    browser = Browser(site(inside="AuthBearerEndpoint revocation %s/revoke" % op.url))
    signed_in(browser)
    assert browser.sign_out().status == 200
    wait_until(lambda: op.revoked, what="the revocation")
    assert op.revoked[0]["token"].startswith("at_")


def test_no_revocation(site, op):
    op.offer(revocation_endpoint="revoke", end_session_endpoint="end")
    server = site(inside="AuthBearerEndpoint revocation off")
    browser = Browser(server)
    signed_in(browser)
    assert browser.sign_out().status == 200
    server.stop()
    assert op.count("end") == 1 and not op.revoked


@pytest.mark.parametrize("metadata", ["discover", "off"])
def test_introspection(one_server, issuers, metadata):
    """The endpoint of the metadata, if any, is another."""
    issuer = issuers.issuer("hand-" + metadata, "rs256")
    issuer.metadata["introspection_endpoint"] = issuer.url + "/other"
    issuer.active["at_1"] = {"active": True, "sub": "alice", "aud": "api://test",
                             "client_id": "c"}
    server = one_server("""
<AuthBearerIssuer "%s" main>
    AuthBearerMetadata %s
    AuthBearerKeys %s
    AuthBearerIntrospection discover
    AuthBearerEndpoint introspection %s
    AuthBearerClientAuth none
</AuthBearerIssuer>
""" % (issuer.url, metadata, issuer.jwks_url, issuer.introspect_url)
        + location("/", "AuthBearerUserFormat %u"))
    granted(server.get("/", "at_1"))
    assert server.get("/", "at_2").status == 401
    assert issuer.count("introspect") == 2 and issuer.count("other") == 0


@pytest.mark.parametrize("inside,number,values", [
    ("AuthBearerMetadata off\nAuthBearerKeys {keys}\n"
     "AuthBearerEndpoint authorization {url}/a", "AB0820", ["token"]),
    ("AuthBearerEndpoint authorization off", "AB0820", ["authorization"]),
    ("AuthBearerEndpoint introspection {url}/i", "AB0818", ["introspection"]),
    ("AuthBearerEndpoint introspection off\nAuthBearerIntrospection discover", "AB0819",
     ["introspection"]),
    ("AuthBearerEndpoint token http://outer.example.test/", "AB0788",
     ["AuthBearerEndpoint token"]),
    ("AuthBearerEndpoint token", "AB0535", ["token"]),
    ("AuthBearerEndpoint token {url}/a\nAuthBearerEndpoint token off", "AB0536",
     ["token"]),
    ("AuthBearerEndpoint jwks {url}/a", "AB0503", ["jwks", "authorization"]),
])
def test_contradictions(checker, op, inside, number, values):
    done = checker(conf(op, inside=inside.format(url=op.url, keys=op.metadata["jwks_uri"])),
                   files=SECRETS)
    assert done.says(number, *values), done
    assert (done.status == 0) == (number == "AB0818"), done


def test_dump(checker, op):
    done = checker(conf(op, inside="AuthBearerEndpoint token %s/t\n"
                        "AuthBearerEndpoint par off" % op.url),
                   "-D", "DUMP_BEARER", files=SECRETS)
    assert "AuthBearerEndpoint token %s/t\n" % op.url in done.output, done
    assert "AuthBearerEndpoint par off\n" in done.output, done
