// @ts-check
// This module talks to latchkey's API. The token of the caller is in a variable of this module and
// nowhere else: not in storage, not in a URL, not in a cookie.

let token = "";
let base = "../";
/** @type {null | (() => Promise<boolean>)} */
let askAgain = null;
/** @type {Promise<boolean> | null} */
let asking = null;

const TIMEOUT = 30_000; // milliseconds; API Gateway answers within 29 seconds

/** An answer of the API that is an error, or no answer at all. */
export class ApiError extends Error {
  /**
   * @param {number} status the HTTP status; 0 if the service did not answer
   * @param {{code?: string, message?: string, param?: string | null}} detail the error of the envelope
   * @param {{requestId?: string, retryAfter?: number}} [more]
   */
  constructor(status, detail, more = {}) {
    super(detail.message || `The service answered with status ${status}.`);
    this.name = "ApiError";
    this.status = status;
    this.code = detail.code || "";
    this.param = detail.param || "";
    this.requestId = more.requestId || "";
    this.retryAfter = more.retryAfter || 0;
  }
}

/** configure sets where the API is, relative to the page. @param {string} apiBase */
export function configure(apiBase) {
  base = apiBase;
}

/** signIn sets the token that all later calls send. @param {string} text */
export function signIn(text) {
  token = text;
}

/** signOut forgets the token. */
export function signOut() {
  token = "";
}

/**
 * onSignedOut sets the function that asks the caller to sign in again. It is called when the service
 * no longer accepts the token. If it resolves to true, the call that failed is sent once more.
 * @param {null | (() => Promise<boolean>)} ask
 */
export function onSignedOut(ask) {
  askAgain = ask;
}

/** aborted reports whether a call ended because its signal was aborted. @param {any} error */
export function aborted(error) {
  return error && error.name === "AbortError";
}

/**
 * call sends a request and returns its answer. If the answer is an error, or there is none, call
 * throws an {@link ApiError}. If the signal is aborted, it throws an AbortError.
 * @param {string} method
 * @param {string} path such as api/v1/api-keys; its segments must be encoded
 * @param {{query?: Record<string, any>, body?: any, headers?: Record<string, string>,
 *   signal?: AbortSignal, asks?: boolean}} [options] asks: whether a refused token makes the page ask
 *   to sign in again; true if omitted. Empty query values are left out.
 * @returns {Promise<{status: number, data: any, etag: string}>}
 */
export async function call(method, path, options = {}) {
  const sent = token;
  try {
    return await send(method, path, options);
  } catch (error) {
    const refused = error instanceof ApiError && error.status === 401;
    if (!refused || options.asks === false || !askAgain || sent === "") throw error;
    // Another call may have asked already. Then the token is a new one.
    if (token === sent) {
      asking ??= askAgain().finally(() => { asking = null; });
      if (!(await asking)) throw error;
    }
    return send(method, path, options);
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{query?: Record<string, any>, body?: any, headers?: Record<string, string>, signal?: AbortSignal}} options
 */
async function send(method, path, { query, body, headers, signal }) {
  const url = new URL(base + path, document.baseURI);
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, String(value));
  }
  /** @type {Record<string, string>} */
  const all = { Accept: "application/json", ...headers };
  if (token) all.Authorization = `Bearer ${token}`;
  if (body !== undefined) all["Content-Type"] = "application/json";
  const timeout = AbortSignal.timeout(TIMEOUT);
  let response, text;
  try {
    response = await fetch(url, {
      method, headers: all, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit", cache: "no-store", redirect: "error",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: "offline", message: "The service does not answer." });
  }
  if (response.ok) {
    return { status: response.status, data: text ? JSON.parse(text) : null, etag: response.headers.get("ETag") || "" };
  }
  throw failure(response, text);
}

/** @param {Response} response @param {string} text */
function failure(response, text) {
  let detail = {};
  try {
    detail = JSON.parse(text).error || {};
  } catch {
    // A proxy may answer with a text of its own, which says nothing to people.
  }
  const at = (/** @type {string} */ name) => response.headers.get(name) || "";
  return new ApiError(response.status, detail, {
    requestId: at("x-amzn-RequestId") || at("apigw-requestid"),
    retryAfter: Math.max(0, Number.parseInt(at("Retry-After"), 10) || 0),
  });
}
