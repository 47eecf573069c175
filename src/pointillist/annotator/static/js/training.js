import { get, post } from "./api.js";
import { orTell, say, toast } from "./announce.js";
import { plot } from "./curves.js";
import { byId, counted, el } from "./dom.js";

/**
 * @import { Store } from "./store.js"
 */

const ACTIVE = ["starting", "running", "stopping"];
const WORDS = /** @type {Record<string, string>} */ ({
  starting: "Starting…",
  running: "Training",
  stopping: "Stopping…",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
});
/** Lengths in minutes: the server times some steps, and makes as many as fit. */
const LENGTHS = [
  ["2", "quick", "about 2 min"],
  ["10", "good", "about 10 min"],
  ["40", "best", "about 40 min"],
];
/** Scales at which images are learnt: what the data ask for, and longer sides an image is fitted into. */
const SIZES = [
  ["auto", "as these images need"],
  ["128x128", "quick look, 128 px"],
  ["256x256", "coarse, 256 px"],
  ["native", "full size, in windows"],
];

const LINES = ["var(--line-1)", "var(--line-2)", "var(--line-3)"];
const DASHES = ["5 3", "2 2", "8 3 2 3", "1 3"];

/** Train from the page: start, watch, stop. */
export class TrainingPanel {
  /** @type {any} */ #status = null;
  #asked = false;
  #epoch = -1;
  #snapshotCount = -1;
  #log = { text: "", next: 0 };

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.box = byId("panel-train");
    this.why = el("p", { class: "note", id: "train-why" });
    this.lengths = LENGTHS.map(([minutes, name, text]) => {
      const input = el("input", { type: "radio", name: "train-length", value: minutes, id: `train-${name}` });
      input.checked = name === "good";
      return { input, node: el("label", { class: "check" }, input, el("b", { text: name }), el("span", { text })) };
    });
    this.epochs = el("input", {
      type: "number",
      id: "train-epochs",
      min: "1",
      max: "10000",
      placeholder: "as many as fit",
    });
    this.size = el("select", { id: "train-size" }, ...SIZES.map(([value, text]) => el("option", { value, text })));
    this.size.value = "auto";
    this.method = el("select", { id: "train-method" });
    this.start = el("button", {
      type: "submit",
      class: "primary wide",
      id: "train-start",
      text: "Train",
      "aria-describedby": "train-why",
    });
    this.form = el(
      "form",
      { class: "train-form", onsubmit: (/** @type {Event} */ event) => this.#start(event) },
      el(
        "fieldset",
        { class: "lengths" },
        el("legend", { text: "How long, on this machine" }),
        ...this.lengths.map(({ node }) => node),
      ),
      el(
        "details",
        { id: "train-advanced", ontoggle: () => this.#loadMethods() },
        el("summary", { text: "Advanced" }),
        el(
          "div",
          { class: "row" },
          el("div", { class: "field grow" }, el("label", { for: "train-epochs", text: "Epochs" }), this.epochs),
          el("div", { class: "field grow" }, el("label", { for: "train-size", text: "Image size" }), this.size),
        ),
        el("div", { class: "field" }, el("label", { for: "train-method", text: "Method" }), this.method),
      ),
      this.start,
      this.why,
    );
    this.stop = el("button", { class: "danger small", id: "train-stop", text: "Stop", onclick: () => this.#stop() });
    this.resume = el("button", {
      class: "small",
      id: "train-continue",
      text: "Continue",
      title: "Go on exactly where it stopped, with the clicks it began with",
      onclick: () => this.#resume(),
    });
    this.word = el("b", { id: "train-state" });
    this.numbers = el("span", { class: "note number" });
    this.bar = el("progress", { max: "1", "aria-label": "Progress of the training" });
    this.trouble = el("div", {});
    this.notes = el("div", { id: "train-notes" });
    this.curves = el("div", { class: "plots" });
    this.snapshots = el("div", { class: "snapshots" });
    this.logText = el("pre", { class: "log", tabindex: "0", role: "region", "aria-label": "Log of the training" });
    this.logBox = el(
      "details",
      { id: "train-log", ontoggle: () => this.#loadLog() },
      el("summary", { text: "Log" }),
      this.logText,
    );
    this.watch = el(
      "div",
      { class: "watch", hidden: true },
      el("div", { class: "row" }, el("div", { class: "grow stack" }, this.word, this.numbers), this.stop, this.resume),
      this.bar,
      this.trouble,
      this.notes,
      this.curves,
      this.snapshots,
      this.logBox,
    );
    this.model = el("p", { class: "note" });
    this.box.append(this.form, this.watch, this.model);
    store.on("project", () => {
      this.take(store.project.training);
      this.#drawForm();
    });
  }

  /** Whether a training runs. */
  get active() {
    return ACTIVE.includes(this.#status?.state ?? "idle");
  }

  /**
   * Show a status of the training.
   * @param {any} status
   */
  take(status) {
    const before = this.#status?.state;
    this.#status = status;
    const active = ACTIVE.includes(status.state);
    this.watch.hidden = status.state === "idle";
    this.stop.hidden = !active;
    this.stop.disabled = status.state === "stopping";
    this.resume.hidden = !status.can_continue;
    this.resume.disabled = false;
    const learning = status.base && status.state === "running" ? `Learning on from ${status.base}` : "";
    this.word.textContent = learning || (WORDS[status.state] ?? "");
    this.bar.hidden = !active;
    if (status.state === "starting") this.bar.removeAttribute("value");
    else this.bar.value = status.progress;
    this.numbers.textContent = describe(status);
    this.trouble.replaceChildren(
      ...(status.error ? [el("p", { class: "note bad", text: `${status.error.found} ${status.error.hint}` })] : []),
    );
    this.notes.replaceChildren(
      ...status.notes.map((/** @type {string} */ text) => el("p", { class: "note warn", text })),
    );
    if (before === undefined || before !== status.state) this.#turned(before, status);
    this.#drawForm();
    if (status.state !== "idle" && status.epoch !== this.#epoch) {
      this.#epoch = status.epoch;
      void this.#loadCurves();
      if (this.logBox.open) void this.#loadLog();
    }
    if (status.snapshots !== this.#snapshotCount) {
      this.#snapshotCount = status.snapshots;
      void this.#loadSnapshots();
    }
  }

  /** @param {string | undefined} before @param {any} status */
  #turned(before, status) {
    if (before === undefined) return;
    if (status.state === "running") say("Training runs");
    if (status.state === "done")
      toast({ found: "Training is done.", hint: "The layer now shows the model, and Next knows where it is unsure." });
    if (status.state === "stopped") say("Training stopped. It can be continued.");
    if (status.state === "failed" && status.error) toast(status.error, "bad");
    if (status.state === "starting") {
      this.#epoch = -1;
      this.#log = { text: "", next: 0 };
      this.logText.textContent = "";
      this.curves.replaceChildren();
    }
    if (!ACTIVE.includes(status.state)) this.store.refreshProject();
    this.store.project.training = status;
    this.store.tell("training");
  }

  #drawForm() {
    const { project } = this.store;
    if (!project) return;
    const active = ACTIVE.includes(this.#status?.state ?? "idle");
    this.form.hidden = active;
    this.start.disabled = this.#asked || !project.can_train.ok;
    this.why.textContent = project.can_train.ok ? "" : (project.can_train.why ?? "");
    this.start.textContent = project.model ? "Train again" : "Train";
    const model = project.model;
    this.model.hidden = !model;
    this.model.className = model?.stale ? "note warn" : "note";
    this.model.textContent = !model
      ? ""
      : model.stale
        ? "The classes have changed since the model was trained. Train again to use it."
        : `The layer uses the model ${model.run}${model.steps ? ` after ${counted(model.steps, "step")}` : ""}.`;
  }

  /** @param {Event} event */
  async #start(event) {
    event.preventDefault();
    if (this.#asked) return;
    this.#asked = this.start.disabled = true;
    const epochs = this.epochs.value ? Number(this.epochs.value) : null;
    const minutes = epochs ? null : Number(this.lengths.find(({ input }) => input.checked)?.input.value);
    const wishes = { epochs, minutes, size: this.size.value, method: this.method.value || null };
    const status = await orTell(() => post("/training/start", wishes));
    this.#asked = false;
    if (status) {
      this.take(status);
      this.stop.focus();
    }
    this.#drawForm();
  }

  /** The methods are those that the engine knows; the usual one is the first. */
  async #loadMethods() {
    if (this.method.options.length) return;
    const answer = await orTell(() => get("/training/methods"));
    if (!answer || this.method.options.length) return;
    for (const { name, title } of answer.methods)
      this.method.append(el("option", { value: name, text: `${name}: ${title}` }));
  }

  async #resume() {
    this.resume.disabled = true;
    const status = await orTell(() => post("/training/continue", {}));
    if (status) {
      this.take(status);
      this.stop.focus();
    } else this.resume.disabled = false;
  }

  async #stop() {
    this.stop.disabled = true;
    const status = await orTell(() => post("/training/stop", {}));
    if (status) this.take(status);
  }

  async #loadCurves() {
    let table;
    try {
      table = await get("/training/curves");
    } catch {
      return; // before the first epoch there are none; the next epoch asks again
    }
    const { columns, rows } = table;
    const series = (
      /** @type {string} */ column,
      /** @type {string} */ name,
      /** @type {string} */ color,
      /** @type {string} */ dash = "",
    ) => {
      const [epoch, value] = [columns.indexOf("epoch"), columns.indexOf(column)];
      const points = rows
        .filter((/** @type {any[]} */ row) => value >= 0 && row[value] !== null)
        .map((/** @type {any[]} */ row) => [row[epoch], row[value]]);
      return points.length ? [{ name, color, dash: dash || undefined, points }] : [];
    };
    const parts = columns.filter(
      (/** @type {string} */ column, /** @type {number} */ place) =>
        column.startsWith("loss_") && rows.some((/** @type {any[]} */ row) => row[place] !== null),
    );
    const loss = [
      ...series("loss", "loss", LINES[0]),
      // Whichever parts the method's loss has; a single one would be the loss again.
      ...(parts.length > 1 ? parts : []).flatMap((/** @type {string} */ column, /** @type {number} */ index) =>
        series(
          column,
          column.slice(5).replaceAll("_", " "),
          LINES[(index + 1) % LINES.length],
          DASHES[index % DASHES.length],
        ),
      ),
    ];
    const shares = [
      ...series("val_miou", "mIoU", "var(--line-1)"),
      ...series("coverage", "coverage", "var(--line-2)", "5 3"),
      ...series("precision", "precision", "var(--line-3)", "2 2"),
    ];
    this.curves.replaceChildren(
      ...(loss.length ? [plot("Loss", loss, false)] : []),
      ...(shares.length ? [plot("Quality", shares, true)] : []),
    );
  }

