#!/usr/bin/env python3
"""A provider of models, simulated: OpenAI chat completions and Anthropic messages over HTTP/1.1.

    simulator.py --books FILE [--port 0 --tls-cert PEM --tls-key PEM] [--plain-port 0]
                 [--workers N] [--lively] [--until-eof]

Prints one line of JSON when it listens: {"pid", "tls_port", "plain_port"}. Ends at SIGTERM. What a
call does is chosen by its scenario (scenario.py); what it did stands in the books (books.py).
Standard library only; Python 3.11.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import ssl
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import anthropic_messages  # noqa: E402
import codings  # noqa: E402
import errors  # noqa: E402
import http1  # noqa: E402
import openai_chat  # noqa: E402
import sse  # noqa: E402
from books import Books, now  # noqa: E402
from scenario import BadScenario, of_request  # noqa: E402

APIS = (openai_chat, anthropic_messages)
OUTPUT_MARKS = ("output", "text")


class Disconnect(Exception):
    """The scenario ends the connection here."""


class Call:
    """One request and its reply."""

    def __init__(self, server, connection, request, api):
        self.server = server
        self.connection = connection
        self.request = request
        self.api = api
        self.entry = server.books.open_entry()
        self.times = self.entry["times"]
        self.reply = http1.Reply(connection.writer, request)
        self.keep = request.keeps_connection

    async def run(self) -> bool:
        """Answers; True when the connection lives on."""
        self._describe_request()
        try:
            await self._answer()
            await self.reply.flush(everything=True)
            self.entry["outcome"] = "complete"
        except (http1.Gone, ConnectionError):
            self.entry["outcome"] = "client_gone"
            self.keep = False
        except Disconnect as how:
            self.entry["outcome"] = "cut"
            self.connection.disconnect(str(how))
            self.keep = False
        except BadScenario as error:
            self.entry["outcome"] = "bad_scenario"
            print(f"simulator: bad scenario: {error}", file=sys.stderr, flush=True)
            await self._send_body(599, [], str(error).encode(), "length")
        self.times["ended"] = now()
        self.entry["wire_bytes"] = self.reply.wire_bytes
        self.server.books.close_entry(self.entry)
        return self.keep

    def _describe_request(self) -> None:
        request, connection = self.request, self.connection
        self.times["head_received"] = request.head_received
        self.times["body_complete"] = request.body_complete
        self.entry |= {
            "api": self.api.API if self.api else "other", "method": request.method,
            "path": request.path, "host": request.headers.get("host", ""),
            "user_agent": request.headers.get("user-agent", ""), "tls": connection.tls,
            "client_port": connection.client_port, "connection": connection.number,
            "request_bytes": len(request.body),
            "sdk_retry": request.headers.get("x-stainless-retry-count")}

    async def _answer(self) -> None:
        request = self.request
        if self.api is None or request.method != "POST":
            await self._answer_other()
            return
        try:
            body = json.loads(request.body)
        except ValueError:
            await self._answer_error(self.api.error_table()["invalid"], random.Random(0))
            return
        self.scenario = scenario = of_request(request.headers, body, request.body)
        if self.server.lively:
            make_lively(scenario, body, self.server)
        self.entry |= {"id": scenario.id, "request_model": body.get("model"),
                       "request_stream": bool(body.get("stream")),
                       "tool_results": _tool_results(body)}
        if scenario.cut_before_reply:
            raise Disconnect(scenario.cut or "abort")
        for status in scenario.informational:
            self.reply.informational(status)
        await _pause(scenario.head_ms)
        rng = scenario.randomness()
        rng.random()
        if scenario.error and self._fails_now():
            if scenario.error not in self.api.error_table():
                raise BadScenario(f"no error {scenario.error!r}")
            await self._answer_error(self.api.error_table()[scenario.error], rng)
        else:
            await self._answer_plan(body, rng)

    def _fails_now(self) -> bool:
        """Attempts are counted by the SDK's own header, or here for clients without one."""
        if not self.scenario.fail_times:
            return True
        stated = self.request.headers.get("x-stainless-retry-count")
        attempt = int(stated) if stated else self.server.attempts.get(self.scenario.id, 0)
        self.server.attempts[self.scenario.id] = attempt + 1
        return attempt < self.scenario.fail_times

    async def _answer_other(self) -> None:
        if self.request.path.endswith("/v1/models"):
            status, body = 200, b'{"object": "list", "data": []}'
        elif self.request.path == "/":
            status, body = 200, b'{"status": "ok"}'
        else:
            status, body = 404, b'{"error": {"message": "no such path", "type": "not_found"}}'
        self.entry["http_status"] = status
        await self._send_body(status, [], body, "length")

    async def _answer_error(self, error, rng) -> None:
        request_id = self.api.new_request_id(rng)
        scenario = getattr(self, "scenario", None)
        wait = scenario.retry_after if scenario and scenario.retry_after is not None else \
            error.retry_after
        headers = []
        self.entry |= {"http_status": error.status, "error": error.truth, "stream": False}
        if error.html:
            body, kind = errors.HTML, "text/html"
        else:
            body, kind = self.api.error_body(error, request_id), "application/json"
            limits = self.api.draw_limits(rng)
            headers += self.api.headers(request_id, limits)
            self.entry |= {"request_id": request_id, "rate_limits": limits}
        if wait is not None:
            if self.api is openai_chat:
                headers.append(("retry-after-ms", round(wait * 1000)))
            else:
                wait = max(1, round(wait))   # this provider states whole seconds
            headers.append(("retry-after", max(1, round(wait))))
            self.entry["retry_after_ns"] = round(wait * 1e9)
        if error.kind == "quota":
            headers.append(("x-should-retry", "false"))
        await self._send_body(error.status, headers, body, "length", kind)

    async def _answer_plan(self, body: dict, rng) -> None:
        scenario = self.scenario
        plan = self.api.make_plan(scenario, body, len(self.request.body))
        request_id, limits = self.api.new_request_id(rng), self.api.draw_limits(rng)
        stream = bool(body.get("stream"))
        self.entry |= plan.truth | {"http_status": 200, "request_id": request_id,
                                    "rate_limits": limits, "stream": stream}
        headers = self.api.headers(request_id, limits)
        if stream:
            await self._send_stream(plan, headers)
        else:
            await self._send_body(200, headers, plan.body, scenario.framing or "length",
                                  pieces=scenario.pieces)

    async def _send_body(self, status, headers, body, framing, kind="application/json",
                         pieces=1) -> None:
        scenario = getattr(self, "scenario", None)
        reply = self.reply
        coding = reply.coding_for(scenario.coding) if scenario else ""
        if scenario and scenario.leading_blank and kind == "application/json":
            body = b"\n\n  " + body + b"  \n"
        self.entry["body_bytes"] = len(body)
        headers = [("date", "Sat, 21 Nov 2026 12:00:00 GMT"), ("content-type", kind)] + headers
        if framing == "length" and coding:
            body = codings.encode_whole(body, coding)
        if (scenario and scenario.close) or not self.keep:
            self.keep = False
            if framing != "close":
                headers.append(("connection", "close"))
        self.times["head_sent"] = now()
        reply.head(status, headers, framing, coding, len(body))
        size = max(1, -(-len(body) // pieces))
        parts = [body[i:i + size] for i in range(0, len(body), size)]
        for number, part in enumerate(parts):
            if scenario and scenario.cut_after == number and scenario.cut:
                await reply.flush(everything=True)
                raise Disconnect(scenario.cut)
            if number and scenario:
                await _pause(scenario.delay_ms)
            self.times["last_sent"] = now()
            reply.send(part)
            await reply.flush()
        if reply.has_end:
            self.times["last_sent"] = now()
        reply.end()
        self.keep = self.keep and framing != "close"

    async def _send_stream(self, plan, headers) -> None:
        scenario, reply = self.scenario, self.reply
        events = list(plan.events)
        if scenario.stream_error:
            error = self.api.error_table()[scenario.stream_error]
            events = _before_output(events, scenario.cut_after or 0)
            events.append(self.api.stream_error_event(error, self.entry["request_id"]))
            self.entry["error"] = error.truth | {"in_stream": True}
            self.entry["usage_sent"] = False
        last = len(events) - 1
        rendered = [(sse.render(event, scenario.sse, number, number == last), event)
                    for number, event in enumerate(events)]
        framing = scenario.framing or "chunked"
        coding = reply.coding_for(scenario.coding)
        if framing == "length" and coding:
            raise BadScenario("a coded stream cannot state its length")
        headers = [("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
                   ("content-type", "text/event-stream; charset=utf-8"),
                   ("cache-control", "no-cache")] + headers
        if (scenario.close or not self.keep) and framing != "close":
            headers.append(("connection", "close"))
            self.keep = False
        self.entry["body_bytes"] = sum(len(data) for data, _ in rendered)
        self.times["head_sent"] = now()
        reply.head(200, headers, framing, coding, self.entry["body_bytes"])
        self.entry["events_sent"] = self.entry["output_events_sent"] = 0
        for data, completed in sse.cut_into_writes(rendered, scenario.sse):
            await self._send_events(data, completed)
        if reply.has_end:
            self.times["last_sent"] = now()
        reply.end()
        self.keep = self.keep and framing != "close"

    async def _send_events(self, data: bytes, completed: list) -> None:
        scenario, reply, times, entry = self.scenario, self.reply, self.times, self.entry
        outputs = [event for event in completed if event.mark in OUTPUT_MARKS]
        if outputs:
            sent = entry["output_events_sent"]
            if scenario.cut and scenario.cut_after is not None and sent >= scenario.cut_after:
                await reply.flush(everything=True)
                raise Disconnect(scenario.cut)
            await _pause(scenario.delay_ms if sent else scenario.first_ms)
        stamp = now()
        reply.send(data)
        times["last_sent"] = stamp
        entry["events_sent"] += len(completed)
        if outputs:
            entry["output_events_sent"] += len(outputs)
            times.setdefault("first_output_sent", stamp)
            if any(event.mark == "text" for event in outputs):
                times.setdefault("first_text_sent", stamp)
            times["last_output_sent"] = stamp
        if any(event.mark == "terminal" for event in completed):
            times["terminal_sent"] = stamp
        await reply.flush()
        if entry["events_sent"] % 16 == 0:
            await asyncio.sleep(0)   # other connections get their turn


def make_lively(scenario, body: dict, server) -> None:
    """What a call without a scenario does when somebody watches."""
    server.answered += 1
    scenario.head_ms, scenario.first_ms, scenario.delay_ms, scenario.chunks = 150, 250, 15, 60
    asked_tool = body.get("tools") and not _tool_results(body)
    if asked_tool:
        scenario.kind = "tools"
    elif not body.get("stream"):
        scenario.kind, scenario.head_ms = "reasoning", 700
    if server.answered == 3:   # once, so that a retry is seen
        scenario.error, scenario.retry_after = "rate_limit", 1.0


def _before_output(events: list, count: int) -> list:
    """The events up to and with the count-th that carries output."""
    kept, seen = [], 0
    for event in events:
        if event.mark in OUTPUT_MARKS:
            if seen == count:
                break
            seen += 1
        kept.append(event)
    return kept


def _tool_results(body: dict) -> list:
    """Ids of the tool calls whose results the request carries."""
    ids = []
    for message in body.get("messages") or []:
        if message.get("role") == "tool":
            ids.append(message.get("tool_call_id"))
        elif isinstance(message.get("content"), list):
            ids += [block.get("tool_use_id") for block in message["content"]
                    if block.get("type") == "tool_result"]
    return ids


async def _pause(milliseconds: float) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


class Connection:
    def __init__(self, server, reader, writer, number: int):
        self.server = server
        self.reader = reader
        self.writer = writer
        self.number = number
        self.tls = writer.get_extra_info("ssl_object") is not None
        self.client_port = writer.get_extra_info("peername")[1]

    def disconnect(self, how: str) -> None:
        """"abort" resets the TCP connection; "fin" closes it in order."""
        if how == "abort":
            raw = self.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        else:
            self.writer.close()

    async def serve(self) -> None:
        try:
            while True:
                request = await http1.read_request(self.reader, self.writer, now)
                if request is None:
                    break
                api = next((a for a in APIS if request.path.endswith(a.PATH)), None)
                if not await Call(self.server, self, request, api).run():
                    break
        except (http1.Gone, ConnectionError, ValueError, asyncio.LimitOverrunError):
            pass   # a client that left or speaks something else; nothing was billed
        finally:
            self.writer.close()


class Server:
    def __init__(self, arguments, worker: int):
        self.books = Books(arguments.books, worker)
        self.attempts = {}
        self.lively = arguments.lively
        self.answered = 0
        self._connections = 0
        self._arguments = arguments

    async def _accept(self, reader, writer) -> None:
        self._connections += 1
        await Connection(self, reader, writer, self._connections).serve()

    async def run(self, tls_socket, plain_socket) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if self._arguments.until_eof:
            loop.add_reader(0, lambda: os.read(0, 4096) or stop.set())
        common = {"limit": http1.MAX_HEAD, "backlog": 512}
        servers = [await asyncio.start_server(self._accept, sock=plain_socket, **common)]
        if tls_socket:
            servers.append(await asyncio.start_server(
                self._accept, sock=tls_socket, ssl=tls_context(self._arguments), **common))
        await stop.wait()
        for server in servers:
            server.close()


def tls_context(arguments) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def bind(port: int) -> socket.socket:
    """Workers share a port: each has a socket of its own, the kernel spreads the connections."""
    # The protocol is named because asyncio sets TCP_NODELAY only where it is.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def serve(arguments, worker: int, tls_port: int, plain_port: int) -> None:
    tls_socket = bind(tls_port) if tls_port else None
    asyncio.run(Server(arguments, worker).run(tls_socket, bind(plain_port)))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="for TLS; 0 chooses one")
    parser.add_argument("--plain-port", type=int, default=0, help="for plain HTTP; 0 chooses one")
    parser.add_argument("--tls-cert", help="PEM chain; without it there is no TLS port")
    parser.add_argument("--tls-key", help="PEM key")
    parser.add_argument("--books", required=True, help="file to append the truth to")
    parser.add_argument("--lively", action="store_true", help="calls without a scenario take "
                        "their time, use tools and meet a rate limit, for a demonstration")
    parser.add_argument("--until-eof", action="store_true",
                        help="end when the standard input does: with whoever holds its other end")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    # These two reserve the ports; they never listen, so no connection comes to them.
    reserved_tls = bind(arguments.port) if arguments.tls_cert else None
    reserved_plain = bind(arguments.plain_port)
    tls_port = reserved_tls.getsockname()[1] if reserved_tls else 0
    plain_port = reserved_plain.getsockname()[1]
    children = []
    for worker in range(1, arguments.workers):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            serve(arguments, worker, tls_port, plain_port)
            os._exit(0)
        children.append(pid)
    wait_listening = json.dumps({"pid": os.getpid(), "tls_port": tls_port,
                                 "plain_port": plain_port})
    try:
        asyncio.run(_serve_and_say(arguments, tls_port, plain_port, wait_listening))
    finally:
        for pid in children:
            os.kill(pid, signal.SIGTERM)
        for pid in children:
            os.waitpid(pid, 0)


async def _serve_and_say(arguments, tls_port, plain_port, line) -> None:
    tls_socket = bind(tls_port) if tls_port else None
    plain_socket = bind(plain_port)
    for sock in (tls_socket, plain_socket):
        if sock:
            sock.listen(512)
    print(line, flush=True)
    await Server(arguments, 0).run(tls_socket, plain_socket)


if __name__ == "__main__":
    main()
