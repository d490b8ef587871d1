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
import { PoptReaders } from "../libraries/popt.ts";
import { filesBelow } from "../limited-shell/files-below.ts";
import { namesIn } from "../system/account-tools.ts";
import { groupByName, passwdByName } from "../system/accounts.ts";
import { commandAt } from "../system/exchange.ts";
import type { FileKind, LintWorld, UnsafeDirectory as SystemDirectory } from "./context.ts";
import { hookedRepositories, SHARED } from "./hooked-repositories.ts";

/** The jails of the registry and of accounts; root alone can read the registry. */
export function knownPaths(): ByteString[] {
  const paths = new Set(jailedUsers().flatMap(({ jail }) => jail ?? []));
  try {
    for (const { jail } of knownJails()) paths.add(jail.path);
  } catch (error) {
    if (!(error instanceof JailkitError) && !(error instanceof SystemError)) throw error;
  }
  return [...paths];
}

/** The file at a path below an open root directory; symbolic links lead where they lead a process in that root. */
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

/** A system directory of a root directory, by its path on the host; undefined for the directory of a user. */
function systemDirectory(root: ByteString, unsafe: UnsafeDirectory | undefined): SystemDirectory | undefined {
  if (unsafe === undefined || !isOfSystem(unsafe.path)) return undefined;
  const path = unsafe.path === "/" ? root : `${root === "/" ? "" : root}${unsafe.path}`;
  const stat = statIfPresent(C.AT_FDCWD, path);
  if (stat === undefined) return undefined;
  return { path, because: unsafe.because, remedy: ownRemedy(path, stat, 0) };
}

/** The answers about the key execute of jk_lsh.ini in the root directory `path`, which is open as `root`. */
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

/** The repositories of users, in their homes and in /srv. */
function repositoriesOf(
  root: number,
  users: () => readonly { name: ByteString; home: ByteString }[],
): LintWorld["hookedRepositories"] {
  const found = new Map<ByteString | undefined, ReturnType<typeof hookedRepositories>>();
  return (user) => {
    const before = found.get(user);
    if (before !== undefined) return before;
    const homes = users().flatMap(({ name, home }) => (user === undefined || name === user ? [home] : []));
    const repositories = hookedRepositories(root, [...homes, SHARED]);
    found.set(user, repositories);
    return repositories;
  };
}

/** The jail that a config file is in: /srv/jail for /srv/jail/etc/jailkit/jk_lsh.ini; undefined for one of the host. */
export const jailOf = (file: ByteString): ByteString | undefined =>
  /^(\/.*)\/etc\/jailkit\/[^/]+(\/[^/]+)?$/.exec(file)?.[1];

/** The host, or the jail that the file is in. */
export function openWorld(file: ByteString): { world: LintWorld; leave: () => void } {
  const jail = jailOf(file);
  const root = openAt(C.AT_FDCWD, jail ?? "/", C.O_PATH | C.O_DIRECTORY);
  const popt = new PoptReaders(jail ?? "/");
  const files = {
    lookUp: (path: ByteString) => lookUp(root, path),
    files: filesBelow(root, "/", () => undefined),
    ...executionIn(root, jail ?? "/"),
    readsPopt: (path: ByteString) => popt.readsPopt(path),
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
    popt[Symbol.dispose]();
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
