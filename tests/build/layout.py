#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: layout.py [FILE]...

Checks the layout of these C files, or of all: the licence, tabs, widths, the length of
functions and files, and the spaces and braces that .clang-format requires. Part of
make lint; .githooks/pre-commit checks the staged files. srcdir is the tree.
CLANG_FORMAT names the program; if it is empty, its check is skipped."""

import difflib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from complaints import ROOT, complain, end

FOLDERS = ("mod_auth_bearer.c", "src/*/*.[ch]", "tools/*.[ch]", "tests/unit/*.[ch]",
           "tests/fuzz/*.[ch]")
COLUMNS = 100
LINES_OF_A_FILE = 600
LINES_OF_A_FUNCTION = 60

def check_lines(name, lines):
    if "Licensed under the Apache License" not in lines[0]:
        complain(f"{name}:1", "no licence")
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            complain(f"{name}:{number}", "tab")
        if line.endswith((" ", "\r")):
            complain(f"{name}:{number}", "trailing blank")
        if len(line) > COLUMNS:
            complain(f"{name}:{number}", f"over {COLUMNS} columns")


def check_lengths(name, lines):
    """For src, tools and mod_auth_bearer.c; a function counts from brace to brace."""
    start = 0
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start >= LINES_OF_A_FUNCTION:
                complain(f"{name}:{start}", "a function of over "
                         f"{LINES_OF_A_FUNCTION} lines")
            start = 0
    if len(lines) > LINES_OF_A_FILE:
        complain(name, f"over {LINES_OF_A_FILE} lines")


def tokens_of(text):
    """Returns the text to compare: spaces between tokens, and the position of braces
    and else. Authors choose other line breaks and columns, because tables and
    lists are easier to read as written. In an array of functions, clang-format
    takes a parameter's `*` for a multiplication."""
    text = re.sub(r"\n *(?=else\b)|(?<=\))\n *(?=\{\n)|(?<=\bdo)\n *(?=\{\n)", " NEWLINE ",
                  text)
    text = re.sub(r"\s+", " ", text.replace("\\\n", "\n"))
    text = re.sub(r" *([};|]) *|({) *", r"\1\2", text).replace("( ", "(")
    text = re.sub(r"\) (?!{)", ")", text)
    text = re.sub(r"(\[\]\)\(\w* )\* ", r"\1*", text)
    return re.sub(r"([;{}])", r"\1\n", text).splitlines()


def check_format(names, texts, program):
    with tempfile.TemporaryDirectory(prefix="auth_bearer_layout.") as scratch:
        shutil.copy(os.path.join(ROOT, ".clang-format"), scratch)
        paths = [os.path.join(scratch, name.replace("/", "+")) for name in names]
        for path, text in zip(paths, texts):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run([program, "-i", *paths], check=True)
        for name, path, text in zip(names, paths, texts):
            with open(path, encoding="utf-8") as file:
                wanted = tokens_of(file.read())
            for line in difflib.unified_diff(tokens_of(text), wanted, n=0, lineterm=""):
                if not line.startswith(("---", "+++", "@@")):
                    complain(name, f"{line}  (-: is, +: .clang-format)")


def main():
    os.chdir(ROOT)
    names = sys.argv[1:]
    if not names:
        names = sorted(name for pattern in FOLDERS for name in glob.glob(pattern))
    texts = []
    for name in names:
        with open(name, encoding="utf-8", newline="") as file:
            texts.append(file.read())
        lines = texts[-1].split("\n")[:-1]
        check_lines(name, lines or [""])
        if not name.startswith("tests/"):
            check_lengths(name, lines)
    program = os.environ.get("CLANG_FORMAT", "clang-format")
    if program and names:
        check_format(names, texts, program)
    return end()


if __name__ == "__main__":
    sys.exit(main())
