/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Builds a principal from claims. See principal.h. All its data is in its pool or in
 * the claims to which it keeps a reference.
 */
#include "judge/principal.h"

#include <string.h>

#include <apr_strings.h>

#include "base/b64url.h"
#include "base/json.h"
#include "base/text.h"
#include "judge/user_format.h"

/** Duplicates are removed among this many names; longer lists may repeat one. */
#define DISTINCT_MAX 64

/* ---- lists ------------------------------------------------------------- */

static void add(apr_array_header_t *out, const char *name)
{
    if (*name && (out->nelts > DISTINCT_MAX || !bearer_text_among(out, name))) {
        APR_ARRAY_PUSH(out, const char *) = name;
    }
}

/* RFC 6749 section 3.3: separated by spaces. */
static void add_split(apr_array_header_t *out, const char *names)
{
    char *rest, *end;

    if (!strchr(names, ' ')) {
        add(out, names);
        return;
    }
    for (rest = apr_pstrdup(out->pool, names); *rest; rest = end) {
        rest += strspn(rest, " ");
        end = rest + strcspn(rest, " ");
        if (*end) {
            *end++ = '\0';
        }
        add(out, rest);
    }
}

/* Zitadel: {"admin":{"220":"acme.example"}}. A member that is false says no. */
static void add_members(apr_array_header_t *out, const json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(apr_uintptr_t)object, name, value) {
        if (!json_is_false(value) && !json_is_null(value)) {
            add(out, apr_pstrdup(out->pool, name));
        }
    }
}

/* Collects strings at the paths: a string gives its words if split is set, an array its
 * strings; else an object the names of its members. */
static apr_array_header_t *pooled(const apr_array_header_t *paths,
                                  const json_t *claims, int split, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, 4, sizeof(const char *));
    void (*put)(apr_array_header_t *, const char *) = split ? add_split : add;
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        const json_t *found = bearer_path_find(
            APR_ARRAY_IDX(paths, i, const bearer_path_t *), claims);
        apr_size_t k;

        if (json_is_string(found)) {
            put(out, json_string_value(found));
        }
        if (!split) {
            add_members(out, found);
        }
        for (k = 0; k < json_array_size(found); k++) {
            const char *name = json_string_value(json_array_get(found, k));

            if (name) {
                put(out, name);
            }
        }
    }
    return out;
}

/** Maximum number of omitted names that are logged. */
#define LEFT_OUT_MAX 8

typedef struct names_t {
    const json_t *claims;
    apr_array_header_t *left_out;   /**< NULL: none so far */
    int more;
    apr_pool_t *p;
} names_t;

static void leave_out(names_t *names, const char *what, const char *name,
                      const char *why)
{
    if (!names->left_out) {
        names->left_out = apr_array_make(names->p, 1, sizeof(const char *));
    }
    if (names->left_out->nelts == LEFT_OUT_MAX) {
        names->more++;
        return;
    }
    APR_ARRAY_PUSH(names->left_out, const char *) =
        apr_psprintf(names->p, "%s %s is omitted: %s", what,
                     bearer_text_quote(names->p, name), why);
}

/* Takes the names of one kind. Names that an application would read differently
 * are ignored, here and there. */
static const apr_array_header_t *take(names_t *names, const char *what,
                                      const apr_array_header_t *paths,
                                      char separator)
{
    apr_array_header_t *out = pooled(paths, names->claims, separator == ' ',
                                     names->p);
    int i, kept = 0;

    for (i = 0; i < out->nelts; i++) {
        const char *name = APR_ARRAY_IDX(out, i, const char *);
        const char *error = bearer_text_member_error(name, separator);

        if (error) {
            leave_out(names, what, name, error);
        } else {
            APR_ARRAY_IDX(out, kept++, const char *) = name;
        }
    }
    out->nelts = kept;
    return out;
}

static void take_all(bearer_principal_t *principal,
                     const bearer_settings_t *settings, apr_pool_t *p)
{
    names_t names = { principal->claims, NULL, 0, p };

    principal->scopes = take(&names, "scope", settings->scope_claim, ' ');
    principal->roles = take(&names, "role", settings->roles_claim,
                            BEARER_NAMES_SEPARATOR);
    principal->groups = take(&names, "group", settings->groups_claim,
                             BEARER_NAMES_SEPARATOR);
    if (names.more) {
        APR_ARRAY_PUSH(names.left_out, const char *) =
            apr_psprintf(p, "more names omitted: %d", names.more);
    }
    principal->left_out = names.left_out;
}

