import type { ByteString } from "../../../ffi/bytes.ts";
import { type Stat, sameFile } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { asksForHardLinks } from "../record.ts";
import type { CheckFinding } from "../rules.ts";
import type { JailSettings } from "../settings.ts";
import { statOnHost } from "./counterpart.ts";

interface Names {
  readonly stat: Stat;
  readonly paths: ByteString[];
}

/** Counts the names of files that have more than one. */
export class HardLinks {
  readonly #seen = new Map<string, Names>();

  add(path: ByteString, stat: Stat): void {
    if (stat.nlink < 2) return;
    const key = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
    const names = this.#seen.get(key);
    if (names === undefined) this.#seen.set(key, { stat, paths: [path] });
    else names.paths.push(path);
  }

  /** Files with more names than were seen: the others are outside the jail, or in a part that was not checked. */
  outside(): Names[] {
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
  const findings: CheckFinding[] = [];
  const unexplained: ByteString[] = [];
  const requested = content !== undefined && asksForHardLinks(content);
  for (const { stat, paths } of links.outside()) {
    const first = paths[0] ?? "";
    const entry = content?.entries.get(first);
    const source = entry?.source ?? first;
    const original = statOnHost(source);
    const shared = original !== undefined && sameFile(original, stat);
    if (shared && (requested || entry?.hardLink === true)) continue;
    if (shared && content === undefined) {
      unexplained.push(...paths);
      continue;
    }
    const other = shared
      ? `is the same file as the host's ${display(source)}`
      : "has a name outside the jail";
    for (const jailPath of paths) {
      const path = hostPath(root, jailPath);
      if (settings.compare(path)) continue;
      const message = `${display(path)} ${other}, which nothing asked for`;
      findings.push({ rule: "hard-link", path, jailPath, message, repair: { kind: "own-copy" } });
    }
  }
  return [...findings, ...unexplainedFindings(root, unexplained)];
}

/** One finding for all hard links of the host's files, in a jail without a record. */
function unexplainedFindings(root: JailRoot, paths: readonly ByteString[]): CheckFinding[] {
  if (paths.length === 0) return [];
  const files = paths.length === 1 ? "1 file" : `${paths.length} files`;
  const verb = paths.length === 1 ? "is a hard link" : "are hard links";
  const first = display(hostPath(root, paths[0] ?? "/"));
  const message = `${files} in ${display(root.path)} ${verb} to the host's, such as ${first}, and no record shows that hard links were requested (-k)`;
  return [{ rule: "hard-link", path: root.path, message }];
}
