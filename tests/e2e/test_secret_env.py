# Licensed under the Apache License, Version 2.0; see LICENSE.
"""AuthBearerClientSecret env:NAME: the variable is for this module alone. It is taken
out of the server's environment, and its value outlives every restart but a stop."""
import pytest

from support import missing, secrets
from support.expect import granted, location

SECRET = "env-secret-0123456789abcdefghijklmnop"
OPAQUE = "opaque-token-of-this-test"
#: What an .htaccess, a script and a program could show.
HTACCESS = """
PassEnv ORDERS_SECRET KEPT_VARIABLE
Header set X-Secret "expr=%{osenv:ORDERS_SECRET}"
Header set X-Kept "expr=%{osenv:KEPT_VARIABLE}"
"""
SHOW = ("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nenv\n", 0o755)
pytestmark = pytest.mark.allow_log("AH01506")  # PassEnv of what is not there


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    monkeypatch.setenv("KEPT_VARIABLE", "kept-0123456789")
    secrets.register(SECRET)


def block(issuer):
    return """
<AuthBearerIssuer "%s" %s>
    AuthBearerMetadata off
    AuthBearerKeys "%s"
    AuthBearerIntrospection "%s"
    AuthBearerIntrospectionTTL 0
    AuthBearerTokenPrefix %s
    AuthBearerClientID me
    AuthBearerClientSecret env:ORDERS_SECRET
</AuthBearerIssuer>
""" % (issuer.url, issuer.name, issuer.jwks_url, issuer.introspect_url, issuer.name)


@pytest.fixture
def issuer(issuers):
    return issuers.issuer("env-one", "rs256")


@pytest.fixture
def other(issuers):
    return issuers.issuer("env-two", "rs256")


def conf(issuer, *more):
    return "AuthBearerTokenCache off\nAuthBearerUserFormat %u\n" + "".join(
        map(block, (issuer,) + more)) + location("/a") + """
<Directory "@ROOT@/htdocs/files">
    AllowOverride All
</Directory>
<Files "show">
    SetHandler cgi-script
</Files>
"""


FILES = {"htdocs/files/.htaccess": HTACCESS, "htdocs/files/show": SHOW}


def knows_the_secret(server, issuer):
    token = issuer.name + OPAQUE
    issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test",
                            "client_id": "c"}
    secrets.register(token)
    granted(server.get("/a", token))
    assert issuer.last("introspect").basic == ("me", SECRET)


def is_nowhere(server):
    for pid in [server.process.pid] + server.children():
        try:
            with open("/proc/%d/environ" % pid, "rb") as f:
                assert SECRET.encode() not in f.read(), pid
        except PermissionError:
            pass


def shows_nothing(server):
    res = server.get("/files/show")
    assert res.status == 200 and res.get("X-Kept") == "kept-0123456789", res
    assert "KEPT_VARIABLE=kept-0123456789" in res.text
    assert not res.get("X-Secret") and "ORDERS_SECRET" not in res.text, res
    assert SECRET not in res.text
    is_nowhere(server)


@pytest.mark.core
def test_taken_and_kept(one_server, issuer, other):
    """Two issuers share it; two restarts change nothing."""
    server = one_server(conf(issuer, other), files=FILES)
    for n in range(3):
        knows_the_secret(server, issuer)
        knows_the_secret(server, other)
        shows_nothing(server)
        if n < 2:
            server.graceful()


def test_named_later(one_server, issuer, other):
    """A configuration that names it no longer, and one that does again."""
    server = one_server(conf(issuer), files=FILES)
    text = server.path("httpd.conf")
    with open(text) as f:
        full = f.read()
    for change in (full.replace("env:ORDERS_SECRET", '"exec:/bin/echo x"'), full):
        server.write("httpd.conf", change)
        server.graceful()
        shows_nothing(server)
    knows_the_secret(server, issuer)


def test_configtest(one_server, issuer, monkeypatch):
    """By a shell that has the variable, and by one that has not."""
    server = one_server(conf(issuer), files=FILES)
    assert server.configtest().status == 0
    assert SECRET not in server.configtest("-DDUMP_BEARER").output
    monkeypatch.delenv("ORDERS_SECRET")
    done = server.configtest()
    assert done.status and done.says("AB0752", "env:'ORDERS_SECRET'"), done
    assert "httpd.conf:" in done.output
    server.graceful()
    knows_the_secret(server, issuer)


def test_a_start_without_it(one_server, issuer, monkeypatch):
    monkeypatch.delenv("ORDERS_SECRET")
    server = one_server(conf(issuer), start=False)
    with pytest.raises(AssertionError, match="ORDERS_SECRET"):
        server.start()


@pytest.mark.allow_log("AB0431")
def test_password_of_redis(one_server, issuer):
    """The other directive with env:."""
    server = one_server(conf(issuer).replace(
        "AuthBearerClientSecret env:ORDERS_SECRET", "AuthBearerClientAuth none") + """
AuthBearerSOCache redis://127.0.0.1:1 for=introspection password=env:ORDERS_SECRET
AuthBearerSecretFile "@ROOT@/sealing"
""", start=False, files={**FILES, "sealing": ("s" * 48, 0o600)})
    missing.need("hiredis", not server.configtest().says("AB0653"))
    server.start()
    shows_nothing(server)
