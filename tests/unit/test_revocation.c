/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * AuthBearerRevocations: what is revoked, when a change is seen, that a list
 * which is not whole closes access, and that writers lose nothing.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bell.h"
#include "state/revocation.h"

#define HEX0 "0000000000000000000000000000000000000000000000000000000000000000"
#define HEX1 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ISSUER "https://idp.example.com/"

/* Each of these calls can be told to fail, in turn; read comes in pieces. */
static struct {
    int calls, failing;
    const char *name;
    size_t piece;               /* of a read at most; 0: no limit */
    int interrupted;            /* so many calls end with EINTR first */
    const char *always;         /* this one always fails */
} faults;

static int fails(const char *name)
{
    if (faults.interrupted > 0 && (!strcmp(name, "read") || !strcmp(name, "write")
                                   || !strcmp(name, "flock"))) {
        faults.interrupted--;
        errno = EINTR;
        return 1;
    }
    if (++faults.calls != faults.failing
        && !(faults.always && strcmp(faults.always, name) == 0)) {
        return 0;
    }
    faults.name = name;
    errno = EPERM;
    return 1;
}

/* What the list hears of the machine's clock and of its file (the linker puts these in
 * the place of apr_time_now, stat and fstat): the truth, or so much later, and what a
 * test pretends. */
static apr_interval_time_t later_by;
static struct stat pretended;
static int pretending;

static int pretend(int rv, struct stat *st)
{
    if (rv == 0 && pretending) {
        *st = pretended;
    }
    return rv;
}

/* stat64, fstat64 and open64: the names of stat, fstat and open on many systems */
#define PRETENDING(name, type) \
    int __real_##name(type of, struct stat *st); \
    int __wrap_##name(type of, struct stat *st); \
    int __wrap_##name(type of, struct stat *st) \
    { \
        return fails(#name) ? -1 : pretend(__real_##name(of, st), st); \
    }

PRETENDING(stat, const char *)
PRETENDING(stat64, const char *)
PRETENDING(fstat, int)
PRETENDING(fstat64, int)

apr_time_t __real_apr_time_now(void);
apr_time_t __wrap_apr_time_now(void);

apr_time_t __wrap_apr_time_now(void)
{
    return __real_apr_time_now() + later_by;
}

/* What the list waits for passes at once, but where others write. */
static int others_write;
static void (*meanwhile)(void);   /* what happens after 300 ms of that; may be NULL */
static apr_interval_time_t waited;

void __real_bearer_bell_wait(bearer_bell_t *bell, apr_uint32_t rung,
                             apr_interval_time_t longest);
void __wrap_bearer_bell_wait(bearer_bell_t *bell, apr_uint32_t rung,
                             apr_interval_time_t longest);

void __wrap_bearer_bell_wait(bearer_bell_t *bell, apr_uint32_t rung,
                             apr_interval_time_t longest)
{
    if (others_write) {
        __real_bearer_bell_wait(bell, rung, longest);
        return;
    }
    later_by += longest;
    waited += longest;
    if (meanwhile && waited >= apr_time_from_msec(300)) {
        meanwhile();
        meanwhile = NULL;
    }
}

/* What the library has taken from the allocator and not given back. */
static atomic_long held;

/* clang-format takes the parameters for products */
/* clang-format off */
#define COUNTING(name, parameters, arguments) \
    void *__real_##name parameters; \
    void *__wrap_##name parameters; \
    void *__wrap_##name parameters \
    { \
        void *given = __real_##name arguments; \
    \
        held += given != NULL; \
        return given; \
    }

COUNTING(malloc, (size_t n), (n))
COUNTING(calloc, (size_t n, size_t size), (n, size))
/* clang-format on */

char *__real_realpath(const char *path, char *to);
char *__wrap_realpath(const char *path, char *to);

char *__wrap_realpath(const char *path, char *to)
{
    char *given = __real_realpath(path, to);

    held += given != NULL && !to;
    return given;
}

void __real_free(void *given);
void __wrap_free(void *given);

void __wrap_free(void *given)
{
    held -= given != NULL;
    __real_free(given);
}

typedef struct fixture_t {
    apr_pool_t *p;
    unit_world_t *w;
    const char *dir, *path;
    bearer_revocation_t *list;
} fixture_t;

static fixture_t fixture(void **state)
{
    fixture_t f;
    char *dir;

    later_by = waited = 0;
    pretending = others_write = 0;
    meanwhile = NULL;
    f.p = unit_pool(state);
    f.w = unit_world(f.p);
    dir = apr_pstrdup(f.p, "/tmp/test_revocation.XXXXXX");
    assert_non_null(mkdtemp(dir));
    f.dir = dir;
    f.path = apr_pstrcat(f.p, dir, "/list", NULL);
    f.list = NULL;
    return f;
}

static void clean_up(fixture_t *f)
{
    static const char *const names[] = { "", ".lock", ".new", ".link" };
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        unlink(apr_pstrcat(f->p, f->path, names[i], NULL));
    }
    assert_int_equal(rmdir(f->dir), 0);
}

static void write_n(fixture_t *f, const char *text, size_t len)
{
    const char *temporary = apr_pstrcat(f->p, f->path, ".tmp", NULL);
    FILE *file = fopen(temporary, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(temporary, f->path), 0);
}

static void write_list(fixture_t *f, const char *text)
{
    write_n(f, text, strlen(text));
}

static const char *read_list(fixture_t *f)
{
    const char *text, *error;
    apr_size_t len;

    assert_int_equal(bearer_text_read_file(&text, &len, f->path,
                                           BEARER_REVOCATION_MAX, &error, f->p),
                     APR_SUCCESS);
    return text;
}

