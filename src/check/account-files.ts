import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readAllFd, type Stat, statIfPresent } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { ACCOUNT_FILE_LIMIT } from "../jail/accounts/accounts.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { lookUp, withJailFile } from "../jail/fs/look.ts";
import { isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { mayHaveMoved } from "../jail/record/moved.ts";
import { groupByName, passwdByName, passwdByUid } from "../system/accounts.ts";
import { isNoexec } from "../system/mounts.ts";
import { type AccountFacts, livesIn } from "./accounts.ts";
import type { Home } from "./files/spaces.ts";
import type { CheckProblem } from "./rules.ts";
import { uchrootGuests } from "./uchroot-guests.ts";

interface Account {
  readonly name: ByteString;
  readonly uid: number;
  readonly gid: number;
  readonly home: ByteString;
}

/** The accounts of a jail, from its passwd and group. */
export class AccountFiles {
  /** The files that cannot be read. */
  readonly problems: CheckProblem[] = [];
  readonly accounts: readonly Account[];
  readonly #root: JailRoot;
  readonly #passwd: readonly ByteString[];
  readonly #group: readonly ByteString[];
  readonly #primaryGroups: ReadonlyMap<number, number>;
  readonly #knownUids = new Map<number, boolean>();

  constructor(root: JailRoot) {
    this.#root = root;
    this.#passwd = this.#lines("/etc/passwd");
    this.#group = this.#lines("/etc/group");
    this.accounts = this.#passwd.flatMap(accountIn);
    this.#primaryGroups = new Map(this.accounts.map(({ uid, gid }) => [uid, gid]));
  }

  /** The homes of its accounts; `users` are the jailed users of the host. */
  homes(users: readonly JailedUser[]): Home[] {
    return this.accounts
      .filter(({ uid }) => uid !== 0)
      .map(({ name, home }) => {
        const real = users.find((user) => user.name === name);
        const confirmed = real !== undefined && livesIn(this.#root.path, real.home);
        return { path: plainPath(home), confirmed };
      });
  }

  primaryGroup(uid: number): number | undefined {
    return this.#primaryGroups.get(uid);
  }

  /** True if an account of the jail or of the host has this uid; the host is asked once for each. */
  hasUid(uid: number): boolean {
    const known =
      this.#knownUids.get(uid) ?? (this.#primaryGroups.has(uid) || passwdByUid(uid) !== undefined);
    this.#knownUids.set(uid, known);
    return known;
  }

  /** The name for a uid in the jail, else on the host. */
  nameOf(uid: number): ByteString | undefined {
    return this.accounts.find((one) => one.uid === uid)?.name ?? passwdByUid(uid)?.name;
  }

  /** The facts for the rules about accounts. */
  facts(verbose: (line: ByteString) => void): AccountFacts {
    const root = this.#root;
    return {
      jail: root.path,
      passwd: this.#passwd,
      group: this.#group,
      hostUser: (name) => passwdByName(name),
      hostGroup: (name) => groupByName(name),
      inJail: (path) => lookInJail(root, path, false),
      programInJail: (path) => isProgram(path.startsWith("/") ? lookInJail(root, path, true) : undefined),
      onlyRootRuns: (path) => {
        const stat = lookInJail(root, path, true);
        return stat !== undefined && stat.uid === 0 && (stat.mode & 0o011) === 0;
      },
      programOnHost: (path) =>
        isProgram(path.startsWith("/") ? statIfPresent(AT_FDCWD, path, true) : undefined),
      noexec: isNoexec(root.fd),
      isGuest: uchrootGuests(root.path),
      mayHaveMovedHere: (jail) => mayHaveMoved(jail, root.path),
      verbose,
    };
  }

  #lines(path: ByteString): ByteString[] {
    try {
      const bytes = withJailFile(this.#root, path, (fd) => readAllFd(fd, ACCOUNT_FILE_LIMIT));
      return bytes === undefined ? [] : fromBytes(bytes).split("\n");
    } catch (error) {
      const message = describeError(error);
      this.problems.push({ code: "unreadable", path: this.#root.path + path, message });
      return [];
    }
  }
}

function accountIn(line: ByteString): Account[] {
  const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
  return name !== "" && /^\d+$/.test(uid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [];
}

const isProgram = (stat: Stat | undefined) =>
  stat !== undefined && isRegular(stat) && (stat.mode & 0o111) !== 0;

/** A file of the jail; undefined also if a symbolic link of a user is on the way. */
function lookInJail(root: JailRoot, path: ByteString, follow: boolean): Stat | undefined {
  try {
    return lookUp(root, path, { follow })?.stat;
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}
