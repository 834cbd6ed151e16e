# Licensed under the Apache License, Version 2.0; see LICENSE.
"""How tests know a line of the module: by its number and the values in it. The
words around them may change.
"""
import functools
import os
import re

CATALOGUE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         "..", "..", "..", "src", "base", "messages.txt")


@functools.lru_cache(None)
def numbers():
    """All that src/base/messages.txt has."""
    with open(CATALOGUE, encoding="utf-8") as f:
        return frozenset(re.findall(r"(?m)^(AB\d{4}) ", f.read()))


def _pattern_of(value):
    """A pattern, or a text that is not a part of a longer word or number."""
    if isinstance(value, re.Pattern):
        return "(?:%s)" % value.pattern
    text = str(value)
    return (r"(?<!\w)" * bool(re.match(r"\w", text)) + re.escape(text)
            + r"(?!\w)" * bool(re.search(r"\w$", text)))


def message(number, *values):
    """A regular expression for a line with this number and these values, in this
    order. number is AB0123, several with | between them, a number of httpd's
    (AH01630), or None for any line of the module. A value is a text as it stands
    there, or a compiled pattern."""
    for one in number.split("|") if number else ():
        if one not in numbers() and not re.fullmatch(r"AH\d{5}", one):
            raise ValueError("%s is not in src/base/messages.txt" % one)
    return r"\b(?:%s): " % (number or r"AB\d{4}") + "".join(
        ".*?" + _pattern_of(value) for value in values)


def allowed(entry):
    """The regular expression of what an allow_log names: a number and perhaps
    values (AB0123 https://issuer.test/), a number of httpd's (AH01630), the words
    of a line that has none, since others wrote it (no number: unable ...), or every
    number of the module's."""
    if entry == "any number":
        return message(None)
    if re.match(r"AH\d", entry):
        return r"\b" + entry
    if entry.startswith("no number: "):
        return r"^(?!.*\bAB\d{4}: ).*" + entry[len("no number: "):]
    number, *values = entry.split(" ")
    if not re.fullmatch(r"AB\d{4}", number):
        raise ValueError("allow_log(%r): neither a number nor `no number: ...`" % entry)
    return message(number, *values)


#: Causes: texts inside a message that have no number of their own. Where nothing but
#: the cause tells two cases apart, a test names it by these, and the words are here.
CERTIFICATE = "certificate"
FROM_MEMORY = "the same token was refused a moment ago"
CLOSED = "closed the connection without a response"
COMPRESSED = "compressed"
FORBIDDEN = "this server may not connect to"
NO_ADDRESS = "cannot be resolved"
NO_ANSWER = "no response in time"
NO_ENDPOINT = "the introspection endpoint is unknown"
NO_USABLE_KEY = "no usable key"
NOT_ACCEPTED = "the certificate is not accepted"
NOT_A_USER = "not an acceptable user name"
NOT_JSON = "not a JSON object"
NOT_STRICT = "not strict JSON"
NOTHING_LISTENS = "no server listens there"
TOO_LARGE = "is too large"
