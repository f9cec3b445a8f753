"""Namespaces of this run's own, and wires between them that lose, delay and swallow what they carry.

A place has two ways out: a pair of veth, by which clients and the upstream are reached, and a wire: two TUN devices, one in each namespace,
between which a process carries every packet, or does not. Kernels without netem can do this, too.
"""

import fcntl
import heapq
import os
import pathlib
import random
import select
import struct
import subprocess
import sys
import time

from machines import Trouble, ends_with_us, run, until

TUNSETIFF = 0x400454CA
TUN_WITHOUT_HEAD = 0x0001 | 0x1000


class FarPlace:
    """A namespace that is reached by 10.77.N.2, and whose wire has 10.78.N.1 at our end."""

    listen, admin_listen = "0.0.0.0", "0.0.0.0"

    def __init__(self, number):
        self.holder = subprocess.Popen(ends_with_us("KILL", ["unshare", "--net", "sleep", "infinity"]))
        pid = self.holder.pid
        until("the namespace", lambda: os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        self.address, self.upstream, self.back = f"10.77.{number}.2", f"10.77.{number}.1", f"10.78.{number}.1"
        self.enter = ["nsenter", "--target", str(pid), "--net"]
        run(["ip", "link", "add", f"front{number}", "type", "veth", "peer", "name", "front", "netns", pid])
        run(["ip", "address", "add", f"{self.upstream}/24", "dev", f"front{number}"])
        run(["ip", "link", "set", f"front{number}", "up"])
        for more in (["address", "add", f"{self.address}/24", "dev", "front"], ["link", "set", "front", "up"], ["link", "set", "lo", "up"]):
            run([*self.enter, "ip", *more])
        wire = ends_with_us("KILL", [sys.executable, "-B", pathlib.Path(__file__), str(number), str(pid)])
        self.wire = subprocess.Popen(wire, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.wire.stdout.readline() != "ready\n":
            raise Trouble("the wire is not there")

    def be(self, what):
        """`drop`, `delay SECONDS`, `lose SHARE` or `sound`."""
        self.wire.stdin.write(what + "\n")
        self.wire.stdin.flush()


def alone():
    """This process goes on in namespaces of its own, whose network is only what is made here."""
    if os.environ.get("CLAVIGER_FLEET_ALONE") != "yes":
        if os.geteuid() != 0:
            raise Trouble("faults need root: for namespaces, a disk that is full, and other clocks")
        os.environ["CLAVIGER_FLEET_ALONE"] = "yes"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    run(["ip", "link", "set", "lo", "up"])
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def room(directory, size):
    """A small disk there."""
    directory.mkdir()
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", directory])
    return directory


# ----------------------------------------------------------------------------------------------------------- the wire itself


def device(name):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), TUN_WITHOUT_HEAD))
    return tun


def up(name, address):
    run(["ip", "address", "add", f"{address}/24", "dev", name])
    run(["ip", "link", "set", name, "up"])


def carry(number, pid):
    here = device(f"wire{number}")
    up(f"wire{number}", f"10.78.{number}.1")
    import ctypes

    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    there = device("wire")
    up("wire", f"10.78.{number}.2")
    run(["ip", "route", "add", "default", "via", f"10.78.{number}.1"])
    print("ready", flush=True)
    other, delay, lose, under_way, count = {here: there, there: here}, 0.0, 0.0, [], 0
    os.set_blocking(0, False)
    while True:
        pause = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select([here, there, 0], [], [], pause)
        for one in readable:
            if one == 0:
                said = os.read(0, 4096).decode().split("\n")
                if said == [""]:
                    return
                for what in filter(None, said):
                    word, _, value = what.partition(" ")
                    delay = float(value) if word == "delay" else 0.0
                    lose = {"drop": 1.0, "lose": float(value or 0)}.get(word, 0.0)
                continue
            for _ in range(64):
                try:
                    packet = os.read(one, 65536)
                except BlockingIOError:
                    break
                if lose and random.random() < lose:
                    continue
                if delay:
                    count += 1
                    heapq.heappush(under_way, (time.monotonic() + delay, count, other[one], packet))
                else:
                    send(other[one], packet)
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(under_way)
            send(to, packet)


def send(to, packet):
    try:
        os.write(to, packet)
    except OSError:
        # As any network does with what it has no room for.
        pass


if __name__ == "__main__":
    carry(*sys.argv[1:3])
