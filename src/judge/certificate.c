/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The thumbprint of a certificate. See certificate.h.
 */
#include "judge/certificate.h"

#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/b64url.h"
#include "base/text.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define BLANKS " \t\r\n"

/* Records an error message and returns NULL. */
static const char *refuse(const char **error, const char *text)
{
    *error = text;
    return NULL;
}

/* Where a certificate is. */
typedef enum { ALONE, IN_XFCC } where_t;

/* ---- from DER ------------------------------------------------------------- */

/* May it be a part of X-Forwarded-Client-Cert, beside its names? Envoy writes names of
 * the types URI and DNS without quotes, after Cert. With a separator in one, a client
 * would write an element of its own, with the certificate of another. */
static int is_plain(const X509 *certificate)
{
    int critical = 0, plain, i, type;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);

    plain = names || critical == -1;  /* -1: it has none */
    for (i = 0; plain && i < sk_GENERAL_NAME_num(names); i++) {
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

        if (type == GEN_URI || type == GEN_DNS || type == GEN_EMAIL) {
            const unsigned char *text = ASN1_STRING_get0_data(value);
            const apr_size_t len = (apr_size_t)ASN1_STRING_length(value);

            plain = !memchr(text, ',', len) && !memchr(text, ';', len)
                && !memchr(text, '"', len);
        }
    }
    GENERAL_NAMES_free(names);
    return plain;
}

/* Returns an error message, or NULL. */
static const char *check_der(const unsigned char *der, apr_size_t len, where_t where)
{
    const unsigned char *at = der;
    const char *error = NULL;
    X509 *certificate;

    ERR_set_mark();
    certificate = d2i_X509(NULL, &at, (long)len);
    if (!certificate || at != der + len) {
        error = "it is not a certificate: its base64 text is not one in DER";
    } else if (where == IN_XFCC && !is_plain(certificate)) {
        error = "it has a certificate whose subject alternative name has a comma, semicolon or "
                "quote, or cannot be read, so it is not clear what the proxy has written";
    }
    X509_free(certificate);
    ERR_pop_to_mark();
    return error;
}

static const char *of_der(const unsigned char *der, apr_size_t len, where_t where,
                          const char **error, apr_pool_t *p)
{
    unsigned char digest[BEARER_SHA256_SIZE];

    *error = check_der(der, len, where);
    if (*error) {
        return NULL;
    }
    return bearer_text_sha256(der, len, digest) == APR_SUCCESS
        ? bearer_b64url_encode(p, digest, sizeof(digest))
        : refuse(error, "it cannot be read: OpenSSL has no SHA-256");
}

/* ---- from base64 (RFC 4648 section 4) -------------------------------------- */

/* Reads base64 with padding or none, and blanks anywhere. */
static const char *of_base64(const char *text, apr_size_t len, where_t where, const char **error,
                             apr_pool_t *p)
{
    static const char not_base64[] = "it has characters that are not base64, or its base64 text "
                                     "was cut off";
    char *plain = apr_palloc(p, len + 1), *out = plain;
    apr_size_t i, der_len, padding = 0;
    unsigned char *der;

    for (i = 0; i < len; i++) {
        const char c = text[i];

        if (c == '=') {
            padding++;
        } else if (c == '-' || c == '_' || (padding && !strchr(BLANKS, c))) {
            return refuse(error, not_base64);
        } else if (!strchr(BLANKS, c)) {
            *out++ = c == '+' ? '-' : c == '/' ? '_' : c;
        }
    }
    if ((padding && ((apr_size_t)(out - plain) + padding) % 4 != 0) || padding > 2
        || bearer_b64url_decode_p(&der, &der_len, plain, (apr_size_t)(out - plain), p)
               != APR_SUCCESS) {
        return refuse(error, not_base64);
    }
    return of_der(der, der_len, where, error, p);
}

/* ---- PEM (RFC 7468 section 5) ----------------------------------------------- */

static const char *of_pem(const char *pem, where_t where, const char **error, apr_pool_t *p)
{
    const char *body, *end;

    *error = NULL;
    if (!pem || !*pem) {
        return refuse(error, "it is missing");
    }
    if (strlen(pem) > BEARER_CERTIFICATE_MAX) {
        return refuse(error, "it is longer than 64 KiB");
    }
    pem += strspn(pem, BLANKS);
    body = strncmp(pem, BEGIN, sizeof(BEGIN) - 1) == 0 ? pem + sizeof(BEGIN) - 1 : NULL;
    end = body ? strstr(body, END) : NULL;  /* the two share no dashes */
    if (!end) {
        return refuse(error, "it is not a certificate in PEM: it does not begin with " BEGIN
                      ", or has no " END);
    }
    pem = end + sizeof(END) - 1;
    if (pem[strspn(pem, BLANKS)]) {
        return refuse(error, "it has more than one certificate, or text after it; a proxy must "
                      "send the client's alone, without a chain, and replace what clients send");
    }
    return of_base64(body, (apr_size_t)(end - body), where, error, p);
}

