"""`sonde run` as a guest in somebody's terminal: status, signals, user, terminal, exit, silence."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
from harness import wait_for  # noqa: E402

EXIT_DELAY_LIMIT = 0.2


def state_of(pid: int) -> str:
    """The letter of /proc: R, S, T, ...; empty when gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return ""


def children_of(pid: int) -> list:
    try:
        return [int(c) for c in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


class StatusTest(harness.SondeCase):
    def status(self, *command, arguments=()):
        return self.sonde(["run", *arguments, "--", *command])

    def test_the_command_s_own_status(self):
        for status in (0, 1, 3, 42, 255):
            self.assertEqual(self.status("sh", "-c", f"exit {status}").status, status)

    def test_death_by_signal(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT,
                       signal.SIGPIPE):
            run = self.status("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
            self.assertEqual(run.status, 128 + number, run.stderr)

    def test_commands_that_cannot_start(self):
        plain = self.folder / "plain"
        plain.write_text("text")
        self.assertEqual(self.status("no-such-command-here").status, 127)
        self.assertEqual(self.status("/no/such/path").status, 127)
        self.assertEqual(self.status(plain).status, 126)
        self.assertEqual(self.status(self.folder).status, 126)
        script = self.folder / "script"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        self.assertIn(self.status(script).status, (126, 127))

    def test_sonde_s_own_failures(self):
        for arguments in (["--provider", "nonsense"], ["--prices", "/no/such/folder"],
                          ["--no-such-flag"], ["-o", "/no/such/folder/file"],
                          ["--otlp", "ftp://x"]):
            with self.subTest(arguments):
                marker = self.folder / "started"
                run = self.status("touch", marker, arguments=arguments)
                self.assertEqual(run.status, 125, run.stderr)
                self.assertFalse(marker.exists(), "the command ran all the same")
                self.assertLess(len(run.stderr.splitlines()), 12, run.stderr)

    def test_streams_pass_through(self):
        process = self.start(["run", "--", "sh", "-c", "cat; printf err >&2; exit 4"],
                             stdin=subprocess.PIPE)
        out, err = process.communicate("in\0put\n", timeout=60)
        self.assertEqual((process.returncode, out), (4, "in\0put\n"))
        self.assertIn("err", err)
        self.assertNotIn("\x1b", err, "colour on a pipe")

    def test_version_and_help(self):
        self.assertRegex(self.sonde(["--version"]).stdout, r"\d+\.\d+\.\d+")
        self.assertEqual(self.sonde(["run", "--help"]).status, 0)


class GuestTest(harness.SondeCase):
    PROBE = r"""
import json, os, resource, sys
status = open("/proc/self/status").read()
print(json.dumps({
    "env": dict(os.environ), "cwd": os.getcwd(), "uid": os.getresuid(), "gid": os.getresgid(),
    "groups": sorted(os.getgroups()), "prefix": sys.prefix,
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource)
               if n.startswith("RLIMIT_")},
    "umask": [l for l in status.splitlines() if l.startswith("Umask")],
    "privileges": [l for l in status.splitlines()
                   if l.startswith(("Cap", "NoNewPrivs", "Seccomp:"))],
    "signals": [l for l in status.splitlines() if l.startswith(("SigBlk", "SigIgn"))],
    "fds": sorted(os.listdir("/proc/self/fd")), "oom": open("/proc/self/oom_score_adj").read(),
    "nice": os.nice(0), "session": os.getsid(0) == os.getpgid(0) or os.getpgid(0)}))
"""

    def probe(self, prefix, **options):
        done = subprocess.run([str(p) for p in prefix] + [str(harness.PYTHON), "-c", self.PROBE],
                              capture_output=True, text=True, timeout=60, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_the_command_finds_what_it_would_have_found(self):
        """Environment, folder, limits, masks, descriptors and privileges are the caller's."""
        env = self.environment(ODD="a b\nc", LD_LIBRARY_PATH="/nowhere")
        options = {"cwd": self.folder, "env": env, "preexec_fn": self.odd_process,
                   "stdin": subprocess.DEVNULL}
        alone = self.probe([], **options)
        under = self.probe([harness.SONDE, "run", "--"], **options)
        for key in alone:
            if key not in ("session",):
                self.assertEqual(alone[key], under[key], key)

    @staticmethod
    def odd_process():
        import resource
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (321, 4321))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def under_sudo(self, *arguments, program="python", env=None):
        """Real sudo, called by an unprivileged user whose right to it exists only in a mount
        namespace made for this test."""
        uid, gid = harness.other_user()
        open_folder = self.folder / "user"
        open_folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        venv = open_folder / "venv"
        if not venv.exists():
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv], check=True)
        sudoers = self.folder / "sudoers"
        sudoers.write_text("Defaults env_reset\n"
                           "Defaults secure_path=/usr/sbin:/usr/bin:/sbin:/bin\n"
                           "nobody ALL=(ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
        script = ('mount --bind "$0" /etc/sudoers && exec setpriv --reuid=$1 --regid=$2 '
                  '--clear-groups env PATH="$3:/usr/bin:/bin" HOME="$4" "${@:5}"')
        command = ["unshare", "-m", "bash", "-c", script, sudoers, uid, gid, venv / "bin",
                   open_folder, "sudo", "-n", *arguments, program, "-c", self.PROBE]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                              cwd=open_folder, env=env, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), str(venv), str(open_folder)

    def test_under_sudo_the_command_is_the_user_s(self):
        uid, gid = harness.other_user()
        seen, venv, home = self.under_sudo(harness.SONDE, "run", "--")
        self.assertEqual(seen["uid"], [uid] * 3)
        self.assertEqual(seen["gid"], [gid] * 3)
        self.assertNotIn(0, seen["groups"])
        self.assertEqual(seen["prefix"], venv, "not the user's python")
        self.assertEqual(seen["env"]["HOME"], home if "HOME" in seen["env"] else None)
        self.assertTrue(seen["env"]["PATH"].startswith(venv + "/bin"), seen["env"]["PATH"])
        for line in seen["privileges"]:
            if line.startswith(("CapEff", "CapPrm", "CapInh", "CapAmb")):
                self.assertEqual(int(line.split()[1], 16), 0, line)
        self.assertEqual(seen["cwd"], home)

    def test_keep_root(self):
        seen, _, _ = self.under_sudo(harness.SONDE, "run", "--keep-root", "--",
                                     program="/usr/bin/python3")
        self.assertEqual(seen["uid"], [0] * 3)

    def test_calls_of_the_user_s_program_are_seen(self):
        """The same through sudo with a real call; the output file belongs to the user."""
        uid, _ = harness.other_user()
        self.folder.chmod(0o777)
        calls = self.raw_plan("sudo")
        env = self.environment(SUDO_UID=uid, SUDO_GID=uid, SUDO_USER="nobody")
        run = self.run_command(["/usr/bin/python3", harness.HERE / "clients/raw_client.py", calls],
                               env=env)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertEqual([r["process"]["uid"] for r in run.records], [uid])
        self.assertEqual((self.folder / "records.jsonl").stat().st_uid, uid)
        self.assertEqual((self.folder / "records.jsonl").stat().st_mode & 0o777, 0o600)

    def raw_plan(self, identity):
        body = json.loads(harness.raw_body(cases.call("openai", identity)))
        plan = {"host": "localhost", "port": self.simulator.port, "ca": str(self.simulator.ca),
                "connections": [{"requests": [{"path": "/v1/chat/completions", "body": body}]}]}
        path = self.folder / "raw.json"
        path.write_text(json.dumps(plan))
        path.chmod(0o644)
        return path


