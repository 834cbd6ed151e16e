/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Strings from outside: quoting, UTF-8, identifiers, lists, digests, files. */
#include "claims.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <apr_file_io.h>

/* An error of an issuer may begin with 126 bytes that say nothing. */
static void test_quote_long(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char text[2000];
    const char *shown;

    memset(text, 'a', sizeof(text));
    memcpy(text + 600, "cause\n", 6);
    text[sizeof(text) - 1] = '\0';
    shown = bearer_text_quote_long(p, text);
    assert_true(unit_contains(shown, "cause%0a"));
    assert_true(strlen(shown) < 700);
    assert_true(unit_contains(shown, "'..."));
    assert_string_equal(bearer_text_quote_long(p, NULL), "(none)");
}

static void test_repeats(void **state)
{
    (void)state;
    assert_int_equal(bearer_text_repeats("bad secret", "secret", 6), 1);
    assert_int_equal(bearer_text_repeats("bad secre", "secret", 6), 0);
    assert_int_equal(bearer_text_repeats("bad 0123456789abcdef...", "0123456789abcdefgh", 18),
                     1);
    assert_int_equal(bearer_text_repeats("bad", "", 0), 0);
}

static void test_quote_shows_no_raw_byte(void **state)
{
    apr_pool_t *p = unit_pool(state);

    assert_string_equal(bearer_text_quote(p, "a b"), "'a b'");
    assert_string_equal(bearer_text_quote(p, ""), "''");
    assert_string_equal(bearer_text_quote(p, NULL), "(none)");
    assert_string_equal(bearer_text_quote(p, "\"\\\n\x7f\xff"),
                        "'%22%5c%0a%7f%ff'");
    assert_string_equal(bearer_text_quote_n(p, "a\0b", 3), "'a%00b'");
    /* no value ends before its end */
    assert_string_equal(bearer_text_quote(p, "don't"), "'don't'");
    assert_string_equal(bearer_text_quote(p, "a', user 'b"), "'a%27, user %27b'");
    assert_string_equal(bearer_text_quote(p, "'a"), "'%27a'");
    assert_string_equal(bearer_text_quote(p, "a'"), "'a%27'");
}

static void test_quote_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char big[BEARER_QUOTE_MAX + 2];
    const char *quoted;

    memset(big, 'z', sizeof(big) - 1);
    big[BEARER_QUOTE_MAX + 1] = '\0';
    quoted = bearer_text_quote(p, big);
    assert_int_equal(strlen(quoted), BEARER_QUOTE_MAX + 2 + 3);
    assert_true(unit_contains(quoted, "z'..."));
    big[BEARER_QUOTE_MAX] = '\0';
    assert_false(unit_contains(bearer_text_quote(p, big), "..."));
}

static void test_quote_list(void **state)
{
    apr_pool_t *p = unit_pool(state);
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    char big[BEARER_QUOTE_MAX + 2];
    const char *line;
    int i;

    assert_string_equal(bearer_text_quote_list(p, NULL), "()");
    assert_string_equal(bearer_text_quote_list(p, list), "()");
    APR_ARRAY_PUSH(list, const char *) = "api://orders";
    APR_ARRAY_PUSH(list, const char *) = "b\n";
    assert_string_equal(bearer_text_quote_list(p, list),
                        "(api://orders, b%0a)");
    memset(big, 'z', sizeof(big) - 1);
    big[BEARER_QUOTE_MAX + 1] = '\0';
    APR_ARRAY_PUSH(list, const char *) = big;
    APR_ARRAY_PUSH(list, const char *) = "c";
    assert_string_equal(bearer_text_quote_list(p, list),
                        apr_psprintf(p, "(api://orders, b%%0a, %.*s..., c)",
                                     BEARER_QUOTE_MAX, big));
    for (i = 0; i < 1000; i++) {
        APR_ARRAY_PUSH(list, const char *) = "\x01\x02\x03\x04";
    }
    line = bearer_text_quote_list(p, list);
    assert_true(strlen(line) < 1000);
    assert_true(unit_contains(line, ", ...)"));
}

