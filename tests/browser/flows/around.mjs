// What is around what is managed: search, audit, signing keys, replicas, settings, help; and what every page has.

import { readFile } from "node:fs/promises";
import { assert, equal } from "../cases.mjs";
import { crawl } from "../crawl.mjs";
import { Server } from "../server.mjs";
import { sound } from "../sound.mjs";

export function around(cases, browser, server, world, claviger) {
  cases.add("around: every link of help and of what is managed leads to a page", async () => {
    const visit = await browser.visit(server, { as: world.keys.root });
    // Those of keys and of the audit lead to more of their kind, which other cases look at.
    const skip = ({ pathname, searchParams }) => /^\/(keys|audit)\//.test(pathname) || searchParams.size > 0;
    await crawl(visit, { skip });
    await visit.close();
  });
  const visited = (name, flow) =>
    cases.flow(name, async (look) => {
      const visit = await browser.visit(server, { ...look, as: world.keys.root });
      await flow(visit);
      await visit.close();
    });
  visited("search: a slash goes to it, and it finds all there is", (visit) => searched(visit, world));
  visited("around: the way past the navigation leads to the content", pastTheNavigation);
  visited("around: a page that is not there, a key that is not there", notThere);
  visited("audit: filtered, and taken as a file", audited);
  visited("settings: what is in force, and where it was written", settings);
  visited("help: from a page to what explains it", helped);
  cases.flow("signing keys: published, signing, retired", async (look) => {
    const own = await Server.start(claviger);
    try {
      const visit = await browser.visit(own, { ...look, as: own.root });
      await rolled(visit);
      await visit.close();
    } finally {
      await own.stop();
    }
  });
}

async function searched(visit, world) {
  const { page } = visit;
  await visit.open("/replicas");
  await page.keyboard.press("/");
  for (const [text, found] of [
    ["switched-off", "switched-off"],
    [world.keys.ci.id, "ci"],
    ["web, prod", "web-production"],
    ["Deployer", "deployer"],
    ["plat", "platform"],
    ["office", "office-hours"],
  ]) {
    equal(await page.evaluate(() => document.activeElement.id), "search", "where the focus is after a slash");
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.searchParams.get("q") === text);
    await page.locator("main").getByRole("link", { name: found, exact: true }).first().waitFor();
    await page.keyboard.press("/");
  }
  await sound(visit);
  await page.locator("#search").fill("nothing is called like this");
  await page.keyboard.press("Enter");
  await page.waitForURL(/nothing/);
  equal(await page.locator("main li a, main td a").count(), 0, "what is found of nothing");
  await sound(visit);
}

async function pastTheNavigation(visit) {
  const { page } = visit;
  for (const path of ["/keys", "/audit", "/spaces"]) {
    await visit.open(path);
    await page.keyboard.press("Tab");
    equal(await page.evaluate(() => document.activeElement.className), "skip", `what has the focus first on ${path}`);
    assert(await page.locator("a.skip").isVisible(), "the link is not seen though it has the focus");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    const inside = await page.evaluate(() => document.querySelector("#main").contains(document.activeElement));
    assert(inside, `the focus is not in the content of ${path}`);
  }
}

async function notThere(visit) {
  const missing = ["/nothing", "/keys/nothing", "/keys/01hv0000000000000000000000", "/spaces/nothing", "/roles/nothing", "/docs/nothing"];
  for (const path of [...missing, "/groups/of?name=nothing", "/policies/of?name=nothing"]) {
    const answer = await visit.open(path);
    equal(answer.status(), 404, path);
    await sound(visit);
  }
}

async function audited(visit) {
  const { page } = visit;
  await visit.open("/audit");
  await page.locator("main [name=action]").fill("space.create");
  await page.locator("main form[method=get] button").first().click();
  await page.waitForURL(/action=space\.create/);
  const rows = page.locator("main tbody tr");
  const actions = await rows.evaluateAll((rows) => rows.map((row) => row.innerText.includes("space.create")));
  assert(actions.length >= 4 && actions.every(Boolean), `rows: ${actions}`);
  await sound(visit);
  for (const [kind, count] of [
    ["CSV", (text) => text.trim().split(/\r?\n/).length - 1],
    ["JSON", (text) => text.trim().split("\n").map((line) => JSON.parse(line)).filter(({ action }) => action === "space.create").length],
  ]) {
    const [file] = await Promise.all([page.waitForEvent("download"), page.locator("main a[download]").filter({ hasText: kind }).first().click()]);
    const text = await readFile(await file.path(), "utf8");
    equal(count(text), actions.length, `entries in ${file.suggestedFilename()}`);
  }
  await rows.first().getByRole("link").first().click();
  await page.waitForURL(/\/audit\/\d+$/);
  await page.locator("main").getByText("space.create").first().waitFor();
  await sound(visit);
}

async function settings(visit) {
  const { page } = visit;
  const row = (key) => page.locator("main tr").filter({ has: page.locator("td:first-child", { hasText: new RegExp(`^${key}$`) }) });
  await visit.open("/settings");
  await row("admin.requests_per_second").filter({ hasText: "1000000" }).filter({ hasText: "in the file" }).waitFor();
  const unwritten = row("token.ttl").filter({ hasText: "nowhere" });
  await unwritten.waitFor();
  await sound(visit);
  await page.getByRole("link", { name: "Only those that were written" }).click();
  await row("admin.requests_per_second").waitFor();
  equal(await unwritten.count(), 0, "settings that nobody has written");
  await sound(visit);
}

async function helped(visit) {
  const { page } = visit;
  await visit.open("/audit");
  await page.getByRole("link", { name: "Help on this page" }).click();
  await page.waitForURL("**/docs/audit");
  await page.getByRole("heading", { name: "The audit", exact: true }).waitFor();
  await sound(visit);
  await page.locator("main").getByRole("link", { name: "Help", exact: true }).click();
  await page.waitForURL("**/docs");
  await page.locator("main").getByRole("link", { name: "The console", exact: true }).click();
  await page.getByRole("heading", { name: "Signing in" }).waitFor();
  await sound(visit);
}

async function rolled(visit) {
  const { page, server } = visit;
  const states = async () => {
    const { items } = await server.api("GET", "/signing-keys");
    return items.map(({ kid, state }) => [kid, state]).sort();
  };
  const kid = async (wanted) => (await states()).find(([, state]) => state === wanted)?.[0];
  await visit.open("/signing-keys");
  equal(await kid("next"), undefined, "the next key before there is one");
  await page.getByRole("button", { name: "Publish the next key" }).click();
  await page.waitForURL(/done=published/);
  await sound(visit);
  const next = await kid("next");
  await page.getByRole("link", { name: `Activate the key ${next}` }).click();
  await sound(visit);
  await page.locator("main").getByLabel("At once").check();
  await page.locator("main form[method=post] button").last().click();
  await page.waitForURL(/done=activated/);
  equal(await kid("current"), next, "the key that signs");
  const before = await kid("retiring");
  await page.getByRole("link", { name: `Retire the key ${before}` }).click();
  await sound(visit);
  await page.locator("main").getByLabel("At once").check();
  await page.locator("main form[method=post] button").last().click();
  await page.waitForURL(/done=retired/);
  await sound(visit);
  assert(!(await states()).some(([, state]) => state === "retiring"), "the key before it is still there");
}
