#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: tables.py BUILDDIR

In a copy of the sources, adds a name to each list of names (#define LIST(X)) and
compiles the files that use the list. Each table that needs a row for the name must
cause exactly one error. A table that compiles without its row has a zero at run time.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "mutation"))
import build  # noqa: E402

# For each list: how many tables need a row for a new name; 0: the list's own row is
# enough. A list that is missing here is a complaint.
TABLES = {
    "BEARER_REQUIRES": 1,
    "AB_GLOBAL_DIRECTIVES": 1,
    "AB_ISSUER_DIRECTIVES": 1,
    "AB_LABELS": 1,
    "AB_LOGIN_DIRECTIVES": 1,
    "AB_PAGES": 1,
    "AB_STORES": 2,
    "BEARER_CATEGORIES": 0,
    "BEARER_CHECKS": 0,
    "BEARER_CLIENT_METHODS": 0,
    "BEARER_COUNTS": 0,
    "BEARER_COUNT_GROUPS": 0,
    "BEARER_ENDPOINTS": 0,
    "BEARER_EXPORT_MODES": 0,
    "BEARER_FORWARD_BITS": 0,
    "BEARER_FROM_KINDS": 0,
    "BEARER_HAND_ENDPOINTS": 0,
    "BEARER_KTYS": 3,
    "BEARER_METADATA_LISTS": 0,
    "BEARER_SAYINGS": 1,
    "BEARER_LOG_LEVELS": 1,
    "BEARER_PINGS": 0,
    "BEARER_ID_TOKEN_MODES": 0,
    "BEARER_PROFILES": 0,
    "BEARER_PROOF_MODES": 0,
    "BEARER_PROVIDERS": 1,
    "BEARER_PUSHED": 0,
    "BEARER_REASONS": 0,
    "BEARER_REVOCATIONS": 0,
    "BEARER_SCOPE_STRATEGIES": 1,
    "BEARER_SECRETS": 1,
    "BEARER_SENDS": 0,
    "BEARER_SETTINGS": 0,
    "BEARER_SETTING_KINDS": 2,
    "BEARER_SOURCES": 0,
    "BEARER_USERINFO_MODES": 0,
    "CHECKS": 0,
    "CONDITIONS": 0,
    "IDENTITY": 0,
    "KEYS": 0,
    "NAMES": 1,
    "VARIABLES": 0,
}
# Lists whose rows have more than one element: the row that is added.
ROWS = {
    "AB_GLOBAL_DIRECTIVES": 'X("AuthBearerForgotten", FORGOTTEN, 0, 0, "")',
    "AB_ISSUER_DIRECTIVES": 'X("AuthBearerForgotten", FORGOTTEN, 0, 0, "")',
    "AB_LOGIN_DIRECTIVES": 'X("AuthBearerForgotten", FORGOTTEN, 0, 0, "")',
    "BEARER_CHECKS": 'X(8, "forgotten", NULL, ALL, HAS(CLAIMS), 0, FORGOTTEN)',
    "BEARER_REASONS": 'X(9999, FORGOTTEN, "forgotten", REQUEST)',
    "BEARER_SETTINGS": 'X(FORGOTTEN, forgotten, onoff, "AuthBearerForgotten", D, '
                       '"On Off", 0, "")',
    "BEARER_SETTING_KINDS": "X(FORGOTTEN, int, FORGOTTEN, 0, 1)",
}

LIST = re.compile(r"^#define (\w+)\(X\)((?:[^\n]*\\\n)*[^\n]*)", re.M)


def rows_of(body):
    """Returns the texts X(...) of a list."""
    rows, depth, start = [], 0, None
    for i, c in enumerate(body):
        if c == "(":
            if depth == 0:
                start = i
            depth += 1
        elif c == ")":
            depth -= 1
            if depth == 0:
                rows.append("X" + body[start:i + 1])
    return rows


def new_row(name, body):
    if name in ROWS:
        return ROWS[name]
    return re.sub(r"^X\(\s*\w+", "X(FORGOTTEN", rows_of(body)[-1])


def compiled(tree, room, file):
    """Returns what gcc prints for a file of the copy."""
    flags = tree.flags
    return subprocess.run(
        flags["CC"] + flags["DEFS"] + ["-I" + tree.at, "-I" + os.path.join(room, "src")] +
        [f for f in flags["mod_auth_bearer_la_CPPFLAGS"]
         if f != "-I" + os.path.join(tree.at, "src")] +
        ["-w", "-fmax-errors=0", "-fsyntax-only", "-c", file],
        cwd=room, text=True, stderr=subprocess.PIPE, check=False).stderr


def lacking(errors):
    """Returns the names that the compiler did not find, and other errors."""
    found, other = set(), []
    for line in errors.splitlines():
        match = re.search(r"(\S+?):\d+:\d+: error: (.*)", line)
        if not match:
            continue
        name = re.search(r"\w*FORGOTTEN\w*", match[2])
        if name:
            found.add((match[1], name[0]))
        else:
            other.append(line)
    return found, other


def main():
    tree = build.Tree(TOP, sys.argv[1])
    sources = {os.path.relpath(p, TOP): open(p, encoding="utf-8").read()
               for p in [os.path.join(TOP, "mod_auth_bearer.c")] +
               sorted(glob.glob(os.path.join(TOP, "src/*/*.[ch]")))}
    bad = 0
    room = tempfile.mkdtemp(prefix="auth_bearer_tables.")
    try:
        shutil.copytree(os.path.join(TOP, "src"), os.path.join(room, "src"))
        shutil.copy(os.path.join(TOP, "mod_auth_bearer.c"), room)
        for home, text in sources.items():
            for match in LIST.finditer(text):
                name, body = match[1], match[2]
                if len(rows_of(body)) < 2:
                    continue
                users = [f for f in sources if f.endswith(".c") and
                         re.search(r"(?<!define )\b%s\(\w+\)" % name, sources[f])]
                row = new_row(name, body)
                with open(os.path.join(room, home), "w", encoding="utf-8") as out:
                    out.write(text[:match.end()] + " \\\n    " + row +
                              text[match.end():])
                found = set()
                for file in users:
                    names, other = lacking(compiled(tree, room, file))
                    found |= names
                    for line in other:
                        print("tables.py: %s: %s" % (name, line))
                        bad = 1
                with open(os.path.join(room, home), "w", encoding="utf-8") as out:
                    out.write(text)
                print("%s: %s" % (name, ", ".join(
                    "%s (%s)" % (n, f) for f, n in sorted(found)) or
                    "its rows say all"))
                if TABLES.get(name) != len(found):
                    print("tables.py: %s: %d tables have no row for a new name, "
                          "expected: %s" % (name, len(found), TABLES.get(name)))
                    bad = 1
    finally:
        shutil.rmtree(room)
        shutil.rmtree(tree.at)
    return bad


if __name__ == "__main__":
    sys.exit(main())
