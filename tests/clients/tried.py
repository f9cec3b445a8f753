"""Real clients, through the binary as it is shipped, to a real API: without TLS, with TLS, over HTTP/1.1 and HTTP/2.

    python3 tests/clients/tried.py --claviger target/dist/claviger --modules target/test-node/node_modules

Each HTTP client (curl, requests, httpx, Node's fetch and http2, Java's HttpClient, Go's net/http) keeps its connection, sends and gets 16 MiB, is
refused in the middle of a body, and goes on. gRPC: all four kinds of streaming, deadlines, refusals. WebSocket, and events that arrive one by one.
Then 2 GiB up and 2 GiB down, and how much memory that took. Java and Go are tried where there is one, and it is told where there is not.
"""

import argparse
import asyncio
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "api"), str(HERE.parent / "deploy")]

import grpc
import httpx
from authority import authority
from served import Server
from upstream import EVENTS, Upstream
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

LARGE = 2 << 30
# Resident, at most, when 2 GiB have passed in each direction.
MEMORY = 60 << 20

failed, table = [], []


@contextlib.contextmanager
def case(name):
    began = time.monotonic()
    try:
        yield
        verdict = "ok"
    except Exception as error:
        verdict = f"FAILED: {type(error).__name__}: {error}"
        failed.append(name)
    table.append(f"{name:<44}{time.monotonic() - began:6.1f} s  {verdict}")
    print(table[-1], flush=True)


def run(*command, **more):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=600, **more)
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


class Relay:
    """Counts connections on their way."""

    def __init__(self, to):
        self.to, self.accepted = to, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here, _ = self.listener.accept()
            self.accepted += 1
            there = socket.create_connection(("127.0.0.1", self.to))
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self.pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def pass_on(one, other):
        with contextlib.suppress(OSError):
            while piece := one.recv(1 << 18):
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)


class Way:
    """One way in: a server, with or without TLS, and what its clients need."""

    def __init__(self, name, server, scheme, ca):
        self.name, self.server, self.scheme, self.ca = name, server, scheme, ca
        self.port = int(server.address.rsplit(":", 1)[1])
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.key = server.key("client", "space-reader@root")["key"]

    @property
    def wrong(self):
        return self.key[:-1] + ("B" if self.key[-1] == "A" else "A")

    def context(self):
        return ssl.create_default_context(cafile=self.ca) if self.scheme == "https" else None

    def memory(self):
        """The most that was ever resident, in bytes."""
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


def http_clients(way, modules):
    python, folder = sys.executable, str(HERE)
    clients = [
        ("requests, HTTP/1.1", [python, "-IB", f"{folder}/client.py", "requests", "1"], {}),
        ("httpx, HTTP/1.1", [python, "-IB", f"{folder}/client.py", "httpx", "1"], {}),
        ("httpx, HTTP/2", [python, "-IB", f"{folder}/client.py", "httpx", "2"], {}),
        ("Node's fetch, HTTP/1.1", ["node", f"{folder}/client.mjs", "fetch"], {"NODE_MODULES": modules}),
        ("Node's http2, HTTP/2", ["node", f"{folder}/client.mjs", "http2"], {}),
    ]
    if shutil.which("javac"):
        clients += [(f"Java's HttpClient, {name}", ["java", f"{folder}/Client.java", version], {}) for name, version in (("HTTP/1.1", "1"), ("HTTP/2", "2"))]
    else:
        print("there is no JDK: Java's client is not tried")
    if shutil.which("go"):
        clients += [
            (f"Go's net/http, {name}", ["go", "run", f"{folder}/client.go", version], {})
            for name, version in (("HTTP/1.1", "1"), ("HTTP/2", "2"))
            if version == "1" or way.scheme == "https"
        ]
    else:
        print("there is no Go: its client is not tried")
    for name, command, variables in clients:
        with case(f"{way.name}: {name}"):
            relay = Relay(way.port)
            run(*command, f"{way.scheme}://127.0.0.1:{relay.port}", way.key, way.ca, way.url, env=os.environ | variables)
            assert relay.accepted == 1, f"{relay.accepted} connections"


def curl(way, version, *arguments, **more):
    flags = ["--silent", "--show-error", "--fail-with-body", "--cacert", way.ca, version, "-H", f"Authorization: Bearer {way.key}"]
    return run("curl", *flags, *arguments, **more)


