// @ts-check
// The dialog that edits a key. A change is made to the revision that was read, or not at all.
import { html, useRef, useState, Dialog } from "../ui.js";
import { call } from "../api.js";
import { formOf, patchOf, read, valuesOf } from "./form.js";
import { pathOf } from "./actions.js";
import { Fields, problems } from "./fields.js";
import { FormProblem, useSubmit } from "./create.js";
import { Conflict } from "./conflict.js";

/**
 * @param {{session: any, record: any, etag: string, onClose: () => void, onDone: (record: any, etag: string) => void}} props
 *   onDone receives the record that the service has now
 */
export function Edit({ session, record, etag, onClose, onDone }) {
  const path = pathOf(record);
  const [base] = useState(() => ({ values: valuesOf(record), etag })); // as it was opened: later polls do not move it
  const [form, setForm] = useState(() => formOf(base.values));
  const [other, setOther] = useState(/** @type {any} */ (null));
  const first = useRef(form);
  const { busy, errors, error, setError, send, box } = useSubmit();
  const set = (change) => setForm((f) => ({ ...f, ...change }));
  const typed = read(form);

  /** @param {import("./form.js").Values} from @param {import("./form.js").Values} to @param {string} match */
  const save = async (from, to, match) => {
    const body = patchOf(from, to);
    if (!Object.keys(body).length) return onClose();
    try {
      const answer = await call("PATCH", path, { body, headers: { "If-Match": match } });
      onDone(answer.data, answer.etag);
    } catch (e) {
      if (/** @type {any} */ (e).status !== 412) throw e;
      const [now, last] = await Promise.all([
        call("GET", path),
        call("GET", path + "/audit", { query: { limit: 1 } }).then((a) => a.data.data[0], () => null),
      ]);
      setOther({ record: now.data, values: valuesOf(now.data), etag: now.etag, last });
    }
  };
  const submit = (e) => {
    e.preventDefault();
    send(typed.errors, () => save(base.values, typed.values, base.etag));
  };
  const back = () => { // the next attempt to save asks again
    setOther(null);
    setError(null);
  };
  const guard = form !== first.current && !busy ? "Discard your changes?" : undefined;
  return html`<${Dialog} title=${html`Edit <bdi>${record.name || record.id}</bdi>`} onClose=${onClose} guard=${guard}>
    ${other ? html`
      <${Conflict} key=${other.etag} base=${base.values} mine=${typed.values} theirs=${other.values} last=${other.last} busy=${busy} onBack=${back}
        onTheirs=${() => onDone(other.record, other.etag)}
        onSave=${(v) => send({}, () => save(other.values, v, other.etag))} />
      <${FormProblem} error=${error} />` : html`
      <form class="key-form" ref=${box} onSubmit=${submit} novalidate>
        <${Fields} form=${form} set=${set} problem=${problems(errors, error)} session=${session} />
        <div class="foot"><${FormProblem} error=${error} />
        <div class="actions"><button type="button" onClick=${onClose}>Cancel</button>
          <button class="primary" disabled=${busy}>${busy ? "Saving…" : "Save"}</button></div></div>
      </form>`}
  <//>`;
}
