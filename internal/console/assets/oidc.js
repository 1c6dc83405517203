// @ts-check
// This module signs a user in at an issuer of OpenID Connect: the authorization code flow with PKCE,
// as a public client. Another window visits the issuer, so this page keeps its state.

/** @param {ArrayBuffer | Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** random returns a text that nobody can guess. */
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {string} text @returns {any} */
function claims(text) {
  const part = (text || "").split(".")[1] || "";
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** @param {string} what @param {string | URL} url @param {RequestInit} options */
async function ask(what, url, options) {
  let response, body;
  try {
    response = await fetch(url, { ...options, credentials: "omit", cache: "no-store", redirect: "error" });
    body = await response.json();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Error(`${what} at ${new URL(url).origin} could not be reached from this page. ` +
      "It must allow requests from other origins, and its origin must be that of a configured issuer.");
  }
  if (!response.ok) throw new Error(`${what} refused: ${body.error_description || body.error || response.status}.`);
  return body;
}

/**
 * wait resolves to what the callback page hands over for a state.
 * @param {string} state @param {AbortSignal} signal @returns {Promise<Record<string, string>>}
 */
function wait(state, signal) {
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel("latchkey-login");
    signal.addEventListener("abort", () => {
      channel.close();
      reject(signal.reason);
    });
    channel.onmessage = ({ data }) => {
      if (data?.type !== "answer" || data.state !== state) return; // meant for another window
      channel.postMessage({ type: "taken", state });
      channel.close();
      resolve(data);
    };
  });
}

/**
 * authorize opens the issuer's page in another window and resolves to an access token.
 * @param {string} issuer
 * @param {{clientId: string, audience?: string, scope?: string}} config
 * @param {AbortSignal} signal if aborted, the sign-in is given up
 * @returns {Promise<string>}
 */
export async function authorize(issuer, config, signal) {
  if (!crypto.subtle) throw new Error("The browser allows a sign-in over https or on this machine only.");
  const found = await ask("The issuer", issuer.replace(/\/$/, "") + "/.well-known/openid-configuration", { signal });
  if (found.issuer !== issuer) throw new Error("The issuer calls itself by another name than the configuration of latchkey does.");
  const verifier = random(), state = random(), nonce = random();
  const redirect = new URL("callback.html", document.baseURI).href;
  const url = new URL(found.authorization_endpoint);
  const query = {
    response_type: "code", client_id: config.clientId, redirect_uri: redirect, scope: config.scope || "openid",
    audience: config.audience, state, nonce, code_challenge_method: "S256",
    code_challenge: base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))),
  };
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  const waiting = wait(state, signal);
  open(url, "_blank", "noopener,popup,width=520,height=720");
  const answer = await waiting;
  if (answer.iss && answer.iss !== issuer) throw new Error("Another issuer has answered. Sign in again.");
  if (!answer.code) throw new Error(`The issuer refused: ${answer.error_description || answer.error || "it gave no reason"}.`);
  const tokens = await ask("The issuer", found.token_endpoint, {
    method: "POST", signal,
    body: new URLSearchParams({
      grant_type: "authorization_code", code: answer.code, redirect_uri: redirect,
      client_id: config.clientId, code_verifier: verifier,
    }),
  });
  const about = claims(tokens.id_token);
  if (about.nonce !== nonce || about.iss !== issuer || ![about.aud].flat().includes(config.clientId)) {
    throw new Error("The issuer's answer belongs to another sign-in. Sign in again.");
  }
  return tokens.access_token;
}
