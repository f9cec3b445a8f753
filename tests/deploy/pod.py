"""Emulates pods of config/kubernetes/examples/sidecar, as `claviger inject` makes them, from their first container to their last, under load.

    python3 tests/deploy/pod.py --claviger target/dist/claviger --pods 50

What a node does is done here, by what the manifest says and by nothing else: order of starting, probes, volumes, users, memory limits, hooks,
signals. A pod has a network of its own; each container has namespaces, a read-only root, no capabilities and a memory limit of its own. The
sidecar follows a control plane outside of the pod. Clients come from outside, too; when the pod is to end, they hear of it later than the pod does.
No request may fail. A container runtime does one thing more, which is not done here: seccomp.

Must be root, on Linux. Everything is in namespaces of this program's, and ends with it. The exit code is 1 if anything is wrong.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import yaml
from authority import authority
from container import GRACE, MEBIBYTE, ROOT, Client, Container, Fault, Memory, bytes_of, folders, image_of_claviger, image_of_orders, run

MANIFEST = ROOT / "config" / "kubernetes" / "examples" / "sidecar" / "orders.yaml"
NODE = "10.213.0.1"
ADMIN = 8081
# A pod is taken out of routing so many seconds after it was told to end.
ROUTED_FOR = (0.2, 3.5)


class Pod:
    def __init__(self, number, cluster):
        self.number, self.cluster, self.name = number, cluster, f"orders-{number}"
        self.address = str(ipaddress.ip_address(NODE) + 1 + number)
        self.spec = cluster.spec
        self.folder = folders(cluster.folder / self.name, ["."])
        self.links = cluster.links
        self.faults, self.volumes, self.told = [], {}, {}
        self.routed, self.ending_since = False, None
        self.requests, self.slowest, self.after = 0, 0.0, 0

    def hold(self, true, fault):
        if not true:
            when = f" ({time.monotonic() - self.ending_since:.2f} s after it was told to end)" if self.ending_since else ""
            self.faults.append(f"{self.name}: {fault}{when}")

    async def until(self, what, true, seconds):
        ends = time.monotonic() + seconds
        while not true():
            if time.monotonic() > ends:
                raise Fault(f"{what}: {seconds} s are over")
            await asyncio.sleep(0.01)

    async def network(self):
        self.holder = await asyncio.create_subprocess_exec("unshare", "--net", "sleep", "infinity")
        own = os.readlink("/proc/self/ns/net")
        await self.until("a network", lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, 10)
        here, there = f"pod{self.number}", f"eth{self.number}"
        run("ip", "link", "add", here, "type", "veth", "peer", "name", there)
        run("ip", "link", "set", here, "master", "node", "up")
        run("ip", "link", "set", there, "netns", self.holder.pid)
        inside = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "ip"]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "addr", "add", f"{self.address}/16", "dev", there)
        run(*inside, "link", "set", there, "up")

    def mount_volumes(self):
        """Secrets as the kubelet writes them: files behind a link that it swaps, for the pod's group."""
        group = self.spec["securityContext"]["fsGroup"]
        for volume in self.spec.get("volumes", []):
            place = folders(self.folder / volume["name"], ["."])
            size = bytes_of(volume["emptyDir"].get("sizeLimit", "16Mi")) if "emptyDir" in volume else MEBIBYTE
            run("mount", "-t", "tmpfs", "-o", f"nosuid,nodev,size={size},mode=2777,gid={group}", "volume", place)
            if "secret" in volume:
                files = place / "..2026_01_01"
                files.mkdir()
                for name, content in self.cluster.secrets[volume["secret"]["secretName"]].items():
                    (files / name).write_bytes(content)
                    os.chown(files / name, 0, group)
                    (files / name).chmod(volume["secret"]["defaultMode"])
                    (place / name).symlink_to(f"..data/{name}")
                (place / "..data").symlink_to(files.name)
            self.volumes[volume["name"]] = [str(place)]

    async def live(self):
        """All of its life. What is wrong, is in `faults`."""
        started = time.monotonic()
        try:
            await self.network()
            self.mount_volumes()
            sidecars = [Container(self, each, self.cluster.images[each["name"]]) for each in self.spec["initContainers"]]
            apps = [Container(self, each, self.cluster.images[each["name"]]) for each in self.spec["containers"]]
            self.containers = sidecars + apps
            for sidecar in sidecars:
                await sidecar.start()
                await sidecar.succeeds("startupProbe")
            self.told["started"] = time.monotonic() - started
            for app in apps:
                await app.start()
            for container in self.containers:
                await container.succeeds("readinessProbe")
            self.routed = True
            probes = [asyncio.create_task(each.stays(kind)) for each in self.containers for kind in ("readinessProbe", "livenessProbe")]
            clients = [asyncio.create_task(self.client(kind), name=kind["name"]) for kind in CLIENTS for _ in range(kind["count"])]
            await asyncio.sleep(self.cluster.serve_for)
            for container in self.containers:
                container.look()
            for probe in probes:
                probe.cancel()
            await self.end(sidecars, apps, clients)
        except Fault as fault:
            self.hold(False, fault)
        finally:
            await self.clean()

    async def end(self, sidecars, apps, clients):
        self.ending_since = time.monotonic()
        asyncio.get_running_loop().call_later(random.Random(self.number).uniform(*ROUTED_FOR), self.unroute)

        async def app_ends(app):
            await app.pre_stop()
            await app.terminate()

        async def sidecars_end(others):
            # The hooks of all run at once, the signals come one after the other.
            await asyncio.gather(*(each.pre_stop() for each in sidecars))
            await asyncio.gather(*others)
            for sidecar in reversed(sidecars):
                await sidecar.terminate()

        others = [asyncio.create_task(app_ends(app), name=f"{app.name}'s end") for app in apps]
        ends = [*others, asyncio.create_task(sidecars_end(others), name="the sidecar's end")]
        _, late = await asyncio.wait(ends, timeout=self.spec.get("terminationGracePeriodSeconds", GRACE))
        self.hold(not late, f"too late: {', '.join(sorted(each.get_name() for each in late))}")
        self.told["ended"] = time.monotonic() - self.ending_since
        # Nobody is left who could answer.
        _, late = await asyncio.wait(clients, timeout=5)
        self.hold(not late, f"still connected: {', '.join(sorted(each.get_name() for each in late))}")
        for task in [*ends, *clients]:
            task.cancel()
        for done in await asyncio.gather(*ends, *clients, return_exceptions=True):
            self.hold(done is None or isinstance(done, asyncio.CancelledError), f"{done!r}")

    def unroute(self):
        self.routed = False

    async def client(self, kind):
        """Connects while the pod is routed to, and keeps its connections until they are ended from the other side."""
        lots = random.Random(f"{self.number} {kind} {id(asyncio.current_task())}")
        while self.routed:
            client = Client(self.address, self.cluster.port)
            try:
                await client.open()
                # One that has been closed while nothing was under way is not used again.
                while not client.is_ended():
                    if not await self.request(client, kind, lots) or kind.get("once"):
                        break
                    await asyncio.sleep(lots.uniform(0, kind["pause"]))
            except (OSError, EOFError, ValueError) as error:
                self.hold(False, f"a request failed ({kind['name']}): {error or type(error).__name__}")
            finally:
                client.close()

    async def request(self, client, kind, lots):
        """Whether another one may follow."""
        began = time.monotonic()
        headers = [f"Authorization: Bearer {lots.choice(self.cluster.keys)}"] + ([f"x-wait-ms: {lots.randrange(kind['wait'])}"] if "wait" in kind else [])
        body = lots.randbytes(kind.get("body", 0))
        status, told, answer = await client.ask("/", headers, body)
        self.hold(status == 200 and answer == b"done" + body, f"a request was answered with {status} ({kind['name']}): {answer[:200]!r}")
        self.requests += 1
        self.after += self.ending_since is not None
        if "wait" not in kind:
            self.slowest = max(self.slowest, time.monotonic() - began)
        return told.get("connection", "").lower() != "close"

    async def clean(self):
        for container in getattr(self, "containers", []):
            if container.process and container.process.returncode is None:
                container.process.kill()
                await container.process.wait()
            memory = container.memory
            peak = memory.peak() or container.highest
            self.hold(
                memory.kills() == 0 and peak <= memory.limit, f"{container.name} took {peak} bytes of {memory.limit}, and was killed {memory.kills()} times"
            )
            self.told[container.name] = (container.highest, peak)
            memory.close()
        if hasattr(self, "holder"):
            self.holder.kill()
            await self.holder.wait()
        if self.faults:
            self.faults += [log.read_text() for log in sorted(self.folder.glob("*.log"))]


