"""Renders what stands in config/kubernetes, and holds it to Kubernetes and to Claviger.

    python3 tests/deploy/manifests.py --claviger target/dist/claviger --kubectl KUBECTL --checkov CHECKOV

Every example is built by `kubectl kustomize`, so that base and components are; held.py says what is held of the objects. checkov has the
last word. The exit code is 1 if anything is wrong.
"""

import argparse
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
    held.report(faults, f"{len(examples)} examples, {count} objects: sound for Kubernetes {' and '.join(held.VERSIONS)}")


main()
