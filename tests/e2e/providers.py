# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What access tokens of real providers look like, as data.

Each row: a name, the issuer, lines inside <AuthBearerIssuer>, lines inside
<Location>, the token's header and claims, the user that comes out, and a near
miss: what is changed about the token (or which line is dropped from the
configuration) and the words that the log must then have, the directive to
change first of all. Identifiers are made up; shapes, names and types are not.

iat, nbf, exp and auth_time are seconds relative to now.
"""

GUID = "11112222-3333-4444-5555-666677778888"
TID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OTHER_TID = "aaaabbbb-cccc-dddd-eeee-ffff00001111"


class Row:
    def __init__(self, name, iss, claims, inside="", place="", audience=None,
                 require="valid-user", header=None, signer="rs256", user=None,
                 miss=None, miss_header=None, drop=None, says="", status=401,
                 send="bearer", keys=None, declare=None):
        self.name, self.iss, self.claims = name, iss, claims
        self.inside, self.place, self.require = inside, place, require
        self.audience, self.header, self.signer = audience, header, signer
        self.user = claims.get("sub") if user is None else user
        self.miss, self.miss_header, self.drop = miss, miss_header, drop
        self.says, self.status, self.send = says, status, send
        self.keys, self.declare = keys, declare or iss


def times(**more):
    return dict({"iat": -30, "exp": 3570}, **more)


AUTH0 = "https://dev-x1y2.eu.auth0.com/"
OKTA = "https://dev-123456.okta.com/oauth2/default"
KC = "https://sso.example.com/realms/acme"
V2 = "https://login.microsoftonline.com/%s/v2.0"
V1 = "https://sts.windows.net/%s/"
COGNITO = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
GH = "https://token.actions.githubusercontent.com"
KCLAIMS = times(
    jti="5d0c1b52", iss=KC, typ="Bearer", azp="web",
    sub="f1c2ad2b-4d3f-4f6c-9e93-0a8a3d4e5f60", sid="8c2f", acr="1",
    aud=["orders-api", "account"],
    realm_access={"roles": ["offline_access", "orders-admin"]},
    resource_access={"orders-api": {"roles": ["reader"]},
                     "account": {"roles": ["manage-account"]}},
    scope="openid profile email", email_verified=True, name="Jane Doe",
    preferred_username="jane", email="jane@example.com",
    **{"allowed-origins": ["https://app.example.com"], "auth_time": -60})

ROWS = [
    Row("auth0-rfc9068", AUTH0, times(
        iss=AUTH0, sub="auth0|5f7c8ec7c33c6c004bbafe82",
        aud=["https://api.example.com", AUTH0 + "userinfo"],
        scope="openid profile read:orders", client_id="kWcOoS7", jti="jOrd9"),
        audience="https://api.example.com", require="scope read:orders",
        header={"typ": "at+jwt"}, miss={"iss": AUTH0[:-1]},
        says="AuthBearerIssuer"),
    Row("auth0-rbac", AUTH0, times(
        iss=AUTH0, sub="google-oauth2|108", aud="https://api.example.com",
        azp="kWcOoS7", scope="openid", permissions=["read:orders"]),
        audience="https://api.example.com", require="scope read:orders",
        place="AuthBearerScopeClaim scope permissions",
        drop="AuthBearerScopeClaim scope permissions", status=403,
        says="read:orders"),
    Row("auth0-custom-claim", AUTH0, times(
        iss=AUTH0, sub="auth0|1", aud="https://api.example.com", azp="k",
        **{"https://example.com/roles": ["admin"]}),
        audience="https://api.example.com",
        require="claim https://example.com/roles:admin",
        miss={"https://example.com/roles": ["user"]}, status=403,
        says="https://example.com/roles"),
    Row("auth0-m2m", AUTH0, times(
        iss=AUTH0, sub="kWcOoS7@clients", aud="https://api.example.com",
        azp="kWcOoS7", gty="client-credentials", scope="read:orders"),
        audience="https://api.example.com", require="scope read:orders",
        place="AuthBearerClients kWcOoS7", miss={"azp": "other"},
        says="AuthBearerClients"),
    Row("okta-user", OKTA, times(
        ver=1, jti="AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        iss=OKTA, aud="api://default", sub="jane@example.com",
        cid="0oabucvyc38HLL1ef0h7", uid="00uhwsgk0p6J8xPxD0h7", auth_time=-90,
        scp=["openid", "orders.read"]),
        audience="api://default", require="scope orders.read",
        header={"typ": None}, miss={"aud": "https://dev-123456.okta.com"},
        says="AuthBearerAudience"),
    Row("okta-service", OKTA, times(
        ver=1, jti="AT.x", iss=OKTA, aud="api://default", cid="0oa1",
        scp=["orders.write"], sub="0oa1"),
        audience="api://default", require="scope orders.write",
        place="AuthBearerClients 0oa1", header={"typ": None},
        miss={"cid": "0oa2"}, says="AuthBearerClients"),
    Row("okta-groups", OKTA, times(
        ver=1, jti="AT.y", iss=OKTA, aud="api://default", cid="0oa1",
        scp=["openid"], sub="jane@example.com",
        groups=["Everyone", "Order Managers"]),
        audience="api://default", require='role "Order Managers"',
        header={"typ": None}, miss={"groups": ["Everyone"]}, status=403,
        says="Order Managers"),
    Row("keycloak-user", KC, KCLAIMS, audience="orders-api",
        place="AuthBearerRolesClaim realm_access.roles\n"
              "AuthBearerUserClaim preferred_username",
        require="role orders-admin", user="jane",
        miss={"aud": "account"}, says="AuthBearerAudience"),
    Row("keycloak-24-user", KC, dict(KCLAIMS, nonce="1cc1a9e5", session_state="8c2f"),
        audience="orders-api", user=KCLAIMS["sub"], require="scope email",
        miss={"typ": None, "scope": None}, says="AuthBearerIDTokens"),
    Row("keycloak-client-roles", KC, KCLAIMS, audience="orders-api",
        place="AuthBearerRolesClaim resource_access.orders-api.roles",
        require="role reader", drop="AuthBearerRolesClaim "
        "resource_access.orders-api.roles", status=403, says="reader"),
    Row("keycloak-service-account", KC, times(
        jti="trrtcc:1", iss=KC, aud="orders-api", typ="Bearer",
        sub="9d7e2a54", azp="batch", acr="1", scope="email profile",
        clientHost="192.0.2.7", clientAddress="192.0.2.7",
        preferred_username="service-account-batch", client_id="batch"),
        audience="orders-api", place="AuthBearerClients batch",
        miss={"azp": "other"}, says="AuthBearerClients"),
    Row("keycloak-es256-realm", KC, times(
        jti="j", iss=KC, aud="orders-api", typ="Bearer", azp="web",
        sub="u-1", scope="orders"), signer="es256",
        audience="orders-api", require="scope orders",
        miss={"iss": KC.replace("acme", "master")}, says="AuthBearerIssuer"),
    Row("entra-v2-user", V2 % TID, times(
        aud=GUID, iss=V2 % TID, nbf=-30, aio="AWQAm", azp="c-" + GUID,
        azpacr="1", name="Jane Doe", oid="00000000-0000-0000-66f3-3332eca7ea81",
        preferred_username="jane@example.com", rh="0.AAAA", scp="Orders.Read",
        sub="HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", tid=TID, uti="fqi",
        ver="2.0"), audience=GUID, place="AuthBearerUserClaim oid",
        require="scope Orders.Read",
        user="00000000-0000-0000-66f3-3332eca7ea81",
        header={"x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
        miss={"aud": "00000003-0000-0000-c000-000000000000"},
        says="AuthBearerAudience"),
    Row("entra-v2-application", V2 % TID, times(
        aud=GUID, iss=V2 % TID, nbf=-30, aio="E2Zg", azp="c-1", azpacr="1",
        idtyp="app", oid="o-1", rh="0.A", roles=["Orders.Read.All"],
        sub="o-1", tid=TID, uti="u", ver="2.0"),
        audience=GUID, require="role Orders.Read.All",
        miss={"roles": ["Orders.Other"]}, status=403, says="Orders.Read.All"),
    Row("entra-v1-user", V1 % TID, times(
        aud="api://orders", iss=V1 % TID, nbf=-30, acr="1", aio="A",
        amr=["pwd", "mfa"], appid="c-1", appidacr="0", family_name="Doe",
        given_name="Jane", ipaddr="192.0.2.1", name="Jane Doe", oid="o-1",
        scp="Orders.Read Orders.Write", sub="s-1", tid=TID,
        unique_name="jane@example.com", upn="jane@example.com", ver="1.0"),
        audience="api://orders", require="scope Orders.Write",
        miss={"iss": V2 % TID, "ver": "2.0"}, says="AuthBearerIssuer"),
    Row("entra-several-tenants", V2 % TID, times(
        aud=GUID, iss=V2 % TID, azp="c-1", oid="o-1", scp="Orders.Read",
        sub="s-1", tid=TID, ver="2.0"),
        declare="https://login.microsoftonline.com/{tenant}/v2.0",
        inside="AuthBearerTenants %s other-tenant" % TID, audience=GUID,
        place="AuthBearerUserFormat %u@%t", user="s-1@" + TID,
        miss={"iss": V2 % OTHER_TID, "tid": OTHER_TID},
        says="AuthBearerTenants"),
    Row("entra-group-overage", V1 % TID, times(
        aud="api://orders", iss=V1 % TID, appid="c-1", oid="o-1", sub="s-1",
        scp="Orders.Read", tid=TID, _claim_names={"groups": "src1"},
        _claim_sources={"src1": {"endpoint": "https://graph.windows.net/x"}}),
        audience="api://orders", require="claim scp:Orders.Read",
        miss={"scp": "Orders"}, status=403, says="Orders.Read"),
    Row("azure-b2c", "https://acme.b2clogin.com/%s/v2.0/" % TID, times(
        iss="https://acme.b2clogin.com/%s/v2.0/" % TID, nbf=-1, aud=GUID,
        idp="google.com", sub="u-1", tfp="B2C_1_signupsignin", scp="read",
        nonce="defaultNonce", azp=GUID[::-1], ver="1.0"), audience=GUID,
        require="scope read", miss={"scp": None}, says="AuthBearerIDTokens"),
    Row("cognito-user", COGNITO, times(
        sub="aaaa-bbbb", iss=COGNITO, version=2, client_id="7lq0m",
        origin_jti="o", event_id="e", token_use="access", auth_time=-40,
        scope="aws.cognito.signin.user.admin openid", username="jane",
        jti="j", **{"cognito:groups": ["orders-admin"]}),
        header={"typ": None, "kid": "1LlKcPGrGuwQKnLKvS1nmBD/qUeKCpKm+ZkPCGvtT4s="},
        keys="1LlKcPGrGuwQKnLKvS1nmBD/qUeKCpKm+ZkPCGvtT4s=",
        audience="unused", place="AuthBearerNoAudience accept\n"
        "AuthBearerClients 7lq0m\nAuthBearerGroupsClaim cognito:groups",
        require="role orders-admin", miss={"client_id": "other"},
        says="AuthBearerClients"),
    Row("cognito-machine", COGNITO, times(
        sub="7lq0m", iss=COGNITO, version=2, client_id="7lq0m",
        token_use="access", scope="orders/read", auth_time=-30, jti="j"),
        audience="unused", header={"typ": None},
        place="AuthBearerNoAudience accept\nAuthBearerClients 7lq0m",
        require="scope orders/read", drop="AuthBearerNoAudience accept",
        says="AuthBearerNoAudience"),
    Row("cognito-resource-binding", COGNITO, times(
        sub="u", iss=COGNITO, aud="https://api.example.com", client_id="c",
        token_use="access", scope="s", username="jane"),
        audience="https://api.example.com", header={"typ": None},
        miss={"aud": "https://api.example.com/"},
        says="AuthBearerAudience"),
    Row("gitlab-ci", "https://gitlab.com", times(
        iss="https://gitlab.com", aud="https://api.example.com", nbf=-35,
        sub="project_path:acme/shop:ref_type:branch:ref:main",
        namespace_id="72", namespace_path="acme", project_id="20",
        project_path="acme/shop", user_id="1", user_login="jane",
        pipeline_id="574", pipeline_source="push", job_id="302", ref="main",
        ref_type="branch", ref_path="refs/heads/main", ref_protected="true",
        runner_id=1, runner_environment="gitlab-hosted", sha="714a629c",
        jti="235b3a54-b797-45c7-ae9a-f72d7bc6ef5b"),
        audience="https://api.example.com",
        require="claim project_path:acme/shop",
        miss={"project_path": "evil/shop"}, status=403, says="project_path"),
    Row("gitlab-ci-audience", "https://gitlab.example.com", times(
        iss="https://gitlab.example.com", aud=["https://api.example.com"],
        sub="project_path:acme/shop:ref_type:tag:ref:v1", nbf=-1,
        project_path="acme/shop", ref="v1", ref_type="tag"),
        audience="https://api.example.com", require="claim ref~^v[0-9]+$",
        miss={"aud": "https://gitlab.example.com"},
        says="AuthBearerAudience"),
    Row("github-actions", GH, times(
        jti="e", sub="repo:octo-org/octo-repo:environment:prod", iss=GH,
        aud="https://github.com/octo-org", ref="refs/heads/main", nbf=-600,
        sha="x", repository="octo-org/octo-repo", environment="prod",
        repository_owner="octo-org", run_id="1", actor="octocat",
        job_workflow_ref="octo-org/x/.github/workflows/y.yml@refs/heads/main"),
        audience="https://github.com/octo-org",
        require="claim environment:prod", header={"x5t": "abc"},
        miss={"aud": "https://github.com/evil-org"},
        says="AuthBearerAudience"),
    Row("github-actions-ids", GH, times(
        sub="repo:octo-org@9919/octo-repo@74:ref:refs/heads/main", iss=GH,
        aud="orders", repository="octo-org/octo-repo", repository_id="74"),
        audience="orders", require="claim repository_id:74",
        miss={"repository_id": "75"}, status=403, says="repository_id"),
    Row("google-service-account", "https://accounts.google.com", times(
        aud="https://orders.example.com", azp="1132", email_verified=True,
        email="svc@project.iam.gserviceaccount.com",
        iss="https://accounts.google.com", sub="113269456789012345678"),
        audience="https://orders.example.com",
        place="AuthBearerClients 1132",
        miss={"azp": "999"}, says="AuthBearerClients"),
    Row("google-bare-issuer", "accounts.google.com", times(
        aud="orders", azp="1132", iss="accounts.google.com", sub="11326",
        hd="example.com"), declare="https://accounts.google.com",
        inside="AuthBearerIssuerAlias accounts.google.com", audience="orders",
        require="claim hd:example.com",
        drop="AuthBearerIssuerAlias accounts.google.com",
        says="AuthBearerIssuer"),
    Row("google-iap", "https://cloud.google.com/iap", times(
        aud="/projects/1234/global/backendServices/5678", azp="/projects/1234"
        "/global/backendServices/5678", email="jane@example.com",
        hd="example.com", identity_source="GOOGLE",
        iss="https://cloud.google.com/iap",
        sub="accounts.google.com:11326"), signer="es256",
        audience="/projects/1234/global/backendServices/5678",
        place="AuthBearerTokenFrom header:X-Goog-IAP-JWT-Assertion",
        send="X-Goog-IAP-JWT-Assertion",
        miss={"aud": "/projects/1234/global/backendServices/1"},
        says="AuthBearerAudience"),
    Row("firebase", "https://securetoken.google.com/acme-prod", times(
        iss="https://securetoken.google.com/acme-prod", aud="acme-prod",
        auth_time=-60, user_id="uid1", sub="uid1", email_verified=False,
        email="j@example.com", firebase={
            "identities": {"email": ["j@example.com"]},
            "sign_in_provider": "password"}), audience="acme-prod",
        require="claim firebase.sign_in_provider:password",
        miss={"sub": ""}, says="AuthBearerUserClaim|sub"),
    Row("hydra-jwt", "https://hydra.example.com/", times(
        aud=["orders"], client_id="machine", ext={"tier": "gold"},
        iss="https://hydra.example.com/", jti="j", nbf=-30,
        scp=["orders.read"], sub="machine"), audience="orders",
        require="scope orders.read", miss={"aud": []},
        says="AuthBearerNoAudience"),
    Row("hydra-roles", "https://hydra.example.com/", times(
        aud=["orders"], client_id="web", ext={"roles": ["admin"]},
        iss="https://hydra.example.com/", jti="j", nbf=-30, scope="openid",
        sub="user-1"), audience="orders", place="AuthBearerRolesClaim "
        "ext.roles roles", require="role admin",
        drop="AuthBearerRolesClaim ext.roles roles", status=403,
        says="admin"),
    Row("ory-network", "https://acme.projects.oryapis.com", times(
        aud=["https://api.example.com"], client_id="c", ext={}, sub="u-1",
        iss="https://acme.projects.oryapis.com", jti="j", nbf=-1,
        scp=["offline_access", "orders"]),
        audience="https://api.example.com", require="scope orders",
        miss={"nbf": 7200}, says="nbf"),
    Row("kubernetes", "https://kubernetes.default.svc.cluster.local", times(
        aud=["orders"], iss="https://kubernetes.default.svc.cluster.local",
        jti="u", nbf=-30, sub="system:serviceaccount:shop:worker",
        **{"kubernetes.io": {"namespace": "shop", "node": {"name": "n1"},
                             "pod": {"name": "worker-1", "uid": "x"},
                             "serviceaccount": {"name": "worker",
                                                "uid": "y"},
                             "warnafter": 1789}}),
        header={"typ": None}, audience="orders",
        require=r"claim kubernetes\.io.namespace:shop",
        miss={"kubernetes.io": {"namespace": "default"}}, status=403,
        says="kubernetes"),
    Row("kubernetes-user-rule", "https://kubernetes.default.svc", times(
        aud=["orders", "https://kubernetes.default.svc"], nbf=-30,
        iss="https://kubernetes.default.svc", client_id="k",
        sub="system:serviceaccount:shop:worker"), header={"typ": None},
        audience="orders", require="user system:serviceaccount:shop:worker",
        miss={"aud": "https://kubernetes.default.svc"},
        says="AuthBearerAudience"),
    Row("eks", "https://oidc.eks.eu-west-1.amazonaws.com/id/ABCD", times(
        aud=["sts.amazonaws.com"], nbf=-30, iat=-30, exp=86000,
        iss="https://oidc.eks.eu-west-1.amazonaws.com/id/ABCD",
        sub="system:serviceaccount:default:app"), header={"typ": None},
        audience="sts.amazonaws.com",
        miss={"iss": "https://oidc.eks.eu-west-1.amazonaws.com/id/EFGH"},
        says="AuthBearerIssuer"),
    Row("pingfederate", "https://pf.example.com:9031", times(
        scope="orders.read", client_id="ac_client", username="jane",
        iss="https://pf.example.com:9031", aud="orders", jti="a"),
        header={"typ": None, "pi.atm": "1"}, audience="orders",
        place="AuthBearerUserClaim username", require="scope orders.read",
        user="jane", drop="AuthBearerUserClaim username",
        says="AuthBearerUserClaim"),
    Row("pingone", "https://auth.pingone.eu/env-1/as", times(
        client_id="c-1", iss="https://auth.pingone.eu/env-1/as", jti="j",
        aud=["https://api.example.com"], scope="orders:read", sub="u-1",
        sid="s", env="env-1", org="o-1", **{"p1.rid": "r"}),
        header={"typ": None}, audience="https://api.example.com",
        require="scope orders:read", miss={"aud": ["https://api.pingone.eu"]},
        says="AuthBearerAudience"),
    Row("forgerock", "https://am.example.com:443/am/oauth2/realms/root", times(
        sub="(usr!jane)", cts="OAUTH2_STATELESS_GRANT", auth_level=0,
        auditTrackingId="x-1", subname="jane", token_type="Bearer",
        iss="https://am.example.com:443/am/oauth2/realms/root",
        tokenName="access_token", authGrantId="g", aud="web", nbf=-30,
        nonce="n-1",  # from memory, not from a document of the vendor
        grant_type="authorization_code", scope=["openid", "orders"],
        auth_time=-30, realm="/", expires_in=3600, jti="j"),
        audience="web", user="jane",
        place="AuthBearerUserClaim subname\nAuthBearerIDTokens scoped",
        require="scope orders", miss={"aud": "other-client"},
        says="AuthBearerAudience"),
    Row("adfs", "http://adfs.example.com/adfs/services/trust", times(
        aud="microsoft:identityserver:api://orders", nbf=-5, appid="c-1",
        iss="http://adfs.example.com/adfs/services/trust",
        apptype="Confidential", authmethod="urn:oasis:names:tc:SAML:2.0:ac:"
        "classes:PasswordProtectedTransport", auth_time=-5, ver="1.0",
        scp="openid", sub="kq3g"), header={"x5t": "x"},
        declare="https://adfs.example.com/adfs",
        inside="AuthBearerIssuerAlias http://adfs.example.com/adfs/services/"
        "trust", audience="microsoft:identityserver:api://orders",
        drop="AuthBearerIssuerAlias http://adfs.example.com/adfs/services/"
        "trust", says="AuthBearerIssuer"),
    Row("zitadel", "https://acme-1.zitadel.cloud", times(
        amr=["pwd"], aud=["1701", "orders"], client_id="1701@orders", jti="j",
        iss="https://acme-1.zitadel.cloud", nbf=-30, sub="1690",
        **{"urn:zitadel:iam:org:project:roles": {
            "admin": {"1689": "acme.zitadel.cloud"}}}),
        audience="orders", require=r"claim urn\:zitadel\:iam\:org\:project"
        r"\:roles.admin",
        miss={"urn:zitadel:iam:org:project:roles": {"user": {}}}, status=403,
        says="zitadel"),
    Row("zitadel-roles", "https://acme-1.zitadel.cloud", times(
        amr=["pwd"], aud=["1701", "orders"], client_id="1701@orders", jti="j",
        iss="https://acme-1.zitadel.cloud", nbf=-30, sub="1690",
        **{"urn:zitadel:iam:org:project:roles": {
            "admin": {"1689": "acme.zitadel.cloud"}}}), audience="orders",
        place="AuthBearerRolesClaim urn:zitadel:iam:org:project:roles",
        require="role admin", drop="AuthBearerRolesClaim "
        "urn:zitadel:iam:org:project:roles", status=403, says="admin"),
    # from memory, not from a document of the vendor
    Row("casdoor", "https://door.example.com", times(
        owner="acme", name="jane", sub="acme/jane", tokenType="access-token",
        nonce="n-2", scope="openid profile", iss="https://door.example.com",
        aud=["014ae4bd048734ca2dea"], azp="014ae4bd048734ca2dea", nbf=-30,
        jti="admin/1"), audience="014ae4bd048734ca2dea",
        place="AuthBearerIDTokens scoped", require="scope profile",
        drop="AuthBearerIDTokens scoped", says="AuthBearerIDTokens scoped"),
    Row("authentik", "https://ak.example.com/application/o/orders/", times(
        iss="https://ak.example.com/application/o/orders/", sub="9ac2",
        aud="client-ak", acr="goauthentik.io/providers/oauth2/default", nonce="n-3",
        azp="client-ak", uid="u", scope="openid profile orders",
        groups=["authentik Admins"]), audience="client-ak",
        require='role "authentik Admins"', place="AuthBearerIDTokens scoped",
        drop="AuthBearerIDTokens scoped", says="AuthBearerIDTokens scoped"),
    Row("dex", "https://dex.example.com/dex", times(
        iss="https://dex.example.com/dex", aud="orders", groups=["dev"],
        sub="CgcyMzQyNzQ5EgZnaXRodWI", email="j@example.com",
        at_hash="2m8wA3w1", c_hash="7c3n", nonce="n-4", email_verified=True, name="Jane"),
        header={"typ": None}, audience="orders", require="role dev",
        place="AuthBearerIDTokens accept\nAuthBearerClients orders",
        drop="AuthBearerIDTokens accept", says="AuthBearerIDTokens accept"),
    Row("curity", "https://curity.example.com/oauth/v2/oauth-anonymous", times(
        jti="7d1a", delegationId="d", purpose="access_token", nbf=-30,
        sub="jane", aud="api.example.com", scope="openid orders",
        iss="https://curity.example.com/oauth/v2/oauth-anonymous",
        client_id="www"), audience="api.example.com", signer="ps256",
        require="scope orders", miss_header={"alg": "PS257"},
        says="AuthBearerAlgorithms"),
    Row("wso2", "https://wso2.example.com:9443/oauth2/token", times(
        sub="d4e2-jane", aut="APPLICATION_USER", nbf=-30, azp="c_1",
        iss="https://wso2.example.com:9443/oauth2/token", aud="c_1",
        scope="orders:view", client_id="c_1", jti="j"),
        header={"typ": "at+jwt", "x5t": "Y", "kid": "YjFk_RS256"},
        keys="YjFk_RS256", audience="c_1", require="scope orders:view",
        miss={"scope": "orders"}, status=403, says="orders:view"),
    Row("fusionauth", "acme.com", times(
        aud="85a03867-dccf-4882-adde-1a79aeec50df", iss="acme.com",
        sub="858a4b01", jti="3dd64382", authenticationType="PASSWORD",
        email="jane@acme.com", email_verified=True, auth_time=-30,
        preferred_username="jane", applicationId="85a03867",
        scope="orders", roles=["admin"], tid="30663132"),
        header={"gty": ["password"]}, audience="85a03867-dccf-4882-adde-"
        "1a79aeec50df", require="role admin", miss={"sub": "a,b"},
        says="AuthBearerUserChars"),
    Row("duende", "https://ids.example.com", times(
        iss="https://ids.example.com", nbf=-30, aud="orders",
        scope=["openid", "orders.read"], amr=["pwd"], client_id="web",
        sub="88421113", auth_time=-30, idp="local", sid="S", jti="J"),
        header={"typ": "at+jwt"}, audience="orders",
        place="AuthBearerTokenProfile rfc9068", require="scope orders.read",
        miss_header={"typ": "JWT"}, says="AuthBearerTokenProfile"),
    Row("spring-authorization-server", "https://auth.example.com", times(
        sub="messaging-client", aud="messaging-client", nbf=-30,
        scope=["message.read"], iss="https://auth.example.com"),
        header={"typ": None}, audience="messaging-client",
        require="scope message.read", miss={"aud": "other-client"},
        says="AuthBearerAudience"),
    Row("salesforce", "https://acme.my.salesforce.com", times(
        scp="refresh_token api", aud=["https://acme.my.salesforce.com"],
        sub="uid:005SB000000abcd", nbf=-30, mty="oauth", sfi="f", roles=[],
        iss="https://acme.my.salesforce.com", hsc=False, client_id="3MVG"),
        header={"typ": "JWT", "tnk": "core/prod/00D", "ver": "1.0"},
        audience="https://acme.my.salesforce.com",
        require="claim scp:api", place="AuthBearerClients 3MVG",
        miss={"client_id": "3MVG9"}, says="AuthBearerClients"),
    Row("sap-xsuaa", "https://acme.authentication.eu10.hana.ondemand.com/"
        "oauth/token", times(
            jti="j", ext_attr={"enhancer": "XSUAA", "zdn": "acme"}, sub="s-1",
            authorities=["orders!t1.Read"], scope=["orders!t1.Read"],
            client_id="sb-orders!t1", cid="sb-orders!t1", azp="sb-orders!t1",
            grant_type="client_credentials", rev_sig="f", zid="z",
            iss="https://acme.authentication.eu10.hana.ondemand.com/"
            "oauth/token", aud=["orders!t1", "sb-orders!t1"]),
        header={"jku": "http://127.0.0.1:9/token_keys", "jid": "x"},
        audience="orders!t1", require="scope orders!t1.Read",
        miss={"scope": ["orders!t2.Read"]}, status=403,
        says=r"orders!t1\.Read"),
    Row("cloudflare-access", "https://acme.cloudflareaccess.com", times(
        aud=["4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"],
        email="jane@example.com", type="app", identity_nonce="6ei69kawdKzMIAPF",
        iss="https://acme.cloudflareaccess.com", nbf=-30, country="US",
        sub="7335d417-61da-459d-899c-0a01c76a2f94"),
        audience="4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2",
        place="AuthBearerTokenFrom header:Cf-Access-Jwt-Assertion",
        send="Cf-Access-Jwt-Assertion", header={"typ": None},
        miss={"aud": ["0000"]}, says="AuthBearerAudience"),
    Row("circleci", "https://oidc.circleci.com/org/org-1", times(
        iss="https://oidc.circleci.com/org/org-1", aud="org-1",
        sub="org/org-1/project/p-1/user/u-1",
        **{"oidc.circleci.com/project-id": "p-1",
           "oidc.circleci.com/context-ids": ["c-1"]}), audience="org-1",
        require="claim oidc.circleci.com/project-id:p-1",
        miss={"oidc.circleci.com/project-id": "p-2"}, status=403,
        says="project-id"),
    Row("buildkite", "https://agent.buildkite.com", times(
        iss="https://agent.buildkite.com", nbf=-30, aud="https://api.test",
        sub="organization:acme:pipeline:shop:ref:refs/heads/main:commit:9f:"
        "step:", organization_slug="acme", pipeline_slug="shop",
        build_number=1, build_branch="main"), audience="https://api.test",
        require="claim pipeline_slug:shop",
        miss={"aud": "https://buildkite.com/acme"},
        says="AuthBearerAudience"),
    Row("terraform-cloud", "https://app.terraform.io", times(
        iss="https://app.terraform.io", aud="orders", nbf=-30, jti="j",
        sub="organization:acme:project:p:workspace:w:run_phase:apply",
        terraform_run_phase="apply", terraform_workspace_name="w"),
        audience="orders", require="claim terraform_run_phase:apply",
        miss={"terraform_run_phase": "plan"}, status=403,
        says="terraform_run_phase"),
    Row("bitbucket", "https://api.bitbucket.org/2.0/workspaces/acme/"
        "pipelines-config/identity/oidc", times(
            sub="{1111-22}:{3333-44}", workspaceUuid="{w}", branchName="main",
            aud="ari:cloud:bitbucket::workspace/w", stepUuid="{3333-44}",
            iss="https://api.bitbucket.org/2.0/workspaces/acme/"
            "pipelines-config/identity/oidc"),
        audience="ari:cloud:bitbucket::workspace/w",
        require="claim branchName:main", miss={"branchName": "x"}, status=403,
        says="branchName"),
    Row("vault-identity", "https://vault.example.com:8200/v1/identity/oidc",
        times(aud="orders", iss="https://vault.example.com:8200/v1/identity/"
              "oidc", namespace="root", sub="entity-1"),
        header={"typ": None}, signer="ed25519", audience="orders",
        require="claim namespace:root", miss={"iat": -200000},
        says="AuthBearerMaxTokenAge"),
    Row("clerk", "https://clerk.example.com", times(
        azp="https://app.example.com", iss="https://clerk.example.com",
        nbf=-30, sid="sess_1", sub="user_2NNE", v=2, sts="active"),
        audience="unused", place="AuthBearerNoAudience accept\n"
        "AuthBearerClients https://app.example.com",
        miss={"azp": "https://evil.example"}, says="AuthBearerClients"),
    Row("supabase-es256", "https://p.supabase.co/auth/v1", times(
        iss="https://p.supabase.co/auth/v1", sub="u-1", aud="authenticated",
        email="j@example.com", phone="", role="authenticated", aal="aal1",
        app_metadata={"provider": "email", "roles": ["admin"]},
        user_metadata={}, amr=[{"method": "password", "timestamp": 1}],
        session_id="s", is_anonymous=False), signer="es256",
        audience="authenticated", require="role admin",
        place="AuthBearerRolesClaim app_metadata.roles",
        miss={"app_metadata": {"provider": "email"}}, status=403,
        says="admin"),
    Row("supabase-hs256", "https://p.supabase.co/auth/v1", times(
        iss="https://p.supabase.co/auth/v1", sub="u-1", aud="authenticated",
        role="authenticated"), signer="hs256",
        inside="AuthBearerAlgorithms HS256", audience="authenticated",
        miss_header={"alg": "HS512"}, says="AuthBearerAlgorithms"),
    Row("logto", "https://t.logto.app/oidc", times(
        iss="https://t.logto.app/oidc", sub="u", aud="https://api.example.com",
        scope="orders:read", client_id="c", jti="j"), signer="es384",
        header={"typ": "at+jwt"}, audience="https://api.example.com",
        require="scope orders:read", miss={"aud": "https://api.example.com/"},
        says="AuthBearerAudience"),
    Row("spiffe", "spiffe://acme.test", {
        "sub": "spiffe://acme.test/ns/shop/sa/worker", "exp": 300,
        "aud": ["orders"]}, signer="es256", header={"typ": "JOSE"},
        audience="orders", keys="spiffe",
        miss={"aud": ["spiffe://acme.test/other"]},
        says="AuthBearerAudience"),
    Row("ibm-verify", "https://acme.verify.ibm.com/oauth2", times(
        iss="https://acme.verify.ibm.com/oauth2", aud="orders", sub="50",
        client_id="c-1", scope="openid", realmName="cloudIdentityRealm",
        groupIds=["admins"], grant_type="client_credentials"),
        audience="orders", place="AuthBearerGroupsClaim groupIds",
        require="role admins", drop="AuthBearerGroupsClaim groupIds",
        status=403, says="admins"),
    Row("onelogin", "https://acme.onelogin.com/oidc/2", times(
        jti="j", sub="555", iss="https://acme.onelogin.com/oidc/2",
        scope="orders.read", client_id="c-1", params={"tier": 2},
        aud="https://api.example.com"), audience="https://api.example.com",
        require="claim params.tier:2", miss={"params": {"tier": 3}},
        status=403, says="params"),
]

#: What clients of these providers send by mistake: no directive makes an access
#: token of it, so the log says what to send instead. Row, change, words.
MISTAKEN = [
    ("keycloak-service-account", {"typ": "Refresh"}, "'typ'"),
    ("cognito-resource-binding", {"token_use": "id"}, "'token_use'"),
    ("forgerock", {"tokenName": "id_token", "nonce": None, "at_hash": "x", "scope": None},
     "'at_hash'"),
    ("keycloak-24-user", {"typ": "ID", "scope": None}, "'typ'"),
    ("azure-b2c", {"azp": GUID, "scp": None}, "'nonce'"),
]
