# Licensed under the Apache License, Version 2.0; see LICENSE.
"""htbearer explain: why the server says what it says.

What explain says of a path is compared with what a real server answers there.
"""
import hashlib
import json
import os
import random
import re
import subprocess
import time

import pytest

from support import certs, tokens
from support.expect import issuer_conf, location
from support.httpd import HTBEARER, HTTPD, SLOW, Httpd

ISS = tokens.ISS
AUD = tokens.AUD

CONF = issuer_conf() + location("/orders", require="scope orders.read") + """
<Location "/all">
    AuthType Bearer
    AuthBearerAudience %(aud)s
    <RequireAll>
        Require scope orders.read
        Require role admin
    </RequireAll>
</Location>
<LocationMatch "^/v[0-9]+/">
    AuthType Bearer
    AuthBearerAudience api://versions
    Require valid-user
</LocationMatch>
<Location "/late">
    AuthType Bearer
    AuthBearerAudience %(aud)s
    Require valid-user
</Location>
<Location "/late/inner">
    AuthBearerAudience api://inner
</Location>
<If "%%{REQUEST_URI} =~ m#^/if#">
    AuthType Bearer
    AuthBearerAudience %(aud)s
    AuthBearerUserClaim sub "^(..)" "$1"
    Require user al
</If>
<Location "/any">
    AuthType Bearer
    AuthBearerAudience %(aud)s
    Require scope orders.read
    Require scope never.asked
</Location>
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
</Directory>
""" % {"aud": AUD}
FILES = {"jwks.json": tokens.jwks("rs256"),
         "htdocs/files/.htaccess": "AuthType Bearer\nAuthBearerAudience %s\n"
                                   "Require claim sub:alice\n" % AUD,
         "htdocs/files/x.txt": "x\n"}


@pytest.fixture(scope="module")
def server():
    made = Httpd(CONF, files=FILES)
    made.start()
    yield made
    made.close()


class Explained:
    def __init__(self, done, token):
        self.status = done.returncode
        self.out, self.err = done.stdout.decode(), done.stderr.decode()
        assert self.status in (0, 1, 2), self
        assert "Sanitizer" not in self.err, self
        if token.count(".") == 2 and len(token.split(".")[2]) > 8:
            signature = token.split(".")[2]
            assert signature[:8] not in self.out + self.err, self
            assert token not in self.out + self.err

    def __repr__(self):
        return "<%d>\n%s\n--\n%s" % (self.status, self.out, self.err)

    @property
    def json(self):
        return json.loads(self.out)

    def check(self, name):
        return [c for c in self.json["checks"] if c["check"] == name][0]

    @property
    def failed(self):
        return [c["check"] for c in self.json["checks"]
                if c["result"] == "failed"]


def explain(token, *args, as_json=True):
    if isinstance(token, str):
        token = token.encode("utf-8", "surrogateescape")
    args = list(args) + (["--json"] if as_json else [])
    done = subprocess.run([HTBEARER, "explain", *args], input=token,
                          capture_output=True, timeout=90 * SLOW)
    return Explained(done, token.decode("utf-8", "replace"))


def at(server, token, path, *args, **kw):
    return explain(token, "-f", server.path("httpd.conf"), "--httpd", HTTPD,
                   *args, path, **kw)


def options(*args, keys=None, issuer=ISS):
    return ["--issuer", issuer, "--audience", AUD] + (
        ["--keys", keys] if keys else []) + list(args)


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(tokens.jwks("rs256"))
    return str(path)


# ---- the same as the server ---------------------------------------------------

CASES = [
    ("/orders", {}, 200),
    ("/orders", {"aud": "account"}, 401),
    ("/orders", {"exp": 1000}, 401),
    ("/orders", {"iss": "https://other.test/"}, 401),
    ("/orders", {"scope": "orders.write"}, 403),
    ("/orders", {"nonce": "n", "scope": None}, 401),
    ("/orders", {"signer": "rs256-other"}, 401),
    ("/all", {}, 403),
    ("/all", {"roles": ["admin"]}, 200),
    ("/v1/x", {}, 401),
    ("/v2/x", {"aud": "api://versions"}, 200),
    ("/late/inner/x", {}, 401),
    ("/late/inner/x", {"aud": "api://inner"}, 200),
    ("/if", {}, 200),
    ("/if", {"sub": "bob"}, 403),
    ("/files/x.txt", {}, 200),
    ("/files/x.txt", {"sub": "bob"}, 403),
]


