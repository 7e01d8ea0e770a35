"""1,000 calls of 50 concurrent clients, half of them streams of 200 chunks: nothing is lost, every
token and every amount is right."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import truth  # noqa: E402

CALLS, CLIENTS, PROCESSES = 1000, 50, 5


class LoadTest(harness.SondeCase):
    workers = 2

    def test_a_thousand_calls(self):
        share = CALLS // PROCESSES
        plans = []
        for process in range(PROCESSES):
            calls = [cases.call(("openai", "anthropic")[n % 3 == 0], f"load-{process}-{n}",
                                stream=n % 2 == 0, chunks=200, timeout=240)
                     for n in range(share)]
            plan = self.client_plan(calls, mode="async", concurrency=CLIENTS // PROCESSES)
            plans.append(plan.rename(self.folder / f"plan-{process}.json"))
        client = f"{harness.PYTHON} {harness.HERE / 'clients/sdk_client.py'}"
        script = " ".join(f"{client} {plan} >/dev/null &" for plan in plans)
        script += " for p in $(jobs -p); do wait $p || exit 1; done"
        run = self.run_command(["bash", "-c", script], ["--lines", "never"], deadline=280)
        self.assertEqual(run.status, 0, run.stderr[-4000:])
        entries = self.simulator.new_entries(CALLS)
        # Two processors carry clients, simulator and Sonde: times may be late by seconds.
        truth.compare_all(self, run.records, entries, harness.book(), harness.clock_offset(),
                          truth.Tolerance(late_ms=5000))
        self.assertEqual(len(run.records), CALLS)
        self.assertRegex(run.stderr, r"(?i)lost\W+0|0 lost|lost \(0\)")
        print(json.dumps({"calls": len(run.records), "seconds": round(run.seconds, 1)}))


if __name__ == "__main__":
    harness.main()
