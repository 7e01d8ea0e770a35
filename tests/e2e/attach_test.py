"""`sonde attach`: joining what already runs, and leaving it running."""

import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
from harness import wait_for  # noqa: E402


class AttachTest(harness.SondeCase):
    def test_attach_to_a_running_program(self):
        """The program calls before, during and after; only the call in between is reported, and the
        program never notices."""
        calls = [cases.call("openai", f"attach-{n}", stream=True) for n in range(3)]
        plan = self.client_plan(calls)
        code = (f"import sys; sys.path.insert(0, {str(harness.HERE / 'clients')!r})\n"
                f"import json, sdk_client\nplan = json.load(open({str(plan)!r}))\n"
                "client = sdk_client.Sync(plan)\n"
                "for call in plan['calls']:\n"
                "    client.make(call); print('called', flush=True); sys.stdin.readline()\n")
        program = subprocess.Popen([str(harness.PYTHON), "-c", code], cwd=self.folder, text=True,
                                   env=self.environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(harness.end_process, program)
        self.until_called(program)
        records = self.folder / "records.jsonl"
        err_path = self.folder / "err"
        with open(err_path, "w") as err:
            sonde = self.start(["attach", "--pid", program.pid, *self.simulator.provider_flags,
                                "-o", records], stderr=err)
        wait_for(lambda: "attached" in err_path.read_text().lower(), "sonde to say it is attached")
        program.stdin.write("\n")
        program.stdin.flush()
        self.until_called(program)
        wait_for(lambda: len(harness.read_records(records)) == 1, "the record of the second call")
        sonde.send_signal(signal.SIGINT)
        sonde.communicate(timeout=30)
        self.assertEqual(sonde.returncode, 0)
        self.assertRegex(err_path.read_text(), harness.BILL)
        program.stdin.write("\n")
        program.stdin.flush()
        self.until_called(program)
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.wait(30), 0)
        found = harness.read_records(records)
        entries = {e["id"]: e for e in self.simulator.new_entries(3)}
        self.assertEqual([r["request_id"] for r in found], [entries["attach-1"]["request_id"]])

    def test_attach_in_the_middle_of_a_stream(self):
        """The request went out before Sonde came: what the reply states is booked and marked."""
        for tls in (True, False):
            with self.subTest(tls=tls):
                self.attach_mid_stream(tls)

    def attach_mid_stream(self, tls):
        body = harness.raw_body(cases.call("openai", f"middle-{tls}", True, chunks=400,
                                           delay_ms=10))
        port = self.simulator.port if tls else self.simulator.plain_port
        code = (f"import http.client, ssl, sys\n"
                f"context = ssl.create_default_context(cafile={str(self.simulator.ca)!r})\n"
                + (f"c = http.client.HTTPSConnection('localhost', {port}, context=context)\n" if tls
                   else f"c = http.client.HTTPConnection('localhost', {port})\n") +
                f"c.request('POST', '/v1/chat/completions', {body!r})\n"
                f"reply = c.getresponse()\n"
                f"reply.read1(1); print('streams', flush=True)\n"
                f"while reply.read1(65536): pass\n"
                f"print('called', flush=True); sys.stdin.readline()\n")
        program = subprocess.Popen(["/usr/bin/python3", "-c", code], cwd=self.folder, text=True,
                                   env=self.environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.addCleanup(harness.end_process, program)
        self.assertEqual(program.stdout.readline(), "streams\n")
        records, err_path = self.folder / "middle.jsonl", self.folder / "err"
        records.unlink(missing_ok=True)
        with open(err_path, "w") as err:
            sonde = self.start(["attach", "--pid", program.pid, *self.simulator.provider_flags,
                                "-o", records], stderr=err)
        wait_for(lambda: "attached" in err_path.read_text().lower(), "sonde to say it is attached")
        self.until_called(program)
        entry, = self.simulator.new_entries(1)
        sonde.send_signal(signal.SIGINT)
        sonde.communicate(timeout=30)
        found = harness.read_records(records)
        self.assertEqual(len(found), 1, err_path.read_text())
        self.assertIn("no_request", found[0]["incomplete"])
        self.assertEqual(found[0]["tokens"]["output"], entry["tokens"]["output"])
        self.assertIn(found[0]["cost"]["status"], ("partial", "unpriced"))
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.wait(30), 0)

    def test_a_tree_of_programs(self):
        """A shell whose child calls: without --tree the child that is there already is not watched,
        with it its calls are."""
        calls = [cases.call("openai", f"tree-{n}") for n in range(2)]
        plan = self.client_plan(calls)
        code = (f"import sys; sys.path.insert(0, {str(harness.HERE / 'clients')!r})\n"
                f"import json, sdk_client\nplan = json.load(open({str(plan)!r}))\n"
                "client = sdk_client.Sync(plan)\nprint('ready', flush=True)\n"
                "for call in plan['calls']:\n"
                "    sys.stdin.readline(); client.make(call); print('called', flush=True)\n"
                "sys.stdin.readline()\n")
        program = subprocess.Popen(["sh", "-c", '"$@"; exit 3', "sh", harness.PYTHON, "-c", code],
                                   cwd=self.folder, text=True, env=self.environment(),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(harness.end_process, program)
        self.assertEqual(program.stdout.readline(), "ready\n")
        self.assertTrue(harness.children_of(program.pid), "no child to be found")
        for flags, seen in (([], 0), (["--tree"], 1)):
            records, err_path = self.folder / "records.jsonl", self.folder / "err"
            with open(err_path, "w") as err:
                sonde = self.start(["attach", "--pid", program.pid, *flags, "-o", records,
                                    *self.simulator.provider_flags], stderr=err)
            wait_for(lambda: "attached" in err_path.read_text(), "sonde to say it is attached")
            program.stdin.write("\n")
            program.stdin.flush()
            self.until_called(program)
            if seen:
                wait_for(lambda: len(harness.read_records(records)) == seen, "the child's call")
            sonde.send_signal(signal.SIGINT)
            sonde.communicate(timeout=30)
            self.assertEqual(sonde.returncode, 0)
            self.assertRegex(err_path.read_text(), harness.BILL)
            found = harness.read_records(records)
            self.assertEqual(len(found), seen, err_path.read_text())
        entries = {e["id"]: e for e in self.simulator.new_entries(2)}
        self.assertEqual(found[0]["request_id"], entries["tree-1"]["request_id"])
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.wait(30), 3, "the program noticed")

    def test_the_program_s_end_ends_sonde(self):
        program = subprocess.Popen(["sh", "-c", "read x"], stdin=subprocess.PIPE)
        self.addCleanup(harness.end_process, program)
        err_path = self.folder / "err"
        with open(err_path, "w") as err:
            sonde = self.start(["attach", "--pid", program.pid], stderr=err)
        wait_for(lambda: "attached" in err_path.read_text(), "sonde to say it is attached")
        program.stdin.write(b"\n")
        program.stdin.flush()
        sonde.communicate(timeout=30)
        self.assertEqual(sonde.returncode, 0)
        self.assertRegex(err_path.read_text(), harness.BILL)

    def until_called(self, program):
        while (line := program.stdout.readline()) != "called\n":
            self.assertNotEqual(line, "", "the program ended")

    def test_no_such_process(self):
        run = self.sonde(["attach", "--pid", "4194303"])
        self.assertNotEqual(run.status, 0)
        self.assertIn("4194303", run.stderr)


if __name__ == "__main__":
    harness.main()
