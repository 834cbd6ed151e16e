# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What one virtual host knows of a token is nothing in another."""
import json
import os

import pytest

from support.expect import (granted, invalid, issuer_conf, key_files, location)
from support.tokens import b64, claims, mint

HOST = """<VirtualHost *:@PORT@>
ServerName %s.test
%s
%s
</VirtualHost>
"""


@pytest.fixture(scope="module")
def server(new_server):
    where = location("/a", 'Header always set X-Name "%{BEARER_ISSUER_NAME}e"')
    return new_server(
        HOST % ("one", issuer_conf(name="first"), where)
        + HOST % ("two", issuer_conf(name="second"), where)
        + HOST % ("three", issuer_conf(url="https://other.test/"), where),
        modules=["headers"], files=key_files("rs256"))


def test_a_token_verified_in_one_carries_no_name_into_another(server):
    token = mint()
    for host, name in (("one", "first"), ("two", "second")) * 2:
        res = granted(server.get("/a", token, host=host + ".test"), user=None)
        assert res.get("X-Name") == name


def test_nor_is_it_good_where_its_issuer_is_not_trusted(server):
    token = mint()
    granted(server.get("/a", token, host="one.test"), user=None)
    invalid(server.get("/a", token, host="three.test"), "issuer", "iss")


ASKED = """
<AuthBearerIssuer "%s">
    AuthBearerKeys %s
    AuthBearerIntrospection %s
    AuthBearerClientID %s
    AuthBearerClientSecret file:@ROOT@/client
    AuthBearerClientAuth client_secret_post
</AuthBearerIssuer>
"""


@pytest.mark.core
def test_what_an_issuer_says_to_one_it_does_not_say_to_another(new_server, issuers):
    """RFC 7662 section 4: what is true of a token depends on who asks."""
    issuer = issuers.issuer("asked-by-vhosts")
    issuer.script("introspect", body=lambda request: json.dumps({
        "active": request.form["client_id"] == "one", **claims(iss=issuer.url)}))
    server = new_server("".join(
        HOST % (name, ASKED % (issuer.url, issuer.jwks_url, issuer.introspect_url,
                               name), location("/a")) for name in ("one", "two")),
        files={"client": ("the-secret-of-both\n", 0o600)})
    token = "opaque-" + b64(os.urandom(24))
    for _ in range(3):
        granted(server.get("/a", token, host="one.test"))
        invalid(server.get("/a", token, host="two.test"), "inactive")
    assert {r.form["client_id"] for r in issuer.requests} == {"one", "two"}


@pytest.mark.core
@pytest.mark.parametrize("inside", [True, False], ids=["places", "hosts"])
def test_what_one_audience_opens_another_does_not(new_server, inside):
    """The policies differ in nothing but one value at one depth, so that a verdict
    which is found again without it would open the other place."""
    if inside:
        places = (location("/one", audience="api://one")
                  + location("/two", audience="api://two"))
    else:
        places = "".join(HOST % (name, "AuthBearerAudience api://" + name,
                                 location("/a", audience=None))
                         for name in ("one", "two"))
    server = new_server(issuer_conf() + places, files=key_files("rs256"))

    def get(name, token):
        return server.get("/" + name if inside else "/a", token,
                          host="server.test" if inside else name + ".test")

    one, two = mint(aud="api://one"), mint(aud="api://two")
    for _ in range(3):
        granted(get("one", one))
        invalid(get("two", one), "audience", "aud")
        granted(get("two", two))
        invalid(get("one", two), "audience", "aud")
