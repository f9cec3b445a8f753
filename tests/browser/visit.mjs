// A browser, and visits to the console with it: each one with cookies of its own, in light or dark, wide or narrow, with scripts or without.
// Whatever a page asks for elsewhere, and whatever it complains about, fails the visit.

import { createRequire } from "node:module";
import { assert } from "./cases.mjs";

const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 360, height: 740 };
// What a stored script would set; `hostile.mjs` has those scripts.
export const CANARY = "scriptRan";

export class Browser {
  static async launch({ chromium, modules }) {
    const driver = createRequire(`${modules}/`)("playwright-core").chromium;
    const args = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "--disable-dev-shm-usage"];
    // Chromium refuses to run its sandbox as root.
    if (process.getuid() === 0) args.push("--no-sandbox");
    const browser = new Browser();
    browser.chromium = await driver.launch({ executablePath: chromium, args });
    browser.axe = createRequire(`${modules}/`).resolve("axe-core/axe.min.js");
    browser.requests = 0;
    browser.sessions = new Map();
    return browser;
  }

  close() {
    return this.chromium.close();
  }

  /// `allowed`: other origins that this visit is about.
  async visit(server, { colorScheme = "light", narrow = false, script = true, as, allowed = [] } = {}) {
    const viewport = narrow ? NARROW : WIDE;
    const storageState = as && (await this.signedIn(server, as));
    const options = { baseURL: server.admin, colorScheme, viewport, javaScriptEnabled: script, storageState, reducedMotion: "reduce" };
    const context = await this.chromium.newContext(options);
    context.setDefaultTimeout(10_000);
    await context.grantPermissions(["clipboard-write"], { origin: server.admin });
    // There is one clipboard, and pages are looked at side by side: each remembers what it has put there.
    await context.addInitScript(() => {
      const { clipboard } = navigator;
      if (!clipboard) return;
      const write = clipboard.writeText.bind(clipboard);
      clipboard.writeText = async (text) => {
        await write(text);
        globalThis.copiedLast = text;
      };
    });
    return Visit.on(this, server, context, allowed);
  }

  /// The cookies of whoever holds this key. Asked for once: signing out is for flows that have signed in themselves.
  signedIn(server, key) {
    const name = `${server.admin} ${key}`;
    if (!this.sessions.has(name)) this.sessions.set(name, this.signIn(server, key));
    return this.sessions.get(name);
  }

  async signIn(server, key) {
    const visit = await this.visit(server, { script: false });
    await visit.signIn(key);
    const state = await visit.context.storageState();
    await visit.close();
    return state;
  }
}

/// What the page has put onto the clipboard last.
export const copiedOf = (page) => page.evaluate(() => globalThis.copiedLast);

export class Visit {
  static async on(browser, server, context, allowed) {
    const visit = Object.assign(new Visit(), { browser, server, context, complaints: [], expected: [] });
    const origins = [server.admin, ...allowed];
    context.on("request", (request) => {
      browser.requests += 1;
      const url = request.url();
      if (!origins.some((origin) => url.startsWith(`${origin}/`)) && !/^(data|blob):/.test(url)) visit.complaints.push(`it asks for ${url}`);
    });
    context.on("console", (message) => {
      // That a page was answered with a refusal is the case's own matter.
      const refused = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
      const page = message.page()?.url();
      if (["error", "warning"].includes(message.type()) && !(refused && message.location().url === page)) {
        visit.complaints.push(`the console of ${page} says: ${message.text()}`);
      }
    });
    context.on("weberror", (error) => visit.complaints.push(`a script has failed: ${error.error().message}`));
    context.on("dialog", (dialog) => {
      visit.complaints.push(`a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    context.on("page", (page) => page.on("websocket", (socket) => visit.complaints.push(`it opens ${socket.url()}`)));
    await context.exposeBinding("__complain", (_, told) => visit.complaints.push(told));
    await context.addInitScript((canary) => {
      document.addEventListener("securitypolicyviolation", (event) => {
        const what = `${event.violatedDirective} ${event.blockedURI} ${event.sample} (line ${event.lineNumber})`;
        window.__complain(`${location.pathname} violates its content security policy: ${what}`);
      });
      Object.defineProperty(window, canary, { set: (value) => window.__complain(`a stored script has run at ${location.pathname}: ${value}`) });
    }, CANARY);
    visit.page = await context.newPage();
    return visit;
  }

  /// Ends it, and fails if there was anything to complain about that is not what the case is about.
  async close() {
    await this.context.close();
    const complaints = this.complaints.filter((complaint) => !this.expected.some((known) => known.test(complaint)));
    assert(complaints.length === 0, [...new Set(complaints)].slice(0, 10).join("\n    "));
  }

  /// The answer to the page itself.
  open(path) {
    return this.page.goto(path);
  }

  async signIn(key, path = "/sign-in") {
    await this.open(path);
    await this.page.locator("input[name=key]").fill(key);
    await this.page.locator("main form:has(input[name=key]) button").first().click();
    await this.page.waitForURL((url) => url.pathname !== "/sign-in");
  }
}
