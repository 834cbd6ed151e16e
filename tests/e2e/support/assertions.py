# Licensed under the Apache License, Version 2.0; see LICENSE.
"""How a client proves to an issuer who it is (RFC 7523)."""
import json
import time

from . import tokens

LONG_SECRET = "0123456789abcdef0123456789abcdef-long"


def verify_assertion(issuer, form, key, audience=None):
    """RFC 7523: signature and claims of a client assertion."""
    assert form["client_assertion_type"] == (
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    head, body, signature = form["client_assertion"].split(".")
    claims = json.loads(tokens.unb64(body))
    now = time.time()
    assert claims["iss"] == claims["sub"] == form["client_id"] == "me"
    assert claims["aud"] == (audience or issuer.url)
    assert 30 <= claims["exp"] - claims["iat"] <= 300
    assert abs(claims["iat"] - now) < 30
    header = json.loads(tokens.unb64(head))
    signed = (head + "." + body).encode()
    if key.kind == "oct":
        assert tokens.unb64(signature) == key.sign(signed, header["alg"])
    else:
        import jwt
        jwt.api_jws.PyJWS().decode(form["client_assertion"],
                                   key.private.public_key(),
                                   algorithms=[header["alg"]])
    return header, claims


def private_jwk(key):
    n = key.private.private_numbers()
    b64int = tokens.b64int
    return dict(key.jwk(), d=b64int(n.d), p=b64int(n.p), q=b64int(n.q),
                dp=b64int(n.dmp1), dq=b64int(n.dmq1), qi=b64int(n.iqmp))
