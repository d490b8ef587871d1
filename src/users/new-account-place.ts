import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf, pathComponents } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type JailAccounts, readJailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, isLink, type JailRoot } from "../jail/fs/walk.ts";
import { requireWritable, requireWritableAccounts } from "../jail/fs/writable.ts";
import { type Group, groupByGid, groupByName, type PasswdEntry, passwdByUid } from "../system/accounts.ts";
import { nextId, usualSkeleton } from "../system/login-defs.ts";
import { requireMountedPlace, requireSafePlace } from "./safe-place.ts";

/** What the plan of a new account looks up on the host, each once: as NewAccountPlace. */
export class NewAccountHost {
  readonly #found = new Map<string, unknown>();

  /** What throws is asked again: its message may name the account. */
  protected once<T>(what: string, find: () => T): T {
    if (!this.#found.has(what)) this.#found.set(what, find());
    return this.#found.get(what) as T;
  }

  /** The directory whose files useradd(8) copies into a new home. */
  get skeleton(): ByteString {
    return this.once("skeleton", usualSkeleton);
  }

  /** The group of that name on the host. */
  group(name: ByteString): Group | undefined {
    return this.once(`group ${name}`, () => groupByName(name));
  }

  /** The uid that useradd(8) gives to an account; undefined if all are used. */
  nextUid(system: boolean): number | undefined {
    const isUsed = (id: number) => passwdByUid(id) !== undefined;
    return this.once(`uid ${system}`, () => nextId("UID", system, isUsed));
  }

  /** The gid that groupadd(8) gives to a group; undefined if all are used. */
  nextGid(): number | undefined {
    return this.once("gid", () => nextId("GID", false, (id) => groupByGid(id) !== undefined));
  }
}

/**
 * What the plan of a new account looks up in a jail and on the host, each once. Plans of many accounts share it only while
 * none of them is created.
 */
export class NewAccountPlace extends NewAccountHost {
  #byHome: ReadonlyMap<ByteString, readonly PasswdEntry[]> | undefined;

  /** `read`: how the accounts of the jail are read. */
  constructor(
    readonly root: JailRoot,
    private readonly read: () => JailAccounts = () => readJailAccounts(root),
  ) {
    super();
  }

  /** Throws SystemError. */
  get accounts(): JailAccounts {
    return this.once("accounts", this.read);
  }

  /** The accounts of the jail with a home, which may have a slash at its end there. */
  usersOfHome(home: ByteString): readonly PasswdEntry[] {
    this.#byHome ??= Map.groupBy(this.accounts.users, (user) => user.home);
    return [...(this.#byHome.get(home) ?? []), ...(this.#byHome.get(`${home}/`) ?? [])];
  }

  /** As requireSafePlace. Throws also if the way has a symbolic link. */
  requireSafe(home: ByteString, elsewhere: string): void {
    requirePlainPlace(this.root, home, elsewhere);
    requireMountedPlace(this.root, home);
    this.once(`safe ${directoryOf(home)}`, () => requireSafePlace(this.root, home, elsewhere));
  }

  /** Throws as requireWritable if the host's account files, or one of these directories of the jail, are read-only. */
  requireWritable(paths: readonly ByteString[]): void {
    for (const path of paths) this.once(`writable ${path}`, () => requireWritable(this.root, [path]));
    this.once("writable", requireWritableAccounts);
  }
}

/** Throws if the way to a new home has a symbolic link, which useradd(8) would follow on the host. */
function requirePlainPlace(root: JailRoot, home: ByteString, advice: string): void {
  const parts = pathComponents(home);
  for (let count = 1; count <= parts.length; count++) {
    const path = `/${parts.slice(0, count).join("/")}`;
    const stat = lookUp(root, path)?.stat;
    if (stat === undefined) return;
    const shown = quoted(hostPath(root, path));
    if (isLink(stat))
      throw badPlace(`${shown} is a symbolic link, which useradd(8) would follow outside: ${advice}`);
    if (!isDirectory(stat) && count < parts.length) throw badPlace(`${shown} is not a directory: ${advice}`);
  }
}

const badPlace = (message: ByteString) => new JailkitError("bad-home", 1, message);
