import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT, localUsers, usersIn } from "../../system/flat-accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { homeInJail, jailOfHome } from "../../system/separator.ts";
import { lookUp, readJailFile } from "../fs/look.ts";
import { type JailRoot, openJailRoot } from "../fs/walk.ts";

/** A jail, and one of its users. */
interface Whose {
  readonly jail: ByteString;
  readonly name: ByteString;
}

/** Users of whom there are homes in another jail than theirs. */
interface HomesOf {
  /** One of them. */
  readonly name: ByteString;
  /** All of them have their lines and homes there, and nobody else has. */
  readonly isAll: boolean;
}

/** Whose users jails have, by their lines and homes. Accounts are read once. */
export class OthersUsers {
  #accounts: ReadonlyMap<ByteString, PasswdEntry> | undefined;

  /**
   * The jail of whose users the lines and homes at a path are certainly, as those of that one are of this: the two have exchanged their
   * paths. Throws JailkitError or SystemError if one cannot be read.
   */
  exchangedWith(path: ByteString): Whose | undefined {
    const whose = this.#whoseIn(path);
    return whose !== undefined && this.#whoseIn(whose.jail)?.jail === path ? whose : undefined;
  }

  /** Users of a jail of whom homes are at another path; undefined for none. Throws as exchangedWith. */
  homesOf(jail: ByteString, path: ByteString): HomesOf | undefined {
    using root = openJailRoot(path);
    const isThere = ({ uid, home }: Pick<PasswdEntry, "uid" | "home">) =>
      uid !== 0 && lookUp(root, home)?.stat.uid === uid;
    const lines = linesOf(root).filter(isThere);
    const local = this.#all();
    // A name service may not list its accounts.
    const others = lines.flatMap(({ name }) =>
      local.has(name) ? [] : (answered(() => hostUser(name)) ?? []),
    );
    const all = Map.groupBy([...local.values(), ...others], ({ home }) => jailOfHome(home));
    const users = (all.get(jail) ?? []).filter(({ uid }) => uid !== 0);
    const uids = new Set(lines.map(({ uid }) => uid));
    const one = users.find(({ uid, home }) => uids.has(uid) || isThere({ uid, home: homeInJail(home) }));
    if (one === undefined) return undefined;
    const ids = new Set(lines.map(({ name, uid }) => `${name}:${uid}`));
    const hasLine = ({ name, uid }: PasswdEntry) => ids.has(`${name}:${uid}`);
    const isAll = ids.size === users.length && users.every(hasLine);
    return { name: one.name, isAll };
  }

  /** The one other jail to which all users of jails belong who have a line and their home at a path, and no home in that other one. */
  #whoseIn(path: ByteString): Whose | undefined {
    using root = openJailRoot(path);
    const theirs = this.#linesIn(root);
    const [first] = theirs;
    if (first === undefined || first.jail === path) return undefined;
    const { jail } = first;
    if (theirs.some((one) => one.jail !== jail)) return undefined;
    using other = openJailRoot(jail);
    const isTheirs = theirs.every(({ line: { uid, home }, account }) => {
      const isOwn = lookUp(other, homeInJail(account.home))?.stat.uid === uid;
      return account.uid === uid && !isOwn && lookUp(root, home)?.stat.uid === uid;
    });
    return isTheirs ? { jail, name: first.line.name } : undefined;
  }

  /** The lines of those who live in jails. */
  #linesIn(root: JailRoot) {
    const accounts = this.#all();
    return linesOf(root).flatMap((line) => {
      const account = accounts.get(line.name);
      const jail = account && jailOfHome(account.home);
      return account === undefined || jail === undefined ? [] : { line, account, jail };
    });
  }

  #all(): ReadonlyMap<ByteString, PasswdEntry> {
    this.#accounts ??= new Map(localUsers().map((account) => [account.name, account]));
    return this.#accounts;
  }
}

/** The users that a jail has. */
const linesOf = (root: JailRoot): PasswdEntry[] =>
  usersIn(fromBytes(readJailFile(root, "/etc/passwd", ACCOUNT_FILE_LIMIT) ?? new Uint8Array()));
