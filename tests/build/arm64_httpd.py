#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: arm64_httpd.py SYSTEM PYTEST-ARGUMENT..., by arm64_httpd.sh

Tries the module in the arm64 httpd of the Debian at SYSTEM, which HTTPD, HTBEARER and
BEARER_MODULE name, beside this system's httpd with the module BEARER_NATIVE. Prints a
line for each step. Each step is tried; the exit status is 1 if one failed."""
import difflib
import fcntl
import http.server
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
from support import certs, httpd, issuer, op, tokens  # noqa: E402
from support.expect import location  # noqa: E402
from support.httpd import wait_until  # noqa: E402
from support.memory import shared_memory  # noqa: E402
from support.proofs import bound, fields, proof  # noqa: E402

SYSTEM = sys.argv[1]
README_URL = "https://idp.example.com/"
ARM64 = httpd.HTTPD, httpd.MODULE
AMD64 = "/usr/sbin/apache2", os.environ["BEARER_NATIVE"]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def append(path, text):
    with open(path, "a", encoding="ascii") as f:
        f.write(text)


class Failed(Exception):
    pass


def expect(true, text):
    if not true:
        raise Failed(text)


def loopback_up():
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS, UP


def server(kind, conf, **kw):
    """A httpd, not started, of ARM64 or AMD64."""
    httpd.HTTPD, httpd.MODULE = kind
    return httpd.Httpd(conf, mpm="event", **kw)


def crashes(one):
    return re.findall(r".*AH0005[12]: child .* exit signal.*", one.error_log())


# --- the system ------------------------------------------------------------------

def machine():
    """Are httpd, module and tool those of arm64?"""
    for path in (SYSTEM + "/usr/sbin/apache2", httpd.MODULE, httpd.HTBEARER + ".arm64"):
        with open(path, "rb") as f:
            head = f.read(20)
        expect(head[:4] == b"\x7fELF" and head[18] == 183, path + " is not for arm64")
    said = subprocess.run([httpd.HTTPD, "-v"], capture_output=True, text=True, timeout=120,
                          check=True).stdout
    version = subprocess.run([httpd.HTBEARER, "--version"], capture_output=True, text=True,
                             timeout=120, check=True).stdout
    debian = read(SYSTEM + "/etc/debian_version").strip()
    return "Debian %s arm64, %s, %s" % (debian, said.split("\n")[0].partition(": ")[2],
                                        version.strip())


# --- README.md -------------------------------------------------------------------

class Answers(http.server.BaseHTTPRequestHandler):
    """https://idp.example.com/"""

    def log_message(self, *args):
        pass

    def do_GET(self):
        body = tokens.jwks("rs256")
        if self.path.startswith("/.well-known/"):
            body = json.dumps({"issuer": README_URL, "jwks_uri": README_URL + "jwks"})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def issuer_of_readme():
    hosts, bundle = read(SYSTEM + "/etc/hosts"), read(
        SYSTEM + "/etc/ssl/certs/ca-certificates.crt")
    append(SYSTEM + "/etc/hosts", "127.0.0.1 idp.example.com\n")
    append(SYSTEM + "/etc/ssl/certs/ca-certificates.crt", certs.authority_pem().decode())
    answers = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certs.server("good", "idp.example.com"))
        pem.flush()
        context.load_cert_chain(pem.name)
    answers.socket = context.wrap_socket(answers.socket, server_side=True)
    threading.Thread(target=answers.serve_forever, daemon=True).start()

    def end():
        answers.shutdown()
        for name, text in (("/etc/hosts", hosts),
                           ("/etc/ssl/certs/ca-certificates.crt", bundle)):
            with open(SYSTEM + name, "w", encoding="utf-8") as f:
                f.write(text)
    return end


