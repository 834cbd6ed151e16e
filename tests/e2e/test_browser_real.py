# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A real browser against a real provider: what a person does and sees.

BEARER_SCREENSHOTS=DIR keeps pictures of this module's pages (docs/images).
"""
import os

import pytest

from support import certs, clientcert, node
from support.browsing import SECRETS
from support.httpd import free_port

pytestmark = [
    node.needs_browser,
    pytest.mark.allow_log("AB0763", "AB0055"),
]

ISSUER = """
<AuthBearerIssuer "%s" %s>
    AuthBearerClientID app
    AuthBearerClientSecret "file:@ROOT@/client"
</AuthBearerIssuer>
"""

CONF = """
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://127.0.0.1:@PORT@
AuthBearerLoginScopes openid profile email offline_access
{more}
{issuer}
<Location "/app">
    AuthType Bearer
    AuthName "app"
    AuthBearerSession On
    AuthBearerLogin On
    Require valid-user
    Header set Cache-Control no-cache
</Location>
{end}
"""

STEP_UP = """
<Location "/app/admin">
    AuthBearerLogin On acr_values=gold
</Location>
<Location "/app/soon">
    AuthBearerLogin On max_age=1
</Location>
"""


#: A second provider, which has the same client.
OTHER = ISSUER + """
AuthBearerLoginIssuer %s %s
AuthBearerUserFormat %%u@%%i
"""


def client(base, name="", **more):
    """What a provider knows of this server. name: of its callback, where there are several."""
    return {"client_id": "app", "client_secret": "the-secret-of-the-client",
            "redirect_uris": [base + "/.auth/callback" + name],
            "post_logout_redirect_uris": [base + "/.auth/logout"],
            "grant_types": ["authorization_code", "refresh_token"], **more}


@pytest.fixture(scope="module")
def node_is_there():
    node.need()


@pytest.fixture
def play(one_server, node_is_there):
    """play(scenario, more, end, **options of the provider); another=True: with a second
    one"""
    made, served = [], []

    def run(scenario, more="", end="", another=False, **options):
        ports = {name: free_port() for name in ("real", "other")[:1 + another]}
        urls = {name: "http://127.0.0.1:%d" % port for name, port in ports.items()}
        if another:
            end += OTHER % (urls["other"], "other", urls["real"], urls["other"])
        server = one_server(CONF.format(
            more=more, end=end, issuer=ISSUER % (urls["real"], "real")), start=False,
            files=SECRETS)
        served.append(server)
        for name, port in ports.items():
            made.append(node.RealProvider([client(
                server.url, "/" + name if another else "",
                backchannel_logout_uri=server.url + "/.auth/backchannel-logout",
                backchannel_logout_session_required=True)], port=port, **options))
        server.start()
        node.run_browser(scenario, base=server.url, issuer=urls["real"],
                         other=urls.get("other"), shots=os.environ.get("BEARER_SCREENSHOTS"))
        return server
    yield run
    for one in served:  # which may be fetching keys
        one.stop()
    for provider in made:
        provider.close()


@pytest.mark.parametrize("store", ["cache", "cookie"])
@pytest.mark.parametrize("scenario", ["login", "deeplink", "tabs", "logout",
                                      "foreignlogout", "post", "stale", "loop",
                                      "pages"])
def test_real_browser(play, scenario, store):
    play(scenario, "AuthBearerSessionStore " + store)


@pytest.mark.parametrize("store", ["cache", "cookie"])
def test_real_persist(play, store):
    play("persist", "AuthBearerSessionStore %s\n"
         "AuthBearerSessionLifetime persist=on" % store)


def test_real_session(play):
    play("session")


def test_real_landing(play):
    play("landing", "AuthBearerLogout to=/bye?a=1")


@pytest.mark.allow_log("AH01629")
def test_real_account(play):
    play("account", end="<Location /app/bob>\nRequire user bob@example.test\n</Location>\n")


@pytest.mark.allow_log("AB0762")
def test_real_choice(play):
    play("choice", another=True)


def test_real_restored(play):
    play("restored")


def test_real_back(play):
    """As in the recipe. Without its line the page is seen again."""
    play("back", end="<Location /app>\nHeader set Cache-Control no-store\n</Location>\n")
    with pytest.raises(AssertionError, match="actual: 'ok'"):
        play("back")


@pytest.mark.parametrize("store", ["cache", "cookie"])
def test_real_idle(play, store):
    play("idle", "AuthBearerSessionStore %s\n"
         "AuthBearerSessionLifetime idle=1s" % store)


@pytest.mark.parametrize("store", ["cache", "cookie"])
def test_real_refresh(play, store):
    server = play("refresh", "AuthBearerSessionStore " + store,
                  ttl={"AccessToken": 20})
    assert server.log_says("AB0313")


@pytest.mark.parametrize("store", ["cache", "cookie"])
@pytest.mark.parametrize("scenario", ["stepup", "stepupdeclined", "stepupage"])
def test_real_step_up(play, scenario, store):
    play(scenario, "AuthBearerSessionStore " + store, STEP_UP)


def test_real_backchannel(play):
    server = play("backchannel")
    assert server.log_says("AB0324")


def test_real_too_big(play):
    play("toobig", "AuthBearerSessionStore cookie")


#: Virtual hosts of one domain over TLS: three with sessions, one that is somebody else's.
HOST = """
<VirtualHost *:{port}>
    ServerName {name}.site.test
    SSLEngine On
    SSLCertificateFile "@ROOT@/server.pem"
    AuthBearerBaseURL https://{name}.site.test:{port}
    AuthBearerSessionDomain site.test login=https://a.site.test:{port}
    AuthBearerLoginIssuer {issuers}
    AuthBearerUserFormat %u
    {more}
    <Location "/app">
        AuthType Bearer
        AuthName "app"
        AuthBearerSession On
        AuthBearerLogin On
        Require valid-user
    </Location>
</VirtualHost>
"""


@pytest.mark.allow_log("AB0762", "AB0835", *clientcert.WARNINGS)
def test_real_domain(one_server, node_is_there):
    tls, ports = free_port(), (free_port(), free_port())
    main, strong = ["http://127.0.0.1:%d" % port for port in ports]
    both = ISSUER % (main, "main") + ISSUER % (strong, "strong")
    conf = """
Listen 127.0.0.1:%d
SSLSessionCache "shmcb:@ROOT@/run/tls(65536)"
AuthBearerSecretFile "@ROOT@/secret"
""" % tls + "".join(
        HOST.format(name=name, port=tls, issuers=issuers, more=more) for name, issuers, more in (
            ("a", main + " " + strong, both), ("b", main, both),
            ("strong", strong, ISSUER % (strong, "strong")))) + """
<VirtualHost *:%d>
    ServerName evil.site.test
    SSLEngine On
    SSLCertificateFile "@ROOT@/server.pem"
</VirtualHost>
""" % tls
    server = one_server(conf, start=False, modules=["socache_shmcb", "ssl"], files={
        **SECRETS, "server.pem": certs.server("good", "*.site.test")})
    base = "https://a.site.test:%d" % tls
    providers = [node.RealProvider([client(base, "/" + name)], port=port)
                 for name, port in zip(("main", "strong"), ports)]
    try:
        server.start()
        node.run_browser("domain", base=base, issuer=main, other=strong,
                         rules="MAP *.site.test 127.0.0.1")
    finally:
        server.stop()
        for provider in providers:
            provider.close()
