# Licensed under the Apache License, Version 2.0; see LICENSE.
"""htbearer at the command line. HTBEARER names the binary.

Whatever the tool makes is judged here by PyJWT and cryptography, and what they
make is judged by the tool; the rest is published vectors.
"""
import base64
import datetime
import hashlib
import hmac
import json
import os
import random
import re
import stat
import subprocess
import time

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa
from cryptography.x509.oid import NameOID

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
HTBEARER = os.environ.get("HTBEARER", os.path.join(TOP, "htbearer"))

ISSUER = "https://idp.example.com/"
AUDIENCE = "api://orders"
TOKEN_MAX = 100 * 1024
COMMANDS = ("keygen", "jwks", "sign", "decode", "verify", "explain", "proof", "revoke")
NEEDED = {"keygen": ["--private", "FILE", "--public", "FILE2"],
          "sign": ["--key", "FILE"], "verify": ["--keys", "FILE"],
          "explain": ["--issuer", "https://i.test/"],
          "proof": ["--key", "FILE", "--url", "https://a.test/"],
          "revoke": ["--file", "FILE"]}


# ---- helpers ----------------------------------------------------------------

class Result:
    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout
        self.err = process.stderr.decode()
        assert self.status in (0, 1, 2), self.err
        assert "Sanitizer" not in self.err, self.err

    @property
    def text(self):
        return self.out.decode().rstrip("\n")

    @property
    def json(self):
        return json.loads(self.out)

    def failed(self, status, *phrases):
        """Nothing on standard output, one line that holds the phrases."""
        assert self.status == status, (self.status, self.out, self.err)
        assert self.out == b""
        for phrase in phrases:
            assert phrase in self.err
        return self

    def ok(self):
        assert self.status == 0, self.err
        return self


