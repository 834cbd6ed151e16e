# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The life of key sets in a real server: rotation, outage, floods, restarts,
bad documents, and issuers that are hard to reach. Load is bounded; time passes
by short settings.
"""
import gzip
import itertools
import json
import os
import re
import signal
import threading
import time

import pytest

from support import certs, client, secrets
from support.expect import (everywhere, granted, invalid, location, refused,
                            with_status)
from support.httpd import wait_until
from support.issuer import IssuerHost
from support.keysets import (TROUBLE, block, by_url, issuer, names,  # noqa: F401
                             one, refresh)
from support.load import Load, burst, crowd
from support.messages import COMPRESSED, NO_USABLE_KEY, NOT_STRICT, TOO_LARGE
from support.pace import Stopwatch
from support.proxy import Proxy
from support.tokens import b64, jwks, key, mint

#: More requests than workers: what httpd says of it.
CROWDED = pytest.mark.allow_log("AH00484", "AH00161")


def down(issuer):
    for kind in ("oauth", "oidc", "jwks"):
        issuer.script(kind, cut=True)


# --- rotation ----------------------------------------------------------------

def test_rotation_under_load_refuses_nothing(one_server, issuer):
    """Even when the issuer signs with a key before anybody could know it."""
    server = one(one_server, issuer, by_url(issuer, refresh("1s", "10s")),
                 children=2)
    signer = ["rs256"]
    tokens = {}

    def token():
        name = signer[0]
        if name not in tokens:
            tokens[name] = issuer.mint(name)
        return tokens[name]
    granted(server.get("/a", issuer.mint()))
    with Load(server.port, token) as load:
        for new in ("rs256-b", "rs256-c", "es256-d"):
            key(new)
            load.keep_on_for(1.2)  # an unknown kid is looked for once per min
            issuer.keys = [new, signer[0]]
            signer[0] = new
            load.more(100)
    load.expect_only(200)
    assert 4 <= issuer.count("jwks") <= 8


def test_removed_key_stops_everywhere(one_server, issuer):
    """Tokens that were verified before included."""
    issuer.keys = ["rs256", "es256"]
    server = one(one_server, issuer, by_url(issuer, refresh()), children=3)
    token = issuer.mint("es256")
    assert everywhere(server, token) == {200}
    issuer.keys = ["rs256"]
    wait_until(lambda: everywhere(server, token) == {401}, 10,
               "the removed key is of no use")
    assert everywhere(server, issuer.mint()) == {200}


def _named(name, kid):
    """A key under a name of its own choice; None: without one."""
    return key(name).jwk(kid=kid)


@pytest.mark.parametrize("kid", ["same", None])
def test_key_replaced_under_the_same_name(one_server, issuer, kid):
    """Or in a set without names: the keys are fetched again, and once per min."""
    issuer.keys = [_named("es256-old", kid)]
    server = one(one_server, issuer, by_url(issuer, refresh("60s", "1h")))
    head = {"kid": kid}

    def fresh(signer):
        return issuer.mint(signer, header=head, iat=int(time.time()),
                           jti=str(next(names)))
    old = fresh("es256-old")
    granted(server.get("/a", old))
    before = issuer.count("jwks")
    # issued before the keys were fetched: it cannot have been signed by a newer key
    for _ in range(3):
        invalid(server.get("/a", issuer.mint("es256-new", header=head, iat=int(
            time.time()) - 30, jti=str(next(names)))), "signature", "signature")
    # refused for another reason anyway
    invalid(server.get("/a", issuer.mint("es256-new", header=head, aud="other",
                                         iat=int(time.time()))), "signature")
    assert issuer.count("jwks") == before
    issuer.keys = [_named("es256-new", kid)]
    for _ in range(5):
        granted(server.get("/a", fresh("es256-new")))
    # the old key is forgotten, and so is the token that it verified
    invalid(server.get("/a", old), "signature", "signature")
    # held back
    issuer.keys = [_named("es256-newer", kid)]
    invalid(server.get("/a", fresh("es256-newer")), "signature", "signature")
    assert issuer.count("jwks") == before + 1


@TROUBLE
def test_replaced_key_that_cannot_be_fetched(one_server, issuer):
    """It stays a bad signature, not 503: the key has that name."""
    server = one(one_server, issuer, by_url(issuer, refresh("60s", "1h")))
    granted(server.get("/a", issuer.mint()))
    issuer.script("jwks", status=500, body="")
    before = issuer.count("jwks")
    for _ in range(3):
        invalid(server.get("/a", issuer.mint(
            "rs256-forger", header={"kid": "rs256"}, iat=int(time.time()),
            jti=str(next(names)))), "signature", "signature")
    assert issuer.count("jwks") == before + 1


def test_refusals_are_forgotten_with_the_keys(one_server, issuer):
    """A token that a forgotten key did not fit is judged again by a new one."""
    issuer.keys = [_named("es256-old", "same")]
    server = one(one_server, issuer, by_url(issuer, refresh("1s", "1s")), children=2)
    token = issuer.mint("es256-new", header={"kid": "same"})
    assert everywhere(server, token) == {401}
    issuer.keys = [_named("es256-new", "same")]
    wait_until(lambda: everywhere(server, token) == {200}, 10, "the new key counts")


def test_honest_tokens_of_a_key_that_comes_too_early(one_server, issuer):
    """Two rotations within min: no address is locked out."""
    server = one(one_server, issuer, by_url(issuer, refresh("60s", "1h")),
                 conf="AuthBearerThrottle threshold=5 window=60s penalty=60s\n")
    granted(server.get("/a", issuer.mint()))
    issuer.keys = ["es256-two", "rs256"]
    granted(server.get("/a", issuer.mint("es256-two")))
    issuer.keys = ["es256-three", "es256-two"]
    seen = [server.get("/a", issuer.mint("es256-three", jti=str(i))).status
            for i in range(30)]
    assert seen == [401] * 30
    granted(server.get("/a", issuer.mint("es256-two", jti="last")))
    # each other kid counts, and so does each bad signature
    for i in range(4):
        server.get("/a", issuer.mint("es256-x%d" % i))
    assert server.get("/a", issuer.mint("es256-x5")).status == 401
    assert server.get("/a", issuer.mint("es256-x6")).status == 429


# --- outage ------------------------------------------------------------------

@TROUBLE
def test_stalled_and_down_issuer_fails_nothing(one_server, issuer):
    """Always due, 5 s per answer, then nothing: nobody waits for it."""
    server = one(one_server, issuer,
                 refresh() + "\nAuthBearerTimeout connect=1s total=2s",
                 children=2)
    granted(server.get("/a", issuer.mint()))
    with Load(server.port, issuer.mint()) as load:
        for kind in ("oauth", "oidc", "jwks"):
            issuer.script(kind, delay=5)
        before = issuer.count()
        wait_until(lambda: issuer.count() >= before + 2, 20, "it is asked")
        load.more(100)
        down(issuer)
        before = issuer.count()
        wait_until(lambda: issuer.count() >= before + 2, 20, "it is asked")
        load.more(100)
        issuer.reset()
        server.wait_log("AB0206", issuer.url, "1", issuer.jwks_url, seconds=20)
    load.expect_only(200)
    assert load.percentile(1, load.began) < 1


@TROUBLE
def test_stale_then_gone_then_back(one_server, issuer):
    server = one(one_server, issuer, by_url(issuer, refresh(stale="2s")))
    token = issuer.mint()
    granted(server.get("/a", token))
    down(issuer)
    started = time.monotonic()
    res = wait_until(lambda: with_status(server.get("/a", token), 503), 15, "gone")
    assert time.monotonic() - started >= 1.5
    refused(res, 503, None, "unavailable", "keys")
    assert server.log_says("AB0207", issuer.url, "stale=")
    issuer.reset()
    wait_until(lambda: with_status(server.get("/a", token), 200), 15, "back")


@CROWDED
def test_cold_thousand_is_one_fetch(one_server, issuer):
    issuer.script("jwks", delay=0.5)
    server = one(one_server, issuer, by_url(issuer), children=3)
    n, token = crowd(server), issuer.mint()
    seen = burst([(server.port, token, "/a")] * n)
    # who finds half of the workers waiting is told to come again
    assert set(seen) <= {200, 503} and seen[200] and sum(seen.values()) == n
    assert burst([(server.port, token, "/a")] * n) == {200: n}
    assert issuer.count("jwks") == 1


@TROUBLE
@CROWDED
def test_cold_thousand_of_a_silent_issuer(one_server, issuer):
    """A cold start waits as long as AuthBearerTimeout says, then 503: the
    thousand share the one wait."""
    issuer.script("jwks", delay=30)
    server = one(one_server, issuer, by_url(
        issuer, "AuthBearerTimeout connect=1s total=1s"))
    watch = Stopwatch(server)
    assert burst([(server.port, issuer.mint(), "/a")] * 300) == {503: 300}
    assert watch.seconds < 10
    assert 1 <= issuer.count("jwks") <= 3


@TROUBLE
def test_a_fetcher_that_dies_wedges_nothing(one_server, issuer):
    """Long before its lease would have run out."""
    held = threading.Event()
    issuer.script("jwks", hold=held, times=1)
    server = one(one_server, issuer, by_url(
        issuer, "AuthBearerTimeout connect=5s total=15s"))
    try:
        wait_until(lambda: issuer.count("jwks") or _ask(server, issuer), 10,
                   "a fetch")
        for child in server.children():
            os.kill(child, signal.SIGKILL)
        watch = Stopwatch(server)
        wait_until(lambda: _quick(server, issuer), 20, "another fetch")
        assert watch.seconds < 10
        assert issuer.count("jwks") == 2
    finally:
        held.set()


def _ask(server, issuer):
    """A request that nobody waits for."""
    threading.Thread(target=_quick, args=(server, issuer), daemon=True).start()
    time.sleep(0.05)


def _quick(server, issuer):
    try:
        return b" 200 " in client.exchange(server.port, client.build(
            "GET", "/a", {"Authorization": "Bearer " + issuer.mint()}), 5)[:15]
    except OSError:
        return False


# --- unknown kids ------------------------------------------------------------

def flood_tokens(issuer):
    """Tokens with a kid of their own each; nobody has signed them."""
    _, payload, signature = issuer.mint().split(".")
    for i in itertools.count():
        header = json.dumps({"alg": "RS256", "typ": "JWT",
                             "kid": "unknown-%d" % i})
        yield "%s.%s.%s" % (b64(header), payload, signature)


def test_unknown_kid_flood_is_one_fetch(one_server, issuer):
    server = one(one_server, issuer, by_url(issuer), children=2,
                 loglevel="warn")
    granted(server.get("/a", issuer.mint()))
    before = issuer.count("jwks")
    source = flood_tokens(issuer)
    lock = threading.Lock()

    def unknown():
        with lock:
            return next(source)
    with Load(server.port, unknown, rate=None) as flood, \
            Load(server.port, issuer.mint(), threads=1, rate=50) as valid:
        flood.more(10000, 120)
    flood.expect_only(401)
    valid.expect_only(200)
    assert issuer.count("jwks") - before == 1


@TROUBLE
def test_unknown_kid_flood_of_a_failing_issuer(one_server, issuer):
    """Failures count, too: one fetch per min, and 503, for the kid may be one
    that nobody could learn of."""
    server = one(one_server, issuer, by_url(issuer))
    granted(server.get("/a", issuer.mint()))
    issuer.script("jwks", status=500, body="")
    before = issuer.count("jwks")
    source = flood_tokens(issuer)
    # a child that has fetched in this very moment says 401
    wait_until(lambda: {server.get("/a", next(source)).status
                        for _ in range(8)} == {503}, 5, "503")
    for _ in range(50):
        refused(server.get("/a", next(source)), 503, None, "unavailable",
                "keys")
        granted(server.get("/a", issuer.mint()))
    assert issuer.count("jwks") - before == 1


def test_empty_set_is_not_asked_again_and_again(one_server, issuer):
    issuer.script("jwks", body='{"keys": []}')
    server = one(one_server, issuer, by_url(issuer), loglevel="crit")
    source = flood_tokens(issuer)
    for _ in range(30):
        assert server.get("/a", next(source)).status == 503
    assert issuer.count("jwks") == 1


# --- documents ---------------------------------------------------------------

def _good():
    return jwks("rs256")


def _padded(size):
    """A good key set of exactly so many bytes."""
    text = _good()[:-1] + ', "pad": "%s"}'
    return text % ("x" * (size - len(text % "")))


def _many(n):
    """A good key set of n keys."""
    return jwks("rs256", *[key("rs256-x").jwk(kid="pad-%d" % i)
                           for i in range(n - 1)])


BAD = {
    "not-json": (dict(body="<html>Welcome</html>"), [NOT_STRICT]),
    "cut": (dict(body=lambda r: _good()[:-5]), [NOT_STRICT]),
    "no-keys": (dict(body='{"jwks": []}'), ["'keys'"]),
    "keys-no-array": (dict(body='{"keys": {}}'), ["'keys'"]),
    "empty": (dict(body='{"keys": []}'), [NO_USABLE_KEY]),
    "nothing": (dict(body=""), [NOT_STRICT]),
    "duplicate-member": (dict(body=lambda r: _good()[:-1] + ', "keys": []}'),
                         [NOT_STRICT]),
    "too-long": (dict(body=lambda r: _padded(256 * 1024 + 1)), [TOO_LARGE]),
    "too-many": (dict(body=lambda r: _many(101)), ["100"]),
    "gzip": (dict(body=lambda r: gzip.compress(_good().encode()).decode(
        "latin-1").encode("latin-1"), headers={"Content-Encoding": "gzip"}),
        [COMPRESSED]),
    "gzip-bomb": (dict(body=lambda r: gzip.compress(b" " * (1 << 24)),
                       headers={"Content-Encoding": "gzip"}), [COMPRESSED]),
    "redirect": (dict(status=302, headers={"Location": "@JWKS@"}, body=""),
                 ["302"]),
    "status": (dict(status=500, body=lambda r: _good()), ["500"]),
    "login-page": (dict(body="<html>Sign in</html>",
                        headers={"Content-Type": "text/html"}),
                   [NOT_STRICT]),
    "cut-off": (dict(cut=True), []),
    "trickle": (dict(trickle=1), ["AuthBearerTimeout total="]),
}


def scripted(issuer, name, issuers):
    """Makes the issuer answer so."""
    answer = dict(BAD[name][0])
    if "headers" in answer:
        other = issuers.issuer("s%d" % next(names), "rs256")
        answer["headers"] = {n: v.replace("@JWKS@", other.jwks_url)
                             for n, v in answer["headers"].items()}
    issuer.script("jwks", **answer)


@pytest.mark.allow_log("AB0205")
def test_bad_documents_displace_nothing(one_server, issuers):
    conf, made = "", {}
    for name in BAD:
        made[name] = issuers.issuer("warm-" + name, "rs256")
        conf += block(made[name].url, by_url(made[name]))
    server = one_server("AuthBearerUserFormat %u\n" + refresh("1s", "2s")
                        + "\nAuthBearerTimeout connect=2s total=3s\n"
                        + conf + location("/a"))
    for issuer in made.values():
        granted(server.get("/a", issuer.mint()))
    for name, issuer in made.items():
        scripted(issuer, name, issuers)
    for name, issuer in made.items():
        lines = server.wait_log("AB0205", "/warm-%s'" % name, *BAD[name][1], seconds=90)
        assert {line.level for line in lines} == {"warn"}, "cached keys stay usable"
        granted(server.get("/a", issuer.mint()))
        granted(server.get("/a", issuer.mint(sub="bob")), "bob")


@pytest.mark.allow_log("AB0205")
def test_bad_documents_when_cold(one_server, issuers):
    conf, made = "", {}
    for name in BAD:
        made[name] = issuers.issuer("cold-" + name, "rs256")
        scripted(made[name], name, issuers)
        conf += block(made[name].url, by_url(made[name]))
    server = one_server("AuthBearerUserFormat %u\n"
                        "AuthBearerTimeout connect=1s total=2s\n"
                        + conf + location("/a"))
    for name, issuer in made.items():
        refused(server.get("/a", issuer.mint()), 503, None, "unavailable",
                "keys", log=[issuer.url, *BAD[name][1]])


@pytest.mark.parametrize("body", [
    lambda r: _padded(256 * 1024), lambda r: _many(100)],
    ids=["256-KiB", "100-keys"])
def test_largest_documents(one_server, issuer, body):
    """They serve every child from one fetch, and a new generation."""
    issuer.script("jwks", body=body)
    server = one(one_server, issuer, by_url(issuer), children=3)
    assert everywhere(server, issuer.mint()) == {200}
    server.graceful()
    assert everywhere(server, issuer.mint()) == {200}
    assert issuer.count("jwks") == 1


def _odd_keys():
    """(JWK, what the log must say of it)"""
    good = key("rs256-odd").jwk
    ec = key("es256-odd").jwk()
    return [
        (key("rsa1024").jwk(kid="rsa-1024"), "1024|2048"),
        (good(kid="e-one", e="AQ"), "exponent|e "),
        (good(kid="e-even", e="AAAE"), "exponent|e |canonical|base64"),
        (good(kid="no-n", n=None), "n"),
        (good(kid="n-padded", n=good()["n"] + "="), "base64"),
        (good(kid="n-number", n=5), "n"),
        (dict(ec, kid="off-curve", x=ec["y"]), "curve|point|key"),
        (dict(ec, kid="short-x", x=ec["x"][:-2]), "x|bytes|length|key"),
        (key("hs256").jwk(kid="secret"), "oct|symmetric|secret"),
        (good(kid="k" * 300), "kid"),
        ({"kty": "PQC", "kid": "future"}, "PQC"),
        ({"kty": "EC", "kid": "curve", "crv": "P-999", "x": "AA", "y": "AA"},
         "P-999"),
    ]


@pytest.mark.allow_log("AB0201")
def test_odd_keys_are_one_line_each(one_server, issuer):
    """Not one per request, child, refresh or generation."""
    odd = _odd_keys()
    issuer.keys = ["rs256"] + [jwk for jwk, _ in odd]
    # that are none for signatures, by their own word: nothing to say
    issuer.keys += [key("rs256-odd").jwk(kid="enc", use="enc"),
                    key("rs256-odd").jwk(kid="ops", use=None,
                                         key_ops=["encrypt"])]
    server = one(one_server, issuer, by_url(issuer, refresh()), children=3)
    assert everywhere(server, issuer.mint()) == {200}
    before = issuer.count("jwks")
    wait_until(lambda: issuer.count("jwks") >= before + 3, 20, "refreshes")
    server.graceful()
    assert everywhere(server, issuer.mint()) == {200}
    lines = [line.text for line in server.log_says("AB0201", issuer.url)
             if line.level == "warn"]
    assert len(lines) == len(odd), "\n".join(lines)
    for jwk, words in odd:
        name = ("kid '%s'" % jwk["kid"] if len(jwk["kid"]) < 40
                else "key 11")
        mine = [line for line in lines if name in line]
        assert len(mine) == 1, (name, lines)
        assert re.search(words, mine[0].partition(name)[2]), mine


# --- graceful restart --------------------------------------------------------

def test_graceful_restart_under_load_fails_nothing(one_server, issuer):
    server = one(one_server, issuer, by_url(issuer), children=2)
    granted(server.get("/a", issuer.mint()))
    with Load(server.port, issuer.mint()) as load:
        for _ in range(3):
            server.graceful()
            load.more(50)
    load.expect_only(200)
    assert issuer.count("jwks") == 1


@TROUBLE
@pytest.mark.core
@pytest.mark.parametrize("without", [(), ("socache_shmcb",)],
                         ids=["shmcb", "no-shmcb"])
def test_new_generation_is_not_cold(one_server, issuer, without):
    """It serves although the issuer is down at that moment: at once, and
    through more restarts than one."""
    server = one(one_server, issuer, children=2, without=without)
    granted(server.get("/a", issuer.mint()))
    down(issuer)
    asked = issuer.count()
    with Load(server.port, issuer.mint()) as load:
        for _ in range(3):
            server.graceful()
            load.more(30)
    load.expect_only(200)
    assert everywhere(server, issuer.mint(sub="new")) == {200}
    assert issuer.count() == asked


@TROUBLE
def test_new_generation_with_more_issuers(one_server, issuers):
    """The memory grows with the configuration, and loses nothing by it."""
    made = [issuers.issuer("s%d" % next(names), "rs256") for _ in range(30)]

    def conf(n):
        return "AuthBearerUserFormat %u\n" + "".join(
            block(i.url, by_url(i)) for i in made[:n]) + location("/a")
    server = one_server(conf(1))
    granted(server.get("/a", made[0].mint()))
    down(made[0])
    server.configure(conf(30))
    server.graceful()
    for issuer in made:
        granted(server.get("/a", issuer.mint()))
    for issuer in made:
        down(issuer)
    server.configure(conf(25))
    server.graceful()
    for issuer in made[:25]:
        granted(server.get("/a", issuer.mint()))
        assert issuer.count("jwks") == 1


@TROUBLE
def test_new_policy_takes_nothing_over(one_server, issuers):
    """Keys that were fetched under another policy are not of this one."""
    host = IssuerHost(tls="good")
    try:
        issuer = host.issuer("policy")
        conf = ('AuthBearerCAFile "@ROOT@/%s"\nAuthBearerTimeout total=1s\n'
                + block(issuer.url, by_url(issuer)) + location("/a"))
        server = one_server(conf % "ca.pem", files={
            "ca.pem": certs.authority_pem(),
            "other.pem": certs.signing_certificate(key("rs256"))})
        granted(server.get("/a", issuer.mint()))
        server.configure(conf % "other.pem")
        server.graceful()
        refused(server.get("/a", issuer.mint()), 503, None, "unavailable",
                "keys")
    finally:
        host.close()


@TROUBLE
def test_new_policy_is_handed_over(one_server, issuer):
    """What was known by a policy before takes no room from what is known now."""
    def conf(high):
        return block(issuer.url, by_url(issuer, refresh("1h", high, "24h"))
                     ) + location("/a")
    server = one_server(conf("1h"))
    granted(server.get("/a", issuer.mint()))
    for high in ("2h", "3h", "4h"):
        server.configure(conf(high))
        server.graceful()
        granted(server.get("/a", issuer.mint(sub=high)), high)
    assert issuer.count("jwks") == 4
    down(issuer)
    server.graceful()
    granted(server.get("/a", issuer.mint(sub="down")), "down")
    assert issuer.count("jwks") == 4


def test_unknown_kids_over_a_restart(one_server, issuer):
    """The new generation knows when an unknown kid was last looked for."""
    server = one(one_server, issuer, by_url(issuer))
    granted(server.get("/a", issuer.mint()))
    source = flood_tokens(issuer)
    wait_until(lambda: server.get("/a", next(source)).status == 401
               and issuer.count("jwks") == 2, 5, "it is looked for")
    asked = issuer.count("jwks")
    server.graceful()
    for _ in range(10):
        invalid(server.get("/a", next(source)), "key")
    assert issuer.count("jwks") == asked


# --- several issuers ---------------------------------------------------------

def test_fifty_issuers(one_server, issuers):
    made = [issuers.issuer("s%d" % next(names), "es256-%d" % (i % 3))
            for i in range(50)]
    server = one_server("AuthBearerUserFormat %u\n" + "".join(
        block(i.url, by_url(i)) for i in made) + location("/a"))
    for i, issuer in enumerate(made):
        granted(server.get("/a", issuer.mint()))
        # signed by another issuer's key, under its kid and under one's own
        wrong = made[(i + 1) % 50].keys[0]
        invalid(server.get("/a", issuer.mint(wrong)), "key")
        invalid(server.get("/a", issuer.mint(
            wrong, header={"kid": issuer.keys[0]})), "signature")
    for issuer in made:
        assert issuer.count("jwks") <= 2  # the second: for the unknown kid


def test_vhosts_have_issuers_of_their_own(one_server, issuers):
    """The same kid in both; the same issuer's URL in both, by other keys."""
    a, b = (issuers.issuer("s%d" % next(names), "rs256") for _ in "ab")
    b.keys = [key("rs256-other").jwk(kid="rs256")]
    shared = "https://shared.test"

    def vhost(name, issuer):
        return ('<VirtualHost *:@PORT@>\nServerName %s\n%s%s'
                'AuthBearerUserFormat %%u\n%s</VirtualHost>\n' % (
                    name, block(issuer.url, by_url(issuer)),
                    block(shared, by_url(issuer)), location("/a")))
    server = one_server(vhost("a.test", a) + vhost("b.test", b))

    def ask(host, signer, iss):
        token = mint(signer, iss=iss, header={"kid": "rs256"})
        return server.get("/a", token, host=host)
    for iss, name in ((a.url, "a"), (shared, "a")):
        granted(ask("a.test", "rs256", iss))
        invalid(ask("a.test", "rs256-other", iss), "signature")
    for iss in (b.url, shared):
        granted(ask("b.test", "rs256-other", iss))
        invalid(ask("b.test", "rs256", iss), "signature")
    invalid(ask("a.test", "rs256-other", b.url), "issuer")
    invalid(ask("b.test", "rs256", a.url), "issuer")


