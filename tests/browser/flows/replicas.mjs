// Who serves, and where a change is in force: shown as it comes to be, on pages that nobody loads again.

import { assert, equal } from "../cases.mjs";
import { Server } from "../server.mjs";
import { sound } from "../sound.mjs";

export function replicas(cases, browser, claviger) {
  const beside = (name, flow) =>
    cases.flow(name, async (look) => {
      const server = await Server.start(claviger);
      const others = [];
      const another = async () => others[others.push(await server.beside()) - 1];
      try {
        const visit = await browser.visit(server, { ...look, as: server.root });
        await flow(visit, another);
        await visit.close();
      } finally {
        for (const other of others) {
          other.goOn();
          await other.stop();
        }
        await server.stop();
      }
    });
  beside("replicas: one that comes, and what is in force in it, are shown without loading the page", comes);
  beside("saved: where it is not in force yet is said, and that it is everywhere when it is", notYet);
}

/// What is written into a page that is not loaded again is still there.
const marked = (page) => page.evaluate(() => document.documentElement.dataset.marked ?? "");

async function comes(visit, another) {
  const { page, server } = visit;
  const rows = page.locator("#replicas tbody tr");
  await visit.open("/replicas");
  await rows.nth(0).waitFor();
  equal(await rows.count(), 1, "who serves at first");
  await page.evaluate(() => (document.documentElement.dataset.marked = "once"));
  const other = await another();
  await rows.nth(1).waitFor();
  await page.locator("#replicas").getByText("2 replicas serve").waitFor();
  await sound(visit);

  await server.key("made-meanwhile");
  const { items } = await server.api("GET", "/audit?limit=1&action=key.create");
  const revision = String(items[0].revision);
  for (const number of [0, 1]) await rows.nth(number).locator("td").nth(3).filter({ hasText: new RegExp(`^${revision}$`) }).waitFor();

  // One that ends goes, too.
  await other.stop();
  await page.locator("#replicas").getByText("1 replica serves").waitFor();
  equal([await rows.count(), await marked(page)], [1, "once"], "who serves at last, on a page that was loaded once");
}

/// Pauses it while others can write: one that is paused while it writes itself would keep the whole store.
async function hangs(other, write) {
  for (let time = 0; time < 10; time += 1) {
    other.pause();
    const late = new Promise((resolve) => setTimeout(resolve, 2000, "late"));
    const done = write().then(() => "done", () => "late");
    if ((await Promise.race([done, late])) === "done") return;
    other.goOn();
  }
  throw new Error("nobody can write beside the other replica");
}

async function notYet(visit, another) {
  const { page, server } = visit;
  const other = await another();
  const { id } = await server.key("changed");
  await visit.open("/replicas");
  await page.locator("#replicas").getByText("2 replicas serve").waitFor();
  await hangs(other, () => server.api("PATCH", `/keys/${id}`, { description: "Before." }));
  await visit.open(`/keys/${id}/edit`);
  await page.locator("main").getByLabel("Description").fill("Changed.");
  await page.getByRole("button", { name: "Save" }).click();
  const notice = page.locator("p.notice[data-in-force]");
  await notice.filter({ hasText: /not in force yet in 1 of 2 replicas/ }).waitFor();
  await page.evaluate(() => (document.documentElement.dataset.marked = "once"));
  assert((await notice.getAttribute("data-everywhere")) === null, "it is said to be in force everywhere");
  await sound(visit);
  other.goOn();
  await notice.filter({ hasText: /in force everywhere, in 2 replicas/ }).waitFor();
  equal(await marked(page), "once", "whether the page was loaded again");
  await sound(visit);
}
