# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The mutants of a C file: each is the file with one small change in the code
of a function.

The layout is clang-format's (make lint sees to it), and that carries much here:
an operator between blanks has two operands, a function's brace stands alone in
column one, a declaration begins with a type and a name.
"""
import bisect
import collections
import hashlib
import os
import re

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<preprocessor>(?m:^)[ ]*\#(?:[^\n\\]|\\.)*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)[uUlLfF]*)
  | (?P<mark><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\S)
  """, re.X | re.S)

#: Between two operands.
SWAPS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",), "&&": ("||",), "||": ("&&",),
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("*",),
    "<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",), "^": ("|",),
    "+=": ("-=",), "-=": ("+=",), "|=": ("=",), "&=": ("=",),
}
KINDS = {"&&": "logic", "||": "logic", "<": "relation", "<=": "relation",
         ">": "relation", ">=": "relation", "==": "relation", "!=": "relation"}
WORDS = {"true": "false", "false": "true"}
ASSERTS = {"assert", "static_assert", "_Static_assert"}
LEFT_ALONE = ASSERTS | {"sizeof", "AB"}  # a message's number is a string
KEYWORDS = {"return", "goto", "case", "else", "sizeof", "if", "while", "for",
            "do", "switch", "break", "continue", "default"}
OPENING, CLOSING = "([{", ")]}"

Token = collections.namedtuple("Token", "kind text start end")


class Mutant:
    """One change: the text from start to end of the file becomes new."""

    def __init__(self, file, source, kind, start, end, new):
        self.file, self.kind, self.new = file, kind, new
        self.start, self.end = start, end
        self.old = source[start:end]
        self.line = source.count("\n", 0, start) + 1
        bol = source.rfind("\n", 0, start) + 1
        self.before = source[bol:start].lstrip()
        eol = source.find("\n", end)
        self.after = source[end:eol if eol >= 0 else len(source)].rstrip()
        self.id = None  # many_of() gives it

    @property
    def key(self):
        """What stays the same while other lines of the file change, or the file
        moves."""
        return "\0".join((os.path.basename(self.file), self.kind, self.before, self.old,
                          self.after, self.new))

    def apply(self, source):
        """Lines keep their numbers."""
        lost = self.old.count("\n") - self.new.count("\n")
        return (source[:self.start] + self.new + "\n" * lost +
                source[self.end:])

    @property
    def shown(self):
        """(the line as it is, the line as the mutant has it)."""
        whole = lambda middle: " ".join(
            (self.before + middle + self.after).split())
        return whole(self.old), whole(self.new)


def tokens(source):
    return [Token(m.lastgroup, m.group(), m.start(), m.end())
            for m in TOKEN.finditer(source) if m.lastgroup != "comment"]


def partners(toks):
    """The index of the bracket that belongs to each bracket."""
    pairs, open_ones = {}, []
    for i, tok in enumerate(toks):
        if tok.kind != "mark":
            continue
        if tok.text in OPENING:
            open_ones.append(i)
        elif tok.text in CLOSING and open_ones:
            pairs[i] = open_ones.pop()
            pairs[pairs[i]] = i
    return pairs


def bodies(source, toks, pairs):
    """(first, last): the tokens inside of each function."""
    for i, tok in enumerate(toks):
        if tok.text == "{" and tok.kind == "mark" and i in pairs and \
                source[tok.start - 1:tok.start] == "\n" and \
                source[tok.end:tok.end + 1] == "\n":
            yield i + 1, pairs[i]


def is_declaration(toks, first, last):
    """T name; T *name = ...; struct T name[...]; never a call."""
    i, words = first, 0
    while i < last and toks[i].kind == "word":
        if toks[i].text in KEYWORDS:
            return False
        i, words = i + 1, words + 1
    stars = i
    while i < last and toks[i].text == "*" and \
            toks[i].end == toks[min(i + 1, last - 1)].start:
        i += 1
    if i > stars:
        return words >= 1 and i < last and toks[i].kind == "word"
    return words >= 2


