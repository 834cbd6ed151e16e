# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Require against an adversary: a rule that cannot be decided is no pass, however
it is written, negated, named by an alias or put into a container."""
import os
import re

import pytest

from support import missing
from support.browsing import SECRETS, conf as site_conf
from support.expect import (anonymous, granted, issuer_conf, key_files, location,
                            refused)
from support.httpd import MODULES
from support.issuer import headers_of
from support.op import Browser, Provider
from support.tokens import mint

pytestmark = pytest.mark.core

#: A function that cannot be evaluated; httpd says so itself, too.
NO_FILE = "file('/nonexistent')"
OWN_LINES = pytest.mark.allow_log("AB0060", "no number: Evaluation of expression",
                                  "no number: Cannot open file", "AH03318")


def block(*lines):
    return "<RequireAll>\nRequire all granted\n%s\n</RequireAll>" % "\n".join(lines)


def none(*lines):
    return block("<RequireNone>", *lines, "</RequireNone>")


#: Path: the rules; all of them meet a value that they cannot decide.
UNDECIDED = {
    "/claim": 'Require claim "g~(a+)+[yz]"',
    "/not-claim": block('Require not claim "g~(a+)+[yz]"'),
    "/not-bearer-claim": block('Require not bearer-claim "g~(a+)+[yz]"'),
    "/quoted-not": block('Require "not" claim "g~(a+)+[yz]"'),
    "/single-not": block("Require 'not' \"claim\" \"g~(a+)+[yz]\""),
    "/upper-not": block('require NOT claim "g~(a+)+[yz]"'),
    "/none": none('Require claim "g~(a+)+[yz]"'),
    "/none-deep": none("<RequireAll>", 'Require claim "g~(a+)+[yz]"',
                       "Require valid-user", "</RequireAll>"),
    "/second-item": block('Require not claim blocked:true "g~(a+)+[yz]"'),
    "/scope-regex": block('Require not claim "scope~(a+)+[yz]"'),
    "/alias": "Require hostile",
    "/not-alias": block("Require not hostile"),
    "/none-alias": none("Require hostile"),
    "/any": "<RequireAny>\nRequire claim \"g~(a+)+[yz]\"\nRequire claim sub:bob\n"
            "</RequireAny>",
    "/limit": block("<Limit GET>", 'Require not claim "g~(a+)+[yz]"', "</Limit>"),
    "/merged": block('Require not claim "g~(a+)+[yz]"'),
    "/expr": "Require bearer-expr \"%s == 'x'\"" % NO_FILE,
    "/not-expr": block("Require not bearer-expr \"%s == 'x'\"" % NO_FILE),
    "/none-expr": none("Require bearer-expr \"%s == 'x'\"" % NO_FILE),
    "/value": 'Require claim "sub:%{file:/nonexistent}"',
    "/not-value": block('Require not claim "sub:%{file:/nonexistent}"'),
    "/not-alias-value": block("Require not unreadable"),
    "/not-long": block('Require not claim "long~^x"'),
    "/not-long-expr": block("Require not bearer-expr \"claim('long') == 'x'\""),
    "/not-lines-expr": block("Require not bearer-expr \"claim('lines') == 'x'\""),
}
ALIASES = """
<AuthzProviderAlias claim hostile "g~(a+)+[yz]">
</AuthzProviderAlias>
<AuthzProviderAlias bearer-claim unreadable "sub:%{file:/nonexistent}">
</AuthzProviderAlias>
<AuthzProviderAlias scope reader "orders.read">
</AuthzProviderAlias>
<AuthzProviderAlias claim reads "scope:orders.read">
</AuthzProviderAlias>
<AuthzProviderAlias role "the-staff" staff>
</AuthzProviderAlias>
LimitRequestFieldSize 131072
"""
HOSTILE = {"g": "a" * 40 + "!", "scope": "x " + "a" * 40 + "!",
           "long": "x" * 9000, "lines": "a\nb"}


@pytest.fixture(scope="module")
def server(new_server):
    conf = ALIASES + issuer_conf()
    for path, rules in UNDECIDED.items():
        conf += location(path, rules, None)
    conf += "<Location /merged/more>\nAuthMerging And\nRequire valid-user\n</Location>\n"
    for path, rules in DECIDED.items():
        conf += location(path, rules, None)
    return new_server(conf, files=key_files(), h2=True)


@OWN_LINES
@pytest.mark.parametrize("path", [*UNDECIDED, "/merged/more"])
def test_undecided_is_500(server, wire, path):
    anonymous(server.get(path, h2=wire))
    res = server.get(path, mint(**HOSTILE), h2=wire)
    refused(res, 500, None, "misconfigured", "configuration")
    assert res.get("X-Test-User") in (None, "", "alice"), res
    line = res.logged("AB0060", "misconfigured/configuration", level="error")
    assert len(line) == 1, res
    assert re.search(r"Require (not )?(claim|bearer-expr) '", line[0].text), res


@pytest.mark.parametrize("path", [p for p in UNDECIDED
                                  if "g~" in UNDECIDED[p] or "long~" in UNDECIDED[p]])
def test_the_same_rules_decide_other_values(server, wire, path):
    """The bound is no nuisance: ordinary values are decided as ever."""
    positive = path in ("/claim", "/any")
    yes = mint(g=["team", "za", "az"], scope="x az", long="xz")
    no = mint(g=["team-" + "b" * 60] * 3, long="y")
    met = server.get(path, yes, h2=wire)
    unmet = server.get(path, no, h2=wire)
    assert (met.status, unmet.status) == ((200, 403) if positive else (403, 200)), (
        met, unmet)


# --- negation, however it is written ---------------------------------------------

NEGATED = {
    "/n-plain": 'Require not claim blocked:true',
    "/n-quoted": 'Require "not" claim blocked:true',
    "/n-single": "Require 'not' 'claim' blocked:true",
    "/n-upper": "REQUIRE NOT claim blocked:true",
    "/n-tab": "Require\tnot\tbearer-claim\tblocked:true",
    "/n-escaped": 'Require "not"  "bearer-claim" "blocked:true"',
    "/n-alias": "Require not banned",
    "/n-quoted-alias": 'Require "not" "banned"',
}
DECIDED = {path: block(rule) for path, rule in NEGATED.items()}
DECIDED.update({
    "/n-none-alias": none("Require banned"),
    "/n-none-deep": none("<RequireAny>", "Require banned", "Require scope x",
                         "</RequireAny>"),
})
ALIASES += """
<AuthzProviderAlias claim banned "blocked:true">
</AuthzProviderAlias>
"""


@pytest.mark.parametrize("path", list(DECIDED))
def test_negation_never_opens(server, wire, path):
    anonymous(server.get(path, h2=wire))
    granted(server.get(path, mint(), h2=wire))
    refused(server.get(path, mint(blocked=True), h2=wire), 403, None, "require")
    # many issuers write booleans as strings
    refused(server.get(path, mint(blocked="true"), h2=wire), 403, None, "require")


# --- aliases -------------------------------------------------------------------------

ALIAS_USES = {
    "/a-scope": "Require reader",
    "/a-claim": "Require reads",
    "/a-two": "Require reader\nRequire scope orders.write",
    "/a-all": "<RequireAll>\nRequire reader\nRequire valid-user\n</RequireAll>",
    "/a-any-open": "<RequireAny>\nRequire all granted\nRequire reader\n</RequireAny>",
    "/a-role": "Require the-staff",
    "/a-not": block("Require not reader"),
    "/a-none": none("Require reader"),
    "/a-both": "<RequireAny>\nRequire scope orders.write\n<RequireAll>\n"
               "Require valid-user\nRequire not reader\n</RequireAll>\n</RequireAny>",
}


@pytest.fixture(scope="module", params=["first", "last"])
def aliased(request, new_server):
    """httpd's module of the aliases is loaded before ours, and after it."""
    order = {"without": ("authz_core",), "after_module": ("authz_core",)}
    conf = ALIASES + issuer_conf() + "".join(
        location(path, rules, None) for path, rules in ALIAS_USES.items()) + """
<Directory "@ROOT@/htdocs/files">
    AllowOverride AuthConfig
</Directory>
"""
    files = dict(key_files())
    for name, rule in (("yes", "Require reader"),
                       ("no", block('Require "not" reader'))):
        files["htdocs/files/%s/.htaccess" % name] = (
            "AuthType Bearer\nAuthName x\nAuthBearerAudience api://test\n" + rule)
        files["htdocs/files/%s/page" % name] = "page\n"
    return new_server(conf, files=files, h2=True,
                      **(order if request.param == "last" else {}))


