/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_settings.c
 * The directives that more than one layer has (S, I, D, H): a row in `parsers`
 * for each, what reads its words and where the value goes.
 */
#include "config_parse.h"

#include <limits.h>

#include <apr_lib.h>

#include "judge/exports.h"
#include "ask/client_auth.h"
#include "judge/user_format.h"
#include "login/login.h"
#include "trust/resource.h"

APLOG_USE_MODULE(auth_bearer);

#define MAX_SKEW apr_time_from_sec(300)

static const word_t on_off[] = { {"On", 1}, {"Off", 0}, {NULL, 0} };
static const word_t refuse_accept[] = { {"refuse", 0}, {"accept", 1}, {NULL, 0} };
static const word_t off_pass[] = { {"off", 0}, {"pass", 1}, {NULL, 0} };
static const word_t strict_printable[] = {
    {"strict", 0}, {"printable", 1}, {NULL, 0}
};
static const word_t prefers[] = { {"cookie", 0}, {"bearer", 1}, {NULL, 0} };
static const word_t client_auths[] = {
    {"client_secret_basic", BEARER_CLIENT_SECRET_BASIC},
    {"client_secret_post", BEARER_CLIENT_SECRET_POST},
    {"client_secret_jwt", BEARER_CLIENT_SECRET_JWT},
    {"private_key_jwt", BEARER_CLIENT_PRIVATE_KEY_JWT},
    {"jwt_file", BEARER_CLIENT_JWT_FILE}, {"tls_client_auth", BEARER_CLIENT_TLS},
    {"bearer", BEARER_CLIENT_BEARER}, {"none", BEARER_CLIENT_NONE}, {NULL, 0}
};
static const word_t assertion_audiences[] = {
    {"issuer", 0}, {"endpoint", BEARER_CLIENT_AUD_ENDPOINT}, {NULL, 0}
};
static const word_t profiles[] = {
    {"auto", BEARER_PROFILE_AUTO}, {"rfc9068", BEARER_PROFILE_RFC9068}, {NULL, 0}
};
static const word_t strategies[] = {
    {"exact", BEARER_SCOPE_EXACT}, {"hierarchic", BEARER_SCOPE_HIERARCHIC},
    {"wildcard", BEARER_SCOPE_WILDCARD}, {NULL, 0}
};
static const word_t exports[] = {
    {"none", BEARER_EXPORT_NONE}, {"env", BEARER_EXPORT_ENV},
    {"headers", BEARER_EXPORT_HEADERS}, {"both", BEARER_EXPORT_BOTH}, {NULL, 0}
};
static const word_t forwards[] = {
    {"none", BEARER_FORWARD_NONE}, {"identity", BEARER_FORWARD_IDENTITY},
    {"token", BEARER_FORWARD_TOKEN}, {NULL, 0}
};
static const word_t providers[] = {
#define X(symbol, word) { word, BEARER_PROVIDER_##symbol },
    BEARER_PROVIDERS(X)
#undef X
    {NULL, 0}
};
/* Ory Oathkeeper's handlers, and what does their work here. */
static const struct {
    const char *handler, *mend;
} oathkeeper[] = {
    {"bearer_token", "session, with AuthBearerSessionCheck URL"},
    {"cookie_session", "session, with AuthBearerSessionCheck URL cookies=NAME"},
    {"oauth2_introspection", "introspection, with AuthBearerIntrospection URL "
     "inside <AuthBearerIssuer>"},
    {"anonymous", "AuthBearerOptional On, beside the chain"},
    {"oauth2_client_credentials", "no provider: clients get a token of the issuer "
     "and send that"},
    {"noop", "no provider: a location without AuthType Bearer is open"},
    {"unauthorized", "no provider: Require all denied refuses everybody"}
};

static const char *parse_word(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 1);

    return error ? error
                 : ab_parse_one_of(in, row->words, WORD(in, 0), &MEMBER(in, row, int));
}

static const char *parse_string(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 1);

    if (!error) {
        MEMBER(in, row, const char *) = WORD(in, 0);
    }
    return error;
}

static const char *parse_file(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 1);

    if (!error) {
        MEMBER(in, row, const char *) = ap_server_root_relative(in->p, WORD(in, 0));
    }
    return error;
}

static const char *parse_list(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, INT_MAX);
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!*WORD(in, i)) {
            error = ab_parse_complain(in, AB(0571) "an empty value means nothing here%s", "");
        }
    }
    if (!error) {
        MEMBER(in, row, const apr_array_header_t *) = in->words;
    }
    return error;
}

