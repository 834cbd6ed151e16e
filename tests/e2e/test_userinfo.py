# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The userinfo endpoint: when it is asked, and what counts of its answer."""
import json
import time

import pytest

from support import tokens
from support.browsing import (callback, no_session, op, signed_in,  # noqa: F401
                              site, store)
from support.op import Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")

LOCATION = '<Location "/app">\n%s\n</Location>'
GROUPS = LOCATION % ("AuthBearerGroupsClaim groups\nAuthBearerExport env claims=%s")


@pytest.fixture(autouse=True)
def offer(op):
    op.offer(userinfo_endpoint="userinfo")
    op.userinfo = {"sub": "alice", "groups": ["staff"], "nick": "ali",
                   "email": "other@example.test"}


def env_of(browser):
    return browser.get("/app/env").env


def refreshing(op, expires_in=5):
    op.refresh, op.expires_in = True, expires_in    # within the 30 s: due at once


def returned(browser, op):
    """A login up to the way back, before the session is used and refreshed."""
    assert browser.navigate(callback(browser, op)).status == 303


# -- when ----------------------------------------------------------------------

@pytest.mark.parametrize("conf,asked", [
    ({}, 0),
    ({"more": "AuthBearerUserinfo always"}, 1),
    ({"inside": "AuthBearerUserinfo always", "more": "AuthBearerUserinfo never"}, 1),
    ({"more": "AuthBearerUserinfo never\nAuthBearerGroupsClaim groups"}, 0),
    # what the configuration names, not what it means by default
    ({"more": "AuthBearerGroupsClaim groups"}, 1),
    ({"inside": "AuthBearerGroupsClaim groups"}, 1),
    ({"end": LOCATION % "AuthBearerGroupsClaim groups"}, 1),
    ({"more": "AuthBearerRolesClaim realm.roles"}, 1),
    ({"end": LOCATION % "AuthBearerExport env claims=name,nick"}, 1),
    ({"end": LOCATION % "AuthBearerExport env claims=name,email"}, 0),
    ({"end": LOCATION % "AuthBearerExport env"}, 0),
    ({"end": '<Location "/other">\nRequire claim department:sales\n</Location>'}, 1),
    ({"end": '<Location "/other">\nRequire claim name:Alice\n</Location>'}, 0),
    ({"end": '<Location "/other">\nRequire role admin\n</Location>'}, 0),
    ({"end": '<Location "/other">\nRequire bearer-claim name:Alice nick~^a\n</Location>'}, 1),
    # never taken from it
    ({"end": '<Location "/other">\nRequire claim tid:t acr:gold act.sub:a scope~x cnf azp '
             "amr:x\n</Location>\n" + LOCATION % "AuthBearerExport env claims=tid,act"}, 0),
    ({"end": '<Location "/other">\nRequire claim acr:gold action:a\n</Location>'}, 1),
], ids=str)
def test_when_it_is_asked(site, op, conf, asked):
    signed_in(Browser(site(**conf)))
    assert op.count("userinfo") == asked


@pytest.mark.allow_log("AB0821")
def test_another_virtual_host_names_it(site, op):
    """What a virtual host names is its own affair."""
    vhost = ('<VirtualHost *:1>\nServerName other.test\n<Location "/o">\n'
             'Require claim nick:ali\n</Location>\n</VirtualHost>')
    signed_in(Browser(site(end=vhost)))
    assert op.count("userinfo") == 0


def test_a_named_claim_that_is_null(site, op):
    op.id_token = {"groups": None}
    op.sign = lambda claims, header=None: tokens.mint(
        op.keys[0], header=header, payload={**{k: v for k, v in claims.items()
                                               if v is not None}, "groups": None})
    browser = Browser(site("AuthBearerGroupsClaim groups"))
    signed_in(browser)
    assert env_of(browser)["BEARER_GROUPS"] == "staff"


# -- what counts -----------------------------------------------------------------

def test_members_that_are_null(site, op):
    op.user = {"sub": "alice", "email": None}
    op.userinfo.update(email="a@example.test", email_verified=True, groups=None, nick=None)
    browser = Browser(site())
    signed_in(browser, user="a@example.test")
    env = env_of(browser)
    assert "BEARER_GROUPS" not in env and "BEARER_CLAIM_nick" not in env