def test_alias_of_a_scope_keeps_the_challenge(aliased, wire):
    for path in ("/a-scope", "/a-claim", "/a-all", "/files/yes/page"):
        anonymous(aliased.get(path, h2=wire), scope="orders.read")
        granted(aliased.get(path, mint(), h2=wire))
        refused(aliased.get(path, mint(scope="x"), h2=wire), 403,
                "insufficient_scope", "scope", scope="orders.read")
    anonymous(aliased.get("/a-two", h2=wire), scope="orders.read orders.write")
    granted(aliased.get("/a-two", mint(), h2=wire))
    refused(aliased.get("/a-role", mint(), h2=wire), 403, None, "require")
    granted(aliased.get("/a-role", mint(roles=["staff"]), h2=wire))


def test_negated_alias_is_in_no_challenge(aliased, wire):
    for path in ("/a-not", "/a-none", "/files/no/page"):
        res = anonymous(aliased.get(path, h2=wire))
        assert "scope" not in res.challenge
        refused(aliased.get(path, mint(), h2=wire), 403, None, "require")
        granted(aliased.get(path, mint(scope="x"), h2=wire))
    # wanted in one branch, forbidden under another name in the other
    anonymous(aliased.get("/a-both", h2=wire), scope="orders.write")
    refused(aliased.get("/a-both", mint(), h2=wire), 403, "insufficient_scope",
            scope="orders.write")
    granted(aliased.get("/a-both", mint(scope="x"), h2=wire))


