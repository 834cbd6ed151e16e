# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Lasting state: people stay signed in over reloads, what ended stays ended, and
who makes room when the memory is full.
"""
import glob
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from support import missing
from support.backends import Memcached, OwnRedis, Redis
from support.browsing import (backchannel, callback, op, signed_in,  # noqa: F401
                              site, store)
from support.httpd import MODULE, MODULES, TOP, wait_until
from support.load import Connection, Threads
from support.memory import about, shared_memory
from support.op import Browser

pytestmark = pytest.mark.allow_log("AB0763")

MB = 1024 * 1024
BUILD = os.environ.get("BEARER_BUILDDIR")

#: Each request from an address of its own choice.
REMOTEIP = "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1"


class At(Browser):
    """A browser at that address."""

    address = "192.0.2.1"

    def send(self, method, path, headers=None, body=b"", **kw):
        return super().send(method, path, {
            **(headers or {}), "X-Forwarded-For": self.address}, body, **kw)

    def clone(self):
        other = At(self.server, self.origin, self.h2)
        other.cookies, other.address = dict(self.cookies), self.address
        return other


def visitor(op, server, name, address=None, h2=False):
    """Somebody else, signed in."""
    op.user = {"sub": name, "email": name + "@example.test",
               "email_verified": True}
    op.sid = "sid-of-" + name
    browser = (At if address else Browser)(server, h2=h2)
    if address:
        browser.address = address
    res = browser.navigate(callback(browser, op))
    assert res.status == 303, res
    return browser


def status(browser):
    return browser.clone().navigate("/app/x").status


class Crowd(Threads):
    """Requests of all these browsers, in turn, all the while."""

    def __init__(self, server, browsers, threads=4):
        self.results = []
        raws = [b"GET /app/x HTTP/1.1\r\nHost: server.test\r\nAccept: text/html"
                b"\r\nCookie: %s\r\n\r\n" % b.field().encode() for b in browsers]
        super().__init__((server.port, raws[i::threads]) for i in range(threads))

    def _run(self, port, raws):
        connection, i = Connection(port), 0
        while not self._stop.is_set():
            self.results.append(connection.request(raws[i % len(raws)]))
            i += 1
        connection.close()


# -- reloads ---------------------------------------------------------------------

@pytest.mark.core
def test_reloads_under_load(site, op, store):
    """Nobody is signed out, nobody is signed in again, the issuer is not asked."""
    op.tokens = {"access_token": None}
    op.refresh = True
    server = site("AuthBearerSessionStore " + store, children=2)
    op.tokens = {"access_token": op.mint(aud="api://test")}
    op.id_token = {"at_hash": None}
    people = [visitor(op, server, "u%d" % i) for i in range(24)]
    ended = [visitor(op, server, "e%d" % i) for i in range(8)]
    kept = [b.clone() for b in ended]
    for i, browser in enumerate(ended):
        if i % 2 or store == "cookie":
            assert browser.sign_out().status == 200
        else:
            over = {"sub": None} if i % 4 else {"sid": None, "sub": "e%d" % i}
            token = op.logout_token(**{"sid": "sid-of-e%d" % i, **over})
            assert backchannel(server, token).status == 200
    assert {status(b) for b in kept} == {302}
    asked = op.count()
    with Crowd(server, people) as crowd:
        for _ in range(5):
            crowd.more(50, 60)
            server.graceful()
            assert {status(b) for b in kept} == {302}
        crowd.more(50, 60)
    assert set(crowd.results) == {200}
    assert {status(b) for b in people} == {200}
    assert op.count() == asked


def reload_during(server, what, hold):
    """The answer to a request that the children of before are busy with while the
    server is reloaded. hold: an Event that their answer waits for."""
    results = []
    thread = threading.Thread(target=lambda: results.append(what()))
    thread.start()
    yield
    server.graceful()
    yield
    hold.set()
    thread.join(60)
    yield results[0]


@pytest.mark.core
def test_a_login_that_a_draining_child_completes(site, op, store):
    server = site("AuthBearerSessionStore " + store, children=2)
    server.graceful()
    browser, hold, asked = Browser(server), threading.Event(), op.count("token")
    back = callback(browser, op)
    issue = op._token
    op._token = lambda request: (hold.wait(20), issue(request))[1]
    steps = reload_during(server, lambda: browser.navigate(back), hold)
    next(steps)
    before = browser.clone()
    wait_until(lambda: server.new_lines() is not None
               and op.count("token") == asked + 1, 10, "the issuer is asked")
    next(steps)
    assert next(steps).status == 303
    assert status(browser) == 200
    # and its attempt has been used
    assert before.navigate(back).status == 400
    assert op.count("token") == asked + 1


@pytest.mark.core
def test_a_plain_restart(site, op, store):
    """`httpd -k restart` keeps what a graceful one keeps, but no request: a login
    that is being answered is cut off, its attempt is used, and the next one is good."""
    server = site("AuthBearerSessionStore " + store, children=2)
    person, ended = visitor(op, server, "ann"), visitor(op, server, "bob")
    copy = ended.clone()
    assert ended.sign_out().status == 200
    browser, hold, asked = Browser(server), threading.Event(), op.count("token")
    keys, issue, cut = op.count("jwks"), op._token, []
    back = callback(browser, op)
    before = browser.clone()
    op._token = lambda request: (hold.wait(20), issue(request))[1]

    def arrive():
        try:
            cut.append(browser.navigate(back))
        except (OSError, AssertionError, ValueError) as error:
            cut.append(error)
    thread = threading.Thread(target=arrive)
    thread.start()
    wait_until(lambda: op.count("token") == asked + 1, 10, "the issuer is asked")
    server.plain_restart()
    hold.set()
    thread.join(60)
    assert isinstance(cut[0], Exception), cut
    op._token = issue
    assert [status(person), status(copy)] == [200, 302]
    assert op.count("jwks") == keys
    assert before.navigate(back).status == 400
    assert op.count("token") == asked + 1
    assert browser.navigate(callback(browser, op)).status == 303


@pytest.mark.core
def test_one_refresh_over_a_reload(site, op, store):
    """An old child is refreshing; a new one waits for it and does not ask, too."""
    server = site("AuthBearerSessionStore " + store, children=2)
    op.refresh, op.expires_in = True, 1
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    time.sleep(1.1)         # the token expires: who comes has to wait
    op.expires_in = 3600
    hold, asked, issue = threading.Event(), op.count("token"), op._token
    op._token = lambda request: (hold.wait(20), issue(request))[1]
    steps = reload_during(server, lambda: status(browser), hold)
    next(steps)
    wait_until(lambda: op.count("token") == asked + 1, 10, "the issuer is asked")
    next(steps)
    results = []
    others = [threading.Thread(target=lambda: results.append(status(browser)))
              for _ in range(3)]
    for thread in others:
        thread.start()
    time.sleep(0.3)
    assert next(steps) == 200
    for thread in others:
        thread.join(60)
    assert results == [200] * 3
    assert op.count("token") == asked + 1


@pytest.mark.core
def test_used_things_stay_used(site, op, wire):
    server = site(h2=wire)
    browser = Browser(server, h2=wire)
    back = callback(browser, op)
    before = browser.clone()
    assert browser.navigate(back).status == 303
    token = op.logout_token(sid="another", sub=None)
    assert backchannel(server, token).status == 200
    server.graceful()
    asked = op.count("token")
    assert before.navigate(back.replace("code=", "code=x")).status == 400
    assert op.count("token") == asked, "no second code"
    assert backchannel(server, token).status == 400
    assert status(browser) == 200


@pytest.mark.core
def test_killed_children(site, op):
    """In the middle of whatever they do."""
    server = site(children=2)
    people = [visitor(op, server, "u%d" % i) for i in range(8)]
    gone = visitor(op, server, "gone")
    kept = gone.clone()
    gone.sign_out()
    with Crowd(server, people) as crowd:
        for _ in range(20):
            crowd.more(10, 60)
            for pid in server.children()[:1]:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: len(server.children()) >= 1, 20, "a child")
    assert {s for s in crowd.results if isinstance(s, int)} == {200}
    assert {status(b) for b in people} == {200}
    assert status(kept) == 302


@pytest.mark.allow_log("AB0765 shm:1M /run/cache")
@pytest.mark.parametrize("more", [
    "AuthBearerSOCache shm:1M for=sessions\n",
    'AuthBearerSOCache "shmcb:@ROOT@/run/cache(1048576)"\n'])
def test_another_size(site, op, more):
    """In force after a full start; until then nothing is lost."""
    server = site("AuthBearerSOCache shm:3M for=sessions")
    browser = visitor(op, server, "ann")
    server.rewrite("AuthBearerSOCache shm:3M for=sessions", more.replace("@ROOT@", server.root))
    server.graceful()
    assert status(browser) == 200
    line = server.wait_log("AB0411", "shm:", re.compile(r"\b1\b"))[0]
    assert line.level == "notice", line
    assert any(map(about(3 * MB), shared_memory(server)))
    server.restart()
    assert any(map(about(MB), shared_memory(server)))
    assert not any(map(about(3 * MB), shared_memory(server)))
    assert status(browser) == 302
    # and it is of use
    assert status(visitor(op, server, "bob")) == 200


def another_build(where):
    """This module, with another layout of the memory for sessions."""
    missing.need("build", BUILD and os.path.exists(
        os.path.join(BUILD, ".libs", "libbearer.a")), "BEARER_BUILDDIR names it")
    source = os.path.join(TOP, "src")
    with open(os.path.join(source, "state", "table_inside.h")) as f:
        header, n = re.subn(r"(?m)^#define LAYOUT \d+$", "#define LAYOUT 9999", f.read())
    assert n == 1
    (where / "state").mkdir()
    (where / "state" / "table_inside.h").write_text(header)
    with open(MODULE, "rb") as f:       # what this one is linked with
        libraries = set(re.findall(rb"\0(lib[a-z_]+\.so\.[0-9.]+)(?=\0)", f.read()))
    module = where / "another.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-I", str(where), "-I", source,
         *subprocess.check_output(["pkg-config", "--cflags", "apr-1"],
                                  text=True).split(),
         *sorted(glob.glob(os.path.join(source, "state", "table*.c"))),
         *sorted(glob.glob(os.path.join(BUILD, ".libs", "mod_auth_bearer_la-*.o"))),
         *sorted(glob.glob(os.path.join(BUILD, "src", "httpd", ".libs", "*.o"))),
         os.path.join(BUILD, ".libs", "libbearer.a"),
         *("-l:" + name.decode() for name in sorted(libraries)), "-o", str(module)],
        check=True)
    return str(module)


@pytest.mark.allow_log("AB0412")
def test_another_layout(site, op, tmp_path):
    """A graceful restart loads a build that has another layout: what is there is not
    read, nobody gets another one's session, users sign in again. The same on the way
    back."""
    server = site(children=2)
    with open(server.path("httpd.conf")) as f:
        conf = f.read()
    assert MODULE in conf
    other = another_build(tmp_path)
    people = [visitor(op, server, "u%d" % i) for i in range(3)]
    for n, module in enumerate((other, MODULE)):
        server.write("httpd.conf", conf.replace(MODULE, module))
        server.graceful()
        assert [status(b) for b in people] == [302] * 3
        assert len(server.wait_log("AB0412")) == n + 1
        people = [visitor(op, server, "v%d" % i) for i in range(3)]
        assert [status(b) for b in people] == [200] * 3


STORES = {"shm": None, "redis": Redis, "memcache": Memcached, "redis://": OwnRedis}


@pytest.fixture(params=sorted(STORES))
def kept(request):
    """A line for where sessions are, and the module that it needs."""
    made = STORES[request.param]
    if not made:
        yield "", ()
        return
    missing.need(made.PROGRAM, shutil.which(made.PROGRAM))
    missing.need("mod_" + made.MODULE, os.path.exists(
        "%s/mod_%s.so" % (MODULES, made.MODULE)))
    backend = made()
    yield backend.conf.rstrip("\n") + " for=sessions\n", (backend.MODULE,)
    backend.close()


@pytest.mark.core
@pytest.mark.allow_log("AB0764")
def test_rotation(site, op, store, kept):
    """The procedure of docs/operations.md: nobody is signed out."""
    server = site(kept[0] + "AuthBearerSessionStore " + store
                  + "\nAuthBearerSessionLifetime max=60s idle=30s",
                  modules=kept[1])
    with open(server.path("httpd.conf")) as f:
        conf = f.read()
    line = 'AuthBearerSecretFile "%s"' % server.path("secret")
    assert line in conf
    people = [visitor(op, server, "u0")]
    under_way = Browser(server)
    back = callback(under_way, op)
    for i, names in enumerate([("secret", "newer"), ("newer", "secret")]):
        server.write("httpd.conf", conf.replace(line, "AuthBearerSecretFile %s"
                     % " ".join('"%s"' % server.path(n) for n in names)))
        server.graceful()
        people.append(visitor(op, server, "u%d" % (i + 1)))
        assert [status(b) for b in people] == [200] * len(people)
    assert under_way.navigate(back).status == 303
    ended = people.pop()
    copy = ended.clone()
    assert ended.sign_out().status == 200
    # those who are there are sealed anew while they are in use
    time.sleep(2.2)
    for browser in people:
        assert browser.navigate("/app/x").status == 200
    server.write("httpd.conf", conf.replace(line, 'AuthBearerSecretFile "%s"'
                                            % server.path("newer")))
    server.graceful()
    assert [status(b) for b in people] == [200] * len(people)
    assert status(copy) == 302


# -- room ------------------------------------------------------------------------

@pytest.mark.core
@pytest.mark.allow_log("AB0414")
def test_foreign_logins(site, op, wire):
    """A flood from one address: nobody else is signed out, and nothing that was
    ended comes back."""
    server = site("AuthBearerSOCache shm:128K for=sessions\n" + REMOTEIP,
                  modules=("remoteip",), h2=wire,
                  end='<Location "/bearer-status">\nSetHandler bearer-status\n'
                  "Require all granted\n</Location>")
    people = [visitor(op, server, "p%d" % i, "192.0.2.%d" % i, wire)
              for i in range(10)]
    ended = [visitor(op, server, "e%d" % i, "192.0.2.%d" % (50 + i), wire)
             for i in range(10)]
    for i in range(10):
        token = op.logout_token(sid="sid-of-e%d" % i, sub=None)
        assert backchannel(server, token).status == 200
    flood = [visitor(op, server, "f%d" % i, "198.51.100.7") for i in range(150)]
    assert [status(b) for b in people] == [200] * 10
    assert [status(b) for b in ended] == [302] * 10
    there = [status(b) for b in flood]
    assert there[0] == 302 and there[-1] == 200, "its own oldest ones make room"
    server.graceful()
    assert [status(b) for b in people] == [200] * 10
    assert [status(b) for b in ended] == [302] * 10
    line, = server.log_says("AB0414")      # one a minute
    assert line.level == "warn" and line.says("AB0414", re.compile(r"\b[1-9]\d*"), 0), line
    shown = server.get("/bearer-status?format=json").json()["sessions"]
    assert shown["evicted"] == there.count(302) and shown["refused"] == 0
    assert "ended because full: %d," % shown["evicted"] in server.get(
        "/bearer-status").text


@pytest.mark.core
def test_many_logouts(site, op, wire):
    """The issuer tells of logouts of nobody whom this server knows, as often as users
    make it: it costs nobody a session, nor an answer."""
    server = site("AuthBearerSOCache shm:128K for=sessions\n", h2=wire)
    people = [visitor(op, server, "p%d" % i, h2=wire) for i in range(20)]
    for i in range(450):
        token = op.logout_token(sid="unknown-%d" % i, sub=None)
        assert backchannel(server, token).status == 200
    assert backchannel(server, token).status == 400, "a jti counts once"
    assert [status(b) for b in people] == [200] * 20
    token = op.logout_token(sid="sid-of-p3", sub=None)
    assert backchannel(server, token).status == 200
    assert [status(b) for b in people].count(302) == 1
    assert not server.log_says("AB0414")


@pytest.mark.core
def test_thirty_two(site, op, wire):
    """One more login of somebody ends the session that was unused for longest."""
    server = site(h2=wire)
    other = visitor(op, server, "other")
    sessions = [visitor(op, server, "ann", h2=wire) for _ in range(33)]
    assert status(sessions[0]) == 302
    assert [status(b) for b in sessions[1:]] == [200] * 32
    assert status(other) == 200


@pytest.mark.core
@pytest.mark.allow_log("AB0414")
def test_no_place_for_a_mark(site, op, wire):
    """No login whose end could not be kept; those who are there can sign out."""
    server = site("AuthBearerSessionStore cookie\n"
                  "AuthBearerSOCache shm:128K for=sessions\n", h2=wire)
    people = []
    for i in range(2000):
        op.user = {"sub": "u%d" % i, "email": "u%d@example.test" % i,
                   "email_verified": True}
        browser = Browser(server, h2=wire)
        res = browser.navigate(callback(browser, op))
        if res.status != 303:
            break
        people.append(browser)
    assert res.status == 503 and res.error == "unavailable", res
    assert not [n for n in browser.cookies if "session" in n]
    assert res.logged("AB0054", "AuthBearerSOCache"), res
    assert len(people) > 500
    server.wait_log("AB0414", re.compile(r"\b[1-9]\d*"), "AuthBearerSOCache")
    for browser in people[::100]:
        kept = browser.clone()
        assert browser.sign_out().status == 200
        assert status(kept) == 302
    server.graceful()
    assert status(kept) == 302
    assert status(people[1]) == 200


# -- where it is, and what it is called ------------------------------------------

def test_status(site, op):
    server = site(end='<Location "/bearer-status">\nSetHandler bearer-status\n'
                  "Require all granted\n</Location>", early="")
    for i in range(3):
        visitor(op, server, "u%d" % i)
    shown = server.get("/bearer-status?format=json").json()["sessions"]
    assert shown["count"] == 3 and shown["bytes"] == 8 * MB
    assert 0 < shown["used"] < 64 * 1024
    assert shown["evicted"] == shown["refused"] == shown["surplus"] == 0
    assert "<b>3</b>" in server.get("/bearer-status").text
    assert "auth_bearer_sessions 3\n" in server.get(
        "/bearer-status?format=prometheus").text
