import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import type { Dependency, Entry, Keeps, Reason } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import type { Draft } from "./draft.ts";

/** What planning looks at. Nothing is changed and nothing but this is looked at. */
export interface PlannerInput {
  readonly host: FileSystem;
  /** The jail as it is now. */
  readonly jail: FileSystem;
  /** Where the jail is, as the host sees it: it is never copied into itself. */
  readonly jailPath: ByteString;
  /** What stands in the jail already is overwritten. */
  readonly force: boolean;
  /** What a program or library needs, over all levels. Throws where the file is not what it claims to be. */
  readonly dependencies: (path: ByteString) => readonly Dependency[];
  /** ld.so.conf and what it includes: the jail needs them where a library stands where only they tell of it. */
  readonly configurationFiles: () => readonly ByteString[];
}

/** How something is taken over; it holds for all that follows from one want. */
export interface Manner {
  readonly section: ByteString;
  readonly keeps: Keeps;
  /** Look for the libraries of programs: not for libraries that were found that way. */
  readonly examine: boolean;
}

/** Adds to a plan, one path after the other. */
export interface Planner {
  readonly draft: Draft;
  /** Plans what stands at `path` on the host (`stat`, where the caller knows it), and all that it brings with it. */
  place(path: ByteString, manner: Manner, reason: Reason, stat?: BasicStat): Entry | undefined;
  /** Plans a directory without what is in it. */
  placeEmpty(path: ByteString, stat: BasicStat, manner: Manner, reason: Reason): Entry;
  /** Tells, when all is planned, what was left out because others than root named it. */
  finish(): void;
}
