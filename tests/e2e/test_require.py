# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Require: claim, scope, role, issuer, bearer-expr; how httpd combines them;
and other modules that know a `claim` of their own."""
import os
import re

import pytest

from support import certs, missing
from support.expect import (anonymous, granted, invalid, issuer_conf,
                            key_files, refused)
from support.httpd import MODULES
from support.tokens import ISS, key, mint

pytestmark = pytest.mark.core

NESTED = {"realm_access": {"roles": ["user", "admin"]}, "a": {"b": {"c": "d"}},
          "a.b": "whole", "https://example.com/roles": ["admin"],
          "n": 5, "f": 1.5, "t": True, "no": False, "nil": None,
          "arr": ["x", 2, True], "email": "al.ice@example.com",
          "colon:name": "v", "empty": "", "zero": 0,
          "tilde~name": "w", "obj": {"k": "v"}, "nested": [["x"]],
          "uri": "https://h.test/x", "sp": "a b"}

PAYMENT = {"type": "payment", "actions": ["read", "write"],
           "locations": ["https://a.test/", "https://b.test/"]}

# What follows Require; claims of the token; is it enough?
MATCH = [
    # --- claim name:value
    ("claim sub:alice", {}, 1),
    ("claim sub:bob", {}, 0),
    ("claim sub:bob sub:alice", {}, 1),
    ("claim sub:ALICE", {}, 0),
    ("claim sub:ali", {}, 0),
    ("claim realm_access.roles:admin", NESTED, 1),
    ("claim realm_access.roles:root", NESTED, 0),
    ("claim a.b.c:d", {"a": {"b": {"c": "d"}}}, 1),
    ("claim a.b:whole", NESTED, 1),
    ("claim https://example.com/roles:admin", NESTED, 1),
    ("claim https://example.com/roles:user", NESTED, 0),
    ("claim uri:https://h.test/x", NESTED, 1),
    ("claim n:5", NESTED, 1),
    ("claim n:5.0", NESTED, 1),
    ("claim n:6", NESTED, 0),
    ("claim n:5", {"n": "5"}, 1),
    ("claim f:1.5", NESTED, 1),
    ("claim zero:0", NESTED, 1),
    ("claim t:true", NESTED, 1),
    ("claim t:false", NESTED, 0),
    ("claim no:false", NESTED, 1),
    ("claim nil:null", NESTED, 0),
    ("claim nil:null", {"nil": "null"}, 1),
    ("claim t:true", {"t": "true"}, 1),
    ("claim t", {"t": "false"}, 0),
    ("claim arr:x", NESTED, 1),
    ("claim arr:2", NESTED, 1),
    ("claim arr:true", NESTED, 1),
    ("claim arr:y", NESTED, 0),
    ("claim nested:x", NESTED, 0),
    ("claim obj:v", NESTED, 0),
    ("claim obj.k:v", NESTED, 1),
    (r"claim colon\:name:v", NESTED, 1),
    (r"claim tilde\~name:w", NESTED, 1),
    (r"claim a\.b:whole", NESTED, 1),
    (r"claim a\.b:whole", {"a": {"b": "whole"}}, 0),
    ("claim empty:", NESTED, 1),
    ('claim "sp:a b"', NESTED, 1),
    ("claim sp:a", NESTED, 0),
    ("claim missing:x", {}, 0),
    # --- scope claims match by member and whole
    ("claim scope:orders.read", {"scope": "x orders.read y"}, 1),
    ("claim scope:orders.re", {"scope": "x orders.read y"}, 0),
    ('claim "scope:x orders.read y"', {"scope": "x orders.read y"}, 1),
    ("claim scp:b", {"scp": ["a", "b"]}, 1),
    # --- claim name~regex
    ("claim email~@example[.]com$", NESTED, 1),
    ("claim email~^example", NESTED, 0),
    (r"claim email~^al\.ice@", NESTED, 1),
    (r"claim email~^[^@\s]+@example\.com$", NESTED, 1),
    ("claim sub~^(bob|alice)$", {}, 1),
    ("claim arr~^x$", NESTED, 1),
    ("claim arr~^2$", NESTED, 1),
    ("claim scope~^orders", {"scope": "x orders.read"}, 1),
    ("claim uri~https://h", NESTED, 1),
    ("claim https://example.com/roles~^adm", NESTED, 1),
    ("claim missing~.*", {}, 0),
    # --- claim name
    ("claim email", NESTED, 1),
    ("claim missing", {}, 0),
    ("claim nil", NESTED, 0),
    ("claim no", NESTED, 0),
    ("claim zero", NESTED, 1),
    ("claim empty", NESTED, 1),
    ("claim t", NESTED, 1),
    ("claim obj", NESTED, 1),
    ("claim a.b.c", NESTED, 1),
    ("claim https://example.com/roles", NESTED, 1),
    # --- expansion in values
    ("claim sub:%{REQUEST_METHOD}", {"sub": "GET"}, 1),
    ("claim sub:%{REQUEST_METHOD}", {}, 0),
    ("claim tenant:%{HTTP:X-Tenant}", {"tenant": "t1"}, 1),
    ("claim tenant:%{HTTP:X-Tenant}", {"tenant": "t2"}, 0),
    ("claim sub~%{REQUEST_METHOD}", {"sub": "GET"}, 0),
    ("bearer-claim sub:alice", {}, 1),
    ("bearer-claim sub:bob", {}, 0),
    # --- scope
    ("scope orders.read", {}, 1),
    ("scope a orders.read", {}, 1),
    ("scope orders.write", {}, 0),
    ("scope orders", {}, 0),
    ("scope a", {"scope": ["a", "b"]}, 1),
    ("scope a", {"scope": None, "scp": "a b"}, 1),
    ("scope a", {"scope": None, "scp": ["a", "b"]}, 1),
    ("scope a", {"scope": "ab"}, 0),
    ("scope a", {"scope": "b", "scp": "a"}, 1),
    ("scope a", {"scope": 5}, 0),
    # --- role: roles and groups pooled
    ("role admin", {"roles": ["admin"]}, 1),
    ("role admin", {"groups": ["admin"]}, 1),
    ("role admin ops", {"roles": ["dev"], "groups": ["ops"]}, 1),
    ("role admin", {"roles": ["administrator"]}, 0),
    ("role admin", {"roles": "admin"}, 1),
    ("role admin", {}, 0),
    ('role "team lead"', {"roles": ["team lead"]}, 1),
    # --- issuer
    ("issuer " + ISS, {}, 1),
    ("issuer https://issuer.test", {}, 0),
    ("issuer https://x.test/ " + ISS, {}, 1),
    # --- the outermost act
    ("actor proxy", {"act": {"sub": "proxy"}}, 1),
    ("actor other proxy", {"act": {"sub": "proxy"}}, 1),
    ("actor proxy", {"act": {"sub": "prox"}}, 0),
    ("actor inner", {"act": {"sub": "proxy", "act": {"sub": "inner"}}}, 0),
    ("actor inner", {"act": {"act": {"sub": "inner"}}}, 0),
    ("actor proxy", {"act": "proxy"}, 0),
    ("actor proxy", {"act": [{"sub": "proxy"}]}, 0),
    ("actor alice", {}, 0),
    # --- one object of authorization_details
    ("authorization-details payment", {"authorization_details": [PAYMENT]}, 1),
    ("authorization-details account", {"authorization_details": [PAYMENT]}, 0),
    ("authorization-details payment", {"authorization_details": PAYMENT}, 0),
    ("authorization-details payment", {"nested": {"authorization_details": [PAYMENT]}}, 0),
    ("authorization-details payment", {}, 0),
    ("authorization-details payment actions=read,write locations=https://a.test/",
     {"authorization_details": [{"type": "other"}, PAYMENT]}, 1),
    ("authorization-details payment actions=read,delete locations=https://a.test/",
     {"authorization_details": [PAYMENT, {"type": "payment", "actions": ["delete"]}]}, 0),
    # --- expressions that wait for authentication
    ("bearer-expr claim('sub') == 'alice'", {}, 1),
    ("bearer-expr claim('sub') == 'bob'", {}, 0),
    ("bearer-expr 'admin' in claims('realm_access.roles')", NESTED, 1),
    ("bearer-expr 'root' in claims('realm_access.roles')", NESTED, 0),
    ("bearer-expr claim('n') -gt 4", NESTED, 1),
    ("bearer-expr claim('missing') == ''", {}, 1),
    ("bearer-expr claim('email') =~ /@example\\.com$/", NESTED, 1),
    ("bearer-expr %{REQUEST_METHOD} == 'GET' && claim('t') == 'true'", NESTED,
     1),
    # --- httpd's own
    ("valid-user", {}, 1),
    ("user alice", {}, 1),
    ("user bob", {}, 0),
]


def place(path, requires, inside=""):
    return """
