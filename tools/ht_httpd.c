/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Starts the httpd of this machine with -t and sends it a question. httpd reads the
 * configuration as if to serve, and answers the question instead. The token is sent
 * through a pipe, never on a command line. The output is limited in size and time.
 */
#include "ht.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_time.h>

#include "base/text.h"
#include "report/explain.h"
#include "tell.h"

#define OUT_MAX (4 * 1024 * 1024)
#define ERR_MAX (256 * 1024)

/** Data read from one of httpd's outputs. */
typedef struct stream_t {
    char *text;
    apr_size_t len, max;
    apr_size_t told;       /**< the lines up to here have been passed on */
} stream_t;

typedef struct child_t {
    const ht_call_t *call;
    pid_t pid;
    struct pollfd fds[3];  /**< its standard streams; fd -1: closed */
    const char *question;
    apr_size_t left;
    stream_t out, err;
    int expired;
} child_t;

/* ---- which program -------------------------------------------------------- */

/* apache2ctl comes first: it sets the environment that Debian's files use. */
static const char *find_httpd(apr_pool_t *p)
{
    static const char *const names[] = { "apache2ctl", "httpd", "apache2", NULL };
    const char *path = getenv("PATH");
    const apr_array_header_t *directories = bearer_text_split(
        p, apr_pstrcat(p, path ? path : "", ":/usr/sbin:/usr/local/sbin"
                       ":/usr/local/apache2/bin", NULL), ":");
    int i, k;

    for (i = 0; names[i]; i++) {
        for (k = 0; k < directories->nelts; k++) {
            path = apr_pstrcat(p, APR_ARRAY_IDX(directories, k, const char *), "/",
                               names[i], NULL);
            if (*path == '/' && !access(path, X_OK)) {
                return path;
            }
        }
    }
    return NULL;
}

/* ---- starting it ----------------------------------------------------------- */

static const char **arguments(const char *httpd, const char *config,
                              const apr_array_header_t *defines, apr_pool_t *p)
{
    const char *const first[] = { httpd, "-t", "-f", config, "-D", "BEARER_EXPLAIN" };
    const char **argv = apr_pcalloc(p, sizeof(first)
                                       + sizeof(*argv) * (apr_size_t)(1 + 2 * defines->nelts));
    int i;

    memcpy(argv, first, sizeof(first));
    for (i = 0; i < defines->nelts; i++) {
        argv[6 + 2 * i] = "-D";
        argv[7 + 2 * i] = APR_ARRAY_IDX(defines, i, const char *);
    }
    return argv;
}

static void become(const char **argv, int pipes[3][2])
{
    int i;

    setpgid(0, 0);  /* so that its own children can be ended with it */
    for (i = 0; i < 3; i++) {
        dup2(pipes[i][i > 0], i);
    }
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], (char *const *)(apr_uintptr_t)argv);
    _exit(127);
}

/* Returns 0, or errno. On error, open descriptors are closed when this program ends,
 * soon. */
static int start(child_t *c, const char **argv)
{
    int pipes[3][2], i;  /* standard input, output, error */

    for (i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC)) {
            return errno;
        }
    }
    fflush(NULL);
    c->pid = fork();
    if (c->pid == 0) {
        become(argv, pipes);
    }
    if (c->pid < 0) {
        return errno;
    }
    for (i = 0; i < 3; i++) {
        close(pipes[i][i > 0]);
        c->fds[i].fd = pipes[i][i == 0];
        c->fds[i].events = i ? POLLIN : POLLOUT;
    }
    fcntl(c->fds[0].fd, F_SETFL, O_NONBLOCK);
    c->out.max = OUT_MAX;
    c->out.text = apr_palloc(c->call->p, OUT_MAX + 1);
    c->err.max = ERR_MAX;
    c->err.text = apr_palloc(c->call->p, ERR_MAX + 1);
    return 0;
}

/* ---- communication ---------------------------------------------------------- */

static void end_file(struct pollfd *file)
{
    close(file->fd);
    file->fd = -1;
}

static void write_some(child_t *c)
{
    ssize_t n = write(c->fds[0].fd, c->question, c->left);

    if (n > 0) {
        c->question += n;
        c->left -= (apr_size_t)n;
    }
    if (!c->left || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        end_file(&c->fds[0]);
    }
}

static void read_some(stream_t *s, struct pollfd *file)
{
    char spill[4096];
    int full = s->len == s->max;
    ssize_t n = full ? read(file->fd, spill, sizeof(spill))
                     : read(file->fd, s->text + s->len, s->max - s->len);

    if (n > 0 && !full) {
        s->len += (apr_size_t)n;
    }
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
        end_file(file);
    }
    s->text[s->len] = '\0';
}

