# Licensed under the Apache License, Version 2.0; see LICENSE.
"""SetHandler bearer-status, mod_status' section, the request's id in the log, and
traceparent."""
import json
import os
import re
import subprocess
import time

import pytest

from support import tokens
from support.expect import granted, issuer_conf, location
from support.httpd import TOP, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def issuer(issuers):
    return issuers.issuer("status", "rs256", "es256")


@pytest.fixture(scope="module")
def server(new_server, issuer):
    return new_server("""
<AuthBearerIssuer %s main>
</AuthBearerIssuer>
AuthBearerRevocations "file:@ROOT@/revoked"
%s
%s
<Location "/bearer-status">
    SetHandler bearer-status
    Require ip 127.0.0.1
</Location>
<Location "/guarded-status">
    SetHandler bearer-status
    AuthType Bearer
    AuthBearerAudience %s
    AuthBearerThrottle off
    Require role admin
</Location>
<Location "/server-status">
    SetHandler server-status
</Location>
""" % (issuer.url, location("/a", "AuthBearerThrottle off"),
       location("/b", "AuthBearerThrottle threshold=2 window=60s penalty=60s"),
       tokens.AUD), modules=("status", "unique_id"), children=2,
        files={"revoked": "token %s 0\n" % ("0" * 64)}, throttle=True)


def status(server):
    res = server.get("/bearer-status?format=json")
    assert res.status == 200, res
    assert res.get("Content-Type") == "application/json"
    assert res.get("Cache-Control") == "no-store"
    return json.loads(res.body)


def count(server, issuer, reason):
    return sum(r["total"] for r in status(server)["refusals"]
               if (r["issuer"], r["reason"]) == (issuer, reason))


def test_refusals_by_issuer_and_reason_over_all_children(server, issuer):
    before = count(server, "main", "aud"), count(server, "", "no_credential")
    for _ in range(12):
        server.get("/a", issuer.mint(aud="account"))
        server.get("/a")
    assert count(server, "main", "aud") == before[0] + 12
    assert count(server, "", "no_credential") == before[1] + 12
    row = [r for r in status(server)["refusals"] if r["reason"] == "aud"][0]
    assert row["category"] == "audience"
    assert 12 <= row["minute"] <= row["hour"] <= row["total"]


def test_no_label_comes_from_a_client(server, issuer):
    server.get("/a", tokens.mint(iss="https://evil.test/x", kid="evil"))
    text = server.get("/bearer-status?format=prometheus").body.decode()
    assert "evil" not in text
    assert {r["issuer"] for r in status(server)["refusals"]} <= {"", "main"}


def test_granted_and_keys(server, issuer):
    before = status(server)["issuers"][0]["granted"]
    for _ in range(3):
        assert server.get("/a", issuer.mint(aud=tokens.AUD)).status == 200
    # a child shows the keys that it has: ask until one does that was asked
    one = wait_until(lambda: next((i for i in status(server)["issuers"]
                                   if i["keys"]["list"]), None),
                     what="a page of the child that has the keys")
    assert one["granted"] == before + 3
    assert (one["name"], one["url"]) == ("main", issuer.url)
    assert [(k["kid"], k["type"], k["bits"]) for k in one["keys"]["list"]] == [
        ("rs256", "RSA", 2048), ("es256", "EC", 256)]
    assert one["keys"]["fetched"] and one["keys"]["due"] > one["keys"]["fetched"]
    assert one["keys"]["last_error"] == ""


def test_caches_are_summed_up(server, issuer):
    token = issuer.mint(aud=tokens.AUD)
    before = status(server)["tokens"]["hits"]
    for _ in range(20):
        server.get("/a", token)
    wait_until(lambda: status(server)["tokens"]["hits"] >= before + 10, 30,
               "hits are told")
    kept = status(server)["tokens"]
    assert kept["children"] >= 1 and kept["used"] >= 1 and kept["bytes"] > 0


def test_unknown_kid_and_throttle(server, issuer):
    granted(server.get("/a", issuer.mint()))
    before = status(server)
    for i in range(3):
        server.get("/b", issuer.mint(signer="rs256-2", aud=tokens.AUD,
                                    header={"kid": "k%d" % i}))
    after = status(server)
    one = after["issuers"][0]
    assert one["fetches"]["unknown_kid"] >= 1
    assert one["fetches"]["ok"] >= 2
    assert after["throttle"]["started"] == before["throttle"]["started"] + 1
    assert after["throttle"]["penalised"] == 1
    assert after["revocations"] == {"configured": True, "closed": False,
                                    "entries": 1}


