import { el, svg } from "./dom.js";

/**
 * @typedef {{name: string, dash?: string, color: string, points: [number, number][]}} Series
 */

const WIDTH = 280;
const HEIGHT = 132;
const MARGIN = { left: 34, right: 8, top: 8, bottom: 20 };

/**
 * A line plot. Its numbers are also there as text for those who do not see it.
 * @param {string} title
 * @param {Series[]} series
 * @param {boolean} share  Whether values run from 0 to 1
 * @returns {HTMLElement}
 */
export function plot(title, series, share) {
  const all = series.flatMap((one) => one.points);
  const epochs = Math.max(...all.map(([epoch]) => epoch), 2);
  const top = share ? 1 : nice(Math.max(...all.map(([, value]) => value), 1e-6));
  const x = (/** @type {number} */ epoch) =>
    MARGIN.left + ((epoch - 1) / (epochs - 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (/** @type {number} */ value) =>
    HEIGHT - MARGIN.bottom - (Math.min(value, top) / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const ticks = [0, 0.5, 1].flatMap((part) => [
    svg("line", { class: "grid", x1: x(1), x2: x(epochs), y1: y(part * top), y2: y(part * top) }),
    svg("text", { x: MARGIN.left - 6, y: y(part * top) + 4, "text-anchor": "end" }, short(part * top)),
  ]);
  const lines = series.flatMap((one) => {
    const [lastX, lastY] = one.points[one.points.length - 1];
    return [
      svg("polyline", {
        points: one.points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
        fill: "none",
        stroke: one.color,
        "stroke-width": 2,
        "stroke-dasharray": one.dash ?? null,
        "stroke-linejoin": "round",
      }),
      svg("circle", { cx: x(lastX), cy: y(lastY), r: 3, fill: one.color }),
    ];
  });
  const told = series.map((one) => `${one.name} ${short(one.points[one.points.length - 1][1])}`).join(", ");
  return el(
    "figure",
    { class: "plot" },
    el(
      "figcaption",
      {},
      el("h3", { text: title }),
      el(
        "span",
        { class: "legend" },
        ...series.map((one) =>
          el(
            "span",
            {},
            svg(
              "svg",
              { class: "line", viewBox: "0 0 18 4", "aria-hidden": "true" },
              svg("line", {
                x1: 0,
                x2: 18,
                y1: 2,
                y2: 2,
                stroke: one.color,
                "stroke-width": 3,
                "stroke-dasharray": one.dash ?? null,
              }),
            ),
            `${one.name} ${short(one.points[one.points.length - 1][1])}`,
          ),
        ),
      ),
    ),
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} after epoch ${epochs}: ${told}` },
      ...ticks,
      svg("text", { x: x(1), y: HEIGHT - 5 }, "1"),
      svg("text", { x: x(epochs), y: HEIGHT - 5, "text-anchor": "end" }, `epoch ${epochs}`),
      ...lines,
    ),
  );
}

/** The next round number. @param {number} value */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return /** @type {number} */ ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value)) * power;
}

/** @param {number} value */
function short(value) {
  return value >= 10 ? value.toFixed(0) : String(Number(value.toFixed(value < 1 ? 3 : 2)));
}
