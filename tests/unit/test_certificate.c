/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* Thumbprints of client certificates, and the header fields in which proxies send them. */
#include "unit.h"

#include <apr_lib.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/b64url.h"
#include "judge/certificate.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

/* RFC 8705 appendix A */
#define MTLS_LINES(eol) \
    "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx" eol \
    "ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG" eol \
    "SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ" eol \
    "/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID" eol \
    "SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV" eol \
    "bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=" eol
#define MTLS_PEM BEGIN "\n" MTLS_LINES("\n") END "\n"
#define MTLS_X5T "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

/* RFC 9440 appendix A; its thumbprint by another tool */
#define CLIENT_CERT \
    "MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNV" \
    "BAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMM" \
    "AkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3Y" \
    "C8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYC" \
    "uiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRj" \
    "QGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEA" \
    "x/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk="
#define CLIENT_X5T "v68ffgcPn6jdYpBfFY2nP4ShE2Yk-6_Mk5PI9yh6aes"

typedef const char *reader_t(const char *text, const char **error, apr_pool_t *p);

/* x5t NULL: refused, and the message contains error. */
static void check(apr_pool_t *p, reader_t *read, const char *text, const char *x5t,
                  const char *part)
{
    const char *error = "unset", *found = read(text, &error, p);

    UNIT_CHECK(x5t ? found && !strcmp(found, x5t) : !found, "%s: %s, %s",
               text ? text : "NULL", found ? found : "NULL", error ? error : "NULL");
    UNIT_CHECK((found != NULL) == (error == NULL), "%s", text ? text : "NULL");
    UNIT_CHECK(!error || (!strncmp(error, "it ", 3) || !strncmp(error, "an ", 3)
                          || !strncmp(error, "its ", 4)), "%s", error);
    UNIT_CHECK(!part || unit_contains(error, part), "%s: %s", text ? text : "NULL", error);
    assert_int_equal(ERR_peek_error(), 0);
}

/* Encodes for a URL all but these characters and letters and digits; blank: how a blank is
 * written. */
static const char *encoded(apr_pool_t *p, const char *text, const char *plain,
                           const char *blank)
{
    const char *out = "";

    for (; *text; text++) {
        out = *text == ' ' ? apr_pstrcat(p, out, blank, NULL)
            : apr_isalnum(*text) || strchr(plain, *text) ? apr_psprintf(p, "%s%c", out, *text)
            : apr_psprintf(p, "%s%%%02X", out, (unsigned)*text);
    }
    return out;
}

/* ---- PEM --------------------------------------------------------------------- */