static const char *parse_paths(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, INT_MAX);
    apr_array_header_t *paths = apr_array_make(in->p, 2, sizeof(bearer_path_t *));
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const bearer_path_t *path = bearer_path_compile(WORD(in, i), in->p);

        if (!path) {
            return ab_parse_complain(in, AB(0572) "%s is not the name of a claim",
                            bearer_text_quote(in->p, WORD(in, i)));
        }
        APR_ARRAY_PUSH(paths, const bearer_path_t *) = path;
    }
    MEMBER(in, row, const apr_array_header_t *) = paths;
    return error;
}

static const char *parse_algorithms(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, INT_MAX);
    bearer_algs_t set = 0;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const bearer_alg_t *alg = bearer_alg_find(WORD(in, i));

        if (!ap_cstr_casecmp(WORD(in, i), "none")) {
            return ab_parse_complain(in, AB(0573) "a token without a signature proves nothing; "
                            "remove 'none'%s", "");
        }
        if (!alg) {
            return ab_parse_complain(in, AB(0574) "%s is not a JWS algorithm; known are "
                            "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 "
                            "ES512 EdDSA Ed25519 Ed448 ES256K HS256 HS384 HS512",
                            bearer_text_quote(in->p, WORD(in, i)));
        }
        set |= alg->bit;
    }
    MEMBER(in, row, bearer_algs_t) = set;
    return error;
}

static const char *parse_duration(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 1);

    if (error) {
        return error;
    }
    if (row->setting == BEARER_SET_MAX_TOKEN_AGE
        && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        MEMBER(in, row, apr_interval_time_t) = 0;
        return NULL;
    }
    error = ab_parse_duration(in, WORD(in, 0), &MEMBER(in, row, apr_interval_time_t));
    if (error) {
        return error;
    }
    if (row->setting == BEARER_SET_CLOCK_SKEW && in->out->clock_skew > MAX_SKEW) {
        return ab_parse_complain(in, AB(0575) "at most 5min; set the clocks (NTP) rather than "
                        "this%s", "");
    }
    if (row->setting == BEARER_SET_MAX_TOKEN_AGE && in->out->max_token_age == 0) {
        return ab_parse_complain(in, AB(0576) "write off for no bound%s", "");
    }
    return NULL;
}

static const char *parse_timeout(const parse_t *in, const parser_t *row)
{
    bearer_timeout_t *t = &MEMBER(in, row, bearer_timeout_t);
    const time_key_t keys[] = {
        {"connect", &t->connect}, {"total", &t->total}, {NULL, NULL}
    };
    const char *error;

    *t = ab_config_current()->defaults->timeout;
    error = ab_parse_times(in, keys);
    if (!error && (t->connect <= 0 || t->total <= 0)) {
        error = ab_parse_complain(in, AB(0577) "a time must be above 0%s", "");
    }
    return error;
}

static const char *parse_refresh(const parse_t *in, const parser_t *row)
{
    bearer_refresh_t *t = &MEMBER(in, row, bearer_refresh_t);
    const time_key_t keys[] = {
        {"min", &t->min}, {"max", &t->max}, {"stale", &t->stale}, {NULL, NULL}
    };
    const char *error;

    *t = ab_config_current()->defaults->keys_refresh;
    error = ab_parse_times(in, keys);
    if (!error && (t->min <= 0 || t->max < t->min)) {
        error = ab_parse_complain(in,
                                  AB(0578) "min must be above 0 and max not below min%s", "");
    }
    return error;
}

