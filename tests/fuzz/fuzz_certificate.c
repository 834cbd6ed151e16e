/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* A client certificate: PEM, and the header fields in which proxies send it. */
#include "fuzz.h"

#include <openssl/pem.h>

#include "base/b64url.h"
#include "base/text.h"
#include "judge/certificate.h"

static void fuzz_setup(apr_pool_t *p)
{
    (void)p;
}

typedef const char *reader_t(const char *text, const char **error, apr_pool_t *p);

static const char *check(reader_t *read, const char *text, apr_pool_t *p)
{
    const char *error, *x5t = read(text, &error, p);

    FUZZ_CHECK((x5t != NULL) == (error == NULL));
    if (x5t) {
        FUZZ_CHECK(strlen(x5t) == 43);
    } else {
        fuzz_check_line(error);
    }
    return x5t;
}

/* Where OpenSSL reads such PEM too, it reads the same certificate. */
static void check_openssl(const char *pem, size_t len, const char *x5t, apr_pool_t *p)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    unsigned char digest[BEARER_SHA256_SIZE], *der = NULL;
    char *name = NULL, *header = NULL;
    long der_len;

    if (bio && PEM_read_bio(bio, &name, &header, &der, &der_len)
        && !strcmp(name, PEM_STRING_X509)) {
        FUZZ_CHECK(!*header);
        FUZZ_CHECK(bearer_text_sha256(der, (apr_size_t)der_len, digest) == APR_SUCCESS);
        FUZZ_CHECK(!strcmp(bearer_b64url_encode(p, digest, sizeof(digest)), x5t));
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
}

static void fuzz(const char *text, size_t len, apr_pool_t *p)
{
    const char *of_pem = check(bearer_certificate_of_pem, text, p);
    const char *of_field = check(bearer_certificate_of_field, text, p);

    FUZZ_CHECK(!(of_pem || of_field) || strlen(text) <= BEARER_CERTIFICATE_MAX);
    if (of_pem) {
        FUZZ_CHECK(of_field && !strcmp(of_pem, of_field));
        check_openssl(text, len, of_pem, p);
    }
}
