#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: container.py STAGES   (run by container.sh)

Executes the instructions of Containerfile, each stage in a copy of STAGES/base, and tests
the last stage as a runtime runs it: without capabilities, with a read-only root and a
tmpfs at /tmp. An instruction or option that is not known here is an error."""

import ctypes
import fcntl
import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE = "debian:bookworm-slim"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GUIDE = "docs/guide/install.md"
#: Packages and programs that the last stage may not have.
BUILD_TOOLS = r".*-dev|(gcc|g\+\+|cpp|clang)(-\d+)?|make|binutils.*|auto(conf|make)|libtool|git"


def fail(text):
    sys.exit(f"container.py: {text}")


# ---- the instructions ----------------------------------------------------------------

class Stage:
    def __init__(self, root):
        self.root = root
        self.env = {"PATH": PATH}
        self.folder = "/"
        self.user = (0, 0)
        self.ports = []
        self.stop = signal.SIGTERM
        self.health = self.command = self.seconds = None

    def path(self, name):
        """The place of a path of the stage; a relative one is in WORKDIR."""
        return self.root + os.path.normpath(os.path.join(self.folder, name))


def instructions(text):
    """[(word, rest)]: comments removed, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(None, 1) + [""])[:2] for line in joined.splitlines() if line.strip()]


def ignored():
    """The names in .dockerignore: files and folders of the top folder only."""
    with open(os.path.join(TOP, ".dockerignore"), encoding="utf-8") as file:
        names = file.read().split()
    if any(re.search(r"[/*?!#\[]", name) for name in names):
        fail(".dockerignore: a pattern, which is not interpreted here")
    return set(names)


def copy(source, target, name):
    """COPY of a file, or of what is in a folder, as root's."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        left_out = ignored() if os.path.samefile(source, TOP) else set()
        for entry in sorted(set(os.listdir(source)) - left_out):
            subprocess.run(["cp", "-a", "--no-preserve=ownership", os.path.join(source, entry),
                            target + "/"], check=True)
    elif os.path.isfile(source):
        if name.endswith("/"):
            target = os.path.join(target, os.path.basename(source))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
    else:
        fail(f"COPY: {source} is not there")


#: chroot.sh has made its mounts private; "/" is no mount in a chroot.
NAMESPACES = ["unshare", "--mount", "--propagation", "unchanged", "--pid", "--fork",
              "--kill-child"]

#: What a runtime mounts for RUN; "$1" is the root.
MOUNTS = """
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
"""


def run(stage, line):
    print(f"RUN {line}", flush=True)
    user, group = stage.user
    result = subprocess.run(
        [*NAMESPACES, "sh", "-euc",
         MOUNTS + 'shift; exec "$@"', "sh", stage.root,
         "chroot", f"--userspec={user}:{group}", "--groups=", stage.root,
         "/bin/sh", "-c", f"cd {shlex.quote(stage.folder)} && exec /bin/sh -c \"$1\"", "sh",
         line],
        env=stage.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        fail("\n".join(result.stdout.splitlines()[-60:]) + f"\nRUN {line}: failed")


def words(line, known):
    """({option: value}, rest) of a line that begins with --option=value."""
    options = {}
    while line.startswith("--"):
        option, _, line = line.partition(" ")
        name, _, value = option[2:].partition("=")
        if name not in known:
            fail(f"option {option} is not interpreted here")
        options[name] = value
        line = line.lstrip()
    return options, line


def exec_form(line):
    command = json.loads(line)
    if not command or not all(isinstance(word, str) for word in command):
        fail(f"{line}: not in exec form")
    return command


def execute(stages, word, line):
    """One instruction; stages is {name: Stage}, the current one the last."""
    if word == "FROM":
        match = re.fullmatch(r"(\S+)(?: AS (\w+))?", line.strip())
        if not match or match[1] != BASE:
            fail(f"FROM {line}: not {BASE}")
        name = match[2] or "last"
        root = os.path.join(sys.argv[1], name)
        subprocess.run(["cp", "-a", os.path.join(sys.argv[1], "base"), root], check=True)
        stages[name] = Stage(root)
        return
    if not stages:
        fail(f"{word} before FROM")
    stage = list(stages.values())[-1]
    if word == "RUN":
        run(stage, line)
    elif word == "COPY":
        options, line = words(line, ("from",))
        source, target = line.split()
        root = stages[options["from"]].root if options else TOP
        copy(root + "/" + source, stage.path(target), target)
    elif word == "WORKDIR":
        stage.folder = os.path.join(stage.folder, line)
        os.makedirs(stage.path("."), exist_ok=True)
    elif word == "ENV" and "$" not in line:
        stage.env.update(pair.split("=", 1) for pair in shlex.split(line))
    elif word == "USER":
        stage.user = tuple(int(number) for number in line.split(":"))
    elif word == "EXPOSE":
        stage.ports.append(int(line))
    elif word == "STOPSIGNAL":
        stage.stop = signal.Signals[line]
    elif word == "HEALTHCHECK":
        options, line = words(line, ("interval", "timeout", "start-period", "retries"))
        stage.seconds = int(options["timeout"].removesuffix("s"))
        if not line.startswith("CMD "):
            fail(f"HEALTHCHECK {line}")
        stage.health = exec_form(line[4:])
    elif word == "CMD":
        stage.command = exec_form(line)
    else:
        fail(f"{word} {line}: not interpreted here")


def build():
    with open(os.path.join(TOP, "Containerfile"), encoding="utf-8") as file:
        text = file.read()
    stages = {}
    for word, line in instructions(text):
        execute(stages, word, line)
    return stages


# ---- a runtime -----------------------------------------------------------------------

#: Mounts as of `podman run --read-only --tmpfs /tmp -v …:ro`; each further pair of
#: arguments up to "--" is a folder and where to mount it.
CONTAINER = """
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
while test "$1" != --; do
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
    shift 2
