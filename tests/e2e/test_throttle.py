# Licensed under the Apache License, Version 2.0; see LICENSE.
"""AuthBearerThrottle, sentence by sentence. mod_remoteip gives each test
addresses of its own, so that tests do not disturb each other."""
import collections
import itertools
import threading
import time

import pytest

from support import client
from support.expect import (granted, invalid, issuer_conf, key_files,
                            location, refused)
from support.httpd import SLOW, wait_until
from support.messages import FROM_MEMORY
from support.pace import Stopwatch
from support.tokens import by_token, jwks, mint

pytestmark = [pytest.mark.core, pytest.mark.allow_log("AB0205 throttle-down")]
_hosts = itertools.count(1)
NOW = int(time.time())


def address():
    """An IPv4 address nobody has used."""
    n = next(_hosts)
    return "198.51.%d.%d" % (100 + n // 250, n % 250 + 1)


@pytest.fixture(scope="module")
def server(new_server, issuers):
    down = issuers.issuer("throttle-down")
    for kind in down.KINDS:
        down.script(kind, status=500, body="")
    server = new_server("""
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
AuthBearerUserFormat %%u
CustomLog "@ROOT@/logs/children.log" "%%P"
%s
<AuthBearerIssuer "%s" down>
</AuthBearerIssuer>
""" % (issuer_conf(), down.url)
        + location("/t", "AuthBearerThrottle threshold=5 window=60s "
                   "penalty=60s")
        + location("/short", "AuthBearerThrottle threshold=3 window=60s "
                   "penalty=1s")
        + location("/window", "AuthBearerThrottle threshold=3 window=1s "
                   "penalty=60s")
        + location("/off", "AuthBearerThrottle off")
        + location("/scope", "AuthBearerThrottle threshold=3 window=60s "
                   "penalty=60s", "scope nobody-has-it"),
        files=key_files("rs256"), modules=["remoteip"], children=2)
    server.down = down
    return server


def get(server, path, who, token=None, **headers):
    headers["X-Client"] = who
    return server.get(path, token, headers)


def fresh():
    """A good token that nobody has verified yet."""
    return mint(jti=str(next(_hosts)))


def bad():
    """A token with a broken signature, another one each time."""
    return mint("rs256-forger", header={"kid": "rs256"}, jti=str(next(_hosts)))


def fail(server, who, n, path="/t", make=bad, status=401):
    for _ in range(n):
        res = get(server, path, who, make())
        assert res.status == status, res


def throttled(res, penalty=60):
    refused(res, 429, None, "throttled", "throttled",
            log="AuthBearerThrottle")
    assert 1 <= int(res.get("Retry-After")) <= penalty
    return res


def test_nth_failure_starts_the_penalty(server):
    who = address()
    fail(server, who, 5)
    throttled(get(server, "/t", who, bad()))
    throttled(get(server, "/t", who, fresh()))
    granted(get(server, "/t", address(), fresh()))


def test_below_the_threshold(server):
    who = address()
    fail(server, who, 4)
    granted(get(server, "/t", who, fresh()))


def test_success_clears_the_count(server):
    who = address()
    for _ in range(3):
        fail(server, who, 4)
        granted(get(server, "/t", who, fresh()))


def test_success_does_not_clear_a_penalty(server):
    """A token that was verified before passes; nothing else does."""
    who, good = address(), mint(sub="regular")
    granted(get(server, "/t", address(), good), "regular")
    _warm(server, good)
    fail(server, who, 5)
    throttled(get(server, "/t", who, fresh()))
    for _ in range(5):
        granted(get(server, "/t", who, good), "regular")
        throttled(get(server, "/t", who, fresh()))


def _warm(server, token):
    """Asks, several at once, until every child has seen the token often enough to
    keep it."""
    begin = len(_answerers(server))
    bad_ones = []

    def one(who):
        res = get(server, "/t", who, token)
        if res.status != 200:
            bad_ones.append(res)

    def all_keep_it():
        threads = [threading.Thread(target=one, args=(address(),))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not bad_ones, bad_ones
        seen = collections.Counter(_answerers(server)[begin:])
        return all(seen[pid] >= 3 for pid in server.children())
    wait_until(all_keep_it, 20, "each child's third answer")


def _answerers(server):
    with open(server.path("logs/children.log")) as file:
        return [int(pid) for pid in file.read().split()]


def test_same_token_counts_once(server):
    who, token = address(), bad()
    for _ in range(20):
        invalid(get(server, "/t", who, token), "signature", "signature")
    fail(server, who, 3)
    granted(get(server, "/t", who, fresh()))


def test_same_token_is_refused_from_memory(server):
    who, token = address(), bad()
    first = get(server, "/t", who, token)
    invalid(first, "signature")
    again = get(server, "/t", who, token)
    invalid(again, "signature")
    assert again.challenge == first.challenge


def test_a_tenants_token_is_refused_from_memory(one_server, issuers):
    """Where each tenant has its own keys. A child knows it that has them."""
    t1 = issuers.issuer("throttle-t1", "rs256")
    server = one_server("""
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
<AuthBearerIssuer "https://throttle.test/{tenant}">
    AuthBearerTenants throttle-t1
    AuthBearerKeys "%s"
</AuthBearerIssuer>
""" % t1.jwks_url.replace("throttle-t1", "{tenant}") + location(
    "/t", "AuthBearerUserFormat %u\nAuthBearerThrottle threshold=20"),
        modules=["remoteip"], children=1)
    token = mint("rs256-forger", header={"kid": "rs256"}, iss="https://throttle.test/throttle-t1",
                 tid="throttle-t1")
    who = address()
    answers = [invalid(get(server, "/t", who, token), "signature", "signature")
               for _ in range(40)]
    assert any(res.logged("AB0017", FROM_MEMORY) for res in answers)


def test_a_key_that_comes_later(one_server):
    """A token is not refused from memory for want of a key: the key may be there
    by now."""
    server = one_server(
        "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n"
        + issuer_conf() + location("/t", "AuthBearerThrottle threshold=20")
        + location("/known", "AuthBearerThrottle off"),
        files=key_files("rs256"), modules=["remoteip"])
    who, token = address(), mint("es256")
    for _ in range(2):
        invalid(get(server, "/t", who, token), "key")
    server.write("jwks.json", jwks("rs256", "es256"))
    wait_until(lambda: {server.get("/known", mint("es256")).status
                        for _ in range(12)} == {200}, 10, "the new key is known")
    granted(get(server, "/t", who, token))


@pytest.mark.parametrize("make", [
    lambda: mint(exp=NOW - 7200, jti=str(next(_hosts))),
    lambda: mint(nbf=NOW + 7200, jti=str(next(_hosts))),
    lambda: mint(iat=NOW - 10 ** 6, jti=str(next(_hosts))),
    lambda: mint(aud="x", jti=str(next(_hosts))),
], ids=["expired", "not-yet", "age", "audience"])
def test_accidents_do_not_count(server, make):
    who = address()
    fail(server, who, 12, make=make)
    granted(get(server, "/t", who, fresh()))


def test_forged_accidents_count(server):
    """Only what is validly signed is an accident."""
    who = address()
    fail(server, who, 5, make=lambda: mint(
        "rs256-forger", header={"kid": "rs256"}, exp=1,
        jti=str(next(_hosts))))
    throttled(get(server, "/t", who, fresh()))


@pytest.mark.parametrize("make", [
    lambda: mint(iss="https://evil.test", jti=str(next(_hosts))),
    lambda: mint(nonce="n", scope=None, jti=str(next(_hosts))),
    lambda: mint(sub="a,b", jti=str(next(_hosts))),
    lambda: mint(header={"alg": "HS256"}, jti=str(next(_hosts))),
    lambda: "opaque-%d" % next(_hosts),
    lambda: mint(header={"kid": "x y"}, jti=str(next(_hosts))),
], ids=["issuer", "type", "identifier", "algorithm", "opaque", "kid"])
def test_failures_count(server, make):
    who = address()
    fail(server, who, 5, make=make)
    throttled(get(server, "/t", who, fresh()))


def test_tokens_that_only_an_expression_looks_at_count(one_server):
    """Nobody is asked who he is, but an <If> had a signature verified."""
    server = one_server(
        "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n"
        "AuthBearerThrottle threshold=3 window=60s penalty=60s\n" + issuer_conf()
        + location("/t") + location(
            "/if", "<If \"claim('sub') == 'alice'\">\nHeader set X-A yes\n</If>",
            "all granted"), files=key_files("rs256"), modules=["remoteip"],
        throttle=True)
    who, token = address(), bad()
    for _ in range(4):
        fail(server, who, 1, "/if", lambda: token, 200)
    granted(get(server, "/t", who, mint(jti="once")))
    fail(server, who, 3, "/if", status=200)
    throttled(get(server, "/t", who, fresh()))


def test_malformed_requests_count(server):
    who = address()
    fail(server, who, 5, make=lambda: "{bad%d" % next(_hosts), status=400)
    throttled(get(server, "/t", who, fresh()))


def test_no_credential_does_not_count(server):
    who = address()
    for _ in range(12):
        refused(get(server, "/t", who), 401, None, "no_credential")
    granted(get(server, "/t", who, fresh()))


def test_no_credential_during_a_penalty_is_asked_for_one(server):
    who = address()
    fail(server, who, 5)
    assert get(server, "/t", who).status in (401, 429)


def test_missing_scopes_do_not_count(server):
    who = address()
    for _ in range(8):
        refused(get(server, "/scope", who, mint(jti=str(next(_hosts)))), 403,
                "insufficient_scope")


@pytest.mark.allow_log("AB0205 throttle-down")
def test_an_unreachable_issuer_does_not_count(server):
    who = address()
    for _ in range(8):
        refused(get(server, "/t", who, server.down.mint(
            jti=str(next(_hosts)))), 503)
    granted(get(server, "/t", who, fresh()))


def test_off(server):
    who = address()
    fail(server, who, 30, path="/off")
    granted(get(server, "/off", who, fresh()))


def test_nothing_is_fetched_during_a_penalty(server, issuers):
    who = address()
    fail(server, who, 5)
    before = len([r for r in issuers.requests if "throttle" not in r.path])
    for _ in range(5):
        throttled(get(server, "/t", who, mint(header={"kid": "unknown"}, jti=str(next(_hosts)))))
    assert len([r for r in issuers.requests
                if "throttle" not in r.path]) == before


def test_penalty_ends(server):
    who = address()
    fail(server, who, 3, path="/short")
    throttled(get(server, "/short", who, fresh()), 1)
    wait_until(lambda: get(server, "/short", who, fresh()).status == 200, 5,
               "the end of the penalty")
    # The count was cleared when the penalty began.
    fail(server, who, 2, path="/short")
    granted(get(server, "/short", who, fresh()))


def test_window(server):
    who = address()
    fail(server, who, 2, path="/window")
    time.sleep(1.1)
    fail(server, who, 2, path="/window")
    granted(get(server, "/window", who, fresh()))


def test_ipv6_by_64(server):
    n = next(_hosts)
    prefix = "2001:db8:1:%x:" % n
    for i in range(5):
        fail(server, prefix + ":%x:1" % (i + 1), 1)
    throttled(get(server, "/t", prefix + "ffff::9", fresh()))
    granted(get(server, "/t", "2001:db8:2:%x::1" % n, fresh()))


def test_survives_a_graceful_restart(server):
    who = address()
    fail(server, who, 5)
    throttled(get(server, "/t", who, fresh()))
    server.graceful()
    throttled(get(server, "/t", who, fresh()))
    granted(get(server, "/t", address(), fresh()))


def test_a_token_that_was_good_before(one_server):
    """During a penalty it is looked at once more, and not again when it is refused:
    what one process knew of it the next one does not."""
    server = one_server(
        'AuthBearerRevocations "file:@ROOT@/revoked"\nRemoteIPHeader X-Client\n'
        "RemoteIPInternalProxy 127.0.0.1\n" + issuer_conf() + location(
            "/t", "AuthBearerThrottle threshold=3 window=60s penalty=60s"),
        files={**key_files("rs256"), "revoked": ""}, modules=["remoteip"])
    who, good, ended = address(), fresh(), fresh()
    for token in (good, ended):
        granted(get(server, "/t", who, token))
    server.write("revoked", by_token(ended))
    server.graceful()
    fail(server, who, 3)
    throttled(get(server, "/t", who, fresh()))
    invalid(get(server, "/t", who, ended), "revoked")
    throttled(get(server, "/t", who, ended))
    granted(get(server, "/t", who, good))


def test_shared_by_all_children(new_server):
    server = new_server("RemoteIPHeader X-Client\n"
                        "RemoteIPInternalProxy 127.0.0.1\n" + issuer_conf()
                        + location("/t", "AuthBearerThrottle threshold=6 "
                                   "window=60s penalty=60s"),
                        files=key_files("rs256"), modules=["remoteip"],
                        children=4)
    who = address()
    fail(server, who, 6)
    for _ in range(30):
        throttled(get(server, "/t", who, fresh()))


def test_default_is_20(new_server):
    server = new_server("RemoteIPHeader X-Client\n"
                        "RemoteIPInternalProxy 127.0.0.1\n" + issuer_conf()
                        + location("/t"), files=key_files("rs256"),
                        modules=["remoteip"], throttle=True)
    who = address()
    fail(server, who, 20)
    throttled(get(server, "/t", who, fresh()))
    assert int(get(server, "/t", who, fresh()).get("Retry-After")) > 50


@pytest.mark.allow_log("AB0103")
def test_behind_a_balancer_nobody_is_throttled(new_server):
    """All clients look like one: better none than all."""
    server = new_server(issuer_conf() + location(
        "/t", "AuthBearerThrottle threshold=3 window=60s penalty=60s"),
        files=key_files("rs256"))
    for _ in range(10):
        res = server.get("/t", bad(), {"X-Forwarded-For": "192.0.2.1"})
        assert res.status == 401
    granted(server.get("/t", fresh(), {"X-Forwarded-For": "192.0.2.1"}))
    warnings = server.log_says("AB0103", "mod_remoteip")
    assert [line.level for line in warnings] == ["warn"], warnings
    # Without the header the peer is the client.
    for _ in range(3):
        assert server.get("/t", bad()).status == 401
    assert server.get("/t", fresh()).status == 429


def test_a_flood_does_not_slow_others(server):
    import threading
    who, stop = address(), threading.Event()
    fail(server, who, 5)
    request = client.build("GET", "/t", {
        "X-Client": who, "Authorization": "Bearer " + fresh()})

    def flood():
        while not stop.is_set():
            client.exchange(server.port, request)
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        watch = Stopwatch(server)
        for _ in range(20):
            granted(get(server, "/t", address(), fresh()))
        assert watch.seconds < 10 * SLOW
    finally:
        stop.set()
        thread.join()
