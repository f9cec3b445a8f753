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
import { accessFlows } from "./flows/access.mjs";
import { around } from "./flows/around.mjs";
import { everyPage } from "./flows/every_page.mjs";
import { forged } from "./flows/forged.mjs";
import { hostile } from "./flows/hostile.mjs";
import { keyFlows } from "./flows/key.mjs";
import { policyFlows } from "./flows/policies.mjs";
import { replicas } from "./flows/replicas.mjs";
import { rights } from "./flows/rights.mjs";
import { sessions } from "./flows/sessions.mjs";
import { signingIn } from "./flows/signing_in.mjs";
import { stale } from "./flows/stale.mjs";
import { screens } from "./screens.mjs";
import { Server, furnished } from "./server.mjs";
import { Browser } from "./visit.mjs";
import { WANTED } from "./wanted.mjs";

const text = { type: "string" };
const chromium = { ...text, default: "/usr/bin/chromium" };
const { values: asked } = parseArgs({ options: { claviger: text, modules: text, chromium, only: text, screens: text } });
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
if (asked.screens) {
  screens(cases, browser, server, world, resolve(asked.screens));
} else {
  // What takes longest begins first.
  forged(cases, browser, claviger);
  hostile(cases, browser, claviger);
  rights(cases, browser, claviger);
  keyFlows(cases, browser, server, world);
  everyPage(cases, browser, server, world);
  policyFlows(cases, browser, claviger);
  replicas(cases, browser, claviger);
  accessFlows(cases, browser, server, world);
  stale(cases, browser, server, world);
  sessions(cases, browser, server);
  signingIn(cases, browser, server, world, claviger);
  around(cases, browser, server, world, claviger);
  cases.complete(WANTED);
}
await cases.run(Math.max(2, availableParallelism()));
await browser.close();
await server.stop();
console.log(cases.closing(), `${browser.requests} requests of pages, each to their own origin`);
process.exitCode = cases.failed.length ? 1 : 0;
