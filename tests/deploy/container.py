"""Containers without a container runtime: memory limits, images, processes, probes and hooks, as a manifest says them. contained.py is what
happens inside, before the program begins. A runtime does one thing more, which is not done here: seccomp."""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Of Kubernetes, where the manifest says nothing.
PROBE = {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 1}
GRACE = 30
MEBIBYTE = 1 << 20


def run(*command, **more):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(str(each) for each in command)}: {done.stdout}{done.stderr}")
    return done.stdout


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", quantity).groups()
    return int(number) << {"": 0, "Ki": 10, "Mi": 20, "Gi": 30}[unit]


class Memory:
    """A group of processes with a memory limit, by either version of cgroups; where there is neither, what the process has had at most is looked at."""

    V1, V2 = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")

    def __init__(self, name, limit):
        self.limit, self.place, self.version = limit, None, 0
        for version, top, file in ((2, self.V2, "memory.max"), (1, self.V1, "memory.limit_in_bytes")):
            if version == 2 and "memory" not in self.text(top / "cgroup.controllers").split():
                continue
            place = top / f"claviger-{os.getpid()}-{random.getrandbits(32):08x}-{name}"
            try:
                if version == 2:
                    (top / "cgroup.subtree_control").write_text("+memory")
                place.mkdir()
                (place / file).write_text(str(limit))
            except OSError:
                continue
            self.place, self.version = place, version
            return

    @staticmethod
    def text(file):
        return file.read_text() if file.exists() else ""

    def number(self, of_1, of_2):
        return int(re.search(r"\d+", self.text(self.place / (of_1 if self.version == 1 else of_2)) or "0")[0])

    @property
    def how(self):
        return f"by cgroups, version {self.version}" if self.place else "looked at, not held: there is no memory controller that can be written to"

    def procs(self):
        return str(self.place / "cgroup.procs") if self.place else "/dev/null"

    def mounts(self):
        """Where the process sees its own limit."""
        return [[str(self.place), {1: str(self.V1), 2: str(self.V2)}[self.version], True]] if self.place else []

    def peak(self):
        return self.number("memory.max_usage_in_bytes", "memory.peak") if self.place else 0

    def kills(self):
        events = self.text(self.place / {1: "memory.oom_control", 2: "memory.events"}[self.version]) if self.place else ""
        return int((re.search(r"^oom_kill (\d+)", events, re.M) or [0, 0])[1])

    def close(self):
        if self.place and self.place.exists():
            with contextlib.suppress(OSError):
                self.place.rmdir()


def folders(root, names):
    for name in names:
        pathlib.Path(root, name.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root


def libraries(program):
    """What a program that is not static takes along."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return sorted({pathlib.Path(found) for found in re.findall(r"(/[^ ]+) \(0x", told)})


class Image:
    """A root, where in it things are, and how its process starts."""

    def __init__(self, root, entrypoint, environment, directory, mounts=()):
        self.root, self.entrypoint, self.environment, self.directory, self.mounts = root, entrypoint, environment, directory, list(mounts)


def image_of_claviger(folder, claviger):
    """By the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text().rsplit("FROM scratch", 1)[1]
    entrypoint, directory = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.M)[1]), re.search(r"^WORKDIR (.*)$", text, re.M)[1]
    environment = dict(re.findall(r"^ENV (\w+)=(.*)$", text, re.M))
    root = folders(folder / "claviger", ["proc", "dev", "sys/fs/cgroup/memory", "etc/claviger", directory])
    shutil.copy2(claviger, root / "claviger")
    for library in libraries(claviger):
        target = root / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    return Image(root, entrypoint, environment, directory)


