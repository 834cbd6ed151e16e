# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Require authentication: how, and how long ago, the user signed in (RFC 9470)."""
import time

import pytest

from support.browsing import op, signed_in, site, store  # noqa: F401
from support.expect import granted, issuer_conf, key_files, location, refused
from support.op import Browser
from support.tokens import mint

STEP_UP = "insufficient_user_authentication"
RULES = {
    "/gold": "Require authentication acr=gold,platinum",
    "/soon": "Require authentication max-age=10min",
    "/both": "Require authentication acr=gold max-age=100",
    "/not": "<RequireAll>\nRequire all granted\nRequire not authentication acr=gold\n"
            "</RequireAll>",
    "/not-admin": "<RequireAll>\nRequire not authentication acr=gold\nRequire role admin\n"
                  "</RequireAll>",
    "/either": "Require role admin\nRequire authentication acr=gold",
    "/alias": "Require strong",
}


@pytest.fixture(scope="module")
def server(new_server):
    return new_server(
        issuer_conf() + "<AuthzProviderAlias authentication strong acr=gold>\n"
        "</AuthzProviderAlias>\n" + "".join(
            location(path, rule, require=None) for path, rule in RULES.items()),
        files=key_files("rs256"))


def ago(seconds):
    return int(time.time()) - seconds


@pytest.mark.parametrize("path,claims,asked", [
    ("/gold", {"acr": "gold"}, None),
    ("/gold", {"acr": "platinum"}, None),
    ("/gold", {"acr": ["silver", "gold"]}, None),
    ("/gold", {"acr": "silver"}, {"acr_values": "gold platinum"}),
    ("/gold", {"acr": "gold platinum"}, {"acr_values": "gold platinum"}),
    ("/gold", {"acr": ["silver", ["gold"]]}, {"acr_values": "gold platinum"}),
    ("/gold", {"acr": {"gold": "gold"}}, {"acr_values": "gold platinum"}),
    ("/gold", {}, {"acr_values": "gold platinum"}),
    ("/soon", {"auth_time": -500}, None),
    ("/soon", {"auth_time": -700}, {"max_age": "600"}),     # 60 s of clock skew
    ("/soon", {"auth_time": "500"}, {"max_age": "600"}),
    ("/soon", {}, {"max_age": "600"}),                        # iat is no substitute
    ("/both", {"acr": "gold", "auth_time": -10}, None),
    ("/both", {"acr": "gold", "auth_time": -500}, {"acr_values": "gold", "max_age": "100"}),
    ("/both", {"acr": "tin", "auth_time": -10}, {"acr_values": "gold", "max_age": "100"}),
    ("/either", {"roles": ["admin"]}, None),
    ("/either", {"acr": "gold"}, None),
    ("/either", {}, {"acr_values": "gold"}),
    ("/alias", {"acr": "gold"}, None),
    ("/alias", {}, {"acr_values": "gold"}),
    ("/not", {}, None),
])
def test_tokens(server, path, claims, asked):
    claims = {k: ago(-v) if isinstance(v, int) else v for k, v in claims.items()}
    res = server.get(path, mint(**claims))
    if asked is None:
        granted(res)
        return
    refused(res, 401, STEP_UP, "authentication", "acr", log="Require authentication")
    assert {k: v for k, v in res.challenge.items()
            if k in ("acr_values", "max_age")} == asked


def test_negated(server):
    refused(server.get("/not", mint(acr="gold")), 403, None, "require")
    refused(server.get("/not"), 401, None, "no_credential")


def test_negated_asks_for_nothing(server):
    """What another rule lacks is not mended by another authentication."""
    refused(server.get("/not-admin", mint()), 403, None, "require")


def test_without_a_token_nothing_is_said_about_it(server):
    res = refused(server.get("/gold"), 401, None, "no_credential")
    assert set(res.challenge) == {"realm"}


# -- browsers ------------------------------------------------------------------------

pytestmark = pytest.mark.allow_log("AB0763")
PLACES = """
<Location "/app/pay">
    Require authentication acr=gold
</Location>
<Location "/app/soon">
    AuthBearerLogin On ui_locales=de
    Require authentication max-age=100
</Location>
<Location "/app/stay">
    AuthBearerLogin Off
    Require authentication acr=gold
</Location>
"""


def test_a_browser_signs_in_again(site, op, store):  # noqa: F811
    op.id_token = {"acr": "silver", "auth_time": ago(1000)}
    browser = Browser(site("AuthBearerSessionStore " + store, end=PLACES))
    signed_in(browser)
    # a script and a form are told
    for res in (browser.get("/app/pay/x"), browser.get("/app/stay/x"), browser.send(
            "POST", "/app/pay/be/1", {"Sec-Fetch-Site": "same-origin"})):
        refused(res, 401, STEP_UP, "authentication", "acr")
        assert res.challenge["acr_values"] == "gold"
    op.id_token = {"acr": "gold", "auth_time": ago(1000)}
    res = browser.go("/app/pay/x?a=1")
    assert res.status == 200 and browser.trail[-1].endswith("/app/pay/x?a=1")
    assert op.asked["acr_values"] == "gold" and "max_age" not in op.asked
    assert browser.get("/app/pay/x").status == 200
    op.id_token = {"acr": "gold"}
    assert browser.go("/app/soon/x").status == 200
    assert (op.asked["max_age"], op.asked["ui_locales"]) == ("100", "de")
    assert "acr_values" not in op.asked


def test_as_weak_as_before_is_no_second_round(site, op):  # noqa: F811
    op.id_token = {"acr": "silver"}
    browser = Browser(site(end=PLACES))
    signed_in(browser)
    res = browser.go("/app/pay/x")
    assert res.status == 403 and res.check == "login_weak", res
    assert "stronger sign-in" in res.text
    assert browser.get("/app/x").status == 200      # the session is as it was
