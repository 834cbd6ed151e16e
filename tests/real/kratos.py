# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Ory Kratos: sessions instead of tokens, by cookie and by session token."""
import base64
import html
import http.server
import json
import os
import urllib.request

import cases
from ory import Pages, build, program, version_in
from provider import CACHE, NAME, PASSWORD, SECRET, Provider, ask, wanted
from support.httpd import free_port

SCHEMA = {
    "$id": "person", "type": "object", "properties": {"traits": {
        "type": "object", "properties": {"name": {
            "type": "string", "ory.sh/kratos": {"credentials": {
                "password": {"identifier": True}}}}}}}}

CONF = """
AuthBearerBaseURL {p.site}
<Location "/">
    AuthType Bearer
    AuthName "kratos"
    AuthBearerProvider session
    AuthBearerSessionCheck {p.issuer}/sessions/whoami \
        cookies=ory_kratos_session method=GET subject=identity.id extra=identity.traits ttl=0
    Require valid-user
</Location>
<Location "/led">
    AuthBearerLoginURL {p.issuer}/self-service/login/browser
    ErrorDocument 403 "second factor: %{{reqenv:BEARER_ERROR}}"
</Location>
<Location "/program">
    AuthBearerSessionCheck {p.issuer}/sessions/whoami \
        send=header:X-Session-Token prefix=ory_st_ method=GET subject=identity.id \
        extra=identity.traits ttl=0
</Location>
"""


