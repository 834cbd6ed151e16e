# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Every attack and every rule of the standards that can be driven over HTTP.

Two issuers hold the same keys: `warm` answers, and the server knows its keys
before the first attack; `cold` takes connections and never answers. A row
marked LOCAL needs no key to be refused: it must cause no request, and be
refused at once where no key was ever known.
"""
import json
import threading

import pytest

from support import client, tokens
from support.expect import granted, invalid, location, refused
from support.forging import (GOOD_BODY, NOW, alg, body, der, edit, forged_e1, gzip_bomb,
                             half, head, in_segment, nested, noncanonical_payload,
                             raw_body, raw_head, rs, signature, unused_bits,
                             weak_jwks)
from support.httpd import SLOW
from support.messages import CERTIFICATE
from support.pace import Stopwatch
from support.tokens import AUD, P256_N, b64, key, mint

pytestmark = pytest.mark.allow_log("AB0205 /t/hostile-", "AB0205 /tls",
                                   "AB0205 /t/cold", "AB0205 https://downgrade.test")
LOCAL = True
OVER = False     # refused too, but only after a key was looked for


@pytest.fixture(scope="module")
def warm(issuers):
    issuer = issuers.issuer("warm")
    issuer.script("jwks", body=weak_jwks(issuer.url))
    return issuer


@pytest.fixture(scope="module")
def cold(issuers):
    issuer = issuers.issuer("cold")
    stalled = threading.Event()
    for kind in issuer.KINDS:
        issuer.script(kind, hold=stalled)
    yield issuer
    stalled.set()


@pytest.fixture(scope="module")
def other(issuers):
    return issuers.issuer("other", "rs256-other")


@pytest.fixture(scope="module")
def server(new_server, warm, cold, other):
    server = new_server("""
<AuthBearerIssuer "%s" warm>
    AuthBearerKeys "%s"
</AuthBearerIssuer>
<AuthBearerIssuer "%s" cold>
    AuthBearerKeys "%s"
</AuthBearerIssuer>
<AuthBearerIssuer "%s" other>
    AuthBearerKeys "%s"
</AuthBearerIssuer>
<AuthBearerIssuer "https://hmac.test" hmac>
    AuthBearerAlgorithms RS256 HS256
    AuthBearerKeys "file:@ROOT@/mixed.json"
</AuthBearerIssuer>
<AuthBearerIssuer "https://single.test" single>
    AuthBearerKeys "file:@ROOT@/single.json"
