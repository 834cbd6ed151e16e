# Licensed under the Apache License, Version 2.0; see LICENSE.
"""No token, cookie, secret or raw client byte in any log at any level, in
mod_info, mod_status, caches, shared memory.

Every way to present a token, right and wrong, is gone with LogLevel trace8 for
all modules; then everything is searched. httpd itself shows the header of each
request at trace4 and its first line at trace5, before any module sees it: those
lines are known by their form and left out, as docs/security.md says."""
import base64
import os
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest

from support import missing, secrets
from support.expect import granted, invalid, issuer_conf, key_files, location
from support.httpd import MPMS, Httpd, LogLine, free_port, wait_until
from support.tokens import mint

#: What httpd writes by itself: the request line (core, trace5), and each header
#: with two blanks in front (http, trace4).
OWN_DUMP = re.compile(r"^(Request received from client: |  [!-9;-~]+: )")
FETCH_TOKEN = "fetch-token-0123456789abcdefghijklmnop"
SEALING = "sealing-secret-" + "s3cr3t" * 8
CLIENT_SECRET = "client-secret-0123456789abcdefghijkl"

PLACES = (
    location("/header")
    + location("/named", "AuthBearerTokenFrom header:X-Token")
    + location("/cookie", "AuthBearerTokenFrom cookie:tok")
    + location("/query", "AuthBearerTokenFrom query:tok")
    + location("/env", "AuthBearerTokenFrom env:TOK\n"
               'SetEnvIf X-Via "(.+)" TOK=$1')
    + location("/basic", "AuthBearerTokenFrom header basic")
    + location("/scope", require="scope nobody-has-it")
    + location("/rule", require="claim role:nobody-has-it")
    + location("/forward", "AuthBearerForward token identity")
    + location("/open", "AuthBearerTokenFrom header query:tok", "all granted")
    + location("/throttled", "AuthBearerThrottle threshold=3 window=60s "
               "penalty=60s")
    + """
<Location "/server-status">
    SetHandler server-status
    Require all granted
</Location>
<Location "/server-info">
    SetHandler server-info
    Require all granted
</Location>
ExtendedStatus On
CustomLog "@ROOT@/logs/all.log" \
"%r|%q|%U|%f|%u|%{Referer}i|%{Authorization}i|%{Cookie}i|%{X-Token}i|%{tok}C"
""")


def conf(issuer, cache):
    return ('AuthBearerUserFormat "%%u"\n'
            'AuthBearerRevocations "file:@ROOT@/revoked"\n%s%s\n'
            '<AuthBearerIssuer "%s" fetched>\n'
            '    AuthBearerFetchAuth "file:@ROOT@/fetch-token"\n'
            '</AuthBearerIssuer>\n%s'
            % (issuer_conf(), cache, issuer.url, PLACES))


def basic(user, password):
    text = "%s:%s" % (user, password)
    return "Basic " + base64.b64encode(text.encode()).decode()


def tokens(issuer):
    """Good and bad ones, each a secret of its own."""
    def n():
        n.count += 1
        return "n-%d" % n.count
    n.count = 0
    good = mint(jti=n())
    return {
        "good": good,
        "fetched": issuer.mint(jti=n()),
        "unknown kid": issuer.mint(jti=n(), header={"kid": "no-such-key"}),
        "expired": mint(jti=n(), exp=1),
        "audience": mint(jti=n(), aud="api://elsewhere"),
        "forged": mint("rs256-forger", header={"kid": "rs256"}, jti=n()),
        "type": mint(jti=n(), nonce="n", scope=None),
        "revoked": mint(jti="revoked-one"),
        "issuer": mint(jti=n(), iss="https://evil.test/"),
        "algorithm": mint(jti=n(), header={"alg": "HS256"}),
        "control": mint(jti=n(), sub="a\x1b[31mb\r\nc"),
        "bytes in kid": mint(jti=n(), header={"kid": "a\nb\x07c"}),
        "json": mint(jti=n(), raw_payload='{"iss":"x","iss":"y"}'),
        "opaque": "opaque-Zr8Kp2Lm5Nq7Xw9Yt3Vb6Gh1Jd4",
        "cut": good[:-40] + "A" * 39 + "B",
        "long": good + "A" * 3000,
    }


