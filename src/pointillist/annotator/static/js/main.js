/** Puts the parts together: one page, one folder of images. */

import { get, newId } from "./api.js";
import { Advice } from "./advice.js";
import { clearToasts, orTell, say, toast } from "./announce.js";
import { AskPanel } from "./ask.js";
import { BandsPanel } from "./bands.js";
import { Catalogue } from "./catalogue.js";
import { ChecksPanel } from "./checks.js";
import { ClassesPanel, swatch } from "./classes.js";
import { commands } from "./commands.js";
import { Connection } from "./connection.js";
import { byId, counted, el, icon, refill } from "./dom.js";
import { FilesPanel } from "./files.js";
import { Gallery } from "./gallery.js";
import { Keys } from "./keys.js";
import { Layer } from "./layer.js";
import { LearnOn } from "./learnon.js";
import { Lens } from "./lens.js";
import { Brush, Mask } from "./mask.js";
import { NextPanel } from "./next.js";
import { PointList } from "./pointlist.js";
import { PredictPanel } from "./predictpanel.js";
import { Predictions } from "./predictions.js";
import { Queue } from "./queue.js";
import { Regions } from "./regions.js";
import { Removal } from "./removal.js";
import { Store } from "./store.js";
import { Eraser, Scribble } from "./strokes.js";
import { setUpTabs } from "./tabs.js";
import { Thumbnails } from "./thumbnails.js";
import { Tiles } from "./tiles.js";
import { Tools } from "./tools.js";
import { TrainingPanel } from "./training.js";
import { grid, Viewer } from "./viewer.js";
import { Work } from "./work.js";
import { Workbench } from "./workbench.js";

const store = new Store(newId());
const viewer = new Viewer(byId("canvas"));
const tiles = new Tiles();
const bench = new Workbench(store, viewer);
const tools = new Tools(bench);
tools.add("scribble", "Scribble", "scribble", "S", new Scribble(bench));
tools.add("eraser", "Eraser", "eraser", "E", new Eraser(bench));
const lens = new Lens(byId("lens"), viewer);
const layer = new Layer(store);
const predictions = new Predictions(store, layer, viewer);
const gallery = new Gallery(store);
const predict = new PredictPanel(store);
const mask = new Mask(store, layer);
const regions = new Regions(bench);
// What is corrected or accepted is what is on the screen; a mask takes the place of what the clicks mean.
mask.looked = () => predictions.mode === "clicks";
mask.token = () => predictions.token;
regions.token = () => (mask.active ? null : predictions.token);
/** A server that was started anew does not know what it showed before. */
const showAgain = () => {
  layer.ask();
  predictions.renew();
};
regions.onGone = showAgain;
tools.add("region", "This region is …", "region", "W", regions);
tools.add("brush", "Brush on the mask", "brush", "B", new Brush(bench, mask, false));
tools.add("clear", "Undecided, on the mask", "clear", "U", new Brush(bench, mask, true));
const catalogue = new Catalogue();
const thumbnails = new Thumbnails(byId("thumbnails"), catalogue);
const bands = new BandsPanel(store);
const classes = new ClassesPanel(store);
const training = new TrainingPanel(store);
const advice = new Advice(store);
const learnOn = new LearnOn(store, training);
const next = new NextPanel(store);
const work = new Work();
const ask = new AskPanel(store, work);
const checks = new ChecksPanel(store, ask, work, () => viewer.redraw());
const points = new PointList(store);
const files = new FilesPanel(store);
const removal = new Removal(store);
files.onDecide = () => removal.ask(true);
/** Place of the image on show in the list of images. */
let place = -1;
/** How many images are on their way: until they are here, the place in the list is that of the last one. */
let opening = 0;
/** Name of the image that was asked for last, in case it cannot be shown. */
let wanted = "";

// The canvas, from below to above

viewer.painters = [
  tiles.paint,
  (...given) => (mask.active ? mask : predictions).paint(...given),
  grid(() => viewer.image),
  bench.paintRegion,
  regions.paint,
  bench.paintPoints,
  predictions.paintMarks,
  checks.paint,
  bench.paintAids,
  tools.paint,
];
viewer.lensPainters = [tiles.paint];
tiles.onLoaded =
  layer.onChange =
  mask.onChange =
    () => {
      viewer.redraw();
      lens.draw();
    };
