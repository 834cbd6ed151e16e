#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a key rotation, a slow or dead issuer, a flood of unknown keys, a cold
start and fifty issuers cost the requests of everybody else.

    tests/bench/keysets.py --module build/gcc/.libs/mod_auth_bearer.so

Real servers on loopback, scripted issuers, load at a constant rate (steady.c:
latency counts from the moment a request was due). What is compared is measured at
the same time or in turn, window by window, so that a machine whose speed drifts hits
both alike; a figure is the median of windows.
Every request is judged in full: AuthBearerTokenCache is off. Needs a C compiler
and redis-server. Stops by itself; takes less than five minutes. The exit status
is 1 where a goal was missed.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import usage  # noqa: E402

CONNECTIONS = 4        # of the constant load, to each server; 16 can be served
RATE = 300             # its requests per second, to each server
WINDOW = 5             # seconds

Sample = collections.namedtuple("Sample", "target due latency status")


# --- the parts ----------------------------------------------------------------

def imports(options):
    """The end-to-end tests' parts look for the module when they are loaded."""
    os.environ["BEARER_MODULE"] = options.module
    os.environ["BEARER_MPMS"] = options.mpm
    global Httpd, wait_until, IssuerHost, Redis, burst, crowd, location, tokens
    from support import tokens
    from support.backends import Redis
    from support.expect import location
    from support.httpd import Httpd, wait_until
    from support.issuer import IssuerHost
    from support.load import burst, crowd


class Lab:
    """Everything that a scenario makes, and that ends with it."""

    def __init__(self, options, tool):
        self.options, self.tool = options, tool
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bearer-bench-"))
        self.host = IssuerHost()
        self.closing = [self.host]
        self.made = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for thing in reversed(self.closing):
            thing.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def seconds(self, wanted):
        return max(1, wanted * self.options.scale)

    def issuer(self, signer="rs256"):
        self.made += 1
        return self.host.issuer("bench-%d" % self.made, signer)

    def server(self, issuers, refresh="min=60s max=24h stale=1h", conf="", **kw):
        """A httpd that trusts these issuers and has their keys."""
        blocks = "".join(
            '<AuthBearerIssuer "%s">\nAuthBearerMetadata off\nAuthBearerKeys '
            '"%s"\n</AuthBearerIssuer>\n' % (i.url, i.jwks_url) for i in issuers)
        kw.setdefault("children", 2)
        server = Httpd("AuthBearerTokenCache off\nAuthBearerUserFormat %u\n"
                       "AuthBearerKeysRefresh " + refresh + "\n" + conf + blocks
                       + location("/a"), loglevel="warn", **kw)
        self.closing.append(server)
        return server

    def warm(self, server, issuers):
        server.start()
        for issuer in issuers:
            wait_until(lambda i=issuer: server.get("/a", i.mint()).status == 200,
                       20, "the keys of " + issuer.url)

    def tokens(self, made):
        path = self.dir / ("tokens-%d" % time.monotonic_ns())
        path.write_text("".join(token + "\n" for token in made))
        return path

    def load(self, servers, path, seconds, step=0.0, rate=RATE):
        return Steady(self.tool, servers, path, seconds, step, rate)


class Steady:
    """Load that runs beside: results() waits for its end."""

    def __init__(self, tool, servers, path, seconds, step, rate):
        self.process = subprocess.Popen(
            [str(tool), str(rate * len(servers)), str(seconds),
             str(CONNECTIONS), str(step), str(path),
             *[str(s.port) for s in servers]], stdout=subprocess.PIPE, text=True)
        self.until = seconds + 60
        self.text = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        self.text = self.process.stdout.read()

    def results(self):
        self.reader.join(self.until)
        if self.process.wait(5):
            raise SystemExit("steady failed")
        return [Sample(*map(int, line.split()))
                for line in self.text.splitlines()]


def percentile(samples, part):
    times = sorted(s.latency for s in samples)
    return times[min(len(times) - 1, int(len(times) * part))]


def p99s(windows):
    """The p99 of each window, in microseconds."""
    return [percentile(w, 0.99) for w in windows]


