# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Seconds that do not depend on how busy the machine is."""
import glob
import os
import threading
import time


def _waits(pid):
    """{task: seconds that it was ready to run and had no processor}."""
    out = {}
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        try:
            with open(path) as f:
                out[path] = int(f.read().split()[1]) / 1e9
        except (OSError, IndexError):
            pass                # it has just ended, or this kernel does not say
    return out


class Stopwatch:
    """Seconds since it was made, less those for which this process or the
    server's were ready to run and others had the processors. On an idle machine
    this is the time that passed."""

    def __init__(self, *servers):
        self._servers = servers
        self._before = self._now()
        self._start = time.monotonic()

    def _now(self):
        pids = [os.getpid()]
        for server in self._servers:
            if server.process:
                pids += [server.process.pid, *server.children()]
        out = {}
        for pid in pids:
            out.update(_waits(pid))
        return out

    @property
    def waited(self):
        return sum(seconds - self._before.get(task, 0)
                   for task, seconds in self._now().items())

    @property
    def seconds(self):
        return time.monotonic() - self._start - self.waited


class Record(Stopwatch):
    """The same for many requests at once: with Record(server) as record: ...
    and then, in it, record.seconds_of(when it began, when it ended)."""
    EVERY = 0.1

    def __enter__(self):
        self._samples = [(time.monotonic(), 0)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join()

    def _sample(self):
        waited = max(self.waited, self._samples[-1][1])
        self._samples.append((time.monotonic(), waited))

    def _run(self):
        while not self._stop.wait(self.EVERY):
            self._sample()
        self._sample()

    def seconds_of(self, began, ended):
        before = [w for when, w in self._samples if when <= began]
        after = [w for when, w in self._samples if when >= ended]
        waited = (after or [self._samples[-1][1]])[0] - (before or [0])[-1]
        return ended - began - waited
