import { get, newId, post } from "./api.js";
import { orTell, say } from "./announce.js";
import { swatch } from "./classes.js";
import { classAt, digits } from "./commands.js";
import { byId, counted, el, refill } from "./dom.js";
import { drawTarget } from "./marks.js";

/**
 * @import { AskPanel } from "./ask.js"
 * @import { Command } from "./keys.js"
 * @import { Class, Store } from "./store.js"
 * @import { Painter } from "./viewer.js"
 * @import { Work } from "./work.js"
 * @typedef {{id: string, kind: "contradicting" | "overlooked", image: string, name: string, x: number, y: number, class: string, settled: boolean, point?: string, clicked?: string, probability?: number, area?: number}} Entry
 */

/** Pixels of the image across the screen at an entry, at least. */
const AROUND = 160;

/** How good the model is, and which clicks should be looked at again. */
export class ChecksPanel {
  /** @type {(entry: {id: string, name: string, region: any}) => Promise<void>} */ onOpen = async () => {};
  /** @type {(keys: Command[] | null) => void} Which keys come first */ onKeys = () => {};
  /** @type {Entry[]} */ #entries = [];
  /** @type {Entry | null} The one that is looked at */ #current = null;
  /** @type {Map<string, boolean>} What was settled or opened here and an answer of the server may not know */
  #verdicts = new Map();
  /** @type {any} */ #audit = null;
  /** @type {any} */ #checks = null;
  #timer = 0;

  /** @param {Store} store @param {AskPanel} ask @param {Work} work @param {() => void} redraw */
  constructor(store, ask, work, redraw) {
    this.store = store;
    this.ask = ask;
    this.work = work;
    this.redraw = redraw;
    this.box = byId("panel-checks");
    this.bar = byId("check-bar");
    this.number = el("input", {
      type: "number",
      id: "audit-number",
      min: "2",
      max: "10000",
      value: "200",
      inputmode: "numeric",
    });
    this.auditGo = el("button", {
      class: "primary wide",
      id: "audit-go",
      onclick: () => void orTell(() => this.#next()),
    });
    this.auditMore = el("button", {
      class: "wide",
      id: "audit-more",
      text: "More questions",
      onclick: () => void orTell(() => this.#draw()),
    });
    this.numberField = el(
      "div",
      { class: "field" },
      el("label", { for: "audit-number", text: "Questions" }),
      this.number,
    );
    this.lead = el("p", { class: "note", id: "audit-lead" });
    this.result = el("div", { class: "stack audit", id: "audit-result" });
    this.clicksLead = el("p", { class: "note", id: "checks-lead" });
    this.clicksGo = el("button", {
      class: "wide",
      id: "checks-go",
      text: "Look for clicks to check",
      onclick: () => void orTell(() => this.#find()),
    });
    this.walk = el("button", {
      class: "primary wide",
      id: "checks-walk",
      text: "Walk through them",
      onclick: () => this.begin(),
    });
    this.stop = el("button", {
      class: "danger small",
      id: "work-stop",
      text: "Stop",
      onclick: () => void orTell(() => post("/work/stop", {})),
    });
    this.box.append(
      el("h3", { text: "How good is the model?" }),
      this.lead,
      this.auditGo,
      this.numberField,
      this.auditMore,
      work.bar("audit-questions", "Drawing questions…"),
      work.bar("audit", "Comparing answers with the model…"),
      this.result,
      el("h3", { text: "Clicks to look at again" }),
      this.clicksLead,
      this.walk,
      this.clicksGo,
      work.bar("clicks", "Looking at the clicks…"),
      this.stop,
    );
    ask.onAudited = (finished) => {
      byId("tab-checks").click();
      this.auditGo.focus();
      if (finished) void orTell(() => this.#judge());
    };
    work.addEventListener("change", () => {
      this.#render();
      if (work.status.state !== "running") this.refresh();
    });
    store.on("project model elsewhere", () => this.refresh());
    store.on("image acknowledged", () => this.redraw());
  }

  /** Ask for everything again, soon. */
  refresh() {
    clearTimeout(this.#timer);
    if (this.box.hidden && !this.#current) return;
    this.#timer = window.setTimeout(() => void this.#load(), 150);
  }

  async #load() {
    // What is on its way now, and what is decided until the answer is here, counts more than the answer.
    const waiting = (this.store.queue?.entries ?? []).map(({ op }) => op).filter(({ kind }) => kind === "verdict");
    this.#verdicts = new Map(waiting.map(({ entry, settled }) => [entry, settled]));
    try {
      const [audit, checks] = await Promise.all([get("/audit"), get("/checks")]);
      this.#audit = audit;
      this.#checks = checks;
    } catch {
      return; // the connection's own state tells that the server is away
    }
    this.#entries = this.#checks.entries.map((/** @type {Entry} */ one) => ({
      ...one,
      settled: this.#verdicts.get(one.id) ?? one.settled,
    }));
    const current = this.#current;
    if (current) {
      this.#current = this.#open.find((one) => one.id === current.id) ?? null;
      // Another window settled it, or it is no entry any more.
      if (!this.#current) void this.#show(this.#open[0] ?? null);
    }
    this.#render();
  }

  /** @param {Entry} entry @param {boolean} settled */
  #mark(entry, settled) {
    entry.settled = settled;
    this.#verdicts.set(entry.id, settled);
  }

  // How good the model is

  /** Answer what is open; without questions, have some drawn. */
  async #next() {
    if (!this.#audit?.open && !this.#audit?.answered) await this.#draw();
    else if (this.#audit.open) await this.ask.startAudit();
    else await this.#judge();
  }

  async #draw() {
    const wish = { id: newId(), questions: this.number.valueAsNumber };
    await this.work.run("audit-questions", () => post("/audit/questions", wish));
    await this.ask.startAudit();
  }

  async #judge() {
    // Every answer has to be with the server first.
    await this.store.queue?.flush();
    await this.work.run("audit", () => post("/audit", {}));
    await this.#load();
    const accuracy = this.#audit?.result?.accuracy.value;
    if (accuracy !== undefined) say(`Accuracy ${percent(accuracy)}`);
  }

  // Clicks

  async #find() {
    await this.work.run("clicks", () => post("/checks", {}));
    await this.#load();
  }

