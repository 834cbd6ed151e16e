# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Several hosts behind one redis or memcached: two servers with nothing in
common but the backend, which dies and comes back.
"""
import itertools
import json
import signal

import pytest

from support.backends import Redis
from support.expect import everywhere, granted, invalid, location
from support.fleet import KINDS, overwrite, stored
from support.fleet import cache as backend  # noqa: F401
from support.httpd import wait_until
from support.load import Load, burst, crowd
from support.tokens import b64, jwks, mint

SECRET = "s" * 48 + "\n"

#: What httpd and we may say while the backend or the issuer is away.
AWAY = pytest.mark.allow_log("AB0205", "AH0347[89]", "AH0079", "AB0421 for=keys:", "AB0424 for=keys:")
CROWDED = pytest.mark.allow_log("AH00484", "AH00161")

_names = itertools.count()


@pytest.fixture
def redis():
    server = Redis()
    yield server
    server.close()


@pytest.fixture
def issuer(issuers):
    return issuers.issuer("f%d" % next(_names), "rs256")


@pytest.fixture
def host(one_server, issuer):
    """host(backend) starts a server of a fleet."""
    def make(backend, inside="", conf="", secrets=("secret",), children=2,
             start=True, **kw):
        kw.setdefault("files", {})["unused"] = ""
        server = one_server(start=False, modules=(backend.MODULE,),
                            children=children, **kw)
        server.write("secret", SECRET, 0o600)
        server.write("new-secret", "n" * 64 + "\n", 0o600)
        server.configure(
            backend.conf + "AuthBearerSecretFile "
            + " ".join('"@ROOT@/%s"' % name for name in secrets) + "\n" + conf
            + '<AuthBearerIssuer "%s">\nAuthBearerMetadata off\n'
            'AuthBearerKeys "%s"\n%s\n</AuthBearerIssuer>\n'
            % (issuer.url, issuer.jwks_url, inside) + location("/a"))
        if start:
            server.start()
        return server
    return make


def refresh(low="1s", high="1s"):
    return "AuthBearerKeysRefresh min=%s max=%s stale=1h" % (low, high)


# --- one fetch for all -------------------------------------------------------

def test_one_fetch_serves_the_fleet(backend, host, issuer):
    a, b = host(backend), host(backend)
    assert everywhere(a, issuer.mint()) == {200}
    assert everywhere(b, issuer.mint()) == {200}
    assert issuer.count("jwks") == 1


@CROWDED
@pytest.mark.parametrize("delay", [0, 0.5])
def test_cold_thousand_on_two_hosts(backend, host, issuer, delay):
    issuer.script("jwks", delay=delay)
    a, b = host(backend), host(backend)
    token, n = issuer.mint(), crowd(a) // 2
    asked = [(s.port, token, "/a") for _ in range(n) for s in (a, b)]
    seen = burst(asked)
    # who finds half of the workers waiting is told to come again
    assert set(seen) <= {200, 503} and seen[200]
    assert burst(asked) == {200: 2 * n}
    assert issuer.count("jwks") <= 2


def test_unknown_kids_of_a_fleet(backend, host, issuer):
    """Once per min, whichever host they come to."""
    a, b = host(backend), host(backend)
    for server in (a, b):
        granted(server.get("/a", issuer.mint()))
    _, payload, signature = issuer.mint().split(".")
    for i in range(40):
        head = json.dumps({"alg": "RS256", "kid": "unknown-%d" % i})
        invalid((a, b)[i % 2].get("/a", "%s.%s.%s" % (b64(head), payload,
                                                     signature)), "key")
    assert issuer.count("jwks") <= 2  # the cold one and one for the kids


def test_rotation_is_seen_by_all(backend, host, issuer):
    """One host fetches, the others take it from the backend; the removed key
    stops on all of them."""
    issuer.keys = ["rs256", "es256"]
    a, b = host(backend, refresh("1s", "2s")), host(backend,
                                                    refresh("1s", "2s"))
    old, token = issuer.mint("es256"), issuer.mint()
    for server in (a, b):
        assert everywhere(server, old) == {200}
    issuer.keys = ["rs256"]
    for server in (a, b):
        wait_until(lambda: everywhere(server, old) == {401}, 15,
                   "the removed key is of no use")
        assert everywhere(server, token) == {200}


def test_known_keys_ask_nobody(redis, host, issuer):
    """Neither the issuer nor the backend, whatever the load."""
    a = host(redis)
    assert everywhere(a, issuer.mint()) == {200}

    def commands():
        return redis.client().info("stats")["total_commands_processed"]
    before = commands()
    with Load(a.port, lambda: issuer.mint(jti=str(next(_names))),
              rate=None) as load:
        load.more(500)
    load.expect_only(200)
    assert commands() - before < 50
    assert issuer.count("jwks") == 1


# --- the backend dies --------------------------------------------------------

@AWAY
def test_backend_dies_and_comes_back_under_load(backend, host, issuer):
    """Nothing that has keys in the process is lost."""
    a, b = (host(backend, refresh("1s", "2s")) for _ in "ab")
    token = issuer.mint()
    for server in (a, b):
        assert everywhere(server, token) == {200}
    with Load(a.port, token, threads=2, rate=100) as one, \
            Load(b.port, token, threads=2, rate=100) as two:
        for _ in range(2):
            backend.stop()
            asked = issuer.count("jwks")
            wait_until(lambda: issuer.count("jwks") >= asked + 3, 20,
                       "each host fetches for itself")
            one.more(50)
            two.more(50)
            backend.start()
            one.more(50)
            two.more(50)
    one.expect_only(200)
    two.expect_only(200)


@AWAY
def test_start_without_the_backend(backend, host, issuer):
    """It works from the process's own fetch, and tells the backend when that
    is there."""
    backend.stop()
    a = host(backend)
    assert everywhere(a, issuer.mint()) == {200}
    assert issuer.count("jwks") == 1, "one fetch per host"
    backend.start()
    b = None

    def told():
        """A host that starts now finds the keys there."""
        nonlocal b
        if b:
            b.stop()
        asked = issuer.count("jwks")
        b = host(backend)
        granted(b.get("/a", issuer.mint()))
        return issuer.count("jwks") == asked
    wait_until(told, 40, "the backend has the keys")


@AWAY
def test_new_generation_without_backend_and_issuer(backend, host, issuer):
    a = host(backend)
    granted(a.get("/a", issuer.mint()))
    backend.stop()
    issuer.script("jwks", cut=True)
    with Load(a.port, issuer.mint()) as load:
        for _ in range(2):
            a.graceful()
            load.more(30)
    load.expect_only(200)


@AWAY
def test_new_generation_of_a_host_that_has_never_fetched(backend, host, issuer):
    """What it had from another host, it hands over, too."""
    a, b = host(backend), host(backend)
    granted(a.get("/a", issuer.mint()))
    granted(b.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 1
    backend.stop()
    issuer.script("jwks", cut=True)
    b.graceful()
    assert everywhere(b, issuer.mint(sub="new")) == {200}


@AWAY
def test_new_generation_while_the_backend_hangs(backend, host, issuer):
    """Worse than one that is down: it takes connections and says nothing. Who
    knows the keys does not wait for it."""
    a = host(backend, children=4)
    granted(a.get("/a", issuer.mint()))
    backend.process.send_signal(signal.SIGSTOP)
    try:
        with Load(a.port, issuer.mint()) as load:
            for _ in range(2):
                a.graceful()
                load.more(30)
    finally:
        backend.process.send_signal(signal.SIGCONT)
    load.expect_only(200)
    assert load.percentile(1, load.began) < 1.5


@AWAY
def test_redis_that_wants_a_password(redis, host, issuer):
    """httpd's client has none: the cache is as good as down."""
    redis.client().config_set("requirepass", "x" * 20)
    a = host(redis)
    assert everywhere(a, issuer.mint()) == {200}


