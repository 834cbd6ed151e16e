# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A user that this module did not establish is nobody: what mod_ssl makes of a
client certificate (SSLUserName), before the first Require is asked and again in
its fixup, and what a script sets (mod_lua)."""
import os
import re

import pytest

from support import certs, missing
from support.clientcert import MODULES as TLS, WARNINGS, ClientCert
from support.expect import (anonymous, granted, issuer_conf, key_files, location,
                            refused)
from support.httpd import MODULES as HTTPD_MODULES, wait_until
from support.issuer import headers_of
from support.tokens import mint

SHOW = ("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nexec env\n", 0o755)
MOVED = "#!/bin/sh\nprintf 'Location: /%s/cgi\\r\\n\\r\\n'\n"
FILES = {
    "htdocs/files/pages/all": "".join(
        '<!--#include virtual="%s" -->\n' % path
        for path in ("same.cgi", "/a/cgi", "/b/cgi", "/opt/cgi", "/open/cgi")),
    "htdocs/files/pages/same.cgi": SHOW,
    "htdocs/files/from/show": SHOW,
    "htdocs/files/dir/index.cgi": SHOW,
    "htdocs/files/moved/opt": (MOVED % "opt", 0o755),
    "htdocs/files/moved/a": (MOVED % "a", 0o755),
}
CONF = ('AuthBearerUserFormat "%u"\n' + issuer_conf()
        + location("/a") + location("/b", "AuthBearerUserClaim client_id")
        + location("/opt", "AuthBearerOptional On", "all granted")
        + location("/known", "AuthBearerOptional On")
        + location("/preflight", "AuthBearerPreflight pass")
        + location("/open", None, "all granted")
        + location("/scope", require="scope orders.read")
        + location("/missing", require="scope nobody-has-it")
        + location("/role", require="role nobody-has-it")
        + location("/claim", require="claim sub:alice")
        + location("/any", require="valid-user\nRequire claim sub:nobody")
        + location("/not", "<RequireAll>\nRequire all granted\n"
                   "Require not claim sub:nobody\n</RequireAll>", None)
        # the hook before authorization is not the last one that is called
        + location("/either", "Order Deny,Allow\nDeny from all\nSatisfy any")
        + location("/host", "Order Deny,Allow\nDeny from all\nAllow from 127.0.0.1\n"
                   "Satisfy any")
        + location("/shut", "Order Deny,Allow\nDeny from all\nSatisfy all")
        + location("/files/pages", "AuthBearerOptional On\nForceType text/html\n"
                   "SetOutputFilter INCLUDES\nAddHandler cgi-script .cgi", "all granted")
        + """
TypesConfig /dev/null
DirectoryIndex index.cgi
<Directory "@ROOT@/htdocs/files/dir">
    <Files "index.cgi">
        SetHandler cgi-script
        AuthType Bearer
        AuthBearerAudience api://test
        AuthBearerOptional On
        Require all granted
    </Files>
</Directory>
<Location "/errors">
    Require all granted
</Location>
<LocationMatch "^/(a|shut|missing|known)/page$">
    ErrorDocument 401 /errors/cgi
    ErrorDocument 403 /errors/cgi
</LocationMatch>
<Location "/plain">
    Require valid-user
</Location>
<Location "/lost">
    Require all denied
    ErrorDocument 403 /opt/cgi
</Location>
<Location "/files/moved">
    SetHandler cgi-script
    Require all granted
</Location>
<LocationMatch "/be/">
    RequestHeader set X-Remote "expr=%{REMOTE_USER}"
</LocationMatch>
<Directory "@ROOT@/htdocs/files/from">
    AuthType Bearer
    AuthBearerAudience api://test
    Require valid-user
    RewriteEngine On
    RewriteRule "^same$" "/files/from/show"
    RewriteRule "^other$" "/b/cgi"
    RewriteRule "^user$" "/errors/cgi?by=%{REMOTE_USER}"
    SetHandler cgi-script
