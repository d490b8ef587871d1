import type { ByteString } from "../../ffi/bytes.ts";
import type { IniEntry, IniSection, Place } from "../config/model.ts";
import type { UnreadFile } from "../config/unread.ts";
import type { KeyLine } from "../users/key-lines.ts";

/** The place of the path or name in the header of a section; of a file also the section itself, with the places of its keys. */
export interface DeclaredPlace extends Place {
  readonly section?: IniSection | undefined;
}

/** A section [jail PATH] of /etc/jailkit/jails.d. A key that is missing is undefined: nothing is wanted, nothing refused. */
export interface DeclaredJail {
  /** Absolute and plain. */
  readonly path: ByteString;
  readonly place: DeclaredPlace;
  /** Sections of jk_init.ini, in their order. */
  readonly sections: readonly ByteString[];
  /** Operands of jk_cp: absolute paths, or names of programs. */
  readonly files: readonly ByteString[];
  /** Directories of the host for a live jail. */
  readonly live: readonly ByteString[] | undefined;
  readonly logSocket: boolean | undefined;
  readonly proc: boolean | undefined;
}

/** A section [user NAME] of /etc/jailkit/jails.d. */
export interface DeclaredUser {
  readonly name: ByteString;
  readonly place: DeclaredPlace;
  /** A declared jail, or one that the machine has. */
  readonly jail: ByteString;
  /** As the jail sees it: the limited shell, if a key of jk_lsh.ini is declared and no shell. */
  readonly shell: ByteString;
  /** As the jail sees it. */
  readonly home: ByteString;
  readonly uid: number | undefined;
  readonly comment: ByteString | undefined;
  /** Groups of this machine, besides the primary one. */
  readonly groups: readonly ByteString[];
  /** Undefined if nothing is declared about keys; the file of an account has others, too. */
  readonly keys: readonly KeyLine[] | undefined;
  /** The account is in a directory such as LDAP: only the jail's side is made. */
  readonly directory: boolean;
  /** What an account of a directory keeps as it is, since it is not declared: `shell` and `home` are for one that has none. */
  readonly keeps?: readonly ("shell" | "home")[] | undefined;
  /**
   * What the user may do: the entries of the user's section in the jail's jk_lsh.ini if the shell is the limited one, else
   * in the machine's jk_chrootsh.ini. Undefined if none is declared.
   */
  readonly policy: readonly IniEntry[] | undefined;
}

/** All that files declare, in their order; no jail and no user twice. */
export interface Declaration {
  readonly files: readonly ByteString[];
  readonly jails: readonly DeclaredJail[];
  readonly users: readonly DeclaredUser[];
  /** Files beside these that were meant, perhaps. */
  readonly unread: readonly UnreadFile[];
  /** What a remedy has put aside, and may declare something. */
  readonly aside: readonly ByteString[];
}
