import { el, icon } from "./dom.js";

/**
 * A dialogue over the page. It closes with Escape, its cross, or its form; the focus returns to where it was.
 * @param {string} title
 * @param {(Node | null)[]} content
 * @param {Node[]} foot  Buttons; the one of type submit sends the form
 * @param {() => boolean} onSubmit  False keeps the dialogue open
 * @param {string} [kind]  A class for its width
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content, foot, onSubmit, kind = "") {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const beforeId = before?.id ?? "";
  const dialog = el(
    "dialog",
    { class: kind, "aria-labelledby": "dialog-title" },
    el(
      "div",
      { class: "dialog-head" },
      el("h2", { id: "dialog-title", text: title }),
      el(
        "button",
        { class: "quiet", type: "button", "aria-label": "Close", onclick: () => dialog.close() },
        icon("close"),
      ),
    ),
    el(
      "form",
      {
        class: "dialog-body",
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          if (onSubmit()) dialog.close();
        },
      },
      ...content,
      foot.length ? el("div", { class: "dialog-foot" }, ...foot.map(asButton)) : null,
    ),
  );
  const close = dialog.close.bind(dialog);
  dialog.close = () => {
    settle(); // the event comes too late for a fast hand
    close();
  };
  dialog.addEventListener("close", () => {
    dialog.remove();
    // The element may have been drawn again meanwhile.
    (before?.isConnected ? before : document.getElementById(beforeId))?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Inside a form a button would send it unless told otherwise. @param {any} button */
function asButton(button) {
  if (!button.hasAttribute("type")) button.setAttribute("type", "button");
  return button;
}

/** Milliseconds for which presses count for nothing once something over the page is gone. */
const SETTLING = 500;

/** The second half of a double press was meant for what is gone, too, and not for what appears under it. */
export function settle() {
  document.body.classList.add("settling");
  setTimeout(() => document.body.classList.remove("settling"), SETTLING);
}
