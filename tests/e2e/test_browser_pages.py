# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a person or a script reads when something went wrong: a page or JSON, the
administrator's instead, and a number that the log has as well."""
import json
import re

import pytest

from support.browsing import (callback, op, session_cookie,  # noqa: F401
                              signed_in, site)
from support.issuer import headers_of  # noqa: F401
from support.op import NAVIGATE, Browser

FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors",
         "Sec-Fetch-Site": "same-origin"}

PLACES = """
<Location "/app/bob">
    AuthBearerLogin Off
    Require user bob
    AuthMerging And
</Location>
<Location "/app/quiet">
    AuthBearerLogin Off
</Location>
<Location "/app/optional">
    AuthBearerOptional On
</Location>
<Location "/api">
    AuthType Bearer
    AuthBearerAudience api://test
    Require valid-user
</Location>
"""


def page_of(res, status, title):
    """An HTML page that stands on its own, and nothing of a script in it."""
    assert res.status == status, res
    assert res.get("Content-Type").startswith("text/html"), res
    assert "no-store" in res.get("Cache-Control")
    assert res.get("Referrer-Policy") == "no-referrer"
    text = res.text
    assert text.startswith("<!DOCTYPE html>") and '<html lang="en">' in text
    assert "<title>%s - " % title in text and "<h1>%s</h1>" % title in text
    assert re.search("<header>[^<]+</header>", text)
    assert "<main>" in text and 'name="viewport"' in text
    assert not re.search(r"<script|<img|<link|src=|url\(", text)
    return reference(res, re.search(r"<code>([^<]+)</code>", text).group(1))


def json_of(res, status, error):
    assert res.status == status, res
    assert res.get("Content-Type") == "application/json", res
    assert "no-store" in res.get("Cache-Control")
    said = json.loads(res.text)
    assert set(said) == {"error", "error_description", "reference"}
    assert said["error"] == error
    assert said["error_description"].endswith(".")
    return reference(res, said["reference"])


def reference(res, ref):
    assert res.logged(None, ref), (ref, res)
    return ref


def refusals(server, browser):
    """Requests of a signed-in browser and of none, with status, title, error."""
    other = {"Sec-Fetch-Site": "cross-site"}
    return [
        (lambda h: server.get("/app/quiet/x", headers=h), 401,
         "You are not signed in", "no_credential"),
        (lambda h: browser.get("/app/bob/x", headers=h), 403,
         "You do not have access to this page", "require"),
        (lambda h: browser.send("POST", "/app/be/1", {**h, **other}), 403,
         "This request came from another site", "cross_site"),
        (lambda h: server.get("/app/x", headers={**h, "Authorization":
                                                 "Bearer a,b"}), 400,
         "This request cannot be understood", "request"),
        (lambda h: server.get("/app/optional/x", headers=h), 401,
         "You are not signed in", "no_credential"),
    ]


@pytest.mark.allow_log("AH01629")
def test_refusals_are_pages_or_json(site, op):
    server = site(end=PLACES)
    browser = Browser(server)
    signed_in(browser)
    for ask, status, title, error in refusals(server, browser):
        page_of(ask(NAVIGATE), status, title)
        json_of(ask(FETCH), status, error)
        # who asks for neither gets httpd's own, who takes both gets the page
        page_of(ask({**FETCH, "Accept": "text/html, application/json"}), status,
                title)
        res = ask({**FETCH, "Accept": "*/*"})
        assert res.status == status and "Reference" not in res.text, res


def test_what_was_sent_is_not_lost_without_a_word(site, op):
    server = site(end=PLACES)
    res = server.request("POST", "/app/be/1", headers={**NAVIGATE, "Origin":
                                                       server.url}, body=b"a=1")
    page_of(res, 401, "You are not signed in")
    assert "was not accepted" in res.text


def test_throttled(site, op):
    server = site("AuthBearerThrottle threshold=1 window=60 penalty=60")
    server.get("/app/x", "not.a.token")
    res = server.get("/app/x", "another.bad.token", headers=FETCH)
    json_of(res, 429, "throttled")
    assert res.get("Retry-After")
    page_of(server.get("/app/x", "another.bad.token", headers=NAVIGATE), 429,
            "Too many attempts")


def test_a_place_for_machines_has_none(site, op):
    server = site(end=PLACES)
    for headers in (NAVIGATE, FETCH):
        res = server.get("/api/x", headers=headers)
        assert res.status == 401 and "Reference" not in res.text
        assert not res.get("Content-Type").startswith("application/json")


def test_head_and_keepalive(site, op):
    server = site(end=PLACES)
    res = server.request("HEAD", "/app/quiet/x", headers=FETCH)
    assert res.status == 401 and res.get("Content-Type") == "application/json"
    assert not res.body


