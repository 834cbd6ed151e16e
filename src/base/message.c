/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * What is before and behind the number of a message. See message.h.
 */
#include "base/message.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

int bearer_message_number(const char *message)
{
    const char *digit = message ? message + 2 : NULL;
    int number = 0;

    if (!digit || strncmp(message, "AB", 2) != 0) {
        return 0;
    }
    for (; digit < message + 6 && apr_isdigit(*digit); digit++) {
        number = 10 * number + (*digit - '0');
    }
    return digit == message + 6 && strncmp(digit, ": ", 2) == 0 ? number : 0;
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