done
shift
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


class Container:
    """A command in the last stage. It shares this program's network, which is its own."""

    def __init__(self, stage, command, volumes=()):
        user, group = stage.user
        self.lines = {}
        pipes = [os.pipe(), os.pipe()]
        for _, end in pipes:
            os.fchown(end, user, group)  # as runc and crun do
        self.process = subprocess.Popen(
            [*NAMESPACES, "sh", "-euc", CONTAINER, "sh", stage.root,
             *[word for pair in volumes for word in pair], "--",
             "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups",
             "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", *command],
            env=stage.env, stdin=subprocess.DEVNULL, stdout=pipes[0][1], stderr=pipes[1][1])
        for name, (read, write) in zip(("stdout", "stderr"), pipes):
            os.close(write)
            self.lines[name] = []
            thread = threading.Thread(target=self._collect, args=(read, name), daemon=True)
            thread.start()

    def _collect(self, end, name):
        with os.fdopen(end, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.lines[name].append(line)

    def text(self, name):
        return "".join(self.lines[name])

    def pids(self):
        """Its processes; the first is its process 1."""
        found = []
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop(0)
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
            found += children
            waiting += children
        return found

    def send(self, number):
        os.kill(self.pids()[0], number)

    def end(self, number, seconds=15):
        if self.process.poll() is None:
            self.send(number)
        return self.process.wait(seconds)


def wait(what, condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            fail(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def own_network():
    """A network of its own, with loopback only: no port of this machine is used."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000):  # CLONE_NEWNET
        fail(f"unshare: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        request = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(end, 0x8914, request)  # SIOCSIFFLAGS


class Backend(http.server.BaseHTTPRequestHandler):
    """The application: says who the user is, after a while if asked to."""
    slow = threading.Event()

    def do_GET(self):
        if self.path.endswith("/slow"):
            self.slow.set()
            time.sleep(2)
        body = f"user {self.headers.get('X-Forwarded-User')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


# ---- the tests -----------------------------------------------------------------------

class Check:
    def __init__(self, stages):
        self.build = stages["build"]
        self.stage = list(stages.values())[-1]
        self.port = self.stage.ports[0]
        self.volumes = []
        self.done = 0

    def that(self, holds, text, more=""):
        if not holds:
            fail(f"not so: {text}\n{more}")
        self.done += 1
        print(f"ok  {text}", flush=True)

    def get(self, path, token=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request(
                "GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return None, ""
        finally:
            connection.close()

    def htbearer(self, *arguments):
        """By the tool of the build stage, where it can write."""
        return subprocess.run(["chroot", self.build.root, "/out/usr/bin/htbearer", *arguments],
                              capture_output=True, text=True, check=True).stdout.strip()

    def token(self, audience="api://orders"):
        return self.htbearer("sign", "--key", "/private.json", "--issuer",
                             "https://idp.example.com/", "--audience", audience, "--subject",
                             "alice", "--claim", "scope=orders.read")

    def healthy(self):
        """Whether HEALTHCHECK's command succeeds within its time."""
        container = Container(self.stage, self.stage.health)
        try:
            return container.process.wait(self.stage.seconds) == 0
        except subprocess.TimeoutExpired:
            container.process.kill()
            return False

    def prepare(self):
        """The files to mount: the guide's configuration, and the keys that it names."""
        with open(os.path.join(TOP, GUIDE), encoding="utf-8") as file:
            section = file.read().partition("\n## Container\n")[2]
        conf = re.search(r"^```apache\n(.*?)^```$", section, re.M | re.S)[1]
        for name, place in (("conf.d", "/etc/apache2/conf.d"), ("bearer", "/etc/apache2/bearer")):
            folder = os.path.join(sys.argv[1], name)
            os.mkdir(folder)
            self.volumes.append((folder, place))
        self.conf = os.path.join(sys.argv[1], "conf.d", "orders.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(conf)
        self.htbearer("keygen", "--private", "/private.json", "--public", "/public.json")
        shutil.copy(self.build.root + "/public.json",
                    os.path.join(sys.argv[1], "bearer", "keys.json"))
        os.chmod(os.path.join(sys.argv[1], "bearer", "keys.json"), 0o644)
        with open(self.stage.root + "/etc/hosts", "w", encoding="ascii") as file:
            file.write("127.0.0.1 localhost orders\n")
        backend = http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Backend)
        threading.Thread(target=backend.serve_forever, daemon=True).start()

    def contents(self):
        """What is in the last stage, and what is not."""
        packages = subprocess.run(
            ["chroot", self.stage.root, "dpkg-query", "-W", "-f", "${Package}\n"],
            capture_output=True, text=True, check=True).stdout.split()
        tools = [name for name in packages if re.fullmatch(BUILD_TOOLS, name)]
        self.that(not tools and len(packages) > 50,
                  f"{len(packages)} packages, these of build tools: {tools}")
        self.that(not os.path.exists(self.stage.root + "/src")
                  and not os.listdir(self.stage.root + "/var/lib/apt/lists"),
                  "neither sources nor package lists are left")
        size = subprocess.run(["du", "-sxm", self.stage.root], capture_output=True, text=True,
                              check=True).stdout.split()[0]
        print(f"    the last stage has {size} MiB")
        self.that(min(self.stage.user) > 0 and min(self.stage.ports) > 1023,
                  f"user {self.stage.user}, ports {self.stage.ports}")

    def server(self):
        """Requests, logs and the health of a running server. Returns the container."""
        self.that(not self.healthy(), "the health check fails before the start")
        server = Container(self.stage, self.stage.command, self.volumes)
        wait("start", lambda: self.get("/orders/1")[0] is not None
             or server.process.poll() is not None)
        self.that(server.process.poll() is None, "starts", server.text("stderr"))
        first = server.pids()[0]
        with open(f"/proc/{first}/status", encoding="ascii") as file:
            status = file.read()
        uids = re.search(r"^Uid:\t(.*)$", status, re.M)[1].split()
        self.that(set(uids) == {str(self.stage.user[0])}
                  and re.search(r"^CapBnd:\t0+$", status, re.M)
                  and re.search(r"^CapEff:\t0+$", status, re.M), f"process 1: uid {uids[0]}, "
                  "no capabilities")
        with open(f"/proc/{first}/mounts", encoding="ascii") as file:
            mounts = [line.split() for line in file]
        writable = {point for _, point, _, options, *_ in mounts
                    if options.startswith("rw") and not point.startswith(("/dev", "/proc"))}
        self.that(writable == {"/tmp"}, f"it can write to {writable}")
        good = self.token()
        self.that(self.get("/orders/1")[0] == 401, "401 without a token")
        self.that(self.get("/orders/1", good) == (200, "user alice\n"), "200, as alice",
                  server.text("stderr"))
        other = self.token("account")
        self.that(self.get("/orders/1", other)[0] == 401, "401 for another audience")
        self.that(self.get("/")[0] == 404, "404 for a path that nothing serves")
        self.that(self.get("/bearer-status")[0] == 404, "no status page on the public port")
        wait("log", lambda: "AB0019" in server.text("stderr"))
        self.that('"GET /orders/1 HTTP/1.1" 200' in server.text("stdout")
                  and "api://orders" in server.text("stderr"), "logs on stdout and stderr")
        self.that(all(token not in server.text(name) for token in (good, other)
                      for name in server.lines), "no token in them")
        self.that(self.healthy(), "the health check succeeds")
        return server

    def hung(self, server):
        for pid in server.pids():
            os.kill(pid, signal.SIGSTOP)
        self.that(not self.healthy(), "the health check fails while the server hangs")
        for pid in reversed(server.pids()):
            os.kill(pid, signal.SIGCONT)
        self.that(self.healthy(), "and succeeds again")

    def reload(self, server):
        """The guide's signal makes a changed file count."""
        with open(self.conf, encoding="utf-8") as file:
            conf = file.read()
        with open(self.conf + ".new", "w", encoding="utf-8") as file:
            file.write(conf.replace("api://orders", "account"))
        os.rename(self.conf + ".new", self.conf)
        server.send(signal.SIGUSR1)
        other = self.token("account")
        wait("the new configuration", lambda: self.get("/orders/1", other)[0] == 200)
        self.that(self.get("/orders/1", self.token())[0] == 401, "SIGUSR1 reads it again")

    def stop(self, server):
        answers = []
        slow = threading.Thread(target=lambda: answers.append(
            self.get("/orders/slow", self.token("account"))))
        slow.start()
        self.that(Backend.slow.wait(10), "a request is being answered")
        status = server.end(self.stage.stop)
        slow.join()
        self.that(answers == [(200, "user alice\n")] and status == 0,
                  f"{self.stage.stop.name} completes it and ends the server", (answers, status))
        self.that(not self.healthy(), "the health check fails after the stop")

    def bare(self):
        """Nothing mounted."""
        server = Container(self.stage, self.stage.command)
        wait("start", lambda: self.get("/")[0] is not None)
        self.that(self.get("/")[0] == 404 and self.healthy(), "starts with nothing mounted")
        server.end(self.stage.stop)


def main():
    stages = build()
    own_network()
    check = Check(stages)
    check.contents()
    check.prepare()
    server = check.server()
    check.hung(server)
    check.reload(server)
    check.stop(server)
    check.bare()
    print(f"container.sh: {check.done} checks passed")


if __name__ == "__main__":
    main()
