import { ApiError, get, newId, post } from "./api.js";
import { orTell, say, toast } from "./announce.js";
import { swatch } from "./classes.js";
import { classAt, digits } from "./commands.js";
import { byId, counted, el, refill } from "./dom.js";
import { drawTarget } from "./marks.js";
import { Tiles } from "./tiles.js";
import { toImage } from "./view.js";
import { grid, Viewer } from "./viewer.js";

/**
 * @import { Command } from "./keys.js"
 * @import { Frame, Store } from "./store.js"
 * @import { Painter } from "./viewer.js"
 * @import { Work } from "./work.js"
 * @typedef {{id: string, image: string, x: number, y: number}} Question  Image coordinates, the centre of a pixel
 * @typedef {{open: number, answered: number, questions: Question[], images: Record<string, Frame>}} Listed
 */

/** Pixels of the image across the shorter side of the picture. */
const ACROSS = [32, 64, 96, 160, 256, 512];
/** Questions whose pictures are fetched before they are asked. */
const AHEAD = 4;
/** Questions that are known before they are asked; fewer than `LOW` make the page ask for more. */
const KNOWN = 40;
const LOW = 10;
/** Nobody sees and answers in fewer ms: that press was meant for the question before. */
const SOONEST = 200;
/** A question that stood longer, in seconds, tells nothing about how long an answer takes. */
const PAUSE = 60;
const NAME = "pointillist-name";

/** The program asks what is at a pixel that chance chose; one key answers, and the next question is there. */
export class AskPanel {
  asking = false;
  tiles = new Tiles();
  /** @type {(asking: boolean) => void} */ onAsking = () => {};
  /** @type {() => void} */ onNoClass = () => {};
  /** @type {(finished: boolean) => void} What follows when the questions of an audit end */ onAudited = () => {};
  /** Whether the questions are those of an audit, which nothing is learnt from */ #audit = false;
  /** @type {Question[]} Those that come next */ #queue = [];
  /** @type {Question | null} */ #current = null;
  /** @type {Map<string, Frame>} */ #frames = new Map();
  /** @type {Set<string>} Answered here since the last look at the server's list, or not with it then */ #answered =
    new Set();
  /** @type {(number | null)[]} Seconds of each answer of this sitting; null: not measured */ #seconds = [];
  /** Open questions, the present one included */ #open = 0;
  /** When the question was first seen whole; 0 before */ #since = 0;
  /** @type {number | null} Seconds it had been looked at before; null: that is not known any more */ #before = 0;
  /** @type {string | null} The image to stay with */ #image = null;
  #across = 2;
  /** @type {Promise<void> | null} */ #loading = null;
  #timer = 0;

