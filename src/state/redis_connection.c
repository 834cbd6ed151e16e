/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * One connection to a redis server. See redis_inside.h.
 *
 * hiredis formats commands and parses replies. Sockets are opened here, because
 * hiredis looks up names itself and has no deadline. Replies go straight into the
 * caller's pool, up to the size that the caller allows.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "state/redis_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <apr_strings.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

#ifdef HAVE_HIREDIS
#include <hiredis.h>
#endif
#ifdef HAVE_HIREDIS_SSL
#include <hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

const char *bearer_redis_lacks(int tls)
{
#ifndef HAVE_HIREDIS
    (void)tls;
    return "this module was built without hiredis; install libhiredis-dev and "
           "build it again with ./configure";
#elif !defined(HAVE_HIREDIS_SSL)
    return tls ? "this module was built with a hiredis that has no TLS; it needs "
                 "hiredis 1.0 with libhiredis_ssl, or use a TLS tunnel"
               : NULL;
#else
    (void)tls;
    return NULL;
#endif
}

#ifndef HAVE_HIREDIS_SSL
void *bearer_redis_tls(const char *ca_file, const char **error, apr_pool_t *p)
{
    (void)ca_file, (void)p;
    *error = bearer_redis_lacks(1);
    return NULL;
}
#endif

#ifdef HAVE_HIREDIS

/** Bytes around a value in a reply, and of a line. */
#define FRAME 512

struct bearer_redis_connection_t {
    redisContext *context;
    redisReplyObjectFunctions functions;
};

/* ---- replies ------------------------------------------------------------ */

/* Each returns the reply itself for data that fits. For unexpected data it returns
 * NULL, which ends the parsing with an error. */

