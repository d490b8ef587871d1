import type { KeyTable } from "../keys.ts";
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
