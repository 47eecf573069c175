/** The image itself, in tiles of as many levels as are needed; a coarser tile stands in until the fine one is here. */

/**
 * @import { Painter } from "./viewer.js"
 * @import { ImageInfo } from "./store.js"
 */

const AT_ONCE = 4;
const KEPT = 160;
const REST = 2000;

export class Tiles {
  /** @type {ImageInfo | null} */ image = null;
  /** @type {Map<string, ImageBitmap | null>} By address, the longest unused first; null: could not be loaded */
  #cache = new Map();
  /** @type {Set<string>} */ #loading = new Set();
  /** @type {string[]} What the last drawing missed */ #wanted = [];
  /** @type {() => void} */ onLoaded = () => {};
  #resting = 0;

  /**
   * Show an image; its thumbnail stands in until tiles come.
   * @param {ImageInfo | null} image
   */
  show(image) {
    this.image = image;
    this.#wanted = [];
    if (image) this.#want(`/api/images/${image.id}/thumbnail?v=${encodeURIComponent(image.stamp)}`);
    this.#load();
  }

  /**
   * Fetch the tile that shows a whole image, before it is opened.
   * @param {ImageInfo} image
   */
  prepare(image) {
    const last = image.levels[image.levels.length - 1];
    this.#want(this.#address(image, last.level, 0, 0));
    this.#load();
  }

  /** @type {Painter} */
  paint = (context, view, screen) => {
    const image = this.image;
    if (!image) return;
    const ratio = context.getTransform().a;
    const thumbnail = this.#cache.get(`/api/images/${image.id}/thumbnail?v=${encodeURIComponent(image.stamp)}`);
    const [width, height] = [image.width * view.scale, image.height * view.scale];
    if (thumbnail) context.drawImage(thumbnail, view.x, view.y, width, height);
    else {
      context.fillStyle = "rgb(128 128 128 / 0.18)";
      context.fillRect(view.x, view.y, width, height);
    }
    // Large pixels are shown as they are; smoothing would invent what was never measured.
    context.imageSmoothingEnabled = view.scale * ratio < 2;
    context.imageSmoothingQuality = "medium";
    const best = Math.max(0, Math.min(image.levels.length - 1, Math.floor(Math.log2(1 / (view.scale * ratio)) + 0.25)));
    this.#wanted = [];
    for (let level = image.levels.length - 1; level >= best; level--) {
      // Coarser levels are drawn beneath where they are at hand; only the one on the screen is asked for.
      this.#paintLevel(context, view, screen, image, level, level === best || level === image.levels.length - 1);
    }
    this.#load();
  };

  /**
   * @param {CanvasRenderingContext2D} context @param {import("./view.js").View} view
   * @param {import("./view.js").Size} screen @param {ImageInfo} image @param {number} index @param {boolean} ask
   */
  #paintLevel(context, view, screen, image, index, ask) {
    const level = image.levels[index];
    // Sizes are rounded up on the way, so a level's pixel is this many image pixels, not exactly a power of two.
    const [factorX, factorY] = [image.width / level.width, image.height / level.height];
    const stepX = image.tile * factorX * view.scale;
    const stepY = image.tile * factorY * view.scale;
    const first = (/** @type {number} */ shift, /** @type {number} */ step) => Math.max(0, Math.floor(-shift / step));
    const last = (
      /** @type {number} */ shift,
      /** @type {number} */ step,
      /** @type {number} */ room,
      /** @type {number} */ count,
    ) => Math.min(count - 1, Math.floor((room - shift) / step));
    for (let row = first(view.y, stepY); row <= last(view.y, stepY, screen.height, level.rows); row++) {
      for (let column = first(view.x, stepX); column <= last(view.x, stepX, screen.width, level.columns); column++) {
        const address = this.#address(image, level.level, column, row);
        const tile = this.#cache.get(address);
        if (tile === undefined && ask) this.#want(address);
        if (!tile) continue;
        this.#touch(address, tile);
        context.drawImage(
          tile,
          view.x + column * stepX,
          view.y + row * stepY,
          tile.width * factorX * view.scale,
          tile.height * factorY * view.scale,
        );
      }
    }
  }

  /** @param {ImageInfo} image @param {number} level @param {number} column @param {number} row */
  #address(image, level, column, row) {
    return `/api/images/${image.id}/tiles/${level}/${column}/${row}?v=${encodeURIComponent(image.stamp)}`;
  }

  /** @param {string} address */
  #want(address) {
    if (!this.#cache.has(address) && !this.#loading.has(address)) this.#wanted.push(address);
  }

  /** @param {string} address @param {ImageBitmap | null} tile */
  #touch(address, tile) {
    this.#cache.delete(address);
    this.#cache.set(address, tile);
  }

  #load() {
    while (!this.#resting && this.#loading.size < AT_ONCE && this.#wanted.length) {
      void this.#fetch(/** @type {string} */ (this.#wanted.shift()));
    }
  }

  /** @param {string} address */
  async #fetch(address) {
    this.#loading.add(address);
    try {
      const answer = await fetch(address, { credentials: "same-origin" });
      this.#touch(address, answer.ok ? await createImageBitmap(await answer.blob()) : null);
      for (const oldest of [...this.#cache.keys()].slice(0, Math.max(0, this.#cache.size - KEPT))) {
        this.#cache.get(oldest)?.close();
        this.#cache.delete(oldest);
      }
    } catch {
      // The server is away. After a rest the next drawing asks again for what it wants.
      this.#resting ||= window.setTimeout(() => {
        this.#resting = 0;
        this.onLoaded();
      }, REST);
    } finally {
      this.#loading.delete(address);
    }
    if (!this.#resting) this.onLoaded();
  }
}
