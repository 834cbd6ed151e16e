# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Proof of possession: tokens that are bound to a key (RFC 9449, RFC 8705)."""
import concurrent.futures
import json
import shutil
import time
import urllib.parse

import pytest

from support import certs, missing
from support.backends import Redis
from support.clientcert import MODULES as TLS, WARNINGS, ClientCert
from support.expect import granted, invalid, issuer_conf, key_files, location, refused
from support.proofs import bound, fields, proof
from support.tokens import b64, claims, key, mint, unb64

PROXY = "X-Client-Cert"
PATHS = {
    "/a": "", "/b": "",
    "/dpop": "AuthBearerProof dpop",
    "/mtls": "AuthBearerProof mtls",
    "/either": "AuthBearerProof dpop mtls",
    "/ignore": "AuthBearerProof ignore",
    "/short": "AuthBearerProof dpop window=2",
    "/nonce": "AuthBearerProof dpop nonce=on",
    "/proxy": "AuthBearerProof auto certificate=%s from=127.0.0.1" % PROXY,
    "/stranger": "AuthBearerProof auto certificate=%s from=192.0.2.0/24" % PROXY,
    "/cookie": "AuthBearerTokenFrom header cookie:t query:t basic",
}
ROOT = """
AuthBearerSecretFile @ROOT@/secret
AuthBearerBaseURL http://127.0.0.1:@PORT@
"""
CLAIMS = """
<Location "/if">
    AuthType Bearer
    AuthName test
    AuthBearerAudience api://test
    Require valid-user
    <If "claim('sub') == 'alice'">
        Header set X-If yes
    </If>
</Location>
"""


@pytest.fixture(scope="module")
def server(new_server):
    conf = issuer_conf() + CLAIMS + ROOT + "".join(
        location(path, inside + "\nAuthBearerThrottle off")
        for path, inside in PATHS.items())
    return new_server(conf, modules=["rewrite"], files={
        **key_files("rs256"), "secret": (b"s" * 48, 0o600)})


def dpop(server, path, token, *proofs, **kw):
    return server.get(path, headers=fields(token, *proofs), **kw)


def good(server, path, token, **over):
    return dpop(server, path, token, proof(server.url + path, token, **over))


def bad_proof(res, check, log=None, error="invalid_dpop_proof", category="proof"):
    assert res.status == 401, res
    assert (res.error, res.check) == (category, check), res
    challenge = res.challenges["DPoP"]
    assert challenge["error"] == error, res
    assert "ES256" in challenge["algs"].split(), res
    if log:
        assert res.logged(None, log, level="info"), res
    return res


@pytest.mark.core
def test_proven(server):
    token = bound()
    for _ in range(4):  # judged, noted, kept, from memory with its key
        granted(good(server, "/a", token))
    assert good(server, "/a/env", token).env["BEARER_PROOF"] == "dpop"
    assert "BEARER_PROOF" not in server.get("/a/env", mint()).env


@pytest.mark.parametrize("name", ["rs256-d", "ps384-d", "es384-d", "es512-d", "ed25519-d",
                                  "rs512-d"])
def test_algorithms(server, name):
    token = bound(name)
    granted(good(server, "/a", token, name=name))


@pytest.mark.core
def test_as_a_bearer_token(server):
    """RFC 9449 section 7.2: however it comes, however often it was accepted with one."""
    token = bound()
    for _ in range(4):
        granted(good(server, "/cookie", token))
        for headers, path in (
                (fields(token, scheme="Bearer"), "/cookie"),
                (fields(token, proof(server.url + "/cookie", token), scheme="Bearer"),
                 "/cookie"),
                ([("Cookie", "t=" + token)], "/cookie"),
                ([("Cookie", "t=" + token),
                  ("DPoP", proof(server.url + "/cookie", token))], "/cookie"),
                ([], "/cookie?t=" + token)):
            res = server.get(path, headers=headers)
            invalid(res, "binding", "binding", log="AuthBearerProof")
            assert "ES256" in res.challenges["DPoP"]["algs"], res