def timeless(refusal):
    """Two who are asked one after the other need not see the same second."""
    return re.sub(r"expired .+? ago", "expired some time ago", refusal)


@pytest.mark.parametrize("path, over, status", CASES)
def test_it_says_what_the_server_answers(server, path, over, status):
    over = dict(over)
    signer = over.pop("signer", "rs256")
    if signer == "rs256-other":
        other = tokens.mint("rs256", **over)
        token = other[:-12] + ("A" * 12 if other[-12:] != "A" * 12 else "B" * 12)
    else:
        token = tokens.mint(signer, **over)
    answer = server.get(path, token)
    assert answer.status == status, answer
    said = at(server, token, path)
    assert said.status == (0 if status == 200 else 1), said
    assert said.json["status"] == status
    assert said.json["granted"] is (status == 200)
    if status != 200:
        line = answer.logged(None, "%s/%s" % (answer.error, answer.check))[0].text
        assert timeless(said.json["refusal"]) in timeless(line), (said, line)
        assert said.json.get("challenge") == answer.get("WWW-Authenticate")


def test_environment_and_headers_are_those_of_the_server(server):
    token = tokens.mint(roles=["admin", "dev"], exp=4102444800, iat=None)
    env = server.get("/orders/env", token).env
    said = at(server, token, "/orders/env").json
    for name, value in said["environment"].items():
        assert env[name] == value, name
    assert said["environment"]["BEARER_ROLES"] == "admin,dev"
    assert said["headers"]["X-Forwarded-User"] == "alice"
    assert said["principal"]["user"] == "alice"


def test_requires_have_their_results(server):
    def results(path, **over):
        return {r["line"]: r["result"] for r in
                at(server, tokens.mint(**over), path).json["requires"]}
    assert results("/all")["Require scope orders.read"] == "granted"
    assert results("/all")["Require role admin"] == "denied"
    assert results("/any")["Require scope never.asked"].startswith("not asked")
    assert results("/any", aud="x")["Require scope orders.read"] == "not reached"


def test_a_check_that_failed_names_value_wanted_and_directive(server):
    said = at(server, tokens.mint(aud="account"), "/orders")
    aud = said.check("audience")
    assert aud["result"] == "failed"
    assert "account" in aud["detail"] and AUD in aud["detail"]
    assert aud["directive"] == "AuthBearerAudience"
    text = at(server, tokens.mint(aud="account"), "/orders", as_json=False).out
    assert "audience        FAILED" in text
    assert "directive: AuthBearerAudience" in text
    assert text.index("signature") < text.index("audience")


def test_checks_behind_a_failed_one_are_shown_or_not_reached(server):
    said = at(server, tokens.mint(alg="RS256", header={"alg": "HS256"},
                                  secret=b"x" * 32, aud="account"), "/orders")
    assert said.failed[:2] == ["header", "audience"]
    assert said.check("signature")["result"] == "not reached"
    assert [c["number"] for c in said.json["checks"]] == sorted(
        c["number"] for c in said.json["checks"])


def test_path_without_bearer(server):
    said = at(server, tokens.mint(), "/nothing")
    assert said.status == 2 and "AuthType Bearer" in said.err


def test_virtual_hosts():
    made = Httpd(issuer_conf() + "".join("""
<VirtualHost *:@PORT@>
    ServerName %s.test
    ServerAlias *.%s.test
    %s
</VirtualHost>
""" % (name, name, location("/x", audience="api://" + name))
        for name in ("one", "two")), files=FILES)
    try:
        token = tokens.mint(aud="api://two")
        said = at(made, token, "/x")
        assert said.status == 2 and "--host" in said.err and "one.test" in said.err
        assert at(made, token, "/x", "--host", "one.test").status == 1
        assert at(made, token, "/x", "--host", "two.test").status == 0
        assert at(made, token, "/x", "--host", "www.TWO.test").status == 0
        said = at(made, token, "/x", "--host", "three.test")
        assert said.status == 2 and "three.test" in said.err
    finally:
        made.close()


