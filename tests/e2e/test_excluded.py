# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Places that are open although AuthType Bearer is in force: what carries a token
is taken away all the same, and nobody but this module says who the user is.
Backend, CGI, pages with includes and the parts that they include."""
import base64

import pytest

from support.expect import anonymous, granted, issuer_conf, key_files, location
from support.issuer import headers_of
from support.tokens import mint

SOURCES = "header header:X-Token cookie:tok query:tok env:TOK basic"
OPEN = ("AuthBearerTokenFrom %s\nAuthBearerExport both\n"
        'SetEnvIf X-Via "(.+)" TOK=$1' % SOURCES)
CONF = (issuer_conf() + location("/shut")
        + location("/open", OPEN, "all granted")
        + location("/shut/open", OPEN, "all granted")
        + location("/local", OPEN + "\n<RequireAny>\nRequire ip 127.0.0.1\n"
                   "Require valid-user\n</RequireAny>", None)
        + location("/files/", OPEN, "all granted")
        + location("/outer")
        + '<Location "/outer/health">\nRequire all granted\n</Location>\n'
        + """
<LocationMatch "/cgi$">
    CGIPassAuth On
</LocationMatch>
SetEnvIf Authorization "(.+)" HTTP_AUTHORIZATION=$1
<Files "page.shtml">
    ForceType text/html
    SetOutputFilter INCLUDES
</Files>
""")
PAGE = """<!--#printenv -->
-- parts
<!--#include virtual="/files/env" -->
-- cgi
<!--#include virtual="/files/cgi" -->
-- backend
<!--#include virtual="/files/be/x" -->
"""
PLACES = ["/open", "/shut/open", "/local"]
FORGED = ["X-Forwarded-User", "X-User-Roles", "X-User-Groups", "X-Claim-Sub",
          "x_forwarded_user", "X-Forwarded_User", "X_Claim-email"]


@pytest.fixture(scope="module")
def server(new_server, backend):
    return new_server(CONF, files=dict(
        key_files("rs256"), **{"htdocs/files/page.shtml": PAGE}),
        backend=backend)


def basic(password):
    return "Basic " + base64.b64encode(("git:" + password).encode()).decode()


def ways(token):
    """Each source with this token in it: (headers, query)."""
    return {
        "header": ({"Authorization": "Bearer " + token}, ""),
        "named": ({"X-Token": token}, ""),
        "cookie": ({"Cookie": "a=1; tok=%s; b=2" % token}, ""),
        "query": ({}, "?a=1&tok=" + token),
        "env": ({"X-Via": token}, ""),
        "basic": ({"Authorization": basic(token)}, ""),
    }


def hidden(text, token):
    return token not in text and basic(token)[6:-4] not in text


@pytest.mark.parametrize("way", sorted(ways("")))
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_stripped(server, place, way, good):
    token = mint() if good else mint("rs256-forger")
    headers, query = ways(token)[way]
    for face in ("/be/x", "/cgi", "/env"):
        res = server.get(place + face + query, headers=headers)
        assert res.status == 200
        # of env:TOK the variable is taken, not the header that it came from
        assert way == "env" or hidden(res.text, token), (face, res.text)
        if way == "cookie" and face == "/be/x":
            assert headers_of(res)["cookie"] == ["a=1; b=2"]
        if face != "/be/x":
            assert not res.env.get("HTTP_AUTHORIZATION")
            assert not res.env.get("TOK")
            assert "REMOTE_USER" not in res.env


@pytest.mark.parametrize("place", PLACES)
def test_scrubbed(server, place):
    sent = [(name, "evil") for name in FORGED]
    for token in (None, mint()):
        res = server.get(place + "/be/x", token, sent)
        assert "evil" not in res.text, res.text
        for face in ("/cgi", "/env"):
            assert "evil" not in server.get(place + face, token, sent).text


def test_nobody_is_known_there(server):
    """Open is open: the token is not even looked at, so nobody is named."""
    res = server.get("/open/env", mint())
    assert not [name for name in res.env if name.startswith("BEARER_")]


@pytest.mark.parametrize("way", ["header", "cookie", "query", "basic"])
def test_included_parts(server, way):
    """Subrequests of an open page, to a CGI program and to the backend too."""
    token = mint()
    headers, query = ways(token)[way]
    headers = list(headers.items()) + [(name, "evil") for name in FORGED]
    res = server.get("/files/page.shtml" + query, headers=headers)
    assert res.status == 200
    for title in ("-- parts", "-- cgi", "-- backend"):
        assert title in res.text
    assert res.text.count("GATEWAY_INTERFACE") >= 2, res.text
    assert '"path": "/files/be/x"' in res.text.replace("&quot;", '"')
    assert hidden(res.text, token) and "evil" not in res.text


def test_the_place_around_it_is_shut(server):
    anonymous(server.get("/shut/x"))
    granted(server.get("/shut/x", mint()))
    assert server.get("/shut/open/x").status == 200
    assert server.get("/shut/openx").status == 401



def test_a_place_that_only_says_who_may_enter(server):
    """docs/guide/migrating/traefik.md, excludedURLs: no AuthType of its own."""
    sent = [(name, "evil") for name in FORGED]
    assert server.get("/outer/be/x", headers=sent).status == 401
    for face in ("/be/x", "/cgi", "/env"):
        token = mint()
        res = server.get("/outer/health" + face, token, sent)
        assert res.status == 200
        assert hidden(res.text, token) and "evil" not in res.text, res.text
