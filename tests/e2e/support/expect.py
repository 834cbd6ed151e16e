# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What an answer must look like, once for all tests (the results table)."""
import re

from .tokens import ISS, jwks

#: error_description is for people and names the category only.
_VALUES = re.compile(r"https?:|api://|alice|[0-9]{4,}")


def granted(res, user="alice"):
    assert res.status == 200, res
    assert res.challenge is None
    assert (res.error, res.check) == (None, None), res
    if user is not None:
        assert res.user == user, res
    return res


def refused(res, status, error=None, category=None, check=None, log=None,
            scope=None):
    """status and challenge as the results table says; category and check are
    BEARER_ERROR and BEARER_ERROR_CHECK (str or tuple of str); log is a value, or
    several in their order, that the line at info of this refusal must have
    (None: not looked at)."""
    assert res.status == status, res
    if error or status == 401:
        assert res.challenge is not None, res
        assert res.challenge.get("realm"), res
        assert res.challenge.get("error") == error, res
        text = res.challenge.get("error_description")
        if error is None:
            assert text is None and "error_uri" not in res.challenge, res
        elif text is not None:
            assert not _VALUES.search(text), res
    else:
        assert res.challenge is None, res
    if scope is not None:
        assert sorted(res.challenge["scope"].split()) == sorted(
            scope.split()), res
    if status in (429, 503) and check != "login_issuer":  # see browsing.waits()
        assert re.fullmatch(r"[1-9][0-9]*", res.get("Retry-After", "")), res
    if category:
        assert res.error in ([category] if isinstance(category, str)
                             else category), res
    if check:
        assert res.check in ([check] if isinstance(check, str) else check), res
    if log is not None:
        values = [log] if isinstance(log, (str, re.Pattern)) else log
        assert res.logged(None, "%s/%s" % (res.error, res.check), *values,
                          level="info"), (values, res)
    return res


def invalid(res, category=None, check=None, log=None):
    return refused(res, 401, "invalid_token", category, check, log)


def anonymous(res, scope=None):
    """Refused for want of a credential: no error code."""
    refused(res, 401, None, scope=scope)
    if scope is None:
        assert "scope" not in res.challenge, res
    return res


def issuer_conf(inside="", url=ISS, name="main", keys="jwks.json"):
    return """
<AuthBearerIssuer "%s" %s>
    AuthBearerKeys "file:@ROOT@/%s"
    %s
</AuthBearerIssuer>
""" % (url, name, keys, inside)


def section(path, *lines):
    return '<Location "%s">\n%s\n</Location>\n' % (path, "\n".join(lines))


def location(path, inside="", require="valid-user", audience="api://test"):
    """A <Location> of a test; audience None leaves the directive out."""
    lines = ["AuthType Bearer", 'AuthName "test"']
    if audience:
        lines.append("AuthBearerAudience " + audience)
    if inside:
        lines.append(inside)
    if require:
        lines.append("Require " + require)
    return section(path, *lines)


def key_files(*keys):
    return {"jwks.json": jwks(*(keys or ("rs256",)))}


def with_status(res, status):
    """The answer if it has this status: what wait_until() waits for."""
    return res if res.status == status else None


def everywhere(server, token, n=24):
    """Statuses of so many requests at /a that every child has had one."""
    return {server.get("/a", token).status for _ in range(n)}
