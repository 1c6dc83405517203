// @ts-check
// Why a request with a key is allowed or refused: each check of the gate, with the value that decided.

import { call } from "../api.js";
import { Field, Problem, announce, html, useEffect, useRef, useState } from "../ui.js";
import { useSession } from "../session.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const ID = /^[A-Za-z0-9]{16}$/;

/**
 * find returns the id of a key, of which text is the id or a token. verdict is what validate says about
 * the token; it spends nothing.
 * @param {string} text @param {boolean} admin
 * @returns {Promise<{id: string, verdict?: any}>}
 */
async function find(text, admin) {
  if (ID.test(text)) return { id: text };
  try {
    const { data: verdict } = await call("POST", "api/v1/api-keys/validate", { body: { apiKey: text }, asks: false });
    return { id: verdict.keyId || "", verdict };
  } catch (/** @type {any} */ error) {
    // A stack may want a key of the caller here, which a user from an issuer has not.
    if (error.status !== 401 || !admin) throw error;
    const { data: record } = await call("POST", "api/v1/api-keys/lookup", { body: { key: text } });
    return { id: record.id };
  }
}

/** Only what is filled in is sent. @param {any} form */
function request(form) {
  return {
    method: form.method, path: form.path, sourceIp: form.sourceIp || undefined,
    cost: form.cost === "" ? undefined : Number(form.cost),
    at: form.at ? new Date(form.at).toISOString() : undefined,
  };
}

/** @param {{params: URLSearchParams}} props */
export function Explain({ params }) {
  const { admin } = useSession();
  const [form, set] = useState({ text: params.get("key") || "", method: "GET", path: "/", sourceIp: "", cost: "", at: "" });
  const [found, show] = useState(/** @type {any} */ (null));
  const [error, fail] = useState(/** @type {any} */ (null));
  const [busy, work] = useState(false);
  const last = useRef(0);
  /** @param {string} name */
  const typed = (name) => (/** @type {any} */ e) => set((was) => ({ ...was, [name]: e.target.value }));
  const ask = async () => {
    const round = ++last.current;
    work(true);
    fail(null);
    try {
      const key = await find(form.text.trim(), admin);
      const answer = key.id && (await call("POST", `api/v1/api-keys/${encodeURIComponent(key.id)}/explain`, { body: request(form) })).data;
      if (round !== last.current) return;
      // The token is needed no longer: the id leads to the same key.
      if (key.id) set((was) => ({ ...was, text: key.id }));
      show({ ...key, answer });
      announce(key.id ? (answer.code === "valid" ? "It would be allowed" : `It would be refused: ${answer.code}`) : "No key has this token");
    } catch (problem) {
      if (round === last.current) {
        show(null);
        fail(problem);
      }
    }
    if (round === last.current) work(false);
  };
  useEffect(() => { if (form.text) ask(); }, []);
  const wrong = (/** @type {string} */ name) => error?.status === 400 && error.param === name && error.message;
  const placed = error?.status === 400 && ["method", "path", "sourceIp", "cost", "at", "apiKey", "id"].includes(error.param);
  return html`<h1>Explain</h1>
    <p class="quietly">Describe a request. latchkey shows each check of its gate, in order, and the value that decided it. This spends nothing.</p>
    <form class="explain" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); ask(); }}>
      <${Field} label="Token or id of a key" name="text" error=${wrong("apiKey") || wrong("id")} hint="A token is sent to latchkey alone, and replaced here by the id of its key.">
        <input type=${ID.test(form.text) || form.text === "" ? "text" : "password"} required autocomplete="off" spellcheck=${false} class="mono" value=${form.text} onInput=${typed("text")} /><//>
      <${Field} label="Method" name="method" error=${wrong("method")}><select value=${form.method} onChange=${typed("method")}>
        ${METHODS.map((m) => html`<option>${m}</option>`)}</select><//>
      <${Field} label="Path" name="path" error=${wrong("path")} hint="Without the stage"><input required class="mono" spellcheck=${false} autocomplete="off" maxlength="2048" value=${form.path} onInput=${typed("path")} /><//>
      <${Field} label="From address" name="sourceIp" error=${wrong("sourceIp")}><input class="mono" placeholder="any" autocomplete="off" maxlength="64" value=${form.sourceIp} onInput=${typed("sourceIp")} /><//>
      <${Field} label="Cost" name="cost" error=${wrong("cost")}><input inputmode="numeric" pattern="[0-9]{0,7}" title="a whole number" placeholder="by the route" autocomplete="off" value=${form.cost} onInput=${typed("cost")} /><//>
      <${Field} label="At" name="at" error=${wrong("at")} hint="If empty, now"><input type="datetime-local" value=${form.at} onInput=${typed("at")} /><//>
      <button class="primary" aria-disabled=${busy ? "true" : undefined}>${busy ? "Asking…" : "Explain this request"}</button>
    </form>
    ${error && !placed && html`<${Problem} error=${error} onRetry=${ask} />`}
    ${found && html`<${Answer} found=${found} />`}`;
}

/** @param {{found: {id: string, verdict?: any, answer: any}}} props */
function Answer({ found: { id, verdict, answer } }) {
  if (!id) {
    return html`<section aria-labelledby="answer"><h2 id="answer"><span class="badge revoked">Refused</span> No key has this token</h2>
      <p>${verdict?.error} <code>${verdict?.code}</code></p></section>`;
  }
  // Of a token that a rotation has replaced for good, validate tells the id of the key and nothing else.
  const ended = verdict && !verdict.valid && verdict.userId === undefined && verdict;
  const allowed = answer.code === "valid" && !ended;
  return html`<section aria-labelledby="answer">
    <h2 id="answer"><span class=${"badge " + (allowed ? "active" : "revoked")}>${allowed ? "Allowed" : "Refused"}</span> ${allowed
      ? "The request would be allowed" : html`The request would be refused: <code>${ended ? ended.code : answer.code}</code>`}</h2>
    ${ended && html`<p class="problem">${ended.error}</p>`}
    <p><a href=${"#/keys/" + encodeURIComponent(id)}>Open key <code>${id}</code></a></p>
    <table class="checks"><caption class="unseen">Checks of the gate</caption>
      <thead><tr><th scope="col">Check</th><th scope="col">Result</th><th scope="col">What decided</th></tr></thead>
      <tbody>${answer.checks.map((/** @type {any} */ c) => html`<tr class=${c.pass ? "" : "failed"}>
        <th scope="row"><code>${c.check}</code></th>
        <td><span class=${"badge " + (c.pass ? "active" : "revoked")}>${c.pass ? "pass" : "FAIL"}</span></td>
        <td><bdi>${c.detail}</bdi></td></tr>`)}</tbody></table>
  </section>`;
}
