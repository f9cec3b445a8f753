"""Renders what stands in config/kubernetes, and holds it to Kubernetes and to Claviger.

    python3 tests/deploy/manifests.py --claviger target/dist/claviger --kubectl KUBECTL --checkov CHECKOV

Every example is built by `kubectl kustomize`, so that base and components are; held.py says what is held of the objects. checkov has the
last word. `claviger inject` makes the same pods as the component. The exit code is 1 if anything is wrong.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import yaml

import held

KUBERNETES = held.ROOT / "config" / "kubernetes"
PAGE = held.ROOT / "docs" / "kubernetes.md"


def rendered(kubectl, folder):
    run = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{folder}: {run.stderr}")
    return run.stdout


def hold_page(faults):
    """The page names every example, and each Secret that is to be made."""
    page = PAGE.read_text()
    for wanted in sorted(held.SECRETS) + [f"examples/{example.name}" for example in sorted((KUBERNETES / "examples").iterdir())]:
        if wanted not in page:
            faults.append(f"{PAGE.name} does not speak of {wanted}")
    for path in re.findall(r"config/[\w/.-]*\w", page):
        if not (held.ROOT / path).exists():
            faults.append(f"{PAGE.name} names {path}, which is not there")


def hold_access(faults, claviger, objects):
    """What a file store would read is what `apply` takes."""
    for map in (each for each in objects if each["kind"] == "ConfigMap" and "access.yaml" in each["data"]):
        with tempfile.TemporaryDirectory() as folder:
            file, store = pathlib.Path(folder, "access.yaml"), f"sqlite://{folder}/claviger.db"
            file.write_text(map["data"]["access.yaml"])
            run = subprocess.run([claviger, "apply", "-f", file, "--yes", "--store", store], capture_output=True, text=True)
            if run.returncode:
                faults.append(f"access.yaml: {run.stdout}{run.stderr}")


def in_order(pod):
    """The pod, its variables by name: what is added stands before the others or behind them."""
    for container in held.containers(pod["spec"]):
        container.get("env", []).sort(key=lambda each: each["name"])
    return pod


def hold_same_pod(faults, claviger, kubectl):
    """`claviger inject` makes of each kind of object what the component makes of it."""
    pod = {
        "metadata": {"labels": {"app": "orders"}},
        "spec": {
            "initContainers": [{"name": "first", "image": "first:1"}],
            "containers": [{"name": "orders", "image": "orders:1"}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    component = os.path.relpath(KUBERNETES / "components" / "sidecar", "/")
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        group = "batch/v1" if kind == "Job" else "apps/v1"
        thing = {"apiVersion": group, "kind": kind, "metadata": {"name": "orders", "labels": {"claviger": "sidecar"}}, "spec": {"template": pod}}
        with tempfile.TemporaryDirectory() as folder:
            here = os.path.relpath("/", os.path.realpath(folder))
            pathlib.Path(folder, "orders.yaml").write_text(yaml.safe_dump(thing))
            pathlib.Path(folder, "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["orders.yaml"], "components": [f"{here}/{component}"]}))
            made = {each["kind"]: each for each in yaml.safe_load_all(rendered(kubectl, folder))}
            run = subprocess.run([claviger, "inject", "-f", f"{folder}/orders.yaml"], capture_output=True, text=True)
        if run.returncode:
            faults.append(f"inject {kind}: {run.stderr}")
            continue
        ours, theirs = in_order(yaml.safe_load(run.stdout)["spec"]["template"]), in_order(made[kind]["spec"]["template"])
        if ours != theirs:
            faults.append(f"{kind}: inject makes\n{json.dumps(ours, indent=1, sort_keys=True)}\nand the component\n{json.dumps(theirs, indent=1, sort_keys=True)}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for program in ("claviger", "kubectl", "checkov"):
        arguments.add_argument(f"--{program}", required=True)
    asked = arguments.parse_args()
    claviger = str(pathlib.Path(asked.claviger).resolve())

    faults, count = [], 0
    examples = sorted((KUBERNETES / "examples").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        for example in examples:
            text = rendered(asked.kubectl, example)
            pathlib.Path(folder, f"{example.name}.yaml").write_text(text)
            these = held.Held(example.name, text, claviger)
            faults += these.everything()
            hold_access(faults, claviger, these.objects)
            count += len(these.objects)
        faults += held.checkov(asked.checkov, folder)

    # Each folder is part of some example.
    files = [yaml.safe_load(file.read_text()) for file in KUBERNETES.rglob("kustomization.yaml")]
    used = {pathlib.Path(each).name for file in files for each in file.get("components", []) + file.get("resources", [])}
    parts = {"base"} | {component.name for component in (KUBERNETES / "components").iterdir()}
    faults += [f"no example uses {part}" for part in sorted(parts - used)]
    hold_page(faults)
    hold_same_pod(faults, claviger, asked.kubectl)
    held.report(faults, f"{len(examples)} examples, {count} objects: sound for Kubernetes {' and '.join(held.VERSIONS)}")


main()
