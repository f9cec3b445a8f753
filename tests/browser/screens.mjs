// A picture of every page, into a folder.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OPEN, behind } from "./pages.mjs";

const LOOKS = [
  ["light-1440", { colorScheme: "light" }],
  ["dark-1440", { colorScheme: "dark" }],
  ["light-360", { colorScheme: "light", narrow: true }],
  ["dark-360", { colorScheme: "dark", narrow: true }],
];

export async function screens(cases, browser, server, world, folder, exists) {
  for (const [look, options] of LOOKS) {
    for (const [pages, as] of [
      [OPEN, undefined],
      [behind(world), world.keys.root],
    ]) {
      const there = pages.filter(exists);
      if (there.length === 0) continue;
      cases.add(`screens: ${look}, ${as ? "signed in" : "not signed in"}`, async () => {
        await mkdir(join(folder, look), { recursive: true });
        const visit = await browser.visit(server, { ...options, as });
        for (const { name, path } of there) {
          await visit.open(path);
          await visit.page.screenshot({ path: join(folder, look, `${name.replace(/[^a-z]+/gi, "-").toLowerCase()}.png`), fullPage: true });
        }
        await visit.close();
      });
    }
  }
}
