# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The throttle's table is one for all children, by the network address that a
client has, and costs others nothing. (test_throttle.py has each rule.)"""
import hashlib
import itertools
import json
import re
import socket
import statistics
import threading
import time

import pytest

from support import client, missing
from support.expect import (granted, invalid, issuer_conf, key_files,
                            location, refused)
from support.httpd import SLOW, wait_until
from support.proofs import bound, fields, proof
from support.tokens import ISS, mint, unb64

_count = itertools.count(1)
PENALTY = "AuthBearerThrottle threshold=%d window=60s penalty=60s"
REMOTE = "RemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n"


def fresh(**over):
    """A good token that nobody has verified yet."""
    return mint(jti="t-%d" % next(_count), **over)


def bad():
    return fresh() [:-8] + "AAAAAAAA"


def get(server, token, who=None, path="/t", **headers):
    if who:
        headers["X-Client"] = who
    return server.get(path, token, headers)


def pids(server):
    """Children that have answered refusals, by their lines in the log."""
    return set(re.findall(r"\|auth_bearer\|info\|(\d+)\|AB00\d\d: ",
                          server.error_log()))


def test_many_children_are_one(new_server):
    """Failures are spread over children of which none sees enough by itself."""
    server = new_server(REMOTE + issuer_conf()
                        + location("/t", PENALTY % 12), mpm="prefork",
                        children=8, files=key_files("rs256"),
                        modules=["remoteip"])
    wait_until(lambda: len(server.children()) >= 8, 10, "children")
    barrier, answers = threading.Barrier(12), []

    def fail():
        barrier.wait()
        request = client.build("GET", "/t", {
            "X-Client": "198.51.100.7", "Authorization": "Bearer " + bad()})
        answers.append(client.exchange(server.port, request)[:13])
    # each on a connection of its own and all at once, so on many children
    threads = [threading.Thread(target=fail) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"HTTP/1.1 401 "] * 12
    assert len(pids(server)) >= 3, pids(server)
    for _ in range(24):
        refused(get(server, fresh(), "198.51.100.7"), 429, None, "throttled")
    granted(get(server, fresh(), "198.51.100.8"))
    # one line says when it began, whoever counted the last one
    assert len(server.wait_log("AB0104", "198.51.100.7", "AuthBearerThrottle")) == 1


def test_new_children_know_it(new_server):
    """A penalty outlives the child that gave it, and graceful restarts."""
    server = new_server(REMOTE + issuer_conf() + location("/t", PENALTY % 3),
                        mpm="prefork", children=4, files=key_files("rs256"),
                        modules=["remoteip"])
    for _ in range(3):
        get(server, bad(), "198.51.100.9")
    for _ in range(2):
        before = set(server.children())
        server.graceful()
        wait_until(lambda: not before & set(server.children()), 20,
                   "the old children's end")
        for _ in range(8):
            refused(get(server, fresh(), "198.51.100.9"), 429)
    granted(get(server, fresh(), "198.51.100.10"))
    server.restart()                   # a full one forgets
    granted(get(server, fresh(), "198.51.100.9"))


@pytest.mark.core
@pytest.mark.parametrize("changed", [False, True], ids=["same", "changed"])
def test_known_tokens_pass_after_a_graceful_restart(one_server, changed, mpm):
    """A token that passed during a penalty goes on passing, in children that have
    not seen it and under another configuration; it is verified there. A token
    with the same claims and another signature is none that was verified."""
    conf = REMOTE + issuer_conf() + location("/t", PENALTY % 3)
    server = one_server(conf, files=key_files("rs256"), modules=["remoteip"],
                        children=2)
    who, known = "198.51.100.11", fresh()
    for _ in range(4):
        granted(get(server, known, who))
    for _ in range(3):
        get(server, bad(), who)
    for round_ in range(3):
        refused(get(server, fresh(), who), 429)
        for _ in range(8):
            granted(get(server, known, who))
            refused(get(server, known[:-8] + "AAAAAAAA", who), 429)
        if changed:
            server.configure(conf + location("/more%d" % round_))
        before = set(server.children())
        server.graceful()
        wait_until(lambda: not before & set(server.children()), 20,
                   "the old children's end")


def test_a_thief_ends_nothing(one_server):
    """Who has a bound token but not its key takes nothing from the client that has both,
    neither during a penalty nor before."""
    server = one_server(REMOTE + "AuthBearerBaseURL http://server.test\n" + issuer_conf()
                        + location("/t", PENALTY % 4), files=key_files("rs256"),
                        modules=["remoteip"])
    who, token = "198.51.100.13", bound()

    def send(path="/t", **kw):
        return server.get("/t", headers=[("X-Client", who), *fields(
            token, proof("http://server.test" + path, token), **kw)])
    get(server, bad(), who)
    for _ in range(3):
        assert send("/other").check == "proof_request"
        assert send(scheme="Bearer").check == "binding"
    granted(send())
    for _ in range(4):
        get(server, bad(), who)
    for _ in range(2):
        refused(get(server, fresh(), who), 429)
        assert send("/other").check == "proof_request"
        assert send(scheme="Bearer").check == "binding"
        server.graceful()
        assert send(scheme="Bearer").check == "binding"
        server.graceful()
        granted(send())


def test_known_tokens_are_verified_all_the_same(one_server):
    """Revoked since: the penalty does not hide it, and it is not let in."""
    server = one_server(REMOTE + 'AuthBearerRevocations "file:@ROOT@/revoked"\n'
                        + issuer_conf() + location("/t", PENALTY % 3),
                        files={**key_files("rs256"), "revoked": ""},
                        modules=["remoteip"])
    who, known = "198.51.100.12", mint(jti="to-be-revoked")
    for _ in range(3):
        granted(get(server, known, who))
    for _ in range(3):
        get(server, bad(), who)
    server.graceful()
    granted(get(server, known, who))
    digest = hashlib.sha256((ISS + "\0to-be-revoked").encode()).hexdigest()
    server.write("revoked", "jti %s 0\n" % digest)
    wait_until(lambda: get(server, known, who).status != 200, 10, "revocation")
    server.graceful()
    assert get(server, known, who).status in (401, 429)


@pytest.fixture(scope="module")
def server(new_server):
    return new_server(REMOTE + issuer_conf()
                      + location("/t", PENALTY % 4)
                      + location("/other", PENALTY % 4),
                      files=key_files("rs256"), modules=["remoteip"],
                      children=2)


@pytest.mark.parametrize("members,stranger", [
    (["2001:db8:0:1::%x" % i for i in range(4)], "2001:db8:0:2::1"),
    (["2001:DB8:0:11:%x::1" % i for i in range(4)], "2001:db8:0:12::1"),
    (["::ffff:198.51.100.33"] * 2 + ["198.51.100.33"] * 2, "198.51.100.34"),
])
def test_addresses_as_they_count(server, members, stranger):
    """IPv6 by /64, whatever the spelling; a mapped address is IPv4."""
    for who in members:
        assert get(server, bad(), who).status == 401
    for who in members:
        refused(get(server, fresh(), who), 429)
    granted(get(server, fresh(), stranger))


def test_one_count_for_all_places(server):
    """Going from place to place does not help."""
    who = "198.51.100.40"
    for path in ("/t", "/other", "/t", "/other"):
        assert get(server, bad(), who, path).status == 401
    for path in ("/t", "/other"):
        refused(get(server, fresh(), who, path), 429)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


@missing.needs("ipv6", has_ipv6())
def test_a_real_ipv6_connection(new_server):
    server = new_server("Listen [::1]:@PORT@\n" + issuer_conf()
                        + location("/t", PENALTY % 3), files=key_files("rs256"))

    def status(token):
        raw = client.exchange(server.port, client.build("GET", "/t", {
            "Authorization": "Bearer " + token}), host="::1")
        return client.Response(raw).status
    assert [status(bad()) for _ in range(3)] == [401] * 3
    assert status(fresh()) == 429
    granted(server.get("/t", fresh()))     # from 127.0.0.1


def test_a_verified_token_passes(server):
    """One honest client behind a shared address keeps working; nothing but
    its token does, and no other child's memory helps."""
    who, good = "198.51.100.50", fresh(sub="regular")
    for _ in range(30):
        granted(get(server, good, "198.51.100.51"), "regular")
    for _ in range(4):
        get(server, bad(), who)
    for _ in range(10):
        granted(get(server, good, who), "regular")
        refused(get(server, fresh(), who), 429)
        # the same claims under another signature are not that token
        forged = mint("rs256-forger", header={"kid": "rs256"}, sub="regular")
        refused(get(server, forged, who), 429)


