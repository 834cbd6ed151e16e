#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a browser's session costs, in a real httpd with real logins.

    tests/bench/sessions.py --module build/gcc/.libs/mod_auth_bearer.so
    tests/bench/sessions.py --module ... --sessions 100000 --size 160
    tests/bench/sessions.py --module ... --instructions

The first: CPU of a request with a good session (cache store, shm) over an
unauthenticated one on the same httpd, driven in turn by wrk, medians; the target
is at most 12 us, or 0.15 of the unauthenticated request, whichever is more. The
second also fills a memory of so many MB with so many sessions and asks for each of
them again: how many are still there? The third counts the instructions of such a
request, which repeat (callgrind): inside the module, and with what libraries do for
it. The provider is a process of this script (RS256, opaque access and refresh
tokens). Needs: wrk, or valgrind; python3-cryptography.
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
import socketserver
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import bench  # noqa: E402
import instructions  # noqa: E402
from support import tokens  # noqa: E402

#: Absolute, and as a part of an unauthenticated request.
TARGET_US, TARGET_PART = 12, 0.15

CONF = """
LoadModule auth_bearer_module {module}
AuthBearerSecretFile {root}/secret
AuthBearerBaseURL http://localhost:{port}
AuthBearerSOCache {cache} for=sessions
AuthBearerSessionLifetime max=8h idle=8h
AuthBearerThrottle off
<AuthBearerIssuer {issuer} bench>
    AuthBearerKeys file:{root}/jwks.json
    AuthBearerClientID www
    AuthBearerClientSecret file:{root}/client
</AuthBearerIssuer>
<Location "/in">
    AuthType Bearer
    AuthName "bench"
    AuthBearerSession On
    AuthBearerLogin On
    Require valid-user
</Location>
"""

#: A page of a site: neither the smallest nor the largest that a provider makes.
USER = {"email": "alice.example@mail.example", "email_verified": True,
        "name": "Alice Example", "given_name": "Alice", "family_name": "Example",
        "preferred_username": "alice", "locale": "en",
        "groups": ["staff", "orders-read", "orders-write"], "acr": "1"}


# -- the provider ----------------------------------------------------------------

class Provider(socketserver.StreamRequestHandler):
    """Metadata, and a token endpoint that believes every code: it is the nonce, and
    perhaps a sid."""

    issuer, key, disable_nagle_algorithm = None, None, True

    def handle(self):
        while True:
            line = self.rfile.readline().split()
            length = 0
            for header in iter(self.rfile.readline, b"\r\n"):
                if not header:
                    return
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            if not line:
                return
            body = self.rfile.read(length)
            answer = json.dumps(self.tokens(body) if line[0] == b"POST"
                                else self.document(line[1])).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json"
                             b"\r\nContent-Length: %d\r\n\r\n%s"
                             % (len(answer), answer))

    def document(self, path):
        """Metadata, whatever the path."""
        return {"issuer": self.issuer, "jwks_uri": self.issuer + "/jwks",
                "authorization_endpoint": self.issuer + "/authorize",
                "token_endpoint": self.issuer + "/token"}

    def tokens(self, body):
        code = dict(urllib.parse.parse_qsl(body.decode()))["code"]
        nonce, _, sid = code.partition(" ")
        now = int(time.time())
        header = tokens.b64(json.dumps({"alg": "RS256", "typ": "JWT",
                                        "kid": self.key.kid}))
        claims = {"iss": self.issuer, "aud": "www", "iat": now, "exp": now + 300,
                  "sub": "u-" + nonce[:12], "sid": sid or nonce[:22], "nonce": nonce,
                  "auth_time": now, **USER}
        data = header + "." + tokens.b64(json.dumps(claims))
        return {"access_token": secrets.token_urlsafe(32), "token_type": "Bearer",
                "refresh_token": secrets.token_urlsafe(32), "expires_in": 36000,
                "id_token": data + "." + tokens.b64(self.key.sign(data.encode()))}


class Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def provide(listener, key):
    Provider.issuer = "http://127.0.0.1:%d" % listener.server_address[1]
    Provider.key = key
    listener.serve_forever()


# -- a browser ---------------------------------------------------------------------

