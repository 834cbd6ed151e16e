/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Which claims a session keeps. See session.h. */
#include "login/session.h"

#include "base/json.h"

/** The work on one body. */
typedef struct dropping_t {
    json_t *dropped;
    bearer_session_keeps_fn keeps;
    void *baton;
} dropping_t;

static int note(json_t *dropped, const char *name, json_int_t parts)
{
    parts |= json_integer_value(json_object_get(dropped, name));
    return json_object_set_new(dropped, name, json_integer(parts));
}

/* Returns how many claims were removed; -1: no memory. */
static int drop_from(json_t *claims, int part, const dropping_t *d)
{
    const char *name;
    json_t *value;
    void *next;
    int n = 0;

    json_object_foreach_safe(claims, next, name, value) {
        if (!d->keeps(d->baton, name)) {
            if (note(d->dropped, name, part)) {
                return -1;
            }
            json_object_del(claims, name);
            n++;
        }
    }
    return n;
}

/* Notes what was dropped earlier from parts that have not changed. */
static int note_earlier(const dropping_t *d, const json_t *before, int fresh)
{
    const char *name;
    json_t *parts;
    json_int_t left;

    json_object_foreach(json_object_get(before, BEARER_SESSION_DROPPED), name, parts) {
        left = json_integer_value(parts) & ~fresh;
        if (left && note(d->dropped, name, left)) {
            return -1;
        }
    }
    return 0;
}

/* Drops from a copy of a member, which others may use. */
static int drop_from_copy(json_t *body, const char *member, int part, const dropping_t *d)
{
    json_t *claims = json_copy(json_object_get(body, member));
    int n = drop_from(claims, part, d);

    return json_object_get(body, member) && json_object_set_new(body, member, claims) ? -1 : n;
}

apr_status_t bearer_session_drop(json_t *body, const json_t *before, int fresh,
                                 bearer_session_keeps_fn keeps, void *baton, apr_pool_t *p)
{
    const dropping_t d = { bearer_json_tie(json_object(), p), keeps, baton };
    json_t *said = bearer_session_said_in(body, p);
    int n;

    said = said ? said : bearer_session_said_in(before, p);
    n = d.dropped ? drop_from(said, BEARER_PART_ID, &d) : -1;
    if (n < 0 || note_earlier(&d, before, fresh)
        || drop_from_copy(body, BEARER_SESSION_CLAIMS, BEARER_PART_ID, &d) < 0
        || drop_from_copy(body, BEARER_SESSION_USERINFO, BEARER_PART_USERINFO, &d) < 0) {
        return APR_ENOMEM;
    }
    if (n || !json_object_get(body, BEARER_SESSION_ID_TOKEN)) {
        json_object_del(body, BEARER_SESSION_ID_TOKEN);
        n = json_object_set(body, BEARER_SESSION_SAID, said);
    }
    return n || (json_object_size(d.dropped)
                 && json_object_set(body, BEARER_SESSION_DROPPED, d.dropped))
        ? APR_ENOMEM : APR_SUCCESS;
}
