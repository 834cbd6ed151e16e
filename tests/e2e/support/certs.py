# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A throw-away CA and server certificates, good and bad, for issuers on TLS."""
import datetime
import functools
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem_key(private):
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


@functools.lru_cache(maxsize=None)
def authority():
    """(certificate, private key) of the test CA."""
    private = ec.generate_private_key(ec.SECP256R1())
    return _certificate("test CA", private, None, None, ca=True), private


def authority_pem():
    return authority()[0].public_bytes(serialization.Encoding.PEM)


def _certificate(name, private, issuer, signer, ca=False, hosts=(), days=2):
    now = datetime.datetime.now(datetime.timezone.utc)
    start = now - datetime.timedelta(days=30)
    builder = (x509.CertificateBuilder()
               .subject_name(_name(name))
               .issuer_name(issuer.subject if issuer else _name(name))
               .public_key(private.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(start)
               .not_valid_after(now + datetime.timedelta(days=days))
               .add_extension(x509.BasicConstraints(ca=ca, path_length=None),
                              critical=True))
    if hosts:
        names = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        builder = builder.add_extension(x509.SubjectAlternativeName(names),
                                        critical=False)
    return builder.sign(signer or private, hashes.SHA256())


def server(kind, *names):
    """PEM of key and chain: 'good' (also for names), 'wrong-host', 'expired',
    'self-signed'."""
    private = ec.generate_private_key(ec.SECP256R1())
    ca, signer = authority()
    hosts = ["other.test"] if kind == "wrong-host" else [
        "127.0.0.1", "localhost", "server.test", *names]
    if kind == "self-signed":
        cert = _certificate("127.0.0.1", private, None, None, hosts=hosts)
    else:
        cert = _certificate("127.0.0.1", private, ca, signer, hosts=hosts,
                            days=-1 if kind == "expired" else 2)
    return _pem_key(private) + cert.public_bytes(serialization.Encoding.PEM)


def client(name, trusted=True):
    """PEM of key and certificate of a client: of the test CA, or self-signed."""
    private = ec.generate_private_key(ec.SECP256R1())
    cert = _certificate(name, private, *(authority() if trusted else (None, None)))
    return _pem_key(private) + cert.public_bytes(serialization.Encoding.PEM)


def signing_certificate(key):
    """A self-signed certificate around a signing key, for PEM key files."""
    return _certificate("signer", key.private, None, None).public_bytes(
        serialization.Encoding.PEM)
