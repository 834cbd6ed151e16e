# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Headers that come another way: in an environment that was made before this module
was asked, of the page that includes a part or of the one that leads here."""
import base64

import pytest

from support.expect import anonymous, granted, issuer_conf, key_files, location
from support.gateways import Fcgi, Gateway, Scgi
from support.httpd import wait_until
from support.issuer import headers_of
from support.tokens import mint

pytestmark = [pytest.mark.core, pytest.mark.allow_log("no number: unable to include",
                                                      "AB0704")]

FORGED = [("X-Forwarded-User", "evil"), ("X-User-Roles", "evil"),
          ("X-User-Groups", "evil"), ("X-Claim-Email", "evil"),
          ("x-claim-sub", "evil"), ("X_User_Roles", "evil")]

CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nexec env\n"
REDIRECT = "#!/bin/sh\nprintf 'Location: %s\\r\\n\\r\\n'\n"
INCLUDE = '-- %s\n<!--#include virtual="%s" -->\n'
PARTS = ("/shut/cgi", "/opt/cgi", "/free/cgi", "/shut/env", "/opt/env",
         "/opt/be/x", "/shut/be/x", "/shut/fcgi", "/shut/scgi", "/other/cgi")
WAYS = ("/shut/cgi", "/opt/cgi", "/free/cgi", "/shut/env", "/shut/be/x",
        "/shut/fcgi", "/shut/scgi", "/files/open/again.cgi")

CONF = """
<Directory "@ROOT@/htdocs/files">
    Options +ExecCGI +Includes
    CGIPassAuth On
</Directory>
<Files "*.cgi">
    SetHandler cgi-script
</Files>
<Files "*.shtml">
    ForceType text/html
    SetOutputFilter INCLUDES
</Files>
<Directory "@ROOT@/htdocs/files/rw">
    RewriteEngine On
    RewriteRule "^in$" "/opt/cgi" [L]
    RewriteRule "^pt$" "/opt/cgi" [PT]
</Directory>
RewriteEngine On
RewriteRule "^/first$" "/opt/cgi" [PT]
<Directory "@ROOT@/htdocs/files/fb">
    FallbackResource /opt/cgi
</Directory>
<Directory "@ROOT@/htdocs/files/gone">
    ErrorDocument 404 /opt/cgi
</Directory>
<Directory "@ROOT@/htdocs/files/basic">
    AuthType Basic
    AuthName "x"
    AuthBasicProvider file
    AuthUserFile "@ROOT@/users"
    Require valid-user
</Directory>
CustomLog "@ROOT@/logs/all.log" \
    "%{X-Case}i|%{HTTP_COOKIE}e|%{HTTP_X_TOKEN}e|%{Cookie}i|%{X-Token}i|"
"""
SOURCES = "header header:X-Token cookie:tok query:tok env:TOK basic"


@pytest.fixture(scope="module")
def server(new_server, backend):
    gateways = [Gateway(Fcgi), Gateway(Scgi)]
    conf = (issuer_conf() + CONF
            + location("/shut", "AuthBearerTokenFrom " + SOURCES
                       + "\nAuthBearerExport both\nCGIPassAuth On")
            + location("/opt", "AuthBearerTokenFrom " + SOURCES
                       + "\nAuthBearerOptional On\nAuthBearerExport both",
                       "all granted")
            + location("/rule", require='expr "%{ENV:HTTP_X_USER_ROLES} == '
                       "'evil'\"")
            + location("/anyone", "AuthBearerOptional On", "all granted")
            + location("/free", "AuthBearerTokenFrom " + SOURCES, "all granted")
            + location("/other", "AuthBearerExport both claims=email "
                       "env-prefix=BEARER_CLAIM_")
            + location("/keep", "AuthBearerTokenFrom header header:X-Token\n"
                       "AuthBearerForward token identity\nCGIPassAuth On")
            + location("/keep-cookie", "AuthBearerTokenFrom cookie:tok\n"
                       "AuthBearerForward token\nSetEnvIf Authorization "
                       '"(.*)" HTTP_AUTHORIZATION=$1'))
    early = ('AliasMatch "^/keep/page$" "@ROOT@/htdocs/files/open/inner.shtml"\n')
    early += "".join(
        'ProxyPassMatch "^/(shut|opt)/%s$" "%s/$1"\n' % (
            gateway.url.partition(":")[0], gateway.url) for gateway in gateways)
    files = {"htdocs/files/open/page.shtml":
             "".join(INCLUDE % (part, part) for part in PARTS),
             "htdocs/files/open/again.cgi": (REDIRECT % "/shut/cgi", 0o755),
             "htdocs/files/open/inner.shtml": "-- \n<!--#printenv -->\n" + "".join(
                 INCLUDE % (part, part)
                 for part in ("/shut/env", "/keep/env", "/shut/cgi")),
             "htdocs/files/open/rule.shtml": INCLUDE % ("", "/rule/cgi"),
             "htdocs/files/basic/page.shtml": INCLUDE % ("", "/anyone/cgi"),
             "htdocs/files/fb/x": "x", "htdocs/files/gone/x": "x",
             "htdocs/files/rw/x": "x", "htdocs/files/open/env.cgi": (CGI, 0o755),
             "users": "carol:{SHA}" + base64.b64encode(__import__(
                 "hashlib").sha1(b"secret").digest()).decode() + "\n"}
    for way in WAYS:
        files["htdocs/files/open/to%s.cgi" % way.replace("/", "-")] = (
            REDIRECT % way, 0o755)
    yield new_server(conf, files={**key_files(), **files}, backend=backend,
                     modules=["proxy_fcgi", "proxy_scgi", "auth_basic",
                              "authn_file"], early=early, h2=True)
    for gateway in gateways:
        gateway.close()


def carried(token):
    """A token in each place where one is looked for, one at a time."""
    text = base64.b64encode(("git:" + token).encode()).decode()
    return {"header": [("Authorization", "Bearer " + token)],
            "named": [("X-Token", token)],
            "cookie": [("Cookie", "a=1; tok=%s; b=2" % token)],
            "basic": [("Authorization", "Basic " + text)]}


def hidden(text, token):
    basic = base64.b64encode(("git:" + token).encode()).decode()
    return token.split(".")[2] not in text and basic[:-4] not in text


def part_of(text, name):
    return text.partition("-- %s\n" % name)[2].partition("\n-- ")[0]


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_an_open_page(server, wire, part):
    """The page's environment was made of what the client sent."""
    token = mint(roles=["staff"], email="a@b.c")
    for headers in (FORGED, [*FORGED, ("Authorization", "Bearer " + token)]):
        res = server.get("/files/open/page.shtml", headers=headers, h2=wire)
        assert res.status == 200
        text = part_of(res.text, part)
        assert "evil" not in text and hidden(text, token), text
    if part.endswith(("cgi", "be/x")) and not part.startswith(("/opt", "/free")):
        assert "alice" in text, res.text