def quickstart():
    """The first configuration in README.md."""
    conf = re.search(r"^```apache\n(.*?)^```$", read(os.path.join(TOP, "README.md")),
                     re.M | re.S).group(1)
    end = issuer_of_readme()
    one = server(ARM64, conf)
    try:
        one.start()

        def status(**claims):
            return one.get("/orders", tokens.mint(iss=README_URL, **claims)).status
        seen = [one.get("/orders").status, status(aud="api://orders", scope="orders.read"),
                status(aud="api://orders", scope="other"),
                status(aud="api://other", scope="orders.read")]
        expect(seen == [401, 200, 403, 401], "%s\n%s" % (seen, one.error_log()[-3000:]))
        expect(not crashes(one), crashes(one))
    finally:
        one.close()
        end()
    return "README's configuration, an issuer by https: 401 without a token, 200 with, " \
        "403 without the scope, 401 with another audience"


# --- sizes -----------------------------------------------------------------------

#: Introspection, proofs, logins and the throttle: all that has memory of its own.
CONF = """
%s
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://server.test
AuthBearerUserFormat "%%u"
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/client"
AuthBearerLoginIssuer "{login}"
AuthBearerRevocations "file:@ROOT@/revoked"
<AuthBearerIssuer "{login}" login>
</AuthBearerIssuer>
<AuthBearerIssuer "{asked}" asked>
    AuthBearerIntrospection "{asked}/introspect"
    AuthBearerClientAuth none
    AuthBearerTokenPrefix asked-
</AuthBearerIssuer>
<AuthBearerIssuer "%s" main>
    AuthBearerKeys "file:@ROOT@/jwks.json"
</AuthBearerIssuer>
%s
<Location "/bearer-status">
    SetHandler bearer-status
    Require ip 127.0.0.1
</Location>
"""
PLACES = location("/a") + location("/proof", "AuthBearerProof dpop") + location(
    "/app", "AuthBearerSession On\nAuthBearerLogin On", audience=None)
THROTTLE = "AuthBearerThrottle threshold=3 window=60s penalty=60s\n"
CONFIGURATIONS = {
    "default sizes": THROTTLE,
    "chosen sizes": THROTTLE + "AuthBearerSOCache shm:3M for=sessions\n"
                    "AuthBearerSOCache shm:64K for=proofs\n"
                    'AuthBearerSOCache "shmcb:@ROOT@/run/cache(1048576)" for=introspection,keys\n'
                    "AuthBearerTokenCache entries=4096\n",
}
#: Objects of the page that are about memory.
MEMORY = ("sessions", "proofs", "tokens", "throttle", "revocations", "waiting")
#: What depends on the time, or on the server's own folder.
PASSING = re.compile(r"^(now|since|configuration)$|\.(fetched|due|gone|last_attempt|"
                     r"metadata_fetched|minute|hour)$|\.introspection\.(sum|buckets\.\d+)$")
#: Shown, but not compared: random values make a session a block longer or shorter.
VARYING = ("sessions.used",)


def flat(value, path=""):
    """{path: number or text} of a value of JSON."""
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        out = {}
        for name, one in pairs:
            out.update(flat(one, "%s.%s" % (path, name) if path else str(name)))
        return out
    return {path: value}


def page(one):
    return flat(one.get("/bearer-status?format=json").json())


def use(one, asked):
    """Puts the same into each memory."""
    now = int(time.time())
    for n in range(5):
        token = tokens.mint(jti="size-%d" % n)
        for _ in range(2):
            expect(one.get("/a", token).status == 200, "a token\n" + one.error_log()[-3000:])
    for n in range(3):
        token = "asked-size-token-number-%d" % n
        asked.active[token] = {"active": True, "sub": "alice", "aud": tokens.AUD,
                               "client_id": "client-1", "exp": now + 36000}
        expect(one.get("/a", token).status == 200, "introspection\n" + one.error_log()[-3000:])
    token = bound()
    for n in range(7):
        status = one.get("/proof", headers=fields(token, proof(
            "http://server.test/proof", token, jti="size-%d-%d" % (now, n)))).status
        expect(status == 200, "a proof: %d\n%s" % (status, one.error_log()[-3000:]))
    browser = op.Browser(one, origin="http://server.test")
    for _ in range(2):
        browser.cookies.clear()
        answer = browser.go("/app")
        expect(answer.status == 200, "a login: %s\n%s" % (answer, one.error_log()[-3000:]))
    seen = [one.get("/a", "no-token-%d" % n, [("X-Client", "198.51.100.7")]).status
            for n in range(4)]
    expect(seen == [401, 401, 401, 429], "the throttle: %s" % seen)


