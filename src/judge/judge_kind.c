/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The kind of token: the profile of check 8, and check 9. A token of one kind must
 * not be accepted as another (RFC 8725 section 3.11). See judge.h.
 */
#include "judge/judge_checks.h"

#include <string.h>
#include <strings.h>


#include "base/json.h"
#include "base/text.h"

static const char logout_event[] =
    "http://schemas.openid.net/event/backchannel-logout";

static int accepts_id_tokens(const bearer_judgement_t *j)
{
    return j->settings.id_tokens == BEARER_ID_TOKENS_ACCEPT;
}

/* ---- access tokens by RFC 9068 ------------------------------------------ */

static int is_at_jwt(const bearer_judgement_t *j)
{
    return j->jws.facts.typ && bearer_jws_is_typ(j->jws.facts.typ, "at+jwt");
}

/* RFC 9068 sections 2.2 and 4. An introspection response shows no header. */
bearer_reason_t bearer_check_profile(bearer_judgement_t *j)
{
    static const char *const required[] = { "iss", "exp", "aud", "sub",
                                            "client_id", "iat", "jti" };
    unsigned i;

    if (j->settings.token_profile != BEARER_PROFILE_RFC9068) {
        return BEARER_OK;
    }
    if (j->on != BEARER_ON_CLAIMS && !is_at_jwt(j)) {
        return REFUSE(j, PROFILE, "header typ is %s, but AuthBearerTokenProfile rfc9068 needs "
                      "'at+jwt'", bearer_text_quote(j->p, j->jws.facts.typ));
    }
    for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        if (!bearer_json_member(j->claims, required[i])) {
            return REFUSE(j, PROFILE, "claim '%s' is missing, which AuthBearerTokenProfile rfc9068 "
                          "needs", required[i]);
        }
    }
    return BEARER_OK;
}

/* ---- check 9a: never an access token ----------------------------------- */

typedef struct sign_t {
    const char *seen;
    const char *is;    /* the kind that the sign shows */
} sign_t;

static const sign_t header_types[] = {
    { "dpop+jwt", "a DPoP proof" },
    { "logout+jwt", "a logout token" },
    { "secevent+jwt", "a security event" },
    { "token-introspection+jwt", "an introspection response" },
    { NULL, NULL }
};

/* Keycloak. The first row depends on AuthBearerIDTokens. */
static const sign_t payload_types[] = {
    { "ID", "an ID token" },
    { "Refresh", "a refresh token" },
    { "Offline", "an offline token" },
    { "Logout", "a logout token" },
    { NULL, NULL }
};

/* sign: a format, with the remaining arguments */
#define NOT_AN_ACCESS_TOKEN(j, is, sign, ...) \
    REFUSE(j, TYPE, sign ": this is %s, not an access token; the client must send the " \
           "access_token of the issuer's response", __VA_ARGS__, is)

const char *bearer_judge_other_kind(const char *typ)
{
    const sign_t *row = header_types;

    while (row->seen && !bearer_jws_is_typ(typ, row->seen)) {
        row++;
    }
    return row->is;
}

static int is_further_type(const bearer_judgement_t *j, const char *typ)
{
    const apr_array_header_t *types = j->settings.token_types;
    int i;

    for (i = 0; types && i < types->nelts; i++) {
        const char *type = APR_ARRAY_IDX(types, i, const char *);

        if (bearer_jws_is_typ(typ, strncasecmp(type, "application/", 12) ? type : type + 12)) {
            return 1;
        }
    }
    return 0;
}

static bearer_reason_t check_header_typ(bearer_judgement_t *j)
{
    const char *typ = j->jws.facts.typ, *kind;

    if (!typ || bearer_jws_is_typ(typ, "JWT") || bearer_jws_is_typ(typ, "at+jwt")
        || (j->issuer && bearer_issuer_is_spiffe(j->issuer) && bearer_jws_is_typ(typ, "JOSE"))
        || is_further_type(j, typ)) {
        return BEARER_OK;
    }
    kind = bearer_judge_other_kind(typ);
    if (kind) {
        return NOT_AN_ACCESS_TOKEN(j, kind, "header typ is %s, expected JWT or at+jwt",
                                   bearer_text_quote(j->p, typ));
    }
    return REFUSE(j, TYPE, "header typ is %s, expected JWT, at+jwt or one of "
                  "AuthBearerTokenTypes %s; if this issuer's access tokens are of that type, "
                  "name it there", bearer_text_quote(j->p, typ),
                  bearer_settings_print(&j->settings, BEARER_SET_TOKEN_TYPES, j->p));
}

