/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Explains to an administrator why a libcurl transfer failed, and what to change. See
 * http_explain.h.
 */
#include "base/http_explain.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/x509_vfy.h>

#include "base/text.h"

/* code and, if necessary, a second condition; the first matching row applies */
#define ALWAYS CURLINFO_NONE
#define CONNECTING CURLINFO_PRETRANSFER_TIME_T
#define OS_ERROR CURLINFO_OS_ERRNO
#define VERIFY_RESULT CURLINFO_SSL_VERIFYRESULT
#define PROXY_SAID_NO CURLINFO_HTTP_CONNECTCODE

static const struct {
    CURLcode code;
    CURLINFO condition;
    long value;
    const char *text;       /* %s: the host and port */
} explanations[] = {
    { CURLE_COULDNT_RESOLVE_HOST, ALWAYS, 0,
      "the name of %s cannot be resolved; check its spelling and this server's resolver; if a "
      "proxy is needed, set AuthBearerHTTPProxy" },
    { CURLE_COULDNT_RESOLVE_PROXY, ALWAYS, 0,
      "the proxy's name cannot be resolved (AuthBearerHTTPProxy), for %s" },
    /* libcurl's version determines which of the two it is */
    { CURLE_RECV_ERROR, PROXY_SAID_NO, 0,
      "the proxy (AuthBearerHTTPProxy) does not connect to %s" },
    { CURLE_COULDNT_CONNECT, PROXY_SAID_NO, 0, "%s does not connect to the issuer" },
    { CURLE_COULDNT_CONNECT, OS_ERROR, EACCES,
      "this server may not connect to %s; if SELinux is enforcing, run `setsebool -P "
      "httpd_can_network_connect on`" },
    { CURLE_COULDNT_CONNECT, OS_ERROR, EPERM,
      "this server may not connect to %s; check the local firewall or sandbox" },
    { CURLE_COULDNT_CONNECT, OS_ERROR, ECONNREFUSED,
      "%s refused the connection: no server listens there" },
    { CURLE_COULDNT_CONNECT, OS_ERROR, ENETUNREACH, "there is no route to %s" },
    { CURLE_COULDNT_CONNECT, OS_ERROR, EHOSTUNREACH, "there is no route to %s" },
    { CURLE_COULDNT_CONNECT, ALWAYS, 0, "no connection to %s" },
    { CURLE_OPERATION_TIMEDOUT, CONNECTING, 0,
      "no connection to %s in time (AuthBearerTimeout connect=); if a proxy is needed, set "
      "AuthBearerHTTPProxy" },
    { CURLE_OPERATION_TIMEDOUT, ALWAYS, 0,
      "%s sent no complete response in time (AuthBearerTimeout total=)" },
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_CERT_HAS_EXPIRED,
      "the TLS certificate of %s, or of an authority above it, has expired (or this server's clock "
      "is wrong)" },
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_CERT_NOT_YET_VALID,
      "the TLS certificate of %s is not valid yet (or this server's clock is"
      " wrong)" },
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      "the TLS certificate of %s is self-signed; name the certificate to trust in "
      "AuthBearerCAFile" },
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      "the TLS certificate of %s is from a private authority; name the one to trust in "
      "AuthBearerCAFile" },
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      "the TLS certificate of %s is from an unknown authority, or an intermediate certificate is "
      "missing; name the authority to trust in AuthBearerCAFile" },
    /* libcurl compares the names itself and then leaves this result */
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_UNSPECIFIED,
      "the TLS certificate of %s is for another host" },
    { CURLE_PEER_FAILED_VERIFICATION, VERIFY_RESULT, X509_V_ERR_HOSTNAME_MISMATCH,
      "the TLS certificate of %s is for another host" },
    { CURLE_PEER_FAILED_VERIFICATION, ALWAYS, 0,
      "the TLS certificate of %s cannot be verified (AuthBearerCAFile)" },
    { CURLE_SSL_CACERT_BADFILE, ALWAYS, 0, "AuthBearerCAFile cannot be read, for %s" },
    { CURLE_SSL_CERTPROBLEM, ALWAYS, 0,
      "the client certificate for %s cannot be used (AuthBearerClientCert,"
      " AuthBearerClientKey)" },
    { CURLE_SSL_CONNECT_ERROR, ALWAYS, 0,
      "the TLS handshake with %s failed; check that it is an https port with TLS 1.2 or later" },
    { CURLE_FILESIZE_EXCEEDED, ALWAYS, 0, "the response of %s is too large" },
    { CURLE_GOT_NOTHING, ALWAYS, 0, "%s closed the connection without a response" },
    { CURLE_PARTIAL_FILE, ALWAYS, 0,
      "%s closed the connection before the end of its response" },
};

static int condition_holds(CURL *curl, CURLINFO condition, long value)
{
    curl_off_t ready = 0;
    long seen = 0;

    if (condition == CONNECTING) {
        /* time for name, TCP and TLS; also set for a reused connection */
        curl_easy_getinfo(curl, CONNECTING, &ready);
        return ready == 0;
    }
    curl_easy_getinfo(curl, condition, &seen);  /* 0 for ALWAYS */
    return condition == PROXY_SAID_NO ? seen >= 300 : seen == value;
}

/* Returns the peer of the failed connection. */
static const char *peer_of(const bearer_http_failure_t *f)
{
    return f->request->proxy && f->code == CURLE_COULDNT_CONNECT
             ? "the proxy (AuthBearerHTTPProxy)"
             : f->host;
}

/* libcurl's own text, for codes without a row and for TLS errors; not if it
 * repeats the proxy, whose URL may contain a password. */
static const char *in_its_words(const bearer_http_failure_t *f, apr_pool_t *p)
{
    const char *proxy = f->request->proxy;

    return bearer_text_quote(p, f->message[0] && !(proxy && strstr(f->message, proxy))
                                ? f->message : curl_easy_strerror(f->code));
}

apr_status_t bearer_http_explain(const bearer_http_failure_t *f, const char **error,
                                 apr_pool_t *p)
{
    const char *url = bearer_http_url_shown(f->request->url, p);
    apr_size_t i;

    for (i = 0; i < sizeof(explanations) / sizeof(explanations[0]); i++) {
        if (explanations[i].code == f->code
            && condition_holds(f->curl, explanations[i].condition, explanations[i].value)) {
            *error = apr_pstrcat(p, url, ": ",
                                 apr_psprintf(p, explanations[i].text, peer_of(f)),
                                 " (", in_its_words(f, p), ")", NULL);
            return f->code == CURLE_OPERATION_TIMEDOUT ? APR_TIMEUP
                 : f->code == CURLE_FILESIZE_EXCEEDED  ? APR_ENOSPC : APR_EGENERAL;
        }
    }
    *error = apr_psprintf(p, "%s: %s", url, in_its_words(f, p));
    return APR_EGENERAL;
}
