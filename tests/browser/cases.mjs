// One line for each case, as the other steps print them; and whether any has failed.

import { LOOKS } from "./looks.mjs";

export class Cases {
  constructor(only) {
    this.only = only;
    this.flows = [];
    this.waiting = [];
    this.done = 0;
    this.failed = [];
  }

  /// `work` runs later, beside others.
  add(name, work) {
    if (!this.only || name.includes(this.only)) this.waiting.push({ name, work });
  }

  /// Once in every look, which `work` is given.
  flow(name, work) {
    this.flows.push(name);
    for (const [look, options] of Object.entries(LOOKS)) this.add(`${name}; ${look}`, () => work(options));
  }

  /// Whether these flows are there, and no others.
  complete(wanted) {
    const missing = wanted.filter((name) => !this.flows.includes(name));
    const unknown = this.flows.filter((name, number) => !wanted.includes(name) || this.flows.indexOf(name) !== number);
    equal([missing, unknown], [[], []], "flows that are missing, and flows that nobody has asked for or that are there twice");
  }

  async one({ name, work }) {
    const began = performance.now();
    let verdict = "ok";
    try {
      await work();
    } catch (error) {
      verdict = `FAILED: ${told(error)}`;
      this.failed.push(name);
    }
    this.done += 1;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${name.padEnd(72)}${seconds.padStart(6)} s  ${verdict}`);
  }

  async run(beside) {
    const worker = async () => {
      for (let next = this.waiting.shift(); next; next = this.waiting.shift()) await this.one(next);
    };
    await Promise.all(Array.from({ length: beside }, worker));
  }

  closing() {
    const names = this.failed.map((name) => `\n  ${name}`).join("");
    return `${this.done} cases, ${this.failed.length} failed${names}`;
  }
}

// A message of the browser's driver has its call log behind it, and where it stands in this folder helps.
function told(error) {
  const message = error instanceof Error ? error.message : String(error);
  const places = [...String(error?.stack).matchAll(/tests\/browser\/([^)\s]+:\d+):\d+/g)].map(([, place]) => place);
  return `${message.slice(0, 3000)}${places.length ? `\n    at ${places.slice(0, 4).join(", ")}` : ""}`;
}

export function assert(holds, message) {
  if (!holds) throw new Error(message);
}

export function equal(got, wanted, what) {
  const [here, there] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (here !== there) throw new Error(`${what}: ${here} instead of ${there}`);
}
