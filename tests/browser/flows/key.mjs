// A key's life: made, given a role, its curl line copied, renamed, put into groups, rotated, switched off and on, revoked.

import { assert, equal } from "../cases.mjs";
import { Keyboard, Mouse } from "../hands.mjs";
import { sound } from "../sound.mjs";
import { copiedOf } from "../visit.mjs";

const NEVER_TWICE = /clv_[A-Za-z0-9_-]{20,}/;

export function keyFlows(cases, browser, server, world) {
  const root = world.keys.root;
  const names = numbered("made");
  const visited = (name, flow) =>
    cases.flow(name, async (look) => {
      const visit = await browser.visit(server, { ...look, as: root });
      await flow(visit, () => sound(visit));
      await visit.close();
    });
  visited("key: create, assign, copy curl, revoke", (visit, check) => firstToLast(visit, new Mouse(visit.page), names(), { check }));
  visited("key: rename, groups, rotate with grace, off and on", (visit, check) => changed(visit, names(), check));
  visited("key: several expire or are revoked at once", (visit, check) => several(visit, names(), check));
  visited("key: what is entered wrongly is kept and told; nothing is made", wrongly);
  visited("key: what-if asks about another time and address", (visit, check) => whatIf(visit, world.keys.soon.id, check));
  visited("key: a role is taken away where it stands", (visit, check) => unassigned(visit, names(), check));
  cases.flow("key: create, assign, copy curl, revoke; by keyboard alone", async (look) => {
    const visit = await browser.visit(server, look);
    const hand = new Keyboard(visit.page);
    await visit.open("/sign-in");
    await hand.fill(visit.page.locator("main").getByLabel("API key"), root);
    await hand.press(visit.page.getByRole("button", { name: "Sign in" }));
    await visit.page.waitForURL((url) => url.pathname === "/");
    await firstToLast(visit, hand, names());
    await visit.close();
  });
  cases.add("key: create, assign, copy curl, revoke; without scripts", async () => {
    const visit = await browser.visit(server, { script: false });
    await visit.signIn(root);
    await firstToLast(visit, new Mouse(visit.page), names(), { script: false });
    await visit.close();
  });
}

/// Different names for flows that run beside each other.
export function numbered(prefix) {
  let number = 0;
  return () => `${prefix}-${(number += 1)}`;
}

async function firstToLast(visit, hand, name, { script = true, check = async () => {} } = {}) {
  const { page, server } = visit;
  const link = (text) => page.locator("main").getByRole("link", { name: text, exact: true }).first();
  const button = (text) => page.locator("main").getByRole("button", { name: text });
  const places = page.getByRole("navigation", { name: "Console" });

  await visit.open("/");
  // On a narrow screen the places are behind a button.
  const menu = page.getByRole("button", { name: "Menu", exact: true });
  if (await menu.isVisible()) await hand.press(menu);
  await hand.press(places.getByRole("link", { name: "API keys" }));
  await hand.press(link("New key"));
  await hand.fill(page.locator("main").getByLabel("Name"), name);
  await hand.fill(page.locator("main").getByLabel("Description"), "Made in a browser.");
  await hand.fill(page.locator("main").getByLabel("Groups"), "platform");
  await hand.choose(page.locator("main").getByLabel("Expires", { exact: false }).locator("visible=true").first(), "30d");
  await hand.press(button("Create key"));

  await page.locator("#secret").waitFor();
  await check();
  const secret = (await page.locator("#secret").innerText()).trim();
  assert(NEVER_TWICE.test(secret), `the page shows no key: ${secret}`);
  assert(await server.passes(secret), "the key that is shown does not work");
  const curl = (await page.locator("#curl").innerText()).trim();
  assert(curl.startsWith("curl ") && curl.includes(secret) && curl.includes("http://127.0.0.1:"), `this is no curl line: ${curl}`);
  if (script) {
    await hand.press(button("Copy curl"));
    await page.getByRole("button", { name: "Copied" }).waitFor();
    equal(await copiedOf(page), curl, "what is copied");
  } else {
    equal(await page.locator("[data-copy]:visible").count(), 0, "buttons that do nothing without a script");
  }

  await hand.press(link("Manage its roles"));
  await check();
  await hand.choose(page.locator("main").getByLabel("Role"), "deployer");
  await hand.choose(page.locator("main").getByLabel("Space"), "web");
  await hand.press(button("Assign"));
  await saved(visit, script);
  await check();
  const id = new URL(page.url()).pathname.split("/")[2];
  const held = (await server.api("GET", `/keys/${id}`)).bindings.map(({ role, space }) => `${role}@${space}`);
  equal(held, ["deployer@web"], "what the key holds");
  assert(!NEVER_TWICE.test(await page.content()), "the key is shown a second time");

  await hand.press(link("Effective access"));
  await page.getByText("Let in.").waitFor();
  await hand.press(link("Manage roles"));
  await hand.press(button("Unassign"));
  await saved(visit, script);
  equal((await server.api("GET", `/keys/${id}`)).bindings, [], "what the key still holds");

  await hand.press(link("Revoke …"));
  await check();
  await hand.fill(page.locator("main").getByLabel("Type the key's name"), name);
  await hand.press(button("Revoke for good"));
  await saved(visit, script);
  await check();
  assert(!(await server.passes(secret)), "the revoked key works");
  await hand.press(link("Audit"));
  for (const action of ["key.create", "binding.create", "binding.delete", "key.revoke"]) {
    if (action.startsWith("key")) await page.getByText(action).first().waitFor();
  }
}

