#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: release.py VERSION [DATE]

Sets the version in configure.ac, its only place; the packages name it too
(PACKAGES), and make lint compares them (release.py --check). Then commit.

X.Y.Z: the changes since the last version get the heading X.Y.Z (DATE) in CHANGELOG.md,
and changes/ is emptied; interface.txt lists what users may rely on from now on
(interface.py). DATE is YYYY-MM-DD, today by default.
X.Y.Z-dev: work on the next version begins."""

import datetime
import glob
import os
import re
import sys

import interface
from changelog import NEXT, PAGE, RELEASED
from complaints import ROOT, complain, complaints, end, read

CONFIGURE = "configure.ac"
VERSION = r"\d+\.\d+\.\d+(?:-dev)?"
INIT = re.compile(r"^(AC_INIT\(\[mod_auth_bearer\], \[)(" + VERSION + r")(\]\))$", re.M)
#: File -> where it names the version. Packages write ~dev, which is older than the
#: release; debian/changelog adds the package's own number. configure makes the .rpm's spec.
PACKAGES = {
    "debian/changelog": r"\A[\w-]+ \(([^)]+?)(?:-[^)-]+)?\)",
}


def version():
    found = INIT.search(read(CONFIGURE))
    if not found:
        complain(CONFIGURE, "AC_INIT has no version of the form X.Y.Z or X.Y.Z-dev")
    return found[2] if found else None


def order(name):
    """A -dev version is older than the version itself."""
    numbers, _, dev = name.partition("-")
    return tuple(map(int, numbers.split("."))), not dev


def check():
    now = version()
    released = re.findall(rf"^## ({VERSION}) \(", read(PAGE), re.M)
    if not now:
        return
    if now.endswith("-dev"):
        if released and order(now) < order(released[0]):
            complain(CONFIGURE, f"{now} is older than {released[0]}, a version of {PAGE}")
    elif released[:1] != [now] or NEXT in read(PAGE):
        complain(PAGE, f"begins with something else than {now}, the version of {CONFIGURE}: "
                 f"after a release, continue with `release.py X.Y.Z-dev`")
    for name, pattern in PACKAGES.items():
        there = re.search(pattern, read(name), re.M)
        if read(name) and (not there or there[1].replace("~", "-") != now):
            complain(name, f"is of version {there[1] if there else 'unknown'}, "
                     f"not of {now.replace('-', '~')}")


def write(name, text):
    with open(os.path.join(ROOT, name), "w", encoding="utf-8") as file:
        file.write(text)


def release(new, date):
    """Changes nothing if there is something to complain about."""
    old, page = version(), read(PAGE)
    if not re.fullmatch(VERSION, new) or not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        complain("release.py", "VERSION is X.Y.Z or X.Y.Z-dev, DATE is YYYY-MM-DD")
    elif old and order(new) <= order(old):
        complain("release.py", f"{new} is not newer than {old}")
    elif not new.endswith("-dev") and NEXT not in page:
        complain(PAGE, "has no changes to release")
    if complaints:
        return
    write(CONFIGURE, INIT.sub(rf"\g<1>{new}\g<3>", read(CONFIGURE)))
    if not new.endswith("-dev"):
        write(PAGE, page.replace(NEXT, f"\n## {new} ({date})\n"))
        for path in glob.glob(os.path.join(ROOT, "changes", "*.md")):
            os.remove(path)
        interface.write()
    for name in filter(read, PACKAGES):
        print(f"{name}: set the version {new.replace('-', '~')}")


def main():
    if sys.argv[1:] == ["--check"]:
        check()
    elif len(sys.argv) in (2, 3):
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        release(sys.argv[1], *sys.argv[2:] or [today])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return end()


if __name__ == "__main__":
    sys.exit(main())
