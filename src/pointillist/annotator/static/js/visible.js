/** How long a list must not move before it asks for pictures, in ms. */
const REST = 90;

/** The entries of a long list that can be seen: only they stand in the document. */
export class Visible {
  /** @type {Map<number, any>} By place in the list */ #nodes = new Map();
  #moving = 0;

  /**
   * @param {HTMLElement} box  What scrolls
   * @param {HTMLElement} list  A list box in it, whose children the entries are
   * @param {() => void} draw  Draws the list: tells what can be seen, see `span`
   */
  constructor(box, list, draw) {
    this.list = list;
    box.addEventListener(
      "scroll",
      () => {
        // Pictures are asked for when the list rests: flying over 20,000 images must not ask for all of them.
        clearTimeout(this.#moving);
        this.#moving = window.setTimeout(() => {
          this.#moving = 0;
          draw();
        }, REST);
        draw();
      },
      { passive: true },
    );
  }

  get rests() {
    return !this.#moving;
  }

  get places() {
    return [...this.#nodes.keys()];
  }

  clear() {
    for (const node of this.#nodes.values()) node.remove();
    this.#nodes.clear();
  }

  /**
   * Let the entries of a span stand in the document, and no others.
   * @template {{id: string}} T
   * @param {number} first
   * @param {number} last
   * @param {{
   *   current: number,
   *   peek: (place: number) => T | undefined,
   *   make: (place: number, item: T | undefined) => any,
   *   fill: (node: any, item: T) => void,
   * }} of  `peek` finds what is at a place (undefined: not known yet), `make` an entry for it, `fill` says what changes
   */
  span(first, last, { current, peek, make, fill }) {
    for (const [place, node] of this.#nodes) if (place < first || place > last) this.#remove(place, node);
    for (let place = first; place <= last; place++) {
      const item = peek(place);
      let node = this.#nodes.get(place);
      if (node && node.dataset.id !== (item?.id ?? "")) {
        this.#remove(place, node);
        node = undefined;
      }
      if (!node) {
        node = make(place, item);
        node.dataset.id = item?.id ?? "";
        this.#nodes.set(place, node);
        this.list.append(node);
      }
      node.setAttribute("aria-selected", String(place === current));
      if (item) fill(node, item);
    }
    const active = this.#nodes.get(current);
    if (active) this.list.setAttribute("aria-activedescendant", active.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  /** @param {number} place @param {any} node */
  #remove(place, node) {
    node.remove();
    this.#nodes.delete(place);
  }
}
