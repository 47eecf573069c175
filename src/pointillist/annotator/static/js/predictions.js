import { say, toast } from "./announce.js";
import { request } from "./api.js";
import { byId, counted, el, refill } from "./dom.js";
import { drawContradiction } from "./marks.js";
import { toScreen } from "./view.js";

/**
 * What the model says about the image on show, and the switch between that and what the clicks mean.
 *
 * @import { Layer } from "./layer.js"
 * @import { Point, Store } from "./store.js"
 * @import { Position, View } from "./view.js"
 * @import { Painter, Viewer } from "./viewer.js"
 * @typedef {"clicks" | "prediction" | "uncertainty" | "compare"} Mode
 * @typedef {object} Said  Labels are outputs of the model, 255 without data; steps are of uncertainty
 * @property {number} width
 * @property {number} height
 * @property {boolean} exact  Whether the model saw the image as large as it does in a file
 * @property {boolean} first_look  Whether its pixels were a first look, to be replaced
 * @property {Uint8Array} labels
 * @property {Uint8Array} steps
 * @property {number} mean  Uncertainty, 0…1
 * @property {string | null} token  What the server keeps the labels under, to be corrected or accepted
 * @property {Map<string, {of: unknown, canvas: HTMLCanvasElement}>} pictures  What was drawn of it last, by mode
 */

/** @type {[Mode, string, string][]} */
const MODES = [
  ["clicks", "Clicks mean", "What your clicks mean: the live layer"],
  ["prediction", "Prediction", "What the model sees"],
  ["uncertainty", "Uncertainty", "Where the model is unsure"],
  ["compare", "Compare", "The prediction beside what the clicks mean, and the clicks that it contradicts"],
];
export const NO_MODEL = "There is no model yet: train one in the tab Train.";
/** The one colour of uncertainty, which is rare in photographs. */
const UNSURE = [214, 0, 108];
/** Bytes of predictions that the page keeps. */
const KEPT = 96 * 2 ** 20;
/** A window is asked for once it is so many CSS pixels wide: farther away, the overview has enough of them. */
const LEAST_WINDOW = 260;
/** On a very large screen only those in its middle are asked for. */
const MOST_WINDOWS = 40;
const REST = 180;
/** Where prediction and clicks differ, stripes alternate so many times across the image. */
const STRIPES = 90;

export class Predictions {
  /** @type {Mode} */ mode = "clicks";
  /** @type {Map<string, Said>} By model, image and window, the longest unused first */ #kept = new Map();
  #ticket = 0;
  #busy = false;
  #timer = 0;
  #trouble = "";
  /** @type {{image: string, mode: Mode, canvas: HTMLCanvasElement} | null} What was shown last */ #last = null;
  /** @type {() => void} */ onChange = () => {};
  /** @type {(point: string) => void} */ onContradicted = () => {};

