import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { memoized } from "../enter/gather.ts";
import { mendMoves } from "../jail/fs/home-moves.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { jailMounts, unmountInJail } from "../jail/fs/unmount.ts";
import { openTree } from "../jail/fs/walk.ts";
import { removeTree } from "../jail/fs/write.ts";
import { REGISTRY } from "../jail/record/manifest.ts";
import { removeLiveLines } from "../populate/apply/live-lines.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { accountFacts, hostAccounts } from "../system/host-accounts.ts";
import { removeProcLine, stillMounted, stillServed, unregisterLogSocket } from "../update/remove-extras.ts";
import { NO_ACCESS } from "../users/access.ts";
import { AccountRun } from "../users/account-run.ts";
import { noLoginShell, openShell, shellAfter, shellsOutside } from "../users/leaving.ts";
import { heldByProcesses } from "../users/set-ids.ts";
import { unjailUser } from "../users/unjail.ts";
import { recordsOf, withSeenJail } from "./delete-plan.ts";
import type { DeletePlan } from "./delete-request.ts";
import { jailSections } from "./known.ts";
import { requireNoOthersMounts } from "./others-mounts.ts";
import { refuse, requireStillDeletable } from "./whose-files.ts";

// More mounts are not unmounted: something keeps mounting them.
const MOST_MOUNTS = 64;
// The same of a directory that is not empty after it was emptied.
const MOST_ROUNDS = 64;

/** What was done. */
export interface DeleteOutcome {
  readonly steps: ByteString[];
  readonly warnings: string[];
  readonly problems: PopulateProblem[];
}

/** Tells others of accounts whose homes may have moved; returns warnings. */
type Follow = (runs: readonly AccountRun[]) => readonly string[];

/**
 * Deletes a jail: takes its users out with their homes, closes its log socket, unmounts file systems in it, removes its
 * tree (by descriptors, and never across a mount) and its records. If a step fails, the later ones are skipped, so that
 * the deletion can be repeated. `report` is called for each step.
 */
export function deleteJail(
  plan: DeletePlan,
  report: (line: ByteString) => void,
  follow: Follow = () => [],
): DeleteOutcome {
  const outcome: DeleteOutcome = { steps: [], warnings: [], problems: [] };
  const { jail } = plan;
  const done = (line: ByteString) => {
    outcome.steps.push(line);
    report(line);
  };
  let { seen } = plan;
  let records = plan.records;
  const steps = [
    () => takeOut(plan, outcome, { done, follow }),
    () => {
      // A jail without a record got one when a user was taken out.
      records = [...new Set([...records, ...recordsOf(jail, [])])];
    },
    () => {
      for (const step of mendMoves({ into: jail })) done(step);
    },
    () => closeLogSocket(jail, done),
    () => {
      if (plan.request.keepsMounts === true && seen !== undefined) requireNoOthersMounts(jail);
      if (removeLiveLines(jail)) done(`removed the lines for ${display(jail)} from /etc/fstab`);
      seen = unmountAll(plan, done);
    },
    () => removeAll(plan, seen, done),
    () => forgetAll(jail, records, done),
    () => outcome.warnings.push(...settingsLeft(jail)),
    () => warnOfMounts(plan, outcome),
  ];
  makeInOrder(steps, outcome, { jail, progress: "not everything was deleted" });
  return outcome;
}

/** Makes steps until one fails, which is a problem of the outcome, or a signal comes. `progress`: what it leaves behind. */
export function makeInOrder(
  steps: readonly (() => void)[],
  { problems }: DeleteOutcome,
  { jail, progress }: { readonly jail: ByteString; readonly progress: string },
): void {
  try {
    for (const step of steps) {
      stopIfInterrupted(`${progress}; run this again`);
      step();
    }
  } catch (error) {
    problems.push(noRoom(error, jail, { left: [], progress }) ?? problemFrom(error, "failed", jail));
  }
}

/** The warnings and problems that deleteJail would have, as far as they are known before; nothing is changed. */
export function foreseeDeletion(plan: DeletePlan): DeleteOutcome {
  const outcome: DeleteOutcome = { steps: [], warnings: [], problems: [] };
  try {
    takeOut(plan, outcome);
    outcome.warnings.push(...settingsLeft(plan.jail));
    warnOfMounts(plan, outcome);
  } catch (error) {
    outcome.problems.push(problemFrom(error, "failed", plan.jail));
  }
  return outcome;
}

function withoutLogin(name: ByteString, shell: ByteString): string {
  const other = `usermod -s ${shellWord(openShell())} ${operands(name)}`;
  return `${quoted(name)} has no recorded shell outside the jail, so it gets ${shell}; to let it log in: ${other}`;
}

