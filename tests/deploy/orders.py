"""The API of config/kubernetes/examples/sidecar: what stands in its manifest, it does. `orders` serves on HOST and PORT, `orders healthcheck` asks.

A request is answered with 200 if it has a token for `orders` and no key, after `x-wait-ms` if that is said; with 500 if not. SIGTERM: no new
connections, what runs is finished, and the end.
"""

import asyncio
import base64
import json
import os
import signal
import sys


def fault(headers):
    """What is wrong with a request, if anything."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or token.count(".") != 2:
        return "no token"
    if any("clv_" in value for value in headers.values()):
        return "a key"
    claims = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return None if said["aud"] == "orders" and said["sub"] else f"a token for {said['aud']}"


class Api:
    def __init__(self):
        self.running = 0
        self.ending = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while not self.ending.is_set():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                self.running += 1
                try:
                    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
                    body = await reader.readexactly(int(headers.get("content-length", 0)))
                    await asyncio.sleep(int(headers.get("x-wait-ms", 0)) / 1000)
                    wrong = None if head[0].startswith("GET /healthz ") else fault(headers)
                    answer = (wrong or "done").encode() + body
                    status = "500 Internal Server Error" if wrong else "200 OK"
                    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer)
                    await writer.drain()
                finally:
                    self.running -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run(self):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.ending.set)
        server = await asyncio.start_server(self.serve, os.environ["HOST"], int(os.environ["PORT"]))
        await self.ending.wait()
        server.close()
        while self.running:
            await asyncio.sleep(0.01)


async def healthcheck():
    reader, writer = await asyncio.open_connection(os.environ["HOST"], int(os.environ["PORT"]))
    writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
    await writer.drain()
    return 0 if (await reader.readline()).startswith(b"HTTP/1.1 200 ") else 1


if sys.argv[1:] == ["healthcheck"]:
    sys.exit(asyncio.run(healthcheck()))
asyncio.run(Api().run())