static void *take_string(const redisReadTask *task, char *text, size_t len)
{
    bearer_redis_reply_t *reply = task->privdata;
    int place = task->parent ? task->idx : 0;

    if (task->type == REDIS_REPLY_ERROR || task->type == REDIS_REPLY_STATUS) {
        reply->is_error |= task->type == REDIS_REPLY_ERROR;
        apr_cpystrn(reply->text, text, len < sizeof(reply->text) - 1
                                           ? len + 1 : sizeof(reply->text));
        return task->parent ? NULL : reply;
    }
    if (task->type != REDIS_REPLY_STRING || place >= reply->count
        || len > reply->max) {
        return NULL;
    }
    reply->values[place].data = apr_palloc(reply->p, len + 1);
    memcpy(reply->values[place].data, text, len);
    reply->values[place].data[len] = '\0';
    reply->values[place].len = len;
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *take_array(const redisReadTask *task, size_t count)
#else
static void *take_array(const redisReadTask *task, int count)
#endif
{
    bearer_redis_reply_t *reply = task->privdata;

    if (task->type != REDIS_REPLY_ARRAY || task->parent
        || (long long)count != reply->count) {
        return NULL;
    }
    reply->is_array = 1;
    return reply;
}

static void *take_integer(const redisReadTask *task, long long value)
{
    bearer_redis_reply_t *reply = task->privdata;

    reply->integer = value;
    return task->parent ? NULL : reply;
}

static void *take_nil(const redisReadTask *task)
{
    bearer_redis_reply_t *reply = task->privdata;

    reply->is_nil |= !task->parent;
    return reply;
}

#if HIREDIS_MAJOR >= 1
static void *refuse_double(const redisReadTask *task, double value, char *text,
                           size_t len)
{
    (void)task, (void)value, (void)text, (void)len;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
    (void)task, (void)value;
    return NULL;
}
#endif

/* Without freeObject, because the caller owns the objects. */
static void set_functions(bearer_redis_connection_t *c)
{
    c->functions.createString = take_string;
    c->functions.createArray = take_array;
    c->functions.createInteger = take_integer;
    c->functions.createNil = take_nil;
#if HIREDIS_MAJOR >= 1
    c->functions.createDouble = refuse_double;
    c->functions.createBool = refuse_bool;
#endif
    c->context->reader->fn = &c->functions;
}

/* ---- waiting ------------------------------------------------------------ */

static bearer_redis_end_t wait_for(int fd, short events,
                                   bearer_redis_wait_t *wait)
{
    struct pollfd poller = { fd, events, 0 };
    bearer_redis_end_t end;
    int n = 0;

    while (n <= 0) {
        int ms = bearer_redis_may_wait(wait, &end);

        if (!ms) {
            return end;
        }
        n = poll(&poller, 1, ms);
        if (n < 0 && errno != EINTR) {
            return BEARER_REDIS_BROKEN;
        }
    }
    return BEARER_REDIS_DONE;
}

static bearer_redis_end_t broken(bearer_redis_call_t *call, const char *text)
{
    call->detail = apr_pstrdup(call->p, text);
    return BEARER_REDIS_BROKEN;
}

static bearer_redis_end_t broken_errno(bearer_redis_call_t *call, int error)
{
    return broken(call, bearer_text_status(call->p, error));
}

/* ---- connecting --------------------------------------------------------- */

static int open_socket(const bearer_address_t *address)
{
    int fd = socket(address->address.ss_family, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0
        || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    if (address->address.ss_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

static bearer_redis_end_t connect_socket(int fd, const bearer_address_t *address,
                                         bearer_redis_call_t *call)
{
    const struct sockaddr *to = (const struct sockaddr *)&address->address;
    bearer_redis_end_t end;
    int error = 0;
    socklen_t len = sizeof(error);

    if (connect(fd, to, address->len) == 0) {
        return BEARER_REDIS_DONE;
    }
    if (errno != EINPROGRESS) {
        return broken_errno(call, errno);
    }
    end = wait_for(fd, POLLOUT, &call->wait);
    if (end == BEARER_REDIS_DONE
        && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error)) {
        end = broken_errno(call, error);
    }
    return end;
}

#ifdef HAVE_HIREDIS_SSL

static apr_status_t free_context(void *context)
{
    SSL_CTX_free(context);
    return APR_SUCCESS;
}

/* Does not use hiredis' context, which does not verify host names. */
void *bearer_redis_tls(const char *ca_file, const char **error, apr_pool_t *p)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
        || !(ca_file ? SSL_CTX_load_verify_file(context, ca_file)
                     : SSL_CTX_set_default_verify_paths(context))) {
        *error = apr_psprintf(p, "this process cannot read a certificate authority from %s",
                              ca_file ? ca_file : "the system's files");
        SSL_CTX_free(context);
        ERR_clear_error();
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    apr_pool_cleanup_register(p, context, free_context, apr_pool_cleanup_null);
    return context;
}

static int expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1
        || inet_pton(AF_INET6, host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    }
    return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

static bearer_redis_end_t tls_failed(const SSL *ssl, bearer_redis_call_t *call)
{
    long verified = SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    if (verified != X509_V_OK) {
        reason = apr_psprintf(call->p, "the certificate is not accepted: %s",
                              X509_verify_cert_error_string(verified));
    }
    ERR_clear_error();
    return broken(call, reason ? reason : "the TLS handshake failed");
}

static bearer_redis_end_t start_tls(bearer_redis_connection_t *c,
                                    bearer_redis_call_t *call)
{
    SSL *ssl = SSL_new(call->redis->tls);
    bearer_redis_end_t end = BEARER_REDIS_DONE;
    int rv = 0;

    if (!ssl || !expect_host(ssl, call->redis->config->host)
        || redisInitiateSSL(c->context, ssl) != REDIS_OK) {
        end = ssl ? tls_failed(ssl, call) : BEARER_REDIS_BROKEN;
        SSL_free(ssl);
        return end;
    }
    while (end == BEARER_REDIS_DONE && (rv = SSL_do_handshake(ssl)) != 1) {
        int why = SSL_get_error(ssl, rv);

        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            return tls_failed(ssl, call);
        }
        end = wait_for(c->context->fd,
                       why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, &call->wait);
    }
    return end;
}

#else

static bearer_redis_end_t start_tls(bearer_redis_connection_t *c,
                                    bearer_redis_call_t *call)
{
    (void)c;
    return broken(call, bearer_redis_lacks(1));
}

#endif

bearer_redis_end_t bearer_redis_connect(bearer_redis_connection_t **connection,
                                        const bearer_address_t *address,
                                        bearer_redis_call_t *call)
{
    bearer_redis_connection_t *c = calloc(1, sizeof(*c));
    int fd = c ? open_socket(address) : -1;
    bearer_redis_end_t end;

    *connection = NULL;
    if (fd < 0) {
        free(c);
        return broken_errno(call, errno);
    }
    end = connect_socket(fd, address, call);
    if (end == BEARER_REDIS_DONE) {
        c->context = redisConnectFd(fd);
        end = c->context ? end : broken(call, "out of memory");
    }
    if (end != BEARER_REDIS_DONE) {
        close(fd);
        free(c);
        return end;
    }
    c->context->flags &= ~REDIS_BLOCK;
    set_functions(c);
    if (call->redis->tls) {
        end = start_tls(c, call);
    }
    if (end == BEARER_REDIS_DONE) {
        *connection = c;
    } else {
        bearer_redis_close(c);
    }
    return end;
}

void bearer_redis_close(bearer_redis_connection_t *c)
{
    redisFree(c->context);
    free(c);
}

int bearer_redis_is_open(const bearer_redis_connection_t *c)
{
    struct pollfd poller = { c->context->fd, POLLIN, 0 };

    return poll(&poller, 1, 0) == 0;
}

/* ---- a command and its reply -------------------------------------------- */

static bearer_redis_end_t cut(const redisContext *context, bearer_redis_call_t *call)
{
    broken(call, context->errstr);
    return BEARER_REDIS_CUT;
}

static bearer_redis_end_t send_all(redisContext *context, bearer_redis_call_t *call)
{
    int done = 0;

    for (;;) {
        bearer_redis_end_t end;

        if (redisBufferWrite(context, &done) != REDIS_OK) {
            return cut(context, call);
        }
        if (done) {
            return BEARER_REDIS_DONE;
        }
        end = wait_for(context->fd, POLLOUT, &call->wait);
        if (end != BEARER_REDIS_DONE) {
            return end;
        }
    }
}

static size_t buffered(const redisContext *context)
{
    return context->reader->len - context->reader->pos;
}

/* Returns whether the reply is complete; BEARER_REDIS_LATE: not yet. */
static bearer_redis_end_t look_at_reply(redisContext *context,
                                        bearer_redis_call_t *call)
{
    void *whole = NULL;

    if (redisReaderGetReply(context->reader, &whole) != REDIS_OK) {
        if (context->reader->err == REDIS_ERR_OOM) {
            return BEARER_REDIS_UNFIT;  /* includes data that the functions above refuse */
        }
        return broken(call, context->reader->errstr);
    }
    if (!whole) {
        return buffered(context) > call->reply.max + FRAME ? BEARER_REDIS_UNFIT
                                                           : BEARER_REDIS_LATE;
    }
    return buffered(context) ? broken(call, "more than one reply") : BEARER_REDIS_DONE;
}

static bearer_redis_end_t receive(redisContext *context, bearer_redis_call_t *call)
{
    bearer_redis_end_t end = BEARER_REDIS_LATE;
    int begun = 0;

    while (end == BEARER_REDIS_LATE) {
        end = wait_for(context->fd, POLLIN, &call->wait);
        if (end != BEARER_REDIS_DONE) {
            return end;
        }
        if (redisBufferRead(context) != REDIS_OK) {
            return begun ? broken(call, context->errstr) : cut(context, call);
        }
        begun |= buffered(context) > 0;
        end = look_at_reply(context, call);
    }
    return end;
}

bearer_redis_end_t bearer_redis_exchange(bearer_redis_connection_t *c,
                                         const bearer_redis_command_t *command,
                                         bearer_redis_call_t *call)
{
    const char **args = (const char **)(apr_uintptr_t)command->args;
    bearer_redis_end_t end;

    c->context->reader->privdata = &call->reply;
    if (redisAppendCommandArgv(c->context, command->count, args, command->lens)
        != REDIS_OK) {
        return broken(call, "out of memory");
    }
    end = send_all(c->context, call);
    return end == BEARER_REDIS_DONE ? receive(c->context, call) : end;
}

#else

bearer_redis_end_t bearer_redis_connect(bearer_redis_connection_t **connection,
                                        const bearer_address_t *address,
                                        bearer_redis_call_t *call)
{
    (void)address;
    *connection = NULL;
    call->detail = bearer_redis_lacks(0);
    return BEARER_REDIS_BROKEN;
}

bearer_redis_end_t bearer_redis_exchange(bearer_redis_connection_t *connection,
                                         const bearer_redis_command_t *command,
                                         bearer_redis_call_t *call)
{
    (void)connection, (void)command;
    call->detail = bearer_redis_lacks(0);
    return BEARER_REDIS_BROKEN;
}

int bearer_redis_is_open(const bearer_redis_connection_t *connection)
{
    (void)connection;
    return 0;
}

void bearer_redis_close(bearer_redis_connection_t *connection)
{
    (void)connection;
}

#endif
