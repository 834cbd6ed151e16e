#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What others notice of a server outside that takes connections and never answers.

    tests/bench/hang.py --module build/gcc/.libs/mod_auth_bearer.so
    tests/bench/hang.py --module ... --hangs callbacks cold-keys --wires h1 h2

Four times as many connections as httpd has workers send requests that need such a
server, each twice a second. Meanwhile four kinds of request are sent at a steady
rate: a page that needs no token, a known token, a good session, and new tokens of
another issuer, which is asked about each. Their latency counts from the moment
they were due. The baseline is the same with a server that answers at once. The
first three may be 50 ms slower at the 99th percentile and none may be refused; of
the fourth 1 % may get 503. Where the server is the redis that sessions are in, these
are refused meanwhile, as quickly as they are served otherwise, but for one a second;
what would have been sent while that one waited is left out. event with HTTP/1.1 (h1) and HTTP/2 (h2), prefork with
KeepAlive Off. By hand; loopback only; bounded: some 20 s for each line.
"""
import argparse
import asyncio
import collections
import json
import multiprocessing
import os
import pathlib
import re
import sys
import time
import urllib.parse
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

CHILDREN, THREADS = 2, 16
WORKERS = CHILDREN * THREADS
TENANTS, BROWSERS = 400, 600
#: each connection sends so often
PERIOD = 0.5
#: requests a second of each kind that is measured, and their connections
RATE, LINES = {"free": 50, "known": 25, "session": 25, "neighbour": 25}, 4
ALLOWED = 0.050
NAVIGATE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": "none"}

MPM = {
    "event": "ServerLimit %d\nStartServers %d\nThreadLimit %d\n"
             "ThreadsPerChild %d\nMaxRequestWorkers %d\nMaxSpareThreads %d\n"
             "MaxKeepAliveRequests 0\nAsyncRequestWorkerFactor 8\n"
             % (CHILDREN, CHILDREN, THREADS, THREADS, WORKERS, WORKERS),
    "prefork": "ServerLimit %d\nMaxRequestWorkers %d\nStartServers %d\n"
               "MaxSpareServers %d\nKeepAlive Off\n" % ((WORKERS,) * 4),
}

CONF = """
{mpm}
AuthBearerUserFormat "%u@%t@%i"
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://127.0.0.1:@PORT@
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
AuthBearerSessionLifetime max=1h idle=1h
{more}
<AuthBearerIssuer "{host}/far{template}" far>
    AuthBearerTokenPrefix a_
    {inside}
</AuthBearerIssuer>
<AuthBearerIssuer "{host}/near" near>
    AuthBearerKeys {host}/near/jwks
    AuthBearerIntrospection {host}/near/introspect
    AuthBearerTokenPrefix b_
</AuthBearerIssuer>
<Location "/free">
    Require all granted
</Location>
<Location "/b">
    AuthType Bearer
    AuthName "b"
    AuthBearerAudience api://test
    AuthBearerAcceptIssuer {host}/near
    Require valid-user
</Location>
<Location "/in">
    AuthType Bearer
    AuthName "in"
    AuthBearerAudience api://test
    AuthBearerSession On
    AuthBearerLogin On
    AuthBearerLoginIssuer {host}/near
    AuthBearerAcceptIssuer {host}/near
    Require valid-user
</Location>
<Location "/a">
    AuthType Bearer
    AuthName "a"
    AuthBearerAudience api://test
    {place}
    Require valid-user
