# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The memory of used DPoP proofs (AuthBearerSOCache for=proofs): who has it, how large
it is, and what configtest, the dump and the status say of it."""
import re

import pytest

from support.expect import granted, issuer_conf, key_files, location, refused
from support.fleet import SECRET
from support.memory import about, shared_memory
from support.proofs import bound
from support.proofs import proof as made
from support.tokens import mint

#: In bytes, and the proofs that it has room for.
DEFAULT, ROOM = 8704 * 1024, 65812
MB = 1024 * 1024
KEYS = key_files("rs256")
ISSUER = issuer_conf()
STATUS = '<Location "/bearer-status">\nSetHandler bearer-status\nRequire all granted\n</Location>\n'


def proof(words, more="", path="/a"):
    return location(path, "AuthBearerProof %s\n%s" % (words, more))


# --- configtest and the dump --------------------------------------------------------

@pytest.mark.parametrize("conf,size,seconds,room", [
    (proof("dpop"), str(DEFAULT), 120, ROOM),
    (proof("mtls dpop window=30s"), str(DEFAULT), 90, ROOM),
    (proof("dpop window=30s", "AuthBearerClockSkew 0"), str(DEFAULT), 30, ROOM),
    # the longest of all that can meet a proof
    (proof("dpop window=30s") + proof("auto window=5min", path="/b")
     + proof("ignore", path="/c") + proof("mtls window=10min", path="/d"),
     str(DEFAULT), 360, ROOM),
    ("AuthBearerClockSkew 10\n" + proof("dpop"), str(DEFAULT), 70, ROOM),
    ("AuthBearerSOCache shm for=proofs\n" + location("/a"), str(DEFAULT), 120, ROOM),
    ("AuthBearerSOCache shm:1G for=sessions,proofs\n" + location("/a"), "1024M", 120, 7953000),
    ("AuthBearerSOCache shm:64K\n" + proof("dpop"), "65536", 120, 330),
    ("AuthBearerSOCache shmcb\n" + proof("dpop"), str(DEFAULT), 120, ROOM),
    ('AuthBearerSOCache "shmcb:@ROOT@/run/cache(1048576)" for=proofs\n' + location("/a"),
     "1M", 120, 7500),
    # a kind that is not for it
    ("AuthBearerSOCache shm:1M for=sessions\n" + proof("dpop"), str(DEFAULT), 120, ROOM),
])
def test_how_many_a_second(checker, conf, size, seconds, room):
    done = checker(ISSUER + conf, "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0, done
    line, = re.findall(r"AB0772.*", done.output)
    said = re.search(r"shm:(\w+) for=proofs: room for (\d+) .* (\d+) s: (\d+) requests .* "
                     r"(\d+) with the same token", line)
    assert said, line
    assert said[1] == size and int(said[3]) == seconds, line
    assert room <= int(said[2]) < 1.2 * room, line
    assert int(said[4]) == int(said[2]) // seconds, line
    assert int(said[5]) == int(said[2]) // 4 // seconds, line
    assert "AuthBearerSOCache shm:%s for=proofs   # room for %s, kept for %d s: %s a second, %s " \
        "with one token\n" % (size, said[2], seconds, said[4], said[5]) in done.output
    assert bool(done.says("AB0765", "proofs", "shm:" + size, "/run/cache")) == ("@ROOT@" in conf)


@pytest.mark.parametrize("conf", [
    "", "AuthBearerSOCache shm:1M\n", "AuthBearerSOCache shm:1M for=sessions\n",
    'AuthBearerSOCache "shmcb:@ROOT@/run/cache(1048576)"\n'])
def test_nobody_is_told_without_need(checker, conf):
    """Whose configuration does not speak of proofs is not told; the dump tells."""
    done = checker(conf + ISSUER + location("/a"), "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0 and not done.says("AB0772|AB0765"), done
    assert re.search(r"AuthBearerSOCache shm:\w+ for=proofs   # room for \d+", done.output), done


NOBODY = [
    location("/a", "AuthBearerTokenFrom cookie:at"),
    location("/a", "AuthBearerTokenFrom header:X-Token query:at"),
    proof("ignore"), proof("mtls"),
    proof("ignore") + location("/a/b", "AuthBearerTokenFrom cookie:at"),
    "",
]
SOMEBODY = [
    location("/a"), location("/a", "AuthBearerTokenFrom cookie:at header"),
    proof("mtls") + location("/b", "AuthBearerProof mtls dpop"),
    # the inner one has no AuthType of its own
    proof("ignore") + "<Location /a/b>\nAuthBearerProof auto\n</Location>\n",
    proof("mtls") + "<Location /a/b>\nAuthBearerProof dpop\n</Location>\n",
    location("/a", "AuthBearerTokenFrom cookie:at")
    + "<Location /a/b>\nAuthBearerTokenFrom header\n</Location>\n",
    # AuthType comes from an .htaccess
    'AuthBearerAudience x\n<Directory "@ROOT@/htdocs">\nAllowOverride AuthConfig\n</Directory>\n',
]


@pytest.mark.parametrize("conf", NOBODY)
def test_nobody_can_meet_a_proof(checker, new_server, conf):
    done = checker(ISSUER + conf, "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0 and re.search(r"^    none   #", done.output, re.M), done
    server = new_server(ISSUER + conf + STATUS, files=KEYS)
    assert not any(map(about(DEFAULT), shared_memory(server)))
    assert "proofs" not in server.get("/bearer-status?format=json").json()
    assert "Used proofs" not in server.get("/bearer-status").text


@pytest.mark.parametrize("conf", SOMEBODY)
def test_somebody_can_meet_a_proof(checker, new_server, conf):
    done = checker(ISSUER + conf, "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0 and "for=proofs   # room for %d, " % ROOM in done.output, done
    server = new_server(ISSUER + conf, files=KEYS)
    assert len(list(filter(about(DEFAULT), shared_memory(server)))) == 1


def test_a_section_of_the_main_server(checker):
    """It applies to the virtual host, which has the issuer."""
    done = checker(proof("dpop window=1min").replace("/a", "/never")
                   + "<VirtualHost *:@PORT@>\nServerName a.test\nAuthBearerClockSkew 30\n"
                   + ISSUER + "</VirtualHost>\n" + issuer_conf(url="https://two.test/"),
                   "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0 and "kept for 120 s" in done.output, done
    done = checker("<VirtualHost *:@PORT@>\nServerName a.test\nAuthBearerClockSkew 30\n"
                   + ISSUER + proof("dpop") + "</VirtualHost>\n", "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0 and "kept for 90 s" in done.output, done


# --- where ----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["memcache", "redis", "dbm"])
def test_only_two_ways(checker, kind):
    """The others cannot enter what is absent and nothing else, or they forget."""
    line = "AuthBearerSOCache %s:127.0.0.1:9 for=proofs\n" % kind
    done = checker(line + ISSUER + location("/a"), files=KEYS, modules=["socache_" + kind])
    assert done.status != 0 and done.says("AB0635", "shm[:SIZE]", "redis://HOST"), done
    # for all kinds that it supports
    done = checker(line.replace(" for=proofs", "") + 'AuthBearerSecretFile "@ROOT@/secret"\n'
                   + ISSUER + proof("dpop"), "-D", "DUMP_BEARER",
                   files=dict(KEYS, secret=(SECRET, 0o600)), modules=["socache_" + kind])
    assert done.status == 0 and done.says("AB0772", "shm:%d" % DEFAULT), done


def test_redis(checker, new_server):
    """Nothing in it needs a seal, and nobody knows how much room it has."""
    conf = "AuthBearerSOCache redis://127.0.0.1:9 for=proofs\n" + ISSUER + proof("dpop")
    done = checker(conf, "-D", "DUMP_BEARER", files=KEYS)
    assert done.status == 0 and not done.says("AB0772"), done
    assert "AuthBearerSOCache redis:// for=proofs   # kept for 120 s\n" in done.output, done
    server = new_server(conf, files=KEYS)
    assert not any(map(about(DEFAULT), shared_memory(server)))
    assert any(map(about(4 * 1024 * 8), shared_memory(server)))


# --- over restarts ---------------------------------------------------------------------

def test_another_size(one_server):
    """Kept until the next full start."""
    line = "AuthBearerSOCache shm:3M for=proofs"
    server = one_server(line + "\n" + ISSUER + location("/a"), files=KEYS)
    mapped = sorted(shared_memory(server))
    server.graceful()
    assert sorted(shared_memory(server)) == mapped and not server.log_says("AB0411")
    server.rewrite(line, "AuthBearerSOCache shm:1M for=proofs")
    server.graceful()
    said, = server.wait_log("AB0411", "for=proofs", str(3 * MB))
    assert said.level == "notice", said
    assert any(map(about(3 * MB), shared_memory(server)))
    server.restart()
    assert any(map(about(MB), shared_memory(server)))
    assert not any(map(about(3 * MB), shared_memory(server)))


# --- figures ---------------------------------------------------------------------------

def test_status(new_server):
    server = new_server("AuthBearerSOCache shm:1M for=proofs\n" + ISSUER + location("/a") + STATUS,
                        files=KEYS)
    assert server.get("/bearer-status?format=json").json()["proofs"] == {
        "count": 0, "bytes": MB, "used": 0, "refused": 0, "share": 0}
    text = server.get("/bearer-status?format=prometheus").text
    for name, value in (("proofs", 0), ("proofs_bytes", MB), ("proofs_used_bytes", 0),
                        ("proofs_refused_total", 0), ("proofs_share_refused_total", 0),
                        ('cache_errors_total{cache="proofs"}', 0)):
        assert "auth_bearer_%s %d\n" % (name, value) in text
    assert re.search(r"Used proofs<b>0</b>.*>0 bytes of 1024 KiB used",
                     server.get("/bearer-status").text), server.get("/bearer-status").text


# --- in use ----------------------------------------------------------------------------

SMALL = 'AuthBearerBaseURL http://server.test\nAuthBearerSOCache shm:64K for=proofs\n'


def send(server, token, **over):
    return server.get("/a", None, {"Authorization": "DPoP " + token, "DPoP": made(
        "http://server.test/a", token, **over)})


def figures(server):
    return server.get("/bearer-status?format=json").json()["proofs"]


@pytest.mark.allow_log("AB0417")
def test_share_of_a_token(new_server):
    """A quarter; another token of the same key has its own."""
    server = new_server(SMALL + ISSUER + location("/a") + STATUS, files=KEYS)
    each = int(re.search(r"# room for (\d+)", server.configtest(
        "-D", "DUMP_BEARER").output)[1]) // 4
    token, other = bound(), bound(jti="another")
    for _ in range(each):
        granted(send(server, token))
    for _ in range(3):
        refused(send(server, token), 503, None, "unavailable", "proof_memory", log="for=proofs")
    said, = server.log_says("AB0417")
    assert said.level == "warn" and said.says("AB0417", str(each)), said
    granted(send(server, other))
    assert figures(server)["count"] == each + 1
    assert figures(server)["share"] == 3 and figures(server)["refused"] == 0
    assert figures(server)["used"] > 0
    server.graceful()
    refused(send(server, token), 503, None, "unavailable", "proof_memory")
    granted(send(server, other))


@pytest.mark.allow_log("AB0416")
def test_full(new_server):
    """503 for everybody with a proof, nobody else; until proofs expire."""
    server = new_server(SMALL + "AuthBearerClockSkew 0\n" + ISSUER + location(
        "/a", "AuthBearerProof auto window=10min") + location("/b") + STATUS, files=KEYS)
    tokens = [bound(jti="t%d" % i) for i in range(18)]
    for token in tokens:
        res = None
        for _ in range(21):
            res = send(server, token)
            if res.status != 200:
                break
        if res.status != 200:
            break
    refused(res, 503, None, "unavailable", "proof_memory", log="for=proofs")
    server.wait_log("AB0416", "for=proofs")
    assert figures(server)["refused"] == 1 and figures(server)["count"] > 300
    granted(server.get("/b", mint()))
