// @ts-check
// This module has the filters of the list of keys.

import { Field, html, useEffect, useRef, useState } from "../ui.js";

const DAY = 86_400_000;

/** @typedef {{search: string, show: string, owner: string, sort: string, since: number}} Values since: when they were set, in milliseconds */

/** @type {Values} */
export const NO_FILTERS = { search: "", show: "", owner: "", sort: "", since: 0 };

/** @type {Record<string, [string, (now: number) => Record<string, any>]>} */
const SHOWN = {
  "": ["All", () => ({})],
  active: ["Active", () => ({ status: "active" })],
  expiring: ["Expiring within 7 days", (now) => ({ status: "active", expiresBefore: new Date(now + 7 * DAY).toISOString() })],
  never: ["Never used", () => ({ neverUsed: true })],
  quiet: ["Not used for 90 days", (now) => ({ unusedSince: new Date(now - 90 * DAY).toISOString() })],
  rotating: ["Old token still works", () => ({ rotating: true })],
  disabled: ["Disabled", () => ({ status: "disabled" })],
  inactive: ["Not yet active", () => ({ status: "inactive" })],
  expired: ["Expired", () => ({ status: "expired" })],
  revoked: ["Revoked", () => ({ status: "revoked" })],
};

const SORTS = { "": "Newest first", lastUsed: "Last used first", spent: "Nearest their limits first" };

/** filtered reports whether the filters leave out any key. @param {Values} f */
export function filtered(f) {
  return !!(f.search || f.show || f.owner);
}

/**
 * shorten cuts each token in a text after its public beginning. A search becomes part of a URL, and
 * a token must not.
 * @param {string} text
 */
export function shorten(text) {
  return text.replace(/([A-Za-z0-9]{4})[A-Za-z0-9]{20,}/g, "$1").slice(0, 255);
}

/** query returns the filters as parameters of the API. @param {Values} f @param {import("../session.js").Session} session */
export function query(f, session) {
  const [, shown] = SHOWN[f.show] || SHOWN[""];
  return { ...shown(f.since || Date.now()), search: f.search, sort: f.sort, userId: f.owner || (session.admin ? "*" : "") };
}

/** useTyped calls onText 300 ms after the last change of a text. @param {string} text @param {(text: string) => void} onText @returns {[string, (text: string) => void]} */
export function useTyped(text, onText) {
  const [typed, type] = useState(text);
  const timer = useRef(/** @type {any} */ (0));
  useEffect(() => {
    clearTimeout(timer.current);
    type(text);
    return () => clearTimeout(timer.current);
  }, [text]);
  return [typed, (next) => {
    type(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => next !== text && onText(next), 300);
  }];
}

/**
 * Filters shows the filters of the list.
 * @param {{filters: Values, onChange: (changed: Partial<Values>) => void, onReload: () => void,
 *   session: import("../session.js").Session}} props
 */
export function Filters({ filters, onChange, onReload, session }) {
  const [search, setSearch] = useTyped(filters.search, (text) => onChange({ search: text }));
  const [owner, setOwner] = useTyped(filters.owner, (text) => onChange({ owner: text.trim() }));
  const teams = session.who.teams || [];
  const cut = (/** @type {any} */ e) => {
    const short = shorten(e.target.value);
    if (short !== e.target.value) e.target.value = short;
    setSearch(short);
  };
  return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
    <${Field} label="Search" name="search"><input type="search" placeholder="Name, token or id begins with" autocomplete="off" spellcheck=${false} value=${search} onInput=${cut} /><//>
    <${Field} label="Show" name="show"><select value=${filters.show} onChange=${(/** @type {any} */ e) => onChange({ show: e.target.value })}>
      ${Object.entries(SHOWN).map(([value, [title]]) => html`<option value=${value}>${title}</option>`)}</select><//>
    ${session.admin && html`<${Field} label="Owner" name="owner"><input type="search" placeholder="All users" autocomplete="off" spellcheck=${false} maxlength="128"
      value=${owner} onInput=${(/** @type {any} */ e) => setOwner(e.target.value)} /><//>`}
    ${!session.admin && teams.length > 0 && html`<${Field} label="Owner" name="owner"><select value=${filters.owner} onChange=${(/** @type {any} */ e) => onChange({ owner: e.target.value })}>
      <option value="">Your own keys</option>${teams.map((/** @type {string} */ t) => html`<option value=${t}>${t}</option>`)}</select><//>`}
    <${Field} label="Sort" name="sort"><select value=${filters.sort} onChange=${(/** @type {any} */ e) => onChange({ sort: e.target.value })}>
      ${Object.entries(SORTS).map(([value, title]) => html`<option value=${value}>${title}</option>`)}</select><//>
    <button type="button" onClick=${onReload}>Refresh</button>
  </form>`;
}
