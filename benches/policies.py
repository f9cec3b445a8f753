#!/usr/bin/env python3
"""What policies cost, by who evaluates them: programs, their evaluators, and OPA in this process, in turns.

    benches/policies.py [--rounds 15] [--opa libopabridge.so] NAME=BINARY[:EVALUATOR] …

Each NAME is a release build and what `policies.evaluator` is in it (`auto` is the compiled form, `regorus` the engine); the first is
what the others are compared with. What is measured is time of the processor, in two ways:

- An evaluation: `policy eval` on many inputs, less the same on one (which is loading), less what a rule without a body takes (which is
  reading and writing the inputs). OPA is asked for `data.spacelift` and the same inputs, net of a rule without a body too.
- A request to a running server that no request before has been like: from a new address, and in a new second, with all example policies
  and one to which no two addresses and no two seconds are alike. Less a request that the cache answers.

Times are told as medians over the rounds with their quartiles; only the ratios of one run say something.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests/opa"))

EXAMPLES = sorted(path for path in (ROOT / "policies").glob("*.rego") if not path.name.endswith("_test.rego"))
# No two addresses and no two seconds are alike to it.
CURIOUS = """package spacelift
deny if startswith(input.request.remote_ip, "192.")
deny if input.request.timestamp_ns % 1000000007 == 1
"""
EMPTY = "package spacelift\nallow := true\n"
RULES = "allow if input.session.member\n" + "".join(
    f'roles["space-{n}"]["deployer"] if input.session.login == "key-{n}"\n' for n in range(1000)
)


def question(number):
    login = ["ci-cd-production", "key-500", "terraform", "alice"][number % 4]
    session = {"login": login, "name": login, "member": True, "machine": True, "admin": False, "teams": ["platform", "devops"]}
    session |= {"api_key_id": "01m86tgt6hzhqs7s2twqtjbmg3", "account_name": "bench", "creator_ip": "10.1.2.3"}
    request = {"remote_ip": f"10.1.{number % 250}.3", "timestamp_ns": 1_900_000_000_000_000_000 + number * 10**9}
    spaces = [{"id": id, "name": id, "labels": [], "parent": "root"} for id in ["production", "staging"]]
    return {"request": request, "session": session, "spaces": spaces, "roles": []}


def enough(seconds):
    """How many evaluations are to be measured that take so long each."""
    return min(20_000, max(40, int(0.4 / max(seconds, 1e-6))))


class Program:
    def __init__(self, told):
        self.name, _, rest = told.partition("=")
        self.binary, _, self.evaluator = rest.partition(":")
        self.counts = {}
        self.environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        if self.evaluator:
            self.environment["CLAVIGER_POLICIES__EVALUATOR"] = self.evaluator

    def eval(self, files, count, directory, environment=None):
        """Seconds of the processor for `count` inputs."""
        inputs = directory / f"{count}.json"
        if not inputs.exists():
            inputs.write_text("\n".join(json.dumps(question(number)) for number in range(count)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [self.binary, "policy", "eval", "-o", "json", "--input", str(inputs)]
        for file in files:
            command += ["--file", str(file)]
        run = subprocess.run(command, env=environment or self.environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if run.returncode != 0:
            raise SystemExit(f"{self.name}: {run.stderr.decode()[:500]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def evaluation(self, files, directory):
        # By the compiled form, whoever is asked: what an engine takes for nothing is a part of its price.
        plain = {"PATH": self.environment["PATH"], "HOME": self.environment["HOME"]}
        empties = []
        for number in range(len(files)):
            empties.append(directory / f"empty-{number}.rego")
            empties[number].write_text(EMPTY)

        def taken(count):
            return self.eval(files, count, directory) - self.eval(empties, count, directory, plain)

        def each(count):
            return (taken(count) - taken(1)) / (count - 1)

        count = self.counts.get(files[0])
        if not count:
            count = self.counts[files[0]] = enough(each(100) / len(files))
        return each(count)


class Opa:
    name = "OPA"

    def __init__(self, path):
        import library

        self.library, self.counts = library.Library(path), {}

    def evaluation(self, files, _):
        def each(texts, count):
            seconds = 0
            for number, text in enumerate(texts):
                with self.library.engine([(f"p{number}", text, False)]) as engine:
                    inputs = [question(number) for number in range(count)]
                    engine.document("spacelift", inputs[0])
                    begun = time.process_time()
                    for one in inputs:
                        engine.document("spacelift", one)
                    seconds += time.process_time() - begun
            return seconds / count

        texts = [file.read_text() for file in files]
        count = self.counts.get(files[0])
        if not count:
            count = self.counts[files[0]] = enough(each(texts, 20) / len(files)) // 4
        return each(texts, count) - len(files) * each([EMPTY], 1000)


class Server:
    """The program as a server, with all example policies."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        (directory / "policies").mkdir()
        for file in EXAMPLES:
            (directory / "policies" / file.name).write_text(file.read_text())
        (directory / "policies/curious.rego").write_text(CURIOUS)
        config = directory / "claviger.toml"
        # Nobody answers behind it, and lines that tell of that are no part of what is measured.
        config.write_text(
            '[proxy]\nlisten = "127.0.0.1:0"\nthreads = 1\nclient_ip = "x-forwarded-for"\ntrusted_proxies = ["127.0.0.1/32"]\n'
            '[upstream]\nurl = "http://127.0.0.1:9"\n[ops]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "off"\n[store]\nurl = "sqlite://claviger.db"\n'
            '[token]\nkeys = "keys"\nttl = "1h"\n[policies]\ndir = "policies"\n[log]\nformat = "json"\naccess = "none"\n'
        )
        command = [program.binary, "serve", "--config", str(config)]
        # Not where the configuration stands, which the program watches.
        log = directory.with_suffix(".log")
        with log.open("w") as file:
            self.process = subprocess.Popen(command, cwd=directory, env=program.environment, stdout=subprocess.DEVNULL, stderr=file)
        serving = []
        while not serving:
            if self.process.poll() is not None:
                raise SystemExit(f"{program.name} does not start: {log.read_text()[:500]}")
            time.sleep(0.05)
            serving = [line for line in log.read_text().splitlines() if '"message":"serving"' in line]
        self.host, _, self.port = json.loads(serving[0])["proxy"].rpartition(":")
        self.connection = http.client.HTTPConnection(self.host, int(self.port))
        self.keys = [self.key(number) for number in range(60)]
        self.addresses = 0

    def key(self, number):
        store = f"sqlite://{self.directory}/claviger.db"
        command = [self.program.binary, "key", "create", "--name", f"ci-cd-production-{number}", "--bind", "space-reader@root"]
        made = subprocess.run([*command, "--store", store, "-o", "json"], env=self.program.environment, cwd=self.directory, capture_output=True)
        return json.loads(made.stdout)["key"]

    def cpu(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def ask(self, key, address):
        self.connection.request("GET", "/", headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": address})
        self.connection.getresponse().read()

    def each(self, questions):
        before = self.cpu()
        for key, address in questions:
            self.ask(key, address)
        return (self.cpu() - before) / len(questions)

    def new_address(self):
        self.addresses += 1
        seen = [(self.keys[0], f"10.200.{self.addresses}.1")] * 250
        new = [(self.keys[0], f"10.{self.addresses}.{number}.7") for number in range(250)]
        self.ask(*seen[0])
        return self.each(new) - self.each(seen)

    def new_second(self):
        questions = [(key, "10.1.2.3") for key in self.keys]
        self.each(questions)
        time.sleep(1.05 - time.time() % 1)
        new = self.each(questions)
        return new - self.each(questions)

    def close(self):
        self.process.terminate()
        self.process.wait()


def cases(directory):
    def written(name, text):
        (directory / name).write_text(text)
        return [directory / name]

    return {
        "one evaluation": [EXAMPLES[0]],
        f"the {len(EXAMPLES)} example policies": EXAMPLES,
        "1,000 rules": written("rules.rego", "package spacelift\n" + RULES),
        "1,000 rules and an import": written(
            "import.rego", "package spacelift\nimport input.session as s\n" + RULES.replace("input.session", "s")
        ),
    }


def told(ratios):
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:10.2f} ({low:.2f} to {high:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", type=Program)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--opa", type=pathlib.Path)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    programs = arguments.programs
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        contenders = programs + ([Opa(arguments.opa.resolve())] if arguments.opa else [])
        measures = {
            case: {one.name: lambda one=one, of=of: one.evaluation(of, directory) for one in contenders}
            for case, of in cases(directory).items()
        }
        servers = []
        for number, program in enumerate(programs):
            place = directory / f"server-{number}"
            place.mkdir()
            servers.append(Server(program, place))
        for case, ask in {"a request from a new address": Server.new_address, "a request in a new second": Server.new_second}.items():
            measures[case] = {server.program.name: lambda server=server, ask=ask: ask(server) for server in servers}
        for case, by_name in measures.items():
            if not re.search(arguments.only, case):
                continue
            taken = {name: [] for name in by_name}
            for _ in range(arguments.rounds):
                for name, measure in by_name.items():
                    taken[name].append(measure())
            print(f"{case}, in µs, and how many times what {programs[0].name} takes (in the median):", flush=True)
            first = statistics.median(taken[programs[0].name])
            for name, times in taken.items():
                micros = [time * 1e6 for time in times]
                print(f"  {name:16} {told(micros)}  {statistics.median(times) / first:8.2f}", flush=True)
        for server in servers:
            server.close()


if __name__ == "__main__":
    main()
