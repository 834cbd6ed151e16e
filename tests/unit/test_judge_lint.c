/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* What configtest is told. */
#include "judge_fixture.h"

#include "ask/session_check.h"
#include "posix_regex.h"

typedef struct lint_t {
    judge_fixture_t *f;
    const char *errors, *warnings;
} lint_t;

static const char *lines_of(apr_pool_t *p, const apr_array_header_t *findings,
                            bearer_log_level_t level)
{
    apr_array_header_t *lines = apr_array_make(p, 2, sizeof(const char *));
    int i;

    for (i = 0; i < findings->nelts; i++) {
        const bearer_finding_t *f = &APR_ARRAY_IDX(findings, i, bearer_finding_t);

        assert_non_null(f->directive);
        assert_int_equal(f->number, bearer_message_number(f->text));
        assert_true(f->number > 0);
        if (f->level == level) {
            APR_ARRAY_PUSH(lines, const char *) = f->text;
        }
    }
    return unit_lines(p, lines);
}

static lint_t lint_of(judge_fixture_t *f)
{
    apr_array_header_t *findings = bearer_findings_create(f->p);
    const bearer_finding_t *first;
    lint_t l;

    bearer_judge_lint(findings, f->issuers, bearer_settings_defaults(f->p),
                      &f->server, &f->dir, f->p);
    l.f = f;
    l.errors = lines_of(f->p, findings, BEARER_LOG_ERROR);
    l.warnings = lines_of(f->p, findings, BEARER_LOG_WARNING);
    first = bearer_findings_error(findings);
    assert_int_equal(first != NULL, *l.errors != '\0');
    assert_true(!first || strncmp(l.errors, first->text, strlen(first->text)) == 0);
    return l;
}

static void expect_error(judge_fixture_t *f, const char *part)
{
    lint_t l = lint_of(f);

    UNIT_CHECK(part ? unit_contains(l.errors, part) : !*l.errors, "%s",
               l.errors);
}

static void expect_warning(judge_fixture_t *f, const char *part)
{
    lint_t l = lint_of(f);

    UNIT_CHECK(part ? unit_contains(l.warnings, part) : !*l.warnings, "%s",
               l.warnings);
    UNIT_CHECK(!*l.errors, "%s", l.errors);
}

static const apr_array_header_t *providers(apr_pool_t *p, int first, int second)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(int));

    APR_ARRAY_PUSH(list, int) = first;
    if (second >= 0) {
        APR_ARRAY_PUSH(list, int) = second;
    }
    return list;
}

/* ---- lint -------------------------------------------------------------- */

static void test_smallest_configuration(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    lint_t l = lint_of(f);

    assert_string_equal(l.errors, "");
    assert_string_equal(l.warnings, "");
}

/* Another line AuthBearerSessionCheck in force here. */
static void session_check_beside(judge_fixture_t *f, const char *words)
{
    apr_array_header_t *checks = f->dir.session_checks
        ? apr_array_copy(f->p, f->dir.session_checks)
        : apr_array_make(f->p, 2, sizeof(const bearer_session_check_t *));
    bearer_session_check_t *check = NULL;

    assert_null(bearer_session_check_parse(&check, unit_list(f->p, words), f->p));
    APR_ARRAY_PUSH(checks, const bearer_session_check_t *) = check;
    bearer_settings_put(&f->dir, SESSION_CHECK, session_checks, checks);
}

/* The only line AuthBearerSessionCheck in force here. */
static void session_check(judge_fixture_t *f, const char *words)
{
    f->dir.session_checks = NULL;
    session_check_beside(f, words);
}

static void test_no_issuer(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    f->issuers = bearer_issuers_create(f->p);
    expect_error(f, "write AuthBearerIssuer URL");
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_SESSION, -1));
    session_check(f, "https://k.test/whoami");
    expect_error(f, NULL);
}

static void test_audience_missing(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *other = judge_issuer(f->p, "https://other.example");
    const bearer_settings_t *defaults = bearer_settings_defaults(f->p);

    f->dir.set = 0;
    f->dir.audience = NULL;
    expect_error(f, "without AuthBearerAudience, tokens");
    assert_non_null(bearer_judge_audience_error(f->issuers, defaults,
                                                &f->server, &f->dir, f->p));
    bearer_settings_put(&f->issuer->settings, AUDIENCE, audience,
                        unit_list(f->p, "x"));
    expect_error(f, NULL);
    judge_declare(f, other);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u");
    expect_warning(f, "no AuthBearerAudience applies to issuer 'https://other.example'");
    assert_null(bearer_judge_audience_error(f->issuers, defaults, &f->server,
                                            &f->dir, f->p));
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, "https://other.example"));
    expect_error(f, "without AuthBearerAudience, tokens");
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_SESSION, -1));
    session_check(f, "https://k.test/whoami");
    expect_error(f, NULL);
    bearer_settings_put(&f->dir, AUDIENCE, audience, unit_list(f->p, ""));
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_INTROSPECTION, -1));
    expect_error(f, "without AuthBearerAudience, tokens");
}

