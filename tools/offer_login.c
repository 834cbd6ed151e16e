/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The configuration with which browsers log in with an issuer. See offer.h.
 */
#include "offer.h"

#include <string.h>

#include <apr_strings.h>

#define SITE "https://www.example.com"
#define FILES "/etc/apache2/bearer/"

/* What to register with the issuer. */
static const char *registration(const offer_t *offer)
{
    const json_t *back = json_object_get(offer->document, "backchannel_logout_supported");
    const json_t *front = json_object_get(offer->document,
                                          "frontchannel_logout_session_supported");

    return apr_pstrcat(
        offer->p,
        "# Register with the issuer, with the URL of this server:\n"
        "#   redirect URI              " SITE "/.auth/callback\n"
        "#   (with several issuers in AuthBearerLoginIssuer: .../.auth/callback/idp)\n"
        "#   (the same for each further name in AuthBearerBaseURL)\n",
        offer->metadata->end_session_endpoint
            ? "#   post-logout redirect URI  " SITE "/.auth/logout\n" : "",
        json_is_true(back) ? "#   back-channel logout URI   " SITE "/.auth/backchannel-logout\n"
                           : "",
        json_is_true(front)
            ? "#   front-channel logout URI  " SITE "/.auth/frontchannel-logout (with iss, sid)\n"
            : "",
        NULL);
}

static void add_client(const offer_t *offer, const char **conf)
{
    const char *method = offer_client_auth(offer, OFFER_LOGIN_AUTH);
    int tls = !strcmp(method, "tls_client_auth");

    offer_line(offer, conf, "AuthBearerClientID", "orders-web");
    if (strcmp(method, "client_secret_basic") != 0) {
        offer_line(offer, conf, "AuthBearerClientAuth", method);
    }
    if (tls || !strcmp(method, "private_key_jwt")) {
        offer_line(offer, conf, "AuthBearerClientKey", FILES "client-key.pem");
    } else {
        offer_line(offer, conf, "AuthBearerClientSecret", "file:" FILES "client-secret");
    }
    if (tls) {
        offer_line(offer, conf, "AuthBearerClientCert", FILES "client-cert.pem");
    }
}

/* An issuer that lists its scopes may refuse others. */
static void add_scopes(const offer_t *offer, const char **conf)
{
    static const char *const names[] = { "profile", "email" };
    const char *scopes = "openid";
    apr_size_t i;

    if (!json_array_size(json_object_get(offer->document, "scopes_supported"))) {
        return;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (offer_lists(offer, "scopes_supported", names[i])) {
            scopes = apr_pstrcat(offer->p, scopes, " ", names[i], NULL);
        }
    }
    if (strcmp(scopes, "openid profile email") != 0) {
        offer_line(offer, conf, "AuthBearerLoginScopes", scopes);
    }
    if (offer_lists(offer, "scopes_supported", "offline_access")) {
        offer_line(offer, conf, "# For a refresh token:\n    # AuthBearerLoginScopes",
                   apr_pstrcat(offer->p, scopes, " offline_access", NULL));
    }
}

/* The default user is the verified e-mail address. */
static void add_user(const offer_t *offer, const char **conf)
{
    if (offer_lists(offer, "claims_supported", "email_verified")) {
        return;
    }
    offer_line(offer, conf, json_array_size(json_object_get(offer->document,
                                                            "claims_supported"))
               ? "AuthBearerSessionUserClaim"
               : "# If the issuer does not verify e-mail addresses:\n"
                 "    # AuthBearerSessionUserClaim", "sub");
}

const char *offer_login(const offer_t *offer, const char *before, const char *inside)
{
    if (!offer->metadata->authorization_endpoint || !offer->metadata->token_endpoint) {
        return NULL;
    }
    add_client(offer, &inside);
    add_scopes(offer, &inside);
    add_user(offer, &inside);
    return apr_pstrcat(offer->p, registration(offer), before,
                       "# openssl rand -out " FILES "secret 48\n"
                       "AuthBearerSecretFile " FILES "secret\n"
                       "<AuthBearerIssuer \"", offer->named, "\" idp>\n", inside,
                       "</AuthBearerIssuer>\n"
                       "<Location \"/app\">\n"
                       "    AuthType Bearer\n"
                       "    AuthName \"app\"\n"
                       "    AuthBearerSession On\n"
                       "    AuthBearerLogin On\n"
                       "    Require valid-user\n"
                       "</Location>\n", NULL);
}
