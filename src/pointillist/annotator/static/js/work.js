import { ApiError } from "./api.js";
import { el } from "./dom.js";

/** What is worked out in the background, one thing at a time, and how far it is. */
export class Work extends EventTarget {
  /** @type {any} */ status = { kind: null, state: "idle", done: 0, total: 0, error: null };

  /** @param {any} status */
  take(status) {
    this.status = status;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} kind */
  running(kind) {
    return this.status.state === "running" && this.status.kind === kind;
  }

  /**
   * Have something worked out, and wait until it is.
   * @param {string} kind @param {() => Promise<any>} begin
   * @throws {ApiError} It could not be
   */
  async run(kind, begin) {
    const answer = await begin();
    if (answer?.state && !this.running(kind)) this.take(answer);
    // The event of its beginning may be on its way still.
    else if (this.status.kind !== kind || this.status.state !== "running")
      this.take({ kind, state: "running", done: 0, total: 0, error: null });
    await new Promise((resolve) => {
      const look = () => {
        if (this.running(kind)) return;
        this.removeEventListener("change", look);
        resolve(null);
      };
      this.addEventListener("change", look);
      look();
    });
    const { state, error } = this.status;
    if (error) throw new ApiError(422, error);
    if (state === "stopped")
      throw new ApiError(422, { found: "This was stopped.", hint: "Begin again when you like." });
  }

  /**
   * A bar that shows how far something is, while it is worked out.
   * @param {string} kind @param {string} text
   */
  bar(kind, text) {
    const progress = el("progress", { max: "1", "aria-label": text });
    const note = el("span", { class: "note number" });
    const box = el("div", { class: "stack work", hidden: true }, note, progress);
    const draw = () => {
      const { done, total } = this.status;
      box.hidden = !this.running(kind);
      note.textContent = total ? `${text} ${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : text;
      if (total) progress.value = done / total;
      else progress.removeAttribute("value");
    };
    this.addEventListener("change", draw);
    draw();
    return box;
  }
}