  /**
   * @param {Store} store @param {Layer} layer @param {Viewer} viewer
   */
  constructor(store, layer, viewer) {
    this.store = store;
    this.layer = layer;
    this.viewer = viewer;
    this.box = byId("views");
    this.radios = MODES.map(([mode, , title]) =>
      el("input", { type: "radio", name: "view", value: mode, title, onchange: () => this.show(mode) }),
    );
    this.status = el("div", { class: "views-status", id: "views-status" });
    this.box.append(
      el(
        "div",
        { class: "views-choice", role: "radiogroup", "aria-label": "What is shown over the image" },
        ...MODES.map(([, text, title], index) =>
          el(
            "label",
            { title, onclick: () => this.radios[index].disabled && toast({ found: NO_MODEL }) },
            this.radios[index],
            el("span", { text }),
          ),
        ),
      ),
      this.status,
    );
    store.on("image", () => this.ask());
    store.on("project predictions", () => this.#modelChanged());
    store.on("points project", () => this.draw());
    viewer.watch(() => this.#rest());
    this.draw();
  }

  /** @returns {any} What the server says of the model */
  get model() {
    return this.store.project?.predictions ?? { run: null, key: "", outputs: [] };
  }

  /** What the server keeps the labels under that are shown; null where none are. */
  get token() {
    if (this.mode === "clicks") return this.layer.token;
    return this.mode === "prediction" && this.layer.shown ? (this.#whole(true)?.token ?? null) : null;
  }

  /** Ask for what is on show once more. */
  renew() {
    if (!this.#asks) return;
    this.#kept.delete(`${this.model.key} ${this.store.image?.id} `);
    this.ask();
  }

  /** Whether what is shown comes from the model. */
  get #asks() {
    return this.mode !== "clicks" && this.model.run !== null;
  }

  /**
   * Choose what is shown.
   * @param {Mode} mode
   */
  show(mode) {
    if (mode !== "clicks" && this.model.run === null) {
      toast({ found: NO_MODEL });
      mode = "clicks";
    }
    this.mode = mode;
    if (!this.layer.shown) this.layer.toggle();
    this.layer.want(mode === "clicks" || mode === "compare");
    this.ask();
    this.onChange();
  }

  /** Show what comes next in the switch. @param {1 | -1} step */
  cycle(step) {
    const index = MODES.findIndex(([mode]) => mode === this.mode);
    const [mode, text] = MODES[(index + step + MODES.length) % MODES.length];
    this.show(mode);
    if (this.mode === mode) say(text);
  }

  #modelChanged() {
    const { key } = this.model;
    for (const one of this.#kept.keys()) if (!one.startsWith(`${key} `)) this.#kept.delete(one);
    if (this.model.run === null && this.mode !== "clicks") this.show("clicks");
    else if (this.#asks && !this.#whole()) this.ask();
    this.draw();
  }

  // Asking

  /** Ask for the prediction of the image on show, and then for the windows of it that can be seen. */
  ask() {
    const ticket = ++this.#ticket;
    clearTimeout(this.#timer);
    this.#busy = false;
    this.#trouble = "";
    this.draw();
    if (this.#asks && this.store.image) void this.#fetchAll(ticket);
  }

  /**
   * Have an image predicted before it is opened, once the one on show is.
   * @param {string} id
   */
  async prepare(id) {
    const ticket = this.#ticket;
    while (this.#busy && ticket === this.#ticket) await new Promise((resolve) => setTimeout(resolve, REST));
    const { key } = this.model;
    if (!this.#asks || ticket !== this.#ticket || this.#kept.has(`${key} ${id} `)) return;
    try {
      const said = await this.#fetch(id, { ahead: true });
      if (said && !said.said.first_look) this.#keep(`${said.key} ${id} `, said.said);
    } catch {
      // It tells what is wrong when it is opened.
    }
  }

  /** The view has changed: other windows may be missing, once it rests. */
  #rest() {
    if (!this.#asks || this.#busy) return;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      if (this.#whole(true) && this.#missing()) this.ask();
    }, REST);
  }

  /** @param {number} ticket  Of the newest wish; one that is not any more stops */
  async #fetchAll(ticket) {
    const { image } = this.store;
    if (!image) return;
    const done = () => ticket !== this.#ticket || image.id !== this.store.image?.id;
    const before = this.#whole();
    const tasks = () => (this.#whole(true) ? this.#missing() : { place: "", body: {} });
    this.#busy = true;
    this.draw();
    try {
      for (let task = tasks(); task && !done(); task = tasks()) {
        const { key } = this.model;
        const said = await this.#fetch(image.id, task.body);
        if (said) this.#keep(`${said.key} ${image.id} ${task.place}`, said.said);
        // Another one came first, or the model has changed on the way: that one has its own wish.
        if (!said || said.key !== key || done()) break;
        this.onChange();
        this.draw();
        if (said.said.first_look) break;
      }
    } catch (error) {
      const { found, hint, status } = /** @type {any} */ (error);
      if (found === undefined) throw error;
      // Without a connection there is none; the connection's own state tells why.
      if (!done() && status) this.#trouble = `${found} ${hint}`;
    }
    if (ticket !== this.#ticket) return;
    this.#busy = false;
    if (!before && this.#whole()) say(this.#told());
    this.draw();
    this.onChange();
  }

  /** @param {string} image @param {object} body @returns {Promise<{key: string, said: Said} | null>} */
  async #fetch(image, body) {
    const answer = await request(`/images/${image}/prediction`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Pointillist": "1" },
      body: JSON.stringify({ client: this.store.client, ...body }),
    });
    if (answer.status === 204) return null;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const end = bytes.indexOf(10);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    const size = head.width * head.height;
    const [labels, steps] = [bytes.subarray(end + 1, end + 1 + size), bytes.subarray(end + 1 + size)];
    let [sum, count] = [0, 0];
    for (let i = 0; i < size; i++) {
      if (labels[i] === 255) continue;
      sum += steps[i];
      count++;
    }
    const mean = count ? sum / count / this.model.steps : 0;
    const key = answer.headers.get("X-Prediction-Model") ?? "";
    const token = answer.headers.get("X-Layer-Token");
    return { key, said: { ...head, labels, steps, mean, token, pictures: new Map() } };
  }

  /** @param {string} place @param {Said} said */
  #keep(place, said) {
    this.#kept.delete(place);
    this.#kept.set(place, said);
    let bytes = [...this.#kept.values()].reduce((sum, one) => sum + one.labels.length * 2, 0);
    for (const [oldest, one] of this.#kept) {
      if (bytes <= KEPT || oldest === place) break;
      this.#kept.delete(oldest);
      bytes -= one.labels.length * 2;
    }
  }

  /** The prediction of the whole image on show. @param {boolean} [lasting]  Not that of a first look */
  #whole(lasting = false) {
    const place = `${this.model.key} ${this.store.image?.id} `;
    const said = this.#kept.get(place);
    if (!said || (lasting && said.first_look)) return undefined;
    this.#kept.delete(place);
    this.#kept.set(place, said);
    return said;
  }

  /** Windows of a large image that can be seen, the one in the middle first. */
  #windows() {
    const { image } = this.store;
    const { view, screen } = this.viewer;
    const side = this.model.window;
    if (!image || side * view.scale < LEAST_WINDOW) return [];
    const found = [];
    const range = (/** @type {number} */ shift, /** @type {number} */ room, /** @type {number} */ length) => [
      Math.max(0, Math.floor(-shift / view.scale / side)),
      Math.min(Math.ceil(length / side), Math.ceil((room - shift) / view.scale / side)),
    ];
    const [top, bottom] = range(view.y, screen.height, image.height);
    const [left, right] = range(view.x, screen.width, image.width);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const middle = toScreen(view, { x: (column + 0.5) * side, y: (row + 0.5) * side });
        const far = Math.hypot(middle.x - screen.width / 2, middle.y - screen.height / 2);
        found.push({ row, column, far, place: `${row}-${column}` });
      }
    }
    return found.sort((a, b) => a.far - b.far).slice(0, MOST_WINDOWS);
  }

  /** The next window to ask for. */
  #missing() {
    const { image } = this.store;
    if (!image || this.#whole()?.exact !== false) return undefined;
    const one = this.#windows().find(({ place }) => !this.#kept.has(`${this.model.key} ${image.id} ${place}`));
    return one && { place: one.place, body: { window: { row: one.row, column: one.column } } };
  }

  // What it says

  /**
   * The output at a place of the image: its class, undefined where nothing is known.
   * @param {Position} at
   */
  classAt(at) {
    const label = this.#labelAt(at);
    return label === undefined ? undefined : this.store.classOf(this.model.outputs[label] ?? "");
  }

  /** @param {Position} at @returns {number | undefined} */
  #labelAt(at) {
    const { image } = this.store;
    if (!image || !this.#asks) return undefined;
    const side = this.model.window;
    const [row, column] = [Math.floor(at.y / side), Math.floor(at.x / side)];
    const part = this.#kept.get(`${this.model.key} ${image.id} ${row}-${column}`);
    const whole = this.#whole();
    const said = part ?? whole;
    if (!said) return undefined;
    const [x, y] = part
      ? [at.x - column * side, at.y - row * side]
      : [(at.x * said.width) / image.width, (at.y * said.height) / image.height];
    const hold = (/** @type {number} */ value, /** @type {number} */ length) =>
      Math.min(length - 1, Math.max(0, Math.floor(value)));
    const label = said.labels[hold(y, said.height) * said.width + hold(x, said.width)];
    return label === 255 ? undefined : label;
  }

  /** Clicks that the prediction contradicts, and how many it can be asked about. */
  #contradicted() {
    /** @type {Point[]} */ const against = [];
    let count = 0;
    for (const point of this.store.points.values()) {
      if (!this.model.outputs.includes(point.class)) continue;
      const label = this.#labelAt(point);
      if (label === undefined) continue;
      count++;
      if (this.model.outputs[label] !== point.class) against.push(point);
    }
    return { against, count };
  }

  #told() {
    const said = this.#whole();
    if (!said) return "";
    if (this.mode === "uncertainty") return `Mean uncertainty ${said.mean.toFixed(2)}`;
    if (this.mode === "compare") {
      const { against, count } = this.#contradicted();
      return count ? `${against.length} of ${counted(count, "click")} contradicted` : "No clicks to compare with";
    }
    return "The prediction is shown";
  }