def drive(server, all_tokens):
    """Each token in each way; statuses are others' business."""
    for token in all_tokens.values():
        secrets.register(token)
        for path in ("/header/be/x", "/header/env", "/scope", "/rule",
                     "/forward/be/x", "/open/be/x", "/throttled"):
            server.get(path, token)
        server.get("/named/be/x", headers={"X-Token": token})
        server.get("/cookie/be/x", headers={
            "Cookie": "a=1; tok=%s; b=2" % token})
        server.get("/query/be/x?tok=" + token, headers={
            "Referer": "https://server.test/query?tok=" + token})
        server.get("/open/be/x?a=1&tok=" + token)
        server.get("/env/be/x", headers={"X-Via": token})
        server.get("/basic/be/x", headers={
            "Authorization": basic("git", token)})
        server.get("/header", headers=[
            ("Authorization", "Bearer " + token),
            ("Authorization", "Bearer " + token)])
        server.get("/header", headers={
            "Authorization": b"Bearer \xff\xfe" + token.encode()})
        server.get("/query?tok=%00" + token)
        server.get("/cookie", headers={"Cookie": "tok =%s, tok=%s"
                                       % (token, token)})


class Served:
    """A server that has seen all of them, by the cache that it uses."""

    def __init__(self, mpm, issuer, backend, cache, modules=()):
        files = dict(key_files("rs256"))
        files["fetch-token"] = FETCH_TOKEN + "\n"
        files["sealing"] = SEALING
        files["revoked"] = ""
        self.server = Httpd(conf(issuer, cache), mpm=mpm, files=files,
                            backend=backend, children=2, loglevel="trace8",
                            modules=["status", "info", *modules])
        os.chmod(self.server.path("sealing"), 0o600)
        self.server.start()
        self.tokens = tokens(issuer)
        granted(self.server.get("/header", self.tokens["good"]))
        wait_until(lambda: self.server.get(
            "/header", self.tokens["fetched"]).status == 200, 10)
        self.revoke()
        drive(self.server, self.tokens)
        drive(self.server, self.tokens)

    def revoke(self):
        import hashlib
        from support.tokens import ISS
        digest = hashlib.sha256((ISS + "\0revoked-one").encode()).hexdigest()
        self.server.write("revoked", "jti %s 0\n" % digest)
        wait_until(lambda: {self.server.get(
            "/header", self.tokens["revoked"]).status for _ in range(12)}
            == {401}, 5)
        invalid(self.server.get("/header", self.tokens["revoked"]), "revoked")

    def pieces(self):
        """What must not be found: ends of a token's parts. Its header and how
        its payload begins are the same for thousands of tokens."""
        out = [FETCH_TOKEN, SEALING[:24], SEALING[-24:]]
        for token in self.tokens.values():
            parts = token.split(".")
            if len(parts) == 3:
                out += [parts[1][-24:], parts[2][:24], parts[2][-24:]]
            else:
                out += [token[:24], token[-24:]]
        return [piece.encode() for piece in out]

    def search(self, data):
        """Those of them that are in data."""
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        return [piece for piece in self.pieces() if piece in data]


@pytest.fixture(scope="module", params=MPMS)
def served(request, issuers, backend):
    one = Served(request.param, issuers.issuer("silent-" + request.param),
                 backend, "")
    yield one
    one.server.close()


# -- logs --------------------------------------------------------------------

def own_dump(line):
    """What httpd itself shows of a request at trace4 and deeper."""
    return (line.module in ("core", "http") and line.level in ("trace4", "trace5")
            and OWN_DUMP.match(line.text))


def test_error_log(served):
    lines = [LogLine(line) for line in served.server.error_log().splitlines()]
    ours = [line for line in lines if line.module == "auth_bearer"]
    assert len(ours) > 100 and {"info"} <= {line.level for line in ours}
    found = [line.raw for line in lines
             if served.search(line.raw) and not own_dump(line)]
    assert not found, "\n".join(found[:10])


def test_no_raw_byte_in_the_error_log(served):
    for line in served.server.error_log().splitlines():
        line = LogLine(line)
        if line.module == "auth_bearer":
            assert not line.unescaped_bytes, line.raw
            assert re.fullmatch(r"[\x20-\x7e]*", line.raw), line.raw