class SignalTest(harness.SondeCase):
    HANDLER = ("import signal, sys\n"
               "def leave(number, frame): sys.exit(40 + number)\n"
               "for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(s, leave)\n"
               "print('ready', flush=True)\n"
               "while True: signal.pause()\n")

    def ready(self, code, **options):
        process = self.start(["run", "--", "/usr/bin/python3", "-c", code], **options)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def finish(self, process, status):
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, status, err)
        self.assertRegex(err, harness.BILL)

    def test_ctrl_c_reaches_both_and_the_bill_is_printed(self):
        process = self.ready(self.HANDLER, start_new_session=True)
        os.killpg(process.pid, signal.SIGINT)
        self.finish(process, 42)

    def test_ctrl_c_that_the_command_outlives(self):
        code = ("import signal, sys\n"
                "signal.signal(signal.SIGINT, lambda n, f: print('again', flush=True))\n"
                "print('ready', flush=True)\nsys.stdin.read()\nsys.exit(6)\n")
        process = self.ready(code, start_new_session=True, stdin=subprocess.PIPE)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.stdout.readline(), "again\n")
        process.stdin.close()
        process.stdin = None
        self.finish(process, 6)

    def test_sigterm_and_sighup_to_sonde_reach_the_command(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            process = self.ready(self.HANDLER)
            process.send_signal(number)
            self.finish(process, 40 + number)

    def test_sigterm_kills_a_command_without_a_handler(self):
        process = self.ready("print('ready', flush=True)\nimport signal; signal.pause()")
        process.send_signal(signal.SIGTERM)
        self.finish(process, 128 + signal.SIGTERM)

    def test_stop_and_continue(self):
        # A group of its own in this session: the kernel lets nobody stop an orphaned group.
        process = self.ready(self.HANDLER, process_group=0)
        child = children_of(process.pid)[-1]
        os.killpg(process.pid, signal.SIGTSTP)
        wait_for(lambda: state_of(child) == "T", "the command to stop")
        wait_for(lambda: state_of(process.pid) == "T", "sonde to stop")
        os.killpg(process.pid, signal.SIGCONT)
        wait_for(lambda: state_of(child) == "S" and state_of(process.pid) in "RS", "both to go on")
        process.send_signal(signal.SIGTERM)
        self.finish(process, 40 + signal.SIGTERM)

    def test_a_killed_sonde_does_not_take_the_command_along(self):
        code = ("import sys\nprint('ready', flush=True)\nsys.stdin.read()\n"
                "open('survived', 'w').close()\n")
        process = self.ready(code, stdin=subprocess.PIPE)
        child = children_of(process.pid)[-1]
        process.kill()
        process.wait()
        self.assertEqual(state_of(child), "S")
        process.stdin.close()
        process.stdin = None
        wait_for((self.folder / "survived").exists, "the command to finish its work")


class LeavingTest(harness.SondeCase):
    def test_exit_delay(self):
        """From the command's last act to Sonde's exit; the command has called over TLS before."""
        command = self.stamped_client([cases.call("openai", "delay")])
        delays = []
        for _ in range(7):
            run = self.run_command(command)
            self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)
            delays.append(self.leaving_seconds(run))
        print(f"exit delay: n={len(delays)} median={statistics.median(delays) * 1e3:.0f} ms "
              f"max={max(delays) * 1e3:.0f} ms")
        self.assertLessEqual(statistics.median(delays), EXIT_DELAY_LIMIT)

    def test_daemons_are_not_waited_for(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        script = 'setsid sh -c "read x <fifo; echo done >done" >/dev/null 2>&1 </dev/null & exit 5'
        run = self.sonde(["run", "--", "sh", "-c", script], deadline=20)
        self.assertEqual(run.status, 5, run.stderr)
        self.assertFalse((self.folder / "done").exists())
        fifo.write_text("go\n")   # opens only when the daemon reads: it lives on
        wait_for((self.folder / "done").exists, "the daemon to end by itself")

    def test_wait_all(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        script = 'setsid sh -c "read x <fifo; echo done >done" >/dev/null 2>&1 </dev/null & exit 5'
        process = self.start(["run", "--wait-all", "--", "sh", "-c", script])
        wait_for(lambda: self.first_child_gone(process.pid), "the command itself to end")
        self.assertIsNone(process.poll())
        fifo.write_text("go\n")
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 5)
        self.assertTrue((self.folder / "done").exists())

    @staticmethod
    def first_child_gone(pid):
        commands = [pathlib.Path(f"/proc/{p}/cmdline") for p in children_of(pid)]
        return not any(b"exit 5" in c.read_bytes() for c in commands if c.exists())

    def test_calls_of_descendants_are_seen(self):
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "grandchild")))
        url = self.simulator.openai + "/v1/chat/completions"
        command = f"(sh -c 'curl -sS -o /dev/null --data-binary @{body} {url}' & wait)"
        run = self.run_command(["sh", "-c", command])
        self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)
        self.assertEqual(run.records[0]["process"]["comm"], "curl")


