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

/** The facts for the rules about accounts. */
export interface AccountFacts {
  /** The jail's path on the host. */
  readonly jail: ByteString;
  /** The lines of the jail's etc/passwd and etc/group; empty if there is no such file. */
  readonly passwd: readonly ByteString[];
  readonly group: readonly ByteString[];
  /** Through all name services of the host. */
  readonly hostUser: (name: ByteString) => PasswdEntry | undefined;
  readonly hostGroup: (name: ByteString) => GroupEntry | undefined;
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
  /** True if a jail is missing at its path, and may be this one. */
  readonly mayHaveMovedHere: (jail: ByteString) => boolean;
  readonly verbose: (line: ByteString) => void;
}

// SYS_UID_MAX of login.defs(5), and nobody
const isSystemAccount = (uid: number): boolean => uid < 1000 || uid === 65534;
// Fields without a hash; see crypt(5).
const NO_PASSWORD = /^(?:|x|\*.*|!.*|[A-Za-z0-9_-]{1,3})$/;

/** True if a home is in this jail. */
export function livesIn(jail: ByteString, home: ByteString): boolean {
  const split = splitHome(home);
  return split !== undefined && plainPath(split.jail) === jail;
}

/** Compares the accounts of a jail with those of the host. */
export function accountFindings(facts: AccountFacts): CheckFinding[] {
  return new AccountCheck(facts).findings();
}

/** A command that turns a line into a comment. */
const comment = (file: ByteString, index: number) => `sed -i '${index + 1}s/^/#/' ${shellWord(file)}`;

class AccountCheck {
  readonly #facts: AccountFacts;
  readonly #passwd: ByteString;
  readonly #group: ByteString;
  readonly #where: string;
  readonly #findings: CheckFinding[] = [];
  readonly #names = new Set<ByteString>();
  readonly #uids = new Map<number, ByteString>();

  constructor(facts: AccountFacts) {
    this.#facts = facts;
    this.#passwd = `${facts.jail}/etc/passwd`;
    this.#group = `${facts.jail}/etc/group`;
    this.#where = `jail ${display(facts.jail)}/`;
  }

  findings(): CheckFinding[] {
    const { passwd, group } = this.#facts;
    for (const [index, line] of passwd.entries()) {
      const entry = parsePasswdLine(line);
      if (entry === undefined) {
        this.#checkInvalid(line, index, this.#passwd, "an account");
        continue;
      }
      this.#checkDuplicate(entry, index);
      this.#checkUser(entry);
    }
    for (const [index, line] of group.entries()) {
      const entry = parseGroupLine(line);
      if (entry === undefined) this.#checkInvalid(line, index, this.#group, "a group");
      else this.#checkGroup(entry, index);
    }
    return this.#findings;
  }