static void create(fixture_t *f)
{
    assert_int_equal(bearer_revocation_create(&f->list, f->path, &f->w->world,
                                              f->p),
                     APR_SUCCESS);
}

static const unsigned char *digest_of(const char *text)
{
    static unsigned char digest[BEARER_SHA256_SIZE];

    assert_int_equal(bearer_text_sha256(text, strlen(text), digest),
                     APR_SUCCESS);
    return digest;
}

static const char *hex_of(fixture_t *f, const char *text)
{
    return bearer_text_hex(f->p, digest_of(text), BEARER_SHA256_SIZE);
}

static bearer_reason_t ask_token(fixture_t *f, const char *token)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    assert_int_equal(bearer_revocation_token_digest(NULL, digest, token, strlen(token)),
                     APR_SUCCESS);
    return bearer_revocation_ask(f->list, NULL, NULL, digest, NULL, f->p);
}

static bearer_reason_t ask_jti(fixture_t *f, const char *iss, const char *jti)
{
    return bearer_revocation_ask(f->list, iss, jti, digest_of("another"), NULL,
                                 f->p);
}

/* No answer is given from the last look any more: a request waits for the next
 * one. */
static void later(fixture_t *f)
{
    f->w->now += BEARER_REVOCATION_FRESH;
}

static apr_status_t add_token(fixture_t *f, const char *token, apr_time_t until)
{
    const char *error;

    return bearer_revocation_append_token(f->path, token, strlen(token), until,
                                          f->w->now, &error, f->p);
}

static bearer_revocation_state_t state_of(fixture_t *f)
{
    bearer_revocation_state_t state;

    bearer_revocation_state(f->list, &state);
    return state;
}

/* ---- questions ----------------------------------------------------------- */

static void test_empty_list_revokes_nothing(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "");
    create(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    assert_int_equal(ask_jti(&f, ISSUER, "1"), BEARER_OK);
    assert_int_equal(state_of(&f).closed, 0);
    assert_int_equal(state_of(&f).entries, 0);
    clean_up(&f);
}

/* An ECDSA signature (r, s) has a valid twin (r, n - s): a revoked JWT must not
 * live on under it, nor an opaque token with dots be cut. */
static void test_a_jwt_is_known_by_what_was_signed(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "");
    create(&f);
    assert_int_equal(add_token(&f, "eyJh.eyJz.c2ln", 0), APR_SUCCESS);
    assert_int_equal(add_token(&f, "opaque.one", 0), APR_SUCCESS);
    later(&f);
    assert_int_equal(ask_token(&f, "eyJh.eyJz.dHdpbg"), BEARER_REVOKED);
    assert_int_equal(ask_token(&f, "eyJh.eyJ0.c2ln"), BEARER_OK);
    assert_int_equal(ask_token(&f, "opaque.one"), BEARER_REVOKED);
    assert_int_equal(ask_token(&f, "opaque.two"), BEARER_OK);
    clean_up(&f);
}

static void test_no_list(void **state)
{
    bearer_revocation_state_t s;

    assert_int_equal(bearer_revocation_ask(NULL, "i", "j", digest_of("t"), NULL,
                                           unit_pool(state)),
                     BEARER_OK);
    bearer_revocation_state(NULL, &s);
    assert_int_equal(s.entries, 0);
    bearer_revocation_refresh(NULL);
}

/* Digests made elsewhere: `printf abc | sha256sum`,
 * `printf 'https://idp.example.com/\0id-1' | sha256sum`. */
static void test_format(void **state)
{
    static const char text[] =
        "# revoked in March\n"
        "\n"
        "token ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        " 0\n"
        " jti\tA7A2DC171DEE2689456D7B9BB51062867B0425615B619042785AE4685D48085D"
        "  1767229200 \n";
    fixture_t f = fixture(state);

    write_list(&f, text);
    create(&f);
    assert_int_equal(state_of(&f).entries, 2);
    assert_int_equal(ask_token(&f, "abc"), BEARER_REVOKED);
    assert_int_equal(ask_token(&f, "abd"), BEARER_OK);
    assert_int_equal(ask_jti(&f, ISSUER, "id-1"), BEARER_REVOKED);
    assert_int_equal(ask_jti(&f, ISSUER, "id-2"), BEARER_OK);
    assert_int_equal(ask_jti(&f, "https://idp.example.com", "id-1"), BEARER_OK);
    assert_int_equal(ask_jti(&f, NULL, "id-1"), BEARER_OK);
    assert_int_equal(ask_jti(&f, ISSUER, NULL), BEARER_OK);
    clean_up(&f);
}

static void test_detail_names_the_directive(void **state)
{
    fixture_t f = fixture(state);
    bearer_refusal_t why = { BEARER_OK, NULL };
    const char *error;

    assert_int_equal(bearer_revocation_append_jti(f.path, ISSUER, "a\nb", 0,
                                                  f.w->now, &error, f.p),
                     APR_SUCCESS);
    create(&f);
    assert_int_equal(bearer_revocation_ask(f.list, ISSUER, "a\nb", NULL, &why,
                                           f.p),
                     BEARER_REVOKED);
    assert_int_equal(why.reason, BEARER_REVOKED);
    assert_true(unit_contains(why.detail, "AuthBearerRevocations"));
    assert_true(unit_contains(why.detail, "'a%0ab'"));
    unlink(f.path);
    later(&f);
    assert_int_equal(bearer_revocation_ask(f.list, ISSUER, "1", NULL, &why,
                                           f.p),
                     BEARER_REVOCATION_LIST);
    assert_true(unit_contains(why.detail, "AuthBearerRevocations"));
    assert_true(unit_contains(why.detail, f.path));
    clean_up(&f);
}

