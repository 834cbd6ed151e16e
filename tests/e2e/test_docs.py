# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the documents say is so: every configuration in them loads, every
directive is documented with the contexts and the default that it has, every link
leads somewhere, every test that tests/safeguards.md names is there.

A fenced ```apache block is loaded as it stands, in a server that has httpd's
usual modules. A page may have one block marked <!-- preamble -->: it is put in
front of those of the page that declare no issuer. A block whose first line is
a comment "# .htaccess" is put into a <Directory>. Paths that the examples name
are replaced by files of the test's own: SCRATCH.
"""
import glob
import os
import re
import sys

import pytest

from support import certs, tokens
from support.browsing import page_titles
from support.directives import DIRECTIVES
from support.httpd import TOP, Httpd

PAGES = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "tests/bench/results.md",
         "tests/broken/README.md", "tests/results.md", "tests/safeguards.md"] + sorted(
    os.path.relpath(path, TOP) for path in
    glob.glob(os.path.join(TOP, "docs", "**", "*.md"), recursive=True))
CONF = "conf/auth_bearer.conf"
REFERENCE = "docs/reference/directives.md"

BLOCK = re.compile(r"^(<!-- preamble -->\n)?^```apache\n(.*?)^```$",
                   re.MULTILINE | re.DOTALL)
NAME = re.compile(r"AuthBearer[A-Za-z]+")

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"


def _pem_key():
    return tokens.key("rs256").private_pem()


#: Path in the documents -> (its content here, permissions).
SCRATCH = {
    "/etc/apache2/bearer/ci-keys.json": (lambda: tokens.jwks("rs256"), 0o644),
    "/etc/apache2/bearer/kratos-public.json":
        (lambda: tokens.jwks("rs256"), 0o644),
    "/etc/apache2/bearer/keys.json": (lambda: tokens.jwks("rs256"), 0o644),
    "/etc/apache2/bearer/ca.pem": (certs.authority_pem, 0o644),
    "/etc/apache2/bearer/tenants":
        (lambda: "11111111-2222-3333-4444-555555555555\n", 0o644),
    "/etc/apache2/bearer/revoked": (lambda: "", 0o640),
    "/etc/apache2/bearer/client-secret": (lambda: "secret\n", 0o600),
    "/etc/apache2/bearer/client-key.pem": (_pem_key, 0o600),
    "/etc/apache2/bearer/client.pem": (certs.authority_pem, 0o644),
    "/etc/apache2/bearer/www.pem": (lambda: certs.server("good", "*.example.com"), 0o600),
    "/etc/apache2/bearer/redis-password": (lambda: "password\n", 0o600),
    "/etc/apache2/bearer/secret": (lambda: "s" * 64 + "\n", 0o600),
    "/etc/apache2/bearer/secret.new": (lambda: "n" * 64 + "\n", 0o600),
    SERVICE_ACCOUNT + "token": (lambda: "abc.def.ghi\n", 0o600),
    SERVICE_ACCOUNT + "ca.crt": (certs.authority_pem, 0o644),
}

def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def without_blocks(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks():
    """pytest.param(configuration) for each block, named page:line."""
    for page in PAGES:
        text = read(page)
        preamble = ""
        for found in BLOCK.finditer(text):
            conf = found.group(2)
            line = text.count("\n", 0, found.start(2))
            if found.group(1):
                preamble = conf
            elif "AuthBearerIssuer " not in conf:
                conf = preamble + conf
            if found.group(2).startswith("# .htaccess"):
                conf = ('%s<Directory "@ROOT@/htdocs/files">\n%s</Directory>\n'
                        % (preamble, found.group(2)))
            yield pytest.param(conf, id="%s:%d" % (page, line))


@pytest.fixture(scope="module")
def server():
    made = Httpd(modules=("remoteip", "status", "socache_redis", "auth_basic", "authn_file",
                          "authz_user", "ssl", "macro"), throttle=True)
    for path, (content, mode) in SCRATCH.items():
        made.write("scratch" + path, content(), mode)
    yield made
    made.close()


def check(server, conf):
    for path in SCRATCH:
        conf = re.sub(re.escape(path) + r"(?![\w.-])",
                      lambda _: server.path("scratch" + path), conf)
    server.configure('Define APACHE_LOG_DIR "@ROOT@/logs"\n' + conf)
    return server.configtest()


@pytest.fixture(scope="module")
def known(server):
    """Names of directives that the module knows."""
    names = documented() | reserved() | set(NAME.findall(read(CONF)))
    for path in ("mod_auth_bearer.c", "src/trust/settings_rows.h", "src/httpd/directives.h"):
        names |= set(re.findall(r'"<?(AuthBearer[A-Za-z]+)"', read(path)))
    server.configure("".join(
        "<IfDirective %s>\nDefine KNOWS_%s\n</IfDirective>\n" % (name, name)
        for name in sorted(names)))
    dump = server.configtest("-D", "DUMP_RUN_CFG").output
    return set(re.findall(r"Define: KNOWS_(\w+)", dump))


def documented():
    """Directives with a heading of their own in directives.md."""
    return {name for heading in
            re.findall(r"^### (.*)$", read(REFERENCE), re.MULTILINE)
            for name in NAME.findall(heading)}


def reserved():
    """Directives that directives.md says are not in this version."""
    section = read(REFERENCE).partition("\n## Not in this version yet\n")[2]
    return {name for row in re.findall(r"^\| ?(`.*?) ?\|", section, re.MULTILINE)
            for name in NAME.findall(row)}


