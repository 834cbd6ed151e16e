# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Nobody waits for somebody else's server: at most half of the workers wait for
all servers outside, one issuer has at most half of these where there are more
issuers, and who finds that full at a silent issuer gets 503 (a session goes on
without its refresh). Pages that need no token, known tokens, good sessions and the tokens of
another issuer do not notice."""
import http.client
import json
import re
import threading
import time
import urllib.parse
import uuid

import pytest

from support import client, secrets, wire2
from support.browsing import SECRETS, callback
from support.expect import granted, key_files, location, refused
from support.httpd import SLOW, wait_until
from support.issuer import IssuerHost
from support.op import NAVIGATE, Browser, Provider
from support.pace import Stopwatch
from support.service import SessionService
from support.tokens import key, mint

pytestmark = [
    pytest.mark.core,
    pytest.mark.allow_log("AB0792", "AB0724", "AB0763", "AB0205", "AB0208", "AB0316",
                          "AB0794", "AH00484", "AH00161"),
    pytest.mark.without_sessions("logs in by itself"),
]

#: Requests that arrive together: more than there are workers.
CROWD = 24
#: One child of 16 threads, or 16 children of one: 8 may wait, 4 for one issuer.
WORKERS = {
    "event": "ServerLimit 1\nThreadLimit 16\nThreadsPerChild 16\n"
             "MaxRequestWorkers 16\nMaxSpareThreads 16\n",
    "prefork": "StartServers 16\nMaxSpareServers 16\n",
}
SHARE = 4

CONF = """
{workers}
AuthBearerTimeout connect=5s total=20s
AuthBearerUserFormat "%u@%i"
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://127.0.0.1:@PORT@
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
<AuthBearerIssuer "{silent}" silent>
    {inside}
</AuthBearerIssuer>
<AuthBearerIssuer "{neighbour}" neighbour>
    AuthBearerKeys {neighbour_keys}
    AuthBearerIntrospection {neighbour_asked}
    AuthBearerTokenPrefix b_
    AuthBearerClientAuth none
</AuthBearerIssuer>
<AuthBearerIssuer "https://idp.example.test/" known>
    AuthBearerKeys "file:@ROOT@/jwks.json"
</AuthBearerIssuer>
<Location "/free">
    Require all granted
