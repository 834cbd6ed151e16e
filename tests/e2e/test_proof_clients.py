# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Real clients with bound tokens of a real provider: openid-client with DPoP (RFC 9449),
curl with mutual TLS (RFC 8705)."""
import json
import subprocess
import urllib.parse

import pytest

from support import certs, node, secrets
from support.clientcert import MODULES as TLS, WARNINGS, ClientCert
from support.expect import location
from support.httpd import SLOW, free_port

SECRET = "the-secret-of-the-client"
#: Formats of the provider's access tokens, by resource.
RESOURCES = {"api://jwt": "jwt", "api://opaque": "opaque"}
pytestmark = pytest.mark.allow_log(*WARNINGS)


@pytest.fixture(scope="module")
def place(new_server):
    """A provider, and a server with a place for each kind of token."""
    node.need()
    port = free_port()
    issuer = "http://127.0.0.1:%d" % port
    conf = """
<AuthBearerIssuer "%s" real>
    AuthBearerIntrospection discover
    AuthBearerClientID api
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://127.0.0.1:@PORT@
""" % issuer
    for path, inside in (("/plain", "AuthBearerProof auto"), ("/dpop", "AuthBearerProof dpop"),
                         ("/nonce", "AuthBearerProof dpop nonce=on"),
                         ("/mtls", "AuthBearerProof mtls")):
        conf += location(path, inside, audience=" ".join(RESOURCES))
    tls = ClientCert()
    server = new_server(conf + tls.conf, start=False, modules=TLS, files={
        **tls.files, "client": (SECRET + "\n", 0o600), "secret": (b"s" * 48, 0o600)})
    client = {"client_secret": SECRET, "grant_types": ["client_credentials"],
              "redirect_uris": [], "response_types": []}
    provider = node.RealProvider(
        [{**client, "client_id": "dpop", "dpop_bound_access_tokens": True},
         {**client, "client_id": "mtls", "tls_client_certificate_bound_access_tokens": True},
         {**client, "client_id": "api"}],
        port, resources={name: {"scope": "read", "accessTokenFormat": form}
                         for name, form in RESOURCES.items()})
    server.start()
    yield server, provider, tls
    server.stop()
    provider.close()


@pytest.mark.parametrize("resource", RESOURCES)
def test_openid_client(place, resource):
    """With each request a new proof; with nonces, it sends the proof again."""
    server, provider, _ = place
    paths = ["/plain/env", "/dpop/env", "/nonce/env", "/nonce/env", "/mtls/env", "/plain/env"]
    result = subprocess.run(["node", "dpop.mjs", json.dumps({
        "issuer": provider.url, "urls": [server.url + path for path in paths],
        "client": {"client_id": "dpop", "client_secret": SECRET,
                   "redirect_uris": [], "response_types": []},
        "grant": {"grant_type": "client_credentials", "resource": resource,
                  "scope": "read"}})],
        cwd=node.HERE, stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SLOW)
    assert result.returncode == 0, result.stderr.decode()
    said = json.loads(result.stdout)
    secrets.register(said["token"])
    assert said["type"] == "DPoP"
    assert (said["token"].count(".") == 2) == (resource == "api://jwt")
    assert [status for status, _ in said["answers"]] == [200, 200, 200, 200, 401, 200]
    for status, body in said["answers"]:
        assert status == 401 or "BEARER_PROOF=dpop" in body, body
    assert said["bearer"] == 401


def curl(url, token, *more):
    result = subprocess.run(
        ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-H", "@-", *more, url],
        input="Authorization: Bearer %s\n" % token, stdout=subprocess.PIPE, text=True,
        timeout=60 * SLOW)
    return int(result.stdout)


@pytest.mark.parametrize("resource", RESOURCES)
def test_curl(place, resource):
    server, provider, tls = place
    mine, other = certs.client("mine", trusted=False), certs.client("other", trusted=False)
    files = {name: server.write(name, pem, 0o600)
             for name, pem in (("mine.pem", mine), ("other.pem", other))}
    pem = mine[mine.index(b"-----BEGIN CERT"):]
    secrets.register(SECRET)
    answer = subprocess.run(
        ["curl", "-s", "-u", "mtls:" + SECRET, "-H", "X-Client-Cert: "
         + urllib.parse.quote(pem), provider.url + "/token", "-d",
         urllib.parse.urlencode({"grant_type": "client_credentials", "resource": resource,
                                 "scope": "read"})],
        stdout=subprocess.PIPE, timeout=60 * SLOW).stdout
    token = json.loads(answer)["access_token"]
    secrets.register(token)
    url = "https://127.0.0.1:%d" % tls.port
    for path in ("/plain", "/mtls"):
        assert curl(url + path, token, "--cert", files["mine.pem"]) == 200
        assert curl(url + path, token, "--cert", files["other.pem"]) == 401
        assert curl(url + path, token) == 401
    assert curl(url + "/dpop", token, "--cert", files["mine.pem"]) == 401
    assert curl(server.url + "/plain", token) == 401
