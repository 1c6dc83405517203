// @ts-check
// This module has the parts that all views use. html makes elements: html`<p>${text}</p>`. Text is
// always text: nothing in a view can add markup.

import { Fragment, cloneElement, createContext, h, render } from "./vendor/preact.js";
import {
  useCallback, useContext, useEffect, useLayoutEffect, useMemo, useRef, useState, useId,
} from "./vendor/hooks.js";
import htm from "./vendor/htm.js";
import { aborted } from "./api.js";

export {
  Fragment, cloneElement, createContext, render,
  useCallback, useContext, useEffect, useLayoutEffect, useMemo, useRef, useState, useId,
};
export { Dialog, Confirm, guarded } from "./dialog.js";
export { Bars, Limit, Spark, number } from "./chart.js";

/**
 * html makes an element of a template. htm would keep elements without a variable part for the next
 * call, and Preact leads from an element to all around it: a token that was shown beside it would stay
 * in memory. this[0] = 3 tells htm to keep none.
 * @this {any} @param {any} type @param {any} props @param {any[]} children
 */
function element(type, props, ...children) {
  this[0] = 3;
  return h(type, props, ...children);
}
export const html = htm.bind(element);

/** announce says a text to screen readers. The page must show it as well. @param {string} text */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}

/** @type {Record<string, string>} */
const STATUSES = {
  active: "Active", disabled: "Disabled", inactive: "Not yet active", expired: "Expired", revoked: "Revoked",
  expiring: "Expires soon", rotating: "Old token works", suspended: "Suspended", admin: "Admin",
};

/** Badge shows the status of a key. @param {{status: string}} props */
export function Badge({ status }) {
  return html`<span class=${"badge " + status}>${STATUSES[status] || status}</span>`;
}

/** usePassed reports whether so many milliseconds have passed since the first render. @param {number} ms */
function usePassed(ms) {
  const [passed, pass] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => pass(true), ms);
    return () => clearTimeout(timer);
  }, []);
  return passed;
}

/** Loading shows that something loads, once that has taken 300 ms. @param {{what?: string}} props */
export function Loading({ what }) {
  return html`<p class="loading" role="status">${usePassed(300) && `Loading ${what || ""}…`}</p>`;
}

/**
 * useLoad calls load, and calls it again when one of deps changes. The result of a call that is no
 * longer wanted is dropped. While a later call runs, data is that of the call before.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {any[]} deps
 * @returns {{data: T | undefined, error: any, busy: boolean, reload: () => void}}
 */
export function useLoad(load, deps) {
  const [state, set] = useState(/** @type {{data: any, error: any, busy: boolean}} */ ({ data: undefined, error: null, busy: true }));
  const [round, again] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    set((was) => ({ ...was, busy: true }));
    load(stop.signal).then(
      (data) => stop.signal.aborted || set({ data, error: null, busy: false }),
      (error) => stop.signal.aborted || aborted(error) || set((was) => ({ ...was, error, busy: false })),
    );
    return () => stop.abort();
  }, [...deps, round]);
  return { ...state, reload: useCallback(() => again((n) => n + 1), []) };
}

/**
 * Field shows a form control with its label, and below it the error or the hint. children must be the
 * control alone, such as an input.
 * @param {{label: any, name: string, error?: any, hint?: any, children: any}} props
 */
export function Field({ label, name, error, hint, children }) {
  const id = useId();
  const control = Array.isArray(children) ? children.find((c) => c && c.type) : children;
  const about = [error && id + "-error", hint && id + "-hint"].filter(Boolean).join(" ");
  return html`<div class=${"field" + (error ? " wrong" : "")}>
    <label for=${id}>${label}</label>
    ${cloneElement(control, { id, name, "aria-invalid": error ? "true" : undefined, "aria-describedby": about || undefined })}
    ${error && html`<p class="error" id=${id + "-error"} role="alert">${error}</p>`}
    ${hint && html`<p class="hint" id=${id + "-hint"}>${hint}</p>`}
  </div>`;
}