def not_proven(res, log=None):
    """In whichever scheme leads on."""
    assert res.status == 401, res
    assert {c["error"] for c in res.challenges.values() if "error" in c} == {"invalid_token"}
    assert (res.error, res.check) == ("binding", "binding"), res
    assert not log or res.logged(None, log, level="info"), res


def test_websocket(server):
    """A handshake is a request like others."""
    token = bound()
    upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade"),
               ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", b64(b"0" * 16))]
    invalid(server.get("/a", headers=fields(token, scheme="Bearer") + upgrade), "binding")
    granted(server.get("/a", headers=fields(token, proof(server.url + "/a", token))
                       + upgrade))
    ws = server.url.replace("http", "ws", 1)
    granted(server.get("/a", headers=fields(token, proof(ws + "/a", token)) + upgrade))


BAD = {
    "typ": (dict(header={"typ": "JWT"}), "proof", "dpop+jwt"),
    "typ missing": (dict(header={"typ": None}), "proof", "dpop+jwt"),
    "no jwk": (dict(header={"jwk": None}), "proof", "jwk"),
    "oct": (dict(header={"jwk": {"kty": "oct", "k": "AAAA"}}), "proof", "jwk"),
    "crit": (dict(header={"crit": ["x"], "x": 1}), "proof", "crit"),
    "b64": (dict(header={"b64": False}), "proof", None),
    "method": (dict(htm="POST"), "proof_request", "method"),
    "method missing": (dict(htm=None), "proof_request", "method"),
    "lower case": (dict(htm="get"), "proof_request", "method"),
    "host": (dict(htu="http://other.test/a"), "proof_request", "URL"),
    "path": (dict(htu="@/b"), "proof_request", "URL"),
    "scheme": (dict(htu="https@"), "proof_request", "URL"),
    "no url": (dict(htu=None), "proof_request", "URL"),
    "relative": (dict(htu="/a"), "proof_request", "URL"),
    "no ath": (dict(ath=None), "proof_request", "ath"),
    "ath": (dict(ath=b64(b"0" * 32)), "proof_request", "ath"),
    "no jti": (dict(jti=None), "proof", "jti"),
    "jti number": (dict(jti=7), "proof", "jti"),
    "jti empty": (dict(jti=""), "proof", "jti"),
    "jti long": (dict(jti="x" * 257), "proof", "jti"),
    "no iat": (dict(iat=None), "proof", "iat"),
    "iat text": (dict(iat="now"), "proof", "iat"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(server, name):
    over, check, log = BAD[name]
    over = dict(over)
    if over.get("htu"):
        over["htu"] = over["htu"].replace("https@", server.url.replace("http", "https") + "/a")
        over["htu"] = over["htu"].replace("@", server.url)
    bad_proof(good(server, "/a", bound(), **over), check, log)


def test_hmac(server):
    """A proof signed with the public key as a secret."""
    token = bound()
    one = proof(server.url + "/a", token)
    head, payload, _ = one.split(".")
    for alg in ("none", "HS256", "es256", "ES999"):
        header = json.loads(unb64(head))
        header["alg"] = alg
        text = b64(json.dumps(header)) + "." + payload
        for signature in ("", b64(b"0" * 32), b64(b"0" * 64)):
            bad_proof(dpop(server, "/a", token, text + "." + signature), "proof")


def test_private_key(server):
    numbers = key("es256-dpop").private.private_numbers()
    d = b64(numbers.private_value.to_bytes(32, "big"))
    bad_proof(good(server, "/a", bound(), jwk={"d": d}), "proof", "private")


def test_signature(server):
    token = bound()
    one = proof(server.url + "/a", token)
    other = proof(server.url + "/a", token)
    mixed = one.rpartition(".")[0] + "." + other.rpartition(".")[2]
    bad_proof(dpop(server, "/a", token, mixed), "proof", "signature")
    granted(dpop(server, "/a", token, one))  # the other entered nothing
    granted(dpop(server, "/a", token, other))


def test_another_key(server):
    res = good(server, "/a", bound(), name="es256-thief")
    assert (res.status, res.error) == (401, "binding"), res
    assert res.challenges["DPoP"]["error"] == "invalid_token"
    thief = bound("es256-thief")
    bad_proof(dpop(server, "/a", bound(), proof(server.url + "/a", thief, name="es256-thief")),
              "proof_request", "ath")


def test_form(server):
    token = bound()
    url = server.url + "/a"
    bad_proof(dpop(server, "/a", token), "proof", "DPoP")
    bad_proof(dpop(server, "/a", token, proof(url, token), proof(url, token)), "proof")
    bad_proof(dpop(server, "/a", token, proof(url, token) + "," + proof(url, token)),
              "proof")
    bad_proof(dpop(server, "/a", token, "x"), "proof")
    bad_proof(dpop(server, "/a", token, token), "proof")
    bad_proof(dpop(server, "/a", token, ""), "proof")
    bad_proof(dpop(server, "/a", token, "." * 5000), "proof")


def test_times(server):
    now = int(time.time())
    for iat in (now - 50, now + 50, now + 0.5):
        granted(good(server, "/a", bound(), iat=iat))
    for iat in (now - 70, now + 70, now - 3600, now + 3600, 1e300):
        bad_proof(good(server, "/a", bound(), iat=iat), "proof_time", "proof",
                  category="proof_time")
    bad_proof(good(server, "/short", bound(), iat=now - 5), "proof_time", "window",
              category="proof_time")


@pytest.mark.parametrize("written", [
    "{}/a?x=1", "{}/a#f", "{}/a?x#f", "{}/%61", "{}/b/../a", "{}/./a"])
def test_url(server, written):
    """Query and fragment do not count; RFC 3986 section 6.2.2."""
    token = bound()
    granted(dpop(server, "/a?y=2", token, proof(written.format(server.url), token)))


def test_escapes(server):
    token = bound()
    url = server.url + "/a/%C3%a4%2fb"
    res = dpop(server, "/a/%c3%A4%2Fb", token, proof(url, token))
    assert res.status == 404, res  # AllowEncodedSlashes; not 401
    granted(dpop(server, "/a/%78", token, proof(server.url + "/a/x", token)))


@pytest.mark.core
def test_replay(server):
    """In every child, by many at the same time: once."""
    token = bound()
    one = proof(server.url + "/a", token)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: dpop(server, "/a", token, one), range(48)))
    assert sorted(res.status for res in answers) == [200] + [401] * 47
    late = dpop(server, "/a", token, one)
    bad_proof(late, "proof_replay", "jti")
    server.graceful()
    bad_proof(dpop(server, "/a", token, one), "proof_replay", "jti")
    granted(good(server, "/a", token))


