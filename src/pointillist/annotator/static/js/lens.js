/** The magnifier: a small canvas in a corner that shows the pixels around the pointer. */

/**
 * @import { Position } from "./view.js"
 * @import { Viewer } from "./viewer.js"
 */

const FACTOR = 4;
const LEAST_SCALE = 8;

export class Lens {
  /** @type {Position | null} */ #at = null;
  shown = true;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Viewer} viewer
   */
  constructor(canvas, viewer) {
    this.canvas = canvas;
    this.viewer = viewer;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /**
   * Show what is around a place of the image; null hides the lens.
   * @param {Position | null} at
   */
  look(at) {
    this.#at = at;
    this.draw();
  }

  /** Draw again, for instance because a tile has come. */
  draw() {
    const { canvas, viewer, context } = this;
    canvas.hidden = !this.shown || !this.#at || !viewer.image;
    if (canvas.hidden || !this.#at) return;
    const side = canvas.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    const pixels = Math.round(side * ratio);
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    const scale = Math.max(LEAST_SCALE, Math.min(viewer.view.scale * FACTOR, 48));
    const view = { scale, x: side / 2 - this.#at.x * scale, y: side / 2 - this.#at.y * scale };
    const screen = { width: side, height: side };
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, side, side);
    for (const paint of viewer.lensPainters) {
      context.save();
      paint(context, view, screen);
      context.restore();
    }
    // The pixel that a click would take.
    const pixel = { x: Math.floor(this.#at.x) * scale + view.x, y: Math.floor(this.#at.y) * scale + view.y };
    context.lineWidth = 3;
    context.strokeStyle = "rgb(0 0 0 / 0.7)";
    context.strokeRect(pixel.x, pixel.y, scale, scale);
    context.lineWidth = 1.5;
    context.strokeStyle = "#ffffff";
    context.strokeRect(pixel.x, pixel.y, scale, scale);
    this.#moveAside();
  }

  /** Stay out of the way: the lens goes to the other side when the pointer comes near. */
  #moveAside() {
    const at = /** @type {Position} */ (this.#at);
    const { scale, x, y } = this.viewer.view;
    const seen = { x: at.x * scale + x, y: at.y * scale + y };
    const room = this.canvas.clientWidth + 48;
    const near = seen.y < room && seen.x > this.viewer.screen.width - room;
    const left = this.canvas.classList.contains("left");
    if (near !== left && (near || seen.x > room || seen.y > room)) this.canvas.classList.toggle("left", near);
  }
}
