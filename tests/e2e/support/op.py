# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A scripted OpenID provider, and a browser made of a cookie jar.

The provider signs everybody in as `op.user` without asking, answers as badly as
a test wants (Issuer.script, or `op.id_token` and `op.tokens` changed), and keeps
what it was asked. The browser keeps cookies by name and attributes and follows
redirects between this server and the provider.
"""
import base64
import hashlib
import json
import re
import secrets as random
import time
import urllib.parse

from . import secrets, tokens
from .client import build, exchange, Response
from .issuer import Answer, Issuer

NAVIGATE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": "none"}
FROM_HERE = {**NAVIGATE, "Sec-Fetch-Site": "same-origin"}


class Provider(Issuer):
    """One issuer with everything that a login needs."""

    def __init__(self, host, name, *keys, client_id="app"):
        super().__init__(host, name, keys or ("rs256",))
        host.issuers[name] = self
        self.client_id = client_id
        self.user = {"sub": "alice", "email": "alice@example.test",
                     "email_verified": True, "name": "Alice"}
        self.userinfo = None
        self.id_token = {}       # claims that override; None: left out
        self.id_token_header = {}
        self.tokens = {}         # members of the token answer that override
        self.nulls = []          # members of the token answer that are null
        self.response = {}       # parameters of the way back that override
        self.end_by = "post_logout_redirect_uri"  # the parameter that it reads
        self.expires_in = None
        self.refresh = False     # does it give refresh tokens?
        self.codes = {}
        self.refresh_tokens = set()
        self.revoked = []
        self.pushed = {}
        self.pushed_only = False  # does it refuse a request in the redirect?
        self.sid = "sid-" + random.token_hex(4)
        self.metadata.update(
            authorization_endpoint=self.url + "/authorize",
            token_endpoint=self.url + "/token")

    def offer(self, **endpoints):
        """offer(userinfo="userinfo", ...): further endpoints of the metadata."""
        for name, path in endpoints.items():
            self.metadata[name] = self.url + "/" + path \
                if isinstance(path, str) else path

    # -- tokens --------------------------------------------------------------

    def claims(self, nonce=None):
        now = int(time.time())
        out = {"iss": self.url, "aud": self.client_id, "iat": now,
               "exp": now + 300, "sid": self.sid, "auth_time": now, **self.user}
        if nonce:
            out["nonce"] = nonce
        return out

    def sign(self, claims, header=None):
        return tokens.mint(self.keys[0], header=header, payload={
            k: v for k, v in claims.items() if v is not None})

    def token_answer(self, nonce=None, scope="openid profile email"):
        access = "at_" + random.token_urlsafe(24)
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {**self.claims(nonce), "at_hash": tokens.b64(half),
                  **self.id_token}
        answer = {"access_token": access, "token_type": "Bearer",
                  "id_token": self.sign(claims, self.id_token_header),
                  "scope": scope}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if self.refresh:
            answer["refresh_token"] = "rt_" + random.token_urlsafe(24)
            self.refresh_tokens.add(answer["refresh_token"])
            secrets.register(answer["refresh_token"])
        answer.update(self.tokens)
        answer = {k: v for k, v in answer.items() if v is not None}
        answer.update(dict.fromkeys(self.nulls))
        secrets.register(access)
        return answer

    def access_token(self, **over):
        """A JWT for api://test; as op.tokens, the token of the next sessions."""
        now = int(time.time())
        token = self.sign({"iss": self.url, "aud": "api://test", "sub": "alice",
                           "client_id": self.client_id, "iat": now, "exp": now + 300,
                           "jti": random.token_hex(8), **over}, {"typ": "at+jwt"})
        secrets.register(token)
        return token

    def give(self, token):
        """The access token of the sessions that begin from now on."""
        self.tokens = {**self.tokens, "access_token": token}
        self.id_token = {**self.id_token, "at_hash": None}

    def logout_token(self, header=None, **over):
        now = int(time.time())
        claims = {"iss": self.url, "aud": self.client_id, "iat": now,
                  "exp": now + 120, "jti": random.token_hex(8),
                  "events": {"http://schemas.openid.net/event/"
                             "backchannel-logout": {}}, "sid": self.sid}
        claims.update(over)
        return self.sign(claims, {"typ": "logout+jwt", **(header or {})})

    # -- endpoints -----------------------------------------------------------

    def answer(self, request):
        action = {"authorize": self._authorize, "token": self._token,
                  "userinfo": self._userinfo, "par": self._par,
                  "revoke": self._revoke, "end": self._end}.get(request.kind)
        scripted = request.kind in self._answers
        if not action or scripted:
            return super().answer(request)
        with self._lock:
            self.requests.append(request)
        return action(request)

    @staticmethod
    def _json(value, status=200):
        return Answer(status), json.dumps(value).encode()

    def _query(self, request):
        return dict(urllib.parse.parse_qsl(
            urllib.parse.urlsplit(request.path).query, keep_blank_values=True))

    def _authorize(self, request):
        query = self._query(request)
        if "request_uri" in query:
            query = self.pushed.pop(query["request_uri"])
        elif self.pushed_only:
            return Answer(302, headers={
                "Location": query["redirect_uri"] + "?" + urllib.parse.urlencode({
                    "error": "invalid_request", "state": query["state"]})}), b""
        self.asked = query
        code = "code_" + random.token_urlsafe(24)
        secrets.register(code, query["state"], query["nonce"])
        self.codes[code] = query
        back = {"code": code, "state": query["state"], **self.response}
        back = {k: v for k, v in back.items() if v is not None}
        return Answer(302, headers={
            "Location": query["redirect_uri"] + "?"
            + urllib.parse.urlencode(back)}), b""

    def _token(self, request):
        form = request.form
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") not in self.refresh_tokens:
                return self._json({"error": "invalid_grant"}, 400)
            self.refresh_tokens.remove(form["refresh_token"])  # rotation
            return self._json(self.token_answer())
        asked = self.codes.pop(form.get("code"), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode())
        if not asked or asked["code_challenge"] != tokens.b64(
                verifier.digest()) or \
                asked["redirect_uri"] != form.get("redirect_uri"):
            return self._json({"error": "invalid_grant"}, 400)
        return self._json(self.token_answer(asked["nonce"], asked["scope"]))

    def _userinfo(self, request):
        return self._json(self.userinfo if self.userinfo is not None
                          else self.user)

    def _par(self, request):
        uri = "urn:ietf:params:oauth:request_uri:" + random.token_hex(8)
        self.pushed[uri] = request.form
        return self._json({"request_uri": uri, "expires_in": 60}, 201)

    def _revoke(self, request):
        self.revoked.append(request.form)
        self.refresh_tokens.discard(request.form.get("token"))
        return self._json({})

    def _end(self, request):
        query = self._query(request)
        self.ended = dict(query)
        self.revoked_at_end = list(self.revoked)
        return Answer(302, headers={"Location": query[self.end_by]}), b""


