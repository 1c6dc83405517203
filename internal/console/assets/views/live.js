// @ts-check
// What remains of the limits and quotas of a key, read again every few seconds.
import { html, useEffect, useRef, Limit } from "../ui.js";

const POLL = 5; // seconds
const MOST = 300;

/** @param {any} record @returns {any[]} every limit and quota that the key keeps to */
export function boundsOf(record) {
  if (record.bounds) return record.bounds;
  const { rateLimit, quota } = record;
  const used = (amount, of) => ({ remaining: of.remaining ?? amount, used: amount - (of.remaining ?? amount), reset: of.reset });
  return [
    ...(rateLimit && !record.unlimited ? [{ of: "key", amount: rateLimit.requests, window: rateLimit.window, ...used(rateLimit.requests, rateLimit) }] : []),
    ...(record.limits ?? []).map((l) => ({ of: "key", amount: l.amount, window: l.window, ...used(l.amount, l) })),
    ...(quota ? [{ of: "key", amount: quota.requests, period: quota.period, ...used(quota.requests, quota) }] : []),
  ];
}

/**
 * The seconds between two reads. They spend at most a tenth of the caller's own limit.
 * @param {any} who
 */
export function pace(who) {
  const limit = who?.rateLimit;
  if (!limit || who.unlimited) return POLL;
  const window = limit.window ?? 60;
  return Math.min(MOST, Math.max(POLL, Math.ceil((10 * window) / Math.max(1, limit.requests))));
}

/**
 * Calls read every few seconds while the page is visible, and at once when it becomes visible again.
 * read returns how many seconds to wait, or 0 to stop.
 * @param {() => Promise<number>} read @param {number} seconds @param {boolean} on
 */
export function usePoll(read, seconds, on) {
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    if (!on) return;
    let timer = 0, ended = false, busy = false, due = Date.now() + seconds * 1000;
    const tick = async () => {
      clearTimeout(timer);
      if (ended || busy || document.hidden) return;
      busy = true;
      const wait = await latest.current();
      busy = false;
      due = Date.now() + wait * 1000;
      if (!ended && wait) timer = window.setTimeout(tick, wait * 1000);
    };
    const seen = () => {
      clearTimeout(timer);
      if (!document.hidden) timer = window.setTimeout(tick, Math.max(0, due - Date.now()));
    };
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [seconds, on]);
}

/** @param {{record: any, stale: any}} props stale: the error of the last read, if it failed */
export function Live({ record, stale }) {
  const bounds = boundsOf(record);
  return html`<section aria-labelledby="live-title">
    <header class="head"><h2 id="live-title">Remaining now</h2>
      <span class=${stale ? "error" : "quietly"} role="status">${stale ? (stale.status === 429 ? "paused: too many requests" : "not up to date") : ""}</span></header>
    ${bounds.length ? html`<${Limit} bounds=${bounds} />` : html`<p>This key has no limit. Its requests are not counted.</p>`}
  </section>`;
}
