#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a check costs: httpd without authentication, this module, and the peers
that Debian packages, side by side in one run, driven in turn by wrk.

    tests/bench/bench.py --module build/gcc/.libs/mod_auth_bearer.so

CPU is what the server's own processes used (/proc/PID/task/*/schedstat), per
request answered; a figure is the median of interleaved rounds, so that a machine
whose speed drifts hits all alike. "bare" is one verification of the same tokens
with OpenSSL and nothing around it (verify.c), measured in each round, on as many
threads as there are processors, because the server and wrk keep all of them busy,
too; "raw" is `openssl speed`'s public-key operation alone, without the digest of
the token, on one. Needs: cc, wrk, openssl, and for the peers
libapache2-mod-auth-openidc and libapache2-mod-oauth2. Bounded: see --help.
"""
import argparse
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import usage  # noqa: E402
from support import tokens  # noqa: E402

MODULES = "/usr/lib/apache2/modules"
ISS, AUD = "https://issuer.test/", "api://bench"
#: algorithm -> (key of tokens.py, name for `openssl speed`)
ALGORITHMS = {"RS256": ("rs256", "rsa2048"), "PS256": ("ps256", "rsa2048"),
              "ES256": ("es256", "ecdsap256"), "EdDSA": ("ed25519", "ed25519")}

COMMON = """
ServerRoot {root}
PidFile {root}/httpd.pid
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
User www-data
Group www-data
ErrorLog {root}/error.log
LogLevel warn
DocumentRoot {root}/htdocs
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MaxKeepAliveRequests 0
KeepAliveTimeout 60
"""

BEARER = """
LoadModule auth_bearer_module {module}
<AuthBearerIssuer {iss} bench>
    AuthBearerKeys file:{root}/jwks.json
</AuthBearerIssuer>
{extra}
<Location "/">
    AuthType Bearer
    AuthName "bench"
    AuthBearerAudience {aud}
    {inside}
    Require valid-user
</Location>
"""

OPENIDC = """
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
OIDCCryptoPassphrase bench
OIDCOAuthVerifyCertFiles {kid}#{root}/key.pem
OIDCOAuthRemoteUserClaim sub
<Location "/">
    AuthType oauth20
    Require valid-user
</Location>
"""

OAUTH2 = """
LoadModule oauth2_module {modules}/mod_oauth2.so
OAuth2TokenVerify jwks_uri {jwks_uri} jwks_uri.ssl_verify=false
<Location "/">
    AuthType oauth2
    Require valid-user
</Location>
"""


CPUS = sorted(os.sched_getaffinity(0))
#: servers and wrk do not take turns on one processor
SERVER_CPUS, WRK_CPUS = CPUS[:len(CPUS) // 2], CPUS[len(CPUS) // 2:]


def on(cpus):
    """What to put before a command that is to run on these processors."""
    return ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One httpd, with processes and threads as Debian has them."""

    def __init__(self, name, base, text, **values):
        self.name, self.port = name, free_port()
        self.root = base / name
        (self.root / "htdocs").mkdir(parents=True)
        (self.root / "htdocs" / "index.html").write_text("hello\n")
        for name in ("jwks.json", "key.pem"):
            shutil.copy(base / name, self.root)
        values = dict(values, root=self.root, port=self.port, modules=MODULES,
                      iss=ISS, aud=AUD)
        self.conf = self.root / "httpd.conf"
        self.conf.write_text((COMMON + text).format(**values))
        for path in [base, *self.root.rglob("*"), self.root]:
            path.chmod(0o755 if path.is_dir() else 0o644)

    def start(self):
        subprocess.run([*on(SERVER_CPUS), "/usr/sbin/apache2", "-f",
                        str(self.conf)], check=True, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                self.parent = int((self.root / "httpd.pid").read_text())
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{self.name} did not start: "
                         + (self.root / "error.log").read_text()[-2000:])

    def stop(self):
        subprocess.run(["/usr/sbin/apache2", "-f", str(self.conf), "-k", "stop"],
                       check=False)

    def children(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.parent)],
                             capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in out.split()]

    def cpu(self):
        return usage.cpu(self.children())

    def resident(self):
        children = self.children()
        return usage.private(children) // len(children)

    def drive(self, path, first, count, seconds, connections):
        before = self.cpu()
        out = subprocess.run(
            [*on(WRK_CPUS), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
             str(HERE / "tokens.lua"), f"http://127.0.0.1:{self.port}/", "--",
             str(path), str(first), str(count)],
            capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
        used = self.cpu() - before
        found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\S+) (\S+)", out)
        requests, took, refused, failed = map(int, found.groups()[:4])
        # the event MPM closes some idle connections while all workers are busy
        if refused or failed > requests / 20:
            raise SystemExit(f"{self.name}: {refused} refused, {failed} failed: "
                             + (self.root / "error.log").read_text()[-2000:])
        return {"requests": requests, "per_second": requests * 1e6 / took,
                "cpu_us": used * 1e6 / requests, "p50_us": float(found.group(5)),
                "p99_us": float(found.group(6))}


