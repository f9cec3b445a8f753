"""Becomes a container's process, as a runtime makes one: `contained.py SPECIFICATION`, as root, in namespaces made for it.

The specification is JSON: `root`, `mounts` ([source, target, read-only]), `user`, `group`, `groups`, `directory`, `argv`, `environment`. What is
not done here is seccomp.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
DEVICES = ("null", "zero", "full", "random", "urandom")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def bind(source, target, read_only):
    # A runtime makes them in a layer of the container's own.
    os.makedirs(target, exist_ok=True)
    mount("--bind", source, target)
    if read_only:
        mount("-o", "remount,bind,ro", target)


def main():
    told = json.loads(sys.argv[1])
    root = told["root"]
    mount("--bind", root, root)
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", f"{root}/proc")
    mount("-t", "tmpfs", "-o", "nosuid,mode=755,size=64k", "devices", f"{root}/dev")
    for device in DEVICES:
        pathlib.Path(root, "dev", device).touch()
        mount("--bind", f"/dev/{device}", f"{root}/dev/{device}")
    for source, target, read_only in told["mounts"]:
        bind(source, root + target, read_only)
    mount("-o", "remount,bind,ro", root)
    os.chroot(root)
    os.chdir(told["directory"])
    of_system = ctypes.CDLL(None, use_errno=True)
    capability = 0
    while of_system.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    os.setgroups(told["groups"])
    os.setresgid(*[told["group"]] * 3)
    os.setresuid(*[told["user"]] * 3)
    if of_system.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    os.execve(told["argv"][0], told["argv"], told["environment"])


main()