</Location>
"""


# -- the servers outside, in a process of their own --------------------------------

class Outside:
    """Issuers by the first part of the path, and a session service."""

    def __init__(self, port, keys):
        self.host, self.keys, self.silent = "http://127.0.0.1:%d" % port, keys, set()

    def answer(self, kind, name, form):
        issuer = "%s/%s" % (self.host, name)
        if kind == "jwks":
            return 200, self.keys.jwks("rs256")
        if kind == "introspect":
            return 200, json.dumps({"active": True, "sub": "bob", "client_id": "c",
                                    "aud": "api://test"})
        if kind == "whoami":
            return 200, json.dumps({"sub": "alice"})
        if kind == "token":
            return self.token(issuer, form)
        return 200, json.dumps({
            "issuer": issuer, "jwks_uri": issuer + "/jwks",
            "authorization_endpoint": issuer + "/authorize",
            "token_endpoint": issuer + "/token"})

    def token(self, issuer, form):
        nonce = form.get("code", "")
        if nonce.startswith("junk"):
            return 400, '{"error":"invalid_grant"}'
        answer = {"access_token": uuid.uuid4().hex, "token_type": "Bearer",
                  "expires_in": 1 if issuer.endswith("/far") else 3600,
                  "refresh_token": uuid.uuid4().hex}
        if nonce:
            now = int(time.time())
            answer["id_token"] = self.keys.mint("rs256", payload={
                "iss": issuer, "aud": "app", "iat": now, "exp": now + 300,
                "sub": "u-" + nonce[:8], "nonce": nonce, "email": "a@example.test",
                "email_verified": True})
        return 200, json.dumps(answer)

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length.group(1)) if length else 0)
                path = urllib.parse.urlsplit(head.split(" ")[1])
                parts = path.path.strip("/").split("/")
                kind = parts[-1]
                if kind == "silence":
                    self.silent = set(path.query.split(","))
                name = parts[-1] if parts[0] == ".well-known" else parts[0]
                kind = "metadata" if ".well-known" in parts else kind
                if kind in self.silent and name != "near":
                    await reader.read()
                    break
                status, text = self.answer(kind, name, dict(
                    urllib.parse.parse_qsl(body.decode())))
                writer.write(("HTTP/1.1 %d x\r\nContent-Type: application/json\r\n"
                              "Content-Length: %d\r\n\r\n%s"
                              % (status, len(text), text)).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def outside(pipe):
    from support import tokens

    async def run():
        made = Outside(0, tokens)
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        made.host = "http://127.0.0.1:%d" % port
        pipe.send(port)
        await server.serve_forever()
    asyncio.run(run())


# -- clients -----------------------------------------------------------------------

class Line:
    """A connection to httpd, opened anew when it was closed."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1",
                                                                 self.port)

    def close(self):
        if self.writer:
            self.writer.close()
        self.writer = None

    async def ask(self, path, headers=None, method="GET", body=b""):
        """(status, headers); 0: none."""
        for _ in range(2):
            kept = self.writer is not None
            try:
                if not kept:
                    await self.open()
                return await self.exchange(method, path, headers or {}, body)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.close()
                if not kept:
                    break
        return 0, []

    async def exchange(self, method, path, headers, body):
        lines = ["%s %s HTTP/1.1" % (method, path),
                 "Host: 127.0.0.1:%d" % self.port]
        lines += ["%s: %s" % pair for pair in headers.items()]
        if body:
            lines.append("Content-Length: %d" % len(body))
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        named = {name.lower(): value for name, value in fields}
        if named.get("transfer-encoding") == "chunked":
            while True:
                size = int(await self.reader.readline(), 16)
                await self.reader.readexactly(size + 2)
                if not size:
                    break
        elif method != "HEAD":
            await self.reader.readexactly(int(named.get("content-length", 0)))
        if named.get("connection", "").lower() == "close":
            self.close()
        return int(head.split(" ")[1]), fields