  async #loadSnapshots() {
    if (!this.#snapshotCount) {
      this.snapshots.replaceChildren();
      return;
    }
    const answer = await orTell(() => get("/training/snapshots"));
    const snapshots = answer?.snapshots ?? [];
    if (!snapshots.length) return;
    const last = snapshots.length - 1;
    const picture = el("img", { class: "panel-picture" });
    const link = el("a", { target: "_blank", rel: "noopener", title: "Open in its own window" }, picture);
    const label = el("span", { class: "note number" });
    const run = encodeURIComponent(this.#status?.run ?? "");
    const show = (/** @type {number} */ index) => {
      const address = `/api/training/snapshots/${snapshots[index].index}?run=${run}&epoch=${snapshots[index].epoch}`;
      picture.src = address;
      picture.alt = `Training images with clicks, pseudo-masks and predictions after epoch ${snapshots[index].epoch}`;
      link.href = address;
      label.textContent = `epoch ${snapshots[index].epoch}`;
    };
    const slider = el("input", {
      type: "range",
      min: "0",
      max: String(last),
      value: String(last),
      "aria-label": "Moment of the training",
      oninput: () => show(Number(slider.value)),
    });
    slider.hidden = last === 0;
    show(last);
    this.snapshots.replaceChildren(
      el("h3", { text: "How it learns" }),
      el("div", { class: "row" }, el("div", { class: "grow" }, slider), label),
      link,
    );
  }

  async #loadLog() {
    if (!this.logBox.open) return;
    const answer = await orTell(() => get(`/training/log?after=${this.#log.next}`));
    if (!answer) return;
    this.#log = { text: this.#log.text + answer.text, next: answer.next };
    this.logText.textContent = this.#log.text;
    this.logText.scrollTop = this.logText.scrollHeight;
    if (answer.next < answer.size && answer.text) void this.#loadLog();
  }
}

/** @param {any} status */
function describe(status) {
  const parts = [];
  if (status.epochs) parts.push(`epoch ${status.epoch} of ${status.epochs}`);
  else if (status.epoch) parts.push(`epoch ${status.epoch}`);
  if (ACTIVE.includes(status.state) && status.eta !== null) parts.push(`${duration(status.eta)} left`);
  else if (status.seconds >= 1) parts.push(duration(status.seconds));
  return parts.join(" · ");
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
