import type { ByteString } from "../../../ffi/bytes.ts";
import type { Attribution, Entry, Keeps, Reason } from "../entry.ts";

const DEEPEST_TREE = 4096;

/** True for a path that the administrator named, and for its dependencies; false for one found in a directory. */
export function isNamed(reason: Reason): boolean {
  return reason.kind !== "tree" && !(reason.kind === "asked" && reason.matched === true);
}

/** The requested directory that brought `path`; `path` itself if there is none. */
export function treeOf(path: ByteString, reason: Reason): ByteString {
  let tree = path;
  for (let at: Reason | undefined = reason, steps = 0; at?.kind === "tree" && steps < DEEPEST_TREE; steps++) {
    tree = at.from.source ?? at.from.path;
    at = at.from.because[0]?.reason;
  }
  return tree;
}

/**
 * Adds another request to an entry: by another section, for a better reason, or with more of its owner and special bits
 * to keep. False if nothing is new. An entry only ever keeps more, so loops of symbolic links end.
 */
export function askAgain(entry: Entry, section: ByteString, reason: Reason, keeps: Keeps): boolean {
  const before = entry.because.find((each) => each.section === section);
  const better =
    (before?.reason.kind === "parent" && reason.kind !== "parent") ||
    (before !== undefined && !isNamed(before.reason) && reason.kind === "asked" && isNamed(reason));
  if (before !== undefined && !better && (keeps & ~entry.keeps) === 0) return false;
  const own: Attribution = { section, reason };
  if (before === undefined) entry.because = [...entry.because, own];
  else if (better) entry.because = entry.because.map((each) => (each === before ? own : each));
  entry.keeps = (entry.keeps | keeps) as Keeps;
  return true;
}
