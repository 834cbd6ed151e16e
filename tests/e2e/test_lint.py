# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What make lint holds of layout and of the changelog: each rule is broken once. And
the hook that looks at what is staged."""
import glob
import os
import re
import shutil
import subprocess
import sys

import pytest

from support import missing
from support.httpd import TOP

needs_format = missing.needs("clang-format", shutil.which("clang-format"))
needs_git = missing.needs("git", shutil.which("git"))

LICENCE = "/* Licensed under the Apache License, Version 2.0; see LICENSE. */\n"
GOOD = LICENCE + """\
static int sign(int a)
{
    int i;

    for (i = 0; i < a; i++) {
        if (a < 0) {
            return -1;
        } else {
            a -= 2;
        }
    }
    return a ? 1 : 0;
}
"""


def function(lines):
    return "static void f(void)\n{\n" + "    g();\n" * (lines - 2) + "}\n"


def run(script, root, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, "tests", "build", script), *arguments],
        env=dict(os.environ, srcdir=str(root), **environment), capture_output=True,
        text=True, timeout=60)
    assert (done.returncode != 0) == bool(done.stderr), done
    return done.stderr


def layout(tmp_path, text, name="src/base/x.c", program="clang-format"):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    shutil.copy(os.path.join(TOP, ".clang-format"), tmp_path)
    return run("layout.py", tmp_path, name, CLANG_FORMAT=program)


def test_all_files_have_the_layout():
    program = "clang-format" if shutil.which("clang-format") else ""
    assert run("layout.py", TOP, CLANG_FORMAT=program) == ""


@pytest.mark.parametrize("text,complaint", [
    (GOOD.replace(LICENCE, ""), "x.c:1: no licence"),
    (GOOD.replace("    int", "\tint"), "x.c:4: tab"),
    (GOOD.replace("i;", "i; "), "x.c:4: trailing blank"),
    (GOOD + "/*" + 97 * "-" + "*/\n", "x.c:15: over 100 columns"),
    (LICENCE + function(61), "x.c:3: a function of over 60 lines"),
    (LICENCE + 600 * "int x;\n", "x.c: over 600 lines"),
])
def test_a_line_or_length_is_found(tmp_path, text, complaint):
    assert complaint in layout(tmp_path, text, program="")


@pytest.mark.parametrize("text", [
    GOOD, GOOD + "/*" + 96 * "-" + "*/\n", LICENCE + function(60),
    LICENCE + 599 * "int x;\n"])
def test_the_limits_themselves_are_allowed(tmp_path, text):
    assert layout(tmp_path, text, program="") == ""


def test_only_the_product_has_limits_of_length(tmp_path):
    text = LICENCE + 10 * function(61)
    assert layout(tmp_path, text, "tests/unit/test_x.c", program="") == ""
    assert layout(tmp_path, text, "tools/x.c", program="") != ""


@needs_format
@pytest.mark.parametrize("before,after", [
    ("int a)\n{", "int a) {"),
    ("        } else {", "        }\n        else {"),
    ("i++) {", "i++)\n    {"),
    ("i++) {", "i++){"),
    ("a < 0", "a<0"),
    ("for (", "for("),
    ("a ? 1", "a? 1"),
])
def test_spaces_and_braces_are_those_of_clang_format(tmp_path, before, after):
    assert layout(tmp_path, GOOD) == ""
    assert GOOD.count(before) == 1
    assert "(-: is, +: .clang-format)" in layout(tmp_path, GOOD.replace(before, after))


@needs_format
def test_line_breaks_are_the_authors(tmp_path):
    text = GOOD + "\nstatic const int table[] = {\n    1, 2,\n    3,\n};\n"
    assert layout(tmp_path, text) == ""


# --- the manual pages --------------------------------------------------------------

MODULE_PAGE = "docs/mod_auth_bearer.5"
needs_mandoc = missing.needs("mandoc", shutil.which("mandoc"))


def test_the_manual_pages_are_current():
    assert run("manpage.py", TOP) == ""


@pytest.fixture
def manual(tmp_path):
    """What the pages are made of, to be changed."""
    shutil.copytree(os.path.join(TOP, "tools"), tmp_path / "tools")
    shutil.copytree(os.path.join(TOP, "docs", "reference"), tmp_path / "docs" / "reference")
    shutil.copy(os.path.join(TOP, MODULE_PAGE), tmp_path / "docs")
    assert run("manpage.py", tmp_path) == ""
    return tmp_path


def test_the_manual_page_follows_the_options(manual):
    source, page = manual / "tools" / "ht_keygen.c", manual / "tools" / "htbearer.1"
    source.write_text(source.read_text().replace(
        '{ "bits", "N", 0, "', '{ "size", "N", HT_REPEAT, "in \\"bits\\": '))
    assert "is not what" in run("manpage.py", manual)
    assert run("manpage.py", manual, "--write") == ""
    assert '.TP\n\\fB\\-\\-size\\fR \\fIN\\fR...\nin "bits": size' in page.read_text()
    assert "bits\\fR" not in page.read_text()
    source.write_text(source.read_text().replace("ht_command_t ht_keygen", "ht_none"))
    assert "has no ht_command_t" in run("manpage.py", manual)


@pytest.mark.parametrize("name", ["directives", "require", "variables"])
def test_the_manual_page_follows_the_reference(manual, name):
    source = manual / "docs" / "reference" / (name + ".md")
    source.write_text(source.read_text() + "\nOne more sentence.\n")
    assert MODULE_PAGE + ": is not what" in run("manpage.py", manual)
    assert run("manpage.py", manual, "--write") == ""
    assert "\nOne more sentence.\n" in (manual / MODULE_PAGE).read_text()


@pytest.mark.parametrize("markdown,lines", [
    ("`.htaccess` and 'that'.", [r"\fB.htaccess\fR and 'that'."]),
    (".htaccess", [r"\&.htaccess"]),
    ("`a-b` is `'x'` or `~`: `\\.`", [r"\fBa\-b\fR is \fB\(aqx\(aq\fR or \fB\(ti\fR: \fB\e.\fR"]),
    ("**Note.** See e.g. This. And *that*: …",
     [r"\fBNote.\fR See e.g. This.", r"And \fIthat\fR: ..."]),
    ("[AuthBearerKeys](#authbearerkeys), [limits](limits.md#x), [rules](require.md)",
     [r"\fBAuthBearerKeys\fR, limits (docs/reference/limits.md), rules"]),
    ("- one\n  two\n- three", [r".IP \(bu 4", "one two", r".IP \(bu 4", "three"]),
    ("|||\n|---|---|\n|Syntax|`A on\\|off`|\n|Empty||",
     [".PD 0", ".TP 14", "Syntax", r"\fBA on|off\fR", ".TP 14", "Empty", r"\&", ".PD"]),
    ("|a|b|c|\n|---|---|---|\n|1|2|3|",
     [".PD 0", ".TP 14", "1", r"\fIb\fR: 2", ".br", r"\fIc\fR: 3", ".PD"]),
    ("```apache\nA\n\n.B \\\n```",
     [".in +4n", ".nf", "A", "", r"\&.B \e", ".fi", ".in"]),
])
def test_markdown_becomes_roff(manual, markdown, lines):
    (manual / "docs/reference/variables.md").write_text("# Title\n\n%s\n" % markdown)
    run("manpage.py", manual, "--write")
    made = (manual / MODULE_PAGE).read_text().partition('.SH "TITLE"\n')[2]
    made = made.partition("\n.SH SEE ALSO")[0].split("\n")
    assert (made[1:] if made[0] == ".PP" else made) == lines


@needs_mandoc
@pytest.mark.parametrize("page", ["tools/htbearer.1", MODULE_PAGE])
def test_a_manual_page_has_no_errors(page):
    done = subprocess.run(["mandoc", "-Tlint", os.path.join(TOP, page)],
                          capture_output=True, text=True, timeout=60)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@needs_mandoc
def test_the_manual_page_loses_nothing():
    """All code of the reference is in it, as it is printed, and each directive has a
    heading."""
    printed = subprocess.run(
        ["mandoc", "-Tutf8", "-Owidth=1000", os.path.join(TOP, MODULE_PAGE)],
        capture_output=True, text=True, timeout=60, check=True).stdout
    printed = re.sub(".\b", "", printed)
    words = " ".join(printed.split())
    for name in ("directives", "require", "variables"):
        with open(os.path.join(TOP, "docs/reference/%s.md" % name), encoding="utf-8") as file:
            text = file.read().replace("…", "...")
        for heading in re.findall("^### (.*)$", text, re.M):
            assert re.search("^ +%s$" % re.escape(heading), printed, re.M), heading
        fences = re.findall("^```.*?\n(.*?)^```$", text, re.M | re.S)
        spans = re.findall("`([^`]+)`", re.sub("^```.*?^```$", "", text, flags=re.M | re.S))
        assert len(spans) > 20 and fences or name == "variables"
        for code in fences + [span.replace("\\|", "|") for span in spans]:
            assert " ".join(code.split()) in words, code


# --- the changelog ---------------------------------------------------------------

def changelog(tmp_path, name="a-change.md", text="Fixed: It works.\n", *options):
    (tmp_path / "changes").mkdir(exist_ok=True)
    (tmp_path / "changes" / name).write_text(text)
    return run("changelog.py", tmp_path, *options)


def test_the_changelog_is_current():
    assert run("changelog.py", TOP) == ""


def test_the_changelog_is_made(tmp_path):
    page = tmp_path / "CHANGELOG.md"
    page.write_text("\n## 0.1.0 (2026-11-22)\n\nFirst.\n")
    assert "is not what" in changelog(tmp_path)
    assert changelog(tmp_path, "b.md", "Added: A `word`\nor two.\n", "--write") == ""
    text = page.read_text()
    assert text.endswith("## Unreleased\n\n### Added\n\n- A `word` or two.\n\n### Fixed\n\n"
                         "- It works.\n\n## 0.1.0 (2026-11-22)\n\nFirst.\n")
    assert run("changelog.py", tmp_path) == ""
    page.write_text(text.replace("word", "ward"))
    assert "is not what" in run("changelog.py", tmp_path)


@pytest.mark.parametrize("name,text,complaint", [
    ("A.md", "Fixed: It works.\n", "small letters"),
    ("a.txt", "Fixed: It works.\n", "ends in .md"),
    ("a.md", "Mended: It works.\n", "begins with one of"),
    ("a.md", "It works.\n", "begins with one of"),
    ("a.md", "Fixed: It works", "begins with one of"),
    ("a.md", "Fixed: It works\n", "whole sentences"),
    ("a.md", "Fixed: It works.\n\nIt does.\n", "one paragraph"),
    ("a.md", "Fixed: " + 61 * "so " + "it works.\n", "over 60 words"),
    ("a.md", "Fixed: It works (#12).\n", "the number of an issue"),
])
def test_a_change_is_well_formed(tmp_path, name, text, complaint):
    assert complaint in changelog(tmp_path, name, text, "--write")
    assert not (tmp_path / "CHANGELOG.md").exists()


# --- the version ------------------------------------------------------------------

def tree(tmp_path, version="0.9.0-dev", page="## Unreleased\n\n### Fixed\n\n- It works.\n\n"
         "## 0.1.0 (2026-11-22)\n\nFirst.\n"):
    """As much of a source tree as a version is written in."""
    (tmp_path / "configure.ac").write_text(
        "AC_INIT([mod_auth_bearer], [%s])\nAC_OUTPUT\n" % version)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n" + page)
    (tmp_path / "changes").mkdir(exist_ok=True)
    (tmp_path / "changes" / ".keep").write_text("It stays.\n")
    (tmp_path / "changes" / "a.md").write_text("Fixed: It works.\n")
    for name in ("docs/reference", "src/base", "tools"):
        shutil.copytree(os.path.join(TOP, name), tmp_path / name, dirs_exist_ok=True)
    (tmp_path / "tests" / "build").mkdir(parents=True, exist_ok=True)
    return tmp_path


def test_the_version_is_in_order():
    assert run("release.py", TOP, "--check") == ""


def test_a_release_is_made(tmp_path):
    root = tree(tmp_path)
    assert run("release.py", root, "--check") == ""
    assert run("release.py", root, "0.9.0", "2027-01-31") == ""
    assert "[0.9.0])" in (root / "configure.ac").read_text()
    page = (root / "CHANGELOG.md").read_text()
    assert page == ("# Changelog\n\n## 0.9.0 (2027-01-31)\n\n### Fixed\n\n- It works.\n\n"
                    "## 0.1.0 (2026-11-22)\n\nFirst.\n")
    assert os.listdir(root / "changes") == [".keep"]
    assert run("release.py", root, "--check") == ""
    # changelog.py leaves what is released
    assert run("changelog.py", root, "--write") == ""
    text = (root / "CHANGELOG.md").read_text()
    assert text[text.index("\n## "):] == page[page.index("\n## "):]
    # a change after it needs the next version
    (root / "changes" / "b.md").write_text("Fixed: More works.\n")
    assert run("changelog.py", root, "--write") == ""
    assert "release.py X.Y.Z-dev" in run("release.py", root, "--check")
    assert run("release.py", root, "0.9.1-dev") == ""
    assert run("release.py", root, "--check") == ""
    text = (root / "CHANGELOG.md").read_text()
    assert text.count("## Unreleased") == 1 and "- More works." in text


@pytest.mark.parametrize("arguments,complaint", [
    (["0.9"], "VERSION is X.Y.Z"),
    (["0.9.0-rc1"], "VERSION is X.Y.Z"),
    (["0.9.0", "yesterday"], "DATE is YYYY-MM-DD"),
    (["0.9.0-dev"], "not newer"),
    (["0.8.99"], "not newer"),
])
def test_a_release_that_cannot_be_changes_nothing(tmp_path, arguments, complaint):
    root = tree(tmp_path)
    before = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
    assert complaint in run("release.py", root, *arguments)
    assert {path: path.read_text() for path in root.rglob("*") if path.is_file()} == before


def test_a_release_has_changes(tmp_path):
    root = tree(tmp_path, page="## 0.1.0 (2026-11-22)\n\nFirst.\n")
    assert "has no changes" in run("release.py", root, "0.9.0")


def test_the_changelog_is_not_newer_than_the_version(tmp_path):
    root = tree(tmp_path, "0.9.0-dev", "## 0.9.0 (2027-01-31)\n\nFirst.\n")
    assert "is older than 0.9.0" in run("release.py", root, "--check")
    root = tree(tmp_path, "0.9", "")
    assert "no version of the form" in run("release.py", root, "--check")


def test_nothing_of_the_last_release_is_gone():
    assert run("interface.py", TOP) == ""


@pytest.mark.parametrize("name,before,after,line", [
    ("docs/reference/directives.md", "|Context|server config, virtual host|",
     "|Context|server config|", "directive AuthBearerIssuer in virtual host"),
    ("docs/reference/directives.md", "\n### AuthBearerKeys\n", "\n### AuthBearerJWKS\n",
     "directive AuthBearerKeys is by default `discover`"),
    ("docs/reference/directives.md", "|`entries=1024`|", "|`entries=512`|",
     "directive AuthBearerTokenCache is by default `entries=1024`"),
    ("docs/reference/require.md", "`Require role ", "`Require roles ", "rule Require role"),
    ("docs/reference/variables.md", "BEARER_SCOPE", "BEARER_SCOPES",
     "variable or header BEARER_SCOPE"),
    ("docs/reference/metrics.md", "`issuer`, `result` | key set", "`result` | key set",
     "metric auth_bearer_fetches_total by issuer"),
    ("docs/reference/responses.md", "|`/logout`|GET, POST|", "|`/logout`|POST|",
     "endpoint GET /logout"),
    ("src/base/messages.txt", "AB0019 info ", "AB0019 error ", "message AB0019 info audience/aud"),
    ("tools/htbearer.1", "\\-\\-bits", "\\-\\-size", "command htbearer keygen --bits"),
])
def test_what_a_release_offers_stays(tmp_path, name, before, after, line):
    root = tree(tmp_path)
    text = (root / name).read_text()
    assert before in text
    (root / name).write_text(text.replace(before, after, 1))
    assert run("interface.py", root) == ""  # not released yet
    (root / name).write_text(text)
    assert run("release.py", root, "0.9.0") == ""
    assert run("interface.py", root) == ""
    (root / name).write_text(text.replace(before, after, 1))
    assert "the last release has: " + line in run("interface.py", root)


def test_what_comes_after_a_release_may_go(tmp_path):
    root = tree(tmp_path)
    assert run("release.py", root, "0.9.0") == ""
    page = root / "docs/reference/require.md"
    text = page.read_text()
    page.write_text(text.replace("|`Require role", "|`Require new X`|new|\n|`Require role"))
    assert "rule Require new" in subprocess.run(
        [sys.executable, os.path.join(TOP, "tests/build/interface.py"), "--print"],
        env=dict(os.environ, srcdir=str(root)), capture_output=True, text=True,
        timeout=60).stdout
    assert run("interface.py", root) == ""
    page.write_text(text)
    assert run("interface.py", root) == ""


@pytest.mark.parametrize("name,good,bad", [
    ("debian/changelog", "libapache2-mod-auth-bearer (0.9.0~dev-1) unstable; urgency=low\n",
     "libapache2-mod-auth-bearer (0.9.0-1) unstable; urgency=low\n")])
def test_packages_have_the_same_version(tmp_path, name, good, bad):
    root = tree(tmp_path)
    (root / name).parent.mkdir()
    (root / name).write_text(good)
    assert run("release.py", root, "--check") == ""
    (root / name).write_text(bad)
    assert "not of 0.9.0~dev" in run("release.py", root, "--check")


# --- CONTRIBUTING.md -------------------------------------------------------------

def test_what_contributing_names_is_there():
    """Files, and symbols of C: the page says where to add what."""
    with open(os.path.join(TOP, "CONTRIBUTING.md"), encoding="utf-8") as file:
        words = set(re.findall(r"`([\w./*-]+)(?:\(\))?`", file.read()))
    files = {word for word in words if "/" in word and "NAME" not in word}
    symbols = {word for word in words
               if re.fullmatch(r"(bearer|ab|ht|AB|BEARER)_\w+", word) and "NAME" not in word}
    assert len(files) > 20 and len(symbols) > 10
    assert [name for name in sorted(files)
            if not os.path.exists(os.path.join(TOP, name))] == []
    sources = ""
    for pattern in ("src/*/*.[ch]", "tools/*.[ch]"):
        for path in glob.glob(os.path.join(TOP, pattern)):
            with open(path, encoding="utf-8") as file:
                sources += file.read()
    defined = set(re.findall(r"\w+", sources))
    assert sorted(symbols - defined) == []


# --- the hook --------------------------------------------------------------------

@pytest.fixture
def clone(tmp_path):
    """A repository with the hook and two good files, and nothing staged."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=tmp_path, capture_output=True,
                              text=True, timeout=60)
    for name in (".clang-format", ".githooks/pre-commit", "tests/build/layout.py",
                 "tests/build/complaints.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.join(TOP, name), tmp_path / name)
    for name in ("src/base/x.c", "src/base/y.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(GOOD)
    git("init", "-q")
    git("config", "user.name", "A")
    git("config", "user.email", "a@example.com")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("config", "core.hooksPath", ".githooks")
    git.file = tmp_path / "src/base/x.c"
    return git


@needs_git
@needs_format
def test_the_hook_looks_at_what_is_staged(clone):
    clone.file.write_text(GOOD.replace("a < 0", "a<0"))
    clone("add", "-A")
    clone.file.write_text(GOOD)
    refused = clone("commit", "-qm", "bad")
    assert refused.returncode != 0
    assert "src/base/x.c" in refused.stderr
    clone.file.write_text(GOOD.replace("-1", "-2"))
    clone("add", "-A")
    clone.file.write_text("nothing good, and not staged")
    assert clone("commit", "-qm", "good").returncode == 0
    assert clone("show", "--stat", "--format=").stdout.count("|") == 1


@needs_git
@needs_format
def test_the_hook_lets_other_files_pass_but_no_marks_of_conflicts(clone):
    clone.file.with_suffix(".txt").write_text("\tany   text\n")
    clone("add", "-A")
    assert clone("commit", "-qm", "text").returncode == 0
    clone.file.with_suffix(".txt").write_text("<<<<<<< ours\n")
    clone("add", "-A")
    assert clone("commit", "-qm", "conflict").returncode != 0


@needs_git
@needs_format
def test_the_hook_takes_less_than_two_seconds(clone):
    for i in range(20):
        (clone.file.parent / f"z{i}.c").write_text(GOOD * 20)
    clone("add", "-A")
    before = os.times()
    assert clone("commit", "-qm", "twenty").returncode == 0
    after = os.times()
    assert after.children_user + after.children_system \
        - before.children_user - before.children_system < 2