TENANT = "https://login.test/%s/v2.0"
TOLD_APART = 'AuthBearerUserFormat "%u@%t"\n'


@TROUBLE
def test_tenants_by_url(one_server, issuers):
    """Each tenant has keys of its own; who is no tenant causes no fetch; after
    a restart they are there still."""
    t1, t2, t3 = (issuers.issuer("tenant-%d" % i, "rs256-t%d" % i)
                  for i in (1, 2, 3))
    server = one_server(TOLD_APART + block(TENANT % "{tenant}", """
AuthBearerTenants tenant-1 tenant-2
AuthBearerKeys "%s/t/{tenant}/jwks"
""" % issuers.url) + location("/a"))

    def ask(name, signer):
        return server.get("/a", mint(signer, iss=TENANT % name))
    for _ in range(3):
        granted(ask("tenant-1", "rs256-t1"), "alice@tenant-1")
        granted(ask("tenant-2", "rs256-t2"), "alice@tenant-2")
        invalid(ask("tenant-3", "rs256-t3"), "issuer")
    invalid(ask("tenant-1", "rs256-t2"), "key")
    invalid(server.get("/a", mint("rs256-t2", iss=TENANT % "tenant-1",
                                  header={"kid": "rs256-t1"})), "signature")
    assert t3.count() == 0
    asked = t1.count(), t2.count()
    down(t1)
    down(t2)
    server.graceful()
    granted(ask("tenant-1", "rs256-t1"), "alice@tenant-1")
    granted(ask("tenant-2", "rs256-t2"), "alice@tenant-2")
    assert (t1.count(), t2.count()) == asked


