import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import type { Advice } from "../cli/remedy.ts";
import type { KeyValues } from "../config/keys.ts";
import type { chrootshKeys } from "../config/schemas/chrootsh.ts";
import type { Group, PasswdEntry } from "../system/accounts.ts";
import type { AclReading } from "../system/acl.ts";

/** The settings of a section of jk_chrootsh.ini, or the built-in ones. */
export type ChrootshSettings = KeyValues<typeof chrootshKeys>;

/** A problem with a path, and what fixes it. */
export interface Unsafe {
  path: ByteString;
  message: ByteString;
  advice: Advice;
}

/** Whether the program may call chroot(2). */
export interface PrivilegeFact {
  held: boolean | "unknown";
  /** Its source, or why it is missing. */
  reason: ByteString;
  advice: Advice;
}

/** The directory that the jail's path leads to. */
export type JailFact =
  | { kind: "opened" }
  /** It cannot be reached: missing, not a directory, or no permission. */
  | { kind: "unreachable"; reason: ByteString; advice?: Advice | undefined }
  /** The path has a symbolic link or ".." in it, or is relative. `real`: the directory, if that is known. */
  | { kind: "not-plain"; reason: ByteString; real?: ByteString | undefined };

/** Entries in the jail's account files; undefined if there is no such entry. */
export interface InJailFacts {
  /** The entry of the same name. */
  named: PasswdEntry | undefined;
  /** The first entry of the same uid. */
  numbered: PasswdEntry | undefined;
  group: Group | undefined;
}

/** The program that a login starts. */
export type ShellFact =
  /** It is in the jail; `unsafe`: the reasons not to run it. */
  | { kind: "file"; path: ByteString; canonicalPath: ByteString; unsafe: Unsafe[] }
  /** jk_lsh, which is part of jk_chrootsh; `shown`: the jail has the host's, since /usr is mounted there. */
  | { kind: "internal"; path: ByteString; shown: boolean }
  /** `advice`: if copying it again does not help, or is not the first step. `hasPlain`: the jail has the one that is meant: see plainShell. */
  | {
      kind: "missing";
      path: ByteString;
      reason: ByteString;
      advice?: Advice | undefined;
      hasPlain?: boolean;
    };

/**
 * The facts about the caller of a program that any user may start. Each function gathers its fact when it is first
 * called, and throws SystemError or JailkitError if it cannot. A function that needs an earlier check is called after
 * it.
 */
export interface CallerFacts {
  /** argv[0]. */
  readonly programName: ByteString;
  readonly uid: number;
  readonly gid: number;
  /** The caller's variable USER. */
  readonly userVariable: ByteString | undefined;
  readonly configFile: ByteString;
  readonly configDirectory: ByteString;
  privilege(): PrivilegeFact;
  /** The account on the host: by USER if that is set and not empty, else by uid. */
  account(): PasswdEntry | undefined;
  group(): Group | undefined;
  /** The supplementary groups of the session. */
  groups(): number[];
  /** Problems with the configuration directory; a `tolerated` one is only a warning. */
  configFindings(): (Unsafe & { tolerated: boolean })[];
}

/** The facts that the checks of a login need. */
export interface LoginFacts extends CallerFacts {
  /** The settings, the name of their section (undefined: built-in settings), and warnings about it. */
  settings(): { values: ChrootshSettings; section: ByteString | undefined; warnings: ByteString[] };
  /** Whether the account is in /etc/passwd, where usermod(8) can change it. */
  isLocal(): boolean;
  /** The home split at its last separator; undefined if it has none. */
  split(): { jail: ByteString; home: ByteString } | undefined;
  jail(): JailFact;
  jailFindings(): Unsafe[];
  /** The home in the jail; a symbolic link at the end is not followed. Undefined if it does not exist. */
  home(): Stat | undefined;
  /**
   * Another account of the jail that has the same home, if that does not belong to this one; else the account on the host
   * whose uid owns the home; "unknown" if a name service does not answer, or the jail's etc/passwd cannot be read.
   */
  homeOwner(): PasswdEntry | "unknown" | undefined;
  /** Whether only root can exchange a home, as the jail sees it. */
  onlyRootExchanges(home: ByteString): boolean;
  /** As mountAdvice says of the home; `isTheirs`: it needs no other owner. */
  homeMount(isTheirs: boolean, give: Advice): Advice | undefined;
  /** Whether nobody but root can have put what is at a path of the jail there: see isRootsPlace. */
  isRootsPlace(path: ByteString): boolean;
  /** A path that nothing has yet, for what is in the place of the home. */
  homeAside(): ByteString;
  /** Whether a directory of the account is at the path of the home outside of the jail: one that has not moved. */
  isHomeOutside(): boolean;
  /** The home's ACL. */
  homeAcl(): AclReading;
  /** Why the session could not change to the home, and the directory that it cannot enter; undefined if it can. */
  homeObstacle(): { reason: ByteString; closed?: ByteString } | undefined;
  inJail(): InJailFacts;
  shell(): ShellFact;
}

/** A fact that an earlier check has shown to exist. */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not known`);
  return value;
}

/** The account; an earlier check has shown that it exists. */
export const accountOf = (facts: CallerFacts): PasswdEntry => required(facts.account(), "the account");

/** The jail and the home; an earlier check has shown that the account has both. */
export const splitOf = (facts: LoginFacts) => required(facts.split(), "the jail");