/** Takes the users out; without `means` that is a dry run. */
function takeOut(
  { jail, users }: DeletePlan,
  outcome: DeleteOutcome,
  means?: { readonly done: (line: ByteString) => void; readonly follow: Follow },
): void {
  const { done, follow } = means ?? {};
  using host = openTree("/");
  const accounts = hostAccounts();
  const facts = accountFacts(accounts);
  const dryRun = done === undefined;
  const held = memoized(heldByProcesses);
  const request = { host, jail, access: NO_ACCESS, dryRun, move: true, facts, setIds: new Map(), held };
  const recorded = shellsOutside(jail);
  // All decisions come before the first change.
  const plans = users.flatMap(({ name, fromService }) => {
    if (fromService) {
      outcome.warnings.push(`the account ${quoted(name)} still has its home in ${display(jail)}`);
      return [];
    }
    const user = accounts.userByName(name);
    if (user === undefined) return [];
    const run = new AccountRun(name);
    const shell = shellAfter(user, recorded) === undefined ? noLoginShell() : undefined;
    const unjail = unjailUser(user, { ...request, shell }, run);
    return [{ run, home: user.home, shell, unjail }];
  });
  const stays: ByteString[] = [];
  try {
    for (const { run, home, shell, unjail } of plans) {
      stopIfInterrupted(`${quoted(run.name)} is still in the jail; run this again`);
      unjail();
      // Not of the run, whose warnings say why a home stays.
      if (shell !== undefined) outcome.warnings.push(withoutLogin(run.name, shell));
      // A home that could not be removed may have files that are not in the copy.
      if (done !== undefined && statIfPresent(AT_FDCWD, home) !== undefined) stays.push(...run.warnings);
      else outcome.warnings.push(...run.warnings);
      done?.(`took the user ${quoted(run.name)} out, with the home`);
    }
  } finally {
    outcome.warnings.push(...(follow?.(plans.map(({ run }) => run)) ?? []));
  }
  if (stays.length > 0) throw refuse("home-stays", stays.join("; "));
}

/** Removes the drop-in of jk_init for the jail's log socket. */
export function closeLogSocket(jail: ByteString, done: (line: ByteString) => void): void {
  const removed = unregisterLogSocket(jail);
  if (removed === undefined) return;
  const closes = stillServed(jail) === undefined ? ", so that jk_socketd closes the log socket" : "";
  done(`removed ${display(removed)}${closes}`);
}

/** Returns the jail's directory afterwards, which is another one if a file system was mounted on it. */
function unmountAll({ jail, ...plan }: DeletePlan, done: (line: ByteString) => void): Stat | undefined {
  let { seen } = plan;
  // There may be new mounts, and mounts below others.
  for (let round = 0; round < MOST_MOUNTS; round++) {
    const mount = seen && jailMounts(jail)[0];
    if (mount === undefined || seen === undefined) return seen;
    withSeenJail(jail, seen, (root) => mount.path !== "/" && unmountInJail(root, mount.path));
    if (mount.path === "/") {
      withTree((tree) => unmountInJail(tree, jail));
      seen = statIfPresent(AT_FDCWD, jail);
    }
    done(`unmounted ${display(mount.type)} from ${display(mount.path === "/" ? jail : jail + mount.path)}`);
  }
  throw refuse("mounts", `${display(jail)}: something keeps mounting file systems in it`);
}

function removeAll(plan: DeletePlan, seen: Stat | undefined, done: (line: ByteString) => void): void {
  const { jail } = plan;
  if (seen === undefined) return;
  if (jailMounts(jail).length > 0) throw refuse("mounts", `${display(jail)}: something is mounted in it`);
  for (let round = 1; ; round++) {
    const mayGo = withSeenJail(jail, seen, (root) => requireStillDeletable(root, plan));
    try {
      const name = () => stopIfInterrupted(`${display(jail)} is removed in part; run this again`);
      withTree((tree) => removeTree(tree, jail, seen, mayGo, { name }));
      break;
    } catch (error) {
      // jk_socketd creates a missing socket at once, for as long as its directory is there.
      if (!isErrno(error, "ENOTEMPTY") || round === MOST_ROUNDS) throw error;
    }
  }
  done(`removed ${display(jail)}`);
}

/** Warns of what stays on file systems: of a jail that was a mount point itself, all of its files. */
function warnOfMounts({ jail, mounts, leftOnMounts }: DeletePlan, outcome: DeleteOutcome): void {
  outcome.warnings.push(...leftOnMounts);
  const own = mounts.find(({ path }) => path === "/");
  if (own === undefined) return;
  const where = `in the file system (${display(own.type)}) that was mounted on ${display(jail)}`;
  outcome.warnings.push(`the files stay ${where}: a file system is unmounted, never emptied`);
}

/** Removes the records with these ids, and all that is beside them. */
export function removeRecords(records: readonly ByteString[], done: (line: ByteString) => void): void {
  for (const id of records) {
    const removed = withTree((tree) => {
      const found = lookUp(tree, `${REGISTRY}/${id}`);
      return found !== undefined && removeTree(tree, `${REGISTRY}/${id}`, found.stat);
    });
    if (removed) done("removed the record of the jail");
  }
}

function forgetAll(jail: ByteString, records: readonly ByteString[], done: (line: ByteString) => void): void {
  if (removeProcLine(jail)) done(`removed the line for ${display(jail)}/proc from /etc/fstab`);
  removeRecords(records, done);
}

/** What the administrator's configuration, which is not changed, still says about a jail, with remedies. */
export function settingsLeft(jail: ByteString): string[] {
  const sections = jailSections()
    .filter((section) => section.jail === jail)
    .map(
      ({ file, line, remedy }) =>
        `${display(file)}:${line} still has a section for ${display(jail)}; take it out with: ${remedy()}`,
    );
  return [...sections, stillServed(jail) ?? [], stillMounted(jail) ?? []].flat();
}
