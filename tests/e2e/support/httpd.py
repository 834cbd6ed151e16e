# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A httpd of the tests' own: generated configuration, free port, temporary
ServerRoot.

Every URL has four faces, so that one <Location> serves for everything:
  /x          a static file ("ok")
  /x/env      SSI: the environment of the request, NAME=value lines
  /x/cgi      the same from a CGI program
  /x/be/...   the backend behind mod_proxy, when the server was given one
Below /files/ httpd's directory walk applies (for .htaccess).

Environment of a test run:
  BEARER_MODULE   path of mod_auth_bearer.so
  HTBEARER        path of htbearer
  BEARER_MPMS     "event prefork": the first serves all tests
  BEARER_WRAPPER  a command in front of httpd, such as valgrind with options
  BEARER_SLOW     factor on all waiting times (10 under valgrind)
  BEARER_WIRE     h2: requests go over HTTP/2, except those of raw bytes
  BEARER_SESSIONS cache or cookie: every server takes browsers' sessions, kept
                  there, and every request comes with a cookie that opens none;
                  for machines nothing may change by it
"""
import collections
import glob
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import client, secrets, wire2
from .messages import message

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
HTTPD = os.environ.get("HTTPD", "/usr/sbin/apache2")
MODULES = os.environ.get("HTTPD_MODULES", "/usr/lib/apache2/modules")
SLOW = float(os.environ.get("BEARER_SLOW", "1"))
H2 = os.environ.get("BEARER_WIRE") == "h2"
SESSIONS = bool(os.environ.get("BEARER_SESSIONS"))


def _built(name, variable):
    if os.environ.get(variable):
        return os.path.abspath(os.environ[variable])
    places = [TOP, os.path.join(TOP, "build")] + glob.glob(
        os.path.join(TOP, "build", "*"))
    for place in places:
        path = os.path.join(place, name)
        if os.path.exists(path):
            return path
    return None


MODULE = _built(".libs/mod_auth_bearer.so", "BEARER_MODULE")
HTBEARER = _built("htbearer", "HTBEARER")
MPMS = (os.environ.get("BEARER_MPMS") or "event prefork").split()

BASE_MODULES = ("authn_core", "authz_core", "authz_user", "authz_host", "alias",
                "headers", "include", "cgi", "setenvif", "env", "dir",
                "rewrite", "socache_shmcb", "proxy", "proxy_http")

#: Compiled into some httpds and loadable in others.
STATIC = ("unixd", "log_config", "version", "watchdog")

WORKERS = {
    "event": """
StartServers {children}
ServerLimit {limit}
ThreadsPerChild 8
ThreadLimit 8
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
""",
    "prefork": """
StartServers {workers}
MinSpareServers 1
MaxSpareServers {workers}
ServerLimit 16
MaxRequestWorkers 16
""",
}
WORKERS["worker"] = WORKERS["event"]

SKELETON = """
ServerRoot "{root}"
ServerName {server_name}
Listen 127.0.0.1:{port}
PidFile "{root}/run/httpd.pid"
DefaultRuntimeDir "{root}/run"
{load}
{identity}
{workers}
ErrorLog "{root}/logs/error.log"
ErrorLogFormat "%{{cu}}t|%-m|%l|%P|%M"
LogLevel {loglevel}
LogFormat "%>s \\"%r\\" user=%u error=%{{BEARER_ERROR}}e check=%{{BEARER_ERROR_CHECK}}e" test
CustomLog "{root}/logs/access.log" test
DocumentRoot "{root}/htdocs"
KeepAlive On
Timeout 20
AcceptPathInfo On
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory "{root}/htdocs">
    Require all granted
    Options +Includes +ExecCGI +FollowSymLinks
</Directory>
<Files "env.shtml">
    ForceType text/html
    SetOutputFilter INCLUDES
</Files>
<Files "env.cgi">
    SetHandler cgi-script
</Files>
<Files "ok.txt">
    ForceType text/plain
