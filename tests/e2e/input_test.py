"""Bad input and bad surroundings: a clear sentence, the right status, and the next call unharmed."""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import truth  # noqa: E402


class PricesTest(harness.SondeCase):
    GOOD = {"schema": "pricebook/1", "version": "t", "currency": "USD", "providers": [
        {"id": "openai", "models": [{"id": "mystery-9", "names": ["mystery-9"], "cards": [
            {"rates": [{"above_input": 0, "input": "1", "cache_read": "0.5", "output": "2"}]}]}]}]}

    def folder_with(self, text):
        folder = self.folder / "prices"
        folder.mkdir(exist_ok=True)
        (folder / "50-mine.json").write_text(text)
        return folder

    def test_an_override_prices_what_the_book_does_not_know(self):
        calls = [cases.call("openai", "priced", model="mystery-9", usage={
            "input_uncached": 1000, "cache_read": 100, "output": 10, "reasoning": 0})]
        folder = self.folder_with(json.dumps(self.GOOD))
        run = self.run_command(self.python_client(calls), ["--prices", folder])
        self.assertEqual(run.status, 0, run.stderr)
        self.simulator.new_entries(1)
        self.assertEqual(run.records[0]["cost"]["total"], "0.00107")

    def test_an_override_can_name_hosts(self):
        book = json.loads(json.dumps(self.GOOD))
        book["providers"][0]["hosts"] = [f"localhost:{self.simulator.port}"]
        records = self.folder / "records.jsonl"
        run = self.sonde(["run", "--prices", self.folder_with(json.dumps(book)), "-o", records, "--",
                          *self.python_client([cases.call("openai", "host")])], records=records)
        self.assertEqual((run.status, run.records[0]["biller"]), (0, "openai"), run.stderr)
        self.simulator.new_entries(1)

    def test_a_broken_file_is_refused_whole(self):
        good = json.dumps(self.GOOD, indent=1)
        broken = {
            "cut": good[:-20], "not json": "prices!", "empty": "", "list": "[]",
            "schema": good.replace("pricebook/1", "pricebook/9"),
            "currency": good.replace('"USD"', '"EUR"'),
            "negative": good.replace('"2"', '"-2"'), "minus one": good.replace('"2"', "-1"),
            "number": good.replace('"2"', "2.5"),
            "exponent": good.replace('"2"', '"2e1"'), "word": good.replace('"2"', '"two"'),
            "absurd": good.replace('"2"', '"99999999"'),
            "unknown": good.replace('"output"', '"outptu"')}
        for name, text in broken.items():
            with self.subTest(name):
                marker = self.folder / "ran"
                run = self.sonde(["run", "--prices", self.folder_with(text), "--", "touch", marker])
                self.assertEqual(run.status, 125, run.stderr)
                self.assertRegex(run.stderr, r"50-mine\.json:\d+: .+")
                self.assertFalse(marker.exists())
                check = self.sonde(["prices", "check", self.folder / "prices" / "50-mine.json"])
                self.assertNotEqual(check.status, 0)
                self.assertRegex(check.stderr + check.stdout, r"50-mine\.json:\d+: .+")

    def test_the_price_commands(self):
        shown = self.sonde(["prices", "show", "--of", "openai", "gpt-5-mini"])
        self.assertEqual(shown.status, 0, shown.stderr)
        self.assertIn("gpt-5-mini", shown.stdout)
        for words in (["show", "gpt-5-mini"], ["show", "openai", "gpt-5-mini"],
                      ["show", "OpenAI", "gpt-5-mini-2025-08-07"], ["explain", "openai",
                      "gpt-5-mini", "input=1000", "output=10"], ["explain", "--provider",
                      "api.openai.com", "--model", "gpt-5-mini", "--usage", "input=1000"]):
            shown = self.sonde(["prices", *words])
            self.assertEqual(shown.status, 0, (words, shown.stderr))
            self.assertIn("gpt-5-mini", shown.stdout)
        for words in (["show", "gpt-5-minx"], ["explain"], ["explain", "openai", "gpt-5", "x=1"],
                      ["explain", "openai", "gpt-5", "again"]):
            self.assertEqual(self.sonde(["prices", *words]).status, 2, words)
        good = self.folder_with(json.dumps(self.GOOD)) / "50-mine.json"
        self.assertEqual(self.sonde(["prices", "check", good]).status, 0)


