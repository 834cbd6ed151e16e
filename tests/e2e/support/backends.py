# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A real redis and a real memcached of the tests' own, on loopback."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from .httpd import free_port, wait_until


class Backend:
    """One server; stop() and start() keep its port, not its content."""

    MODULE = ""           # mod_socache_*
    PROGRAM = ""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="bearer-cache-")
        os.chmod(self.dir, 0o777)
        self.port = free_port()
        self.process = None
        self.start()

    def command(self):
        raise NotImplementedError

    @property
    def args(self):
        """What stands behind the colon of AuthBearerSOCache."""
        return "127.0.0.1:%d" % self.port

    @property
    def conf(self):
        return 'AuthBearerSOCache "%s:%s"\n' % (self.MODULE.partition("_")[2],
                                               self.args)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def start(self):
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=self.dir, start_new_session=True)
        wait_until(self.answers, 10, self.PROGRAM + " answers")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Redis(Backend):
    MODULE = "socache_redis"
    PROGRAM = "redis-server"

    @property
    def socket(self):
        return os.path.join(self.dir, "redis.sock")

    def command(self):
        return [self.PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port),
                "--unixsocket", self.socket, "--unixsocketperm", "777",
                "--save", "", "--appendonly", "no", "--dir", self.dir]

    def client(self, **kw):
        import redis
        return redis.Redis(host="127.0.0.1", port=self.port, **kw)


class OwnRedis(Redis):
    """A redis for the module's own client, which keeps its content over stop() and
    start(). options: arguments of redis-server; words: what stands behind the
    URL in AuthBearerSOCache."""

    MODULE = "socache_shmcb"      # none that speaks with redis

    def __init__(self, options=(), url="redis://127.0.0.1:{port}", words=()):
        self.options, self.url, self.words = list(options), url, list(words)
        super().__init__()

    def command(self):
        command = super().command()
        command[command.index("--appendonly") + 1] = "yes"
        return command + ["--appendfsync", "always"] + [
            option.format(dir=self.dir) for option in self.options]

    @property
    def conf(self):
        return 'AuthBearerSOCache "%s" %s\n' % (
            self.url.format(port=self.port, socket=self.socket),
            " ".join(self.words))

    def answers(self):
        """It listens, and has loaded what it kept."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(b"PING\r\n")
                return not s.recv(100).startswith(b"-LOADING")
        except OSError:
            return False

    def pause(self):
        """It is there, takes connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process:
            self.resume()
        super().close()


class FakeRedis:
    """Takes connections and has talk(connection) deal with each in a thread."""

    def __init__(self, talk, words=("timeout=1s",)):
        self.talk, self.words = talk, words
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    MODULE = "socache_shmcb"

    @property
    def conf(self):
        return 'AuthBearerSOCache redis://127.0.0.1:%d %s\n' % (
            self.port, " ".join(self.words))

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                self.talk(connection)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Memcached(Backend):
    MODULE = "socache_memcache"
    PROGRAM = "memcached"

    def command(self):
        return [self.PROGRAM, "-l", "127.0.0.1", "-p", str(self.port), "-U",
                "0", "-m", "16", "-u", "nobody"]


class MemcachedClient:
    """As much of the text protocol as a test needs."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.file = self.sock.makefile("rwb")

    def _lines(self, command, end):
        self.file.write(command)
        self.file.flush()
        lines = [self.file.readline().strip()]
        while not lines[-1].startswith(end):
            lines.append(self.file.readline().strip())
        return lines

    def keys(self):
        lines = self._lines(b"lru_crawler metadump all\r\n", b"END")
        return [line.split(b" ")[0].partition(b"=")[2] for line in lines[:-1]]

    def get(self, key):
        self.file.write(b"get " + key + b"\r\n")
        self.file.flush()
        head = self.file.readline().split()
        if head[0] != b"VALUE":
            return None
        data = self.file.read(int(head[3]) + 2)[:-2]
        self.file.readline()
        return data

    def set(self, key, value):
        self._lines(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value),
                    b"STORED")

    def close(self):
        self.sock.close()
