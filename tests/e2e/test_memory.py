# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Memory is allocated for what is enabled, and its size follows from the
configuration: not from the number of processors, not from their word size.

The server with introspection starts and serves inside 64 MiB: in a cgroup of
that size where one can be made; otherwise the resident size of all its
processes is added up and compared. The test's output says which.
"""
import glob
import os
import re
import uuid

import pytest

from support import secrets
from support.expect import granted, location
from support.httpd import wait_until
from support.memory import about, shared_memory

LIMIT = 64 * 1024 * 1024
#: The shared caches that a configuration gets unless it chooses otherwise.
KEYS_CACHE, ANSWERS_CACHE, SESSIONS_CACHE = 6291456, 1048576, 8388608


def known(issuer):
    token = "opaque-" + uuid.uuid4().hex
    secrets.register(token)
    issuer.active[token] = {"active": True, "sub": "alice", "aud": "api://test",
                            "pad": "x" * 2000}
    return token


@pytest.fixture(scope="module")
def issuer(issuers):
    return issuers.issuer("memory", "rs256")


def conf(issuer, inside="", endpoint=None):
    return """
<AuthBearerIssuer "%s">
    AuthBearerKeys %s
    AuthBearerIntrospection %s
    AuthBearerClientAuth none
    %s
</AuthBearerIssuer>
""" % (issuer.url, issuer.jwks_url, endpoint or issuer.introspect_url,
       inside) + location("/a")


# --- the limit ---------------------------------------------------------------

class Cgroup:
    """A memory cgroup of LIMIT bytes, version 2 or 1."""

    def __init__(self):
        name = "bearer-test-%d" % os.getpid()
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.path, self.files = "/sys/fs/cgroup/" + name, (
                "memory.max", "memory.swap.max", "memory.peak")
        else:
            self.path, self.files = "/sys/fs/cgroup/memory/" + name, (
                "memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
                "memory.max_usage_in_bytes")
        os.mkdir(self.path)
        try:
            self._write(self.files[0], LIMIT)
        except OSError:
            os.rmdir(self.path)
            raise
        try:
            self._write(self.files[1], LIMIT if "memsw" in self.files[1] else 0)
        except OSError:
            pass  # no accounting of swap here

    def _write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def _read(self, name):
        with open(os.path.join(self.path, name)) as f:
            return f.read()

    def limit(self):
        return int(self._read(self.files[0]))

    def members(self):
        return {int(pid) for pid in self._read("cgroup.procs").split()}

    def peak(self):
        try:
            return int(self._read(self.files[2]))
        except OSError:
            return None

    def close(self):
        def gone():
            try:
                os.rmdir(self.path)
                return True
            except OSError:
                return False
        wait_until(gone, 10, "an empty cgroup")


@pytest.fixture()
def cgroup():
    try:
        group = Cgroup()
    except OSError:
        yield None
        return
    yield group
    group.close()


def processes(server):
    return [server.process.pid] + server.children()


def resident(server):
    """Bytes of all processes, shared pages once (proportionally)."""
    total = 0
    for pid in processes(server):
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += int(re.search(r"(?m)^Pss:\s+(\d+) kB", f.read()).group(1))
    return total * 1024


def test_starts_and_serves_inside_64_mib(new_server, issuer, cgroup, capsys,
                                         monkeypatch):
    server = new_server(conf(issuer), start=False)
    if cgroup:
        enter = server.write("enter.sh", '#!/bin/sh\necho $$ > "%s"\nexec "$@"\n'
                             % os.path.join(cgroup.path, "cgroup.procs"), 0o755)
        monkeypatch.setenv("BEARER_WRAPPER", enter)
    server.start()
    token = known(issuer)
    for _ in range(300):
        granted(server.get("/a", token))
    for _ in range(200):
        granted(server.get("/a", known(issuer)))
    used = resident(server)
    if cgroup:
        assert cgroup.limit() == LIMIT
        assert cgroup.members() >= set(processes(server))
    with capsys.disabled():
        print("\n64 MiB: %s; resident %.1f MiB" % (
            "by cgroup, peak %.1f MiB" % ((cgroup.peak() or 0) / 2.0 ** 20)
            if cgroup else "no cgroup to be had, resident size checked",
            used / 2.0 ** 20))
    assert used < LIMIT
    server.stop()


# --- what is disabled is not there -------------------------------------------


@pytest.mark.parametrize("inside,endpoint,kept", [
    ("", None, True),
    ("AuthBearerIntrospectionTTL 0", None, False),
    ("", "off", False),
], ids=["enabled", "ttl-zero", "off"])
def test_cache_of_answers(new_server, issuer, inside, endpoint, kept):
    server = new_server(conf(issuer, inside, endpoint))
    sizes = shared_memory(server)
    assert any(map(about(KEYS_CACHE), sizes)), sizes
    assert any(map(about(ANSWERS_CACHE), sizes)) == kept, sizes


SESSIONS = """
AuthBearerSecretFile "@ROOT@/secret"
AuthBearerClientID app
AuthBearerClientSecret "file:@ROOT@/secret"
"""


@pytest.mark.parametrize("session,kept", [("On", True), ("Off", False)])
def test_cache_of_sessions(new_server, issuer, session, kept):
    server = new_server(SESSIONS + conf(issuer, endpoint="off")
                        + location("/b", "AuthBearerSession " + session),
                        files={"secret": ("s" * 48 + "\n", 0o600)})
    sizes = shared_memory(server)
    assert any(map(about(KEYS_CACHE), sizes)), sizes
    assert any(map(about(SESSIONS_CACHE), sizes)) == kept, sizes


def test_sizes_are_as_configured(new_server, issuer):
    small = new_server('AuthBearerSOCache "shmcb:@ROOT@/run/cache(131072)" '
                       "for=introspection\n" + conf(issuer))
    sizes = shared_memory(small)
    assert any(map(about(131072), sizes)), sizes
    assert not any(map(about(ANSWERS_CACHE), sizes)), sizes
    granted(small.get("/a", known(issuer)))


def test_no_issuer_no_memory(new_server):
    """The module loaded, and nothing of it used."""
    with_it = new_server("")
    without = new_server("", module=False)
    assert len(shared_memory(with_it)) == len(shared_memory(without))


def test_one_processor_or_all(new_server, issuer, monkeypatch):
    """The same mappings, whatever a process can learn of the processors."""
    sizes = sorted(shared_memory(new_server(conf(issuer))))
    monkeypatch.setenv("BEARER_WRAPPER", "taskset -c %d" % min(
        os.sched_getaffinity(0)))
    assert sorted(shared_memory(new_server(conf(issuer)))) == sizes


def test_sizes_do_not_follow_from_the_machine():
    """Neither the number of processors nor the word size is asked anywhere."""
    asked = re.compile(r"\b(sysconf|get_nprocs|_SC_NPROCESSORS\w*|sched_getaff"
                       r"inity|sizeof\s*\(\s*(size_t|void\s*\*)\s*\)\s*\*\s*8)")
    top = os.path.join(os.path.dirname(__file__), "..", "..")
    for path in glob.glob(os.path.join(top, "src", "*", "*.[ch]")):
        with open(path, encoding="utf-8") as f:
            assert not asked.search(f.read()), path
