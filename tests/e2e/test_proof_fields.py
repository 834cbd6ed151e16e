# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The fields of proofs of possession: the scheme DPoP, what the challenges say, and that
nobody behind the module gets a proof or a client's certificate."""
import re
import time
import urllib.parse

import pytest

from support import certs, secrets
from support.expect import granted, issuer_conf, key_files, location, refused
from support.httpd import wait_until
from support.issuer import headers_of
from support.proofs import bound, fields, proof
from support.tokens import mint

pytestmark = [pytest.mark.core, pytest.mark.allow_log("no number: unable to include")]

CERTIFICATE = "X-SSL-Cert"
INCLUDE = '-- %s\n<!--#include virtual="%s" -->\n'
REDIRECT = "#!/bin/sh\nprintf 'Location: %s\\r\\n\\r\\n'\n"
BOUND = ("/bound/env", "/bound/cgi", "/bound/be/x", "/again/cgi")
PARTS = ("/open/env", "/open/cgi", "/open/be/x", "/shut/cgi", "/shut/be/x")
WAYS = ("/open/cgi", "/open/env", "/open/be/x")
CONF = """
<Directory "@ROOT@/htdocs/files">
    Options +ExecCGI +Includes
</Directory>
<Files "*.cgi">
    SetHandler cgi-script
</Files>
<Files "*.shtml">
    ForceType text/html
    SetOutputFilter INCLUDES
</Files>
<Location "/shut">
    ErrorDocument 401 /plain/cgi
</Location>
CustomLog "@ROOT@/logs/fields.log" "%{X-Case}i|%{DPoP}i|%{X-SSL-Cert}i|%{HTTP_DPOP}e|"
"""
PROOF = "AuthBearerProof ignore"
CERT = "AuthBearerProof auto certificate=%s from=127.0.0.1" % CERTIFICATE


#: Below /m: what is demanded, and how it is said.
MODES = {
    "auto": ("", "valid-user"),
    "auto-scope": ("", "scope x"),
    "ignore-scope": (PROOF, "scope x"),
    "dpop": ("AuthBearerProof dpop", "valid-user"),
    "dpop-scope": ("AuthBearerProof dpop", "scope x"),
    "dpop-off": ("AuthBearerProof dpop\nAuthBearerChallenge Off", "valid-user"),
    "dpop-basic": ("AuthBearerProof dpop\nAuthBearerTokenFrom header basic", "valid-user"),
    "dpop-more": ("AuthBearerProof dpop\nAuthBearerChallenge On service=x\n"
                  "AuthBearerResource https://api.example/r", "valid-user"),
    "mtls": ("AuthBearerProof mtls", "valid-user"),
    "any": ("AuthBearerProof dpop mtls", "valid-user"),
    "any-basic": ("AuthBearerProof dpop mtls\nAuthBearerTokenFrom header basic", "valid-user"),
    "any-cookie": ("AuthBearerProof dpop mtls\nAuthBearerTokenFrom cookie:tok", "valid-user"),
    "basic": ("AuthBearerTokenFrom basic", "valid-user"),
}


@pytest.fixture(scope="module")
def server(new_server, backend):
    files = {"htdocs/files/open/page.shtml": "".join(INCLUDE % (p, p) for p in PARTS),
             "htdocs/files/open/bound.shtml": "".join(INCLUDE % (p, p) for p in BOUND)}
    files["htdocs/files/outer/bound.shtml"] = files["htdocs/files/open/bound.shtml"]
    files["htdocs/files/named/page.shtml"] = "".join(
        INCLUDE % (p, p) for p in ("/bound/cgi", "/other/cgi"))
    files["htdocs/files/outer/to.cgi"] = (REDIRECT % "/again/cgi", 0o755)
    for way in WAYS + BOUND:
        files["htdocs/files/open/to%s.cgi" % way.replace("/", "-")] = (
            REDIRECT % way, 0o755)
    conf = ("AuthBearerBaseURL http://127.0.0.1:@PORT@\n" + issuer_conf() + CONF
            + location("/ignore", PROOF)
            + location("/named", PROOF + "\nAuthBearerTokenFrom header:X-Token")
            + location("/cookie", PROOF + "\nAuthBearerTokenFrom cookie:tok")
            + location("/basic", PROOF + "\nAuthBearerTokenFrom header basic")
            + location("/keep", CERT + "\nAuthBearerForward token")
            + location("/open", CERT + "\nAuthBearerOptional On", "all granted")
            + location("/shut", CERT)
            + location("/bound", CERT) + location("/again", "AuthBearerProof dpop")
            + location("/files/outer", "AuthBearerProof dpop")
            + location("/files/named", CERT)
            + location("/other", CERT.replace(CERTIFICATE, "X-Other-Cert"))
            + location("/auto", "", "all granted")
            + "".join(location("/m/" + path, inside, require)
                      for path, (inside, require) in MODES.items()))
    return new_server(conf, files={**key_files(), **files}, backend=backend, h2=True)


