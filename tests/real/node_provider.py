# Licensed under the Apache License, Version 2.0; see LICENSE.
"""npm's oidc-provider, as tests/e2e has it: locked there, storage in memory."""
import base64
import json
import os

from provider import (
    APPLICATION, AUDIENCE, MACHINE, OTHER, SECRET, SHORT, WEB, Missing,
    Provider, wanted)
from cryptography.hazmat.primitives.asymmetric import rsa
from support import node


def new_key(name):
    """A private key as a JWK."""
    key = rsa.generate_private_key(65537, 2048).private_numbers()
    numbers = {"n": key.public_numbers.n, "e": key.public_numbers.e, "d": key.d,
               "p": key.p, "q": key.q, "dp": key.dmp1, "dq": key.dmq1, "qi": key.iqmp}
    return {"kty": "RSA", "kid": name, "use": "sig", "alg": "RS256", **{
        n: base64.urlsafe_b64encode(v.to_bytes((v.bit_length() + 7) // 8, "big"))
        .rstrip(b"=").decode() for n, v in numbers.items()}}


class NodeProvider(Provider):
    name = "node oidc-provider"
    login_scopes = "openid email"
    user_claim = "email"

    with open(os.path.join(node.HERE, "package-lock.json")) as f:
        version = json.load(f)["packages"]["node_modules/oidc-provider"]["version"]

    @classmethod
    def prepare(cls):
        why = node._missing(node.HERE)
        if why:
            raise Missing("npm: " + why)

    def start(self):
        web = {"client_id": WEB, "client_secret": SECRET,
               "redirect_uris": [self.site + "/.auth/callback", APPLICATION],
               "post_logout_redirect_uris": [self.site + "/.auth/logout"],
               "grant_types": ["authorization_code", "refresh_token"],
               "backchannel_logout_uri": self.site + "/.auth/backchannel-logout",
               "backchannel_logout_session_required": True}
        machine = {"client_id": MACHINE, "client_secret": SECRET, "redirect_uris": [],
                   "response_types": [], "grant_types": ["client_credentials"]}
        resources = {name: {"scope": "orders.read", "accessTokenFormat": kind,
                            "audience": name.removesuffix("/opaque")}
                     for name, kind in ((AUDIENCE, "jwt"), (OTHER, "jwt"),
                                        (AUDIENCE + "/opaque", "opaque"),
                                        (OTHER + "/opaque", "opaque"))}
        self.keys = [new_key("one")]
        self.process = node.RealProvider(
            [web, machine], self.port, resources=resources, scopes=["openid", "orders.read"],
            ttl={"AccessToken": SHORT}, jwks={"keys": self.keys})

    def stop(self):
        if self.process:
            self.process.close()
        self.process = None

    def machine(self, audience=AUDIENCE):
        return wanted(self.token_request(
            MACHINE, grant_type="client_credentials", scope="orders.read",
            resource=audience))["access_token"]

    def asked(self, audience=AUDIENCE):
        """It keeps no JWTs, so it calls them inactive."""
        return self.machine(audience + "/opaque")

    def login_parameters(self):
        return {"resource": AUDIENCE}

    def rotate(self):
        """With the newer key first; what is in memory is lost."""
        self.process.close()
        options = json.loads(self.process.options)
        options["jwks"] = {"keys": [new_key("two"), *self.keys]}
        self.process.options = json.dumps(options)
        self.process.start()

    def end_person(self, person):
        """She signs out there."""
        page = person.go(self.metadata["end_session_endpoint"])
        person.submit(page, logout="yes")
