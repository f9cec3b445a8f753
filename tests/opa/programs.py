"""Asks OPA and Claviger about random login policies, and tells where they differ.

    python3 tests/opa/programs.py --library LIBOPABRIDGE.SO --claviger target/dist/claviger --seed 1 --count 20000
    python3 tests/opa/programs.py … --seed 1 --only 4711          # one program: its text, and every answer
    python3 tests/opa/programs.py … --files a.rego b.rego         # not random ones, but these

`drawn.py` draws the programs and their inputs, five to each: a seed and a number are one program, and its inputs, for ever. OPA is asked in this
process (see opa.py), Claviger by `claviger policy eval`, many programs to a process. What differs is made smaller while it differs
(`smaller.py`), and shown by class. CLAVIGER_… in the environment is handed on: `CLAVIGER_POLICIES__EVALUATOR=regorus` asks the other evaluator.

What is refused here alone is counted apart where the reason is that a rule that counts has a value that no login policy can have, or that two
values meet for the samples that each policy is tried with when it is saved: OPA, asked about these samples, ends with an error, too.

The exit code is 1 if anything means another thing here, if what OPA refuses is taken (but for its types, which OPA infers across rules), or if
nothing was compared.
"""

import argparse
import collections
import json
import multiprocessing
import pathlib
import re
import resource
import sys
import time

import drawn
import library
import opa
import reading
import smaller

# Programs to a process.
BATCH = 40
# How Claviger reads the rules that count (`src/policy/gate.rs`) takes sets apart from objects, and keys that are strings from those that
# are not; the JSON that OPA answers with does not.
GATE = """package claviger_gate
import rego.v1
inner(x) := {"o": [[k, v] | some k, v in x]} if is_object(x)
inner(x) := {"a": [v | some v in x]} if is_array(x)
inner(x) := {"a": [v | some v in x]} if is_set(x)
inner(x) := {"s": x} if { not is_object(x); not is_array(x); not is_set(x) }
outer(x) := {"o": [[k, inner(v)] | some k, v in x]} if is_object(x)
outer(x) := inner(x) if not is_object(x)
"""


def counted(text):
    return [rule for rule in opa.RULES if re.search(rf"\b{rule}\b", text)]


# ---------------------------------------------------------------------------------------------------------------- the two of them


class Opa:
    """OPA in a process of its own: it knows no limits, and there are programs that it would not end with before memory does."""

    PATIENCE = 10
    MEMORY = 8 << 30

    def __init__(self, path):
        self.path, self.worker = path, None

    def ask(self, text, is_v0, questions):
        """`{"refused": message}`, `{"endless": True}`, or for each question a verdict or `{"failed": message}`."""
        if self.worker is None:
            self.pipe, theirs = multiprocessing.Pipe()
            self.worker = multiprocessing.Process(target=work, args=(self.path, theirs), daemon=True)
            self.worker.start()
            theirs.close()
        try:
            self.pipe.send((text, is_v0, questions))
            if self.pipe.poll(self.PATIENCE):
                return self.pipe.recv()
        except (EOFError, OSError):
            pass
        self.worker.kill()
        self.worker.join()
        self.worker = None
        return {"endless": True}


def work(path, pipe):
    resource.setrlimit(resource.RLIMIT_AS, (Opa.MEMORY, Opa.MEMORY))
    engines = library.Library(path)
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        pipe.send(of_opa(engines, *asked))


def of_opa(engines, text, is_v0, questions):
    gate = GATE + "result := {" + ", ".join(f'"{rule}": [outer(v) | v := data.spacelift.{rule}]' for rule in counted(text)) + ', "": []}\n'
    try:
        with engines.engine([("policy.rego", text, is_v0), ("gate.rego", gate, is_v0)]) as engine:
            return [answer(engine, question) for question in questions]
    except library.Refused as refused:
        return {"refused": str(refused)}


def answer(engine, question):
    try:
        rules = engine.document("claviger_gate.result", question)
        return reading.verdict({rule: values for rule, values in rules.items() if rule})
    except library.Failed as failed:
        return {"failed": str(failed)}
    except reading.Unreadable:
        return {"failed": "a rule that counts has the wrong type"}


# --------------------------------------------------------------------------------------------------------------------- classes


# What a rule that counts may not be.
VALUES = re.compile(r"must be (true or false|a set of names|names that|roles by space|a set of roles|an object whose keys)")
CONFLICTS = re.compile(r"two different values|two rules give different values")


