#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Sessions over graceful restarts, under load.

    tests/bench/lasting.py --module build/gcc/.libs/mod_auth_bearer.so
    tests/bench/lasting.py --module ... --sessions 1000 --restarts 5 --size 8

Logs so many browsers in (their access tokens are JWTs), signs some out, lets the
issuer end others, and restarts httpd again and again while all of them ask for a
page. None may be lost, none that ended may be good again, and the issuer may not
be asked once. With the event MPM, then with prefork. The memory that is used is
held against the formula of docs/operations.md. Under ten minutes.
Needs: python3-cryptography.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import bench  # noqa: E402
import sessions  # noqa: E402
from support import tokens  # noqa: E402

STATUS = """
<Location "/status">
    SetHandler bearer-status
    Require all granted
</Location>
"""
PREFORK = """
StartServers 8
MinSpareServers 8
MaxSpareServers 16
MaxRequestWorkers 64
ServerLimit 64
MaxKeepAliveRequests 0
"""


class Provider(sessions.Provider):
    """The same with JWTs as access tokens; counts what it is asked."""

    asked = None

    def document(self, path):
        with self.asked.get_lock():
            self.asked.value += 1
        return json.loads(tokens.jwks(self.key)) if path == b"/jwks" \
            else super().document(path)

    def tokens(self, body):
        with self.asked.get_lock():
            self.asked.value += 1
        now = int(time.time())
        out = super().tokens(body)
        out["access_token"] = sign(self.key, {
            "iss": self.issuer, "aud": ["api://a", "account"], "iat": now,
            "exp": now + 36000, "jti": secrets.token_urlsafe(16), "azp": "www",
            "sub": "u", "typ": "Bearer", "sid": secrets.token_urlsafe(16),
            "scope": "openid profile email", **sessions.USER,
            "realm_access": {"roles": ["default-roles", "offline_access",
                                       "uma_authorization", "orders"]}})
        return out


def sign(key, claims, typ="at+jwt"):
    data = ".".join(tokens.b64(json.dumps(part)) for part in (
        {"alg": "RS256", "typ": typ, "kid": key.kid}, claims))
    return data + "." + tokens.b64(key.sign(data.encode()))


def provide(listener, key, asked):
    Provider.issuer = "http://127.0.0.1:%d" % listener.server_address[1]
    Provider.key, Provider.asked = key, asked
    listener.RequestHandlerClass = Provider
    listener.serve_forever()


class Line:
    """A connection that is opened again when a restart closed it."""

    def __init__(self, port):
        self.port, self.line = port, None

    def status(self, cookie, path="/in/index.html", more=()):
        for kept in (self.line is not None, False):
            try:
                if not self.line:
                    self.line = sessions.Connection(self.port)
                lines = ["GET %s HTTP/1.1" % path, "Host: localhost",
                         "Accept: text/html", "Cookie: " + cookie, *more]
                self.line.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
                first = self.line.answers.readline()
                if not first:
                    raise ConnectionError("no answer")
                length, close = 0, False
                for header in iter(self.line.answers.readline, b"\r\n"):
                    low = header.lower()
                    close |= low.startswith(b"connection: close")
                    if low.startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                self.line.answers.read(length)
                if close:
                    self.line = None
                return int(first.split()[1])
            except OSError:
                self.line = None
                if not kept:
                    return 0
        return 0


def login(port, count):
    line = sessions.Connection(port)
    return [line.login() for _ in range(count)]


def ask(port, cookies, stop, results):
    """All the while; counts each status."""
    line, i = Line(port), 0
    while not stop.is_set():
        status = line.status(cookies[i % len(cookies)])
        results[status if status < 600 else 0] += 1
        i += 1


