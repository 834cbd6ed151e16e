#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Instructions per request inside the module, counted by callgrind: they repeat,
whatever else the machine does, so that a drift is the code's.

    tests/bench/instructions.py --module build/gcc/.libs/mod_auth_bearer.so

Compares with tests/bench/instructions.json; more than 3 % either way fails.
--write puts today's figures there. What libraries do for the module is not
counted (it depends on what the processor offers them); bench.py measures it.
Needs: valgrind. The module must be built as runtests.sh builds it (-g -O2).
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import bench  # noqa: E402
from support import tokens  # noqa: E402

COMMITTED = HERE / "instructions.json"
DRIFT = 0.03
REQUESTS = 1000
#: What httpd does with a request before it is served: all hooks of the module that
#: decide, under a name that is not the module's.
REQUEST = ("ap_process_request_internal",)
#: Those hooks alone, where what libraries do counts too. None calls another: counting
#: would stop there.
HOOKS = ("ab_export_header_parser", "ab_authn_check_user_id", "ab_authz_checker",
         "ab_export_fixups", "check_access")


def inside(out, module):
    """Self cost of the module's functions in a callgrind output file."""
    names, current, total, skip = {}, None, 0, False
    for line in out.read_text().splitlines():
        found = re.match(r"(ob|fl|fi|fe|fn|cfn|cob|cfi|cfl)=\((\d+)\)(?: (.*))?", line)
        if found:
            kind, number, name = found.groups()
            table = "ob" if kind in ("ob", "cob") else kind[-2:]
            if name:
                names[table, number] = name
            if kind == "ob":
                current = names["ob", number]
        elif line.startswith("calls="):
            skip = True  # the next line is what was called, counted there
        elif re.match(r"[+\-*\d]", line):
            if not skip and current and current.endswith(module):
                total += int(line.split()[1])
            skip = False
    return total


def drive(port, lines, count, more="", scheme="Bearer"):
    """Requests over one connection, each answered 200; more: header lines."""
    with socket.create_connection(("127.0.0.1", port), 900) as s:
        answers = s.makefile("rb")
        for i in range(count):
            s.sendall((f"GET /index.html HTTP/1.1\r\nHost: localhost\r\n"
                       f"Authorization: {scheme} {lines[i % len(lines)]}\r\n"
                       f"{more}\r\n").encode())
            status, length = answers.readline(), 0
            if b" 200 " not in status:
                raise SystemExit(f"not granted: {status!r}")
            for header in iter(answers.readline, b"\r\n"):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            answers.read(length)


def as_server_user():
    """What to put before a command that is not to be root's."""
    return [] if os.geteuid() else ["setpriv", "--reuid=www-data",
                                    "--regid=www-data", "--clear-groups"]


@contextlib.contextmanager
def counted(server, out, *options, within=HOOKS):
    """A bench.Server in one process under callgrind, which counts what is done in
    these functions. A function that was never there is an error: it has another
    name now."""
    conf = server.conf.read_text()
    server.conf.write_text(re.sub(r"(?m)^(User|Group) .*\n", "", conf))
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "www-data", str(server.root.parent)],
                       check=True)
    process = subprocess.Popen(
        as_server_user() + ["valgrind", "-q", "--tool=callgrind", *options,
                f"--callgrind-out-file={out}", f"--log-file={out}.log",
                *(f"--toggle-collect={hook}" for hook in within),
                "/usr/sbin/apache2", "-X", "-f", str(server.conf)],
        stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 900
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        process.wait(120)
    text = out.read_text()
    missing = [name for name in within
               if not re.search(rf"(?m)^c?fn=\(\d+\) {name}$", text)]
    if missing:
        raise SystemExit("nothing was counted in " + ", ".join(missing))


def count(module, case):
    base = pathlib.Path(tempfile.mkdtemp(prefix="bearer-count-"))
    key = tokens.key("rs256")
    (base / "jwks.json").write_text(tokens.jwks(key))
    (base / "key.pem").write_bytes(key.public_pem())
    distinct = 1 if case == "same" else REQUESTS
    bench.mint(key, base / "tokens", distinct)
    server = bench.Server("one", base, bench.BEARER, module=module, extra="",
                          inside="")
    out = base / "callgrind.out"
    with counted(server, out, within=REQUEST):
        drive(server.port, (base / "tokens").read_text().split(), REQUESTS)
    figure = inside(out, pathlib.Path(module).name) / REQUESTS
    shutil.rmtree(base, ignore_errors=True)
    return round(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    module = str(pathlib.Path(options.module).resolve())
    figures = {case: count(module, case) for case in ("same", "new")}
    committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {}
    worst = 0
    for case, figure in figures.items():
        before = committed.get(case)
        drift = figure / before - 1 if before else 0
        worst = max(worst, abs(drift))
        print(f"{case:5} {figure:>7} instructions a request inside the module, "
              f"committed {before} ({drift:+.1%})")
    if options.write:
        COMMITTED.write_text(json.dumps(figures, indent=1) + "\n")
    elif worst > DRIFT:
        raise SystemExit(f"a drift of more than {DRIFT:.0%}: find out why, or "
                         "commit the new figure with --write and the reason")


if __name__ == "__main__":
    main()