def test_configuration_that_httpd_refuses():
    made = Httpd(issuer_conf() + location("/x", audience=None), files=FILES)
    try:
        said = at(made, tokens.mint(), "/x")
        assert said.status == 2 and "AuthBearerAudience" in said.err
    finally:
        made.close()


def test_httpd_that_hangs_or_dies(server, tmp_path):
    program = tmp_path / "httpd"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n")
    program.chmod(0o755)
    said = explain(tokens.mint(), "-f", server.path("httpd.conf"), "--httpd",
                   str(program), "/x")
    assert said.status == 2 and "signal 11" in said.err
    said = explain(tokens.mint(), "-f", server.path("httpd.conf"), "--httpd",
                   "/nonexistent", "/x")
    assert said.status == 2 and "--httpd" in said.err
    said = explain(tokens.mint(), "-f", "/nonexistent", "/x")
    assert said.status == 2 and "/nonexistent" in said.err


MARK = "htbearer explain: "

#: What a httpd may do instead of answering: a script, what is said of it.
HOSTILE = {
    "flood": ("yes '%s{\"granted\": true}' | head -c 9000000" % MARK, None),
    "noise": ("head -c 3000000 /dev/urandom; head -c 900000 /dev/urandom >&2",
              "not loaded"),
    "escapes": ("printf '\\033[2J\\033]0;x\\007\\n' >&2; exit 1", "rejects"),
    "escapes-answer": (
        "printf '%s{\"status\": 401, \"refusal\": \"\\\\u001b[2J\\\\n\"}\\n'" % MARK,
        None),
    "types": ("echo '%s{\"checks\": {}, \"requires\": [{}, 1], \"settings\": 3, "
              "\"principal\": []}'" % MARK, None),
    "no-object": ("echo '%s[1'" % MARK, "not loaded"),
    "deep": ("echo '%s'\"$(head -c 90000 /dev/zero | tr '\\0' '[')\"" % MARK,
             "not loaded"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_httpd(server, tmp_path, name):
    script, phrase = HOSTILE[name]
    program = tmp_path / "httpd"
    program.write_text("#!/bin/sh\n%s\n" % script)
    program.chmod(0o755)
    said = explain(tokens.mint(), "-f", server.path("httpd.conf"), "--httpd",
                   str(program), "/x", as_json=False)
    assert not re.search(r"[^\n\x20-\x7e]", said.out + said.err), said
    if phrase:
        assert said.status == 2 and phrase in said.err, said
    else:
        assert said.status in (0, 1), said


def test_httpd_that_hangs_is_ended(server, tmp_path):
    program = tmp_path / "httpd"
    program.write_text("#!/bin/sh\nsleep 1000\n")
    program.chmod(0o755)
    said = explain(tokens.mint(), "-f", server.path("httpd.conf"), "--httpd",
                   str(program), "/x")
    assert said.status == 2 and "did not answer within 60 seconds" in said.err


CONFIGURATIONS = {
    "garbage": bytes(range(256)) * 40,
    "endless": b'Include "@SELF@"\n',
    "huge": b"# " + b"x" * 5000000 + b"\n",
    "unclosed": b"<Location /x>\n" * 5000,
    "escapes": b"\x1b[2J\x1b]0;owned\x07 On\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_hostile_configurations(tmp_path, name):
    path = tmp_path / "httpd.conf"
    path.write_bytes(CONFIGURATIONS[name].replace(b"@SELF@",
                                                  str(path).encode()))
    said = explain(tokens.mint(), "-f", str(path), "--httpd", HTTPD, "/x",
                   as_json=False)
    assert said.status == 2 and said.err and not said.out, said
    assert not re.search(r"[^\n\x20-\x7e]", said.err), said


# ---- by options ---------------------------------------------------------------

@pytest.fixture(params=["options", "configuration"])
def by_list(request, keys, tmp_path):
    """A list, and what to ask with so that it counts."""
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    if request.param == "options":
        yield revoked, options("--revocations", str(revoked), keys=keys)
    else:
        made = Httpd("AuthBearerRevocations file:%s\n%s" % (revoked, CONF), files=FILES)
        yield revoked, ["-f", made.path("httpd.conf"), "--httpd", HTTPD, "/orders"]
        made.close()


def test_a_list_with_the_digest_of_the_whole_token(by_list):
    """Which revokes nothing; people who write lines by hand are told."""
    (revoked, args), token = by_list, tokens.mint()
    for part, status, told in ((token, 0, True), (token[:-1], 0, False),
                               (token.rpartition(".")[0], 1, False)):
        revoked.write_text("token %s 0\n"
                           % hashlib.sha256(part.encode()).hexdigest())
        said = explain(token, *args)
        assert said.status == status, said
        assert ("SHA-256 of the whole token" in said.err) is told, said


def test_options_instead_of_a_configuration(keys):
    said = explain(tokens.mint(), *options("--require", "scope orders.read",
                                           "--require", "role x", keys=keys))
    assert said.status == 0, said
    assert [r["result"] for r in said.json["requires"]] == ["granted", "denied"]
    assert said.json["environment"]["REMOTE_USER"] == "alice"
    token = tokens.mint(act={"sub": "proxy"},
                        authorization_details=[{"type": "payment", "actions": ["read"]}],
                        acr="tin", auth_time=int(time.time()))
    rules = (("actor proxy", "granted"), ("actor x", "denied"),
             ("authorization-details payment actions=read", "granted"),
             ("authorization-details payment actions=write", "denied"),
             ("authorization-details payment actions=", "actions= is empty"),
             ("authentication acr=gold,tin max-age=1h", "granted"),
             ("authentication acr=gold", "denied"),
             ("bearer-expr true", "without -f, bearer-expr and rules of other modules are not "
              "evaluated"))
    said = explain(token, *options(*(word for rule, _ in rules for word in ("--require", rule)),
                                   keys=keys))
    assert [r["result"] for r in said.json["requires"]] == [result for _, result in rules]
    said = explain(token, *options("--require", "authentication acr=gold", keys=keys))
    assert said.json["status"] == 401 and "authentication/acr" in said.json["refusal"]

    said = explain(tokens.mint(), *options("--require", "role x", keys=keys))
    assert said.status == 1 and said.json["status"] == 403
    said = explain(tokens.mint(iss="https://other.test/"), *options(keys=keys))
    assert said.status == 1 and "issuer" in said.failed
    template = "https://login.test/{tenant}/"
    said = explain(tokens.mint(iss="https://login.test/t-1/"), "--issuer", template,
                   "--tenant", "t-1", "--keys", keys, "--audience", tokens.AUD,
                   "--require", "issuer " + template,
                   "--require", "issuer https://login.test/t-1/",
                   "--require", "issuer https://login.test/t-2/")
    assert [r["result"] for r in said.json["requires"]] == [
        "granted", "granted", "denied"], said
    said = explain(tokens.mint(), "--issuer", ISS, "--keys", keys)
    assert said.status == 2 and "--audience" in said.err


# ---- proof of possession --------------------------------------------------------

URL = "https://api.test/orders"


@pytest.fixture
def client(tmp_path):
    """A client with a key: client.bound() is a token for it, client.proof() its proof."""
    class Client:
        def __init__(self):
            self.key = self.write("client.pem", tokens.key("es256-client").private_pem())
            self.jkt = json.loads(self.run("decode", stdin=self.run(
                "sign", "--key", self.key, "--dpop", self.key)).split("}", 1)[1])["cnf"]["jkt"]

        def write(self, name, content):
            path = tmp_path / name
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(0o600)
            return str(path)

        def run(self, *args, stdin=""):
            return subprocess.run([HTBEARER, *args], input=stdin.encode(), check=True,
                                  capture_output=True).stdout.decode()

        def bound(self, **over):
            return tokens.mint(cnf={"jkt": self.jkt}, **over)

        def proof(self, token, url=URL, *args):
            """The file with it."""
            return self.write("proof", self.run("proof", "--key", self.key, "--url", url, *args,
                                                stdin=token))
    return Client()


def test_a_bound_token_without_its_proof(keys, client):
    said = explain(client.bound(), *options(keys=keys))
    assert said.status == 1 and said.json["status"] == 401, said
    assert said.failed == ["binding"]
    check = said.check("binding")
    assert (check["number"], check["directive"], check["reason"], check["category"]) == (
        11, "AuthBearerProof", "binding", "binding")
    assert "--binding ignore" not in said.out and "without a proof" in check["detail"]
    assert "principal" not in said.json and "environment" not in said.json
    text = explain(client.bound(), *options(keys=keys), as_json=False)
    assert re.search(r"^  11  binding +FAILED\n.*cnf\.jkt.*\n      directive: AuthBearerProof$",
                     text.out, re.M), text
    said = explain(client.bound(), *options("--binding", "ignore", keys=keys))
    assert said.status == 0 and "BEARER_PROOF" not in said.json["environment"]
    assert said.json["checks"][-1]["check"] == "identifier"


def test_a_proof_is_explained_check_by_check(keys, client):
    token = client.bound()
    said = explain(token, *options("--proof", client.proof(token), "--url", URL, keys=keys))
    assert said.status == 0, said
    assert said.json["environment"]["BEARER_PROOF"] == "dpop"
    names = [c["check"] for c in said.json["checks"]]
    proofs = names[names.index("binding"):]
    assert len(proofs) > 10 and proofs[-1] == "proof signature"
    assert {c["number"] for c in said.json["checks"][-len(proofs):]} == {11}
    # every check that fails says so, with what can be changed
    said = explain(token, *options(
        "--proof", client.proof(token + "x", "https://other.test/", "--now", "1700000000"),
        "--url", URL, "--method", "POST", "--binding", "dpop", keys=keys))
    assert said.status == 1, said
    assert said.failed == ["proof method", "proof URL", "proof token", "proof time"]
    assert said.check("proof URL")["directive"] == "AuthBearerBaseURL"
    assert "https://other.test/" in said.check("proof URL")["detail"]
    assert said.check("proof time")["directive"] == "AuthBearerProof"
    assert said.check("proof signature")["result"] == "passed"
    assert "proof/proof_request" in said.json["refusal"] and said.json["status"] == 401


def test_a_proof_of_something_else(keys, client):
    token = client.bound()
    for content, failed in (("x", ["proof form"]), (token, ["proof type"])):
        said = explain(token, *options("--proof", client.write("proof", content), "--url", URL,
                                       keys=keys))
        assert said.status == 1 and said.failed[0] == failed[0], said
    said = explain(tokens.mint(), *options("--proof", client.proof(token), "--url", URL,
                                           keys=keys))
    assert said.failed == ["binding"], said
    said = explain(tokens.mint(), *options("--binding", "mtls", keys=keys))
    assert said.failed == ["binding"] and "mtls" in said.check("binding")["detail"], said


def test_a_certificate(keys, client):
    cert = client.write("cert.pem", certs.client("a"))
    other = client.write("other.pem", certs.client("b"))
    token = client.run("sign", "--key", client.key, "--mtls", cert)
    x5t = json.loads(client.run("decode", stdin=token).split("}", 1)[1])["cnf"]["x5t#S256"]
    token = tokens.mint(cnf={"x5t#S256": x5t})
    said = explain(token, *options("--certificate", cert, keys=keys))
    assert said.status == 0 and said.json["environment"]["BEARER_PROOF"] == "mtls", said
    for args in ([], ["--certificate", other]):
        said = explain(token, *options(*args, keys=keys))
        assert said.status == 1 and said.failed == ["certificate"], said
        assert said.check("certificate")["directive"] == "AuthBearerProof"
    token = tokens.mint(cnf={"x5t#S256": x5t, "jkt": client.jkt})
    said = explain(token, *options("--certificate", cert, "--proof", client.proof(token),
                                   "--url", URL, keys=keys))
    assert said.status == 0 and said.json["environment"]["BEARER_PROOF"] == "dpop,mtls", said


ORIGIN = "https://api.test"
PROVEN = """
AuthBearerBaseURL %s
AuthBearerSecretFile @ROOT@/secret
""" % ORIGIN + issuer_conf() + "".join(
    location("/%s" % name, "AuthBearerThrottle off" + (line and "\nAuthBearerProof " + line))
    for name, line in (("auto", ""), ("ignore", "ignore"), ("dpop", "dpop window=5s"),
                       ("mtls", "mtls"), ("nonce", "dpop nonce=on"),
                       ("proxy", "mtls certificate=X-Cert from=192.0.2.7")))


@pytest.fixture(scope="module")
def proven():
    made = Httpd(PROVEN, files={"jwks.json": tokens.jwks("rs256"),
                                "secret": (b"s" * 48, 0o600)})
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("path, case, status", [
    ("/auto", {}, 200), ("/auto", {"bearer": True}, 401), ("/ignore", {"bearer": True}, 200),
    ("/auto", {"plain": True}, 401), ("/auto", {"plain": True, "bearer": True}, 200),
    ("/dpop", {"plain": True, "bearer": True}, 401), ("/dpop", {}, 200),
    ("/mtls", {}, 401), ("/auto", {"url": "https://other.test/auto"}, 401),
    ("/auto", {"args": ["--method", "POST"]}, 401), ("/auto?a=b", {}, 200),
    ("/dpop", {"args": ["--now", "-30"]}, 401), ("/auto", {"args": ["--now", "-30"]}, 200),
    ("/nonce", {}, 401)])
def test_possession_as_the_server_says(proven, client, path, case, status):
    """Each with a proof of its own: a server accepts it once, explain any number of times."""
    token = tokens.mint() if case.get("plain") else client.bound()
    args = [str(int(time.time()) + int(a)) if a == "-30" else a for a in case.get("args", [])]
    proof = client.proof(token, case.get("url") or ORIGIN + path, *args)
    with open(proof, encoding="ascii") as file:
        field = file.read().strip()
    bearer = case.get("bearer")
    answer = proven.get(path, headers=[("Authorization", "%s %s" % (
        "Bearer" if bearer else "DPoP", token))] + ([] if bearer else [("DPoP", field)]))
    assert answer.status == status, answer
    for _ in range(2):
        said = at(proven, token, path, *([] if bearer else ["--proof", proof]))
        assert said.json["status"] == status, said
        assert said.status == (0 if status == 200 else 1), said
        if status == 401:
            line = answer.logged(None, "%s/%s" % (answer.error, answer.check))[0].text
            assert re.sub(r"made \d+ s", "", said.json["refusal"]) in re.sub(
                r"made \d+ s", "", line), (said, line)
            assert said.json.get("challenge") == answer.get("WWW-Authenticate")


def test_possession_in_the_answer_of_a_server(proven, client):
    token = client.bound()
    said = at(proven, token, "/dpop", "--proof", client.proof(token, ORIGIN + "/dpop"))
    assert said.json["environment"]["BEARER_PROOF"] == "dpop", said
    names = [c["check"] for c in said.json["checks"]]
    assert names.index("binding") < names.index("proof form") < names.index("proof signature")
    assert {c["result"] for c in said.json["checks"]} == {"passed"}
    assert not [h for h in said.json["headers"] if h.lower() == "dpop"]
    said = at(proven, token, "/dpop")
    assert said.failed == ["binding"] and said.json["checks"][-1]["check"] == "binding"
    assert said.check("binding")["directive"] == "AuthBearerProof"
    said = at(proven, token, "/mtls")
    assert "AuthBearerProof is mtls" in said.check("binding")["detail"]
    said = at(proven, token, "/dpop", "--proof",
              client.proof(token, "https://other.test/", "--now", "1700000000"))
    assert said.failed == ["proof URL", "proof time"], said
    assert ORIGIN + "/dpop" in said.check("proof URL")["detail"]
    said = at(proven, token, "/dpop", "--proof",
              client.proof(token, ORIGIN + "/dpop", "--method", "PUT"), "--method", "PUT")
    assert said.status == 0, said


@pytest.mark.parametrize("path, address", [
    ("/mtls", "192.0.2.7"), ("/auto", "192.0.2.8"), ("/proxy", "192.0.2.7"),
    ("/proxy", "192.0.2.8")])
def test_a_certificate_for_a_server(proven, client, path, address):
    """From mod_ssl, or from the proxy's header."""
    cert = client.write("cert.pem", certs.client("a"))
    other = client.write("other.pem", certs.client("b"))
    x5t = json.loads(client.run("decode", stdin=client.run(
        "sign", "--key", client.key, "--mtls", cert)).split("}", 1)[1])["cnf"]["x5t#S256"]
    token = tokens.mint(cnf={"x5t#S256": x5t})
    for args, granted in ((["--certificate", cert], True), (["--certificate", other], False),
                          ([], False)):
        said = at(proven, token, path, "--address", address, *args)
        assert said.json["granted"] is granted, said
        assert said.failed == ([] if granted else ["certificate"]), said
        if granted:
            assert said.json["environment"]["BEARER_PROOF"] == "mtls", said


# ---- requests of explain --------------------------------------------------------

def test_the_issuer_is_asked_and_that_is_said_before(issuers):
    issuer = issuers.issuer("explain", "rs256")
    said = explain(issuer.mint(), *options(issuer=issuer.url))
    assert said.status == 0, said
    assert "requesting" in said.err and "/.well-known/" in said.err
    before = issuer.count()
    said = explain(issuer.mint(), *options("--offline", issuer=issuer.url))
    assert said.status == 1 and said.json["status"] == 503
    assert "offline" in said.json["refusal"]
    assert issuer.count() == before


def test_the_issuer_is_asked_by_the_server_too(issuers):
    issuer = issuers.issuer("explain-server", "rs256")
    made = Httpd("AuthBearerIssuer %s\n%s" % (issuer.url, location("/x")))
    try:
        said = at(made, issuer.mint(aud=AUD), "/x")
        assert said.status == 0, said
        assert "requesting" in said.err
        before = issuer.count()
        said = at(made, issuer.mint(aud=AUD), "/x", "--offline")
        assert said.status == 1 and issuer.count() == before
    finally:
        made.close()


def test_kinds_of_tokens(keys):
    """Options and directives come to the same verdict."""
    kinds = {"/": (), "/scoped": ("--id-tokens", "scoped"), "/accept": ("--id-tokens", "accept"),
             "/types": ("--token-type", "wit+jwt")}
    made = Httpd(issuer_conf() + location("/") + location(
        "/scoped", "AuthBearerIDTokens scoped") + location(
            "/accept", "AuthBearerIDTokens accept\nAuthBearerClients web") + location(
                "/types", "AuthBearerTokenTypes wit+jwt"), files=FILES)
    web = {"client_id": "web"}
    minted = [tokens.mint(**web), tokens.mint(nonce="n", aud=[AUD, "web"], **web),
              tokens.mint(nonce="n", scope=None, **web),
              tokens.mint(header={"typ": "wit+jwt"}, **web)]
    granted = set()
    try:
        made.start()
        for number, token in enumerate(minted):
            for path, args in kinds.items():
                answer = made.get(path, token)
                said = explain(token, *options(*args, "--client", "web", keys=keys))
                assert said.json["status"] == answer.status, (path, token, said)
                if answer.status == 200:
                    granted.add((number, path))
    finally:
        made.close()
    assert granted == {(0, path) for path in kinds} | {
        (1, "/scoped"), (1, "/accept"), (2, "/accept"), (3, "/types")}


@pytest.mark.parametrize("args, phrase", [
    (("--id-tokens", "all"), "--id-tokens"),
    (("--token-type", "dpop+jwt"), "never an access token")])
def test_kinds_that_are_none(keys, args, phrase):
    said = explain(tokens.mint(), *options(*args, keys=keys))
    assert said.status == 2 and phrase in said.err, said


def test_spiffe(tmp_path, issuers):
    host = issuers.issuer("explain-spiffe")
    host.keys = [tokens.key("es256").jwk(use="jwt-svid", alg=None)]
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"keys": host.keys}))
    svid = tokens.mint("es256", header={"typ": "JOSE"}, payload={
        "sub": "spiffe://td.test/ns/a", "aud": AUD, "exp": int(time.time()) + 300})
    for source in str(path), "file:%s" % path, host.jwks_url:
        said = explain(svid, *options(keys="spiffe:" + source, issuer="spiffe://td.test"))
        assert said.status == 0, said
        assert said.json["principal"]["user"] == "spiffe://td.test/ns/a"
        said = explain(svid, *options(keys=source, issuer="spiffe://td.test"))
        assert said.status == 1, said


