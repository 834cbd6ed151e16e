# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What configtest says of directives that are written and do not count."""
import os
import re

import pytest

from support import missing
from support.expect import issuer_conf, key_files, location
from support.httpd import wait_until

ISSUER = issuer_conf()
KEYS = key_files()
SESSIONS = ('AuthBearerSecretFile "@ROOT@/session.secret"\n'
            + issuer_conf('AuthBearerClientID me\nAuthBearerClientSecret '
                          '"file:@ROOT@/client.secret"'))
SESSION_FILES = dict(KEYS, **{"session.secret": ("x" * 40, 0o600),
                              "client.secret": ("y" * 40, 0o600)})

def hosts(issuer="", inside=""):
    """An issuer of the main server, and a virtual host that inherits it."""
    return (issuer_conf(issuer) + "<VirtualHost *:@PORT@>\nServerName a.test\n"
            + inside + location("/a") + "</VirtualHost>\n")


@pytest.mark.parametrize("line,other", [
    ("AuthBearerAudience api://a", "AuthBearerAudience api://b"),
    ("AuthBearerNoAudience refuse",
     "AuthBearerNoAudience accept\nAuthBearerClients x"),
    ("AuthBearerClients a b", "AuthBearerClients a"),
    ("AuthBearerIDTokens refuse", "AuthBearerIDTokens scoped"),
])
def test_issuers_override_a_virtual_host(checker, line, other):
    """Every issuer that it inherits has another value: an error; some: a
    warning; equal values: nothing."""
    name = line.split()[0]
    done = checker(hosts(other, line + "\n"), files=KEYS)
    assert done.status != 0 and done.says("AB0812", name, "main"), done
    two = issuer_conf(url="https://two.test/", name="two")
    done = checker("AuthBearerUserFormat %u@%i\n" + two
                   + hosts(other, line + "\n"), files=KEYS)
    assert done.status == 0 and done.says("AB0813", name, 1, 2), done
    done = checker(hosts(line, line + "\n"), files=KEYS)
    assert done.status == 0 and not done.says(None, name), done


def test_a_virtual_host_overridden_by_its_own_issuers(checker):
    """Its own issuer sections stand beside the line: nothing is hidden."""
    done = checker("<VirtualHost *:@PORT@>\nServerName a.test\n"
                   "AuthBearerAudience api://a\n"
                   + issuer_conf("AuthBearerAudience api://b") + location("/a")
                   + "</VirtualHost>\n", files=KEYS)
    assert done.status == 0 and not done.says("AB0812"), done


def test_dump_says_what_counts_for_a_virtual_host(checker):
    done = checker(hosts("AuthBearerClockSkew 5s\nAuthBearerUserChars strict",
                         "AuthBearerClockSkew 7s\nAuthBearerUserChars "
                         "printable\n"), "-D", "DUMP_BEARER", files=KEYS)
    servers = done.output.partition("mod_auth_bearer: servers\n")[2]
    servers = servers.partition("mod_auth_bearer: sections")[0]
    assert re.search(r"server a\.test .*\n"
                     r"(?:    .*\n)*    AuthBearerUserChars printable\n"
                     r"    AuthBearerUserChars strict   # tokens of issuer",
                     servers), done.output


@pytest.mark.parametrize("name,values", [
    ("AuthBearerAudience", "api://a api://b"), ("AuthBearerClients", "a b"),
    ("AuthBearerAlgorithms", "RS256 ES256"), ("AuthBearerRolesClaim", "a b"),
])
def test_a_list_twice_in_a_section(checker, name, values):
    first, second = values.split()
    twice = "%s %s\n%s %s\n" % (name, first, name, second)
    done = checker(twice + ISSUER + location("/a"), files=KEYS)
    assert done.status != 0 and done.says("AB0811", name), done
    once = ("%s %s\n<VirtualHost *:@PORT@>\n%s %s\n</VirtualHost>\n"
            % (name, first, name, second))
    done = checker(once + ISSUER + location("/a"), files=KEYS)
    assert not done.says("AB0811"), done


