# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The cases: each takes a Site and fails with an AssertionError. The first line of
its description is the column of the table."""
import json
import time

from person import FROM_HERE
from provider import AGAIN, OTHER, SECRET, WEB, Absent
from support import proofs
from support.httpd import Httpd, wait_until
from support.issuer import Backend

#: The one server verifies signatures, the other introspects every token.
CONF = """
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://127.0.0.1:@PORT@
AuthBearerKeysRefresh min=1s max=1h stale=1h
<AuthBearerIssuer "{p.issuer}" real>
    AuthBearerClientID {web}
    AuthBearerClientSecret "file:@ROOT@/client"
    AuthBearerClientAuth {p.auth_method}
    AuthBearerLoginScopes {p.login_scopes}
    AuthBearerSessionUserClaim {p.user_claim}
</AuthBearerIssuer>
<Location "/">
    AuthType Bearer
    AuthName "api"
    AuthBearerAudience api://orders
    Require valid-user
</Location>
<Location "/jwt">
    AuthBearerProvider jwt
</Location>
<Location "/app">
    AuthBearerSession On
    AuthBearerLogin On
    AuthBearerForward token
</Location>
"""
ASKED = """
AuthBearerBaseURL http://127.0.0.1:@PORT@
<Location "/">
    AuthType Bearer
    AuthName "asked"
    AuthBearerAudience api://orders
    AuthBearerProvider introspection
    Require valid-user
</Location>
<AuthBearerIssuer "{p.issuer}" real>
    AuthBearerIntrospection {p.introspection} for=all
    AuthBearerIntrospectionTTL 0
    AuthBearerClientID {web}
    AuthBearerClientSecret "file:@ROOT@/client"
    AuthBearerClientAuth {p.auth_method}
