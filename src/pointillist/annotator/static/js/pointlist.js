import { swatch } from "./classes.js";
import { byId, counted, el, icon, oncePerFrame, refill } from "./dom.js";

/**
 * @import { Point, Store } from "./store.js"
 */

/** More points than this are counted, not listed. */
const LISTED = 200;

/** The points of the image on show as a list: the same work without a canvas, for a screen reader too. */
export class PointList {
  /** @type {(point: string) => void} */ onChoose = () => {};
  /** @type {(point: string) => void} */ onRemove = () => {};

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.box = byId("panel-points");
    this.lead = el("p", { class: "note" });
    this.list = el("ul", { class: "point-list", "aria-label": "Points of this image" });
    this.box.append(this.lead, this.list);
    this.draw = oncePerFrame(() => this.#draw());
    store.on("image points project selected", () => this.draw());
  }

  #draw() {
    const { store } = this;
    if (this.box.hidden) return;
    const points = [...store.points.values()];
    this.lead.textContent = !store.image
      ? "No image is open."
      : !points.length
        ? "No points on this image yet. Click what you see."
        : points.length > LISTED
          ? `${counted(points.length, "point")}; the newest ${LISTED} are listed.`
          : `${counted(points.length, "point")} on this image.`;
    const listed = points.slice(-LISTED).reverse();
    const content = listed.map(({ id, x, y, class: label }) => [id, x, y, store.classOf(label), id === store.selected]);
    refill(this.list, content, () => listed.map((point) => this.#row(point)));
  }

  /** @param {Point} point */
  #row(point) {
    const one = this.store.classOf(point.class);
    const name = one?.name ?? "unknown class";
    const place = `${point.x.toFixed(1)}, ${point.y.toFixed(1)}`;
    return el(
      "li",
      { class: `row${point.id === this.store.selected ? " chosen" : ""}` },
      el(
        "button",
        { class: "point-row grow", id: `point-${point.id}`, onclick: () => this.onChoose(point.id) },
        one ? swatch(one) : null,
        el("span", { class: "grow name", text: name }),
        point.question ? el("span", { class: "note", text: "answer" }) : null,
        el("span", { class: "note number", text: place }),
      ),
      el(
        "button",
        {
          class: "quiet",
          "aria-label": `${point.question ? "Take back" : "Remove"} ${name} at ${place}`,
          onclick: () => this.onRemove(point.id),
        },
        icon("bin"),
      ),
    );
  }
}
