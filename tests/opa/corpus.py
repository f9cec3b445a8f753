"""Holds a binary, as it is shipped, to OPA's committed answers: the corpus of tests/it/policy/corpus, by `claviger policy eval`.

    python3 tests/opa/corpus.py --claviger target/dist/claviger
    python3 tests/opa/corpus.py --claviger … --theme idioms --theme meaning

`cargo test policy::opa` asks the same of the library as it is built for tests; what is built with other features or without debug assertions could
answer otherwise. Needs Python 3.11, and no OPA. CLAVIGER_… in the environment is handed on. The exit code is 1 if anything differs.
"""

import argparse
import collections
import json
import pathlib
import sys
import tomllib

import opa
import reading

# Policies to a process.
BATCH = 40


def wrong(theirs, ours, differs):
    """What is wrong with an answer; `None`: nothing."""
    expected = {"failed": str(theirs["failed"])} if "failed" in theirs else reading.of_documents(theirs["value"])
    if differs and "ends" in differs:
        if "failed" in ours and differs["ends"] in ours["failed"]:
            return None
    elif reading.compared(expected, ours) is None:
        return None
    return f"OPA says {reading.told(expected)}; here {reading.told(ours)}"


def of_case(case, answer, differs, said):
    for ours, theirs in zip(said, answer["policies"]):
        if isinstance(ours, dict) and "crashed" in ours:
            yield f"it crashed: {ours['crashed']}"
        elif isinstance(theirs, dict):
            if not isinstance(ours, dict):
                yield f"Claviger takes it, and OPA refuses it: {theirs['refused']}"
        elif isinstance(ours, dict):
            if not (differs and differs.get("refused", "\0") in ours["all"]):
                yield f"OPA takes it, and Claviger refuses it: {ours['refused']}"
        elif differs and "refused" in differs:
            yield "it is said to be refused, and is not"
        else:
            for number, (one, other) in enumerate(zip(theirs, ours)):
                found = wrong(one, other, differs)
                if found:
                    yield f"question {number}: {found}"


def asked(claviger, cases):
    """What Claviger says to each policy of each case. Those of one version and with the same questions are asked together."""
    groups = collections.defaultdict(list)
    for number, case in enumerate(cases):
        for text in case["texts"]:
            groups[case["rego"] or "auto", json.dumps(case["askers"])].append((number, text))
    said = collections.defaultdict(list)
    for (rego, askers), of_group in groups.items():
        questions = [opa.question(asker) for asker in json.loads(askers)]
        for first in range(0, len(of_group), BATCH):
            some = of_group[first : first + BATCH]
            for (number, _), ours in zip(some, claviger.ask([text for _, text in some], rego, questions)):
                said[number].append(ours)
    return said


def differences(theme):
    """What each case is said to differ in, in the order of `opa.cases`."""
    yield from (case.get("differs") for case in theme.get("case", []))
    for values in theme.get("values", []):
        yield from (values.get("differs") for _ in values["expressions"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claviger", required=True, type=pathlib.Path)
    parser.add_argument("--theme", action="append")
    parser.add_argument("--quiet", action="store_true", help="only the counts")
    arguments = parser.parse_args()
    claviger, tally = reading.Claviger(arguments.claviger), collections.Counter()
    for path in sorted(opa.CORPUS.glob("*.toml")):
        if path.stem == "world" or arguments.theme and path.stem not in arguments.theme:
            continue
        theme = tomllib.loads(path.read_text())
        answers = json.loads((opa.CORPUS / "answers" / f"{path.stem}.json").read_text())["answers"]
        of_theme, cases = collections.Counter(), list(opa.cases(theme))
        said = asked(claviger, cases)
        for number, (case, answer, differs) in enumerate(zip(cases, answers, differences(theme), strict=True)):
            found = list(of_case(case, answer, differs, said[number]))
            of_theme["cases"] += 1
            of_theme["differ"] += bool(found)
            for line in found if not arguments.quiet else []:
                print(f"{path.stem}: {case['name']}: {line}")
        print(f"{path.stem}: {of_theme['differ']} of {of_theme['cases']} cases differ", flush=True)
        tally += of_theme
    print(f"{tally['differ']} of {tally['cases']} cases differ")
    return 1 if tally["differ"] or not tally["cases"] else 0


if __name__ == "__main__":
    sys.exit(main())