</AuthBearerIssuer>
"""
FILES = {"secret": ("s" * 48, 0o600), "client": (SECRET + "\n", 0o600)}


class Site:
    """httpd with the built module in front of a provider."""

    def __init__(self, cls):
        self.backend = Backend()
        self.server = Httpd(files=FILES, backend=self.backend)
        self.asking = Httpd(files=FILES)
        self.url = self.server.url
        self.provider = cls(self.url)
        self.provider.upstream = self.backend.url
        self._application = None

    def start(self):
        p = self.provider
        p.start()
        for server, conf in ((self.server, p.conf or CONF),
                             (self.asking, p.asked_conf if p.conf else ASKED)):
            if conf:
                server.configure(conf.format(p=p, web=WEB))
                found = server.configtest()
                assert found.status == 0, found
                server.start()

    def close(self):
        try:
            self.server.close()
            self.asking.close()
        finally:
            self.provider.stop()
            self.backend.close()

    @property
    def application(self):
        """The tokens of an application that logged a person in."""
        if not self._application:
            self._application = self.provider.code_flow()
        return self._application

    def jwt(self, token):
        return self.server.get("/jwt/env", token)

    def ask(self, token):
        return self.asking.get("/env", token)

    def logged_in(self):
        """A person at the application behind httpd, and where she went."""
        person = self.provider.person()
        page = person.go(self.url + "/app/x")
        page = person.walk(page, self.url)
        assert page.status == 200 and page.url == self.url + "/app/x", (
            page, self.server.new_lines()[-6:])
        return person, page

    def forwarded(self, person):
        """The access token that the application behind httpd gets."""
        page = person.once(self.url + "/app/be/x")
        assert page.status == 200, page
        return dict((name.lower(), value) for name, value in json.loads(
            page.text)["headers"]).get("authorization")


def accepted(res):
    assert res.status == 200 and res.user, res


def refused(res, check):
    assert res.status == 401 and res.check == check, res


def jwt(site):
    """access token, by signature"""
    accepted(site.jwt(site.provider.machine()))


def introspection(site):
    """access token, by introspection"""
    accepted(site.ask(site.provider.asked()))
    try:
        token = site.provider.opaque()
    except Absent:
        return
    accepted(site.ask(token))


def audience(site):
    """another audience: 401"""
    refused(site.jwt(site.provider.machine(OTHER)), "aud")
    refused(site.ask(site.provider.asked(OTHER)), "aud")


def login_token(site):
    """access token of a login"""
    accepted(site.jwt(site.application["access_token"]))


def id_token(site):
    """ID token refused"""
    res = site.jwt(site.application["id_token"])
    assert res.status == 401 and res.check in ("id_token", "type", "aud"), res


def refresh_token(site):
    """refresh token refused"""
    token = site.application.get("refresh_token")
    if not token:
        raise Absent("none issued")
    res = site.jwt(token)
    # a JWT says what it is
    assert res.status == 401 and (token.count(".") != 2 or res.check == "type"), res


def login(site):
    """login"""
    person = site.provider.person()
    page = person.once(site.url + "/app/x")
    assert page.status == 302 and page.location.startswith(
        site.provider.metadata["authorization_endpoint"]), page
    script = person.once(site.url + "/app/x", headers={
        "Accept": "*/*", "Sec-Fetch-Mode": "cors"})
    assert script.status == 401, script
    site.logged_in()


def refresh(site):
    """session refreshed"""
    person, _ = site.logged_in()
    tokens = [site.forwarded(person)]
    for seconds in AGAIN:  # with the next refresh token, too
        time.sleep(seconds)
        person.once(site.url + "/app/x")
        tokens.append(site.forwarded(person))
    assert all(tokens) and len(set(tokens)) == 3, (
        "not three access tokens: %s" % [tokens.index(t) for t in tokens],
        [line for line in site.server.new_lines() if "session" in line.text])


def rotation(site):
    """key rotation"""
    site.provider.rotate()
    # two requests within `min` of each other would not both fetch
    time.sleep(1.5)
    token = site.provider.machine()
    accepted(site.jwt(token))


def revocation(site):
    """revocation"""
    token = site.provider.asked()
    accepted(site.ask(token))
    site.provider.revoke(token)
    res = site.ask(token)
    assert res.status == 401, res


def front_logout(site):
    """logout"""
    person, _ = site.logged_in()
    page = person.go(site.url + "/.auth/logout", headers=FROM_HERE)
    end = site.provider.metadata.get("end_session_endpoint")
    if not end:
        assert page.status == 200 and page.url.startswith(site.url), page
    else:
        assert any(url.startswith(end) for url in page.trail), page
        page = person.walk(page, site.url)
        assert page.url.startswith(site.url + "/.auth/logout"), page
        site.provider.signed_out()
    page = person.go(site.url + "/app/x")
    if not end:
        raise Absent("no end_session_endpoint; the session here ends")
    assert person.is_asked(page), page


def back_logout(site):
    """back-channel logout"""
    person, _ = site.logged_in()
    site.provider.end_person(person)
    wait_until(lambda: person.once(
        site.url + "/app/x", headers={"Sec-Fetch-Mode": "cors"}).status == 401,
        10, "the session ends")


def bound(site):
    """token bound to a key (DPoP)"""
    p = site.provider
    if not p.metadata.get("dpop_signing_alg_values_supported"):
        raise Absent("no DPoP")
    for server, path, get in ((site.server, "/jwt/env", p.machine),
                              (site.asking, "/env", p.asked)):
        p.proof = proofs.proof(p.metadata["token_endpoint"], None, method="POST")
        try:
            token = get()
        finally:
            p.proof = None
        url = server.url + path
        res = server.get(path, headers=proofs.fields(token, proofs.proof(url, token)))
        accepted(res)
        assert res.env["BEARER_PROOF"] == "dpop", res
        refused(server.get(path, token), "binding")


CASES = (jwt, introspection, audience, login_token, id_token, refresh_token, login,
         refresh, front_logout, back_logout, revocation, bound, rotation)
