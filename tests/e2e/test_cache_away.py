# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A cache over the network that stops, dies or is full: how long requests wait,
what they get, what the log says, and when it is over.
"""
import re
import signal
import time

import pytest

from support import client
from support.backends import Redis
from support.fleet import (BASE, CONF, SECRET, cache, host, op,  # noqa: F401
                           statuses, visitor)
from support.httpd import SLOW, wait_until
from support.load import Load, Threads
from support.messages import NO_ANSWER
from support.op import NAVIGATE, Browser
from support.pace import Record, Stopwatch

pytestmark = [
    pytest.mark.core,
    pytest.mark.allow_log("AH0347[89]", "AH0079", "AB0316", "AB0421", "AB0424", "AB0764",
                          "AH00484", "AH00161"),
]


@pytest.fixture
def redis(one_server, op, backend):     # noqa: F811
    """redis with a host of its own: redis.host()"""
    server = Redis()

    def start(more="", socache=server.conf, **kw):
        return one_server(
            socache + CONF.format(issuer=op.url, more=more,
                                      secrets='"@ROOT@/secret"'),
            modules=(server.MODULE,), backend=backend,
            files={"secret": (SECRET, 0o600),
                   "client": ("the-secret-of-the-client\n", 0o600)}, **kw)
    server.host = start
    yield server
    server.close()


class Visits(Threads):
    """Session requests from many browsers at once, until it is left."""

    def __init__(self, server, browser, threads):
        self._seen = []
        self._record = Record(server)
        self._port = server.port
        self._raw = client.build("GET", "/app/x", {**NAVIGATE,
                                                   "Cookie": browser.field()})
        super().__init__([()] * threads)

    def _run(self):
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                answer = client.exchange(self._port, self._raw, 60)
                status = int(answer.split(b" ", 2)[1])
            except (OSError, IndexError) as e:
                status = repr(e)
            self._seen.append((start, status, time.monotonic()))
            self._stop.wait(0.2)

    @property
    def results(self):
        """(when, status, seconds) of each; those in which others had the
        processors do not count."""
        return [(start, status, self._record.seconds_of(start, end))
                for start, status, end in list(self._seen)]

    def since(self, when):
        return [r for r in self.results if r[0] >= when]

    def __enter__(self):
        self._record.__enter__()
        return super().__enter__()

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self._record.__exit__()


def lines(server, level, number, *values):
    """Those of the log at this level with this number and these values."""
    return [line for line in server.log_says(number, *values) if line.level == level]


def workers(server):
    return 16 if server.mpm == "prefork" else 32


def good_again(browser, server, seconds):
    """Seconds until every child serves the session; no more than that."""
    watch = Stopwatch(server)
    wait_until(lambda: statuses(browser, server, n=24) == {200}, seconds,
               "the session is good")
    return watch.seconds


# --- it is stopped -------------------------------------------------------------

def test_stopped_cache(cache, host, op, mpm):   # noqa: F811
    """It takes connections and says nothing: what else is served goes on, and
    after a few nobody waits for it. Nobody is sent to sign in."""
    server = host(children=16 if mpm == "prefork" else 4)
    browser = visitor(server)
    assert statuses(browser, server, n=24) == {200}
    asked = op.count()
    with Load(server.port, "x", path="/open", threads=2, rate=100) as open_, \
            Visits(server, browser, workers(server) + 8) as visits:
        open_.keep_on_for(2)
        before = open_.percentile(0.99, open_.began)
        cache.process.send_signal(signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            open_.keep_on_for(5)
            noticed = stopped + 2.5 * SLOW
            quiet = visits.since(noticed)
            slow = open_.percentile(0.99, stopped)
            assert {r[1] for r in quiet} == {503}, quiet[:5]
            late = [r for r in quiet if r[2] > 0.3 * SLOW]
            assert len(late) <= 4, late     # the probe of each second
        finally:
            cache.process.send_signal(signal.SIGCONT)
        took = good_again(browser, server, 60)
    assert slow <= 2 * before + 0.05 * SLOW, (before, slow)
    assert {r[1] for r in visits.results} <= {200, 503}
    assert took < 3.5 * SLOW, took
    assert op.count() == asked
    waited = [r for r in visits.results if r[2] > 1 * SLOW]
    assert len(waited) <= workers(server) / 2 + 8, waited   # the gate, and probes
    expect_few_lines(server)
    print("figures:", server.mpm, cache.PROGRAM, "open p99 %.1f ms, then %.1f ms;"
          " waited %d; good again after %.2f s" % (
              1e3 * before, 1e3 * slow,
              len(waited), took))


def expect_few_lines(server, changes=1, crit=8):
    """One for each change of state, whatever the load; httpd's clients have lines
    of their own for each call, of which there are few."""
    assert len(lines(server, "error", "AB0421", "for=sessions:")) == changes
    assert len(lines(server, "notice", "AB0422", "for=sessions:")) == changes
    assert len(re.findall(r"\|(?:crit|err\w*)\|.*AH0", server.error_log())) <= crit


# --- it dies -------------------------------------------------------------------

def test_dead_cache(cache, host, op):       # noqa: F811
    """503 at once; it comes back empty, and then a browser may sign in again."""
    server = host(children=4)
    browser = visitor(server)
    assert statuses(browser, server, n=24) == {200}
    asked = op.count()
    cache.stop()
    with Visits(server, browser, workers(server)) as visits:
        time.sleep(3 * SLOW)
        assert {r[1] for r in visits.results} == {503}
        assert max(r[2] for r in visits.since(time.monotonic() - 2)) < 0.5 * SLOW
        assert op.count() == asked
        cache.start()
        started = time.monotonic()
        wait_until(lambda: statuses(browser, server, n=24) == {302}, 30,
                   "every child knows that the session is gone")
        print("figures:", server.mpm, cache.PROGRAM,
              "empty again known after %.2f s" % (time.monotonic() - started))
    assert {r[1] for r in visits.results} <= {302, 503}
    browser = visitor(server)
    assert statuses(browser, server, n=24) == {200}
    expect_few_lines(server, crit=24)


def test_redis_restarts_with_what_it_had(redis):
    """The same sessions are good; no browser is sent to sign in."""
    server = redis.host(children=4)
    browser = visitor(server)
    assert statuses(browser, server, n=24) == {200}
    redis.client().save()
    with Visits(server, browser, workers(server)) as visits:
        time.sleep(0.5)
        redis.stop()
        time.sleep(2 * SLOW)
        redis.start()
        took = good_again(browser, server, 20)
    print("figures:", server.mpm, "redis restarted: good again after %.2f s" % took)
    assert took < 2.5 * SLOW
    assert {r[1] for r in visits.results} <= {200, 503}


def test_redis_restarts_unnoticed(redis):
    """Between two requests: the connections of before cost no request anything."""
    server = redis.host(children=4)
    browser = visitor(server)
    with Visits(server, browser, workers(server)) as visits:
        time.sleep(1)
    assert {r[1] for r in visits.results} == {200}
    redis.client().save()
    redis.stop()
    redis.start()
    for _ in range(40):
        assert browser.navigate("/app/x").status == 200
    assert not server.log_says("AB0252|AB0253")


@pytest.mark.parametrize("away", ["refuses", "is stopped"])
def test_one_of_two(redis, away):
    """What the one has that is away is not taken for ended."""
    other = Redis()
    try:
        server = redis.host(children=4, socache='AuthBearerSOCache "redis:%s,%s"\n'
                            % (redis.args, other.args))
        browsers = []
        while len(browsers) < 2 or not all(
                [k for k in r.client().keys("*") if b"sess" in k]
                for r in (redis, other)):
            browsers.append(visitor(server))
        if away == "refuses":
            other.stop()
        else:
            other.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        with Visits(server, browsers[0], 4), Visits(server, browsers[-1], 4):
            time.sleep(3 * SLOW)
            seen = [statuses(b, server, n=12) for b in browsers]
            if away != "refuses":
                other.process.send_signal(signal.SIGCONT)
        assert set.union(*seen) <= {200, 503}
        if away != "refuses":
            assert set.union(*seen) == {503}
            assert len(lines(server, "error", "AB0421", "for=sessions:", NO_ANSWER)) == 1
    finally:
        other.close()


# --- it is full ----------------------------------------------------------------

def test_full_redis(redis):
    """It answers, and keeps nothing new: sessions are good, a login is not."""
    server = redis.host()
    browser = visitor(server)
    redis.client().config_set("maxmemory", "1")
    for _ in range(20):
        assert Browser(server, BASE).go("/app/x").status == 503
        assert statuses(browser, server) == {200}
    assert len(lines(server, "warn", "AB0424", "for=sessions:")) == 1
    assert not server.log_says("AB0252|AB0253")
    assert server.error_log().count("|crit|") <= 10
    redis.client().config_set("maxmemory", "0")
    watch = Stopwatch(server)
    wait_until(lambda: Browser(server, BASE).go("/app/x").status == 200, 10,
               "a login")
    assert watch.seconds < 2.5 * SLOW
    assert len(lines(server, "notice", "AB0423", "for=sessions:")) == 1
