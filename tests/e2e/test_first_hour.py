# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The complete files of docs/guide/start.md, and what the page says of each of their
lines: httpd runs with a file as it stands there, then without one line after the other.
The commands below the file have the statuses of the page, configtest and the error log
say what its table has.

Around a file there is what Debian's has around it: a port of protocol https (ports.conf),
and another virtual host, the first of this port."""
import re
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest

import test_recipes
from support import certs
from support.httpd import SLOW
from test_recipes import Answer, Recipe, Site, hosts, proxy  # noqa: two are fixtures

AROUND = """
AuthBearerCAFile "{ca}"
AuthBearerHTTPProxy {proxy}
SSLSessionCache "shmcb:@ROOT@/run/tls(65536)"
Listen 127.0.0.1:{tls}{protocol}
<VirtualHost *:{tls}>
    ServerName first.example.com
    SSLEngine On
    SSLCertificateFile "@ROOT@/bearer/www.pem"
</VirtualHost>
"""
#: Lines at level warn or above that rows name, and httpd's own after AH02572.
pytestmark = [*test_recipes.pytestmark, pytest.mark.allow_log(
    "AB0815", "AH00027", "AH01627", "AH01630", "AH02572", "AH02312", "AH02800",
    "AH00016",
    "no number: SSL Library Error")]


# --- the page -------------------------------------------------------------------

class Row:
    """What the page says of one line."""

    def __init__(self, cells):
        first, seen, statuses = cells
        self.prefix = first.strip("`") if first.startswith("`") else None
        self.first, self.seen = first, seen
        said = re.match(r"(?:(?:; )?(configtest|error log): `([^`]+)`)?"
                        r"(?:; (configtest|error log): `([^`]+)`)?", seen).groups()
        self.says = {where: text for where, text in zip(said[::2], said[1::2]) if where}
        self.statuses = [int(code) for code in re.findall(r"\b\d{3}\b", statuses)]
        self.kind = statuses

    def expected(self, usual):
        """Statuses of the commands; None: httpd does not start."""
        if self.kind == "none":
            return None
        if self.kind == "unchanged":
            return usual
        assert self.statuses, self.kind
        return self.statuses * len(usual) if len(self.statuses) == 1 else self.statuses


def rows(text):
    return [Row([cell.strip() for cell in line.split("|")[1:-1]])
            for line in re.findall(r"(?m)^\| .*", text.partition("\n|---|---|---|\n")[2])]


COMMON, *PARTS = re.split(r"(?m)^### ", test_recipes.page("start.md")[
    "Three complete files"].text)
COMMON = rows(COMMON)
FILES = {part.partition("\n")[0]: Recipe(*part.split("\n", 1)) for part in PARTS}
ROWS = {title: rows(file.text) for title, file in FILES.items()}


def lines(title):
    conf, = FILES[title].confs
    return conf.splitlines(True)


def row_of(title, line):
    """The rows of the file come before those for every file."""
    line = line.strip()
    if line.startswith("<"):
        return COMMON[0]
    for those in (ROWS[title], COMMON):
        found = [row for row in those if row.prefix and line.startswith(row.prefix)]
        assert len(found) < 2, line
        if found and found[0].seen != "as above":
            return found[0]
        if found:
            above, = (row for row in COMMON if row.prefix == found[0].prefix)
            found[0].says = above.says
            return found[0]
    raise AssertionError("start.md does not say what happens without " + line)


CASES = [pytest.param(title, number, id="%s:%d" % (title.split()[0], number + 1))
         for title in FILES for number, line in enumerate(lines(title))]


def pattern(text):
    return ".*".join(re.escape(part) for part in text.split("…"))


# --- a file in a server -----------------------------------------------------------

class File(Site):
    protocol = " https"

    def conf(self, text=None):
        return AROUND.format(proxy=self.proxy.url, ca=self.hosts.ca, protocol=self.protocol,
                             **self.ports) + self.own(self.recipe.conf if text is None else text)

    def own(self, text, root="@ROOT@"):
        return super().own(text.replace("*:443>", "*:%d>" % self.ports["tls"]).replace(
            "http://127.0.0.1:9001", self.backend.url), root)

    def files(self):
        return {**super().files(), "bearer/www.pem": (certs.server("good", "*.example.com"), 0o600)}

    def start(self, text=None, **kw):
        super().start(text, modules=("macro",), faces=False, **kw)
        # a login comes back to the port of the test
        with open(self.server.path(".curlrc"), "a") as curlrc:
            curlrc.write('connect-to = "www.example.com:{tls}:127.0.0.1:{tls}"\n'.format(
                **self.ports))
        self.environment = {"TOKEN": self.token()}
        if "$COOKIE" in self.recipe.text:
            self.environment["COOKIE"] = test_recipes._sign_in(self)
        return self

    def statuses(self):
        return [Answer(self.shell(command)).status for command, _ in self.recipe.commands]

    @property
    def usual(self):
        return [status for _, status in self.recipe.commands]

    def fails_to_start(self):
        """Its exit status, for what configtest does not see."""
        self.server.stop()
        done = subprocess.run(self.server._command() + ["-DFOREGROUND"], timeout=30 * SLOW,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
        return done.returncode


@pytest.fixture(scope="module")
def site(new_server, backend, hosts, proxy):  # pylint: disable=redefined-outer-name
    """site(title) is the started server with this file."""
    made = {}

    def of(title):
        if title not in made:
            hosts.issuers["idp.example.com"].reset()
            made[title] = File(FILES[title], new_server, backend, hosts, proxy).start()
        return made[title]
    return of


@pytest.mark.parametrize("title", FILES)
def test_a_file_is_short_and_does_what_the_page_says(site, title):
    assert len(lines(title)) <= 20
    here = site(title)
    here.graceful(None)
    assert here.statuses() == here.usual
    assert len(set(here.usual)) > 1
    here.backend.requests.clear()
    here.shell(next(command for command, status in here.recipe.commands if status == 200))
    user = dict(here.backend.requests[-1]["headers"])["X-Forwarded-User"]
    assert user == ("alice@example.test" if "COOKIE" in here.environment else "alice")


def test_every_row_is_of_a_line():
    used = {id(row_of(title, line)) for title in FILES for line in lines(title)}
    assert [row.first for those in (COMMON, *ROWS.values()) for row in those
            if id(row) not in used] == []
    assert len(FILES) == 3 and len(CASES) >= 48


@pytest.mark.parametrize("title,number", CASES)
def test_without_a_line(site, title, number):
    here, all_lines = site(title), lines(title)
    row = row_of(title, all_lines[number])
    here.server.configure(here.conf("".join(all_lines[:number] + all_lines[number + 1:])))
    checked = here.server.configtest()
    says, expected = row.says, row.expected(here.usual)
    if "configtest" in says:
        assert re.search(pattern(says["configtest"]), checked.output), checked
    else:
        assert not re.search(r"\bAB(?!0842|0766)\d{4}: ", checked.output), checked
    before = len(here.server.error_log())
    if expected is None and "configtest" in says:
        assert checked.status == 1, checked
        return
    assert checked.status == 0, checked
    if expected is None:
        assert here.fails_to_start() != 0
    else:
        here.server.graceful()
        assert here.statuses() == expected
    log = here.server.error_log()[before:].replace('\\"', '"')
    if "error log" in says:
        assert re.search(pattern(says["error log"]), log), log
    here.server.configure(here.conf())
    if expected is None:
        here.server.start()
        if "COOKIE" in here.environment:
            here.environment["COOKIE"] = test_recipes._sign_in(here)


# --- what rows say beside it ---------------------------------------------------------

def test_on_another_port_there_is_no_tls(one_server, backend, hosts, proxy):
    title = "API in front of an application"
    here = File(FILES[title], one_server, backend, hosts, proxy)
    here.protocol = ""
    here.start()
    assert here.statuses() == here.usual
    without = "".join(line for line in lines(title) if "SSLEngine" not in line)
    here.server.configure(here.conf(without).replace("    SSLEngine On\n", ""))
    here.server.graceful()
    here.shell("curl -i https://www.example.com/orders", code=35)
    plain = "curl -i http://www.example.com:%(tls)d/orders" % here.ports
    assert Answer(here.shell(plain + ' -H "Authorization: Bearer $TOKEN"')).status == 200


def test_addresses_to_register_are_http_without_ssl_engine(site):
    here = site("Login for a site")
    for engine, scheme in (("    SSLEngine On\n", "https"), ("", "http")):
        here.graceful(here.recipe.conf.replace("    SSLEngine On\n", engine))
        to = here.curl('-H "Accept: text/html" https://www.example.com/app').headers["location"]
        back = parse_qs(urlsplit(to).query)["redirect_uri"][0]
        assert back == "%s://www.example.com:%d/.auth/callback" % (scheme, here.ports["tls"])


def test_a_path_outside_the_macro(site):
    """With and without Require all denied; the administrator wrote only a ProxyPass."""
    here = site("Gateway for several APIs")
    more = here.recipe.conf.replace(
        "    Use API orders", '    ProxyPass "/new" "http://127.0.0.1:9000/new"\n    Use API orders')
    for conf, status in ((more, 403), (more.replace("Require all denied\n", "\n"), 200)):
        here.graceful(conf)
        assert here.curl("https://api.example.com/new").status == status