</Files>
Header always set X-Test-Error "expr=%{{reqenv:BEARER_ERROR}}"
Header always set X-Test-Check "expr=%{{reqenv:BEARER_ERROR_CHECK}}"
Header always set X-Test-User "expr=%{{REMOTE_USER}}"
"""

FACES = """
AliasMatch "^/(?:.+/)?env$" "{root}/htdocs/env.shtml"
AliasMatch "^/(?:.+/)?cgi$" "{root}/htdocs/env.cgi"
AliasMatch "^/(?!files/|\\.well-known|\\.auth)" "{root}/htdocs/ok.txt"
"""

CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec env
"""


#: Where BEARER_SESSIONS is set.
SESSION_SECRET = 'AuthBearerSecretFile "@ROOT@/sessions.secret"\n'
WITH_SESSIONS = SESSION_SECRET + """
AuthBearerSessionStore {store}
<Location "/">
    AuthBearerSession On
</Location>
"""


class LogLine:
    """A line of the error log; text is unescaped as httpd escaped it."""

    def __init__(self, raw):
        self.raw = raw
        parts = raw.split("|", 4)
        if len(parts) == 5 and re.match(r"\d{4}-\d\d-\d\d ", parts[0]):
            self.module, self.level, message = parts[1], parts[2], parts[4]
            self.level = self.level.partition(":")[0]
        else:
            self.module, self.level, message = "-", "raw", raw
        self.text = re.sub(r'\\(["\\])', r"\1", message)

    def says(self, number, *values):
        """Has it this number and these values? See messages.py."""
        return bool(re.search(message(number, *values), self.text))

    @property
    def unescaped_bytes(self):
        """True when httpd had to escape something that our module logged."""
        return bool(re.search(r"(?<!\\)(?:\\\\)*\\(?:x[0-9a-f]{2}|[nrtbv])",
                              self.raw))

    def __repr__(self):
        return self.raw


#: Ports given away of late; see free_port().
_reserved = collections.deque(maxlen=200)


