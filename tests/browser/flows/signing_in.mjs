// Coming in and going out: by a key, by a link that works once, back to where one wanted to go; and keys that do not open this door.

import { assert, equal } from "../cases.mjs";
import { Server } from "../server.mjs";
import { sound } from "../sound.mjs";
import { LOOKS } from "../visit.mjs";

export function signingIn(cases, browser, server, world, claviger) {
  for (const [look, options] of Object.entries(LOOKS)) {
    cases.add(`sign in: refused, in, out; ${look}`, async () => {
      const visit = await browser.visit(server, options);
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
  }
  cases.add("sign in: a key that manages nothing is told so, and may be tried", async () => {
    const visit = await browser.visit(server);
    const { page } = visit;
    const { key } = await server.key("manages-nothing", [{ role: "deployer", space: "web" }]);
    await visit.open("/sign-in");
    await page.locator("main").getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "nothing to manage" }).waitFor();
    equal((await visit.context.cookies()).length, 0, "cookies");
    await page.getByRole("link", { name: "Try a key" }).click();
    await page.locator("main").getByLabel("API key").fill(key);
    await page.locator("main form button").first().click();
    await page.getByText("deployer").first().waitFor();
    await sound(visit);
    assert(!(await page.content()).includes(key), "the key stands in the page");
    equal((await visit.context.cookies()).length, 0, "cookies");
    await visit.close();
  });
  cases.add("sign in: the cookie is for this host alone, and no script reads it", async () => {
    const visit = await browser.visit(server, { as: world.keys.root });
    await visit.open("/");
    const [cookie, ...more] = await visit.context.cookies();
    equal([cookie.httpOnly, cookie.sameSite, cookie.domain, cookie.path, more.length], [true, "Strict", "127.0.0.1", "/", 0], "the cookie");
    equal(await visit.page.evaluate(() => document.cookie), "", "what a script reads of it");
    await visit.close();
  });
  for (const script of [true, false]) {
    cases.add(`sign in: the link that the first start prints works once; ${script ? "with" : "without"} scripts`, async () => {
      const fresh = await Server.start(claviger, { printed: true });
      try {
        const link = await printedLink(fresh);
        const visit = await browser.visit(fresh, { script });
        await visit.open(link);
        if (!script) await visit.page.getByRole("button", { name: "Sign in" }).click();
        await visit.page.getByRole("heading", { name: "Overview" }).waitFor();
        await visit.close();
        const second = await browser.visit(fresh, { script });
        await second.open(link);
        if (!script) await second.page.getByRole("button", { name: "Sign in" }).click();
        await second.page.getByRole("alert").filter({ hasText: "was used" }).waitFor();
        await second.close();
      } finally {
        await fresh.stop();
      }
    });
  }
}

async function printedLink(server) {
  const found = () => [server.printed, ...server.log].join("\n").match(/(http[^\s"]*)?\/sign-in\/once\?ticket=[\w-]+/)?.[0];
  const link = found();
  assert(link, `there is no such link: ${server.printed} ${server.log.join("\n")}`);
  return link.slice(link.indexOf("/sign-in"));
}
