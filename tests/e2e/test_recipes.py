# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Each recipe of docs/guide/recipes.md is followed: httpd runs with its configuration,
a shell runs its commands as they stand there, and the answers have its statuses. The
same for the steps of docs/guide/start.md, the set-up of docs/guide/browsers.md and the
examples of docs/guide/migrating/; test_oathkeeper_flow.py has that of Oathkeeper.

Names of the page are real here: curl takes https://www.example.com to this httpd, on
TLS; httpd reaches https://idp.example.com/ by a proxy. `sudo` and `htbearer` are in a
directory of the test's own. What else a recipe claims, and what must not work, is in
the function of its title below."""
import json
import os
import re
import secrets as random
import shutil
import subprocess
import tempfile
from urllib.parse import parse_qs, urlsplit

import pytest

from support import certs, clientcert, missing, proofs, secrets, tokens
from support.backends import OwnRedis
from support.httpd import HTBEARER, HTTPD, SLOW, TOP, free_port, wait_until
from support.issuer import IssuerHost
from support.op import Provider
from support.proxy import Proxy

GUIDE = os.path.join(TOP, "docs", "guide")
WARNINGS = pytest.mark.allow_log(*clientcert.WARNINGS)
pytestmark = [pytest.mark.needs("curl", shutil.which("curl")), WARNINGS]

FENCED = re.compile(r"^```(apache|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AROUND = """
AuthBearerCAFile "{ca}"
AuthBearerHTTPProxy {proxy}
SSLSessionCache "shmcb:@ROOT@/run/tls(65536)"
SSLCertificateFile "@ROOT@/front.pem"
Listen 127.0.0.1:{tls}
Listen 127.0.0.1:{plain}
"""
#: Unless the recipe has hosts on TLS.
FRONT = """
<VirtualHost *:443>
    ServerName www.example.com
    {base}
    {inside}
</VirtualHost>
"""
BASE = "AuthBearerBaseURL https://www.example.com"
CURLRC = """
silent
noproxy = "*"
http1.1
max-time = {seconds}
cacert = "{ca}"
connect-to = "idp.example.com:443:127.0.0.1:{issuer}"
connect-to = ":443:127.0.0.1:{tls}"
"""


class Recipe:
    """A section of the page: configurations, and (command, status or None)."""

    def __init__(self, title, text):
        self.title, self.text = title, text
        blocks = FENCED.findall(text)
        self.confs = [conf for kind, conf in blocks if kind == "apache"]
        self.commands = []
        for kind, lines in blocks:
            if kind == "console":
                self.commands += commands(lines)

    @property
    def conf(self):
        return "\n".join(c for c in self.confs if not c.startswith("# .htaccess"))

    @property
    def htaccess(self):
        return "".join(c for c in self.confs if c.startswith("# .htaccess"))


def commands(lines):
    """[(command, status)]: `$ command`, and the first line of its answer."""
    out = []
    for line in lines.splitlines():
        if line.startswith("$ "):
            out.append((line[2:], None))
        else:
            status = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z ]+", line)
            assert status and out[-1][1] is None, line
            out[-1] = (out[-1][0], int(status.group(1)))
    return out


def recipes(text):
    return [Recipe(*part.split("\n", 1)) for part in re.split(r"(?m)^## ", text)[1:]]


def page(name):
    with open(os.path.join(GUIDE, name), encoding="utf-8") as file:
        return {recipe.title: recipe for recipe in recipes(file.read())}


RECIPES = page("recipes.md")


# --- what stands around a recipe ----------------------------------------------

class Issuers(IssuerHost):
    """https://NAME/, for any NAME below example.com."""

    WELL_KNOWN = {"/.well-known/oauth-authorization-server": "oauth",
                  "/.well-known/openid-configuration": "oidc"}

    def __init__(self):
        super().__init__(tls="good", names=("*.example.com",))

    def provider(self, name, *keys):
        self.url = "https://" + name
        made = Provider(self, name, *keys, client_id="orders-web")
        made.url = made.metadata["issuer"] = self.url + "/"
        return made

    def route(self, path, name=None):
        if path in self.WELL_KNOWN:
            return self.issuers.get(name), self.WELL_KNOWN[path]
        return super().route(path)


