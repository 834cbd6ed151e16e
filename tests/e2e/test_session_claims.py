# Licensed under the Apache License, Version 2.0; see LICENSE.
"""AuthBearerSessionClaims: what a session keeps, and that a rule about a claim that it
did not keep is never decided as if the claim were absent."""
import os
import uuid

import pytest

from support.browsing import (SECRETS, callback, conf, no_session, op,  # noqa: F401
                              signed_in, site, store)
from support.op import Browser

pytestmark = pytest.mark.allow_log("AB0763")

WITHOUT = "AuthBearerSessionClaims !groups !suspended !address !dept"

AUTHORS = """
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig FileInfo
</Directory>
<Location "/files">
    AuthType Bearer
    AuthBearerSession On
</Location>
"""


def every(*lines):
    return "<RequireAll>\nRequire valid-user\n%s\n</RequireAll>" % "\n".join(lines)


#: (what an author writes, is it granted: None: it cannot be decided)
RULES = [
    ("Require claim name:Alice", True),
    ("Require claim nothing", False),
    ("Require claim groups:x", None),
    ("Require claim groups:staff", None),
    ("Require claim address.country:FR", None),
    ("Require claim groups:x name:Alice", True),
    (every("Require not claim nothing"), True),
    (every("Require not claim suspended"), None),
    (every("Require not claim suspended:false"), None),
    (every("Require not claim groups~^x"), None),
    (every("Require not claim address.country:DE"), None),
    (every(r"Require not claim address\\.country:DE"), True),
    (every("<RequireNone>", "Require claim suspended:false", "</RequireNone>"), None),
    (every("<RequireNone>", "Require role x", "</RequireNone>"), None),
    ("<RequireAny>\nRequire claim groups:x\nRequire claim name:Alice\n</RequireAny>", True),
    ("<RequireAny>\nRequire claim groups:x\nRequire claim name:Bob\n</RequireAny>", None),
    ("Require role admin", True),
    ("Require role x", None),
    (every("Require not role x"), None),
    (every("Require not role admin"), False),
    (every("Require not scope x"), True),
    ("Require bearer-expr \"claim('name') == 'Alice'\"", True),
    ("Require bearer-expr \"claim('dept') != 'x'\"", None),
    ("Require bearer-expr \"!('x' in claims('groups'))\"", None),
    ("Require bearer-expr \"claim('address.country') == ''\"", None),
    (every("Require not bearer-expr \"claim('dept') == 'x'\""), None),
    ("Require expr \"claim('dept') != 'x'\"", None),
    ("Require claim name:%{claim:dept}", None),
    (every("Require not claim name:%{claim:dept}"), None),
    ("<If \"claim('dept') == 'x'\">\nRequire all denied\n</If>\n<If \"claim('dept') != 'x'\">\n"
     "Require valid-user\n</If>", None),
    ("Require valid-user\nRewriteEngine On\nRewriteCond expr \"claim('dept') == 'x'\"\n"
     "RewriteRule ^ - [F]", None),
    ("Require valid-user\nAuthBearerExport env claims=dept,name\nRewriteEngine On\n"
     "RewriteCond %{ENV:BEARER_CLAIM_dept} =x\nRewriteRule ^ - [F]", None),
    ("Require valid-user\nAuthBearerExport env claims=name\nRewriteEngine On\n"
     "RewriteCond %{ENV:BEARER_CLAIM_name} =x\nRewriteRule ^ - [F]", True),
    ("Require valid-user\nRewriteEngine On\nRewriteCond expr \"claim('name') == 'x'\"\n"
     "RewriteRule ^ - [F]", True),
]


def person(op):
    op.user.update(groups=["staff"], suspended=True, address={"country": "DE"}, dept="x",
                   roles=["admin"])


def refused(browser, path):
    res = browser.get(path)
    assert res.status == 403 and res.check == "require", res
    assert res.logged("AB0059", "AuthBearerSessionClaims"), res
    return res


