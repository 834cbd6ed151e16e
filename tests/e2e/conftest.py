# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Fixtures of the end-to-end tests; see support/ for what they are made of."""
import collections
import os
import random
import re
import shutil
import subprocess

import pytest

from support import messages, missing, secrets
from support.httpd import H2, MPMS, SESSIONS, Httpd
from support.issuer import Backend, IssuerHost
from support.missing import pytest_runtest_setup, pytest_terminal_summary

#: Lines at warn or above that httpd itself writes about ordinary refusals.
ORDINARY = (
    r"AH01631: user .*: authorization failure for",
    r"^caught SIGTERM, shutting down", r"AH00169: ",
    r"AH00170: ", r"AH00045: child process .* still did not exit",
    # Of single connections that end while they change hands: mpm_event puts a
    # socket into (or takes it out of) its pollset that the client, mod_http2
    # or the end of the child has closed. It logs that as an error, ends the
    # connection and serves on. No module can keep it from doing so.
    r"\bAH(03092|03093|03465|10503): process_\w+: apr_pollset_add failure",
    r"\bAH03094: pollset remove failed", r"\bAH00468: error closing socket",
    # mod_http2 says so of a session that a stopping child cuts off.
    r"\bAH03199: .* connection disappeared without proper goodbye",
)
#: And ours about a 503 that is looked for.
ORDINARY += (messages.message("AB0252|AB0253"),)
#: Of a child that ended by a signal that nobody sent.
CRASH = re.compile(r"\bAH0005[12]: child .* exit signal (?!Killed|Terminated)")
QUIET = ("emerg", "alert", "crit", "error", "warn", "raw")

#: "reversed" or the seed of a random order of the tests; see tests/order.sh.
ORDER = os.environ.get("BEARER_ORDER")

#: A file that gets the entries of allow_log that no line needed. Some are of lines
#: that may come, so this is for looking at, and no failure.
ALLOWED = os.environ.get("BEARER_ALLOWED")

_servers = []
_last_lines = []
_came = {}  # (file, entry of allow_log): has a line needed it?


def pytest_generate_tests(metafunc):
    """Tests marked core run with every MPM, the others with the first."""
    if "mpm" in metafunc.fixturenames:
        core = metafunc.definition.get_closest_marker("core")
        mpms = MPMS if core else MPMS[:1]
        if "wire" in metafunc.fixturenames:
            metafunc.parametrize("mpm,wire", [
                (mpm, wire) for mpm in mpms for wire in ("h1", "h2")
                if (mpm, wire) != ("prefork", "h2")], indirect=["wire"],
                scope="module")
        else:
            metafunc.parametrize("mpm", mpms, scope="module")


@pytest.hookimpl(tryfirst=True)  # pytest puts those of one server together again
def pytest_collection_modifyitems(items):
    if ORDER == "reversed":
        items.reverse()
    elif ORDER:
        random.Random(ORDER).shuffle(items)
    # Files side by side: the longest begin, so that none is left for the end.
    sizes = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (-sizes[item.path], item.path))
    for item in items:
        marker = item.get_closest_marker("without_sessions")
        if SESSIONS and marker:
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))
        marker = item.get_closest_marker("http1")
        if H2 and marker:
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))


@pytest.fixture(scope="session")
def backend():
    server = Backend()
    yield server
    server.close()