def run(*args, stdin=b"", **kw):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    return Result(subprocess.run(
        [HTBEARER, *map(str, args)], input=stdin, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=120, **kw))


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def public_jwk(key, **members):
    """A JWK from cryptography's public key, by our own hand."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        jwk = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
    elif isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        length = (key.curve.key_size + 7) // 8
        crv = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521",
               "secp256k1": "secp256k1"}[key.curve.name]
        jwk = {"kty": "EC", "crv": crv, "x": number(numbers.x, length),
               "y": number(numbers.y, length)}
    else:
        raw = key.public_bytes(serialization.Encoding.Raw,
                               serialization.PublicFormat.Raw)
        jwk = {"kty": "OKP", "x": b64(raw),
               "crv": "Ed25519" if len(raw) == 32 else "Ed448"}
    jwk.update(members)
    return jwk


def thumbprint(jwk):
    names = {"RSA": "e kty n", "EC": "crv kty x y", "OKP": "crv kty x",
             "oct": "k kty"}[jwk["kty"]].split()
    text = json.dumps({name: jwk[name] for name in names}, sort_keys=True,
                      separators=(",", ":"))
    return b64(hashlib.sha256(text.encode()).digest())


def key_of_jwk(jwk):
    """The public key of a JWK, for PyJWT."""
    if jwk["kty"] == "oct":
        return unb64(jwk["k"])
    algorithm = {"RSA": jwt.algorithms.RSAAlgorithm,
                 "EC": jwt.algorithms.ECAlgorithm,
                 "OKP": jwt.algorithms.OKPAlgorithm}[jwk["kty"]]
    return algorithm.from_jwk(json.dumps(
        {k: v for k, v in jwk.items()
         if k in ("kty", "n", "e", "crv", "x", "y")}))


def claims(**members):
    now = int(time.time())
    base = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now,
            "exp": now + 600}
    base.update(members)
    return {k: v for k, v in base.items() if v is not None}


def segments(token):
    header, payload, signature = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(payload)), signature


@pytest.fixture(scope="module")
def keys():
    """Keys by name, none made by the tool."""
    return {
        "rsa": rsa.generate_private_key(65537, 2048),
        "rsa2": rsa.generate_private_key(65537, 2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "k1": ec.generate_private_key(ec.SECP256K1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ed448": ed448.Ed448PrivateKey.generate(),
        "secret": b"0123456789abcdef0123456789abcdef" * 2,
    }


@pytest.fixture
def jwks(tmp_path, keys):
    """jwks(name, ...) writes a JWK Set of such keys, kid = name."""
    def write(*names, **members):
        listed = [{"kty": "oct", "k": b64(keys[n]), "kid": n, **members}
                  if isinstance(keys[n], bytes) else
                  public_jwk(keys[n].public_key(), kid=n, **members)
                  for n in names]
        path = tmp_path / ("-".join(names) + ".jwks")
        path.write_text(json.dumps({"keys": listed}))
        return path
    return write


@pytest.fixture
def token(keys):
    """token(claims, ...) signs with PyJWT."""
    def make(payload=None, key="rsa", alg="RS256", headers=None):
        headers = {"typ": "at+jwt", "kid": key, **(headers or {})}
        return jwt.encode(claims() if payload is None else payload, keys[key],
                          alg, headers={k: v for k, v in headers.items()
                                        if v is not None})
    return make


@pytest.fixture
def pair(tmp_path):
    """pair(alg) is (private, public) of keygen."""
    def make(alg="ES256"):
        private, public = tmp_path / "private.json", tmp_path / "public.json"
        args = ["keygen", "--alg", alg, "--private", private]
        if not alg.startswith("HS"):
            args += ["--public", public]
        run(*args).ok()
        return private, public if public.exists() else private
    return make


# ---- usage ------------------------------------------------------------------

def test_without_a_command_it_explains_itself_and_fails():
    result = run().failed(2)
    for command in COMMANDS:
        assert command in result.err


@pytest.mark.parametrize("args", [["help"], ["--help"], ["-h"]])
def test_help_lists_the_commands(args):
    result = run(*args).ok()
    for command in COMMANDS:
        assert re.search(r"^  %s +\S" % command, result.text, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command):
    text = run("help", command).ok().text
    assert text.startswith("usage: htbearer %s" % command)
    assert run(command, "--help").ok().text == text
    assert all(len(line) <= 80 for line in text.split("\n"))


def test_version():
    assert re.match(r"htbearer \S.*OpenSSL 3", run("--version").ok().text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_man_page_names_every_option(command):
    with open(os.path.join(TOP, "tools", "htbearer.1")) as file:
        page = file.read().replace("\\-", "-")
    section = re.split(r"\.SS \\fB%s\\fR\b.*\n" % command, page)[1].split(".SS ")[0]
    options = re.findall(r"^  (--?[A-Za-z-]+)", run("help", command).text, re.M)
    assert options or command in ("jwks", "decode")
    for option in options:
        assert option in section


@pytest.mark.parametrize("args, phrase", [
    (["frobnicate"], "htbearer help"),
    (["help", "frobnicate"], "htbearer help"),
    (["verify", "--frobnicate"], "'--frobnicate'"),
    (["verify", "--frobnicate=1"], "'--frobnicate'"),
    (["verify", "-k"], "'-k'"),
    (["verify", "--jws-only"], "--keys FILE is missing"),
    (["verify", "--keys"], "--keys needs FILE"),
    (["verify", "--keys", "a", "--keys", "b"], "--keys is given twice"),
    (["verify", "--keys", "a", "--jws-only=yes"], "--jws-only takes no value"),
    (["verify", "--keys", "a", "--alg", "none"], "unknown algorithm 'none'"),
    (["verify", "--keys", "a", "--alg", "RS256,rs256"], "'rs256'"),
    (["verify", "--keys", "a", "--alg", ","], "--alg is empty"),
    (["verify", "--keys", "a", "--jws-only", "--audience", "x"], "--audience"),
    (["sign"], "--key FILE is missing"),
    (["keygen", "--public", "x"], "--private FILE is missing"),
    (["keygen", "superfluous", "--private", "x"], "superfluous"),
    (["revoke"], "--file PATH is missing"),
    (["proof", "--url", "https://a.test/"], "--key FILE is missing"),
    (["proof", "--key", "x"], "--url URL is missing"),
    (["verify", "--keys", "a", "--proof", "b"], "--proof needs --url"),
    (["verify", "--keys", "a", "--proof", "-", "--url", "https://a.test/"], "standard input"),
    (["explain", "--issuer", "https://a.test/", "--proof", "b"], "--proof needs --url"),
])
def test_wrong_usage_is_one_line_with_a_hint(args, phrase):
    result = run(*args).failed(2, phrase)
    assert result.err.count("\n") == 1
    command = args[0] if args[0] in COMMANDS else ""
    assert ("htbearer help " + command).strip() in result.err


@pytest.mark.parametrize("args, options, phrase", [
    (["sign", "--key", "a", "--payload", "b"],
     ["issuer", "subject", "audience", "expires", "not-before", "now", "claim", "dpop",
      "mtls"],
     "cannot be combined with --payload"),
    (["verify", "--keys", "a", "--jws-only"],
     ["audience", "issuer", "clock-skew", "max-age", "now", "binding", "proof", "url", "method",
      "certificate"], "cannot be combined with --jws-only"),
    (["verify", "--keys", "a"], ["url", "method"], "needs --proof"),
    (["explain", "--issuer", "https://idp.test/"],
     ["httpd", "host", "address"], "needs -f"),
    (["explain", "--issuer", "https://idp.test/"], ["url", "method"], "needs --proof"),
    (["explain", "-f", "a", "/b"],
     ["issuer", "keys", "audience", "client", "client-id", "alg", "user-claim", "clock-skew",
      "max-age", "tenant", "revocations", "require", "ca-file", "http-proxy", "plain-http",
      "now", "url", "binding"], "cannot be combined with -f"),
])
def test_an_option_that_would_have_no_effect_is_refused(args, options, phrase, tmp_path):
    if args[0] == "sign":
        made = str(tmp_path / "key.json")
        run("keygen", "--private", made, "--public", str(tmp_path / "keys.json")).ok()
        args = ["sign", "--key", made] + args[3:]
    for option in options:
        run(*args, "--" + option, "1").failed(2, "--%s %s" % (option, phrase))


def test_a_complaint_about_a_directive_names_the_option(tmp_path):
    run("explain", "--issuer", "https://idp.test/", stdin="a.b.c").failed(2, "--audience")
    plain = run("explain", "--issuer", "http://idp.test/", "--audience", "a", stdin="a.b.c")
    assert "--plain-http" in plain.failed(2).err and "AuthBearer" not in plain.err


@pytest.mark.parametrize("command", ["decode", "verify", "explain", "proof", "revoke"])
@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_a_token_as_argument_is_refused_and_not_repeated(command, dashes, token):
    secret = token()
    args = NEEDED.get(command, []) + dashes + [secret]
    result = run(command, *args, stdin=secret).failed(2, "standard input")
    assert secret[:20] not in result.err


@pytest.mark.parametrize("args", [
    ["{}"], ["help", "{}"], ["verify", "--{}"], ["verify", "--token={}"],
    ["sign", "--key", "x", "{}"], ["keygen", "--private", "x", "{}"]])
def test_no_message_repeats_what_may_be_a_token(args, token):
    for secret in (token(), "0123456789abcdef" * 5):  # a JWT, an opaque one
        result = run(*[arg.format(secret) for arg in args]).failed(2)
        assert secret[:16] not in result.err


def test_output_that_cannot_be_written_is_an_error(token):
    with open("/dev/full", "wb") as full:
        process = subprocess.run([HTBEARER, "decode"], input=token().encode(),
                                 stdout=full, stderr=subprocess.PIPE)
    assert process.returncode == 2
    assert b"cannot be written" in process.stderr


# ---- keygen -----------------------------------------------------------------

ALGS = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA",
        "PS384": "RSA", "PS512": "RSA", "ES256": "P-256", "ES384": "P-384",
        "ES512": "P-521", "ES256K": "secp256k1", "EdDSA": "Ed25519",
        "Ed25519": "Ed25519", "Ed448": "Ed448", "HS256": "oct", "HS384": "oct",
        "HS512": "oct"}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


@pytest.mark.parametrize("alg, kind", sorted(ALGS.items()))
def test_keygen_sign_and_both_verifiers(alg, kind, pair):
    private, public = pair(alg)
    jwk, = json.loads(private.read_text())["keys"]
    assert jwk.get("crv", jwk["kty"]) == kind
    assert (jwk["alg"], jwk["use"]) == (alg, "sig")
    assert jwk["kid"] == thumbprint(jwk)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert PRIVATE_MEMBERS & set(jwk)
    if private != public:
        assert json.loads(public.read_text())["keys"] == [
            {k: v for k, v in jwk.items() if k not in PRIVATE_MEMBERS}]

    made = run("sign", "--key", private, "--issuer", ISSUER, "--audience",
               AUDIENCE, "--subject", "alice").ok().text
    header, payload, _ = segments(made)
    assert header == {"alg": alg, "typ": "at+jwt", "kid": jwk["kid"]}
    # the names of RFC 9864 are newer than PyJWT
    names = {"Ed25519": "EdDSA", "Ed448": "EdDSA"}
    if alg in names:
        signing, signature = made.rsplit(".", 1)
        key_of_jwk(jwk).verify(unb64(signature), signing.encode())
    else:
        jwt.decode(made, key_of_jwk(jwk), [alg], audience=AUDIENCE)
    result = run("verify", "--keys", public, "--alg", alg, "--audience",
                 AUDIENCE, "--issuer", ISSUER, stdin=made).ok()
    assert result.json == payload
    assert result.err == ""


def test_keygen_makes_an_rsa_key_by_default(pair, tmp_path):
    private, public = tmp_path / "a", tmp_path / "b"
    run("keygen", "--private", private, "--public", public).ok()
    jwk, = json.loads(public.read_text())["keys"]
    assert jwk["alg"] == "RS256" and len(unb64(jwk["n"])) == 256


@pytest.mark.parametrize("alg, bits, octets", [
    ("PS256", 3072, 384), ("HS256", 256, 32), ("HS256", 512, 64),
    ("HS512", 1024, 128)])
def test_keygen_bits(alg, bits, octets, tmp_path):
    private = tmp_path / "a"
    args = [] if alg[0] == "H" else ["--public", tmp_path / "b"]
    run("keygen", "--alg", alg, "--bits", bits, "--private", private,
        *args).ok()
    jwk, = json.loads(private.read_text())["keys"]
    assert len(unb64(jwk["k" if alg[0] == "H" else "n"])) == octets


@pytest.mark.parametrize("args, phrase", [
    (["--alg", "RS256", "--bits", "2047"], "2048"),
    (["--alg", "RS256", "--bits", "1024"], "2048"),
    (["--alg", "RS256", "--bits", "16384"], "8192"),
    (["--alg", "RS256", "--bits", "2049"], "multiple of 8"),
    (["--alg", "RS256", "--bits", "many"], "'many'"),
    (["--alg", "ES256", "--bits", "256"], "ES256 fixes"),
    (["--alg", "HS256"], "one secret"),
    (["--alg", "HS512", "--bits", "256"], "512"),
    (["--alg", "none"], "unknown algorithm"),
])
def test_keygen_refuses(args, phrase, tmp_path):
    run("keygen", *args, "--private", tmp_path / "a", "--public",
        tmp_path / "b").failed(2, phrase)
    assert not list(tmp_path.iterdir())


def test_keygen_needs_two_files(tmp_path):
    run("keygen", "--private", tmp_path / "a").failed(2, "--public FILE")
    run("keygen", "--private", tmp_path / "a", "--public",
        tmp_path / "a").failed(2, "same file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("present", ["private", "public"])
def test_keygen_overwrites_only_by_force(present, tmp_path):
    files = {"private": tmp_path / "a", "public": tmp_path / "b"}
    files[present].write_text("precious")
    files[present].chmod(0o644)
    args = ["keygen", "--alg", "ES256", "--private", files["private"],
            "--public", files["public"]]
    run(*args).failed(2, "--force")
    assert files[present].read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1
    run(*args, "--force").ok()
    for file in files.values():
        assert len(json.loads(file.read_text())["keys"]) == 1
    assert stat.S_IMODE(files["private"].stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 2


def test_keygen_does_not_write_through_a_link(tmp_path):
    target = tmp_path / "target"
    (tmp_path / "a").symlink_to(target)
    run("keygen", "--alg", "ES256", "--private", tmp_path / "a", "--public",
        tmp_path / "b").failed(2)
    assert not target.exists()


def test_keygen_leaves_no_half_pair(tmp_path):
    run("keygen", "--alg", "ES256", "--private", tmp_path / "a", "--public",
        tmp_path / "nowhere" / "b").failed(2, "nowhere")
    assert not list(tmp_path.iterdir())


# ---- jwks -------------------------------------------------------------------

def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2020, 1, 1)
    return x509.CertificateBuilder().subject_name(name).issuer_name(
        name).public_key(key.public_key()).serial_number(1).not_valid_before(
        start).not_valid_after(start + datetime.timedelta(days=1)).sign(
        key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def x5t(cert):
    return b64(x509.load_pem_x509_certificate(cert).fingerprint(hashes.SHA256()))


@pytest.mark.parametrize("name", ["rsa", "p256", "p384", "p521", "ed25519",
                                  "ed448"])
def test_jwks_of_a_public_key(name, keys):
    jwk, = run("jwks", stdin=spki(keys[name])).ok().json["keys"]
    wanted = public_jwk(keys[name].public_key(), use="sig")
    assert jwk == {**wanted, "kid": thumbprint(wanted)}


def test_jwks_of_files_certificates_and_pkcs1(keys, tmp_path):
    blocks = keys["rsa"].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    (tmp_path / "one.pem").write_bytes(blocks + spki(keys["p256"]))
    (tmp_path / "two.pem").write_bytes(certificate(keys["p384"]))
    listed = run("jwks", tmp_path / "one.pem", "-", tmp_path / "two.pem",
                 stdin=spki(keys["ed25519"])).ok().json["keys"]
    assert [jwk["kid"] for jwk in listed] == [
        thumbprint(public_jwk(keys[name].public_key()))
        for name in ("rsa", "p256", "ed25519", "p384")]


def test_jwks_lists_a_key_once(keys):
    assert len(run("jwks", stdin=spki(keys["p256"]) * 2).ok()
               .json["keys"]) == 1


def test_what_jwks_prints_verifies(keys, tmp_path, token):
    path = tmp_path / "keys.json"
    path.write_bytes(run("jwks", stdin=certificate(keys["rsa"])).ok().out)
    run("verify", "--keys", path, stdin=token(headers={"kid": None})).ok()


@pytest.mark.parametrize("make", [
    lambda k: k["rsa"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()),
    lambda k: spki(rsa.generate_private_key(65537, 1024)),
    lambda k: b"", lambda k: b"\0\xff" * 100, lambda k: spki(k["rsa"])[:200],
    lambda k: b"x" * (256 * 1024 + 1)],
    ids=["private", "weak", "empty", "binary", "truncated", "huge"])
def test_jwks_refuses(make, keys):
    run("jwks", stdin=make(keys)).failed(2)


def test_jwks_of_a_file_that_is_not_there(tmp_path):
    run("jwks", tmp_path / "missing").failed(2, "missing", "No such file")


# ---- sign -------------------------------------------------------------------

def test_sign_adds_what_a_token_needs(pair):
    private, _ = pair()
    before = int(time.time())
    header, payload, _ = segments(run("sign", "--key", private).ok().text)
    assert header["typ"] == "at+jwt"
    assert set(payload) == {"iat", "exp", "jti"}
    assert before <= payload["iat"] <= time.time()
    assert payload["exp"] == payload["iat"] + 3600
    assert len(payload["jti"]) >= 16
    again = segments(run("sign", "--key", private).ok().text)[1]
    assert again["jti"] != payload["jti"]


def test_sign_claims(pair):
    private, _ = pair()
    made = run("sign", "--key", private, "--issuer", ISSUER, "--subject",
               "älice", "--audience", "a", "--audience=b", "--now", 1000,
               "--expires", "-60", "--not-before", 5, "--typ", "JWT",
               "--claim", 'roles=["a","b"]', "--claim", "level=3", "--claim",
               'code="3"', "--claim", "scope=orders.read orders.write",
               "--claim", "jti=fixed", "--claim", "empty=",
               "--claim", "https://example.com/x={\"y\":null}",
               "--claim", "q=a=b").ok().text
    header, payload, _ = segments(made)
    assert header["typ"] == "JWT"
    assert payload == {
        "iss": ISSUER, "sub": "älice", "aud": ["a", "b"], "iat": 1000,
        "exp": 940, "nbf": 1005, "roles": ["a", "b"], "level": 3, "code": "3",
        "scope": "orders.read orders.write", "jti": "fixed", "empty": "",
        "https://example.com/x": {"y": None}, "q": "a=b"}


def test_sign_leaves_typ_out_on_request(pair):
    private, _ = pair()
    header, _, _ = segments(run("sign", "--key", private, "--typ", "").text)
    assert "typ" not in header


@pytest.mark.parametrize("args, phrase", [
    (["--claim", "novalue"], "NAME=VALUE"), (["--claim", "=x"], "NAME=VALUE"),
    (["--claim", b"x=\xff"], "UTF-8"), (["--subject", b"\xff"], "UTF-8"),
    (["--audience", "a", "--audience", b"\xff"], "UTF-8"),
    (["--claim", "deep=" + "[" * 40 + "]" * 40], "nested"),
    (["--expires", "1h"], "'1h'"), (["--expires", ""], "''"),
    (["--now", "-1"], "'-1'"),
    (["--expires", "99999999999999999999"], "--expires"),
    (["--alg", "RS256"], "no key that fits"),
    (["--kid", "another"], "no key that fits"),
    (["--payload", "-", "--subject", "x"], "--subject"),
    (["--payload", "/nowhere"], "No such file"),
    (["--claim", "x=" + "y" * TOKEN_MAX], "longer"),
], ids=range(15))
def test_sign_refuses(args, phrase, pair):
    private, _ = pair()
    process = subprocess.run(
        [HTBEARER.encode(), b"sign", b"--key", os.fsencode(str(private))]
        + [a if isinstance(a, bytes) else a.encode() for a in args],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    Result(process).failed(2, phrase)


@pytest.mark.parametrize("payload", [
    b"", b"plain", b'{"sub":"x"}', b"\0\xff\r\n binary", b"line\n",
    b"z" * 60000], ids=range(6))
def test_any_payload_comes_back_byte_for_byte(payload, pair, tmp_path):
    private, public = pair()
    file = tmp_path / "payload"
    file.write_bytes(payload)
    for args, stdin in (([file], b""), (["-"], payload)):
        made = run("sign", "--key", private, "--payload", *args,
                   stdin=stdin).ok().text
        header, body, _ = made.split(".")
        assert "typ" not in json.loads(unb64(header))
        assert unb64(body) == payload
        assert run("verify", "--keys", public, "--jws-only",
                   stdin=made).ok().out == payload


def test_sign_chooses_by_kid_or_alg(pair, tmp_path):
    listed = []
    for alg in ("ES256", "ES256", "EdDSA"):
        private, _ = pair(alg)
        listed += json.loads(private.read_text())["keys"]
        for file in tmp_path.iterdir():
            file.unlink()
    ring = tmp_path / "ring.json"
    ring.write_text(json.dumps({"keys": listed}))
    run("sign", "--key", ring).failed(2, "--kid")
    run("sign", "--key", ring, "--alg", "ES256").failed(2, "--kid")
    for args, jwk in ((["--alg", "EdDSA"], listed[2]),
                      (["--kid", listed[1]["kid"]], listed[1])):
        header, _, _ = segments(run("sign", "--key", ring, *args).ok().text)
        assert (header["kid"], header["alg"]) == (jwk["kid"], jwk["alg"])


def test_sign_takes_one_jwk_without_kid_or_alg(tmp_path):
    path = tmp_path / "jwk.json"
    path.write_text(json.dumps(A2_KEY))
    made = run("sign", "--key", path).ok().text
    assert segments(made)[0] == {"alg": "RS256", "typ": "at+jwt"}
    made = run("sign", "--key", path, "--alg", "PS512").ok().text
    jwt.decode(made, key_of_jwk(A2_KEY), ["PS512"])


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"keys":{}}', '{"keys":[1]}', '{"keys":[]}', "\0\0",
    '{"keys":[{"kty":"RSA"}]}', '{"keys":[{"kty":"EC","crv":"P-256"}]}',
    '{"kty":"oct","k":"AA=="}', '{"kty":"oct","k":"AAAA"}', "[" * 5000,
    '{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}', "-----BEGIN PRIVATE"],
    ids=range(14))
def test_sign_with_something_that_is_no_key(text, tmp_path):
    path = tmp_path / "key.json"
    path.write_text(text)
    run("sign", "--key", path).failed(2, "key.json")


def test_sign_reads_no_more_than_the_limits(pair, tmp_path):
    private, _ = pair()
    run("sign", "--key", private, "--payload", "-",
        stdin=b"x" * (TOKEN_MAX + 1)).failed(2, "larger")
    private.write_text(private.read_text() + " " * 256 * 1024)
    run("sign", "--key", private).failed(2, "larger")


def test_sign_with_a_public_key(pair):
    _, public = pair()
    run("sign", "--key", public).failed(2, "public.json")


def test_sign_warns_about_a_key_that_everybody_may_read(pair):
    private, _ = pair()
    assert run("sign", "--key", private).ok().err == ""
    private.chmod(0o644)
    assert "warning" in run("sign", "--key", private).ok().err


def pem_of(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


@pytest.fixture
def written(tmp_path):
    """written(name, content) is the path of a file that only its owner can read."""
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
        return path
    return write


@pytest.mark.parametrize("name, alg", [
    ("rsa", "RS256"), ("p256", "ES256"), ("p521", "ES512"), ("k1", "ES256K"),
    ("ed25519", "EdDSA"), ("ed448", "EdDSA")])
def test_sign_with_a_pem_key(name, alg, keys, written):
    made = run("sign", "--key", written("key.pem", pem_of(keys[name])),
               "--alg", alg).ok().text
    jwt.decode(made, keys[name].public_key(), [alg])
    assert segments(made)[0]["kid"] == thumbprint(public_jwk(keys[name].public_key()))


def test_sign_with_an_encrypted_key(keys, written):
    pem = keys["p256"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"))
    run("sign", "--key", written("key.pem", pem)).failed(2, "key.pem")
    run("sign", "--key", written("a.pem", pem_of(keys["p256"])), "--dpop",
        written("key.pem", pem)).failed(2, "key.pem")


# ---- sign --dpop ------------------------------------------------------------

@pytest.mark.parametrize("name", ["rsa", "p256", "p384", "p521", "ed25519", "ed448"])
def test_sign_binds_a_token_to_a_key(name, keys, pair, written):
    public = public_jwk(keys[name].public_key())
    private, _ = pair()
    for content in (pem_of(keys[name]), spki(keys[name]), json.dumps(public),
                    json.dumps({"keys": [{**public, "kid": "x"}]})):
        made = run("sign", "--key", private, "--dpop", written("client", content)).ok()
        assert segments(made.text)[1]["cnf"] == {"jkt": thumbprint(public)}
        assert made.err == ""


def test_sign_binds_a_token_to_a_key_of_keygen(tmp_path):
    files = [tmp_path / name for name in ("a", "b")]
    run("keygen", "--alg", "ES256", "--private", files[0], "--public", files[1]).ok()
    kid = json.loads(files[1].read_text())["keys"][0]["kid"]
    for file in files:
        made = run("sign", "--key", files[0], "--dpop", file).ok().text
        assert segments(made)[1]["cnf"] == {"jkt": kid}
    made = run("sign", "--key", files[0], "--dpop", file, "--claim", 'cnf={"jkt":"x"}')
    assert segments(made.ok().text)[1]["cnf"] == {"jkt": "x"}


@pytest.mark.parametrize("content, phrase", [
    ("", "not a JWK or PEM key"), ("{}", "not a JWK or PEM key"), ("{", "JWK"),
    ('{"keys":[]}', "no usable key"), ('{"kty":"oct","k":"' + "A" * 86 + '"}', "secret"),
    ('{"kty":"EC","crv":"P-256"}', "no usable key"), ("two", "2 keys"), ("weak", "1024"),
    ("weak.pem", "1024"), ("-----BEGIN PUBLIC KEY-----", "PEM")])
def test_sign_binds_to_no_other_key(content, phrase, keys, pair, written):
    if content == "two":
        content = json.dumps({"keys": [public_jwk(keys[name].public_key(), kid=name)
                                       for name in ("rsa", "p256")]})
    elif content.startswith("weak"):
        key = rsa.generate_private_key(65537, 1024)
        content = json.dumps(public_jwk(key.public_key())) if content == "weak" \
            else pem_of(key)
    private, _ = pair()
    run("sign", "--key", private, "--dpop", written("client", content)).failed(2, phrase)


def test_sign_binds_a_token_to_a_certificate(keys, pair, written):
    private, _ = pair()
    cert = certificate(keys["p384"])
    made = run("sign", "--key", private, "--mtls", written("cert.pem", cert)).ok().text
    assert segments(made)[1]["cnf"] == {"x5t#S256": x5t(cert)}
    made = run("sign", "--key", private, "--mtls", written("cert.pem", cert),
               "--dpop", written("key", spki(keys["p256"]))).ok().text
    assert segments(made)[1]["cnf"] == {"x5t#S256": x5t(cert), "jkt": thumbprint(
        public_jwk(keys["p256"].public_key()))}
    chain = b"subject=x\n" + cert + certificate(keys["p256"])
    made = run("sign", "--key", private, "--mtls", written("cert.pem", chain)).ok().text
    assert segments(made)[1]["cnf"] == {"x5t#S256": x5t(cert)}
    for content in (b"", b"x", spki(keys["p256"]), cert[:-40],
                    cert.replace(b"MII", b"MIJ"), b"x" * 100000):
        run("sign", "--key", private, "--mtls", written("cert.pem", content)).failed(
            2, "cert.pem'")


# ---- proof ------------------------------------------------------------------

URL = "https://api.test/orders"


def ath(token):
    return b64(hashlib.sha256(token.encode()).digest())


@pytest.mark.parametrize("name, alg", [
    ("rsa", "RS256"), ("rsa", "PS384"), ("p256", "ES256"), ("p384", "ES384"),
    ("p521", "ES512"), ("ed25519", "EdDSA"), ("ed448", "EdDSA")])
def test_a_proof(name, alg, keys, token, written):
    """RFC 9449 section 4.2, read by PyJWT."""
    access = token()
    key = written("client", pem_of(keys[name]))
    before = int(time.time())
    made = [run("proof", "--key", key, "--alg", alg, "--url", URL + "?a=b#c",
                stdin=access + "\n").ok().text for _ in range(2)]
    header, claims_, _ = segments(made[0])
    assert header == {"typ": "dpop+jwt", "alg": alg, "jwk": public_jwk(keys[name].public_key())}
    jwt.decode(made[0], keys[name].public_key(), [alg])
    assert set(claims_) == {"jti", "htm", "htu", "iat", "ath"}
    assert (claims_["htm"], claims_["htu"], claims_["ath"]) == ("GET", URL, ath(access))
    assert before <= claims_["iat"] <= time.time()
    assert claims_["jti"] != segments(made[1])[1]["jti"] and len(claims_["jti"]) >= 16


def test_a_proof_with_options(keys, written):
    made = run("proof", "--key", written("client", pem_of(keys["p256"])), "--url", URL,
               "--method", "POST", "--nonce", "n-1", "--no-token", "--now", "1700000000").ok()
    claims_ = segments(made.text)[1]
    assert claims_.pop("jti")
    assert claims_ == {"htm": "POST", "htu": URL, "nonce": "n-1", "iat": 1700000000}


def test_a_proof_with_a_key_of_keygen(tmp_path, token):
    run("keygen", "--alg", "ES256", "--private", tmp_path / "a", "--public", tmp_path / "b").ok()
    made = run("proof", "--key", tmp_path / "a", "--url", URL, stdin=token()).ok().text
    jwk, = json.loads((tmp_path / "b").read_text())["keys"]
    assert segments(made)[0]["jwk"] == {k: jwk[k] for k in ("kty", "crv", "x", "y")}
    run("proof", "--key", tmp_path / "b", "--url", URL, stdin=token()).failed(2, "private part")


@pytest.mark.parametrize("args, stdin, phrase", [
    ([], "", "no token on standard input"), ([], "\n", "--no-token"),
    (["--alg", "HS256"], "x", "no key that fits"), (["--kid", "x"], "x", "no key that fits"),
    (["--now", "x"], "x", "--now")])
def test_what_makes_no_proof(args, stdin, phrase, keys, written):
    run("proof", "--key", written("client", pem_of(keys["p256"])), "--url", URL, *args,
        stdin=stdin).failed(2, phrase)


def test_no_proof_by_a_secret(written):
    run("proof", "--key", written("client", '{"kty":"oct","k":"' + "A" * 86 + '"}'), "--url", URL,
        stdin="x").failed(2, "no key that fits")


# ---- verify with a proof ----------------------------------------------------

@pytest.fixture
def present(keys, jwks, token, written):
    """present(cnf, ...) is what verify says about a token with that cnf."""
    def make(cnf, *args, over=None, by="p256", binding=None, cert=None, header=None):
        access = token(claims(cnf=cnf))
        args = ["--keys", jwks("rsa"), *args]
        if over is not None:
            members = {"jti": "1", "htm": "GET", "htu": URL, "iat": int(time.time()),
                       "ath": ath(access), **over}
            made = jwt.encode({k: v for k, v in members.items() if v is not None}, keys[by],
                              "ES256", headers={"typ": "dpop+jwt",
                                                "jwk": public_jwk(keys[by].public_key()),
                                                **(header or {})})
            args += ["--proof", written("proof", made + "\n"), "--url", URL]
        if cert:
            args += ["--certificate", written("cert.pem", cert)]
        return run("verify", *args, *(["--binding", binding] if binding else []), stdin=access)
    return make


@pytest.fixture
def jkt(keys):
    return thumbprint(public_jwk(keys["p256"].public_key()))


def test_verify_refuses_a_bound_token_alone(present, jkt):
    """As a server does: whoever has a bound token need not be its owner."""
    present({"jkt": jkt}).failed(1, "refused: binding: ", "DPoP key", "--binding ignore")
    present({"x5t#S256": jkt}).failed(1, "refused: binding: ", "--certificate is not given")
    present({"jwk": {}}).failed(1, "refused: binding: ", "neither")
    for cnf in ({"jkt": jkt}, {"x5t#S256": jkt}, {"jwk": {}}, {}):
        assert present(cnf, binding="ignore").ok().json["cnf"] == cnf
    assert present(None).ok().json["iss"] == ISSUER


def test_verify_with_a_proof(present, jkt):
    assert present({"jkt": jkt}, over={}).ok().json["cnf"] == {"jkt": jkt}
    present({"jkt": jkt}, "--method", "PUT", over={"htm": "PUT"}).ok()
    present({"jkt": jkt}, over={"htu": "HTTPS://API.TEST:443/./orders?a"}).ok()
    present({"jkt": jkt}, over={}, binding="dpop").ok()
    present({"jkt": jkt}, over={"iat": int(time.time()) - 200},
            binding="auto,window=300").ok()


@pytest.mark.parametrize("over, reason", [
    ({"htm": "POST"}, "proof_request"), ({"htu": URL + "/"}, "proof_request"),
    ({"ath": "x"}, "proof_request"), ({"ath": None}, "proof_request"),
    ({"iat": 1}, "proof_time"), ({"jti": None}, "proof")])
def test_verify_with_a_wrong_proof(over, reason, present, jkt):
    present({"jkt": jkt}, over=over).failed(1, "refused: %s: " % reason)


def test_verify_with_another_key_or_none(present, jkt, keys):
    other = thumbprint(public_jwk(keys["p384"].public_key()))
    present({"jkt": other}, over={}).failed(1, "refused: binding: ", other, jkt)
    present(None, over={}).failed(1, "refused: binding: ", "not bound")
    present({"jkt": jkt}, over={}, header={"typ": "JWT"}).failed(1, "refused: proof: ", "typ")


def test_verify_with_a_certificate(present, jkt, keys):
    cert = certificate(keys["p256"])
    present({"x5t#S256": x5t(cert)}, cert=cert).ok()
    present({"x5t#S256": x5t(cert)}, cert=cert, binding="mtls").ok()
    present({"x5t#S256": x5t(cert)}, cert=certificate(keys["p384"])).failed(1, "refused: binding: ")
    both = {"x5t#S256": x5t(cert), "jkt": jkt}
    present(both, cert=cert, over={}).ok()
    present(both, cert=cert).failed(1, "refused: binding: ", "DPoP key")
    present(both, over={}).failed(1, "refused: binding: ", "--certificate")


@pytest.mark.parametrize("binding, cnf, granted", [
    ("dpop", "jkt", True), ("mtls", "jkt", False), ("mtls,dpop", "jkt", True),
    ("dpop", None, False), ("dpop mtls", None, False)])
def test_verify_demands_what_is_configured(binding, cnf, granted, present, jkt):
    result = present({cnf: jkt} if cnf else None, over={} if cnf else None, binding=binding)
    if granted:
        result.ok()
    else:
        result.failed(1, "refused: binding: ", "--binding is " + binding.split(",")[0])


@pytest.mark.parametrize("binding", ["", ",", "x", "auto,dpop", "ignore,mtls", "auto,auto",
                                     "dpop,window=0", "window=601", "window=x", "window="])
def test_no_such_binding(binding, tmp_path, jwks):
    run("verify", "--keys", jwks("rsa"), "--binding", binding, stdin="x").failed(2, "--binding")


@pytest.mark.parametrize("content, phrase", [
    (b"a\nb", "printable"), (b"a\0b", "printable"), (b"\xc3\xa4", "printable"),
    (b"a" * 20000, "larger")])
def test_no_such_proof(content, phrase, jwks, written):
    run("verify", "--keys", jwks("rsa"), "--url", URL, "--proof", written("p", content),
        stdin="x").failed(2, phrase)


@pytest.mark.parametrize("content", [b"", b"\n", b"a", b"a, a", b"a.b.c"])
def test_a_proof_that_is_none(content, jwks, written, token, jkt):
    run("verify", "--keys", jwks("rsa"), "--url", URL, "--proof", written("p", content),
        stdin=token(claims(cnf={"jkt": jkt}))).failed(1, "refused: proof: ")


def test_no_such_url_or_certificate(jwks, written):
    run("verify", "--keys", jwks("rsa"), "--url", "ftp://x.test", "--proof", written("p", "a"),
        stdin="x").failed(2, "--url 'ftp://x.test'")
    run("verify", "--keys", jwks("rsa"), "--certificate", written("c", "a"),
        stdin="x").failed(2, "c'")


# ---- decode -----------------------------------------------------------------

def test_decode_says_what_a_proof_is(keys, written, jkt):
    made = run("proof", "--key", written("client", pem_of(keys["p256"])), "--url", URL,
               "--no-token").ok().text
    result = run("decode", stdin=made).ok()
    assert "a DPoP proof, not an access token" in result.err and jkt in result.err
    assert documents(result.out.decode())[1]["htu"] == URL


def documents(text):
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text):
        value, end = decoder.raw_decode(text, at)
        found.append(value)
        at = end + 1
    return found


@pytest.mark.parametrize("tail", ["", "\n", "\r\n"])
def test_decode_shows_both_parts_and_says_that_it_proves_nothing(tail, token):
    made = token(claims(sub="bob")) + tail
    header, payload, signature = segments(made.strip())
    result = run("decode", stdin=made).ok()
    assert documents(result.out.decode()) == [header, payload]
    assert "nothing was verified" in result.err
    assert signature not in result.out.decode() + result.err


def test_decode_reads_unsigned_and_forged_tokens():
    for made in (A5, A2[:-8] + "AAAAAAAA"):
        result = run("decode", stdin=made).ok()
        assert documents(result.out.decode())[1]["iss"] == "joe"
        assert "nothing was verified" in result.err


def test_decode_cannot_steer_a_terminal():
    made = ".".join([b64(b'{"alg":"none"}'),
                     b64('{"sub":"\\u001b[2J \u202e \u009b"}'.encode()), ""])
    out = run("decode", stdin=made).ok().out
    assert all(byte == 10 or 32 <= byte < 127 for byte in out)


@pytest.mark.parametrize("payload, shown, note", [
    (b"plain \xc3\xa4", "plain ä", "string"), (b"\xff\0", "_wA", "base64url"),
    (b'{"a":1,"a":2}', '{"a":1,"a":2}', "duplicate"), (b"", "", "string")])
def test_decode_of_payloads_that_are_no_claims(payload, shown, note):
    made = ".".join([b64(b'{"alg":"none"}'), b64(payload), ""])
    result = run("decode", stdin=made).ok()
    assert documents(result.out.decode())[1] == shown
    assert note in result.err


GARBAGE = {
    "empty": b"", "newline": b"\n", "two newlines": b"e30.e30.\n\n",
    "leading space": b" e30.e30.", "trailing space": b"e30.e30. ",
    "words": b"not a token", "dots": b"." * 8192, "binary": bytes(range(256)),
    "two segments": b"e30.e30", "five segments": b"e30.e30.e30.e30.e30",
    "padding": b"e30=.e30=.", "NUL": b"e30.e30.\0", "no object": b"W10.e30.",
    "length 1 mod 4": b"e30.e30.A", "last bits": b"e30.e30.AB",
    "duplicate": (b64(b'{"alg":"RS256","\\u0061lg":"none"}') + ".e30.").encode(),
    "huge": b"a" * (TOKEN_MAX + 1), "huge with newline": b"a" * TOKEN_MAX +
    b"a\n", "endless": b"a.b." * 10 ** 6,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_with_a_reason(name, jwks):
    for args in (["decode"], ["verify", "--keys", jwks("rsa")],
                 ["verify", "--keys", jwks("rsa"), "--jws-only"]):
        result = run(*args, stdin=GARBAGE[name]).failed(1, "refused: ")
        assert all(c == "\n" or 32 <= ord(c) < 127 for c in result.err)


def test_the_largest_token_is_read(pair):
    private, public = pair("HS256")
    head = len(run("sign", "--key", private, "--payload", "-").text)
    size = (TOKEN_MAX - head) // 4 * 3
    made = run("sign", "--key", private, "--payload", "-",
               stdin=b"x" * size).ok().text
    assert TOKEN_MAX - 4 < len(made) <= TOKEN_MAX
    result = run("verify", "--keys", public, "--alg", "HS256", "--jws-only",
                 stdin=made + "\r\n").ok()
    assert result.out == b"x" * size


def test_random_damage_never_ends_badly(token, jwks):
    """A sanitizer build turns any memory error here into a failure."""
    dice = random.Random(1)
    made = token().encode()
    path = jwks("rsa")
    for _ in range(40):
        damaged = bytearray(made)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(damaged))
            if dice.random() < 0.5:
                damaged[at] = dice.randrange(256)
            else:
                del damaged[at:at + dice.randint(1, 50)]
        if bytes(damaged) == made:
            continue
        run("verify", "--keys", path, stdin=bytes(damaged)).failed(
            1, "refused: ")
        run("decode", stdin=bytes(damaged))


# ---- verify: published vectors ----------------------------------------------

JOE = ("eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
       "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ")
JOE_BYTES = (b'{"iss":"joe",\r\n "exp":1300819380,\r\n '
             b'"http://example.com/is_root":true}')
A1 = ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + JOE
      + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
A1_KEY = {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
          "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
A2 = ("eyJhbGciOiJSUzI1NiJ9." + JOE + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0"
      "XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9"
      "CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvk"
      "SjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZES"
      "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWyw"
      "lVmtVrBp0igcN_IoypGlUPQGe77Rw")
A2_P = int.from_bytes(unb64(
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3"
    "KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXq"
    "hJTBgIPgtldC-KDV5z-y2XDwGUc"), "big")
A2_Q = int.from_bytes(unb64(
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1Z"
    "Se7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ"
    "11BKBBypeeF6689rjcJIDEz9RWdc"), "big")
A2_D = pow(65537, -1, (A2_P - 1) * (A2_Q - 1))
A2_KEY = {"kty": "RSA", "n": number(A2_P * A2_Q), "e": "AQAB",
          "d": number(A2_D), "p": number(A2_P), "q": number(A2_Q),
          "dp": number(A2_D % (A2_P - 1)), "dq": number(A2_D % (A2_Q - 1)),
          "qi": number(pow(A2_Q, -1, A2_P))}
A3 = ("eyJhbGciOiJFUzI1NiJ9." + JOE + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Gaw"
      "xaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
A3_KEY = {"kty": "EC", "crv": "P-256",
          "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
A4 = ("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_Ux"
      "Mi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2Y"
      "BJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn")
A4_KEY = {"kty": "EC", "crv": "P-521",
          "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6O"
               "vLFV1jSfS9tsz4qUxcWceqwQGk",
          "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL"
               "4Kkd0AZMaZmh9ubmf63e3kyMj2"}
A5 = "eyJhbGciOiJub25lIn0." + JOE + "."
ED = ("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP"
      "0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM"
      "0KAg")
ED_KEY = {"kty": "OKP", "crv": "Ed25519",
          "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
          "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}


def public_part(jwk):
    return {k: v for k, v in jwk.items()
            if jwk["kty"] == "oct" or k not in PRIVATE_MEMBERS}


VECTORS = {
    "RFC 7515 A.1": (A1, A1_KEY, JOE_BYTES, ["--alg", "HS256"]),
    "RFC 7515 A.2": (A2, A2_KEY, JOE_BYTES, []),
    "RFC 7515 A.3": (A3, A3_KEY, JOE_BYTES, []),
    "RFC 7515 A.4": (A4, A4_KEY, b"Payload", []),
    "RFC 8037 A.4": (ED, ED_KEY, b"Example of Ed25519 signing", []),
}

# Their kid has an `@`: no provider's JWT has one, and the server takes none.
with open(os.path.join(TOP, "tests", "vectors", "jose.json"),
          encoding="utf-8") as f:
    VECTORS.update({
        row["name"]: (row["token"], row["key"], row["payload"].encode(),
                      ["--alg", row["alg"]])
        for row in json.load(f)["jws"] if row["name"].startswith("RFC 7520")})


@pytest.fixture
def one_key(tmp_path):
    def write(jwk):
        path = tmp_path / "one.jwks"
        path.write_text(json.dumps({"keys": [jwk]}))
        return path
    return write


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name, one_key):
    made, jwk, payload, args = VECTORS[name]
    path = one_key(public_part(jwk))
    result = run("verify", "--keys", path, "--jws-only", *args,
                 stdin=made).ok()
    assert (result.out, result.err) == (payload, "")
    forged = made[:-6] + ("B" if made[-6] == "A" else "A") + made[-5:]
    run("verify", "--keys", path, "--jws-only", *args, stdin=forged).failed(
        1, "refused: signature")
    head, body, tail = made.split(".")
    forged = ".".join([head, b64(unb64(body) + b" "), tail])
    run("verify", "--keys", path, "--jws-only", *args, stdin=forged).failed(
        1, "refused: signature")


@pytest.mark.parametrize("made, jwk", [(A2, A2_KEY), (ED, ED_KEY)])
def test_deterministic_signatures_are_those_of_the_rfc(made, jwk, one_key):
    payload = unb64(made.split(".")[1])
    assert run("sign", "--key", one_key(jwk), "--payload", "-",
               stdin=payload).ok().text == made


def test_rfc8037_thumbprint(one_key):
    raw = ed25519.Ed25519PublicKey.from_public_bytes(unb64(ED_KEY["x"]))
    pem = raw.public_bytes(serialization.Encoding.PEM,
                           serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk, = run("jwks", stdin=pem).ok().json["keys"]
    assert jwk["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_hmac_counts_only_when_named(one_key):
    path = one_key(A1_KEY)
    run("verify", "--keys", path, "--jws-only", stdin=A1).failed(
        1, "refused: alg")


@pytest.mark.parametrize("args", [[], ["--alg", "RS256,HS256"]])
def test_unsigned_tokens_are_refused(args, one_key):
    for name in ("none", "None", "nOnE", "NONE"):
        made = ".".join([b64(json.dumps({"alg": name}).encode()), JOE, ""])
        run("verify", "--keys", one_key(public_part(A2_KEY)), "--jws-only",
            *args, stdin=made).failed(1, "refused: alg")


def test_a_public_key_is_no_hmac_secret(keys, jwks):
    pem = spki(keys["rsa"])
    head = b64(b'{"alg":"HS256","kid":"rsa"}') + "." + JOE
    made = head + "." + b64(hmac.new(pem, head.encode(), "sha256").digest())
    run("verify", "--keys", jwks("rsa"), "--jws-only", "--alg", "HS256,RS256",
        stdin=made).failed(1, "refused: key")


# ---- verify: the whole judgement --------------------------------------------

def verify(path, *args):
    return ["verify", "--keys", path, "--issuer", ISSUER, "--audience",
            AUDIENCE, *args]


@pytest.mark.parametrize("key, alg", [
    ("rsa", "RS256"), ("rsa", "PS384"), ("p256", "ES256"), ("p384", "ES384"),
    ("p521", "ES512"), ("ed25519", "EdDSA"), ("ed448", "EdDSA")])
def test_verify_prints_the_claims(key, alg, token, jwks):
    payload = claims(roles=["a"], n=1.5)
    result = run(*verify(jwks(key)), stdin=token(payload, key, alg)).ok()
    assert result.json == payload
    assert result.err == ""


@pytest.mark.parametrize("key, alg", [("secret", "HS256"), ("k1", "ES256K")])
def test_algorithms_that_must_be_named(key, alg, token, jwks):
    made = token(key=key, alg=alg)
    run(*verify(jwks(key)), stdin=made).failed(1, "refused: alg")
    run(*verify(jwks(key), "--alg", alg), stdin=made).ok()
    run(*verify(jwks(key), "--alg", "RS256", "--alg", "ES256, " + alg),
        stdin=made).ok()


NOW = 1_700_000_000


def at(**members):
    return claims(**{"iat": NOW - 100, "exp": NOW + 500, **members})


@pytest.mark.parametrize("payload, args, check", [
    (at(), [], None),
    (at(aud=["x", AUDIENCE]), ["--audience", "x"], None),
    (at(aud="account"), [], "aud"),
    (at(aud=None), [], "aud"),
    (at(aud=1), [], "aud_type"),
    (at(aud="x"), ["--audience", "x"], None),
    (at(iss=ISSUER[:-1]), [], "iss"),
    (at(iss=None), [], "iss"),
    (at(exp=None), [], "exp_type"),
    (at(exp="1"), [], "exp_type"),
    (at(exp=NOW - 59), [], None),
    (at(exp=NOW - 60), [], "exp"),
    (at(exp=NOW - 1), ["--clock-skew", 0], "exp"),
    (at(exp=NOW - 299), ["--clock-skew", 300], None),
    (at(nbf=NOW + 60), [], None),
    (at(nbf=NOW + 61), [], "nbf"),
    (at(nbf="1"), [], "nbf_type"),
    (at(iat=NOW + 61), [], "iat"),
    (at(iat=NOW - 90060), [], None),
    (at(iat=NOW - 90062), [], "age"),
    (at(iat=NOW - 90062), ["--max-age", 0], None),
    (at(iat=NOW - 90), ["--max-age", 20, "--clock-skew", 10], "age"),
    (at(sub=None), [], "user_claim"),
    (at(sub=7), [], "user_claim"),
    (at(sub="a\nb"), [], "identifier"),
    (at(nonce="x"), [], None),
    (at(token_use="id"), [], "type"),
    (at(typ="Refresh"), [], "type"),
])
def test_claim_checks(payload, args, check, token, jwks):
    result = run(*verify(jwks("rsa"), "--now", NOW, *args),
                 stdin=token(payload))
    if check is None:
        assert result.ok().json == payload
    else:
        result.failed(1, "refused: %s: " % check)
        assert result.err.count("\n") == 1


def test_the_reason_is_that_of_the_server_log(token, jwks):
    run(*verify(jwks("rsa")), stdin=token(claims(aud="account"))).failed(
        1, 'refused: aud: audience \'account\' is not in --audience '
           '(api://orders)')


@pytest.mark.parametrize("headers, check", [
    ({"typ": "JWT"}, None), ({"typ": "application/AT+jwt"}, None),
    ({"typ": "logout+jwt"}, "type"), ({"kid": "other"}, "key"),
    ({"kid": "a b"}, "kid"), ({"kid": None}, None),
    ({"crit": ["x"], "x": 1}, "crit"), ({"jku": "https://evil.example"}, None)])
def test_header_checks(headers, check, token, jwks):
    result = run(*verify(jwks("rsa")), stdin=token(headers=headers))
    if check is None:
        result.ok()
    else:
        result.failed(1, "refused: %s: " % check)


def test_a_token_without_kid_needs_a_set_of_one(token, jwks):
    run(*verify(jwks("rsa", "rsa2")), stdin=token(headers={"kid": None})).failed(
        1, "refused: kid: ")
    run(*verify(jwks("rsa", "p256")), stdin=token(headers={"kid": None})).ok()


def test_another_key_of_the_same_name(token, keys, one_key):
    path = one_key(public_jwk(keys["rsa2"].public_key(), kid="rsa"))
    run(*verify(path), stdin=token()).failed(1, "refused: signature: ")


def test_what_is_not_asked_for_is_said(token, jwks):
    result = run("verify", "--keys", jwks("rsa"),
                 stdin=token(claims(aud=["x", "y"], iss="anybody"))).ok()
    assert result.json["iss"] == "anybody"
    assert "--audience" in result.err and "--issuer" in result.err
    run("verify", "--keys", jwks("rsa"), stdin=token(claims(aud=None))).ok()
    # what is in the token is still looked at
    for payload, check in ((claims(exp=1), "exp"), (claims(aud=[1]), "aud_type"),
                           (claims(iss=None), "iss"), (claims(iss=7), "iss")):
        run("verify", "--keys", jwks("rsa"), stdin=token(payload)).failed(
            1, "refused: %s: " % check)


def test_verify_with_pem_keys(keys, token, tmp_path):
    path = tmp_path / "keys.pem"
    for pem in (spki(keys["rsa"]), certificate(keys["rsa"])):
        path.write_bytes(pem)
        run(*verify(path), stdin=token(headers={"kid": None})).ok()


@pytest.mark.parametrize("text", [
    "", "{", "[]", "{}", '{"keys":[]}', '{"keys":[{"kty":"RSA"}]}',
    '{"keys":[],"keys":[]}', "\0", "-----BEGIN PUBLIC KEY-----\nAAAA\n",
    '{"keys":' + "[" * 1000, " " * (256 * 1024 + 1)], ids=range(11))
def test_keys_that_cannot_be_used(text, tmp_path, token):
    path = tmp_path / "keys.json"
    path.write_text(text)
    run(*verify(path), stdin=token()).failed(2, "keys.json")
    run("verify", "--keys", tmp_path / "missing", stdin=token()).failed(
        2, "missing")
    run("verify", "--keys", tmp_path, stdin=token()).failed(2)


def test_keys_that_are_skipped_are_named(keys, jwks, token, tmp_path):
    weak = public_jwk(rsa.generate_private_key(65537, 1024).public_key(),
                      kid="weak")
    good = json.loads(jwks("rsa").read_text())["keys"]
    path = tmp_path / "mixed.json"
    path.write_text(json.dumps({"keys": [weak] + good}))
    assert "1024" in run(*verify(path), stdin=token()).ok().err


@pytest.mark.parametrize("option, value", [
    ("--clock-skew", "301"), ("--clock-skew", "-1"), ("--now", "today"),
    ("--max-age", "1d")])
def test_verify_numbers(option, value, jwks, token):
    run(*verify(jwks("rsa"), option, value), stdin=token()).failed(
        2, "'%s'" % value)


def test_verify_never_repeats_the_token(jwks, token, keys, one_key):
    made = token(claims(exp=1))
    wrong = one_key(public_jwk(keys["rsa2"].public_key(), kid="rsa"))
    for path in (jwks("rsa"), wrong):
        result = run(*verify(path), stdin=made).failed(1)
        for segment in made.split("."):
            assert segment[:24] not in result.err


# ---- revoke -----------------------------------------------------------------

def entries(path):
    return sorted(line.split() for line in path.read_text().split("\n")
                  if line and not line.startswith("#"))


def signed(token):
    """What names a JWT in the list: its signing input."""
    return token.rpartition(".")[0]


def sha256(*parts):
    return hashlib.sha256(b"\0".join(p.encode() for p in parts)).hexdigest()


@pytest.fixture
def revoked(tmp_path):
    return tmp_path / "revoked.list"


def test_revoke_a_token(revoked, token):
    made = token()
    exp = segments(made)[1]["exp"]
    assert run("revoke", "--file", revoked, stdin=made + "\n").ok().out == b""
    assert entries(revoked) == [["token", sha256(signed(made)), str(exp)]]
    assert made not in revoked.read_text()
    assert stat.S_IMODE(revoked.stat().st_mode) & 0o022 == 0


def test_revoke_a_token_with_jti_revokes_its_twins(revoked, token):
    made = token(claims(jti="j1"))
    exp = segments(made)[1]["exp"]
    run("revoke", "--file", revoked, stdin=made).ok()
    assert entries(revoked) == [
        ["jti", sha256(ISSUER, "j1"), str(exp)],
        ["token", sha256(signed(made)), str(exp)]]


def test_revoke_an_opaque_token(revoked):
    run("revoke", "--file", revoked, stdin="ory_at_abc.def").ok()
    assert entries(revoked) == [["token", sha256("ory_at_abc.def"), "0"]]


@pytest.mark.parametrize("until, seconds", [
    ("4102444800", 4102444800), ("2100-01-01T00:00:00Z", 4102444800),
    ("never", 0)])
def test_revoke_by_jti(until, seconds, revoked):
    revoked.write_text("")  # an empty file is a valid list
    run("revoke", "--file", revoked, "--jti", "j1", "--issuer", ISSUER,
        "--until", until).ok()
    run("revoke", "--file", revoked, "--until", until, stdin="opaque").ok()
    assert entries(revoked) == [
        ["jti", sha256(ISSUER, "j1"), str(seconds)],
        ["token", sha256("opaque"), str(seconds)]]


@pytest.mark.parametrize("args, stdin, status", [
    ([], "", 1), ([], "two words", 1), ([], "a\0b", 1), ([], "a\n\n", 1),
    ([], "x" * (TOKEN_MAX + 1), 1),
    (["--jti", "x"], "", 2), (["--issuer", "x"], "", 2),
    (["--jti", "x", "--issuer", "y"], "", 2),
    (["--until", "soon"], "abc", 2), (["--until", "-1"], "abc", 2),
    (["--until", "0"], "abc", 2), (["--until", "2100-13-01T00:00:00Z"], "a", 2),
    (["--until", "2100-01-01"], "abc", 2),
    (["--until", "2100-01-01T00:00:00Zx"], "abc", 2)], ids=range(14))
def test_revoke_refuses(args, stdin, status, revoked):
    run("revoke", "--file", revoked, *args, stdin=stdin).failed(status)
    assert not revoked.exists()


def test_revoke_rounds_a_fraction_up(revoked, token):
    exp = int(time.time()) + 100
    run("revoke", "--file", revoked, stdin=token(claims(exp=exp + 0.25))).ok()
    assert entries(revoked)[0][2] == str(exp + 1)


@pytest.mark.parametrize("args, exp", [
    ([], -400), (["--until", "1"], 400),
    (["--jti", "j", "--issuer", "i", "--until", "1"], 400)])
def test_revoke_of_what_is_over_adds_nothing(args, exp, revoked, token):
    revoked.write_text("# mine\n")
    made = token(claims(exp=int(time.time()) + exp))
    result = run("revoke", "--file", revoked, *args, stdin=made).ok()
    assert "already expired" in result.err
    assert revoked.read_text() == "# mine\n"


def test_revoke_keeps_what_is_in_the_list(revoked):
    for word in ("one", "two", "three"):
        run("revoke", "--file", revoked, stdin=word).ok()
    assert entries(revoked) == sorted(
        ["token", sha256(word), "0"] for word in ("one", "two", "three"))


def test_revoke_lists_what_is_there(revoked, token):
    made = token(claims(exp=1893456000, jti=None))
    run("revoke", "--file", revoked, stdin=made).ok()
    run("revoke", "--file", revoked, stdin="opaque").ok()
    with open(revoked, "a") as f:
        f.write("jti %s 1000000000\n" % ("0" * 64))
    before = revoked.read_text()
    assert run("revoke", "--file", revoked, "--list").ok().out.decode() == (
        "token %s 2030-01-01T00:00:00Z\ntoken %s never\n"
        "jti %s 2001-09-09T01:46:40Z (expired)\n"
        % (sha256(signed(made)), sha256("opaque"), "0" * 64))
    assert revoked.read_text() == before
    run("revoke", "--file", revoked, "--list", "--until", "never").failed(2)
    run("revoke", "--file", str(revoked) + ".none", "--list").failed(2)


def test_revoke_leaves_a_broken_list_alone(revoked):
    revoked.write_text("no such line\n")
    run("revoke", "--file", revoked, stdin="opaque").failed(2)
    assert revoked.read_text() == "no such line\n"


def test_revoke_where_nothing_can_be_written(tmp_path):
    run("revoke", "--file", tmp_path / "nowhere" / "list",
        stdin="opaque").failed(2, "nowhere")