class Keys(http.server.BaseHTTPRequestHandler):
    """The key set for peers that want a URL."""

    document = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.document)))
        self.end_headers()
        self.wfile.write(self.document)

    def log_message(self, *_):
        pass


def bare_us(base, algorithm):
    """Microseconds of one verification with OpenSSL, nothing around it."""
    program = base / "verify"
    if not program.exists():
        subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "verify.c"),
                        "-lcrypto", "-lpthread"], check=True)
    out = subprocess.run([str(program), str(base / "key.pem"), algorithm,
                          str(base / "tokens"), "0.5", str(os.cpu_count())],
                         capture_output=True, text=True, check=True).stdout
    return float(out.split()[0])


def raw_us(name):
    """Microseconds of the public-key operation as `openssl speed` has it."""
    out = subprocess.run(["openssl", "speed", "-seconds", "2", "-mr", name],
                         capture_output=True, text=True, check=True).stdout
    figure = float(re.search(r"^\+F[246]:.*$", out, re.M).group(0).split(":")[-1])
    return 1e6 * figure if figure < 1 else 1e6 / figure  # seconds, or per second


def mint(key, path, count):
    now = int(time.time())
    header = tokens.b64(json.dumps({"alg": key.alg, "typ": "JWT", "kid": key.kid}))
    with open(path, "w") as file:
        for i in range(count):
            claims = {"iss": ISS, "aud": AUD, "sub": "alice", "iat": now,
                      "exp": now + 36000, "jti": f"{now}-{i}",
                      "azp": "client-1", "scope": "orders.read openid",
                      "roles": ["admin", "reader"], "name": "Alice Example",
                      "tenant": "t-1", "level": 3, "email_verified": True}
            data = header + "." + tokens.b64(json.dumps(claims))
            file.write(data + "." + tokens.b64(key.sign(data.encode())) + "\n")


def revocations(base, n):
    """A list of so many, as even as digests are."""
    path = base / "revoked"
    path.write_text("".join(
        f"jti {hashlib.sha256(b'%d' % i).hexdigest()} 0\n" for i in range(n)))
    path.chmod(0o644)
    return path


def servers(base, options, jwks_uri, kid):
    """Name -> configuration text and values."""
    module = {"module": options.module}
    revoked = revocations(base, 100000)
    plain = dict(module, extra="", inside="")
    table = {
        "open": ("", {}),
        "bearer": (BEARER, plain),
        "bearer-nocache": (BEARER, dict(plain, extra="AuthBearerTokenCache off")),
        "bearer-loaded": (BEARER, dict(
            module, extra=f"AuthBearerRevocations file:{revoked}",
            inside="AuthBearerExport headers")),
    }
    if options.peers:
        table["openidc"] = (OPENIDC, {"kid": kid})
        table["oauth2"] = (OAUTH2, {"jwks_uri": jwks_uri})
    return {name: Server(name, base, text, **values)
            for name, (text, values) in table.items()}


