import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { parseGroupLine, parsePasswdLine } from "../jail/accounts/account-lines.ts";
import { isJailsOwn, otherHomeRemedy, usualHome } from "../jail/accounts/home-place.ts";
import { dirsEqual, splitHome } from "../jail/accounts/separator.ts";
import { followRemedy } from "../jail/record/named-jail.ts";
import type { GroupEntry, PasswdEntry } from "../system/accounts.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import type { CheckFinding, Repair, Rule } from "./rules.ts";

/** What is known of the accounts of a jail and of the host. */
export interface AccountFacts {
  /** The jail's path on the host. */
  readonly jail: ByteString;
  /** The lines of the jail's etc/passwd and etc/group; empty where there is no such file. */
  readonly passwd: readonly ByteString[];
  readonly group: readonly ByteString[];
  /** Through all name services of the host. */
  readonly hostUser: (name: ByteString) => PasswdEntry | undefined;
  readonly hostGroup: (name: ByteString) => GroupEntry | undefined;
  /** lstat(2) of a path as the jail sees it, links above it followed there. */
  readonly inJail: (path: ByteString) => Stat | undefined;
  /** Whether a program of that path can be executed in the jail. */
  readonly programInJail: (path: ByteString) => boolean;
  readonly programOnHost: (path: ByteString) => boolean;
  /** Whether jk_uchroot lets an account of the host in, which is then in the jail for its name alone. */
  readonly isGuest: (user: PasswdEntry) => boolean;
  /** Of the path of a jail, whether nothing is there any more, and no record says that it was another one than this. */
  readonly mayHaveMovedHere: (jail: ByteString) => boolean;
  readonly verbose: (line: ByteString) => void;
}

// SYS_UID_MAX of login.defs(5), and nobody
const isSystemAccount = (uid: number): boolean => uid < 1000 || uid === 65534;
// crypt(5): anything else that is not one of these stands for "no password here".
const NO_PASSWORD = /^(?:|x|\*.*|!.*|[A-Za-z0-9_-]{1,3})$/;

/** True where the account of the host lives in this jail. */
export function livesIn(jail: ByteString, home: ByteString): boolean {
  const split = splitHome(home);
  return split !== undefined && plainPath(split.jail) === jail;
}

/** The accounts of a jail against those of the host. */
export function accountFindings(facts: AccountFacts): CheckFinding[] {
  const findings: CheckFinding[] = [];
  const passwd = `${facts.jail}/etc/passwd`;
  const group = `${facts.jail}/etc/group`;
  const tell: Tell = (rule, message, remedy, path = passwd, repair) => {
    const more = { ...(remedy === undefined ? {} : { remedy }), ...(repair === undefined ? {} : { repair }) };
    findings.push({ rule, path, message, ...more });
  };
  /** Makes a line a comment. */
  const comment = (file: ByteString, index: number) => `sed -i '${index + 1}s/^/#/' ${shellWord(file)}`;

  const names = new Set<ByteString>();
  const uids = new Map<number, ByteString>();
  facts.passwd.forEach((line, index) => {
    if (line === "") return;
    const entry = parsePasswdLine(line);
    if (entry === undefined) {
      if (!line.startsWith("#"))
        tell(
          "account-line",
          `${display(passwd)}: line ${index + 1} is no account: ${display(line)}`,
          comment(passwd, index),
        );
      return;
    }
    const other = names.has(entry.name) ? entry.name : uids.get(entry.uid);
    if (other !== undefined && (entry.uid !== 0 || entry.name === other)) {
      const what = `user ${display(entry.name)} (uid ${entry.uid})`;
      tell(
        "duplicate-user",
        `${what} in jail ${display(facts.jail)}/ is there already, as ${display(other)}`,
        entry.name === other || facts.hostUser(entry.name) === undefined
          ? comment(passwd, index)
          : sideRemedy(facts, entry.name),
      );
    }
    names.add(entry.name);
    if (!uids.has(entry.uid)) uids.set(entry.uid, entry.name);
    judgeUser(entry, facts, tell);
  });
  facts.group.forEach((line, index) => {
    if (line === "") return;
    const entry = parseGroupLine(line);
    if (entry !== undefined) judgeGroup(entry, index, facts, tell, group);
    else if (!line.startsWith("#")) {
      const message = `${display(group)}: line ${index + 1} is no group: ${display(line)}`;
      tell("account-line", message, comment(group, index), group);
    }
  });
  return findings;
}

type Tell = (
  rule: Rule,
  message: string,
  remedy: string | undefined,
  path?: ByteString,
  repair?: Repair,
) => void;

/** Makes the jail's lines say of an account what the host says. */
function sideRemedy({ jail }: AccountFacts, name: ByteString): string {
  return `jk_jailuser --jail-side-only -j ${shellWord(jail)} ${operands(name)}`;
}

/** Takes the lines of an account out of the jail. */
function removeRemedy({ jail }: AccountFacts, name: ByteString): string {
  return `jk_jailuser --unjail --jail-side-only -j ${shellWord(jail)} ${operands(name)}`;
}

/** Lets accounts follow their jail, where that was moved here: its old path is gone, and the home is in this one. */
function movedRemedy(entry: PasswdEntry, real: PasswdEntry, facts: AccountFacts): string | undefined {
  const split = splitHome(real.home);
  if (split === undefined || !dirsEqual(split.home, entry.home)) return undefined;
  if (facts.inJail(entry.home)?.uid !== real.uid || !facts.mayHaveMovedHere(split.jail)) return undefined;
  return followRemedy(plainPath(split.jail), facts.jail);
}