  /** @param {Store} store @param {Work} work */
  constructor(store, work) {
    this.store = store;
    this.work = work;
    this.section = byId("ask");
    this.canvas = byId("ask-canvas");
    this.viewer = new Viewer(this.canvas);
    this.viewer.painters = [
      this.tiles.paint,
      grid(() => this.viewer.image),
      this.#paintMark,
      this.#paintOverview,
      this.#painted,
    ];
    this.tiles.onLoaded = () => this.viewer.redraw();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#before = null;
    });
    byId("ask-stop").addEventListener("click", () => this.stop());
    byId("ask-closer").addEventListener("click", () => this.zoom(-1));
    byId("ask-farther").addEventListener("click", () => this.zoom(1));
    this.others = [
      this.#button("U", "Unsure", () => this.answer({ answer: "unsure" }, "Unsure")),
      this.#button("B", "On a border", () => this.answer({ answer: "border" }, "On a border")),
      this.#button("S", "Skip", () => this.skip()),
    ];
    this.undo = this.#button("Ctrl+Z", "Undo", () => this.back("undo"));
    this.undo.disabled = true;
    byId("ask-others").append(...this.others, this.undo);
    this.#makePanel();
    store.on("project", () => {
      this.#drawClasses();
      this.refresh();
    });
    store.on("steps", () => (this.undo.disabled = !store.undoable?.question));
    store.on("elsewhere", (change) => this.#heard(change.op));
    store.on("acknowledged", () => this.refresh());
    store.on("rejected", ({ op }) => {
      // Its question is open still, and comes again.
      if (!op.kind.endsWith("answer")) return;
      this.#answered.delete(op.point);
      this.#open++;
    });
  }

  /** @param {string} key @param {string} text @param {() => void} run */
  #button(key, text, run) {
    const shown = el("kbd", { text: key, "aria-hidden": "true" });
    return el("button", { onclick: run }, shown, el("span", { text }));
  }

  // The panel

  #makePanel() {
    const number = (/** @type {string} */ id, /** @type {number} */ value, /** @type {number} */ most) =>
      el("input", { type: "number", id, min: "1", max: String(most), value: String(value), inputmode: "numeric" });
    const field = (/** @type {string} */ text, /** @type {any} */ input) =>
      el("div", { class: "field" }, el("label", { for: input.id, text }), input);
    this.lead = el("p", { class: "note" });
    this.scope = el(
      "select",
      { id: "ask-scope", onchange: () => this.#scopeChanged() },
      el("option", { value: "", text: "All images in turn" }),
      el("option", { value: "image", text: "The image on show alone" }),
    );
    this.perImage = number("ask-per-image", 10, 1000);
    this.budget = number("ask-budget", 200, 100_000);
    this.budgetField = field("In all, at most", this.budget);
    this.strategy = el(
      "select",
      { id: "ask-strategy" },
      el("option", { value: "even", text: "evenly" }),
      el("option", { value: "mixed", text: "half of them where the model is unsure" }),
      el("option", { value: "uncertain", text: "nearly all where the model is unsure" }),
    );
    this.strategyNote = el("p", {
      class: "note",
      text: "Only evenly: without a model nobody knows where it is unsure.",
    });
    this.numbers = el(
      "div",
      { class: "stack ask-numbers" },
      el("div", { class: "ask-fields" }, field("Questions an image", this.perImage), this.budgetField),
      field("Pixels are chosen", this.strategy),
      this.strategyNote,
    );
    this.name = el("input", { type: "text", id: "ask-name", maxlength: "100", autocomplete: "name" });
    this.name.value = localStorage.getItem(NAME) ?? "";
    this.name.addEventListener("change", () => localStorage.setItem(NAME, this.name.value.trim()));
    this.go = el("button", {
      class: "primary wide",
      id: "ask-go",
      text: "Ask me",
      onclick: () => void orTell(() => this.start()),
    });
    byId("panel-ask").append(
      this.go,
      el("p", {
        class: "note",
        text:
          "Chance chooses pixels, you name them. So it is known how much of the images each class covers; clicks " +
          "cannot tell.",
      }),
      this.lead,
      field("Images", this.scope),
      this.numbers,
      field("Your name, kept with the answers (may be empty)", this.name),
    );
  }

  #scopeChanged() {
    this.budgetField.hidden = this.scope.value === "image";
    this.refresh();
  }

  /** Show the tab, with the button that begins under the hand. */
  visit() {
    byId("tab-ask").click();
    this.go.focus();
  }

  /** Ask how many questions are open, soon. */
  refresh() {
    clearTimeout(this.#timer);
    if (byId("panel-ask").hidden || this.asking) return;
    this.#timer = window.setTimeout(() => void this.#count(), 150);
  }

  async #count() {
    try {
      const model = Boolean(this.store.project.model);
      this.strategyNote.hidden = model;
      for (const option of [...this.strategy.options].slice(1)) option.disabled = !model;
      if (!model) this.strategy.value = "even";
      const { open, answered } = await this.#ask(0);
      const here = this.scope.value ? " on this image" : "";
      this.lead.textContent = open
        ? `${counted(open, "question")} open${here}, ${answered.toLocaleString("en")} answered. The open ones come first.`
        : answered
          ? `${counted(answered, "question")} answered${here}, none open. More are drawn when you begin.`
          : `No questions${here} yet; they are drawn when you begin.`;
      this.numbers.hidden = open > 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the connection's own state tells that the server is away
    }
  }

  /** @param {number} limit @returns {Promise<Listed>} */
  #ask(limit) {
    const image = this.asking ? this.#image : this.scope.value ? this.store.image?.id : null;
    const query = new URLSearchParams({ client: this.store.client, limit: String(Math.min(1000, limit)) });
    if (this.#audit) return get(`/audit/questions?${query}`);
    if (image) query.set("image", image);
    return get(`/questions?${query}`);
  }

  // Asking

  /** Ask the open questions of an audit. */
  async startAudit() {
    this.#audit = true;
    await this.start();
    if (!this.asking) this.#audit = false;
  }

  /** Begin: with the open questions, or else with new ones. */
  async start() {
    const { store } = this;
    if (!store.classes.length) {
      toast({ found: "Add a class first: what can the answer be?" });
      this.onNoClass();
      return;
    }
    this.#image = this.scope.value && !this.#audit ? (store.image?.id ?? null) : null;
    this.go.disabled = true;
    try {
      if (!this.#audit && !(await this.#ask(0)).open) {
        const strategy = this.strategy.value;
        const numbers = { per_image: this.perImage.valueAsNumber, budget: this.budget.valueAsNumber, strategy };
        const wish = { id: newId(), folder: store.project.id, image: this.#image, ...numbers };
        const begin = () => post("/questions", wish);
        if (strategy === "even") await begin();
        else await this.work.run("questions", begin);
      }
      this.#queue = [];
      this.#current = null;
      this.#seconds = [];
      await this.#load();
    } finally {
      this.go.disabled = false;
    }
    if (!this.#queue.length) {
      toast({ found: "There is no question that can be shown.", hint: "Choose other images." });
      return;
    }
    this.asking = true;
    document.body.classList.add("asking");
    this.section.hidden = false;
    byId("ask-title").textContent = this.#audit ? "Audit: what is at the mark?" : "What is at the mark?";
    this.onAsking(true);
    this.#drawClasses();
    this.#next();
    this.canvas.focus();
  }

  /** End; what is open stays open. */
  stop() {
    this.asking = false;
    this.onAsking(false);
    this.#current = this.viewer.image = null;
    this.section.hidden = true;
    document.body.classList.remove("asking");
    const audit = this.#audit;
    this.#audit = false;
    if (audit) this.onAudited(this.#open <= 0);
    else this.visit();
    say(`${counted(this.#seconds.length, "answer")}. ${counted(this.#open, "question")} open.`);
  }

  /** Have more questions at hand. */
  #load() {
    this.#loading ??= this.#fetch().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #fetch() {
    // What is answered but not with the server yet is open for it.
    const waiting = (this.store.queue?.entries ?? []).map(({ op }) => op);
    this.#answered = new Set(waiting.filter((op) => op.kind.endsWith("answer")).map((op) => op.point));
    for (const op of waiting) if (op.kind.endsWith("reopen")) this.#answered.delete(op.point);
    const listed = await this.#ask(this.#queue.length + KNOWN);
    for (const frame of Object.values(listed.images)) this.#frames.set(frame.id, frame);
    const known = new Set([this.#current?.id, ...this.#queue.map((one) => one.id), ...this.#answered]);
    this.#queue.push(...listed.questions.filter((one) => !known.has(one.id)));
    this.#open = listed.open - this.#answered.size;
  }

  /** What another tab did. @param {any} op */
  #heard(op) {
    this.refresh();
    const index = this.#queue.findIndex((one) => one.id === op.point);
    if (!op.kind.endsWith("answer") || index < 0) return;
    this.#queue.splice(index, 1);
    this.#open--;
    this.#drawProgress();
  }

  #next() {
    const question = this.#queue.shift();
    if (question) this.#show(question);
    else void this.#await();
    if (question && this.#queue.length < LOW && this.#open > this.#queue.length + 1) {
      // Without a connection the next answer tries again.
      this.#load().then(
        () => this.#drawProgress(),
        () => {},
      );
    }
  }

  /** Wait for the next questions, or see that there is none. */
  async #await() {
    this.#current = this.viewer.image = null;
    this.#enable();
    await orTell(() => this.#load());
    if (!this.asking || this.#current) return;
    const question = this.#queue.shift();
    if (question) this.#show(question);
    else this.#finish();
  }

  /** @param {Question} question @param {number | null} [before]  Seconds it was looked at before */
  #show(question, before = 0) {
    const frame = /** @type {Frame} */ (this.#frames.get(question.image));
    this.#current = question;
    this.#since = 0;
    this.#before = document.hidden ? null : before;
    this.canvas.dataset.question = question.id;
    byId("ask-empty").hidden = true;
    this.tiles.show(frame);
    this.viewer.image = frame;
    this.viewer.hold(question, ACROSS[this.#across]);
    byId("ask-image").textContent = byId("ask-image").title = frame.name;
    const [x, y] = [Math.floor(question.x), Math.floor(question.y)];
    this.canvas.setAttribute("aria-label", `What is at column ${x}, row ${y} of ${frame.name}?`);
    this.#enable();
    this.#drawProgress();
  }

  #finish() {
    const none = this.#open <= 0;
    this.canvas.setAttribute("aria-label", "No question");
    delete this.canvas.dataset.question;
    this.viewer.redraw();
    const close = el("button", { class: "primary", text: "Close", onclick: () => this.stop() });
    const box = byId("ask-empty");
    const title = none ? "All questions are answered" : "The next questions cannot be fetched";
    const after = this.#audit ? " What they say about the model is worked out when you close this." : "";
    const pace = none ? this.#pace() + after : "Answers are kept in this browser until the server is back.";
    box.replaceChildren(el("h2", { text: title }), el("p", { text: pace }), close);
    box.hidden = false;
    byId("ask-image").textContent = "";
    this.#drawProgress();
    close.focus();
    say(title);
  }

  #enable() {
    const off = !this.#current;
    for (const button of [...this.others, ...byId("ask-classes").querySelectorAll("button")]) button.disabled = off;
  }

  /**
   * Answer the question that is asked.
   * @param {{class: string} | {answer: string}} what @param {string} text
   */
  answer(what, text) {
    const question = this.#current;
    const now = performance.now();
    if (!question || !this.#since || now - this.#since < SOONEST) return;
    const looked = this.#before === null ? PAUSE : this.#before + (now - this.#since) / 1000;
    const seconds = looked < PAUSE ? Math.round(looked * 100) / 100 : null;
    const told = { seconds, answered_by: this.name.value.trim() };
    this.store.do({
      image: question.image,
      text: "answer",
      question,
      redo: [{ id: "", kind: this.#kind("answer"), point: question.id, ...what, ...told }],
      undo: [{ id: "", kind: this.#kind("reopen"), point: question.id }],
    });
    say(text);
    this.#settle(question, seconds);
    this.#next();
  }

  /** Of an operation. @param {string} kind */
  #kind(kind) {
    return this.#audit ? `audit-${kind}` : kind;
  }

  /** @param {Question} question @param {number | null} seconds */
  #settle(question, seconds) {
    this.#answered.add(question.id);
    this.#seconds.push(seconds);
    this.#open--;
  }

  /** Leave the question for later. */
  skip() {
    if (!this.#current) return;
    if (!this.#queue.length) {
      toast({ found: "This is the only question left." });
      return;
    }
    this.#queue.push(this.#current);
    say("Skipped");
    this.#next();
  }

  /**
   * Take the last answer back, or give it again.
   * @param {"undo" | "redo"} way
   */
  back(way) {
    const { store } = this;
    const step = way === "undo" ? store.undoable : store.redoable;
    const question = step?.question;
    if (!step || !question || !this.#frames.has(question.image) || step.redo[0].kind !== this.#kind("answer")) {
      // What was done before the questions is undone where it can be seen.
      say(way === "undo" ? "No answer to undo" : "No answer to redo");
      return;
    }
    const { seconds } = step.redo[0];
    if (way === "undo") {
      store.undo();
      if (this.#current) this.#queue.unshift(this.#current);
      this.#answered.delete(question.id);
      this.#seconds.pop();
      this.#open++;
      this.#show(question, seconds);
      this.canvas.focus();
    } else {
      store.redo();
      this.#queue = this.#queue.filter((one) => one.id !== question.id);
      this.#settle(question, seconds);
      if (this.#current?.id === question.id) this.#next();
      else this.#drawProgress();
    }
    say(way === "undo" ? "Answer taken back" : "Answered again");
  }

  /** Show more of the surroundings, or less. @param {number} step */
  zoom(step) {
    this.#across = Math.max(0, Math.min(ACROSS.length - 1, this.#across + step));
    byId("ask-closer").disabled = this.#across === 0;
    byId("ask-farther").disabled = this.#across === ACROSS.length - 1;
    if (this.#current) this.viewer.hold(this.#current, ACROSS[this.#across]);
  }

  /**
   * What the keys do while the program asks.
   * @param {() => void} help
   * @returns {Command[]}
   */
  commands(help) {
    const group = "While the program asks";
    return [
      {
        group,
        keys: digits,
        shown: ["1", "…", "0"],
        text: "Answer with a class",
        run: (key) => {
          const one = classAt(this.store, key);
          if (one) this.answer({ class: one.id }, one.name);
        },
      },
      { group, keys: ["u"], shown: ["U"], text: "Unsure", run: () => this.others[0].click() },
      { group, keys: ["b"], shown: ["B"], text: "On a border of two classes", run: () => this.others[1].click() },
      { group, keys: ["s"], shown: ["S"], text: "Skip: later", run: () => this.skip() },
      { group, keys: ["ctrl+z", "backspace"], shown: [], text: "Undo", run: () => this.back("undo") },
      { group, keys: ["ctrl+shift+z", "ctrl+y"], shown: [], text: "Redo", run: () => this.back("redo") },
      { group, keys: ["+", "="], shown: ["+"], text: "Closer", run: () => this.zoom(-1) },
      { group, keys: ["-"], shown: ["−"], text: "More surroundings", run: () => this.zoom(1) },
      { group, keys: ["escape"], shown: ["Esc"], text: "Stop", run: () => this.stop() },
      { group, keys: ["?"], shown: [], text: "Help", run: help },
    ];
  }

  // Drawing

  #drawClasses() {
    const { classes } = this.store;
    const content = classes.map(({ id, name, color, background }) => [id, name, color, background]);
    refill(byId("ask-classes"), content, () =>
      classes.map((one, index) =>
        el(
          "button",
          { id: `ask-${one.id}`, onclick: () => this.answer({ class: one.id }, one.name) },
          index < 10 ? el("kbd", { text: digits[index], "aria-hidden": "true" }) : null,
          swatch(one),
          el("span", { class: "class-name", text: one.name, title: one.name }),
        ),
      ),
    );
    this.#enable();
  }

  #drawProgress() {
    const done = this.#seconds.length;
    const all = done + this.#open;
    const place = `${Math.min(done + 1, all).toLocaleString("en")} of ${all.toLocaleString("en")}`;
    byId("ask-progress").textContent = [place, this.#pace()].filter(Boolean).join(" · ");
  }

  /** How long an answer takes here. */
  #pace() {
    const times = this.#seconds.filter((one) => one !== null).sort((a, b) => a - b);
    if (!times.length) return "";
    const median = (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2;
    return `${median.toFixed(1)} s per answer (median)`;
  }

  /** @type {Painter} */
  #paintMark = (context, view) => {
    if (this.#current) drawTarget(context, this.#current, view);
  };

  /** The whole image in a corner, with the part on the screen. @type {Painter} */
  #paintOverview = (context, view, screen) => {
    const { image, thumbnail } = this.tiles;
    if (!image || !thumbnail || !this.#current) return;
    const first = toImage(view, { x: 0, y: 0 });
    const last = toImage(view, { x: screen.width, y: screen.height });
    if (first.x <= 0 && first.y <= 0 && last.x >= image.width && last.y >= image.height) return;
    const side = Math.max(84, Math.min(220, 0.3 * Math.min(screen.width, screen.height)));
    const scale = side / Math.max(image.width, image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    const [left, top] = [screen.width - width - 12, screen.height - height - 12];
    context.fillStyle = "rgb(0 0 0 / 0.55)";
    context.fillRect(left - 3, top - 3, width + 6, height + 6);
    context.fillStyle = "#ffffff";
    context.fillRect(left - 2, top - 2, width + 4, height + 4);
    context.drawImage(thumbnail, left, top, width, height);
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    for (const [style, wide] of /** @type {[string, number][]} */ ([
      ["rgb(0 0 0 / 0.7)", 4],
      ["#ffffff", 2],
    ])) {
      context.lineWidth = wide;
      context.strokeStyle = style;
      context.beginPath();
      context.rect(
        left + first.x * scale,
        top + first.y * scale,
        (last.x - first.x) * scale,
        (last.y - first.y) * scale,
      );
      context.moveTo(left + this.#current.x * scale + 3.5, top + this.#current.y * scale);
      context.arc(left + this.#current.x * scale, top + this.#current.y * scale, 3.5, 0, 2 * Math.PI);
      context.stroke();
    }
  };

  /** Last of all: the question is there, and the pictures of the next ones are fetched. @type {Painter} */
  #painted = (context, _view, screen) => {
    if (!this.#current || !this.tiles.complete) return;
    if (!this.#since) {
      this.#since = performance.now();
      this.canvas.dataset.shown = this.#current.id;
    }
    const ratio = context.getTransform().a;
    for (const next of this.#queue.slice(0, AHEAD)) {
      const frame = /** @type {Frame} */ (this.#frames.get(next.image));
      this.tiles.prepareView(frame, this.viewer.holding(next, ACROSS[this.#across]), screen, ratio);
    }
  };
}
