"""The end of a run: how long Sonde takes to leave, whom it waits for, and readers that do not read."""

import fcntl
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
from harness import children_of, wait_for  # noqa: E402

EXIT_DELAY_LIMIT = 0.2


class LeavingTest(harness.SondeCase):
    def test_exit_delay(self):
        """From the command's last act to Sonde's exit; the command has called over TLS before."""
        command = self.stamped_client([cases.call("openai", "delay")])
        delays = []
        for _ in range(7):
            run = self.run_command(command)
            self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)
            delays.append(self.leaving_seconds(run))
        print(f"exit delay: n={len(delays)} median={statistics.median(delays) * 1e3:.0f} ms "
              f"max={max(delays) * 1e3:.0f} ms")
        self.assertLessEqual(statistics.median(delays), EXIT_DELAY_LIMIT)

    def test_daemons_are_not_waited_for(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        script = 'setsid sh -c "read x <fifo; echo done >done" >/dev/null 2>&1 </dev/null & exit 5'
        run = self.sonde(["run", "--", "sh", "-c", script], deadline=20)
        self.assertEqual(run.status, 5, run.stderr)
        self.assertFalse((self.folder / "done").exists())
        fifo.write_text("go\n")   # opens only when the daemon reads: it lives on
        wait_for((self.folder / "done").exists, "the daemon to end by itself")

    def test_wait_all(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        script = 'setsid sh -c "read x <fifo; echo done >done" >/dev/null 2>&1 </dev/null & exit 5'
        process = self.start(["run", "--wait-all", "--", "sh", "-c", script])
        wait_for(lambda: self.first_child_gone(process.pid), "the command itself to end")
        self.assertIsNone(process.poll())
        fifo.write_text("go\n")
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 5)
        self.assertTrue((self.folder / "done").exists())

    @staticmethod
    def first_child_gone(pid):
        commands = [pathlib.Path(f"/proc/{p}/cmdline") for p in children_of(pid)]
        return not any(b"exit 5" in c.read_bytes() for c in commands if c.exists())

    def test_calls_of_descendants_are_seen(self):
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "grandchild")))
        url = self.simulator.openai + "/v1/chat/completions"
        command = f"(sh -c 'curl -sS -o /dev/null --data-binary @{body} {url}' & wait)"
        run = self.run_command(["sh", "-c", command])
        self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)
        self.assertEqual(run.records[0]["process"]["comm"], "curl")


class StalledReaderTest(harness.SondeCase):
    """Readers that stop reading hold up neither the program nor Sonde's exit."""

    def stamp(self, *calls):
        return self.stamped_client([cases.call("openai", c) for c in calls])

    def full_pipe(self):
        """(reading end, writing end) of a pipe without room."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writing, True)
        return reading, writing

    def leaves_in_time(self, arguments):
        """Standard error is a full pipe that nobody reads."""
        delays = [self.delay_at_a_full_pipe(arguments) for _ in range(3)]
        print(f"exit delay with a full pipe: n=3 median={statistics.median(delays) * 1e3:.0f} ms")
        self.assertLessEqual(statistics.median(delays), EXIT_DELAY_LIMIT)
        self.simulator.new_entries(3)

    def delay_at_a_full_pipe(self, arguments):
        command = self.stamp("stalled")
        reading, writing = self.full_pipe()
        flags = fcntl.fcntl(writing, fcntl.F_GETFL)
        process = self.start(["run", *self.simulator.provider_flags, *arguments, "--", *command],
                             stderr=writing)
        out, _ = process.communicate(timeout=60)
        ended_ns = time.monotonic_ns()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(fcntl.fcntl(writing, fcntl.F_GETFL), flags, "the command's flags changed")
        os.close(writing)
        return (ended_ns - int(re.search(r"END (\d+)", out)[1])) / 1e9

    def test_lines_for_nobody(self):
        self.leaves_in_time([])

    def test_json_for_nobody(self):
        self.leaves_in_time(["--json"])

    def test_a_named_pipe_without_a_reader(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        run = self.sonde(["run", *self.simulator.provider_flags, "-o", fifo, "--",
                          *self.stamp("one", "two")], deadline=60)
        self.simulator.new_entries(2)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertLessEqual(self.leaving_seconds(run), EXIT_DELAY_LIMIT)
        warnings = [line for line in run.stderr.splitlines() if "usage records" in line]
        self.assertEqual(len(warnings), 1, run.stderr)
        self.assertIn("2 of 2", warnings[0])
        self.assertIn(str(fifo), " ".join(warnings))

    def test_a_named_pipe_whose_reader_comes_late(self):
        fifo, go = self.folder / "fifo", self.folder / "go"
        os.mkfifo(fifo)
        command = self.stamp("late")
        process = self.start(["run", *self.simulator.provider_flags, "-o", fifo, "--", "sh", "-c",
                              '"$@" && read x', "sh", *command], stdin=subprocess.PIPE)
        while "END" not in process.stdout.readline():
            self.assertIsNone(process.poll())
        with open(fifo) as reader:
            process.stdin.write("\n")
            process.stdin.flush()
            records = [json.loads(line) for line in reader]
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertEqual([r["request_id"] for r in records],
                         [e["request_id"] for e in self.simulator.new_entries(1)])

    def test_records_on_standard_output(self):
        run = self.sonde(["run", *self.simulator.provider_flags, "-o", "-", "--",
                          *self.python_client([cases.call("openai", "stdout")])])
        self.assertEqual(run.status, 0, run.stderr)
        records = [json.loads(line) for line in run.stdout.splitlines()
                   if line.startswith('{"schema":"sonde.usage/1"')]
        self.assertEqual([r["request_id"] for r in records],
                         [e["request_id"] for e in self.simulator.new_entries(1)])
        self.assertFalse((self.folder / "-").exists())


class JsonTest(harness.SondeCase):
    def test_every_line_is_json_and_standard_output_is_the_command_s(self):
        calls = [cases.call("openai", "json-1"), cases.call("anthropic", "json-2", stream=True),
                 cases.call("openai", "json-3", error="rate_limit", fails=True)]
        command = self.python_client(calls)
        alone = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                               env=self.environment(), cwd=self.folder, check=True)
        self.simulator.new_entries(3)
        run = self.sonde(["run", "--json", *self.simulator.provider_flags, "--", *command])
        entries = self.simulator.new_entries(3)
        self.assertEqual(run.status, 0, run.stderr)
        shape = lambda text: re.sub(r"[0-9a-f]{8,}|\d+", "N", text)
        self.assertEqual(shape(run.stdout), shape(alone.stdout))
        own = shape(alone.stderr).splitlines()
        lines = [line for line in run.stderr.splitlines() if shape(line) not in own]
        documents = [json.loads(line) for line in lines]
        self.assertEqual([d["schema"] for d in documents],
                         ["sonde.usage/1"] * len(entries) + ["sonde.bill/1"])
        self.assertEqual({d["request_id"] for d in documents[:-1]},
                         {e["request_id"] for e in entries})
        self.assertEqual(documents[-1]["total"]["calls"], len(entries))


if __name__ == "__main__":
    harness.main()
