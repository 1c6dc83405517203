// @ts-check
// Values of a key as people read them.
import { bound } from "../chart.js";

export { bound };

/** @param {string} at */
export function moment(at) {
  const t = new Date(at);
  return isNaN(t.getTime()) ? at : t.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

/**
 * Describes the value of a field of the record, of the audit trail or of a form.
 * @param {string} name @param {any} value @returns {string}
 */
export function describe(name, value) {
  if (value === null || value === undefined || value === "") return name === "expiresAt" ? "never" : "none";
  if (name === "limit" && value === "default") return "default";
  if (name === "limit" && value === "unlimited") return "unlimited";
  if (name === "rateLimit" || name === "limit") return bound({ amount: value.requests, window: value.window });
  if (name === "quota") return bound({ amount: value.requests, period: value.period });
  if (name === "expiresAt" && String(value).startsWith("+")) return `in ${value.slice(1)} days`;
  if (/At$|notBefore|Until$/.test(name)) return moment(value);
  if (name === "limits") return value.map(bound).join(", ") || "none";
  if (name === "endedTokens") return value.map((t) => (t.validUntil ? moment(t.validUntil) : "no end")).join(", ");
  if (Array.isArray(value)) return value.map((v) => (typeof v === "object" ? JSON.stringify(v) : String(v))).join(", ") || "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "object") return Object.entries(value).map(([n, v]) => `${n}: ${typeof v === "object" ? JSON.stringify(v) : v}`).join(", ") || "none";
  return String(value);
}

/** @param {string} text @returns {string} the name of a variable in a file .env, made of the name of a key */
export function variable(text) {
  const word = text.normalize("NFKD").toUpperCase().replace(/[^A-Z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 40);
  return /^[A-Z]/.test(word) ? (/(^|_)KEY$/.test(word) ? word : word + "_API_KEY") : "API_KEY";
}
