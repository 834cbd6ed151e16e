/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See store_redis.h. */
#include "store_redis.h"
#include "records.h"
#include "shared.h"
#include "waiting.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/http.h"
#include "base/message.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/world.h"

#define TIMEOUT apr_time_from_sec(1)
#define TIMEOUT_MAX apr_time_from_sec(30)
#define DATABASE_MAX 65535
/** The number of mod_watchdog's threads. */
#define BACKGROUND 2

/** A configuration line, and its client in this process. */
typedef struct line_t {
    bearer_redis_config_t config;
    bearer_redis_shared_t *shared;
    bearer_redis_t *client;        /**< NULL: not usable */
} line_t;

struct ap_socache_instance_t {
    line_t *line;
    const char *prefix;            /**< of the keys: the one that mod_socache_redis uses */
};

/* ---- configuration ------------------------------------------------------ */

int ab_store_redis_is(const char *word)
{
    return !strncmp(word, "redis://", 8) || !strncmp(word, "rediss://", 9)
        || !strncmp(word, "unix:", 5);
}

static int is_host(const char *host, const char *others)
{
    const char *at = host;

    while (apr_isalnum(*at) || (*at && strchr(others, *at))) {
        at++;
    }
    return at != host && !*at;
}

/* HOST[:PORT], [IPV6][:PORT] */
static const char *parse_host(const parse_t *in, bearer_redis_config_t *config,
                              char *text)
{
    char *end = *text == '[' ? strchr(text, ']') : NULL;
    char *colon = strchr(end ? end : text, ':');

    if (end && end[1] && end[1] != ':') {
        return ab_parse_complain(in, AB(0641) "the address must be followed by a port%s", "");
    }
    if (colon) {
        *colon++ = '\0';
        if (!ab_parse_number(colon, 1, 65535, &config->port)) {
            return ab_parse_complain(in, AB(0642) "%s is not a port",
                                     bearer_text_quote(in->p, colon));
        }
    }
    if (end) {
        *end = '\0';
        text++;
    }
    if (!is_host(text, end ? ":." : ".-_")) {
        return ab_parse_complain(in, AB(0643) "%s is not a host",
                                 bearer_text_quote(in->p, text));
    }
    config->host = text;
    return NULL;
}

/* [USER@]HOST[:PORT][/DB]. Text before an @ is not shown, because it may be a password. */
static const char *parse_url(const parse_t *in, bearer_redis_config_t *config,
                             char *text)
{
    char *at = strrchr(text, '@'), *slash;

    if (at) {
        *at = '\0';
        if (strpbrk(text, ":%/?#")) {
            return ab_parse_complain(in, AB(0644) "a password is not allowed in the URL, nor are "
                                     ":%%/?# in a user name; write redis://USER@HOST and "
                                     "password=file:PATH%s", "");
        }
        config->user = *text ? text : NULL;
        text = at + 1;
    }
    slash = strchr(text, '/');
    if (slash) {
        *slash++ = '\0';
    }
    if (slash && *slash && !ab_parse_number(slash, 0, DATABASE_MAX, &config->database)) {
        return ab_parse_complain(in, AB(0645) "%s is not a database number",
                                 bearer_text_quote(in->p, slash));
    }
    return parse_host(in, config, text);
}

static const char *parse_server(const parse_t *in, bearer_redis_config_t *config)
{
    const char *word = WORD(in, 0), *error;

    if (!strncmp(word, "unix:", 5)) {
        config->path = word + 5;
        config->name = word;
        return *config->path == '/' && strlen(config->path) < 100
            ? NULL
            : ab_parse_complain(in, AB(0646) "unix: needs the absolute path of a socket, shorter "
                                "than 100 bytes%s", "");
    }
    config->tls = word[5] == 's';
    config->port = 6379;
    error = parse_url(in, config, apr_pstrdup(in->p, strchr(word, '/') + 2));
    config->name = word;  /* it is now known to contain no password */
    return error;
}

static const char *parse_password(const parse_t *in, bearer_redis_config_t *config,
                                  const char *text)
{
    bearer_secret_t *secret;

    if (bearer_secret_parse(&secret, text, "AuthBearerSOCache", in->p)
        || secret->kind == BEARER_SECRET_EXEC) {
        return ab_parse_complain(in, AB(0647) "a literal password is not allowed; write "
                                 "password=file:PATH or password=env:NAME%s", "");
    }
    ab_parse_note_secret(in, secret);
    config->password = secret;
    return NULL;
}