def test_alias_beside_open_rules_asks_nobody(aliased, wire):
    """What `Require all granted` opens stays open: the alias is not negated here,
    though it is in other sections."""
    granted(aliased.get("/a-any-open", h2=wire), None)


ALIAS_MISTAKES = [
    ("in-alias", "<AuthzProviderAlias scope r x>\nAuthBearerScopeStrategy wildcard\n"
                 "</AuthzProviderAlias>\n",
     ["AB0511", "AuthBearerScopeStrategy", "<AuthzProviderAlias>"]),
    ("of-alias", "<AuthzProviderAlias scope r x>\n</AuthzProviderAlias>\n"
                 "<AuthzProviderAlias r q x>\n</AuthzProviderAlias>\n",
     ["AB0666"]),
]


@pytest.mark.parametrize("name,conf,said", ALIAS_MISTAKES,
                         ids=[row[0] for row in ALIAS_MISTAKES])
def test_mistakes_about_aliases(checker, name, conf, said):
    done = checker(conf + issuer_conf(), files=key_files())
    assert done.status != 0 and done.says(*said), done


def test_the_internal_directive_does_nothing_in_a_file(checker):
    """mod_info's dump of a configuration has it, and may be loaded."""
    assert checker(ALIASES + "AuthBearer:wrap-alias reader\n"
                   "AuthBearer:wrap-alias valid-user\n" + issuer_conf(),
                   files=key_files()).status == 0


# --- where else a rule may stand ------------------------------------------------------

NOT_BLOCKED = block("Require not bearer-claim blocked:true")
DENY = "Satisfy any\nOrder deny,allow\nDeny from all\n"


