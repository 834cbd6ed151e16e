# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Ory Oathkeeper, in front of real Kratos and Hydra: what it answers, this module
answers, too. And how much memory both take for introspected tokens."""
import json
import os
import subprocess
import time

import cases
from kratos import Kratos
from ory import Hydra, build, program, version_in
from provider import AUDIENCE, CACHE, HERE, OTHER, Provider
from support.httpd import Httpd, free_port

#: As in docs/guide/migrating/oathkeeper.md.
CONF = """
<AuthBearerIssuer "{p.hydra.issuer}" hydra>
    AuthBearerKeys {p.hydra.issuer}.well-known/jwks.json
    AuthBearerIntrospection {p.hydra.introspection}
    AuthBearerIntrospectionTTL 30s
    AuthBearerTokenPrefix ory_at_
    AuthBearerClientAuth none
</AuthBearerIssuer>
<Location "/">
    AuthType Bearer
    AuthName "gateway"
    AuthBearerProvider session jwt introspection
    AuthBearerSessionCheck {p.kratos.issuer}/sessions/whoami \
        cookies=ory_kratos_session method=GET subject=identity.id extra=@this ttl=5s
    AuthBearerAudience api://orders
    Require valid-user
</Location>
"""


class Oathkeeper(Provider):
    name, version = "Ory Oathkeeper", version_in("oathkeeper")
    conf = CONF

    @classmethod
    def prepare(cls):
        for other in (Hydra, Kratos):
            if not os.path.exists(program(other.__name__.lower())):
                other.prepare()
        build("oathkeeper")

    def __init__(self, site):
        super().__init__(site)
        self.hydra, self.kratos = Hydra(site), Kratos(site)

    def start(self):
        self.hydra.start()
        self.kratos.start()
        self.serve(
            cookie_session={
                "check_session_url": self.kratos.issuer + "/sessions/whoami",
                "preserve_path": True, "preserve_query": True, "force_method": "GET",
                "only": ["ory_kratos_session"], "subject_from": "identity.id",
                "extra_from": "@this"},
            jwt={"jwks_urls": [self.hydra.issuer + ".well-known/jwks.json"],
                 "trusted_issuers": [self.hydra.issuer], "target_audience": [AUDIENCE]},
            oauth2_introspection={"introspection_url": self.hydra.introspection,
                                  "target_audience": [AUDIENCE]})

    def serve(self, **authenticators):
        """Starts it with these authenticators, in this order, for every URL."""
        api = free_port()
        rule = {"id": "all", "match": {"url": "http://<.*>", "methods": ["GET"]},
                "upstream": {"url": self.upstream},
                "authenticators": [{"handler": name} for name in authenticators],
                "authorizer": {"handler": "allow"}, "mutators": [{"handler": "noop"}]}
        rules = os.path.join(CACHE, "logs", "rules-%d.json" % self.port)
        settings = {
            "log": {"level": "warn"},
            "serve": {"proxy": {"host": "127.0.0.1", "port": self.port},
                      "api": {"host": "127.0.0.1", "port": api},
                      "prometheus": {"host": "127.0.0.1", "port": free_port()}},
            "access_rules": {"repositories": ["file://" + rules]},
            "authenticators": {name: {"enabled": True, "config": config}
                               for name, config in authenticators.items()},
            "authorizers": {"allow": {"enabled": True}},
            "mutators": {"noop": {"enabled": True}}}
        path = os.path.join(CACHE, "logs", "oathkeeper-%d.json" % self.port)
        for name, content in ((rules, [rule]), (path, settings)):
            with open(name, "w") as f:
                json.dump(content, f)
        self.process = self.spawn([program("oathkeeper"), "serve", "-c", path,
                                   "--sqa-opt-out"],
                                  "http://127.0.0.1:%d/health/ready" % api, 60)

    def stop(self):
        super().stop()
        self.hydra.stop()
        self.kratos.stop()

    def status(self, token, cookies=None):
        person = cookies or self.person()
        return person.once(self.issuer + "/x", headers={
            "Authorization": "Bearer " + token} if token else {}).status


def same_statuses(site):
    """session cookie, JWT, opaque token, other audience, none: as Oathkeeper"""
    p, hydra = site.provider, site.provider.hydra
    person = p.kratos.browser()
    seen = [("session cookie", p.status(None, person),
             person.once(site.url + "/x").status)]
    for what, token in (("JWT", hydra.machine()), ("opaque", hydra.opaque()),
                        ("other audience", hydra.machine(OTHER)),
                        ("unknown", "ory_at_" + "x" * 40), ("none", None)):
        seen.append((what, p.status(token), site.server.get("/x", token).status))
    assert all(theirs == ours for _, theirs, ours in seen), seen
    assert [ours for _, _, ours in seen] == [200, 200, 200, 401, 401, 401], seen


Oathkeeper.cases = (same_statuses,)


# -- memory --------------------------------------------------------------------

#: With Debian's numbers of workers.
MEMORY = """
StartServers 2
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MinSpareThreads 25
MaxSpareThreads 75
<AuthBearerIssuer "{issuer}" many>
    AuthBearerIntrospection {issuer}/introspect
    AuthBearerTokenPrefix ory_at_
    AuthBearerClientAuth none
</AuthBearerIssuer>
<Location "/">
    AuthType Bearer
    AuthName "many"
    AuthBearerProvider introspection
    AuthBearerAudience api://orders
    Require valid-user
</Location>
"""


def load(url, count):
    done = subprocess.run(["node", os.path.join(HERE, "memory.mjs"), "load", url, str(count)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def megabytes(pids):
    """Memory of these processes together; what they share counts once."""
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total / 1024


def memory(count):
    """Prints what both take before and after `count` requests with distinct tokens."""
    upstream, port = cases.Backend(), free_port()
    issuer = "http://127.0.0.1:%d" % port
    node = subprocess.Popen(["node", os.path.join(HERE, "memory.mjs"), "answer", str(port)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    theirs = Oathkeeper("")
    ours = Httpd(MEMORY.format(issuer=issuer), loglevel="warn", backend=upstream)
    try:
        node.stdout.readline()
        theirs.upstream = upstream.url
        theirs.serve(oauth2_introspection={
            "introspection_url": issuer + "/introspect", "target_audience": [AUDIENCE],
            "cache": {"enabled": True}})
        ours.start()
        for name, url, pids in (
                ("Oathkeeper", theirs.issuer + "/be/x", lambda: [theirs.process.pid]),
                ("httpd with this module", ours.url + "/be/x",
                 lambda: [ours.process.pid, *ours.children()])):
            first = load(url, 1)
            before = megabytes(pids())
            done = load(url, count)
            time.sleep(1)
            print("%s: %.0f MB after one token, %.0f MB after %d; statuses %s, then %s, "
                  "%.0f s" % (name, before, megabytes(pids()), count, first["seen"],
                              done["seen"], done["seconds"]), flush=True)
        print(*ours.log_says("AB0252"), sep="\n")
    finally:
        theirs.end(theirs.process)
        ours.close()
        node.terminate()
        node.wait()
        upstream.close()
