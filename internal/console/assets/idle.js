// @ts-check
// This module ends a sign-in that nobody uses.

import { useEffect, useState } from "./ui.js";

const LIMIT = 15 * 60_000; // milliseconds without input
const WARNING = 14 * 60_000;

/**
 * useIdle calls onIdle after 15 minutes without input. It returns a warning in the minute before,
 * and otherwise an empty text.
 * @param {boolean} on @param {() => void} onIdle @returns {string}
 */
export function useIdle(on, onIdle) {
  const [warned, warn] = useState(false);
  useEffect(() => {
    if (!on) return;
    let last = Date.now();
    const input = () => {
      check();
      last = Date.now();
      warn(false);
    };
    // A computer that sleeps stops timers, so the time itself is compared.
    const check = () => {
      const idle = Date.now() - last;
      if (idle >= LIMIT) onIdle();
      else warn(idle >= WARNING);
    };
    const timer = setInterval(check, 1000);
    const events = ["keydown", "pointerdown", "wheel", "touchstart"];
    for (const name of events) addEventListener(name, input, { capture: true, passive: true });
    document.addEventListener("visibilitychange", check);
    return () => {
      clearInterval(timer);
      for (const name of events) removeEventListener(name, input, { capture: true });
      document.removeEventListener("visibilitychange", check);
    };
  }, [on]);
  return warned ? "You will be signed out within a minute: there was no input for 14 minutes. Press any key to stay." : "";
}