class Line2(Line):
    """The same over HTTP/2, a stream at a time."""

    async def open(self):
        import h2.config
        import h2.connection
        await super().open()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="latin-1"))
        self.h2.initiate_connection()

    async def exchange(self, method, path, headers, body):
        import h2.exceptions
        try:
            return await self.stream(method, path, headers, body)
        except h2.exceptions.H2Error as error:
            raise ConnectionError(str(error)) from error

    async def stream(self, method, path, headers, body):
        import h2.events
        stream, fields, status = self.h2.get_next_available_stream_id(), [], None
        self.h2.send_headers(stream, [
            (":method", method), (":scheme", "http"), (":path", path),
            (":authority", "127.0.0.1:%d" % self.port)]
            + [(n.lower(), v) for n, v in headers.items()], end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        while True:
            self.writer.write(self.h2.data_to_send())
            data = await self.reader.read(65536)
            if not data:
                raise ConnectionError("closed")
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    fields = [(n, v) for n, v in event.headers]
                    status = int(dict(fields)[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    self.h2.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id)
                elif isinstance(event, (h2.events.StreamReset,
                                        h2.events.ConnectionTerminated)):
                    raise ConnectionError("reset")
                elif isinstance(event, h2.events.StreamEnded):
                    self.writer.write(self.h2.data_to_send())
                    return status, fields


def cookies(fields, before=""):
    """A Cookie field: what was set and not deleted."""
    jar = dict(pair.split("=", 1) for pair in before.split("; ") if pair)
    for name, value in fields:
        if name.lower() == "set-cookie":
            key, content = value.split(";")[0].split("=", 1)
            jar.pop(key, None)
            if "max-age=0" not in value.lower():
                jar[key] = content
    return "; ".join("%s=%s" % pair for pair in jar.items())


def field(fields, name):
    return next((v for n, v in fields if n.lower() == name), "")


async def begin(line, place):
    """A login up to its callback: (path without a code, nonce, Cookie)."""
    status, fields = await line.ask(place, NAVIGATE)
    if status != 302:
        return None
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(
        field(fields, "location")).query))
    path = urllib.parse.urlsplit(asked["redirect_uri"]).path
    return "%s?state=%s" % (path, asked["state"]), asked["nonce"], cookies(fields)


async def sign_in(line, place):
    """The Cookie of a session."""
    back, nonce, jar = await begin(line, place)
    status, fields = await line.ask(back + "&code=" + nonce,
                                    {**NAVIGATE, "Cookie": jar})
    assert status == 303, (place, status, fields)
    return cookies(fields, jar)


# -- what hangs --------------------------------------------------------------------

class Hang:
    """kinds: what the server outside does not answer; cold: from the beginning."""
    kinds, cold, template = ("introspect",), False, ""
    redis, refused = False, ()    # is it that; kinds that cannot be served then
    inside = "AuthBearerKeys {host}/far/jwks"
    place = "AuthBearerAcceptIssuer {host}/far"

    def __init__(self, host, mint):
        self.host, self.mint = host, mint

    async def prepare(self, line):
        pass

    async def step(self, i, line):
        await line.ask("/a", {"Authorization": "Bearer a_" + uuid.uuid4().hex})


class Introspection(Hang):
    inside = Hang.inside + "\nAuthBearerIntrospection {host}/far/introspect"


class Service(Hang):
    kinds = ("whoami",)
    place = "AuthBearerProvider session\nAuthBearerSessionCheck {host}/far/whoami"


class ColdKeys(Hang):
    kinds, cold = ("jwks",), True

    async def step(self, i, line):
        token = self.mint("rs256", iss=self.host + "/far", jti=uuid.uuid4().hex)
        await line.ask("/a", {"Authorization": "Bearer " + token[:-8] + "AAAAAAAA"})


class Tenants(Hang):
    kinds, cold, template = ("jwks",), True, "/{tenant}"
    inside = ("AuthBearerTenants " + " ".join("t%d" % i for i in range(TENANTS))
              + "\nAuthBearerKeys {host}/far/{{tenant}}/jwks")
    place = "AuthBearerAcceptIssuer {host}/far/{{tenant}}"

    async def step(self, i, line):
        tenant = "t%d" % (uuid.uuid4().int % TENANTS)
        token = self.mint("rs256", iss="%s/far/%s" % (self.host, tenant), tid=tenant)
        await line.ask("/a", {"Authorization": "Bearer " + token})


class Browsers(Hang):
    kinds = ("token",)
    place = ("AuthBearerAcceptIssuer {host}/far\nAuthBearerLoginIssuer {host}/far\n"
             "AuthBearerSession On\nAuthBearerLogin On")


class Callbacks(Browsers):
    async def step(self, i, line):
        begun = await begin(line, "/a/x")
        if begun:
            await line.ask(begun[0] + "&code=junk", {**NAVIGATE, "Cookie": begun[2]})