const char *bearer_certificate_of_pem(const char *pem, const char **error, apr_pool_t *p)
{
    return of_pem(pem, ALONE, error, p);
}

/* ---- URL encoding -------------------------------------------------------------- */

/* Reads URL-encoded PEM. Encoders that write a blank as `+` encode a plus; others, e.g. AWS
 * ALB, leave the plus of base64 as it is. The blank of the first line tells them apart. */
static const char *of_encoded(const char *text, apr_size_t len, where_t where,
                              const char **error, apr_pool_t *p)
{
    const char *end = text + len;
    char *plain = apr_palloc(p, len + 1), *out = plain;
    int form = len >= 16 && memcmp(text, "-----BEGIN+CERT", 15) == 0;

    while (text < end) {
        char c = *text++;

        if (c == '%') {
            int high = end - text >= 2 ? bearer_text_hex_digit(text[0]) : -1;
            int low = high < 0 ? -1 : bearer_text_hex_digit(text[1]);

            if (low < 0 || !(high | low)) {
                return refuse(error, "it has an invalid URL encoding");
            }
            c = (char)(high << 4 | low);
            text += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        *out++ = c;
    }
    *out = '\0';
    return of_pem(plain, where, error, p);
}

/* ---- X-Forwarded-Client-Cert of Envoy ------------------------------------------- */

/* One pair of an element. */
typedef struct pair_t {
    const char *key, *value;   /* value without quotes */
    apr_size_t key_len, value_len;
} pair_t;

/* Reads a quoted value after its quote. Returns what follows it, or NULL. */
static const char *read_quoted(pair_t *pair, const char *at)
{
    pair->value = at;
    while (*at && *at != '"') {
        at += at[0] == '\\' && at[1] ? 2 : 1;
    }
    pair->value_len = (apr_size_t)(at - pair->value);
    return *at ? at + 1 : NULL;
}

/*
 * Reads `key=value` and returns its end, at a separator or the end of the field. NULL: it
 * is malformed. A client may have written the elements before the last: with a quote that
 * it does not close, it must not hide where the last one begins. So nothing but a
 * separator may follow a quoted value, and a value without quotes has none inside.
 */
static const char *read_pair(pair_t *pair, const char *at)
{
    pair->key = at;
    while (apr_isalnum(*at) || *at == '-' || *at == '_') {
        at++;
    }
    pair->key_len = (apr_size_t)(at - pair->key);
    if (!pair->key_len || *at++ != '=') {
        return NULL;
    }
    if (*at == '"') {
        at = read_quoted(pair, at + 1);
    } else {
        pair->value = at;
        at += strcspn(at, ",;\"");
        pair->value_len = (apr_size_t)(at - pair->value);
    }
    return at && (!*at || *at == ',' || *at == ';') ? at : NULL;
}

static const char *of_xfcc(const char *field, const char **error, apr_pool_t *p)
{
    const char *at = field, *x5t = NULL;  /* x5t: of the element */
    pair_t pair;

    for (;;) {
        at += strspn(at, BLANKS);
        at = read_pair(&pair, at);
        if (!at) {
            return refuse(error, "it is not a well-formed X-Forwarded-Client-Cert");
        }
        if (pair.key_len == 4 && strncasecmp(pair.key, "Cert", 4) == 0) {
            if (x5t) {
                return refuse(error, "an element has more than one Cert");
            }
            x5t = of_encoded(pair.value, pair.value_len, IN_XFCC, error, p);
            if (!x5t) {
                return NULL;
            }
        }
        at += *at == ';' && (!at[1] || at[1] == ',');  /* nothing after it */
        if (!*at) {
            break;
        }
        if (*at++ == ',') {
            x5t = NULL;  /* the next element */
        }
    }
    return x5t ? x5t : refuse(error, "its last element has no Cert, which the proxy must send");
}

/* ---- a field ---------------------------------------------------------------------- */

/* Returns 1 for `key=...`. The text of PEM has no = before its first line ends. */
static int is_xfcc(const char *field)
{
    return apr_isalpha(*field) && field[strcspn(field, "=-:%+ ")] == '=';
}

const char *bearer_certificate_of_field(const char *field, const char **error, apr_pool_t *p)
{
    apr_size_t len = field ? strlen(field) : 0;

    *error = NULL;
    if (len > BEARER_CERTIFICATE_MAX) {
        return refuse(error, "it is longer than 64 KiB");
    }
    while (len && strchr(BLANKS, *field)) {
        field++;
        len--;
    }
    while (len && strchr(BLANKS, field[len - 1])) {
        len--;
    }
    if (!len) {
        return refuse(error, "it is missing");
    }
    if (*field == ':') {
        return len > 1 && field[len - 1] == ':'
            ? of_base64(field + 1, len - 2, ALONE, error, p)
            : refuse(error, "it is not one byte sequence of RFC 9440, :BASE64:");
    }
    return is_xfcc(field) ? of_xfcc(apr_pstrmemdup(p, field, len), error, p)
                          : of_encoded(field, len, ALONE, error, p);
}
