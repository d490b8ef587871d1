import { answered } from "../cli/error.ts";
import { byTurns, turnOfRemedy } from "../config/turns.ts";
import { type Ended, NOTHING_SAID } from "./carry-out/report.ts";
import { type Change, type Fault, nameOf, partText } from "./change.ts";
import type { Comparison } from "./compare/compare.ts";
import { howMade } from "./compare/work.ts";
import { waitsBy } from "./place-of-fault.ts";
import { isRemoved } from "./unkept.ts";

/** What would become of a change, in the form of a run. */
export type Foretold = Omit<Ended, "status"> & { readonly status: Ended["status"] | "planned" };

/** The changes that a run would make, and whether as a whole. */
export type Making = ReadonlyMap<Change, NonNullable<Change["takes"]>>;

/** Finds them. `unkept`: why what is declared cannot be kept. Pure. */
export const makingOf = ({ jails, former }: Comparison, unkept: Parameters<typeof isRemoved>[0]): Making =>
  new Map([
    ...(isRemoved(unkept) ? former.map(({ change }) => [change, "all"] as const) : []),
    ...jails.flatMap((jail) =>
      howMade(jail, unkept).flatMap(([change, how]) => (how === undefined ? [] : [[change, how] as const])),
    ),
  ]);

/** All faults, so that their remedies can be typed one after another: those of a jail with those of users who wait for it. Pure. */
export function faultsOf({ jails, formerFaults }: Comparison): Fault[] {
  const ofJails = jails.flatMap(({ fault, users }) => [fault, ...users.map((user) => user.fault)]);
  const all = [...formerFaults, ...ofJails.filter((one) => one !== undefined)];
  const sorted = all.map((fault) => ({ fault, ...turnOfRemedy((fault.cause ?? fault).remedy ?? "") }));
  return byTurns(sorted, ({ turn }) => turn).map(({ fault }) => fault);
}

/** What waits of the changes of a user who waits for a jail, at least in part. Pure. */
export const waitingText = (changes: readonly Change[]): string =>
  [...new Set(changes.flatMap(({ what, takes }) => (takes === "all" ? [] : what)))].join(", ");

/** Tells what a run would do, and what it would not, in its order. `waits`: for what all of that would wait, printable. */
export function foretell(
  { jails, former }: Comparison,
  making: Making,
  waits: string | undefined,
  foretold: (one: Foretold) => void,
): void {
  const tell = (change: Change, why: string | undefined, warnings: () => readonly string[] = () => []) => {
    const how = making.get(change);
    const steps = how === "part" ? [partText(change)] : [];
    if (how === "all") foretold({ ...NOTHING_SAID, change, status: "planned", warnings: warnings() });
    else foretold({ ...NOTHING_SAID, change, status: "not-done", waits: why, steps });
  };
  // A run finds out itself which name service is silent.
  for (const one of former)
    tell(one.change, waits, () => (one.of === "user" ? (answered(one.notes) ?? []) : []));
  for (const jail of jails) {
    const ofAll = waits ?? (jail.fault && nameOf(jail.fault));
    for (const { changes, fault: own } of [jail, ...jail.users]) {
      const why = ofAll ?? (own && waitsBy(own));
      for (const isWhole of [true, false])
        for (const change of changes) if ((making.get(change) === "all") === isWhole) tell(change, why);
    }
  }
}
