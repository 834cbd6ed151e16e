/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_issuer.c
 * AuthBearerIssuer, <AuthBearerIssuer>, and the directives allowed only for an issuer.
 */
#include "config_parse.h"
#include "directives.h"
#include "handlers.h"

APLOG_USE_MODULE(auth_bearer);

const char *ab_config_misplaced(cmd_parms *cmd, const char *text)
{
    return apr_psprintf(cmd->pool, text, cmd->cmd->name);
}

const char *ab_config_not_inside(cmd_parms *cmd, unsigned context)
{
    const char *error = ap_check_cmd_context(cmd, context);

    return error || !ab_config_server(cmd->server)->open ? error
        : ab_config_misplaced(cmd, AB(0517) "%s is not allowed in <AuthBearerIssuer>; move it out "
                              "of that section");
}

/* %i in AuthBearerUserFormat must be unique among the issuers of a server. */
static const char *name_taken(const bearer_issuers_t *issuers,
                              const bearer_issuer_t *issuer, apr_pool_t *p)
{
    int i;

    for (i = 0; i < bearer_issuers_count(issuers); i++) {
        const bearer_issuer_t *other = bearer_issuers_at(issuers, i);

        if (!strcmp(other->name, issuer->name)
            && strcmp(other->url, issuer->url) != 0) {
            return apr_psprintf(p, AB(0521) "the name %s is already used by issuer %s, so %%i "
                                "could not tell their users apart; choose another NAME",
                                bearer_text_quote(p, issuer->name), other->url);
        }
    }
    return NULL;
}

static const char *declare_issuer(cmd_parms *cmd, bearer_issuer_t *issuer)
{
    server_config_t *server = ab_config_server(cmd->server);
    const char *error;

    if (!server->issuers) {
        server->issuers = bearer_issuers_create(cmd->pool);
    }
    issuer->index = ab_config_current()->issuers->nelts;
    error = name_taken(server->issuers, issuer, cmd->pool);
    if (!error) {
        error = bearer_issuers_add(server->issuers, issuer);
    }
    if (error) {
        return bearer_message_with(cmd->pool, error, "AuthBearerIssuer: ");
    }
    APR_ARRAY_PUSH(ab_config_current()->issuers, bearer_issuer_t *) = issuer;
    APR_ARRAY_PUSH(ab_config_current()->issuer_servers, server_rec *) = cmd->server;
    /* includes the issuer's index: an identical declaration in another vhost is another
     * issuer, perhaps with another NAME, and does not share verified tokens with it */
    ab_config_digest(server->digest, &issuer->index, sizeof(issuer->index),
               cmd->temp_pool);
    ab_config_digest(server->digest, issuer->url, strlen(issuer->url), cmd->temp_pool);
    return NULL;
}

static const char *new_issuer(cmd_parms *cmd, const char *args,
                              bearer_issuer_t **out, int named)
{
    apr_array_header_t *words = ab_config_words(cmd->pool, args);
    const char *error = ab_config_not_inside(cmd, IN_SERVER);
    bearer_issuer_t *issuer;

    if (error) {
        return error;
    }
    if (words->nelts < 1 || words->nelts > (named ? 2 : 1)) {
        return named ? AB(0522) "<AuthBearerIssuer URL [NAME]> takes one issuer"
                     : AB(0523) "AuthBearerIssuer takes one issuer; repeat the directive for each, "
                       "or use <AuthBearerIssuer URL NAME>";
    }
    issuer = apr_pcalloc(cmd->pool, sizeof(*issuer));
    issuer->url = APR_ARRAY_IDX(words, 0, const char *);
    issuer->name = APR_ARRAY_IDX(words, words->nelts - 1, const char *);
    issuer->introspection.kind = BEARER_SOURCE_OFF;
    issuer->introspection_ttl = apr_time_from_sec(60);
    issuer->file = cmd->directive->filename;
    issuer->line = cmd->directive->line_num;
    *out = issuer;
    return *issuer->url ? NULL : AB(0524) "AuthBearerIssuer: the URL is empty";
}

