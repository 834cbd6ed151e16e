# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Load of a bounded rate on connections that are kept, with what came of every
single request; and a burst of many requests at once.
"""
import collections
import resource
import selectors
import socket
import threading
import time

from . import client
from .httpd import SLOW, wait_until

Result = collections.namedtuple("Result", "when status seconds")


class Connection:
    """One connection that is used again as long as the server keeps it."""

    def __init__(self, port):
        self.port, self.sock, self.used = port, None, False

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock, self.used = None, False

    def _open(self):
        self.sock = socket.create_connection(("127.0.0.1", self.port), 30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _exchange(self, raw):
        self.sock.sendall(raw)
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.sock.recv(65536)
            if not part:
                return data
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines
                       if line.startswith(b"content-length:")), None)
        while length is None or len(body) < length:
            part = self.sock.recv(65536)
            if not part:
                break
            body += part
        if length is None or b"connection: close" in lines:
            self.close()
        self.used = True
        return data

    def request(self, raw):
        """The status. A kept connection that the server has just given up is no
        failure: HTTP has the client try again."""
        for _ in range(2):
            kept = self.used
            try:
                if not self.sock:
                    self._open()
                data = self._exchange(raw)
                if data:
                    return int(data.split(b" ", 2)[1])
                error = "no answer"
            except OSError as e:
                error = repr(e)
            self.close()
            if not kept:
                break
        return error


class Threads:
    """with it: _run(*args) in a thread for each of these arguments, until it is
    left. _run() ends when self._stop is set and fills self.results."""

    def __init__(self, arguments):
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=args, daemon=True)
                         for args in arguments]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def more(self, n=50, seconds=30):
        """Waits until n more requests have been answered."""
        wanted = len(self.results) + n
        wait_until(lambda: len(self.results) >= wanted, seconds,
                   "%d more requests" % n)


class Load(Threads):
    """with Load(port, token) as load: requests go on all the while.

    token: a str, or a function that gives one for each request."""

    def __init__(self, port, token, path="/a", threads=4, rate=200):
        self.port, self.path = port, path
        self.token = token if callable(token) else lambda: token
        self.pause = threads / rate if rate else 0
        self.results = []
        self.began = 0  #: when every connection had had an answer
        self._answered = threading.Barrier(threads + 1)
        super().__init__([()] * threads)

    def raw(self):
        """The next request."""
        return (b"GET %s HTTP/1.1\r\nHost: server.test\r\n"
                b"Authorization: Bearer %s\r\n\r\n"
                % (self.path.encode(), self.token().encode()))

    def _run(self):
        connection = Connection(self.port)
        due, first = time.monotonic(), True
        while not self._stop.is_set():
            raw = self.raw()
            start = time.monotonic()
            status = connection.request(raw)
            end = time.monotonic()
            self.results.append(Result(start, status, end - start))
            if first:
                first = False
                self._answered.wait(60)
            if self.pause:
                due = max(due + self.pause, end - 1)
                self._stop.wait(max(0, due - end))
        connection.close()

    def __enter__(self):
        super().__enter__()
        self._answered.wait(60)
        self.began = time.monotonic()
        return self

    def keep_on_for(self, seconds):
        """So many seconds of load; where time itself is what is tested."""
        self._stop.wait(seconds * SLOW)

    def statuses(self, since=0):
        """How often each status (or error) was seen."""
        return collections.Counter(r.status for r in list(self.results)
                                   if r.when >= since)

    def percentile(self, part, since=0, until=float("inf")):
        """Seconds within which `part` (0.99) of the requests were answered."""
        times = sorted(r.seconds for r in list(self.results)
                       if since <= r.when < until)
        return times[min(len(times) - 1, int(len(times) * part))]

    def expect_only(self, status=200):
        seen = self.statuses()
        assert set(seen) == {status}, seen


def allow_files(n):
    """So many files may be open in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n if hard == resource.RLIM_INFINITY else min(n, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def crowd(server):
    """How many requests arrive together: of prefork's few processes each takes
    one connection at a time, and the others must fit into the queue."""
    return 400 if server.mpm == "prefork" else 1000


def burst(targets, seconds=60):
    """Sends all requests at once, each on a connection of its own that was
    opened before. targets: (port, token, path). Returns the statuses."""
    allow_files(len(targets) + 200)
    chooser = selectors.DefaultSelector()
    answers = {}
    socks = []
    try:
        for port, token, path in targets:
            sock = socket.create_connection(("127.0.0.1", port), 30)
            socks.append((sock, client.build(
                "GET", path, {"Authorization": "Bearer " + token})))
        for sock, raw in socks:
            sock.sendall(raw)
            answers[sock] = b""
            chooser.register(sock, selectors.EVENT_READ)
        end = time.monotonic() + seconds * SLOW
        while chooser.get_map() and time.monotonic() < end:
            for ready, _ in chooser.select(1):
                try:
                    part = ready.fileobj.recv(65536)
                except OSError:
                    part = b""
                answers[ready.fileobj] += part
                if not part:
                    chooser.unregister(ready.fileobj)
                    ready.fileobj.close()  # or a worker lingers for 2 s
    finally:
        chooser.close()
        for sock, _ in socks:
            sock.close()
    return collections.Counter(
        int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else
        "no answer" for data in answers.values())
