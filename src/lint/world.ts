import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, openAt2, statIfPresent } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { ownRemedy } from "../config/trusted.ts";
import { isOfSystem, type UnsafeDirectory } from "../confine/directories.ts";
import { canLimitExecution } from "../confine/execute.ts";
import { grantedBy, viewExecution } from "../confine/execute-view.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { jailedUsers, limitedUsers } from "../jail/accounts/jailed-users.ts";
import { closeJailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/manifest.ts";
import { executedFiles } from "../libraries/closure.ts";
import { copyOfKnown } from "../libraries/copies.ts";
import { ownStart } from "../libraries/own-start.ts";
import { createPoptReaders } from "../libraries/popt.ts";
import { filesBelow } from "../limited-shell/files-below.ts";
import { namesIn } from "../system/account-names.ts";
import { groupByName, passwdByName } from "../system/accounts.ts";
import { commandAt } from "../system/exchange.ts";
import type { FileKind, LintWorld, UnsafeDirectory as SystemDirectory } from "./context.ts";
import { hookedRepositories, SHARED } from "./hooked-repositories.ts";

/** The jails of the registry and of accounts, for suggestions; root alone can read the registry. */
export function knownPaths(): ByteString[] {
  const paths = new Set(jailedUsers().flatMap(({ jail }) => jail ?? []));
  try {
    for (const { jail } of knownJails()) paths.add(jail.path);
  } catch (error) {
    if (!(error instanceof JailkitError) && !(error instanceof SystemError)) throw error;
  }
  return [...paths];
}

/** What stands at a path below an open root directory, links followed as a process in that root would. */
function lookUp(root: number, path: ByteString): FileKind | undefined {
  let fd: number;
  try {
    fd = openAt2(root, path, C.O_PATH, C.RESOLVE_IN_ROOT);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "ENAMETOOLONG", "EINVAL", "EXDEV")) {
      return undefined;
    }
    throw error;
  }
  try {
    const { mode } = fstat(fd);
    const format = mode & C.S_IFMT;
    const type = format === C.S_IFREG ? "file" : format === C.S_IFDIR ? "directory" : "other";
    return { type, executable: (mode & 0o111) !== 0 };
  } finally {
    close(fd);
  }
}

/** A directory that belongs to the system of a root directory, as it stands on the host; undefined for a user's. */
function systemDirectory(root: ByteString, unsafe: UnsafeDirectory | undefined): SystemDirectory | undefined {
  if (unsafe === undefined || !isOfSystem(unsafe.path)) return undefined;
  const path = unsafe.path === "/" ? root : `${root === "/" ? "" : root}${unsafe.path}`;
  const stat = statIfPresent(C.AT_FDCWD, path);
  if (stat === undefined) return undefined;
  return { path, because: unsafe.because, remedy: ownRemedy(path, stat, 0) };
}

/** What the sections of jk_lsh.ini let programs execute in the root directory `path`, which is open as `root`. */
function executionIn(root: number, path: ByteString): Pick<LintWorld, "execution" | "grantedBy"> {
  return {
    grantedBy: (program) => grantedBy(root, program),
    execution(named, executables) {
      if (!canLimitExecution()) return undefined;
      const { leftOut, mayExecute, unsafeFor } = viewExecution(root, { named, executables, home: "/" });
      return {
        leftOut: leftOut.map((one) => ({ ...one, unsafe: systemDirectory(path, one.unsafe) })),
        blocked(program) {
          const blocked = executedFiles(path, program).find((one) => !mayExecute(one));
          if (blocked === undefined) return undefined;
          return { path: blocked, unsafe: systemDirectory(path, unsafeFor(blocked)) };
        },
      };
    },
  };
}

/** Where users keep repositories: in their homes, and in /srv. */
function repositoriesOf(
  root: number,
  users: () => readonly { name: ByteString; home: ByteString }[],
): LintWorld["hookedRepositories"] {
  const known = new Map<ByteString | undefined, ReturnType<typeof hookedRepositories>>();
  return (user) => {
    const there = known.get(user);
    if (there !== undefined) return there;
    const homes = users().flatMap(({ name, home }) => (user === undefined || name === user ? [home] : []));
    const found = hookedRepositories(root, [...homes, SHARED]);
    known.set(user, found);
    return found;
  };
}

/** The jail in which a file stands: /srv/jail for /srv/jail/etc/jailkit/jk_lsh.ini; undefined for one of the machine's. */
export const jailOf = (file: ByteString): ByteString | undefined =>
  /^(\/.*)\/etc\/jailkit\/[^/]+(\/[^/]+)?$/.exec(file)?.[1];

/** The machine, or the jail in which the file stands. */
export function openWorld(file: ByteString): { world: LintWorld; leave: () => void } {
  const jail = jailOf(file);
  const root = openAt(C.AT_FDCWD, jail ?? "/", C.O_PATH | C.O_DIRECTORY);
  const popt = createPoptReaders(jail ?? "/");
  const files = {
    lookUp: (path: ByteString) => lookUp(root, path),
    files: filesBelow(root, "/", () => undefined),
    ...executionIn(root, jail ?? "/"),
    readsPopt: popt.readsPopt,
    ownStart: (path: ByteString) => ownStart(jail ?? "/", path),
    copyOfKnown: (path: ByteString) => copyOfKnown(jail ?? "/", path),
    copyCommand(path: ByteString) {
      const there = jail !== undefined && statIfPresent(C.AT_FDCWD, path, true) !== undefined;
      return there ? `jk_cp -j ${shellWord(jail)} ${shellWord(path)}` : undefined;
    },
    executableCommand(path: ByteString) {
      const place = `${jail ?? ""}${path}`;
      return commandAt(place, `chmod a+x ${shellWord(place)}`);
    },
    jails: knownPaths,
  };
  const closeBoth = () => {
    popt.close();
    close(root);
  };
  if (jail === undefined) {
    const userExists = (name: ByteString) => passwdByName(name) !== undefined;
    const groupExists = (name: ByteString) => groupByName(name) !== undefined;
    const repositories = { hookedRepositories: repositoriesOf(root, limitedUsers) };
    const names = { userNames: () => namesIn("/etc/passwd"), groupNames: () => namesIn("/etc/group") };
    const world = { ...files, userExists, groupExists, isOutside: () => false, ...names, ...repositories };
    return { world, leave: closeBoth };
  }
  const tree = openJailRoot(jail);
  const accounts = readJailAccounts(tree);
  const world: LintWorld = {
    ...files,
    userExists: (name) => accounts.userByName(name) !== undefined,
    groupExists: (name) => accounts.groupByName(name) !== undefined,
    isOutside: (name) => passwdByName(name) !== undefined,
    userNames: () => accounts.users.map(({ name }) => name),
    groupNames: () => accounts.groups.map(({ name }) => name),
    hookedRepositories: repositoriesOf(root, () => accounts.users),
  };
  const leave = () => {
    closeJailRoot(tree);
    closeBoth();
  };
  return { world, leave };
}
