#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: manpage.py [--write]

Compares tools/htbearer.1 with the tables of commands and options in tools/ht_*.c, which
`htbearer help` uses too, and docs/mod_auth_bearer.5 with docs/reference. --write
generates the pages. make lint runs it."""

import os
import re
import sys

import roff
from complaints import ROOT, complain, end, keep_page, read
from messages import arguments, tokens_of

PAGE = "tools/htbearer.1"

HEAD = r"""
.\" Licensed under the Apache License, Version 2.0; see LICENSE.
.\" Made by tests/build/manpage.py --write.
.TH HTBEARER 1 2026-01-01 "mod_auth_bearer" "User Commands"
.nh
.ad l
.SH NAME
htbearer \- keys and tokens for mod_auth_bearer
.SH SYNOPSIS
.B htbearer
.I COMMAND
.RI [ OPTION ]...
.br
.B htbearer help
.RI [ COMMAND ]
.br
.B htbearer \-\-version
.SH DESCRIPTION
.B htbearer
creates keys, signs development tokens, and checks tokens with the code of
mod_auth_bearer.
.PP
Tokens are read from standard input: every user of the host can see command
lines.
.PP
The value of an option is the next argument, or follows a
.BR = .
Dots: the option may be repeated.
.SH COMMANDS
"""

TAIL = r"""
.SH EXIT STATUS
0: done or accepted; 1: refused; 2: wrong usage, or an unusable file.
.SH EXAMPLES
Create keys, sign and verify a token:
.PP
.in +4n
.nf
htbearer keygen \-\-private key.json \-\-public keys.json
htbearer sign \-\-key key.json \-\-issuer https://idp.example.com/ \e
    \-\-audience api://orders \-\-subject alice \e
    \-\-claim scope=orders.read \-\-claim \(aqroles=["a","b"]\(aq >token
htbearer verify \-\-keys keys.json \-\-issuer https://idp.example.com/ \e
    \-\-audience api://orders <token
.fi
.in
.PP
Print a configuration for an issuer, explain a refusal, and revoke a token:
.PP
.in +4n
.nf
htbearer discover https://idp.example.com/
htbearer explain \-f /etc/apache2/apache2.conf /orders <token
htbearer revoke \-\-file revoked.list <token
.fi
.in
.PP
Try a token that is bound to the key of a client:
.PP
.in +4n
.nf
htbearer proof \-\-key client.json \-\-url https://www.example.com/orders <token >proof
htbearer explain \-f /etc/apache2/apache2.conf \-\-proof proof /orders <token
.fi
.in
.SH SEE ALSO
.BR htpasswd (1),
.BR mod_auth_bearer (5),
.BR httpd (8)
"""

MODULE_PAGE = "docs/mod_auth_bearer.5"
MODULE_HEAD = r"""
.\" Licensed under the Apache License, Version 2.0; see LICENSE.
.\" Made by tests/build/manpage.py --write from docs/reference.
.TH MOD_AUTH_BEARER 5 2026-01-01 "mod_auth_bearer" "File Formats"
.nh
.ad l
.SH NAME
mod_auth_bearer \- OAuth 2.0 bearer tokens and OpenID Connect logins in httpd
.SH SYNOPSIS
.nf
LoadModule auth_bearer_module modules/mod_auth_bearer.so
AuthBearerIssuer https://idp.example.com/
<Location "/orders">
    AuthType Bearer
    AuthBearerAudience api://orders
    Require scope orders.read
</Location>
.fi
.SH DESCRIPTION
.B mod_auth_bearer
is a module of Apache httpd 2.4.
It verifies OAuth 2.0 bearer tokens, logs browsers in with OpenID Connect,
applies
.B Require
rules to the claims, and passes the user to the application.
This page describes its directives, rules, variables and headers.
Paths that begin with docs/ are in the source of the module.
"""

MODULE_TAIL = r"""
.SH SEE ALSO
.BR htbearer (1),
.BR httpd (8)
"""


# --- the tables ----------------------------------------------------------------

def text_of(argument):
    """Returns the value of a C string; None for NULL."""
    if argument[0].kind != "string":
        return None
    return re.sub(r"\\(.)", r"\1", argument[0].text)


def initializer(tokens, i):
    """Returns the tokens between the braces after tokens[i], or None."""
    while tokens[i].text not in "{;":
        i += 1
    return arguments(tokens, i) if tokens[i].text == "{" else None


def read_command(name):
    """Returns the command of tools/ht_NAME.c as section() takes it, or None."""
    with open(os.path.join(ROOT, f"tools/ht_{name}.c"), encoding="utf-8") as file:
        tokens = tokens_of(file.read())
    options, command = [], None
    for i, token in enumerate(tokens):
        if token.text == "ht_option_t":
            rows = [arguments(row, 0) for row in initializer(tokens, i) if row]
            options = [(text_of(row[0]), text_of(row[1]), [t.text for t in row[2]],
                        text_of(row[3])) for row in rows[:-1]]
        if token.text == "ht_command_t":
            row = initializer(tokens, i)
            command = [text_of(row[0]), text_of(row[1]), row[2][0].text != "0",
                       text_of(row[3]), text_of(row[4]), options]
    if not command:
        complain(f"tools/ht_{name}.c", "has no ht_command_t")
    return command


def command_names():
    with open(os.path.join(ROOT, "tools/htbearer.c"), encoding="utf-8") as file:
        tokens = tokens_of(file.read())
    start = next(i for i, token in enumerate(tokens) if token.text == "commands")
    return [row[1].text.partition("_")[2] for row in initializer(tokens, start)
            if len(row) == 2]


# --- the page ------------------------------------------------------------------

def escaped(text):
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


def option_name(name):
    return escaped(("--" if len(name) > 1 else "-") + name)


def sentences(text, options):
    """Returns lines of roff; options and directives are bold."""
    text = escaped(text)
    text = re.sub(r"(?<![\w-])AuthBearer\w+", r"\\fB\g<0>\\fR", text)
    for name in options:
        text = re.sub(rf"(?<!\S){re.escape(option_name(name))}(?![\w\\])",
                      lambda match: rf"\fB{match[0]}\fR", text)
    return "\n".join(roff.filled(text))


def option_head(name, argument, flags):
    head = [rf"\fB{option_name(name)}\fR"]
    if argument:
        head.append(rf"\fI{escaped(argument)}\fR")
    return " ".join(head) + ("..." if "HT_REPEAT" in flags else "")


def section(name, operands, reads_token, summary, help_, options):
    required = [option_head(*row[:3]) for row in options if "HT_REQUIRED" in row[2]]
    usage = [rf"\fB{name}\fR", *required]
    if len(required) < len(options):
        usage.append(r"[\fIOPTION\fR]...")
    if operands:
        usage.append(re.sub(r"[A-Z]+", r"\\fI\g<0>\\fR", operands))
    if reads_token:
        usage.append(r"<\fITOKEN\-FILE\fR")
    names = [row[0] for row in options]
    out = [".SS " + " ".join(usage),
           sentences(f"{summary} {help_ or ''}".strip(), names)]
    for option, argument, flags, text in options:
        out += [".TP", option_head(option, argument, flags),
                sentences(text, names)]
    return "\n".join(out)


def module_page():
    """The pages of the reference. Sections of the first one stay sections; its index is
    left out."""
    out = []
    for path in roff.INCLUDED:
        title, _, text = read(path).partition("\n")
        if path == roff.INCLUDED[0]:
            title = "# What applies"
            text = re.sub(r"^\|topic\|.*\n(?:\|.*\n)+", "", text, flags=re.M)
        else:
            text = re.sub(r"^## ", "### ", text, flags=re.M)
        out += roff.page(f"#{title}\n{text}", path)
    return MODULE_HEAD.lstrip("\n") + "\n".join(out) + MODULE_TAIL


def main():
    keep_page(MODULE_PAGE, module_page())
    commands = [read_command(name) for name in command_names()]
    if all(commands):
        keep_page(PAGE, HEAD.lstrip("\n") + "\n".join(section(*c) for c in commands) + TAIL)
    return end()


if __name__ == "__main__":
    sys.exit(main())