# Who asks: how many of them, at one time.
CLIENTS = [
    {"name": "one after the other", "count": 3, "pause": 0.01},
    {"name": "now and then", "count": 4, "pause": 0.3},
    {"name": "seldom", "count": 6, "pause": 2.5},
    {"name": "each time anew", "count": 3, "pause": 0.05, "once": True},
    {"name": "with a body", "count": 2, "pause": 0.1, "body": 64 << 10},
    {"name": "slow", "count": 4, "pause": 0.1, "wait": 900},
]


CONTROL_PLANE = f"""
drain_delay = "0s"
[proxy]
listen = "127.0.0.1:0"
[upstream]
url = "http://127.0.0.1:9"
[ops]
listen = "127.0.0.1:0"
[admin]
listen = "{NODE}:{ADMIN}"
tls = {{ cert = "tls.crt", key = "tls.key" }}
[token]
keys = "keys"
[store]
url = "sqlite://claviger.db"
[log]
format = "json"
"""


class Cluster:
    """What pods find: the node's network, a control plane, Secrets, images."""

    def __init__(self, folder, claviger, serve_for):
        self.folder, self.claviger, self.serve_for = folder, claviger, serve_for
        for command in ("addr add 127.0.0.1/8 dev lo", "link set lo up", "link add node type bridge", f"addr add {NODE}/16 dev node", "link set node up"):
            with contextlib.suppress(SystemExit) if command.startswith("addr add 127") else contextlib.nullcontext():
                run("ip", *command.split())
        certificate, key, ca = authority([NODE])
        (folder / "tls.crt").write_bytes(certificate)
        (folder / "tls.key").write_bytes(key)
        (folder / "tls.key").chmod(0o600)
        (folder / "claviger.toml").write_text(CONTROL_PLANE)
        self.start()
        self.told("role", "create", "caller", "--action", "orders:read")
        replica = self.told("key", "create", "--name", "orders-sidecar", "--bind", "replica@root")["key"]
        self.secrets = {"claviger-replica": {"key": replica.encode(), "ca.crt": ca}}
        self.keys = [self.new_key(f"caller-{number}") for number in range(20)]
        self.manifest()
        self.images = {"claviger": image_of_claviger(folder, claviger), "orders": image_of_orders(folder)}

    def start(self):
        """Ends with this program."""
        with (self.folder / "control-plane.log").open("wb") as log:
            self.process = subprocess.Popen([self.claviger, "serve", "--config", "claviger.toml"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=log)
        ends = time.monotonic() + 30
        while '"serving"' not in (self.folder / "control-plane.log").read_text():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise SystemExit("the control plane does not start: " + (self.folder / "control-plane.log").read_text())
            time.sleep(0.02)

    def told(self, *arguments):
        return json.loads(run(self.claviger, *arguments, "--config", "claviger.toml", "-o", "json", cwd=self.folder))

    def new_key(self, name):
        return self.told("key", "create", "--name", name, "--bind", "caller@root")["key"]

    def manifest(self):
        """The example's, with the sidecar as `claviger inject` puts it in."""
        options = ["--control-plane", f"https://{NODE}:{ADMIN}", "--set", "token.audience=orders"]
        objects = list(yaml.safe_load_all(run(self.claviger, "inject", "-f", MANIFEST, *options)))
        self.spec = next(each for each in objects if each["kind"] == "Deployment")["spec"]["template"]["spec"]
        services = {each["metadata"]["name"]: each["spec"]["ports"][0] for each in objects if each["kind"] == "Service"}
        self.port = services["orders"]["targetPort"]
        self.links = {}
        if self.spec.get("enableServiceLinks", True):
            # With one that is called as the settings' variables begin.
            for name, port in {**services, "claviger": {"port": 8081}, "kubernetes": {"port": 443}}.items():
                name, port, host = name.upper().replace("-", "_"), port["port"], "10.96.0.1"
                self.links |= {f"{name}_SERVICE_HOST": host, f"{name}_SERVICE_PORT": str(port), f"{name}_PORT": f"tcp://{host}:{port}"}
                self.links |= {f"{name}_PORT_{port}_TCP": f"tcp://{host}:{port}", f"{name}_PORT_{port}_TCP_ADDR": host}


async def all_pods(cluster, count, at_once):
    places, pods = asyncio.Semaphore(at_once), []

    async def one(number):
        async with places:
            # It is made while others serve, and asked for by all who come later.
            cluster.keys.append(await asyncio.to_thread(cluster.new_key, f"beside-{number}"))
            pod = Pod(number, cluster)
            await pod.live()
            pods.append(pod)

    await asyncio.gather(*(one(number) for number in range(1, count + 1)))
    return pods


def table(pods):
    def span(values, unit, scale=1.0):
        values = sorted(value / scale for value in values)
        return f"{values[len(values) // 2]:.1f} {unit} (at most {values[-1]:.1f})" if values else "unknown"

    whole = [pod for pod in pods if "ended" in pod.told]
    print(f"{len(pods)} pods, {sum(pod.requests for pod in pods)} requests, {sum(pod.after for pod in pods)} of them after the pod was told to end")
    print(f"  until its sidecar was ready: {span([pod.told['started'] for pod in whole], 's')}")
    print(f"  until its end, once it was told to: {span([pod.told['ended'] for pod in whole], 's')}")
    print(f"  the slowest answer: {span([pod.slowest for pod in whole], 'ms', 0.001)}")
    for name in ("claviger", "orders"):
        rss, peak = zip(*(pod.told[name] for pod in whole)) if whole else ((), ())
        print(f"  memory of {name}: resident {span(rss, 'MiB', MEBIBYTE)}, counted against its limit {span(peak, 'MiB', MEBIBYTE)}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--claviger", required=True)
    arguments.add_argument("--pods", type=int, default=50)
    arguments.add_argument("--at-once", type=int, default=5)
    arguments.add_argument("--serve-for", type=float, default=4, help="seconds, before each pod is told to end")
    arguments.add_argument("--in-namespaces", action="store_true", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("pod.py must be root: it makes networks, mounts and groups of processes, all of them its own")
    for program in ("unshare", "nsenter", "ip", "mount"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is missing; install it (Debian: apt-get install util-linux iproute2)")
    if not asked.in_namespaces:
        # The shell is there for what loses its parent: somebody has to hear of its end.
        own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh", sys.executable]
        os.execvp(own[0], [*own, *sys.argv, "--in-namespaces"])

    probe = Memory("probe", 128 * MEBIBYTE)
    probe.close()
    print(f"memory limits are {probe.how}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        cluster = Cluster(folder, str(pathlib.Path(asked.claviger).resolve()), asked.serve_for)
        pods = asyncio.run(all_pods(cluster, asked.pods, asked.at_once))
        faults = [fault for pod in pods for fault in pod.faults]
        left = [each["name"] for each in cluster.told("replicas")]
        faults += [] if len(left) == 1 else [f"after their ends it is waited for {left}"]
        cluster.process.terminate()
        cluster.process.wait()
        table(pods)
        for mounted in reversed([line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]):
            if mounted.startswith(str(folder)):
                run("umount", mounted)
    print("\n".join(faults) if faults else "no request has failed")
    sys.exit(1 if faults else 0)


main()
