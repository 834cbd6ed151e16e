# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Several hosts with one name, one secret and one cache, and nothing else in
common. A test file imports the fixtures that it uses: cache, op, host.
"""
import os
import shutil
import urllib.parse

import pytest

from . import missing
from .backends import Memcached, MemcachedClient, Redis
from .browsing import signed_in
from .httpd import MODULES
from .op import Browser, Provider

KINDS = {"redis": Redis, "memcache": Memcached}
BASE = "https://www.fleet.test"
SECRET, NEWER = os.urandom(48), os.urandom(48)
CONF = """
AuthBearerSecretFile {secrets}
AuthBearerBaseURL %s
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
AuthBearerTimeout connect=10s total=20s
{more}
<AuthBearerIssuer "{issuer}" main>
</AuthBearerIssuer>
<Location "/app">
    AuthType Bearer
    AuthName "app"
    AuthBearerSession On
    AuthBearerLogin On
    AuthBearerForward identity token
    Require valid-user
</Location>
""" % BASE


@pytest.fixture(params=sorted(KINDS))
def cache(request):
    kind = KINDS[request.param]
    missing.need(kind.PROGRAM, shutil.which(kind.PROGRAM))
    missing.need("mod_" + kind.MODULE, os.path.exists(
        "%s/mod_%s.so" % (MODULES, kind.MODULE)))
    server = kind()
    yield server
    server.close()


@pytest.fixture
def op(issuers, request):
    made = Provider(issuers, "fleet-" + "".join(
        c if c.isalnum() else "-" for c in request.node.name))
    return made


@pytest.fixture
def host(cache, one_server, op, backend):
    """host(more, names) starts a server of the fleet; names: of its secrets."""
    def start(more="", names=("secret",), children=2):
        return one_server(
            cache.conf + CONF.format(
                issuer=op.url, more=more, secrets=" ".join(
                    '"@ROOT@/%s"' % name for name in names)),
            modules=(cache.MODULE,), children=children, backend=backend,
            files={"secret": (SECRET, 0o600), "newer": (NEWER, 0o600),
                   "client": ("the-secret-of-the-client\n", 0o600)})
    return start


def at(browser, server):
    """The same browser, whose next request another host gets."""
    other = browser.clone()
    other.server = server
    return other


def visitor(server, user="alice@example.test"):
    browser = Browser(server, BASE)
    signed_in(browser, user=user)
    return browser


def somebody_else(op, server):
    """Bob, with a session of his own at the provider."""
    op.user = {**op.user, "sub": "bob", "email": "bob@example.test"}
    op.sid = "sid-of-bob"
    return visitor(server, "bob@example.test")


def statuses(browser, *servers, n=4):
    return {at(browser, server).navigate("/app/x").status
            for server in servers for _ in range(n)}


def stored(backend):
    """{key: value} of everything in the backend."""
    if isinstance(backend, Redis):
        client = backend.client()
        return {key: client.get(key) for key in client.keys("*")}
    client = MemcachedClient(backend.port)
    out = {key: client.get(key) for key in
           map(urllib.parse.unquote_to_bytes, client.keys())}
    client.close()
    return out


def overwrite(backend, values):
    if isinstance(backend, Redis):
        for key, value in values.items():
            backend.client().set(key, value)
    else:
        client = MemcachedClient(backend.port)
        for key, value in values.items():
            client.set(key, value)
        client.close()
