# Licensed under the Apache License, Version 2.0; see LICENSE.
"""AuthBearerSOCache redis://: the module's own client and a real redis, which is
stopped, killed, cut off, full, locked, and comes back. Whatever it does, a request
waits for it no longer than its timeout, one a second, and nobody has to sign in
because of it.
"""
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from support import certs, missing, secrets, tokens
from support.backends import FakeRedis, OwnRedis
from support.browsing import backchannel, signed_in
from support.expect import issuer_conf, location, refused
from support.fleet import (BASE, CONF, SECRET, at, somebody_else, statuses,
                           visitor)
from support.httpd import MODULE, SLOW, free_port, wait_until
from support.load import Load
from support.messages import NOT_ACCEPTED
from support.op import Browser, Provider
from support.pace import Record, Stopwatch

PASSWORD = "the-password-of-redis"
TIMEOUT = 1.0
#: Under prefork, so that no request waits for a child to be forked.
MANY = 8
#: What a loaded machine adds to a wait.
SLACK = 0.6 * SLOW

pytestmark = missing.needs("redis-server", shutil.which("redis-server"))

#: What the module may say while redis is away, and once it is back.
AWAY = pytest.mark.allow_log("AB0431 AuthBearerSOCache", "AB0433 AuthBearerSOCache", "AB0316")


def made(cls, *args, **kw):
    server = cls(*args, **kw)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def redis():
    yield from made(OwnRedis)


@pytest.fixture
def op(issuers, request):
    provider = Provider(issuers, "redis-" + "".join(
        c if c.isalnum() else "-" for c in request.node.name))
    return provider


@pytest.fixture
def host(one_server, op, backend):
    """host(redis) starts a server of the fleet."""
    def start(redis, more="", children=2, kinds="for=sessions", files=None, **kw):
        secrets.register(PASSWORD)
        return one_server(
            redis.conf.rstrip("\n") + " " + kinds + "\n" + CONF.format(
                issuer=op.url, more=more, secrets='"@ROOT@/secret"'),
            children=children, backend=backend,
            files={"secret": (SECRET, 0o600), "redis-password": (PASSWORD + "\n", 0o600),
                   "client": ("the-secret-of-the-client\n", 0o600),
                   **(files or {})}, **kw)
    return start


# --- what redis is asked for ---------------------------------------------------

#: The user of docs/operations.md.
USER = ["web", "on", ">" + PASSWORD, "~bearer-*", "+get", "+mget", "+set", "+del",
        "+select", "+eval", "+pttl"]

WAYS = {
    "plain": lambda: OwnRedis(),
    "database": lambda: OwnRedis(url="redis://127.0.0.1:{port}/3"),
    "name": lambda: OwnRedis(url="redis://localhost:{port}"),
    "password": lambda: OwnRedis(["--requirepass", PASSWORD],
                                 words=['"password=file:@ROOT@/redis-password"']),
    "user": lambda: OwnRedis(
        ["--user", *USER], url="redis://web@127.0.0.1:{port}/5",
        words=["password=env:REDIS_PASSWORD", "timeout=2s"]),
    "socket": lambda: OwnRedis(url="unix:{socket}"),
    "socket-user": lambda: OwnRedis(
        ["--user", *USER], url="unix:{socket}",
        words=['"password=file:@ROOT@/redis-password"', "user=web", "db=2"]),
}


def password_of(way):
    return {"password": PASSWORD} if way == "password" else {}


