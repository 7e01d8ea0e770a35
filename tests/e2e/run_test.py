"""`sonde run` as a guest: status, user, environment, signals, silence."""

import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402
from harness import children_of, wait_for  # noqa: E402

def state_of(pid: int) -> str:
    """The letter of /proc: R, S, T, ...; empty when gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return ""


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
        self.assertEqual(self.status(script).status, 127)  # As shells say it.

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
        # In quick succession: one that Sonde passed on as well would be one too many.
        for _ in range(50):
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.stdout.readline(), "again\n")
        process.stdin.close()
        process.stdin = None
        self.assertEqual(process.stdout.read(), "")
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
        wait_for(lambda: state_of(child) == "S", "the command to wait on")
        process.stdin.close()
        process.stdin = None
        wait_for((self.folder / "survived").exists, "the command to finish its work")


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


if __name__ == "__main__":
    harness.main()
