import { request, upload } from "./api.js";
import { orTell, say } from "./announce.js";
import { byId, counted, el } from "./dom.js";

/**
 * @import { Store } from "./store.js"
 */

/** @param {number} bytes */
const megabytes = (bytes) => `${Math.ceil(bytes / 2 ** 20).toLocaleString("en")} MB`;

/** Labels in from other tools and out to them; points.csv in the folder is always current by itself. */
export class FilesPanel {
  /** @type {() => void} */ onImported = () => {};
  /** @type {() => void} */ onDecide = () => {};

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.box = byId("panel-files");
    this.csv = el("div", {});
    this.reading = el("select", {
      id: "import-format",
      onchange: () => this.#drawOptions(this.reading, this.readOptions),
    });
    this.readOptions = el("div", { class: "options" });
    this.file = el("input", {
      type: "file",
      id: "import-file",
      multiple: true,
      class: "visually-hidden",
      tabindex: "-1",
    });
    this.file.addEventListener("change", () => void this.#import());
    this.results = el("div", { class: "results", "aria-live": "polite" });
    this.writing = el("select", { id: "export-format", onchange: () => this.#drawExport() });
    this.writeOptions = el("div", { class: "options" });
    this.save = el("button", {
      class: "wide",
      id: "export-go",
      text: "Save",
      onclick: () => void orTell(() => this.#export()),
    });
    this.exportNote = el("p", { class: "note" });
    this.box.append(
      this.csv,
      el("h3", { text: "Import labels" }),
      el("div", { class: "field" }, el("label", { for: "import-format", text: "Format" }), this.reading),
      this.readOptions,
      el("label", { class: "visually-hidden", for: "import-file", text: "Label files" }),
      this.file,
      el("button", { class: "wide", id: "import-go", text: "Choose files…", onclick: () => this.file.click() }),
      this.results,
      el("h3", { text: "Export labels" }),
      el("div", { class: "field" }, el("label", { for: "export-format", text: "Format" }), this.writing),
      this.writeOptions,
      this.save,
      this.exportNote,
    );
    store.on("project csv", () => this.draw());
  }

  /** Show what the project says about its files. */
  draw() {
    const { cache, csv, formats, strays, images } = this.store.project;
    const notes = [];
    if (csv.removal)
      notes.push(el("button", { text: "Points are missing in points.csv…", onclick: () => this.onDecide() }));
    else if (csv.problem) notes.push(el("p", { class: "note bad", text: `${csv.problem.found} ${csv.problem.hint}` }));
    else
      notes.push(
        el("p", {
          class: "note",
          text: csv.current ? "points.csv in the folder is current." : "points.csv is being written…",
        }),
      );
    if (strays)
      notes.push(
        el("p", {
          class: "note warn",
          text: `${counted(strays, "point")} in points.csv belong to images that are not in the folder. They are kept.`,
        }),
      );
    if (images.left_out)
      notes.push(
        el("p", {
          class: "note warn",
          text: `${images.left_out}.`,
        }),
      );
    if (cache.bytes)
      notes.push(
        el("p", {
          class: "note",
          text:
            `Quick copies of large images take ${megabytes(cache.bytes)} in your own cache folder, at most ` +
            `${megabytes(cache.most)}. They can be removed at any time.`,
        }),
      );
    this.csv.replaceChildren(...notes);
    if (this.reading.options.length) return;
    const options = (/** @type {any[]} */ some) =>
      some.map((one) => el("option", { value: one.name, text: one.title }));
    this.reading.append(el("option", { value: "auto", text: "Recognise it" }), ...options(formats));
    this.writing.append(...options(formats));
    this.writing.value = "csv";
    this.#drawExport();
  }

  /** @param {HTMLSelectElement} select */
  #format(select) {
    return this.store.project.formats.find((/** @type {any} */ one) => one.name === select.value);
  }

  /**
   * A field for each option of the chosen format; most can stay empty.
   * @param {HTMLSelectElement} select @param {HTMLElement} box
   */
  #drawOptions(select, box) {
    box.replaceChildren(
      ...(this.#format(select)?.options ?? []).map((/** @type {string} */ name) =>
        el(
          "div",
          { class: "field" },
          el("label", { for: `${select.id}-${name}`, text: `${name}, if needed` }),
          el("input", { type: "text", id: `${select.id}-${name}`, "data-option": name, autocomplete: "off" }),
        ),
      ),
    );
  }

  /** @param {HTMLElement} box @returns {Record<string, string>} */
  #options(box) {
    const fields = /** @type {HTMLInputElement[]} */ ([...box.querySelectorAll("input")]);
    return Object.fromEntries(
      fields
        .filter((field) => field.value.trim())
        .map((field) => [`option.${field.dataset.option}`, field.value.trim()]),
    );
  }

  #drawExport() {
    this.#drawOptions(this.writing, this.writeOptions);
    this.exportNote.textContent = this.#format(this.writing)?.one_per_image
      ? "One file per image, together in a zip."
      : "";
  }

  async #export() {
    // Fetched first, so that a missing option is told on the page and not saved as a file.
    const query = new URLSearchParams({ format: this.writing.value, ...this.#options(this.writeOptions) });
    const answer = await request(`/export?${query}`);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "labels";
    const address = URL.createObjectURL(await answer.blob());
    el("a", { href: address, download: name }).click();
    // The browser has the bytes once it began to save them.
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    say(`Saved ${name}`);
  }

  async #import() {
    const files = [...this.file.files];
    this.file.value = "";
    this.results.replaceChildren();
    for (const file of files) {
      const query = new URLSearchParams({
        name: file.name,
        format: this.reading.value,
        add_classes: "1",
        ...this.#options(this.readOptions),
      });
      const busy = el("p", { class: "note", text: `Reading ${file.name}…` });
      this.results.append(busy);
      const answer = await orTell(() => upload(`/import?${query}`, file));
      busy.remove();
      if (answer) this.results.append(this.#result(file.name, answer));
    }
    this.onImported();
  }

  /** @param {string} name @param {any} answer */
  #result(name, answer) {
    const lines = [
      [answer.imported, "imported"],
      [answer.already_there, "already here"],
      ...Object.entries(answer.reasons).map(([reason, count]) => [count, `rejected: ${reason}`]),
    ].filter(([count]) => count);
    say(`${name}: ${answer.imported} of ${answer.total} points imported, ${answer.rejected} rejected`);
    return el(
      "div",
      { class: "result" },
      el("h4", { text: name }),
      el("p", { class: "note", text: `${counted(answer.total, "point")} found, read as ${answer.format}.` }),
      el(
        "ul",
        {},
        ...lines.map(([count, text]) => el("li", {}, el("b", { class: "number", text: String(count) }), ` ${text}`)),
      ),
      answer.added_classes.length
        ? el("p", { class: "note", text: `New classes: ${answer.added_classes.join(", ")}` })
        : null,
      ...answer.examples
        .slice(0, 3)
        .map((/** @type {any} */ one) => el("p", { class: "note", text: `${one.found} ${one.hint}` })),
    );
  }
}
