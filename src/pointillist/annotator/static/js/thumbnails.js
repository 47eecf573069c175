import { counted, el, oncePerFrame } from "./dom.js";
import { address } from "./tiles.js";
import { Visible } from "./visible.js";

/**
 * @import { Catalogue } from "./catalogue.js"
 */

const EXTRA = 3;

/** The list of images: only what can be seen stands in the document. It runs down, or sideways where it is wide. */
export class Thumbnails {
  #current = -1;
  #view = "";
  /** @type {Record<string, string>} */ #made = {};
  /** @type {(index: number) => void} */ onChoose = () => {};

  /**
   * @param {HTMLElement} box
   * @param {Catalogue} catalogue
   */
  constructor(box, catalogue) {
    this.box = box;
    this.catalogue = catalogue;
    this.list = el("div", { class: "thumbnail-list", role: "listbox", "aria-label": "Images", tabindex: "0" });
    box.append(this.list);
    this.draw = oncePerFrame(() => this.#draw());
    this.visible = new Visible(box, this.list, this.draw);
    new ResizeObserver(() => this.#resized()).observe(box);
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    catalogue.onChange = () => this.draw();
  }

  get #sideways() {
    return this.box.clientWidth > this.box.clientHeight * 1.5;
  }

  /** Length of one entry along the list, in CSS pixels. */
  get #step() {
    return this.#sideways ? 124 : 148;
  }

  /**
   * Mark the image on show and scroll to it if it is out of sight.
   * @param {number} index
   */
  choose(index) {
    this.#current = index;
    this.#reveal();
    this.draw();
  }

  /**
   * See all images in another way.
   * @param {string} view  See `bands.js`
   */
  look(view) {
    this.#view = view;
    this.draw();
  }

  /**
   * Replace first looks by the exact pictures that are there now.
   * @param {Record<string, string>} made  Stamps by image
   */
  renew(made) {
    this.#made = made;
    this.draw();
  }

  #reveal() {
    if (this.#current < 0) return;
    const start = this.#current * this.#step;
    const [seen, room] = this.#sideways
      ? [this.box.scrollLeft, this.box.clientWidth]
      : [this.box.scrollTop, this.box.clientHeight];
    if (start >= seen && start + this.#step <= seen + room) return;
    this.#setLength();
    const target = Math.max(0, start - (room - this.#step) / 2);
    if (this.#sideways) this.box.scrollLeft = target;
    else this.box.scrollTop = target;
  }

  #resized() {
    this.list.classList.toggle("sideways", this.#sideways);
    this.visible.clear();
    this.#reveal();
    this.draw();
  }

  #setLength() {
    const length = `${this.catalogue.total * this.#step}px`;
    this.list.style.height = this.#sideways ? "100%" : length;
    this.list.style.width = this.#sideways ? length : "100%";
  }

  #draw() {
    this.#setLength();
    const [seen, room] = this.#sideways
      ? [this.box.scrollLeft, this.box.clientWidth]
      : [this.box.scrollTop, this.box.clientHeight];
    const first = Math.max(0, Math.floor(seen / this.#step) - EXTRA);
    const last = Math.min(this.catalogue.total - 1, Math.ceil((seen + room) / this.#step) + EXTRA);
    this.visible.span(first, last, {
      current: this.#current,
      peek: (index) => this.catalogue.peek(index),
      make: (index, item) => this.#make(index, item),
      fill: (node, item) => this.#fill(node, item),
    });
  }

  /** @param {any} node @param {import("./catalogue.js").Item} item */
  #fill(node, item) {
    node.setAttribute("aria-label", `${item.name}, ${item.points ? counted(item.points, "click") : "no clicks"}`);
    const picture = node.querySelector("img");
    const at = address(item.id, "thumbnail", { view: this.#view, made: this.#made[item.id] });
    if (this.visible.rests && picture.getAttribute("src") !== at) picture.src = at;
    const badge = node.querySelector(".count");
    badge.textContent = item.points ? String(item.points) : "";
    badge.hidden = !item.points;
  }

  /** @param {number} index @param {import("./catalogue.js").Item | undefined} item */
  #make(index, item) {
    const at = `${index * this.#step}px`;
    return el(
      "div",
      {
        class: "thumbnail",
        role: "option",
        id: `thumbnail-${index}`,
        "aria-setsize": String(this.catalogue.total),
        "aria-posinset": String(index + 1),
        "aria-label": "Loading",
        style: this.#sideways ? { left: at } : { top: at },
        onclick: () => this.onChoose(index),
      },
      el("img", { alt: "", draggable: "false", decoding: "async" }),
      el("span", { class: "caption", text: item?.name ?? "" }),
      el("span", { class: "count", hidden: true }),
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = /** @type {Record<string, number>} */ ({
      ArrowDown: 1,
      ArrowRight: 1,
      ArrowUp: -1,
      ArrowLeft: -1,
      Home: -Infinity,
      End: Infinity,
    });
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.onChoose(Math.min(this.catalogue.total - 1, Math.max(0, this.#current + step)));
  }
}
