/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What htbearer discover reads of a stranger: a metadata document, and behind a
 * byte 0x01 a key set. Whatever they say, the configuration that comes of it has
 * no line but those that discover writes.
 */
#include "fuzz_tell.h"

#include <strings.h>

#include "base/http.h"

#include "../../tools/offer.c"
#include "../../tools/offer_login.c"

#define ASKED "https://idp.example/"
#define SOURCE "https://idp.example/.well-known/openid-configuration"

static apr_array_header_t *plain_http;

static void fuzz_setup(apr_pool_t *p)
{
    plain_http = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(plain_http, const char *) = "inside.example";
}

/* Up to a value in quotes, if any. */
static int is_ours(const char *line_)
{
    static const char *const lines[] = {
        "AuthBearerPlainHTTP inside.example:", "<AuthBearerIssuer \"",
        "    AuthBearerMetadata \"" SOURCE "\"",
        "    AuthBearerAlgorithms ES256K", "    # AuthBearerKeys https://...",
        "    # For opaque tokens:", "    # AuthBearerIntrospection discover",
        "    # AuthBearerClientID orders-api",
        "    # AuthBearerClientSecret file:/etc/apache2/bearer/client-secret",
        "    # AuthBearerClientAuth client_secret_",
        "    # AuthBearerClientAuth private_key_jwt",
        "    # AuthBearerClientAuth tls_client_auth", "</AuthBearerIssuer>",
        "<Location \"/orders\">", "    AuthType Bearer",
        "    AuthName \"orders\"", "    # The claim aud of tokens for this API:",
        "    AuthBearerAudience api://orders", "    Require valid-user",
        "</Location>",
        /* of a login */
        "# Register with the issuer, with the URL of this server:",
        "#   redirect URI ", "#   (with several issuers in AuthBearerLoginIssuer: ",
        "#   (the same for each further name in AuthBearerBaseURL)",
        "#   post-logout redirect URI ", "#   back-channel logout URI ",
        "# openssl rand -out /etc/apache2/bearer/secret 48",
        "AuthBearerSecretFile /etc/apache2/bearer/secret",
        "    AuthBearerClientID orders-web", "    AuthBearerClientAuth client_secret_",
        "    AuthBearerClientAuth private_key_jwt", "    AuthBearerClientAuth tls_client_auth",
        "    AuthBearerClientKey /etc/apache2/bearer/client-key.pem",
        "    AuthBearerClientCert /etc/apache2/bearer/client-cert.pem",
        "    AuthBearerClientSecret file:/etc/apache2/bearer/client-secret",
        "    AuthBearerLoginScopes openid", "    # For a refresh token:",
        "    # AuthBearerLoginScopes openid", "    AuthBearerSessionUserClaim sub",
        "    # If the issuer does not verify e-mail addresses:",
        "    # AuthBearerSessionUserClaim sub", "<Location \"/app\">", "    AuthName \"app\"",
        "    AuthBearerSession On", "    AuthBearerLogin On", NULL
    };
    int i;

    for (i = 0; lines[i]; i++) {
        if (strncmp(line_, lines[i], strlen(lines[i])) == 0) {
            return 1;
        }
    }
    return 0;
}

static void check_configuration(const char *text, const char *issuer,
                                apr_pool_t *p)
{
    const char *opened = apr_pstrcat(p, "<AuthBearerIssuer \"", issuer, "\"",
                                     NULL);
    int issuers = 0, lines = 0;

    FUZZ_CHECK(!strpbrk(issuer, "\"\\ \t\r\n<>") && !strstr(issuer, "${"));
    while (*text) {
        const char *one = fuzz_part(&text, '\n', p);

        FUZZ_CHECK(is_ours(one));
        issuers += strncmp(one, opened, strlen(opened)) == 0
                   && (!strcmp(one + strlen(opened), ">")
                       || !strcmp(one + strlen(opened), " idp>"));
        lines++;
    }
    FUZZ_CHECK(issuers == 1 && lines < 40);
}

static void check_odd(const json_t *odd)
{
    const json_t *one;
    size_t i;

    json_array_foreach(odd, i, one) {
        fuzz_check_line(json_string_value(one));
    }
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    offer_t *offer = offer_create(ASKED, plain_http, p);
    const char *document = fuzz_part(&text, '\x01', p), *error, *url;
    json_t *said;

    (void)len;
    if (offer_read_metadata(offer, SOURCE, document, strlen(document), &error)
        != APR_SUCCESS) {
        fuzz_check_line(error);
        return;
    }
    url = offer_keys_url(offer);
    FUZZ_CHECK(!url || !bearer_http_url_error(url, SOURCE, plain_http, p));
    FUZZ_CHECK(!url || (strncasecmp(url, "https://localhost/", 18) != 0
                        && strncmp(url, "https://127.0.0.1", 17) != 0));
    if (url) {
        offer_read_keys(offer, text, strlen(text));
    }
    said = offer_json(offer);
    FUZZ_CHECK(json_array_size(json_object_get(said, "keys"))
               == (size_t)offer_key_count(offer));
    check_odd(json_object_get(said, "odd"));
    check_configuration(bearer_json_string(said, "configuration"), offer->named,
                        p);
    if (bearer_json_string(said, "login_configuration")) {
        check_configuration(bearer_json_string(said, "login_configuration"), offer->named, p);
    }
    fuzz_told(tell_offer, said, p);
}
