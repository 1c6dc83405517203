// @ts-check
// The fields of a key in three shapes: the record of the API, the values that a caller may set, and
// the texts of a form.

/** @typedef {{requests: number, window: number}} Rate requests in any interval of window seconds */
/** @typedef {{amount: number, window: number}} Line */
/** @typedef {{requests: number, period: string}} Quota */

/**
 * What a caller may set of a key. The limit is "default", "unlimited" or a rate. An expiry of "+30"
 * means 30 days from now, and an empty one means never.
 * @typedef {object} Values
 * @property {string} name
 * @property {string} description
 * @property {string} userId
 * @property {string[]} scopes
 * @property {string} plan
 * @property {"default" | "unlimited" | Rate} limit
 * @property {Line[]} limits
 * @property {Quota | null} quota
 * @property {string[]} allowedCidrs
 * @property {Record<string, string>} metadata
 * @property {string} notBefore
 * @property {string} expiresAt
 */

/** @typedef {{amount: string, window: string, unit: string}} LineText */

/**
 * What a person has typed. Numbers and times are texts until they are read.
 * @typedef {object} Form
 * @property {Values} was the values that the form began with
 * @property {string} environment
 * @property {string} name
 * @property {string} description
 * @property {string} userId
 * @property {string[]} scopes
 * @property {string} plan
 * @property {string} limit default, own or unlimited
 * @property {LineText} rate
 * @property {LineText[]} limits
 * @property {string} period none, day, month or lifetime
 * @property {string} quota
 * @property {string[]} networks
 * @property {[string, string][]} metadata
 * @property {string} notBefore
 * @property {string} expiry never, date or a number of days
 * @property {string} expiresAt
 */

/** The order in which fields are shown, and their labels. @type {[keyof Values, string][]} */
export const FIELDS = [
  ["name", "Name"], ["userId", "Owner"], ["description", "Description"], ["scopes", "Scopes"], ["plan", "Plan"],
  ["limit", "Rate limit"], ["limits", "Further limits"], ["quota", "Quota"], ["notBefore", "Works from"],
  ["expiresAt", "Expires"], ["allowedCidrs", "Allowed networks"], ["metadata", "Metadata"],
];

/** @returns {Values} the values of a key for which nothing is set */
export function emptyValues() {
  return {
    name: "", description: "", userId: "", scopes: [], plan: "", limit: "default", limits: [], quota: null,
    allowedCidrs: [], metadata: {}, notBefore: "", expiresAt: "",
  };
}

/** @param {any} record @returns {Values} */
export function valuesOf(record) {
  const { rateLimit, quota } = record;
  return {
    name: record.name, description: record.description, userId: record.userId, scopes: record.scopes,
    plan: record.plan ?? "",
    limit: record.unlimited ? "unlimited" :
      rateLimit ? { requests: rateLimit.requests, window: rateLimit.window } : "default",
    limits: (record.limits ?? []).map((l) => ({ amount: l.amount, window: l.window })),
    quota: quota ? { requests: quota.requests, period: quota.period } : null,
    allowedCidrs: record.allowedCidrs, metadata: record.metadata,
    notBefore: record.notBefore ?? "", expiresAt: record.expiresAt ?? "",
  };
}

/** @param {number} seconds @returns {[string, string]} a number, and the seconds of its unit */
function split(seconds) {
  const unit = [86400, 3600, 60].find((u) => seconds % u === 0) ?? 1;
  return [String(seconds / unit), String(unit)];
}

/** @param {number} amount @param {number} seconds @returns {LineText} */
export function lineText(amount, seconds) {
  const [window, unit] = split(seconds);
  return { amount: String(amount), window, unit };
}

/** @param {Values} v @returns {Form} */
export function formOf(v) {
  const own = typeof v.limit === "object" ? v.limit : { requests: 60, window: 60 };
  return {
    was: v, environment: "", name: v.name, description: v.description, userId: v.userId, scopes: v.scopes, plan: v.plan,
    limit: typeof v.limit === "object" ? "own" : v.limit,
    rate: lineText(own.requests, own.window),
    limits: v.limits.map((l) => lineText(l.amount, l.window)),
    period: v.quota ? v.quota.period : "none", quota: v.quota ? String(v.quota.requests) : "10000",
    networks: v.allowedCidrs, metadata: Object.entries(v.metadata),
    notBefore: localText(v.notBefore), expiry: v.expiresAt ? "date" : "never", expiresAt: localText(v.expiresAt),
  };
}