static void test_pem(void **state)
{
    static const struct {
        const char *pem, *error;  /* error NULL: it is the certificate of RFC 8705 */
    } cases[] = {
        { MTLS_PEM, NULL },
        { BEGIN "\r\n" MTLS_LINES("\r\n") END, NULL },
        { BEGIN " " MTLS_LINES(" ") END " ", NULL },
        { BEGIN MTLS_LINES("") END, NULL },
        { " \n\t" MTLS_PEM " \r\n", NULL },
        { NULL, "missing" },
        { "", "missing" },
        { " ", "in PEM" },
        { "x" MTLS_PEM, "in PEM" },
        { BEGIN "\n" MTLS_LINES("\n"), "in PEM" },
        { MTLS_LINES("\n") END, "in PEM" },
        { "-----BEGIN PUBLIC KEY-----\n" MTLS_LINES("\n") "-----END PUBLIC KEY-----\n", "in PEM" },
        { "-----BEGIN TRUSTED CERTIFICATE-----\n" MTLS_LINES("\n")
          "-----END TRUSTED CERTIFICATE-----\n", "in PEM" },
        { MTLS_PEM MTLS_PEM, "more than one" },
        { MTLS_PEM "x", "more than one" },
        { BEGIN "\n" END, "not a certificate" },
        { BEGIN "END CERTIFICATE-----", "in PEM" },
        { BEGIN "--END CERTIFICATE-----", "in PEM" },
        { BEGIN END, "not a certificate" },
        { BEGIN "\nAAAA\n" END, "not a certificate" },
        { BEGIN "\n!" MTLS_LINES("\n") END, "not base64" },
        { BEGIN "\n-" MTLS_LINES("\n") END, "not base64" },
        { BEGIN "\nMIIB\n\n" END, "not a certificate" },
        /* a digit more, and a whole group */
        { BEGIN "\n" MTLS_LINES("\n") "A" END, "not base64" },
        { BEGIN "\n" MTLS_LINES("\n") "AAAA" END, "not base64" },
        { BEGIN "\nAAAA" MTLS_LINES("\n") END, "not a certificate" },
        { BEGIN "\nProc-Type: 4,ENCRYPTED\n" MTLS_LINES("\n") END, "not base64" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        check(p, bearer_certificate_of_pem, cases[i].pem, cases[i].error ? NULL : MTLS_X5T,
              cases[i].error);
    }
}

/* Every change of a digit is another thumbprint, or no certificate. */
static void test_every_digit_counts(void **state)
{
    apr_pool_t *p = unit_pool(state), *each;
    const char *error, *x5t;
    char *pem = apr_pstrdup(p, MTLS_PEM);
    unsigned i;

    apr_pool_create(&each, p);
    for (i = (unsigned)strlen(BEGIN); i < strlen(MTLS_PEM) - strlen(END) - 1; i++) {
        char before = pem[i];

        pem[i] = before == 'B' ? 'A' : 'B';
        x5t = bearer_certificate_of_pem(pem, &error, each);
        UNIT_CHECK(!x5t || strcmp(x5t, MTLS_X5T) != 0, "%u", i);
        pem[i] = before;
        apr_pool_clear(each);
    }
    check(p, bearer_certificate_of_pem, pem, MTLS_X5T, NULL);
}

/* What follows the certificate inside its text is not part of it. */
static void test_der_is_read_to_its_end(void **state)
{
    apr_pool_t *p = unit_pool(state);
    unsigned char *der;
    apr_size_t len;
    char *text = apr_pstrdup(p, CLIENT_CERT), *c;

    for (c = text; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    text[strlen(text) - 1] = '\0';
    assert_int_equal(bearer_b64url_decode_p(&der, &len, text, strlen(text), p), APR_SUCCESS);
    /* the same bytes and one more, or one less */
    check(p, bearer_certificate_of_field,
          apr_psprintf(p, ":%s:", CLIENT_CERT), CLIENT_X5T, NULL);
    der = apr_pmemdup(p, der, len + 1);
    text = bearer_b64url_encode(p, der, len + 1);
    for (c = text; *c; c++) {
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    }
    check(p, bearer_certificate_of_field, apr_psprintf(p, ":%s:", text), NULL,
          "not a certificate");
    text = bearer_b64url_encode(p, der, len - 1);
    for (c = text; *c; c++) {
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    }
    check(p, bearer_certificate_of_field, apr_psprintf(p, ":%s:", text), NULL,
          "not a certificate");
}

static void test_size_is_bounded(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const int more = BEARER_CERTIFICATE_MAX - (int)strlen(MTLS_PEM);
    const char *pem = apr_psprintf(p, "%s%*s", MTLS_PEM, more, "");

    check(p, bearer_certificate_of_pem, pem, MTLS_X5T, NULL);
    check(p, bearer_certificate_of_field, pem, MTLS_X5T, NULL);
    pem = apr_psprintf(p, "%s ", pem);
    check(p, bearer_certificate_of_pem, pem, NULL, "64 KiB");
    check(p, bearer_certificate_of_field, pem, NULL, "64 KiB");
}

/* ---- RFC 9440 ------------------------------------------------------------------ */

static void test_client_cert(void **state)
{
    static const struct {
        const char *field, *error;
    } cases[] = {
        { ":" CLIENT_CERT ":", NULL },
        { " :" CLIENT_CERT ": ", NULL },
        { ":" CLIENT_CERT, "RFC 9440" },
        { ":", "RFC 9440" },
        { "::", "not a certificate" },
        { ":AAAA:", "not a certificate" },
        { ":" CLIENT_CERT ":, :" CLIENT_CERT ":", "not base64" },
        { ":" CLIENT_CERT ":;a=1", "RFC 9440" },
        { ":" CLIENT_CERT "=:", "not base64" },
        { ":" CLIENT_CERT CLIENT_CERT ":", "not base64" },
        { ":" CLIENT_CERT "====:", "not base64" },
        { ":AA-_:", "not base64" },
        { CLIENT_CERT ":", "PEM" },
        { CLIENT_CERT, "PEM" },
        { "", "missing" },
        { "  ", "missing" },
        { NULL, "missing" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        check(p, bearer_certificate_of_field, cases[i].field,
              cases[i].error ? NULL : CLIENT_X5T, cases[i].error);
    }
}

/* ---- URL-encoded PEM ------------------------------------------------------------ */

static void test_encoded_pem(void **state)
{
    apr_pool_t *p = unit_pool(state);

    /* nginx, encodeURIComponent, all characters */
    check(p, bearer_certificate_of_field, encoded(p, MTLS_PEM, "-._~", "%20"), MTLS_X5T, NULL);
    check(p, bearer_certificate_of_field, encoded(p, MTLS_PEM, "-._~!'()*", "%20"), MTLS_X5T,
          NULL);
    check(p, bearer_certificate_of_field, encoded(p, MTLS_PEM, "", "%20"), MTLS_X5T, NULL);
    /* AWS ALB leaves +, = and / */
    check(p, bearer_certificate_of_field, encoded(p, MTLS_PEM, "-+=/", "%20"), MTLS_X5T, NULL);
    /* as a form */
    check(p, bearer_certificate_of_field, encoded(p, MTLS_PEM, "-._*", "+"), MTLS_X5T, NULL);
    /* not at all: mod_headers writes blanks for line breaks */
    check(p, bearer_certificate_of_field, BEGIN " " MTLS_LINES(" ") END " ", MTLS_X5T, NULL);
    /* a plus that is neither */
    check(p, bearer_certificate_of_field, encoded(p, MTLS_PEM, "-+", "+"), NULL, "not");
    check(p, bearer_certificate_of_field,
          apr_pstrcat(p, encoded(p, MTLS_PEM, "-", "%20"), encoded(p, MTLS_PEM, "-", "%20"),
                      NULL), NULL, "more than one");
    check(p, bearer_certificate_of_field,
          apr_pstrcat(p, encoded(p, MTLS_PEM, "-", "%20"), ", ",
                      encoded(p, MTLS_PEM, "-", "%20"), NULL), NULL, "more than one");
    check(p, bearer_certificate_of_field, BEGIN "%00" MTLS_LINES("%0A") END, NULL, "encoding");
    check(p, bearer_certificate_of_field, BEGIN "%0G" MTLS_LINES("%0A") END, NULL, "encoding");
    check(p, bearer_certificate_of_field, MTLS_PEM "%", NULL, "encoding");
    check(p, bearer_certificate_of_field, MTLS_PEM "%0", NULL, "encoding");
    check(p, bearer_certificate_of_field, encoded(p, encoded(p, MTLS_PEM, "-", "%20"), "-", ""),
          NULL, "PEM");
    check(p, bearer_certificate_of_field, "(null)", NULL, "PEM");
    check(p, bearer_certificate_of_field, "none", NULL, "PEM");
}

/* ---- X-Forwarded-Client-Cert ------------------------------------------------------- */

/* CERT stands for the certificate of RFC 8705, OTHER for that of RFC 9440. */
static const char *with_certificates(apr_pool_t *p, const char *text)
{
    const char *mtls = encoded(p, MTLS_PEM, "-._~", "%20");
    const char *other = encoded(p, BEGIN "\n" CLIENT_CERT "\n" END "\n", "-._~", "%20");
    const char *out = "";

    while (*text) {
        if (strncmp(text, "CERT", 4) == 0) {
            out = apr_pstrcat(p, out, mtls, NULL);
            text += 4;
        } else if (strncmp(text, "OTHER", 5) == 0) {
            out = apr_pstrcat(p, out, other, NULL);
            text += 5;
        } else {
            out = apr_psprintf(p, "%s%c", out, *text++);
        }
    }
    return out;
}

static void test_xfcc(void **state)
{
    static const struct {
        const char *field, *x5t, *error;
    } cases[] = {
        { "Cert=\"CERT\"", MTLS_X5T, NULL },
        { "cert=\"CERT\"", MTLS_X5T, NULL },
        { "Cert=CERT", MTLS_X5T, NULL },
        { "Cert=\"CERT\";", MTLS_X5T, NULL },
        { "By=spiffe://a/b;Hash=00ff;Cert=\"CERT\";Subject=\"CN=x,O=\\\"y\\\";z\";URI=spiffe://c",
          MTLS_X5T, NULL },
        { "Hash=1; Cert=\"CERT\"; DNS=a.example;DNS=b.example", MTLS_X5T, NULL },
        { "Subject=\"\";URI=;Cert=\"CERT\"", MTLS_X5T, NULL },
        { "Chain=\"OTHER\";Cert=\"CERT\"", MTLS_X5T, NULL },
        { "Certificate=\"OTHER\";Cert=\"CERT\";Certs=x", MTLS_X5T, NULL },
        /* the last element, which the nearest proxy has added */
        { "Cert=\"OTHER\",Cert=\"CERT\"", MTLS_X5T, NULL },
        { "Cert=\"CERT\", By=x;Cert=\"OTHER\"", CLIENT_X5T, NULL },
        { "Cert=\"CERT\";,Cert=\"OTHER\"", CLIENT_X5T, NULL },
        { "Cert=\"OTHER\",By=x;Hash=1", NULL, "last element has no Cert" },
        { "By=x;Hash=1", NULL, "last element has no Cert" },
        { "Cert=\"OTHER\";Cert=\"CERT\"", NULL, "more than one Cert" },
        { "Cert=\"CERT\";cert=\"CERT\"", NULL, "more than one Cert" },
        { "Cert=\"CERTCERT\"", NULL, "more than one" },
        { "Cert=\"\"", NULL, "missing" },
        { "Cert=", NULL, "missing" },
        { "Cert=\":AAAA:\"", NULL, "PEM" },
        /* not well-formed: a client's quote must not reach into the proxy's element */
        { "Cert=\"CERT", NULL, "well-formed" },
        { "Cert=CERT\"", NULL, "well-formed" },
        { "Cert=\"CERT\"x", NULL, "well-formed" },
        { "Cert=\"CERT\"xBy=y", NULL, "well-formed" },
        { "Cert=\"CERT\"\"By=y", NULL, "well-formed" },
        { "Cert=\"CERT\" ;By=x", NULL, "well-formed" },
        { "Cert=\"CERT\",", NULL, "well-formed" },
        { "Cert=\"CERT\";;", NULL, "well-formed" },
        { "Cert=\"CERT\",,Cert=\"CERT\"", NULL, "well-formed" },
        { "Cert=\"CERT\";By", NULL, "well-formed" },
        { "Cert=\"CERT\";=x", NULL, "well-formed" },
        { "Cert=\"OTHER\";x=\",By=y;Cert=\"CERT\";Subject=\"\"", NULL, "well-formed" },
        { "Cert=\"OTHER\";x=\"\\,By=y;Cert=\"CERT\"", NULL, "well-formed" },
        { "Cert=\"OTHER\";x=\",By=y;Subject=\"CN=a\";Cert=\"CERT\"", NULL, "well-formed" },
        { "Cert=\"OTHER\";x=\",By=y;Subject=\"\";Cert=\"CERT\"", NULL, "well-formed" },
        { "Cert=\"OTHER\";x=a\",By=y;Cert=\"CERT\"", NULL, "well-formed" },
        { "Cert=\"OTHER\";x=\\\",By=y;Cert=\"CERT\"", NULL, "well-formed" },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        check(p, bearer_certificate_of_field, with_certificates(p, cases[i].field),
              cases[i].x5t, cases[i].error);
    }
}

/* Returns the PEM of a certificate with that subject alternative name. */
static const char *named(apr_pool_t *p, int type, const char *text)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    BIO *out = BIO_new(BIO_s_mem());
    const char *pem;
    char *data;
    long len;

    assert_true(key && ASN1_STRING_set(value, text, -1));
    GENERAL_NAME_set0_value(name, type, value);
    assert_true(sk_GENERAL_NAME_push(names, name) == 1);
    X509_set_version(certificate, X509_VERSION_3);
    X509_set_pubkey(certificate, key);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()));
    assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
    len = BIO_get_mem_data(out, &data);
    pem = apr_pstrmemdup(p, data, (apr_size_t)len);
    BIO_free(out);
    GENERAL_NAMES_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}

