// The console in a real browser: Chromium, driven by playwright-core, looked at by axe-core.
//
//   node tests/browser/run.mjs --claviger target/dist/claviger --modules target/test-node/node_modules
//
//   --chromium PATH   another browser than /usr/bin/chromium
//   --only TEXT       only cases whose name holds this text
//   --screens FOLDER  no case: a picture of every page into this folder, in light and dark, 1440 and 360 px wide
//
// One line for each case; exit code 1 if one has failed.

import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Cases } from "./cases.mjs";
import { OPEN, behind } from "./pages.mjs";
import { screens } from "./screens.mjs";
import { Server, furnished } from "./server.mjs";
import { sound } from "./sound.mjs";
import { Browser } from "./visit.mjs";
import { weight } from "./weights.mjs";

const text = { type: "string" };
const { values: asked } = parseArgs({ options: { claviger: text, modules: text, chromium: { ...text, default: "/usr/bin/chromium" }, only: text, screens: text } });
for (const needed of ["claviger", "modules"]) {
  if (!asked[needed]) {
    console.error(`--${needed} is missing`);
    process.exit(2);
  }
}

const claviger = resolve(asked.claviger);
const server = await Server.start(claviger);
const world = await furnished(server);
const browser = await Browser.launch({ chromium: asked.chromium, modules: resolve(asked.modules) });
const cases = new Cases(asked.only);
// The API's reference is served by programs without a console, too.
const hasConsole = (await fetch(`${server.admin}/sign-in`)).ok;
const exists = ({ needs }) => hasConsole || needs !== "console";

if (asked.screens) {
  await screens(cases, browser, server, world, resolve(asked.screens), hasConsole ? () => true : ({ name }) => name === "API reference");
} else {
  for (const { name, path, framed } of OPEN.filter(exists)) {
    for (const [look, options] of [["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }], ["360 px", { narrow: true }]]) {
      cases.add(`page: ${name}, ${look}`, async () => {
        const visit = await browser.visit(server, options);
        await visit.open(path);
        await sound(visit, { framed });
        await visit.close();
      });
    }
    cases.add(`weight: ${name}`, async () => {
      const visit = await browser.visit(server);
      console.log((await weight(visit, path)).told);
      await visit.close();
    });
  }
}

await cases.run(Math.max(2, availableParallelism()));
await browser.close();
await server.stop();
console.log(`${browser.requests} requests of pages`);
console.log(cases.closing());
process.exitCode = cases.failed.length ? 1 : 0;
