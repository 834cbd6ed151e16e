# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Scripted issuers: metadata, key sets and introspection on loopback, which
count and record what they are asked and answer as badly as a test wants.
"""
import base64
import json
import os
import socketserver
import ssl
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

from . import certs, tokens


class Request:
    """One recorded request."""

    def __init__(self, kind, method, path, headers, body, peer=None):
        self.kind, self.method, self.path = kind, method, path
        self.headers, self.body = headers, body
        self.peer = peer  #: the client's certificate (DER) or None
        self.time = time.monotonic()

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode()))

    @property
    def basic(self):
        """(user, password) of Basic authentication, form-decoded, or None."""
        scheme, _, value = (self.headers.get("Authorization") or
                            "").partition(" ")
        if scheme.lower() != "basic":
            return None
        user, _, password = base64.b64decode(value).decode().partition(":")
        return (urllib.parse.unquote_plus(user),
                urllib.parse.unquote_plus(password))

    def __repr__(self):
        return "<%s %s %s>" % (self.kind, self.method, self.path)


class Answer:
    """A scripted answer. body None: the normal one. trickle: seconds between
    single bytes. hold: an Event to wait for before answering."""

    def __init__(self, status=200, body=None, headers=None, delay=0, trickle=0,
                 hold=None, cut=False, times=None):
        self.status, self.body, self.headers = status, body, headers or {}
        self.delay, self.trickle, self.hold = delay, trickle, hold
        self.cut, self.times = cut, times


class Issuer:
    """One issuer of a host. Endpoints: 'oauth' (RFC 8414 metadata), 'oidc',
    'jwks', 'introspect'."""

    KINDS = ("oauth", "oidc", "jwks", "introspect")

    def __init__(self, host, name, keys):
        self.host, self.name = host, name
        self.path = "/t/" + name
        self.url = host.url + self.path
        self.keys = keys
        self.metadata = {"issuer": self.url, "jwks_uri": self.jwks_url,
                         "introspection_endpoint": self.introspect_url,
                         "token_endpoint": self.url + "/token"}
        self.active = {}
        self.requests = []
        self._answers = {}
        self._lock = threading.Lock()

    @property
    def keys(self):
        return self._keys

    @keys.setter
    def keys(self, keys):
        """Makes those that do not exist yet: on a loaded machine an RSA key may
        take longer than httpd waits for the answer that has it."""
        self._keys = list(keys)
        for one in self._keys:
            if isinstance(one, str):
                tokens.key(one)

    @property
    def jwks_url(self):
        return self.url + "/jwks"

    @property
    def introspect_url(self):
        return self.url + "/introspect"

    def script(self, kind, **answer):
        """From now on `kind` is answered so; without keywords: normally."""
        with self._lock:
            if answer:
                self._answers[kind] = Answer(**answer)
            else:
                self._answers.pop(kind, None)

    def reset(self):
        """Forgets requests and scripts."""
        with self._lock:
            self.requests = []
            self._answers = {}

    def count(self, kind=None):
        with self._lock:
            return sum(1 for r in self.requests
                       if kind is None or r.kind == kind)

    def last(self, kind):
        with self._lock:
            return [r for r in self.requests if r.kind == kind][-1]

    def mint(self, signer=None, **kw):
        kw.setdefault("iss", self.url)
        if signer is None:
            signer = self.keys[0]
        return tokens.mint(signer, **kw)

    # -- the answers --------------------------------------------------------

    def _normal(self, request):
        if request.kind == "jwks":
            return tokens.jwks(*self.keys)
        if request.kind == "introspect":
            answer = self.active.get(request.form.get("token"),
                                     {"active": False})
            return answer if isinstance(answer, str) else json.dumps(answer)
        return json.dumps(self.metadata)

    def answer(self, request):
        with self._lock:
            self.requests.append(request)
            answer = self._answers.get(request.kind)
            if answer and answer.times is not None:
                answer.times -= 1
                if answer.times <= 0:
                    del self._answers[request.kind]
        answer = answer or Answer()
        body = answer.body
        if body is None:
            body = self._normal(request)
        if callable(body):
            body = body(request)
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogateescape")
        return answer, body


class Replier(BaseHTTPRequestHandler):
    """Sends what an Answer says."""
    protocol_version = "HTTP/1.0"

    def log_message(self, *args):
        pass

    def reply(self, answer, body):
        if answer.hold is not None:
            answer.hold.wait(30)
        if answer.delay:
            time.sleep(answer.delay)
        if answer.cut:
            self.connection.close()
            return
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json",
                   "Content-Length": str(len(body))}
        headers.update(answer.headers)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if answer.trickle:
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                self.wfile.flush()
                time.sleep(answer.trickle)
        elif self.command != "HEAD":
            self.wfile.write(body)


class Handler(Replier):
    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        issuer, kind = self.server.host.route(self.path, self.headers.get("Host"))
        request = Request(kind, self.command, self.path, self.headers, body,
                          self._peer())
        self.server.host.requests.append(request)
        if issuer is None:
            self.send_error(404)
            return
        self.reply(*issuer.answer(request))

    def _peer(self):
        if isinstance(self.connection, ssl.SSLSocket):
            return self.connection.getpeercert(binary_form=True)
        return None

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError, OSError):
            self.close_connection = True

    do_GET = do_POST = do_HEAD = do_PUT = _serve


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


class IssuerHost:
    """A loopback server with any number of issuers on it."""

    def __init__(self, tls=None, clients=None, names=()):
        """clients: PEM of the certificates that clients may show; names: of the
        host in its own certificate."""
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.host = self
        self.port = self.server.server_address[1]
        if tls:
            with tempfile.NamedTemporaryFile(delete=False) as pem:
                pem.write(certs.server(tls, *names))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem.name)
            os.unlink(pem.name)
            if clients:
                context.load_verify_locations(cadata=clients)
                context.verify_mode = ssl.CERT_OPTIONAL
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
        self.url = "%s://127.0.0.1:%d" % ("https" if tls else "http",
                                          self.port)
        self.issuers = {}
        self.requests = []
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def issuer(self, name, *keys):
        """A new issuer at URL/t/NAME with these keys (default: rs256)."""
        issuer = Issuer(self, name, keys or ("rs256",))
        self.issuers[name] = issuer
        return issuer

    def route(self, path, name=None):
        """(issuer, endpoint) of a path; name: the Host that was asked for."""
        path = urllib.parse.urlsplit(path).path
        prefix = "/.well-known/oauth-authorization-server/t/"
        if path.startswith(prefix):
            return self.issuers.get(path[len(prefix):]), "oauth"
        if path.startswith("/t/"):
            name, _, rest = path[3:].partition("/")
            kind = {".well-known/openid-configuration": "oidc"}.get(rest, rest)
            return self.issuers.get(name), kind
        return None, path

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Backend:
    """An application that says as JSON what reached it."""

    def __init__(self):
        backend = self

        class Echo(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def _serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                if self.headers.get("Transfer-Encoding"):
                    body = self._chunked()
                else:
                    body = self.rfile.read(length)
                seen = {"method": self.command, "path": self.path,
                        "headers": list(self.headers.items()),
                        "body": body.decode("latin-1")}
                backend.requests.append(seen)
                out = json.dumps(seen).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(out)

            def _chunked(self):
                body = b""
                while True:
                    size = int(self.rfile.readline().split(b";")[0], 16)
                    chunk = self.rfile.read(size)
                    self.rfile.readline()
                    if size == 0:
                        return body
                    body += chunk

            do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _serve
            do_OPTIONS = do_PATCH = _serve

        self.requests = []
        self.server = _Server(("127.0.0.1", 0), Echo)
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def headers_of(response):
    """Headers that the backend saw, names in lower case; every value."""
    out = {}
    for name, value in response.json()["headers"]:
        out.setdefault(name.lower(), []).append(value)
    return out
