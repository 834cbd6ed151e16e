/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_settings.c
 * The directives with more than one layer (S, I, D, H): a parser for each kind of value
 * in trust/settings_rows.h.
 */
#include "config_parse.h"

#include "judge/challenge.h"
#include "judge/exports.h"
#include "judge/judge.h"
#include "judge/user_format.h"
#include "login/login.h"
#include "trust/hints.h"
#include "trust/resource.h"

APLOG_USE_MODULE(auth_bearer);

#define MAX_SKEW apr_time_from_sec(300)

/** The value of `list` in BEARER_SETTING_KINDS of a directive whose lines add up. */
#define ADDS 2

/* These kinds are in config_proof.c and config_service.c. */
#define parse_proof ab_parse_proof
#define parse_login_url ab_parse_login_url
#define parse_logout ab_parse_logout
#define parse_session_checks ab_parse_session_checks

static const char *parse_word(const parse_t *in, void *record)
{
    return ab_parse_one_of(in, in->row->words, WORD(in, 0), record);
}

/* "On Off" */
static const char *parse_onoff(const parse_t *in, void *record)
{
    int off = 0;
    const char *error = ab_parse_one_of(in, in->row->words, WORD(in, 0), &off);

    *(int *)record = !off;
    return error;
}

static const char *parse_string(const parse_t *in, void *record)
{
    *(const char **)record = WORD(in, 0);
    return NULL;
}

static const char *parse_file(const parse_t *in, void *record)
{
    *(const char **)record = ap_server_root_relative(in->p, WORD(in, 0));
    return NULL;
}

/* Parses an array, each word with the given parser. */
static const char *parse_each(const parse_t *in, void *record, int size,
                              const char *(*parse)(const parse_t *in, const char *word,
                                                   void *element))
{
    apr_array_header_t *list = apr_array_make(in->p, in->words->nelts, size);
    const char *error = NULL;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        error = parse(in, WORD(in, i), apr_array_push(list));
    }
    *(const apr_array_header_t **)record = list;
    return error;
}

static const char *list_word(const parse_t *in, const char *word, void *element)
{
    *(const char **)element = word;
    return *word ? NULL
        : ab_parse_complain(in, AB(0571) "a value is empty; remove it");
}

static const char *parse_list(const parse_t *in, void *record)
{
    return parse_each(in, record, sizeof(const char *), list_word);
}

static const char *claim_word(const parse_t *in, const char *word, void *element)
{
    const bearer_path_t *path = bearer_path_compile(word, in->p);

    *(const bearer_path_t **)element = path;
    return path ? NULL : ab_parse_complain(in, AB(0572) "%s is not the name of a claim",
                                           bearer_text_quote(in->p, word));
}

static const char *parse_claims(const parse_t *in, void *record)
{
    return parse_each(in, record, sizeof(const bearer_path_t *), claim_word);
}

static const char *type_word(const parse_t *in, const char *word, void *element)
{
    const char *kind = bearer_judge_other_kind(word);

    *(const char **)element = word;
    if (!bearer_text_is_token(word + (ap_cstr_casecmpn(word, "application/", 12) ? 0 : 12))) {
        return ab_parse_complain(in, AB(0606) "%s is not a value of the header's typ, e.g. "
                                 "txntoken+jwt", bearer_text_quote(in->p, word));
    }
    return !kind ? NULL
        : ab_parse_complain(in, AB(0607) "%s is %s, never an access token; remove it",
                            bearer_text_quote(in->p, word), kind);
}

static const char *parse_token_types(const parse_t *in, void *record)
{
    return parse_each(in, record, sizeof(const char *), type_word);
}