/* The boundary of the joined text is where the NUL is. */
static void test_issuer_and_jti_do_not_run_together(void **state)
{
    fixture_t f = fixture(state);
    const char *error;
    char *jti = apr_palloc(f.p, 5001);

    memset(jti, 'j', 5000);
    jti[5000] = '\0';
    bearer_revocation_append_jti(f.path, "ab", "cd", 0, f.w->now, &error, f.p);
    bearer_revocation_append_jti(f.path, "ab", jti, 0, f.w->now, &error, f.p);
    create(&f);
    assert_int_equal(ask_jti(&f, "ab", "cd"), BEARER_REVOKED);
    assert_int_equal(ask_jti(&f, "abc", "d"), BEARER_OK);
    assert_int_equal(ask_jti(&f, "a", "bcd"), BEARER_OK);
    assert_int_equal(ask_jti(&f, "ab", jti), BEARER_REVOKED);
    jti[4999] = 'k';
    assert_int_equal(ask_jti(&f, "ab", jti), BEARER_OK);
    clean_up(&f);
}

/* What the log and the environment call a token: it leads to its line in the list. */
static void test_token_id(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_revocation_token_id(NULL, "abc", 3, p), "ba7816bf");
}

/* A token is good until exp + skew: so long it stays revoked. */
static void test_entry_outlives_exp_by_the_skew(void **state)
{
    fixture_t f = fixture(state);
    const apr_time_t exp = f.w->now + apr_time_from_sec(10);

    assert_int_equal(add_token(&f, "a", exp), APR_SUCCESS);
    create(&f);
    f.w->now = exp + BEARER_REVOCATION_GRACE - 1;
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    f.w->now = exp + BEARER_REVOCATION_GRACE;
    assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    clean_up(&f);
}

static void test_the_longest_of_several_counts(void **state)
{
    fixture_t f = fixture(state);
    const char *a = hex_of(&f, "a"), *b = hex_of(&f, "b");

    write_list(&f, apr_pstrcat(f.p, "token ", a, " 1767225601\n",
                               "token ", a, " 0\n",
                               "token ", a, " 1767225602\n",
                               "token ", b, " 1767225601\n",
                               "token ", b, " 1767225699\n",
                               "token ", b, " 1767225602\n", NULL));
    create(&f);
    assert_int_equal(state_of(&f).entries, 2);
    f.w->now = apr_time_from_sec(1767225698) + BEARER_REVOCATION_GRACE;
    assert_int_equal(ask_token(&f, "b"), BEARER_REVOKED);
    f.w->now += apr_time_from_sec(1);
    assert_int_equal(ask_token(&f, "b"), BEARER_OK);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    clean_up(&f);
}

static void test_many_entries(void **state)
{
    fixture_t f = fixture(state);
    char *text = apr_palloc(f.p, 20000 * 100), *at = text;
    unsigned n;

    for (n = 0; n < 20000; n++) {
        char token[16];

        snprintf(token, sizeof(token), "token-%u", n);
        at += sprintf(at, "token %s 0\n",
                      hex_of(&f, token));
    }
    write_list(&f, text);
    create(&f);
    assert_int_equal(state_of(&f).entries, 20000);
    for (n = 0; n < 40000; n++) {
        char token[16];

        snprintf(token, sizeof(token), "token-%u", n);
        UNIT_CHECK(ask_token(&f, token)
                       == (n < 20000 ? BEARER_REVOKED : BEARER_OK),
                   "%s", token);
    }
    clean_up(&f);
}

/* ---- lists that are not whole -------------------------------------------- */

static void test_bad_lines_close(void **state)
{
    static const char *const bad[] = {
        "token " HEX0 "\n",
        "token " HEX0 " \n",
        "token " HEX0 " -1\n",
        "token " HEX0 " 0x\n",
        "token " HEX0 " 0 0\n",
        "token " HEX0 " 0\r\n",
        "token " HEX0 " 9999999999999999\n",
        "token " HEX0 "00 0\n",
        "token " HEX0 "0\n",
        "token 000000 0\n",
        "token g000000000000000000000000000000000000000000000000000000000000000"
        " 0\n",
        "token" HEX0 " 0\n",
        "tok " HEX0 " 0\n",
        "Token " HEX0 " 0\n",
        "token\n",
        "jti\n",
        "\x01\n",
        "token " HEX0 " 1",           /* cut: 1 may be the start of 1767225600 */
        "token " HEX0 " 0\n# no line feed",
        "<<<<<<< HEAD\n",
        /* well-formed, and would revoke nothing */
        "token " HEX0 " 3600\n",
        "jti " HEX0 " 999999999\n",
        "token e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0\n",
        "jti 01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b 0\n",
    };
    fixture_t f = fixture(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        const char *error;

        write_list(&f, apr_pstrcat(f.p, "token " HEX1 " 0\n", bad[i], NULL));
        create(&f);
        UNIT_CHECK(ask_token(&f, "a") == BEARER_REVOCATION_LIST, "%s", bad[i]);
        UNIT_CHECK(state_of(&f).closed, "%s", bad[i]);
        error = bearer_revocation_file_error(f.path, f.p);
        UNIT_CHECK(unit_contains(error, "line 2") || i == 18, "%s: %s", bad[i],
                   error);
        UNIT_CHECK(add_token(&f, "b", 0) == APR_EINVAL, "%s", bad[i]);
        UNIT_CHECK(unit_contains(read_list(&f), bad[i]), "%s", bad[i]);
    }
    clean_up(&f);
}