static const char *parse_throttle(const parse_t *in, const parser_t *row)
{
    bearer_throttle_settings_t *t = &MEMBER(in, row, bearer_throttle_settings_t);
    apr_array_header_t *times = apr_array_make(in->p, 2, sizeof(const char *));
    const time_key_t keys[] = {
        {"window", &t->window}, {"penalty", &t->penalty}, {NULL, NULL}
    };
    parse_t rest = *in;
    const char *error = ab_parse_want(in, 1, 3), *value;
    int i;

    *t = ab_config_current()->defaults->throttle;
    if (!error && in->words->nelts == 1
        && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        t->on = 0;
        return NULL;
    }
    for (i = 0; !error && i < in->words->nelts; i++) {
        char *end;

        if (!ab_parse_keyed(WORD(in, i), "threshold", &value)) {
            APR_ARRAY_PUSH(times, const char *) = WORD(in, i);
            continue;
        }
        t->threshold = (int)apr_strtoi64(value, &end, 10);
        if (!apr_isdigit(*value) || *end || t->threshold < 1
            || t->threshold > 100000) {
            error = ab_parse_complain(in,
                                      AB(0579) "threshold is a number from 1 to 100000%s", "");
        }
    }
    rest.words = times;
    if (!error && times->nelts) {
        error = ab_parse_times(&rest, keys);
    }
    if (!error && (t->window <= 0 || t->penalty <= 0)) {
        error = ab_parse_complain(in, AB(0580) "window and penalty must be above 0%s", "");
    }
    t->on = 1;
    return error;
}

static const char *provider_elsewhere(const parse_t *in, const char *word)
{
    apr_size_t i;

    for (i = 0; i < sizeof(oathkeeper) / sizeof(oathkeeper[0]); i++) {
        if (!ap_cstr_casecmp(oathkeeper[i].handler, word)) {
            return apr_psprintf(in->p, AB(0581) "%s: %s has another name here: %s",
                                in->cmd->cmd->name, word, oathkeeper[i].mend);
        }
    }
    return NULL;
}

static const char *parse_providers(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 3);
    apr_array_header_t *chain = apr_array_make(in->p, 3, sizeof(int));
    int i, k, id = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        error = provider_elsewhere(in, WORD(in, i));
        if (!error) {
            error = ab_parse_one_of(in, row->words, WORD(in, i), &id);
        }
        for (k = 0; !error && k < chain->nelts; k++) {
            if (APR_ARRAY_IDX(chain, k, int) == id) {
                error = ab_parse_complain(in, AB(0582) "%s stands twice", WORD(in, i));
            }
        }
        APR_ARRAY_PUSH(chain, int) = id;
    }
    MEMBER(in, row, const apr_array_header_t *) = chain;
    return error;
}

static const char *parse_token_from(const parse_t *in, const parser_t *row)
{
    static const struct {
        const char *word;
        bearer_from_kind_t kind;
        int named;  /* 1: a name must follow, 0: it may */
    } kinds[] = {
#define X(symbol, text, must_be_named) { text, BEARER_FROM_##symbol, must_be_named },
        BEARER_FROM_KINDS(X)
#undef X
        {NULL, 0, 0}
    };
    const char *error = ab_parse_want(in, 1, 16);
    apr_array_header_t *list = apr_array_make(in->p, 2, sizeof(bearer_from_t));
    int i, k;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i), *colon = strchr(word, ':');
        const char *name = colon ? colon + 1 : NULL;
        bearer_from_t *from = apr_array_push(list);

        if (colon) {
            word = apr_pstrmemdup(in->p, word, (apr_size_t)(colon - word));
        }
        for (k = 0; kinds[k].word && strcmp(kinds[k].word, word) != 0; k++) {
        }
        if (!kinds[k].word || (kinds[k].named && !name) || (name && !*name)
            || (name && kinds[k].kind != BEARER_FROM_BASIC && !bearer_text_is_token(name))) {
            return ab_parse_complain(in, AB(0583) "%s is none of: header, header:NAME, "
                            "cookie:NAME, query:NAME, env:NAME, basic, "
                            "basic:USER", bearer_text_quote(in->p, WORD(in, i)));
        }
        if (kinds[k].kind == BEARER_FROM_HEADER && name
            && !ap_cstr_casecmp(name, "Cookie")) {
            return ab_parse_complain(in, AB(0584) "%s would take all cookies for one "
                            "token; write cookie:NAME",
                            bearer_text_quote(in->p, WORD(in, i)));
        }
        from->kind = kinds[k].kind;
        from->name = name;
        if (from->kind == BEARER_FROM_HEADER && name
            && !ap_cstr_casecmp(name, "Authorization")) {
            from->name = NULL;
        }
    }
    MEMBER(in, row, const apr_array_header_t *) = list;
    return error;
}