def test_the_id_token_counts_first(site, op):
    op.user["groups"] = ["boss"]
    browser = Browser(site("AuthBearerUserinfo always"))
    signed_in(browser)
    env = env_of(browser)
    assert env["BEARER_GROUPS"] == "boss"
    assert env["BEARER_CLAIM_nick"] == "ali"
    assert env["BEARER_CLAIM_email"] == "alice@example.test"


@pytest.mark.core
def test_what_is_never_taken(site, op):
    names = ("iss aud exp iat nonce azp sid acr amr auth_time tid act cnf nbf jti "
             "at_hash c_hash scope").split()
    op.id_token = {"sid": None, "auth_time": None}
    op.userinfo.update({name: "evil" for name in names}, act={"sub": "evil"},
                       client_id="other", appid="other", cid="other")
    browser = Browser(site("AuthBearerUserinfo always"))
    signed_in(browser)
    env = env_of(browser)
    assert env["BEARER_CLAIM_nick"] == "ali"
    # ordinary claims, but the client is the one that the session began with
    assert env["BEARER_CLAIM_client_id"] == "other" and env["BEARER_CLIENT"] == op.client_id
    assert not [name for name, value in env.items() if "evil" in value], env


@pytest.mark.allow_log("AB0304")
def test_about_somebody_else(site, op):
    """Nothing is taken; the user is known without it."""
    op.userinfo["sub"] = "bob"
    server = site("AuthBearerUserinfo always")
    browser = Browser(server)
    signed_in(browser)
    assert "BEARER_CLAIM_nick" not in env_of(browser)
    assert server.log_says("AB0304")


@pytest.mark.parametrize("answer", [
    {"status": 401}, {"status": 403}, {"status": 500}, {"body": "x.y.z"},
    {"body": ""}, {"body": "[]"}, {"cut": True},
], ids=str)
def test_no_usable_answer_at_a_login(site, op, answer):
    op.script("userinfo", **answer)
    browser = Browser(site("AuthBearerGroupsClaim groups"))
    no_session(browser, browser.go("/app/x"), 503, "login_issuer")


# -- signed ------------------------------------------------------------------------

def signed(op, key=None, header=None, drop=(), **over):
    claims = {"iss": op.url, "aud": op.client_id, **op.userinfo, **over}
    claims = {k: v for k, v in claims.items() if k not in drop}
    token = tokens.mint(key or op.keys[0], header=header, payload=claims)
    op.script("userinfo", body=token + "\r\n", headers={"Content-Type": "application/jwt"})


def test_signed(site, op, store):
    browser = Browser(site("AuthBearerUserinfo always\nAuthBearerSessionStore " + store))
    signed(op)
    signed_in(browser)
    assert env_of(browser)["BEARER_GROUPS"] == "staff"


@pytest.mark.parametrize("how,check", [
    ({"key": "es256"}, "key"), ({"iss": "https://mallory.example/"}, "iss"),
    ({"aud": "other"}, "aud"), ({"aud": None}, "aud"), ({"drop": ["iss"]}, "iss"),
    ({"drop": ["aud"]}, "aud"), ({"exp": 1}, "exp"),
    ({"header": {"alg": "none"}}, "alg"), ({"header": {"alg": "HS256"}}, "alg"),
    ({"header": {"crit": ["x"], "x": 1}}, "crit"),
], ids=str)
def test_signed_wrongly(site, op, how, check):
    signed(op, **how)
    browser = Browser(site("AuthBearerUserinfo always"))
    res = no_session(browser, browser.go("/app/x"), 503, "login_issuer")
    assert res.logged("AB0047", ", %s: " % check), res.log