# --- who can write to the backend cannot add a key -----------------------------


def _many(values, n):
    return values if len(values) >= n else None


def _in_clear(issuer, value):
    return jwks("rs256-evil").encode()


def _like_ours(issuer, value):
    """The form that is kept, without a seal."""
    head = json.dumps({"fetched": 1, "life": 1, "source": issuer.jwks_url})
    return ("BEARER-KEYS-1 %d\n%s%s" % (len(head), head,
                                       jwks("rs256-evil"))).encode()


def _bent(issuer, value):
    return value[:-1] + bytes([value[-1] ^ 1])


def _short(issuer, value):
    return value[:20]


def _empty(issuer, value):
    return b""


FORGERIES = [_in_clear, _like_ours, _bent, _short, _empty]


@pytest.mark.parametrize("forge", FORGERIES,
                         ids=[f.__name__.strip("_") for f in FORGERIES])
def test_foreign_values_are_ignored(backend, host, issuer, forge):
    a = host(backend)
    granted(a.get("/a", issuer.mint()))
    values = wait_until(lambda: stored(backend), 5, "something is stored")
    for value in values.values():
        assert b"keys" not in value and issuer.url.encode() not in value
    overwrite(backend, {k: forge(issuer, v) for k, v in values.items()})
    b = host(backend)
    evil = mint("rs256-evil", iss=issuer.url)
    granted(b.get("/a", issuer.mint()))
    invalid(b.get("/a", evil), "key")
    assert issuer.count("jwks") >= 2, "it has fetched for itself"
    invalid(a.get("/a", evil), "key")


