"""tools/check_dependencies.py finds what it is there to find."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_dependencies.py"
TABLE = """
| Need | Library | Header prefixes | Debian package | Rooms |
|---|---|---|---|---|
| Parse | Foo | foo/, foo.h | libfoo-dev | agent/a |
| Test | Check | check/ | libcheck-dev | tests only |
| Tool | Maker | - | maker | bpf |
"""


class CheckDependenciesTest(unittest.TestCase):
    def run_on(self, files, table=TABLE, packages="libfoo-dev\nlibcheck-dev\nmaker\n"):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            everything = {"docs/dependencies.md": table, "tools/packages.txt": packages,
                          "agent/a/a.cc": '#include <foo/x.h>\n#include <vector>\n'
                          '#include <sys/stat.h>\n#include "agent/a/a.h"\n',
                          "agent/a/a_test.cc": "#include <check/check.h>\n"} | files
            for path, text in everything.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            done = subprocess.run([sys.executable, TOOL, root], capture_output=True, text=True,
                                  check=False)
            return done.returncode, done.stderr

    def test_a_clean_tree(self):
        self.assertEqual(self.run_on({}), (0, ""))

    def test_a_room_that_may_not(self):
        for quoted in ("<foo.h>", '"foo/y.h"'):
            status, said = self.run_on({"agent/b/b.cc": f"int x;\n#include {quoted}\n"})
            self.assertEqual(status, 1)
            self.assertIn("agent/b/b.cc:2: ", said)
            self.assertIn("Foo is allowed in agent/a", said)

    def test_rooms_below_an_allowed_room(self):
        self.assertEqual(self.run_on({"agent/a/deep/c.cc": "#include <foo.h>\n"})[0], 0)
        self.assertEqual(self.run_on({"agent/ab/c.cc": "#include <foo.h>\n"})[0], 1)

    def test_an_unknown_library(self):
        status, said = self.run_on({"agent/a/z.cc": "#include <zoo/zoo.h>\n"})
        self.assertEqual(status, 1)
        self.assertIn("<zoo/zoo.h> belongs to no row", said)

    def test_test_libraries_stay_in_tests(self):
        status, said = self.run_on({"agent/a/z.cc": "#include <check/check.h>\n"})
        self.assertEqual(status, 1)
        self.assertIn("tests only", said)

    def test_rows_that_nobody_needs_and_packages_that_nobody_installs(self):
        status, said = self.run_on({"agent/a/a.cc": ""})
        self.assertEqual(status, 1)
        self.assertIn("nothing includes Foo", said)
        status, said = self.run_on({}, packages="libfoo-dev\nmaker\n")
        self.assertEqual(status, 1)
        self.assertIn("lacks libcheck-dev", said)


if __name__ == "__main__":
    unittest.main()