class SurroundingsTest(harness.SondeCase):
    def test_without_privilege(self):
        uid, gid = harness.other_user()
        self.folder.chmod(0o777)
        marker = self.folder / "ran"
        run = self.sonde(["run", "--", "touch", marker], user=uid, group=gid, extra_groups=[])
        self.assertEqual(run.status, 125)
        self.assertRegex(run.stderr, r"(?i)root|privilege|cap_|sudo")
        self.assertLessEqual(len(run.stderr.splitlines()), 4, run.stderr)
        self.assertFalse(marker.exists(), "the command ran unseen")

    def test_inside_another_pid_namespace(self):
        marker = self.folder / "ran"
        for prefix in (["unshare", "--pid", "--fork", "--mount-proc"], ["unshare", "-pf"]):
            run = self.sonde_in(prefix, ["run", "--", "touch", marker])
            self.assertEqual(run.returncode, 125, run.stderr)
            self.assertRegex(run.stderr, r"(?i)pid namespace")
            self.assertLessEqual(len(run.stderr.splitlines()), 4, run.stderr)
            self.assertFalse(marker.exists(), "the command ran unseen")

    def test_root_without_its_privileges(self):
        """As in a container: uid 0, and none of its capabilities."""
        run = self.sonde_in(["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
                            ["run", "--", "true"])
        self.assertEqual(run.returncode, 125, run.stderr)
        self.assertRegex(run.stderr, r"(?i)root|privilege|cap_|sudo")
        self.assertLessEqual(len(run.stderr.splitlines()), 4, run.stderr)

    def test_without_btf(self):
        hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
        run = self.sonde_in(["unshare", "-m", "sh", "-c", hide, "sh"], ["run", "--", "true"])
        self.assertEqual(run.returncode, 125, run.stderr)
        self.assertRegex(run.stderr, r"BTF")
        self.assertNotRegex(run.stderr, harness.BILL)

    def test_without_tracefs(self):
        """Sonde mounts its own, which nobody else sees: nothing is missed, plain HTTP neither."""
        hide = ('mount -t tmpfs none /sys/kernel/tracing; mount -t tmpfs none /sys/kernel/debug; '
                'exec "$@"')
        records = self.folder / "records.jsonl"
        run = self.sonde_in(["unshare", "-m", "sh", "-c", hide, "sh"],
                            ["run", *self.simulator.provider_flags, "-o", records, "--",
                             *self.python_client([cases.call("openai", "no-tracefs")])])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stderr, harness.BILL)
        entries = self.simulator.new_entries(1)
        self.assertEqual([r["request_id"] for r in harness.read_records(records)],
                         [e["request_id"] for e in entries])

    def sonde_in(self, prefix, arguments):
        return subprocess.run([*prefix, harness.SONDE, *arguments], capture_output=True, text=True,
                              cwd=self.folder, env=self.environment(), timeout=90, check=False)

    def test_output_that_cannot_be_written(self):
        """A full disk: the program runs on, the loss is said."""
        run = self.sonde(["run", *self.simulator.provider_flags, "-o", "/dev/full", "--",
                          *self.python_client([cases.call("openai", "full")])])
        self.simulator.new_entries(1)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertIn("/dev/full", run.stderr)

    def test_stderr_that_is_closed(self):
        process = self.start(["run", "--", "sh", "-c", "exit 3"], stderr=subprocess.PIPE)
        process.stderr.close()
        process.stderr = None
        self.assertEqual(process.wait(60), 3)


class HostileTest(harness.SondeCase):
    """A peer that talks rubbish in the clear; a healthy call on another connection beside it."""

    def rubbish(self, rng) -> bytes:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        return rng.choice([
            os.urandom(rng.randrange(1, 5000)),
            b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * rng.randrange(1, 20000),
            head + b"content-length: 99999999999999999999\r\n\r\n{}",
            head + b"content-length: -1\r\n\r\n{}",
            head + b"content-length: 1000\r\n\r\n" + b"[" * 1000,
            head + b"transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}",
            head + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            head + b"content-encoding: gzip\r\ncontent-length: 40\r\n\r\n" + os.urandom(40),
            stream + b"\r\ndata: " + b"a" * rng.randrange(1, 300_000),
            stream + b"\r\n" + b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\n\n" * 50,
            stream + b"\r\n" + b"data: " + b"{\"a\":" * 20000 + b"\n\n",
            stream + b"\r\n" + b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":"
            b"{\"usage\":{\"input_tokens\":9223372036854775808,\"output_tokens\":-5}}}\n\n",
            head + b"content-length: 60\r\n\r\n" + b'{"usage":{"prompt_tokens":1e999,"completion_tokens":"x"}}   ',
            b"HTTP/9.9 999 \r\n\r\n", b"\0" * 1000, b"HTTP/1.1 101 Switching Protocols\r\n"
            b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n" + os.urandom(500)])

    def test_rubbish_beside_health(self):
        rng = random.Random(11)
        count = 80
        replies = [self.rubbish(rng) for _ in range(count)]
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def answer():
            for reply in replies:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    try:
                        peer.sendall(reply)
                        peer.shutdown(socket.SHUT_WR)
                        while peer.recv(65536):
                            pass
                    except OSError:
                        pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        body = harness.raw_body(cases.call("openai", "healthy", True))
        code = f"""
import socket, subprocess
body = {json.dumps(body)!r}.encode()
request = (b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: localhost\\r\\ncontent-length: %d\\r\\n\\r\\n"
           % len(body) + body)
for number in range({count}):
    with socket.create_connection(("127.0.0.1", {listener.getsockname()[1]})) as sock:
        sock.sendall(request)
        try:
            while sock.recv(65536): pass
        except OSError: pass
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", {json.loads(json.dumps(body))!r},
                "{self.simulator.openai}/v1/chat/completions"], check=True)
"""
        run = self.run_command(["/usr/bin/python3", "-c", code], deadline=120)
        thread.join(30)
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(1)
        healthy = [r for r in run.records if r.get("request_id") == entries[0]["request_id"]]
        truth.compare_all(self, healthy, entries, harness.book(), harness.clock_offset(),
                          retries=False)
        for record in run.records:
            if record not in healthy:
                self.assertNotEqual(record["cost"]["status"], "computed", record)


if __name__ == "__main__":
    harness.main()