static void test_email(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_user_claim_t email = { NULL, NULL, NULL, NULL };

    email.path = bearer_path_compile("email", f->p);
    bearer_settings_put(&f->issuer->settings, USER_CLAIM, user_claim, email);
    expect_error(f, "AuthBearerUserClaim email: the address may be unverified");
    f->issuer->settings.set = 0;
    bearer_settings_put(&f->server, USER_CLAIM, user_claim, email);
    expect_error(f, "AuthBearerUserClaim email");
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_JWT, -1));
    expect_error(f, "AuthBearerUserClaim email");
    email.path = bearer_path_compile("sub", f->p);
    bearer_settings_put(&f->dir, USER_CLAIM, user_claim, email);
    expect_error(f, NULL);
}

static void test_two_issuers(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    judge_declare(f, judge_issuer(f->p, "https://other.example"));
    expect_error(f, "several issuers are accepted, and may use the same sub for different users; "
                    "write AuthBearerUserFormat");
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_JWT, -1));
    expect_error(f, "several issuers");
    f->dir.providers = providers(f->p, BEARER_PROVIDER_SESSION, -1);
    session_check(f, "https://k.test/whoami");
    expect_error(f, NULL);
    f->dir.providers = providers(f->p, BEARER_PROVIDER_JWT,
                                 BEARER_PROVIDER_INTROSPECTION);
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, ISS));
    expect_error(f, NULL);
    f->dir.accept_issuer = unit_list(f->p, ISS " https://other.example");
    bearer_settings_put(&f->server, USER_FORMAT, user_format, "%u");
    expect_error(f, NULL);
    f->server.user_format = "%i";
    expect_error(f, "AuthBearerUserFormat '%i': without %u");
}

/* Sessions of two issuers are two people's as much as tokens are. */
static void test_sessions_of_two_issuers(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    judge_declare(f, judge_issuer(f->p, "https://other.example"));
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_SESSION, -1));
    session_check(f, "https://k.test/whoami");
    bearer_settings_put(&f->dir, SESSION, session, 1);
    expect_error(f, "several issuers");
    bearer_settings_put(&f->dir, LOGIN_ISSUER, login_issuer, unit_list(f->p, ISS));
    expect_error(f, NULL);
    bearer_settings_put(&f->dir, LOGIN_ISSUER, login_issuer,
                        unit_list(f->p, ISS " https://other.example"));
    expect_error(f, "several issuers");
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_JWT, -1));
    expect_error(f, "several issuers");
}

/* Two issuers may share a prefix where no section accepts both. */
static void test_shared_prefix(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    const char *const urls[] = { "https://one.example", "https://two.example" };
    int i;

    for (i = 0; i < 2; i++) {
        bearer_issuer_t *issuer = judge_issuer(f->p, urls[i]);

        issuer->introspection.kind = BEARER_SOURCE_URL;
        issuer->introspection.value = urls[i];
        issuer->token_prefixes = unit_list(f->p, i ? "y_ ory_at_" : "x_ ory_at_");
        judge_declare(f, issuer);
    }
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u@%i");
    expect_error(f, "AuthBearerTokenPrefix 'ory_at_'");
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, "https://one.example " ISS));
    expect_error(f, NULL);
    f->dir.accept_issuer = unit_list(f->p, "https://one.example https://two.example");
    expect_error(f, "AuthBearerTokenPrefix 'ory_at_'");
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_JWT, -1));
    expect_error(f, NULL);
}

#define TEMPLATE "https://login.example/{tenant}/v2.0"

static bearer_issuer_t *template(judge_fixture_t *f, const char *url)
{
    bearer_issuer_t *issuer = judge_issuer(f->p, url);

    issuer->tenants = unit_list(f->p, "t1 t2");
    issuer->keys[0].kind = BEARER_SOURCE_URL;
    issuer->keys[0].value = "https://login.example/keys";
    judge_declare(f, issuer);
    return issuer;
}

