# Licensed under the Apache License, Version 2.0; see LICENSE.
"""conf/examples/: what people copy. Each file is read by the program that it is for, and
used: httpd runs under the settings for systemd, its real log is rotated and searched,
its real metrics have every name of the alert rules and the dashboard."""
import errno
import grp
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

from support import missing, tokens
from support.browsing import SECRETS, conf, op, signed_in  # noqa: F401  op: a fixture
from support.client import build
from support.expect import granted, issuer_conf, key_files, location
from support.httpd import SLOW, TOP, Httpd, wait_until
from support.op import Browser

EXAMPLES = os.path.join(TOP, "conf", "examples")
STATUS = '<Location "/bearer-status">\nSetHandler bearer-status\nRequire all granted\n</Location>\n'


def path(name):
    return os.path.join(EXAMPLES, name)


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def run(*command, code=0, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60 * SLOW, **kw)
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == code, (command, output)
    return output


def needs(package, program):
    missing.need(package, shutil.which(program))


def test_every_file_is_for_somebody():
    """operations.md and this test know all of them."""
    files = sorted(os.listdir(EXAMPLES))
    page = read("docs/operations.md").partition("\n## Files to copy\n")[2]
    assert sorted(re.findall(r"\]\(\.\./conf/examples/([\w.-]+)\)", page)) == files
    assert all(name in read(os.path.relpath(__file__, TOP)) for name in files)
    for name in files:
        if name != "grafana.json":
            assert "Licensed under the Apache License" in read(path(name)), name


# --- alerts.yml, grafana.json -----------------------------------------------------

@pytest.fixture(scope="module")
def metrics(new_server):
    """{metric: labels} of a server's own output, and of the reference, which
    test_status.py compares."""
    server = new_server(issuer_conf() + location("/a") + STATUS, files=key_files())
    granted(server.get("/a", tokens.mint()))
    text = server.get("/bearer-status?format=prometheus").text
    there = set(re.findall(r"(?m)^# TYPE (\w+) ", text))
    rows = re.findall(r"(?m)^\| `(auth_bearer_\w+)` \| (.*?) \|",
                      read("docs/reference/metrics.md"))
    assert there == {name for name, _ in rows}
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def base(name, known):
    short = re.sub("_(bucket|sum|count)$", "", name)
    return name if name in known else short


def used(expression, known):
    """The metrics of an expression; each has the labels that the expression names."""
    found = set()
    plain = re.sub(r'"[^"]*"', '""', expression)
    assert plain.count("auth_bearer_")
    by = re.search(r"\bby \(([^)]*)\)", plain)
    for name, matchers in re.findall(r"\b(auth_bearer_\w+)(\{[^}]*\})?", plain):
        name = base(name, known)
        assert name in known, (expression, name)
        labels = set(re.findall(r"(\w+)=", matchers)) | set(
            by.group(1).split(", ") if by else ())
        assert labels <= known[name] | {"instance"}, (expression, name)
        found.add(name)
    return found


ALERT = re.compile(r"(?m)^      - alert: (\w+)\n        expr: (\S.*)\n(?:        for: \w+\n)?"
                   r"        annotations:\n          summary: \"(.{20,})\"$")


def test_alert_rules_name_metrics_that_there_are(metrics):
    rules = read(path("alerts.yml"))
    alerts = ALERT.findall(rules)
    assert len(alerts) == rules.count("alert:") >= 16
    for name, expression, summary in alerts:
        of = used(expression, metrics)
        shown = set(re.findall(r"\$labels\.(\w+)", summary))
        assert all(shown <= metrics[metric] for metric in of), name


#: Values of 40 minutes, one a minute. Counters rise by one per second, or not at all.
QUIET, RISING = "0x40", "0+60x40"
#: What else there is. Nothing is faster than 1 s, or everything than 0.5 s.
GAUGES = {"auth_bearer_keys_remaining_seconds": ("86400x40", "21000x40"),
          "auth_bearer_keys_age_seconds": ("90000x40", "180000x40"),
          "auth_bearer_revocation_list_closed": (QUIET, "1x40"),
          **{'auth_bearer_introspection_seconds_bucket{le="%s"}' % le: (
              RISING, QUIET if float(le) <= 1 else RISING) for le in ("0.5", "1", "2.5", "+Inf")}}


