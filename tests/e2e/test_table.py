# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The two tables of the specification, row by row, against one server: what a
situation is answered with and whether it counts for the throttle, and what
must happen to each attack. The other files go deeper into the single rows.

Whatever a row sends, the issuers record what they are asked: nothing, unless
the row says so.
"""
import itertools
import json
import threading
import time

import pytest

from support import certs, client, secrets, tokens
from support.expect import (granted, invalid, issuer_conf, key_files,
                            location, refused)
from support.forging import (GOOD_BODY, NOW, alg, body, edit, forged_e1, gzip_bomb,
                             half, head, in_segment, nested, noncanonical_payload,
                             raw_body, raw_head, rs, signature, unused_bits,
                             weak_jwks)
from support.httpd import H2, SLOW, free_port, wait_until
from support.issuer import IssuerHost, headers_of
from support.messages import CERTIFICATE
from support.op import NAVIGATE, Provider
from support.tokens import AUD, ISS, P256_N, b64, by_jti, claims, compact, key, mint

pytestmark = pytest.mark.allow_log("AB0201", "AB0205", "AH0347[89]", "AB0764")

_numbers = itertools.count(1)


def serial():
    return str(next(_numbers))


def address():
    """An address nobody has used."""
    n = next(_numbers)
    return "198.51.%d.%d" % (100 + n // 250, n % 250 + 1)


# --- the server --------------------------------------------------------------

def faults(target):
    """Key sets as a bad issuer would serve them: name -> script."""
    jwk = json.dumps(key("rs256").jwk())
    return {
        "duplicate-jwk": dict(body='{"keys":[%s,"kty":"RSA"}]}' % jwk[:-1]),
        "duplicate-jwk-escaped": dict(
            body='{"keys":[%s,"k\\u0074y":"RSA"}]}' % jwk[:-1]),
        "ten-megabytes": dict(body=lambda r: '{"keys":[%s],"x":"%s"}' % (
            jwk, "y" * (10 << 20))),
        "ten-thousand-keys": dict(body=lambda r: '{"keys":[%s]}' % ",".join(
            [jwk] + ['{"kty":"x"}'] * 10000)),
        "gzip-bomb": dict(body=gzip_bomb(),
                          headers={"Content-Encoding": "gzip"}),
        "redirect": dict(status=302, headers={"Location": target.jwks_url}),
        "trickle": dict(trickle=1),
        "down": dict(status=500, body="down"),
        "empty": dict(body='{"keys":[]}'),
    }


class World:
    """The issuers, the server that trusts them, and what they were asked."""

    def __init__(self, issuers):
        self.issuers = issuers
        self.target = issuers.issuer("table-target")
        self.warm = issuers.issuer("table-warm")
        self.warm.script("jwks", body=weak_jwks(self.warm.url))
        key("rs256-other")     # made before somebody waits for it
        self.other = issuers.issuer("table-other", "rs256-other")
        self.fresh = issuers.issuer("table-fresh")
        self.asked = issuers.issuer("table-asked")
        self.blind = issuers.issuer("table-blind")
        self.blind.script("introspect", status=302, headers={
            "Location": self.asked.introspect_url})
        self.hostile = {}
        for name, script in faults(self.target).items():
            self.hostile[name] = issuers.issuer("table-" + name)
            self.hostile[name].script("jwks", **script)
        self.down = self.hostile["down"]
        self.login = Provider(issuers, "table-login", client_id="our-own-id")
        self.tls = {kind: IssuerHost(tls=kind) for kind in (
            "wrong-host", "expired", "self-signed")}
        self.tls_issuers = {kind: host.issuer("table-tls")
                            for kind, host in self.tls.items()}
        self.server = self.throttle = None

    def close(self):
        for host in self.tls.values():
            host.close()

    def requests(self):
        """What the issuers were asked that are not asked in the background."""
        return sum(issuer.count() for issuer in (
            self.warm, self.other, self.fresh, self.asked, self.target))

    def known(self, issuer=None, **over):
        """An opaque token that the issuer knows."""
        prefix = "blind-" if issuer is self.blind else "asked-"
        token = prefix + b64(serial().encode() * 8)
        secrets.register(token)
        answer = {"active": True, "sub": "alice", "aud": AUD,
                  "client_id": "client-1", "exp": NOW + 36000}
        answer.update(over)
        (issuer or self.asked).active[token] = answer
        return token

    def configuration(self):
        declared = [self.warm, self.other, self.fresh, *self.hostile.values()]
        text = ('<AuthBearerIssuer "%s" login>\n</AuthBearerIssuer>\n'
                % self.login.url)
        text += issuer_conf()
        for n, issuer in enumerate(declared):
            text += ('<AuthBearerIssuer "%s" n%d>\nAuthBearerKeys "%s"\n'
                     "</AuthBearerIssuer>\n" % (issuer.url, n, issuer.jwks_url))
        for name, issuer in (("asked", self.asked), ("blind", self.blind)):
            text += ('<AuthBearerIssuer "%s" %s>\nAuthBearerKeys "%s"\n'
                     'AuthBearerIntrospection "%s"\nAuthBearerClientAuth none\n'
                     "AuthBearerTokenPrefix %s-\n</AuthBearerIssuer>\n" % (
                         issuer.url, name, issuer.jwks_url,
                         issuer.introspect_url, name))
        for kind, issuer in self.tls_issuers.items():
            text += ('<AuthBearerIssuer "%s" tls-%s>\nAuthBearerKeys "%s"\n'
                     "</AuthBearerIssuer>\n" % (issuer.url, kind,
                                                issuer.jwks_url))
        return text


PLACES = (
    location("/a", audience=AUD + " our-own-id")
    + location("/query", "AuthBearerTokenFrom header query:tok")
    + location("/cookie", "AuthBearerTokenFrom cookie:tok")
    + location("/both", "AuthBearerTokenFrom header cookie:tok")
    + location("/clients", "AuthBearerClients client-1")
    + location("/scope", require="scope orders.admin")
    + location("/scopeclaim", require="claim scope:orders.admin")
    + location("/role", require="role admin")
    + location("/claim", require="claim email:a@b.c")
    + location("/headers", "AuthBearerExport headers")
    + location("/browser", "AuthBearerSession On\nAuthBearerLogin On")
    + location("/session", "AuthBearerSession On"))

SERVER = """
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
AuthBearerThrottle threshold=3 window=60s penalty=60s
AuthBearerTimeout connect=1s total=2s
AuthBearerUserFormat "%%u"
AuthBearerMaxTokenAge 25h
AuthBearerClientID our-own-id
AuthBearerClientSecret "file:@ROOT@/client"
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerBaseURL http://server.test
AuthBearerLoginIssuer "%s"
AuthBearerRevocations "file:@ROOT@/revoked"
AuthBearerSOCache redis:127.0.0.1:%d for=sessions
AuthBearerCAFile "@ROOT@/ca.pem"
"""


@pytest.fixture(scope="module")
def world(new_server, issuers, backend):
    made = World(issuers)
    made.revoked = ["revoked-%d" % i for i in range(12)]
    files = dict(key_files("rs256", "es256"), **{
        "client": ("the-secret-of-the-client\n", 0o600),
        "secret": (b"\x5a\xa5" * 24, 0o600), "ca.pem": certs.authority_pem(),
        "revoked": "".join(by_jti(ISS, jti) for jti in made.revoked)})
    made.server = new_server(
        SERVER % (made.login.url, free_port()) + made.configuration() + PLACES,
        files=files, backend=backend, modules=["remoteip", "socache_redis"])
    for issuer in (made.warm, made.other, made.fresh, made.asked):
        wait_until(lambda: made.server.get("/a", issuer.mint()).status == 200,
                   10, "the keys of " + issuer.name)
    yield made
    made.close()


# --- the results ---------------------------------------------------------------

class Asked:
    """A request: path, and a function of the world for token or headers."""

    def __init__(self, path="/a", token=None, headers=None, method="GET"):
        self.path, self.token, self.headers = path, token, headers
        self.method = method

    def send(self, world, who):
        headers = list((self.headers(world) if self.headers else {}).items())
        token = self.token(world) if self.token else None
        return world.server.request(self.method, self.path, token, headers + [
            ("X-Client", who)])


def good(**over):
    return lambda world: mint(jti=serial(), **over)


def of(name, **over):
    """A good token of one of the issuers."""
    return lambda world: getattr(world, name).mint(jti=serial(), **over)


def forged(world):
    return mint("rs256-forger", header={"kid": "rs256"}, jti=serial())


def authorization(make):
    return lambda world: {"Authorization": make(mint(jti=serial()))}


def cookie(**more):
    return lambda world: {"Cookie": "tok=" + mint(jti=serial()), **more}


def session_cookie(world):
    return {"Cookie": "bearer_session=" + b64(b"%32d" % next(_numbers))}


COUNTS, DOES_NOT = True, False
RESULTS = [
    # situation, request, status, error, category, counts, questions asked
    ("no credential", Asked(), 401, None, "no_credential", DOES_NOT, 0),
    ("two tokens", Asked(headers=authorization(
        lambda t: "Bearer %s, Bearer %s" % (t, mint(sub="bob")))),
     400, "invalid_request", "request", COUNTS, 0),
    ("two methods", Asked("/query?tok=a.b.c", good()), 400, "invalid_request",
     "request", COUNTS, 0),
    ("comma", Asked(headers=authorization(lambda t: "Bearer %s,x" % t)), 400,
     "invalid_request", "request", COUNTS, 0),
    ("empty token", Asked(headers=lambda world: {"Authorization": "Bearer"}),
     400, "invalid_request", "request", COUNTS, 0),
    ("outside b64token", Asked(headers=authorization(
        lambda t: "Bearer {%s}" % t)), 400, "invalid_request", "request",
     COUNTS, 0),
    ("malformed", Asked(token=lambda world: mint(jti=serial()) + ".AAAA"), 401,
     "invalid_token", "malformed", COUNTS, 0),
    ("algorithm", Asked(token=good(header={"alg": "HS256"})), 401,
     "invalid_token", "algorithm", COUNTS, 0),
    ("key", Asked(token=good(signer="rs256-stranger")), 401, "invalid_token",
     "key", COUNTS, 0),
    ("signature", Asked(token=forged), 401, "invalid_token", "signature",
     COUNTS, 0),
    ("issuer", Asked(token=good(iss="https://evil.test/")), 401,
     "invalid_token", "issuer", COUNTS, 0),
    ("type", Asked(token=good(nonce="n", scope=None)), 401, "invalid_token", "type",
     COUNTS, 0),
    ("client", Asked("/clients", good(client_id="other")), 401,
     "invalid_token", "client", COUNTS, 0),
    ("identifier", Asked(token=good(sub="a,b")), 401, "invalid_token",
     "identifier", COUNTS, 0),
    ("inactive", Asked(token=lambda world: world.known(active=False)), 401,
     "invalid_token", "inactive", COUNTS, 1),
    ("revoked", Asked(token=lambda world: mint(jti=world.revoked.pop())), 401,
     "invalid_token", "revoked", COUNTS, 0),
    ("expired", Asked(token=good(exp=NOW - 7200)), 401, "invalid_token",
     "expired", DOES_NOT, 0),
    ("not yet valid", Asked(token=good(nbf=NOW + 7200)), 401, "invalid_token",
     "not_yet_valid", DOES_NOT, 0),
    ("age", Asked(token=good(iat=NOW - 200000)), 401, "invalid_token", "age",
     DOES_NOT, 0),
    ("audience", Asked(token=good(aud="account")), 401, "invalid_token",
     "audience", DOES_NOT, 0),
    ("scope missing", Asked("/scope", good()), 403, "insufficient_scope",
     "scope", DOES_NOT, 0),
    ("scope missing, as a claim", Asked("/scopeclaim", good()), 403,
     "insufficient_scope", "scope", DOES_NOT, 0),
    ("another Require: role", Asked("/role", good()), 403, None, "require",
     DOES_NOT, 0),
    ("another Require: claim", Asked("/claim", good()), 403, None, "require",
     DOES_NOT, 0),
    ("cross-site by Sec-Fetch-Site", Asked("/cookie", method="POST",
     headers=cookie(**{"Sec-Fetch-Site": "cross-site"})), 403, None,
     "cross_site", DOES_NOT, 0),
    ("cross-site by Origin", Asked("/cookie", method="DELETE", headers=cookie(
        Origin="https://evil.test")), 403, None, "cross_site", DOES_NOT, 0),
    ("keys cannot be reached", Asked(token=of("down")), 503, None,
     "unavailable", DOES_NOT, None),
    ("introspection cannot be reached", Asked(
        token=lambda world: world.known(world.blind)), 503, None,
     "unavailable", DOES_NOT, None),
    ("session service cannot be reached", Asked("/session",
                                              headers=session_cookie),
     503, None, "unavailable", DOES_NOT, 0),
    ("browser navigation", Asked("/browser", headers=lambda world: NAVIGATE),
     302, None, None, DOES_NOT, None),
]
IDS = [row[0] for row in RESULTS]


@pytest.mark.allow_log("AB0421 redis: Connection refused")
@pytest.mark.parametrize("row", RESULTS, ids=IDS)
def test_result(world, row):
    _, asked, status, error, category, _, questions = row
    before = world.requests()
    res = asked.send(world, address())
    if status == 302:
        assert res.status == 302, res
        assert res.get("Location").startswith(world.login.url), res
        assert res.challenge is None, res
        return
    refused(res, status, error, category)
    assert (res.get("Retry-After") is not None) == (status in (429, 503)), res
    assert [line for line in res.log if line.level == "info"
            and line.module == "auth_bearer"], res
    if questions is not None:
        assert world.requests() - before == questions


@pytest.mark.allow_log("AB0421 redis: Connection refused")
@pytest.mark.parametrize("row", RESULTS, ids=IDS)
def test_what_counts_for_the_throttle(world, row):
    _, asked, status, _, _, counts, _ = row
    who = address()
    for _ in range(3):
        assert asked.send(world, who).status == status
    res = Asked(token=good()).send(world, who)
    if not counts:
        granted(res)
        return
    refused(res, 429, None, "throttled", log="AuthBearerThrottle")
    # nothing is verified (a forged token is not told from a good one), and
    # nobody is asked for keys that are not known, or about opaque tokens
    before = world.requests()
    for token in (forged, lambda world: world.known(),
                  of("fresh", header={"kid": "unknown"})):
        refused(Asked(token=token).send(world, who), 429, None, "throttled")
    assert world.requests() == before


# --- the attacks ---------------------------------------------------------------

def local(*makes, reason=None):
    """401, and nobody is asked, where keys are known and where they are not."""
    def run(world):
        before = world.requests()
        for make in makes:
            for issuer in (world.warm, world.down):
                invalid(world.server.get("/a", make(issuer.url),
                                         {"X-Client": address()}), reason)
        assert world.requests() == before
    return run


def over(*makes, reason=None):
    """401; an unknown kid may make the server look for newer keys, once, at
    the one address that is configured."""
    def run(world):
        before = world.requests()
        looks = world.warm.count("jwks")
        for make in makes:
            invalid(world.server.get("/a", make(world.warm.url),
                                     {"X-Client": address()}), reason)
        looks = world.warm.count("jwks") - looks
        assert looks <= 1 and world.requests() - before == looks
    return run


def accepted(*makes):
    def run(world):
        before = world.requests()
        for make in makes:
            granted(world.server.get("/a", make(world.warm.url),
                                     {"X-Client": address()}))
        assert world.requests() == before
    return run


def key_set(*names):
    """503: that key set is not taken, and no other address is asked."""
    def run(world):
        for name in names:
            refused(Asked(token=lambda w: w.hostile[name].mint(
                jti=serial())).send(world, address()), 503, None,
                "unavailable", "keys")
        assert world.target.count() == 0
    return run


def bad_request(*makes):
    def run(world):
        before = world.requests()
        for make in makes:
            res = world.server.get("/a", headers=[("X-Client", address())] + [
                ("Authorization", value) for value in make(mint())])
            assert res.status == 400, res
        assert world.requests() == before
    return run


def hmac_with(secret):
    return lambda iss: mint("rs256", secret=secret, alg="RS256",
                            header={"alg": "HS256"}, iss=iss)


def config_error(conf, number, *values):
    def run(world, checker):
        result = checker(conf)
        assert result.status != 0 and result.says(number, *values), result
    return run


def too_long(world):
    for size in (8200, 9000):
        assert world.server.get("/a", "x" * size).status == 400
    merged = [("Authorization", "Bearer " + "x" * 5000)] * 2
    assert world.server.get("/a", headers=merged).status == 400


def too_long_where_httpd_takes_it(world, one_server):
    server = one_server("LimitRequestFieldSize 200000\n" + issuer_conf()
                        + location("/a"), files=key_files("rs256"))
    granted(server.get("/a", mint(x="y" * 20000)))
    for size in (100 * 1024, 120000):
        invalid(server.get("/a", mint(x="y" * size)), "malformed", "size")


def kids(world):
    """Whatever the kid, nothing but the configured address is asked."""
    for kid in ("../../../../etc/passwd", "a/../../secret"):
        world.server.get("/a", world.warm.mint(header={"kid": kid}),
                         {"X-Client": address()})
    assert {r.path for r in world.warm.requests} == {"/t/table-warm/jwks"}


def unknown_kids(world):
    """Of a working issuer, of one that fails, of one with an empty set."""
    for issuer in (world.warm, world.down, world.hostile["empty"]):
        before = issuer.count()
        for _ in range(20):
            world.server.get("/a", issuer.mint(header={"kid": serial()}),
                             {"X-Client": address()})
        assert issuer.count() - before <= 1
    assert world.warm.count("jwks") >= 2, "no look for a kid, here or in kids()"
    granted(world.server.get("/a", world.warm.mint()))


def control_octets(world):
    for octet in (0, 1, 8, 10, 13, 27, 127, 0x80, 0xe9, 0xff):
        value = b"Bearer " + mint().encode() + bytes([octet]) + b"x"
        res = world.server.raw(client.build("GET", "/a", [
            ("X-Client", address()), ("Authorization", value)]))
        assert res.status == 400, res


def folded(world):
    raw = ("GET /a HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n"
           "X-Client: %s\r\nAuthorization: Bearer %s\r\n x\r\n\r\n"
           % (address(), mint())).encode()
    assert world.server.raw(raw).status == 400


def claims_as_bytes(world):
    """In headers no CR, LF, NUL, nor anything beyond ASCII."""
    names = {"bidi": "a\u202eb", "newline": "a\r\nX-Evil: 1", "comma": "a,b",
             "latin": "J\u00f6rg"}
    res = world.server.get("/headers/be/x", mint(**names),
                           {"X-Client": address()})
    granted(res, None)
    seen = headers_of(res)
    assert "x-evil" not in seen and "x-claim-newline" not in seen
    assert seen["x-claim-comma"] == ["a,b"]
    assert seen["x-claim-bidi"] == ["a%E2%80%AEb"]
    assert seen["x-claim-latin"] == ["J%C3%B6rg"]
    for sub in ("a\u202eb", "a\r\nb", "a,b"):
        invalid(world.server.get("/a", mint(sub=sub), {
            "X-Client": address()}), "identifier")


def client_headers(world):
    """What the token does not say is not there, whoever says it."""
    headers = {"X-Client": address(), "X-Forwarded-User": "eve",
               "x_forwarded_user": "eve", "X-User-Roles": "admin",
               "X-Claim-Email": "eve@evil.test", "X-CLAIM-EMAIL": "eve"}
    seen = headers_of(granted(world.server.get("/headers/be/x", mint(),
                                               headers), None))
    assert "eve" not in json.dumps(seen) and "x-claim-email" not in seen
    assert seen["x-forwarded-user"] == ["alice"]
    assert "x-user-roles" not in seen


def redirected_introspection(world):
    before = world.asked.count()
    refused(Asked(token=lambda w: w.known(w.blind)).send(world, address()),
            503, None, "unavailable", "introspection")
    assert world.asked.count() == before


def certificates(world):
    for kind, issuer in world.tls_issuers.items():
        res = Asked(token=lambda w: issuer.mint()).send(world, address())
        refused(res, 503, None, "unavailable", "keys")
        assert issuer.count() == 0
        assert res.logged("AB0015", issuer.url, CERTIFICATE), (kind, res)


def slow(one_server, issuers):
    """One waits for keys that do not come; those who know a key do not."""
    issuer = issuers.issuer("table-slow")
    server = one_server("AuthBearerTimeout connect=1s total=4s\n"
                        "AuthBearerKeysRefresh min=1s max=1h stale=1h\n"
                        '<AuthBearerIssuer "%s">\nAuthBearerKeys "%s"\n'
                        "</AuthBearerIssuer>\n" % (issuer.url, issuer.jwks_url)
                        + location("/a"), children=2)
    granted(server.get("/a", issuer.mint()))
    stalled, before = threading.Event(), issuer.count()
    issuer.script("jwks", hold=stalled)
    unknown = client.build("GET", "/a", {
        "Authorization": "Bearer " + issuer.mint(header={"kid": "unknown"})})

    def wait():
        while issuer.count() == before:
            client.exchange(server.port, unknown)
    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        wait_until(lambda: issuer.count() > before, 5, "a look for newer keys")
        granted(server.get("/a", issuer.mint(jti="1")))
        assert not stalled.is_set() and waiter.is_alive()
    finally:
        stalled.set()
        waiter.join(30 * SLOW)


def down(world, one_server, issuers):
    issuer = issuers.issuer("table-falls")
    server = one_server('<AuthBearerIssuer "%s">\nAuthBearerKeys "%s"\n'
                        "</AuthBearerIssuer>\n" % (issuer.url, issuer.jwks_url)
                        + location("/a"))
    granted(server.get("/a", issuer.mint()))
    for kind in issuer.KINDS:
        issuer.script(kind, status=500, body="down")
    granted(server.get("/a", issuer.mint(jti="1")))          # warm
    refused(Asked(token=of("down")).send(world, address()), 503, None,
            "unavailable", "keys")                           # cold


def verified_tokens(one_server):
    server = one_server(
        issuer_conf() + 'AuthBearerClockSkew 0\n' + location("/a")
        + location("/b", audience="api://other")
        + location("/c", "AuthBearerClients nobody"), files=key_files("rs256"))
    token = mint(exp=int(time.time()) + 2 + 2 * SLOW)
    granted(server.get("/a", token))
    invalid(server.get("/b", token), "audience")             # the policy
    invalid(server.get("/c", token), "client")
    granted(server.get("/a", token))
    wait_until(lambda: server.get("/a", token).error == "expired", 10,
               "the end of the token")                       # exp, every time
    token = mint()
    granted(server.get("/a", token))
    server.write("jwks.json", tokens.jwks("rs256-new"))
    wait_until(lambda: server.get("/a", token).error == "key", 15,
               "the end of the key")                         # with its key


def two_kinds_of_credentials(world):
    """The order is fixed: two tokens are never one, nor merged."""
    one, two = mint(sub="alice"), mint(sub="bob")
    refused(world.server.get("/both", one, {"X-Client": address(),
                                            "Cookie": "tok=" + two}), 400,
            "invalid_request", "request", "credential_count")
    granted(world.server.get("/session", one, {
        "X-Client": address(), "Cookie": "other=1"}))


JWE = ".".join([b64('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":'
                    '2147483648,"p2s":"AAAA","zip":"DEF"}')] + ["AAAA"] * 4)
PEM = key("rs256").public_pem()
ATTACKS = [
    ("alg none, None, nOnE, NONE; empty signature", local(
        alg("none"), alg("None"), alg("nOnE", b"x"), alg("NONE"),
        alg("RS256"))),
    ("RS->HS with PEM, DER or JWK bytes as secret", local(
        hmac_with(PEM), hmac_with(PEM.strip()),
        hmac_with(key("rs256").public_der()),
        hmac_with(json.dumps(key("rs256").jwk()).encode()), head("hs256"),
        reason="algorithm")),
    ("oct keys only from local configuration", config_error(
        '<AuthBearerIssuer "https://idp.test/">\nAuthBearerAlgorithms HS256\n'
        "AuthBearerKeys https://idp.test/jwks\n</AuthBearerIssuer>\n",
        "AB0787", "https://idp.test/", "HS256", "file:")),
    ("ES256 r or s = 0, n, >n, oversize", over(
        *[signature(change) for change in (
            lambda s: rs(0, half(s)[1])(s), lambda s: rs(half(s)[0], 0)(s),
            lambda s: rs(P256_N, half(s)[1])(s),
            lambda s: rs(half(s)[0], P256_N)(s),
            lambda s: rs((1 << 256) - 1, half(s)[1])(s),
            lambda s: rs(half(s)[0], (1 << 256) - 1)(s),
            lambda s: bytes(2) + s)], reason="signature")),
    ("kid: path", over(head(kid="../../../../etc/passwd"), reason="key")),
    ("kid: SQL, NUL, 5 KB, over 256 bytes", local(
        head(kid="x' OR '1'='1"), raw_head(
            b'{"alg":"RS256","kid":"rs256\\u0000x"}'),
        head(kid="k" * 5000), head(kid="k" * 257))),
    ("kid is never part of a URL", kids),
    ("jku, x5u, x5c, jwk", over(
        lambda iss: mint("rs256-evil", iss=iss, header={
            "kid": "rs256", "jku": iss.replace("-warm", "-other") + "/jwks"}),
        lambda iss: mint("rs256-evil", iss=iss, header={
            "kid": "rs256", "x5u": iss + "/x5u"}),
        lambda iss: mint("rs256-evil", iss=iss, header={
            "kid": "rs256", "x5c": ["MIIB"]}),
        lambda iss: mint("rs256-evil", iss=iss, header={
            "kid": "rs256", "jwk": key("rs256-evil").jwk()}),
        reason="signature")),
    ("unknown crit; duplicate header or claim, also escaped", local(
        head(crit=["exp"], exp=1), head(crit=["http://x/y"], **{
            "http://x/y": 1}),
        raw_head(b'{"alg":"none","alg":"RS256","kid":"rs256"}'),
        raw_head(b'{"alg":"none","\\u0061lg":"RS256","kid":"rs256"}'),
        raw_body(GOOD_BODY + b',"sub":"bob"}'),
        raw_body(GOOD_BODY + b',"\\u0073ub":"bob"}'), reason="malformed")),
    ("duplicate JWK member", key_set("duplicate-jwk", "duplicate-jwk-escaped")),
    ("non-canonical last base64 bits, length%4=1, padding", local(
        edit(in_segment(2, unused_bits)), noncanonical_payload,
        edit(in_segment(2, lambda s: (s + "AAAA")[:len(s) // 4 * 4 + 5])),
        edit(lambda t: t + "=="), reason="malformed")),
    ("token over 8190 bytes", too_long),
    ("token over this module's own cap", too_long_where_httpd_takes_it),
    ("8 KB of dots", local(lambda iss: "." * 8000)),
    ("nesting over 32", local(nested(33), nested(500), nested(
        40, b"[", b"]"), reason="malformed")),
    ("nesting of 32", accepted(nested(32))),
    ("what is not JSON", local(*[raw_body(GOOD_BODY + tail) for tail in (
        b',"x":"a\\u0000b"}', b',"x":"\xff\xfe"}', b',"x":"\\ud800"}', b"} x",
        b',"x":NaN}', b',"x":1e400}', b',"x":18446744073709551615}')],
        raw_body(b"\xef\xbb\xbf" + GOOD_BODY + b"}"), reason="malformed")),
    ("exp 1.5 is a time long ago", over(body(exp=1.5), reason="expired")),
    ("exp of 1e10 and beyond", accepted(
        body(exp=NOW + 36000.5), body(exp=1e10), body(exp=1e300),
        body(exp=2 ** 63 - 1))),
    ("exp of another type", over(
        body(exp="123"), body(exp=True), body(exp=-1), raw_body(
            b'{"iss":"@ISS@","sub":"alice","aud":"@AUD@","exp":null}'))),
    ("sub number, object", over(body(sub=42), body(sub={"a": 1}),
                                reason="identifier")),
    ("iss array", local(lambda iss: mint(iss=[iss]))),
    ("aud of mixed types, object", over(body(aud=[1, AUD]), body(aud={}),
                                        reason="malformed")),
    ("unknown-kid flood", unknown_kids),
    ("keys: RSA 512, 1024, e=1", over(body("rsa512"), body("rsa1024"),
                                      forged_e1, reason="key")),
    ("keys: RSA 16384, wide exponent, even exponent", over(
        head(kid="rsa16384"), head(kid="wide-e"), head(kid="even-e"),
        reason="key")),
    ("keys: EC off curve", over(head("es256-off", kid="off-curve"),
                                reason="key")),
    ("JWKS of 10 MB, 10,000 keys, gzip-bombed", key_set(
        "ten-megabytes", "ten-thousand-keys", "gzip-bomb")),
    ("JWE: p2c, deflate", local(lambda iss: JWE, reason="malformed")),
    ("two Authorization lines, two tokens in one", bad_request(
        lambda t: ["Bearer " + t, "Bearer " + mint(sub="bob")],
        lambda t: ["Bearer " + t, "Bearer " + t],
        lambda t: ["Bearer %s, Bearer %s" % (t, t)],
        lambda t: ["Bearer %s x" % t])),
    ("obs-fold", folded),
    ("control or 8-bit octets in the header", control_octets),
    ("bidi, newline, comma, non-ASCII in a claim", claims_as_bytes),
    ("JWKS redirect", key_set("redirect")),
    ("introspection redirect", redirected_introspection),
    ("wrong host, expired, self-signed certificate", certificates),
    ("slow issuer: 1 byte/s", key_set("trickle")),
    ("slow issuer: others use the keys they know", slow),
    ("issuer down", down),
    ("verified-token cache", verified_tokens),
    ("identity headers of the client", client_headers),
    ("ID token, logout token, introspection JWT, DPoP proof", over(
        body(nonce="n", scope=None), body(at_hash="x", scope=None), body(
            aud="our-own-id", scope=None, client_id=None),
        body(events={"http://schemas.openid.net/event/backchannel-logout":
                     {}}, sid="s"),
        head(typ="token-introspection+jwt"), head(typ="dpop+jwt"),
        reason="type")),
    ("issuer A signed with B's key", over(
        body("rs256-other"), head("rs256-other", kid="rs256"),
        reason=("key", "signature"))),
    ("issuer unset", config_error(location("/a"), "AB0703", "AuthBearerIssuer")),
    ("audience unset", config_error(issuer_conf(keys="jwks.json") + location(
        "/a", audience=None), "AB0713", "AuthBearerAudience")),
    ("cookie and bearer together", two_kinds_of_credentials),
]


@pytest.mark.parametrize("run", [row[1] for row in ATTACKS],
                         ids=[row[0] for row in ATTACKS])
def test_attack(world, one_server, checker, issuers, run):
    if H2 and run in (too_long, too_long_where_httpd_takes_it):
        pytest.skip("over HTTP/2 httpd answers 431, or resets the stream")
    there = locals()
    names = run.__code__.co_varnames[:run.__code__.co_argcount]
    run(**{name: there[name] for name in names})