  /** Show the switch, and what is to be said about what is shown. */
  draw() {
    const missing = this.model.run === null;
    this.radios.forEach((radio, index) => {
      radio.checked = MODES[index][0] === this.mode;
      radio.disabled = index > 0 && missing;
      radio.title = radio.disabled ? NO_MODEL : MODES[index][2];
      radio.parentElement.title = radio.title;
    });
    const { mode, store } = this;
    const said = this.#whole();
    const { against, count } = mode === "compare" && said ? this.#contradicted() : { against: [], count: 0 };
    const known = new Set(this.model.outputs);
    const unknown = missing ? [] : store.classes.filter((one) => !known.has(one.id)).map((one) => one.name);
    const rough = said && !said.exact && !this.#windows().length;
    const state = this.#trouble
      ? this.#trouble
      : mode === "clicks" || !this.#asks
        ? ""
        : this.#busy && !said
          ? "Predicting…"
          : said?.first_look
            ? "Of a first look at this image"
            : this.#busy
              ? "Predicting what is on the screen…"
              : rough
                ? "Overview; zoom in for the exact prediction"
                : "";
    this.box.dataset.state = !this.#asks ? "" : this.#busy ? "busy" : said ? "shown" : "";
    const content = [mode, state, said?.mean, against.map((one) => one.id), count, unknown, missing];
    refill(this.status, content, () => [
      ...(state ? [el("span", { class: this.#trouble ? "note bad" : "note", text: state })] : []),
      ...(said && mode === "uncertainty" && !state ? this.#legend(said) : []),
      ...(said && mode === "compare" && !state ? this.#comparison(against, count) : []),
      ...(this.#asks && unknown.length && !state
        ? [el("span", { class: "note", text: `The model does not know: ${unknown.join(", ")}` })]
        : []),
    ]);
    this.status.hidden = !this.status.childElementCount;
  }

  /** @param {Said} said */
  #legend(said) {
    return [
      el("span", { class: "note", text: "sure" }),
      el("span", {
        class: "ramp",
        role: "img",
        "aria-label": "From clear, the model is sure, to full colour, it is unsure",
        style: { "--unsure": `rgb(${UNSURE.join(" ")})` },
      }),
      el("span", { class: "note", text: "unsure" }),
      el("span", { class: "note number", text: `mean ${said.mean.toFixed(2)}` }),
    ];
  }

  /** @param {Point[]} against @param {number} count */
  #comparison(against, count) {
    if (!count) return [el("span", { class: "note", text: "No clicks here that the model can be compared with" })];
    const text = `${against.length} of ${counted(count, "click")} contradicted`;
    return [
      against.length
        ? el("button", {
            class: "small",
            id: "views-next",
            text,
            title: "Go to the next one",
            onclick: () => this.#walk(),
          })
        : el("span", { class: "note", text }),
      el("span", { class: "note", text: "stripes: they differ" }),
    ];
  }

  /** Go to the next click that is contradicted. */
  #walk() {
    const { against } = this.#contradicted();
    const at = against.findIndex((one) => one.id === this.store.selected);
    if (against.length) this.onContradicted(against[(at + 1) % against.length].id);
  }

  // Drawing

  /** @type {Painter} */
  paint = (context, view, screen) => {
    const { image } = this.store;
    if (!this.#asks) return this.layer.paint(context, view, screen);
    const whole = this.#whole();
    if (!this.layer.shown || !image) return undefined;
    const { opacity } = this.layer;
    context.globalAlpha = this.mode === "uncertainty" ? Math.min(1, 2 * opacity) : opacity;
    context.imageSmoothingEnabled = false;
    if (!whole) {
      // While a model learns, what the one before says stays until the next one has spoken.
      const last = this.#busy && this.#last?.image === image.id && this.#last.mode === this.mode ? this.#last : null;
      if (last) context.drawImage(last.canvas, view.x, view.y, image.width * view.scale, image.height * view.scale);
      return undefined;
    }
    const side = this.model.window;
    /** @type {[Said, number, number, number, number][]} */ const parts = [];
    for (const { row, column, place } of whole.exact ? [] : this.#windows()) {
      const said = this.#kept.get(`${this.model.key} ${image.id} ${place}`);
      if (!said) continue;
      const corner = toScreen(view, { x: column * side, y: row * side });
      parts.push([said, corner.x, corner.y, said.width * view.scale, said.height * view.scale]);
    }
    context.save();
    if (parts.length) {
      // What is drawn twice would be twice as strong.
      context.beginPath();
      context.rect(0, 0, screen.width, screen.height);
      for (const [, x, y, width, height] of parts) context.rect(x, y, width, height);
      context.clip("evenodd");
    }
    const canvas = this.#picture(whole);
    this.#last = { image: image.id, mode: this.mode, canvas };
    context.drawImage(canvas, view.x, view.y, image.width * view.scale, image.height * view.scale);
    context.restore();
    for (const [said, x, y, width, height] of parts) context.drawImage(this.#picture(said), x, y, width, height);
    return undefined;
  };

  /** Marks of the clicks that the prediction contradicts. @type {Painter} */
  paintMarks = (context, view) => {
    if (this.mode !== "compare" || !this.#asks || !this.layer.shown) return;
    for (const point of this.#contradicted().against) drawContradiction(context, toScreen(view, point));
  };

  /** @param {Said} said @returns {HTMLCanvasElement} */
  #picture(said) {
    const { mode, store, model } = this;
    const whole = said === this.#whole();
    const clicks = mode === "compare" && whole ? this.layer.picture : null;
    const look = mode === "uncertainty" ? "" : JSON.stringify(store.classes.map((one) => [one.id, one.color]));
    const known = said.pictures.get(mode);
    if (known && known.of === clicks && known.canvas.dataset.look === look) return known.canvas;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [said.width, said.height];
    canvas.dataset.look = look;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    if (clicks) {
      context.imageSmoothingEnabled = false;
      context.drawImage(clicks, 0, 0, said.width, said.height);
    }
    const pixels = clicks
      ? context.getImageData(0, 0, said.width, said.height)
      : new ImageData(said.width, said.height);
    const values = new Uint32Array(pixels.data.buffer);
    if (mode === "uncertainty") fillUncertainty(values, said, model.steps);
    else {
      const colors = model.outputs.map((/** @type {string} */ id) =>
        packed(store.classOf(id)?.color ?? "#808080", 255),
      );
      if (mode === "compare") fillComparison(values, said, colors);
      else for (let i = 0; i < values.length; i++) values[i] = colors[said.labels[i]] ?? 0;
    }
    context.putImageData(pixels, 0, 0);
    said.pictures.set(mode, { of: clicks, canvas });
    return canvas;
  }
}

/** Red, green, blue and opacity as a canvas has them. @param {string} color @param {number} alpha */
function packed(color, alpha) {
  const value = parseInt(color.slice(1), 16);
  return new Uint32Array(new Uint8Array([value >> 16, (value >> 8) & 255, value & 255, alpha]).buffer)[0];
}

/** @param {Uint32Array} values @param {Said} said @param {number} steps */
function fillUncertainty(values, said, steps) {
  const color = `#${UNSURE.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  const ramp = Array.from({ length: steps + 1 }, (_, step) => packed(color, Math.round((255 * step) / steps)));
  for (let i = 0; i < values.length; i++) values[i] = said.labels[i] === 255 ? 0 : ramp[said.steps[i]];
}

/**
 * Full where both say the same, in stripes of both colours where they differ, the prediction alone and faint where the
 * clicks decide nothing.
 * @param {Uint32Array} values  What the clicks mean @param {Said} said @param {number[]} colors
 */
function fillComparison(values, said, colors) {
  const stripe = Math.max(3, Math.round(Math.max(said.width, said.height) / STRIPES));
  const bytes = new Uint8Array(values.buffer);
  for (let i = 0; i < values.length; i++) {
    const color = colors[said.labels[i]] ?? 0;
    const undecided = bytes[4 * i + 3] === 0;
    if (undecided) {
      values[i] = color;
      if (color) bytes[4 * i + 3] = 110;
    } else if (color && values[i] !== color) {
      const [x, y] = [i % said.width, Math.floor(i / said.width)];
      if (Math.floor((x + y) / stripe) % 2) values[i] = color;
    }
  }
}
