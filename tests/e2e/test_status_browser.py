# Licensed under the Apache License, Version 2.0; see LICENSE.
"""bearer-status in a real browser: light, dark and narrow, readable at a glance,
nothing asked for but the page itself, and the figures of all three formats equal.

BEARER_SCREENSHOTS=DIR keeps the pictures (docs/images).
"""
import os

import pytest

from support import node, tokens
from support.expect import location
from support.httpd import wait_until

pytestmark = [
    node.needs_browser,
    pytest.mark.allow_log("AB0205"),
]

CONF = """
AuthBearerRevocations "file:@ROOT@/revoked"
AuthBearerUserFormat %%u@%%i
<AuthBearerIssuer "%s" people>
    AuthBearerIntrospection %s
    AuthBearerClientID orders-api
    AuthBearerClientSecret "file:@ROOT@/secret"
</AuthBearerIssuer>
<AuthBearerIssuer "http://127.0.0.1:1/" machines>
</AuthBearerIssuer>
%s
%s
<Location "/bearer-status">
    SetHandler bearer-status
</Location>
"""


@pytest.fixture
def server(one_server, issuers):
    # as many keys as large providers publish: they must not make a long column
    issuer = issuers.issuer("status-browser", "rs256", "es256", "ed25519",
                            *("es256-%d" % i for i in range(2, 10)))
    made = one_server(CONF % (
        issuer.url, issuer.introspect_url,
        location("/a", "AuthBearerThrottle off", require="scope orders.read"),
        location("/b", "AuthBearerThrottle threshold=2 window=60s penalty=60s")),
        files={"revoked": "token %s 0\n" % ("0" * 64),
               "secret": ("the-secret-of-the-api\n", 0o600)}, throttle=True)
    opaque = "opaque-token-of-the-status-page"
    issuer.active[opaque] = {"active": True, "sub": "bob", "aud": tokens.AUD,
                             "scope": "orders.read"}
    good = issuer.mint(aud=tokens.AUD)
    wait_until(lambda: made.get("/a", good).status == 200, 20, "keys are there")
    for _ in range(11):
        made.get("/a", good)
        made.get("/a", opaque)
    for over in ({"aud": "account"}, {"scope": "none"}, {"exp": 1000},
                 {"nonce": "n"}, {"iss": "http://127.0.0.1:1/"}):
        made.get("/a", issuer.mint(**{"aud": tokens.AUD, **over}))
    made.get("/a")
    for i in range(3):
        made.get("/b", issuer.mint("rs256-2", aud=tokens.AUD, sub=str(i)))
    return made


def test_status_page(server):
    node.need()
    node.run_browser("status", base=server.url,
                     shots=os.environ.get("BEARER_SCREENSHOTS") or server.root)
