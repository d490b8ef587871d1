import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT, localUsers, usersIn } from "../../system/flat-accounts.ts";
import { homeInJail, jailOfHome } from "../../system/separator.ts";
import { lookUp, readJailFile } from "../fs/look.ts";
import { type JailRoot, openJailRoot } from "../fs/walk.ts";

/** A jail, and one of its users. */
interface Whose {
  readonly jail: ByteString;
  readonly name: ByteString;
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
    this.#accounts ??= new Map(localUsers().map((account) => [account.name, account]));
    const text = fromBytes(readJailFile(root, "/etc/passwd", ACCOUNT_FILE_LIMIT) ?? new Uint8Array());
    return usersIn(text).flatMap((line) => {
      const account = this.#accounts?.get(line.name);
      const jail = account && jailOfHome(account.home);
      return account === undefined || jail === undefined ? [] : { line, account, jail };
    });
  }
}
