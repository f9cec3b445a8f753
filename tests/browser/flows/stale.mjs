// Forms that somebody else has overtaken: they say by whom and with what, keep what was entered, and stay refused until the page is loaded anew.

import { equal } from "../cases.mjs";
import { button, field } from "./access.mjs";
import { numbered } from "./key.mjs";
import { sound } from "../sound.mjs";

const SOURCE = "package spacelift\n\nallow if false\n";

export function stale(cases, browser, server, world) {
  const names = numbered("overtaken");
  cases.flow("stale: a form that was overtaken says by whom and with what, and stays refused", async (look) => {
    const visit = await browser.visit(server, { ...look, as: world.keys.root });
    const other = await server.key(names(), [{ role: "space-admin", space: "root" }]);
    for (const overtaken of [key, space, role, group, policy]) await refused(visit, other, await overtaken(server, names()));
    await visit.close();
  });
}

/// `edit`: the form's page; `entered`: its field and what somebody enters; `theirs`: what somebody else does; `kept`: what is there afterwards.
async function refused(visit, other, { edit, entered: [name, text], theirs: [method, path, body, action], kept }) {
  const { page, server } = visit;
  await visit.open(edit);
  await field(page, name).fill(text);
  await server.api(method, path, body, other.key);
  for (const time of ["first", "second"]) {
    await button(page, /^Save/).click();
    await page.getByRole("alert").filter({ hasText: `${action} by api::${other.id}` }).waitFor();
    equal((await field(page, name).inputValue()).replaceAll("\r\n", "\n"), text, `what was entered on ${edit}, after it was sent for the ${time} time`);
  }
  await sound(visit);
  equal(await kept(), true, `whether what somebody else has done on ${path} stays`);
  // Whoever has looked at what is there now may decide anew.
  await visit.open(edit);
  await field(page, name).fill(text);
  await button(page, /^Save/).click();
  await page.locator("p.notice[data-in-force]").waitFor();
  equal(await kept(), false, `whether it stays on ${path} when it was seen and changed`);
}

async function key(server, name) {
  const { id } = await server.key(name);
  const path = `/keys/${id}`;
  return {
    edit: `/keys/${id}/edit`,
    entered: ["description", "mine"],
    theirs: ["PATCH", path, { description: "theirs" }, "key.update"],
    kept: async () => (await server.api("GET", path)).description === "theirs",
  };
}

async function space(server, id) {
  await server.api("POST", "/spaces", { id, parent: "other" });
  return described(server, `/spaces/${id}`, `/spaces/${id}/edit`, "space.update");
}

async function role(server, id) {
  await server.api("POST", "/roles", { id, actions: ["run:read"] });
  return described(server, `/roles/${id}`, `/roles/${id}/edit`, "role.update");
}

async function group(server, name) {
  await server.api("POST", "/groups", { name });
  return described(server, `/groups/${name}`, `/groups/edit?name=${name}`, "group.update");
}

function described(server, path, edit, action) {
  return {
    edit,
    entered: ["description", "mine"],
    theirs: ["PATCH", path, { description: "theirs" }, action],
    kept: async () => (await server.api("GET", path)).description === "theirs",
  };
}

async function policy(server, name) {
  await server.api("POST", "/policies", { name, source: SOURCE });
  const theirs = `${SOURCE}# theirs\n`;
  return {
    edit: `/policies/of?name=${name}`,
    entered: ["source", `${SOURCE}# mine\n`],
    theirs: ["PUT", `/policies/${name}`, { source: theirs }, "policy.update"],
    kept: async () => (await server.api("GET", `/policies/${name}`)).source === theirs,
  };
}
