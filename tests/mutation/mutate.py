#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: mutate.py [options] lib|glue

Changes one place of the code at a time and looks whether a test notices. Of the
library the unit tests have to, of the glue (src/httpd) the
end-to-end tests. By hand: takes long. What was found is kept in the build
directory, and a run that was stopped goes on where it was.

  --build DIR        a tree in which make check was run (default: build/gcc)
  --sample N         how many mutants (default: 300 of lib, 100 of glue)
  --seed TEXT        which ones (default: 1)
  --jobs N           how many at a time (default: 2)
  --files NAME,...   only these, as in jws.c
  --retry            those that survived, and again with what is new since
  --report           runs nothing
  --survivors FILE   lists there what survived
"""
import argparse
import collections
import glob
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

import build
import mutants
import suites

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
GLUE = "src/httpd"
SUITES = {"lib": (300, suites.Units), "glue": (100, suites.EndToEnd)}


def equivalents():
    """{id: reason} of equivalent.txt: an id begins a line, its reasons are
    indented below."""
    out, current = {}, None
    with open(os.path.join(HERE, "equivalent.txt"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            if not line[0].isspace():
                current = line.split()[0]
                out[current] = ""
            else:
                out[current] += line.strip() + " "
    return out


def replace(path, text):
    """Readers see the old text or the new one."""
    temporary = "%s.%d" % (path, threading.get_ident())
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


class Results:
    """A line for each mutant that was tried; the last one counts."""

    def __init__(self, path):
        self.path, self.last = path, {}
        self.lock = threading.Lock()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    record = json.loads(line)
                    self.last[record["id"]] = record

    def state(self, mutant):
        return self.last.get(mutant.id, {}).get("state")

    def add(self, mutant, state, **more):
        old, new = mutant.shown
        record = dict(id=mutant.id, file=mutant.file, line=mutant.line,
                      kind=mutant.kind, old=old, new=new, state=state, **more)
        with self.lock:
            self.last[mutant.id] = record
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


class Driver:
    def __init__(self, options):
        self.options = options
        size, self.suite_type = SUITES[options.floor]
        self.size = options.sample or size
        self.place = os.path.join(options.build, "mutation")
        os.makedirs(self.place, exist_ok=True)
        self.results = Results(os.path.join(
            self.place, options.floor + ".jsonl"))

    def read(self, top):
        """The sources, and the mutants of each in the order of the sample."""
        self.sources, self.all = {}, {}
        for path in sorted(glob.glob(os.path.join(top, "src/*/*.c"))):
            file = os.path.relpath(path, top)
            if (os.path.dirname(file) == GLUE) != (self.options.floor == "glue"):
                continue
            with open(os.path.join(top, file), encoding="utf-8") as text:
                self.sources[file] = text.read()
            self.all[file] = mutants.shuffled(
                mutants.many_of(file, self.sources[file]), self.options.seed)
        self.here = {m.id: m for found in self.all.values() for m in found}

    def wanted(self):
        """{file: how many}"""
        sizes = {f: len(found) for f, found in self.all.items() if found}
        out = mutants.shares(sizes, self.size)
        if self.options.files:
            names = self.options.files.split(",")
            out = {f: n for f, n in out.items() if os.path.basename(f) in names}
        return out

    # --- running ---

    def run(self):
        self.commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=TOP, text=True,
            stdout=subprocess.PIPE, check=False).stdout.strip()
        times_file = os.path.join(self.place, "%s.times" % self.options.floor)
        times = {}
        if os.path.exists(times_file):
            with open(times_file, encoding="utf-8") as file:
                times = json.load(file)
        tree = build.Tree(TOP, self.options.build)
        self.read(tree.at)
        try:
            self.suite = self.suite_type(tree, times)
            self.work(self.tasks())
        finally:
            tree.close()
            replace(times_file, json.dumps(times, indent=0, sort_keys=True))

    def tasks(self):
        tasks = queue.Queue()
        for file, many in sorted(self.wanted().items(),
                                 key=lambda item: -item[1]):
            tasks.put((file, many))
        return tasks

    def work(self, tasks):
        threads = [threading.Thread(target=self.worker, args=(tasks,))
                   for _ in range(self.options.jobs)]
        self.failed = None
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException as error:
            self.failed = error
            raise
        if self.failed:
            raise self.failed

    def worker(self, tasks):
        room = self.suite.room()
        try:
            while not self.failed:
                file, many = tasks.get_nowait()
                if self.options.retry:
                    self.retry(room, file)
                else:
                    self.sample(room, file, many)
        except queue.Empty:
            pass
        except BaseException as error:
            self.failed = error
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def sample(self, room, file, many):
        for mutant in self.all[file]:
            if many == 0 or self.failed:
                return
            state = self.results.state(mutant)
            if state is None:
                state = self.tried(room, mutant)
            if state in ("killed", "survived"):
                many -= 1

    def retry(self, room, file):
        known = equivalents()
        for mutant in self.all[file]:
            if not self.failed and mutant.id not in known and \
                    self.results.state(mutant) == "survived":
                self.tried(room, mutant)

    def tried(self, room, mutant):
        start = time.monotonic()
        source = self.sources[mutant.file]
        before = self.suite.original(room, mutant.file, source)
        found, data = self.suite.object_of(room, mutant.file,
                                           mutant.apply(source))
        by, tests = None, []
        if not found:
            state = "broken"
        elif data == before:
            state = "trivial"
        else:
            by, tests = self.suite.judge(room, mutant.file, found)
            state = "killed" if by else "survived"
        self.results.add(mutant, state, by=by, tests=tests, commit=self.commit,
                         seconds=round(time.monotonic() - start, 1))
        if state == "survived":
            self.list_survivors()
        return state

    # --- telling ---

    def counted(self):
        """The last results of the mutants that the sources still have."""
        out = []
        for record in list(self.results.last.values()):
            if record["id"] in self.here:
                out.append(dict(record, line=self.here[record["id"]].line))
        return sorted(out, key=lambda r: (r["file"], r["line"]))

    def list_survivors(self):
        if not self.options.survivors:
            return
        known = equivalents()
        left = [r for r in self.counted()
                if r["state"] == "survived" and r["id"] not in known]
        text = "".join(
            "%s:%d %s %s\n    is:  %s\n    new: %s\n    run: %s\n" % (
                r["file"], r["line"], r["kind"], r["id"], r["old"], r["new"],
                " ".join(r["tests"])) for r in left)
        replace(self.options.survivors, text)

    def report(self):
        known = equivalents()
        sums = collections.Counter()
        for record in self.counted():
            state = record["state"]
            if state == "survived" and record["id"] in known:
                state = "equivalent"
            sums[state] += 1
        tried = sums["killed"] + sums["survived"] + sums["equivalent"]
        real = tried - sums["equivalent"]
        print("%s: %d mutants, %d killed, %d survived, %d equivalent (%.1f %%);"
              " killed of those not equivalent: %.1f %%" % (
                  self.options.floor, tried, sums["killed"], sums["survived"],
                  sums["equivalent"], 100 * sums["equivalent"] / max(tried, 1),
                  100 * sums["killed"] / max(real, 1)))
        print("beside them: %d with the object code of the original, %d that do"
              " not compile" % (sums["trivial"], sums["broken"]))
        self.list_survivors()


def main():
    parser = argparse.ArgumentParser(usage=__doc__[len("usage: "):])
    parser.add_argument("floor", choices=sorted(SUITES))
    parser.add_argument("--build", default=os.path.join(TOP, "build/gcc"))
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--files")
    parser.add_argument("--retry", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--survivors")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    driver = Driver(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.report:
            driver.read(TOP)
        else:
            driver.run()
    except subprocess.CalledProcessError as error:
        print("mutation: %s\nIs %s built from these sources?" % (
            error, options.build), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    driver.report()
    return 0


if __name__ == "__main__":
    sys.exit(main())
