import type { BasicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import type { Failure } from "../jail/fs/no-room.ts";

/** A path or pattern that a section or a command line asks for. */
export interface Want {
  /** An absolute path of the host, or, with `glob`, a pattern of such paths. */
  readonly pattern: ByteString;
  /** As it was written, for example a name without a directory. */
  readonly written: ByteString;
  /** The name of a section, or an operand of jk_cp. */
  readonly section: ByteString;
  /** Keep owner and group; otherwise both are root. */
  readonly keepOwner: boolean;
  /** Keep setuid and setgid bits. */
  readonly keepSetuid: boolean;
  /** Expand `pattern`, unless a file has this name. */
  readonly glob: boolean;
  /** Anything, a device (or a symbolic link to one), a directory without its content, or a symbolic link alone. */
  readonly kind: "any" | "device" | "empty-directory" | "link";
}

/** KEEP_OWNER, KEEP_SETUID, both or none. */
export type Keeps = 0 | 1 | 2 | 3;
export const KEEP_OWNER = 1;
export const KEEP_SETUID = 2;

/** The direct cause of an entry. Following `from` leads to an entry that was asked for. */
export type Reason =
  /** `matched`: by a pattern, not by name. */
  | { readonly kind: "asked"; readonly pattern: ByteString; readonly matched?: boolean }
  | { readonly kind: "tree" | "link"; readonly from: Entry }
  /** A directory or symbolic link on the way to the path `of` of the host. */
  | { readonly kind: "parent"; readonly of: ByteString }
  | {
      readonly kind: "interpreter" | "needed" | "script" | "dlopen";
      readonly from: Entry;
      readonly name: ByteString;
    };

/** A section, and the reason why it brings an entry. */
export interface Attribution {
  readonly section: ByteString;
  readonly reason: Reason;
}

/** One file, directory, link or device of a plan, and its source. */
export interface Entry {
  readonly type: "directory" | "file" | "symlink" | "device";
  /** Its path as the jail sees it; only the last component may be a symbolic link. */
  readonly path: ByteString;
  /** The path of its source on the host; undefined for a directory that the host lacks. */
  readonly source: ByteString | undefined;
  /** "keep": the jail has a file there already, which is not overwritten. */
  readonly action: "create" | "replace" | "keep";
  /** The permission bits and ids in the jail. */
  mode: number;
  uid: number;
  gid: number;
  /** The source has setuid or setgid bits that the copy does not get. */
  stripped: boolean;
  /** The owner and special bits that are kept as on the host. */
  keeps: Keeps;
  /** Size in bytes; 0 for anything but a file. */
  size: number;
  /** In nanoseconds since the epoch, of files and devices. */
  mtime: bigint | undefined;
  /** The text of a symbolic link. */
  readonly target?: ByteString;
  readonly device?: { readonly type: "char" | "block"; readonly major: number; readonly minor: number };
  /** The kept file is not the requested one: a symbolic link with another text, a file instead of a link, a user's file. */
  readonly differs?: boolean;
  /** The stat of a source that users other than root can change: only this file is copied. */
  readonly untrusted?: BasicStat | undefined;
  /** The sections that want it, each once. The array is replaced, never changed. */
  because: readonly Attribution[];
}

/** A request that failed. */
export type PopulateProblem = Failure;

/** The entries of a jail in the order of creation, parents first. */
export interface Plan {
  readonly entries: readonly Entry[];
  /** Errors. The rest of the plan is still carried out, and the exit status is not 0. */
  readonly problems: readonly PopulateProblem[];
  /** Why the jail would not be safe afterwards: the plan must not be carried out. */
  readonly unsafe?: PopulateProblem | undefined;
  /** Printed, but not errors. */
  readonly warnings: readonly string[];
  /** Printed with --verbose. */
  readonly notes: readonly string[];
  /** Sections with at least one file or directory on the host; devices and empty directories do not count. */
  readonly satisfied: ReadonlySet<ByteString>;
}