  #report(rule: Rule, message: string, remedy?: string, path = this.#passwd, repair?: Repair): void {
    const more = { ...(remedy === undefined ? {} : { remedy }), ...(repair === undefined ? {} : { repair }) };
    this.#findings.push({ rule, path, message, ...more });
  }

  #checkInvalid(line: ByteString, index: number, file: ByteString, what: string): void {
    if (line === "" || line.startsWith("#")) return;
    const message = `${display(file)}: line ${index + 1} is not ${what}: ${display(line)}`;
    this.#report("account-line", message, comment(file, index), file);
  }

  #checkDuplicate({ name, uid }: PasswdEntry, index: number): void {
    const other = this.#names.has(name) ? name : this.#uids.get(uid);
    if (other !== undefined && (uid !== 0 || name === other)) {
      const message = `user ${display(name)} (uid ${uid}) in ${this.#where} is in it already, as ${display(other)}`;
      const known = name !== other && this.#facts.hostUser(name) !== undefined;
      const remedy = known ? this.#sideRemedy(name) : comment(this.#passwd, index);
      this.#report("duplicate-user", message, remedy);
    }
    this.#names.add(name);
    if (!this.#uids.has(uid)) this.#uids.set(uid, name);
  }

  #checkUser(entry: PasswdEntry): void {
    const { jail, verbose, hostUser, isGuest } = this.#facts;
    const name = display(entry.name);
    const where = this.#where;
    if (!NO_PASSWORD.test(entry.password)) {
      const repair: Repair = { kind: "password", user: entry.name };
      this.#report(
        "password-hash",
        `user ${name} has a password hash in ${where}`,
        undefined,
        undefined,
        repair,
      );
    }
    if (entry.name === "root") {
      verbose("ignoring entry for user root in jail/etc/passwd");
      const remedy = `sed -i 's/^root:[^:]*:[0-9]*:/root:x:0:/' ${shellWord(this.#passwd)}`;
      if (entry.uid !== 0) this.#report("user-changed", `user root is changed in ${where}`, remedy);
      return;
    }
    verbose(`comparing jailed user ${entry.name} with the real user`);
    const real = hostUser(entry.name);
    if (entry.uid === 0) {
      const away = real === undefined || real.uid === 0;
      const remedy = away ? this.#removeRemedy(entry.name) : this.#sideRemedy(entry.name);
      this.#report("extra-root", `user ${name} in ${where} has uid 0, like root`, remedy);
    }
    if (real === undefined) {
      const message = `user ${name} in ${where} does not exist on the real system`;
      this.#report("user-unknown", message, this.#removeRemedy(entry.name));
      return;
    }
    if (real.uid !== entry.uid || real.gid !== entry.gid)
      this.#report("user-changed", `user ${name} is changed in ${where}`, this.#sideRemedy(entry.name));
    const split = splitHome(real.home);
    const inside = split !== undefined && plainPath(split.jail) === jail;
    // A system account, such as www-data, is in the jail only for its name.
    const guest = isSystemAccount(real.uid) || isGuest(real);
    const lent = split === undefined && real.home === entry.home && guest;
    if (!lent && !(inside && dirsEqual(split.home, entry.home))) {
      const stays = inside || isGuest(real);
      const remedy =
        this.#movedRemedy(entry, real) ??
        (stays ? this.#sideRemedy(entry.name) : this.#removeRemedy(entry.name));
      const message = `the real homedir and jail homedir for user ${name} do not correspond in ${where}`;
      this.#report("home-differs", message, remedy);
    }
    if (inside) this.#checkJailedUser(entry, { ...real, home: plainPath(split.home) });
  }

  /**
   * Checks the home and shell of an account that logs in to this jail. The home of the host's account counts, which
   * `real` has as the jail sees it: if the jail's line differs, the line is wrong.
   */
  #checkJailedUser(entry: PasswdEntry, real: PasswdEntry): void {
    const { jail, inJail, programInJail, programOnHost, onlyRootRuns, noexec } = this.#facts;
    const name = display(entry.name);
    const path = jail + real.home;
    const home = inJail(real.home);
    if (home === undefined) {
      const create = `install -d -o ${real.uid} -g ${real.gid} -m 0700 ${shellWord(path)}`;
      const remedy = isJailsOwn(real.home) ? otherHomeRemedy(jail, real) : create;
      this.#report("home-missing", `the home ${display(path)} of user ${name} does not exist`, remedy, path);
    } else if (home.uid !== real.uid) {
      const message = `the home ${display(path)} of user ${name} belongs to uid ${home.uid}`;
      // chown would take it from its rightful user.
      const shared = isJailsOwn(real.home) || this.#isHomeOf(home.uid, real.home);
      const own = dirsEqual(real.home, usualHome(real.name)) || !shared;
      const remedy = own
        ? `chown -h ${real.uid}:${real.gid} ${shellWord(path)}`
        : otherHomeRemedy(jail, real);
      this.#report("home-owner", message, remedy, path);
    }
    if (noexec) {
      const message = `user ${name} can execute nothing: the file system of ${display(jail)} is mounted noexec`;
      this.#report(
        "shell-missing",
        message,
        `mount -o remount,exec "$(stat -c %m ${shellWord(jail)})"`,
        jail,
      );
      return;
    }
    // jk_chrootsh has the limited shell built in.
    const isThere = programInJail(entry.shell);
    if (entry.shell.endsWith("/jk_lsh") || (isThere && !onlyRootRuns(entry.shell))) return;
    const shell = `${jail}${plainPath(entry.shell)}`;
    const copy = `jk_cp -f -j ${shellWord(jail)} ${operands(entry.shell)}`;
    const other = `jk_jailuser --jail-side-only -s ${LIMITED_SHELL} -j ${shellWord(jail)} ${operands(entry.name)}`;
    const what = isThere ? "can be executed by root alone" : "is not a program in the jail";
    const message = `the shell ${display(shell)} of user ${name} ${what}`;
    this.#report("shell-missing", message, programOnHost(entry.shell) ? copy : other, shell);
  }

  #checkGroup(entry: GroupEntry, index: number): void {
    const path = this.#group;
    const sed = (expression: string) => `sed -i '${index + 1}${expression}' ${shellWord(path)}`;
    const where = this.#where;
    const name = display(entry.name);
    if (!NO_PASSWORD.test(entry.password))
      this.#report(
        "password-hash",
        `group ${name} has a password hash in ${where}`,
        sed("s/:[^:]*/:x/"),
        path,
      );
    const real = this.#facts.hostGroup(entry.name);
    if (real === undefined) {
      const message = `group ${name} in ${where} does not exist on the real system`;
      this.#report("group-unknown", message, comment(path, index), path);
    } else if (real.gid !== entry.gid) {
      const remedy = sed(`s/:[0-9]*:/:${real.gid}:/`);
      this.#report("group-changed", `group ${name} is changed in ${where}`, remedy, path);
    }
  }

  /** True if an account of the jail with this uid has this home. */
  #isHomeOf(uid: number, home: ByteString): boolean {
    return this.#facts.passwd.some((line) => {
      const entry = parsePasswdLine(line);
      return entry !== undefined && entry.uid === uid && dirsEqual(entry.home, home);
    });
  }

  #sideRemedy(name: ByteString): string {
    return `jk_jailuser --jail-side-only -j ${shellWord(this.#facts.jail)} ${operands(name)}`;
  }

  #removeRemedy(name: ByteString): string {
    return `jk_jailuser --unjail --jail-side-only -j ${shellWord(this.#facts.jail)} ${operands(name)}`;
  }

  /** For an account whose jail was moved here: its old path is missing, and its home is in this jail. */
  #movedRemedy(entry: PasswdEntry, real: PasswdEntry): string | undefined {
    const { inJail, mayHaveMovedHere, jail } = this.#facts;
    const split = splitHome(real.home);
    if (split === undefined || !dirsEqual(split.home, entry.home)) return undefined;
    if (inJail(entry.home)?.uid !== real.uid || !mayHaveMovedHere(split.jail)) return undefined;
    return followRemedy(plainPath(split.jail), jail);
  }
}
