/**
 * Which bands of an image are seen as red, green and blue, and what is black and white. View only: no label changes.
 *
 * @import { Store } from "./store.js"
 * @typedef {{names: string[], type: string, display: number[], choice: boolean}} Bands
 */

import { byId, el, refill } from "./dom.js";

const COLOURS = ["red", "green", "blue"];
const STRETCHES = ["data", "image"];
/** How long the hand must rest before the pictures in the list follow, in ms. */
const REST = 600;

export class BandsPanel {
  /** @type {(view: string) => void} The image on show is to be seen so */ onView = () => {};
  /** @type {(view: string) => void} The same for the pictures in the list, a little later */ onRest = () => {};
  #view = "";
  #resting = 0;

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.section = byId("bands-panel");
    byId("bands-usual").addEventListener("click", () => this.#choose(""));
    // Before all others hear of the image: its first picture is asked for as it is to be seen.
    store.on("image", () => this.#show());
  }

  /** How images of so many bands were last looked at here. @param {Bands} bands */
  #kept(bands) {
    const kept = localStorage.getItem(this.#key(bands)) ?? "";
    const [count, three, stretch, ...rest] = kept.split("-");
    const places = (three ?? "").split(".").map(Number);
    const fits = places.length === 3 && places.every((place) => bands.names[place - 1] !== undefined);
    return !rest.length && Number(count) === bands.names.length && fits && STRETCHES.includes(stretch) ? kept : "";
  }

  /** @param {Bands} bands */
  #key(bands) {
    return `pointillist-view/${this.store.project.id}/${bands.names.length}`;
  }

  #show() {
    const bands = this.store.image?.bands;
    this.section.hidden = !bands?.choice;
    this.#tell(bands?.choice ? this.#kept(bands) : "");
  }

  /** @param {string} view */
  #tell(view) {
    this.#view = view;
    this.#draw();
    this.onView(view);
    clearTimeout(this.#resting);
    this.#resting = window.setTimeout(() => this.onRest(view), REST);
  }

  /** @param {string} view */
  #choose(view) {
    const bands = this.store.image?.bands;
    if (!bands) return;
    if (view) localStorage.setItem(this.#key(bands), view);
    else localStorage.removeItem(this.#key(bands));
    this.#tell(view);
  }

  #draw() {
    const bands = this.store.image?.bands;
    if (!bands?.choice) return;
    const [, three, stretch] = this.#view.split("-");
    const places = three ? three.split(".") : bands.display.map(String);
    byId("bands-usual").disabled = !this.#view;
    refill(byId("bands"), bands, () => [
      ...(bands.names.length > 1
        ? [el("div", { class: "band-row" }, ...COLOURS.map((colour) => this.#select(colour, bands.names)))]
        : []),
      el(
        "div",
        { class: "field" },
        el("label", { for: "stretch", text: "Black to white" }),
        el(
          "select",
          { id: "stretch", onchange: () => this.#chosen() },
          el("option", { value: "data", text: "Range of the data set" }),
          el("option", { value: "image", text: "Range of this image" }),
        ),
      ),
      el("p", { class: "note", text: "For the eye only: labels, layers and trainings do not change." }),
    ]);
    COLOURS.forEach((colour, index) => {
      if (bands.names.length > 1) byId(`band-${colour}`).value = places[index];
    });
    byId("stretch").value = stretch || "data";
  }

  /** @param {string} colour @param {string[]} names */
  #select(colour, names) {
    return el(
      "div",
      { class: "field" },
      el("label", { for: `band-${colour}`, text: colour[0].toUpperCase() + colour.slice(1) }),
      el(
        "select",
        { id: `band-${colour}`, onchange: () => this.#chosen() },
        ...names.map((name, index) => el("option", { value: String(index + 1), text: name })),
      ),
    );
  }

  #chosen() {
    const bands = /** @type {Bands} */ (this.store.image?.bands);
    const several = bands.names.length > 1;
    const places = COLOURS.map((colour, index) => (several ? byId(`band-${colour}`).value : bands.display[index]));
    this.#choose(`${bands.names.length}-${places.join(".")}-${byId("stretch").value}`);
  }
}
