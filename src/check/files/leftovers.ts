import type { ByteString } from "../../../ffi/bytes.ts";
import { type Stat, sameFile } from "../../../ffi/files.ts";
import { baseName } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { leftMoves } from "../../jail/fs/home-moves.ts";
import { isHeldName } from "../../jail/fs/left.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { namesIn } from "../../jail/fs/names.ts";
import { hostPath, isDirectory, isRegular, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { rootRuns } from "../../system/processes.ts";
import type { CheckFinding } from "../rules.ts";
import type { WalkEntry } from "./walk.ts";

// Temporary names of files, homes, homes that are removed, tests of jk_check and log sockets, each with random bits.
const TEMPORARY = /\/\.jk(?:-(?:home-|gone-|check-|put-)?[\w-]{12}|[0-9a-f]{16})$/;
const MAKERS = new Set("jailkit jk_addjailuser jk_check jk_cp jk_init jk_jailuser jk_update".split(" "));

/** A file, or a directory without anything. */
const isHeldAlone = (root: JailRoot, path: ByteString, stat: Stat): boolean =>
  isRegular(stat) || (isDirectory(stat) && withDirectory(root, path, (one) => namesIn(one).length === 0));

/**
 * Collects temporary files that interrupted runs left behind, during one walk. A file counts only if nobody but root can
 * have named it.
 */
export class Leftovers {
  readonly #found: WalkEntry[] = [];

  /** True for a temporary file or directory, and for everything in it: no other rule applies. */
  take(seen: WalkEntry): boolean {
    const last = this.#found.at(-1);
    if (last !== undefined && seen.path.startsWith(`${last.path}/`)) return true;
    if (!TEMPORARY.test(seen.path) || !onlyRootWrites(seen.parent)) return false;
    this.#found.push(seen);
    return true;
  }

  /** A finding for each that still exists; none while a tool that may use them is running. Throws SystemError. */
  findings(root: JailRoot): CheckFinding[] {
    if (this.#found.length === 0 || rootRuns(MAKERS)) return [];
    const told = new Set(leftMoves().map(({ box }) => box?.path));
    return this.#found.flatMap(({ path: jailPath, stat }): CheckFinding[] => {
      const now = lookUp(root, jailPath)?.stat;
      if (now === undefined || !sameFile(now, stat)) return [];
      const path = hostPath(root, jailPath);
      // With the home.
      if (told.has(path)) return [];
      const message = `${display(path)} was left by a tool of jailkit that was interrupted`;
      // It holds nothing that is not elsewhere, or nothing at all.
      if (isHeldName(baseName(jailPath)) && isHeldAlone(root, jailPath, stat))
        return [{ rule: "leftover", path, jailPath, message, repair: { kind: "leftover" }, seen: stat }];
      // It may hold the only copy of something, so the administrator decides.
      const remedy: Remedy = `mv -nT ${shellWord(path)} ${shellWord(`/root/${baseName(jailPath)}`)}`;
      return [{ rule: "leftover", path, jailPath, message, remedy }];
    });
  }
}
