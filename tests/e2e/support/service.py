# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A scripted session service on loopback: it records method, path, query, headers and
body of each request, finds sessions by token or cookie, and responds as a test says.
"""
import http.cookies
import json
import threading
import urllib.parse

from .issuer import Answer, Replier, Request, _Server


class Question(Request):
    """One recorded request."""

    @property
    def url(self):
        return urllib.parse.urlsplit(self.path)

    @property
    def cookies(self):
        jar = http.cookies.SimpleCookie(self.headers.get("Cookie") or "")
        return {name: morsel.value for name, morsel in jar.items()}

    def header(self, name):
        return self.headers.get(name)

    @property
    def credentials(self):
        """Everything in the request that may be a credential."""
        scheme, _, value = (self.header("Authorization") or "").partition(" ")
        out = [value] if scheme == "Bearer" else []
        out += self.cookies.values()
        out += [v for n, v in self.headers.items() if n.lower().startswith("x-")]
        return out + list(self.form.values() if self.body else ())


class Handler(Replier):
    def _serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        question = Question("question", self.command, self.path, self.headers,
                            self.rfile.read(length))
        self.reply(*self.server.store.answer(question))

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = _serve
    do_OPTIONS = do_REPORT = _serve


class SessionService:
    """known: credential -> answer (an object). Nobody else is let in: 401."""

    def __init__(self):
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.store = self
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self.known = {}
        self.questions = []
        self._script = None
        self._lock = threading.Lock()
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def script(self, **answer):
        """From now on it answers so; without keywords: normally."""
        with self._lock:
            self._script = Answer(**answer) if answer else None

    def reset(self):
        with self._lock:
            self.questions = []
            self._script = None

    @property
    def last(self):
        with self._lock:
            return self.questions[-1]

    @property
    def count(self):
        with self._lock:
            return len(self.questions)

    def answer(self, question):
        with self._lock:
            self.questions.append(question)
            answer = self._script
        body = answer.body if answer else None
        if body is None:
            found = [self.known[c] for c in question.credentials
                     if c in self.known]
            if not answer and not found:
                answer = Answer(status=401)
            body = json.dumps(found[0] if found else {"error": "no session"})
        answer = answer or Answer()
        return answer, body.encode() if isinstance(body, str) else body

    def close(self):
        self.server.shutdown()
        self.server.server_close()