class SilenceTest(harness.SondeCase):
    def listeners(self, pid) -> list:
        """Listening or bound sockets among the process's descriptors."""
        inodes = set()
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            found = re.match(r"socket:\[(\d+)\]", os.readlink(fd))
            if found:
                inodes.add(found[1])
        rows = []
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                if line.split()[9] in inodes:
                    rows.append((table, line))
        return rows

    def test_no_port_no_export(self):
        """The program's OTEL_* variables are the program's: nothing connects to that endpoint."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            port = listener.getsockname()[1]
            env = self.environment(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
                                   OTEL_TRACES_EXPORTER="otlp")
            calls = [cases.call("openai", "silent")]
            command = self.python_client(calls)
            process = self.start(
                ["run", *self.simulator.provider_flags, "--", "sh", "-c",
                 '"$@" && echo called && read x', "sh", *command],
                env=env, stdin=subprocess.PIPE)
            while process.stdout.readline() not in ("called\n", ""):
                pass
            self.assertEqual(self.listeners(process.pid), [])
            process.stdin.write("\n")
            _, err = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0, err)
            self.assertEqual(select.select([listener], [], [], 0)[0], [], "somebody connected")


class TerminalTest(harness.SondeCase):
    def on_terminal(self, arguments, command, columns=120, env=None):
        """Runs on a new terminal; (status, everything the terminal showed)."""
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            for name, value in (env or self.environment(TERM="xterm-256color")).items():
                os.environ[name] = value
            os.execv(harness.SONDE, [str(a) for a in
                                     [harness.SONDE, "run", *self.simulator.provider_flags,
                                      *arguments, "--", *command]])
        import fcntl
        import struct
        import termios
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        shown = b""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        os.close(master)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")

    def test_colour_and_lines_on_a_terminal(self):
        command = self.python_client([cases.call("openai", "tty")])
        status, shown = self.on_terminal([], command)
        self.assertEqual(status, 0, shown)
        self.assertIn("\x1b[", shown)
        self.assertIn("gpt-5-mini", shown)
        status, shown = self.on_terminal([], command, env=self.environment(NO_COLOR="1",
                                                                           TERM="xterm"))
        self.assertNotRegex(shown, r"\x1b\[[0-9;]*m")

    def test_lines_wait_while_the_terminal_is_raw(self):
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "raw")))
        code = f"""
