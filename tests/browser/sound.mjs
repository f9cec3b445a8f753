// Whether a page can be used by whoever cannot see it, cannot use a mouse, or has a narrow screen.

import { readFileSync } from "node:fs";
import { assert } from "./cases.mjs";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
let source;

/// Every rule of axe, and nothing that is wider than the screen. Through the browser's debugger: the page's own policy lets no such script in.
export async function sound(visit, { framed = true } = {}) {
  const { page } = visit;
  source ??= readFileSync(visit.browser.axe, "utf8");
  // What is folded away is a part of the page; of a page that has hundreds of such parts, some are enough. A menu lies over it: it is opened by whoever
  // uses it.
  await page.evaluate(() => [...document.querySelectorAll("details:not(.menu)")].slice(0, 20).forEach((each) => (each.open = true)));
  await page.evaluate(source);
  const found = await page.evaluate(async (tags) => {
    const results = await window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
    const at = ({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary}`;
    return results.violations.map(({ id, help, nodes }) => ({ id, help, at: nodes.map(at) }));
  }, TAGS);
  const told = found.map(({ id, help, at }) => `${id} (${help}): ${at.slice(0, 3).join("; ").replace(/\s+/g, " ")}`);
  assert(found.length === 0, `axe about ${page.url()}: ${told.join("\n    ")}`);
  await fits(page);
  if (framed) await frame(page);
}

/// Nothing is cut off at the side: what is too wide scrolls by itself.
export async function fits(page) {
  const { wide, screen, widest } = await page.evaluate(() => {
    const screen = document.documentElement.clientWidth;
    const over = [...document.body.querySelectorAll("*")].filter((each) => each.getBoundingClientRect().right > screen + 1);
    return { wide: document.documentElement.scrollWidth, screen, widest: over.slice(0, 3).map((each) => each.outerHTML.slice(0, 120)) };
  });
  assert(wide <= screen, `${page.url()} is ${wide} px wide on a screen of ${screen} px: ${widest.join("; ")}`);
}

/// What every page has: a title of its own, a language, one heading, and a way past what stands before it.
async function frame(page) {
  const has = await page.evaluate(() => ({
    title: document.title,
    language: document.documentElement.lang,
    headings: document.querySelectorAll("h1").length,
    main: document.querySelectorAll("main#main").length,
    skip: document.querySelector("a.skip[href='#main']") !== null,
    unlabelled: [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
      .filter((field) => !field.labels?.length && !field.ariaLabel)
      .map((field) => field.outerHTML),
    styled: document.querySelectorAll("[style], style").length,
    scripted: [...document.querySelectorAll("script:not([src])")].length,
  }));
  assert(has.title && has.language === "en", `${page.url()}: title "${has.title}", language "${has.language}"`);
  assert(has.headings === 1 && has.main === 1 && has.skip, `${page.url()}: ${JSON.stringify(has)}`);
  assert(has.unlabelled.length === 0, `${page.url()}: fields without a label: ${has.unlabelled.join(" ")}`);
  assert(has.styled === 0 && has.scripted === 0, `${page.url()}: styles or scripts within the page: ${JSON.stringify(has)}`);
}
