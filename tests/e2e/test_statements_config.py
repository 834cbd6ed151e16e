# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Statements of the documents, drawn at random, tried with configtest and htbearer."""
import base64
import json
import os
import re
import subprocess

import pytest

from support import tokens
from support.browsing import CONF, SECRETS
from support.expect import issuer_conf, key_files, location
from support.httpd import HTBEARER
from support.statements import page_text, statement

DIRECTIVES = "docs/reference/directives.md"
OPERATIONS = "docs/operations.md"
RECIPES = "docs/guide/recipes.md"
TROUBLE = "docs/guide/troubleshooting.md"

FILES = dict(key_files("es256"), **SECRETS)


@pytest.fixture(scope="module")
def check(checker):
    """The result of configtest on this text."""
    return lambda conf: checker(conf, files=FILES)


def browser_conf(more="", login="On"):
    text = CONF.format(base="https://www.test", issuer="https://issuer.test/", more=more,
                       inside="", end="")
    return text.replace("AuthBearerLogin On", "AuthBearerLogin " + login)


# -- what configtest accepts ---------------------------------------------------------

@statement(DIRECTIVES, "With a port, only that port is allowed.")
def test_plain_http_on_one_port(check):
    def conf(url):
        return ('AuthBearerPlainHTTP idp.test:8080\n<AuthBearerIssuer "https://idp.test/">\n'
                "AuthBearerKeys %s\n</AuthBearerIssuer>\n" % url + location("/a"))
    assert check(conf("http://idp.test:8080/keys")).status == 0
    for url in ("http://idp.test:8081/keys", "http://idp.test/keys"):
        assert check(conf(url)).says("AB0788", url)


@statement(DIRECTIVES, "`header-prefix` has 2 to 64 characters of a header name.")
def test_the_length_of_a_prefix(check):
    for prefix, good in (("X", False), ("X-", True), ("X" * 64, True), ("X" * 65, False),
                         ("X:", False)):
        done = check(issuer_conf() + location(
            "/a", "AuthBearerExport headers header-prefix=" + prefix))
        assert bool(done.says("AB0593", prefix)) != good, done
        assert (done.status == 0) == good, done


@statement(DIRECTIVES, "you cannot set the module's own, such as `state`, `nonce`, `redirect_uri`.")
def test_parameters_that_are_the_modules_own(check):
    assert check(browser_conf(login="On prompt=login")).status == 0
    for name in ("state", "nonce", "redirect_uri"):
        assert check(browser_conf(login="On %s=x" % name)).says("AB0598", name)


@statement(DIRECTIVES, "Two issuers may share a prefix if no location accepts both.")
def test_a_prefix_of_two_issuers(check):
    def conf(*prefixes):
        return "".join("""<AuthBearerIssuer "https://%s.test/">
    AuthBearerIntrospection https://%s.test/introspect
    AuthBearerTokenPrefix %s
    AuthBearerClientAuth none
</AuthBearerIssuer>
""" % (name, name, prefix) for name, prefix in zip("ab", prefixes)) \
            + location("/a", "AuthBearerUserFormat %u@%i")
    assert check(conf("at_", "bt_")).status == 0
    same = conf("at_", "at_")
    assert check(same).says("AB0728", "https://a.test/", "https://b.test/")
    assert check(same.replace("Require ", "AuthBearerAcceptIssuer https://a.test/\nRequire ")
                 ).status == 0


@statement("docs/reference/require.md",
           "httpd rejects `Require not` without a positive rule beside it in `<RequireAll>`.")
def test_require_not_alone(check):
    for text, good in (("Require not role x", False),
                       ("<RequireAll>\nRequire not role x\n</RequireAll>", False),
                       ("<RequireAll>\nRequire valid-user\nRequire not role x\n"
                        "</RequireAll>", True)):
        done = check(issuer_conf() + location("/a", text, None))
        assert (done.status == 0) == good, (text, done)


@statement("docs/reference/variables.md",
           "The formats of `Header` and `LogFormat` do not know them")
