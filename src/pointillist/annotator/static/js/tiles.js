/** The image itself, in tiles of as many levels as are needed; a coarser tile stands in until the fine one is here. */

/**
 * @import { Painter } from "./viewer.js"
 * @import { Frame, ImageInfo } from "./store.js"
 * @import { Size, View } from "./view.js"
 */

const AT_ONCE = 4;
const KEPT = 160;
const REST = 2000;

/**
 * The address of a picture.
 * @param {string} id  Of the image
 * @param {string} part  "thumbnail", or a tile
 * @param {{v?: string, view?: string, made?: string}} [options]  Left out where empty
 */
export function address(id, part, options = {}) {
  const query = new URLSearchParams(Object.entries(options).filter(([, value]) => value));
  return `/api/images/${id}/${part}${query.size ? `?${query}` : ""}`;
}

export class Tiles {
  /** @type {Frame | null} */ image = null;
  /** @type {Map<string, ImageBitmap | null>} By address, the longest unused first; null: could not be loaded */
  #cache = new Map();
  /** @type {Set<string>} */ #loading = new Set();
  /** @type {Set<string>} Pictures that are a first look, by address */ #first = new Set();
  /** @type {Set<string>} First looks that an exact picture can replace now, by address */ #due = new Set();
  /** @type {Set<string>} Those that were replaced; the server is asked once, whatever it answers */ #renewed =
    new Set();
  /** @type {Record<string, string>} Stamps, by image, whose exact pictures are made */ #made = {};
  /** @type {string} How the image is seen, see `bands.js` */ #view = "";
  /** @type {string} How it was seen before: those pictures stand in */ #before = "";
  /** @type {string[]} What the last drawing missed */ #wanted = [];
  /** @type {() => void} */ onLoaded = () => {};
  /** @type {() => boolean} Whether the server has these images: another folder may be served at its address */
  mayAsk = () => true;
  /** @type {(shown: boolean) => void} Whether a first look is on the screen */ onFirstLook = () => {};
  /** Whether the last drawing had every tile that belongs on the screen */ complete = false;
  #resting = 0;

  /**
   * Show an image; its thumbnail stands in until tiles come.
   * @param {Frame | null} image
   */
  show(image) {
    this.image = image;
    this.#wanted = [];
    this.#before = this.#view;
    if (image) this.#want(this.#thumbnail(image, this.#view));
    this.#load();
  }

