import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { type KnownJail, knownJails, openManifest, REGISTRY } from "../jail/manifest.ts";
import { withTree } from "../jail/registry.ts";
import { type JailMount, jailMounts, unmountInJail } from "../jail/unmount.ts";
import { type JailingOptions, type UserOutcome, unjailUser } from "../jail/user-run.ts";
import { closeJailRoot, openJailRoot, openTree } from "../jail/walk.ts";
import { removeTree } from "../jail/write.ts";
import type { Problem } from "../populate/entry.ts";
import { removeProcLine, unregisterLogSocket } from "../populate/remove-extras.ts";
import { passwdByName } from "../system/accounts.ts";
import { type JailedUser, jailedUsers } from "./check-host.ts";
import { plainPath } from "./check-settings.ts";
import { addUp, collectInodes, newLedger } from "./disk.ts";
import { knownJailPaths } from "./jails.ts";
import { listProcesses } from "./list.ts";

/** What deleting a jail means, before anything is done. */
export interface DeletePlan {
  readonly jail: ByteString;
  /** The directory is there; else only what is known of it is forgotten. */
  readonly present: boolean;
  /** The ids under which it is recorded. */
  readonly records: readonly ByteString[];
  readonly users: readonly JailedUser[];
  readonly mounts: readonly JailMount[];
  readonly files: number;
  /** In bytes: what it takes, and what of it belongs to others than root. */
  readonly bytes: number;
  readonly userBytes: number;
}

/** How it went. */
export interface DeleteOutcome {
  readonly steps: ByteString[];
  readonly warnings: string[];
  readonly problems: Problem[];
}

// Directories without which the machine does not work, or that hold what is not of a jail.
const NEVER = (
  "/bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr " +
  "/var /usr/bin /usr/lib /usr/sbin /usr/share /var/lib /var/log /var/lib/jailkit"
).split(" ");

const refuse = (code: string, message: string) => new JailkitError(code, 1, message);

/**
 * Looks at a jail that is to be deleted. Throws JailkitError for what is no jail that is known, for one that users
 * live in (unless they are to be taken out), that processes run in, or that holds another one.
 */
export function planDelete(jail: ByteString, takeUsersOut: boolean): DeletePlan {
  const known = knownJails();
  const allUsers = jailedUsers();
  const shown = display(jail);
  const stat = statIfPresent(AT_FDCWD, jail);
  const records = recordsOf(known, jail);
  const paths = knownJailPaths(allUsers);
  if (!paths.includes(jail) && records.length === 0) {
    throw refuse("unknown-jail", `${shown}: is no jail that is known; 'jailkit list' shows those that are`);
  }
  if (stat !== undefined) {
    for (const path of NEVER) {
      const there = statIfPresent(AT_FDCWD, path, true);
      if (there !== undefined && sameFile(there, stat)) {
        throw refuse("host-directory", `${shown}: is the host's ${path}, which is never deleted`);
      }
    }
  }
  const inside = paths.find(
    (path) => path.startsWith(`${jail}/`) && statIfPresent(AT_FDCWD, path) !== undefined,
  );
  if (inside !== undefined)
    throw refuse("holds-a-jail", `${shown}: holds another jail, ${display(inside)}: delete that first`);
  const users = allUsers.filter((user) => user.jail === jail);
  if (users.length > 0 && !takeUsersOut) {
    const names = users.map(({ name }) => display(name)).join(", ");
    const message = `${shown}: users live in it (${names}): take them out with 'jk_jailuser --unjail -m', or give --unjail`;
    throw refuse("has-users", message);
  }
  if (stat === undefined) {
    return { jail, present: false, records, users, mounts: [], files: 0, bytes: 0, userBytes: 0 };
  }
  const { processes } = listProcesses({ jails: [jail], containers: true, parents: false });
  if (processes.length > 0) {
    const pids = processes.slice(0, 20).map(({ pid }) => pid);
    throw refuse("has-processes", `${shown}: processes run in it (${pids.join(" ")}): end them first`);
  }
  const root = openJailRoot(jail);
  try {
    const { inodes } = collectInodes(root);
    const use = addUp(inodes, newLedger());
    const mounts = jailMounts(jail);
    return {
      jail,
      present: true,
      records,
      users,
      mounts,
      files: use.files,
      bytes: use.allocated,
      userBytes: use.users,
    };
  } finally {
    closeJailRoot(root);
  }
}

/** Records of that path, and of that directory where it was moved. */
function recordsOf(known: readonly KnownJail[], jail: ByteString): ByteString[] {
  const ids = new Set(known.filter((each) => each.jail.path === jail).map(({ id }) => id));
  try {
    const root = openJailRoot(jail);
    try {
      const { id } = openManifest(root);
      if (known.some((each) => each.id === id)) ids.add(id);
    } finally {
      closeJailRoot(root);
    }
  } catch (error) {
    // There is no such directory, or its record is damaged.
    if (!(error instanceof JailkitError) && !(error instanceof SystemError)) throw error;
  }
  return [...ids];
}

