/** Talking to the server this page came from; nobody else is asked. */

/** Answers of the server that are not about the request itself: a token, a name or a folder is not the right one. */
const NOT_NOW = [401, 403, 409, 429];

/**
 * What went wrong, in the server's words: what was found and what to do about it.
 */
export class ApiError extends Error {
  /**
   * @param {number} status  0: no answer came
   * @param {{found: string, hint: string}} error
   * @param {boolean} [ours]  Whether the annotator's server said so, and no other program at its address
   */
  constructor(status, error, ours = true) {
    super(error.found);
    this.status = status;
    this.found = error.found;
    this.hint = error.hint;
    this.ours = ours;
  }

  /** Whether the same request may go through later: no answer, a full disk, another folder, another program. */
  get passing() {
    return !this.ours || NOT_NOW.includes(this.status) || this.status >= 500;
  }
}

const KEPT = "Your clicks are kept in this browser. Start 'pointillist annotate' again; they are sent by themselves.";

const silence = () => new ApiError(0, { found: "The server does not answer.", hint: KEPT }, false);

/**
 * An answer that the annotator's server never gives.
 * @param {number} status
 */
export const stranger = (status) =>
  new ApiError(status, { found: `Something other than the annotator answers here (${status}).`, hint: KEPT }, false);

/**
 * @param {string} path  Below /api
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(`/api${path}`, { credentials: "same-origin", ...options });
  } catch {
    throw silence();
  }
  if (response.ok) return response;
  const error = (await content(response))?.error;
  if (typeof error?.found !== "string" || typeof error.hint !== "string") throw stranger(response.status);
  throw new ApiError(response.status, error);
}

/**
 * @param {Response} response
 * @returns {Promise<any>}
 * @throws {ApiError} It is no JSON, or broke off
 */
async function content(response) {
  try {
    return await response.json();
  } catch (error) {
    throw error instanceof SyntaxError ? stranger(response.status) : silence();
  }
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export const get = async (path) => content(await request(path));

/**
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<Response>}
 */
export const send = (path, body) =>
  request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Pointillist": "1" },
    body: JSON.stringify(body),
  });

/**
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export const post = async (path, body) => content(await send(path, body));

/**
 * Send a file's bytes as they are.
 * @param {string} path
 * @param {Blob} file
 * @returns {Promise<any>}
 */
export const upload = async (path, file) =>
  content(
    await request(path, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream", "X-Pointillist": "1" },
      body: file,
    }),
  );

/** A new id, as the server wants them: 32 digits. crypto.randomUUID is missing on plain-http addresses of a network. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