def split_up(samples):
    """By windows of some seconds."""
    found = collections.defaultdict(list)
    for sample in samples:
        found[sample.due // (WINDOW * 1000000)].append(sample)
    return [found[w] for w in sorted(found) if len(found[w]) >= 100] or [samples]


def failed(samples, status=200):
    return sum(1 for s in samples if s.status != status)


# --- what comes of it ------------------------------------------------------------

class Report:
    def __init__(self):
        self.rows = []

    def add(self, name, value, goal=None, limit=None, **more):
        """goal: words; limit: the largest value that meets it."""
        met = None if limit is None else bool(value <= limit)
        self.rows.append(dict(more, figure=name, value=value, goal=goal, met=met))
        word = {None: "", True: "met", False: "MISSED"}[met]
        print("%-58s %12s  %-24s %s" % (name, value, goal or "", word),
              flush=True)

    def compare(self, name, base, value, part=None):
        """Is the p99 of these windows at most `part` above that of those, which
        are of the same time, or of the moment before?"""
        one, two = p99s(base), p99s(value)
        ratio = statistics.median(b / a for a, b in zip(one, two))
        self.add(name + ": p99, undisturbed", "%d us" % statistics.median(one))
        self.add(name + ": p99", "%d us" % statistics.median(two))
        if part is None:
            self.add(name + ": p99 against undisturbed", round(ratio, 3))
        else:
            self.add(name + ": p99 against undisturbed", round(ratio, 3),
                     "<= %.2f" % (1 + part), 1 + part, undisturbed_us=one,
                     disturbed_us=two)


# --- scenarios -------------------------------------------------------------------

def outage(lab, report):
    """Two servers that differ in their issuer only, one load for both."""
    calm, bad = lab.issuer(), lab.issuer()
    bad.keys = calm.keys
    servers = [lab.server([i], "min=1s max=1s stale=1h") for i in (calm, bad)]
    for server, issuer in zip(servers, (calm, bad)):
        lab.warm(server, [issuer])
    before, stalled, down = (lab.seconds(s) for s in (15, 20, 60))
    # one token each: their issuers differ
    path = lab.tokens([i.mint(jti=str(n)) for n in range(200)
                       for i in (calm, bad)])
    load = lab.load(servers, path, before + stalled + down)
    time.sleep(before)
    for kind in ("oauth", "oidc", "jwks"):
        bad.script(kind, delay=5)
    time.sleep(stalled)
    for kind in ("oauth", "oidc", "jwks"):
        bad.script(kind, cut=True)
    samples = load.results()
    parts = {"before": (0, before), "stalled": (before, before + stalled),
             "down": (before + stalled, before + stalled + down)}
    report.add("issuer stalled, then down: requests", len(samples) // 2)
    report.add("issuer stalled, then down: failures", failed(samples),
               "0", 0)
    for name, (start, end) in parts.items():
        one, two = ([s for s in samples if s.target == t
                     and start <= s.due / 1e6 < end] for t in (0, 1))
        if name == "before":
            report.compare("both issuers well", split_up(one), split_up(two))
        else:
            report.compare("issuer " + name, split_up(one), split_up(two), 0.10)
            report.add("issuer %s: slowest request" % name,
                       "%d us" % max(s.latency for s in two), None,
                       undisturbed_us=max(s.latency for s in one))


def flood_tokens(issuer, first, count):
    """A kid of its own in each; nobody has signed them."""
    _, payload, signature = issuer.mint().split(".")
    for i in range(first, first + count):
        head = json.dumps({"alg": "RS256", "typ": "JWT", "kid": "unknown-%d" % i})
        yield "%s.%s.%s" % (tokens.b64(head), payload, signature)


def flood(lab, report):
    """In turn: the valid requests alone, beside 10,000 unknown kids, and to tell
    what of it any requests would do, beside as many valid ones."""
    issuer = lab.issuer()
    server = lab.server([issuer])
    lab.warm(server, [issuer])
    rounds, total = 8, int(10000 * min(1, lab.options.scale))
    seconds = lab.seconds(2.5)
    valid = lab.tokens([issuer.mint(jti=str(n)) for n in range(200)])
    alone, beside, crowded, floods = [], [], [], []
    asked = issuer.count("jwks")
    for n in range(rounds):
        alone.append(lab.load([server], valid, seconds).results())
        each = total // rounds
        path = lab.tokens(flood_tokens(issuer, n * each, each))
        other = lab.load([server], path, seconds, rate=int(each / seconds))
        beside.append(lab.load([server], valid, seconds).results())
        floods += other.results()
        other = lab.load([server], valid, seconds, rate=int(each / seconds))
        crowded.append(lab.load([server], valid, seconds).results())
        other.results()
    report.add("unknown kids", len(floods))
    report.add("unknown kids: fetches in one min", issuer.count("jwks") - asked,
               "<= 1", 1)
    report.add("unknown kids: answers that are not 401", failed(floods, 401),
               "0", 0)
    report.add("unknown kids: valid requests failed",
               sum(failed(s) for s in alone + beside), "0", 0)
    report.compare("beside unknown kids", alone, beside, 0.25)
    report.compare("beside as many valid requests", alone, crowded)


def cold(lab, report):
    counts, bad = [], 0
    for _ in range(lab.options.cold):
        issuer = lab.issuer()
        issuer.script("jwks", delay=0.3)
        server = lab.server([issuer])
        server.start()
        n = crowd(server)
        answers = burst([(server.port, issuer.mint(), "/a")] * n)
        bad += n - answers[200]
        counts.append(issuer.count("jwks"))
        server.stop()
    report.add("%d cold requests: fetches (most of %d)" % (n, len(counts)),
               max(counts), "exactly 1", 1, all=counts)
    report.add("%d cold requests: refused" % n, bad, "0", 0)


def fleet(lab, report):
    counts, bad = [], 0
    for i in range(lab.options.cold):
        redis = Redis()
        lab.closing.append(redis)
        issuer = lab.issuer()
        issuer.script("jwks", delay=0.3 * (i % 2))
        hosts = [lab.server([issuer], modules=(redis.MODULE,), conf=redis.conf
                            + 'AuthBearerSecretFile "@ROOT@/secret"\n',
                            files={"secret": ("s" * 48 + "\n", 0o600)})
                 for _ in "ab"]
        for host in hosts:
            host.start()
        n = crowd(hosts[0]) // 2
        answers = burst([(host.port, issuer.mint(), "/a")
                         for _ in range(n) for host in hosts])
        bad += 2 * n - answers[200]
        counts.append(issuer.count("jwks"))
        for host in hosts:
            host.stop()
        redis.stop()
    report.add("two hosts, %d cold requests: fetches (most of %d)"
               % (2 * n, len(counts)), max(counts), "<= 2", 2, all=counts)
    report.add("two hosts, %d cold requests: refused" % (2 * n), bad, "0", 0)


def rotation(lab, report):
    """The issuer signs with each new key at once."""
    names = ["es256-bench-%d" % i for i in range(8)]
    for name in names:
        tokens.key(name)
    issuer = lab.issuer(names[0])
    server = lab.server([issuer], "min=1s max=10s stale=1h")
    lab.warm(server, [issuer])
    step = 2.0
    path = lab.tokens([issuer.mint(name) for name in names])
    load = lab.load([server], path, step * len(names), step)
    started = time.monotonic()
    for i in range(1, len(names)):
        # the set has it a moment before the first token does
        time.sleep(max(0, started + i * step - 0.2 - time.monotonic()))
        issuer.keys = [names[i], names[i - 1]]
    samples = load.results()
    report.add("rotations under load", len(names) - 1, requests=len(samples))
    report.add("rotations under load: tokens refused", failed(samples), "0", 0)
    report.add("rotations under load: slowest request",
               "%d us" % max(s.latency for s in samples))


def fifty(lab, report):
    """One load for two servers, with 1 and with 50 issuers."""
    made = [lab.issuer("es256-%d" % (i % 3)) for i in range(50)]
    few, many = (lab.server(some, children=1) for some in (made[-1:], made))
    lab.warm(few, made[-1:])
    lab.warm(many, made)
    path = lab.tokens([made[-1].mint(jti=str(n)) for n in range(200)])
    ratios, costs = [], []
    for _ in range(4):
        before = [usage.cpu(s.children()) for s in (few, many)]
        samples = lab.load([few, many], path, lab.seconds(4), rate=1000).results()
        used = [usage.cpu(s.children()) - b
                for s, b in zip((few, many), before)]
        assert not failed(samples)
        costs.append([u * 1e6 / (len(samples) / 2) for u in used])
        ratios.append(used[1] / used[0])
    report.add("CPU per request, 1 issuer",
               "%.1f us" % statistics.median(c[0] for c in costs))
    report.add("CPU per request, 50 issuers",
               "%.1f us" % statistics.median(c[1] for c in costs))
    report.add("CPU per request, 50 issuers against 1",
               round(statistics.median(ratios), 3), "<= 1.05", 1.05)
    memory = [usage.private(s.children()) for s in (few, many)]
    report.add("memory per issuer in a child, one key each",
               "%.1f KiB" % ((memory[1] - memory[0]) / 49 / 1024))


SCENARIOS = collections.OrderedDict(
    (f.__name__, f) for f in (outage, flood, cold, fleet, rotation, fifty))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--mpm", default="event")
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS),
                        default=list(SCENARIOS))
    parser.add_argument("--scale", type=float, default=1,
                        help="of the times, e.g. 0.1 to see that it works")
    parser.add_argument("--cold", type=int, default=3,
                        help="how often the cold starts are tried")
    parser.add_argument("--nice", type=int, default=0,
                        help="priority; below 0, as root, it is less disturbed "
                             "by what else the machine does")
    parser.add_argument("--json", help="all figures into this file")
    options = parser.parse_args()
    options.module = str(pathlib.Path(options.module).resolve())
    os.nice(options.nice)
    imports(options)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bearer-bench-") as where:
        tool = pathlib.Path(where) / "steady"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", str(tool),
                        str(HERE / "steady.c")], check=True)
        for name in options.only:
            with Lab(options, tool) as lab:
                SCENARIOS[name](lab, report)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps(report.rows, indent=1) + "\n")
    return 1 if any(row["met"] is False for row in report.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
