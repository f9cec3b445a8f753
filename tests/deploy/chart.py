"""Has Helm make the chart's objects of several sets of values, and holds them to Kubernetes and to Claviger.

    python3 tests/deploy/chart.py --claviger target/dist/claviger --helm HELM --checkov CHECKOV

held.py says what is held of the objects. Values that make no sense are refused; what is left to do is told. The exit code is 1 if
anything is wrong.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import yaml

import held

CHART = held.ROOT / "config" / "helm" / "claviger"
EVERYTHING = {
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "token": {"issuer": "https://auth.example.com"},
    "extraConfig": '[proxy]\nclient_ip = "x-forwarded-for"\ntrusted_proxies = ["10.0.0.0/8"]\n\n[log]\naccess = "all"\n',
    "service": {"type": "LoadBalancer", "annotations": {"example.com/internal": "true"}},
    "networkPolicy": {"adminFrom": ["operations"]},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"example.com/c": "d"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "priorityClassName": "high",
}
TAKEN = {
    "defaults": {},
    "everything": EVERYTHING,
    "standalone": {"mode": "standalone", "signingKeys": {"existingSecret": ""}},
    "standalone, volume and keys made elsewhere": {"mode": "standalone", "persistence": {"existingClaim": "store"}},
    "standalone, everything": {**EVERYTHING, "mode": "standalone", "persistence": {"storageClass": "fast", "size": "5Gi"}},
}
# And a word of what is said.
REFUSED = {
    "mode": {"mode": "cluster"},
    "minReplicas": {"autoscaling": {"minReplicas": 1}},
    "/database/url": {"database": {"url": "postgres://claviger:secret@postgres/claviger"}},
    "signingKeys.existingSecret": {"signingKeys": {"existingSecret": ""}},
    "'replicas'": {"replicas": 3},
    "/image/digest": {"image": {"digest": "latest"}},
    "/drain/delay": {"drain": {"delay": "1m"}},
}


def helm(program, *arguments, values):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        return subprocess.run([program, *arguments, "--values", file.name], capture_output=True, text=True)


def missing(schema, values, at=""):
    """What the schema knows and values.yaml does not say."""
    for name, inner in schema.get("properties", {}).items():
        if name == "global":
            continue
        if name not in values:
            yield at + name
        elif isinstance(values[name], dict):
            yield from missing(inner, values[name], f"{at}{name}.")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for program in ("claviger", "helm", "checkov"):
        arguments.add_argument(f"--{program}", required=True)
    asked = arguments.parse_args()
    claviger = str(pathlib.Path(asked.claviger).resolve())

    faults, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name, values in TAKEN.items():
            lint = helm(asked.helm, "lint", "--strict", CHART, values=values)
            if lint.returncode:
                faults.append(f"{name}: {lint.stdout}{lint.stderr}")
            run = helm(asked.helm, "template", "claviger", CHART, "--namespace", "claviger", values=values)
            if run.returncode:
                faults.append(f"{name}: {run.stderr}")
                continue
            text = run.stdout
            pathlib.Path(folder, f"{name}.yaml").write_text(text)
            if claim := values.get("persistence", {}).get("existingClaim"):
                text += f"\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{ name: {claim} }}\nspec: {{}}\n"
            these = held.Held(name, text, claviger)
            faults += these.everything()
            count += len(these.objects)
        faults += held.checkov(asked.checkov, folder)

    for word, values in REFUSED.items():
        run = helm(asked.helm, "template", "claviger", CHART, values=values)
        if run.returncode == 0 or word not in run.stderr:
            faults.append(f"{values} should be refused for {word}: {run.stderr or 'it is taken'}")

    told = helm(asked.helm, "install", "claviger", CHART, "--dry-run=client", values={}).stdout.partition("NOTES:")[2]
    for word in ["walk around", "bootstrap-key", "doctor", *(secret for secret in held.SECRETS if secret != "claviger-replica")]:
        if word not in told:
            faults.append(f"the notes say nothing of {word}: {told}")
    schema, values = json.loads((CHART / "values.schema.json").read_text()), yaml.safe_load((CHART / "values.yaml").read_text())
    faults += [f"values.yaml does not say {each}" for each in missing(schema, values)]
    version = next(line.split('"')[1] for line in (held.ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version = "))
    if yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] != version:
        faults.append(f"the chart is not for {version}")

    held.report(faults, f"{len(TAKEN)} sets of values, {count} objects: sound; {len(REFUSED)} sets refused")


main()