def test_parts_of_a_protected_page(server, wire):
    """Its user is known to the parts, before and after, and its token, which it
    may have, is not."""
    token = mint()
    res = granted(server.get("/keep/page", token, headers=FORGED, h2=wire))
    for name in ("", "/shut/env", "/keep/env", "/shut/cgi"):
        text = part_of(res.text, name)
        assert "HTTP_X_FORWARDED_USER=alice" in text, (name, res.text)
        assert "evil" not in text and "REMOTE_USER=alice" in text
        assert hidden(text, token) or name == "", text
    assert not hidden(part_of(res.text, ""), token)


@pytest.mark.allow_log("AH01630")
def test_no_rule_of_a_part_sees_them(server, wire):
    """The page's environment is the part's, before anybody is asked who it is."""
    for headers in (FORGED, [*FORGED, ("Authorization", "Bearer " + mint())]):
        res = server.get("/files/open/rule.shtml", headers=headers, h2=wire)
        assert res.status == 200 and "REMOTE_ADDR" not in res.text, res.text


@pytest.mark.parametrize("carrier", ["header", "named", "cookie", "basic"])
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_no_token_in_a_part(server, wire, carrier, good):
    token = mint() if good else mint("rs256-forger", header={"kid": "rs256"})
    res = server.get("/files/open/page.shtml?tok=x&a=1",
                     headers=carried(token)[carrier], h2=wire)
    assert res.status == 200
    for part in PARTS:
        # /other looks in Authorization only
        if not part.startswith("/other") or carrier in ("header", "basic"):
            assert hidden(part_of(res.text, part), token), (part, res.text)


def test_a_query_for_a_part(server, wire):
    """A token among the page's parameters is none for the part, and is masked in
    what the part sees all the same."""
    token = mint()
    res = server.get("/files/open/page.shtml?a=1&tok=" + token, h2=wire)
    assert res.status == 200
    assert hidden(part_of(res.text, "/free/cgi"), token), res.text
    assert hidden(part_of(res.text, "/opt/env"), token)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("carrier", ["header", "named", "cookie", "basic"])
def test_an_open_program_leads_here(server, wire, way, carrier):
    """A CGI program's `Location: /path` is an internal redirect; twice, where it
    leads to another one."""
    token = mint()
    res = server.get("/files/open/to%s.cgi" % way.replace("/", "-"),
                     headers=[*FORGED, *carried(token)[carrier]], h2=wire)
    granted(res, None if way.startswith(("/opt", "/free")) else "alice")
    assert "evil" not in res.text and hidden(res.text, token), res.text
    if carrier == "cookie" and way.endswith("cgi"):
        assert "a=1" in res.env["HTTP_COOKIE"]
        assert "a=1" in res.env["REDIRECT_HTTP_COOKIE"], res.text


@pytest.mark.parametrize("uri", [
    "/files/rw/in", "/files/rw/pt", "/first", "/files/fb/nothing",
    "/files/gone/nothing"])
