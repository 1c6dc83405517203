// @ts-check
// The inputs for what a caller may set of a key. Create and edit share them.
import { html, useEffect, useState, Field } from "../ui.js";
import { call } from "../api.js";
import { PRESETS, about, expiryBounds } from "./form.js";
import { Choices, Group, Rows } from "./rows.js";
import { bound, moment } from "./words.js";

/** @typedef {import("./form.js").Form} Form */
/** @typedef {import("./form.js").LineText} LineText */
/**
 * @typedef {object} Props
 * @property {Form} form
 * @property {(change: Partial<Form>) => void} set
 * @property {(...names: string[]) => string} problem the error of one of the fields
 * @property {any} session
 * @property {boolean} [create]
 */

const UNITS = [["1", "seconds"], ["60", "minutes"], ["3600", "hours"], ["86400", "days"]];

/** @param {any} e @returns {string} */
const typed = (e) => e.target.value;

/**
 * The first error of each field, by the names of the API: what the form itself found, else the answer.
 * @param {Record<string, string>} errors @param {import("../api.js").ApiError | null} answer
 */
export function problems(errors, answer) {
  return (...names) => names.map((n) => errors[n]).find(Boolean) ?? about(answer, ...names);
}

/** All names of the API for which the inputs show an error themselves. */
export const SHOWN = [
  "name", "userId", "environment", "scopes", "rateLimit", "unlimited", "quota", "expiresAt", "expiresInDays",
  "description", "plan", "limits", "notBefore", "allowedCidrs", "metadata",
];

/** @param {Props} props */
export function Fields(props) {
  const { form, set, problem, session, create } = props;
  return html`
    <${Field} label="Name" name="name" error=${problem("name")} hint="What uses this key, such as a service or a laptop">
      <input name="name" autofocus value=${form.name} autocomplete="off" dir="auto" onInput=${(e) => set({ name: typed(e) })} />
    <//>
    ${session.admin ? html`<${Owner} ...${props} />` : create && session.who.teams?.length > 0 && html`<${Team} ...${props} />`}
    ${create && session.admin && html`<${Group} legend="Environment" error=${problem("environment")}>
      <${Choices} name="environment" value=${form.environment} onValue=${(environment) => set({ environment })}
        options=${(session.grants?.environments ?? ["live", "test"]).map((e) => [e, e])} />
    <//>`}
    <${Scopes} ...${props} />
    <${Limit} ...${props} />
    <${QuotaFields} ...${props} />
    <${Expiry} ...${props} />
    <${More} ...${props} />`;
}

/** Suggests users as the owner is typed. @param {Props} props */
function Owner({ form, set, problem, create }) {
  const known = useSuggestions("api/v1/users", form.userId, (d) => d.data.map((u) => u.userId));
  return html`<${Field} label="Owner" name="userId" error=${problem("userId")}
    hint=${create ? "The user who owns the key. If empty, you" : "Another owner takes the key over"}>
    <input name="userId" value=${form.userId} list="owners" autocomplete="off" dir="auto"
      onInput=${(e) => set({ userId: typed(e) })} />
    <datalist id="owners">${known.map((u) => html`<option key=${u} value=${u} />`)}</datalist>
  <//>`;
}

/** Offers the teams for which the caller may act. @param {Props} props */
function Team({ form, set, problem, session }) {
  return html`<${Field} label="Owner" name="userId" error=${problem("userId")}>
    <select name="userId" onChange=${(e) => set({ userId: typed(e) })}>
      ${["", ...session.who.teams].map((t) => html`<option key=${t} value=${t} selected=${t === form.userId}>${t || "You"}</option>`)}
    </select>
  <//>`;
}

/**
 * Asks for names that begin with a text, once typing pauses. There are none if the caller may not ask.
 * @param {string} path @param {string} text @param {(data: any) => string[]} names @returns {string[]}
 */
function useSuggestions(path, text, names) {
  const [known, setKnown] = useState(/** @type {string[]} */ ([]));
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      call("GET", path, { query: text ? { search: text, limit: 10 } : { limit: 10 }, signal: stop.signal })
        .then(({ data }) => setKnown(names(data)), () => setKnown([]));
    }, 250);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [path, text]);
  return known;
}