static const char *parse_user_claim(const parse_t *in, const parser_t *row)
{
    bearer_user_claim_t *claim = &MEMBER(in, row, bearer_user_claim_t);
    const char *error = ab_parse_want(in, 1, 3);

    if (error) {
        return error;
    }
    memset(claim, 0, sizeof(*claim));
    claim->path = bearer_path_compile(WORD(in, 0), in->p);
    if (!claim->path) {
        return ab_parse_complain(in, AB(0585) "%s is not the name of a claim",
                        bearer_text_quote(in->p, WORD(in, 0)));
    }
    if (!strcmp(WORD(in, 0), "email") && row->setting == BEARER_SET_USER_CLAIM) {
        return ab_parse_complain(in,
                        AB(0586) "an e-mail address in a token need not be verified, "
                        "so another person's can be claimed (spoofing); use "
                        "sub, or a claim that only your issuer can set%s", "");
    }
    if (in->words->nelts == 2) {
        return ab_parse_complain(in, AB(0587) "a REGEX needs a SUBST behind it, e.g. "
                        "AuthBearerUserClaim sub '^auth0[|](.+)$' $1%s", "");
    }
    if (in->words->nelts == 3) {
        claim->regex = ab_config_regex(WORD(in, 1), &error, in->p);
        claim->substitution = WORD(in, 2);
        return claim->regex ? NULL : ab_parse_complain(in, AB(0588) "%s", error);
    }
    return NULL;
}

static const char *parse_user_format(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 1);
    const char *wrong = error ? NULL : bearer_user_format_error(WORD(in, 0));

    return error ? error
         : wrong ? ab_parse_complain(in, AB(0589) "%s", wrong)
         : parse_string(in, row);
}

static const char *check_env_prefix(const parse_t *in, const char *prefix)
{
    switch (bearer_exports_env_prefix(prefix)) {
    case BEARER_PREFIX_MISSPELT:
        return ab_parse_complain(in,
                        AB(0590) "env-prefix is 2 to 64 characters of A-Z, 0-9, _; "
                        "not %s", bearer_text_quote(in->p, prefix));
    case BEARER_PREFIX_TAKEN:
        return ab_parse_complain(in,
                        AB(0591) "env-prefix %s would overwrite variables of httpd; "
                        "HTTP_, REDIRECT_, REMOTE_ and SSL_ are taken", prefix);
    default:
        return NULL;
    }
}

static const char *split_commas(const parse_t *in, const char *text,
                                const apr_array_header_t **list)
{
    apr_array_header_t *names = apr_array_make(in->p, 4, sizeof(const char *));
    char *rest, *name = apr_strtok(apr_pstrdup(in->p, text), ",", &rest);

    for (; name; name = apr_strtok(NULL, ",", &rest)) {
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    *list = names;
    return names->nelts ? NULL : ab_parse_complain(in, AB(0592) "claims= names no claim%s", "");
}

static const char *parse_export(const parse_t *in, const parser_t *row)
{
    bearer_export_settings_t *e = &MEMBER(in, row, bearer_export_settings_t);
    const char *error = ab_parse_want(in, 1, 4), *value;
    int i;

    *e = ab_config_current()->defaults->exports;
    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i);

        if (ab_parse_keyed(word, "env-prefix", &value)) {
            e->env_prefix = value;
            error = check_env_prefix(in, value);
        } else if (ab_parse_keyed(word, "header-prefix", &value)) {
            e->header_prefix = value;
            if (!bearer_text_is_token(value) || strlen(value) < 2 || strlen(value) > 64) {
                error = ab_parse_complain(in,
                                 AB(0593) "header-prefix is 2 to 64 characters that "
                                 "a header name can have; not %s",
                                 bearer_text_quote(in->p, value));
            }
        } else if (ab_parse_keyed(word, "claims", &value)) {
            e->claims = NULL;
            if (strcmp(value, "*") != 0) {
                error = split_commas(in, value, &e->claims);
            }
        } else {
            error = ab_parse_one_of(in, row->words, word, &e->mode);
        }
    }
    return error;
}

static const char *parse_forward(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 2);
    int i, bits = 0, bit = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        error = ab_parse_one_of(in, row->words, WORD(in, i), &bit);
        bits |= bit;
        if (!error && bit == BEARER_FORWARD_NONE && in->words->nelts > 1) {
            error = ab_parse_complain(in, AB(0594) "none stands alone%s", "");
        }
    }
    if (!error && (bits & BEARER_FORWARD_TOKEN)
        && ap_check_cmd_context(in->cmd, NOT_IN_HTACCESS)) {
        error = ab_parse_complain(in,
                         AB(0595) "token is not allowed in .htaccess: who may write "
                         "there must not collect tokens; write it in a "
                         "<Directory> or <Location>%s", "");
    }
    MEMBER(in, row, int) = bits;
    return error;
}