@pytest.mark.parametrize("conf", list(blocks()))
def test_configuration_in_a_document_loads(server, conf):
    result = check(server, conf)
    assert result.status == 0, "%s\n%s" % (result.output, conf)


def example_of_conf():
    """What the comment of conf/auth_bearer.conf says to add."""
    return "\n".join(re.findall(r"^#   (.*)$", read(CONF), re.MULTILINE)) + "\n"


def test_conf_has_five_settings():
    active = re.findall(r"^(?!#)(\w+) ", read(CONF), re.MULTILINE)
    assert len(active) == 5
    assert active == ["LogLevel"] + [name for name in active if NAME.fullmatch(name)]


def test_conf_is_of_defaults(server):
    """Whoever enables the module gets the defaults, and refusals in the log."""
    example = example_of_conf()
    assert check(server, read(CONF) + example).status == 0
    assert check(server, example).status == 0
    dump = server.configtest("-D", "DUMP_BEARER").output
    for line in re.findall(r"^AuthBearer.*$", read(CONF), re.MULTILINE):
        assert "    %s   # default\n" % line in dump, line


def test_configuration_that_contradicts_itself_does_not_load(server):
    """Otherwise the two tests above would prove nothing."""
    result = check(server, "AuthBearerIssuer https://idp.example.com/\n"
                   '<Location "/x">\nAuthType Bearer\nRequire valid-user\n'
                   "</Location>\n")
    assert result.status != 0
    assert "AuthBearerAudience" in result.output


def test_every_directive_is_documented(known):
    assert documented() == known


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_directives_that_there_are(known, page):
    assert set(re.findall(r"`<?(AuthBearer\w+)[ `>]", read(page))) <= known | reserved()


def test_no_directive_is_called_missing_that_is_there(known):
    assert not reserved() & known


def reasons():
    """{check: (number, category)} of reason.h."""
    return {name: (number, category.lower()) for number, name, category in
            re.findall(r'X\((\d+), [A-Z_0-9]+, "(\w+)", ([A-Z_0-9]+)\)',
                       read("src/base/reason.h"))}


def test_every_refusal_has_a_row():
    """Each reason of reason.h, in the table of refused requests: its number, category
    and check, what it means and what to do."""
    section = read("docs/reference/messages.md").partition(
        "\n## Refused requests\n")[2].split("\n## ")[0]
    rows = re.findall(r"^\| AB(\d+) \| \w+ \| (\w+)/(\w+) \| [^|]{20,} \| [^|]{7,} \|$",
                      section, re.MULTILINE)
    assert {check: (number, category)
            for number, category, check in rows} == reasons()
    assert len(reasons()) > 55


