#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: words.py [DIRECTORY]

Complains if an end-to-end test identifies a message of the module by its text
instead of its number and values (tests/e2e/support/messages.py). make lint
runs it."""

import ast
import glob
import os
import re
import sys

ROOT = os.environ.get("srcdir") or os.path.join(os.path.dirname(__file__), "..", "..")
#: These functions take a number, then values.
CALLS = {"says", "logged", "log_says", "wait_log", "message"}
NUMBER = re.compile(r"A[BH]\d{4,5}(\|A[BH]\d{4,5})*")
#: The arguments of allow_log: see allowed() in messages.py.
ENTRY = re.compile(r"AB\d{4}( \S+)*$|AH\d|no number: |any number$")
#: Three words in a row are prose, not a value.
PROSE = re.compile(r"\b[a-z']{2,} [a-z']{2,} [a-z']{2,}\b")


def text_of(node):
    """Returns the text of a literal, or None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) \
        else None


def is_log(node):
    """Is the node the log of a server, or the output of configtest?"""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) \
            and node.func.attr in ("error_log", "start_output")
    return isinstance(node, ast.Attribute) and node.attr == "output"


def texts_below(nodes):
    for node in nodes:
        for one in ast.walk(node):
            if text_of(one) is not None:
                yield one


def faults_of_call(node, name):
    if name == "allow_log":
        for one in node.args:
            if text_of(one) is not None and not ENTRY.match(one.value):
                yield one, "an allow_log names a number (AB0123, AH01630)"
    elif name in CALLS and node.args:
        number = text_of(node.args[0])
        if number is not None and not NUMBER.fullmatch(number):
            yield node.args[0], "%s() takes the number of a message first" % name
        for one in texts_below(node.args[1:]):
            if PROSE.search(one.value):
                yield one, "prose is no value of a message"
    elif name in ("search", "findall", "match") and len(node.args) > 1 \
            and is_log(node.args[1]):
        for one in texts_below(node.args[:1]):
            if PROSE.search(one.value):
                yield one, "a log is searched for prose"
    for keyword in node.keywords:
        if keyword.arg == "log":
            for one in texts_below([keyword.value]):
                if PROSE.search(one.value):
                    yield one, "prose is no value of a message"


def faults(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            yield from faults_of_call(node, name)
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)) \
                and is_log(node.comparators[0]) \
                and PROSE.search(text_of(node.left) or ""):
            yield node.left, "a log is searched for prose"


def main():
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests", "e2e")
    failed = False
    for path in sorted(glob.glob(os.path.join(where, "**", "*.py"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read(), path)
        for node, what in faults(tree):
            print(f"{os.path.relpath(path, where)}:{node.lineno}: {what}: {node.value!r}",
                  file=sys.stderr)
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
