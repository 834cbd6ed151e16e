# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The endpoints below AuthBearerLoginPath as locations: which directives apply there."""
import pytest

from support.browsing import backchannel, callback, op, signed_in, site  # noqa: F401
from support.op import NAVIGATE, Browser

#: configtest says so at start
pytestmark = pytest.mark.allow_log("AB0763")


def test_directives_of_a_location_apply_to_an_endpoint(site, op):  # noqa: F811
    """Those of this module and of others, as everywhere else: from the shortest
    to the longest path."""
    server = site("AuthBearerThrottle threshold=1 window=60 penalty=60\n", end="""
<Location "/">
    Header always set X-Where everywhere
    ErrorDocument 400 "the site's own words"
</Location>
<Location "/.auth/callback">
    Header always set X-Where callback
    AuthBearerThrottle off
    ErrorDocument 405 "no such method here"
</Location>
""", modules=["headers"])
    for _ in range(3):
        browser = Browser(server)
        res = browser.navigate(callback(browser, op).replace("code=", "code=x"))
        assert res.status == 400 and res.check == "login_response", res
        assert (res.get("X-Where"), res.text) == ("callback", "the site's own words")
    signed_in(Browser(server))
    res = server.request("POST", "/.auth/callback")
    assert (res.status, res.text) == (405, "no such method here"), res
    for path in ("/.auth/logout", "/.auth/callback/no/such"):
        assert server.get(path, headers=NAVIGATE).get("X-Where") \
            == ("callback" if "callback" in path else "everywhere"), path
    assert backchannel(server, "x").get("X-Where") == "everywhere"