/* Returns the calling client, as check 10 reads it. */
static const char *client_of(const bearer_judgement_t *j)
{
    return bearer_principal_client(j->claims, &j->settings);
}

/* `access` is what Cognito writes; Hydra's introspection says access_token. */
static int is_access_use(const bearer_judgement_t *j, const json_t *use)
{
    const char *s = json_string_value(use);

    return s && (strcmp(s, "access") == 0
                 || (j->on == BEARER_ON_CLAIMS
                     && strcmp(s, "access_token") == 0));
}

static bearer_reason_t check_token_use(bearer_judgement_t *j)
{
    const json_t *use = bearer_json_member(j->claims, "token_use");
    const char *s = json_string_value(use);

    if (!use || is_access_use(j, use)
        || (s && strcmp(s, "id") == 0 && accepts_id_tokens(j))) {
        return BEARER_OK;
    }
    return NOT_AN_ACCESS_TOKEN(j, s && strcmp(s, "id") == 0 ? "an ID token"
                                                            : "another token",
                               "claim 'token_use' is %s, expected access",
                               s ? bearer_text_quote(j->p, s) : "not a string");
}

/* RFC 7662 requires Bearer here; some issuers state the kind of token instead. */
static bearer_reason_t check_token_type(bearer_judgement_t *j)
{
    const char *type = j->on == BEARER_ON_CLAIMS
                           ? bearer_json_string(j->claims, "token_type") : NULL;

    return !type || strcasecmp(type, "refresh_token") != 0 ? BEARER_OK
        : NOT_AN_ACCESS_TOKEN(j, "a refresh token", "claim 'token_type' is '%s'",
                              "refresh_token");
}

static bearer_reason_t payload_typ(bearer_judgement_t *j, const sign_t *row)
{
    const char *typ = bearer_json_string(j->claims, "typ");

    for (; typ && row->seen; row++) {
        if (strcasecmp(typ, row->seen) == 0) {
            return NOT_AN_ACCESS_TOKEN(j, row->is, "claim 'typ' is '%s'", row->seen);
        }
    }
    return BEARER_OK;
}

static bearer_reason_t check_payload_typ(bearer_judgement_t *j)
{
    return payload_typ(j, payload_types + accepts_id_tokens(j));
}

/* Keycloak signs its refresh tokens with HS512: it is not the algorithm that is wrong. */
bearer_reason_t bearer_judge_named_type(bearer_judgement_t *j)
{
    return payload_typ(j, payload_types + 1);
}

static bearer_reason_t check_logout_event(bearer_judgement_t *j)
{
    const json_t *events = json_object_get(j->claims, "events");

    return !json_object_get(events, logout_event) ? BEARER_OK
        : NOT_AN_ACCESS_TOKEN(j, "a logout token", "its claim '%s' has a logout event",
                              "events");
}

/* ---- check 9a: the marks of an ID token ---------------------------------- */

static int has_scope_claim(const bearer_judgement_t *j)
{
    const apr_array_header_t *paths = j->settings.scope_claim;
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        const json_t *scope = bearer_path_find(
            APR_ARRAY_IDX(paths, i, const bearer_path_t *), j->claims);

        if (json_string_length(scope) || json_array_size(scope)) {
            return 1;
        }
    }
    return 0;
}

/* Is the calling client another than those the token is for? An ID token is for its
 * client. */
static int is_for_another_than_its_client(const bearer_judgement_t *j)
{
    const json_t *aud = json_object_get(j->claims, "aud");
    const char *client = client_of(j), *one;
    apr_size_t i;

    for (i = 0; client && i < bearer_judge_aud_count(aud); i++) {
        one = bearer_judge_aud_at(aud, i);
        if (!one || strcmp(one, client) == 0) {
            return 0;
        }
    }
    return client != NULL;
}

/* Keycloak before version 25 copies nonce into access tokens, with typ Bearer; Azure AD
 * B2C too, with a scope and a client that is not the audience. */
static int shows_access_token(const bearer_judgement_t *j)
{
    const char *typ = bearer_json_string(j->claims, "typ");

    return is_at_jwt(j) || is_access_use(j, json_object_get(j->claims, "token_use"))
        || (typ && strcmp(typ, "Bearer") == 0)
        || (has_scope_claim(j) && is_for_another_than_its_client(j));
}