class Answer:
    """What curl -i printed."""

    def __init__(self, output):
        head, _, self.body = output.replace("\r\n", "\n").partition("\n\n")
        lines = head.split("\n")
        assert re.match(r"HTTP/1\.1 \d{3} ", lines[0]), output
        self.status = int(lines[0].split(" ")[1])
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    @property
    def user(self):
        return self.headers.get("x-test-user") or None

    def __repr__(self):
        return "<%d %s>\n%s" % (self.status, self.headers, self.body)


class Site:
    """A recipe with everything that it needs. follow() runs its commands."""

    def __init__(self, recipe, new_server, backend, hosts, proxy, redis=None):
        self.recipe, self.new_server, self.backend = recipe, new_server, backend
        self.hosts, self.proxy, self.redis = hosts, proxy, redis
        self.idp = hosts.issuers["idp.example.com"]
        self.ports = {"tls": free_port(), "plain": free_port()}
        self.followed = False
        self.environment = {}
        self.server = None
        self.secret = os.urandom(48)

    # -- the server

    def files(self):
        return {
            "front.pem": (certs.server("good", "*.example.com"), 0o600),
            "bearer/keys.json": tokens.jwks(*self.idp.keys),
            "bearer/client-secret": ("the-secret-of-the-client\n", 0o600),
            "bearer/secret": (self.secret, 0o600),
            "bearer/secret.new": (os.urandom(48), 0o600),
            "bearer/redis-password": ("the-password-of-redis\n", 0o600),
            "bearer/revoked": "",
            "htdocs/files/index.html": "ok\n",
            **({"htdocs/files/.htaccess": self.own(self.recipe.htaccess)}
               if self.recipe.htaccess else {}),
        }

    def own(self, text, root="@ROOT@"):
        """A text of the page with paths and addresses of this test."""
        for theirs, ours in (
                ("/etc/apache2/bearer", root + "/bearer"),
                ("/var/www/html", root + "/htdocs"),
                ("/var/log/apache2", root + "/logs"),
                ("/etc/apache2/apache2.conf", root + "/httpd.conf"),
                ("http://localhost/", "http://127.0.0.1:%s/" % (
                    self.server and self.server.port)),
                ("http://127.0.0.1:9000", self.backend.url),
                ("10.0.0.5", "127.0.0.1"),
                ("cache.example.com", "127.0.0.1:%s" % (self.redis and self.redis.port)),
                ("*:80>", "127.0.0.1:%d>" % self.ports["plain"]),
                ("*:443>", "127.0.0.1:%d>\n    SSLEngine On" % self.ports["tls"])):
            text = text.replace(theirs, ours)
        return text

    def conf(self, text=None):
        text = self.recipe.conf if text is None else text
        if "*:443" not in text:
            inside = "ProxyPass / http://127.0.0.1:%d/" % self.ports["plain"] \
                if "*:80" in text else ""
            text += FRONT.format(base=BASE, inside=inside)  # the port is this test's
        return AROUND.format(proxy=self.proxy.url, ca=self.hosts.ca, **self.ports) + self.own(text)

    def start(self, text=None, **kw):
        kw.setdefault("loglevel", "info auth_bearer:trace8")
        self.server = self.new_server(
            self.conf(text), modules=("ssl", "remoteip", *kw.pop("modules", ())), files=self.files(), **kw)
        self.server.write(".curlrc", CURLRC.format(
            ca=self.hosts.ca, issuer=self.hosts.port, seconds=30 * SLOW, **self.ports))
        self.server.write("bin/sudo", '#!/bin/sh\nexec "$@"\n', 0o755)
        os.symlink(HTBEARER, self.server.path("bin/htbearer"))
        return self

    def graceful(self, text):
        self.server.configure(self.conf(text))
        self.server.graceful()

    # -- requests

    def shell(self, command, code=0, **environment):
        root = self.server.root
        done = subprocess.run(
            ["sh", "-eu", "-c", self.own(command, root)], cwd=root,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW,
            env={"PATH": "%s/bin:%s" % (root, os.environ["PATH"]), "HOME": root,
                 "CURL_HOME": root, **self.environment, **environment})
        assert done.returncode == code, (command, done)
        return done.stdout.decode()

    def curl(self, arguments, **environment):
        return Answer(self.shell("curl -i " + arguments, **environment))

    def get(self, path, token=None, host="www.example.com"):
        if token is None:
            return self.curl("https://%s%s" % (host, path))
        return self.curl('-H "Authorization: Bearer $T" https://%s%s' % (host, path), T=token)

    def token(self, issuer=None, **over):
        over = {"aud": "api://orders", "scope": "orders.read", **over}
        return (issuer or self.idp).mint(**over)

    def answers(self, command, status):
        """The answer if it has this status."""
        answer = Answer(self.shell(command))
        return answer if answer.status == status else None

    def follow(self, token=None, **environment):
        """Runs the commands of the page; returns the answers."""
        self.environment = {"TOKEN": token or self.token(), **environment}
        answers, changed = [], False
        for command, status in self.recipe.commands:
            if status is None:
                self.shell(command)
                changed = True
                continue
            assert command.startswith("curl "), command
            answer = Answer(self.shell(command))
            if changed and answer.status != status:  # a change needs up to a second
                answer = wait_until(lambda: self.answers(command, status), 5, command)
            assert answer.status == status, (command, answer)
            answers.append(answer)
        self.followed = True
        return answers


