import { orTell } from "./announce.js";
import { send } from "./api.js";
import { openDialog } from "./dialog.js";
import { counted, el } from "./dom.js";

/** Asks what shall happen where another program has taken many points out of points.csv. */
export class Removal {
  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  #asked = "";

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    store.on("csv project", () => this.ask());
  }

  /** @param {boolean} [again]  Also what was put off */
  ask(again = false) {
    const removal = this.store.project?.csv?.removal ?? null;
    if ((removal?.digest ?? "") === this.#asked && !again) return;
    this.#dialog?.close();
    this.#asked = removal?.digest ?? "";
    if (removal) this.#open(removal);
  }

  /** @param {{ digest: string, removed: number, of: number }} removal */
  #open({ digest, removed, of }) {
    const decide = (/** @type {boolean} */ remove) => () => {
      this.#dialog?.close();
      void orTell(() => send("/files/removal", { digest, remove }));
    };
    this.#dialog = openDialog(
      "Points are missing in points.csv",
      [
        el("p", {
          text:
            `Another program has taken ${removed} of ${counted(of, "point")} out of points.csv, or is still writing it. ` +
            "All of them are here still. Its file is kept as a backup whatever you choose.",
        }),
      ],
      [
        el("button", { id: "removal-remove", text: "Remove them here, too", onclick: decide(true) }),
        el("button", { id: "removal-keep", class: "primary", text: "Keep them", onclick: decide(false) }),
      ],
      () => true,
    );
  }
}