const char *ab_config_issuer(cmd_parms *cmd, void *dir, const char *args)
{
    bearer_issuer_t *issuer;
    const char *error = new_issuer(cmd, args, &issuer, 0);

    (void)dir;
    return error ? error : declare_issuer(cmd, issuer);
}

const char *ab_config_issuer_section(cmd_parms *cmd, void *dir,
                                     const char *args)
{
    const char *end = strrchr(args, '>'), *error;
    server_config_t *server = ab_config_server(cmd->server);
    bearer_issuer_t *issuer;

    (void)dir;
    if (!end) {
        return AB(0525) "<AuthBearerIssuer> has no closing >";
    }
    error = new_issuer(cmd, apr_pstrmemdup(cmd->temp_pool, args,
                                           (apr_size_t)(end - args)),
                       &issuer, 1);
    if (error) {
        return error;
    }
    server->open = issuer;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    server->open = NULL;
    return error ? error : declare_issuer(cmd, issuer);
}

static const char *source(const parse_t *in, const char *word, bearer_source_t *out,
                          int spiffe)
{
    int is_spiffe = spiffe && !strncmp(word, "spiffe:", 7);

    if (is_spiffe) {
        word += 7;
    }
    if (!spiffe && !strncmp(word, "file:", 5)) {
        return ab_parse_complain(in, AB(0533) "%s is a file, but a URL is needed; for keys in a "
                                 "file, write AuthBearerKeys file:PATH and no metadata",
                                 bearer_text_quote(in->p, word));
    }
    if (!strncmp(word, "file:", 5) || (is_spiffe && *word == '/')) {
        out->kind = is_spiffe ? BEARER_SOURCE_SPIFFE_FILE : BEARER_SOURCE_FILE;
        out->value = ap_server_root_relative(in->p, word
                                             + (*word == '/' ? 0 : 5));
        return out->value ? NULL : ab_parse_complain(in,
                                                     AB(0526) "%s is not a path; write file:PATH",
                                                     word);
    }
    if (spiffe && *word == '/') {
        return ab_parse_complain(in, AB(0532) "%s is not a URL; for a file, write file:PATH",
                                 bearer_text_quote(in->p, word));
    }
    if (strncmp(word, "https:", 6) && strncmp(word, "http:", 5)) {
        return ab_parse_complain(in, AB(0527) "%s is not a URL or keyword of this directive",
                                 bearer_http_url_shown(word, in->p));
    }
    out->kind = is_spiffe ? BEARER_SOURCE_SPIFFE_URL : BEARER_SOURCE_URL;
    out->value = word;
    return NULL;
}

static const char *issuer_alias(const parse_t *in, void *record)
{
    bearer_issuer_t *issuer = record;

    issuer->aliases = in->words;
    return NULL;
}

static const char *issuer_tenants(const parse_t *in, void *record)
{
    bearer_issuer_t *issuer = record;

    if (!strcmp(WORD(in, 0), "*") && in->words->nelts == 1) {
        issuer->tenants_any = 1;
    } else if (!strncmp(WORD(in, 0), "file:", 5) && in->words->nelts == 1) {
        issuer->tenants_file = ap_server_root_relative(in->p, WORD(in, 0) + 5);
    } else {
        issuer->tenants = in->words;
    }
    return NULL;
}

/* discover | off | URL */
static const char *found_or_source(const parse_t *in, bearer_source_t *out)
{
    int kind = 0;

    if (ab_parse_one_of(in, "discover off", WORD(in, 0), &kind)) {
        return source(in, WORD(in, 0), out, 0);
    }
    out->kind = kind ? BEARER_SOURCE_OFF : BEARER_SOURCE_DISCOVER;
    return NULL;
}

static const char *issuer_metadata(const parse_t *in, void *record)
{
    return found_or_source(in, &((bearer_issuer_t *)record)->metadata);
}

