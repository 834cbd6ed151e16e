# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Keys and tokens, right and wrong ones, made with python3-cryptography alone,
so that nothing stands between a test and the bytes that it wants to send.
"""
import base64
import functools
import hashlib
import hmac
import json
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec, ed25519, ed448, padding, rsa, utils, x25519)

from . import secrets

ISS = "https://issuer.test/"
AUD = "api://test"

HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {"P-256": (ec.SECP256R1, 32), "P-384": (ec.SECP384R1, 48),
          "P-521": (ec.SECP521R1, 66), "secp256k1": (ec.SECP256K1, 32)}
#: Order of P-256, for signatures at the edge.
P256_N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551


def b64(data):
    """Unpadded base64url."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64int(value, size=None):
    size = size or (value.bit_length() + 7) // 8
    return b64(value.to_bytes(size, "big"))


class Key:
    """A private key, its JWK and its signatures."""

    def __init__(self, private, alg, kid, kind):
        self.private, self.alg, self.kid, self.kind = private, alg, kid, kind

    def jwk(self, **over):
        """Public JWK; a member given as None is left out."""
        if self.kind == "RSA":
            n = self.private.public_key().public_numbers()
            jwk = {"kty": "RSA", "n": b64int(n.n), "e": b64int(n.e)}
        elif self.kind in CURVES:
            n = self.private.public_key().public_numbers()
            size = CURVES[self.kind][1]
            jwk = {"kty": "EC", "crv": self.kind,
                   "x": b64int(n.x, size), "y": b64int(n.y, size)}
        elif self.kind == "oct":
            jwk = {"kty": "oct", "k": b64(self.private)}
        else:
            raw = self.private.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            jwk = {"kty": "OKP", "crv": self.kind, "x": b64(raw)}
        jwk.update(kid=self.kid, use="sig", alg=self.alg)
        jwk.update(over)
        return {k: v for k, v in jwk.items() if v is not None}

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo)

    def public_der(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())

    def sign(self, data, alg=None, salt=None):
        alg = alg or self.alg
        if alg.startswith("HS"):
            return hmac.new(self.private, data, "sha" + alg[2:]).digest()
        if alg.startswith("RS"):
            return self.private.sign(data, padding.PKCS1v15(),
                                     HASHES[alg[2:]]())
        if alg.startswith("PS"):
            digest = HASHES[alg[2:]]()
            return self.private.sign(
                data, padding.PSS(padding.MGF1(digest),
                                  digest.digest_size if salt is None else salt),
                digest)
        if alg.startswith("ES"):
            der = self.private.sign(data, ec.ECDSA(HASHES[alg[2:5]]()))
            r, s = utils.decode_dss_signature(der)
            size = CURVES[self.kind][1]
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return self.private.sign(data)


class RawRSA:
    """RSA of 512 bits, by its numbers: newer python3-cryptography makes and loads
    none so small. As much of a private key as Key needs."""

    P = 108612767946255516879314777958068093452554049323739587080149865100009224500559
    Q = 90211617164459238078334952597127819898616613404112573146494304608000710340531
    E = 65537
    SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")

    def public_key(self):
        return self

    def public_numbers(self):
        return rsa.RSAPublicNumbers(self.E, self.P * self.Q)

    def sign(self, data, padding_, algorithm):
        """RSASSA-PKCS1-v1_5 with SHA-256: there is no room for another."""
        assert isinstance(padding_, padding.PKCS1v15), padding_
        assert isinstance(algorithm, hashes.SHA256), algorithm
        info = self.SHA256 + hashlib.sha256(data).digest()
        block = b"\0\1" + b"\xff" * (61 - len(info)) + b"\0" + info
        d = pow(self.E, -1, (self.P - 1) * (self.Q - 1))
        return pow(int.from_bytes(block, "big"), d,
                   self.P * self.Q).to_bytes(64, "big")


_one_at_a_time = threading.RLock()


def key(name):
    """The test run's key of that name: 'rs256', 'es384', 'rs256-2',
    'rsa1024' ... The part before '-' says the kind; each name is a key of its
    own. Its kid is the name. An issuer's thread and the test may both be the
    first to ask."""
    with _one_at_a_time:
        return _key(name)