static const char *parse_client_secret(const parse_t *in, const parser_t *row)
{
    bearer_secret_t *secret = NULL;
    const char *error = ab_parse_want(in, 1, INT_MAX);

    if (!error) {
        /* a secret written here must not be repeated, not even in part */
        error = bearer_secret_parse(&secret, in->words->nelts == 1 ? WORD(in, 0) : "",
                                    "AuthBearerClientSecret", in->p);
        error = error ? ab_parse_complain(in, AB(0596) "%s", error) : NULL;
    }
    if (!error && secret->kind == BEARER_SECRET_FILE) {
        secret->source = ap_server_root_relative(in->p, secret->source);
    }
    if (!error) {
        ab_parse_note_secret(in, secret);
        MEMBER(in, row, bearer_secret_t *) = secret;
    }
    return error;
}

static const char *parse_client_key(const parse_t *in, const parser_t *row)
{
    const char *error = parse_file(in, row);

    if (!error) {
        ab_parse_note_secret(in, bearer_secret_of_file(
            MEMBER(in, row, const char *), "AuthBearerClientKey", in->p));
    }
    return error;
}

static const char *parse_client_auth(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 2), *value;
    int method = 0, audience = 0;

    if (!error) {
        error = ab_parse_one_of(in, row->words, WORD(in, 0), &method);
    }
    if (!error && in->words->nelts == 2) {
        error = ab_parse_keyed(WORD(in, 1), "aud", &value)
            ? ab_parse_one_of(in, assertion_audiences, value, &audience)
            : ab_parse_complain(in,
                                AB(0597) "the second word is aud=issuer or aud=endpoint%s", "");
    }
    MEMBER(in, row, int) = method | audience;
    return error;
}

static const char *parse_login(const parse_t *in, const parser_t *row)
{
    bearer_login_settings_t *login = &MEMBER(in, row, bearer_login_settings_t);
    apr_array_header_t *list = apr_array_make(in->p, 2, sizeof(const char *));
    const char *error = ab_parse_want(in, 1, 16);
    int i;

    if (!error) {
        error = ab_parse_one_of(in, row->words, WORD(in, 0), &login->on);
    }
    for (i = 1; !error && i < in->words->nelts; i++) {
        error = bearer_login_parameter_error(WORD(in, i), in->p);
        error = error ? ab_parse_complain(in, AB(0598) "%s", error) : NULL;
        APR_ARRAY_PUSH(list, const char *) = WORD(in, i);
    }
    login->parameters = list->nelts ? list : NULL;
    return error;
}

static const char *parse_resource(const parse_t *in, const parser_t *row)
{
    const char *error = ab_parse_want(in, 1, 64);

    if (!error) {
        error = bearer_resource_parse(&MEMBER(in, row, const bearer_resource_t *),
                                      in->words, in->p);
        error = error ? ab_parse_complain(in, AB(0599) "%s", error) : NULL;
    }
    return error;
}

static const char *parse_http_proxy(const parse_t *in, const parser_t *row)
{
    const char *error = parse_string(in, row), *wrong;

    if (!error && !ap_cstr_casecmp(WORD(in, 0), "none")) {
        MEMBER(in, row, const char *) = NULL;
    } else if (!error && (wrong = bearer_http_proxy_error(WORD(in, 0), in->p))) {
        error = apr_psprintf(in->p, AB(0600) "%s: %s is not the URL of a proxy, e.g. "
                             "http://proxy.example.com:3128: %s", in->cmd->cmd->name,
                             bearer_http_url_shown(WORD(in, 0), in->p), wrong);
    }
    return error;
}

/* ttl= is a time like others of httpd; the library reads the rest. */
static const char *take_ttl(const parse_t *in, apr_array_header_t *rest,
                            apr_interval_time_t *ttl)
{
    const char *error = NULL, *value;
    int i, seen = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!ab_parse_keyed(WORD(in, i), "ttl", &value)) {
            APR_ARRAY_PUSH(rest, const char *) = WORD(in, i);
        } else if (seen++) {
            error = ab_parse_complain(in, AB(0601) "ttl= stands twice%s", "");
        } else {
            error = ab_parse_duration(in, value, ttl);
        }
    }
    return error;
}

