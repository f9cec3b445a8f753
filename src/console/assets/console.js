// What makes the pages livelier. Each of them works without it.

/** Times in the reader's zone; what was there, in UTC, is what is shown when the pointer rests on it. */
export function localTimes(root) {
  const toTheMinute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const toTheSecond = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.getAttribute("datetime"));
    if (!Number.isNaN(at.getTime())) time.textContent = ("seconds" in time.dataset ? toTheSecond : toTheMinute).format(at);
  }
}

function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) {
    const [label, name] = [button.textContent, button.ariaLabel];
    // What is read out is what is seen.
    const say = (text) => { [button.textContent, button.ariaLabel] = [text, null]; };
    button.hidden = false;
    button.addEventListener("click", async () => {
      const element = document.querySelector(button.dataset.copy);
      if (!element) return;
      try {
        await navigator.clipboard.writeText(element.textContent.trim());
        say("Copied");
      } catch {
        say("Cannot copy: select it by hand");
      }
      setTimeout(() => { [button.textContent, button.ariaLabel] = [label, name]; }, 2000);
    });
  }
}

/** A change that was saved: until it is in force everywhere, the page says where it is not. */
async function inForce(notice) {
  const address = `/in-force?revision=${encodeURIComponent(notice.dataset.inForce)}`;
  for (let asked = 0; asked < 30; asked += 1) {
    let lines;
    try {
      const answer = await fetch(address, { headers: { accept: "text/plain" }, redirect: "error" });
      if (!answer.ok) return;
      lines = (await answer.text()).split("\n");
    } catch {
      return;
    }
    notice.textContent = lines[1];
    if (lines[0] === "everywhere") {
      notice.dataset.everywhere = "";
      return;
    }
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
}

function searchByKey() {
  document.addEventListener("keydown", (event) => {
    const box = document.getElementById("search");
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && box && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      box.focus();
    }
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    }
  });
}

/** One box for all boxes of a table. */
function boxesForAll() {
  for (const all of document.querySelectorAll("input[data-all]")) {
    all.closest("[hidden]")?.removeAttribute("hidden");
    all.addEventListener("change", () => {
      for (const box of document.querySelectorAll(`input[type=checkbox][name="${all.dataset.all}"]`)) box.checked = all.checked;
    });
  }
}

/** Fields that matter only with a certain choice. */
function dependentFields() {
  for (const field of document.querySelectorAll("[data-with]")) {
    const [name, value] = field.dataset.with.split("=");
    const choice = document.getElementById(name);
    if (!choice) continue;
    const update = () => { field.hidden = choice.value !== value; };
    choice.addEventListener("change", update);
    update();
  }
}

localTimes(document);
copyButtons(document);
searchByKey();
boxesForAll();
dependentFields();
for (const notice of document.querySelectorAll("[data-in-force]")) inForce(notice);
for (const form of document.querySelectorAll("form[data-send]")) form.requestSubmit();