/* ---- the user ---------------------------------------------------------- */

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string", [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a number with a fraction", [JSON_TRUE] = "a boolean",
        [JSON_FALSE] = "a boolean", [JSON_NULL] = "null"
    };

    return names[json_typeof(value)];
}

/* Returns the claim at the first path that is there, else NULL; *path is it, or the
 * last. */
static const json_t *user_claim(const bearer_path_t **path, const json_t *claims,
                                const bearer_user_claim_t *claim)
{
    const json_t *value = NULL;
    const bearer_path_t *next;
    int i;

    for (i = 0; !value && (next = bearer_user_claim_at(claim, i)) != NULL; i++) {
        *path = next;
        value = bearer_path_find(next, claims);
        value = json_is_null(value) ? NULL : value;
    }
    return value;
}

bearer_reason_t bearer_principal_user_claim(const json_t *claims,
                                            const bearer_settings_t *settings,
                                            bearer_refusal_t *why,
                                            apr_pool_t *p)
{
    const bearer_path_t *at = settings->user_claim.path;
    const json_t *sub = bearer_json_member(claims, "sub");
    const json_t *value;
    const char *path;

    if (sub && !json_is_string(sub)) {
        return bearer_refuse(why, p, BEARER_USER_CLAIM,
                             "claim 'sub' is %s, but must be a string (RFC 7519 section 4.1.2)",
                             type_name(sub));
    }
    value = user_claim(&at, claims, &settings->user_claim);
    path = bearer_path_text(at);
    if (!value) {
        return bearer_refuse(why, p, BEARER_USER_CLAIM,
                             "claim %s is missing (AuthBearerUserClaim); name a claim that these "
                             "tokens have", bearer_text_quote(p, bearer_user_claim_text(
                                 &settings->user_claim, p)));
    }
    if (!json_is_string(value)
        && !(json_is_integer(value) && strcmp(path, "sub") != 0)) {
        return bearer_refuse(why, p, BEARER_USER_CLAIM, "claim %s is %s; "
                             "AuthBearerUserClaim needs a string or an integer",
                             bearer_text_quote(p, path), type_name(value));
    }
    return BEARER_OK;
}

/* Returns the claim as text, after its regular expression. */
static bearer_reason_t user_value(const char **user, const json_t *claims,
                                  const bearer_settings_t *settings,
                                  bearer_refusal_t *why, apr_pool_t *p)
{
    const bearer_user_claim_t *claim = &settings->user_claim;
    bearer_reason_t reason = bearer_principal_user_claim(claims, settings, why,
                                                         p);
    const bearer_path_t *path = claim->path;
    const json_t *value;
    const char *text;
    int met;

    if (reason != BEARER_OK) {
        return reason;
    }
    value = user_claim(&path, claims, claim);
    text = json_is_integer(value)
               ? apr_psprintf(p, "%" APR_INT64_T_FMT,
                              (apr_int64_t)json_integer_value(value))
               : json_string_value(value);
    if (!claim->regex) {
        *user = text;
        return BEARER_OK;
    }
    met = bearer_regex_substitute(user, claim->regex,
                                  claim->substitution ? claim->substitution
                                                      : "$0", text, p);
    if (met < 0) {
        return bearer_refuse(why, p, BEARER_CONFIGURATION,
                             "claim %s gives no user with the regular expression %s "
                             "(AuthBearerUserClaim, AuthBearerSessionUserClaim): %s",
                             bearer_text_quote(p, bearer_path_text(path)),
                             bearer_text_quote(p, claim->regex->pattern),
                             bearer_regex_error_text(met));
    }
    if (!met) {
        return bearer_refuse(why, p, BEARER_USER_CLAIM,
                             "claim %s is %s, which does not match the regular expression %s of "
                             "AuthBearerUserClaim",
                             bearer_text_quote(p, bearer_path_text(path)),
                             bearer_text_quote(p, text),
                             bearer_text_quote(p, claim->regex->pattern));
    }
    return BEARER_OK;
}

/* Check 12. */
static bearer_reason_t check_identifier(const char *user,
                                        const bearer_settings_t *settings,
                                        bearer_refusal_t *why, apr_pool_t *p)
{
    const char *error =
        bearer_text_identifier_error(user, strlen(user),
                                     settings->user_chars_printable);

    if (!error) {
        return BEARER_OK;
    }
    return bearer_refuse(why, p, BEARER_IDENTIFIER,
                         "%s, from claim %s (AuthBearerUserClaim), is not an acceptable user name: "
                         "%s", bearer_text_quote(p, user),
                         bearer_text_quote(p, bearer_user_claim_text(
                             &settings->user_claim, p)), error);
}

