import type { ByteString } from "../../ffi/bytes.ts";
import { standardError, variable } from "../../ffi/guard.ts";
import { terminalColumns } from "../../ffi/terminal.ts";
import { isLastLineShown, showLastLine, stderrIsTerminal } from "./output.ts";

/** A counter on the last line of a terminal, for work that takes longer than half a second. */
export interface Progress {
  /** Updates the counter; cheap enough for every file. */
  at(done: number, total: number): void;
  /** Removes the line. Whatever else is printed does so, too; the next update shows it again. */
  clear(): void;
}

const START_AFTER_MS = 500;
const EVERY_MS = 100;
const COLUMNS = 80;

/** The text of a counter for a line of so many columns: the last one stays empty, since a terminal may wrap there. */
export function progressText(
  { label, unit }: { label: ByteString; unit: string },
  done: number,
  total: number,
  columns: number,
): ByteString {
  const percent = `${total === 0 ? 100 : Math.floor((done * 100) / total)} %`;
  const texts = [
    `${label}: ${done} of ${total} ${unit} (${percent})`,
    `${done} of ${total} (${percent})`,
    percent,
  ];
  return texts.find((text) => text.length < columns) ?? "";
}

/** Counts `unit`s on standard error, behind `label`, if that is a terminal that can erase a line. */
export function startProgress(label: ByteString, unit: string): Progress {
  const term = variable("TERM") ?? "";
  if (!stderrIsTerminal() || term === "" || term === "dumb") return { at() {}, clear() {} };
  let next = performance.now() + START_AFTER_MS;
  let count: readonly [done: number, total: number] = [0, 0];
  let started = false;
  let drawn = "";
  let timer: ReturnType<typeof setInterval> | undefined;
  const draw = () => {
    const now = performance.now();
    if (now < next && (!started || isLastLineShown())) return;
    next = now + EVERY_MS;
    started = true;
    const text = progressText({ label, unit }, ...count, terminalColumns(standardError) ?? COLUMNS);
    if (text !== drawn || !isLastLineShown()) showLastLine(text);
    drawn = text;
  };
  return {
    at(done, total) {
      count = [done, total];
      // Work that waits for other processes makes no progress for a long time.
      timer ??= setInterval(draw, EVERY_MS);
      draw();
    },
    clear() {
      clearInterval(timer);
      timer = undefined;
      showLastLine("");
    },
  };
}
