# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Tests of single statements of the documents: a test names the page and a piece of
the sentence that it tries."""
import functools
import os
import re

from .httpd import TOP


@functools.lru_cache(None)
def page_text(page):
    """A page as one line, without the marks of quoted paragraphs."""
    with open(os.path.join(TOP, page), encoding="utf-8") as f:
        return " ".join(re.sub(r"(?m)^> ?", "", f.read()).split())


def statement(page, *pieces):
    """A test of what the page says there. It fails if the page no longer says so:
    then correct the test together with the page."""
    def decorate(test):
        @functools.wraps(test)
        def both(*args, **kw):
            for piece in pieces:
                assert piece in page_text(page), "%s no longer says: %s" % (page, piece)
            return test(*args, **kw)
        return both
    return decorate


def samples(server):
    """The figures of a server with /bearer-status: {name or name{labels}: number}."""
    text = server.get("/bearer-status?format=prometheus").text
    return {name: float(value) for name, value in re.findall(
        r"(?m)^(\w+(?:\{.*\})?) ([0-9.]+)$", text)}


STATUS = '<Location "/bearer-status">\nSetHandler bearer-status\n</Location>\n'
