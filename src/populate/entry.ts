import type { BasicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";

/** Something to put into a jail, as a section or a command line asks for it. */
export interface Want {
  /** An absolute path of the host, or, where `glob` is set, a pattern of such paths. */
  readonly pattern: ByteString;
  /** As it was written, where that was something else (a name that was searched). */
  readonly written: ByteString;
  /** Who asks: the name of a section, or what stands on the command line of jk_cp. */
  readonly section: ByteString;
  /** Owner and group stay the host's; else both are root. */
  readonly keepOwner: boolean;
  /** setuid and setgid bits stay. */
  readonly keepSetuid: boolean;
  /** `pattern` is expanded where no file has it as its name. */
  readonly glob: boolean;
  /** What to ask for: anything, a device (or a link to one), an empty directory. */
  readonly kind: "any" | "device" | "empty-directory";
}

/** KEEP_OWNER, KEEP_SETUID, both or none. */
export type Keeps = 0 | 1 | 2 | 3;
export const KEEP_OWNER = 1;
export const KEEP_SETUID = 2;

/** Why an entry is in a plan: its nearest cause. Following `from` leads to an entry that was asked for. */
export type Reason =
  /** `matched`: it was not named, but is one of those that a pattern matches. */
  | { readonly kind: "asked"; readonly pattern: ByteString; readonly matched?: boolean }
  | { readonly kind: "tree" | "link"; readonly from: Entry }
  /** A directory or link on the way to what the host has at `of`. */
  | { readonly kind: "parent"; readonly of: ByteString }
  | {
      readonly kind: "interpreter" | "needed" | "script" | "dlopen";
      readonly from: Entry;
      readonly name: ByteString;
    };

/** A section and why, by way of which other entry, it brings something in. */
export interface Attribution {
  readonly section: ByteString;
  readonly reason: Reason;
}

/** One object of a jail: what is planned for it, and where it comes from. */
export interface Entry {
  readonly type: "directory" | "file" | "symlink" | "device";
  /** Its path as the jail sees it; no component but the last is a symbolic link. */
  readonly path: ByteString;
  /** The path of the host's file that it is made from; undefined for a directory that the host does not have. */
  readonly source: ByteString | undefined;
  /** What to do: nothing, where something stands there already and nobody asked to overwrite it. */
  readonly action: "create" | "replace" | "keep";
  /** The permission bits that it gets, and the ids. */
  mode: number;
  uid: number;
  gid: number;
  /** setuid or setgid bits of the host's file that it does not get. */
  stripped: boolean;
  /** What wants said is to stay as on the host. */
  keeps: Keeps;
  /** Size in bytes, 0 for what is not a file. */
  size: number;
  /** Times in nanoseconds since the epoch, of files and devices. */
  atime: bigint | undefined;
  mtime: bigint | undefined;
  /** The text of a symbolic link. */
  readonly target?: ByteString;
  readonly device?: { readonly type: "char" | "block"; readonly major: number; readonly minor: number };
  /** Kept, and something else than what is asked for: a link with another text, a file in the place of a link. */
  readonly differs?: boolean;
  /** What its source was, where others than root can change it: it is taken only if it is that still. */
  readonly untrusted?: BasicStat | undefined;
  /** The sections that want it, each once. Shared between entries: replaced, never changed. */
  because: readonly Attribution[];
}

/** Something that was asked for and cannot be had. */
export interface PopulateProblem {
  /** A stable name, such as "not-copyable". */
  readonly code: string;
  readonly path: ByteString;
  /** One printable line. */
  readonly message: string;
  /** What the tool ends with where nothing worse happens; 1 if not given. */
  readonly exitStatus?: number;
}

/** What a jail is going to hold: entries in the order in which they are made, parents first. */
export interface Plan {
  readonly entries: readonly Entry[];
  /** Errors: the rest is still done, and the exit status tells. */
  readonly problems: readonly PopulateProblem[];
  /** Told, without being errors. */
  readonly warnings: readonly string[];
  /** Told where more output is asked for. */
  readonly notes: readonly string[];
  /** Sections of which at least one file or directory is on the host; devices and empty directories do not count. */
  readonly satisfied: ReadonlySet<ByteString>;
}

/** A file that another one cannot run without. */
export interface Dependency {
  readonly path: ByteString;
  readonly neededBy: ByteString;
  readonly kind: "interpreter" | "needed" | "script" | "dlopen";
  readonly name: ByteString;
}
