// What a page weighs on its way, with everything that it asks for; nothing is in the browser's cache.

import { assert } from "./cases.mjs";

const MOST = 100 << 10;

export async function weight(visit, path) {
  const requests = [];
  const note = (request) => requests.push(request);
  visit.page.on("requestfinished", note);
  await visit.page.goto(path, { waitUntil: "networkidle" });
  visit.page.off("requestfinished", note);
  const parts = await Promise.all(
    requests.map(async (request) => {
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      return { path: new URL(request.url()).pathname, size: responseBodySize + responseHeadersSize };
    }),
  );
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  const told = parts.map(({ path, size }) => `${path} ${size}`).join(", ");
  assert(total <= MOST, `${path} weighs ${total} bytes: ${told}`);
  return { total, told };
}
