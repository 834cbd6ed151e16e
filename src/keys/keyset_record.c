/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The shared form of a key set. See keyset_record.h.
 *
 *   record:   "BEARER-KEYS-1" SP length LF  JSON of that length  document
 *   attempt:  JSON
 *
 * Different versions meet in a cache that several hosts share, and at a restart. A
 * record of another form must have another MAGIC and another name, so that neither
 * version overwrites what the other reads. A version that changes the form must also
 * look for records of the version before. Additional members of an attempt are
 * ignored.
 */
#include "keys/keyset_record.h"

#include <string.h>

#include <apr_strings.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jwk.h"

#define MAGIC "BEARER-KEYS-1 "
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define HEADER_MAX (BEARER_METADATA_MAX + 8192)

/* ---- names of entries -------------------------------------------------- */

/* Writes the length first, so that no two lists of fields give the same text. */
static void add_field(apr_array_header_t *parts, const char *field,
                      apr_pool_t *p)
{
    APR_ARRAY_PUSH(parts, const char *) =
        field ? apr_psprintf(p, "%lu:%s,", (unsigned long)strlen(field), field)
              : "-,";
}

static apr_status_t name_entry(unsigned char *key, const char *kind,
                               const char *rest, apr_pool_t *p)
{
    const char *text = apr_pstrcat(p, kind, ",", rest, NULL);

    return bearer_text_sha256(text, strlen(text), key);
}

apr_status_t bearer_keyset_place_init(bearer_keyset_place_t *place,
                                      const bearer_issuer_access_t *access,
                                      apr_pool_t *p)
{
    const bearer_issuer_t *issuer = access->issuer;
    const bearer_settings_t *settings = access->settings;
    const bearer_source_t *keys = access->keys ? access->keys : issuer->keys;
    apr_array_header_t *parts = apr_array_make(p, 12, sizeof(const char *));
    const char *text;
    apr_status_t rv;

    memset(place, 0, sizeof(*place));
    place->cache = access->world->keys_cache;
    add_field(parts, issuer->url, p);
    add_field(parts, access->tenant, p);
    add_field(parts, apr_itoa(p, (int)keys->kind), p);
    add_field(parts, keys->value, p);
    add_field(parts, apr_itoa(p, (int)issuer->metadata.kind), p);
    add_field(parts, issuer->metadata.value, p);
    add_field(parts, issuer->fetch_auth_file, p);
    add_field(parts, settings->ca_file, p);
    add_field(parts, settings->http_proxy, p);
    add_field(parts, apr_psprintf(p, "%" APR_TIME_T_FMT " %" APR_TIME_T_FMT
                                     " %" APR_TIME_T_FMT,
                                  settings->keys_refresh.min,
                                  settings->keys_refresh.max,
                                  settings->keys_refresh.stale), p);
    if (access->for_login) {
        add_field(parts, "login", p);  /* its metadata has more */
    }
    text = apr_array_pstrcat(p, parts, 0);
    rv = name_entry(place->record, "keyset", text, p);
    if (rv == APR_SUCCESS) {
        rv = name_entry(place->attempt, "keyset-attempt", text, p);
    }
    if (rv == APR_SUCCESS) {
        rv = name_entry(place->lease, "keyset-lease", text, p);
    }
    return rv;
}

/* ---- small helpers over jansson ---------------------------------------- */

static apr_int64_t get_integer(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));

    return n < 0 ? 0 : n;
}

/* Returns the text and releases the object; NULL if there is no object. */
static const char *dump(json_t *object, apr_pool_t *p)
{
    const char *text = bearer_json_text(object, p);

    json_decref(object);
    return text;
}

/* ---- records ----------------------------------------------------------- */

void bearer_keyset_record_copy(bearer_keyset_record_t *to,
                               const bearer_keyset_record_t *from, apr_pool_t *p)
{
    *to = *from;
    to->source = apr_pstrdup(p, from->source);
    to->document = apr_pmemdup(p, from->document, from->len);
    to->metadata = from->metadata ? bearer_metadata_copy(from->metadata, p) : NULL;
}

apr_status_t bearer_keyset_record_encode(unsigned char **value, apr_size_t *len,
                                         const bearer_keyset_place_t *place,
                                         const bearer_keyset_record_t *record,
                                         apr_pool_t *p)
{
    const bearer_metadata_t *metadata = record->metadata;
    const char *header = dump(json_pack(
        metadata ? "{ss sI sI ss* so sI ss*}" : "{ss sI sI ss*}",
        "place", bearer_text_hex(p, place->record, sizeof(place->record)),
        "fetched", (json_int_t)record->fetched, "life", (json_int_t)record->life,
        "source", record->source,
        "metadata", metadata ? bearer_metadata_json(metadata) : NULL,
        "metadata_fetched", (json_int_t)record->metadata_fetched,
        "metadata_source", metadata ? metadata->source : NULL), p);
    char *start;
    apr_size_t start_len, header_len;

    if (!header) {
        return APR_EINVAL;
    }
    header_len = strlen(header);
    start = apr_psprintf(p, MAGIC "%lu\n", (unsigned long)header_len);
    start_len = strlen(start);
    *len = start_len + header_len + record->len;
    *value = apr_palloc(p, *len);
    memcpy(*value, start, start_len);
    memcpy(*value + start_len, header, header_len);
    memcpy(*value + start_len + header_len, record->document, record->len);
    return APR_SUCCESS;
}