/* "*", or only names, or only names after "!" */
static const char *parse_kept_claims(const parse_t *in, void *record)
{
    const int without = *WORD(in, 0) == '!';
    const char *error = parse_list(in, record);
    int i;

    if (!error && in->words->nelts == 1 && !strcmp(WORD(in, 0), "*")) {
        *(const apr_array_header_t **)record = NULL;
    }
    for (i = 0; !error && *(const apr_array_header_t **)record && i < in->words->nelts; i++) {
        const char *word = WORD(in, i);

        if ((*word == '!') != without || !word[without] || !strcmp(word + without, "*")) {
            error = ab_parse_complain(in, AB(0608) "%s: write *, or the names of claims, or "
                                      "names that all begin with !",
                                      bearer_text_quote(in->p, word));
        } else if (without && bearer_login_binds(word + 1)) {
            error = ab_parse_complain(in, AB(0609) "sessions always keep %s; remove %s", word + 1,
                                      bearer_text_quote(in->p, word));
        }
    }
    return error;
}

static const char *parse_algorithms(const parse_t *in, void *record)
{
    bearer_algs_t set = 0;
    int i;

    for (i = 0; i < in->words->nelts; i++) {
        const bearer_alg_t *alg = bearer_alg_find(WORD(in, i));

        if (!ap_cstr_casecmp(WORD(in, i), "none")) {
            return ab_parse_complain(in, AB(0573) "a token without a signature proves "
                                     "nothing; remove 'none'");
        }
        if (!alg) {
            return ab_parse_complain(in, AB(0574) "unknown algorithm %s; expected RS256 RS384 "
                                     "RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 "
                                     "Ed448 ES256K HS256 HS384 HS512",
                            bearer_text_quote(in->p, WORD(in, i)));
        }
        set |= alg->bit;
    }
    *(bearer_algs_t *)record = set;
    return NULL;
}

static const char *parse_time(const parse_t *in, void *record)
{
    apr_interval_time_t *time = record;
    const char *error, *off = in->row->words;

    if (off && !ap_cstr_casecmp(WORD(in, 0), off)) {
        *time = 0;
        return NULL;
    }
    error = ab_parse_duration(in, WORD(in, 0), time);
    return !error && off && *time == 0
        ? ab_parse_complain(in, AB(0576) "write %s for no limit", off) : error;
}

static const char *parse_skew(const parse_t *in, void *record)
{
    const char *error = parse_time(in, record);

    return !error && *(apr_interval_time_t *)record > MAX_SKEW
        ? ab_parse_complain(in, AB(0575) "the maximum is 5min; synchronize the clocks (NTP) "
                            "instead") : error;
}

static const char *parse_timeout(const parse_t *in, void *record)
{
    bearer_timeout_t *t = record;
    const char *error = ab_parse_times(in, in->row->words, &t->connect);

    if (!error && (t->connect <= 0 || t->total <= 0)) {
        error = ab_parse_complain(in, AB(0577) "a time must be above 0");
    }
    return error;
}

static const char *parse_refresh(const parse_t *in, void *record)
{
    bearer_refresh_t *t = record;
    const char *error = ab_parse_times(in, in->row->words, &t->min);

    if (!error && (t->min <= 0 || t->max < t->min)) {
        error = ab_parse_complain(in, AB(0578) "min must be above 0 and max not below min");
    }
    return error;
}

static const char *parse_throttle(const parse_t *in, void *record)
{
    bearer_throttle_settings_t *t = record;
    parse_t rest = *in;
    const char *error = NULL, *value;
    int i;

    if (in->words->nelts == 1 && !ap_cstr_casecmp(WORD(in, 0), "off")) {
        t->on = 0;
        return NULL;
    }
    rest.words = apr_array_make(in->p, 2, sizeof(const char *));
    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!ab_parse_keyed(WORD(in, i), "threshold", &value)) {
            APR_ARRAY_PUSH(rest.words, const char *) = WORD(in, i);
        } else if (!ab_parse_number(value, 1, 100000, &t->threshold)) {
            error = ab_parse_complain(in, AB(0579) "threshold must be a number from 1 to 100000");
        }
    }
    error = error ? error : ab_parse_times(&rest, in->row->words, &t->window);
    if (!error && (t->window <= 0 || t->penalty <= 0)) {
        error = ab_parse_complain(in, AB(0580) "window and penalty must be above 0");
    }
    return error;
}

