"""A quick client over OpenSSL: rounds of calls from many connections at once.

    load_client.py PORT CA ROUNDS CALLS CLIENTS

Every second call is a stream of 200 chunks. After each round it prints "round N" and waits for a
line on its input, so that somebody can look at the agent in between.
"""

import asyncio
import json
import ssl
import sys

CHUNKS = 200


def request(port: int, identity: str, api: str, stream: bool) -> bytes:
    scenario = json.dumps({"id": identity, "chunks": CHUNKS})
    body = {"stream": stream, "messages": [{"role": "user", "content": f"call {identity}"}]}
    if api == "openai":
        host, path = "localhost", "/v1/chat/completions"
        body |= {"model": "gpt-5-mini", "user": scenario}
        if stream:
            body["stream_options"] = {"include_usage": True}
    else:
        host, path = "127.0.0.1", "/v1/messages"
        body |= {"model": "claude-sonnet-4-5", "max_tokens": 9, "metadata": {"user_id": scenario}}
    data = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: Bearer sk-test-1\r\n"
            f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            ).encode() + data


async def reply(reader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    lower = head.lower()
    if b"content-length:" in lower:
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        return
    tail = b""
    while not tail.endswith(b"0\r\n\r\n"):
        data = await reader.read(65536)
        if not data:
            raise EOFError("the stream broke off")
        tail = (tail + data)[-16:]


async def client(port, context, number, calls) -> None:
    """One client: one connection, its calls one after the other."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context,
                                                   server_hostname="localhost")
    for identity, api, stream in calls:
        writer.write(request(port, identity, api, stream))
        await reply(reader)
    writer.close()
    try:
        await writer.wait_closed()
    except ssl.SSLError:
        pass


async def one_round(port, context, label, calls, clients) -> None:
    shares = [[] for _ in range(clients)]
    for number in range(calls):
        identity = f"{label}-{number}"
        api = "anthropic" if number % 3 == 0 else "openai"
        shares[number % clients].append((identity, api, (number // clients) % 2 == 0))
    await asyncio.gather(*(client(port, context, n, share) for n, share in enumerate(shares)))


def main() -> None:
    port, ca, rounds, calls, clients = (int(a) if a.isdigit() else a for a in sys.argv[1:6])
    context = ssl.create_default_context(cafile=ca)
    for number in range(rounds):
        asyncio.run(one_round(port, context, f"round{number}", calls, clients))
        print(f"round {number}", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
