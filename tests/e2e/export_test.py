"""Spans as a receiver gets them, equal to the usage records, which equal the books; and receivers
that are slow, down or broken."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import otlp  # noqa: E402
import truth  # noqa: E402


def mixed_calls(prefix: str) -> list:
    calls = cases.every_kind(prefix)
    calls += [cases.call("openai", f"{prefix}-nousage", True, include_usage=False),
              cases.call("openai", f"{prefix}-429", error="rate_limit", fails=True),
              cases.call("anthropic", f"{prefix}-529", error="overloaded", fails=True),
              cases.call("openai", f"{prefix}-mystery", model="mystery-9"),
              cases.call("openai", f"{prefix}-n", params={"n": 2, "temperature": 0.25, "seed": 7,
                                                          "stop": ["X"], "max_tokens": 50}),
              cases.call("openai", f"{prefix}-parent", headers={
                  "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})]
    return calls


class ExportTest(harness.SondeCase):
    def receiver(self, **options) -> otlp.Receiver:
        receiver = otlp.Receiver(**options)
        self.addCleanup(receiver.close)
        return receiver

    def run_calls(self, calls, arguments, **options):
        run = self.run_command(self.python_client(calls), arguments, **options)
        self.assertEqual(run.status, 0, run.stderr)
        entries = self.simulator.new_entries(len(calls))
        truth.compare_all(self, run.records, entries, harness.book(), harness.clock_offset())
        return run

    def test_spans_equal_the_records(self):
        receiver = self.receiver()
        run = self.run_calls(mixed_calls("http"), ["--otlp", receiver.url])
        otlp.compare_spans(self, receiver.spans(), run.records)
        headers, path, _, _ = receiver.requests[0]
        self.assertEqual(path, "/v1/traces")
        self.assertEqual(headers["content-type"], "application/x-protobuf")

    def test_tls(self):
        certs = self.simulator.certs
        receiver = self.receiver(certificate=certs / "server.pem", key=certs / "server.key")
        env = self.environment(OTEL_EXPORTER_OTLP_CERTIFICATE=certs / "ca.pem",
                               OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
                               OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
        run = self.run_calls([cases.call("openai", "tls")], ["--otlp-from-env"], env=env)
        otlp.compare_spans(self, receiver.spans(), run.records)

    def test_from_the_environment(self):
        receiver = self.receiver()
        env = self.environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url + "/base",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf", OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=seven%20seas", OTEL_SERVICE_NAME="sailor",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")
        run = self.run_calls([cases.call("openai", "env")], ["--otlp-from-env"], env=env)
        otlp.compare_spans(self, receiver.spans(), run.records)
        headers, path, _, _ = receiver.requests[0]
        self.assertEqual(path, "/base/v1/traces")
        self.assertEqual(headers["x-tenant"], "seven seas")
        self.assertEqual(headers["content-encoding"], "gzip")
        resource = receiver.spans()[0]["resource"]
        self.assertEqual(resource["deployment.environment.name"], "test")
        self.assertEqual(resource["service.name"], "sailor")

    def test_refused_for_now_and_taken_later(self):
        receiver = self.receiver(answers=[503, 429, 502])
        calls = [cases.call("openai", f"later-{n}") for n in range(3)]
        run = self.run_calls(calls, ["--otlp", receiver.url])
        statuses = [status for _, _, _, status in receiver.requests]
        self.assertGreater(len(statuses), 1, "no retry")
        # Retries end with the program, after at most two seconds; what was accepted is right.
        if 200 in statuses:
            otlp.compare_spans(self, receiver.spans(), run.records)
        else:
            self.assertRegex(run.stderr, r"(?i)spans? (were )?(not|lost|dropped)")

    def test_refused_for_good_is_not_repeated(self):
        receiver = self.receiver(answers=[400] * 10)
        run = self.run_calls([cases.call("openai", "never")], ["--otlp", receiver.url])
        self.assertEqual(len(receiver.requests), 1)
        self.assertIn("400", run.stderr)

    def test_collector_that_is_down(self):
        with otlp.silent_listener() as port:
            pass   # closed again: nobody listens there
        run = self.run_calls([cases.call("openai", "down")],
                             ["--otlp", f"http://127.0.0.1:{port}"])
        self.assertRegex(run.stderr, rf"127\.0\.0\.1:{port}")
        for protocol in ("grpc",):
            run = self.run_calls([cases.call("openai", f"down-{protocol}")],
                                 ["--otlp", f"{protocol}://127.0.0.1:{port}"])
            self.assertRegex(run.stderr, rf"127\.0\.0\.1:{port}")

    def test_a_silent_collector_costs_two_seconds_at_most(self):
        command = self.stamped_client([cases.call("openai", "silent")])
        for protocol in ("http", "grpc"):
            with otlp.silent_listener() as port:
                run = self.run_command(command, ["--otlp", f"{protocol}://127.0.0.1:{port}"])
            self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)
            self.assertLessEqual(self.leaving_seconds(run), 2.3)
            self.assertRegex(run.stderr, rf"127\.0\.0\.1:{port}")
        self.simulator.new_entries(2)

    def test_the_queue_drops_and_says_so(self):
        """More calls than the queue holds, at a collector that never answers: capture goes on."""
        count = 60
        calls = [cases.call("openai", f"q-{n}") for n in range(count)]
        with otlp.silent_listener() as port:
            run = self.run_command(self.python_client(calls, "async", concurrency=8),
                                   ["--otlp-from-env"], env=self.environment(
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
                OTEL_BSP_MAX_QUEUE_SIZE="16", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4"))
        self.assertEqual((run.status, len(run.records)), (0, count), run.stderr)
        self.assertRegex(run.stderr, r"(?i)dropped|lost|not exported")
        self.simulator.new_entries(count)


class CollectorTest(harness.SondeCase):
    CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  file: {{path: "{path}", flush_interval: 200ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"""

    def setUp(self):
        super().setUp()
        binary = harness.SOURCE / "build/backends/otelcol-test"
        built = subprocess.run([harness.SOURCE / "tools/build_collector.sh"], capture_output=True,
                               text=True, check=False)
        if built.returncode == 3:
            self.skipTest(built.stderr.strip())  # The distribution's Go is too old for it.
        self.assertEqual(built.returncode, 0, built.stderr)
        self.grpc, self.http = harness.free_port(), harness.free_port()
        self.out = self.folder / "spans.jsonl"
        config = self.folder / "collector.yaml"
        config.write_text(self.CONFIG.format(grpc=self.grpc, http=self.http, path=self.out))
        self.collector = subprocess.Popen([binary, "--config", config], stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
        self.addCleanup(harness.end_process, self.collector)
        for port in (self.grpc, self.http):
            harness.wait_for(lambda p=port: harness.listens(p), "the collector to listen")

    def test_a_real_collector_takes_both_protocols(self):
        records = []
        for scheme, port in (("grpc", self.grpc), ("http", self.http)):
            run = self.run_command(self.python_client(mixed_calls(scheme)),
                                   ["--otlp", f"{scheme}://127.0.0.1:{port}"])
            self.assertEqual(run.status, 0, run.stderr)
            records += run.records
        entries = self.simulator.new_entries(len(records))
        truth.compare_all(self, records, entries, harness.book(), harness.clock_offset())
        read = lambda: otlp.spans_of_json_lines(self.out.read_text()) if self.out.exists() else []
        harness.wait_for(lambda: len(read()) >= len(records), "all spans in the collector's file")
        otlp.compare_spans(self, read(), records)


if __name__ == "__main__":
    harness.main()