#: Lines at level warn or above.
ALLOWED = {
    "Keys from a file": ["AB0254"],
    "Anonymous GET, token for POST": ["AH01629"],
    "Passwords beside tokens": ["AH01617", "AH01618"],
    "Revoke a token": ["AB0261"],
    "Rotate secrets": ["AB0763"],
    "Nothing to see after signing out": ["AB0763"],
}
CHECKS = {}


def recipe(title):
    def take(function):
        CHECKS[title] = function
        return function
    return take


@pytest.fixture(scope="module")
def hosts():
    made = Issuers()
    # One file for all servers: hosts share the keys that they fetch in the same way.
    with tempfile.NamedTemporaryFile(suffix=".pem") as ca:
        ca.write(certs.authority_pem())
        ca.flush()
        os.chmod(ca.name, 0o644)
        made.ca = ca.name
        made.provider("idp.example.com")
        made.provider("ci.example.com", "es256")
        yield made
    made.close()


@pytest.fixture(scope="module")
def proxy(hosts):
    made = Proxy(hosts.port)
    yield made
    made.close()


@pytest.fixture
def site(request, one_server, backend, hosts, proxy):
    for issuer in hosts.issuers.values():
        issuer.reset()
    return Site(RECIPES[request.param], one_server, backend, hosts, proxy)


def test_every_recipe_has_its_check():
    assert list(RECIPES) == list(CHECKS)
    assert len(RECIPES) == 18
    for one in RECIPES.values():
        assert one.confs and any(status for _, status in one.commands), one.title


@pytest.mark.parametrize("site", [
    pytest.param(title, marks=pytest.mark.allow_log(*ALLOWED.get(title, ())))
    for title in RECIPES], indirect=True)
def test_recipe(site):
    CHECKS[site.recipe.title](site)
    assert site.followed


@pytest.mark.parametrize("site", ["Keys from a file"], indirect=True)
@pytest.mark.parametrize("wrong", ["HTTP/1.1 403 Forbidden", "HTTP/1.1 401 Unauthorized"])
def test_a_wrong_status_is_found(site, wrong):
    """Otherwise the test above would prove nothing."""
    command, status = site.recipe.commands[0]
    assert status == 200
    site.recipe = Recipe("", "```apache\n%s```\n```console\n$ %s\n%s\n```\n" % (
        site.recipe.conf, command, wrong))
    site.start()
    with pytest.raises(AssertionError):
        site.follow()
    assert not site.followed


# --- the recipes ----------------------------------------------------------------

@recipe("Keys from a file")
def _keys(site):
    site.start()
    assert site.follow()[0].user == "alice"
    assert site.get("/orders", site.token(scope="other")).status == 403
    assert site.idp.count() == 0
    # another key, in a new file; an invalid file changes nothing
    newer = site.token(signer="rs256-newer")
    assert site.get("/orders", newer).status == 401
    site.server.write("bearer/keys.json", tokens.jwks("rs256-newer"))
    wait_until(lambda: site.get("/orders", newer).status == 200, 10, "the new keys")
    site.server.write("bearer/keys.json", "not JSON")
    site.server.wait_log("AB0254", "bearer/keys.json", seconds=10)
    assert site.get("/orders", newer).status == 200


@recipe("Require a role")
def _role(site):
    site.start()
    site.follow(site.token(realm_access={"roles": ["clerk"]}))
    assert site.get("/orders", site.token(realm_access={"roles": ["guest"]})).status == 403
    assert site.get("/orders", site.token(roles=["clerk"])).status == 403


@recipe("Accept two issuers")
def _two(site):
    ci = site.hosts.issuers["ci.example.com"]
    site.start()
    assert site.follow()[0].user == "alice@staff"
    assert site.follow(site.token(ci))[0].user == "alice@ci"
    only = site.recipe.conf.replace(
        "    Require", "    AuthBearerAcceptIssuer https://idp.example.com/\n    Require")
    assert only != site.recipe.conf
    site.graceful(only)
    assert site.get("/orders", site.token()).status == 200
    assert site.get("/orders", site.token(ci)).status == 401


@recipe("Opaque tokens")
def _opaque(site):
    good, nowhere, unknown = ("opaque-" + random.token_urlsafe(24) for _ in range(3))
    secrets.register(good, nowhere, unknown)
    answer = {"active": True, "sub": "alice", "scope": "orders.read",
              "client_id": "client-1"}
    site.idp.active = {good: {**answer, "aud": "api://orders"}, nowhere: answer}
    site.start()
    site.follow(good)
    asked = site.idp.last("introspect")
    assert asked.basic == ("orders-api", "the-secret-of-the-client")
    assert site.get("/orders", unknown).status == 401
    assert site.get("/orders", nowhere).status == 401


@recipe("Claims as headers")
def _headers(site):
    def seen(answer):
        return {name.lower(): value for name, value in json.loads(answer.body)["headers"]}
    site.start()
    token = site.token(department="sales", team="x")
    got = seen(site.follow(token)[0])
    assert got["x-shop-department"] == got["department"] == "sales"
    assert "x-shop-team" not in got
    forged = '-H "Authorization: Bearer $T" -H "X-Shop-department: forged" ' \
        '-H "X-Shop-team: forged" -H "Department: forged" https://www.example.com/orders'
    for one, value in ((token, "sales"), (site.token(), None)):
        got = seen(site.curl(forged, T=one))
        assert got.get("x-shop-department") == value
        assert (got.get("department") or None) == value
        assert "forged" not in got.values()
    # the pitfall
    site.graceful(site.recipe.conf.replace("Header set", "Header setifempty"))
    assert seen(site.curl(forged, T=token))["department"] == "forged"


@recipe("Container images, git and pip")
def _images(site):
    def offered():
        head = site.shell("curl -i https://www.example.com/v2/").partition("\r\n\r\n")[0]
        return re.findall("(?im)^www-authenticate: ([^\r]*)", head)
    site.start()
    site.follow()
    first, second = offered()
    assert first == 'Basic realm="images"' and second.startswith("Bearer ")
    assert site.get("/v2/", site.token()).status == 401
    # the pitfall
    site.graceful(site.recipe.conf.replace("From basic", "From header basic"))
    assert offered()[0].startswith("Bearer ")
    site.graceful(site.recipe.conf.replace(
        "From basic", "From basic\nAuthBearerChallenge Off"))
    assert offered() == [first]


