# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The harness itself: a test suite that cannot fail proves nothing."""
import os
import subprocess
import sys

import pytest

from support import client, secrets, tokens
from support.httpd import TOP, LogLine, wait_until
from support.issuer import headers_of
from conftest import complaints

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def server(new_server, backend):
    return new_server("""
<Location "/refused">
    Require all denied
</Location>
""", backend=backend, module=False)


def test_faces(server):
    assert server.get("/a").text == "ok\n"
    assert server.get("/a/env").env["REQUEST_URI"] == "/a/env"
    assert server.get("/a/cgi").env["REQUEST_METHOD"] == "GET"
    seen = server.get("/a/be/x?y=1", headers={"X-One": "1"})
    assert seen.json()["path"] == "/a/be/x?y=1"
    assert headers_of(seen)["x-one"] == ["1"]


@pytest.fixture(scope="module")
def two_wires(new_server, backend):
    return new_server(h2=True, backend=backend, module=False,
                      conf='CustomLog "@ROOT@/logs/wire.log" "%H"\n')


def test_wires(two_wires, wire):
    res = two_wires.request("PUT", "/a/be/x?y=1", headers=[("X-One", "1"),
                                                           ("Host", "a.test")],
                            body=b"abc", h2=wire)
    assert res.status == 200
    assert headers_of(res)["x-one"] == ["1"]
    assert res.json()["path"] == "/a/be/x?y=1"
    protocol = "HTTP/2.0" if wire else "HTTP/1.1"

    def logged():  # the line may be written after the answer
        with open(two_wires.path("logs/wire.log")) as log:
            return log.read().split()[-1] == protocol
    wait_until(logged, what=protocol + " in the access log")


def test_graceful_restart_serves(server):
    server.graceful()
    assert server.get("/a").status == 200


@pytest.mark.allow_log("AH01630")
def test_log_lines_of_a_request(server):
    res = server.get("/refused")
    assert res.status == 403
    assert res.logged("AH01630", level="error")


def test_every_algorithm_signs(server):
    for name in ("rs256", "ps256", "es256", "es384", "es512", "es256k",
                 "ed25519", "ed448", "hs256"):
        assert tokens.mint(name).count(".") == 2


def test_secrets_are_found_in_part():
    token = tokens.mint()
    signature = token.rsplit(".", 1)[1]
    assert secrets.search("seen: %s..." % signature[:20])
    assert secrets.search("payload %s" % token.split(".")[1][30:60])
    assert not secrets.search("nothing here, api://test sub-alice")


def test_complaints():
    line = "2026-01-01 00:00:00.000000|auth_bearer|info|1|AB0001: value \\x07"
    assert complaints([LogLine(line)], ())
    line = "2026-01-01 00:00:00.000000|auth_bearer|info|1|AB0001: value %07"
    assert not complaints([LogLine(line)], ())
    for character in '"', "\\":
        assert complaints([LogLine(line + character)], ())
    line = "2026-01-01 00:00:00.000000|auth_bearer|info|1|a value"
    assert complaints([LogLine(line)], ())
    line = "2026-01-01 00:00:00.000000|auth_bearer|info|1|(2)No such file: AB0001: x"
    assert not complaints([LogLine(line)], ())
    line = "2026-01-01 00:00:00.000000|core|warn|1|some warning"
    assert complaints([LogLine(line)], ())
    assert not complaints([LogLine(line)], ("some warn",))


def test_challenge_parser():
    assert client.parse_challenge('Bearer realm="a b", error="x"') == (
        "Bearer", {"realm": "a b", "error": "x"})
    for bad in ('Bearer realm="a", realm="b"', 'Bearer realm=a b',
                'Bearer error="a\\"b"'):
        with pytest.raises(AssertionError):
            client.parse_challenge(bad)


# --- what is missing ---------------------------------------------------------------

MISSING = """
import pytest
from support import missing

@missing.needs("fire", False)
def test_mark(): pass

@pytest.fixture
def water(): missing.need("water", False, "the well is dry")

def test_fixture(water): pass

@missing.needs("air", True)
def test_there(): missing.need("earth", True)
"""


@pytest.mark.parametrize("without,passes", [("", False), ("water", False),
                                            ("fire water", True)])
def test_what_is_missing_is_a_failure(tmp_path, without, passes):
    """It names what is missing, unless a variable says to go without that; then it
    is counted."""
    (tmp_path / "test_it.py").write_text(MISSING)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n    needs(what, there): x\n")
    env = dict(os.environ, BEARER_WITHOUT=without, PYTHONPATH=os.path.join(
        TOP, "tests", "e2e"), BEARER_LEFT_OUT=str(tmp_path / "left"))
    env.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p",
         "support.missing", "--strict-markers"], cwd=tmp_path, env=env,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert (done.returncode == 0) == passes, done.stdout
    for what, why in (("fire", ""), ("water", ": the well is dry")):
        left = "left out: 1 cases without " + what
        if what in without.split():
            assert left in done.stdout.splitlines(), done.stdout
            assert left in (tmp_path / "left").read_text().splitlines()
        else:
            assert "%s is missing%s; BEARER_WITHOUT=%s" % (what, why, what) \
                in done.stdout, done.stdout
            assert left not in done.stdout
    script = subprocess.run(
        [os.path.join(TOP, "tests", "build", "without.sh"), "fire", "no wood"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (script.returncode == 0) == passes, script.stdout
    assert ("left out: fire (no wood)" if passes else "fire is missing: no wood") \
        in script.stdout, script.stdout
