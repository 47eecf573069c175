import { toScreen } from "./view.js";

/**
 * How points look: a ring around the clicked pixel with nothing in its middle, so that what was clicked stays visible.
 * Background points are diamonds and answers to questions squares: they differ in shape, not only in colour.
 *
 * @import { Position, View } from "./view.js"
 * @typedef {{color: string, background: boolean, question?: boolean, selected?: boolean, hovered?: boolean, waiting?: boolean}} Look
 */

const RADIUS = 8;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Position} at  Screen coordinates
 * @param {Look} look
 */
export function drawMark(context, at, look) {
  const radius = RADIUS + (look.selected ? 2.5 : look.hovered ? 1 : 0);
  const outline = () => {
    context.beginPath();
    if (look.question) {
      const reach = radius * 0.9;
      context.rect(at.x - reach, at.y - reach, 2 * reach, 2 * reach);
    } else if (look.background) {
      const reach = radius * 1.2;
      context.moveTo(at.x, at.y - reach);
      context.lineTo(at.x + reach, at.y);
      context.lineTo(at.x, at.y + reach);
      context.lineTo(at.x - reach, at.y);
      context.closePath();
    } else {
      context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
    }
  };
  // Dark under light under colour: one of the three stands out on any image.
  const stroke = (/** @type {string} */ style, /** @type {number} */ width) => {
    outline();
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  };
  stroke("rgb(0 0 0 / 0.65)", look.selected ? 8.5 : 7);
  stroke("#ffffff", look.selected ? 7 : 5.5);
  context.setLineDash(look.waiting ? [3, 2] : []);
  stroke(look.color, look.selected ? 4 : 3);
  context.setLineDash([]);
}

/**
 * A red ring around a click that the model contradicts, with a cross at its shoulder.
 * @param {CanvasRenderingContext2D} context
 * @param {Position} at  Screen coordinates
 */
export function drawContradiction(context, at) {
  const [x, y] = [at.x + 13, at.y - 13];
  for (const [style, width] of /** @type {[string, number][]} */ ([
    ["#ffffff", 6],
    ["#c4001a", 3],
  ])) {
    context.beginPath();
    context.arc(at.x, at.y, 17, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
  context.beginPath();
  context.arc(x, y, 7.5, 0, 2 * Math.PI);
  context.fillStyle = "#c4001a";
  context.fill();
  context.beginPath();
  for (const way of [-1, 1]) {
    context.moveTo(x - 3, y - 3 * way);
    context.lineTo(x + 3, y + 3 * way);
  }
  context.lineWidth = 2;
  context.strokeStyle = "#ffffff";
  context.stroke();
}

/**
 * Lines through a place over the whole screen, open around the place itself.
 * @param {CanvasRenderingContext2D} context
 * @param {Position} at  Screen coordinates
 * @param {{width: number, height: number}} screen
 * @param {number} [gap]
 */
export function drawCrosshair(context, at, screen, gap = 14) {
  const lines = () => {
    context.beginPath();
    for (const [fromX, fromY, tillX, tillY] of [
      [0, at.y, at.x - gap, at.y],
      [at.x + gap, at.y, screen.width, at.y],
      [at.x, 0, at.x, at.y - gap],
      [at.x, at.y + gap, at.x, screen.height],
    ]) {
      context.moveTo(fromX, fromY);
      context.lineTo(tillX, tillY);
    }
  };
  for (const [style, width] of /** @type {[string, number][]} */ ([
    ["rgb(0 0 0 / 0.45)", 3],
    ["rgb(255 255 255 / 0.9)", 1],
  ])) {
    lines();
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

/**
 * A ring and four lines around one pixel, which itself and what is next to it stay free.
 * @param {CanvasRenderingContext2D} context
 * @param {Position} at  Image coordinates
 * @param {View} view
 */
export function drawTarget(context, at, view) {
  const middle = toScreen(view, at);
  const corner = toScreen(view, { x: Math.floor(at.x), y: Math.floor(at.y) });
  const radius = Math.max(20, view.scale * 2.2);
  for (const [style, width, gap] of /** @type {[string, number, number][]} */ ([
    ["rgb(0 0 0 / 0.7)", 4, 2],
    ["#ffffff", 2, 2],
  ])) {
    context.beginPath();
    context.arc(middle.x, middle.y, radius, 0, 2 * Math.PI);
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(middle.x + dx * radius, middle.y + dy * radius);
      context.lineTo(middle.x + dx * (radius + 22), middle.y + dy * (radius + 22));
    }
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
    // The frame lies around the pixel, not on it.
    context.strokeRect(corner.x - gap, corner.y - gap, view.scale + 2 * gap, view.scale + 2 * gap);
  }
}

/**
 * The keyboard's cursor: a small cross with corners, clearly no point yet.
 * @param {CanvasRenderingContext2D} context
 * @param {Position} at  Screen coordinates
 * @param {string} color
 */
export function drawCursor(context, at, color) {
  for (const [style, width] of /** @type {[string, number][]} */ ([
    ["rgb(0 0 0 / 0.7)", 5],
    ["#ffffff", 3],
    [color, 1.5],
  ])) {
    context.beginPath();
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(at.x + dx * 5, at.y + dy * 5);
      context.lineTo(at.x + dx * 16, at.y + dy * 16);
    }
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

/**
 * A box of the image with a dashed frame and the rest dimmed.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {{x: number, y: number, width: number, height: number}} box  Image coordinates
 * @param {{width: number, height: number}} screen
 */
export function drawRegion(context, view, box, screen) {
  const corner = toScreen(view, box);
  const [width, height] = [box.width * view.scale, box.height * view.scale];
  context.fillStyle = "rgb(10 14 20 / 0.32)";
  context.beginPath();
  context.rect(0, 0, screen.width, screen.height);
  context.rect(corner.x, corner.y, width, height);
  context.fill("evenodd");
  context.lineWidth = 2;
  context.strokeStyle = "#111722";
  context.strokeRect(corner.x, corner.y, width, height);
  context.setLineDash([7, 6]);
  context.strokeStyle = "#ffffff";
  context.strokeRect(corner.x, corner.y, width, height);
  context.setLineDash([]);
}

/**
 * Index of the point under a place of the screen, the nearest one; -1 when none is within reach.
 * @param {Position[]} points  Image coordinates
 * @param {Position} at  Screen coordinates
 * @param {View} view
 * @param {number} reach  CSS pixels: a finger needs more than a mouse
 */
export function nearestPoint(points, at, view, reach) {
  let [best, least] = [-1, reach];
  points.forEach((point, index) => {
    const seen = toScreen(view, point);
    const distance = Math.hypot(seen.x - at.x, seen.y - at.y);
    if (distance <= least) [best, least] = [index, distance];
  });
  return best;
}
