/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_server.h
 * A scripted HTTP server on a free loopback port, in a thread of the test: says
 * what it is told to, remembers what it was asked. One connection at a time.
 *
 *     unit_server_t *s = unit_server(p, NULL);
 *     unit_server_says(s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
 *     ... ask s->url ...
 *     unit_server_stop(s);
 */
#pragma once

#include <stdatomic.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "unit.h"

typedef enum {
    UNIT_SERVER_ANSWER,    /**< the answer, then the next request */
    UNIT_SERVER_CLOSE,     /**< the answer, then the connection is closed */
    UNIT_SERVER_TRICKLE,   /**< the answer, then a byte every 50 ms */
    UNIT_SERVER_SILENT,    /**< takes the request and says nothing */
    UNIT_SERVER_STALL      /**< the answer, and no more: it holds the connection */
} unit_server_mode_t;

typedef struct unit_server_t {
    const char *url;       /**< http://127.0.0.1:PORT or https://... */
    int port;
    atomic_int requests;
    atomic_int connections;
    char request[16384];   /**< the last one, whole; read it after the answer */
    /* internal */
    int fd;
    pthread_t thread;
    atomic_int stopping;
    _Atomic(unit_server_mode_t) mode;
    _Atomic(const char *) answer;
    SSL_CTX *tls;
} unit_server_t;

typedef struct unit_server_peer_t {
    int fd;
    SSL *ssl;
} unit_server_peer_t;

static inline int unit_server_read(unit_server_peer_t *peer, char *to, int max)
{
    return peer->ssl ? SSL_read(peer->ssl, to, max)
                     : (int)recv(peer->fd, to, (size_t)max, 0);
}

static inline int unit_server_write(unit_server_peer_t *peer, const char *from,
                                    size_t len)
{
    return peer->ssl ? SSL_write(peer->ssl, from, (int)len)
                     : (int)send(peer->fd, from, len, MSG_NOSIGNAL);
}

/* One request with its Content-Length body; 0 when the peer went away. */
static inline int unit_server_take(unit_server_t *s, unit_server_peer_t *peer)
{
    int len = 0, wanted = -1;

    while (wanted < 0 || len < wanted) {
        const char *end, *body;
        int n = len < (int)sizeof(s->request) - 1
                    ? unit_server_read(peer, s->request + len,
                                       (int)sizeof(s->request) - 1 - len)
                    : 0;

        if (n <= 0) {
            return 0;
        }
        len += n;
        s->request[len] = '\0';
        end = strstr(s->request, "\r\n\r\n");
        if (end) {
            body = strstr(s->request, "Content-Length: ");
            wanted = (int)(end - s->request) + 4 + (body ? atoi(body + 16) : 0);
        }
    }
    return 1;
}

static inline void unit_server_trickle(unit_server_t *s,
                                       unit_server_peer_t *peer)
{
    while (!atomic_load(&s->stopping) && unit_server_write(peer, " ", 1) == 1) {
        (void)poll(NULL, 0, 50);
    }
}

static inline void unit_server_hold(unit_server_t *s)
{
    while (!atomic_load(&s->stopping)) {
        (void)poll(NULL, 0, 20);
    }
}

static inline void unit_server_talk(unit_server_t *s, unit_server_peer_t *peer)
{
    while (unit_server_take(s, peer)) {
        unit_server_mode_t mode = atomic_load(&s->mode);
        const char *answer = atomic_load(&s->answer);

        atomic_fetch_add(&s->requests, 1);
        if (mode == UNIT_SERVER_SILENT) {
            unit_server_hold(s);
            return;
        }
        if (unit_server_write(peer, answer, strlen(answer)) <= 0) {
            return;
        }
        if (mode == UNIT_SERVER_TRICKLE) {
            unit_server_trickle(s, peer);
        } else if (mode == UNIT_SERVER_STALL) {
            unit_server_hold(s);
        }
        if (mode != UNIT_SERVER_ANSWER) {
            return;
        }
    }
}

static inline void *unit_server_run(void *baton)
{
    unit_server_t *s = baton;
    struct timeval patience = { 0, 200000 };

    while (!atomic_load(&s->stopping)) {
        unit_server_peer_t peer = { -1, NULL };

        peer.fd = accept(s->fd, NULL, NULL);
        if (peer.fd < 0) {
            continue;
        }
        atomic_fetch_add(&s->connections, 1);
        if (s->tls) {
            peer.ssl = SSL_new(s->tls);
            SSL_set_fd(peer.ssl, peer.fd);
        } else {
            /* so that an idle connection does not keep the test from ending */
            setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                       sizeof(patience));
        }
        if (!peer.ssl || SSL_accept(peer.ssl) == 1) {
            unit_server_talk(s, &peer);
        }
        SSL_free(peer.ssl);
        close(peer.fd);
    }
    return NULL;
}

/** @param host  its last number, of 127.0.0.x
 *  @param port  0: a free one */
static inline unit_server_t *unit_server_at(apr_pool_t *p, SSL_CTX *tls,
                                            unsigned host, int port)
{
    unit_server_t *s = apr_pcalloc(p, sizeof(*s));
    struct sockaddr_in address;
    socklen_t len = sizeof(address);

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host);
    address.sin_port = htons((unsigned short)port);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
    s->port = ntohs(address.sin_port);
    s->tls = tls;
    s->url = apr_psprintf(p, "%s://127.0.0.%u:%d", tls ? "https" : "http",
                          host, s->port);
    atomic_init(&s->answer, "");
    assert_int_equal(pthread_create(&s->thread, NULL, unit_server_run, s), 0);
    return s;
}

static inline unit_server_t *unit_server(apr_pool_t *p, SSL_CTX *tls)
{
    return unit_server_at(p, tls, 1, 0);
}

static inline void unit_server_does(unit_server_t *s, unit_server_mode_t mode,
                                    const char *answer)
{
    atomic_store(&s->answer, answer);
    atomic_store(&s->mode, mode);
}

static inline void unit_server_says(unit_server_t *s, const char *answer)
{
    unit_server_does(s, UNIT_SERVER_CLOSE, answer);
}

static inline void unit_server_stop(unit_server_t *s)
{
    atomic_store(&s->stopping, 1);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    SSL_CTX_free(s->tls);
}

/**
 * A server context with a fresh self-signed certificate.
 * @param names  subjectAltName, e.g. "IP:127.0.0.1"
 * @param from,until  validity, seconds from now
 * @param pem  where the certificate is written (for CAFile); may be NULL
 */
static inline SSL_CTX *unit_server_tls(const char *names, long from, long until,
                                       const char *pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
                                              names);

    assert_non_null(key);
    assert_non_null(alt);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), until);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_add_ext(cert, alt, -1);
    X509_EXTENSION_free(alt);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(tls, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
    if (pem) {
        FILE *file = fopen(pem, "w");

        assert_non_null(file);
        assert_int_equal(PEM_write_X509(file, cert), 1);
        fclose(file);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return tls;
}