@pytest.mark.core
def test_rules_of_htaccess(site, op, store):
    person(op)
    server = site(WITHOUT + "\nAuthBearerSessionStore " + store, end=AUTHORS, files={
        name: text for i, (rule, _) in enumerate(RULES) for name, text in (
            ("htdocs/files/%d/.htaccess" % i, rule + "\n"),
            ("htdocs/files/%d/x.txt" % i, "x"))})
    browser = Browser(server)
    signed_in(browser)
    env = browser.get("/app/env").env
    assert env["BEARER_CLAIM_name"] == "Alice" and env["BEARER_ROLES"] == "admin"
    assert not {"BEARER_CLAIM_dept", "BEARER_CLAIM_suspended", "BEARER_GROUPS"} & set(env)
    for i, (rule, granted) in enumerate(RULES):
        path = "/files/%d/x.txt" % i
        if granted is None:
            refused(browser, path)
        else:
            assert browser.get(path).status == (200 if granted else 403), rule


LATER = """
<Location "/app/members">
    <RequireAll>
        Require valid-user
        Require not claim groups:boss
    </RequireAll>
</Location>
<Location "/app/scope">
    Require scope x
</Location>
"""


@pytest.mark.core
def test_a_policy_that_changes(site, op, store):
    """What a session did not keep stays unknown, also if the rule comes later."""
    person(op)
    more = WITHOUT + " !perms\nAuthBearerSessionStore " + store
    op.user["perms"] = "x"
    server = site(more, end="# later\n")
    browser = Browser(server)
    signed_in(browser)
    server.rewrite("# later\n", LATER)
    server.rewrite(WITHOUT + " !perms", "AuthBearerScopeClaim perms")
    server.graceful()
    refused(browser, "/app/members")
    assert browser.get("/app/x").status == 200
    res = browser.get("/app/scope")
    assert res.status == 403 and res.logged("AB0058", "AuthBearerSessionClaims"), res
    again = Browser(server)
    signed_in(again, "/app/members")
    assert again.get("/app/scope").status == 200
    server.rewrite("AuthBearerScopeClaim perms", "AuthBearerSessionUserClaim dept")
    server.graceful()
    res = browser.get("/app/x")
    assert res.status == 403 and res.check == "session_user", res
    assert again.get("/app/x").user == "x"


@pytest.mark.allow_log("AB0318")
@pytest.mark.parametrize("fresh", [True, False], ids=["new-id-token", "none"])
def test_after_a_refresh(site, op, store, fresh):
    person(op)
    op.offer(userinfo_endpoint="userinfo")
    op.userinfo = {"sub": "alice", "nick": "ali", "badge": 7}
    server = site(WITHOUT + " !badge\nAuthBearerUserinfo always\nAuthBearerSessionStore "
                  + store, end=AUTHORS, files={
                      "htdocs/files/%s/.htaccess" % name: every("Require not claim " + name)
                      for name in ("suspended", "badge", "nothing")})
    op.refresh, op.expires_in = True, 5
    browser = Browser(server)
    assert browser.navigate(callback(browser, op)).status == 303
    op.expires_in = 3600
    if not fresh:
        op.tokens = {"id_token": None}
        op.script("userinfo", status=500)
    env = browser.get("/app/env").env
    assert op.count("token") == 2
    assert env["BEARER_CLAIM_name"] == "Alice" and env["BEARER_CLAIM_nick"] == "ali"
    for _ in range(2):
        refused(browser, "/files/suspended/")
        refused(browser, "/files/badge/")
        assert browser.get("/files/nothing/").status == 404
    browser.sign_out()


@pytest.mark.allow_log("AB0055")
def test_entra_with_200_groups_in_the_cookie(site, op):
    op.user.update(groups=[str(uuid.uuid4()) for _ in range(200)], oid=str(uuid.uuid4()),
                   tid=str(uuid.uuid4()), preferred_username="alice@example.test")
    op.tokens = {"access_token": os.urandom(1100).hex()[:1500]}
    op.id_token = {"at_hash": None}
    op.offer(end_session_endpoint="end")
    server = site("AuthBearerSessionStore cookie")
    browser = Browser(server)
    res = no_session(browser, browser.go("/app/x"), 500, "session_size")
    assert res.logged("AB0055", "AuthBearerSessionStore cache", "AuthBearerSessionClaims")
    server.rewrite("AuthBearerSessionStore", "AuthBearerSessionClaims !groups\n"
                   "AuthBearerSessionStore")
    server.graceful()
    browser = Browser(server)
    signed_in(browser)
    env = browser.get("/app/env").env
    assert env["BEARER_CLAIM_oid"] == op.user["oid"] and "BEARER_CLAIM_groups" not in env
    browser.sign_out()
    # the ID token is not kept, so it is no hint
    assert op.ended["client_id"] == "app" and "id_token_hint" not in op.ended


@pytest.mark.parametrize("more,inside,end,kept", [
    ("AuthBearerSessionClaims name", "", "", "name"),
    ("AuthBearerSessionClaims name", "AuthBearerSessionClaims dept", "", "dept"),
    ("AuthBearerSessionClaims !name !dept", "AuthBearerSessionClaims *", "",
     "address dept groups name roles suspended"),
    # what the configuration names
    ("AuthBearerSessionClaims name", "AuthBearerGroupsClaim groups", "", "groups name"),
    ("AuthBearerSessionClaims name\nAuthBearerScopeClaim dept", "", "", "dept name"),
    ("AuthBearerSessionClaims name", "", '<Location "/x">\nRequire claim address.country:x\n'
     "Require role x\n</Location>", "address groups name roles"),
    ("AuthBearerSessionClaims name", "", "<Location \"/x\">\nRequire bearer-expr "
     "\"claim('dept') == 'x' && 'a' in claims('roles')\"\n</Location>", "dept name roles"),
    ("AuthBearerSessionClaims name", "", '<Location "/x">\n'
     "AuthBearerExport env claims=suspended\n</Location>", "name suspended"),
    ("AuthBearerSessionClaims name\nAuthBearerSessionUserClaim dept", "", "", "dept name"),
], ids=range(9))
def test_what_is_kept(site, op, more, inside, end, kept):
    person(op)
    browser = Browser(site(more, inside=inside, end=end))
    assert browser.go("/app/x").status == 200
    env = browser.get("/app/env").env
    found = {name for name in [*op.user, "iss", "sid"] if "BEARER_CLAIM_" + name in env}
    always = {"sub", "iss", "sid"}
    if "UserClaim" not in more and "*" not in inside:
        always |= {"email", "email_verified"}
    assert found - {"email", "email_verified"} | (found & always) == always | set(kept.split())


@pytest.mark.parametrize("more,end,words", [
    ("!sub", "", ["AB0609", "sub"]),
    ("!acr", "", ["AB0609", "acr"]),
    ("name !dept", "", ["AB0608", "'!dept'"]),
    ("!name dept", "", ["AB0608", "'dept'"]),
    ("* name", "", ["AB0608", "'*'"]),
    ("!", "", ["AB0608", "'!'"]),
    ("!email", "", ["AB0850", "!email"]),
    ("!email_verified", "", ["AB0850", "!email_verified"]),
    ("!name !dept", '<Location "/x">\nRequire claim dept.x:y\n</Location>',
     ["AB0850", "!dept"]),
    ("!dept", '<Location "/app">\nAuthBearerRolesClaim dept\n</Location>', ["AB0850", "!dept"]),
    ("!dept", '<Location "/app">\nAuthBearerExport env claims=dept\n</Location>',
     ["AB0850", "!dept"]),
    ("!dept", '<Location "/app">\nHeader set X "expr=%{claim:dept}"\n</Location>',
     ["AB0850", "!dept"]),
    ("!dept\nAuthBearerScopeClaim dept", "", ["AB0850", "!dept"]),
    ("!dept\nAuthBearerGroupsClaim a.dept dept.a", "", ["AB0850", "!dept"]),
    ("!dept\nAuthBearerGroupsClaim a.dept", "", []),
    ("!groups", '<Location "/x">\nRequire role x\n</Location>', []),
    ("!dept", '<VirtualHost *:1>\nServerName other.test\n<Location "/o">\n'
     "Require claim dept:x\n</Location>\n</VirtualHost>", []),
], ids=range(17))
def test_configtest(checker, op, more, end, words):
    done = checker(conf(op, "AuthBearerSessionClaims " + more, end=end), files=SECRETS)
    assert (done.status != 0) == bool(words), done
    assert not words or done.says(*words), done
