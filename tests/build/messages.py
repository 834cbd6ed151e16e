#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: messages.py [--write]

Compares the numbers of messages in the sources (src/base/message.h) with the
catalogue src/base/messages.txt, and the catalogue with docs/reference/messages.md.
--write generates that page. make lint runs it."""

import collections
import glob
import os
import re
import sys
import textwrap

from complaints import ROOT, complain, end, keep_page

CATALOGUE = "src/base/messages.txt"
PAGE = "docs/reference/messages.md"

# Functions that log or print a text: the positions of the level and of the text.
CALLS = {
    "ap_log_error": (1, 4), "ap_log_rerror": (1, 4), "ap_log_perror": (1, 4),
    "ap_log_cerror": (1, 4), "ab_log": (0, 2), "ab_log_server": (0, 3), "bearer_world_log": (1, 2),
    "ab_check_say": (1, 3), "ab_parse_complain": (None, 1), "FIND": (1, 3),
    "bearer_findings_add": (1, 3),
    "log_refresh": (1, 2), "say": (1, 2),
}
ONLY_IN = {"say": "httpd/remote.c"}
# Formats of texts that already contain their number.
PASSED_ON = {
    "httpd/refuse.c": {"%srefused, %s/%s: %s%s"},
    "httpd/page.c": {"%srefused, %s/%s, page %s: %s"},
    "httpd/start.c": {"%s%s"},
    "httpd/trace.c": {"%s%s"},
    "httpd/trace.h": {"__VA_ARGS__"},
    "httpd/remote.c": {"%sAuthBearerSOCache %s:%s for=%s: %s%s"},
    "httpd/browser_session.c": {"%s (session %s): %s"},
    "httpd/check.c": {"%s"},
    "httpd/check_say.c": {"%s%s"},
    "httpd/check_foreign.c": {"%s (%s: %s:%d)"},
    "httpd/check_issuer.c": {"%s"},
    "httpd/check_server.c": {"%s"},
    "judge/judge_lint.c": {"%s", "__VA_ARGS__"},
}
# Files in which a text that is returned or assigned to an error is a directive's.
RETURNING = re.compile(r"(httpd/(config\w*|store_line|store_own|store_redis)"
                       r"|trust/issuer)\.c$")
# Not logged: pages, headers, JSON, the dump of the configuration.
NO_MESSAGES = re.compile(r"httpd/(page|browser_logout|dump)\.c$"
                         r"|(report/status\w*|judge/challenge|trust/resource)\.c$")
LEVELS = {
    "EMERG": "emerg", "ALERT": "alert", "CRIT": "crit", "ERR": "error",
    "ERROR": "error", "WARNING": "warning", "NOTICE": "notice", "INFO": "info",
    "DEBUG": "debug",
}

# --- C ------------------------------------------------------------------------

Token = collections.namedtuple("Token", "kind text line")
TOKEN = re.compile(r"""(?P<blank>\s+|/\*.*?\*/|//[^\n]*|\\\n)|"(?P<string>(\\.|[^"\\])*)"
    |'(\\.|[^'\\])*'|(?P<word>\w+)|(?P<other>.)""", re.S | re.X)


def tokens_of(text):
    line, found = 1, []
    for match in TOKEN.finditer(text):
        if match["string"] is not None:
            if found and found[-1].kind == "string":
                found[-1] = found[-1]._replace(text=found[-1].text + match["string"])
            else:
                found.append(Token("string", match["string"], line))
        elif match["blank"] is None:
            found.append(Token("word" if match["word"] else "other", match[0], line))
        line += match[0].count("\n")
    return found


def arguments(tokens, i):
    """Returns the arguments of the call whose parenthesis is tokens[i], as token lists."""
    depth, all_ = 0, [[]]
    for token in tokens[i:]:
        if token.kind == "other" and token.text in "([{":
            depth += 1
            if depth == 1:
                continue
        if token.kind == "other" and token.text in ")]}":
            depth -= 1
            if not depth:
                break
        if depth == 1 and token.text == "," and token.kind == "other":
            all_.append([])
        else:
            all_[-1].append(token)
    return all_


def number_in(tokens):
    """Returns the number of AB(0000) at the beginning of these tokens, or None."""
    return tokens[2].text if [t.text for t in tokens[:2]] == ["AB", "("] else None


