import { say } from "./announce.js";
import { newId } from "./api.js";
import { counted } from "./dom.js";
import { drawMark } from "./marks.js";
import { inside, toScreen } from "./view.js";

/**
 * Strokes over points: a scribble makes many of one class, the eraser removes those under it. With keys, Enter puts the
 * pen down at the cursor, the arrows draw, and Enter lifts it.
 *
 * @import { Position, Size, View } from "./view.js"
 * @import { Workbench } from "./workbench.js"
 * @import { Painter } from "./viewer.js"
 */

/** Most points of a scribble; the server takes no more. */
const MOST = 40;
/** Points of a scribble lie at least so many CSS pixels apart: their marks can be told from one another. */
const APART = 28;
/** And at least this share of the image's √(width·height), so that a scribble far zoomed in does not flood. */
const SHARE = 1 / 40;
/** The eraser takes points whose middle is within so many CSS pixels. */
const REACH = 14;

/** @param {Position} a @param {Position} b */
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/**
 * Places evenly along a path, both ends included; so few that they lie `step` apart, and never more than `most`.
 * @param {Position[]} path @param {number} step @param {number} [most]
 * @returns {Position[]}
 */
export function along(path, step, most = MOST) {
  const ends = [0];
  for (let i = 1; i < path.length; i++) ends.push(ends[i - 1] + distance(path[i - 1], path[i]));
  const length = ends[ends.length - 1];
  const count = Math.min(most, Math.floor(length / step) + 1);
  if (count < 2) return path.slice(0, 1);
  const places = [];
  let i = 1;
  for (let k = 0; k < count; k++) {
    const goal = (length * k) / (count - 1);
    while (i < path.length - 1 && ends[i] < goal) i++;
    const share = ends[i] > ends[i - 1] ? Math.min(1, (goal - ends[i - 1]) / (ends[i] - ends[i - 1])) : 0;
    const [from, to] = [path[i - 1], path[i]];
    places.push({ x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share });
  }
  return places;
}

/**
 * How far a place is from a stretch.
 * @param {Position} at @param {Position} from @param {Position} to
 */
export function apart(at, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const squared = dx * dx + dy * dy;
  const share = squared ? Math.max(0, Math.min(1, ((at.x - from.x) * dx + (at.y - from.y) * dy) / squared)) : 0;
  return distance(at, { x: from.x + dx * share, y: from.y + dy * share });
}

/** What all strokes share: a path that grows under a pointer or the keyboard's cursor. */
export class Stroke {
  /** @type {Position[]} Image coordinates */ path = [];
  /** Whether keys draw */ #keyed = false;
  /** @type {string | null} Where it began */ #image = null;
  lead = "";

  /** @param {Workbench} bench */
  constructor(bench) {
    this.bench = bench;
    this.store = bench.store;
    this.pen = {
      begin: (/** @type {Position} */ at) => this.#begin(at),
      move: (/** @type {Position} */ at) => this.#extend(at),
      end: () => this.#end(),
      cancel: () => void this.drop(),
    };
    // A stroke belongs to the image it was begun on.
    this.store.on("image", () => void this.drop());
  }