static void test_tenants(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *issuer = template(f, TEMPLATE);

    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, TEMPLATE));
    expect_error(f, "has several tenants");
    /* not taken at its word: nobody makes sub unique over tenants */
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u");
    expect_error(f, "write AuthBearerUserFormat with %t");
    f->dir.user_format = "%u@%i";
    expect_error(f, "write AuthBearerUserFormat with %t");
    f->dir.user_format = "%u@%t";
    expect_error(f, NULL);
    f->dir.user_format = "%u%%t";
    expect_error(f, "with %t");
    issuer->tenants = unit_list(f->p, "t1 t1");
    expect_error(f, NULL);
    issuer->tenants = NULL;
    issuer->tenants_file = "/tenants";      /* may hold more than one at any time */
    expect_error(f, "with %t");
    issuer->tenants_file = NULL;
    issuer->tenants_any = 1;
    expect_error(f, "with %t");
    f->dir.accept_issuer = unit_list(f->p, TEMPLATE " " ISS);
    expect_error(f, "e.g. '%i/%t/%u'");
    f->dir.user_format = "%i/%t/%u";
    expect_error(f, NULL);
    f->dir.accept_issuer = unit_list(f->p, ISS);
    f->dir.user_format = "%u";
    expect_error(f, NULL);
}

static const char *names_warning(judge_fixture_t *f, const char *format)
{
    apr_array_header_t *warnings = bearer_findings_create(f->p);

    bearer_settings_put(&f->dir, USER_FORMAT, user_format, format);
    bearer_judge_lint_names(warnings, f->issuers, bearer_settings_defaults(f->p),
                            &f->server, &f->dir, f->p);
    assert_true(warnings->nelts <= 1);
    return warnings->nelts ? APR_ARRAY_IDX(warnings, 0, bearer_finding_t).text : NULL;
}

static void test_separators(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *corp = judge_issuer(f->p, "https://corp.example");
    bearer_issuer_t *eu = judge_issuer(f->p, "https://eu.example");
    bearer_issuer_t *many;

    corp->name = "corp";
    eu->name = "corp-eu";
    judge_declare(f, corp);
    judge_declare(f, eu);
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, "https://corp.example"
                                        " https://eu.example"));
    assert_true(unit_contains(names_warning(f, "%i-%u"), "AuthBearerUserFormat '%i-%u' can give a "
                                                         "user of 'corp' and a user of 'corp-eu' "
                                                         "the same name"));
    assert_null(names_warning(f, "%u@%i"));
    assert_null(names_warning(f, "%i/%u"));
    assert_null(names_warning(f, "%u"));
    assert_null(names_warning(f, "x-%u"));     /* they share their users */
    f->dir.accept_issuer = unit_list(f->p, "https://corp.example");
    assert_null(names_warning(f, "%i-%u"));
    /* the users of a session service are of "session" */
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_SESSION,
                                  BEARER_PROVIDER_JWT));
    assert_null(names_warning(f, "%u@%i"));
    corp->name = "session";
    assert_true(unit_contains(names_warning(f, "%u@%i"), "NAME"));
    corp->name = "session-x";
    assert_true(unit_contains(names_warning(f, "%i-%u"), "separator"));
    f->dir.providers = providers(f->p, BEARER_PROVIDER_JWT, -1);
    assert_null(names_warning(f, "%i-%u"));
    /* tenants: as listed, or any */
    many = template(f, TEMPLATE);
    f->dir.accept_issuer = unit_list(f->p, TEMPLATE);
    assert_null(names_warning(f, "%t-%u"));
    many->tenants = unit_list(f->p, "a b a-b");
    assert_true(unit_contains(names_warning(f, "%t-%u"), "(tenant 'a')"));
    assert_null(names_warning(f, "%u@%t"));
    assert_null(names_warning(f, "%u"));       /* there is an error about it */
    many->tenants = NULL;
    many->tenants_file = "/tenants";
    assert_true(unit_contains(names_warning(f, "%t-%u"), "(tenant any)"));
    assert_true(unit_contains(names_warning(f, "%u%t"), "(tenant any)"));
    assert_null(names_warning(f, "%t/%u"));
    assert_null(names_warning(f, "%u@%t"));
}

static void test_accepted_but_not_declared(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, ISS " https://idp.example"));
    expect_error(f, "AuthBearerAcceptIssuer names 'https://idp.example', "
                 "but no AuthBearerIssuer");
}

