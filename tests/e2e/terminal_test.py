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
    def on_terminal(self, arguments, command, columns=120, env=None):
        """Runs on a new terminal; (status, everything the terminal showed)."""
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

    def test_lines_wait_while_a_full_screen_program_runs(self):
        """The alternate screen as full-screen programs use it: with canonical input off. (What a
        program merely prints to its terminal is between the two of them.)"""
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "alternate")))
        code = f"""
import subprocess, termios, tty
old = termios.tcgetattr(0)
tty.setcbreak(0)
print("\\x1b[?1049hALT-BEGIN", end="", flush=True)
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", "@{body}",
                "{self.simulator.openai}/v1/chat/completions"], check=True)
while not open("records.jsonl").read(): pass
print("ALT-END\\x1b[?1049l", end="", flush=True)
termios.tcsetattr(0, termios.TCSADRAIN, old)
"""
        status, shown = self.on_terminal(["-o", self.folder / "records.jsonl"],
                                         ["/usr/bin/python3", "-c", code])
        self.assertEqual(status, 0, shown)
        inside, after = shown.split("ALT-BEGIN")[1].split("ALT-END")
        self.assertEqual(inside, "")
        self.assertIn("gpt-5-mini", after)

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
