/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * Splits a message at its number. See message.h.
 */
#include "base/message.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

int bearer_message_number(const char *message)
{
    return message && strncmp(message, "AB", 2) == 0
               && strspn(message + 2, "0123456789") == 4 && strncmp(message + 6, ": ", 2) == 0
        ? atoi(message + 2) : 0;
}

const char *bearer_message_text(const char *message)
{
    return bearer_message_number(message) ? message + BEARER_MESSAGE_NUMBER : message;
}

void bearer_message_tame(char *line)
{
    for (; *line; line++) {
        if (*line == '"') {
            *line = '\'';
        } else if (*line < 0x20 || *line > 0x7e || *line == '\\') {
            *line = '?';
        }
    }
}

const char *bearer_message_with(apr_pool_t *p, const char *message, const char *more)
{
    const char *text = bearer_message_text(message);

    return apr_pstrcat(p, apr_pstrmemdup(p, message, (apr_size_t)(text - message)),
                       more, text, NULL);
}