def test_troubleshooting_names_checks_and_messages_that_there_are():
    """The checks in its headings, its messages, and what an administrator reads in its
    example."""
    page = read("docs/guide/troubleshooting.md")
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^## .*\((`.*)\)$", page, re.M))))
    assert named <= set(reasons()) and len(named) > 15
    rows = set(re.findall(r"^\| (AB\d+) \|", read("docs/reference/messages.md"), re.M))
    numbers = set(re.findall(r"\bAB\d{4}\b", page))
    assert numbers and numbers <= rows
    number, category, check = re.search(r"^AB(\d+): refused, (\w+)/(\w+):", page, re.M).groups()
    assert reasons()[check] == (number, category)


#: Row of limits.md, "Sizes" -> (what it must say, header, constants).
LIMITS = {
    "a token": ("100 KiB", "jose/jws.h", "BEARER_TOKEN_MAX"),
    "`kid`": ("256 bytes", "jose/jwk.h", "BEARER_KID_MAX"),
    "JSON": ("32 levels", "base/json.h", "BEARER_JSON_DEPTH"),
    "claims exported": ("200, each of 8 KiB", "judge/exports.h",
                        "BEARER_EXPORT_MAX_CLAIMS BEARER_EXPORT_MAX_VALUE"),
    "a key set": ("256 KiB, 100 keys", "jose/jwk.h",
                  "BEARER_JWKS_MAX_BYTES BEARER_JWKS_MAX_KEYS"),
    "an RSA key": ("2048 to 8192 bits", "jose/jwk.h",
                   "BEARER_RSA_MIN_BITS BEARER_RSA_MAX_BITS"),
    "an issuer's metadata": ("64 KiB", "trust/issuer.h", "BEARER_METADATA_MAX"),
    "a response about a token or session":
        ("64 KiB; cached: 16 KiB", "base/flight.h",
         "BEARER_ANSWER_MAX BEARER_ANSWER_KEPT_MAX"),
    "a verified token in the cache":
        ("32 KiB", "state/tokencache.h", "BEARER_TOKENCACHE_ENTRY_MAX"),
    "a file of tenants": ("1 MiB", "trust/tenants.h", "BEARER_TENANTS_MAX"),
    "tenants with key sets in a child":
        ("1000", "keys/keyset.h", "BEARER_KEYSET_MAX_TENANTS"),
    "the revocation list": ("64 MiB", "state/revocation.h", "BEARER_REVOCATION_MAX"),
    "the throttle": ("100000 addresses", "state/throttle.h",
                     "BEARER_THROTTLE_ENTRIES"),
    "tokens that pass during a penalty":
        ("16384", "state/vouch.h", "BEARER_VOUCH_SETS BEARER_VOUCH_WAYS"),
    "a session": ("16 KiB", "login/session.h", "BEARER_SESSION_MAX"),
    "sessions of one user and issuer (`shm`, Redis)":
        ("32", "state/table.h", "BEARER_TABLE_EACH"),
    "logins in progress in one browser":
        ("32", "login/login.h", "BEARER_LOGIN_ATTEMPTS"),
    "addresses too long for their cookies":
        ("256", "state/room.h", "BEARER_ROOM_PLACES"),
}


def value_of(header, name):
    text = re.search(r"#define %s \(?([^)\n/]*)" % name,
                     read("src/" + header)).group(1)
    number = 1
    for factor in text.split("*"):
        number *= int(factor)
    return number


def table_row(page, first):
    """The cells after the first one, of the only row that begins so."""
    rows = re.findall(r"^\| ?%s ?\|(.*)\|$" % re.escape(first), read(page),
                      re.MULTILINE)
    assert len(rows) == 1, (first, rows)
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", rows[0])]


