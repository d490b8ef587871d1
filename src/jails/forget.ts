import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { dropInName } from "../config/write.ts";
import { type JailedUser, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { hostMountsIn } from "../jail/fs/host-mounts.ts";
import { isMounted } from "../jail/fs/live-mounts.ts";
import { jailMounts } from "../jail/fs/unmount.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { requireInPlace } from "../jail/record/displaced.ts";
import { isEmptied } from "../jail/record/emptied.ts";
import { mountsOf } from "../jail/record/live.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { directoriesInFstab, removeLiveLines, requireNoLiveLines } from "../populate/apply/live-lines.ts";
import { fstabText } from "../populate/apply/proc.ts";
import { unmountForGood } from "../system/mounts.ts";
import { removeProcLine, requireNoProc } from "../update/remove-extras.ts";
import { leaveCommand, shellsOutside } from "../users/leaving.ts";
import { closeLogSocket, type DeleteOutcome, makeInOrder, removeRecords, settingsLeft } from "./delete.ts";
import { recordsOf, unknownJail } from "./delete-plan.ts";
import { allKnownJails } from "./known.ts";
import { refuse } from "./whose-files.ts";

/** What forgetting a jail would do. */
export interface ForgetPlan {
  readonly jail: ByteString;
  /** Its directory is there. */
  readonly present: boolean;
  /** The ids of its records. */
  readonly records: readonly ByteString[];
  readonly users: readonly JailedUser[];
}

/**
 * Examines a jail whose record should be dropped. Throws JailkitError if it is not known, or if users live in it and its
 * contents are there (unless `withUsers`): without a record, these get no updates.
 */
export function planForget(jail: ByteString, withUsers: boolean): ForgetPlan {
  const allUsers = jailedUsers();
  const { paths, damaged } = allKnownJails(allUsers);
  const records = recordsOf(jail, damaged);
  const dropIn = `${CONFIG_DIRECTORY}/jk_socketd.d/${dropInName(jail)}`;
  if (records.length === 0 && !paths.includes(jail) && isMissing(dropIn)) throw unknownJail(jail, paths);
  const present = !isMissing(jail);
  const users = allUsers.filter((user) => user.jail === jail);
  if (users.length > 0 && !withUsers && present && !isKnownEmptied(jail)) {
    // There, nobody can be taken out.
    requireInPlace(jail);
    const names = users.map(({ name }) => display(name)).join(", ");
    const leave = leaveCommand(users, shellsOutside(jail), { move: false });
    const why = `users live in it (${names}), and without a record jk_update does not update its programs`;
    const how = `take them out first: ${leave}; or use --with-users`;
    throw refuse("has-users", `${display(jail)}: ${why}: ${how}`, leave);
  }
  return { jail, present, records, users };
}

/** True if the jail has a record, and nothing of its contents is left. */
function isKnownEmptied(jail: ByteString): boolean {
  const emptied = answered(() => {
    using root = openJailRoot(jail);
    const { content } = openManifest(root);
    return content.entries.size > 0 && isEmptied(root, content);
  });
  return emptied ?? false;
}

/**
 * Drops the records of a jail, its log socket, and the line of jk_init in fstab(5); changes no file of the jail. With
 * `report` undefined, only warns. If a step fails, the later ones are skipped: it can be repeated.
 */
export function forgetJail(
  plan: ForgetPlan,
  report: ((line: ByteString) => void) | undefined,
): DeleteOutcome {
  const { jail, records } = plan;
  const outcome: DeleteOutcome = { steps: [], warnings: [], problems: [] };
  const done = (line: ByteString) => {
    outcome.steps.push(line);
    report?.(line);
  };
  const changes = [
    () => closeLogSocket(jail, done),
    () => forgetLive(jail, outcome, done),
    () => forgetProc(jail, outcome, done),
    // Last, so that an interrupted run can be repeated.
    () => removeRecords(records, done),
  ];
  const warnings = [() => warnOfUsers(plan, outcome), () => outcome.warnings.push(...settingsLeft(jail))];
  const steps = [() => requireForgotten(jail), ...(report === undefined ? [] : changes), ...warnings];
  makeInOrder(steps, outcome, { jail, progress: "not everything was forgotten" });
  return outcome;
}

const hasMountedProc = (jail: ByteString): boolean =>
  jailMounts(jail).some(({ path, type }) => path === "/proc" && type === "proc");

/** Throws the JailkitError or SystemError with which the lines of fstab(5) that forgetting takes out would stay. */
function requireForgotten(jail: ByteString): void {
  if (mountedIn(jail).length === 0) requireNoLiveLines(jail, directoriesInFstab(jail));
  if (!hasMountedProc(jail)) requireNoProc(jail);
}

/** The line stays while proc is mounted: otherwise nothing would know of the mount after the next boot. */
function forgetProc(jail: ByteString, outcome: DeleteOutcome, done: (line: ByteString) => void): void {
  if (hasMountedProc(jail)) {
    const remedy = unmountForGood([`${jail}/proc`], fstabText());
    outcome.warnings.push(
      `proc is mounted on ${display(jail)}/proc, so its line in /etc/fstab stays; to unmount it for good: ${remedy}`,
    );
    return;
  }
  if (removeProcLine(jail)) done(`removed the line for ${display(jail)}/proc from /etc/fstab`);
}

/** The host's directories that are mounted in a jail. Its record may be damaged: fstab(5) names them as well. */
function mountedIn(jail: ByteString): ByteString[] {
  using root = answered(() => openJailRoot(jail));
  if (root === undefined) return [];
  const recorded = answered(() => mountsOf(openManifest(root).content)) ?? [];
  const named = [...recorded, ...directoriesInFstab(jail)].filter((path) => isMounted(root, path));
  return [...new Set([...hostMountsIn(root), ...named])];
}

/** The lines of a live jail stay while its directories are mounted. */
function forgetLive(jail: ByteString, outcome: DeleteOutcome, done: (line: ByteString) => void): void {
  const mounted = mountedIn(jail);
  if (mounted.length === 0) {
    // Those of a jail in it are not its own.
    const directories = directoriesInFstab(jail);
    if (removeLiveLines(jail, { directories }))
      done(`removed the lines for ${display(jail)} from /etc/fstab`);
    return;
  }
  const places = mounted.map((path) => jail + path);
  const remedy = unmountForGood(places, fstabText());
  outcome.warnings.push(
    `the host's directories stay mounted in ${display(jail)}, and so do their lines in /etc/fstab; to unmount them for good: ${remedy}`,
  );
}

function warnOfUsers({ jail, users }: ForgetPlan, outcome: DeleteOutcome): void {
  if (users.length === 0) return;
  const names = users.map(({ name }) => display(name)).join(", ");
  outcome.warnings.push(`${display(jail)} stays a known jail, because users live in it: ${names}`);
}
