import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { errorOf } from "../cli/error.ts";
import { withTree } from "../jail/fs/look.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { type Journal, recordDirectory } from "../jail/record/journal.ts";
import { manifestEntry } from "../populate/record/record.ts";
import type { Change } from "./plan/compare.ts";

/** The journal for changes, with the plan of an interrupted run added. */
export function journalOf(changes: readonly Change[], before?: Journal): Omit<Journal, "intended"> {
  const exchanged = changes.flatMap(({ action, entry: { path }, existing }) =>
    action === "exchange" && existing !== undefined ? [{ path, ino: existing.stat.ino }] : [],
  );
  const put = changes.map(({ entry }) => [entry.path, manifestEntry(entry)] as const);
  return {
    put: new Map([...(before?.put ?? []), ...put]),
    directories: [...(before?.directories ?? []), ...changes.map(({ entry }) => directoryOf(entry.path))],
    exchanged: [...(before?.exchanged ?? []), ...exchanged],
  };
}

/** Throws JailkitError "read-only" if the record of that id cannot be written: a dry run does not take its lock. */
export function requireWritableRecord(id: ByteString, jail: ByteString, progress?: string): void {
  const problem = withTree((tree) => readOnlyProblem(tree, [recordDirectory(id)], jail, progress));
  if (problem !== undefined) throw errorOf(problem);
}
