/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Which URLs may be fetched, and small HTTP encodings. See http.h; the client is in
 * http_curl.c. Pure functions, thread-safe.
 *
 * A URL is checked before libcurl sees it, and more strictly than by libcurl.
 * Everything that two parsers may read differently (backslash, "@", numbers as
 * addresses) is refused, so that the checked host is the host that gets the request.
 */
#include "base/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/text.h"

#define HOST_MAX 255

/* ---- splitting a URL --------------------------------------------------- */

/* RFC 3986: the characters allowed in a URL; all others must be encoded. */
static int is_url_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

static const char *text_error(const char *url)
{
    if (strlen(url) > BEARER_HTTP_URL_MAX) {
        return "it is longer than 2048 bytes";
    }
    for (; *url; url++) {
        if (*url == '#') {
            return "it has a fragment";
        }
        if (!is_url_char((unsigned char)*url)) {
            return "it contains a character that a URL cannot have";
        }
    }
    return NULL;
}

static const char *scheme_error(bearer_http_url_t *parts, const char **rest)
{
    parts->https = strncasecmp(*rest, "https://", 8) == 0;
    parts->port = parts->https ? 443 : 80;
    if (!parts->https && strncasecmp(*rest, "http://", 7) != 0) {
        return "it is not absolute, with scheme https (or http)";
    }
    *rest += parts->https ? 8 : 7;
    return NULL;
}

static const char *port_error(int *port, const char *s, apr_size_t len)
{
    *port = len <= 6 && strspn(s, "0123456789") == len ? atoi(s) : 0;
    return *port < 1 || *port > 65535 ? "its port is not a number from 1 to 65535" : NULL;
}

static int is_host_char(char c, int ipv6)
{
    if (ipv6) {
        return apr_isxdigit(c) || c == ':' || c == '.';
    }
    return apr_isalnum(c) || c == '.' || c == '-' || c == '_';
}

static const char *host_error(bearer_http_url_t *parts, const char *s, apr_size_t len,
                              int ipv6, apr_pool_t *p)
{
    unsigned char address[16];
    char *host;
    apr_size_t i;

    if (len == 0 || len > HOST_MAX) {
        return "it has no host";
    }
    host = apr_pstrmemdup(p, s, len);
    for (i = 0; i < len; i++) {
        if (!is_host_char(s[i], ipv6)) {
            return "its host contains a character that a host cannot have";
        }
        host[i] = (char)apr_tolower(s[i]);
    }
    if (ipv6 && inet_pton(AF_INET6, host, address) != 1) {
        return "its host is not an IPv6 address";
    }
    parts->host = host;
    return NULL;
}

/* host [":" port], RFC 3986 section 3.2 without userinfo. */
static const char *authority_error(bearer_http_url_t *parts, const char *s,
                                   apr_size_t len, apr_pool_t *p)
{
    const char *end = s + len;
    const char *host = s, *host_end, *error;
    int ipv6 = len && *s == '[';

    if (memchr(s, '@', len)) {
        return "it contains credentials";
    }
    if (ipv6) {
        host = s + 1;
        host_end = memchr(host, ']', (apr_size_t)(end - host));
        if (!host_end) {
            return "its host is not an IPv6 address";
        }
        s = host_end + 1;
    } else {
        host_end = memchr(s, ':', len);
        s = host_end = host_end ? host_end : end;
    }
    error = host_error(parts, host, (apr_size_t)(host_end - host), ipv6, p);
    if (error || s == end) {
        return error;
    }
    if (*s != ':') {
        return "its host contains a character that a host cannot have";
    }
    s++;
    return port_error(&parts->port, s, (apr_size_t)(end - s));
}

const char *bearer_http_url_split(bearer_http_url_t *parts, const char *url,
                                  apr_pool_t *p)
{
    const char *rest = url;
    apr_size_t authority;
    const char *error = text_error(url);

    memset(parts, 0, sizeof(*parts));
    if (!error) {
        error = scheme_error(parts, &rest);
    }
    if (error) {
        return error;
    }
    authority = strcspn(rest, "/?");
    parts->path = apr_pstrdup(p, rest + authority);
    return authority_error(parts, rest, authority, p);
}

static int target_is_clean(const char *target)
{
    const char *c;

    for (c = target; *c > 0x20 && *c < 0x7f && *c != '#'; c++) {
    }
    return *target == '/' && !*c && c - target <= BEARER_HTTP_TARGET_MAX;
}

/* The URL alone determines the server; the target determines only path and query. */
const char *bearer_http_url_to(const char *url, const char *target, apr_pool_t *p)
{
    const char *authority = strstr(url, "://");
    apr_size_t len;

    if (!target) {
        return url;
    }
    if (!authority || !target_is_clean(target)) {
        return NULL;
    }
    authority += 3;
    len = (apr_size_t)(authority - url) + strcspn(authority, "/?");
    return apr_pstrcat(p, apr_pstrmemdup(p, url, len), target, NULL);
}

int bearer_http_same_origin(const char *a, const char *b, apr_pool_t *p)
{
    bearer_http_url_t left, right;

    if (!a || !b || bearer_http_url_split(&left, a, p)
        || bearer_http_url_split(&right, b, p)) {
        return 0;
    }
    return left.https == right.https && left.port == right.port
           && strcmp(left.host, right.host) == 0;
}

/* Finds the authority of a URL and its host. A password that was not encoded may
 * contain characters that end an authority. It is a password if the text in the
 * place of the port is not a number. */
