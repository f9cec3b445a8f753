"""What a fleet is made of: a PostgreSQL, processes of Claviger, and what drives them. Each is a child of this process, and ends with it."""

import contextlib
import http.client
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time

NOBODY = 65534
MAX_STALENESS = 60


class Trouble(Exception):
    """What keeps the run from going on."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds, patience=60.0, pause=0.05):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(pause)
    raise Trouble(f"{what}: not within {patience:.0f} s")


def ends_with_us(signal_name, argv):
    return ["setpriv", "--pdeathsig", signal_name, *map(str, argv)]


def run(argv, **more):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, argv))}:\n{done.stdout}{done.stderr}")
    return done.stdout


# --------------------------------------------------------------------------------------------------------------- PostgreSQL


def postgres_programs():
    on_path = [pathlib.Path(place) for place in os.environ["PATH"].split(":")]
    debian = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parts[-2]), reverse=True)
    for place in on_path + debian:
        if all((place / name).exists() for name in ("initdb", "pg_basebackup", "pg_ctl", "postgres", "psql")):
            return place
    raise Trouble("PostgreSQL is missing; Debian: apt-get install postgresql")


class Postgres:
    """A server in a directory of its own, which it refuses to run in as root."""

    def __init__(self, directory, address="127.0.0.1"):
        self.programs, self.directory, self.address, self.port = postgres_programs(), directory, address, free_port()
        self.data, self.process = directory / "data", None
        self.directory.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.directory, NOBODY, NOBODY)

    def drop_root(self):
        return ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"] if os.geteuid() == 0 else []

    def run(self, *argv):
        return run(["setpriv", *self.drop_root(), *argv], cwd="/", env=dict(os.environ, HOME=str(self.directory)))

    def make(self):
        self.run(self.programs / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        with open(self.data / "pg_hba.conf", "a", encoding="ascii") as rules:
            rules.write("host all all 0.0.0.0/0 trust\nhost replication all 0.0.0.0/0 trust\n")
        return self

    def copy_of(self, primary):
        self.run(self.programs / "pg_basebackup", "-h", "127.0.0.1", "-p", primary.port, "-U", "postgres", "-D", self.data, "-R", "-X", "stream", "-c", "fast")
        return self

    def start(self):
        options = ["-k", self.directory, "-p", self.port, "-c", f"listen_addresses={self.address}", "-c", "max_connections=200"]
        options += ["-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"]
        with open(self.directory / "log", "ab") as log:
            argv = ["setpriv", *self.drop_root(), "--pdeathsig", "QUIT", self.programs / "postgres", "-D", self.data, *options]
            self.process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        until("PostgreSQL to start", self.answers)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise Trouble(f"PostgreSQL ended: {(self.directory / 'log').read_text(errors='replace')[-2000:]}")
        try:
            return self.sql("SELECT 1") == "1"
        except Trouble:
            return False

    def has_ended(self):
        return self.process.poll() is not None

    def stop(self, how=signal.SIGQUIT):
        """As if the machine had ended; SIGINT in order."""
        self.process.send_signal(how)
        self.process.wait()

    def sql(self, statement, database="postgres"):
        argv = [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres"]
        return run([*argv, "-d", database, "-c", statement], env=dict(os.environ, PGCONNECT_TIMEOUT="5")).strip()

    def promote(self):
        self.run(self.programs / "pg_ctl", "promote", "-w", "-D", self.data)


# ----------------------------------------------------------------------------------------------------------------- Claviger


class Process:
    """`claviger serve`, a control plane or a sidecar, in a namespace of its own where `place` has one."""

    def __init__(self, name, directory, place, binary):
        self.name, self.place, self.binary, self.preload = name, place, binary, {}
        self.directory = directory / name
        self.directory.mkdir()
        self.configuration = self.directory / "claviger.toml"
        self.proxy, self.admin, self.ops = free_port(), free_port(), free_port()
        self.process = None

    def configure(self, store, upstream):
        has_admin = self.name.startswith("plane")
        config = f"""
[proxy]
listen = "{self.place.listen}:{self.proxy}"
threads = 1
[upstream]
url = "http://{self.place.upstream}:{upstream}"
[ops]
listen = "{self.place.listen}:{self.ops}"
[token]
issuer = "http://127.0.0.1:{self.ops}"
keys = "{self.directory}/keys"
[admin]
listen = "{f"{self.place.admin_listen}:{self.admin}" if has_admin else "off"}"
{f"requests_per_second = 1000000{chr(10)}insecure = true" if has_admin else ""}
[store]
{store}
max_staleness = "{MAX_STALENESS}s"
[log]
format = "json"
access = "none"
"""
        self.configuration.write_text(config)

    def start(self, patience=60.0, wait=True):
        argv = [*self.place.enter, *ends_with_us("KILL", [self.binary, "serve", "--config", self.configuration])]
        environment = {"PATH": "/usr/bin:/bin", "CLAVIGER_DRAIN_DELAY": "0s", **self.preload}
        if self.name.startswith("plane"):
            environment["CLAVIGER_BOOTSTRAP_KEY"] = os.environ["CLAVIGER_FLEET_ROOT"]
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        if wait:
            until(f"{self.name} to be ready", self.is_ready, patience)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise Trouble(f"{self.name} ended: {self.said()[-2000:]}")
        return self.asked(self.ops, "/readyz") == 200

    def asked(self, port, path="/", key=None, timeout=5):
        connection = http.client.HTTPConnection(self.place.address, port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def got(self, path):
        """What the ops listener says there."""
        connection = http.client.HTTPConnection(self.place.address, self.ops, timeout=5)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def metrics(self):
        return dict(line.rsplit(" ", 1) for line in self.got("/metrics").splitlines() if not line.startswith("#"))

    def said(self):
        return (self.directory / "log").read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """In order."""
        self.process.terminate()
        self.process.wait(60)


class HostPlace:
    """On this machine's loopback interface."""

    listen, admin_listen, address, upstream, enter = "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", []


# ------------------------------------------------------------------------------------------------------------------- driver


class Driver:
    """A process that makes the load and judges every answer: `cargo run --example drive`, or `soak`."""

    def __init__(self, binary, log):
        self.log = open(log, "ab")
        self.process = subprocess.Popen(ends_with_us("KILL", [binary]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.events, self.kept = queue.Queue(), []
        self.violations = []
        threading.Thread(target=self.listen, daemon=True).start()
        self.ready = self.await_event("ready")

    def listen(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({"event": "broken", "why": "it has ended"})

    def tell(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def await_event(self, name, patience=60.0):
        deadline = time.monotonic() + patience
        while True:
            with contextlib.suppress(queue.Empty):
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
                if event["event"] == "violation":
                    self.violations.append(event)
                    print(f"VIOLATION {event.get('kind')} at {event.get('target')}: {event['what']}", flush=True)
                elif event["event"] == "broken":
                    raise Trouble(f"the driver: {event['why']}; see {self.log.name}")
                elif event["event"] == name:
                    return event
                continue
            return None

    def mark(self, label):
        """Begins a phase; what the one before it has come to."""
        self.tell({"mark": label})
        return self.await_event("phase")