static void test_sha256_and_fingerprint(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char digest[BEARER_SHA256_SIZE];

    /* FIPS 180-4 example */
    assert_int_equal(bearer_text_sha256("abc", 3, digest), APR_SUCCESS);
    assert_string_equal(
        bearer_text_hex(p, digest, sizeof(digest)),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(bearer_text_fingerprint(p, "abc", 3), "ba7816bf");
    assert_string_equal(bearer_text_fingerprint(p, NULL, 0), "e3b0c442");
    assert_string_equal(bearer_text_hex(p, digest, 0), "");
}

static void test_equal_ct(void **state)
{
    (void)state;
    assert_true(bearer_text_equal_ct("abcd", "abcx", 3));
    assert_false(bearer_text_equal_ct("abcd", "abcx", 4));
    assert_true(bearer_text_equal_ct("", "", 0));
    assert_true(bearer_text_same_ct("abc", "abc"));
    assert_false(bearer_text_same_ct("abc", "abd"));
    assert_false(bearer_text_same_ct("abc", "ab"));
    assert_false(bearer_text_same_ct("", "a"));
}

static void test_form_decode(void **state)
{
    static const struct {
        const char *text, *plain;
    } rows[] = {
        { "", "" }, { "a+b", "a b" }, { "%41%e2%82%ac%2B", "A\xe2\x82\xac+" },
        { "%4", NULL }, { "%", NULL }, { "%4g", NULL }, { "%g4", NULL },
        { "%00", NULL }, { "%%41", NULL },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *plain = bearer_text_form_decode(p, rows[i].text,
                                                    strlen(rows[i].text));

        if (rows[i].plain) {
            assert_string_equal(plain, rows[i].plain);
        } else {
            assert_null(plain);
        }
    }
    assert_null(bearer_text_form_decode(p, "a\0b", 3));
    /* an escape that the text's end cuts is none */
    assert_null(bearer_text_form_decode(p, "%41", 2));
}

static void test_utf8(void **state)
{
    static const struct {
        const char *bytes;
        apr_size_t len;
        int valid;
    } cases[] = {
        { "", 0, 1 },
        { "plain", 5, 1 },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, 1 },
        { "a\0b", 3, 1 },
        { "\xed\x9f\xbf", 3, 1 },     /* U+D7FF, the last before surrogates */
        { "\xee\x80\x80", 3, 1 },     /* U+E000 */
        { "\xf4\x8f\xbf\xbf", 4, 1 }, /* U+10FFFF */
        { "\xc0\x80", 2, 0 },         /* overlong NUL */
        { "\xc1\xbf", 2, 0 },
        { "\xe0\x9f\xbf", 3, 0 },     /* overlong */
        { "\xf0\x8f\xbf\xbf", 4, 0 },
        { "\xed\xa0\x80", 3, 0 },     /* surrogate */
        { "\xed\xbf\xbf", 3, 0 },
        { "\xf4\x90\x80\x80", 4, 0 }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", 4, 0 },
        { "\xf8\x80\x80\x80", 4, 0 }, /* of more than four octets, or none */
        { "\xfc\x80\x80\x80", 4, 0 },
        { "\x80", 1, 0 },             /* lone continuation */
        { "\xff", 1, 0 },
        { "\xe2\x82", 2, 0 },         /* cut short */
        { "\xc3", 1, 0 },
        { "\xe2\x28\xa1", 3, 0 },
        { "\xf0\x9f\x98\x28", 4, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        UNIT_CHECK(bearer_text_is_utf8(cases[i].bytes, cases[i].len)
                       == cases[i].valid,
                   "case %u", (unsigned)i);
    }
}

static void test_words_of_http(void **state)
{
    (void)state;
    assert_true(bearer_text_is_token("X-Api_Key!1"));
    assert_false(bearer_text_is_token(""));
    assert_false(bearer_text_is_token("a b"));
    assert_false(bearer_text_is_token("a:"));
    assert_false(bearer_text_is_token("\xc3\xa4"));
    assert_true(bearer_text_is_scope("https://rs/read:x,y"));
    assert_true(bearer_text_is_scope("!#[]~"));
    assert_false(bearer_text_is_scope(""));
    assert_false(bearer_text_is_scope("a b"));
    assert_false(bearer_text_is_scope("a\""));
    assert_false(bearer_text_is_scope("a\\"));
    assert_false(bearer_text_is_scope("a\x7f"));
    assert_false(bearer_text_is_scope("\xc3\xa4"));
}

static void test_among(void **state)
{
    const apr_array_header_t *list = unit_list(unit_pool(state), "a orders.read b");

    assert_true(bearer_text_among(list, "a"));
    assert_true(bearer_text_among(list, "orders.read"));
    assert_true(bearer_text_among(list, "b"));
    assert_false(bearer_text_among(list, "orders"));
    assert_false(bearer_text_among(list, ""));
    assert_false(bearer_text_among(list, NULL));
    assert_false(bearer_text_among(NULL, "a"));
}

/* Check 12: what an attacker would put into a user name. */
static void test_identifier(void **state)
{
    static const struct {
        const char *bytes;
        int strict_ok, printable_ok;
    } cases[] = {
        { "alice", 1, 1 },
        { "J\xc3\xb6rg M\xc3\xbcller", 1, 1 },
        { "auth0|5f7c8ec7c33c6c004bbafe82", 1, 1 },
        { "system:serviceaccount:default:x", 1, 1 },
        { "cn=alice,dc=example", 0, 1 },
        { "a;b", 0, 1 },
        { "", 0, 0 },
        { " alice", 0, 0 },
        { "alice ", 0, 0 },
        { "alice\xc2\xa0", 0, 0 },         /* no-break space */
        { "\xe3\x80\x80" "alice", 0, 0 },  /* ideographic space */
        { "a\nb", 0, 0 },
        { "a\rb", 0, 0 },
        { "a\tb", 0, 0 },
        { "a\x7f", 0, 0 },
        { "a\xc2\x85", 0, 0 },             /* C1: NEL */
        { "a\xc2\x9f", 0, 0 },
        { "admin\xe2\x80\xae" "x", 0, 0 }, /* right-to-left override */
        { "\xe2\x80\xaa" "x", 0, 0 },
        { "x\xe2\x81\xa6" "y", 0, 0 },     /* isolate */
        { "x\xe2\x81\xa9", 0, 0 },
        { "x\xe2\x81\xaa", 1, 1 },         /* U+206A: none of the banned */
        { "a\xc0\xaf", 0, 0 },             /* overlong */
        { "a\xff", 0, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *s = cases[i].bytes;
        const char *error;

        error = bearer_text_identifier_error(s, strlen(s), 0);
        UNIT_CHECK((error == NULL) == cases[i].strict_ok, "strict, case %u",
                   (unsigned)i);
        error = bearer_text_identifier_error(s, strlen(s), 1);
        UNIT_CHECK((error == NULL) == cases[i].printable_ok, "printable, case %u",
                   (unsigned)i);
    }
    assert_non_null(bearer_text_identifier_error("a\0b", 3, 1));
}

static void test_identifier_length(void **state)
{
    char s[258];

    (void)state;
    memset(s, 'a', sizeof(s));
    assert_null(bearer_text_identifier_error(s, 1, 0));
    assert_null(bearer_text_identifier_error(s, 256, 0));
    assert_non_null(bearer_text_identifier_error(s, 257, 0));
}

static void test_read_file(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *path = apr_pstrdup(p, "bearer-test-XXXXXX");
    apr_file_t *file;
    const char *data, *error;
    apr_size_t len;

    assert_int_equal(apr_file_mktemp(&file, path,
                                     APR_FOPEN_CREATE | APR_FOPEN_WRITE
                                         | APR_FOPEN_EXCL, p), APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, "a\0bc", 4, NULL), APR_SUCCESS);
    assert_int_equal(apr_file_close(file), APR_SUCCESS);

    assert_int_equal(bearer_text_read_file(&data, &len, path, 4, &error, p),
                     APR_SUCCESS);
    assert_int_equal(len, 4);
    assert_memory_equal(data, "a\0bc", 5);
    assert_int_equal(bearer_text_read_file(&data, &len, path, 100, &error, p),
                     APR_SUCCESS);
    assert_int_equal(len, 4);
    assert_int_equal(bearer_text_read_file(&data, &len, path, 3, &error, p),
                     APR_ENOSPC);
    assert_string_equal(error, "it is larger than 3 bytes");
    assert_null(data);
    assert_int_equal(apr_file_remove(path, p), APR_SUCCESS);
    assert_true(APR_STATUS_IS_ENOENT(
        bearer_text_read_file(&data, &len, path, 100, &error, p)));
    assert_true(unit_contains(error, "it cannot be read: No such file"));
    assert_int_equal(bearer_text_read_file(&data, &len, ".", 100, &error, p),
                     APR_EACCES);
    /* what has no size before it is read */
    assert_int_equal(bearer_text_read_file(&data, &len, "/dev/zero", 100, &error, p),
                     APR_ENOSPC);
    assert_int_equal(bearer_text_read_file(&data, &len, "/dev/null", 100, &error, p),
                     APR_SUCCESS);
    assert_int_equal(len, 0);
}

/* A write of a single byte has written, too. */
static void test_write_fd(void **state)
{
    static const char *const texts[] = { "", "x", "xyz" };
    int fds[2];
    size_t i;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    for (i = 0; i < UNIT_COUNT(texts); i++) {
        char got[8] = "";

        assert_int_equal(bearer_text_write_fd(fds[1], texts[i], strlen(texts[i])), 0);
        (void)!read(fds[0], got, sizeof(got) - 1);
        assert_string_equal(got, texts[i]);
    }
    assert_int_equal(close(fds[0]) + close(fds[1]), 0);
    assert_int_equal(bearer_text_write_fd(fds[1], "x", 1), EBADF);
}

/* In blocks of a register's width or byte by byte: the same characters. */
static void test_b64token_characters(void **state)
{
    static const char good[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    int c, at;

    (void)state;
    for (at = 0; at < 40; at++) {
        for (c = 0; c < 256; c++) {
            char text[64];
            apr_size_t n;

            memset(text, 'a', sizeof(text));
            text[at] = (char)c;
            n = bearer_text_b64token(text, sizeof(text));
            if (c && strchr(good, c)) {
                UNIT_CHECK(n == sizeof(text), "%d at %d", c, at);
            } else if (c == '=' && at) {
                UNIT_CHECK(n == (apr_size_t)at + 1, "= at %d", at);
            } else {
                UNIT_CHECK(n == (apr_size_t)at, "%d at %d", c, at);
            }
        }
    }
}

static void test_html(void **state)
{
    apr_pool_t *p = *state;

    assert_string_equal(bearer_text_html(p, ""), "");
    assert_string_equal(bearer_text_html(p, "a<b> &\"'~"),
                        "a&#60;b&#62; &#38;&#34;&#39;~");
    assert_string_equal(bearer_text_html(p, "\xc3\xa4\xe2\x82\xac\xf4\x8f\xbf\xbf"),
                        "&#228;&#8364;&#1114111;");
    assert_string_equal(bearer_text_html(p, "\xff\n\x7f\xc2\x80" "\xe2\x82"), "?????");
    assert_string_equal(bearer_text_html(p, "<<<<<<<<<<<<<<<<"),
                        "&#60;&#60;&#60;&#60;&#60;&#60;&#60;&#60;"
                        "&#60;&#60;&#60;&#60;&#60;&#60;&#60;&#60;");
}

static const char *utf8(unsigned c, char *out)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 63));
    } else {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    *out = '\0';
    return out;
}

