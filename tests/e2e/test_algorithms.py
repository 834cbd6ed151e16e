# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Every algorithm, from a key set and from PEM, by default and when named."""
import pytest

from support.expect import granted, invalid, location
from support.tokens import jwks, key, mint

DEFAULT = [("RS256", "rs256"), ("RS384", "rs384"), ("RS512", "rs512"),
           ("PS256", "ps256"), ("PS384", "ps384"), ("PS512", "ps512"),
           ("ES256", "es256"), ("ES384", "es384"), ("ES512", "es512"),
           ("EdDSA", "ed25519"), ("EdDSA", "ed448"), ("Ed25519", "ed25519"),
           ("Ed448", "ed448")]
NAMED = [("ES256K", "es256k"), ("HS256", "hs256"), ("HS384", "hs384"),
         ("HS512", "hs512")]
ALL = DEFAULT + NAMED


def slug(alg, name):
    return "%s-%s" % (alg.lower(), name)


def block(iss, inside):
    return '<AuthBearerIssuer "%s">\n%s\n</AuthBearerIssuer>\n' % (iss, inside)


@pytest.fixture(scope="module")
def server(new_server):
    conf, files = "AuthBearerUserFormat %u\n", {}
    files["all.json"] = jwks(*(
        key(name).jwk(alg=None) if name.startswith("ed") else name
        for name in sorted({n for _, n in ALL if not n.startswith("hs")})))
    files["bare.json"] = jwks(*(key(name).jwk(alg=None, use=None)
                                for name in sorted({n for _, n in DEFAULT})))
    conf += block("https://all.test", 'AuthBearerKeys "file:@ROOT@/all.json"')
    conf += block("https://bare.test", 'AuthBearerKeys "file:@ROOT@/bare.json"')
    for alg, name in ALL:
        if not name.startswith("hs"):
            files[slug(alg, name) + ".pem"] = key(name).public_pem()
            named = "AuthBearerAlgorithms " + alg if (alg, name) in NAMED \
                else ""
            conf += block("https://%s.pem.test" % slug(alg, name),
                          'AuthBearerKeys "file:@ROOT@/%s.pem"\n%s'
                          % (slug(alg, name), named))
        files[slug(alg, name) + ".json"] = jwks(key(name).jwk(alg=alg))
        conf += block("https://%s.only.test" % slug(alg, name),
                      'AuthBearerAlgorithms %s\n'
                      'AuthBearerKeys "file:@ROOT@/%s.json"'
                      % (alg, slug(alg, name)))
    return new_server(conf + location("/a"), files=files)


def token(alg, name, iss):
    return mint(name, header={"alg": alg}, iss=iss)


@pytest.mark.parametrize("alg,name", DEFAULT)
def test_default(server, alg, name):
    good = token(alg, name, "https://all.test")
    granted(server.get("/a", good))
    granted(server.get("/a", token(alg, name, "https://bare.test")))
    broken = good[:-30] + ("A" if good[-30] != "A" else "B") + good[-29:]
    invalid(server.get("/a", broken), "signature", "signature")


@pytest.mark.parametrize("alg,name", ALL)
def test_named_alone(server, alg, name):
    iss = "https://%s.only.test" % slug(alg, name)
    granted(server.get("/a", token(alg, name, iss)))
    other = ("RS256", "rs256") if alg != "RS256" else ("ES256", "es256")
    invalid(server.get("/a", token(*other, iss)), "algorithm", "alg",
            "AuthBearerAlgorithms")


@pytest.mark.parametrize("alg,name", [row for row in ALL
                                      if not row[1].startswith("hs")])
def test_pem(server, alg, name):
    granted(server.get("/a", token(
        alg, name, "https://%s.pem.test" % slug(alg, name))))


@pytest.mark.parametrize("alg,name", NAMED)
def test_not_by_default(server, alg, name):
    invalid(server.get("/a", token(alg, name, "https://all.test")),
            "algorithm", "alg", "AuthBearerAlgorithms")


CROSS = [("RS256", "ps256"), ("PS256", "rs256"), ("RS384", "rs256"),
         ("RS512", "rs256"), ("PS512", "ps256")]


@pytest.mark.parametrize("alg,name", CROSS)
def test_one_algorithm_per_key(server, alg, name):
    """The JWK says its algorithm; a header that names another does not fit."""
    one = mint(name, alg=alg, iss="https://all.test")
    invalid(server.get("/a", one), "key")
    granted(server.get("/a", mint(name, alg=alg, iss="https://bare.test")))


@pytest.mark.parametrize("said,used", [("EdDSA", "Ed25519"),
                                       ("Ed25519", "EdDSA")])
def test_fully_specified_is_another_name(new_server, said, used):
    """RFC 7517: a JWK's alg and the header's must be the same."""
    server = new_server(block("https://x.test",
                              'AuthBearerKeys "file:@ROOT@/k.json"')
                        + location("/a"),
                        files={"k.json": jwks(key("ed25519").jwk(alg=said))})
    granted(server.get("/a", token(said, "ed25519", "https://x.test")))
    invalid(server.get("/a", token(used, "ed25519", "https://x.test")), "key")


@pytest.mark.parametrize("alg,name", [
    ("ES256", "rs256"), ("RS256", "es256"), ("ES256", "es384"),
    ("ES384", "es256"), ("EdDSA", "es256"), ("ES256", "ed25519"),
    ("Ed25519", "ed448"), ("Ed448", "ed25519"), ("RS256", "ed25519")])
def test_key_of_another_kind(server, alg, name):
    for iss in ("https://all.test", "https://bare.test"):
        invalid(server.get("/a", token(alg, name, iss)), "key")
