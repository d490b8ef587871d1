import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import type { Draft } from "../../populate/plan/draft.ts";
import type { Candidate } from "./removals.ts";

/**
 * The candidates for removal that users other than root named in a tree that is still requested, each with that tree.
 * Earlier versions copied such files. Plans now leave them out, but the tree may need them. Directories are not included:
 * they are removed when empty.
 */
export function cameAlong(
  plan: Draft,
  records: ReadonlyMap<ByteString, ManifestEntry>,
  candidates: readonly Candidate[],
): Map<Candidate, ByteString> {
  const found = new Map<Candidate, ByteString>();
  const trees = [...new Set([...plan.leftOut.values()].map(({ tree }) => tree))];
  if (trees.length === 0) return found;
  const bySource = new Map([...records.values()].map((record) => [record.source, record]));
  const treeAt = (path: ByteString) => trees.find((tree) => path === tree || path.startsWith(`${tree}/`));

  function treeOf(record: ManifestEntry): ByteString | undefined {
    if (treeAt(record.source ?? record.path) !== undefined) return undefined;
    // An operand of jk_cp is the section of all files that it brought.
    const operand = trees.find((tree) => record.sections.includes(tree));
    if (operand !== undefined) return operand;
    const visited = new Set<ManifestEntry>();
    for (let at: ManifestEntry | undefined = record; at?.neededBy !== undefined && !visited.has(at); ) {
      visited.add(at);
      const tree = treeAt(at.neededBy);
      if (tree !== undefined) return tree;
      at = records.get(at.neededBy) ?? bySource.get(at.neededBy);
    }
    return undefined;
  }

  for (const candidate of candidates) {
    const { record } = candidate;
    const tree = record !== undefined && record.type !== "directory" ? treeOf(record) : undefined;
    if (tree !== undefined) found.set(candidate, tree);
  }
  return found;
}

/** The reason why such an entry stays; continues "PATH ". */
export function whyItStays(tree: ByteString): string {
  return `was copied because of ${quoted(tree)}, where users other than root named it, and is not updated`;
}

/** One printable line for each tree. */
export function cameAlongWarnings(trees: Iterable<ByteString>): string[] {
  const counts = new Map<ByteString, number>();
  for (const tree of trees) counts.set(tree, (counts.get(tree) ?? 0) + 1);
  return [...counts].map(([tree, count]) => {
    const what = count === 1 ? "1 entry" : `${count} entries`;
    return `${what} of the jail ${count === 1 ? "was" : "were"} copied because of ${quoted(tree)}, where users other than root named them: neither removed nor updated (-v lists them)`;
  });
}
