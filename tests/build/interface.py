#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: interface.py [--write | --print]

What docs/upgrading.md promises: is everything that the last release offered still there?
tests/build/interface.txt lists it, one thing a line; release.py writes it (--write). What
is gone or has changed since is reported. To remove a thing on purpose, deprecate it first,
then delete its line with it. Things that came after the release may change. Other tests
compare the documents that this reads with the code."""

import os
import re
import sys

from complaints import ROOT, WRITE, complain, end, read

LIST = "tests/build/interface.txt"
HEAD = """\
# What the last release offers (docs/upgrading.md), by tests/build/interface.py --write.
"""
CELLS = re.compile(r"(?<!\\)\|")


def rows(page):
    """The cells of all rows of a page's tables."""
    for line in read("docs/reference/" + page).split("\n"):
        if line.startswith("|"):
            yield [cell.strip() for cell in CELLS.split(line)[1:-1]]


def directives():
    for block in re.split(r"^### ", read("docs/reference/directives.md"), flags=re.M)[1:]:
        name = block.partition("\n")[0]
        found = dict(re.findall(r"^\|(Default|Context)\|(.*)\|$", block, re.M))
        for context in found["Context"].split(", "):
            yield f"directive {name} in {context}"
        if found["Default"].startswith("`"):
            yield f"directive {name} is by default {found['Default'].split(';')[0]}"


def rules():
    for first, *_ in rows("require.md"):
        rule = re.match(r"`(Require [\w-]+)", first)
        if rule:
            yield f"rule {rule[1]}"


def variables():
    text = read("docs/reference/variables.md")
    for name in sorted(set(re.findall(r"`((?:BEARER|REMOTE)_[A-Z_]+|X-[A-Za-z-]+)`", text))):
        yield f"variable or header {name}"


def metrics():
    for first, *rest in rows("metrics.md"):
        name = re.match(r"`(auth_bearer_\w+)`", first)
        if name:
            yield f"metric {name[1]}"
            for label in re.findall(r"`(\w+)`", rest[0]):
                yield f"metric {name[1]} by {label}"


def endpoints():
    for first, methods, *_ in rows("responses.md"):
        for path in re.findall(r"`(/[\w/-]+)`", first):
            for method in methods.split(", "):
                yield f"endpoint {method} {path}"


def messages():
    for message in re.findall(r"^AB\d{4} \w+ \S+$", read("src/base/messages.txt"), re.M):
        yield f"message {message}"


def commands():
    page = read("tools/htbearer.1").replace("\\-", "-")
    for section in re.split(r"^\.SS ", page.partition(".SH COMMANDS")[2], flags=re.M)[1:]:
        name = re.match(r"\\fB(\w+)\\fR", section)[1]
        yield f"command htbearer {name}"
        for option in re.findall(r"^\.TP\n\\fB(-[\w-]+)\\fR", section, re.M):
            yield f"command htbearer {name} {option}"


KINDS = (directives, rules, variables, metrics, endpoints, messages, commands)


def offered():
    """What this tree offers, a line each."""
    out = []
    for kind in KINDS:
        found = list(dict.fromkeys(kind()))
        if not found:
            complain("interface.py", f"finds no {kind.__name__}")
        out += found
    return out


def write():
    text = HEAD + "\n".join(offered()) + "\n"
    with open(os.path.join(ROOT, LIST), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    if "--print" in sys.argv[1:]:
        print(*offered(), sep="\n")
    elif WRITE:
        write()
    else:
        there = offered()
        for line in read(LIST).split("\n"):
            if line and not line.startswith("#") and line not in there:
                complain(LIST, f"the last release has: {line}")
    return end()


if __name__ == "__main__":
    sys.exit(main())