def test_a_penalty_verifies_nothing(server):
    """429 is given without a look at the token: what it says of it is what it
    says of any."""
    who = "198.51.100.60"
    for _ in range(4):
        get(server, bad(), who)
    seen = {(res.status, res.error, res.check, res.challenge is None)
            for res in (get(server, token, who) for token in (
                fresh(), bad(), fresh(exp=1), fresh(iss="https://evil.test/"),
                "opaque", "a b", "x" * 8000))}
    assert seen == {(429, "throttled", "throttled", True)}


def test_a_token_revoked_after_it_was_verified_counts_once(new_server):
    """It is known, and refused before the rest; still it is one token."""
    server = new_server('AuthBearerRevocations "file:@ROOT@/revoked"\n'
                        + REMOTE + issuer_conf() + location("/t", PENALTY % 4),
                        files=dict(key_files("rs256"), revoked=""),
                        modules=["remoteip"])
    token, who = fresh(), "198.51.100.80"
    granted(get(server, token, who))
    digest = hashlib.sha256(
        (ISS + "\0" + json.loads(unb64(token.split(".")[1]))["jti"]).encode())
    server.write("revoked", "jti %s 0\n" % digest.hexdigest())
    wait_until(lambda: get(server, token, who).status == 401, 5, "revocation")
    for _ in range(12):
        invalid(get(server, token, who), "revoked")
    granted(get(server, fresh(), who))


