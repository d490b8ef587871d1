import { endCreations } from "./carry-out/creations.ts";
import type { Shown } from "./carry-out/report.ts";
import type { Comparison } from "./compare/compare.ts";
import { changesOf } from "./compare/work.ts";
import { Memory } from "./memory.ts";
import type { Declaration } from "./model.ts";
import type { Once } from "./once-shape.ts";

/** What a run remembers of what is declared now, and was once. */
export interface Remembered {
  readonly declaration: Declaration;
  /** What the usual files declare, if the declaration is another one. */
  readonly beside: Declaration | undefined;
  /** What the file has of what was declared once. */
  readonly written: Once;
}

const memories = new WeakMap<Comparison, Memory>();

/**
 * All that is declared, added to what was declared once. Nothing is written. A comparison has one: what a plan has asked, the
 * run writes down.
 */
export const memoryOf = (remembered: Remembered, compared: Comparison): Memory =>
  memories.getOrInsertComputed(compared, () => {
    const { declaration, beside, written } = remembered;
    const memory = new Memory(compared.before, written, compared.pathOf, beside);
    memory.declare(declaration, compared);
    return memory;
  });

/** True if a run has anything to write down. */
export const mustKeep = (remembered: Remembered, compared: Comparison): boolean =>
  compared.former.length + compared.jails.flatMap(changesOf).length > 0 ||
  !memoryOf(remembered, compared).isWritten();

/** Writes down what is declared, of a run that changes nothing. Throws SystemError, JailkitError. */
export function keep(remembered: Remembered, compared: Comparison, { fault }: Pick<Shown, "fault">): void {
  const memory = memoryOf(remembered, compared);
  memory.write();
  endCreations(memory, fault);
}