class LoginPage(Pages):
    """The form of a login flow."""

    def __init__(self, kratos):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                flow = self.path.partition("flow=")[2]
                with urllib.request.urlopen(urllib.request.Request(
                        kratos + "/self-service/login/flows?id=" + flow,
                        headers={"Cookie": self.headers["Cookie"] or ""})) as f:
                    ui = json.load(f)["ui"]
                fields = "".join("<input name='%s' value='%s'>" % (
                    html.escape(a["name"], True), html.escape(str(a.get("value", "")), True))
                    for a in (node["attributes"] for node in ui["nodes"]))
                text = ("<form method=post action='%s'>%s</form>" % (
                    html.escape(ui["action"], True), fields)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.serve(Handler)


class Kratos(Provider):
    name, version = "Ory Kratos", version_in("kratos")
    conf, asked_conf = CONF, None

    @classmethod
    def prepare(cls):
        build("kratos", "-tags=sqlite,json1")

    def __init__(self, site):
        super().__init__(site)
        self.admin_port, self.page, self.identity = free_port(), None, None
        self.admin = "http://127.0.0.1:%d/admin" % self.admin_port

    def start(self):
        self.page = LoginPage(self.issuer)
        settings = {
            "dsn": "memory", "log": {"level": "warning"},
            "serve": {"public": {"base_url": self.issuer + "/", "host": "127.0.0.1",
                                 "port": self.port},
                      "admin": {"host": "127.0.0.1", "port": self.admin_port}},
            "selfservice": {
                "default_browser_return_url": self.site + "/app/x",
                "allowed_return_urls": [self.site],
                "methods": {"lookup_secret": {"enabled": True},
                            "password": {"enabled": True, "config": {
                                "haveibeenpwned_enabled": False}}},
                "flows": {"login": {"ui_url": self.page.url + "/login"}}},
            "identity": {"default_schema_id": "person", "schemas": [{
                "id": "person", "url": "base64://" + base64.b64encode(
                    json.dumps(SCHEMA).encode()).decode()}]},
            "session": {"whoami": {"required_aal": "highest_available"}},
            "secrets": {"cookie": [SECRET], "cipher": [(SECRET * 2)[:32]]},
            "courier": {"smtp": {"connection_uri": "smtp://127.0.0.1:9/"}}}
        path = os.path.join(CACHE, "logs", "kratos-%d.json" % self.port)
        with open(path, "w") as f:
            json.dump(settings, f)
        self.process = self.spawn([program("kratos"), "serve", "--dev", "--sqa-opt-out",
                                   "-c", path], self.issuer + "/health/ready", 60)
        self.identity = self.somebody(NAME)

    def stop(self):
        super().stop()
        if self.page:
            self.page.close()
        self.page = None

    def somebody(self, name):
        """The ID of a new identity."""
        return wanted(ask(self.admin + "/identities", json_body={
            "schema_id": "person", "traits": {"name": name}, "credentials": {
                "password": {"config": {"password": PASSWORD}}}}))["id"]

    def browser(self):
        """A person with a session of Kratos."""
        person = self.person()
        page = person.go(self.issuer + "/self-service/login/browser?return_to="
                         + self.site + "/app/x")
        page = person.submit(page, stop=self.site, identifier=NAME, password=PASSWORD)
        assert page.trail[-1].startswith(self.site), page
        return person

    def session_token(self, name=NAME):
        flow = wanted(ask(self.issuer + "/self-service/login/api"))
        return wanted(ask(flow["ui"]["action"], json_body={
            "method": "password", "identifier": name, "password": PASSWORD}))["session_token"]

    def second_factor(self, name):
        """Gives this identity lookup secrets."""
        token = self.session_token(name)
        for member in ("lookup_secret_regenerate", "lookup_secret_confirm"):
            flow = wanted(ask(self.issuer + "/self-service/settings/api", token=token))
            if member.endswith("confirm"):
                flow = made
            made = wanted(ask(flow["ui"]["action"], token=token, json_body={
                "method": "lookup_secret", member: True}))

    def end_sessions(self):
        wanted(ask("%s/identities/%s/sessions" % (self.admin, self.identity),
                   method="DELETE"), 204)


def session_cookie(site):
    """session check, by cookie"""
    page = site.provider.browser().once(site.url + "/app/env")
    assert page.status == 200, page
    assert page.headers["X-Test-User"] == site.provider.identity, page
    assert "BEARER_CLAIM_name=%s" % NAME in page.text, page.text


def session_token(site):
    """by session token"""
    res = site.server.get("/program/env", site.provider.session_token())
    cases.accepted(res)
    assert res.user == site.provider.identity, res


def no_session(site):
    """none, or a wrong one: 401"""
    for cookie in ("", "ory_kratos_session=MTczMzA0"):
        page = site.provider.person().once(
            site.url + "/app/x", headers={"Cookie": cookie} if cookie else {})
        assert page.status == 401, page
    res = site.server.get("/program/x", "ory_st_" + "x" * 32)
    assert res.status == 401, res


def ended(site):
    """ended there: 401"""
    person, token = site.provider.browser(), site.provider.session_token()
    cases.accepted(site.server.get("/program/x", token))
    site.provider.end_sessions()
    assert site.server.get("/program/x", token).status == 401
    assert person.once(site.url + "/app/x").status == 401


def led(site):
    """led to its login and back"""
    person, wanted_page = site.provider.person(), site.url + "/led/env?a=1"
    page = person.go(wanted_page)
    assert page.trail[1].startswith(site.provider.issuer + "/self-service/login"), page
    page = person.submit(page, identifier=NAME, password=PASSWORD)
    assert page.trail[-1] == wanted_page and page.status == 200, page
    assert page.headers["X-Test-User"] == site.provider.identity, page


def second_factor(site):
    """second factor missing: 403"""
    kratos = site.provider
    kratos.somebody("olga")
    before = kratos.session_token("olga")
    cases.accepted(site.server.get("/program/x", before))
    kratos.second_factor("olga")
    res = site.server.get("/program/x", kratos.session_token("olga"))
    assert (res.status, res.challenges) == (403, {}), res
    person = kratos.person()
    page = person.go(site.url + "/led/env")
    page = person.submit(page, identifier="olga", password=PASSWORD)
    assert "aal2" in page.trail[-2], page.trail
    page = person.once(site.url + "/led/env")
    assert page.status == 403, page
    assert "second factor: session_insufficient" in page.text, page.text


Kratos.cases = (session_cookie, session_token, no_session, led, second_factor, ended)