/* What no identifier begins or ends with, what it has nowhere, and their neighbours. */
static void test_every_character_of_identifiers(void **state)
{
    static const unsigned spaces[] = { 0x20, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f,
                                       0x205f, 0x3000 };
    unsigned c, i;

    (void)state;
    for (c = 1; c < 0xd800; c++) {
        int control = c < 0x20 || (c >= 0x7f && c <= 0x9f)
                   || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
        int special = c == ',' || c == ';' || c == '=';
        int space = c >= 0x2000 && c <= 0x200a;
        char one[8], begin[16], middle[16], end[16];

        for (i = 0; i < UNIT_COUNT(spaces); i++) {
            space |= c == spaces[i];
        }
        utf8(c, one);
        snprintf(begin, sizeof(begin), "%sx", one);
        snprintf(middle, sizeof(middle), "x%sx", one);
        snprintf(end, sizeof(end), "x%s", one);
        UNIT_CHECK(!bearer_text_identifier_error(begin, strlen(begin), 1)
                   == (!control && !space), "U+%04X begins", c);
        UNIT_CHECK(!bearer_text_identifier_error(end, strlen(end), 1)
                   == (!control && !space), "U+%04X ends", c);
        UNIT_CHECK(!bearer_text_identifier_error(middle, strlen(middle), 1)
                   == !control, "U+%04X", c);
        UNIT_CHECK(!bearer_text_identifier_error(middle, strlen(middle), 0)
                   == (!control && !special), "U+%04X", c);
    }
}