def image_of_orders(folder):
    """The API's: this machine's Python and its libraries, and the two programs that the manifest names."""
    python = pathlib.Path(sys.executable).resolve()
    shared = ["/usr"] + ([] if python.is_relative_to("/usr") else [sys.base_prefix])
    root = folders(folder / "orders", ["proc", "dev", "sys/fs/cgroup/memory", "bin", "etc", *shared])
    for name in ("lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (root / name).symlink_to(os.readlink(f"/{name}"))
        elif os.path.isdir(f"/{name}"):
            shared.append(f"/{name}")
            folders(root, [name])
    shutil.copy2("/etc/ld.so.cache", root / "etc")
    (root / "bin" / "sleep").symlink_to("/usr/bin/sleep")
    (root / "bin" / "orders").write_text(f"#!{python} -IB\n" + (HERE / "orders.py").read_text())
    (root / "bin" / "orders").chmod(0o755)
    return Image(root, ["/bin/orders"], {}, "/", [[each, each, True] for each in shared])


class Container:
    def __init__(self, pod, said, image):
        self.pod, self.said, self.image, self.name = pod, said, image, said["name"]
        self.process = self.pid = self.probing = None
        self.highest = 0
        security = {**pod.spec.get("securityContext", {}), **said.get("securityContext", {})}
        self.user, self.group = security["runAsUser"], security.get("runAsGroup", security["runAsUser"])
        self.is_restricted = security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
        self.environment = {"PATH": "/usr/bin:/bin", "HOSTNAME": pod.name, **pod.links, **image.environment}
        self.environment |= {each["name"]: each["value"] for each in said.get("env", [])}
        self.memory = Memory(f"{pod.name}-{self.name}", bytes_of(said["resources"]["limits"]["memory"]))
        self.log = pod.folder / f"{self.name}.log"

    async def start(self):
        mounts = [[*self.pod.volumes[mount["name"]], mount["mountPath"], mount.get("readOnly", False)] for mount in self.said.get("volumeMounts", [])]
        argv = [*self.image.entrypoint, *self.said.get("args", [])] if "command" not in self.said else self.said["command"]
        groups = [each for each in [self.pod.spec.get("securityContext", {}).get("fsGroup")] if each is not None]
        told = {
            "root": str(self.image.root), "mounts": self.image.mounts + mounts + self.memory.mounts(), "argv": argv, "directory": self.image.directory,
            "user": self.user, "group": self.group, "groups": groups, "environment": self.environment,
        }  # fmt: skip
        unshare = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child"]
        contained = [sys.executable, "-IB", str(HERE / "contained.py"), json.dumps(told)]
        with self.log.open("ab") as log:
            self.process = await self.in_group("nsenter", f"--net=/proc/{self.pod.holder.pid}/ns/net", *unshare, *contained, stdout=log, stderr=log)
        await self.pod.until(f"{self.name} to begin", lambda: self.has_begun() or self.process.returncode is not None, 10)
        if self.process.returncode is not None:
            raise Fault(f"{self.name} has ended at once: {self.log.read_text()}")
        self.hold_restricted()

    async def in_group(self, *command, **more):
        shell = ["sh", "-c", 'echo 0 >"$1"; shift; exec "$@"', "sh", self.memory.procs()]
        return await asyncio.create_subprocess_exec(*shell, *command, **more)

    def has_begun(self):
        """Whether what runs is the container's own program, and not what makes a container of it."""
        with contextlib.suppress(OSError, ValueError):
            child = int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text())
            # Empty while one program takes the place of another.
            command = pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
            if command and b"contained.py" not in command and "unshare" not in os.readlink(f"/proc/{child}/exe"):
                self.pid = child
        return self.pid is not None

    def hold_restricted(self):
        """That it is as its manifest says, by what the kernel says of it."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        able = re.findall(r"^Cap(?:Inh|Prm|Eff|Bnd|Amb):\s+0*([0-9a-f]+)$", status, re.M)
        self.pod.hold(able == ["0"] * 5, f"{self.name} has capabilities: {able}")
        who = [re.search(rf"^{name}:\s+(.*)$", status, re.M)[1].split() for name in ("Uid", "Gid", "NoNewPrivs")]
        self.pod.hold(who == [[str(self.user)] * 4, [str(self.group)] * 4, ["1"]], f"{self.name} is {who}")
        roots = [line.split() for line in pathlib.Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()]
        self.pod.hold([each[5].split(",")[0] for each in roots if each[4] == "/"][-1:] == ["ro"], f"{self.name}'s root can be written to")
        self.pod.hold(self.is_restricted, f"{self.name}: the manifest asks for less")

    def look(self):
        """What it takes; where nothing else counts it, as often as this is called."""
        with contextlib.suppress(OSError, TypeError):
            self.highest = max(self.highest, 1024 * int(re.search(r"^VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text(), re.M)[1]))

    async def exec(self, command, timeout):
        into = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--root", "--wd", f"--setgid={self.group}", f"--setuid={self.user}"]
        process = await self.in_group(
            "nsenter",
            f"--target={self.pid}",
            *into,
            "--",
            *command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            return f"{' '.join(command)} takes longer than {timeout} s"
        return None if process.returncode == 0 else f"{' '.join(command)} exits with {process.returncode}: {said.decode().strip()}"

    async def probe(self, said):
        """What is wrong, if anything."""
        if "exec" in said:
            return await self.exec(said["exec"]["command"], said["timeoutSeconds"])
        port = said["httpGet"]["port"]
        port = next((each["containerPort"] for each in self.said["ports"] if each["name"] == port), port)
        try:
            async with asyncio.timeout(said["timeoutSeconds"]):
                status, _, _ = await Client(self.pod.address, port).once(said["httpGet"]["path"])
            return None if 200 <= status < 400 else f"{said['httpGet']['path']} answers {status}"
        except (OSError, EOFError, TimeoutError) as error:
            return f"{said['httpGet']['path']}: {error or type(error).__name__}"

    async def succeeds(self, kind):
        """Until a probe has succeeded once."""
        said = {**PROBE, **self.said[kind]}
        for _ in range(said["failureThreshold"] if kind == "startupProbe" else 30):
            if not (wrong := await self.probe(said)):
                return
            if self.process.returncode is not None:
                raise Fault(f"{self.name} has ended: {self.log.read_text()}")
            await asyncio.sleep(said["periodSeconds"] if kind == "startupProbe" else 1)
        raise Fault(f"{self.name}: {kind}: {wrong}\n{self.log.read_text()}")

    async def stays(self, kind):
        """While it is served: no probe fails so often that something is done about it."""
        said, failed = {**PROBE, **self.said[kind]}, 0
        while True:
            wrong = await self.probe(said)
            failed = failed + 1 if wrong else 0
            self.pod.hold(failed < said["failureThreshold"], f"{self.name}: {kind}: {wrong}")
            await asyncio.sleep(min(said["periodSeconds"], 2))

    async def pre_stop(self):
        if hook := self.said.get("lifecycle", {}).get("preStop"):
            self.pod.hold(not (wrong := await self.exec(hook["exec"]["command"], GRACE)), f"{self.name}: preStop: {wrong}")

    async def terminate(self):
        """SIGTERM, unless it has ended by itself."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        code = await self.process.wait()
        self.pod.hold(code == 0, f"{self.name} ends with {code}")


