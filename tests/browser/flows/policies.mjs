// Login policies: written, checked, asked about keys before they are saved, saved, brought back, deleted; and which sources of roles count.

import { assert, equal } from "../cases.mjs";
import { button, field, link } from "./access.mjs";
import { saved } from "./key.mjs";
import { Server, furnished } from "../server.mjs";
import { sound } from "../sound.mjs";
import { LOOKS } from "../visit.mjs";

const FIRST = `package spacelift

allow if input.session.member

roles["web"] contains "deployer" if input.session.login == "reader"
`;
const BROKEN = "package spacelift\n\nallow if inptu.session.member\n";

export function policyFlows(cases, browser, claviger) {
  for (const [look, options] of [...Object.entries(LOOKS), ["without scripts", { script: false }]]) {
    cases.add(`policies: check, simulate, save, versions, delete; ${look}`, async () => {
      const server = await Server.start(claviger);
      try {
        const world = await furnished(server);
        const visit = await browser.visit(server, { ...options, as: server.root });
        const script = options.script ?? true;
        await lived(visit, world, { script, check: script ? () => sound(visit) : async () => {} });
        await visit.close();
      } finally {
        await server.stop();
      }
    });
  }
}

async function lived(visit, world, { script, check }) {
  const { page, server } = visit;
  const main = page.locator("main");
  const name = "Reader's roles / 1";
  const query = encodeURIComponent(name);
  const read = () => server.api("GET", `/policies/${query}`);

  await visit.open("/policies/new");
  await check();
  await field(page, "name").fill(name);
  await field(page, "source").fill(BROKEN);
  await button(page, /Check/).click();
  await main.getByText("inptu").first().waitFor();
  await main.getByText(/line 3/i).first().waitFor();
  await check();
  equal((await field(page, "source").inputValue()).replaceAll("\r\n", "\n"), BROKEN, "what was entered");
  await button(page, /Save|Create/).click();
  await page.getByRole("alert").first().waitFor();
  equal((await server.api("GET", "/policies")).items.length, 1, "policies, after one that is broken");

  await field(page, "source").fill(FIRST);
  await field(page, "about").selectOption("keys");
  await button(page, /Simulate/).click();
  await main.locator("#outcome").getByText("reader").first().waitFor();
  await check();
  equal((await server.api("GET", "/policies")).items.length, 1, "policies, after a simulation");
  await button(page, /Save|Create/).click();
  await saved(visit, script);
  equal((await read()).source, FIRST, "the policy");
  await visit.open(`/keys/${world.keys.reader.id}`);
  await main.getByText("login policy").first().waitFor();
  await check();

  await visit.open(`/policies/of?name=${query}`);
  await check();
  await field(page, "source").fill(FIRST.replace("web", "team"));
  await button(page, /Save/).click();
  await saved(visit, script);
  assert((await read()).source.includes("team"), "the change is not saved");
  await visit.open(`/policies/versions?name=${query}`);
  await check();
  await main.getByText("policy.create").or(main.getByText(/revision/i)).first().waitFor();

  await visit.open("/policies");
  await check();
  await link(page, name).click();
  await visit.open(`/policies/delete?name=${query}`);
  await check();
  await button(page, /Delete/).click();
  await saved(visit, script);
  equal((await server.api("GET", "/policies")).items.map((policy) => policy.name), ["office-hours"], "policies that are left");

  await visit.open("/strategy");
  await check();
  await button(page, /For whom.*user-management/).click();
  await check();
  await button(page, "Set it for every key").click();
  await saved(visit, script);
  equal((await server.api("GET", "/strategy")).strategy, "user-management", "the strategy");
  await check();
}