static const char *parse_providers(const parse_t *in, void *record)
{
    apr_array_header_t *chain = apr_array_make(in->p, 3, sizeof(int));
    const char *error = NULL;
    int i, k, id = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *hint = bearer_hint(in->row->directive, WORD(in, i),
                                       strlen(WORD(in, i)), in->p);

        error = hint ? ab_parse_complain(in, AB(0581) "%s", hint)
                     : ab_parse_one_of(in, in->row->words, WORD(in, i), &id);
        for (k = 0; !error && k < chain->nelts; k++) {
            if (APR_ARRAY_IDX(chain, k, int) == id) {
                error = ab_parse_complain(in, AB(0582) "%s is given twice", WORD(in, i));
            }
        }
        APR_ARRAY_PUSH(chain, int) = id;
    }
    *(const apr_array_header_t **)record = chain;
    return error;
}

/* header, cookie:NAME ...; the row lists the spelling of each kind. */
static const char *from_word(const parse_t *in, const char *whole, void *element)
{
    bearer_from_t *from = element;
    static const struct {
        const char *word;
        int named;  /* 1: a name is required, 0: it is optional */
    } kinds[] = {
#define X(symbol, text, must_be_named) { text, must_be_named },
        BEARER_FROM_KINDS(X)
#undef X
    };
    const char *colon = strchr(whole, ':'), *name = colon ? colon + 1 : NULL;
    apr_size_t len = colon ? (apr_size_t)(colon - whole) : strlen(whole);
    int k = 0;

    while (k < BEARER_FROM_COUNT && (strncmp(kinds[k].word, whole, len) != 0
                                     || kinds[k].word[len])) {
        k++;
    }
    if (k == BEARER_FROM_COUNT || (kinds[k].named && !name) || (name && !*name)
        || (name && k != BEARER_FROM_BASIC && !bearer_text_is_token(name))) {
        return ab_parse_complain(in, AB(0583) "unknown value %s; expected header, header:NAME, "
                                 "cookie:NAME, query:NAME, env:NAME, basic or basic:USER",
                                 bearer_text_quote(in->p, whole));
    }
    if (k == BEARER_FROM_HEADER && name && !ap_cstr_casecmp(name, "Cookie")) {
        return ab_parse_complain(in, AB(0584) "%s would use all cookies as one token; write "
                                 "cookie:NAME",
                                 bearer_text_quote(in->p, whole));
    }
    from->kind = (bearer_from_kind_t)k;
    from->name = k == BEARER_FROM_HEADER && name
                 && !ap_cstr_casecmp(name, "Authorization") ? NULL : name;
    return NULL;
}

static const char *parse_token_from(const parse_t *in, void *record)
{
    return parse_each(in, record, sizeof(bearer_from_t), from_word);
}

static const char *parse_claim(const parse_t *in, bearer_user_claim_t *claim)
{
    const char *error = NULL;

    if (!claim->path) {
        return ab_parse_complain(in, AB(0585) "%s is not the name of a claim",
                        bearer_text_quote(in->p, WORD(in, 0)));
    }
    if (in->words->nelts == 2) {
        return ab_parse_complain(in, AB(0587) "a REGEX needs a SUBST after it, e.g. "
                                 "AuthBearerUserClaim sub '^auth0[|](.+)$' $1");
    }
    if (in->words->nelts == 3) {
        claim->regex = ab_config_regex(WORD(in, 1), &error, in->p);
        claim->substitution = WORD(in, 2);
        return claim->regex ? NULL : ab_parse_complain(in, AB(0588) "%s", error);
    }
    return NULL;
}

static const char *parse_session_claim(const parse_t *in, void *record)
{
    bearer_user_claim_t *claim = record;

    claim->path = bearer_path_compile(WORD(in, 0), in->p);
    return parse_claim(in, claim);
}

