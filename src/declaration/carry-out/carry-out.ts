import { receivedSignal } from "../../../ffi/interrupts.ts";
import { lockJails } from "../../jail/record/jail-lock.ts";
import { hostUser } from "../../system/name-services.ts";
import { isLimitedShell } from "../../users/access.ts";
import { openJailForUsers } from "../../users/open-jail.ts";
import { type Change, faultText, waitsFor } from "../change.ts";
import type { Comparison } from "../compare/compare.ts";
import type { Tools } from "../compare/foresee-jail.ts";
import type { Former } from "../compare/former.ts";
import { DECLARED } from "../compare/intent.ts";
import { reservedUids, uidInstead } from "../compare/returning.ts";
import { changesOf, type JailWork, type UserWork } from "../compare/work.ts";
import { Memory } from "../memory.ts";
import type { Declaration } from "../model.ts";
import type { Once } from "../once-shape.ts";
import { endCreations } from "./creations.ts";
import { jailSteps } from "./jail.ts";
import { removeFormer } from "./remove.ts";
import type { Shown } from "./report.ts";
import { makeSteps } from "./steps.ts";
import { type UserMeans, userSteps } from "./user.ts";

interface Means extends Shown {
  readonly tools: Tools;
  /** The name of the tool, for the messages of others. */
  readonly tool: string;
  readonly noWait: boolean;
  readonly json: boolean;
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  /** What the usual files declare, if the declaration is another one. */
  readonly beside: Declaration | undefined;
  /** What the file has of what was declared once. */
  readonly written: Once;
}

interface MeansForUsers extends Means, Pick<UserMeans, "uidInstead" | "kept"> {}

/**
 * Makes this machine as it is declared, jail by jail; what fails in one leaves the others alone. A run that is repeated goes
 * on. Throws only if what was declared once cannot be written.
 */
export async function carryOut(
  declaration: Declaration,
  comparison: Comparison,
  before: Once,
  means: Means,
): Promise<void> {
  const memory = new Memory(before, means.written, comparison.pathOf, means.beside);
  memory.declare(declaration, comparison);
  endCreations(memory, means.fault);
  for (const fault of comparison.formerFaults) means.fault(fault);
  for (const former of comparison.former) await remove(former, memory, means);
  const reserved = reservedUids(declaration.users, before);
  const kept = memory.keptHomes();
  const forUsers = { ...means, kept, uidInstead: () => uidInstead(hostUser, reserved, kept) };
  for (const work of comparison.jails) await makeJail(work, comparison, memory, forUsers);
  memory.letGo(kept.gone());
  memory.write();
}

/** A jail with its users. */
async function makeJail(
  work: JailWork,
  { pathOf }: Comparison,
  memory: Memory,
  means: MeansForUsers,
): Promise<void> {
  const { path, fault, users } = work;
  if (fault !== undefined) means.fault(fault);
  for (const user of users) if (user.fault !== undefined) means.fault(user.fault);
  const changes = changesOf(work);
  if (fault !== undefined || (changes.length > 0 && receivedSignal() !== undefined))
    return notDone(changes, means);
  if (changes.length === 0) {
    settleJail(work, means, memory);
    for (const user of users) settleUser(user, means, memory);
    return;
  }
  try {
    using _lock = lockJails([path], means);
    const done = await makeSteps(jailSteps(work, { ...means, pathOf }), path, means);
    // Whatever becomes of its users, the jail is as declared.
    if (done) settleJail(work, means, memory);
    for (const user of users) {
      const waits = done ? [] : user.changes.filter(waitsIn(user));
      const now = user.changes.filter((change) => !waits.includes(change));
      const isAll = now.length === user.changes.length;
      if (now.length > 0 || isAll) {
        const isMade = await makeUser({ ...user, changes: now }, work, memory, means);
        if (isMade && isAll) settleUser(user, means, memory);
      }
      notDone(waits, means);
    }
    // At the end of all for what was removed: it is repeated without harm.
    memory.write();
  } catch (error) {
    const why = faultText(error);
    // The end of the run tells of a signal.
    if (why.code !== "interrupted") means.fault({ of: "jail", name: path, jail: path, ...why });
    notDone(changes, means);
  }
}

/**
 * Tells which changes of a user have to wait for the jail. What keeps that from being as declared, as a process in its proc,
 * may be the work of a user, and must not keep a right, a group or a key with anybody who is in it. Who is not in it has to
 * wait, and who gets a shell without limits: the old one has kept the rest of the jail from that user. Groups and keys go.
 */
function waitsIn({ declared, changes }: UserWork): (change: Change) => boolean {
  const comes = changes.some(
    ({ what, action }) => what === "account" || (what === "entry" && action === "create"),
  );
  if (comes) return () => true;
  if (isLimitedShell(declared.shell) || !changes.some(({ what }) => what === "shell")) return () => false;
  return ({ what, action }) => action !== "remove" || (what !== "groups" && what !== "keys");
}

/** One user; false if not all is done. */
async function makeUser(
  user: UserWork,
  { path: jail, changes: ofJail }: JailWork,
  memory: Memory,
  means: MeansForUsers,
): Promise<boolean> {
  const { changes, declared, fault } = user;
  const { name, shell } = declared;
  if (changes.length === 0 && (fault !== undefined || ofJail.length === 0)) return fault === undefined;
  try {
    // Its shell may have gone with a section.
    using root = openJailForUsers(jail, shell, DECLARED);
    if (changes.length === 0) return true;
    const steps = userSteps(user, { ...means, root, memory, once: memory.before(name) });
    return await makeSteps(steps, jail, means);
  } catch (error) {
    const why = faultText(error);
    means.fault({ of: "user", name, jail, ...(why.code === "bad-jail" ? waitsFor(jail, why) : why) });
    notDone(changes, means);
    return false;
  }
}

async function remove(former: Former, memory: Memory, means: Means): Promise<void> {
  const { change } = former;
  const work = (said: Parameters<typeof removeFormer>[2]) => {
    using _lock = lockJails([change.jail], means);
    removeFormer(former, { ...means, stays: (home) => memory.stays(home) }, said);
  };
  if (!(await makeSteps([{ changes: [change], work }], change.jail, means))) return;
  if (former.of === "left") memory.forgetLeft(change.name, change.jail);
  else if (former.of === "given") memory.takenBack(change.name, change.what);
  else memory.forget(change.of, change.name);
  memory.write();
}

function notDone(changes: readonly Change[], { ended }: Means): void {
  for (const change of changes) ended({ change, status: "not-done", steps: [], warnings: [], errors: [] });
}

/** What is declared no longer is not in a jail any more. */
function settleJail({ declared, taken }: JailWork, { prune }: Means, memory: Memory): void {
  if (declared !== undefined && prune) memory.settleJail(declared);
  else if (declared !== undefined) memory.forgetLive(declared.path, taken);
}

/** The same of a user. */
function settleUser({ declared, fault }: UserWork, { prune }: Means, memory: Memory): void {
  if (prune && fault === undefined) memory.settleUser(declared);
}