const json_t *bearer_principal_client_claim(const json_t *claims, const char **name)
{
    static const char *const names[] = { "azp", "client_id", "appid", "cid" };
    const json_t *value = NULL;
    unsigned i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]) && !value; i++) {
        value = bearer_json_member(claims, *name = names[i]);
    }
    return value;
}

const char *bearer_principal_client(const json_t *claims,
                                    const bearer_settings_t *settings)
{
    const char *name;
    const json_t *value = bearer_principal_client_claim(claims, &name);

    if (!value && settings->id_tokens == BEARER_ID_TOKENS_ACCEPT) {
        value = json_object_get(claims, "aud");
        value = json_array_size(value) == 1 ? json_array_get(value, 0) : value;
    }
    return json_string_length(value) ? json_string_value(value) : NULL;
}

const char *bearer_principal_jti(const json_t *claims, apr_pool_t *p)
{
    const json_t *jti = json_object_get(claims, "jti");

    return json_is_integer(jti) ? apr_psprintf(p, "%" APR_INT64_T_FMT,
                                               (apr_int64_t)json_integer_value(jti))
                                : json_string_value(jti);
}

/* ---- the key that the token is bound to --------------------------------- */

#define JKT "jkt"
#define X5T "x5t#S256"

/* Returns the flag if the member is a SHA-256, 0 if it is absent. */
static unsigned bound_by(const json_t *cnf, const char *name, unsigned flag)
{
    /* base64url of BEARER_SHA256_SIZE octets */
    unsigned char digest[BEARER_B64URL_DECODED_MAX(43)];
    const json_t *member = bearer_json_member(cnf, name);
    apr_size_t len;

    if (!member) {
        return 0;
    }
    return json_string_length(member) == 43
               && bearer_b64url_decode(digest, &len, json_string_value(member), 43)
                      == APR_SUCCESS
               ? flag : BEARER_BOUND_OTHER;
}

static unsigned bound(const json_t *claims)
{
    const json_t *cnf = bearer_json_member(claims, "cnf");
    unsigned flags;

    if (!cnf) {
        return 0;
    }
    flags = bound_by(cnf, JKT, BEARER_BOUND_DPOP) | bound_by(cnf, X5T, BEARER_BOUND_MTLS);
    return flags ? flags : BEARER_BOUND_OTHER;
}

static const char *bound_to(const bearer_principal_t *principal, const char *name,
                            unsigned flag)
{
    return principal->bound & flag
               ? bearer_json_string(json_object_get(principal->claims, "cnf"), name) : NULL;
}

const char *bearer_principal_jkt(const bearer_principal_t *principal)
{
    return bound_to(principal, JKT, BEARER_BOUND_DPOP);
}

const char *bearer_principal_x5t(const bearer_principal_t *principal)
{
    return bound_to(principal, X5T, BEARER_BOUND_MTLS);
}

/* ---- the principal ----------------------------------------------------- */

static void fill_from_claims(bearer_principal_t *principal,
                             const bearer_settings_t *settings, apr_pool_t *p)
{
    const json_t *claims = principal->claims;

    principal->bound = bound(claims);
    principal->client = bearer_principal_client(claims, settings);
    principal->jti = bearer_principal_jti(claims, p);
    bearer_json_date(&principal->expires, claims, "exp");
    bearer_json_date(&principal->not_before, claims, "nbf");
    bearer_json_date(&principal->issued, claims, "iat");
    take_all(principal, settings, p);
    principal->scope = apr_array_pstrcat(p, principal->scopes, ' ');
}

bearer_reason_t bearer_principal_build(const bearer_principal_t **principal,
                                       const char *method, json_t *claims,
                                       const bearer_issuer_t *issuer,
                                       const char *iss, const char *tenant,
                                       const bearer_settings_t *settings,
                                       bearer_refusal_t *why, apr_pool_t *p)
{
    const char *user = NULL;
    bearer_principal_t *built;
    bearer_reason_t reason;

    *principal = NULL;
    reason = user_value(&user, claims, settings, why, p);
    if (reason == BEARER_OK) {
        reason = check_identifier(user, settings, why, p);
    }
    if (reason != BEARER_OK) {
        return reason;
    }
    built = apr_pcalloc(p, sizeof(*built));
    built->method = method;
    built->issuer = issuer;
    built->iss = iss ? iss : "";
    built->claims = claims;
    built->user_value = user;
    /* a session service has no issuer name: its users belong to "session" */
    built->user = bearer_user_format_apply(settings->user_format, user,
                                           issuer ? issuer->name : method, tenant,
                                           p);
    fill_from_claims(built, settings, p);
    *principal = built;
    return BEARER_OK;
}

