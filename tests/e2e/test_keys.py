# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Where keys come from, and what a server does when they do not come."""
import concurrent.futures
import itertools
import json
import os
import re
import time

import pytest

from support import certs, tokens
from support.expect import (everywhere, granted, invalid, issuer_conf, location,
                            refused)
from support.httpd import wait_until
from support.messages import TOO_LARGE, message
from support.pace import Stopwatch
from support.tokens import ISS, jwks, key, mint

pytestmark = pytest.mark.core


def issuer_block(url, inside="", name=""):
    return '<AuthBearerIssuer "%s" %s>\n%s\n</AuthBearerIssuer>\n' % (
        url, name, inside)


# --- files -------------------------------------------------------------------

FILES = [
    ("jwks", lambda: jwks("rs256"), "rs256", True),
    ("one-jwk-set-of-many", lambda: jwks("es256", "rs256"), "rs256", True),
    ("public-pem", lambda: key("rs256").public_pem(), "rs256", True),
    ("public-pem-ec", lambda: key("es256").public_pem(), "es256", True),
    ("public-pem-ed25519", lambda: key("ed25519").public_pem(), "ed25519",
     True),
    ("certificate", lambda: certs.signing_certificate(key("rs256")), "rs256",
     True),
]


@pytest.fixture(scope="module")
def file_server(new_server):
    conf, files = "AuthBearerUserFormat %u\n", {}
    for name, content, _, _ in FILES:
        conf += issuer_block("https://%s.test" % name,
                             'AuthBearerKeys "file:@ROOT@/k/%s"' % name)
        files["k/" + name] = content()
    return new_server(conf + location("/a"), files=files)


@pytest.mark.parametrize("name,content,signer,kid", FILES,
                         ids=[row[0] for row in FILES])
def test_files(file_server, name, content, signer, kid):
    iss = "https://%s.test" % name
    granted(file_server.get("/a", mint(signer, iss=iss)))
    invalid(file_server.get("/a", mint(key(signer).kind == "RSA" and
                                       "rs256-x" or "es256-x", iss=iss)))


def test_pem_has_no_kid(file_server):
    """A PEM key has no name: a token's kid is no reason to refuse it."""
    for header in ({"kid": None}, {"kid": "whatever"}):
        granted(file_server.get("/a", mint(
            header=header, iss="https://public-pem.test")))


def test_relative_to_server_root(one_server):
    server = one_server(issuer_conf(keys="x").replace("@ROOT@/x", "k.json")
                        + location("/a"), files={"k.json": jwks("rs256")})
    granted(server.get("/a", mint()))


@pytest.mark.allow_log("AB0254 rotating.json")
def test_file_is_read_again_when_it_changes(one_server):
    server = one_server(issuer_conf(keys="rotating.json") + location("/a"),
                        files={"rotating.json": jwks("rs256")})
    granted(server.get("/a", mint()))
    invalid(server.get("/a", mint("es256")), "key")
    server.write("rotating.json", jwks("es256"))
    wait_until(lambda: everywhere(server, mint("es256")) == {200}, 10,
               "the new key is known")
    wait_until(lambda: everywhere(server, mint()) == {401}, 10,
               "the old key is gone")
    # A file that has become wrong keeps the old content and is logged.
    server.write("rotating.json", "{broken")
    server.wait_log("AB0254", "AuthBearerKeys", "rotating.json")
    granted(server.get("/a", mint("es256")))
    os.unlink(server.path("rotating.json"))
    granted(server.get("/a", mint("es256")))


# --- verified tokens are kept, but not beyond their rights --------------------

def test_verified_token_goes_with_its_key(one_server):
    server = one_server(issuer_conf() + location("/a"),
                        files={"jwks.json": jwks("rs256")})
    token = mint()
    assert everywhere(server, token) == {200}
    server.write("jwks.json", jwks("es256"))
    wait_until(lambda: everywhere(server, token) == {401}, 10,
               "the same token is refused")
    invalid(server.get("/a", token), "key")


def test_verified_token_expires(one_server):
    server = one_server(issuer_conf() + location(
        "/a", "AuthBearerClockSkew 0"), files={"jwks.json": jwks("rs256")})
    token = mint(exp=int(time.time()) + 2)
    assert everywhere(server, token) == {200}
    wait_until(lambda: server.get("/a", token).status == 401, 10, "its end")
    invalid(server.get("/a", token), "expired")


