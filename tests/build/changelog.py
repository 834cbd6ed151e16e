#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: changelog.py [--write]

CHANGELOG.md begins with the changes since the last version. This script generates that
part from the files in changes/, one for each change: changes/NAME.md contains
`KIND: text`. It reports errors in these files and an outdated page; --write updates the
page. make lint runs it."""

import glob
import os
import re
import sys
import textwrap

from complaints import ROOT, WRITE, complain, complaints, end, keep_page, read

PAGE = "CHANGELOG.md"
KINDS = ("Security", "Added", "Changed", "Fixed")  # in the order in which the page lists them
INTRODUCTION = """\
# Changelog

What administrators and users notice, newest version first. `tests/build/changelog.py --write`
makes the part of the next version from the files in `changes/`.
"""
NEXT = "\n## Unreleased\n"
RELEASED = r"\n## \d.*"
LONGEST = 60  # words

def read_change(path, changes):
    name = os.path.relpath(path, ROOT)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if not re.fullmatch(r"changes/[a-z0-9-]+\.md", name):
        complain(name, "a name has small letters, digits and hyphens, and ends in .md")
    match = re.fullmatch(r"(\w+): (\S.*\S)\n", text, re.S)
    if not match or match[1] not in KINDS:
        complain(name, f"begins with one of {', '.join(KINDS)}, a colon and the text")
        return
    words = match[2].split()
    if "\n\n" in text or not match[2].endswith("."):
        complain(name, "is one paragraph of whole sentences")
    if len(words) > LONGEST:
        complain(name, f"has over {LONGEST} words")
    if re.search(r"#\d|\bissue \d", text):
        complain(name, "says what changed, not the number of an issue")
    changes[match[1]].append(" ".join(words))


def read_changes():
    changes = {kind: [] for kind in KINDS}
    for path in sorted(glob.glob(os.path.join(ROOT, "changes", "*"))):
        read_change(path, changes)
    return changes


def page(changes, released):
    out = [INTRODUCTION + (NEXT if any(changes.values()) else "")]
    for kind in KINDS:
        if changes[kind]:
            out.append(f"### {kind}\n")
            out += [textwrap.fill(text, 96, initial_indent="- ", subsequent_indent="  ",
                                  break_on_hyphens=False, break_long_words=False)
                    for text in changes[kind]]
            out.append("")
    return "\n".join(out).rstrip("\n") + "\n" + released


def main():
    # released parts are not changed
    released = re.search(RELEASED, read(PAGE), re.S)
    wanted = page(read_changes(), released[0] if released else "")
    if not (WRITE and complaints):
        keep_page(PAGE, wanted)
    return end()


if __name__ == "__main__":
    sys.exit(main())
