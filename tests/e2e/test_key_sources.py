# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Several sources in AuthBearerKeys: each has its own life, their keys are pooled,
and one that fails does not affect the others.
"""
import time

import pytest

from support.expect import granted, invalid, refused
from support.keysets import TROUBLE, issuer, one, refresh  # noqa: F401
from support.httpd import wait_until
from support.tokens import jwks, key, mint


def sources(issuer, *extra, inside=""):
    return "AuthBearerMetadata off\nAuthBearerKeys %s\n%s" % (
        " ".join('"%s"' % s for s in extra), inside)


@pytest.fixture
def second(issuers):
    """Another URL, of the same issuer's keys."""
    return issuers.issuer("second-%d" % time.monotonic_ns(), "es256-second")


def test_keys_of_all_sources_are_accepted(one_server, issuer, second):
    server = one(one_server, issuer,
                 sources(issuer, issuer.jwks_url, "file:@ROOT@/old.pem",
                         second.jwks_url),
                 files={"old.pem": key("es384-old").public_pem().decode()})
    for signer in ("rs256", "es384-old", "es256-second"):
        granted(server.get("/a", issuer.mint(signer)))
    invalid(server.get("/a", issuer.mint("es256-forger",
                                         header={"kid": "es256-second"})),
            "signature", "signature")
    invalid(server.get("/a", issuer.mint("rs256-stranger")), "key", "key")
    # the key without a kid may be meant, but it does not match: the kid is unknown
    invalid(server.get("/a", issuer.mint("es384-stranger")), "key", "key")


@TROUBLE
@pytest.mark.parametrize("trouble", [{"status": 500, "body": ""}, {"delay": 30}],
                         ids=["fails", "hangs"])
def test_a_source_that_fails_spoils_nothing(one_server, issuer, second, trouble):
    """Written first, it was never there; nobody waits for it."""
    second.script("jwks", **trouble)
    server = one(one_server, issuer,
                 sources(issuer, second.jwks_url, issuer.jwks_url,
                         inside="AuthBearerTimeout connect=1s total=3s"))
    wait_until(lambda: server.get("/a", issuer.mint()).status == 200, 10, "keys")
    began = time.monotonic()
    for _ in range(10):
        granted(server.get("/a", issuer.mint()))
    assert time.monotonic() - began < 2
    # the kid may be one that the other source would have brought
    refused(server.get("/a", issuer.mint("es256-second")), 503, None, "unavailable",
            "keys")
    assert server.log_says("AB0205", issuer.url, second.jwks_url)
    second.reset()
    wait_until(lambda: server.get("/a", issuer.mint("es256-second")).status == 200, 20,
               "the other source is back")


def test_first_source_counts_and_two_are_tried(one_server, issuer, second, issuers):
    """Three keys of one kid: the first two as written are tried."""
    third = issuers.issuer("third-%d" % time.monotonic_ns())
    for host, name in ((issuer, "a"), (second, "b"), (third, "c")):
        host.keys = [key("es256-" + name).jwk(kid="k")]
    server = one(one_server, issuer, sources(issuer, issuer.jwks_url, second.jwks_url,
                                             third.jwks_url))
    warm = {"kid": "k"}
    granted(server.get("/a", issuer.mint("es256-a", header=warm)))
    wait_until(lambda: third.count("jwks") and second.count("jwks"), 10, "fetched")
    granted(server.get("/a", issuer.mint("es256-b", header=warm)))
    invalid(server.get("/a", issuer.mint("es256-c", header=warm)), "signature",
            "signature")


def test_rotation_of_one_source(one_server, issuer, second):
    server = one(one_server, issuer, sources(issuer, issuer.jwks_url, second.jwks_url))
    granted(server.get("/a", issuer.mint("es256-second")))
    second.keys = ["es256-next", "es256-second"]
    granted(server.get("/a", issuer.mint("es256-next")))
    granted(server.get("/a", issuer.mint()))


def test_discover_beside_a_file(one_server, issuer):
    server = one(one_server, issuer, "AuthBearerKeys discover file:@ROOT@/old.json",
                 files={"old.json": jwks("es256-old")})
    granted(server.get("/a", issuer.mint("es256-old")))
    granted(server.get("/a", issuer.mint()))
    assert issuer.count("oauth") + issuer.count("oidc") >= 1


def test_dump_and_status_name_the_sources(one_server, issuer, second):
    server = one(one_server, issuer,
                 sources(issuer, issuer.jwks_url, "file:@ROOT@/old.json"),
                 conf="<Location /status>\nSetHandler bearer-status\n</Location>\n",
                 files={"old.json": jwks("es256-old")})
    granted(server.get("/a", issuer.mint()))
    wait_until(lambda: _keys(server)["count"] == 2, 10, "both")
    found = _keys(server)
    assert [s["source"] for s in found["sources"]] == [
        issuer.jwks_url, "file:%s/old.json" % server.root]
    assert [s["count"] for s in found["sources"]] == [1, 1]
    page = server.get("/status").text
    assert "old.json" in page and issuer.jwks_url in page
    assert "AuthBearerKeys %s file:%s/old.json\n" % (
        issuer.jwks_url, server.root) in server.configtest("-D", "DUMP_BEARER").output


def _keys(server):
    return server.get("/status?format=json").json()["issuers"][0]["keys"]