<Location "%s">
    AuthType Bearer
    AuthName "test"
    AuthBearerAudience api://test
    %s
    %s
</Location>
""" % (path, inside, requires)


BLOCKS = {
    "/any": "<RequireAny>\nRequire scope nope\nRequire claim sub:alice\n"
            "</RequireAny>",
    "/all": "<RequireAll>\nRequire scope orders.read\nRequire role admin\n"
            "</RequireAll>",
    "/none": "<RequireAll>\nRequire valid-user\n<RequireNone>\n"
             "Require claim blocked\n</RequireNone>\n</RequireAll>",
    "/not": "<RequireAll>\nRequire all granted\nRequire not claim blocked:true"
            "\n</RequireAll>",
    "/not-scope": "<RequireAll>\nRequire all granted\n"
                  "Require not scope internal\n</RequireAll>",
    "/not-role": "<RequireAll>\nRequire all granted\nRequire not role guest\n"
                 "</RequireAll>",
    "/not-issuer": "<RequireAll>\nRequire all granted\n"
                   "Require not issuer https://x.test\n</RequireAll>",
    "/not-actor": "<RequireAll>\nRequire all granted\nRequire not actor proxy\n"
                  "</RequireAll>",
    "/not-details": "<RequireAll>\nRequire all granted\n"
                    "Require not authorization-details payment\n</RequireAll>",
    "/not-expr": "<RequireAll>\nRequire all granted\n"
                 "Require not bearer-expr claim('sub') == 'bob'\n"
                 "</RequireAll>",
    "/not-method": "<RequireAll>\nRequire method GET\n"
                   "Require not claim blocked:true\n</RequireAll>",
    "/ip-or-scope": "Require ip 192.0.2.1\nRequire scope orders.read",
    "/host-or-scope": "Require local\nRequire scope orders.read",
    "/nested": "<RequireAny>\n<RequireAll>\nRequire scope a\nRequire role x\n"
               "</RequireAll>\n<RequireAll>\nRequire scope b\n"
               "Require claim sub:alice\n</RequireAll>\n</RequireAny>",
    "/leak": "<RequireAny>\nRequire scope first\nRequire scope second\n"
             "Require claim sub:alice\n</RequireAny>",
    "/granted": "Require all granted",
    "/env-expr": "Require expr %{env:BEARER_CLAIM_sub} == 'alice'",
}


@pytest.fixture(scope="module")
def server(new_server):
    conf = issuer_conf() + """