@pytest.fixture(scope="session")
def issuers():
    """A host of scripted issuers on http."""
    host = IssuerHost()
    yield host
    host.close()


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """A library that makes a httpd believe things; see support/shim.c."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    missing.need("cc", compiler)
    out = str(tmp_path_factory.mktemp("shim") / "shim.so")
    os.chmod(os.path.dirname(out), 0o755)
    source = os.path.join(os.path.dirname(__file__), "support", "shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", out, source, "-ldl"],
                   check=True, timeout=60)
    return out


def servers(mpm):
    """Makes servers, and ends them all when the fixture ends."""
    made = []

    def make(conf="", start=True, **kw):
        kw.setdefault("mpm", mpm)
        server = Httpd(conf, **kw)
        made.append(server)
        if start:
            server.start()
            _servers.append(server)
        return server
    yield make
    for server in made:
        server.stop()
        text = server.error_log() + server.start_output()
        leaked = secrets.search(text, everything=True)
        if server in _servers:
            _servers.remove(server)
        server.close()
        assert not leaked, "secrets in the log: %s" % leaked


@pytest.fixture(scope="module")
def wire(request):
    """How a test talks to a server made with h2=True: request(h2=wire). Over
    HTTP/1.1 and HTTP/2, the latter not with prefork, where httpd has none."""
    return request.param == "h2"


@pytest.fixture(scope="module")
def new_server(mpm):
    """new_server(conf, ...) starts a httpd that lives as long as the module."""
    yield from servers(mpm)


@pytest.fixture
def one_server(mpm):
    """The same for the one test: nothing goes on in the background later."""
    for make in servers(mpm):
        mine = []
        yield lambda *args, **kw: mine.append(make(*args, **kw)) or mine[-1]
        for server in mine:
            server.stop()
            _last_lines.extend(server.take_pending())


@pytest.fixture(scope="module")
def checker(mpm):
    """checker(conf, ...) runs configtest on a configuration."""
    made = []

    def check(conf, *options, files=None, **kw):
        key = tuple(sorted((k, str(v)) for k, v in kw.items()))
        for known, server in made:
            if known == key:
                break
        else:
            server = Httpd(mpm=mpm, **kw)
            made.append((key, server))
        for name, content in (files or {}).items():
            mode = 0o644
            if isinstance(content, tuple):
                content, mode = content
            server.write(name, content, mode)
        server.configure(conf)
        return server.configtest(*options)
    yield check
    for _, server in made:
        server.close()


#: What httpd itself writes in the name of a module that asks it for an expression.
HTTPDS = re.compile("Evaluation of (string )?expression from ")
#: httpd puts the cause of a failed call before a text.
NUMBERED = re.compile(r"(\(\d+\)[^:]*: )?(\[client [^]]*\] )?AB\d{4}: ")


def complaints(lines, allowed, this_build=True):
    """What is wrong with these log lines, whatever the test was about."""
    out = []
    for line in lines:
        if line.level in QUIET and not any(
                re.search(pattern, line.text) for pattern in allowed):
            out.append("unexpected: " + line.raw)
        if line.module == "auth_bearer" and line.unescaped_bytes:
            out.append("raw bytes: " + line.raw)
        ours = line.module == "auth_bearer" and not HTTPDS.match(line.text) and this_build
        if ours and not NUMBERED.match(line.text) \
                and not any(re.search(pattern, line.text) for pattern in allowed):
            out.append("without a number: " + line.raw)
        if ours and re.search(r'["\\]', line.raw):
            out.append("not fit for JSON: " + line.raw)
        if CRASH.search(line.text):
            out.append("a process crashed: " + line.raw)
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\uffff]", line.raw):
            out.append("unprintable: %r" % line.raw)
    out += ["secret in the log: " + piece
            for piece in secrets.search("\n".join(l.raw for l in lines))]
    return out


@pytest.fixture(autouse=True)
def watch_logs(request):
    """No test may leave a warning nobody expected, or a secret, in a log."""
    secrets.forget_recent()
    allowed = list(ORDINARY)
    if SESSIONS:  # configtest says so at start
        allowed.append(messages.message("AB0763"))
    expected = {entry: messages.allowed(entry)
                for marker in request.node.iter_markers("allow_log")
                for entry in marker.args}
    allowed += expected.values()
    yield
    this_build = not request.node.get_closest_marker("other_build")
    lines = _last_lines + [line for server in _servers for line in server.take_pending()]
    _last_lines.clear()
    for entry, pattern in expected.items():
        key = (request.node.path.name, entry)
        _came[key] = _came.get(key) or any(re.search(pattern, line.text) for line in lines)
    found = complaints(lines, allowed, this_build)
    assert not found, "\n".join(found)


_crashed = []


def pytest_runtest_logreport(report):
    if report.failed and re.search(r"a process crashed: |crashed while running",
                                   report.longreprtext):
        _crashed.append(report.nodeid)


def pytest_sessionfinish(session):
    """A crash is another end than a failure: tests/e2e.sh tries no second time."""
    if ALLOWED:
        with open(ALLOWED, "a") as out:
            out.writelines("%s: allow_log(%r)\n" % key for key in _came if not _came[key])
    if _crashed and not hasattr(session.config, "workerinput"):
        print("\na process crashed:", *_crashed)
        session.exitstatus = 3


def pytest_sessionstart(session):
    """A module that cannot be loaded is one failure, not two thousand."""
    server = Httpd()
    try:
        done = server.configtest()
    finally:
        server.close()
    if done.status:
        pytest.exit("the module cannot be loaded: %r" % done, 3)
