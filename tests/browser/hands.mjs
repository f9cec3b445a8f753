// How somebody uses a page: with a mouse, or with the keyboard alone. A flow is written once, and both can take it.

import { assert } from "./cases.mjs";

export class Mouse {
  constructor(page) {
    this.page = page;
  }

  async fill(field, text) {
    await field.fill(text);
  }

  async choose(field, value) {
    await field.selectOption(value);
  }

  async press(control) {
    await control.click();
  }
}

export class Keyboard {
  constructor(page) {
    this.page = page;
  }

  async fill(field, text) {
    await this.reach(field);
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.press("Delete");
    await this.page.keyboard.type(text);
  }

  /// What is chosen is what one gets to by the arrow keys.
  async choose(field, value) {
    await this.reach(field);
    const steps = (select, value) => [...select.options].findIndex((option) => option.value === value) - select.selectedIndex;
    const far = await field.evaluate(steps, value);
    for (let step = 0; step < Math.abs(far); step += 1) await this.page.keyboard.press(far < 0 ? "ArrowUp" : "ArrowDown");
    const got = await field.evaluate((select) => select.value);
    assert(got === value, `the arrow keys choose ${got} instead of ${value}`);
  }

  async press(control) {
    await this.reach(control);
    await this.page.keyboard.press("Enter");
  }

  /// By Tab, from wherever the focus is, and once round if need be. Wherever it is, it is seen.
  async reach(control) {
    await control.waitFor();
    for (let step = 0; step < 300; step += 1) {
      const { here, seen } = await control.evaluate((element) => {
        const style = getComputedStyle(element);
        const seen = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
        return { here: element === document.activeElement, seen };
      });
      if (here) {
        assert(seen, `nothing shows that the focus is on ${control}`);
        return;
      }
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`the Tab key never gets to ${control}`);
  }
}