def free_port():
    """A port that nobody else is given. The socket stays bound, so the kernel
    gives the port to nobody who asks for any; a server may listen on it all the
    same, since both say SO_REUSEADDR and only one of them listens."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    _reserved.append(sock)
    return sock.getsockname()[1]


def wait_until(condition, seconds=10, what="condition"):
    """Waits for something another process does; never for time to pass."""
    end = time.monotonic() + seconds * SLOW
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("timed out: " + what)
        time.sleep(0.01)


#: A child that mpm_event ends by SIGTERM may crash in apr_os_sock_get(), called
#: by its main thread, which closes the sockets that workers give up just then.
#: Only lines of a server that is being stopped are held against this.
END_OF_EVENT = re.compile(r"\bAH0005[12]: child .* exit signal Segmentation")


class ConfigTest:
    """Result of httpd -t."""

    def __init__(self, status, output, root):
        self.status, self.root = status, root
        self.output = re.sub(r'\\(["\\])', r"\1", output)

    def __repr__(self):
        return "<status %d>\n%s" % (self.status, self.output)

    def says(self, number, *values):
        """The first line with this number and these values, or None."""
        return next((line for line in self.output.splitlines()
                     if re.search(message(number, *values), line)), None)


class Httpd:
    """One server. conf may use @ROOT@ for its ServerRoot and @PORT@. Without faces, a
    URL that no file has gets 404."""

    def __init__(self, conf="", modules=(), mpm=None, children=1, files=None,
                 loglevel=None, backend=None, module=True,
                 server_name="server.test", after_module=(), without=(),
                 early="", throttle=False, h2=False, faces=True):
        loglevel = loglevel or (
            "info auth_bearer:trace8" if module else "info")
        self.mpm = mpm or MPMS[0]
        self.h2 = (h2 or H2) and self.mpm != "prefork"
        if self.h2:
            modules, early = (*modules, *wire2.MODULES), wire2.CONF + early
        self.root = tempfile.mkdtemp(prefix="bearer-e2e-")
        os.chmod(self.root, 0o755)
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.process = None
        self._read = 0
        self._reading = threading.Lock()  # a test may ask in threads
        self._partial = ""
        self._pending = []
        for name in ("logs", "run", "htdocs", "htdocs/files"):
            os.mkdir(os.path.join(self.root, name))
        self.write("htdocs/ok.txt", "ok\n")
        self.write("htdocs/env.shtml", "<!--#printenv -->\n")
        self.write("htdocs/env.cgi", CGI, 0o755)
        for name, content in (files or {}).items():
            mode = 0o644
            if isinstance(content, tuple):
                content, mode = content
            self.write(name, content, mode)
        faces = FACES.format(root=self.root) if faces else ""
        if backend:
            faces = ('ProxyPassMatch "^(/(?:.+/)?be(?:/.*)?)$" "%s$1"\n'
                     % backend.url) + faces
        self._text = SKELETON.format(
            root=self.root, port=self.port, server_name=server_name,
            load=self._load(modules, after_module, module, without),
            identity="User www-data\nGroup www-data" if os.getuid() == 0
            else "", loglevel=loglevel, workers=WORKERS[self.mpm].format(
                children=children, limit=max(16, 2 * children),
                threads=8 * max(2, children), workers=max(2, children)))
        self._text += early + faces
        if module and not throttle:
            self._text += ("<IfDirective AuthBearerThrottle>\n"
                           "AuthBearerThrottle off\n</IfDirective>\n")
        if module and SESSIONS:
            self.write("sessions.secret", os.urandom(48), 0o600)
            self._text += WITH_SESSIONS.format(
                store=os.environ["BEARER_SESSIONS"])
        self.configure(conf)

    def configure(self, conf):
        """Replaces the test's part of the configuration."""
        common = self._text
        if "AuthBearerSecretFile" in conf:  # twice is an error
            common = common.replace(SESSION_SECRET, "")
        text = (common + "\n# --- test\n" + conf).replace(
            "@ROOT@", self.root).replace("@PORT@", str(self.port))
        self.write("httpd.conf", text)

    def rewrite(self, old, new):
        """Replaces a text that is in the configuration; a restart puts it in force."""
        with open(self.path("httpd.conf"), errors="surrogateescape") as f:
            text = f.read()
        assert old in text, old
        self.write("httpd.conf", text.replace(old, new))

    def _load(self, modules, after, own, without):
        """LoadModule lines: modules, then ours, then those named in after."""
        def line(name):
            return "LoadModule %s_module %s/mod_%s.so" % (name, MODULES, name)
        static = [n for n in STATIC
                  if os.path.exists("%s/mod_%s.so" % (MODULES, n))]
        names = ["mpm_" + self.mpm, *static, *BASE_MODULES, *modules]
        lines = [line(n) for n in dict.fromkeys(names) if n not in without]
        if own:
            assert MODULE, "BEARER_MODULE is not set and nothing is built"
            lines.append("LoadModule auth_bearer_module " + MODULE)
        return "\n".join(lines + [line(n) for n in after])

    # -- files ---------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, content, mode=0o644):
        """A file below ServerRoot, replaced atomically as an editor does."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogateescape")
        with open(path + ".new", "wb") as f:
            f.write(content)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)
        return path

    # -- life ----------------------------------------------------------------

    def _command(self):
        wrapper = shlex.split(os.environ.get("BEARER_WRAPPER", ""))
        return wrapper + [HTTPD, "-d", self.root, "-f",
                          self.path("httpd.conf")]

    def configtest(self, *options):
        """httpd -t on the present configuration."""
        done = subprocess.run(
            [HTTPD, "-d", self.root, "-f", self.path("httpd.conf"), "-t",
             *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=30 * SLOW)
        output = done.stdout.decode("utf-8", "replace")
        output = re.sub(r"(?m)^.*(AH00558|AH00526: Syntax OK).*\n", "", output)
        return ConfigTest(done.returncode, output, self.root)

    def start(self):
        with open(self.path("logs/start.log"), "ab") as out:
            self.process = subprocess.Popen(
                self._command() + ["-DFOREGROUND"], stdout=out, stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True)  # httpd signals its whole group
        self._wait_up()
        return self

    def _wait_up(self):
        def up():
            if self.process.poll() is not None:
                raise AssertionError("httpd did not start:\n%s\n%s" % (
                    self.start_output(), self.error_log()))
            try:
                client.exchange(self.port, b"GET /ok HTTP/1.0\r\n\r\n", 5)
                return True
            except (ConnectionError, OSError):
                return False
        wait_until(up, 20, "httpd answers")

    def start_output(self):
        with open(self.path("logs/start.log"), errors="surrogateescape") as f:
            return f.read()

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            # wait(20) would sleep and look; send_signal() may find that it has ended
            ended = os.pidfd_open(self.process.pid)
            self.new_lines()
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            if not select.select([ended], [], [], 20 * SLOW)[0]:
                self.process.kill()
            os.close(ended)
            self.process.wait()
            before = len(self._pending)
            self.new_lines()
            self._pending[before:] = [
                line for line in self._pending[before:]
                if not END_OF_EVENT.search(line.text)]
        self.process = None

    def graceful(self, how=signal.SIGUSR1):
        """apachectl graceful; returns when the new generation serves."""
        before = self.error_log().count("resuming normal operations")
        self.process.send_signal(how)
        wait_until(lambda: self.error_log().count(
            "resuming normal operations") > before, 20, "restart")
        self._wait_up()

    def plain_restart(self):
        """httpd -k restart: the children end whatever they do."""
        self.graceful(signal.SIGHUP)

    def restart(self):
        """Full restart: stop, start."""
        self.stop()
        self.start()

    def close(self):
        self.stop()
        if not os.environ.get("BEARER_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)

    # -- logs ----------------------------------------------------------------

    def error_log(self):
        try:
            with open(self.path("logs/error.log"),
                      errors="surrogateescape") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def access_log(self):
        with open(self.path("logs/access.log"), errors="surrogateescape") as f:
            return f.read()

    def new_lines(self):
        """Lines of the error log since the last call."""
        with self._reading:
            try:
                with open(self.path("logs/error.log"), "rb") as f:
                    f.seek(self._read)
                    data = f.read()
            except FileNotFoundError:
                return []
            end = data.rfind(b"\n") + 1
            self._read += end
        lines = [LogLine(line.decode("utf-8", "surrogateescape"))
                 for line in data[:end].splitlines() if line]
        self._pending += lines
        return lines

    def take_pending(self):
        """All lines since the last call of this (not of new_lines)."""
        self.new_lines()
        lines, self._pending = self._pending, []
        return lines

    def log_says(self, number, *values):
        """Lines anywhere in the error log with this number and these values."""
        return [line for line in map(LogLine, self.error_log().splitlines())
                if line.says(number, *values)]

    def wait_log(self, number, *values, seconds=10):
        """Waits until the error log has such a line anywhere."""
        return wait_until(lambda: self.log_says(number, *values), seconds,
                          "log line " + message(number, *values))

    # -- requests ------------------------------------------------------------

    def raw(self, data, timeout=30):
        """Sends bytes, reads the answer and the log lines of that time."""
        self.new_lines()
        answer = client.exchange(self.port, data, timeout * SLOW)
        return client.Response(answer, self.new_lines())

    def request(self, method, path, token=None, headers=(), body=b"", h2=False,
                **kw):
        """h2: over HTTP/2, by a server made with h2=True."""
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        if SESSIONS and not any(n.lower() == "cookie" for n, _ in headers):
            headers.append(("Cookie", "bearer_session_%d=%s" % (self.port,
                                                                "A" * 43)))
        if token is not None:
            secrets.register(token)
            if isinstance(token, str):
                token = token.encode("latin-1")
            headers.append(("Authorization", b"Bearer " + token))
        if h2 or (H2 and self.h2):
            self.new_lines()
            answer = wire2.exchange(self.port, method, path, headers, body,
                                    30 * SLOW, **kw)
            return client.Response(answer, self.new_lines())
        return self.raw(client.build(method, path, headers, body, **kw))

    def get(self, path, token=None, headers=(), **kw):
        return self.request("GET", path, token, headers, **kw)

    def children(self):
        """Pids of the children."""
        with open("/proc/%d/task/%d/children" % (self.process.pid,
                                                 self.process.pid)) as f:
            return [int(pid) for pid in f.read().split()]