def levels_in(argument):
    words = [t.text for t in argument]
    found = {LEVELS[w.rsplit("_", 1)[1]] for w in words
             if re.fullmatch(r"(APLOG|BEARER_LOG)_[A-Z]+", w)
             and w.rsplit("_", 1)[1] in LEVELS}
    if len(words) == 1 and words[0] in LEVELS:  # FIND(place, ERROR, ...)
        found = {LEVELS[words[0]]}
    return found


def read_calls(name, tokens, uses):
    for i, token in enumerate(tokens[:-1]):
        if token.text not in CALLS or tokens[i + 1].text != "(":
            continue
        if tokens[i - 1].text in ("void", "char", "*", "define") \
                or ONLY_IN.get(token.text, name) != name:
            continue
        level, text = CALLS[token.text]
        args = arguments(tokens, i + 1)
        if token.text == "ap_log_rerror" and args[0][0].text == "file":
            level, text = 3, 6
        number = number_in(args[text])
        where = f"{name}:{token.line}"
        if number:
            uses[number].append((where, {"config"} if level is None
                                 else levels_in(args[level])))
        elif not args[text] or args[text][0].text not in PASSED_ON.get(name, ()):
            complain(where, f"the text of {token.text}() has no number")


def read_returns(name, tokens):
    statement, before = [], None
    for token in tokens:
        if token.kind != "other" or token.text not in ";{}":
            statement.append(token)
            continue
        words = [t.text for t in statement]
        texts = [t for t in statement if t.kind == "string" and t.text.count(" ") > 1]
        error = "error" in words and "*" not in words[:1] and "=" in words
        if ("return" in words or error) and texts and "AB" not in words \
                and "ab_parse_keyed" not in words:
            complain(f"{name}:{texts[0].line}", "a text without a number is returned")
        statement = []


def read_quotes(name, tokens):
    """A line must need no escaping in an ErrorLogFormat of JSON."""
    for token in tokens:
        if token.kind == "string" and re.search(r'\\["\\]', token.text) \
                and re.search(r"[ %]", token.text):
            complain(f"{name}:{token.line}", "a text has a double quote or a backslash")


def read_sources():
    uses, reasons = collections.defaultdict(list), {}
    for path in sorted(glob.glob(os.path.join(ROOT, "src", "*", "*.[ch]"))):
        name = os.path.relpath(path, os.path.join(ROOT, "src"))
        with open(path, encoding="utf-8") as file:
            tokens = tokens_of(file.read())
        logged = collections.defaultdict(list)
        read_calls(name, tokens, logged)
        if not NO_MESSAGES.search(name):
            read_quotes(name, tokens)
        if RETURNING.search(name):
            read_returns(name, tokens)
        for i, token in enumerate(tokens):
            if token.text == "AB" and number_in(tokens[i:i + 3]) \
                    and re.fullmatch(r"\d+", tokens[i + 2].text):
                number = tokens[i + 2].text
                where = f"{name}:{token.line}"
                uses[number].append(logged[number].pop(0) if logged[number]
                                    else (where, set()))
    return uses