def with_scheme(scheme, token):
    secrets.register(token)
    return {"Authorization": scheme + " " + token}


# --- the scheme --------------------------------------------------------------

@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP", "DPoP  ", "Bearer"])
def test_scheme(server, scheme):
    granted(server.get("/ignore", headers=with_scheme(scheme, mint())))
    granted(server.get("/basic", headers=with_scheme(scheme, mint())))


@pytest.mark.parametrize("lines", [
    ["DPoP @, DPoP @"], ["DPoP @", "DPoP @"], ["DPoP @", "Bearer @"], ["Bearer @", "DPoP @"],
    ["Basic eDp5", "DPoP @"], ["DPoP @,"], ["DPoP"], ["DPoP a b"], ['DPoP "@"']])
def test_not_one_token(server, lines):
    token = mint()
    secrets.register(token)
    res = server.get("/ignore", headers=[
        ("Authorization", line.replace("@", token)) for line in lines])
    assert (res.status, res.error) == (400, "request"), res


def test_only_in_authorization(server):
    token = mint()
    secrets.register(token)
    refused(server.get("/named", headers={"X-Token": "DPoP " + token}), 400,
            "invalid_request", "request")
    for path in ("/named", "/cookie"):
        refused(server.get(path, headers=with_scheme("DPoP", token)), 401, None,
                "no_credential")


# --- challenges --------------------------------------------------------------

B, D = 'Bearer realm="test"', 'DPoP realm="test"'
BASIC = 'Basic realm="test"'
EXPIRED = ', error="invalid_token", error_description="The token has expired"'
SCOPE = (', error="insufficient_scope", error_description="The token lacks a required scope", '
         'scope="x"')
TWO = (', error="invalid_request", '
       'error_description="The request must contain exactly one well-formed token"')
MORE = ', resource_metadata="https://api.example/.well-known/oauth-protected-resource/r", ' \
       'service="x"'


def challenges(res):
    """The fields; a list of algorithms that may be in one is written as @."""
    return [re.sub(r'algs="(\w+ )*ES256( \w+)*"', "algs=@", value)
            for value in res.all("WWW-Authenticate")]


def test_algs_are_asymmetric(server):
    algs = server.get("/m/dpop").challenges["DPoP"]["algs"].split()
    assert {"RS256", "PS256", "ES256", "EdDSA"} <= set(algs) and len(set(algs)) == len(algs)
    assert not [name for name in algs if name.startswith("HS") or name == "none"]


@pytest.mark.parametrize("path,wanted", [
    ("auto", [B]), ("auto-scope", [B + ', scope="x"']), ("mtls", [B]),
    ("dpop", [B, D + ", algs=@"]), ("any", [B, D + ", algs=@"]),
    ("dpop-scope", [B + ', scope="x"', D + ', scope="x", algs=@']),
    ("dpop-more", [B + MORE, D + MORE + ", algs=@"]),
    ("dpop-off", [B]), ("dpop-basic", [B, D + ", algs=@"]),
    ("any-basic", [B, D + ", algs=@", BASIC]), ("any-cookie", [B]), ("basic", [BASIC, B]),
])
def test_no_credential(server, path, wanted):
    res = server.get("/m/" + path)
    assert res.status == 401 and challenges(res) == wanted, res


@pytest.mark.parametrize("path,bearer,dpop", [
    ("auto", [B + EXPIRED], [D + EXPIRED + ", algs=@", B]),
    ("mtls", [B + EXPIRED], [D + EXPIRED + ", algs=@", B]),
    ("dpop", [D + EXPIRED + ", algs=@"], [D + EXPIRED + ", algs=@"]),
    ("dpop-off", [B], [B]),
    ("dpop-basic", [D + EXPIRED + ", algs=@"], [D + EXPIRED + ", algs=@"]),
    ("any", [B + EXPIRED, D + ", algs=@"], [D + EXPIRED + ", algs=@", B]),
    ("any-basic", [B + EXPIRED, D + ", algs=@", BASIC], [D + EXPIRED + ", algs=@", B, BASIC]),
])
def test_token_refused(server, path, bearer, dpop):
    """The error is in the scheme of the client, if that leads anywhere here."""
    for scheme, wanted in (("Bearer", bearer), ("DPoP", dpop)):
        res = server.get("/m/" + path, headers=with_scheme(scheme, mint(exp=1)))
        assert res.status == 401 and challenges(res) == wanted, (scheme, res)


