import type { ByteString } from "../../../ffi/bytes.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { noRoom } from "../../jail/fs/no-room.ts";
import { type AccountRun, makeChanges, type PlannedChange } from "../../users/account-run.ts";
import { type Change, type Failure, faultText } from "../change.ts";
import { changesByStep, type StepTable } from "../order.ts";
import type { Ended, Shown } from "./report.ts";

/** What a step says while it works. */
export interface Said {
  readonly steps: string[];
  readonly warnings: string[];
  readonly errors: Failure[];
}

/** What a step does. */
export type Work = (said: Said) => void | Promise<void>;

/** A step, which makes some changes; throws if it fails, or adds errors. */
export interface Step extends Apart {
  readonly changes: readonly Change[];
  readonly work: Work;
}

/** How a step is apart from the others of its table. */
export interface Apart {
  /** It is made also after another one has failed. */
  readonly always?: boolean;
  /** If it fails, the others are made all the same. */
  readonly mayFail?: boolean;
}

/** The items of all changes. */
export const itemsOf = (changes: readonly Change[]): ByteString[] => changes.flatMap(({ items }) => items);

/** The steps of a table for some changes, in its order. `apart`: those that are apart. */
export function stepsOf<Name extends string>(
  table: StepTable<Name>,
  changes: readonly Change[],
  works: Readonly<Record<Name, (some: readonly Change[]) => Work>>,
  apart?: Readonly<Partial<Record<Name, Apart>>>,
): Step[] {
  return [...changesByStep(table, changes)].map(([name, some]) => ({
    ...apart?.[name],
    changes: some,
    work: works[name](some),
  }));
}

/**
 * Makes steps in their order, and shows each change when it is done. The first failure ends them, but for those that are
 * apart, and a signal ends all. True if all are done. `jail`: where there may be no room.
 */
export async function makeSteps(steps: readonly Step[], jail: ByteString, shown: Shown): Promise<boolean> {
  let failed = false;
  let allDone = true;
  for (const { changes, work, always = false, mayFail = false } of steps) {
    if (changes.length === 0) continue;
    const said: Said = { steps: [], warnings: [], errors: [] };
    // The end of the run tells of a signal, once for all that is not done.
    const skipped: boolean = (failed && !always) || receivedSignal() !== undefined;
    let status: Ended["status"] = skipped ? "not-done" : "done";
    if (!skipped) {
      try {
        await work(said);
      } catch (error) {
        const why = faultText(error);
        said.errors.push(noRoom(error, jail, { left: [], progress: "not everything is as declared" }) ?? why);
      }
      if (said.errors.length > 0) status = "failed";
    }
    allDone &&= status === "done";
    failed ||= status === "failed" && !mayFail;
    // What was said is about all of them: it is shown once.
    for (const [index, change] of changes.entries())
      shown.ended({ change, status, ...(index === 0 ? said : { steps: [], warnings: [], errors: [] }) });
  }
  return allDone;
}

/** Makes one change of an account, and says what it did. `after`: as for makeChanges. */
export function changeOne(
  change: PlannedChange,
  jail: ByteString,
  said: Said,
  after: Parameters<typeof makeChanges>[2] = () => undefined,
): void {
  makeChanges([change], () => jail, after);
  tell(change.run, said);
}

/** Says what a run on an account said. */
export function tell({ steps, warnings, error, remedy }: AccountRun, said: Said): void {
  said.steps.push(...steps);
  said.warnings.push(...warnings);
  if (error !== undefined) said.errors.push({ message: error, remedy });
}