/// The page says that the change is saved and, where scripts run, when it is in force.
export async function saved(visit, script = true) {
  const notice = visit.page.locator("p.notice[role=status][data-in-force]");
  await notice.waitFor();
  assert(new URL(visit.page.url()).searchParams.has("saved"), `${visit.page.url()} is no address of a page after a change`);
  if (script) await notice.filter({ hasText: /in force/ }).and(visit.page.locator("[data-everywhere]")).waitFor();
}

async function changed(visit, name, check) {
  const { page, server } = visit;
  const made = await server.key(name, [{ role: "deployer", space: "web" }]);
  const button = (text) => page.locator("main").getByRole("button", { name: text });
  await visit.open(`/keys/${made.id}`);
  await page.getByRole("link", { name: "Edit" }).click();
  await page.locator("main").getByLabel("Name").fill(`${name}-renamed`);
  await page.locator("main").getByLabel("Description").fill("Renamed.");
  await page.locator("#expires").selectOption("1y");
  await button("Save").click();
  await saved(visit);
  const { name: now, description } = await server.api("GET", `/keys/${made.id}`);
  equal([now, description], [`${name}-renamed`, "Renamed."], "the key");

  await page.getByRole("link", { name: "Groups", exact: true }).last().click();
  await page.locator("main").getByLabel("Groups").fill("platform\nbuilders\n");
  await button("Save groups").click();
  await saved(visit);
  await check();
  equal((await server.api("GET", `/keys/${made.id}`)).groups.sort(), ["builders", "platform"], "its groups");

  await page.getByRole("link", { name: "Secrets" }).click();
  await page.locator("main").getByLabel("The old secret works for another").selectOption("3600");
  await button("Rotate").click();
  await page.locator("#secret").waitFor();
  const secret = (await page.locator("#secret").innerText()).trim();
  assert(secret !== made.key && (await server.passes(secret)) && (await server.passes(made.key)), "old and new secret do not both work");
  await page.getByRole("link", { name: "Done: to the key" }).click();

  await button("Disable").click();
  await saved(visit);
  assert(!(await server.passes(secret)), "the key works though it is switched off");
  await button("Enable").click();
  await saved(visit);
  assert(await server.passes(secret), "the key does not work though it is switched on");
  await check();
}

async function several(visit, name, check) {
  const { page, server } = visit;
  const keys = [];
  for (const end of ["a", "b", "c"]) keys.push(await server.key(`${name}-${end}`));
  await visit.open(`/keys?q=${name}-`);
  for (const end of ["a", "b"]) await page.locator("main").getByLabel(`Choose ${name}-${end}`).check();
  await page.getByRole("button", { name: "Let the chosen expire" }).click();
  await check();
  await page.locator("#expires").selectOption("30d");
  await page.getByRole("button", { name: "Set the expiry of 2 keys" }).click();
  await saved(visit);
  const ends = async (key) => (await server.api("GET", `/keys/${key.id}`)).expires_at !== null;
  equal([await ends(keys[0]), await ends(keys[1]), await ends(keys[2])], [true, true, false], "which keys expire");

  await visit.open(`/keys?q=${name}-`);
  await page.locator("main").getByLabel("Choose all keys of this page").check();
  await page.getByRole("button", { name: "Revoke the chosen" }).click();
  await check();
  await page.getByRole("button", { name: "Revoke 3 keys for good" }).click();
  await saved(visit);
  for (const key of keys) assert(!(await server.passes(key.key)), "a revoked key works");
}

async function whatIf(visit, id, check) {
  const { page } = visit;
  await visit.open(`/keys/${id}`);
  await page.getByText("Let in.").waitFor();
  await page.locator("main").getByLabel("The time (UTC)").fill("2040-01-01T12:00");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.locator("main .fault").filter({ hasText: "Refused" }).waitFor();
  await check();
  await page.locator("main").getByLabel("The client's address").fill("not an address");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.getByRole("alert").filter({ hasText: "address" }).waitFor();
  await check();
}

/// From the list by the key's own page to the button beside the role.
async function unassigned(visit, name, check) {
  const { page, server } = visit;
  const made = await server.key(name, [
    { role: "deployer", space: "web" },
    { role: "space-reader", space: "other" },
  ]);
  await visit.open(`/keys?q=${name}`);
  await page.locator("main").getByRole("link", { name, exact: true }).click();
  await page.getByRole("navigation", { name: "Key" }).getByRole("link", { name: "Manage roles" }).click();
  await check();
  await page.getByRole("button", { name: "Unassign deployer in web" }).click();
  await saved(visit);
  const held = (await server.api("GET", `/keys/${made.id}`)).bindings.map(({ role, space }) => `${role}@${space}`);
  equal(held, ["space-reader@other"], "what the key still holds");
  equal(await page.getByRole("button", { name: /Unassign deployer/ }).count(), 0, "buttons for what is gone");
}

async function wrongly(visit) {
  const { page, server } = visit;
  await visit.open("/keys/new");
  await page.locator("main").getByLabel("Name").fill("ci");
  await page.locator("main").getByLabel("Description").fill("kept");
  await page.getByRole("button", { name: "Create key" }).click();
  await page.getByRole("alert").waitFor();
  await sound(visit);
  equal(await page.locator("main").getByLabel("Description").inputValue(), "kept", "what was entered");
  await page.locator("main").getByLabel("Name").fill("another");
  await page.locator("#expires").selectOption("at");
  await page.locator("main").getByLabel("Groups").fill(`one\n${"x".repeat(300)}`);
  await page.getByRole("button", { name: "Create key" }).click();
  await page.getByRole("alert").getByRole("link").first().waitFor();
  await sound(visit);
  equal((await server.api("GET", "/keys?name=another")).items, [], "keys that were made");
}
