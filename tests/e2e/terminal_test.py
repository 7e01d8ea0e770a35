"""Lines on a terminal that a program uses at the same time: colour, width, and waiting."""

import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402


class TerminalTest(harness.SondeCase):
    def on_terminal(self, arguments, command, columns=120, env=None, answer=None):
        """Runs on a new terminal; (status, everything the terminal showed). `answer`: what to type once
        a text was shown."""
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            for name, value in (env or self.environment(TERM="xterm-256color")).items():
                os.environ[name] = value
            os.execv(harness.SONDE, [str(a) for a in
                                     [harness.SONDE, "run", *self.simulator.provider_flags,
                                      *arguments, "--", *command]])
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        shown = b""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
            if answer and answer[0].encode() in shown:
                os.write(master, answer[1])
                answer = None
        os.close(master)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")

    def test_colour_and_lines_on_a_terminal(self):
        command = self.python_client([cases.call("openai", "tty")])
        status, shown = self.on_terminal([], command)
        self.assertEqual(status, 0, shown)
        self.assertIn("\x1b[", shown)
        self.assertIn("gpt-5-mini", shown)
        status, shown = self.on_terminal([], command, env=self.environment(NO_COLOR="1",
                                                                           TERM="xterm"))
        self.assertNotRegex(shown, r"\x1b\[[0-9;]*m")

    def test_lines_wait_while_the_terminal_is_raw(self):
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "raw")))
        code = f"""
import subprocess, termios, tty
old = termios.tcgetattr(0)
tty.setraw(0)
print("RAW-BEGIN", end="", flush=True)
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", "@{body}",
                "{self.simulator.openai}/v1/chat/completions"], check=True)
while not open("records.jsonl").read(): pass
print("RAW-END", end="", flush=True)
termios.tcsetattr(0, termios.TCSADRAIN, old)
"""
        status, shown = self.on_terminal(["-o", self.folder / "records.jsonl"],
                                         ["/usr/bin/python3", "-c", code])
        self.assertEqual(status, 0, shown)
        raw, after = shown.split("RAW-BEGIN")[1].split("RAW-END")
        self.assertEqual(raw, "")
        self.assertIn("gpt-5-mini", after)

    # How programs enter and leave the alternate screen: as most do, the older ways, in the middle of
    # other output, in several pieces, and through the terminal's other name.
    SCREENS = {
        "1049": ("os.write(1, b'\\x1b[?1049h')", "os.write(1, b'\\x1b[?1049l')"),
        "1047": ("os.write(1, b'\\x1b[?1047h')", "os.write(1, b'\\x1b[?1047l')"),
        "47": ("os.write(1, b'\\x1b7\\x1b[?47h')", "os.write(1, b'\\x1b[2J\\x1b[?47l\\x1b8')"),
        "long": ("os.write(1, b'\\x1b[?1049h' + b'.' * 5000)",
                 "os.write(1, b'.' * 5000 + b'\\x1b[?1049l\\x1b[23;0;0t')"),
        "vector": ("os.writev(1, [b'\\x1b[H', b'\\x1b[?1049h'])",
                   "os.writev(1, [b'\\x1b[?1049l', b'\\x1b[H', b'.'])"),
        "tty": ("os.write(tty, b'\\x1b[?1049h')", "os.write(tty, b'\\x1b[?1049l')"),
    }

    def test_lines_wait_for_the_end_of_the_alternate_screen(self):
        """The screen alone, with canonical input on throughout."""
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "alternate")))
        for name, (enter, leave) in self.SCREENS.items():
            with self.subTest(name):
                records = self.folder / "records.jsonl"
                code = f"""
import os, subprocess
tty = os.open("/dev/tty", os.O_RDWR)
{enter}
os.write(1, b"ALT-BEGIN")
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", "@{body}",
                "{self.simulator.openai}/v1/chat/completions"], check=True)
while not open("records.jsonl").read(): pass
os.write(1, b"ALT-END")
{leave}
"""
                status, shown = self.on_terminal(["-o", records],
                                                 ["/usr/bin/python3", "-c", code])
                self.assertEqual(status, 0, shown)
                inside, after = shown.split("ALT-BEGIN")[1].split("ALT-END")
                self.assertEqual(inside, "")
                left = re.search(r"\x1b\[\?(1049|1047|47)l", after)
                self.assertLess(left.end(), after.index("gpt-5-mini"))

    def test_lines_come_at_once_when_the_screen_was_left(self):
        """The line appears while the program still runs, not only with the bill."""
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "left")))
        code = f"""
import os, subprocess
os.write(1, b"\\x1b[?1049h")
os.write(1, b"\\x1b[?1049l")
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", "@{body}",
                "{self.simulator.openai}/v1/chat/completions"], check=True)
while not open("records.jsonl").read(): pass
subprocess.run(["sh", "-c", "read x"])
os.write(1, b"LAST")
"""
        status, shown = self.on_terminal(["-o", self.folder / "records.jsonl"],
                                         ["/usr/bin/python3", "-c", code],
                                         answer=("gpt-5-mini", b"\n"))
        self.assertEqual(status, 0, shown)
        self.assertLess(shown.index("gpt-5-mini"), shown.index("LAST"))

    def test_width(self):
        """No line of Sonde's is longer than the terminal."""
        calls = [cases.call("anthropic", "wide", kind="reasoning"),
                 cases.call("openai", "wide-2", error="rate_limit", fails=True)]
        for columns in (60, 80, 200):
            status, shown = self.on_terminal([], self.python_client(calls), columns)
            self.assertEqual(status, 0, shown)
            plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
            ours = [line for line in re.split(r"[\r\n]+", plain) if not line.startswith("{")
                    and "DeprecationWarning" not in line and "create(" not in line]
            self.assertTrue(ours)
            longest = max(ours, key=len)
            self.assertLessEqual(len(longest), columns, longest)

    def test_lines_never_and_to_a_file(self):
        command = self.python_client([cases.call("openai", "lines")])
        never = self.run_command(command, ["--lines", "never"])
        always = self.run_command(command, ["--lines", "always"])
        to_file = self.run_command(command, ["--lines", self.folder / "lines"])
        mark = "gpt-5-mini"
        self.assertEqual(always.stderr.count(mark), never.stderr.count(mark) + 1)
        self.assertEqual(to_file.stderr.count(mark), never.stderr.count(mark))
        self.assertEqual((self.folder / "lines").read_text().count(mark), 1)


if __name__ == "__main__":
    harness.main()