/* One mistake, one error: an audience that no issuer could have is not missed. */
static void test_none_accepted(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    lint_t l;

    bearer_settings_put(&f->dir, AUDIENCE, audience, NULL);
    bearer_settings_put(&f->dir, ACCEPT_ISSUER, accept_issuer,
                        unit_list(f->p, "https://idp.example"));
    l = lint_of(f);
    UNIT_CHECK(unit_contains(l.errors, "AuthBearerAcceptIssuer names")
               && !unit_contains(l.errors, "AuthBearerAudience"), "%s", l.errors);
}

static void test_no_audience_without_clients(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->issuer->settings, NO_AUDIENCE, no_audience_accept,
                        1);
    expect_warning(f, "AuthBearerNoAudience accept without AuthBearerClients");
    bearer_settings_put(&f->dir, CLIENTS, clients, unit_list(f->p, "web"));
    expect_warning(f, NULL);
}

static void test_id_tokens_without_clients(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->server, ID_TOKENS, id_tokens, BEARER_ID_TOKENS_SCOPED);
    expect_warning(f, NULL);
    bearer_settings_put(&f->issuer->settings, ID_TOKENS, id_tokens, BEARER_ID_TOKENS_ACCEPT);
    expect_warning(f, "AuthBearerIDTokens accept without AuthBearerClients");
    bearer_settings_put(&f->dir, CLIENTS, clients, unit_list(f->p, "web"));
    expect_warning(f, NULL);
}

static int notices(judge_fixture_t *f)
{
    apr_array_header_t *findings = bearer_findings_create(f->p);
    int i, n = 0;

    bearer_judge_lint(findings, f->issuers, bearer_settings_defaults(f->p),
                      &f->server, &f->dir, f->p);
    for (i = 0; i < findings->nelts; i++) {
        n += APR_ARRAY_IDX(findings, i, bearer_finding_t).number == 737;
    }
    return n;
}

/* A response shows no header: the rest of the profile is a notice. */
static void test_profile_of_introspected_tokens(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, TOKEN_PROFILE, token_profile, BEARER_PROFILE_RFC9068);
    assert_int_equal(notices(f), 0);
    f->issuer->introspection.kind = BEARER_SOURCE_URL;
    assert_int_equal(notices(f), 1);
    bearer_settings_put(&f->dir, TOKEN_PROFILE, token_profile, BEARER_PROFILE_AUTO);
    assert_int_equal(notices(f), 0);
}

static void test_algorithms_without_keys(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_algs_t hs256 = bearer_alg_find("HS256")->bit;

    bearer_settings_put(&f->server, ALGORITHMS, algorithms, hs256);
    expect_error(f, "AuthBearerAlgorithms leaves no algorithm for issuer '" ISS
                 "'; HS* needs AuthBearerKeys file:PATH");
    f->server.algorithms = hs256 | bearer_alg_defaults();
    expect_warning(f, "AuthBearerAlgorithms HS256 has no effect for issuer");
    f->issuer->keys[0].kind = BEARER_SOURCE_FILE;
    expect_warning(f, NULL);
    f->server.algorithms = 0;
    expect_error(f, "leaves no algorithm");
}

static void test_whom_to_ask(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_issuer_t *other = judge_issuer(f->p, "https://other.example");

    judge_declare(f, other);
    bearer_settings_put(&f->dir, USER_FORMAT, user_format, "%u@%i");
    f->issuer->introspection.kind = BEARER_SOURCE_DISCOVER;
    expect_error(f, NULL);
    other->introspection.kind = BEARER_SOURCE_URL;
    expect_error(f, "could both introspect the same opaque token");
    other->token_prefixes = unit_list(f->p, "ory_at_");
    expect_error(f, NULL);
    other->token_prefixes = NULL;
    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_JWT, -1));
    expect_error(f, NULL);
    f->dir.providers = providers(f->p, BEARER_PROVIDER_INTROSPECTION, -1);
    other->introspection.kind = BEARER_SOURCE_OFF;
    expect_error(f, NULL);
    f->issuer->introspection.kind = BEARER_SOURCE_OFF;
    expect_error(f, "no accepted issuer has an introspection endpoint");
}

/* ---- session services ---------------------------------------------------- */

static void test_session(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_JWT,
                                  BEARER_PROVIDER_SESSION));
    expect_error(f, bearer_judge_no_session_check);
    session_check(f, "https://k.test/whoami");
    expect_error(f, NULL);
    expect_warning(f, NULL);
    f->issuers = bearer_issuers_create(f->p);
    expect_error(f, NULL);
    expect_warning(f, "names jwt or introspection, but there is no issuer");
}

