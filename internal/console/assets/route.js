// @ts-check
// This module knows which view the address names. Views are in the part of the address after #, which
// the browser sends to no server.

import { guarded, useLayoutEffect, useState } from "./ui.js";

/** @typedef {{view: string, id: string, params: URLSearchParams}} Route */

/** @returns {Route} */
function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    // The view says that there is no such key.
  }
  return { view: view || "keys", id, params: new URLSearchParams(query) };
}

/** go shows another view, such as keys/3fGq8ZpLw1xKc0Ty. @param {string} path */
export function go(path) {
  location.hash = "#/" + path;
}

/** useRoute returns which view the address names. @returns {Route} */
export function useRoute() {
  const [route, set] = useState(read);
  useLayoutEffect(() => { // at once: no change of the address is missed
    let shown = location.hash;
    const follow = () => {
      if (location.hash === shown) return;
      if (guarded()) {
        history.replaceState(null, "", shown || "#/keys");
        return;
      }
      shown = location.hash;
      set(read());
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}