@pytest.mark.parametrize("path", ["auto", "dpop", "any"])
def test_no_second_scheme_for_400(server, path):
    for scheme, wanted in (("Bearer", B + TWO), ("DPoP", D + TWO + ", algs=@")):
        res = server.get("/m/" + path, headers=with_scheme(scheme, "a, b"))
        if path == "dpop":
            wanted = D + TWO + ", algs=@"
        assert res.status == 400 and challenges(res) == [wanted], (scheme, res)


def test_no_second_scheme_for_403(server):
    for scheme, wanted in (("Bearer", B + SCOPE), ("DPoP", D + SCOPE + ", algs=@")):
        res = server.get("/m/ignore-scope", headers=with_scheme(scheme, mint()))
        assert res.status == 403 and challenges(res) == [wanted], (scheme, res)


BINDING = (', error="invalid_token", '
           'error_description="The token is not bound to a key, or the key was not proven"')
NO_PROOF = (', error="invalid_dpop_proof", '
            'error_description="The DPoP proof is not valid"')
OLD = (', error="invalid_dpop_proof", '
       'error_description="The DPoP proof is not recent"')


@pytest.mark.parametrize("path,bearer,dpop", [
    ("auto", [B + BINDING, D + ", algs=@"], [D + NO_PROOF + ", algs=@", B]),
    ("any", [B + BINDING, D + ", algs=@"], [D + NO_PROOF + ", algs=@", B]),
    ("any-basic", [B + BINDING, D + ", algs=@", BASIC], [D + NO_PROOF + ", algs=@", B, BASIC]),
    ("dpop", [D + BINDING + ", algs=@"], [D + NO_PROOF + ", algs=@"]),
    ("dpop-off", [B], [D + ', error="invalid_dpop_proof", algs=@']),
])
def test_bound_token_without_proof(server, path, bearer, dpop):
    for scheme, wanted in (("Bearer", bearer), ("DPoP", dpop)):
        res = server.get("/m/" + path, headers=with_scheme(scheme, bound()))
        assert res.status == 401 and challenges(res) == wanted, (scheme, res)


def test_old_proof(server):
    token = bound()
    old = proof(server.url + "/m/auto", token, iat=int(time.time()) - 3600)
    res = server.get("/m/auto", headers=fields(token, old))
    assert res.status == 401 and challenges(res) == [D + OLD + ", algs=@", B], res


def test_dpop_does_not_help(server):
    """The token is bound to a certificate, or unbound where only that counts."""
    certificate = mint(cnf={"x5t#S256": "A" * 43})
    for path, token in (("auto", certificate), ("mtls", certificate), ("mtls", mint())):
        res = server.get("/m/" + path, headers=with_scheme("Bearer", token))
        assert res.status == 401 and challenges(res) == [B + BINDING], res
    res = server.get("/m/auto", headers=with_scheme("DPoP", mint()))
    assert res.status == 401 and challenges(res) == [D + BINDING + ", algs=@", B], res


# --- what nobody gets --------------------------------------------------------

#: A value of its own for each spelling.
SENT = [("DPoP", "proof-one.x.y"), ("dpop", "proof-two.x.y"), (CERTIFICATE, ":cert-one:"),
        ("x-ssl-cert", ":cert-two:"), ("X_SSL_Cert", ":cert-three:"),
        ("x-ssl_cert", ":cert-four:")]


def part_of(text, name):
    return text.partition("-- %s\n" % name)[2].partition("\n-- ")[0]


def clean(text):
    return "proof-" not in text and "cert-" not in text.replace("/cert-", "")


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("path", ["/open", "/keep"])
def test_application(server, wire, path, token):
    fields = [*SENT, *with_scheme("Bearer", mint()).items()] if token else SENT
    if path == "/keep" and not token:
        assert clean(server.get("/shut", headers=SENT, h2=wire).text)
        return
    for face in ("env", "cgi", "be/x"):
        res = server.get("%s/%s" % (path, face), headers=fields, h2=wire)
        assert res.status == 200 and clean(res.text), res.text
        if face == "be/x":
            assert not {"dpop", "x-ssl-cert", "x_ssl_cert"} & set(headers_of(res)), res


