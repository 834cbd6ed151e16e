# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Set-ups that people really have, each broken in one way (tests/broken/): the
message that names the mend is where tests/broken/README.md says, the mend mends, and
that table is true.

A file is a configuration; the comment at its top says the rest:

  Story         what happened
  Token         claims laid over a good token's ("now+600" is a time); or
                `opaque`, `none`
  Signer        the key that signs (rs256)
  With          a header of the request
  Request       method and path
  Status        of the answer; without it, configtest refuses the configuration
  Configtest, Log   a message that must be there: its number and one of the values
                in it (AB0019 'account'), as often as needed
  Explain       words that must be there, as often as needed
  Mend          OLD => NEW in the configuration; then it is granted
  Mended ...    the same for Token, Script, File and Environment
  Environment   a variable of httpd's
  File          NAME = CONTENT below ServerRoot
  Script        an endpoint of the issuer and how it answers; Metadata: its own
  TLS           the issuer has a certificate of a private authority

@ISSUER@ is the scripted issuer; @ISSUERPATH@ and @ISSUERPORT@ are parts of it;
@PROXY@ is a proxy that leads there.
"""
import glob
import json
import os
import re
import subprocess
import time

import pytest

from support import certs, secrets, tokens
from support.httpd import HTBEARER, HTTPD, SLOW, TOP
from support.issuer import IssuerHost
from support.proxy import Proxy

BROKEN = os.path.join(TOP, "tests", "broken")
NAMES = sorted(os.path.basename(path)[:-5]
               for path in glob.glob(os.path.join(BROKEN, "*.conf")))
LINE = re.compile(r"^# ([A-Z][a-z]+(?: [a-z]+)?|TLS): (.*)$", re.MULTILINE)

pytestmark = pytest.mark.allow_log("AB0103", "AB0205", "AB0595", "AB0769", "AB0771", "AH00027",
                                   "AH01630", "AH01796")


def read(name):
    with open(os.path.join(BROKEN, name + ".conf"), encoding="utf-8") as f:
        return f.read()


class Setup:
    def __init__(self, name, issuer, proxy):
        text = read(name)
        for word, value in (("@ISSUER@", issuer.url),
                            ("@ISSUERPATH@", issuer.path),
                            ("@ISSUERPORT@", str(issuer.host.port)),
                            ("@PROXY@", proxy)):
            text = text.replace(word, value)
        head, _, self.conf = text.partition("\n\n")
        self.lines = LINE.findall(head)
        unknown = [l for l in head.split("\n")[2:] if not LINE.match(l)]
        assert not unknown, unknown

    def all(self, name):
        return [value for key, value in self.lines if key == name]

    def one(self, name, default=None):
        return (self.all(name) or [default])[0]

    def token(self, text):
        """The token that a line speaks of, or None."""
        if text == "none":
            return None
        if text == "opaque":
            secrets.register("ory_at_an-opaque-token-of-the-test")
            return "ory_at_an-opaque-token-of-the-test"
        over = {"aud": "api://orders", **json.loads(text)}
        for name, value in over.items():
            if isinstance(value, str) and re.match(r"now([+-][0-9]+)?$", value):
                over[name] = int(time.time()) + int(value[3:] or 0)
        return tokens.mint(self.one("Signer", "rs256"), **over)

    def request(self, server, token):
        method, path = self.one("Request").split()
        headers = [tuple(value.split(": ", 1)) for value in self.all("With")]
        return server.request(method, path, token, headers)

    def explain(self, server, token):
        done = subprocess.run(
            [HTBEARER, "explain", "-f", server.path("httpd.conf"), "--httpd",
             HTTPD, self.one("Request").split()[1]],
            input=(token or "").encode(), capture_output=True,
            timeout=90 * SLOW)
        return (done.stdout + done.stderr).decode()

    def mended(self, conf):
        for line in self.all("Mend"):
            old, new = line.split(" => ")
            assert old in conf, old
            conf = conf.replace(old, new.replace("\\n", "\n"))
        return conf


def script(issuer, lines):
    for line in lines:
        kind, _, answer = line.partition(" ")
        issuer.script(kind, **json.loads(answer or "{}"))


def files(lines):
    out = {}
    for line in lines:
        name, content = line.split(" = ", 1)
        out[name] = (content.replace("\\n", "\n") + "\n",
                     0o600 if name == "secret" else 0o644)
    return out


@pytest.fixture(scope="module")
def hosts(issuers):
    made = {"": issuers, "yes": IssuerHost(tls="127.0.0.1")}
    yield made
    made["yes"].close()


@pytest.fixture(scope="module")
def proxy(issuers):
    made = Proxy(issuers.port)
    yield made
    made.close()


@pytest.fixture
def broken(request, hosts, proxy):
    name = request.param
    tls = "yes" if "# TLS: yes" in read(name) else ""
    issuer = hosts[tls].issuer("broken-" + name, "rs256")
    setup = Setup(name, issuer, proxy.url)
    setup.issuer = issuer
    issuer.metadata.update(json.loads(setup.one("Metadata", "{}")))
    script(issuer, setup.all("Script"))
    issuer.active["ory_at_an-opaque-token-of-the-test"] = {
        "active": True, "sub": "alice", "aud": "api://orders"}
    return setup


def environment(monkeypatch, shim, lines):
    for line in lines:
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
        if name.startswith("SHIM_"):
            monkeypatch.setenv("LD_PRELOAD", shim)


@pytest.mark.parametrize("broken", NAMES, indirect=True)
def test_it_says_what_to_mend(broken, one_server, monkeypatch, shim):
    content = {"keys.json": tokens.jwks("rs256"),
               "ca.pem": certs.authority_pem(), **files(broken.all("File"))}
    environment(monkeypatch, shim, broken.all("Environment"))
    server = one_server(broken.conf, start=False, files=content, throttle=True)
    open(server.path("logs/start.log"), "a").close()
    checked = server.configtest()
    for said in broken.all("Configtest"):
        assert checked.says(*said.split(" ", 1)), (said, checked)
    if not broken.one("Status"):
        assert checked.status != 0 and broken.all("Configtest"), checked
        server.configure(broken.mended(broken.conf))
        assert server.configtest().status == 0
        return
    server.start()
    token = broken.token(broken.one("Token"))
    answer = broken.request(server, token)
    assert answer.status == int(broken.one("Status")), answer
    for said in broken.all("Log"):
        assert server.log_says(*said.split(" ", 1)), (said, answer)
    if broken.all("Explain"):
        said = broken.explain(server, token)
        for words in broken.all("Explain"):
            assert words in said, (words, said)
    mend(broken, server, monkeypatch, shim, answer.status)


def mend(broken, server, monkeypatch, shim, before):
    """After the mend it works, or, where everybody got in, no longer."""
    if not [key for key, _ in broken.lines if key.startswith("Mend")]:
        return
    environment(monkeypatch, shim, broken.all("Mended environment"))
    script(broken.issuer, broken.all("Mended script"))
    for name, (content, mode) in files(broken.all("Mended file")).items():
        server.write(name, content, mode)
    server.configure(broken.mended(broken.conf))
    server.restart()
    token = broken.token(broken.one("Mended token", broken.one("Token")))
    assert broken.request(server, token).status == 200
    if before == 200:
        assert broken.request(server, None).status == 401


# --- the table of tests/broken/README.md -------------------------------------------

INDEX = re.findall(r"^\| \[([\w-]+)\]\(([\w-]+)\.conf\) \| (.*) \| (.*) \| "
                   r"\[.*\]\((.*)\) \|$",
                   open(os.path.join(BROKEN, "README.md"), encoding="utf-8").read(), re.M)


def who_says_so(text):
    """The places of the message, and its numbers, as the table has them."""
    said = []
    for key, where in (("Configtest", "`configtest`"), ("Log", "log")):
        numbers = sorted(set(re.findall(r"^# %s: (\w+)" % key, text, re.M)))
        if numbers:
            said.append("%s: %s" % (where, ", ".join(numbers)))
    if re.search("^# Explain: ", text, re.M):
        said.append("`htbearer explain`")
    return "; ".join(said)


def test_each_is_in_the_table():
    assert len(NAMES) >= 35
    assert [row[0] for row in INDEX] == [row[1] for row in INDEX] == NAMES


@pytest.mark.parametrize("row", INDEX, ids=lambda row: row[0])
def test_the_table_says_what_the_file_says(row):
    name, _, story, where, more = row
    text = read(name)
    assert story == re.search("^# Story: (.*)$", text, re.M).group(1)
    assert where == who_says_so(text) != ""
    page, _, anchor = more.partition("#")   # test_docs.py follows it
    assert page == "../../docs/" + ("guide/troubleshooting.md" if anchor
                                    else "reference/messages.md")


def test_troubleshooting_leads_to_the_table():
    with open(os.path.join(TOP, "docs", "guide", "troubleshooting.md"),
              encoding="utf-8") as f:
        assert "(../../tests/broken/README.md)" in f.read()
