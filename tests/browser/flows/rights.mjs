// What is offered to whom, and what is refused to whom, by a table: of pages, and of the forms on them.

import { assert, equal } from "../cases.mjs";
import { crawl } from "../crawl.mjs";
import { Server, furnished } from "../server.mjs";

const [ALL, ROOT] = [["root admin", "space admin"], ["root admin"]];

/// Who is shown a page. Everybody else is refused, and is not led there. Nobody is shown anything before signing in.
export function seen({ keys }) {
  const ci = `/keys/${keys.ci.id}`;
  return {
    "/": ALL,
    "/keys": ALL,
    "/keys/new": ROOT,
    [ci]: ALL,
    [`${ci}/roles`]: ALL,
    [`${ci}/groups`]: ALL,
    [`${ci}/secrets`]: ALL,
    [`${ci}/policies`]: ROOT,
    [`${ci}/audit`]: ROOT,
    [`${ci}/edit`]: ROOT,
    [`${ci}/revoke`]: ROOT,
    "/spaces": ALL,
    "/spaces/web": ALL,
    "/spaces/other": ALL,
    "/spaces/root": ALL,
    "/spaces/new?parent=web": ALL,
    "/spaces/web/edit": ALL,
    "/spaces/other/edit": ROOT,
    "/spaces/web-production/delete": ALL,
    "/spaces/other/delete": ROOT,
    "/roles": ALL,
    "/roles/deployer": ALL,
    "/roles/new": ROOT,
    "/roles/deployer/edit": ROOT,
    "/roles/spare/delete": ROOT,
    "/groups": ALL,
    "/groups/of?name=platform": ALL,
    "/groups/new": ROOT,
    "/groups/edit?name=platform": ROOT,
    "/groups/delete?name=platform": ROOT,
    "/policies": ROOT,
    "/policies/new": ROOT,
    "/policies/of?name=office-hours": ROOT,
    "/policies/versions?name=office-hours": ROOT,
    "/policies/delete?name=office-hours": ROOT,
    "/policies/samples": ROOT,
    "/policies/samples/clear": ROOT,
    "/strategy": ROOT,
    "/strategy/set?strategy=user-management": ROOT,
    "/audit": ROOT,
    "/audit/export?format=csv": ROOT,
    "/audit/export?format=jsonl": ROOT,
    "/signing-keys": ROOT,
    "/replicas": ALL,
    "/settings": ROOT,
    "/search?q=ci": ALL,
    "/docs": ALL,
  };
}

/// What a space admin of `team` may send; every other form of a root admin is refused, and none of them is offered.
const SPACE_ADMINS = [
  /^\/sign-out$/,
  // Asking what a key holds changes nothing.
  /^\/try$/,
  /^\/keys\/[^/]+\/(roles|unassign)$/,
  /^\/groups\/(of|assign|unassign|roles)/,
  /^\/spaces\/new/,
  /^\/spaces\/(team|web|web-production)\/(edit|delete)$/,
  // Who may give whom what is asked of where it holds.
  /^\/spaces\/(team|web|web-production)\/(assign|unassign|roles)/,
];

export function rights(cases, browser, claviger) {
  cases.add("rights: who is shown which page, by the table", async () => {
    const server = await Server.start(claviger);
    try {
      const world = await furnished(server);
      const stripped = await server.key("stripped", [{ role: "space-admin", space: "root" }]);
      const visits = {
        "root admin": await browser.visit(server, { as: server.root }),
        "space admin": await browser.visit(server, { as: world.keys.spaceAdmin.key }),
        "without rights": await browser.visit(server, { as: stripped.key }),
        nobody: await browser.visit(server),
      };
      const { bindings } = await server.api("GET", `/keys/${stripped.id}`);
      for (const { id } of bindings) await server.api("DELETE", `/bindings/${id}`);
      const wrong = [];
      for (const [path, who] of Object.entries(seen(world))) {
        for (const [name, visit] of Object.entries(visits)) {
          const answer = await visit.context.request.get(path, { maxRedirects: 0, headers: { accept: "text/html" } });
          const [got, leads] = [answer.status(), answer.headers().location ?? ""];
          const wanted = name === "nobody" ? [303] : who.includes(name) ? [200] : name === "without rights" ? [403, 303] : [403];
          // Help says nothing of what is there.
          if (name === "without rights" && path === "/docs") wanted.push(200);
          if (!wanted.includes(got) || (got === 303 && !leads.startsWith("/sign-in"))) wrong.push(`${path} answers ${got} ${leads} to ${name}`);
        }
      }
      assert(wrong.length === 0, wrong.join("\n    "));
      for (const visit of Object.values(visits)) await visit.close();
    } finally {
      await server.stop();
    }
  });
  cases.add("rights: no link leads a space admin to a page that is refused", async () => {
    const server = await Server.start(claviger);
    try {
      const { keys } = await furnished(server);
      const visit = await browser.visit(server, { as: keys.spaceAdmin.key });
      const refused = [];
      const { forms } = await crawl(visit, { refused });
      equal(refused, [], "links to pages that are refused");
      // A key can always take itself back, and give itself up.
      const own = `/keys/${keys.spaceAdmin.id}/`;
      const offered = forms.map(({ action }) => action).filter((action) => !action.startsWith(own) && !SPACE_ADMINS.some((one) => one.test(action)));
      equal([...new Set(offered)], [], "forms that are offered to a space admin who may not send them");
      await visit.close();
    } finally {
      await server.stop();
    }
  });
  cases.add("rights: a root admin's forms, sent by a space admin, are refused", async () => {
    const server = await Server.start(claviger);
    try {
      const { keys } = await furnished(server);
      const root = await browser.visit(server, { as: server.root });
      const { forms } = await crawl(root);
      await root.close();
      const visit = await browser.visit(server, { as: keys.spaceAdmin.key });
      await visit.open("/");
      const token = await visit.page.locator("input[name=csrf]").first().inputValue();
      // Their own key they may rotate, and take back.
      const own = new RegExp(`^/keys/${keys.spaceAdmin.id}/(secrets|revoke)$`);
      const beyond = forms.filter(({ action }) => ![...SPACE_ADMINS, own].some((one) => one.test(action)));
      assert(beyond.length > 15, `only ${beyond.length} forms were found`);
      const before = await changes(server);
      const wrong = [];
      for (const { action, fields, on } of beyond) {
        const filled = fields.map(([name, value]) => [name, name === "csrf" ? token : value || FILLED[name] || ""]);
        const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.admin };
        const answer = await visit.context.request.post(action, { headers, data: new URLSearchParams(filled).toString(), maxRedirects: 0 });
        if (answer.status() !== 403) wrong.push(`${action} (on ${on}) answers ${answer.status()}`);
      }
      assert(wrong.length === 0, wrong.join("\n    "));
      equal(await changes(server), before, "changes that were made");
      await visit.close();
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
