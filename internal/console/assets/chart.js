// @ts-check
// This module has the charts. Each says in words what it shows.

import { Time, html } from "./ui.js";

const format = new Intl.NumberFormat("en");

/** number writes a number with its thousands apart. @param {number} n */
export function number(n) {
  return format.format(n);
}

/** @typedef {{date: string, requests: number, refused?: Record<string, number>}} Day */

/** @param {Day} day */
const refused = (day) => Object.values(day.refused || {}).reduce((a, b) => a + b, 0);
/** @param {Day[]} days */
const sum = (days) => days.reduce((n, day) => n + day.requests, 0);

/** Spark shows the requests of some days in the height of a line. @param {{data?: Day[]}} props */
export function Spark({ data }) {
  if (!data?.length) return html`<span class="none">–</span>`;
  const total = sum(data), most = Math.max(...data.map((day) => day.requests), 1), width = data.length * 3;
  return html`<svg class="spark" role="img" viewBox="0 0 ${width} 20" width=${width} height="20"
      aria-label="${number(total)} requests in ${data.length} days, at most ${number(total && most)} a day">
    <path class="axis" d="M0 19.5H${width}" />
    ${data.map((day, i) => {
      const height = day.requests && Math.max(1, Math.round((day.requests / most) * 18));
      return height > 0 && html`<rect x=${i * 3} y=${19 - height} width="2" height=${height} />`;
    })}
  </svg>`;
}

/**
 * Bars shows the requests of each day, and those that were refused above them.
 * @param {{data: Day[], label: string}} props label: what the bars are, such as "Usage"
 */
export function Bars({ data, label }) {
  const most = Math.max(...data.map((day) => day.requests + refused(day)), 1), any = data.some(refused);
  const width = 720 / Math.max(data.length, 1);
  const y = (/** @type {number} */ n) => (n ? Math.max(1, (n / most) * 120) : 0);
  return html`<figure class="bars">
    <svg viewBox="0 0 720 124" preserveAspectRatio="none" aria-hidden="true">
      <path class="axis" d="M0 123.5H720M0 3.5H720" />
      ${data.map((day, i) => html`<g><title>${day.date}: ${number(day.requests)} requests${refused(day) ? `, ${number(refused(day))} refused` : ""}</title>
        <rect x=${i * width} y="0" width=${width} height="124" class="hover" />
        <rect x=${i * width + 1} y=${123 - y(day.requests)} width=${Math.max(width - 2, 1)} height=${y(day.requests)} />
        ${refused(day) > 0 && html`<rect class="refused" x=${i * width + 1} y=${123 - y(day.requests) - y(refused(day))} width=${Math.max(width - 2, 1)} height=${y(refused(day))} />`}</g>`)}
    </svg>
    <figcaption><span>${data[0]?.date}</span><span>${number(sum(data))} requests${sum(data) > 0 && `, at most ${number(Math.max(...data.map((day) => day.requests)))} a day`}</span><span>${data.at(-1)?.date}</span></figcaption>
    <div class="unseen"><table><caption>${label}</caption><thead><tr><th scope="col">Day</th><th scope="col">Requests</th>
      ${any && html`<th scope="col">Refused</th>`}</tr></thead>
      <tbody>${data.map((day) => html`<tr><th scope="row">${day.date}</th><td>${number(day.requests)}</td>
        ${any && html`<td>${number(refused(day))}</td>`}</tr>`)}</tbody></table></div>
  </figure>`;
}

/** @param {number} seconds */
function span(seconds) {
  for (const [unit, size] of /** @type {[string, number][]} */ ([["day", 86400], ["hour", 3600], ["minute", 60]])) {
    if (seconds % size === 0) return seconds === size ? unit : `${seconds / size} ${unit}s`;
  }
  return seconds === 1 ? "second" : `${seconds} seconds`;
}

/** @typedef {{of?: string, amount: number, used: number, remaining: number, window?: number, period?: string, reset?: number}} Bound */

/** bound says what a limit or a quota is, such as "100 each minute". @param {{amount: number, window?: number, period?: string}} b */
export function bound(b) {
  return b.period === "lifetime" ? `${number(b.amount)} in all` : `${number(b.amount)} each ${b.period || span(b.window || 1)}`;
}

/** Limit shows how much of each limit and quota is used. @param {{bounds: Bound[]}} props */
export function Limit({ bounds }) {
  return html`<ul class="limits">${bounds.map((b) => {
    const part = b.amount > 0 ? Math.min(1, b.used / b.amount) : 1;
    return html`<li><span>${bound(b)}${b.of === "user" ? ", of all keys of the user" : ""}</span>
      <span class="figure">${number(b.remaining)} left${b.used > 0 && b.reset && html`, full again <${Time} at=${new Date(b.reset * 1000).toISOString()} />`}</span>
      <svg class=${"limit" + (part >= 1 ? " spent" : part >= 0.8 ? " near" : "")} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect class="all" width="100" height="4" /><rect width=${part * 100} height="4" /></svg></li>`;
  })}</ul>`;
}