import subprocess, termios, tty
old = termios.tcgetattr(0)
tty.setraw(0)
print("RAW-BEGIN", end="", flush=True)
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", "@{body}",
                "{self.simulator.openai}/v1/chat/completions"], check=True)
while not open("records.jsonl").read(): pass
print("RAW-END", end="", flush=True)
termios.tcsetattr(0, termios.TCSADRAIN, old)
"""
        status, shown = self.on_terminal(["-o", self.folder / "records.jsonl"],
                                         ["/usr/bin/python3", "-c", code])
        self.assertEqual(status, 0, shown)
        raw, after = shown.split("RAW-BEGIN")[1].split("RAW-END")
        self.assertEqual(raw, "")
        self.assertIn("gpt-5-mini", after)

    def test_lines_wait_while_a_full_screen_program_runs(self):
        """The alternate screen as full-screen programs use it: with canonical input off. (What a
        program merely prints to its terminal is between the two of them.)"""
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "alternate")))
        code = f"""
import subprocess, termios, tty
old = termios.tcgetattr(0)
tty.setcbreak(0)
print("\\x1b[?1049hALT-BEGIN", end="", flush=True)
subprocess.run(["curl", "-sS", "-o", "/dev/null", "--data-binary", "@{body}",
                "{self.simulator.openai}/v1/chat/completions"], check=True)
