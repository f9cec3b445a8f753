"""Holds a binary to what OPA has said to a slice of the random programs: its answers are recorded in recorded.txt, so no OPA is needed.

    python3 tests/opa/recorded.py check --claviger target/release/claviger
    python3 tests/opa/recorded.py record --library LIBOPABRIDGE.SO       # asks OPA anew; after a change to drawn.py, or for another OPA

There is a line for each program: `refused`, or for each of its questions the beginning of the answer's digest or `ends`; `-` where OPA's
word is not asked for, since it refuses for types, which it infers across rules, or fails itself. The first line is a digest of what was
asked. The exit code is 1 if an answer differs, or if what OPA refuses is taken. What is refused here alone is counted, and `programs.py` tells why.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import sys

import drawn
import programs
import reading

FILE = pathlib.Path(__file__).with_name("recorded.txt")
SEED, COUNT = "recorded", 3000


def batches():
    """Numbers and programs of one version, and their questions."""
    for first in range(0, COUNT, programs.BATCH):
        drawn_here = {number: drawn.program(SEED, number) for number in range(first, min(first + programs.BATCH, COUNT))}
        for is_v0 in (False, True):
            group = {number: program.text() for number, program in drawn_here.items() if program.is_v0 == is_v0}
            yield group, is_v0, drawn.inputs(SEED, first // programs.BATCH)


def asked():
    whole = hashlib.sha256()
    for group, is_v0, questions in batches():
        whole.update(json.dumps([group, is_v0, questions], sort_keys=True).encode())
    return whole.hexdigest()


def digest(answer):
    """Five letters of one answer."""
    if "failed" in answer:
        return "ends"
    plain = {name: sorted(map(list, held)) if name == "roles" else sorted(held) if name == "teams" else held for name, held in answer.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:5]


def line(theirs):
    if isinstance(theirs, list):
        # What OPA cannot finish for a fault of its own is no answer.
        return " ".join("-" if is_own_fault(answer) else digest(answer) for answer in theirs)
    refused = theirs.get("refused", "runtime error")
    return "-" if "rego_type_error" in refused or "runtime error" in refused else "refused"


def is_own_fault(answer):
    return "runtime error" in answer.get("failed", "") or "eval_internal_error" in answer.get("failed", "")


def record(library):
    opa, lines = programs.Opa(library.resolve()), {}
    for group, is_v0, questions in batches():
        lines.update((number, line(opa.ask(text, is_v0, questions))) for number, text in group.items())
    FILE.write_text("\n".join([asked(), *(lines[number] for number in sorted(lines))]) + "\n")


def check(binary):
    claviger, tally = reading.Claviger(binary), collections.Counter()
    of_what, *lines = FILE.read_text().splitlines()
    if of_what != asked():
        print(f"{FILE.name} tells of other programs than drawn.py draws now: record OPA's answers anew")
        return 1
    for group, is_v0, questions in batches():
        for number, ours in zip(group, claviger.ask(list(group.values()), "v0" if is_v0 else "v1", questions)):
            tally.update(of_program(number, group[number], lines[number], ours))
    for what, count in sorted(tally.items()):
        print(f"{count:7} {what}")
    return 1 if tally["answers that differ"] + tally["taken, and OPA refuses them"] or not tally["answers that agree"] else 0


def of_program(number, text, theirs, ours):
    if isinstance(ours, dict) and "crashed" in ours:
        print(f"--- program {number} crashes: {ours['crashed']}\n{text}")
        yield "answers that differ"
    elif theirs == "-":
        yield "programs that OPA has no word on"
    elif isinstance(ours, dict):
        yield "programs refused by both" if theirs == "refused" else "programs refused here alone"
    elif theirs == "refused":
        print(f"--- program {number} is taken, and OPA refuses it\n{text}")
        yield "taken, and OPA refuses them"
    else:
        for question, (one, other) in enumerate(zip(theirs.split(), ours)):
            said = digest(other)
            # Ending where OPA answers refuses a request: what may end is in docs/rego.md.
            if one == "-" or said == "ends" != one:
                yield "answers that end, or that OPA fails to give"
            elif one != said:
                print(f"--- program {number}, question {question}: here {reading.told(other)}\n{text}")
                yield "answers that differ"
            else:
                yield "answers that agree"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("record").add_argument("--library", required=True, type=pathlib.Path)
    verbs.add_parser("check").add_argument("--claviger", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.verb == "record":
        return record(arguments.library)
    return check(arguments.claviger)


if __name__ == "__main__":
    sys.exit(main())