# ---- garbage --------------------------------------------------------------------

def garbage():
    rng = random.Random(8)
    yield b""
    yield b"\x00"
    yield b"\xff\xfe.\xff.\xff"
    yield b"a.b.c"
    yield b"." * 1000
    yield b"eyJhbGciOiJub25lIn0.e30."
    yield b"x" * (100 * 1024)
    yield b"x" * (200 * 1024)
    yield (tokens.mint() + "\n" + tokens.mint()).encode()
    yield tokens.mint(raw_payload="[" * 5000).encode()
    yield tokens.mint(raw_payload='{"iss":"\\u0000","a":"\x1b[31m"}').encode()
    yield tokens.mint(header={"kid": "\x1b]0;x\x07"}).encode()
    yield tokens.mint(sub="\x1b[31mred\u202e", scope="\x1b[2J").encode()
    for _ in range(10):
        good = bytearray(tokens.mint().encode())
        for _ in range(rng.randrange(1, 6)):
            good[rng.randrange(len(good))] = rng.randrange(256)
        yield bytes(good)


@pytest.mark.parametrize("token", garbage(), ids=lambda t: repr(t[:16]))
def test_garbage_is_refused_quietly(keys, token):
    for as_json in (True, False):
        said = explain(token, *options(keys=keys), as_json=as_json)
        assert said.status in (1, 2), said
        for text in (said.out, said.err):
            assert all(c == "\n" or " " <= c <= "~" for c in text), said