</AuthBearerIssuer>
AuthBearerTimeout connect=2s total=10s
AuthBearerClientID our-own-id
AuthBearerUserFormat "%%u"
AuthBearerMaxTokenAge 25h
""" % (warm.url, warm.jwks_url, cold.url, cold.jwks_url, other.url,
       other.jwks_url)
        + location("/a", audience="api://test our-own-id")
        + location("/9068", "AuthBearerTokenProfile rfc9068")
        + location("/query", "AuthBearerTokenFrom header query:access_token")
        + location("/name", "AuthBearerUserClaim name"),
        files={"mixed.json": tokens.jwks("rs256-mixed", "hs256-mixed"),
               "single.json": tokens.jwks("rs256-single")})
    granted(server.get("/a", mint(iss=warm.url)))
    granted(server.get("/a", mint("rs256-other", iss=other.url)))
    server.take_pending()       # what is said, once, of the warm issuer's weak keys
    return server


def hmac_with(secret, kid="rs256-mixed"):
    return lambda iss: mint("rs256", secret=secret, alg="RS256",
                            header={"alg": "HS256", "kid": kid},
                            iss="https://hmac.test")


BIDI = ["\u202a", "\u202e", "\u2066", "\u2069"]

# name, token, local, category, check, words of the log
ROWS = [
    # --- algorithms
    ("alg-none", alg("none"), LOCAL, "algorithm", "alg", "AuthBearerAlgorithms"),
    ("alg-None", alg("None"), LOCAL, "algorithm", "alg", None),
    ("alg-nOnE", alg("nOnE", b"x"), LOCAL, "algorithm", "alg", None),
    ("alg-NONE", alg("NONE"), LOCAL, "algorithm", "alg", None),
    ("alg-empty", alg(""), LOCAL, "algorithm", "alg", None),
    ("alg-lower", head(alg="rs256"), LOCAL, "algorithm", "alg", None),
    ("alg-number", head(alg=256), LOCAL, None, None, None),
    ("alg-null", raw_head(b'{"alg":null,"kid":"rs256"}'), LOCAL, None, None,
     None),
    ("alg-array", head(alg=["RS256"]), LOCAL, None, None, None),
    ("alg-absent", head(alg=None), LOCAL, None, None, None),
    ("empty-signature", alg("RS256"), LOCAL, ("signature", "malformed"), None,
     None),
    ("hs256-not-named", head(alg="HS256"), LOCAL, "algorithm", "alg", "HS256"),
    ("es256k-not-named", head(alg="ES256K"), LOCAL, "algorithm", "alg",
     "ES256K"),
    ("hs-with-pem", hmac_with(key("rs256-mixed").public_pem()), OVER,
     ("key", "signature"), None, None),
    ("hs-with-pem-stripped", hmac_with(
        key("rs256-mixed").public_pem().strip()), OVER,
     ("key", "signature"), None, None),
    ("hs-with-der", hmac_with(key("rs256-mixed").public_der()), OVER,
     ("key", "signature"), None, None),
    ("hs-with-jwk", hmac_with(json.dumps(
        key("rs256-mixed").jwk()).encode()), OVER, ("key", "signature"), None,
     None),
    ("hs-with-pem-other-kid", hmac_with(
        key("rs256-mixed").public_pem(), "hs256-mixed"), OVER, "signature",
     "signature", None),
    ("hs-from-url", head("hs256"), LOCAL, "algorithm", "alg", None),
    # --- ECDSA signatures
    ("es-r0", signature(lambda s: rs(0, half(s)[1])(s)), OVER, "signature",
     "signature", None),
    ("es-s0", signature(lambda s: rs(half(s)[0], 0)(s)), OVER, "signature",
     "signature", None),
    ("es-both0", signature(lambda s: bytes(64)), OVER, "signature",
     "signature", None),
    ("es-r-n", signature(lambda s: rs(P256_N, half(s)[1])(s)), OVER,
     "signature", "signature", None),
    ("es-s-n", signature(lambda s: rs(half(s)[0], P256_N)(s)), OVER,
     "signature", "signature", None),
    ("es-s-plus-n", signature(
        lambda s: rs(half(s)[0], (half(s)[1] + P256_N) % (1 << 256))(s)), OVER,
     "signature", "signature", None),
    ("es-oversize", signature(lambda s: bytes(2) + s), OVER, "signature",
     "signature", None),
    ("es-66", signature(lambda s: b"\0" + s[:32] + b"\0" + s[32:]), OVER,
     "signature", "signature", None),
    ("es-short", signature(lambda s: s[:-1]), OVER, "signature", "signature",
     None),
    ("es-der", signature(der), OVER, "signature", "signature", None),
    ("es384-der", signature(lambda s: s[:95], "es384"), OVER, "signature",
     "signature", None),
    ("ps-salt-20", lambda iss: mint("ps256", salt=20, iss=iss), OVER,
     "signature", "signature", None),
    ("ps-salt-0", lambda iss: mint("ps256", salt=0, iss=iss), OVER,
     "signature", "signature", None),
    ("rs-truncated", signature(lambda s: s[:-1], "rs256"), OVER, "signature",
     "signature", None),
    ("rs-longer", signature(lambda s: s + b"\0", "rs256"), OVER, "signature",
     "signature", None),
    ("ed-truncated", signature(lambda s: s[:-1], "ed25519"), OVER,
     "signature", "signature", None),
    ("signature-of-other-payload", lambda iss: mint(iss=iss).rsplit(
        ".", 1)[0] + "." + mint(iss=iss, sub="eve").rsplit(".", 1)[1], OVER,
     "signature", "signature", None),
    # --- kid
    ("kid-path", head(kid="../../../../etc/passwd"), OVER, "key", None, None),
    ("kid-sql", head(kid="x' OR '1'='1"), LOCAL, "key", "kid", None),
    ("kid-nul", raw_head(b'{"alg":"RS256","kid":"rs256\\u0000x"}'), LOCAL,
     None, None, None),
    ("kid-10k", lambda iss: mint(header={"kid": "k" * 5000}, iss=iss,
                                 sub="a"), LOCAL, "key", "kid", None),
    ("kid-257", head(kid="k" * 257), LOCAL, "key", "kid", None),
    ("kid-newline", head(kid="rs256\r\nSet-Cookie: x=y"), LOCAL, "key", "kid",
     None),
    ("kid-number", head(kid=1), LOCAL, "key", "kid", None),
    ("kid-object", head(kid={"a": "b"}), LOCAL, "key", "kid", None),
    ("kid-empty", head(kid=""), LOCAL, "key", "kid", None),
    ("kid-absent-of-many", head("es256", kid=None), OVER, "key", None, "kid"),
    ("kid-of-other-type", head("es256", kid="rs256"), OVER, "key", None, None),
    # --- header members that point elsewhere
    ("jku", lambda iss: mint("rs256-evil", header={
        "jku": iss.replace("/warm", "/other") + "/jwks"}, iss=iss), OVER,
     "key", None, None),
    ("x5u", lambda iss: mint("rs256-evil", header={
        "kid": "rs256", "x5u": iss + "/x5u"}, iss=iss), OVER, "signature",
     "signature", None),
    ("jwk", lambda iss: mint("rs256-evil", header={
        "kid": "rs256", "jwk": key("rs256-evil").jwk()}, iss=iss), OVER,
     "signature", "signature", None),
    ("x5c", lambda iss: mint("rs256-evil", header={
        "kid": "rs256", "x5c": ["MIIB"]}, iss=iss), OVER, "signature",
     "signature", None),
    # --- crit, b64
    ("crit-unknown", head(crit=["exp"], exp=1), LOCAL, "malformed", "crit",
     None),
    ("crit-own", head(crit=["http://x/y"], **{"http://x/y": 1}), LOCAL,
     "malformed", "crit", None),
    ("crit-empty", head(crit=[]), LOCAL, "malformed", "crit", None),
    ("crit-string", head(crit="exp"), LOCAL, "malformed", "crit", None),
    ("crit-null", raw_head(b'{"alg":"RS256","kid":"rs256","crit":null}'),
     LOCAL, "malformed", "crit", None),
    ("crit-registered", head(crit=["alg"]), LOCAL, "malformed", "crit", None),
    ("crit-absent-name", head(crit=["nope"]), LOCAL, "malformed", "crit",
     None),
    ("crit-twice", head(crit=["b64", "b64"], b64=True), LOCAL, "malformed",
     ("crit", "b64"), None),
    ("b64-false", head(crit=["b64"], b64=False), LOCAL, "malformed",
     ("crit", "b64"), None),
    ("b64-false-uncritical", head(b64=False), LOCAL, "malformed", "b64", None),
    # --- JSON
    ("header-duplicate", raw_head(
        b'{"alg":"none","alg":"RS256","kid":"rs256"}'), LOCAL, "malformed",
     "json", None),
    ("header-no-object", raw_head(b'["RS256"]'), LOCAL, None, None, None),
    ("header-trailing", raw_head(b'{"alg":"RS256","kid":"rs256"}x'), LOCAL,
     None, None, None),
    ("claim-duplicate", raw_body(GOOD_BODY + b',"sub":"bob"}'), LOCAL,
     "malformed", "json", None),
    ("claim-duplicate-escaped", raw_body(GOOD_BODY + b',"\\u0073ub":"bob"}'),
     LOCAL, "malformed", "json", None),
    ("claim-duplicate-deep", raw_body(
        GOOD_BODY + b',"x":{"y":{"z":1,"\\u007a":2}}}'), LOCAL, "malformed",
     "json", None),
    ("payload-array", raw_body(b'["a"]'), LOCAL, "malformed", "json", None),
    ("payload-string", raw_body(b'"a"'), LOCAL, "malformed", "json", None),
    ("payload-empty", raw_body(b""), LOCAL, "malformed", None, None),
    ("payload-null", raw_body(b"null"), LOCAL, "malformed", "json", None),
    ("nul-in-string", raw_body(GOOD_BODY + b',"x":"a\\u0000b"}'), LOCAL,
     "malformed", "json", None),
    ("nul-byte", raw_body(GOOD_BODY + b',"x":"a\0b"}'), LOCAL, "malformed",
     "json", None),
    ("bad-utf8", raw_body(GOOD_BODY + b',"x":"\xff\xfe"}'), LOCAL,
     "malformed", "json", None),
    ("overlong-utf8", raw_body(GOOD_BODY + b',"x":"\xc0\xaf"}'), LOCAL,
     "malformed", "json", None),
    ("lone-surrogate", raw_body(GOOD_BODY + b',"x":"\\ud800"}'), LOCAL,
     "malformed", "json", None),
    ("bom", raw_body(b"\xef\xbb\xbf" + GOOD_BODY + b"}"), LOCAL, "malformed",
     "json", None),
    ("trailing-junk", raw_body(GOOD_BODY + b"} x"), LOCAL, "malformed",
     "json", None),
    ("nan", raw_body(GOOD_BODY + b',"x":NaN}'), LOCAL, "malformed", "json",
     None),
    ("infinity", raw_body(GOOD_BODY + b',"x":1e400}'), LOCAL, "malformed",
     "json", None),
    ("uint64", raw_body(GOOD_BODY + b',"x":18446744073709551615}'), LOCAL,
     "malformed", "json", None),
    ("depth-33", nested(33), LOCAL, "malformed", "json", None),
    ("depth-500", nested(500), LOCAL, "malformed", "json",
     None),
    ("depth-arrays", nested(40, b"[", b"]"), LOCAL, "malformed", "json", None),
    # --- base64url and segments
    ("noncanonical-signature", edit(in_segment(2, unused_bits)), LOCAL,
     "malformed", "base64url", None),
    ("noncanonical-payload", noncanonical_payload, LOCAL, "malformed",
     "base64url", None),
    ("length-4n-plus-1", edit(in_segment(2, lambda s: (
        s + "AAAA")[:len(s) // 4 * 4 + 5])), LOCAL, "malformed", "base64url",
     None),
    ("padding", edit(lambda t: t + "=="), LOCAL, "malformed", "base64url",
     None),
    ("standard-alphabet", edit(in_segment(2, lambda s: "+/" + s[2:])), LOCAL,
     "malformed", "base64url", None),
    ("tilde", edit(in_segment(2, lambda s: "~" + s[1:])), LOCAL, "malformed",
     "base64url", None),
    ("four-segments", edit(lambda t: t + ".AAAA"), LOCAL, "malformed",
     "segments", None),
    ("five-segments-jwe", lambda iss: ".".join(
        [b64('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,'
             '"p2s":"AAAA","zip":"DEF"}'), "AAAA", "AAAA", "AAAA", "AAAA"]),
     LOCAL, "malformed", "segments", "JWE"),
    # --- tokens of another kind, whatever their algorithm
    ("keycloak-refresh", lambda iss: mint(header={"alg": "HS512"}, typ="Refresh", iss=iss),
     LOCAL, "type", "type", "a refresh token"),
    ("keycloak-offline", lambda iss: mint(header={"alg": "HS512"}, typ="Offline", iss=iss),
     LOCAL, "type", "type", "an offline token"),
    ("id-token-hs512", lambda iss: mint(header={"alg": "HS512"}, typ="ID", iss=iss),
     LOCAL, "algorithm", "alg", "AuthBearerAlgorithms"),
    ("signature-removed", edit(in_segment(2, lambda s: "SIGNATURE_REMOVED_BY_GOOGLE")),
     LOCAL, "signature", "signature_removed",
     "X-Serverless-Authorization"),
    ("empty-payload-segment", lambda iss: b64('{"alg":"RS256"}') + "..AAAA",
     LOCAL, "malformed", None, None),
    ("dots", lambda iss: "." * 7000, LOCAL, None, None, None),
    ("one-dot", lambda iss: "a.b", LOCAL, None, None, None),
    ("no-dot-opaque", lambda iss: "ory_at_" + b64(bytes(range(40))), LOCAL, None, None,
     None),
    ("junk-with-dots", lambda iss: "aaaa.bbbb.cccc", LOCAL, None, None, None),
    # --- keys that must not be used
    ("rsa-1024", body("rsa1024"), OVER, "key", None, None),
    ("rsa-512", body("rsa512"), OVER, "key", None, None),
    ("rsa-e1", forged_e1, OVER, "key", None, None),
    ("rsa-even-e", head(kid="even-e"), OVER, "key", None, None),
    ("rsa-16384", head(kid="rsa16384"), OVER, "key", None, None),
    ("rsa-wide-e", head(kid="wide-e"), OVER, "key", None, None),
    ("ec-off-curve", head("es256-off", kid="off-curve"), OVER, "key", None,
     None),
    ("ec-short-x", head("es256-short", kid="short-x"), OVER, "key", None,
     None),
    ("unknown-kty", head(kid="unknown-kty"), OVER, "key", None, None),
    ("use-enc", body("rs256-enc"), OVER, "key", None, None),
    ("key-ops-sign", body("rs256-sign"), OVER, "key", None, None),
    ("jwk-alg-differs", body("rs256-ps"), OVER, "key", None, None),
    ("kid-of-x25519", head("ed25519", kid="x25519"), OVER, "key", None, None),
    ("ed25519-header-ed448-key", head("ed448", alg="Ed25519"), OVER, "key",
     None, None),
    ("ed448-header-ed25519-key", head("ed25519", alg="Ed448"), OVER, "key",
     None, None),
    ("es384-header-p256-key", head(alg="ES384", kid="es256"), OVER, "key",
     None, None),
    # --- issuers
    ("issuer-unknown", body(iss="https://evil.test/"), LOCAL, "issuer", None,
     "https://evil.test/"),
    ("issuer-slash", lambda iss: mint(iss=iss + "/"), LOCAL, "issuer", None,
     "AuthBearerIssuer"),
    ("issuer-case", lambda iss: mint(iss=iss.replace("http", "HTTP")), LOCAL,
     "issuer", None, None),
    ("issuer-absent", lambda iss: mint(iss=None), LOCAL, "issuer", None, None),
    ("issuer-array", lambda iss: mint(iss=[iss]), LOCAL, None, None, None),
    ("issuer-number", lambda iss: mint(iss=1), LOCAL, None, None, None),
    ("issuer-nested-number", raw_body(
        b'{"iss":{"x":"@ISS@"},"sub":"alice"}'), LOCAL, None, None, None),
    ("key-of-other-issuer", body("rs256-other"), OVER, "key", None, None),
    ("key-of-other-issuer-same-kid", head("rs256-other", kid="rs256"), OVER,
     "signature", "signature", None),
    # --- times
    ("exp-past", body(exp=NOW - 3600), OVER, "expired", "exp",
     "AuthBearerClockSkew"),
    ("exp-zero", body(exp=0), OVER, "expired", "exp", None),
    ("exp-1.5", body(exp=1.5), OVER, "expired", "exp", None),
    ("exp-absent", body(exp=None), OVER, ("malformed", "expired"), None,
     None),
    ("exp-string", body(exp=str(NOW + 36000)), OVER, "malformed", "exp_type",
     None),
    ("exp-true", body(exp=True), OVER, "malformed", "exp_type", None),
    ("exp-null", raw_body(b'{"iss":"@ISS@","sub":"alice","aud":"@AUD@",'
                          b'"exp":null}'), OVER, ("malformed", "expired"),
     None, None),
    ("exp-negative", body(exp=-1), OVER, None, None, None),
    ("exp-array", body(exp=[NOW + 36000]), OVER, "malformed", "exp_type", None),
    ("nbf-future", body(nbf=NOW + 3600), OVER, "not_yet_valid", "nbf", "nbf"),
    ("nbf-string", body(nbf="0"), OVER, "malformed", "nbf_type", None),
    ("nbf-huge", body(nbf=10 ** 18), OVER, "not_yet_valid", "nbf", None),
    ("nbf-1e300", body(nbf=1e300), OVER, "not_yet_valid", "nbf", None),
    ("iat-future", body(iat=NOW + 3600), OVER, "not_yet_valid", "iat", None),
    ("iat-string", body(iat="0"), OVER, "malformed", "iat_type", None),
    ("age", body(iat=NOW - 26 * 3600), OVER, "age", "age",
     "AuthBearerMaxTokenAge"),
    ("iat-absent-with-age-written", body(iat=None), OVER, ("age", "malformed"),
     None, "AuthBearerMaxTokenAge"),
    # --- audience
    ("aud-other", body(aud="account"), OVER, "audience", "aud",
     "AuthBearerAudience"),
    ("aud-absent", body(aud=None), OVER, "audience", "aud",
     "AuthBearerNoAudience"),
    ("aud-empty-array", body(aud=[]), OVER, "audience", "aud",
     "AuthBearerNoAudience"),
    ("aud-empty-string", body(aud=""), OVER, "audience", "aud", None),
    ("aud-prefix", body(aud=AUD + "/"), OVER, "audience", "aud", None),
    ("aud-case", body(aud=AUD.upper()), OVER, "audience", "aud", None),
    ("aud-mixed-types", body(aud=[1, AUD]), OVER, "malformed", "aud_type",
     None),
    ("aud-object", body(aud={AUD: AUD}), OVER, "malformed", "aud_type", None),
    ("aud-number", body(aud=1), OVER, "malformed", "aud_type", None),
    ("aud-nested", body(aud=[[AUD]]), OVER, "malformed", "aud_type", None),
    # --- never an access token
    ("id-token-nonce", body(nonce="n", scope=None), OVER, "type", None, "nonce"),
    ("id-token-at-hash", body(at_hash="x", scope=None), OVER, "type", None, "at_hash"),
    ("id-token-c-hash", body(c_hash="x", scope=None), OVER, "type", None, "c_hash"),
    ("id-token-own-aud", body(aud="our-own-id", scope=None, client_id=None),
     OVER, "type", "id_token", "AuthBearerClientID"),
    ("id-token-own-aud-azp", body(aud="our-own-id", scope=None, client_id=None,
                                  azp="our-own-id"), OVER, "type", "id_token",
     None),
    ("id-token-own-aud-array", body(aud=["our-own-id"], scope=None,
                                    client_id=None), OVER, "type", "id_token",
     None),
    ("token-use-id", body(token_use="id"), OVER, "type", None, "token_use"),
    ("token-use-number", body(token_use=1), OVER, None, None, None),
    ("keycloak-refresh", body(typ="Refresh"), OVER, "type", None, "Refresh"),
    ("keycloak-offline", body(typ="Offline"), OVER, "type", None, None),
    ("keycloak-id", body(typ="ID"), OVER, "type", None, None),
    ("keycloak-logout", body(typ="Logout"), OVER, "type", None, None),
    ("logout-token", body(events={
        "http://schemas.openid.net/event/backchannel-logout": {}}, sid="s"),
     OVER, "type", None, "events"),
    ("typ-logout", head(typ="logout+jwt"), OVER, "type", None, "logout"),
    ("typ-dpop", head(typ="dpop+jwt"), OVER, "type", None, None),
    ("typ-introspection", head(typ="token-introspection+jwt"), OVER, "type",
     None, None),
    ("typ-secevent", head(typ="secevent+jwt"), OVER, "type", None, None),
    ("typ-jose", head(typ="JOSE"), OVER, "type", None, None),
    ("typ-number", head(typ=1), LOCAL, None, None, None),
    # --- identifiers
    ("sub-absent", body(sub=None), OVER, "identifier", None, "sub"),
    ("sub-number", body(sub=42), OVER, "identifier", None, None),
    ("sub-object", body(sub={"a": 1}), OVER, "identifier", None, None),
    ("sub-array", body(sub=["alice"]), OVER, "identifier", None, None),
    ("sub-null", raw_body(b'{"iss":"@ISS@","sub":null,"aud":"@AUD@",'
                          b'"exp":@EXP@,"iat":%d}' % NOW), OVER, "identifier",
     None, None),
    ("sub-empty", body(sub=""), OVER, "identifier", None, None),
    ("sub-257", body(sub="a" * 257), OVER, "identifier", None, None),
    ("sub-257-bytes", body(sub="a" + "é" * 128), OVER, "identifier", None,
     None),
    ("sub-leading-space", body(sub=" alice"), OVER, "identifier", None, None),
    ("sub-trailing-space", body(sub="alice "), OVER, "identifier", None, None),
    ("sub-newline", body(sub="alice\nbob"), OVER, "identifier", None, None),
    ("sub-tab", body(sub="a\tb"), OVER, "identifier", None, None),
    ("sub-del", body(sub="a\x7fb"), OVER, "identifier", None, None),
    ("sub-c1", body(sub="a\x85b"), OVER, "identifier", None, None),
    ("sub-comma", body(sub="alice,bob"), OVER, "identifier", None,
     "AuthBearerUserChars"),
    ("sub-semicolon", body(sub="alice;bob"), OVER, "identifier", None, None),
    ("sub-equals", body(sub="cn=alice"), OVER, "identifier", None,
     "AuthBearerUserChars"),
] + [("sub-bidi-%04x" % ord(c), body(sub="a%sb" % c), OVER, "identifier", None,
      None) for c in BIDI]


def test_null_in_the_header_is_absence(server, warm):
    """Except crit and b64, which are refused (above)."""
    make = raw_head(b'{"alg":"RS256","kid":null,"typ":null,"jwk":null}')
    res = server.get("/a", make(warm.url))
    assert res.status == 200 and res.user == "alice", res


@pytest.mark.allow_log("AB0205", "AB0201")
@pytest.mark.parametrize("name,make,local,category,check,log", ROWS,
                         ids=[row[0] for row in ROWS])
def test_refused(server, warm, cold, other, name, make, local, category, check,
                 log):
    counts = warm.count(), other.count()
    res = server.get("/a", make(warm.url))
    assert res.status == 401, res
    assert res.challenge["error"] == "invalid_token"
    invalid(res, category, check, log)
    assert other.count() == counts[1]
    if not local:
        # An unknown kid may cause one fetch in all, other rows none.
        assert warm.count("jwks") - counts[0] <= 1
        return
    assert warm.count() == counts[0]
    watch = Stopwatch(server)
    again = server.get("/a", make(cold.url))
    assert watch.seconds < 2 * SLOW, "it waited for keys"
    assert again.status == 401, again
    assert (again.error, again.check) == (res.error, res.check)


ACCEPTED = [
    ("typ-absent", head(typ=None)),
    ("typ-jwt-lower", head(typ="jwt")),
    ("typ-at-jwt", head(typ="at+jwt")),
    ("typ-AT-JWT", head(typ="AT+JWT")),
    ("typ-application", head(typ="application/at+jwt")),
    ("typ-Application-JWT", head(typ="Application/JWT")),
    ("jku-ignored", head(jku="http://127.0.0.1:9/jwks")),
    ("x5u-ignored", head(x5u="http://127.0.0.1:9/x5u")),
    ("x5c-ignored", head(x5c=["AAAA"])),
    ("jwk-ignored", lambda iss: mint(
        iss=iss, header={"jwk": key("rs256-evil").jwk()})),
    ("exp-fraction", body(exp=NOW + 36000.5)),
    ("exp-1e10", body(exp=1e10)),
    ("exp-10-digits-exponent", raw_body(
        b'{"iss":"@ISS@","sub":"alice","aud":"@AUD@","exp":1e10,"iat":%d}'
        % NOW)),
    ("exp-1e300", body(exp=1e300)),
    ("exp-int64-max", body(exp=2 ** 63 - 1)),
    ("aud-array", body(aud=["x", AUD, "y"])),
    ("aud-array-one", body(aud=[AUD])),
    ("depth-32", nested(32)),
    ("ed25519", head("ed25519", alg="Ed25519")),
    ("ed448", head("ed448", alg="Ed448")),
    ("eddsa-448", body("ed448")),
    ("ps256", body("ps256")),
    ("es384", body("es384")),
    ("token-use-access", body(token_use="access")),
    ("keycloak-bearer", body(typ="Bearer")),
    ("own-aud-with-scope", body(aud="our-own-id")),
    ("own-aud-at-jwt", lambda iss: mint(
        header={"typ": "at+jwt"}, iss=iss, aud="our-own-id", scope=None,
        client_id=None)),
    ("own-aud-token-use", body(aud="our-own-id", scope=None, client_id=None,
                               token_use="access")),
    ("own-aud-other-client", body(aud="our-own-id", scope=None)),
    ("unknown-header", head(x="y")),
    ("zip-means-nothing", head(zip="DEF")),
    ("kid-absent-one-eligible", head("es384", kid=None)),
    ("act-nested", body(act={"sub": "service", "act": {"sub": "x"}})),
]


@pytest.mark.allow_log("AB0201")
@pytest.mark.parametrize("name,make", ACCEPTED, ids=[r[0] for r in ACCEPTED])
def test_accepted(server, warm, name, make):
    count = warm.count()
    granted(server.get("/a", make(warm.url)))
    assert warm.count() == count


@pytest.mark.parametrize("sub", ["auth0|5f7c", "id@clients", "spiffe://td/ns/x",
                                 "system:serviceaccount:ns:name", "Jörg", "a b",
                                 "a" * 256, "x/y", "日本"])
def test_subjects_of_real_issuers(server, warm, sub):
    res = server.get("/a/env", mint(iss=warm.url, sub=sub))
    assert res.status == 200, res
    assert res.body.decode().find("REMOTE_USER=") >= 0
    assert res.env["REMOTE_USER"] == sub


def test_user_claim_may_be_an_integer(server, warm):
    granted(server.get("/name", mint(iss=warm.url, name=90071992547409)),
            "90071992547409")
    invalid(server.get("/name", mint(iss=warm.url, name=1.5)), "identifier")
    invalid(server.get("/name", mint(iss=warm.url, name=True)), "identifier")
    invalid(server.get("/name", mint(iss=warm.url)), "identifier",
            log="AuthBearerUserClaim")


@pytest.mark.parametrize("missing", ["iss", "exp", "aud", "sub", "client_id",
                                     "iat", "jti"])
def test_rfc9068_claims(server, warm, missing):
    full = dict(iss=warm.url, jti="j1")
    typ = {"typ": "at+jwt"}
    granted(server.get("/9068", mint(header=typ, **full)))
    full[missing] = None
    res = server.get("/9068", mint(header=typ, **full))
    assert res.status == 401 and res.challenge["error"] == "invalid_token", res


@pytest.mark.parametrize("typ,ok", [("at+jwt", 1), ("application/at+jwt", 1),
                                    ("AT+jwt", 1), ("JWT", 0), (None, 0)])
def test_rfc9068_typ(server, warm, typ, ok):
    res = server.get("/9068", mint(header={"typ": typ}, iss=warm.url,
                                   jti="j"))
    if ok:
        granted(res)
    else:
        invalid(res, "type", None, "AuthBearerTokenProfile")


def test_kid_absent_is_enough_for_one_key(server):
    token = mint("rs256-single", header={"kid": None},
                 iss="https://single.test")
    granted(server.get("/a", token))


def test_kid_never_becomes_part_of_a_url(server, warm, issuers):
    server.get("/a", mint(header={"kid": "../../secret"}, iss=warm.url))
    assert not [r for r in issuers.requests if "secret" in r.path]


# --- the request itself ------------------------------------------------------

def lines(*values):
    return [("Authorization", value) for value in values]


BAD_REQUESTS = [
    ("two-lines", lambda t: lines("Bearer " + t, "Bearer " + t)),
    ("two-lines-different", lambda t: lines("Bearer " + t, "Bearer x")),
    ("two-lines-bearer-first", lambda t: lines("Bearer " + t,
                                               "Basic dTpwYXNzd29yZA==")),
    ("comma", lambda t: lines("Bearer %s, Bearer %s" % (t, t))),
    ("comma-tight", lambda t: lines("Bearer %s,x" % t)),
    ("empty", lambda t: lines("Bearer")),
    ("empty-space", lambda t: lines("Bearer ")),
    ("inner-space", lambda t: lines("Bearer %s x" % t)),
    ("inner-space-split", lambda t: lines("Bearer " + t[:50] + " " + t[50:])),
    ("brace", lambda t: lines("Bearer {%s}" % t)),
    ("quotes", lambda t: lines('Bearer "%s"' % t)),
    ("param", lambda t: lines('Bearer token="%s"' % t)),
    ("semicolon", lambda t: lines("Bearer %s;" % t)),
    ("equals-inside", lambda t: lines("Bearer a=b" + t)),
    ("only-equals", lambda t: lines("Bearer ===")),
    ("8-bit", lambda t: lines(b"Bearer " + t.encode() + b"\xe9")),
    ("8-bit-utf8", lambda t: lines("Bearer ".encode() + "tökén".encode())),
    ("percent", lambda t: lines("Bearer " + t + "%20")),
    ("tab", lambda t: lines("Bearer a\tb")),
]


@pytest.mark.parametrize("name,make", BAD_REQUESTS,
                         ids=[r[0] for r in BAD_REQUESTS])
def test_bad_requests(server, warm, name, make):
    count = warm.count()
    res = server.get("/a", headers=make(mint(iss=warm.url)))
    refused(res, 400, "invalid_request", "request",
            ("credential_syntax", "credential_count"))
    assert warm.count() == count


def test_two_lines_of_another_scheme_first(server, warm):
    """httpd joins the lines; the whole is of scheme Basic: no credential."""
    res = server.get("/a", headers=lines("Basic dTpwYXNzd29yZA==",
                                         "Bearer " + mint(iss=warm.url)))
    assert res.status in (400, 401), res


def test_folded_header(server, warm):
    token = mint(iss=warm.url)
    raw = ("GET /a HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n"
           "Authorization: Bearer %s\r\n x\r\n\r\n" % token).encode()
    assert server.raw(raw).status == 400


@pytest.mark.parametrize("octet", [0, 1, 8, 10, 13, 27, 127])
def test_control_octets(server, warm, octet):
    value = b"Bearer " + mint(iss=warm.url).encode() + bytes([octet]) + b"x"
    res = server.raw(client.build("GET", "/a", [("Authorization", value)]))
    assert res.status == 400, res


@pytest.mark.http1("over HTTP/2 httpd answers 431, or resets the stream")
def test_token_over_field_size_is_httpds_400(server, warm):
    res = server.get("/a", mint(iss=warm.url, x="y" * 9000))
    assert res.status == 400


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR", "Bearer "])
def test_scheme(server, warm, scheme):
    granted(server.get("/a", headers=lines(
        scheme + " " + mint(iss=warm.url))))


@pytest.mark.parametrize("value", ["Basic dTpwYXNzd29yZA==", "Negotiate AAAA",
                                   "Bearertoken", "DPoPtoken", "Digest a=b"])
def test_other_schemes_are_no_credential(server, value):
    res = server.get("/a", headers=lines(value))
    refused(res, 401, None, "no_credential")


def test_token_in_body_or_query_is_not_seen(server, warm):
    token = mint(iss=warm.url)
    refused(server.request(
        "POST", "/a", headers={"Content-Type":
                               "application/x-www-form-urlencoded"},
        body=("access_token=" + token).encode()), 401)
    refused(server.get("/a?access_token=" + token), 401)


def test_two_methods(server, warm):
    token = mint(iss=warm.url)
    granted(server.get("/query?access_token=" + token))
    refused(server.get("/query?access_token=" + token, token), 400,
            "invalid_request", "request", "credential_count")
    refused(server.get("/query?access_token=%s&access_token=%s"
                       % (token, token)), 400, "invalid_request", "request")


# --- issuers that misbehave --------------------------------------------------

@pytest.fixture(scope="module")
def hostile(issuers):
    """name -> (issuer, what is scripted for its key set)."""
    target = issuers.issuer("target")
    faults = {
        "redirect": dict(status=302, headers={"Location": target.jwks_url}),
        "redirect-301": dict(status=301, headers={"Location": target.jwks_url}),
        "gone": dict(status=404, body="no"),
        "error": dict(status=500, body="no"),
        "html": dict(body="<html>", headers={"Content-Type": "text/html"}),
        "no-keys": dict(body='{"key": []}'),
        "keys-object": dict(body='{"keys": {}}'),
        "empty": dict(body='{"keys": []}'),
        "too-big": dict(body=lambda r: '{"keys": [], "x": "%s"}'
                        % ("y" * (256 * 1024))),
        "too-many": dict(body=lambda r: json.dumps({"keys": [
            key("rs256").jwk()] + [dict(key("es256").jwk(), kid="k%d" % i)
                                   for i in range(100)]})),
        "gzip": dict(body=gzip_bomb(), headers={"Content-Encoding": "gzip"}),
        "cut": dict(cut=True),
        "trickle": dict(trickle=0.5),
        "slow": dict(delay=4),
        "duplicate": dict(body='{"keys":[],"keys":%s}' % json.dumps(
            [key("rs256").jwk()])),
    }
    made = {}
    for name, fault in faults.items():
        made[name] = issuers.issuer("hostile-" + name)
        made[name].script("jwks", **fault)
    made["TARGET"] = target
    return made


@pytest.fixture(scope="module")
def hostile_server(new_server, hostile):
    return new_server("AuthBearerTimeout connect=1s total=1s\n"
                      "AuthBearerUserFormat %u\n" + "".join(
                          '<AuthBearerIssuer "%s" n%d>\nAuthBearerKeys "%s"\n'
                          "</AuthBearerIssuer>\n" % (i.url, n, i.jwks_url)
                          for n, i in enumerate(hostile.values())
                          if i.name != "target")
                      + location("/a"))


@pytest.mark.allow_log("AB0205")
@pytest.mark.parametrize("name", ["redirect", "redirect-301", "gone", "error",
                                  "html", "no-keys", "keys-object", "empty",
                                  "too-big", "too-many", "gzip", "cut",
                                  "trickle", "slow", "duplicate"])
def test_hostile_key_sets(hostile_server, hostile, name):
    watch = Stopwatch(hostile_server)
    res = hostile_server.get("/a", mint(iss=hostile[name].url))
    refused(res, 503, None, "unavailable", "keys", log="'%s/jwks'" % hostile[name].url)
    assert watch.seconds < 3 * SLOW
    assert hostile["TARGET"].count() == 0


def test_one_bad_key_does_not_spoil_the_set(server, warm):
    granted(server.get("/a", mint(iss=warm.url)))


@pytest.fixture(scope="module")
def tls(request):
    from support.issuer import IssuerHost
    hosts = {kind: IssuerHost(tls=kind) for kind in (
        "good", "wrong-host", "expired", "self-signed")}
    yield {kind: host.issuer("tls") for kind, host in hosts.items()}
    for host in hosts.values():
        host.close()


@pytest.fixture(scope="module")
def tls_server(new_server, tls):
    from support import certs
    return new_server(
        'AuthBearerCAFile "@ROOT@/ca.pem"\nAuthBearerUserFormat %u\n'
        + "".join("<AuthBearerIssuer \"%s\" %s>\n</AuthBearerIssuer>\n" % (
            issuer.url, kind) for kind, issuer in tls.items())
        + """
<AuthBearerIssuer "https://downgrade.test" downgrade>
    AuthBearerKeys "%s"
</AuthBearerIssuer>
""" % tls["good"].jwks_url + location("/a"),
        files={"ca.pem": certs.authority_pem()})


def test_tls_issuer(tls_server, tls):
    granted(tls_server.get("/a", tls["good"].mint()))


@pytest.mark.allow_log("AB0205")
@pytest.mark.parametrize("kind", ["wrong-host", "expired", "self-signed"])
def test_bad_certificates(tls_server, tls, kind):
    res = tls_server.get("/a", tls[kind].mint())
    refused(res, 503, None, "unavailable", "keys")
    assert tls[kind].count() == 0
    assert res.logged("AB0015", tls[kind].url, CERTIFICATE), res


@pytest.mark.allow_log("AB0205")
def test_redirect_from_https_to_http(tls_server, tls, issuers):
    plain = issuers.issuer("downgraded")
    tls["good"].script("jwks", status=302,
                       headers={"Location": plain.jwks_url})
    try:
        res = tls_server.get("/a", mint(iss="https://downgrade.test"))
        refused(res, 503, None, "unavailable")
        assert plain.count() == 0
    finally:
        tls["good"].script("jwks")