def test_tenants_file_with_keys_by_url(one_server, issuers):
    made = issuers.issuer("grown", "rs256")
    server = one_server(TOLD_APART + block(TENANT % "{tenant}", """
AuthBearerTenants "file:@ROOT@/tenants"
AuthBearerKeys "%s/t/{tenant}/jwks"
""" % issuers.url) + location("/a", "AuthBearerThrottle threshold=20"),
                        files={"tenants": "other\n"})
    token = mint(iss=TENANT % "grown")
    invalid(server.get("/a", token), "issuer")
    assert made.count() == 0
    server.write("tenants", "other\ngrown\n")
    wait_until(lambda: with_status(server.get("/a", token), 200), 15, "the new tenant")
    server.write("tenants", "other\n")
    wait_until(lambda: with_status(server.get("/a", token), 401), 15,
               "the tenant that was one")


@pytest.mark.core
def test_forged_tokens_of_more_tenants_than_are_kept(one_server, issuers, wire):
    """Anybody can name all tenants of a large file: those that have a user keep
    their keys, one more gets in, and what is fetched for it all has a bound."""
    kept, names = 1000, ["many-%d" % i for i in range(1060)]
    made = issuers.issuer("many-0", "rs256")
    issuers.issuers.update({name: made for name in names})
    server = one_server(TOLD_APART + block(TENANT % "{tenant}", """
AuthBearerTenants "file:@ROOT@/tenants"
AuthBearerKeys "%s/t/{tenant}/jwks"
""" % issuers.url) + location("/a"), files={"tenants": "\n".join(names)},
                        children=1, h2=wire)

    def honest(i):
        granted(server.get("/a", mint(iss=TENANT % names[i]), h2=wire),
                "alice@" + names[i])
    started = time.monotonic()
    for i in range(10):
        honest(i)
    for i in range(10, 1020):
        invalid(server.get("/a", mint("rs256-thief", header={"kid": "rs256"},
                                      iss=TENANT % names[i]),
                           h2=wire and i % 50 == 0), "signature")
    honest(1050)
    turns = kept + (time.monotonic() - started) / (60 / kept)
    assert 1000 <= made.count("jwks") <= turns + 1
    fetched = made.count("jwks")
    for i in range(10):
        honest(i)
    honest(1050)
    # another child of prefork may find that the cache was too small for all
    assert made.count("jwks") <= fetched + (11 if server.mpm == "prefork" else 0)


