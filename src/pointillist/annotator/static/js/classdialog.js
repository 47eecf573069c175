import { say, toast } from "./announce.js";
import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

/**
 * @import { Class, Store } from "./store.js"
 */

/**
 * The dialogue to rename, recolour, merge or remove a class.
 * @param {Store} store
 * @param {Class} one
 */
export function editClass(store, one) {
  const name = el("input", { type: "text", id: "edit-name", value: one.name, maxlength: "100" });
  const color = el("input", { type: "color", id: "edit-color", value: one.color });
  const palette = el(
    "div",
    { class: "palette" },
    ...store.project.suggested_colors.slice(0, 12).map((/** @type {string} */ value) =>
      el("button", {
        type: "button",
        class: "color",
        title: value,
        "aria-label": `Colour ${value}`,
        style: { "--swatch": value },
        onclick: () => {
          color.value = value;
        },
      }),
    ),
  );
  const background = el("input", { type: "checkbox", id: "edit-background" });
  background.checked = one.background;
  const others = store.classes.filter((other) => other.id !== one.id);
  const into = el(
    "select",
    { id: "edit-into" },
    el("option", { value: "", text: "Choose a class…" }),
    ...others.map((other) => el("option", { value: other.id, text: other.name })),
  );
  const mergeButton = el("button", {
    type: "button",
    class: "danger",
    disabled: true,
    text: "Merge",
    onclick: () => merge(store, one, into.value, dialog),
  });
  into.addEventListener("change", () => {
    mergeButton.disabled = !into.value;
  });
  const dialog = openDialog(
    `Class ${one.name}`,
    [
      el("div", { class: "field" }, el("label", { for: "edit-name", text: "Name, everywhere" }), name),
      el(
        "div",
        { class: "field" },
        el("label", { for: "edit-color", text: "Colour" }),
        el("div", { class: "row" }, color, palette),
      ),
      el(
        "label",
        { class: "check" },
        background,
        el("span", { text: "This is the background: everything that is no object" }),
      ),
      others.length
        ? el(
            "div",
            { class: "field" },
            el("label", { for: "edit-into", text: "Merge: its clicks become another class. This cannot be undone." }),
            el("div", { class: "row" }, el("div", { class: "grow" }, into), mergeButton),
          )
        : null,
    ],
    [
      el("button", {
        class: "danger",
        text: "Remove class",
        disabled: one.points > 0,
        title: one.points > 0 ? "It has clicks; merge it into another class instead." : "",
        onclick: () => {
          remove(store, one);
          dialog.close();
        },
      }),
      el("button", { class: "primary", text: "Done", type: "submit" }),
    ],
    () => change(store, one, name.value.trim(), color.value, background.checked),
    "narrow",
  );
}

/** @param {Store} store @param {Class} one @param {string} name @param {string} color @param {boolean} background */
function change(store, one, name, color, background) {
  const redo = [];
  const undo = [];
  if (name && name !== one.name) {
    if (store.classes.some((other) => other.id !== one.id && other.name === name)) {
      toast({ found: `There is a class ${name} already.`, hint: "Choose another name, or merge the two." }, "bad");
      return false;
    }
    redo.push({ id: "", kind: "class-rename", class: one.id, name });
    undo.push({ id: "", kind: "class-rename", class: one.id, name: one.name });
  }
  if (color.toLowerCase() !== one.color.toLowerCase()) {
    redo.push({ id: "", kind: "class-color", class: one.id, color });
    undo.push({ id: "", kind: "class-color", class: one.id, color: one.color });
  }
  if (background !== one.background) {
    const before = store.classes.find((other) => other.background)?.id ?? null;
    redo.push({ id: "", kind: "background", class: background ? one.id : null });
    undo.push({ id: "", kind: "background", class: before });
  }
  if (redo.length) {
    store.do({ image: null, text: `change of ${one.name}`, redo, undo });
    say(`Class ${name || one.name} changed`);
  }
  return true;
}

/** @param {Store} store @param {Class} one @param {string} into @param {HTMLDialogElement} dialog */
function merge(store, one, into, dialog) {
  const target = store.classOf(into);
  if (!target) return;
  store.do({ image: null, text: "", redo: [{ id: "", kind: "class-merge", class: one.id, into }], undo: [] });
  store.forgetSteps();
  dialog.close();
  toast({ found: `${one.name} is now part of ${target.name}.` });
}

/** @param {Store} store @param {Class} one */
function remove(store, one) {
  const { id, name, color, background } = one;
  store.do({
    image: null,
    text: `class ${name}`,
    redo: [{ id: "", kind: "class-remove", class: id }],
    undo: [{ id: "", kind: "class-add", class: id, name, color, background }],
  });
  say(`Class ${name} removed`);
}
