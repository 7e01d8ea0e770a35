"""Real, unmodified SDK programs under `sonde run`: every field of every record equals the books."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import prices  # noqa: E402
import truth  # noqa: E402


class SdkTest(harness.SondeCase):
    def check(self, command, count, arguments=(), **options):
        """Runs the command under `sonde run` and compares everything. Returns (run, pairs)."""
        run = self.run_command(command, arguments, **options)
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(count)
        pairs = truth.compare_all(self, run.records, entries, harness.book(),
                                  harness.clock_offset())
        self.assertEqual(len(pairs), count)
        self.assertRegex(run.stderr, harness.BILL)
        return run, pairs

    def test_python_sync(self):
        calls = cases.every_kind("sync")
        self.check(self.python_client(calls), len(calls))

    def test_python_async(self):
        calls = cases.every_kind("async")
        self.check(self.python_client(calls, "async", concurrency=6), len(calls))

    def test_python_threads(self):
        calls = cases.every_kind("threads")
        self.check(self.python_client(calls, "threads", concurrency=6), len(calls))

    def test_node(self):
        calls = cases.every_kind("node")
        self.check(self.node_client(calls, concurrency=6), len(calls))

    def test_drawn_calls_python(self):
        seed = int(os.environ.get("E2E_SEED", "20261121"))
        calls = cases.drawn(seed, 60)
        self.check(self.python_client(calls, "async", concurrency=4), len(calls))

    def test_drawn_calls_node(self):
        seed = int(os.environ.get("E2E_SEED", "20261121")) + 1
        calls = cases.drawn(seed, 60)
        self.check(self.node_client(calls, concurrency=4), len(calls))

    def test_hosts_that_are_not_mapped(self):
        """The providers' own host names, without any flag: a private /etc/hosts leads them here."""
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost api.openai.com api.anthropic.com\n")
        port = self.simulator.port
        calls = cases.every_kind("hosts")
        plan = self.client_plan(calls, openai=f"https://api.openai.com:{port}/v1",
                                anthropic=f"https://api.anthropic.com:{port}")
        records = self.folder / "records.jsonl"
        run = self.sonde(["run", "-o", records, "--", "unshare", "-m", "sh", "-c",
                          'mount --bind "$0" /etc/hosts && exec "$@"', hosts,
                          harness.PYTHON, harness.HERE / "clients/sdk_client.py", plan],
                         records=records)
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(len(calls))
        self.assertTrue(all(e["host"].startswith("api.") for e in entries))
        truth.compare_all(self, run.records, entries, harness.book(), harness.clock_offset())

    def test_tool_round_trip(self):
        """The ids of tool calls in a reply are those of the results in the next request."""
        messages = [
            {"role": "user", "content": "tide?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": f"call_{n}", "type": "function",
                 "function": {"name": "f", "arguments": "{}"}} for n in (1, 2)]},
            {"role": "tool", "tool_call_id": "call_1", "content": "high"},
            {"role": "tool", "tool_call_id": "call_2", "content": "low"}]
        blocks = [
            {"role": "user", "content": "tide?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "high"}]}]
        calls = [cases.call("openai", "tools-o", messages=messages),
                 cases.call("anthropic", "tools-a", messages=blocks)]
        _, pairs = self.check(self.python_client(calls), 2)
        ids = sorted(tuple(record["request"]["tool_result_ids"]) for record, _ in pairs)
        self.assertEqual(ids, [("call_1", "call_2"), ("toolu_1",)])

    def test_big_bodies(self):
        """Prompts and replies of a megabyte; the model stands behind the messages in the body."""
        calls = [cases.call(api, f"big-{api}-{stream}", stream, prompt_bytes=1 << 20,
                            text_bytes=1 << 20, chunks=64)
                 for api in ("openai", "anthropic") for stream in (False, True)]
        run = self.run_command(self.python_client(calls))
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(4)
        # A body beyond the capture limit of one call of the library is seen at both its ends: its
        # length is exact all the same, the rest is compared as ever.
        pairs = truth.compare_all(self, run.records, entries, harness.book(),
                                  harness.clock_offset())
        self.assertEqual(len(pairs), 4)

    def test_usage_not_sent(self):
        """A stream without usage is estimated, marked, and the remedy is said once."""
        calls = [cases.call("openai", f"nousage-{n}", True, include_usage=False, chunks=20)
                 for n in range(3)]
        run, _ = self.check(self.python_client(calls), 3)
        self.assertEqual(run.stderr.count("stream_options.include_usage"), 1, run.stderr)
        self.assertIn("~", run.stderr)

    def test_retries_of_one_call(self):
        calls = [cases.call(api, f"retry-{api}", error="server", fail_times=2)
                 for api in ("openai", "anthropic")]
        run, pairs = self.check(self.python_client(calls, max_retries=2), 6)
        for api in ("openai.chat", "anthropic.messages"):
            attempts = sorted((r for r, e in pairs if e["api"] == api), key=lambda r: r["number"])
            self.assertEqual([r["attempt"] for r in attempts], [0, 1, 2])
            first = attempts[0]["number"]
            self.assertEqual([r.get("retry_of") for r in attempts], [None, first, first])
            self.assertEqual([r["cost"]["status"] == "computed" for r in attempts],
                             [False, False, True])

    def test_equal_prompts_are_not_retries(self):
        """Two calls of one body, both answered: two calls, not an attempt and a retry."""
        calls = [cases.call("openai", "twice", model="gpt-4o")] * 2
        _, pairs = self.check(self.python_client(calls), 2)
        self.assertEqual([r.get("retry_of") for r, _ in pairs], [None, None])

    def test_trace_context(self):
        trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        calls = [cases.call("openai", "traced", headers={"traceparent": f"00-{trace}-{parent}-01"}),
                 cases.call("openai", "untraced")]
        run = self.run_command(self.python_client(calls))
        by_parent = {r.get("parent_span_id"): r for r in run.records}
        self.assertEqual(set(by_parent), {parent, None}, run.stderr)
        self.assertEqual(by_parent[parent]["trace_id"], trace)
        self.assertNotEqual(by_parent[None]["trace_id"], trace)

    def test_unknown_model_is_unpriced_not_free(self):
        calls = [cases.call("openai", "mystery", model="mystery-9", usage={
            "input_uncached": 10, "cache_read": 0, "output": 5, "reasoning": 0})]
        run, pairs = self.check(self.python_client(calls), 1)
        record = pairs[0][0]
        self.assertEqual(record["cost"]["reason"], "unknown_model")
        self.assertNotIn("total", record["cost"])
        self.assertIn("mystery-9", run.stderr)

    def test_curl(self):
        """Several calls on one connection; curl over OpenSSL, HTTP/1.1 by the server's choice."""
        command = ["curl", "-sS", "--fail", "--compressed"]
        for number, (api, stream) in enumerate(
                (a, s) for a in ("openai", "anthropic") for s in (False, True)):
            body = harness.raw_body(cases.call(api, f"curl-{number}", stream, coding="gzip"))
            url = (self.simulator.openai + "/v1/chat/completions" if api == "openai" else
                   self.simulator.anthropic + "/v1/messages")
            command += (["--next", "-sS", "--fail", "--compressed"] if number else []) + [
                "-H", "content-type: application/json", "-H", "authorization: Bearer sk-test-1",
                "-o", os.devnull, "--data-binary", body, url]
        self.check(command, 4)

    def test_nothing_else_is_traced(self):
        """A client beside `sonde run`, not under it, leaves no record."""
        outside = subprocess.run(
            self.python_client([cases.call("openai", "outside")]), env=self.environment(),
            cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(outside.returncode, 0, outside.stderr)
        self.simulator.new_entries(1)
        both = ("for n in 1 2; do curl -sS -o /dev/null --data-binary @body $URL & done; wait")
        (self.folder / "body").write_text(harness.raw_body(cases.call("openai", "inside")))
        url = self.simulator.openai + "/v1/chat/completions"
        process = self.start(["run", *self.simulator.provider_flags, "-o", "records.jsonl", "--",
                              "sh", "-c", both], env=self.environment(URL=url))
        other = subprocess.run(["sh", "-c", both], cwd=self.folder, check=True,
                               env=self.environment(URL=url))
        process.communicate(timeout=60)
        self.assertEqual((process.returncode, other.returncode), (0, 0))
        self.simulator.new_entries(4)
        self.assertEqual(len(harness.read_records(self.folder / "records.jsonl")), 2)


if __name__ == "__main__":
    harness.main()
