"""HTTP/1.1 in every legal shape, by a client that speaks it by hand over OpenSSL or in the clear."""

import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import truth  # noqa: E402

CODINGS = ("gzip", "deflate", "br", "zstd")
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def request(identity: str, api: str = "openai", stream: bool = False, extra: dict | None = None,
            **knobs) -> dict:
    call = cases.call(api, identity, stream, **knobs)
    return {"path": CHAT if api == "openai" else MESSAGES, "body": json.loads(
        harness.raw_body(call)), **(extra or {})}


class WireTest(harness.SondeCase):
    def plan(self, connections, api="openai", tls=True, **settings) -> list:
        simulator = self.simulator
        plan = {"host": "localhost" if api == "openai" else "127.0.0.1",
                "port": simulator.port if tls else simulator.plain_port, "tls": tls,
                "ca": str(simulator.ca), "connections": connections, **settings}
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan))
        return [str(harness.PYTHON), str(harness.HERE / "clients/raw_client.py"), path]

    def check(self, connections, count, arguments=(), **settings):
        run = self.run_command(self.plan(connections, **settings), arguments)
        self.assertEqual((run.status, run.stdout.strip()), (0, "ok"), run.stderr)
        entries = self.simulator.new_entries(count)
        pairs = truth.compare_all(self, run.records, entries, harness.book(),
                                  harness.clock_offset(), retries=False)
        return run, pairs

    def test_every_framing_of_streams(self):
        for api in ("openai", "anthropic"):
            requests = [request(f"{api}-{style}-{coding}-{framing}", api, True, sse=style,
                                coding=coding, framing=framing, imitate=True)
                        for style in ("lf", "crlf", "cr", "multiline", "comments", "ids", "split",
                                      "joined", "bom", "noblank")
                        for coding in ("", *CODINGS)
                        for framing in ("chunked", "close")]
            requests += [request(f"{api}-{style}-length", api, True, sse=style, framing="length")
                         for style in ("lf", "crlf", "split", "joined")]
            # Each on a connection of its own, since half of them end it.
            self.check([{"requests": [r]} for r in requests], len(requests), api=api)

    def test_every_framing_of_bodies(self):
        requests = [request(f"b-{framing}-{coding}-{pieces}-{blank}", framing=framing, coding=coding,
                            pieces=pieces, leading_blank=blank, imitate=True, kind="tools",
                            informational=[103] if blank else [])
                    for framing in ("length", "chunked", "close") for coding in ("", *CODINGS)
                    for pieces in (1, 7) for blank in (False, True)]
        self.check([{"requests": [r]} for r in requests], len(requests))

    def test_keep_alive(self):
        """Forty calls on one connection, streams and bodies mixed."""
        requests = [request(f"ka-{n}", stream=n % 2 == 0, coding=("", "gzip")[n % 3 == 0])
                    for n in range(40)]
        _, pairs = self.check([{"requests": requests}], 40)
        self.assertEqual(len({entry["connection"] for _, entry in pairs}), 1)

    def test_pipelining(self):
        requests = [request(f"pipe-{n}", stream=n % 2 == 0) for n in range(6)]
        self.check([{"requests": requests, "pipeline": True}], 6)

    def test_head_and_get_between_calls(self):
        others = [{"method": "HEAD", "path": "/v1/models"}, {"method": "GET", "path": "/v1/models"},
                  {"method": "GET", "path": "/nowhere"}]
        requests = [request("before")] + others + [request("after", stream=True)]
        self.check([{"requests": requests}], 5)

    def test_informational_replies(self):
        requests = [request(f"info-{n}", stream=bool(n % 2), informational=[100, 102, 103])
                    for n in range(4)]
        self.check([{"requests": requests}], 4)

    def test_odd_requests(self):
        """Chunked with extensions, compressed, and in many small writes."""
        requests = [request("chunked", extra={"chunked": True}), request("gzip", extra={"gzip": True}),
                    request("both", extra={"chunked": True, "gzip": True}),
                    request("pieces", extra={"pieces": 40}),
                    request("chunked-pieces", extra={"chunked": True, "pieces": 25})]
        self.check([{"requests": requests}], 5)

    def test_codings_that_clients_ask_for(self):
        """Node's fetch takes br, curl whatever it was built with."""
        calls = [cases.call(api, f"node-{api}-{coding}-{stream}", stream, coding=coding)
                 for api in ("openai", "anthropic") for coding in CODINGS
                 for stream in (False, True)]
        run = self.run_command(self.node_client(calls))
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(len(calls))
        truth.compare_all(self, run.records, entries, harness.book(), harness.clock_offset())
        self.assertLess(min(e["wire_bytes"] - e["body_bytes"] for e in entries), 0,
                        "nothing was compressed")
        for coding in CODINGS:
            body = harness.raw_body(cases.call("openai", f"curl-{coding}", True, coding=coding,
                                               text_bytes=20_000))
            run = self.run_command(["curl", "-sS", "--compressed", "-o", "/dev/null",
                                    "--data-binary", body, f"{self.simulator.openai}{CHAT}"])
            self.assertEqual(run.status, 0, run.stderr)
            truth.compare_all(self, run.records, self.simulator.new_entries(1), harness.book(),
                              harness.clock_offset(), retries=False)

    def test_a_coding_that_is_not_known(self):
        """Named in the record and the bill; never called a hole."""
        for stream in (False, True):
            run = self.run_command(self.plan([{"requests": [
                request(f"secret-{stream}", stream=stream, coding="compress", framing="chunked")]}]))
            self.assertEqual(run.status, 0, run.stderr)
            self.simulator.new_entries(1)
            self.assertEqual(len(run.records), 1, run.stderr)
            record = run.records[0]
            self.assertEqual(record["incomplete"], ["unsupported_coding"])
            self.assertEqual((record["cost"]["status"], record["cost"]["reason"]),
                             ("unpriced", "no_usage"))
            self.assertIn("unsupported: content coding compress", run.stderr)

    def test_large_prompts(self):
        """Beyond what is captured of one write: the reply says what it cost, so nothing is partial."""
        for api in ("openai", "anthropic"):
            big = request(f"big-{api}", api)
            big["body"]["messages"][0]["content"] = "tide " * 400_000
            if api == "openai":   # as the Python SDK orders it
                big["body"] = dict(sorted(big["body"].items(), key=lambda item: item[0] == "model"))
            for where in ("front", "hole"):
                if where == "hole":   # the model stands where nothing was captured; the reply has it
                    half = {"role": "user", "content": "tide " * 200_000}
                    body = big["body"]
                    big["body"] = {"messages": [half], "model": body["model"], "tools": [],
                                   "padding": half["content"],
                                   **{k: v for k, v in body.items()
                                      if k not in ("messages", "model", "stream")}}
                    if api == "anthropic":
                        big["body"].pop("tools")
                with self.subTest(api, where=where):
                    self.check_large(api, big, where == "hole")

    def check_large(self, api, big, hidden):
        run = self.run_command(self.plan([{"requests": [big, request(f"after-{api}", api)]}],
                                         api=api))
        self.assertEqual((run.status, run.stdout.strip()), (0, "ok"), run.stderr)
        entries = self.simulator.new_entries(2)
        record = next(r for r in run.records if r["request"].get("body_has_gap"))
        entry = max(entries, key=lambda e: e["request_bytes"])
        self.assertGreater(entry["request_bytes"], 2_000_000)
        self.assertEqual(record["request"]["body_bytes"], entry["request_bytes"])
        self.assertEqual(record["incomplete"], [])
        self.assertEqual(record["cost"]["status"], "computed")
        self.assertEqual("model" in record["request"], not hidden)
        self.assertEqual(record["response"]["model"], entry["response_model"])
        self.assertEqual(record["tokens"]["output"], entry["tokens"]["output"])

    def test_cache_writes_of_every_kind(self):
        """Split by lifetime, split in part, not split at all; and OpenAI's, which have none."""
        def asks(*lifetimes):
            return {"params": {"system": [
                {"type": "text", "text": "Be brief.",
                 "cache_control": {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}}
                for ttl in lifetimes]}}

        base = {"input_uncached": 40, "cache_read": 3000, "output": 50}
        short, long = {"cache_write_5m": 2100}, {"cache_write_1h": 1700}
        knobs = {"split": {"usage": base | short | long, **asks("5m", "1h")},
                 "partly": {"usage": base | short | long, "unsplit": 300, **asks(None)},
                 "null-5m": {"usage": base | short, "null_split": True, **asks(None)},
                 "null-1h": {"usage": base | long, "null_split": True, **asks("1h", "1h")}}
        for stream in (False, True):
            self.check([{"requests": [request(f"{name}-{stream}", "anthropic", stream, **more)
                                      for name, more in knobs.items()]}], 4, api="anthropic")
            self.check([{"requests": [request(f"other-{stream}", stream=stream, usage=base | {
                "cache_write_other": 900})]}], 1)
            # Both lifetimes asked for and no split: said to be unknown, and a lower bound.
            run = self.run_command(self.plan([{"requests": [request(
                f"unknown-{stream}", "anthropic", stream, usage=base | short, null_split=True,
                **asks("5m", "1h"))]}], api="anthropic"))
            self.simulator.new_entries(1)
            self.assertEqual(len(run.records), 1, run.stderr)
            record = run.records[0]
            self.assertEqual(record["flags"], {"write_split_unknown": True})
            self.assertEqual(record["tokens"]["cache_write_5m"], 2100)
            self.assertEqual(record["cost"]["status"], "partial")

    def test_tls_1_2(self):
        self.check([{"requests": [request("old", stream=True)]}], 1, tls12=True)

    def test_plain_http(self):
        requests = [request(f"plain-{n}", stream=n % 2 == 0, sse=("lf", "split")[n // 2 % 2])
                    for n in range(8)]
        self.check([{"requests": requests}, {"requests": [request("plain-big", text_bytes=400_000)]}],
                   9, tls=False)

    def test_plain_http_is_not_seen_without_sockets(self):
        run = self.run_command(self.plan([{"requests": [request("unseen")]}], tls=False),
                               ["--no-sockets"])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.simulator.new_entries(1)

    def test_through_a_proxy(self):
        """CONNECT in the clear, then TLS to the provider: one call, the provider's host."""
        proxy = subprocess.Popen([sys.executable, harness.HERE / "connect_proxy.py"],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(harness.end_process, proxy)
        port = int(proxy.stdout.readline())
        self.check([{"requests": [request("proxied"), request("proxied-2", stream=True)]}], 2,
                   proxy=port)

    def test_leaving_after_the_last_event_is_no_abort(self):
        """Clients close when they have read the terminal event, before the end of the body."""
        for api, mark in (("openai", "[DONE]"), ("anthropic", "message_stop\"}")):
            self.check([{"requests": [request(f"left-{api}", api, True,
                                              extra={"close_after": mark})]}], 1, api=api)

    def test_leaving_in_the_middle_is_an_abort(self):
        """By closing, and by a TLS shutdown while the server still sends."""
        for api, mark in (("openai", '"delta":{"content":"'), ("anthropic", "text_delta")):
            for unwrap in (False, True):
                with self.subTest(api, unwrap=unwrap):
                    self.check_abort(api, mark, unwrap)

    def check_abort(self, api, mark, unwrap):
        run = self.run_command(self.plan([
            {"requests": [request(f"abort-{api}-{unwrap}", api, True, chunks=400, delay_ms=5,
                                  extra={"close_after": mark, "unwrap": unwrap})]},
            {"requests": [request(f"next-{api}-{unwrap}", api)]}], api=api))
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(2)
        self.assertEqual(len(run.records), 2, run.stderr)
        first = next(r for r in run.records if r["stream"])
        second = next(r for r in run.records if not r["stream"])
        self.assertTrue(first["client_aborted"], first)
        self.assertEqual(first["error"]["class"], "client_abort")
        self.assertEqual(first["incomplete"], ["truncated"])
        # What was stated before it left is a lower bound; where nothing was, an estimate.
        self.assertEqual(first["cost"]["status"],
                         "partial" if api == "anthropic" else "estimated")
        self.assertEqual(first.get("flags", {}).get("partial", False), api == "anthropic")
        whole = [e for e in entries if e["outcome"] == "complete"]
        truth.compare_all(self, [second], whole, harness.book(), harness.clock_offset(),
                          retries=False)

    def test_a_server_that_shuts_down_in_the_middle(self):
        """close_notify from the server inside a stream: the network's error, whoever closes then."""
        for api in ("openai", "anthropic"):
            with self.subTest(api):
                run = self.run_command(self.plan([{"requests": [request(
                    f"server-{api}", api, True, chunks=20, cut="fin", cut_after=4,
                    extra={"cut": True})]}], api=api))
                self.assertEqual((run.status, run.stdout.strip()), (0, "ok"), run.stderr)
                self.simulator.new_entries(1)
                self.assertEqual(len(run.records), 1, run.stderr)
                record = run.records[0]
                self.assertEqual(record["error"]["class"], "network", record)
                self.assertEqual(record["incomplete"], ["truncated"])
                self.assertNotIn("client_aborted", record)
                self.assertEqual(record["cost"]["status"],
                                 "partial" if api == "anthropic" else "estimated")


if __name__ == "__main__":
    harness.main()