@pytest.mark.parametrize("row", LIMITS)
def test_limits_are_those_of_the_code(row):
    said, header, names = LIMITS[row]
    assert re.match(re.escape(said) + r"(?!\w)",
                    table_row("docs/reference/limits.md", row)[0])
    units = {"KiB": 1024, "MiB": 1024 * 1024}
    numbers = [int(n) * units.get(unit, 1) for n, unit in
               re.findall(r"(\d+)(?: (KiB|MiB))?", said)]
    values = [value_of(header, name) for name in names.split()]
    if names == "BEARER_VOUCH_SETS BEARER_VOUCH_WAYS":
        values = [values[0] * values[1]]
    assert numbers == values


def test_a_cookie_holds_what_the_limits_say():
    assert table_row("docs/reference/limits.md", "a session")[0].endswith(
        "; two cookies of %d characters"
        % value_of("base/cookie.h", "BEARER_COOKIE_CHUNK"))


# --- directives.md: the blocks ------------------------------------------------

ROWS = ["Description", "Syntax", "Default", "Context"]
#: Only if the head of the page does not say it all.
FURTHER = {"Takes effect": "graceful restart; .",
           "Compatibility": r"\d+\.\d+\.\d+ and later"}
CONTEXTS = {"server config": "S", "virtual host": "", "`<AuthBearerIssuer>`": "I",
            "directory": "D", ".htaccess": "H"}


def directive_blocks():
    """{name: ({row: cell}, the rest)}; each heading names one directive."""
    found = {}
    for section in re.split(r"^### ", read(REFERENCE), flags=re.MULTILINE)[1:]:
        name, _, body = section.split("\n## ")[0].partition("\n")
        head, _, rest = body.lstrip("\n").partition("\n\n")
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                 for line in head.split("\n")]
        assert [cell[0] for cell in cells[2:]] == ROWS + [
            row for row in FURTHER if row in dict(cells[2:])], "%s: rows %s, and %s if they say " \
            "more than the head" % (name, ROWS, list(FURTHER))
        assert name not in found, name
        found[name] = {row: text for row, text in cells[2:]}, rest
    return found


BLOCKS = directive_blocks()
NAMES = sorted(set(BLOCKS) & set(DIRECTIVES))


def test_every_directive_has_its_block():
    """The other one is of httpd: SetHandler."""
    assert set(BLOCKS) - set(DIRECTIVES) == {"SetHandler bearer-status"}
    assert set(DIRECTIVES) - set(BLOCKS) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_block_has_the_context_of_the_row(name):
    rows, _ = BLOCKS[name]
    where, _ = DIRECTIVES[name]
    contexts = rows["Context"].split(", ")
    assert set(contexts) <= set(CONTEXTS)
    assert "".join(CONTEXTS[one] for one in contexts) == where.replace("G", "S")
    assert ("virtual host" in contexts) == ("S" in where)


def test_the_head_says_when_a_change_takes_effect():
    """A block says so only if there is more to say."""
    head = " ".join(read(REFERENCE).partition("\n## ")[0].split())
    assert ("**A change takes effect** at the next graceful restart, in .htaccess at "
            "once, unless the block says more.") in head
    assert "`AllowOverride AuthConfig`" in table_row(REFERENCE, ".htaccess")[0]
    for field in ("module `mod_auth_bearer`", "status External", "override `AuthConfig`",
                  "compatibility 0.9.0 and later"):
        assert field in head


@pytest.mark.parametrize("name", NAMES)
def test_a_block_says_more_than_the_head(name):
    for row, pattern in FURTHER.items():
        said = BLOCKS[name][0].get(row)
        assert said is None or re.match(pattern, said) and "at once" not in said, row


@pytest.mark.parametrize("name", list(BLOCKS))
def test_a_block_has_syntax_text_and_example(name):
    rows, rest = BLOCKS[name]
    assert rows["Description"]
    assert re.match("`%s[ `]" % re.escape(name), rows["Syntax"])
    examples = [found.group(2) for found in BLOCK.finditer(rest)]
    assert len(examples) == 1
    assert re.search(r"^ *<?%s " % re.escape(name.split()[0]), examples[0],
                     re.MULTILINE)
    assert BLOCK.split(rest)[0].strip(), "no text"