/** useCountdown returns the seconds that are left of a number of seconds. @param {number} seconds @param {any} from */
function useCountdown(seconds, from) {
  const [left, set] = useState(seconds);
  useEffect(() => {
    const end = Date.now() + seconds * 1000;
    set(seconds);
    if (!seconds) return;
    const timer = setInterval(() => {
      const now = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      set(now);
      if (!now) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [from]);
  return left;
}

/** @param {any} error @returns {[string, string]} what happened, and what to do next */
function explain(error) {
  const text = error?.message || String(error);
  switch (error?.status) {
    case 0: return ["latchkey does not answer", "Check the connection of this device, then try again. Nothing that you typed is lost."];
    case 401: return ["You are signed out", text];
    case 403: return ["You may not do this", text];
    case 404: return ["Not found", text];
    case 409: return ["This cannot be done now", text];
    case 412: return ["Someone else changed it in the meantime", text];
    case 429: return ["Too many requests", text];
    case 503: return ["The service is unavailable", text];
    case undefined: return ["This did not work", text];
  }
  return error.status >= 500 ? ["The service failed", text] : ["The request was refused", text];
}

/**
 * Problem shows an error of the API, and what to do next.
 * @param {{error: any, onRetry?: () => void}} props onRetry: if given, there is a button to try again
 */
export function Problem({ error, onRetry }) {
  const left = useCountdown(error?.retryAfter || 0, error);
  if (!error) return null;
  const [title, text] = explain(error);
  return html`<div class="problem" role="alert" data-status=${String(error.status ?? "")}>
    <p><strong>${title}.</strong> ${text}</p>
    ${error.requestId && error.status >= 500 && html`<p class="hint">Request <code>${error.requestId}</code>. Name it when you report this.</p>`}
    ${left > 0 && html`<p class="hint" aria-live="off">Try again in <span class="figure">${left}</span> s.</p>`}
    ${onRetry && html`<button type="button" disabled=${left > 0} onClick=${onRetry}>Try again</button>`}
  </div>`;
}

/**
 * Pages leads to the page before and to the next one.
 * @param {{cursors: string[], next?: string, busy: boolean, onTurn: (cursors: string[]) => void}} props
 *   cursors: those of the pages up to this one, "" for the first; next: the cursor of the next page
 */
export function Pages({ cursors, next, busy, onTurn }) {
  return (cursors.length > 1 || next) && html`<nav class="pages" aria-label="Pages">
    <button type="button" disabled=${cursors.length === 1 || busy} onClick=${() => onTurn(cursors.slice(0, -1))}>Previous</button>
    <span class="figure">Page ${cursors.length}</span>
    <button type="button" disabled=${!next || busy} onClick=${() => onTurn([...cursors, next || ""])}>Next</button></nav>`;
}

/** Copy is a button that copies a text. @param {{text: string, label?: string}} props */
export function Copy({ text, label = "Copy" }) {
  const [state, set] = useState("");
  useEffect(() => {
    const timer = state && setTimeout(() => set(""), 3000);
    return () => clearTimeout(timer || undefined);
  }, [state]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      set("Copied");
      announce("Copied");
    } catch {
      set("Not copied: select the text and copy it by hand");
      announce("Not copied. Select the text and copy it by hand.");
    }
  };
  return html`<button type="button" class="copy" onClick=${copy}>${state || label}</button>`;
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 365], ["year", Infinity]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** ago says when a time is, seen from now. @param {number} ms @param {number} [now] */
export function ago(ms, now = Date.now()) {
  let left = (ms - now) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(left) < size) return unit === "second" && Math.abs(left) < 5 ? "just now" : relative.format(Math.round(left), unit);
    left /= size;
  }
  return "";
}

/**
 * Time shows a time as seen from now. The exact time is in its title.
 * @param {{at?: string | null, none?: any, exact?: boolean}} props none: shown if there is no time;
 *   exact: show the time itself
 */
export function Time({ at, none = "never", exact }) {
  const ms = at ? Date.parse(at) : NaN;
  if (Number.isNaN(ms)) return html`<span class="none">${none}</span>`;
  const full = new Date(ms).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  return html`<time datetime=${at} title=${full}>${exact ? full : ago(ms)}</time>`;
}
