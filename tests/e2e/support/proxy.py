# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A forward proxy on loopback: absolute http URLs and CONNECT. Whatever host is
asked for, it goes to the one address that the test says.
"""
import select
import socket
import socketserver
import threading


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        proxy = self.server.proxy
        line = self.rfile.readline().decode("latin-1").split()
        head = []
        while True:
            header = self.rfile.readline()
            if header in (b"\r\n", b"\n", b""):
                break
            head.append(header)
        if len(line) != 3:
            return
        length = [int(h.split(b":")[1]) for h in head
                  if h.lower().startswith(b"content-length:")]
        body = self.rfile.read(length[0]) if length else b""
        proxy.requests.append((line[0], line[1],
                               b"".join(head).decode("latin-1")))
        if proxy.refuse:
            self.wfile.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"
                             % proxy.refuse)
            return
        with socket.create_connection(proxy.target, 10) as upstream:
            if line[0] == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = "/" + line[1].split("/", 3)[3]
                upstream.sendall(
                    ("%s %s HTTP/1.0\r\n" % (line[0], path)).encode()
                    + b"".join(head) + b"\r\n" + body)
            self.wfile.flush()
            self._relay(upstream)

    def _relay(self, upstream):
        ends = {self.connection: upstream, upstream: self.connection}
        while True:
            for ready in select.select(list(ends), [], [], 30)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                ends[ready].sendall(data)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass


class Proxy:
    """requests: (method, target, headers as text). refuse: a status."""

    def __init__(self, port):
        self.target, self.requests, self.refuse = ("127.0.0.1", port), [], None
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.proxy = self
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
