"""Tries the admin API of a binary, as it is shipped, by its own description: schemathesis with all checks on.

    python3 tests/api/fuzzed.py --claviger target/dist/claviger --as root-admin
    python3 tests/api/fuzzed.py --claviger target/dist/claviger --as space-admin
    python3 tests/api/fuzzed.py --claviger target/dist/claviger --as sidecar

The requests are the same each time. Besides what schemathesis checks, each operation that the caller may do must have been done at least once,
and the server must still be there. The exit code is 1 if anything is wrong.
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

sys.dont_write_bytecode = True

import served

HERE = pathlib.Path(__file__).parent
BINDINGS = {"root-admin": "space-admin@root", "space-admin": "space-admin@team", "sidecar": "replica@root"}
# What a space admin may do in the own space or wherever it is; all else is for root admins, and for sidecars.
OF_SPACE_ADMINS = {
    "access_access", "bindings_create", "bindings_delete", "bindings_list", "bindings_show", "changes_make", "groups_list", "groups_show",
    "keys_effective", "keys_list", "keys_show", "replicas_list", "roles_list", "roles_show", "spaces_create", "spaces_delete", "spaces_list",
    "spaces_show", "spaces_update", "whoami_show",
}  # fmt: skip
# What sidecars do, and nobody else may.
OF_SIDECARS = {"feed_changes", "feed_forget", "feed_key", "feed_report", "feed_samples", "feed_snapshot", "feed_uses"}
# What every key may do: see itself, and have no changes made.
OF_EVERYBODY = {"changes_make", "whoami_show"}
# No request is forwarded here, so that none is kept.
NOTHING_THERE = {"samples_show"}


def asked(url, key):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    return json.load(urllib.request.urlopen(request))


def operations(description):
    return {operation["operationId"] for path in description["paths"].values() for operation in path.values() if "operationId" in operation}


def tried(server, who, examples):
    """Whether schemathesis is content, and which operation has answered what how often."""
    root = server.key("root", "space-admin@root")
    server.run("space", "create", "team", "--parent", "root")
    caller = server.key("caller", BINDINGS[who])
    own, roots = (asked(f"{server.admin}/api/v1/whoami", made["key"])["key"] for made in (caller, root))
    kept = [kept["id"] for key in (own, roots) for kept in (key, *key["bindings"])]
    answers = pathlib.Path(server.folder.name, "answers")
    environment = {
        **os.environ,
        "ADMIN_URL": server.admin,
        "ANSWERS": str(answers),
        "API_KEY": caller["key"],
        "KEPT": json.dumps(kept),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(HERE),
        "ROOT_KEY": root["key"],
    }
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "--no-color", "run", "--checks", "all"]
    command += ["--max-examples", str(examples), f"{server.admin}/openapi.json"]
    done = subprocess.run(command, env=environment, cwd=server.folder.name)
    assert asked(f"{server.admin}/api/v1/whoami", caller["key"])["key"]["id"] == own["id"]
    return done.returncode == 0, collections.Counter(tuple(line.split()) for line in answers.read_text().splitlines())


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--claviger", required=True)
    arguments.add_argument("--as", dest="who", required=True, choices=BINDINGS)
    arguments.add_argument("--examples", type=int, default=12, help="for each operation, besides those at the edges")
    given = arguments.parse_args()
    with served.Server(given.claviger) as server:
        content, answers = tried(server, given.who, given.examples)
        every = operations(json.load(urllib.request.urlopen(f"{server.admin}/openapi.json")))
    done = {operation for operation, status in answers if status.startswith("2")}
    theirs = {"root-admin": every - OF_SIDECARS, "space-admin": OF_SPACE_ADMINS, "sidecar": OF_SIDECARS | OF_EVERYBODY}[given.who]
    missed, beyond = theirs - NOTHING_THERE - done, done - theirs
    failed = sorted(f"{operation} {status}" for operation, status in answers if status.startswith("5"))
    print(f"{sum(answers.values())} requests by a {given.who}; {len(done)} of {len(every)} operations done")
    for what, which in [("never done", missed), ("done, and not theirs to do", beyond), ("the server's fault", failed)]:
        if which:
            print(f"{what}: {', '.join(sorted(which))}")
    sys.exit(0 if content and not missed and not beyond and not failed else 1)


main()
