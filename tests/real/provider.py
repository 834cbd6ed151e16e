# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the cases need to know of a provider, and how its process runs."""
import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from person import Person
from support.httpd import free_port

#: Programs and archives: outside the tree.
CACHE = os.path.abspath(os.environ.get("BEARER_REAL") or os.path.expanduser(
    "~/.cache/mod_auth_bearer-real"))
HERE = os.path.dirname(os.path.abspath(__file__))
AUDIENCE, OTHER = "api://orders", "api://other"
WEB, MACHINE = "web", "batch"
SECRET = "a-secret-of-tests-" + secrets.token_hex(8)
NAME, PASSWORD = "ann", "a-password-of-tests-7"
#: The redirect URI of an application that is not behind httpd.
APPLICATION = "http://127.0.0.1:9/callback"
#: Seconds that access tokens of sessions live. A new one is asked for in its last 30 s,
#: the next one not before three quarters of its life.
SHORT = 34
AGAIN = (SHORT - 29, SHORT * 3 // 4 + 1)


class Absent(Exception):
    """The provider does not have what the case is about."""


class Missing(Exception):
    """`prepare` did not get it."""


def run(command, cwd=None, env=None, log=None):
    """Runs a command of `prepare`; raises with the last lines of its output."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        raise Missing("%s: %s" % (command[0], " | ".join(
            done.stdout.decode("utf-8", "replace").strip().splitlines()[-3:])))


def artifact(name, into):
    """A file from Maven Central, group:artifact:version:type."""
    place = os.path.join(CACHE, into)
    done = os.path.join(place, ".done")
    if not os.path.exists(done):
        run(["mvn", "-q", "-B", "dependency:get", "-Dtransitive=false",
             "-Dartifact=" + name])
        run(["mvn", "-q", "-B", "dependency:copy", "-Dartifact=" + name,
             "-DoutputDirectory=" + place])
        open(done, "w").close()
    return place


def ask(url, form=None, json_body=None, basic=None, token=None, method=None, more=()):
    """A request of a program: (status, parsed JSON or text). more: header fields."""
    data, headers = None, {"Accept": "application/json", **dict(more)}
    if form is not None:
        data = urllib.parse.urlencode(form, doseq=True).encode()
    if json_body is not None:
        data = json.dumps(json_body).encode()
        headers["Content-Type"] = "application/json"
    if basic:
        headers["Authorization"] = "Basic " + base64.b64encode(
            ":".join(basic).encode()).decode()
    if token:
        headers["Authorization"] = "Bearer " + token
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(urllib.request.Request(
            url, data, headers, method=method), timeout=120)
    except urllib.error.HTTPError as e:
        answer = e
    with answer:
        text = answer.read().decode("utf-8", "replace")
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def wanted(answer, *statuses):
    """The JSON of ask(), if the status is a good one."""
    assert answer[0] in (statuses or (200, 201)), answer
    return answer[1]


class Provider:
    """One provider. A class names what is asked of it below; a method that the
    product has no answer to raises Absent."""
    name = version = None
    #: Instead of those of cases.py: the cases, and the configurations of both servers.
    cases = conf = asked_conf = None
    user_claim = "sub"
    auth_method = "client_secret_basic"
    login_scopes = "openid"
    #: The URL of its introspection endpoint, or "discover".
    introspection = "discover"

    @classmethod
    def prepare(cls):
        raise NotImplementedError

    #: The URL of an application behind a proxy.
    upstream = None
    #: The proof of a token request (RFC 9449): the token is bound to its key.
    proof = None

    def __init__(self, site):
        """site: the URL of the httpd whose login this provider serves."""
        self.site, self.port = site, free_port()
        self.process = self.log = None

    @property
    def issuer(self):
        return "http://127.0.0.1:%d" % self.port

    # -- its process -----------------------------------------------------------

    def spawn(self, command, ready, seconds=180, cwd=None, env=None, log="log"):
        """Starts it, with its output in the cache directory, and waits until the
        URL `ready` answers."""
        os.makedirs(os.path.join(CACHE, "logs"), exist_ok=True)
        path = os.path.join(CACHE, "logs", "%s.%s" % (self.name.replace(" ", "-"), log))
        with open(path, "wb") as out:
            process = subprocess.Popen(
                command, cwd=cwd, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True)
        end = time.monotonic() + seconds
        while True:
            try:
                if ask(ready)[0] < 400:
                    return process
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() > end:
                self.end(process)
                raise AssertionError("it did not start: see " + path)
            time.sleep(0.3)

    @staticmethod
    def end(process):
        if process:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def start(self):
        raise NotImplementedError

    def stop(self):
        self.end(self.process)
        self.process = None

    # -- what clients do -------------------------------------------------------

    @property
    def metadata(self):
        return wanted(ask(self.issuer.rstrip("/")
                          + "/.well-known/openid-configuration"))

    def token_request(self, client, **fields):
        return ask(self.metadata["token_endpoint"], fields, basic=(client, SECRET),
                   more=[("DPoP", self.proof)] if self.proof else ())

    def machine(self, audience=AUDIENCE):
        """An access token of a program for this API, or for another one."""
        raise NotImplementedError

    def asked(self, audience=AUDIENCE):
        """The same that the introspection endpoint knows."""
        return self.machine(audience)

    def opaque(self):
        """An access token that is no JWT."""
        raise Absent("JWTs only")

    def person(self):
        return Person(NAME, PASSWORD)

    def code_flow(self):
        """What an application gets that logs a person in by itself."""
        verifier = secrets.token_urlsafe(40)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {"response_type": "code", "client_id": WEB, "scope": self.login_scopes,
                 "redirect_uri": APPLICATION, "state": secrets.token_hex(8),
                 "nonce": secrets.token_hex(8), "code_challenge_method": "S256",
                 "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                 **self.login_parameters()}
        person = self.person()
        page = person.go(self.metadata["authorization_endpoint"] + "?"
                         + urllib.parse.urlencode(query), stop=APPLICATION)
        page = person.walk(page, APPLICATION, stop=APPLICATION)
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(page.trail[-1]).query)
        assert "code" in back, page
        return wanted(self.token_request(
            WEB, grant_type="authorization_code", code=back["code"][0],
            redirect_uri=APPLICATION, code_verifier=verifier, **self.login_parameters()))

    def login_parameters(self):
        """Further parameters of authorization and token requests."""
        return {}

    def revoke(self, token):
        wanted(ask(self.metadata["revocation_endpoint"], {"token": token},
                   basic=(MACHINE, SECRET)), 200)

    def rotate(self):
        """The provider signs with a new key from now on."""
        raise Absent("no rotation at run time")

    def signed_out(self):
        """Fails unless the provider took the last logout for one."""

    def end_person(self, person):
        """The provider ends the person's sessions; True if httpd is told."""
        raise Absent("no back-channel logout")


def copy_tree(source, name):
    """A fresh copy of a directory of the tree in the cache directory."""
    place = os.path.join(CACHE, name)
    shutil.copytree(os.path.join(HERE, source), place, dirs_exist_ok=True)
    return place


def java(heap="512m"):
    return ["java", "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
