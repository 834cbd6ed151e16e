#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The constants of tests/unit/test_known_answers.c, made without the library: what is
sealed, derived and digested, by hashlib, hmac, zlib and python3-cryptography. By hand:
tests/vectors/known_answers.py prints them."""
import base64
import hashlib
import hmac
import json
import struct
import zlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET = b'one'.ljust(64, b'\0')
SERVER = b'https://app.example'
ISSUER = b'https://idp.example/'
NOW = 1767225600 * 1000000


def hkdf(secret, info, length):
    key = hmac.digest(bytes(32), secret, 'sha256')
    out, block, n = b'', b'', 0
    while len(out) < length:
        n += 1
        block = hmac.digest(key, block + info + bytes([n]), 'sha256')
        out += block
    return out[:length]


def seal(purpose, context, value, nonce):
    made = hkdf(SECRET, b'mod_auth_bearer seal ' + purpose, 36)
    head = b'\1' + made[32:]
    return head + nonce + AESGCM(made[:32]).encrypt(nonce, value, head + context)


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def texts(*parts):
    return b''.join(b'%d:%s' % (len(part), part) for part in parts)


def record_name(what, name, revision=b''):
    return sha256(b'session ' + what + b'\0' + name + revision + SERVER)


def session(name, revision, claims):
    marks = b''
    for by in (b'sid', b'sub'):
        marks += hashlib.sha256(texts(b'logout', by, ISSUER, b'app',
                                      claims[by.decode()].encode())).digest()
    body = json.dumps({'client': 'app', 'claims': claims}).encode()
    return (b'\1' + name + revision
            + struct.pack('>5Q', NOW, NOW + 28800 * 1000000, NOW, 0, 0) + marks
            + struct.pack('>H', len(ISSUER)) + ISSUER
            + struct.pack('>I', len(body)) + zlib.compress(body))


def siphash(key, data):
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack('<2Q', key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
         k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def left(x, n):
        return (x << n | x >> (64 - n)) & mask

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = left(v[1], 13) ^ v[0]
            v[0] = left(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = left(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = left(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = left(v[1], 17) ^ v[2]
            v[2] = left(v[2], 32)

    data += bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack('<Q', data):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def base61(data):
    """Letters and 1 to 9: each 8 bytes are 11 characters."""
    letters = '123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    text = ''
    for i in range(0, len(data), 8):
        group, part = data[i:i + 8], ''
        number = int.from_bytes(group, 'big')
        for _ in range((0, 2, 3, 5, 6, 7, 9, 10, 11)[len(group)]):
            number, digit = divmod(number, 61)
            part = letters[digit] + part
        text += part
    return text


def main():
    numbers = bytes(range(64))
    for purpose in (b'session', b'keys'):
        print('seal', purpose.decode(),
              seal(purpose, b'context', b'value', numbers[:12]).hex())
    verifier = b64url(numbers[:32]).encode()
    attempt = b'{"v":"%s","i":"%s","t":"/x?y=1","c":%d}' % (verifier, ISSUER, NOW)
    print('attempt', base61(seal(b'session', b'login attempt ' + SERVER, attempt,
                                 numbers[32:44])))
    for what, encode in (b'state', base61), (b'nonce', b64url):
        print(what.decode(), encode(hashlib.sha256(
            b'login ' + what + b' ' + verifier).digest()))
    # as version 0.1.0 wrote it
    attempt = (b'{"s":"%s","n":"%s","v":"%s","i":"%s","t":"/x?y=1","c":%d,"m":-1}'
               % (verifier, b64url(numbers[32:64]).encode(),
                  b64url(bytes(range(64, 96))).encode(), ISSUER, NOW))
    print('attempt', b64url(seal(b'session', b'login attempt ' + SERVER, attempt,
                                 bytes(range(96, 108)))))
    claims = {'sub': 'ann', 'sid': 's1'}
    for encode in base61, b64url:
        print('cookie', encode(seal(b'session', b'session cookie ' + SERVER,
                                    session(numbers[:32], numbers[32:48], claims),
                                    numbers[:12])))
    print('id', base61(numbers[:32]))
    for what in (b'record', b'lease', b'dead'):
        print(what.decode(), record_name(what, numbers[:32]))
    print('successor', record_name(b'successor', numbers[:32], numbers[32:48]))
    print('once', sha256(texts(b'once', b'jti', ISSUER, b'id-1')))
    print('sid', sha256(texts(b'logout', b'sid', ISSUER, b'app', b's1')))
    print('sub', sha256(texts(b'logout', b'sub', ISSUER, b'app', b'ann')))
    print('subject', sha256(texts(b'subject', ISSUER, b'ann'))[:32])
    # the vectors of the paper: key 00..0f, 15 bytes 00..0e
    assert siphash(numbers[:16], numbers[:15]) == 0xa129ca6149be45e5
    address = bytes(10) + b'\xff\xff' + bytes([192, 0, 2, 1])
    print('address', hex(siphash(numbers[:16], address) & 0xffffffff | 1))


if __name__ == '__main__':
    main()
