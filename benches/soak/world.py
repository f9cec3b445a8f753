"""What is in the store and what each key gets by it; and everything that can be changed while a process serves.

Each change is told to the judge before it is asked for, and again when it is acknowledged.
"""

import http.client
import itertools
import json
import os
import random

from machines import Trouble, run, until

SPACES = ("alpha", "beta", "gamma")
ROLES = ("reader", "writer", "runner", "tester")
GROUPS = ("team-a", "team-b", "team-c")
STRATEGIES = ("user-management", "login-policies", "combined")
# The directory's policy, by which everybody is let in whatever the strategy.
EVERYBODY = 'package spacelift\n\nallow if input.session.member\n\nroles["beta"]["base"] if input.session.member\n'
GATE = 'package spacelift\n\ndeny if startswith(input.session.login, "gated-")\n'

# What each live key may say besides what it says at first, so that no request gets anything else by it. Each reload has one of them.
LIVE = {
    "admin.requests_per_second": 500000, "audit.keep": "400d", "audit.webhook.give_up_after": "1h", "audit.webhook.secret_file": "other.secret",
    "audit.webhook.timeout": "1s", "audit.webhook.url": "http://127.0.0.1:9/hook", "cache.max_bytes": "1MiB", "cache.max_entries": 20,
    "cache.negative_ttl": "0s", "cache.time_quantum": "5s", "drain_delay": "1s", "drain_timeout": "5s", "limits.header_timeout": "5s",
    "limits.idle_timeout": "30s", "limits.max_connections": 500, "limits.max_header_bytes": "16KiB", "limits.max_headers": 60,
    "limits.max_requests": 100000, "limits.rate.requests_per_second": 900000, "limits.rate.burst": 950000, "limits.websocket_idle_timeout": "1m",
    "log.access": "errors", "log.format": "text", "log.level": "warn", "login.admit_without_roles": True, "policies.compare_every": 1,
    "policies.dir": "others.rego.d", "policies.evaluator": "regorus", "policies.memory_limit": "8MiB", "policies.time_limit": "5s",
    "proxy.client_certificates": "optional", "proxy.client_ip": "x-forwarded-for", "proxy.credentials": ["bearer"], "proxy.end_streams": "any-change",
    "proxy.remove_headers": ["x-mine"], "proxy.trusted_proxies": ["10.0.0.0/8"], "proxy.via": False, "store.max_staleness": "30s",
    "token.algorithm": "EdDSA", "token.audience": "others", "token.backdate": "1m", "token.header": "x-token", "token.headers": {"x-auth-subject": "sub"},
    "token.confirm_client_certificate": True, "token.include_actions": True, "token.issuer": "https://other.example", "token.keys": "others", "token.max_bytes": 5000, "token.ttl": "30s",
    "token.typ": "JWT", "upstream.connect_timeout": "500ms", "upstream.response_timeout": "30s", "upstream.url": "FEWER",
    "upstreams.streams.connect_timeout": "500ms", "upstreams.streams.http2": True, "upstreams.streams.response_timeout": "30s",
    "upstreams.streams.url": "FEWER", "routes": "OTHERS",
}
# What is said together with one of them.
WITH = {
    "limits.rate.burst": {"limits.rate.requests_per_second": 900000}, "token.algorithm": {"token.keys": "others"}, "token.keys": {"token.algorithm": "EdDSA"},
    "proxy.client_certificates": {"proxy.client_ca": "tls/ca.crt"}, "audit.webhook.secret_file": {"audit.webhook.url": "http://127.0.0.1:9/hook"},
}
# Live keys that stay as they are here: of listeners and upstreams that speak otherwise, and one that rings of files have no use for.
LEFT = {"admin.tls", "ops.tls", "upstream.tls", "upstreams.*.tls", "upstream.http2", "token.active"}
# What a reload refuses.
BAD = ("nonsense = 1", "proxy.via = 3", 'token.ttl = "1y"', 'upstream.url = "ftp://x"')


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class World:
    def __init__(self, driver, processes, directory, binary, root_key, seed):
        self.driver, self.processes, self.directory, self.binary, self.root_key = driver, processes, directory, binary, root_key
        self.random = random.Random(seed)
        self.keys, self.told, self.group_bindings, self.policies, self.strategy = [], [], {}, {}, "combined"
        self.extra, self.pair, self.number, self.signing = "absent", 0, itertools.count(), []
        self.made, self.faults, self.live = {}, [], itertools.cycle(self.random.sample(sorted(LIVE), len(LIVE)))
        self.live_done = set()
        self.said = {}

    # ------------------------------------------------------------------------------------------------------------ the admin API

    def api(self, method, path, body=None, refused=False):
        connection = http.client.HTTPConnection("127.0.0.1", self.processes[0].admin, timeout=20)
        headers = {"Authorization": f"Bearer {self.root_key}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if refused != (answer.status >= 400) or answer.status >= 500:
            raise Trouble(f"{method} {path} {body}: {answer.status} {said.decode(errors='replace')}")
        return json.loads(said) if said else {}

    # ------------------------------------------------------------------------------------------------------- what each key gets

    def expected(self, key):
        if key["state"] != "active":
            return {"status": 401}
        denied = "gate" in self.policies and key["name"].startswith("gated-")
        bound = {f"{space}:{role}" for role, space in key["bindings"]}
        bound |= {f"{space}:{role}" for group in key["groups"] for role, space in self.group_bindings.get(group, {})}
        given = {"beta:base"}
        if "pipelines" in self.policies and key["name"].startswith("ci-"):
            given.add(f"gamma:{self.policies['pipelines']}")
        if self.strategy != "user-management" and denied:
            return {"status": 403}
        roles = {"user-management": bound, "login-policies": given, "combined": bound | given}[self.strategy]
        return {"status": 200, "roles": sorted(roles)} if roles else {"status": 403}

    def changes(self, **more):
        """Tells the judge what is about to be different."""
        keys = {}
        for number, key in enumerate(self.keys):
            expected = self.expected(key)
            if expected != self.told[number]:
                keys[str(number)] = self.told[number] = expected
        self.noted({"begin": {"keys": keys, **more}})

    def done(self):
        self.noted("done")

    def noted(self, what):
        self.driver.tell(what)
        if not self.driver.await_event("noted", 30):
            raise Trouble("the driver does not answer")

    # --------------------------------------------------------------------------------------------------------------- in the store

    def set_up(self, keys):
        for space in SPACES:
            self.api("POST", "/spaces", {"id": space, "parent": "root"})
        for role in (*ROLES, "base"):
            self.api("POST", "/roles", {"id": role, "actions": ["thing:read"]})
        for _ in range(keys):
            self.make_key()

    def make_key(self):
        number = next(self.number)
        key = {"name": f"{('ci', 'svc', 'gated')[number % 3]}-{number}", "state": "active", "groups": [GROUPS[number % len(GROUPS)]], "bindings": {}}
        made = self.api("POST", "/keys", {"name": key["name"], "groups": key["groups"], "bindings": [{"role": "base", "space": "alpha"}]})
        key.update(id=made["id"], bindings={("base", "alpha"): made["bindings"][0]["id"]})
        self.presented(key, made["key"])

    def presented(self, key, text):
        """Until a second after it was made, it may not be known."""
        self.keys.append(key)
        self.told.append({"status": 401})
        self.noted({"key": {"text": text, "expected": {"status": 401}}})
        self.changes()
        self.done()

    def some(self, *states):
        found = [key for key in self.keys if key["state"] in states]
        return self.random.choice(found) if found else None

    def bind_or_unbind(self):
        key, what = self.some("active"), (self.random.choice(ROLES), self.random.choice(SPACES))
        self.change_binding(key["bindings"], {"key": key["id"]}, what)

    def bind_or_unbind_group(self):
        group = self.random.choice(GROUPS)
        self.change_binding(self.group_bindings.setdefault(group, {}), {"group": group}, (self.random.choice(ROLES), self.random.choice(SPACES)))

    def change_binding(self, bindings, subject, what):
        if binding := bindings.pop(what, None):
            self.changes()
            self.api("DELETE", f"/bindings/{binding}")
        else:
            bindings[what] = None
            self.changes()
            bindings[what] = self.api("POST", "/bindings", {"subject": subject, "role": what[0], "space": what[1]})["id"]
        self.done()

    def unbind_entirely(self):
        """Without any role but what policies give."""
        key = self.some("active")
        for what in list(key["bindings"]):
            self.change_binding(key["bindings"], {"key": key["id"]}, what)

    def switch(self):
        disabled = [key for key in self.keys if key["state"] == "disabled"]
        if len(disabled) > 3:
            key, state, word = disabled[0], "active", "enable"
        else:
            key, state, word = self.some("active"), "disabled", "disable"
        key["state"] = state
        self.changes()
        self.api("POST", f"/keys/{key['id']}/{word}")
        self.done()

    def revoke(self):
        key = self.some("active", "disabled")
        key["state"] = "revoked"
        self.changes()
        self.api("DELETE", f"/keys/{key['id']}")
        self.done()
        self.make_key()

    def rotate(self):
        """The secret that was is another key that is gone, to whoever presents it."""
        key = self.some("active")
        number = self.keys.index(key)
        self.keys[number] = {**key, "state": "revoked"}
        self.changes()
        text = self.api("POST", f"/keys/{key['id']}/rotate", {"grace_seconds": 0})["key"]
        self.done()
        self.presented(key, text)

    def move(self):
        key = self.some("active")
        key["groups"] = self.random.sample(GROUPS, self.random.randint(0, 2))
        self.changes()
        self.api("PATCH", f"/keys/{key['id']}", {"groups": key["groups"]})
        self.done()

    def change_role(self):
        actions = ["thing:read", f"thing:a{next(self.number)}"]
        self.api("PATCH", f"/roles/{self.random.choice(ROLES)}", {"actions": actions})

    def change_space(self):
        name = f"passing-{next(self.number)}"
        self.api("POST", "/spaces", {"id": name, "parent": "root"})
        self.api("DELETE", f"/spaces/{name}")

    def change_pipelines(self):
        role = self.random.choice(ROLES)
        source = f'package spacelift\n\nallow if startswith(input.session.login, "ci-")\n\nroles["gamma"]["{role}"] if startswith(input.session.login, "ci-")\n'
        if "pipelines" not in self.policies:
            self.policies["pipelines"] = role
            self.changes()
            self.api("POST", "/policies", {"name": "pipelines", "source": source})
        elif role == self.policies["pipelines"]:
            del self.policies["pipelines"]
            self.changes()
            self.api("DELETE", "/policies/pipelines")
        else:
            self.policies["pipelines"] = role
            self.changes()
            self.api("PUT", "/policies/pipelines", {"source": source})
        self.done()

    def change_gate(self):
        if self.policies.pop("gate", None):
            self.changes()
            self.api("DELETE", "/policies/gate")
        else:
            self.policies["gate"] = True
            self.changes()
            self.api("POST", "/policies", {"name": "gate", "source": GATE})
        self.done()

    def offer_a_bad_policy(self):
        self.api("POST", "/policies", {"name": "bad", "source": "package spacelift\n\nallow if {\n"}, refused=True)

    def change_strategy(self):
        self.strategy = STRATEGIES[(STRATEGIES.index(self.strategy) + 1) % len(STRATEGIES)]
        self.changes()
        self.api("PUT", "/strategy", {"strategy": self.strategy})
        self.done()

    def roll_signing_keys(self):
        """Published, signing, and gone once its last token has expired."""
        states = {key["kid"]: key["state"] for key in self.api("GET", "/signing-keys")["items"]}
        following = [kid for kid, state in states.items() if state == "next"]
        if following:
            self.api("POST", f"/signing-keys/{following[0]}/activate", {"force": True})
        else:
            self.api("POST", "/signing-keys", {})
        retiring = [kid for kid, state in states.items() if state == "retiring"]
        if len(retiring) > 3:
            with_patience = self.api("GET", "/signing-keys")["items"]
            oldest = min((key for key in with_patience if key["state"] == "retiring"), key=lambda key: key["since"])
            try:
                self.api("POST", f"/signing-keys/{oldest['kid']}/retire", {})
            except Trouble as trouble:
                if "too_early" not in str(trouble):
                    raise

    # ---------------------------------------------------------------------------------------------------------- in the configuration

    def configuration(self, process, but=()):
        url = self.driver.ready
        said = {
            "proxy.listen": f"127.0.0.1:{process.proxy}", "ops.listen": f"127.0.0.1:{process.ops}", "proxy.threads": 2,
            "admin.listen": f"127.0.0.1:{process.admin}" if process is self.processes[0] else "off",
            "admin.requests_per_second": 1000000, "upstream.url": [f"http://{each}" for each in url["main"]],
            "upstreams.streams.url": [f"h2c://{each}" for each in url["streams"]], "token.issuer": f"http://127.0.0.1:{process.ops}",
            "token.keys": "keys", "store.url": f"sqlite://{self.directory}/claviger.db", "policies.dir": "everybody.rego.d",
            "log.format": "json", "log.access": "none",
        }
        if process is self.processes[1]:
            said.update({"proxy.tls.cert": "tls/tls.crt", "proxy.tls.key": "tls/tls.key"})
        routes = [{"path": "/main/{*rest}"}, {"path": "/main"}, {"path": "/streams/{*rest}", "upstream": "streams"}, {"path": "/streams", "upstream": "streams"},
                  {"path": "/open", "auth": "none"}]
        if self.extra != "absent":
            demanding = {"space": "alpha", "require": "nobody:may"} if self.extra == "demanding" else {}
            routes.append({"path": "/extra/{id}", **demanding})
        for key in but:
            value = LIVE[key]
            if value == "FEWER":
                value = list(reversed(said[key]))[:2]
            elif value == "OTHERS":
                routes[0].update(name="main", methods=["GET", "POST"], hosts=["localhost"], max_body_bytes="1MiB", response_timeout="30s", cors_preflight=True,
                                 **{"rate.requests_per_second": 900000, "rate.burst": 950000})
                continue
            if key == "upstreams.streams.http2":
                said["upstreams.streams.url"] = [each.replace("h2c:", "http:") for each in said["upstreams.streams.url"]]
            if key == "proxy.client_certificates" and process is not self.processes[1]:
                continue
            said.update({key: value, **WITH.get(key, {})})
        return "".join(f"{key} = {toml(value)}\n" for key, value in {**said, "routes": routes}.items())

    def write(self, process, text):
        file = self.directory / f"{process.name}.toml"
        new = file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, file)

    def reload(self, text, succeeds=True):
        """Both read it; what is wrong changes nothing."""
        before = {process.name: self.reloads(process) for process in self.processes}
        for process in self.processes:
            self.write(process, text(process))
        for process in self.processes:
            process.signal(1)
        for process in self.processes:
            until(f"{process.name} to reload", lambda: self.reloads(process) > before[process.name], 20)
            wanted = "1" if succeeds else "0"
            # The file is watched, too: what was read first may have been the one before.
            until(f"{process.name} to {'take' if succeeds else 'refuse'} its configuration",
                  lambda: process.metrics()["claviger_config_last_reload_success"] == wanted, 20)

    def reloads(self, process):
        return sum(float(value) for series, value in process.metrics().items() if series.startswith("claviger_config_reloads_total"))

    def change_a_live_key(self):
        key = next(self.live)
        self.reload(lambda process: self.configuration(process, (key,)))
        self.live_done.add(key)

    def offer_a_bad_configuration(self):
        bad = self.random.choice(BAD)
        self.reload(lambda process: "\n".join(line for line in self.configuration(process).splitlines() if line.split(" ")[0] != bad.split(" ")[0]).replace("routes =", f"{bad}\nroutes ="), succeeds=False)
        self.reload(self.configuration)

    def change_a_route(self):
        self.extra = self.random.choice([state for state in ("absent", "present", "demanding") if state != self.extra])
        self.changes(extra=self.extra)
        self.reload(self.configuration)
        self.done()

    def offer_a_bad_policy_file(self):
        file = self.directory / "everybody.rego.d" / "bad.rego"
        file.write_text("package spacelift\n\nallow if {\n")
        self.reload(self.configuration, succeeds=False)
        file.unlink()
        self.reload(self.configuration)

    # -------------------------------------------------------------------------------------------------------------- certificates

    def issue(self, name):
        self.driver.tell({"issue": str(self.directory / name)})
        return self.driver.await_event("issued", 10)["certificate"]

    def put(self, name, source):
        new = self.directory / "tls" / f"{name}.new"
        new.write_bytes(source)
        os.replace(new, self.directory / "tls" / name)

    def change_the_certificate(self):
        certificate = self.issue("next")
        self.changes(certificate=certificate)
        for name in ("tls.crt", "tls.key"):
            self.put(name, (self.directory / "next" / name).read_bytes())
        self.reload(self.configuration)
        self.done()

    def offer_a_bad_certificate(self):
        kept = {name: (self.directory / "tls" / name).read_bytes() for name in ("tls.crt", "tls.key")}
        self.issue("bad")
        kind = self.random.choice(("another key", "no certificate", "empty"))
        if kind == "another key":
            self.put("tls.key", (self.directory / "bad" / "tls.key").read_bytes())
        else:
            self.put("tls.crt", b"" if kind == "empty" else b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        process = self.processes[1]
        before = self.reloads(process)
        process.signal(1)
        until("the reload", lambda: self.reloads(process) > before, 20)
        for name, content in kept.items():
            self.put(name, content)
        self.reload(self.configuration)

    # ------------------------------------------------------------------------------------------------------------------------ all

    ORDER = (
        "bind_or_unbind", "change_a_live_key", "switch", "change_the_certificate", "rotate", "change_pipelines", "change_a_live_key", "bind_or_unbind_group",
        "change_a_route", "revoke", "offer_a_bad_certificate", "change_strategy", "change_a_live_key", "change_gate", "offer_a_bad_configuration",
        "roll_signing_keys", "move", "change_a_live_key", "offer_a_bad_policy_file", "unbind_entirely", "switch", "change_a_live_key", "change_role",
        "bind_or_unbind", "change_space", "offer_a_bad_policy", "change_a_live_key",
    )

    def change_something(self, number):
        what = self.ORDER[number % len(self.ORDER)]
        try:
            getattr(self, what)()
            self.made[what] = self.made.get(what, 0) + 1
        except Trouble as trouble:
            self.faults.append(f"{what}: {trouble}")
            print(f"FAULT {what}: {trouble}", flush=True)
            self.noted("done")

    def live_left(self):
        """Live keys of the program that no reload here changes."""
        told = json.loads(run([self.binary, "check", "--config", self.directory / f"{self.processes[0].name}.toml", "-o", "json"]))["keys"]
        known = {*LIVE, *LEFT, "proxy.client_ca", "proxy.tls.cert", "proxy.tls.key"}
        covers = lambda key: key.startswith("routes.") or any(key.replace(".streams.", ".*.") == each or key.startswith(each + ".") for each in known)
        known |= {each.replace(".streams.", ".*.") for each in known}
        return sorted(key for key, takes in told.items() if takes == "live" and not covers(key))