</Directory>
""")
USER = "\n    SSLUserName SSL_CLIENT_S_DN_CN"
#: Certificates by name: of the test CA, of nobody.
CERTS = {"trusted": certs.client("mallory"),
         "self-signed": certs.client("mallory", False)}

#: What httpd says of these refusals: by authz_core, access_compat, include.
pytestmark = pytest.mark.allow_log(*WARNINGS, "AH01629", "AH01797",
                                   "no number: unable to include")

#: mod_lua: a script that sets the user, at the moments where one can.
LUA = os.path.exists(os.path.join(HTTPD_MODULES, "mod_lua.so"))
SCRIPT = """
require 'apache2'
function set(r) r.user = 'mallory'; return apache2.DECLINED end
function answer(r) r.user = 'mallory'; return apache2.OK end
"""


class Site:
    """A server, and how a request with a certificate is made."""

    def __init__(self, make, backend, wire):
        self.tls, self.wire, self.count = ClientCert(), wire, 0
        self.server = make(
            CONF + USER + self.tls.conf, modules=TLS + ("access_compat", "mime"),
            backend=backend, h2=True,
            files={**key_files(), **self.tls.files, **FILES})

    def get(self, path, token=None, cert="trusted", method="GET", **kw):
        self.count += 1
        res = self.tls.request(self.server, method, path + "?n=%d" % self.count,
                               token, CERTS[cert], self.wire, **kw)
        assert "mallory" not in str(res.headers) + res.text, res
        return res

    def logged_user(self):
        """%u of the last request."""
        return wait_until(lambda: re.findall(
            r"n=%d HTTP.* user=(\S+) error=" % self.count,
            self.server.access_log()))[0]


@pytest.fixture(scope="module")
def site(new_server, backend, wire):
    return Site(new_server, backend, wire)


@pytest.fixture(params=sorted(CERTS))
def cert(request):
    return request.param


@pytest.mark.core
@pytest.mark.allow_log("AH01630", "AH01276")
def test_no_user_of_before_a_redirect(site, cert):
    """Applications fall back to REDIRECT_REMOTE_USER."""
    for path, token in (("/files/moved/opt", None), ("/files/moved/a", mint()),
                        ("/lost", None)):
        env = site.get(path, token, cert).env
        assert "BEARER_METHOD" in env, (path, env)
        assert env.get("REMOTE_USER") == ("alice" if token else None)
        assert not [name for name in env if name.startswith("REDIRECT_")
                    and name.endswith(("REMOTE_USER", "AUTH_TYPE"))], env


@pytest.mark.core
@pytest.mark.parametrize("path", ["/a", "/any", "/scope", "/role", "/claim",
                                  "/not", "/known", "/either"])
def test_a_certificate_alone_is_no_user(site, cert, path):
    refused(site.get(path, cert=cert), 401)
    assert site.logged_user() == "-"


def test_it_is_one_elsewhere(site):
    """What other locations make of it is theirs."""
    res = site.tls.get(site.server, "/plain", cert=CERTS["trusted"], h2=site.wire)
    assert res.status == 200 and res.user == "mallory", res


@pytest.mark.core
@pytest.mark.parametrize("path", ["/a", "/any", "/scope", "/claim", "/not",
                                  "/known", "/opt", "/either"])
def test_a_token_beside_a_certificate(site, cert, path):
    granted(site.get(path, mint(), cert))
    assert site.logged_user() == "alice"
    for face in ("/env", "/cgi"):
        env = granted(site.get(path + face, mint(), cert)).env
        assert env["REMOTE_USER"] == "alice" and env["AUTH_TYPE"] == "Bearer"
    res = granted(site.get(path + "/be/x", mint(), cert))
    assert headers_of(res)["x-remote"] == ["alice"], res
    assert headers_of(res)["x-forwarded-user"] == ["alice"]


@pytest.mark.core
@pytest.mark.parametrize("path,error", [("/missing", "insufficient_scope"),
                                        ("/role", None)])
def test_a_refusal_beside_a_certificate_is_logged(site, cert, path, error):
    refused(site.get(path + "/x", mint(), cert), 403, error, log="nobody-has-it")
    assert site.logged_user() == "alice"


@pytest.mark.core
@pytest.mark.parametrize("path", ["/opt", "/open", "/preflight", "/host"])
def test_nobody_is_nobody(site, cert, path):
    """Anonymous, a preflight, and where nobody is asked."""
    kw = {"cert": cert, "method": "OPTIONS", "headers": {
        "Origin": "https://a.test", "Access-Control-Request-Method": "PUT"}}
    if path != "/preflight":
        kw = {"cert": cert}
    assert site.get(path, **kw).status == 200
    assert site.logged_user() == "-"
    for face in ("/env", "/cgi", "/be/x"):
        if (path, face) == ("/preflight", "/env"):
            continue
        res = site.get(path + face, **kw)
        assert res.status == 200 and res.user is None, res
        assert "REMOTE_USER=" not in res.text and "AUTH_TYPE=" not in res.text
        if face == "/be/x":
            assert headers_of(res)["x-remote"] == [""], res


@pytest.mark.core
@pytest.mark.parametrize("token", [True, False])
def test_subrequests(site, cert, token):
    """Some have the same configuration, and httpd asks nobody again."""
    res = site.get("/files/pages/all", mint() if token else None, cert)
    assert res.status == 200, res
    users = re.findall(r"^REMOTE_USER=(.*)$", res.text, re.M)
    assert users == (["alice", "alice", "client-1", "alice"] if token else []), res.text


@pytest.mark.core
def test_internal_redirects(site, cert):
    env = granted(site.get("/files/from/same", mint(), cert)).env
    assert env["REMOTE_USER"] == "alice", env
    env = granted(site.get("/files/from/other", mint(), cert), "client-1").env
    assert env["REMOTE_USER"] == "client-1", env
    env = site.get("/files/from/user", mint(), cert).env
    assert env["QUERY_STRING"] == "by=alice", env
    assert env["REMOTE_USER"] == env["BEARER_CLAIM_sub"] == "alice", env
    assert site.get("/files/from/same", cert=cert).status == 401


@pytest.mark.core
@pytest.mark.parametrize("token", [True, False])
def test_index_of_an_open_directory(site, cert, token):
    """mod_dir goes on with the request for the directory, whose user mod_ssl set."""
    res = site.get("/files/dir/", mint() if token else None, cert)
    assert res.status == 200, res
    assert res.env.get("REMOTE_USER") == ("alice" if token else None), res.text
    assert site.logged_user() == ("alice" if token else "-")


@pytest.mark.core
@pytest.mark.parametrize("path,token,status,user", [
    ("/a/page", False, 401, None), ("/shut/page", True, 403, None),
    ("/missing/page", True, 403, "alice"), ("/known/page", False, 401, None)])
def test_error_documents(site, path, token, status, user):
    """Also of what is refused before this module is asked. The error document's own
    location, without AuthType, leaves it to mod_ssl who its user is, unless another
    one is known."""
    res = site.tls.get(site.server, path, mint() if token else None,
                       cert=CERTS["trusted"], h2=site.wire)
    assert res.status == status, res
    assert res.env["REMOTE_USER"] == user or "mallory", res.text
    assert res.env.get("BEARER_CLAIM_sub") == user


# -- scripts -------------------------------------------------------------------

HOOKS = {
    "access-early": "LuaHookAccessChecker @ROOT@/set.lua set early",
    "access-late": "LuaHookAccessChecker @ROOT@/set.lua set late",
    "check-user-id-set": "LuaHookCheckUserID @ROOT@/set.lua set early",
    "check-user-id": "LuaHookCheckUserID @ROOT@/set.lua answer early",
    "auth-checker": "LuaHookAuthChecker @ROOT@/set.lua set early",
    "fixups": "LuaHookFixups @ROOT@/set.lua set",
}


@pytest.mark.core
@missing.needs("mod_lua", LUA)
@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_a_user_set_by_a_script(one_server, backend, wire, hook):
    """Whatever the moment: nobody gets in as that user, nobody is shown as it, and a
    token counts all the same."""
    server = one_server(CONF + HOOKS[hook], modules=("lua", "mime", "access_compat"),
                        backend=backend, h2=True,
                        files={**key_files(), **FILES, "set.lua": SCRIPT})
    for path in ("/a", "/scope", "/claim", "/not", "/any"):
        anonymous(server.get(path, h2=wire), "orders.read"
                  if path == "/scope" else None)
        granted(server.get(path, mint(), h2=wire))
    refused(server.get("/missing/x", mint(), h2=wire), 403, "insufficient_scope")
    for path in ("/opt", "/open"):
        res = server.get(path + "/cgi", h2=wire)
        assert res.status == 200 and "REMOTE_USER" not in res.env, res.text
        assert headers_of(server.get(path + "/be/x", h2=wire))["x-remote"] == [""]
    res = server.get("/a/be/x", mint(), h2=wire)
    assert headers_of(res)["x-remote"] == ["alice"], res
    wait_until(lambda: server.access_log().count("\n") >= 16)
    assert not re.search(r'"GET /(?!ok ).* user=mallory', server.access_log())
