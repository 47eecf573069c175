import { takeBack, toast } from "./announce.js";
import { byId } from "./dom.js";

/**
 * @import { Queue } from "./queue.js"
 * @import { Store } from "./store.js"
 */

const AGAIN = 3000;

/** What the server tells by itself, and whether it is there at all. */
export class Connection {
  #up = true;
  #server = "";
  #seq = 0;
  /** @type {string} The trouble that was last told, so that it is told once */ #told = "";
  /** @type {(name: string, data: any) => void} */ onEvent = () => {};
  /** @type {() => void} */ onBack = () => {};

  /**
   * @param {Store} store
   * @param {Queue} queue
   */
  constructor(store, queue) {
    this.store = store;
    this.queue = queue;
    this.#seq = store.project.seq;
    queue.onState = () => this.draw();
    queue.onProblem = (problem) => toast(problem, "bad");
    window.addEventListener("online", () => queue.retry());
    // A page that the browser had put aside and shows again has missed what happened meanwhile.
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
    this.#listen();
    this.draw();
  }

  #listen() {
    const source = new EventSource(`/api/events?after=${this.#seq}`);
    // Each connection begins with a hello, which says whose folder is served here now.
    let ours = true;
    source.addEventListener("error", () => {
      this.#turn(false);
      if (!ours) {
        // The browser would ask whoever comes next for what follows the other folder's last number.
        source.close();
        this.queue.retry();
      }
      // Browsers give up after an answer that is no stream of events, for instance while the server starts.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.#listen(), AGAIN);
    });
    source.addEventListener("hello", (event) => {
      const { server, folder } = JSON.parse(event.data);
      ours = folder === this.queue.folder;
      if (!ours) {
        this.queue.hold();
        return;
      }
      this.#turn(true);
      if (this.#server && server !== this.#server) this.onBack();
      this.#server = server;
    });
    source.addEventListener("change", (event) => {
      if (!ours) return;
      const change = JSON.parse(event.data);
      this.#seq = Math.max(this.#seq, change.seq);
      this.store.heard(change);
    });
    const work = ["training", "learning", "model", "predictions", "applying", "work"];
    for (const name of [...work, "advice", "next", "csv", "levels", "masks"]) {
      source.addEventListener(name, (event) => {
        if (ours) this.onEvent(name, JSON.parse(/** @type {MessageEvent} */ (event).data));
      });
    }
    source.addEventListener("rest", () => {
      // Newer windows of this browser need the connection; this one goes on where it stopped when it is looked at.
      source.close();
      window.addEventListener("focus", () => this.#listen(), { once: true });
    });
    window.addEventListener("pagehide", () => source.close(), { once: true });
  }

  /** @param {boolean} up */
  #turn(up) {
    if (up && !this.#up) this.queue.retry();
    this.#up = up;
    this.draw();
  }

  /** Show how things stand. */
  draw() {
    const { queue } = this;
    const waiting = queue.entries.length;
    const state = queue.state === "saved" && !this.#up ? "offline" : queue.state;
    const box = byId("connection");
    const words = {
      saved: "Saved",
      saving: "Saving…",
      offline: waiting ? `Offline, ${waiting} kept here` : "Offline",
      refused: waiting ? `Not saved, ${waiting} kept here` : "Not saved",
      elsewhere: waiting ? `Other folder, ${waiting} kept here` : "Other folder",
    };
    const text = words[state];
    if (byId("connection-text").textContent !== text) byId("connection-text").textContent = text;
    box.dataset.state = state === "elsewhere" ? "refused" : state;
    box.title = queue.problem ? `${queue.problem.found} ${queue.problem.hint}` : "";
    const trouble = queue.problem?.found ?? "";
    if (trouble && trouble !== this.#told) {
      takeBack(this.#told);
      toast(/** @type {any} */ (queue.problem), "bad");
    }
    if (trouble) this.#told = trouble;
    else if (this.#told && state === "saved") {
      takeBack(this.#told);
      toast({ found: "The server is back, and everything is saved." });
      this.#told = "";
    }
  }
}
