import type { ByteString } from "../../../ffi/bytes.ts";
import { type Stat, sameFile } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { wantsHardLinks } from "../../config/hard-links.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import type { CheckFinding } from "../rules.ts";
import type { JailSettings } from "../settings.ts";
import { statOnHost } from "./counterpart.ts";

// Of one file: a user may make tens of thousands, and no more findings are shown.
const MOST_NAMES = 1001;

/** A file with several names: those that were seen, of which the first ones are kept. */
interface Names {
  readonly stat: Stat;
  readonly paths: ByteString[];
  count: number;
}

/** Counts the names of files that have more than one. */
export class HardLinks {
  readonly #seen = new Map<string, Names | "all">();

  add(path: ByteString, stat: Stat): void {
    if (stat.nlink < 2) return;
    const key = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
    const names = this.#seen.getOrInsertComputed(key, () => ({ stat, paths: [], count: 0 }));
    if (names === "all") return;
    if (names.paths.length < MOST_NAMES) names.paths.push(path);
    if (++names.count >= names.stat.nlink) this.#seen.set(key, "all");
  }

  /** Files with more names than were seen: the others are outside the jail, or in a part that was not checked. */
  *outside(): Generator<Names> {
    for (const names of this.#seen.values()) if (names !== "all") yield names;
  }
}

interface HardLinkContext {
  readonly root: JailRoot;
  readonly content: ManifestContent | undefined;
  readonly settings: JailSettings;
}

/** Files with names outside the jail, which share content, owner and mode with the files in it. */
export function* hardLinkFindings(context: HardLinkContext, links: HardLinks): Generator<CheckFinding> {
  const { root, content, settings } = context;
  // Of the host's files, in a jail without a record.
  let unexplained = 0;
  let example: ByteString = "/";
  // By -k, or in jk_update.ini, which is read only if there are any.
  let requested: boolean | undefined =
    content?.requests.some(({ options }) => options.hardlink === true) || undefined;
  for (const { stat, paths, count } of links.outside()) {
    requested ??= wantsHardLinks(root.path);
    const first = paths[0] ?? "";
    const entry = content?.entries.get(first);
    const source = entry?.source ?? first;
    const original = statOnHost(source);
    const shared = original !== undefined && sameFile(original, stat);
    if (shared && (requested || entry?.hardLink === true)) continue;
    if (shared && content === undefined) {
      if (unexplained === 0) example = first;
      unexplained += count;
      continue;
    }
    const other = shared
      ? `is the same file as the host's ${display(source)}`
      : "has a name outside the jail";
    for (const jailPath of paths) {
      const path = hostPath(root, jailPath);
      if (settings.compare(path)) continue;
      const message = `${display(path)} ${other}, which nothing asked for`;
      yield { rule: "hard-link", path, jailPath, message, repair: { kind: "own-copy" } };
    }
  }
  if (unexplained === 0) return;
  const [files, verb] =
    unexplained === 1 ? ["1 file", "is a hard link"] : [`${unexplained} files`, "are hard links"];
  const such = display(hostPath(root, example));
  const message = `${files} in ${display(root.path)} ${verb} to the host's, such as ${such}, and no record shows that hard links were requested (-k)`;
  yield { rule: "hard-link", path: root.path, message };
}