static bearer_reason_t check_marks(bearer_judgement_t *j)
{
    static const char *const marks[] = { "nonce", "at_hash", "c_hash" };
    int scoped = has_scope_claim(j);
    unsigned i = 0;

    while (i < sizeof(marks) / sizeof(marks[0])
           && !bearer_json_member(j->claims, marks[i])) {
        i++;
    }
    if (i == sizeof(marks) / sizeof(marks[0]) || accepts_id_tokens(j)
        || (scoped && j->settings.id_tokens == BEARER_ID_TOKENS_SCOPED)
        || shows_access_token(j)) {
        return BEARER_OK;
    }
    return REFUSE(j, TYPE, "it has a claim '%s', the mark of an ID token, and nothing shows an "
                  "access token; the client must send the access_token of the issuer's response; "
                  "if it does, because this issuer's access tokens look like this, write "
                  "AuthBearerIDTokens %s", marks[i],
                  scoped ? "scoped" : "accept and AuthBearerClients");
}

bearer_reason_t bearer_check_type(bearer_judgement_t *j)
{
    static bearer_reason_t (*const parts[])(bearer_judgement_t *) = {
        check_header_typ, check_token_use, check_token_type,
        check_payload_typ, check_logout_event, check_marks
    };
    bearer_reason_t reason = BEARER_OK;
    unsigned i;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && reason == BEARER_OK;
         i++) {
        reason = parts[i](j);
    }
    return reason;
}

/* ---- check 9b: refused as an ID token ---------------------------------- */

bearer_reason_t bearer_check_id_token(bearer_judgement_t *j)
{
    const char *own = j->settings.client_id;
    const json_t *aud = json_object_get(j->claims, "aud");
    const char *client;

    if (accepts_id_tokens(j) || !own || bearer_judge_aud_count(aud) != 1
        || !bearer_judge_aud_at(aud, 0)
        || strcmp(bearer_judge_aud_at(aud, 0), own) != 0) {
        return BEARER_OK;
    }
    client = client_of(j);
    if (is_at_jwt(j) || has_scope_claim(j)
        || is_access_use(j, json_object_get(j->claims, "token_use"))
        || (client && strcmp(client, own) != 0)) {
        return BEARER_OK;
    }
    return REFUSE(j, ID_TOKEN, "the only audience is %s, this server's AuthBearerClientID, and no "
                  "typ at+jwt, token_use access, scope or other client shows an access token: this "
                  "is an ID token; the client must send its access token, or write "
                  "AuthBearerIDTokens accept and AuthBearerClients",
                  bearer_text_quote(j->p, own));
}

/* ---- check 9 of a login's tokens ---------------------------------------- */

bearer_reason_t bearer_check_login_type(bearer_judgement_t *j)
{
    const char *typ = j->jws.facts.typ;
    int logout = json_object_get(j->claims, "events") != NULL;

    if (typ && !bearer_jws_is_typ(typ, "JWT")
        && !(j->on == BEARER_ON_LOGOUT && bearer_jws_is_typ(typ, "logout+jwt"))) {
        return REFUSE(j, TYPE, "header 'typ' is %s, another kind of token",
                      bearer_text_quote(j->p, typ));
    }
    if (logout != (j->on == BEARER_ON_LOGOUT)) {
        return REFUSE(j, TYPE,
                      logout ? "this is a logout token, not an ID token"
                          : "the token has no events: it is not a logout token");
    }
    return BEARER_OK;
}

bearer_reason_t bearer_check_logout(bearer_judgement_t *j)
{
    const json_t *events = json_object_get(j->claims, "events");
    const char *jti = bearer_json_string(j->claims, "jti");
    const char *lacks = NULL;

    if (!json_is_object(json_object_get(events, logout_event))) {
        lacks = "events has no back-channel logout event";
    } else if (json_object_get(j->claims, "nonce")) {
        lacks = "it has a nonce, which logout tokens must not have";
    } else if (!jti || !*jti || strlen(jti) > 256) {
        lacks = "jti is missing, too long, or not a string";
    } else if (!bearer_json_string(j->claims, "sid")
               && !bearer_json_string(j->claims, "sub")) {
        lacks = "sid and sub are missing, so the session is unknown";
    }
    return lacks ? REFUSE(j, LOGOUT_TOKEN, "the logout token cannot be used: %s", lacks)
                 : BEARER_OK;
}
