"""The simulator alone, without privilege: what it sends is what it books."""

import contextlib
import gzip
import http.client
import json
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

HERE = pathlib.Path(__file__).resolve().parent
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def sse_events(body: bytes) -> list:
    """(name, data) of every event, by the letter of the specification."""
    text = body.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events, name, data = [], "", []
    for line in text.split("\n") + [""]:
        if line == "":
            if data:
                events.append((name, "\n".join(data)))
            name, data = "", []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
    return events


class SimulatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.books = pathlib.Path(cls.folder.name) / "books"
        cls.process = subprocess.Popen([sys.executable, HERE / "simulator.py", "--books", cls.books],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.addClassCleanup(cls._stop)
        cls.port = json.loads(cls.process.stdout.readline())["plain_port"]

    @classmethod
    def _stop(cls):
        cls.process.terminate()
        cls.process.wait(30)
        cls.process.stdout.close()

    def entry(self, identity: str) -> dict:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for line in self.books.read_text().splitlines():
                if json.loads(line).get("id") == identity:
                    return json.loads(line)
            select.select([], [], [], 0.005)
        raise AssertionError(f"no entry {identity}")

    def ask(self, path, scenario, body=None, method="POST", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        model = "gpt-5-mini" if path == CHAT else "claude-sonnet-4-5"
        document = {"model": model, "messages": []} | (body or {})
        connection.request(method, path, json.dumps(document), {
            "x-sim-scenario": json.dumps(scenario), "accept-encoding": "gzip, deflate"}
            | (headers or {}))
        return connection.getresponse()

    def test_openai_reply_states_what_is_booked(self):
        for kind in ("text", "tools", "reasoning", "refusal", "length", "empty"):
            with self.subTest(kind):
                reply = json.loads(self.ask(CHAT, {"id": f"o-{kind}", "kind": kind, "seed": 3},
                                            {"n": 2}).read())
                entry = self.entry(f"o-{kind}")
                usage, tokens = reply["usage"], entry["tokens"]
                self.assertEqual(usage["prompt_tokens"],
                                 tokens["input_uncached"] + tokens["cache_read"])
                self.assertEqual(usage["completion_tokens"], tokens["output"])
                self.assertEqual([c["finish_reason"] for c in reply["choices"]],
                                 entry["finish_reasons"])
                self.assertEqual([t["id"] for c in reply["choices"]
                                  for t in c["message"].get("tool_calls", [])],
                                 [t["id"] for t in entry["tool_calls"]])
                self.assertEqual(reply["id"], entry["response_id"])
                self.assertEqual(reply["model"], "gpt-5-mini-2025-08-07")

    def test_anthropic_reply_states_what_is_booked(self):
        for kind in ("text", "tools", "reasoning", "refusal", "length", "search", "stop_sequence"):
            with self.subTest(kind):
                reply = json.loads(self.ask(MESSAGES, {"id": f"a-{kind}", "kind": kind}).read())
                entry = self.entry(f"a-{kind}")
                usage, tokens = reply["usage"], entry["tokens"]
                self.assertEqual(usage["input_tokens"], tokens["input_uncached"])
                self.assertEqual(usage["cache_creation_input_tokens"],
                                 tokens["cache_write_5m"] + tokens["cache_write_1h"])
                self.assertEqual(usage["output_tokens"], tokens["output"])
                self.assertEqual([reply["stop_reason"]], entry["finish_reasons"])

    def test_every_framing_of_a_stream_carries_the_same_events(self):
        for path in (CHAT, MESSAGES):
            want = None
            for style in ("lf", "crlf", "cr", "multiline", "comments", "ids", "split", "joined",
                          "bom", "noblank"):
                for coding in ("", "gzip", "deflate"):
                    for framing in ("chunked", "close"):
                        with self.subTest(path=path, style=style, coding=coding, framing=framing):
                            reply = self.ask(path, {
                                "id": "s", "seed": 5, "sse": style, "coding": coding,
                                "framing": framing, "imitate": True},
                                {"stream": True, "stream_options": {"include_usage": True}})
                            body = reply.read()
                            if coding == "gzip":
                                body = gzip.decompress(body)
                            elif coding == "deflate":
                                body = zlib.decompress(body)
                            got = [(name, json.loads(data) if data[0] == "{" else data)
                                   for name, data in sse_events(body)]
                            want = want or got
                            self.assertEqual(got, want)
            self.assertGreater(len(want), 8)

    def test_codings_that_the_library_has_not(self):
        """curl decodes them; one that nobody knows is not decoded by anybody."""
        plain = None
        for coding in ("", "br", "zstd", "compress"):
            scenario = json.dumps({"id": "s", "seed": 5, "coding": coding, "text_bytes": 200_000})
            run = subprocess.run(
                ["curl", "-sS", "--fail", "--compressed" if coding in ("br", "zstd") else "-s",
                 "-H", f"x-sim-scenario: {scenario}", "-H", f"accept-encoding: {coding}",
                 "-d", json.dumps({"model": "gpt-5-mini", "stream": True}),
                 f"http://127.0.0.1:{self.port}{CHAT}"], capture_output=True, check=True)
            plain = plain or run.stdout
            self.assertEqual(run.stdout == plain, coding != "compress", coding)
        self.assertGreater(len(plain), 200_000)

    def test_stream_usage_only_when_asked(self):
        for asked in (False, True):
            identity = f"usage-{asked}"
            body = self.ask(CHAT, {"id": identity}, {
                "stream": True, "stream_options": {"include_usage": asked}}).read()
            self.assertEqual(b'"usage":{"prompt_tokens"' in body, asked)
            self.assertEqual(self.entry(identity)["usage_sent"], asked)
            self.assertTrue(body.endswith(b"data: [DONE]\n\n"))

    def test_errors_have_their_status_and_headers(self):
        for path, name, status, header in (
                (CHAT, "auth", 401, "x-request-id"), (CHAT, "rate_limit", 429, "retry-after-ms"),
                (CHAT, "quota", 429, "x-should-retry"), (CHAT, "html503", 503, "content-type"),
                (MESSAGES, "overloaded", 529, "request-id"),
                (MESSAGES, "rate_limit", 429, "retry-after")):
            with self.subTest(path=path, name=name):
                reply = self.ask(path, {"id": name + path, "error": name})
                self.assertEqual(reply.status, status)
                self.assertIsNotNone(reply.getheader(header))
                self.assertEqual(self.entry(name + path)["http_status"], status)

    def test_an_error_that_passes(self):
        statuses = [self.ask(CHAT, {"id": "again", "error": "server", "fail_times": 2}).status
                    for _ in range(3)]
        self.assertEqual(statuses, [500, 500, 200])

    def test_cut_stream_is_booked_as_cut(self):
        for how in ("abort", "fin"):
            with self.subTest(how):
                reply = self.ask(CHAT, {"id": "cut-" + how, "cut": how, "cut_after": 3,
                                        "chunks": 9}, {"stream": True})
                with contextlib.suppress(ConnectionError), \
                        self.assertRaises(http.client.IncompleteRead):
                    reply.read()
                entry = self.entry("cut-" + how)
                self.assertEqual((entry["outcome"], entry["output_events_sent"]), ("cut", 3))

    def test_pipelining_informational_and_head(self):
        body = b'{"model": "gpt-5-mini"}'
        request = lambda n: b"\r\n".join([
            b"POST " + CHAT.encode() + b" HTTP/1.1", b"host: x",
            b"x-sim-scenario: " + json.dumps({"id": f"pipe{n}", "informational": [100, 103]}).encode(),
            b"content-length: %d" % len(body), b"", body])
        with socket.create_connection(("127.0.0.1", self.port), 20) as sock:
            sock.sendall(request(1) + request(2)
                         + b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            received = b"".join(iter(lambda: sock.recv(65536), b""))
        self.assertEqual(received.count(b"HTTP/1.1 200 OK"), 3)
        self.assertEqual(received.count(b"HTTP/1.1 103 Early Hints"), 2)
        self.assertTrue(received.endswith(b"content-length: 30\r\n\r\n"))
        self.assertEqual(self.entry("pipe1")["connection"], self.entry("pipe2")["connection"])

    def test_times_are_in_order(self):
        self.ask(CHAT, {"id": "times", "first_ms": 20, "delay_ms": 2, "chunks": 5},
                 {"stream": True}).read()
        times = self.entry("times")["times"]
        order = ["head_received", "body_complete", "head_sent", "first_output_sent",
                 "last_output_sent", "terminal_sent", "last_sent", "ended"]
        stamps = [times[name] for name in order]
        self.assertEqual(stamps, sorted(stamps))
        self.assertGreaterEqual(times["first_output_sent"] - times["head_sent"], 20e6)
        self.assertGreaterEqual(times["last_output_sent"] - times["first_output_sent"], 8e6)

    def test_a_broken_scenario_is_never_a_success(self):
        self.assertEqual(self.ask(CHAT, {"id": "bad", "no_such_knob": 1}).status, 599)

    def test_big_bodies(self):
        reply = self.ask(MESSAGES, {"id": "big", "text_bytes": 1 << 20},
                         {"messages": [{"role": "user", "content": "x" * (1 << 20)}]})
        body = reply.read()
        entry = self.entry("big")
        self.assertEqual(len(body), entry["body_bytes"])
        self.assertGreater(entry["request_bytes"], 1 << 20)


if __name__ == "__main__":
    unittest.main()
