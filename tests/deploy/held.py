"""What is held of Kubernetes objects, wherever they come from: that Kubernetes takes them, that they fit together, that what stands in them
is what Claviger takes, and that pods are as restricted as Pod Security can ask for."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Native sidecars are on since the first of them.
VERSIONS = ("1.29", "1.37")
# The Prometheus operator's, for which there is no schema here; hold_together looks at them.
OF_OPERATORS = {"PodMonitor"}
# Secrets are made by hand: docs/kubernetes.md says how.
SECRETS = {"claviger-database", "claviger-signing-keys", "claviger-tls", "claviger-bootstrap", "claviger-replica"}
# What the files of those Secrets say is not known here: store, signing keys, certificates.
IN_SECRETS = ("store.", "admin.tls", "ops.tls", "proxy.tls", "token.keys")
# What checkov asks for and we do not do.
UNDONE = {
    "CKV_K8S_11": "a CPU limit: being throttled looks like being slow",
    "CKV_K8S_15": "always pulling: a tag names one version, and a node that has it starts a pod without the registry",
    "CKV_K8S_35": "no secret in the environment: the first key is read from there once, and the Secret may go afterwards",
    "CKV_K8S_43": "digests: the example's image is nobody's",
}
# The port of the examples' API, which nothing may lead to.
OF_THE_API = 3000


def pod_of(thing):
    """The pod's metadata and spec, if the object has one."""
    spec = thing.get("spec", {})
    if thing["kind"] == "Pod":
        return thing.get("metadata", {}), spec
    if thing["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template") if thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob") else None
    return (template.get("metadata", {}), template["spec"]) if template else None


def containers(pod):
    return pod.get("initContainers", []) + pod.get("containers", [])


def ours(pod):
    return [each for each in containers(pod) if re.split("[:@]", each["image"].split("/")[-1])[0] == "claviger"]


def selected(selector, labels):
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    return all(each["operator"] == "In" and labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))


