# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Other modules' directives that AuthType Bearer cannot be beside: MergeTrailers On,
SSLOptions +FakeBasicAuth, ProxyRequests On. configtest finds them with file, line and
how to fix them; what it cannot see is 500 with the same text in the log."""
import re

import pytest

from support import certs
from support.clientcert import MODULES as TLS, WARNINGS, ClientCert
from support.expect import granted, issuer_conf, key_files, location, refused
from support.messages import message
from support.tokens import mint

pytestmark = pytest.mark.allow_log(*WARNINGS)

A = location("/a")
VHOST = "<VirtualHost *:%d>\nServerName v%d.test\n%s</VirtualHost>\n"
TRAILERS, FAKE = "MergeTrailers On", "SSLOptions +FakeBasicAuth"


def vhost(inside, n=1):
    return VHOST % (n, n, inside)


def where(directive, inside="", path="/a"):
    return '<%s "%s">\n%s\n</%s>\n' % (directive, path, inside, directive)


def bearer(path="/a", inside="", directive="Location"):
    text = location(path, inside)
    return text.replace("Location", directive)


#: name: (configuration, the directive whose line is named). "@" marks the line.
WRONG = {
    "trailers": (TRAILERS + " @\n" + A),
    "trailers-lower": ("mergetrailers on @\n" + A),
    "trailers-last-counts": ("MergeTrailers Off\n" + TRAILERS + " @\n" + A),
    "trailers-for-vhosts": (TRAILERS + " @\n" + vhost(A)),
    "trailers-of-vhost": (vhost(TRAILERS + " @\n" + A)),
    "trailers-of-vhost-section-of-main": (A + vhost(TRAILERS + " @\n")),
    "trailers-other-vhost-off": (
        TRAILERS + " @\n" + vhost("MergeTrailers Off\n" + A) + vhost(A, 2)),
    "trailers-in-ifmodule": (
        "<IfModule core.c>\n<IfModule !nothing.c>\n" + TRAILERS
        + " @\n</IfModule>\n</IfModule>\n" + A),
    "trailers-included": ('Include "@ROOT@/more.conf"\n' + A),
    "trailers-section-in-directory": (
        TRAILERS + " @\n" + bearer("@ROOT@/htdocs/files", directive="Directory")),
    "trailers-section-in-if": (
        TRAILERS + " @\n<Location />\n<If true>\nAuthType Bearer\n"
        "AuthBearerAudience api://test\nRequire valid-user\n</If>\n</Location>\n"),
    "fake": (bearer("/a", FAKE + " @")),
    "fake-alone": (bearer("/a", "SSLOptions StdEnvVars FakeBasicAuth @")),
    "fake-lower": (bearer("/a", "ssloptions +fakebasicauth @")),
    "fake-with-others": (bearer("/a", "SSLOptions +StdEnvVars +FakeBasicAuth @")),
    "fake-quoted": (bearer("/a", 'SSLOptions "+FakeBasicAuth" @')),
    "fake-of-server": (FAKE + " @\n" + A),
    "fake-of-server-for-vhosts": (FAKE + " @\n" + vhost(A)),
    "fake-of-vhost": (vhost(FAKE + " @\n" + A)),
    "fake-of-vhost-section-of-main": (A + vhost(FAKE + " @\n")),
    "fake-of-server-other-options": (
        FAKE + " @\n" + bearer("/a", "SSLOptions +StdEnvVars")),
    "fake-again": (
        "SSLOptions -FakeBasicAuth\n" + bearer("/a", FAKE + " @")),
    "fake-outer-location": (where("Location", FAKE + " @", "/") + A),
    "fake-outer-location-later": (A + where("Location", FAKE + " @", "/")),
    "fake-inner-location": (A + where("Location", FAKE + " @", "/a/b")),
    "fake-inner-location-of-vhost": (
        A + vhost(where("Location", FAKE + " @", "/a/b"))),
    "fake-outer-directory": (
        where("Directory", FAKE + " @", "@ROOT@/htdocs")
        + bearer("@ROOT@/htdocs/files", directive="Directory")),
    "fake-inner-directory-first": (
        where("Directory", FAKE + " @", "@ROOT@/htdocs/files")
        + bearer("@ROOT@/htdocs", directive="Directory")),
    "fake-in-files": (bearer("@ROOT@/htdocs", where("Files", FAKE + " @", "x"),
                             "Directory")),
    "fake-in-if": (bearer("/a", "<If true>\n" + FAKE + " @\n</If>")),
    "bearer-in-if": (where(
        "Location", FAKE + " @\n<If true>\nAuthType Bearer\nAuthBearerAudience "
        "api://test\n</If>\nRequire valid-user")),
    "fake-in-ifmodule": (bearer(
        "/a", "<IfModule ssl_module>\n" + FAKE + " @\n</IfModule>")),
    "forward-proxy": ("ProxyRequests On\n" + bearer("*", directive="Proxy").replace(
        "AuthType Bearer", "AuthType Bearer @")),
    "forward-proxy-match": (
        "ProxyRequests On\n" + bearer("^http:", directive="ProxyMatch").replace(
            "AuthType Bearer", "AuthType Bearer @")),
    "forward-proxy-of-vhost": (
        bearer("*", directive="Proxy").replace("AuthType Bearer", "AuthType Bearer @")
        + vhost("ProxyRequests On\n")),
    "forward-proxy-in-if": (
        "ProxyRequests On\n" + where(
            "Proxy", "<If true>\nAuthType Bearer @\nAuthBearerAudience api://test\n"
            "Require valid-user\n</If>", "*")),
}
RIGHT = {
    "trailers-off": "MergeTrailers Off\n" + A,
    "trailers-off-again": TRAILERS + "\nMergeTrailers Off\n" + A,
    "trailers-elsewhere": vhost(TRAILERS + "\n") + vhost(A, 2),
    "trailers-off-here": TRAILERS + "\n" + vhost("MergeTrailers Off\n" + A),
    "trailers-without-bearer": TRAILERS + "\n",
    "trailers-other-type": TRAILERS + "\n" + where(
        "Location", "AuthType None\nRequire all granted"),
    "fake-elsewhere": where("Location", FAKE, "/ab") + A,
    "fake-in-vhost-without": vhost(FAKE + "\n") + vhost(A, 2),
    "fake-switched-off": FAKE + "\n" + bearer("/a", "SSLOptions -FakeBasicAuth"),
    "fake-replaced": FAKE + "\n" + bearer("/a", "SSLOptions StdEnvVars"),
    "fake-only-last-counts": bearer("/a", "SSLOptions FakeBasicAuth StdEnvVars"),
    "fake-beside-other-type": A + where(
        "Location", FAKE + "\nAuthType None\nRequire all granted", "/a/b"),
    "fake-outer-directory-undone": (
        bearer("@ROOT@/htdocs/files", "SSLOptions -FakeBasicAuth", "Directory")
        + where("Directory", FAKE, "@ROOT@/htdocs")),
    "other-options": bearer("/a", "SSLOptions +StdEnvVars"),
    "reverse-proxy": "ProxyRequests Off\n" + bearer("http://127.0.0.1/",
                                                   directive="Proxy"),
    "forward-proxy-without": "ProxyRequests On\n" + A,
    "forward-proxy-elsewhere": vhost("ProxyRequests On\n") + vhost(
        bearer("*", directive="Proxy"), 2),
}


#: What is told of each, with its number in configtest only.
TRAILERS_ON = ("AB0801", "MergeTrailers On", "MergeTrailers Off")
FAKED = ("AB0802", "SSLOptions +FakeBasicAuth", "SSLOptions -FakeBasicAuth")
FORWARDING = ("AB0803", "ProxyRequests On", "ProxyRequests Off")


def says(name):
    return FORWARDING if name.startswith("forward") else \
        {"t": TRAILERS_ON, "f": FAKED, "b": FAKED}[name[0]]


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong(checker, name):
    conf = issuer_conf() + WRONG[name]
    included = "included" in name
    more = "\n%s @\n" % TRAILERS if included else ""
    lines = (more if included else conf).split("\n")
    line = [i for i, text in enumerate(lines, 1) if text.endswith(" @")][0]
    done = checker(conf.replace(" @\n", "\n"), modules=TLS, files={
        **key_files(), "more.conf": more.replace(" @\n", "\n")})
    assert done.status, done
    said, *values = says(name)
    found = re.findall(message(said, re.compile(r"(\S+):(\d+)"), *values), done.output)
    assert len(found) == 1, (found, done)
    path, number = found[0]
    assert path.endswith("more.conf" if included else "httpd.conf")
    if not included:
        with open(path) as f:
            line += f.read().split("\n").index("# --- test") + 1
    assert int(number) == line, (number, line, done)
    assert re.search(r"\((AuthType Bearer|ProxyRequests): \S+:\d+\)", done.output)
    assert all(len(text) < 420 for text in done.output.split("\n"))


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_right(checker, name):
    done = checker(issuer_conf() + RIGHT[name], modules=TLS, files=key_files())
    assert done.status == 0, done


# -- at the request ---------------------------------------------------------------

HTACCESS = ("AuthType Bearer\nAuthName x\nAuthBearerAudience api://test\n"
            "Require %s\n")


def closed(res, says):
    """500, and the log says what configtest would have said."""
    assert res.status == 500, res
    assert not res.challenges and res.logged("AB0060", *says[1:], level="error"), res
    return res


@pytest.mark.core
@pytest.mark.allow_log("AB0060 MergeTrailers")
def test_trailers_beside_htaccess(one_server, wire):
    """Open or not: who is let in must not be told of by trailers."""
    server = one_server(
        TRAILERS + "\n" + issuer_conf() + where(
            "Directory", "AllowOverride AuthConfig", "@ROOT@/htdocs/files"),
        h2=True, files={
            **key_files(), "htdocs/files/x": "x", "htdocs/files/open/x": "x",
            "htdocs/files/none/x": "x",
            "htdocs/files/.htaccess": HTACCESS % "valid-user",
            "htdocs/files/open/.htaccess": HTACCESS % "all granted",
            "htdocs/files/none/.htaccess": "AuthType None\nRequire all granted\n"})
    for path in ("/files/x", "/files/open/x"):
        closed(server.get(path, mint(), h2=wire), TRAILERS_ON)
        closed(server.get(path, h2=wire), TRAILERS_ON)
    assert server.get("/files/none/x", h2=wire).status == 200


@pytest.mark.core
@pytest.mark.allow_log("AB0060 +FakeBasicAuth")
@pytest.mark.parametrize("how", ["htaccess-options", "htaccess-type", "mixed"])
def test_fake_basic_auth(one_server, wire, how):
    """A .htaccess with one of them, and sections of different kinds. Without a
    certificate mod_ssl makes nothing up."""
    tls = ClientCert()
    parts = {
        "htaccess-options": (
            bearer("@ROOT@/htdocs/files", "AllowOverride Options", "Directory"), FAKE),
        "htaccess-type": (FAKE + "\n" + where(
            "Directory", "AllowOverride AuthConfig", "@ROOT@/htdocs/files"),
            HTACCESS % "valid-user"),
        "mixed": (bearer("@ROOT@/htdocs/files", directive="Directory") + where(
            "Location", FAKE, "/files"), ""),
    }
    conf, htaccess = parts[how]
    server = one_server(issuer_conf() + conf + tls.conf, modules=TLS, h2=True, files={
        **key_files(), **tls.files, "htdocs/files/x": "x",
        "htdocs/files/.htaccess": htaccess}, start=False)
    # what no .htaccess may say is said nowhere else
    server.rewrite("AllowOverride None\n", "")
    server.start()
    for cert in (certs.client("alice"), certs.client("alice", False)):
        for token in (mint(), None):
            closed(tls.get(server, "/files/x", token, cert, wire),
                   FAKED)
    assert tls.get(server, "/files/x", mint(), None, wire).status == 200
    refused(tls.get(server, "/files/x", None, None, wire), 401)


@pytest.mark.core
@pytest.mark.allow_log("AB0060 ProxyRequests")
def test_forward_proxy_by_pattern(one_server, backend, mpm):
    """A section that only the request shows to be a forward proxy's."""
    server = one_server("ProxyRequests On\n" + issuer_conf()
                        + bearer("^http:", directive="LocationMatch")
                        + location("/a"), files=key_files())
    before = len(backend.requests)
    for token in (mint(), None):
        closed(server.get(backend.url + "/x", token,
                          headers={"Host": backend.url[7:]}), FORWARDING)
    assert len(backend.requests) == before
    granted(server.get("/a", mint()))