def once():
    """Directives of which a second line in a section is an error."""
    rows = read("src/trust/settings_rows.h")
    lists = dict(re.findall(r"^    X\((\w+), .*, \w+, ([012]), \w+\)", rows, re.MULTILINE))
    names = {name for kind, name in re.findall(
        r'^    X\(\w+, \w+, (\w+),\s*\\?\s*"(AuthBearer\w+)"', rows, re.MULTILINE)
        if lists[kind] == "1"}
    names |= set(re.findall(r'X\("(\w+)", \w+, -?\d+, 1,',
                            read("src/httpd/directives.h")))
    return names | set(re.findall(r'AP_INIT_RAW_ARGS\("(\w+)", \w+, MARK\(1\)',
                                  read("mod_auth_bearer.c")))


def test_blocks_say_which_lines_may_not_be_repeated():
    assert {name for name in NAMES
            if BLOCKS[name][0]["Syntax"].endswith("`, once")} == once()
    assert len(once()) > 10


#: What the dump prints where there is no value -> what a reader is told.
NO_VALUE = {"(none)": "none", "(any)": "any", "(system)": "the system's",
            "(all declared)": "all declared issuers",
            "(the only one with a client id)": "the only issuer with a client ID"}


def constant(path, name):
    """Of #define NAME …: text, or the product of numbers."""
    text = re.search(r"#define %s (.*)" % name, read("src/" + path)).group(1)
    if '"' in text:
        return text.strip('"')
    product = 1
    for factor in re.findall(r"\d+", text):
        product *= int(factor)
    return product