  /** @param {Position} at */
  #begin(at) {
    this.#image = this.store.image?.id ?? null;
    this.path = this.#image && this.ready() ? [at] : [];
    if (this.path.length) this.grown();
    this.bench.viewer.redraw();
  }

  /** @param {Position} at */
  #extend(at) {
    const last = this.path.at(-1);
    // Less than a third of a pixel of the screen is a trembling hand.
    if (!last || distance(last, at) * this.bench.viewer.view.scale < 0.33) return;
    this.path.push(at);
    this.grown();
    this.bench.viewer.redraw();
  }

  #end() {
    const { path } = this;
    this.#keyed = false;
    this.path = [];
    if (path.length && this.#image === this.store.image?.id) this.finish(path);
    this.bench.viewer.redraw();
  }

  /** @param {Position} at */
  press(at) {
    if (this.#keyed) {
      this.#end();
      return;
    }
    this.#begin(at);
    this.#keyed = this.path.length > 0;
    if (this.#keyed) say("Pen down. Arrows draw, Enter lifts it, Escape drops the stroke.");
  }

  /** @param {Position} at */
  follow(at) {
    if (this.#keyed) this.#extend(at);
  }

  drop() {
    const there = this.path.length > 0;
    this.#keyed = false;
    this.path = [];
    this.bench.viewer.redraw();
    if (there) say("Stroke dropped");
    return there;
  }

  /** Whether a stroke can begin. @returns {boolean} */
  ready() {
    return true;
  }

  /** The path has become longer. */
  grown() {}

  /** What a whole stroke does. @param {Position[]} _path */
  finish(_path) {}
}

export class Scribble extends Stroke {
  lead = "Draw over one object: points of the current class follow the stroke.";

  ready() {
    if (!this.store.current) this.bench.onNoClass();
    return this.store.current !== null;
  }

  /** @param {Position[]} path @returns {Position[]} */
  #places(path) {
    const image = /** @type {Size} */ (this.store.image);
    const step = Math.max(APART / this.bench.viewer.view.scale, SHARE * Math.sqrt(image.width * image.height));
    return along(path, step)
      .filter((at) => inside(at, image))
      .map((at) => this.bench.held(at));
  }

  /** @param {Position[]} path */
  finish(path) {
    const { store } = this;
    const { image, current } = store;
    const points = this.#places(path).map((at) => ({ point: newId(), ...at }));
    if (!image || !current || !points.length) return;
    if (points.length === 1) {
      this.bench.place(points[0]);
      return;
    }
    store.do({
      image: image.id,
      text: "scribble",
      redo: [{ id: "", kind: "scribble", image: image.id, class: current, points }],
      undo: [{ id: "", kind: "erase", points: points.map(({ point }) => ({ point })) }],
    });
    say(`${store.classOf(current)?.name}: scribble of ${counted(points.length, "point")}.`);
  }

  /** @type {Painter} */
  paint = (context, view) => {
    if (!this.path.length) return;
    const one = this.store.classOf(this.store.current ?? "");
    const color = one?.color ?? "#ffffff";
    drawPath(context, view, this.path, [
      ["rgb(0 0 0 / 0.5)", 6],
      ["#ffffff", 4],
      [color, 2],
    ]);
    for (const at of this.#places(this.path))
      drawMark(context, toScreen(view, at), { color, background: one?.background ?? false, waiting: true });
  };
}

export class Eraser extends Stroke {
  lead = "Draw over points to remove them.";

  /** @param {Position[]} path @returns {string[]} Points under it */
  #under(path) {
    const reach = REACH / this.bench.viewer.view.scale;
    const hit = (/** @type {Position} */ point) =>
      path.some((at, index) => apart(point, path[Math.max(0, index - 1)], at) <= reach);
    return [...this.store.points.values()].filter((point) => !point.question && hit(point)).map((point) => point.id);
  }

  /** @param {Position[]} path */
  finish(path) {
    const { store } = this;
    const points = this.#under(path);
    if (!points.length || !store.image) return;
    store.do({
      image: store.image.id,
      text: "erasure",
      redo: [{ id: "", kind: "erase", points: points.map((point) => ({ point })) }],
      undo: [{ id: "", kind: "unerase", points }],
    });
    store.tell("selected");
    say(`${counted(points.length, "point")} removed. ${counted(store.points.size, "point")} left.`);
  }

  /** @type {Painter} */
  paint = (context, view) => {
    const at = this.path.at(-1) ?? this.bench.cursor ?? this.bench.pointer;
    if (this.path.length) {
      drawPath(context, view, this.path, [["rgb(255 255 255 / 0.45)", 2 * REACH]]);
      for (const id of this.#under(this.path)) {
        const seen = toScreen(view, /** @type {Position} */ (this.store.points.get(id)));
        drawPath(
          context,
          { scale: 1, x: 0, y: 0 },
          [
            { x: seen.x - 9, y: seen.y - 9 },
            { x: seen.x + 9, y: seen.y + 9 },
          ],
          [
            ["#000000", 4],
            ["#ffffff", 2],
          ],
        );
      }
    }
    if (at) drawCircle(context, toScreen(view, at), REACH);
  };
}

/**
 * @param {CanvasRenderingContext2D} context @param {View} view
 * @param {Position[]} path  Image coordinates
 * @param {[string, number][]} looks  Colours and widths, from below to above
 */
export function drawPath(context, view, path, looks) {
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  for (const at of path) {
    const seen = toScreen(view, at);
    context.lineTo(seen.x, seen.y);
  }
  if (path.length === 1) {
    const seen = toScreen(view, path[0]);
    context.lineTo(seen.x, seen.y + 0.01);
  }
  for (const [style, width] of looks) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

/** @param {CanvasRenderingContext2D} context @param {Position} at @param {number} radius  CSS pixels */
export function drawCircle(context, at, radius) {
  for (const [style, width] of /** @type {[string, number][]} */ ([
    ["rgb(0 0 0 / 0.7)", 3],
    ["#ffffff", 1.5],
  ])) {
    context.beginPath();
    context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}