/** @param {string} at a time of the API @returns {string} the text of an input of type datetime-local */
export function localText(at) {
  if (!at) return "";
  const t = new Date(at);
  return new Date(t.getTime() - t.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** @param {string} text @param {string} was @returns {string} was, if the text still shows it */
function momentOf(text, was) {
  if (!text) return "";
  if (text === localText(was)) return was;
  const t = new Date(text);
  return isNaN(t.getTime()) ? "" : t.toISOString();
}

/** @param {string} text @returns {number} NaN, if the text is no whole number */
const whole = (text) => (/^\s*[0-9]{1,15}\s*$/.test(text) ? Number(text) : NaN);

/**
 * Reads a form. Errors are by the name that the API gives the field. Rows that are empty are left out.
 * @param {Form} f @returns {{values: Values, errors: Record<string, string>}}
 */
export function read(f) {
  /** @type {Record<string, string>} */
  const errors = {};
  const number = (text, param, what) => {
    const n = whole(text);
    if (!(n >= 1)) errors[param] = what + " must be a whole number of at least 1";
    return n;
  };
  const seconds = (l, param) => number(l.window, param, "The time") * Number(l.unit);
  /** @type {Values["limit"]} */
  let limit = f.limit === "unlimited" ? "unlimited" : "default";
  if (f.limit === "own") {
    limit = { requests: number(f.rate.amount, "rateLimit", "The number of requests"), window: seconds(f.rate, "rateLimit") };
  }
  const metadata = Object.fromEntries(f.metadata.filter(([name, value]) => name.trim() || value));
  if (Object.keys(metadata).length < f.metadata.filter(([name, value]) => name.trim() || value).length) {
    errors.metadata = "Two entries have the same name";
  }
  const expiresAt = f.expiry === "never" ? "" : f.expiry === "date" ? momentOf(f.expiresAt, f.was.expiresAt) : "+" + f.expiry;
  if (f.expiry === "date" && !expiresAt) errors.expiresAt = "Choose a day and a time, or another expiry";
  return {
    errors,
    values: {
      name: f.name, description: f.description, userId: f.userId, scopes: f.scopes, plan: f.plan.trim(), limit,
      limits: f.limits.map((l) => ({ amount: number(l.amount, "limits", "The number of requests"), window: seconds(l, "limits") })),
      quota: f.period === "none" ? null : { requests: number(f.quota, "quota", "The quota"), period: f.period },
      allowedCidrs: f.networks.map((n) => n.trim()).filter((n) => n), metadata,
      notBefore: momentOf(f.notBefore, f.was.notBefore), expiresAt,
    },
  };
}

/** @param {unknown} a @param {unknown} b */
export const same = (a, b) => canonical(a) === canonical(b);

/** @param {any} value @returns {string} JSON with the names in order */
function canonical(value) {
  return JSON.stringify(value, (_, v) =>
    v && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v);
}

/** @param {Values} from @param {Values} to @returns {Record<string, unknown>} the merge patch between them */
export function patchOf(from, to) {
  /** @type {Record<string, unknown>} */
  const patch = {};
  for (const [name] of FIELDS) {
    if (same(from[name], to[name])) continue;
    const value = to[name];
    if (name === "limit") {
      if (value === "unlimited") patch.unlimited = true;
      else patch.rateLimit = value === "default" ? null : value;
    } else if (name === "metadata") {
      const gone = Object.keys(from.metadata).filter((n) => !Object.hasOwn(to.metadata, n)).map((n) => [n, null]);
      const given = Object.entries(to.metadata).filter(([n, v]) => from.metadata[n] !== v);
      patch.metadata = Object.fromEntries([...gone, ...given]);
    } else if (name === "expiresAt" && to.expiresAt.startsWith("+")) {
      patch.expiresInDays = Number(to.expiresAt.slice(1));
    } else if (name === "userId") {
      patch.userId = value;
    } else {
      patch[name] = value === "" || (Array.isArray(value) && !value.length) ? null : value;
    }
  }
  return patch;
}

/**
 * A field whose values differ, with the choice that a person need not make: a field that one side
 * alone has changed.
 * @typedef {{name: keyof Values, label: string, choice: "" | "mine" | "theirs"}} Difference
 */

/** @param {Values} base @param {Values} mine @param {Values} theirs @returns {Difference[]} */
export function differences(base, mine, theirs) {
  return FIELDS.filter(([name]) => !same(mine[name], theirs[name])).map(([name, label]) => ({
    name, label, choice: same(mine[name], base[name]) ? "theirs" : same(theirs[name], base[name]) ? "mine" : "",
  }));
}

/** @param {import("../api.js").ApiError | null} error @param {...string} names @returns {string} the message, if it is about one of the fields */
export function about(error, ...names) {
  const param = error?.param ?? "";
  return error && names.some((n) => param === n || param.startsWith(n + ".")) ? error.message : "";
}

const DAY = 86_400_000;

/** The presets of an expiry, in days. */
export const PRESETS = ["7", "30", "90", "365"];

/**
 * What a caller may choose as the expiry: the latest time in milliseconds, and which presets are after it.
 * @param {any} grants @param {number} now
 */
export function expiryBounds(grants, now = Date.now()) {
  const bounds = grants && !grants.admin ? [Date.parse(grants.expiresAt ?? ""), now + (grants.maxDays || NaN) * DAY] : [];
  const latest = Math.min(...bounds.filter((t) => !isNaN(t)));
  return { latest, late: PRESETS.filter((d) => now + Number(d) * DAY > latest) };
}

/** @returns {string} a name for one idempotent request, which no one else can guess */
export function requestName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
