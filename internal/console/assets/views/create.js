// @ts-check
// The dialog that creates a key. The answer is the only place where its token is ever shown.
import { html, useEffect, useRef, useState, Dialog, Problem } from "../ui.js";
import { call } from "../api.js";
import { emptyValues, expiryBounds, formOf, patchOf, read, requestName } from "./form.js";
import { Fields, SHOWN, problems } from "./fields.js";
import { useSession } from "../session.js";
import { go } from "../route.js";
import { Shown } from "./shown.js";

/**
 * Create asks for a new key, and shows its token once.
 * @param {{onClose: (created: boolean) => void, userId?: string}} props userId: the owner to begin with
 */
export function Create({ userId = "", onClose }) {
  const session = useSession();
  const [issued, setIssued] = useState(/** @type {{record: any, token: string} | null} */ (null));
  if (!issued) return html`<${CreateForm} session=${session} userId=${userId} onClose=${() => onClose(false)} onIssued=${setIssued} />`;
  return html`<${Shown} record=${issued.record} token=${issued.token} onClose=${() => {
    const { id } = issued.record;
    setIssued(null);
    onClose(true);
    go("keys/" + id);
  }} />`;
}

/**
 * An expiry of at most 90 days is chosen. "never" leaves it to the service, which then takes the default
 * of the plan or the latest that the caller may grant.
 * @param {any} grants @returns {import("./form.js").Form}
 */
function firstForm(grants, userId = "") {
  const { late } = expiryBounds(grants);
  const usual = grants?.defaultDays ? "never" : ["7", "30", "90"].filter((d) => !late.includes(d)).at(-1) ?? "never";
  return { ...formOf(emptyValues()), userId, environment: "live", expiry: usual };
}

/** @param {{session: any, userId: string, onClose: () => void, onIssued: (issued: any) => void}} props */
function CreateForm({ session, userId, onClose, onIssued }) {
  const [form, setForm] = useState(() => firstForm(session.grants, userId));
  const { busy, errors, error, send, box } = useSubmit();
  const set = (change) => setForm((f) => ({ ...f, ...change }));
  const name = useRef({ of: "", is: "" });
  const first = useRef(form);
  const submit = (e) => {
    e.preventDefault();
    const { values, errors } = read(form);
    send(errors, async () => {
      const body = patchOf(emptyValues(), values);
      if (session.admin) body.environment = form.environment;
      const text = JSON.stringify(body);
      // The same request keeps its name: after a lost answer it creates no second key.
      if (name.current.of !== text) name.current = { of: text, is: requestName() };
      const { data } = await call("POST", "api/v1/api-keys", { body, headers: { "Idempotency-Key": name.current.is } });
      const { key, ...record } = data;
      onIssued({ record, token: key });
    });
  };
  const left = session.grants?.keysLeft;
  const full = left === 0 && (!form.userId || form.userId === session.owner);
  const guard = form !== first.current && !busy ? "Discard this key? What you typed is lost." : undefined;
  return html`<${Dialog} title="Create a key" onClose=${onClose} guard=${guard}>
    <form class="key-form" ref=${box} onSubmit=${submit} novalidate>
      ${full && html`<p class="notice" role="note">You have ${session.grants.maxKeys} of ${session.grants.maxKeys} keys. Revoke or delete one that you no longer need first.</p>`}
      <${Fields} form=${form} set=${set} problem=${problems(errors, error)} session=${session} create />
      <div class="foot"><${FormProblem} error=${error} />
      <div class="actions"><button type="button" onClick=${onClose}>Cancel</button>
        <button class="primary" disabled=${busy}>${busy ? "Creating…" : "Create key"}</button></div></div>
    </form>
  <//>`;
}

/** Shows an error, unless it is under the field that it is about. @param {{error: any}} props */
export function FormProblem({ error }) {
  const field = (error?.param ?? "").split(".")[0];
  if (error?.status === 400 || error?.status === 403) {
    if (SHOWN.includes(field)) return html`<p class="error" role="alert">Nothing was saved. See the field that is marked.</p>`;
  }
  return html`<${Problem} error=${error} />`;
}

/** Sends a form once at a time, holds its errors, and moves the focus to the first field that is wrong. */
export function useSubmit() {
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  const [error, setError] = useState(/** @type {any} */ (null));
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const running = useRef(false);
  useEffect(() => {
    if (!error && !Object.keys(errors).length) return;
    const wrong = box.current?.querySelector(".wrong input, .wrong textarea, [data-invalid] input, [data-invalid] button");
    if (wrong instanceof HTMLElement) wrong.focus();
  }, [error, errors]);
  /** @param {Record<string, string>} found @param {() => Promise<void>} request */
  const send = async (found, request) => {
    if (running.current) return;
    setErrors(found);
    setError(null);
    if (Object.keys(found).length) return;
    running.current = true;
    setBusy(true);
    try {
      await request();
    } catch (e) {
      setError(e);
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, errors, error, setError, send, box };
}
