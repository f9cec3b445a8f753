"""What schemathesis is helped with: an address for each request, and things that are there.

Left alone, it invents ids, and nearly every operation on something answers that there is no such thing. Every second well-formed request is
therefore about something that was made for it, and names what is there.
"""

import hashlib
import http.client
import itertools
import json
import os
import urllib.parse

import schemathesis

ADMIN = urllib.parse.urlsplit(os.environ["ADMIN_URL"])
ROOT_KEY = os.environ["ROOT_KEY"]
# The ids of the caller's and the helper's own keys and bindings: what becomes of them without is no matter of this test.
KEPT = json.loads(os.environ["KEPT"])
# Each operation and the status that it has answered, a line each.
ANSWERS = open(os.environ["ANSWERS"], "w", buffering=1)
POLICY = "package spacelift\n\nallow if input.session.member\n"

number = itertools.count(1)
turns = {}


def done(method, path, body=None):
    connection = http.client.HTTPConnection(ADMIN.hostname, ADMIN.port, timeout=10)
    headers = {"Authorization": f"Bearer {ROOT_KEY}", "Content-Type": "application/json"}
    connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status in (200, 201, 204), f"{method} {path} {body}: {answer.status} {text}"
    return json.loads(text or "null")


def made(path, body):
    return done("POST", path, body)


def key():
    return made("/keys", {"name": f"made-{next(number)}"})["id"]


def space():
    return made("/spaces", {"id": f"made-{next(number)}", "parent": "team"})["id"]


def binding():
    return made("/bindings", {"subject": {"key": key()}, "role": "space-reader", "space": "team"})["id"]


def role():
    return made("/roles", {"id": f"made-{next(number)}", "actions": ["run:read"]})["id"]


def group():
    return made("/groups", {"name": f"made-{next(number)}"})["name"]


def policy():
    # All that are in force are loaded with each that is tried: some hundred would make a test of how long that takes.
    for other in done("GET", "/policies")["items"]:
        done("DELETE", f"/policies/{urllib.parse.quote(other['name'], safe='')}")
    return made("/policies", {"name": f"made-{next(number)}", "source": POLICY})["name"]


def sample():
    decided = {"decision": "allow", "code": "ok", "groups": [], "grants": [], "verdicts": []}
    return {"at": "2026-01-01T00:00:00Z", "key": {"id": key(), "name": "made"}, "answer": decided, "input": {}}


def waiting_to_sign():
    return [key["kid"] for key in done("GET", "/signing-keys")["items"] if key["state"] == "next"]


def signing_key():
    return (waiting_to_sign() or [made("/signing-keys", {})["kid"]])[0]


def none_waits_to_sign():
    for kid in waiting_to_sign():
        done("POST", f"/signing-keys/{kid}/retire", {})
    return {}


# What stands in a path, by its first segment.
THINGS = {
    "keys": key,
    "spaces": space,
    "bindings": binding,
    "roles": role,
    "groups": group,
    "policies": policy,
    "signing-keys": signing_key,
}

# What is put into a body that is well-formed already.
BODIES = {
    "bindings_create": lambda: {"subject": {"key": key()}, "role": "space-reader", "space": "team"},
    "changes_make": lambda: {"changes": [{"space.delete": {"id": space()}}], "declared": [], "only_at": None},
    "explain_explain": lambda: {"key": key()},
    "feed_key": lambda: {"sha256": hashlib.sha256(ROOT_KEY.encode()).hexdigest()},
    "feed_samples": lambda: {"samples": [sample()]},
    "groups_create": lambda: {"name": f"made-{next(number)}"},
    "keys_create": lambda: {"name": f"made-{next(number)}", "groups": [], "bindings": [], "expires_at": None},
    "keys_find": lambda: {"sha256": hashlib.sha256(ROOT_KEY.encode()).hexdigest()},
    "keys_import": lambda: {"name": f"made-{next(number)}", "groups": [], "bindings": [], "expires_at": None, "sha256": f"{next(number):064x}"},
    "keys_update": lambda: {"name": f"made-{next(number)}", "groups": [], "expires_at": None},
    "policies_create": lambda: {"name": f"{policy()}-too", "source": POLICY, "rego": None},
    "policies_replace": lambda: {"source": POLICY, "rego": None},
    "policies_simulate": lambda: {"name": f"made-{next(number)}", "source": POLICY, "rego": None, "about": "all_keys"},
    "policies_validate": lambda: {"name": f"made-{next(number)}", "source": POLICY, "rego": None},
    "roles_create": lambda: {"id": f"made-{next(number)}", "actions": ["run:read"]},
    "roles_update": lambda: {"actions": ["run:trigger"]},
    "signing_keys_activate": lambda: {"force": True},
    "signing_keys_publish": none_waits_to_sign,
    "signing_keys_retire": lambda: {"force": False},
    "spaces_create": lambda: {"id": f"made-{next(number)}", "parent": "team"},
    "spaces_update": lambda: {"parent": "team"},
}


def operation(case):
    return case.operation.definition.raw["operationId"]


def is_helped(case):
    """Whether it is this request's turn: every second one of its operation that is well-formed."""
    if not case.meta.generation.mode.is_positive:
        return False
    turns[operation(case)] = turns.get(operation(case), 0) + 1
    return turns[operation(case)] % 2 == 0


@schemathesis.hook
def filter_case(context, case):
    told = f"{case.path_parameters} {case.body}"
    return not any(id in told for id in KEPT)


@schemathesis.hook
def before_call(context, case, kwargs):
    turn = next(number)
    case.headers["X-Forwarded-For"] = f"10.{turn >> 16 & 255}.{turn >> 8 & 255}.{turn & 255}"
    if operation(case) == "feed_changes" and isinstance(wait := case.query.get("wait"), int | float):
        # As well-formed as it was, and over before the time-out.
        case.query["wait"] = min(wait, 0.05)
    if not is_helped(case):
        return
    thing = THINGS.get(case.operation.path.split("/")[1])
    for name in (case.path_parameters or {}) if thing else ():
        case.path_parameters[name] = thing()
    if operation(case) in BODIES and isinstance(case.body, dict):
        case.body.update(BODIES[operation(case)]())


@schemathesis.hook
def after_call(context, case, response):
    ANSWERS.write(f"{operation(case)} {response.status_code}\n")
