import type { ByteString } from "../../../ffi/bytes.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { noRoom } from "../../jail/fs/no-room.ts";
import { type AccountRun, makeChanges, type PlannedChange } from "../../users/account-run.ts";
import { type Change, type FaultText, faultText, NO_LONGER, nameOf, PROGRESS } from "../change.ts";
import { changesByStep, type StepTable } from "../order.ts";
import { type Ended, NOTHING_SAID, type Shown } from "./report.ts";

/** What a step says while it works. */
export interface Said {
  readonly steps: string[];
  readonly warnings: string[];
  readonly errors: FaultText[];
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
  /** It takes something away: it is made also after another one has failed. */
  readonly always?: boolean;
  /** If it fails, the others are made all the same. */
  readonly mayFail?: boolean;
  /** Makes one of its changes without the others, as far as that takes something away; undefined if that is what has failed. */
  readonly alone?: (change: Change, hasFailed: boolean) => Work | undefined;
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

/** The same steps, each after a look at those of its changes that take away what was declared once. Throws what `look` throws. */
export function afterLook(steps: readonly Step[], look: (removal: Change) => void): readonly Step[] {
  return steps.map((step) => {
    const { changes, work, alone } = step;
    const removals = changes.filter(({ action, why }) => action === "remove" && why === NO_LONGER);
    if (removals.length === 0) return step;
    const after =
      (next: Work): Work =>
      (said) => {
        removals.forEach(look);
        return next(said);
      };
    const way: Apart["alone"] = (change, hasFailed) => {
      const made = alone?.(change, hasFailed);
      return made && after(made);
    };
    return { ...step, work: after(work), alone: way };
  });
}

/**
 * Makes steps in their order, and shows each change when it is done. After the first failure nothing more is given, and what
 * takes something away is still made; a signal ends all. Returns undefined if all are done, else what was the first that is
 * not, printable. `jail`: where there may be no room. `waits`: what has failed before, printable.
 */
export async function makeSteps(
  steps: readonly Step[],
  jail: ByteString,
  shown: Shown,
  waits?: string,
): Promise<string | undefined> {
  let failed = waits;
  let left = waits;
  const later: Ended[] = [];
  for (const step of steps) {
    if (step.changes.length === 0) continue;
    if (failed === undefined && receivedSignal() === undefined) failed = shown.begins?.(step.changes);
    for (const ended of await makeStep(step, jail, shown, failed)) {
      const { change, status } = ended;
      const what = `${nameOf(change)}: ${change.what}`;
      if (status !== "done") left ??= what;
      if (status === "failed" && step.mayFail !== true) failed ??= what;
      if (status === "not-done" && waits !== undefined) later.push(ended);
      else shown.ended(ended);
    }
  }
  later.forEach(shown.ended);
  return left;
}

/** Makes one step, or of one that has to wait for something what takes something away. */
async function makeStep(
  step: Step,
  jail: ByteString,
  shown: Shown,
  failed: string | undefined,
): Promise<Ended[]> {
  const { changes, work, always = false } = step;
  // The end of the run tells of a signal, once for all that is not done.
  const isSkipped = (failed !== undefined && !always) || receivedSignal() !== undefined;
  const said = isSkipped ? NOTHING_SAID : await attempt(work, jail);
  const status = isSkipped ? "not-done" : said.errors.length > 0 ? "failed" : "done";
  const waits = status === "not-done" ? failed : undefined;
  const ended: Ended[] = [];
  for (const change of changes) {
    const whole: Ended = { ...NOTHING_SAID, change, status, waits };
    ended.push(status === "done" ? whole : await makeAlone(step, whole, jail, shown));
  }
  return isSkipped ? ended : withSaid(ended, said);
}

/** Makes what takes something away of a change that was not done, or returns it as it is. */
async function makeAlone({ alone }: Step, whole: Ended, jail: ByteString, { begins }: Shown): Promise<Ended> {
  const { change, status } = whole;
  const way = change.takes === undefined ? undefined : alone?.(change, status === "failed");
  if (way === undefined || receivedSignal() !== undefined) return whole;
  // What it writes is taken back later. Where that cannot be written down, rules take something away all the same.
  const unkept = begins?.([change]);
  if (unkept !== undefined && change.action === "create" && change.what !== "policy") return whole;
  const said = await attempt(way, jail);
  if (said.errors.length > 0) return { ...said, change, status: "failed" };
  return change.takes === "all" ? { ...said, change, status: "done" } : { ...whole, ...said };
}

/** What was said is about all changes of a step: it is shown once, with one that failed if any did. */
function withSaid(ended: readonly Ended[], said: Said): Ended[] {
  const at = Math.max(
    0,
    ended.findIndex(({ status }) => status === "failed"),
  );
  return ended.map((one, index) => {
    if (index !== at) return one;
    const { steps, warnings, errors } = said;
    const messages = new Set(one.errors.map(({ message }) => message));
    const others = errors.filter(({ message }) => !messages.has(message));
    // All that it was for has been made in another way.
    const isMade = one.status !== "failed";
    return {
      ...one,
      steps: [...steps, ...one.steps],
      warnings: [...warnings, ...(isMade ? others.map(({ message }) => message) : []), ...one.warnings],
      errors: [...(isMade ? [] : others), ...one.errors],
    };
  });
}

async function attempt(work: Work, jail: ByteString): Promise<Said> {
  const said: Said = { steps: [], warnings: [], errors: [] };
  try {
    await work(said);
  } catch (error) {
    said.errors.push(failureIn(jail, error));
  }
  return said;
}

/** What an error in a jail says; throws it again if it is none to report. */
export const failureIn = (jail: ByteString, error: unknown): FaultText =>
  noRoom(error, jail, { left: [], progress: PROGRESS }) ?? faultText(error);

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

/** What changes an account says it here. */
export const hearing = ({ steps, warnings }: Pick<Said, "steps" | "warnings">) => ({
  done: (line: string) => void steps.push(line),
  warn: (line: string) => void warnings.push(line),
});

/** Says what a run on an account said. */
export function tell({ steps, warnings, failure }: AccountRun, said: Said): void {
  said.steps.push(...steps);
  said.warnings.push(...warnings);
  if (failure !== undefined) said.errors.push(failure);
}