def test_alerts_fire_and_are_quiet(tmp_path):
    """promtool evaluates them: none on quiet series, and all on the others. No two alerts
    are about the same series."""
    needs("prometheus", "promtool")
    run("promtool", "check", "rules", "--lint-fatal", path("alerts.yml"))
    alerts = ALERT.findall(read(path("alerts.yml")))
    names = {one for _, expression, _ in alerts
             for one in re.findall(r"auth_bearer_\w+(?:\{[^}]*\})?", expression)}
    gauges = {name.partition("{")[0] for name in GAUGES}
    assert gauges < names and len(names) > len(alerts)
    series = {**dict.fromkeys(names - gauges, (QUIET, RISING)), **GAUGES}
    tests = [{
        "interval": "1m",
        "input_series": [{"series": name, "values": values[fires]}
                         for name, values in series.items()],
        "promql_expr_test": [{
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": "30m",
            "exp_samples": [{"labels": '{alertname="%s"}' % name, "value": 1}
                            for name, _, _ in alerts] if fires else []}],
    } for fires in (0, 1)]
    (tmp_path / "tests.yml").write_text(json.dumps(
        {"rule_files": [path("alerts.yml")], "tests": tests}))
    run("promtool", "test", "rules", str(tmp_path / "tests.yml"))


def dashboard():
    board = json.loads(read(path("grafana.json")))
    return board, [(panel, target) for panel in board["panels"] for target in panel["targets"]]


def test_the_dashboard_shows_every_metric(metrics):
    _, targets = dashboard()
    shown = set()
    for panel, target in targets:
        of = used(target["expr"], metrics)
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        by = re.search(r"\bby \(([^)]*)\)", target["expr"])
        assert legend <= set(by.group(1).split(", ") if by else ()), panel["title"]
        assert '{instance=~"$instance"}' in target["expr"]
        shown |= of
    # the rest are of the server itself, or sums that a panel has by another name
    assert set(metrics) - shown == {
        "auth_bearer_info", "auth_bearer_start_time_seconds", "auth_bearer_keys",
        "auth_bearer_metadata_age_seconds", "auth_bearer_token_cache_bytes"}


