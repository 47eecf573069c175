/** Talking to the server this page came from; nobody else is asked. */

/**
 * What went wrong, in the server's words: what was found and what to do about it.
 */
export class ApiError extends Error {
  /**
   * @param {number} status  0: no answer came
   * @param {{found: string, cure: string}} error
   */
  constructor(status, error) {
    super(error.found);
    this.status = status;
    this.found = error.found;
    this.cure = error.cure;
  }

  /** Whether the same request may go through later: no answer, an overloaded server, a full disk, a missing token. */
  get passing() {
    return this.status === 0 || this.status === 401 || this.status === 429 || this.status >= 500;
  }
}

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
    throw new ApiError(0, {
      found: "The server does not answer.",
      cure: "Your clicks are kept in this browser. Start 'pointillist annotate' again; they are sent by themselves.",
    });
  }
  if (response.ok) return response;
  let error = { found: `The server answered ${response.status}.`, cure: "Reload the page." };
  try {
    error = (await response.json()).error ?? error;
  } catch {
    // A proxy's page instead of our JSON: the status is all there is to tell.
  }
  throw new ApiError(response.status, error);
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export const get = async (path) => (await request(path)).json();

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
export const post = async (path, body) => (await send(path, body)).json();

/**
 * Send a file's bytes as they are.
 * @param {string} path
 * @param {Blob} file
 * @returns {Promise<any>}
 */
export const upload = async (path, file) =>
  (
    await request(path, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream", "X-Pointillist": "1" },
      body: file,
    })
  ).json();

/** A new id, as the server wants them: 32 digits. crypto.randomUUID is missing on plain-http addresses of a network. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
