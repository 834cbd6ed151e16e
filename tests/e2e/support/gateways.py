# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Applications behind mod_proxy_fcgi and mod_proxy_scgi that print the environment
they were given, NAME=value lines."""
import socketserver
import struct
import threading


def _page(env):
    lines = b"".join(b"%s=%s\n" % pair for pair in env)
    return b"Content-Type: text/plain\r\n\r\n" + lines


class Fcgi(socketserver.StreamRequestHandler):
    """FastCGI 1.0, a responder, one request for each connection."""

    BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6

    def record(self):
        head = self.rfile.read(8)
        if len(head) < 8:
            return None, b""
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", head)
        data = self.rfile.read(length)
        self.rfile.read(padding)
        return kind, data

    def send(self, kind, data):
        self.wfile.write(struct.pack(">BBHHBB", 1, kind, 1, len(data), 0, 0)
                         + data)

    @staticmethod
    def pairs(data):
        at, out = 0, []
        while at < len(data):
            sizes = []
            for _ in "nv":
                size = data[at]
                at += 1
                if size & 0x80:
                    size = struct.unpack(">I", data[at - 1:at + 3])[0]
                    size, at = size & 0x7fffffff, at + 3
                sizes.append(size)
            name = data[at:at + sizes[0]]
            at += sizes[0]
            out.append((name, data[at:at + sizes[1]]))
            at += sizes[1]
        return out

    def handle(self):
        params = b""
        while True:
            kind, data = self.record()
            if kind is None:
                return
            if kind == self.PARAMS:
                params += data
            if kind == self.STDIN and not data:
                break
        page = _page(self.pairs(params))
        for at in range(0, len(page), 60000):
            self.send(self.STDOUT, page[at:at + 60000])
        self.send(self.STDOUT, b"")
        self.send(self.END, b"\0" * 8)


class Scgi(socketserver.StreamRequestHandler):
    """SCGI: the environment is one netstring."""

    def handle(self):
        size = b""
        while not size.endswith(b":"):
            char = self.rfile.read(1)
            if not char:
                return
            size += char
        parts = self.rfile.read(int(size[:-1])).split(b"\0")[:-1]
        self.wfile.write(b"Status: 200 OK\r\n"
                         + _page(zip(parts[::2], parts[1::2])))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Gateway:
    """Gateway(Fcgi) listens; url is for ProxyPass."""

    def __init__(self, handler):
        self.server = _Server(("127.0.0.1", 0), handler)
        self.url = "%s://127.0.0.1:%d" % (handler.__name__.lower(),
                                          self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
