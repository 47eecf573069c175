/**
 * Operations that the server has not acknowledged yet. They stand in this browser's storage before they are sent and
 * leave it when the server has them on disk, so a lost connection, a killed server or a closed page loses none.
 * The server knows each operation by its id: sending one twice does no harm. It takes those of its own folder alone.
 *
 * @typedef {{id: string, kind: string, [key: string]: any}} Operation
 * @typedef {{key: string, client: string, op: Operation}} Entry
 * @typedef {{id: string, status: "done" | "repeated" | "kept" | "rejected", seq: number | null, point: any, points?: any[], error: any}} Result
 */

import { ApiError, post, stranger } from "./api.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 4000;

const ELSEWHERE = new ApiError(409, {
  found: "Another folder is served at this address now.",
  hint: "Clicks on this page are kept in this browser, and sent when its folder is served here again. Reload the page to work in the other folder.",
});

export class Queue {
  /** @type {Entry[]} */ entries = [];
  /** @type {"saved" | "saving" | "offline" | "refused" | "elsewhere"} */ state = "saved";
  /** @type {ApiError | null} */ problem = null;
  /** @type {(entry: Entry, result: Result) => void} */ onResult = () => {};
  /** @type {(answer: any) => void} */ onAnswer = () => {};
  /** @type {() => void} */ onState = () => {};
  /** @type {(error: {found: string, hint: string}) => void} */ onProblem = () => {};
  #sending = false;
  #wait = FIRST_WAIT;
  #timer = 0;
  #counter = 0;
  #single = false;
  /** @type {boolean} Nothing is sent, because another folder is served here */ #held = false;

  /**
   * Take over what an earlier page of the same folder left behind.
   * @param {string} folder  Id of the data folder: another one may have been served at this address before
   * @param {string} client  Id of this tab
   * @param {number} limit  Most operations per request
   */
  constructor(folder, client, limit) {
    this.folder = folder;
    this.prefix = `pointillist/${folder}/`;
    this.client = client;
    this.limit = limit;
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
    for (const key of keys.sort()) {
      const { client: sender, op } = JSON.parse(localStorage.getItem(key) ?? "{}");
      if (op) this.entries.push({ key, client: sender, op });
    }
  }

  /**
   * Keep operations and send them.
   * @param {Operation[]} ops
   */
  add(ops) {
    for (const op of ops) {
      // Keys sort as the operations were made, within a tab and between tabs.
      const order = `${Date.now().toString(36).padStart(9, "0")}-${(this.#counter++).toString(36).padStart(6, "0")}`;
      const entry = { key: `${this.prefix}${order}-${op.id}`, client: this.client, op };
      this.entries.push(entry);
      try {
        localStorage.setItem(entry.key, JSON.stringify({ client: entry.client, op }));
      } catch {
        this.onProblem({
          found: "This browser has no room left to keep unsent clicks.",
          hint: "Leave this page open until it says 'Saved'.",
        });
      }
    }
    void this.flush();
  }

  /** Send what is waiting, in order; on trouble, try again later. */
  async flush() {
    if (this.#sending) return;
    if (this.#held) {
      this.onState();
      return;
    }
    clearTimeout(this.#timer);
    this.#sending = true;
    try {
      while (this.entries.length) {
        if (this.state === "saved") this.#become("saving");
        await this.#sendBatch();
        this.#wait = FIRST_WAIT;
      }
      this.#become("saved");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.#held || (error.ours && error.status === 409)) {
        this.hold();
        return;
      }
      this.problem = error;
      this.#become(error.status === 0 ? "offline" : "refused");
      this.#timer = window.setTimeout(() => void this.flush(), this.#wait);
      this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2);
    } finally {
      this.#sending = false;
    }
  }

  /** Another folder is served here: keep everything, and ask no more until `retry`. */
  hold() {
    this.#held = true;
    clearTimeout(this.#timer);
    this.problem = ELSEWHERE;
    this.#become("elsewhere");
  }

  /** Try at once, because the connection is back. */
  retry() {
    this.#held = false;
    this.#wait = FIRST_WAIT;
    void this.flush();
  }

  async #sendBatch() {
    const { folder } = this;
    const { client } = this.entries[0];
    const limit = this.#single ? 1 : this.limit;
    let count = 0;
    while (count < limit && this.entries[count]?.client === client) count++;
    const batch = this.entries.slice(0, count);
    try {
      const answer = await post("/ops", { folder, client, ops: batch.map((entry) => entry.op) });
      const results = new Map(answer?.results?.map((/** @type {Result} */ result) => [result.id, result]));
      // Only what the answer speaks of is the server's.
      if (batch.some((entry) => !results.has(entry.op.id))) throw stranger(200);
      for (const entry of batch) this.#settle(entry, /** @type {Result} */ (results.get(entry.op.id)));
      this.#single = false;
      this.onAnswer(answer);
    } catch (error) {
      if (!(error instanceof ApiError) || error.passing) throw error;
      // The whole request was refused. One by one finds the operation that is at fault, and only that one goes.
      if (count > 1) {
        this.#single = true;
        return;
      }
      const { found, hint } = error;
      this.#settle(batch[0], {
        id: batch[0].op.id,
        status: "rejected",
        seq: null,
        point: null,
        error: { found, hint },
      });
    }
  }

  /** @param {Entry} entry @param {Result} result */
  #settle(entry, result) {
    this.entries = this.entries.filter((other) => other !== entry);
    localStorage.removeItem(entry.key);
    this.onResult(entry, result);
  }

  /** @param {Queue["state"]} state */
  #become(state) {
    this.state = state;
    if (state === "saved" || state === "saving") this.problem = null;
    this.onState();
  }
}
