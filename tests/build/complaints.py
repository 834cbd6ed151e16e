# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Shared by the scripts of make lint: complaints, and generated pages."""
import os
import sys

ROOT = os.path.abspath(os.environ.get("srcdir")
                       or os.path.join(os.path.dirname(__file__), "..", ".."))
#: 1 if the script was called with --write.
WRITE = "--write" in sys.argv[1:]

complaints = []


def complain(where, what):
    complaints.append(f"{where}: {what}")


def read(page):
    """Returns the text of a file of the tree; empty if there is no such file."""
    path = os.path.join(ROOT, page)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def keep_page(page, wanted):
    """Writes the page, or complains if the page is outdated."""
    if WRITE:
        with open(os.path.join(ROOT, page), "w", encoding="utf-8") as file:
            file.write(wanted)
    elif read(page) != wanted:
        complain(page, f"is not what tests/build/{os.path.basename(sys.argv[0])} "
                 "--write makes")


def end():
    """Prints all complaints. Returns the script's exit status."""
    for line in complaints:
        print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    return 1 if complaints else 0
