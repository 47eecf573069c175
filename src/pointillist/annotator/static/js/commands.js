/** What the keys do, in the order of the help. */

import { toast } from "./announce.js";
import { counted } from "./dom.js";

/**
 * @import { AskPanel } from "./ask.js"
 * @import { ClassesPanel } from "./classes.js"
 * @import { Gallery } from "./gallery.js"
 * @import { Command } from "./keys.js"
 * @import { Layer } from "./layer.js"
 * @import { Mask } from "./mask.js"
 * @import { NextPanel } from "./next.js"
 * @import { Predictions } from "./predictions.js"
 * @import { Regions } from "./regions.js"
 * @import { Store } from "./store.js"
 * @import { Tools } from "./tools.js"
 * @import { Viewer } from "./viewer.js"
 * @import { Workbench } from "./workbench.js"
 */

/** Keys of the first ten classes. */
export const digits = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"];

/**
 * The class of a digit; where there is none, the page says so.
 * @param {Store} store
 * @param {string} key
 */
export function classAt(store, key) {
  const one = store.classes[digits.indexOf(key.slice(-1))];
  const there = counted(store.classes.length, "class", "classes");
  if (!one)
    toast({
      found: `No class has the key ${key.slice(-1)}: there ${store.classes.length === 1 ? "is" : "are"} ${there}.`,
    });
  return one;
}

const arrows = /** @type {Record<string, [number, number]>} */ ({
  arrowleft: [-1, 0],
  arrowright: [1, 0],
  arrowup: [0, -1],
  arrowdown: [0, 1],
});

/**
 * @param {object} parts
 * @param {Store} parts.store
 * @param {Viewer} parts.viewer
 * @param {Workbench} parts.bench
 * @param {Tools} parts.tools
 * @param {Regions} parts.regions
 * @param {Mask} parts.mask
 * @param {Layer} parts.layer
 * @param {Predictions} parts.predictions
 * @param {Gallery} parts.gallery
 * @param {ClassesPanel} parts.classes
 * @param {NextPanel} parts.next
 * @param {AskPanel} parts.ask
 * @param {(step: 1 | -1) => Promise<void>} parts.walk
 * @param {(way: "undo" | "redo") => Promise<void>} parts.step
 * @param {(factor: number) => void} parts.zoomHere
 * @param {() => void} parts.toggleCrosshair
 * @param {() => void} parts.toggleLens
 * @param {() => void} parts.help
 * @returns {Command[]}
 */
