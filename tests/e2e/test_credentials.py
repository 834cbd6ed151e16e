# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Where a token may come from, which clients are allowed, who the user is."""
import base64
import os
import shutil
import subprocess

import pytest

from support import missing, secrets
from support.expect import (anonymous, granted, invalid, issuer_conf,
                            key_files, location, refused)
from support.httpd import SESSIONS
from support.issuer import headers_of
from support.tokens import mint

pytestmark = pytest.mark.core

TWO = issuer_conf() + issuer_conf(url="https://two.test/", name="two")


@pytest.fixture(scope="module")
def server(new_server, backend):
    return new_server(
        TWO + 'AuthBearerUserFormat "%u"\nAuthBearerClientID own-client\n'
        + location("/header")
        + location("/named", "AuthBearerTokenFrom header:X-Token")
        + location("/header-or-named", "AuthBearerTokenFrom header "
                   "header:X-Token")
        + location("/cookie", "AuthBearerTokenFrom cookie:tok")
        + location("/query", "AuthBearerTokenFrom query:tok")
        + location("/narrowed", "AuthBearerTokenFrom header header:X-Token\n"
                   "<If \"claim('sub') == 'alice'\">\n"
                   "AuthBearerTokenFrom header\n</If>")
        + location("/env", "AuthBearerTokenFrom env:TOKEN_HERE\n"
                   'SetEnvIf X-Via "(.+)" TOKEN_HERE=$1')
        + location("/basic", "AuthBearerTokenFrom header basic")
        + location("/basic-only", "AuthBearerTokenFrom basic:oauth2")
        + location("/basic-two", "AuthBearerTokenFrom basic:oauth2 basic:git")
        + location("/basic-scope", "AuthBearerTokenFrom basic", "scope x")
        + location("/basic-off", "AuthBearerTokenFrom basic\n"
                   "AuthBearerChallenge Off", "scope x")
        + location("/basic-too-off", "AuthBearerTokenFrom header basic\n"
                   "AuthBearerChallenge Off", "scope x")
        + location("/all", "AuthBearerTokenFrom header header:X-Token "
                   "cookie:tok query:tok basic")
        + location("/optional", "AuthBearerOptional On\n"
                   "AuthBearerTokenFrom header cookie:tok", "all granted")
        + location("/optional-user", "AuthBearerOptional On")
        + location("/optional-scope", "AuthBearerOptional On", "scope x")
        + location("/preflight", "AuthBearerPreflight pass")
        + location("/no-preflight")
        + location("/preflight-scope", "AuthBearerPreflight pass", "scope x")
        + location("/clients", "AuthBearerClients client-1 client-2")
        + location("/aud2", audience="api://test api://two")
        + location("/noaud", "AuthBearerNoAudience accept\n"
                   "AuthBearerClients client-1")
        + location("/noaud-refuse", "AuthBearerNoAudience refuse")
        + location("/format", 'AuthBearerUserFormat "%i/%u"')
        + location("/format-both", 'AuthBearerUserFormat "%u@%i"')
        + location("/age", "AuthBearerMaxTokenAge 10min\n"
                   "AuthBearerClockSkew 5s")
        + location("/age-off", "AuthBearerMaxTokenAge off")
        + issuer_conf("AuthBearerUserChars printable", "https://dn.test/",
                      "dn"),
        files=key_files("rs256"), backend=backend)


def basic(user, password):
    value = base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
    secrets.register(value)
    return {"Authorization": "Basic " + value}


# --- sources -----------------------------------------------------------------

def test_places_of_the_final_configuration(server):
    """The question of an <If> may have found a token where it may not be."""
    token = mint()
    granted(server.get("/narrowed/x", token), "alice")
    granted(server.get("/narrowed/x", headers={"X-Token": mint(sub="bob")}), "bob")
    refused(server.get("/narrowed/x", headers={"X-Token": token}), 401, None,
            "no_credential")