predictions.onChange = () => {
  mask.draw();
  layer.onChange();
};
tiles.onFirstLook = (shown) => (byId("first-look").hidden = !shown);
bands.onView = (view) => tiles.look(view);
bands.onRest = (view) => {
  thumbnails.look(view);
  next.look(view);
  ask.tiles.look(view);
};
bench.onPointer = () => {
  const at = bench.pointer ?? bench.cursor;
  lens.look(at);
  const seen = at && predictions.classAt(at);
  byId("position").textContent = at
    ? `x ${at.x.toFixed(1)}   y ${at.y.toFixed(1)}${seen ? `   predicted: ${seen.name}` : ""}`
    : "";
};
bench.onNoClass = () => {
  toast({ found: "Add a class first: what is it that you click?" });
  classes.startAdding();
};
viewer.watch(() => {
  const percent = viewer.view.scale * (window.devicePixelRatio || 1) * 100;
  byId("zoom-text").textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  lens.draw();
});
store.on("points project current selected", () => viewer.redraw());

byId("canvas").addEventListener("pointerdown", clearToasts);

// Images

/**
 * Show an image.
 * @param {{id: string, name: string, region?: import("./store.js").Region | null}} item  With a place to look at
 */
async function open({ id, name, region = null }) {
  const { queue } = store;
  if (queue?.problem && queue.state === "elsewhere") {
    // The list may by now name images of the other folder; a click on one would have no place in this one.
    toast(queue.problem, "bad");
    return;
  }
  wanted = name;
  await orTell(() => store.open(id));
  if (store.image?.id !== id || !region) return;
  bench.mark(region);
  viewer.frame(region);
  say(`${name}. The model is unsure in the marked region.`);
}

store.on("image", () => {
  const { image, imageError } = store;
  tiles.show(image);
  viewer.show(image);
  lens.look(null);
  byId("position").textContent = "";
  byId("image-name").textContent = byId("image-name").title = image?.name ?? (wanted || "No image");
  if (image) {
    history.replaceState(null, "", `#${image.id}`);
    if (!opening) showPlace();
    say(`${image.name}, ${counted(store.points.size, "point")}`);
    void prepareNeighbour();
  }
  drawPlace();
  drawTrouble(imageError);
});
store.on("points image", () => {
  if (!store.image) return;
  catalogue.count(store.image.id, store.points.size);
  const { name, width, height } = store.image;
  byId("canvas").setAttribute(
    "aria-label",
    `${name}, ${width} by ${height} pixels, ${counted(store.points.size, "point")}`,
  );
});

/** Find the image on show in the list. */
function showPlace() {
  const { image } = store;
  place = !image ? -1 : catalogue.show === "all" ? image.index : catalogue.indexOf(image.id);
  thumbnails.choose(place);
  drawPlace();
}

function drawPlace() {
  const outside = place < 0 ? "" : `${(place + 1).toLocaleString("en")} of ${catalogue.total.toLocaleString("en")}`;
  byId("image-place").textContent = outside;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place + 1 >= catalogue.total;
}

/** @param {{found: string, hint: string} | null} trouble */
function drawTrouble(trouble) {
  const box = byId("stage-empty");
  box.hidden = !trouble;
  if (!trouble) return;
  box.replaceChildren(
    el("h2", { text: "This image cannot be shown" }),
    el("p", { text: trouble.found }),
    el("p", { text: trouble.hint }),
  );
}

/** Walk through the list as it is filtered. @param {1 | -1} step */
async function walk(step) {
  const index = Math.max(-1, place) + step;
  if (index < 0 || index >= catalogue.total) {
    say(step > 0 ? "This is the last image" : "This is the first image");
    return;
  }
  // The next press counts from here, also where it comes before the image.
  place = index;
  const item = await orTell(() => catalogue.item(index));
  if (item) await openAt(index, item);
  else showPlace();
}

/**
 * Show the image at a place of the list, which stays the place also when it cannot be shown.
 * @param {number} index
 * @param {import("./catalogue.js").Item} item
 */
async function openAt(index, item) {
  place = index;
  thumbnails.choose(index);
  opening++;
  await open({ id: item.id, name: item.name });
  opening--;
  if (!opening && store.image && store.image.id !== item.id) showPlace();
}

