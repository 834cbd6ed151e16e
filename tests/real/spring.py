# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Spring Authorization Server, with a small program around it (spring/)."""
import os

from provider import (
    APPLICATION, AUDIENCE, CACHE, MACHINE, NAME, PASSWORD, SECRET, SHORT, Provider, ask,
    copy_tree, java, run, wanted)


class Spring(Provider):
    name, version = "Spring Authorization Server", "1.5.3"
    login_scopes = "openid profile"

    @classmethod
    def prepare(cls):
        run(["mvn", "-q", "-B", "-DskipTests", "package"], cwd=copy_tree("spring", "spring"))

    def start(self):
        values = {
            "server.port": self.port, "server.address": "127.0.0.1", "issuer": self.issuer,
            "site": self.site, "application": APPLICATION, "audience": AUDIENCE,
            "person": NAME, "password": PASSWORD, "secret": SECRET, "lifetime": SHORT}
        self.process = self.spawn(
            [*java("256m"), "-jar", os.path.join(CACHE, "spring", "target", "server.jar"),
             *("--%s=%s" % pair for pair in values.items())],
            self.issuer + "/.well-known/openid-configuration")

    def machine(self, audience=AUDIENCE):
        return self.token_of(MACHINE if audience == AUDIENCE else "stranger")

    def token_of(self, client):
        return wanted(self.token_request(client, grant_type="client_credentials",
                                         scope="orders.read"))["access_token"]

    def opaque(self):
        return self.token_of("opaque")

    def rotate(self):
        wanted(ask(self.issuer + "/rotate", {}), 200)
