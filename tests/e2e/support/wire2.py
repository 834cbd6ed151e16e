# Licensed under the Apache License, Version 2.0; see LICENSE.
"""One request over HTTP/2 (python3-h2), its answer in the form of HTTP/1.1.

The connection begins as HTTP/2 at once ("prior knowledge"), so the server needs
`Protocols h2c http/1.1` and mod_http2, which is not for prefork.
"""
import socket

import h2.config
import h2.connection
import h2.errors
import h2.events

from . import secrets

#: What a server needs.
CONF = "Protocols h2 h2c http/1.1\n"
MODULES = ("http2",)
#: Fields that belong to a connection: HTTP/2 has none.
_OF_CONNECTION = ("connection", "host", "transfer-encoding", "keep-alive",
                  "proxy-connection", "upgrade", "http2-settings")


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def fields(method, path, headers, host, scheme="http"):
    """The header block. A Host among the headers becomes :authority."""
    out = []
    for name, value in headers:
        name, value = _text(name).lower(), _text(value)
        if name == "host":
            host = value
        if name == "authorization":
            secrets.register(value.partition(" ")[2].strip())
        if name not in _OF_CONNECTION:
            out.append((name, value))
    return [(":method", method), (":scheme", scheme), (":authority", host),
            (":path", path)] + out


class _Stream:
    """Collects what comes back on the one stream of a connection."""

    def __init__(self, connection):
        self.connection = connection
        self.status, self.headers, self.body = None, [], b""
        self.ended = False

    def take(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            for name, value in event.headers:
                name, value = _text(name), _text(value)
                if name == ":status":
                    self.status = value
                else:
                    self.headers.append((name, value))
        elif isinstance(event, h2.events.DataReceived):
            self.body += event.data
            self.connection.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            code = getattr(event.error_code, "name", event.error_code)
            raise ConnectionError("stream reset: %s" % code)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            # a server that ends still answers the streams that it names
            self.ended = event.error_code != h2.errors.ErrorCodes.NO_ERROR \
                or event.last_stream_id == 0

    def bytes(self):
        lines = ["HTTP/1.1 %s" % self.status]
        lines += ["%s: %s" % pair for pair in self.headers]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def _send(connection, body, trailers):
    """Sends as much as the server takes just now; what is left of the body."""
    while body:
        size = min(len(body), connection.local_flow_control_window(1),
                   connection.max_outbound_frame_size)
        if not size:
            return body
        connection.send_data(1, body[:size],
                             end_stream=size == len(body) and not trailers)
        body = body[size:]
    if trailers:
        connection.send_headers(1, trailers, end_stream=True)
    return b""


def _flush(sock, connection):
    """What the protocol has to say. A server may have answered and closed: that
    it hears no more, as of window updates, is no failure."""
    try:
        sock.sendall(connection.data_to_send())
    except (BrokenPipeError, ConnectionResetError):
        pass


def exchange(port, method, path, headers=(), body=b"", timeout=30,
             host="server.test", address="127.0.0.1", tls=None, trailers=()):
    """
    @param tls       an ssl.SSLContext, or None
    @param trailers  fields to send behind the body
    """
    connection = h2.connection.H2Connection(h2.config.H2Configuration(
        header_encoding=None, validate_outbound_headers=False,
        normalize_outbound_headers=False, validate_inbound_headers=False))
    with socket.create_connection((address, port), timeout=timeout) as sock:
        if tls:
            tls.set_alpn_protocols(["h2"])
            sock = tls.wrap_socket(sock, server_hostname=host)
        connection.initiate_connection()
        stream = _Stream(connection)
        connection.send_headers(1, fields(
            method, path, headers, host, "https" if tls else "http"),
            end_stream=not body and not trailers)
        trailers = [(_text(n), _text(v)) for n, v in trailers]
        body = _send(connection, body, trailers)
        _flush(sock, connection)
        while not stream.ended:
            data = sock.recv(65536)
            if not data:
                break
            for event in connection.receive_data(data):
                stream.take(event)
            if body and not stream.ended:
                body = _send(connection, body, trailers)
            _flush(sock, connection)
    if stream.status is None:
        raise ConnectionError("no answer over HTTP/2")
    return stream.bytes()