@pytest.mark.parametrize("path,make", [
    ("/header", lambda t: {"Authorization": "Bearer " + t}),
    ("/named", lambda t: {"X-Token": t}),
    ("/header-or-named", lambda t: {"Authorization": "Bearer " + t}),
    ("/header-or-named", lambda t: {"X-Token": t}),
    ("/cookie", lambda t: {"Cookie": "tok=" + t}),
    ("/cookie", lambda t: {"Cookie": "a=b; tok=%s; c=d" % t}),
    ("/env", lambda t: {"X-Via": t}),
    ("/basic", lambda t: {"Authorization": "Bearer " + t}),
    ("/basic", lambda t: basic("anybody", t)),
    ("/basic", lambda t: basic("", t)),
    ("/basic-only", lambda t: basic("oauth2", t)),
])
def test_source(server, path, make):
    granted(server.get(path, headers=make(mint())))
    invalid(server.get(path, headers=make(mint(aud="x"))), "audience")


def test_query(server):
    granted(server.get("/query?a=b&tok=%s&c=d" % mint()))
    granted(server.get("/query?tok=" + mint()))
    invalid(server.get("/query?tok=" + mint(aud="x")), "audience")
    anonymous(server.get("/query?token=" + mint()))
    refused(server.get("/query?tok="), 400, "invalid_request", "request")


@pytest.mark.parametrize("path,headers", [
    ("/named", {"Authorization": "Bearer @"}),
    ("/cookie", {"Authorization": "Bearer @"}),
    ("/header", {"X-Token": "@"}),
    ("/header", {"Cookie": "tok=@"}),
    ("/cookie", {"Cookie": "xtok=@"}),
    ("/cookie", {"Cookie": "TOK=@"}),
    ("/basic-only", {"Authorization": "Bearer @"}),
])
def test_other_sources_are_no_credential(server, path, headers):
    token = mint()
    refused(server.get(path, headers={
        name: value.replace("@", token) for name, value in headers.items()}),
        401, None, "no_credential")


def test_a_token_for_cloud_run_only(server):
    name = "X-Serverless-Authorization"
    refused(server.get("/header", headers={name: "Bearer " + mint()}), 401, None,
            "no_credential", log=[name, "Authorization"])


def test_basic_of_another_user(server):
    res = server.get("/basic-only", headers=basic("other", mint()))
    assert res.status == 401 and "error" not in res.challenge, res


def test_basic_is_offered(server):
    res = server.get("/basic")
    assert res.status == 401
    assert set(res.challenges) == {"Bearer", "Basic"}
    assert res.challenges["Basic"]["realm"] == "test"
    res = invalid(server.get("/basic", headers=basic("u", mint(aud="x"))),
                  "audience")
    assert "Basic" in res.challenges
    assert set(server.get("/header").challenges) == {"Bearer"}


BASIC, BARE = 'Basic realm="test"', 'Bearer realm="test"'


@pytest.mark.parametrize("path,wanted", [
    ("/basic", [BARE, BASIC]), ("/basic-only", [BASIC, BARE]),
    ("/basic-two", [BASIC, BARE]),
    ("/basic-scope", [BASIC, BARE + ', scope="x"']), ("/basic-off", [BASIC]),
    ("/basic-too-off", [BARE, BASIC]), ("/header", [BARE]),
])
def test_who_knows_basic_only_finds_it_first(server, path, wanted):
    """git, pip and container clients take the first challenge that they know."""
    assert server.get(path).all("WWW-Authenticate") == wanted
    # without sessions it is nobody's page
    for fields in [] if SESSIONS else SCRIPTS:
        assert server.get(path, headers=fields).all("WWW-Authenticate") == wanted


def test_basic_first_in_other_refusals(server):
    for path, fields, status, off in (
            ("basic", basic("u", mint(aud="x")), 401, 0),
            ("basic", basic("u", mint()), 403, 0), ("basic", {"Authorization": "Basic !!!"}, 400, 0),
            ("basic", basic("u", mint()), 403, 1)):
        res = server.get("/%s-%s" % (path, "off" if off else "scope"), headers=fields)
        assert res.status == status, res
        got = [value.split(" ")[0] for value in res.all("WWW-Authenticate")]
        assert got == (["Basic"] if off else ["Basic", "Bearer"]), res


