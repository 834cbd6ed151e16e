# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Markdown, as far as docs/reference uses it, as a manual page. Used by manpage.py."""

import os
import re
import textwrap

COLUMNS = 78
#: Pages that are part of the manual page: a link to them needs no path.
INCLUDED = ("docs/reference/directives.md", "docs/reference/require.md",
            "docs/reference/variables.md")
SPANS = re.compile(r"`(?P<code>[^`]+)`|\[(?P<text>[^]]+)\]\((?P<target>[^)]+)\)"
                   r"|\*\*(?P<bold>.+?)\*\*|(?<!\w)\*(?P<italic>[^*`]+)\*")
CELL = re.compile(r"(?<!\\)\|")


def escaped(text, code=False):
    """For roff. Code keeps characters that troff would print as similar ones."""
    text = text.replace("\\", "\\e").replace("…", "...")
    if code:
        for character, name in (("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"),
                                ("^", "\\(ha"), ("~", "\\(ti")):
            text = text.replace(character, name)
    return text


def bold(text):
    return rf"\fB{text}\fR"


def inline(text, page):
    """One paragraph. Code and directives are bold; a link to another page names it."""
    def span(found):
        if found["code"]:
            return bold(escaped(found["code"], code=True))
        if found["bold"]:
            return bold(inline(found["bold"], page))
        if found["italic"]:
            return rf"\fI{escaped(found['italic'])}\fR"
        label, path = inline(found["text"], page), found["target"].partition("#")[0]
        if found["text"].startswith("AuthBearer"):
            label = bold(label)
        path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        return label if path in INCLUDED or "://" in found["target"] else f"{label} ({path})"
    out, end = [], 0
    for found in SPANS.finditer(text):
        out += [escaped(text[end:found.start()]), span(found)]
        end = found.end()
    return "".join(out) + escaped(text[end:])


def filled(text):
    """Lines of at most COLUMNS, each sentence on a line of its own. None is a request:
    those begin with a dot or an apostrophe."""
    lines = []
    for sentence in re.split(r"(?<=[.?])(?<!e\.g\.) (?=(?:\\f[BI])?[A-Z])", text):
        lines += textwrap.wrap(sentence, COLUMNS, break_long_words=False,
                               break_on_hyphens=False)
    return [re.sub(r"^(?=[.'])", r"\\&", line) for line in lines]


def paragraph(lines, page):
    return filled(inline(" ".join(line.strip() for line in lines), page))


def code_block(lines):
    return [".PP", ".in +4n", ".nf",
            *(re.sub(r"^(?=[.'])", r"\\&", escaped(line, code=True)) for line in lines),
            ".fi", ".in"]


def cells_of(line):
    return [cell.strip().replace("\\|", "|") for cell in CELL.split(line)[1:-1]]


def table(lines, page):
    """The first column is the tag. A head without names is left out."""
    head, rows = cells_of(lines[0]), [cells_of(line) for line in lines[2:]]
    if any(head):
        head = [f"*{name}*" if name else "" for name in head]
        rows = [head, *rows] if len(head) == 2 else rows
    out = [".PP", ".PD 0"]
    for tag, *cells in rows:
        out += [".TP 14", *(filled(inline(tag, page)) or [r"\&"])]
        text = []
        for name, cell in zip(head[1:], cells):
            if cell:
                named = f"{name}: " if len(head) > 2 else ""
                text += [".br"] * bool(text) + filled(inline(named + cell, page))
        out += text or [r"\&"]
    return out + [".PD"]


def listed(lines, page):
    """A list with bullets or numbers; further lines of an item are indented."""
    items = []
    for line in lines:
        mark = re.match(r"(-|\d+\.) (.*)", line)
        if mark:
            items.append((r"\(bu" if mark[1] == "-" else mark[1], [mark[2]]))
        else:
            items[-1][1].append(line)
    out = []
    for mark, text in items:
        out += [f".IP {mark} 4", *paragraph(text, page)]
    return out


def block(lines, page):
    first = lines[0]
    if first.startswith("```"):
        return code_block(lines[1:-1])
    if first.startswith("    "):
        return code_block([line[4:] for line in lines])
    if first.startswith("|"):
        return table(lines, page)
    if re.match(r"- |\d+\. ", first):
        return listed(lines, page)
    if first.startswith(">"):
        lines = [line[1:] for line in lines]
    return [".PP", *paragraph(lines, page)]


def blocks(text):
    """Lists of lines: what empty lines separate, and code with its empty lines."""
    found, inside = [], False
    fresh = True
    for line in re.sub(r"^<!--.*-->\n", "", text, flags=re.M).split("\n"):
        if line.startswith("```"):
            fresh = fresh or not inside
            inside = not inside
        if not line and not inside:
            fresh = True
            continue
        if fresh:
            found.append([])
        found[-1].append(line)
        fresh = line.startswith("```") and not inside
    return found


def heading(level, title):
    title = escaped(title.replace("`", ""), code=True)
    if level == 2:
        title = title.upper()
    return [f'.S{"H" if level == 2 else "S"} "{title}"']


def page(text, path):
    """Returns lines of roff. `path` is that of the Markdown, from the top of the tree."""
    out = []
    for lines in blocks(text):
        mark = re.match(r"(#+) (.*)", lines[0])
        if mark:
            out += heading(len(mark[1]), mark[2])
            lines = lines[1:]
        if lines:
            out += block(lines, path)
    # a heading begins a paragraph of its own
    return [line for before, line in zip(["", *out], out)
            if not (line == ".PP" and before.startswith((".SH", ".SS")))]