def test_other_request_first(server):
    """What is refused elsewhere is not used up."""
    token = bound()
    one = proof(server.url + "/a", token)
    bad_proof(dpop(server, "/b", token, one), "proof_request", "URL")
    bad_proof(server.request("POST", "/a", headers=fields(token, one)), "proof_request",
              "method")
    granted(dpop(server, "/a", token, one))


def test_same_jti_of_two_clients(server):
    for name in ("es256-c1", "es256-c2"):
        granted(good(server, "/a", bound(name), name=name, jti="the-same"))


def test_if(server):
    """An <If> with a claim judges the token ahead: the proof still counts once."""
    token = bound()
    res = good(server, "/if", token)
    granted(res)
    assert res.get("X-If") == "yes"
    refused(server.get("/if", token), 401, "invalid_token", "binding")


def test_unbound(server):
    plain = mint()
    for path in ("/a", "/ignore"):
        granted(server.get(path, plain))
    res = good(server, "/a", plain)
    assert (res.status, res.error) == (401, "binding"), res
    assert res.challenges["DPoP"]["error"] == "invalid_token"
    for path in ("/dpop", "/mtls", "/either"):
        not_proven(server.get(path, plain), "AuthBearerProof")


def test_modes(server):
    token = bound()
    granted(good(server, "/dpop", token))
    granted(good(server, "/either", token))
    res = good(server, "/mtls", token)
    assert (res.status, res.error) == (401, "binding"), res
    granted(server.get("/ignore", token))
    granted(dpop(server, "/ignore", token))
    granted(dpop(server, "/ignore", token, "nonsense"))


