import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import type { Advice, Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { ChrootshSettings } from "../enter/facts.ts";
import { giveOrReplace } from "../enter/remedies.ts";
import type { Group, PasswdEntry } from "../system/accounts.ts";
import type { AskMeant } from "./host.ts";

/** The facts for the rules about accounts. */
export interface AccountFacts {
  /** The jail's path on the host. */
  readonly jail: ByteString;
  /** The lines of the jail's etc/passwd and etc/group; empty if there is no such file. */
  readonly passwd: readonly ByteString[];
  readonly group: readonly ByteString[];
  /** What changes lines of etc/passwd or etc/group. `file`: its path on the host; `script`: for sed(1). */
  readonly edit: (file: ByteString, script: string) => Advice;
  /** Through all name services of the host. */
  /** The account that has the name itself. */
  readonly hostUser: (name: ByteString) => PasswdEntry | undefined;
  /** Undefined also if a name service does not answer. */
  readonly hostUserNumbered: (uid: number) => PasswdEntry | undefined;
  /** Who lives in the jail, has the uid, and no line there; undefined also if a name service does not answer. */
  readonly lackingUser: (uid: number) => ByteString | undefined;
  /** As of AskMeant. */
  readonly otherUid: AskMeant["otherUid"];
  readonly renamed: AskMeant["renamed"];
  readonly hostGroup: (name: ByteString) => Group | undefined;
  /** Undefined also if a name service does not answer. */
  readonly hostGroupNumbered: (gid: number) => Group | undefined;
  /** What creates the primary group of an account, with its name in the jail, if the host certainly has none. */
  readonly noGroup: (user: PasswdEntry, inJail: ByteString | undefined) => Remedy | undefined;
  /** lstat(2) of a path as the jail sees it. */
  readonly inJail: (path: ByteString) => Stat | undefined;
  /** True for an executable file in the jail. */
  readonly programInJail: (path: ByteString) => boolean;
  /** True if root alone may execute a program of the jail, as in a copy that was made with a umask. */
  readonly onlyRootRuns: (path: ByteString) => boolean;
  readonly programOnHost: (path: ByteString) => boolean;
  /** The file system of the jail is mounted noexec. */
  readonly noexec: boolean;
  /** True if jk_uchroot lets an account into the jail: then it is in the jail's passwd only for its name. */
  readonly isGuest: (user: PasswdEntry) => boolean;
  /** What jk_chrootsh.ini lets the home of an account have: any owner, any group. */
  readonly relaxed: (user: PasswdEntry) => Pick<ChrootshSettings, "relaxHomeOwner" | "relaxHomeGroup">;
  /** What gives an account its home in this jail, if that was moved here from `jail`; undefined if that is another one. */
  readonly movedHere: (user: PasswdEntry, jail: ByteString) => Advice | undefined;
  /** What gives an account the home of its `line` in the jail, if nothing tells whether it is to be in the jail; else undefined. */
  readonly homeMeant: (line: PasswdEntry, user: PasswdEntry) => Advice | undefined;
  /** What ends that an account has its home elsewhere, if it is or was declared in the jail; else undefined. */
  readonly declaredHere: (user: PasswdEntry) => Advice | undefined;
  /** What lets an account that is in another jail live in this one, if its home may be here, and not there; else undefined. */
  readonly strayHere: (user: PasswdEntry) => Advice | undefined;
  /** True if a path of the host is, or may be, the home of its owner, or in it. */
  readonly mayBeHome: (path: ByteString) => boolean;
  /**
   * Where the home of a user is that the jail lacks, printable, and what moves it there; "told" if a finding of the host says that.
   * `home`: as the jail sees it.
   */
  readonly homeElsewhere: (
    user: Pick<PasswdEntry, "name" | "uid" | "home">,
  ) => { readonly message: string; readonly remedy: Advice } | "told" | undefined;
  /** As mountAdvice says of a home, as the jail sees it. */
  readonly homeMount: (home: ByteString, isTheirs: boolean, give: Advice) => Advice | undefined;
  /** What gives an account another home in the jail; empty for one that usermod(8) cannot change. */
  readonly otherHome: (user: PasswdEntry) => Advice;
  /** What writes the home of an account as a login compares it; undefined if it is so written. */
  readonly plainHome: (user: PasswdEntry) => Advice | undefined;
  readonly verbose: (line: ByteString) => void;
}

/** Gives an account what is at its home by a command; `isTheirs`: it needs no other owner. */
export function giveTo(
  facts: Pick<AccountFacts, "jail" | "inJail" | "homeMount" | "hostUserNumbered">,
  real: PasswdEntry,
  give: Parameters<typeof giveOrReplace>[2],
  isTheirs: boolean,
): Advice {
  const plain: Remedy = `${give} ${shellWord(facts.jail + real.home)}`;
  return facts.homeMount(real.home, isTheirs, plain) ?? giveOrReplace(facts, real, give);
}