  /**
   * See the image in another way.
   * @param {string} view  See `bands.js`
   */
  look(view) {
    if (view === this.#view) return;
    this.#before = this.#view;
    this.#view = view;
    this.#wanted = [];
    if (this.image) this.#want(this.#thumbnail(this.image, view));
    this.#load();
    this.onLoaded();
  }

  /**
   * Replace first looks by the exact pictures that are there now.
   * @param {Record<string, string>} made  Stamps by image
   */
  renew(made) {
    this.#made = made;
    this.#renewed.clear();
    for (const address of this.#first) if (this.#exact(address)) this.#due.add(address);
    this.onLoaded();
  }

  /** Ask again for what could not be loaded: another server may have answered. */
  retry() {
    for (const [address, tile] of this.#cache) if (!tile) this.#cache.delete(address);
    this.onLoaded();
  }

  /** @param {string} address */
  #exact(address) {
    return address.split("/")[3] in this.#made;
  }

  /**
   * Fetch the tile that shows a whole image, before it is opened.
   * @param {ImageInfo} image
   */
  prepare(image) {
    const last = image.levels[image.levels.length - 1];
    this.#want(this.#tile(image, last.level, 0, 0, this.#view));
    this.#load();
  }

  /**
   * Fetch what a part of an image will need on the screen.
   * @param {Frame} image @param {View} view @param {Size} screen @param {number} ratio
   */
  prepareView(image, view, screen, ratio) {
    const { level } = image.levels[this.#best(image, view.scale * ratio)];
    for (const { column, row } of this.#seen(image, level, view, screen))
      this.#want(this.#tile(image, level, column, row, this.#view));
    this.#want(this.#thumbnail(image, this.#view));
    this.#load();
  }

  /** The image on show, small, if it is here. */
  get thumbnail() {
    const { image } = this;
    if (!image) return undefined;
    return this.#cache.get(this.#thumbnail(image, this.#view)) ?? this.#cache.get(this.#thumbnail(image, this.#before));
  }

  /** @type {Painter} */
  paint = (context, view, screen) => {
    const image = this.image;
    if (!image) return;
    const ratio = context.getTransform().a;
    const { thumbnail } = this;
    const [width, height] = [image.width * view.scale, image.height * view.scale];
    if (thumbnail) context.drawImage(thumbnail, view.x, view.y, width, height);
    else {
      context.fillStyle = "rgb(128 128 128 / 0.18)";
      context.fillRect(view.x, view.y, width, height);
    }
    // Large pixels are shown as they are; smoothing would invent what was never measured.
    context.imageSmoothingEnabled = view.scale * ratio < 2;
    context.imageSmoothingQuality = "medium";
    const best = this.#best(image, view.scale * ratio);
    this.#wanted = [];
    this.complete = true;
    let rough = false;
    for (let level = image.levels.length - 1; level >= best; level--) {
      // Coarser levels are drawn beneath where they are at hand; only the one on the screen is asked for.
      const ask = level === best || level === image.levels.length - 1;
      rough = this.#paintLevel(context, view, screen, image, level, ask, level === best);
    }
    this.onFirstLook(rough);
    this.#load();
  };

  /**
   * @param {CanvasRenderingContext2D} context @param {import("./view.js").View} view
   * @param {import("./view.js").Size} screen @param {Frame} image @param {number} index @param {boolean} ask
   * @param {boolean} best  Whether it is the finest on the screen
   * @returns {boolean}  Whether something of it is a first look
   */
  #paintLevel(context, view, screen, image, index, ask, best) {
    let rough = false;
    for (const { column, row, x, y, scaleX, scaleY } of this.#seen(image, index, view, screen)) {
      let at = this.#tile(image, index, column, row, this.#view);
      if (ask && (!this.#cache.has(at) || this.#due.has(at))) this.#want(at);
      if (!this.#cache.has(at)) {
        if (best) this.complete = false;
        at = this.#tile(image, index, column, row, this.#before);
      }
      const tile = this.#cache.get(at);
      if (!tile) continue;
      this.#touch(at, tile);
      rough ||= this.#first.has(at);
      context.drawImage(tile, x, y, tile.width * scaleX, tile.height * scaleY);
    }
    return rough;
  }

  /** The level that has enough pixels for the screen. @param {Frame} image @param {number} scale */
  #best(image, scale) {
    return Math.max(0, Math.min(image.levels.length - 1, Math.floor(Math.log2(1 / scale) + 0.25)));
  }

  /**
   * The tiles of a level that can be seen, where they begin on the screen, and how large a pixel of theirs is there.
   * @param {Frame} image @param {number} index @param {View} view @param {Size} screen
   */
  *#seen(image, index, view, screen) {
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
        yield {
          column,
          row,
          x: view.x + column * stepX,
          y: view.y + row * stepY,
          scaleX: factorX * view.scale,
          scaleY: factorY * view.scale,
        };
      }
    }
  }

  /** @param {Frame} image @param {string} view */
  #thumbnail(image, view) {
    return address(image.id, "thumbnail", { v: image.stamp, view });
  }

  /** @param {Frame} image @param {number} level @param {number} column @param {number} row @param {string} view */
  #tile(image, level, column, row, view) {
    return address(image.id, `tiles/${level}/${column}/${row}`, { v: image.stamp, view });
  }

  /** @param {string} address */
  #want(address) {
    const here = this.#cache.has(address) && !this.#due.has(address);
    if (!here && !this.#loading.has(address) && !this.#wanted.includes(address)) this.#wanted.push(address);
  }

  /** @param {string} address @param {ImageBitmap | null} tile */
  #touch(address, tile) {
    this.#cache.delete(address);
    this.#cache.set(address, tile);
  }

  #load() {
    while (!this.#resting && this.mayAsk() && this.#loading.size < AT_ONCE && this.#wanted.length) {
      void this.#fetch(/** @type {string} */ (this.#wanted.shift()));
    }
  }

  /** @param {string} address */
  async #fetch(address) {
    this.#loading.add(address);
    try {
      const answer = await fetch(address, { credentials: "same-origin" });
      const picture = answer.ok ? await createImageBitmap(await answer.blob()) : null;
      this.#cache.get(address)?.close();
      this.#touch(address, picture);
      this.#note(address, answer.headers.get("X-Picture") === "first-look");
      for (const oldest of [...this.#cache.keys()].slice(0, Math.max(0, this.#cache.size - KEPT))) {
        this.#cache.get(oldest)?.close();
        this.#cache.delete(oldest);
        this.#note(oldest, false);
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

  /** @param {string} address @param {boolean} first  Whether what is there is a first look */
  #note(address, first) {
    this.#due.delete(address);
    if (!first) this.#first.delete(address);
    else {
      this.#first.add(address);
      // The exact picture may have been made while this one was on its way.
      if (this.#exact(address) && !this.#renewed.has(address)) this.#due.add(address);
      this.#renewed.add(address);
    }
  }
}