@pytest.mark.parametrize("cnf", [
    {}, [], "x", 7, {"kid": "k"}, {"jwk": {}}, {"jkt": 7}, {"jkt": ""}, {"jkt": "x" * 43 + "="},
    {"jkt": None}, {"x5t#S256": []}, {"jkt": "short"}])
def test_unknown_cnf(server, cnf):
    token = mint(cnf=cnf)
    invalid(server.get("/a", token), "binding", log="cnf")
    res = good(server, "/a", token)
    assert (res.status, res.error) == (401, "binding"), res
    granted(server.get("/ignore", token))


def test_null_cnf(server):
    granted(server.get("/a", mint(payload=None, cnf=None)))
    granted(server.get("/a", mint(payload={**claims(), "cnf": None})))


def test_challenges(server):
    """Without a credential: Bearer, and DPoP where it is listed."""
    assert set(server.get("/a").challenges) == {"Bearer"}
    assert set(server.get("/dpop").challenges) == {"Bearer", "DPoP"}
    res = server.get("/dpop")
    assert "error" not in res.challenges["DPoP"] and "error" not in res.challenge
    assert "ES256" in res.challenges["DPoP"]["algs"].split()
    assert "HS256" not in res.challenges["DPoP"]["algs"]
    assert set(server.get("/mtls").challenges) == {"Bearer"}
    expired = good(server, "/a", bound(exp=int(time.time()) - 900))
    assert expired.challenges["DPoP"]["error"] == "invalid_token", expired


def test_two_schemes(server):
    token = bound()
    one = proof(server.url + "/a", token)
    res = server.get("/a", headers=fields(token, one) + fields(token, scheme="Bearer"))
    refused(res, 400, res.challenges.get("Bearer", {}).get("error"), "request")
    res = server.get("/a", headers=fields(token + ", DPoP " + token, one))
    assert res.status == 400, res


def test_nothing_passes_on(server):
    token = bound()
    res = good(server, "/a/env", token)
    granted(res, user=None)
    assert "HTTP_DPOP" not in res.env and "HTTP_AUTHORIZATION" not in res.env
    res = server.get("/a/env", mint(), headers=[("dpop", "x"), (PROXY, "y")])
    assert "HTTP_DPOP" not in res.env
    res = server.get("/stranger/env", mint(), headers=[(PROXY, "y"), ("X_Client_Cert", "z")])
    assert not [name for name in res.env if "CLIENT_CERT" in name], res.env


# ---- nonces -----------------------------------------------------------------


def test_nonce(server):
    token = bound()
    res = good(server, "/nonce", token)
    bad_proof(res, "proof_nonce", None, "use_dpop_nonce", "proof_nonce")
    nonces = res.all("DPoP-Nonce")
    assert len(nonces) == 1
    granted(good(server, "/nonce", token, nonce=nonces[0]))
    granted(good(server, "/nonce", token, nonce=nonces[0]))  # a nonce serves for a while
    bad_proof(good(server, "/nonce", token, nonce=7), "proof", "nonce")
    for wrong in ("x", nonces[0][:-1], nonces[0] + "A", ""):
        res = good(server, "/nonce", token, nonce=wrong)
        bad_proof(res, "proof_nonce", None, "use_dpop_nonce", "proof_nonce")
        assert len(res.all("DPoP-Nonce")) == 1
    res = server.get("/nonce", headers=fields(token, proof(server.url + "/nonce", token))
                     + [("Origin", "https://app.test")])
    assert "DPoP-Nonce" in res.get("Access-Control-Expose-Headers")
    assert not good(server, "/a", token).all("DPoP-Nonce")


