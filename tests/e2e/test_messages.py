# Licensed under the Apache License, Version 2.0; see LICENSE.
"""tests/build/messages.py finds each way in which the numbers of messages, their
catalogue and its page can differ; the numbers in the documents exist."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from support.httpd import TOP

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
    page = (root / "docs" / "messages.md").read_text()
    (root / "docs" / "messages.md").write_text("")
    complaints(root, "--write")
    assert (root / "docs" / "messages.md").read_text() == page
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
