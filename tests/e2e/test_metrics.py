# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Metrics add up: more issuers than have labels, names of any length, children that
end."""
import json
import os
import re
import signal

import pytest

from support import tokens
from support.expect import issuer_conf, location
from support.httpd import wait_until

NAMED = 32
STATUS = """
<Location "/bearer-status">
    SetHandler bearer-status
</Location>
"""
LONG = "https://idp.test/" + "x" * 120 + "/"
NAMES = [LONG + "a", LONG + "b"] + ["i%d" % i for i in range(2, NAMED + 8)]


def iss(name):
    return name if "://" in name else "https://%s.test/" % name


@pytest.fixture(scope="module")
def server(new_server):
    """Issuers with names, two of them long; the last eight have no label. A token of
    each was let in once and refused twice."""
    one = new_server(
        "".join('<AuthBearerIssuer "%s" "%s">\nAuthBearerKeys file:@ROOT@/jwks.json\n'
                "</AuthBearerIssuer>\n" % (iss(name), name) for name in NAMES)
        + location("/a", "AuthBearerThrottle off\n"
                   'AuthBearerUserFormat "%u@%i"', require="role x") + STATUS
        + '<Location "/server-status">\nSetHandler server-status\n</Location>\n',
        modules=("status",), files={"jwks.json": tokens.jwks("rs256")})
    for name in NAMES:
        token = tokens.mint(iss=iss(name), roles=["x"])
        assert one.get("/a", token).status == 200
        for _ in range(2):
            assert one.get("/a", tokens.mint(iss=iss(name))).status == 403
    return one


def status(server):
    return json.loads(server.get("/bearer-status?format=json").body)


def samples(server):
    """{(name, ((label, value), ...)): number}; each is there once."""
    out = {}
    for line in server.get(
            "/bearer-status?format=prometheus").body.decode().splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(
                r'(\w+)(?:\{(.*)\})? ([0-9.]+)', line).groups()
            key = name, tuple(re.findall(r'(\w+)="([^"]*)"', labels or ""))
            assert key not in out, line
            out[key] = float(value)
    return out


def of(samples_, name):
    return {dict(labels)["issuer"]: value
            for (family, labels), value in samples_.items() if family == name}


def test_each_issuer_is_counted_once(server):
    there = samples(server)
    granted, keys = (of(there, "auth_bearer_" + name)
                     for name in ("granted_total", "keys"))
    refused = of(there, "auth_bearer_refused_total")
    assert len(keys) == NAMED + 1
    assert set(keys) == set(refused) == {n for n in granted if n}
    assert keys.pop("(others)") == granted.pop("(others)") == 8
    assert refused.pop("(others)") == 16
    assert set(keys.values()) == {1} == {granted[n] for n in keys}
    assert set(refused.values()) == {2}
    assert sum(granted.values()) == NAMED
    # long names are cut to the documented length, and remain two
    cut = [n for n in keys if n.startswith(LONG[:100])]
    assert len(cut) == 2 and all(len(n) == 127 for n in cut)
    assert all(re.fullmatch(re.escape(LONG[:110]) + "~[0-9a-f]{16}", n) for n in cut)


def test_pages_add_up_too(server):
    now = status(server)
    assert len(now["issuers"]) == len(NAMES)
    assert [i["name"] for i in now["issuers"] if "granted" not in i] == NAMES[NAMED:]
    assert sum(row["granted"] for row in now["counters"]) == len(NAMES)
    page = server.get("/bearer-status").body.decode()
    assert "8 issuers, counted together" in page
    assert "<b>%s</b>" % NAMES[-1] in page
    assert "<b>%d</b>" % len(NAMES) in page
    auto = server.get("/server-status?auto").body.decode()
    assert "BearerGranted: %d\n" % len(NAMES) in auto
    assert len(re.findall(r"^BearerIssuerKeys\[", auto, re.M)) == NAMED + 1


def test_one_issuer_in_two_virtual_hosts_is_one_label(one_server):
    other = """
<VirtualHost 127.0.0.2:@PORT@>
ServerName other.test
%s%s
</VirtualHost>
""" % (issuer_conf(), location("/b"))
    server = one_server(issuer_conf() + location("/a") + STATUS + other,
                        files={"jwks.json": tokens.jwks("rs256")})
    assert server.get("/a", tokens.mint()).status == 200
    assert of(samples(server), "auth_bearer_granted_total") == {"main": 1}
    assert of(samples(server), "auth_bearer_keys")["main"] == 2
    assert "2 issuers, counted together" in server.get(
        "/bearer-status").body.decode()


@pytest.fixture
def small(one_server):
    return one_server(issuer_conf() + location("/a") + STATUS,
                      files={"jwks.json": tokens.jwks("rs256")})


def looked_up(server):
    there = status(server)["tokens"]
    return there["hits"] + there["misses"]


@pytest.mark.core
def test_what_an_ended_child_counted_is_kept(small):
    token = tokens.mint()
    for _ in range(20):
        assert small.get("/a", token).status == 200
    small.graceful()
    wait_until(lambda: looked_up(small) == 20, what="the sum of all children")
    wait_until(lambda: status(small)["tokens"]["children"] == len(small.children()),
               what="only those that live are counted")


@pytest.mark.allow_log("AH00052")
def test_a_killed_child_is_not_counted_as_alive(small):
    assert small.get("/a", tokens.mint()).status == 200
    room = status(small)["tokens"]["entries"]
    pid = small.children()[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: small.children() not in ([], [pid]), what="a new child")
    wait_until(lambda: small.get("/a", tokens.mint()).status == 200,
               what="it serves")
    now = status(small)["tokens"]
    assert (now["children"], now["entries"]) == (1, room)
