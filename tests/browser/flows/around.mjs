// What is around what is managed: search, audit, signing keys, replicas, settings, help; and what every page has.

import { assert, equal } from "../cases.mjs";
import { crawl } from "../crawl.mjs";
import { Server, furnished } from "../server.mjs";
import { sound } from "../sound.mjs";
import { LOOKS } from "../visit.mjs";

export function around(cases, browser, server, world, claviger) {
  cases.add("around: every link of help and of what is managed leads to a page", async () => {
    const visit = await browser.visit(server, { as: world.keys.root });
    // Those of keys and of the audit lead to more of their kind, which other cases look at.
    const skip = ({ pathname, searchParams }) => /^\/(keys|audit)\//.test(pathname) || searchParams.size > 0;
    await crawl(visit, { skip });
    await visit.close();
  });
  for (const [look, options] of Object.entries(LOOKS)) {
    cases.add(`around: a slash goes to the search, which finds all there is; ${look}`, async () => {
      const visit = await browser.visit(server, { ...options, as: world.keys.root });
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
      await page.locator("#search").fill("nothing is called like this");
      await page.keyboard.press("Enter");
      await page.waitForURL(/nothing/);
      equal(await page.locator("main li a, main td a").count(), 0, "what is found of nothing");
      await visit.close();
    });
  }
  cases.add("around: the way past the navigation leads to the content", async () => {
    const visit = await browser.visit(server, { as: world.keys.root });
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
    await visit.close();
  });
  cases.add("around: a page that is not there, a key that is not there", async () => {
    const visit = await browser.visit(server, { as: world.keys.root });
    const missing = ["/nothing", "/keys/nothing", "/keys/01hv0000000000000000000000", "/spaces/nothing", "/roles/nothing", "/docs/nothing"];
    for (const path of [...missing, "/groups/of?name=nothing", "/policies/of?name=nothing"]) {
      const answer = await visit.open(path);
      // A group is there as soon as it is named.
      assert(answer.status() === 404 || path.startsWith("/groups"), `${path} answers ${answer.status()}`);
      await sound(visit);
    }
    await visit.close();
  });
  for (const [look, options] of Object.entries(LOOKS)) {
    cases.add(`around: the audit is filtered; ${look}`, async () => {
      const visit = await browser.visit(server, { ...options, as: world.keys.root });
      const { page } = visit;
      await visit.open("/audit");
      await page.locator("main [name=action]").fill("space.create");
      await page.locator("main form[method=get] button").first().click();
      await page.waitForURL(/action=space\.create/);
      const actions = await page.locator("main tbody tr").evaluateAll((rows) => rows.map((row) => row.innerText.includes("space.create")));
      assert(actions.length >= 4 && actions.every(Boolean), `rows: ${actions}`);
      await visit.close();
    });
  }
  for (const [look, options] of Object.entries(LOOKS)) {
    cases.add(`around: the next signing key signs, and the one before it is retired; ${look}`, async () => {
      const own = await Server.start(claviger);
      try {
        await furnished(own);
        const visit = await browser.visit(own, { ...options, as: own.root });
        const { page } = visit;
        const states = async () => {
          const { items } = await own.api("GET", "/signing-keys");
          return items.map(({ kid, state }) => [kid, state]).sort();
        };
        const kid = async (wanted) => (await states()).find(([, state]) => state === wanted)[0];
        const next = await kid("next");
        await visit.open("/signing-keys");
        await page.getByRole("link", { name: `Activate the key ${next}` }).click();
        await sound(visit);
        await page.locator("main").getByLabel("At once").check();
        await page.locator("main form[method=post] button").last().click();
        await page.waitForURL(/done=activated/);
        equal(await kid("current"), next, "the key that signs");
        const before = await kid("retiring");
        await page.getByRole("link", { name: `Retire the key ${before}` }).click();
        await page.locator("main").getByLabel("At once").check();
        await page.locator("main form[method=post] button").last().click();
        await page.waitForURL(/done=retired/);
        await sound(visit);
        assert(!(await states()).some(([, state]) => state === "retiring"), "the key before it is still there");
        await visit.close();
      } finally {
        await own.stop();
      }
    });
  }
}