while not open("records.jsonl").read(): pass
print("ALT-END\\x1b[?1049l", end="", flush=True)
termios.tcsetattr(0, termios.TCSADRAIN, old)
"""
        status, shown = self.on_terminal(["-o", self.folder / "records.jsonl"],
                                         ["/usr/bin/python3", "-c", code])
        self.assertEqual(status, 0, shown)
        inside, after = shown.split("ALT-BEGIN")[1].split("ALT-END")
        self.assertEqual(inside, "")
        self.assertIn("gpt-5-mini", after)

    def test_width(self):
        """No line of Sonde's is longer than the terminal."""
        calls = [cases.call("anthropic", "wide", kind="reasoning"),
                 cases.call("openai", "wide-2", error="rate_limit", fails=True)]
        for columns in (60, 80, 200):
            status, shown = self.on_terminal([], self.python_client(calls), columns)
            self.assertEqual(status, 0, shown)
            plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
            ours = [line for line in re.split(r"[\r\n]+", plain) if not line.startswith("{")
                    and "DeprecationWarning" not in line and "create(" not in line]
            self.assertTrue(ours)
            longest = max(ours, key=len)
            self.assertLessEqual(len(longest), columns, longest)

    def test_lines_never_and_to_a_file(self):
        command = self.python_client([cases.call("openai", "lines")])
        never = self.run_command(command, ["--lines", "never"])
        always = self.run_command(command, ["--lines", "always"])
        to_file = self.run_command(command, ["--lines", self.folder / "lines"])
        mark = "gpt-5-mini"
        self.assertEqual(always.stderr.count(mark), never.stderr.count(mark) + 1)
        self.assertEqual(to_file.stderr.count(mark), never.stderr.count(mark))
        self.assertEqual((self.folder / "lines").read_text().count(mark), 1)


class AttachTest(harness.SondeCase):
    def test_attach_to_a_running_program(self):
        """The program calls before, during and after; only the call in between is reported, and the
        program never notices."""
        calls = [cases.call("openai", f"attach-{n}", stream=True) for n in range(3)]
        plan = self.client_plan(calls)
        code = (f"import sys; sys.path.insert(0, {str(harness.HERE / 'clients')!r})\n"
                f"import json, sdk_client\nplan = json.load(open({str(plan)!r}))\n"
                "client = sdk_client.Sync(plan)\n"
                "for call in plan['calls']:\n"
                "    client.make(call); print('called', flush=True); sys.stdin.readline()\n")
        program = subprocess.Popen([str(harness.PYTHON), "-c", code], cwd=self.folder, text=True,
                                   env=self.environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(harness.end_process, program)
        self.until_called(program)
        records = self.folder / "records.jsonl"
        err_path = self.folder / "err"
        with open(err_path, "w") as err:
            sonde = self.start(["attach", "--pid", program.pid, *self.simulator.provider_flags,
                                "-o", records], stderr=err)
        wait_for(lambda: "attached" in err_path.read_text().lower(), "sonde to say it is attached")
        program.stdin.write("\n")
        program.stdin.flush()
        self.until_called(program)
        wait_for(lambda: len(harness.read_records(records)) == 1, "the record of the second call")
        sonde.send_signal(signal.SIGINT)
        sonde.communicate(timeout=30)
        self.assertIn(sonde.returncode, (0, 130))
        self.assertRegex(err_path.read_text(), harness.BILL)
        program.stdin.write("\n")
        program.stdin.flush()
        self.until_called(program)
        program.stdin.write("\n")
        program.stdin.flush()
        self.assertEqual(program.wait(30), 0)
        found = harness.read_records(records)
        entries = {e["id"]: e for e in self.simulator.new_entries(3)}
        self.assertEqual([r["request_id"] for r in found], [entries["attach-1"]["request_id"]])

    def until_called(self, program):
        while (line := program.stdout.readline()) != "called\n":
            self.assertNotEqual(line, "", "the program ended")

    def test_no_such_process(self):
        run = self.sonde(["attach", "--pid", "4194303"])
        self.assertNotEqual(run.status, 0)
        self.assertIn("4194303", run.stderr)


if __name__ == "__main__":
    harness.main()
