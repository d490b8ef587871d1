import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { told, withAdvice } from "../cli/remedy.ts";
import { exchangeFindings, type Finding } from "../jail/fs/safety.ts";
import { unmountedPlace } from "../jail/fs/unmounted.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { adviceAt } from "../system/exchange.ts";
import { requireOnePlace } from "./one-home.ts";
import { whoseHomeIn } from "./own-home.ts";

/** The advice for a home in the home of another user, unless there is a better one. */
const ELSEWHERE = "choose a home outside of it";

/** Why a directory is not safe, printable, and what to do: `elsewhere`, if it may be in the home of another user. */
function advice(root: JailRoot, { path, message, advice, inHome }: Finding, elsewhere: string) {
  const { remedy } = told("", advice);
  // The whole jail must leave the home.
  if (inHome) return { text: withAdvice(message, advice), remedy };
  const why = whoseHomeIn(root, path)?.why;
  if (why !== undefined) return { text: `${message}; ${why}: ${elsewhere}`, remedy: undefined };
  // Only in a sticky directory, where its owner can exchange it: those above have no finding.
  return adviceAt(path, remedy).remedy === undefined
    ? { text: `${message}: ${elsewhere}`, remedy: undefined }
    : { text: withAdvice(message, advice), remedy };
}

/** Throws JailkitError "unsafe-parent" if there is a finding, with advice. `root`: the jail of the home. */
export function refuseUnsafe(
  root: JailRoot,
  [finding]: readonly Finding[],
  what: string,
  elsewhere = ELSEWHERE,
): void {
  if (finding === undefined) return;
  const { text, remedy } = advice(root, finding, elsewhere);
  const message = `${what}, because other users could exchange it meanwhile: ${text}`;
  throw new JailkitError("unsafe-parent", 1, message, undefined, remedy);
}

/** Why a home cannot be created safely, with advice; undefined if it can. `elsewhere`: if another user has the place. */
export function unsafePlace(root: JailRoot, home: ByteString, elsewhere: string): string | undefined {
  const hidden = unmountedPlace(root, [home]) ?? otherForHost(root, home);
  if (hidden !== undefined) return `because ${hidden.message}`;
  const [finding] = exchangeFindings(root, directoryOf(home));
  return finding && `because other users could exchange it: ${advice(root, finding, elsewhere).text}`;
}

/** As requireOnePlace: the error. */
function otherForHost(root: JailRoot, home: ByteString): JailkitError | undefined {
  try {
    requireOnePlace(root, home);
    return undefined;
  } catch (error) {
    if (error instanceof JailkitError) return error;
    throw error;
  }
}

/** Throws JailkitError "not-mounted" for a home that would be created where /etc/fstab mounts something over it. */
export function requireMountedPlace(root: Pick<JailRoot, "path">, home: ByteString): void {
  const hidden = unmountedPlace(root, [home]);
  if (hidden !== undefined) throw hidden;
}

/**
 * Throws JailkitError "unsafe-parent" if users other than root could exchange a home while root creates it, by its name; or as
 * requireMountedPlace and requireOnePlace.
 */
export function requireSafePlace(root: JailRoot, home: ByteString, elsewhere: string): void {
  requireMountedPlace(root, home);
  requireOnePlace(root, home);
  const what = `${quoted(hostPath(root, home))} is not created`;
  refuseUnsafe(root, exchangeFindings(root, directoryOf(home)), what, elsewhere);
}
