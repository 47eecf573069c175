import { byId, el, icon } from "./dom.js";

/**
 * Tell a screen reader what happened, without moving the focus.
 * @param {string} text
 */
export function say(text) {
  const live = byId("live");
  // The same sentence twice would be read once only; a changed ending makes it news.
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}

/** Milliseconds for which a message stays, unless the pointer or the focus is on it. */
const LASTING = { plain: 7000, bad: 20_000 };

/**
 * Show a message that goes by itself, errors later; a press on the image, which it covers a part of, ends it, too.
 * @param {{found: string, hint?: string}} message
 * @param {"plain" | "bad"} [kind]
 */
export function toast(message, kind = "plain") {
  const box = byId("toasts");
  takeBack(message.found);
  const node = el(
    "div",
    { class: `toast ${kind}`, "data-found": message.found, "data-since": String(performance.now()) },
    el("span", { text: message.found }),
    message.hint ? el("span", { class: "hint", text: message.hint }) : null,
    el(
      "button",
      { class: "quiet small", "aria-label": "Close this message", onclick: () => node.remove() },
      icon("close"),
    ),
  );
  box.append(node);
  while (box.children.length > 3) box.firstElementChild.remove();
  byId(kind === "bad" ? "alert" : "live").textContent = `${message.found} ${message.hint ?? ""}`;
  const end = () => {
    if (node.matches(":hover, :focus-within")) setTimeout(end, 1000);
    else node.remove();
  };
  setTimeout(end, LASTING[kind]);
}

/** Put away what has been read when the work goes on: messages that are older than a second. */
export function clearToasts() {
  for (const node of byId("toasts").querySelectorAll(".toast"))
    if (performance.now() - Number(node.dataset.since) > 1000) node.remove();
}

/**
 * Put a message away, because it is no longer true or comes again.
 * @param {string} found
 */
export function takeBack(found) {
  for (const node of byId("toasts").querySelectorAll(".toast")) if (node.dataset.found === found) node.remove();
}

/**
 * Run something that may fail because of the server, and show its error with the hint.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T | undefined>}
 */
export async function orTell(work) {
  try {
    return await work();
  } catch (error) {
    const { found, hint } = /** @type {any} */ (error);
    if (found === undefined) throw error;
    toast({ found, hint }, "bad");
    return undefined;
  }
}
