import { say, toast } from "./announce.js";
import { newId } from "./api.js";
import { counted } from "./dom.js";
import { Gestures } from "./gestures.js";
import { drawCrosshair, drawCursor, drawMark, drawRegion, nearestPoint } from "./marks.js";
import { inside, toImage, toScreen } from "./view.js";

/**
 * @import { Point, Region, Store } from "./store.js"
 * @import { Position } from "./view.js"
 * @import { Painter, Viewer } from "./viewer.js"
 */

/** An arrow key moves the keyboard's cursor by this many CSS pixels, but never by less than one pixel of the image. */
const STRIDE = 12;
/** The cursor's place is told when it rests this long, in ms. */
const QUIET = 600;

/** Points under the hand: placing, moving, removing and choosing them, with pointer or keys, and how they are drawn. */
export class Workbench {
  /** @type {{point: string, at: Position} | null} */ #dragged = null;
  /** @type {string | null} */ #hovered = null;
  #telling = 0;
  /** @type {Position | null} */ pointer = null;
  /** @type {Position | null} Where a key would place a point */ cursor = null;
  /** @type {Region | null} */ region = null;
  crosshair = false;
  /** @type {() => void} */ onPointer = () => {};
  /** @type {() => void} */ onNoClass = () => {};
  /** @type {import("./tools.js").Tool | null} What is in the hand in place of single points */ tool = null;

  /**
   * @param {Store} store
   * @param {Viewer} viewer
   */
  constructor(store, viewer) {
    this.store = store;
    this.viewer = viewer;
    const gestures = (this.gestures = new Gestures(viewer, {
      hit: (at, reach) => this.#hit(at, reach),
      fixed: (point) => Boolean(store.points.get(point)?.question),
      place: (at) => this.place(at),
      select: (point) => this.select(point),
      drag: (point, at) => this.#drag(point, at),
      drop: (point, at) => this.#drop(point, at),
      cancel: () => this.#cancel(),
      remove: (point) => this.remove(point),
      hover: (at, point) => this.#hover(at, point),
    }));
    gestures.positionOf = (point) => store.points.get(point) ?? { x: 0, y: 0 };
    store.on("image", () => {
      this.cursor = this.pointer = this.#hovered = this.#dragged = null;
      this.mark(null);
    });
  }

  // Points

