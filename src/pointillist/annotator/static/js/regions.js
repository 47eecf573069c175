import { orTell, say, toast } from "./announce.js";
import { post } from "./api.js";
import { swatch } from "./classes.js";
import { digits } from "./commands.js";
import { byId, el, icon } from "./dom.js";
import { drawCursor } from "./marks.js";
import { toScreen } from "./view.js";

/**
 * Regions of the labels that are shown: *wrong* asks for the class of one, *right* confirms it; either is one click in
 * its middle.
 *
 * @import { Position } from "./view.js"
 * @import { Painter } from "./viewer.js"
 * @import { Workbench } from "./workbench.js"
 * @typedef {{class: string, x: number, y: number, box: {x: number, y: number, width: number, height: number}, picture: string}} Region
 */

/** What to do where no labels are shown: *Uncertainty* and *Compare* show none that mean a class. */
export const NO_LABELS = "Click something, show Clicks mean or Prediction, and wait for it.";

export class Regions {
  /** @type {Region | null} The one that is asked about */ held = null;
  /** @type {ImageBitmap | null} */ #picture = null;
  /** @type {Position | null} */ #from = null;
  #asked = 0;
  lead = "Tap a region to say what it is.";
  /** @type {() => string | null} The token of the labels that are shown */ token = () => null;
  /** @type {() => void} The server does not know the token any more */ onGone = () => {};

  /** @param {Workbench} bench */
  constructor(bench) {
    this.bench = bench;
    this.store = bench.store;
    this.bar = byId("region-bar");
    this.pen = {
      begin: (/** @type {Position} */ at) => (this.#from = at),
      move: () => {},
      end: () => this.#from && void this.ask(this.#from),
      cancel: () => (this.#from = null),
    };
    this.store.on("image", () => void this.drop());
    this.store.on("project current", () => this.held && this.#drawBar());
  }

  /** Where a key points. */
  get #pointed() {
    return this.bench.cursor ?? this.bench.pointer;
  }

  /** The region under the pointer or the cursor is wrong: ask what it is. */
  async wrong() {
    if (this.#pointed) await this.ask(this.#pointed);
    else toast({ found: "Point at a region, or go to it with the arrow keys, then press W." });
  }

  /** The region under the pointer or the cursor, or the one that is asked about, is right. */
  async right() {
    if (!this.held && this.#pointed) await this.#hold(this.#pointed);
    if (this.held) this.answer(this.held.class);
    else if (!this.#pointed) toast({ found: "Point at a region, or go to it with the arrow keys, then press Y." });
  }

  /** Ask about the region at a place. @param {Position} at */
  async ask(at) {
    await this.#hold(at);
    if (!this.held) return;
    this.#drawBar();
    const name = this.store.classOf(this.held.class)?.name;
    say(`A region of ${name}. Press the digit of the class that it is, or Y if it is right.`);
  }

  /** @param {Position} at */
  async #hold(at) {
    const { image } = this.store;
    const layer = this.token();
    this.drop();
    if (!image) return;
    if (!layer) {
      toast({ found: "No labels are shown on this image.", hint: NO_LABELS });
      return;
    }
    const number = ++this.#asked;
    const found = await orTell(() => post(`/images/${image.id}/region`, { layer, x: at.x, y: at.y }));
    if (!found) this.onGone();
    if (!found || number !== this.#asked || this.store.image?.id !== image.id) return;
    if (!found.class) {
      toast({ found: "Nothing is decided here.", hint: "Click it." });
      return;
    }
    const bytes = Uint8Array.from(atob(found.picture), (sign) => sign.charCodeAt(0));
    this.#picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    this.held = found;
    this.bench.viewer.redraw();
  }

  /** One click in the middle of the region says what it is. @param {string} label */
  answer(label) {
    const { held } = this;
    this.drop();
    if (held) this.bench.place({ x: held.x, y: held.y }, label);
  }

  /** Let go of the region. */
  drop() {
    const there = this.held !== null;
    this.#asked++;
    this.held = null;
    this.#picture?.close();
    this.#picture = null;
    this.bar.hidden = true;
    this.bench.viewer.redraw();
    return there;
  }

  /** @param {Position} at */
  press(at) {
    void this.ask(at);
  }

  follow() {}

  #drawBar() {
    const { store, held } = this;
    if (!held) return;
    const predicted = store.classOf(held.class);
    const others = store.classes.filter((one) => one.id !== held.class);
    const key = (/** @type {import("./store.js").Class} */ one) => digits[store.classes.indexOf(one)] ?? "";
    this.bar.hidden = false;
    this.bar.replaceChildren(
      ...(predicted ? [swatch(predicted)] : []),
      el("span", { class: "name", text: `${predicted?.name ?? "unknown"}?` }),
      el(
        "button",
        {
          class: "small",
          id: "region-right",
          title: "A click confirms it (Y)",
          onclick: () => this.answer(held.class),
        },
        "Right ",
        el("kbd", { text: "Y", "aria-hidden": "true" }),
      ),
      el("span", { class: "note", text: others.length ? "Wrong, it is" : "" }),
      el(
        "span",
        { class: "region-classes" },
        ...others.map((one) =>
          el(
            "button",
            { class: "small", onclick: () => this.answer(one.id) },
            swatch(one),
            el("span", { text: one.name }),
            key(one) ? el("kbd", { text: key(one), "aria-hidden": "true" }) : null,
          ),
        ),
      ),
      el(
        "button",
        { class: "quiet", "aria-label": "Let go of this region", title: "Let go (Escape)", onclick: () => this.drop() },
        icon("close"),
      ),
    );
  }

  /** @type {Painter} */
  paint = (context, view) => {
    const { held } = this;
    if (!held || !this.#picture) return;
    const { x, y, width, height } = held.box;
    context.imageSmoothingEnabled = false;
    const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
    // A dark rim under the light shape: it stands out on any image.
    context.shadowColor = "#000000";
    context.shadowBlur = 6;
    context.globalAlpha = 0.55;
    context.drawImage(this.#picture, left, top, width * view.scale, height * view.scale);
    context.globalAlpha = 1;
    context.shadowBlur = 0;
    drawCursor(context, toScreen(view, held), this.store.classOf(held.class)?.color ?? "#ffffff");
  };
}