def test_access_logs(served):
    with open(served.server.path("logs/all.log"),
              errors="surrogateescape") as f:
        text = f.read()
    assert text.count("***") > 20 and text.count("\n") > 200
    found = [line for line in text.splitlines() if served.search(line)]
    assert not found, "\n".join(found[:10])
    assert not served.search(served.server.access_log())


def test_output_of_the_start(served):
    assert not served.search(served.server.start_output())


# -- pages -------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/server-status", "/server-info",
                                  "/server-info?config",
                                  "/server-status?auto"])
def test_pages(served, path):
    res = served.server.get(path)
    assert res.status == 200 and len(res.text) > 100
    assert not served.search(res.text)


def test_dump(served):
    out = served.server.configtest("-DDUMP_BEARER").output
    assert "fetch-token" in out or "AuthBearer" in out
    assert not served.search(out)


@pytest.mark.allow_log("AB0205", "AB0208", "AB0792")
def test_queries_of_urls(one_server, issuers):
    """A configured URL may have an API key in its query: whoever is asked, and
    whatever goes wrong, the log and the status page leave it out."""
    key = "api-key-0123456789abcdefghijklmnopqrs"
    secrets.register(key)
    bad = issuers.issuer("queries", "rs256")
    for kind in ("jwks", "introspect", "oauth", "oidc"):
        bad.script(kind, status=418)
    nobody = "http://127.0.0.1:1/x?key=" + key
    text = 'AuthBearerUserFormat %u\n'
    for n, lines in enumerate((
            ('AuthBearerKeys "%s"' % nobody,),
            ('AuthBearerKeys "%s?key=%s"' % (bad.jwks_url, key),),
            ('AuthBearerMetadata "%s"' % nobody,),
            ('AuthBearerMetadata "%s/.well-known/x?key=%s"' % (bad.url, key),),
            ('AuthBearerIntrospection "%s"' % nobody, 'AuthBearerKeys "%s"' % nobody),
            ('AuthBearerIntrospection "%s?key=%s"' % (bad.introspect_url, key),
             'AuthBearerKeys "%s"' % nobody))):
        text += '<AuthBearerIssuer "https://i%d.test" i%d>\n%s\n' \
            "AuthBearerClientAuth none\nAuthBearerTokenPrefix p%d\n" \
            "</AuthBearerIssuer>\n" % (n, n, "\n".join(lines), n)
    server = one_server(text + location("/a") + location(
        "/s", 'AuthBearerProvider session\nAuthBearerSessionCheck "%s" query=url'
        % nobody, audience=None) + """
<Location "/bearer-status">
    SetHandler bearer-status
    Require all granted
</Location>
""")
    for n in range(6):
        server.get("/a", mint(iss="https://i%d.test" % n))
        server.get("/a", "p%d-opaque-token" % n)
    assert server.get("/s", "some-opaque-token-of-a-session").status == 503
    for query in ("", "?format=json", "?format=prometheus"):
        res = server.get("/bearer-status" + query)
        assert res.status == 200 and key not in res.text
    assert key not in server.error_log() + server.access_log()


def test_answers(served):
    """No refusal sends back what it was sent."""
    for name, token in served.tokens.items():
        res = served.server.get("/header", token)
        assert not served.search(str(res.headers) + (
            "" if res.status == 200 else res.text)), name


# -- memory ------------------------------------------------------------------

def mappings(pid, wanted):
    """(line, bytes) of a process's mappings whose line is wanted."""
    try:
        with open("/proc/%d/maps" % pid) as f:
            lines = f.read().splitlines()
        memory = open("/proc/%d/mem" % pid, "rb", 0)
    except (FileNotFoundError, ProcessLookupError):
        return                      # prefork let it go
    with memory:
        for line in lines:
            span, mode = line.split()[:2]
            start, end = (int(n, 16) for n in span.split("-"))
            # what is larger is a sanitizer's, and empty
            if "r" in mode and wanted(mode) and end - start < 1 << 30:
                try:
                    memory.seek(start)
                    yield line, memory.read(end - start)
                except (OSError, ValueError, OverflowError):
                    continue


#: To read other processes' memory.
needs_root = missing.needs("root", os.getuid() == 0)