  /**
   * Make a point of a class, usually the current one.
   * @param {Position} at
   * @param {string | null} [current]
   */
  place(at, current = this.store.current) {
    const { store } = this;
    const { image } = store;
    if (!image || !inside(at, image)) return;
    if (!current) {
      this.onNoClass();
      return;
    }
    clearTimeout(this.#telling);
    const place = this.held(at);
    const point = newId();
    store.selected = null;
    store.do({
      image: image.id,
      text: "point",
      redo: [{ id: "", kind: "add", point, image: image.id, x: place.x, y: place.y, class: current }],
      undo: [{ id: "", kind: "delete", point }],
    });
    store.tell("selected");
    const { region } = this;
    if (
      region &&
      at.x >= region.x &&
      at.y >= region.y &&
      at.x < region.x + region.width &&
      at.y < region.y + region.height
    ) {
      this.mark(null);
    }
    say(
      `${store.classOf(current)?.name} at ${place.x.toFixed(0)}, ${place.y.toFixed(0)}. ${counted(store.points.size, "point")}.`,
    );
  }

  /** @param {string} id */
  remove(id) {
    const { store } = this;
    const point = store.points.get(id);
    if (!point || !store.image) return;
    const { question } = point;
    if (question) {
      // A question stays; only its answer can be taken back.
      const seconds = question.seconds && Number.isFinite(+question.seconds) ? +question.seconds : null;
      const told = { seconds, answered_by: question.answered_by };
      store.do({
        image: store.image.id,
        text: "answer taken back",
        redo: [{ id: "", kind: "reopen", point: id }],
        undo: [{ id: "", kind: "answer", point: id, class: point.class, ...told }],
      });
      store.tell("selected");
      say(`Answer ${store.classOf(point.class)?.name ?? ""} taken back. The question is open again.`);
      return;
    }
    store.do({
      image: store.image.id,
      text: "removal",
      redo: [{ id: "", kind: "delete", point: id }],
      undo: [{ id: "", kind: "restore", point: id }],
    });
    store.tell("selected");
    say(`${store.classOf(point.class)?.name ?? "Point"} removed. ${counted(store.points.size, "point")}.`);
  }

  /** Remove the chosen point, or else the one under the pointer. */
  removeChosen() {
    const id = this.store.selected ?? this.#hovered;
    if (id) this.remove(id);
  }

  /** Give the chosen point the current class. */
  relabelChosen() {
    const { store } = this;
    const point = store.selected ? store.points.get(store.selected) : undefined;
    if (!point || !store.image || !store.current || point.class === store.current) return;
    store.do({
      image: store.image.id,
      text: "class of a point",
      redo: [{ id: "", kind: "relabel", point: point.id, class: store.current }],
      undo: [{ id: "", kind: "relabel", point: point.id, class: point.class }],
    });
    say(`Now ${store.classOf(store.current)?.name}`);
  }

  /** @param {string | null} id */
  select(id) {
    const { store } = this;
    store.selected = id;
    store.tell("selected");
    const point = id ? store.points.get(id) : undefined;
    if (point)
      say(`${store.classOf(point.class)?.name ?? "Point"} at ${point.x.toFixed(0)}, ${point.y.toFixed(0)} chosen`);
  }

  /**
   * Choose the next point, or the one before; the keyboard's cursor goes there.
   * @param {1 | -1} step
   */
  cycle(step) {
    const ids = [...this.store.points.keys()];
    if (!ids.length) {
      say("No points on this image");
      return;
    }
    const index = this.store.selected ? ids.indexOf(this.store.selected) : step > 0 ? -1 : 0;
    const id = ids[(index + step + ids.length) % ids.length];
    const point = /** @type {Point} */ (this.store.points.get(id));
    this.cursor = { x: point.x, y: point.y };
    this.viewer.reveal(point);
    this.select(id);
  }

  /** @param {string} id @param {Position} at */
  #move(id, at) {
    const { store } = this;
    const point = store.points.get(id);
    if (!point || !store.image) return;
    const place = this.held(at);
    store.do({
      image: store.image.id,
      text: "move",
      redo: [{ id: "", kind: "move", point: id, x: place.x, y: place.y }],
      undo: [{ id: "", kind: "move", point: id, x: point.x, y: point.y }],
    });
    say(`Moved to ${place.x.toFixed(0)}, ${place.y.toFixed(0)}`);
  }

  /** A place inside the image, to a hundredth of a pixel. @param {Position} at @returns {Position} */
  held(at) {
    const { width, height } = /** @type {import("./view.js").Size} */ (this.store.image);
    const hold = (/** @type {number} */ value, /** @type {number} */ length) =>
      Math.min(length - 0.01, Math.max(0, Math.round(value * 100) / 100));
    return { x: hold(at.x, width), y: hold(at.y, height) };
  }

  // Pointer

