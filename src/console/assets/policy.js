// The editor of login policies: colours, numbers of lines, where the cursor is, and findings as one types. Everything else is a form.

/** Beyond so many characters a text has no colours: they are made anew with each key. */
const COLOURED = 100_000;
/** How long nobody types before the text is looked at. */
const PAUSE = 400;

const TOKENS = new RegExp([
  "(?<comment>#[^\\n]*)",
  "(?<text>\"(?:[^\"\\\\\\n]|\\\\.)*\"?|`[^`]*`?)",
  "(?<word>\\b(?:package|import|default|if|contains|in|every|some|not|else|with|as|true|false|null)\\b)",
  "(?<root>\\b(?:input|data)\\b)",
  "(?<rule>^(?:allow|deny|admin|deny_admin|sample|roles|team|space_admin|space_write|space_read)\\b)",
  "(?<number>\\b\\d+(?:\\.\\d+)?\\b)",
].join("|"), "gm");

/** The text as spans; `marks` are pieces to be underlined, by where they begin and end, in their order. */
function coloured(text, marks) {
  const made = document.createDocumentFragment();
  const add = (from, to, kind) => {
    let at = from;
    while (at < to) {
      const mark = marks.find((one) => one.to > at && one.from < to);
      const isMarked = mark && mark.from <= at;
      const end = mark ? Math.min(to, isMarked ? mark.to : mark.from) : to;
      const classes = [kind && `ink-${kind}`, isMarked && (mark.isError ? "ink-found" : "ink-odd")].filter(Boolean).join(" ");
      if (classes) {
        const span = document.createElement("span");
        span.className = classes;
        span.textContent = text.slice(at, end);
        made.append(span);
      } else {
        made.append(text.slice(at, end));
      }
      at = end;
    }
  };
  let done = 0;
  for (const token of text.matchAll(TOKENS)) {
    add(done, token.index, "");
    const kind = Object.keys(token.groups).find((name) => token.groups[name] !== undefined);
    done = token.index + token[0].length;
    add(token.index, done, kind);
  }
  add(done, text.length, "");
  return made;
}

/** Where a line begins and a column in it is; both count from 1, columns in characters (not in halves of them). */
function offset(text, line, column) {
  let begin = 0;
  for (let number = 1; number < line; number += 1) {
    const end = text.indexOf("\n", begin);
    if (end < 0) return text.length;
    begin = end + 1;
  }
  const end = text.indexOf("\n", begin);
  const characters = Array.from(text.slice(begin, end < 0 ? text.length : end));
  return begin + characters.slice(0, Math.max(column - 1, 0)).join("").length;
}

function place(text, at) {
  const before = text.slice(0, at);
  const begin = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: Array.from(before.slice(begin)).length + 1 };
}

class Editor {
  constructor(form, area) {
    this.form = form;
    this.area = area;
    this.marks = [];
    this.dress();
    area.addEventListener("input", () => { this.marks = []; this.draw(); this.lookSoon(); });
    area.addEventListener("scroll", () => this.follow());
    area.addEventListener("keydown", (event) => this.indent(event));
    document.addEventListener("selectionchange", () => { if (document.activeElement === area) this.tellCursor(); });
    for (const name of ["rego", "name"]) form.elements.namedItem(name)?.addEventListener("input", () => this.lookSoon());
    new ResizeObserver(() => this.follow()).observe(area);
    this.number = 0;
    this.draw();
  }

  /** Puts the field over a layer with its colours, beside the numbers of its lines. */
  dress() {
    const { area } = this;
    const made = (tag, kind) => Object.assign(document.createElement(tag), { className: kind });
    const [frame, page] = [made("div", "inked"), made("div", "page")];
    [this.lines, this.colours] = [made("pre", "lines"), made("pre", "colours")];
    for (const layer of [this.lines, this.colours]) layer.setAttribute("aria-hidden", "true");
    area.before(frame);
    page.append(this.colours, area);
    frame.append(this.lines, page);
    area.wrap = "off";
    this.cursor = made("p", "hint");
    this.cursor.id = "cursor";
    frame.after(this.cursor);
    this.tellCursor();
  }

  draw() {
    const text = this.area.value;
    this.colours.replaceChildren(text.length > COLOURED ? text : coloured(text, this.marks), "\n");
    const count = text.split("\n").length;
    if (count !== this.count) {
      this.count = count;
      this.lines.textContent = Array.from({ length: count }, (_, number) => number + 1).join("\n");
    }
    this.follow();
    this.tellCursor();
  }

  follow() {
    this.colours.scrollTop = this.area.scrollTop;
    this.colours.scrollLeft = this.area.scrollLeft;
    this.lines.scrollTop = this.area.scrollTop;
  }

