# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Nobody waits for somebody else's server: issuers that keep silent beside one
that answers, a process that was stopped while it fetched, an issuer that moves.
"""
import glob
import os
import signal
import threading

import pytest

from support.expect import everywhere, granted, location, with_status
from support.httpd import SLOW, wait_until
from support.keysets import (TROUBLE, block, by_url, issuer, one,  # noqa: F401
                             refresh)
from support.pace import Stopwatch

SILENT = 16


@pytest.fixture
def silent(issuers):
    """Sixteen issuers; silent.keep() makes them accept and say nothing."""
    class Silent(list):
        held = threading.Event()

        def keep(self):
            for each in self:
                each.script("jwks", hold=self.held)
    made = Silent(issuers.issuer("silent-%d" % i, "rs256")
                  for i in range(SILENT))
    yield made
    made.held.set()
    for each in made:
        each.reset()


def among(one_server, silent, good, inside, **kw):
    return one_server(
        "AuthBearerUserFormat %u\n"
        + "".join(block(i.url, by_url(i, inside)) for i in silent)
        + block(good.url, by_url(good, inside)) + location("/a"),
        loglevel="crit", **kw)


@pytest.mark.core
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_silent_issuers_hold_up_no_refresh(one_server, silent, issuer, known):
    """A removed key is of no use after `max`, whether the others have just
    fallen silent or have been so for long."""
    issuer.keys = ["rs256", "es256"]
    server = among(one_server, silent, issuer,
                   refresh("1s", "4s") + "\nAuthBearerTimeout total=5s",
                   children=2)
    removed = issuer.mint("es256")
    assert everywhere(server, removed) == {200}
    for each in silent:
        granted(server.get("/a", each.mint()))
    if known:
        silent.keep()
        wait_until(lambda: all(i.count("jwks") >= 3 for i in silent), 40,
                   "all were asked in vain")
    issuer.keys = ["rs256"]
    silent.keep()
    watch = Stopwatch(server)
    wait_until(lambda: everywhere(server, removed, 12) == {401}, 40,
               "the removed key is of no use")
    assert watch.seconds < 5.5 * SLOW     # max, and a tick of each second
    granted(server.get("/a", issuer.mint()))
    granted(server.get("/a", silent[0].mint()))


@pytest.mark.core
def test_silent_issuers_hold_up_no_start(one_server, silent, issuer):
    """Nobody has keys yet, and the good issuer is the last of them."""
    silent.keep()
    server = among(one_server, silent, issuer, "AuthBearerTimeout total=5s",
                   start=False)
    watch = Stopwatch(server)
    server.start()
    wait_until(lambda: issuer.count("jwks"), 20, "the good one is asked")
    assert watch.seconds < 5 * SLOW
    granted(server.get("/a", issuer.mint()))


@pytest.mark.core
def test_silent_issuers_hold_up_no_end(one_server, silent, issuer):
    server = among(one_server, silent, issuer,
                   refresh("1s", "1s") + "\nAuthBearerTimeout total=20s")
    assert everywhere(server, issuer.mint()) == {200}
    silent.keep()
    before = sum(i.count() for i in silent)
    wait_until(lambda: sum(i.count() for i in silent) > before + 8, 20,
               "they are asked")
    old = set(server.children())
    watch = Stopwatch(server)
    server.graceful()
    wait_until(lambda: not old & set(server.children()), 20, "the old are gone")
    granted(server.get("/a", issuer.mint()))
    server.stop()
    assert watch.seconds < 8 * SLOW


# --- processes ---------------------------------------------------------------

def connected(server, port):
    """The children that have a connection to that port of this host."""
    inodes = set()
    with open("/proc/net/tcp") as f:
        for line in f.readlines()[1:]:
            fields = line.split()
            if fields[2] == "0100007F:%04X" % port and fields[3] == "01":
                inodes.add("socket:[%s]" % fields[9])
    found = []
    for child in server.children():
        for fd in glob.glob("/proc/%d/fd/*" % child):
            try:
                if os.readlink(fd) in inodes:
                    found.append(child)
                    break
            except OSError:
                pass
    return found


def is_stopped(child):
    """All its threads: one that was about to accept a connection still may."""
    for task in glob.glob("/proc/%d/task/*/stat" % child):
        with open(task) as f:
            if f.read().rpartition(")")[2].split()[0] != "T":
                return False
    return True


@TROUBLE
@pytest.mark.core
def test_a_stopped_fetcher_wedges_nothing(one_server, issuer, issuers):
    """It is not dead, and has its connection: the others fetch for themselves
    when its time is over."""
    held = threading.Event()
    issuer.script("jwks", hold=held, times=1)
    server = one(one_server, issuer, by_url(
        issuer, "AuthBearerTimeout connect=2s total=2s"), children=3)
    stopped = []
    try:
        wait_until(lambda: issuer.count("jwks"), 10, "a fetch")
        watch = Stopwatch(server)
        stopped = wait_until(lambda: connected(server, issuers.port), 5,
                             "the fetcher")
        for child in stopped:
            os.kill(child, signal.SIGSTOP)
        wait_until(lambda: all(map(is_stopped, stopped)), 5, "it is stopped")
        wait_until(lambda: with_status(server.get("/a", issuer.mint()), 200), 20,
                   "keys")
        assert watch.seconds < 3.5 * SLOW
    finally:
        held.set()
        for child in stopped:
            os.kill(child, signal.SIGCONT)
    assert everywhere(server, issuer.mint()) == {200}
