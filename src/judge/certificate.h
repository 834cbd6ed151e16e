/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file certificate.h
 * The thumbprint `x5t#S256` of a client's certificate (RFC 8705 section 3.1), with which
 * bearer_principal_x5t() is compared. Whether the client has its private key, TLS has
 * verified. Who issued the certificate and whether it has expired makes no difference: the
 * issuer of the token has bound the token to this one.
 *
 * Pure functions, thread-safe. They leave OpenSSL's error queue unchanged.
 */
#pragma once

#include <apr_pools.h>

/** Maximum length of a certificate as text, in bytes. */
#define BEARER_CERTIFICATE_MAX (64 * 1024)

/**
 * Returns the base64url of the SHA-256 over the DER of a certificate: 43 characters, in p.
 * @param pem    exactly one certificate, with white space around it at most (mod_ssl's
 *               SSL_CLIENT_CERT). Line breaks may be blanks. NULL: not a certificate
 * @param error  if the result is NULL, why, for the log: "it ...", printable, without any
 *               part of the text, in p or static
 */
const char *bearer_certificate_of_pem(const char *pem, const char **error, apr_pool_t *p);

/**
 * The same for a header field that a proxy sets; the caller must know that it does. The
 * forms, told apart by their beginning:
 *
 *     :BASE64:                      Client-Cert (RFC 9440 section 2.2)
 *     -----BEGIN%20CERTIFICATE-...  URL-encoded PEM, e.g. $ssl_client_escaped_cert of nginx;
 *                                   a `+` is a blank if the first line has it for one
 *     -----BEGIN CERTIFICATE-----   PEM with blanks for line breaks, e.g. %{SSL_CLIENT_CERT}s
 *                                   of mod_headers
 *     By=..;Hash=..;Cert="..."      X-Forwarded-Client-Cert of Envoy, with URL-encoded PEM; of
 *                                   several elements the last, which the nearest proxy added.
 *                                   Refused if a subject alternative name of any Cert in it
 *                                   has a separator, because Envoy does not quote such names
 */
const char *bearer_certificate_of_field(const char *field, const char **error, apr_pool_t *p);
