# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What is sent to the configurations of docs/providers, as data: tokens and users as
these providers make them. Identifiers are made up; shapes, names and types are not.

Each configuration of a page has a row: in TOKENS, a token that is accepted and what
changes about it so that it is refused, or in LOGINS, a user who logs in. times() is
of providers.py."""
from providers import times

GUID = "99999999-8888-7777-6666-555555555555"
TENANT = "11111111-2222-3333-4444-555555555555"
V2 = "https://login.microsoftonline.com/%s/v2.0" % TENANT
V1 = "https://sts.windows.net/%s/" % TENANT
KC = "https://keycloak.example.com/realms/shop"
COGNITO = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example"
B2C = "https://example.b2clogin.com/%s/v2.0/" % TENANT
IAP = "/projects/123456789012/global/backendServices/4567890123456789"
AUD_TAG = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"


class Token:
    """A token for the configurations `blocks` of a page (0: the first), at `path`.
    more: what the page leaves to other sections; carrier: the header that has it;
    kind tells two tokens for the same configurations apart; text: lines that the
    page's text says to write, each in place of one of the configuration."""

    def __init__(self, page, blocks, claims, miss, user=None, path="/orders",
                 header=None, signer="rs256", carrier=None, status=401, more="", kind=None, text=None):
        self.page = page
        self.blocks = (blocks,) if isinstance(blocks, int) else blocks
        self.claims, self.miss, self.header = claims, miss, header or {}
        self.user = claims.get("sub") if user is None else user
        self.path, self.signer, self.carrier = path, signer, carrier
        self.status, self.more, self.text = status, more, text or {}
        self.name = "-".join([page] + [str(n) for n in self.blocks] + ([kind] if kind else []))


class Login:
    """A user who logs in by the configuration `block` of a page. userinfo: claims
    that are only there; miss: changes of the ID token with which the user gets
    `status`."""

    def __init__(self, page, block, claims, user, miss, status=403, userinfo=None):
        self.page, self.blocks, self.claims, self.user = page, (block,), claims, user
        self.miss, self.status, self.userinfo = miss, status, userinfo
        self.name = "%s-%d" % (page, block)


OWN = """
<Location "/orders">
    AuthType Bearer
    AuthBearerAudience api://orders
    Require valid-user
</Location>
"""