def test_workers_that_wait(server):
    """None does; half of all may."""
    waiting = status(server)["waiting"]
    assert waiting.pop("limit") >= 1
    assert waiting == {"now": 0, "services": 0, "cache": 0}


def test_page(server):
    res = server.get("/bearer-status")
    assert res.get("Content-Type").startswith("text/html")
    assert "default-src 'none'" in res.get("Content-Security-Policy")
    assert res.get("X-Content-Type-Options") == "nosniff"
    page = res.body.decode()
    assert "<script" not in page and "http-equiv" not in page
    assert "main" in page and "Refusals" in page
    assert server.request("POST", "/bearer-status").status == 405


def test_prometheus_is_well_formed(server):
    res = server.get("/bearer-status?format=prometheus")
    assert res.get("Content-Type").startswith("text/plain; version=0.0.4")
    families = set()
    for line in res.body.decode().splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in families
            families.add(name)
        elif not line.startswith("#"):
            assert re.fullmatch(
                r'auth_bearer_[a-z0-9_]+(\{([a-z]+="[^"\\]*",?)+\})? [0-9.]+',
                line), line
    assert {"auth_bearer_refused_total", "auth_bearer_keys_age_seconds",
            "auth_bearer_introspection_seconds"} <= families


def test_every_metric_is_documented_and_every_documented_one_is_there(server,
                                                                     issuer):
    server.get("/a", issuer.mint(aud=tokens.AUD))
    server.get("/a")
    text = server.get("/bearer-status?format=prometheus").body.decode()
    there = {line.split()[2]: line.split()[3] for line in text.splitlines()
             if line.startswith("# TYPE ")}
    with open(os.path.join(TOP, "docs", "reference", "metrics.md"), encoding="utf-8") as f:
        page = f.read()
    rows = dict(re.findall(r"^\| `(auth_bearer_\w+)` \| (.*?) \|", page, re.M))
    assert set(rows) == set(there)
    for name, labels in rows.items():
        seen = set()
        for line in text.splitlines():
            if re.match(name + r"(_bucket)?\{", line):
                seen |= set(re.findall(r'([a-z]+)="', line))
        assert seen == set(re.findall(r"`(\w+)`", labels)), name


def test_require_restricts_it(server, issuer):
    assert server.get("/guarded-status").status == 401
    assert server.get("/guarded-status", issuer.mint(aud=tokens.AUD)).status == 403
    assert server.get("/guarded-status", issuer.mint(
        aud=tokens.AUD, roles=["admin"])).status == 200


def test_mod_status_has_a_section(server, issuer):
    # every child has the keys, whichever tells of them
    wait_until(lambda: server.get("/a", issuer.mint()).status == 200 and re.search(
        r"^BearerIssuerKeys\[main\]: 2$",
        server.get("/server-status?auto").text, re.M), what="keys")
    page = server.get("/server-status").body.decode()
    assert "<h1>mod_auth_bearer</h1>" in page and page.rstrip().endswith("</html>")
    auto = server.get("/server-status?auto").body.decode()
    assert re.search(r"^BearerRefused: [0-9]+$", auto, re.M)
    assert re.search(r"^BearerIssuerKeys\[main\]: 2$", auto, re.M)


def test_counters_survive_a_graceful_restart(server, issuer):
    server.get("/a")
    before = count(server, "", "no_credential")
    first = status(server)
    server.graceful()
    assert count(server, "", "no_credential") >= before
    assert status(server)["since"] == first["since"]
    assert status(server)["configuration"] == first["configuration"]


def test_the_version_that_runs_is_that_of_htbearer(server):
    told = subprocess.run([os.environ["HTBEARER"], "--version"], capture_output=True, text=True,
                          check=True, timeout=60).stdout
    version = status(server)["version"]
    assert told.startswith("htbearer %s " % version) and re.match(r"\d+\.\d+\.\d+", version)
    assert 'auth_bearer_info{version="%s",' % version in server.get(
        "/bearer-status?format=prometheus").text


def test_log_lines_carry_the_request_id(server, issuer):
    res = server.get("/a", issuer.mint(aud="account"))
    line = res.logged("AB0019")[0]
    assert re.search(r", request [A-Za-z0-9@_-]{27}$", line.text), line


