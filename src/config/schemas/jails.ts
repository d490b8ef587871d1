import { type ByteString, trim } from "../../../ffi/bytes.ts";
import { editDistance } from "../../cli/suggest.ts";
import { describedBy, type KeyTable } from "../keys.ts";
import { LIMITS } from "../model.ts";
import { listKey } from "../values.ts";
import { lshKeys } from "./lsh.ts";

/** What is not declared is neither wanted nor refused. */
const declared = { security: true, optional: true, filled: true } as const;

/** Sections [jail PATH] of jails.ini: what the jail at this path has. */
export const jailKeys = {
  sections: listKey("sections of jk_init.ini that the jail gets"),
  files: listKey("more for the jail, as operands of jk_cp: absolute paths, or names of programs"),
  live: {
    ...declared,
    kind: "list",
    help: "makes a live jail: directories of this machine that are mounted in it, read-only, as with jk_init --live",
  },
  log_socket: {
    ...declared,
    kind: "yesno",
    help: "1: jk_socketd serves dev/log of the jail; 0: it does not, even if a section needs it",
  },
  proc: {
    ...declared,
    kind: "yesno",
    help: "1: /proc is mounted in the jail; 0: it is not, even if a section needs it",
  },
} as const satisfies KeyTable;

/** Sections [user NAME] of jails.ini: the account. */
export const userKeys = {
  jail: { ...declared, kind: "text", help: "the path of the user's jail, which every user needs" },
  shell: {
    ...declared,
    kind: "text",
    help: "the shell in the jail; without this key it is the limited one, and keys of jk_lsh.ini say what that allows",
  },
  home: { ...declared, kind: "text", help: "the home, as the jail sees it; /home/NAME without this key" },
  uid: { ...declared, kind: "text", help: "the uid of a new account" },
  comment: { ...declared, kind: "text", help: "the comment in passwd(5)" },
  groups: listKey("groups of this machine, by name or gid, that the user joins, besides the primary one"),
  authorized_keys: {
    ...declared,
    kind: "lines",
    help: "keys that the user logs in with, one in a line as in authorized_keys(5)",
  },
  directory: {
    ...declared,
    kind: "yesno",
    help: "1: the account is in a directory such as LDAP, and only the jail's side is made here; then the shell and the home may be left out, and stay as they are",
  },
} as const satisfies KeyTable;

const { log_format: _ofAllUsers, ...ofOneUser } = lshKeys;

/** The keys of jk_lsh.ini that a section [user NAME] may have, too. */
export const policyKeys = ofOneUser satisfies KeyTable;

/** All keys of a section [user NAME]. */
export const declaredUserKeys = { ...userKeys, ...policyKeys } as const satisfies KeyTable;

/** The keys that no other file has. */
export const jailsKeys = { ...jailKeys, ...userKeys } as const satisfies KeyTable;

/** Whether a section [jail PATH] or [user NAME] may have a key. Pure. */
export const isDeclaredKey = (key: ByteString): boolean =>
  [jailKeys, declaredUserKeys].some((table) => typeof describedBy(table, key) === "object");

const SECTION_KINDS = ["jail", "user"] as const;

/** The kinds of sections of jails.ini: [jail PATH] and [user NAME]. */
export type SectionKind = (typeof SECTION_KINDS)[number];

/** The kind that a word was probably meant for, such as `Jail`, `users` and `usr`. Pure. */
export function sectionKind(word: ByteString): SectionKind | undefined {
  const bare = trim(word.toLowerCase()).replace(/s$/, "");
  return SECTION_KINDS.find((kind) => editDistance(bare, kind) <= 1);
}

/** A line that was probably meant for a header, although no section begins with it. */
export interface MeantHeader {
  readonly kind: SectionKind;
  /** The whole name of the section. */
  readonly name: ByteString;
  /** It has a bracket, or another sign, at an end. */
  readonly marked: boolean;
  /** The comment behind it, or nothing. */
  readonly rest: ByteString;
}

/** What a line such as `user anna]` or `user anna` was probably meant to begin; undefined for any other. Pure. */
export function meantHeader(line: ByteString): MeantHeader | undefined {
  // A name has a limit, and a pattern takes long for such a line.
  if (line.length > 2 * LIMITS.nameBytes || line.includes("=")) return undefined;
  const [, before = "", word = "", text = ""] =
    /^([^\w#;/]*)([a-z]+)(?:[\t-\r :]+|(?=\/))([^\t-\r ].*)$/i.exec(line) ?? [];
  const [about = "", rest = ""] = text.split(/[\t-\r ]+(?=[#;])(.*)/);
  const subject = about.replace(/[\t-\r [\](){}<>"']+$/, "");
  const marked = trim(before) !== "" || trim(about.slice(subject.length)) !== "";
  const kind = marked || /^(?:jail|user)s?$/i.test(word) ? sectionKind(word) : undefined;
  // Other text may begin with these words, too.
  const isName = subject !== "" && (marked || !/[\t-\r ]/.test(subject));
  if (kind === undefined || !isName || (kind === "jail" && !subject.startsWith("/"))) return undefined;
  return { kind, name: `${kind} ${subject}`, marked, rest };
}