# ---- certificates -----------------------------------------------------------


@pytest.fixture(scope="module")
def tls(new_server):
    inside = "".join(location(path, "AuthBearerThrottle off\n" + more) for path, more in (
        ("/a", ""), ("/mtls", "AuthBearerProof mtls"), ("/dpop", "AuthBearerProof dpop"),
        ("/proxy", "AuthBearerProof auto certificate=%s from=127.0.0.0/8" % PROXY)))
    port = ClientCert(issuer_conf() + inside)
    server = new_server(port.conf, modules=TLS, files={**port.files, **key_files("rs256")})
    return server, port


MINE, OTHER = certs.client("mine", trusted=False), certs.client("other")
tls_log = pytest.mark.allow_log(*WARNINGS)


@tls_log
def test_certificate(tls):
    server, port = tls
    token = bound(None, MINE)
    for path in ("/a", "/mtls"):
        granted(port.get(server, path, token, cert=MINE))
        for cert in (OTHER, None):
            invalid(port.get(server, path, token, cert=cert), "binding", log="certificate")
    assert port.get(server, "/a/env", token, cert=MINE).env["BEARER_PROOF"] == "mtls"
    not_proven(port.get(server, "/dpop", token, cert=MINE))
    granted(port.get(server, "/a", mint(), cert=MINE))
    invalid(port.get(server, "/mtls", mint(), cert=MINE), "binding")


@tls_log
def test_both(tls):
    """A cnf with both needs both."""
    server, port = tls
    token = bound(pem=MINE)
    url = "https://server.test:%d" % port.port

    def get(path, cert, *proofs):
        return port.get(server, path, cert=cert, headers=fields(token, *proofs))
    for path in ("/a", "/mtls", "/dpop"):
        granted(get(path, MINE, proof(url + path, token)))
        assert get(path, OTHER, proof(url + path, token)).status == 401
        assert get(path, None, proof(url + path, token)).status == 401
        assert get(path, MINE).status == 401
    assert get("/a/env", MINE, proof(url + "/a/env", token)).env["BEARER_PROOF"] == "dpop,mtls"


def only_cert(pem):
    return pem[pem.index(b"-----BEGIN CERTIFICATE"):].decode()


def der(pem):
    return "".join(only_cert(pem).splitlines()[1:-1])


FORMATS = {
    "pem": lambda pem: urllib.parse.quote(only_cert(pem), safe=""),
    "rfc9440": lambda pem: ":%s:" % der(pem),
    "xfcc": lambda pem: 'By=spiffe://a;Hash=%s;Cert="%s";Subject="CN=x, \\"y\\""' % (
        "0" * 64, urllib.parse.quote(only_cert(pem), safe="")),
    "xfcc several": lambda pem: 'Cert="%s",By=x;Cert="%s"' % (
        urllib.parse.quote(only_cert(OTHER), safe=""),
        urllib.parse.quote(only_cert(pem), safe="")),
}


@pytest.mark.parametrize("form", FORMATS)
def test_header(server, form):
    token = bound(None, MINE)
    granted(server.get("/proxy", token, headers=[(PROXY, FORMATS[form](MINE))]))
    invalid(server.get("/proxy", token, headers=[(PROXY, FORMATS[form](OTHER))]), "binding")


def test_header_of_a_stranger(server):
    token = bound(None, MINE)
    mine = FORMATS["pem"](MINE)
    invalid(server.get("/stranger", token, headers=[(PROXY, mine)]), "binding")
    invalid(server.get("/a", token, headers=[(PROXY, mine)]), "binding")
    invalid(server.get("/stranger", token, headers=[
        (PROXY, mine), ("X-Forwarded-For", "192.0.2.1")]), "binding")


