import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_PATH, S_ISGID, S_ISUID } from "../../ffi/constants.ts";
import { attempt, isErrno } from "../../ffi/error.ts";
import { openAt, type Stat, sameFile, statIfPresent, withFd } from "../../ffi/files.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { MAY_EXECUTE, mayAccess } from "../../ffi/rights.ts";
import { answered } from "../cli/error.ts";
import { type Advice, inWords, type Remedy, type Words } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { closedOnTheWay, emptyMountPoint, type Found, isIn, lookUp } from "../jail/fs/look.ts";
import { jailFindings, onlyRootDecides } from "../jail/fs/safety.ts";
import { isLoose } from "../jail/fs/strict.ts";
import { hostPath, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { closeCommand, closeFirst } from "../system/exchange.ts";
import { freeNumbered } from "../system/free-name.ts";
import { isNoexec, remountCommand } from "../system/mounts.ts";
import type { ShellFact, Unsafe } from "./facts.ts";
import { mountLiveRemedy, NOT_A_FILE, openRemedy, plainShell, recopyRemedy } from "./remedies.ts";

const ROOTS_ALONE = inWords("keep the program where root alone can change it");

/** The name of the limited shell, which jk_chrootsh contains. */
export const LIMITED_SHELL = "jk_lsh";

/**
 * Reasons not to run the file at `canonicalPath` of the jail: whoever can change it, or a directory above it, decides
 * what is run, and a set-id bit would give a privilege to every session. Only the problems of the topmost path that has
 * any.
 */
export function programFindings(root: JailRoot, canonicalPath: ByteString): Unsafe[] {
  const found: Unsafe[] = [];
  const parts = canonicalPath.split("/").slice(1);
  for (let i = 0; i <= parts.length; i++) {
    const inside = `/${parts.slice(0, i).join("/")}`;
    const stat = lookUp(root, inside)?.stat;
    if (stat === undefined) continue;
    const path = i === 0 ? root.path : `${root.path}${inside}`;
    const tell = (what: string, advice: Advice) =>
      found.push({ path, message: `path ${path} ${what}`, advice });
    const isProgram = i === parts.length;
    const add = (what: string, command: `chmod ${string}`) => tell(what, `${command} ${shellWord(path)}`);
    // Who could write it may have changed it, and have it open: copy it again.
    const close = (what: string) =>
      isProgram ? tell(what, recopyRemedy(root.path, inside)) : add(what, closeCommand(stat.mode));
    const own = (): Advice => {
      // Another user's content must not become root's file.
      if (isProgram) return recopyRemedy(root.path, inside);
      // That knows homes. After chroot(2) no account is looked up.
      if (i === 0) return `jk_check --fix ${shellWord(path)}`;
      // It may be somebody's home.
      return isLoose(inside) ? ROOTS_ALONE : `chown -h root ${shellWord(path)}`;
    };
    if (stat.uid !== 0) tell("is not owned by user 0", own());
    if ((stat.mode & 0o020) !== 0) close("is group writable");
    if ((stat.mode & 0o002) !== 0) close("is writable for others");
    // Who can write a directory can exchange what is below, so commands for that come after this one.
    if (i < parts.length && found.length > 0) break;
    // On directories these bits only decide who owns new files.
    if (i < parts.length) continue;
    if ((stat.mode & S_ISUID) !== 0) add("is setuid", "chmod u-s,g-s");
    if ((stat.mode & S_ISGID) !== 0) add("is setgid", "chmod u-s,g-s");
  }
  return found;
}

/** True if only root can exchange the file at `path` of the jail, or create it; false if that is unknown. */
export function onlyRootExchangesIn(root: JailRoot, path: ByteString): boolean {
  return answered(() => onlyRootDecides(root, directoryOf(path))) ?? false;
}

/** The step before a command of root's that names `path` of the jail; undefined if root may type it. See commandAt. */
function stepBefore(root: JailRoot, path: ByteString): Words | undefined {
  if (jailFindings(root).length === 0 && onlyRootExchangesIn(root, path)) return undefined;
  return inWords(closeFirst(hostPath(root, path)));
}

/** Opens the directory that this process cannot pass on the way to a program of the jail; undefined if there is none. */
export function wayAdvice(root: JailRoot, path: ByteString): Advice | undefined {
  const closed = answered(() => closedOnTheWay(root, path));
  return closed === undefined ? undefined : (stepBefore(root, closed) ?? openRemedy(hostPath(root, closed)));
}

/** For a program that is missing because a live jail is not mounted; undefined if it seems to be missing itself. */
export function unmountedRemedy(root: JailRoot, path: ByteString): Remedy | undefined {
  const empty = answered(() => emptyMountPoint(root, path));
  return empty === undefined ? undefined : mountLiveRemedy(root.path);
}

/** Copies a program again; something else in its place, at `place` of the jail, is kept in the jail's root directory. */
function replaceAdvice(root: JailRoot, path: ByteString, place: ByteString): Advice {
  const kept = shellWord(hostPath(root, freeNumbered(`/not-${baseName(path)}`, isIn(root))));
  const copy = recopyRemedy(root.path, path);
  return stepBefore(root, place) ?? `mv -nT ${shellWord(hostPath(root, place))} ${kept} && ${copy}`;
}

/** Why a file of the jail cannot be executed. */
function whyNot(root: JailRoot, { canonicalPath }: Found): { reason: ByteString; advice: Advice } {
  const path = hostPath(root, canonicalPath);
  const noexec = attempt(() => withFd(openAt(root.fd, canonicalPath.slice(1), O_PATH), isNoexec));
  if (noexec !== true) return { reason: "Permission denied", advice: `chmod a+x ${shellWord(path)}` };
  const reason = "Permission denied (its file system is mounted noexec)";
  return { reason, advice: remountCommand("exec", path) };
}

/**
 * The jk_lsh beside jk_chrootsh, the login shell, on the host; undefined if there is none. A live jail shows the same file.
 */
export const hostLimitedShell = (loginShell: ByteString): Stat | undefined =>
  attempt(() => statIfPresent(AT_FDCWD, `${directoryOf(loginShell)}/${LIMITED_SHELL}`, true));

/**
 * The shell of a login: `path` as the jail's accounts or the settings name it. If jk_lsh is not in the jail, or is the
 * `ours` of the host, it is the one inside this program. With `tried` the right to execute it is tried; otherwise
 * execve(2) will report it.
 */
export function shellFact(
  root: JailRoot,
  path: ByteString | undefined,
  tried = false,
  ours?: Stat,
): ShellFact {
  const missing = (reason: ByteString, advice?: Advice, hasPlain = false): ShellFact => ({
    kind: "missing",
    path: path ?? "",
    reason,
    ...{ advice, hasPlain },
  });
  if (path === undefined) return missing("neither the jail's accounts nor injail_shell name a shell");
  if (path === "") return missing("the account has no shell in the jail");
  // A relative path would start in the user's home.
  if (!path.startsWith("/")) return missing("it is not an absolute path");
  let found: ReturnType<typeof lookUp>;
  try {
    found = lookUp(root, path, { follow: true });
  } catch (error) {
    if (!isErrno(error, "ELOOP", "EACCES")) throw error;
    return missing(error.reason, error.code === "EACCES" ? wayAdvice(root, path) : undefined);
  }
  if (found === undefined) {
    if (baseName(path) === LIMITED_SHELL) return { kind: "internal", path, shown: false };
    const plain = plainShell(path);
    return plain !== path && shellFact(root, plain, tried, ours).kind !== "missing"
      ? missing("No such file or directory", undefined, true)
      : missing("No such file or directory", unmountedRemedy(root, path));
  }
  // It could not reach the host's log, and explain could not read it where nobody may.
  if (ours !== undefined && baseName(path) === LIMITED_SHELL && sameFile(found.stat, ours))
    return { kind: "internal", path, shown: true };
  if (!isRegular(found.stat)) return missing(NOT_A_FILE, replaceAdvice(root, path, found.canonicalPath));
  const unsafe = programFindings(root, found.canonicalPath);
  // The canonical path has no symbolic links.
  const executable = !tried || mayAccess(root.fd, found.canonicalPath.slice(1), MAY_EXECUTE);
  if (unsafe.length === 0 && !executable) return { ...missing("Permission denied"), ...whyNot(root, found) };
  return { kind: "file", path, canonicalPath: found.canonicalPath, unsafe };
}
