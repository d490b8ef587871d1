import { type Change, signOf } from "./change.ts";

/** What a step makes: "+keys" are added, "~keys" changed, "-keys" removed, and "!files" as well, before others. */
type Kind = `${ReturnType<typeof signOf> | "!"}${Change["what"]}`;
/** Steps in their order, each with the changes that it makes at once, in theirs. */
export type StepTable<Name extends string> = Readonly<Record<Name, readonly Kind[]>>;

/** The steps in a jail. */
export const JAIL_STEPS = {
  // First: what they showed is copied then.
  hide: ["-live"],
  hideLeft: ["-mounts"],
  clear: ["!files", "!sections"],
  // Nothing is added to a live jail whose directories are not mounted.
  mount: ["+mounts"],
  fill: ["+live", "+sections"],
  copy: ["+files"],
  serveLog: ["+log-socket"],
  endLog: ["-log-socket"],
  mountProc: ["+proc"],
  unmountProc: ["-proc"],
  removeFiles: ["-files"],
  removeSections: ["-sections"],
} as const satisfies StepTable<string>;

/** The steps for a user of a jail. */
export const USER_STEPS = {
  // Before the account: whether that moves its home after all is not known.
  openHome: ["~home-mode"],
  // Before an account is in the jail, its sessions are limited as they should be.
  limit: ["+policy", "~policy"],
  // Before keys are added, which leaves those alone that are there.
  changeKeys: ["~keys"],
  inside: ["+entry", "~entry", "~shell", "+home"],
  account: ["+account", "~account", "+groups", "+keys"],
  comment: ["~comment"],
  leaveGroups: ["-groups"],
  endLimits: ["-policy"],
  // Last: what the user has in the home may prevent it.
  removeKeys: ["-keys"],
} as const satisfies StepTable<string>;

/** The changes that each step makes. Pure. */
export function changesByStep<Name extends string>(
  table: StepTable<Name>,
  changes: readonly Change[],
): ReadonlyMap<Name, readonly Change[]> {
  const byKind = Map.groupBy(
    changes,
    (change): Kind => `${change.isFirst ? "!" : signOf(change)}${change.what}`,
  );
  const names = Object.keys(table) as Name[];
  const found = new Map(names.map((name) => [name, table[name].flatMap((kind) => byKind.get(kind) ?? [])]));
  const count = [...found.values()].reduce((sum, some) => sum + some.length, 0);
  if (count !== changes.length) throw new Error("a change is in no step");
  return found;
}

/** Changes in the order in which they are made. Pure. */
export const inOrder = (table: StepTable<string>, changes: readonly Change[]): readonly Change[] =>
  changes.length === 0 ? changes : [...changesByStep(table, changes).values()].flat();
