// Pages that mean no good: they send forms in the name of whoever looks at them, show the console inside themselves, or read it.

import { assert, equal } from "../cases.mjs";
import { crawl } from "../crawl.mjs";
import { Server, furnished, listening } from "../server.mjs";

export function forged(cases, browser, claviger) {
  cases.add("forged: no form is taken from another origin, or without its token", async () => {
    const server = await Server.start(claviger);
    const evil = await listening((request, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><title>evil</title>"));
    try {
      await furnished(server);
      const visit = await browser.visit(server, { as: server.root });
      const found = (await crawl(visit)).forms;
      // What anybody may send, whoever they are: it changes nothing, and is taken from no other origin.
      const forms = found.filter(({ action }) => action !== "/try");
      const actions = new Set(forms.map(({ action }) => action));
      assert(actions.size > 25, `only ${actions.size} forms were found: ${[...actions].join(" ")}`);
      for (const form of forms) {
        assert(form.fields.some(([name, value]) => name === "csrf" && value), `the form to ${form.action} on ${form.on} carries no token`);
      }
      const before = await state(server);
      const other = await browser.visit(server, { as: (await server.key("another", [{ role: "space-admin", space: "root" }])).key });
      await other.open("/");
      const foreign = await other.page.locator("input[name=csrf]").first().inputValue();
      await other.close();
      const since = await state(server);
      for (const { action, fields } of forms) {
        for (const [what, token] of [["without a token", undefined], ["with an empty token", ""], ["with another session's token", foreign]]) {
          const kept = fields.filter(([name]) => name !== "csrf");
          const body = new URLSearchParams(token === undefined ? kept : [...kept, ["csrf", token]]).toString();
          const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.admin, "sec-fetch-site": "same-origin" };
          const answer = await visit.context.request.post(action, { headers, data: body, maxRedirects: 0 });
          equal(answer.status(), 403, `a form to ${action} ${what}`);
        }
      }
      equal(await state(server), since, "what is there after forms without a token");
      await visit.close();

      // Of the same site, where the browser sends the cookie, and of another, where it does not.
      for (const origin of [evil.origin, evil.foreign]) {
        const lured = await browser.visit(server, { as: server.root, allowed: [evil.origin, evil.foreign] });
        for (const form of ofEachKind(found)) {
          await lured.page.goto(`${origin}/`);
          const sent = lured.page.waitForResponse((answer) => answer.request().method() === "POST");
          await lured.page.evaluate(submit, { ...form, action: server.admin + form.action });
          const status = (await sent).status();
          assert([303, 403].includes(status), `a form to ${form.action} from ${origin} answers ${status}`);
          // To a refusal, or to where one signs in.
          await lured.page.waitForURL((url) => url.origin === server.admin);
        }
        await lured.close();
        equal(await state(server), since, `what is there after forms from ${origin}`);
      }
      assert(before !== since, "a change is not seen by this test");
    } finally {
      evil.close();
      await server.stop();
    }
  });
  cases.add("forged: no page shows the console inside itself, or reads it", async () => {
    const server = await Server.start(claviger);
    const evil = await listening((request, answer) => {
      const frames = ["/", "/keys", "/sign-in", "/api", "/docs"].map((path) => `<iframe src="${server.admin}${path}"></iframe>`).join("");
      answer.setHeader("content-type", "text/html").end(`<!doctype html><title>evil</title>${frames}`);
    });
    try {
      for (const origin of [evil.origin, evil.foreign]) {
        const visit = await browser.visit(server, { as: server.root, allowed: [evil.origin, evil.foreign] });
        visit.expected.push(/frame-ancestors|X-Frame-Options|Framing/, /CORS policy|cross-origin/i);
        visit.expected.push(/ERR_BLOCKED_BY_RESPONSE|ERR_FAILED/, /status of 40[14]/);
        await visit.page.goto(`${origin}/`);
        for (const frame of visit.page.frames().slice(1)) {
          await frame.waitForLoadState();
          assert(frame.url().startsWith("chrome-error:"), `${frame.url()} is shown inside a page of ${origin}`);
        }
        const read = await visit.page.evaluate(readFrom, server.admin);
        equal(read, [], `what a page of ${origin} can read`);
        await visit.close();
      }
    } finally {
      evil.close();
      await server.stop();
    }
  });
}

/// One form for each address, whatever it is about: every one of them is a page to be come to.
function ofEachKind(forms) {
  const kind = ({ action }) => action.replace(/^\/(keys|spaces|roles|signing-keys)\/(?!new|bulk)[^/]+/, "/$1/*");
  return [...new Map(forms.map((form) => [kind(form), form])).values()];
}

/// Whatever the audit says of changes that were made.
async function state(server) {
  const { items } = await server.api("GET", "/audit?limit=500");
  return items.filter(({ revision }) => revision !== null).length;
}

function submit({ action, fields }) {
  const form = document.createElement("form");
  [form.method, form.action] = ["post", action];
  for (const [name, value] of fields) {
    const input = document.createElement("textarea");
    [input.name, input.value] = [name, value];
    form.append(input);
  }
  document.body.append(form);
  HTMLFormElement.prototype.submit.call(form);
}

async function readFrom(admin) {
  const read = [];
  for (const path of ["/", "/keys", "/api/v1/keys", "/in-force?revision=1"]) {
    for (const options of [{ credentials: "include" }, { credentials: "include", mode: "no-cors" }]) {
      try {
        const answer = await fetch(admin + path, options);
        const text = await answer.text();
        if (text) read.push(`${path}: ${text.slice(0, 40)}`);
      } catch {
        // As it should be.
      }
    }
  }
  return read;
}
