import { orTell, say, toast } from "./announce.js";
import { get, newId, request } from "./api.js";
import { openDialog } from "./dialog.js";
import { byId, el, refill } from "./dom.js";
import { NO_LABELS } from "./regions.js";
import { onMask } from "./store.js";
import { drawCircle, drawPath, Stroke } from "./strokes.js";
import { toScreen } from "./view.js";

/**
 * The mask of the image on show: accepted from the layer, then edited by a brush. The server's word and the operations on
 * their way are put together, as with points.
 *
 * @import { Layer } from "./layer.js"
 * @import { Operation } from "./queue.js"
 * @import { Store } from "./store.js"
 * @import { Position, Size, View } from "./view.js"
 * @import { Painter } from "./viewer.js"
 * @import { Workbench } from "./workbench.js"
 * @typedef {{id: string, class: string | null, radius: number, path: number[]}} Painted  Of no class: undecided
 * @typedef {{mask: string | null, strokes: Painted[], file: string, written: boolean, foreign: string | null, problem: {found: string, hint: string} | null}} Told
 */

/** Corners of a stroke; a longer path loses every second one. */
const CORNERS = 1000;
/** The files follow the operations; so long after one they are asked about, in ms. */
const FOLLOWS = 1500;

export class Mask {
  /** @type {Told | null} What the server said */ #told = null;
  /** @type {Map<string, Painted>} Strokes that went, in case they come back */ #gone = new Map();
  /** @type {string | null} */ mask = null;
  /** @type {Painted[]} */ strokes = [];
  /** @type {{mask: string, colors: string, bitmap: ImageBitmap} | null} What was accepted */ #base = null;
  /** @type {Painted | null} The stroke that is being made */ drawing = null;
  shown = true;
  /** Diameter of the brush, in pixels of the image */ size = 24;
  #still = document.createElement("canvas");
  #moving = document.createElement("canvas");
  #drawn = "";
  #asked = 0;
  #timer = 0;
  /** @type {() => void} */ onChange = () => {};
  /** @type {() => boolean} Whether the view on show is one that the mask takes the place of */ looked = () => true;
  /** @type {() => string | null} The token of the labels that are shown */ token = () => this.layer.token;

  /** @param {Store} store @param {Layer} layer */
  constructor(store, layer) {
    this.store = store;
    this.layer = layer;
    this.box = byId("mask");
    this.badge = byId("mask-state");
    store.on("image", () => this.#opened());
    store.on("mask", () => this.#derive());
    store.on("mask-settled", ({ op, result }) => this.#settled(op, result));
    store.on("elsewhere", ({ op }) => onMask(op) && op.image === store.image?.id && this.refresh());
    store.on("masks", () => this.refresh());
    store.on("project", () => this.#recolour());
    layer.onToken = () => this.draw();
    this.draw();
  }

  /** Whether the mask is on the screen, in place of the layer. */
  get active() {
    return this.shown && this.mask !== null && this.looked();
  }

  #opened() {
    this.#told = null;
    this.#gone.clear();
    const { image } = this.store;
    // A brush that is right for a thumbnail is lost on a large image.
    if (image) this.size = Math.max(3, Math.round(Math.sqrt(image.width * image.height) / 40));
    this.#derive();
    this.refresh();
  }

  /** Ask the server for the mask of the image on show, soon. @param {number} [after] */
  refresh(after = 0) {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#ask(), after);
  }

  async #ask() {
    const id = this.store.image?.id;
    const number = ++this.#asked;
    if (!id) return;
    try {
      const told = await get(`/images/${id}/mask`);
      if (number !== this.#asked || this.store.image?.id !== id) return;
      this.#told = told;
      this.#derive();
      if (told.mask && !told.written && !told.problem) this.refresh(FOLLOWS);
    } catch {
      // The connection's own state tells that the server is away; its return asks again.
    }
  }

  /** @param {Operation} op @param {any} result */
  #settled(op, result) {
    if (result.status !== "rejected" && this.#told) {
      // Until the server is asked, what was hoped for is what is true.
      this.#told = { ...this.#told, ...this.#applied(this.#told, op), written: false };
    }
    this.#derive();
    this.refresh(op.kind === "stroke" ? FOLLOWS : 0);
  }

  /** What an operation makes of a mask. @param {{mask: string | null, strokes: Painted[]}} now @param {Operation} op */
  #applied({ mask, strokes }, op) {
    if (op.kind === "stroke" && op.mask === mask && !strokes.some((one) => one.id === op.stroke)) {
      strokes = [...strokes, { id: op.stroke, class: op.class, radius: op.radius, path: op.path }];
    } else if (op.kind === "take-back") {
      const went = strokes.find((one) => one.id === op.item);
      if (went) this.#gone.set(op.item, went);
      strokes = strokes.filter((one) => one !== went);
    } else if (op.kind === "bring-back") {
      const back = this.#gone.get(op.item);
      // Where among the others it belongs, the server knows.
      if (back && !strokes.includes(back)) strokes = [...strokes, back];
    }
    return { mask, strokes };
  }

  #derive() {
    let now = { mask: this.#told?.mask ?? null, strokes: this.#told?.strokes ?? [] };
    for (const { op } of this.store.queue?.entries ?? []) now = this.#applied(now, op);
    this.mask = now.mask;
    this.strokes = now.strokes;
    this.#drawn = "";
    void this.#fetchBase();
    this.draw();
    this.onChange();
  }

  get #colors() {
    return JSON.stringify(this.store.classes.map((one) => [one.id, one.color]));
  }

