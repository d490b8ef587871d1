import { sameFile } from "../../../ffi/files.ts";
import { baseName } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { leftMoves } from "../../jail/fs/home-moves.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { rootRuns } from "../../system/processes.ts";
import type { CheckFinding } from "../rules.ts";
import type { WalkEntry } from "./walk.ts";

// Temporary names of files, homes, tests of jk_check and log sockets, each with random bits.
const TEMPORARY = /\/\.jk(?:-(?:home-|check-|put-)?[\w-]{12}|[0-9a-f]{16})$/;
const MAKERS = new Set("jailkit jk_addjailuser jk_check jk_cp jk_init jk_jailuser jk_update".split(" "));

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
    const told = new Set(leftMoves().map(({ copy }) => copy));
    return this.#found.flatMap(({ path: jailPath, stat }): CheckFinding[] => {
      const now = lookUp(root, jailPath)?.stat;
      if (now === undefined || !sameFile(now, stat)) return [];
      const path = hostPath(root, jailPath);
      // With the home.
      if (told.has(path)) return [];
      const message = `${display(path)} was left by a tool of jailkit that was interrupted`;
      // It may hold the only copy of something, so the administrator decides.
      const remedy: Remedy = `mv -nT ${shellWord(path)} ${shellWord(`/root/${baseName(jailPath)}`)}`;
      return [{ rule: "leftover", path, jailPath, message, remedy }];
    });
  }
}
