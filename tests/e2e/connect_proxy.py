"""A forward proxy for CONNECT, on a port of loopback that it prints. Ends at SIGTERM."""

import asyncio


async def copy(reader, writer) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(reader, writer) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    host, port = head.split(b" ")[1].rsplit(b":", 1)
    assert head.startswith(b"CONNECT ") and host in (b"localhost", b"127.0.0.1"), head
    there, to_there = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(copy(reader, to_there), copy(there, writer))


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