static const char *parse_ca(const parse_t *in, bearer_redis_config_t *config,
                            const char *text)
{
    const char *error;

    if (!config->tls) {
        return ab_parse_complain(in, AB(0648) "ca= needs rediss://%s", "");
    }
    config->ca_file = ap_server_root_relative(in->p, text);
    error = bearer_http_ca_file_error(config->ca_file, in->p);
    return error ? ab_parse_complain(in, AB(0649) "ca=: %s", error) : NULL;
}

static const char *parse_timeout(const parse_t *in, bearer_redis_config_t *config,
                                 const char *text)
{
    const char *error = ab_parse_duration(in, text, &config->timeout);

    return error ? error
         : config->timeout < 1000 || config->timeout > TIMEOUT_MAX
         ? ab_parse_complain(in, AB(0650) "timeout= must be from 1ms to 30s%s", "") : NULL;
}

static const char *parse_option(const parse_t *in, bearer_redis_config_t *config,
                                const char *word)
{
    const char *value;

    if (ab_parse_keyed(word, "password", &value)) {
        return parse_password(in, config, value);
    }
    if (ab_parse_keyed(word, "ca", &value)) {
        return parse_ca(in, config, value);
    }
    if (ab_parse_keyed(word, "timeout", &value)) {
        return parse_timeout(in, config, value);
    }
    if (config->path && ab_parse_keyed(word, "user", &value) && *value) {
        config->user = value;
        return NULL;
    }
    if (config->path && ab_parse_keyed(word, "db", &value)
        && ab_parse_number(value, 0, DATABASE_MAX, &config->database)) {
        return NULL;
    }
    return ab_parse_complain(in, AB(0651) "unknown argument; expected password=file:PATH, "
                             "password=env:NAME, timeout=TIME, for=KIND,...%s",
                             config->tls ? ", ca=PATH"
                             : config->path ? ", user=NAME, db=NUMBER" : "");
}

const char *ab_store_redis_parse(ap_socache_instance_t **instance,
                                 const parse_t *in)
{
    line_t *line = apr_pcalloc(in->p, sizeof(*line));
    const char *error = parse_server(in, &line->config);
    int i;

    line->config.timeout = TIMEOUT;
    for (i = 1; i < in->words->nelts && !error; i++) {
        error = parse_option(in, &line->config, WORD(in, i));
    }
    if (!error && line->config.user && !line->config.password) {
        error = ab_parse_complain(in, AB(0652) "a user needs password=file:PATH or "
                                  "password=env:NAME%s", "");
    }
    if (!error && bearer_redis_lacks(line->config.tls)) {
        error = ab_parse_complain(in, AB(0653) "%s",
                                  bearer_redis_lacks(line->config.tls));
    }
    *instance = apr_pcalloc(in->p, sizeof(**instance));
    (*instance)->line = line;
    return error;
}

ap_socache_instance_t *ab_store_redis_share(const ap_socache_instance_t *from,
                                            apr_pool_t *p)
{
    return apr_pmemdup(p, from, sizeof(*from));
}

/* ---- start -------------------------------------------------------------- */

/* The known state of a server survives a restart. */
static apr_status_t init(ap_socache_instance_t *instance, const char *name,
                         const struct ap_socache_hints *hints, server_rec *s,
                         apr_pool_t *p)
{
    line_t *line = instance->line;
    apr_status_t rv = APR_SUCCESS;
    int made;

    (void)hints;
    instance->prefix = apr_pstrcat(p, name, ":", NULL);
    if (!line->shared) {
        line->shared = ab_shared_keep(
            apr_pstrcat(p, "mod_auth_bearer redis 1 ", line->config.name, NULL),
            "auth_bearer_redis", sizeof(*line->shared), &made, p, s, &rv);
    }
    if (!line->shared) {
        line->shared = apr_pcalloc(p, sizeof(*line->shared));
    }
    return APR_SUCCESS;
}

