"""Everything that goes wrong between a client and a provider: classes, codes, cuts, odd bodies."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402  (makes the simulator's modules importable)
import errors  # noqa: E402
import truth  # noqa: E402

TABLES = {"openai": errors.OPENAI, "anthropic": errors.ANTHROPIC}


class ErrorsTest(harness.SondeCase):
    def check(self, calls, count, **settings):
        run = self.run_command(self.python_client(calls, **settings))
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(count)
        pairs = truth.compare_all(self, run.records, entries, harness.book(),
                                  harness.clock_offset())
        return run, pairs

    def test_every_error(self):
        calls = [cases.call(api, f"{api}-{name}-{stream}", stream, error=name, fails=True)
                 for api, table in TABLES.items() for name in table for stream in (False, True)]
        run, pairs = self.check(calls, len(calls))
        for record, _ in pairs:
            self.assertNotIn("total", record["cost"], record)
            self.assertNotIn("tokens", record)
        for word in ("auth", "rate_limit", "quota", "overloaded", "context_length"):
            self.assertIn(word, run.stderr)

    def test_waits_that_replies_ask_for(self):
        calls = [cases.call("openai", "wait-o", error="rate_limit", retry_after=2.5, fails=True),
                 cases.call("anthropic", "wait-a", error="overloaded", retry_after=7, fails=True)]
        _, pairs = self.check(calls, 2)
        self.assertEqual(sorted(r["retry_after_ns"] for r, _ in pairs),
                         [2_500_000_000, 7_000_000_000])

    def test_errors_inside_streams(self):
        calls = [cases.call(api, f"{api}-{name}-{after}", True, stream_error=name, cut_after=after,
                            fails=True)
                 for api, name in (("openai", "server"), ("anthropic", "overloaded"))
                 for after in (0, 3)]
        self.check(calls, len(calls))

    def test_streams_that_break_off(self):
        """The provider's side ends in the middle: marked, never a whole call, never exact money."""
        calls = [cases.call(api, f"{api}-{how}", True, cut=how, cut_after=4, chunks=20, fails=True)
                 for api in ("openai", "anthropic") for how in ("abort", "fin")]
        calls.append(cases.call("openai", "healthy", True))
        run = self.run_command(self.python_client(calls))
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(len(calls))
        pairs, lonely, missing = truth.match(run.records, entries)
        self.assertEqual((lonely, missing), ([], []))
        for record, entry in pairs:
            with self.subTest(entry["id"]):
                if entry["outcome"] == "complete":
                    self.assertEqual(record["cost"]["status"], "computed")
                    continue
                self.assertEqual(record["error"]["class"], "network", record)
                self.assertIn("truncated", record["incomplete"])
                self.assertNotIn(record["cost"]["status"], ("computed", "provider"))
                self.assertEqual(record["response"]["output_events"],
                                 entry["output_events_sent"])
                if entry["api"] == "anthropic.messages":   # the stream's start stated the input
                    self.assertEqual(record["tokens"]["input_uncached"],
                                     entry["tokens"]["input_uncached"])
                    self.assertTrue(record["flags"]["partial"])

    def test_no_reply_at_all(self):
        calls = [cases.call(api, f"none-{api}", cut_before_reply=True, fails=True)
                 for api in ("openai", "anthropic")]
        run = self.run_command(self.python_client(calls))
        self.assertEqual(run.status, 0, run.stderr)
        self.simulator.new_entries(2)
        self.assertEqual(len(run.records), 2, run.stderr)
        for record in run.records:
            self.assertIn("no_response", record["incomplete"])
            self.assertEqual(record["error"]["class"], "network")
            self.assertNotIn("status", record["http"])

    def gives_up(self, command, count, error, low_ms, high_ms) -> list:
        """Runs a client that leaves before the reply is whole; its records, oldest first."""
        run = self.run_command(command)
        self.assertEqual(len(run.records), count, run.stderr)
        for record in run.records:
            self.assertEqual(record["error"]["class"], error, record)
            self.assertEqual(record.get("client_aborted", False), error == "client_abort")
            self.assertGreaterEqual(record["duration_ns"], low_ms * 1e6)
            self.assertLess(record["duration_ns"], high_ms * 1e6)
        self.simulator.new_entries(count)
        return sorted(run.records, key=lambda r: r["number"])

    def test_python_clients_that_will_not_wait(self):
        """httpx's timeout is the time between bytes: before the head, and inside a stream."""
        calls = [cases.call(api, f"slow-{api}-{stream}", stream, head_ms=1500, timeout=0.4,
                            fails=True)
                 for api in ("openai", "anthropic") for stream in (False, True)]
        calls += [cases.call(api, f"stalls-{api}", True, first_ms=1500, timeout=0.4, fails=True)
                  for api in ("openai", "anthropic")]
        self.gives_up(self.python_client(calls), len(calls), "timeout", 380, 1400)

    def test_node_clients_that_will_not_wait(self):
        """The Node SDKs count from before connecting, and try again."""
        for api in ("openai", "anthropic"):
            for stream in (False, True):
                with self.subTest(api=api, stream=stream):
                    records = self.gives_up(self.node_client(
                        [cases.call(api, f"node-{api}-{stream}", stream, head_ms=2500, timeout=1.2,
                                    fails=True)], max_retries=1), 2, "timeout", 700, 1900)
                    first, second = records
                    self.assertEqual((first["attempt"], "retry_of" in first), (0, False))
                    self.assertEqual((second["attempt"], second["retry_of"]),
                                     (1, first["number"]))
                    self.assertEqual(second["incomplete"], ["no_response"])

    def test_a_node_client_that_will_not_wait_on_a_used_connection(self):
        calls = [cases.call("openai", "quick"),
                 cases.call("openai", "slow", head_ms=2500, timeout=1.2, fails=True)]
        run = self.run_command(self.node_client(calls))
        self.assertEqual(run.status, 0, run.stderr)
        self.assertEqual([r.get("error", {}).get("class") for r in run.records],
                         [None, "timeout"], run.records)
        self.simulator.new_entries(2)

    def test_a_node_client_that_leaves_a_stream(self):
        """The SDK's timer has ended with the head: who leaves later was not timed out."""
        calls = [cases.call(api, f"leaves-{api}", True, chunks=40, first_ms=1300, delay_ms=20,
                            timeout=1.0, close_after=4) for api in ("openai", "anthropic")]
        self.gives_up(self.node_client(calls), 2, "client_abort", 1200, 3000)

    def test_curl_that_will_not_wait(self):
        """curl tells nobody how long it waits."""
        body = harness.raw_body(cases.call("openai", "curl", head_ms=1500))
        self.gives_up(["curl", "-sS", "-m", "0.5", "--data-binary", body,
                       f"{self.simulator.openai}/v1/chat/completions"], 1, "client_abort", 300, 1400)

    def test_keys_stay_secret(self):
        """A key that the provider repeats in its message is in no output."""
        run = self.run_command(self.python_client(
            [cases.call("openai", "auth", error="auth", fails=True)]))
        everything = run.stderr + run.stdout + json.dumps(run.records)
        self.assertNotIn("sk-test-simulated", everything)
        self.simulator.new_entries(1)


if __name__ == "__main__":
    harness.main()