static const char *parse_user_claim(const parse_t *in, void *record)
{
    bearer_user_claim_t *claim = record;

    if (!bearer_user_claim_parse(claim, WORD(in, 0), in->p)) {
        claim->path = NULL;
    }
    return !claim->path || !bearer_user_claim_is_email(claim) ? parse_claim(in, claim)
        : ab_parse_complain(in, AB(0586) "an e-mail address in a token may be unverified, so users "
                            "could claim those of others (spoofing); use sub, or a claim that only "
                            "the issuer can set");
}

static const char *parse_user_format(const parse_t *in, void *record)
{
    const char *wrong = bearer_user_format_error(WORD(in, 0));

    return wrong ? ab_parse_complain(in, AB(0589) "%s", wrong)
                 : parse_string(in, record);
}

static const char *check_env_prefix(const parse_t *in, const char *prefix)
{
    switch (bearer_exports_env_prefix(prefix)) {
    case BEARER_PREFIX_MISSPELT:
        return ab_parse_complain(in, AB(0590) "env-prefix must be 2 to 64 characters of A-Z, 0-9, "
                                 "_; not %s", bearer_text_quote(in->p, prefix));
    case BEARER_PREFIX_TAKEN:
        return ab_parse_complain(in, AB(0591) "env-prefix %s would overwrite variables of httpd; "
                                 "HTTP_, REDIRECT_, REMOTE_ and SSL_ are reserved",
                                 prefix);
    default:
        return NULL;
    }
}

static const char *split_commas(const parse_t *in, const char *text,
                                const apr_array_header_t **list)
{
    *list = bearer_text_split(in->p, text, ",");
    return (*list)->nelts ? NULL : ab_parse_complain(in,
                                                     AB(0592) "claims= is empty; name claims, or "
                                                     "write claims=*");
}

static const char *parse_exports(const parse_t *in, void *record)
{
    bearer_export_settings_t *e = record;
    const char *error = NULL, *value;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i);

        if (ab_parse_keyed(word, "env-prefix", &value)) {
            e->env_prefix = value;
            error = check_env_prefix(in, value);
        } else if (ab_parse_keyed(word, "header-prefix", &value)) {
            e->header_prefix = value;
            if (!bearer_text_is_token(value) || strlen(value) < 2 || strlen(value) > 64) {
                error = ab_parse_complain(in,
                                          AB(0593) "header-prefix must be 2 to 64 characters that "
                                          "header names may contain; not %s",
                                          bearer_text_quote(in->p, value));
            }
        } else if (ab_parse_keyed(word, "claims", &value)) {
            e->claims = NULL;
            if (strcmp(value, "*") != 0) {
                error = split_commas(in, value, &e->claims);
            }
        } else {
            error = ab_parse_one_of(in, in->row->words, word, &e->mode);
        }
    }
    return error;
}

static const char *parse_forward(const parse_t *in, void *record)
{
    const char *error = NULL;
    int i, bits = 0, bit = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        error = ab_parse_one_of(in, in->row->words, WORD(in, i), &bit);
        bits |= bit;
        if (!error && bit == BEARER_FORWARD_NONE && in->words->nelts > 1) {
            error = ab_parse_complain(in, AB(0594) "none cannot be combined with other values");
        }
    }
    if (!error && (bits & BEARER_FORWARD_TOKEN)
        && ap_check_cmd_context(in->cmd, NOT_IN_HTACCESS)) {
        error = ab_parse_complain(in, AB(0595) "token is not allowed in .htaccess: anyone who can "
                                  "write the file could collect tokens; write it in a <Directory> "
                                  "or <Location>");
    }
    *(int *)record = bits;
    return error;
}

static const char *parse_secret(const parse_t *in, void *record)
{
    bearer_secret_t *secret = NULL;
    /* a secret written here must not be repeated in a message, not even in part */
    const char *error = bearer_secret_parse(&secret, in->words->nelts == 1 ? WORD(in, 0)
                                                                           : "",
                                            in->row->directive, in->p);

    if (error) {
        return ab_parse_complain(in, AB(0596) "%s", error);
    }
    ab_parse_note_secret(in, secret);
    *(bearer_secret_t **)record = secret;
    return NULL;
}

