"""What testssl.sh has to say of every listener that speaks TLS, through the binary as it is shipped.

    python3 tests/clients/tls_probed.py --claviger target/dist/claviger --testssl testssl

Protocols, ciphers, forward secrecy, what the server says of itself, and the vulnerabilities that it knows to look for. Nothing above LOW may be
found, but for what follows from who vouches for a test's certificate. Where there is more, or something was not looked at, all of that listener is looked
at again, twice at most, and what counts is what is found each time: what a server does it does again, and on a machine that is busy testssl.sh gives up early.
It stays on this machine: no name is looked up, and nobody is asked whether a certificate was revoked.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "api"), str(HERE.parent / "deploy")]

from authority import authority
from served import Server

# What may be found, however bad it is said to be, and why.
EXPECTED = {
    "cert_revocation": "the test's authority publishes no list of what it has revoked, nor answers for it",
    "cert_expirationStatus": "the test's certificate is for a day",
    "cert_notAfter": "the test's certificate is for a day",
    "engine_problem": "it speaks of the prober's own openssl, which has no GOST",
}
HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
# Without these it was no TLS server that was looked at, or nobody looked.
ASKED = {"SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS", "BEAST", "SWEET32"}
# How often a listener is looked at, at most.
LOOKS = 3


class Probed:
    """What was found at a listener, over all looks."""

    def __init__(self, testssl, name, address, folder):
        # Of each look its findings, and how long it took; the bad ones of every look that came to its end, by their ids; what the last one has said.
        self.looks, self.bad, self.said = [], None, ""
        while len(self.looks) < LOOKS and (self.bad is None or self.bad):
            findings, self.said, took = looked_at(testssl, folder / f"{name}-{len(self.looks)}.json", address, folder)
            self.looks.append((findings, took))
            if not missing(findings):
                bad = {finding["id"] for finding in findings if is_bad(finding)}
                self.bad = bad if self.bad is None else self.bad & bad


def missing(findings):
    return ASKED - {finding["id"] for finding in findings}


def is_bad(finding):
    return finding["severity"] not in HARMLESS and finding["id"].split(" ")[0] not in EXPECTED


def looked_at(testssl, file, address, folder):
    began = time.monotonic()
    # Protocols, what the server says of itself, forward secrecy, kinds of ciphers, and vulnerabilities.
    argv = [testssl, "--quiet", "--warnings=batch", "--nodns=none", "--color=0", "-p", "-S", "-f", "-s", "-U", f"--add-ca={folder}/ca.crt"]
    argv += [f"--jsonfile={file}", address]
    said = ""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300, cwd=folder)
        said = done.stdout + done.stderr
        findings = json.loads(file.read_text(errors="replace"))
    except (OSError, ValueError, subprocess.TimeoutExpired) as fault:
        # As good as not looked at.
        findings, said = [], f"{said}\n{fault}"
    return findings, said, time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claviger", required=True)
    parser.add_argument("--testssl", default="testssl")
    asked = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        certificate, key, ca = authority(["127.0.0.1"])
        for name, content in (("server.crt", certificate), ("server.key", key), ("ca.crt", ca)):
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
        tls = f'{{ cert = "{folder}/server.crt", key = "{folder}/server.key" }}'
        for listener in ("ADMIN", "OPS"):
            os.environ |= {f"CLAVIGER_{listener}__TLS__CERT": f"{folder}/server.crt", f"CLAVIGER_{listener}__TLS__KEY": f"{folder}/server.key"}
        with Server(asked.claviger, f"tls = {tls}") as server, concurrent.futures.ThreadPoolExecutor() as pool:
            listeners = {name: getattr(server, name).removeprefix("http://") for name in ("proxy", "admin", "ops")}
            # It waits more than it works.
            probes = {name: pool.submit(Probed, asked.testssl, name, address, folder) for name, address in listeners.items()}
            for name, probe in probes.items():
                probe = probe.result()
                for look, (findings, took) in enumerate(probe.looks, 1):
                    counts = collections.Counter(finding["severity"] for finding in findings)
                    print(f"{name}, look {look}: {len(findings)} findings in {took:.0f} s: {', '.join(f'{count} {severity}' for severity, count in counts.most_common())}")
                    for finding in findings:
                        if finding["severity"] not in HARMLESS:
                            why = EXPECTED.get(finding["id"].split(" ")[0])
                            if not why and probe.bad is not None and finding["id"] not in probe.bad:
                                why = "not found at another look"
                            print(f"  {finding['severity']}  {finding['id']}: {finding['finding']}" + (f" (expected: {why})" if why else ""))
                    if missing(findings):
                        print(f"  not looked at: {', '.join(sorted(missing(findings)))}")
                if probe.bad is None:
                    print(f"  it said:\n{probe.said[-3000:]}")
                failed |= probe.bad is None or bool(probe.bad)
    sys.exit(1 if failed else 0)


main()