@pytest.fixture(scope="module")
def elsewhere(new_server):
    conf = ALIASES + issuer_conf()
    for path, more in (("/no-type", ""), ("/type-none", "AuthType None"), (
            "/basic", 'AuthType Basic\nAuthName x\nAuthBasicProvider file\n'
            'AuthUserFile "@ROOT@/users"')):
        conf += '<Location "%s">\n%s\n%s\n</Location>\n' % (path, more, NOT_BLOCKED)
    for path, inside in (
            ("/satisfy", DENY + NOT_BLOCKED),
            ("/satisfy-undecided", DENY + block('Require not claim "g~(a+)+[yz]"')),
            ("/optional", "AuthBearerOptional On\n" + NOT_BLOCKED),
            ("/method", "<RequireAny>\nRequire method OPTIONS\nRequire reader\n"
             "</RequireAny>"),
            ("/limit", "<Limit POST>\nRequire reader\n</Limit>\n<LimitExcept POST>\n"
             + NOT_BLOCKED + "\n</LimitExcept>"),
            ("/if", "<If \"claim('sub') == 'alice'\">\n%s\n</If>\n<Else>\n"
             "Require all denied\n</Else>" % NOT_BLOCKED)):
        conf += location(path, inside, None)
    conf += ("<VirtualHost *:@PORT@>\nServerName v.test\n"
             + location("/v", "Require reader", None)
             + location("/vn", block("Require not reader"), None) + "</VirtualHost>\n")
    return new_server(conf, files=dict(
        key_files(), users="bob:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n"), h2=True,
        modules=("access_compat", "auth_basic", "authn_file"))


@pytest.mark.allow_log("AH00027", "AH01614", "AH01797")
def test_negation_opens_nothing_without_bearer(elsewhere, wire):
    """Under another AuthType that one says who it is; without any nobody can."""
    for token in (None, mint()):
        assert elsewhere.get("/no-type", token, h2=wire).status == 500
        assert elsewhere.get("/type-none", token, h2=wire).status == 500
        assert elsewhere.get("/basic", token, h2=wire).status == 401
    bob = {"Authorization": "Basic Ym9iOnBhc3M="}
    assert elsewhere.get("/basic", headers=bob, h2=wire).status == 200


@OWN_LINES
@pytest.mark.allow_log("AH01797", "AH01630")
def test_other_containers(elsewhere, wire):
    def status(path, **over):
        return elsewhere.get(path, mint(**over), h2=wire).status
    for path in ("/satisfy", "/satisfy-undecided", "/limit"):
        anonymous(elsewhere.get(path, h2=wire))
    assert (status("/satisfy"), status("/satisfy", blocked=True)) == (200, 403)
    assert status("/satisfy-undecided", **HOSTILE) == 500
    assert (status("/limit"), status("/limit", blocked="true")) == (200, 403)
    res = elsewhere.request("POST", "/limit", h2=wire)
    anonymous(res, scope="orders.read")
    granted(elsewhere.request("OPTIONS", "/method", h2=wire), None)
    anonymous(elsewhere.get("/method", h2=wire), scope="orders.read")
    assert elsewhere.get("/if", h2=wire).status == 403
    assert (status("/if"), status("/if", blocked=True)) == (200, 403)
    # who needs no token has no claims that could be forbidden
    assert elsewhere.get("/optional", h2=wire).status == 200
    assert (status("/optional"), status("/optional", blocked=True)) == (200, 403)


def test_aliases_in_a_virtual_host(elsewhere, wire):
    kw = {"host": "v.test", "h2": wire}
    anonymous(elsewhere.get("/v", **kw), scope="orders.read")
    granted(elsewhere.get("/v", mint(), **kw))
    res = anonymous(elsewhere.get("/vn", **kw))
    assert "scope" not in res.challenge
    refused(elsewhere.get("/vn", mint(), **kw), 403, None, "require")
    granted(elsewhere.get("/vn", mint(scope="x"), **kw))


def test_a_regex_in_an_expression_that_grants_by_not_matching_warns(checker):
    for rule, warns in (
            (block("Require not bearer-expr \"claim('g') =~ /a/\""), True),
            ("Require bearer-expr \"claim('g') !~ /a/\"", True),
            (none("Require bearer-expr \"claim('g') =~ /a/\""), True),
            ("Require bearer-expr \"claim('g') =~ /a/\"", False)):
        done = checker(issuer_conf() + location("/a", rule, None), files=key_files())
        assert done.status == 0, done
        line = done.says("AB0706", re.compile(r"httpd.conf:\d+:"), "Require bearer-expr")
        assert bool(line) == warns and (not line or " warning: " in line), done