def test_other_ways_to_a_program(server, wire, uri):
    token = mint()
    for headers in (FORGED, *([*FORGED, *fields]
                              for fields in carried(token).values())):
        res = server.get(uri, headers=headers, h2=wire)
        assert res.status == (404 if "gone" in uri else 200), res
        assert "cgi" in res.env["SCRIPT_NAME"]
        assert "evil" not in res.text and hidden(res.text, token), res.text


@pytest.mark.parametrize("gateway", ["fcgi", "scgi"])
def test_gateways(server, wire, gateway):
    token = mint(email="a@b.c")
    for fields in carried(token).values():
        res = server.get("/shut/" + gateway, headers=[*FORGED, *fields], h2=wire)
        granted(res)
        assert "evil" not in res.text and hidden(res.text, token), res.text
        assert res.env["HTTP_X_FORWARDED_USER"] == "alice"
        assert res.env["BEARER_CLAIM_email"] == "a@b.c"
    anonymous(server.get("/shut/" + gateway, headers=FORGED, h2=wire))
    assert "evil" not in server.get("/opt/" + gateway, headers=FORGED,
                                    h2=wire).text


def test_the_pages_user_is_not_the_parts(server, wire):
    """Who signed in to the page by another scheme is nobody for a part where
    nobody need sign in."""
    text = base64.b64encode(b"carol:secret").decode()
    res = server.get("/files/basic/page.shtml", headers=[
        ("Authorization", "Basic " + text)], h2=wire)
    granted(res, "carol")
    assert res.env["BEARER_METHOD"] == "anonymous", res.text
    assert "REMOTE_USER" not in res.env and "carol" not in res.text, res.text


def test_another_spelling_of_a_named_header(server, wire):
    """A backend folds X_Token to the same name: a token that nobody verified."""
    token, forged = mint(), mint("rs256-forger")
    for path in ("/shut/be/x", "/keep/be/x"):
        seen = headers_of(granted(server.get(path, headers=[
            ("X-Token", token), ("X_Token", forged), ("x-Token", token)][:2],
            h2=wire)))
        assert forged not in str(seen) and "x_token" not in seen
        assert ("x-token" in seen) == path.startswith("/keep")


def test_only_the_verified_token_is_kept_in_the_environment(server, wire):
    token, forged = mint(), mint("rs256-forger")
    res = granted(server.get("/keep-cookie/cgi", headers=[
        ("Cookie", "tok=" + token), ("Authorization", "Bearer " + forged)],
        h2=wire))
    assert forged not in res.text


def trailing(method, path, headers, trailers):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: server.test",
             "Connection: close", "Transfer-Encoding: chunked",
             "Trailer: " + ", ".join(n for n, _ in trailers)]
    lines += ["%s: %s" % pair for pair in headers]
    body = "3\r\nabc\r\n0\r\n" + "".join("%s: %s\r\n" % pair for pair in trailers)
    return ("\r\n".join(lines) + "\r\n\r\n" + body + "\r\n").encode()


@pytest.mark.allow_log("AH02651")
@pytest.mark.parametrize("face", ["be/x", "cgi", "fcgi"])
def test_trailers(server, wire, face):
    """Fields behind the body are nobody's credential, and nobody's name."""
    token = mint(sub="mallory")
    trailers = [*FORGED[:5], ("Authorization", "Bearer " + token),
                ("X-Token", token), ("Cookie", "tok=" + token)]

    def post(path, headers=()):
        if wire:
            return server.request("POST", path, headers=headers, body=b"abc",
                                  h2=True,
                                  trailers=[(n.lower(), v) for n, v in trailers])
        return server.raw(trailing("POST", path, headers, trailers))
    anonymous(post("/shut/" + face))
    res = post("/shut/" + face, [("Authorization", "Bearer " + mint())])
    granted(res)
    assert "evil" not in res.text and hidden(res.text, token)
    assert "mallory" not in res.text


def logged(server, case):
    """The fields of one request in the access log, which httpd writes after the
    response."""
    def found():
        with open(server.path("logs/all.log"), errors="surrogateescape") as f:
            return [line for line in f
                    if line.startswith(case + "|") and line.endswith("|\n")]
    return wait_until(found)[0].split("|")[1:5]


@pytest.mark.parametrize("place", [
    "/shut/cgi", "/opt/cgi", "/shut/be/x", "/files/open/to-shut-cgi.cgi",
    "/files/open/page.shtml"])
@pytest.mark.parametrize("carrier", ["named", "cookie"])
def test_logs(server, wire, place, carrier):
    """A page of another place has the client's fields, and has no token in its
    environment once a part was served."""
    token = mint()
    case = "%s-%s-%s" % (place, carrier, wire)
    fields = carried(token)[carrier]
    assert server.get(place, headers=[*fields, ("X-Case", case)],
                      h2=wire).status == 200
    *environment, cookie, named = logged(server, case)
    assert hidden(" ".join(environment), token), environment
    if place.endswith("page.shtml"):
        assert fields[0][1] in (cookie, named)
    else:
        assert hidden(cookie + named, token), (cookie, named)
        assert carrier != "cookie" or "b=2" in cookie
