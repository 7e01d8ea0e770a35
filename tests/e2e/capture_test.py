"""`sonde record` and `sonde replay`: the same output from a file, twice; and nothing secret in it."""

import base64
import json
import os
import pathlib
import random
import socket
import ssl
import stat
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import truth  # noqa: E402

KEYS = ("sk-test-simulated", "sk-ant-test-simulated", "c2VjcmV0LWJhc2lj", "query-secret-1",
        "cookie-secret-2")
MARK = "Quetzalcoatlus"      # in prompts
REPLY_WORDS = ("lantern", "juniper", "harbour")


class ExtensionServer(threading.Thread):
    """Answers one request over TLS with a stream whose chunks all have extensions."""

    TEXT = "lantern harbour"
    EVENTS = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": TEXT}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7,
                                  "total_tokens": 18}}]

    def __init__(self, certs):
        super().__init__(daemon=True)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certs / "server.pem", certs / "server.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(harness.DEADLINE)
        self.port = self._listener.getsockname()[1]
        self.start()

    def run(self):
        with self._listener, self._context.wrap_socket(self._listener.accept()[0],
                                                       server_side=True) as peer:
            request = b""
            while b"\r\n\r\n" not in request:
                request += peer.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += peer.recv(65536)
            lines = [b"data: " + json.dumps(
                {"id": "chatcmpl-ext", "object": "chat.completion.chunk", "created": 1,
                 "model": "gpt-5-mini-2025-08-07", **event}).encode() + b"\n\n"
                     for event in self.EVENTS] + [b"data: [DONE]\n\n"]
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                         b"transfer-encoding: chunked\r\n\r\n")
            for number, line in enumerate(lines):
                peer.sendall(b"%X;part=%d;note=\"a;b\"\r\n%b\r\n" % (len(line), number, line))
            peer.sendall(b"0;end\r\n\r\n")


