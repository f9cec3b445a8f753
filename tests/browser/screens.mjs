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

export function screens(cases, browser, server, world, folder) {
  for (const [look, options] of LOOKS) {
    for (const [pages, as] of [
      [OPEN, undefined],
      [behind(world), server.root],
    ]) {
      cases.add(`screens: ${look}, ${as ? "signed in" : "not signed in"}`, async () => {
        await mkdir(join(folder, look), { recursive: true });
        const visit = await browser.visit(server, { ...options, as });
        for (const { name, path } of pages) {
          await visit.open(path);
          const file = `${name.replace(/[^a-z]+/gi, "-").toLowerCase()}.png`;
          await visit.page.screenshot({ path: join(folder, look, file), fullPage: true });
        }
        await visit.close();
      });
    }
  }
}
