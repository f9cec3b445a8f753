// A session ends when it is signed out and with any change of its key, whoever keeps its cookie; and nobody is led elsewhere by signing in.

import { assert, equal } from "../cases.mjs";

const ADMIN = [{ role: "space-admin", space: "root" }];

export function sessions(cases, browser, server) {
  const ways = {
    "it is signed out": async ({ page }) => {
      await page.locator("header summary").click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.waitForURL("**/sign-in");
    },
    "its key is switched off": (_, { id }) => server.api("POST", `/keys/${id}/disable`),
    "its key is switched off and on": async (_, { id }) => {
      await server.api("POST", `/keys/${id}/disable`);
      await server.api("POST", `/keys/${id}/enable`);
    },
    "its key is revoked": (_, { id }) => server.api("DELETE", `/keys/${id}`),
    "its key is rotated": (_, { id }) => server.api("POST", `/keys/${id}/rotate`, { grace_seconds: 3600 }),
  };
  for (const [number, [what, end]] of Object.entries(ways).entries()) {
    cases.add(`session: over when ${what}`, async () => {
      const key = await server.key(`session-${number}`, ADMIN);
      const visit = await browser.visit(server);
      await visit.signIn(key.key);
      const kept = await visit.context.cookies();
      const token = await visit.page.locator("input[name=csrf]").first().inputValue();
      equal(kept.length, 1, "cookies");
      await end(visit, key);
      // Whoever has kept the cookie, in another browser.
      const replay = await browser.visit(server);
      await replay.context.addCookies(kept);
      await replay.open("/keys");
      equal(new URL(replay.page.url()).pathname, "/sign-in", "where the old cookie leads");
      await replay.context.addCookies(kept);
      const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.admin };
      const data = new URLSearchParams({ csrf: token, name: `made-after-${number}` }).toString();
      const answer = await replay.context.request.post("/keys/new", { headers, data, maxRedirects: 0 });
      equal([answer.status(), answer.headers().location], [303, "/sign-in"], "what a form of it is answered with");
      equal((await server.api("GET", `/keys?name=made-after-${number}`)).items, [], "keys that it has made");
      await replay.close();
      await visit.close();
    });
  }
  cases.add("session: rights that are taken away are gone with the next page", async () => {
    const key = await server.key("loses-rights", ADMIN);
    const visit = await browser.visit(server);
    await visit.signIn(key.key);
    await visit.open("/keys/new");
    await visit.page.locator("main").getByLabel("Name").fill("made-without-rights");
    const { bindings } = await server.api("GET", `/keys/${key.id}`);
    for (const { id } of bindings) await server.api("DELETE", `/bindings/${id}`);
    await visit.page.getByRole("button", { name: "Create key" }).click();
    await visit.page.getByRole("alert").or(visit.page.getByRole("heading", { name: "Sign in" })).waitFor();
    equal((await server.api("GET", "/keys?name=made-without-rights")).items, [], "keys that were made");
    for (const path of ["/", "/keys", "/audit", "/settings"]) {
      const answer = await visit.open(path);
      assert(answer.status() === 403 || new URL(visit.page.url()).pathname === "/sign-in", `${path} answers ${answer.status()}`);
    }
    await visit.close();
  });
  cases.add("session: signing in leads nowhere else", async () => {
    // With a key of its own: of one key's sessions, the oldest make room.
    const { key } = await server.key("led-elsewhere", ADMIN);
    const visit = await browser.visit(server);
    const places = ["//evil.example", "///evil.example", "https://evil.example/", "https:evil.example", "evil.example"];
    places.push("/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example");
    places.push("javascript:alert(1)", "data:text/html,x", "/%09/evil.example", "/..//evil.example", "/.//evil.example");
    for (const place of places) {
      await visit.context.clearCookies();
      await visit.open(`/sign-in?next=${encodeURIComponent(place)}`);
      await visit.page.locator("main").getByLabel("API key").fill(key);
      await visit.page.getByRole("button", { name: "Sign in" }).click();
      await visit.page.waitForURL((url) => url.pathname !== "/sign-in");
      equal(new URL(visit.page.url()).origin, server.admin, `where ${JSON.stringify(place)} leads`);
      // Nor does a form that was changed under way.
      const data = new URLSearchParams({ key, next: place }).toString();
      const headers = { "content-type": "application/x-www-form-urlencoded", origin: server.admin };
      const answer = await visit.context.request.post("/sign-in", { headers, data, maxRedirects: 0 });
      const leads = new URL(answer.headers().location, server.admin);
      equal([answer.status(), leads.origin], [303, server.admin], `where ${JSON.stringify(place)} in the form leads`);
    }
    await visit.close();
  });
}