def test_a_keys_own_issuer_by_url(one_server, issuers):
    """Entra: one document for all tenants, some keys for one only."""
    entra = issuers.issuer("entra", "rs256")
    entra.keys = [key("rs256").jwk(issuer=TENANT % "{tenantid}"),
                  key("rs256-own").jwk(issuer=TENANT % "t-1")]
    server = one_server(TOLD_APART + block(TENANT % "{tenant}", """
AuthBearerTenants t-1 t-2
AuthBearerKeys "%s"
""" % entra.jwks_url) + location("/a"))
    for tenant in ("t-1", "t-2"):
        granted(server.get("/a", mint(iss=TENANT % tenant)), "alice@" + tenant)
    granted(server.get("/a", mint("rs256-own", iss=TENANT % "t-1")), "alice@t-1")
    invalid(server.get("/a", mint("rs256-own", iss=TENANT % "t-2")), "key")
    assert entra.count("jwks") <= 2


# --- where keys are hard to reach ---------------------------------------------

@TROUBLE
def test_fetch_auth_follows_its_file(one_server, issuer):
    """A Kubernetes service account's token is another one every hour."""
    secrets.register("service-account-1", "service-account-2")

    def guarded(good):
        def body(request):
            return (jwks("rs256") if request.headers.get("Authorization")
                    == "Bearer " + good else "forbidden")
        return body
    issuer.script("jwks", body=guarded("service-account-1"))
    server = one(one_server, issuer, by_url(
        issuer, refresh() + '\nAuthBearerFetchAuth "file:@ROOT@/token"'),
        files={"token": "service-account-1\n"})
    granted(server.get("/a", issuer.mint()))
    issuer.script("jwks", body=guarded("service-account-2"))
    server.wait_log("AB0205", issuer.url, seconds=20)
    server.write("token", "service-account-2\n")
    issuer.keys = ["rs256"]
    server.wait_log("AB0206", issuer.url, "1", issuer.jwks_url, seconds=20)
    wait_until(lambda: issuer.last("jwks").headers["Authorization"]
               == "Bearer service-account-2", 20, "the new token is sent")
    granted(server.get("/a", issuer.mint()))


