# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Everything that must never be seen in a log.

Tokens, cookies and client secrets are registered as they are made and again as
they are sent. A log is searched not only for whole secrets but for any piece of
GRAM characters, so that a cut token is found too.
"""
import re
import threading

GRAM = 16
_WORD = re.compile(r"[A-Za-z0-9_+/=.~-]{%d,}" % GRAM)
#: What Google Cloud Run puts in place of a signature: the log names it.
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"
_lock = threading.Lock()
_all = set()
_recent = set()
#: To see quickly that a log has no piece of a secret: the secrets with a part below
#: GRAM characters, and a bit for the hash of each piece of the others.
_short = set()
_marks = bytearray(1 << 22)
_BITS = 8 * len(_marks) - 1


def register(*secrets):
    """Remembers secrets; short ones (below 8 characters) are no secrets."""
    with _lock:
        for secret in secrets:
            if isinstance(secret, bytes):
                secret = secret.decode("latin-1")
            if len(secret) >= 8:
                _recent.add(secret)
                if secret not in _all:
                    _all.add(secret)
                    _mark(secret)


def _mark(secret):
    for piece in _pieces(secret):
        if len(piece) < GRAM:
            _short.add(secret)
        elif len(set(piece)) > 4:
            for gram in _grams(piece):
                bit = hash(gram) & _BITS
                _marks[bit >> 3] |= 1 << (bit & 7)


def _marked(gram):
    bit = hash(gram) & _BITS
    return _marks[bit >> 3] >> (bit & 7) & 1


def forget_recent():
    """A new test begins."""
    with _lock:
        _recent.clear()


def _grams(text):
    return {text[i:i + GRAM] for i in range(len(text) - GRAM + 1)}


def _pieces(secret):
    """A secret in the parts that may not be seen. The first segment of a JWT,
    its header, is the same for thousands of tokens and says nothing."""
    parts = secret.split(".")
    if len(parts) >= 3 and secret.startswith("ey"):
        parts = parts[1:]
    return [part for part in parts if len(part) >= 8 and part != REMOVED]


def _found(secret, text, grams):
    for piece in _pieces(secret):
        if len(piece) < GRAM:
            if piece in text:
                return piece
        elif len(set(piece)) > 4:
            for i in range(0, len(piece) - GRAM + 1):
                if piece[i:i + GRAM] in grams:
                    return piece[i:i + GRAM]
    return None


def search(text, everything=False):
    """Pieces of secrets in text: those of the running test, or all there were."""
    grams = set()
    for word in set(_WORD.findall(text)):
        grams |= _grams(word)
    with _lock:
        secrets = _all if everything else _recent
        together = "\n".join(secrets)
        if not any(gram in together for gram in filter(_marked, grams)):
            secrets = secrets & _short
        secrets = list(secrets)
    found = (_found(secret, text, grams) for secret in secrets)
    return [piece for piece in found if piece]
