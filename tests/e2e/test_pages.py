# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Every page that people see: what causes it, what it says and where its links lead, and
how it is in a real browser, without script, by keyboard, on a phone, enlarged, dark.

AB_PAGES of src/httpd/page_texts.h is the list; a page without a row of PAGES fails.
BEARER_SCREENSHOTS=DIR keeps the pictures of docs/images.
"""
import contextlib
import html
import json
import os
import re
import threading
import time
import urllib.parse

import pytest

from support import node
from support.browsing import (SECRETS, backchannel, callback, forget_session, page_titles,
                              waits)
from support.httpd import TOP, wait_until
from support.op import NAVIGATE, Browser, Provider
from support.secrets import REMOVED
from support.service import SessionService
from support.tokens import jwks

pytestmark = pytest.mark.allow_log(
    "AB0762", "AB0763", "AB0724", "AB0055", "AB0060", "AB0792", "AB0764", "AB0421 redis:", "AH0347[89]",
    "AB0304", "AH01797", "AH01629", "AB0794")

CONF = """
{early}
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL {base}
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
<AuthBearerIssuer "{issuer}" main>
{inside}
</AuthBearerIssuer>
<Location "/app">
    AuthType Bearer
    AuthName "Orders"
    AuthBearerAudience api://test
    AuthBearerSession On
    AuthBearerLogin On
    Require valid-user
</Location>
{places}
"""

PLACES = """
<Location "/app/bob">
    AuthMerging And
    Require user bob
</Location>
<Location "/app/fault">
    AuthMerging And
    Require claim "g~(a+)+[yz]"
</Location>
<Location "/app/quiet">
    AuthBearerLogin Off
</Location>
<Location "/app/quiet/query">
    AuthBearerTokenFrom header query:t
</Location>
<Location "/app/gold">
    AuthBearerLogin On acr_values=gold
</Location>
<Location "/app/throttled">
    AuthBearerThrottle threshold=1 window=60 penalty=60
</Location>
<Location "/.auth">
    AuthName "Orders"
</Location>
<Location "/check">
    AuthType Bearer
    AuthBearerProvider session
    AuthBearerSessionCheck {store}/whoami cookies=sid
    AuthBearerLoginURL https://login.test/
    Require valid-user
</Location>
"""

#: Two workers may wait for the issuer.
WORKERS = {
    "event": "ServerLimit 1\nThreadLimit 4\nThreadsPerChild 4\nMaxRequestWorkers 4\n"
             "MaxSpareThreads 4\n",
    "prefork": "StartServers 4\nMaxSpareServers 4\nMaxRequestWorkers 4\n",
}

TENANTS = """
    AuthBearerTenants t-1
    AuthBearerMetadata {url}/common
    AuthBearerKeys {url}/{{tenant}}/jwks
