# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the scripts of make lint share: complaints, and pages that a script makes."""
import os
import sys

ROOT = os.path.abspath(os.environ.get("srcdir")
                       or os.path.join(os.path.dirname(__file__), "..", ".."))
#: Was the script called to make its page?
WRITE = "--write" in sys.argv[1:]

complaints = []


def complain(where, what):
    complaints.append(f"{where}: {what}")


def read(page):
    """The text of a file of the tree; empty where there is none."""
    path = os.path.join(ROOT, page)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def keep_page(page, wanted):
    """Makes the page, or complains if it is not what would be made."""
    if WRITE:
        with open(os.path.join(ROOT, page), "w", encoding="utf-8") as file:
            file.write(wanted)
    elif read(page) != wanted:
        complain(page, f"is not what tests/build/{os.path.basename(sys.argv[0])} "
                 "--write makes")


def end():
    """Says all complaints; the script's exit status."""
    for line in complaints:
        print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    return 1 if complaints else 0
