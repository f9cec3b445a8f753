"""Holds alerts, their runbooks and the dashboard to what a process shows, and to what promtool says of them.

    python3 tests/deploy/monitoring.py --claviger target/dist/claviger

- Every rule and its unit tests pass promtool; each alert has a test in which it fires and one in which it does not.
- Each alert has a severity, words, and a runbook that is there; there is no runbook without an alert.
- Every expression of the dashboard parses.
- Everything that an expression selects is there on the /metrics of a running process, by its name and its labels' values; and every metric
  of ours is looked at by some panel or rule.

The exit code is 1 if anything is wrong.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

sys.dont_write_bytecode = True

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))

import served

RULES = ROOT / "config" / "prometheus" / "claviger.rules.yaml"
TESTS = ROOT / "config" / "prometheus" / "claviger.tests.yaml"
DASHBOARD = ROOT / "config" / "grafana" / "claviger.json"
RUNBOOKS = ROOT / "docs" / "runbooks"

# What Prometheus and its service discovery put on every series.
OF_TARGETS = {"namespace", "job", "instance", "pod", "container"}
# Not from /metrics: Prometheus makes it of each scrape.
OF_PROMETHEUS = {"up"}
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? \S+$")
LABEL = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
SELECTOR = re.compile(r"\b((?:claviger|process)_\w+|up)\b\s*(?:\{([^}]*)\})?")
RECORDED = re.compile(r"\bclaviger:[\w:]+")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")

faults = []


def hold(true, fault):
    if not true:
        faults.append(fault)


def exposed(text):
    """By name: the labels of each series."""
    series = {}
    for line in text.splitlines():
        if sample := SAMPLE.match(line):
            series.setdefault(sample[1], []).append({name: value for name, _, value in LABEL.findall(sample[2] or "")})
    return series


def matches(labels, name, how, value):
    there = labels.get(name, "")
    if "$" in value:
        return True
    equal = re.fullmatch(value, there) is not None if "~" in how else value == there
    return equal != how.startswith("!")


def hold_expression(expression, where, series, recorded, seen):
    """Each selector finds something, and whatever is grouped by is a label of something that is selected."""
    labels = set(OF_TARGETS)
    for name, matchers in SELECTOR.findall(expression):
        if name in OF_PROMETHEUS:
            continue
        seen.add(name)
        found = series.get(name)
        hold(found, f"{where}: no process shows {name}")
        asked = [(label, how, value) for label, how, value in LABEL.findall(matchers) if label not in OF_TARGETS]
        for label, how, value in asked:
            # Each alternative is one that there is.
            for one in value.split("|") if "~" in how and "$" not in value else [value]:
                hold(any(matches(found_labels, label, "=", one) or "$" in one for found_labels in found or []), f'{where}: no {name} has {label}="{one}"')
        hold(any(all(matches(one, *each) for each in asked) for one in found or []), f"{where}: no {name} matches {matchers}")
        labels |= {label for one in found or [] for label in one}
    for name in RECORDED.findall(expression):
        hold(name in recorded, f"{where}: nothing records {name}")
    for grouped in GROUPING.findall(expression):
        for label in filter(None, (label.strip() for label in grouped.split(","))):
            hold(label in labels, f"{where}: nothing that is selected has the label {label}")


def promtool(*arguments):
    run = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    hold(run.returncode == 0, f"promtool {' '.join(arguments)}: {run.stdout}{run.stderr}")


def hold_alerts(rules):
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    told = {}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        for asked in test["alert_rule_test"]:
            told.setdefault(asked["alertname"], set()).add(bool(asked["exp_alerts"]))
    hold(set(told) == set(alerts), f"tests and alerts differ: {set(told) ^ set(alerts)}")
    for name, alert in alerts.items():
        hold(told.get(name) == {True, False}, f"{name} is not tested both ways")
        hold(alert["labels"].get("severity") in ("critical", "warning"), f"{name}: severity")
        hold({"summary", "description", "runbook"} <= set(alert["annotations"]), f"{name}: annotations")
        page = ROOT / alert["annotations"]["runbook"]
        hold(page.is_file() and page.read_text().startswith(f"# {name}\n"), f"{name}: {page} is not its runbook")
    pages = {str(page.relative_to(ROOT)) for page in RUNBOOKS.glob("*.md")}
    hold(pages == {alert["annotations"]["runbook"] for alert in alerts.values()}, "there is a runbook that no alert names")
    return len(alerts)


def dashboard_expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    hold(len({panel["id"] for panel in panels}) == len(panels), "two panels have one id")
    for panel in panels:
        for target in panel.get("targets", []):
            yield f"panel “{panel['title']}”", target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
            yield f"variable {variable['name']}", f"count by ({asked[2]}) ({asked[1]})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--claviger", required=True)
    with served.Server(arguments.parse_args().claviger) as server:
        series = exposed(urllib.request.urlopen(f"{server.ops}/metrics").read().decode())

    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(TESTS))
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    alerts = hold_alerts(rules)
    recorded, seen = {rule["record"] for rule in rules if "record" in rule}, set()
    for rule in rules:
        hold_expression(rule["expr"], rule.get("alert") or rule["record"], series, recorded, seen)

    panels = list(dashboard_expressions())
    for where, expression in panels:
        hold_expression(expression, where, series, recorded, seen)
    spelled = [expression.replace("$__rate_interval", "5m") for _, expression in panels]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": [{"record": f"panel:{at}", "expr": each} for at, each in enumerate(spelled)]}]}, file)
        file.flush()
        promtool("check", "rules", file.name)

    family = lambda name: re.sub(r"_(bucket|sum|count)$", "", name)
    unseen = {family(name) for name in series if name.startswith("claviger_")} - {family(name) for name in seen}
    # How many there are is no sign of anything.
    unseen.discard("claviger_policies")
    hold(not unseen, f"no panel and no rule looks at {unseen}")

    print("\n".join(faults) if faults else f"{len(rules)} rules, {alerts} alerts with runbooks and tests, {len(panels)} expressions of the dashboard: sound")
    sys.exit(1 if faults else 0)


main()