function judgeUser(entry: PasswdEntry, facts: AccountFacts, tell: Tell): void {
  const { jail, verbose } = facts;
  const name = display(entry.name);
  const where = `jail ${display(jail)}/`;
  if (!NO_PASSWORD.test(entry.password)) {
    tell("password-hash", `user ${name} has a password hash in ${where}`, undefined, undefined, {
      kind: "password",
      user: entry.name,
    });
  }
  if (entry.name === "root") {
    verbose("ignoring entry for user root in jail/etc/passwd");
    const remedy = `sed -i 's/^root:[^:]*:[0-9]*:/root:x:0:/' ${shellWord(`${jail}/etc/passwd`)}`;
    if (entry.uid !== 0) tell("user-changed", `user root is changed in ${where}`, remedy);
    return;
  }
  verbose(`comparing jailed user ${entry.name} with the real user`);
  const real = facts.hostUser(entry.name);
  if (entry.uid === 0) {
    const remedy =
      real === undefined || real.uid === 0 ? removeRemedy(facts, entry.name) : sideRemedy(facts, entry.name);
    tell("extra-root", `user ${name} in ${where} has uid 0, like root`, remedy);
  }
  if (real === undefined) {
    const message = `user ${name} in ${where} does not exist on the real system`;
    tell("user-unknown", message, removeRemedy(facts, entry.name));
    return;
  }
  if (real.uid !== entry.uid || real.gid !== entry.gid)
    tell("user-changed", `user ${name} is changed in ${where}`, sideRemedy(facts, entry.name));
  const split = splitHome(real.home);
  const inside = split !== undefined && plainPath(split.jail) === jail;
  // An account of the system, such as www-data, is in the jail for its name alone.
  const guest = isSystemAccount(real.uid) || facts.isGuest(real);
  const lent = split === undefined && real.home === entry.home && guest;
  if (!lent && !(inside && split !== undefined && dirsEqual(split.home, entry.home))) {
    // One that lives elsewhere has no business in this jail.
    const remedy =
      movedRemedy(entry, real, facts) ??
      (inside || facts.isGuest(real) ? sideRemedy : removeRemedy)(facts, entry.name);
    const message = `the real homedir and jail homedir for user ${name} do not correspond in ${where}`;
    tell("home-differs", message, remedy);
  }
  if (inside && split !== undefined)
    judgeJailed(entry, { ...real, home: plainPath(split.home) }, facts, tell);
}

/** Whether an account of the jail with this uid has this home. */
function isHomeOf({ passwd }: AccountFacts, uid: number, home: ByteString): boolean {
  return passwd.some((line) => {
    const entry = parsePasswdLine(line);
    return entry !== undefined && entry.uid === uid && dirsEqual(entry.home, home);
  });
}

/**
 * What an account that logs in to this jail needs there. The home is that of the host's account, and `real` as the jail
 * sees it: where the jail's line says something else, the line is at fault, and no home.
 */
function judgeJailed(entry: PasswdEntry, real: PasswdEntry, facts: AccountFacts, tell: Tell): void {
  const { jail } = facts;
  const name = display(entry.name);
  const path = jail + real.home;
  const home = facts.inJail(real.home);
  if (home === undefined)
    tell(
      "home-missing",
      `the home ${display(path)} of user ${name} does not exist`,
      isJailsOwn(real.home)
        ? otherHomeRemedy(jail, real)
        : `install -d -o ${real.uid} -g ${real.gid} -m 0700 ${shellWord(path)}`,
      path,
    );
  else if (home.uid !== real.uid) {
    const message = `the home ${display(path)} of user ${name} belongs to uid ${home.uid}`;
    // Given to this account, it would be taken from whom it is for.
    const shared = isJailsOwn(real.home) || isHomeOf(facts, home.uid, real.home);
    const own = dirsEqual(real.home, usualHome(real.name)) || !shared;
    const remedy = own ? `chown -h ${real.uid} ${shellWord(path)}` : otherHomeRemedy(jail, real);
    tell("home-owner", message, remedy, path);
  }
  // jk_chrootsh runs the limited shell itself where the jail has none.
  if (entry.shell.endsWith("/jk_lsh") || facts.programInJail(entry.shell)) return;
  const shell = `${jail}${plainPath(entry.shell)}`;
  const copy = `jk_cp -f -j ${shellWord(jail)} ${operands(entry.shell)}`;
  const other = `jk_jailuser --jail-side-only -s ${LIMITED_SHELL} -j ${shellWord(jail)} ${operands(entry.name)}`;
  const remedy = facts.programOnHost(entry.shell) ? copy : other;
  tell(
    "shell-missing",
    `the shell ${display(shell)} of user ${name} is no program in the jail`,
    remedy,
    shell,
  );
}

function judgeGroup(
  entry: GroupEntry,
  index: number,
  facts: AccountFacts,
  tell: Tell,
  path: ByteString,
): void {
  const sed = (expression: string) => `sed -i '${index + 1}${expression}' ${shellWord(path)}`;
  const where = `jail ${display(facts.jail)}/`;
  const name = display(entry.name);
  if (!NO_PASSWORD.test(entry.password))
    tell("password-hash", `group ${name} has a password hash in ${where}`, sed("s/:[^:]*/:x/"), path);
  const real = facts.hostGroup(entry.name);
  if (real === undefined) {
    tell("group-unknown", `group ${name} in ${where} does not exist on the real system`, sed("s/^/#/"), path);
  } else if (real.gid !== entry.gid) {
    tell("group-changed", `group ${name} is changed in ${where}`, sed(`s/:[0-9]*:/:${real.gid}:/`), path);
  }
}