def test_encrypted(site, op):
    header = tokens.b64(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM"}).encode())
    op.script("userinfo", body=header + ".a.b.c.d",
              headers={"Content-Type": "application/jwt"})
    browser = Browser(site("AuthBearerUserinfo always"))
    res = no_session(browser, browser.go("/app/x"), 503, "login_issuer")
    assert res.logged("AB0047", "JWE"), res.log


# -- at a refresh --------------------------------------------------------------------

def test_groups_at_each_refresh(site, op, store):
    refreshing(op)
    browser = Browser(site("AuthBearerGroupsClaim groups\nAuthBearerSessionStore " + store))
    returned(browser, op)
    assert op.count("userinfo") == 1
    op.userinfo = {"sub": "alice", "groups": ["other"]}
    op.expires_in = 3600
    env = env_of(browser)
    assert op.count("userinfo") == 2
    assert env["BEARER_GROUPS"] == "other"
    assert "BEARER_CLAIM_nick" not in env, "the answer is replaced as a whole"


def test_a_refresh_without_an_id_token(site, op, store):
    refreshing(op)
    browser = Browser(site("AuthBearerGroupsClaim groups\nAuthBearerSessionStore " + store))
    returned(browser, op)
    op.tokens["id_token"] = None
    op.userinfo = {"sub": "alice", "groups": ["other"]}
    op.expires_in = 3600
    env = env_of(browser)
    assert env["BEARER_GROUPS"] == "other" and env["BEARER_CLAIM_name"] == "Alice"


def test_what_was_asked_once_is_asked_again(site, op):
    """Even if the new ID token has all that the configuration names."""
    refreshing(op)
    browser = Browser(site("AuthBearerGroupsClaim groups"))
    returned(browser, op)
    op.user["groups"] = ["boss"]
    op.userinfo = {"sub": "alice", "nick": "al"}
    op.expires_in = 3600
    env = env_of(browser)
    assert env["BEARER_GROUPS"] == "boss" and env["BEARER_CLAIM_nick"] == "al"


@pytest.mark.parametrize("status", [401, 403])
def test_refused_at_a_refresh(site, op, store, status):
    refreshing(op)
    browser = Browser(site("AuthBearerGroupsClaim groups\nAuthBearerSessionStore " + store))
    returned(browser, op)
    op.script("userinfo", status=status, body="")
    assert browser.clone().navigate("/app/x").status == 302
    op.script("userinfo")
    assert browser.navigate("/app/x").status == 302


@pytest.mark.allow_log("AB0318")
def test_not_to_be_asked_at_a_refresh(site, op, store):
    """The old part stays, and 10 s later userinfo alone is asked again."""
    refreshing(op)
    server = site("AuthBearerGroupsClaim groups\nAuthBearerSessionStore " + store)
    browser = Browser(server)
    returned(browser, op)
    op.script("userinfo", status=500, body="")
    op.expires_in = 3600
    before, n = op.count("userinfo"), op.count("token")
    for _ in range(3):
        assert env_of(browser)["BEARER_GROUPS"] == "staff"
    began = time.monotonic()
    assert op.count("userinfo") == before + 1 and op.count("token") == n + 1
    op.userinfo["groups"] = ["other"]
    op.script("userinfo")
    while op.count("userinfo") == before + 1:
        assert browser.navigate("/app/x").status == 200
        assert time.monotonic() - began < 30
        time.sleep(0.25)
    assert time.monotonic() - began > 8
    assert env_of(browser)["BEARER_GROUPS"] == "other"
    assert op.count("userinfo") == before + 2 and op.count("token") == n + 1


@pytest.mark.allow_log("AB0304")
def test_about_somebody_else_at_a_refresh(site, op):
    refreshing(op)
    browser = Browser(site("AuthBearerGroupsClaim groups"))
    returned(browser, op)
    op.userinfo["sub"] = "bob"
    op.expires_in = 3600
    assert "BEARER_GROUPS" not in env_of(browser)


def test_email_is_a_pair_at_a_refresh_too(site, op, store):
    """The address of one source is not verified by the other's word."""
    refreshing(op)
    op.user = {"sub": "alice"}
    op.userinfo = {"sub": "alice", "email": "a@example.test", "email_verified": True}
    browser = Browser(site("AuthBearerSessionStore " + store))
    returned(browser, op)
    op.user = {"sub": "alice", "email": "bob@example.test"}
    op.expires_in = 3600
    assert browser.navigate("/app/x").status == 403
