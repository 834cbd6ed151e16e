# Licensed under the Apache License, Version 2.0; see LICENSE.
"""AuthBearerRevocations: effective in every child within a second, kept over
restarts, closed when the list cannot be read."""
import hashlib
import os
import subprocess
import time

import pytest

from support import missing
from support.expect import (granted, invalid, issuer_conf, key_files,
                            location, refused)
from support.httpd import HTBEARER, SLOW, wait_until
from support.pace import Stopwatch
from support.tokens import ISS, P256_N, b64, by_jti, by_token, mint, unb64

pytestmark = pytest.mark.core
CONF = ('AuthBearerRevocations "file:@ROOT@/revoked"\nAuthBearerUserFormat %u\n'
        + issuer_conf() + issuer_conf(url="https://two.test/", name="two")
        + location("/a"))
LIST = "# revoked tokens\n"


@pytest.fixture
def server(one_server):
    return one_server(CONF, files=dict(key_files("rs256", "es256"), revoked=LIST),
                      children=3)


def all_answer(server, token, status, seconds=20):
    """All children answer so; how soon is what test_within_a_second is about."""
    def same():
        return {server.get("/a", token).status for _ in range(12)} == {status}
    wait_until(same, seconds, "status %d everywhere" % status)


def test_by_token(server):
    token, other = mint(jti="1"), mint(jti="2")
    all_answer(server, token, 200)
    server.write("revoked", LIST + by_token(token))
    all_answer(server, token, 401)
    invalid(server.get("/a", token), "revoked", "revoked", log="AuthBearerRevocations")
    granted(server.get("/a", other))


def test_the_twin_of_an_ecdsa_signature_is_revoked_too(server):
    """(r, n - s) verifies as well as (r, s), and anybody can compute it."""
    token = mint("es256")
    data, _, sig = token.rpartition(".")
    s = P256_N - int.from_bytes(unb64(sig)[32:], "big")
    twin = data + "." + b64(unb64(sig)[:32] + s.to_bytes(32, "big"))
    all_answer(server, twin, 200)
    server.write("revoked", by_token(token))
    all_answer(server, token, 401)
    invalid(server.get("/a", twin), "revoked")


def test_log_list_and_variables_name_a_token_alike(server):
    """By its header and payload: with the other signature, too."""
    token = mint("es256", jti="named")
    data, _, sig = token.rpartition(".")
    s = P256_N - int.from_bytes(unb64(sig)[32:], "big")
    twin = data + "." + b64(unb64(sig)[:32] + s.to_bytes(32, "big"))
    name = by_token(token).split()[1][:8]
    for one in (token, twin, token, token):
        assert server.get("/a/env", one).env["BEARER_TOKEN_ID"] == name
    server.write("revoked", by_token(token))
    all_answer(server, token, 401)
    for one in (token, twin):
        invalid(server.get("/a", one), "revoked", log="token %s" % name)


def test_an_opaque_word_is_named_by_the_whole(server):
    name = hashlib.sha256(b"a.word").hexdigest()[:8]
    invalid(server.get("/a", "a.word"), log="token %s" % name)


def test_within_a_second(server):
    token = mint()
    all_answer(server, token, 200)
    server.write("revoked", LIST + by_token(token))
    watch, begun = Stopwatch(server), []

    def refused_everywhere():
        begun.append(watch.seconds)
        return {server.get("/a", token).status for _ in range(12)} == {401}
    wait_until(refused_everywhere, 20, "it is revoked")
    assert max(begun[:-1], default=0) < 1.0 * SLOW, "when one was let in last"


def test_by_jti_within_an_issuer(server):
    server.write("revoked", by_jti(ISS, "j-1"))
    all_answer(server, mint(jti="j-1"), 401)
    granted(server.get("/a", mint(jti="j-1", iss="https://two.test/")))
    granted(server.get("/a", mint(jti="j-2")))
    granted(server.get("/a", mint()))