/** Have the next image at hand before it is asked for. */
async function prepareNeighbour() {
  try {
    const item = await catalogue.item(place + 1);
    if (item) tiles.prepare(await get(`/images/${item.id}`));
    if (item) void predictions.prepare(item.id);
  } catch {
    // An image that cannot be read tells so when it is opened.
  }
}

thumbnails.onChoose = async (index) => {
  const item = await orTell(() => catalogue.item(index));
  if (item) await openAt(index, item);
};
byId("previous").addEventListener("click", () => void walk(-1));
byId("next").addEventListener("click", () => void walk(1));
byId("filter").addEventListener("change", async () => {
  await orTell(() => catalogue.reset(byId("filter").value));
  byId("thumbnails").scrollTo(0, 0);
  showPlace();
});
next.onChoose = (suggestion) => void open(suggestion);
predict.onGallery = () => gallery.open();
gallery.onChoose = (item, mode) => {
  predictions.show(mode);
  void open(item).then(() => byId("canvas").focus());
};

// The chosen point

points.onChoose = predictions.onContradicted = (id) => {
  const point = store.points.get(id);
  if (point) viewer.reveal(point);
  bench.select(id);
};
points.onRemove = (id) => bench.remove(id);
store.on("selected points current project image", () => {
  const bar = byId("point-bar");
  const point = store.selected ? store.points.get(store.selected) : undefined;
  const one = point && store.classOf(point.class);
  const current = store.classOf(store.current ?? "");
  bar.hidden = !point;
  if (!point) return;
  refill(bar, [point, one, current], () => [
    ...(one ? [swatch(one)] : []),
    el("span", { class: "name", text: one?.name ?? "unknown class" }),
    ...(point.question ? [el("span", { class: "note", text: "answer" })] : []),
    el("span", { class: "note number", text: `${point.x.toFixed(1)}, ${point.y.toFixed(1)}` }),
    ...(current && current.id !== point.class
      ? [el("button", { class: "small", text: `Make it ${current.name}`, onclick: () => bench.relabelChosen() })]
      : []),
    el(
      "button",
      {
        class: "quiet",
        "aria-label": point.question ? "Take this answer back" : "Remove this point",
        title: point.question ? "Take the answer back (Delete)" : "Remove (Delete)",
        onclick: () => bench.removeChosen(),
      },
      icon("bin"),
    ),
    el(
      "button",
      {
        class: "quiet",
        "aria-label": "Let go of this point",
        title: "Let go (Escape)",
        onclick: () => bench.release(),
      },
      icon("close"),
    ),
  ]);
});

// Undo and redo lead to the image where they act

/** @param {"undo" | "redo"} way */
async function step(way) {
  if (ask.asking) {
    ask.back(way);
    return;
  }
  const done = way === "undo" ? store.undo() : store.redo();
  if (!done) {
    say(way === "undo" ? "Nothing to undo" : "Nothing to redo");
    return;
  }
  if (done.image && done.image !== store.image?.id) await open({ id: done.image, name: "" });
  checks.stepped(done, way === "undo");
  say(`${way === "undo" ? "Undone" : "Redone"}: ${done.text}. ${counted(store.points.size, "point")}.`);
}

byId("undo").addEventListener("click", () => void step("undo"));
byId("redo").addEventListener("click", () => void step("redo"));
store.on("steps", () => {
  byId("undo").disabled = !store.undoable;
  byId("redo").disabled = !store.redoable;
});

// Progress and cost

store.on("project", () => {
  const { images, name } = store.project;
  byId("folder").textContent = name;
  document.title = `${name} · pointillist`;
  byId("progress-text").textContent =
    `${images.labelled.toLocaleString("en")} of ${images.total.toLocaleString("en")} clicked`;
  byId("progress").value = images.total ? images.labelled / images.total : 0;
});
store.on("cost", (cost) => {
  byId("cost-clicks").textContent = cost.clicks.toLocaleString("en");
  byId("cost-word").textContent = cost.clicks === 1 ? "click" : "clicks";
  byId("cost-minutes").textContent =
    cost.minutes < 10 ? cost.minutes.toFixed(1) : Math.round(cost.minutes).toLocaleString("en");
  byId("cost-answers").hidden = !cost.answers;
  const each = cost.seconds_per_answer === null ? "" : `, ${cost.seconds_per_answer.toFixed(1)} s each`;
  byId("cost-answers").textContent = `${counted(cost.answers, "answer")}${each}`;
});
let refreshing = 0;
store.on("elsewhere", () => {
  clearTimeout(refreshing);
  refreshing = window.setTimeout(() => void orTell(() => catalogue.refresh()), 800);
});
store.on("acknowledged elsewhere model", () => next.refresh());
store.on("rejected", ({ error }) => {
  toast(error, "bad");
  if (error.field === "layer") showAgain();
});
store.on("kept", () =>
  toast({
    found: "That point was changed in another window, so it was not removed.",
    hint: "Remove it again if it should go.",
  }),
);

