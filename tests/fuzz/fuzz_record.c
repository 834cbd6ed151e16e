/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A key set's record as a cache gives it back: whoever can write there must not
 * do more than be refused. `@PLACE@` stands for the name of this entry. */
#include "fuzz.h"

#include "base/text.h"
#include "keys/keyset_record.h"

static bearer_issuer_t issuer;
static bearer_settings_t settings;
static bearer_world_t world;
static bearer_issuer_access_t way_in;
static bearer_keyset_place_t place;

static void fuzz_setup(apr_pool_t *p)
{
    issuer.url = issuer.name = "https://idp.example/";
    settings.keys_refresh.min = apr_time_from_sec(60);
    settings.keys_refresh.max = settings.keys_refresh.stale =
        apr_time_from_sec(86400);
    way_in.issuer = &issuer;
    way_in.settings = &settings;
    way_in.world = &world;
    FUZZ_CHECK(bearer_keyset_place_init(&place, &way_in, p) == APR_SUCCESS);
}

/* Nobody guesses a SHA-256. */
static const char *with_place(const char *text, size_t *len, apr_pool_t *p)
{
    const char *at = strstr(text, "@PLACE@"), *hex;
    char *out;

    if (!at) {
        return text;
    }
    hex = bearer_text_hex(p, place.record, sizeof(place.record));
    out = apr_palloc(p, *len + 64);
    memcpy(out, text, (size_t)(at - text));
    memcpy(out + (at - text), hex, 64);
    memcpy(out + (at - text) + 64, at + 7, *len - (size_t)(at - text) - 7);
    *len += 57;
    return out;
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    bearer_keyset_record_t record, again;
    unsigned char *value = NULL;
    apr_size_t value_len;

    text = with_place(text, &len, p);
    if (bearer_keyset_record_decode(&record, &place, &way_in,
                                    (const unsigned char *)text, len, p)
        != APR_SUCCESS) {
        return;
    }
    FUZZ_CHECK(record.source && record.document && record.life >= 0);
    FUZZ_CHECK(bearer_keyset_record_encode(&value, &value_len, &place, &record,
                                           p) == APR_SUCCESS);
    FUZZ_CHECK(bearer_keyset_record_decode(&again, &place, &way_in, value,
                                           value_len, p) == APR_SUCCESS);
    FUZZ_CHECK(again.len == record.len && again.life == record.life
               && again.fetched == record.fetched
               && strcmp(again.source, record.source) == 0
               && !again.metadata == !record.metadata
               && memcmp(again.document, record.document, record.len) == 0);
}