class Walk:
    """Collects the mutants of one file."""

    def __init__(self, file, source):
        self.file, self.source = file, source
        self.toks = tokens(source)
        self.pairs = partners(self.toks)
        self.found = []
        self.skipped = set()

    def add(self, kind, first, last, new):
        """The tokens from first to last, both included."""
        self.found.append(Mutant(self.file, self.source, kind,
                                 self.toks[first].start, self.toks[last].end,
                                 new))

    def text(self, first, last):
        return self.source[self.toks[first].start:self.toks[last].end]

    def function(self, first, last):
        for begin, end in self.statements(first, last):
            self.statement(begin, end)
        i = first
        while i < last:
            if i not in self.skipped:
                self.token(i)
            i += 1

    def statements(self, first, last):
        """(begin, end) of what ends in a semicolon, which end points at."""
        toks, begin, i = self.toks, first, first
        while i < last:
            text = toks[i].text if toks[i].kind in ("mark", "word") else ""
            if text == ";":
                yield begin, i
                begin = i + 1
            elif text in ("{", "}", "else", "do") or \
                    toks[i].kind == "preprocessor":
                if text == "{" and i > begin and \
                        toks[i - 1].text in ("=", ",", ")", "(", "{") and \
                        not self.opens_block(i):
                    i = self.pairs[i]  # of an initialiser
                else:
                    begin = i + 1
            elif text in ("if", "while", "for", "switch") and \
                    toks[i + 1].text == "(":
                self.header(i)
                i = self.pairs[i + 1]
                begin = i + 1
            elif text in ("case", "default"):
                while toks[i].text != ":":
                    self.skipped.add(i)
                    i += 1
                begin = i + 1
            elif text == "(" or text == "[":
                i = self.pairs[i]
            i += 1

    def opens_block(self, brace):
        """For a brace after `)`: of if (...) {, not of (T) {."""
        if self.toks[brace - 1].text != ")":
            return False
        before = self.pairs[brace - 1] - 1
        return self.toks[before].text in ("if", "while", "for", "switch")

    def header(self, i):
        toks, close = self.toks, self.pairs[i + 1]
        if toks[i].text == "if":
            inside = self.text(i + 2, close - 1)
            self.add("negate", i + 2, close - 1, "!(" + inside + ")")
        if toks[i].text == "for" and is_declaration(toks, i + 2, close):
            self.declarator(i + 2, close)

    def statement(self, begin, end):
        toks = self.toks
        if end == begin:
            return
        head = toks[begin]
        if head.text in ASSERTS:
            self.skipped.update(range(begin, end))
        elif head.text == "return":
            value = self.text(begin + 1, end - 1) if end > begin + 1 else ""
            if value not in ("", "0", "1", "true", "false", "NULL"):
                self.add("return", begin + 1, end - 1, "0")
                if value not in ("-1",) and not re.match(r"[A-Z0-9_]+$", value):
                    self.add("return", begin + 1, end - 1, "1")
        elif head.text == "goto":
            return
        elif is_declaration(toks, begin, end):
            self.declarator(begin, end)
        elif not self.is_label(begin):
            self.add("drop", begin, end, ";")

    def is_label(self, begin):
        return self.toks[begin + 1].text == ":"

    def declarator(self, begin, end):
        """Of a declaration, only what it is initialised with is code."""
        for i in range(begin, end):
            if self.toks[i].text == "=":
                return
            self.skipped.add(i)

    def token(self, i):
        tok, toks = self.toks[i], self.toks
        if tok.kind == "word":
            if tok.text in LEFT_ALONE:
                if toks[i + 1].text == "(":
                    self.skipped.update(range(i, self.pairs[i + 1]))
            elif tok.text in WORDS:
                self.add("constant", i, i, WORDS[tok.text])
        elif tok.kind == "number":
            self.number(i)
        elif tok.kind == "mark":
            self.mark(i)

    def number(self, i):
        match = re.match(
            r"(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)([uUlL]*)$",
            self.toks[i].text)
        if not match:
            return
        digits, suffix = match.groups()
        value = int(digits, 8 if re.match(r"0\d", digits) else 0)
        news = {0, abs(value - 1), value + 1} - {value}
        if value == 1 and self.toks[i - 1].text in ("return", "=") and \
                self.toks[i + 1].text == ";":
            news = {0}  # yes or no: 2 is 1
        for new in sorted(news):
            self.add("constant", i, i, "%d%s" % (new, suffix))

    def mark(self, i):
        tok, toks = self.toks[i], self.toks
        if tok.text == "!":
            self.add("not", i, i, "")
        elif tok.text in ("++", "--"):
            self.add("arithmetic", i, i, "--" if tok.text == "++" else "++")
        elif tok.text in SWAPS and \
                self.source[tok.start - 1].isspace() and \
                self.source[tok.end].isspace() and \
                toks[i - 1].text not in ("(", ",", "=", "return"):
            for new in SWAPS[tok.text]:
                self.add(KINDS.get(tok.text, "arithmetic"), i, i, new)


def many_of(file, source):
    """All mutants of a file, in its order; each has an id that other changes
    of the file leave alone."""
    walk = Walk(file, source)
    for first, last in bodies(source, walk.toks, walk.pairs):
        walk.function(first, last)
    seen = collections.Counter()
    for mutant in sorted(walk.found, key=lambda m: (m.start, m.end, m.new)):
        key = mutant.key
        seen[key] += 1
        mutant.id = hashlib.sha256(
            ("%s\0%d" % (key, seen[key])).encode()).hexdigest()[:12]
    return sorted(walk.found, key=lambda m: (m.start, m.end, m.new))


def shuffled(mutants, seed):
    """In the order of a sample: the first ones of a shorter sample are the
    first of a longer one, and a change elsewhere in the file moves few."""
    return sorted(mutants, key=lambda m: hashlib.sha256(
        ("%s\0%s" % (seed, m.id)).encode()).hexdigest())


def shares(sizes, total):
    """{file: how many of total}, by size, each file at least one."""
    names = sorted(sizes)
    if total <= len(names):
        names = sorted(names, key=lambda n: (-sizes[n], n))[:total]
    out = dict.fromkeys(names, 1)
    left = total - len(out)
    all_of_them = sum(sizes[n] for n in names) or 1
    sums, running = [], 0
    for name in names:
        running += sizes[name]
        sums.append(running)
    for k in range(left):
        where = (k + 0.5) * all_of_them / left
        out[names[min(bisect.bisect_left(sums, where), len(names) - 1)]] += 1
    return out
