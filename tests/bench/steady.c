/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Load at a constant rate, for keysets.py: what is due is due, whatever became
 * of the requests before it. Latency counts from the moment a request was due,
 * so a server that stalls is not asked less often for it, and the stall is in
 * the figures of all who would have come meanwhile.
 *
 *   steady RATE SECONDS CONNECTIONS STEP TOKENS PORT...
 *
 * Each request goes to the next port in turn, on one of CONNECTIONS kept
 * connections to it; RATE is of all ports together. TOKENS has one token a line;
 * STEP seconds each is used, then the next one; STEP 0: another for each request.
 * Writes "TARGET DUE-us LATENCY-us STATUS" for each request; status 0: none.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TARGETS 8
#define ANSWER_MAX 65536
#define TRIES 2 /* a kept connection may be given up by the server just now */

typedef struct request_t {
    long long due;
    long latency;
    int status;
    int target;
} request_t;

typedef struct connection_t {
    int fd; /* -1: none */
    int target;
    int tries;
    int kept;
    long request; /* -1: idle */
    size_t got;
    char answer[ANSWER_MAX];
} connection_t;

typedef struct load_t {
    long rate, count, next, open;
    double step;
    int connections, targets, poll;
    int port[TARGETS];
    char **tokens;
    long token_count;
    connection_t *all; /* of each target in turn */
    request_t *requests;
    long *waiting; /* due, but without a connection */
    long waits_from, waits_to;
    long long start;
} load_t;

static long long now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_tokens(load_t *l, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (!file) {
        die(path);
    }
    while ((len = getline(&line, &size, file)) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        l->tokens = realloc(l->tokens,
                            (size_t)(l->token_count + 1) * sizeof(char *));
        l->tokens[l->token_count++] = strdup(line);
    }
    free(line);
    fclose(file);
    if (!l->token_count) {
        fprintf(stderr, "%s: no token\n", path);
        exit(1);
    }
}

static int dial(const load_t *l, connection_t *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)
                                               l->port[c->target]),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = c}};
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0
        || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        return -1;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->kept = 0;
    return epoll_ctl(l->poll, EPOLL_CTL_ADD, c->fd, &event);
}

static void hang_up(connection_t *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
}

static void finish(load_t *l, connection_t *c, int status)
{
    request_t *r = &l->requests[c->request];

    r->status = status;
    r->latency = (long)(now_us() - r->due);
    c->request = -1;
    l->open--;
}

static const char *token_of(const load_t *l, long request)
{
    double at = (double)l->requests[request].due - (double)l->start;
    long i = l->step > 0 ? (long)(at / 1e6 / l->step) : request;

    return l->tokens[i % l->token_count];
}

static void transmit(load_t *l, connection_t *c)
{
    static char text[ANSWER_MAX];
    int len = snprintf(text, sizeof(text),
                       "GET /a HTTP/1.1\r\nHost: server.test\r\n"
                       "Authorization: Bearer %s\r\n\r\n",
                       token_of(l, c->request));

    while (c->tries++ < TRIES) {
        if ((c->fd >= 0 || dial(l, c) == 0)
            && send(c->fd, text, (size_t)len, MSG_NOSIGNAL) == len) {
            c->got = 0;
            return;
        }
        hang_up(c);
    }
    finish(l, c, 0);
}

static void begin(load_t *l, connection_t *c, long request)
{
    c->request = request;
    c->tries = 0;
    transmit(l, c);
}

/* The whole answer is there? Its status, else 0. */
static int complete(const connection_t *c)
{
    const char *body = memmem(c->answer, c->got, "\r\n\r\n", 4);
    const char *length;
    size_t wanted;

    if (!body) {
        return 0;
    }
    length = strcasestr(c->answer, "\r\nContent-Length:");
    wanted = (size_t)(body + 4 - c->answer);
    if (length && length < body) {
        wanted += strtoul(length + 17, NULL, 10);
    }
    return c->got >= wanted ? atoi(c->answer + 9) : 0;
}

static int closes(const connection_t *c)
{
    return strcasestr(c->answer, "\r\nConnection: close") != NULL;
}