TOKENS = [
    Token("adfs", 0, times(
        aud="microsoft:identityserver:api://orders", appid="c-1", ver="1.0",
        iss="http://adfs.example.com/adfs/services/trust", apptype="Confidential",
        authmethod="urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        auth_time=-5, scp="openid", upn="jane@example.com", role="order-clerk"),
        header={"x5t": "x"}, user="jane@example.com",
        miss={"aud": "urn:microsoft:userinfo"}),
    Token("adfs", 0, times(
        aud="microsoft:identityserver:api://orders", appid="c-1", ver="1.0",
        iss="http://adfs.example.com/adfs/services/trust", apptype="Confidential",
        role="order-clerk"), user="c-1", kind="machine", miss={"appid": None},
        text={"AuthBearerUserClaim upn": "AuthBearerUserClaim upn,appid"}),
    Token("auth0", 0, times(
        iss="https://shop.eu.auth0.com/", sub="auth0|5f7c8ec7c33c6c004bbafe82",
        aud=["https://orders.example.com", "https://shop.eu.auth0.com/userinfo"],
        azp="kWcOoS7", scope="openid", permissions=["read:orders"]),
        miss={"permissions": []}, status=403),
    Token("authelia", 0, times(
        iss="https://auth.example.com", aud=["api://orders"], client_id="orders-batch",
        jti="j", nbf=-30, scp=["orders.read"], sub="orders-batch"),
        header={"typ": "at+jwt"}, miss={"aud": []}),
    Token("authentik", 0, times(
        iss="https://authentik.example.com/application/o/orders/", sub="9ac2",
        aud="orders-client-id", azp="orders-client-id", uid="u", nonce="n-3", sid="s",
        acr="goauthentik.io/providers/oauth2/default", auth_time=-60, amr=["pwd"],
        scope="openid profile", groups=["order-clerks", "authentik Admins"]),
        miss={"scope": None}),
    Token("authentik", 0, times(
        iss="https://authentik.example.com/application/o/orders/", sub="9ac2",
        aud="orders-client-id", azp="orders-client-id", uid="u", nonce="n-3",
        groups=["order-clerks"]), kind="older", miss={"azp": "another"},
        text={"AuthBearerIDTokens scoped": "AuthBearerIDTokens accept",
              "AuthBearerAudience orders-client-id": "AuthBearerAudience "
              "orders-client-id\nAuthBearerClients orders-client-id"}),
    Token("aws-alb", 0, times(
        sub="aaaa-bbbb", iss=COGNITO, version=2, client_id="1example23456789",
        origin_jti="o", token_use="access", auth_time=-40, scope="openid",
        username="jane", jti="j", **{"cognito:groups": ["order-clerks"]}),
        header={"typ": None}, carrier="x-amzn-oidc-accesstoken",
        miss={"client_id": "another"}),
    Token("azure-b2c", 0, times(
        iss=B2C, nbf=-1, aud=GUID, oid="u-1", sub="u-1", name="Jane", ver="1.0",
        tfp="B2C_1_signin", nonce="defaultNonce", scp="orders.read", azp="c-1"),
        miss={"azp": GUID}),
    Token("azure-b2c", 0, times(
        iss=B2C, nbf=-1, aud=GUID, oid="u-1", sub="u-1", ver="1.0", azp="c-1",
        tfp="B2C_1_signin", scp="orders.read"),
        miss={"tfp": "B2C_1_guests"}, status=403, kind="flow"),
    Token("cloudflare-access", 0, times(
        aud=[AUD_TAG], email="jane@example.com", type="app", nbf=-30, country="US",
        identity_nonce="6ei69kawdKzMIAPF", iss="https://example.cloudflareaccess.com",
        sub="7335d417-61da-459d-899c-0a01c76a2f94"), path="/x",
        carrier="Cf-Access-Jwt-Assertion", miss={"aud": ["0000"]}),
    Token("cloudflare-access", 0, times(
        aud=[AUD_TAG], type="app", iss="https://example.cloudflareaccess.com",
        common_name="e367826f93b8d71185e03fe518aff3b4.access", sub=""), path="/x",
        carrier="Cf-Access-Jwt-Assertion", kind="service",
        user="e367826f93b8d71185e03fe518aff3b4.access", miss={"common_name": None}),
    Token("cognito", 0, times(
        sub="u", iss=COGNITO, client_id="1example23456789", version=2, jti="j",
        token_use="access", scope="orders/read"), header={"typ": None},
        miss={"token_use": "id"}),
    Token("dex", 0, times(
        iss="https://dex.example.com", aud=["orders", "orders-cli"], azp="orders-cli",
        sub="CgcyMzQyNzQ5EgZnaXRodWI", at_hash="2m8wA3w1", nonce="n-4", name="Jane",
        email="jane@example.com", email_verified=True, groups=["order-clerks"]),
        header={"typ": None}, miss={"aud": ["orders", "another"], "azp": "another"}),
    Token("entra", 0, times(
        aud=GUID, iss=V2, nbf=-30, azp="c-1", azpacr="1", oid="o-1", sub="s-1",
        scp="orders.read", tid=TENANT, uti="u", ver="2.0"), user="o-1",
        miss={"scp": "orders"}, status=403),
    Token("entra", (0, 1), times(
        aud="api://orders", iss=V1, nbf=-30, appid="c-1", appidacr="0", oid="o-1",
        sub="s-1", scp="orders.read", tid=TENANT, upn="jane@example.com", ver="1.0"),
        header={"x5t": "x"}, user="o-1",
        miss={"iss": V1.replace("1111", "2222")}),
    Token("entra", 2, times(
        aud="api://orders", iss=V2, azp="c-1", oid="o-1", sub="s-1", scp="a",
        tid=TENANT, ver="2.0"), user="o-1@" + TENANT, more=OWN,
        miss={"iss": V2.replace("1111", "2222"), "tid": TENANT.replace("1111", "2222")}),
    Token("github-actions", 0, times(
        jti="e", sub="repo:example/shop:environment:production", nbf=-600,
        iss="https://token.actions.githubusercontent.com",
        aud="https://orders.example.com", repository="example/shop", repository_id="123456789", environment="production",
        repository_owner="example", ref="refs/heads/main"), path="/deploy",
        user="example/shop", miss={"environment": "staging"}, status=403),
    Token("gitlab", 0, times(
        iss="https://gitlab.com", aud="https://orders.example.com", nbf=-35,
        sub="project_path:shop/deploy:ref_type:branch:ref:main", project_id="1234567",
        project_path="shop/deploy", ref="main", ref_type="branch", user_id="1",
        ref_protected="true", jti="235b3a54"), path="/deploy", user="shop/deploy",
        miss={"project_id": "1"}, status=403),
    Token("google", 0, times(
        aud="https://orders.example.com", azp="1132", email_verified=True,
        email="orders-batch@example-project.iam.gserviceaccount.com",
        iss="accounts.google.com", sub="113269456789012345678"),
        miss={"email": "x@evil.iam.gserviceaccount.com"}, status=403),
    Token("google-iap", 0, times(
        aud=IAP, azp=IAP, email="jane@example.com", hd="example.com",
        identity_source="GOOGLE", iss="https://cloud.google.com/iap",
        sub="accounts.google.com:11326"), signer="es256", path="/x",
        carrier="X-Goog-IAP-JWT-Assertion", miss={"hd": None}, status=403),
    Token("google-iap", 0, times(
        aud=IAP, azp=IAP, email="jane@example.com", hd="example.com",
        iss="https://cloud.google.com/iap", sub="accounts.google.com:11326"),
        signer="es256", path="/x", carrier="X-Goog-IAP-JWT-Assertion", user="11326",
        kind="id", miss={"sub": "securetoken.google.com/x:11326"},
        text={"AuthType Bearer": "AuthType Bearer\nAuthBearerUserClaim sub "
              r'"^accounts\.google\.com:(\d+)$" "$1"'}),
    Token("hydra", 0, times(
        aud=["api://orders"], client_id="machine", ext={"tier": "gold"}, jti="j",
        iss="https://hydra.example.com/", nbf=-30, scp=["orders.read"],
        sub="machine"), miss={"aud": []}),
    Token("keycloak", 0, times(
        jti="5d0c1b52", iss=KC, typ="Bearer", azp="web", sub="f1c2", sid="8c2f",
        acr="1", aud=["api://orders", "account"], scope="openid profile email",
        realm_access={"roles": ["offline_access", "order-clerk"]},
        resource_access={"account": {"roles": ["manage-account"]}}),
        miss={"aud": "account"}),
    Token("kubernetes", 0, times(
        aud=["api://orders"], nbf=-30, jti="u",
        iss="https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE0123456789",
        sub="system:serviceaccount:shop:orders-batch",
        **{"kubernetes.io": {"namespace": "shop", "serviceaccount": {
            "name": "orders-batch", "uid": "y"}}}), header={"typ": None},
        miss={"kubernetes.io": {"namespace": "default"}}, status=403),
    Token("kubernetes", 1, times(
        aud=["api://orders"], iss="https://kubernetes.default.svc.cluster.local",
        sub="system:serviceaccount:shop:orders-batch"), header={"typ": None},
        more=OWN, miss={"aud": ["https://kubernetes.default.svc.cluster.local"]}),
    Token("okta", 0, times(
        ver=1, jti="AT.0mP4", iss="https://example.okta.com/oauth2/default",
        aud="api://default", sub="jane@example.com", cid="0oabucvy", uid="00uhwsg",
        scp=["openid", "orders.read"]), header={"typ": None},
        miss={"aud": "https://example.okta.com"}),
    Token("ping", 0, times(
        iss="https://auth.pingone.eu/%s/as" % TENANT, client_id="c-1", jti="j",
        aud=["api://orders"], scope="orders:read", sub="u-1", sid="s", acr="Single"),
        header={"typ": None}, miss={"aud": ["https://api.pingone.eu"]}),
    Token("ping", 0, times(
        iss="https://auth.pingone.eu/%s/as" % TENANT, client_id="c-1", jti="j",
        aud=["api://orders"], scope="orders:read"), header={"typ": "at+jwt"},
        user="c-1", kind="machine", miss={"client_id": None}),
    Token("ping", 1, times(
        iss="https://ping.example.com:9031", aud="api://orders", client_id="ac_client",
        scope="orders.read", username="jane", jti="a"),
        header={"typ": None, "pi.atm": "1"}, user="jane", miss={"aud": None}),
    Token("spring", 0, times(
        iss="https://auth.example.com", sub="jane", aud="api://orders", nbf=-30,
        scope=["orders.read"], client_id="orders-web", jti="j"), header={"typ": None},
        miss={"aud": "orders-web"}),
    Token("spring", 1, times(
        iss="https://auth.example.com", sub="jane", aud="orders-web", nbf=-30,
        scope=["orders.read"], jti="j"), header={"typ": None},
        miss={"aud": "another-client"}),
    Token("zitadel", 0, times(
        aud=["170112233445566778", "170112233445566700"], client_id="170112233445566700",
        jti="V2_1-at_1", iss="https://orders-1.zitadel.cloud", nbf=-30, sub="1690",
        **{"urn:zitadel:iam:org:project:roles": {
            "order-clerk": {"1689": "example.zitadel.cloud"}}}),
        miss={"urn:zitadel:iam:org:project:roles": {"user": {}}}, status=403),
    Token("zitadel", 0, times(
        aud=["170112233445566778"], client_id="170112233445566700", sub="1690",
        iss="https://orders-1.zitadel.cloud", nbf=-30,
        **{"urn:zitadel:iam:user:resourceowner:id": "ORG_ID"}), kind="organization",
        text={"Require role order-clerk": "Require claim "
              r"urn\:zitadel\:iam\:user\:resourceowner\:id:ORG_ID"},
        miss={"urn:zitadel:iam:user:resourceowner:id": "1689"}, status=403),
]

#: Of ID tokens, beside iss, aud, iat, exp, nonce and at_hash.
LOGINS = [
    Login("azure-b2c", 1, {
        "sub": "u-1", "oid": "u-1", "tfp": "B2C_1_signin", "ver": "1.0",
        "emails": ["jane@example.com"], "auth_time": 1}, "u-1",
        miss={"sub": "a,b"}, status=401),
    Login("cognito", 1, {
        "sub": "aaaa-bbbb", "token_use": "id", "cognito:username": "jane", "jti": "j",
        "origin_jti": "o", "email": "jane@example.com", "email_verified": True,
        "cognito:groups": ["order-clerks"]}, "jane@example.com",
        miss={"cognito:groups": None}),
    Login("entra", 3, {
        "sub": "s-1", "oid": "o-1", "tid": TENANT, "name": "Jane Doe", "ver": "2.0",
        "preferred_username": "jane@example.com", "email": "jane@example.com",
        "roles": ["orders.clerk"], "rh": "0.A", "uti": "u"}, "o-1",
        miss={"roles": None}),
    Login("hydra", 1, {
        "sub": "u-1", "jti": "j", "rat": 1, "auth_time": 1, "sid": "s"}, "u-1",
        miss={"sub": "a,b"}, status=401),
    Login("keycloak", 1, {
        "sub": "f1c2", "typ": "ID", "azp": "orders-web", "sid": "s", "acr": "1",
        "email": "jane@example.com", "email_verified": True,
        "preferred_username": "jane",
        "realm_access": {"roles": ["order-clerk"]}}, "jane@example.com",
        miss={"email_verified": False}),
]