@pytest.mark.core
@pytest.mark.parametrize("way", sorted(WAYS))
def test_sessions_of_a_fleet(host, op, way, monkeypatch):
    """One session on two hosts, however redis is reached."""
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    for redis in made(WAYS[way]):
        a, b = host(redis), host(redis)
        browser = visitor(a)
        asked = op.count("authorize")
        assert statuses(browser, a, b) == {200}
        assert op.count("authorize") == asked, "nobody was asked again"
        database = {"database": 3, "user": 5, "socket-user": 2}.get(way, 0)
        client = redis.client(db=database, **password_of(way))
        names = client.keys("*")
        assert names and all(re.fullmatch(rb"bearer-sess:[0-9A-F]{32}([0-9A-F]{32})?",
                                          name)
                             for name in names), names
        assert all(0 < client.ttl(name) <= 9 * 3600 for name in names)
        for name in names:
            assert b"alice" not in client.get(name)
        assert client.info("keyspace").keys() == {"db%d" % database}
        assert browser.sign_out().status == 200
        assert statuses(browser, a, b) == {302}
        for server in (a, b):
            assert PASSWORD not in server.error_log()


def test_every_kind(one_server, issuers, redis):
    """Without for=: key sets, too. Two hosts that are cold fetch them once."""
    issuer = issuers.issuer("redis-keys", "rs256")
    conf = redis.conf + 'AuthBearerSecretFile "@ROOT@/secret"\n' \
        '<AuthBearerIssuer "%s">\nAuthBearerMetadata off\nAuthBearerKeys "%s"\n' \
        '</AuthBearerIssuer>\n' % (issuer.url, issuer.jwks_url) + location("/a")
    hosts = [one_server(conf, files={"secret": (SECRET, 0o600)}, children=2)
             for _ in range(2)]
    for server in hosts:
        for _ in range(12):
            assert server.get("/a", issuer.mint()).status == 200
    assert issuer.count("jwks") == 1
    assert any(name.startswith(b"bearer-keys:") for name in
               redis.client().keys("*"))


