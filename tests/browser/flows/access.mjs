// Spaces, roles and groups: made, changed, given, looked at and deleted.

import { assert, equal } from "../cases.mjs";
import { numbered, saved } from "./key.mjs";
import { sound } from "../sound.mjs";
import { copiedOf } from "../visit.mjs";

export function accessFlows(cases, browser, server, world) {
  const names = numbered("flow");
  for (const [name, flow] of Object.entries({
    "spaces: make, rename, move, label, give, delete": spaces,
    "roles: make, change, give, delete": roles,
    "groups: make, change, give, delete": groups,
  })) {
    const gone = async (options, script) => {
      const visit = await browser.visit(server, { ...options, script, as: world.keys.root });
      await flow(visit, names(), { script, check: script ? () => sound(visit) : async () => {} });
      await visit.close();
    };
    cases.flow(name, (look) => gone(look, true));
    cases.add(`${name}; without scripts`, () => gone({}, false));
  }
  cases.flow("roles: a slug is found and copied", async (look) => {
    const visit = await browser.visit(server, { ...look, as: world.keys.root });
    const { page } = visit;
    await visit.open("/");
    await page.keyboard.press("/");
    await page.keyboard.type("deplo");
    await page.keyboard.press("Enter");
    await link(page, "deployer").click();
    await page.getByRole("heading", { name: "Deployer" }).waitFor();
    await button(page, "Copy slug").click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    equal(await copiedOf(page), "deployer", "what is copied of the role's page");
    await visit.open("/roles");
    await button(page, "Copy slug space-reader").click();
    await sound(visit);
    await page.waitForFunction(() => globalThis.copiedLast === "space-reader");
    await visit.close();
  });
}

export const field = (page, name) => page.locator(`main form[method=post] [name="${name}"]`).first();
export const button = (page, text) => page.locator("main").getByRole("button", { name: text }).first();
export const link = (page, text) => page.locator("main").getByRole("link", { name: text }).first();

async function spaces(visit, id, { script, check }) {
  const { page, server } = visit;
  const read = () => server.api("GET", `/spaces/${id}`);
  await visit.open("/spaces/new?parent=team");
  await check();
  await field(page, "id").fill(id);
  await field(page, "name").fill("A new space");
  await field(page, "labels").fill("tier:2\nowner:me\n");
  equal(await field(page, "parent").inputValue(), "team", "the space above");
  await button(page, /Create/).click();
  await saved(visit, script);
  equal([(await read()).parent, (await read()).labels.sort()], ["team", ["owner:me", "tier:2"]], "the space");

  await visit.open(`/spaces/${id}`);
  await check();
  await choose(field(page, "subject_kind"), "group");
  await field(page, "subject").fill("platform");
  await choose(field(page, "role"), "deployer");
  await button(page, /Assign/).click();
  await saved(visit, script);
  const held = async () => (await server.api("GET", `/bindings?space=${id}`)).items.map(({ subject, role }) => `${subject.group}: ${role}`);
  equal(await held(), ["platform: deployer"], "what is held in it");
  await button(page, /Unassign/).click();
  await saved(visit, script);
  equal(await held(), [], "what is still held in it");

  await visit.open(`/spaces/${id}/edit`);
  await check();
  await field(page, "name").fill("A renamed space");
  await field(page, "description").fill("Described.");
  await field(page, "labels").fill("tier:3\n");
  await choose(field(page, "parent"), "other");
  await button(page, /Save/).click();
  await saved(visit, script);
  const { parent, name, description, labels } = await read();
  equal([parent, name, description, labels], ["other", "A renamed space", "Described.", ["tier:3"]], "the space, changed");

  await visit.open("/spaces");
  await page.locator("main").getByText("A renamed space").first().waitFor();
  await visit.open(`/spaces/${id}/delete`);
  await check();
  await confirm(page, id, "A renamed space");
  await saved(visit, script);
  await gone(read);
}

/// A choice may be a list, or a field with suggestions where there is much to choose from.
async function choose(input, value) {
  if (await input.evaluate((element) => element.tagName === "SELECT")) await input.selectOption(value);
  else await input.fill(value);
}