@pytest.fixture(scope="module")
def defaults():
    """{name: default}: as the module prints its own, for a section and an issuer
    that set nothing; and what it does not print, by its sources."""
    server = Httpd(throttle=True)
    server.configure(
        '<AuthBearerIssuer "https://idp.example.com/">\n</AuthBearerIssuer>\n'
        '<Location "/x">\nAuthType Bearer\nAuthBearerAudience a\n'
        "Require valid-user\n</Location>\n")
    dump = server.configtest("-D", "DUMP_BEARER").output
    server.close()
    found = {name: NO_VALUE.get(value, value) for name, value in re.findall(
        r"^    (AuthBearer\w+) (.*)   # default$", dump, re.MULTILINE)}
    assert len(found) >= 35, dump
    found.update(re.findall(
        r"^    (AuthBearer(?:Keys|Metadata|Introspection(?:TTL)?)) (.*)$", dump,
        re.MULTILINE))
    seconds = [constant("httpd/browser_site.h", "AB_SESSION_" + which)
               for which in ("MAX", "IDLE")]
    found.update({
        "AuthBearerLoginPath": constant("httpd/browser_site.c", "LOGIN_PATH"),
        "AuthBearerTokenCache": "entries=%d"
                                % constant("httpd/records.c", "DEFAULT_TOKEN_CACHE"),
        "AuthBearerSessionLifetime": "max=%dh idle=%dmin persist=off"
                                     % (seconds[0] // 3600, seconds[1] // 60),
        "AuthBearerSOCache": "shm:%dM for sessions, shm:%dK for proofs"
                             % (constant("state/table.h", "BEARER_TABLE_DEFAULT")
                                // 1024 // 1024,
                                constant("state/table.h", "BEARER_TABLE_PROOFS") // 1024),
        "AuthBearerBaseURL": "ServerName with its scheme and port",
    })
    assert "in_cookie = login->store == SESSIONS_IN_COOKIE" in read(
        "src/httpd/browser.c")
    found["AuthBearerSessionStore"] = "cache"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_block_has_the_default_of_the_module(defaults, name):
    said = BLOCKS[name][0]["Default"].split(";")[0].replace("`", "")
    assert said == defaults.get(name, "none")


def test_the_index_of_directives_has_all_blocks():
    head = read(REFERENCE).partition("\n## ")[0]
    linked = re.findall(r"\[([\w -]+)\]\(#([\w-]+)\)", head)
    assert [anchor for _, anchor in linked] == [
        name.lower().replace(" ", "-") for name in BLOCKS]


# --- the other pages of the reference -----------------------------------------

def test_every_variable_and_header_is_documented():
    text = read("src/judge/exports.c")
    names = set(re.findall(r'\bX\("([A-Z_]+|X-[\w-]+)", ', text)) | {
        "BEARER_TOKEN_ID", "BEARER_PROOF", "BEARER_ERROR", "BEARER_ERROR_CHECK", "REMOTE_USER"}
    assert len(names) == 16
    assert names <= set(re.findall(r"`([\w-]+)`",
                                   read("docs/reference/variables.md")))


def test_every_rule_is_documented():
    kinds = re.search(r"#define BEARER_REQUIRES\(X\)((?:.*\\\n)*.*)",
                      read("src/judge/principal.h")).group(1)
    rules = set(re.findall(r'X\(\w+, "([\w-]+)"\)', kinds))
    assert set(re.findall(r"^\| ?`Require ([\w-]+)[^`]*` ?\|",
                          read("docs/reference/require.md"), re.MULTILINE)) \
        == rules | {"valid-user"}


def test_every_endpoint_is_documented():
    text = read("src/httpd/browser.c")
    there = dict(re.findall(r'\{ ("/[\w-]+"|CALLBACK), (AP_METHOD_BIT[^,]*),', text))
    there["`/callback`, `/callback/NAME`"] = there.pop("CALLBACK")
    for path, methods in there.items():
        cells = table_row("docs/reference/responses.md", path.replace('"', "`"))
        assert cells[0] == ", ".join(re.findall(r"M_(\w+)", methods))
    assert len(there) == 6


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_whole(page):
    """A row behind an empty line is no row: it is printed as it stands."""
    lines = without_blocks(read(page)).split("\n")
    for before, line, after in zip([""] + lines, lines, lines[1:] + [""]):
        if line.startswith("|") and not before.startswith("|"):
            assert re.match(r"\|[-|: ]+\|$", after), line


def test_every_page_can_be_reached_from_the_readme():
    seen, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s#]+)", without_blocks(read(page))):
            path = os.path.normpath(os.path.join(os.path.dirname(page), target))
            path += "/README.md" if path == "docs/providers" else ""
            if path.endswith(".md") and not re.match(r"[a-z]+:", target):
                todo.append(path)
    assert set(PAGES) - seen == set()


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    out = set()
    for heading in re.findall(r"^#+ (.*)$", without_blocks(read(page)),
                              re.MULTILINE):
        text = re.sub(r"[^\w\- ]", "", heading.lower())
        out.add(text.replace(" ", "-"))
    return out


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    here = os.path.dirname(page)
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(here, path)) if path else page
        assert os.path.exists(os.path.join(TOP, path)), target
        if anchor:
            assert anchor in anchors(path), target


def test_packages_have_every_module_that_a_test_imports():
    """tests/packages.txt is the only list of packages there is."""
    listed = set(re.findall(r"^[a-z0-9][^ \n]*$", read("tests/packages.txt"),
                            re.MULTILINE))
    sources = glob.glob(os.path.join(TOP, "tests", "**", "*.py"),
                        recursive=True)
    ours = {os.path.basename(path)[:-3] for path in sources} | {"support"}
    imported = set()
    for path in sources:
        imported |= set(re.findall(
            r"^ *(?:import (?=\w+$)|from (?=[\w.]+ import))(\w+)", read(path),
            re.MULTILINE))
    foreign = imported - ours - set(sys.stdlib_module_names)
    assert {"pytest", "cryptography"} <= foreign
    assert not {"python3-" + name for name in foreign} - listed


def safeguards():
    """{section: rows} of tests/safeguards.md."""
    out = {}
    for section in re.split("^## ", read("tests/safeguards.md"), flags=re.M)[1:]:
        title, *lines = section.split("\n")
        assert lines[1:3] == ["| threat | safeguard | test |", "|---|---|---|"], title
        out[title] = [line for line in lines[3:] if line]
    return out


def test_security_md_sums_up_every_section_of_the_safeguards():
    page = read("docs/security.md")
    linked = re.findall(r"^\| \[[^]]+\]\(\.\./tests/safeguards\.md#([\w-]+)\) \| .{30,} \|$",
                        page, re.M)
    assert linked == [title.lower().replace(" ", "-") for title in safeguards()]
    count = sum(len(rows) for rows in safeguards().values())
    assert count >= 174 and "lists %d attacks and failures" % count in page


def test_tests_that_hardening_names_exist():
    """`e2e/test_x.py: test_y, case` and `unit/test_x.c`."""
    for row in sum(safeguards().values(), []):
        assert row.count(" | ") == 2 and row.endswith(" |"), row
        named = re.findall(r"`((?:e2e|unit)/[\w.-]+)(?:: ([\w, -]+))?`",
                           row.rsplit("|", 2)[1])
        assert named, "no test: " + row
        for path, names in named:
            text = read(os.path.join("tests", path))
            for name in filter(None, names.split(", ")):
                assert re.search(r"(def |void |\")%s[\"(]" % name, text), (
                    path, name)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md",
                                  "docs/testing.md", "tests/bench/results.md"])
