import type { ByteString } from "../../ffi/bytes.ts";
import { UnansweredMount } from "../../ffi/error.ts";
import type { Stat } from "../../ffi/files.ts";
import { parentOf, plainPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import type { Advice, Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { giveHome, jailSideRemedy, newHome, plainShell, takeLinesOut } from "../enter/remedies.ts";
import { parseGroupLine, parsePasswdLine } from "../jail/accounts/account-lines.ts";
import { isJailsOwn, isRootsPlace, mayBeGiven, usualHome } from "../jail/accounts/home-place.ts";
import { isChrootShell, isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import type { GroupEntry, PasswdEntry } from "../system/accounts.ts";
import { remountCommand } from "../system/mounts.ts";
import { dirsEqual, livesIn, splitHome } from "../system/separator.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import { rootsGroupFault } from "../users/primary-group.ts";
import { type AccountFacts, giveTo } from "./account-facts.ts";
import { otherHomeFindings, otherIdsFinding, ownerOfLine, rightLine } from "./other-home.ts";
import { hashFindings, isHash, refusedLines } from "./refused-lines.ts";
import { advised, type CheckFinding, type Rule } from "./rules.ts";
import { unknownUser } from "./unknown-user.ts";

/** Compares the accounts of a jail with those of the host. */
export function accountFindings(facts: AccountFacts): CheckFinding[] {
  return new AccountCheck(facts).findings();
}

/** True if a path is a home, or in it; both as the jail sees them. */
const isAround = (home: ByteString, path: ByteString): boolean =>
  `${path}/`.startsWith(`${plainPath(home)}/`);

class AccountCheck {
  readonly #facts: AccountFacts;
  readonly #passwd: ByteString;
  readonly #group: ByteString;
  readonly #where: string;
  readonly #users: readonly (PasswdEntry | undefined)[];
  readonly #groups: readonly (GroupEntry | undefined)[];
  /** The first name in the jail of each gid. */
  readonly #groupNames = new Map<number, ByteString>();
  /** The gids whose finding brings the group of the host. */
  readonly #lacking = new Set<number>();
  /** The first name of each name and uid. */
  readonly #seen = new Map<ByteString | number, ByteString>();
  readonly #findings: CheckFinding[] = [];

  constructor(facts: AccountFacts) {
    this.#facts = facts;
    this.#passwd = `${facts.jail}/etc/passwd`;
    this.#group = `${facts.jail}/etc/group`;
    this.#where = `jail ${display(facts.jail)}/`;
    this.#users = facts.passwd.map(parsePasswdLine);
    this.#groups = facts.group.map(parseGroupLine);
    for (const one of this.#groups) if (one !== undefined) this.#groupNames.getOrInsert(one.gid, one.name);
  }

  findings(): CheckFinding[] {
    const { passwd, group } = this.#facts;
    const refused = refusedLines(this.#facts, this.#users, this.#groups);
    this.#findings.push(...refused.findings);
    for (const [index, line] of passwd.entries()) {
      const entry = this.#users[index];
      if (entry === undefined) this.#checkInvalid(line, index, this.#passwd, "an account");
      else if (!refused.lines.has(entry)) {
        this.#checkDuplicate(entry, index);
        this.#checkUser(entry);
      }
    }
    for (const [index, line] of group.entries()) {
      const entry = this.#groups[index];
      if (entry === undefined) this.#checkInvalid(line, index, this.#group, "a group");
      else if (!refused.lines.has(entry)) this.#checkGroup(entry, index);
    }
    return this.#findings;
  }

  #report(rule: Rule, message: string, advice: Advice = "", path = this.#passwd): void {
    this.#findings.push(advised({ rule, path, message }, advice));
  }

  /** A command that changes a line of an account file, if it is still the same: another remedy may take lines out. */
  #sed(file: ByteString, index: number, expression = "s/^/#/"): Advice {
    const lines = file === this.#passwd ? this.#facts.passwd : this.#facts.group;
    const line = lines[index] ?? "";
    const start = /^[ -~]{0,60}/.exec(line)?.[0] ?? "";
    const pattern = start.replace(/[\\/.*^$[\]]/g, "\\$&") + (start === line ? "$" : "");
    // Bytes that are no characters match no pattern of sed(1).
    const same = start === "" ? "/^[ -~]/!" : `/^${pattern}/`;
    return this.#facts.edit(file, `${index + 1}{${same}${expression}}`);
  }

  #checkInvalid(line: ByteString, index: number, file: ByteString, what: string): void {
    if (line === "" || line.startsWith("#")) return;
    const message = `${display(file)}: line ${index + 1} is not ${what}: ${display(line)}`;
    this.#report("account-line", message, this.#sed(file, index), file);
  }

  #checkDuplicate(entry: PasswdEntry, index: number): void {
    const { name, uid } = entry;
    const other = this.#seen.get(name) ?? (uid === 0 ? undefined : this.#seen.get(uid));
    this.#seen.set(name, name);
    this.#seen.getOrInsert(uid, name);
    if (other === undefined) return;
    // Two names of one user on the host too, as hosting panels have them.
    if (name !== other && this.#isReal(name, uid) && this.#isReal(other, uid)) return;
    const message = `user ${display(name)} (uid ${uid}) in ${this.#where} is a duplicate of ${display(other)}`;
    const known = name === other ? undefined : this.#facts.hostUser(name);
    const advice =
      known === undefined ? this.#sed(this.#passwd, index) : rightLine(this.#facts, entry, known);
    this.#report("duplicate-user", message, advice);
  }

  #isReal = (name: ByteString, uid: number): boolean => this.#facts.hostUser(name)?.uid === uid;

  #checkUser(entry: PasswdEntry): void {
    const { jail, verbose, hostUser } = this.#facts;
    const [name, where] = [display(entry.name), this.#where];
    const remove = takeLinesOut(jail, entry.name);
    this.#findings.push(...hashFindings(entry, jail));
    if (entry.name === "root") {
      verbose("ignoring entry for user root in jail/etc/passwd");
      const advice = this.#facts.edit(this.#passwd, "s/^root:[^:]*:[0-9]*:/root:x:0:/");
      if (entry.uid !== 0) this.#report("user-changed", `user root is changed in ${where}`, advice);
      return;
    }
    verbose(`comparing jailed user ${entry.name} with the real user`);
    const real = hostUser(entry.name);
    if (entry.uid === 0) {
      const remedy = real === undefined || real.uid === 0 ? remove : rightLine(this.#facts, entry, real);
      this.#report("extra-root", `user ${name} in ${where} has uid 0, like root`, remedy);
    }
    if (real === undefined) {
      this.#findings.push(unknownUser(entry, this.#facts));
      return;
    }
    const changed = otherIdsFinding(jail, entry, real);
    const owner = ownerOfLine(this.#facts, entry, real);
    const isOthers = owner !== undefined;
    const other = isOthers || real.uid === entry.uid ? undefined : this.#facts.otherUid(real, jail, entry);
    if (changed !== undefined && other !== undefined) {
      // What makes its line right, or gives it a home, would be for the other one, too.
      this.#report("user-changed", `${changed.message}: ${other.message}`, other.remedy ?? "");
      return;
    }
    if (changed !== undefined && owner?.stray !== undefined)
      this.#report("user-changed", `${changed.message}, and ${quoted(owner.name)} has its uid`, owner.stray);
    else if (changed !== undefined)
      this.#findings.push(real.uid === 0 ? changed : advised(changed, rightLine(this.#facts, entry, real)));
    // Nothing is advised that makes a line, or a home, for root.
    if (isOthers || real.uid === 0) return;
    const split = splitHome(real.home);
    const inside = split !== undefined && livesIn(jail, real.home);
    this.#findings.push(...otherHomeFindings(this.#facts, entry, real));
    if (!inside) return;
    if (real.gid === entry.gid) this.#checkPrimaryGroup(real);
    // The home of the host's account counts: if the jail's line differs, the line is wrong.
    this.#checkHome({ ...real, home: plainPath(split.home) });
    this.#checkShell(entry);
  }

  /** A login needs the group of the account in the jail, with the same name. */
  #checkPrimaryGroup(user: PasswdEntry): void {
    const { name, gid } = user;
    if (this.#lacking.has(gid)) return;
    const [real, inside] = [this.#facts.hostGroupNumbered(gid), this.#groupNames.get(gid)];
    if (real === undefined) this.#checkNoGroup(user, inside);
    if (real === undefined || inside === real.name) return;
    this.#lacking.add(gid);
    const what = inside === undefined ? "is missing" : `has the name ${display(inside)}`;
    const message = `group ${display(real.name)} (gid ${gid}) of user ${display(name)} ${what} in ${this.#where}`;
    this.#report("group-not-in-jail", message, jailSideRemedy(this.#facts.jail, name), this.#group);
  }

  #checkNoGroup(user: PasswdEntry, inside: ByteString | undefined): void {
    const { name, gid } = user;
    const remedy = this.#facts.noGroup(user, inside);
    if (remedy === undefined) return;
    this.#lacking.add(gid);
    const message = `gid ${gid} of user ${display(name)} is not a group of the real system: no login works`;
    this.#report("group-not-in-jail", message, remedy, this.#group);
  }

  /** `real`: the host's account, with its home as the jail sees it. */
  #checkHome(real: PasswdEntry): void {
    try {
      this.#checkHomeThere(real);
    } catch (error) {
      // Of such a mount the rules about files tell.
      if (!(error instanceof UnansweredMount)) throw error;
    }
  }

  #checkHomeThere(real: PasswdEntry): void {
    const { jail, inJail, homeMount, relaxed, verbose } = this.#facts;
    const { uid, home } = real;
    const path = jail + home;
    const what = `the home ${display(path)} of user ${display(real.name)}`;
    const stat = inJail(home);
    const elsewhere = stat?.uid === uid ? undefined : this.#facts.homeElsewhere(real);
    if (elsewhere === "told") return;
    const isOwn = stat !== undefined && (stat.uid === uid || relaxed(real).relaxHomeOwner);
    if (elsewhere !== undefined) {
      this.#report("home-missing", `${what} does not exist, ${elsewhere.message}`, elsewhere.remedy, path);
    } else if (stat === undefined || (isOwn && !isDirectory(stat))) {
      const create = isJailsOwn(home) ? this.#facts.otherHome(real) : newHome(this.#facts, real);
      const why = stat === undefined ? "does not exist" : "is not a directory";
      this.#report("home-missing", `${what} ${why}`, homeMount(home, false, create) ?? create, path);
    } else if (isOwn) {
      if (stat.uid !== uid) verbose(`${what} belongs to uid ${stat.uid}, which jk_chrootsh.ini allows`);
      this.#checkHomeItself(real, stat, path, what);
    } else {
      // chown would take it from its rightful user.
      const isTheirs =
        this.#users.some((one) => one?.uid === stat.uid && dirsEqual(one.home, home)) ||
        this.#facts.mayBeHome(path);
      const own = dirsEqual(home, usualHome(real.name)) || !(isJailsOwn(home) || isTheirs);
      const give = giveHome(real, stat, relaxed(real).relaxHomeGroup);
      const advice = own ? giveTo(this.#facts, real, give, false) : this.#facts.otherHome(real);
      this.#report("home-owner", `${what} belongs to uid ${stat.uid}`, advice, path);
    }
    this.#checkAboveHome(real, what);
  }

  #checkHomeItself(real: PasswdEntry, stat: Stat, path: ByteString, what: string): void {
    const { inJail, relaxed } = this.#facts;
    const { uid, gid, home, shell } = real;
    const open: Remedy = `chmod u+x ${shellWord(path)}`;
    if (stat.uid === uid && (stat.mode & 0o100) === 0)
      this.#report("home-closed", `${what} cannot be entered by the user`, open, path);
    // As jk_chrootsh checks it; other login shells do not.
    if (stat.gid === gid || !isChrootShell(shell) || relaxed(real).relaxHomeGroup) return;
    const own = dirsEqual(home, usualHome(real.name)) || !isJailsOwn(home);
    const isTheirs = mayBeGiven(stat, uid, () => isRootsPlace(home, inJail));
    const give = () => giveTo(this.#facts, real, `chgrp -h +${gid}`, isTheirs);
    const advice = rootsGroupFault(real)?.advice ?? (own ? give() : this.#facts.otherHome(real));
    this.#report("home-group", `${what} has group ${stat.gid}, so that the login is refused`, advice, path);
  }

  /** The rules about modes report a directory of root's that others can write. */
  #checkAboveHome(real: PasswdEntry, what: string): void {
    const { name, uid, home } = real;
    const { jail, inJail } = this.#facts;
    for (let at = parentOf(home); at !== ""; at = parentOf(at)) {
      const owner = inJail(at)?.uid;
      const path = jail + at;
      const known = this.#findings.some((one) => one.rule === "home-exchangeable" && one.path === path);
      if (owner === undefined || owner === 0 || owner === uid || known) continue;
      const message = `${display(path)} belongs to uid ${owner}, who can exchange ${what}`;
      // chown would take it from a user whose home it is, or is in.
      const isTheirs =
        this.#users.some((one) => one?.uid === owner && isAround(one.home, at)) ||
        this.#facts.mayBeHome(path);
      const moves = isTheirs && !dirsEqual(home, usualHome(name));
      const advice: Advice = moves ? this.#facts.otherHome(real) : `chown -h root ${shellWord(path)}`;
      this.#report("home-exchangeable", message, advice, path);
    }
  }

  #checkShell({ name, shell }: PasswdEntry): void {
    const { jail, programInJail, programOnHost, onlyRootRuns, noexec } = this.#facts;
    const user = `user ${display(name)}`;
    if (noexec) {
      const message = `${user} can execute nothing: the file system of ${display(jail)} is mounted noexec`;
      this.#report("shell-missing", message, remountCommand("exec", jail), jail);
      return;
    }
    // jk_chrootsh has the limited shell built in.
    const isThere = programInJail(shell);
    if (isLimitedShell(shell) || (isThere && !onlyRootRuns(shell))) return;
    const path = `${jail}${plainPath(shell)}`;
    const what = isThere ? "can be executed by root alone" : "is not a program in the jail";
    const bare = plainShell(shell);
    const other = !isThere && programInJail(bare) ? bare : LIMITED_SHELL;
    const advice: Remedy = programOnHost(shell)
      ? `jk_cp -f -j ${shellWord(jail)} ${operands(shell)}`
      : jailSideRemedy(jail, name, `--jail-side-only -s ${shellWord(other)}`);
    this.#report("shell-missing", `the shell ${display(path)} of ${user} ${what}`, advice, path);
  }

  #checkGroup({ name: group, gid, password }: GroupEntry, index: number): void {
    const [path, where, name] = [this.#group, this.#where, display(group)];
    if (isHash(password)) {
      const advice = this.#sed(path, index, "s/:[^:]*/:x/");
      this.#report("password-hash", `group ${name} has a password hash in ${where}`, advice, path);
    }
    const [real, other] = [this.#facts.hostGroup(group), () => this.#facts.hostGroupNumbered(gid)];
    // jk_jailuser gives it the name on the host; a directory may have another one of that name, with this number.
    if (real?.gid === gid || this.#lacking.has(gid) || other()?.name === group) return;
    if (real === undefined) {
      const message = `group ${name} in ${where} does not exist on the real system`;
      this.#report("group-unknown", message, this.#sed(path, index), path);
    } else {
      const advice = this.#sed(path, index, `s/^\\([^:]*:[^:]*\\):[0-9]*:/\\1:${real.gid}:/`);
      this.#report("group-changed", `group ${name} is changed in ${where}`, advice, path);
    }
  }
}
