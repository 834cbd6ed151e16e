# Licensed under the Apache License, Version 2.0; see LICENSE.
"""tests/build/messages.py finds each way in which the numbers of messages, their
catalogue and its page can differ; the numbers in the documents exist. Tests know a
message by its number and values, and tests/build/words.py sees to that."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from support.httpd import TOP
from support.messages import allowed, message

CATALOGUE = "src/base/messages.txt"


def copied(tmp_path):
    for part in ("src", "docs"):
        shutil.copytree(os.path.join(TOP, part), tmp_path / part)
    return tmp_path


def complaints(root, *options):
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, "tests", "build", "messages.py"), *options],
        env=dict(os.environ, srcdir=str(root)), capture_output=True, text=True,
        timeout=60)
    assert (done.returncode != 0) == bool(done.stderr), done
    return done.stderr


def test_the_sources_are_in_order():
    assert complaints(TOP) == ""


@pytest.mark.parametrize("path,before,after,complaint", [
    ("src/httpd/start.c", 'AB(0901) "', '"', "has no number"),
    ("src/httpd/config_issuer.c", 'AB(0524) "', '"', "without a number is returned"),
    ("src/httpd/start.c", "AB(0901)", "AB(0912)", "AB0912 is used at more than one"),
    ("src/httpd/start.c", "AB(0901)", "AB(0019)", "AB0019 is used at more than one"),
    ("src/httpd/start.c", "AB(0901)", "AB(0999)", "AB0999 is not in"),
    ("src/httpd/start.c", 'AB(0901) "', 'AB(0901) "\\"', "a double quote"),
    (CATALOGUE, "AB0901 emerg", "AB0901 error", "AB0901 is logged as emerg"),
    (CATALOGUE, "AB0019 info audience/aud", "AB0019 error audience/aud",
     "AB0019 is info audience/aud"),
    (CATALOGUE, "AB0901 emerg", "AB0900 emerg start\n  A.\n  -> B.\n\nAB0901 emerg",
     "AB0900 is used nowhere"),
    (CATALOGUE, "AB0901 emerg", "AB0800 emerg", "not in the range"),
    (CATALOGUE, "AB0901 emerg start\n  ", "AB0901 emerg start\n  Otherwise. ",
     "is not what"),
])
def test_what_differs_is_found(tmp_path, path, before, after, complaint):
    root = copied(tmp_path)
    text = (root / path).read_text()
    assert text.count(before) == 1
    (root / path).write_text(text.replace(before, after))
    assert complaint in complaints(root)


def test_the_page_is_made(tmp_path):
    root = copied(tmp_path)
    page = (root / "docs" / "reference" / "messages.md").read_text()
    (root / "docs" / "reference" / "messages.md").write_text("")
    complaints(root, "--write")
    assert (root / "docs" / "reference" / "messages.md").read_text() == page
    assert complaints(root) == ""


def test_numbers_in_the_documents_exist():
    with open(os.path.join(TOP, CATALOGUE), encoding="utf-8") as file:
        known = set(re.findall(r"^AB\d{4}\b", file.read(), re.M))
    assert len(known) > 250
    pages = [os.path.join(TOP, "README.md")] + [
        os.path.join(directory, name)
        for directory, _, names in os.walk(os.path.join(TOP, "docs"))
        for name in names if name.endswith(".md")]
    for page in pages:
        with open(page, encoding="utf-8") as file:
            assert set(re.findall(r"\bAB\d{4}\b", file.read())) <= known, page


LINE = "AB0104: address 192.0.2.17 is throttled for 60 s after 3 refused tokens"


@pytest.mark.parametrize("number,values,there", [
    ("AB0104", [], True), ("AB0104", ["192.0.2.17", 60, 3], True),
    ("AB0103|AB0104", ["60 s"], True), (None, ["192.0.2.17"], True),
    ("AB0104", [re.compile(r"\d+ s\b"), 3], True),
    ("AB0103", [], False), ("AB0104", [3, 60], False), ("AB0104", ["192.0.2.1"], False),
    ("AB0104", [6], False), ("AB0104", ["refuse"], False), ("AB0104", ["192x0"], False)])
def test_a_message_is_known_by_number_and_values(number, values, there):
    assert bool(re.search(message(number, *values), LINE)) == there
    for before in ("note: ", "2026-12-01|auth_bearer|notice|7|", "[client 192.0.2.17] "):
        assert bool(re.search(message(number, *values), before + LINE)) == there
    assert not re.search(message(number, *values), "X" + LINE)


@pytest.mark.parametrize("entry,there", [
    ("AB0104", True), ("AB0104 192.0.2.17", True), ("AB0104 192.0.2.18", False),
    ("AB0103", False), ("AH01630", False), ("no number: address", False)])
def test_what_an_allow_log_allows(entry, there):
    assert bool(re.search(allowed(entry), LINE)) == there
    assert bool(re.search(allowed("no number: address"), LINE[8:]))


@pytest.mark.parametrize("function,text", [
    (message, "AB9999"), (message, "the address"), (message, "AB0104|AB9999"),
    (allowed, "AB9999"), (allowed, "the address"), (allowed, ".")])
def test_a_number_that_does_not_exist_is_an_error(function, text):
    with pytest.raises(ValueError):
        function(text)


@pytest.mark.parametrize("line,fault", [
    ('@pytest.mark.allow_log("AB0205", "AH0347[89]", "no number: oidc_")', None),
    ('@pytest.mark.allow_log("keys of issuer")', "an allow_log names a number"),
    ('X = pytest.mark.allow_log("AB0205", ".")', "an allow_log names a number"),
    ('assert res.logged("AB0205", "https://issuer.test/")', None),
    ('assert res.logged("keys of issuer")', "logged() takes the number"),
    ('server.wait_log("is throttled")', "wait_log() takes the number"),
    ('assert done.says(None, "no key is known")', "prose is no value"),
    ('refused(res, 503, log=["a", "no key is known"])', "prose is no value"),
    ('refused(res, 503, log="AuthBearerAudience")', None),
    ('assert "no key is known" not in server.error_log()', "searched for prose"),
    ('assert "no key is known" in done.output', "searched for prose"),
    ('assert "AuthBearerKeys" in done.output', None),
    ('assert re.search("no key is known", done.output)', "searched for prose"),
    ('assert "no key is known" in page.text', None)])
def test_words_are_found(tmp_path, line, fault):
    suffix = "\ndef test(): pass\n" if line.startswith("@") else "\n"
    (tmp_path / "test_x.py").write_text(line + suffix)
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, "tests", "build", "words.py"), str(tmp_path)],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == bool(fault), done
    assert (fault or "") in done.stderr and bool(fault) == bool(done.stderr), done


def test_no_test_names_words():
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, "tests", "build", "words.py")],
        env=dict(os.environ, srcdir=TOP), capture_output=True, text=True, timeout=60)
    assert not done.stderr and done.returncode == 0, done
