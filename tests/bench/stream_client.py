"""N streams one after the other on one connection, with Python's http.client.

    stream_client.py PORT CA N        request bodies are those of load_client.py
"""

import socket
import ssl
import sys

import load_client


def main() -> None:
    port, ca, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection(("localhost", port)) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as sock:
        for number in range(count):
            sock.sendall(load_client.request(port, f"s{number}", "openai", True))
            tail = b""
            while not tail.endswith(b"0\r\n\r\n"):
                data = sock.recv(65536)
                assert data
                tail = (tail + data)[-16:]


if __name__ == "__main__":
    main()
