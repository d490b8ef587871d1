import { printErrorAsItIs, stderrIsTerminal } from "./output.ts";

/** A counter on the last line of a terminal, for work that takes longer than half a second. */
export interface Progress {
  /** Updates the counter; cheap enough for every file. */
  at(done: number, total: number): void;
  /** Removes the line. Call it before anything else is printed, and at the end. */
  clear(): void;
}

const START_AFTER_MS = 500;
const EVERY_MS = 100;

/** Shows progress of `label` on standard error, if that is a terminal. */
export function startProgress(label: string): Progress {
  if (!stderrIsTerminal()) return { at() {}, clear() {} };
  let next = performance.now() + START_AFTER_MS;
  let shown = false;
  return {
    at(done, total) {
      const now = performance.now();
      if (now < next) return;
      next = now + EVERY_MS;
      shown = true;
      const percent = total === 0 ? 100 : Math.floor((done * 100) / total);
      printErrorAsItIs(`\r\x1b[K${label}: ${done} of ${total} (${percent} %)`);
    },
    clear() {
      if (!shown) return;
      shown = false;
      printErrorAsItIs("\r\x1b[K");
    },
  };
}
