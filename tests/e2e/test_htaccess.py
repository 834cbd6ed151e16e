# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What whoever writes an .htaccess can get hold of: with AllowOverride FileInfo it
copies request headers into variables, tests them, chooses handlers."""
import time

import pytest

from support.browsing import (SECRETS, conf, op,  # noqa: F401
                              session_cookie, signed_in)
from support.expect import granted, issuer_conf, key_files
from support.issuer import headers_of
from support.op import Browser

pytestmark = pytest.mark.core

CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nexec env\n"

#: All that an author may write.
COLLECT = """
SetEnvIf Cookie "(.*)" BY_SETENVIF=$1
SetEnvIfExpr "%{HTTP_COOKIE} =~ /(.*)/" BY_EXPR=$1
<If "%{HTTP_COOKIE} =~ /bearer_/">
    SetEnv BY_IF seen
</If>
RewriteEngine On
RewriteCond %{HTTP_COOKIE} bearer_
RewriteRule ^ - [E=BY_REWRITE:seen]
RewriteRule ^ - [E=BY_REWRITE_VALUE:%{HTTP:Cookie}]
RequestHeader edit Cookie "(.*)" "copy=1; $1"
"""

#: Open, protected, and protected with the cookies for the application.
PLACES = """
<Directory "@ROOT@/htdocs/files">
    AllowOverride FileInfo
    Options +ExecCGI +Includes
    <Files "*.cgi">
        SetHandler cgi-script
    </Files>
    <Files "*.shtml">
        ForceType text/html
        SetOutputFilter INCLUDES
    </Files>
    DirectoryIndex index.cgi
</Directory>
<LocationMatch "^/files/(shut|off)/">
    AuthType Bearer
    AuthBearerSession On
    AuthBearerLogin On
    Require valid-user
</LocationMatch>
<LocationMatch "^/files/off/">
    AuthBearerStripCookies Off
</LocationMatch>
"""


def files():
    out = dict(SECRETS)
    for place in ("open", "shut", "off"):
        directory = "htdocs/files/%s/" % place
        out[directory + ".htaccess"] = COLLECT + (
            "RewriteRule ^moved$ /files/%s/x.cgi [L]\n" % place)
        out[directory + "x.cgi"] = (CGI, 0o755)
        out[directory + "index.cgi"] = (CGI, 0o755)
        out[directory + "page.shtml"] = "".join(
            '-- %s\n<!--#include virtual="/files/%s/x.cgi" -->\n' % (p, p)
            for p in ("open", "shut", "off"))
    return out


@pytest.fixture
def server(one_server, op, backend):
    return one_server(conf(op, 'CustomLog "@ROOT@/logs/all.log" "%{Cookie}i"\n',
                           end=PLACES), files=files(), backend=backend, h2=True)


@pytest.fixture
def browser(server, op, wire):
    browser = Browser(server, h2=wire)
    signed_in(browser)
    other = Browser(server, h2=wire)
    other.navigate("/app/x")
    browser.cookies.update(other.cookies)  # of a login under way
    browser.cookies["own"] = "1"
    return browser


@pytest.mark.allow_log("no number: unable to include")
@pytest.mark.parametrize("uri", ["x.cgi", "moved", "", "page.shtml"])
@pytest.mark.parametrize("place", ["open", "shut"])
def test_own_cookies_are_nobodys(server, browser, place, uri):
    """Whatever the author tries; and the session is one all the same."""
    value = browser.cookies[session_cookie(browser)]
    res = granted(browser.get("/files/%s/%s" % (place, uri)), None)
    text = res.text
    if uri == "page.shtml":
        assert "REMOTE_USER=alice@example.test" in text.partition(
            "-- shut")[2].partition("-- off")[0]
        text = text.partition("-- off")[0]  # that one may see them
    assert value[:16] not in text and "bearer_" not in text, text
    assert "seen" not in text and "own=1" in text, text
    if place == "shut":
        assert res.user == "alice@example.test"
    with open(server.path("logs/all.log")) as f:
        assert value[:16] not in f.read()


@pytest.mark.parametrize("uri", ["x.cgi", "moved", ""])
def test_strip_cookies_off(server, browser, uri):
    """The application has them, and no .htaccess that is read before."""
    name = session_cookie(browser)
    pair = "%s=%s" % (name, browser.cookies[name])
    res = granted(browser.get("/files/off/" + uri), "alice@example.test")
    assert pair in res.env["HTTP_COOKIE"] and "own=1" in res.env["HTTP_COOKIE"]
    assert res.env["HTTP_COOKIE"].count(name) == 1
    assert "BY_IF" not in res.env and pair not in res.env["BY_SETENVIF"]
    with open(server.path("logs/all.log")) as f:
        assert browser.cookies[name][:16] not in f.read()


@pytest.mark.allow_log("no number: unable to include")
def test_parts_with_and_without(server, browser):
    """Each part has them, or has them not, as its own section says."""
    value = browser.cookies[session_cookie(browser)]
    for page in ("open", "shut", "off"):
        text = granted(browser.get("/files/%s/page.shtml" % page), None).text
        for part in ("open", "shut", "off"):
            inner = text.partition("-- %s\n" % part)[2].partition("\n-- ")[0]
            assert "REMOTE_ADDR" in inner
            assert (value in inner) == (part == "off"), (page, part, inner)


def test_proxied(one_server, op, backend, wire):
    server = one_server(conf(op, end="""
<Location "/app/off">
    AuthBearerStripCookies Off
