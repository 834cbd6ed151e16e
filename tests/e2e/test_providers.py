# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Good tokens stay good: real providers' shapes, each accepted by a
configuration of at most twelve lines, each near miss refused with the words
that say what to change. The data is in providers.py."""
import json
import re
import time

import pytest

from providers import MISTAKEN, ROWS
from support import tokens
from support.tokens import key, mint

RELATIVE = ("iat", "nbf", "exp", "auth_time")
ENC = dict(key("rs256-kc-enc").jwk(), use="enc", alg="RSA-OAEP")


def configuration(row, drop=None):
    source = "spiffe:@ROOT@/keys/%s" if row.keys == "spiffe" else \
        "file:@ROOT@/keys/%s"
    lines = ['<AuthBearerIssuer "%s">' % row.declare,
             '    AuthBearerKeys "%s"' % (source % row.name)]
    lines += ["    " + line for line in row.inside.splitlines()]
    lines += ["</AuthBearerIssuer>", '<Location "/">',
              "    AuthType Bearer", '    AuthBearerAudience "%s"'
              % row.audience]
    lines += ["    " + line for line in row.place.splitlines()]
    lines += ["    Require " + row.require, "</Location>"]
    if drop:
        assert "    " + drop in lines
        lines.remove("    " + drop)
    return "\n".join(lines)


def key_set(row):
    signer = key(row.signer)
    jwk = signer.jwk()
    if row.keys == "spiffe":
        jwk.update(use="jwt-svid")
    elif row.keys:
        jwk.update(kid=row.keys)
    more = [ENC] if row.name.startswith("keycloak") else []
    return json.dumps({"keys": more + [jwk]})


def make(row, changes=None, header=None):
    now = int(time.time())
    payload = dict(row.claims, **(changes or {}))
    payload = {name: now + value if name in RELATIVE else value
               for name, value in payload.items()}
    head = dict(row.header or {}, **(header or {}))
    return mint(row.signer, payload=payload, header=head)


@pytest.fixture(scope="module")
def server(new_server):
    conf, files = "", {}
    for i, row in enumerate(ROWS):
        files["keys/" + row.name] = key_set(row)
        for host, drop in (("p%d" % i, None), ("m%d" % i, row.drop)):
            conf += "<VirtualHost *:@PORT@>\nServerName %s.test\n%s\n" \
                    "</VirtualHost>\n" % (host, configuration(row, drop))
    return new_server(conf, files=files)


def send(server, row, host, token):
    if row.send == "bearer":
        return server.get("/", token, host=host)
    return server.get("/", headers={row.send: token}, host=host)


IDS = [row.name for row in ROWS]


def test_enough_of_them():
    assert len(ROWS) >= 40
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({row.name.split("-")[0] for row in ROWS}) >= 20


@pytest.mark.parametrize("i", range(len(ROWS)), ids=IDS)
def test_configuration_is_short(i):
    assert len(configuration(ROWS[i]).splitlines()) <= 12


@pytest.mark.parametrize("i", range(len(ROWS)), ids=IDS)
def test_accepted(server, i):
    row = ROWS[i]
    res = send(server, row, "p%d.test" % i, make(row))
    assert res.status == 200, res
    assert res.user == row.user


@pytest.mark.parametrize("i", range(len(ROWS)), ids=IDS)
def test_near_miss(server, i):
    row = ROWS[i]
    token = make(row, row.miss, row.miss_header)
    host = "m%d.test" % i if row.drop else "p%d.test" % i
    res = send(server, row, host, token)
    assert res.status == row.status, res
    assert res.logged(None, re.compile(row.says), level="info"), res
    if row.status == 401:
        assert res.challenge["error"] == "invalid_token"
    line, = [l.text for l in res.logged(None, "%s/%s" % (res.error, res.check))]
    assert re.search("AuthBearer[A-Z]|Require (lines|scope)", line), line
    if row.drop:
        assert row.drop.split()[0] in line, line


@pytest.mark.parametrize("name,changes,says", MISTAKEN,
                         ids=[row[0] for row in MISTAKEN])
def test_another_token_of_the_provider(server, name, changes, says):
    i = IDS.index(name)
    res = send(server, ROWS[i], "p%d.test" % i, make(ROWS[i], changes))
    assert res.status == 401 and res.error == "type", res
    assert res.logged("AB0030|AB0031", says, "access_token", level="info"), res


def test_anonymous_everywhere(server):
    for i in range(len(ROWS)):
        res = server.get("/", host="p%d.test" % i)
        assert res.status == 401 and "error" not in res.challenge, res


def test_signature_counts_everywhere(server):
    for i, row in enumerate(ROWS):
        good = make(row)
        data, _, sig = good.rpartition(".")
        raw = bytearray(tokens.unb64(sig))
        raw[10] ^= 1
        res = send(server, row, "p%d.test" % i,
                   data + "." + tokens.b64(bytes(raw)))
        assert res.status == 401 and res.error == "signature", (row.name, res)