/// What deletes asks for the name, or only for a click.
async function confirm(page, ...names) {
  const typed = page.locator("main form[method=post] input:not([type=hidden])");
  if (await typed.count()) {
    const hint = await typed.first().evaluate((input) => input.closest(".field").innerText);
    await typed.first().fill(names.find((name) => hint.includes(name)) ?? names[0]);
  }
  await button(page, /Delete/).click();
}

async function gone(read) {
  const found = await read().catch((error) => error);
  assert(found instanceof Error && found.message.includes("404"), `it is still there: ${JSON.stringify(found)}`);
}

async function roles(visit, id, { script, check }) {
  const { page, server } = visit;
  const read = () => server.api("GET", `/roles/${id}`);
  await visit.open("/roles/new");
  await field(page, "id").fill(id);
  await field(page, "name").fill("A new role");
  await field(page, "description").fill("For a while.");
  await field(page, "actions").fill("run:read\nstack:*\n");
  await button(page, /Create/).click();
  await saved(visit, script);
  equal((await read()).actions, ["run:read", "stack:*"], "its actions");
  const key = await server.key(`${id}-holder`, [{ role: id, space: "web" }]);
  await visit.open(`/roles/${id}`);
  await page.getByText(`${id}-holder`).first().waitFor();
  await check();

  await visit.open(`/roles/${id}/edit`);
  await field(page, "actions").fill("run:read\nrun:trigger\n");
  await button(page, /Preview|would change/i).click();
  await page.locator("main").getByText("run:trigger").first().waitFor();
  await check();
  equal((await read()).actions, ["run:read", "stack:*"], "its actions, looked at beforehand");
  await button(page, /Save/).click();
  await saved(visit, script);
  equal((await read()).actions, ["run:read", "run:trigger"], "its actions, saved");

  await server.api("DELETE", `/keys/${key.id}`);
  for (const binding of (await server.api("GET", `/bindings?role=${id}`)).items) await server.api("DELETE", `/bindings/${binding.id}`);
  await visit.open(`/roles/${id}/delete`);
  await check();
  await confirm(page, id, "A new role");
  await saved(visit, script);
  await gone(read);
}

async function groups(visit, id, { script, check }) {
  const { page, server } = visit;
  const name = `${id} & co / “quoted”`;
  const query = encodeURIComponent(name);
  const found = async () => (await server.api("GET", `/groups?q=${encodeURIComponent(id)}`)).items.filter((group) => group.name === name);
  await visit.open("/groups/new");
  await field(page, "name").fill(name);
  await field(page, "description").fill("First.");
  await button(page, /Create/).click();
  await saved(visit, script);
  equal((await found()).map(({ description }) => description), ["First."], "the group");

  const member = await server.key(`${id}-member`, [], { groups: [name] });
  await visit.open(`/groups/of?name=${query}`);
  await page.getByText(`${id}-member`).first().waitFor();
  await choose(field(page, "role"), "deployer");
  await choose(field(page, "space"), "web");
  await button(page, /Assign/).click();
  await saved(visit, script);
  await check();
  const bound = async () => (await server.api("GET", "/bindings?limit=500")).items.filter(({ subject }) => subject.group === name).length;
  equal(await bound(), 1, "what it holds");
  await visit.open(`/groups/of?name=${query}`);
  await button(page, /Unassign/).click();
  await saved(visit, script);
  equal(await bound(), 0, "what it holds afterwards");

  await visit.open(`/groups/edit?name=${query}`);
  await field(page, "description").fill("Second.");
  await button(page, /Save/).click();
  await saved(visit, script);
  equal((await found()).map(({ description }) => description), ["Second."], "the group");
  await visit.open(`/groups/delete?name=${query}`);
  equal(await button(page, /Delete/).count(), 0, "ways to delete a group that somebody is in");
  await server.api("PATCH", `/keys/${member.id}`, { groups: [] });
  await visit.open(`/groups/delete?name=${query}`);
  await check();
  await confirm(page, name);
  await saved(visit, script);
  equal((await found()).length, 0, "groups that are left");
}
