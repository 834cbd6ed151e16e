#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: deb_try.py SUITE, by deb.sh

Tries the packages in build/old and build/new, as root in a Debian of its own whose
Apache runs, with a network of its own. Prints a line for each step, and fails with the
first one that is not as it should be."""
import fcntl
import glob
import hashlib
import http.server
import json
import os
import re
import shlex
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
from support import certs, client, issuer, load, op  # noqa: E402
from support.httpd import wait_until  # noqa: E402

MODULE = "/usr/lib/apache2/modules/mod_auth_bearer.so"
SITE = "/etc/apache2/sites-available/000-default.conf"
ERRORS = "/var/log/apache2/error.log"
NAMES = ["libapache2-mod-auth-bearer", "htbearer"]
SESSIONS = 20

#: A virtual host with a login at the scripted provider.
LOGIN = """
<VirtualHost *:80>
    ServerName localhost
    DocumentRoot /var/www/html
    AuthBearerSecretFile /etc/apache2/bearer/secret
    AuthBearerBaseURL http://localhost
    AuthBearerClientID app
    AuthBearerClientSecret file:/etc/apache2/bearer/client
    AuthBearerIssuer "{issuer}"
    <Location "/app">
        AuthType Bearer
        AuthBearerSession On
        AuthBearerLogin On
        Require valid-user
    </Location>
</VirtualHost>
"""


def say(step, text):
    print("%s: %s: %s" % (sys.argv[1], step, text), flush=True)


def expect(true, text):
    if not true:
        sys.exit("deb_try.py: %s: %s" % (sys.argv[1], text))


def run(*command, ok=True, **kw):
    """Returns (exit status, output)."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, timeout=300, **kw)
    if ok and done.returncode:
        sys.exit("deb_try.py: failed: %s\n%s" % (shlex.join(command), done.stdout))
    return done.returncode, done.stdout


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


# --- Debian ----------------------------------------------------------------------

def apt(*arguments):
    return run("apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0",
               *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})[1]


def files_of(which):
    return sorted(glob.glob(os.path.join(TOP, "build", which, "*bearer_*.deb")))


def version():
    return run("dpkg-query", "-W", "-f", "${Version}", NAMES[0])[1]


def a2query(module):
    return run("a2query", "-m", module, ok=False)


#: What changes by itself: logs, apt's and dpkg's own books, caches of other programs.
ELSEWHERE = re.compile(
    r"/(proc|sys|dev|src|tmp|run|root)(/|$)|/var/(log|cache|lib/apt|tmp)(/|$)"
    r"|/var/lib/dpkg/(status|available|lock|diversions|statoverride|info/format)"
    r"|/var/lib/(dpkg/triggers|systemd|ucf)(/|$)|/etc/ld\.so\.cache$"
    r"|/var/lib/apache2/module/\w+$")  # empty folders of a2enmod; not files in them


def system():
    """Everything that there is: files, packages, and what Apache's tools know."""
    found = {}
    for folder, folders, names in os.walk("/"):
        folders[:] = [one for one in folders
                      if not ELSEWHERE.match(os.path.join(folder, one))]
        for name in folders + names:
            path = os.path.join(folder, name)
            if ELSEWHERE.match(path) or "__pycache__" in path:
                continue
            about = os.lstat(path)
            if stat.S_ISLNK(about.st_mode):
                found[path] = os.readlink(path)
            elif stat.S_ISREG(about.st_mode):
                with open(path, "rb") as f:
                    found[path] = (about.st_mode, about.st_uid, hashlib.file_digest(
                        f, "sha256").hexdigest())
            else:
                found[path] = about.st_mode, about.st_uid
    for kind in "mcs":
        found["a2query -" + kind] = sorted(run("a2query", "-" + kind)[1].splitlines())
    for module in ("auth_bearer", "socache_shmcb"):
        found["a2query -m " + module] = a2query(module)
    found["packages"] = run("dpkg-query", "-W")[1].splitlines()
    return found