def cases(options):
    for connections in options.connections:
        yield "same", connections
    yield "new", options.connections[-1] if len(options.connections) == 1 else 8
    if options.rotation:
        yield "rotation", 8


def measure(options, algorithm):
    base = pathlib.Path(tempfile.mkdtemp(prefix="bearer-bench-"))
    key = tokens.key(ALGORITHMS[algorithm][0])
    Keys.document = tokens.jwks(key).encode()
    (base / "jwks.json").write_bytes(Keys.document)
    (base / "key.pem").write_bytes(key.public_pem())
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    per_round = options.tokens
    rounds = options.rounds
    mint(key, base / "tokens", max(per_round * rounds, options.rotation))
    (base / "tokens").chmod(0o644)
    running = servers(base, options, f"http://127.0.0.1:{web.server_port}/jwks",
                      key.kid)
    rows = []
    try:
        for server in running.values():
            server.start()
        for case, connections in cases(options):
            results, bare = {name: [] for name in running}, []
            for number in range(rounds):
                bare.append(bare_us(base, algorithm))
                for name, server in running.items():
                    first, count = {"same": (1, 1),
                                    "new": (number * per_round + 1, per_round),
                                    "rotation": (1, options.rotation)}[case]
                    if number == 0:
                        server.drive(base / "tokens", 1, 1, 1, connections)
                    results[name].append(server.drive(
                        base / "tokens", first, count, options.seconds,
                        connections))
            rows += summary(algorithm, case, connections, results,
                            statistics.median(bare))
        for name, server in running.items():
            rows.append({"algorithm": algorithm, "case": "memory",
                         "server": name,
                         "private_bytes_a_child": server.resident()})
            print("{server:15} {private_bytes_a_child} private bytes a child"
                  .format(**rows[-1]), flush=True)
    finally:
        for server in running.values():
            server.stop()
        web.shutdown()
        shutil.rmtree(base, ignore_errors=True)
    return rows


def summary(algorithm, case, connections, results, bare):
    def median(name, what):
        return statistics.median(r[what] for r in results[name])

    raw = raw_us(ALGORITHMS[algorithm][1])
    base = median("open", "cpu_us")
    rows = []
    for name in results:
        cpu = median(name, "cpu_us")
        rows.append({
            "algorithm": algorithm, "case": case, "connections": connections,
            "server": name, "requests_per_s": round(median(name, "per_second")),
            "cpu_us": round(cpu, 2), "ratio": round(cpu / base, 3),
            "added_us": round(cpu - base, 2), "bare_us": round(bare, 2),
            "raw_us": round(raw, 2),
            "added_per_bare": round((cpu - base) / bare, 3),
            "p50_us": median(name, "p50_us"), "p99_us": median(name, "p99_us")})
        print("{algorithm:6} {case:8} c={connections:<3} {server:15} "
              "{requests_per_s:>7}/s {cpu_us:>8.2f} us/request  x{ratio:<6.3f} "
              "+{added_us:.2f} us = {added_per_bare} bare ({bare_us} us, raw "
              "{raw_us})  p99 {p99_us:.0f} us".format(**rows[-1]), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--algorithms", nargs="+", default=list(ALGORITHMS),
                        choices=list(ALGORITHMS))
    parser.add_argument("--connections", nargs="+", type=int,
                        default=[1, 8, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each drive")
    parser.add_argument("--tokens", type=int, default=25000,
                        help="new ones a round; more than a drive can use")
    parser.add_argument("--rotation", type=int, default=0,
                        help="tokens in rotation, e.g. 100000; 0: not measured")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--json", help="all figures into this file")
    options = parser.parse_args()
    options.module = str(pathlib.Path(options.module).resolve())
    rows = []
    for algorithm in options.algorithms:
        rows += measure(options, algorithm)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
