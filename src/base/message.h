/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file message.h
 * The numbers of messages. Each line that an administrator may see begins with its
 * own number: `AB0101: page ...`. Administrators search for the number and tests
 * match it, so the words can change. messages.txt says what each number means and
 * what to do; docs/reference/messages.md is generated from it.
 *
 * To add a message, take a free number at the end of its range in messages.txt and
 * write level, area, meaning and what to do. Put AB(number) before the text, and run
 * `tests/build/messages.py --write`. `make lint` compares them.
 *
 * Only the outermost text has a number. A text that is inserted into another (why a
 * file cannot be read) has none. If a numbered text is appended to another one, pass
 * it through bearer_message_text().
 */
#pragma once

#include <apr_pools.h>

/** The beginning of a text, as a literal: AB(0101) "page %s". */
#define AB(number) "AB" #number ": "
#define BEARER_MESSAGE_NUMBER 8

/** Returns the number: 711 for `AB0711: ...`; 0 if the text has none. */
int bearer_message_number(const char *message);

/** Returns the text after the number, or all of it if it has none. */
const char *bearer_message_text(const char *message);

/** Changes a line in place so that it can stand in a JSON string without escapes:
 *  ASCII only, without control characters, double quotes and backslashes. A second
 *  safeguard after bearer_text_quote(), for texts of other libraries. */
void bearer_message_tame(char *line);

/** Returns the number, then more, then the text after the number. `more` is a
 *  directive or a position in a file. */
const char *bearer_message_with(apr_pool_t *p, const char *message, const char *more);