def test_it_would_be_seen_elsewhere(server):
    """Without AuthType Bearer nothing is removed, nor are other headers."""
    res = server.get("/plain/be/x", headers=SENT)
    seen = headers_of(res)
    assert seen["dpop"] and seen["x-ssl-cert"] and seen["x_ssl_cert"], res.text
    seen = headers_of(server.get("/auto/be/x", headers=SENT))
    assert "dpop" not in seen and seen["x-ssl-cert"], seen


@pytest.mark.http1("HTTP/2 has no Connection")
def test_connection(server):
    fields = [*SENT, ("Connection", "DPoP, X_SSL_Cert, X-Other")]
    env = server.get("/open/cgi", headers=fields).env
    assert env["HTTP_CONNECTION"].split(", ") == ["close", "X-Other"], env


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_a_page(server, wire, part):
    """The page's environment was made of what the client sent."""
    token = mint()
    res = server.get("/files/open/page.shtml", h2=wire,
                     headers=[*SENT, *with_scheme("Bearer", token).items()])
    text = part_of(res.text, part)
    assert res.status == 200 and clean(text), text
    assert "alice" in text or part.endswith("env"), res.text


@pytest.mark.parametrize("way", WAYS)
def test_internal_redirect(server, wire, way):
    path = "/files/open/to%s.cgi" % way.replace("/", "-")
    res = server.get(path, headers=SENT, h2=wire)
    assert res.status == 200 and clean(res.text), res.text


def test_error_document(server, wire):
    """It is outside the section, and after a refusal before fixups."""
    res = server.get("/shut/x", headers=SENT, h2=wire)
    assert res.status == 401 and "REDIRECT_STATUS" in res.text, res.text
    assert clean(res.text), res.text


# --- the check of a proof still finds it ----------------------------------------

@pytest.mark.parametrize("page,form", [
    *[("/files/open/to%s.cgi" % way.replace("/", "-"), way) for way in BOUND],
    ("/files/outer/to.cgi", "/again/cgi"),
    ("/files/open/bound.shtml", None), ("/files/outer/bound.shtml", None)])
def test_request_made_from_a_request(server, wire, page, form):
    """The proof is of the URL that the client requested, and is used once."""
    token = bound()
    good = fields(token, proof(server.url + page, token))
    res = server.get(page, headers=good, h2=wire)
    assert res.status == 200 and clean(res.text), res
    for part in [form] if form else BOUND[1:]:
        text = part_of(res.text, part) if not form else res.text
        assert "alice" in text and ("BEARER_PROOF=dpop\n" in text or "/be/" in part), res.text
    again = server.get(page, headers=good, h2=wire)
    assert "alice" not in again.text and "BEARER_PROOF=" not in again.text, again.text
    other = fields(token, proof(server.url + "/bound/cgi", token))
    assert "alice" not in server.get(page, headers=other, h2=wire).text


def test_certificate_of_the_outer_request(server, wire):
    """Each section finds the header of its own name."""
    mine, other = (pem[pem.index(b"-----BEGIN CERT"):] for pem in (
        certs.client("one", trusted=False), certs.client("two", trusted=False)))
    for second in (mine, other):
        res = server.get("/files/named/page.shtml", bound(None, mine), h2=wire, headers=[
            (CERTIFICATE, urllib.parse.quote(mine)), ("X-Other-Cert", urllib.parse.quote(second))])
        assert res.status == 200 and "HTTP_X_SSL_CERT" not in res.text, res
        assert "BEARER_PROOF=mtls\n" in part_of(res.text, "/bound/cgi"), res.text
        assert ("alice" in part_of(res.text, "/other/cgi")) == (second == mine), res.text
        assert "HTTP_X_OTHER_CERT" not in part_of(res.text, "/other/cgi"), res.text


def test_log(server):
    def found():
        with open(server.path("logs/fields.log"), encoding="utf-8") as f:
            return [line for line in f if line.startswith("log-line|")]
    server.get("/open", headers=[*SENT, ("X-Case", "log-line")])
    assert wait_until(found) == ["log-line|-|-|-|\n"]
