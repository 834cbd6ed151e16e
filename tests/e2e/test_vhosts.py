# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What one virtual host knows of a token is nothing in another."""
import pytest

from support.expect import (granted, invalid, issuer_conf, key_files, location)
from support.tokens import mint

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
