#!/usr/bin/env python3
"""Fails when a room includes a library that the table in docs/dependencies.md does not allow it.

    check_dependencies.py [ROOT]

The table's columns: Need, Library, Header prefixes, Debian package, Rooms. Every include of a file
below agent/, bpf/ and decoders/ must be a header of a room (in quotes), of the C or C++ library or
of the kernel, or begin with a prefix whose row names the file's room. "tests only" means *_test.cc, helpers
named test_* and fuzzers; "benches only" means *_bench.cc; "all" means any room. A prefix nobody
includes, and a package that tools/packages.txt lacks, are errors too.
"""

import pathlib
import re
import sys

ROOMS = ("agent", "bpf", "decoders")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
# Of the system: the C++ library has no suffix; these are C, POSIX and the kernel's own headers.
SYSTEM = re.compile(
    r"^([a-z_]+|(assert|ctype|dirent|errno|fcntl|fenv|float|fnmatch|getopt|glob|grp|ifaddrs|inttypes"
    r"|limits|link|linux/[a-z_/0-9]+|locale|math|net/[a-z_]+|netdb|netinet/[a-z_]+|arpa/inet|asm/[a-z_]+"
    r"|poll|pthread|pty|pwd|sched|semaphore|setjmp|signal|spawn|stdarg|stdbool|stddef|stdint|stdio"
    r"|stdlib|string|strings|sys/[a-z_0-9]+|syslog|termios|time|ucontext|unistd|utime|wchar|wctype|[a-z]*mmintrin)\.h)$")


class Row:
    def __init__(self, cells):
        self.library, prefixes, packages, rooms = cells[1:5]
        split = lambda text: [part.strip() for part in text.split(",") if part.strip() not in ("", "-")]
        self.prefixes, self.packages, self.rooms = split(prefixes), split(packages), split(rooms)
        self.used = set()

    def allows(self, file: pathlib.PurePath) -> bool:
        room = str(file.parent)
        is_test = file.stem.endswith(("_test", "_fuzz")) or file.stem.startswith("test_")
        for allowed in self.rooms:
            if allowed == "all" or room == allowed or room.startswith(allowed + "/"):
                return True
            if allowed == "tests only" and is_test:
                return True
            if allowed == "benches only" and file.stem.endswith("_bench"):
                return True
        return False


def read_table(path: pathlib.Path) -> list:
    rows = []
    for line in path.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and cells[0] != "Need" \
                and not set(cells[0]) <= set("-: "):
            rows.append(Row(cells))
    return rows


def check_file(root: pathlib.Path, path: pathlib.Path, rows: list) -> list:
    file = path.relative_to(root)
    problems = []
    text = path.read_text(errors="replace")
    for found in INCLUDE.finditer(text):
        brackets, header = found.groups()
        owners = [(row, prefix) for row in rows for prefix in row.prefixes
                  if header.startswith(prefix)]
        if not owners:
            # Quoted and nobody's: a header of a room, which the room's link list settles.
            if brackets == "<" and not SYSTEM.match(header):
                problems.append((file, text.count("\n", 0, found.start()) + 1,
                                 f"<{header}> belongs to no row"))
            continue
        for row, prefix in owners:
            row.used.add(prefix)
        if not any(row.allows(file) for row, _ in owners):
            row = owners[0][0]
            problems.append((file, text.count("\n", 0, found.start()) + 1,
                             f"<{header}>: {row.library} is allowed in {', '.join(row.rooms)}"))
    return problems


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    if root.is_file():
        root = root.parents[1]
    rows = read_table(root / "docs" / "dependencies.md")
    if not rows:
        print("check_dependencies: docs/dependencies.md has no table", file=sys.stderr)
        return 1
    problems, files = [], 0
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".cc", ".h", ".c", ".hpp"):
                files += 1
                problems += check_file(root, path, rows)
    lines = [f"{file}:{line}: {what}" for file, line, what in problems]
    packages = {line.split("|")[0].strip() for line in
                (root / "tools" / "packages.txt").read_text().splitlines()}
    for row in rows:
        unused = set(row.prefixes) - row.used
        if row.prefixes and unused == set(row.prefixes):
            lines.append(f"docs/dependencies.md: nothing includes {row.library}")
        lines += [f"tools/packages.txt lacks {package} ({row.library})"
                  for package in row.packages if package not in packages]
    if lines:
        print("\n".join(lines), file=sys.stderr)
        print(f"check_dependencies: {len(lines)} problems", file=sys.stderr)
        return 1
    print(f"check_dependencies: {files} files keep to the {len(rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
