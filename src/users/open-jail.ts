import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { absolute } from "../../ffi/guard.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, describeError, errorOf, errorWithCode, JailkitError, remedyOf } from "../cli/error.ts";
import { type Remedy, typed, withAdvice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { isChrootShell, isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { requireOwnPath } from "../jail/accounts/own-path.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { lookUp, withJailFile } from "../jail/fs/look.ts";
import { namesIn } from "../jail/fs/names.ts";
import { whyNoJail } from "../jail/fs/no-jails.ts";
import { unmountedAt } from "../jail/fs/unmounted.ts";
import { closeJailRoot, hostPath, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { isJailkit3, jailkitVersionOf } from "../known-programs/jailkit-version.ts";
import { RootView } from "../libraries/root-view.ts";
import { commandAt } from "../system/exchange.ts";
import { asideCommand } from "../system/free-name.ts";
import { type Advice, OPTIONS } from "./advice.ts";

/** The exit status for an unusable jail, as in jailkit 2. */
export const BAD_JAIL = 33;

const PASSWD = "/etc/passwd";

/** The default shell of an account in a jail. */
export const LIMITED_SHELL = "/usr/sbin/jk_lsh";

/**
 * Opens a jail for accounts: it must be safe, have etc/passwd, and have `shell` as a program. jk_lsh may be missing, because
 * jk_chrootsh contains it. Throws JailkitError with exit status BAD_JAIL.
 */
export function openJailForUsers(path: ByteString, shell: ByteString, advice: Advice = OPTIONS): JailRoot {
  let root: JailRoot;
  try {
    root = openNamedJail(absolute(path));
  } catch (error) {
    throw badJail(error);
  }
  try {
    requireOwnPath(root.path);
    requireReadyJail(root, advice);
    requireShell(root, shell, advice);
    return root;
  } catch (error) {
    closeJailRoot(root);
    if (error instanceof JailkitError && error.exitStatus === BAD_JAIL) throw error;
    throw badJail(error);
  }
}

const badJail = (error: unknown): JailkitError =>
  new JailkitError("bad-jail", BAD_JAIL, describeError(error), undefined, remedyOf(error));

/** Throws JailkitError if a jail is not safe, or has no account files. */
export function requireReadyJail(root: JailRoot, advice: Advice): void {
  requireJailToFill(root, BAD_JAIL);
  if (lookUp(root, PASSWD, { follow: true }) === undefined) throw noAccountFiles(root.path, advice, root);
}

/** The error for a jail without etc/passwd. `root`: of a jail that is there. */
export function noAccountFiles(
  jail: ByteString,
  { noJail }: Advice,
  root: JailRoot | undefined,
): JailkitError {
  const unmounted = unmountedAt(jail);
  if (unmounted !== undefined) return badJail(unmounted);
  const lost = root && lostFile(root, PASSWD, "bad-jail");
  const why = root && whyNoJail(root.top.stat, namesIn(root.top));
  if (why !== undefined) {
    const message = `${quoted(jail)} ${why}: name another directory`;
    return lost ?? new JailkitError("bad-jail", BAD_JAIL, message);
  }
  const message = `${quoted(`${jail}${PASSWD}`)} does not exist: ${noJail}`;
  // Each jk_init writes them; this section has nothing that runs.
  const remedy: Remedy = `jk_init -j ${shellWord(jail)} uidbasics`;
  return lost ?? new JailkitError("bad-jail", BAD_JAIL, message, undefined, remedy);
}

/** True for a file that a jail had by its record. */
export function wasThere(root: JailRoot, path: ByteString): boolean {
  const content = answered(() => openManifest(root).content);
  using host = new RootView();
  const paths = [path, `${host.realPath(parentOf(path))}/${baseName(path)}`];
  // What has accounts is written by every jk_init, and is no entry.
  const had =
    path === PASSWD
      ? content?.requests.some(({ tool }) => tool === "jk_init")
      : paths.some((one) => content?.entries.has(one));
  return had === true;
}

/** The command that brings back a file that a jail lacks, and had by its record; undefined if it had none there. */
export const bringBack = (root: JailRoot, path: ByteString): Remedy | undefined =>
  wasThere(root, path) ? `jk_update -j ${shellWord(root.path)}` : undefined;

/** The error for a file that a jail lacks and had by its record. */
function lostFile(
  root: JailRoot,
  path: ByteString,
  code: "bad-jail" | "bad-shell",
): JailkitError | undefined {
  const remedy = bringBack(root, path);
  if (remedy === undefined) return undefined;
  const message = `${quoted(hostPath(root, path))} was removed from the jail: bring it back with: ${remedy}`;
  return new JailkitError(code, BAD_JAIL, message, undefined, remedy);
}

/** The error for a jail without the shell of a user. `root`: of a jail that is there. */
export function noShellIn(
  jail: ByteString,
  shell: ByteString,
  advice: Advice,
  root: JailRoot | undefined,
): JailkitError {
  const lost = root && lostFile(root, shell, "bad-shell");
  if (lost !== undefined) return lost;
  const isOuter = isChrootShell(shell);
  const why = isOuter
    ? `; it is the shell that the account has on this machine: ${advice.innerShell}`
    : `: ${advice.shell}`;
  const message = `${quoted(hostPath({ path: jail }, shell))} does not exist${why}`;
  return new JailkitError("bad-shell", BAD_JAIL, message);
}

/** True for a file that somebody may execute. */
export const isProgram = (stat: Pick<Stat, "mode">): boolean => isRegular(stat) && (stat.mode & 0o111) !== 0;

/** The same of a path of this machine, which is so in a jail that gets it. */
export const isProgramHere = (path: ByteString): boolean => {
  const stat = statIfPresent(AT_FDCWD, path, true);
  return stat !== undefined && isProgram(stat);
};

/** True for a program of root's that nobody else may execute, as in a copy that was made with a umask. */
export const onlyRootRuns = ({ uid, mode }: Pick<Stat, "mode" | "uid">): boolean =>
  uid === 0 && (mode & 0o011) === 0;

/** The error for a jail that has something else than a program of its users as their shell. `why`: the end of the message. */
export const notProgram = (
  root: Pick<JailRoot, "path">,
  shell: ByteString,
  why = "is not a program",
  remedy?: Remedy,
): JailkitError =>
  new JailkitError("bad-shell", BAD_JAIL, `${quoted(hostPath(root, shell))} ${why}`, undefined, remedy);

/** Throws JailkitError if a jail does not have a shell; jk_lsh may be missing, see openJailForUsers. */
export function requireShell(root: JailRoot, shell: ByteString, advice: Advice): void {
  const found = shell.startsWith("/") ? lookUp(root, shell, { follow: true }) : undefined;
  if (found === undefined) {
    if (isLimitedShell(shell)) return;
    if (!shell.startsWith("/"))
      throw new JailkitError(
        "bad-shell",
        BAD_JAIL,
        `the shell ${quoted(shell)} is not an absolute path: ${advice.shell}`,
      );
    throw noShellIn(root.path, shell, advice, root);
  }
  const { canonicalPath, stat } = found;
  const isOne = isProgram(stat);
  const isEmpty = isOne && stat.size === 0 && wasThere(root, canonicalPath);
  if (isOne && !isEmpty && !onlyRootRuns(stat)) return;
  const why = isEmpty ? "is empty" : isOne ? "can be executed by root alone" : "is not a program";
  if (!(isRegular(stat) && wasThere(root, canonicalPath))) throw notProgram(root, shell, why);
  const remedy: Remedy = `jk_check --fix ${shellWord(root.path)}`;
  const heals = `${why}, unlike the one in the record of the jail; fix it with: ${remedy}`;
  throw notProgram(root, shell, heals, remedy);
}

/** The same as an answer. */
export function shellFault(root: JailRoot, shell: ByteString, advice: Advice) {
  const error = errorWithCode("bad-shell", () => requireShell(root, shell, advice));
  return error && { message: error.message, advice: error.remedy };
}

/**
 * What is wrong with a limited shell in a jail that is not of jailkit 3, and runs instead of the one in jk_chrootsh: that of
 * jailkit 2 knows neither confinement nor services, and of another program nothing is known, so that what limits a user would be
 * written down, and not be so. Undefined for another shell.
 */
export function otherShellFault(
  root: JailRoot,
  shell: ByteString,
): { readonly message: string; readonly remedy: Remedy } | undefined {
  const found = isLimitedShell(shell) ? lookUp(root, shell, { follow: true }) : undefined;
  if (found === undefined || !isRegular(found.stat)) return undefined;
  const path = found.canonicalPath;
  const version = withJailFile(
    root,
    path,
    (fd, { stat }) => (isJailkit3(fd, stat.size) ? "jailkit-3" : jailkitVersionOf(fd, stat.size)),
    { follow: false },
  );
  if (version === "jailkit-3") return undefined;
  const place = hostPath(root, path);
  const isOld = version === "jailkit-2";
  const what = isOld ? "is the jk_lsh of jailkit 2" : "is not jailkit's";
  const update: Remedy = `jk_update -j ${shellWord(root.path)}`;
  const advice = isOld ? update : commandAt(place, asideCommand(place));
  const message = `${quoted(place)} ${what}, and runs instead of the limited shell in jk_chrootsh: it does not confine users as declared`;
  return { message: withAdvice(message, advice), remedy: typed(advice) };
}

/** Throws JailkitError for a limited shell that is not of jailkit 3 in a jail: see otherShellFault. */
export function requireNoOtherShell(root: JailRoot, shell: ByteString): void {
  const fault = otherShellFault(root, shell);
  if (fault !== undefined) throw errorOf({ code: "bad-shell", ...fault });
}