</Location>
{places}
{end}
"""


@pytest.fixture(scope="module")
def hosts():
    """The silent issuer and its neighbour, each on a host of its own: what the
    one keeps waiting must not slow the other down."""
    made = IssuerHost(), IssuerHost()
    yield made
    for host in made:
        host.close()


@pytest.fixture(scope="module")
def service():
    made = SessionService()
    yield made
    made.close()


class Crowd:
    """So many requests at once; results as they come."""

    def __init__(self, send, n=CROWD):
        self.results, self.errors = [], []

        def one(i):
            try:
                self.results.append((i, send(i)))
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)
        self.threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
        for thread in self.threads:
            thread.start()

    def told(self, n, seconds=15):
        """Waits until so many have an answer, and a moment in which nobody else
        gets one; these answers."""
        wait_until(lambda: self.errors or len(self.results) >= n, seconds,
                   "%d answers" % n)
        time.sleep(0.3 * SLOW)
        assert not self.errors
        assert len(self.results) == n, [r for _, r in self.results]
        return list(self.results)

    def end(self):
        for thread in self.threads:
            thread.join(40 * SLOW)
        assert not self.errors
        return [res for _, res in self.results]


class Scene:
    """A server whose issuer keeps silent when it is told to, and requests that
    need its answer."""
    #: what the issuer keeps silent about
    kinds = ()
    #: how the others are served, and those that waited in the end
    others, at_last, share = 503, (200,), SHARE
    inside = places = end = ""
    check = None

    def __init__(self, hosts, service, new_server, wire, mpm):
        self.wire, self.mpm, self.service = wire, mpm, service
        self.hold = threading.Event()
        self.neighbour = hosts[1].issuer("near-" + uuid.uuid4().hex[:8], "es256")
        self.op = Provider(hosts[0], "far-" + uuid.uuid4().hex[:8])
        self.hosts = hosts
        self.prepare()
        self.server = new_server(self.conf(mpm), files={
            **SECRETS, **key_files("rs256")}, h2=True)
        self.tokens = self.ready()

    def prepare(self):
        pass

    def ready(self):
        """What the crowd will send."""
        return [None] * CROWD

    def url(self):
        return self.op.url

    def conf(self, mpm):
        values = {"silent": self.url(), "keys": self.op.jwks_url,
                  "asked": self.op.introspect_url, "host": self.hosts[0].url,
                  "service": self.service.url}
        return CONF.format(
            workers=WORKERS[mpm], neighbour=self.neighbour.url,
            neighbour_keys=self.neighbour.jwks_url,
            neighbour_asked=self.neighbour.introspect_url,
            inside=self.inside.format(**values), silent=self.url(),
            places=location("/b", "AuthBearerAcceptIssuer " + self.neighbour.url)
            + location("/known",
                       "AuthBearerAcceptIssuer https://idp.example.test/")
            + self.places.format(**values), end=self.end.format(**values))

    def silence(self):
        for kind in self.kinds:
            self.op.script(kind, hold=self.hold)

    def speak(self):
        for kind in self.kinds:
            self.op.script(kind)
        self.hold.set()

    def exchange(self, method, path, headers=(), body=b""):
        """Without the log, which threads would steal from each other."""
        if self.wire:
            raw = wire2.exchange(self.server.port, method, path, headers, body,
                                 40 * SLOW)
        else:
            raw = client.exchange(self.server.port, client.build(
                method, path, headers, body), 40 * SLOW)
        return client.Response(raw)

    def get(self, path, token=None, headers=()):
        headers = list(headers)
        if token:
            headers.append(("Authorization", "Bearer " + token))
        return self.exchange("GET", path, headers)

    def send(self, i):
        return self.get("/a", self.tokens[i])

    def good(self):
        """Requests that must not notice; to be made before, too."""
        granted(self.get("/known", self.known_token), None)

    def neighbours(self, n=5):
        for _ in range(n):
            token = "b_" + uuid.uuid4().hex
            secrets.register(token)
            self.neighbour.active[token] = {
                "active": True, "sub": "bob", "aud": "api://test",
                "client_id": "c"}
            granted(self.get("/b", token), None)
            granted(self.get("/b", mint("es256", iss=self.neighbour.url,
                                        jti=uuid.uuid4().hex)), None)

    def play(self):
        self.known_token = mint("rs256", iss="https://idp.example.test/")
        wait_until(lambda: self.get("/b", mint(
            "es256", iss=self.neighbour.url)).status == 200, 15, "keys")
        self.good()
        self.silence()
        crowd = Crowd(self.send)
        try:
            told = crowd.told(CROWD - self.share)
            for _, res in told:
                assert res.status == self.others, res
                if self.others == 503:
                    refused(res, 503, category="unavailable", check=self.check)
            watch = Stopwatch(self.server)
            for _ in range(5):
                assert self.get("/free").status == 200
            self.good()
            self.neighbours()
            assert watch.seconds < 5 * SLOW
            self.held(told)
        finally:
            self.speak()
        results = crowd.end()
        waited = [res for res in results if res not in [r for _, r in told]]
        assert len(waited) == self.share
        assert {res.status for res in waited} <= set(self.at_last), waited
        if self.others == 503:
            assert self.server.wait_log("AB0252")
        self.after(told)

    def held(self, told):
        """While nothing is answered."""

    def after(self, told):
        """When all is well again."""


class Introspection(Scene):
    """Each token is a question of its own."""
    kinds, check = ("introspect",), "introspection"
    inside = "AuthBearerKeys {keys}\nAuthBearerIntrospection {asked}\n" \
             "AuthBearerTokenPrefix a_\nAuthBearerClientAuth none"
    places = location("/a", "AuthBearerAcceptIssuer {silent}")

    def ready(self):
        tokens = ["a_" + uuid.uuid4().hex for _ in range(CROWD)]
        secrets.register(*tokens)
        for token in tokens:
            self.op.active[token] = {"active": True, "sub": "alice",
                                     "aud": "api://test", "client_id": "c"}
        return tokens

    def held(self, told):
        assert self.op.count("introspect") == self.share

    def after(self, told):
        for i, _ in told[:3]:
            granted(self.send(i), None)


class OneToken(Introspection):
    """All ask the same. One of a child asks, and the others wait for it: that is
    waiting, too."""

    def ready(self):
        return super().ready()[:1] * CROWD

    def held(self, told):
        assert self.op.count("introspect") == (
            1 if self.mpm == "event" else SHARE)


class AskedService(Scene):
    check = "session_check"
    inside = "AuthBearerKeys {keys}"
    places = location("/a", "AuthBearerProvider session\nAuthBearerSessionCheck "
                      "{service}/whoami", audience=None)

    def ready(self):
        self.service.reset()
        tokens = ["ory_st_" + uuid.uuid4().hex for _ in range(CROWD)]
        secrets.register(*tokens)
        for token in tokens:
            self.service.known[token] = {"sub": "alice"}
        return tokens

    def silence(self):
        self.service.script(hold=self.hold)

    def speak(self):
        self.service.script()
        self.hold.set()

    def held(self, told):
        assert self.service.count == SHARE


class ColdKeys(Scene):
    """Keys that nobody knows yet: forged tokens are enough."""
    kinds, check = ("jwks",), "keys"
    at_last = (200, 401)
    inside = "AuthBearerKeys {keys}"
    places = location("/a", "AuthBearerAcceptIssuer {silent}")

    def prepare(self):
        self.silence()          # before the background asks

    def ready(self):
        return [mint("rs256" if i % 2 else "rs256-forger", iss=self.op.url,
                     header={"kid": "rs256"}, jti=str(i)) for i in range(CROWD)]

    def held(self, told):
        assert self.op.count("jwks") == 1

    def after(self, told):
        granted(self.get("/a", mint("rs256", iss=self.op.url)), None)


class Tenants(Scene):
    """As many key sets as there are tenants."""
    check = "keys"
    inside = "AuthBearerTenants {tenants}\nAuthBearerKeys {host}/t/{{tenant}}/jwks"
    places = location("/a", 'AuthBearerUserFormat "%u@%t@%i"\n'
                      "AuthBearerAcceptIssuer {silent}")

    def prepare(self):
        self.names = ["waits-%s" % uuid.uuid4().hex[:8] for _ in range(CROWD)]
        self.ones = [self.hosts[0].issuer(name, "rs256") for name in self.names]
        self.inside = self.inside.replace("{tenants}", " ".join(self.names))

    def url(self):
        return "https://%s.test/{tenant}" % self.op.name

    def ready(self):
        return [mint("rs256", iss=self.url().replace("{tenant}", name), tid=name)
                for name in self.names]

    def silence(self):
        for one in self.ones:
            one.script("jwks", hold=self.hold)

    def speak(self):
        for one in self.ones:
            one.script("jwks")
        self.hold.set()

    def held(self, told):
        assert sum(one.count("jwks") for one in self.ones) == SHARE


class FewStreams(Introspection):
    """mod_http2 has fewer threads than httpd has workers: half of these."""
    share = 1                   # of 2

    def conf(self, mpm):
        return "H2MinWorkers 4\nH2MaxWorkers 4\n" + super().conf(mpm)


#: A place that browsers log in to.
APP = location("/app", "AuthBearerAcceptIssuer {silent}\nAuthBearerSession On\n"
               "AuthBearerLogin On")


class Browsers(Scene):
    kinds = ("token",)
    inside = "AuthBearerKeys {keys}"
    end = "AuthBearerLoginIssuer {silent}\n"
    places = APP

    def ready(self):
        self.somebody = self.signed_in()
        return self.crowd()

    def crowd(self):
        return [None] * CROWD

    def signed_in(self):
        browser = Browser(self.server)
        res = browser.go("/app/x")
        assert res.status == 200, res
        return browser

    def navigate(self, path, browser):
        headers = dict(NAVIGATE)
        if browser.cookies:
            headers["Cookie"] = browser.field()
        return self.exchange("GET", path, list(headers.items()))

    def good(self):
        super().good()
        assert self.navigate("/app/x", self.somebody).status == 200


class Callbacks(Browsers):
    """Codes that anybody makes up, each with an attempt of its own."""
    check = "login_issuer"
    at_last = (503,)            # what came is no token answer

    def crowd(self):
        out = []
        for _ in range(CROWD):
            browser = Browser(self.server)
            back = callback(browser, self.op)
            out.append((browser, back))
        return out

    def send(self, i):
        browser, back = self.tokens[i]
        return self.navigate(re.sub("code=[^&]*", "code=guess", back), browser)

    def held(self, told):
        assert self.op.count("token") == self.before + SHARE
        for _, res in told:     # the attempt is as good as it was
            assert not [line for line in res.all("Set-Cookie") if "login" in line
                        or "attempt" in line], res

    def play(self):
        self.before = self.op.count("token")
        super().play()

    def after(self, told):
        browser, back = self.tokens[told[0][0]]
        assert self.navigate(back, browser).status == 303


class ExpiredTokens(Browsers):
    """Sessions whose access token has run out, each of another browser."""
    others = 200

    def crowd(self):
        self.op.refresh, self.op.expires_in = True, 1
        out = [self.signed_in() for _ in range(CROWD)]
        time.sleep(1.1)
        return out

    def send(self, i):
        return self.navigate("/app/x", self.tokens[i])

    def held(self, told):
        assert self.op.count("token") == self.before + SHARE

    def play(self):
        self.before = self.op.count("token")
        super().play()


class OneSession(ExpiredTokens):
    """One browser that asks for many things at once."""

    def crowd(self):
        self.op.refresh, self.op.expires_in = True, 1
        browser = self.signed_in()
        time.sleep(1.1)
        return [browser] * CROWD

    def held(self, told):
        assert self.op.count("token") == self.before + 1


class Userinfo(Callbacks):
    """Codes that are good, at an issuer that then says nothing of the user."""
    kinds = ("userinfo",)
    at_last = (303,)

    def prepare(self):
        self.op.offer(userinfo_endpoint="userinfo")

    def crowd(self):
        self.op.id_token = {"email": None, "email_verified": None}
        return super().crowd()

    def silence(self):
        self.op.script("userinfo", hold=self.hold, body=json.dumps(self.op.user))

    def send(self, i):
        browser, back = self.tokens[i]
        return self.navigate(back, browser)

    def after(self, told):
        browser, back = self.tokens[told[0][0]]
        assert self.navigate(back, browser).status == 303


class Logouts(Browsers):
    """People are signed out here, and do not wait for the issuer, which is told in the
    background."""
    kinds = ("revoke",)
    others = 200
    share = 0

    def prepare(self):
        self.op.offer(revocation_endpoint="revoke")

    def crowd(self):
        return [self.signed_in() for _ in range(CROWD)]

    def send(self, i):
        return self.exchange("GET", "/.auth/logout", list({
            **NAVIGATE, "Sec-Fetch-Site": "same-origin",
            "Cookie": self.tokens[i].field()}.items()))

    def held(self, told):
        wait_until(lambda: self.op.count("revoke"), what="the first revocation")
        # in the background of each child, of which prefork has many
        assert self.op.count("revoke") <= (2 if self.mpm == "event" else CROWD)
        for i, _ in told:       # 503: by a child that has no metadata yet
            assert self.navigate("/app/x", self.tokens[i]).status in (302, 503)

    def after(self, told):
        wait_until(lambda: self.op.count("revoke") == CROWD, 30,
                   "every token is revoked")


class Pushes(Browsers):
    """An issuer that offers pushed requests: the others are sent there without."""
    kinds, inside = ("par",), ""
    others, at_last = 302, (503,)   # what came is no answer to a push

    def prepare(self):
        self.op.offer(pushed_authorization_request_endpoint="par")

    def crowd(self):
        # every child knows the metadata, which it takes from the one that asked
        wait_until(lambda: len(set(re.findall(
            r"\|(\d+)\|AB020[36]: .*'%s" % re.escape(self.op.url),
            self.server.error_log()))) >= len(self.server.children()), 20, "keys")
        return super().crowd()

    def send(self, i):
        return self.exchange("GET", "/app/x", list(NAVIGATE.items()))

    def held(self, told):
        for _, res in told:
            assert "code_challenge=" in res.get("Location")


class PushesRequired(Pushes):
    check, others = "login_limit", 503
    held = Scene.held

    def prepare(self):
        super().prepare()
        self.op.offer(require_pushed_authorization_requests=True)


class Metadata(Scene):
    """Browsers that are sent to an issuer of which nothing is known yet."""
    kinds, check = ("oauth", "oidc"), "login_issuer"
    at_last = (302,)
    inside = "AuthBearerKeys {keys}"
    end = "AuthBearerLoginIssuer {silent}\n"
    places = APP

    def prepare(self):
        self.silence()

    def send(self, i):
        return self.exchange("GET", "/app/x", list(NAVIGATE.items()))


class BackChannel(Scene):
    """Logout tokens whose keys nobody knows yet."""
    kinds, check = ("jwks",), "keys"
    inside = "AuthBearerKeys {keys}"
    end = "AuthBearerLoginIssuer {silent}\n"
    places = APP

    def prepare(self):
        self.silence()

    def ready(self):
        return [self.op.logout_token() for _ in range(CROWD)]

    def send(self, i):
        return self.exchange(
            "POST", "/.auth/backchannel-logout",
            [("Content-Type", "application/x-www-form-urlencoded")],
            b"logout_token=" + self.tokens[i].encode())


SCENES = [Introspection, OneToken, AskedService, ColdKeys, Tenants, Callbacks,
          Userinfo, ExpiredTokens, OneSession, Logouts, Pushes, PushesRequired,
          Metadata, BackChannel]


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_half_of_the_workers_wait_at_most(hosts, service, one_server, wire, mpm,
                                          scene):
    """And of these half for one issuer."""
    scene(hosts, service, one_server, wire, mpm).play()


def test_threads_of_http2_count(hosts, service, one_server, mpm):
    """Where mod_http2 has fewer threads than there are workers. Over HTTP/1.1: with
    so few, mod_http2 2.0.42 may leave a stream in its queue."""
    if mpm == "prefork":
        pytest.skip("no HTTP/2 with prefork")
    FewStreams(hosts, service, one_server, False, mpm).play()


def test_a_small_crowd_waits_for_a_healthy_issuer(hosts, one_server, mpm):
    """16 clients at one child with Debian's numbers, each request with a token of its
    own: more than may wait for the issuer, which answers in 30 ms."""
    if mpm == "prefork":
        pytest.skip("a child of prefork has one worker")
    op = Provider(hosts[0], "healthy-" + uuid.uuid4().hex[:8])
    server = one_server("""
ServerLimit 1
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 25
AuthBearerUserFormat "%%u@%%i"
<AuthBearerIssuer "%s" asked>
    AuthBearerKeys %s
    AuthBearerIntrospection %s
    AuthBearerTokenPrefix a_
    AuthBearerClientAuth none
</AuthBearerIssuer>
AuthBearerIssuer "https://idp.example.test/"
""" % (op.url, op.jwks_url, op.introspect_url) + location("/a"))
    op.script("introspect", delay=0.03)
    statuses = []

    def one(_):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for _ in range(5):
            token = "a_" + uuid.uuid4().hex
            op.active[token] = {"active": True, "sub": "alice", "aud": "api://test",
                                "client_id": "c"}
            connection.request("GET", "/a", headers={"Authorization": "Bearer " + token})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()

    Crowd(one, 16).end()
    assert statuses == [200] * len(statuses), statuses.count(503)
    assert op.count("introspect") == len(statuses)