<AuthzProviderAlias claim owner "sub:alice">
</AuthzProviderAlias>
<AuthzProviderAlias scope reader "orders.read">
</AuthzProviderAlias>
"""
    seen = {}
    for rule, _, _ in MATCH:
        if rule not in seen:
            seen[rule] = "/m%d" % len(seen)
            line = rule
            if "bearer-expr" in rule:
                line = 'bearer-expr "%s"' % rule.partition(" ")[2]
            conf += place(seen[rule], "Require " + line)
    for path, block in BLOCKS.items():
        conf += place(path, block)
    conf += place("/off", "Require role admin",
                  "AuthzSendForbiddenOnFailure Off")
    conf += place("/on", "Require role admin",
                  "AuthzSendForbiddenOnFailure On")
    conf += place("/on-scope", "Require scope nope",
                  "AuthzSendForbiddenOnFailure On")
    conf += place("/alias", "Require owner")
    conf += place("/alias-scope", "Require reader")
    for strategy in ("exact", "hierarchic", "wildcard"):
        conf += place("/" + strategy, "Require scope foo.bar",
                      "AuthBearerScopeStrategy " + strategy)
        conf += place("/deep-" + strategy, "Require scope foo.a.b",
                      "AuthBearerScopeStrategy " + strategy)
    conf += place("/paths", "Require role admin",
                  "AuthBearerRolesClaim realm_access.roles "
                  "resource_access.api.roles\nAuthBearerGroupsClaim "
                  "https://x.test/groups")
    conf += place("/permissions", "Require scope read:x",
                  "AuthBearerScopeClaim permissions scope")
    # Merging: a part of a protected place, opened or narrowed.
    conf += place("/outer", "Require scope orders.read")
    conf += "<Location /outer/open>\nRequire all granted\n</Location>\n"
    conf += ("<Location /outer/and>\nAuthMerging And\nRequire role admin\n"
             "</Location>\n")
    conf += ("<Location /outer/not>\nAuthMerging And\n<RequireAll>\n"
             "Require all granted\nRequire not claim blocked:true\n"
             "</RequireAll>\n</Location>\n")
    conf += ("<Location /outer/nots>\n<RequireAll>\nRequire all granted\n"
             "Require not claim blocked:true\n</RequireAll>\n</Location>\n")
    server = new_server(conf, files=key_files("rs256"))
    server.rules = seen
    return server


@pytest.mark.parametrize("rule,over,ok", MATCH,
                         ids=["%02d-%s" % (i, row[0][:40])
                              for i, row in enumerate(MATCH)])
def test_match(server, rule, over, ok):
    token = mint(payload=None, **over) if "nil" not in over else mint(
        payload=dict(_claims(), **over))
    headers = {"X-Tenant": "t1"} if "X-Tenant" in rule else {}
    res = server.get(server.rules[rule], token, headers=headers)
    if ok:
        granted(res, None)
        return
    name = rule.split()[0]
    scopes = name == "scope" or rule.startswith(
        ("claim scope", '"claim scope', "claim scp"))
    refused(res, 403, "insufficient_scope" if scopes else None,
            "scope" if scopes else "require")
    if name not in ("user", "valid-user"):
        words = rule.split()[1].strip('"').split(":")[0].split("~")[0]
        if not name.endswith("expr"):
            assert res.logged(None, level="info"), res
            assert [line for line in res.log if line.module == "auth_bearer"
                    and words.replace("\\", "") in re.sub(
                        "%5c", "", line.text)], res


def _claims():
    from support.tokens import claims
    return claims()


@pytest.mark.parametrize("rule", sorted({row[0].split()[0] for row in MATCH}))
def test_without_token_everybody_is_asked_first(server, rule):
    """DENIED before authentication would be a 403 that no token can mend."""
    for known, path in server.rules.items():
        if known.split()[0] == rule:
            res = server.get(path)
            refused(res, 401, None, "no_credential")


def test_double_evaluation(server):
    """Refused before authentication, granted after it: one 200."""
    granted(server.get("/any", mint()))
    granted(server.get("/all", mint(roles=["admin"])))
    refused(server.get("/all", mint()), 403, None, "require")
    refused(server.get("/all", mint(roles=["admin"], scope="x")), 403,
            "insufficient_scope", scope="orders.read")


def test_require_none(server):
    granted(server.get("/none", mint()))
    refused(server.get("/none", mint(blocked=True)), 403)
    anonymous(server.get("/none"))


@pytest.mark.parametrize("path", ["/not", "/not-scope", "/not-role",
                                  "/not-issuer", "/not-expr", "/not-method",
                                  "/not-actor", "/not-details", "/outer/not", "/outer/nots"])
def test_require_not_never_opens(server, path):
    """`all granted` beside `not claim` must not mean: for everybody."""
    res = server.get(path)
    assert res.status == 401, res
    assert "error" not in res.challenge
    granted(server.get(path, mint()))
    invalid(server.get(path, mint(aud="x")), "audience")


@pytest.mark.parametrize("path,over", [
    ("/not", {"blocked": True}), ("/not-scope", {"scope": "internal"}),
    ("/not-role", {"roles": ["guest"]}), ("/not-expr", {"sub": "bob"}),
    ("/not-actor", {"act": {"sub": "proxy"}}),
    ("/not-details", {"authorization_details": [PAYMENT]}),
    # malformed: nobody knows
    ("/not-details", {"authorization_details": [{"x": 1}, PAYMENT]}),
    ("/not-details", {"authorization_details": PAYMENT}),
    ("/not-details", {"authorization_details": [{"type": 1}]}),
    ("/not-actor", {"act": "proxy"}), ("/not-actor", {"act": [{"sub": "proxy"}]}),
    ("/not-actor", {"act": {"sub": ["proxy"]}}),
    ("/not-method", {"blocked": True}), ("/outer/not", {"blocked": True}),
    ("/outer/nots", {"blocked": True})])
def test_require_not_refuses(server, path, over):
    refused(server.get(path, mint(**over)), 403)


def test_address_or_token(server):
    anonymous(server.get("/ip-or-scope"), scope="orders.read")
    granted(server.get("/ip-or-scope", mint()))
    # The address is enough: no token is asked for.
    granted(server.get("/host-or-scope"), None)


def test_nested_blocks(server):
    granted(server.get("/nested", mint(scope="b")))
    granted(server.get("/nested", mint(scope="a", roles=["x"], sub="bob")),
            "bob")
    refused(server.get("/nested", mint(scope="a")), 403, "insufficient_scope")


def test_challenge_never_on_a_granted_response(server):
    """Two scopes fail before the claim grants: nothing of them may show."""
    res = granted(server.get("/leak", mint()))
    assert not res.all("WWW-Authenticate")
    refused(server.get("/leak", mint(sub="bob")), 403, "insufficient_scope",
            scope="first second")


@pytest.mark.allow_log("AH01630")
def test_require_expr_on_environment_is_denied_before(server):
    """httpd's own `expr` is asked before there is a user; documented."""
    assert server.get("/env-expr", mint()).status == 403


