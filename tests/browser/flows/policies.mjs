// Login policies: written, checked, asked about keys before they are saved, saved, brought back, deleted; and which sources of roles count.

import { assert, equal } from "../cases.mjs";
import { button, field, link } from "./access.mjs";
import { saved } from "./key.mjs";
import { Server, furnished } from "../server.mjs";
import { sound } from "../sound.mjs";

const FIRST = `package spacelift

allow if input.session.member

roles["web"] contains "deployer" if input.session.login == "reader"
`;
const BROKEN = "package spacelift\n\nallow if inptu.session.member\n";

export function policyFlows(cases, browser, claviger) {
  for (const [name, flow] of Object.entries({
    "policies: check, simulate, save, versions, delete": lived,
    "policies: findings as one types": typed,
    "strategy: what another one would change, and setting it": strategy,
  })) {
    const gone = async (look, script) => {
      const server = await Server.start(claviger);
      try {
        const world = await furnished(server);
        const visit = await browser.visit(server, { ...look, script, as: server.root });
        await flow(visit, world, { script, check: script ? () => sound(visit) : async () => {} });
        await visit.close();
      } finally {
        await server.stop();
      }
    };
    cases.flow(name, (look) => gone(look, true));
    if (flow !== typed) cases.add(`${name}; without scripts`, () => gone({}, false));
  }
}

/// No button is pressed: what is wrong is said as soon as it stands there, and not any more when it is mended.
async function typed(visit, world, { check }) {
  const { page } = visit;
  const [summary, findings] = [page.locator("#findings-summary"), page.locator("#findings")];
  await visit.open("/policies/new");
  await field(page, "name").fill("typed");
  await field(page, "source").fill("");
  await field(page, "source").pressSequentially(BROKEN);
  await summary.filter({ hasText: "It would not be saved" }).waitFor();
  await findings.getByText("inptu").first().waitFor();
  await check();
  // The place leads into the text.
  await findings.getByRole("button", { name: /^Line 3, column/ }).first().click();
  const chosen = await field(page, "source").evaluate((area) => area.value.slice(area.selectionStart).split("\n")[0]);
  assert(chosen.startsWith("inptu"), `the place leads to: ${chosen}`);
  await field(page, "source").fill(BROKEN.replace("inptu", "input"));
  await summary.filter({ hasText: "It can be saved" }).waitFor();
  equal(await findings.locator(".badge.bad").count(), 0, "errors that are left");
  await check();
}

async function strategy(visit, world, { script, check }) {
  const { page, server } = visit;
  const main = page.locator("main");
  const key = await server.key("by-binding", [{ role: "deployer", space: "web" }]);
  await visit.open("/strategy");
  await check();
  await main.getByText(/1 would|would be answered otherwise|cut off/).first().waitFor();
  await button(page, /For whom.*login-policies/).click();
  await main.getByText("by-binding").first().waitFor();
  await check();
  assert(await server.passes(key.key), "something is set by looking at it");
  await button(page, "Set it for every key").click();
  await saved(visit, script);
  equal((await server.api("GET", "/strategy")).strategy, "login-policies", "the strategy");
  await check();
  await main.getByRole("listitem").filter({ hasText: "login-policies" }).getByText("in force", { exact: true }).waitFor();
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
  await main.getByText("policy.create").first().waitFor();
  await main.locator(".diff del").filter({ hasText: "web" }).first().waitFor();
  await button(page, /^Restore this version/).last().waitFor();
  await main.getByRole("button", { name: /^Restore this version/ }).last().click();
  await main.getByText("It is in force when it is saved").waitFor();
  await check();
  await button(page, /Save/).click();
  await saved(visit, script);
  equal((await read()).source, FIRST, "the text that is brought back");

  await visit.open(`/policies/of?name=${query}`);
  await button(page, /Difference/).click();
  await main.locator("#outcome").getByText(/live keys? looked at/).waitFor();
  await check();

  await visit.open("/policies");
  await check();
  await link(page, name).click();
  await visit.open(`/policies/delete?name=${query}`);
  await check();
  await button(page, /Delete/).click();
  await saved(visit, script);
  equal((await server.api("GET", "/policies")).items.map((policy) => policy.name), ["office-hours"], "policies that are left");
}