</Location>
"""), files=SECRETS, backend=backend, h2=True)
    browser = Browser(server, h2=wire)
    signed_in(browser)
    browser.cookies["own"] = "1"
    name = session_cookie(browser)
    for path, there in (("/app/be/x", 0), ("/be/x", 0), ("/app/off/be/x", 1)):
        cookie = headers_of(browser.get(path))["cookie"][0]
        assert cookie.count(name) == there and "own=1" in cookie


#: Ways to the cookies that this module sets.
RESPONSE = """
RequestHeader set X-Copy "expr=%{resp:Set-Cookie}"
RewriteEngine On
RewriteCond expr "%{resp:Set-Cookie} =~ /(.*)/"
RewriteRule ^ - [E=BY_REWRITE:%1]
Header set X-Copy "expr=%{resp:Set-Cookie}"
Header always set X-Copied "expr=%{resp:Set-Cookie}"
Header edit Set-Cookie "(?i);\\s*HttpOnly" ""
Header always edit Set-Cookie "$" "; Domain=127.0.0.1; Path=/"
"""


@pytest.mark.allow_log("AB0763")
@pytest.mark.parametrize("kind", ["cookie", "cache"])
def test_no_cookie_that_is_set(one_server, op, wire, kind):
    """A session that is prolonged, a login that begins; nor does the log show them."""
    server = one_server(conf(op, """
AuthBearerSessionStore %s
AuthBearerSessionLifetime max=1h idle=4s
CustomLog "@ROOT@/logs/all.log" "%%{Set-Cookie}o"
""" % kind, end=PLACES), files={
        **files(), "htdocs/files/shut/.htaccess": RESPONSE,
        "htdocs/files/shut/index.html": "x"}, h2=True)
    browser = Browser(server, h2=wire)
    begun = browser.navigate("/files/shut/x.cgi")
    assert begun.status == 302, begun
    signed_in(browser, "/files/shut/x.cgi")
    name = session_cookie(browser)
    answers, values = [], [browser.cookies[name]]
    time.sleep(1.5)
    for uri in ("x.cgi", "index.html", "missing"):
        time.sleep(0.6)
        answers.append(browser.get("/files/shut/" + uri))
        assert answers[-1].user == "alice@example.test", answers[-1]
        values.append(browser.cookies[name])
    assert len(set(values)) > 1 or kind == "cache"
    values += [line.partition("=")[2].partition(";")[0]
               for res in (begun, *answers) for line in res.all("Set-Cookie")]
    lines = [line for res in (begun, *answers) for line in res.all("Set-Cookie")]
    assert lines and all("; HttpOnly; SameSite=Lax" in line and "Domain" not in line
                         for line in lines), lines
    with open(server.path("logs/all.log")) as f:
        texts = [f.read()]
    assert name + "=***" in texts[0]
    texts += [res.text + str([pair for pair in res.headers
                              if pair[0].lower() != "set-cookie"])
              for res in (begun, *answers)]
    for value in values:
        assert not [text for text in texts if value[:24] in text], texts


# -- handlers --------------------------------------------------------------------

BY_AUTHOR = {
    "sethandler": "SetHandler bearer-status\n",
    "files": '<Files "x.txt">\nSetHandler bearer-status\n</Files>\n',
    "if": '<If "true">\nSetHandler bearer-status\n</If>\n',
    "nested": '<Files "x.txt">\n<If "true">\nSetHandler bearer-status\n</If>\n'
              "</Files>\n",
    "expression": 'SetHandler "bearer-%{tolower:STATUS}"\n',
    "addhandler": "AddHandler bearer-status .txt\n",
    "rewrite": "RewriteEngine On\nRewriteRule ^ - [H=bearer-status]\n",
}


@pytest.mark.allow_log("AB0102")
@pytest.mark.parametrize("how", sorted(BY_AUTHOR))
def test_status_by_htaccess(one_server, wire, how):
    server = one_server(issuer_conf() + """
TypesConfig "@ROOT@/mime.types"
<Directory "@ROOT@/htdocs/files">
    AllowOverride FileInfo
</Directory>
<Location "/files/status">
    SetHandler bearer-status
    Require all granted
</Location>
""", files={**key_files(), "mime.types": "", "htdocs/files/x.txt": "x",
            "htdocs/files/.htaccess": BY_AUTHOR[how]}, modules=["mime"], h2=True)
    res = server.get("/files/x.txt", h2=wire)
    assert res.status == 403, res
    assert res.logged("AB0102", "SetHandler bearer-status", level="error")
    if how != "if":  # which comes after <Location>
        # the administrator's own page is below the same file
        res = server.get("/files/status", h2=wire)
        assert res.status == 200 and "issuer.test" in res.text


@pytest.mark.allow_log("AB0102")
@pytest.mark.parametrize("how", ["sethandler", "addhandler", "rewrite"])
def test_status_by_the_administrator(one_server, how):
    server = one_server(issuer_conf() + """
TypesConfig "@ROOT@/mime.types"
<Directory "@ROOT@/htdocs/files">
    AllowOverride FileInfo
    %s
</Directory>
""" % BY_AUTHOR[how], files={**key_files(), "mime.types": "",
                             "htdocs/files/x.txt": "x"}, modules=["mime"])
    assert "issuer.test" in server.get("/files/x.txt").text
    server.write("htdocs/files/.htaccess", "Header set X-Author me\n")
    res = server.get("/files/x.txt")
    assert res.status == (200 if how == "sethandler" else 403), res