def end(server, key, issuer, cookies, nonces):
    """Half of them by the person, half by the issuer."""
    line, half = Line(server.port), len(cookies) // 2
    for cookie in cookies[:half]:
        status = line.status(cookie, "/.auth/logout", ["Sec-Fetch-Site: same-origin"])
        assert status == 200, status
    for sid in nonces[half:]:
        now = int(time.time())
        form = urllib.parse.urlencode({"logout_token": sign(key, {
            "iss": issuer, "aud": "www", "iat": now, "exp": now + 120, "sid": sid,
            "jti": secrets.token_hex(8), "events": {
                "http://schemas.openid.net/event/backchannel-logout": {}}},
            "logout+jwt")})
        with socket.create_connection(("127.0.0.1", server.port), 30) as s:
            s.sendall(("POST /.auth/backchannel-logout HTTP/1.1\r\nHost: localhost\r\n"
                       "Connection: close\r\nContent-Type: application/x-www-form-"
                       "urlencoded\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(form), form)).encode())
            answer = s.makefile("rb").read()
        assert b" 200 " in answer.split(b"\r\n")[0], answer


def graceful(server):
    log = server.root / "error.log"

    def resumed():
        return log.read_text().count("resuming normal operations")
    before = resumed()
    subprocess.run(["/usr/sbin/apache2", "-f", str(server.conf), "-k", "graceful"],
                   check=True)
    limit = time.monotonic() + 60
    while resumed() == before and time.monotonic() < limit:
        time.sleep(0.02)


def with_mpm(server, mpm):
    text = server.conf.read_text().replace("LogLevel warn", "LogLevel notice")
    if mpm == "prefork":
        text = text.replace("mpm_event_module", "mpm_prefork_module").replace(
            "mod_mpm_event.so", "mod_mpm_prefork.so")
        text = re.sub(r"StartServers 2\n(.*\n)*?MaxKeepAliveRequests 0\n", PREFORK, text)
    server.conf.write_text(text)


def memory(server):
    line = sessions.Connection(server.port)
    line.socket.sendall(b"GET /status?format=json HTTP/1.1\r\nHost: localhost\r\n"
                        b"Connection: close\r\n\r\n")
    return json.loads(line.answers.read().partition(b"\r\n\r\n")[2])["sessions"]


def run(server, key, issuer, asked, options):
    pool = multiprocessing.Pool(options.clients)
    part = max(1, options.sessions // 100)
    cookies = sum((one.get() for one in [pool.apply_async(login, (server.port, part))
                                         for _ in range(options.sessions // part)]), [])
    pool.close()
    # the sid is known to who made the login; log those in that the issuer ends
    Sid = secrets.token_urlsafe
    ended, sids, line = [], [], sessions.Connection(server.port)
    for _ in range(options.ended):
        sids.append(Sid(16))
        ended.append(line.login(sids[-1]))
    used = memory(server)
    end(server, key, issuer, ended, sids)
    before, stop = asked.value, multiprocessing.Event()
    results = [multiprocessing.Array("q", 600) for _ in range(2)]
    workers = [multiprocessing.Process(target=ask, args=(
        server.port, cookies[i::options.clients], stop, results[0]))
        for i in range(options.clients)] + [multiprocessing.Process(
            target=ask, args=(server.port, ended, stop, results[1]))]
    for worker in workers:
        worker.start()
    for _ in range(options.restarts):
        graceful(server)
        time.sleep(options.pause)
    stop.set()
    for worker in workers:
        worker.join()
    line = Line(server.port)
    alive = sum(line.status(c) == 200 for c in cookies)
    risen = sum(line.status(c) != 302 for c in ended)
    seen = [{s: n for s, n in enumerate(r) if n} for r in results]
    print(f"{alive} of {len(cookies)} sessions are there, {risen} of {len(ended)} that "
          f"ended are good again, the issuer was asked {asked.value - before} times; "
          f"answers under load {seen[0]}, to those that ended {seen[1]}")
    each = used["used"] / used["count"]
    print(f"memory: {each:.0f} bytes a session, of {options.size} MB "
          f"{100 * used['used'] / used['bytes']:.0f} % used", flush=True)
    return (alive == len(cookies) and risen == 0 and asked.value == before
            and set(seen[0]) == {200} and set(seen[1]) == {302})


def site(mpm, base, options, issuer):
    conf = sessions.CONF.replace("    AuthBearerKeys file:{root}/jwks.json\n", "")
    server = bench.Server(mpm, base, conf + STATUS,
                          cache=f"shm:{options.size}M", issuer=issuer,
                          module=str(pathlib.Path(options.module).resolve()))
    (server.root / "htdocs" / "in").mkdir(mode=0o755)
    (server.root / "htdocs" / "in" / "index.html").write_text("hello\n")
    for name, content in (("secret", os.urandom(48)), ("client", b"hush\n")):
        (server.root / name).write_bytes(content)
        (server.root / name).chmod(0o600)
    with_mpm(server, mpm)
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--sessions", type=int, default=10000)
    parser.add_argument("--ended", type=int, default=400, help="and so many that end")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--pause", type=float, default=2, help="seconds between them")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--size", type=int, default=64, help="MB of memory")
    parser.add_argument("--mpms", nargs="+", default=["event", "prefork"])
    options = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="bearer-bench-"))
    key = tokens.key("rs256")
    (base / "jwks.json").write_text(tokens.jwks(key))
    (base / "key.pem").write_bytes(key.public_pem())
    listener = sessions.Listener(("127.0.0.1", 0), Provider)
    asked, good = multiprocessing.Value("q", 0), True
    provider = multiprocessing.Process(target=provide, args=(listener, key, asked),
                                       daemon=True)
    provider.start()
    issuer = "http://127.0.0.1:%d" % listener.server_address[1]
    try:
        for mpm in options.mpms:
            server = site(mpm, base, options, issuer)
            print(mpm, end=": ", flush=True)
            server.start()
            try:
                good = run(server, key, issuer, asked, options) and good
            finally:
                server.stop()
    finally:
        provider.terminate()
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