class Fault(Exception):
    pass


class Client:
    """A connection over which one request after the other is sent."""

    def __init__(self, address, port):
        self.place, self.came = (address, port), b""
        self.socket = socket.socket()
        self.socket.setblocking(False)

    async def open(self):
        await asyncio.get_running_loop().sock_connect(self.socket, self.place)

    def close(self):
        self.socket.close()

    def is_ended(self):
        """Whether the other side has closed it, as far as that is known here at this moment."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False

    async def until(self, reached):
        while not reached():
            more = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
            if not more:
                raise EOFError(f"the connection has ended after {len(self.came)} bytes of an answer")
            self.came += more

    async def ask(self, path, headers=(), body=b""):
        method = "POST" if body else "GET"
        head = [f"{method} {path} HTTP/1.1", "Host: orders", *headers, *([f"Content-Length: {len(body)}"] if body else [])]
        await asyncio.get_running_loop().sock_sendall(self.socket, "\r\n".join([*head, "", ""]).encode() + body)
        await self.until(lambda: b"\r\n\r\n" in self.came)
        head, _, self.came = self.came.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(told.get("content-length", 0))
        await self.until(lambda: len(self.came) >= length)
        answer, self.came = self.came[:length], self.came[length:]
        return int(lines[0].split()[1]), told, answer

    async def once(self, path):
        try:
            await self.open()
            return await self.ask(path)
        finally:
            self.close()