def test_verified_token_becomes_too_old(one_server, issuers):
    """AuthBearerMaxTokenAge counts for as long as the token is known, be it by its
    signature or by its issuer's answer."""
    issuer = issuers.issuer("ages", "rs256")
    server = one_server(issuer_block(
        issuer.url, "AuthBearerKeys %s\nAuthBearerIntrospection %s\n"
        "AuthBearerClientAuth none\n" % (issuer.jwks_url, issuer.introspect_url))
        + location("/a", "AuthBearerMaxTokenAge 4s\nAuthBearerClockSkew 0"))
    claims = tokens.claims(iss=issuer.url, iat=int(time.time()))
    opaque = "opaque-" + tokens.b64(os.urandom(24))
    issuer.active[opaque] = {"active": True, **claims}
    both = (issuer.mint(payload=claims), opaque)
    for token in both:
        assert everywhere(server, token) == {200}
    for token in both:
        wait_until(lambda: server.get("/a", token).status == 401, 10, "its age")
        invalid(server.get("/a", token), "age")


def test_verified_token_is_judged_anew_elsewhere(one_server):
    """What one place found good says nothing for another."""
    server = one_server(
        issuer_conf() + location("/a") + location("/b", audience="api://b")
        + location("/clients", "AuthBearerClients x")
        + location("/9068", "AuthBearerTokenProfile rfc9068")
        + location("/age", "AuthBearerMaxTokenAge 1s\n"
                   "AuthBearerClockSkew 0"),
        files={"jwks.json": jwks("rs256")})
    token = mint(iat=int(time.time()) - 5)
    for _ in range(3):
        assert everywhere(server, token) == {200}
        invalid(server.get("/b", token), "audience")
        invalid(server.get("/clients", token), "client")
        invalid(server.get("/9068", token), "type")
        invalid(server.get("/age", token), "age")


def test_forged_twin_of_a_verified_token(one_server):
    """The cache is asked for the whole token, its signature included."""
    server = one_server(issuer_conf() + location("/a"),
                        files={"jwks.json": jwks("rs256")})
    token = mint()
    assert everywhere(server, token) == {200}
    data, _, signature = token.rpartition(".")
    last = "B" if signature[5] != "B" else "C"
    invalid(server.get("/a", data + "." + signature[:5] + last
                       + signature[6:]), "signature")


# --- URL, discovery ----------------------------------------------------------

@pytest.fixture
def issuer(issuers, request):
    return issuers.issuer("k-" + request.node.name.partition("[")[0] + "-"
                          + str(time.monotonic_ns()), "rs256")


def one(one_server, issuer, inside="", conf="", **kw):
    return one_server(conf + issuer_block(issuer.url, inside)
                      + location("/a"), **kw)


