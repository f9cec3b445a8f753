// undici, which Node's fetch is made of, and node:http2: `client.mjs fetch|http2 URL KEY CA DIRECT`, with the folder of modules in NODE_MODULES.
import assert from "node:assert";
import crypto from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const [how, url, key, ca, direct] = process.argv.slice(2);
const pattern = Buffer.from(Uint8Array.from({ length: 256 }, (_, at) => at));
const body = Buffer.concat(Array(16 * 4096).fill(pattern));
const told = { length: body.length, sha256: crypto.createHash("sha256").update(body).digest("hex") };
const wrong = key.slice(0, -1) + (key.endsWith("A") ? "B" : "A");

function* pieces(body) {
  for (let at = 0; at < body.length; at += 65536) yield body.subarray(at, at + 65536);
}

async function tryAll(ask) {
  const allowed = async (...request) => {
    const answer = await ask(...request);
    assert.equal(answer.status, 200, answer.content.toString().slice(0, 200));
    return answer.content;
  };
  for (let time = 0; time < 3; time++) assert.equal(JSON.parse(await allowed("GET", url + "/who", key)).claims.name, "client");
  assert.deepEqual(JSON.parse(await allowed("POST", url + "/sum", key, body)), told);
  assert.equal((await allowed("GET", `${url}/zeros?${body.length}`, key)).length, body.length);
  const refused = await ask("POST", direct + "/sum", wrong, body);
  assert.equal(refused.status, 401);
  assert.equal(JSON.parse(refused.content).code, "invalid_key");
  await allowed("GET", direct + "/who", key);
}

if (how === "fetch") {
  const { Agent, fetch } = createRequire(process.env.NODE_MODULES + "/")("undici");
  const dispatcher = new Agent({ connections: 1, connect: { ca: fs.readFileSync(ca) } });
  await tryAll(async (method, url, key, body) => {
    const answer = await fetch(url, { method, body, headers: { authorization: `Bearer ${key}` }, dispatcher });
    return { status: answer.status, content: Buffer.from(await answer.arrayBuffer()) };
  });
  await dispatcher.close();
} else {
  const sessions = [url, direct].map((url) => http2.connect(url, { ca: fs.readFileSync(ca) }));
  await tryAll(
    (method, target, key, body) =>
      new Promise((done, failed) => {
        const { origin, pathname, search } = new URL(target);
        const session = sessions[origin === direct ? 1 : 0];
        const stream = session.request({ ":method": method, ":path": pathname + search, authorization: `Bearer ${key}` });
        const content = [];
        let status;
        stream.on("response", (headers) => (status = headers[":status"]));
        stream.on("data", (piece) => content.push(piece));
        stream.on("end", () => done({ status, content: Buffer.concat(content) }));
        // A refusal may come before all of a body has gone, and the stream is reset then: the answer counts.
        stream.on("error", (error) => status ?? failed(error));
        // Piece by piece: what a session has not sent yet counts against its memory.
        Readable.from(body ? pieces(body) : []).pipe(stream);
      }),
  );
  sessions.forEach((session) => session.close());
}