@functools.lru_cache(maxsize=None)
def _key(name):
    kind = name.partition("-")[0]
    if kind.startswith("rsa"):
        size = int(kind[3:])
        private = (RawRSA() if size == 512
                   else rsa.generate_private_key(65537, size))
        return Key(private, "RS256", name, "RSA")
    if kind[:2] in ("rs", "ps"):
        return Key(rsa.generate_private_key(65537, 2048), kind.upper(), name,
                   "RSA")
    if kind[:2] == "es":
        curve = {"es256": "P-256", "es384": "P-384", "es512": "P-521",
                 "es256k": "secp256k1"}[kind]
        alg = "ES256K" if kind == "es256k" else kind.upper()
        return Key(ec.generate_private_key(CURVES[curve][0]()), alg, name,
                   curve)
    if kind == "ed25519":
        return Key(ed25519.Ed25519PrivateKey.generate(), "EdDSA", name,
                   "Ed25519")
    if kind == "ed448":
        return Key(ed448.Ed448PrivateKey.generate(), "EdDSA", name, "Ed448")
    if kind == "x25519":
        return Key(x25519.X25519PrivateKey.generate(), "EdDSA", name, "X25519")
    if kind.startswith("hs"):
        secret = hashlib.sha512(name.encode()).digest() * 2
        return Key(secret[:int(kind[2:]) // 8], kind.upper(), name, "oct")
    raise KeyError(name)


def jwks(*keys):
    """A key set of Keys, of their names, or of JWK dicts."""
    out = []
    for one in keys:
        if isinstance(one, str):
            one = key(one)
        out.append(one.jwk() if isinstance(one, Key) else one)
    return json.dumps({"keys": out})


def claims(**over):
    """The claims of a good token; a member given as None is left out."""
    now = int(time.time())
    out = {"iss": ISS, "sub": "alice", "aud": AUD, "client_id": "client-1",
           "iat": now - 5, "exp": now + 600, "scope": "orders.read"}
    out.update(over)
    return {k: v for k, v in out.items() if v is not None}


def compact(header, payload, signature):
    """header.payload.signature from bytes or JSON values, as they are."""
    if not isinstance(header, (bytes, str)):
        header = json.dumps(header, separators=(",", ":"))
    if not isinstance(payload, (bytes, str)):
        payload = json.dumps(payload, separators=(",", ":"))
    return "%s.%s.%s" % (b64(header), b64(payload), b64(signature))


def mint(signer="rs256", payload=None, header=None, alg=None, raw_header=None,
         raw_payload=None, salt=None, secret=None, **over):
    """A signed token. Keywords override claims; header overrides the header
    (None leaves a member out); raw_* replace a part's bytes but are signed."""
    if isinstance(signer, str):
        signer = key(signer)
    head = {"alg": alg or signer.alg, "typ": "JWT", "kid": signer.kid}
    head.update(header or {})
    head = {k: v for k, v in head.items() if v is not None}
    if payload is None:
        payload = claims(**over)
    first = raw_header if raw_header is not None else json.dumps(head)
    second = raw_payload if raw_payload is not None else json.dumps(payload)
    data = (b64(first) + "." + b64(second)).encode()
    if secret is not None:
        sig = hmac.new(secret, data, "sha256").digest()
    else:
        sig = signer.sign(data, alg, salt)
    token = data.decode() + "." + b64(sig)
    secrets.register(token)
    return token


def resign(token, signer="rs256", alg=None):
    """The same two first segments, signed again."""
    if isinstance(signer, str):
        signer = key(signer)
    data = ".".join(token.split(".")[:2])
    token = data + "." + b64(signer.sign(data.encode(), alg))
    secrets.register(token)
    return token


def digest8(text):
    """What the log says in place of a token or user; of a JWT without signature."""
    if text.count(".") == 2:
        text = text.rpartition(".")[0]
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def by_token(token, until=0):
    signed = token.rpartition(".")[0].encode()
    return "token %s %d\n" % (hashlib.sha256(signed).hexdigest(), until)


def by_jti(iss, jti, until=0):
    digest = hashlib.sha256((iss + "\0" + jti).encode()).hexdigest()
    return "jti %s %d\n" % (digest, until)
