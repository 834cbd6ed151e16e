/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * For LD_PRELOAD: a httpd whose mod_watchdog seems not to be there
 * (SHIM_NO_WATCHDOG), that may not connect to a port, as SELinux and the like
 * forbid it (SHIM_FORBIDDEN_PORT), or that lives some seconds later (SHIM_LATER).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    const char *port = getenv("SHIM_FORBIDDEN_PORT");

    if (port && to->sa_family == AF_INET
        && ntohs(((const struct sockaddr_in *)(const void *)to)->sin_port)
            == atoi(port)) {
        errno = EACCES;
        return -1;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "connect");
    }
    return real(fd, to, len);
}

void *apr_dynamic_fn_retrieve(const char *name)
{
    static void *(*real)(const char *);

    if (getenv("SHIM_NO_WATCHDOG") && strncmp(name, "ap_watchdog_", 12) == 0) {
        return NULL;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "apr_dynamic_fn_retrieve");
    }
    return real(name);
}

long long apr_time_now(void)
{
    const char *later = getenv("SHIM_LATER");
    struct timeval now;

    gettimeofday(&now, NULL);
    return (now.tv_sec + (later ? atoi(later) : 0)) * 1000000LL + now.tv_usec;
}
