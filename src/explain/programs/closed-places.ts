import type { ByteString } from "../../../ffi/bytes.ts";
import { O_PATH, S_IFDIR, S_IFMT } from "../../../ffi/constants.ts";
import { fstat } from "../../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../../ffi/paths.ts";
import { MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../../ffi/rights.ts";
import { canonicalBelow, withFileBelow } from "../../confine/execute-view.ts";
import type { Confinement } from "../../confine/policy.ts";
import { commandAt } from "../../system/exchange.ts";
import { accessRemedy } from "../readable.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

/** A session whose files are limited. */
interface Session {
  readonly stage: ReportStep["stage"];
  readonly root: ByteString;
  readonly rootFd: number;
  readonly confinement: Pick<Confinement, "read" | "write">;
}

/** What keeps a user from a path below the root directory. */
interface Closed {
  readonly path: ByteString;
  readonly wanted: number;
  readonly what: string;
}

/**
 * Explains which paths of `read` and `write` the modes of files keep from the user with this uid, whose rights this process
 * has: the keys allow no more than these do. A path that leads nowhere is another step's.
 */
export function closedSteps({ stage, root, rootFd, confinement }: Session, uid: number): ReportStep[] {
  const { read, write } = confinement;
  const keys = [
    ["read", read],
    ["write", write],
  ] as const;
  const said = new Set<ByteString>();
  return keys.flatMap(([key, paths]) =>
    (paths === "all" ? [] : paths).flatMap((path) => {
      // What is written is read, too.
      const closed = said.has(path) ? undefined : closedAt(rootFd, path, key);
      if (closed === undefined) return [];
      said.add(path);
      const base = root === "/" ? "" : root;
      const place = closed.path === "/" ? root : base + closed.path;
      const letters = `${closed.wanted & MAY_READ ? "r" : ""}${closed.wanted & MAY_EXECUTE ? "x" : ""}`;
      const advice = commandAt(place, accessRemedy(place, base, uid, letters));
      return stepsOf(stage)("paths", "warned", `${key} = ${path}: ${closed.what} ${place}`, advice);
    }),
  );
}

/** What the modes of files keep from the user whose rights this process has, of a path of a key; undefined for nothing. */
export function closedAt(rootFd: number, path: ByteString, key: "read" | "write"): Closed | undefined {
  const found = withRightsOf(undefined, () => {
    const real = path === "/" ? path : canonicalBelow(rootFd, path);
    const type = real && withFileBelow(rootFd, real, O_PATH, (fd) => fstat(fd).mode & S_IFMT);
    return real === undefined || type === undefined ? undefined : { real, isDirectory: type === S_IFDIR };
  });
  if (found === undefined) return undefined;
  const { real, isDirectory } = found;
  const may = (one: ByteString, wanted: number) => mayAccess(rootFd, `.${one}`, wanted);
  const above = ["/", ...pathsDownTo(isDirectory ? real : directoryOf(real))];
  const shut = above.find((one) => !may(one, MAY_EXECUTE));
  if (shut !== undefined) {
    const wanted = shut === real && key === "read" ? MAY_READ | MAY_EXECUTE : MAY_EXECUTE;
    return { path: shut, wanted, what: "allows nothing: the user cannot look into" };
  }
  // One that is for uploads alone is not read.
  if (key === "write" || may(real, MAY_READ)) return undefined;
  const what = isDirectory ? "the user cannot list" : "allows nothing: the user cannot read";
  return { path: real, wanted: MAY_READ, what };
}