class Held:
    """Gathers what is wrong with the objects of one text."""

    def __init__(self, name, text, claviger):
        self.name, self.claviger, self.faults = name, claviger, []
        self.objects = [thing for thing in yaml.safe_load_all(text) if thing]
        self.pods = [(thing, *pod) for thing in self.objects if (pod := pod_of(thing))]

    def hold(self, true, fault):
        if not true:
            self.faults.append(f"{self.name}: {fault}")

    def everything(self):
        self.schemas()
        self.security()
        self.together()
        self.lives()
        self.configurations()
        return self.faults

    def of_kind(self, kind):
        return [thing for thing in self.objects if thing["kind"] == kind]

    def schemas(self):
        for thing in self.objects:
            for version in VERSIONS if thing["kind"] not in OF_OPERATORS else ():
                try:
                    kubernetes_validate.validate(thing, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    self.hold(False, f"{version} {thing['kind']} {thing['metadata'].get('name')}: {error.message}")

    def security(self):
        """Pod Security's `restricted`, and what it leaves out: read-only roots, no token, memory and no CPU limit for Claviger."""
        for thing, _, pod in self.pods:
            of_pod = pod.get("securityContext", {})
            self.hold(not any(pod.get(host) for host in ("hostNetwork", "hostPID", "hostIPC")), f"{thing['metadata']['name']} shares the host")
            self.hold(pod.get("automountServiceAccountToken") is False, f"{thing['metadata']['name']} mounts a token of the cluster")
            for volume in pod.get("volumes", []):
                kind = set(volume) - {"name"}
                self.hold(kind <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected"}, f"volume {volume['name']}: {kind}")
                self.hold("secret" not in volume or volume["secret"].get("defaultMode") == 0o440, f"the world reads the Secret of volume {volume['name']}")
            for container in containers(pod):
                says = {**of_pod, **container.get("securityContext", {})}
                where = f"{thing['metadata']['name']}/{container['name']}"
                self.hold(says.get("runAsNonRoot") is True and says.get("runAsUser", 0) > 0, f"{where} may be root")
                self.hold(says.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{where} has no seccomp profile")
                self.hold(says.get("allowPrivilegeEscalation") is False, f"{where} may become more than it is")
                self.hold(says.get("capabilities", {}).get("drop") == ["ALL"] and "add" not in says["capabilities"], f"{where} has capabilities")
                self.hold(says.get("readOnlyRootFilesystem") is True, f"{where} may write to its root")
                self.hold(container.get("resources", {}).get("limits", {}).get("memory"), f"{where} has no memory limit")
            for container in ours(pod):
                says = {**of_pod, **container.get("securityContext", {})}
                self.hold((says["runAsUser"], says["runAsGroup"]) == (65532, 65532), f"{container['name']} is not who the image is made for")
                self.hold(
                    (container["resources"]["requests"].get("memory"), container["resources"]["limits"]) == ("64Mi", {"memory": "128Mi"}),
                    f"{container['name']} may take {container['resources']}",
                )

    def together(self):
        """What one object says of another is true."""
        made = {(thing["kind"], thing["metadata"]["name"]) for thing in self.objects}
        for thing, metadata, pod in self.pods:
            account = pod.get("serviceAccountName")
            self.hold(account is None or ("ServiceAccount", account) in made, f"there is no ServiceAccount {account}")
            for volume in pod.get("volumes", []):
                self.exists(made, "ConfigMap", volume.get("configMap", {}).get("name"))
                self.exists(made, "PersistentVolumeClaim", volume.get("persistentVolumeClaim", {}).get("claimName"))
                self.exists(made, "Secret", volume.get("secret", {}).get("secretName"))
            volumes = {volume["name"] for volume in pod.get("volumes", [])}
            for container in containers(pod):
                for mount in container.get("volumeMounts", []):
                    self.hold(mount["name"] in volumes, f"{container['name']} mounts {mount['name']}, which is no volume")
                for variable in container.get("env", []):
                    self.exists(made, "Secret", variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name"))
                names = [variable["name"] for variable in container.get("env", [])]
                self.hold(len(names) == len(set(names)), f"{container['name']} has a variable twice")
            if "selector" in thing["spec"]:
                self.hold(selected(thing["spec"]["selector"], metadata["labels"]), f"{thing['metadata']['name']} does not select its own pods")
        for service in self.of_kind("Service"):
            pods = self.selecting(service["metadata"]["name"], {"matchLabels": service["spec"]["selector"]})
            for port in service["spec"]["ports"]:
                self.leads_to(service["metadata"]["name"], pods, port["targetPort"])
        for policy in self.of_kind("NetworkPolicy"):
            selector = policy["spec"]["podSelector"]
            pods = self.selecting(policy["metadata"]["name"], selector) if selector else []
            for rule in policy["spec"].get("ingress", []):
                for port in rule["ports"]:
                    self.leads_to(policy["metadata"]["name"], pods, port["port"])
        guarded = [policy["spec"]["podSelector"] for policy in self.of_kind("NetworkPolicy") if "Ingress" in policy["spec"]["policyTypes"]]
        for thing, metadata, pod in self.pods:
            self.hold(not ours(pod) or any(selected(each, metadata["labels"]) for each in guarded), f"any port of {thing['metadata']['name']} can be reached")
        for monitor in self.of_kind("PodMonitor"):
            pods = self.selecting(monitor["metadata"]["name"], monitor["spec"]["selector"])
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                for _, _, pod in pods:
                    names = {port["name"] for each in containers(pod) for port in each.get("ports", [])}
                    self.hold(endpoint["port"] in names, f"no port is called {endpoint['port']}")
        for budget in self.of_kind("PodDisruptionBudget"):
            self.selecting(budget["metadata"]["name"], budget["spec"]["selector"])
        for scaler in self.of_kind("HorizontalPodAutoscaler"):
            target = scaler["spec"]["scaleTargetRef"]
            self.hold((target["kind"], target["name"]) in made, f"there is no {target['kind']} {target['name']} to scale")
            scaled = [thing for thing in self.of_kind(target["kind"]) if thing["metadata"]["name"] == target["name"]]
            self.hold(all("replicas" not in thing["spec"] for thing in scaled), "two say how many replicas there are")

    def exists(self, made, kind, name):
        if name and kind == "Secret":
            self.hold(name in SECRETS, f"nobody is told to make a Secret {name}")
        elif name:
            self.hold((kind, name) in made, f"there is no {kind} {name}")

    def selecting(self, who, selector):
        pods = [each for each in self.pods if selected(selector, each[1].get("labels", {}))]
        self.hold(pods, f"{who} selects nothing")
        return pods

    def leads_to(self, who, pods, port):
        self.hold(isinstance(port, int), f"{who}: not every network plugin finds port {port} by its name")
        self.hold(port != OF_THE_API, f"{who} leads around Claviger, to the API")
        for thing, _, pod in pods:
            ports = {each["containerPort"] for container in ours(pod) for each in container.get("ports", [])}
            self.hold(port in ports, f"{who}: Claviger has no port {port} in {thing['metadata']['name']}")

    def lives(self):
        """A sidecar starts before the API, asks nothing of it, and drains while it still answers."""
        for thing, _, pod in self.pods:
            for sidecar in (each for each in ours(pod) if each in pod.get("initContainers", []) and each.get("restartPolicy")):
                where = f"{thing['metadata']['name']}/{sidecar['name']}"
                self.hold(sidecar["restartPolicy"] == "Always", f"{where} is no sidecar")
                self.hold(sidecar["lifecycle"]["preStop"] == {"exec": {"command": ["/claviger", "drain"]}}, f"{where} does not drain")
                for beside in pod["containers"]:
                    self.hold("preStop" in beside.get("lifecycle", {}), f"{beside['name']} ends while requests still come")
                    for probe in (beside.get(kind, {}) for kind in ("startupProbe", "readinessProbe", "livenessProbe")):
                        self.hold(not set(probe) & {"httpGet", "tcpSocket", "grpc"}, f"{beside['name']} is on loopback: no probe reaches it from outside")
            for container in ours(pod):
                if "serve" not in container["args"]:
                    continue
                probes = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
                self.hold(all(probe["port"] == "http-metrics" for probe in probes.values()), f"{container['name']}: a probe asks elsewhere")
                self.hold(
                    [probes[kind]["path"] for kind in sorted(probes)] == ["/livez", "/readyz", "/readyz"], f"{container['name']}: a probe asks for something else"
                )

    def configurations(self):
        """Each claviger.toml, and the variables of each container that has no file, as far as no Secret is needed to tell."""
        for map in self.of_kind("ConfigMap"):
            if "claviger.toml" in map.get("data", {}):
                with tempfile.TemporaryDirectory() as folder:
                    file = pathlib.Path(folder, "claviger.toml")
                    file.write_text(map["data"]["claviger.toml"])
                    self.check(map["metadata"]["name"], ["--config", str(file)], {})
        for thing, _, pod in self.pods:
            for container in ours(pod):
                variables = {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
                if variables.get("CLAVIGER_CONFIG") == "":
                    self.check(f"{thing['metadata']['name']}/{container['name']}", [], variables)

    def check(self, where, arguments, variables):
        run = subprocess.run([self.claviger, "check", "-o", "json", *arguments], capture_output=True, text=True, env=variables)
        if not run.stdout:
            self.hold(False, f"{where}: {run.stderr}")
            return
        told = json.loads(run.stdout)
        for fault in told["faults"] + told["warnings"]:
            key = fault.get("key") or ""
            # Files that other settings name are on volumes, and not here.
            self.hold(fault["kind"] != "configuration" or key.startswith(IN_SECRETS), f"{where}: {key}: {fault['message']}")


def checkov(program, folder):
    """What it finds in the files of a folder."""
    skipped = ",".join(UNDONE)
    command = [program, "-d", folder, "--framework", "kubernetes", "--skip-check", skipped, "--skip-download", "--quiet", "--compact", "-o", "json"]
    run = subprocess.run(command, capture_output=True, text=True)
    try:
        told = json.loads(run.stdout)
    except ValueError:
        return [f"checkov: {run.stdout}{run.stderr}"]
    found = told.get("results", {})
    faults = [f"{each['file_path']} {each['resource']}: {each['check_id']} {each['check_name']}" for each in found.get("failed_checks", [])]
    faults += [f"{file}: checkov cannot read it" for file in found.get("parsing_errors", [])]
    if told.get("passed", told.get("summary", {}).get("passed", 0)) == 0:
        faults.append("checkov has looked at nothing")
    return faults


def report(faults, sound):
    print("\n".join(faults) if faults else sound)
    sys.exit(1 if faults else 0)