def test_error_documents_go_first(site, op):
    server = site('ErrorDocument 401 "sign in first"\n'
                  'ErrorDocument 400 "start again"\n'
                  "ErrorDocument 403 /why/env", end=PLACES)
    browser = Browser(server)
    signed_in(browser)
    for headers in (NAVIGATE, FETCH):
        res = server.get("/app/quiet/x", headers=headers)
        assert res.status == 401 and res.text == "sign in first"
        assert res.challenge is not None
        res = browser.get("/app/bob/x", headers=headers)
        assert res.status == 403, res
        assert "REDIRECT_BEARER_ERROR=require" in res.text
        assert "REDIRECT_BEARER_ERROR_CHECK=require" in res.text
        res = browser.get("/.auth/callback?state=AAAAAAAAAA&code=x", headers=headers)
        assert res.status == 400 and res.text == "start again"
        assert res.check == "login_state" and res.get("Cache-Control") == "no-store"


def test_the_requests_id(site, op):
    """Where mod_unique_id is loaded, its number is the one."""
    server = site(end=PLACES + 'Header always set X-Id "expr=%{reqenv:UNIQUE_ID}"',
                  modules=("unique_id",))
    res = server.get("/app/quiet/x", headers=NAVIGATE)
    assert page_of(res, 401, "You are not signed in") == res.get("X-Id")
    res = server.get("/app/quiet/x", headers=FETCH)
    assert json_of(res, 401, "no_credential") == res.get("X-Id")
    res = server.get("/.auth/callback?state=AAAAAAAAAA&code=x", headers=NAVIGATE)
    page_of(res, 400, "Your browser sent no cookies")
    assert "default-src 'none'" in res.get("Content-Security-Policy")
    assert res.get("X-Content-Type-Options") == "nosniff"
    assert res.logged(None, re.compile("request [A-Za-z0-9@_-]{20,}"))


@pytest.mark.allow_log("AH0347[89]", "AB0764", "AB0421 redis: Connection refused")
def test_session_cache_that_is_down(site, op):
    server = site("AuthBearerSOCache redis:127.0.0.1:9 for=sessions", end=PLACES,
                  modules=("socache_redis",))
    cookie = {"Cookie": "bearer_session_%d=%s" % (server.port, "A" * 43)}
    res = server.get("/app/x", headers={**NAVIGATE, **cookie})
    page_of(res, 503, "Your session is unavailable")
    assert res.get("Retry-After")
    json_of(server.get("/app/x", headers={**FETCH, **cookie}), 503, "unavailable")
    page_of(server.get("/.auth/logout", headers={**NAVIGATE, **cookie}), 503,
            "Your session is unavailable")


def test_json_of_the_endpoints(site, op):
    server = site(end=PLACES)
    browser = Browser(server)
    signed_in(browser)
    json_of(server.get("/.auth/callback?state=AAAAAAAAAA&code=x", headers=FETCH),
            400, "login_state")
    res = browser.get("/.auth/logout", headers={**FETCH, "Sec-Fetch-Site":
                                                "cross-site"})
    assert res.status == 200 and res.json() == {"message": "Sign out?"}
    json_of(browser.send("POST", "/.auth/logout", {**FETCH, "Sec-Fetch-Site":
                                                   "cross-site"}), 403,
            "cross_site")
    res = browser.get("/.auth/logout", headers=FETCH)
    assert res.status == 200 and res.json() == {"message": "You are signed out"}


def test_the_realm_is_not_the_clients_word(site, op):
    server = site()
    browser = Browser(server)
    op.id_token = {"nonce": "other"}
    back = callback(browser, op)
    res = browser.navigate(back, host="other.example.test")
    assert res.status == 401 and res.check == "nonce", res
    assert res.get("WWW-Authenticate").startswith("Bearer realm=")
    assert "other" not in res.get("WWW-Authenticate")


def test_the_sites_name(site, op):
    """AuthName of the place, and the server's name where there is none; as text, whatever
    it contains and whatever charset httpd declares."""
    server = site(end=PLACES + """
<Location "/app/quiet/named">
    AuthName "Caf\u00e9 <b>\\"R&D\\"</b> '\u20ac'"
</Location>""")
    res = server.get("/app/quiet/named", headers=NAVIGATE)
    page_of(res, 401, "You are not signed in")
    name = "Caf&#233; &#60;b&#62;&#34;R&#38;D&#34;&#60;/b&#62; &#39;&#8364;&#39;"
    assert "<title>You are not signed in - %s</title>" % name in res.text, res.text
    assert "<header>%s</header>" % name in res.text
    res = server.get("/.auth/logout", headers=NAVIGATE)
    assert "<title>You are signed out - server.test</title>" in res.text, res.text