def curls(way):
    for name, version in (("HTTP/1.1", "--http1.1"), ("HTTP/2", "--http2" if way.scheme == "https" else "--http2-prior-knowledge")):
        with case(f"{way.name}: curl, {name}"):
            # Without TLS, some of its versions say the preface of HTTP/2 again when they use a connection again.
            times = 1 if version == "--http2-prior-knowledge" else 3
            told = curl(way, version, *[f"{way.url}/who"] * times, *["-o", "/dev/null"] * times, "-w", "%{num_connects} %{http_version}\n")
            assert told.split("\n")[:-1] == [f"{at} {'1.1' if version == '--http1.1' else '2'}" for at in (1, 0, 0)[:times]], told
            refused = subprocess.run(
                ["curl", "-s", "--cacert", way.ca, version, "-H", f"Authorization: Bearer {way.wrong}", "-T", "/dev/stdin", "-X", "POST", f"{way.url}/sum"],
                input=bytes(16 << 20),
                capture_output=True,
            )
            # It may tell that it was ended before all had gone; the answer is what counts.
            assert json.loads(refused.stdout)["code"] == "invalid_key", refused
        with case(f"{way.name}: 2 GiB up by curl, {name}"):
            with subprocess.Popen(["head", "-c", str(LARGE), "/dev/zero"], stdout=subprocess.PIPE) as zeros:
                told = curl(way, version, "-H", "Expect:", "-T", "-", "-X", "POST", f"{way.url}/sink", stdin=zeros.stdout)
            assert json.loads(told) == {"length": LARGE}, told
        with case(f"{way.name}: 2 GiB down by curl, {name}"):
            told = curl(way, version, "-o", "/dev/null", "-w", "%{size_download}", f"{way.url}/zeros?{LARGE}")
            assert int(told) == LARGE, told


def events(way, version):
    """Each is there before the next one has been made."""
    with httpx.Client(http1=version == "1", http2=version == "2", verify=way.context() or True, timeout=60, base_url=way.url) as client:
        headers = {"Authorization": f"Bearer {way.key}"}
        with client.stream("GET", f"/events?{way.name}-{version}", headers=headers) as answer:
            assert answer.status_code == 200 and answer.headers["content-type"] == "text/event-stream"
            got = 0
            for line in answer.iter_lines():
                if line:
                    assert line == f"data: {got}", line
                    got += 1
                    assert client.post(f"/seen?{way.name}-{version}", headers=headers).status_code == 200
        assert got == EVENTS, got


async def web_socket(way):
    """By one thread: OpenSSL takes no two at a time, and the client that has one to read with loses what is written meanwhile, now and then."""
    url = way.url.replace("http", "ws", 1) + "/socket"
    async with connect(url, additional_headers={"X-API-Key": way.key}, ssl=way.context(), max_size=None) as client:
        for message in ("hello", b"\0" * (8 << 20), "x" * 70_000):
            await client.send(message)
            assert await asyncio.wait_for(client.recv(), 60) == message
        await asyncio.wait_for(await client.ping(), 60)
    try:
        async with connect(url, additional_headers={"X-API-Key": way.wrong}, ssl=way.context()):
            raise AssertionError("a wrong key opens it")
    except InvalidStatus as refused:
        assert refused.response.status_code == 401, refused.response


class Grpc(grpc.GenericRpcHandler):
    """A service whose messages are bytes."""

    def __init__(self):
        self.waits, self.was_cancelled = threading.Event(), threading.Event()

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Down": grpc.unary_stream_rpc_method_handler(lambda request, _: (b"%d" % at for at in range(int(request)))),
            "Up": grpc.stream_unary_rpc_method_handler(lambda requests, _: b"%d" % sum(len(each) for each in requests)),
            "Both": grpc.stream_stream_rpc_method_handler(lambda requests, _: (each[::-1] for each in requests)),
            "Late": grpc.unary_unary_rpc_method_handler(self.late),
            "Refuses": grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so: 100 %")),
        }.get(method)

    def unary(self, request, context):
        told = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-end", "1"),))
        assert told["authorization"].startswith("Bearer ey"), told
        return request

    def late(self, request, context):
        context.add_callback(self.was_cancelled.set)
        self.was_cancelled.wait(60)
        return request


