/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See ping.h. */
#include "base/ping.h"

#include <string.h>

#include <apr_network_io.h>
#include <apr_strings.h>

#include "base/text.h"

/** Maximum length of the first line of an answer that is read. */
#define LINE_MAX_BYTES 128

typedef struct protocol_t {
    apr_port_t port;
    const char *question, *answer;
} protocol_t;

static const protocol_t protocols[] = {
#define X(name, port, question, answer) { port, question, answer },
    BEARER_PINGS(X)
#undef X
};

static apr_status_t open_socket(apr_socket_t **socket, const char *server,
                                apr_port_t port, apr_interval_time_t timeout,
                                apr_pool_t *p)
{
    apr_int32_t family = APR_UNSPEC;
    char *host = apr_pstrdup(p, server), *scope;
    apr_port_t written = 0;
    apr_sockaddr_t *address;
    apr_status_t rv;

    if (*server == '/') {
#if APR_HAVE_SOCKADDR_UN
        family = APR_UNIX;
#endif
    } else {
        rv = apr_parse_addr_port(&host, &scope, &written, server, p);
        if (rv != APR_SUCCESS || !host) {
            return rv == APR_SUCCESS ? APR_EINVAL : rv;
        }
    }
    rv = apr_sockaddr_info_get(&address, host, family, written ? written : port, 0,
                               p);
    if (rv == APR_SUCCESS) {
        rv = apr_socket_create(socket, address->family, SOCK_STREAM, 0, p);
    }
    if (rv == APR_SUCCESS) {
        apr_socket_timeout_set(*socket, timeout);
        rv = apr_socket_connect(*socket, address);
    }
    return rv;
}

/* Reads the first line, as text. */
static apr_status_t read_line(apr_socket_t *socket, char *line, apr_time_t until)
{
    apr_size_t len = 0;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && len < LINE_MAX_BYTES && !memchr(line, '\n', len)) {
        apr_interval_time_t left = until - apr_time_now();
        apr_size_t more = LINE_MAX_BYTES - len;

        if (left <= 0) {
            return APR_TIMEUP;
        }
        apr_socket_timeout_set(socket, left);
        rv = apr_socket_recv(socket, line + len, &more);
        len += rv == APR_SUCCESS ? more : 0;
    }
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return rv;
}

/* @param silent  set to 1 if the server did not answer in time */
static const char *ping_one(const protocol_t *protocol, const char *server,
                            apr_interval_time_t timeout, int *silent, apr_pool_t *p)
{
    apr_time_t until = apr_time_now() + timeout;
    apr_size_t len = strlen(protocol->question);
    char line[LINE_MAX_BYTES + 1] = "";
    apr_socket_t *socket = NULL;
    apr_status_t rv = open_socket(&socket, server, protocol->port, timeout, p);

    if (rv == APR_SUCCESS) {
        rv = apr_socket_send(socket, protocol->question, &len);
    }
    if (rv == APR_SUCCESS) {
        rv = read_line(socket, line, until);
    }
    if (socket) {
        apr_socket_close(socket);
    }
    if (rv == APR_SUCCESS
        && strncmp(line, protocol->answer, strlen(protocol->answer)) == 0) {
        return NULL;
    }
    *silent |= APR_STATUS_IS_TIMEUP(rv);
    if (rv != APR_SUCCESS) {
        return apr_pstrcat(p, server, ": ", APR_STATUS_IS_TIMEUP(rv)
                           ? "no response in time" : bearer_text_status(p, rv), NULL);
    }
    return apr_psprintf(p, "%s answered %s", server, bearer_text_quote(p, line));
}

const char *bearer_ping(bearer_ping_protocol_t protocol, const char *servers,
                        apr_interval_time_t timeout, apr_pool_t *p)
{
    const char *server, *wrong = NULL;
    int answered = 0, silent = 0;
    char *rest;

    for (server = apr_strtok(apr_pstrdup(p, servers), ",", &rest); server;
         server = apr_strtok(NULL, ",", &rest)) {
        const char *why = ping_one(&protocols[protocol], server, timeout, &silent,
                                   p);

        answered += !why;
        wrong = why && (!wrong || silent) ? why : wrong;
    }
    return answered && !silent ? NULL : wrong ? wrong : "no server is named";
}