export function commands(parts) {
  const { store, viewer, bench, tools, regions, mask, layer, predictions, gallery, classes, next, ask } = parts;
  const { walk, step, zoomHere, toggleCrosshair, toggleLens, help } = parts;
  return [
    {
      group: "Classes and points",
      keys: digits,
      shown: ["1", "…", "0"],
      text: "Choose a class",
      run: (key) => {
        const one = classAt(store, key);
        if (one && regions.held) regions.answer(one.id);
        else if (one) classes.choose(one.id);
      },
    },
    { group: "Classes and points", keys: ["c"], shown: ["C"], text: "Add a class", run: () => classes.startAdding() },
    {
      group: "Classes and points",
      keys: Object.keys(arrows),
      shown: ["←", "↑", "↓", "→"],
      text: "Move the cursor, on the image",
      canvas: true,
      run: (key) => bench.moveCursor(...arrows[key], false),
    },
    {
      group: "Classes and points",
      keys: Object.keys(arrows).map((key) => `shift+${key}`),
      shown: ["Shift", "+", "→"],
      text: "Move the cursor by one pixel",
      canvas: true,
      run: (key) => bench.moveCursor(...arrows[key.slice(6)], true),
    },
    {
      group: "Classes and points",
      keys: ["enter", " "],
      shown: ["Enter"],
      text: "Place a point at the cursor",
      canvas: true,
      run: () => bench.placeAtCursor(),
    },
    {
      group: "Classes and points",
      keys: ["j"],
      shown: ["J"],
      text: "Choose the next point",
      run: () => bench.cycle(1),
    },
    {
      group: "Classes and points",
      keys: ["k"],
      shown: ["K"],
      text: "Choose the point before",
      run: () => bench.cycle(-1),
    },
    {
      group: "Classes and points",
      keys: ["m"],
      shown: ["M"],
      text: "Move the chosen point to the cursor",
      run: () => bench.moveChosen(),
    },
    {
      group: "Classes and points",
      keys: ["r"],
      shown: ["R"],
      text: "Give the chosen point the current class",
      run: () => bench.relabelChosen(),
    },
    {
      group: "Classes and points",
      keys: ["delete", "backspace"],
      shown: ["Delete"],
      text: "Remove the chosen point, or the one under the pointer",
      run: () => bench.removeChosen(),
    },
    {
      group: "Classes and points",
      keys: ["escape"],
      shown: ["Esc"],
      text: "Let go of point, cursor and marked region",
      run: () => void (regions.drop() || bench.release()),
    },
    { group: "In the hand", keys: ["p"], shown: ["P"], text: "Single points", run: () => tools.choose("points") },
    {
      group: "In the hand",
      keys: ["s"],
      shown: ["S"],
      text: "Scribble: many points in one stroke; Enter puts the pen down and lifts it",
      run: () => tools.choose("scribble"),
    },
    {
      group: "In the hand",
      keys: ["e"],
      shown: ["E"],
      text: "Eraser: removes the points under a stroke",
      run: () => tools.choose("eraser"),
    },
    {
      group: "Regions",
      keys: ["w"],
      shown: ["W"],
      text: "The region under the pointer is wrong; a digit then says what it is",
      run: () => void regions.wrong(),
    },
    {
      group: "Regions",
      keys: ["y"],
      shown: ["Y"],
      text: "The region under the pointer is right",
      run: () => void regions.right(),
    },
    {
      group: "Mask",
      keys: ["b"],
      shown: ["B"],
      text: "Brush: paints the current class on the mask",
      run: () => tools.choose("brush"),
    },
    {
      group: "Mask",
      keys: ["u"],
      shown: ["U"],
      text: "What is painted on the mask becomes undecided",
      run: () => tools.choose("clear"),
    },
    {
      group: "Mask",
      keys: ["["],
      shown: ["["],
      text: "Smaller brush",
      run: () => mask.setSize(mask.size / 1.25 - 0.5),
    },
    { group: "Mask", keys: ["]"], shown: ["]"], text: "Larger brush", run: () => mask.setSize(mask.size * 1.25 + 0.5) },
    {
      group: "Undo",
      keys: ["ctrl+z"],
      shown: ["Ctrl", "Z"],
      text: "Undo, also on other images",
      run: () => void step("undo"),
    },
    {
      group: "Undo",
      keys: ["ctrl+shift+z", "ctrl+y"],
      shown: ["Ctrl", "Y"],
      text: "Redo",
      run: () => void step("redo"),
    },
    { group: "Images", keys: ["d", "pagedown"], shown: ["D"], text: "Next image", run: () => void walk(1) },
    { group: "Images", keys: ["a", "pageup"], shown: ["A"], text: "Previous image", run: () => void walk(-1) },
    {
      group: "Images",
      keys: ["n"],
      shown: ["N"],
      text: "The image where a click teaches most",
      run: () => void next.advance(),
    },
    {
      group: "Images",
      keys: ["q"],
      shown: ["Q"],
      text: "To the questions of the program",
      run: () => ask.visit(),
    },
    {
      group: "Images",
      keys: ["o"],
      shown: ["O"],
      text: "The gallery of all predictions",
      run: () => gallery.open(),
    },
    { group: "View", keys: ["+", "="], shown: ["+"], text: "Zoom in", run: () => zoomHere(1.5) },
    { group: "View", keys: ["-"], shown: ["−"], text: "Zoom out", run: () => zoomHere(1 / 1.5) },
    { group: "View", keys: ["f"], shown: ["F"], text: "Whole image", run: () => viewer.fit() },
    {
      group: "View",
      keys: ["z"],
      shown: ["Z"],
      text: "One image pixel on one screen pixel",
      run: () => viewer.actualSize(),
    },
    { group: "View", keys: ["x"], shown: ["X"], text: "Crosshair", run: toggleCrosshair },
    { group: "View", keys: ["g"], shown: ["G"], text: "Magnifier", run: toggleLens },
    { group: "View", keys: ["l"], shown: ["L"], text: "Live layer: what your clicks mean", run: () => layer.toggle() },
    {
      group: "View",
      keys: ["v"],
      shown: ["V"],
      text: "Clicks mean, prediction, uncertainty, comparison in turn",
      run: () => predictions.cycle(1),
    },
    {
      group: "View",
      keys: ["shift+v"],
      shown: ["Shift", "V"],
      text: "The same, backwards",
      run: () => predictions.cycle(-1),
    },
    {
      group: "View",
      keys: [","],
      shown: [","],
      text: "Layer fainter",
      run: () => layer.setOpacity(layer.opacity - 0.1),
    },
    {
      group: "View",
      keys: ["."],
      shown: ["."],
      text: "Layer stronger",
      run: () => layer.setOpacity(layer.opacity + 0.1),
    },
    { group: "View", keys: ["?"], shown: ["?"], text: "This page", run: help },
  ];
}