# --- roles, groups and scopes that an application would read as others ---------------

ODD = [" admin", "admin ", "\tadmin", "admin\u00a0", "\u2003admin", "\ufeffadmin",
       "user,admin", "admin,", "ad\u0085min", "admin\n", "\u3000"]
NAMES = {
    "/r-admin": "Require role admin",
    "/r-user": "Require role user",
    "/r-not": block("Require not role admin"),
    "/r-claim": "Require claim roles:admin",
    "/r-regex": "Require claim roles~admin",
    "/r-scope": "Require scope orders.read",
    "/r-open": "Require valid-user",
}


@pytest.fixture(scope="module")
def names(new_server, backend):
    return new_server(issuer_conf() + "".join(
        location(path, rule + "\nAuthBearerExport both", None)
        for path, rule in NAMES.items()), files=key_files(), h2=True,
        backend=backend)


@pytest.mark.parametrize("kind,var,header", [
    ("roles", "BEARER_ROLES", "x-user-roles"),
    ("groups", "BEARER_GROUPS", "x-user-groups")])
@pytest.mark.parametrize("odd", ODD, ids=[ascii(o) for o in ODD])
def test_odd_role_counts_nowhere(names, wire, kind, var, header, odd):
    """Require, variable and header agree: such a role is none."""
    token = mint(jti=os.urandom(8).hex(), **{kind: ["user", odd]})
    refused(names.get("/r-admin", mint(**{kind: [odd]}), h2=wire), 403, None,
            "require")
    res = granted(names.get("/r-user/env", token, h2=wire))
    assert res.logged("AB0105", kind[:-1] + " '", level="info"), res
    assert res.env[var] == "user"
    granted(names.get("/r-not", token, h2=wire))
    seen = headers_of(granted(names.get("/r-user/be/x", token, h2=wire), None))
    assert seen[header] == ["user"]
    claim = seen.get("x-claim-" + kind, [""])[0]
    if "," not in odd:
        assert [part.strip() for part in claim.split(",")].count("admin") == 0, claim
    alone = names.get("/r-open/env", mint(**{kind: odd}), h2=wire)
    assert var not in granted(alone).env, alone
    if "," not in odd:
        assert "BEARER_CLAIM_" + kind not in alone.env, alone


def test_a_refusal_says_what_was_left_out(names, wire):
    res = names.get("/r-admin", mint(jti=os.urandom(8).hex(), roles=[" admin"]),
                    h2=wire)
    refused(res, 403, None, "require")
    assert res.logged("AB0105", "role ' admin'", level="info"), res


def test_rules_on_the_raw_claim(names, wire):
    """They compare what the token says; what they grant, no header repeats."""
    refused(names.get("/r-claim", mint(roles=[" admin"]), h2=wire), 403)
    res = granted(names.get("/r-regex/be/x", mint(roles=[" admin"]), h2=wire), None)
    seen = headers_of(res)
    assert "x-user-roles" not in seen and not seen.get("x-claim-roles", [""])[0]


def test_odd_scopes_count_nowhere(names, wire):
    for scope in ("x\torders.read", "x\u00a0orders.read", "orders.read\u2003",
                  ["orders.read\n"], ["\u3000orders.read"]):
        refused(names.get("/r-scope", mint(scope=scope), h2=wire), 403,
                "insufficient_scope", scope="orders.read")
        res = granted(names.get("/r-open/env", mint(scope=scope), h2=wire))
        assert "BEARER_SCOPE" not in res.env, res


def test_blanks_at_the_ends_of_a_claim_reach_the_backend(names, wire):
    """A server takes blanks off the ends of a field."""
    res = granted(names.get("/r-open/be/x", mint(level=" admin "), h2=wire), None)
    assert headers_of(res)["x-claim-level"] == ["%20admin%20"]


NEVER = [('Require role " admin"', ["role", "' admin'"]),
         ('Require role "CN=a,OU=b"', ["role", "'CN=a,OU=b'", "'groups:CN=a,OU=b'"]),
         ('Require role "" x', ["role", "''"]),
         ('Require scope "orders.read orders.write"',
          ["scope", "'orders.read orders.write'"]),
         (block('Require not role "staff "'), ["role", "'staff '"])]