@pytest.mark.parametrize("value,told", [
    ('"a, b"', True), ("a, b", True), ("a,b", True), ("a b", False)])
def test_commas_between_names(checker, value, told):
    done = checker(ISSUER + location("/a", "AuthBearerClients " + value),
                   files=KEYS)
    assert done.status == 0 and bool(done.says("AB0814")) == told, done


def open_place(rule="", inside=""):
    return ('%s<Location "/a">\nAuthType Bearer\nAuthBearerAudience x\n%s'
            "</Location>\n" % (rule, inside))


@pytest.mark.parametrize("conf,number", [
    (open_place('<Location "/">\nRequire all granted\n</Location>\n'), "AB0815"),
    (open_place('<Directory "@ROOT@/htdocs">\nRequire all granted\n'
                "</Directory>\n"), "AB0815"),
    (open_place(), "AB0815|AB0816"),  # as httpd.conf of the tests has it
    (open_place('<Location "/">\nRequire valid-user\n</Location>\n'), None),
    (open_place("", "Require valid-user\n"), None),
    (open_place("", "Require all granted\n"), None),
    (open_place("", "<RequireAny>\nRequire scope a\n</RequireAny>\n"), None),
    (open_place('<Location "/b">\nRequire valid-user\n</Location>\n'),
     "AB0815|AB0816"),
])
def test_nothing_asks_for_a_user(checker, conf, number):
    """A Require that is inherited and lets everybody in: a bad token gets
    200."""
    done = checker(ISSUER + conf, files=KEYS)
    assert done.status == 0, done
    assert bool(done.says(number or "AB0815|AB0816")) == bool(number), done


def test_login_without_session(checker):
    """Also where AuthType stands in another section."""
    conf = SESSIONS + location("/") + ('<Location "/in">\nAuthBearerLogin On\n%s'
                                       "</Location>\n")
    done = checker(conf % "", files=SESSION_FILES)
    assert done.status != 0 and done.says("AB0702", "AuthBearerLogin On",
                                          "AuthBearerSession On"), done
    done = checker(conf % "AuthBearerSession On\n", files=SESSION_FILES)
    assert done.status == 0 and not done.says("AB0702"), done


def test_findings_that_do_not_prevent_the_start_say_so(checker):
    """The error stands last, although it is found first."""
    done = checker('AuthBearerSecretFile "@ROOT@/open"\n'
                   + issuer_conf("AuthBearerIntrospection https://i.test/ask")
                   + location("/a", audience=None),
                   files=dict(KEYS, open=("x" * 40, 0o644)))
    lines = [line for line in done.output.splitlines() if "AB0" in line]
    assert done.status != 0 and len(lines) >= 3, done
    assert re.match(r"AB07\d\d: .*httpd\.conf:\d+: ", lines[-1]), done
    assert all(re.match("(warning|note): AB0", line) for line in lines[:-1]), done
    assert done.says("AB0751", "open").startswith("warning: "), done
    assert done.says("AB0793", "https://issuer.test/").startswith("note: "), done


@missing.needs("root", os.getuid() == 0)
def test_one_line_for_a_secret_that_only_root_reads(new_server):
    """Not one for each child, nor again for those of a graceful restart."""
    server = new_server(
        issuer_conf('AuthBearerIntrospection "http://127.0.0.1:9/"\n'
                    "AuthBearerClientID me\nAuthBearerClientSecret "
                    '"file:@ROOT@/client.secret"') + location("/a"),
        files=dict(KEYS, **{"client.secret": ("y" * 40, 0o600)}), children=3)

    def lines():
        return len(server.log_says("AB0256", "client.secret"))
    wait_until(lambda: len(server.children()) >= 3 and lines(), 10, "children")
    for _ in range(20):
        server.get("/a")
    server.graceful()
    server.get("/a")
    assert lines() == 1