class Cookie:
    """A Set-Cookie line taken apart."""

    def __init__(self, line):
        parts = [part.strip() for part in line.split(";")]
        self.line = line
        self.name, _, self.value = parts[0].partition("=")
        self.attributes = {}
        for part in parts[1:]:
            name, _, value = part.partition("=")
            self.attributes[name.lower()] = value
        if len(self.value) >= 16:
            secrets.register(self.value)

    @property
    def gone(self):
        return self.attributes.get("max-age") == "0"


class Browser:
    """Cookies of one server, and redirects between it and the provider. origin:
    how the server is known outside, if not by its address. h2: over HTTP/2."""

    def __init__(self, server, origin=None, h2=False):
        self.server = server
        self.h2 = h2
        self.origin = origin or server.url
        self.cookies = {}
        self.set = []          # Cookie of the last answer
        self.trail = []        # URLs since the last go()

    def clone(self):
        other = Browser(self.server, self.origin, self.h2)
        other.cookies = dict(self.cookies)
        return other

    def field(self):
        return "; ".join("%s=%s" % pair for pair in self.cookies.items())

    def send(self, method, path, headers=None, body=b"", **kw):
        headers = dict(headers or {})
        if self.cookies and "Cookie" not in headers:
            headers["Cookie"] = self.field()
        kw.setdefault("h2", self.h2)
        res = self.server.request(method, path, headers=headers, body=body, **kw)
        self.set = [Cookie(line) for line in res.all("Set-Cookie")]
        for cookie in self.set:
            if cookie.gone:
                self.cookies.pop(cookie.name, None)
            else:
                self.cookies[cookie.name] = cookie.value
        return res

    def get(self, path, headers=None, **kw):
        return self.send("GET", path, headers, **kw)

    def navigate(self, path, headers=NAVIGATE, **kw):
        """One request as a browser whose user typed an address."""
        return self.send("GET", path, headers, **kw)

    def sign_out(self, **kw):
        """Follows a link of this site to the end."""
        return self.go("/.auth/logout", headers=FROM_HERE, **kw)

    def provider(self, url):
        """One request to the provider; returns where it sends us."""
        parts = urllib.parse.urlsplit(url)
        raw = exchange(parts.port, build(
            "GET", parts.path + "?" + parts.query, NAVIGATE))
        return Response(raw)

    def path_of(self, url):
        """The path on our server, or None."""
        if url.startswith(self.origin + "/"):
            return url[len(self.origin):]
        return None

    def go(self, path, limit=12, stop=None, headers=NAVIGATE, **kw):
        """Follows redirects from a navigation to the end, or to the first URL
        that matches stop."""
        self.trail = [self.origin + path]
        res = self.navigate(path, headers, **kw)
        while res.status in (302, 303):
            url = res.get("Location")
            self.trail.append(url)
            assert len(self.trail) <= limit, "a loop: %s" % self.trail
            if stop and re.search(stop, url):
                return res
            own = self.path_of(url)
            res = self.navigate(own, **kw) if own else self.provider(url)
        return res