@pytest.mark.parametrize("rule,said", NEVER, ids=[row[1][1] for row in NEVER])
def test_a_name_that_no_token_can_have_fails_configtest(checker, rule, said):
    done = checker(issuer_conf() + location("/a", rule, None), files=key_files())
    assert done.status != 0 and done.says("AB0662", *said), done


# --- beside mod_auth_openidc ---------------------------------------------------------

openidc = missing.needs(
    "mod_auth_openidc", os.path.exists(MODULES + "/mod_auth_openidc.so"))
ORDERS = {"theirs-first": {"modules": ["auth_openidc"]},
          "ours-first": {"after_module": ["auth_openidc"]}}


@openidc
@OWN_LINES
@pytest.mark.allow_log("no number: auth_openidc", "no number: oidc_", "AH01630",
                       "AB0815")
@pytest.mark.parametrize("order", sorted(ORDERS))
def test_unreadable_rule_beside_openidc(one_server, wire, order):
    """Whose rule it is, configtest can tell only where AuthType stands beside it."""
    conf = "OIDCCryptoPassphrase not-a-secret\n" + issuer_conf()
    for path, rule in (("/p", "Require claim g~("), ("/n", block(
            "Require not claim g~(")), ("/q", none("Require claim g~("))):
        conf += location(path, "", None)
        conf += "<Location %s/x>\n%s\n</Location>\n" % (path, rule)
    server = one_server(conf, files=key_files(), h2=True, **ORDERS[order])
    for path in ("/p/x", "/n/x", "/q/x"):
        anonymous(server.get(path, h2=wire))
        res = server.get(path, mint(), h2=wire)
        refused(res, 500, None, "misconfigured", "configuration")
        assert res.logged("AB0060", "'g~('", level="error"), res


@openidc
@pytest.mark.parametrize("order", sorted(ORDERS))
def test_unreadable_rule_beside_openidc_fails_configtest(checker, order):
    base = "OIDCCryptoPassphrase not-a-secret\n" + issuer_conf()
    for rule in ("Require claim g~(", block("Require not claim g~("),
                 none("Require claim dept == shop")):
        done = checker(base + location("/a", rule, None), files=key_files(),
                       **ORDERS[order])
        assert done.status != 0, done
        assert re.search(r"line \d+ of .*httpd.conf:\nAB0663: ", done.output), done
    theirs = '<Location "/b">\nAuthType oauth20\n%s\n</Location>\n' % block(
        "Require not claim g~(")
    assert checker(base + theirs, files=key_files(), **ORDERS[order]).status == 0


# --- what else reads tokens with regular expressions ------------------------------------

@OWN_LINES
def test_user_claim_that_cannot_be_read_is_500(one_server, wire):
    conf = issuer_conf() + "".join(
        location(path, "AuthBearerUserClaim upn %s $1" % pattern)
        for path, pattern in (("/u", '"^((a+)+)[$z]"'), ("/plain", '"^(.*)@x$"')))
    server = one_server("LimitRequestFieldSize 131072\n" + conf, files=key_files(),
                        h2=True, throttle=True)
    granted(server.get("/u", mint(upn="aaz"), h2=wire), "aa")
    refused(server.get("/u", mint(upn="bz"), h2=wire), 401, "invalid_token",
            "identifier", "user_claim")
    for path, upn in (("/u", "a" * 40 + "!"), ("/plain", "a" * 2100)):
        res = server.get(path, mint(upn=upn), h2=wire)
        refused(res, 500, None, "misconfigured", "configuration")
        assert res.logged("AB0060", "'upn'", level="error"), res


@OWN_LINES
@pytest.mark.allow_log("AB0763")
@pytest.mark.parametrize("store", ["cache", "cookie"])
def test_session_user_that_cannot_be_read_is_500(one_server, issuers, store, mpm):
    op = Provider(issuers, "rules-%s-%s" % (store, mpm))
    server = one_server(site_conf(
        op, 'AuthBearerSessionStore %s\nAuthBearerSessionUserClaim nick '
        '"^((a+)+)[$z]" $1' % store), files=SECRETS)
    op.user["nick"] = "aaz"
    assert Browser(server).go("/app/x").user == "aa"
    op.user["nick"] = "a" * 40 + "!"
    browser = Browser(server)
    res = browser.go("/app/x")
    assert res.status == 500, res
    assert not [n for n in browser.cookies if "session" in n], browser.cookies


