# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Each configuration of docs/providers, as it stands there, answers to what that
provider sends: a token is accepted, a browser logs in, and what differs in one point
is refused. The data is in provider_pages.py.

Only keys, files and the addresses of providers are replaced."""
import glob
import json
import os
import re
import time

import pytest

from provider_pages import LOGINS, TOKENS
from support.browsing import SECRETS
from support.httpd import TOP
from support.op import Browser, Provider
from support.tokens import key, mint
from test_docs import BLOCK, SCRATCH, read

#: Sessions of a store, asked by another test: test_session_check.py.
ELSEWHERE = ["README", "kratos"]
PAGES = sorted(os.path.basename(path)[:-3] for path in
               glob.glob(os.path.join(TOP, "docs/providers/*.md")))
RELATIVE = ("iat", "nbf", "exp", "auth_time")
#: At most so many words on a page of those that came later.
WORDS = 250
SHORT = ["adfs", "authelia", "authentik", "aws-alb", "azure-b2c", "cloudflare-access",
         "dex", "google-iap", "ping", "spring", "zitadel"]


def blocks_of(page):
    return [found.group(2) for found in
            BLOCK.finditer(read("docs/providers/%s.md" % page))]


def with_files(conf):
    for path in SCRATCH:
        conf = re.sub(re.escape(path) + r"(?![\w.-])", "@ROOT@/scratch" + path, conf)
    return conf


def with_keys(conf, keys):
    """The issuers of the configuration, with keys of the test's own."""
    conf = re.sub(r'^AuthBearerIssuer (\S+)$',
                  r'<AuthBearerIssuer "\1">\n</AuthBearerIssuer>', conf, flags=re.M)
    conf = re.sub(r"^ *AuthBearerKeys .*\n", "", conf, flags=re.M)
    return re.sub(r"^(<AuthBearerIssuer .*>)$",
                  r'\1\n    AuthBearerKeys "file:@ROOT@/keys/%s"' % keys, conf,
                  flags=re.M)


def make(row, changes=None):
    now = int(time.time())
    claims = {name: now + value if name in RELATIVE else value
              for name, value in dict(row.claims, **(changes or {})).items()}
    return mint(row.signer, payload={k: v for k, v in claims.items() if v is not None},
                header=row.header)


def send(server, row, token):
    host = "p%d.test" % TOKENS.index(row)
    if row.carrier:
        return server.get(row.path, headers={row.carrier: token}, host=host)
    return server.get(row.path, token, host=host)


@pytest.fixture(scope="module")
def server(new_server):
    conf = ""
    files = {"scratch" + path: (content(), mode)
             for path, (content, mode) in SCRATCH.items()}
    for i, row in enumerate(TOKENS):
        files["keys/" + row.name] = json.dumps({"keys": [key(row.signer).jwk()]})
        own = "".join(blocks_of(row.page)[n] for n in row.blocks) + row.more
        for old, new in row.text.items():
            assert own.count(old + "\n") == 1
            own = own.replace(old + "\n", new + "\n")
        conf += "<VirtualHost *:@PORT@>\nServerName p%d.test\n%s</VirtualHost>\n" % (
            i, with_keys(with_files(own), row.name))
    return new_server(conf, files=files)


def test_every_configuration_has_a_row():
    there = {(page, n) for page in PAGES if page not in ELSEWHERE
             for n in range(len(blocks_of(page)))}
    tried = {(row.page, n) for row in TOKENS + LOGINS for n in row.blocks}
    assert tried == there


def test_every_page_has_a_row_in_the_index():
    index = read("docs/providers/README.md")
    linked = re.findall(r"\]\(([\w-]+)\.md\)", index)
    assert sorted(linked) == [page for page in PAGES if page != "README"]


@pytest.mark.parametrize("page", SHORT)
def test_a_page_is_short(page):
    words = read("docs/providers/%s.md" % page).split()
    assert len([word for word in words if re.search(r"[A-Za-z0-9]", word)]) <= WORDS