static const char *authority_of(const char *url, const char **host)
{
    const char *scheme = strstr(url, "://");
    const char *authority = scheme ? scheme + 3 : url, *end, *port;

    end = authority + strcspn(authority, "/?#");
    port = authority;
    port += *port == '[' ? strcspn(port, "]/?#") : strcspn(port, ":/?#");
    port += *port == ']';
    if (*port == ':' && port + 1 + strspn(port + 1, "0123456789") != end) {
        end += strlen(end);
    }
    for (*host = end; *host > authority && (*host)[-1] != '@'; --*host) {
    }
    return authority;
}

const char *bearer_http_url_masked(const char *url, apr_pool_t *p)
{
    const char *host, *authority = authority_of(url, &host);
    apr_size_t len = strcspn(host, "?#");

    return apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(authority - url)),
                       host > authority ? "***@" : "",
                       apr_pstrmemdup(p, host, len), host[len] ? "?***" : "", NULL);
}

const char *bearer_http_url_shown(const char *url, apr_pool_t *p)
{
    const char *host, *authority = authority_of(url, &host);

    return bearer_text_quote(p, apr_pstrcat(
        p, apr_pstrmemdup(p, url, (apr_size_t)(authority - url)),
        apr_pstrmemdup(p, host, strcspn(host, "?#")), NULL));
}

const char *bearer_http_proxy_error(const char *url, apr_pool_t *p)
{
    const char *host, *authority = authority_of(url, &host);
    bearer_http_url_t parts;

    return authority + strcspn(authority, "/?#") < host
        ? "its user and password are not percent-encoded"
        : bearer_http_url_split(&parts, apr_pstrcat(
              p, apr_pstrmemdup(p, url, (apr_size_t)(authority - url)), host, NULL),
              p);
}

/* ---- URLs that may be fetched ------------------------------------------ */

int bearer_http_is_loopback(const char *host)
{
    unsigned char address[16];

    if (strcasecmp(host, "localhost") == 0) {
        return 1;
    }
    if (inet_pton(AF_INET, host, address) == 1) {
        return address[0] == 127;
    }
    return inet_pton(AF_INET6, host, address) == 1
           && memcmp(address, &in6addr_loopback, sizeof(address)) == 0;
}

/* One AuthBearerPlainHTTP entry: HOST, HOST:PORT, ::1, [::1], [::1]:PORT. */
static int entry_matches(const char *entry, const bearer_http_url_t *url)
{
    const char *colon = strrchr(entry, ':');
    const char *bracket = strrchr(entry, ']');
    apr_size_t len = strlen(entry);
    int port = 0;

    if (colon && (bracket ? colon > bracket : strchr(entry, ':') == colon)) {
        len = (apr_size_t)(colon - entry);
        if (port_error(&port, colon + 1, strlen(colon + 1)) != NULL
            || port != url->port) {
            return 0;
        }
    }
    if (len >= 2 && entry[0] == '[' && entry[len - 1] == ']') {
        entry++;
        len -= 2;
    }
    return len == strlen(url->host) && strncasecmp(entry, url->host, len) == 0;
}

static int is_from_loopback(const char *url, apr_pool_t *p)
{
    bearer_http_url_t parts;

    return !bearer_http_url_split(&parts, url, p)
           && bearer_http_is_loopback(parts.host);
}

static int plain_http_allowed(const bearer_http_url_t *url, const char *found_in,
                              const apr_array_header_t *plain_http, apr_pool_t *p)
{
    int i;

    if (bearer_http_is_loopback(url->host)
        && (!found_in || is_from_loopback(found_in, p))) {
        return 1;
    }
    for (i = 0; plain_http && i < plain_http->nelts; i++) {
        if (entry_matches(APR_ARRAY_IDX(plain_http, i, const char *), url)) {
            return 1;
        }
    }
    return 0;
}

const char *bearer_http_url_error(const char *url, const char *found_in,
                                  const apr_array_header_t *plain_http,
                                  apr_pool_t *p)
{
    bearer_http_url_t parts;
    const char *error;

    if (!url || !*url) {
        return "the URL is empty";
    }
    error = bearer_http_url_split(&parts, url, p);
    if (error) {
        return apr_psprintf(p, "the URL %s cannot be used: %s",
                            bearer_http_url_shown(url, p), error);
    }
    if (!parts.https && !plain_http_allowed(&parts, found_in, plain_http, p)) {
        return apr_psprintf(p, "the URL %s is not https; use https, or name %s in "
                            "AuthBearerPlainHTTP%s",
                            bearer_http_url_shown(url, p), parts.host,
                            bearer_http_is_loopback(parts.host)
                            ? " (the document that names it is from another host)"
                            : "");
    }
    return NULL;
}

/* ---- small encodings --------------------------------------------------- */

const char *bearer_http_form_escape(apr_pool_t *p, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = apr_palloc(p, 3 * strlen(s) + 1);
    char *out = escaped;

    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x80 && (apr_isalnum(c) || strchr("*-._", c))) {
            *out++ = (char)c;
        } else if (c == ' ') {
            *out++ = '+';
        } else {
            *out++ = '%';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        }
    }
    *out = '\0';
    return escaped;
}

apr_time_t bearer_http_date(const char *date)
{
    time_t seconds;

    /* all three forms begin with the name of a day; curl_getdate() accepts more */
    if (!date || !apr_isalpha(*date)) {
        return 0;
    }
    seconds = curl_getdate(date, NULL);
    return seconds < 0 ? 0 : apr_time_from_sec((apr_time_t)seconds);
}

const char *bearer_http_ca_file_error(const char *path, apr_pool_t *p)
{
    BIO *in = BIO_new_file(path, "r");
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    const char *error = NULL;

    if (!in) {
        error = apr_psprintf(p, "it cannot be opened: %s", strerror(errno));
    } else if (!certificate) {
        error = "it has no PEM certificate";
    }
    X509_free(certificate);
    BIO_free(in);
    ERR_clear_error();
    return error;
}