/** @param {Props} props */
function Scopes({ form, set, problem, session }) {
  const [text, setText] = useState("");
  const grants = session.grants;
  const any = session.admin || !grants || grants.anyScope || grants.scopes.some((s) => s.includes("*"));
  const offered = (grants?.scopes ?? []).filter((s) => !s.includes("*"));
  const usual = session.admin ? ["keys:read", "keys:write", "keys:admin"] : [];
  const [known, setKnown] = useState(() => [...new Set([...offered, ...form.scopes, ...usual])]);
  const all = [...new Set([...known, ...form.scopes])];
  const add = () => {
    const scopes = text.split(/[\s,]+/).filter(Boolean);
    if (!scopes.length) return;
    setKnown([...new Set([...known, ...scopes])]);
    set({ scopes: [...new Set([...form.scopes, ...scopes])] });
    setText("");
  };
  const turn = (s) => set({ scopes: form.scopes.includes(s) ? form.scopes.filter((x) => x !== s) : [...form.scopes, s] });
  return html`<${Group} legend="Scopes" error=${problem("scopes")}
    hint=${form.scopes.includes("keys:admin") ? "keys:admin may do everything to every key" : "What the key may do. Without one, it opens no route that needs a scope"}>
    <div class="choices">
      ${all.map((s) => html`<label key=${s}><input type="checkbox" checked=${form.scopes.includes(s)} onChange=${() => turn(s)} /> <code>${s}</code></label>`)}
    </div>
    ${any && html`<div class="row">
      <input aria-label="Another scope" placeholder="tts:speak" value=${text} autocomplete="off" autocapitalize="none" spellcheck=${false}
        onInput=${(e) => setText(typed(e))} onBlur=${add}
        onKeyDown=${(e) => { if (e.key === "Enter") { e.preventDefault(); add(); } }} />
      <button type="button" onClick=${add}>Add scope</button>
    </div>`}
  <//>`;
}

/** @param {{value: LineText, onValue: (l: LineText) => void, name: string}} props */
function LineInputs({ value, onValue, name }) {
  const part = (p) => onValue({ ...value, ...p });
  return html`
    <input class="number" inputmode="numeric" aria-label=${`${name}: requests`} value=${value.amount} onInput=${(e) => part({ amount: typed(e) })} />
    <span>per</span>
    <input class="number short" inputmode="numeric" aria-label=${`${name}: time`} value=${value.window} onInput=${(e) => part({ window: typed(e) })} />
    <select aria-label=${`${name}: unit`} onChange=${(e) => part({ unit: typed(e) })}>
      ${UNITS.map(([u, text]) => html`<option key=${u} value=${u} selected=${u === value.unit}>${text}</option>`)}
    </select>`;
}

/** @param {Props} props */
function Limit({ form, set, problem, session }) {
  return html`<${Group} legend="Rate limit" error=${problem("rateLimit", "unlimited")}
    hint=${form.limit === "own" ? sentences("It holds for any interval of this length, and not from the full minute on", session.grants?.rateLimit) : form.limit === "default" ? "The limits of the plan and the user or, without any, 60 requests per minute" : "Requests are not counted"}>
    <${Choices} name="limit" value=${form.limit} onValue=${(limit) => set({ limit })}
      options=${[["default", "Default"], ["own", "Own limit"], ...(session.admin || form.limit === "unlimited" ? [["unlimited", "Unlimited"]] : [])]} />
    ${form.limit === "own" && html`<div class="row"><${LineInputs} name="Rate limit" value=${form.rate} onValue=${(rate) => set({ rate })} /></div>`}
  <//>`;
}

/** When a quota begins anew. @type {Record<string, string>} */
const QUOTAS = {
  day: "It begins anew at midnight UTC", month: "It begins anew on the first day of a month, UTC", lifetime: "All that the key may ever spend",
};

/** @param {string | undefined} hint @param {any} most the most that the caller may grant of a limit or a quota, or null */
const sentences = (hint, most) => [hint, most && `At most ${bound({ ...most, amount: most.requests })}`].filter(Boolean).join(". ");

/** @param {Props} props */
function QuotaFields({ form, set, problem, session }) {
  return html`<${Group} legend="Quota" error=${problem("quota")}
    hint=${sentences(QUOTAS[form.period], session.grants?.quota)}>
    <${Choices} name="period" value=${form.period} onValue=${(period) => set({ period })}
      options=${[["none", "None"], ["day", "Per day"], ["month", "Per month"], ["lifetime", "In all"]]} />
    ${form.period !== "none" && html`<div class="row">
      <input class="number" inputmode="numeric" aria-label="Quota: requests" value=${form.quota} onInput=${(e) => set({ quota: typed(e) })} /> <span>requests</span>
    </div>`}
  <//>`;
}

/** @param {Props} props */
function Expiry({ form, set, problem, session, create }) {
  const { latest, late } = expiryBounds(session.grants);
  const days = create ? session.grants?.defaultDays : 0;
  const bound = latest < Infinity ? `At the latest ${moment(new Date(latest).toISOString())}` : "";
  const never = days ? `A key without a date expires after ${days} days` : bound || "A key that never expires stays open until someone ends it";
  return html`<${Group} legend="Expires" error=${problem("expiresAt", "expiresInDays")} hint=${form.expiry === "never" ? never : bound}>
    <${Choices} name="expiry" value=${form.expiry} onValue=${(expiry) => set({ expiry })}
      options=${[...PRESETS.map((d) => [d, `${d} days`, late.includes(d)]), ["date", "On a date"], ["never", create && (days || bound) ? "Default" : "Never"]]} />
    ${form.expiry === "date" && html`<div class="row"><input type="datetime-local" aria-label="Expires on" value=${form.expiresAt}
      onInput=${(e) => set({ expiresAt: typed(e) })} /></div>`}
  <//>`;
}

/** What few keys need. It is open if something in it is set or wrong. @param {Props} props */
function More({ form, set, problem, session }) {
  const wrong = problem("description", "plan", "limits", "notBefore", "allowedCidrs", "metadata");
  const [open, setOpen] = useState(() => Boolean(form.description || form.plan || form.limits.length || form.notBefore || form.networks.length || form.metadata.length));
  return html`<details class="more" open=${open || wrong !== ""} onToggle=${(e) => setOpen(e.target.open)}>
    <summary>More: networks, metadata, further limits${session.admin ? ", plan" : ""}, start, description</summary>
    <${Rows} legend="Allowed networks" item="network" rows=${form.networks} blank="" max=${20} error=${problem("allowedCidrs")}
      hint=${session.grants?.allowedCidrs?.length ? `They must be within ${session.grants.allowedCidrs.join(", ")}. If empty, these` : "The key works from these only, such as 192.0.2.0/24 or 2001:db8::/32. If empty, from anywhere"}
      onRows=${(networks) => set({ networks })}
      render=${(row, change, name, at) => html`
        <input aria-label=${name} value=${row} autocomplete="off" spellcheck=${false} onInput=${(e) => change(typed(e))}
          onPaste=${(e) => spread(e, form.networks, at, (networks) => set({ networks }))} />`} />
    <${Rows} legend="Metadata" item="entry" rows=${form.metadata} blank=${["", ""]} max=${50} error=${problem("metadata")} hint="At most 2 KB in all"
      onRows=${(metadata) => set({ metadata })}
      render=${([name, value], change, label) => html`
        <input aria-label=${label + ": name"} placeholder="name" value=${name} autocomplete="off" dir="auto" onInput=${(e) => change([typed(e), value])} />
        <input aria-label=${label + ": value"} placeholder="value" value=${value} autocomplete="off" dir="auto" onInput=${(e) => change([name, typed(e)])} />`} />
    <${Rows} legend="Further limits" item="limit" rows=${form.limits} blank=${{ amount: "1000", window: "1", unit: "3600" }} max=${4} error=${problem("limits")}
      hint="They hold beside the rate limit, one for each length of time"
      onRows=${(limits) => set({ limits })}
      render=${(row, change, name) => html`<${LineInputs} name=${name} value=${row} onValue=${change} />`} />
    ${session.admin && html`<${Plan} form=${form} set=${set} problem=${problem} />`}
    <${Field} label="Works from" name="notBefore" error=${problem("notBefore")} hint="If empty, at once">
      <input type="datetime-local" name="notBefore" value=${form.notBefore} onInput=${(e) => set({ notBefore: typed(e) })} />
    <//>
    <${Field} label="Description" name="description" error=${problem("description")}>
      <textarea name="description" rows="3" dir="auto" value=${form.description} onInput=${(e) => set({ description: typed(e) })} />
    <//>
  </details>`;
}

/** @param {Pick<Props, "form" | "set" | "problem">} props */
function Plan({ form, set, problem }) {
  const plans = useSuggestions("api/v1/plans", "", (d) => d.data.map((p) => p.name));
  return html`<${Field} label="Plan" name="plan" error=${problem("plan")} hint="If empty, the plan of the user">
    <input name="plan" value=${form.plan} list="plans" autocomplete="off" onInput=${(e) => set({ plan: typed(e) })} />
    <datalist id="plans">${plans.map((p) => html`<option key=${p} value=${p} />`)}</datalist>
  <//>`;
}

/**
 * Gives each line of a pasted list a row of its own.
 * @param {ClipboardEvent} e @param {string[]} rows @param {number} at the row that receives the text
 * @param {(rows: string[]) => void} onRows
 */
function spread(e, rows, at, onRows) {
  const lines = (e.clipboardData?.getData("text") ?? "").split(/[\s,]+/).filter(Boolean);
  if (lines.length < 2) return;
  e.preventDefault();
  onRows([...rows.slice(0, at), ...(rows[at] ? [rows[at]] : []), ...lines, ...rows.slice(at + 1)].slice(0, 20));
}