@pytest.mark.parametrize("token", [b"\xff.\xff.\xff", b"x" * (100 * 1024),
                                   b"a\r\nHost: x", b"a b", b'"}', b"a.b.c"],
                         ids=lambda t: repr(t[:16]))
def test_garbage_is_refused_by_the_server_quietly(server, token):
    said = at(server, token, "/orders", as_json=False)
    assert said.status == 1, said
    assert all(c == "\n" or " " <= c <= "~" for c in said.out + said.err)


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/x", "/%zz",
                                  "/" + "a" * 20000, "/x?token=y", "//orders",
                                  "/\x1b[31m"])
def test_hostile_paths(server, path):
    said = at(server, tokens.mint(), path, as_json=False)
    assert said.status in (0, 1, 2)
    assert all(c == "\n" or " " <= c <= "~" for c in said.out + said.err)


@pytest.mark.parametrize("args, phrase", [
    ([], "--issuer"), (["/x"], "-f FILE"), (["-f", "x"], "one path"),
    (["-f", "x", "no-slash"], "one path"),
    (["-f", "x", "--audience", "y", "/x"], "--audience"),
    (["--issuer", ISS, "--host", "x"], "--host"),
    (["--issuer", ISS, "--audience", "a", "--alg", "none"], "none"),
    (["--issuer", "http://idp.test/", "--audience", "a"], "--plain-http"),
    (["--issuer", "no url", "--audience", "a"], "--keys"),
])
def test_usage(args, phrase):
    done = explain(tokens.mint(), *args, as_json=False)
    assert done.status == 2 and phrase in done.err, done