static const char *parse_client_key(const parse_t *in, void *record)
{
    parse_file(in, record);
    ab_parse_note_secret(in, bearer_secret_of_file(WORD(in, 0), in->row->directive,
                                                   in->p));
    return NULL;
}

static const char *parse_client_auth(const parse_t *in, void *record)
{
    int method = 0, endpoint = 0;
    const char *error = ab_parse_one_of(in, in->row->words, WORD(in, 0), &method), *value;

    if (!error && in->words->nelts == 2) {
        error = ab_parse_keyed(WORD(in, 1), "aud", &value)
            ? ab_parse_one_of(in, "issuer endpoint", value, &endpoint)
            : ab_parse_complain(in, AB(0597) "the second argument must be aud=issuer or "
                                "aud=endpoint");
    }
    *(int *)record = method | (endpoint ? BEARER_CLIENT_AUD_ENDPOINT : 0);
    return error;
}

/* On|Off [NAME=VALUE ...]; `check` says what is wrong with a list of parameters. */
static const char *parse_switch(const parse_t *in, void *record,
                                const char *(*check)(const apr_array_header_t *,
                                                     apr_pool_t *))
{
    bearer_switch_t *s = record;
    apr_array_header_t *list = apr_array_make(in->p, 2, sizeof(const char *));
    const char *error = parse_onoff(in, &s->on);
    int i;

    for (i = 1; !error && i < in->words->nelts; i++) {
        APR_ARRAY_PUSH(list, const char *) = WORD(in, i);
        error = check(list, in->p);
        error = error ? ab_parse_complain(in, AB(0598) "%s", error) : NULL;
    }
    s->parameters = list->nelts ? list : NULL;
    return error;
}

static const char *login_error(const apr_array_header_t *list, apr_pool_t *p)
{
    return bearer_login_parameter_error(APR_ARRAY_IDX(list, list->nelts - 1,
                                                      const char *), p);
}

static const char *parse_login(const parse_t *in, void *record)
{
    return parse_switch(in, record, login_error);
}

static const char *parse_challenge(const parse_t *in, void *record)
{
    return parse_switch(in, record, bearer_challenge_error);
}

static const char *parse_resource(const parse_t *in, void *record)
{
    const char *error = bearer_resource_parse(record, in->words, in->p);

    return error ? ab_parse_complain(in, AB(0599) "%s", error) : NULL;
}

static const char *parse_http_proxy(const parse_t *in, void *record)
{
    const char *url = WORD(in, 0), *wrong;

    if (!ap_cstr_casecmp(url, "none")) {
        return NULL;
    }
    wrong = bearer_http_proxy_error(url, in->p);
    *(const char **)record = url;
    return !wrong ? NULL
        : apr_psprintf(in->p, AB(0600) "%s: %s is not the URL of a proxy, e.g. "
                       "http://proxy.example.com:3128: %s", in->cmd->cmd->name,
                       bearer_http_url_shown(url, in->p), wrong);
}

/* The default is copied first, for values that a directive sets only in part. A second
 * line of a directive that adds finds the first one's value. */
const char *ab_config_read(parse_t *in, bearer_setting_t setting,
                           bearer_settings_t *out)
{
    static const struct {
        ab_parser_t *parse;
        int most, list;
    } kinds[] = {
#define X(kind, type, printer, list, most) { parse_##kind, most, list },
        BEARER_SETTING_KINDS(X)
#undef X
    };
    const bearer_setting_row_t *row = bearer_settings_row(setting);
    const bearer_settings_t *defaults = ab_config_current()->defaults;
    void *record = (char *)out + row->offset;

    if (kinds[row->kind].list != ADDS || !bearer_settings_wrote(out, setting)) {
        memcpy(record, (const char *)defaults + row->offset, row->size);
    }
    out->set |= (apr_uint64_t)1 << setting;
    in->row = row;
    return ab_parse_run(in, kinds[row->kind].most, kinds[row->kind].parse, record);
}
