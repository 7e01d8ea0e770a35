"""What every end-to-end test stands on: the simulator, `sonde`, real clients, and waiting.

Tests select only processes they start themselves (`sonde run -- CMD`, `attach --pid` of a child).
Nothing here sleeps: everything waits on a condition with a deadline.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "simulator"))

import books  # noqa: E402
import prices  # noqa: E402

BINARY_DIR = pathlib.Path(os.environ.get("SONDE_BINARY_DIR", SOURCE / "build" / "dev"))
SONDE = pathlib.Path(os.environ.get("SONDE_BINARY", BINARY_DIR / "sonde"))
CLIENTS = pathlib.Path(os.environ.get("SONDE_CLIENTS", SOURCE / "build" / "clients"))
PYTHON = CLIENTS / "venv" / "bin" / "python"
NODE_DIR = CLIENTS / "node"
HERE = pathlib.Path(__file__).resolve().parent
DEADLINE = 60.0
BILL = r"unseen \(\d+\), lost \(\d+\)"   # the last line of every bill


def wait_for(condition, what: str, deadline: float = DEADLINE):
    """The condition's first true value; fails with `what` when the deadline passes. Between looks it
    lets the scheduler run others."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:.0f} s for {what}")
        select.select([], [], [], 0.005)


def certificates() -> pathlib.Path:
    folder = CLIENTS / "certs"
    subprocess.run([SOURCE / "tests/simulator/certs.sh", folder], check=True)
    return folder


