#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a DPoP proof costs: a known token that is bound to a key, with a new ES256 proof
each time, beside the same request with a plain token, on the same server.

    tests/bench/proofs.py --module build/gcc/.libs/mod_auth_bearer.so

CPU is what the server's own processes used, per request answered, the median of
interleaved rounds; "bare" is one verification of the same proofs with OpenSSL and nothing
around it (verify.c). --count counts instructions by callgrind instead, of the module and
its libraries; they repeat. Needs: cc, wrk; valgrind for --count.
"""
import argparse
import hashlib
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

import bench
import instructions
from support import proofs, tokens

LIMIT = 1.3
EXTRA = """AuthBearerBaseURL http://localhost:{port}
AuthBearerSOCache shm:128M for=proofs"""


def sign(port, token, key, jwk, count):
    now, ath = int(time.time()), tokens.b64(hashlib.sha256(token.encode()).digest())
    header = tokens.b64(json.dumps({"typ": "dpop+jwt", "alg": key.alg, "jwk": jwk}))
    for i in range(count):
        text = header + "." + tokens.b64(json.dumps({
            "jti": "%d-%d" % (time.time_ns(), i), "htm": "GET", "iat": now, "ath": ath,
            "htu": "http://localhost:%d/index.html" % port}))
        yield text + "." + tokens.b64(key.sign(text.encode()))


class Place:
    """A server, a plain token, a bound one, and proofs."""

    def __init__(self, module):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="bearer-proofs-"))
        (self.base / "jwks.json").write_text(tokens.jwks("rs256"))
        self.key = tokens.key("es256-dpop")
        (self.base / "key.pem").write_bytes(self.key.public_pem())
        text = bench.BEARER.replace("{extra}", EXTRA)
        self.server = bench.Server("one", self.base, text, module=module,
                                   inside="AuthBearerProof auto window=600\n"
                                   "AuthBearerThrottle off")
        more = {"iss": bench.ISS, "aud": bench.AUD, "exp": int(time.time()) + 36000}
        self.plain, self.bound = tokens.mint(**more), proofs.bound(**more)
        self.jwk = {k: v for k, v in self.key.jwk().items()
                    if k not in ("kid", "use", "alg")}

    def write(self, name, lines):
        path = self.base / name
        path.write_text("".join(line + "\n" for line in lines))
        path.chmod(0o644)
        return path

    def proofs(self, count):
        return list(sign(self.server.port, self.bound, self.key, self.jwk, count))

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)


def measure(options):
    place = Place(options.module)
    figures = {"plain": [], "bound": [], "bare": []}
    place.server.start()
    try:
        for _ in range(options.rounds):
            for case in ("plain", "bound"):
                lines, count = [place.plain], 1
                if case == "bound":
                    new = place.proofs(options.proofs)
                    place.write("tokens", new)
                    figures["bare"].append(bench.bare_us(place.base, "ES256"))
                    lines, count = [place.bound + "\t" + p for p in new], len(new)
                path = place.write("lines", lines)
                for seconds in (1, options.seconds):  # the first makes the token known
                    first = 1 if seconds == 1 else 1 + count // 4 * (case == "bound")
                    drive = place.server.drive(path, first, count if case == "plain" else
                                               count // 4 if seconds == 1 else
                                               count - count // 4, seconds, 8)
                figures[case].append(drive["cpu_us"])
    finally:
        place.server.stop()
        place.close()
    return {name: statistics.median(values) for name, values in figures.items()}


def total(out):
    return int(re.search(r"(?m)^(?:summary|totals): (\d+)", out.read_text()).group(1))


def count_requests(options, bound):
    place = Place(options.module)
    out = place.base / "callgrind.out"
    try:
        with instructions.counted(place.server, out, within=instructions.REQUEST):
            if bound:
                lines = [place.bound + "\r\nDPoP: " + p for p in place.proofs(500)]
                instructions.drive(place.server.port, lines, 500, scheme="DPoP")
            else:
                instructions.drive(place.server.port, [place.plain], 500)
        return total(out) / 500
    finally:
        place.close()


def count_bare(options):
    """Instructions of one EVP_DigestVerify with a prepared key."""
    place = Place(options.module)
    out = place.base / "callgrind.out"
    try:
        place.write("tokens", place.proofs(50))
        subprocess.run(["cc", "-O2", "-o", str(place.base / "verify"),
                        str(instructions.HERE / "verify.c"), "-lcrypto", "-lpthread"],
                       check=True)
        subprocess.run(["valgrind", "-q", "--tool=callgrind",
                        f"--callgrind-out-file={out}", "--toggle-collect=EVP_DigestVerify",
                        str(place.base / "verify"), str(place.base / "key.pem"), "ES256",
                        str(place.base / "tokens"), "1", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        text = out.read_text()
        number = re.search(r"(?m)^c?fn=(\(\d+\)) EVP_DigestVerify$", text).group(1)
        calls = sum(int(m) for m in re.findall(
            r"(?m)^cfn=%s(?: .*)?\n(?:cfi=.*\n|cfl=.*\n)?calls=(\d+)" % re.escape(number),
            text))
        return total(out) / calls
    finally:
        place.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--proofs", type=int, default=40000,
                        help="new ones a round; more than a drive can use")
    options = parser.parse_args()
    options.module = str(pathlib.Path(options.module).resolve())
    if options.count:
        unit = "instructions"
        figures = {"plain": count_requests(options, False),
                   "bound": count_requests(options, True), "bare": count_bare(options)}
    else:
        unit = "us of CPU"
        figures = measure(options)
    ratio = (figures["bound"] - figures["plain"]) / figures["bare"]
    print("plain {plain:.1f}, bound {bound:.1f} {unit} a request; one bare ES256 "
          "verification {bare:.1f}".format(unit=unit, **figures))
    print(f"a proof costs {ratio:.2f} bare verifications (at most {LIMIT})")
    if ratio > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
