# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Tokens and keys that are wrong on purpose. What makes a token is a function of
the issuer's URL.
"""
import json
import time

from . import tokens
from .tokens import AUD, b64, b64int, claims, compact, key, mint

NOW = int(time.time())


def weak_jwks(url):
    """Keys that no verifier may use, beside good ones."""
    good = [key("rs256").jwk(), key("es256").jwk(), key("ps256").jwk(),
            key("ed25519").jwk(alg=None), key("ed448").jwk(alg=None),
            key("es384").jwk(), key("es256-more").jwk()]
    n = key("rs256").private.public_key().public_numbers().n
    point = key("es256-off").jwk()
    y = int.from_bytes(tokens.unb64(point["y"]), "big") ^ 1
    big = (1 << 16383) | int.from_bytes(b"\x5a" * 2000, "big") << 8 | 1
    weak = [
        key("rsa1024").jwk(), key("rsa512").jwk(),
        {"kty": "RSA", "kid": "e1", "alg": "RS256", "e": "AQ", "n": b64int(n)},
        {"kty": "RSA", "kid": "even-e", "alg": "RS256", "e": b64int(65536),
         "n": b64int(n)},
        {"kty": "RSA", "kid": "rsa16384", "e": "AQAB", "n": b64int(big)},
        {"kty": "RSA", "kid": "wide-e", "n": b64int((1 << 3071) + 12345),
         "e": b64int((1 << 3070) + 1)},
        dict(point, kid="off-curve", y=b64int(y, 32)),
        dict(key("es256-short").jwk(kid="short-x"), x="AQ"),
        {"kty": "EC", "kid": "no-y", "crv": "P-256", "x": point["x"]},
        {"kty": "XYZ", "kid": "unknown-kty", "x": "AQAB"},
        key("rs256-enc").jwk(use="enc"),
        key("rs256-sign").jwk(use=None, key_ops=["sign"]),
        key("rs256-ps").jwk(alg="PS256"),
        key("hs256").jwk(),
        key("x25519").jwk(),
        dict(key("rs256-dup").jwk(), kid=7),
        "no object",
    ]
    return json.dumps({"keys": good + weak})


def alg(name, signature=b""):
    """A token that claims an algorithm and has this signature."""
    return lambda iss: compact({"alg": name, "kid": "rs256"}, claims(iss=iss),
                               signature)


def head(signer="rs256", **header):
    return lambda iss: mint(signer, header=header, iss=iss)


def body(signer="rs256", **over):
    return lambda iss: mint(signer, **dict({"iss": iss}, **over))


def raw_head(text):
    return lambda iss: mint(raw_header=text, iss=iss)


def raw_body(text):
    """Payload text with @ISS@, @EXP@ and @AUD@ filled in."""
    def make(iss):
        filled = text.replace(b"@ISS@", iss.encode()).replace(
            b"@EXP@", b"%d" % (time.time() + 600)).replace(
            b"@AUD@", AUD.encode())
        return mint(raw_payload=filled)
    return make


def edit(change, signer="rs256"):
    """A good token, changed as text."""
    return lambda iss: change(mint(signer, iss=iss))


def signature(change, signer="es256"):
    """A good token with another signature."""
    def make(iss):
        token = mint(signer, iss=iss)
        first, _, last = token.rpartition(".")
        return first + "." + b64(change(tokens.unb64(last)))
    return make


def unused_bits(segment):
    """The same bytes, spelled with other unused last bits."""
    alphabet = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                "0123456789-_")
    assert len(segment) % 4 in (2, 3)
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) ^ 1]


def in_segment(i, change):
    def edit_token(token):
        parts = token.split(".")
        parts[i] = change(parts[i])
        return ".".join(parts)
    return edit_token


def noncanonical_payload(iss):
    payload = json.dumps(claims(iss=iss))
    payload += " " * ((4 - len(payload)) % 3)      # length % 3 == 1
    data = b64(json.dumps({"alg": "RS256", "kid": "rs256"})) + "." + \
        unused_bits(b64(payload))
    return data + "." + b64(key("rs256").sign(data.encode()))


def forged_e1(iss):
    """With e = 1 the signature is the padded digest itself: anybody can sign."""
    import hashlib
    data = b64(json.dumps({"alg": "RS256", "kid": "e1"})) + "." + \
        b64(json.dumps(claims(iss=iss)))
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    info += hashlib.sha256(data.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (253 - len(info)) + b"\x00" + info
    return data + "." + b64(padded)


def rs(r, s, size=32):
    return lambda _: r.to_bytes(size, "big") + s.to_bytes(size, "big")


def half(sig, n=32):
    return int.from_bytes(sig[:n], "big"), int.from_bytes(sig[n:], "big")


def der(sig):
    from cryptography.hazmat.primitives.asymmetric.utils import \
        encode_dss_signature
    return encode_dss_signature(*half(sig))


def nested(depth, of=b'{"a":', end=b"}"):
    inner = of * (depth - 1) + b"1" + end * (depth - 1)
    return raw_body(b'{"iss":"@ISS@","sub":"alice","aud":"@AUD@","exp":@EXP@,'
                    b'"iat":%d,"x":' % NOW + inner + b"}")


GOOD_BODY = (b'{"iss":"@ISS@","sub":"alice","aud":"@AUD@","exp":@EXP@,'
             b'"client_id":"c"')


def gzip_bomb():
    import gzip
    return gzip.compress(json.dumps(
        {"keys": [key("rs256").jwk()], "x": "y" * 5000000}).encode())
