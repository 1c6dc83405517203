// @ts-check
// This module knows who is signed in, and what that caller may do.

import { call } from "./api.js";
import { createContext, useContext } from "./ui.js";

/**
 * @typedef {object} Session
 * @property {any} who the answer of whoami
 * @property {boolean} admin may act for all users
 * @property {boolean} read may read keys
 * @property {boolean} write may change keys
 * @property {any} grants what the caller may grant; null if the service does not say
 * @property {boolean} pasted signed in with a key, not at an issuer
 * @property {string} owner the user whose keys the caller manages
 * @property {(reason?: string) => void} signOut
 */

export const SessionContext = createContext(/** @type {any} */ (null));

/** useSession returns the session of the caller. @returns {Session} */
export function useSession() {
  return useContext(SessionContext);
}

/**
 * whoami asks the service who the caller is.
 * @param {boolean} pasted @returns {Promise<Omit<Session, "signOut">>}
 */
export async function whoami(pasted) {
  const { data: who } = await call("GET", "api/v1/whoami", { query: { include: "grants" }, asks: false });
  const grants = who.grants || null;
  const has = (/** @type {string} */ scope) => who.scopes.includes(scope);
  const admin = grants?.admin ?? (who.internal || has("keys:admin"));
  return {
    who, grants, admin, pasted, owner: who.userId,
    read: grants?.read ?? (admin || has("keys:read")),
    write: grants?.write ?? (admin || has("keys:write")),
  };
}