def differences(before, after):
    return ["%s: %s -> %s" % (name, before.get(name), after.get(name))
            for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


# --- Apache ----------------------------------------------------------------------

def parent():
    return int(read("/run/apache2/apache2.pid"))


def processes():
    first = parent()
    out = [first]
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            text = read(path)
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == first:
            out.append(int(text.split()[0]))
    return out


def running():
    """Does every process have the module's file as it is now, and no other?"""
    inode = str(os.stat(MODULE).st_ino)
    try:
        pids = processes()
    except OSError:
        return False
    for pid in pids:
        try:
            mine = [line.split() for line in read("/proc/%d/maps" % pid).splitlines()
                    if "mod_auth_bearer.so" in line]
        except OSError:
            continue
        if not mine or any(line[4] != inode or "(deleted)" in line for line in mine):
            return False
    return True


def cost():
    """What Apache holds: [(threads, shared segments) of each process]."""
    out = []
    for pid in processes():
        shared = [line for line in read("/proc/%d/maps" % pid).splitlines()
                  if line.split()[1].endswith("s")]
        out.append((len(os.listdir("/proc/%d/task" % pid)), len(shared)))
    return sorted(out)


def reload(action="graceful"):
    run("apache2ctl", "configtest")
    generation = len(re.findall("resuming normal operations", read(ERRORS)))
    run("apache2ctl", action)
    wait_until(lambda: len(re.findall("resuming normal operations", read(ERRORS)))
               > generation, 30, action)


class Server:
    """The Apache of this system, for a Browser and for requests."""
    url = "http://localhost"

    def request(self, method, path, headers=(), body=b"", h2=False):
        return client.Response(client.exchange(80, client.build(
            method, path, headers, body, host="localhost")))


def status(path, token=None):
    """Of a request to Debian's virtual host."""
    return client.Response(client.exchange(80, client.build(
        "GET", path, {"Authorization": "Bearer " + token} if token else {}))).status


class Visits(load.Load):
    """Requests with the cookies of sessions, one after the other."""

    def __init__(self, browsers, **kw):
        self._fields = [browser.field() for browser in browsers]
        super().__init__(80, "", "/app/index.html", **kw)

    def raw(self):
        self._fields.append(self._fields.pop(0))
        return ("GET %s HTTP/1.1\r\nHost: localhost\r\nCookie: %s\r\n\r\n"
                % (self.path, self._fields[0])).encode()


# --- the world around it ---------------------------------------------------------

def loopback_up():
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS, UP


def issuer_of_readme(keys):
    """https://idp.example.com/ with the key set in the file keys, trusted by the
    system."""
    write("/etc/hosts", read("/etc/hosts") + "127.0.0.1 idp.example.com\n")
    write("/usr/local/share/ca-certificates/idp.crt", certs.authority_pem())
    run("update-ca-certificates")
    url = "https://idp.example.com"

    class Answers(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.path == "/jwks":
                body = read(keys)
            elif self.path.startswith("/.well-known/"):
                body = json.dumps({"issuer": url + "/", "jwks_uri": url + "/jwks"})
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certs.server("good", "idp.example.com"))
        pem.flush()
        context.load_cert_chain(pem.name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def first_screen():
    """The first configuration in README.md."""
    return re.search(r"^```apache\n(.*?)^```$", read(os.path.join(TOP, "README.md")),
                     re.M | re.S).group(1)


def virtual_host(text, more=""):
    """Adds text to Debian's virtual host, and more behind it, instead of what was
    added before."""
    plain = re.sub(r"# begin\n.*?# end\n", "", read(SITE), flags=re.S)
    if text:
        text = "# begin\n" + text + "# end\n"
    if more:
        more = "# begin\n" + more + "# end\n"
    write(SITE, plain.replace("</VirtualHost>\n", text + "</VirtualHost>\n" + more))


def sign(*arguments):
    return run("htbearer", "sign", "--key", "/root/private.json", "--issuer",
               "https://idp.example.com/", "--audience", "api://orders", "--subject",
               "alice", "--expires", "3600", *arguments)[1].strip()


# --- the steps -------------------------------------------------------------------

def install():
    before, pid = cost(), parent()
    output = apt("install", *files_of("new"))
    expect(parent() == pid, "the installation restarts Apache\n" + output)
    expect(a2query("auth_bearer") == (0, "auth_bearer (enabled by maintainer script)\n"),
           a2query("auth_bearer"))
    wait_until(running, 30, "the module in every process\n" + output)
    wait_until(lambda: len(processes()) == len(before), 30, "the old children's end")
    expect(cost() == before, "the module costs something without a configuration: "
           "%s -> %s (threads, shared segments)" % (before, cost()))
    expect("auth_bearer" not in read(ERRORS), "the module logs without a configuration")
    manual = glob.glob("/usr/share/man/man*/*bearer*")
    expect(manual, "no manual page")
    say("install", "%s: enabled, loaded by a graceful reload; %d processes with as many "
        "threads and shared segments as before, no line in the log; %s" % (
            version(), len(before), ", ".join(map(os.path.basename, manual))))


def first_request():
    run("htbearer", "keygen", "--private", "/root/private.json", "--public",
        "/root/public.json")
    virtual_host(first_screen())
    reload("restart")
    good = sign("--claim", "scope=orders.read")
    seen = [status("/orders"), status("/orders", good), status("/orders", sign())]
    expect(seen == [401, 200, 403], "the configuration of README.md: %s\n%s"
           % (seen, read(ERRORS)[-2000:]))
    explained = subprocess.run(
        ["htbearer", "explain", "-f", "/etc/apache2/apache2.conf", "/orders"], input=good,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    expect(explained.returncode == 0, explained.stdout)
    say("first request", "README's first screen and an issuer by https: 401 without a "
        "token, 200 with, 403 without the scope; htbearer explain agrees")


def upgrade(provider):
    apt("purge", *NAMES)
    virtual_host("")
    apt("install", *files_of("old"))
    old = version()
    write("/etc/apache2/bearer/secret", os.urandom(48), 0o600)
    write("/etc/apache2/bearer/client", "secret of the client\n", 0o600)
    virtual_host(first_screen(), LOGIN.format(issuer=provider.url))
    reload("restart")
    token = sign("--claim", "scope=orders.read")
    browsers = [op.Browser(Server()) for _ in range(SESSIONS)]
    for browser in browsers:
        answer = browser.go("/app/index.html")
        expect(answer.status == 200, "login: %s\n%s" % (answer, read(ERRORS)[-2000:]))
    asked, pid = provider.count(), parent()

    with load.Load(80, token, "/orders", threads=4, rate=200) as tokens, \
            Visits(browsers, threads=4, rate=200) as visits:
        tokens.more(100)
        visits.more(100)
        output = apt("install", *files_of("new"))
        expect(version() != old, "no upgrade\n" + output)
        wait_until(running, 60, "the new version in every process\n" + output)
        tokens.more(200)
        visits.more(200)
    for what in (tokens, visits):
        expect(set(what.statuses()) == {200}, "under load: %s\n%s\n%s" % (
            what.statuses(), output, read(ERRORS)[-2000:]))
    expect(parent() == pid, "the upgrade restarts Apache\n" + output)
    for browser in browsers:
        expect(browser.get("/app/index.html").status == 200, "a session is lost")
    expect(provider.count() == asked, "sessions log in again")
    say("upgrade", "%s -> %s: %d requests with a token and %d with %d sessions, each 200; "
        "same parent process, no login again" % (
            old, version(), len(tokens.results), len(visits.results), SESSIONS))


def choice():
    """What the administrator disabled stays disabled."""
    site = read(SITE)
    virtual_host("")
    run("a2dismod", "-q", "auth_bearer")
    reload()
    apt("install", "--reinstall", *files_of("new"))
    code, text = a2query("auth_bearer")
    expect(code == 32, "installing again enables what the administrator disabled: "
           + text)
    run("a2enmod", "-q", "auth_bearer")
    write(SITE, site)
    reload("restart")
    say("a2dismod", "stays in force when the package is installed again")


def remove():
    """With the directives still there, then without."""
    apt("remove", *NAMES)
    expect(not os.path.exists(MODULE), "the module is still there")
    expect(status("/orders") == 401, "removing the package opens what it protected")
    expect(run("apache2ctl", "configtest", ok=False)[0] != 0, "configtest passes")
    virtual_host("")
    reload()
    code, text = a2query("auth_bearer")
    expect(code == 33 and "maintainer script" in text, "%d %s" % (code, text))
    expect(os.path.exists("/etc/apache2/mods-available/auth_bearer.conf"),
           "removing removes the configuration")
    say("remove", "protected paths stay closed until their directives are removed, too; "
        "the module is disabled, its configuration is kept")


def purge(before):
    apt("purge", "--auto-remove", *NAMES)
    for path in ("secret", "client"):
        os.unlink("/etc/apache2/bearer/" + path)
    os.rmdir("/etc/apache2/bearer")
    for path in ("private", "public"):
        os.unlink("/root/%s.json" % path)
    left = differences(before, system())
    expect(not left, "purge leaves a residue:\n" + "\n".join(left))
    expect(status("/orders") == 200, "Apache does not answer")
    say("purge", "the same %d files, packages, modules, sites and settings as before the "
        "installation" % len(before))


def main():
    loopback_up()
    for path in ("/var/www/html/orders", "/var/www/html/app/index.html"):
        write(path, "ok\n")
    issuer_of_readme("/root/public.json")
    provider = op.Provider(issuer.IssuerHost(), "login")
    # Without it, invoke-rc.d does nothing in a system without an init process.
    write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0o755)
    run("service", "apache2", "start", ok=False)
    wait_until(lambda: os.path.exists("/run/apache2/apache2.pid"), 30, "Apache")
    reload("restart")
    before = system()
    install()
    first_request()
    upgrade(provider)
    choice()
    remove()
    purge(before)
    died = re.findall(r".*exit signal.*", read(ERRORS))
    expect(not died, "\n".join(died))


if __name__ == "__main__":
    main()
