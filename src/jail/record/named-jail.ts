import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { baseName, normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { editDistance } from "../../cli/suggest.ts";
import { ownTarget } from "../../system/exchange.ts";
import { mountRemedy, unmountedReason } from "../fs/unmounted.ts";
import { type JailRoot, openJailRoot, type TreeOptions } from "../fs/walk.ts";
import { findMoved, isRecorded, lostJail, whereMoved } from "./moved.ts";
import { knownJails } from "./registry.ts";

/** The known jail that was probably meant by a path: the same name elsewhere, or a letter or two wrong. */
export function nearJail(path: ByteString, known: readonly ByteString[]): ByteString | undefined {
  const most = Math.max(1, Math.min(3, Math.floor(baseName(path).length / 3)));
  const rated = known
    .map((jail) => ({ jail, distance: editDistance(path, jail) }))
    .sort((a, b) => a.distance - b.distance);
  const near =
    rated.find(({ distance }) => distance <= most) ??
    rated.find(({ jail }) => baseName(jail) === baseName(path));
  return near?.jail;
}

/** The command that updates the record, the accounts and the configuration for a moved jail. */
export const followRemedy = (from: ByteString, to: ByteString): Remedy =>
  `jailkit adopt --moved ${shellWord(from)} ${shellWord(to)}`;

/**
 * The same for a jail that is no longer at this path, or the command that mounts its file system; undefined if it is not
 * found. `places`: where it is looked for first, as in whereMoved.
 */
export function lostRemedy(path: ByteString, places: readonly ByteString[] = []): Remedy | undefined {
  const mount = mountRemedy(path);
  if (mount !== undefined) return mount;
  const now = whereMoved(path, places);
  return now === undefined ? undefined : followRemedy(path, now);
}

/** The directory to which a path of a jail leads through symbolic links of root's alone; undefined without a link. */
export function linkedJail(path: ByteString): ByteString | undefined {
  const target = ownTarget(path);
  return target === undefined || target === path || target === "/" ? undefined : target;
}

/** True if a jail is not at its path, where nothing is and nothing should be mounted, or a link of root's. */
export const isElsewhere = (path: ByteString): boolean =>
  isMissing(path) ? mountRemedy(path) === undefined : linkedJail(path) !== undefined;

/**
 * The command after which the record, the accounts and the configuration of a known jail behind a symbolic link name the directory
 * itself. `isNamed`: accounts or the configuration name it. Undefined for other jails.
 */
export function followLink(path: ByteString, isNamed: boolean): Remedy | undefined {
  const now = linkedJail(path);
  if (now === undefined) return undefined;
  const record = answered(() => knownJails())?.find(({ jail }) => jail.path === path);
  const isSame = record === undefined ? isNamed : isRecorded(now, record);
  return isSame ? followRemedy(path, now) : undefined;
}

/** The same for the error of a jail. */
export const linkRemedy = (path: ByteString, error: unknown, isNamed: boolean): Remedy | undefined =>
  error instanceof JailkitError && error.code === "link-in-jail-path" ? followLink(path, isNamed) : undefined;

/** The end of a message: where a jail is that was moved, and what follows it. */
export const movedHint = (from: ByteString, to: ByteString): string =>
  `it is at ${display(to)} now; update its record and accounts with: ${followRemedy(from, to)}`;

/** Throws JailkitError "moved" for a jail that is elsewhere: it needs its record there. */
export function requireNotMoved(jail: ByteString): void {
  const now = whereMoved(jail);
  if (now === undefined) return;
  const message = `${display(jail)}: no such directory; ${movedHint(jail, now)}`;
  throw new JailkitError("moved", 1, message, undefined, followRemedy(jail, now));
}

/** The end of a message about a jail that is missing, and the command in it that helps, if there is one. */
interface JailHint {
  readonly text: string;
  readonly remedy?: Remedy;
}

/** Where the jail of a path is now, or which one was probably meant; undefined if unknown. */
export function jailHint(path: ByteString): JailHint | undefined {
  const plain = normalPath(path);
  const mount = mountRemedy(plain);
  if (mount !== undefined) return { text: unmountedReason(mount), remedy: mount };
  // Users other than root cannot read the records.
  return answered(() => {
    const lost = lostJail(plain);
    if (lost !== undefined) {
      const now = findMoved(lost);
      if (now !== undefined) return { text: movedHint(plain, now), remedy: followRemedy(plain, now) };
      const text = `the jail is no longer there; if it was moved: jailkit adopt --moved ${shellWord(plain)} NEW`;
      return { text };
    }
    const known = knownJails().map(({ jail }) => jail.path);
    const near = nearJail(plain, known);
    return near === undefined ? undefined : { text: `did you mean ${display(near)}?` };
  });
}

/** The error to show when a jail cannot be opened. */
export function jailError(path: ByteString, error: unknown): unknown {
  if (!(error instanceof JailkitError) || error.code !== "no-such-jail") return error;
  const shown = shellWord(normalPath(path));
  const other = `'jailkit list' shows the jails, and this creates one: jk_init -j ${shown} SECTION`;
  const { text, remedy } = jailHint(path) ?? { text: other };
  const message = `${display(normalPath(path))}: no such directory; ${text}`;
  return new JailkitError("no-such-jail", error.exitStatus, message, undefined, remedy);
}

/** As openJailRoot, for a jail that was named: the error says where it is now, or which one was probably meant. */
export function openNamedJail(path: ByteString, options: TreeOptions = {}): JailRoot {
  try {
    return openJailRoot(path, options);
  } catch (error) {
    throw jailError(path, error);
  }
}