class Expired(Browsers):
    count = BROWSERS

    async def prepare(self, line):
        self.jars = [await sign_in(line, "/a/x") for _ in range(self.count)]
        await asyncio.sleep(1.5)

    async def step(self, i, line):
        jar = self.jars[uuid.uuid4().int % self.count]
        await line.ask("/a/x", {**NAVIGATE, "Cookie": jar})


class OneSession(Expired):
    count = 1


class Metadata(Browsers):
    kinds, cold = ("metadata",), True

    async def step(self, i, line):
        await line.ask("/a/x", NAVIGATE)


class BackChannel(Browsers):
    kinds, cold = ("jwks",), True

    async def step(self, i, line):
        now = int(time.time())
        token = self.mint("rs256", header={"typ": "logout+jwt"}, payload={
            "iss": self.host + "/far", "aud": "app", "iat": now, "exp": now + 120,
            "jti": uuid.uuid4().hex, "sub": "alice", "events": {
                "http://schemas.openid.net/event/backchannel-logout": {}}})
        await line.ask("/.auth/backchannel-logout", {
            "Content-Type": "application/x-www-form-urlencoded"}, "POST",
            b"logout_token=" + token.encode())


class StoppedRedis(Hang):
    kinds, redis, refused = (), True, ("session",)

    async def prepare(self, line):
        self.jars = [await sign_in(line, "/in/x") for _ in range(20)]

    async def step(self, i, line):
        await line.ask("/in/x", {**NAVIGATE, "Cookie": self.jars[i % 20]})


HANGS = {"callbacks": Callbacks, "expired": Expired, "one-session": OneSession,
         "cold-keys": ColdKeys, "tenants": Tenants, "metadata": Metadata,
         "back-channel": BackChannel, "introspection": Introspection,
         "service": Service, "redis": StoppedRedis}


# -- a run -------------------------------------------------------------------------

async def press(hang, lines, until):
    """Each connection asks once a PERIOD, or as soon as it has its answer."""
    async def one(i, line):
        await asyncio.sleep(PERIOD * i / len(lines))
        while time.monotonic() < until:
            due = time.monotonic() + PERIOD
            await hang.step(i, line)
            await asyncio.sleep(max(0, due - time.monotonic()))
        line.close()
    await asyncio.gather(*(one(i, line) for i, line in enumerate(lines)))


def press_process(kind, host, port, wire, barrier, seconds, pipe):
    from support import tokens
    hang = HANGS[kind](host, tokens.mint)

    async def run():
        first = wire(port)
        await hang.prepare(first)
        first.close()
        pipe.send("prepared")
        barrier.wait(60)
        lines = [wire(port) for _ in range(4 * WORKERS - LINES * len(RATE))]
        await press(hang, lines, time.monotonic() + seconds)
    asyncio.run(asyncio.wait_for(run(), 240))


async def measure(port, wire, seconds, known, jar, refused):
    """Samples (kind, seconds, status)."""
    samples, start = [], time.monotonic() + 1

    def request(kind):
        if kind == "free":
            return "/free", None
        if kind == "known":
            return "/b", {"Authorization": "Bearer " + known}
        if kind == "session":
            return "/in/x", {**NAVIGATE, "Cookie": jar}
        return "/b", {"Authorization": "Bearer b_" + uuid.uuid4().hex}

    async def one(kind, number):
        line, step = wire(port), LINES / RATE[kind]
        due = start + number / RATE[kind]
        while due < start + seconds:
            await asyncio.sleep(max(0, due - time.monotonic()))
            status, _ = await line.ask(*request(kind))
            samples.append((kind, time.monotonic() - due, status))
            due = max(due + step, time.monotonic() if kind in refused else 0)
        line.close()
    await asyncio.gather(*(one(kind, n) for kind in RATE for n in range(LINES)))
    return samples


def figures(samples):
    """kind -> (99th percentile, other statuses than 200, number)."""
    out = {}
    for kind in RATE:
        mine = [s for s in samples if s[0] == kind]
        times = sorted(s[1] for s in mine)
        bad = collections.Counter(s[2] for s in mine if s[2] != 200)
        out[kind] = times[int(len(times) * 0.99)], bad, len(mine)
    return out


