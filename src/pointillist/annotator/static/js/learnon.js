import { post } from "./api.js";
import { orTell } from "./announce.js";
import { byId, counted, el } from "./dom.js";

/**
 * @import { Store } from "./store.js"
 * @import { TrainingPanel } from "./training.js"
 */

/** Learn on: train the present model with the clicks that are new, at a press or by itself. */
export class LearnOn {
  #asked = false;

  /** @param {Store} store @param {TrainingPanel} training */
  constructor(store, training) {
    this.store = store;
    this.training = training;
    this.go = el("button", { class: "wide", id: "learn-on", text: "Learn on", onclick: () => this.#start() });
    this.note = el("p", { class: "note", id: "learn-on-note" });
    this.itself = el("input", { type: "checkbox", id: "learn-on-itself", onchange: () => this.#switch() });
    this.itselfText = el("span", {});
    this.box = el(
      "div",
      { class: "stack learn-on", hidden: true },
      el("h3", { text: "Learn on" }),
      this.note,
      this.go,
      el("label", { class: "check" }, this.itself, this.itselfText),
    );
    byId("panel-train").append(this.box);
    store.on("project", () => this.take(store.project.learning));
    store.on("training", () => this.#draw());
  }

  /**
   * Show how many clicks are new.
   * @param {any} status
   */
  take(status) {
    this.store.project.learning = status;
    this.#draw();
  }

  #draw() {
    const { project } = this.store;
    if (!project) return;
    const { learning, model } = project;
    this.box.hidden = !model;
    if (!model) return;
    this.go.disabled = this.#asked || this.training.active || learning.why !== null || !learning.new;
    this.itself.checked = learning.itself;
    this.itselfText.textContent = `By itself, after ${learning.needed} new clicks and a short rest`;
    const trouble = learning.problem ? `${learning.problem.found} ${learning.problem.hint}` : learning.why;
    this.note.className = trouble ? "note warn" : "note";
    this.note.textContent = trouble
      ? trouble
      : learning.new
        ? `${counted(learning.new, "new click")}. The model goes on with them, within a minute.`
        : "No new clicks.";
  }

  async #start() {
    this.#asked = true;
    this.#draw();
    const status = await orTell(() => post("/training/learn-on", {}));
    this.#asked = false;
    if (status) this.training.take(status);
    this.#draw();
  }

  async #switch() {
    const status = await orTell(() => post("/training/by-itself", { itself: this.itself.checked }));
    if (status) this.take(status);
    else this.#draw();
  }
}
