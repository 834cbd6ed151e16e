# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A virtual host on TLS that asks clients for a certificate, and such clients."""
import socket
import ssl

from . import certs, client, secrets, wire2
from .httpd import SLOW, free_port

#: What a server needs besides.
MODULES = ("ssl",)
#: mod_ssl at start, where OpenSSL was updated after it was built.
WARNINGS = ("AH01882",)


class ClientCert:
    """conf and files are for the server; request() is for its TLS port.
    inside: directives of the virtual host."""

    def __init__(self, inside=""):
        self.port = free_port()
        self.conf = """
Listen 127.0.0.1:%d
SSLSessionCache "shmcb:@ROOT@/run/tls(65536)"
SSLCACertificateFile "@ROOT@/ca.pem"
<VirtualHost 127.0.0.1:%d>
    ServerName server.test
    SSLEngine On
    SSLCertificateFile "@ROOT@/server.pem"
    SSLVerifyClient optional_no_ca
    %s
</VirtualHost>
""" % (self.port, self.port, inside)
        self.files = {"ca.pem": certs.authority_pem(),
                      "server.pem": (certs.server("good"), 0o600)}

    def _context(self, server, cert):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if cert:
            context.load_cert_chain(server.write("client.pem", cert, 0o600))
        return context

    def request(self, server, method, path, token=None, cert=None, h2=False,
                headers=()):
        """cert: PEM of key and certificate, or None."""
        headers = list(headers.items() if isinstance(headers, dict)
                       else headers)
        if token:
            secrets.register(token)
            headers.append(("Authorization", "Bearer " + token))
        context = self._context(server, cert)
        server.new_lines()
        if h2:
            answer = wire2.exchange(self.port, method, path, headers,
                                    timeout=30 * SLOW, tls=context)
        else:
            answer = self._exchange(context, client.build(method, path, headers))
        return client.Response(answer, server.new_lines())

    def get(self, server, path, *args, **kw):
        return self.request(server, "GET", path, *args, **kw)

    def _exchange(self, context, raw):
        with socket.create_connection(("127.0.0.1", self.port), 30 * SLOW) as sock, \
                context.wrap_socket(sock, server_hostname="server.test") as tls:
            tls.sendall(raw)
            parts = []
            while True:
                part = tls.recv(65536)
                if not part:
                    return b"".join(parts)
                parts.append(part)