  tellCursor() {
    const { line, column } = place(this.area.value, this.area.selectionStart);
    this.cursor.textContent = `Line ${line}, column ${column}`;
  }

  /** A new line begins as the one before, a step further within brackets. The Tab key leaves the field, as everywhere. */
  indent(event) {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const { value, selectionStart } = this.area;
    const line = value.slice(value.lastIndexOf("\n", selectionStart - 1) + 1, selectionStart);
    const space = /^[ \t]*/.exec(line)[0] + (/[[{(]\s*$/.test(line) ? "\t" : "");
    if (!space) return;
    event.preventDefault();
    // It can be undone, as what is typed can; where that is not to be had, it is put in all the same.
    if (!document.execCommand("insertText", false, `\n${space}`)) {
      this.area.setRangeText(`\n${space}`, selectionStart, this.area.selectionEnd, "end");
      this.area.dispatchEvent(new Event("input"));
    }
  }

  goTo(line, column, width) {
    const { area } = this;
    const begin = offset(area.value, line, column);
    area.focus();
    area.setSelectionRange(begin, Math.max(begin, offset(area.value, line, column + width)));
    const height = parseFloat(getComputedStyle(area).lineHeight) || 20;
    area.scrollTop = Math.max(0, (line - 4) * height);
    this.follow();
    this.tellCursor();
  }

  lookSoon() {
    document.querySelector(".beside")?.setAttribute("data-stale", "");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), PAUSE);
  }

  /** Asks what is to be said of the text. Of several answers the one to the last question counts. */
  async look() {
    this.number += 1;
    const asked = this.number;
    this.asking?.abort();
    this.asking = new AbortController();
    const of = (name) => this.form.elements.namedItem(name)?.value ?? "";
    const body = new URLSearchParams(["csrf", "name", "source", "rego"].map((name) => [name, of(name)]));
    let told;
    try {
      const answer = await fetch("/policies/check", { method: "POST", body, redirect: "error", signal: this.asking.signal });
      if (!answer.ok) throw new Error(`${answer.status}`);
      told = await answer.json();
    } catch (error) {
      if (asked !== this.number || error.name === "AbortError") return;
      told = { summary: "The text cannot be looked at at the moment: press Check, or load the page again.", findings: [] };
    }
    if (asked === this.number) this.tell(told);
  }

  tell({ summary, findings }) {
    document.querySelector(".beside")?.removeAttribute("data-stale");
    const status = document.getElementById("findings-summary");
    if (status && status.textContent !== summary) status.textContent = summary;
    const list = document.createElement("ul");
    list.className = "findings";
    list.append(...findings.map(item));
    document.getElementById("findings")?.replaceChildren(...(findings.length ? [list] : []));
    this.mark(list);
  }

  /** Places become buttons that lead there, and are underlined in the text. */
  mark(root) {
    const text = this.area.value;
    this.marks = [];
    for (const found of root.querySelectorAll("li[data-line]")) {
      const [line, column, width] = ["line", "column", "width"].map((name) => Number(found.dataset[name]));
      const spot = found.querySelector("strong");
      if (!line || !spot || found.closest("[data-of-others]")) continue;
      const button = Object.assign(document.createElement("button"), { type: "button", className: "place", textContent: spot.textContent.trim() });
      button.addEventListener("click", () => this.goTo(line, column, width));
      spot.replaceWith(button, " ");
      const from = offset(text, line, column);
      const isError = found.querySelector(".badge.bad") !== null;
      this.marks.push({ from, to: Math.max(from + 1, offset(text, line, column + width)), isError });
    }
    this.marks.sort((one, other) => one.from - other.from);
    this.draw();
  }
}

/** As the page itself shows a finding. */
function item({ severity, line, column, width, text, reason, hint }) {
  const made = (tag, kind, content) => Object.assign(document.createElement(tag), { className: kind, textContent: content });
  const found = document.createElement("li");
  Object.assign(found.dataset, { line, column, width });
  found.append(made("span", `badge ${{ error: "bad", warning: "odd" }[severity] ?? ""}`, severity), " ");
  if (line > 0) found.append(made("strong", "", `Line ${line}, column ${column}: `));
  found.append(reason);
  if (text) found.append(made("pre", "", text));
  if (hint) found.append(made("p", "quiet", hint));
  return found;
}

for (const text of document.querySelectorAll("pre[data-rego]")) text.replaceChildren(coloured(text.textContent, []));
for (const form of document.querySelectorAll("form[data-policy]")) {
  const area = form.querySelector("textarea");
  if (!area) continue;
  const editor = new Editor(form, area);
  editor.mark(document.getElementById("findings") ?? form);
}
if (window.location.hash === "#outcome") document.getElementById("outcome")?.focus();
