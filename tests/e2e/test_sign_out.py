# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Where a person lands after signing out, what the issuer is told, and that nothing in
a request decides either of them."""
import urllib.parse

import pytest

from support.browsing import SECRETS, conf, op, signed_in, site, store  # noqa: F401
from support.expect import section
from support.op import FROM_HERE, NAVIGATE, Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")

OUT = "/.auth/logout"
EVIL = ["https://evil.test/", "//evil.test/", "/\\evil.test", "/%5cevil.test",
        "/%2f%2fevil.test", "/.auth/../\\evil.test", "javascript:alert(1)",
        "http://user@evil.test/", "/x\r\nLocation: https://evil.test/", "", "/app/x"]
NAMES = ["to", "return", "url", "next", "returnTo", "state", "iss", "redirect_uri",
         "logout_uri", "post_logout_redirect_uri", "issuer"]


@pytest.fixture(autouse=True)
def endpoints(op):  # noqa: F811
    op.offer(end_session_endpoint="end", revocation_endpoint="revoke")


def test_a_page_of_ones_own(site, op, store):  # noqa: F811
    """The browser comes back from the issuer to this server, which sends it on."""
    server = site("AuthBearerSessionStore %s\nAuthBearerLogout to=/bye?a=1 ui_locales=fr "
                  "returnTo=https://www.example.com/x" % store)
    browser = Browser(server)
    signed_in(browser)
    browser.go(OUT, headers=FROM_HERE)
    end, back, landed = browser.trail[1:]
    assert end.startswith(op.url + "/end?")
    assert (back, landed) == (server.url + OUT, server.url + "/bye?a=1")
    assert op.ended.pop("id_token_hint").count(".") == 2
    assert op.ended == {"client_id": "app", "post_logout_redirect_uri": server.url + OUT,
                        "ui_locales": "fr", "returnTo": "https://www.example.com/x"}
    assert browser.navigate("/app/x").status == 302
    # without a session it is the same page, and nobody is asked
    res = Browser(server).navigate(OUT)
    assert (res.status, res.get("Location")) == (303, server.url + "/bye?a=1")
    assert res.get("Cache-Control") == "no-store"


def test_the_page_of_the_endpoint(site, op):  # noqa: F811
    """The section of the path counts, whole, over the server's line; no other does."""
    server = site("AuthBearerLogout to=/bye ui_locales=fr", end=section(
        "/.auth", "AuthBearerLogout to=https://www.example.com/out?b=2 issuer=off")
        + section(OUT, "AuthBearerSession On"))
    browser = Browser(server)
    signed_in(browser)
    before = op.count("end")
    res = browser.send("GET", OUT, FROM_HERE)
    assert (res.status, res.get("Location")) == (303, "https://www.example.com/out?b=2")
    assert op.count("end") == before
    assert browser.navigate("/app/x").status == 302


def test_nothing_in_a_request_decides_where_it_leads(site, op):  # noqa: F811
    server = site("AuthBearerLogout to=/bye")
    kept = Browser(server)
    signed_in(kept)
    for to in EVIL:
        query = urllib.parse.urlencode([(name, to) for name in NAMES])
        fields = {"Referer": to.replace("\r\n", ""), "X-Forwarded-Host": "evil.test",
                  "Forwarded": "host=evil.test"}
        for asked in (OUT + "?" + query, OUT + "?to=" + urllib.parse.quote(to, "/:@%")):
            res = Browser(server).get(asked, {**NAVIGATE, **fields}, host="evil.test")
            assert res.get("Location") == server.url + "/bye", asked
        browser = kept.clone()
        res = browser.get(OUT + "?" + query, {**FROM_HERE, **fields}, host="evil.test")
        url = urllib.parse.urlsplit(res.get("Location"))
        assert url._replace(query="").geturl() == op.url + "/end"
        asked = dict(urllib.parse.parse_qsl(url.query))
        assert asked.pop("id_token_hint")
        assert asked == {"client_id": "app", "post_logout_redirect_uri": server.url + OUT}
        kept = Browser(server)
        signed_in(kept)


BASE = "https://www.example.com"


@pytest.mark.parametrize("line, said", [
    ("to=bye", ["AB0667", "'bye'"]), ("to=//evil.test/", ["AB0667"]),
    ("to=/a\\\\b", ["AB0667"]), ("to=", ["AB0667"]), ("to=javascript:alert(1)", ["AB0667"]),
    ("to=https://u:p@evil.test/", ["AB0667"]), ("issuer=no", ["AB0503", "'no'"]),
    ("id_token_hint=x", ["AB0668", "id_token_hint"]), ("Client_ID=x", ["AB0668"]),
    ("post_logout_redirect_uri=https://evil.test/", ["AB0668"]), ("state=x", ["AB0668"]),
    ("logout_uri", ["AB0668", "NAME=VALUE"]),
    ("to=/.auth/logout?x", ["AB0841"]), ("to=%s/.auth/logout" % BASE, ["AB0841"])])
def test_what_the_directive_refuses(checker, op, line, said):  # noqa: F811
    for end in ("", "/.auth/logout", "/"):
        line_ = "AuthBearerLogout " + line
        done = checker(conf(op, base=BASE, more="" if end else line_,
                            end=section(end, line_) if end else ""), files=SECRETS)
        assert done.status != 0 and done.says(*said), (end, done)


def test_where_the_directive_counts(checker, op):  # noqa: F811
    line = "AuthBearerLogout to=/bye logout_uri=x"
    for end, counts in ((section(OUT, line), 1), (section("/", line), 1), (section("/app", line), 0),
                        ("<Directory />\n%s\n</Directory>" % line, 0)):
        done = checker(conf(op, base=BASE, end=end), files=SECRETS)
        assert done.status == 0 and bool(done.says("AB0840")) != counts, (end, done)
    done = checker(conf(op, base=BASE, more=line), "-D", "DUMP_BEARER", files=SECRETS)
    assert "    AuthBearerLogout to=/bye issuer=on logout_uri=x\n" in done.output
