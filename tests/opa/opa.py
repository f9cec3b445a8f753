"""Asks OPA itself what it makes of login policies.

    python3 tests/opa/opa.py --library LIBOPABRIDGE.SO answers           # makes tests/it/policy/corpus/answers/*.json anew
    python3 tests/opa/opa.py --library LIBOPABRIDGE.SO answers --check   # fails if they are not what OPA says now
    python3 tests/opa/opa.py --library LIBOPABRIDGE.SO texts             # fails if its parser takes or refuses other texts than ours
    python3 tests/opa/opa.py --library LIBOPABRIDGE.SO tests             # runs policies/*_test.rego

Needs Python 3.11 and the shared library of the package that requirements.txt beside this file names. Nothing is installed here; to get it:

    python3 -m pip download --no-deps --python-version 3.14 --only-binary=:all: -d target/opa -r tests/opa/requirements.txt
    python3 -m zipfile -e target/opa/*.whl target/opa    # target/opa/opa_bindings/libopabridge.so

The tests of this repository compare with the committed answers and need none of it.
"""

import argparse
import datetime
import hashlib
import ipaddress
import json
import pathlib
import re
import sys
import tomllib

import library

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/it/policy/corpus"
RULES = ["allow", "deny", "admin", "deny_admin", "sample", "roles", "space_admin", "space_write", "space_read", "team"]
WORLD = tomllib.loads((CORPUS / "world.toml").read_text())
ASKER = WORLD["asker"]


def cases(theme):
    """Every case of a theme, with its policies' texts. A value is a policy that puts it into `team`."""
    for case in theme.get("case", []):
        texts = case.get("texts") or [case["text"] if "text" in case else (ROOT / case["file"]).read_text()]
        yield {"name": case["name"], "rego": case.get("rego"), "texts": texts, "askers": case.get("askers", [{}])}
    for values in theme.get("values", []):
        for expression in values["expressions"]:
            text = WORLD["value"].replace("EXPRESSION", expression)
            yield {"name": expression, "rego": None, "texts": [text], "askers": [values.get("asker", {})]}


def nanoseconds(moment):
    day, clock, fraction = re.fullmatch(r"(-?\d+-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", moment).groups()
    seconds = datetime.datetime.fromisoformat(f"{day}T{clock}+00:00") - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (seconds.days * 86400 + seconds.seconds) * 10**9 + int((fraction or "0").ljust(9, "0"))


def question(asker):
    """The `input` that a policy is asked with; a test holds it to what Claviger makes."""
    asker = ASKER | asker
    address = ipaddress.ip_address(asker["from"])
    address = str(getattr(address, "ipv4_mapped", None) or address)
    key = WORLD["key_id"]
    return {
        "attachment": None,
        "request": {"client_certificate": None, "remote_ip": address, "timestamp_ns": nanoseconds(asker["at"])},
        "roles": [{"id": role["id"], "name": role["name"], "slug": role["id"]} for role in WORLD["role"]],
        "session": {
            "account_name": WORLD["instance"],
            "actor": f"api::{key}",
            "admin": asker["root_admin"],
            "api_key_id": key,
            "creator_ip": address,
            "login": asker["login"],
            "machine": True,
            "member": True,
            "name": asker["login"],
            "stack_id": "",
            "teams": asker["groups"],
        },
        "spaces": [
            {"id": space["id"], "labels": space["labels"], "name": space["name"], "parent": space.get("parent")}
            for space in WORLD["space"]
        ],
    }


def told(asker):
    """An asker as it goes into digests."""
    asker = ASKER | asker
    return [asker[field] for field in ("login", "at", "from", "root_admin", "groups")]


def digest(case):
    """SHA-256 over everything that a case's answers hang on, each part with its length before it."""
    parts = [(CORPUS / "world.toml").read_text(), case["rego"] or "", *case["texts"]]
    parts += [json.dumps(told(asker), ensure_ascii=False, separators=(",", ":")) for asker in case["askers"]]
    framed = b"".join(b"%d:%s," % (len(part.encode()), part.encode()) for part in parts)
    return hashlib.sha256(framed).hexdigest()


def ask(opa, texts, rego, questions):
    """What OPA says to each question of one policy, or of several that it has loaded together: `{"refused": …}`, or for each question the
    `{"value": …}` of the rules that count or what has `{"failed": …}`. As Claviger does, a policy that does not state its version is tried
    as v1 first."""
    refusal = None
    for is_v0 in {"v1": [False], "v0": [True], None: [False, True]}[rego]:
        modules = [(f"p{number}.rego", text.removeprefix("\ufeff"), is_v0) for number, text in enumerate(texts)]
        # Even if no rule counts, so that OPA looks at the modules.
        wanted = [rule for rule in RULES if any(re.search(rf"\b{rule}\b", text) for text in texts)] or ["none"]
        try:
            with opa.engine(modules) as engine:
                return [rules(engine, wanted, question) for question in questions]
        except library.Refused as refused:
            refusal = refusal or str(refused).removeprefix("bundle activation failed: ")
    return {"refused": refusal}


