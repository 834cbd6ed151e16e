# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What this system does not have. One rule: a test that needs it fails and names it,
unless BEARER_WITHOUT (words) says to go without; then it is left out, and the summary
counts it. tests/build/without.sh is the same for scripts.

conftest.py takes the hooks."""
import collections
import os
import re

import pytest

WITHOUT = os.environ.get("BEARER_WITHOUT", "").split()
LEFT_OUT = "left out without "


def need(what, there, why=None):
    """In a test or fixture: it needs `what` (one word)."""
    if there:
        return
    if what in WITHOUT:
        pytest.skip(LEFT_OUT + what)
    pytest.fail("%s is missing%s; BEARER_WITHOUT=%s leaves out what needs it" % (
        what, ": " + why if why else "", what), pytrace=False)


def needs(what, there):
    """The same as a mark."""
    return pytest.mark.needs(what, bool(there))


def leave_out(what):
    """What no package brings: always left out, and counted."""
    pytest.skip(LEFT_OUT + what)


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        need(*mark.args)


def pytest_terminal_summary(terminalreporter):
    found = collections.Counter(
        word for report in terminalreporter.stats.get("skipped", ())
        for word in re.findall(LEFT_OUT + r"(\S+?)['\")]*$", str(report.longrepr)))
    lines = ["left out: %d cases without %s" % (n, what)
             for what, n in sorted(found.items())]
    for line in lines:
        terminalreporter.write_line(line)
    if lines and os.environ.get("BEARER_LEFT_OUT"):
        with open(os.environ["BEARER_LEFT_OUT"], "a") as f:
            f.write("\n".join(lines) + "\n")
