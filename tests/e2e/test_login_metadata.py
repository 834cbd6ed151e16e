# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a login takes from the issuer's two metadata documents."""
import json

import pytest

from support.browsing import op, signed_in, site, store  # noqa: F401
from support.op import Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")


def in_the_second_only(op, *names):
    """As Spring Authorization Server: RFC 8414 without what OpenID added."""
    op.script("oauth", body=json.dumps({k: v for k, v in op.metadata.items()
                                        if k not in names}))


def test_end_of_session_in_the_second_document(site, op):
    op.offer(end_session_endpoint="end")
    in_the_second_only(op, "end_session_endpoint")
    browser = Browser(site())
    signed_in(browser)
    browser.sign_out()
    assert op.count("end") == 1


def test_userinfo_in_the_second_document(site, op):
    op.offer(userinfo_endpoint="userinfo")
    in_the_second_only(op, "userinfo_endpoint", "token_endpoint")
    op.userinfo, op.user = op.user, {"sub": "alice"}
    signed_in(Browser(site()))


@pytest.mark.parametrize("kind", ["oauth", "oidc"])
def test_a_document_that_is_missing(site, op, kind):
    op.offer(end_session_endpoint="end")
    op.script(kind, status=404, body="")
    server = site()
    browser = Browser(server)
    signed_in(browser)
    browser.sign_out()
    assert op.count("end") == 1
    assert not server.log_says("AB0204")


def test_a_second_document_of_another_issuer(site, op):
    """What it names is not used, and the log says why."""
    in_the_second_only(op, "end_session_endpoint")
    op.script("oidc", body=json.dumps({
        **op.metadata, "issuer": op.url + "/", "end_session_endpoint":
        op.url + "/end"}))
    server = site()
    browser = Browser(server)
    signed_in(browser)
    browser.sign_out()
    assert op.count("end") == 0
    assert server.log_says("AB0204", op.url + "/")


def test_members_that_are_null(site, op):
    names = ("userinfo_endpoint", "end_session_endpoint", "revocation_endpoint",
             "pushed_authorization_request_endpoint", "scopes_supported",
             "introspection_endpoint", "require_pushed_authorization_requests",
             "authorization_response_iss_parameter_supported")
    op.metadata.update({name: None for name in names})
    op.nulls = ["refresh_token", "scope", "expires_in", "id_token_hint"]
    signed_in(Browser(site()))
