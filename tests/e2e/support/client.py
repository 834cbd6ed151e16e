# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A client that sends exactly the bytes it is given, and reads an answer.

Two rules hold for every answer of every test and are checked here: a challenge
is well formed with each parameter at most once, and no granted response carries
one.
"""
import json
import re
import socket

from . import secrets

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAM = re.compile(r'(%s)="([\x20-\x21\x23-\x5b\x5d-\x7e]*|(?:[^"\\]|\\.)*)"'
                    % _TOKEN)


def parse_challenge(value):
    """'Bearer a="b", c="d"' as (scheme, {a: b, c: d}); strict."""
    scheme, _, rest = value.partition(" ")
    assert re.fullmatch(_TOKEN, scheme), value
    params = {}
    while rest:
        match = _PARAM.match(rest)
        assert match, "challenge not well formed at %r in %r" % (rest, value)
        name = match.group(1)
        assert name not in params, "%s twice in %r" % (name, value)
        text = match.group(2)
        if name in ("error", "error_description"):
            assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", text), value
        params[name] = re.sub(r"\\(.)", r"\1", text)
        rest = rest[match.end():]
        if rest:
            assert rest.startswith(","), value
            rest = rest[1:].lstrip(" ")
    return scheme, params


class Response:
    """An answer: status, headers, body, and the log lines of its request."""

    def __init__(self, raw, log=()):
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1."), "no HTTP answer: %r" % raw[:200]
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split(b" ")[1])
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.headers.append((name.decode("latin-1"),
                                 value.strip().decode("latin-1")))
        if (self.get("Transfer-Encoding") or "").lower() == "chunked":
            body = _unchunk(body)
        self.body = body
        self.log = list(log)
        self.challenges = dict(parse_challenge(value)
                               for value in self.all("WWW-Authenticate"))
        if self.status < 300:
            assert not self.challenges, "a granted response has a challenge"
        fields = self.all("Cache-Control")
        assert len(fields) < 2, "Cache-Control twice: %s" % fields

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "surrogateescape")

    def json(self):
        return json.loads(self.body)

    @property
    def challenge(self):
        """Parameters of the Bearer challenge, or None."""
        return self.challenges.get("Bearer")

    @property
    def error(self):
        """BEARER_ERROR as the server's environment had it."""
        return self.get("X-Test-Error") or None

    @property
    def check(self):
        """BEARER_ERROR_CHECK as the server's environment had it."""
        return self.get("X-Test-Check") or None

    @property
    def user(self):
        return self.get("X-Test-User") or None

    @property
    def env(self):
        """The environment that a page of face `env` or `cgi` printed."""
        import html
        env = {}
        for line in self.text.splitlines():
            name, eq, value = line.partition("=")
            if eq:
                env[name] = html.unescape(value)
        return env

    def logged(self, number, *values, level=None):
        """Lines of this request in the error log with this number and these values."""
        return [line for line in self.log if line.says(number, *values)
                and (level is None or line.level == level)]

    def __repr__(self):
        body = self.body[:300] if self.status < 400 else b""
        return "<%d %s %s/%s user=%s>\n%r\n%s" % (
            self.status, self.all("WWW-Authenticate"), self.error, self.check,
            self.user, body, "\n".join("  " + l.raw for l in self.log))


def _unchunk(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        n = int(size.split(b";")[0], 16)
        if n == 0:
            break
        out += data[:n]
        data = data[n + 2:]
    return out


def exchange(port, raw, timeout=30, host="127.0.0.1"):
    """Sends raw bytes on a connection of its own, reads to the end."""
    with socket.create_connection((host, port), timeout=timeout) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass
        parts = []
        while True:
            try:
                part = sock.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def build(method, path, headers=(), body=b"", host="server.test"):
    """The bytes of one request. Header values may be str or bytes."""
    if isinstance(headers, dict):
        headers = list(headers.items())
    lines = [b"%s %s HTTP/1.1" % (_bytes(method), _bytes(path)),
             b"Connection: close"]
    if not any(_bytes(n).lower() == b"host" for n, _ in headers):
        lines.append(b"Host: " + _bytes(host))
    for name, value in headers:
        value = _bytes(value)
        lines.append(_bytes(name) + b": " + value)
        low = _bytes(name).lower()
        if low == b"authorization":
            secrets.register(value.partition(b" ")[2].strip())
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
