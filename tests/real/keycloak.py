# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Keycloak: the distribution from Maven Central, with memory storage."""
import json
import os
import shutil
import zipfile

from provider import (
    APPLICATION, AUDIENCE, CACHE, MACHINE, NAME, PASSWORD, SECRET, SHORT, WEB, Provider,
    artifact, ask, run, wanted)

REALM = "shop"


def mapper(kind, name, **config):
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind,
            "config": {"access.token.claim": "true", **config}}


def client(name, audience, **more):
    mappers = [mapper("oidc-audience-mapper", "audience",
                      **{"included.custom.audience": audience})] if audience else []
    return {"clientId": name, "secret": SECRET, "protocol": "openid-connect",
            "publicClient": False, "standardFlowEnabled": False,
            "protocolMappers": mappers, **more}


class Keycloak(Provider):
    login_scopes = "openid profile email"
    user_claim = "email"
    #: Options of `kc.sh build` and `start`.
    building, starting = (), ("--hostname-strict=false", "--cache=local")

    @classmethod
    def _home(cls):
        return os.path.join(CACHE, "keycloak-" + cls.version, "keycloak-" + cls.version)

    @classmethod
    def prepare(cls):
        place = artifact("org.keycloak:keycloak-quarkus-dist:%s:zip" % cls.version,
                         "keycloak-" + cls.version)
        archive = os.path.join(place, "keycloak-quarkus-dist-%s.zip" % cls.version)
        if os.path.exists(archive):
            with zipfile.ZipFile(archive) as f:
                f.extractall(place)
            os.remove(archive)
        run(["bash", os.path.join(cls._home(), "bin", "kc.sh"), "build", "--db=dev-mem",
             *cls.building])

    @property
    def issuer(self):
        return super().issuer + "/realms/" + REALM

    def realm(self):
        web = client(
            WEB, AUDIENCE, standardFlowEnabled=True, frontchannelLogout=False,
            redirectUris=[self.site + "/.auth/callback", APPLICATION],
            attributes={
                "access.token.lifespan": str(SHORT),
                "post.logout.redirect.uris": self.site + "/.auth/logout",
                "backchannel.logout.url": self.site + "/.auth/backchannel-logout",
                "backchannel.logout.session.required": "true"})
        return {
            "realm": REALM, "enabled": True, "sslRequired": "none",
            "accessTokenLifespan": 300, "revokeRefreshToken": True,
            "refreshTokenMaxReuse": 0, "eventsEnabled": True,
            "enabledEventTypes": ["LOGOUT", "LOGOUT_ERROR"],
            "users": [{
                "username": NAME, "email": NAME + "@example.test", "enabled": True,
                "emailVerified": True, "firstName": "Ann", "lastName": "Smith",
                "credentials": [{"type": "password", "value": PASSWORD}]}],
            "clients": [web, client(MACHINE, AUDIENCE, serviceAccountsEnabled=True),
                        client("stranger", None, serviceAccountsEnabled=True)]}

    def start(self):
        home = self._home()
        shutil.rmtree(os.path.join(home, "data"), ignore_errors=True)
        os.makedirs(os.path.join(home, "data", "import"))
        with open(os.path.join(home, "data", "import", REALM + ".json"), "w") as f:
            json.dump(self.realm(), f)
        admin = {"KEYCLOAK_ADMIN": "admin", "KEYCLOAK_ADMIN_PASSWORD": SECRET,
                 "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
                 "KC_BOOTSTRAP_ADMIN_PASSWORD": SECRET}
        self.process = self.spawn(
            ["bash", os.path.join(home, "bin", "kc.sh"), "start", "--optimized",
             "--import-realm", "--http-enabled=true", "--http-host=127.0.0.1",
             "--http-port=%d" % self.port, *self.starting],
            self.issuer + "/.well-known/openid-configuration", 900,
            env={**admin, "JAVA_OPTS_APPEND": "-Xms64m -Xmx512m -XX:TieredStopAtLevel=1"})

    def machine(self, audience=AUDIENCE):
        return wanted(self.token_request(
            MACHINE if audience == AUDIENCE else "stranger",
            grant_type="client_credentials"))["access_token"]

    # -- as an administrator ---------------------------------------------------

    def admin(self, path, json_body=None, method=None):
        token = wanted(ask(
            Provider.issuer.fget(self) + "/realms/master/protocol/openid-connect/token",
            {"grant_type": "password", "client_id": "admin-cli", "username": "admin",
             "password": SECRET}))["access_token"]
        return wanted(ask(Provider.issuer.fget(self) + "/admin/realms/" + REALM + path,
                          json_body=json_body, token=token, method=method), 200, 201, 204)

    def rotate(self):
        self.admin("/components", {
            "name": "newer", "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": ["200"], "algorithm": ["RS256"]}})

    def end_person(self, person):
        """Her sessions, not only one client's."""
        user = self.admin("/users?username=" + NAME)[0]["id"]
        self.admin("/users/%s/logout" % user, {}, "POST")

    def signed_out(self):
        """Its audit calls a session that had ended before LOGOUT_ERROR."""
        events = [event["type"] for event in self.admin("/events")]
        assert events[:1] == ["LOGOUT"], events


class Keycloak26(Keycloak):
    name, version = "Keycloak 26", "26.4.7"


class Keycloak22(Keycloak):
    name, version = "Keycloak 22", "22.0.5"
    building = ("--cache=local",)
    starting = ("--hostname-strict=false", "--hostname-strict-https=false")