@pytest.mark.parametrize("field", [
    None, "", "x", "::", ":AAAA:", "%2D", "Cert=", 'Cert="', "-----BEGIN CERTIFICATE-----",
    "%ZZ", "x" * 7000])
def test_bad_header(server, field):
    token = bound(None, MINE)
    headers = [] if field is None else [(PROXY, field)]
    invalid(server.get("/proxy", token, headers=headers), "binding")


def test_header_twice(server):
    """A proxy that appends what it should replace."""
    token = bound(None, MINE)
    mine, other = FORMATS["rfc9440"](MINE), FORMATS["rfc9440"](OTHER)
    for headers in ([(PROXY, mine), (PROXY, other)], [(PROXY, other), (PROXY, mine)]):
        invalid(server.get("/proxy", token, headers=headers), "binding")


@tls_log
def test_header_alone_counts(tls):
    """From the proxies of from=, the header counts, and not their own certificate."""
    server, port = tls
    token = bound(None, MINE)
    invalid(port.get(server, "/proxy", token, cert=MINE), "binding", log="missing")
    granted(port.get(server, "/proxy", token, cert=OTHER,
                     headers=[(PROXY, FORMATS["pem"](MINE))]))


# ---- several hosts ----------------------------------------------------------

FLEET = "https://api.fleet.test"


@pytest.fixture
def redis():
    missing.need("redis-server", shutil.which("redis-server"))
    server = Redis()
    yield server
    server.close()


@pytest.fixture
def fleet(one_server, redis):
    """Two hosts of one name with one redis."""
    conf = """
AuthBearerBaseURL %s
AuthBearerSecretFile @ROOT@/secret
AuthBearerSOCache redis://127.0.0.1:%d for=proofs timeout=1s
""" % (FLEET, redis.port)
    return [one_server(conf + issuer_conf() + location("/a", "AuthBearerThrottle off"),
                       files={**key_files("rs256"), "secret": (b"s" * 48, 0o600)})
            for _ in range(2)]


def test_replay_on_another_host(fleet):
    token = bound()
    one = proof(FLEET + "/a", token)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda i: dpop(fleet[i % 2], "/a", token, one), range(100)))
    assert sorted(res.status for res in answers) == [200] + [401] * 99
    for server in fleet:
        granted(dpop(server, "/a", token, proof(FLEET + "/a", token)))


@pytest.mark.allow_log("AB0431")
def test_redis_away(fleet, redis):
    """Not to be asked is no acceptance."""
    token = bound()
    granted(dpop(fleet[0], "/a", token, proof(FLEET + "/a", token)))
    redis.close()
    res = dpop(fleet[0], "/a", token, proof(FLEET + "/a", token))
    refused(res, 503, None, "unavailable", "proof_memory", log="for=proofs")
    granted(fleet[0].get("/a", mint()))


def test_two_windows_of_one_url(one_server, redis):
    """A query chooses the section, but is no part of htu: the longer window counts."""
    server = one_server("""
AuthBearerBaseURL %s
AuthBearerSecretFile @ROOT@/secret
AuthBearerClockSkew 0
AuthBearerSOCache redis://127.0.0.1:%d for=proofs
""" % (FLEET, redis.port) + issuer_conf() + location("/a", """
AuthBearerProof auto window=2s
<If "%{QUERY_STRING} == 'long'">
    AuthBearerProof auto window=10min
</If>"""), files={**key_files("rs256"), "secret": (b"s" * 48, 0o600)})
    token = bound()
    one = proof(FLEET + "/a", token)
    granted(dpop(server, "/a", token, one))
    with redis.client() as client:
        name, = client.keys("bearer-*")
        assert client.pttl(name) > 590000
    bad_proof(dpop(server, "/a?long", token, one), "proof_replay")