  /** @param {Position} at @param {number} reach */
  #hit(at, reach) {
    const points = [...this.store.points.values()];
    const index = nearestPoint(points, at, this.viewer.view, reach);
    return index < 0 ? null : points[index].id;
  }

  /** @param {string} point @param {Position} at */
  #drag(point, at) {
    this.#dragged = { point, at: this.held(at) };
    this.viewer.canvas.classList.add("dragging");
    this.viewer.redraw();
  }

  /** @param {string} point @param {Position} at */
  #drop(point, at) {
    this.#cancel();
    this.#move(point, at);
  }

  #cancel() {
    this.#dragged = null;
    this.viewer.canvas.classList.remove("dragging");
    this.viewer.redraw();
  }

  /** @param {Position | null} at @param {string | null} point */
  #hover(at, point) {
    const { image } = this.store;
    this.pointer = at && image && inside(at, image) ? at : null;
    if (this.pointer) this.cursor = null;
    this.#hovered = point;
    const { classList } = this.viewer.canvas;
    classList.toggle("on-point", point !== null);
    classList.toggle("on-answer", point !== null && Boolean(this.store.points.get(point)?.question));
    this.viewer.redraw();
    this.onPointer();
  }

  // Keyboard

  /**
   * Move the keyboard's cursor; the first key puts it into the middle of what can be seen.
   * @param {number} dx @param {number} dy  −1, 0 or 1
   * @param {boolean} fine  By one pixel
   */
  moveCursor(dx, dy, fine) {
    const { image } = this.store;
    if (!image) return;
    clearTimeout(this.#telling);
    if (!this.cursor) {
      const { width, height } = this.viewer.screen;
      const middle = this.pointer ?? toImage(this.viewer.view, { x: width / 2, y: height / 2 });
      this.cursor = this.#centre(middle);
    } else {
      const step = fine ? 1 : Math.max(1, Math.round(STRIDE / this.viewer.view.scale));
      this.cursor = this.#centre({ x: this.cursor.x + dx * step, y: this.cursor.y + dy * step });
    }
    this.pointer = null;
    const { x, y } = this.cursor;
    this.#telling = window.setTimeout(() => say(`Cursor at ${x.toFixed(0)}, ${y.toFixed(0)}`), QUIET);
    this.viewer.reveal(this.cursor);
    this.tool?.follow(this.cursor);
    this.viewer.redraw();
    this.onPointer();
  }

  /** The centre of the pixel a place is in. @param {Position} at @returns {Position} */
  #centre(at) {
    const { width, height } = /** @type {import("./view.js").Size} */ (this.store.image);
    const hold = (/** @type {number} */ value, /** @type {number} */ length) =>
      Math.min(length - 1, Math.max(0, Math.floor(value))) + 0.5;
    return { x: hold(at.x, width), y: hold(at.y, height) };
  }

  /** Place a point where the keyboard's cursor is. */
  placeAtCursor() {
    if (this.cursor && this.tool) this.tool.press(this.cursor);
    else if (this.cursor) this.place(this.cursor);
    else this.moveCursor(0, 0, false);
  }

  /** Bring the chosen point to the keyboard's cursor. */
  moveChosen() {
    const { selected } = this.store;
    if (selected && this.store.points.get(selected)?.question)
      toast({ found: "This is an answer to a question. Chance chose its place, so it stays there." });
    else if (selected && this.cursor) this.#move(selected, this.cursor);
    else toast({ found: "Choose a point with J or K, then go to its new place with the arrow keys, then press M." });
  }

  /** Let go of what is chosen and marked. */
  release() {
    if (this.tool?.drop()) return;
    this.mark(null);
    this.cursor = null;
    if (this.store.selected) this.select(null);
    this.viewer.redraw();
    this.onPointer();
  }

  /**
   * Mark a region of the image; null marks nothing.
   * @param {Region | null} region
   */
  mark(region) {
    this.region = region;
    this.viewer.canvas.dataset.region = region ? "shown" : "";
    this.viewer.redraw();
  }

  // Drawing

  /** @type {Painter} */
  paintRegion = (context, view, screen) => {
    if (this.region) drawRegion(context, view, this.region, screen);
  };

  /** @type {Painter} */
  paintPoints = (context, view, screen) => {
    const { store } = this;
    const looks = new Map(store.classes.map((one) => [one.id, one]));
    for (const point of store.points.values()) {
      const dragged = this.#dragged?.point === point.id ? this.#dragged.at : null;
      const at = toScreen(view, dragged ?? point);
      if (at.x < -20 || at.y < -20 || at.x > screen.width + 20 || at.y > screen.height + 20) continue;
      const one = looks.get(point.class);
      drawMark(context, at, {
        color: one?.color ?? "#ffffff",
        background: one?.background ?? false,
        question: Boolean(point.question),
        selected: point.id === store.selected,
        hovered: point.id === this.#hovered,
        waiting: point.waiting ?? false,
      });
    }
  };

  /** @type {Painter} */
  paintAids = (context, view, screen) => {
    const { image } = this.store;
    if (!image) return;
    if (this.crosshair && this.pointer && !this.#dragged) drawCrosshair(context, toScreen(view, this.pointer), screen);
    if (this.cursor)
      drawCursor(
        context,
        toScreen(view, this.cursor),
        this.store.classOf(this.store.current ?? "")?.color ?? "#ffffff",
      );
  };
}
