import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

/**
 * One thing a key does. `keys` are values of KeyboardEvent.key in lower case, with "ctrl+" and "shift+" in front.
 * @typedef {{keys: string[], shown: string[], text: string, group: string, canvas?: boolean, run: (key: string) => void}} Command
 */

const STORED = "pointillist/single-keys";

/** Keys for everything. They rest while somebody types, and single letters can be switched off. */
export class Keys {
  /** @type {Command[] | null} What the keys of a list that is walked through do, before all others */ first = null;
  /** Whether the program asks: then the keys for answers alone work. */ asking = false;

  /** @param {Command[]} commands @param {Command[]} answers */
  constructor(commands, answers) {
    this.commands = commands;
    this.answers = answers;
    this.single = localStorage.getItem(STORED) !== "off";
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const control = event.ctrlKey || event.metaKey;
    if (target.closest("input:not([type=radio]):not([type=checkbox]):not([type=range]), select, textarea")) return;
    const onCanvas = target.closest("#canvas, #ask") !== null;
    const letter = event.key.toLowerCase();
    const name = `${control ? "ctrl+" : ""}${event.shiftKey ? "shift+" : ""}${letter}`;
    const matches = (/** @type {Command} */ command) =>
      // Shift is part of how some signs are typed, so a sign is also found without it.
      command.keys.includes(name) ||
      (letter.length === 1 && !/[a-z]/.test(letter) && !control && command.keys.includes(letter));
    const command = [...(this.first ?? []), ...(this.asking ? this.answers : this.commands)].find(
      (one) => matches(one) && (!one.canvas || onCanvas),
    );
    if (!command) return;
    if (!this.single && letter.length === 1 && !control && !onCanvas) return;
    event.preventDefault();
    // A key that is held down is one answer.
    if (!(this.asking && event.repeat)) command.run(name);
  }

  /** Show what the keys do. */
  help() {
    const all = [...this.commands, ...(this.first ?? []), ...this.answers];
    const groups = [...new Set(all.map((one) => one.group))];
    const box = el("input", {
      type: "checkbox",
      onchange: () => {
        this.single = box.checked;
        localStorage.setItem(STORED, this.single ? "on" : "off");
      },
    });
    box.checked = this.single;
    openDialog(
      "Keys and hands",
      [
        el("p", {
          class: "note",
          text: "Click what you see; one click per object is enough to begin with. Drag a point to move it, right-click it to remove it. Drag elsewhere to pan, turn the wheel or pinch to zoom.",
        }),
        el(
          "div",
          { class: "key-groups" },
          ...groups.map((group) =>
            el(
              "section",
              {},
              el("h3", { text: group }),
              el(
                "dl",
                { class: "keys" },
                ...all
                  .filter((one) => one.group === group && one.shown.length)
                  .flatMap((one) => [
                    el("dt", {}, ...one.shown.map((key) => el("kbd", { text: key }))),
                    el("dd", { text: one.text }),
                  ]),
              ),
            ),
          ),
        ),
        el(
          "label",
          { class: "check" },
          box,
          el("span", { text: "Single keys work everywhere, not only on the image" }),
        ),
      ],
      [el("button", { class: "primary", type: "submit", text: "Close" })],
      () => true,
      "help",
    );
  }
}
