// A part of a page that is looked at again and again: what has changed is put in its place, and nothing else is touched.

import { localTimes } from "./console.js";

/** Whoever has not touched anything for so long has gone away: their session is not to be kept alive for them. */
const AWAY_AFTER = 10 * 60 * 1000;

let touched = Date.now();
for (const event of ["pointerdown", "pointermove", "keydown", "scroll"]) {
  addEventListener(event, () => { touched = Date.now(); }, { passive: true });
}

function isBusy(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

function names(part) {
  return [...part.querySelectorAll("[data-row]")].map((row) => row.dataset.row).join("\n");
}

/** Cell by cell where the rows are the same; else as a whole. */
function update(part, fresh) {
  localTimes(fresh);
  if (part.innerHTML === fresh.innerHTML) return;
  const cells = (of) => [...of.querySelectorAll("p, td")];
  const [old, now] = [cells(part), cells(fresh)];
  if (names(part) !== names(fresh) || old.length !== now.length) {
    part.replaceChildren(...fresh.childNodes);
    return;
  }
  for (const [number, cell] of old.entries()) {
    if (cell.innerHTML !== now[number].innerHTML) cell.replaceChildren(...now[number].childNodes);
  }
}

/** Whether to look again. A redirection leads to the door: whoever has been signed out is told so when they load the page. */
async function look(part) {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
  if (!answer.ok) return answer.status >= 429;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part.id);
  if (fresh && !isBusy(part)) update(part, fresh);
  return true;
}

async function goOn(part) {
  for (let again = true; again;) {
    await new Promise((resolve) => { setTimeout(resolve, Number(part.dataset.refresh)); });
    if (document.hidden || Date.now() - touched > AWAY_AFTER) continue;
    try {
      again = await look(part);
    } catch {
      // Nobody can be reached: that may pass.
    }
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) goOn(part);