  #recolour() {
    if (!this.mask) return;
    // A stroke of a class that is not there: it became another one.
    if (this.strokes.some((one) => one.class && !this.store.classOf(one.class))) this.refresh();
    this.#drawn = "";
    void this.#fetchBase();
  }

  async #fetchBase() {
    const { mask, store } = this;
    const colors = this.#colors;
    if (!mask || !store.image || (this.#base?.mask === mask && this.#base.colors === colors)) return;
    const id = store.image.id;
    try {
      const bitmap = await createImageBitmap(await (await request(`/images/${id}/mask/${mask}`)).blob());
      if (this.mask !== mask || this.#colors !== colors) {
        bitmap.close();
        return;
      }
      this.#base?.bitmap.close();
      this.#base = { mask, colors, bitmap };
      this.#drawn = "";
      this.onChange();
    } catch {
      // As above.
    }
  }

  // What a person does

  /** Make what the layer shows the mask of the image. */
  accept() {
    const { store } = this;
    const token = this.token();
    if (!store.image || !token) {
      toast({ found: "No labels are shown that could be accepted.", hint: NO_LABELS });
      return;
    }
    const foreign = this.#told?.foreign;
    if (!foreign) this.#accept(token, false);
    else
      openDialog(
        "Replace the mask?",
        [
          el("p", { text: `This image has a mask that was made elsewhere: ${foreign}.` }),
          el("p", { text: "A copy of it is kept in .pointillist/backups/masks, and comes back when you undo this." }),
        ],
        [el("button", { type: "submit", class: "primary", text: "Replace it" })],
        () => {
          this.#accept(token, true);
          return true;
        },
      );
  }

  /** @param {string} layer @param {boolean} replace */
  #accept(layer, replace) {
    const { store } = this;
    if (!store.image) return;
    const mask = newId();
    this.shown = true;
    store.do({
      image: store.image.id,
      text: "mask",
      redo: [{ id: "", kind: "mask", mask, image: store.image.id, layer, replace }],
      undo: [{ id: "", kind: "take-back", item: mask }],
    });
    say("Accepted as the mask of this image. The brush edits it.");
  }

  /** The mask goes. */
  takeBack() {
    const { store, mask } = this;
    if (!store.image || !mask) return;
    store.do({
      image: store.image.id,
      text: "mask taken back",
      redo: [{ id: "", kind: "take-back", item: mask }],
      undo: [{ id: "", kind: "bring-back", item: mask }],
    });
    say("The mask is taken back.");
  }

  /** @param {string | null} label  null: undecided @param {number[]} path */
  paintStroke(label, path) {
    const { store, mask } = this;
    if (!store.image || !mask) return;
    const stroke = newId();
    store.do({
      image: store.image.id,
      text: "stroke",
      redo: [{ id: "", kind: "stroke", stroke, mask, class: label, radius: this.radius, path }],
      undo: [{ id: "", kind: "take-back", item: stroke }],
    });
    say(`${label ? store.classOf(label)?.name : "Undecided"}: stroke on the mask.`);
  }

  get radius() {
    return Math.max(0.75, this.size / 2);
  }

  /** @param {number} size  Diameter in pixels of the image */
  setSize(size) {
    this.size = Math.round(Math.min(1000, Math.max(1, size)));
    this.draw();
    this.onChange();
    say(`Brush of ${this.size} pixels`);
  }

  /** Show the mask, or the layer. */
  toggle() {
    this.shown = !this.shown;
    this.draw();
    this.onChange();
  }

  // The panel

  draw() {
    const { mask, shown, size } = this;
    const told = this.#told;
    const waiting = this.store.queue?.entries.some((entry) => onMask(entry.op)) ?? false;
    const written = told?.written && !waiting;
    this.badge.hidden = !mask;
    this.badge.textContent = told?.problem ? "not written" : written ? "written" : "being written";
    const can = Boolean(this.store.image && this.token());
    const content = [mask, shown, size, told?.file, told?.foreign, told?.problem, can, this.looked()];
    refill(this.box, content, () => {
      const accept = el("button", {
        id: "mask-accept",
        class: mask ? "small" : "",
        text: mask ? "Accept anew" : this.looked() ? "Accept layer as mask" : "Accept prediction as mask",
        title: can ? "What is shown, the layer or the prediction, becomes the mask of this image" : NO_LABELS,
        disabled: !can,
        onclick: () => this.accept(),
      });
      const trouble = told?.problem
        ? [el("p", { class: "note bad", text: `${told.problem.found} ${told.problem.hint}` })]
        : [];
      if (!mask) {
        const where = told?.foreign
          ? `${told.foreign} is the mask of this image; it was made elsewhere.`
          : "Writes what is shown as the mask of this image; the brush can edit it.";
        return [accept, el("p", { class: "note", text: where }), ...trouble];
      }
      const box = el("input", { type: "checkbox", id: "mask-shown", onchange: () => this.toggle() });
      box.checked = shown;
      const slider = el("input", {
        type: "range",
        id: "mask-size",
        min: "1",
        max: String(Math.max(100, size)),
        value: String(size),
        "aria-label": "Diameter of the brush, in pixels",
        onchange: () => this.setSize(Number(slider.value)),
      });
      return [
        el(
          "div",
          { class: "row" },
          el("label", { class: "check" }, box, el("span", { text: "Show in place of the layer" })),
        ),
        el(
          "div",
          { class: "row" },
          el("span", { class: "note", text: "Brush" }),
          el("div", { class: "grow" }, slider),
          el("span", { class: "note number", text: `${size} px` }),
        ),
        el("p", { class: "note", text: `In ${told?.file}.` }),
        ...trouble,
        el(
          "div",
          { class: "row" },
          accept,
          el("button", { class: "small", id: "mask-take-back", text: "Take back", onclick: () => this.takeBack() }),
        ),
      ];
    });
  }

  // Drawing

  /** @param {CanvasRenderingContext2D} context @param {View} view @param {Painted} stroke */
  #paintOne(context, view, { class: label, radius, path }) {
    const places = [];
    for (let i = 0; i < path.length; i += 2) places.push({ x: path[i], y: path[i + 1] });
    // Undecided is clear.
    context.globalCompositeOperation = label ? "source-over" : "destination-out";
    const color = label ? (this.store.classOf(label)?.color ?? "#ffffff") : "#000000";
    drawPath(context, view, places, [[color, 2 * radius * view.scale]]);
    context.globalCompositeOperation = "source-over";
  }

  /** @param {HTMLCanvasElement} canvas @param {Size} like  In pixels of the device @returns {CanvasRenderingContext2D} */
  #fresh(canvas, like) {
    canvas.width = like.width;
    canvas.height = like.height;
    return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /** @type {Painter} */
  paint = (context, view, screen) => {
    const { image } = this.store;
    if (!this.active || !image || this.#base?.mask !== this.mask) return;
    const { canvas } = context;
    const ratio = context.getTransform().a;
    const now = JSON.stringify([view, canvas.width, canvas.height]);
    if (this.#drawn !== now) {
      const still = this.#fresh(this.#still, canvas);
      still.scale(ratio, ratio);
      const corner = toScreen(view, { x: 0, y: 0 });
      still.beginPath();
      still.rect(corner.x, corner.y, image.width * view.scale, image.height * view.scale);
      still.clip();
      still.imageSmoothingEnabled = false;
      still.drawImage(
        /** @type {any} */ (this.#base).bitmap,
        corner.x,
        corner.y,
        image.width * view.scale,
        image.height * view.scale,
      );
      for (const stroke of this.strokes) this.#paintOne(still, view, stroke);
      this.#drawn = now;
    }
    let shown = this.#still;
    if (this.drawing) {
      const moving = this.#fresh(this.#moving, canvas);
      moving.drawImage(this.#still, 0, 0);
      moving.scale(ratio, ratio);
      this.#paintOne(moving, view, this.drawing);
      shown = this.#moving;
    }
    context.globalAlpha = this.layer.opacity;
    context.drawImage(shown, 0, 0, screen.width, screen.height);
  };
}

/** The brush: paints a class on the mask, or makes it undecided. */
export class Brush extends Stroke {
  /** @param {Workbench} bench @param {Mask} mask @param {boolean} clears */
  constructor(bench, mask, clears) {
    super(bench);
    this.mask = mask;
    this.clears = clears;
    this.lead = clears ? "What is painted becomes undecided." : "Paints the current class on the mask.";
  }

  ready() {
    const { mask, store } = this;
    if (!mask.active) {
      toast({ found: "There is no mask to paint on.", hint: "Accept the layer as mask first, and show it." });
      return false;
    }
    if (!this.clears && !store.current) this.bench.onNoClass();
    return this.clears || store.current !== null;
  }

  /** @param {Position[]} path @returns {number[]} */
  #corners(path) {
    // Corners that lie closer together than a twelfth of the radius make no difference to the eye.
    const step = this.mask.radius / 12;
    /** @type {Position[]} */
    let kept = [];
    path.forEach((at, index) => {
      const last = kept.at(-1);
      const ends = index === path.length - 1;
      if (!last || ends || Math.hypot(at.x - last.x, at.y - last.y) >= step) kept.push(at);
    });
    while (kept.length > CORNERS) kept = kept.filter((_, index) => index % 2 === 0 || index === kept.length - 1);
    return kept.flatMap(({ x, y }) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
  }

  get #label() {
    return this.clears ? null : this.store.current;
  }

  /** @param {Position[]} path */
  finish(path) {
    this.mask.drawing = null;
    this.mask.paintStroke(this.#label, this.#corners(path));
  }

  drop() {
    this.mask.drawing = null;
    return super.drop();
  }

  grown() {
    this.mask.drawing = { id: "", class: this.#label, radius: this.mask.radius, path: this.#corners(this.path) };
  }

  /** @type {Painter} */
  paint = (context, view) => {
    const at = this.path.at(-1) ?? this.bench.cursor ?? this.bench.pointer;
    if (at) drawCircle(context, toScreen(view, at), this.mask.radius * view.scale);
  };
}