/* No role in a token equals a word that is not UTF-8: `Require not role` with it would
 * always be met. */
static void test_member_is_utf8(void **state)
{
    static const char *const wrong[] = { "Gesch\344ft", "\xe4", "a\xc3", "\x85", "\xa7",
                                         "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80" };
    unsigned i;

    (void)state;
    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        UNIT_CHECK(bearer_text_member_error(wrong[i], ',') != NULL, "%u", i);
        UNIT_CHECK(bearer_text_member_error(wrong[i], ' ') != NULL, "%u", i);
    }
    assert_null(bearer_text_member_error("Gesch\xc3\xa4" "ft \xf0\x9f\x98\x80", ','));
}

/* A long name costs no more than one look at each byte: what is behind a wrong
 * character is not looked at. */
static void test_member_is_read_once(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    pages[page - 1] = '\x7f';
    assert_non_null(bearer_text_member_error(pages + page - 1, ','));
    memcpy(pages + page - 4, "\xc3\xa9\xc2\x85", 4);
    assert_non_null(bearer_text_member_error(pages + page - 4, ','));
    munmap(pages, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_quote_long), UNIT_TEST(test_repeats),
        UNIT_TEST(test_quote_shows_no_raw_byte),
        UNIT_TEST(test_quote_is_bounded),
        UNIT_TEST(test_quote_list),
        UNIT_TEST(test_sha256_and_fingerprint),
        UNIT_TEST(test_equal_ct),
        UNIT_TEST(test_form_decode),
        UNIT_TEST(test_utf8),
        UNIT_TEST(test_html),
        UNIT_TEST(test_words_of_http),
        UNIT_TEST(test_among),
        UNIT_TEST(test_identifier),
        UNIT_TEST(test_identifier_length),
        UNIT_TEST(test_read_file),
        UNIT_TEST(test_write_fd),
        UNIT_TEST(test_b64token_characters),
        UNIT_TEST(test_every_character_of_identifiers),
        UNIT_TEST(test_member_is_utf8),
        UNIT_TEST(test_member_is_read_once),
    };

    return UNIT_RUN("text", tests);
}