class Connection:
    """One kept-alive connection to httpd."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb")

    def get(self, path, cookie=None):
        """Status and the header lines."""
        lines = ["GET %s HTTP/1.1" % path, "Host: localhost", "Accept: text/html"]
        if cookie:
            lines.append("Cookie: " + cookie)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status, headers, length = self.answers.readline(), [], 0
        for header in iter(self.answers.readline, b"\r\n"):
            headers.append(header.decode().rstrip())
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        self.answers.read(length)
        return int(status.split()[1]), headers

    def login(self, sid=None):
        """The session's cookie, NAME=VALUE. sid: of the session at the provider, or
        whatever it likes."""
        status, headers = self.get("/in/index.html")
        assert status == 302, (status, headers)
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(
            first(headers, "Location")).query))
        attempt = first(headers, "Set-Cookie").split(";")[0]
        status, headers = self.get("/.auth/callback?code=%s&state=%s" % (
            asked["nonce"] + (" " + sid if sid else "").replace(" ", "%20"),
            asked["state"]), attempt)
        assert status == 303, (status, headers)
        return next(h[12:].split(";")[0] for h in headers
                    if re.match(r"Set-Cookie: \S*bearer_session", h))


def first(headers, name):
    return next(h for h in headers if h.startswith(name + ": "))[len(name) + 2:]


# -- the figures ---------------------------------------------------------------------

def drive(server, path, cookie, seconds, connections):
    before = server.cpu()
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H",
         "Cookie: " + cookie, f"http://127.0.0.1:{server.port}{path}"],
        capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    used = server.cpu() - before
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit("not all were granted:\n" + out)
    return used * 1e6 / int(re.search(r"(\d+) requests in", out).group(1))


def cost(server, options):
    cookie = Connection(server.port).login()
    figures = {"/out/index.html": [], "/in/index.html": []}
    drive(server, "/in/index.html", cookie, 1, options.connections)
    for _ in range(options.rounds):
        for path in figures:
            figures[path].append(drive(server, path, cookie, options.seconds,
                                       options.connections))
    plain, session = (statistics.median(f) for f in figures.values())
    allowed = max(TARGET_US, TARGET_PART * plain)
    print(f"unauthenticated {plain:.2f} us of CPU a request, with a session "
          f"{session:.2f}: +{session - plain:.2f} us, x{session / plain:.3f} "
          f"(allowed: +{allowed:.2f})", flush=True)
    return session - plain <= allowed


def logins(port, count):
    line = Connection(port)
    return [line.login() for _ in range(count)]


def fill(server, options):
    part, cookies = options.sessions // 100, []
    start = time.monotonic()
    with multiprocessing.Pool(options.clients) as pool:
        parts = [pool.apply_async(logins, (server.port, part)) for _ in range(100)]
        for i, one in enumerate(parts):
            cookies += one.get()
            if i % 10 == 9:
                print(f"{len(cookies)} logins, {time.monotonic() - start:.0f} s",
                      flush=True)
    line = Connection(server.port)
    found = sum(line.get("/in/index.html", cookie)[0] == 200 for cookie in cookies)
    print(f"{found} of {len(cookies)} sessions are found in "
          f"{options.size} MB ({options.size * 2**20 / options.sessions:.0f} bytes "
          "each)", flush=True)
    return found == len(cookies)


def count_some(server, module, out, requests):
    """Instructions inside the module, and with libraries, of a login and so many
    requests."""
    with instructions.counted(server, out):
        line = Connection(server.port)
        cookie = line.login()
        for _ in range(requests):
            assert line.get("/in/index.html", cookie)[0] == 200
    return (instructions.inside(out, pathlib.Path(module).name),
            int(re.search(r"(?m)^(?:summary|totals): (\d+)", out.read_text()).group(1)))


def count(server, module, base):
    few, many = (count_some(server, module, base / f"callgrind.{n}", n)
                 for n in (50, 50 + instructions.REQUESTS))
    inside, everything = (round((m - f) / instructions.REQUESTS)
                          for f, m in zip(few, many))
    print(f"a request with a session: {inside} instructions inside the module, "
          f"{everything} with what libraries do for it")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--rounds", type=int, default=5, help="0: no CPU is measured")
    parser.add_argument("--seconds", type=int, default=2, help="of each drive")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=0, help="to fill with")
    parser.add_argument("--clients", type=int, default=3, help="that log in")
    parser.add_argument("--size", type=int, default=64, help="MB of memory")
    parser.add_argument("--cache", default="shm:{size}",
                        help="AuthBearerSOCache, of this and other versions")
    parser.add_argument("--instructions", action="store_true")
    options = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="bearer-bench-"))
    key = tokens.key("rs256")
    (base / "jwks.json").write_text(tokens.jwks(key))
    (base / "key.pem").write_bytes(key.public_pem())
    listener = Listener(("127.0.0.1", 0), Provider)
    provider = multiprocessing.Process(target=provide, args=(listener, key),
                                       daemon=True)
    provider.start()
    server = bench.Server("site", base, CONF, cache=options.cache.format(
                              size=options.size * 2**20, base=base),
                          module=str(pathlib.Path(options.module).resolve()),
                          issuer="http://127.0.0.1:%d"
                          % listener.server_address[1])
    for path in ("in", "out"):
        (server.root / "htdocs" / path).mkdir(mode=0o755)
        (server.root / "htdocs" / path / "index.html").write_text("hello\n")
    for name, content in (("secret", os.urandom(48)), ("client", b"hush\n")):
        (server.root / name).write_bytes(content)
        (server.root / name).chmod(0o600)
    try:
        if options.instructions:
            count(server, options.module, base)
            return
        server.start()
        good = options.rounds == 0 or cost(server, options)
        if options.sessions:
            good = fill(server, options) and good
    finally:
        if not options.instructions:
            server.stop()
        provider.terminate()
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
