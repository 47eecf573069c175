import { byId, el, icon, refill } from "./dom.js";

/**
 * @import { Store } from "./store.js"
 */

/** One line below the classes: what the server advises about the next clicks. Closed, it stays away with this model. */
export class Advice {
  /** @type {any} */ #status = { lines: [], run: null };

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.box = el("div", { id: "advice", class: "advice", role: "status" });
    byId("classes").after(this.box);
    store.on("project", () => this.take(store.project.advice));
  }

  /**
   * Show the first line that nobody has closed.
   * @param {any} status
   */
  take(status) {
    this.#status = this.store.project.advice = status;
    const closed = this.#closed();
    const line = status.lines.find((/** @type {any} */ one) => !closed.includes(this.#name(one)));
    refill(this.box, line ?? null, () =>
      line
        ? [
            el("p", { class: "note", text: line.text }),
            el(
              "button",
              {
                class: "quiet small",
                id: "advice-close",
                "aria-label": "Close this advice",
                onclick: () => this.#close(line),
              },
              icon("close"),
            ),
          ]
        : [],
    );
    this.box.hidden = !line;
  }

  /** @param {any} line */
  #name(line) {
    return `${this.#status.run} ${line.kind} ${line.class}`;
  }

  get #key() {
    return `pointillist advice ${this.store.project.id}`;
  }

  /** @returns {string[]} */
  #closed() {
    return JSON.parse(localStorage.getItem(this.#key) ?? "[]");
  }

  /** @param {any} line */
  #close(line) {
    localStorage.setItem(this.#key, JSON.stringify([...this.#closed(), this.#name(line)].slice(-50)));
    this.take(this.#status);
  }
}
