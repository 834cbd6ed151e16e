/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file store_line.c
 * Parses the AuthBearerSOCache lines: which kind of value is kept where. store.c uses
 * the result.
 */
#include "config_parse.h"
#include "handlers.h"
#include "store.h"
#include "store_own.h"
#include "store_redis.h"

#include <ap_provider.h>
#include <apr_strings.h>

/** The throttle, as a bit after those of the kinds. */
#define THROTTLE (1u << STORE_KINDS)
#define PROOFS (1u << STORE_PROOFS)
/** The kinds that the module's own memory can keep. */
#define OWN (1u << STORE_SESSIONS | PROOFS)

/* Sets the kinds that for= names, as bits; all kinds if it is absent. The throttle may
 * be named, but its counts stay in this host's memory: bad tokens from an address must
 * not cause calls over the network. */
static const char *kinds_named(cmd_parms *cmd, const char *list, unsigned *bits)
{
    char *rest, *word = apr_strtok(apr_pstrdup(cmd->temp_pool, list), ",", &rest);
    int i;

    for (*bits = 0; word; word = apr_strtok(NULL, ",", &rest)) {
        for (i = 0; i < STORE_KINDS && strcmp(ab_store_word((store_kind_t)i), word) != 0; i++) {
        }
        if (i < STORE_KINDS) {
            *bits |= 1u << i;
        } else if (strcmp(word, "throttle") == 0) {
            *bits |= THROTTLE;
        } else {
            return apr_psprintf(cmd->pool, AB(0631) "AuthBearerSOCache: unknown for=%s; expected "
                                "keys, introspection, sessions, proofs, throttle", word);
        }
    }
    return NULL;
}

/* Two kinds cannot share a segment: each gets its own file next to the named one. */
static const char *args_of(apr_pool_t *p, const char *name, const char *args,
                           int kind)
{
    apr_size_t bare = args ? strcspn(args, "(") : 0;  /* without the size */

    return !args || strcmp(name, "shmcb") != 0 || kind == STORE_KEYS
        ? args : apr_psprintf(p, "%.*s.%s%s", (int)bare, args,
                              ab_store_word((store_kind_t)kind), args + bare);
}

/* Removes for=KIND,... from the words. */
static const char *take_kinds(cmd_parms *cmd, apr_array_header_t *words,
                              unsigned *bits)
{
    const char **word = (const char **)words->elts, *list;
    int i;

    *bits = ~0u;
    for (i = 1; i < words->nelts && strncmp(word[i], "for=", 4); i++) {
    }
    if (i >= words->nelts) {
        return NULL;
    }
    list = word[i] + 4;
    words->nelts--;
    for (; i < words->nelts; i++) {
        word[i] = word[i + 1];
    }
    return kinds_named(cmd, list, bits);
}

/* Finds one of httpd's providers. */
static const char *find_provider(cmd_parms *cmd, const char *word,
                                 store_config_t *store)
{
    const char *colon = strchr(word, ':');

    store->name = colon ? apr_pstrmemdup(cmd->pool, word, (apr_size_t)(colon - word))
                        : word;
    store->args = colon ? colon + 1 : NULL;
    store->provider = ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, store->name,
                                         AP_SOCACHE_PROVIDER_VERSION);
    return store->provider ? NULL
        : apr_psprintf(cmd->pool, AB(0632) "AuthBearerSOCache: the cache %s is not loaded; write "
                       "LoadModule socache_%s_module modules/mod_socache_%s.so (a2enmod "
                       "socache_%s)",
                       bearer_text_quote(cmd->pool, store->name), store->name,
                       store->name, store->name);
}

static const char *read_line(const parse_t *in, store_config_t *store)
{
    memset(store, 0, sizeof(*store));
    store->node = in->cmd->directive;
    if (in->words->nelts && ab_store_redis_is(WORD(in, 0))) {
        store->name = STORE_REDIS_NAME;
        store->provider = &ab_store_redis_provider;
        return ab_store_redis_parse(&store->instance, in);
    }
    if (in->words->nelts != 1) {
        return AB(0633) "expected AuthBearerSOCache PROVIDER[:ARGS] [for=KIND,...]";
    }
    return ab_store_own_is(WORD(in, 0))
        ? ab_store_own_parse(store, in)
        : find_provider(in->cmd, WORD(in, 0), store);
}

/* Rejects the kinds that the line names and cannot keep, and leaves out others. */
static const char *refuse_kinds(const store_config_t *line, unsigned *bits)
{
    if (line->own && line->named && *bits & ~(OWN | THROTTLE)) {
        return AB(0634) "AuthBearerSOCache shm: is only for sessions and proofs; for keys and "
               "introspection, write shmcb";
    }
    if (ab_config_is_foreign(line) && !ab_store_redis_has(line)) {
        if (!line->named) {
            *bits &= ~PROOFS;
        } else if (*bits & PROOFS) {
            return AB(0635) "AuthBearerSOCache for=proofs needs shm[:SIZE] or redis://HOST";
        }
    }
    *bits &= line->own ? OWN : ~0u;
    return NULL;
}

/* Sets the store of one kind of value. */
static const char *set_store(store_config_t *store, const store_config_t *line,
                             int kind, cmd_parms *cmd)
{
    const char *error = NULL;

    *store = *line;
    if (kind >= STORE_SESSIONS && !ab_config_is_foreign(line)) {
        return ab_store_own_instead(store, (store_kind_t)kind, cmd->pool);
    }
    if (ab_store_redis_has(line)) {
        store->instance = ab_store_redis_share(line->instance, cmd->pool);
    } else {
        store->args = args_of(cmd->pool, line->name, line->args, kind);
        error = line->provider->create(&store->instance, store->args,
                                       cmd->temp_pool, cmd->pool);
    }
    return error ? apr_psprintf(cmd->pool, AB(0636) "AuthBearerSOCache: %s", error) : NULL;
}

const char *ab_store_directive(cmd_parms *cmd, void *dir, const char *args)
{
    global_config_t *global = ab_config_server(cmd->server)->global;
    const char *error = ab_config_not_inside(cmd, GLOBAL_ONLY);
    store_config_t line;
    unsigned bits;
    parse_t in;
    int i;

    (void)dir;
    ab_parse_begin(&in, cmd, args);
    if (error || (error = take_kinds(cmd, in.words, &bits))
        || (error = read_line(&in, &line))) {
        return error;
    }
    line.named = bits != ~0u;
    error = refuse_kinds(&line, &bits);
    if (!error && line.named && bits & THROTTLE && ab_config_is_foreign(&line)) {
        global->throttle_store = cmd->directive;
    }
    for (i = 0; i < STORE_KINDS && !error; i++) {
        if (bits & (1u << i)) {
            error = set_store(&global->stores[i], &line, i, cmd);
        }
    }
    return error;
}
