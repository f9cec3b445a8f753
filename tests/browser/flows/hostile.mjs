// Texts that would like to be scripts, in every field that takes a text: kept as they are, shown as they are, and nothing more.

import { assert, equal } from "../cases.mjs";
import { crawl } from "../crawl.mjs";
import { Server } from "../server.mjs";
import { CANARY } from "../visit.mjs";

const TEXTS = [
  `"><script>window.${CANARY}="script"</script>`,
  `'><img src=x onerror='window.${CANARY}="image"'>`,
  `</textarea></title></pre><svg onload=window.${CANARY}="svg">`,
  `javascript:window.${CANARY}="link"`,
  `"onfocus=window.${CANARY}="focus"autofocus x="`,
  `<style>*{background:url(//evil.example/x)}</style><meta http-equiv=refresh content=0;url=//evil.example>`,
  `<a href="javascript:window.${CANARY}='anchor'">x</a><form action=//evil.example><button>x</button></form>`,
  `--><!--<iframe srcdoc="<script>top.${CANARY}='frame'</script>">`,
];
// Of those that a name may be, some that break out of an element, of an attribute, and of an address.
const NAMES = [`"'></textarea></title></pre><script>window.${CANARY}="name"</script>`, TEXTS[4], TEXTS[3]];
const FORMULAS = ["=HYPERLINK(\"http://evil.example\")", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", " =1+1"];

export function hostile(cases, browser, claviger) {
  cases.add("hostile: stored texts stay texts, on every page that links lead to", async () => {
    const server = await Server.start(claviger);
    try {
      for (const [number, name] of NAMES.entries()) await store(server, name, TEXTS.join("\n"), number);
      const visit = await browser.visit(server, { as: server.root });
      const { pages } = await crawl(visit);
      assert(pages > 60, `only ${pages} pages were found`);
      // Shown as it was entered, and whole.
      await visit.open("/keys");
      for (const name of NAMES) await visit.page.getByRole("link", { name, exact: true }).first().waitFor();
      await visit.close();
    } finally {
      await server.stop();
    }
  });
  cases.add("hostile: what stands in an address, or is entered wrongly, stays a text", async () => {
    const server = await Server.start(claviger);
    try {
      const visit = await browser.visit(server, { as: server.root });
      // A field for a date says that this is none.
      visit.expected.push(/does not conform to the required format/);
      for (const text of [...NAMES, TEXTS.join(" ")]) {
        const hostile = encodeURIComponent(text);
        for (const address of ADDRESSES) await visit.open(address.replaceAll("HOSTILE", hostile));
        await visit.open("/keys/new");
        await visit.page.locator("main").getByLabel("Name").fill(text.padEnd(128, "x").slice(0, 128));
        await visit.page.locator("main").getByLabel("Description").fill(text);
        await visit.page.locator("main").getByLabel("Groups").fill(`${text}\n${"x".repeat(300)}`);
        await visit.page.getByRole("button", { name: "Create key" }).click();
        await visit.page.getByRole("alert").waitFor();
        equal(await visit.page.locator("main").getByLabel("Description").inputValue(), text, "what was entered");
      }
      await visit.close();
      const outside = await browser.visit(server);
      for (const text of [...NAMES, TEXTS.join(" ")]) {
        for (const address of ["/sign-in?next=HOSTILE", "/sign-in/once?ticket=HOSTILE", "/try?key=HOSTILE", "/HOSTILE"]) {
          await outside.open(address.replaceAll("HOSTILE", encodeURIComponent(text)));
        }
      }
      await outside.close();
    } finally {
      await server.stop();
    }
  });
  cases.add("hostile: no cell of an exported audit is a formula", async () => {
    const server = await Server.start(claviger);
    try {
      for (const [number, formula] of FORMULAS.entries()) {
        // Names do not begin or end with blanks, nor hold control characters: descriptions may.
        await server.key(`key-${number}`, [], { description: formula });
        if (/^[\x21-\x7e]/.test(formula)) {
          await server.key(formula);
          await server.api("POST", "/groups", { name: formula, description: formula });
        }
      }
      const visit = await browser.visit(server, { as: server.root });
      const answer = await visit.context.request.get("/audit/export?format=csv");
      equal(answer.status(), 200, "the export's status");
      assert(/^text\/csv/.test(answer.headers()["content-type"]), `it is ${answer.headers()["content-type"]}`);
      assert(/^attachment/.test(answer.headers()["content-disposition"] ?? ""), "a browser would show it");
      const rows = csv(await answer.text());
      assert(rows.length > FORMULAS.length * 2, `there are ${rows.length} rows`);
      equal([...new Set(rows.map((row) => row.length))].length, 1, "different numbers of cells in a row");
      const formulas = rows.flat().filter((cell) => /^\s*[=+\-@\t\r]/.test(cell));
      equal(formulas, [], "cells that a spreadsheet calculates");
      const lines = await visit.context.request.get("/audit/export?format=jsonl");
      const entries = (await lines.text()).trim().split("\n").map((line) => JSON.parse(line));
      equal(entries.length, rows.length - 1, "entries as JSON, and as CSV");
      await visit.close();
    } finally {
      await server.stop();
    }
  });
}

const ADDRESSES = [
  "/search?q=HOSTILE",
  "/keys?q=HOSTILE&group=HOSTILE&state=HOSTILE&saved=HOSTILE&cursor=HOSTILE",
  "/keys/HOSTILE",
  "/spaces/HOSTILE",
  "/spaces/new?parent=HOSTILE",
  "/roles/HOSTILE",
  "/groups/of?name=HOSTILE",
  "/groups?q=HOSTILE&saved=HOSTILE",
  "/policies/of?name=HOSTILE",
  "/policies/versions?name=HOSTILE",
  "/audit?actor=HOSTILE&action=HOSTILE&resource=HOSTILE&since=HOSTILE&until=HOSTILE",
  "/in-force?revision=HOSTILE",
  "/docs/HOSTILE",
  "/?saved=HOSTILE",
];

async function store(server, name, text, number) {
  const id = `hostile-${number}`;
  await server.api("POST", "/spaces", { id, name, description: text, labels: [name, ...TEXTS] });
  await server.api("POST", "/roles", { id, name, description: text, actions: ["run:read"] });
  await server.api("POST", "/groups", { name, description: text });
  const key = await server.key(name, [{ role: id, space: id }], { description: text, groups: [name, ...TEXTS.filter((text) => !NAMES.includes(text))] });
  await server.api("POST", "/bindings", { subject: { group: name }, role: id, space: id });
  const comments = text.replaceAll(/^/gm, "# ");
  const source = `package spacelift\n\n${comments}\nallow if input.session.member\n\nteam contains ${JSON.stringify(name)}\n\nsample if true\n`;
  await server.api("POST", "/policies", { name, source });
  await server.passes(key.key);
}

/// RFC 4180.
function csv(text) {
  const rows = [[]];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  for (let found = cell.exec(text); found && found[0] !== ""; found = cell.exec(text)) {
    rows.at(-1).push(found[1]?.replaceAll('""', '"') ?? found[2]);
    if (found[3] !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length);
}
