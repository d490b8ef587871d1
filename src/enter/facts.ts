import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import type { KeyValues } from "../config/keys.ts";
import type { chrootshKeys } from "../config/schemas/chrootsh.ts";
import type { GroupEntry, PasswdEntry } from "../system/accounts.ts";
import type { AclReading } from "../system/acl.ts";

/** What a section of jk_chrootsh.ini says; the built-in values where there is none. */
export type ChrootshSettings = KeyValues<typeof chrootshKeys>;

/** Something unsafe about a path, and the command that mends it. */
export interface Unsafe {
  path: ByteString;
  message: ByteString;
  remedy: ByteString;
}

/** Whether the program may call chroot(2), as far as can be told. */
export interface PrivilegeFact {
  held: boolean | "unknown";
  /** Where it comes from, or why it is missing. */
  reason: ByteString;
  remedy: ByteString;
}

/** Where the jail's path leads. */
export type JailFact =
  | { kind: "opened" }
  /** It cannot be reached: missing, not a directory, not to be passed. */
  | { kind: "unreachable"; reason: ByteString; remedy?: ByteString }
  /** It leads somewhere, but not straight: a link, "..", a relative path. `real`: where to, if that can be told. */
  | { kind: "not-plain"; reason: ByteString; real?: ByteString };

/** What the jail's account files say. Each is undefined where there is no such entry. */
export interface InJailFacts {
  /** The entry of the same name. */
  named: PasswdEntry | undefined;
  /** The first entry of the same uid. */
  numbered: PasswdEntry | undefined;
  group: GroupEntry | undefined;
}

/** The program that a login ends in. */
export type ShellFact =
  /** It stands in the jail; `unsafe` tells what speaks against running it. */
  | { kind: "file"; path: ByteString; canonicalPath: ByteString; unsafe: Unsafe[] }
  /** jk_lsh, which is not in the jail and is part of jk_chrootsh. */
  | { kind: "internal"; path: ByteString }
  /** `remedy`: where it is there, and cannot be executed. */
  | { kind: "missing"; path: ByteString; reason: ByteString; remedy?: ByteString };

/**
 * What the checks ask of whoever calls a program that any user may start. Each function gathers its fact when it is
 * first called and throws SystemError or JailkitError where it cannot; those that presuppose an earlier check are
 * called only after it.
 */
export interface CallerFacts {
  /** argv[0]. */
  readonly programName: ByteString;
  readonly uid: number;
  readonly gid: number;
  /** The variable USER as the caller gave it. */
  readonly userVariable: ByteString | undefined;
  readonly configFile: ByteString;
  readonly configDirectory: ByteString;
  privilege(): PrivilegeFact;
  /** The account by USER where that is set and not empty, else by uid, on the host. */
  account(): PasswdEntry | undefined;
  group(): GroupEntry | undefined;
  /** The supplementary groups that the session has. */
  groups(): number[];
  /** What is unsafe about the directory of the config files; `tolerated` is worth a warning only. */
  configFindings(): (Unsafe & { tolerated: boolean })[];
}

/** All that the checks of a login ask for. */
export interface LoginFacts extends CallerFacts {
  /** The settings, the name of the section that they come from (undefined: built in), and warnings about it. */
  settings(): { values: ChrootshSettings; section: ByteString | undefined; warnings: ByteString[] };
  /** The home's text at its last separator; undefined where it has none. */
  split(): { jail: ByteString; home: ByteString } | undefined;
  jail(): JailFact;
  jailFindings(): Unsafe[];
  /** The home as it stands in the jail, a last link not followed; undefined where nothing stands there. */
  home(): Stat | undefined;
  /** The account on the host that the home belongs to, as its uid has it. */
  homeOwner(): PasswdEntry | undefined;
  /** Whether root alone can put something else in the place of the home. */
  onlyRootExchangesHome(): boolean;
  /** The home's ACL. */
  homeAcl(): AclReading;
  /** Why the session could not change to the home, and the directory that is closed; undefined where it can. */
  homeObstacle(): { reason: ByteString; closed?: ByteString } | undefined;
  inJail(): InJailFacts;
  shell(): ShellFact;
}

/** The account, of which an earlier check has shown that it exists. */
export function accountOf(facts: CallerFacts): PasswdEntry {
  const entry = facts.account();
  if (entry === undefined) throw new Error("the account is not known");
  return entry;
}

/** The jail and the home, of which an earlier check has shown that the account has both. */
export function splitOf(facts: LoginFacts): { jail: ByteString; home: ByteString } {
  const split = facts.split();
  if (split === undefined) throw new Error("the home has no separator");
  return split;
}
