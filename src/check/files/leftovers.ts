import type { ByteString } from "../../../ffi/bytes.ts";
import { sameFile } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { rootRuns } from "../../system/processes.ts";
import type { CheckFinding } from "../rules.ts";
import type { Seen } from "./walk.ts";

// Names that jailkit gives to what it makes ready, each with random bits: files, homes, tests of jk_check, log sockets.
const TEMPORARY = /\/\.jk(?:-(?:home-|check-)?[\w-]{12}|[0-9a-f]{16})$/;
// What makes such things; it is at work as long as it runs.
const MAKERS = new Set<ByteString>([
  ...["jailkit", "jk_addjailuser", "jk_check", "jk_cp", "jk_init", "jk_jailuser", "jk_update"],
]);

/** Looks for what runs that were cut short have left half-made. */
export interface Leftovers {
  /** True for such a thing, and for all that is in it: nothing else is to be said of it. */
  take(seen: Seen): boolean;
  /** A finding for each that still is there; none while a tool of jailkit's runs, whose it may be. Throws SystemError. */
  findings(): CheckFinding[];
}

/** Makes a collection for one walk. A thing counts only where nobody but root can have given the name. */
export function collectLeftovers(root: JailRoot): Leftovers {
  const found: Seen[] = [];

  function finding({ path: jailPath, stat }: Seen): CheckFinding[] {
    const now = lookUp(root, jailPath)?.stat;
    if (now === undefined || !sameFile(now, stat)) return [];
    const path = hostPath(root, jailPath);
    const message = `${display(path)} was left half-made by a tool of jailkit's that was cut short`;
    // It may hold a copy of what somebody misses: what becomes of it is for the administrator to say.
    const name = jailPath.slice(jailPath.lastIndexOf("/") + 1);
    const remedy = `mv -nT ${shellWord(path)} ${shellWord(`/root/${name}`)}`;
    return [{ rule: "leftover", path, jailPath, message, remedy }];
  }

  return {
    take(seen) {
      const last = found.at(-1);
      if (last !== undefined && seen.path.startsWith(`${last.path}/`)) return true;
      if (!TEMPORARY.test(seen.path) || !onlyRootWrites(seen.parent)) return false;
      found.push(seen);
      return true;
    },
    findings: () => (found.length === 0 || rootRuns(MAKERS) ? [] : found.flatMap(finding)),
  };
}