#: What pages load by themselves.
SCRIPTS = [{"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Mode": "same-origin"},
           {"Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Mode": "websocket"},
           {"X-Requested-With": "XMLHttpRequest"},
           {"X-Requested-With": "xmlhttprequest"}]


@pytest.mark.parametrize("value", [
    "Basic", "Basic !!!", "Basic bm9jb2xvbg==",
    "Basic " + base64.b64encode(b"user:").decode(),
    "Basic " + base64.b64encode(b"user:a b").decode(),
    "Basic " + base64.b64encode(b"user:\xff\xfe\x00x").decode()])
def test_broken_basic(server, value):
    res = server.get("/basic", headers={"Authorization": value})
    assert res.status in (400, 401), res
    assert res.challenge.get("error") in (None, "invalid_request",
                                          "invalid_token")


TWICE = [
    [("Authorization", "Bearer @"), ("X-Token", "@")],
    [("Authorization", "Bearer @"), ("Cookie", "tok=@")],
    [("X-Token", "@"), ("Cookie", "tok=@")],
    [("X-Token", "@"), ("X-Token", "@")],
    [("Cookie", "tok=@; tok=@")],
    [("Cookie", "tok=@"), ("Cookie", "tok=@")],
    [("X-Token", "@, @")],
    [("X-Token", "")],
    [("X-Token", "a b")],
    [("X-Token", "Bearer {}")],
]


@pytest.mark.parametrize("headers", TWICE, ids=[str(i) for i in
                                                range(len(TWICE))])
def test_two_credentials_are_400(server, headers):
    token = mint()
    refused(server.get("/all", headers=[
        (name, value.replace("@", token)) for name, value in headers]), 400,
        "invalid_request", "request")


def test_query_and_header(server):
    refused(server.get("/all?tok=" + mint(), mint()), 400, "invalid_request",
            "request", "credential_count")


def test_backend_never_sees_the_credential(server):
    token = mint()
    for path, headers in (
            ("/all/be", {"X-Token": token}),
            ("/all/be", {"Cookie": "a=b; tok=" + token}),
            ("/all/be?x=y&tok=" + token, {}),
            ("/basic/be", basic("git", token)),
            ("/env/be", {"Authorization": "Bearer " + token,
                         "X-Via": token})):
        res = granted(server.get(path, headers=headers), None)
        seen = headers_of(res)
        if "X-Via" not in headers:
            assert token not in res.text, (path, res.text)
        assert "authorization" not in seen
        assert seen["x-forwarded-user"] == ["alice"]


# --- optional, preflight, CORS ----------------------------------------------

def test_optional(server):
    res = granted(server.get("/optional/env"), None)
    assert res.env["BEARER_METHOD"] == "anonymous"
    assert "REMOTE_USER" not in res.env
    granted(server.get("/optional", mint()))
    granted(server.get("/optional", headers={"Cookie": "tok=" + mint()}))
    for token in (mint(aud="x"), "garbage", mint("rs256-other")):
        assert server.get("/optional", token).status == 401
    refused(server.get("/optional", "{"), 400, "invalid_request")
    res = granted(server.get("/optional/env", headers={
        "Authorization": "Basic dXNlcjpwYXNzd29yZA=="}), None)
    assert res.env["BEARER_METHOD"] == "anonymous"


@pytest.mark.allow_log("AH01629: authorization failure")
def test_what_an_anonymous_may_is_a_matter_of_require(server):
    for path in ("/optional-user", "/optional-scope"):
        refused(server.get(path), 401, None, "no_credential")
        assert server.get(path, mint(scope="x")).status == 200


PREFLIGHT = {"Origin": "https://app.test",
             "Access-Control-Request-Method": "PUT"}


def test_preflight(server):
    for path in ("/preflight", "/preflight-scope"):
        res = server.request("OPTIONS", path + "/be", headers=PREFLIGHT)
        assert res.status == 200, res
        seen = headers_of(res)
        assert "x-forwarded-user" not in seen


