/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file message.h
 * The numbers of messages. Every line that an administrator may see begins with
 * a number of its own, by which it can be searched for and tested while its words
 * change: `AB0101: page ...`. What a number means and what to do about it is in
 * messages.txt, from which docs/reference/messages.md is made.
 *
 * To add a message: a free number at the end of its range in messages.txt, with
 * level, area, meaning and what to do; AB(number) before the text; then
 * `tests/build/messages.py --write`. `make lint` compares them.
 *
 * Only the outermost text has a number. What is put into another text (why a
 * file cannot be read) has none; what has one and is put behind another's goes
 * through bearer_message_text().
 */
#pragma once

#include <apr_pools.h>

/** What a text begins with, as a literal: AB(0101) "page %s". */
#define AB(number) "AB" #number ": "
#define BEARER_MESSAGE_NUMBER 8

/** The number: 711 of `AB0711: ...`; 0 where it has none. */
int bearer_message_number(const char *message);

/** The text behind the number; all of it where it has none. */
const char *bearer_message_text(const char *message);

/** Makes a line of it that can stand in a string of JSON as it is: no control
 *  characters, no bytes but ASCII, no double quotes and backslashes. The net below
 *  bearer_text_quote(), for texts of other libraries. */
void bearer_message_tame(char *line);

/** The number, then more, then the text behind the number: for a directive or a
 *  place in a file that belongs before the text. */
const char *bearer_message_with(apr_pool_t *p, const char *message, const char *more);