def test_values_cannot_change_places(backend, host, issuer, issuers):
    """A value that we sealed is good for its own key only."""
    other = issuers.issuer("f%d" % next(_names), "rs256-other")
    a = host(backend, conf='<AuthBearerIssuer "%s">\nAuthBearerMetadata off\n'
             'AuthBearerKeys "%s"\n</AuthBearerIssuer>\nAuthBearerUserFormat '
             '%%u\n' % (other.url, other.jwks_url))
    granted(a.get("/a", issuer.mint()))
    granted(a.get("/a", other.mint()))
    values = wait_until(lambda: _many(stored(backend), 4), 5, "all are stored")
    keys = sorted(values)
    overwrite(backend, {key: values[keys[i - 1]] for i, key in
                        enumerate(keys)})
    b = host(backend)
    granted(b.get("/a", issuer.mint()))
    invalid(b.get("/a", mint("rs256-other", iss=issuer.url)), "key")


def test_another_fleet_by_the_same_backend(backend, host, issuer):
    """With another secret nothing is shared, and nothing breaks."""
    a = host(backend)
    granted(a.get("/a", issuer.mint()))
    b = host(backend, secrets=("new-secret",))
    granted(b.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 2
    granted(a.get("/a", issuer.mint(sub="bob")), "bob")


def test_secret_rotation(backend, host, issuer):
    """The first seals, all open: no host fetches because of it."""
    a = host(backend)
    granted(a.get("/a", issuer.mint()))
    b = host(backend, secrets=("secret", "new-secret"))
    granted(b.get("/a", issuer.mint()))
    c = host(backend, secrets=("new-secret", "secret"))
    granted(c.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 1


# --- configuration -----------------------------------------------------------

@pytest.mark.parametrize("kind", sorted(KINDS))
def test_secret_is_needed(checker, kind):
    conf = ('AuthBearerSOCache "%s:127.0.0.1:9"\n' % kind
            + '<AuthBearerIssuer "https://idp.test/">\n</AuthBearerIssuer>\n'
            + location("/a"))
    module = "socache_" + kind
    result = checker(conf, modules=(module,))
    assert result.status and result.says("AB0767", "AuthBearerSecretFile"), result
    secret = 'AuthBearerSecretFile "@ROOT@/secret"\n'
    good = {"secret": (SECRET, 0o600)}
    result = checker(secret + conf, modules=(module,), files=good)
    assert result.status == 0, result
    assert result.output.strip() in ("", "Syntax OK"), result
    for content in ("short\n", ""):
        result = checker(secret + conf, modules=(module,),
                         files={"secret": (content, 0o600)})
        assert result.status and result.says("AB0755", "secret", "32"), result
    result = checker(secret.replace("secret\"", "nope\"") + conf,
                     modules=(module,), files=good)
    assert result.status and result.says("AB0755", "nope"), result
    result = checker(secret + conf, modules=(module,),
                     files={"secret": (SECRET, 0o644)})
    assert result.status == 0 and result.says("AB0751", "secret"), result


def test_module_is_needed(checker):
    result = checker('AuthBearerSOCache "redis:127.0.0.1:9"\n')
    assert result.status and result.says("AB0632", "mod_socache_redis"), result


# --- recipes of docs/operations.md -------------------------------------------

def test_redis_by_unix_socket(redis, host, issuer):
    """No password, no TLS, but file permissions."""
    class BySocket:
        MODULE = redis.MODULE
        conf = 'AuthBearerSOCache "redis:%s"\n' % redis.socket
    a, b = host(BySocket), host(BySocket)
    granted(a.get("/a", issuer.mint()))
    assert redis.client().keys("*")
    granted(b.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 1


def test_for_keys(redis, host, issuer):
    class ForKeys:
        MODULE = redis.MODULE
        conf = redis.conf.rstrip("\n") + " for=keys\n"
    a, b = host(ForKeys), host(ForKeys)
    for server in (a, b):
        granted(server.get("/a", issuer.mint()))
    assert issuer.count("jwks") == 1
    names = redis.client().keys("*")
    assert names and all(name.startswith(b"bearer-keys:") for name in names)