@pytest.mark.parametrize("method,drop,add", [
    ("GET", None, {}), ("POST", None, {}), ("OPTIONS", "Origin", {}),
    ("OPTIONS", "Access-Control-Request-Method", {}),
    ("HEAD", None, {})])
def test_no_preflight_is_refused(server, method, drop, add):
    headers = {n: v for n, v in PREFLIGHT.items() if n != drop}
    res = server.request(method, "/preflight/be", headers=headers)
    assert res.status == 401, res


def test_preflight_with_a_credential_is_judged(server):
    res = server.request("OPTIONS", "/preflight/be", "garbage", PREFLIGHT)
    assert res.status == 401
    res = server.request("OPTIONS", "/preflight/be", mint(), PREFLIGHT)
    assert res.status == 200


def test_preflight_off_names_the_directive(server):
    res = server.request("OPTIONS", "/no-preflight/be", headers=PREFLIGHT)
    assert res.status == 401
    assert res.logged(None, "AuthBearerPreflight"), res


# --- clients, audiences ------------------------------------------------------

CLIENTS = [
    ({"client_id": "client-1"}, 1), ({"client_id": "client-2"}, 1),
    ({"client_id": "client-3"}, 0), ({"client_id": None}, 0),
    ({"azp": "client-1", "client_id": None}, 1),
    ({"azp": "client-1", "client_id": "other"}, 1),
    ({"azp": "other", "client_id": "client-1"}, 0),
    ({"appid": "client-1", "client_id": None}, 1),
    ({"cid": "client-1", "client_id": None}, 1),
    ({"client_id": "CLIENT-1"}, 0), ({"client_id": ""}, 0),
    ({"client_id": 1}, 0), ({"client_id": ["client-1"]}, 0),
]


@pytest.mark.parametrize("over,ok", CLIENTS)
def test_clients(server, over, ok):
    res = server.get("/clients", mint(**over))
    if ok:
        granted(res)
    else:
        assert res.status == 401 and res.challenge["error"] == \
            "invalid_token", res
        assert res.error in ("client", "malformed"), res


def test_client_must_be_named_beside_strange_audiences(server):
    """A token for us and for somebody else, of nobody in particular."""
    invalid(server.get("/header", mint(aud=["api://test", "x"],
                                       client_id=None)), "client", "azp")
    granted(server.get("/header", mint(aud=["api://test", "x"])))
    granted(server.get("/header", mint(aud=["api://test"], client_id=None)))
    granted(server.get("/aud2", mint(aud=["api://test", "api://two"],
                                     client_id=None)))


def test_no_audience(server):
    for aud in (None, [], ""):
        granted(server.get("/noaud", mint(aud=aud)))
        invalid(server.get("/noaud-refuse", mint(aud=aud)), "audience", "aud")
        invalid(server.get("/header", mint(aud=aud)), "audience", "aud")
    invalid(server.get("/noaud-refuse", mint(aud=None)),
            log="AuthBearerNoAudience")
    invalid(server.get("/noaud", mint(aud=None, client_id="x")), "client")
    invalid(server.get("/noaud", mint(aud="other")), "audience")


# --- users -------------------------------------------------------------------

def test_user_format(server):
    two = "https://two.test/"
    granted(server.get("/header", mint(iss=two)), "alice")
    granted(server.get("/format", mint()), "main/alice")
    granted(server.get("/format", mint(iss=two)), "two/alice")
    granted(server.get("/format-both", mint(iss=two)), "alice@two")


DN = "CN=Alice,OU=x;O=y"


def test_user_chars(server):
    granted(server.get("/header", mint(iss="https://dn.test/", sub=DN)), DN)
    invalid(server.get("/header", mint(sub=DN)), "identifier",
            log="AuthBearerUserChars")
    for sub in ("a\nb", "a\u202eb", "a\x7f", " a", "a\x85b"):
        invalid(server.get("/header", mint(iss="https://dn.test/", sub=sub)),
                "identifier")


