// Every page that links lead to, and every form that stands there.

import { assert } from "./cases.mjs";

/// Files, help, and lists that are looked at through filters: no pages, or hundreds of the same kind.
const LEFT_OUT = ({ pathname, searchParams }) =>
  /^\/(audit\/export|docs)/.test(pathname) || (searchParams.size > 0 && /^\/(audit|keys|spaces)$/.test(pathname)) || searchParams.has("cursor");

/// `skip`: what is not looked at. A page that is refused is a fault, unless there is somewhere to note it.
export async function crawl(visit, { from = "/", skip = LEFT_OUT, most = 250, refused } = {}) {
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
    const { links, found } = await page.evaluate(read);
    for (const form of found) {
      const name = `${form.action} ${form.button} ${form.fields.map(([name]) => name).join(",")}`;
      if (!forms.has(name)) forms.set(name, { ...form, on: path });
    }
    for (const link of links) {
      const url = new URL(link);
      // Help names specifications.
      if (url.origin !== server.admin && path.startsWith("/docs/")) continue;
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
  // A field that is called as one of the form's own names stands in its place.
  const own = (form, name) => form.getAttribute(name) ?? "";
  const sent = (form, button) => ({
    action: path(button?.getAttribute("formaction") || own(form, "action")),
    button: button?.textContent.trim() ?? "",
    fields: [...new FormData(form, button)].map(([name, value]) => [name, String(value)]),
  });
  const forms = [...document.forms].filter((form) => own(form, "method") === "post");
  const found = forms.flatMap((form) => {
    const buttons = [...form.querySelectorAll("button:not([type=button])")];
    return buttons.length ? buttons.map((button) => sent(form, button)) : [sent(form)];
  });
  return { links: [...document.links].map((link) => link.href), found };
}
