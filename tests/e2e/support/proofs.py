# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Proofs of possession (RFC 9449) and tokens that are bound to a key, right and wrong."""
import hashlib
import itertools
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from . import secrets
from .tokens import b64, key, mint

_count = itertools.count()


def thumbprint(jwk):
    """RFC 7638."""
    members = {"EC": "crv kty x y", "RSA": "e kty n", "OKP": "crv kty x"}[jwk["kty"]]
    text = json.dumps({m: jwk[m] for m in members.split()}, sort_keys=True,
                      separators=(",", ":"))
    return b64(hashlib.sha256(text.encode()).digest())


def jkt(name):
    return thumbprint(key(name).jwk())


def x5t(pem):
    """cnf.x5t#S256 of the certificate in a PEM text."""
    der = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT"):]).public_bytes(serialization.Encoding.DER)
    return b64(hashlib.sha256(der).digest())


def bound(name="es256-dpop", pem=None, **claims):
    """A token bound to that key, and to that certificate; None: not."""
    cnf = {}
    if name:
        cnf["jkt"] = jkt(name)
    if pem:
        cnf["x5t#S256"] = x5t(pem)
    return mint(cnf=cnf, **claims)


def proof(url, token, name="es256-dpop", method="GET", header=None, jwk=None, alg=None,
          **over):
    """A DPoP proof. Keywords override its claims, header and jwk members of its header;
    None leaves a member out."""
    signer = key(name)
    public = {k: v for k, v in signer.jwk().items() if k not in ("kid", "use", "alg")}
    public.update(jwk or {})
    head = {"typ": "dpop+jwt", "alg": alg or signer.alg, "jwk": public, "kid": None}
    head.update(header or {})
    payload = {"jti": "%d-%d" % (next(_count), time.time_ns()), "htm": method, "htu": url,
               "iat": int(time.time())}
    if token:
        payload["ath"] = b64(hashlib.sha256(token.encode()).digest())
    payload.update(over)
    payload = {k: v for k, v in payload.items() if v is not None}
    return mint(signer, payload=payload, header=head, alg=alg)


def fields(token, *proofs, scheme="DPoP"):
    """The header lines of a request."""
    secrets.register(token)
    return [("Authorization", scheme + " " + token)] + [("DPoP", p) for p in proofs]
