// A server as it is shipped, with a store of its own, on loopback ports that the system gives; and what is in the store.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

// Keys that do not work are slowed down by the address that sends them: those of a test say which address they have.
const CONFIGURATION = `
drain_delay = "0s"
[proxy]
listen = "127.0.0.1:0"
client_ip = "x-forwarded-for"
trusted_proxies = ["127.0.0.1/32"]
[upstream]
url = "UPSTREAM"
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
`;

export class Server {
  /// With a root admin whose key is known; `printed` leaves it to the program to make one and to say how to get in.
  static async start(claviger, { printed = false } = {}) {
    const server = new Server();
    server.claviger = claviger;
    server.folder = await mkdtemp(join(tmpdir(), "claviger-browser-"));
    server.root = printed ? undefined : (await run(claviger, ["key", "generate"])).stdout.trim();
    return server.serving({ printed });
  }

  /// Another process on the same store.
  beside() {
    const { claviger, folder, root } = this;
    return Object.assign(new Server(), { claviger, folder, root, isBeside: true }).serving({});
  }

  async serving({ printed = false }) {
    const [server, claviger] = [this, this.claviger];
    server.upstream = await listening((request, answer) => answer.end("upstream"));
    const configuration = join(server.folder, server.isBeside ? "beside.toml" : "claviger.toml");
    await writeFile(configuration, CONFIGURATION.replace("UPSTREAM", server.upstream.origin));
    const env = { ...process.env, ...(printed ? {} : { CLAVIGER_BOOTSTRAP_KEY: server.root }) };
    server.process = spawn(claviger, ["serve", "--config", configuration], { env, stdio: ["ignore", "pipe", "pipe"] });
    server.ended = new Promise((resolve) => server.process.once("exit", resolve));
    server.printed = "";
    server.process.stdout.on("data", (piece) => (server.printed += piece));
    server.log = [];
    await new Promise((resolve, reject) => {
      createInterface({ input: server.process.stderr }).on("line", (line) => {
        server.log.push(line);
        const told = line.startsWith("{") ? JSON.parse(line) : {};
        if (told.message === "serving") {
          for (const listener of ["proxy", "ops", "admin"]) server[listener] = `http://${told[listener]}`;
          resolve();
        }
      });
      server.ended.then(() => reject(new Error(`the server has ended: ${server.log.join("\n")}`)));
    });
    return server;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    this.upstream.close();
    if (!this.isBeside) await rm(this.folder, { recursive: true });
  }

  /// Does nothing for a while, as a machine does that hangs.
  pause() {
    this.process.kill("SIGSTOP");
  }

  goOn() {
    this.process.kill("SIGCONT");
  }

  /// What the admin API makes of it; anything but success is an error.
  async api(method, path, body, key = this.root) {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(`${this.admin}/api/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  key(name, bindings = [], more = {}) {
    return this.api("POST", "/keys", { name, bindings, ...more });
  }

  /// Whether the data plane lets the key through.
  async passes(key) {
    const answer = await fetch(`${this.proxy}/`, { headers: { authorization: `Bearer ${key}` } });
    await answer.arrayBuffer();
    return answer.status === 200;
  }
}

/// An HTTP server on a loopback port of its own: an upstream, or a page that means no good.
export async function listening(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    origin: `http://127.0.0.1:${port}`,
    foreign: `http://localhost:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const OFFICE_HOURS = `package spacelift

# Members get in; what they do at night is looked at.
allow if input.session.member

sample if true
`;

/// Something of everything, so that no page is empty; and who looks at it.
export async function furnished(server) {
  const api = (...request) => server.api(...request);
  for (const [id, parent, name] of [
    ["team", "root", "The team"],
    ["web", "team", "Web"],
    ["web-production", "web", "Web, production"],
    ["other", "root", "Others"],
  ]) {
    await api("POST", "/spaces", { id, parent, name, description: `What ${name.toLowerCase()} runs.`, labels: ["tier:1", `of:${id}`] });
  }
  await api("POST", "/roles", {
    id: "deployer",
    name: "Deployer",
    description: "Starts runs and looks at them.",
    actions: ["run:read", "run:trigger", "stack:*"],
  });
  await api("POST", "/roles", { id: "spare", name: "Spare", description: "Nobody holds it.", actions: ["run:read"] });
  await api("POST", "/groups", { name: "platform", description: "Whoever keeps the platform." });
  await api("POST", "/bindings", { subject: { group: "platform" }, role: "deployer", space: "team" });
  const bind = (role, space) => [{ role, space }];
  const keys = {
    root: server.root,
    spaceAdmin: await server.key("team-admin", bind("space-admin", "team")),
    reader: await server.key("reader", bind("space-reader", "team")),
    ci: await server.key("ci", bind("deployer", "web"), { description: "Builds and deploys.", groups: ["platform", "builders"] }),
    off: await server.key("switched-off", bind("deployer", "other")),
    gone: await server.key("gone", bind("deployer", "other")),
    soon: await server.key("ends-soon", bind("deployer", "web"), { expires_at: new Date(Date.now() + 3 * 86_400_000).toISOString() }),
  };
  await api("POST", `/keys/${keys.off.id}/disable`);
  await api("DELETE", `/keys/${keys.gone.id}`);
  await api("POST", "/policies", { name: "office-hours", source: OFFICE_HOURS });
  await server.passes(keys.ci.key);
  await api("POST", "/signing-keys", {});
  return { keys, space: "web", role: "deployer", group: "platform", policy: "office-hours" };
}
