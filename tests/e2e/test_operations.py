# Licensed under the Apache License, Version 2.0; see LICENSE.
"""docs/operations.md names the lines that the server logs by itself: each that
it names is in the sources, and each of the rooms of keys, caches and files is
named."""
import glob
import os
import re

import pytest

from support.httpd import TOP

PAGE = os.path.join(TOP, "docs", "operations.md")
#: Whose lines must all be in the table.
ROOMS = ["bearer/client_auth*", "bearer/filewatch.c", "bearer/keyset*",
         "bearer/metadata.c", "bearer/revocation*.c", "bearer/secret.c",
         "bearer/tenants.c", "httpd/handover.c", "httpd/process.c",
         "httpd/refresh.c", "httpd/remote.c", "httpd/shared.c",
         "httpd/store.c"]
CALL = re.compile(r"\b(?:bearer_world_log|ap_log_r?error|bearer_log)\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def rows():
    """The first cells of the table of log lines."""
    text = read(PAGE).partition("\n## What the log says\n")[2]
    text = text.partition("\n### ")[0]
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def pieces(line):
    found = [p.strip(" ,;:") for p in line.split("…")]
    return [p for p in found if len(p) > 4]


def text_of(path):
    """A source with its adjacent literals joined, so that a sentence that was
    broken over lines is whole; a macro between them is some value."""
    code = re.sub(r'"\s*APR_[A-Z_0-9]+\s*"', "…", read(path))
    return re.sub(r'"\s*"', "", code)


def sources(pattern="*/*.[ch]"):
    return sorted(glob.glob(os.path.join(TOP, "src", *pattern.split("/"))))


def arguments(text, start):
    """From behind the opening parenthesis to the closing one."""
    depth, at = 1, start
    for found in re.compile(r'"(?:[^"\\]|\\.)*"|[()]').finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found.group(), 0)
        if not depth:
            at = found.start()
            break
    return text[start:at]


def formats(path):
    """The texts that a source logs, values as an ellipsis."""
    text = text_of(path)
    for call in CALL.finditer(text):
        literals = LITERAL.findall(arguments(text, call.end()))
        if literals:
            yield re.sub(r"%…?[-0-9.]*(?:l|ll|z)?[a-z]?", "…", literals[0])


def test_there_are_rows():
    assert len(rows()) >= 30


@pytest.mark.parametrize("row", rows())
def test_each_line_is_logged_somewhere(row):
    wanted = pieces(row)
    assert wanted
    texts = [re.sub(r"%…?[-0-9.]*(?:l|ll|z)?[a-z]", "…", text_of(path))
             for path in sources()]
    for piece in wanted:
        assert any(piece in text for text in texts), piece


@pytest.mark.parametrize("room", ROOMS)
def test_each_line_of_a_room_is_told(room):
    known = rows()
    for path in sources(room):
        for line in formats(path):
            wanted = pieces(line)
            if wanted:  # else all of it comes from elsewhere
                assert any(all(piece in row for piece in wanted)
                           for row in known), (path, line)