@needs_root
def test_shared_memory(served):
    """Scoreboard, throttle, key cache: what neighbours could read."""
    size = 0
    for pid in served.server.children():
        for line, data in mappings(pid, lambda mode: mode[3] == "s"):
            size += len(data)
            found = served.search(data)
            assert not found, (line, [data[max(0, data.find(piece) - 80):][
                :120] for piece in found])
    assert size > 1 << 20


@needs_root
def test_files_of_the_runtime(served):
    """Nothing of a token on disk but where the test put it."""
    for folder, _, names in os.walk(served.server.path("run")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                assert not served.search(f.read()), name


@needs_root
def test_key_secrets_are_wiped(served):
    """Secrets that are read from files: not in a child's own memory, a core
    dump's obvious place. (The token for fetches has been through libcurl and
    the kernel, but is not kept.)"""
    for pid in served.server.children():
        for line, data in mappings(pid, lambda mode: "w" in mode
                                   and mode[3] == "p"):
            assert SEALING.encode() not in data, line


# -- caches that leave the host ------------------------------------------------

def redis(tmp_path):
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save",
         "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)

    def command(*args):
        return subprocess.run(["redis-cli", "-p", str(port), *args],
                              stdout=subprocess.PIPE, timeout=20).stdout

    def content():
        keys = [k for k in command("--raw", "KEYS", "*").split(b"\n") if k]
        values = [command("DUMP", key.decode()) for key in keys]
        # as redis-cli shows it, and as it is
        values += [command("--raw", "GET", key.decode()) for key in keys]
        return keys and (keys, values)
    wait_until(lambda: b"PONG" in command("PING"), 10, "redis")
    return process, "redis:127.0.0.1:%d" % port, "socache_redis", content


def memcached(tmp_path):
    port = free_port()
    process = subprocess.Popen(
        ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0",
         *(["-u", "nobody"] if os.getuid() == 0 else [])],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(text, end=(b"END\r\n", b"try again later\r\n")):
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.sendall(text.encode() + b"\r\n")
            data = b""
            while not data.endswith(end):
                data += sock.recv(65536)
            return data

    def up():
        try:
            return command("version", b"\r\n")
        except OSError:
            return False

    def content():
        dump = command("lru_crawler metadump all").decode()
        keys = [urllib.parse.unquote(key).encode()
                for key in re.findall(r"key=(\S+)", dump)]
        return keys and (keys, [command("get " + key.decode())
                                for key in keys])
    wait_until(up, 10, "memcached")
    return process, "memcache:127.0.0.1:%d" % port, "socache_memcache", content


@pytest.mark.parametrize("start", [redis, memcached])
def test_remote_cache(start, tmp_path, issuers, backend):
    """Keys are digests, values are sealed: who reads them learns nothing, not
    even what the key documents say."""
    program = {redis: "redis-server", memcached: "memcached"}[start]
    missing.need(program, shutil.which(program))
    process, args, module, content = start(tmp_path)
    issuer = issuers.issuer("silent-" + start.__name__)
    try:
        one = Served(MPMS[0], issuer, backend, "AuthBearerSOCache %s\n"
                     'AuthBearerSecretFile "@ROOT@/sealing"\n' % args,
                     [module])
        try:
            keys, values = wait_until(content, 10, "entries")
            everything = b"\n".join(keys + values)
            assert keys and len(everything) > 500
            assert not one.search(everything)
            for word in (b"jwks", b"kty", b"RSA", issuer.url.encode(),
                         b"silent-"):
                assert word not in everything, word
            test_error_log(one)
            if os.getuid() == 0:
                test_shared_memory(one)
                test_key_secrets_are_wiped(one)
        finally:
            one.server.close()
    finally:
        process.kill()
        process.wait()


def test_the_search_finds_what_is_there(served):
    """Each of these tests can fail."""
    token = served.tokens["forged"]
    assert served.search("x" + token.split(".")[2] + "y")
    assert served.search(b"\0" + token[:-30].encode())
    assert served.search(b"\0" + token[20:-30].encode())
    assert served.search("Authorization: " + FETCH_TOKEN)
    assert not served.search("nothing " + token.split(".")[0])
    line = "2026-01-01 00:00:00t|%s|trace4|1|  Authorization: x"
    assert own_dump(LogLine(line % "core"))
    assert not own_dump(LogLine(line % "auth_bearer"))
