// What is offered, and what is refused, as a browser has it: nobody is led to a page that is refused, and what somebody is not offered is refused when
// it is sent all the same. Who may do what is no table of this file: the console's other tests ask it of the program's own, operation by operation.

import { assert, equal } from "../cases.mjs";
import { crawl } from "../crawl.mjs";
import { Server, furnished } from "../server.mjs";

export function rights(cases, browser, claviger) {
  cases.add("rights: no link leads to a page that is refused, and what is not offered is refused", async () => {
    const server = await Server.start(claviger);
    try {
      const { keys } = await furnished(server);
      const root = await browser.visit(server, { as: server.root });
      const { forms } = await crawl(root);
      await root.close();
      const without = await losesRights(server, browser);
      for (const [who, visit, from, least] of [
        ["a space admin", await browser.visit(server, { as: keys.spaceAdmin.key }), "/", 15],
        ["somebody without rights", without, "/docs", 25],
      ]) {
        const refused = [];
        const offered = new Set((await crawl(visit, { from, refused })).forms.map(({ action }) => action));
        // Everybody reads what their own key holds; what that is, is for those who manage something.
        const misled = visit === without ? refused.filter((told) => !told.includes("(on /keys/")) : refused;
        equal(misled, [], `links that lead ${who} to pages that are refused`);
        // What is tried of somebody's key changes nothing, and is open to all.
        const beyond = forms.filter(({ action }) => !offered.has(action) && action !== "/try");
        assert(beyond.length > least, `only ${beyond.length} forms are not offered to ${who}`);
        await visit.open("/docs");
        const token = await visit.page.locator("input[name=csrf]").first().inputValue();
        const before = await changes(server);
        const wrong = [];
        for (const { action, fields, on } of beyond) {
          const filled = fields.map(([name, value]) => [name, name === "csrf" ? token : value || FILLED[name] || ""]);
          const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.admin };
          const answer = await visit.context.request.post(action, { headers, data: new URLSearchParams(filled).toString(), maxRedirects: 0 });
          if (answer.status() !== 403) wrong.push(`${action} (on ${on}) answers ${answer.status()}`);
        }
        assert(wrong.length === 0, `${who}: ${wrong.join("\n    ")}`);
        equal(await changes(server), before, `changes that ${who} has made`);
        await visit.close();
      }
    } finally {
      await server.stop();
    }
  });
  cases.add("rights: a space admin gives and takes roles in their own spaces alone", async () => {
    const server = await Server.start(claviger);
    try {
      const { keys } = await furnished(server);
      const visit = await browser.visit(server, { as: keys.spaceAdmin.key });
      const { page } = visit;
      await visit.open(`/keys/${keys.ci.id}/roles`);
      const choices = await page.locator("select[name=space] option").evaluateAll((options) => options.map((option) => option.value).filter(Boolean));
      equal(choices.sort(), ["team", "web", "web-production"], "spaces to choose from");
      const token = await page.locator("input[name=csrf]").first().inputValue();
      const send = async (path, fields) => {
        const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.admin };
        const data = new URLSearchParams({ csrf: token, ...fields }).toString();
        return (await visit.context.request.post(path, { headers, data, maxRedirects: 0 })).status();
      };
      const own = `/keys/${keys.spaceAdmin.id}`;
      const binding = (await server.api("GET", `/keys/${keys.off.id}`)).bindings[0].id;
      equal(await send(`/keys/${keys.ci.id}/roles`, { role: "deployer", space: "web-production" }), 303, "a role in their own space");
      const before = await changes(server);
      for (const [path, fields, what] of [
        [`/keys/${keys.ci.id}/roles`, { role: "deployer", space: "other" }, "a role in a foreign space"],
        [`${own}/roles`, { role: "space-admin", space: "root" }, "themself in root"],
        [`/keys/${keys.off.id}/unassign`, { binding }, "a role taken away in a foreign space"],
        ["/spaces/new", { id: "mine", parent: "root", name: "mine" }, "a space under root"],
        ["/spaces/new", { id: "mine", parent: "other", name: "mine" }, "a space under a foreign one"],
        ["/spaces/web/edit", { name: "Web", parent: "other" }, "a space moved to a foreign one"],
        ["/spaces/other/edit", { name: "Mine", parent: "team" }, "a foreign space moved"],
        ["/spaces/other/delete", { name: "other", id: "other" }, "a foreign space deleted"],
      ]) {
        equal(await send(path, fields), 403, what);
      }
      equal(await changes(server), before, "changes that were made");
      await visit.close();
    } finally {
      await server.stop();
    }
  });
}

/// Signed in while they could manage, by a group, which ends no session when it holds nothing any more.
async function losesRights(server, browser) {
  const { key } = await server.key("loses-rights", [], { groups: ["managing"] });
  const binding = await server.api("POST", "/bindings", { subject: { group: "managing" }, role: "space-admin", space: "root" });
  const visit = await browser.visit(server, { as: key });
  await visit.open("/");
  await server.api("DELETE", `/bindings/${binding.id}`);
  return visit;
}

/// What a form that asks for something has in it when it is sent by somebody who means it.
const FILLED = {
  name: "filled",
  id: "filled",
  actions: "run:read",
  source: "package spacelift\n\nallow if input.session.member\n",
  role: "deployer",
  space: "other",
  key: "filled",
};

async function changes(server) {
  const { items } = await server.api("GET", "/audit?limit=500");
  return items.filter(({ revision }) => revision !== null).length;
}
