/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Options: parsed and described from one table per command. Messages never repeat an
 * argument that may be a token.
 */
#include "ht.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/text.h"

/** Width in columns of the help text. */
#define WIDTH 78

int ht_looks_like_token(const char *argument)
{
    const char *dot = strchr(argument, '.');

    return !strncmp(argument, "eyJ", 3) || (dot && strchr(dot + 1, '.'))
           || strlen(argument) > 64;
}

static int option_row(const ht_command_t *command, const char *name,
                      apr_size_t len)
{
    int i;

    for (i = 0; command->options && command->options[i].name; i++) {
        if (strlen(command->options[i].name) == len
            && !memcmp(command->options[i].name, name, len)) {
            return i;
        }
    }
    return -1;
}

/* ---- parsing ------------------------------------------------------------- */

static int unknown_option(const ht_call_t *call, const char *name, apr_size_t len)
{
    return len > 32 ? ht_usage(call, "unknown option")
                    : ht_usage(call, "unknown option %s",
                               bearer_text_quote_n(call->p, name, len));
}

/* Returns how the option is written: one dash for a letter, two for a word. */
static const char *dashes(const ht_option_t *option)
{
    return option->name[1] ? "--" : "-";
}

static int keep_option(ht_call_t *call, int row, const char *value)
{
    const ht_option_t *option = &call->command->options[row];

    if (call->values[row]->nelts && !(option->flags & HT_REPEAT)) {
        return ht_usage(call, "%s%s is given twice", dashes(option),
                        option->name);
    }
    APR_ARRAY_PUSH(call->values[row], const char *) = value;
    return HT_OK;
}

/* Parses argv[*i], which begins with one or two dashes followed by more text. */
static int parse_option(ht_call_t *call, int argc, const char *const *argv,
                        int *i)
{
    const char *name = argv[*i] + 1 + (argv[*i][1] == '-');
    const char *equals = strchr(name, '=');
    apr_size_t len = equals ? (apr_size_t)(equals - name) : strlen(name);
    int row = option_row(call->command, name, len);
    const ht_option_t *option = row < 0 ? NULL : &call->command->options[row];

    if (!option || (apr_size_t)(name - argv[*i]) != strlen(dashes(option))) {
        return unknown_option(call, argv[*i],
                              len + (apr_size_t)(name - argv[*i]));
    }
    if (!option->argument) {
        return equals ? ht_usage(call, "%s%s takes no value", dashes(option),
                                 option->name)
                      : keep_option(call, row, "");
    }
    if (equals) {
        return keep_option(call, row, equals + 1);
    }
    if (*i + 1 >= argc) {
        return ht_usage(call, "%s%s needs %s", dashes(option), option->name,
                        option->argument);
    }
    return keep_option(call, row, argv[++*i]);
}

static int parse_operand(ht_call_t *call, const char *operand)
{
    if (call->command->operands) {
        APR_ARRAY_PUSH(call->operands, const char *) = operand;
        return HT_OK;
    }
    if (call->command->reads_token) {
        return ht_usage(call, "tokens are read from standard input, not from the "
                        "command line, which every user of this host can see");
    }
    return ht_looks_like_token(operand)
               ? ht_usage(call, "unexpected argument")
               : ht_usage(call, "unexpected argument %s",
                          bearer_text_quote(call->p, operand));
}

static int check_required(const ht_call_t *call)
{
    int i;

    for (i = 0; call->command->options && call->command->options[i].name; i++) {
        const ht_option_t *option = &call->command->options[i];

        if ((option->flags & HT_REQUIRED) && !call->values[i]->nelts) {
            return ht_usage(call, "--%s %s is missing", option->name,
                            option->argument);
        }
    }
    return HT_OK;
}

int ht_misplaced(const ht_call_t *call, int property, const char *why)
{
    int i;

    for (i = 0; call->command->options[i].name; i++) {
        if ((call->command->options[i].flags & property) && call->values[i]->nelts) {
            return ht_usage(call, "--%s %s", call->command->options[i].name, why);
        }
    }
    return HT_OK;
}

int ht_parse(ht_call_t *call, int argc, const char *const *argv)
{
    int options_end = 0, status = HT_OK, i;

    call->operands = apr_array_make(call->p, 2, sizeof(const char *));
    for (i = 0; i < HT_OPTIONS_MAX; i++) {
        call->values[i] = apr_array_make(call->p, 2, sizeof(const char *));
    }
    for (i = 0; i < argc && status == HT_OK; i++) {
        if (options_end || argv[i][0] != '-' || !argv[i][1]) {
            status = parse_operand(call, argv[i]);
        } else if (!strcmp(argv[i], "--")) {
            options_end = 1;
        } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            ht_print_help(call->command, call->p);
            return -1;
        } else if (argv[i][1] != '-' && argv[i][2]) {
            status = unknown_option(call, argv[i], 2);
        } else {
            status = parse_option(call, argc, argv, &i);
        }
    }
    return status == HT_OK ? check_required(call) : status;
}

/* ---- values -------------------------------------------------------------- */

const apr_array_header_t *ht_values(const ht_call_t *call, const char *name)
{
    int row = option_row(call->command, name, strlen(name));

    if (row < 0) {
        abort();  /* the command uses an option that is not in its table */
    }
    return call->values[row];
}

