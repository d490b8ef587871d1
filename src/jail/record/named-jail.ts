import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { baseName, normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { editDistance } from "../../cli/suggest.ts";
import { mountRemedy, unmountedReason } from "../fs/unmounted.ts";
import { type JailRoot, openJailRoot, type TreeOptions } from "../fs/walk.ts";
import { exchangedAt, requireInPlace } from "./displaced.ts";
import { followLink, followRemedy, linkedJail } from "./follow.ts";
import { findMoved, lostJail, whereMoved } from "./moved.ts";
import { knownJails } from "./registry.ts";

export { followLink, followRemedy, linkedJail } from "./follow.ts";

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

/**
 * The command of followRemedy for a jail that is no longer at this path, or the one that mounts its file system; undefined if it is not
 * found. `places`: where it is looked for first, as in whereMoved.
 */
export function lostRemedy(path: ByteString, places: readonly ByteString[] = []): Remedy | undefined {
  const mount = mountRemedy(path);
  if (mount !== undefined) return mount;
  const now = whereMoved(path, places);
  return now === undefined ? undefined : followRemedy(path, now);
}

/** True if a jail is not at its path, where nothing is and nothing should be mounted, or a link of root's. */
export const isElsewhere = (path: ByteString): boolean =>
  isMissing(path) ? mountRemedy(path) === undefined : linkedJail(path) !== undefined;

/** The command of followLink for the error of a jail. */
export const linkRemedy = (path: ByteString, error: unknown, isNamed: boolean): Remedy | undefined =>
  error instanceof JailkitError && error.code === "link-in-jail-path" ? followLink(path, isNamed) : undefined;

/** The end of a message: where a jail is that was moved, and what follows it. */
export const movedHint = (from: ByteString, to: ByteString): string =>
  `it is at ${display(to)} now; update its record and accounts with: ${followRemedy(from, to)}`;

/** Throws JailkitError "moved" for a jail that is elsewhere: it needs its record there. Throws as requireInPlace. */
export function requireNotMoved(jail: ByteString): void {
  requireInPlace(jail);
  const now = whereMoved(jail);
  if (now === undefined) return;
  const message = `${display(jail)}: no such directory; ${movedHint(jail, now)}`;
  throw new JailkitError("moved", 1, message, undefined, followRemedy(jail, now));
}

/** True for a jail of which nothing tells where it is, or what to mount. */
export function isNowhere(jail: ByteString): boolean {
  const lost = lostJail(jail);
  const isFound = () =>
    exchangedAt(jail) !== undefined || (lost !== undefined && findMoved(lost) !== undefined);
  return mountRemedy(jail) === undefined && !isFound();
}

/** The end of a message about a jail that is missing, and the command in it that helps, if there is one. */
interface JailHint {
  readonly text: string;
  readonly remedy?: Remedy | undefined;
}

/** Where the jail of a path is now, or which one was probably meant; undefined if unknown. */
export function jailHint(path: ByteString): JailHint | undefined {
  const plain = normalPath(path);
  const mount = mountRemedy(plain);
  if (mount !== undefined) return { text: unmountedReason(mount), remedy: mount };
  const exchanged = exchangedAt(plain);
  if (exchanged !== undefined) return { text: exchanged.message, remedy: exchanged.remedy };
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

/**
 * As openJailRoot, for a jail that was named: the error says where it is now, or which one was probably meant. Throws as
 * requireInPlace.
 */
export function openNamedJail(path: ByteString, options: TreeOptions = {}): JailRoot {
  let root: JailRoot | undefined;
  try {
    root = openJailRoot(path, options);
    requireInPlace(root.path, root);
    return root;
  } catch (error) {
    root?.[Symbol.dispose]();
    throw jailError(path, error);
  }
}
