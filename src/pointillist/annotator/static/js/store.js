/**
 * What the page knows: the project, the image on show, and the points and classes as they are with every operation of
 * this person applied, also those still on their way. The server's word and the waiting operations are kept apart and
 * put together on each change, so nothing has to be taken back when an answer differs from what was hoped for.
 *
 * @import { Entry, Operation, Queue, Result } from "./queue.js"
 * @typedef {{id: string, name: string, color: string, background: boolean, points: number}} Class
 * @typedef {{id: string, x: number, y: number, class: string, version: number, question?: {seconds: string, answered_by: string} | null, waiting?: boolean}} Point
 * @typedef {{x: number, y: number, width: number, height: number, score?: number}} Region
 * @typedef {{level: number, width: number, height: number, columns: number, rows: number}} Level
 * @typedef {{id: string, name: string, index: number, width: number, height: number, stamp: string, tile: number, levels: Level[]}} Frame  What is needed to show an image
 * @typedef {Frame & {bands: import("./bands.js").Bands, points: Point[]}} ImageInfo
 * @typedef {{image: string | null, text: string, redo: Operation[], undo: Operation[], question?: import("./ask.js").Question}} Step  A change that can be undone
 */

import { ApiError, get, newId } from "./api.js";
import { applyToClasses, applyToPoints } from "./applying.js";

/** More operations than this are never under way at a time. */
const REMEMBERED = 1000;

export class Store extends EventTarget {
  /** @type {any} */ project = null;
  /** @type {ImageInfo | null} */ image = null;
  /** @type {{found: string, hint: string} | null} */ imageError = null;
  /** @type {Map<string, Point>} Of the image on show, in the order they were made */ points = new Map();
  /** @type {Class[]} */ classes = [];
  /** @type {string | null} Id of the class that a click gets */ current = null;
  /** @type {string | null} Id of the chosen point */ selected = null;
  /** @type {Map<string, Point>} As the server has them */ #known = new Map();
  /** @type {Map<string, Point>} Points that went, in case they are restored */ #gone = new Map();
  /** @type {Step[]} */ #done = [];
  /** @type {Step[]} */ #undone = [];
  /** @type {number} The newest image asked for; answers about older ones are dropped */ #ticket = 0;
  /** @type {{seq: number, point: any}[]} What was heard last, in case an answer on its way is older than that */ #recent =
    [];
  #csvHeard = 0;
  /** What the classes here know of at least; an older answer would take the newest away for a moment */ #newest = 0;
  #refreshing = 0;

  /**
   * @param {string} client  Id of this tab
   */
  constructor(client) {
    super();
    this.client = client;
  }

  /**
   * Take the project as it is and send operations through a queue from now on.
   * @param {any} project
   * @param {Queue} queue
   */
  begin(project, queue) {
    this.queue = queue;
    queue.onResult = (entry, result) => this.#settled(entry, result);
    queue.onAnswer = (answer) => this.tell("cost", answer.cost);
    this.#takeProject(project);
  }

  /** Ask for the project again, soon; several wishes make one request. */
  refreshProject() {
    clearTimeout(this.#refreshing);
    this.#refreshing = window.setTimeout(async () => {
      try {
        const heard = this.#csvHeard;
        const project = await get("/project");
        // Without a class that has come since; that class has asked again.
        if (project.seq < this.#newest) return;
        // What was heard while the answer was on its way is newer.
        if (heard !== this.#csvHeard) project.csv = this.project.csv;
        this.#takeProject(project);
      } catch {
        // The connection's own state already shows that the server is away; the next change asks again.
      }
    }, 150);
  }

  /** An answer on its way may be older than what was heard meanwhile. @param {any} csv */
  takeCsv(csv) {
    if (csv.written < this.project.csv.written) return;
    this.project.csv = csv;
    this.#csvHeard += 1;
  }

  /** @param {any} project */
  #takeProject(project) {
    const heard = this.project?.csv;
    this.project = project;
    this.#newest = project.seq;
    if (heard?.written > project.csv.written) project.csv = heard;
    this.#derive();
    this.tell("project");
    this.tell("cost", project.cost);
  }

