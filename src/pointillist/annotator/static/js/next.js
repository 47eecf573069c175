import { get } from "./api.js";
import { orTell, say } from "./announce.js";
import { byId, counted, el, refill } from "./dom.js";
import { address } from "./tiles.js";

/**
 * @import { Region, Store } from "./store.js"
 * @typedef {{id: string, name: string, points: number, region: Region | null}} Suggestion
 */

const SHOWN = 30;

/** Where a click would teach the most: images without clicks first, then the places where the model is unsure. */
export class NextPanel {
  /** @type {(suggestion: Suggestion) => void} */ onChoose = () => {};
  #loaded = false;
  #timer = 0;
  #view = "";

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.box = byId("panel-next");
    this.lead = el("p", { class: "note" });
    this.go = el("button", {
      class: "primary wide",
      id: "next-go",
      text: "Go to the next image",
      onclick: () => this.advance(),
    });
    this.list = el("ul", { class: "next-list", "aria-label": "Where a click would teach the most" });
    this.box.append(this.go, this.lead, this.list);
    store.on("image", () => this.refresh());
  }

  /** Ask for the list again, soon. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#load(), this.#loaded ? 600 : 0);
  }

  /**
   * See all images in another way.
   * @param {string} view  See `bands.js`
   */
  look(view) {
    if (view === this.#view) return;
    this.#view = view;
    this.refresh();
  }

  /** Open the image where a click teaches most. */
  async advance() {
    const answer = await orTell(() => get(`/next?after=${this.store.image?.id ?? ""}`));
    if (!answer) return;
    if (!answer.image) {
      say("There is no other image.");
      return;
    }
    this.onChoose(answer.image);
  }

  async #load() {
    if (this.box.hidden) {
      this.#loaded = false;
      return;
    }
    let answer;
    try {
      answer = await get(`/images?order=next&limit=${SHOWN}`);
    } catch {
      return; // without a connection the old list stays
    }
    this.#loaded = true;
    const { total, labelled } = this.store.project.images;
    this.lead.textContent = !total
      ? ""
      : labelled < total
        ? `${counted(total - labelled, "image")} without clicks. They come first.`
        : this.store.project.model
          ? "Every image has clicks. The dashed box shows where the model is most unsure."
          : "Every image has clicks. Train, and this list knows where the model is unsure.";
    this.go.disabled = !total;
    refill(this.list, [answer.images, this.store.image?.id, this.#view], () =>
      answer.images.map((/** @type {Suggestion} */ one) => this.#row(one)),
    );
  }

  /** @param {Suggestion} one */
  #row(one) {
    const why = !one.points ? "no clicks yet" : one.region ? "unsure here" : counted(one.points, "click");
    return el(
      "li",
      {},
      el(
        "button",
        {
          class: "next-row",
          id: `next-${one.id}`,
          "aria-current": one.id === this.store.image?.id ? "true" : null,
          onclick: () => this.onChoose(one),
        },
        el("img", { src: address(one.id, "thumbnail", { view: this.#view }), alt: "", loading: "lazy" }),
        el(
          "span",
          { class: "grow" },
          el("span", { class: "name", text: one.name }),
          el("span", { class: "note", text: why }),
        ),
      ),
    );
  }
}