def test_spiffe_by_url(one_server, issuer):
    issuer.keys = [key("es256").jwk(use="jwt-svid", alg=None),
                   key("rs256").jwk(use="x509-svid"),
                   key("es256-sig").jwk()]
    server = one_server("""
<AuthBearerIssuer "spiffe://td.test">
    AuthBearerKeys "spiffe:%s"
</AuthBearerIssuer>
""" % issuer.jwks_url + location("/a"))

    def svid(signer="es256", sub="spiffe://td.test/ns/a"):
        return mint(signer, header={"typ": "JOSE"}, payload={
            "sub": sub, "aud": "api://test", "exp": int(time.time()) + 300})
    granted(server.get("/a", svid()), "spiffe://td.test/ns/a")
    invalid(server.get("/a", svid(sub="spiffe://other.test/ns/a")))
    for signer in ("rs256", "es256-sig"):
        invalid(server.get("/a", svid(signer)), "key")
    assert issuer.count("jwks") <= 2


@pytest.fixture
def proxied(issuers):
    """(forward proxy, a host on TLS behind it)"""
    host = IssuerHost(tls="good")
    plain, tunnel = Proxy(issuers.port), Proxy(host.port)
    yield plain, tunnel, host
    for one_of in (plain, tunnel, host):
        one_of.close()