static void test_what_is_wrong_with_a_line_is_said(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "token " HEX0 " 3600\n");
    assert_true(unit_contains(bearer_revocation_file_error(f.path, f.p),
                              "line 1: UNTIL is before 2001; write seconds since 1970, or 0 for "
                              "never"));
    write_list(&f, "token e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852"
                   "b855 0\n");
    assert_true(unit_contains(bearer_revocation_file_error(f.path, f.p),
                              "line 1: the SHA-256 is not of a token"));
    write_list(&f, "token " HEX0 " 1000000000\n");
    assert_null(bearer_revocation_file_error(f.path, f.p));
    clean_up(&f);
}

typedef struct listed_t {
    apr_pool_t *p;
    const char *text;
} listed_t;

static void note_entry(void *baton, const bearer_revocation_listed_t *entry)
{
    listed_t *listed = baton;

    listed->text = apr_psprintf(listed->p, "%s%s %s %ld %d\n", listed->text,
                                entry->kind,
                                bearer_text_hex(listed->p, entry->digest, 2),
                                (long)entry->until, entry->is_live);
}

static void test_entries_are_listed(void **state)
{
    fixture_t f = fixture(state);
    listed_t listed = { f.p, "" };
    const char *error;

    write_list(&f, "# a comment\ntoken " HEX1 " 0\njti " HEX0 " 1000000000\n");
    assert_int_equal(bearer_revocation_list_entries(f.path, f.w->now, note_entry,
                                                    &listed, &error, f.p),
                     APR_SUCCESS);
    assert_string_equal(listed.text, "token 0011 0 1\njti 0000 1000000000 0\n");
    write_list(&f, "token " HEX1 " 0\nnonsense\n");
    assert_int_equal(bearer_revocation_list_entries(f.path, f.w->now, note_entry,
                                                    &listed, &error, f.p),
                     APR_EINVAL);
    assert_true(unit_contains(error, "line 2"));
    clean_up(&f);
}

