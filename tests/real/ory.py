# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Ory's programs: built by the Go client as tools of a module, storage in memory."""
import http.server
import json
import os
import re
import threading
import urllib.parse

from provider import (
    APPLICATION, AUDIENCE, CACHE, HERE, MACHINE, NAME, OTHER, SECRET, SHORT, WEB, Provider,
    ask, copy_tree, run, wanted)
from support.httpd import free_port


def version_in(name):
    """What go/NAME/go.mod requires."""
    with open(os.path.join(HERE, "go", name, "go.mod")) as f:
        return re.search(r"(?m)^require \S+ v(\S+)", f.read()).group(1)


def build(name, *options):
    """Compiles the tool of go/NAME; go.sum is made and checked in the cache."""
    place = copy_tree(os.path.join("go", name), os.path.join("go", name))
    with open(os.path.join(place, "go.mod")) as f:
        package = re.search(r"(?m)^tool (\S+)", f.read()).group(1)
    # one compiler at a time: this is a machine for other things, too
    run(["go", "build", *options, "-o", program(name), package], cwd=place,
        env={"GOFLAGS": "-p=1 -mod=mod", "CGO_ENABLED": "1"})


def program(name):
    return os.path.join(CACHE, "bin", name)


class Pages:
    """Pages on loopback that a program leaves to others."""

    def serve(self, handler):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class LoginPages(Pages):
    """The login and consent application that Hydra needs: it asks for nothing but
    the name, and grants everything."""

    def __init__(self, admin):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                path, _, query = self.path.partition("?")
                outer.answer(self, path[1:], dict(urllib.parse.parse_qsl(query)))

            def do_POST(self):
                size = int(self.headers.get("Content-Length") or 0)
                form = dict(urllib.parse.parse_qsl(self.rfile.read(size).decode()))
                outer.answer(self, "signin", form)

        self.admin = admin
        self.serve(Handler)

    def accept(self, what, challenge, body):
        return wanted(ask("%s/oauth2/auth/requests/%s/accept?%s_challenge=%s" % (
            self.admin, what, what, challenge), json_body=body, method="PUT"))["redirect_to"]

    def asked(self, what, challenge):
        return wanted(ask("%s/oauth2/auth/requests/%s?%s_challenge=%s" % (
            self.admin, what, what, challenge)))

    def answer(self, handler, page, values):
        challenge = values.get(page + "_challenge") or values.get("challenge")
        to = None
        if page == "login" and self.asked("login", challenge)["skip"]:
            to = self.accept("login", challenge, {"subject": NAME})
        elif page == "signin":
            to = self.accept("login", challenge, {
                "subject": values["username"], "remember": True, "remember_for": 3600})
        elif page == "consent":
            asked = self.asked("consent", challenge)
            to = self.accept("consent", challenge, {
                "grant_scope": asked["requested_scope"],
                "grant_access_token_audience": asked["requested_access_token_audience"],
                "session": {"id_token": {"email": NAME + "@example.test",
                                         "email_verified": True}}})
        elif page == "logout":
            to = self.accept("logout", challenge, {})
        text = b"" if to else (
            "<form method=post action=/login><input name=challenge type=hidden value=%s>"
            "<input name=username><input name=password type=password></form>"
            % challenge).encode()
        handler.send_response(303 if to else 200)
        if to:
            handler.send_header("Location", to)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)


class Hydra(Provider):
    name, version = "Ory Hydra", version_in("hydra")
    login_scopes = "openid offline_access"
    user_claim = "email"

    @classmethod
    def prepare(cls):
        build("hydra", "-tags=sqlite,json1")

    @property
    def issuer(self):
        return super().issuer + "/"

    @property
    def introspection(self):
        return self.admin + "/oauth2/introspect"

    def __init__(self, site):
        super().__init__(site)
        self.admin_port = free_port()
        self.admin = "http://127.0.0.1:%d/admin" % self.admin_port
        self.pages = None

    def start(self):
        self.pages = LoginPages(self.admin)
        settings = {
            "dsn": "memory", "secrets": {"system": [SECRET]}, "log": {"level": "warn"},
            "dev": True, "sqa": {"opt_out": True},
            "serve": {"public": {"host": "127.0.0.1", "port": self.port},
                      "admin": {"host": "127.0.0.1", "port": self.admin_port}},
            "strategies": {"access_token": "jwt"},
            "ttl": {"access_token": "%ds" % SHORT},
            "urls": {"self": {"issuer": self.issuer, "public": self.issuer},
                     "login": self.pages.url + "/login",
                     "consent": self.pages.url + "/consent",
                     "logout": self.pages.url + "/logout"}}
        path = os.path.join(CACHE, "logs", "hydra-%d.json" % self.port)
        with open(path, "w") as f:
            json.dump(settings, f)
        self.process = self.spawn([program("hydra"), "serve", "all", "--dev", "--sqa-opt-out",
                                   "-c", path], self.issuer + "health/ready", 60)
        machine = {"grant_types": ["client_credentials"], "client_secret": SECRET,
                   "audience": [AUDIENCE, OTHER], "scope": "orders.read"}
        for client in (
                {**machine, "client_id": MACHINE},
                {**machine, "client_id": "opaque", "access_token_strategy": "opaque"},
                {"client_id": WEB, "client_secret": SECRET, "scope": self.login_scopes,
                 "grant_types": ["authorization_code", "refresh_token"],
                 "response_types": ["code"], "audience": [AUDIENCE],
                 "redirect_uris": [self.site + "/.auth/callback", APPLICATION],
                 "post_logout_redirect_uris": [self.site + "/.auth/logout"],
                 "backchannel_logout_uri": self.site + "/.auth/backchannel-logout",
                 "backchannel_logout_session_required": True}):
            wanted(ask(self.admin + "/clients", json_body=client))
        for _ in range(20):  # the first token waits for its keys, longer than it may
            try:
                self.machine()
                break
            except OSError:
                pass

    def stop(self):
        super().stop()
        if self.pages:
            self.pages.close()
        self.pages = None

    def token_of(self, client, audience):
        return wanted(self.token_request(
            client, grant_type="client_credentials", scope="orders.read",
            audience=audience))["access_token"]

    def machine(self, audience=AUDIENCE):
        return self.token_of(MACHINE, audience)

    def opaque(self):
        return self.token_of("opaque", AUDIENCE)

    def login_parameters(self):
        return {"audience": AUDIENCE}

    def rotate(self):
        wanted(ask(self.admin + "/keys/hydra.jwt.access-token", json_body={
            "alg": "RS256", "use": "sig", "kid": "newer"}))

    def end_person(self, person):
        """She signs out there."""
        person.walk(person.go(self.issuer + "oauth2/sessions/logout"), self.site)
