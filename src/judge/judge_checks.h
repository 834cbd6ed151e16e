/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file judge_checks.h
 * The rows of the judge's table, one function each; for judge.c and the
 * judge_*.c beside it only. Each returns BEARER_OK or refuses into j->why.
 */
#ifndef BEARER_JUDGE_CHECKS_H
#define BEARER_JUDGE_CHECKS_H

#include "judge/judge.h"

/* judge_token.c: checks 1 to 7, what a token is before anyone vouches for it */
bearer_reason_t bearer_check_credential(bearer_judgement_t *j);
bearer_reason_t bearer_check_envelope(bearer_judgement_t *j);
bearer_reason_t bearer_check_payload(bearer_judgement_t *j);
bearer_reason_t bearer_check_header(bearer_judgement_t *j);
bearer_reason_t bearer_check_kid(bearer_judgement_t *j);
bearer_reason_t bearer_check_issuer(bearer_judgement_t *j);
bearer_reason_t bearer_check_algorithm(bearer_judgement_t *j);
bearer_reason_t bearer_check_key(bearer_judgement_t *j);
bearer_reason_t bearer_check_signature(bearer_judgement_t *j);

/* judge_claims.c: checks 8 to 12 */
bearer_reason_t bearer_check_iss(bearer_judgement_t *j);
bearer_reason_t bearer_check_tenant(bearer_judgement_t *j);
bearer_reason_t bearer_check_audience(bearer_judgement_t *j);
bearer_reason_t bearer_check_exp(bearer_judgement_t *j);
bearer_reason_t bearer_check_nbf(bearer_judgement_t *j);
bearer_reason_t bearer_check_iat(bearer_judgement_t *j);
bearer_reason_t bearer_check_age(bearer_judgement_t *j);
bearer_reason_t bearer_check_user_claim(bearer_judgement_t *j);
bearer_reason_t bearer_check_profile(bearer_judgement_t *j);
bearer_reason_t bearer_check_type(bearer_judgement_t *j);
bearer_reason_t bearer_check_id_token(bearer_judgement_t *j);
bearer_reason_t bearer_check_client(bearer_judgement_t *j);
bearer_reason_t bearer_check_clients(bearer_judgement_t *j);
bearer_reason_t bearer_check_revocation(bearer_judgement_t *j);
bearer_reason_t bearer_check_identifier(bearer_judgement_t *j);

/* judge_login.c: ID tokens and logout tokens */
bearer_reason_t bearer_check_login_issuer(bearer_judgement_t *j);
bearer_reason_t bearer_check_own_audience(bearer_judgement_t *j);
bearer_reason_t bearer_check_own_azp(bearer_judgement_t *j);
bearer_reason_t bearer_check_recent(bearer_judgement_t *j);
bearer_reason_t bearer_check_subject(bearer_judgement_t *j);
bearer_reason_t bearer_check_nonce(bearer_judgement_t *j);
bearer_reason_t bearer_check_at_hash(bearer_judgement_t *j);
bearer_reason_t bearer_check_authentication(bearer_judgement_t *j);
bearer_reason_t bearer_check_login_type(bearer_judgement_t *j);
bearer_reason_t bearer_check_logout(bearer_judgement_t *j);

/** Checks 8 to 12 ahead of their turn, before a fetch; BEARER_OK or the first
 *  refusal in j->why. */
bearer_reason_t bearer_judge_screen(bearer_judgement_t *j);

/** SPIFFE JWT-SVIDs: no iss, chosen by the trust domain of sub. */
int bearer_judge_is_spiffe(const bearer_issuer_t *issuer);

/** In what way two texts that ought to be equal differ, if it is a usual mistake
 *  ("only by a trailing slash"); else NULL. */
const char *bearer_judge_difference(const char *seen, const char *wanted);

#endif
