"""What rules that count come to, as `src/policy/gate.rs` reads them and written down once more; and what Claviger itself says, by
`claviger policy eval`.

An answer to a question is a verdict, `{"allow": …, …, "roles": {(space, role)}, "teams": {…}}`, or `{"failed": why}`.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile

OLDER = {"space_admin": "space-admin", "space_write": "space-writer", "space_read": "space-reader"}
FLAGS = ["allow", "deny", "admin", "deny_admin", "sample"]


class Unreadable(Exception):
    """A rule that counts has a value of the wrong type."""


def names(value):
    """The names in a set, an array, or an object of booleans. Innermost values are as they are, so a name is a string."""
    if "a" in value:
        found = value["a"]
    elif "o" in value:
        pairs = [(key, held) for key, held in value["o"]]
        if any(held is not True and held is not False for _, held in pairs):
            raise Unreadable
        found = [key for key, held in pairs if held]
    else:
        raise Unreadable
    if not all(isinstance(name, str) for name in found):
        raise Unreadable
    return found


def verdict(rules):
    """`{rule: [value]}`, each value taken apart: `{"s": scalar}`, `{"a": items of an array or a set}`, `{"o": [[key, value]]}`, two levels
    deep; or no value at all."""
    read = {flag: False for flag in FLAGS} | {"roles": set(), "teams": set()}
    for rule, values in rules.items():
        for value in values:
            if rule in FLAGS:
                if not isinstance(value.get("s"), bool):
                    raise Unreadable
                read[rule] = value["s"]
            elif rule == "roles":
                for space, roles in value["o"] if "o" in value else fail():
                    if not isinstance(space, str):
                        raise Unreadable
                    read["roles"] |= {(space, role) for role in names(roles)}
            elif rule == "team":
                read["teams"] |= set(names(only_flat(value)))
            else:
                read["roles"] |= {(space, OLDER[rule]) for space in names(only_flat(value))}
    return read


def only_flat(value):
    """An object's values were taken apart as if there were another object within."""
    return {"o": [[key, held.get("s")] for key, held in value["o"]]} if "o" in value else value


def fail():
    raise Unreadable


def of_documents(rules):
    """The same of plain documents, as OPA answers with them in JSON: that knows no sets, and no keys but strings."""

    def apart(value, levels):
        if isinstance(value, list):
            return {"a": value}
        if isinstance(value, dict):
            return {"o": [[key, apart(held, levels - 1) if levels else held] for key, held in value.items()]}
        return {"s": value}

    try:
        return verdict({rule: [apart(value, 1)] for rule, value in rules.items()})
    except Unreadable:
        return {"failed": "a rule that counts has the wrong type"}


class Claviger:
    """`claviger policy eval`, asked about many programs at once."""

    def __init__(self, binary):
        self.binary = str(pathlib.Path(binary).resolve())
        self.environment = {
            # As much as anybody may need: the machine may be busy.
            "CLAVIGER_POLICIES__TIME_LIMIT": "5s",
            **{name: value for name, value in os.environ.items() if name.startswith("CLAVIGER_")},
        }

    def start(self, texts, rego, questions):
        """Begins to ask, about texts of one version (`v0`, `v1`, `auto`); `finish` has the answers."""
        place = tempfile.TemporaryDirectory(prefix="programs-")
        directory = pathlib.Path(place.name)
        (directory / "inputs").write_text("\n".join(map(json.dumps, questions)) + "\n")
        files = []
        for number, text in enumerate(texts):
            (directory / f"p{number}.rego").write_text(text)
            files.append(f"p{number}.rego")
        line = [self.binary, "policy", "eval", "-o", "json", "--rego", rego, "--input", "inputs", "--file", *files]
        child = subprocess.Popen(line, cwd=directory, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return place, child, texts, rego, questions

    def finish(self, begun):
        place, child, texts, rego, questions = begun
        try:
            out, err = child.communicate(timeout=60 + 5 * len(texts))
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            err += b"it did not end"
        place.cleanup()
        answers = self.read(out, len(texts))
        missing = [number for number, found in enumerate(answers) if not isinstance(found, dict) and len(found) < len(questions)]
        if len(texts) == 1:
            return [{"crashed": err.decode(errors="replace")[-300:]}] if missing else answers
        for number in missing:
            answers[number] = self.ask([texts[number]], rego, questions)[0]
        return answers

    def ask(self, texts, rego, questions):
        return self.finish(self.start(texts, rego, questions)) if texts else []

    @staticmethod
    def read(out, count):
        answers = [[] for _ in range(count)]
        for line in out.splitlines():
            try:
                told = json.loads(line)
                number = int(told["policy"].removeprefix("p"))
            except (ValueError, KeyError, TypeError):
                continue
            if "faults" in told:
                first = next((fault for fault in told["faults"] if fault.get("severity", "error") == "error"), told["faults"][0])
                every = [f"{fault['message']}\n{fault['suggestion']}" for fault in told["faults"]]
                answers[number] = {"refused": first["message"], "line": first["line"], "all": "\n".join(every)}
            elif "error" in told:
                answers[number].append({"failed": told["error"].split(" failed: ", 1)[-1]})
            else:
                said = told["verdict"]
                roles = {(given["space"], given["role"]) for given in said["roles"]}
                answers[number].append({flag: said[flag] for flag in FLAGS} | {"roles": roles, "teams": set(said["teams"])})
        return answers


def lets_in(said):
    return (said["allow"] or (said["admin"] and not said["deny_admin"])) and not said["deny"]


def compared(theirs, ours):
    """How two answers to one question differ; `None` if they do not."""
    if "failed" in theirs or "failed" in ours:
        if "failed" in theirs and "failed" in ours:
            return None
        if "failed" in theirs:
            return f"OPA ends, we answer: {blurred(theirs['failed'])}"
        return f"we end, OPA answers: {blurred(ours['failed'])}"
    if theirs == ours:
        return None
    loose = [flag for flag in ("deny", "deny_admin") if theirs[flag] and not ours[flag]]
    more = [flag for flag in ("allow", "admin") if ours[flag] and not theirs[flag]]
    if (lets_in(ours) and not lets_in(theirs)) or loose or more or ours["roles"] - theirs["roles"]:
        return "we give more"
    if ours["roles"] != theirs["roles"] or any(ours[flag] != theirs[flag] for flag in FLAGS):
        return "we give less"
    return "other values"


def blurred(message):
    """A message without what is another for each policy."""
    message = message.removeprefix("bundle activation failed: ")
    message = re.sub(r"^\d+ errors? occurred:\s*", "", message).split("\n")[0]
    message = re.sub(r"^\S*?:\d+(:\d+)?: ", "", message)
    message = re.sub(r"^line \d+: |, line \d+", "", message)
    message = re.sub(r"`[^`]*`|“[^”]*”|\"[^\"]*\"", "…", message)
    message = re.sub(r"\b(var|rule|function|ref:?|rules?|arg|call to) \S+", r"\1 …", message)
    message = re.sub(r"data\.\S+", "…", message)
    return re.sub(r"\d+", "N", message)[:110]


def told(said):
    if "failed" in said:
        return "ends: " + said["failed"].split("\n")[0]
    parts = [flag for flag in FLAGS if said[flag]] + [f"{role}@{space}" for space, role in sorted(said["roles"])] + sorted(said["teams"])
    return ", ".join(parts) or "nothing"