def test_pages_for_developers_name_files_that_there_are(page):
    """Paths from the top, programs of the tests, and tests without their folder."""
    text = read(page)
    paths = [path for path in re.findall(r"(?<![\w./])((?:src|tools|tests|docs)/[\w./-]*\w)", text)
             if "NAME" not in path and not path.endswith("_")]
    tests = re.findall(r"`((?:test|stress)_\w+\.(?:py|c|sh))`", text)
    assert len(paths) > 5
    assert not [path for path in paths if not os.path.exists(os.path.join(TOP, path))]
    assert not [name for name in tests
                if not glob.glob(os.path.join(TOP, "tests/*/" + name))]


# --- architecture.md ----------------------------------------------------------

def picture():
    """{folder: rooms} of the picture in architecture.md."""
    text = read("docs/architecture.md").split("```text\n")[1].split("```")[0]
    rooms, folder = {}, None
    for line in text.splitlines():
        if re.match(r"src/\w+/", line):
            folder = line.split("/")[1]
            rooms[folder] = set()
        elif line.startswith(" " * 24) and folder:
            rooms[folder].update(line.split(":", 1)[-1].split())
        elif line.startswith("tools/"):
            folder = None
    return rooms


def test_the_picture_shows_every_room():
    there = {}
    for path in glob.glob(os.path.join(TOP, "src/*/*.c")):
        folder, name = path.split(os.sep)[-2:]
        there.setdefault(folder, set()).add(name[:-2])
    assert picture() == there


CHANGES = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
                     read("docs/architecture.md").split("## Where to change what")[1]
                     .split("\n## ")[0], re.M)[1:]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row[0])
def test_a_change_begins_where_the_table_says(row):
    _, files, symbols = row
    paths = [f for f in re.findall(r"`((?:src|tools)/[^`]+)`", files + symbols)
             if "NAME" not in f]
    assert paths
    text = "".join(read(path) for path in paths)
    names = re.findall(r"`(\w+)`", symbols)
    assert names
    for name in names:
        assert re.search(r"\b%s\b" % name, text), name


def test_the_table_of_changes_has_all():
    assert len(CHANGES) == 19


def test_pages_are_quoted_as_they_are():
    """Documents name pages by their titles."""
    titles = page_titles().values()
    guide = read("docs/guide/browsers.md").split("## When it does not work")[1]
    quoted = re.findall(r'"([^"|]+)"', "\n".join(
        line.split("|")[1] for line in guide.splitlines() if line.startswith("|")))
    quoted += re.findall(r'for browsers "([^"]+)"', read("docs/guide/troubleshooting.md"))
    assert len(quoted) > 15 and len(titles) > 35
    assert set(quoted) <= set(titles)
