import { toast } from "./announce.js";
import { ApiError, get } from "./api.js";
import { settle } from "./dialog.js";
import { byId, counted, el, icon, oncePerFrame } from "./dom.js";
import { NO_MODEL } from "./predictions.js";
import { address } from "./tiles.js";
import { Visible } from "./visible.js";

/**
 * All predictions side by side: sorted by what deserves a look, only those in sight in the document.
 *
 * @import { Mode } from "./predictions.js"
 * @import { Store } from "./store.js"
 * @typedef {{uncertainty: number, share: number, shares: number[], clicks: number, against: number, stamp: string}} About
 * @typedef {{id: string, name: string, points: number, said: About | null}} Item
 */

const PAGE = 60;
const EXTRA = 1;
/** Least width of an image, and what is below it, in CSS pixels. */
const WIDTH = 200;
const CAPTION = 48;
/** Between two looks at what is new, in ms. */
const AGAIN = 1500;

/** What is sorted by, and how an image is looked at that was found so. @type {[string, string, Mode][]} */
const ORDERS = [
  ["name", "Name", "prediction"],
  ["uncertainty", "Most uncertain first", "uncertainty"],
  ["share", "Largest share of the class first", "prediction"],
  ["against", "Most contradicted clicks first", "compare"],
];

export class Gallery {
  /** @type {Map<number, Item>} By place in the list */ #items = new Map();
  /** @type {Map<number, Promise<void>>} */ #coming = new Map();
  #order = "";
  #edition = 0;
  #matching = 0;
  #current = 0;
  #news = 0;
  /** The class that was chosen for the order, and by nobody. */ #ours = "";
  #key = "";
  #status = /** @type {any} */ ({ done: 0, total: 0, failed: 0 });
  /** @type {(item: Item, mode: Mode) => void} */ onChoose = () => {};

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.dialog = byId("gallery");
    this.by = el("select", { id: "gallery-by", onchange: () => this.#changed() });
    this.by.append(...ORDERS.map(([value, text]) => el("option", { value, text })));
    this.label = el("select", { id: "gallery-class", onchange: () => this.#changed() });
    this.split = el("select", { id: "gallery-split", onchange: () => this.#changed() });
    this.splitField = field("gallery-split", "Split", this.split);
    this.reverse = el("button", {
      id: "gallery-reverse",
      "aria-pressed": "false",
      text: "Reverse",
      onclick: () => {
        this.reverse.setAttribute("aria-pressed", String(this.reverse.getAttribute("aria-pressed") !== "true"));
        this.#changed();
      },
    });
    this.again = el("button", {
      id: "gallery-again",
      text: "Sort again",
      title: "With what was predicted and clicked since",
      onclick: () => this.#changed(true),
    });
    this.count = el("span", { class: "soft number", id: "gallery-count", "aria-live": "polite" });
    this.progress = el("progress", { max: "1", value: "0", "aria-label": "Images that are predicted" });
    this.note = el("p", { class: "note gallery-note" });
    this.list = el("div", { class: "gallery-list", role: "listbox", "aria-label": "Predictions", tabindex: "0" });
    this.box = el("div", { class: "gallery-box" }, this.note, this.list);
    this.dialog.append(
      el(
        "div",
        { class: "gallery-head" },
        el("h2", { id: "gallery-title", text: "Predictions" }),
        this.count,
        el(
          "button",
          {
            class: "quiet",
            id: "gallery-close",
            "aria-label": "Close the gallery",
            title: "Close (Escape)",
            onclick: () => this.dialog.close(),
          },
          icon("close"),
        ),
      ),
      this.progress,
      el(
        "div",
        { class: "gallery-tools" },
        field("gallery-by", "Order", this.by),
        field("gallery-class", "Class", this.label),
        this.splitField,
        this.reverse,
        this.again,
      ),
      this.box,
    );
    this.draw = oncePerFrame(() => this.#draw());
    this.visible = new Visible(this.box, this.list, this.draw);
    new ResizeObserver(() => this.#resized()).observe(this.box);
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#pressed(event));
    store.on("predictions project", () => this.#heard());
  }

  /** Show all predictions. */
  open() {
    if (this.dialog.open) return;
    if (this.store.project.predictions.run === null) {
      toast({ found: NO_MODEL });
      return;
    }
    this.dialog.showModal();
    this.#fillClasses();
    this.#changed(!this.#order || this.#key !== this.store.project.predictions.key);
    this.list.focus();
  }

  #fillClasses() {
    const known = new Set(this.store.project.predictions.outputs);
    const classes = this.store.classes.filter((one) => known.has(one.id));
    const chosen = this.label.value;
    this.label.replaceChildren(
      el("option", { value: "", text: "any" }),
      ...classes.map((one) => el("option", { value: one.id, text: one.name })),
    );
    if (classes.some((one) => one.id === chosen)) this.label.value = chosen;
  }

  /** Shares are of some class: the first, where none is chosen, and as long as shares are sorted by. */
  #chooseClass() {
    const share = this.by.value === "share";
    if (this.label.value !== this.#ours) this.#ours = "";
    if (share && !this.label.value) this.label.value = this.#ours = this.label.options[1]?.value ?? "";
    else if (!share && this.#ours) this.label.value = this.#ours = "";
  }

  /** Make the list anew, or only draw it again. @param {boolean} [anew] */
  #changed(anew = true) {
    this.#chooseClass();
    if (!anew) {
      this.#refresh();
      return;
    }
    this.#key = this.store.project.predictions.key;
    this.#order = "";
    this.#edition++;
    this.#coming.clear();
    this.#items.clear();
    this.#current = 0;
    this.visible.clear();
    this.box.scrollTop = 0;
    void this.#fetch(0);
  }

  /** @param {number} page @param {boolean} [again] @returns {Promise<void>} */
  #fetch(page, again = false) {
    const coming = this.#coming.get(page);
    if (coming && !again) return coming;
    const edition = this.#edition;
    const query = new URLSearchParams({ by: this.by.value, offset: String(page * PAGE), limit: String(PAGE) });
    if (this.label.value) {
      query.set("label", this.label.value);
      query.set("shown", "1");
    }
    if (this.split.value) query.set("split", this.split.value);
    if (this.reverse.getAttribute("aria-pressed") === "true") query.set("reverse", "1");
    if (this.#order) query.set("order", this.#order);
    const promise = get(`/predictions?${query}`)
      .then((found) => {
        if (edition !== this.#edition) return;
        this.#order = found.order;
        this.#matching = found.matching;
        this.#status = found;
        found.images.forEach((/** @type {Item} */ item, /** @type {number} */ index) =>
          this.#items.set(page * PAGE + index, item),
        );
        this.#fillSplits(found.splits);
        this.#tell("");
        this.draw();
      })
      .catch((error) => {
        if (!(error instanceof ApiError)) throw error;
        if (edition !== this.#edition) return;
        // Asked for again when it is looked at again.
        this.#coming.delete(page);
        this.#tell(`${error.found} ${error.hint}`);
      });
    this.#coming.set(page, promise);
    return promise;
  }

  /** @param {string[]} splits */
  #fillSplits(splits) {
    this.splitField.hidden = !splits.length;
    if (this.split.options.length === splits.length + 1) return;
    this.split.replaceChildren(
      el("option", { value: "", text: "all" }),
      ...splits.map((text) => el("option", { value: text, text })),
    );
  }

  /** @param {string} trouble */
  #tell(trouble) {
    const { done, total, failed } = this.#status;
    const numbers = [`${done.toLocaleString("en")} of ${counted(total, "image")} predicted`];
    if (failed) numbers.push(`${failed.toLocaleString("en")} cannot be`);
    if (this.#matching !== total) numbers.push(`${this.#matching.toLocaleString("en")} shown`);
    this.count.textContent = numbers.join(" · ");
    this.progress.value = total ? (done + failed) / total : 0;
    this.progress.hidden = done + failed >= total;
    this.note.textContent =
      trouble ||
      (this.#matching || !total ? "" : done < total ? "None yet; more are being predicted." : "There is none.");
    this.note.classList.toggle("bad", Boolean(trouble));
    this.note.hidden = !this.note.textContent;
  }

  /** More is predicted, or the model is another one. */
  #heard() {
    if (!this.dialog.open) return;
    if (this.#key !== this.store.project.predictions.key) {
      this.#fillClasses();
      this.#changed();
      return;
    }
    this.#news ||= window.setTimeout(() => {
      this.#news = 0;
      if (this.dialog.open) this.#refresh();
    }, AGAIN);
  }

  /** Ask again for what is in sight; the order stays. */
  #refresh() {
    const pages = new Set(this.visible.places.map((place) => Math.floor(place / PAGE)));
    for (const page of this.#coming.keys()) if (!pages.has(page)) this.#coming.delete(page);
    for (const page of pages.size ? pages : [0]) void this.#fetch(page, true);
  }

  // The list

  get #columns() {
    return Math.max(1, Math.floor((this.box.clientWidth - 8) / WIDTH));
  }

  get #size() {
    const width = (this.box.clientWidth - 8) / this.#columns;
    return { width, height: Math.round(width * 0.72) + CAPTION };
  }

  #resized() {
    this.visible.clear();
    this.draw();
  }

  #draw() {
    if (!this.dialog.open) return;
    const { height } = this.#size;
    const columns = this.#columns;
    this.list.style.height = `${Math.ceil(this.#matching / columns) * height}px`;
    const top = this.box.scrollTop - this.list.offsetTop;
    const first = Math.max(0, (Math.floor(top / height) - EXTRA) * columns);
    const last = Math.min(
      this.#matching - 1,
      (Math.ceil((top + this.box.clientHeight) / height) + EXTRA) * columns - 1,
    );
    this.visible.span(first, last, {
      current: this.#current,
      peek: (place) => this.#peek(place),
      make: (place, item) => this.#make(place, item),
      fill: (node, item) => this.#fill(node, item),
    });
  }

  /** What is at a place; it is asked for where the list rests. @param {number} place */
  #peek(place) {
    const page = Math.floor(place / PAGE);
    if (this.visible.rests && !this.#coming.has(page)) void this.#fetch(page);
    return this.#items.get(place);
  }

  /** @param {any} node @param {Item} item */
  #fill(node, item) {
    const words = this.#words(item);
    const facts = node.querySelector(".facts");
    if (facts.textContent !== words) facts.textContent = facts.title = words;
    node.setAttribute("aria-label", `${item.name}: ${words}`);
    if (!this.visible.rests) return;
    const [image, overlay] = node.querySelectorAll("img");
    set(image, address(item.id, "thumbnail"));
    if (!item.said) return;
    const colors = this.store.classes.map((one) => one.color.slice(1)).join("");
    set(overlay, address(item.id, "prediction/thumbnail", { v: `${this.#key}-${item.said.stamp}-${colors}` }));
  }

  /** What is sorted by comes first: in a narrow place the end is cut off. @param {Item} item */
  #words({ said, points }) {
    if (!said) return "not predicted yet";
    const one = this.store.classOf(this.label.value);
    const words = new Map([["uncertainty", `unsure ${said.uncertainty.toFixed(2)}`]]);
    if (one) words.set("share", `${one.name} ${percent(said.share)}`);
    if (said.against) words.set("against", `${said.against} of ${said.clicks} contradicted`);
    else if (points && !one) words.set("against", counted(points, "click"));
    const first = words.get(this.by.value);
    return [...new Set([...(first ? [first] : []), ...words.values()])].join(" · ");
  }