@pytest.mark.allow_log("AB0769")
def test_http_proxy(one_server, issuers, proxied):
    """A plain request and a tunnel; the names need not resolve here."""
    plain, tunnel, host = proxied
    http = issuers.issuer("s%d" % next(names), "rs256")
    https = host.issuer("tunnelled", "rs256")
    http_url = "http://idp.test/t/" + http.name
    https_url = "https://localhost:%d/t/tunnelled" % host.port
    server = one_server(
        "AuthBearerUserFormat %u\nAuthBearerPlainHTTP idp.test\n"
        'AuthBearerCAFile "@ROOT@/ca.pem"\n'
        + block(http_url, 'AuthBearerMetadata off\nAuthBearerKeys "%s/jwks"\n'
                'AuthBearerHTTPProxy "%s"' % (http_url, plain.url))
        + block(https_url, 'AuthBearerMetadata off\nAuthBearerKeys "%s/jwks"\n'
                'AuthBearerHTTPProxy "%s"' % (https_url, tunnel.url))
        + location("/a"), files={"ca.pem": certs.authority_pem()})
    granted(server.get("/a", mint(iss=http_url)))
    granted(server.get("/a", mint(iss=https_url)))
    assert [r[:2] for r in plain.requests] == [("GET", http_url + "/jwks")]
    assert [r[:2] for r in tunnel.requests] == [
        ("CONNECT", "localhost:%d" % host.port)]
    assert http.count("jwks") == https.count("jwks") == 1