# --- what it costs ---------------------------------------------------------------------

PATTERNS = [
    "(a+)+[yz]", "^(a+)+$", "(a|a)*[yz]", "(a|aa)+[yz]", "^(a|a?)+$", "(.*)(.*)(.*)[yz]",
    "([a-zA-Z]+)*[yz]", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a*)*[yz]", "a*a*[yz]",
    "a*a*a*[yz]", "(?:a?){9}[yz]", "(?:a?a?){6}[yz]", "[^=]*[=;]", "((a|b)*)[yz]",
    r"(a*)\1[yz]", r"(\w+\s?)+[yz]", ".*?.*?[yz]", "(?:a*?){4}[yz]", "(a+b?)+[yz]",
]
VALUES = {
    "100 groups of 20": ["a" * 19 + "!"] * 100,
    "100 groups of 60": ["a" * 59 + "!"] * 100,
    "100 groups of 250": ["a" * 249 + "!"] * 100,
    "30 groups of 2000": ["a" * 1999 + "!"] * 30,
}


def cpu_of(server):
    """Seconds of processor time that the children have used, system included."""
    used = 0
    for pid in server.children():
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                used += int(f.read().split()[0])
    return used / 1e9


@OWN_LINES
def test_hostile_patterns_are_bounded(one_server, capsys, mpm):
    """20 patterns times 100 groups: at most 100 ms of processor time each."""
    conf = "LimitRequestFieldSize 131072\n" + issuer_conf()
    for i, pattern in enumerate(PATTERNS):
        conf += location("/%d" % i, block('Require not claim "g~%s"' % pattern), None)
    server = one_server(conf, files=key_files())
    worst = (0, None)
    for name, groups in VALUES.items():
        token = mint(g=groups)
        for i, pattern in enumerate(PATTERNS):
            server.get("/%d" % i, mint(g="b"))
            before = cpu_of(server)
            res = server.get("/%d" % i, token)
            used = cpu_of(server) - before
            worst = max(worst, (used, "%s, %s: %d" % (pattern, name, res.status)))
            assert res.status in (200, 500), res
            if i < 5 and "60" in name:
                assert res.status == 500, (pattern, res)
    with capsys.disabled():
        print("\n%s: slowest of %d hostile patterns: %.1f ms of CPU (%s)" % (
            mpm, len(PATTERNS), worst[0] * 1000, worst[1]))
    assert worst[0] <= 0.1 * float(os.environ.get("BEARER_SLOW", "1")), worst


def test_ordinary_patterns_are_not_bounded_away(one_server):
    """200 groups, long scopes, ordinary regular expressions: decided."""
    groups = ["CN=team-%03d,OU=groups,DC=example,DC=test" % i for i in range(200)]
    scope = " ".join("https://api.example.test/mail.read.%d" % i for i in range(100))
    patterns = [r"^CN=team-199,", r"OU=groups.*DC=test$", r"^CN=([a-z]+-)+199",
                r".*team-199.*", r"^[^,]+199,OU=[a-z]+,", r"(^|,)CN=team-199(,|$)"]
    conf = "LimitRequestFieldSize 131072\n" + issuer_conf()
    for i, pattern in enumerate(patterns):
        conf += location("/g%d" % i, "", 'claim "g~%s"' % pattern)
    conf += location("/s0", "", r'claim "scope~mail\.read\.99$"')
    conf += location("/s1", block(r'Require not claim "scope~\.write(\.|$)"'), None)
    server = one_server(conf, files=key_files())
    token = mint(g=groups, scope=scope)
    for path in ["/g%d" % i for i in range(len(patterns))] + ["/s0"]:
        granted(server.get(path, token))
    token = mint(g=groups, scope=scope[:2000])
    granted(server.get("/s1", token))
