# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A copy of a build tree in which single objects are made anew.

The copy is taken once for each run of the driver, so that the tree may be
rebuilt meanwhile. Debugging information is left out: it is most of the time
that linking takes.
"""
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

OUT = "@OUT@"


def make(build, *args):
    return subprocess.run(["make", "--no-print-directory", "-s", *args],
                          cwd=build, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


class Tree:
    """Sources, objects and commands of a build tree."""

    def __init__(self, top, build):
        self.top, self.build = top, build
        make(build, "-q", "-o", "config.h", "libbearer.la",
             "mod_auth_bearer.la", "htbearer")
        self.at = tempfile.mkdtemp(prefix="auth_bearer_mutation.")
        os.chmod(self.at, 0o755)
        self.archive = os.path.join(self.at, "libbearer.a")
        shutil.copytree(os.path.join(top, "src"), os.path.join(self.at, "src"))
        shutil.copy(os.path.join(build, "config.h"), self.at)
        self.copied(".libs/libbearer.a", self.archive)
        self.variables()
        self.members = self.symbols([self.archive])

    def copied(self, name, to):
        subprocess.run(["strip", "--strip-debug", "-o", to,
                        os.path.join(self.build, name)], check=True)

    def variables(self):
        names = ("CC", "DEFS", "mod_auth_bearer_la_CPPFLAGS", "SECTIONS_CFLAGS",
                 "CFLAGS", "bearer_libs", "HIREDIS_LIBS", "SECTIONS_LDFLAGS")
        rule = "mutation-variables: ; @printf '%s\\n' " + " ".join(
            "'$(%s)'" % name for name in names)
        lines = make(self.build, "--eval=" + rule, "mutation-variables").splitlines()
        self.flags = {n: [self.placed(w) for w in shlex.split(v)]
                      for n, v in zip(names, lines)}

    def placed(self, word):
        """Headers come from the copy."""
        path = os.path.join(self.build, word[2:])
        if word.startswith("-I") and os.path.realpath(path) == \
                os.path.realpath(os.path.join(self.top, "src")):
            return "-I" + os.path.join(self.at, "src")
        return word

    def symbols(self, files):
        """{object or program: (defined, wanted)}."""
        out, current = {}, None
        text = subprocess.run(["nm", *files], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        if len(files) == 1 and not files[0].endswith(".a"):
            current = out.setdefault(os.path.basename(files[0]), (set(), set()))
        for line in text.splitlines():
            if line.endswith(":"):
                current = out.setdefault(os.path.basename(line[:-1]),
                                         (set(), set()))
                continue
            match = re.match(r"[0-9a-f ]{16} ([A-Za-z]) (\S+)$", line)
            if match and match.group(1) == "U":
                current[1].add(match.group(2))
            elif match and match.group(1).isupper():
                current[0].add(match.group(2))
        return out

    # --- compiling and linking ---

    def compile(self, room, file, text):
        """The object of text as if it were file; None when it is not C. An
        integer is no pointer."""
        path = os.path.join(room, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        target = os.path.join(room, "mutant.o")
        flags = self.flags
        done = subprocess.run(
            flags["CC"] + flags["DEFS"] + ["-I" + self.at] +
            flags["mod_auth_bearer_la_CPPFLAGS"] +
            ["-iquote", os.path.join(self.at, os.path.dirname(file))] +
            flags["SECTIONS_CFLAGS"] + flags["CFLAGS"] +
            ["-g0", "-O2", "-fPIC", "-DPIC", "-Werror=int-conversion",
             "-Werror=incompatible-pointer-types",
             "-Werror=implicit-function-declaration", "-c", file, "-o", target],
            cwd=room, stderr=subprocess.DEVNULL, check=False)
        if done.returncode < 0:
            raise RuntimeError("the compiler was stopped")
        return target if done.returncode == 0 else None

    def programs(self, names):
        """{name: the command that links it}, with OUT for the program and the
        object that comes before the library."""
        objects = ["tests/unit/%s.o" % n for n in names]
        text = subprocess.run(
            ["make", "-n", "V=1", "-o", "libbearer.la"] +
            ["-W" + o for o in objects] + ["tests/unit/" + n for n in names],
            cwd=self.build, check=True, text=True,
            stdout=subprocess.PIPE).stdout
        out = {}
        for line in text.replace("\\\n", " ").splitlines():
            match = re.search(r"--mode=link (.* -o tests/unit/(test_\w+) .*)",
                              line)
            if match:
                out[match.group(2)] = self.link_command(match.group(1))
        for name in names:
            os.makedirs(os.path.join(self.at, "unit"), exist_ok=True)
            self.copied("tests/unit/%s.o" % name, self.unit_object(name))
        return out

    def unit_object(self, name):
        return os.path.join(self.at, "unit", name + ".o")

    def link_command(self, line):
        words = []
        for word in shlex.split(line):
            if word == "libbearer.la":
                words += [OUT + ".o", self.archive] + self.flags["bearer_libs"]
            elif word.startswith("tests/unit/") and word.endswith(".o"):
                words.append(self.unit_object(os.path.basename(word)[:-2]))
            elif word.startswith("tests/unit/"):
                words.append(OUT)
            elif word != "-g" and not word.startswith("-W") or \
                    word.startswith("-Wl,"):
                words.append(word)
        return words

    def module_objects(self):
        """Copies the objects of the glue; {source file: object}."""
        out = {}
        for name in ["mod_auth_bearer.c"] + [
                "src/httpd/" + n for n in sorted(os.listdir(
                    os.path.join(self.at, "src/httpd"))) if n.endswith(".c")]:
            head, tail = os.path.split(name)
            built = os.path.join(head, ".libs", "mod_auth_bearer_la-" +
                                 tail[:-2] + ".o")
            out[name] = os.path.join(self.at, tail[:-2] + ".o")
            self.copied(built, out[name])
        shutil.copy(os.path.join(self.build, ".libs/mod_auth_bearer.ver"),
                    self.at)
        return out

    def link_module(self, objects, target):
        flags = self.flags
        return subprocess.run(
            flags["CC"] + ["-shared", "-fPIC", "-o", target, *objects] +
            ["-Wl,--whole-archive", self.archive, "-Wl,--no-whole-archive"] +
            flags["SECTIONS_LDFLAGS"] + flags["bearer_libs"] +
            flags["HIREDIS_LIBS"] +
            ["-Wl,--version-script=" +
             os.path.join(self.at, "mod_auth_bearer.ver")],
            stderr=subprocess.DEVNULL, check=False).returncode == 0

    def close(self):
        shutil.rmtree(self.at, ignore_errors=True)


def ended(mark):
    """Kills what runs with this directory in its command or environment: the
    servers that a test left behind."""
    mark = os.fsencode(mark)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = b""
            for name in ("cmdline", "environ"):
                with open("/proc/%s/%s" % (pid, name), "rb") as file:
                    text += file.read()
            if mark in text and int(pid) != os.getpid():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass


def run(command, seconds, **more):
    """(exit status or None for a timeout, output)."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True,
                               **more)
    try:
        output = process.communicate(timeout=seconds)[0]
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.stdout.close()  # what was forked away holds it open
        return None, ""
