#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""How the cost of a request grows with what is configured and with what a token
holds: instructions inside the module's hooks, libraries included, counted by
callgrind, so that they repeat whatever else the machine does.

    tests/bench/growth.py --module build/gcc/.libs/mod_auth_bearer.so

For each row a token seen before ("same") and a new one each time ("new", RS256).
Prints a table and draws docs/images/growth.svg with --plot. Needs valgrind;
takes some ten minutes, bounded by the number of rows.
"""
import argparse
import json
import math
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
import instructions  # noqa: E402
from support import tokens  # noqa: E402

REQUESTS = 100

SERVER = """
LoadModule auth_bearer_module {module}
LoadModule remoteip_module {modules}/mod_remoteip.so
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
AuthBearerThrottle threshold=1 window=3600s penalty=3600s
{issuers}
{extra}
<Location "/">
    AuthType Bearer
    AuthName "bench"
    AuthBearerAudience {aud}
    AuthBearerUserFormat "%u@%i"
    {require}
</Location>
"""


def plain():
    return {"issuers": 1, "keys": 1, "claims": 13, "rules": 1, "revocations": 0,
            "addresses": 0}


#: what grows -> how far
ROWS = {"issuers": (1, 10, 100, 1000), "keys": (1, 10, 100),
        "claims": (13, 50, 100, 200), "rules": (1, 10, 50),
        "revocations": (0, 1000, 100000), "addresses": (0, 1000, 100000)}


def key_set(n):
    """n keys, the one that signs last; the others of a kind quick to make."""
    keys = [tokens.key("rs256").jwk()]
    for i in range(n - 1):
        other = tokens.key("es256").jwk()
        keys.insert(0, dict(other, kid=f"other-{i}"))
    return json.dumps({"keys": keys})


def mint(path, count, issuer, claims):
    key, now = tokens.key("rs256"), int(time.time())
    header = tokens.b64(json.dumps({"alg": key.alg, "typ": "JWT", "kid": key.kid}))
    with open(path, "w") as file:
        for i in range(count):
            payload = {"iss": issuer, "aud": bench.AUD, "sub": "alice", "iat": now,
                       "exp": now + 36000, "jti": f"{now}-{i}", "azp": "client-1",
                       "scope": "orders.read openid", "level": 3,
                       "roles": ["admin", "reader"], "name": "Alice Example",
                       "tenant": "t-1", "email_verified": True}
            payload.update({f"claim{n}": f"value{n}"
                            for n in range(claims - len(payload))})
            data = header + "." + tokens.b64(json.dumps(payload))
            file.write(data + "." + tokens.b64(key.sign(data.encode())) + "\n")


def configured(base, module, row):
    (base / "jwks.json").write_text(key_set(row["keys"]))
    (base / "key.pem").write_bytes(tokens.key("rs256").public_pem())
    names = [f"https://issuer{i}.test/" for i in range(row["issuers"])]
    extra = ""
    if row["revocations"]:
        revoked = bench.revocations(base, row["revocations"])
        extra = f"AuthBearerRevocations file:{revoked}"
    rules = [f"Require claim tenant:t{i}" for i in range(row["rules"] - 1)]
    server = bench.Server(
        "one", base, SERVER, module=module, extra=extra,
        issuers="\n".join(f"<AuthBearerIssuer {name} i{i}>\nAuthBearerKeys "
                          f"file:{base}/jwks.json\n</AuthBearerIssuer>"
                          for i, name in enumerate(names)),
        require="<RequireAny>\n" + "\n".join(rules)
                + "\nRequire claim level:3\n</RequireAny>")
    mint(base / "tokens", REQUESTS + 2, names[-1], row["claims"])
    return server


def fill_throttle(port, n):
    """A refused token from each of n addresses."""
    with socket.create_connection(("127.0.0.1", port), 900) as s:
        answers = s.makefile("rb")
        for i in range(n):
            s.sendall((f"HEAD / HTTP/1.1\r\nHost: localhost\r\nX-Client: "
                       f"20.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\r\n"
                       f"Authorization: Bearer bad{i}\r\n\r\n").encode())
            if b" 401 " not in answers.readline():
                raise SystemExit("a bad token was not refused")
            for _ in iter(answers.readline, b"\r\n"):
                pass


def measure(module, row, case):
    """Counted from when the tables are full and the server is warm."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="bearer-growth-"))
    out = base / "out"
    try:
        server = configured(base, module, row)
        lines = (base / "tokens").read_text().split()
        with instructions.counted(server, out, "--instr-atstart=no") as process:
            fill_throttle(server.port, row["addresses"])
            if row["revocations"]:
                time.sleep(4)  # a list that has just been written is read again
            instructions.drive(server.port, lines[-1:], 3)
            subprocess.run([*instructions.as_server_user(), "callgrind_control",
                            "-i", "on", str(process.pid)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            instructions.drive(server.port, lines[-1:] if case == "same" else lines,
                               REQUESTS)
        total = re.search(r"(?m)^(?:totals|summary): (\d+)", out.read_text())
        return round(int(total.group(1)) / REQUESTS)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def plot(figures, path):
    """Cost against size, each relative to the first row's; the verification of a
    new token's signature drowns its other costs, so this is of tokens seen (what
    was too large to be kept was verified again, and is left out)."""
    figures = {name: [row for row in rows if row["same"] < row["new"] / 2]
               for name, rows in figures.items()}
    width, height, left, top = 640, 320, 60, 20
    most = max(max(row["same"] for row in rows) / rows[0]["same"]
               for rows in figures.values())

    def x(n):
        return left + math.log10(n + 1) / 5 * (width - left - 130)

    def y(ratio):
        return top + (height - top - 40) * (1 - (ratio - 1) / max(most - 1, 1))

    colours = ("#0b6", "#06c", "#c30", "#939", "#960", "#066")
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
             f'{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for power in range(6):
        lines.append(f'<text x="{x(10 ** power):.0f}" y="{height - 20}" '
                     f'text-anchor="middle">{10 ** power:,}</text>')
    for step in range(5):
        ratio = 1 + step * max(most - 1, 1) / 4
        lines.append(f'<path d="M{left} {y(ratio):.0f}H{width - 130}" '
                     f'stroke="#ddd"/><text x="{left - 6}" y="{y(ratio) + 4:.0f}" '
                     f'text-anchor="end">{ratio:.1f}x</text>')
    ends = []
    for colour, (name, rows) in zip(colours, figures.items()):
        points = [(x(row["n"]), y(row["same"] / rows[0]["same"])) for row in rows]
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
                     'points="' + " ".join(f"{a:.0f},{b:.0f}" for a, b in points)
                     + '"/>')
        ends.append([points[-1][1], points[-1][0], name, colour])
    ends.sort()
    for i, end in enumerate(ends):
        above = [other[0] + 13 for other in ends[:i] if abs(other[1] - end[1]) < 60]
        end[0] = max([end[0], *above])
        lines.append(f'<text x="{end[1] + 6:.0f}" y="{end[0] + 4:.0f}" '
                     f'fill="{end[3]}">{end[2]}</text>')
    path.write_text("\n".join(lines + ["</svg>"]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--only", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--plot", action="store_true")
    parser.add_argument("--json", help="all figures into this file")
    options = parser.parse_args()
    module = str(pathlib.Path(options.module).resolve())
    figures = {}
    for what in options.only:
        for n in ROWS[what]:
            row = dict(plain(), **{what: n})
            found = {case: measure(module, row, case) for case in ("same", "new")}
            figures.setdefault(what, []).append(dict(found, n=n))
            print(f"{what:12} {n:>7,} {found['same']:>9,} {found['new']:>9,}",
                  flush=True)
    if options.plot:
        plot(figures, HERE.parent.parent / "docs" / "images" / "growth.svg")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