  /**
   * Tell listeners that something changed.
   * @param {string} name
   * @param {any} [detail]
   */
  tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /**
   * Listen to one or more kinds of change.
   * @param {string} names  Separated by blanks
   * @param {(detail: any) => void} listener
   */
  on(names, listener) {
    for (const name of names.split(" ")) {
      this.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail));
    }
  }

  // Images

  /**
   * Show an image. The newest wish wins; without a connection the image on show stays.
   * @param {string} id
   */
  async open(id) {
    const ticket = ++this.#ticket;
    let info = null;
    /** @type {ApiError | null} */
    let trouble = null;
    try {
      info = await get(`/images/${id}`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.passing) throw error;
      trouble = error;
    }
    if (ticket !== this.#ticket) return;
    const same = info !== null && this.image?.id === info.id;
    this.image = info;
    this.imageError = trouble;
    if (!same) this.selected = null;
    if (!same) this.#gone.clear();
    this.#takePoints(info?.points ?? [], info?.seq ?? 0);
    this.tell(same ? "points" : "image");
  }

  /** Ask for the points of the image on show again. */
  async refreshPoints() {
    const id = this.image?.id;
    if (!id) return;
    try {
      const { points, seq } = await get(`/images/${id}/points`);
      if (this.image?.id !== id) return;
      this.#takePoints(points, seq);
      this.tell("points");
      this.tell("acknowledged");
    } catch {
      // As above: shown elsewhere, asked again with the next connection.
    }
  }

  // What a person does

  /**
   * Do something that can be undone.
   * @param {Step} step
   */
  do(step) {
    this.#done.push(step);
    this.#undone = [];
    this.#apply(step.redo);
  }

  /** @returns {Step | undefined} */ get undoable() {
    return this.#done.at(-1);
  }
  /** @returns {Step | undefined} */ get redoable() {
    return this.#undone.at(-1);
  }

  /** Take the last change back. @returns {Step | undefined} */
  undo() {
    const step = this.#done.pop();
    if (!step) return undefined;
    this.#undone.push(step);
    this.#apply(step.undo);
    return step;
  }

  /** Make the last change that was taken back again. @returns {Step | undefined} */
  redo() {
    const step = this.#undone.pop();
    if (!step) return undefined;
    this.#done.push(step);
    // A point that was added and taken away again comes back as what it was.
    this.#apply(step.redo.map(again));
    return step;
  }

  /** Forget what could be undone; after a merge the old steps would speak of a class that is gone. */
  forgetSteps() {
    this.#done = [];
    this.#undone = [];
    this.tell("steps");
  }

  /** @param {Operation[]} ops  Templates; each gets an id of its own every time it is applied */
  #apply(ops) {
    /** @type {Operation[]} */
    const fresh = ops.map((op) => {
      const known = this.#known.get(op.point);
      const base = known && ["move", "relabel", "delete", "reopen"].includes(op.kind) ? { base: known.version } : {};
      const seen = op.kind === "erase" ? { points: op.points.map((/** @type {any} */ one) => this.#seen(one)) } : {};
      return { ...op, ...base, ...seen, id: newId() };
    });
    this.queue?.add(fresh);
    this.#derive();
    if (fresh.some((op) => op.point || op.points)) this.tell("points");
    if (fresh.some(onMask)) this.tell("mask");
    if (fresh.some((op) => !op.point && !op.points && !onMask(op))) this.tell("project");
    this.tell("steps");
  }

  /** A point of an erasure, with the version that this page knows. @param {{point: string}} erased */
  #seen({ point }) {
    const known = this.#known.get(point);
    return known ? { point, base: known.version } : { point };
  }

  // What the server says

  /** @param {Entry} entry @param {Result} result */
  #settled(entry, result) {
    const { op } = entry;
    const points = result.point ? [result.point] : (result.points ?? []);
    for (const point of points) this.#hear(result.seq ?? 0, point);
    if (result.status === "rejected") this.tell("rejected", { op, error: result.error });
    if (onMask(op)) {
      this.tell("mask-settled", { op, result });
      return;
    }
    if (result.status === "kept") this.tell("kept", { op, point: result.point });
    if (!op.point && !points.length && result.status !== "rejected") {
      // Until the project is asked again, what was hoped for is what is true.
      this.project.classes = applyToClasses(this.project.classes, [op]);
      applyToPoints(this.#known, this.#gone, op, this.image?.id ?? null);
      this.#newest = Math.max(this.#newest, result.seq ?? 0);
    }
    this.refreshProject();
    this.#derive();
    this.tell("points");
    this.tell("acknowledged");
  }

  /**
   * A change that somebody made, perhaps this tab itself.
   * @param {{seq: number, client: string, op: Operation, point: any, points?: any[]}} change
   */
  heard(change) {
    if (change.client === this.client) return;
    this.refreshProject();
    this.tell("elsewhere", change);
    if (onMask(change.op)) return;
    const points = change.point ? [change.point] : (change.points ?? []);
    if (!points.length) {
      void this.refreshPoints();
      return;
    }
    for (const point of points) this.#hear(change.seq, point);
    if (points[0].image !== this.image?.id) return;
    this.#derive();
    this.tell("points");
    this.tell("acknowledged");
  }

  /**
   * The points of the image on show as they were at some moment, and what was heard of them since.
   * @param {Point[]} points @param {number} seq
   */
  #takePoints(points, seq) {
    this.#known = new Map(points.map((point) => [point.id, point]));
    for (const news of this.#recent) if (news.seq > seq) this.#takePoint(news.point);
    this.#derive();
  }

  /** @param {number} seq @param {any} point */
  #hear(seq, point) {
    this.#recent.push({ seq, point });
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    this.#takePoint(point);
  }

  /** @param {any} point */
  #takePoint(point) {
    if (point.image !== this.image?.id) return;
    const known = this.#known.get(point.id) ?? this.#gone.get(point.id);
    if (known && known.version > point.version) return;
    this.#gone.delete(point.id);
    this.#known.delete(point.id);
    (point.deleted ? this.#gone : this.#known).set(point.id, point);
  }

  /** Put the server's word and the waiting operations together. */
  #derive() {
    const waiting = this.queue?.entries ?? [];
    const points = new Map(this.#known);
    const gone = new Map(this.#gone);
    for (const { op } of waiting) applyToPoints(points, gone, op, this.image?.id ?? null);
    // What went is remembered with its last look, so that undoing while offline brings it back at once.
    for (const [id, point] of gone) if (!this.#known.has(id)) this.#gone.set(id, point);
    this.points = points;
    if (this.project)
      this.classes = applyToClasses(
        this.project.classes,
        waiting.map((entry) => entry.op),
      );
    if (this.selected && !points.has(this.selected)) this.selected = null;
    if (!this.classes.some((one) => one.id === this.current)) this.current = this.classes[0]?.id ?? null;
  }

  /** @param {string} id @returns {Class | undefined} */
  classOf(id) {
    return this.classes.find((one) => one.id === id);
  }
}

/** Whether an operation is about a mask. @param {Operation} op */
export const onMask = (op) => ["mask", "stroke", "take-back", "bring-back"].includes(op.kind);

/**
 * What makes a change again after it was taken back: points that were added come back as what they were.
 * @param {Operation} op
 * @returns {Operation}
 */
function again(op) {
  if (op.kind === "add") return { id: "", kind: "restore", point: op.point };
  if (op.kind === "scribble")
    return { id: "", kind: "unerase", points: op.points.map((/** @type {any} */ one) => one.point) };
  if (op.kind === "mask" || op.kind === "stroke") return { id: "", kind: "bring-back", item: op.stroke ?? op.mask };
  return op;
}