@pytest.mark.allow_log("AB0205", "AH01629: authorization failure")
def test_every_line_of_a_request_carries_it(one_server, issuers):
    """Whatever a request is refused for, and whoever in here says so."""
    issuer = issuers.issuer("every-line", "rs256")
    issuer.script("introspect", status=500)
    server = one_server("""
<AuthBearerIssuer %s main>
    AuthBearerKeys "file:@ROOT@/jwks.json"
    AuthBearerIntrospection %s
    AuthBearerClientAuth none
    AuthBearerClientID orders-api
</AuthBearerIssuer>
AuthBearerRevocations "file:@ROOT@/revoked"
%s%s%s""" % (issuer.url, issuer.introspect_url,
             location("/a", "AuthBearerThrottle threshold=3 window=60s penalty=2s",
                      require="scope orders.read"),
             location("/b", "AuthBearerOptional On"),
             location("/open", require="all granted")),
        modules=("unique_id",), without=("watchdog",), throttle=True,
        files={"revoked": "", "jwks.json": tokens.jwks("rs256")})
    tried = [None, "opaque", "a.b.c", issuer.mint(), issuer.mint(aud="x"),
             issuer.mint(scope="x"), issuer.mint(exp=1), issuer.mint(nonce="n", scope=None),
             issuer.mint(sub="a,b"), issuer.mint("rs256-2"),
             issuer.mint(raw_header="{"), issuer.mint(iss="https://x.test/")]
    seen = 0
    for path in ("/b", "/open", "/a", "/b/be", "/a/env"):
        for token in tried:
            for line in server.get(path, token).log:
                if line.module == "auth_bearer":
                    assert re.search(r", request [A-Za-z0-9@_-]{27}$",
                                     line.text), line
                    seen += 1
    assert seen > 40


def test_without_unique_id_there_is_none(one_server):
    server = one_server(issuer_conf() + location("/a"),
                        files={"jwks.json": tokens.jwks("rs256")})
    line = server.get("/a").logged("AB0002")[0]
    assert ", request " not in line.text


@pytest.mark.allow_log("AB0205")
def test_what_is_done_for_a_token_judged_ahead_has_it_too(one_server):
    """claim() where Require asks for nobody."""
    server = one_server("""
AuthBearerIssuer http://127.0.0.1:1/
%s
Header always set X-Alice yes "expr=claim('sub') == 'alice'"
""" % location("/a", require="all granted"), modules=("unique_id",))
    res = server.get("/a", tokens.mint(iss="http://127.0.0.1:1/"))
    assert res.status == 200
    line = res.logged("AB0015|AB0205", "http://127.0.0.1:1/")[0]
    assert re.search(r", request [A-Za-z0-9@_-]{27}$", line.text), line


def fetch_for(one_server, issuers, name, **headers):
    """What a request to the issuer carried that a request of ours caused."""
    issuer = issuers.issuer(name, "rs256")
    server = one_server("""
AuthBearerIssuer %s
AuthBearerKeysRefresh min=1s max=24h stale=24h
%s""" % (issuer.url, location("/a")))
    assert server.get("/a", issuer.mint(aud=tokens.AUD)).status == 200
    issuer.keys += ["rs256-2"]
    wait_until(lambda: server.get(
        "/a", issuer.mint(signer="rs256-2", aud=tokens.AUD),
        headers=headers).status == 200, 20, "the new key is fetched")
    return issuer.last("jwks").headers, server


def test_traceparent_goes_on_to_the_issuer(one_server, issuers):
    seen, _ = fetch_for(one_server, issuers, "traced", traceparent=TRACE)
    assert seen.get("traceparent") == TRACE


@pytest.mark.parametrize("value", [
    None, "x", TRACE.replace("00-", "ff-", 1), TRACE.upper(), TRACE + "-more",
    TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32)])
def test_what_is_no_traceparent_does_not(one_server, issuers, value):
    headers = {} if value is None else {"traceparent": value}
    name = "untraced-%s" % abs(hash(value))
    seen, _ = fetch_for(one_server, issuers, name, **headers)
    assert "traceparent" not in seen


@pytest.mark.allow_log("AB0205")
def test_failures_are_told_with_their_mend(one_server):
    server = one_server("""
<AuthBearerIssuer "http://127.0.0.1:1/" gone>
</AuthBearerIssuer>
%s
<Location "/bearer-status">
    SetHandler bearer-status
</Location>
""" % location("/a"))
    assert server.get("/a", tokens.mint(iss="http://127.0.0.1:1/")).status == 503
    one = status(server)["issuers"][0]
    assert one["keys"]["count"] == 0 and one["fetches"]["failed"] >= 1
    page = server.get("/bearer-status").body.decode()
    assert "Some tokens cannot be verified" in page
    # the error is what one child knows
    wait_until(lambda: status(server)["issuers"][0]["keys"]["last_error"]
               and b"last error" in server.get("/bearer-status").body, 20,
               "the error is told")
    text = server.get("/bearer-status?format=prometheus").body.decode()
    assert re.search(r"^auth_bearer_unavailable_total [1-9]", text, re.M)
