/**
 * The images of the folder in their order, fetched in pages as they are looked at: 20,000 names are never here at once.
 *
 * @typedef {{id: string, name: string, points: number, region: any}} Item
 */

import { get } from "./api.js";

const PAGE = 100;
const REFRESHED = 3;

export class Catalogue {
  total = 0;
  /** @type {Map<number, Item[]>} */ #pages = new Map();
  /** @type {Map<number, Promise<void>>} */ #coming = new Map();
  /** @type {Map<string, number>} Clicks on images that changed since their page came */ #counts = new Map();
  show = "all";
  #edition = 0;
  /** @type {() => void} */ onChange = () => {};

  /** Forget everything and begin again, for instance under another filter. */
  async reset(show = this.show) {
    this.show = show;
    this.#edition++;
    this.#pages.clear();
    this.#coming.clear();
    this.#counts.clear();
    await this.#fetch(0);
  }

  /** Ask again for what was looked at last, because somebody else has clicked; what is shown stays until then. */
  async refresh() {
    // Under a filter images would jump away from under the pointer.
    if (this.show !== "all") return;
    const recent = [...this.#pages.keys()].slice(-REFRESHED);
    for (const page of [...this.#pages.keys()]) if (!recent.includes(page)) this.#pages.delete(page);
    this.#coming.clear();
    this.#edition++;
    await Promise.all(recent.map((page) => this.#load(page)));
    this.#counts.clear();
    this.onChange();
  }

  /**
   * The image at a place, if its page is here; otherwise the page is asked for.
   * @param {number} index
   * @returns {Item | undefined}
   */
  peek(index) {
    if (index < 0 || index >= this.total) return undefined;
    const page = Math.floor(index / PAGE);
    const items = this.#pages.get(page);
    if (!items) {
      void this.#fetch(page);
      return undefined;
    }
    // The longest unused pages come first, so that a refresh knows which are worth it.
    this.#pages.delete(page);
    this.#pages.set(page, items);
    const item = items[index % PAGE];
    return item && { ...item, points: this.#counts.get(item.id) ?? item.points };
  }

  /**
   * The image at a place, waiting for it if need be.
   * @param {number} index
   * @returns {Promise<Item | undefined>}
   */
  async item(index) {
    if (index < 0 || index >= this.total) return undefined;
    await this.#fetch(Math.floor(index / PAGE));
    return this.peek(index);
  }

  /**
   * The place of an image among the pages that are here; -1 when it is on none of them.
   * @param {string} id
   */
  indexOf(id) {
    for (const [page, items] of this.#pages) {
      const found = items.findIndex((item) => item.id === id);
      if (found >= 0) return page * PAGE + found;
    }
    return -1;
  }

  /**
   * Correct the number of clicks on an image.
   * @param {string} id
   * @param {number} points
   */
  count(id, points) {
    if (this.#counts.get(id) === points) return;
    this.#counts.set(id, points);
    this.onChange();
  }

  /** @param {number} page @returns {Promise<void>} */
  #fetch(page) {
    if (this.#pages.has(page)) return Promise.resolve();
    const coming = this.#coming.get(page);
    return coming ?? this.#load(page);
  }

  /** @param {number} page @returns {Promise<void>} */
  #load(page) {
    const edition = this.#edition;
    const promise = get(`/images?offset=${page * PAGE}&limit=${PAGE}&order=name&show=${this.show}`)
      .then(({ total, images }) => {
        if (edition !== this.#edition) return;
        this.total = total;
        this.#pages.set(page, images);
        this.onChange();
      })
      .finally(() => {
        if (edition === this.#edition) this.#coming.delete(page);
      });
    // A page that failed is asked for again when it is looked at again.
    promise.catch(() => {});
    this.#coming.set(page, promise);
    return promise;
  }
}
