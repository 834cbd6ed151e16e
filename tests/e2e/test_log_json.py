# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A JSON ErrorLogFormat: no message of this module breaks it, whatever is sent. httpd
escapes quotes and backslashes in %M, but does not know JSON: \\xHH is not JSON."""
import json

import pytest

from support import tokens
from support.expect import issuer_conf, location

FORMAT = (r'ErrorLogFormat "{\"t\":\"%t\",\"m\":\"%-m\",\"l\":\"%l\",\"text\":\"%M\"}"')
#: What may be in a value that a message quotes.
HOSTILE = ['"', "\\", '\\"', "\\x22", "a\nb", "a\r\nb", "\t", "\x01", "\x7f", "{}", "%s", "</",
           "\u00e4", "\u202e", "'", '","x":"y', "\\u0000"]


@pytest.fixture(scope="module")
def server(new_server):
    return new_server(FORMAT + "\n" + issuer_conf() + location(
        "/a", "AuthBearerThrottle off", require="role x"),
        files={"jwks.json": tokens.jwks("rs256")}, loglevel="info")


def ours(server):
    with open(server.path("logs/error.log"), "rb") as f:
        return [line for line in f.read().split(b"\n") if b"auth_bearer" in line]


def refusals():
    for text in HOSTILE:
        yield tokens.mint(iss=text)
        yield tokens.mint(aud=text)
        yield tokens.mint(aud=[text, "x"])
        yield tokens.mint(sub=text)
        yield tokens.mint(azp=text, jti=text)
        yield tokens.mint(roles=[text])
        yield tokens.mint(header={"kid": text})
        yield tokens.mint(header={"alg": text})
        yield tokens.mint(header={"typ": text})
        yield tokens.mint(header={"crit": [text]})
        yield tokens.mint(token_use=text)
    yield tokens.mint(raw_header='{"alg":"RS256","alg":"a\\"b"}')


@pytest.mark.allow_log("any number", "no number: ")
def test_every_line_is_json(server):
    seen = len(ours(server))
    for token in refusals():
        assert server.get("/a", token).status in (400, 401, 403)
    lines = ours(server)[seen:]
    assert len(lines) > 150
    for line in lines:
        assert json.loads(line.decode())["text"], line
    for header in ('Bearer a"b', "Bearer \\", 'Basic "', "\xe4"):
        server.get("/a", headers={"Authorization": header})
    for line in ours(server):
        json.loads(line.decode())
