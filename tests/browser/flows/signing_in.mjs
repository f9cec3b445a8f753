// Coming in and going out: by a key, by a link that works once, back to where one wanted to go; and keys that do not open this door.

import { assert, equal } from "../cases.mjs";
import { numbered } from "./key.mjs";
import { Server } from "../server.mjs";
import { sound } from "../sound.mjs";

export function signingIn(cases, browser, server, world, claviger) {
  cases.flow("sign in: refused, in, out", async (look) => {
    const visit = await browser.visit(server, look);
    const { page } = visit;
    const answer = await visit.open("/audit?action=key.create");
    equal([answer.status(), new URL(page.url()).pathname], [200, "/sign-in"], "where somebody unknown comes to");
    await page.locator("main").getByLabel("API key").fill(`${world.keys.root.slice(0, -1)}${world.keys.root.endsWith("A") ? "B" : "A"}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await sound(visit);
    await page.locator("main").getByLabel("API key").fill(world.keys.root);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/audit?action=key.create");
    await page.locator("header summary").click();
    await sound(visit);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    equal((await visit.context.cookies()).length, 0, "cookies that are left");
    await visit.open("/keys");
    equal(new URL(page.url()).pathname, "/sign-in", "where one comes to after signing out");
    await visit.close();
  });
  const fruitless = numbered("manages-nothing");
  cases.flow("sign in: a key that manages nothing is told so", async (look) => {
    const visit = await browser.visit(server, look);
    const { page } = visit;
    const { key } = await server.key(fruitless(), [{ role: "deployer", space: "web" }]);
    await visit.open("/sign-in");
    await page.locator("main").getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "nothing to manage" }).waitFor();
    await sound(visit);
    equal((await visit.context.cookies()).length, 0, "cookies");
    await page.getByRole("link", { name: "Try a key" }).click();
    await page.waitForURL("**/try");
    await visit.close();
  });
  cases.flow("try a key: what it holds, whoever asks", async (look) => {
    const outside = await browser.visit(server, look);
    const inside = await browser.visit(server, { ...look, as: world.keys.root });
    for (const visit of [outside, inside]) {
      const { page } = visit;
      const before = (await visit.context.cookies()).length;
      await visit.open("/try");
      const tried = async (text) => {
        await page.locator("main").getByLabel("API key").fill(text);
        await page.getByRole("button", { name: "Try", exact: true }).click();
      };
      await tried(world.keys.ci.key);
      await page.getByRole("heading", { name: "ci", exact: true }).waitFor();
      await page.getByText("Let in.").waitFor();
      await page.getByText("run:trigger").first().waitFor();
      await sound(visit);
      // Which lines of a policy hold is for those who manage policies.
      equal((await page.getByText(/^line \d+: /).count()) > 0, visit === inside, "lines of policies");
      assert(!(await page.content()).includes(world.keys.ci.key), "the key stands in the page");
      await tried(world.keys.off.key);
      await page.getByText("It is let in nowhere.").waitFor();
      equal(await page.getByText("deployer").count(), 0, "what is told of a key that does not work");
      await sound(visit);
      equal((await visit.context.cookies()).length, before, "cookies");
      await visit.close();
    }
  });
  cases.add("sign in: the cookie is for this host alone, and no script reads it", async () => {
    const visit = await browser.visit(server, { as: world.keys.root });
    await visit.open("/");
    const [cookie, ...more] = await visit.context.cookies();
    equal([cookie.httpOnly, cookie.sameSite, cookie.domain, cookie.path, more.length], [true, "Strict", "127.0.0.1", "/", 0], "the cookie");
    equal(await visit.page.evaluate(() => document.cookie), "", "what a script reads of it");
    await visit.close();
  });
  const byLink = async (look, script) => {
    const fresh = await Server.start(claviger, { printed: true });
    try {
      const link = await printedLink(fresh);
      const visit = await browser.visit(fresh, { ...look, script });
      await visit.open(link);
      if (!script) await visit.page.getByRole("button", { name: "Sign in" }).click();
      await visit.page.getByRole("heading", { name: "Overview" }).waitFor();
      if (script) await sound(visit);
      await visit.close();
      const second = await browser.visit(fresh, { ...look, script });
      await second.open(link);
      if (!script) await second.page.getByRole("button", { name: "Sign in" }).click();
      await second.page.getByRole("alert").filter({ hasText: "was used" }).waitFor();
      if (script) await sound(second);
      await second.close();
    } finally {
      await fresh.stop();
    }
  };
  cases.flow("sign in: the link that the first start prints works once", (look) => byLink(look, true));
  cases.add("sign in: the link that the first start prints works once; without scripts", () => byLink({}, false));
}

async function printedLink(server) {
  const found = () => [server.printed, ...server.log].join("\n").match(/(http[^\s"]*)?\/sign-in\/once\?ticket=[\w-]+/)?.[0];
  const link = found();
  assert(link, `there is no such link: ${server.printed} ${server.log.join("\n")}`);
  return link.slice(link.indexOf("/sign-in"));
}
