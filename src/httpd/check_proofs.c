/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What the sections need of the memory of used proofs of possession (AuthBearerSOCache
 * for=proofs): whether one of them can meet a proof, for how long it is kept, and how many
 * requests the memory is sufficient for. See check.c.
 */
#include "check_inside.h"
#include "store_redis.h"

#include "state/table.h"
#include "trust/issuer.h"
#include "trust/settings.h"

/* ---- what the sections need -------------------------------------------------- */

static int takes_dpop(const bearer_settings_t *settings)
{
    return settings->proof.mode == BEARER_PROOF_AUTO || settings->proof.mode & BEARER_PROOF_DPOP;
}

/* A proof belongs to a token in Authorization. */
static int takes_authorization(const bearer_settings_t *settings)
{
    int i;

    for (i = 0; i < settings->token_from->nelts; i++) {
        const bearer_from_t *from = &APR_ARRAY_IDX(settings->token_from, i, bearer_from_t);

        if (from->kind == BEARER_FROM_HEADER && !from->name) {
            return 1;
        }
    }
    return 0;
}

/* Looks at a section, for the tokens of one server. */
static void look_at(proof_needs_t *needs, const server_config_t *server,
                    const bearer_settings_t *section)
{
    bearer_settings_t settings;
    int i;

    ab_config_resolve(&settings, server, NULL, section);
    if (!takes_authorization(&settings) || !takes_dpop(&settings)) {
        return;
    }
    needs->possible = 1;
    needs->told |= (settings.proof.mode & BEARER_PROOF_DPOP) != 0;
    for (i = 0; i < bearer_issuers_count(server->issuers); i++) {
        bearer_settings_t own;
        apr_interval_time_t life;

        ab_config_resolve(&own, server, bearer_issuers_at(server->issuers, i), section);
        life = settings.proof.window + own.clock_skew;
        needs->life = life > needs->life ? life : needs->life;
    }
}

/* A section of the main server also applies to its virtual hosts. */
static void look_at_servers(walk_t *w, const server_rec *where, const bearer_settings_t *section)
{
    const server_rec *s;

    for (s = w->main; s; s = s->next) {
        if ((s == where || !where->is_virtual) && ab_config_server(s)->issuers) {
            look_at(&w->global->proofs, ab_config_server(s), section);
        }
    }
}

/* Another section may change what applies to the requests of one with AuthType. */
static void look_at_others(walk_t *w)
{
    int i;

    for (i = 0; i < w->global->sections->nelts; i++) {
        const section_t *s = &APR_ARRAY_IDX(w->global->sections, i, section_t);
        bearer_settings_t layer = { 0 };

        ab_check_collect(w, s->node, &layer);
        if (bearer_settings_has(&layer, TOKEN_FROM) || bearer_settings_has(&layer, PROOF)
            || bearer_settings_has(&layer, CLOCK_SKEW)) {
            look_at_servers(w, s->server, &layer);
        }
    }
}

static void find_needs(walk_t *w)
{
    static const bearer_settings_t nothing;
    int i;

    for (i = 0; i < w->sections->nelts; i++) {
        const ab_section_t *s = &APR_ARRAY_IDX(w->sections, i, ab_section_t);

        look_at_servers(w, s->server, &s->settings);
    }
    if (w->htaccess) {
        look_at_servers(w, w->main, &nothing);
    }
    if (w->htaccess || w->sections->nelts) {
        look_at_others(w);
    }
}

/* ---- what the memory is sufficient for ------------------------------------------- */

static apr_uint64_t a_second(const proof_needs_t *needs, apr_uint64_t proofs)
{
    return proofs * APR_USEC_PER_SEC / (apr_uint64_t)needs->life;
}

void ab_check_proofs(walk_t *w)
{
    const store_config_t *store = &w->global->stores[STORE_PROOFS];
    const apr_uint64_t size = ab_config_own_size(w->global, STORE_PROOFS);
    const apr_uint64_t room = bearer_table_room_for_proofs(size);
    proof_needs_t *needs = &w->global->proofs;

    memset(needs, 0, sizeof(*needs));
    find_needs(w);
    needs->told |= store->named;
    if (!needs->possible || !needs->told || !size) {
        return;
    }
    ab_check_shmcb(w, STORE_PROOFS);
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST) {
        ab_check_say(w, BEARER_LOG_NOTICE, store->node,
                     AB(0772) "AuthBearerSOCache shm:%s for=proofs: room for %" APR_UINT64_T_FMT
                     " used proofs, kept for %" APR_TIME_T_FMT " s: %" APR_UINT64_T_FMT " requests "
                     "with a proof per second, %" APR_UINT64_T_FMT " with the same token",
                     ab_check_size_text(size, w->p), room, apr_time_sec(needs->life),
                     a_second(needs, room), a_second(needs, room / BEARER_TABLE_TOKENS));
    }
}

void ab_check_proofs_dump(apr_file_t *out, const walk_t *w)
{
    const proof_needs_t *needs = &w->global->proofs;
    const apr_uint64_t size = ab_config_own_size(w->global, STORE_PROOFS);
    const apr_uint64_t room = bearer_table_room_for_proofs(size);

    apr_file_printf(out, "mod_auth_bearer: used proofs\n");
    if (!needs->possible) {
        apr_file_printf(out, "    none   # no section accepts proofs in Authorization\n");
    } else if (!size) {
        apr_file_printf(out, "    AuthBearerSOCache redis:// for=proofs   # kept for %"
                        APR_TIME_T_FMT " s\n", apr_time_sec(needs->life));
    } else {
        apr_file_printf(out, "    AuthBearerSOCache shm:%s for=proofs   # room for %"
                        APR_UINT64_T_FMT ", kept for %" APR_TIME_T_FMT " s: %" APR_UINT64_T_FMT
                        " a second, %" APR_UINT64_T_FMT " with one token\n",
                        ab_check_size_text(size, w->p), room, apr_time_sec(needs->life),
                        a_second(needs, room), a_second(needs, room / BEARER_TABLE_TOKENS));
    }
}