@TROUBLE
def test_http_proxy_that_refuses(one_server, issuers, proxied):
    _, tunnel, host = proxied
    tunnel.refuse = 407
    issuer = host.issuer("refused", "rs256")
    server = one(one_server, issuer, by_url(
        issuer, 'AuthBearerHTTPProxy "%s"' % tunnel.url))
    refused(server.get("/a", issuer.mint()), 503, None, "unavailable", "keys",
            log=["AuthBearerHTTPProxy", "127.0.0.1:%d" % host.port])
    assert host.requests == []


@TROUBLE
def test_plain_http_is_for_named_hosts(one_server, checker, issuer):
    conf = block("http://idp.test/", 'AuthBearerMetadata off\nAuthBearerKeys '
                 '"http://idp.test/jwks"') + location("/a")
    result = checker(conf)
    assert result.status and result.says("AB0788", "AuthBearerPlainHTTP")
    result = checker("AuthBearerPlainHTTP idp.test\n" + conf)
    assert result.status == 0 and result.says("AB0769", "idp.test")
    # what metadata names is judged likewise
    issuer.metadata["jwks_uri"] = "http://idp.test/jwks"
    server = one(one_server, issuer)
    refused(server.get("/a", issuer.mint()), 503, None, "unavailable", "keys",
            log="AuthBearerPlainHTTP")


@pytest.mark.core
@TROUBLE
@pytest.mark.allow_log("AB0769 idp.test")
@pytest.mark.parametrize("member,listed,status", [
    ("jwks_uri", "", 503), ("jwks_uri", " 127.0.0.1", 200),
    ("introspection_endpoint", "", 503),
    ("introspection_endpoint", " 127.0.0.1", 200)])
def test_another_host_names_no_loopback(one_server, wire, issuers, issuer,
                                        proxied, member, listed, status):
    """The loopback of AuthBearerPlainHTTP is for URLs that the administrator
    wrote: a document from elsewhere must not have this host ask itself."""
    url = "http://idp.test" + issuer.path
    inside = issuer.metadata[member]
    issuer.metadata = {"issuer": url, "jwks_uri": url + "/jwks", member: inside}
    opaque = member == "introspection_endpoint"
    server = one_server(
        "AuthBearerPlainHTTP idp.test%s\n" % listed
        + block(url, 'AuthBearerHTTPProxy "%s"\n' % proxied[0].url
                + ("AuthBearerIntrospection discover\nAuthBearerClientID me\n"
                   "AuthBearerClientAuth none\n" if opaque else ""))
        + location("/a"), h2=True)
    token = "opaque" if opaque else mint(iss=url)
    issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test"}
    answer = server.get("/a", token, h2=wire)
    assert answer.status == status, answer
    asked = [r[1] for r in proxied[0].requests]
    assert "/.well-known/" in asked[0], asked
    assert (inside in asked) == (status == 200), asked