@recipe("Anonymous GET, token for POST")
def _anonymous(site):
    site.start()
    anonymous, _ = site.follow()
    assert anonymous.user is None
    post = '-d item=1 -H "Authorization: Bearer $T" https://www.example.com/orders'
    writer = site.token(scope="orders.write")
    assert site.curl(post, T=writer).status == 200
    assert site.curl(post, T=site.token()).status == 403
    assert site.get("/orders", writer).user == "alice"
    assert site.get("/orders", site.token()).user == "alice"
    assert site.get("/orders", site.token(exp=1000)).status == 401


@recipe("Passwords beside tokens")
def _passwords(site):
    site.start(modules=("auth_basic", "authn_file", "authz_user"))
    by_password, by_token, wrong = site.follow()
    assert (by_password.user, by_token.user) == ("deploy", "alice")
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    assert site.get("/orders").headers["www-authenticate"].startswith("Bearer ")
    assert site.get("/orders", site.token(scope="other")).status == 403
    for attack in ("-H 'Authorization: Bearer x, Basic eA==' ", "-H 'Authorization: basic' ",
                   "-H 'Authorization: Bearer x' -u deploy:wrong ",
                   "-H 'Authorization: Basic eA==, Bearer x' "):
        assert site.curl(attack + "https://www.example.com/orders").status in (400, 401), attack


@recipe("Your own 401 page")
def _page(site):
    site.start()
    answer = site.follow()[0]
    assert answer.body == "ok\n"  # the page, as every page of this server
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert site.get("/orders", site.token()).status == 200
    refused = site.get("/orders", site.token(exp=1000))
    assert refused.status == 401 and refused.headers["x-test-error"]
    # the pitfall
    site.graceful(site.recipe.conf.replace(" /errors/", " https://www.example.com/errors/"))
    assert site.get("/orders").status == 401
    assert site.get("/orders").body != "ok\n"


@recipe("Virtual hosts with different audiences")
def _hosts(site):
    site.start()
    site.follow()
    billing = site.token(aud="api://billing")
    assert site.get("/", billing, "billing.example.com").status == 200
    assert site.get("/", billing, "orders.example.com").status == 401


@recipe("Behind a TLS proxy")
def _behind(site):
    site.start(throttle=True)
    site.follow()
    # the pitfall
    login = """AuthBearerSecretFile /etc/apache2/bearer/secret
AuthBearerClientID orders-web
AuthBearerClientSecret file:/etc/apache2/bearer/client-secret
""" + site.recipe.conf.replace("    Require", """    AuthBearerSession On
        AuthBearerLogin On
        Require""")
    without = re.sub(r" *AuthBearerBaseURL .*\n", "", login)
    assert without != login
    for text, port in ((login, ""), (without, ":%d" % site.ports["plain"]), (None, None)):
        site.graceful(text or site.recipe.conf)
        if text:
            to = site.curl('-H "Accept: text/html" https://www.example.com/orders')
            assert to.status == 302
            assert parse_qs(urlsplit(to.headers["location"]).query)["redirect_uri"] == [
                "https://www.example.com%s/.auth/callback" % port]
    env = site.curl('-H "Authorization: Bearer $T" -H "X-Forwarded-For: 203.0.113.7" '
                    "https://www.example.com/orders/env", T=site.token()).body
    assert "\nREMOTE_ADDR=203.0.113.7\n" in "\n" + env
    # one client's failures are its own
    def bad(address):
        return site.curl('-H "Authorization: Bearer $T" -H "X-Forwarded-For: %s" '
                         "https://www.example.com/orders" % address,
                         T=site.token(signer="rs256-forger", header={"kid": "rs256"},
                                      jti=random.token_hex(4))).status
    assert {bad("203.0.113.7") for _ in range(21)} == {401, 429}
    assert bad("203.0.113.8") == 401