// View

/** @param {string} id @param {boolean} on */
const press = (id, on) => byId(id).setAttribute("aria-pressed", String(on));
const toggleCrosshair = () => {
  bench.crosshair = !bench.crosshair;
  press("toggle-cross", bench.crosshair);
  viewer.redraw();
};
const toggleLens = () => {
  lens.shown = !lens.shown;
  press("toggle-lens", lens.shown);
  lens.draw();
};
byId("zoom-in").addEventListener("click", () => viewer.zoom(1.5));
byId("zoom-out").addEventListener("click", () => viewer.zoom(1 / 1.5));
byId("zoom-actual").addEventListener("click", () => viewer.actualSize());
byId("zoom-fit").addEventListener("click", () => viewer.fit());
byId("toggle-cross").addEventListener("click", toggleCrosshair);
byId("toggle-lens").addEventListener("click", toggleLens);
setUpTabs(byId("tabs"), () => {
  points.draw();
  next.refresh();
  ask.refresh();
  void predict.visit();
  checks.refresh();
});

/** Zoom around what is pointed at. @param {number} factor */
function zoomHere(factor) {
  const at = bench.cursor ?? bench.pointer;
  const { scale, x, y } = viewer.view;
  viewer.zoom(factor, at ? { x: at.x * scale + x, y: at.y * scale + y } : undefined);
}

const keys = new Keys(
  commands({
    store,
    viewer,
    bench,
    tools,
    regions,
    mask,
    layer,
    predictions,
    gallery,
    classes,
    next,
    ask,
    walk,
    step,
    zoomHere,
    toggleCrosshair,
    toggleLens,
    help,
  }),
  ask.commands(help),
);
ask.onAsking = (asking) => {
  keys.asking = asking;
  if (!asking) void orTell(() => catalogue.refresh());
};
checks.onOpen = async ({ id, name, region }) => {
  if (store.image?.id !== id) await open({ id, name });
  if (store.image?.id === id) viewer.frame(region);
};
checks.onKeys = (commands) => (keys.first = commands);
ask.onNoClass = () => classes.startAdding();

function help() {
  keys.help();
}

byId("help-open").addEventListener("click", help);

// Begin

async function begin() {
  const project = await get("/project");
  const queue = new Queue(project.id, store.client, project.limits.ops);
  store.begin(project, queue);
  predict.take(project.applying);
  work.take(project.work);
  const connection = new Connection(store, queue);
  tiles.mayAsk = ask.tiles.mayAsk = () => queue.state !== "elsewhere";
  connection.onEvent = (name, data) => {
    if (name === "training") training.take(data);
    else if (name === "advice") advice.take(data);
    else if (name === "learning") learnOn.take(data);
    else if (name === "work") work.take(data);
    else if (name === "csv") store.takeCsv(data);
    else if (name === "model") store.refreshProject();
    else if (name === "predictions") store.project.predictions = data;
    else if (name === "applying") predict.take(data);
    else if (name === "levels") {
      tiles.renew(data);
      thumbnails.renew(data);
      if (store.image && store.image.id in data) {
        layer.ask();
        predictions.ask();
      }
    }
    store.tell(name);
    if (name === "next") next.refresh();
  };
  connection.onBack = () => {
    tiles.retry();
    ask.tiles.retry();
    mask.refresh();
    store.refreshProject();
    void store.refreshPoints();
    void orTell(() => catalogue.refresh());
  };
  files.onImported = connection.onBack;
  await queue.flush();
  await catalogue.reset();
  const last = location.hash.slice(1);
  if (/^[0-9a-f]{24}$/.test(last)) await store.open(last);
  const first = store.image ? undefined : await catalogue.item(0);
  if (first) await openAt(0, first);
  if (!store.classes.length) classes.startAdding();
}

await orTell(begin);