const char *ht_value(const ht_call_t *call, const char *name)
{
    const apr_array_header_t *values = ht_values(call, name);

    return values->nelts ? APR_ARRAY_IDX(values, 0, const char *) : NULL;
}

int ht_has(const ht_call_t *call, const char *name)
{
    return ht_values(call, name)->nelts > 0;
}

int ht_number(const ht_call_t *call, const char *name, apr_int64_t min,
              apr_int64_t max, apr_int64_t *number)
{
    const char *text = ht_value(call, name);
    apr_int64_t value;
    char *end;

    if (!text) {
        return HT_OK;
    }
    errno = 0;
    value = apr_strtoi64(text, &end, 10);
    if (errno || end == text || *end || value < min || value > max) {
        return ht_usage(call, "--%s %s is not a whole number from %" APR_INT64_T_FMT
                              " to %" APR_INT64_T_FMT,
                        name, bearer_text_quote(call->p, text), min, max);
    }
    *number = value;
    return HT_OK;
}

int ht_now(const ht_call_t *call, apr_time_t *now)
{
    apr_int64_t seconds = -1;
    int status = ht_number(call, "now", 0, HT_SECONDS_MAX, &seconds);

    *now = seconds < 0 ? apr_time_now() : apr_time_from_sec(seconds);
    return status;
}

int ht_alg(const ht_call_t *call, const char *name, const bearer_alg_t **alg)
{
    *alg = bearer_alg_find(name);
    if (!*alg) {
        return ht_usage(call, "unknown algorithm %s; expected one of %s",
                        bearer_text_quote(call->p, name),
                        bearer_alg_names(BEARER_ALGS_ALL, call->p));
    }
    if (!bearer_alg_supported((*alg)->bit)) {
        return ht_usage(call, "this OpenSSL refuses %s", (*alg)->name);
    }
    return HT_OK;
}

/* ---- directive names in messages ------------------------------------------ */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Returns the option for the directive at text. The first directive in an option's help
 * is its directive. NULL: the command has none. */
static const char *option_for(const ht_call_t *call, const char *text, size_t len)
{
    const ht_option_t *option = call->command->options;

    for (; option && option->name; option++) {
        const char *named = strstr(option->help, "AuthBearer");

        if (named && strspn(named, letters) == len && !strncmp(named, text, len)) {
            return option->name;
        }
    }
    return NULL;
}

const char *ht_own_words(const ht_call_t *call, const char *text)
{
    const char *out = "", *at, *option;
    int configuration = option_row(call->command, "f", 1);
    size_t len;

    if (configuration >= 0 && call->values[configuration]->nelts) {
        return text;
    }
    while ((at = strstr(text, "AuthBearer")) != NULL) {
        len = strspn(at, letters);
        option = option_for(call, at, len);
        out = apr_pstrcat(call->p, out,
                          apr_pstrmemdup(call->p, text, (size_t)(at - text)),
                          option ? "--" : "",
                          option ? option : apr_pstrmemdup(call->p, at, len), NULL);
        text = at + len;
    }
    return apr_pstrcat(call->p, out, text, NULL);
}

/* ---- help ---------------------------------------------------------------- */

/** Printed as a space at which lines are not broken. */
#define NO_BREAK '\1'

/* Prints text and a newline. Words are wrapped; the first line starts at column,
 * further lines at indent. */
static void print_wrapped(const char *text, int column, int indent)
{
    while (*text) {
        int len = (int)strcspn(text, " ");

        if (column > indent && column + 1 + len > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        for (column += len; len > 0; len--, text++) {
            putchar(*text == NO_BREAK ? ' ' : *text);
        }
        text += strspn(text, " ");
    }
    putchar('\n');
}

static const char *option_text(const ht_option_t *option, char blank,
                               apr_pool_t *p)
{
    return option->argument
               ? apr_psprintf(p, "%s%s%c%s", dashes(option), option->name, blank,
                              option->argument)
               : apr_psprintf(p, "%s%s", dashes(option), option->name);
}

static void print_synopsis(const ht_command_t *command, apr_pool_t *p)
{
    const char *text = apr_psprintf(p, "usage:%chtbearer%c%s%c", NO_BREAK, NO_BREAK,
                                    command->name, NO_BREAK);
    int indent = (int)strlen(text);
    const ht_option_t *option;

    for (option = command->options; option && option->name; option++) {
        int required = option->flags & HT_REQUIRED;

        text = apr_pstrcat(p, text, required ? " " : " [",
                           option_text(option, NO_BREAK, p), required ? "" : "]",
                           option->flags & HT_REPEAT ? "..." : "", NULL);
    }
    text = apr_pstrcat(p, text, command->operands ? " " : "",
                       command->operands ? command->operands : "",
                       command->reads_token ? " <TOKEN-FILE" : "", NULL);
    print_wrapped(text, 0, indent);
}

void ht_print_help(const ht_command_t *command, apr_pool_t *p)
{
    const ht_option_t *option = command->options;

    print_synopsis(command, p);
    putchar('\n');
    print_wrapped(command->summary, 0, 0);
    if (command->help) {
        print_wrapped(command->help, 0, 0);
    }
    if (option) {
        putchar('\n');
    }
    for (; option && option->name; option++) {
        int column = printf("  %s", option_text(option, ' ', p));

        printf("%s%*s", column > 23 ? "\n" : "", column > 23 ? 24 : 24 - column, "");
        print_wrapped(option->help, 24, 24);
    }
}