def sample(login, teams, address, second, is_admin, instance="instance", key="01hv0000000000000000000000"):
    """As `src/policy/input.rs` has it."""
    return {
        "attachment": None,
        "request": {"client_certificate": None, "remote_ip": address, "timestamp_ns": second * 10**9},
        "roles": [{"id": "space-reader", "name": "Reader", "slug": "space-reader"}],
        "session": {
            "account_name": instance, "actor": f"api::{key}", "admin": is_admin, "api_key_id": key, "creator_ip": address, "login": login,
            "machine": True, "member": True, "name": login, "stack_id": "", "teams": teams,
        },
        "spaces": [{"id": "root", "labels": ["team:platform"], "name": "root", "parent": None}],
    }


SAMPLES = [
    sample("", [], "0.0.0.0", 0, False, "", "") | {"roles": [], "spaces": []},
    sample("ci-1", [], "10.0.0.1", 1780000000, False),
    sample("alice", ["platform"], "192.0.2.7", 1780030000, False),
    sample("Ops 2", ["platform", "ops", "DevOps Team"], "2001:db8::7", 1780300000, True),
]


def class_of(theirs, ours):
    """The class of a program, and the number of the question that shows it."""
    refused, are_refused = "refused" in theirs, isinstance(ours, dict)
    if "endless" in theirs:
        return "OPA fails", 0
    if are_refused and "crashed" in ours:
        return "WE CRASH", 0
    if refused and "runtime error" in theirs["refused"]:
        # A panic within its compiler.
        return "OPA fails", 0
    if refused and are_refused:
        return "both refuse", 0
    if refused:
        what = "OPA refuses its types" if "rego_type_error" in theirs["refused"] else "OPA refuses"
        return f"{what}, we take: {reading.blurred(theirs['refused'])}", 0
    if are_refused:
        return f"we refuse, OPA takes: {reading.blurred(ours['refused'])}", 0
    found = [(reading.compared(one, other), number) for number, (one, other) in enumerate(zip(theirs, ours))]
    found = [(kind, number) for kind, number in found if kind]
    return min(found, key=lambda item: rank(item[0])) if found else ("agree", 0)


# The worst first. Up to the last of these an answer, or a policy, means another thing here.
RANKS = ["WE CRASH", "we give more", "OPA ends", "we give less", "other values", "we end", "OPA refuses,", "we refuse", "no login policy", "OPA refuses its types"]
BAD = RANKS.index("OPA refuses,")


def rank(kind):
    return next((number for number, begin in enumerate(RANKS) if kind.startswith(begin)), len(RANKS))


# ------------------------------------------------------------------------------------------------------------------------ runs


class Both:
    def __init__(self, arguments):
        self.opa = Opa(arguments.library.resolve())
        self.claviger = reading.Claviger(arguments.claviger)

    def classes(self, texts, is_v0, questions):
        begun = self.claviger.start(texts, "v0" if is_v0 else "v1", questions)
        theirs = [self.opa.ask(text, is_v0, questions) for text in texts]
        ours = self.claviger.finish(begun)
        return [(self.looked_into(class_of(one, other), text, is_v0, other), one, other) for text, one, other in zip(texts, theirs, ours)]

    def looked_into(self, found, text, is_v0, ours):
        """Whether what is refused here alone could be a login policy."""
        kind, number = found
        if not kind.startswith("we refuse"):
            return found
        is_none = VALUES.search(ours["refused"])
        if CONFLICTS.search(ours["refused"]):
            said = self.opa.ask(text, is_v0, SAMPLES)
            is_none = isinstance(said, list) and any("failed" in one for one in said)
        return (f"no login policy, OPA takes it: {reading.blurred(ours['refused'])}" if is_none else kind), number


