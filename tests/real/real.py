#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: real.py prepare [NAME…]
       real.py run [NAME…] [case=CASE,…]
       real.py memory [COUNT]

Runs real providers on loopback with the built module. `prepare` fetches and builds
them with the clients of their registries (mvn, npm, go) into BEARER_REAL or
~/.cache/mod_auth_bearer-real. `run` plays every case against one provider after the
other and prints a table. NAME: the beginning of a provider's name. BEARER_MODULE
names the module, as for tests/e2e. `memory` sends COUNT (100,000) requests with
distinct opaque tokens to Oathkeeper with its default cache, then to this module.
"""
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
sys.dont_write_bytecode = True

import cases  # noqa: E402
from keycloak import Keycloak22, Keycloak26  # noqa: E402
from node_provider import NodeProvider  # noqa: E402
from kratos import Kratos  # noqa: E402
from oathkeeper import Oathkeeper, memory  # noqa: E402
from ory import Hydra  # noqa: E402
from spring import Spring  # noqa: E402
from provider import CACHE, Absent, Missing  # noqa: E402

PROVIDERS = (Keycloak26, Keycloak22, Spring, NodeProvider, Hydra, Kratos, Oathkeeper)


def chosen(names):
    names = [n.lower().replace("-", " ") for n in names]
    return [cls for cls in PROVIDERS if not names or any(
        cls.name.lower().startswith(n) for n in names)]


def missing_file(cls):
    return os.path.join(CACHE, "missing." + cls.name.replace(" ", "-"))


def prepare(classes):
    os.makedirs(CACHE, exist_ok=True)
    for cls in classes:
        begin, why = time.time(), None
        try:
            cls.prepare()
        except Missing as e:
            why = str(e)
        with open(missing_file(cls), "w") as f:
            f.write(why or "")
        print("%-28s %s, %d s" % (cls.name + " " + cls.version, why or "ready",
                                  time.time() - begin), flush=True)


def play(site, case):
    """A cell of the table, and a note."""
    try:
        note = case(site)
        return "yes", note
    except Absent as e:
        return "–", str(e)
    except Exception as e:  # whatever goes wrong is a result
        lines = traceback.format_exc().strip().splitlines()
        if not isinstance(e, AssertionError):
            return "FAILED", " | ".join(lines[-4:])
        return "FAILED", str(e) or lines[-2]


def run_one(cls, wanted):
    """{case: (cell, note)}, or the reason why it could not be run."""
    site = cases.Site(cls)
    try:
        site.start()
        out = {}
        for case in wanted:
            begin = time.time()
            out[case] = play(site, case)
            print("%s: %s: %s%s (%.1f s)" % (
                cls.name, case.__doc__, out[case][0],
                ": " + out[case][1] if out[case][1] else "", time.time() - begin),
                flush=True)
        return out
    finally:
        site.close()


def table(results, columns):
    """A table of the providers that have these cases, and notes."""
    these = [(cls, cells) for cls, cells in results if (cls.cases or cases.CASES) == columns]
    played = [(cls, cells) for cls, cells in these if isinstance(cells, dict)]
    lines = ["| | " + " | ".join("%s %s" % (cls.name, cls.version) for cls, _ in played),
             "|---" * (len(played) + 1)] if played else []
    lines += ["| %s | %s" % (case.__doc__, " | ".join(
        cells.get(case, ("",))[0] for _, cells in played)) for case in columns if played]
    lines = [line + " |" for line in lines]
    lines += ["%s %s: %s" % (cls.name, cls.version, why) for cls, why in these
              if not isinstance(why, dict)]
    lines += ["%s: %s: %s" % (cls.name, case.__doc__, note) for cls, cells in played
              for case, (cell, note) in cells.items() if cell != "yes"]
    return "\n".join(lines)


def why_not(cls):
    """Why it cannot be run, or ''."""
    try:
        with open(missing_file(cls)) as f:
            return f.read()
    except FileNotFoundError:
        return "not prepared"


def run(classes, names):
    results, begin = [], time.time()
    os.makedirs(os.path.join(CACHE, "logs"), exist_ok=True)
    for cls in classes:
        cells = why_not(cls)
        if not cells:
            try:
                cells = run_one(cls, [c for c in cls.cases or cases.CASES
                                      if not names or c.__name__ in names])
            except Exception as e:
                cells = "could not be run: %s" % e
                traceback.print_exc()
        results.append((cls, cells))
    for columns in dict.fromkeys(cls.cases or cases.CASES for cls in classes):
        print("\n" + table(results, columns))
    print("\n%d minutes" % ((time.time() - begin) / 60))
    return any(not isinstance(cells, dict) or any(
        cell == "FAILED" for cell, _ in cells.values()) for _, cells in results)


def main(arguments):
    for number in (signal.SIGINT, signal.SIGTERM):  # what runs is ended
        signal.signal(number, lambda *_: sys.exit(1))
    if arguments[:1] == ["memory"]:
        os.makedirs(os.path.join(CACHE, "logs"), exist_ok=True)
        memory(int((arguments[1:] or ["100000"])[0]))
        return 0
    if not arguments or arguments[0] not in ("prepare", "run"):
        print(__doc__, file=sys.stderr)
        return 2
    only = [n for a in arguments if a.startswith("case=") for n in a[5:].split(",")]
    classes = chosen([a for a in arguments[1:] if not a.startswith("case=")])
    if arguments[0] == "prepare":
        prepare(classes)
        return 0
    return int(run(classes, only))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
