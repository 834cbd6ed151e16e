# Licensed under the Apache License, Version 2.0; see LICENSE.
"""An issuer with a key set by URL, in trouble or not. A test file imports the
fixture issuer.
"""
import itertools

import pytest

from .expect import location

#: What a server may say while its issuer is down or talks nonsense.
TROUBLE = pytest.mark.allow_log("AB0205", "AB0207", "AB0208")

#: Of issuers: another one each time.
names = itertools.count()


@pytest.fixture
def issuer(issuers):
    return issuers.issuer("s%d" % next(names), "rs256")


def block(url, inside="", name=""):
    return '<AuthBearerIssuer "%s" %s>\n%s\n</AuthBearerIssuer>\n' % (
        url, name, inside)


def refresh(low="1s", high="1s", stale="1h"):
    return "AuthBearerKeysRefresh min=%s max=%s stale=%s" % (low, high, stale)


def one(one_server, issuer, inside="", conf="", **kw):
    return one_server(conf + block(issuer.url, inside) + location("/a"), **kw)


def by_url(issuer, inside=""):
    """Keys from their URL: one request is one fetch."""
    return 'AuthBearerMetadata off\nAuthBearerKeys "%s"\n%s' % (
        issuer.jwks_url, inside)
