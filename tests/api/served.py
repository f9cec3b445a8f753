"""A server as it is shipped, with a store of its own, an upstream behind it, and the command line beside it. All on loopback."""

import http.server
import json
import pathlib
import subprocess
import tempfile
import threading

# Keys that do not work are slowed down by their address, and so is whoever asks too often: a test has as many addresses as it likes.
CONFIGURATION = """
drain_delay = "0s"
[proxy]
listen = "127.0.0.1:0"
client_ip = "x-forwarded-for"
trusted_proxies = ["127.0.0.1/32"]
{proxy}
[upstream]
url = "{upstream}"
[ops]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
requests_per_second = 1000000
[token]
keys = "keys"
[store]
url = "sqlite://claviger.db"
[log]
format = "json"
"""


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that it has got."""

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server:
    """Serves within a `with`. What is in front of whom may be said: more of `[proxy]`, and the upstream's URL."""

    def __init__(self, claviger, proxy="", upstream=None):
        self.claviger, self.more, self.upstream_url = pathlib.Path(claviger).resolve(), proxy, upstream

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.upstream = None
        if not self.upstream_url:
            self.upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
            threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
            self.upstream_url = f"http://127.0.0.1:{self.upstream.server_port}"
        self.configuration = pathlib.Path(self.folder.name, "claviger.toml")
        self.configuration.write_text(CONFIGURATION.format(proxy=self.more, upstream=self.upstream_url))
        self.process = subprocess.Popen(
            [self.claviger, "serve", "--config", self.configuration], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            if line.startswith("{") and (told := json.loads(line)).get("message") == "serving":
                break
        else:
            raise SystemExit("the server has ended: " + "".join(self.log))
        self.address = told["proxy"]
        self.proxy, self.ops, self.admin = (f"http://{told[listener]}" for listener in ("proxy", "ops", "admin"))
        # Whoever does not read the log holds nobody up, but what a failure is told by is in it.
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        if self.upstream:
            self.upstream.shutdown()
        self.folder.cleanup()

    def run(self, *arguments):
        """What the command line makes of it, on the server's store."""
        command = [self.claviger, *arguments, "--config", self.configuration, "-o", "json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def key(self, name, binding):
        return self.run("key", "create", "--name", name, "--bind", binding)
