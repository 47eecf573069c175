import { say, toast } from "./announce.js";
import { editClass } from "./classdialog.js";
import { byId, counted, el, icon, refill } from "./dom.js";
import { newId } from "./api.js";

/**
 * @import { Class, Store } from "./store.js"
 */

/** The classes: choose the current one, add, rename, recolour, merge, remove. */
export class ClassesPanel {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.box = byId("classes");
    this.list = el("div", { class: "class-list", role: "radiogroup", "aria-labelledby": "classes-title" });
    this.input = el("input", {
      type: "text",
      id: "class-name",
      autocomplete: "off",
      placeholder: "Name",
      maxlength: "100",
      "aria-label": "Name of the new class",
    });
    this.form = el(
      "form",
      { class: "class-form row", hidden: true, onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      el("div", { class: "grow" }, this.input),
      el("button", { type: "submit", class: "primary", text: "Add" }),
    );
    this.hint = el("div", { class: "class-hint" });
    this.box.append(this.list, this.form, this.hint);
    byId("class-add").addEventListener("click", () => this.startAdding());
    this.input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape" && store.classes.length) this.#stopAdding();
    });
    // Whoever clicks elsewhere has named what they wanted to name. The line goes when the button is up again: what was
    // pressed would otherwise move away from under it.
    let pressed = false;
    document.addEventListener("pointerdown", () => (pressed = true), true);
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => (pressed = false), true);
    const leave = () => {
      if (this.form.contains(document.activeElement) || this.input.value.trim() || !store.classes.length) return;
      this.#hideForm();
    };
    this.form.addEventListener("focusout", () => {
      const later = () => window.setTimeout(leave);
      if (!pressed) later();
      else for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, later, { once: true });
    });
    store.on("project current", () => this.draw());
  }

  /** Open the line for a new name. */
  startAdding() {
    this.form.hidden = false;
    byId("class-add").hidden = true;
    this.input.focus();
  }

  #hideForm() {
    this.form.hidden = true;
    byId("class-add").hidden = false;
  }

  #stopAdding() {
    this.#hideForm();
    byId("class-add").focus();
  }

  /**
   * Clicks get this class from now on.
   * @param {string} id
   */
  choose(id) {
    this.store.current = id;
    this.store.tell("current");
    say(`Class ${this.store.classOf(id)?.name}`);
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const name = this.input.value.trim();
    if (!name) return;
    if (this.store.classes.some((one) => one.name === name)) {
      toast({ found: `There is a class ${name} already.`, hint: "Choose another name." }, "bad");
      return;
    }
    this.add(name, false);
    this.input.value = "";
    this.input.focus();
  }

  /** @param {string} name @param {boolean} background */
  add(name, background) {
    const { store } = this;
    const id = newId();
    const color = freeColor(store, background);
    store.do({
      image: null,
      text: `class ${name}`,
      redo: [{ id: "", kind: "class-add", class: id, name, color, background }],
      undo: [{ id: "", kind: "class-remove", class: id }],
    });
    // The first class, and each new one a person names while labelling, is the one they are about to click.
    if (!background || store.classes.length === 1) store.current = id;
    store.tell("current");
    say(`Class ${name} added, number ${store.classes.length}`);
  }

  /** Show the classes as they are now. */
  draw() {
    const { store } = this;
    refill(this.list, [store.classes, store.current], () => store.classes.map((one, index) => this.#row(one, index)));
    const none = store.classes.length === 0;
    if (none) {
      this.form.hidden = false;
      byId("class-add").hidden = true;
    } else if (this.form.hidden) {
      byId("class-add").hidden = false;
    }
    this.#drawHint(none);
  }

  /** @param {boolean} none */
  #drawHint(none) {
    const { store } = this;
    const alone = !store.classes.some((one) => one.background);
    refill(this.hint, [none, alone], () => {
      if (none)
        return [el("p", { class: "note", text: "Add your first class: what do you want to find in these images?" })];
      if (!alone) return [];
      return [
        el("p", {
          class: "note",
          text:
            "Is there anything else in the images? Then they need a background class, clicked about as often as all " +
            "others together.",
        }),
        el("button", {
          class: "small",
          text: "Add background",
          onclick: () => this.add(freeName(store, "background"), true),
        }),
      ];
    });
  }

  /** @param {Class} one @param {number} index */
  #row(one, index) {
    const chosen = one.id === this.store.current;
    const key = index < 10 ? String((index + 1) % 10) : "";
    const radio = el("input", {
      type: "radio",
      name: "class",
      class: "visually-hidden",
      id: `class-${one.id}`,
      onchange: () => this.choose(one.id),
    });
    radio.checked = chosen;
    return el(
      "div",
      { class: `class-row${chosen ? " chosen" : ""}` },
      el(
        "label",
        { class: "class-label" },
        radio,
        el("kbd", { text: key, "aria-hidden": "true" }),
        swatch(one),
        el("span", { class: "class-name", text: one.name, title: one.name }),
        one.background && one.name.toLowerCase() !== "background"
          ? el("span", { class: "note class-tag", text: "background" })
          : null,
        el("span", {
          class: "class-count number soft",
          text: one.points.toLocaleString("en"),
          title: counted(one.points, "click"),
        }),
      ),
      el(
        "button",
        {
          class: "quiet",
          id: `edit-${one.id}`,
          "aria-label": `Change ${one.name}`,
          title: "Rename, recolour, merge",
          onclick: () => editClass(this.store, one),
        },
        icon("edit"),
      ),
    );
  }
}

/**
 * A dot in a class's colour; a diamond for the background.
 * @param {Class} one
 */
export function swatch(one) {
  return el("i", {
    class: `swatch${one.background ? " background" : ""}`,
    style: { "--swatch": one.color },
    "aria-hidden": "true",
  });
}

/** @param {Store} store @param {boolean} background */
function freeColor(store, background) {
  // The first colour of the palette is a dark grey that is meant for the background.
  const palette = background ? store.project.suggested_colors : store.project.suggested_colors.slice(1);
  const taken = new Set(store.classes.map((one) => one.color.toLowerCase()));
  return palette.find((/** @type {string} */ color) => !taken.has(color.toLowerCase())) ?? palette[0];
}

/** @param {Store} store @param {string} wish */
function freeName(store, wish) {
  let name = wish;
  for (let number = 2; store.classes.some((one) => one.name === name); number++) name = `${wish} ${number}`;
  return name;
}