/* Returns the JSON and the rest after it. */
static apr_status_t split(json_t **header, const char **rest,
                          apr_size_t *rest_len, const char *value,
                          apr_size_t len, apr_pool_t *p)
{
    const char *end = memchr(value, '\n', len < 40 ? len : 40);
    const char *number;
    apr_int64_t header_len;
    char *number_end;

    if (!end || (apr_size_t)(end - value) < MAGIC_LEN
        || memcmp(value, MAGIC, MAGIC_LEN) != 0) {
        return APR_EINVAL;
    }
    number = apr_pstrmemdup(p, value + MAGIC_LEN,
                            (apr_size_t)(end - value) - MAGIC_LEN);
    header_len = apr_strtoi64(number, &number_end, 10);
    end++;
    len -= (apr_size_t)(end - value);
    if (*number_end || header_len <= 0 || header_len > HEADER_MAX
        || (apr_size_t)header_len > len) {
        return APR_EINVAL;
    }
    *rest = end + header_len;
    *rest_len = len - (apr_size_t)header_len;
    return bearer_json_parse(header, end, (apr_size_t)header_len, NULL, p);
}

static apr_status_t decode_metadata(bearer_keyset_record_t *record,
                                    const json_t *header,
                                    const bearer_issuer_access_t *access,
                                    apr_pool_t *p)
{
    const json_t *object = json_object_get(header, "metadata");
    const char *source = bearer_json_string(header, "metadata_source");
    bearer_metadata_t *metadata;
    const char *text, *error;
    apr_status_t rv;

    if (!object) {
        return APR_SUCCESS;
    }
    text = bearer_json_text(object, p);
    if (!text || !source) {
        return APR_EINVAL;
    }
    rv = bearer_metadata_parse(&metadata, text, strlen(text),
                               access->issuer->url, source, access->plain_http,
                               &error, p);
    if (rv == APR_SUCCESS) {
        record->metadata = metadata;
        record->metadata_fetched = get_integer(header, "metadata_fetched");
    }
    return rv;
}

apr_status_t bearer_keyset_record_decode(bearer_keyset_record_t *record,
                                         const bearer_keyset_place_t *place,
                                         const bearer_issuer_access_t *access,
                                         const unsigned char *value,
                                         apr_size_t len, apr_pool_t *p)
{
    json_t *header;
    const char *where, *source;
    apr_status_t rv;

    memset(record, 0, sizeof(*record));
    rv = split(&header, &record->document, &record->len, (const char *)value,
               len, p);
    if (rv != APR_SUCCESS) {
        return APR_EINVAL;
    }
    where = bearer_json_string(header, "place");
    source = bearer_json_string(header, "source");
    record->fetched = get_integer(header, "fetched");
    record->life = get_integer(header, "life");
    if (!where || !source || !record->fetched
        || strcmp(where, bearer_text_hex(p, place->record,
                                         sizeof(place->record))) != 0
        || record->life > access->settings->keys_refresh.max
        || record->len > BEARER_JWKS_MAX_BYTES) {
        return APR_EINVAL;
    }
    record->source = apr_pstrdup(p, source);
    return decode_metadata(record, header, access, p);
}

apr_status_t bearer_keyset_record_get(bearer_keyset_record_t *record,
                                      const bearer_keyset_place_t *place,
                                      const bearer_issuer_access_t *access,
                                      apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;

    return place->cache
               && place->cache->get(place->cache, place->record, &value, &len, p) == APR_SUCCESS
        ? bearer_keyset_record_decode(record, place, access, value, len, p) : APR_NOTFOUND;
}

void bearer_keyset_record_put(const bearer_keyset_place_t *place,
                              const bearer_keyset_record_t *record,
                              apr_time_t expires, apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;

    if (place->cache
        && bearer_keyset_record_encode(&value, &len, place, record, p)
               == APR_SUCCESS) {
        /* each process has its own copy: a failure only costs one fetch per child */
        (void)place->cache->put(place->cache, place->record, value, len,
                                expires, p);
    }
}

/* ---- attempts ---------------------------------------------------------- */

apr_status_t bearer_keyset_attempt_get(bearer_keyset_attempt_t *attempt,
                                       const bearer_keyset_place_t *place,
                                       apr_pool_t *p)
{
    unsigned char *value;
    apr_size_t len;
    json_t *object;

    memset(attempt, 0, sizeof(*attempt));
    if (!place->cache
        || place->cache->get(place->cache, place->attempt, &value, &len, p)
               != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    if (bearer_json_parse(&object, (const char *)value, len, NULL, p)
        != APR_SUCCESS) {
        return APR_EINVAL;
    }
    attempt->when = get_integer(object, "when");
    attempt->failed = json_is_true(json_object_get(object, "failed"));
    attempt->failures = (int)(get_integer(object, "failures") & 0xffff);
    attempt->retry_at = get_integer(object, "retry_at");
    attempt->kid_when = get_integer(object, "kid_when");
    attempt->fetched = get_integer(object, "fetched");
    attempt->error = apr_pstrdup(p, bearer_json_string(object, "error"));
    return attempt->when ? APR_SUCCESS : APR_EINVAL;
}

void bearer_keyset_attempt_put(const bearer_keyset_place_t *place,
                               const bearer_keyset_attempt_t *attempt,
                               apr_time_t expires, apr_pool_t *p)
{
    const char *text;

    if (!place->cache) {
        return;
    }
    text = dump(json_pack("{sI sb si sI sI sI ss*}", "when", (json_int_t)attempt->when,
                          "failed", attempt->failed, "failures", attempt->failures,
                          "retry_at", (json_int_t)attempt->retry_at,
                          "kid_when", (json_int_t)attempt->kid_when,
                          "fetched", (json_int_t)attempt->fetched,
                          "error", attempt->error), p);
    if (text) {
        (void)place->cache->put(place->cache, place->attempt,
                                (const unsigned char *)text, strlen(text),
                                expires, p);
    }
}