@recipe("Tokens bound to a key")
def _bound(site):
    site.start()
    site.shell("htbearer keygen --alg ES256 --private client.jwk --public public.jwk")
    with open(site.server.path("client.jwk")) as file:
        jwk = json.load(file)
    jwk = jwk["keys"][0] if "keys" in jwk else jwk
    secrets.register(jwk["d"])
    site.follow(site.token(cnf={"jkt": proofs.thumbprint(jwk)}))
    assert site.get("/orders", site.token()).status == 401


@recipe("Revoke a token")
def _revoke(site):
    site.start()
    token, other = site.token(jti="1"), site.token(jti="2")
    assert site.get("/orders", token).status == 200
    site.follow(token)
    assert site.get("/orders", other).status == 200
    os.unlink(site.server.path("bearer/revoked"))
    wait_until(lambda: site.get("/orders", other).status == 503, 5, "closed access")


#: The user of docs/operations.md.
USER = "web on >the-password-of-redis ~bearer-* +get +mget +set +del +select +eval +pttl".split()


def _sign_in(site):
    """Cookies of a browser that went through a login, as curl's -b takes them."""
    site.shell("rm -f jar; curl -L -c jar -b jar -o page -H 'Accept: text/html' "
               "-H 'Sec-Fetch-Mode: navigate' https://www.example.com/app")
    with open(site.server.path("jar")) as jar:
        rows = [line.rstrip("\n").split("\t") for line in jar]
    cookies = ["%s=%s" % (row[5], row[6]) for row in rows if len(row) == 7]
    assert cookies, site.server.error_log()
    secrets.register(*(cookie.partition("=")[2] for cookie in cookies))
    return "; ".join(cookies)


@recipe("Rotate secrets")
def _rotate(site):
    middle = site.recipe.conf
    old = "AuthBearerSecretFile /etc/apache2/bearer/secret\n"
    new = "AuthBearerSecretFile /etc/apache2/bearer/secret.new\n"
    both = middle.split("\n", 1)[0] + "\n"
    assert both == old[:-1] + " " + new.split(" ")[1]
    turned = both.split(" ")[0] + " " + new.split(" ")[1][:-1] + " " + old.split(" ")[1]
    for store in ("", "AuthBearerSessionStore cookie\n"):
        site.start(middle.replace(both, old + store))
        cookie = _sign_in(site)
        for line in (both, turned):
            site.graceful(middle.replace(both, line + store))
            assert site.follow(COOKIE=cookie)[0].user == "alice@example.test"
        later = _sign_in(site)
        site.graceful(middle.replace(both, new + store))
        assert site.follow(COOKIE=later)[0].user == "alice@example.test"
        # the pitfall
        site.server.write("bearer/secret.new", os.urandom(48), 0o600)
        site.graceful(middle.replace(both, new + store))
        assert site.curl('-b "$C" https://www.example.com/app', C=later).status == 401
        site.server.stop()


@recipe("Nothing to see after signing out")
def _back(site):
    """test_browser_real.py: test_real_back presses the button."""
    site.start()
    answer, = site.follow(COOKIE=_sign_in(site))
    assert answer.user == "alice@example.test"
    assert answer.headers["cache-control"] == "private, no-store"


@recipe("Several hosts")
def _several(site):
    missing.need("redis-server", shutil.which("redis-server"))
    site.redis = OwnRedis(["--user", *USER])
    servers = []
    try:
        for _ in range(2):
            site.ports = {"tls": free_port(), "plain": free_port()}
            servers.append(site.start().server)
            site.follow()
        assert site.idp.count("jwks") == 1
    finally:
        for server in servers:
            server.stop()
        site.redis.close()


@recipe(".htaccess")
def _htaccess(site):
    site.start()
    site.follow()
    assert site.get("/files/", site.token(aud="api://billing")).status == 401
    # the pitfall
    site.graceful(site.recipe.conf.replace("AllowOverride AuthConfig", "AllowOverride None"))
    assert site.get("/files/").status == 200