class Simulator:
    """The simulated provider as a process of its own."""

    def __init__(self, workers: int = 1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sim."))
        self.certs = certificates()
        self.books_file = self.folder / "books.jsonl"
        self._seen = 0
        self._stderr = open(self.folder / "stderr", "w+")
        self.process = subprocess.Popen(
            [sys.executable, SOURCE / "tests/simulator/simulator.py", "--books", self.books_file,
             "--tls-cert", self.certs / "server.pem", "--tls-key", self.certs / "server.key",
             "--workers", str(workers), "--until-eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, text=True)
        line = self.process.stdout.readline()
        if not line:
            self._stderr.seek(0)
            raise AssertionError("the simulator did not start: " + self._stderr.read())
        listening = json.loads(line)
        self.port, self.plain_port = listening["tls_port"], listening["plain_port"]
        self.ca = self.certs / "ca.pem"

    # Two names of the same address, so that each can be mapped to a biller.
    @property
    def openai(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def anthropic(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def provider_flags(self) -> list:
        return ["--provider", f"localhost:{self.port}=openai",
                "--provider", f"127.0.0.1:{self.port}=anthropic",
                "--provider", f"localhost:{self.plain_port}=openai",
                "--provider", f"127.0.0.1:{self.plain_port}=anthropic"]

    @property
    def client_environment(self) -> dict:
        return {"SSL_CERT_FILE": str(self.ca), "NODE_EXTRA_CA_CERTS": str(self.ca),
                "CURL_CA_BUNDLE": str(self.ca), "NO_PROXY": "*", "no_proxy": "*",
                "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}

    def books(self) -> list:
        """All entries so far, in the order in which calls ended."""
        if not self.books_file.exists():
            return []
        return [json.loads(line) for line in self.books_file.read_text().splitlines()]

    def new_entries(self, at_least: int = 0) -> list:
        """The entries since the last call of this; waits for `at_least` of them."""
        wait_for(lambda: len(self.books()) >= self._seen + at_least,
                 f"{at_least} entries in the simulator's books")
        entries = self.books()
        fresh, self._seen = entries[self._seen:], len(entries)
        bad = [e for e in fresh if e["outcome"] == "bad_scenario"]
        assert not bad, bad
        return fresh

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=DEADLINE)
        self.process.stdin.close()
        self.process.stdout.close()
        self._stderr.close()
        shutil.rmtree(self.folder)


@dataclasses.dataclass
class Run:
    """What one `sonde ...` left behind."""

    status: int
    stdout: str
    stderr: str
    records: list
    seconds: float
    ended_ns: int


class SondeCase(unittest.TestCase):
    """A test class with one simulator and a scratch folder."""

    workers = 1

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root: loads BPF programs")
        if not os.access(SONDE, os.X_OK):
            raise AssertionError(f"{SONDE} is not built")
        cls.simulator = Simulator(cls.workers)
        cls.addClassCleanup(cls.simulator.stop)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="e2e."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.simulator.new_entries()

    def environment(self, **more) -> dict:
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("OTEL_", "OPENAI_", "ANTHROPIC_", "SUDO_"))
                and k not in ("SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_OPTIONS")}
        return keep | self.simulator.client_environment | {k: str(v) for k, v in more.items()}

    def start(self, arguments: list, **options) -> subprocess.Popen:
        """`sonde ARGUMENTS` with pipes; ended by the test's cleanup if still there."""
        options.setdefault("env", self.environment())
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([str(a) for a in [SONDE, *arguments]], text=True,
                                   cwd=self.folder, **options)
        self.addCleanup(end_process, process)
        return process

    def sonde(self, arguments: list, deadline: float = 120, env: dict | None = None,
              records: pathlib.Path | None = None, **options) -> Run:
        """Runs `sonde ARGUMENTS` to its end."""
        begin = time.monotonic()
        process = self.start(arguments, env=env or self.environment(), **options)
        stdout, stderr = process.communicate(timeout=deadline)
        ended_ns = time.monotonic_ns()
        return Run(process.returncode, stdout or "", stderr or "", read_records(records),
                   ended_ns / 1e9 - begin, ended_ns)

    def run_command(self, command: list, arguments: list = (), **options) -> Run:
        """`sonde run` with the simulator's hosts mapped and records written to a file."""
        records = self.folder / "records.jsonl"
        records.unlink(missing_ok=True)
        return self.sonde(["run", *self.simulator.provider_flags, "-o", records, *arguments, "--",
                           *command], records=records, **options)

    def client_plan(self, calls: list, **settings) -> pathlib.Path:
        """Writes a plan for a client program; the command's last argument."""
        plan = {"openai": self.simulator.openai + "/v1", "anthropic": self.simulator.anthropic,
                "calls": calls, **settings}
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan))
        return path

    def python_client(self, calls: list, mode: str = "sync", **settings) -> list:
        return [str(PYTHON), str(HERE / "clients/sdk_client.py"),
                self.client_plan(calls, mode=mode, **settings)]

    def stamped_client(self, calls: list) -> list:
        """As python_client; its last act is to print the monotonic time ("END ns")."""
        plan = self.client_plan(calls)
        code = (f"import sys; sys.argv = ['client', {str(plan)!r}]\n"
                f"exec(open({str(HERE / 'clients/sdk_client.py')!r}).read())\n"
                "import os, time; os.write(1, b'END %d\\n' % time.monotonic_ns()); os._exit(0)\n")
        return [str(PYTHON), "-c", code]

    def leaving_seconds(self, run: Run) -> float:
        """From the last act of a stamped_client to Sonde's exit."""
        return (run.ended_ns - int(re.search(r"END (\d+)", run.stdout)[1])) / 1e9

    def node_client(self, calls: list, **settings) -> list:
        link = NODE_DIR / "sdk_client.mjs"
        source = HERE / "clients/sdk_client.mjs"
        if not link.is_symlink() or os.readlink(link) != str(source):
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(source)
        # Modules resolve from the link's folder, where node_modules is.
        return ["node", "--preserve-symlinks", "--preserve-symlinks-main", link,
                self.client_plan(calls, **settings)]


def end_process(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def read_records(path) -> list:
    if path is None or not pathlib.Path(path).exists():
        return []
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def book() -> prices.Book:
    """The price book in the tree, read independently."""
    return prices.Book(SOURCE / "agent/pricing/data/pricebook.json")


def clock_offset() -> int:
    """Monotonic to wall time, in nanoseconds."""
    return books.monotonic_to_unix_ns()


def raw_body(call: dict) -> str:
    """The JSON body of a call, for clients that are no library."""
    scenario = json.dumps(call["scenario"])
    body = {"model": call["model"], "stream": call["stream"],
            "messages": [{"role": "user", "content": f"call {call['scenario']['id']}"}]}
    if call["api"] == "anthropic":
        body |= {"max_tokens": 100, "metadata": {"user_id": scenario}}
    else:
        body["user"] = scenario
        if call["stream"] and call["include_usage"]:
            body["stream_options"] = {"include_usage": True}
    return json.dumps(body | call.get("params", {}))


def unpacked(path) -> bytes:
    """A capture file's bytes, followed by those of every Zstandard frame in it, unpacked."""
    data = pathlib.Path(path).read_bytes()
    parts, at = [data], data.find(b"\x28\xb5\x2f\xfd")
    while at >= 0:
        parts.append(subprocess.run(["zstd", "-dcq"], input=data[at:], capture_output=True,
                                    check=False).stdout)
        at = data.find(b"\x28\xb5\x2f\xfd", at + 4)
    return b"".join(parts)


def children_of(pid: int) -> list:
    try:
        return [int(c) for c in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def other_user() -> tuple:
    """(uid, gid) of somebody without privileges."""
    import pwd
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def main() -> None:
    unittest.main(module="__main__", verbosity=2, failfast=False)