/**
 * Deletes a jail: its users are taken out, with their homes; its log socket is closed; what is mounted in it is
 * unmounted; its tree is removed, by descriptors and never across a mount; it is forgotten. Where a step fails, those
 * after it are not done, so that it can be done again.
 */
export function deleteJail(plan: DeletePlan, tell: (line: ByteString) => void): DeleteOutcome {
  const outcome: DeleteOutcome = { steps: [], warnings: [], problems: [] };
  const { jail } = plan;
  const done = (line: ByteString) => {
    outcome.steps.push(line);
    tell(line);
  };
  const steps: (() => void)[] = [
    () => takeOut(plan, outcome, done),
    () => closeLogSocket(jail, outcome, done),
    () => unmountAll(plan, done),
    () => removeAll(plan, done),
    () => forgetAll(plan, done),
    () => tellOfSettings(jail, outcome),
  ];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      const code = error instanceof JailkitError ? error.code : "failed";
      outcome.problems.push({ code, path: jail, message: describeError(error) });
      return outcome;
    }
  }
  return outcome;
}

function takeOut(
  { jail, users }: DeletePlan,
  outcome: DeleteOutcome,
  done: (line: ByteString) => void,
): void {
  const host = openTree("/");
  try {
    const request: JailingOptions = {
      host,
      root: undefined,
      jail,
      shell: undefined,
      dryRun: false,
      move: true,
    };
    // All are decided on before the first is changed.
    const plans = users.flatMap(({ name }) => {
      const user = passwdByName(name);
      if (user === undefined) return [];
      const result: UserOutcome = {
        name,
        status: "failed",
        home: undefined,
        shell: undefined,
        steps: [],
        warnings: [],
        error: undefined,
      };
      return [{ name, act: unjailUser(user, request, result) }];
    });
    for (const { name, act } of plans) {
      act({
        done: () => undefined,
        warn: (line) => outcome.warnings.push(display(line)),
        progress: () => undefined,
      });
      done(`took the user ${quoted(name)} out, with the home`);
    }
  } finally {
    closeJailRoot(host);
  }
}

function closeLogSocket(jail: ByteString, outcome: DeleteOutcome, done: (line: ByteString) => void): void {
  const { removed, left } = unregisterLogSocket(jail);
  if (removed !== undefined) done(`removed ${display(removed)}, so that jk_socketd closes the log socket`);
  if (left !== undefined) outcome.warnings.push(`${display(left)} still names ${display(jail)}/dev/log`);
}

function unmountAll({ jail, present }: DeletePlan, done: (line: ByteString) => void): void {
  if (!present) return;
  // Again, as there may be more by now; and until nothing is left, for mounts may lie on one another.
  for (let round = 0; round < 64; round++) {
    const mount = jailMounts(jail).at(0);
    if (mount === undefined) return;
    if (mount.path === "/") withTree((tree) => unmountInJail(tree, jail));
    else {
      const root = openJailRoot(jail);
      try {
        unmountInJail(root, mount.path);
      } finally {
        closeJailRoot(root);
      }
    }
    done(`unmounted ${display(mount.type)} from ${display(mount.path === "/" ? jail : jail + mount.path)}`);
  }
  throw refuse("mounts", `${display(jail)}: something keeps mounting file systems in it`);
}

function removeAll({ jail, present }: DeletePlan, done: (line: ByteString) => void): void {
  if (!present) return;
  if (jailMounts(jail).length > 0) throw refuse("mounts", `${display(jail)}: something is mounted in it`);
  withTree((tree) => removeTree(tree, jail));
  done(`removed ${display(jail)}`);
}

function forgetAll({ jail, records }: DeletePlan, done: (line: ByteString) => void): void {
  const { removed, left } = removeProcLine(jail);
  if (removed) done(`removed the line for ${display(jail)}/proc from /etc/fstab`);
  for (const id of records) {
    if (withTree((tree) => removeTree(tree, `${REGISTRY}/${id}`))) done("removed the record of the jail");
  }
  if (left.length > 0) {
    throw refuse("fstab", `/etc/fstab still mounts something in the jail: ${left.map(display).join(", ")}`);
  }
}

/** Configuration of the administrator's is not changed. */
function tellOfSettings(jail: ByteString, outcome: DeleteOutcome): void {
  const files: Readonly<Record<string, "c" | "py">> = { jk_update: "py", jk_check: "py" };
  for (const [name, dialect] of Object.entries(files)) {
    const sections = loadConfig(`${CONFIG_DIRECTORY}/${name}.ini`, { dialect })?.sections ?? [];
    const section = sections.find((each) => each.name.startsWith("/") && plainPath(each.name) === jail);
    if (section !== undefined)
      outcome.warnings.push(`${display(section.file)} still has a section about ${display(jail)}`);
  }
}