/* Envoy writes names without quotes, so one must not begin an element. */
static void test_names_in_xfcc(void **state)
{
    static const struct {
        int type;
        const char *text;
        int good;
    } cases[] = {
        { GEN_URI, "spiffe://a.test/b?c=d", 1 }, { GEN_DNS, "a.test", 1 },
        { GEN_URI, "x,Cert=y", 0 }, { GEN_URI, "x;y", 0 }, { GEN_URI, "\"", 0 },
        { GEN_DNS, "x,Cert=y", 0 }, { GEN_DNS, "x;y", 0 }, { GEN_EMAIL, "x,y@z.test", 0 },
    };
    apr_pool_t *p = unit_pool(state);
    unsigned i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *pem = named(p, cases[i].type, cases[i].text), *error;
        const char *x5t = bearer_certificate_of_pem(pem, &error, p);
        const char *cert = encoded(p, pem, "-._~", "%20");
        const char *part = "subject alternative name";

        assert_non_null(x5t);
        check(p, bearer_certificate_of_field, cert, x5t, NULL);
        check(p, bearer_certificate_of_field, apr_psprintf(p, "Cert=\"%s\"", cert),
              cases[i].good ? x5t : NULL, cases[i].good ? NULL : part);
        /* as if the name had brought the certificate of RFC 8705 */
        check(p, bearer_certificate_of_field, apr_psprintf(
                  p, "Cert=\"%s\";URI=x,Cert=\"%s\"", cert, with_certificates(p, "CERT")),
              cases[i].good ? MTLS_X5T : NULL, cases[i].good ? NULL : part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_pem),
        UNIT_TEST(test_every_digit_counts),
        UNIT_TEST(test_der_is_read_to_its_end),
        UNIT_TEST(test_size_is_bounded),
        UNIT_TEST(test_client_cert),
        UNIT_TEST(test_encoded_pem),
        UNIT_TEST(test_xfcc),
        UNIT_TEST(test_names_in_xfcc),
    };

    return UNIT_RUN("certificate", tests);
}