static void test_line_with_nul_closes(void **state)
{
    fixture_t f = fixture(state);

    write_n(&f, "token " HEX0 "\0 1\n", sizeof("token " HEX0 "\0 1\n") - 1);
    create(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    clean_up(&f);
}

static void test_unreadable_closes(void **state)
{
    fixture_t f = fixture(state);

    /* not there */
    create(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    assert_true(unit_contains(bearer_revocation_file_error(f.path, f.p),
                              "No such file"));
    /* not a file */
    assert_int_equal(mkdir(f.path, 0700), 0);
    create(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    assert_int_equal(rmdir(f.path), 0);
    assert_int_equal(mkfifo(f.path, 0600), 0);
    create(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    unlink(f.path);
    /* without end */
    write_list(&f, "");
    assert_int_equal(truncate(f.path, BEARER_REVOCATION_MAX + 1), 0);
    create(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    assert_true(unit_contains(bearer_revocation_file_error(f.path, f.p),
                              "larger"));
    write_list(&f, "");
    assert_null(bearer_revocation_file_error(f.path, f.p));
    clean_up(&f);
}

static void test_closing_is_logged_once(void **state)
{
    fixture_t f = fixture(state);
    int n;

    write_list(&f, "");
    create(&f);
    unlink(f.path);
    for (n = 0; n < 10; n++) {
        later(&f);
        assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    }
    assert_int_equal(unit_world_logged(f.w, "every request"), 1);
    write_list(&f, "token " HEX0 " 0\n");
    for (n = 0; n < 10; n++) {
        later(&f);
        assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    }
    assert_int_equal(unit_world_logged(f.w, "can be read again: 1 entry"), 1);
    assert_int_equal(unit_world_logged(f.w, "every request"), 1);
    clean_up(&f);
}

/* ---- changes ------------------------------------------------------------- */

static void test_change_is_seen_at_the_next_look(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "");
    create(&f);
    assert_int_equal(add_token(&f, "a", 0), APR_SUCCESS);
    f.w->now += BEARER_REVOCATION_LOOK - 1;
    assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    assert_int_equal(unit_world_logged(f.w, "revocation list"), 1);
    later(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    assert_int_equal(unit_world_logged(f.w, "revocation list"), 2);
    /* taken back by hand */
    write_list(&f, "");
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    later(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    clean_up(&f);
}

/* The same name, size and (set back) modification time: another file. */
static void test_change_without_a_trace(void **state)
{
    const struct timespec times[2] = { { 1700000000, 0 }, { 1700000000, 0 } };
    fixture_t f = fixture(state);
    int n;

    write_list(&f, "token " HEX0 " 0\n");
    utimensat(AT_FDCWD, f.path, times, 0);
    create(&f);
    for (n = 0; n < 20; n++) {
        FILE *file = fopen(f.path, "r+");

        later_by = 0;  /* the file's times are the machine's */
        assert_non_null(file);
        fprintf(file, "token %s 0\n",
                hex_of(&f, n % 2 ? "a" : "b"));
        fclose(file);
        utimensat(AT_FDCWD, f.path, times, 0);
        later(&f);
        assert_int_equal(ask_token(&f, n % 2 ? "a" : "b"), BEARER_REVOKED);
        assert_int_equal(ask_token(&f, n % 2 ? "b" : "a"), BEARER_OK);
    }
    clean_up(&f);
}

/* As cp writes: the file is empty first, then ends anywhere. Neither counts, and
 * what was revoked stays revoked. 0: this machine was too slow for the file to look
 * as if it were being written. */
static int is_half_written(fixture_t *f, const char *half)
{
    FILE *file = fopen(f->path, "w");
    apr_time_t begun = apr_time_now();
    bearer_reason_t reason;

    assert_non_null(file);
    fputs(half, file);
    fflush(file);
    f->w->now += BEARER_REVOCATION_LOOK;
    reason = ask_token(f, "a");
    if (apr_time_now() - begun < apr_time_from_msec(50)) {
        assert_int_equal(reason, BEARER_REVOKED);
        begun = 0;
    }
    fprintf(file, "# and the rest\ntoken %s 0\n", hex_of(f, "a"));
    fclose(file);
    later(f);
    assert_int_equal(ask_token(f, "a"), BEARER_REVOKED);
    return !begun;
}

static void test_written_in_its_place(void **state)
{
    static const char *const halves[] = { "", "# a comment\n" };
    fixture_t f = fixture(state);
    size_t i;
    int n;

    write_list(&f, apr_pstrcat(f.p, "token ", hex_of(&f, "a"), " 0\n", NULL));
    create(&f);
    for (i = 0; i < UNIT_COUNT(halves); i++) {
        for (n = 0; n < 20 && !is_half_written(&f, halves[i]); n++) {
        }
        assert_true(n < 20);
    }
    clean_up(&f);
}

static fixture_t *half_written;

static void write_the_rest(void)
{
    write_list(half_written, "");
}

/* The last half of the line comes later: requests wait for it. */
static void test_not_whole_for_a_moment(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, apr_pstrcat(f.p, "token ", hex_of(&f, "a"), " 0\n", NULL));
    create(&f);
    write_list(&f, "token 0011");
    half_written = &f;
    meanwhile = write_the_rest;
    later(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    assert_null(meanwhile);
    assert_int_equal(unit_world_logged(f.w, "closed"), 0);
    clean_up(&f);
}

/* A list of "a" that has been read `age` seconds after it was written, and after that
 * says "b" behind an unchanged identity. */
static fixture_t read_and_changed(void **state, long age)
{
    fixture_t f = fixture(state);

    write_list(&f, apr_psprintf(f.p, "token %s 0\n", hex_of(&f, "a")));
    assert_int_equal(stat(f.path, &pretended), 0);
    later_by = apr_time_from_sec(pretended.st_ctime + age) + apr_time_from_msec(100)
             - apr_time_now();
    pretending = 1;
    create(&f);
    write_list(&f, apr_psprintf(f.p, "token %s 0\n", hex_of(&f, "b")));
    return f;
}

/* After it was left alone for a moment. */
static int is_seen(fixture_t *f)
{
    bearer_reason_t a = BEARER_OK, b = BEARER_OK;
    int i;

    for (i = 0; i < 3; i++) {
        later_by += apr_time_from_msec(50);
        later(f);
        a = ask_token(f, "a");
        b = ask_token(f, "b");
    }
    assert_true((a == BEARER_REVOKED && b == BEARER_OK)
                || (a == BEARER_OK && b == BEARER_REVOKED));
    return b == BEARER_REVOKED;
}

static void no_pretence(fixture_t *f)
{
    pretending = 0;
    clean_up(f);
}

/* What was changed just now may change again without a trace; later on a file that
 * looks the same is not read. */
static void test_settled(void **state)
{
    long age;

    for (age = -4; age <= 4; age++) {
        fixture_t f = read_and_changed(state, age);

        UNIT_CHECK(is_seen(&f) == (age >= -2 && age <= 2), "%ld s", age);
        /* and then the time passes */
        later_by += apr_time_from_sec(10);
        is_seen(&f);
        UNIT_CHECK(is_seen(&f) == (age >= -2 && age <= 2), "%ld s, later", age);
        no_pretence(&f);
    }
}

/* Long after the last change each trace of another one is seen. */
static void test_change_of_what_was_settled(void **state)
{
    int which;

    for (which = 0; which < 7; which++) {
        fixture_t f = read_and_changed(state, 3600);

        assert_false(is_seen(&f));
        pretended.st_dev += which == 0;
        pretended.st_ino += which == 1;
        pretended.st_size += which == 2;
        pretended.st_mtim.tv_sec += which == 3;
        pretended.st_mtim.tv_nsec ^= which == 4;
        pretended.st_ctim.tv_sec += which == 5;
        pretended.st_ctim.tv_nsec ^= which == 6;
        UNIT_CHECK(is_seen(&f), "%d", which);
        no_pretence(&f);
    }
}

static void test_settled_and_gone(void **state)
{
    fixture_t f = read_and_changed(state, 3600);
    int i;

    assert_false(is_seen(&f));
    unlink(f.path);
    for (i = 0; i < 5; i++) {
        later(&f);
        later_by += apr_time_from_msec(500);
        assert_int_not_equal(ask_token(&f, "a"), BEARER_OK);
    }
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOCATION_LIST);
    pretending = 0;
    write_list(&f, "");
    later(&f);
    assert_int_equal(ask_token(&f, "a"), BEARER_OK);
    no_pretence(&f);
}

static void test_same_content_is_no_change(void **state)
{
    fixture_t f = fixture(state);
    long before;

    write_list(&f, "token " HEX0 " 0\n");
    create(&f);
    before = held;
    write_list(&f, "# a comment more\ntoken " HEX0 " 0\n");
    later(&f);
    ask_token(&f, "a");
    assert_int_equal(unit_world_logged(f.w, "revocation list"), 1);
    assert_int_equal(held, before);
    clean_up(&f);
}

static void test_clock_set_back(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "");
    create(&f);
    assert_int_equal(add_token(&f, "a", 0), APR_SUCCESS);
    f.w->now -= apr_time_from_sec(86400);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    clean_up(&f);
}

static void test_refresh_looks(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "");
    create(&f);
    assert_int_equal(add_token(&f, "a", 0), APR_SUCCESS);
    bearer_revocation_refresh(f.list);
    assert_int_equal(state_of(&f).entries, 0);
    later(&f);
    while (state_of(&f).entries == 0) {
        bearer_revocation_refresh(f.list);
    }
    assert_int_equal(state_of(&f).entries, 1);
    clean_up(&f);
}

/* ---- appending ----------------------------------------------------------- */

static void test_append_creates_and_keeps(void **state)
{
    fixture_t f = fixture(state);
    struct stat st;
    const char *error = "?";

    assert_int_equal(bearer_revocation_append_token(f.path, "abc", 3,
                                                    apr_time_from_sec(1767229200)
                                                        - 1,
                                                    f.w->now, &error, f.p),
                     APR_SUCCESS);
    assert_null(error);
    assert_string_equal(read_list(&f),
                        "token ba7816bf8f01cfea414140de5dae2223"
                        "b00361a396177a9cb410ff61f20015ad 1767229200\n");
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(chmod(f.path, 0600), 0);
    assert_int_equal(bearer_revocation_append_jti(f.path, ISSUER, "id-1", 0,
                                                  f.w->now, &error, f.p),
                     APR_SUCCESS);
    assert_string_equal(read_list(&f),
                        "token ba7816bf8f01cfea414140de5dae2223"
                        "b00361a396177a9cb410ff61f20015ad 1767229200\n"
                        "jti a7a2dc171dee2689456d7b9bb5106286"
                        "7b0425615b619042785ae4685d48085d 0\n");
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    clean_up(&f);
}

/* A daemon may have closed its standard input: then a file's number is 0. */
static void test_append_with_file_number_0(void **state)
{
    fixture_t f = fixture(state);
    const char *error = NULL;
    int kept = dup(0), rv;

    close(0);
    rv = bearer_revocation_append_token(f.path, "abc", 3, 0, f.w->now, &error, f.p);
    if (kept >= 0) {
        dup2(kept, 0);
        close(kept);
    }
    assert_int_equal(rv, APR_SUCCESS);
    assert_true(unit_contains(read_list(&f), "token ba7816bf8f01cfea"));
}

static void test_append_keeps_the_owner(void **state)
{
    fixture_t f = fixture(state);
    struct stat st;

    if (geteuid() != 0) {
        skip();
    }
    write_list(&f, "");
    assert_int_equal(chown(f.path, 12345, 23456), 0);
    assert_int_equal(chmod(f.path, 0640), 0);
    assert_int_equal(add_token(&f, "a", 0), APR_SUCCESS);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_uid, 12345);
    assert_int_equal(st.st_gid, 23456);
    assert_int_equal(st.st_mode & 07777, 0640);
    clean_up(&f);
}

static void test_append_prunes(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "# kept\n"
                   "token " HEX0 " 1767225299\n"
                   "jti " HEX1 " 1000000000\n"
                   "\n"
                   "jti " HEX0 " 1767225301\n"
                   "token " HEX1 " 0\n");
    assert_int_equal(add_token(&f, "abc", 0), APR_SUCCESS);
    assert_string_equal(read_list(&f),
                        "# kept\n"
                        "\n"
                        "jti " HEX0 " 1767225301\n"
                        "token " HEX1 " 0\n"
                        "token ba7816bf8f01cfea414140de5dae2223"
                        "b00361a396177a9cb410ff61f20015ad 0\n");
    clean_up(&f);
}

static void test_append_of_what_is_there(void **state)
{
    static const apr_time_t untils[] = { 2000000050, 2000000040, 2000000050,
                                         2000000060, 0, 2000000070 };
    static const char *const result[] = { "2000000050", "2000000050", "2000000050",
                                          "2000000060", "0", "0" };
    fixture_t f = fixture(state);
    const long before = held;
    size_t i;

    for (i = 0; i < UNIT_COUNT(untils); i++) {
        f.w->now = 0;
        assert_int_equal(add_token(&f, "abc", apr_time_from_sec(untils[i])),
                         APR_SUCCESS);
        assert_string_equal(read_list(&f),
                            apr_pstrcat(f.p,
                                        "token ba7816bf8f01cfea414140de5dae2223"
                                        "b00361a396177a9cb410ff61f20015ad ",
                                        result[i], "\n", NULL));
    }
    assert_int_equal(held, before);
    clean_up(&f);
}

static void test_append_of_what_is_expired(void **state)
{
    fixture_t f = fixture(state);

    write_list(&f, "");
    assert_int_equal(add_token(&f, "a", f.w->now - BEARER_REVOCATION_GRACE),
                     APR_SUCCESS);
    assert_string_equal(read_list(&f), "");
    assert_int_equal(add_token(&f, "a", f.w->now), APR_SUCCESS);
    assert_string_not_equal(read_list(&f), "");
    clean_up(&f);
}

static void test_append_follows_a_link(void **state)
{
    fixture_t f = fixture(state);
    const char *link_path = apr_pstrcat(f.p, f.path, ".link", NULL);
    const char *error;
    struct stat st;

    write_list(&f, "");
    assert_int_equal(symlink("list", link_path), 0);
    assert_int_equal(bearer_revocation_append_token(link_path, "a", 1, 0,
                                                    f.w->now, &error, f.p),
                     APR_SUCCESS);
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_string_not_equal(read_list(&f), "");
    clean_up(&f);
}

static void test_append_says_what_is_wrong(void **state)
{
    fixture_t f = fixture(state);
    const char *error = NULL;

    assert_int_not_equal(bearer_revocation_append_token(
                             "/nonexistent/list", "a", 1, 0, f.w->now, &error,
                             f.p),
                         APR_SUCCESS);
    assert_true(unit_contains(error, "/nonexistent/list"));
    write_list(&f, "nonsense\n");
    assert_int_equal(bearer_revocation_append_token(f.path, "a", 1, 0,
                                                    f.w->now, &error, f.p),
                     APR_EINVAL);
    assert_true(unit_contains(error, "line 1"));
    clean_up(&f);
}

/* A writer that died left its half-written file. */
static void test_append_over_a_leftover(void **state)
{
    fixture_t f = fixture(state);
    const char *temporary = apr_pstrcat(f.p, f.path, ".new", NULL);
    FILE *file = fopen(temporary, "w");

    assert_non_null(file);
    fprintf(file, "half a li");
    fclose(file);
    assert_int_equal(add_token(&f, "a", 0), APR_SUCCESS);
    assert_int_equal(access(temporary, F_OK), -1);
    assert_null(bearer_revocation_file_error(f.path, f.p));
    clean_up(&f);
}

#define WRITERS 4
#define EACH 25

static void test_concurrent_writers_lose_nothing(void **state)
{
    fixture_t f = fixture(state);
    pid_t children[WRITERS];
    char token[32];
    int i, n, status;

    others_write = 1;
    write_list(&f, "");
    create(&f);
    for (i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            for (n = 0; n < EACH; n++) {
                snprintf(token, sizeof(token), "%d-%d", i, n);
                if (add_token(&f, token, 0) != APR_SUCCESS) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    /* a reader never sees a list that is not whole */
    for (n = 0; n < 200; n++) {
        later(&f);
        assert_int_equal(ask_token(&f, "another"), BEARER_OK);
    }
    for (i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    later(&f);
    for (i = 0; i < WRITERS; i++) {
        for (n = 0; n < EACH; n++) {
            snprintf(token, sizeof(token), "%d-%d", i, n);
            UNIT_CHECK(ask_token(&f, token) == BEARER_REVOKED, "%s", token);
        }
    }
    assert_int_equal(state_of(&f).entries, WRITERS * EACH);
    clean_up(&f);
}

/* ---- a system that fails --------------------------------------------------- */

#define FAULTY(type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        return fails(#name) ? -1 : __real_##name arguments; \
    }

#define FAULTY_OPEN(name) \
    int __real_##name(const char *path, int flags, ...); \
    int __wrap_##name(const char *path, int flags, ...); \
    int __wrap_##name(const char *path, int flags, ...) \
    { \
        int mode = 0; \
        va_list rest; \
    \
        if (flags & O_CREAT) { \
            va_start(rest, flags); \
            mode = va_arg(rest, int); \
            va_end(rest); \
        } \
        return fails(#name) ? -1 : __real_##name(path, flags, mode); \
    }

FAULTY_OPEN(open)
FAULTY_OPEN(open64)
FAULTY(int, fchmod, (int fd, mode_t mode), (fd, mode))
FAULTY(int, fsync, (int fd), (fd))
FAULTY(int, rename, (const char *from, const char *to), (from, to))
FAULTY(int, flock, (int fd, int what), (fd, what))
FAULTY(ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))

ssize_t __real_read(int fd, void *to, size_t n);
ssize_t __wrap_read(int fd, void *to, size_t n);

ssize_t __wrap_read(int fd, void *to, size_t n)
{
    return fails("read")
        ? -1 : __real_read(fd, to, faults.piece && n > faults.piece ? faults.piece : n);
}

/* A list is the old one or the new one, and what is said of it is so. */
static void test_append_when_the_system_fails(void **state)
{
    fixture_t f = fixture(state);
    const char *old = apr_psprintf(f.p, "token %s 0\n", hex_of(&f, "old"));
    const char *more = apr_psprintf(f.p, "%stoken %s 0\n", old, hex_of(&f, "new"));
    int n = 0, failed = 0;

    do {
        const char *error = NULL, *text;
        apr_status_t rv;

        memset(&faults, 0, sizeof(faults));
        write_list(&f, old);
        faults.calls = 0;
        faults.failing = ++n;
        rv = bearer_revocation_append_token(f.path, "new", 3, 0, f.w->now, &error, f.p);
        faults.failing = 0;
        UNIT_CHECK((rv == APR_SUCCESS) == (error == NULL), "%s", faults.name);
        UNIT_CHECK((rv == APR_SUCCESS) == (faults.name == NULL), "%s", faults.name);
        failed += rv != APR_SUCCESS;
        text = read_list(&f);
        UNIT_CHECK(strcmp(text, old) == 0 || strcmp(text, more) == 0, "%s", faults.name);
        assert_true(rv != APR_SUCCESS || strcmp(text, more) == 0);
        UNIT_CHECK(access(apr_pstrcat(f.p, f.path, ".new", NULL), F_OK) != 0, "%s",
                   faults.name);
    } while (faults.name);
    assert_true(failed >= 12);
    clean_up(&f);
}

/* It is told what could not be done. */
static void test_what_failed_is_said(void **state)
{
    fixture_t f = fixture(state);
    int n = 0, looked = 0;

    write_list(&f, "token " HEX0 " 0\n");
    do {
        const char *error, *wanted;

        memset(&faults, 0, sizeof(faults));
        faults.failing = ++n;
        error = bearer_revocation_file_error(f.path, f.p);
        faults.failing = 0;
        wanted = !faults.name                     ? NULL
               : !strncmp(faults.name, "open", 4) ? "cannot be opened: "
               : !strcmp(faults.name, "read")     ? "cannot be read: "
               : !looked++                        ? "cannot be examined: "
                                    : "was written to while it was read";
        UNIT_CHECK(!error == !wanted && (!wanted || unit_contains(error, wanted)),
                   "call %d: %s", n, error);
    } while (faults.name);
    assert_int_equal(looked, 2);
    clean_up(&f);
}

/* Of a list that cannot be read nothing is known, so access is closed. */
static void test_reading_when_the_system_fails(void **state)
{
    fixture_t f = fixture(state);
    int i;

    memset(&faults, 0, sizeof(faults));
    write_list(&f, apr_psprintf(f.p, "token %s 0\n", hex_of(&f, "a")));
    faults.piece = 7;
    faults.interrupted = 3;
    create(&f);
    assert_int_equal(state_of(&f).entries, 1);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    write_list(&f, apr_psprintf(f.p, "token %s 0\n", hex_of(&f, "b")));
    faults.piece = 0;
    faults.always = "read";
    for (i = 0; i < 5; i++) {  /* it may be on its way for a moment */
        later(&f);
        later_by += apr_time_from_msec(500);
        assert_int_not_equal(ask_token(&f, "a"), BEARER_OK);
    }
    assert_int_equal(ask_token(&f, "b"), BEARER_REVOCATION_LIST);
    faults.always = NULL;
    later(&f);
    assert_int_equal(ask_token(&f, "b"), BEARER_REVOKED);
    clean_up(&f);
}

/* A signal is no failure, and neither is a descriptor that is 0. */
static void test_append_is_interrupted(void **state)
{
    fixture_t f = fixture(state);
    int in = dup(0);

    write_list(&f, "");
    memset(&faults, 0, sizeof(faults));
    faults.interrupted = 4;
    assert_int_equal(add_token(&f, "a", 0), APR_SUCCESS);
    assert_int_equal(faults.interrupted, 0);
    close(0);
    assert_int_equal(add_token(&f, "b", 0), APR_SUCCESS);
    if (in >= 0) {
        dup2(in, 0);
        close(in);
    }
    create(&f);
    assert_int_equal(state_of(&f).entries, 2);
    clean_up(&f);
}

static void test_append_to_what_is_no_file(void **state)
{
    fixture_t f = fixture(state);
    const char *error = NULL;

    assert_int_equal(mkdir(f.path, 0700), 0);
    assert_int_not_equal(bearer_revocation_append_token(f.path, "a", 1, 0, f.w->now,
                                                        &error, f.p), APR_SUCCESS);
    assert_true(unit_contains(error, "not a regular file"));
    assert_int_not_equal(bearer_revocation_append_token(f.path, "a", 1, 0, f.w->now,
                                                        NULL, f.p), APR_SUCCESS);
    rmdir(f.path);
    assert_int_not_equal(bearer_revocation_append_token("/no/such/place/list", "a", 1, 0,
                                                        f.w->now, &error, f.p),
                         APR_SUCCESS);
    assert_true(unit_contains(error, "cannot open"));
    clean_up(&f);
}

/* As much as is read, and not a byte more. */
static void test_append_to_a_full_list(void **state)
{
    fixture_t f = fixture(state);
    apr_size_t line = strlen("token  0\n") + 64;
    char *text = malloc(BEARER_REVOCATION_MAX + 1);
    const char *error = NULL;
    int more;

    for (more = 1; more >= 0; more--) {
        apr_size_t n = BEARER_REVOCATION_MAX - line + (apr_size_t)more;

        memset(text, '#', n);
        text[n - 1] = '\n';
        write_n(&f, text, n);
        assert_int_equal(bearer_revocation_append_token(f.path, "a", 1, 0, f.w->now,
                                                        &error, f.p),
                         more ? APR_ENOSPC : APR_SUCCESS);
        assert_true(more == 0 || unit_contains(error, "larger"));
    }
    free(text);
    create(&f);
    assert_int_equal(state_of(&f).closed, 0);
    assert_int_equal(ask_token(&f, "a"), BEARER_REVOKED);
    clean_up(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_empty_list_revokes_nothing),
        UNIT_TEST(test_a_jwt_is_known_by_what_was_signed),
        UNIT_TEST(test_no_list),
        UNIT_TEST(test_format),
        UNIT_TEST(test_detail_names_the_directive),
        UNIT_TEST(test_issuer_and_jti_do_not_run_together),
        UNIT_TEST(test_token_id),
        UNIT_TEST(test_entry_outlives_exp_by_the_skew),
        UNIT_TEST(test_the_longest_of_several_counts),
        UNIT_TEST(test_many_entries),
        UNIT_TEST(test_bad_lines_close),
        UNIT_TEST(test_what_is_wrong_with_a_line_is_said),
        UNIT_TEST(test_entries_are_listed),
        UNIT_TEST(test_line_with_nul_closes),
        UNIT_TEST(test_unreadable_closes),
        UNIT_TEST(test_closing_is_logged_once),
        UNIT_TEST(test_change_is_seen_at_the_next_look),
        UNIT_TEST(test_change_without_a_trace),
        UNIT_TEST(test_written_in_its_place),
        UNIT_TEST(test_not_whole_for_a_moment),
        UNIT_TEST(test_settled),
        UNIT_TEST(test_change_of_what_was_settled),
        UNIT_TEST(test_settled_and_gone),
        UNIT_TEST(test_same_content_is_no_change),
        UNIT_TEST(test_clock_set_back),
        UNIT_TEST(test_refresh_looks),
        UNIT_TEST(test_append_creates_and_keeps),
        UNIT_TEST(test_append_with_file_number_0),
        UNIT_TEST(test_append_keeps_the_owner),
        UNIT_TEST(test_append_prunes),
        UNIT_TEST(test_append_of_what_is_there),
        UNIT_TEST(test_append_of_what_is_expired),
        UNIT_TEST(test_append_follows_a_link),
        UNIT_TEST(test_append_says_what_is_wrong),
        UNIT_TEST(test_append_over_a_leftover),
        UNIT_TEST(test_concurrent_writers_lose_nothing),
        UNIT_TEST(test_append_when_the_system_fails),
        UNIT_TEST(test_what_failed_is_said),
        UNIT_TEST(test_reading_when_the_system_fails),
        UNIT_TEST(test_append_is_interrupted),
        UNIT_TEST(test_append_to_what_is_no_file),
        UNIT_TEST(test_append_to_a_full_list),
    };

    return UNIT_RUN("revocation", tests);
}