def read_reasons():
    """Returns {number: (level, category/check)}, from the two tables in the sources."""
    with open(os.path.join(ROOT, "src/base/reason.h"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(ROOT, "src/httpd/answer.c"), encoding="utf-8") as file:
        answers = file.read()
    rows = {symbol: (name, status) for symbol, name, status in
            re.findall(r'^    X\(([A-Z]\w+), "(\w+)", (\d+), [01], ', text, re.M)}
    found = {}
    for number, check, category in re.findall(
            r'^    X\((\d{4}), \w+, "(\w+)", (\w+)\)', text, re.M):
        name, status = rows[category]
        answer = re.search(rf"#define ANSWER_{status}\((?:.*\\\n)?.*", answers)[0]
        level = "error" if "APLOG_ERR" in answer else "info"
        found[number] = (level, f"{name}/{check}")
    return found


# --- the catalogue -------------------------------------------------------------

Row = collections.namedtuple("Row", "line levels area meaning action")


def read_catalogue():
    """Returns (title, first, last, {number: Row}) for each range."""
    ranges, number, rows = [], None, {}
    with open(os.path.join(ROOT, CATALOGUE), encoding="utf-8") as file:
        lines = list(enumerate(file.read().split("\n"), 1))
    for n, line in lines:
        where = f"{CATALOGUE}:{n}"
        head = re.fullmatch(r"AB(\d{4}) ([a-z]+(?: or [a-z]+)*) (\S.*)", line)
        title = re.fullmatch(r"== (.*) \((\d{4})-(\d{4})\)", line)
        if title:
            rows = {}
            ranges.append((title[1], title[2], title[3], rows))
        elif head:
            number = head[1]
            if not ranges or not ranges[-1][1] <= number <= ranges[-1][2]:
                complain(where, f"AB{number} is not in the range above it")
            if rows and number <= max(rows):
                complain(where, f"AB{number} is out of order, or stands twice")
            rows[number] = Row(n, set(head[2].split(" or ")), head[3], "", "")
        elif line.startswith("  -> "):
            rows[number] = rows[number]._replace(action=line[5:].strip())
        elif line.startswith("  "):
            row = rows[number]
            field = "action" if row.action else "meaning"
            rows[number] = row._replace(
                **{field: f"{getattr(row, field)} {line.strip()}".strip()})
        elif line and not line.startswith("#"):
            complain(where, "cannot be read")
    return ranges


def compare(ranges, uses, reasons):
    rows = {number: row for _, _, _, some in ranges for number, row in some.items()}
    for number, where in sorted(uses.items()):
        places = ", ".join(place for place, _ in where)
        if not re.fullmatch(r"\d{4}", number):
            complain(places, f"AB({number}) is not a number of four digits")
        if len(where) > 1 or number in reasons:
            complain(places, f"AB{number} is used at more than one place")
        if number not in rows:
            complain(places, f"AB{number} is not in {CATALOGUE}")
            continue
        for place, levels in where:
            if levels and levels != rows[number].levels:
                complain(place, f"AB{number} is logged as {' or '.join(sorted(levels))}"
                         f", not as {CATALOGUE} says")
    for number, (level, area) in reasons.items():
        if number not in rows:
            complain("base/reason.h", f"AB{number} is not in {CATALOGUE}")
        elif (rows[number].levels, rows[number].area) != ({level}, area):
            complain(f"{CATALOGUE}:{rows[number].line}",
                     f"AB{number} is {level} {area} in the sources")
    for number, row in rows.items():
        where = f"{CATALOGUE}:{row.line}"
        if number not in uses and number not in reasons:
            complain(where, f"AB{number} is used nowhere")
        if not row.meaning.endswith(".") or not row.action:
            complain(where, f"AB{number} needs a meaning, and what to do behind ->")


# --- the page ------------------------------------------------------------------

INTRODUCTION = """\
# Messages

Every line that the module writes to the error log or prints in `apachectl configtest` begins
with its own number. Numbers of httpd (`AH…`) come first. A number keeps its meaning; the text
after it can change between versions. Search the log for numbers, and base alerts on them.

- **Level**: the level of the line. `config` means an error in a directive: httpd does not
  start. In `.htaccess`, such an error gives 500.
- **Check**: for a refused request, the category and the check that failed (`BEARER_ERROR` and
  `BEARER_ERROR_CHECK`); otherwise the area.

This page is generated from `src/base/messages.txt`.
"""


def cell(text):
    text = text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")
    return re.sub(r"(?<![\w`/])(\w*AuthBearer\w+|[A-Z]\w+ Off|\.htaccess)(?![\w`])",
                  r"`\1`", text)


def page(ranges):
    out = [INTRODUCTION]
    for title, first, last, rows in ranges:
        out.append(f"## {title}\n\n| Number | Level | Check | Meaning | What to do |\n"
                   "|---|---|---|---|---|")
        for number, row in rows.items():
            out.append(f"| AB{number} | {' or '.join(sorted(row.levels))} "
                       f"| {cell(row.area)} | {cell(row.meaning)} | {cell(row.action)} |")
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


def main():
    ranges = read_catalogue()
    compare(ranges, read_sources(), read_reasons())
    keep_page(PAGE, page(ranges))
    return end()


if __name__ == "__main__":
    sys.exit(main())