  /** @param {number} place @param {Item | undefined} item */
  #make(place, item) {
    const { width, height } = this.#size;
    const columns = this.#columns;
    return el(
      "div",
      {
        class: "gallery-item",
        role: "option",
        id: `gallery-${place}`,
        "aria-setsize": String(this.#matching),
        "aria-posinset": String(place + 1),
        "aria-label": "Loading",
        style: {
          left: `${4 + (place % columns) * width}px`,
          top: `${Math.floor(place / columns) * height}px`,
          width: `${width}px`,
          height: `${height}px`,
        },
        onclick: () => this.#choose(place),
      },
      el(
        "span",
        { class: "gallery-picture" },
        el("img", { alt: "", draggable: "false", decoding: "async" }),
        el("img", { class: "overlay", alt: "", draggable: "false", decoding: "async" }),
      ),
      el("span", { class: "caption", text: item?.name ?? "" }),
      el("span", { class: "facts soft number" }),
    );
  }

  /** @param {number} place */
  #choose(place) {
    const item = this.#items.get(place);
    if (!item || !this.dialog.open) return;
    this.#current = place;
    this.dialog.close();
    settle();
    this.onChoose(item, ORDERS.find(([value]) => value === this.by.value)?.[2] ?? "prediction");
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const rows = Math.max(1, Math.floor(this.box.clientHeight / this.#size.height));
    const steps = /** @type {Record<string, number>} */ ({
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: this.#columns,
      ArrowUp: -this.#columns,
      PageDown: this.#columns * rows,
      PageUp: -this.#columns * rows,
      Home: -Infinity,
      End: Infinity,
    });
    const step = steps[event.key];
    if (event.key === "Enter" || event.key === " ") this.#choose(this.#current);
    else if (step === undefined) return;
    else this.#current = Math.min(this.#matching - 1, Math.max(0, this.#current + step));
    event.preventDefault();
    const { height } = this.#size;
    const top = Math.floor(this.#current / this.#columns) * height + this.list.offsetTop;
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (top + height > scrollTop + clientHeight) this.box.scrollTop = top + height - clientHeight;
    this.draw();
  }
}

/** @param {string} id @param {string} text @param {Node} control */
const field = (id, text, control) => el("div", { class: "field" }, el("label", { for: id, text }), control);

/** @param {number} share */
const percent = (share) => `${share < 0.1 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;

/** @param {HTMLImageElement} picture @param {string} at */
function set(picture, at) {
  if (picture.getAttribute("src") !== at) picture.src = at;
}
