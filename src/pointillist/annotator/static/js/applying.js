/**
 * Operations applied on the page, before the server has answered.
 *
 * @import { Operation } from "./queue.js"
 * @import { Class, Point } from "./store.js"
 */

/**
 * What an operation makes of the points of an image.
 * @param {Map<string, Point>} points  Changed
 * @param {Map<string, Point>} gone  Changed
 * @param {Operation} op
 * @param {string | null} image
 */
export function applyToPoints(points, gone, op, image) {
  const point = points.get(op.point);
  if (op.kind === "add" && op.image === image) {
    points.set(op.point, { id: op.point, x: op.x, y: op.y, class: op.class, version: 0, waiting: true });
  } else if (op.kind === "move" && point) {
    points.set(op.point, { ...point, x: op.x, y: op.y, waiting: true });
  } else if (op.kind === "relabel" && point) {
    points.set(op.point, { ...point, class: op.class, waiting: true });
  } else if (op.kind === "answer" && op.class && (point ?? gone.has(op.point))) {
    const known = /** @type {Point} */ (point ?? gone.get(op.point));
    points.set(op.point, { ...known, class: op.class, waiting: true });
  } else if ((op.kind === "delete" || op.kind === "reopen" || op.kind === "answer") && point) {
    points.delete(op.point);
    gone.set(op.point, point);
  } else if (op.kind === "restore" && gone.has(op.point)) {
    points.set(op.point, { .../** @type {Point} */ (gone.get(op.point)), waiting: true });
  } else if (op.kind === "scribble" && op.image === image) {
    for (const { point: id, x, y } of op.points)
      points.set(id, { id, x, y, class: op.class, version: 0, waiting: true });
  } else if (op.kind === "erase") {
    for (const { point: id } of op.points) {
      const erased = points.get(id);
      if (!erased || erased.question) continue;
      points.delete(id);
      gone.set(id, erased);
    }
  } else if (op.kind === "unerase") {
    for (const id of op.points) {
      const erased = gone.get(id);
      if (erased) points.set(id, { ...erased, waiting: true });
    }
  } else if (op.kind === "class-merge") {
    for (const [id, one] of points) if (one.class === op.class) points.set(id, { ...one, class: op.into });
  }
}

/**
 * What operations make of the classes.
 * @param {Class[]} known
 * @param {Operation[]} ops
 * @returns {Class[]}
 */
export function applyToClasses(known, ops) {
  let classes = known.map((one) => ({ ...one }));
  for (const op of ops) {
    const one = classes.find((other) => other.id === op.class);
    if (op.kind === "class-add" && !one) {
      classes.push({ id: op.class, name: op.name, color: op.color, background: Boolean(op.background), points: 0 });
    } else if (op.kind === "class-rename" && one) one.name = op.name;
    else if (op.kind === "class-color" && one) one.color = op.color;
    else if (op.kind === "background") for (const other of classes) other.background = other.id === op.class;
    else if (op.kind === "class-merge" || op.kind === "class-remove") {
      classes = classes.filter((other) => other !== one);
    }
  }
  return classes;
}