def run(arguments):
    both, tally, examples = Both(arguments), collections.Counter(), collections.defaultdict(list)
    answers, taken, begun = collections.Counter(), 0, time.monotonic()
    for first in range(arguments.first, arguments.first + arguments.count, BATCH):
        questions = drawn.inputs(arguments.seed, first // BATCH)
        numbers = range(first, min(first + BATCH, arguments.first + arguments.count))
        programs = {number: drawn.program(arguments.seed, number) for number in numbers}
        for is_v0 in (False, True):
            group = {number: program for number, program in programs.items() if program.is_v0 == is_v0}
            found = both.classes([program.text() for program in group.values()], is_v0, questions)
            for (number, program), ((kind, question), theirs, ours) in zip(group.items(), found):
                tally[kind] += 1
                taken += isinstance(theirs, list)
                if isinstance(theirs, list) and isinstance(ours, list):
                    answers.update(reading.compared(one, other) or "agree" for one, other in zip(theirs, ours))
                if kind not in ("agree", "both refuse"):
                    examples[kind].append((number, program, questions[question]))
        if arguments.verbose:
            print(f"{first + len(numbers)} programs, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    report(tally, answers, taken, time.monotonic() - begun)
    for kind in sorted(examples, key=lambda kind: (rank(kind), -tally[kind])):
        print(f"\n=== {kind}: {tally[kind]}, e.g. {', '.join(str(number) for number, _, _ in examples[kind][:8])}")
        if kind == "OPA fails" or arguments.skip and re.search(arguments.skip, kind):
            continue
        for _, program, question in shortest(examples[kind])[: arguments.examples]:
            show(both, kind, program, question)
    bad = sum(count for kind, count in tally.items() if rank(kind) <= BAD)
    return 1 if bad or not tally["agree"] else 0


def shortest(examples):
    return sorted(examples, key=lambda example: len(example[1].text()))


def report(tally, answers, taken, seconds):
    total = sum(tally.values())
    refused = sum(count for kind, count in tally.items() if kind.startswith("we refuse"))
    loose = sum(count for kind, count in tally.items() if kind.startswith("OPA refuses"))
    typed = sum(count for kind, count in tally.items() if kind.startswith("OPA refuses its types"))
    print(f"{total} programs in {seconds:.0f} s; OPA takes {taken}")
    print(f"  refused by both: {tally['both refuse']}; by OPA alone: {loose}, of these {typed} for types")
    none = sum(count for kind, count in tally.items() if kind.startswith("no login policy"))
    print(f"  refused by us alone: {refused + none}; {none} are no login policies by the value of a rule that counts, or as two values meet")
    print(f"  refused by us alone for other reasons: {refused}, {100 * refused / max(taken, 1):.2f} % of what OPA takes")
    print(f"  taken by both, all answers agree: {tally['agree']}")
    print(f"answers of what both take: {sum(answers.values())}, of these")
    for kind, count in answers.most_common():
        print(f"  {count:7} {kind}")


def show(both, kind, program, question):
    """An example, as small as it can be made."""
    is_v0 = program.is_v0

    def keeps(texts):
        return [found == kind for (found, _), _, _ in both.classes(texts, is_v0, [question])]

    text = smaller.program(program, keeps)
    if "refuse" not in kind:
        question = smaller.question(question, lambda questions: [both.classes([text], is_v0, [one])[0][0][0] == kind for one in questions])
    (_, theirs, ours), = both.classes([text], is_v0, [question])
    print(f"--- {'v0' if is_v0 else 'v1'}" + ("" if "refuse" in kind else f", input {json.dumps(question)}"))
    print(text.rstrip())
    print(f"    OPA  {told(theirs)}")
    print(f"    here {told(ours)}")
    sys.stdout.flush()


def told(answers):
    if isinstance(answers, dict):
        return answers.get("refused") or str(answers)
    return "; ".join(reading.told(one) for one in answers)


def show_one(arguments):
    both = Both(arguments)
    program, questions = drawn.program(arguments.seed, arguments.only), drawn.inputs(arguments.seed, arguments.only // BATCH)
    print(program.text())
    (found, theirs, ours), = both.classes([program.text()], program.is_v0, questions)
    print(found)
    for number, question in enumerate(questions):
        print(f"--- {json.dumps(question)}")
        for who, answers in (("OPA ", theirs), ("here", ours)):
            print(f"    {who} {told(answers) if isinstance(answers, dict) else told([answers[number]])}")


def show_files(arguments):
    both = Both(arguments)
    questions = drawn.inputs(arguments.seed, 0)
    if arguments.input:
        questions = [json.loads(line) for line in arguments.input.read_text().splitlines()]
    for file in arguments.files:
        (found, theirs, ours), = both.classes([file.read_text()], arguments.rego == "v0", questions)
        print(f"{file}: {found[0]}\n    OPA  {told(theirs)}\n    here {told(ours)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, type=pathlib.Path)
    parser.add_argument("--claviger", required=True, type=pathlib.Path)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--examples", type=int, default=1, help="how many of each class are made smaller and shown")
    parser.add_argument("--skip", help="of classes that match, none is shown")
    parser.add_argument("--only", type=int, help="show one program")
    parser.add_argument("--files", nargs="+", type=pathlib.Path)
    parser.add_argument("--input", type=pathlib.Path, help="with --files: inputs, one a line")
    parser.add_argument("--rego", default="v1", help="with --files: v0 or v1")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if arguments.files:
        return show_files(arguments)
    if arguments.only is not None:
        return show_one(arguments)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