"""


OTHER = """
<AuthBearerIssuer "{url}" other>
</AuthBearerIssuer>
AuthBearerLoginIssuer {issuer} {url}
"""


class Stage:
    """A server, its issuer, and who asks."""

    def __init__(self, server, op):
        self.server, self.op = server, op

    def reset(self):
        op = self.op
        op.user = {"sub": "alice", "email": "alice@example.test", "email_verified": True,
                   "g": "a" * 40 + "!"}
        op.id_token, op.tokens, op.response = dict(getattr(op, "usual", {})), {}, {}
        for kind in ("token", "par"):
            op.script(kind)

    def login(self, path="/app/x", **changes):
        """A login of a new browser, with what the issuer does otherwise."""
        for name, value in changes.items():
            if name == "script":
                self.op.script("token", **value)
            else:
                setattr(self.op, name, {**getattr(self.op, name), **value})
        return Browser(self.server).go(path)

    def error(self, error):
        return self.login(response={"code": None, "error": error})

    def answers(self, status, error):
        return self.login(script={"status": status, "body": json.dumps({"error": error})})

    def signed_in(self, path="/app/x"):
        browser = Browser(self.server)
        assert browser.go(path).status == 200
        return browser


def ended(s):
    """The issuer ends the session while it gives the tokens."""
    def answer(request):
        assert backchannel(s.server, s.op.logout_token()).status == 200
        return s.op._token(request)[1]
    return s.login(script={"body": answer})


def loop(s):
    browser = Browser(s.server)
    for _ in range(3):
        assert browser.go("/app/x").status == 200
        forget_session(browser)
    return browser.navigate("/app/x")


def throttled(s):
    for token in ("not.a.token", "no.other.token"):
        res = s.server.get("/app/throttled", token, headers=NAVIGATE)
    return res


def stale(s):
    browser = Browser(s.server)
    back = callback(browser, s.op)
    assert browser.navigate(back).status == 303
    return browser.navigate(back)


def full(s):
    """Two logins keep the issuer waiting; what the next one reads."""
    waiting = [Browser(s.server) for _ in range(3)]
    backs = [callback(browser, s.op) for browser in waiting]
    hold = threading.Event()
    s.op.script("token", hold=hold)
    before = s.op.count("token")
    threads = [threading.Thread(target=browser.navigate, args=(back,))
               for browser, back in zip(waiting[:2], backs)]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: s.op.count("token") == before + 2, 10, "two who wait")
        return waiting[2].navigate(backs[2]), Browser(s.server).navigate("/app/x")
    finally:
        hold.set()
        for thread in threads:
            thread.join()


def checked(s, status):
    s.store.script(status=status)
    return s.server.get("/check/x", headers={**NAVIGATE, "Cookie": "sid=" + "x" * 20})


def removed(s):
    token = s.op.access_token().rsplit(".", 1)[0] + "." + REMOVED
    return s.server.get("/app/x", token, headers=NAVIGATE)


def at_callback(query, cookie=None):
    return lambda s: s.server.get("/.auth/callback" + query, headers={
        **NAVIGATE, **({"Cookie": cookie} if cookie else {})})


def post(path, session=False, **headers):
    return lambda s: (s.signed_in() if session else Browser(s.server)).send(
        "POST", path, {**NAVIGATE, "Sec-Fetch-Site": "same-origin", **headers})


def account(path="/app/x"):
    return "Use another account", "/.auth/login?prompt=select_account&return=" + path


AGAIN = "Try again", "{base}/app/x"
HOME = "Go to the start page", "/"
NAMED, ELSE = "Orders", "server.test"
NOW = int(time.time())
TELL = "Trying again does not help. Tell the people who run this site."

#: page: (server, what happens, status, a sentence, name of the site, links)
PAGES = {
    "BAD_REQUEST": ("main", lambda s: s.server.get(
        "/app/x", headers={**NAVIGATE, "Authorization": "Bearer a,b"}),
        400, "The browser sent something", NAMED, []),
    "NOT_SIGNED_IN": ("main", lambda s: s.server.get("/app/quiet/x?a=1", headers=NAVIGATE), 401,
                      "only for people who are signed in", NAMED,
                      [("Sign in", "/.auth/login?return=/app/quiet/x?a=1")]),
    "NOT_KEPT": ("main", post("/app/be/1"), 401, "the data that you sent was not accepted", NAMED,
                 [("Sign in", "/.auth/login?return=/")]),
    "NO_ACCESS": ("main", lambda s: s.signed_in().navigate("/app/bob/x"), 403,
                  "this page is not for your account", NAMED, [account("/app/bob/x")]),
    "MISDIRECTED": ("late", lambda s: s.server.request(
        "POST", "/.auth/logout", headers=NAVIGATE, host="elsewhere.test"), 421,
        "You cannot sign in at the address", ELSE, [("Try again", "{base}/")]),
    "THROTTLED": ("main", throttled, 429, "Your network made too many failed attempts", NAMED,
                  [("Try again", "/app/throttled")]),
    "SESSION_LIMIT": ("main", lambda s: checked(s, 429), 429,
                      "this site cannot check your sign-in", ELSE, [("Try again", "/check/x")]),
    "FAULT": ("main", lambda s: s.signed_in().navigate("/app/fault"), 500,
              "It cannot answer this request", NAMED, []),
    "UNAVAILABLE": ("main", lambda s: checked(s, 500), 503, "not responding", ELSE,
                    [("Try again", "/check/x")]),
    "SIGNATURE_REMOVED": ("main", removed, 401,
                          "Send the token for Cloud Run in X-Serverless-Authorization", NAMED, []),
    "CROSS_SITE": ("main", post("/app/be/1", True, **{"Sec-Fetch-Site": "cross-site"}), 403,
                   "does not let other sites change anything", NAMED, [HOME]),
    "STRONGER": ("main", post("/app/gold", True), 401, "a newer or stronger sign-in", NAMED, []),
    "STRONGER_ELSEWHERE": ("main", lambda s: checked(s, 403), 403, "such as a second step", ELSE,
                           []),
    "USER": ("main", lambda s: s.login(user={"email": None}), 403,
             "lacks information that this site needs", NAMED, [account()]),
    "EMAIL": ("main", lambda s: s.login(user={"email_verified": False}), 403,
              "the sign-in service has not verified yours", NAMED, [AGAIN, account()]),
    "SESSION_STORE": ("late", lambda s: s.server.get("/app/x", headers={
        **NAVIGATE, "Cookie": "%s=%s" % (s.session, "A" * 43)}, host=s.host), 503,
        "You do not need to sign in again", NAMED, [("Try again", "/app/x")]),
    "SESSION_SIZE": ("main", lambda s: s.login(user={"blob": os.urandom(20000).hex()}), 500,
                     "more information about you than this site can keep", NAMED, [HOME]),
    "COOKIES": ("main", at_callback("?state=AAAAAAAAAAAA&code=x"), 400,
                "Signing in needs them", NAMED, [HOME]),
    "LOGIN_STATE": ("main", at_callback("?state=AAAAAAAAAAAA&code=x", "a=1"), 400,
                    "started too long ago or in another browser", NAMED, [HOME]),
    "LOGIN_EXPIRED": ("late", lambda s: s.attempt.navigate(s.back, host=s.host), 400,
                      "more than half an hour ago", ELSE, [AGAIN]),
    "LOGIN_RESPONSE": ("main", at_callback(""), 400, "does not belong to a sign-in", NAMED, [HOME]),
    "LOGIN_ENDED": ("main", ended, 400, "signed out of the sign-in service in the meantime",
                    NAMED, [AGAIN]),
    "LOGIN_LOOP": ("main", loop, 403, "this site did not recognize you", NAMED, []),
    "LOGIN_ISSUER": ("main", lambda s: s.login(script={"body": "<html>"}), 503,
                     "no response from it that it can use", NAMED, [AGAIN]),
    "LOGIN_WAIT": ("small", lambda s: s.full[0], 503, "tries again in 2 seconds", ELSE, []),
    "LOGIN_LIMIT": ("small", lambda s: s.full[1], 503, "limits the number of sign-ins", NAMED,
                    [("Try again", "/app/x")]),
    "LOGIN_DENIED": ("main", lambda s: s.error("access_denied"), 403, "The sign-in was cancelled",
                     NAMED, [AGAIN, account()]),
    "LOGIN_SILENT": ("main", lambda s: s.error("login_required"), 403, "was told not to ask", NAMED,
                     [account()]),
    "LOGIN_WEAK": ("main", lambda s: s.login("/app/gold"), 403,
                   "than the sign-in service gave you", NAMED, [("Try again", "{base}/app/gold")]),
    "LOGIN_TROUBLE": ("main", lambda s: s.error("temporarily_unavailable"), 503,
                      "cannot sign you in at the moment", NAMED, [AGAIN]),
    "LOGIN_CLIENT": ("main", lambda s: s.answers(401, "invalid_client"), 503,
                     "Its answer was invalid_client. " + TELL, NAMED, [HOME]),
    "LOGIN_PROOF": ("main", lambda s: s.login(tokens={"token_type": "DPoP"}), 503,
                    "to a key, which this site cannot use. " + TELL, NAMED, [HOME]),
    "LOGIN_REFUSED": ("main", lambda s: s.error("invalid_request"), 400,
                      "Its answer was invalid_request. " + TELL, NAMED, [HOME]),
    "LOGIN_ERROR": ("main", lambda s: s.error("<script>"), 400,
                    "for a reason that this site does not know", NAMED, [AGAIN]),
    "LOGIN_UNUSABLE": ("main", lambda s: s.login(tokens={"id_token": None}), 503,
                       "lacks what this site needs to sign you in. " + TELL, NAMED, [HOME]),
    "LOGIN_TOKEN": ("main", lambda s: s.login(id_token={"aud": "other"}), 401,
                    "does not accept the sign-in service's statement", NAMED, [HOME]),
    "LOGIN_CLOCK": ("main", lambda s: s.login(id_token={"iat": NOW + 900, "exp": NOW + 1800}), 401,
                    "The clocks of this site and of the sign-in service differ", NAMED, [HOME]),
    "LOGIN_TENANT": ("small", lambda s: s.login(id_token={"iss": s.op.url + "/t-3"}), 401,
                     "does not accept accounts of your organization", ELSE, [account()]),
    "CHOICE": ("several", lambda s: s.server.get("/app/x", headers=NAVIGATE), 401,
               "You can sign in with one of these services", NAMED,
               [("main", "/.auth/login?iss={issuer}&return=/app/x"),
                ("other", "/.auth/login?iss={issuer}-other&return=/app/x")]),
    "SIGN_OUT": ("main", lambda s: s.signed_in().navigate("/.auth/logout"), 200,
                 "Do you want to sign out", NAMED, [("Stay signed in", "/")]),
    "SIGNED_OUT": ("main", lambda s: s.server.get("/.auth/logout", headers=NAVIGATE), 200,
                   "Close the browser", NAMED, [HOME]),
}

#: Further causes that end on one of these pages.
ALSO = [
    ("LOGIN_STATE", "main", stale),
    ("LOGIN_STATE", "main", lambda s: s.answers(400, "invalid_grant")),
    ("LOGIN_SILENT", "main", lambda s: s.error("interaction_required")),
    ("LOGIN_SILENT", "main", lambda s: s.error("consent_required")),
    ("LOGIN_WEAK", "main", lambda s: s.error("unmet_authentication_requirements")),
    ("LOGIN_TROUBLE", "main", lambda s: s.error("server_error")),
    ("LOGIN_TROUBLE", "main", lambda s: s.answers(503, "")),
    ("LOGIN_CLIENT", "main", lambda s: s.error("unauthorized_client")),
    ("LOGIN_PROOF", "main", lambda s: s.answers(400, "invalid_dpop_proof")),
    ("LOGIN_REFUSED", "main", lambda s: s.answers(400, "invalid_request")),
    ("LOGIN_ERROR", "main", lambda s: s.answers(400, "of_its_own")),
    ("LOGIN_TOKEN", "main", lambda s: s.login(id_token={"nonce": "other"})),
    ("LOGIN_TOKEN", "main", lambda s: s.login(
        tokens={"id_token": s.op.access_token().rsplit(".", 1)[0] + "." + "A" * 342})),
    ("LOGIN_CLOCK", "main", lambda s: s.login(id_token={"iat": 1000, "exp": 2000})),
]

#: The pictures of the documents.
PICTURES = {"SIGNED_OUT": "signed-out", "SIGN_OUT": "logout-question",
            "NOT_KEPT": "not-signed-in", "LOGIN_STATE": "sign-in-stale",
            "STRONGER": "stronger-sign-in", "LOGIN_LOOP": "does-not-last",
            "SESSION_SIZE": "session-too-large"}


def the_list():
    with open(os.path.join(TOP, "src/httpd/page_texts.h"), encoding="utf-8") as f:
        rows = f.read().split("#define AB_PAGES(X)")[1].split("/** X(")[0]
    return re.findall(r"X\((\w+),", rows)


def heading(page):
    return "<h1>%s</h1>" % page_titles()[page].replace("'", "&#39;")


@pytest.fixture(scope="module")
def later(shim):
    """with later(n): servers that start in it are n seconds ahead"""
    @contextlib.contextmanager
    def ahead(seconds):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LD_PRELOAD", shim)
            patch.setenv("SHIM_LATER", str(seconds))
            yield
    return ahead


@pytest.fixture(scope="module")
def stages(new_server, issuers, backend, mpm, later):
    """The servers, by name."""
    op, store = Provider(issuers, "pages"), SessionService()

    def start(op, base="http://127.0.0.1:@PORT@", early="", places="", inside="", **kw):
        return Stage(new_server(CONF.format(
            early=early, base=base, issuer=op.url + kw.pop("suffix", ""), inside=inside,
            places=places), files=SECRETS, backend=backend, **kw), op)
    main = start(op, places=PLACES.format(store=store.url))
    main.store = store
    tenants = Provider(issuers, "pages-tenants")
    tenants.usual = {"iss": tenants.url + "/t-1"}
    tenants.offer(pushed_authorization_request_endpoint="par",
                  require_pushed_authorization_requests=True)
    tenants.metadata["issuer"] = tenants.url + "/{tenantid}"
    tenants.script("common", body=lambda request: json.dumps(tenants.metadata))
    tenants.script("t-1/jwks", body=jwks(*tenants.keys))
    small = start(tenants, early=WORKERS[mpm] + "AuthBearerUserFormat %u@%t\n", suffix="/{tenant}",
                  inside=TENANTS.format(url=tenants.url))
    several = start(op, early="AuthBearerUserFormat %u@%i\n", places=OTHER.format(
        url=Provider(issuers, "pages-other").url, issuer=op.url))
    # a login of the first server comes back to this one, which stands for it later on
    attempt = Browser(main.server)
    main.reset()
    back = callback(attempt, op)
    with later(1860):
        late = start(op, main.server.url + " http://second.test", early="AuthBearerSOCache redis:127.0.0.1:9 for=sessions",
                     modules=("socache_redis",))
    late.attempt, late.back, late.host = attempt, back, main.server.url[len("http://"):]
    late.session = "bearer_session_%d" % main.server.port
    attempt.server = late.server
    small.reset()
    small.full = full(small)
    yield {"main": main, "small": small, "late": late, "several": several}
    store.close()


@pytest.fixture(scope="module")
def shown(stages):
    """Every page as it was sent."""
    out = {}
    for name, (stage, cause, *_) in PAGES.items():
        stages[stage].reset()
        out[name] = cause(stages[stage])
    return out


def test_no_page_is_forgotten():
    assert set(PAGES) == set(the_list()) and set(PICTURES) <= set(PAGES)
    assert set(page_titles()) == set(PAGES)


def links_of(text):
    return [(html.unescape(label), urllib.parse.unquote(html.unescape(url)))
            for url, label in re.findall(r'<a [^>]*href="([^"]+)">([^<]+)</a>', text)]


@pytest.mark.without_sessions("logs in by itself")
def test_every_page(stages, shown):
    for name, (stage, _, status, sentence, site, links) in PAGES.items():
        res, base = shown[name], stages["main" if stage == "late" else stage].server.url
        text, title = res.text, page_titles()[name]
        assert res.status == status, (name, res)
        assert heading(name) in text, (name, res)
        words = " ".join(html.unescape(re.sub("<[^>]+>", " ", text)).split())
        assert sentence in words, (name, words)
        assert "%s - %s" % (title, site) in words and "{" not in text.split("</style>")[1]
        assert links_of(text) == [(label, url.format(base=base, issuer=stages["main"].op.url))
                                  for label, url in links], name
        assert res.get("Cache-Control") == "no-store", name
        assert "frame-ancestors 'none'" in res.get("Content-Security-Policy"), name
        assert res.get("X-Content-Type-Options") == "nosniff", name
        assert 'lang="en"' in text and not re.search("<script|<img|<link| style=| on[a-z]+=", text)
        waits(res)
        if status != 200 and name != "CHOICE":
            assert re.search("<code>[0-9a-f]{10}</code>", text), name
    assert 'target="_blank"' in shown["NOT_KEPT"].text
    assert shown["LOGIN_WAIT"].get("Refresh") == "2"


@pytest.mark.without_sessions("logs in by itself")
def test_further_causes(stages):
    for page, stage, cause in ALSO:
        stages[stage].reset()
        res = cause(stages[stage])
        assert heading(page) in res.text, (page, res)


@pytest.mark.without_sessions("logs in by itself")
def test_links_lead_to_pages_of_this_site_only(stages):
    """And a token in a query is not repeated on a page."""
    server = stages["main"].server
    for path, back in (("/app/quiet/query?t=a.b.c&x=1", "/app/quiet/query"),
                       ("/app/quiet//evil.test", "/"), ("/app/quiet/%5Cevil.test", "/"),
                       ("/app/quiet/x?u=//evil.test", "/app/quiet/x?u=//evil.test"),
                       ("http://evil.test/app/quiet/x", "/"),
                       ("/app/quiet/x?'\"><script>", "/app/quiet/x?%27%22%3E%3Cscript%3E"),
                       ("/app/quiet/x?" + "a" * 5000, "/")):
        res = server.get(path, headers=NAVIGATE)
        assert res.status == 401 and "<script" not in res.text and "a.b.c" not in res.text, res
        url = html.unescape(re.search('href="([^"]+)">Sign in<', res.text).group(1))
        assert urllib.parse.parse_qs(url.partition("?")[2]) == {"return": [back]}, path


@node.needs_browser
@pytest.mark.without_sessions("logs in by itself")
def test_every_page_in_a_browser(stages, shown, tmp_path):
    node.need()
    base = stages["main"].server.url
    pages = [{"name": name, "title": page_titles()[name], "status": res.status,
              "headers": {k: v for k, v in res.headers if k in (
                  "Content-Type", "Content-Security-Policy", "Referrer-Policy")},
              "body": res.text, "picture": PICTURES.get(name)}
             for name, res in shown.items()]
    (tmp_path / "pages.json").write_text(json.dumps(pages), encoding="utf-8")
    node.run_browser("everypage", base=base, pages=str(tmp_path / "pages.json"),
                     shots=os.environ.get("BEARER_SCREENSHOTS"))
