/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * htbearer: keys and tokens on the command line. It uses the same library as the
 * module, so its results are those of the server. Each command has its own file; this
 * file selects it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "ht.h"

#include <stdio.h>
#include <string.h>

#include <apr_general.h>
#include <openssl/crypto.h>

#include "base/text.h"

#ifndef BEARER_VERSION
#define BEARER_VERSION "(built without configure)"
#endif

static const ht_command_t *const commands[] = {
    &ht_keygen, &ht_jwks, &ht_sign, &ht_decode, &ht_verify, &ht_explain,
    &ht_discover, &ht_proof, &ht_revoke, NULL
};

static const ht_command_t *find_command(const char *name)
{
    int i;

    for (i = 0; commands[i]; i++) {
        if (!strcmp(commands[i]->name, name)) {
            return commands[i];
        }
    }
    return NULL;
}

static void print_commands(FILE *out)
{
    int i;

    fputs("usage: htbearer COMMAND [OPTION]...\n\n"
          "Keys and tokens for mod_auth_bearer. Tokens are read from standard "
          "input.\n\nCommands:\n", out);
    for (i = 0; commands[i]; i++) {
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n`htbearer help COMMAND` lists the options of a command.\nExit status: 0 "
          "done or accepted, 1 refused, 2 wrong usage or unusable file.\n", out);
}

static int unknown_command(const char *name, apr_pool_t *p)
{
    if (ht_looks_like_token(name)) {
        fputs("htbearer: tokens are read from standard input, not from the command "
              "line (see: htbearer help)\n", stderr);
    } else {
        fprintf(stderr, "htbearer: unknown command %s (see: htbearer help)\n",
                bearer_text_quote(p, name));
    }
    return HT_USAGE;
}

static int help(int argc, const char *const *argv, apr_pool_t *p)
{
    const ht_command_t *command;

    if (argc < 1) {
        print_commands(stdout);
        return HT_OK;
    }
    command = find_command(argv[0]);
    if (!command) {
        return unknown_command(argv[0], p);
    }
    ht_print_help(command, p);
    return HT_OK;
}

static int run(const ht_command_t *command, int argc, const char *const *argv,
               apr_pool_t *p)
{
    ht_call_t call = { .command = command, .p = p };
    int status = ht_parse(&call, argc, argv);

    return status < 0 ? HT_OK : status == HT_OK ? command->run(&call) : status;
}

static int dispatch(int argc, const char *const *argv, apr_pool_t *p)
{
    const ht_command_t *command;

    if (argc < 2) {
        print_commands(stderr);
        return HT_USAGE;
    }
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help")
        || !strcmp(argv[1], "-h")) {
        return help(argc - 2, argv + 2, p);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("htbearer %s (%s, jansson %s)\n", BEARER_VERSION,
               OpenSSL_version(OPENSSL_VERSION), jansson_version_str());
        return HT_OK;
    }
    command = find_command(argv[1]);
    return command ? run(command, argc - 2, argv + 2, p)
                   : unknown_command(argv[1], p);
}

int main(int argc, const char *const *argv)
{
    apr_pool_t *p;
    int status;

    if (apr_app_initialize(&argc, &argv, NULL) != APR_SUCCESS) {
        return HT_USAGE;
    }
    apr_pool_create(&p, NULL);
    status = dispatch(argc, argv, p);
    if (fflush(stdout) || ferror(stdout)) {
        fputs("htbearer: standard output cannot be written\n", stderr);
        status = HT_USAGE;
    }
    apr_pool_destroy(p);
    apr_terminate();
    return status;
}