def test_age(server):
    import time
    now = int(time.time())
    granted(server.get("/age", mint(iat=now - 590)))
    invalid(server.get("/age", mint(iat=now - 620)), "age", "age")
    res = server.get("/age", mint(iat=None))
    assert res.status == 401 and res.logged("AB0025|AB0026|AB0027", "AuthBearerMaxTokenAge"), res
    granted(server.get("/age-off", mint(iat=now - 10 ** 7)))
    granted(server.get("/age-off", mint(iat=None)))
    invalid(server.get("/age", mint(exp=now - 20)), "expired")
    granted(server.get("/age", mint(exp=now - 2)))


# --- clients that know only Basic -------------------------------------------

@pytest.fixture(scope="module")
def packages(new_server, tmp_path_factory):
    """A git repository and a Python package index behind Basic."""
    work = tmp_path_factory.mktemp("work")
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", HOME=str(work),
               GIT_CONFIG_SYSTEM="/dev/null", GIT_TERMINAL_PROMPT="0",
               no_proxy="127.0.0.1", NO_PROXY="127.0.0.1")
    server = new_server(
        issuer_conf() + location("/files/git", "AuthBearerTokenFrom basic")
        + location("/files/pypi", "AuthBearerTokenFrom basic")
        + '<Directory "@ROOT@/htdocs/files">\nDirectoryIndex index.html\n'
          "<Files index.html>\nForceType text/html\n</Files>\n"
          "</Directory>\n", files=key_files("rs256"))
    if shutil.which("git"):
        run(["git", "init", "-q", "-b", "main", str(work / "src")], env)
        (work / "src" / "README").write_text("hello\n")
        for command in (["add", "."], [
                "-c", "user.name=t", "-c", "user.email=t@t.test", "commit",
                "-qm", "one"]):
            run(["git", "-C", str(work / "src")] + command, env)
        bare = server.path("htdocs/files/git/repo.git")
        run(["git", "clone", "-q", "--bare", str(work / "src"), bare], env)
        run(["git", "-C", bare, "update-server-info"], env)
        subprocess.run(["chmod", "-R", "a+rX", server.path("htdocs")],
                       check=True)
    return server, env, work


def run(command, env, ok=True):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, text=True)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def with_password(server, path, token):
    return "http://oauth2:%s@127.0.0.1:%d%s" % (token, server.port, path)


@missing.needs("git", shutil.which("git"))
def test_git(packages):
    server, env, work = packages
    target = str(work / ("clone-" + server.mpm))
    run(["git", "clone", "-q", with_password(
        server, "/files/git/repo.git", mint()), target], env)
    with open(target + "/README") as f:
        assert f.read() == "hello\n"
    out = run(["git", "clone", "-q", with_password(
        server, "/files/git/repo.git", mint(aud="x")), target + "-2"], env,
        ok=False)
    assert "Authentication failed" in out or "401" in out


@missing.needs("pip3", os.path.exists("/usr/bin/pip3"))
def test_pip(packages):
    server, env, work = packages
    import io
    import zipfile
    wheel = io.BytesIO()
    name = "bearer_sample-1.0.dist-info/"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("bearer_sample.py", "x = 1\n")
        z.writestr(name + "METADATA",
                   "Metadata-Version: 2.1\nName: bearer-sample\nVersion: 1.0\n")
        z.writestr(name + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\n"
                   "Root-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(name + "RECORD", "")
    file = "bearer_sample-1.0-py3-none-any.whl"
    server.write("htdocs/files/pypi/bearer-sample/" + file, wheel.getvalue())
    server.write("htdocs/files/pypi/bearer-sample/index.html",
                 '<a href="%s">%s</a>' % (file, file))
    subprocess.run(["chmod", "-R", "a+rX", server.path("htdocs")], check=True)

    def pip(token, ok):
        return run(["/usr/bin/pip3", "download", "-q", "--no-deps",
                    "--no-cache-dir", "--isolated", "--index-url",
                    with_password(server, "/files/pypi/", token), "-d",
                    str(work / "pip"), "bearer-sample"],
                   dict(env, PIP_DISABLE_PIP_VERSION_CHECK="1",
                        PIP_NO_INPUT="1"), ok)
    pip(mint(), True)
    assert (work / "pip" / file).exists()
    pip(mint(aud="x"), False)
