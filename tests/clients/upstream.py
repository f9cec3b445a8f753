"""An API for clients to try: HTTP/1.1, by asyncio, on loopback.

    GET  /who            what it has got: the headers, and what the token says (which is not verified here)
    POST /sum            the length of the body, and its SHA-256
    POST /sink           the length of the body
    GET  /zeros?N        N bytes
    GET  /events?NAME    events, each one not before the one before it was acknowledged by POST /seen?NAME
    GET  /socket         a WebSocket that gives back what it gets
"""

import asyncio
import base64
import hashlib
import json
import threading

from websockets.frames import Opcode
from websockets.server import ServerProtocol

PIECE = 1 << 20
EVENTS = 3


class Upstream:
    """Serves within a `with`, on a thread of its own."""

    def __enter__(self):
        self.seen = {}
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.connection, "127.0.0.1", 0, limit=PIECE))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def connection(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not await self.answer(head, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, head, reader, writer):
        """Whether another request may follow."""
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path, _, query = target.partition("?")
        if "100-continue" in headers.get("expect", "").lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if path == "/socket":
            await self.socket(head, reader, writer)
            return False
        if path == "/events":
            await self.events(query, writer)
            return True
        length, digest = 0, hashlib.sha256()
        async for piece in body_of(headers, reader):
            length += len(piece)
            if path == "/sum":
                digest.update(piece)
        if path == "/zeros":
            await self.zeros(int(query), writer)
            return True
        if path == "/seen":
            self.event(query).set()
        told = {"/sum": {"length": length, "sha256": digest.hexdigest()}, "/sink": {"length": length}}.get(path)
        if path == "/who":
            claims = headers["authorization"].removeprefix("Bearer ").split(".")[1]
            told = {"headers": headers, "claims": json.loads(base64.urlsafe_b64decode(claims + "=="))}
        text = json.dumps(told or {}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        await writer.drain()
        return True

    async def zeros(self, length, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % length)
        piece = bytes(PIECE)
        while length:
            writer.write(piece[:length])
            length -= min(length, PIECE)
            await writer.drain()

    def event(self, name):
        return self.seen.setdefault(name, asyncio.Event())

    async def events(self, name, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(EVENTS):
            text = b"data: %d\n\n" % number
            writer.write(b"%x\r\n%s\r\n" % (len(text), text))
            await writer.drain()
            await self.event(name).wait()
            self.event(name).clear()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def socket(self, head, reader, writer):
        protocol = ServerProtocol(max_size=None)
        protocol.receive_data(head)
        while True:
            for event in protocol.events_received():
                if protocol.handshake_exc is None and not hasattr(event, "opcode"):
                    protocol.send_response(protocol.accept(event))
                elif event.opcode is Opcode.TEXT:
                    protocol.send_text(event.data, event.fin)
                elif event.opcode is Opcode.BINARY:
                    protocol.send_binary(event.data, event.fin)
                elif event.opcode is Opcode.CONT:
                    protocol.send_continuation(event.data, event.fin)
            for data in protocol.data_to_send():
                writer.write(data)
            await writer.drain()
            if protocol.close_expected() or not (data := await reader.read(PIECE)):
                return
            protocol.receive_data(data)


async def body_of(headers, reader):
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return
    left = int(headers.get("content-length", 0))
    while left:
        piece = await reader.read(min(left, PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece
