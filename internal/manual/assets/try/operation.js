// @ts-check
// This module shows one route: what it takes, what it answers, and a form that sends a request to it.

import { h } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { build, curl, kind, needsKey, resolve } from "./document.js";

/**
 * @typedef {import("./document.js").Document} Document
 * @typedef {import("./document.js").Route} Route
 * @typedef {import("./document.js").Schema} Schema
 * @typedef {import("./document.js").Parameter} Parameter
 * @typedef {import("./document.js").Request} Request
 * @typedef {{status: number, line: string, headers: [string, string][], text: string, took: number}} Answer
 */

const html = htm.bind(h);
const TIMEOUT = 30_000; // milliseconds

/** parsed is the value of a text in JSON, or undefined for another text. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** pretty writes JSON over several lines. Another text stays as it is. @param {string} text */
function pretty(text) {
  const value = parsed(text);
  return value === undefined ? text : JSON.stringify(value, null, 2);
}

/** Copy is a button that copies a text. @param {{text: string}} props */
function Copy({ text }) {
  const [done, set] = useState("");
  const copy = () => navigator.clipboard.writeText(text).then(() => set("Copied"), () => set("Select it and copy it by hand"));
  useEffect(() => {
    const timer = done && setTimeout(() => set(""), 2000);
    return () => clearTimeout(timer || undefined);
  }, [done]);
  return html`<button type="button" class="copy" onClick=${copy}><span role="status">${done || "Copy"}</span></button>`;
}

/** @param {{text: string, label: string}} props */
function Code({ text, label }) {
  return html`<div class="code"><pre tabindex="0" role="group" aria-label=${label}><code>${text}</code></pre><${Copy} text=${text} /></div>`;
}

/** Fields lists the fields of a schema, those of objects in it one level below. @param {{doc: Document, schema: Schema}} props */
function Fields({ doc, schema }) {
  const s = resolve(doc, schema);
  const inner = s.items ? resolve(doc, s.items) : s;
  const names = Object.keys(inner.properties || {});
  if (names.length === 0) return html`<p class="hint">${kind(doc, s)}${s.description && ". " + s.description}</p>`;
  const needs = new Set(inner.required);
  names.sort((a, b) => Number(needs.has(b)) - Number(needs.has(a)) || (a < b ? -1 : 1));
  return html`<ul class="fields">${names.map((name) => {
    const field = /** @type {Record<string, Schema>} */ (inner.properties)[name];
    const target = resolve(doc, field.items ? field.items : field);
    return html`<li key=${name}><code>${name}</code> <span class="hint">${kind(doc, field)}${needs.has(name) && ", always there"}</span>
      ${field.description && html`<br />${field.description}`}
      ${target.properties && html`<${Later} title=${`Fields of ${name}`}>${() => html`<${Fields} doc=${doc} schema=${field} />`}<//>`}</li>`;
  })}</ul>`;
}

/** Later shows its content once it is opened. @param {{title: any, children: () => any}} props */
function Later({ title, children }) {
  const [open, set] = useState(false);
  return html`<details open=${open} onToggle=${(/** @type {any} */ e) => set(e.currentTarget.open)}><summary>${title}</summary>
    ${open && /** @type {any} */ (children)()}</details>`;
}

/** @param {{doc: Document, p: Parameter, id: string, value: string, error: string, onValue: (v: string) => void}} props */
function Input({ doc, p, id, value, error, onValue }) {
  const s = resolve(doc, p.schema);
  const options = s.enum || (s.type === "boolean" ? ["true", "false"] : null);
  const common = {
    id, value, onInput: (/** @type {any} */ e) => onValue(e.target.value), "aria-describedby": `${id}-hint`,
    "aria-invalid": error ? "true" : undefined, "aria-required": p.required ? "true" : undefined,
  };
  const about = [kind(doc, s), p.description && p.description !== s.description ? p.description : s.description].filter(Boolean).join(". ");
  return html`<div class="field">
    <label for=${id}><code>${p.name}</code> <span class="hint">${p.in}${p.required && ", required"}</span></label>
    ${options
      ? html`<select ...${common}><option value=""></option>${options.map((o) => html`<option key=${o}>${String(o)}</option>`)}</select>`
      : html`<input ...${common} type="text" autocomplete="off" spellcheck=${false} />`}
    <p class="hint" id=${`${id}-hint`}>${error && html`<strong class="error">${error} </strong>`}${about}</p>
  </div>`;
}

/** send sends a request. @param {Request} r @param {string} token @returns {Promise<Answer>} */
async function send(r, token) {
  const headers = /** @type {Record<string, string>} */ ({ ...r.headers });
  if (token) headers.Authorization = `Bearer ${token}`;
  if (r.body !== undefined) headers["Content-Type"] = r.media;
  const began = performance.now();
  const response = await fetch(r.url, {
    method: r.method, headers, body: r.body, credentials: "omit", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(TIMEOUT),
  });
  const text = await response.text();
  return {
    status: response.status, line: `${response.status} ${response.statusText}`.trim(), headers: [...response.headers].sort(), text,
    took: Math.round(performance.now() - began),
  };
}

/** @param {{answer: Answer}} props */
function Answered({ answer }) {
  const quality = answer.status < 300 ? "good" : answer.status < 500 ? "warn" : "bad";
  return html`<div class="answer" role="region" aria-label="Answer">
    <p><strong class=${"status " + quality}>${answer.line}</strong> <span class="hint">in ${answer.took} ms</span></p>
    ${answer.text && html`<${Code} text=${pretty(answer.text)} label="Body of the answer" />`}
    <${Later} title="Headers">${() => html`<${Code} text=${answer.headers.map(([n, v]) => `${n}: ${v}`).join("\n")} label="Headers of the answer" />`}<//>
  </div>`;
}

/**
 * Form sends requests to a route.
 * @param {{doc: Document, base: string, operation: Route, token: string, known: Record<string, string>, onAnswer: (data: any) => void}} props
 */
function Form({ doc, base, operation: o, token, known, onAnswer }) {
  const medias = Object.keys(o.requestBody?.content || {});
  const example = (/** @type {string} */ media) => {
    const value = o.requestBody?.content[media]?.example;
    return value === undefined ? "" : JSON.stringify(value, null, 2);
  };
  const [media, setMedia] = useState(medias[0] || "");
  const [body, setBody] = useState(example(medias[0]));
  const [typed, setTyped] = useState(/** @type {Record<string, string>} */ ({}));
  const [missing, setMissing] = useState("");
  const [state, set] = useState(/** @type {{busy?: boolean, answer?: Answer, error?: string}} */ ({}));
  const first = (/** @type {Parameter} */ p) => (p.in === "path" ? known[p.name] || String(p.schema.examples?.[0] ?? "") : "");
  const given = Object.fromEntries((o.parameters || []).map((p) => [`${p.in} ${p.name}`, typed[`${p.in} ${p.name}`] ?? first(p)]));
  const takes = needsKey(o);
  const sent = takes === "no" ? "" : token;
  const request = build(base, o, given, media, body);
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    const empty = o.parameters?.find((p) => p.in === "path" && !given[`${p.in} ${p.name}`]);
    setMissing(empty ? empty.name : "");
    if (empty) {
      document.getElementById(`${o.operationId}-path-${empty.name}`)?.focus();
      return;
    }
    set({ busy: true });
    try {
      const answer = await send(request, sent);
      set({ answer });
      if (answer.status < 300) onAnswer(parsed(answer.text));
    } catch {
      set({ error: "No answer came. Check that the service runs, and that this device reaches it." });
    }
  };
  return html`<form onSubmit=${submit} autocomplete="off">
    ${o.parameters?.map((p) => {
      const name = `${p.in} ${p.name}`;
      return html`<${Input} key=${name} doc=${doc} p=${p} id=${`${o.operationId}-${p.in}-${p.name}`} value=${given[name]}
        error=${missing === p.name && p.in === "path" ? "The route needs this." : ""} onValue=${(/** @type {string} */ v) => setTyped((was) => ({ ...was, [name]: v }))} />`;
    })}
    ${o.requestBody && html`<div class="field">
      <label for=${`${o.operationId}-body`}>Body</label>
      ${medias.length > 1 && html`<select aria-label="Content-Type" value=${media} onInput=${(/** @type {any} */ e) => setMedia(e.target.value)}>
        ${medias.map((m) => html`<option key=${m}>${m}</option>`)}</select>`}
      <textarea id=${`${o.operationId}-body`} rows=${Math.min(16, body.split("\n").length + 1)} spellcheck=${false} autocomplete="off"
        value=${body} onInput=${(/** @type {any} */ e) => setBody(e.target.value)}></textarea>
      <${Later} title="Fields of the body">${() => html`<${Fields} doc=${doc} schema=${o.requestBody?.content[media].schema || {}} />`}<//>
    </div>`}
    <p class="actions"><button type="submit" class="primary" disabled=${state.busy}>${state.busy ? "Sending…" : "Send"}</button>
      ${takes === "yes" && !token && html`<span class="hint">Without a key, the answer is 401.</span>`}
      ${takes === "no" && html`<span class="hint">Needs no key, and none is sent.</span>`}</p>
    <div aria-live="polite">
      ${state.error && html`<p class="problem">${state.error}</p>`}
      ${state.answer && html`<${Answered} answer=${state.answer} />`}
    </div>
    <p class="label">The same in a terminal</p>
    <${Code} text=${curl(request, token, takes === "yes" || (takes === "maybe" && token !== ""))} label="Command" />
  </form>`;
}

/** @param {{doc: Document, route: Route}} props */
function Answers({ doc, route }) {
  return html`<ul class="fields">${Object.entries(route.responses).map(([status, r]) => {
    const [content] = Object.values(r.content || {});
    return html`<li key=${status}><strong class="figure">${status}</strong> ${r.description}
      ${content && html`<${Later} title="What it has">${() => html`
        ${content.schema && html`<${Fields} doc=${doc} schema=${content.schema} />`}
        ${content.example !== undefined && html`<${Code} text=${JSON.stringify(content.example, null, 2)} label="Example" />`}`}<//>`}</li>`;
  })}</ul>`;
}

/**
 * Operation shows a route. It opens when a link leads to it.
 * @param {{doc: Document, base: string, operation: Route, token: string, known: Record<string, string>, onAnswer: (data: any) => void}} props
 */
export function Operation(props) {
  const { doc, operation: o } = props;
  const [open, set] = useState(location.hash === "#" + o.operationId);
  useEffect(() => {
    const look = () => location.hash === "#" + o.operationId && set(true);
    if (open) document.getElementById(o.operationId)?.scrollIntoView();
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return html`<details class="operation" id=${o.operationId} open=${open} onToggle=${(/** @type {any} */ e) => e.target === e.currentTarget && set(e.currentTarget.open)}>
    <summary><span class=${"method " + o.method}>${o.method.toUpperCase()}</span> <code>${o.path}</code> <span class="hint">${o.summary}</span></summary>
    ${open && html`<div class="inside">
      <p>${o.description}</p>
      <${Form} ...${props} />
      <${Later} title="Answers">${() => html`<${Answers} doc=${doc} route=${o} />`}<//>
    </div>`}
  </details>`;
}