def test_a_claim_in_a_format(check):
    conf = issuer_conf() + location("/a")
    assert check(conf + 'Header set X "%{BEARER_CLAIM_sub}e"\n').status == 0
    assert check(conf + 'Header set X "%{claim:sub}"\n').status != 0
    assert check(conf + 'LogFormat "%{BEARER_CLAIM_sub}e" x\nCustomLog logs/x x\n').status == 0
    assert check(conf + 'LogFormat "%{claim:sub}" x\nCustomLog logs/x x\n').status != 0


# -- sizes -----------------------------------------------------------------------------

def room(done):
    """How many sessions of 3,000 bytes configtest says that there is room for."""
    *_, sessions, size = re.findall(r"\d+", done.says("AB0766"))
    assert size == "3000", done
    return int(sessions)


@statement(OPERATIONS, "SIZE = sessions × (record + 340) × 1.145 + 65536")
@pytest.mark.parametrize("sessions", [500, 5000, 50000])
def test_the_size_for_sessions(check, sessions):
    size = int(sessions * (3000 + 340) * 1.145 + 65536)
    done = check(browser_conf("AuthBearerSOCache shm:%d for=sessions" % size))
    assert sessions <= room(done) < 1.05 * sessions, done


@statement(DIRECTIVES, "`shmcb` for sessions or proofs means `shm` of that size.")
def test_shmcb_for_sessions(check):
    done = check(browser_conf(
        'AuthBearerSOCache "shmcb:@ROOT@/run/cache(1048576)" for=sessions'))
    assert done.says("AB0766", "shm:1M"), done
    same = check(browser_conf("AuthBearerSOCache shm:1M for=sessions"))
    assert room(done) == room(same)


# -- commands --------------------------------------------------------------------------

def command_of(page, pattern, path, tmp_path):
    """A command of the page, made to write into tmp_path."""
    found = re.search(pattern, page_text(page)).group(1)
    out = str(tmp_path / os.path.basename(path))
    assert path in found, found
    subprocess.run(["sh", "-c", "umask 022; " + found.replace("sudo ", "").replace(
        path, out)], check=True, timeout=60, stderr=subprocess.DEVNULL)
    with open(out, "rb") as f:
        return f.read(), os.stat(out).st_mode & 0o777


@statement(RECIPES, "The second file holds the new secret")
@pytest.mark.parametrize("page,path", [
    (RECIPES, "/etc/apache2/bearer/secret.new"), (DIRECTIVES, "PATH"),
    ("docs/guide/browsers.md", "/etc/apache2/bearer/secret")])
def test_a_secret_that_others_cannot_read(checker, tmp_path, page, path):
    """However a page has it made: configtest has nothing against it."""
    made = command_of(page, r"(sudo sh -c 'umask [^']*openssl rand [^']*')", path, tmp_path)
    assert len(made[0]) >= 32 and made[1] == 0o600
    done = checker(browser_conf(), files=dict(FILES, secret=made))
    assert done.status == 0 and not done.says("AB0751"), done
    done = checker(browser_conf(), files=dict(FILES, secret=(made[0], 0o644)))
    assert done.says("AB0751"), done


@statement(RECIPES, "install -m 644 /dev/null /etc/apache2/bearer/revoked")
def test_an_empty_list_of_revoked_tokens(checker, tmp_path):
    made = command_of(RECIPES, r"(sudo install [^`]*revoked)",
                      "/etc/apache2/bearer/revoked", tmp_path)
    assert made == (b"", 0o644)
    done = checker("AuthBearerRevocations file:@ROOT@/revoked\n" + issuer_conf()
                   + location("/a"), files=dict(FILES, revoked=made))
    assert done.status == 0, done


@statement(TROUBLE, "**3. Read the token.** This verifies nothing:")
def test_what_decode_verifies(tmp_path):
    claims = {"sub": "nobody", "exp": 1}
    token = "%s.%s.%s" % (tokens.b64('{"alg":"none"}'), tokens.b64(json.dumps(claims)),
                          base64.b64encode(b"x").decode().rstrip("="))
    done = subprocess.run([HTBEARER, "decode"], input=token.encode(), timeout=60,
                          capture_output=True)
    assert done.returncode == 0, done
    assert b'"nobody"' in done.stdout
