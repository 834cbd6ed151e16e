# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the tests of browsers have in common: a server that logs in at a scripted
provider, and words for what a browser goes through.

A test file imports the fixtures that it uses: op, redis, second, store, site.
"""
import functools
import os
import re
import shutil
import urllib.parse

import pytest

from . import missing
from .backends import OwnRedis
from .httpd import TOP
from .op import Provider

SECRETS = {"secret": (os.urandom(48), 0o600), "newer": (os.urandom(48), 0o600),
           "client": ("the-secret-of-the-client\n", 0o600)}

CONF = """
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL {base}
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
{more}
<AuthBearerIssuer "{issuer}" main>
{inside}
</AuthBearerIssuer>
<Location "/app">
    AuthType Bearer
    AuthName "app"
    AuthBearerAudience api://test
    AuthBearerSession On
    AuthBearerLogin On
    Require valid-user
</Location>
{end}
"""


@pytest.fixture
def op(issuers, request):
    return Provider(issuers, "op-" + "".join(
        c if c.isalnum() else "-" for c in request.node.name))


@pytest.fixture
def second(issuers, op):
    """Another issuer beside op."""
    return Provider(issuers, "second-" + op.name, "es256")


@pytest.fixture
def redis():
    """For sessions. A test that names it before site has it outlive the server."""
    missing.need("redis-server", shutil.which(OwnRedis.PROGRAM))
    server = OwnRedis(words=["for=sessions"])
    yield server
    server.close()


@pytest.fixture(params=["cache", "cookie"])
def store(request):
    return request.param


def conf(op, more="", inside="", end="", base="http://127.0.0.1:@PORT@"):
    return CONF.format(base=base, issuer=op.url, more=more, inside=inside,
                       end=end)


@pytest.fixture
def site(one_server, op, backend):
    """site(more, ...) starts a server that logs in at op."""
    def start(more="", files=None, **kw):
        options = {k: kw.pop(k) for k in ("modules", "early", "children",
                                              "h2") if k in kw}
        return one_server(conf(op, more, **kw),
                          files={**SECRETS, **(files or {})},
                          backend=backend, **options)
    return start


def signed_in(browser, path="/app/x", user="alice@example.test"):
    res = browser.go(path)
    assert res.status == 200, res
    assert res.user == user, res
    return res


@functools.lru_cache(None)
def page_titles():
    """{page of AB_PAGES: title}: the texts of pages are in one file."""
    with open(os.path.join(TOP, "src/httpd/page_texts.c"), encoding="utf-8") as f:
        return dict(re.findall(r'#define PAGE_(\w+) PAGE\( \\\n    "([^"]+)",', f.read()))


def begun(res, issuer):
    """The parameters of a login with this issuer that has begun."""
    assert res.status == 302, res
    url = urllib.parse.urlsplit(res.get("Location"))
    assert url.query and url._replace(query="").geturl() == issuer.url + "/authorize", res
    assert "no-store" in res.get("Cache-Control")
    return dict(urllib.parse.parse_qsl(url.query))


def callback(browser, op, path="/app/x"):
    """A login up to the URL of the way back (path and query)."""
    res = browser.navigate(path)
    return browser.path_of(browser.provider(res.get("Location"))
                           .get("Location"))


def waits(res):
    """Only where waiting helps does the page say so, and a 503 when to come back."""
    helps = re.search(r"again in (a moment|2 seconds)\.", res.text)
    if res.status == 503:
        assert bool(helps) == bool(res.get("Retry-After")), res
    else:
        assert not helps or res.status == 429, res
    return bool(helps)


def no_session(browser, res, status, check=None):
    assert res.status == status, res
    assert not [n for n in browser.cookies if "session" in n], browser.cookies
    assert "text/html" in res.get("Content-Type"), res
    assert "<h1>" in res.text and 'lang="en"' in res.text
    assert res.get("Cache-Control") and "no-store" in res.get("Cache-Control")
    waits(res)
    if check:
        assert res.check == check, res
    return res


def forget_session(browser):
    """The browser loses its session, and keeps its other cookies."""
    browser.cookies = {n: v for n, v in browser.cookies.items() if "session" not in n}


def session_cookie(browser):
    return [n for n in browser.cookies if "session" in n][0]


def backchannel(server, token, body=None):
    return server.request(
        "POST", "/.auth/backchannel-logout",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=body or b"logout_token=" + token.encode())
