/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file unit_redis.h
 * A scripted redis server on a free loopback port or a unix socket, in threads
 * of the test: one for each connection. Remembers what it was asked.
 *
 *     unit_redis_t *s = unit_redis(p, NULL);
 *     unit_redis_says(s, UNIT_REDIS_SAY, "$-1\r\n", 5);
 *     ... ask 127.0.0.1:s->port ...
 *     unit_redis_stop(s);
 */
#pragma once

#include <stdatomic.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

typedef enum {
    UNIT_REDIS_SAY,        /**< the reply */
    UNIT_REDIS_ECHO,       /**< the first argument, as a string */
    UNIT_REDIS_SILENT,     /**< nothing */
    UNIT_REDIS_DRIP,       /**< the reply, a byte every 30 ms */
    UNIT_REDIS_SAY_CLOSE,  /**< the reply, and the connection is closed */
    UNIT_REDIS_FLOOD       /**< the reply, and then `a` for ever */
} unit_redis_mode_t;

#define UNIT_REDIS_PEERS 256

typedef struct unit_redis_t {
    int port;
    const char *path;
    atomic_int connections, open, commands;
    atomic_long flooded;         /**< bytes that were taken from a flood */
    /** milliseconds before AUTH and SELECT are answered */
    atomic_int login_delay;
    char log[4096];              /**< the commands, under the mutex */
    /* under the mutex */
    unit_redis_mode_t mode;
    char reply[8192];
    size_t reply_len;
    const char *auth;            /**< the answer to AUTH and SELECT */
    /* internal */
    pthread_mutex_t mutex;
    pthread_t thread, peers[UNIT_REDIS_PEERS];
    int fd, peer_count;
    int end[2];                  /**< a pipe, whose second end is closed to stop */
    atomic_int stopping;
} unit_redis_t;

typedef struct unit_redis_peer_t {
    unit_redis_t *server;
    int fd;
    char in[65536];
    size_t len;
} unit_redis_peer_t;

/* Waits until something can be read there; 0: the server stops. */
static inline int unit_redis_readable(const unit_redis_t *s, int fd)
{
    struct pollfd pollers[] = { { fd, POLLIN, 0 }, { s->end[0], POLLIN, 0 } };

    while (poll(pollers, 2, -1) < 0) {
    }
    return !pollers[1].revents;
}

/* A whole line or len bytes and their end, from the front; 0: the peer is gone. */
static inline int unit_redis_more(unit_redis_peer_t *peer)
{
    ssize_t n;

    if (peer->len >= sizeof(peer->in) - 1 || !unit_redis_readable(peer->server, peer->fd)) {
        return 0;
    }
    n = recv(peer->fd, peer->in + peer->len, sizeof(peer->in) - 1 - peer->len, 0);
    if (n <= 0) {
        return 0;
    }
    peer->len += (size_t)n;
    peer->in[peer->len] = '\0';
    return 1;
}

/* The length of the command at the front; 0: it is not whole yet. */
static inline size_t unit_redis_whole(const unit_redis_peer_t *peer)
{
    const char *at = peer->in, *end = peer->in + peer->len, *line;
    int args;

    line = memchr(at, '\n', peer->len);
    if (!line) {
        return 0;
    }
    for (args = atoi(at + 1), at = line + 1; args; args--) {
        size_t len;

        line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!line) {
            return 0;
        }
        len = (size_t)atol(at + 1);
        at = line + 1 + len + 2;
        if (at > end) {
            return 0;
        }
    }
    return (size_t)(at - peer->in);
}

/* One word of the command at *at. */
static inline size_t unit_redis_word(const char **at, const char **word)
{
    size_t len = (size_t)atol(*at + 1);

    *word = strchr(*at, '\n') + 1;
    *at = *word + len + 2;
    return len;
}

/* `SET key value PX 1000` for a reader; *first: the first argument. */
static inline void unit_redis_note(unit_redis_peer_t *peer, const char **name,
                                   const char **first, size_t *first_len)
{
    const char *at = strchr(peer->in, '\n') + 1, *word;
    int i, args = atoi(peer->in + 1);
    unit_redis_t *s = peer->server;

    *first = "";
    *first_len = 0;
    pthread_mutex_lock(&s->mutex);
    for (i = 0; i < args; i++) {
        size_t len = unit_redis_word(&at, &word), used = strlen(s->log);

        if (i == 0) {
            *name = word;
        } else if (i == 1) {
            *first = word;
            *first_len = len;
        }
        snprintf(s->log + used, sizeof(s->log) - used, "%.*s%s", (int)len, word,
                 i == args - 1 ? "\n" : " ");
    }
    pthread_mutex_unlock(&s->mutex);
}

static inline int unit_redis_send(unit_redis_peer_t *peer, const char *data,
                                  size_t len)
{
    while (len) {
        ssize_t n = send(peer->fd, data, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return 0;
        }
        data += n;
        len -= (size_t)n;
    }
    return 1;
}

static inline int unit_redis_drip(unit_redis_peer_t *peer, const char *data,
                                  size_t len)
{
    for (; len && !atomic_load(&peer->server->stopping); data++, len--) {
        if (!unit_redis_send(peer, data, 1)) {
            return 0;
        }
        (void)poll(NULL, 0, 30);
    }
    return 1;
}

static inline int unit_redis_flood(unit_redis_peer_t *peer)
{
    char many[4096];

    memset(many, 'a', sizeof(many));
    while (!atomic_load(&peer->server->stopping)
           && unit_redis_send(peer, many, sizeof(many))) {
        atomic_fetch_add(&peer->server->flooded, (long)sizeof(many));
    }
    return 0;
}

static inline int unit_redis_hold(unit_redis_peer_t *peer)
{
    char byte;

    while (unit_redis_readable(peer->server, peer->fd)
           && recv(peer->fd, &byte, 1, 0) > 0) {
    }
    return 0;
}

/* 0: the connection is to be closed. */
static inline int unit_redis_answer(unit_redis_peer_t *peer)
{
    const char *name = "", *first;
    unit_redis_t *s = peer->server;
    char reply[sizeof(s->reply)];
    unit_redis_mode_t mode;
    size_t len, first_len;
    int login;

    unit_redis_note(peer, &name, &first, &first_len);
    login = !strncmp(name, "AUTH", 4) || !strncmp(name, "SELECT", 6);
    pthread_mutex_lock(&s->mutex);
    mode = login ? UNIT_REDIS_SAY : s->mode;
    len = login ? strlen(s->auth) : s->reply_len;
    memcpy(reply, login ? s->auth : s->reply, len);
    pthread_mutex_unlock(&s->mutex);
    if (login) {
        (void)poll(NULL, 0, atomic_load(&s->login_delay));
    } else {
        atomic_fetch_add(&s->commands, 1);
    }
    if (mode == UNIT_REDIS_SILENT) {
        return unit_redis_hold(peer);
    }
    if (mode == UNIT_REDIS_DRIP) {
        return unit_redis_drip(peer, reply, len);
    }
    if (mode == UNIT_REDIS_ECHO) {
        len = (size_t)snprintf(reply, sizeof(reply), "$%d\r\n%.*s\r\n",
                               (int)first_len, (int)first_len, first);
    }
    return unit_redis_send(peer, reply, len)
        && (mode != UNIT_REDIS_FLOOD || unit_redis_flood(peer))
        && mode != UNIT_REDIS_SAY_CLOSE;
}

static inline void *unit_redis_talk(void *baton)
{
    unit_redis_peer_t *peer = baton;
    size_t len;
    int on = 1;

    while (on && unit_redis_more(peer)) {
        while (on && (len = unit_redis_whole(peer)) != 0) {
            on = unit_redis_answer(peer);
            memmove(peer->in, peer->in + len, peer->len - len);
            peer->len -= len;
            peer->in[peer->len] = '\0';
        }
    }
    close(peer->fd);
    atomic_fetch_sub(&peer->server->open, 1);
    free(peer);
    return NULL;
}

static inline void *unit_redis_run(void *baton)
{
    unit_redis_t *s = baton;

    while (unit_redis_readable(s, s->fd)) {
        unit_redis_peer_t *peer;
        int fd = accept(s->fd, NULL, NULL);

        if (fd < 0) {
            continue;
        }
        if (s->peer_count == UNIT_REDIS_PEERS
            || !(peer = calloc(1, sizeof(*peer)))) {
            close(fd);
            continue;
        }
        peer->server = s;
        peer->fd = fd;
        atomic_fetch_add(&s->connections, 1);
        atomic_fetch_add(&s->open, 1);
        if (pthread_create(&s->peers[s->peer_count], NULL, unit_redis_talk, peer)
            == 0) {
            s->peer_count++;
        }
    }
    return NULL;
}

static inline void unit_redis_says(unit_redis_t *s, unit_redis_mode_t mode,
                                   const char *reply, size_t len)
{
    assert_true(len <= sizeof(s->reply));
    pthread_mutex_lock(&s->mutex);
    s->mode = mode;
    memcpy(s->reply, reply, len);
    s->reply_len = len;
    s->log[0] = '\0';
    pthread_mutex_unlock(&s->mutex);
}

/** The commands since the last unit_redis_says(), a line each. */
static inline const char *unit_redis_log(unit_redis_t *s, apr_pool_t *p)
{
    const char *log;

    pthread_mutex_lock(&s->mutex);
    log = apr_pstrdup(p, s->log);
    pthread_mutex_unlock(&s->mutex);
    return log;
}

/** @param path  of a unix socket; NULL: loopback */
static inline unit_redis_t *unit_redis(apr_pool_t *p, const char *path)
{
    unit_redis_t *s = apr_pcalloc(p, sizeof(*s));
    struct sockaddr_in address;
    struct sockaddr_un local;
    socklen_t len = sizeof(address);

    memset(&address, 0, sizeof(address));
    memset(&local, 0, sizeof(local));
    s->path = path;
    s->auth = "+OK\r\n";
    pthread_mutex_init(&s->mutex, NULL);
    assert_int_equal(pipe(s->end), 0);
    s->fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    assert_true(s->fd >= 0);
    if (path) {
        local.sun_family = AF_UNIX;
        apr_cpystrn(local.sun_path, path, sizeof(local.sun_path));
        unlink(path);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&local, sizeof(local)), 0);
    } else {
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
        assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
        s->port = ntohs(address.sin_port);
    }
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, unit_redis_run, s), 0);
    return s;
}

static inline void unit_redis_stop(unit_redis_t *s)
{
    int i;

    atomic_store(&s->stopping, 1);
    close(s->end[1]);
    pthread_join(s->thread, NULL);
    for (i = 0; i < s->peer_count; i++) {
        pthread_join(s->peers[i], NULL);
    }
    close(s->fd);
    close(s->end[0]);
    if (s->path) {
        unlink(s->path);
    }
}