def test_the_text_of_a_page_says_what_is_written():
    for row in TOKENS:
        text = " ".join(read("docs/providers/%s.md" % row.page).split())
        for line in "\n".join(row.text.values()).splitlines():
            assert line in text, row.name


@pytest.mark.parametrize("row", TOKENS, ids=lambda row: row.name)
def test_a_token_of_the_provider(server, row):
    res = send(server, row, make(row))
    assert res.status == 200, res
    assert res.user == row.user


@pytest.mark.parametrize("row", TOKENS, ids=lambda row: row.name)
def test_a_token_that_differs(server, row):
    res = send(server, row, make(row, row.miss))
    assert res.status == row.status, res


@pytest.mark.parametrize("row", TOKENS, ids=lambda row: row.name)
def test_without_a_token(server, row):
    res = server.get(row.path, host="p%d.test" % TOKENS.index(row))
    assert res.status == 401 and "error" not in res.challenge, res


def test_a_load_balancer_signs_no_jwt(server):
    """x-amzn-oidc-data: exp and iss in the header, and base64 with padding."""
    row, = [row for row in TOKENS if row.page == "aws-alb"]
    token = mint("es256", payload={"sub": "jane", "email": "jane@example.com"}, header={
        "iss": row.claims["iss"], "client": "1example23456789",
        "exp": int(time.time()) + 120, "typ": "JWT", "signer": "arn:aws:elb"})
    padded = ".".join(part + "=" * (-len(part) % 4) for part in token.split("."))
    assert "=" in padded
    res = send(server, row, padded)
    assert res.status == 400 and res.check == "credential_syntax", res


# --- logins -------------------------------------------------------------------

def login_site(one_server, issuers, row):
    """A server with the configuration of the page, and its provider."""
    conf = blocks_of(row.page)[row.blocks[0]]
    op = Provider(issuers, "op-" + row.name)
    op.client_id = re.search(r"AuthBearerClientID (\S+)", conf).group(1)
    op.user = dict(row.claims)
    op.userinfo = dict({"sub": row.claims["sub"]}, **(row.userinfo or {}))
    op.offer(userinfo="userinfo")
    issuer = re.search(r'<AuthBearerIssuer "([^"]+)"', conf).group(1)
    conf = re.sub(r"^ *AuthBearerMetadata .*\n", "", conf, flags=re.M)
    conf = re.sub(r"(AuthBearerEndpoint end_session) \S+", r"\1 %s/end" % op.url, conf)
    conf = "AuthBearerBaseURL http://127.0.0.1:@PORT@\n" + with_files(
        conf.replace(issuer, op.url).replace("https://www.example.com",
                                             "http://127.0.0.1:@PORT@"))
    server = one_server(conf, files={**SECRETS, **{
        "scratch" + path: (content(), mode) for path, (content, mode) in SCRATCH.items()}})
    return server, op


@pytest.mark.parametrize("row", LOGINS, ids=lambda row: row.name)
def test_a_login_with_the_provider(one_server, issuers, row):
    server, op = login_site(one_server, issuers, row)
    res = Browser(server).go("/app")
    assert res.status == 200, res
    assert res.user == row.user
    assert op.asked["client_id"] == op.client_id


def test_signing_out_of_cognito(one_server, issuers):
    """It reads another parameter than the standard's."""
    row, = (row for row in LOGINS if row.page == "cognito")
    server, op = login_site(one_server, issuers, row)
    op.end_by = "logout_uri"
    browser = Browser(server)
    assert browser.go("/app").status == 200
    res = browser.sign_out()
    assert res.status == 200 and "signed out" in res.text, res
    assert op.ended["client_id"] == op.client_id
    assert browser.trail[2:] == [server.url + "/.auth/logout"]
    assert browser.navigate("/app").status == 302


@pytest.mark.parametrize("row", LOGINS, ids=lambda row: row.name)
def test_a_login_that_differs(one_server, issuers, row):
    server, op = login_site(one_server, issuers, row)
    op.id_token = dict(row.miss)
    assert Browser(server).go("/app").status == row.status
