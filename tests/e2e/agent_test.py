"""`sonde agent` end to end: selected by a cgroup of the test's own, with ledger, metrics and health
that equal the simulator's books, through reload and stop."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
import truth  # noqa: E402


def new_cgroup(name: str) -> pathlib.Path:
    """An empty cgroup below the hierarchy that version 2 has, wherever it is mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind == "cgroup2":
            folder = pathlib.Path(point) / name
            folder.mkdir()
            return folder
    raise unittest.SkipTest("no cgroup2 hierarchy is mounted")


def samples(text: str, name: str) -> dict:
    """{labels: value} of one metric."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(re.escape(name) + r"(\{.*\})? (\S+)", line)
        if match:
            found[match[1] or ""] = float(match[2])
    return found


class AgentTest(harness.SondeCase):
    def setUp(self):
        super().setUp()
        self.cgroup = new_cgroup(f"sonde-test-{self.folder.name}")
        self.addCleanup(self.cgroup.rmdir)
        self.port = harness.free_port()
        self.config = self.folder / "agent.yaml"
        self.ledger = self.folder / "ledger"
        self.ledger.mkdir()

    def settings(self, **more) -> dict:
        providers = dict(flag.split("=") for flag in self.simulator.provider_flags
                         if flag != "--provider")
        return {"select": [{"name": "test", "cgroup": str(self.cgroup)}],
                "http": {"listen": f"127.0.0.1:{self.port}"},
                "ledger": {"directory": str(self.ledger)},
                "prices": {"providers": providers}} | more

    def configure(self, **more) -> None:
        """JSON is YAML. Replaced by a rename, as tools do it."""
        fresh = self.folder / "agent.yaml.new"
        fresh.write_text(json.dumps(self.settings(**more)))
        fresh.rename(self.config)

    def agent(self, **more):
        self.configure(**more)
        log = open(self.folder / "log", "w")
        self.addCleanup(log.close)
        process = self.start(["agent", "--config", self.config], stderr=log)
        harness.wait_for(lambda: process.poll() is not None or self.get("/readyz") == 200,
                         "the agent to be ready")
        self.assertIsNone(process.poll(), self.log())
        return process

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def get(self, path: str, **headers):
        """The status."""
        try:
            return self.fetch(path, **headers)[0]
        except OSError:
            return 0

    def fetch(self, path: str, **headers) -> tuple:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def page(self) -> str:
        return self.fetch("/metrics")[1]

    def run_in_cgroup(self, command: list) -> None:
        """Joins the cgroup before it becomes the command."""
        script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        done = subprocess.run(["sh", "-c", script, self.cgroup, *[str(c) for c in command]],
                              env=self.environment(), capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def records(self) -> list:
        return [json.loads(line) for file in sorted(self.ledger.glob("*.jsonl"))
                for line in file.read_text().splitlines()]

    def wait_for_records(self, count: int) -> list:
        harness.wait_for(lambda: len(self.records()) >= count, f"{count} records in the ledger")
        return self.records()

    def stop(self, process) -> None:
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0, self.log())

    def make_calls(self, name: str, count: int = 6) -> None:
        calls = [cases.call(("openai", "anthropic")[n % 2], f"{name}-{n}", stream=n % 3 == 0)
                 for n in range(count)]
        self.run_in_cgroup(self.python_client(calls))

    def test_ledger_metrics_and_health_equal_the_books(self):
        process = self.agent()
        self.make_calls("first")
        entries = self.simulator.new_entries(6)
        records = self.wait_for_records(6)
        truth.compare_all(self, records, entries, harness.book(), harness.clock_offset(),
                          truth.Tolerance(late_ms=2000))

        # A regular reader sees each new series as zero first.
        first = self.page()
        self.assertEqual(set(samples(first, "sonde_cost_usd_total").values()), {0.0})
        page = self.page()
        cost = sum(samples(page, "sonde_cost_usd_total").values())
        exact = [r for r in records if r["cost"]["status"] in ("computed", "provider")]
        self.assertAlmostEqual(cost, sum(float(r["cost"]["total"]) for r in exact), places=12)
        tokens = {"input": 0, "output": 0}
        for labels, value in samples(page, "gen_ai_client_token_usage_sum").items():
            tokens[re.search(r'gen_ai_token_type="(\w+)"', labels)[1]] += value
        self.assertEqual(tokens["input"], sum(r["tokens"]["input_total"] for r in exact))
        self.assertEqual(tokens["output"], sum(r["tokens"]["output"] for r in exact))
        self.assertEqual(sum(samples(page, "sonde_calls_total").values()), 6)
        self.assertEqual(sum(samples(page, "sonde_lost_total").values()), 0, page)
        self.assertNotRegex(page, r"(?m)^sonde_cost.*(pid|sk-)")

        status, health = self.fetch("/api/health")
        self.assertEqual(status, 200, health)
        self.assertEqual(json.loads(health)["checks"]["ring"]["status"], "up")
        self.stop(process)
        self.assertEqual(len(self.records()), 6)

    def test_only_what_is_selected_is_seen(self):
        process = self.agent()
        calls = [cases.call("openai", "outside")]
        subprocess.run([str(c) for c in self.python_client(calls)], env=self.environment(),
                       check=True, timeout=120, capture_output=True)
        self.simulator.new_entries(1)
        self.make_calls("inside", 2)
        self.simulator.new_entries(2)
        self.wait_for_records(2)
        self.stop(process)
        self.assertEqual(len(self.records()), 2)

    def test_a_command_line_selects_what_starts_later_and_what_it_starts(self):
        token = self.folder.name  # In nobody else's command line.
        process = self.agent(select=[{"command": re.escape(token)}])
        calls = [cases.call("openai", f"command-{n}") for n in range(3)]
        client = [str(c) for c in self.python_client(calls)]
        subprocess.run(["sh", "-c", '"$@"; exit $?', token, *client], env=self.environment(),
                       check=True, timeout=120, capture_output=True)
        entries = self.simulator.new_entries(3)
        truth.compare_all(self, self.wait_for_records(3), entries, harness.book(),
                          harness.clock_offset(), truth.Tolerance(late_ms=2000))
        self.stop(process)

    def test_a_reload_changes_the_selection_and_a_broken_one_is_refused(self):
        process = self.agent()
        self.config.write_text("select: [{cgruop: x}]\n")
        harness.wait_for(lambda: "configuration refused" in self.log(), "the refusal")
        self.assertIn("did you mean", self.log())
        self.make_calls("still", 1)
        self.wait_for_records(1)

        self.configure(select=[])
        process.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: "configuration taken" in self.log(), "the new configuration")
        self.make_calls("unseen", 1)
        self.configure(log={"level": "debug"})
        harness.wait_for(lambda: self.log().count("configuration taken") == 2, "the third one")
        self.make_calls("again", 1)
        self.wait_for_records(2)
        self.simulator.new_entries(3)
        self.assertRegex(self.log(), r'"msg":"call","trace_id":"[0-9a-f]{32}"')
        self.stop(process)
        self.assertEqual(len(self.records()), 2)

    def test_a_run_serves_its_metrics_when_asked(self):
        calls = [cases.call("openai", f"run-{n}") for n in range(2)]
        client = " ".join(str(c) for c in self.python_client(calls))
        process = self.start(["run", *self.simulator.provider_flags, "--lines", "never", "--metrics",
                              f"127.0.0.1:{self.port}", "--", "sh", "-c",
                              f"{client} && cat"], stdin=subprocess.PIPE)
        harness.wait_for(lambda: process.poll() is not None or
                         sum(samples(self.page(), "sonde_calls_total").values()) == 2
                         if harness.listens(self.port) else False, "two calls on the page")
        self.assertIsNone(process.poll())
        process.communicate("", timeout=60)
        self.assertEqual(process.returncode, 0)
        self.simulator.new_entries(2)

    def test_a_run_whose_port_is_taken_starts_nothing(self):
        with harness.socket.create_server(("127.0.0.1", self.port)):
            done = self.sonde(["run", "--metrics", f"127.0.0.1:{self.port}", "--", "touch",
                               self.folder / "ran"])
        self.assertEqual(done.status, 125)
        self.assertIn("--metrics: cannot listen on", done.stderr)
        self.assertFalse((self.folder / "ran").exists())

    def test_a_port_in_use_is_told(self):
        with harness.socket.create_server(("127.0.0.1", self.port)):
            self.configure()
            done = self.sonde(["agent", "--config", self.config])
        self.assertEqual(done.status, 1)
        self.assertIn("Address already in use", done.stderr)

    def test_credentials_are_asked_for(self):
        process = self.agent(http={"listen": f"127.0.0.1:{self.port}", "bearer": ["made-up"]})
        self.assertEqual(self.get("/metrics"), 401)
        self.assertEqual(self.get("/metrics", Authorization="Bearer made-up"), 200)
        self.assertEqual(self.get("/livez"), 200)
        self.stop(process)

    def test_a_wrong_configuration_ends_with_its_line(self):
        self.config.write_text("http:\n  listen: 9464\nledgr: {}\n")
        done = self.sonde(["agent", "--config", self.config])
        self.assertEqual(done.status, 2)
        self.assertIn('agent.yaml:3: unknown key "ledgr"; did you mean "ledger"?', done.stderr)

    def test_privileges_are_dropped(self):
        process = self.agent()
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        effective = int(re.search(r"CapEff:\s*(\w+)", status)[1], 16)
        for name, bit in {"setuid": 7, "net_admin": 12, "sys_module": 16, "chown": 0}.items():
            self.assertFalse(effective >> bit & 1, name)
        self.assertIn("NoNewPrivs:\t1", status)
        self.stop(process)


if __name__ == "__main__":
    harness.main()
