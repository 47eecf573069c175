/**
 * What hands do on the canvas, the same for mouse, pen and fingers: tap = place or select, drag on a point = move it,
 * drag elsewhere = pan, two fingers = pan and zoom, wheel = zoom, right button on a point = remove it.
 *
 * @import { Position } from "./view.js"
 * @import { Viewer } from "./viewer.js"
 *
 * @typedef {object} Actions  Positions are in image coordinates unless said otherwise
 * @property {(at: Position, reach: number) => string | null} hit  The point under a place of the screen, its id
 * @property {(point: string) => boolean} fixed  Whether a point stays where it is: a drag on it pans
 * @property {(at: Position) => void} place
 * @property {(point: string | null) => void} select
 * @property {(point: string, at: Position) => void} drag
 * @property {(point: string, at: Position) => void} drop
 * @property {() => void} cancel  A drag that ended elsewhere
 * @property {(point: string) => void} remove
 * @property {(at: Position | null, point: string | null) => void} hover
 *
 * @typedef {object} Pen  What draws in place of pointing and panning; positions are in image coordinates
 * @property {(at: Position) => void} begin
 * @property {(at: Position) => void} move
 * @property {() => void} end
 * @property {() => void} cancel  A second finger came, or the pointer was lost
 */

/** A press that moves less than this is a tap: fingers shake more than mice. */
const STILL = { mouse: 4, pen: 6, touch: 10 };
/** How far from a point it can still be grasped. */
const REACH = { mouse: 11, pen: 13, touch: 22 };

export class Gestures {
  /** @type {Map<number, Position>} Where each pointer was last, on the screen */ #pointers = new Map();
  /** @type {{id: number, from: Position, point: string | null, offset: Position, moved: boolean, fixed: boolean, kind: "mouse" | "pen" | "touch", force: boolean} | null} */
  #press = null;
  /** @type {Pen | null} While there is one, a press draws; the middle button, wheel and two fingers stay as they are */
  pen = null;
  /** @type {{id: number, pen: Pen} | null} */ #stroke = null;

