// @ts-check
// Rotation: the same key gets a new token, and the older one works for a while.
import { html, useRef, useState, Dialog, Problem, Time } from "../ui.js";
import { call, signIn } from "../api.js";
import { EndGrace, pathOf } from "./actions.js";
import { requestName } from "./form.js";
import { Choices, Group } from "./rows.js";
import { Shown } from "./shown.js";

const GRACES = [["0", "None: it ends now"], ["3600", "1 hour"], ["86400", "24 hours"], ["604800", "7 days"], ["own", "Other"]];
const MOST = 30 * 86400;

/**
 * @param {{session: any, record: any, etag: string, onClose: () => void, onDone: (record: any, etag: string) => void,
 *   onShow: (record: any, etag: string) => void, onStale: () => void}} props
 *   onShow receives the record that the service has now; onStale is called if the key was changed since it was read
 */
export function Rotate({ session, record, etag, onClose, onDone, onShow, onStale }) {
  const [grace, setGrace] = useState(record.previousKeyValidUntil ? "" : "86400");
  const [amount, setAmount] = useState("3");
  const [unit, setUnit] = useState("86400");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const [issued, setIssued] = useState(/** @type {any} */ (null));
  const name = useRef({ of: "", is: "" });
  const match = useRef(etag); // the revision that was on the page when the dialog opened
  const older = record.previousKeyValidUntil;
  const mine = record.id === session.who?.keyId;

  const rotate = async (e) => {
    e.preventDefault();
    const seconds = grace === "own" ? Number(amount) * Number(unit) : Number(grace);
    const problem = Number.isInteger(seconds) && seconds >= 0 && seconds <= MOST ? "" : "Choose a whole number of hours or days, at most 30 days";
    setWrong(problem);
    setError(null);
    if (busy || problem) return;
    setBusy(true);
    if (name.current.of !== String(seconds)) name.current = { of: String(seconds), is: requestName() };
    try {
      const { data, etag: now } = await call("POST", pathOf(record) + "/rotate", {
        body: { gracePeriod: seconds }, headers: { "If-Match": match.current, "Idempotency-Key": name.current.is },
      });
      const { key, ...rest } = data;
      if (mine) signIn(key);
      setIssued({ record: rest, token: key, etag: now });
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };

  if (issued) return html`<${Shown} record=${issued.record} token=${issued.token} rotated onClose=${() => {
    const { record, etag } = issued;
    setIssued(null);
    onDone(record, etag);
  }} />`;
  return html`<${Dialog} title=${html`Rotate <bdi>${record.name || record.id}</bdi>`} onClose=${onClose}>
    <form class="key-form" onSubmit=${rotate} novalidate>
      <p>The key gets a new token. Its id, limits, usage and trail stay.</p>
      ${mine && html`<p class="notice" role="note">You are signed in with this key. You go on with the new token.</p>`}
      ${older && html`<div class="notice" role="note"><p>An older token works until <${Time} at=${older} exact />, and at most two may work. Choose “None”, which ends both, or end the older one first.</p>
        <${EndGrace} record=${record} onDone=${(a) => { match.current = a.etag; setGrace("86400"); onShow(a.data, a.etag); }} /></div>`}
      <${Group} legend="The present token still works for" error=${wrong}>
        <${Choices} name="grace" value=${grace} autofocus onValue=${setGrace}
          options=${GRACES.map(([s, text]) => [s, text, Boolean(older) && s !== "0"])} />
        ${grace === "own" && html`<div class="row">
          <input class="number short" inputmode="numeric" aria-label="Time" value=${amount} onInput=${(e) => setAmount(e.target.value)} />
          <select aria-label="Unit" onChange=${(e) => setUnit(e.target.value)}>
            <option value="3600" selected=${unit === "3600"}>hours</option><option value="86400" selected=${unit === "86400"}>days</option>
          </select></div>`}
      <//>
      ${grace === "0" && html`<p class="notice" role="note">Whatever still uses the present token is refused within moments. This cannot be undone.</p>`}
      <${Problem} error=${error} />
      ${error?.status === 412 && html`<p><button type="button" onClick=${onStale}>Show the key as it is now</button></p>`}
      <div class="actions"><button type="button" onClick=${onClose}>Cancel</button>
        <button class="primary" disabled=${busy || !grace}>${busy ? "Rotating…" : "Rotate"}</button></div>
    </form>
  <//>`;
}