def test_the_dashboard_is_well_formed():
    board, targets = dashboard()
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 20
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    variables = {one["name"] for one in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - {"__rate_interval", "__all"} \
        == variables
    assert len(targets) > 30


def test_prometheus_reads_the_dashboard_and_the_job(tmp_path):
    needs("prometheus", "promtool")
    rules = [{"record": "r%d" % number, "expr": target["expr"].replace(
        "$__rate_interval", "5m").replace("$instance", ".*")}
             for number, (_, target) in enumerate(dashboard()[1])]
    (tmp_path / "rules.yml").write_text(json.dumps(
        {"groups": [{"name": "dashboard", "rules": rules}]}))
    assert "%d rules found" % len(rules) in run(
        "promtool", "check", "rules", str(tmp_path / "rules.yml"))
    job, = re.findall(r"(?ms)^```yaml\n(.*?)^```$", read("docs/operations.md"))
    (tmp_path / "prometheus.yml").write_text(job + "rule_files: [%s, %s]\n" % (
        tmp_path / "rules.yml", path("alerts.yml")))
    run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


# --- fail2ban ----------------------------------------------------------------------

#: httpd's default.
FORMAT = r'ErrorLogFormat "[%{u}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\ %a] %M% ,\ referer\ %{Referer}i"'
THROTTLED, THROTTLED6, FORGER, VICTIM = "203.0.113.7", "2001:db8::7", "203.0.113.8", "198.51.100.9"


@pytest.fixture(scope="module")
def real_log():
    """The path of an error log of refused requests. Some try to look like lines of another
    client in whatever they may choose."""
    server = Httpd(FORMAT + """
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
""" + issuer_conf() + location("/a", "AuthBearerThrottle threshold=3 window=60s penalty=60s"),
        files=key_files(), modules=["remoteip"], throttle=True, loglevel="warn auth_bearer:info")
    line = "[auth_bearer:notice] [pid 1:tid 2] [client %s:1] AB0104: address %s is throttled for " \
        "60 s; refused tokens: 3 (AuthBearerThrottle)" % (VICTIM, VICTIM)
    lies = [line, "x\n[Tue Dec 01 18:10:04.842124 2026] " + line, "[] " + line,
            line.replace("AB0104: address %s is" % VICTIM, "AB0017: refused, signature/signature:")]

    def forged(who, count, **over):
        for number in range(count):
            server.get("/a", tokens.mint(signer="rs256-forger", header={"kid": "rs256"},
                                         jti=str(number), **over), {"X-Client": who})
    server.start()
    try:
        for who in (THROTTLED, THROTTLED6):
            forged(who, 3)
        forged(FORGER, 1)
        liars = ("192.0.2.%d" % number for number in range(1, 255))
        for lie in lies:
            plain = lie.replace("\n", " ")
            for token in (tokens.mint(iss=lie), tokens.mint(aud=lie),
                          tokens.mint(header={"kid": lie}), "a b c", tokens.mint(exp=1000)):
                server.get("/a?x=" + plain.replace(" ", "%20"), token, {
                    "X-Client": next(liars), "Referer": plain, "User-Agent": plain})
        server.wait_log("AB0104", THROTTLED6)
        server.stop()
        yield server.path("logs/error.log"), server.error_log()
    finally:
        server.close()


@pytest.fixture
def fail2ban(tmp_path, real_log):
    """found(mode) is the list of addresses that the filter finds in the log."""
    needs("fail2ban", "fail2ban-regex")

    def found(mode="normal", text=None):
        log = real_log[0]
        if text is not None:
            log = str(tmp_path / "log")
            (tmp_path / "log").write_text(text)
        output = run("fail2ban-regex", "-o", "ip", log, "%s[mode=%s]" % (
            path("fail2ban-filter.conf"), mode))
        return output.split()
    return found


def test_fail2ban_finds_whom_the_throttle_stopped(fail2ban, real_log):
    assert real_log[1].count("AB0104: address " + VICTIM) > 8, "the lies are not in the log"
    assert sorted(fail2ban()) == sorted([THROTTLED, THROTTLED6])


def test_fail2ban_aggressive_finds_each_forged_token(fail2ban):
    found = fail2ban("aggressive")
    assert set(found) == {THROTTLED, THROTTLED6, FORGER}
    assert found.count(FORGER) == 1 and found.count(THROTTLED) == 4


def test_fail2ban_takes_the_port_from_an_ipv6_address(fail2ban):
    """[client ADDRESS:PORT]: with four digits, the port could be a part of the address."""
    line = "[Tue Dec 01 18:10:04.842124 2026] [auth_bearer:info] [pid 1:tid 2] [client %s:1234] " \
        "AB0017: refused, signature/signature: x\n"
    assert fail2ban("aggressive", line % "2001:db8::8" + "x" + line % "2001:db8::9") == [
        "2001:db8::8"]


def test_fail2ban_numbers_are_what_only_forgers_cause():
    numbers = re.search(r"AB\(\?:([\d|]+)\)", read(path("fail2ban-filter.conf"))).group(1)
    rows = dict(re.findall(r'X\((\d+), [A-Z_0-9]+, "(\w+)", [A-Z_0-9]+\)',
                           read("src/base/reason.h")))
    assert [rows[number] for number in numbers.split("|")] == ["alg", "crit", "b64", "signature"]


def test_fail2ban_takes_the_jail(tmp_path):
    needs("fail2ban", "fail2ban-client")
    etc = tmp_path / "etc"
    shutil.copytree("/etc/fail2ban", etc)
    for copy in (etc / "jail.d").iterdir():
        copy.unlink()
    shutil.copy(path("fail2ban-filter.conf"), etc / "filter.d" / "auth-bearer.conf")
    shutil.copy(path("fail2ban-jail.conf"), etc / "jail.d" / "auth-bearer.conf")
    log = tmp_path / "error.log"
    log.touch()
    (etc / "paths-overrides.local").write_text("[DEFAULT]\napache_error_log = %s\n" % log)
    out = run("fail2ban-client", "-c", str(etc), "-d")
    assert "['set', 'auth-bearer', 'addlogpath', '%s'" % log in out, out
    assert "['set', 'auth-bearer', 'maxretry', 3]" in out, out
    assert "AB0104: address" in out and "0017" not in out, out


# --- logrotate ---------------------------------------------------------------------

def test_logrotate_loses_no_line_and_no_session(one_server, op, tmp_path):  # noqa: F811
    """A request that an old child answers goes to the old file."""
    needs("logrotate", "logrotate")
    server = one_server('ErrorLog "@ROOT@/logs/bearer/error.log"\n' + conf(op), files={
        **SECRETS, "logs/bearer/empty": ""})
    log = server.path("logs/bearer/error.log")
    os.chmod(os.path.dirname(log), 0o755)
    browser = Browser(server)
    signed_in(browser)
    server.write("bin/systemctl", '#!/bin/sh\necho "$@" >>%s\ntest "$1" = is-active || kill '
                 "-USR1 %d\n" % (server.path("systemctl"), server.process.pid), 0o755)
    text = read(path("logrotate")).replace("/var/log/apache2", server.path("logs"))
    assert "create 640 root adm" in text
    group = grp.getgrgid(os.stat(server.root).st_gid).gr_name
    (tmp_path / "conf").write_text(text.replace("root adm", "" if os.getuid() else "root " + group))
    os.chmod(tmp_path / "conf", 0o644)

    def lines(name):
        with open(os.path.join(os.path.dirname(log), name), encoding="utf-8") as file:
            return file.read()

    def refused(name):
        return {"Authorization": "Bearer " + op.mint(iss="https://%s.test/" % name)}
    server.get("/app/x", headers=refused("before"))
    slow = socket.create_connection(("127.0.0.1", server.port), 30 * SLOW)
    head = build("GET", "/app/x", list(refused("slow").items()))
    slow.sendall(head[:-2])
    run("logrotate", "-f", "-s", str(tmp_path / "state"), str(tmp_path / "conf"),
        env={**os.environ, "PATH": server.path("bin") + ":" + os.environ["PATH"]})
    with open(server.path("systemctl"), encoding="utf-8") as file:
        assert file.read() == "is-active --quiet apache2\nreload apache2\n"
    wait_until(lambda: "resuming normal operations" in lines("error.log"), 20, "the new log")
    signed_in(browser)
    server.get("/app/x", headers=refused("after"))
    slow.sendall(head[-2:])
    assert slow.recv(12) == b"HTTP/1.1 401"
    slow.close()
    for name, where in (("before", 1), ("slow", 1), ("after", 0)):
        assert [("https://%s.test/" % name) in lines(file) for file in (
            "error.log", "error.log.1")] == [where == 0, where == 1], name
    assert os.stat(log).st_mode & 0o777 == 0o640


# --- selinux.sh ----------------------------------------------------------------------

#: Of RHEL 9 (semanage boolean -l).
BOOLEANS = {"httpd_can_network_relay", "httpd_can_network_connect", "httpd_can_network_redis",
            "httpd_can_network_memcache"}


def test_selinux_sets_only_what_is_needed(tmp_path):
    for name in ("setsebool", "restorecon"):
        (tmp_path / name).write_text('#!/bin/sh\necho "${0##*/} $*"\n')
        os.chmod(tmp_path / name, 0o755)
    out = run("sh", "-eu", path("selinux.sh"),
              env={"PATH": "%s:%s" % (tmp_path, os.environ["PATH"])})
    assert out == "setsebool -P httpd_can_network_relay on\n"
    named = re.findall(r"setsebool -P (\w+) on", read(path("selinux.sh")))
    assert set(named) == BOOLEANS and len(named) == len(BOOLEANS)


# --- systemd.conf --------------------------------------------------------------------

UNIT = "[Service]\nType=notify\nExecStart=/bin/true\nPrivateTmp=true\n"


def test_systemd_knows_the_settings(tmp_path):
    needs("systemd", "systemd-analyze")
    unit = tmp_path / "apache2.service"
    unit.write_text(UNIT)
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": "%s:" % tmp_path}
    (tmp_path / "apache2.service.d").mkdir()
    dropin = tmp_path / "apache2.service.d" / "hardening.conf"

    def verified():
        return run("systemd-analyze", "verify", "--man=no", str(unit), env=environment)

    def exposed(code):
        return run("systemd-analyze", "security", "--offline=true", "--no-pager",
                   "--threshold=30", "apache2.service", env=environment, code=code)
    exposed(1)
    shutil.copy(path("systemd.conf"), dropin)
    assert verified() == ""
    exposed(0)
    dropin.write_text(read(path("systemd.conf")).replace("ProtectHome", "ProtectHouse"))
    assert "ProtectHouse" in verified()


def sandbox(*writable):
    """A command runs as systemd would run it, behind these words."""
    needs("systemd", "systemd-analyze")
    needs("cc", "cc")
    if os.getuid():
        missing.leave_out("root")
    return [sys.executable, os.path.join(TOP, "tests/e2e/support/sandbox.py"),
            path("systemd.conf"), *map(str, writable), "--"]


@pytest.fixture
def sandboxed(one_server, op, monkeypatch):  # noqa: F811
    """sandboxed(*writable) is a server, not yet started, in the sandbox: with those of the
    directories of systemd.conf that are named."""
    service = read(path("systemd.conf"))
    assert "RuntimeDirectory=apache2\n" in service and " -/var/log/apache2 " in service

    def make(*writable):
        server = one_server(
            conf(op, 'AuthBearerRevocations "file:@ROOT@/revoked"\n'
                 'AuthBearerSOCache "shmcb:@ROOT@/run/keys(6000000)" for=keys\n') + STATUS,
            files={**SECRETS, "revoked": ""}, start=False)
        monkeypatch.setenv("BEARER_WRAPPER", " ".join(sandbox(*map(server.path, writable))))
        return server
    return make


ATTEMPTS = """
import ctypes, mmap, os, socket, sys
good, bad = sys.argv[1:]
C = ctypes.CDLL(None)
def attempt(name, what):
    if os.fork() == 0:
        try:
            what()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    print(name, os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
attempt("write", lambda: open(good, "w"))
attempt("write elsewhere", lambda: open(bad, "w"))
attempt("write to lock", lambda: open("/run/lock/x", "w"))
attempt("map", lambda: mmap.mmap(-1, 4096, prot=3))
attempt("map executable", lambda: mmap.mmap(-1, 4096, prot=7))
attempt("make executable", lambda: C.mprotect(None, 0, 4))
attempt("inet", lambda: socket.socket())
attempt("packet", lambda: socket.socket(17, 3))
attempt("setuid", lambda: os.setuid(33))
attempt("chroot", lambda: os.chroot("/"))
attempt("namespace", lambda: C.unshare(0x20000))
attempt("ptrace", lambda: C.ptrace(0, 0, 0, 0))
"""


def test_the_sandbox_is_one(tmp_path):
    """Otherwise the next tests would prove nothing. -31: killed, by SIGSYS."""
    (tmp_path / "good").mkdir()
    out = run(*sandbox(tmp_path / "good"), sys.executable, "-c", ATTEMPTS,
              str(tmp_path / "good" / "x"), str(tmp_path / "x"))
    assert dict(line.rsplit(" ", 1) for line in out.splitlines()) == {
        "write": "0", "write elsewhere": str(errno.EROFS), "write to lock": str(errno.EROFS),
        "map": "0", "map executable": "-31", "make executable": "-31", "inet": "0",
        "packet": "-31", "setuid": "0", "chroot": "-31", "namespace": "-31", "ptrace": "-31"}


def test_the_module_works_under_systemd_conf(sandboxed, op):  # noqa: F811
    server = sandboxed("run", "logs").start()
    browser = Browser(server)
    signed_in(browser)
    granted(server.get("/app/x", op.mint(aud="api://test", sub="bob")), "bob")
    assert server.get("/app/x", op.mint(aud="other")).status == 401
    assert "auth_bearer_sessions 1\n" in server.get("/bearer-status?format=prometheus").text
    children = server.children()
    server.graceful()
    wait_until(lambda: not set(children) & set(server.children()), 20, "the old children end")
    signed_in(browser)
    granted(server.get("/app/x", op.mint(aud="api://test", sub="bob")), "bob")
    server.stop()
    assert server.log_says("AH00491|AH00169")


#: Writable -> what httpd says of the other one: the log, the file of its process ID.
PLACES = {"run": "Read-only file system", "logs": "AH00100: "}


@pytest.mark.allow_log("AH00100", "no number: ")
@pytest.mark.parametrize("writable", PLACES)
def test_both_writable_places_are_needed(sandboxed, writable):
    server = sandboxed(writable)
    try:
        server.start()
    except AssertionError:
        pass
    assert server.process.wait(20 * SLOW) == 1
    assert PLACES[writable] in server.start_output() + server.error_log()