static void start_client(const process_t *process, line_t *line)
{
    int threads = ab_waiting_threads() + BACKGROUND;

    line->config.connections = (unsigned)(threads < BEARER_REDIS_CONNECTIONS
                                              ? threads : BEARER_REDIS_CONNECTIONS);
    if (bearer_redis_create(&line->client, &line->config, &process->world,
                            line->shared, NULL, process->pool) != APR_SUCCESS) {
        line->client = NULL;
    }
}

void ab_store_redis_child_init(const process_t *process)
{
    int i;

    for (i = 0; i < STORE_KINDS; i++) {
        const store_config_t *store = &process->global->stores[i];

        if (store->provider == &ab_store_redis_provider
            && store->instance->prefix && !store->instance->line->client) {
            start_client(process, store->instance->line);
        }
    }
}

/* ---- the provider ------------------------------------------------------- */

static const char *name_of(const ap_socache_instance_t *instance,
                           const unsigned char *key, int size, apr_pool_t *p)
{
    char *name = apr_pstrcat(p, instance->prefix,
                             bearer_text_hex(p, key, (apr_size_t)size), NULL);

    ap_str_toupper(name + strlen(instance->prefix));
    return name;
}

apr_status_t ab_store_redis_get(const ap_socache_instance_t *instance,
                                const unsigned char *const *keys, int n,
                                bearer_cache_value_t *values, apr_size_t max,
                                apr_pool_t *p)
{
    const char *names[BEARER_REDIS_VALUES] = { NULL };
    int i;

    for (i = 0; i < n && i < BEARER_REDIS_VALUES; i++) {
        names[i] = name_of(instance, keys[i], BEARER_CACHE_KEY_SIZE, p);
    }
    return instance->line->client
        ? bearer_redis_get(instance->line->client, names, n, values, max, p)
        : APR_EGENERAL;
}

static apr_status_t retrieve(ap_socache_instance_t *instance, server_rec *s,
                             const unsigned char *key, unsigned key_len,
                             unsigned char *to, unsigned *len, apr_pool_t *p)
{
    const unsigned char *const keys[] = { key };
    bearer_cache_value_t value = { NULL, 0 };
    apr_status_t rv = ab_store_redis_get(instance, keys, 1, &value, *len, p);

    (void)s, (void)key_len;
    if (rv == APR_SUCCESS && !value.data) {
        return APR_NOTFOUND;
    }
    if (rv == APR_SUCCESS) {
        memcpy(to, value.data, value.len);
        *len = (unsigned)value.len;
    }
    return rv;
}

/* A list has a shorter key than other values, so it cannot be one of them. */
apr_status_t ab_store_redis_set(const ap_socache_instance_t *instance,
                                const unsigned char *key,
                                const bearer_cache_entry_t *entry,
                                bearer_redis_when_t when, apr_pool_t *p)
{
    const char *name = name_of(instance, key, BEARER_CACHE_KEY_SIZE, p);
    apr_interval_time_t life = entry->expires - apr_time_now();
    bearer_redis_t *client = instance->line->client;
    bearer_redis_list_t list;

    if (!client) {
        return APR_EGENERAL;
    }
    if (!entry->owners || when != BEARER_REDIS_IF_ABSENT) {
        return bearer_redis_set(client, name, entry->value, entry->len, life, when, p);
    }
    list.key = name_of(instance, entry->owners->id[BEARER_OWNER_SUBJECT],
                       BEARER_OWNER_SIZE, p);
    list.prefix = instance->prefix;
    list.life = entry->ends - apr_time_now();
    return bearer_redis_add_to_list(client, name, entry->value, entry->len, life,
                                    &list, p);
}

static apr_status_t remove_key(ap_socache_instance_t *instance, server_rec *s,
                               const unsigned char *key, unsigned key_len,
                               apr_pool_t *p)
{
    apr_status_t rv = APR_EGENERAL;

    (void)s, (void)key_len;
    if (instance->line->client) {
        rv = bearer_redis_remove(instance->line->client, name_of(
            instance, key, BEARER_CACHE_KEY_SIZE, p), p);
    }
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

static void destroy(ap_socache_instance_t *instance, server_rec *s)
{
    (void)instance, (void)s;  /* clients belong to the children */
}

const ap_socache_provider_t ab_store_redis_provider = {
    .name = STORE_REDIS_NAME,
    .init = init,
    .destroy = destroy,
    .retrieve = retrieve,
    .remove = remove_key
};