def rules(engine, wanted, question):
    found = {}
    try:
        for rule in wanted:
            value = engine.document(f"spacelift.{rule}", question)
            if value is not library.UNDEFINED:
                found[rule] = value
    except library.Failed as failed:
        return {"failed": str(failed)}
    return {"value": found}


def answers(opa, path):
    theme = tomllib.loads(path.read_text())
    answered = []
    for case in cases(theme):
        questions = [question(asker) for asker in case["askers"]]
        answer = {"case": case["name"], "digest": digest(case), "policies": [ask(opa, [text], case["rego"], questions) for text in case["texts"]]}
        if len(case["texts"]) > 1:
            answer["together"] = ask(opa, case["texts"], case["rego"], questions)
        answered.append(answer)
    inputs = {str(told(asker)): [told(asker), question(asker)] for case in cases(theme) for asker in case["askers"]}
    # One line for each, so that a change shows where it is.
    line = lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True)  # noqa: E731
    parts = [",\n".join(map(line, part)) for part in (inputs.values(), answered)]
    return f'{{"opa": "{WORLD["opa"]}", "inputs": [\n{parts[0]}\n], "answers": [\n{parts[1]}\n]}}\n'


def settled(answers):
    """Answers without what is different each time: in which order OPA tells of faults, and what comes of clocks and dice."""
    for answer in answers["answers"]:
        if re.match(r"time\.now_ns|rand\.|uuid\.rfc4122|opa\.runtime", answer["case"]):
            answer["policies"] = None
        for policy in answer["policies"] or []:
            if "refused" in policy:
                policy["refused"] = True
    return answers


def make_answers(opa, check):
    different = []
    (CORPUS / "answers").mkdir(exist_ok=True)
    for path in sorted(CORPUS.glob("*.toml")):
        if path.stem == "world":
            continue
        text, target = answers(opa, path), CORPUS / "answers" / f"{path.stem}.json"
        count = sum(len(case["askers"]) for case in cases(tomllib.loads(path.read_text())))
        print(f"{path.stem}: {count} cases")
        if check and not (target.exists() and settled(json.loads(target.read_text())) == settled(json.loads(text))):
            different.append(path.stem)
        elif not check:
            target.write_text(text)
    if different:
        raise SystemExit(f"not what OPA says: {', '.join(different)}")


def check_texts(opa):
    """Only parsed, which an engine does when it is given a module: compiled it is when it is asked."""
    parsed = tomllib.loads((ROOT / "src/policy/syntax/parser/texts.toml").read_text())
    count, different = 0, []
    for group in parsed["texts"]:
        for verdict in ("taken", "refused"):
            for name in group.get(verdict, []):
                setting = parsed["settings"][name]
                for text in group["each"]:
                    count += 1
                    try:
                        with opa.engine([("p.rego", setting["before"] + text, setting["rego"] == "v0")]):
                            found = "taken"
                    except library.Refused:
                        found = "refused"
                    if found != verdict:
                        different.append(f"{group['name']}, {name}: {text!r} is {found}")
    print("\n".join([*different, f"{len(different)} of {count} texts differ"]))
    if different or not count:
        raise SystemExit(1)


def run_tests(opa):
    """Each file of tests with its own policy, as Claviger runs them."""
    failed = passed = 0
    for tests in sorted((ROOT / "policies").glob("*_test.rego")):
        policy = tests.with_name(tests.name.replace("_test.rego", ".rego"))
        package = re.search(r"^package\s+(\S+)", tests.read_text(), re.MULTILINE)[1]
        names = re.findall(r"^(test_\w+)", tests.read_text(), re.MULTILINE)
        with opa.engine([(file.name, file.read_text(), False) for file in (policy, tests)]) as engine:
            results = {name: engine.document(f"{package}.{name}", {}) is True for name in dict.fromkeys(names)}
        print(f"{tests.name}: {sum(results.values())} of {len(results)} passed")
        for name in (name for name, held in results.items() if not held):
            print(f"  FAILED {name}")
        passed, failed = passed + sum(results.values()), failed + len(results) - sum(results.values())
    print(f"{passed} passed, {failed} failed")
    if failed or not passed:
        raise SystemExit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, type=pathlib.Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("answers").add_argument("--check", action="store_true")
    verbs.add_parser("texts")
    verbs.add_parser("tests")
    arguments = parser.parse_args()
    opa = library.Library(arguments.library.resolve())
    if arguments.verb == "answers":
        make_answers(opa, arguments.check)
    elif arguments.verb == "texts":
        check_texts(opa)
    else:
        run_tests(opa)


if __name__ == "__main__":
    sys.exit(main())