/* Passes on lines of its standard error that are for people, as they arrive. */
static void pass_on(child_t *c)
{
    stream_t *s = &c->err;
    const char *line = s->text + s->told, *end;

    while ((end = memchr(line, '\n', (apr_size_t)(s->text + s->len - line)))) {
        apr_size_t mark = strlen(BEARER_EXPLAIN_MARK);

        if (!strncmp(line, BEARER_EXPLAIN_MARK, mark)) {
            line += mark;
            ht_say(c->call, "%.*s", (int)(end - line), line);
        }
        line = end + 1;
    }
    s->told = (apr_size_t)(line - s->text);
}

static int milliseconds_until(apr_time_t end)
{
    apr_time_t now = apr_time_now();

    return end > now ? (int)((end - now) / 1000) + 1 : 0;
}

static void talk(child_t *c)
{
    apr_time_t end = apr_time_now() + apr_time_from_sec(HT_HTTPD_SECONDS);

    while (c->fds[1].fd >= 0 || c->fds[2].fd >= 0) {
        int n = poll(c->fds, 3, milliseconds_until(end));

        if (n < 0) {
            continue;
        }
        if (n == 0) {
            c->expired = 1;
            kill(-c->pid, SIGKILL);
            return;
        }
        if (c->fds[1].revents) {
            read_some(&c->out, &c->fds[1]);
        }
        if (c->fds[2].revents) {
            read_some(&c->err, &c->fds[2]);
            pass_on(c);
        }
        if (c->fds[0].revents) {
            write_some(c);
        }
    }
}

static int finish(child_t *c)
{
    int status = 0, i;

    for (i = 0; i < 3; i++) {
        if (c->fds[i].fd >= 0) {
            close(c->fds[i].fd);
        }
    }
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* ---- the result --------------------------------------------------------------- */

static const char *printable(const char *line, apr_size_t len, apr_pool_t *p)
{
    char *copy = apr_pstrmemdup(p, line, len), *s;

    for (s = copy; *s; s++) {
        if (*s < ' ' || *s > '~') {
            *s = '?';
        }
    }
    return copy;
}

/* Prints the last lines of the server's output: those of configtest, if it found
 * errors. */
static void say_its_words(const child_t *c)
{
    const char *line = c->err.text, *end;

    for (; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        if (end > line && strncmp(line, BEARER_EXPLAIN_MARK,
                                  strlen(BEARER_EXPLAIN_MARK)) != 0) {
            ht_say(c->call, "httpd: %s", printable(line, (apr_size_t)(end - line),
                                                   c->call->p));
        }
    }
}

static int no_answer(const child_t *c, const char *httpd, int status)
{
    const char *shown = bearer_text_quote(c->call->p, httpd);

    if (c->expired) {
        return ht_fail(c->call, HT_USAGE, "%s did not answer within %d seconds",
                       shown, HT_HTTPD_SECONDS);
    }
    say_its_words(c);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return ht_fail(c->call, HT_USAGE, "%s cannot be started; use --httpd PATH", shown);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
        return ht_fail(c->call, HT_USAGE, "%s rejects the configuration (exit status "
                       "%d)", shown, WEXITSTATUS(status));
    }
    return ht_fail(c->call, HT_USAGE, "%s read the configuration, but mod_auth_bearer "
                   "is not loaded, or is older than this htbearer", shown);
}

static int converse(child_t *c, const char **argv, json_t **answer, int *signal_)
{
    int error = start(c, argv), status;

    if (error) {
        return ht_fail(c->call, HT_USAGE, "%s cannot be started: %s",
                       bearer_text_quote(c->call->p, argv[0]), strerror(error));
    }
    talk(c);
    status = finish(c);
    *answer = c->expired ? NULL : tell_find_answer(c->out.text, c->call->p);
    if (*answer) {
        return HT_OK;
    }
    if (!c->expired && WIFSIGNALED(status)) {
        *signal_ = WTERMSIG(status);
        return HT_USAGE;
    }
    return no_answer(c, argv[0], status);
}

int ht_httpd_ask(const ht_call_t *call, const char *httpd, const char *config,
                 const apr_array_header_t *defines, const json_t *question,
                 json_t **answer, int *signal_)
{
    char path[PATH_MAX];
    child_t c = { .call = call };

    *signal_ = 0;
    if (!realpath(config, path)) {
        return ht_fail(call, HT_USAGE, "%s: %s",
                       bearer_text_quote(call->p, config), strerror(errno));
    }
    httpd = httpd ? httpd : find_httpd(call->p);
    if (!httpd) {
        return ht_fail(call, HT_USAGE, "no httpd found in PATH; use --httpd PATH");
    }
    signal(SIGPIPE, SIG_IGN);
    c.question = ht_json_text(question, &c.left, call->p);
    return converse(&c, arguments(httpd, path, defines, call->p), answer, signal_);
}
