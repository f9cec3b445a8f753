"""What the store holds in the end, against what was acknowledged."""

import json
import subprocess

FEED_KEEPS = 10_000


def faults_of(postgres, database, finished, binary, url):
    """Sentences; none: nothing that was acknowledged is lost, and the audit has each change once."""
    faults = []

    def asked(statement):
        return json.loads(postgres.sql(f"SELECT coalesce(json_agg(row), '[]') FROM ({statement}) AS row", database))

    entries = asked("SELECT revision, action, resource FROM audit WHERE revision IS NOT NULL ORDER BY revision")
    revisions = [entry["revision"] for entry in entries]
    if revisions != list(range(1, len(revisions) + 1)):
        faults.append(f"the audit has {len(revisions)} changes up to revision {revisions[-1]}: some are missing, or there twice")
    if asked("SELECT revision FROM state") != [{"revision": len(revisions)}]:
        faults.append("the store's revision is not that of the last entry of the audit")
    # The feed keeps the last ones; whoever asks for older ones is told to read everything.
    kept = [change["revision"] for change in asked("SELECT revision FROM changes ORDER BY revision")]
    if kept != list(range(max(1, len(revisions) - FEED_KEEPS + 1), len(revisions) + 1)):
        faults.append(f"the feed has {len(kept)} changes, from {kept[:1]} to {kept[-1:]}, after {len(revisions)}: some are missing")
    by_revision = {entry["revision"]: (entry["action"], entry["resource"]) for entry in entries}
    told = set()
    for change in finished["acknowledged"]:
        revision = change["revision"]
        if revision is None:
            continue
        if revision in told:
            faults.append(f"revision {revision} was acknowledged twice: {change}")
        told.add(revision)
        if by_revision.get(revision) != (change["action"], change["resource"]):
            faults.append(f"{change} was acknowledged, and the audit has {by_revision.get(revision)}")

    state = finished["state"]
    life = {key["id"]: "revoked" if key["revoked_at"] else "disabled" if key["disabled_at"] else "active" for key in asked("SELECT id, revoked_at, disabled_at FROM keys")}
    roles, groups, bound = {}, {}, []
    for binding in asked("SELECT key_id, group_name, role, space FROM bindings"):
        if binding["key_id"] is None:
            bound.append(binding["group_name"])
        elif binding["role"] != "base":
            roles.setdefault(binding["key_id"], []).append(f"{binding['role']}@{binding['space']}")
    for member in asked("SELECT key_id, group_name FROM memberships"):
        groups.setdefault(member["key_id"], []).append(member["group_name"])
    for key in state["keys"]:
        kept = (life.get(key["id"]), sorted(roles.get(key["id"], [])), sorted(groups.get(key["id"], [])))
        wanted = (key["life"], sorted(key["roles"]), sorted(key["groups"]))
        # What a revoked key held goes with it.
        if kept != wanted and not (kept[0] == wanted[0] == "revoked"):
            faults.append(f"key {key['id']} is {kept} in the store; acknowledged was {wanted}")
    if sorted(bound) != sorted(state["bound"]):
        faults.append(f"groups {bound} are bound in the store; acknowledged were {state['bound']}")
    actions = asked("SELECT actions FROM roles WHERE id = 'base'")[0]["actions"]
    if json.loads(actions) != [f"thing:a{state['actions']}"]:
        faults.append(f"the role has the actions {actions}; acknowledged was {state['actions']}")

    verified = subprocess.run([binary, "audit", "verify", "--store", url], capture_output=True, text=True, check=False)
    if verified.returncode:
        faults.append(f"claviger audit verify: {verified.stdout}{verified.stderr}")
    return faults