const bearer_principal_t *bearer_principal_anonymous(apr_pool_t *p)
{
    bearer_principal_t *nobody = apr_pcalloc(p, sizeof(*nobody));
    const apr_array_header_t *none = apr_array_make(p, 0, sizeof(const char *));

    nobody->method = "anonymous";
    nobody->iss = "";
    nobody->scope = "";
    nobody->scopes = nobody->roles = nobody->groups = none;
    nobody->claims = bearer_json_tie(json_object(), p);
    return nobody;
}

/* ---- queries ----------------------------------------------------------- */

const char *bearer_principal_lost(const bearer_principal_t *principal,
                                  const bearer_path_t *path)
{
    const char *found = NULL;
    int i;

    for (i = 0; !found && principal->dropped && i < principal->dropped->nelts; i++) {
        const char *const name[] = { APR_ARRAY_IDX(principal->dropped, i, const char *), NULL };

        found = bearer_path_among(path, name);
    }
    return found;
}

const char *bearer_principal_lost_of(const bearer_principal_t *principal,
                                     const apr_array_header_t *paths)
{
    const char *found = NULL;
    int i;

    for (i = 0; !found && i < paths->nelts; i++) {
        found = bearer_principal_lost(principal, APR_ARRAY_IDX(paths, i,
                                                               const bearer_path_t *));
    }
    return found;
}

/* foo covers foo.bar, not foobar. */
static int covers_HIERARCHIC(const char *granted, const char *wanted)
{
    apr_size_t len = strlen(granted);

    return strncmp(granted, wanted, len) == 0
           && (wanted[len] == '\0' || wanted[len] == '.');
}

/*
 * Compares part by part. `*` matches one non-empty part, and at the end one or more:
 * foo.* covers foo.a and foo.a.b, but not foo and not "foo.".
 */
static int covers_WILDCARD(const char *granted, const char *wanted)
{
    for (;;) {
        apr_size_t g = strcspn(granted, ".");
        apr_size_t w = strcspn(wanted, ".");
        int any = g == 1 && *granted == '*';

        if (any ? w == 0 : g != w || memcmp(granted, wanted, g) != 0) {
            return 0;
        }
        granted += g;
        wanted += w;
        if (!*granted) {
            return any || !*wanted;
        }
        if (!*wanted) {
            return 0;
        }
        granted++;
        wanted++;
    }
}

static int covers_EXACT(const char *granted, const char *wanted)
{
    return strcmp(granted, wanted) == 0;
}

/* In the order of the strategies. */
static int (*const covers[])(const char *granted, const char *wanted) = {
#define X(symbol, word) covers_##symbol,
    BEARER_SCOPE_STRATEGIES(X)
#undef X
};

int bearer_principal_has_scope(const bearer_principal_t *principal,
                               const char *wanted,
                               bearer_scope_strategy_t strategy)
{
    int i;

    for (i = 0; i < principal->scopes->nelts; i++) {
        if (covers[strategy](APR_ARRAY_IDX(principal->scopes, i, const char *), wanted)) {
            return 1;
        }
    }
    return 0;
}

int bearer_principal_has_role(const bearer_principal_t *principal,
                              const char *role)
{
    return bearer_text_among(principal->roles, role)
           || bearer_text_among(principal->groups, role);
}

int bearer_principal_has_actor(const bearer_principal_t *principal, const char *sub)
{
    const json_t *act = json_object_get(principal->claims, "act");
    const json_t *actor = json_object_get(act, "sub");

    if ((act && !json_is_object(act)) || (actor && !json_is_string(actor))) {
        return -1;
    }
    return actor && !strcmp(json_string_value(actor), sub);
}

int bearer_principal_acr_among(const json_t *claims, const apr_array_header_t *wanted)
{
    const json_t *acr = json_object_get(claims, "acr"), *one;
    int found = bearer_text_among(wanted, json_string_value(acr));
    size_t i;

    json_array_foreach(acr, i, one) {
        found |= bearer_text_among(wanted, json_string_value(one));
    }
    return found;
}

const char *bearer_principal_acr_text(const json_t *claims, apr_pool_t *p)
{
    const json_t *acr = json_object_get(claims, "acr");

    return bearer_text_quote(p, json_is_string(acr) ? json_string_value(acr)
                                                    : bearer_json_text(acr, p));
}

int bearer_principal_is_of(const bearer_principal_t *principal, const char *issuer)
{
    return !strcmp(principal->iss, issuer)
        || (principal->issuer && !strcmp(principal->issuer->url, issuer));
}