def test_url(one_server, issuer):
    server = one(one_server, issuer, 'AuthBearerKeys "%s"' % issuer.jwks_url)
    for _ in range(5):
        granted(server.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 1
    assert issuer.count("oauth") == issuer.count("oidc") == 0
    request = issuer.last("jwks")
    assert request.method == "GET"
    assert "Authorization" not in request.headers
    assert "Cookie" not in request.headers


def test_discover_rfc8414(one_server, issuer):
    """The well-known path goes in front of the issuer's path."""
    server = one(one_server, issuer)
    granted(server.get("/a", issuer.mint()))
    assert issuer.count("oauth") == 1 and issuer.count("oidc") == 0
    assert issuer.last("oauth").path.startswith(
        "/.well-known/oauth-authorization-server/t/")


def test_discover_oidc_second(one_server, issuer):
    issuer.script("oauth", status=404, body="no")
    server = one(one_server, issuer)
    granted(server.get("/a", issuer.mint()))
    assert issuer.count("oidc") == 1


def test_metadata_url(one_server, issuer):
    issuer.script("oauth", status=404, body="no")
    issuer.script("oidc", status=404, body="no")
    server = one(one_server, issuer,
                 'AuthBearerMetadata "%s/meta"' % issuer.url)
    granted(server.get("/a", issuer.mint()))
    assert issuer.count("meta") == 1
    assert issuer.count("oauth") == issuer.count("oidc") == 0


def test_metadata_off(one_server, issuer):
    server = one(one_server, issuer, 'AuthBearerMetadata off\n'
                 'AuthBearerKeys "%s"' % issuer.jwks_url)
    granted(server.get("/a", issuer.mint()))
    assert issuer.count("oauth") == issuer.count("oidc") == 0


MISMATCHES = {"slash": lambda url: url + "/", "case": str.upper,
              "other": lambda url: "https://evil.test", "absent": None,
              "number": lambda url: 5}


@pytest.mark.allow_log("AB0205")
@pytest.mark.parametrize("name", sorted(MISMATCHES))
def test_metadata_of_another_issuer_is_not_used(one_server, issuer, name):
    change = MISMATCHES[name]
    if change is None:
        del issuer.metadata["issuer"]
    else:
        issuer.metadata["issuer"] = change(issuer.url)
    server = one(one_server, issuer)
    refused(server.get("/a", issuer.mint()), 503, None, "unavailable", "keys",
            log=["'%s'" % issuer.url, re.compile(r"/\.well-known/")])
    assert issuer.count("jwks") == 0


@pytest.mark.allow_log("AB0205")
@pytest.mark.parametrize("more", [0, 1])
def test_metadata_has_a_bound(one_server, issuer, more):
    issuer.metadata["more"] = ""
    issuer.metadata["more"] = "x" * (
        64 * 1024 - len(json.dumps(issuer.metadata)) + more)
    res = one(one_server, issuer).get("/a", issuer.mint())
    if more:
        refused(res, 503, None, "unavailable", "keys", log=TOO_LARGE)
    else:
        granted(res)


@pytest.mark.allow_log("AB0205")
@pytest.mark.parametrize("uri", ["http://192.0.2.1/jwks", "file:///etc/passwd",
                                 "gopher://127.0.0.1/x", "", 7, None])
def test_metadata_with_unusable_jwks_uri(one_server, issuer, uri):
    issuer.metadata["jwks_uri"] = uri
    server = one(one_server, issuer)
    watch = Stopwatch(server)
    refused(server.get("/a", issuer.mint()), 503, None, "unavailable", "keys")
    assert watch.seconds < 5


# --- unknown kid, nothing usable --------------------------------------------

def test_unknown_kid_is_one_fetch(one_server, issuer):
    server = one(one_server, issuer)
    granted(server.get("/a", issuer.mint()))
    before = issuer.count("jwks")
    kids = itertools.count()

    def flood():
        for _ in range(20):
            kid = "flood-%d" % next(kids)
            invalid(server.get("/a", issuer.mint(header={"kid": kid})), "key")
        return issuer.count("jwks") > before
    wait_until(flood, 10, "keys that are not quite new are asked for again")
    flood()
    assert issuer.count("jwks") - before == 1
    granted(server.get("/a", issuer.mint()))


def test_rotation_is_seen_at_once(one_server, issuer):
    """The one refresh that an unknown kid may cause brings the new key."""
    server = one(one_server, issuer,
                 "AuthBearerKeysRefresh min=1s max=1h stale=1h")
    granted(server.get("/a", issuer.mint()))
    issuer.keys = ["rs256", "es256"]
    wait_until(lambda: server.get("/a", issuer.mint("es256")).status == 200,
               10, "the new key")
    granted(server.get("/a", issuer.mint("rs256")))


@pytest.mark.allow_log("AB0205")
def test_unknown_kid_while_the_refresh_fails(one_server, issuer):
    server = one(one_server, issuer,
                 "AuthBearerKeysRefresh min=1s max=1h stale=1h")
    granted(server.get("/a", issuer.mint()))
    issuer.script("jwks", status=500, body="")
    issuer.script("oauth", status=500, body="")
    issuer.script("oidc", status=500, body="")
    token = issuer.mint(header={"kid": "new"})
    res = wait_until(lambda: _is(server.get("/a", token), 503), 10, "503")
    refused(res, 503, None, "unavailable", "keys")
    granted(server.get("/a", issuer.mint()))


def _is(res, status):
    return res if res.status == status else None


@pytest.mark.allow_log("AB0205")
def test_nothing_usable_is_503(one_server, issuer):
    for kind in issuer.KINDS:
        issuer.script(kind, status=503, body="")
    server = one(one_server, issuer)
    for _ in range(10):
        refused(server.get("/a", issuer.mint()), 503, None, "unavailable",
                "keys")
    assert 1 <= issuer.count("oauth") <= 2, "a fetch per request, or none"


@pytest.mark.allow_log("AB0205")
def test_unreachable_issuer_is_explained(one_server):
    server = one_server(
        'AuthBearerUserFormat %u\nAuthBearerTimeout connect=1s total=1s\n'
        + issuer_block("http://127.0.0.1:9/x")
        + issuer_block("https://does-not-exist.invalid/") + location("/a"))
    refused(server.get("/a", mint(iss="http://127.0.0.1:9/x")), 503,
            check="keys", log="127.0.0.1:9")
    refused(server.get("/a", mint(iss="https://does-not-exist.invalid/")), 503,
            check="keys", log="does-not-exist.invalid")


@pytest.mark.allow_log("AB0205")
def test_comes_back(one_server, issuer):
    for kind in issuer.KINDS:
        issuer.script(kind, status=503, body="")
    server = one(one_server, issuer,
                 "AuthBearerKeysRefresh min=1s max=1h stale=1h")
    refused(server.get("/a", issuer.mint()), 503)
    issuer.reset()
    wait_until(lambda: server.get("/a", issuer.mint()).status == 200, 15,
               "the issuer is asked again")


@pytest.mark.allow_log("AB0205")
def test_bad_document_does_not_displace_a_good_one(one_server, issuer):
    server = one(one_server, issuer,
                 "AuthBearerKeysRefresh min=1s max=1s stale=1h")
    issuer.script("jwks", headers={"Cache-Control": "max-age=1"})
    granted(server.get("/a", issuer.mint()))
    for body in ("{broken", '{"keys": []}', '{"no": "keys"}', "[]"):
        issuer.script("jwks", body=body)
        before = issuer.count("jwks")
        wait_until(lambda: (server.get("/a", issuer.mint()).status == 200
                            and issuer.count("jwks") > before) or None, 15,
                   "a refresh")
        granted(server.get("/a", issuer.mint()))


# --- children, caches --------------------------------------------------------

def flood(server, make, n=24):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        from support import client
        jobs = [pool.submit(client.exchange, server.port, client.build(
            "GET", "/a", {"Authorization": "Bearer " + make()}))
            for _ in range(n)]
        return [client.Response(job.result()).status for job in jobs]


def test_shmcb_shares_one_fetch(one_server, issuer):
    server = one(one_server, issuer, conf="AuthBearerSOCache shmcb\n",
                 children=3)
    assert set(flood(server, issuer.mint)) == {200}
    assert issuer.count("jwks") == 1


def test_default_is_shmcb_where_loaded(one_server, issuer):
    server = one(one_server, issuer, children=3)
    assert set(flood(server, issuer.mint)) == {200}
    assert issuer.count("jwks") == 1


def test_without_socache_each_child_has_its_own(one_server, issuer):
    server = one(one_server, issuer, children=2, without=("socache_shmcb",))
    assert set(flood(server, issuer.mint)) == {200}
    assert 1 <= issuer.count("jwks") <= max(2, len(server.children()))
    notices = server.log_says("AB0401")
    assert [line.level for line in notices] == ["notice"], notices
    assert not server.log_says(None, "AuthBearerSOCache")


def test_cold_requests_together_are_one_fetch(one_server, issuer):
    issuer.script("jwks", delay=0.5)
    server = one(one_server, issuer, children=1)
    # half of the workers may wait for it
    assert {200} <= set(flood(server, issuer.mint)) <= {200, 503}
    assert set(flood(server, issuer.mint)) == {200}
    assert issuer.count("jwks") <= len(server.children())


def test_graceful_restart_keeps_serving(one_server, issuer):
    server = one(one_server, issuer)
    granted(server.get("/a", issuer.mint()))
    server.graceful()
    granted(server.get("/a", issuer.mint()))


def test_set_of_100_keys(one_server, issuer):
    pad = [key("rs256-x").jwk(kid="pad-%d" % i) for i in range(98)]
    issuer.keys = pad + ["rs256", "es256"]
    server = one(one_server, issuer)
    granted(server.get("/a", mint("es256", iss=issuer.url)))
    assert len(json.loads(jwks(*issuer.keys))["keys"]) == 100


def test_cache_headers_are_clamped(one_server, issuer):
    """max-age=0 does not mean a fetch per request."""
    issuer.script("jwks", headers={"Cache-Control": "no-store, max-age=0"})
    server = one(one_server, issuer)
    for _ in range(10):
        granted(server.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 1


# --- aliases, tenants, narrowing --------------------------------------------

@pytest.fixture(scope="module")
def many(new_server):
    return new_server("""
<AuthBearerIssuer "https://adfs.test/adfs" adfs>
    AuthBearerIssuerAlias "http://adfs.test/adfs/services/trust" adfs.test
    AuthBearerKeys "file:@ROOT@/a.json"
</AuthBearerIssuer>
<AuthBearerIssuer "https://login.test/{tenant}/v2.0" entra>
    AuthBearerTenants t-1 t-2
    AuthBearerKeys "file:@ROOT@/t.json"
</AuthBearerIssuer>
<AuthBearerIssuer "urn:any-string" urn>
    AuthBearerKeys "file:@ROOT@/a.json"
</AuthBearerIssuer>
AuthBearerUserFormat "%i/%t/%u"
""" + location("/a") + location(
        "/narrow", "AuthBearerAcceptIssuer https://adfs.test/adfs")
        + location("/narrow-urn", "AuthBearerAcceptIssuer urn:any-string\n"
                   'AuthBearerUserFormat "%u"'),
        files={"a.json": jwks("rs256"), "t.json": json.dumps({"keys": [
            key("es256").jwk(),
            key("es256-t1").jwk(issuer="https://login.test/t-1/v2.0"),
            key("es256-tpl").jwk(issuer="https://login.test/{tenantid}/v2.0"),
        ]})})


def test_aliases(many):
    for iss in ("https://adfs.test/adfs", "adfs.test",
                "http://adfs.test/adfs/services/trust"):
        granted(many.get("/a", mint(iss=iss)), "adfs//alice")
    invalid(many.get("/a", mint(iss="https://adfs.test/")), "issuer")


def test_any_string_is_an_issuer(many):
    granted(many.get("/a", mint(iss="urn:any-string")), "urn//alice")


def test_accept_issuer(many):
    granted(many.get("/narrow", mint(iss="adfs.test")), "adfs//alice")
    granted(many.get("/narrow-urn", mint(iss="urn:any-string")), "alice")
    invalid(many.get("/narrow", mint(iss="urn:any-string")), "issuer",
            log="AuthBearerAcceptIssuer")


def tenant(name):
    return "https://login.test/%s/v2.0" % name


def test_tenants(many):
    for name in ("t-1", "t-2"):
        user = "entra/%s/alice" % name
        granted(many.get("/a", mint("es256", iss=tenant(name))), user)
        granted(many.get("/a", mint("es256", iss=tenant(name), tid=name)), user)
    for name in ("t-3", "", "t-1/x", "T-1", "{tenant}", "t-1%2f", "..",
                 "x" * 65):
        invalid(many.get("/a", mint("es256", iss=tenant(name))), "issuer")
    invalid(many.get("/a", mint("es256", iss=tenant("t-1"), tid="t-2")),
            "issuer", "tenant")


def test_a_keys_own_issuer(many):
    granted(many.get("/a", mint("es256-t1", iss=tenant("t-1"))), None)
    invalid(many.get("/a", mint("es256-t1", iss=tenant("t-2"))), "key")


def test_tenants_file_grows(one_server):
    server = one_server("""
<AuthBearerIssuer "https://login.test/{tenant}/v2.0">
    AuthBearerTenants file:@ROOT@/tenants
    AuthBearerKeys "file:@ROOT@/t.json"
</AuthBearerIssuer>
AuthBearerUserFormat "%u@%t"
""" + location("/a"), files={"t.json": jwks("rs256"), "tenants": "t-1\n"})
    granted(server.get("/a", mint(iss=tenant("t-1"))), "alice@t-1")
    invalid(server.get("/a", mint(iss=tenant("t-2"))), "issuer")
    server.write("tenants", "# ours\nt-1\nt-2\n")
    wait_until(lambda: server.get("/a", mint(iss=tenant("t-2"))).status == 200,
               10, "the new tenant")


def test_verified_token_goes_with_its_tenant(one_server):
    """It is kept among the verified ones as any other, and not for a moment
    longer than its tenant is in the file."""
    server = one_server("""
<AuthBearerIssuer "https://login.test/{tenant}/v2.0">
    AuthBearerTenants file:@ROOT@/tenants
    AuthBearerKeys "file:@ROOT@/t.json"
</AuthBearerIssuer>
<Location "/bearer-status">
    SetHandler bearer-status
    Require local
</Location>
AuthBearerUserFormat "%u@%t"
""" + location("/a"), files={"t.json": jwks("rs256"), "tenants": "t-1\nt-2\n"})
    gone, stays = mint(iss=tenant("t-1")), mint(iss=tenant("t-2"))
    for _ in range(8):
        granted(server.get("/a", gone), "alice@t-1")
        granted(server.get("/a", stays), "alice@t-2")
    wait_until(lambda: server.get("/bearer-status?format=json").json()[
        "tokens"]["hits"] >= 4, 20, "they were kept")
    server.write("tenants", "t-2\n")
    watch = Stopwatch(server)
    wait_until(lambda: server.get("/a", gone).status == 401, 10, "the tenant")
    assert watch.seconds < 4
    granted(server.get("/a", stays), "alice@t-2")
    server.write("tenants", "t-2\nt-1\n")
    wait_until(lambda: server.get("/a", gone).status == 200, 10, "it is back")


@pytest.mark.allow_log("AB0794")
def test_tenants_star_warns(one_server):
    server = one_server("""
<AuthBearerIssuer "https://login.test/{tenant}/v2.0">
    AuthBearerTenants *
    AuthBearerKeys "file:@ROOT@/t.json"
</AuthBearerIssuer>
AuthBearerUserFormat "%u@%t"
""" + location("/a"), files={"t.json": jwks("rs256")})
    granted(server.get("/a", mint(iss=tenant("anybody"))), "alice@anybody")
    text = server.error_log() + server.start_output()
    assert re.search(message("AB0794", "AuthBearerTenants"), text)


# --- Kubernetes, SPIFFE ------------------------------------------------------

def test_fetch_auth(one_server, issuer):
    from support import secrets
    secrets.register("kubernetes-bearer-token-1")
    server = one(one_server, issuer,
                 'AuthBearerFetchAuth "file:@ROOT@/sa.token"',
                 files={"sa.token": "kubernetes-bearer-token-1\n"})
    granted(server.get("/a", issuer.mint()))
    assert issuer.last("jwks").headers["Authorization"] == \
        "Bearer kubernetes-bearer-token-1"


def test_fetch_auth_is_for_the_issuers_own_host(one_server, issuer):
    from support import secrets
    from support.issuer import IssuerHost
    secrets.register("kubernetes-bearer-token-2")
    elsewhere = IssuerHost()
    try:
        other = elsewhere.issuer("other")
        issuer.metadata["jwks_uri"] = other.jwks_url.replace(
            "127.0.0.1", "localhost")
        server = one(one_server, issuer,
                     'AuthBearerFetchAuth "file:@ROOT@/sa.token"',
                     files={"sa.token": "kubernetes-bearer-token-2\n"})
        granted(server.get("/a", issuer.mint()))
        assert "Authorization" not in other.last("jwks").headers
    finally:
        elsewhere.close()


def test_spiffe(one_server):
    bundle = json.dumps({"keys": [
        key("es256").jwk(use="jwt-svid", alg=None),
        key("rs256").jwk(use="x509-svid")], "spiffe_sequence": 1})
    server = one_server("""
<AuthBearerIssuer "spiffe://td.test">
    AuthBearerKeys "spiffe:@ROOT@/bundle.json"
</AuthBearerIssuer>
""" + location("/a"), files={"bundle.json": bundle})

    def svid(signer="es256", sub="spiffe://td.test/ns/a", **over):
        return mint(signer, header={"typ": "JOSE"}, payload=dict({
            "sub": sub, "aud": "api://test", "exp": int(time.time()) + 300},
            **over))
    granted(server.get("/a", svid()), "spiffe://td.test/ns/a")
    invalid(server.get("/a", svid(sub="spiffe://other.test/x")))
    invalid(server.get("/a", svid(sub="spiffe://td.test.evil/x")))
    invalid(server.get("/a", svid("rs256")), "key")
    invalid(server.get("/a", svid(aud="x")), "audience")


def test_plain_http_warns_for_other_hosts(checker, issuers):
    conf = "AuthBearerPlainHTTP hydra:4444\n" + issuer_block(
        "http://hydra:4444/") + location("/a")
    done = checker(conf)
    assert done.status == 0, done
    assert done.says("AB0769", "hydra:4444"), done


@pytest.mark.allow_log("AB0771 http_proxy")
def test_http_proxy_of_the_environment_is_ignored(one_server, issuer,
                                                  monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = one(one_server, issuer)
    granted(server.get("/a", issuer.mint()))
    assert server.log_says("AB0771", "AuthBearerHTTPProxy")


def test_es256k_and_hmac_when_named(one_server):
    server = one_server("""
<AuthBearerIssuer "https://k.test">
    AuthBearerAlgorithms ES256K HS256
    AuthBearerKeys "file:@ROOT@/k.json"
</AuthBearerIssuer>
""" + location("/a"), files={"k.json": jwks("es256k", "hs256")})
    granted(server.get("/a", mint("es256k", iss="https://k.test")))
    granted(server.get("/a", mint("hs256", iss="https://k.test")))
    invalid(server.get("/a", mint(iss="https://k.test")), "algorithm")
    assert ISS != tokens.AUD
