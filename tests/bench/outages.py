#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What people with a session meet while redis is stopped, killed, cut off or full,
and how soon all is well again.

    tests/bench/outages.py --module build/gcc/.libs/mod_auth_bearer.so

Two real servers (hosts) on loopback with one redis, both under the requests of
--threads browsers that are signed in. A row says what came back while redis was
away for --seconds, the longest wait, how many waited over 0.3 s in each second and
host after the first one, and when the last 503 was seen after redis was back. Nobody
may be sent to the issuer. Needs redis-server. The exit status is 1 where a promise of
docs/operations.md was not kept.
"""
import argparse
import os
import pathlib
import statistics
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

TIMEOUT, SLACK, BACK = 1.0, 0.5, 2.0


def parts(options):
    """The end-to-end tests' parts look for the module when they are loaded."""
    os.environ["BEARER_MODULE"] = options.module
    os.environ["BEARER_MPMS"] = options.mpm
    global Httpd, IssuerHost, OwnRedis, Browser, Provider, CONF, BASE
    from support.backends import OwnRedis
    from support.httpd import Httpd
    from support.issuer import IssuerHost
    from support.op import Browser, Provider
    from test_sessions_fleet import BASE, CONF


def refuse_writes(redis):
    redis.client().config_set("maxmemory-policy", "noeviction")
    redis.client().config_set("maxmemory", "1")


def cut(redis):
    for _ in range(20):
        redis.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME",
                                       "yes")
        time.sleep(0.05)


#: name -> (what happens, how it ends, must there be no 503 at all?)
OUTAGES = {
    "nothing": (lambda redis: None, lambda redis: None, True),
    "stopped": (lambda redis: redis.pause(), lambda redis: redis.resume(), False),
    "killed": (lambda redis: redis.stop(), lambda redis: redis.start(), False),
    "cut off": (cut, lambda redis: None, False),
    "full": (refuse_writes,
             lambda redis: redis.client().config_set("maxmemory", "0"), True),
}


class Load:
    """Requests in threads: (begun, status, seconds, host)."""

    def __init__(self, visitors, threads):
        self.results, self.going = [], True
        self.threads = [threading.Thread(target=self.go, daemon=True, args=(
            visitors[i % len(visitors)], i % len(visitors)))
            for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def go(self, visitor, host):
        while self.going:
            browser, begun = visitor.clone(), time.monotonic()
            status = browser.navigate("/app/x").status
            self.results.append((begun, status, time.monotonic() - begun, host))

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        return self.results


def measure(redis, visitors, begin, end, options):
    load = Load(visitors, options.threads)
    time.sleep(1)
    gone = time.monotonic()
    begin(redis)
    time.sleep(max(0, options.seconds - (time.monotonic() - gone)))
    end(redis)
    back = time.monotonic()
    time.sleep(BACK + 2)
    return gone, back, load.stop()


def report(name, gone, back, results, quiet):
    """A row, and whether the promises were kept."""
    away = [r for r in results if gone <= r[0] < back]
    slow = [r for r in away if r[2] > 0.3 and r[0] > gone + TIMEOUT + SLACK]
    bad = [r for r in results if r[1] == 503]
    last = max((r[0] + r[2] - back for r in bad), default=0)
    longest = max(r[2] for r in results)
    hosts, seconds = 2, max(1, back - gone - TIMEOUT - SLACK)
    rate = len(slow) / seconds / hosts
    print("| %-8s | %6d | %6d | %7.2f | %6.2f | %9.2f | %6.2f |" % (
        name, len([r for r in away if r[1] == 200]),
        len([r for r in away if r[1] == 503]),
        1000 * statistics.median(r[2] for r in results if r[1] == 200),
        longest, rate, max(0, last)))
    return {r[1] for r in results} <= {200, 503} and longest < TIMEOUT + SLACK \
        and rate < 1.3 and last < BACK and not (quiet and bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--mpm", default="event")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--threads", type=int, default=12)
    options = parser.parse_args()
    parts(options)
    redis, issuers = OwnRedis(), IssuerHost()
    op, closing = Provider(issuers, "bench"), [redis, issuers]
    kept = True
    try:
        hosts = []
        for _ in range(2):
            hosts.append(Httpd(redis.conf.rstrip() + " for=sessions\n" + CONF.format(
                issuer=op.url, more="", secrets='"@ROOT@/secret"'), children=8,
                files={"secret": ("s" * 48, 0o600), "client": ("c" * 20, 0o600)}))
            closing.append(hosts[-1])
            hosts[-1].start()
        first = Browser(hosts[0], BASE)
        assert first.go("/app/x").status == 200
        second = first.clone()
        second.server = hosts[1]
        print("| redis is | 200    | 503    | ms, 200 | longest | waits/s/h | last 503 "
              "|\n|---|---|---|---|---|---|---|")
        asked = op.count("authorize")
        for name, (begin, end, quiet) in OUTAGES.items():
            kept &= report(name, *measure(redis, [first, second], begin, end,
                                          options), quiet)
        kept &= op.count("authorize") == asked
        print("sent to the issuer: %d" % (op.count("authorize") - asked))
    finally:
        for thing in reversed(closing):
            thing.close()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