static void receive(load_t *l, connection_t *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got, 0);
    int status;

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0 || c->request < 0) {
        int again = c->kept && c->got == 0;

        hang_up(c);
        if (c->request >= 0) {
            if (again) {
                transmit(l, c);
            }
            else {
                finish(l, c, 0);
            }
        }
        return;
    }
    c->got += (size_t)n;
    c->answer[c->got] = '\0';
    status = complete(c);
    if (status) {
        c->kept = 1;
        finish(l, c, status);
        if (closes(c)) {
            hang_up(c);
        }
    }
}

/* The most recently used one first would keep few busy; any will do. */
static connection_t *idle(load_t *l, int target)
{
    connection_t *first = &l->all[(long)target * l->connections];
    int i;

    for (i = 0; i < l->connections; i++) {
        if (first[i].request < 0) {
            return &first[i];
        }
    }
    return NULL;
}

static void start_due(load_t *l)
{
    long i, kept = l->waits_from;

    while (l->next < l->count && l->requests[l->next].due <= now_us()) {
        l->waiting[l->waits_to++] = l->next++;
        l->open++;
    }
    for (i = l->waits_from; i < l->waits_to; i++) {
        connection_t *c = idle(l, l->requests[l->waiting[i]].target);

        if (c) {
            begin(l, c, l->waiting[i]);
            memmove(&l->waiting[kept + 1], &l->waiting[kept],
                    (size_t)(i - kept) * sizeof(long));
            kept++;
        }
    }
    l->waits_from = kept;
}

static void run(load_t *l)
{
    struct epoll_event events[64];
    long long end = l->requests[l->count - 1].due + 30 * 1000000LL;

    while ((l->next < l->count || l->open) && now_us() < end) {
        struct timespec wait = {0, 20000000};
        long long now;
        int i, n;

        start_due(l);
        now = now_us();
        if (l->next < l->count) {
            long long left = l->requests[l->next].due - now;

            left = left < 0 ? 0 : left > 20000 ? 20000 : left;
            wait.tv_nsec = (long)left * 1000;
        }
        n = epoll_pwait2(l->poll, events, 64, &wait, NULL);
        for (i = 0; i < n; i++) {
            receive(l, events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    load_t load = {0};
    load_t *l = &load;
    double seconds;
    long i;

    if (argc < 7 || argc - 6 > TARGETS) {
        fprintf(stderr, "steady RATE SECONDS CONNECTIONS STEP TOKENS PORT...\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns */
    l->rate = atol(argv[1]);
    seconds = atof(argv[2]);
    l->connections = atoi(argv[3]);
    l->step = atof(argv[4]);
    read_tokens(l, argv[5]);
    l->targets = argc - 6;
    for (i = 0; i < l->targets; i++) {
        l->port[i] = atoi(argv[6 + i]);
    }
    l->count = (long)((double)l->rate * seconds);
    if (l->count < 1 || l->connections < 1) {
        fprintf(stderr, "nothing to do\n");
        return 2;
    }
    l->poll = epoll_create1(0);
    l->all = calloc((size_t)(l->targets * l->connections), sizeof(*l->all));
    l->requests = calloc((size_t)l->count, sizeof(*l->requests));
    l->waiting = calloc((size_t)l->count, sizeof(long));
    if (l->poll < 0 || !l->all || !l->requests || !l->waiting) {
        die("start");
    }
    for (i = 0; i < l->targets * l->connections; i++) {
        l->all[i].fd = -1;
        l->all[i].request = -1;
        l->all[i].target = (int)(i / l->connections);
    }
    l->start = now_us() + 10000;
    for (i = 0; i < l->count; i++) {
        l->requests[i].due = l->start + i * 1000000LL / l->rate;
        l->requests[i].target = (int)(i % l->targets);
        l->requests[i].latency = -1;
    }
    run(l);
    for (i = 0; i < l->count; i++) {
        printf("%d %lld %ld %d\n", l->requests[i].target,
               l->requests[i].due - l->start, l->requests[i].latency,
               l->requests[i].status);
    }
    return 0;
}