@TROUBLE
def test_connecting_is_forbidden(one_server, issuer, issuers, shim,
                                 monkeypatch):
    """SELinux says EACCES; the log says what allows it."""
    monkeypatch.setenv("LD_PRELOAD", shim)
    monkeypatch.setenv("SHIM_FORBIDDEN_PORT", str(issuers.port))
    server = one(one_server, issuer, by_url(issuer))
    refused(server.get("/a", issuer.mint()), 503, None, "unavailable", "keys",
            log="setsebool -P httpd_can_network_connect on")
    assert issuer.count() == 0


@pytest.mark.parametrize("without", [(), ("socache_shmcb",)],
                         ids=["shmcb", "no-shmcb"])
def test_without_watchdog(one_server, issuer, shim, monkeypatch, without):
    """Each child has threads of its own then; one of all fetches at a time."""
    monkeypatch.setenv("LD_PRELOAD", shim)
    monkeypatch.setenv("SHIM_NO_WATCHDOG", "1")
    server = one(one_server, issuer, by_url(issuer, refresh()), children=2,
                 without=without)
    assert server.log_says("AB0907", "mod_watchdog")
    wait_until(lambda: issuer.count("jwks") >= 3, 20, "nobody has asked")
    with Load(server.port, issuer.mint()) as load:
        wait_until(lambda: issuer.count("jwks") >= 5, 20, "refreshes")
        issuer.keys = ["es256"]
        wait_until(lambda: set(load.statuses(time.monotonic() - 0.5)) == {401},
                   20, "the removed key is of no use")
        issuer.keys = ["rs256"]
        wait_until(lambda: set(load.statuses(time.monotonic() - 0.5)) == {200},
                   20, "the key is back")
    asked = [r.time for r in list(issuer.requests)]
    assert len(asked) <= asked[-1] - asked[0] + 5, "more than one per min=1s"


@TROUBLE
def test_without_watchdog_while_the_issuer_is_down(one_server, issuer, shim,
                                                   monkeypatch):
    """A request whose key is known waits for nobody, as with mod_watchdog."""
    monkeypatch.setenv("LD_PRELOAD", shim)
    monkeypatch.setenv("SHIM_NO_WATCHDOG", "1")
    server = one(one_server, issuer, by_url(
        issuer, refresh() + "\nAuthBearerTimeout connect=1s total=2s"),
        children=4)
    assert everywhere(server, issuer.mint()) == {200}
    with Load(server.port, issuer.mint(sub="bob")) as load:
        issuer.script("jwks", delay=5)
        before = issuer.count("jwks")
        wait_until(lambda: issuer.count("jwks") >= before + 2, 20, "tries")
        load.more(50)
    load.expect_only(200)
    assert load.percentile(1, load.began) < 1


@TROUBLE
@pytest.mark.core
def test_a_child_ends_without_watchdog(one_server, issuer, shim, monkeypatch):
    """Its threads do not keep it, also while the issuer keeps silent."""
    monkeypatch.setenv("LD_PRELOAD", shim)
    monkeypatch.setenv("SHIM_NO_WATCHDOG", "1")
    server = one(one_server, issuer, by_url(
        issuer, refresh() + "\nAuthBearerTimeout connect=5s total=20s"),
        children=2)
    assert everywhere(server, issuer.mint()) == {200}
    issuer.script("jwks", delay=30)
    before = issuer.count("jwks")
    wait_until(lambda: issuer.count("jwks") > before, 20, "a fetch hangs")
    old = set(server.children())
    watch = Stopwatch(server)
    server.graceful()
    wait_until(lambda: not old & set(server.children()), 20, "the old are gone")
    granted(server.get("/a", issuer.mint()))
    server.stop()
    assert watch.seconds < 10


def test_a_slow_issuer_keeps_no_file_waiting(one_server, issuers):
    """Keys in a file are looked at by a thread of their own."""
    made = [issuers.issuer("s%d" % next(names), "rs256") for _ in range(4)]
    for issuer in made:
        issuer.script("jwks", delay=20)
    server = one_server(
        "AuthBearerUserFormat %u\n" + "".join(
            block(i.url, by_url(i, "AuthBearerTimeout connect=10s total=10s"))
            for i in made)
        + block("https://file.test", 'AuthBearerKeys "file:@ROOT@/k.json"')
        + location("/a"), files={"k.json": jwks("rs256")}, loglevel="crit")
    granted(server.get("/a", mint(iss="https://file.test")))
    wait_until(lambda: sum(i.count("jwks") for i in made), 10, "a fetch")
    server.write("k.json", jwks("es256"))
    watch = Stopwatch(server)
    wait_until(lambda: with_status(server.get("/a", mint(
        "es256", iss="https://file.test")), 200), 20, "the new file")
    assert watch.seconds < 9
