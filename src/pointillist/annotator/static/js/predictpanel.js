import { orTell, toast } from "./announce.js";
import { get, post } from "./api.js";
import { byId, counted, el, refill } from "./dom.js";
import { NO_MODEL } from "./predictions.js";

/**
 * The tab Predict: the gallery, the model applied to the whole folder, and what it wrote to take home.
 *
 * @import { Store } from "./store.js"
 * @typedef {{name: string, title: string, usual: boolean, why_not: string | null}} Output
 */

const WORDS = /** @type {Record<string, string>} */ ({
  running: "Predicting",
  pausing: "Pausing…",
  paused: "Paused",
  cancelling: "Cancelling…",
  failed: "Stopped by an error",
});

export class PredictPanel {
  /** @type {any} */ #status = { state: "idle", results: [] };
  #loaded = "";
  #busy = false;
  /** @type {() => void} */ onGallery = () => {};

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.why = el("p", { class: "note", id: "predict-why" });
    this.gallery = el("button", {
      class: "primary wide",
      id: "gallery-open",
      text: "Show all predictions",
      title: "The gallery of all predictions (O)",
      onclick: () => this.onGallery(),
    });
    this.heading = el("h3", { text: "Apply the model to the folder" });
    this.outputs = el("div", { class: "outputs", role: "group", "aria-label": "What is written" });
    this.go = el("button", {
      class: "wide",
      id: "apply-go",
      text: "Apply to the folder",
      onclick: () => this.#start(),
    });
    this.form = el("div", { class: "stack apply-form" }, this.outputs, this.go);
    this.state = el("b", { id: "apply-state" });
    this.figures = el("span", { class: "note number", id: "apply-figures" });
    this.bar = el("progress", { max: "1", value: "0", "aria-label": "Images that are written" });
    this.problem = el("p", { class: "note bad", id: "apply-problem" });
    const button = (/** @type {string} */ what, /** @type {string} */ text) =>
      el("button", { class: "small", id: `apply-${what}`, text, onclick: () => void this.#send(what) });
    this.pause = button("pause", "Pause");
    this.resume = button("resume", "Resume");
    this.cancel = button("cancel", "Cancel");
    this.watch = el(
      "div",
      { class: "stack apply-watch" },
      el("div", { class: "row" }, this.state, this.figures),
      this.bar,
      this.problem,
      el("div", { class: "row" }, this.pause, this.resume, this.cancel),
    );
    this.results = el("div", { class: "results", id: "apply-results" });
    byId("panel-predict").append(this.gallery, this.why, this.heading, this.watch, this.form, this.results);
    store.on("project predictions", () => {
      this.draw();
      // Another model, or a server that came back before it had answered.
      void this.visit();
    });
  }

  /** Show how far it is. @param {any} status */
  take(status) {
    const before = this.#status.state;
    this.#status = status;
    if (["running", "pausing"].includes(before) && status.state === "done")
      toast({
        found: "The model is applied to the folder.",
        hint: `The files are in ${status.results[0]?.folder} of the folder; the tab Predict has them as one archive.`,
      });
    this.draw();
  }

  /** While the tab is looked at: ask for what can be written, once for each model. */
  async visit() {
    if (byId("panel-predict").hidden) return;
    const { key, run } = this.store.project?.predictions ?? { run: null };
    if (run === null || this.#loaded === key) return;
    this.#loaded = key;
    this.outputs.replaceChildren(el("p", { class: "note", text: "Looking what can be written…" }));
    const found = await orTell(() => get("/applying/outputs"));
    if (this.#loaded !== key) return;
    if (found) this.#fill(found.outputs);
    else this.#loaded = "";
    this.draw();
  }

  /** @param {Output[]} outputs */
  #fill(outputs) {
    const boxes = outputs.map((one) => {
      const input = el("input", {
        type: "checkbox",
        id: `output-${one.name}`,
        value: one.name,
        disabled: one.why_not !== null,
        onchange: () => this.draw(),
      });
      input.checked = one.usual && one.why_not === null;
      return el(
        "label",
        { class: "check output", title: one.why_not ?? "" },
        input,
        el("span", {}, el("b", { text: one.name }), ` ${one.why_not ?? one.title}`),
      );
    });
    const usual = outputs.filter((one) => one.usual).length;
    this.outputs.replaceChildren(
      ...boxes.slice(0, usual),
      el("details", {}, el("summary", { text: "Tables, maps and other files" }), ...boxes.slice(usual)),
    );
  }

  get #chosen() {
    return [...this.outputs.querySelectorAll("input:checked")].map((input) => input.value);
  }

  async #start() {
    await this.#send("start", { write: this.#chosen });
  }

  /** @param {string} what @param {object} [body] */
  async #send(what, body = {}) {
    // A second press of the same button means the first.
    if (this.#busy) return;
    this.#busy = true;
    this.draw();
    const status = await orTell(() => post(`/applying/${what}`, body));
    this.#busy = false;
    if (status) this.take(status);
    else this.draw();
  }

  /** Show how things stand. */
  draw() {
    const { predictions, images } = this.store.project;
    const missing = predictions.run === null;
    const { state, done, total, failed, speed, eta, error, results } = this.#status;
    const going = ["running", "pausing", "paused", "cancelling", "failed"].includes(state);
    this.gallery.disabled = missing;
    this.why.textContent = missing ? NO_MODEL : `Model ${predictions.run}.`;
    this.form.hidden = missing || going;
    this.heading.hidden = missing && !going;
    this.watch.hidden = !going;
    this.go.disabled = this.#busy || !this.#chosen.length;
    this.go.textContent = `Apply to ${counted(images.total, "image")}`;
    if (going) {
      this.state.textContent = WORDS[state];
      this.bar.value = total ? done / total : 0;
      const figures = [`${done.toLocaleString("en")} of ${counted(total, "image")}`];
      if (speed) figures.push(speed < 10 ? `${speed.toFixed(1)} a second` : `${Math.round(speed)} a second`);
      if (eta) figures.push(eta < 90 ? `${Math.ceil(eta)} s left` : `${Math.ceil(eta / 60)} min left`);
      if (failed) figures.push(`${failed.toLocaleString("en")} cannot be read`);
      this.figures.textContent = figures.join(" · ");
      this.problem.textContent = error ? `${error.found} ${error.hint}` : "";
      this.problem.hidden = !error;
      this.pause.hidden = !["running", "pausing"].includes(state);
      this.resume.hidden = !["paused", "failed"].includes(state);
      this.pause.disabled = this.#busy || state !== "running";
      this.resume.disabled = this.#busy;
      this.cancel.disabled = this.#busy || state === "cancelling";
    }
    refill(this.results, results, () => (results.length ? this.#results(results) : []));
  }

  /** @param {any[]} results */
  #results(results) {
    return [
      el("h3", { text: "Written" }),
      ...results.map((one) =>
        el(
          "div",
          { class: "result" },
          el("h4", { text: one.folder }),
          el("p", {
            class: "note",
            text: `${counted(one.total - one.failed, "image")}, model ${one.run}: ${one.write.join(", ")}`,
          }),
          one.failed
            ? el("p", { class: "note warn", text: `${counted(one.failed, "image")} could not be read.` })
            : null,
          el("a", {
            class: "button small",
            id: `apply-download-${one.number}`,
            href: `/api/applying/${one.number}/archive`,
            download: "",
            text: "Download as one archive",
          }),
        ),
      ),
    ];
  }
}
