"""The whole of Sonde measured: completeness and memory under load, what it costs itself, what it costs
the client, beside two other tools on the same workload. Prints n, median and spread.

    e2e_bench.py [load|cpu|client|exit]...      default: all

Every tool selects only the client started here: Sonde by `run`, the others by pid.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import harness  # noqa: E402
import truth  # noqa: E402

ROUNDS, CALLS, CLIENTS = 10, 1000, 50
STREAMS, REPETITIONS = 40, int(os.environ.get("BENCH_REPETITIONS", "7"))
TICK = os.sysconf("SC_CLK_TCK")


class Nobody:
    """What harness.truth reports to: a benchmark fails aloud."""

    def fail(self, text):
        raise SystemExit("bench: " + text)


def spread(values, unit="ms", scale=1.0) -> str:
    """n, median, quartiles and range."""
    ordered = sorted(v * scale for v in values)
    if len(ordered) < 2:
        return f"{ordered[0]:.2f} {unit} (n=1)"
    quarter = statistics.quantiles(ordered, n=4)
    return (f"median {statistics.median(ordered):.2f} {unit} "
            f"[{quarter[0]:.2f} .. {quarter[2]:.2f}], range {ordered[0]:.2f} .. {ordered[-1]:.2f}, "
            f"n={len(ordered)}")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, exact to a nanosecond where the scheduler says it."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def resident_mib(pid: int) -> tuple:
    """(all, without the mappings of BPF rings) in MiB."""
    whole = ring = 0
    mapping = ""
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            mapping = line
        elif line.startswith("Rss:"):
            size = int(line.split()[1])
            whole += size
            if "bpf-map" in mapping or "anon_inode:[perf_event]" in mapping:
                ring += size
    return whole / 1024, (whole - ring) / 1024


class Bench:
    def __init__(self):
        self.simulator = harness.Simulator(workers=2)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench."))
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")} \
            | self.simulator.client_environment | {"BPFTRACE_STRLEN": "200"}
        headers = subprocess.run([harness.SOURCE / "tools/bcc_headers.sh"], capture_output=True,
                                 text=True, check=False).stdout.strip()
        if headers:
            self.environment["BCC_KERNEL_SOURCE"] = headers

    def close(self):
        self.simulator.stop()
        shutil.rmtree(self.folder)

    def sonde(self, command, records=None) -> subprocess.Popen:
        arguments = [harness.SONDE, "run", *self.simulator.provider_flags, "--lines", "never"]
        if records:
            arguments += ["-o", records]
        return subprocess.Popen([str(a) for a in [*arguments, "--", *command]],
                                env=self.environment, cwd=self.folder, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=open(self.folder / "stderr", "w"))

    # --- completeness and memory -----------------------------------------------------------------
    def load(self):
        records = self.folder / "records.jsonl"
        records.unlink(missing_ok=True)
        command = [sys.executable, HERE / "load_client.py", self.simulator.port, self.simulator.ca,
                   ROUNDS, CALLS, CLIENTS]
        self.simulator.new_entries()
        process = self.sonde(command, records)
        memory, times, cpu = [], [], []
        begin, before = time.monotonic(), 0.0
        for number in range(ROUNDS):
            line = process.stdout.readline()
            if line != f"round {number}\n":
                raise SystemExit("bench: the load client failed: "
                                 + (self.folder / "stderr").read_text()[-2000:])
            times.append(time.monotonic() - begin)
            harness.wait_for(lambda n=number: records.read_bytes().count(b"\n") >= (n + 1) * CALLS,
                             f"the records of round {number}", 30)
            memory.append(resident_mib(process.pid))
            cpu.append(cpu_seconds(process.pid) - before)
            before += cpu[-1]
            process.stdin.write("\n")
            process.stdin.flush()
            begin = time.monotonic()
        process.communicate(timeout=60)
        stderr = (self.folder / "stderr").read_text()
        entries = self.simulator.new_entries(ROUNDS * CALLS)
        rows = harness.read_records(records)
        truth.compare_all(Nobody(), rows, entries, harness.book(), harness.clock_offset(),
                          truth.Tolerance(late_ms=10_000), retries=False)
        print(f"load: {len(rows)} of {len(entries)} calls reported, tokens and cost equal to the "
              f"books ({ROUNDS} rounds of {CALLS} calls, {CLIENTS} clients, half streams of 200 "
              "chunks)")
        print("load: " + next((l.strip() for l in stderr.splitlines() if "lost" in l.lower()),
                              "the bill says nothing of losses"))
        print("load: a round takes " + spread(times, "s"))
        print("load: Sonde's CPU per round " + spread(cpu, "s"))
        clean = [m[1] for m in memory]
        print(f"load: resident without ring mappings: first round {clean[0]:.1f} MiB, last "
              f"{clean[-1]:.1f} MiB, most {max(clean):.1f} MiB; with them {memory[-1][0]:.1f} MiB")

    # --- Sonde's own CPU per stream --------------------------------------------------------------
    def cpu(self):
        """CPU of Sonde while N streams pass, less what it uses for the same time when idle."""
        for label, command in self.stream_clients():
            values = []
            for _ in range(REPETITIONS):
                gate = self.gate()
                process = self.sonde([sys.executable, HERE / "measured.py", gate, *command])
                self.client_pid(gate)
                idle = self.idle_rate(process.pid)
                before = cpu_seconds(process.pid)
                self.release(gate)
                harness.wait_for((gate / "cost").exists, "the client to end", 120)
                used = cpu_seconds(process.pid) - before   # the bill is being printed by then
                wall = json.loads((gate / "cost").read_text())["wall"]
                process.communicate(timeout=60)
                values.append(max(0.0, used - idle * wall) / STREAMS)
            print(f"cpu: Sonde per stream of 200 chunks ({label}): " + spread(values, "ms", 1e3))

    @staticmethod
    def idle_rate(pid: int) -> float:
        """CPU seconds per second with nothing to do."""
        before, begin = cpu_seconds(pid), time.monotonic()
        time.sleep(0.5)
        return (cpu_seconds(pid) - before) / (time.monotonic() - begin)

    # --- what the client pays --------------------------------------------------------------------
    def stream_clients(self) -> list:
        config = self.folder / "curl.conf"
        body = harness.raw_body({"api": "openai", "model": "gpt-5-mini", "stream": True,
                                 "include_usage": True, "scenario": {"id": "b", "chunks": 200}})
        (self.folder / "body").write_text(body)
        one = (f'url = "{self.simulator.openai}/v1/chat/completions"\n'
               f'data-binary = "@{self.folder}/body"\noutput = "/dev/null"\nsilent\nno-buffer\n')
        config.write_text("next\n".join([one] * STREAMS))
        return [("curl, SSL_read", ["curl", "-K", config]),
                ("Python ssl, SSL_read_ex", [sys.executable, HERE / "stream_client.py",
                                             self.simulator.port, self.simulator.ca, STREAMS])]

    def gate(self) -> pathlib.Path:
        gate = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        os.mkfifo(gate / "go")
        return gate

    @staticmethod
    def client_pid(gate) -> int:
        harness.wait_for((gate / "pid").exists, "the client's pid", 60)
        return int((gate / "pid").read_text())

    @staticmethod
    def release(gate) -> None:
        (gate / "started").touch()
        (gate / "go").write_text("")

    def libssl(self) -> str:
        return re.search(r"libssl\.so\.3 .*=> (\S+)",
                         subprocess.run(["ldconfig", "-p"], capture_output=True, text=True,
                                        check=True).stdout)[1]

    def tracer_command(self, name, pid):
        if name == "sslsniff":
            tool = shutil.which("sslsniff-bpfcc")
            # Not the clients' interpreter: bcc's module belongs to the distribution's.
            return tool and ["/usr/bin/python3", HERE / "bcc_tool.py", tool, "-p", str(pid)]
        lib = self.libssl()
        program = "".join(
            f"uprobe:{lib}:SSL_write{ex} /pid == {pid}/ {{ printf(\"%d w %d %s\\n\", pid, arg2, "
            f"str(arg1, arg2)); }} uprobe:{lib}:SSL_read{ex} /pid == {pid}/ {{ @b[tid] = arg1; }} "
            f"uretprobe:{lib}:SSL_read{ex} /pid == {pid} && @b[tid] != 0/ "
            f"{{ printf(\"%d r %d %s\\n\", pid, retval, str(@b[tid])); }} " for ex in ("", "_ex"))
        tool = shutil.which("bpftrace")
        return tool and [tool, "-p", str(pid), "-e", program]

    def with_tracer(self, name, command):
        """(client's cost, tracer's CPU, calls it saw) or None when the tool is not there."""
        gate = self.gate()
        client = subprocess.Popen([str(c) for c in [sys.executable, HERE / "measured.py", gate,
                                                    *command]],
                                  env=self.environment, cwd=self.folder)
        pid = self.client_pid(gate)
        tracer, out = None, self.folder / f"{name}.out"
        if name != "off":
            arguments = self.tracer_command(name, pid)
            with open(out, "w") as file:
                tracer = subprocess.Popen([str(a) for a in arguments], stdout=file, env=self.environment,
                                          stderr=open(self.folder / f"{name}.err", "w"))
            harness.wait_for(lambda: self.attached(tracer, name), f"{name} to attach", 60)
        before = cpu_seconds(tracer.pid) if tracer else 0
        self.release(gate)
        client.wait()
        used = seen = None
        if tracer:
            harness.wait_for(lambda: self.quiet(tracer.pid), f"{name} to finish", 20)
            used = cpu_seconds(tracer.pid) - before
            tracer.send_signal(signal.SIGINT)
            tracer.wait(60)
            seen = out.read_text(errors="replace").count("POST /v1/")
        return json.loads((gate / "cost").read_text()), used, seen

    def attached(self, tracer, name) -> bool:
        """All its perf events are open: their number is not zero and stands still."""
        def count():
            try:
                return sum("perf_event" in os.readlink(f) or "bpf" in os.readlink(f)
                           for f in pathlib.Path(f"/proc/{tracer.pid}/fd").iterdir())
            except FileNotFoundError:
                return 0
        if tracer.poll() is not None:
            raise SystemExit(f"bench: {name} did not start: "
                             + (self.folder / f"{name}.err").read_text()[-2000:])
        first = count()
        if first < 4:
            return False
        time.sleep(1.0)
        return count() == first

    @staticmethod
    def quiet(pid) -> bool:
        before = cpu_seconds(pid)
        time.sleep(0.25)
        return cpu_seconds(pid) - before < 0.01

    def with_sonde(self, command):
        gate = self.gate()
        records = gate / "records.jsonl"
        process = self.sonde([sys.executable, HERE / "measured.py", gate, *command], records)
        self.client_pid(gate)
        before = cpu_seconds(process.pid)
        self.release(gate)
        harness.wait_for((gate / "cost").exists, "the client to end", 120)
        used = cpu_seconds(process.pid) - before
        process.communicate(timeout=60)
        return (json.loads((gate / "cost").read_text()), used,
                len(harness.read_records(records)))

    def client(self):
        """Interleaved: every repetition runs the client once under each tool."""
        tools = ["off", "sonde"] + [n for n in ("sslsniff", "bpftrace")
                                    if self.tracer_command(n, 1)]
        for label, command in self.stream_clients():
            rows = {name: [] for name in tools}
            for _ in range(REPETITIONS):
                for name in tools:
                    rows[name].append(self.with_sonde(command) if name == "sonde" else
                                      self.with_tracer(name, command))
            print(f"client: {label}; {REPETITIONS} interleaved runs of {STREAMS} streams of 200 "
                  "chunks; per stream")
            off = statistics.median(r[0]["user"] + r[0]["system"] for r in rows["off"])
            off_wall = statistics.median(r[0]["wall"] for r in rows["off"])
            for name in tools:
                cpu = [(r[0]["user"] + r[0]["system"]) / STREAMS for r in rows[name]]
                wall = [r[0]["wall"] / STREAMS for r in rows[name]]
                print(f"  {name:9} client CPU  {spread(cpu, 'ms', 1e3)}")
                print(f"  {'':9} client time {spread(wall, 'ms', 1e3)}")
                if name == "off":
                    continue
                added = statistics.median(cpu) - off / STREAMS
                added_wall = statistics.median(wall) - off_wall / STREAMS
                seen = sum(r[2] for r in rows[name])
                print(f"  {'':9} added CPU {added * 1e3:+.2f} ms, added time "
                      f"{added_wall * 1e3:+.2f} ms; saw {seen} of {REPETITIONS * STREAMS} calls; "
                      f"its own CPU {spread([r[1] / STREAMS for r in rows[name]], 'ms', 1e3)}")

    # --- leaving ---------------------------------------------------------------------------------
    def exit(self):
        code = ("import ssl, sys, os, time\nssl.create_default_context()\n"
                "os.write(1, b'%d\\n' % time.monotonic_ns()); os._exit(0)")
        delays = []
        for _ in range(15):
            process = self.sonde([sys.executable, "-c", code])
            out, _ = process.communicate(timeout=60)
            delays.append((time.monotonic_ns() - int(out)) / 1e9)
        print("exit: from the command's last act to Sonde's exit " + spread(delays, "ms", 1e3))


def main() -> None:
    parts = sys.argv[1:] or ["load", "cpu", "client", "exit"]
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # so that `finally` runs
    bench = Bench()
    try:
        for part in parts:
            getattr(bench, part)()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