@recipe("MCP resource")
def _mcp(site):
    url = "https://www.example.com/mcp"
    site.start()
    refused, metadata = site.follow()
    assert 'resource_metadata="https://www.example.com/.well-known/' \
        'oauth-protected-resource/mcp"' in refused.headers["www-authenticate"]
    document = json.loads(metadata.body)
    assert document["resource"] == url
    assert document["authorization_servers"] == ["https://idp.example.com/"]
    assert site.get("/mcp", site.token(aud=url)).status == 200
    assert site.get("/mcp", site.token()).status == 401


# --- start.md -------------------------------------------------------------------

def _run(site, command, status):
    """A command of start.md; the variable that it sets is kept."""
    variable = re.match(r"(\w+)=\$\(.*\)$", command)
    if variable:
        name = variable.group(1)
        site.environment[name] = site.shell(command + '; printf %%s "$%s"' % name)
        secrets.register(site.environment[name])
        return None
    output = site.shell(command)
    if status is None:
        return output
    answer = Answer(output)
    assert answer.status == status, (command, answer)
    return answer


def test_start(one_server, backend, hosts, proxy):
    """Everything but the installation, which tests/build/test_install.sh tries."""
    steps = page("start.md")
    titles = [title for title in steps if re.match(r"\d\. ", title)]
    assert len(titles) == 5
    protect, token, log = (steps[title] for title in titles[1:4])
    site = Site(protect, one_server, backend, hosts, proxy)
    site.start(start=False)
    for name in ("a2enconf", "apachectl"):
        site.server.write("bin/" + name, "#!/bin/sh\nexit 0\n", 0o755)
    site.server.write("bin/apache2ctl", '#!/bin/sh\nexec %s "$@"\n' % HTTPD, 0o755)
    shutil.rmtree(site.server.path("bearer"))
    for command, status in protect.commands:
        _run(site, command, status)
    site.server.configure(site.conf())
    site.server.start()
    (_, _), (_, granted), (_, refused) = token.commands
    assert (granted, refused) == (200, 401)
    answers = [_run(site, *one) for one in token.commands]
    assert answers[1].user == "alice"
    other, denied, tail, *explain = log.commands
    _run(site, *other)
    assert _run(site, *denied).headers["x-test-check"] == "aud"
    last = _run(site, *tail)
    shown = re.search(r"(?m)^    (AB\d{4}: .*), …$", log.text).group(1)
    assert shown in last, (shown, last)
    assert [command.partition("|")[2].split()[:3] for command, _ in explain] == [
        ["sudo", "htbearer", "explain"]]
    assert "api://orders" in site.shell(explain[0][0], code=1)


# --- browsers.md ----------------------------------------------------------------

def test_browsers(one_server, backend, hosts, proxy):
    """The set-up, in its order; the URIs are those that the issuer is given. The port
    of this test is hidden as a proxy that terminates TLS hides one."""
    idp = hosts.issuers["idp.example.com"]
    idp.reset()
    idp.offer(end_session_endpoint="end")
    setup = page("browsers.md")["Set it up"]
    register = dict(re.findall(r"(?m)^   \| (.* URI) \| `(.*)` \|$", setup.text))
    assert len(register) == 4
    site = Site(setup, one_server, backend, hosts, proxy)
    assert "add `%s`" % BASE in setup.text
    site.start(start=False)
    secret = site.server.path("bearer/secret")
    os.unlink(secret)
    (make, _), *requests = setup.commands
    site.shell(make)
    assert os.stat(secret).st_mode & 0o077 == 0
    checked = site.server.configtest()
    assert checked.status == 0 and not checked.says("AB0751"), checked
    site.server.start()
    answers = [_run(site, *one) for one in requests]
    assert [one.status for one in answers] == [302, 401]
    to = answers[0].headers["location"]
    assert to.startswith("https://idp.example.com/")
    assert parse_qs(urlsplit(to).query)["redirect_uri"] == [register["redirect URI"]]
    cookie = _sign_in(site)
    with_cookie = '-b "$C" https://www.example.com'
    assert site.curl(with_cookie + "/app", C=cookie).user == "alice@example.test"
    assert site.get("/app", site.token()).status == 401
    assert site.curl("-X POST " + register["back-channel logout URI"]).status == 400
    assert site.curl(register["or front-channel logout URI"]).status == 200
    out = site.curl("-H 'Sec-Fetch-Site: same-origin' " + with_cookie + "/.auth/logout",
                    C=cookie)
    query = parse_qs(urlsplit(out.headers["location"]).query)
    assert query["post_logout_redirect_uri"] == [register["post-logout redirect URI"]]
    assert site.curl(with_cookie + "/app", C=cookie).status == 401
    del idp.metadata["end_session_endpoint"]


