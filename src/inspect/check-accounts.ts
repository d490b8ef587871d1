import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { parseGroupLine, parsePasswdLine } from "../jail/account-lines.ts";
import { dirsEqual, splitHome } from "../jail/separator.ts";
import type { GroupEntry, PasswdEntry } from "../system/accounts.ts";
import type { CheckFinding, Repair, Rule } from "./check-rules.ts";
import { plainPath } from "./check-settings.ts";

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
  /** Whether jk_uchroot lets an account of the host in, which is then in the jail for its name alone. */
  readonly isGuest: (user: PasswdEntry) => boolean;
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
  const tell = (rule: Rule, message: string, path: ByteString = passwd, repair?: Repair) =>
    findings.push({ rule, path, message, ...(repair === undefined ? {} : { repair }) });

  const names = new Set<ByteString>();
  const uids = new Map<number, ByteString>();
  facts.passwd.forEach((line, index) => {
    if (line === "") return;
    const entry = parsePasswdLine(line);
    if (entry === undefined) {
      if (!line.startsWith("#"))
        tell("account-line", `${display(passwd)}: line ${index + 1} is no account: ${display(line)}`);
      return;
    }
    const other = names.has(entry.name) ? entry.name : uids.get(entry.uid);
    if (other !== undefined && (entry.uid !== 0 || entry.name === other)) {
      const what = `user ${display(entry.name)} (uid ${entry.uid})`;
      tell(
        "duplicate-user",
        `${what} in jail ${display(facts.jail)}/ is there already, as ${display(other)}`,
      );
    }
    names.add(entry.name);
    if (!uids.has(entry.uid)) uids.set(entry.uid, entry.name);
    judgeUser(entry, facts, tell);
  });
  facts.group.forEach((line, index) => {
    if (line === "") return;
    const entry = parseGroupLine(line);
    if (entry !== undefined) judgeGroup(entry, facts, tell, group);
    else if (!line.startsWith("#"))
      tell("account-line", `${display(group)}: line ${index + 1} is no group: ${display(line)}`, group);
  });
  return findings;
}

type Tell = (rule: Rule, message: string, path?: ByteString, repair?: Repair) => void;

function judgeUser(entry: PasswdEntry, facts: AccountFacts, tell: Tell): void {
  const { jail, verbose } = facts;
  const name = display(entry.name);
  const where = `jail ${display(jail)}/`;
  if (!NO_PASSWORD.test(entry.password)) {
    tell("password-hash", `user ${name} has a password hash in ${where}`, undefined, {
      kind: "password",
      user: entry.name,
    });
  }
  if (entry.name === "root") {
    verbose("ignoring entry for user root in jail/etc/passwd");
    if (entry.uid !== 0) tell("user-changed", `user root is changed in ${where}`);
    return;
  }
  verbose(`comparing jailed user ${entry.name} with the real user`);
  if (entry.uid === 0) tell("extra-root", `user ${name} in ${where} has uid 0, like root`);
  const real = facts.hostUser(entry.name);
  if (real === undefined) {
    tell("user-unknown", `user ${name} in ${where} does not exist on the real system`);
    return;
  }
  if (real.uid !== entry.uid || real.gid !== entry.gid)
    tell("user-changed", `user ${name} is changed in ${where}`);
  const split = splitHome(real.home);
  const inside = split !== undefined && plainPath(split.jail) === jail;
  // An account of the system, such as www-data, is in the jail for its name alone.
  const guest = isSystemAccount(real.uid) || facts.isGuest(real);
  const lent = split === undefined && real.home === entry.home && guest;
  if (!lent && !(inside && split !== undefined && dirsEqual(split.home, entry.home))) {
    tell("home-differs", `the real homedir and jail homedir for user ${name} do not correspond in ${where}`);
  }
  if (inside) judgeJailed(entry, facts, tell);
}

/** What an account that logs in to this jail needs there. */
function judgeJailed(entry: PasswdEntry, facts: AccountFacts, tell: Tell): void {
  const { jail } = facts;
  const name = display(entry.name);
  const path = `${jail}${plainPath(entry.home)}`;
  const home = facts.inJail(entry.home);
  if (home === undefined)
    tell("home-missing", `the home ${display(path)} of user ${name} does not exist`, path);
  else if (home.uid !== entry.uid) {
    const message = `the home ${display(path)} of user ${name} belongs to uid ${home.uid}`;
    tell("home-owner", message, path);
  }
  // jk_chrootsh runs the limited shell itself where the jail has none.
  if (entry.shell.endsWith("/jk_lsh") || facts.programInJail(entry.shell)) return;
  const shell = `${jail}${plainPath(entry.shell)}`;
  tell("shell-missing", `the shell ${display(shell)} of user ${name} is no program in the jail`, shell);
}

function judgeGroup(entry: GroupEntry, facts: AccountFacts, tell: Tell, path: ByteString): void {
  const where = `jail ${display(facts.jail)}/`;
  const name = display(entry.name);
  if (!NO_PASSWORD.test(entry.password))
    tell("password-hash", `group ${name} has a password hash in ${where}`, path);
  const real = facts.hostGroup(entry.name);
  if (real === undefined) {
    tell("group-unknown", `group ${name} in ${where} does not exist on the real system`, path);
  } else if (real.gid !== entry.gid) {
    tell("group-changed", `group ${name} is changed in ${where}`, path);
  }
}
