"""A client that speaks HTTP/1.1 by hand over OpenSSL: everything legal that libraries seldom do.

    raw_client.py PLAN.json

The plan: {"host", "port", "tls", "ca", "proxy": port or null, "connections": [{"requests": [...],
"pipeline": bool}]}. A request: {"method", "path", "headers": {}, "body": object or null,
"chunked": bool, "gzip": bool, "pieces": N, "close_after": text, "shutdown": bool}. With
`close_after` the client leaves as soon as it has read that text. Prints "ok" at its end.
"""

import gzip
import json
import re
import socket
import ssl
import sys


class Reader:
    """Reads replies from a socket, only as far as asked."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return False
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            if not self.more():
                raise EOFError(self.buffer[:200])
        end = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        return taken

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.more():
                raise EOFError(self.buffer[:200])
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def reply(self, method: str) -> int:
        """Reads one whole final reply; its status."""
        status = 100
        while 100 <= status < 200:
            head = self.until(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
        if method == "HEAD":
            return status
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            while (size := int(self.until(b"\r\n").split(b";")[0], 16)):
                self.exactly(size + 2)
            self.until(b"\r\n")
        elif length:
            self.exactly(int(length[1]))
        else:
            while self.more():
                pass
            self.buffer = b""
        return status


def encode(plan: dict, request: dict) -> bytes:
    body = b"" if request.get("body") is None else json.dumps(request["body"]).encode()
    headers = {"host": f"{plan['host']}:{plan['port']}", "accept-encoding": "gzip, deflate, br, zstd, compress"}
    if request.get("gzip"):
        body = gzip.compress(body)
        headers["content-encoding"] = "gzip"
    if request.get("chunked"):
        headers["transfer-encoding"] = "chunked"
        size = max(1, len(body) // 3)
        parts = [body[i:i + size] for i in range(0, len(body), size)]
        body = b"".join(b"%x;extension=1\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    elif body:
        headers["content-length"] = str(len(body))
    headers |= request.get("headers", {})
    lines = [f"{request.get('method', 'POST')} {request['path']} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def connect(plan: dict):
    proxy = plan.get("proxy")
    sock = socket.create_connection(("127.0.0.1", proxy or plan["port"]))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if proxy:
        sock.sendall(f"CONNECT {plan['host']}:{plan['port']} HTTP/1.1\r\n"
                     f"host: {plan['host']}:{plan['port']}\r\n\r\n".encode())
        reader = Reader(sock)
        assert b" 200 " in reader.until(b"\r\n\r\n") and not reader.buffer
    if plan.get("tls", True):
        context = ssl.create_default_context(cafile=plan["ca"])
        if plan.get("tls12"):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        sock = context.wrap_socket(sock, server_hostname=plan["host"])
    return sock


def send(sock, data: bytes, pieces: int) -> None:
    size = -(-len(data) // max(1, pieces))
    for start in range(0, len(data), size):
        sock.sendall(data[start:start + size])


def shut_down(sock) -> None:
    """Says close_notify (SSL_shutdown) while the server still sends; then the file is closed."""
    try:
        sock.unwrap()
    except (ssl.SSLError, OSError):
        pass   # what the server had sent by then is no close_notify


def run(plan: dict, connection: dict) -> None:
    sock = connect(plan)
    reader = Reader(sock)
    requests = connection["requests"]
    if connection.get("pipeline"):
        sock.sendall(b"".join(encode(plan, request) for request in requests))
    for request in requests:
        if not connection.get("pipeline"):
            send(sock, encode(plan, request), request.get("pieces", 1))
        if request.get("close_after"):
            reader.until(request["close_after"].encode())
            if request.get("unwrap"):
                shut_down(sock)
            break
        try:
            reader.reply(request.get("method", "POST"))
        except EOFError:
            if not request.get("cut"):
                raise
    sock.close()


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    for connection in plan["connections"]:
        run(plan, connection)
    print("ok")


if __name__ == "__main__":
    main()
