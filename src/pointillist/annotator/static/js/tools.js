import { say } from "./announce.js";
import { byId, el, icon } from "./dom.js";

/**
 * What can be in the hand: single points, or something that draws. There is one at a time.
 *
 * @import { Position } from "./view.js"
 * @import { Painter } from "./viewer.js"
 * @import { Workbench } from "./workbench.js"
 *
 * @typedef {object} Tool
 * @property {import("./gestures.js").Pen} pen  What a pointer does
 * @property {(at: Position) => void} press  Enter, at the keyboard's cursor
 * @property {(at: Position) => void} follow  The keyboard's cursor moved
 * @property {() => boolean} drop  Escape; whether there was something to let go of
 * @property {Painter} paint
 * @property {string} lead  What it does, in a sentence
 */

export class Tools {
  /** @type {Map<string, {tool: Tool | null, button: any, name: string}>} */ #all = new Map();
  chosen = "points";
  /** @type {() => void} */ onChange = () => {};

  /** @param {Workbench} bench */
  constructor(bench) {
    this.bench = bench;
    this.box = byId("hand");
    this.add("points", "Points", "point", "P", null);
    this.choose("points", false);
  }

  /**
   * @param {string} id
   * @param {string} name
   * @param {string} picture  Icon
   * @param {string} key
   * @param {Tool | null} tool
   */
  add(id, name, picture, key, tool) {
    const button = el(
      "button",
      {
        class: "quiet",
        id: `hand-${id}`,
        "aria-pressed": "false",
        "aria-label": name,
        title: `${name} (${key})`,
        onclick: () => this.choose(id),
      },
      icon(picture),
    );
    this.box.append(button);
    this.#all.set(id, { tool, button, name });
  }

  /**
   * Take something into the hand; the same one again lets go of it.
   * @param {string} id
   * @param {boolean} [told]
   */
  choose(id, told = true) {
    this.bench.tool?.drop();
    this.chosen = id === this.chosen && told ? "points" : id;
    for (const [other, { button }] of this.#all) button.setAttribute("aria-pressed", String(other === this.chosen));
    const { tool, name } = /** @type {any} */ (this.#all.get(this.chosen));
    this.bench.tool = tool;
    this.bench.gestures.pen = tool?.pen ?? null;
    this.bench.viewer.canvas.dataset.hand = this.chosen;
    this.bench.viewer.redraw();
    this.onChange();
    if (told) say(tool ? `${name}. ${tool.lead}` : name);
  }

  /** @type {Painter} */
  paint = (context, view, screen) => this.bench.tool?.paint(context, view, screen);
}
