"""HTTP/1.1 on asyncio streams: requests in, replies out in every legal framing."""

import asyncio
import dataclasses
import gzip

import codings

MAX_HEAD = 256 * 1024
REASONS = {100: "Continue", 102: "Processing", 103: "Early Hints", 200: "OK", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
           408: "Request Timeout", 429: "Too Many Requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
           529: "Overloaded", 599: "Broken Scenario"}


class Gone(Exception):
    """The client closed its connection."""


@dataclasses.dataclass
class Request:
    method: str
    target: str
    version: str
    headers: dict          # lower-case names; the last of equal names wins
    raw_body: bytes        # as sent, without transfer coding
    body: bytes            # content coding removed
    head_received: int
    body_complete: int

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]

    @property
    def keeps_connection(self) -> bool:
        wish = self.headers.get("connection", "").lower()
        return wish != "close" if self.version == "HTTP/1.1" else wish == "keep-alive"


async def read_request(reader, writer, now) -> Request | None:
    """The next request of a connection, None when it ends in good order before one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Gone from error
        return None
    head_received = now()
    lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    raw = await _read_body(reader, headers)
    body_complete = now()
    body = raw
    if headers.get("content-encoding", "").lower() == "gzip":
        body = gzip.decompress(raw)
    return Request(method, target, version, headers, raw, body, head_received, body_complete)


async def _read_body(reader, headers) -> bytes:
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            parts = []
            while True:
                size = int((await reader.readuntil(b"\r\n")).split(b";", 1)[0], 16)
                if size == 0:
                    while await reader.readuntil(b"\r\n") != b"\r\n":
                        pass
                    return b"".join(parts)
                parts.append((await reader.readexactly(size + 2))[:-2])
        length = int(headers.get("content-length", "0"))
        return await reader.readexactly(length) if length else b""
    except asyncio.IncompleteReadError as error:
        raise Gone from error


def accepts(headers: dict, coding: str) -> bool:
    wishes = [w.split(";")[0].strip() for w in headers.get("accept-encoding", "").split(",")]
    return coding in wishes


class Reply:
    """One reply: head, then pieces. Each `send` is one write, hence one TLS record (or more when
    it is longer than a record)."""

    def __init__(self, writer, request: Request):
        self._writer = writer
        self._request = request
        self._framing = "length"
        self._coder = None
        self._has_body = request.method != "HEAD"
        self.wire_bytes = 0

    def informational(self, status: int) -> None:
        extra = "link: </style.css>; rel=preload\r\n" if status == 103 else ""
        self._writer.write(f"HTTP/1.1 {status} {REASONS[status]}\r\n{extra}\r\n".encode())

    def coding_for(self, wanted: str) -> str:
        return wanted if wanted and accepts(self._request.headers, wanted) else ""

    def head(self, status: int, headers: list, framing: str, coding: str = "",
             length: int | None = None) -> None:
        """`headers` are (name, value) pairs. With framing "length", `length` is that of the encoded
        body, which the caller has encoded; otherwise `send` encodes."""
        self._framing = framing
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if coding:
            lines.append(f"content-encoding: {coding}")
            if framing != "length":
                self._coder = codings.CODERS[coding]()
        if framing == "length":
            lines.append(f"content-length: {length}")
        elif framing == "chunked":
            lines.append("transfer-encoding: chunked")
        else:
            lines.append("connection: close")
        self._write("\r\n".join(lines).encode() + b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        if self._coder:
            data = self._coder.add(data)
        self._send_raw(data)

    def _send_raw(self, data: bytes) -> None:
        if not data or not self._has_body:
            return
        if self._framing == "chunked":
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self._writer.transport.is_closing():
            raise Gone
        self.wire_bytes += len(data)
        self._writer.write(data)

    @property
    def has_end(self) -> bool:
        """True when `end` will still send something."""
        return self._coder is not None or self._framing == "chunked"

    def end(self) -> None:
        if self._coder:
            self._send_raw(self._coder.end())
        if self._framing == "chunked" and self._has_body:
            self._write(b"0\r\n\r\n")

    async def flush(self, everything: bool = False) -> None:
        """Waits while too much (or, with `everything`, anything) is queued."""
        if everything or self._writer.transport.get_write_buffer_size() > 1 << 18:
            try:
                await self._writer.drain()
            except OSError as error:
                raise Gone from error