def test_403_does_not_depend_on_a_directive(server):
    refused(server.get("/off", mint()), 403, None, "require")
    refused(server.get("/on", mint()), 403, None, "require")
    refused(server.get("/on-scope", mint()), 403, "insufficient_scope",
            scope="nope")
    anonymous(server.get("/on"))


def test_provider_alias(server):
    granted(server.get("/alias", mint()))
    refused(server.get("/alias", mint(sub="bob")), 403)
    anonymous(server.get("/alias"))
    granted(server.get("/alias-scope", mint()))
    refused(server.get("/alias-scope", mint(scope="x")), 403, "insufficient_scope",
            scope="orders.read")


STRATEGIES = [
    # granted scope, foo.bar under exact/hierarchic/wildcard, foo.a.b the same
    ("foo.bar", "111", "000"),
    ("foo", "010", "010"),
    ("foo.*", "001", "001"),
    ("foo.a", "000", "010"),
    ("foo.a.*", "000", "001"),
    ("foo.*.b", "000", "001"),
    ("*", "001", "001"),
    ("foo.", "000", "000"),
    ("fo", "000", "000"),
    ("foo.bar.", "000", "000"),
    ("foo.bar.*", "000", "000"),
    ("foo.b*", None, None),
]


@pytest.mark.parametrize("scope,two,three", STRATEGIES)
def test_scope_strategy(server, scope, two, three):
    for path, expected in (("/", two), ("/deep-", three)):
        for i, strategy in enumerate(("exact", "hierarchic", "wildcard")):
            res = server.get(path + strategy, mint(scope=scope))
            if expected is not None:
                assert res.status == (200 if expected[i] == "1" else 403), (
                    path, strategy, res)