@pytest.mark.allow_log("AB0103")
def test_behind_a_balancer_one_warning(new_server):
    """All children, both before and after a graceful restart: one line."""
    server = new_server(issuer_conf() + location("/t", PENALTY % 3),
                        mpm="prefork", children=6, files=key_files("rs256"))
    for _ in range(20):
        assert server.get("/t", bad(), {
            "X-Forwarded-For": "192.0.2.1"}).status == 401
    server.graceful()
    for _ in range(10):
        assert server.get("/t", bad(), {
            "X-Forwarded-For": "192.0.2.2"}).status == 401
    line, = server.log_says("AB0103", "127.0.0.1", "mod_remoteip", "RemoteIPHeader")
    assert line.level == "warn", line


def test_a_header_does_not_excuse_a_public_address(new_server):
    """X-Forwarded-For from somebody who is no balancer of ours changes
    nothing."""
    server = new_server("RemoteIPHeader X-Client\n"
                        "RemoteIPInternalProxy 127.0.0.1\n" + issuer_conf()
                        + location("/t", PENALTY % 3), files=key_files("rs256"),
                        modules=["remoteip"])
    for _ in range(3):
        get(server, bad(), "203.0.113.5", **{"X-Forwarded-For": "192.0.2.1"})
    refused(get(server, fresh(), "203.0.113.5",
                **{"X-Forwarded-For": "192.0.2.9"}), 429)


class Flood:
    """One address that asks as often as it can, over kept connections."""

    def __init__(self, server, who, count=2):
        self.server, self.stop, self.answers = server, threading.Event(), {}
        self.request = client.build("GET", "/t", {
            "X-Client": who, "Authorization": "Bearer " + bad()}).replace(
                b"Connection: close\r\n", b"")
        self.threads = [threading.Thread(target=self.run)
                        for _ in range(count)]

    def run(self):
        while not self.stop.is_set():
            with socket.create_connection(("127.0.0.1",
                                           self.server.port)) as sock:
                sock.settimeout(5)
                for _ in range(90):
                    if self.stop.is_set():
                        return
                    sock.sendall(self.request)
                    data = sock.recv(65536)
                    if not data:
                        break
                    status = data[9:12]
                    self.answers[status] = self.answers.get(status, 0) + 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *args):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def median(server, who):
    times = []
    for _ in range(25):
        token = fresh()
        start = time.monotonic()
        granted(get(server, token, who))
        times.append(time.monotonic() - start)
    return statistics.median(times)


def test_a_flood_does_not_slow_another(server):
    """Medians, compared coarsely: this machine does other things, too. What
    counts is that no request waits for the flood's, as it would for a lock."""
    alone = median(server, "198.51.100.70")
    for _ in range(4):
        get(server, bad(), "198.51.100.71")
    with Flood(server, "198.51.100.71") as flood:
        wait_until(lambda: flood.answers.get(b"429", 0) > 50, 20, "the flood")
        beside = median(server, "198.51.100.72")
    assert set(flood.answers) == {b"429"}, flood.answers
    assert beside < (alone * 10 + 0.1) * SLOW, (alone, beside, flood.answers)