  /**
   * @param {Viewer} viewer
   * @param {Actions} actions
   */
  constructor(viewer, actions) {
    this.viewer = viewer;
    this.actions = actions;
    const canvas = viewer.canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#lost(event));
    canvas.addEventListener("pointerleave", (event) => {
      if (!this.#pointers.size || event.pointerType === "mouse") actions.hover(null, null);
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** @param {PointerEvent} event @returns {"mouse" | "pen" | "touch"} */
  #kind(event) {
    return event.pointerType === "touch" || event.pointerType === "pen" ? event.pointerType : "mouse";
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const { viewer, actions } = this;
    if (!viewer.image) return;
    const at = viewer.locate(event);
    const kind = this.#kind(event);
    const point = actions.hit(at, REACH[kind]);
    // The right button, or the eraser of a pen.
    if (event.button === 2 || event.button === 5) {
      if (point !== null) actions.remove(point);
      return;
    }
    viewer.canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, at);
    if (this.#pointers.size > 1) {
      // A second finger: this is a pinch, whatever the first one began.
      this.#giveUp();
      return;
    }
    if (this.pen && event.button === 0) {
      this.#stroke = { id: event.pointerId, pen: this.pen };
      actions.hover(viewer.imageAt(event), null);
      this.pen.begin(viewer.imageAt(event));
      return;
    }
    // The middle button always pans; Shift places a point even on top of another.
    const taken = event.button === 1 || event.shiftKey ? null : point;
    let offset = { x: 0, y: 0 };
    if (taken !== null) {
      // The point keeps its distance to the finger that grasped it beside its middle.
      const where = viewer.imageAt(event);
      const own = this.positionOf(taken);
      offset = { x: own.x - where.x, y: own.y - where.y };
    }
    this.#press = {
      id: event.pointerId,
      from: at,
      point: taken,
      offset,
      moved: event.button === 1,
      fixed: taken !== null && actions.fixed(taken),
      kind,
      force: event.shiftKey,
    };
    actions.hover(viewer.imageAt(event), point);
  }

  /**
   * Where a point lies; set by whoever knows the points.
   * @type {(point: string) => Position}
   */
  positionOf = () => ({ x: 0, y: 0 });

  /** @param {PointerEvent} event */
  #move(event) {
    const { viewer, actions } = this;
    if (!viewer.image) return;
    const at = viewer.locate(event);
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) {
      actions.hover(viewer.imageAt(event), this.pen ? null : actions.hit(at, REACH[this.#kind(event)]));
      return;
    }
    if (this.#stroke?.id === event.pointerId) {
      this.#pointers.set(event.pointerId, at);
      actions.hover(viewer.imageAt(event), null);
      // Between two frames a fast hand goes far; the browser keeps the way.
      for (const one of event.getCoalescedEvents?.() ?? []) this.#stroke.pen.move(viewer.imageAt(one));
      this.#stroke.pen.move(viewer.imageAt(event));
      return;
    }
    if (this.#pointers.size === 2) {
      this.#pinch(event.pointerId, before, at);
      return;
    }
    const press = this.#press;
    this.#pointers.set(event.pointerId, at);
    if (!press || press.id !== event.pointerId) return;
    if (!press.moved && Math.hypot(at.x - press.from.x, at.y - press.from.y) < STILL[press.kind]) return;
    const first = !press.moved;
    press.moved = true;
    if (press.point !== null && !press.fixed) {
      actions.drag(press.point, this.#shifted(event, press.offset));
    } else {
      const from = first ? press.from : before;
      viewer.pan(at.x - from.x, at.y - from.y);
    }
    actions.hover(viewer.imageAt(event), press.point);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const { viewer, actions } = this;
    const press = this.#press;
    this.#pointers.delete(event.pointerId);
    if (this.#stroke?.id === event.pointerId) {
      const { pen } = this.#stroke;
      this.#stroke = null;
      pen.end();
      if (event.pointerType === "touch") actions.hover(null, null);
      return;
    }
    if (!press || press.id !== event.pointerId) return;
    this.#press = null;
    if (press.point !== null && press.moved && !press.fixed)
      actions.drop(press.point, this.#shifted(event, press.offset));
    else if (press.point !== null && !press.moved) actions.select(press.point);
    else if (!press.moved) actions.place(viewer.imageAt(event));
    // A finger that left the glass points nowhere.
    if (press.kind === "touch") actions.hover(null, null);
  }

  /** @param {PointerEvent} event */
  #lost(event) {
    this.#pointers.delete(event.pointerId);
    this.#giveUp();
  }

  #giveUp() {
    if (this.#press?.point && this.#press.moved) this.actions.cancel();
    this.#stroke?.pen.cancel();
    this.#stroke = null;
    this.#press = null;
    this.actions.hover(null, null);
  }

  /** @param {number} moved @param {Position} before @param {Position} at */
  #pinch(moved, before, at) {
    const other = [...this.#pointers].find(([id]) => id !== moved)?.[1] ?? at;
    this.#pointers.set(moved, at);
    const apart = (/** @type {Position} */ one) => Math.max(20, Math.hypot(one.x - other.x, one.y - other.y));
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    this.viewer.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
    this.viewer.zoom(apart(at) / apart(before), middle);
  }

  /** @param {PointerEvent} event @param {Position} offset */
  #shifted(event, offset) {
    const at = this.viewer.imageAt(event);
    return { x: at.x + offset.x, y: at.y + offset.y };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    // Wheels report pixels, lines or pages; a pinch on a touchpad comes as a wheel with Ctrl and small steps.
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const step = Math.max(-120, Math.min(120, event.deltaY * unit * (event.ctrlKey ? 5 : 1)));
    this.viewer.zoom(Math.exp(-step * 0.0022), this.viewer.locate(event));
    this.actions.hover(this.viewer.imageAt(event), null);
  }
}