def fails_with(code, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except grpc.RpcError as error:
        assert error.code() is code, error
        return error
    raise AssertionError(f"it is not {code}")


def grpc_calls(way, handler):
    target, options = f"127.0.0.1:{way.port}", [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    if way.scheme == "https":
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(pathlib.Path(way.ca).read_bytes()), options)
    else:
        channel = grpc.insecure_channel(target, options)
    known = {"metadata": (("authorization", f"Bearer {way.key}"),), "timeout": 60}
    with channel:
        unary = channel.unary_unary("/test.Service/Unary")
        answer, call = unary.with_call(b"hello", **known)
        assert answer == b"hello" and dict(call.trailing_metadata())["x-end"] == "1"
        large = bytes(16 << 20)
        assert unary(large, **known) == large
        assert list(channel.unary_stream("/test.Service/Down")(b"1000", **known)) == [b"%d" % at for at in range(1000)]
        assert channel.stream_unary("/test.Service/Up")((b"x" * 1000 for _ in range(1000)), **known) == b"1000000"
        back, turn = channel.stream_stream("/test.Service/Both"), threading.Semaphore(1)

        def in_turn():
            for at in range(100):
                turn.acquire()
                yield b"ab%d" % at

        # One is not sent before the one before it has come back.
        for at, got in enumerate(back(in_turn(), **known)):
            assert got == (b"ab%d" % at)[::-1]
            turn.release()
        error = fails_with(grpc.StatusCode.FAILED_PRECONDITION, channel.unary_unary("/test.Service/Refuses"), b"", **known)
        assert error.details() == "not so: 100 %", error
        fails_with(grpc.StatusCode.UNIMPLEMENTED, channel.unary_unary("/test.Service/None"), b"", **known)
        handler.was_cancelled.clear()
        fails_with(grpc.StatusCode.DEADLINE_EXCEEDED, channel.unary_unary("/test.Service/Late"), b"", **known | {"timeout": 0.5})
        assert handler.was_cancelled.wait(30), "the server has not heard of the deadline"
        fails_with(grpc.StatusCode.UNAUTHENTICATED, unary, b"", timeout=60)
        fails_with(grpc.StatusCode.UNAUTHENTICATED, unary, b"", timeout=60, metadata=(("authorization", f"Bearer {way.wrong}"),))
        fails_with(grpc.StatusCode.UNAUTHENTICATED, channel.stream_unary("/test.Service/Up"), (large for _ in range(4)), timeout=60)
        assert unary(b"again", **known) == b"again"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--claviger", required=True)
    arguments.add_argument("--modules", required=True, help="where npm has put undici")
    asked = arguments.parse_args()
    handler = Grpc()
    service = grpc.server(concurrent.futures.ThreadPoolExecutor(8), [handler], options=[("grpc.max_receive_message_length", -1)])
    grpc_port = service.add_insecure_port("127.0.0.1:0")
    service.start()
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(Upstream())
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate, key, ca = authority(["127.0.0.1"])
        for name, content in (("server.crt", certificate), ("server.key", key), ("ca.crt", ca)):
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
        tls = f'tls = {{ cert = "{folder}/server.crt", key = "{folder}/server.key" }}'

        def way(name, proxy, upstream):
            server = stack.enter_context(Server(asked.claviger, proxy, upstream))
            return Way(name, server, "https" if proxy else "http", str(folder / "ca.crt"))

        for name, proxy in (("plain", ""), ("TLS", tls)):
            to_api = way(name, proxy, f"http://127.0.0.1:{api.port}")
            curls(to_api)
            most = to_api.memory()
            with case(f"{name}: {most / (1 << 20):.1f} MiB resident at most"):
                assert most <= MEMORY
            http_clients(to_api, asked.modules)
            for version in ("1", "2"):
                with case(f"{name}: events over HTTP/{'1.1' if version == '1' else '2'}"):
                    events(to_api, version)
            with case(f"{name}: WebSocket"):
                asyncio.run(web_socket(to_api))
            with case(f"{name}: gRPC"):
                grpc_calls(way(f"{name}, gRPC", proxy, f"h2c://127.0.0.1:{grpc_port}"), handler)
    service.stop(None)
    print(f"{len(table)} cases, {len(failed)} failed" + "".join(f"\n  {name}" for name in failed))
    sys.exit(1 if failed else 0)


main()