def test_role_paths(server):
    granted(server.get("/paths", mint(realm_access={"roles": ["admin"]})))
    granted(server.get("/paths", mint(
        resource_access={"api": {"roles": ["admin"]}})))
    granted(server.get("/paths", mint(**{"https://x.test/groups": ["admin"]})))
    refused(server.get("/paths", mint(roles=["admin"])), 403)
    granted(server.get("/permissions", mint(permissions=["read:x"])))
    granted(server.get("/permissions", mint(scope="read:x")))


def test_parts_of_a_place(server):
    anonymous(server.get("/outer"), scope="orders.read")
    granted(server.get("/outer/open"), None)
    refused(server.get("/outer/and", mint()), 403)
    granted(server.get("/outer/and", mint(roles=["admin"])))


# --- .htaccess ---------------------------------------------------------------

HTACCESS = {
    "ok": "AuthType Bearer\nAuthName x\nAuthBearerAudience api://test\n"
          "Require claim sub:alice\n",
    "scope": "AuthType Bearer\nAuthBearerAudience api://test\n"
             "AuthBearerScopeStrategy hierarchic\nRequire scope orders.read\n",
    "noaud": "AuthType Bearer\nAuthName x\nRequire valid-user\n",
    "expand": "AuthType Bearer\nAuthBearerAudience api://test\n"
              "Require claim sub:%{REQUEST_METHOD}\n",
    "file-function": "AuthType Bearer\nAuthBearerAudience api://test\n"
                     "Require claim \"sub:%{file:/etc/hostname}\"\n",
    "expr-file": "AuthType Bearer\nAuthBearerAudience api://test\n"
                 "Require bearer-expr \"file('/etc/hostname') != ''\"\n",
    "token": "AuthType Bearer\nAuthBearerAudience api://test\n"
             "AuthBearerForward token\nRequire valid-user\n",
    "both": "AuthType Bearer\nAuthBearerAudience api://test\n"
            "AuthBearerForward identity token\nRequire valid-user\n",
    "identity": "AuthType Bearer\nAuthBearerAudience api://test\n"
                "AuthBearerForward none\nRequire valid-user\n",
}