static void test_session_takes_every_token(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_SESSION,
                                  BEARER_PROVIDER_JWT));
    session_check(f, "https://k.test/whoami");
    expect_warning(f, "takes every token here, so providers after session are never used");
    session_check(f, "https://k.test/whoami prefix=ory_st_");
    expect_warning(f, NULL);
    session_check(f, "https://k.test/whoami cookies=s");
    expect_warning(f, NULL);
    session_check_beside(f, "https://k.test/whoami prefix=ory_st_");
    expect_warning(f, NULL);
    session_check_beside(f, "https://k.test/other");
    expect_warning(f, "takes every token here, so providers after session are never used");
}

static void test_session_check_that_is_never_used(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    bearer_settings_put(&f->dir, PROVIDERS, providers,
                        providers(f->p, BEARER_PROVIDER_SESSION, -1));
    session_check(f, "https://k.test/a");
    session_check_beside(f, "https://k.test/b cookies=s");
    expect_error(f, NULL);
    session_check_beside(f, "https://k.test/c prefix=x");
    expect_error(f, "https://k.test/c");
}

static void test_session_check_without_its_provider(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));

    session_check(f, "https://k.test/whoami");
    expect_error(f, NULL);
    expect_warning(f, "has no effect here: AuthBearerProvider does not name "
                   "session");
}

static void test_challenge_off_has_no_parameters(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_switch_t challenge = { 0, NULL };
    int on;

    for (on = 0; on < 2; on++) {
        challenge.on = on;
        challenge.parameters = NULL;
        bearer_settings_put(&f->dir, CHALLENGE, challenge, challenge);
        expect_warning(f, NULL);
        challenge.parameters = unit_list(f->p, "service=x");
        bearer_settings_put(&f->dir, CHALLENGE, challenge, challenge);
        expect_warning(f, on ? NULL : "AB0729");
    }
}

static const apr_array_header_t *source(apr_pool_t *p, const char *name)
{
    apr_array_header_t *list = apr_array_make(p, 1, sizeof(bearer_from_t));

    *(bearer_from_t *)apr_array_push(list) = (bearer_from_t){ BEARER_FROM_HEADER, name };
    return list;
}

static void test_proofs(void **state)
{
    judge_fixture_t *f = judge_fixture(unit_pool(state));
    bearer_proof_rule_t rule = bearer_settings_defaults(f->p)->proof;
    bearer_switch_t challenge = { 0, NULL };

    bearer_settings_put(&f->dir, TOKEN_FROM, token_from, source(f->p, "X-Token"));
    expect_error(f, NULL);
    rule.mode = BEARER_PROOF_DPOP;
    bearer_settings_put(&f->dir, PROOF, proof, rule);
    expect_error(f, "AB0739");
    f->dir.proof.mode |= BEARER_PROOF_MTLS;
    expect_error(f, NULL);
    f->dir.proof.certificate = "x-token";
    expect_error(f, "AB0738");
    bearer_settings_put(&f->dir, TOKEN_FROM, token_from, source(f->p, NULL));
    f->dir.proof.mode = BEARER_PROOF_DPOP;
    expect_error(f, NULL);
    f->dir.proof.nonce = 1;
    expect_warning(f, NULL);
    bearer_settings_put(&f->dir, CHALLENGE, challenge, challenge);
    expect_warning(f, "AB0740");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_smallest_configuration),
        UNIT_TEST(test_no_issuer),
        UNIT_TEST(test_audience_missing),
        UNIT_TEST(test_email),
        UNIT_TEST(test_two_issuers),
        UNIT_TEST(test_sessions_of_two_issuers),
        UNIT_TEST(test_shared_prefix), UNIT_TEST(test_tenants),
        UNIT_TEST(test_separators),
        UNIT_TEST(test_accepted_but_not_declared),
        UNIT_TEST(test_none_accepted),
        UNIT_TEST(test_no_audience_without_clients),
        UNIT_TEST(test_id_tokens_without_clients),
        UNIT_TEST(test_profile_of_introspected_tokens),
        UNIT_TEST(test_algorithms_without_keys),
        UNIT_TEST(test_whom_to_ask),
        UNIT_TEST(test_session),
        UNIT_TEST(test_session_takes_every_token),
        UNIT_TEST(test_session_check_that_is_never_used),
        UNIT_TEST(test_session_check_without_its_provider),
        UNIT_TEST(test_challenge_off_has_no_parameters),
        UNIT_TEST(test_proofs),
    };

    return UNIT_RUN("judge_lint", tests);
}
