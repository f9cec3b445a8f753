// Every page that links lead to, and every form that stands there.

import { assert } from "./cases.mjs";

/// `skip`: paths that are no pages, or that lead to hundreds. A page that is refused is a fault, unless there is somewhere to note it.
export async function crawl(visit, { from = "/", skip = () => false, most = 400, look = async () => {}, refused } = {}) {
  const { page, server } = visit;
  const [seen, waiting, forms] = [new Set([from]), [{ path: from, by: "" }], new Map()];
  let pages = 0;
  while (waiting.length) {
    const { path, by } = waiting.shift();
    const answer = await page.goto(path);
    if (refused && answer.status() === 403) {
      refused.push(`${path} (on ${by})`);
      continue;
    }
    assert(answer.status() === 200, `${path}, to which ${by} leads, answers ${answer.status()}`);
    pages += 1;
    assert(pages <= most, `there are more than ${most} pages: ${[...seen].slice(-5).join(" ")}`);
    await look(path);
    const { links, found } = await page.evaluate(read);
    for (const form of found) {
      const name = `${form.action} ${form.button} ${form.fields.map(([name]) => name).join(",")}`;
      if (!forms.has(name)) forms.set(name, { ...form, on: path });
    }
    for (const link of links) {
      const url = new URL(link);
      assert(url.origin === server.admin, `${path} leads to ${link}`);
      const next = url.pathname + url.search;
      if (!seen.has(next) && !skip(url)) {
        seen.add(next);
        waiting.push({ path: next, by: path });
      }
    }
  }
  return { pages, forms: [...forms.values()] };
}

/// Within the page: its links, and the forms that change something, as they would be sent.
function read() {
  const path = (address) => new URL(address, location.href).pathname + new URL(address, location.href).search;
  const sent = (form, button) => ({
    action: path(button?.getAttribute("formaction") ? button.formAction : form.action),
    button: button?.textContent.trim() ?? "",
    fields: [...new FormData(form, button)].map(([name, value]) => [name, String(value)]),
  });
  const forms = [...document.forms].filter((form) => form.method === "post");
  const found = forms.flatMap((form) => {
    const buttons = [...form.querySelectorAll("button:not([type=button])")];
    return buttons.length ? buttons.map((button) => sent(form, button)) : [sent(form)];
  });
  return { links: [...document.links].map((link) => link.href), found };
}