static const char *parse_session_check(const parse_t *in, const parser_t *row)
{
    apr_array_header_t *rest = apr_array_make(in->p, 8, sizeof(const char *));
    const char *error = ab_parse_want(in, 1, 64);
    bearer_session_check_t *check = NULL;
    apr_interval_time_t ttl = 0;
    configured_check_t *noted;

    if (!error) {
        error = take_ttl(in, rest, &ttl);
    }
    if (error) {
        return error;
    }
    error = bearer_session_check_parse(&check, rest, in->p);
    if (error) {
        return ab_parse_complain(in, AB(0602) "%s", error);
    }
    check->ttl = ttl;
    MEMBER(in, row, const bearer_session_check_t *) = check;
    noted = apr_array_push(ab_config_current()->session_checks);
    noted->check = check;
    noted->node = in->cmd->directive;
    return NULL;
}

#define ROW(symbol, parse, member, words) \
    { BEARER_SET_##symbol, parse, offsetof(bearer_settings_t, member), words }

static const parser_t parsers[] = {
    ROW(ALGORITHMS, parse_algorithms, algorithms, NULL),
    ROW(CLIENT_ID, parse_string, client_id, NULL),
    ROW(CLIENT_SECRET, parse_client_secret, client_secret, NULL),
    ROW(CLIENT_AUTH, parse_client_auth, client_auth, client_auths),
    ROW(CLIENT_KEY, parse_client_key, client_key, NULL),
    ROW(CLIENT_CERT, parse_file, client_cert, NULL),
    ROW(CA_FILE, parse_file, ca_file, NULL),
    ROW(HTTP_PROXY, parse_http_proxy, http_proxy, NULL),
    ROW(TIMEOUT, parse_timeout, timeout, NULL),
    ROW(KEYS_REFRESH, parse_refresh, keys_refresh, NULL),
    ROW(PROVIDERS, parse_providers, providers, providers),
    ROW(ACCEPT_ISSUER, parse_list, accept_issuer, NULL),
    ROW(AUDIENCE, parse_list, audience, NULL),
    ROW(NO_AUDIENCE, parse_word, no_audience_accept, refuse_accept),
    ROW(CLIENTS, parse_list, clients, NULL),
    ROW(TOKEN_FROM, parse_token_from, token_from, NULL),
    ROW(MAX_TOKEN_AGE, parse_duration, max_token_age, NULL),
    ROW(CLOCK_SKEW, parse_duration, clock_skew, NULL),
    ROW(TOKEN_PROFILE, parse_word, token_profile, profiles),
    ROW(THROTTLE, parse_throttle, throttle, NULL),
    ROW(CHALLENGE, parse_word, challenge, on_off),
    ROW(OPTIONAL, parse_word, optional, on_off),
    ROW(PREFLIGHT, parse_word, preflight_pass, off_pass),
    ROW(SESSION_CHECK, parse_session_check, session_check, NULL),
    ROW(USER_CLAIM, parse_user_claim, user_claim, NULL),
    ROW(USER_FORMAT, parse_user_format, user_format, NULL),
    ROW(USER_CHARS, parse_word, user_chars_printable, strict_printable),
    ROW(ROLES_CLAIM, parse_paths, roles_claim, NULL),
    ROW(GROUPS_CLAIM, parse_paths, groups_claim, NULL),
    ROW(SCOPE_CLAIM, parse_paths, scope_claim, NULL),
    ROW(SCOPE_STRATEGY, parse_word, scope_strategy, strategies),
    ROW(EXPORT, parse_export, exports, exports),
    ROW(FORWARD, parse_forward, forward, forwards),
    ROW(STRIP_COOKIES, parse_word, strip_cookies, on_off),
    ROW(SESSION, parse_word, session, on_off),
    ROW(LOGIN, parse_login, login, on_off),
    ROW(PREFER_BEARER, parse_word, prefer_bearer, prefers),
    ROW(LOGIN_ISSUER, parse_string, login_issuer, NULL),
    ROW(LOGIN_SCOPES, parse_list, login_scopes, NULL),
    ROW(SESSION_USER_CLAIM, parse_user_claim, session_user_claim, NULL),
    ROW(RESOURCE, parse_resource, resource, NULL),
};

const parser_t *ab_config_parser(const char *directive)
{
    apr_size_t i;

    for (i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
        if (!strcasecmp(bearer_settings_directive(parsers[i].setting), directive)) {
            return &parsers[i];
        }
    }
    return NULL;
}
