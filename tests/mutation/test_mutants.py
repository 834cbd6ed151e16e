# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The mutants themselves, on a small file of C; run by make lint."""
import os
import unittest

import mutants
from concerns import CONCERNS

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

TOY = """\
/* a == b, !c; */
#include <x==y.h>
#define BOTH(a, b) ((a) && \\
    (b))
static const int table[] = { 1, 2, 3 };
static_assert(sizeof(table) > 4, "!");

static int toy(const char *text, size_t n)
{
    char room[16];
    int found = n < 3;
    const thing_t *thing = (thing_t *)text;

    assert(n != 7);
    for (size_t i = 0; i < n; i++) {
        if (!text[i] && found) { // n > 1
            tell(AB(0899) "1 + 1 == 2",
                 sizeof(room) + 1);
        }
    }
    switch (found) {
    case 4:
        return n - 1;
    default:
        found += *text;
        found = 1;
        break;
    }
    return thing->left > 5;
}
"""


def changed(kind=None):
    return [(m.line, m.old, m.new) for m in mutants.many_of("toy.c", TOY)
            if kind in (None, m.kind)]


class Mutants(unittest.TestCase):

    def test_each_kind_has_its_places(self):
        self.assertEqual(changed("relation"), [
            (11, "<", "<="), (11, "<", ">="), (15, "<", "<="),
            (15, "<", ">="), (29, ">", "<="), (29, ">", ">=")])
        self.assertEqual(changed("logic"), [(16, "&&", "||")])
        self.assertEqual(changed("not"), [(16, "!", "")])
        self.assertEqual(changed("negate"), [
            (16, "!text[i] && found", "!(!text[i] && found)")])
        self.assertEqual([c[0] for c in changed("drop")], [17, 25, 26, 27])
        self.assertEqual(changed("return"), [
            (23, "n - 1", "0"), (23, "n - 1", "1"),
            (29, "thing->left > 5", "0"), (29, "thing->left > 5", "1")])
        self.assertEqual(changed("arithmetic"), [
            (15, "++", "--"), (18, "+", "-"), (23, "-", "+"),
            (25, "+=", "-=")])
        self.assertEqual(sorted(set(c[0] for c in changed("constant"))),
                         [11, 15, 18, 23, 26, 29])
        self.assertEqual([c[2] for c in changed("constant") if c[0] == 11],
                         ["0", "2", "4"])
        self.assertEqual([c[2] for c in changed("constant") if c[0] == 26],
                         ["0"])

    def test_the_rest_is_left_alone(self):
        """Comments, strings, preprocessor, declarations, asserts, labels."""
        lines = set(c[0] for c in changed())
        self.assertFalse(lines & {1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 22})
        self.assertNotIn(">", [c[1] for c in changed() if c[0] == 16])

    def test_a_mutant_is_one_change_and_keeps_the_lines(self):
        for mutant in mutants.many_of("toy.c", TOY):
            text = mutant.apply(TOY)
            self.assertNotEqual(text, TOY)
            self.assertEqual(text.count("\n"), TOY.count("\n"))
            self.assertTrue(text.startswith(TOY[:mutant.start]))
            self.assertTrue(text.endswith(TOY[mutant.end:]))

    def test_names_and_sample_outlive_other_changes(self):
        before = mutants.shuffled(mutants.many_of("toy.c", TOY), "1")
        after = mutants.shuffled(mutants.many_of(
            "toy.c", "/* more */\n" + TOY.replace("found = n < 3", "found")),
            "1")
        ids = [m.id for m in before]
        self.assertEqual(len(set(ids)), len(ids))
        left = [m.id for m in after]
        self.assertEqual([i for i in ids if i in left], left)
        self.assertLess(len(left), len(ids))

    def test_shares(self):
        out = mutants.shares({"a": 100, "b": 300, "c": 1}, 43)
        self.assertEqual(sum(out.values()), 43)
        self.assertEqual(out["c"], 1)
        self.assertTrue(30 <= out["b"] <= 32, out)
        self.assertEqual(mutants.shares({"a": 1, "b": 3, "c": 2}, 2),
                         {"b": 1, "c": 1})


class Concerns(unittest.TestCase):

    def test_the_table_has_every_file_of_the_glue(self):
        files = os.listdir(os.path.join(TOP, "src/httpd"))
        self.assertEqual(sorted(CONCERNS), sorted(
            f[:-2] for f in files if f.endswith(".c")))

    def test_what_it_names_exists(self):
        for name in set(" ".join(CONCERNS.values()).split()):
            self.assertTrue(os.path.exists(os.path.join(
                TOP, "tests/e2e/test_%s.py" % name)), name)


if __name__ == "__main__":
    unittest.main()