def figures(kind, conf):
    """(status, dump, shared mappings) of a server that was used."""
    host = issuer.IssuerHost()
    login, asked = op.Provider(host, "login"), host.issuer("asked")
    conf = (CONF % (conf, tokens.ISS, PLACES)).format(login=login.url, asked=asked.url)
    one = server(kind, conf, throttle=True, modules=("remoteip",), files={
        "jwks.json": tokens.jwks("rs256"), "secret": (b"\x5a\xa5" * 24, 0o600),
        "client": ("secret of the client\n", 0o600), "revoked": "token %s 0\n" % ("0" * 64)})
    try:
        dump = one.configtest("-D", "DUMP_BEARER")
        expect(dump.status == 0, dump)
        one.start()
        use(one, asked)
        wait_until(lambda: page(one)["tokens.hits"] >= 5, 20, "the figures of the cache")
        seen = page(one)
        mapped = sorted(shared_memory(one))
        expect(not crashes(one), crashes(one))
    finally:
        one.close()
        host.close()
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", dump.output.replace(one.root, "ROOT"))
    for name, value in seen.items():
        if isinstance(value, str):
            seen[name] = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT",
                                value.replace(one.root, "ROOT"))
    return seen, text, mapped


def sizes():
    compared = shown = 0
    for name, conf in CONFIGURATIONS.items():
        native, native_dump, native_mapped = figures(AMD64, conf)
        arm64, arm64_dump, arm64_mapped = figures(ARM64, conf)
        print("%s: %-24s %12s %12s" % (name, "", "amd64", "arm64"))
        wrong = []
        for path in sorted({*native, *arm64}):
            if PASSING.search(path):
                continue
            pair = native.get(path), arm64.get(path)
            compared += path not in VARYING
            if path.partition(".")[0] in MEMORY:
                shown += 1
                print("    %-36s %12s %12s" % (path, *pair))
            if pair[0] != pair[1] and path not in VARYING:
                wrong.append("%s: amd64 %s, arm64 %s" % (path, *pair))
        print("    %-36s %12s %12s" % ("shared mappings", sum(native_mapped),
                                       sum(arm64_mapped)), flush=True)
        for path in ("sessions.bytes", "sessions.used", "proofs.bytes", "proofs.used",
                     "tokens.bytes", "tokens.used", "throttle.penalised", "waiting.limit"):
            expect(native.get(path), "%s: no %s" % (name, path))
        if native_mapped != arm64_mapped:
            wrong.append("shared mappings: amd64 %s, arm64 %s" % (native_mapped, arm64_mapped))
        if native_dump != arm64_dump:
            wrong.extend(difflib.unified_diff(
                native_dump.splitlines(), arm64_dump.splitlines(),
                "DUMP_BEARER on amd64", "on arm64", n=0, lineterm=""))
        expect(not wrong, "%s:\n    %s" % (name, "\n    ".join(wrong)))
    return "%d figures of the status page, %d of them of memory, the shared mappings and " \
        "DUMP_BEARER are those of amd64, in %d configurations" % (
            compared, shown, len(CONFIGURATIONS))


# --- end-to-end tests ------------------------------------------------------------

def end_to_end():
    done = subprocess.run(
        ["/usr/bin/pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *sys.argv[2:]],
        cwd=os.path.join(TOP, "tests", "e2e"), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    last = done.stdout.strip().rpartition("\n")[2]
    expect(done.returncode == 0, "%s: %s" % (" ".join(sys.argv[2:]), done.stdout[-20000:]))
    return "%s: %s" % (" ".join(sys.argv[2:]), last.strip("= "))


def main():
    loopback_up()
    failed = 0
    for step in (machine, quickstart, sizes, end_to_end):
        try:
            print("arm64: %s: %s" % (step.__name__, step()), flush=True)
        except (Failed, AssertionError, OSError, subprocess.SubprocessError) as e:
            failed = 1
            if not isinstance(e, Failed):
                traceback.print_exc(file=sys.stdout)
            print("arm64: %s: FAILED: %s" % (step.__name__, e), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