# --- migrating/ -----------------------------------------------------------------

def environment(site, path, token=None, arguments=""):
    """Variables of a CGI behind the example."""
    answer = site.curl(arguments + ' -H "Authorization: Bearer $T" https://www.example.com'
                       + path, T=token or site.token())
    assert answer.status == 200, answer
    return dict(line.partition("=")[::2] for line in answer.body.splitlines())


@pytest.fixture
def example(one_server, backend, hosts, proxy):
    """example(page, title) is a started site. Its issuer has keys at its own path."""
    idp = hosts.issuers["idp.example.com"]
    idp.reset()

    def start(name, title):
        site = Site(page("migrating/%s.md" % name)[title], one_server, backend, hosts, proxy)
        return site.start(site.recipe.conf.replace(
            "https://idp.example.com/jwks", idp.metadata["jwks_uri"]))
    return start


def test_migrating_from_oauth20(example):
    site = example("mod_auth_openidc", "`AuthType oauth20`")
    opaque, other = ("opaque-" + random.token_urlsafe(24) for _ in range(2))
    secrets.register(opaque, other)
    claims = {"active": True, "sub": "alice", "client_id": "client-1", "aud": "api://orders"}
    site.idp.active = {opaque: {**claims, "scope": "orders.read"}, other: claims}
    assert site.follow(opaque)[0].user == "alice"
    assert site.follow()[0].user == "alice"  # a JWT
    assert environment(site, "/orders/env", opaque)["OIDC_CLAIM_scope"] == "orders.read"
    assert site.get("/orders", other).status == 403
    assert site.get("/orders").status == 401


@pytest.mark.allow_log("AH01629")
def test_migrating_from_openid_connect(example):
    site = example("mod_auth_openidc", "`AuthType openid-connect`")
    away, _ = site.follow()
    assert away.headers["location"].startswith("https://idp.example.com/")
    # OIDCUnAuthAction pass
    optional = site.recipe.conf.replace("    AuthBearerLogin On\n",
                                        "    AuthBearerOptional On\n")
    for rule, status in (("all granted", 200), ("valid-user", 401)):
        site.graceful(optional.replace("Require valid-user", "Require " + rule))
        assert site.curl('-H "Accept: text/html" https://www.example.com/app').status == status


def test_migrating_from_mod_oauth2(example):
    site = example("mod_oauth2", "Example")
    token = site.token(username="alice.smith")
    assert site.follow(token)[0].user == "alice.smith"
    assert environment(site, "/orders/env", token)["OAUTH2_CLAIM_username"] == "alice.smith"
    assert site.curl('-b "orders_token=$T" https://www.example.com/orders',
                     T=token).status == 200
    assert site.curl('-b "orders_token=$T" -H "Authorization: Bearer $T" '
                     "https://www.example.com/orders", T=token).status == 400
    assert site.get("/orders", site.token(username="x", scope="other")).status == 403


def test_migrating_from_traefik(example):
    site = example("traefik", "Example")
    staff = {"roles": ["staff"], "email": "alice@example.com", "email_verified": True}
    assert site.follow(site.token(**staff))[0].user == "alice"
    for wrong in ({"roles": []}, {"email_verified": False}, {"email": "alice@example.com.org"}):
        assert site.get("/", site.token(**{**staff, **wrong})).status == 403, wrong
    assert site.curl("https://www.example.com/").status == 401
