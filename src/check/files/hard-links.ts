import type { ByteString } from "../../../ffi/bytes.ts";
import { type Stat, sameFile } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { wantsHardLinks } from "../../config/hard-links.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import type { CheckFinding } from "../rules.ts";
import type { JailSettings } from "../settings.ts";
import { statOnHost } from "./counterpart.ts";

/** Counts the names of files that have more than one. */
export class HardLinks {
  readonly #seen = new Map<string, { readonly stat: Stat; readonly paths: ByteString[] }>();

  add(path: ByteString, stat: Stat): void {
    if (stat.nlink < 2) return;
    const key = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
    this.#seen.getOrInsertComputed(key, () => ({ stat, paths: [] })).paths.push(path);
  }

  /** Files with more names than were seen: the others are outside the jail, or in a part that was not checked. */
  outside() {
    return [...this.#seen.values()].filter(({ stat, paths }) => paths.length < stat.nlink);
  }
}

interface HardLinkContext {
  readonly root: JailRoot;
  readonly content: ManifestContent | undefined;
  readonly settings: JailSettings;
}

/** Files with names outside the jail, which share content, owner and mode with the files in it. */
export function hardLinkFindings(context: HardLinkContext, links: HardLinks): CheckFinding[] {
  const { root, content, settings } = context;
  // Of the host's files, in a jail without a record.
  const unexplained: ByteString[] = [];
  const outside = links.outside();
  // By -k, or in jk_update.ini.
  const requested =
    content?.requests.some(({ options }) => options.hardlink === true) ||
    (outside.length > 0 && wantsHardLinks(root.path));
  const findings = outside.flatMap(({ stat, paths }) => {
    const first = paths[0] ?? "";
    const entry = content?.entries.get(first);
    const source = entry?.source ?? first;
    const original = statOnHost(source);
    const shared = original !== undefined && sameFile(original, stat);
    if (shared && (requested || entry?.hardLink === true)) return [];
    if (shared && content === undefined) {
      unexplained.push(...paths);
      return [];
    }
    const other = shared
      ? `is the same file as the host's ${display(source)}`
      : "has a name outside the jail";
    return paths.flatMap((jailPath): CheckFinding[] => {
      const path = hostPath(root, jailPath);
      if (settings.compare(path)) return [];
      const message = `${display(path)} ${other}, which nothing asked for`;
      return [{ rule: "hard-link", path, jailPath, message, repair: { kind: "own-copy" } }];
    });
  });
  if (unexplained.length === 0) return findings;
  const [files, verb] =
    unexplained.length === 1
      ? ["1 file", "is a hard link"]
      : [`${unexplained.length} files`, "are hard links"];
  const first = display(hostPath(root, unexplained[0] ?? "/"));
  const message = `${files} in ${display(root.path)} ${verb} to the host's, such as ${first}, and no record shows that hard links were requested (-k)`;
  return [...findings, { rule: "hard-link", path: root.path, message }];
}
