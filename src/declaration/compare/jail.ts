import type { ByteString } from "../../../ffi/bytes.ts";
import { LIVE_SECTION } from "../../populate/apply/live.ts";
import { type Change, type Fault, listed } from "../change.ts";
import type { DeclaredJail } from "../model.ts";

/** What this machine has of a jail. */
export interface JailState {
  /** Its directory is there. */
  readonly exists: boolean;
  /** Its contents were removed, but the directory is there. */
  readonly emptied: boolean;
  /** Why nothing is done in it, a printable line with the remedy, and a code. */
  readonly fault: Pick<Fault, "code" | "message"> | undefined;
  /** Sections and operands in its record. */
  readonly sections: ReadonlySet<ByteString>;
  readonly files: ReadonlySet<ByteString>;
  /** Those of both that were interrupted. */
  readonly unfinished: ReadonlySet<ByteString>;
  /** Directories of the host that should be mounted, by its record. */
  readonly live: ReadonlySet<ByteString>;
  /** Recorded directories of the host that are not mounted as they should be. */
  readonly lacking: readonly ByteString[];
  readonly logSocket: boolean;
  readonly proc: boolean;
}

/** What an earlier run recorded about a jail, for --prune. */
export type JailOnce = Readonly<Record<"sections" | "files", readonly ByteString[]>>;

/** The message of "empty-jail", about a jail. */
export const EMPTY_JAIL =
  "it does not exist, and no sections, files or live directories are declared to create it";

/** What differs in a jail. */
export interface JailComparison {
  readonly changes: readonly Change[];
  readonly fault: Fault | undefined;
  /** What is there and not declared, printable. */
  readonly undeclared: readonly string[];
}

/** The paths that operands of jk_cp mean, and the directories that a live jail gets. */
export interface JailLookUps {
  /** Undefined if there is no such command. */
  readonly pathOf: (operand: ByteString) => ByteString | undefined;
  /** All directories of a live jail; throws as liveOf. */
  readonly liveOf: (directories: readonly ByteString[]) => readonly ByteString[];
}

/**
 * Compares a jail with its declaration. `once`: what was declared before, from which `prune` removes what is not declared
 * any more. Pure.
 */
export function compareJail(
  declared: DeclaredJail,
  state: JailState,
  { pathOf, liveOf }: JailLookUps,
  { once, prune }: { once: JailOnce | undefined; prune: boolean },
): JailComparison {
  const { path, sections, files, live = [] } = declared;
  if (state.fault !== undefined)
    return { changes: [], fault: { of: "jail", name: path, jail: path, ...state.fault }, undeclared: [] };
  const about = { of: "jail", name: path, jail: path } as const;
  const changes: Change[] = [];
  const add = (
    what: Change["what"],
    items: readonly ByteString[],
    why: string,
    action: Change["action"] = "create",
  ) =>
    changes.push({
      ...{ ...about, action, what, items, why },
      ...(action === "remove" ? { from: listed(items) } : { to: listed(items) }),
    });
  const gone = !state.exists || state.emptied;
  const missing = state.exists ? "its contents were removed" : "it does not exist";
  const lacks = (there: ReadonlySet<ByteString>, name: ByteString) =>
    gone || !there.has(name) || state.unfinished.has(name);
  const why = (names: readonly ByteString[]) =>
    gone ? missing : names.some((name) => state.unfinished.has(name)) ? "not all there" : "not in the jail";
  const wanted = isLive(live, state.live) && !gone ? [] : live.length === 0 ? [] : liveOf(live);
  const lacksLive = wanted.some((directory) => gone || !state.live.has(directory));
  if (lacksLive) add("live", live, gone ? missing : "not mounted in the jail");
  const absent = sections.filter((name) => lacks(state.sections, name));
  if (absent.length > 0) add("sections", absent, why(absent));
  const copied = files.filter((name) => lacks(state.files, pathOf(name) ?? name));
  if (copied.length > 0) add("files", copied, why(copied.map((name) => pathOf(name) ?? name)));
  if (!gone && !lacksLive && state.lacking.length > 0)
    add("mounts", state.lacking, "not mounted as recorded");
  const nothing = !state.exists && absent.length + copied.length + live.length === 0;
  if (nothing) {
    const fault = { ...about, code: "empty-jail", message: EMPTY_JAIL };
    return { changes: [], fault, undeclared: [] };
  }
  addSwitch(declared.logSocket, state.logSocket, "log-socket", "jk_socketd serves it");
  addSwitch(declared.proc, state.proc, "proc", "proc is mounted");
  const whole = live.length === 0 ? sections : [...sections, LIVE_SECTION];
  const now = { sections: new Set(whole), files: new Set(files.map((name) => pathOf(name) ?? name)) };
  for (const what of ["sections", "files"] as const) {
    const former = (once?.[what] ?? []).filter((name) => state[what].has(name) && !now[what].has(name));
    if (prune && former.length > 0) add(what, former, "no longer declared", "remove");
  }
  const pruned = new Set(changes.flatMap(({ action, items }) => (action === "remove" ? items : [])));
  const extra = (there: ReadonlySet<ByteString>, names: ReadonlySet<ByteString>) =>
    [...there].filter((name) => !names.has(name) && !pruned.has(name));
  return { changes, fault: undefined, undeclared: undeclaredIn() };

  function addSwitch(want: boolean | undefined, is: boolean, what: "log-socket" | "proc", then: string) {
    if (want === undefined || want === is) return;
    changes.push({
      ...{ ...about, what, items: [], action: want ? "create" : "remove" },
      why: want ? (gone ? missing : `not so: ${then}`) : "declared to be off",
    });
  }

  function undeclaredIn(): string[] {
    const more = { sections: extra(state.sections, now.sections), files: extra(state.files, now.files) };
    return (["sections", "files"] as const).flatMap((what) =>
      more[what].length === 0 ? [] : [`jail ${listed([path])}: ${what} ${listed(more[what])}`],
    );
  }
}

/** True if all named directories are recorded. Others are shown by one above them, which liveOf finds. */
const isLive = (named: readonly ByteString[], recorded: ReadonlySet<ByteString>) =>
  named.every((directory) => recorded.has(directory));