def test_cold_hosts_at_once(one_server, issuers, redis):
    """Set-if-absent decides who fetches: one does, not two."""
    issuer = issuers.issuer("redis-cold", "rs256")
    issuer.script("jwks", delay=0.5)
    conf = redis.conf + 'AuthBearerSecretFile "@ROOT@/secret"\n' \
        '<AuthBearerIssuer "%s">\nAuthBearerMetadata off\nAuthBearerKeys "%s"\n' \
        '</AuthBearerIssuer>\n' % (issuer.url, issuer.jwks_url) + location("/a")
    hosts = [one_server(conf, files={"secret": (SECRET, 0o600)}, children=2)
             for _ in range(2)]
    token, results = issuer.mint(), []
    threads = [threading.Thread(target=lambda s=s: results.append(
        s.get("/a", token).status)) for s in hosts * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 4
    assert issuer.count("jwks") == 1


def test_backchannel_logout_counts_everywhere(host, op, redis):
    a, b = host(redis), host(redis)
    browser = visitor(a)
    token = op.logout_token()
    assert backchannel(b, token).status == 200
    assert statuses(browser, a, b) == {302}
    assert backchannel(a, token).status == 400, "a jti counts once"


API = """
<Location "/api">
    AuthType Bearer
    AuthBearerAudience api://test
    Require valid-user
</Location>
"""


@AWAY
def test_signing_out_ends_the_access_token_everywhere(host, op, redis):
    """Within seconds on hosts that run, at once on one that starts; a host that could
    not read what was written reads it later."""
    a, b = host(redis, API), host(redis, API)
    tokens_ = [op.access_token() for _ in range(3)]

    def ends(token, server):
        wait_until(lambda: server.get("/api", token).status == 401, 20, "the end")
        refused(server.get("/api", token), 401, "invalid_token", check="revoked")

    for token in tokens_[:2]:
        op.give(token)
        assert b.get("/api", token).status == 200
        assert visitor(a).sign_out().status == 200
        refused(a.get("/api", token), 401, "invalid_token", check="revoked")
        ends(token, b)
    assert b.get("/api", tokens_[2]).status == 200
    c = host(redis, API)
    for token in tokens_[:2]:
        ends(token, c)
    assert c.get("/api", tokens_[2]).status == 200


def test_round_trips(host, op, redis):
    """Two for a request with a session: its record, and the marks of logouts."""
    a = host(redis, children=1)
    browser = visitor(a)
    redis.client().config_resetstat()
    began = time.monotonic()
    assert statuses(browser, a, n=20) == {200}
    seconds = time.monotonic() - began
    calls = {name: stat["calls"] for name, stat in
             redis.client().info("commandstats").items()}
    # and once a second, in the background, what other hosts signed out
    assert calls["cmdstat_get"] == 20, calls
    assert 20 <= calls["cmdstat_mget"] <= 21 + seconds, calls
    assert not {"cmdstat_set", "cmdstat_del"} & calls.keys(), calls


# --- sessions of one user ------------------------------------------------------

@pytest.mark.core
def test_thirty_two(host, op, redis):
    """One more login ends the session that was unused for longest, whichever hosts
    they were made on; what ended by itself does not count."""
    hosts, client = [host(redis), host(redis)], redis.client()
    bob = somebody_else(op, hosts[0])
    op.user = {**op.user, "sub": "alice", "email": "alice@example.test"}
    before = set(client.keys("*"))
    sessions = [visitor(hosts[0])]
    first = max(set(client.keys("*")) - before, key=client.strlen)
    sessions += [visitor(hosts[i % 2]) for i in range(1, 32)]
    assert sessions[7].clone().sign_out().status == 200
    sessions.append(visitor(hosts[0]))          # in its place
    client.expire(first, 4000)                  # as if it were in use
    sessions.append(visitor(hosts[1]))
    there = [statuses(b, hosts[0], n=1) for b in sessions]
    assert there[1] == there[7] == {302}, there
    assert there.count({200}) == 32, there
    threads = [threading.Thread(target=lambda h=h: sessions.append(visitor(h)))
               for h in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sessions) == 36
    assert [statuses(b, hosts[0], n=1) for b in sessions].count({200}) == 32
    assert statuses(bob, *hosts) == {200}
    lists = [name for name in client.keys("*") if len(name) == len("bearer-sess:") + 32]
    assert sorted(len(client.get(name)) for name in lists) == [64, 32 * 64]
    for name in lists:
        text = client.get(name)
        lives = [client.pttl(b"bearer-sess:" + text[i:i + 64])
                 for i in range(0, len(text), 64)]
        assert 0 < max(lives) <= client.pttl(name) <= 8 * 3600000


def test_refresh_brings_nothing_back(host, op, redis):
    """Signed out on one host while another refreshes: it stays so. The record is
    replaced only if it is there."""
    op.refresh, op.expires_in = True, 5     # due at once
    a, b = host(redis), host(redis)
    browser = Browser(a, BASE)
    assert browser.go("/app/x", stop="/app/x$").status == 303
    asked, go, issue = threading.Event(), threading.Event(), op._token

    def token(request):
        asked.set()
        go.wait(20)
        return issue(request)
    op._token = token
    copy, results = browser.clone(), []
    thread = threading.Thread(target=lambda: results.append(
        browser.clone().navigate("/app/x").status))
    thread.start()
    assert asked.wait(10)
    assert at(copy, b).sign_out().status == 200
    go.set()
    thread.join()
    op._token = issue
    assert statuses(browser, a, b) == {302}


def test_a_login_counts_once(host, op, redis):
    """The same answer of the issuer on two hosts at once: one asks for tokens."""
    hosts = [host(redis), host(redis)]
    for _ in range(4):
        browser = Browser(hosts[0], BASE)
        res = browser.go("/app/x", stop=r"/\.auth/callback")
        path, got = browser.path_of(res.get("Location")), []
        asked = op.count("token")
        threads = [threading.Thread(target=lambda s=s: got.append(
            at(browser, s).navigate(path).status)) for s in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got.count(303) == 1, got
        assert op.count("token") == asked + 1


# --- redis is away -------------------------------------------------------------

class Watch:
    """Navigates all the time, in several threads, each with its own cookies, and
    keeps (when, status, seconds, answer) of each request. Seconds in which others
    had the processors do not count."""

    def __init__(self, browsers, threads=6):
        self._seen, self.going = [], True
        self.record = Record(*{b.server for b in browsers}).__enter__()
        self.threads = [threading.Thread(target=self._go, daemon=True,
                                         args=(browsers[i % len(browsers)],))
                        for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def _go(self, browser):
        while self.going:
            mine, begun = browser.clone(), time.monotonic()
            res = mine.navigate("/app/x")
            self._seen.append((begun, res.status, time.monotonic(), res))
            time.sleep(0.02)

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        self.record.__exit__()
        return [(begun, status, self.record.seconds_of(begun, ended), res)
                for begun, status, ended, res in self._seen]


def seen_during(browsers, seconds, back):
    """What users meet from now on: redis is back after so many seconds."""
    gone, watch = time.monotonic(), Watch(browsers)
    time.sleep(seconds)
    back()
    returned = time.monotonic()
    time.sleep(4)
    results = watch.stop()

    def passed(since, when):
        return watch.record.seconds_of(since, when) if when > since \
            else when - since
    return [(passed(gone, when), passed(returned, when), status, took, res)
            for when, status, took, res in results]


def assert_kept(results, op, asked, seconds):
    """The promises: 503 with the cookie kept, no wait beyond the timeout, one wait
    a second once it is known, and all is well two seconds after the return."""
    slow = []
    for since, after, status, took, res in results:
        assert status in (200, 503), res
        assert not res.all("Set-Cookie"), res
        assert took < TIMEOUT + SLACK, (since, took, res)
        if status == 503:
            refused(res, 503, None, "unavailable", "session_store")
        if after > 2 * SLOW:
            assert status == 200, (after, res)
        if TIMEOUT + SLACK < since and after < 0 and took > 0.5:
            slow.append((since, took))
    assert [r for r in results if r[2] == 503], "nobody noticed"
    assert len(slow) <= seconds + 1, slow
    assert op.count("authorize") == asked, "somebody was sent to the issuer"


@AWAY
@pytest.mark.core
def test_stopped(host, op, redis, wire):
    """It hangs: connections are taken, nothing is answered."""
    a = host(redis, children=MANY, h2=wire)
    browser = visitor(a)
    browser.h2 = wire
    asked = op.count("authorize")
    redis.pause()
    results = seen_during([browser], 5, redis.resume)
    assert_kept(results, op, asked, 5)
    assert len(a.log_says("AB0431", "redis://", "1000 ms")) == 1
    assert len(a.log_says("AB0432", "redis://")) == 1


@AWAY
@pytest.mark.core
def test_killed(host, op, redis):
    """Nobody listens. What redis kept on its disk is there when it is back."""
    a = host(redis, children=MANY)
    browser = visitor(a)
    asked = op.count("authorize")
    redis.stop()
    results = seen_during([browser], 3, redis.start)
    assert_kept(results, op, asked, 3)
    assert not [took for _, _, _, took, _ in results if took > 0.5 * SLOW]
    assert len(a.log_says("AB0431", redis.port, "Connection refused")) == 1


@AWAY
def test_both_hosts(host, op, redis):
    """Each host finds out for itself; neither sends anybody to sign in."""
    a, b = host(redis, children=MANY), host(redis, children=MANY)
    browser = visitor(a)
    asked = op.count("authorize")
    redis.pause()
    results = seen_during([browser, at(browser, b)], 3, redis.resume)
    assert_kept(results, op, asked, 2 * 3)


@AWAY
def test_connections_cut(host, op, redis):
    """CLIENT KILL, again and again: no request fails, nobody is told."""
    a = host(redis)
    browser = visitor(a)
    watch, killed = Watch([browser]), 0
    for _ in range(40):
        killed += redis.client().execute_command("CLIENT", "KILL", "TYPE",
                                                 "normal", "SKIPME", "yes")
        time.sleep(0.05)
    results = watch.stop()
    bad = [res for _, status, _, res in results if status != 200]
    assert killed > 20 and len(results) > 100
    # one that is cut between question and answer, twice, is rare
    assert len(bad) <= 1, bad
    assert all(res.status == 503 for res in bad)


@AWAY
def test_restarted(host, op, redis):
    """Between two requests: the second one does not notice."""
    a = host(redis, children=1)
    browser = visitor(a)
    for _ in range(5):
        redis.stop()
        redis.start()
        assert statuses(browser, a, n=3) == {200}
    assert not a.log_says("AB0431|AB0433")


@AWAY
@pytest.mark.core
def test_dripping(host, op):
    """A byte each half second is cut off at the deadline."""
    def talk(connection):
        connection.recv(65536)
        for byte in b"$400\r\n" + b"x" * 400:
            connection.sendall(bytes([byte]))
            time.sleep(0.5)
    for redis in made(FakeRedis, talk):
        a = host(redis, children=MANY)
        browser = Browser(a, BASE)
        browser.cookies["__Host-bearer_session"] = "A" * 43
        results = seen_during([browser], 4, lambda: None)
        assert {status for _, _, status, _, _ in results} == {503}
        assert max(took for *_, took, _ in results) < TIMEOUT + SLACK
        slow = [took for since, _, _, took, _ in results
                if since > TIMEOUT + SLACK and took > 0.5]
        assert len(slow) <= 9, slow
        assert op.count("authorize") == 0


@AWAY
@pytest.mark.parametrize("reply", ["longer", "flood", "http", "nested", "junk",
                                   "closes"])
def test_what_is_not_redis(host, op, reply):
    """Nothing of it is believed, nothing is kept, nobody waits for the end."""
    says = {"longer": b"$300000000\r\n" + b"x" * 100000,
            "flood": b"+" + b"x" * 100000,
            "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "nested": b"*1000000000\r\n" * 8, "junk": os.urandom(64), "closes": b""}

    def talk(connection):
        while connection.recv(65536):
            connection.sendall(says[reply])
            if reply in ("closes", "junk"):
                return
    for redis in made(FakeRedis, talk):
        a = host(redis, children=1)
        browser = Browser(a, BASE)
        browser.cookies["__Host-bearer_session"] = "A" * 43
        for _ in range(3):
            watch = Stopwatch(a)
            res = browser.clone().navigate("/app/x")
            refused(res, 503, None, "unavailable", "session_store")
            assert watch.seconds < TIMEOUT + SLACK
        res = browser.navigate("/.auth/login?return=/app/x")
        refused(res, 503, None, "unavailable", "session_store")
        assert op.count("authorize") == 0


# --- redis does not want -------------------------------------------------------

def fill(client):
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")


def make_replica(client):
    client.execute_command("REPLICAOF", "127.0.0.1", "9")


def unmake_replica(client):
    client.execute_command("REPLICAOF", "NO", "ONE")


REFUSALS = {
    "full": (fill, lambda client: client.config_set("maxmemory", "0"), "OOM"),
    "replica": (make_replica, unmake_replica, "READONLY"),
    "few-replicas": (lambda client: client.config_set("min-replicas-to-write", 1),
                     lambda client: client.config_set("min-replicas-to-write", 0),
                     "NOREPLICAS"),
}


@pytest.mark.core
@pytest.mark.parametrize("why", sorted(REFUSALS))
@pytest.mark.allow_log("AB0433 redis://", "AB0316")
def test_writes_refused(host, op, redis, why, wire):
    """Sessions go on, a login gets 503, and the log says why once a minute."""
    begin, end, word = REFUSALS[why]
    a = host(redis, h2=wire)
    browser = visitor(a)
    browser.h2 = wire
    begin(redis.client())
    assert statuses(browser, a, n=12) == {200}
    for _ in range(4):
        res = Browser(a, BASE, h2=wire).go("/app/x")
        refused(res, 503, None, "unavailable", "session_store")
        assert not [c for c in res.all("Set-Cookie")
                    if re.match(r"__Host-bearer_session=[^;]", c)]
    assert statuses(browser, a, n=12) == {200}
    assert len(a.log_says("AB0433", "redis://", word)) == 1
    end(redis.client())
    signed_in(Browser(a, BASE))
    assert statuses(browser, a) == {200}


@AWAY
@pytest.mark.core
@pytest.mark.allow_log("AB0753 redis-password")
def test_password_changed(host, op):
    """503 and a line that says what to change, on each host once; with the new
    password in the file all goes on, without a restart."""
    for redis in made(WAYS["password"]):
        a = host(redis, files={"redis-password": PASSWORD + "\n"})
        browser = visitor(a)
        asked = op.count("authorize")
        client = redis.client(password=PASSWORD)
        client.config_set("requirepass", "another-password")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: statuses(browser, a) == {503}, 10, "it is noticed")
        time.sleep(2.5)                      # several probes, one line
        assert statuses(browser, a) == {503}
        lines = a.log_says("AB0431", "WRONGPASS", "password=")
        assert len(lines) == 1, lines
        assert op.count("authorize") == asked
        a.write("redis-password", "another-password\n", 0o644)
        wait_until(lambda: statuses(browser, a) == {200}, 20, "the new password")
        # a probe that began with the old password may end in between
        assert 1 <= len(a.log_says("AB0432")) <= 2


@AWAY
@pytest.mark.parametrize("case", ["no-password", "cluster", "no-such-database",
                                  "not-allowed"])
def test_what_to_change(host, op, case):
    """What the log says once about a redis that will never do."""
    options, url, words, values = {
        "no-password": (["--requirepass", PASSWORD], "redis://127.0.0.1:{port}", [],
                        ["NOAUTH", "password="]),
        "cluster": (["--cluster-enabled", "yes", "--cluster-config-file",
                     "{dir}/nodes.conf"], "redis://127.0.0.1:{port}", [],
                    ["CLUSTERDOWN"]),
        "no-such-database": ([], "redis://127.0.0.1:{port}/99", [],
                             ["ERR DB index"]),
        "not-allowed": (["--user", "web", "on", ">" + PASSWORD, "~other:*", "+get"],
                        "redis://web@127.0.0.1:{port}",
                        ['"password=file:@ROOT@/redis-password"'],
                        ["NOPERM", "+get +mget +set +del"]),
    }[case]
    for redis in made(OwnRedis, options, url, words):
        a = host(redis)
        browser = Browser(a, BASE)
        browser.cookies["__Host-bearer_session"] = "A" * 43
        for _ in range(6):
            refused(browser.clone().navigate("/app/x"), 503, None, "unavailable",
                    "session_store")
        lines = a.log_says("AB0431|AB0433|AB0434", "redis:")
        assert len(lines) == 1, lines
        assert a.log_says("AB0431", *values)


# --- connections ---------------------------------------------------------------

def sockets_of(pid):
    out = set()
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            out.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
        except OSError:
            pass
    return {name for name in out if name.startswith("socket:")}


def to_redis(redis):
    """Sockets of the connections whose other end is redis."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return {"socket:[%s]" % row[9] for row in rows
            if row[2].endswith(":%04X" % redis.port) and row[3] == "01"}


@pytest.mark.core
def test_connections_of_children(host, op, redis):
    """Made after the fork, shared by nobody, bounded, closed by who ends."""
    a = host(redis, children=2)
    browser = visitor(a)
    watch = Watch([browser], threads=12)
    time.sleep(2)
    ours = to_redis(redis)
    held = [sockets_of(pid) & ours for pid in a.children()]
    results = watch.stop()
    assert {status for _, status, _, _ in results} == {200}
    assert sum(1 for sockets in held if sockets) >= 2, "several children"
    for i, mine in enumerate(held):
        assert len(mine) <= 16
        for other in held[i + 1:]:
            assert not mine & other, "two children share a connection"
    a.graceful()
    assert statuses(browser, a) == {200}
    wait_until(lambda: not any(
        sockets & to_redis(redis) for sockets in held), 20, "the old ones end")
    a.stop()
    wait_until(lambda: not to_redis(redis), 10, "all connections are closed")


def test_no_connection_without_need(host, op, redis):
    """Neither configtest nor the parent asks anybody."""
    redis.stop()
    a = host(redis)
    assert a.configtest().status == 0
    assert not a.log_says(None, "AuthBearerSOCache")
    redis.start()
    client = redis.client()
    # one that asked whether it is there may not be closed yet
    wait_until(lambda: len(client.client_list()) == 1,
               what="the test's own connection alone")
    visitor(a)


# --- configuration -------------------------------------------------------------

BAD = {
    "redis://": ["AB0643", "''"],
    "redis://:6379": ["AB0643", "''"],
    "redis://h:0": ["AB0642", "'0'"],
    "redis://h:65536": ["AB0642", "'65536'"],
    "redis://h:6379x": ["AB0642", "'6379x'"],
    "redis://h/x": ["AB0645", "'x'"],
    "redis://h/70000": ["AB0645", "'70000'"],
    "redis://h/1?x=y": ["AB0645", "'1?x=y'"],
    "redis://[::1": ["AB0642", "':1'"],
    "redis://[::1]x": ["AB0641"],
    "redis://h%41": ["AB0643", "'h%41'"],
    "redis://u:geheimnis@h": ["AB0644", "redis://USER@HOST"],
    "redis://:geheimnis@h": ["AB0644", "redis://USER@HOST"],
    "redis://u@h": ["AB0652", "password="],
    "redis://h password=geheimnis": ["AB0647", "password=file:PATH"],
    "redis://h password=exec:/bin/geheimnis": ["AB0647", "password=file:PATH"],
    "redis://h password=": ["AB0647", "password=file:PATH"],
    "redis://h ca=/x": ["AB0648", "ca=", "rediss://"],
    "redis://h timeout=0s": ["AB0650", "1ms", "30s"],
    "redis://h timeout=31s": ["AB0650", "1ms", "30s"],
    "redis://h timeout=soon": ["AB0504", "'soon'"],
    "redis://h user=x": ["AB0651", "password=file:PATH"],
    "redis://h db=1": ["AB0651", "password=file:PATH"],
    "redis://h geheimnis": ["AB0651", "password=file:PATH"],
    "redis://h for=nothing": ["AB0631", "for=nothing"],
    "unix:redis.sock": ["AB0646", "unix:", "100"],
    "unix:/" + "x" * 100: ["AB0646", "unix:", "100"],
    "unix:/x db=x": ["AB0651", "password=file:PATH"],
}
GOOD = ["redis://h", "redis://h:1/0 timeout=20ms", "redis://[::1]:7/1 for=sessions",
        "redis://cache_1.example.com password=env:HOME", "redis://h/",
        "for=keys", "unix:/run/redis.sock db=3 timeout=30s"]


def with_issuer(line):
    return 'AuthBearerSOCache %s\nAuthBearerSecretFile "@ROOT@/secret"\n' % line \
        + issuer_conf() + location("/a")


FILES = {"jwks.json": tokens.jwks("rs256"), "secret": (SECRET, 0o600)}


@pytest.mark.parametrize("line", sorted(BAD))
def test_bad_lines(checker, line):
    result = checker(with_issuer(line), files=FILES)
    assert result.status and result.says(*BAD[line]), result
    assert "geheimnis" not in result.output, result


@pytest.mark.parametrize("line", GOOD)
def test_good_lines(checker, line):
    result = checker(with_issuer(line), "-D", "DUMP_BEARER", files=FILES)
    assert (result.status == 0) == (line != "for=keys"), result


def test_secret_file_is_needed(checker):
    """Who can write to redis must not be able to add a key."""
    result = checker("AuthBearerSOCache redis://h\n" + issuer_conf()
                     + location("/a"), files=FILES)
    assert result.status and result.says("AB0767", "AuthBearerSecretFile"), result


def test_missing_password_file(checker):
    result = checker(with_issuer("redis://h password=file:/nowhere/to/be/found"),
                     files=FILES)
    assert result.status and result.says("AB0752", "/nowhere/to/be/found"), result


# --- TLS -----------------------------------------------------------------------

def is_linked(library):
    """Does the module need this library?"""
    with open(MODULE, "rb") as module:
        return b"\0%s.so" % library in module.read()


def has_tls():
    return is_linked(b"libhiredis_ssl")


def test_tls_is_there_or_refused(checker):
    """hiredis has TLS from 1.0 on; a module that was built with that can do it, and
    one that was not says so at once."""
    result = checker(with_issuer("rediss://h"), files=FILES)
    if has_tls():
        assert result.status == 0, result
    else:
        assert result.status and result.says("AB0653", "hiredis"), result


def test_tls_is_built_where_it_can_be():
    """Where hiredis' headers for TLS are, ./configure has found them."""
    missing.need("hiredis", is_linked(b"libhiredis"))
    assert has_tls() == os.path.exists("/usr/include/hiredis/hiredis_ssl.h")


@pytest.fixture
def tls(tmp_path):
    if not has_tls():  # Debian 12: test_tls_is_there_or_refused
        pytest.skip("this hiredis has no TLS")

    def start(kind="good", words=()):
        pem = tmp_path / "server.pem"
        pem.write_bytes(certs.server(kind))
        (tmp_path / "ca.pem").write_bytes(certs.authority_pem())
        port = free_port()
        return OwnRedis(
            ["--tls-port", str(port), "--tls-cert-file", str(pem),
             "--tls-key-file", str(pem), "--tls-ca-cert-file",
             str(tmp_path / "ca.pem"), "--tls-auth-clients", "no",
             "--requirepass", PASSWORD], url="rediss://localhost:%d/1" % port,
            words=['"password=file:@ROOT@/redis-password"', *words])
    return start


@AWAY
def test_tls(host, op, tls):
    redis = tls(words=['"ca=@ROOT@/ca.pem"'])
    try:
        a, b = (host(redis, files={"ca.pem": certs.authority_pem()})
                for _ in range(2))
        browser = visitor(a)
        assert statuses(browser, a, b) == {200}
        asked = op.count("authorize")
        redis.pause()
        results = seen_during([browser], 3, redis.resume)
        assert_kept(results, op, asked, 3)
    finally:
        redis.close()


@AWAY
@pytest.mark.parametrize("kind", ["wrong-host", "expired", "self-signed", "no-ca",
                                  "wrong-ca"])
def test_tls_of_another(host, op, tls, kind):
    """No password goes to who cannot prove that it is this server."""
    redis = tls("good" if kind in ("no-ca", "wrong-ca") else kind,
                words=[] if kind == "no-ca" else ['"ca=@ROOT@/ca.pem"'])
    ca = certs.authority_pem()
    if kind == "wrong-ca":        # a certificate that signs nobody but itself
        ca = re.search(rb"(?s)-----BEGIN CERTIFICATE.*END CERTIFICATE-----\n",
                       certs.server("self-signed")).group()
    try:
        a = host(redis, files={"ca.pem": ca})
        browser = Browser(a, BASE)
        browser.cookies["__Host-bearer_session"] = "A" * 43
        refused(browser.navigate("/app/x"), 503, None, "unavailable",
                "session_store")
        assert a.log_says("AB0431", NOT_ACCEPTED)
    finally:
        redis.close()
