import { send } from "./api.js";
import { byId, el } from "./dom.js";

/**
 * @import { Painter } from "./viewer.js"
 * @import { Store } from "./store.js"
 */

/** How long the hand must rest before the full-size layer is asked for, in ms. */
const REST = 400;

/** What the clicks mean: the live pseudo-mask, a quick preview first and the exact one when the hand rests. */
export class Layer {
  /** @type {ImageBitmap | null} */ #picture = null;
  /** @type {string | null} What the server keeps the labels of the picture under */ #token = null;
  #request = 0;
  #answered = 0;
  #timer = 0;
  shown = true;
  /** Whether what the clicks mean is looked at, and not the model's prediction alone */ #wanted = true;
  opacity = 0.45;
  /** @type {() => void} */ onChange = () => {};
  /** @type {() => void} */ onToken = () => {};

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.toggleBox = el("input", { type: "checkbox", id: "layer-shown", onchange: () => this.toggle() });
    this.toggleBox.checked = true;
    this.slider = el("input", {
      type: "range",
      id: "layer-opacity",
      min: "0",
      max: "100",
      value: "45",
      "aria-label": "Strength of the layer",
      oninput: () => this.setOpacity(Number(this.slider.value) / 100),
    });
    this.note = el("p", { class: "note" });
    byId("layer").append(
      el(
        "div",
        { class: "row" },
        el("label", { class: "check" }, this.toggleBox, el("span", { text: "Show" })),
        el("div", { class: "grow" }, this.slider),
      ),
      this.note,
    );
    this.badge = byId("layer-state");
    byId("toggle-layer").addEventListener("click", () => this.toggle());
    store.on("image", () => {
      this.#clear();
      this.ask();
    });
    store.on("acknowledged model", () => this.ask());
    this.#tell("");
  }

  /** Show the layer or hide it. */
  toggle() {
    this.shown = !this.shown;
    this.toggleBox.checked = this.shown;
    byId("toggle-layer").setAttribute("aria-pressed", String(this.shown));
    if (this.shown) this.ask();
    else this.#tell("");
    this.onToken();
    this.onChange();
  }

  /** Say whether what the clicks mean is looked at. @param {boolean} wanted */
  want(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (wanted) this.ask();
    else this.#tell("");
  }

  /** What the clicks mean, as a picture in the colours of the classes. */
  get picture() {
    return this.#picture;
  }

  /** @param {number} value  0…1 */
  setOpacity(value) {
    this.opacity = Math.min(1, Math.max(0, value));
    this.slider.value = String(Math.round(this.opacity * 100));
    this.slider.setAttribute("aria-valuetext", `${this.slider.value} percent`);
    this.onChange();
  }

  /** The labels on the screen, as the server knows them; null where none are. */
  get token() {
    return this.shown && this.#picture ? this.#token : null;
  }

  /** Ask for the layer of the image on show: the preview now, the exact one when nothing else happens. */
  ask() {
    clearTimeout(this.#timer);
    if (!this.shown || !this.#wanted || !this.store.image || this.store.queue?.entries.length) return;
    void this.#fetch("fast");
    this.#timer = window.setTimeout(() => void this.#fetch("full"), REST);
  }

  #clear() {
    this.#answered = ++this.#request;
    this.#picture?.close();
    this.#picture = null;
    this.#tell("");
    this.onToken();
    this.onChange();
  }

  /** @param {"fast" | "full"} quality */
  async #fetch(quality) {
    const { store } = this;
    const image = store.image;
    if (!image) return;
    const number = ++this.#request;
    this.#tell(this.#picture || quality === "full" ? this.badge.textContent : "working");
    try {
      const answer = await send(`/images/${image.id}/layer`, { client: store.client, request: number, quality });
      if (answer.status === 204) {
        if (answer.headers.get("X-Layer") === "empty" && number === this.#request) this.#clear();
        return;
      }
      const picture = await createImageBitmap(await answer.blob());
      // A preview may still come while a newer one is being made, but not after the answer to a newer request.
      if (image.id !== store.image?.id || number < this.#answered) {
        picture.close();
        return;
      }
      this.#answered = number;
      this.#picture?.close();
      this.#picture = picture;
      this.#token = answer.headers.get("X-Layer-Token");
      this.onToken();
      const exact = answer.headers.get("X-Layer-Exact") === "1";
      this.#tell(
        quality === "fast" ? "preview" : exact ? "full size" : "largest size",
        answer.headers.get("X-Layer-Source"),
      );
      this.onChange();
    } catch (error) {
      const { status, found, hint } = /** @type {any} */ (error);
      if (status === undefined) throw error;
      // Without a connection there is no layer; the connection's own state tells why.
      if (number === this.#request) this.#tell("", null, status ? `${found} ${hint}` : "");
    }
  }

  /** @param {string} state @param {string | null} [source] @param {string} [trouble] */
  #tell(state, source = null, trouble = "") {
    this.badge.hidden = !state || !this.shown || !this.#wanted;
    this.badge.textContent = state;
    if (trouble) this.note.textContent = trouble;
    else if (source === "model") this.note.textContent = "From the model's prediction, filtered by your clicks.";
    else if (source) this.note.textContent = "From your clicks alone. Clear parts are undecided.";
    else if (!this.store.points.size)
      this.note.textContent = "Click something, and the region that your click means appears on the image.";
  }

  /** @type {Painter} */
  paint = (context, view) => {
    const image = this.store.image;
    if (!this.shown || !this.#picture || !image) return;
    context.globalAlpha = this.opacity;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#picture, view.x, view.y, image.width * view.scale, image.height * view.scale);
  };
}