@pytest.fixture(scope="module")
def htaccess(new_server):
    files = dict(key_files("rs256"))
    conf = issuer_conf()
    for name, text in HTACCESS.items():
        files["htdocs/files/%s/.htaccess" % name] = text
        files["htdocs/files/%s/page" % name] = "page\n"
    conf += """
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
    Require all denied
</Directory>
"""
    return new_server(conf, files=files)


def test_htaccess(htaccess):
    anonymous(htaccess.get("/files/ok/page"))
    granted(htaccess.get("/files/ok/page", mint()))
    refused(htaccess.get("/files/ok/page", mint(sub="bob")), 403)
    granted(htaccess.get("/files/scope/page", mint(scope="orders")))
    granted(htaccess.get("/files/expand/page", mint(sub="GET")), "GET")
    refused(htaccess.get("/files/expand/page", mint()), 403)


@pytest.mark.without_sessions("a place for sessions needs no audience")
@pytest.mark.allow_log("AB0060 AuthBearerAudience")
def test_htaccess_without_audience_is_500(htaccess):
    for token in (None, mint()):
        res = htaccess.get("/files/noaud/page", token)
        assert res.status == 500, res
        assert res.logged("AB0060", "AuthBearerAudience"), res


@pytest.mark.allow_log("AB0664", "AB0665")
@pytest.mark.parametrize("name", ["file-function", "expr-file"])
def test_htaccess_expressions_are_restricted(htaccess, name):
    assert htaccess.get("/files/%s/page" % name, mint()).status == 500


@pytest.mark.allow_log("AB0595 AuthBearerForward")
@pytest.mark.parametrize("name", ["token", "both"])
def test_htaccess_must_not_collect_tokens(htaccess, name):
    res = htaccess.get("/files/%s/page" % name, mint())
    assert res.status == 500
    assert res.logged("AB0595", "AuthBearerForward"), res


def test_htaccess_forward_none(htaccess):
    granted(htaccess.get("/files/identity/page", mint()))


# --- beside mod_auth_openidc -------------------------------------------------

OIDC = """
OIDCOAuthVerifyCertFiles theirs#@ROOT@/theirs.pem
OIDCCryptoPassphrase not-a-secret
OIDCOAuthRemoteUserClaim sub
<Location "/oidc">
    AuthType oauth20
    Require claim sub:carol
</Location>
<Location "/oidc-any">
    AuthType oauth20
    Require valid-user
</Location>
"""


@missing.needs("mod_auth_openidc",
               os.path.exists(MODULES + "/mod_auth_openidc.so"))
@pytest.mark.parametrize("first", ["openidc-first", "bearer-first"])
@pytest.mark.allow_log("no number: auth_openidc", "no number: oidc_")
def test_beside_mod_auth_openidc(new_server, first):
    modules = {"modules": ["auth_openidc"]} if first == "openidc-first" else {
        "after_module": ["auth_openidc"]}
    server = new_server(
        issuer_conf() + place("/bearer", "Require claim sub:alice")
        + place("/own", "Require bearer-claim sub:alice") + OIDC,
        files=dict(key_files("rs256"), **{
            "theirs.pem": certs.signing_certificate(key("rs256-theirs"))}),
        **modules)

    def works():
        for path in ("/bearer", "/own"):
            granted(server.get(path, mint()))
            refused(server.get(path, mint(sub="carol")), 403)
            anonymous(server.get(path))
        token = mint("rs256-theirs", header={"kid": "theirs"}, sub="carol")
        assert server.get("/oidc", token).status == 200
        token = mint("rs256-theirs", header={"kid": "theirs"}, sub="dave")
        assert server.get("/oidc", token).status in (401, 403)
        assert server.get("/oidc-any", token).status == 200
        assert server.get("/oidc").status == 401
    works()
    server.graceful()
    works()
    server.restart()
    works()
