// Every page, in light and dark and on a narrow screen: no rule of axe is broken, nothing is cut off, and it is light enough.

import { assert } from "../cases.mjs";
import { LOOKS } from "../looks.mjs";
import { OPEN, behind } from "../pages.mjs";
import { sound } from "../sound.mjs";
import { weight } from "../weights.mjs";

export function everyPage(cases, browser, server, world) {
  for (const [look, options] of Object.entries(LOOKS)) {
    for (const [who, pages, as] of [
      ["before signing in", OPEN, undefined],
      ["root admin", behind(world), server.root],
      ["space admin", spaceAdmins(world), world.keys.spaceAdmin.key],
    ]) {
      cases.add(`every page: ${who}, ${look}`, async () => {
        const visit = await browser.visit(server, { ...options, as });
        const wrong = [];
        for (const { name, path, framed } of pages) {
          const answer = await visit.open(path);
          if (answer.status() !== 200) wrong.push(`${name} (${path}) answers ${answer.status()}`);
          else await sound(visit, { framed }).catch((error) => wrong.push(error.message));
        }
        await visit.close();
        assert(wrong.length === 0, wrong.join("\n    "));
      });
    }
  }
  cases.add("every page: 100 KiB at most on its way, styles and scripts included", async () => {
    const weights = [];
    for (const [pages, as] of [
      [OPEN.filter(({ framed }) => framed !== false), undefined],
      [behind(world).slice(0, 5), server.root],
    ]) {
      for (const { name, path } of pages) {
        const visit = await browser.visit(server, { as });
        weights.push(`${name} ${(await weight(visit, path)).total}`);
        await visit.close();
      }
    }
    console.log(`bytes: ${weights.join(", ")}`);
  });
}

/// What a space admin sees is made of the same parts, with fewer of them.
function spaceAdmins(world) {
  const names = ["overview", "keys", "key", "key: roles", "spaces", "space", "role", "group", "replicas"];
  return behind(world).filter(({ name }) => names.includes(name));
}