static const char *issuer_keys(const parse_t *in, void *record)
{
    bearer_issuer_t *issuer = record;
    const char *error = NULL;
    int i;

    memset(issuer->keys, 0, sizeof(issuer->keys));
    for (i = 0; !error && i < in->words->nelts; i++) {
        if (i == BEARER_KEY_SOURCES_MAX) {
            return ab_parse_complain(in, AB(0534) "at most %d sources are possible; join "
                                     "files into one", BEARER_KEY_SOURCES_MAX);
        }
        if (ap_cstr_casecmp(WORD(in, i), "discover")) {
            error = source(in, WORD(in, i), &issuer->keys[i], 1);
        }
        issuer->key_sources = i + 1;
    }
    return error;
}

static const char *issuer_endpoint(const parse_t *in, void *record)
{
    static const char names[] = ""
#define X(symbol, name, member) name " "
        BEARER_HAND_ENDPOINTS(X)
#undef X
        ;
    bearer_issuer_t *issuer = record;
    bearer_source_t *endpoint;
    int index = 0;
    const char *error = ab_parse_one_of(
        in, apr_pstrmemdup(in->p, names, sizeof(names) - 2), WORD(in, 0), &index);

    if (error) {
        return error;
    }
    endpoint = &issuer->endpoints[index];
    if (in->words->nelts != 2) {
        return ab_parse_complain(in, AB(0535) "%s needs a URL or off", WORD(in, 0));
    }
    if (endpoint->kind != BEARER_SOURCE_DISCOVER) {
        return ab_parse_complain(in, AB(0536) "%s is given twice", WORD(in, 0));
    }
    if (ap_cstr_casecmp(WORD(in, 1), "off")) {
        return source(in, WORD(in, 1), endpoint, 0);
    }
    endpoint->kind = BEARER_SOURCE_OFF;
    return NULL;
}

static const char *issuer_fetch_auth(const parse_t *in, void *record)
{
    bearer_issuer_t *issuer = record;

    if (strncmp(WORD(in, 0), "file:", 5)) {
        return ab_parse_complain(in, AB(0528) "a literal token is not accepted; write file:PATH");
    }
    issuer->fetch_auth_file = ap_server_root_relative(in->p, WORD(in, 0) + 5);
    return NULL;
}

static const char *issuer_introspection(const parse_t *in, void *record)
{
    bearer_issuer_t *issuer = record;
    const char *error = found_or_source(in, &issuer->introspection), *value;

    if (!error && issuer->introspection.kind == BEARER_SOURCE_FILE) {
        error = ab_parse_complain(in, AB(0529) "a file cannot introspect tokens; write the URL of "
                                  "the endpoint");
    }
    if (error || in->words->nelts == 1) {
        return error;
    }
    return ab_parse_keyed(WORD(in, 1), "for", &value)
        ? ab_parse_one_of(in, "opaque all", value, &issuer->introspect_all)
        : ab_parse_complain(in, AB(0530) "the second argument must be for=opaque or for=all");
}

static const char *issuer_introspection_ttl(const parse_t *in, void *record)
{
    return ab_parse_duration(in, WORD(in, 0),
                             &((bearer_issuer_t *)record)->introspection_ttl);
}

static const char *issuer_token_prefix(const parse_t *in, void *record)
{
    const char *error = NULL;
    int i;

    for (i = 0; !error && i < in->words->nelts; i++) {
        if (!*WORD(in, i)) {
            error = ab_parse_complain(in, AB(0531) "an empty prefix would match every token; "
                                      "remove it");
        }
    }
    ((bearer_issuer_t *)record)->token_prefixes = in->words;
    return error;
}

const char *ab_config_in_issuer(cmd_parms *cmd, void *dir, const char *args)
{
    static const ab_line_t lines[] = { AB_ISSUER_DIRECTIVES(AB_LINE) };
    server_config_t *server = ab_config_server(cmd->server);
    const char *text;

    (void)dir;
    if (!server->open) {
        return ab_config_misplaced(cmd, AB(0518) "%s is only allowed in <AuthBearerIssuer URL> ... "
                                   "</AuthBearerIssuer>");
    }
    text = apr_pstrcat(cmd->temp_pool, cmd->cmd->name, " ", args, NULL);
    ab_config_digest(server->digest, text, strlen(text), cmd->temp_pool);
    return ab_parse_line(cmd, args, lines, server->open);
}