def run(kind, mpm, wire, port, silent, seconds):
    """One httpd, one load; figures()."""
    from support import tokens
    from support.backends import OwnRedis
    from support.httpd import Httpd
    host = "http://127.0.0.1:%d" % port
    hang = HANGS[kind]
    line = Line2 if wire == "h2" else Line

    def silence(kinds):
        asyncio.run(Line(port).ask("/silence?" + ",".join(kinds)))
    silence(hang.kinds if silent and hang.cold else ())
    redis = OwnRedis() if hang.redis else None
    server = Httpd(CONF.format(
        mpm=MPM[mpm], host=host, template=hang.template,
        more=redis.conf.rstrip() + " for=sessions" if redis else "",
        inside=hang.inside.format(host=host), place=hang.place.format(host=host)),
        mpm=mpm, h2=wire == "h2", loglevel="warn",
        files={"secret": (os.urandom(48), 0o600), "client": ("secret\n", 0o600)})
    server.start()
    try:
        known = tokens.mint("rs256", iss=host + "/near")
        end = time.monotonic() + 10
        while asyncio.run(line(server.port).ask("/b", {
                "Authorization": "Bearer " + known}))[0] != 200:
            assert time.monotonic() < end, server.error_log()
        jar = asyncio.run(sign_in(line(server.port), "/in/x"))
        barrier = multiprocessing.Barrier(2)
        mine, theirs = multiprocessing.Pipe()
        load = multiprocessing.Process(target=press_process, args=(
            kind, host, server.port, line, barrier, seconds + 2, theirs))
        load.start()
        assert mine.poll(200) and mine.recv() == "prepared"
        if silent and redis:
            redis.pause()
        elif silent:
            silence(hang.kinds)
        barrier.wait(60)
        samples = asyncio.run(measure(server.port, line, seconds, known, jar,
                                      hang.refused if silent else ()))
        load.join(60)
        return figures(samples)
    finally:
        silence(())
        server.close()
        if redis:
            redis.close()


def judge(base, hung, refused):
    """What is not as it should be."""
    wrong = []
    for kind, (p99, bad, n) in hung.items():
        if kind in refused:
            if not bad.pop(503, 0):
                wrong.append(kind + ": nobody noticed")
        if kind == "neighbour":
            if sum(bad.values()) > n / 100:
                wrong.append("%s: %s of %d" % (kind, dict(bad), n))
        elif bad or p99 > base[kind][0] + ALLOWED:
            wrong.append("%s: %.0f ms over %.0f, %s" % (
                kind, p99 * 1e3, base[kind][0] * 1e3, dict(bad)))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--hangs", nargs="*", default=list(HANGS), choices=HANGS)
    parser.add_argument("--wires", nargs="*", default=["h1", "h2", "prefork"])
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    parser.add_argument("--rounds", type=int, default=1, help="the best counts")
    options = parser.parse_args()
    os.environ["BEARER_MODULE"] = str(pathlib.Path(options.module).resolve())
    from support import tokens
    tokens.key("rs256")  # the same in each process
    multiprocessing.set_start_method("fork")
    mine, theirs = multiprocessing.Pipe()
    multiprocessing.Process(target=outside, args=(theirs,), daemon=True).start()
    port = mine.recv()
    failed = 0
    for wire in options.wires:
        mpm = "prefork" if wire == "prefork" else "event"
        for kind in options.hangs:
            for _ in range(options.rounds):
                base = run(kind, mpm, wire, port, False, options.seconds)
                hung = run(kind, mpm, wire, port, True, options.seconds)
                wrong = judge(base, hung, HANGS[kind].refused)
                print("%-8s %-14s %s%s" % (wire, kind, "  ".join(
                    "%s %.0f/%.0f ms" % (k, base[k][0] * 1e3, hung[k][0] * 1e3)
                    for k in RATE), "   FAILED: " + "; ".join(wrong) if wrong
                    else ""), flush=True)
                if not wrong:
                    break
            failed += bool(wrong)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