class CaptureTest(harness.SondeCase):
    def record(self, command, *arguments, **options):
        file = self.folder / "capture.sonde"
        run = self.sonde(["record", *self.simulator.provider_flags, "-o", file, *arguments, "--",
                          *command], **options)
        self.assertEqual(run.status, 0, run.stderr)
        return file, run

    def replay(self, file, name="out.jsonl", *arguments):
        out = self.folder / name
        run = self.sonde(["replay", file, *self.simulator.provider_flags, "-o", out, *arguments])
        self.assertEqual(run.status, 0, run.stderr)
        return out, run

    def mixed(self):
        calls = cases.every_kind("rec") + [
            cases.call("openai", "rec-error", error="quota", fails=True),
            cases.call("openai", "rec-nousage", True, include_usage=False),
            cases.call("openai", "rec-gzip", True, coding="gzip", chunks=50),
            cases.call("anthropic", "rec-big", prompt_bytes=300_000, text_bytes=300_000)]
        return calls

    def test_replay_equals_the_books_and_itself(self):
        calls = self.mixed()
        file, _ = self.record(self.python_client(calls, "async", concurrency=3))
        entries = self.simulator.new_entries(len(calls))
        first, one = self.replay(file, "first.jsonl")
        second, two = self.replay(file, "second.jsonl")
        self.assertEqual(first.read_bytes(), second.read_bytes())
        self.assertEqual(one.stderr, two.stderr)
        truth.compare_all(self, harness.read_records(first), entries, harness.book(),
                          harness.clock_offset())

    def test_replay_equals_the_live_records(self):
        """What `record` reports while it records is what `replay` reports from its file."""
        live = self.folder / "live.jsonl"
        file, _ = self.record(self.python_client(self.mixed()), "--records", live)
        replayed, _ = self.replay(file)
        self.assertEqual(live.read_bytes(), replayed.read_bytes())

    def test_the_file_is_private_and_says_what_it_holds(self):
        file, run = self.record(self.python_client([cases.call("openai", "mode")]))
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertRegex(run.stderr, r"(?i)prompt|message text")
        self.assertEqual(self.simulator.new_entries(1)[0]["outcome"], "complete")

    def secrets_plan(self):
        body = json.loads(harness.raw_body(cases.call("openai", "secret", True)))
        body["messages"][0]["content"] = f"Tell me about {MARK}."
        headers = {"authorization": f"Bearer {KEYS[0]}", "x-api-key": KEYS[1],
                   "proxy-authorization": f"Basic {KEYS[2]}", "cookie": f"session={KEYS[4]}; a=b"}
        plan = {"host": "localhost", "port": self.simulator.port, "ca": str(self.simulator.ca),
                "connections": [{"requests": [
                    {"path": f"/v1/chat/completions?key={KEYS[3]}", "headers": headers,
                     "body": body, "pieces": pieces} for pieces in (1, 7, 60)]}]}
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan))
        return [harness.PYTHON, harness.HERE / "clients/raw_client.py", path]

    def stored(self, file) -> bytes:
        """All bytes of the file, unpacked by zstd(1) and not by Sonde."""
        return harness.unpacked(file)

    def test_no_key_is_in_the_file(self):
        file, _ = self.record(self.secrets_plan())
        stored = self.stored(file)
        for key in KEYS:
            self.assertNotIn(key.encode(), stored)
            self.assertNotIn(key[3:].encode(), stored)
        self.assertIn(MARK.encode(), stored)   # text is there unless masked
        out, _ = self.replay(file)
        entries = self.simulator.new_entries(3)
        truth.compare_all(self, harness.read_records(out), entries, harness.book(),
                          harness.clock_offset(), retries=False)

    def test_masked_text(self):
        file, _ = self.record(self.secrets_plan(), "--mask-text")
        stored = self.stored(file)
        self.assertNotIn(MARK.encode(), stored)
        for word in REPLY_WORDS:
            self.assertNotIn(f'"content":"{word}'.encode(), stored)
        for key in KEYS:
            self.assertNotIn(key.encode(), stored)
        out, _ = self.replay(file)
        entries = self.simulator.new_entries(3)
        truth.compare_all(self, harness.read_records(out), entries, harness.book(),
                          harness.clock_offset(), retries=False)

    def test_masked_text_keeps_compressed_bodies_as_lengths(self):
        calls = [cases.call("openai", "mt-gzip", coding="gzip", text_bytes=20000)]
        file, _ = self.record(self.python_client(calls), "--mask-text")
        out, _ = self.replay(file)
        self.simulator.new_entries(1)
        record, = harness.read_records(out)
        self.assertNotEqual(record["cost"]["status"], "computed")
        self.assertIn("hole", record["incomplete"])

    def curl(self, url, body, *arguments):
        return ["curl", "-sS", "-o", "/dev/null", "-H", "content-type: application/json",
                "-H", f"authorization: Bearer {KEYS[0]}", *arguments, "--data-binary", body, url]

    def test_chunk_extensions(self):
        """A reply whose chunks have extensions is the same after masking, with text or without."""
        body = json.dumps({"model": "gpt-5-mini", "stream": True,
                           "messages": [{"role": "user", "content": f"Tell me about {MARK}."}]})
        for masked in (False, True):
            with self.subTest(masked=masked):
                server = ExtensionServer(self.simulator.certs)
                provider = ["--provider", f"localhost:{server.port}=openai"]
                file = self.folder / f"extensions-{masked}.sonde"
                url = f"https://localhost:{server.port}/v1/chat/completions"
                run = self.sonde(["record", *provider, "-o", file,
                                  *(["--mask-text"] if masked else []), "--",
                                  *self.curl(url, body)])
                server.join(harness.DEADLINE)
                self.assertEqual(run.status, 0, run.stderr)
                stored = self.stored(file)
                self.assertEqual(ExtensionServer.TEXT.encode() in stored, not masked)
                self.assertEqual(MARK.encode() in stored, not masked)
                out = self.folder / f"extensions-{masked}.jsonl"
                self.assertEqual(self.sonde(["replay", file, *provider, "-o", out]).status, 0)
                record, = harness.read_records(out)
                self.assertEqual(record["cost"]["status"], "computed")
                self.assertEqual((record["tokens"]["input_uncached"], record["tokens"]["output"]),
                                 (11, 7))

    def test_brotli_is_kept_as_lengths_under_mask_text(self):
        call = cases.call("openai", "mt-br", coding="br", text_bytes=20000)
        url = f"{self.simulator.openai}/v1/chat/completions"
        command = self.curl(url, harness.raw_body(call), "-H", "accept-encoding: br")
        file, _ = self.record(command, "--mask-text")
        entry, = self.simulator.new_entries(1)
        # What is left of the body is its length: the file is far smaller than the reply.
        self.assertGreater(entry["body_bytes"], 20000)
        out, _ = self.replay(file)
        record, = harness.read_records(out)
        self.assertIn("hole", record["incomplete"])
        self.assertNotEqual(record["cost"]["status"], "computed")
        stored = self.stored(file)
        for word in REPLY_WORDS:
            self.assertNotIn(word.encode(), stored)

    def test_a_key_in_a_body_is_masked_with_the_text(self):
        body = json.loads(harness.raw_body(cases.call("openai", "body-key")))
        body["metadata"] = {"api_key": KEYS[0]}
        url = f"{self.simulator.openai}/v1/chat/completions?api_key={KEYS[3]}"
        file, _ = self.record(self.curl(url, json.dumps(body), "-b", f"token={KEYS[4]}", "-u",
                                        f"user:{KEYS[2]}"), "--mask-text")
        self.simulator.new_entries(1)
        stored = self.stored(file)
        for key in KEYS:
            self.assertNotIn(key.encode(), stored)
            self.assertNotIn(base64.b64encode(f"user:{key}".encode()), stored)

    def test_damaged_files(self):
        """Cut anywhere or with bytes changed: a sentence, or what can be read; never a crash."""
        file, _ = self.record(self.python_client(self.mixed()[:6]))
        self.simulator.new_entries(6)
        whole = file.read_bytes()
        rng = random.Random(7)
        damaged = [whole[:rng.randrange(len(whole))] for _ in range(12)] + [b"", b"not a capture"]
        for _ in range(24):
            copy = bytearray(whole)
            for _ in range(rng.randrange(1, 20)):
                copy[rng.randrange(len(copy))] = rng.randrange(256)
            damaged.append(bytes(copy))
        bad = self.folder / "bad.sonde"
        for number, data in enumerate(damaged):
            with self.subTest(number):
                bad.write_bytes(data)
                run = self.sonde(["replay", bad, "-o", self.folder / "x.jsonl"], deadline=30)
                self.assertIn(run.status, range(0, 126), run.stderr)
                if run.status:
                    self.assertIn("bad.sonde", run.stderr)
        missing = self.sonde(["replay", self.folder / "nothing.sonde"])
        self.assertNotEqual(missing.status, 0)
        self.assertIn("nothing.sonde", missing.stderr)

    def test_replay_needs_no_privilege(self):
        file, _ = self.record(self.python_client([cases.call("openai", "any")]))
        self.simulator.new_entries(1)
        uid, gid = harness.other_user()
        self.folder.chmod(0o777)
        os.chown(file, uid, gid)
        out = self.folder / "user.jsonl"
        run = self.sonde(["replay", file, *self.simulator.provider_flags, "-o", out], user=uid,
                         group=gid, extra_groups=[], records=out)
        self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)


if __name__ == "__main__":
    harness.main()