  get #open() {
    return this.#entries.filter((one) => !one.settled);
  }

  /** Look at the entries that are open, one after another. */
  begin() {
    this.onKeys(this.commands());
    void this.#show(this.#open[0] ?? null);
  }

  /** @param {Entry | null} entry */
  async #show(entry) {
    this.#current = entry;
    this.#drawBar();
    if (!entry) {
      this.end();
      return;
    }
    const side = AROUND;
    const region = { x: entry.x - side / 2, y: entry.y - side / 2, width: side, height: side };
    await this.onOpen({ id: entry.image, name: entry.name, region });
    this.redraw();
    say(this.#words(entry));
  }

  /** Look at no entry any more. */
  end() {
    this.#current = null;
    this.bar.hidden = true;
    this.onKeys(null);
    this.redraw();
    this.#render();
  }

  /**
   * Settle the entry that is looked at, by operations that one undo takes back.
   * @param {string} text @param {any[]} redo @param {any[]} undo
   */
  #settle(text, redo, undo) {
    const entry = this.#current;
    if (!entry) return;
    const mark = (/** @type {boolean} */ settled) => ({ id: "", kind: "verdict", entry: entry.id, settled });
    this.#mark(entry, true);
    this.store.do({ image: entry.image, text, redo: [...redo, mark(true)], undo: [...undo, mark(false)] });
    say(text);
    void this.#show(this.#open[0] ?? null);
  }

  /** The click is right, or there is nothing. */
  keep() {
    this.#settle(this.#current?.kind === "overlooked" ? "nothing there" : "click kept", [], []);
  }

  /** The click gets another class, or a click is placed. @param {string} [label] */
  correct(label) {
    const entry = this.#current;
    if (!entry) return;
    const chosen = label ?? entry.class;
    if (entry.kind === "contradicting") {
      const { point, clicked } = entry;
      if (!point) return;
      this.#settle(
        "class of a click",
        [{ id: "", kind: "relabel", point, class: chosen }],
        [{ id: "", kind: "relabel", point, class: clicked }],
      );
      return;
    }
    const point = newId();
    this.#settle(
      "click on an overlooked object",
      [{ id: "", kind: "add", point, image: entry.image, x: entry.x, y: entry.y, class: chosen }],
      [{ id: "", kind: "delete", point }],
    );
  }

  /** The click goes. */
  remove() {
    const point = this.#current?.point;
    if (!point) return;
    this.#settle("removal", [{ id: "", kind: "delete", point }], [{ id: "", kind: "restore", point }]);
  }

  /** Leave the entry for later. */
  skip() {
    if (!this.#current) return;
    const open = this.#open;
    const place = open.indexOf(this.#current);
    void this.#show(open[(place + 1) % open.length] ?? null);
  }

  /** What was undone or done again is open, or settled, again. @param {any} step @param {boolean} undone */
  stepped(step, undone) {
    const mark = step.redo.find((/** @type {any} */ op) => op.kind === "verdict");
    const entry = mark && this.#entries.find((one) => one.id === mark.entry);
    if (!entry) return;
    this.#mark(entry, !undone);
    if (this.#current) void this.#show(undone ? entry : (this.#open[0] ?? null));
    else this.#render();
  }

  /** @returns {Command[]} */
  commands() {
    const group = "While clicks are checked";
    return [
      { group, keys: ["k"], shown: ["K"], text: "Keep the click; nothing is there", run: () => this.keep() },
      {
        group,
        keys: ["c", "enter"],
        shown: ["C"],
        text: "Give it the other class; place a click",
        run: () => this.correct(),
      },
      {
        group,
        keys: digits,
        shown: ["1", "…", "0"],
        text: "The same with this class",
        run: (key) => {
          const one = classAt(this.store, key);
          if (one) this.correct(one.id);
        },
      },
      { group, keys: ["delete", "backspace"], shown: ["Delete"], text: "Remove the click", run: () => this.remove() },
      { group, keys: ["s"], shown: ["S"], text: "Later", run: () => this.skip() },
      { group, keys: ["escape"], shown: ["Esc"], text: "Stop", run: () => this.end() },
    ];
  }

  // Drawing

  /** @param {Entry} entry */
  #words(entry) {
    const name = (/** @type {string | undefined} */ id) => this.store.classOf(id ?? "")?.name ?? "unknown class";
    return entry.kind === "contradicting"
      ? `Clicked as ${name(entry.clicked)}; everything else says ${name(entry.class)}: wrong with a probability of ${percent(entry.probability ?? 0)}`
      : `Looks like ${name(entry.class)}, without a click`;
  }

  #drawBar() {
    const entry = this.#current;
    this.bar.hidden = !entry;
    if (!entry) return;
    const one = this.store.classOf(entry.class);
    const button = (/** @type {string} */ key, /** @type {string} */ text, /** @type {() => void} */ run) =>
      el(
        "button",
        { class: "small", onclick: run },
        el("kbd", { text: key, "aria-hidden": "true" }),
        el("span", { text }),
      );
    const wrong = entry.kind === "contradicting";
    refill(this.bar, [entry, one, this.#open.length], () => [
      el("p", { class: "check-words" }, one ? swatch(one) : null, el("span", { text: this.#words(entry) })),
      el(
        "div",
        { class: "check-buttons" },
        button("K", wrong ? "Keep" : "Nothing there", () => this.keep()),
        button("C", wrong ? `Make it ${one?.name}` : "Place a click", () => this.correct()),
        ...(wrong ? [button("Delete", "Remove", () => this.remove())] : []),
        button("S", "Later", () => this.skip()),
        button("Esc", "Stop", () => this.end()),
        el("span", { class: "note number", text: `${counted(this.#open.length, "entry", "entries")} left` }),
      ),
    ]);
  }

  #render() {
    const { work } = this;
    const { model } = this.store.project ?? {};
    const audit = this.#audit;
    const busy = work.status.state === "running";
    this.stop.hidden = !(busy && ["audit", "audit-questions", "clicks"].includes(work.status.kind));
    for (const button of [this.auditGo, this.auditMore, this.clicksGo]) button.disabled = busy || !model;
    const { open = 0, answered = 0, result = null, stale = false, problem = null } = audit ?? {};
    this.auditGo.textContent = open
      ? `Answer ${counted(open, "question")}`
      : answered
        ? "Judge the present model"
        : "Ask about unseen images";
    this.auditGo.hidden = Boolean(answered && !open && result && !stale);
    this.auditMore.hidden = !answered || open > 0;
    this.numberField.hidden = open > 0;
    this.lead.textContent = problem
      ? `${problem.found} ${problem.hint}`
      : !model
        ? "Train a model first. Then you are asked about pixels of images that it has not learnt from, and your answers tell how good it is."
        : open
          ? `${counted(answered, "question")} answered, ${open.toLocaleString("en")} open. Nothing is learnt from these answers.`
          : answered
            ? `${counted(answered, "answer")}, kept in audit.csv. Nothing is learnt from them.${stale ? " The figures below are older than your answers." : ""}`
            : "You are asked about pixels of images that the model has not learnt from. Your answers tell how good it is, and nothing is learnt from them.";
    refill(this.result, [result, this.store.classes], () => (result ? table(result, this.store.classes) : []));
    const checks = this.#checks;
    const left = this.#open.length;
    const wrong = this.#open.filter((one) => one.kind === "contradicting").length;
    this.walk.hidden = !left;
    this.walk.textContent = `Walk through ${counted(left, "entry", "entries")}`;
    this.clicksGo.textContent = checks?.run ? "Look again" : "Look for clicks to check";
    this.clicksLead.textContent = !model
      ? "After a training: clicks that contradict all others, and objects that nobody clicked."
      : !checks?.run
        ? "Which clicks contradict all others, and which objects did nobody click? The model and the other clicks say."
        : left
          ? `${counted(wrong, "click")} of ${checks.clicks.toLocaleString("en")} contradict all others (about ${Math.round(checks.expected)} were expected to be wrong), and ${counted(left - wrong, "place")} may have an object without a click. Of those only the first are worth a look.`
          : `Nothing is left to look at (${counted(checks.clicks, "click")}, model ${checks.run}).`;
    if (this.#current) this.#drawBar();
  }

  /** @type {Painter} */
  paint = (context, view) => {
    const entry = this.#current;
    if (entry && entry.image === this.store.image?.id) drawTarget(context, entry, view);
  };
}

/** @param {number | null} value */
function percent(value) {
  return value === null ? "–" : `${(100 * value).toFixed(value > 0.0995 ? 0 : 1)} %`;
}

/** @param {{value: number | null, interval: [number, number] | null}} figure */
function withInterval(figure) {
  const { value, interval } = figure;
  const number = (/** @type {number} */ one) => (100 * one).toFixed(0);
  return el(
    "span",
    { class: "number" },
    el("b", { text: value === null ? "–" : number(value) }),
    interval ? el("span", { class: "soft", text: ` ${number(interval[0])}–${number(interval[1])}` }) : null,
  );
}

/**
 * What an audit found.
 * @param {any} result @param {Class[]} classes
 */
function table(result, classes) {
  const head = ["IoU", "precision", "recall", "area"];
  const bodies = Object.entries(result.per_class).map(([name, one]) => {
    const known = classes.find((other) => other.name === name);
    const cells = [one.iou, one.precision, one.recall, one.area].map((figure) => el("td", {}, withInterval(figure)));
    const label = el(
      "span",
      { class: "row" },
      known ? swatch(known) : null,
      el("span", { class: "class-name", text: name, title: name }),
    );
    return el("tbody", {}, el("tr", {}, el("th", { scope: "rowgroup", colspan: "4" }, label)), el("tr", {}, ...cells));
  });
  return [
    el(
      "dl",
      { class: "audit-figures" },
      el("div", {}, el("dt", { text: "Accuracy" }), el("dd", {}, withInterval(result.accuracy))),
      el("div", {}, el("dt", { text: "mIoU" }), el("dd", {}, withInterval(result.miou))),
    ),
    el(
      "div",
      { class: "audit-table", tabindex: "0", role: "region", "aria-label": "Figures of each class" },
      el(
        "table",
        {},
        el("caption", {
          class: "note",
          text: "In per cent, with 95 % intervals; area is corrected for the model’s mistakes.",
        }),
        el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col", text })))),
        ...bodies,
      ),
    ),
    ...result.said.map((/** @type {string} */ text) => el("p", { class: "note", text })),
  ];
}
