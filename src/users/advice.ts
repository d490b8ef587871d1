/** What somebody who uses a tool can change about an account, in the words of advice; each a printable text. */
export interface Advice {
  readonly home: string;
  readonly uid: string;
  readonly name: string;
  /** For a name that useradd(8) refuses, and an account may have. */
  readonly oddName: string;
  /** For an account that is there already. */
  readonly exists: string;
  /** What gives an account a key to log in with; undefined: jk_jailuser does. */
  readonly key: string | undefined;
  /** What lets an account with the limited shell run something; undefined: jk_jailuser does. */
  readonly policy: string | undefined;
  /** For a jail without account files. */
  readonly noJail: string;
  /** For a shell that the jail lacks. */
  readonly shell: string;
  /** For the shell of accounts on the machine, in place of one in the jail. */
  readonly innerShell: string;
  /** For a home that should move and does not exist, before what creates one; undefined: jk_jailuser jails without. */
  readonly lostHome: string | undefined;
  /** What comes before an account is taken out of a group. */
  readonly group: string;
}

/** The options of jk_addjailuser and jk_jailuser. */
export const OPTIONS: Advice = {
  home: "name another home with -d",
  uid: "choose another with -u",
  name: "choose another name",
  oddName: "to jail an account that has such a name already, use jk_jailuser",
  exists: "jk_jailuser jails it",
  key: undefined,
  policy: undefined,
  noJail: "create the jail with jk_init first",
  shell: "copy the shell into the jail with jk_cp or jk_init, or choose another with -s",
  innerShell: "choose one in the jail with -s, such as /bin/sh",
  lostHome: undefined,
  group: "",
};