@pytest.mark.parametrize("jti", ["j-1", 42, -7])
def test_by_jti_of_a_verified_token(server, jti):
    """A number is known by its decimal form, at the first look and at each hit
    of the token cache."""
    token = mint(jti=jti)
    all_answer(server, token, 200)
    server.write("revoked", by_jti(ISS, str(jti)))
    all_answer(server, token, 401)
    invalid(server.get("/a", token), "revoked", "revoked")


def test_until(server):
    now = int(time.time())
    gone, there = mint(jti="gone"), mint(jti="there")
    server.write("revoked", by_token(gone, now - 86400)
                 + by_token(there, now + 600))
    all_answer(server, there, 401)
    granted(server.get("/a", gone))


def test_survives_restarts(server):
    token = mint()
    server.write("revoked", by_token(token))
    all_answer(server, token, 401)
    server.graceful()
    for _ in range(6):
        invalid(server.get("/a", token), "revoked")
    server.restart()
    for _ in range(6):
        invalid(server.get("/a", token), "revoked")


@pytest.mark.allow_log("AB0261")
@pytest.mark.parametrize("content", [b"garbage\n", b"token xyz 0\n",
                                     b"jti\n", b"\0\0\0", None])
def test_unreadable_list_closes(server, content):
    token = mint()
    all_answer(server, token, 200)
    if content is None:
        os.unlink(server.path("revoked"))
    else:
        server.write("revoked", content)
    all_answer(server, token, 503, 4)  # it gets a moment to be whole again
    refused(server.get("/a", token), 503, None, "unavailable",
            "revocation_list", log="AuthBearerRevocations")
    all_answer(server, mint(jti="new"), 503)
    server.write("revoked", "")
    all_answer(server, token, 200)


def test_refused_before_revocation_is_asked(server):
    """A token that is not valid is not valid, whatever the list says."""
    token = mint(aud="x")
    server.write("revoked", by_token(token))
    invalid(server.get("/a", token), "audience")


def test_many_entries(server):
    token = mint(jti="many")
    lines = "".join("token %s 0\n" % hashlib.sha256(b"%d" % i).hexdigest()
                    for i in range(20000))
    server.write("revoked", lines + by_token(token))
    all_answer(server, token, 401)
    granted(server.get("/a", mint()))


needs_htbearer = missing.needs("htbearer", HTBEARER)


def revoke(server, *options, token=None):
    done = subprocess.run(
        [HTBEARER, "revoke", "--file", server.path("revoked"), *options],
        input=(token or "").encode(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=20 * SLOW)
    assert done.returncode == 0, done.stdout
    os.chmod(server.path("revoked"), 0o644)


@needs_htbearer
def test_htbearer_revoke_token(server):
    token, other = mint(jti="1"), mint(jti="2")
    all_answer(server, token, 200)
    revoke(server, token=token)
    all_answer(server, token, 401)
    revoke(server, token=other + "\n")
    all_answer(server, other, 401)
    invalid(server.get("/a", token), "revoked")
    with open(server.path("revoked")) as f:
        text = f.read()
    assert token.split(".")[2][:16] not in text


@needs_htbearer
def test_htbearer_revoke_jti(server):
    revoke(server, "--jti", "j-9", "--issuer", ISS, "--until",
           str(int(time.time()) + 3600))
    all_answer(server, mint(jti="j-9"), 401)
    granted(server.get("/a", mint(jti="j-8")))


def test_a_list_replaced_by_cp_under_load(server):
    """cp truncates the list and writes it again: no request meets half of it."""
    token, other = mint(jti="revoked"), mint(jti="good")
    lines = "".join("token %s 0\n" % hashlib.sha256(b"%d" % i).hexdigest()
                    for i in range(50000)) + by_token(token)
    server.write("revoked", lines)
    server.write("copy", lines + "# again\n")
    start = time.monotonic()
    while time.monotonic() - start < 1.0 * SLOW:
        server.get("/a", token)
    seen = set()
    for _ in range(3):
        copy = subprocess.Popen(["cp", server.path("copy"), server.path("revoked")])
        end = time.monotonic() + 1.2
        while time.monotonic() < end or copy.poll() is None:
            seen |= {("revoked", server.get("/a", token).status),
                     ("good", server.get("/a", other).status)}
    assert seen == {("revoked", 401), ("good", 200)}
