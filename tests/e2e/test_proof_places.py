# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Proofs of possession, by the names of the server and the places of a configuration."""
import pytest

from support.expect import granted, invalid, issuer_conf, key_files, location
from support.proofs import bound, fields, proof


@pytest.fixture(scope="module")
def names(new_server):
    return new_server(
        issuer_conf() + "AuthBearerBaseURL https://a.test https://*.b.test\n"
        + location("/a", "AuthBearerThrottle off"), files=key_files("rs256"))


@pytest.mark.parametrize("host,url,status", [
    ("a.test", "https://a.test/a", 200),
    ("A.TEST:443", "https://a.test:443/a", 200),
    ("a.test", "HTTPS://A.test/%61", 200),
    ("x.b.test", "https://x.b.test/a", 200),
    ("x.b.test", "https://a.test/a", 401),
    ("x.y.b.test", "https://x.y.b.test/a", 401),
    ("evil.test", "https://evil.test/a", 401),
    ("evil.test", "https://a.test/a", 401),
    ("a.test", "https://a.test//a", 401),
    ("a.test", "https://a.test/a/", 401),
    ("a.test", "https://user@a.test/a", 401),
    ("a.test", "https://a.test./a", 401),
    ("a.test", "https://a.test:8443/a", 401),
])
def test_names(names, host, url, status):
    """The name of AuthBearerBaseURL that Host is."""
    token = bound()
    res = names.get("/a", headers=fields(token, proof(url, token)) + [("Host", host)])
    assert (res.status, res.check) == (status, None if status == 200 else "proof_request"), res


@pytest.mark.parametrize("target", ["http://a.test/a?x", "http://a.test/b/../a"])
def test_absolute_form(names, target):
    """RFC 9112 section 3.2.2."""
    token = bound()
    granted(names.get(target, headers=fields(token, proof("https://a.test/a", token))
                      + [("Host", "a.test")]))


PLACES = """
AuthBearerBaseURL http://127.0.0.1:@PORT@
AuthBearerThrottle off
<Directory "@ROOT@/htdocs/files/htaccess">
    AllowOverride AuthConfig
    AuthBearerAudience api://test
</Directory>
<Location "/if">
    <If "true">
        AuthType Bearer
        AuthName x
        AuthBearerAudience api://test
        Require valid-user
    </If>
</Location>
""" + location("/optional", "AuthBearerOptional On", require="all granted") \
    + location("/outer", "AuthBearerProof ignore") \
    + '<Location "/outer/inner">\nAuthBearerProof dpop\n</Location>\n' \
    + 'ErrorDocument 404 /files/error/page.html\n' + location("/files/error")


@pytest.fixture(scope="module")
def server(new_server):
    return new_server(issuer_conf() + PLACES, files={
        **key_files("rs256"), "htdocs/files/error/page.html": "error\n",
        "htdocs/files/htaccess/index.html": "ok\n",
        "htdocs/files/htaccess/.htaccess": "AuthType Bearer\nAuthName x\nRequire valid-user\n"})


@pytest.mark.parametrize("path", [
    "/files/htaccess/", "/files/htaccess/index.html", "/optional", "/if", "/outer/inner"])
def test_once(server, path):
    """Wherever the token is asked for, its proof counts once."""
    token = bound()
    for _ in range(3):
        one = fields(token, proof(server.url + path, token))
        granted(server.get(path, headers=one))
        assert server.get(path, headers=one).check == "proof_replay"
        invalid(server.get(path, token) if path != "/outer/inner"
                else server.get("/if", token), "binding")
    head = fields(token, proof(server.url + path, token, method="HEAD"))
    assert server.request("HEAD", path, headers=head).status == 200
    get = fields(token, proof(server.url + path, token))
    assert server.request("HEAD", path, headers=get).check == "proof_request"


def test_outer(server):
    granted(server.get("/outer", bound()))


def test_error_document(server):
    """A page that needs a token shares the proof of the request that failed."""
    token = bound()
    path = "/files/error/missing"
    res = server.get(path, headers=fields(token, proof(server.url + path, token)))
    assert (res.status, res.text) == (404, "error\n"), res
