# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Which tests concern a file, and whether they notice a mutant of it.

A failure counts when it comes a second time, and when the same test passes
without a mutant.
"""
import collections
import glob
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import build
from concerns import CONCERNS


def limits(usual):
    """A mutant may compute, write and allocate without end. Processor time
    tells a loop from a machine with much to do."""
    busy = int(min(20, 3 + 3 * usual))
    resource.setrlimit(resource.RLIMIT_CPU, (busy, busy + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))


class Suite:
    """What both have in common: rooms to work in and how long tests take."""

    def __init__(self, tree, times):
        self.tree, self.times = tree, times
        self.good, self.locks = {}, {}
        self.lock = threading.Lock()
        self.originals = {}
        self.kills = {}  # what noticed one mutant of a file notices another

    def room(self):
        path = tempfile.mkdtemp(prefix="ab_mutant.")
        os.chmod(path, 0o755)
        return path

    def object_of(self, room, file, text):
        """(object, its bytes), or (None, None)."""
        path = self.tree.compile(room, file, text)
        if not path:
            return None, None
        with open(path, "rb") as data:
            return path, data.read()

    def original(self, room, file, source):
        if file not in self.originals:
            self.originals[file] = self.object_of(room, file, source)[1]
        return self.originals[file]

    def fit(self, test, room):
        """Whether the test passes without a mutant; looked at once."""
        with self.lock:
            lock = self.locks.setdefault(test, threading.Lock())
        with lock:
            if test not in self.good:
                self.good[test] = self.passes_unchanged(test, room)
                if not self.good[test]:
                    print("mutation: %s fails without a mutant, left out" %
                          test, file=sys.stderr)
            return self.good[test]

    def seconds(self, test):
        return max(30, 10 * self.times.get(test, 10))

    def judge(self, room, file, found):
        """(the test that fails or None, the tests that were run)."""
        tried = []
        kills = self.kills.setdefault(file, collections.Counter())
        for test in sorted(self.tests_of(file), key=lambda t: -kills[t]):
            tried.append(test)
            by = self.fails(test, room, file, found)
            if by:
                kills[test] += 1
                return by, tried
        return None, tried


class Units(Suite):
    """The library: programs of tests/unit, linked with the one object anew."""

    def __init__(self, tree, times):
        super().__init__(tree, times)
        names = sorted(
            os.path.basename(p)[:-2] for p in glob.glob(
                os.path.join(tree.top, "tests/unit/test_*.c"))
            if os.path.exists(os.path.join(
                tree.build, "tests/unit", os.path.basename(p)[:-2] + ".o")))
        self.names = names
        self.links = tree.programs(self.names)
        self.uses = {n: tree.symbols([tree.unit_object(n)])[n + ".o"][1]
                     for n in self.names}

    def tests_of(self, file):
        """By name, by symbols, by the first word of the name, and by those that
        use a file that uses it; the fast ones first, and slow ones only by
        name, or where none has it."""
        stem = os.path.basename(file)[:-2]
        members = self.tree.members
        defined = members[stem + ".o"][0]
        users = [m for m, (_, wanted) in members.items() if wanted & defined]
        through = set().union(*(members[m][0] for m in users))
        named, near, kin, far = [], [], [], []
        for name in self.names:
            about = name[len("test_"):]
            if about == stem or stem.startswith(about + "_") or \
                    about.startswith(stem + "_"):
                named.append(name)
            elif self.uses[name] & defined:
                near.append(name)
            elif about.split("_")[0] == stem.split("_")[0]:
                kin.append(name)
            elif self.uses[name] & through:
                far.append(name)
        seconds = lambda n: self.times.get(n, 1)
        quick = lambda names: [n for n in names if seconds(n) < 3]
        near = quick(near) if named or quick(near) else near
        return [n for names in (named, near, kin, quick(far))
                for n in sorted(names, key=seconds)]

    def passes_unchanged(self, test, room):
        return self.run(test, room, None) == 0

    def run(self, test, room, found):
        program = os.path.join(room, "program")
        words = []
        for word in self.links[test]:
            if word == build.OUT:
                words.append(program)
            elif word != build.OUT + ".o":
                words.append(word)
            elif found:
                words.append(found)
        subprocess.run(words, check=True, cwd=room)
        where = tempfile.mkdtemp(dir=room)
        env = dict(os.environ, TMPDIR=where, srcdir=self.tree.top,
                   CMOCKA_TEST_ABORT="1", MALLOC_PERTURB_="165")
        status, _ = build.run(
            [program], self.seconds(test), cwd=where, env=env,
            preexec_fn=lambda: limits(self.times.get(test, 5)))
        build.ended(where)
        shutil.rmtree(where, ignore_errors=True)
        return None if status == -signal.SIGXCPU else status

    def fails(self, test, room, file, found):
        start = time.monotonic()
        status = self.run(test, room, found)
        if status == 0:
            self.times[test] = round(time.monotonic() - start, 2)
        if status == 0 or not self.fit(test, room):
            return None
        if status is None:
            return test + " (timeout)"
        return test if self.run(test, room, found) != 0 else None


class EndToEnd(Suite):
    """The glue: files of tests/e2e with the module linked anew."""

    def __init__(self, tree, times):
        super().__init__(tree, times)
        self.objects = tree.module_objects()
        self.unfit = set()

    def tests_of(self, file):
        return CONCERNS[os.path.basename(file)[:-2]].split()

    def linked(self, room, file=None, found=None):
        target = os.path.join(room, "mutant.so" if found else "original.so")
        objects = [found if name == file else path
                   for name, path in self.objects.items()]
        if not self.tree.link_module(objects, target):
            raise RuntimeError("the module does not link")
        return target

    def path(self, test):
        return "test_%s.py" % test

    def pytest(self, room, module, args, seconds):
        where = tempfile.mkdtemp(dir=room)
        os.chmod(where, 0o755)
        env = dict(os.environ, BEARER_MODULE=module, TMPDIR=where,
                   HTBEARER=os.path.join(self.tree.build, "htbearer"),
                   BEARER_BUILDDIR=self.tree.build, BEARER_MPMS="event",
                   PYTHONDONTWRITEBYTECODE="1")
        status, output = build.run(
            ["/usr/bin/pytest", "-q", "-x", "-p", "no:cacheprovider",
             "--tb=no", "-rfE", *args], seconds, env=env,
            cwd=os.path.join(self.tree.top, "tests/e2e"))
        build.ended(where)
        shutil.rmtree(where, ignore_errors=True)
        return status, output

    def fails(self, test, room, file, found):
        module = self.linked(room, file, found)
        left_out = set(self.unfit)
        while True:
            limit = max(300, 6 * self.times.get(test, 0))
            args = ["--deselect=" + node for node in sorted(left_out)]
            start = time.monotonic()
            status, output = self.pytest(room, module,
                                         [self.path(test)] + args, limit)
            if status in (0, 5):
                self.times[test] = round(time.monotonic() - start, 1)
                return None
            node = re.search(r"^(?:FAILED|ERROR) (\S+\.py::.+?)(?: - .*)?$",
                             output, re.M)
            if status is None or not node:
                return test + (" (timeout)" if status is None else "")
            node = node.group(1)
            if node in left_out:
                return test
            fit = self.fit(node, room)
            if not fit:
                self.unfit.add(node)
            if fit and \
                    self.pytest(room, module, [node], limit)[0] not in (0, 5):
                return node
            left_out.add(node)

    def passes_unchanged(self, test, room):
        return self.pytest(room, self.linked(room), [test], 300)[0] == 0
