import { oncePerFrame } from "./dom.js";
import { centred, filled, fit, kept, MAX_SCALE, showing, toImage, zoom } from "./view.js";

/** @import { Position, Size, View } from "./view.js" */

/**
 * Something drawn over or under the image. It gets a context in CSS pixels, the view, and the screen's size.
 * @typedef {(context: CanvasRenderingContext2D, view: View, screen: Size) => void} Painter
 */

/** Above this many screen pixels per image pixel the borders between pixels are drawn. */
const GRID_FROM = 14;

/** The canvas: knows which image is shown and how it lies on the screen, and asks painters to draw. */
export class Viewer {
  /** @type {Size | null} */ image = null;
  /** @type {View} */ view = { scale: 1, x: 0, y: 0 };
  /** @type {Painter[]} */ painters = [];
  /** @type {Painter[]} */ lensPainters = [];
  /** @type {(() => void)[]} */ #watchers = [];
  #fitted = true;
  /** @type {{at: Position, across: number} | null} What stays in the middle */ #held = null;

  /**
   * @param {HTMLCanvasElement} canvas
   */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.redraw = oncePerFrame(() => this.#draw());
    new ResizeObserver(() => this.#resized()).observe(canvas);
  }

  /** @returns {Size} The canvas in CSS pixels. */
  get screen() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /**
   * Call something after each change of the view.
   * @param {() => void} watcher
   */
  watch(watcher) {
    this.#watchers.push(watcher);
  }

  /**
   * Show an image, fitted; null shows nothing.
   * @param {Size | null} image
   */
  show(image) {
    this.image = image;
    this.fit();
  }

  /** Show the whole image. */
  fit() {
    if (this.image) this.#set(fit(this.image, this.screen), true);
    else this.redraw();
  }

  /**
   * Zoom around a place of the screen, by default its middle.
   * @param {number} factor
   * @param {Position} [around]
   */
  zoom(factor, around = { x: this.screen.width / 2, y: this.screen.height / 2 }) {
    if (this.image) this.#set(zoom(this.view, factor, around, this.image, this.screen));
  }

  /** One image pixel on one screen pixel. */
  actualSize() {
    this.zoom(1 / (this.view.scale * (window.devicePixelRatio || 1)));
  }

  /** @param {number} dx @param {number} dy  CSS pixels */
  pan(dx, dy) {
    if (!this.image) return;
    this.#set(kept({ ...this.view, x: this.view.x + dx, y: this.view.y + dy }, this.image, this.screen));
  }

  /**
   * Bring a place of the image into sight, moving as little as needed.
   * @param {Position} at
   */
  reveal(at) {
    const view = showing(this.view, at, this.screen);
    if (view.x !== this.view.x || view.y !== this.view.y) this.#set(view);
  }

  /**
   * Put a box of the image in the middle, so that it and its surroundings can be judged.
   * @param {{x: number, y: number, width: number, height: number}} box
   */
  frame(box) {
    if (!this.image) return;
    const { width, height } = this.screen;
    const whole = fit(this.image, this.screen).scale;
    const scale = Math.max(whole, Math.min(8, (0.35 * width) / box.width, (0.35 * height) / box.height));
    const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    this.#set(filled(centred(scale, middle, this.screen), this.image, this.screen), scale === whole);
  }

  /**
   * Keep a place in the middle, with so many pixels of the image across the shorter side of the canvas.
   * @param {Position} at @param {number} across
   */
  hold(at, across) {
    this.#held = { at, across };
    this.#set(this.holding(at, across));
  }

  /** The view that `hold` takes. @param {Position} at @param {number} across @returns {View} */
  holding(at, across) {
    const { width, height } = this.screen;
    return centred(Math.min(MAX_SCALE, Math.min(width, height) / across), at, this.screen);
  }

  /** @param {{clientX: number, clientY: number}} event @returns {Position} CSS pixels on the canvas */
  locate(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {{clientX: number, clientY: number}} event @returns {Position} Image coordinates */
  imageAt(event) {
    return toImage(this.view, this.locate(event));
  }

  /** @param {View} view @param {boolean} [fitted] */
  #set(view, fitted = false) {
    this.view = view;
    this.#fitted = fitted;
    this.redraw();
    for (const watcher of this.#watchers) watcher();
  }

  #resized() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.screen;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    if (this.image && this.#held) this.hold(this.#held.at, this.#held.across);
    // An image that was fitted stays fitted; otherwise the view is the person's and only kept in sight.
    else if (this.image && this.#fitted) this.fit();
    else if (this.image) this.#set(kept(this.view, this.image, this.screen));
    this.#draw();
  }

  #draw() {
    const ratio = this.canvas.width / Math.max(1, this.screen.width);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, this.screen.width, this.screen.height);
    if (!this.image) return;
    for (const paint of this.painters) {
      this.context.save();
      paint(this.context, this.view, this.screen);
      this.context.restore();
    }
  }
}

/**
 * Borders between pixels, once pixels are large enough to be seen one by one.
 * @param {() => Size | null} size
 * @returns {Painter}
 */
export function grid(size) {
  return (context, view, screen) => {
    const image = size();
    if (!image || view.scale < GRID_FROM) return;
    const first = toImage(view, { x: 0, y: 0 });
    const last = toImage(view, { x: screen.width, y: screen.height });
    const [left, top] = [Math.max(0, Math.floor(first.x)), Math.max(0, Math.floor(first.y))];
    const [right, bottom] = [Math.min(image.width, Math.ceil(last.x)), Math.min(image.height, Math.ceil(last.y))];
    context.beginPath();
    for (let x = left; x <= right; x++) {
      context.moveTo(x * view.scale + view.x, top * view.scale + view.y);
      context.lineTo(x * view.scale + view.x, bottom * view.scale + view.y);
    }
    for (let y = top; y <= bottom; y++) {
      context.moveTo(left * view.scale + view.x, y * view.scale + view.y);
      context.lineTo(right * view.scale + view.x, y * view.scale + view.y);
    }
    context.lineWidth = 1;
    context.strokeStyle = "rgb(128 128 128 / 0.28)";
    context.stroke();
  };
}
