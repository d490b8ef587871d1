import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import type { JailMount } from "../jail/fs/unmount.ts";
import type { Owner } from "./owners.ts";

/** What to delete. */
export interface DeleteRequest {
  readonly jail: ByteString;
  /** Take users out first, with their homes. */
  readonly unjail: boolean;
  readonly userFiles: boolean;
  /** Users who will have left before; nobody else by default. */
  readonly leaving?: readonly Leaving[];
  /** Homes without accounts that will have gone before. */
  readonly gone?: readonly LeftHome[];
  /** What is mounted in it, and not by jailkit, is a reason to refuse. */
  readonly keepsMounts?: boolean;
  /** Jails that stay, besides the known ones. */
  readonly others?: readonly ByteString[];
  /** What is typed first if those have still to leave, up to the command that is advised. */
  readonly first?: ByteString;
}

/** A home without its account, and its uid. */
export interface LeftHome {
  readonly uid: number;
  /** As the jail sees it. */
  readonly path: ByteString;
}

/** A user who will have left a jail. */
export interface Leaving {
  readonly name: ByteString;
  /** The directory that will have left with the user, as the jail sees it. */
  readonly home: ByteString | undefined;
}

/** What deleting a jail would do. */
export interface DeletePlan {
  readonly request: DeleteRequest;
  readonly jail: ByteString;
  /** The jail's directory; undefined if it is missing: then only the records are deleted. */
  readonly seen: Stat | undefined;
  /** The ids of its records. */
  readonly records: readonly ByteString[];
  /** Users of /etc/passwd, who can be taken out, and those of a name service, who cannot. */
  readonly users: readonly JailedUser[];
  readonly mounts: readonly JailMount[];
  /** What is said of files that stay on them. */
  readonly leftOnMounts: readonly string[];
  readonly files: number;
  /** Its size on disk, and how much of that belongs to users other than root. */
  readonly bytes: number;
  readonly userBytes: number;
  /** The owners of files, except root and users who are taken out. Files that are as recorded do not count. */
  readonly owners: readonly Owner[];
}
