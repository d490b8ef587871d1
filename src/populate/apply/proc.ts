import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { attributesAt, lookUp, readJailFile, withTree } from "../../jail/fs/look.ts";
import { hostPath, isRegular, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { requireReplaceable } from "../../jail/fs/writable.ts";
import { makeDirectories, putFile } from "../../jail/fs/write.ts";
import { hostLocked, REGISTRY } from "../../jail/record/registry.ts";
import { hostText } from "../../system/host-files.ts";
import { fstabField, fstabFields, fstabPlace, isByHand, isProc, mountProc } from "../../system/mounts.ts";

/** In bytes. */
export const LARGEST_FSTAB = 1 << 20;

/** The text of /etc/fstab; none if it is missing. Throws SystemError. */
export const fstabText = (): ByteString => hostText("/etc/fstab", LARGEST_FSTAB) ?? "";

/** The options with which proc is mounted in a jail. */
export const PROC_OPTIONS = "ro,nosuid,nodev,noexec,hidepid=2,nofail";

/** Where the lines of fstab(5) mount proc at boot, and with which options. */
export const procTargets = (fstab: ByteString): ReadonlyMap<ByteString, ByteString> =>
  new Map(
    fstab.split("\n").flatMap((line): [ByteString, ByteString][] => {
      const [, , type, options = ""] = fstabFields(line);
      const where = type === "proc" ? fstabPlace(line) : undefined;
      return where === undefined || isByHand(options.split(",")) ? [] : [[where, options]];
    }),
  );

/** A line of fstab(5) without the option with which a boot does not mount it; the others stay. */
function atBoot(line: ByteString): ByteString {
  const [what, where, type, options = "", ...rest] = fstabFields(line);
  const left = options.split(",").filter((option) => option !== "noauto");
  return [what, where, type, left.join(",") || "defaults", ...rest].join(" ");
}

/** The text of fstab(5) with a line for the proc of a jail (an absolute path); undefined if it has one already. */
export function withProcLine(fstab: ByteString, jail: ByteString): ByteString | undefined {
  const target = `${jail}/proc`;
  if (procTargets(fstab).has(target)) return undefined;
  const isTarget = (line: ByteString) => fstabPlace(line) === target && fstabFields(line)[2] === "proc";
  const lines = fstab.split("\n");
  // The next boot may take either of two lines.
  if (lines.some(isTarget)) return lines.map((line) => (isTarget(line) ? atBoot(line) : line)).join("\n");
  const separator = fstab === "" || fstab.endsWith("\n") ? "" : "\n";
  return `${fstab}${separator}proc ${fstabField(target)} proc ${PROC_OPTIONS} 0 0\n`;
}

/** The text that fstab(5) below `root` gets from `change`; undefined for no change. Throws as changeFstab does. */
export function changedFstab(
  root: JailRoot,
  change: (fstab: ByteString) => ByteString | undefined,
  otherwise: string,
): ByteString | undefined {
  const found = lookUp(root, "/fstab");
  if (found && !isRegular(found.stat)) {
    const file = hostPath(root, "/fstab");
    // Nothing is written through a symbolic link, but the lines may be as they should be.
    if (change(hostText(file, LARGEST_FSTAB) ?? "") === undefined) return undefined;
    throw new JailkitError("fstab", 1, `${display(file)}: not a regular file; ${otherwise}`);
  }
  const bytes = readJailFile(root, "/fstab", LARGEST_FSTAB);
  return change(bytes ? fromBytes(bytes) : "");
}

/**
 * Changes `etc`/fstab by rename(2), under the lock of `registry`, which no user can hold. `change` gets its text and
 * returns the new text, or undefined for no change (the lock is not taken then). True if it was changed. Throws
 * JailkitError "fstab" if it is not a regular file, with the manual step (`otherwise`).
 */
export function changeFstab(
  root: JailRoot,
  change: (fstab: ByteString) => ByteString | undefined,
  otherwise: string,
  registry: ByteString = REGISTRY,
): boolean {
  const changed = () => changedFstab(root, change, otherwise);
  if (changed() === undefined) return false;
  return hostLocked(registry, () => {
    // Read again under the lock.
    const text = changed();
    if (text === undefined) return false;
    const attributes = attributesAt(root, "/fstab") ?? { mode: 0o644, uid: 0, gid: 0 };
    putFile(root, "/fstab", toBytes(text), attributes, { replace: true, most: LARGEST_FSTAB });
    return true;
  });
}

/** Adds the line for the proc of a jail to `etc`/fstab, once. True if it was added. */
export function addProcLine(jail: ByteString, etc: ByteString = "/etc"): boolean {
  return withTree((root) => changeFstab(root, (fstab) => withProcLine(fstab, jail), procByHand(jail)), etc);
}

/**
 * Throws the JailkitError or SystemError with which changeFstab would fail on the file of the machine: for who asks before something
 * is mounted or unmounted.
 */
export function requireFstab(change: (fstab: ByteString) => ByteString | undefined, otherwise: string): void {
  const changed = withTree((etc) => changedFstab(etc, change, otherwise), "/etc");
  if (changed !== undefined) requireReplaceable("/etc/fstab");
}

const procByHand = (jail: ByteString) => `add the line for ${display(jail)}/proc by hand`;

/** Throws the JailkitError or SystemError with which addProcLine would fail. */
export const requireProcLine = (jail: ByteString): void =>
  requireFstab((fstab) => withProcLine(fstab, jail), procByHand(jail));

/** True if proc(5) is mounted on /proc of the jail. Throws JailkitError, SystemError where that is not known. */
export function hasProc(root: JailRoot): boolean {
  try {
    return withDirectory(root, "/proc", ({ fd }) => isProc(fd));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

/** Creates /proc of the jail and mounts proc(5) there. False if it is mounted already. */
export function mountJailProc(root: JailRoot): boolean {
  makeDirectories(root, "/proc", () => ({ mode: 0o555, uid: 0, gid: 0 }));
  return withDirectory(root, "/proc", ({ fd, trusted }) => {
    if (isProc(fd)) return false;
    if (!trusted) {
      const message = `${display(root.path)}/proc: belongs to a user or can be written by others; nothing is mounted there`;
      throw new JailkitError("proc-untrusted", 1, message);
    }
    try {
      mountProc(fd);
    } catch (error) {
      if (!isErrno(error, "EPERM")) throw error;
      const message = `${display(root.path)}/proc: mount: Operation not permitted; a container may not mount proc: mount it from outside`;
      throw new JailkitError("mount-refused", 1, message);
    }
    return true;
  });
}
