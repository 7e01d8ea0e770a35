"""No call seen: the bill says why, per process, and what to type next. Never silence."""

import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cases  # noqa: E402
import harness  # noqa: E402

CHAT = "/v1/chat/completions"


class UnseenTest(harness.SondeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for command in ("gnutls-cli", "go"):  # tools/packages-test.txt
            if not shutil.which(command):
                raise AssertionError(f"{command} is not installed: tools/setup.sh "
                                     "packages-test.txt installs it")

    def as_provider(self, command, arguments=(), **options):
        """Runs with a private /etc/hosts in which api.openai.com is this machine."""
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost api.openai.com api.anthropic.com\n")
        return self.run_command(["unshare", "-m", "sh", "-c",
                                 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, *command],
                                arguments, **options)

    def test_a_program_that_calls_nobody(self):
        run = self.run_command(["true"])
        self.assertEqual((run.status, run.records), (0, []))
        self.assertRegex(run.stderr, r"(?i)no (model )?calls?")

    def test_http_2(self):
        server = subprocess.Popen(
            ["node", harness.HERE / "clients/h2_server.mjs", self.simulator.certs / "server.pem",
             self.simulator.certs / "server.key"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(harness.end_process, server)
        port = int(server.stdout.readline())
        run = self.run_command(["curl", "-sS", "--fail", "-o", os.devnull, "-d", "{}",
                                f"https://localhost:{port}{CHAT}"])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.assertEqual(run.stderr.count("unsupported: http/2"), 1, run.stderr)
        self.assertIn("unseen (1)", run.stderr)
        self.assertIn("1 connection to localhost, curl[", run.stderr)
        self.assertIn("not read (http/2 to localhost)", run.stderr)
        self.assertRegex(run.stderr, r"next: .* sonde run -- curl --http1\.1 -sS --fail")

    def test_gnutls(self):
        """Another TLS library to a known provider: the host, the process and the reason are said."""
        request = f"GET /v1/models HTTP/1.1\r\nhost: api.openai.com\r\nconnection: close\r\n\r\n"
        run = self.as_provider(["sh", "-c", f"printf '{request}' | gnutls-cli --no-ocsp "
                                f"--x509cafile={self.simulator.ca} -p {self.simulator.port} "
                                "api.openai.com >/dev/null"])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.assertIn("api.openai.com", run.stderr)
        self.assertIn("gnutls-cli", run.stderr)
        self.assertRegex(run.stderr, r"(?i)unseen")

    def test_go(self):
        binary = harness.SOURCE / "build/backends/go_tls_client"
        source = harness.HERE / "clients/tls_client.go"
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["go", "build", "-o", binary, source], check=True,
                           env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-trimpath"})
        run = self.as_provider(
            [binary, f"https://api.openai.com:{self.simulator.port}{CHAT}", self.simulator.ca])
        self.assertEqual((run.status, run.stdout.strip(), run.records), (0, "200", []), run.stderr)
        self.assertIn("api.openai.com", run.stderr)
        self.assertIn("go_tls_client", run.stderr)
        self.assertRegex(run.stderr, r"(?i)go")
        self.assertIn("unseen (1)", run.stderr)
        self.simulator.new_entries(1)

    def test_quic(self):
        code = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "s.connect(('127.0.0.1', 443))\ns.send(b'\\xc3\\0\\0\\0\\1' + bytes(1195))\n")
        run = self.run_command(["/usr/bin/python3", "-c", code])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.assertRegex(run.stderr, r"(?i)quic")

    def test_a_seen_call_and_an_unseen_one(self):
        """A program that calls over OpenSSL, and a child of it that Sonde cannot read."""
        body = self.folder / "body"
        body.write_text(harness.raw_body(cases.call("openai", "seen")))
        port = self.simulator.port
        request = f"GET /v1/models HTTP/1.1\r\nhost: api.openai.com\r\nconnection: close\r\n\r\n"
        script = (f"curl -sS -o /dev/null --data-binary @{body} "
                  f"https://api.openai.com:{port}{CHAT}; printf '{request}' | gnutls-cli --no-ocsp "
                  f"--x509cafile={self.simulator.ca} -p {port} api.openai.com >/dev/null")
        run = self.as_provider(["sh", "-c", script])
        self.assertEqual((run.status, len(run.records)), (0, 1), run.stderr)
        self.assertRegex(run.stderr, r"(?i)unseen")
        self.assertIn("gnutls-cli", run.stderr)

    def idle_handshakes(self, count: int) -> str:
        """A Python program that shakes hands with a provider and says nothing, over a socket and
        over memory BIOs as Node and asyncio do."""
        return (f"import asyncio, socket, ssl\n"
                f"context = ssl.create_default_context(cafile={str(self.simulator.ca)!r})\n"
                f"where, name = ('127.0.0.1', {self.simulator.port}), 'api.openai.com'\n"
                f"for _ in range({count}):\n"
                f"    with socket.create_connection(where) as raw, \\\n"
                f"            context.wrap_socket(raw, server_hostname=name):\n"
                f"        pass\n"
                f"async def one():\n"
                f"    _, writer = await asyncio.open_connection(*where, ssl=context,\n"
                f"                                              server_hostname=name)\n"
                f"    writer.close()\n"
                f"    await writer.wait_closed()\n"
                f"for _ in range({count}):\n"
                f"    asyncio.run(one())\n")

    def test_idle_handshakes_are_not_unseen(self):
        """Nothing could have been billed on a connection that carried nothing."""
        run = self.as_provider(["/usr/bin/python3", "-c", self.idle_handshakes(3)])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.assertIn("unseen (0)", run.stderr)

    def test_idle_handshakes_hide_no_unseen_one(self):
        """Idle ones account for themselves only: what another library sent stays unseen."""
        request = "GET /v1/models HTTP/1.1\r\nhost: api.openai.com\r\nconnection: close\r\n\r\n"
        script = (f"/usr/bin/python3 -c \"$0\"; printf '{request}' | gnutls-cli --no-ocsp "
                  f"--x509cafile={self.simulator.ca} -p {self.simulator.port} api.openai.com "
                  ">/dev/null")
        run = self.as_provider(["sh", "-c", script, self.idle_handshakes(2)])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.assertIn("unseen (1)", run.stderr)

    def test_idle_and_unseen_connections_of_one_process(self):
        """A call over a library that is not probed is no handshake, however short: one process
        shakes hands over OpenSSL and calls over GnuTLS, to the same host."""
        calls = (
            f"import ctypes\n"
            f"tls = ctypes.CDLL('libgnutls.so.30')\n"
            f"tls.gnutls_record_recv.restype = tls.gnutls_record_send.restype = ctypes.c_ssize_t\n"
            f"body = b'{{}}'\n"
            f"request = (b'POST {CHAT} HTTP/1.1\\r\\nhost: api.openai.com\\r\\n'\n"
            f"           b'authorization: Bearer sk-test-unseen\\r\\nconnection: close\\r\\n'\n"
            f"           b'content-length: %d\\r\\n\\r\\n%s' % (len(body), body))\n"
            f"for _ in range(2):\n"
            f"    session, keys = ctypes.c_void_p(), ctypes.c_void_p()\n"
            f"    tls.gnutls_certificate_allocate_credentials(ctypes.byref(keys))\n"
            f"    tls.gnutls_init(ctypes.byref(session), 2)\n"
            f"    tls.gnutls_set_default_priority(session)\n"
            f"    tls.gnutls_credentials_set(session, 1, keys)\n"
            f"    tls.gnutls_server_name_set(session, 1, name.encode(), len(name))\n"
            f"    with socket.create_connection(where) as raw:\n"
            f"        tls.gnutls_transport_set_int2(session, raw.fileno(), raw.fileno())\n"
            f"        assert tls.gnutls_handshake(session) == 0\n"
            f"        assert tls.gnutls_record_send(session, request, len(request)) == len(request)\n"
            f"        reply = ctypes.create_string_buffer(4096)\n"
            f"        got = -28   # again: a session ticket came first\n"
            f"        while got == -28:\n"
            f"            got = tls.gnutls_record_recv(session, reply, 4096)\n"
            f"        assert got > 0, got\n")
        run = self.as_provider(["/usr/bin/python3", "-c", self.idle_handshakes(2) + calls])
        self.assertEqual((run.status, run.records), (0, []), run.stderr)
        self.assertIn("unseen (2)", run.stderr)

    def test_a_server_is_not_billed(self):
        """The selected process answers calls instead of making them: nothing is priced."""
        body = harness.raw_body(cases.call("openai", "served"))
        script = harness.SOURCE / "tests/simulator/simulator.py"
        process = self.start(
            ["run", *self.simulator.provider_flags, "-o", "records.jsonl", "--", sys.executable,
             script, "--books", self.folder / "books", "--tls-cert",
             self.simulator.certs / "server.pem", "--tls-key", self.simulator.certs / "server.key"])
        import json
        import signal
        ports = json.loads(process.stdout.readline())
        for url in (f"https://localhost:{ports['tls_port']}{CHAT}",
                    f"http://localhost:{ports['plain_port']}{CHAT}"):
            subprocess.run(["curl", "-sS", "--fail", "-o", os.devnull, "--data-binary", body, url],
                           check=True, env=self.environment())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual([r for r in harness.read_records(self.folder / "records.jsonl")
                          if "total" in r["cost"]], [])


if __name__ == "__main__":
    harness.main()
